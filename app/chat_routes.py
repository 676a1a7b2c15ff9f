"""The HTTP routes of saved conversations: list, open, save, rename, delete and put back, and files to take away. Never imports torch."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from app.chats import Value, read_as
from app.handlers import chats
from app.handlers.chats import Created, Listed, Renamed, Saved
from app.route_parts import answered, body_of, file_to_take
from app.services import Services
from app.words import say
from storage.chats import LIMIT

_AROUND = 100_000
"""Bytes of a request beside its document."""
_KINDS = {"md": "text/markdown; charset=utf-8"}


def offer_chats(app: FastAPI, services: Services) -> None:
    """Add the routes; what is refused is answered with ``{"error": sentence, "kind": ...}`` and a status that says why."""

    @app.get("/play/chats")
    def listed(asked: Annotated[Listed, Query()]) -> Response:
        return answered(lambda: chats.page(services, asked))

    @app.get("/play/chats/{chat_id}")
    def opened(chat_id: str) -> Response:
        return answered(lambda: chats.opened(services, chat_id))

    @app.post("/play/chats")
    async def create(request: Request) -> Response:
        return await _taken(request, Created, partial(chats.create, services))

    @app.post("/play/chats/{chat_id}")
    async def save(chat_id: str, request: Request) -> Response:
        return await _taken(request, Saved, partial(chats.save, services, chat_id))

    @app.post("/play/chats/{chat_id}/rename")
    async def rename(chat_id: str, request: Request) -> Response:
        return await _taken(request, Renamed, partial(chats.rename, services, chat_id))

    for deed, act in {"delete": chats.delete, "restore": chats.restore, "remove": chats.remove}.items():
        app.post(f"/play/chats/{{chat_id}}/{deed}")(_acts(services, act))

    @app.get("/files/chats/{chat_id}.{form}")
    def file(chat_id: str, form: str) -> Response:
        return file_to_take(lambda: chats.export(services, chat_id, form), _KINDS.get(form, "application/x-ndjson"))


def _acts(services: Services, act: Callable[[Services, str], dict[str, Any]]) -> Callable[[str], Response]:
    """A route that needs no more than the conversation's id."""

    def done(chat_id: str) -> Response:
        return answered(lambda: act(services, chat_id))

    return done


async def _taken(request: Request, kind: type[Value], act: Callable[[Value], dict[str, Any]]) -> Response:
    """What comes of the body of a request, read in a thread, since a long one takes a while."""
    try:
        body = await body_of(request, LIMIT + _AROUND)
    except ClientDisconnect:
        return Response(status_code=400)  # which nobody reads
    if body is None:
        return JSONResponse({"error": say("chats.long_body", most=LIMIT / 1e6)}, status_code=413)
    return await run_in_threadpool(answered, lambda: act(read_as(kind, body)))
