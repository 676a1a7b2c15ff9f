"""When people were last here and how they are called, as far as this process has seen them; for whoever looks after a studio."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime

from app.people.asking import Person

_REMEMBERED = 10_000
"""People, of whom those that were here longest ago are forgotten."""


@dataclass(frozen=True, slots=True)
class Seen:
    """How somebody is called, and when they last asked for anything."""

    name: str
    at: datetime


class LastSeen:
    """Takes note of people, from the event loop, and is read in threads."""

    def __init__(self) -> None:
        self._lock, self._seen = threading.Lock(), OrderedDict[str, Seen]()

    def note(self, person: Person) -> None:
        """Somebody asks for something."""
        with self._lock:
            self._seen[person.id] = Seen(person.name, datetime.now(UTC))
            self._seen.move_to_end(person.id)
            if len(self._seen) > _REMEMBERED:
                self._seen.popitem(last=False)

    def all(self) -> dict[str, Seen]:
        """Everybody who was seen, by their ids."""
        with self._lock:
            return dict(self._seen)
