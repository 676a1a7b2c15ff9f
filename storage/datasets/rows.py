"""Queries for datasets with their current versions, and their conversion to records."""

from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, aliased

from storage.errors import NotFoundError, StorageError
from storage.records import DatasetRecord, DatasetVersionRecord
from storage.tables import Dataset, DatasetVersion


def select_current(*columns: Any) -> Select[Any]:
    """Query for datasets, each with its current version: one statement for any number of them."""
    other = aliased(DatasetVersion)
    newest = select(func.max(other.number)).where(other.dataset_id == Dataset.id).correlate(Dataset).scalar_subquery()
    of_dataset = (DatasetVersion.dataset_id == Dataset.id) & (DatasetVersion.number == newest)
    return select(*(columns or (Dataset, DatasetVersion))).select_from(Dataset).join(DatasetVersion, of_dataset)


def get_row(session: Session, dataset_id: str) -> Dataset:
    """The row of a dataset. Raises NotFoundError."""
    row = session.get(Dataset, dataset_id)
    if row is None:
        raise NotFoundError("There is no such dataset.", kind="datasets.not_found")
    return row


def get_version(session: Session, version_id: str) -> DatasetVersion:
    """The row of a version. Raises NotFoundError."""
    row = session.get(DatasetVersion, version_id)
    if row is None:
        raise NotFoundError("There is no such version of a dataset.", kind="datasets.no_version")
    return row


def current_version(session: Session, dataset_id: str) -> DatasetVersion:
    """The row of a dataset's current version. Raises NotFoundError."""
    row: DatasetVersion | None = session.scalars(select_current(DatasetVersion).where(Dataset.id == dataset_id)).first()
    if row is None:
        raise NotFoundError("There is no such dataset.", kind="datasets.not_found")
    return row


def numbered_version(session: Session, dataset_id: str, number: str) -> DatasetVersion:
    """The row of a dataset's version with this number. Raises NotFoundError."""
    query = select(DatasetVersion).where(DatasetVersion.dataset_id == dataset_id)
    row = session.scalars(query.where(DatasetVersion.number == int(number))).first() if number.isdecimal() and len(number) < 9 else None
    if row is None:
        raise NotFoundError("There is no such version of a dataset.", kind="datasets.no_version")
    return row


def refuse_binned(dataset: Dataset) -> None:
    """Raises StorageError if a dataset is in the bin."""
    if dataset.binned_at is not None:
        raise StorageError("The dataset {name} is in the bin; restore it first.", kind="datasets.in_bin", name=dataset.name)


def get_dataset_and_version(session: Session, dataset_id: str, version_id: str | None) -> tuple[Dataset, DatasetVersion]:
    """The rows that a new run refers to: a dataset outside the bin, and one of its versions, by default the current one.

    Raises:
        NotFoundError: there is no such dataset, or it has no such version.
        StorageError: the dataset is in the bin.
    """
    dataset = get_row(session, dataset_id)
    refuse_binned(dataset)
    version = get_version(session, version_id) if version_id else current_version(session, dataset_id)
    if version.dataset_id != dataset_id:
        raise NotFoundError("There is no such version of a dataset.", kind="datasets.no_version")
    return dataset, version


def to_version_record(row: DatasetVersion) -> DatasetVersionRecord:
    """Convert a row to a record."""
    return DatasetVersionRecord(
        id=row.id, dataset_id=row.dataset_id, number=row.number, digest=row.digest, source_file=row.source_file, label=row.label,
        shape=row.shape, rows=row.rows, usable_rows=row.usable_rows, reading=row.reading, split=row.split, change=row.change,
        size_bytes=row.size_bytes, created_at=row.created_at,
    )  # fmt: skip


def to_record(row: Dataset, version: DatasetVersion) -> DatasetRecord:
    """Convert a row and that of its current version to a record."""
    return DatasetRecord(
        id=row.id, name=row.name, tags=tuple(row.tags), sample=row.sample, created_at=row.created_at, binned_at=row.binned_at,
        version=to_version_record(version),
    )  # fmt: skip
