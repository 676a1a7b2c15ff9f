"""What is refused before anything looks at it: foreign names of the server, pages of other sites, Gradio's closed routes.

And what is said with every answer: how browsers are to treat it.
"""

import re
from collections.abc import Sequence
from ipaddress import ip_network
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.people.who import from_one_of
from app.settings import LOOPBACK, Settings
from app.words import say

_CLOSED = re.compile(r"(/gradio_api)?/(file|proxy)[=/]")
"""Gradio's own routes to files of this machine, also uploads of others, and to other servers; no page needs them."""
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_HEALTH = "/healthz"
"""Answers whatever the name, since whoever looks after a server asks by its address."""
_CORS = ("access-control-allow-origin", "access-control-allow-credentials")
"""Gradio reflects the origin of whoever asks; nobody's page but ours needs to read answers."""
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors {ancestors}"
)
"""As strict as Gradio 6.31 runs under: its pages make functions of texts (unsafe-eval), and it writes scripts and styles into them."""


class Refusals:
    """Outer middleware. Plain ASGI, so that streams pass through untouched.

    Args:
        app: what is behind it.
        settings: of the studio: the names by which it is reached, and the proxies whose headers are believed.
        ancestors: who may show the pages in a frame, as a policy says it.
    """

    def __init__(self, app: ASGIApp, settings: Settings, ancestors: str = "'none'") -> None:
        self._app = app
        self._names = _names(settings)
        self._proxies = [ip_network(each, strict=False) for each in settings.proxies]
        self._policy = _POLICY.format(ancestors=ancestors)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        refusal = self._refusal(scope)

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._tell(MutableHeaders(scope=message))
            await send(message)

        await (refusal or self._app)(scope, receive, told)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers = Headers(scope=scope)
        hosts = self._hosts(scope, headers)
        if scope["path"] != _HEALTH and self._names is not None and not all(_name(host) in self._names for host in hosts):
            return JSONResponse({"error": say("server.other_name")}, status_code=400)
        if _CLOSED.match(scope["path"]):
            return JSONResponse({"error": say("server.nothing_here")}, status_code=404)
        if scope["method"] not in _READING and _is_foreign(headers.get("origin"), hosts):
            return JSONResponse({"error": say("server.another_site")}, status_code=403)
        return None

    def _hosts(self, scope: Scope, headers: Headers) -> list[str]:
        """The names that a request has for the server; what a proxy has been asked by is believed of listed ones alone."""
        forwarded = headers.get("x-forwarded-host")
        asked = [headers.get("host", "")]
        return [*asked, forwarded] if forwarded and from_one_of(scope, self._proxies) else asked

    def _tell(self, headers: MutableHeaders) -> None:
        for name in _CORS:
            if name in headers:
                del headers[name]
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("Referrer-Policy", "same-origin")
        headers.setdefault("Content-Security-Policy", self._policy)


def _names(settings: Settings) -> frozenset[str] | None:
    """Host names that a request may have, so that a foreign page cannot reach a studio through a name of its own; None for any."""
    own = frozenset(_name(host) for host in settings.allowed_hosts)
    if settings.local:
        return own | LOOPBACK
    return own or None


def _name(host: str) -> str:
    """A host without its port, in lower case."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_foreign(origin: str | None, hosts: Sequence[str]) -> bool:
    """Whether a page of another site asks; a page of another port of this machine is one."""
    if origin is None:
        return False
    try:
        return origin == "null" or urlsplit(origin).netloc not in hosts
    except ValueError:  # brackets that enclose no address
        return True
