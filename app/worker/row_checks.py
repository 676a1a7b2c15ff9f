"""Counts of the rows that a base model can be trained on, cached by rows and settings."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

from reft_engine import PositionSpec, ReftConfig, TrainConfig
from reft_engine.base import Base
from reft_engine.data import AnyExample, RowCheck
from reft_engine.training import check_rows

_MAX_CACHED = 200
Load = Callable[[], Sequence[AnyExample]]


class RowChecks:
    """Caches the latest counts, by the digest of the rows, the base model, and the settings that affect the count."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cache: OrderedDict[tuple[object, ...], RowCheck] = OrderedDict()

    def check(self, digest: str, load: Load, base: Base, reft: ReftConfig, train: TrainConfig, rows: int | None = None) -> RowCheck:
        """Count rows; one count runs at a time.

        Args:
            digest: identifies the rows.
            load: loads the rows if they are not counted yet.
            base: the base model, with or without its weights.
            reft: the edit's config.
            train: the training config.
            rows: see `check_rows`.

        Raises:
            ConfigError, DataError: see `check_rows`; also whatever ``load`` raises.
        """
        rule = reft.positions if PositionSpec.parse(reft.positions).reads_text else ""
        lengths = train.max_length, train.answer_tokens
        key = (digest, rows, base.name, base.revision, rule, reft.labels, *lengths, train.held_out, train.held_out_seed)
        with self._lock:
            if key not in self._cache:
                self._cache[key] = check_rows(base, load(), reft, train, rows=rows)
                while len(self._cache) > _MAX_CACHED:
                    self._cache.popitem(last=False)
            self._cache.move_to_end(key)
            return self._cache[key]
