"""The lock on the resident base model: a chat reply goes first, training waits for it between two steps."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class BaseLock:
    """One user of the base model at a time; those who chat before those who train."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._busy = False
        self._first = 0

    @contextmanager
    def for_chat(self) -> Iterator[None]:
        """Wait for the piece of work in progress, then go."""
        with self._changed:
            self._first += 1
            self._changed.wait_for(lambda: not self._busy)
            self._first -= 1
            self._busy = True
        yield from self._until_done()

    @contextmanager
    def for_training(self) -> Iterator[None]:
        """Wait until nobody chats or wants to, then go."""
        with self._changed:
            self._changed.wait_for(lambda: not self._busy and not self._first)
            self._busy = True
        yield from self._until_done()

    def _until_done(self) -> Iterator[None]:
        try:
            yield
        finally:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
