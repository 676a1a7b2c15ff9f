"""Helpers for rows of runs: look up, change the status, add events, convert to records."""

from dataclasses import asdict
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from storage.errors import NotFoundError, StorageError
from storage.records import ALLOWED, Failure, Phase, RunRecord, RunStatus
from storage.tables import Event, Run, now


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
    if status.ended or status.waiting:
        row.worker, row.seconds_left = None, None
    if status.ended:
        row.finished_at = now()
    session.add(Event(run_id=row.id, status=status, text=sentence))


def add_event(session: Session, row: Run, text: str) -> None:
    """Add an event that does not change the status."""
    session.add(Event(run_id=row.id, text=text))


def next_queue_position(session: Session) -> int:
    """The position after all other runs; a counter, so that a clock set back cannot reorder the queue."""
    return 1 + (session.scalar(select(func.max(Run.queue_position))) or 0)


def select_waiting(*columns: Any) -> Any:
    """Query for the waiting runs, next one first."""
    statuses = [status for status in RunStatus if status.waiting]
    return select(*(columns or (Run,))).where(Run.status.in_(statuses), Run.binned_at.is_(None)).order_by(Run.queue_position, Run.id)


def to_record(row: Run) -> RunRecord:
    """Convert a row to a record."""
    return RunRecord(
        id=row.id, name=row.name, dataset_id=row.dataset_id, dataset_name=row.dataset.name, version_id=row.version_id,
        version_number=row.version_number, group_id=row.group_id, base=row.base, spec=row.spec, status=RunStatus(row.status),
        sentence=row.sentence, failure=Failure(**row.failure) if row.failure else None, step=row.step, total_steps=row.total_steps,
        epoch=row.epoch, seconds_left=row.seconds_left, summary=row.summary, phase=Phase(**row.phase) if row.phase else None,
        worker_exits=row.worker_exits, created_at=row.created_at or now(), started_at=row.started_at,
        finished_at=row.finished_at, binned_at=row.binned_at,
    )  # fmt: skip
