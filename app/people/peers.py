"""Who is at the other end of a connection, and what proxies may say of whom they ask for: listed ones alone are believed."""

from collections.abc import Sequence

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from app.networks import Networks, is_in, networks_of, plain

PEER = "reft_studio.peer"
"""Of a scope: the address at the other end of the connection, also where a proxy has said for whom it asks."""
_FORWARDED = (b"x-forwarded-", b"forwarded", b"x-real-ip", b"x-original-")
"""How the headers begin that proxies add."""


class Peers:
    """Outer middleware that takes away what anybody but a listed proxy says of addresses, names and schemes, Gradio's routes included.

    Of a listed one ``X-Forwarded-For`` and ``-Proto`` are believed by uvicorn's own middleware, which by default believes this machine.

    Args:
        app: what is behind it.
        proxies: addresses or networks of proxies.
    """

    def __init__(self, app: ASGIApp, proxies: Sequence[str]) -> None:
        self._app, self._proxies = app, networks_of(proxies)
        self._believing = ProxyHeadersMiddleware(app, [str(network) for network in self._proxies])  # type: ignore[arg-type]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if client := scope.get("client"):
            scope["client"] = (plain(client[0]), client[1])
        scope[PEER] = scope.get("client")
        if from_one_of(scope, self._proxies):
            return await self._believing(scope, receive, send)  # type: ignore[arg-type]
        scope["headers"] = [(name, value) for name, value in scope["headers"] if not name.lower().startswith(_FORWARDED)]
        await self._app(scope, receive, send)


def from_one_of(scope: Scope, networks: Networks) -> bool:
    """Whether the other end of the connection is in one of these networks."""
    peer = scope.get(PEER) or scope.get("client")
    return peer is not None and is_in(peer[0], networks)
