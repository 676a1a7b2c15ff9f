"""The routes of the Playground: what its scripts ask for, in JSON and in lines of JSON. Never imports torch."""

import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from app.errors import READABLE, StudioError
from app.handlers import playground
from app.services import Services
from app.words import say, say_error

_log = logging.getLogger("reft_studio.pages")
_MOST_BYTES = 4_000_000
"""Bytes of a request, which holds a conversation for each column."""


def offer_play(app: FastAPI, services: Services) -> None:
    """Add the routes to an app."""

    @app.post("/play/chat")
    async def chat(request: Request) -> Response:
        try:
            body = await read_body(request, _MOST_BYTES)
        except StudioError as error:
            return JSONResponse({"error": say_error(error)}, status_code=413)
        return streamed(playground.chat(services, body))


def streamed(found: AsyncGenerator[dict[str, Any], None]) -> Response:
    """What is found, line by line as it comes; the last line tells of what went wrong, if anything did."""
    return StreamingResponse(_lines(found), media_type="application/x-ndjson", headers={"Cache-Control": "no-store"})


async def read_body(request: Request, most: int) -> bytes:
    """The body of a request. Raises StudioError if it is longer than ``most`` bytes; no more of it is read then."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > most:
            raise StudioError(say("playground.too_much", most=most // 1_000_000))
    return bytes(body)


async def _lines(found: AsyncGenerator[dict[str, Any], None]) -> AsyncIterator[str]:
    """Each item as a line; the last one tells of what went wrong, if anything did."""
    try:
        async with aclosing(found) as items:
            async for item in items:
                yield json.dumps(item, ensure_ascii=False) + "\n"
    except READABLE as error:
        yield json.dumps({"error": say_error(error)}, ensure_ascii=False) + "\n"
    except Exception:  # noqa: BLE001 (the edge: a page must never show a traceback, nor nothing)
        _log.exception("a chat failed")
        yield json.dumps({"error": say("errors.neutral")}, ensure_ascii=False) + "\n"
