"""What a training run tells while it goes. Every event says after which ``step`` it happened."""

from dataclasses import dataclass
from typing import Literal

from reft_engine.data.row_check import RowCheck

Phase = Literal["read", "prepare", "measure", "score"]
"""Work beside the steps: rows are encoded, the unedited model is asked about preference pairs, held-out rows are measured, or score."""


@dataclass(frozen=True, slots=True)
class PhaseEvent:
    """How far a piece of work beside the steps has come: ``done`` of ``total`` rows."""

    step: int
    phase: Phase
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class RowsEvent:
    """Once, when all rows are read: which are trained on, held out and left out, and what is odd about them.

    ``held_out_places`` are the places of the held-out examples among all that were given.
    """

    step: int
    check: RowCheck
    held_out_places: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class StepEvent:
    """After an optimiser step: mean loss of its rows in nats (per answer token, label or pair), time left in seconds."""

    step: int
    total_steps: int
    epoch: float
    loss: float
    learning_rate: float
    seconds_left: float


@dataclass(frozen=True, slots=True)
class HeldOutEvent:
    """Loss on rows that are not trained on, tuned and bare base, and how many of them each answers exactly right.

    ``rows`` is how many rows were measured, ``best_step`` the step with the least loss so far, None before the first step.
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
    """What base and tuned answer to one held-out prompt now; of a classifier the likeliest label."""

    step: int
    prompt: str
    expected: str
    base: str
    tuned: str


@dataclass(frozen=True, slots=True)
class ReuseEvent:
    """Once, before the first step that is made: which share of a step's work is saved by what is kept, and a sentence of it."""

    step: int
    share: float
    sentence: str


@dataclass(frozen=True, slots=True)
class SavingFailedEvent:
    """A checkpoint could not be written, and why; training goes on and tries again. Told once until it works again."""

    step: int
    reason: str


TrainEvent = PhaseEvent | RowsEvent | StepEvent | HeldOutEvent | SampleEvent | ReuseEvent | SavingFailedEvent
