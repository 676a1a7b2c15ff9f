"""Runs as people manage them: create, queue, stop, resume, delete."""

import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from storage.database import Database
from storage.datasets import clean_name, get_dataset_and_version
from storage.errors import NotFoundError, StorageError
from storage.files import Files, remove_tree
from storage.records import GroupRecord, RunRecord, RunStatus
from storage.runs.rows import add_event, get_row, next_queue_position, select_waiting, set_status, to_record
from storage.tables import Dataset, DatasetVersion, Event, Run, RunGroup, now

_ADJECTIVES = (
    "amber brave bright calm clever crisp eager fair gentle glad golden happy keen kind lively lucky "
    "merry mellow neat noble proud quick quiet rapid shiny silver smart sunny swift tidy warm wise"
).split()
_NOUNS = (
    "badger beaver bison crane dolphin eagle falcon finch fox gecko heron ibex jay koala lark lemur "
    "lynx marten mole newt otter owl panda pike puffin raven robin seal stork swan tiger wren"
).split()


class RunStore:
    """Creates, lists, stops, resumes and removes runs."""

    def __init__(self, database: Database, files: Files) -> None:
        self._database, self._files = database, files

    def create(
        self, dataset_id: str, spec: dict[str, Any], *, name: str | None = None, start_key: str | None = None,
        version_id: str | None = None,
    ) -> RunRecord:  # fmt: skip
        """Queue a new run on a version of a dataset, by default its current one.

        A ``start_key`` that was used before returns the existing run.

        Raises:
            NotFoundError: there is no such dataset, or it has no such version.
            StorageError: the dataset is in the bin.
        """
        try:
            with self._database.exclusive() as session:
                if start_key and (existing := session.scalars(select(Run).where(Run.start_key == start_key)).first()):
                    return to_record(existing)
                dataset, version = get_dataset_and_version(session, dataset_id, version_id)
                return to_record(_add_row(session, dataset, version, spec, name, start_key))
        except IntegrityError:
            # Another process has just used the same key.
            with self._database.transaction() as session:
                return to_record(session.scalars(select(Run).where(Run.start_key == start_key)).one())

    def create_group(
        self, dataset_id: str, specs: Sequence[tuple[str, dict[str, Any]]], *, name: str, start_key: str, version_id: str | None = None
    ) -> GroupRecord:  # fmt: skip
        """Queue runs that belong together, named one by one, all of them or none; their group is named ``name``.

        A ``start_key`` that was used before returns the existing group.

        Raises:
            NotFoundError: there is no such dataset, or it has no such version.
            StorageError: the dataset is in the bin.
        """
        with self._database.exclusive() as session:
            first = f"{start_key}/0"
            existing = session.scalars(select(Run).where(Run.start_key == first)).first()
            if existing is not None and existing.group_id is not None:
                return _group_of(session, existing.group_id)
            dataset, version = get_dataset_and_version(session, dataset_id, version_id)
            group = RunGroup(id=secrets.token_hex(6), name=clean_name(name), created_at=now())
            session.add(group)
            session.flush()
            for number, (run_name, spec) in enumerate(specs):
                _add_row(session, dataset, version, spec, run_name, f"{start_key}/{number}", group.id)
            return _group_of(session, group.id)

    def group(self, group_id: str) -> GroupRecord:
        """One group. Raises NotFoundError."""
        with self._database.reading() as session:
            return _group_of(session, group_id)

    def groups(self) -> dict[str, GroupRecord]:
        """Every group that has a run outside the bin, by id."""
        used = select(Run.group_id).where(Run.binned_at.is_(None), Run.group_id.is_not(None))
        with self._database.reading() as session:
            return {row.id: _to_group(row) for row in session.scalars(select(RunGroup).where(RunGroup.id.in_(used)))}

    def of_group(self, group_id: str) -> list[RunRecord]:
        """The runs of a group outside the bin, in the order in which they were made."""
        query = select(Run).where(Run.group_id == group_id, Run.binned_at.is_(None)).order_by(Run.created_at, Run.queue_position, Run.id)
        with self._database.reading() as session:
            return [to_record(row) for row in session.scalars(query)]

    def find_by_start_key(self, start_key: str) -> RunRecord | None:
        """The run created with this key, or None."""
        with self._database.reading() as session:
            row = session.scalars(select(Run).where(Run.start_key == start_key)).first()
            return to_record(row) if row else None

    def get(self, run_id: str) -> RunRecord:
        """One run, in the bin or not. Raises NotFoundError."""
        with self._database.reading() as session:
            row = session.get(Run, run_id)
            if row is None:
                raise NotFoundError("There is no such run.", kind="runs.not_found")
            return to_record(row)

    def all(self, limit: int = 200) -> list[RunRecord]:
        """Runs that are not in the bin, newest first."""
        with self._database.reading() as session:
            rows = session.scalars(select(Run).where(Run.binned_at.is_(None)).order_by(Run.created_at.desc()).limit(limit))
            return [to_record(row) for row in rows]

    def held_out_places(self, run_id: str) -> list[int] | None:
        """Dataset indices of the held-out examples; None before the rows are read. Raises NotFoundError."""
        with self._database.reading() as session:
            row = session.execute(select(Run.held_out_places).where(Run.id == run_id)).one_or_none()
            if row is None:
                raise NotFoundError("There is no such run.", kind="runs.not_found")
            return row[0]

    # The queue

    def waiting_count(self) -> int:
        """The number of waiting runs."""
        with self._database.reading() as session:
            return len(session.scalars(select_waiting(Run.id)).all())

    def queue_position(self, run_id: str) -> int | None:
        """Position in the queue, 1 for the next run; None if the run is not waiting."""
        with self._database.reading() as session:
            order = list(session.scalars(select_waiting(Run.id)))
        return order.index(run_id) + 1 if run_id in order else None

    def reorder(self, run_id: str, position: int) -> None:
        """Move a waiting run to another position, 1 for the next; a position out of range becomes the first or the last."""
        with self._database.exclusive() as session:
            rows = list(session.scalars(select_waiting().with_for_update(of=Run)))
            moved = next((row for row in rows if row.id == run_id), None)
            if moved is None:
                get_row(session, run_id)
                raise StorageError("This run does not wait any more.", kind="runs.not_waiting")
            positions = sorted(row.queue_position for row in rows)
            rows.remove(moved)
            rows.insert(max(0, position - 1), moved)
            for row, row_position in zip(rows, positions, strict=True):
                row.queue_position = row_position
            add_event(session, moved, f"Moved to place {rows.index(moved) + 1} of the queue.")

    # Requests of people

    def request_stop(self, run_id: str) -> RunRecord:
        """Ask a run to stop: a waiting run stops at once, a training one after its current step; both keep what they learned."""
        with self._database.transaction() as session:
            row = get_row(session, run_id)
            status = RunStatus(row.status)
            if status.waiting:
                progress = "; what was learned is kept and can be continued." if row.step else " before it began."
                set_status(session, row, RunStatus.STOPPED, f"Taken out of the queue{progress}")
            elif status in (RunStatus.PREPARING, RunStatus.TRAINING):
                row.stop_requested = True
                set_status(session, row, RunStatus.STOPPING, "Finishing the step, then stopping.")
            return to_record(row)

    def resume(self, run_id: str, changes: dict[str, Any] | None = None) -> RunRecord:
        """Queue an ended run again; it resumes from its last checkpoint, with ``changes`` of its training settings."""
        with self._database.exclusive() as session:
            row = get_row(session, run_id)
            start = "it will go on where it stopped" if row.step else "it begins anew"
            set_status(session, row, RunStatus.QUEUED, f"Waiting for its turn; {start}.")
            if changes:
                row.spec = {**row.spec, "train": {**row.spec["train"], **changes}}
            row.stop_requested, row.queue_position, row.finished_at = False, next_queue_position(session), None
            row.worker_exits, row.exit_step = 0, None
            return to_record(row)

    def rename(self, run_id: str, name: str) -> RunRecord:
        """Rename a run."""
        with self._database.transaction() as session:
            row = get_row(session, run_id)
            row.name = clean_name(name)
            return to_record(row)

    # The bin

    def delete(self, run_id: str) -> RunRecord:
        """Move a run to the bin; a waiting run leaves the queue. Raises StorageError while a worker holds it."""
        with self._database.transaction() as session:
            row = get_row(session, run_id)
            if RunStatus(row.status).active:
                raise StorageError("This run is being trained; stop it first.", kind="runs.training")
            if RunStatus(row.status).waiting:
                set_status(session, row, RunStatus.STOPPED, "Taken out of the queue.")
            if row.binned_at is None:
                row.binned_at = now()
                add_event(session, row, "Moved to the bin.")
            return to_record(row)

    def restore(self, run_id: str) -> RunRecord:
        """Restore a run from the bin, and its dataset too if that is there."""
        with self._database.exclusive() as session:
            row = get_row(session, run_id)
            if row.binned_at is not None:
                with_dataset = ", and its dataset with it" if row.dataset.binned_at is not None else ""
                row.binned_at = row.dataset.binned_at = None
                add_event(session, row, f"Taken out of the bin{with_dataset}.")
            return to_record(row)

    def binned(self) -> list[RunRecord]:
        """Runs in the bin, most recently deleted first."""
        with self._database.reading() as session:
            rows = session.scalars(select(Run).where(Run.binned_at.is_not(None)).order_by(Run.binned_at.desc()))
            return [to_record(row) for row in rows]

    def empty_bin(self, older_than: timedelta = timedelta(0)) -> list[str]:
        """Permanently remove runs that have been in the bin for ``older_than``, with their files; returns their ids."""
        with self._database.transaction() as session:
            rows = list(session.scalars(select(Run).where(Run.binned_at <= now() - older_than).with_for_update(of=Run)))
            removed = [row.id for row in rows]
            for row in rows:
                session.delete(row)
            session.flush()
            used = select(Run.group_id).where(Run.group_id.is_not(None))
            session.execute(delete(RunGroup).where(RunGroup.id.not_in(used)))
        for run_id in removed:
            remove_tree(self._files.run_folder(run_id))
        return removed


