"""How many tokens each person was given in the last minute: prompts that are read and answers that are written, where that is done."""

import math
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable

from app.words import say
from storage import BoundError

_WINDOW = 60
"""Seconds that count."""


class TokenMeter:
    """Counts tokens by owner, and refuses whoever was given as many in a minute as they may have.

    What is under way is answered to its end, so that an answer is never cut off by it.

    Args:
        most: tokens a minute; 0 for no bound.
        clock: seconds that never go back.
    """

    def __init__(self, most: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock, self._lock = most, clock, threading.Lock()
        self._spent: OrderedDict[str, deque[tuple[int, int]]] = OrderedDict()  # by owner: seconds, and tokens in each

    def spend(self, owner: str, tokens: int) -> None:
        """An owner was given so many tokens."""
        if not self._most:
            return
        second = math.floor(self._clock())
        with self._lock:
            seconds = self._spent.setdefault(owner, deque())
            before = seconds.pop()[1] if seconds and seconds[-1][0] == second else 0
            seconds.append((second, before + tokens))
            self._spent.move_to_end(owner)
            while not (oldest := next(iter(self._spent.values()))) or oldest[-1][0] <= second - _WINDOW:
                self._spent.popitem(last=False)

    def require(self, owner: str) -> None:
        """Raises BoundError, which says when there are more, if an owner was given as many as they may have."""
        if wait := self.wait(owner):
            raise BoundError(say("bounds.chat_tokens", most=self._most, seconds=wait), kind="bounds.tokens_a_minute")

    def wait(self, owner: str) -> int:
        """Whole seconds until an owner may ask for more; 0 for now."""
        if not self._most:
            return 0
        moment = self._clock()
        with self._lock:
            seconds = self._spent.get(owner, deque())
            while seconds and seconds[0][0] <= moment - _WINDOW:
                seconds.popleft()
            left = sum(tokens for _, tokens in seconds)
            if left < self._most:
                return 0
            for second, tokens in seconds:
                left -= tokens
                if left < self._most:
                    return max(1, math.ceil(second + _WINDOW - moment))
        return _WINDOW
