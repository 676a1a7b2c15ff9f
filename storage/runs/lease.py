"""A run in the hands of a worker, and the only way in which what it leaves is written.

Every write asks first whether the run still is this worker's: one that slept too long has lost it to another.
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
from storage.records import ACTIVE, Failure, MetricPoint, Phase, RunRecord, RunStatus, SampleRecord
from storage.runs.journal import write_figures, write_sample
from storage.runs.rows import find, move, note, record
from storage.tables import Run

_RUNS: Table = Run.metadata.tables["runs"]  # statements on the table alone cost a tenth of those on objects
_LOST = "The run is no longer this worker's."


class LeasedRun:
    """A run as its worker sees it.

    Raises:
        LeaseLostError: from every method, when the run is no longer this worker's; nothing is written then.
        UnavailableError: when the database cannot be used for the moment.
    """

    def __init__(self, database: Database, worker: str, run: RunRecord) -> None:
        self._database, self._worker, self.run = database, worker, run
        self._mine = (_RUNS.c.id == run.id, _RUNS.c.worker == worker, _RUNS.c.status.in_(ACTIVE))

    @contextmanager
    def _row(self) -> Iterator[tuple[Session, Run]]:
        with self._database.transaction() as session:
            try:
                row = find(session, self.run.id)
            except NotFoundError as error:
                raise LeaseLostError("The run was removed.") from error
            if row.worker != self._worker or not RunStatus(row.status).active:
                raise LeaseLostError(_LOST)
            yield session, row

    def begin(self, sentence: str) -> RunRecord:
        """From preparing to training; a run that somebody asked to stop meanwhile is stopped instead."""
        with self._row() as (session, row):
            if row.stop_requested:
                move(session, row, RunStatus.STOPPED, "Stopped before the first step.")
            else:
                row.summary = None  # of an earlier end of this run
                move(session, row, RunStatus.TRAINING, sentence)
            return record(row)

    def move(self, status: RunStatus, sentence: str) -> RunRecord:
        """Change the status and write the sentence down. Raises StorageError for an impossible change."""
        with self._row() as (session, row):
            move(session, row, status, sentence)
            return record(row)

    def fail(self, failure: Failure) -> RunRecord:
        """End the run with the reason."""
        with self._row() as (session, row):
            move(session, row, RunStatus.FAILED, failure.sentence, failure)
            return record(row)

    def note(self, text: str) -> None:
        """Write down what happened."""
        with self._row() as (session, row):
            note(session, row, text)

    def set_revision(self, revision: str) -> None:
        """Keep in the spec which revision of the base model the run is of, so that it goes on with that one."""
        with self._row() as (_, row):
            row.spec = {**row.spec, "revision": revision}

    def progress(
        self, *, step: int, total_steps: int, epoch: float, seconds_left: float, figures: Iterable[MetricPoint] = ()
    ) -> None:  # fmt: skip
        """Where training stands, and the figures that led there; every second or two, so in as few statements as can be."""
        values = {"step": step, "total_steps": total_steps, "epoch": epoch, "seconds_left": seconds_left, "phase": None}
        with self._database.transaction() as session:
            if not session.execute(update(_RUNS).where(*self._mine).values(values)).rowcount:  # type: ignore[attr-defined]
                raise LeaseLostError(_LOST)
            write_figures(session, self.run.id, figures)

    def add_figures(self, figures: Iterable[MetricPoint]) -> None:
        """Keep figures of no step of their own; one that is there already is replaced."""
        with self._row() as (session, _):
            write_figures(session, self.run.id, figures)

    def add_sample(self, sample: SampleRecord) -> None:
        """Keep a sample; the same step again replaces it."""
        with self._row() as (session, _):
            write_sample(session, self.run.id, sample)

    def set_phase(self, phase: Phase) -> None:
        """What is done beside the steps, until the next step or status."""
        with self._row() as (_, row):
            row.phase = asdict(phase)

    def set_rows(self, sentence: str, held_out: Sequence[int]) -> None:
        """Say which rows are trained on, and keep which examples of the dataset, by their places, are held out."""
        with self._row() as (session, row):
            row.sentence, row.held_out_places = sentence, list(held_out)
            note(session, row, sentence)

    def set_summary(self, summary: dict[str, Any]) -> None:
        """Keep the figures that training ended with."""
        with self._row() as (_, row):
            row.summary, row.seconds_left = {name: _number(value) for name, value in summary.items()}, None

    def stop_requested(self) -> bool:
        """Whether somebody asked this run to stop."""
        wanted = select(_RUNS.c.stop_requested).where(*self._mine)
        with self._database.reading() as session:
            row = session.execute(wanted).one_or_none()
        if row is None:
            raise LeaseLostError(_LOST)
        return bool(row.stop_requested)


def _number(value: Any) -> Any:
    """None for what is no number: JSON has no word for it."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
