"""Frozen values that storage returns; database rows never leave it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, NamedTuple


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
WAITING = tuple(status for status in RunStatus if status.waiting)
"""Statuses of runs that wait for a worker."""


class StopRequest(StrEnum):
    """What a person asks of a run in training: to stop and keep what it has learned, to stop and discard that, or to pause."""

    KEEP = "keep"
    DISCARD = "discard"
    PAUSE = "pause"


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


def rows_file(digest: str | None) -> str:
    """Name of the file of a version's rows, by their sha256; None for a version of an earlier studio."""
    return f"{digest}.jsonl" if digest else "examples.jsonl"


@dataclass(frozen=True, slots=True)
class DatasetVersionRecord:
    """A version of a dataset, which is never changed; its rows are in `Files.rows`.

    Attributes:
        number: 1 for the first version of its dataset; the highest is the current one.
        digest: sha256 of the file of its rows; None for a version of an earlier studio.
        source_file: name of the file that the rows were read from, in the dataset's folder; None if there is none.
        label: the name that this file had, for display only.
        rows: rows read; ``usable_rows``: those that gave at least one example.
        reading: what a person chose in order to read the file; None for nothing.
        split: how the rows are divided, and the counts; None if the held-out share of a run decides.
        change: what differs from the version before, as a sentence; empty for the first.
        size_bytes: bytes of the rows and of the file that they were read from.
    """

    id: str
    dataset_id: str
    number: int
    digest: str | None
    source_file: str | None
    label: str
    shape: str
    rows: int
    usable_rows: int
    reading: dict[str, Any] | None
    split: dict[str, Any] | None
    change: str
    size_bytes: int
    created_at: datetime

    @property
    def rows_file(self) -> str:
        """Name of the file of its rows, in the dataset's folder."""
        return rows_file(self.digest)


@dataclass(frozen=True, slots=True)
class DatasetRecord:
    """A saved dataset with one of its versions, whose facts it also shows as its own: the current one, unless another was asked for."""

    id: str
    name: str
    tags: tuple[str, ...]
    sample: str | None
    created_at: datetime
    binned_at: datetime | None
    version: DatasetVersionRecord

    @property
    def label(self) -> str:
        """Name of the file that its version was read from, for display only."""
        return self.version.label

    @property
    def shape(self) -> str:
        """Shape of its version's rows."""
        return self.version.shape

    @property
    def rows(self) -> int:
        """Rows read for its version."""
        return self.version.rows

    @property
    def usable_rows(self) -> int:
        """Rows of its version that gave at least one example."""
        return self.version.usable_rows

    @property
    def reading(self) -> dict[str, Any] | None:
        """What a person chose in order to read its version; None for nothing."""
        return self.version.reading

    @property
    def split(self) -> dict[str, Any] | None:
        """How the rows of its version are divided; None if the held-out share of a run decides."""
        return self.version.split

    @property
    def size_bytes(self) -> int:
        """Bytes of its version's rows and of the file that they were read from."""
        return self.version.size_bytes


class DatasetUse(NamedTuple):
    """A run that was made from a dataset, and the number of the version that it was made from."""

    run_id: str
    run_name: str
    version_number: int


