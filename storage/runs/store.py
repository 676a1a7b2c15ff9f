"""Runs as people manage them: create, queue, stop, resume, delete."""

import secrets
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from storage.bounds import NO_BOUNDS, Bounds, require_bytes, require_datasets, require_queue
from storage.database import Database
from storage.datasets import clean_name, clean_tags, get_dataset_and_version
from storage.errors import NotFoundError, StorageError
from storage.files import Files, remove_tree
from storage.owners import everybody
from storage.records import ACTIVE, ALLOWED, WAITING, GroupRecord, RunOrder, RunQuery, RunRecord, RunStatus
from storage.runs.rows import (
    add_event,
    add_row,
    get_row,
    index_words,
    next_queue_position,
    put_in_bin,
    select_waiting,
    set_status,
    to_record,
)
from storage.runs.turns import turns_of_waiting
from storage.tables import Dataset, QueuePause, Run, RunGroup, now

NOTES_LIMIT = 20_000
"""Maximum characters of the notes of a run."""


class RunStore:
    """Creates, lists, stops, resumes and removes runs."""

    def __init__(self, database: Database, files: Files, bounds: Bounds = NO_BOUNDS) -> None:
        self._database, self._files, self._bounds = database, files, bounds

    def create(
        self, dataset_id: str, spec: dict[str, Any], *, name: str | None = None, start_key: str | None = None,
        version_id: str | None = None, continues_id: str | None = None, start_after: datetime | None = None, expected_bytes: int = 0,
    ) -> RunRecord:  # fmt: skip
        """Queue a new run on a version of a dataset, by default its current one; see `RunRecord` for what it may be told.

        A ``start_key`` that was used before returns the existing run. It counts as ``expected_bytes`` until it has ended.

        Raises:
            NotFoundError: there is no such dataset, or it has no such version.
            StorageError: the dataset is in the bin.
            BoundError: too many runs wait, or too much is stored.
        """
        try:
            with self._database.exclusive() as session:
                if start_key and (existing := session.scalars(select(Run).where(Run.start_key == start_key)).first()):
                    return to_record(existing)
                dataset, version = get_dataset_and_version(session, dataset_id, version_id)
                self._require_place(session, 1, expected_bytes)
                row = add_row(session, dataset, version, spec, name, start_key, expected_bytes=expected_bytes)
                row.continues_id, row.start_after = continues_id, start_after
                return to_record(row)
        except IntegrityError:
            # Another process has just used the same key.
            with self._database.transaction() as session:
                return to_record(session.scalars(select(Run).where(Run.start_key == start_key)).one())

    def create_group(
        self, dataset_id: str, specs: Sequence[tuple[str, dict[str, Any]]], *, name: str, start_key: str, version_id: str | None = None,
        expected_bytes: int = 0,
    ) -> GroupRecord:  # fmt: skip
        """Queue runs that belong together, named one by one, all of them or none; their group is named ``name``.

        A ``start_key`` that was used before returns the existing group. Each run counts as ``expected_bytes`` until it has ended.

        Raises:
            NotFoundError: there is no such dataset, or it has no such version.
            StorageError: the dataset is in the bin.
            BoundError: too many runs would wait, or too much be stored.
        """
        with self._database.exclusive() as session:
            first = f"{start_key}/0"
            existing = session.scalars(select(Run).where(Run.start_key == first)).first()
            if existing is not None and existing.group_id is not None:
                return _group_of(session, existing.group_id)
            dataset, version = get_dataset_and_version(session, dataset_id, version_id)
            self._require_place(session, len(specs), expected_bytes * len(specs))
            group = RunGroup(id=secrets.token_hex(6), name=clean_name(name), created_at=now())
            session.add(group)
            session.flush()
            for number, (run_name, spec) in enumerate(specs):
                add_row(session, dataset, version, spec, run_name, f"{start_key}/{number}", group.id, expected_bytes=expected_bytes)
            return _group_of(session, group.id)

    def extend_group(
        self, group_id: str, dataset_id: str, specs: Sequence[tuple[str, dict[str, Any]]], *, name: str, version_id: str
    ) -> GroupRecord:  # fmt: skip
        """Queue named runs in the group of this id, which is made if there is none; one that it has outside the bin is not made again.

        Raises:
            NotFoundError: there is no such dataset, or it has no such version.
            StorageError: the dataset is in the bin.
            BoundError: too many runs would wait, or too much is stored.
        """
        with self._database.exclusive() as session:
            dataset, version = get_dataset_and_version(session, dataset_id, version_id)
            if session.get(RunGroup, group_id) is None:
                session.add(RunGroup(id=group_id, name=clean_name(name), created_at=now()))
                _flush_own(session)
            there = list(session.scalars(select(Run.spec).where(Run.group_id == group_id, Run.binned_at.is_(None))))
            new = [each for each in specs if not any(_same_but_for_revision(each[1], other) for other in there)]
            if new:
                self._require_place(session, len(new), 0)
            for run_name, spec in new:
                add_row(session, dataset, version, spec, run_name, None, group_id)
            return _group_of(session, group_id)

    def group(self, group_id: str) -> GroupRecord:
        """One group. Raises NotFoundError."""
        with self._database.reading() as session:
            return _group_of(session, group_id)

    def groups(self, ids: Collection[str]) -> dict[str, GroupRecord]:
        """Those of these groups that there are, by id."""
        with self._database.reading() as session:
            return {row.id: _to_group(row) for row in session.scalars(select(RunGroup).where(RunGroup.id.in_(ids)))}

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

    def all(self) -> list[RunRecord]:
        """Every run outside the bin, newest first, however many there are: for upkeep; what is shown is a `page`."""
        return self._every(RunQuery())

    def binned(self) -> list[RunRecord]:
        """Every run in the bin, most recently deleted first."""
        return self._every(RunQuery(state="binned"))

    def _every(self, query: RunQuery) -> list[RunRecord]:
        with self._database.reading() as session:
            return [to_record(row) for row in session.scalars(_in_order(select(Run).where(*_conditions(query)), query))]

    def some(self, ids: Collection[str]) -> list[RunRecord]:
        """Those of these runs that there are, in the bin or not, newest first."""
        with self._database.reading() as session:
            return [to_record(row) for row in session.scalars(_in_order(select(Run).where(Run.id.in_(ids)), RunQuery()))]

    def page(self, query: RunQuery, limit: int, offset: int = 0) -> list[RunRecord]:
        """Some of the runs of a list, in its order."""
        chosen = _in_order(select(Run).where(*_conditions(query)), query).limit(limit).offset(offset)
        with self._database.reading() as session:
            return [to_record(row) for row in session.scalars(chosen)]

    def newest(self, limit: int, statuses: Collection[RunStatus] | None = None) -> list[RunRecord]:
        """The newest runs that are not in the bin, of these statuses if any are given."""
        of_status = () if statuses is None else (Run.status.in_(statuses),)
        query = _in_order(select(Run).where(Run.binned_at.is_(None), *of_status), RunQuery()).limit(limit)
        with self._database.reading() as session:
            return [to_record(row) for row in session.scalars(query)]

    def going(self) -> list[RunRecord]:
        """Runs that a worker holds or that wait for one, in the order in which they are trained."""
        query = select(Run).where(Run.binned_at.is_(None), Run.status.in_((*ACTIVE, *WAITING))).order_by(Run.queue_position, Run.id)
        with self._database.reading() as session:
            return [to_record(row) for row in session.scalars(query)]

    def uses(self, base: str, limit: int = 1000) -> int:
        """The number of runs outside the bin of a base model, counted up to ``limit``."""
        query = select(Run.id).where(Run.binned_at.is_(None), Run.base == base).limit(limit)
        with self._database.reading() as session:
            return session.scalar(select(func.count()).select_from(query.subquery())) or 0

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
        with self._database.reading() as session, everybody(session):
            return session.scalar(select(func.count()).select_from(select_waiting(Run.id).order_by(None).subquery())) or 0

    def require_place(self, more: int = 1) -> None:
        """Raises BoundError if so many more runs could not wait, or nothing more be stored: to say so before work is spent on them."""
        if self._bounds != NO_BOUNDS:
            with self._database.transaction() as session:
                self._require_place(session, more, 0)

    def _require_place(self, session: Session, more: int, expected_bytes: int) -> None:
        require_queue(session, self._bounds, more)
        require_bytes(session, self._files, self._bounds, expected_bytes)

    def queue_position(self, run_id: str) -> int | None:
        """Position in the queue of all owners, 1 for the next run; None if the run is not waiting."""
        with self._database.reading() as session:
            return _place(session, run_id, self._bounds.together)

    def paused_since(self) -> datetime | None:
        """When the queue was paused; None if it is not."""
        with self._database.reading() as session:
            return session.scalar(select(QueuePause.since))

    def pause_queue(self) -> None:
        """Let no worker train: a run in training is put back after its step, with a checkpoint, and its base model leaves the memory."""
        with self._database.exclusive() as session:
            if session.get(QueuePause, 1) is None:
                session.add(QueuePause(id=1, since=now()))

    def continue_queue(self) -> None:
        """Let workers train again."""
        with self._database.transaction() as session:
            session.execute(delete(QueuePause))

    def start_after(self, run_id: str, moment: datetime | None) -> RunRecord:
        """Let a waiting run begin at some time, or as soon as it is its turn. Raises StorageError for a run that does not wait."""
        with self._database.transaction() as session:
            row = get_row(session, run_id)
            if not RunStatus(row.status).waiting:
                raise StorageError("This run does not wait any more.", kind="runs.not_waiting")
            row.start_after = moment
            return to_record(row)

    def reorder(self, run_id: str, position: int) -> None:
        """Move a waiting run to another position among those of its owner, 1 for the first; one out of range is the first or the last."""
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
            session.flush()
            add_event(session, moved, f"Moved to place {_place(session, run_id, self._bounds.together)} of the queue.")

    # Requests of people

    def request_stop(self, run_id: str, *, discard: bool = False, told: str = "") -> RunRecord:
        """Ask a run to stop: a waiting run stops at once, a training one after its current step.

        It keeps what it has learned; with ``discard`` nothing is measured any more, and it is moved to the bin. What is ``told``, such as
        who asked, becomes an event of the run, if it could still be stopped.
        """
        with self._database.transaction() as session:
            row = get_row(session, run_id)
            status = RunStatus(row.status)
            if told and (status.waiting or status in (RunStatus.PREPARING, RunStatus.TRAINING)):
                add_event(session, row, told)
            if status.waiting:
                progress = "; what was learned is kept and can be continued." if row.step else " before it began."
                set_status(session, row, RunStatus.STOPPED, f"Taken out of the queue{progress}")
                if discard:
                    put_in_bin(session, row)
            elif status in (RunStatus.PREPARING, RunStatus.TRAINING):
                row.stop_requested, row.discard_requested = True, discard
                set_status(session, row, RunStatus.STOPPING, "Finishing the step, then stopping.")
            elif status is RunStatus.STOPPING:
                row.discard_requested = row.discard_requested or discard
            return to_record(row)

    def resume(self, run_id: str, changes: dict[str, Any] | None = None) -> RunRecord:
        """Queue an ended run again; it resumes from its last checkpoint, with ``changes`` of its training settings."""
        with self._database.exclusive() as session:
            row = get_row(session, run_id)
            if RunStatus.QUEUED in ALLOWED[RunStatus(row.status)]:  # what cannot be queued is refused for that
                self._require_place(session, 1, 0)
            start = "it will go on where it stopped" if row.step else "it begins anew"
            set_status(session, row, RunStatus.QUEUED, f"Waiting for its turn; {start}.")
            if changes:
                row.spec = {**row.spec, "train": {**row.spec["train"], **changes}}
            row.stop_requested, row.discard_requested, row.start_after = False, False, None
            row.queue_position, row.finished_at = next_queue_position(session), None
            row.worker_exits, row.exit_step = 0, None
            return to_record(row)

    def has_changed(self, run_id: str) -> None:
        """Something was written into the folder of an ended run, which is measured anew."""
        with self._database.transaction() as session:
            session.execute(update(Run).where(Run.id == run_id).values(size_bytes=None))

    def rename(self, run_id: str, name: str) -> RunRecord:
        """Rename a run."""
        with self._database.transaction() as session:
            row = get_row(session, run_id)
            row.name = clean_name(name)
            index_words(row)
            return to_record(row)

    def star(self, run_id: str, starred: bool) -> RunRecord:
        """Give a run a star, or take it away."""
        with self._database.transaction() as session:
            row = get_row(session, run_id)
            row.starred = starred
            return to_record(row)

    def annotate(self, run_id: str, *, tags: Sequence[str] | None = None, notes: str | None = None) -> RunRecord:
        """Change the tags or the notes of a run. Raises StorageError for tags or notes that are too long or too many."""
        if notes is not None and len(notes) > NOTES_LIMIT:
            raise StorageError(
                "Notes have at most {limit:,} characters, and these have {length:,}.",
                kind="runs.long_notes", limit=NOTES_LIMIT, length=len(notes),
            )  # fmt: skip
        cleaned = None if tags is None else clean_tags(tags)
        with self._database.transaction() as session:
            row = get_row(session, run_id)
            row.tags = row.tags if cleaned is None else cleaned
            row.notes = row.notes if notes is None else notes
            index_words(row)
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
            put_in_bin(session, row)
            return to_record(row)

    def restore(self, run_id: str) -> RunRecord:
        """Restore a run from the bin, and its dataset too if that is there."""
        with self._database.exclusive() as session:
            row = get_row(session, run_id)
            if row.binned_at is not None:
                if row.dataset.binned_at is not None:
                    require_datasets(session, self._bounds)
                with_dataset = ", and its dataset with it" if row.dataset.binned_at is not None else ""
                row.binned_at = row.dataset.binned_at = None
                add_event(session, row, f"Taken out of the bin{with_dataset}.")
            return to_record(row)

    def binned_count(self) -> int:
        """The number of runs in the bin."""
        with self._database.reading() as session:
            return session.scalar(select(func.count()).select_from(Run).where(Run.binned_at.is_not(None))) or 0

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


