"""The rows that a run was trained on, as far as they may be shown: none that is held out, nor any that belongs to one."""

import threading
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from app.remembered import Remembered
from app.words import say
from reft_engine import PositionSpec, RunSpec
from reft_engine.data import AnyExample, StoredExamples, answers_of, row_of, trained_indices
from reft_engine.inference import draw_rows
from storage import NotFoundError, RunRecord, Storage, StorageError

Value = TypeVar("Value")
_SEED = 0
"""Draws rows where nobody names a seed, so that they are the same ones every time."""
_MAX_COUNTED = 200
_BYTES = 50_000_000
"""Most memory of what is kept of rows, at about twelve bytes each."""


@dataclass(frozen=True, slots=True, eq=False)
class RunRows:
    """The rows of a run by their places in its version of the dataset.

    Attributes:
        run: the run.
        examples: all rows of the version.
        trained: places of those that it was trained on, an array.
        held_out: places of those that it is measured on.
    """

    run: RunRecord
    examples: StoredExamples
    trained: Any
    held_out: tuple[int, ...]

    @property
    def split(self) -> tuple[object, ...]:
        """What the rows are known by: the version, and how it is divided."""
        return self.run.version_id, self.held_out

    @property
    def spec(self) -> RunSpec:
        """The run's settings."""
        return RunSpec.read(self.run.spec)

    @property
    def marked(self) -> bool:
        """Whether the rows mark what is edited in them."""
        spec = self.spec
        return spec.peft is None and PositionSpec.parse(spec.reft.positions).reads_text

    def drawn(self, count: int, seed: int = _SEED) -> list[int]:
        """Places of at most ``count`` training rows, in an order by the seed."""
        return [int(self.trained[index]) for index in draw_rows(len(self.trained), count, seed)]

    def drawn_held_out(self, count: int) -> list[int]:
        """Places of at most ``count`` held-out rows."""
        return [self.held_out[index] for index in draw_rows(len(self.held_out), count, _SEED)]

    def at(self, places: Sequence[int]) -> "SomeRows":
        """The rows at places."""
        return SomeRows(self.examples, places)


class RowsOfRuns:
    """Finds the rows of runs, in the stores of whoever asks, and remembers for the latest which of their dataset's they are."""

    def __init__(self, storage: Callable[[], Storage]) -> None:
        self._seen, self._lock = storage, threading.Lock()
        self._making: defaultdict[Hashable, threading.Lock] = defaultdict(threading.Lock)
        """For each thing that is being read or counted, so that whoever asks for another one need not wait."""
        self._read = Remembered[tuple[StoredExamples, Any]](_BYTES, lambda kept: kept[0].size + kept[1].nbytes)
        self._tokens = Remembered[float](_MAX_COUNTED, lambda tokens: 1)

    def of(self, run_id: str) -> RunRows:
        """The rows of a run.

        Raises:
            NotFoundError: there is no such run, or it or its dataset is in the bin.
            StorageError: its rows were not divided yet, or an earlier version of the studio trained it.
            DataError: the file of the rows is missing or damaged.
        """
        storage = self._seen()
        run, places = storage.runs.get(run_id), storage.runs.held_out_places(run_id)
        if run.binned_at is not None or storage.datasets.get(run.dataset_id).binned_at is not None:
            raise NotFoundError(say("columns.binned", name=run.name), kind="columns.binned")
        if places is None:
            raise StorageError(say("columns.not_divided", name=run.name), kind="columns.not_divided")
        path = storage.files.rows(storage.datasets.version(run.version_id))
        held_out = tuple(sorted(places))

        def read() -> tuple[StoredExamples, Any]:
            examples = StoredExamples(path)
            return examples, trained_indices(examples, held_out)

        if not path.is_file():
            raise NotFoundError(say("columns.rows_gone", name=run.name), kind="columns.rows_gone")
        examples, trained = self._made(self._read, (run.version_id, held_out), read)
        return RunRows(run, examples, trained, held_out)

    def tokens_of_a_row(self, run_id: str, count: Callable[[], float]) -> float:
        """Mean tokens of a training row of a run, which are counted once."""
        return self._made(self._tokens, run_id, count)

    def _made(self, kept: Remembered[Value], key: Hashable, make: Callable[[], Value]) -> Value:
        """What is kept by a key, else made now, once for all who ask for it meanwhile."""
        with self._one_at_a_time(key):
            with self._lock:
                if key in kept:
                    return kept.get(key, make)
            made = make()
            with self._lock:
                return kept.get(key, lambda: made)

    @contextmanager
    def _one_at_a_time(self, key: Hashable) -> Iterator[None]:
        with self._lock:
            lock = self._making[key]
        try:
            with lock:
                yield
        finally:
            with self._lock:
                self._making.pop(key, None)


@dataclass(frozen=True, slots=True)
class SomeRows(Sequence[AnyExample]):
    """Rows at places of a file, read when they are asked for."""

    examples: StoredExamples
    places: Sequence[int]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self.examples.at(self.places[index])
        return self.examples.at([self.places[index]])[0]


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A row of a dataset as a page shows it: its place, its number in the file, prompt and answer, and its weight, if it has one."""

    place: int
    number: int
    prompt: str
    answer: str
    weight: float = 0.0


def shown(rows: RunRows, places: Sequence[tuple[int, float]]) -> list[ShownRow]:
    """Rows at places, with weights, as a page shows them: of a chat the last message and its answer, of plain text the text alone."""
    examples = rows.examples.at([place for place, _ in places])
    return [
        ShownRow(place, row_of(row), row.messages[-1].content if row.messages else "", answers_of(row)[0], weight)
        for (place, weight), row in zip(places, examples, strict=True)
    ]
