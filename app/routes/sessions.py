"""Gradio's sessions belong to people. What a browser calls its session becomes a name of that person's alone before Gradio sees it.

A session is chosen by the browser, and Gradio gives its answers, its state and its events to whoever names it. So the name that another
person's browser uses is, said by somebody else, simply another session; nothing has to be remembered, and none can be taken in advance.
"""

import json
import re
from collections import Counter, OrderedDict
from collections.abc import Callable
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, urlencode

import anyio
from gradio.server_messages import UnexpectedErrorMessage
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.people.asking import asking
from app.routes.answers import HELD, NOT_KEPT, read_body
from app.words import say

_API = "/gradio_api/"
_OFFERED = {
    "GET": re.compile(r"heartbeat/[^/]+|queue/data|upload_progress|info/?|app_id/?|startup-events|theme\.css"),
    "POST": re.compile(r"queue/join|run/[^/]+/?|cancel|reset/?|upload"),
}
"""What pages need of Gradio's routes. Others do the same without a session, tell what is everybody's, or keep what people have typed."""
_MONITORING = re.compile(r"/monitoring(/|$)")
_WITH_BODY = re.compile(r"queue/join|run/|cancel|reset")
_HEARTBEAT = "heartbeat/"
_NAMED = frozenset({"session_hash"})
"""What a query names by words of the browser's own; uploads are told apart in `app.routes.uploads`."""
_MOST = 32_000_000
"""Bytes of an event's body."""
_SOON = 100_000
"""Bytes that are read at once; more of them in a thread."""
OF_ONE, IN_ALL = 32, 200
"""Sessions whose state is kept, each about a megabyte: of a person, and of all together."""


def own_session(name: str) -> str:
    """What a session of the person who asks is called here, whatever their browser calls it."""
    return _mark() + sha256(name.encode(errors="surrogatepass")).hexdigest()[:32]


def _mark() -> str:
    """What the names of all of this person's sessions begin with."""
    return sha256(asking().id.encode()).hexdigest()[:16] + "-"


class OwnSessions:
    """ASGI middleware under the gate. Streams pass through untouched.

    Args:
        app: what is behind it.
        blocks: gives Gradio's pages, whose queue and state are looked into.
    """

    def __init__(self, app: ASGIApp, blocks: Callable[[], Any]) -> None:
        self._app, self._blocks = app, blocks
        self._kept = OrderedDict[str, None]()
        """Sessions that Gradio keeps state for, the one that was used last at the end."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        path = scope["path"]
        if _MONITORING.match(path):
            return await _refused(say("server.nothing_here"), 404)(scope, receive, send)
        if not path.startswith(_API):
            return await self._app(scope, receive, send)
        offered, rest = _OFFERED.get(scope["method"]), path.removeprefix(_API)
        if offered is None or not offered.fullmatch(rest):
            return await _refused(say("server.nothing_here"), 404)(scope, receive, send)
        scope = {**scope, "query_string": _own_query(scope["query_string"])}
        if rest == "queue/data" and self._is_unheard(scope["query_string"]):
            return await _unheard()(scope, receive, send)
        if rest.startswith(_HEARTBEAT):
            scope["path"] = f"{_API}{_HEARTBEAT}{own_session(rest.removeprefix(_HEARTBEAT))}"
            scope["raw_path"] = scope["path"].encode()
        elif _WITH_BODY.match(rest):
            with HELD.body() as take:
                body = await read_body(Request(scope, receive), _MOST, take)
                body = body if isinstance(body, Response) else await self._own_body(body)
            if isinstance(body, Response):
                return await body(scope, receive, send)
            return await self._app(*_with_body(scope, body, receive), send)
        return await self._app(scope, receive, send)

    def _is_unheard(self, query: bytes) -> bool:
        session = dict(parse_qsl(query.decode("latin-1"))).get("session_hash")
        return session is not None and session not in self._blocks()._queue.pending_messages_per_session

    async def _own_body(self, body: bytes) -> bytes | Response:
        """The body with names of the person's own."""
        given = _parsed(body) if len(body) <= _SOON else await anyio.to_thread.run_sync(_parsed, body)
        if given is None:
            return _refused(say("given.odd", reason=say("given.no_json")), 422)
        session = given.get("session_hash")
        event, given = given.get("event_id"), {name: value for name, value in given.items() if name != "event_id"}
        if isinstance(session, str):
            given["session_hash"] = session = own_session(session)
            self._keep(session)
        if event is not None:
            waiting = self._blocks()._queue.pending_event_ids_session.get(session, ()) if isinstance(session, str) else ()
            given["event_id"] = event if isinstance(event, str) and event in waiting else ""
        return _written(given) if len(body) <= _SOON else await anyio.to_thread.run_sync(_written, given)

    def _keep(self, session: str) -> None:
        """Note that a session is used, and let Gradio forget others if there are too many."""
        is_new, others = session not in self._kept, [each for each in self._kept if each != session]
        self._kept[session] = None
        self._kept.move_to_end(session)
        if not is_new:
            return
        mine = [each for each in others if each.startswith(_mark())]
        if len(mine) >= OF_ONE:
            self._forget(self._least(mine))
        elif len(others) >= IN_ALL:
            ((most, _),) = Counter(each.partition("-")[0] for each in others).most_common(1)
            self._forget(self._least([each for each in others if each.startswith(most)]))

    def _least(self, sessions: list[str]) -> str:
        """The session that is missed least: one whose page is closed, else the one that was not used for longest."""
        held = self._blocks().state_holder.session_data
        return next((each for each in sessions if each not in held or held[each].is_closed), sessions[0])

    def _forget(self, session: str) -> None:
        """Gradio itself keeps ten thousand, also of pages that are closed, and never forgets what a session waited for."""
        del self._kept[session]
        blocks = self._blocks()
        blocks.state_holder.session_data.pop(session, None)
        blocks.state_holder.time_last_used.pop(session, None)
        queue = blocks._queue
        if not queue.pending_event_ids_session.get(session):
            queue.pending_event_ids_session.pop(session, None)
            queue.pending_messages_per_session.pop(session, None)


def _own_query(query: bytes) -> bytes:
    """The query with names of the person's own, read as Gradio will read it."""
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    if not _NAMED & {name for name, _ in pairs}:
        return query
    return urlencode([(name, own_session(value) if name in _NAMED else value) for name, value in pairs]).encode()


def _parsed(body: bytes) -> dict[str, Any] | None:
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return given if isinstance(given, dict) else None


def _written(given: dict[str, Any]) -> bytes:
    """What was parsed, so that Gradio reads what was looked at, whatever stood there twice."""
    return json.dumps(given).encode()


def _with_body(scope: Scope, body: bytes, receive: Receive) -> tuple[Scope, Receive]:
    scope = {**scope, "headers": [each for each in scope["headers"] if each[0] != b"transfer-encoding"]}
    MutableHeaders(scope=scope)["content-length"] = str(len(body))
    pieces = [body]

    async def replayed() -> Message:
        return {"type": "http.request", "body": pieces.pop(), "more_body": False} if pieces else await receive()

    return scope, replayed


def _unheard() -> Response:
    """What Gradio says of a session that nobody has asked for anything, without the error that it ends its stream with."""
    told = UnexpectedErrorMessage(message="404: Not Found", session_not_found=True)
    return Response(f"data: {told.model_dump_json()}\n\n", media_type="text/event-stream")


def _refused(sentence: str, status: int) -> Response:
    return JSONResponse({"error": sentence, "kind": ""}, status_code=status, headers=NOT_KEPT)
