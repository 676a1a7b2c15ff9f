"""How many streams a person may have open at the same time: chats, lists of prompts, and what Gradio tells an open page."""

from collections import Counter

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.people.gate import person_of
from app.words import say

_STREAMS = ("application/x-ndjson", "text/event-stream")


class _RefusedError(Exception):
    """Ends what would have been streamed, before it is begun."""


class OpenStreams:
    """ASGI middleware, within the gate, that refuses a stream too many. It looks at answers, so that no route can be forgotten.

    Args:
        app: what is behind it.
        most: streams of a person; 0 for no bound.
    """

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app, self._most = app, most
        self._open: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        person = person_of(scope) if scope["type"] == "http" else None
        if person is None or not self._most:
            return await self._app(scope, receive, send)
        mine = _One(self._open, person.id, self._most, send)
        try:
            await self._app(scope, receive, mine.send)
        except (_RefusedError, BaseExceptionGroup) as error:
            if not mine.refused or not _is_refusal(error):
                raise
            refusal = JSONResponse(
                {"error": say("bounds.streams", most=self._most), "kind": "bounds.streams"}, 429, {"Cache-Control": "no-store"}
            )
            await refusal(scope, receive, send)
        finally:
            mine.end()


class _One:
    """One answer, which is counted while it is a stream."""

    def __init__(self, counted: Counter[str], owner: str, most: int, send: Send) -> None:
        self._counted, self._owner, self._most, self._send = counted, owner, most, send
        self._counts, self.refused = False, False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and Headers(raw=message["headers"]).get("content-type", "").startswith(_STREAMS):
            if self._counted[self._owner] >= self._most:
                self.refused = True
                raise _RefusedError
            self._counted[self._owner] += 1
            self._counts = True
        await self._send(message)

    def end(self) -> None:
        if self._counts:
            self._counted[self._owner] -= 1
            if not self._counted[self._owner]:
                del self._counted[self._owner]


def _is_refusal(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(map(_is_refusal, error.exceptions))
    return isinstance(error, _RefusedError)
