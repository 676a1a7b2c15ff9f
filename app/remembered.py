"""Keeps the latest results, up to a number of bytes."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Remembered(Generic[Value]):
    """The latest values by their keys. The newest is kept whatever its size. It has no lock."""

    def __init__(self, most: int, size_of: Callable[[Value], int]) -> None:
        """At most ``most`` bytes together, a value having ``size_of`` it."""
        self._most, self._size_of = most, size_of
        self._values: OrderedDict[Hashable, Value] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._values

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value of a key, which is made if it is not kept any more; raises whatever ``make`` raises."""
        if key not in self._values:
            self._values[key] = make()
            while len(self._values) > 1 and sum(map(self._size_of, self._values.values())) > self._most:
                self._values.popitem(last=False)
        self._values.move_to_end(key)
        return self._values[key]
