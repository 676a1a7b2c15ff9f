"""Stores of training rows for instant answers, in memory only: never written to disk, and gone with their base model."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Iterator
from contextlib import contextmanager
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
_SAY_SECONDS = 10.0
"""How often they are told something, since whoever hears nothing for long takes the engine for dead."""

Progress = Callable[[int, int], None]
"""Is told how many rows are read, and of how many."""


@dataclass(slots=True, eq=False)
class BuiltStore:
    """A store, and what is known of it.

    Attributes:
        model: the base model whose states it holds.
        dataset_id: the dataset of its rows, with which it goes.
        places: the places of its rows in their version of the dataset.
        no_room: training rows for which there was no room.
        seconds: how long it took to build.
        asked: whether held-out rows were asked for the best blend.
        chosen: the blend that did best on them; None where none could be asked.
    """

    store: ReferenceStore
    model: Any
    dataset_id: str
    places: tuple[int, ...]
    no_room: int
    seconds: float
    asked: bool = False
    chosen: ChosenBlend | None = None


class Stores:
    """Keeps the stores that were used last, by their rows and base model; one is built at a time, and the others are there meanwhile."""

    def __init__(self) -> None:
        self._stores: OrderedDict[Hashable, BuiltStore] = OrderedDict()
        self._changed = threading.Condition()
        self._turns: list[object] = []
        """Who builds, and who waits to do so."""
        self._told: tuple[int, int] | None = None
        """How far the one who builds is."""

    def __len__(self) -> int:
        with self._changed:
            return len(self._stores)

    @property
    def nbytes(self) -> int:
        """Bytes of all stores."""
        with self._changed:
            return _bytes_of(self._stores.values())

    def get(
        self, rows: Hashable, base: Base, build: Callable[[Progress], BuiltStore], on_progress: Progress, should_stop: Callable[[], bool]
    ) -> BuiltStore:  # fmt: skip
        """The store of these rows and this base model, built if there is none yet; whoever waits is told how far another build is.

        Raises StoppedError and what ``build`` raises.
        """
        key = rows, id(base.model)
        if (kept := self._kept(key)) is not None:
            return kept
        with self._turn(on_progress, should_stop) as tell:
            return self._kept(key) or self._keep(key, build(tell))

    def chosen(
        self, built: BuiltStore, choose: Callable[[Progress], ChosenBlend | None], on_progress: Progress, should_stop: Callable[[], bool]
    ) -> ChosenBlend | None:  # fmt: skip
        """The best blend of a store, chosen when it is first asked for. Raises as `get`; the store is kept all the same."""
        if not built.asked:
            with self._turn(on_progress, should_stop) as tell:
                if not built.asked:
                    built.chosen, built.asked = choose(tell), True
        return built.chosen

    def keep(self, is_wanted: Callable[[BuiltStore], bool]) -> None:
        """Forget all stores but those that are wanted."""
        with self._changed:
            self._stores = OrderedDict((key, each) for key, each in self._stores.items() if is_wanted(each))

    def of_datasets(self) -> set[str]:
        """The datasets of which there are stores."""
        with self._changed:
            return {each.dataset_id for each in self._stores.values()}

    def _kept(self, key: Hashable) -> BuiltStore | None:
        with self._changed:
            if key in self._stores:
                self._stores.move_to_end(key)
            return self._stores.get(key)

    def _keep(self, key: Hashable, built: BuiltStore) -> BuiltStore:
        with self._changed:
            self._stores[key] = built
            while len(self._stores) > 1 and _bytes_of(self._stores.values()) > _BYTES:
                self._stores.popitem(last=False)
        return built

    @contextmanager
    def _turn(self, on_progress: Progress, should_stop: Callable[[], bool]) -> Iterator[Progress]:
        """One builder at a time, in the order in which they came; yields what a builder tells its progress to."""
        mine, told, spoke = object(), None, -_SAY_SECONDS

        def tell(done: int, total: int) -> None:
            self._told = done, total
            on_progress(done, total)

        with self._changed:
            self._turns.append(mine)
        try:
            while not self._is_first(mine):
                if should_stop():
                    raise StoppedError(say("columns.stopped"), kind="columns.stopped")
                now = self._told
                if now and (now != told or time.monotonic() - spoke > _SAY_SECONDS):
                    on_progress(*now)
                    told, spoke = now, time.monotonic()
            self._told = None
            yield tell
        finally:
            with self._changed:
                self._turns.remove(mine)
                self._changed.notify_all()

    def _is_first(self, mine: object) -> bool:
        """Whether it is one's turn, or becomes it in a moment."""
        with self._changed:
            return self._changed.wait_for(lambda: self._turns[0] is mine, _LOOK_SECONDS)


def _bytes_of(stores: Collection[BuiltStore]) -> int:
    return sum(each.store.nbytes for each in stores)
