"""How routes read the bodies of requests and answer them: bodies up to a limit, work in few threads, errors as sentences with a status."""

import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from typing import Any
from urllib.parse import quote
from weakref import WeakValueDictionary

import anyio
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from app.errors import READABLE, EngineAwayError, StudioError
from app.given import sentence_of
from app.incidents import failed
from app.leaving import until_gone
from app.visitor import share
from app.words import say, say_error
from storage import ConflictError, NotFoundError, TooLargeError, UnavailableError

MOST = 4_000_000
"""Bytes of a body, which holds a conversation for each column."""
PATIENCE = 120
"""Seconds within which a body arrives."""
_DRAINED = 8
"""Times its limit up to which a body is read to its end, since a browser tells nothing of an answer that comes before it has sent all."""
NOT_KEPT = {"Cache-Control": "no-store"}
NOT_SHOWN = {**NOT_KEPT, "X-Content-Type-Options": "nosniff"}
"""Headers of what is a file and never a page."""
_log = logging.getLogger("reft_studio.pages")


class _TooLongError(StudioError):
    """The body of a request has more bytes than are read."""


class _BusyError(StudioError):
    """The bodies of other requests are all that is held at once, or this one does not arrive."""


class Held:
    """The bytes of all bodies that are being read, wait or are worked on, for all routes and visitors together: at most so many.

    Whatever limits the work alone comes after the body, and without this any number of bodies could be held while they wait for it.
    """

    def __init__(self, most: int) -> None:
        self.most, self.now = most, 0

    @contextmanager
    def body(self) -> Iterator[Callable[[int], None]]:
        """Take bytes for a body, as they come, for as long as this lasts. Raises _BusyError if there is no room for more."""
        mine = 0

        def take(size: int) -> None:
            nonlocal mine
            if self.now + size > self.most:
                raise _BusyError(say("given.busy"))
            self.now, mine = self.now + size, mine + size

        try:
            yield take
        finally:
            self.now -= mine


HELD = Held(200_000_000)


_STATUSES: dict[type[Exception], int] = {
    NotFoundError: 404, ConflictError: 409, TooLargeError: 413, _TooLongError: 413, UnavailableError: 503, EngineAwayError: 503,
    _BusyError: 503,
}  # fmt: skip
"""Statuses of kinds of errors."""
_CANNOT = 422
"""Status of any other error that is readable: the request cannot be done as it is."""


