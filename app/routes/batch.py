"""The routes of the Playground's many prompts: their files, held-out rows, and the answers to all of them. Never imports torch."""

from functools import partial
from typing import Annotated

from fastapi import FastAPI, Query, Request
from fastapi.responses import Response

from app.handlers import batch
from app.routes.answers import Answers
from app.routes.play import streamed
from app.routes.sessions import own_session
from app.services import Services

_MOST_BYTES = 40_000_000
"""Bytes of a request: the most prompts, each as long as it may be, and the answers that are expected."""
_AT_ONCE, _FILES_AT_ONCE = 4, 2
"""Requests that are read and checked, and files that are read, at the same time, for all visitors together; who waits holds no thread."""
_UNDER_WAY = 8
"""Lists that are answered at the same time, for all visitors together."""


def offer_batch(app: FastAPI, services: Services) -> None:
    """Add the routes to an app."""
    others, readers, lists = Answers(_AT_ONCE), Answers(_FILES_AT_ONCE), batch.UnderWay(_UNDER_WAY)

    def begun(body: bytes) -> Response:
        listed = batch.read(services, body)
        return streamed(lists.follow(listed.page and own_session(listed.page), batch.batch(services, listed)))

    @app.post("/play/batch")
    async def answers(request: Request) -> Response:
        return await others.to(request, begun, _MOST_BYTES)

    @app.post("/play/prompts")
    async def prompts(request: Request, name: Annotated[str, Query(max_length=300)] = "") -> Response:
        return await readers.to(request, partial(batch.read_file, services, name), batch.FILE_MB * 1_000_000)

    @app.get("/play/prompts/held-out")
    async def held_out(
        count: Annotated[float, Query(allow_inf_nan=False)], run: Annotated[list[str] | None, Query(max_length=20)] = None
    ) -> Response:
        return await others.give(partial(batch.held_out, services, run or [], count))
