"""Bodies of requests that scripts of the pages send as JSON: read up to a limit, and answered with data or with a sentence."""

import json
from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool

from app.errors import READABLE, StudioError
from app.words import say, say_error
from storage import NotFoundError

Given = TypeVar("Given", bound=BaseModel)
MOST = 4_000_000
"""Bytes of a body."""


class _TooLargeError(StudioError):
    """The body has more bytes than are read."""


async def answered(request: Request, act: Callable[[bytes], Any]) -> JSONResponse:
    """Read the body of a request and answer with the data that is made of it, or with a sentence; it is made in a thread."""
    try:
        content = await _body(request)
        made = await run_in_threadpool(act, content)  # in the language of the browser, which the thread takes over
    except READABLE as error:
        status = 413 if isinstance(error, _TooLargeError) else 404 if isinstance(error, NotFoundError) else 400
        return JSONResponse({"error": say_error(error)}, status_code=status)
    return JSONResponse(made, headers={"Cache-Control": "no-store"})


async def _body(request: Request) -> bytes:
    """The body of a request. Raises _TooLargeError as soon as it is too large, whatever length it claims to have."""
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > MOST:
            raise _TooLargeError(say("bodies.too_large", most=MOST // 1_000_000))
    return bytes(content)


def read_as(kind: type[Given], content: bytes) -> Given:
    """A body as a model reads it. Raises StudioError."""
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        raise StudioError(say("bodies.unreadable")) from error


def fields_of(content: bytes) -> dict[str, Any]:
    """The fields of a body; none for an empty one. Raises StudioError if it is no object."""
    try:
        values = json.loads(content or b"{}")
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise StudioError(say("bodies.unreadable"))
    return values


def text_of(values: dict[str, Any], name: str, most: int = 1000) -> str:
    """A text among the fields; empty if it is not there. Raises StudioError for one that is no text, or too long."""
    value = values.get(name) or ""
    if not isinstance(value, str) or len(value) > most:
        raise StudioError(say("bodies.unreadable"))
    return value
