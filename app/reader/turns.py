"""Who may read a file now: a few at once, one for each visitor, the others in the order in which they came."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Turns:
    """Lets a few work at once; a visitor who has a turn already holds up nobody but themselves."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._changed = threading.Condition()
        self._waiting: list[tuple[object, str]] = []
        self._working: list[str] = []

    @contextmanager
    def turn(self, visitor: str, gives_up: Callable[[], bool]) -> Iterator[bool]:
        """Wait for a turn and have it; False, and no turn, if ``gives_up`` says so first (see `look_again`)."""
        mine = object(), visitor
        with self._changed:
            self._waiting.append(mine)
            try:
                self._changed.wait_for(lambda: gives_up() or self._is_next(mine))
            finally:
                self._waiting.remove(mine)
                self._changed.notify_all()
            if has_turn := not gives_up():
                self._working.append(visitor)
        try:
            yield has_turn
        finally:
            if has_turn:
                with self._changed:
                    self._working.remove(visitor)
                    self._changed.notify_all()

    def look_again(self) -> None:
        """Ask those who wait whether they give up."""
        with self._changed:
            self._changed.notify_all()

    def waiting(self) -> int:
        """How many wait for a turn."""
        with self._changed:
            return len(self._waiting)

    def _is_next(self, mine: tuple[object, str]) -> bool:
        if len(self._working) >= self._at_once:
            return False
        return next((each for each in self._waiting if each[1] not in self._working), None) is mine
