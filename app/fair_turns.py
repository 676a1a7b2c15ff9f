"""Who may work now: a few at once, one for each asker, next whoever had a turn longest ago, then who came first.

So what one of them has waiting keeps nobody else for longer than one piece of work.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_LOOK_SECONDS = 0.5


class FairTurns:
    """A lock that so many have at once, and no asker twice."""

    def __init__(self, at_once: int = 1) -> None:
        self._at_once = at_once
        self._changed = threading.Condition()
        self._waiting: list[tuple[object, str]] = []
        self._working: list[str] = []
        self._last: dict[str, int] = {}
        """When those who wait had their last turn, as a number that grows."""
        self._turns = 0

    @contextmanager
    def turn(self, asker: str, gives_up: Callable[[], bool] = lambda: False) -> Iterator[bool]:
        """Wait for a turn and have it; False, and no turn, if ``gives_up`` says so first, which is asked twice a second."""
        mine = object(), asker
        with self._changed:
            has_turn = self._wait(mine, gives_up)
            if has_turn:
                self._working.append(asker)
                self._turns += 1
                waiting = {each for _, each in self._waiting}
                self._last = {each: turn for each, turn in self._last.items() if each in waiting} | {asker: self._turns}
        try:
            yield has_turn
        finally:
            if has_turn:
                with self._changed:
                    self._working.remove(asker)
                    self._changed.notify_all()

    def look_again(self) -> None:
        """Ask those who wait whether they give up."""
        with self._changed:
            self._changed.notify_all()

    def waiting(self) -> int:
        """How many wait for a turn."""
        with self._changed:
            return len(self._waiting)

    def _wait(self, mine: tuple[object, str], gives_up: Callable[[], bool]) -> bool:
        self._waiting.append(mine)
        try:
            while not gives_up():
                if self._is_next(mine):
                    return True
                self._changed.wait(_LOOK_SECONDS)
            return False
        finally:
            self._waiting.remove(mine)
            self._changed.notify_all()

    def _is_next(self, mine: tuple[object, str]) -> bool:
        able = [each for each in self._waiting if each[1] not in self._working]
        return len(self._working) < self._at_once and mine is min(able, key=lambda each: self._last.get(each[1], 0), default=None)
