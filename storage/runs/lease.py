"""The lease of a worker on a run, and the only way to write the run's metrics, samples and events.

Every write first checks the lease, because a worker that slept too long has lost its run to another one.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from sqlalchemy import Table, select, update
from sqlalchemy.orm import Session

from storage.database import Database
from storage.errors import LeaseLostError, NotFoundError
from storage.records import ACTIVE, Failure, MetricPoint, Phase, RunRecord, RunStatus, SampleRecord, StopRequest
from storage.runs.journal import write_metrics, write_sample
from storage.runs.rows import add_event, discard_if_asked, get_row, set_status, to_record
from storage.tables import QueuePause, Run

_RUNS: Table = Run.metadata.tables["runs"]  # a tenth of the cost of statements on mapped objects


class LeasedRun:
    """A claimed run, for the worker that holds the lease.

    Raises:
        LeaseLostError: from every method, if another worker holds the run; nothing is written then.
        UnavailableError: when the database is temporarily unusable.
    """

    def __init__(self, database: Database, worker: str, run: RunRecord) -> None:
        self._database, self._worker, self.run = database, worker, run
        self._lease_holds = (_RUNS.c.id == run.id, _RUNS.c.worker == worker, _RUNS.c.status.in_(ACTIVE))

    @contextmanager
    def _row(self) -> Iterator[tuple[Session, Run]]:
        with self._database.transaction() as session:
            try:
                row = get_row(session, self.run.id)
            except NotFoundError as error:
                raise LeaseLostError("The run was removed.", kind="lease.removed") from error
            if row.worker != self._worker or not RunStatus(row.status).active:
                raise _lease_lost()
            yield session, row

    def begin(self, sentence: str) -> RunRecord:
        """Change the status from preparing to training, or to stopped if a stop was requested meanwhile.

        A run that trains already goes on.
        """
        with self._row() as (session, row):
            if row.status in (RunStatus.TRAINING, RunStatus.STOPPING):
                return to_record(row)
            if row.stop_requested:
                set_status(session, row, RunStatus.STOPPED, "Stopped before the first step.")
            else:
                row.summary = None  # a resumed run still has that of its earlier end
                set_status(session, row, RunStatus.TRAINING, sentence)
            return to_record(row)

    def set_status(self, status: RunStatus, sentence: str) -> RunRecord:
        """Change the status and add its event; a run that was stopped to be discarded is moved to the bin.

        Raises StorageError for a transition that is not allowed.
        """
        with self._row() as (session, row):
            set_status(session, row, status, sentence)
            discard_if_asked(session, row)
            return to_record(row)

    def fail(self, failure: Failure) -> RunRecord:
        """End the run as failed."""
        with self._row() as (session, row):
            set_status(session, row, RunStatus.FAILED, failure.sentence, failure)
            return to_record(row)

    def add_event(self, text: str) -> None:
        """Add an event that does not change the status."""
        with self._row() as (session, row):
            add_event(session, row, text)

    def set_revision(self, revision: str) -> None:
        """Pin the base model's revision in the spec, so that a resumed run uses the same one."""
        with self._row() as (_, row):
            row.spec = {**row.spec, "revision": revision}

    def progress(
        self, *, step: int, total_steps: int, epoch: float, seconds_left: float, metrics: Iterable[MetricPoint] = (),
        sparkline: Sequence[float] = (), seconds: float = 0.0,
    ) -> None:  # fmt: skip
        """Write the progress and the metrics up to it, in three statements, because this runs every second or two."""
        values: dict[str, Any] = {
            "step": step, "total_steps": total_steps, "epoch": epoch, "seconds_left": seconds_left, "phase": None,
            "sparkline": list(sparkline), "seconds": seconds,
        }  # fmt: skip
        with self._database.transaction() as session:
            if not session.execute(update(_RUNS).where(*self._lease_holds).values(values)).rowcount:  # type: ignore[attr-defined]
                raise _lease_lost()
            write_metrics(session, self.run.id, metrics)

    def add_metrics(self, metrics: Iterable[MetricPoint]) -> None:
        """Write metrics without a change of progress; existing values are replaced."""
        with self._row() as (session, _):
            write_metrics(session, self.run.id, metrics)

    def add_sample(self, *samples: SampleRecord) -> None:
        """Write samples together; each replaces an earlier one of the same step and place."""
        with self._row() as (session, _):
            for sample in samples:
                write_sample(session, self.run.id, sample)

    def set_held_out(self, tuned: float, base: float) -> None:
        """Write the latest held-out losses, for lists."""
        with self._row() as (_, row):
            row.held_out, row.held_out_base = _finite_or_none(tuned), _finite_or_none(base)

    def set_phase(self, phase: Phase) -> None:
        """Show work besides the steps, until the next step or change of status."""
        with self._row() as (_, row):
            row.phase = asdict(phase)

    def set_rows(self, sentence: str, held_out: Sequence[int]) -> None:
        """Describe the training rows in a sentence, and write the dataset indices of the held-out examples."""
        with self._row() as (session, row):
            row.sentence, row.held_out_places = sentence, list(held_out)
            add_event(session, row, sentence)

    def set_summary(self, summary: dict[str, Any]) -> None:
        """Write the final figures of training."""
        with self._row() as (_, row):
            row.summary, row.seconds_left = {name: _finite_or_none(value) for name, value in summary.items()}, None
            row.held_out, row.held_out_base = row.summary.get("held_out_tuned"), row.summary.get("held_out_base")

    def stop_requested(self) -> StopRequest | None:
        """What a person has asked of this run: to stop and keep what it has learned, to stop and discard it, or to make a pause."""
        columns = _RUNS.c.stop_requested, _RUNS.c.discard_requested, select(QueuePause.id).exists().label("paused")
        with self._database.reading() as session:
            row = session.execute(select(*columns).where(*self._lease_holds)).one_or_none()
        if row is None:
            raise _lease_lost()
        if row.stop_requested:
            return StopRequest.DISCARD if row.discard_requested else StopRequest.KEEP
        return StopRequest.PAUSE if row.paused else None


def _lease_lost() -> LeaseLostError:
    return LeaseLostError("The run is no longer this worker's.", kind="lease.lost")


def _finite_or_none(value: Any) -> Any:
    """The value, or None for a float that is NaN or infinite, which JSON cannot express."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
