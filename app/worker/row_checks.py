"""What base models can be trained on of datasets and uploads: counted once for the same rows and settings, then remembered."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

from reft_engine import Example, PositionSpec, ReftConfig, TrainConfig
from reft_engine.base import Base
from reft_engine.data import RowCheck
from reft_engine.training import check_rows

_REMEMBERED = 200
Load = Callable[[], Sequence[Example]]


class RowChecks:
    """Remembers the latest counts, by the rows' content, the base model, and the settings that the count depends on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[object, ...], RowCheck] = OrderedDict()

    def check(self, content: str, load: Load, base: Base, reft: ReftConfig, train: TrainConfig, rows: int | None = None) -> RowCheck:
        """Count rows, one such piece of work at a time.

        Args:
            content: what the rows are known by, such as a digest.
            load: reads the rows, if they have to be counted.
            base: the base model, with or without its weights.
            reft: what is edited.
            train: how it is trained.
            rows: as of `check_rows`.

        Raises:
            ConfigError, DataError: as of `check_rows`, and what ``load`` raises.
        """
        rule = reft.positions if PositionSpec.parse(reft.positions).reads_text else ""
        lengths = train.max_length, train.answer_tokens
        key = (content, rows, base.name, base.revision, rule, reft.labels, *lengths, train.held_out, train.held_out_seed)
        with self._lock:
            if key not in self._known:
                self._known[key] = check_rows(base, load(), reft, train, rows=rows)
                while len(self._known) > _REMEMBERED:
                    self._known.popitem(last=False)
            self._known.move_to_end(key)
            return self._known[key]
