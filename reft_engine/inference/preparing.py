"""Reads the prompts of requests before they wait for an answer: of each owner one at a time, so that a flood holds up its owner alone."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from reft_engine.errors import BusyError


class Preparing:
    """Whose prompts are being read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted: Counter[str] = Counter()
        self._turns: dict[str, threading.Lock] = {}

    @contextmanager
    def turn(self, owner: str, most: int) -> Iterator[None]:
        """Wait until no other prompt of this owner is read. Raises BusyError if so many of them are waited for already."""
        with self._lock:
            if self._wanted[owner] >= most:
                raise BusyError("Too many requests wait for an answer. Try again in a moment.", kind="inference.busy")
            self._wanted[owner] += 1
            turn = self._turns.setdefault(owner, threading.Lock())
        try:
            with turn:
                yield
        finally:
            with self._lock:
                self._wanted[owner] -= 1
                if not self._wanted[owner]:
                    del self._wanted[owner], self._turns[owner]
