"""Frozen values that storage returns; database rows never leave it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class RunStatus(StrEnum):
    """The state of a run: queued, preparing, training, checking, finished; or stopping, stopped, interrupted, failed."""

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
        """Whether the run stays as it is until a person resumes it."""
        return self in (RunStatus.FINISHED, RunStatus.STOPPED, RunStatus.FAILED)

    @property
    def active(self) -> bool:
        """Whether a worker holds the run."""
        return self in (RunStatus.PREPARING, RunStatus.TRAINING, RunStatus.CHECKING, RunStatus.STOPPING)

    @property
    def waiting(self) -> bool:
        """Whether the run waits for a free worker: queued, or interrupted and due to be resumed."""
        return self in (RunStatus.QUEUED, RunStatus.INTERRUPTED)


ACTIVE = tuple(status for status in RunStatus if status.active)
"""Statuses of runs that a worker holds."""

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
"""The allowed transitions from one status to the next."""


@dataclass(frozen=True, slots=True)
class DatasetRecord:
    """A saved dataset; its examples are in `Files.examples`. ``label`` is the uploaded file's name, for display only."""

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
    """Why a run failed, explained to its owner.

    Args:
        kind: data, template, settings, memory, disk, network, access, model, numbers or bug.
        what: what happened, as a sentence.
        why: the reason, as a sentence; may be empty.
        advice: what to do, as a sentence.
        remedy: training settings worth retrying with, if any.
        label: text of the button that retries with the remedy.
    """

    kind: str
    what: str
    why: str = ""
    advice: str = ""
    remedy: dict[str, Any] | None = None
    label: str = ""

    @property
    def sentence(self) -> str:
        """What happened, why, and the advice, as one text."""
        return " ".join(part for part in (self.what, self.why, self.advice) if part)


@dataclass(frozen=True, slots=True)
class Phase:
    """Work of a run besides its steps, such as measuring, and its progress: ``done`` of ``total`` rows."""

    name: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run: its spec, progress and result.

    ``phase`` is the work besides its steps, if any; ``worker_exits`` counts the workers that died at its current step.
    """

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
    worker_exits: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    binned_at: datetime | None


@dataclass(frozen=True, slots=True)
class MetricPoint:
    """The value of a metric at a step.

    Names: loss, learning_rate; on held-out rows held_out and held_out_base (losses), held_out_rows (rows measured),
    held_out_right and held_out_right_base (rows answered exactly right).
    """

    step: int
    name: str
    value: float


@dataclass(frozen=True, slots=True)
class EventRecord:
    """An event of a run, as a sentence; ``status`` is set if the event changed the status."""

    at: datetime
    text: str
    status: RunStatus | None = None


@dataclass(frozen=True, slots=True)
class SampleRecord:
    """The base model's and the tuned model's answer to a held-out prompt at a step."""

    step: int
    prompt: str
    expected: str
    base: str
    tuned: str
