"""Frozen values that storage hands out; rows of the database never leave it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class RunStatus(StrEnum):
    """The life of a run: queued, preparing, training, checking, finished; or one of the ways in which it ends early."""

    QUEUED = "queued"
    PREPARING = "preparing"
    TRAINING = "training"
    CHECKING = "checking"
    FINISHED = "finished"
    STOPPING = "stopping"
    STOPPED = "stopped"
    INTERRUPTED = "interrupted"
    FAILED = "failed"

    @property
    def ended(self) -> bool:
        """Whether nothing will happen any more unless a person asks."""
        return self in (RunStatus.FINISHED, RunStatus.STOPPED, RunStatus.FAILED)

    @property
    def active(self) -> bool:
        """Whether a worker has it in hand."""
        return self in (RunStatus.PREPARING, RunStatus.TRAINING, RunStatus.CHECKING, RunStatus.STOPPING)

    @property
    def waiting(self) -> bool:
        """Whether the next worker that is free takes it: queued, or interrupted and to be gone on with."""
        return self in (RunStatus.QUEUED, RunStatus.INTERRUPTED)


ACTIVE = tuple(status for status in RunStatus if status.active)
"""Statuses of runs that a worker has in hand."""

ALLOWED: dict[RunStatus, frozenset[RunStatus]] = {
    RunStatus.QUEUED: frozenset({RunStatus.PREPARING, RunStatus.STOPPED}),
    RunStatus.PREPARING: frozenset({RunStatus.TRAINING, RunStatus.STOPPING, RunStatus.FAILED, RunStatus.INTERRUPTED}),
    RunStatus.TRAINING: frozenset({RunStatus.CHECKING, RunStatus.STOPPING, RunStatus.FAILED, RunStatus.INTERRUPTED}),
    RunStatus.CHECKING: frozenset({RunStatus.FINISHED, RunStatus.STOPPED, RunStatus.FAILED, RunStatus.INTERRUPTED}),
    RunStatus.STOPPING: frozenset({RunStatus.CHECKING, RunStatus.STOPPED, RunStatus.FAILED, RunStatus.INTERRUPTED}),
    RunStatus.INTERRUPTED: frozenset({RunStatus.PREPARING, RunStatus.FAILED, RunStatus.STOPPED}),
    RunStatus.STOPPED: frozenset({RunStatus.QUEUED}),
    RunStatus.FAILED: frozenset({RunStatus.QUEUED}),
    RunStatus.FINISHED: frozenset(),
}
"""Which status may follow which; everything else is refused."""


@dataclass(frozen=True, slots=True)
class DatasetRecord:
    """A saved dataset; its rows lie in `Files.examples`. ``label`` is the uploaded file's name, for show only."""

    id: str
    name: str
    label: str
    shape: str
    rows: int
    usable_rows: int
    mapping: dict[str, str] | None
    sample: str | None
    size_bytes: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run failed, for the person whose run it is.

    Args:
        kind: data, template, settings, memory, disk, network, access, model, numbers or bug.
        what: what happened, as a sentence.
        why: the reason, as a sentence; may be empty.
        advice: what to do, as a sentence.
        remedy: settings of training with which it is worth going on, if there are any.
        label: what the button that does so is called.
    """

    kind: str
    what: str
    why: str = ""
    advice: str = ""
    remedy: dict[str, Any] | None = None
    label: str = ""

    @property
    def sentence(self) -> str:
        """All of it."""
        return " ".join(part for part in (self.what, self.why, self.advice) if part)


@dataclass(frozen=True, slots=True)
class Phase:
    """A piece of work of a run beside its steps, and how far it has come: ``done`` of ``total`` rows."""

    name: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run: its whole spec, where it stands, and what came of it. ``phase`` is what it is at beside its steps, if anything."""

    id: str
    name: str
    dataset_id: str
    dataset_name: str
    base: str
    spec: dict[str, Any]
    status: RunStatus
    sentence: str
    failure: Failure | None
    step: int
    total_steps: int
    epoch: float
    seconds_left: float | None
    summary: dict[str, Any] | None
    phase: Phase | None
    deaths: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    binned_at: datetime | None


@dataclass(frozen=True, slots=True)
class MetricPoint:
    """A figure at a step.

    Names: loss, learning_rate; of the held-out rows held_out and held_out_base (losses), held_out_rows (how many were measured),
    held_out_right and held_out_right_base (how many are answered exactly right).
    """

    step: int
    name: str
    value: float


@dataclass(frozen=True, slots=True)
class EventRecord:
    """Something that happened to a run, as a sentence; ``status`` where it was a change of status."""

    at: datetime
    text: str
    status: RunStatus | None = None


@dataclass(frozen=True, slots=True)
class SampleRecord:
    """What base and tuned answered to one held-out prompt at a step."""

    step: int
    prompt: str
    expected: str
    base: str
    tuned: str
