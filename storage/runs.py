"""Runs: the queue, the states, the progress."""

import secrets
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from storage.database import Database
from storage.datasets import clean_name
from storage.errors import NotFoundError, StorageError
from storage.files import Files, remove_tree
from storage.records import ALLOWED, RunRecord, RunStatus
from storage.tables import Dataset, Event, Run, now

_ADJECTIVES = (
    "amber brave bright calm clever crisp eager fair gentle glad golden happy keen kind lively lucky "
    "merry mellow neat noble proud quick quiet rapid shiny silver smart sunny swift tidy warm wise"
).split()
_NOUNS = (
    "badger beaver bison crane dolphin eagle falcon finch fox gecko heron ibex jay koala lark lemur "
    "lynx marten mole newt otter owl panda pike puffin raven robin seal stork swan tiger wren"
).split()


class RunStore:
    """Runs, and the only place that changes their status."""

    def __init__(self, database: Database, files: Files) -> None:
        self._database, self._files = database, files

    def create(self, dataset_id: str, spec: dict[str, Any], *, name: str | None = None, start_key: str | None = None) -> RunRecord:
        """Queue a run; the same ``start_key`` twice is one run."""
        try:
            with self._database.transaction() as session:
                if start_key and (earlier := session.scalars(select(Run).where(Run.start_key == start_key)).first()):
                    return _record(earlier)
                dataset = session.get(Dataset, dataset_id)
                if dataset is None:
                    raise NotFoundError("There is no such dataset.")
                row = Run(id=secrets.token_hex(6), name=clean_name(name) if name else _fresh_name(session), dataset=dataset,
                          base=str(spec.get("base", "")), spec=spec, start_key=start_key, status=RunStatus.QUEUED,
                          sentence="Waiting for its turn.", step=0, total_steps=0, epoch=0.0, stop_requested=False)  # fmt: skip
                session.add(row)
                session.flush()
                session.add(Event(run_id=row.id, text="Queued."))
                return _record(row)
        except IntegrityError:
            # Another process was quicker with the same key.
            with self._database.transaction() as session:
                return _record(session.scalars(select(Run).where(Run.start_key == start_key)).one())

    def started(self, start_key: str) -> RunRecord | None:
        """The run that was made with this key, if it was made already."""
        with self._database.reading() as session:
            row = session.scalars(select(Run).where(Run.start_key == start_key)).first()
            return _record(row) if row else None

    def waiting(self) -> int:
        """How many runs are queued."""
        with self._database.reading() as session:
            return session.scalar(select(func.count()).where(Run.status == RunStatus.QUEUED)) or 0

    def get(self, run_id: str) -> RunRecord:
        """One run. Raises NotFoundError."""
        with self._database.reading() as session:
            return _record(_find(session, run_id))

    def all(self, limit: int = 200) -> list[RunRecord]:
        """Runs, newest first."""
        with self._database.reading() as session:
            return [_record(row) for row in session.scalars(select(Run).order_by(Run.created_at.desc()).limit(limit))]

    def claim(self, worker: str) -> RunRecord | None:
        """Take the oldest queued run for a worker; no two workers get the same."""
        oldest = select(Run).where(Run.status == RunStatus.QUEUED).order_by(Run.queued_at, Run.created_at).limit(1)
        if self._database.engine.dialect.name != "sqlite":
            oldest = oldest.with_for_update(skip_locked=True, of=Run)
        with self._database.transaction() as session:
            row = session.scalars(oldest).first()
            if row is None:
                return None
            row.worker, row.started_at = worker, row.started_at or now()
            _move(session, row, RunStatus.PREPARING, "Loading the base model and reading the rows.")
            return _record(row)

    def set_status(self, run_id: str, status: RunStatus, sentence: str, *, error: str | None = None) -> RunRecord:
        """Change the status and write the sentence down. Raises StorageError for an impossible change."""
        with self._database.transaction() as session:
            row = _find(session, run_id)
            _move(session, row, status, sentence)
            row.error = error
            return _record(row)

    def begin(self, run_id: str, sentence: str) -> RunRecord:
        """From preparing to training; a run that somebody asked to stop meanwhile is stopped instead."""
        with self._database.transaction() as session:
            row = _find(session, run_id)
            if row.stop_requested:
                _move(session, row, RunStatus.STOPPED, "Stopped before the first step.")
            else:
                _move(session, row, RunStatus.TRAINING, sentence)
            return _record(row)

    def set_revision(self, run_id: str, revision: str) -> None:
        """Keep in the spec which revision of the base model the run is of, so that it goes on with that one."""
        with self._database.transaction() as session:
            row = _find(session, run_id)
            row.spec = {**row.spec, "revision": revision}

    def progress(self, run_id: str, *, step: int, total_steps: int, epoch: float, seconds_left: float) -> None:
        """Where training stands."""
        with self._database.transaction() as session:
            row = _find(session, run_id)
            row.step, row.total_steps, row.epoch, row.seconds_left = step, total_steps, epoch, seconds_left

    def set_summary(self, run_id: str, summary: dict[str, Any]) -> None:
        """Keep the figures that training ended with."""
        with self._database.transaction() as session:
            row = _find(session, run_id)
            row.summary, row.seconds_left = summary, None

    def request_stop(self, run_id: str) -> RunRecord:
        """Ask a run to stop: a queued one stops at once, a training one after its step, keeping what it learned."""
        with self._database.transaction() as session:
            row = _find(session, run_id)
            status = RunStatus(row.status)
            if status is RunStatus.QUEUED or status is RunStatus.INTERRUPTED:
                _move(session, row, RunStatus.STOPPED, "Taken out of the queue before it began.")
            elif status in (RunStatus.PREPARING, RunStatus.TRAINING):
                row.stop_requested = True
                _move(session, row, RunStatus.STOPPING, "Finishing the step, then stopping.")
            return _record(row)

    def stop_requested(self, run_id: str) -> bool:
        """Whether somebody asked this run to stop (or removed it)."""
        with self._database.reading() as session:
            row = session.get(Run, run_id)
            return row is None or row.stop_requested

    def resume(self, run_id: str) -> RunRecord:
        """Queue an ended run again; it goes on from its last checkpoint."""
        with self._database.transaction() as session:
            row = _find(session, run_id)
            _move(session, row, RunStatus.QUEUED, "Waiting for its turn; it will go on where it stopped.")
            row.stop_requested, row.error, row.queued_at, row.finished_at = False, None, now(), None
            return _record(row)

    def recover(self) -> list[str]:
        """Put back what a worker that is gone left behind; to be called by the only worker, before it claims."""
        with self._database.transaction() as session:
            rows = session.scalars(select(Run).where(Run.status.in_([s for s in RunStatus if s.active]))).all()
            for row in rows:
                stopping = row.status == RunStatus.STOPPING
                _move(session, row, RunStatus.INTERRUPTED, "The engine went away.")
                if stopping:
                    _move(session, row, RunStatus.STOPPED, "Stopped.")
                else:
                    _move(session, row, RunStatus.QUEUED, "The engine was restarted; the run goes on from its last checkpoint.")
            return [row.id for row in rows]

    def queue_place(self, run_id: str) -> int | None:
        """1 for the run that is next; None when it is not queued."""
        with self._database.reading() as session:
            row = _find(session, run_id)
            if row.status != RunStatus.QUEUED:
                return None
            earlier = select(func.count()).where(Run.status == RunStatus.QUEUED, Run.queued_at < row.queued_at)
            return 1 + (session.scalar(earlier) or 0)

    def rename(self, run_id: str, name: str) -> RunRecord:
        """Give it another name."""
        with self._database.transaction() as session:
            row = _find(session, run_id)
            row.name = clean_name(name)
            return _record(row)

    def delete(self, run_id: str) -> None:
        """Remove a run and its folder. Raises StorageError while a worker has it in hand."""
        with self._database.transaction() as session:
            row = _find(session, run_id)
            if RunStatus(row.status).active:
                raise StorageError("This run is being trained; stop it first.")
            session.delete(row)
        remove_tree(self._files.run_folder(run_id))


