"""Stores of training rows for instant answers, in memory only: never written to disk, and gone with their base model."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass
from typing import Any

from app.words import say
from reft_engine import StoppedError
from reft_engine.base import Base
from reft_engine.inference import ChosenBlend, ReferenceStore

_BYTES = 512 * 2**20
"""Most memory of all stores; the newest is kept whatever its size."""
_LOOK_SECONDS = 0.25
"""How often someone who waits for another store looks whether they are still waited for themselves."""


@dataclass(frozen=True, slots=True, eq=False)
class BuiltStore:
    """A store, and what is known of it.

    Attributes:
        model: the base model whose states it holds.
        dataset_id: the dataset of its rows, with which it goes.
        places: the places of its rows in their version of the dataset.
        left_out: training rows for which there was no room.
        chosen: the blend that did best on held-out rows; None where none were held out.
        seconds: how long it took to build.
    """

    store: ReferenceStore
    model: Any
    dataset_id: str
    places: tuple[int, ...]
    left_out: int
    chosen: ChosenBlend | None
    seconds: float


class Stores:
    """Keeps the stores that were used last, by their rows and base model; one is built at a time."""

    def __init__(self) -> None:
        self._stores: OrderedDict[Hashable, BuiltStore] = OrderedDict()
        self._lock, self._building = threading.Lock(), threading.Lock()

    def __len__(self) -> int:
        with self._lock:
            return len(self._stores)

    @property
    def nbytes(self) -> int:
        """Bytes of all stores."""
        with self._lock:
            return _bytes_of(self._stores.values())

    def get(self, rows: Hashable, base: Base, build: Callable[[], BuiltStore], should_stop: Callable[[], bool]) -> BuiltStore:
        """The store of these rows and this base model, built if there is none yet. Raises StoppedError and what ``build`` raises."""
        key = rows, id(base.model)
        while not self._building.acquire(timeout=_LOOK_SECONDS):
            if should_stop():
                raise StoppedError(say("columns.stopped"), kind="columns.stopped")
        try:
            with self._lock:
                built = self._stores.get(key)
            return self._keep(key, built or build())
        finally:
            self._building.release()

    def _keep(self, key: Hashable, built: BuiltStore) -> BuiltStore:
        with self._lock:
            self._stores[key] = built
            self._stores.move_to_end(key)
            while len(self._stores) > 1 and _bytes_of(self._stores.values()) > _BYTES:
                self._stores.popitem(last=False)
        return built

    def keep(self, is_wanted: Callable[[BuiltStore], bool]) -> None:
        """Forget all stores but those that are wanted."""
        with self._lock:
            self._stores = OrderedDict((key, each) for key, each in self._stores.items() if is_wanted(each))

    def of_datasets(self) -> set[str]:
        """The datasets of which there are stores."""
        with self._lock:
            return {each.dataset_id for each in self._stores.values()}


def _bytes_of(stores: Collection[BuiltStore]) -> int:
    return sum(each.store.nbytes for each in stores)
