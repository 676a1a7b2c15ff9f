"""Time and memory of a run on this machine: its pieces are measured once, and put together for any number of epochs and held-out share."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from app.remembered import Remembered
from app.worker.base_lock import BaseLock
from app.worker.row_checks import Load, RowChecks
from reft_engine import ReftConfig, TrainConfig
from reft_engine.base import Base
from reft_engine.training import Probe, RatesFound, RunEstimate, available_memory, find_rate, probe, put_together

_MAX_CACHED = 50
_COST = (
    "batch_size", "max_length", "answer_tokens", "pass_tokens", "packing", "reuse", "reuse_memory_mb", "reuse_disk_mb",
    "gradient_checkpointing",
)  # fmt: skip
"""Training settings that affect time or memory of a step; besides them counts whether there is a second epoch, which reuses."""


@dataclass(frozen=True, slots=True)
class TimedProbe:
    """An estimate, with the base model's parameter count, the device that it was measured on, and the memory that a run may take there.

    ``memory_available`` counts what this process has already, as the estimate does; None where it is unknown.
    """

    estimate: RunEstimate
    parameters: int
    device: str
    memory_available: int | None


class Probes:
    """Caches the latest probes and estimates."""

    def __init__(self, base_lock: BaseLock, checks: RowChecks) -> None:
        self._base_lock, self._checks, self._lock = base_lock, checks, threading.Lock()
        self._cache = Remembered[Probe](_MAX_CACHED, lambda probe: 1)
        self._estimates = Remembered[RunEstimate](_MAX_CACHED, lambda estimate: 1)

    def probe(self, digest: str, load: Load, base: Base, reft: ReftConfig, train: TrainConfig) -> TimedProbe:
        """Estimate a run; see `reft_engine.training.estimate.probe` for the errors."""
        key = (digest, base.name, base.revision, base.precision, reft, train.epochs > 1, *(getattr(train, name) for name in _COST))
        wanted = digest, base.name, base.revision, base.precision, reft, train
        with self._lock:
            is_known = wanted in self._estimates
        # It tokenises all rows, which nobody who asks for another estimate waits for.
        read = None if is_known else self._checks.sized(digest, load, base, reft, train)

        def estimate() -> RunEstimate:
            run, examples = read or self._checks.sized(digest, load, base, reft, train)
            pieces = self._cache.get(key, lambda: probe(base, run, examples.at, reft, self._base_lock.for_training))
            return put_together(pieces, run)

        with self._lock:
            found = self._estimates.get(wanted, estimate)
        return TimedProbe(found, base.parameters, base.device.type, available_memory(base.device.type))


class Rates:
    """Caches the latest learning rates that were found; one search runs at a time."""

    def __init__(self, base_lock: BaseLock) -> None:
        self._base_lock, self._lock = base_lock, threading.Lock()
        self._cache = OrderedDict[tuple[object, ...], RatesFound]()

    def find(
        self, digest: str, load: Load, base: Base, reft: ReftConfig, train: TrainConfig, on_progress: Callable[[int, int], None],
        should_stop: Callable[[], bool],
    ) -> RatesFound | None:  # fmt: skip
        """Try learning rates; None when told to stop. See `reft_engine.training.rates.find_rate`."""
        ignored = {name: getattr(TrainConfig(), name) for name in ("learning_rate", "epochs", "keep", "patience")}
        key = (digest, base.name, base.revision, base.precision, reft, train.model_copy(update=ignored))
        with self._lock:
            if key not in self._cache:
                found = find_rate(
                    base,
                    list(load()),
                    reft,
                    train,
                    on_progress=on_progress,
                    should_stop=should_stop,
                    exclusive=self._base_lock.for_training,
                )
                if found is None:
                    return None
                self._cache[key] = found
                while len(self._cache) > _MAX_CACHED:
                    self._cache.popitem(last=False)
            return self._cache[key]
