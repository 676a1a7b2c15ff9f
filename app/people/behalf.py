"""On whose behalf the worker does something: the web process says so with each request, in a header that no page can set.

The worker listens on a socket that only its own user may open; the web process writes this header itself, and passes none on.
"""

import json

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.people.asking import Person, asked_by

HEADER = "X-ReFT-On-Behalf-Of"
_EVERYBODY = "everybody"
_OWNER = "owner:"
_NOBODYS = frozenset({"/health", "/machine"})
"""What names no rows."""


def behalf_header(owner: str | None) -> dict[str, str]:
    """The header for whoever owns these rows; None for everybody's."""
    return {HEADER: _EVERYBODY if owner is None else f"{_OWNER}{owner}"}


class OnBehalf:
    """ASGI middleware of the worker: everything beneath is done for the owner that a request names, and nothing for one that names none."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or scope["path"] in _NOBODYS:
            return await self._app(scope, receive, send)
        said = Headers(scope=scope).get(HEADER)
        if said == _EVERYBODY:
            return await self._app(scope, receive, send)
        if said is None or not said.startswith(_OWNER):
            body = json.dumps({"error": "The request does not say on whose behalf."}).encode()
            await send({"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"application/json")]})
            return await send({"type": "http.response.body", "body": body})
        with asked_by(Person(said.removeprefix(_OWNER), "")):
            await self._app(scope, receive, send)
