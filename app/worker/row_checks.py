"""Counts of the rows that a base model can be trained on; rows are read once, whatever share and seed then divide them."""

import threading
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from app.remembered import Remembered
from reft_engine import PositionSpec, ReftConfig, TrainConfig
from reft_engine.base import Base
from reft_engine.data import RowCheck, StoredExamples
from reft_engine.training import Checked, SizedRun, read_checked

_BYTES, _MAX_CACHED = 100_000_000, 200
"""Bytes of rows that were read, at about 42 an example, and number of counts that are kept; the latest is kept always."""
Load = Callable[[], StoredExamples]
T = TypeVar("T")
_LOOK: ContextVar[Callable[[], None]] = ContextVar("look", default=lambda: None)
"""Is called between two slices of rows that are tokenised, and ends that by what it raises."""


class RowChecks:
    """Caches the latest counts, and of the latest rows what is needed to count them with another held-out share or seed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._making: defaultdict[Hashable, threading.Lock] = defaultdict(threading.Lock)
        """For each count that is under way, so that whoever wants another one need not wait."""
        self._read = Remembered[tuple[Checked, StoredExamples]](_BYTES, lambda kept: kept[0].size + kept[1].size)
        self._cache = Remembered[RowCheck](_MAX_CACHED, lambda check: 1)

    def check(self, digest: str, load: Load, base: Base, reft: ReftConfig, train: TrainConfig, rows: int | None = None) -> RowCheck:
        """Count rows; the same count is made once.

        Args:
            digest: identifies the rows.
            load: opens the rows if they are not read yet.
            base: the base model, with or without its weights.
            reft: the edit's config.
            train: the training config.
            rows: see `check_rows`.

        Raises:
            ConfigError, DataError: see `check_rows`; also DataError if the file is missing or damaged.
        """
        read_by = _read_by(digest, base, reft, train)

        def count() -> RowCheck:
            checked, _ = self._checked(read_by, load, base, reft, train)
            return checked.divided(train.held_out, train.held_out_seed, rows=rows)

        return self._once(self._cache, (*read_by, rows, train.held_out, train.held_out_seed), count)

    @contextmanager
    def while_wanted(self, look: Callable[[], None]) -> Iterator[None]:
        """Count meanwhile as long as ``look`` does not raise."""
        token = _LOOK.set(look)
        try:
            yield
        finally:
            _LOOK.reset(token)

    def sized(self, digest: str, load: Load, base: Base, reft: ReftConfig, train: TrainConfig) -> tuple[SizedRun, StoredExamples]:
        """The run by the lengths of its rows, and the rows; see `check` for arguments and errors."""
        checked, read = self._checked(_read_by(digest, base, reft, train), load, base, reft, train)
        examples = read.copied(load().path)  # those of an upload have been read, and it is gone once it is a dataset
        rule = PositionSpec.parse(reft.positions)
        return SizedRun(*checked.sized(train.held_out, train.held_out_seed, rule), train), examples

    def _checked(
        self, read_by: tuple[object, ...], load: Load, base: Base, reft: ReftConfig, train: TrainConfig
    ) -> tuple[Checked, StoredExamples]:  # fmt: skip
        def read() -> tuple[Checked, StoredExamples]:
            examples = load()
            return read_checked(base, examples, reft, train, on_progress=lambda _: _LOOK.get()()), examples

        return self._once(self._read, read_by, read)

    def _once(self, remembered: Remembered[T], key: Hashable, make: Callable[[], T]) -> T:
        """What is remembered, else made by one thread at a time; who waits for another key does not wait for it."""
        with self._being_made((id(remembered), key)):
            with self._lock:
                if key in remembered:
                    return remembered.get(key, make)
            made = make()
            with self._lock:
                return remembered.get(key, lambda: made)

    @contextmanager
    def _being_made(self, key: Hashable) -> Iterator[None]:
        with self._lock:
            lock = self._making[key]
        try:
            with lock:
                yield
        finally:
            with self._lock:
                self._making.pop(key, None)


def _read_by(digest: str, base: Base, reft: ReftConfig, train: TrainConfig) -> tuple[object, ...]:
    """What the lengths of rows depend on."""
    rule = reft.positions if PositionSpec.parse(reft.positions).reads_text else ""
    return digest, base.name, base.revision, rule, reft.labels, train.pairs, train.max_length, train.answer_tokens
