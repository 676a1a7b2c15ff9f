"""What Gradio is asked: the routes that pages need, in sessions of the person's own, with bodies that were read and looked at before.

Gradio itself reads bodies whole, repeats them in its answers to malformed ones, and gives what belongs to a session to whoever names it.
"""

import json
import re
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qs, urlencode

import anyio
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.people.asking import asking
from app.routes.answers import HELD, OfEach, read_body, refusal
from app.routes.bodies import MOST, BodyError, named_files, progress_key, read_event
from app.routes.sessions import OwnSessions, own_query, own_session, unheard
from app.words import say

T = TypeVar("T")
API = "/gradio_api/"
UPLOAD = f"{API}upload"
_OFFERED = {
    "GET": re.compile(r"heartbeat/[^/]+|queue/data|upload_progress|info/?|app_id/?|startup-events|theme\.css"),
    "POST": re.compile(r"queue/join|run/[^/]+/?|cancel|reset/?|upload"),
}
"""What pages need of Gradio's routes. Others do the same without a session, tell what is everybody's, or keep what people have typed.

Those outside ``API`` that are closed stand in `app.routes.refusals`.
"""
_HEARTBEAT, _RUN = "heartbeat/", f"{API}run/"
EVENTS_AT_ONCE = 200
"""Events of the pages that may be under way, a quarter of them of one of several people: each holds a thread, also while it waits for a
file to be read. Gradio's own limit is 40."""
_READ_BY_ROUTES = 48_000_000
"""Bytes that any body but an upload may declare: routes have limits of their own, the largest for the answers to a list of prompts."""
_LONG = 64_000
"""Bytes from which on a body is looked at in a thread."""


class Owning(Protocol):
    """Knows whose an uploaded file is."""

    def owns(self, owner: str, path: str) -> bool:
        """Whether a person has uploaded the file of this path."""
        ...

    def followed(self, key: str) -> None:
        """Nobody follows the upload of this key any more."""
        ...


class GradioRequests:
    """ASGI middleware under the gate, since it has to know who asks. Answers and streams pass through untouched.

    Args:
        app: what is behind it.
        uploads: knows whose a file is.
        blocks: gives Gradio's pages, whose queue and state are looked into.
    """

    def __init__(self, app: ASGIApp, uploads: Owning, blocks: Callable[[], Any]) -> None:
        self._app, self._uploads, self._sessions = app, uploads, OwnSessions(blocks)
        self._of_each = OfEach(EVENTS_AT_ONCE // 4)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        rest = scope["path"].removeprefix(API) if scope["path"].startswith(API) else None
        if scope["path"] != UPLOAD and _declared(scope) > _READ_BY_ROUTES:
            return await refusal(say("given.too_long", most=_READ_BY_ROUTES / 1e6), 413)(scope, receive, send)
        if rest is None:
            return await self._app(scope, receive, send)
        offered = _OFFERED.get(scope["method"])
        if offered is None or not offered.fullmatch(rest):
            return await refusal(say("server.nothing_here"), 404)(scope, receive, send)
        scope = {**scope, "query_string": own_query(scope["query_string"])}
        if scope["path"] == UPLOAD:
            await self._app(scope, receive, send)
        elif scope["method"] == "POST":
            await self._event(scope, receive, send)
        else:
            await self._read(scope, receive, send, rest)

    async def _read(self, scope: Scope, receive: Receive, send: Send, rest: str) -> None:
        if rest == "queue/data" and self._sessions.is_unheard(scope["query_string"]):
            return await unheard()(scope, receive, send)
        if rest == "upload_progress":
            return await self._follow(scope, receive, send)
        if rest.startswith(_HEARTBEAT):
            scope["path"] = f"{API}{_HEARTBEAT}{own_session(rest.removeprefix(_HEARTBEAT))}"
            scope["raw_path"] = scope["path"].encode()
        await self._app(scope, receive, send)

    async def _follow(self, scope: Scope, receive: Receive, send: Send) -> None:
        """How far an upload of whoever asks has come."""
        given = parse_qs(scope["query_string"].decode("latin-1")).get("upload_id", [""])[0]
        key = progress_key(asking().id, given)
        try:
            await self._app({**scope, "query_string": urlencode({"upload_id": key}).encode()}, receive, send)
        finally:
            self._uploads.followed(key)

    async def _event(self, scope: Scope, receive: Receive, send: Send) -> None:
        with HELD.body() as take:
            body = await read_body(Request(scope, receive), MOST, take)
            if isinstance(body, Response):
                return await body(scope, receive, send)
            try:
                given = await _here_or_in_a_thread(len(body), partial(self._looked_at, body, asking().id))
            except BodyError as error:
                return await error.answer()(scope, receive, send)
            # Written anew, so that Gradio reads what was looked at, whatever stood there twice.
            written = await _here_or_in_a_thread(len(body), partial(json.dumps, self._sessions.own_event(given)))
            async with self._of_each.turn() if scope["path"].startswith(_RUN) else nullcontext():  # whatever ends one comes at once
                await self._app(*_with_body(scope, written.encode(), receive), send)

    def _looked_at(self, body: bytes, owner: str) -> dict[str, Any]:
        """What an event says. Raises BodyError: it is none, or none that Gradio should work with, or it names a file of somebody else."""
        given = read_event(body)
        if not all(self._uploads.owns(owner, path) for path in named_files(given)):
            raise BodyError(404, say("door.no_file"))
        return given


async def _here_or_in_a_thread(size: int, act: Callable[[], T]) -> T:
    return act() if size <= _LONG else await anyio.to_thread.run_sync(act)


def _declared(scope: Scope) -> int:
    length = Headers(scope=scope).get("content-length", "0")
    return int(length) if length.isascii() and length.isdigit() and len(length) < 20 else 0


def _with_body(scope: Scope, body: bytes, receive: Receive) -> tuple[Scope, Receive]:
    scope = {**scope, "headers": [each for each in scope["headers"] if each[0] != b"transfer-encoding"]}
    MutableHeaders(scope=scope)["content-length"] = str(len(body))
    pieces = [body]

    async def replayed() -> Message:
        return {"type": "http.request", "body": pieces.pop(), "more_body": False} if pieces else await receive()

    return scope, replayed
