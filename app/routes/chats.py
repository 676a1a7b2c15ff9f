"""The HTTP routes of saved conversations: list, open, save, rename, delete and put back, and files to take away. Never imports torch."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response

from app.given import read_as
from app.handlers import chats
from app.handlers.chats import Created, Listed, Renamed, Saved
from app.routes.answers import Answers
from app.services import Services
from storage.chats import LIMIT

_AROUND = 100_000
"""Bytes of a request beside its document."""
_AT_ONCE = 8
_KINDS = {"md": "text/markdown; charset=utf-8"}


def offer_chats(app: FastAPI, services: Services) -> None:
    """Add the routes; what is refused is answered with ``{"error": sentence, "kind": ...}`` and a status that says why."""
    answers = Answers(_AT_ONCE)

    async def taken(request: Request, act: Callable[[bytes], Any]) -> Response:
        return await answers.to(request, act, LIMIT + _AROUND)

    @app.get("/play/chats")
    async def listed(asked: Annotated[Listed, Query()]) -> Response:
        return await answers.give(lambda: chats.page(services, asked))

    @app.get("/play/chats/{chat_id}")
    async def opened(chat_id: str) -> Response:
        return await answers.give(lambda: chats.opened(services, chat_id))

    @app.post("/play/chats")
    async def create(request: Request) -> Response:
        return await taken(request, lambda body: chats.create(services, read_as(Created, body)))

    @app.post("/play/chats/{chat_id}")
    async def save(chat_id: str, request: Request) -> Response:
        return await taken(request, lambda body: chats.save(services, chat_id, read_as(Saved, body)))

    @app.post("/play/chats/{chat_id}/rename")
    async def rename(chat_id: str, request: Request) -> Response:
        return await taken(request, lambda body: chats.rename(services, chat_id, read_as(Renamed, body)))

    for deed, act in {"delete": chats.delete, "restore": chats.restore, "remove": chats.remove}.items():
        app.post(f"/play/chats/{{chat_id}}/{deed}")(_acts(answers, partial(act, services)))

    @app.get("/files/chats/{chat_id}.{form}")
    async def file(chat_id: str, form: str) -> Response:
        kind = _KINDS.get(form, "application/x-ndjson")
        return await answers.file(lambda: chats.export(services, chat_id, form), kind)


def _acts(answers: Answers, act: Callable[[str], dict[str, Any]]) -> Callable[[str], Awaitable[Response]]:
    """A route that needs no more than the conversation's id."""

    async def done(chat_id: str) -> Response:
        return await answers.give(lambda: act(chat_id))

    return done