def _place(session: Session, run_id: str, together: int) -> int | None:
    """The place of a waiting run in the queue of all owners; None for any other."""
    if session.scalar(select_waiting(Run.id).where(Run.id == run_id)) is None:
        return None
    ids = (each.id for claimed in turns_of_waiting(session, together) for each in claimed)
    return next((place for place, each in enumerate(ids, start=1) if each == run_id), None)


def _flush_own(session: Session) -> None:
    """Write a group. Raises NotFoundError if there is one of its id that is somebody else's."""
    try:
        session.flush()
    except IntegrityError as error:
        raise NotFoundError("There is no such group of runs.", kind="runs.no_group") from error


def _same_but_for_revision(spec: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two specs are the same run; one that has begun holds the commit of its base model."""
    return {**spec, "revision": None} == {**other, "revision": None}


def _group_of(session: Session, group_id: str) -> GroupRecord:
    row = session.get(RunGroup, group_id)
    if row is None:
        raise NotFoundError("There is no such group of runs.", kind="runs.no_group")
    return _to_group(row)


def _to_group(row: RunGroup) -> GroupRecord:
    return GroupRecord(row.id, row.name, row.created_at)


def _conditions(query: RunQuery) -> list[ColumnElement[bool]]:
    """Which runs are in a list."""
    found: list[ColumnElement[bool]] = [Run.binned_at.is_not(None) if query.state == "binned" else Run.binned_at.is_(None)]
    if query.state == "going":
        found.append(Run.status.in_((*ACTIVE, *WAITING)))
    elif query.state == "starred":
        found.append(Run.starred.is_(True))
    elif query.state not in ("all", "binned"):
        found.append(Run.status == RunStatus(query.state))
    if query.order == "held_out":
        found.append(Run.held_out.is_not(None))
    return [*found, *(_mentions(word) for word in query.text.casefold().split())]


def _mentions(word: str) -> ColumnElement[bool]:
    """That a run has a word, or a part of one, in what is searched."""
    of_dataset = Run.dataset_id.in_(select(Dataset.id).where(func.lower(Dataset.name).contains(word, autoescape=True)))
    return or_(Run.search_text.contains(word, autoescape=True), of_dataset)


def _in_order(chosen: Any, query: RunQuery) -> Any:
    """Sort a list, along one of the indices; the bin by the time of deletion."""
    if query.state == "binned":
        return chosen.order_by(Run.binned_at.desc(), Run.created_at.desc(), Run.id.desc())
    orders: dict[RunOrder, tuple[Any, ...]] = {
        "newest": (Run.created_at.desc(), Run.id.desc()), "oldest": (Run.created_at.asc(), Run.id.asc()),
        "name": (Run.name.asc(), Run.id.asc()), "held_out": (Run.held_out.asc(), Run.id.asc()),
    }  # fmt: skip
    return chosen.order_by(*orders[query.order])
