"""Who is answered next: askers get equal shares, then first come, first served; what runs in the background comes last."""

from collections import Counter, deque
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar


class Waiting(Protocol):
    """What waits: its asker, whether it is background work, and how many rows it needs."""

    @property
    def owner(self) -> str:
        """An opaque key of who asks."""
        ...

    @property
    def background(self) -> bool:
        """Whether it gives way to all that is not."""
        ...

    @property
    def size(self) -> int:
        """Its rows."""
        ...


T = TypeVar("T", bound=Waiting)


class FairQueue(Generic[T]):
    """Waiting requests. Next is who has the fewest rows in flight, then who was given the fewest tokens; nobody saves up a share."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[bool, str], deque[T]] = {}
        self._tokens: dict[str, float] = {}
        self._rows: Counter[str] = Counter()

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def __iter__(self) -> Iterator[T]:
        """All that waits, in the order in which it would begin if nothing ended meanwhile."""
        rows, left = Counter(self._rows), {key: deque(queue) for key, queue in self._waiting.items()}
        while any(left.values()):
            key = self._next(left, rows)
            request = left[key].popleft()
            rows[request.owner] += request.size
            yield request

    def count(self, owner: str) -> int:
        """How many requests of an asker wait."""
        return sum(len(queue) for (_, each), queue in self._waiting.items() if each == owner)

    def add(self, request: T, *, first: bool = False) -> None:
        """Append a request to those of its asker, or put it before them."""
        # Whoever comes anew begins with as much as the one who was given least.
        self._tokens.setdefault(request.owner, min(self._tokens.values(), default=0.0))
        queue = self._waiting.setdefault((request.background, request.owner), deque())
        if first:
            queue.appendleft(request)
        else:
            queue.append(request)

    def remove(self, request: T) -> None:
        """Take a request out, if it waits."""
        key = request.background, request.owner
        if request in self._waiting.get(key, ()):
            self._waiting[key].remove(request)
            if not self._waiting[key]:
                del self._waiting[key]

    def peek(self) -> T | None:
        """The next request."""
        return self._waiting[self._next(self._waiting, self._rows)][0] if self._waiting else None

    def pop(self) -> T:
        """Take the next request. Raises IndexError if none waits."""
        request = self.peek()
        if request is None:
            raise IndexError("nothing waits")
        self.remove(request)
        return request

    def began(self, request: T) -> None:
        """A request has its rows."""
        self._rows[request.owner] += request.size

    def gave(self, owner: str, tokens: float) -> None:
        """An asker was given so many tokens."""
        self._tokens[owner] = self._tokens.get(owner, 0.0) + tokens

    def ended(self, request: T) -> None:
        """A request has no rows any more; an asker with nothing left is forgotten."""
        self._rows[request.owner] -= request.size
        if self._rows[request.owner] <= 0:
            del self._rows[request.owner]
            if not self.count(request.owner):
                self._tokens.pop(request.owner, None)

    def _next(self, waiting: dict[tuple[bool, str], deque[T]], rows: Counter[str]) -> tuple[bool, str]:
        keys = [key for key, queue in waiting.items() if queue]
        return min(keys, key=lambda key: (key[0], rows[key[1]], self._tokens.get(key[1], 0.0)))