def _find(session: Session, run_id: str) -> Run:
    row = session.get(Run, run_id)
    if row is None:
        raise NotFoundError("There is no such run.")
    return row


def _move(session: Session, row: Run, status: RunStatus, sentence: str) -> None:
    """The one place where a status changes."""
    if status not in ALLOWED[RunStatus(row.status)]:
        raise StorageError(f"A run that is {row.status} cannot become {status}.")
    row.status, row.sentence = status, sentence
    if status.ended:
        row.finished_at, row.seconds_left = now(), None
    session.add(Event(run_id=row.id, text=sentence))


def _fresh_name(session: Session) -> str:
    number = 1 + (session.scalar(select(func.count()).select_from(Run)) or 0)
    return f"{secrets.choice(_ADJECTIVES)}-{secrets.choice(_NOUNS)}-{number}"


def _record(row: Run) -> RunRecord:
    return RunRecord(
        id=row.id, name=row.name, dataset_id=row.dataset_id, dataset_name=row.dataset.name, base=row.base, spec=row.spec,
        status=RunStatus(row.status), sentence=row.sentence, error=row.error, step=row.step, total_steps=row.total_steps,
        epoch=row.epoch, seconds_left=row.seconds_left, summary=row.summary, created_at=row.created_at or now(),
        started_at=row.started_at, finished_at=row.finished_at,
    )  # fmt: skip
