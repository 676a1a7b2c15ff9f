"""The child's side of the conversation: a line in asks for a step, a line of JSON out says what it took."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from benchmarks.speed.memory import Peak


class FinishedError(Exception):
    """Nobody asks any more."""


class NotThereError(Exception):
    """Something that the job asks for does not exist here, and why."""


class Gate(Protocol):
    """What a contender works behind."""

    def ready(self, **facts: object) -> None:
        """Say once that everything is built."""

    def wait(self) -> None:
        """Wait until a step is asked for; the clock starts. Raises FinishedError."""

    def report(self, **values: object) -> None:
        """Say that the step is done; the clock stops."""


class LineGate:
    """A `Gate` over lines of text. A step that is asked for by ``memory`` is measured for that, and its time means nothing.

    What a step took is said when the next one is waited for: what a contender does in between must not disturb the others.
    """

    def __init__(self, asked: Iterator[str], answer: Callable[[str], object], device: str) -> None:
        self._asked, self._answer, self._device = asked, answer, device
        self._peak = Peak(device)
        self._begun, self._memory = 0.0, False
        self._unsaid: dict[str, Any] = {}

    def ready(self, **facts: object) -> None:
        """See `Gate.ready`."""
        self._answer(json.dumps(facts))

    def wait(self) -> None:
        """See `Gate.wait`."""
        if self._unsaid:
            self._answer(json.dumps(self._unsaid))
        line = next(self._asked, "").strip()
        if not line:
            raise FinishedError
        self._memory = line == "memory"
        if self._memory:
            self._peak.begin()
        self._synchronize()
        self._begun = time.perf_counter()

    def report(self, **values: object) -> None:
        """See `Gate.report`."""
        self._synchronize()
        taken = 1000 * (time.perf_counter() - self._begun)
        self._unsaid = {**({"mb": self._peak.megabytes()} if self._memory else {"ms": taken}), **values}

    def _synchronize(self) -> None:
        if self._device.startswith("cuda"):
            import torch

            torch.cuda.synchronize()
