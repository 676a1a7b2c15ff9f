"""The outer edge of the pages: every request has a number, and whatever goes wrong is one sentence in JSON that names it.

Gradio answers malformed calls with bare texts, with ``{"error": null}``, or with lists for programmers that repeat what was sent.
"""

import json
import logging
import re
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import READABLE
from app.incidents import HEADER, SCOPE, failed, new_number, number, numbered
from app.routes.answers import refusal
from app.words import say, say_error

_log = logging.getLogger("reft_studio.pages")
_MOST = 64_000
"""Bytes of a refusal that are looked at; a longer one is no sentence."""
_OURS = re.compile(r"/(alive|bases|files|follow|healthz|login|logout|me|operator|play|share|shared|uploads)(/|$)")
"""Paths of our own routes. Behind all others Gradio takes apart what was sent, before and after the studio's own functions."""
_OPENS = re.compile(r"(/shared/)[^/]+")
"""Whoever reads what follows in a log could open what is shared."""
_OF_THE_MACHINE = (OSError, MemoryError, SystemError, ImportError)
"""What is raised there through no fault of the request; all else is, since Gradio's functions, which are the studio's, never raise."""
_KEPT = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class Failures:
    """ASGI middleware around all others but the language. Streams, and answers that are no refusals, pass through untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        scope[SCOPE] = new_number()
        with numbered(scope[SCOPE]):
            answer, raised = _Answer(send, is_head=scope["method"] == "HEAD"), None
            try:
                await self._app(scope, receive, answer.send)
            except Exception as error:  # noqa: BLE001 (the edge: nobody else can say what happened)
                raised = _refusal_of(error, scope)
            await answer.finish(raised)


class _Answer:
    """Passes an answer on, unless it is a refusal: that is held back until it is known what it says and that nothing was raised."""

    def __init__(self, send: Send, *, is_head: bool) -> None:
        self._send, self._is_head = send, is_head
        self._held: Message | None = None
        self._body = bytearray()
        self._begun = self._is_events = self._ended = False

    async def send(self, message: Message) -> None:
        """Pass a message on, or hold it back."""
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)[HEADER] = number()
            if message["status"] >= 400 and not self._is_head and _may_be_replaced(message):
                self._held = message
                return
        if self._held is not None and message["type"] == "http.response.body":
            self._body += message.get("body", b"")[: max(0, _MOST + 1 - len(self._body))]
            return
        if message["type"] == "http.response.start":
            self._is_events = _kind(message) == "text/event-stream"
        self._begun, self._ended = True, message["type"] == "http.response.body" and not message.get("more_body")
        await self._send(message)

    async def finish(self, raised: tuple[int, str] | None = None) -> None:
        """Send what was held back, or what is to be said of an error; an answer that has begun is cut off, lest it be taken for whole."""
        if self._begun:
            if raised and self._is_events and not self._ended:  # whose end is an event of its own, without which it is not whole
                return await self._send({"type": "http.response.body", "body": b""})
            if raised:
                raise ConnectionAbortedError(number())
            return
        start, self._held = self._held, None
        if raised:
            await self._tell(*raised, start)
        elif start is not None:
            found = _read(self._body)
            if found.get("kind") == MISFIT:
                await self._tell(_CANNOT, str(found["error"]), start)
            elif isinstance(found.get("error"), str) and found["error"]:
                await self._send(start)
                await self._send({"type": "http.response.body", "body": bytes(self._body)})
            else:
                await self._tell(start["status"], _said(start["status"]), start)

    async def _tell(self, status: int, sentence: str, start: Message | None) -> None:
        """A sentence, with what a refusal in its place said beside its body."""
        content = bytes(refusal(sentence, status).body)
        headers = MutableHeaders(raw=list(start["headers"]) if start else [])
        headers.update({**_KEPT, "Content-Type": "application/json", "Content-Length": str(len(content)), HEADER: number()})
        await self._send({"type": "http.response.start", "status": status, "headers": headers.raw})
        await self._send({"type": "http.response.body", "body": content})


MISFIT = "misfit"
"""The kind of a refusal that Gradio gives with status 500 for a call that does not fit the event; see `app.routes.misfits`."""
_CANNOT = 422


def _refusal_of(error: Exception, scope: Scope) -> tuple[int, str]:
    """Status and sentence of what was raised; it goes to the log, unless it is meant for people."""
    if isinstance(error, READABLE):
        return 503, say_error(error)
    _log.error("%s %.200s failed", scope["method"], _OPENS.sub(r"\1...", scope["path"]), exc_info=error)
    if not isinstance(error, _OF_THE_MACHINE) and not _OURS.match(scope["path"]):
        return _CANNOT, _said(_CANNOT)
    return 500, failed()


def _may_be_replaced(start: Message) -> bool:
    """Whether a refusal may be something else than a sentence or a page."""
    return _kind(start) in ("", "application/json", "text/plain")


def _kind(start: Message) -> str:
    """The media type of an answer."""
    return Headers(raw=start["headers"]).get("content-type", "").partition(";")[0].strip().lower()


def _read(body: bytearray) -> dict[str, Any]:
    if len(body) > _MOST:
        return {}
    try:
        found = json.loads(bytes(body))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _said(status: int) -> str:
    """What a refusal means that does not say it itself."""
    match status:
        case 401:
            return say("login.stranger")
        case 403:
            return say("failures.closed")
        case 404:
            return say("server.nothing_here")
        case 405:
            return say("failures.method")
        case 408:
            return say("failures.slow")
        case 413:
            return say("failures.too_large")
        case 429:
            return say("failures.often")
        case 503:
            return say("failures.busy")
    return failed() if status >= 500 else say("failures.malformed")