class Answers:
    """Answers requests in so many threads at most, in the language of the browser, so that waiting for one thing keeps up nothing else."""

    def __init__(self, at_once: int) -> None:
        self._limiter, self._of_one = anyio.CapacityLimiter(at_once), max(1, at_once // 2)
        self._limiters: WeakValueDictionary[str, anyio.CapacityLimiter] = WeakValueDictionary()

    def _share(self) -> AbstractAsyncContextManager[object]:
        """Half of the threads are the most that one of several people has, so that nobody waits behind all that another asks."""
        if not (key := share("")):
            return nullcontext()
        return self._limiters.setdefault(key, anyio.CapacityLimiter(self._of_one))

    async def give(self, make: Callable[[], Any], otherwise: int = _CANNOT) -> Response:
        """What is made, as JSON that nobody keeps; a `Response` as it is. Else a sentence, with a status by the kind of its error."""
        async with self._share():
            return await _or_sentence(anyio.to_thread.run_sync(_as_response, make, limiter=self._limiter), otherwise)

    async def file(self, make: Callable[[], tuple[str, str | bytes]], media_type: str) -> Response:
        """A file to take away, of the name and content that are made; if it cannot be made, it is not there."""
        return await self.give(lambda: _attached(*make(), media_type), otherwise=404)

    async def to(self, request: Request, act: Callable[[bytes], Any], most: int = MOST) -> Response:
        """What is made of the body of a request, else a sentence; a body that is too slow, or has no room beside others, is refused."""
        with HELD.body() as take:
            body = await read_body(request, most, take)
            return body if isinstance(body, Response) else await self.give(lambda: act(body))

    async def while_there(self, request: Request, act: Callable[[bytes], Awaitable[Any]], most: int = MOST) -> Response:
        """As `to`, of what is waited for without a thread; it is cancelled once the client has gone."""
        with HELD.body() as take:
            body = await read_body(request, most, take)
            return body if isinstance(body, Response) else await self._while_there(request, act, body)

    async def _while_there(self, request: Request, act: Callable[[bytes], Awaitable[Any]], body: bytes) -> Response:
        async def answer() -> Response:
            async with self._share(), self._limiter:
                made = await act(body)
            return await anyio.to_thread.run_sync(_as_response, lambda: made)

        response = _unread()
        async with anyio.create_task_group() as group:

            async def watch() -> None:
                await until_gone(request)
                group.cancel_scope.cancel()

            group.start_soon(watch)
            response = await _or_sentence(answer(), _CANNOT)
            group.cancel_scope.cancel()
        return response


async def _or_sentence(made: Awaitable[Response], otherwise: int) -> Response:
    """What is made, else a sentence, with a status by the kind of its error."""
    try:
        return await made
    except READABLE as error:
        return _refused(error, otherwise)
    except Exception:  # noqa: BLE001 (the edge: a page must never show a traceback, nor nothing)
        _log.exception("a request failed")
        return JSONResponse({"error": failed(), "kind": ""}, status_code=500, headers=NOT_KEPT)


async def read_body(request: Request, most: int, take: Callable[[int], None]) -> bytes | Response:
    """The body of a request, for which bytes are taken (see `Held`), or the answer to one that cannot be read."""
    try:
        return await _body_of(request, most, take)
    except (_TooLongError, _BusyError) as error:
        return _refused(error)
    except ClientDisconnect:
        return _unread()


def _unread() -> Response:
    """What is answered to somebody who has gone, and nobody reads."""
    return Response(status_code=400)


def refuse_odd_queries(app: FastAPI) -> None:
    """Answer a query that is not as a route has it with a sentence, as bodies are, and not with FastAPI's list for programmers."""

    @app.exception_handler(RequestValidationError)
    async def refused(request: Request, error: RequestValidationError) -> Response:
        told = sentence_of([{**each, "loc": each["loc"][1:]} for each in error.errors()])  # without "query", which says nothing
        return JSONResponse({"error": told, "detail": told, "kind": ""}, status_code=_CANNOT, headers=NOT_KEPT)


def _as_response(make: Callable[[], Any]) -> Response:
    """What is made, written as JSON here, in the thread, since much of it takes a while."""
    made = make()
    return made if isinstance(made, Response) else JSONResponse(made, headers=NOT_KEPT)


async def _body_of(request: Request, most: int, take: Callable[[int], None]) -> bytes:
    """The body of a request, for which bytes are taken. Raises _TooLongError over ``most`` bytes, _BusyError, ClientDisconnect."""
    body, size = bytearray(), 0
    with anyio.move_on_after(PATIENCE) as patience:
        async for piece in request.stream():
            size += len(piece)
            if size <= most:
                take(len(piece))
                body += piece
            elif size > _DRAINED * most:
                break
    if patience.cancelled_caught:
        raise _BusyError(say("given.slow", seconds=PATIENCE))
    if size > most:
        raise _TooLongError(say("given.too_long", most=most / 1e6))
    return bytes(body)


def _refused(error: Exception, otherwise: int = _CANNOT) -> Response:
    """The sentence of an error and which one it is, with the status of its kind, else ``otherwise``."""
    status = next((status for kind, status in _STATUSES.items() if isinstance(error, kind)), otherwise)
    return JSONResponse({"error": say_error(error), "kind": getattr(error, "kind", "")}, status_code=status, headers=NOT_KEPT)


def _attached(name: str, content: str | bytes, media_type: str) -> Response:
    whole = content.encode("utf-8", "replace") if isinstance(content, str) else content
    headers = {**NOT_SHOWN, "Content-Disposition": _attachment(name)}
    return Response(whole, media_type=media_type, headers=headers)


def _attachment(name: str) -> str:
    """As a header has it: quotes, line ends and letters beyond ASCII are written so that they end nothing (RFC 6266)."""
    if name.isascii() and name.isprintable() and not set(name) & set('"\\'):
        return f'attachment; filename="{name}"'
    return "".join(("attachment;filename*=utf-8''", quote(name.encode("utf-8", "replace"), safe="")))
