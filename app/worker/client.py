"""The web process's client of the worker; imports nothing that imports torch."""

import json
import math
import threading
import time
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import httpx

from app.errors import EngineAwayError, StudioError
from app.incidents import HEADER, number
from app.people.behalf import behalf_headers
from app.people.visitor import share, visitor
from app.words import say, spoken
from reft_engine.data import RowCheck

_ADDRESS = "http://worker"
_BATCH_TIMEOUT = 600.0
"""Seconds without a line; what works in the background gives way to everybody who chats."""
_CHECK_TIMEOUT = 600.0
"""Seconds; a row count of a large file is slow while a run trains."""
_HEALTH_SECONDS = 1.0
_STUCK_SECONDS = 20.0
"""Seconds for which a step may hold the base model, or the engine give no sign; health says so within thirty."""
_AT_ONCE = 2
"""Requests of one of several people that the engine has at the same time; streams and looks are bounded where they are begun."""
_LOOK_TIMEOUT = 5.0
"""Seconds in which it is to be said whether something is under way, since a page waits for it."""
_PROBE_TIMEOUT = 60.0
"""Seconds for a probe, after which the page shows no estimate."""


@dataclass(slots=True)
class _Recent:
    """The latest health, shared by all on whose behalf a client asks."""

    asked: float = -math.inf
    known: dict[str, Any] | None = None
    answered: float = field(default_factory=time.monotonic)


