"""Training speed on this machine: two timed steps of a run on its own rows, cached by rows and settings."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from itertools import islice

from app.worker.base_lock import BaseLock
from app.worker.row_checks import Load
from reft_engine import ReftConfig, TrainConfig
from reft_engine.base import Base
from reft_engine.training import Probe, probe

_MAX_CACHED = 50
_MAX_ROWS = 100
_COST = ("batch_size", "max_length", "answer_tokens", "pass_tokens", "packing", "reuse", "gradient_checkpointing")
"""Training settings that affect the time of a step."""


@dataclass(frozen=True, slots=True)
class TimedProbe:
    """A probe, with the base model's parameter count and the device that it ran on."""

    probe: Probe
    parameters: int
    device: str


class Probes:
    """Caches the latest probes."""

    def __init__(self, base_lock: BaseLock) -> None:
        self._base_lock, self._lock = base_lock, threading.Lock()
        self._cache: OrderedDict[tuple[object, ...], TimedProbe] = OrderedDict()

    def probe(self, digest: str, load: Load, base: Base, reft: ReftConfig, train: TrainConfig) -> TimedProbe:
        """Time two steps; see `reft_engine.training.estimate.probe` for the errors."""
        key = (digest, base.name, base.revision, reft, *(getattr(train, name) for name in _COST))
        with self._lock:
            if key not in self._cache:
                timing = probe(base, list(islice(load(), _MAX_ROWS)), reft, train, self._base_lock.for_training)
                self._cache[key] = TimedProbe(timing, base.parameters, base.device.type)
                while len(self._cache) > _MAX_CACHED:
                    self._cache.popitem(last=False)
            self._cache.move_to_end(key)
            return self._cache[key]
