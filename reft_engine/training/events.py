"""Events of a training run; ``step`` is the number of steps made before the event."""

from dataclasses import dataclass
from typing import Literal

from reft_engine.data.row_check import RowCheck

Phase = Literal["encode", "prepare", "measure", "score"]
"""Work outside the steps: encoding rows, reference log-probabilities of preference pairs, held-out measurements, the final score."""


@dataclass(frozen=True, slots=True)
class PhaseEvent:
    """Progress of work outside the steps: ``done`` of ``total`` rows."""

    step: int
    phase: Phase
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class RowsEvent:
    """Emitted once, when all rows are read: counts of trained, held-out and left-out rows, and findings about them.

    ``held_out_places`` are the indices of the held-out examples among all examples.
    """

    step: int
    check: RowCheck
    held_out_places: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class StepEvent:
    """Emitted after an optimizer step: mean loss of its rows in nats (per answer token, label or pair), time left in seconds.

    ``gradient_norm`` is the L2 norm of the gradients before they are clipped, ``tokens`` the number of tokens that the step read.
    """

    step: int
    total_steps: int
    epoch: float
    loss: float
    learning_rate: float
    seconds_left: float
    gradient_norm: float
    tokens: int


@dataclass(frozen=True, slots=True)
class HeldOutEvent:
    """Held-out loss of the tuned model and the base model, and the number of rows that each answers exactly right.

    ``rows`` is the number of rows measured, ``best_step`` the step with the lowest loss so far, None before the first step.
    """

    step: int
    loss: float
    loss_base: float
    rows: int
    right: int
    right_base: int
    best_step: int | None


@dataclass(frozen=True, slots=True)
class SampleEvent:
    """Answers of base and tuned to one held-out prompt at this step; for a classifier, the likeliest labels.

    ``place`` is that of its row among the rows that are answered at each measurement.
    """

    step: int
    prompt: str
    expected: str
    base: str
    tuned: str
    place: int = 0


@dataclass(frozen=True, slots=True)
class ReuseEvent:
    """Emitted once before the first step: share of a step's work saved by activation reuse, and a sentence about it."""

    step: int
    share: float
    sentence: str


@dataclass(frozen=True, slots=True)
class SavingFailedEvent:
    """A checkpoint could not be written; training goes on and tries again. Emitted once until writing works again."""

    step: int
    reason: str


TrainEvent = PhaseEvent | RowsEvent | StepEvent | HeldOutEvent | SampleEvent | ReuseEvent | SavingFailedEvent
