"""How many requests a person has open at once: streams to pages, answers that are being written, bodies that arrive. Plain ASGI."""

from collections import Counter
from collections.abc import Hashable

from starlette.types import ASGIApp, Receive, Scope, Send

from app.networks import place_of
from app.people.gate import person_of
from app.routes.answers import refusal
from app.words import say


class OpenRequests:
    """ASGI middleware behind the gate. A page holds three or four streams, so that twenty tabs are far from the limit.

    Args:
        app: what is behind it.
        most: of one person, and of all strangers of one address, so that none of them keeps others from logging in.
    """

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app, self._most = app, most
        self._open: Counter[Hashable] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        key = _counted_as(scope)
        if self._open[key] >= self._most:
            refused = refusal(say("door.open", most=self._most), 429)
            refused.headers["Retry-After"] = "5"
            return await refused(scope, receive, send)
        self._open[key] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._open[key] -= 1
            if not self._open[key]:
                del self._open[key]


def _counted_as(scope: Scope) -> Hashable:
    if person := person_of(scope):
        return person.id
    address, _ = scope.get("client") or ("", 0)
    return "stranger", place_of(address)
