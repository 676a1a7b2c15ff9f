"""The lock on the base model in memory: chats go first, and training gets a turn in ten while they go on."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_CHATS_IN_A_ROW = 9
"""Turns of chats, a token for everybody each, after which training gets one if it waits."""

_USUAL, _LONGEST = 3.0, 30.0
"""A step may take so many times the longest before it, which counts as at most so many seconds."""


class BaseLock:
    """One user of the base model at a time; chats go before training, which keeps a tenth of the turns."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._busy = False
        self._since: float | None = None
        self._longest = 0.0
        self._waiting_chats = self._waiting_training = self._chats = 0

    @contextmanager
    def for_chat(self) -> Iterator[None]:
        """Hold the lock as soon as the current user releases it, unless it is training's turn."""
        with self._changed:
            self._waiting_chats += 1
            self._changed.wait_for(lambda: not self._busy and not (self._waiting_training and self._chats >= _CHATS_IN_A_ROW))
            self._waiting_chats -= 1
            self._busy, self._chats = True, self._chats + 1
        yield from self._release_after()

    @contextmanager
    def for_training(self) -> Iterator[None]:
        """Hold the lock when it is free and no chat waits for it, or many have had it."""
        with self._changed:
            self._waiting_training += 1
            self._changed.wait_for(lambda: not self._busy and (not self._waiting_chats or self._chats >= _CHATS_IN_A_ROW))
            self._waiting_training -= 1
            self._busy, self._chats = True, 0
        yield from self._release_after()

    @property
    def stands(self) -> float:
        """Seconds for which the current user has the lock beyond what is usual here, which is taken from the longest before."""
        since = self._since
        return 0.0 if since is None else max(0.0, time.monotonic() - since - _USUAL * min(self._longest, _LONGEST))

    def _release_after(self) -> Iterator[None]:
        self._since = time.monotonic()
        try:
            yield
        finally:
            with self._changed:
                if self._since is not None:
                    self._longest = max(self._longest, time.monotonic() - self._since)
                self._busy, self._since = False, None
                self._changed.notify_all()
