"""Disk usage of a data folder."""

import os
import re
import shutil
from collections import Counter
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from storage.errors import damaged_database, reason_of
from storage.files import entry_size, folder_size
from storage.store import Storage
from storage.tables import Dataset, Run

LOG_FILE = re.compile(r"(log\.txt|\w+\.log)(\.\d+)?")


@dataclass(frozen=True, slots=True)
class DiskUsage:
    """Bytes used by each kind of content, and bytes free on the disk.

    The logs of runs count as ``runs``; ``bin`` is of the runs and datasets in the bin, which count nowhere else. Saved conversations lie in
    the database, those in the bin too.
    """

    datasets: int
    runs: int
    bin: int
    other: int
    free: int
    uploads: int = 0
    logs: int = 0
    database: int = 0

    @property
    def total(self) -> int:
        """Bytes used by the whole data folder."""
        return self.datasets + self.runs + self.bin + self.other + self.uploads + self.logs + self.database


def disk_usage(storage: Storage) -> DiskUsage:
    """Measure the data folder. Raises StorageError."""
    root = storage.files.root
    try:
        with storage.database.reading() as session:
            runs = list(session.scalars(select(Run.id).where(Run.binned_at.is_not(None))))
            datasets = list(session.scalars(select(Dataset.id).where(Dataset.binned_at.is_not(None))))
    except SQLAlchemyError as error:
        raise damaged_database(reason_of(error)) from error
    sizes: Counter[str] = Counter()
    for entry in os.scandir(root):
        sizes[_category(entry.name)] += entry_size(entry)
    binned_runs = sum(folder_size(storage.files.run_folder(run_id)) for run_id in runs)
    binned_datasets = sum(folder_size(storage.files.dataset_folder(dataset_id)) for dataset_id in datasets)
    sizes["bin"] = binned_runs + binned_datasets
    sizes["runs"] = max(0, sizes["runs"] - binned_runs)
    sizes["datasets"] = max(0, sizes["datasets"] - binned_datasets)
    return DiskUsage(free=shutil.disk_usage(root).free, **{name: sizes[name] for name in DiskUsage.__dataclass_fields__ if name != "free"})


def _category(name: str) -> str:
    if name in ("datasets", "runs", "uploads"):
        return name
    if name.startswith("studio.db"):
        return "database"
    return "logs" if LOG_FILE.fullmatch(name) else "other"
