"""The HTTP routes of mixes: runs to choose, what they answer before, and the run that is kept. Never imports torch."""

import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from functools import partial
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from app.bodies import MOST, answered, read_as
from app.errors import READABLE
from app.handlers import mix_panel
from app.route_parts import body_of
from app.services import Services
from app.words import say, say_error

_log = logging.getLogger("reft_studio.pages")


def offer_mixes(app: FastAPI, services: Services) -> None:
    """Add the routes to an app."""

    @app.post("/play/mix/choices")
    async def choices(request: Request) -> JSONResponse:
        return await answered(request, lambda content: mix_panel.choices(services, read_as(mix_panel.Choosing, content)))

    @app.post("/play/mix/samples")
    async def samples(request: Request) -> Response:
        content = await body_of(request, MOST)
        if content is None:
            return JSONResponse({"error": say("bodies.too_large", most=MOST // 1_000_000)}, status_code=413)
        try:
            asked = read_as(mix_panel.Trying, content)
        except READABLE as error:
            return JSONResponse({"error": say_error(error)}, status_code=400)
        lines = _lines(mix_panel.samples(services, asked))
        return StreamingResponse(lines, media_type="application/x-ndjson", headers={"Cache-Control": "no-store"})

    @app.post("/play/mix")
    async def keep(request: Request) -> JSONResponse:
        return await answered(request, partial(_keep, services))


def _keep(services: Services, content: bytes) -> dict[str, Any]:
    return mix_panel.keep(services, read_as(mix_panel.Keeping, content))


async def _lines(found: AsyncGenerator[dict[str, Any], None]) -> AsyncIterator[str]:
    """Each item as a line, and ``{"done": true}``; the last one tells of what went wrong, if anything did."""
    last: dict[str, Any] = {"done": True}
    try:
        async with aclosing(found) as items:
            async for item in items:
                yield json.dumps(item, ensure_ascii=False) + "\n"
    except READABLE as error:
        last = {"error": say_error(error)}
    except Exception:  # noqa: BLE001 (the edge: a page must never show a traceback, nor nothing)
        _log.exception("a mix failed")
        last = {"error": say("errors.neutral")}
    yield json.dumps(last, ensure_ascii=False) + "\n"
