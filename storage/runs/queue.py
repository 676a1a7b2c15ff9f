"""The queue of runs as workers see it: taking the next one, and what becomes of the runs of a worker that ends or dies."""

from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.database import Database
from storage.records import ACTIVE, Failure, RunRecord, RunStatus
from storage.runs.lease import LeasedRun
from storage.runs.rows import move, record, waiting
from storage.tables import Run, now

_DEATHS_ALLOWED = 3
"""Workers that a run may cost at one step before it is given up."""


class RunQueue:
    """Hands waiting runs to workers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, worker: str) -> LeasedRun | None:
        """Take the run that is next for a worker; no two workers get the same.

        On PostgreSQL rows that another worker is taking are passed over; on SQLite whoever writes is alone (`Database`).
        """
        with self._database.transaction() as session:
            row = session.scalars(waiting().limit(1).with_for_update(skip_locked=True, of=Run)).first()
            if row is None:
                return None
            move(session, row, RunStatus.PREPARING, "Loading the base model and reading the rows.")
            row.worker, row.started_at = worker, row.started_at or now()
            return LeasedRun(self._database, worker, record(row))

    def put_back(self, worker: str, sentence: str) -> list[RunRecord]:
        """What a worker that ends in order had in hand waits again, to go on from its last checkpoint."""
        with self._database.transaction() as session:
            rows = _of(session, worker)
            for row in rows:
                if row.stop_requested:
                    move(session, row, RunStatus.STOPPED, "Stopped; what was learned is kept and can be continued.")
                else:
                    move(session, row, RunStatus.INTERRUPTED, sentence)
            return [record(row) for row in rows]

    def recover(self, worker: str, explain: Callable[[RunRecord], Failure]) -> list[RunRecord]:
        """What a worker that is dead had in hand waits again; a run that keeps killing workers at one step fails with the reason."""
        with self._database.transaction() as session:
            rows = _of(session, worker)
            for row in rows:
                failure = explain(record(row))
                again = row.died_at_step is not None and row.step <= row.died_at_step
                row.deaths, row.died_at_step = (row.deaths + 1 if again else 1), max(row.step, row.died_at_step or 0)
                if row.stop_requested:
                    move(session, row, RunStatus.STOPPED, f"{failure.what} The run was to be stopped, and is.")
                elif row.deaths < _DEATHS_ALLOWED:
                    text = f"{failure.what} It is being restarted, and the run goes on from its last checkpoint."
                    move(session, row, RunStatus.INTERRUPTED, text)
                else:
                    move(session, row, RunStatus.FAILED, _given_up(failure).sentence, _given_up(failure))
            return [record(row) for row in rows]


def _of(session: Session, worker: str) -> list[Run]:
    return list(session.scalars(select(Run).where(Run.worker == worker, Run.status.in_(ACTIVE)).with_for_update(of=Run)))


def _given_up(failure: Failure) -> Failure:
    """The failure of a run that has cost as many workers as it may."""
    what = f"{failure.what.rstrip('.')}, three times at the same step, so the run was ended."
    return replace(failure, what=what)
