"""Gradio's sessions belong to people. What a browser calls its session becomes a name of that person's alone before Gradio sees it.

A session is chosen by the browser, and Gradio gives its answers, its state and its events to whoever names it. So the name that another
person's browser uses is, said by somebody else, simply another session; nothing has to be remembered, and none can be taken in advance.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, urlencode

from gradio.server_messages import UnexpectedErrorMessage
from starlette.responses import Response

from app.people.asking import asking
from app.words import say

_NAMED = frozenset({"session_hash"})
"""What a query names by words of the browser's own; uploads are told apart in `app.routes.uploads`."""
OF_ONE, IN_ALL = 32, 200
"""Sessions whose state is kept, each about a megabyte: of a person, and of all together."""


def own_session(name: str) -> str:
    """What a session of the person who asks is called here, whatever their browser calls it."""
    return _mark() + sha256(name.encode(errors="surrogatepass")).hexdigest()[:32]


def _mark() -> str:
    """What the names of all of this person's sessions begin with."""
    return sha256(asking().id.encode()).hexdigest()[:16] + "-"


class OwnSessions:
    """The sessions that Gradio keeps state for.

    Args:
        blocks: gives Gradio's pages, whose queue and state are looked into.
    """

    def __init__(self, blocks: Callable[[], Any]) -> None:
        self._blocks = blocks
        self._kept = OrderedDict[str, None]()
        """The one that was used last at the end."""

    def is_unheard(self, query: bytes) -> bool:
        """Whether a query names a session that nobody has asked for anything."""
        session = dict(parse_qsl(query.decode("latin-1"))).get("session_hash")
        return session is not None and session not in self._blocks()._queue.pending_messages_per_session

    def own_event(self, given: dict[str, Any]) -> dict[str, Any]:
        """An event with names of the person's own; what it names of another session is as if it were not there."""
        session, event = given.get("session_hash"), given.get("event_id")
        own = {name: value for name, value in given.items() if name != "event_id"}
        if isinstance(session, str):
            own["session_hash"] = session = own_session(session)
            self._keep(session)
        if event is not None:
            waiting = self._blocks()._queue.pending_event_ids_session.get(session, ()) if isinstance(session, str) else ()
            own["event_id"] = event if isinstance(event, str) and event in waiting else ""
        return own

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


def own_query(query: bytes) -> bytes:
    """The query with names of the person's own, read as Gradio will read it."""
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    if not _NAMED & {name for name, _ in pairs}:
        return query
    return urlencode([(name, own_session(value) if name in _NAMED else value) for name, value in pairs]).encode()


def unheard() -> Response:
    """What Gradio says of a session that nobody has asked for anything, without the error that it ends its stream with."""
    told = UnexpectedErrorMessage(message=say("failures.ended"), session_not_found=True)
    return Response(f"data: {told.model_dump_json()}\n\n", media_type="text/event-stream")
