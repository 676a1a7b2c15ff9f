"""How fast this machine trains: two steps of a run on its own rows, made once for the same rows and settings."""

import threading
from collections import OrderedDict
from dataclasses import dataclass

from app.worker.base_lock import BaseLock
from app.worker.row_checks import Load
from reft_engine import ReftConfig, TrainConfig
from reft_engine.base import Base
from reft_engine.training import Probe, probe

_REMEMBERED = 50
_ROWS = 100
_COST = ("batch_size", "max_length", "answer_tokens", "pass_tokens", "packing", "reuse", "gradient_checkpointing")
"""Settings of training that the time of a step depends on."""


@dataclass(frozen=True, slots=True)
class Timed:
    """A probe, and what it was made on."""

    probe: Probe
    parameters: int
    device: str


class Probes:
    """Remembers the latest probes."""

    def __init__(self, base_lock: BaseLock) -> None:
        self._base_lock, self._lock = base_lock, threading.Lock()
        self._known: OrderedDict[tuple[object, ...], Timed] = OrderedDict()

    def probe(self, content: str, load: Load, base: Base, reft: ReftConfig, train: TrainConfig) -> Timed:
        """Time two steps; see `reft_engine.training.estimate.probe`, also for what it raises."""
        key = (content, base.name, base.revision, reft, *(getattr(train, name) for name in _COST))
        with self._lock:
            if key not in self._known:
                found = probe(base, load()[:_ROWS], reft, train, self._base_lock.for_training)
                self._known[key] = Timed(found, base.parameters, base.device.type)
                while len(self._known) > _REMEMBERED:
                    self._known.popitem(last=False)
            self._known.move_to_end(key)
            return self._known[key]
