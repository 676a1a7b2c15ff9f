"""The routes of the Playground's many prompts: their files, held-out rows, and the answers to all of them. Never imports torch."""

from functools import partial
from typing import Annotated

import anyio
from fastapi import FastAPI, Query, Request
from fastapi.responses import JSONResponse, Response

from app.handlers import batch
from app.play_routes import streamed
from app.route_parts import answered, body_of
from app.services import Services
from app.words import say

_MOST_BYTES = 40_000_000
"""Bytes of a request: the most prompts, each as long as it may be, and the answers that are expected."""
_AT_ONCE = 2
"""Files that are read at the same time, for all visitors together; who waits holds no thread."""


def offer_batch(app: FastAPI, services: Services) -> None:
    """Add the routes to an app."""
    readers = anyio.CapacityLimiter(_AT_ONCE)

    @app.post("/play/batch")
    async def answers(request: Request) -> Response:
        if (body := await body_of(request, _MOST_BYTES)) is None:
            return _too_large(say("playground.too_much", most=_MOST_BYTES // 1_000_000))
        return streamed(batch.batch(services, body))

    @app.post("/play/prompts")
    async def prompts(request: Request, name: Annotated[str, Query(max_length=300)] = "") -> Response:
        if (body := await body_of(request, batch.FILE_MB * 1_000_000)) is None:
            return _too_large(say("playground.batch.file_too_large", most=batch.FILE_MB))
        find = partial(batch.read_file, services, name, body)
        return await anyio.to_thread.run_sync(partial(answered, find), limiter=readers)

    @app.get("/play/prompts/held-out")
    async def held_out(
        count: Annotated[int, Query(ge=-(2**31), le=2**31)], run: Annotated[list[str] | None, Query(max_length=20)] = None
    ) -> Response:
        find = partial(batch.held_out, services, run or [], count)
        return await anyio.to_thread.run_sync(partial(answered, find))


def _too_large(sentence: str) -> Response:
    return JSONResponse({"error": sentence}, status_code=413)
