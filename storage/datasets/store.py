"""The store of datasets and their versions: their rows in the database, and their files in the data folder."""

import json
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from storage.bounds import NO_BOUNDS, Bounds, require_bytes, require_datasets
from storage.database import Database
from storage.datasets.names import clean_name, clean_tags
from storage.datasets.rows import (
    current_version,
    get_row,
    get_version,
    numbered_version,
    refuse_binned,
    select_current,
    to_record,
    to_version_record,
)
from storage.datasets.staging import Staged, staged
from storage.errors import MovedOnError, StorageError
from storage.files import Files, digest_of, remove_tree
from storage.records import DatasetRecord, DatasetUse, DatasetUses, DatasetVersionRecord
from storage.tables import Dataset, DatasetVersion, Run, now

Json = dict[str, Any]


class DatasetStore:
    """Creates datasets, adds versions to them, lists them, and moves them to the bin and back."""

    def __init__(self, database: Database, files: Files, bounds: Bounds = NO_BOUNDS) -> None:
        self._database, self._files, self._bounds = database, files, bounds

    # Versions

    def create(
        self, *, name: str, label: str, shape: str, rows: int, usable_rows: int, examples: bytes | Path, source: Path | None = None,
        reading: Json | None = None, split: Json | None = None, sample: str | None = None,
    ) -> DatasetRecord:  # fmt: skip
        """Save a dataset with its first version.

        A ``sample`` that is still as it came, or the same rows, divided alike, under the same name, are saved only once: the existing
        dataset becomes the newest.

        Args:
            name: its name; made to fit one line.
            label: name of the file that the rows come from, for display only.
            shape: see `DatasetVersionRecord`, as for ``rows``, ``usable_rows``, ``reading`` and ``split``.
            examples: the normalised examples (JSON Lines), or a file of them, which is moved and never read into memory as a whole; it
                stays where it is if it cannot be saved.
            source: the file that the rows were read from, of which a copy is kept.
            sample: key of the bundled sample that it is made from.

        Raises:
            StorageError: the files cannot be written.
            BoundError: there are too many datasets, or too much is stored.
        """
        dataset = Dataset(id=secrets.token_hex(6), name=clean_name(name), tags=[], sample=sample, created_at=now())
        version = _new_version(dataset.id, 1, label, shape, rows, usable_rows, reading, split, "")
        folder = self._files.dataset_folder(dataset.id)
        try:
            with self._staged(folder, examples, source) as files, self._database.exclusive() as session:
                _describe(version, files)
                duplicate = self._find_duplicate(session, dataset, version, files)
                if duplicate:
                    duplicate[0].created_at = now()
                    files.consume()
                else:
                    require_datasets(session, self._bounds)
                    require_bytes(session, self._files, self._bounds, files.size_bytes)
                    session.add(dataset)
                    session.flush()
                    self._add(session, version, files)
        except BaseException:
            remove_tree(folder)
            raise
        if duplicate:
            remove_tree(folder)
        return to_record(*(duplicate or (dataset, version)))

    def add_version(
        self, dataset_id: str, *, label: str, shape: str, rows: int, usable_rows: int, examples: bytes | Path, change: str,
        reading: Json | None = None, split: Json | None = None, source: Path | None = None, onto: str | None = None,
    ) -> DatasetRecord:  # fmt: skip
        """Add a version, which becomes the current one, and make the dataset the newest; the arguments are those of `create`.

        The same rows, reading and split as those of the current version add none. Without a ``source`` the version keeps the file
        of the version before. With ``onto`` only a version of this id is followed, because the rows were made from its rows.

        Raises:
            NotFoundError: there is no such dataset.
            MovedOnError: the current version is another one than ``onto``.
            StorageError: it is in the bin, or the files cannot be written.
            BoundError: too much is stored.
        """
        folder = self._files.dataset_folder(self.get(dataset_id).id)
        self.require_room()  # measures before there is a file of this version
        with self._staged(folder, examples, source) as files, self._database.exclusive() as session:
            dataset = get_row(session, dataset_id)
            refuse_binned(dataset)
            current = current_version(session, dataset_id)
            if onto is not None and current.id != onto:
                raise MovedOnError(
                    "Meanwhile there is a version {number} of this dataset. Try again.", kind="datasets.moved_on", number=current.number
                )
            dataset.created_at = now()
            version = _new_version(dataset_id, current.number + 1, label, shape, rows, usable_rows, reading, split, change)
            if (version.reading, version.split) == (current.reading, current.split) and self._has_rows(current, files):
                version = current
                files.consume()
            else:
                require_bytes(session, self._files, self._bounds, files.size_bytes)
                dataset.size_bytes = None
                _describe(version, files)
                if source is None:
                    self._inherit_source(version, current)
                self._add(session, version, files)
        return to_record(dataset, version)

    def require_room(self, more: int = 0) -> None:
        """Raises BoundError if so many more bytes may not be stored."""
        if self._bounds.stored_bytes:
            with self._database.transaction() as session:
                require_bytes(session, self._files, self._bounds, more)

    @contextmanager
    def _staged(self, folder: Path, examples: bytes | Path, source: Path | None) -> Iterator[Staged]:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with staged(folder, examples, source) as files:
                yield files
        except OSError as error:
            raise StorageError(
                "The dataset could not be written: {reason}.", kind="datasets.not_written", reason=error.strerror or str(error)
            ) from error

    def _add(self, session: Session, version: DatasetVersion, files: Staged) -> None:
        """Add the row and place the files; the row counts once the transaction is committed, so it is the last that is written."""
        session.add(version)
        session.flush()  # what the database refuses is refused before the file of rows is moved
        record = to_version_record(version)
        files.place(self._files.rows(record), self._files.source(record) if files.source else None)

    def _inherit_source(self, version: DatasetVersion, current: DatasetVersion) -> None:
        """Let a version keep the file that the one before was read from."""
        version.source_file = current.source_file
        source = self._files.source(to_version_record(current))
        if source:
            with suppress(OSError):  # it is gone, which hinders nobody from training
                version.size_bytes += source.stat().st_size

    def _find_duplicate(
        self, session: Session, dataset: Dataset, version: DatasetVersion, files: Staged
    ) -> tuple[Dataset, DatasetVersion] | None:
        """The existing dataset with the same content, for example from a second click or tab."""
        query = select_current().where(Dataset.binned_at.is_(None))
        if dataset.sample:
            # A sample that was edited is not the sample any more.
            row = session.execute(query.where(Dataset.sample == dataset.sample, DatasetVersion.number == 1)).first()
            return (row[0], row[1]) if row else None
        facts = (DatasetVersion.label, DatasetVersion.shape, DatasetVersion.rows, DatasetVersion.usable_rows)
        same_facts = [column == getattr(version, column.key) for column in facts]
        for other, current in session.execute(query.where(Dataset.name == dataset.name, *same_facts)):
            if current.split == version.split and self._has_rows(current, files):
                return other, current
        return None

    def _has_rows(self, version: DatasetVersion, files: Staged) -> bool:
        """Whether a version has the same rows; those of a version without a digest are read, if there are as many bytes."""
        if version.digest:
            return version.digest == files.digest
        path = self._files.rows(to_version_record(version))
        try:
            return path.stat().st_size == files.rows.stat().st_size and digest_of(path) == files.digest
        except OSError:
            return False

    def versions(self, dataset_id: str) -> list[DatasetVersionRecord]:
        """The versions of a dataset, newest first. Raises NotFoundError."""
        query = select(DatasetVersion).where(DatasetVersion.dataset_id == dataset_id).order_by(DatasetVersion.number.desc())
        with self._database.reading() as session:
            get_row(session, dataset_id)
            return [to_version_record(row) for row in session.scalars(query)]

    def version(self, version_id: str) -> DatasetVersionRecord:
        """One version, of a dataset in the bin or not. Raises NotFoundError."""
        with self._database.reading() as session:
            return to_version_record(get_version(session, version_id))

    # Lists

    def get(self, reference: str) -> DatasetRecord:
        """One dataset, in the bin or not, with its current version; with the one of a number for a reference such as ``id@2``.

        Raises NotFoundError.
        """
        dataset_id, at, number = reference.partition("@")
        with self._database.reading() as session:
            if not at:
                return _record_of(session, dataset_id)
            return to_record(get_row(session, dataset_id), numbered_version(session, dataset_id, number))

    def all(self) -> list[DatasetRecord]:
        """Datasets that are not in the bin, newest first; one query."""
        query = select_current().where(Dataset.binned_at.is_(None)).order_by(Dataset.created_at.desc())
        with self._database.reading() as session:
            return [to_record(*row) for row in session.execute(query)]

    def find_sample(self, key: str) -> DatasetRecord | None:
        """The dataset that was made from a bundled sample and is still as it came, or None."""
        of_sample = (Dataset.sample == key, Dataset.binned_at.is_(None), DatasetVersion.number == 1)
        with self._database.reading() as session:
            row = session.execute(select_current().where(*of_sample).order_by(Dataset.created_at.desc())).first()
            return to_record(*row) if row else None

    def uses(self, dataset_ids: Iterable[str], newest: int) -> dict[str, DatasetUses]:
        """The runs outside the bin that were made from these datasets, at most the ``newest`` so many of each by name; by their ids."""
        with self._database.reading() as session:
            return {dataset_id: _uses(session, dataset_id, newest) for dataset_id in dataset_ids}

    # Changes that make no version

    def touch(self, dataset_id: str) -> DatasetRecord:
        """Make a dataset the newest, because a person picked it again."""
        with self._database.transaction() as session:
            get_row(session, dataset_id).created_at = now()
            return _record_of(session, dataset_id)

    def rename(self, dataset_id: str, name: str) -> DatasetRecord:
        """Rename a dataset."""
        with self._database.transaction() as session:
            get_row(session, dataset_id).name = clean_name(name)
            return _record_of(session, dataset_id)

    def tag(self, dataset_id: str, tags: Iterable[str]) -> DatasetRecord:
        """Replace the tags of a dataset. Raises NotFoundError, and StorageError for tags that are too long or too many."""
        cleaned = clean_tags(tags)
        with self._database.transaction() as session:
            get_row(session, dataset_id).tags = cleaned
            return _record_of(session, dataset_id)

    # The bin

    def delete(self, dataset_id: str) -> DatasetRecord:
        """Move a dataset to the bin. Raises StorageError while a run outside the bin refers to it."""
        with self._database.exclusive() as session:
            row = get_row(session, dataset_id)
            if run := session.scalars(select(Run).where(Run.dataset_id == dataset_id, Run.binned_at.is_(None))).first():
                raise StorageError("The run {name} was made from this dataset; delete the run first.", kind="datasets.used", name=run.name)
            row.binned_at = row.binned_at or now()
            return _record_of(session, dataset_id)

    def restore(self, dataset_id: str) -> DatasetRecord:
        """Restore a dataset from the bin. Raises NotFoundError, BoundError."""
        with self._database.exclusive() as session:
            row = get_row(session, dataset_id)
            if row.binned_at is not None:
                require_datasets(session, self._bounds)
            row.binned_at = None
            return _record_of(session, dataset_id)

    def binned(self) -> list[DatasetRecord]:
        """Datasets in the bin, most recently deleted first."""
        query = select_current().where(Dataset.binned_at.is_not(None)).order_by(Dataset.binned_at.desc())
        with self._database.reading() as session:
            return [to_record(*row) for row in session.execute(query)]

    def empty_bin(self, older_than: timedelta = timedelta(0)) -> list[str]:
        """Permanently remove datasets that have been in the bin for ``older_than``, with their versions and files; returns their ids.

        A dataset that a run in the bin refers to stays until that run is removed.
        """
        unused = ~select(Run.id).where(Run.dataset_id == Dataset.id).exists()
        with self._database.exclusive() as session:
            rows = list(session.scalars(select(Dataset).where(Dataset.binned_at <= now() - older_than, unused)))
            removed = [row.id for row in rows]
            for row in rows:
                session.delete(row)
        for dataset_id in removed:
            remove_tree(self._files.dataset_folder(dataset_id))
        return removed


