"""Work that pages ask for beside chats: a few pieces at once, one for each asker, next whoever was served longest ago.

What is asked for by somebody who has gone is not begun, and ends at its next look.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import Request

from app.leaving import until_gone
from app.words import say
from reft_engine import BusyError, StoppedError

T = TypeVar("T")
AT_ONCE, OF_ONE = 2, 8
"""Pieces of work that are under way at once, and those of one asker that may wait."""


class Disconnected(threading.Event):
    """Is set when the client has gone; then what it asked for ends."""

    def __init__(self) -> None:
        super().__init__()
        self._then: list[Callable[[], None]] = []

    def then(self, act: Callable[[], None]) -> None:
        """Do something once the client has gone; at once, if it has."""
        self._then.append(act)
        if self.is_set():
            act()

    def set(self) -> None:
        """As `threading.Event.set`, and do what is to be done then."""
        super().set()
        for act in self._then:
            act()

    def look(self) -> None:
        """Raises StoppedError once the client has gone."""
        if self.is_set():
            raise StoppedError(say("engine.gone"))


async def watched(http: Request, work: Callable[[Disconnected], T], limiter: CapacityLimiter | None = None) -> T:
    """What work gives, in a thread; its event is set when the client disconnects."""
    disconnected = Disconnected()

    async def watch() -> None:
        await until_gone(http)
        disconnected.set()

    watching = asyncio.create_task(watch())
    try:
        return await to_thread.run_sync(work, disconnected, limiter=limiter)
    finally:
        watching.cancel()


class FairWork:
    """Lets a few pieces of work go on at once. It belongs to one event loop."""

    def __init__(self, at_once: int = AT_ONCE, of_one: int = OF_ONE) -> None:
        self._at_once, self._of_one = at_once, of_one
        self._waiting: list[tuple[asyncio.Future[None], str]] = []
        self._working: set[str] = set()
        self._served: dict[str, int] = {}
        """When each was served last, as a number that grows."""
        self._limiter: CapacityLimiter | None = None

    @property
    def waiting(self) -> int:
        """Pieces of work that have not begun."""
        return len(self._waiting)

    async def do(self, asker: str, http: Request, work: Callable[[Disconnected], T]) -> T:
        """What work gives, once it is this asker's turn.

        Raises:
            BusyError: too much of this asker's waits already.
            StoppedError: the asker has gone.
        """
        if sum(each == asker for _, each in self._waiting) >= self._of_one:
            raise BusyError(say("engine.asked_too_much"), kind="inference.busy")
        turn = asyncio.get_running_loop().create_future(), asker
        self._waiting.append(turn)
        self._begin()
        try:
            await self._turn(turn, http)
            self._limiter = self._limiter or CapacityLimiter(self._at_once)
            return await watched(http, work, self._limiter)
        finally:
            if turn in self._waiting:
                self._waiting.remove(turn)
            else:
                self._working.discard(asker)
            self._begin()

    async def _turn(self, turn: tuple[asyncio.Future[None], str], http: Request) -> None:
        leaving = asyncio.create_task(until_gone(http))
        try:
            await asyncio.wait({turn[0], leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
        if leaving.done() and not leaving.cancelled():
            raise StoppedError(say("engine.gone"))

    def _begin(self) -> None:
        """Let those begin for whom there is room."""
        while len(self._working) < self._at_once:
            able = [each for each in self._waiting if each[1] not in self._working]
            if not able:
                break
            future, asker = chosen = min(able, key=lambda each: self._served.get(each[1], 0))
            self._waiting.remove(chosen)
            self._working.add(asker)
            present = {asker, *self._working, *(each for _, each in self._waiting)}
            number = max(self._served.values(), default=0) + 1
            self._served = {each: when for each, when in self._served.items() if each in present} | {asker: number}
            if not future.done():
                future.set_result(None)