class WorkerClient:
    """HTTP client over the worker's Unix socket.

    Raises:
        StudioError: from every method, if the worker is not running or refuses; the text is for a person.
    """

    def __init__(self, socket: Path) -> None:
        self._lock, self._recent = threading.Lock(), _Recent()
        self._of_people: WeakValueDictionary[str, threading.BoundedSemaphore] = WeakValueDictionary()
        self._owner: str | None = None
        self._socket = socket
        self._http = httpx.Client(transport=httpx.HTTPTransport(uds=str(socket)), base_url=_ADDRESS, timeout=httpx.Timeout(120, connect=2))

    def on_behalf_of(self, owner: str) -> "WorkerClient":
        """The same client, for which the worker finds the rows of this owner alone."""
        found = copy(self)
        found._owner = owner
        return found

    @contextmanager
    def _turns(self, timeout: float) -> Iterator[None]:
        """Of several people one has so many requests in the engine, so that what one asks fills neither its threads nor its locks."""
        if not (key := share("")):
            yield
            return
        with self._lock:
            mine = self._of_people.setdefault(key, threading.BoundedSemaphore(_AT_ONCE))
        if not mine.acquire(timeout=timeout):
            raise EngineAwayError(say("engine.no_answer"))
        try:
            yield
        finally:
            mine.release()

    def health(self) -> dict[str, Any] | None:
        """The worker's health; None if it is not running."""
        try:
            answer: dict[str, Any] = self._http.get("/health", timeout=2).json()
        except (httpx.HTTPError, ValueError):
            return None
        return answer

    def is_stuck(self) -> bool:
        """Whether the engine runs and does nothing: one piece of its work has stood too long, or it does not answer at all."""
        try:
            answer = self._http.get("/health", timeout=2).json()
        except (httpx.TimeoutException, httpx.ReadError):  # it took the call, and said nothing
            return time.monotonic() - self._recent.answered > _STUCK_SECONDS
        except (httpx.HTTPError, ValueError):
            self._recent.answered = time.monotonic()  # it is not there, which is another matter
            return False
        self._recent.answered = time.monotonic()
        return float(answer.get("stands", 0.0)) > _STUCK_SECONDS

    def recent_health(self) -> dict[str, Any] | None:
        """As `health`, asked at most once a second, however many pages are looked at."""
        with self._lock:
            if time.monotonic() - self._recent.asked > _HEALTH_SECONDS:
                self._recent.known, self._recent.asked = self.health(), time.monotonic()
            return self._recent.known

    def machine(self) -> dict[str, Any] | None:
        """The device that base models are loaded on, and its free memory; None if the worker is not running."""
        try:
            answer: dict[str, Any] = self._http.get("/machine", timeout=5).json()
        except (httpx.HTTPError, ValueError):
            return None
        return answer

    def describe(self, base: str, *, load: bool = True) -> dict[str, Any] | None:
        """Size, kind and context of a base model, and whether it is ``loaded``; None if ``load`` is False and it is not on this machine."""
        answer: dict[str, Any] | None = self._post("/describe", {"base": base, "load": load})
        return answer

    def preview(self, base: str, rows: list[dict[str, Any]], reft: dict[str, Any], max_length: int = 512) -> list[dict[str, Any]]:
        """Preview rows token by token, as they are trained."""
        answer: list[dict[str, Any]] = self._post("/preview", {"base": base, "rows": rows, "reft": reft, "max_length": max_length})
        return answer

    def check(self, request: dict[str, Any]) -> RowCheck | None:
        """Count the rows that a base model can be trained on; None if the base model is not on this machine."""
        answer = self._post("/check", request, _CHECK_TIMEOUT)
        return None if answer is None else RowCheck.model_validate(answer)

    def probe(self, request: dict[str, Any]) -> dict[str, Any] | None:
        """Estimate a run on a dataset: a `RunEstimate` as ``estimate``, beside ``parameters``, ``device`` and ``memory_available``.

        None if its base model is not in memory.
        """
        answer: dict[str, Any] | None = self._post("/probe", request, _PROBE_TIMEOUT)
        return answer

    def angles(self, one: str, other: str) -> list[dict[str, Any]]:
        """Principal angles between the subspaces of two runs' edits: ``layer``, ``site`` and ``degrees`` of each `SubspaceAngles`."""
        answer: list[dict[str, Any]] = self._post("/angles", {"runs": [one, other]})
        return answer

    # Looks are asked for on the event loop, so that a reader who leaves is noticed at once; one that is cancelled ends the work.

    async def separation(self, request: dict[str, Any]) -> dict[str, Any]:
        """Prove a column's row apart from the base model's: a `Separation`, with ``acts``, ``separate`` and ``proven``."""
        answer: dict[str, Any] = await self._ask("/separation", request)
        return answer

    async def edit_map(self, request: dict[str, Any]) -> dict[str, Any]:
        """Measure where a column's edit acts in a conversation: an `EditMap`, with ``share``."""
        answer: dict[str, Any] = await self._ask("/edit_map", request)
        return answer

    async def lens(self, request: dict[str, Any]) -> dict[str, Any]:
        """Read a hidden state as if it were the last one: a `Lens`."""
        answer: dict[str, Any] = await self._ask("/lens", request)
        return answer

    async def tints(self, request: dict[str, Any]) -> list[dict[str, Any]]:
        """Compare base and tuned model on an answer's tokens: a `TokenChange` each."""
        answer: list[dict[str, Any]] = await self._ask("/tints", request)
        return answer

    def chat(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Stream answers as ``{"column", "text", "ended"}``, after ``{"place"}`` while others are first; closing the iterator ends them."""
        return self._stream("/chat", request)

    def grid(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Answer prompts with several runs: lines of ``{"prompt", "answers"}``, the answers by run; closing the iterator ends it."""
        return self._stream("/grid", request)

    def mix(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Answer prompts with runs and their mix: lines of ``{"prompt", "answers"}``; and make the mix one adapter: a line with ``saved``.

        See `app.worker.mixes.work_on_mix`; closing the iterator ends it.
        """
        return self._stream("/mix", request, _CHECK_TIMEOUT)

    def follow_mix(self, request: dict[str, Any], page: str = "") -> AsyncGenerator[dict[str, Any], None]:
        """As `mix`, on the event loop, so that a reader who leaves is noticed at once and who waits holds no thread."""
        return self._follow("/mix", request, page, _BATCH_TIMEOUT)

    def rates(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Try learning rates for a run: lines of ``{"done", "of"}``, then one with ``found``, a `RatesFound`; closing it ends the trial."""
        return self._stream("/rates", request)

    def predictions(self, run_id: str, *, start: bool = True) -> Generator[dict[str, Any], None, None]:
        """Answer the held-out rows of a run: lines of ``{"done", "of"}``, then ``{"ended": true}``; closing the iterator ends nothing.

        Without ``start`` nothing begins, and only what is under way is told of; an engine that does not say so within seconds is away.
        """
        return self._stream("/predictions", {"run": run_id, "start": start}, 120 if start else _LOOK_TIMEOUT)

    def follow_chat(self, request: dict[str, Any], page: str = "") -> AsyncGenerator[dict[str, Any], None]:
        """As `chat`, on the event loop, so that a reader who leaves is noticed at once and who waits holds no thread."""
        return self._follow("/chat", request, page)

    def follow_batch(self, request: dict[str, Any], page: str = "") -> AsyncGenerator[dict[str, Any], None]:
        """Answer prompts in the columns of a chat: lines of ``{"prompt", "column"}`` with ``text``, ``ending`` and ``tokens``.

        A prompt that is refused has a ``problem`` in place of these three; ``{"done": true}`` ends them. Closing the iterator ends it.
        """
        return self._follow("/batch", request, page, _BATCH_TIMEOUT)

    async def _follow(self, path: str, request: dict[str, Any], page: str, timeout: float = 120) -> AsyncGenerator[dict[str, Any], None]:
        body = _body(request)
        with _told(midway=True):
            async with self._on_loop(timeout) as http, http.stream("POST", path, content=body, headers=self._headers(page)) as answer:
                if answer.status_code != 200:
                    await answer.aread()
                    raise StudioError(_error_text(answer))
                async for line in answer.aiter_lines():
                    yield _item(line)

    def _on_loop(self, timeout: float) -> httpx.AsyncClient:
        transport = httpx.AsyncHTTPTransport(uds=str(self._socket), verify=False)  # a socket has no certificates
        return httpx.AsyncClient(transport=transport, base_url=_ADDRESS, timeout=httpx.Timeout(timeout, connect=2))

    def _headers(self, page: str = "") -> dict[str, str]:
        # The worker answers in the language of the event that asks it, and its log names the request.
        asked = {HEADER: number()} if number() else {}
        behalf = behalf_headers(self._owner, page or visitor())
        return {"Content-Type": "application/json", "Accept-Language": spoken(), **behalf, **asked}

    def _stream(self, path: str, request: dict[str, Any], timeout: float = 120) -> Generator[dict[str, Any], None, None]:
        body = _body(request)
        with _told(midway=True), self._http.stream(
            "POST", path, content=body, headers=self._headers(), timeout=httpx.Timeout(timeout, connect=2)
        ) as answer:  # fmt: skip
            if answer.status_code != 200:
                answer.read()
                raise StudioError(_error_text(answer))
            for line in answer.iter_lines():
                yield _item(line)

    def _post(self, path: str, values: dict[str, Any], timeout: float = 120) -> Any:
        body = _body(values)
        with _told(), self._turns(timeout):
            answer = self._http.post(path, content=body, headers=self._headers(), timeout=httpx.Timeout(timeout, connect=2))
        return _given(answer)

    async def _ask(self, path: str, values: dict[str, Any], timeout: float = 120) -> Any:
        body = _body(values)
        with _told():
            async with self._on_loop(timeout) as http:
                answer = await http.post(path, content=body, headers=self._headers())
        return _given(answer)


def _given(answer: httpx.Response) -> Any:
    if answer.status_code != 200:
        raise StudioError(_error_text(answer))
    return answer.json()


@contextmanager
def _told(*, midway: bool = False) -> Iterator[None]:
    """An engine that does not answer, in a sentence; ``midway`` in a stream it can also break off."""
    try:
        yield
    except httpx.ConnectError as error:
        raise EngineAwayError(say("engine.starting")) from error
    except httpx.HTTPError as error:
        if midway and not isinstance(error, httpx.TimeoutException):
            raise StudioError(say("engine.went_away")) from error
        raise EngineAwayError(say("engine.no_answer")) from error


def _item(line: str) -> dict[str, Any]:
    item: dict[str, Any] = json.loads(line)
    if "error" in item:
        raise StudioError(item["error"])
    return item


def _body(values: dict[str, Any]) -> bytes:
    try:
        return json.dumps(values, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError as error:
        raise StudioError(say("engine.half_a_character")) from error
    except (TypeError, ValueError) as error:
        raise StudioError(say("engine.out_of_range")) from error


def _error_text(answer: httpx.Response) -> str:
    try:
        body = answer.json()
    except ValueError:
        return say("engine.failed")
    if isinstance(body, dict) and isinstance(body.get("error"), str):
        return str(body["error"])
    return say("engine.out_of_range")
