"""One piece of work at a time, and askers take turns: what one of them has waiting keeps nobody else for longer than one piece."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_LOOK_SECONDS = 0.5


class FairTurn:
    """A lock that goes to the asker whose last turn is longest ago, then to who came first."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[tuple[object, str]] = []
        self._last: dict[str, int] = {}
        self._turns, self._busy = 0, False

    @contextmanager
    def turn(self, owner: str, gives_up: Callable[[], bool] = lambda: False) -> Iterator[bool]:
        """Wait for a turn and have it; False, and no turn, if ``gives_up`` says so first, which is asked twice a second."""
        mine = object(), owner
        with self._changed:
            self._waiting.append(mine)
            try:
                while not (has_turn := not self._busy and self._next() is mine) and not gives_up():
                    self._changed.wait(_LOOK_SECONDS)
            finally:
                self._waiting.remove(mine)
                self._changed.notify_all()
            if has_turn:
                self._busy, self._turns = True, self._turns + 1
                self._last = {**{each: turn for each, turn in self._last.items() if self._is_waiting(each)}, owner: self._turns}
        try:
            yield has_turn
        finally:
            if has_turn:
                with self._changed:
                    self._busy = False
                    self._changed.notify_all()

    def _next(self) -> tuple[object, str]:
        return min(self._waiting, key=lambda each: self._last.get(each[1], 0))  # of equals the first

    def _is_waiting(self, owner: str) -> bool:
        return any(each == owner for _, each in self._waiting)
