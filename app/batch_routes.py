"""The routes of the Playground's many prompts: their files, held-out rows, and the answers to all of them. Never imports torch."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import anyio
from fastapi import FastAPI, Query, Request
from fastapi.responses import JSONResponse, Response

from app.errors import READABLE, StudioError
from app.handlers import batch
from app.play_routes import read_body, streamed
from app.services import Services
from app.words import say, say_error

_MOST_BYTES = 40_000_000
"""Bytes of a request: the most prompts, each as long as it may be, and the answers that are expected."""
_AT_ONCE = 2
"""Files that are read at the same time, for all visitors together; who waits holds no thread."""


def offer_batch(app: FastAPI, services: Services) -> None:
    """Add the routes to an app."""
    readers, others = anyio.CapacityLimiter(_AT_ONCE), anyio.CapacityLimiter(_AT_ONCE)

    @app.post("/play/batch")
    async def answers(request: Request) -> Response:
        try:
            body = await read_body(request, _MOST_BYTES)
        except StudioError as error:
            return JSONResponse({"error": say_error(error)}, status_code=413)
        return streamed(batch.batch(services, body))

    @app.post("/play/prompts")
    async def prompts(request: Request, name: Annotated[str, Query(max_length=300)] = "") -> Response:
        try:
            body = await read_body(request, batch.FILE_MB * 1_000_000)
        except StudioError:
            return JSONResponse({"error": say("playground.batch.file_too_large", most=batch.FILE_MB)}, status_code=413)
        return await _found(partial(batch.read_file, services, name, body), readers)

    @app.get("/play/prompts/held-out")
    async def held_out(
        count: Annotated[int, Query(ge=-(2**31), le=2**31)], run: Annotated[list[str] | None, Query(max_length=20)] = None
    ) -> Response:
        return await _found(partial(batch.held_out, services, run or [], count), others)


async def _found(find: Callable[[], dict[str, Any]], limiter: anyio.CapacityLimiter) -> Response:
    try:
        found = await anyio.to_thread.run_sync(find, limiter=limiter)
    except READABLE as error:
        return JSONResponse({"error": say_error(error)}, status_code=400)
    return JSONResponse(found, headers={"Cache-Control": "no-store"})
