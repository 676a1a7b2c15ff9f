"""On whose behalf the worker does something, and for which page: the web process says so with each request, in headers no page can set.

The worker listens on a socket that only its own user may open; the web process writes this header itself, and passes none on.
"""

import json
from hashlib import sha256

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.people.asking import Person, asked_by
from app.people.visitor import visited_by

HEADER, PAGE = "X-ReFT-On-Behalf-Of", "X-ReFT-Page"
_EVERYBODY = "everybody"
_OWNER = "owner:"
_NOBODYS = frozenset({"/health", "/machine"})
"""What names no rows."""


def behalf_headers(owner: str | None, page: str = "") -> dict[str, str]:
    """The headers for whoever owns these rows, None for everybody's, and for the page that asks, if one does."""
    return {HEADER: _EVERYBODY if owner is None else f"{_OWNER}{owner}", PAGE: page_key(page)}


def page_key(page: str) -> str:
    """What the worker knows a page by, since pages name themselves by any text; of none it is empty."""
    return sha256(page.encode("utf-8", "replace")).hexdigest()[:32] if page else ""


class OnBehalf:
    """ASGI middleware of the worker: everything beneath is done for the owner that a request names, and nothing for one that names none."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or scope["path"] in _NOBODYS:
            return await self._app(scope, receive, send)
        headers = Headers(scope=scope)
        with visited_by(headers.get(PAGE, "")):
            await self._for(headers.get(HEADER), scope, receive, send)

    async def _for(self, said: str | None, scope: Scope, receive: Receive, send: Send) -> None:
        if said == _EVERYBODY:
            return await self._app(scope, receive, send)
        if said is None or not said.startswith(_OWNER):
            body = json.dumps({"error": "The request does not say on whose behalf."}).encode()
            await send({"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"application/json")]})
            return await send({"type": "http.response.body", "body": body})
        with asked_by(Person(said.removeprefix(_OWNER), "")):
            await self._app(scope, receive, send)
