"""Helpers for rows of runs: look up, change the status, add events, convert to records."""

import secrets
from dataclasses import asdict
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from storage.datasets import clean_name
from storage.errors import NotFoundError, StorageError
from storage.owners import everybody
from storage.records import ALLOWED, WAITING, Failure, Phase, RunRecord, RunStatus
from storage.tables import Dataset, DatasetVersion, Event, QueuePause, Run, now

_ADJECTIVES = (
    "amber brave bright calm clever crisp eager fair gentle glad golden happy keen kind lively lucky "
    "merry mellow neat noble proud quick quiet rapid shiny silver smart sunny swift tidy warm wise"
).split()
_NOUNS = (
    "badger beaver bison crane dolphin eagle falcon finch fox gecko heron ibex jay koala lark lemur "
    "lynx marten mole newt otter owl panda pike puffin raven robin seal stork swan tiger wren"
).split()


def add_row(
    session: Session, dataset: Dataset, version: DatasetVersion, spec: dict[str, Any], name: str | None, start_key: str | None,
    group_id: str | None = None, *, made: str = "", expected_bytes: int = 0,
) -> Run:  # fmt: skip
    """Add a run; one without a name gets one. It waits, unless it is made already, which ``made`` says in a sentence."""
    status, sentence, event = RunStatus.QUEUED, "Waiting for its turn.", "Queued."
    if made:
        status, sentence, event = RunStatus.FINISHED, made, made
    row = Run(id=secrets.token_hex(6), name=clean_name(name) if name else _new_name(session), dataset=dataset,
              version_id=version.id, group_id=group_id, base=str(spec.get("base", "")), spec=spec, start_key=start_key, tags=[], notes="",
              status=status, sentence=sentence, queue_position=next_queue_position(session), finished_at=now() if made else None,
              expected_bytes=expected_bytes,
              step=0, total_steps=0, epoch=0.0, stop_requested=False, worker_exits=0, created_at=now())  # fmt: skip
    index_words(row)
    session.add(row)
    session.flush()
    session.add(Event(run_id=row.id, status=status, text=event))
    return row


def _new_name(session: Session) -> str:
    return f"{secrets.choice(_ADJECTIVES)}-{secrets.choice(_NOUNS)}-{next_queue_position(session)}"


def get_row(session: Session, run_id: str) -> Run:
    """The row of a run, locked until the transaction ends (SQLite has a single writer anyway). Raises NotFoundError."""
    row = session.scalars(select(Run).where(Run.id == run_id).with_for_update(of=Run)).first()
    if row is None:
        raise NotFoundError("There is no such run.", kind="runs.not_found")
    return row


def set_status(session: Session, row: Run, status: RunStatus, sentence: str, failure: Failure | None = None) -> None:
    """Change the status; nothing else does. Raises StorageError for a transition that is not allowed."""
    if status not in ALLOWED[RunStatus(row.status)]:
        raise StorageError(
            "A run that is {status} cannot become {next_status}.", kind="runs.transition", status=str(row.status), next_status=str(status)
        )
    row.status, row.sentence, row.failure, row.phase = status, sentence, asdict(failure) if failure else None, None
    row.size_bytes = None
    if status.ended or status.waiting:
        row.worker, row.seconds_left = None, None
    if status.ended:
        row.finished_at = now()
    session.add(Event(run_id=row.id, status=status, text=sentence))


def add_event(session: Session, row: Run, text: str) -> None:
    """Add an event that does not change the status."""
    session.add(Event(run_id=row.id, text=text))


def put_in_bin(session: Session, row: Run) -> None:
    """Move a run that no worker holds to the bin."""
    if row.binned_at is None:
        row.binned_at = now()
        add_event(session, row, "Moved to the bin.")


def discard_if_asked(session: Session, row: Run) -> None:
    """Move a run to the bin that has stopped and was to be discarded."""
    if row.discard_requested and row.status == RunStatus.STOPPED:
        put_in_bin(session, row)


def next_queue_position(session: Session) -> int:
    """The position after all other runs; a counter, so that a clock set back cannot reorder the queue."""
    with everybody(session):
        return 1 + (session.scalar(select(func.max(Run.queue_position))) or 0)


def select_waiting(*columns: Any) -> Any:
    """Query for the waiting runs, in the order in which they came; whose is next says `storage.runs.turns`."""
    return select(*(columns or (Run,))).where(Run.binned_at.is_(None), Run.status.in_(WAITING)).order_by(Run.queue_position, Run.id)


def is_due(moment: Any = None) -> ColumnElement[bool]:
    """That a waiting run may begin at a moment, by default now; none may while the queue is paused."""
    has_come = or_(Run.start_after.is_(None), Run.start_after <= (now() if moment is None else moment))
    return and_(has_come, ~select(QueuePause.id).exists())


def index_words(row: Run) -> None:
    """Keep what a search looks in; call it after every change of it."""
    row.search_text = "\n".join([row.name, row.base, *row.tags, row.notes]).casefold()


def to_record(row: Run) -> RunRecord:
    """Convert a row to a record."""
    return RunRecord(
        id=row.id, name=row.name, dataset_id=row.dataset_id, dataset_name=row.dataset.name, version_id=row.version_id,
        version_number=row.version_number, group_id=row.group_id, base=row.base, spec=row.spec, status=RunStatus(row.status),
        sentence=row.sentence, failure=Failure(**row.failure) if row.failure else None, step=row.step, total_steps=row.total_steps,
        epoch=row.epoch, seconds_left=row.seconds_left, summary=row.summary, phase=Phase(**row.phase) if row.phase else None,
        worker_exits=row.worker_exits, created_at=row.created_at or now(), started_at=row.started_at,
        finished_at=row.finished_at, binned_at=row.binned_at, seconds=row.seconds, held_out=row.held_out,
        held_out_base=row.held_out_base,
        sparkline=tuple(row.sparkline or ()), starred=row.starred, tags=tuple(row.tags), notes=row.notes, start_after=row.start_after,
        continues_id=row.continues_id,
    )  # fmt: skip
