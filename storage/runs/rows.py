"""Rows of runs: finding one, the one place that changes a status, and the record that others see."""

from dataclasses import asdict
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from storage.errors import NotFoundError, StorageError
from storage.records import ALLOWED, Failure, Phase, RunRecord, RunStatus
from storage.tables import Event, Run, now


def find(session: Session, run_id: str) -> Run:
    """The row, locked until the transaction ends (a transaction of SQLite's that writes is alone anyway). Raises NotFoundError."""
    row = session.scalars(select(Run).where(Run.id == run_id).with_for_update(of=Run)).first()
    if row is None:
        raise NotFoundError("There is no such run.")
    return row


def move(session: Session, row: Run, status: RunStatus, sentence: str, failure: Failure | None = None) -> None:
    """The one place where a status changes. Raises StorageError for an impossible change."""
    if status not in ALLOWED[RunStatus(row.status)]:
        raise StorageError(f"A run that is {row.status} cannot become {status}.")
    row.status, row.sentence, row.failure, row.phase = status, sentence, asdict(failure) if failure else None, None
    if status.ended or status.waiting:
        row.worker, row.seconds_left = None, None
    if status.ended:
        row.finished_at = now()
    session.add(Event(run_id=row.id, status=status, text=sentence))


def note(session: Session, row: Run, text: str) -> None:
    """Write down what happened without a change of status."""
    session.add(Event(run_id=row.id, text=text))


def last_turn(session: Session) -> int:
    """The turn of whoever queues up now; counted, so that a clock that is set back lets nobody pass."""
    return 1 + (session.scalar(select(func.max(Run.turn))) or 0)


def waiting(*columns: Any) -> Any:
    """The query for runs that wait, the next one first."""
    states = [status for status in RunStatus if status.waiting]
    return select(*(columns or (Run,))).where(Run.status.in_(states), Run.binned_at.is_(None)).order_by(Run.turn, Run.id)


def record(row: Run) -> RunRecord:
    """What others see of a row."""
    return RunRecord(
        id=row.id, name=row.name, dataset_id=row.dataset_id, dataset_name=row.dataset.name, base=row.base, spec=row.spec,
        status=RunStatus(row.status), sentence=row.sentence, failure=Failure(**row.failure) if row.failure else None, step=row.step,
        total_steps=row.total_steps, epoch=row.epoch, seconds_left=row.seconds_left, summary=row.summary,
        phase=Phase(**row.phase) if row.phase else None, deaths=row.deaths,
        created_at=row.created_at or now(), started_at=row.started_at, finished_at=row.finished_at, binned_at=row.binned_at,
    )  # fmt: skip
