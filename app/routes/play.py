"""The routes of the Playground: what its scripts ask for, in JSON and in lines of JSON. Never imports torch."""

import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response, StreamingResponse

from app.errors import READABLE
from app.handlers import playground
from app.incidents import failed
from app.routes.answers import NOT_KEPT, Answers
from app.services import Services
from app.words import say_error

_AT_ONCE = 8
"""Requests that are begun at once; the answers themselves come as they do."""
_log = logging.getLogger("reft_studio.pages")


def offer_play(app: FastAPI, services: Services) -> None:
    """Add the routes to an app."""
    answers = Answers(_AT_ONCE)

    @app.post("/play/chat")
    async def chat(request: Request) -> Response:
        return await answers.to(request, lambda body: streamed(playground.chat(services, body)))


def streamed(found: AsyncGenerator[dict[str, Any], None]) -> Response:
    """What is found, line by line as it comes; the last line tells of what went wrong, if anything did."""
    return StreamingResponse(_lines(found), media_type="application/x-ndjson", headers=NOT_KEPT)


async def _lines(found: AsyncGenerator[dict[str, Any], None]) -> AsyncIterator[str]:
    """Each item as a line; the last one tells of what went wrong, if anything did."""
    try:
        async with aclosing(found) as items:
            async for item in items:
                yield json.dumps(item, ensure_ascii=False) + "\n"
    except READABLE as error:
        yield json.dumps({"error": say_error(error)}, ensure_ascii=False) + "\n"
    except Exception:  # noqa: BLE001 (the edge: a page must never show a traceback, nor nothing)
        _log.exception("a stream failed")
        yield json.dumps({"error": failed()}, ensure_ascii=False) + "\n"
