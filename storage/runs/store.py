"""Runs, and their queue."""

import secrets
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from storage.database import Database
from storage.datasets import clean_name
from storage.errors import NotFoundError, StorageError
from storage.files import Files, remove_tree
from storage.records import RunRecord, RunStatus
from storage.runs.rows import find, last_turn, move, note, record, waiting
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
            with self._database.alone() as session:
                if start_key and (earlier := session.scalars(select(Run).where(Run.start_key == start_key)).first()):
                    return record(earlier)
                dataset = session.get(Dataset, dataset_id)
                if dataset is None:
                    raise NotFoundError("There is no such dataset.")
                row = Run(id=secrets.token_hex(6), name=clean_name(name) if name else _fresh_name(session), dataset=dataset,
                          base=str(spec.get("base", "")), spec=spec, start_key=start_key, status=RunStatus.QUEUED,
                          sentence="Waiting for its turn.", turn=last_turn(session), step=0, total_steps=0, epoch=0.0,
                          stop_requested=False, deaths=0)  # fmt: skip
                session.add(row)
                session.flush()
                session.add(Event(run_id=row.id, status=RunStatus.QUEUED, text="Queued."))
                return record(row)
        except IntegrityError:
            # Another process was quicker with the same key.
            with self._database.transaction() as session:
                return record(session.scalars(select(Run).where(Run.start_key == start_key)).one())

    def started(self, start_key: str) -> RunRecord | None:
        """The run that was made with this key, if it was made already."""
        with self._database.reading() as session:
            row = session.scalars(select(Run).where(Run.start_key == start_key)).first()
            return record(row) if row else None

    def get(self, run_id: str) -> RunRecord:
        """One run, in the bin or not. Raises NotFoundError."""
        with self._database.reading() as session:
            row = session.get(Run, run_id)
            if row is None:
                raise NotFoundError("There is no such run.")
            return record(row)

    def all(self, limit: int = 200) -> list[RunRecord]:
        """Runs that are not in the bin, newest first."""
        with self._database.reading() as session:
            rows = session.scalars(select(Run).where(Run.binned_at.is_(None)).order_by(Run.created_at.desc()).limit(limit))
            return [record(row) for row in rows]

    def held_out_places(self, run_id: str) -> list[int] | None:
        """Places of the dataset's examples that the run holds out; None before its rows are read. Raises NotFoundError."""
        with self._database.reading() as session:
            found = session.execute(select(Run.held_out_places).where(Run.id == run_id)).one_or_none()
            if found is None:
                raise NotFoundError("There is no such run.")
            return found[0]

    # The queue

    def waiting(self) -> int:
        """How many runs wait."""
        with self._database.reading() as session:
            return len(session.scalars(waiting(Run.id)).all())

    def queue_place(self, run_id: str) -> int | None:
        """1 for the run that is next; None when it does not wait."""
        with self._database.reading() as session:
            order = list(session.scalars(waiting(Run.id)))
        return order.index(run_id) + 1 if run_id in order else None

    def reorder(self, run_id: str, place: int) -> None:
        """Give a waiting run another place, 1 for the next; places that there are not mean the first or the last."""
        with self._database.alone() as session:
            rows = list(session.scalars(waiting().with_for_update(of=Run)))
            moved = next((row for row in rows if row.id == run_id), None)
            if moved is None:
                find(session, run_id)
                raise StorageError("This run does not wait any more.")
            turns = sorted(row.turn for row in rows)
            rows.remove(moved)
            rows.insert(max(0, place - 1), moved)
            for row, turn in zip(rows, turns, strict=True):
                row.turn = turn
            note(session, moved, f"Moved to place {rows.index(moved) + 1} of the queue.")

    # What people do

    def request_stop(self, run_id: str) -> RunRecord:
        """Ask a run to stop: one that waits stops at once, a training one after its step, keeping what it learned."""
        with self._database.transaction() as session:
            row = find(session, run_id)
            status = RunStatus(row.status)
            if status.waiting:
                kept = "; what was learned is kept and can be continued." if row.step else " before it began."
                move(session, row, RunStatus.STOPPED, f"Taken out of the queue{kept}")
            elif status in (RunStatus.PREPARING, RunStatus.TRAINING):
                row.stop_requested = True
                move(session, row, RunStatus.STOPPING, "Finishing the step, then stopping.")
            return record(row)

    def resume(self, run_id: str, changes: dict[str, Any] | None = None) -> RunRecord:
        """Queue an ended run again; it goes on from its last checkpoint, with other settings of training if they are given."""
        with self._database.alone() as session:
            row = find(session, run_id)
            where = "it will go on where it stopped" if row.step else "it begins anew"
            move(session, row, RunStatus.QUEUED, f"Waiting for its turn; {where}.")
            if changes:
                row.spec = {**row.spec, "train": {**row.spec["train"], **changes}}
            row.stop_requested, row.turn, row.finished_at = False, last_turn(session), None
            row.deaths, row.died_at_step = 0, None
            return record(row)

    def rename(self, run_id: str, name: str) -> RunRecord:
        """Give it another name."""
        with self._database.transaction() as session:
            row = find(session, run_id)
            row.name = clean_name(name)
            return record(row)

    # The bin

    def delete(self, run_id: str) -> RunRecord:
        """Move a run to the bin; one that waits leaves the queue. Raises StorageError while a worker has it in hand."""
        with self._database.transaction() as session:
            row = find(session, run_id)
            if RunStatus(row.status).active:
                raise StorageError("This run is being trained; stop it first.")
            if RunStatus(row.status).waiting:
                move(session, row, RunStatus.STOPPED, "Taken out of the queue.")
            if row.binned_at is None:
                row.binned_at = now()
                note(session, row, "Moved to the bin.")
            return record(row)

    def restore(self, run_id: str) -> RunRecord:
        """Take a run out of the bin again."""
        with self._database.transaction() as session:
            row = find(session, run_id)
            if row.binned_at is not None:
                row.binned_at = None
                note(session, row, "Taken out of the bin.")
            return record(row)

    def binned(self) -> list[RunRecord]:
        """Runs in the bin, the last one first."""
        with self._database.reading() as session:
            rows = session.scalars(select(Run).where(Run.binned_at.is_not(None)).order_by(Run.binned_at.desc()))
            return [record(row) for row in rows]

    def empty_bin(self, older_than: timedelta = timedelta(0)) -> list[str]:
        """Remove runs that have been in the bin for so long, with all their files, for good; returns their ids."""
        with self._database.transaction() as session:
            rows = list(session.scalars(select(Run).where(Run.binned_at <= now() - older_than).with_for_update(of=Run)))
            gone = [row.id for row in rows]
            for row in rows:
                session.delete(row)
        for run_id in gone:
            remove_tree(self._files.run_folder(run_id))
        return gone


def _fresh_name(session: Session) -> str:
    number = 1 + (session.scalar(select(func.count()).select_from(Run)) or 0)
    return f"{secrets.choice(_ADJECTIVES)}-{secrets.choice(_NOUNS)}-{number}"
