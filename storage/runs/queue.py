"""The queue of runs as workers use it: claim the next run, and put back the runs of a worker that ended or died."""

from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from storage.bounds import NO_BOUNDS, Bounds
from storage.database import Database
from storage.records import ACTIVE, Failure, RunRecord, RunStatus
from storage.runs.lease import LeasedRun
from storage.runs.rows import discard_if_asked, is_due, select_waiting, set_status, to_record
from storage.runs.turns import next_claims, took_turn
from storage.tables import Run, now

_MAX_WORKER_EXITS = 3
"""Worker exits at one step after which the run fails."""

_ANY_DUE = select_waiting(Run.id).where(is_due(bindparam("moment"))).limit(1)


class RunQueue:
    """Assigns waiting runs to workers."""

    def __init__(self, database: Database, bounds: Bounds = NO_BOUNDS) -> None:
        self._database, self._bounds = database, bounds

    def any_due(self) -> bool:
        """Whether a waiting run could be claimed; reads only, so that a worker that waits costs next to nothing."""
        with self._database.connected() as connection:
            return connection.execute(_ANY_DUE, {"moment": now()}).first() is not None

    def claim(self, worker: str) -> LeasedRun | None:
        """Claim the next waiting run for a worker; no two workers get the same one. See `storage.runs.turns` for which is next."""
        return next(iter(self._claim(worker, 1)), None)

    def claim_together(self, worker: str) -> list[LeasedRun]:
        """Claim the next waiting run, with those of its group that can be trained in the same passes; empty if none waits.

        These have the same base model and learn from the same rows; no more are claimed than the bounds say, so that others need
        not wait for all. A run whose workers keep dying is trained alone, since it may be the group that needs too much memory; so is a
        baseline, which is trained through a model of its own.
        """
        return self._claim(worker, self._bounds.together)

    def _claim(self, worker: str, most: int) -> list[LeasedRun]:
        """One at a time, so that turns are true; PostgreSQL skips rows that somebody else changes at the moment."""
        with self._database.exclusive() as session:
            for claimed in next_claims(session, most):
                chosen = select_waiting().where(Run.id.in_([each.id for each in claimed]))
                rows = list(session.scalars(chosen.with_for_update(skip_locked=True, of=Run)))
                if rows:
                    took_turn(session, rows[0].owner)
                    return [self._lease(session, row, worker) for row in rows]
            return []

    def _lease(self, session: Session, row: Run, worker: str) -> LeasedRun:
        set_status(session, row, RunStatus.PREPARING, "Loading the base model and reading the rows.")
        row.worker, row.started_at = worker, row.started_at or now()
        return LeasedRun(self._database, worker, to_record(row))

    def put_back(self, worker: str, sentence: str) -> list[RunRecord]:
        """Put the runs of a worker that shuts down back into the queue; they resume from their last checkpoint."""
        with self._database.transaction() as session:
            rows = _rows_of(session, worker)
            for row in rows:
                if row.stop_requested:
                    set_status(session, row, RunStatus.STOPPED, "Stopped; what was learned is kept and can be continued.")
                    discard_if_asked(session, row)
                else:
                    set_status(session, row, RunStatus.INTERRUPTED, sentence)
            return [to_record(row) for row in rows]

    def recover(self, worker: str, explain: Callable[[RunRecord], Failure]) -> list[RunRecord]:
        """Put the runs of a dead worker back into the queue; a run at which workers keep dying at the same step fails instead."""
        with self._database.transaction() as session:
            rows = _rows_of(session, worker)
            for row in rows:
                failure = explain(to_record(row))
                same_step = row.exit_step is not None and row.step <= row.exit_step
                row.worker_exits, row.exit_step = (row.worker_exits + 1 if same_step else 1), max(row.step, row.exit_step or 0)
                if row.stop_requested:
                    set_status(session, row, RunStatus.STOPPED, f"{failure.what} The run was to be stopped, and is.")
                    discard_if_asked(session, row)
                elif row.worker_exits < _MAX_WORKER_EXITS:
                    text = f"{failure.what} It is being restarted, and the run goes on from its last checkpoint."
                    set_status(session, row, RunStatus.INTERRUPTED, text)
                else:
                    final = _final_failure(failure)
                    set_status(session, row, RunStatus.FAILED, final.sentence, final)
            return [to_record(row) for row in rows]


def _rows_of(session: Session, worker: str) -> list[Run]:
    return list(session.scalars(select(Run).where(Run.worker == worker, Run.status.in_(ACTIVE)).with_for_update(of=Run)))


def _final_failure(failure: Failure) -> Failure:
    """The failure of a run after the last worker exit that is tolerated."""
    what = f"{failure.what.rstrip('.')}, three times at the same step, so the run was ended."
    return replace(failure, what=what)
