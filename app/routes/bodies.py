"""What of a body Gradio never sees: one that is too large or slow, no JSON that can be worked with, files of others. Plain ASGI.

Gradio reads bodies whole, and its answers to malformed ones repeat them; so its routes are given bodies that were read and looked at here.
"""

import json
import math
import re
from hashlib import sha256
from typing import Any, Protocol
from urllib.parse import parse_qs, urlencode

import anyio
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.people.asking import asking
from app.routes.answers import HELD, NOT_KEPT, PATIENCE, Held
from app.words import say

MOST = 8_000_000
"""Bytes of the body of an event, which holds pasted text at most; larger data come as files."""
_READ_BY_ROUTES = 48_000_000
"""Bytes that any other body may declare: routes of ours have limits of their own, the largest for the answers to a list of prompts."""
_DEPTH, _VALUES = 64, 200_000
"""Lists within lists, and values altogether: what a program can walk through without noticing."""
_LARGEST = 2**63 - 1
"""Whole numbers beyond it fit into no column of a database."""
_LONG = 64_000
"""Bytes from which on a body is looked at in a thread."""
_GRADIO = "/gradio_api/"
UPLOAD, PROGRESS = f"{_GRADIO}upload", f"{_GRADIO}upload_progress"
_STRINGS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


class Owning(Protocol):
    """Knows whose an uploaded file is."""

    def owns(self, owner: str, path: str) -> bool:
        """Whether a person has uploaded the file of this path."""
        ...

    def followed(self, key: str) -> None:
        """Nobody follows the upload of this key any more."""
        ...


class BodyError(Exception):
    """A body that is refused: the status and the sentence of the answer."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence

    def answer(self) -> JSONResponse:
        """As our routes and as Gradio's pages read it."""
        return JSONResponse({"error": self.sentence, "detail": self.sentence, "kind": ""}, status_code=self.status, headers=NOT_KEPT)


class Bodies:
    """ASGI middleware behind the gate, because it has to know who asks. Answers and streams pass through untouched.

    Args:
        app: what is behind it.
        uploads: knows whose a file is.
        patience: seconds within which a body arrives.
        held: the bytes of all bodies together.
    """

    def __init__(self, app: ASGIApp, uploads: Owning, *, patience: float = PATIENCE, held: Held = HELD) -> None:
        self._app, self._uploads, self._patience, self._held = app, uploads, patience, held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        path = scope["path"]
        if path.rstrip("/") == PROGRESS:
            return await self._follow(scope, receive, send)
        if path == UPLOAD:
            return await self._app(scope, receive, send)
        if not path.startswith(_GRADIO) or scope["method"] in ("GET", "HEAD"):
            if _declared(scope) > _READ_BY_ROUTES:
                return await _too_long(_READ_BY_ROUTES).answer()(scope, receive, send)
            return await self._app(scope, receive, send)
        await self._event(scope, receive, send)

    async def _follow(self, scope: Scope, receive: Receive, send: Send) -> None:
        """How far an upload of whoever asks has come."""
        given = parse_qs(scope["query_string"].decode("latin-1")).get("upload_id", [""])[0]
        key = progress_key(asking().id, given)
        try:
            await self._app({**scope, "query_string": urlencode({"upload_id": key}).encode()}, receive, send)
        finally:
            self._uploads.followed(key)

    async def _event(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._held.body() as take:
            try:
                body = await self._read(scope, receive, take)
                if body is None:
                    return
                owner = asking().id
                if len(body) > _LONG:
                    await anyio.to_thread.run_sync(self._look, body, owner)
                else:
                    self._look(body, owner)
            except BodyError as error:
                return await error.answer()(scope, receive, send)
        given = False

        async def again() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, again, send)

    async def _read(self, scope: Scope, receive: Receive, take: Any) -> bytes | None:
        """The whole body; None if its sender has gone. Raises BodyError."""
        if _declared(scope) > MOST:
            raise _too_long(MOST)
        body = bytearray()
        try:
            with anyio.fail_after(self._patience):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    piece = message.get("body", b"")
                    if len(body) + len(piece) > MOST:
                        raise _too_long(MOST)
                    try:
                        take(len(piece))
                    except Exception as error:
                        raise BodyError(503, str(error)) from error
                    body += piece
                    if not message.get("more_body"):
                        return bytes(body)
        except TimeoutError:
            raise BodyError(408, say("given.slow", seconds=self._patience)) from None

    def _look(self, body: bytes, owner: str) -> None:
        """Raises BodyError: it is no JSON, or none that Gradio should work with, or it names a file that is no upload of this person."""
        if not body:
            return
        for path in named_files(read_json(body)):
            if not self._uploads.owns(owner, path):
                raise BodyError(404, say("door.no_file"))


def read_json(body: bytes) -> Any:
    """The value of a JSON text that a program can work with. Raises BodyError, with a sentence."""
    if _marks(body) > _VALUES and _marks(_STRINGS.sub(b"", body)) > _VALUES:
        raise BodyError(413, say("door.values", most=_VALUES))
    try:
        value = json.loads(body, parse_constant=_not_finite, parse_float=_float, parse_int=_int)
    except RecursionError:
        raise BodyError(422, say("door.deep", most=_DEPTH)) from None
    except ValueError:  # also of bytes that are no text
        raise BodyError(422, say("door.no_json")) from None
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > _DEPTH:
            raise BodyError(422, say("door.deep", most=_DEPTH))
        level = [inner for each in level if isinstance(each, (dict, list)) for inner in (each.values() if isinstance(each, dict) else each)]
    return value


def named_files(value: Any) -> list[str]:
    """The paths of all files that the data of an event name, however deep: Gradio takes any object with a path for one."""
    found, left = [], [value]
    while left:
        each = left.pop()
        if isinstance(each, dict):
            if isinstance(each.get("path"), str):
                found.append(each["path"])
            left += each.values()
        elif isinstance(each, list):
            left += each
    return found


def progress_key(owner: str, upload_id: str) -> str:
    """Under which name Gradio counts an upload of a person, so that nobody follows that of another."""
    return sha256(f"{owner}\0{upload_id}".encode("utf-8", "replace")).hexdigest()


def _declared(scope: Scope) -> int:
    length = Headers(scope=scope).get("content-length", "0")
    return int(length) if length.isascii() and length.isdigit() and len(length) < 20 else 0


def _too_long(most: int) -> BodyError:
    return BodyError(413, say("given.too_long", most=most / 1e6))


def _marks(body: bytes) -> int:
    return sum(body.count(mark) for mark in (b",", b"[", b"{", b":"))


def _not_finite(_: str) -> float:
    raise BodyError(422, say("door.number"))


def _float(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _not_finite(text)


def _int(text: str) -> int:
    if len(text) > 20 or abs(number := int(text)) > _LARGEST:
        raise BodyError(422, say("door.number"))
    return number
