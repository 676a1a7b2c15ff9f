"""The lock on the base model in memory: chats go first, and training waits for them between two steps."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class BaseLock:
    """One user of the base model at a time; chats go before training."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._busy = False
        self._waiting_chats = 0

    @contextmanager
    def for_chat(self) -> Iterator[None]:
        """Hold the lock as soon as the current user releases it."""
        with self._changed:
            self._waiting_chats += 1
            self._changed.wait_for(lambda: not self._busy)
            self._waiting_chats -= 1
            self._busy = True
        yield from self._release_after()

    @contextmanager
    def for_training(self) -> Iterator[None]:
        """Hold the lock when it is free and no chat waits for it."""
        with self._changed:
            self._changed.wait_for(lambda: not self._busy and not self._waiting_chats)
            self._busy = True
        yield from self._release_after()

    def _release_after(self) -> Iterator[None]:
        try:
            yield
        finally:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
