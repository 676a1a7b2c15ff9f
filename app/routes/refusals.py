"""What is refused before anything looks at it: foreign names of the server, pages of other sites, Gradio's closed routes.

And what is said with every answer: how browsers are to treat it.
"""

import os
import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.settings import LOOPBACK, Settings
from app.words import say

_CLOSED = re.compile(r"/+(gradio_api/+)?((file|proxy)[=/]|(openapi\.json|deep_link|monitoring|docs|redoc)(/|$))")
"""Gradio's own routes to files of this machine, also uploads of others, to other servers, and to what describes it; no page needs them."""
_HEALTH = "/healthz"
"""Answers whatever the name, since whoever looks after a server asks by its address."""
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[0-9a-z._-]+?)\.?(?::(\d{1,5}))?")
_CORS = "access-control-"
"""How the headers begin by which Gradio reflects the origin of whoever asks; nobody's page but ours needs to read answers."""
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors {ancestors}"
)
"""As strict as Gradio 6.31 runs under: its pages make functions of texts (unsafe-eval), and it writes scripts and styles into them."""
HUB = "https://huggingface.co"
"""Shows Spaces in a frame."""

Name = tuple[str, str]
"""A host in lower case, and its port; empty where none is named."""


class Refusals:
    """Outer middleware. Plain ASGI, so that streams pass through untouched.

    It comes after `Peers`, which leaves ``X-Forwarded-Host`` and the scheme only where a listed proxy has said them.

    Args:
        app: what is behind it.
        settings: of the studio: the names by which it is reached.
        ancestors: who may show the pages in a frame, as a policy says it; by default the Hub on a Space, else nobody.
    """

    def __init__(self, app: ASGIApp, settings: Settings, ancestors: str = "") -> None:
        self._app = app
        self._names = names_of(settings)
        self._ancestors = framed = ancestors or (HUB if settings.space else "'none'")
        self._told = {
            "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin", "Content-Security-Policy": _POLICY.format(ancestors=framed),
            **({"X-Frame-Options": "DENY"} if framed == "'none'" else {}),
        }  # fmt: skip
        self._framed = framed != "'none'"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        refusal = self._refusal(scope)
        if scope["type"] == "websocket":
            return await (send({"type": "websocket.close", "code": 4403}) if refusal else self._app(scope, receive, send))

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._tell(MutableHeaders(scope=message))
            await send(message)

        await (refusal or self._app)(scope, receive, told)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers, path = Headers(scope=scope), scope["path"]
        hosts = headers.getlist("host")
        forwarded = [each.strip() for line in headers.getlist("x-forwarded-host") for each in line.split(",")]
        if path != _HEALTH and not (len(hosts) == 1 and all(self._is_ours(host) for host in [*hosts, *forwarded])):
            return _refused(400, "other_name")
        if _CLOSED.match(path) or (path.strip("/") == "logout" and scope.get("method") != "POST"):
            return _refused(404, "nothing_here")
        origins = headers.getlist("origin")
        if origins and (len(origins) > 1 or _is_foreign(origins[0], scope["scheme"], forwarded or hosts)):
            return _refused(403, "another_site")
        return _refused(403, "another_site") if self._comes_from_elsewhere(scope, headers) else None

    def _is_ours(self, host: str) -> bool:
        name, port = _name(host)
        return (name, port) in self._names or (bool(name) and (name, "") in self._names)

    def _comes_from_elsewhere(self, scope: Scope, headers: Mapping[str, str]) -> bool:
        """Whether a browser says that another site's page asks, or one of another port; following a link hither is no such thing."""
        if headers.get("sec-fetch-site") not in ("cross-site", "same-site"):
            return False
        shown = ("document", "iframe") if self._framed else ("document",)
        follows = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") in shown
        return not (follows and scope.get("method") in ("GET", "HEAD"))

    def _tell(self, headers: MutableHeaders) -> None:
        for name in {name for name in headers if name.lower().startswith(_CORS)}:
            del headers[name]
        for name, value in self._told.items():
            headers.setdefault(name, value)
        if "frame-ancestors" not in headers["Content-Security-Policy"]:
            headers["Content-Security-Policy"] += f"; frame-ancestors {self._ancestors}"


def names_of(settings: Settings, environment: Mapping[str, str] | None = None) -> frozenset[Name]:
    """Names that a request may have for the server, so that a foreign page cannot reach a studio through a name of its own.

    They are the operator's, this machine's own where only it reaches the studio, and a Space's own, which is in its environment.
    """
    of_space = (os.environ if environment is None else environment).get("SPACE_HOST", "") if settings.space else ""
    given = [*settings.allowed_hosts, *([of_space] if of_space else []), *(LOOPBACK if settings.local else ())]
    return frozenset(found for host in given if (found := _name(f"[{host}]" if host.count(":") > 1 and host[0] != "[" else host))[0])


def _refused(status: int, sentence: str) -> JSONResponse:
    return JSONResponse({"error": say(f"server.{sentence}")}, status_code=status, headers={"Cache-Control": "no-store"})


def _name(host: str) -> Name:
    """A host and its port; an empty one for what is none, such as one with a person before it."""
    found = _HOST.fullmatch(host.strip().lower())
    return (found[1], found[2] or "") if found else ("", "")


def _is_foreign(origin: str, scheme: str, hosts: Iterable[str]) -> bool:
    """Whether a page of another site asks; one of another port of the same machine is one, and one that anybody on the way could change."""
    try:
        parts = urlsplit(origin.strip().lower())
        default = {"http": "80", "https": "443"}.get(parts.scheme)
    except ValueError:  # brackets that enclose no address
        return True
    if default is None or parts.path or parts.query or (scheme in ("https", "wss") and parts.scheme != "https"):
        return True
    name, port = _name(parts.netloc)
    return not name or (name, port or default) not in {(found, number or default) for found, number in map(_name, hosts)}
