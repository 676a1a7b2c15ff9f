"""Lets nobody in who is a stranger: outer middleware, since Gradio's own routes do not all ask who somebody is."""

from collections.abc import Callable

import anyio
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.people.asking import Person, asked_by
from app.people.login import PATH, to_login
from app.people.seen import LastSeen
from app.people.who import Who
from app.words import say

PERSON = "reft_studio.person"
"""Of a scope: who asks."""
_OPEN = frozenset({PATH, "/healthz"})
"""Paths that strangers reach."""


class Gate:
    """ASGI middleware that finds out who asks, and does everything beneath for that person. Streams pass through untouched.

    Args:
        app: what is behind it.
        who: tells who asks.
        has_login: whether a stranger is shown the page to log in.
        seen: takes note of who asks.
        opens: whether a stranger may have the answer to a request that is not open to all.
    """

    def __init__(
        self, app: ASGIApp, who: Who, *, has_login: bool, seen: LastSeen | None = None, opens: Callable[[Scope], bool] | None = None
    ) -> None:
        self._app, self._who, self._has_login = app, who, has_login
        self._seen = seen or LastSeen()
        self._opens: Callable[[Scope], bool] = opens or _opens_nothing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        person = await anyio.to_thread.run_sync(self._who.of, scope)
        if person is not None:
            scope[PERSON] = person
            self._seen.note(person)
            with asked_by(person):
                return await self._app(scope, receive, send)
        if scope["type"] == "http" and scope["path"] in _OPEN:
            return await self._app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 4401})
        if await anyio.to_thread.run_sync(self._opens, scope):
            return await self._app(scope, receive, send)
        await self._stranger(scope)(scope, receive, send)

    def _stranger(self, scope: Scope) -> Response:
        accepts = HTTPConnection(scope).headers.get("accept", "")
        if self._has_login and "text/html" in accepts:
            if scope["method"] == "GET":
                return to_login(scope["path"], scope["query_string"].decode("latin-1"))
            return to_login("/", "")  # a form that was sent after the end of a session, such as the one to log out
        return JSONResponse({"error": say("login.stranger")}, status_code=401, headers={"Cache-Control": "no-store"})


def person_of(scope: Scope) -> Person | None:
    """Who asks, of the scope of a request that came through the gate."""
    found: Person | None = scope.get(PERSON)
    return found


def _opens_nothing(_scope: Scope) -> bool:
    return False
