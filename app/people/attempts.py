"""Wrong pass phrases, counted by address and name together, so that a stranger locks nobody out, and by address, against trying many."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable

from app.networks import place_of

WINDOW = 15 * 60.0
"""Seconds for which a wrong pass phrase counts."""
OF_A_NAME, OF_AN_ADDRESS = 5, 60
"""Wrong pass phrases after which an address waits: with one name, and with any."""
_REMEMBERED = 20_000
"""Addresses and names that are counted at most; the oldest are forgotten."""


class Attempts:
    """Says who has to wait before they may try again.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wrong: OrderedDict[Hashable, deque[float]] = OrderedDict()

    def attempt(self, address: str, name: str) -> float:
        """Seconds until this address may try this name again; 0 for now, and then it counts as a wrong one until it has `succeeded`.

        So whoever tries many at the same time is counted as if they came one after the other.
        """
        place = place_of(address)
        if wait := max(self._wait((place, name), OF_A_NAME), self._wait(place, OF_AN_ADDRESS)):
            return wait
        for key in ((place, name), place):
            self._wrong.setdefault(key, deque(maxlen=OF_AN_ADDRESS)).append(self._clock())
            self._wrong.move_to_end(key)
        while len(self._wrong) > _REMEMBERED:
            self._wrong.popitem(last=False)
        return 0.0

    def succeeded(self, address: str, name: str) -> None:
        """The right pass phrase was given: what was mistyped before does not count any more for this name, and this one for nobody."""
        place = place_of(address)
        self._wrong.pop((place, name), None)
        if times := self._wrong.get(place):
            times.pop()

    def _wait(self, key: Hashable, most: int) -> float:
        moment = self._clock()
        times = self._wrong.get(key)
        while times and times[0] <= moment - WINDOW:
            times.popleft()
        if not times or len(times) < most:
            return 0.0
        return times[-most] + WINDOW - moment
