"""The store of datasets: their rows in the database, and their files in the data folder."""

import secrets
import shutil
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.database import Database
from storage.errors import NotFoundError, StorageError
from storage.files import Files, remove_tree, write_atomic
from storage.records import DatasetRecord
from storage.tables import Dataset, Run, now

NAME_LIMIT = 200


def clean_name(name: str, limit: int = NAME_LIMIT) -> str:
    """Reduce a name to one printable line of at most ``limit`` characters; an empty one becomes "untitled"."""
    printable = "".join(character if character.isprintable() else " " for character in name)
    return " ".join(printable.split())[:limit] or "untitled"


class DatasetStore:
    """Creates, lists and removes datasets."""

    def __init__(self, database: Database, files: Files) -> None:
        self._database, self._files = database, files

    def create(
        self, *, name: str, label: str, shape: str, rows: int, usable_rows: int, source: Path, examples: bytes,
        mapping: dict[str, str] | None = None, sample: str | None = None,
    ) -> DatasetRecord:  # fmt: skip
        """Save a dataset: a copy of its source file and its normalised examples (JSON Lines).

        A ``sample``, or the same rows under the same name, is saved only once: the existing dataset becomes the newest.
        """
        dataset_id = secrets.token_hex(6)
        folder = self._files.dataset_folder(dataset_id)
        try:
            folder.mkdir(parents=True)
            shutil.copyfile(source, folder / "source")
            write_atomic(self._files.examples(dataset_id), examples)
            row = Dataset(id=dataset_id, name=clean_name(name), label=clean_name(label, 300), shape=shape, rows=rows,
                          usable_rows=usable_rows, mapping=mapping, sample=sample,
                          size_bytes=sum(path.stat().st_size for path in folder.iterdir()))  # fmt: skip
            with self._database.exclusive() as session:
                if duplicate := self._find_duplicate(session, row, examples):
                    duplicate.created_at = now()
                else:
                    session.add(row)
        except OSError as error:
            remove_tree(folder)
            raise StorageError(
                "The dataset could not be written: {reason}.", kind="datasets.not_written", reason=error.strerror or str(error)
            ) from error
        except BaseException:
            remove_tree(folder)
            raise
        if duplicate:
            remove_tree(folder)
        return _to_record(duplicate or row)

    def _find_duplicate(self, session: Session, row: Dataset, examples: bytes) -> Dataset | None:
        """The existing dataset with the same content, for example from a second click or tab."""
        if row.sample:
            return session.scalars(select(Dataset).where(Dataset.sample == row.sample)).first()
        candidates = select(Dataset).where(Dataset.name == row.name, Dataset.label == row.label, Dataset.size_bytes == row.size_bytes)
        return next((other for other in session.scalars(candidates) if self._same_rows(other.id, examples)), None)

    def _same_rows(self, dataset_id: str, examples: bytes) -> bool:
        try:
            return self._files.examples(dataset_id).read_bytes() == examples
        except OSError:
            return False

    def get(self, dataset_id: str) -> DatasetRecord:
        """One dataset. Raises NotFoundError."""
        with self._database.reading() as session:
            return _to_record(_get_row(session, dataset_id))

    def all(self) -> list[DatasetRecord]:
        """Every dataset, newest first."""
        with self._database.reading() as session:
            return [_to_record(row) for row in session.scalars(select(Dataset).order_by(Dataset.created_at.desc()))]

    def find_sample(self, key: str) -> DatasetRecord | None:
        """The dataset made from a bundled sample, or None."""
        with self._database.reading() as session:
            row = session.scalars(select(Dataset).where(Dataset.sample == key).order_by(Dataset.created_at.desc())).first()
            return _to_record(row) if row else None

    def touch(self, dataset_id: str) -> DatasetRecord:
        """Make a dataset the newest, because a person picked it again."""
        with self._database.transaction() as session:
            row = _get_row(session, dataset_id)
            row.created_at = now()
            return _to_record(row)

    def rename(self, dataset_id: str, name: str) -> DatasetRecord:
        """Rename a dataset."""
        with self._database.transaction() as session:
            row = _get_row(session, dataset_id)
            row.name = clean_name(name)
            return _to_record(row)

    def delete(self, dataset_id: str) -> None:
        """Remove a dataset. Raises StorageError while a run refers to it."""
        with self._database.exclusive() as session:
            row = _get_row(session, dataset_id)
            # Name a run outside the bin if there is one: that is the one that the person can see.
            if run := session.scalars(select(Run).where(Run.dataset_id == dataset_id).order_by(Run.binned_at.is_not(None))).first():
                if run.binned_at:
                    raise StorageError(
                        "The run {name} in the bin was made from this dataset; empty the bin first.",
                        kind="datasets.used_in_bin",
                        name=run.name,
                    )
                raise StorageError("The run {name} was made from this dataset; delete the run first.", kind="datasets.used", name=run.name)
            session.delete(row)
        remove_tree(self._files.dataset_folder(dataset_id))


def _get_row(session: Session, dataset_id: str) -> Dataset:
    row = session.get(Dataset, dataset_id)
    if row is None:
        raise NotFoundError("There is no such dataset.", kind="datasets.not_found")
    return row


def _to_record(row: Dataset) -> DatasetRecord:
    return DatasetRecord(
        id=row.id, name=row.name, label=row.label, shape=row.shape, rows=row.rows, usable_rows=row.usable_rows,
        mapping=row.mapping, sample=row.sample, size_bytes=row.size_bytes, created_at=row.created_at,
    )  # fmt: skip