def _record_of(session: Session, dataset_id: str) -> DatasetRecord:
    return to_record(get_row(session, dataset_id), current_version(session, dataset_id))


def _new_version(
    dataset_id: str, number: int, label: str, shape: str, rows: int, usable_rows: int, reading: Json | None, split: Json | None, change: str
) -> DatasetVersion:
    return DatasetVersion(
        id=secrets.token_hex(6), dataset_id=dataset_id, number=number, label=clean_name(label, 300), shape=shape, rows=rows,
        usable_rows=usable_rows, reading=_as_kept(reading), split=_as_kept(split), change=change, created_at=now(),
    )  # fmt: skip


def _as_kept(value: Json | None) -> Any:
    """The value as it comes back from the database, where a tuple is a list and every key is text."""
    return json.loads(json.dumps(value))


def _describe(version: DatasetVersion, files: Staged) -> None:
    version.digest, version.size_bytes = files.digest, files.size_bytes
    version.source_file = f"{files.source_digest}.source" if files.source_digest else None


def _uses(session: Session, dataset_id: str, newest: int) -> DatasetUses:
    of_dataset = (Run.dataset_id == dataset_id, Run.binned_at.is_(None))
    version = DatasetVersion.id == Run.version_id
    runs = select(Run.id, Run.name, DatasetVersion.number).join(DatasetVersion, version).where(*of_dataset)
    counted = select(Run.version_id, func.count().label("runs")).where(*of_dataset).group_by(Run.version_id).subquery()
    counts = select(DatasetVersion.number, counted.c.runs).join(counted, counted.c.version_id == DatasetVersion.id)
    latest = runs.order_by(Run.created_at.desc(), Run.id.desc()).limit(newest)
    of_versions = {int(number): int(runs) for number, runs in session.execute(counts)}
    return DatasetUses(tuple(DatasetUse(*row) for row in session.execute(latest)), of_versions)