def _add_row(
    session: Session, dataset: Dataset, version: DatasetVersion, spec: dict[str, Any], name: str | None, start_key: str | None,
    group_id: str | None = None,
) -> Run:  # fmt: skip
    row = Run(id=secrets.token_hex(6), name=clean_name(name) if name else _new_name(session), dataset=dataset,
              version_id=version.id, group_id=group_id, base=str(spec.get("base", "")), spec=spec, start_key=start_key,
              status=RunStatus.QUEUED, sentence="Waiting for its turn.", queue_position=next_queue_position(session),
              step=0, total_steps=0, epoch=0.0, stop_requested=False, worker_exits=0, created_at=now())  # fmt: skip
    session.add(row)
    session.flush()
    session.add(Event(run_id=row.id, status=RunStatus.QUEUED, text="Queued."))
    return row


def _group_of(session: Session, group_id: str) -> GroupRecord:
    row = session.get(RunGroup, group_id)
    if row is None:
        raise NotFoundError("There is no such group of runs.", kind="runs.no_group")
    return _to_group(row)


def _to_group(row: RunGroup) -> GroupRecord:
    return GroupRecord(row.id, row.name, row.created_at)


def _new_name(session: Session) -> str:
    number = 1 + (session.scalar(select(func.count()).select_from(Run)) or 0)
    return f"{secrets.choice(_ADJECTIVES)}-{secrets.choice(_NOUNS)}-{number}"
