"""The routes by which the Playground's script looks at a column: what it asks for in JSON is answered in JSON. Never imports torch."""

import logging
from collections.abc import Callable
from typing import Any

import anyio
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from app.errors import READABLE
from app.handlers import seen
from app.services import Services
from app.words import say, say_error

_log = logging.getLogger("reft_studio.pages")
_MOST_BYTES = 4_000_000
"""Bytes of a request, which holds a conversation."""
_AT_ONCE = 8
"""Looks that are under way; each holds a thread while the engine works."""

Look = Callable[[Services, bytes], dict[str, Any]]


def offer_looks(app: FastAPI, services: Services) -> None:
    """Add the routes to an app."""
    limiter = anyio.CapacityLimiter(_AT_ONCE)

    async def answered(request: Request, look: Look) -> Response:
        return await _answered(services, request, look, limiter)

    @app.post("/play/separation")
    async def separation(request: Request) -> Response:
        return await answered(request, seen.separation)

    @app.post("/play/map")
    async def edit_map(request: Request) -> Response:
        return await answered(request, seen.edit_map)

    @app.post("/play/lens")
    async def lens(request: Request) -> Response:
        return await answered(request, seen.lens)

    @app.post("/play/tints")
    async def tints(request: Request) -> Response:
        return await answered(request, seen.tints)


async def _answered(services: Services, request: Request, look: Look, limiter: anyio.CapacityLimiter) -> Response:
    """What a look gives, else a sentence."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _MOST_BYTES:
            return _refused(say("seen.too_much", most=_MOST_BYTES // 1_000_000), 413)
    try:
        found = await anyio.to_thread.run_sync(look, services, body, limiter=limiter)
    except READABLE as error:
        return _refused(say_error(error), 400)
    except Exception:  # noqa: BLE001 (the edge: a page must never show a traceback, nor nothing)
        _log.exception("a look failed")
        return _refused(say("errors.neutral"), 500)
    return JSONResponse(found, headers={"Cache-Control": "no-store"})


def _refused(sentence: str, status: int) -> Response:
    return JSONResponse({"error": sentence}, status_code=status)
