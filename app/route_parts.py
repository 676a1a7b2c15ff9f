"""What modules of HTTP routes share: bodies of limited length, files to take away, and the status of what is refused."""

from collections.abc import Callable
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from app.errors import READABLE, EngineAwayError
from app.words import say_error
from storage import ConflictError, NotFoundError, TooLargeError, UnavailableError

_DRAINED = 8
"""Times its limit up to which a body is read to its end, since a browser tells nothing of an answer that comes before it has sent all."""
_STATUSES: dict[type[Exception], int] = {
    NotFoundError: 404, ConflictError: 409, TooLargeError: 413, UnavailableError: 503, EngineAwayError: 503,
}  # fmt: skip
"""Statuses of errors; any other that is readable says that the request cannot be done as it is: 422."""


async def body_of(request: Request, limit: int) -> bytes | None:
    """The body of a request; None if it is longer than ``limit`` bytes."""
    body, size = bytearray(), 0
    async for piece in request.stream():
        size += len(piece)
        if size <= limit:
            body += piece
        elif size > _DRAINED * limit:
            break
    return bytes(body) if size <= limit else None


def answered(make: Callable[[], Any]) -> Response:
    """What is made, as JSON that nobody keeps; in its place the sentence of an error and which one it is, with its status."""
    try:
        content, status = make(), 200
    except READABLE as error:
        content, status = {"error": say_error(error), "kind": getattr(error, "kind", "")}, status_of(error)
    return JSONResponse(content, status_code=status, headers={"Cache-Control": "no-store"})


def status_of(error: Exception) -> int:
    """The HTTP status of an error that is shown to a person."""
    return next((status for kind, status in _STATUSES.items() if isinstance(error, kind)), 422)


def file_to_take(make: Callable[[], tuple[str, str | bytes]], media_type: str) -> Response:
    """A file to take away, of the name and content that are made; what is readable of an error in its place."""
    try:
        name, content = make()
    except READABLE as error:
        return JSONResponse({"error": say_error(error)}, status_code=404)
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
    }  # fmt: skip
    return Response(content, media_type=media_type, headers=headers)