@dataclass(frozen=True, slots=True)
class DatasetUses:
    """The runs outside the bin that were made from a dataset: the ``newest`` of them, and how many there are, by the version's number."""

    newest: tuple[DatasetUse, ...] = ()
    counts: Mapping[int, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Number of these runs."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class PresetRecord:
    """Settings that a person has saved under a name: values of settings, by their names."""

    id: str
    name: str
    settings: dict[str, Any]
    created_at: datetime


VoteOutcome = Literal["chosen", "tie", "all_bad"]
"""What a person said of several answers: one is better than the others, they are equally good, or all are bad."""


@dataclass(frozen=True, slots=True)
class VotedAnswer:
    """An answer that was voted on: the description of its column, the column's name, and the text, as they were then.

    ``messages`` is the conversation that it answers where that is not the vote's: a column goes on from its own earlier answers.
    """

    column: dict[str, Any]
    name: str
    text: str
    messages: tuple[tuple[str, str], ...] | None = None


@dataclass(frozen=True, slots=True)
class VoteRecord:
    """A vote on several answers to one conversation.

    Attributes:
        messages: the conversation that was answered, as pairs of role and content.
        answers: the answers, in any order.
        chosen: the place of the better one; None for any other outcome.
        base: name of the base model of all of them.
        chat_id: the saved chat that it was cast in, if any; the chat may be gone.
    """

    id: str
    created_at: datetime
    messages: tuple[tuple[str, str], ...]
    answers: tuple[VotedAnswer, ...]
    outcome: VoteOutcome
    chosen: int | None
    base: str
    chat_id: str | None


class VoteSides(NamedTuple):
    """A vote without its texts: the columns' descriptions and names, and the other fields of `VoteRecord`.

    ``alike`` has a number for each answer; answers with the same text have the same one.
    """

    columns: tuple[dict[str, Any], ...]
    names: tuple[str, ...]
    alike: tuple[int, ...]
    outcome: VoteOutcome
    chosen: int | None
    base: str


@dataclass(frozen=True, slots=True)
class ChatRecord:
    """A saved conversation of the Playground, without its document.

    Attributes:
        version: how often its document was saved; whoever saves the next one says which they have read.
        size_bytes: bytes of the document in UTF-8.
        updated_at: when its document was saved last.
    """

    id: str
    name: str
    version: int
    size_bytes: int
    created_at: datetime
    updated_at: datetime
    binned_at: datetime | None


@dataclass(frozen=True, slots=True)
class GroupRecord:
    """Runs that were made together, such as those of a sweep; the runs name their group."""

    id: str
    name: str
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

    ``version_id`` and ``version_number`` say which version of the dataset it was made from, ``group_id`` with which runs it was made
    together, if any, and ``continues_id`` with the edit of which run it begins. ``phase`` is the work besides its steps, if any;
    ``worker_exits`` counts the workers that died at its current step. ``held_out`` and ``held_out_base`` are its latest held-out losses,
    the final ones once it has ended; ``sparkline`` its training loss in a few values; ``seconds`` the time that was spent on it so far. It
    does not begin before ``start_after``.
    """

    id: str
    name: str
    dataset_id: str
    dataset_name: str
    version_id: str
    version_number: int
    group_id: str | None
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
    seconds: float = 0.0
    held_out: float | None = None
    held_out_base: float | None = None
    sparkline: tuple[float, ...] = ()
    starred: bool = False
    tags: tuple[str, ...] = ()
    notes: str = ""
    start_after: datetime | None = None
    continues_id: str | None = None


RunState = Literal["all", "going", "finished", "stopped", "failed", "starred", "binned"]
"""Which runs a list shows: all outside the bin, those that wait or are trained, those of one end, those with a star, those in the bin."""
RunOrder = Literal["newest", "oldest", "name", "held_out"]
"""How a list is sorted; by ``held_out`` loss it shows only the runs that have one."""


@dataclass(frozen=True, slots=True)
class RunQuery:
    """What a list of runs shows. ``text`` is looked for in the names of a run, its dataset and its base model, its tags and its notes."""

    text: str = ""
    state: RunState = "all"
    order: RunOrder = "newest"


@dataclass(frozen=True, slots=True)
class MetricPoint:
    """The value of a metric at a step.

    Names: loss, learning_rate, gradient_norm; at some steps tokens_per_second, memory (bytes in use) and seconds (spent so far); on
    held-out rows held_out and held_out_base (losses), held_out_rows (rows measured), held_out_right and held_out_right_base (rows answered
    exactly right).
    """

    step: int
    name: str
    value: float


@dataclass(frozen=True, slots=True)
class EventRecord:
    """An event of a run, as a sentence; ``status`` is set if the event changed the status. Later events have higher ids."""

    at: datetime
    text: str
    status: RunStatus | None = None
    id: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class SampleRecord:
    """The base model's and the tuned model's answer to a held-out prompt at a step.

    ``place`` is that of the prompt among those that are answered at each measurement. ``id`` is higher the later it was written, whether
    it is new or replaces another; 0 before it is written. It is no part of a comparison.
    """

    step: int
    prompt: str
    expected: str
    base: str
    tuned: str
    place: int = 0
    id: int = field(default=0, compare=False)
