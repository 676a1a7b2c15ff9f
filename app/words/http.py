"""Speaks with each HTTP request in the language that it accepts."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.words import language_of, speaking


class Speaking:
    """ASGI middleware that sets the language of a request; plain ASGI, so that streams pass through untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        with speaking(language_of(Headers(scope=scope).get("accept-language") if scope["type"] == "http" else None)):
            await self._app(scope, receive, send)
