"""A dataset that is kept: its rows by pages, its versions, and what a person makes of it: other texts, other sides, a file to take away."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from app.errors import StudioError
from app.handlers.disk import require_room
from app.services import Services
from app.words import say
from reft_engine.data import (
    Differences,
    ExportFormat,
    Order,
    SplitPlan,
    StoredRows,
    change_rows,
    differences,
    divide_rows,
    export_rows,
    texts_of,
)
from storage import DatasetRecord, DatasetUse, DatasetVersionRecord

PAGE_ROWS = 20


@dataclass(frozen=True, slots=True)
class KeptRow:
    """A row of a version: its number, its line in the file, its texts by their names, and the side that it is on, if it is divided."""

    number: int
    line: int
    texts: Mapping[str, str]
    side: str = ""


@dataclass(frozen=True, slots=True)
class KeptPage:
    """A page of a version's rows; ``total`` of them hold what was searched for."""

    rows: tuple[KeptRow, ...]
    offset: int
    total: int


@dataclass(frozen=True, slots=True)
class Kept:
    """A dataset with one of its versions, all of them, newest first, and the runs outside the bin that learn from it."""

    dataset: DatasetRecord
    version: DatasetVersionRecord
    versions: tuple[DatasetVersionRecord, ...]
    uses: tuple[DatasetUse, ...]

    @property
    def is_current(self) -> bool:
        """Whether the version is the newest, which alone can be changed."""
        return self.version.id == self.dataset.version.id


def open_dataset(services: Services, dataset_id: str, number: int | None = None) -> Kept:
    """A dataset with its version of this number, by default the newest. Raises NotFoundError, StudioError."""
    store = services.storage.datasets
    dataset, versions = store.get(dataset_id), store.versions(dataset_id)
    version = next((each for each in versions if each.number == number), None) if number else dataset.version
    if version is None:
        raise StudioError(say("kept.no_version", number=number))
    return Kept(dataset, version, tuple(versions), tuple(store.used_by(dataset_id)))


def rows_page(services: Services, kept: Kept, *, offset: int = 0, search: str = "", order: Order = "file") -> KeptPage:
    """A page of the rows of a version. Raises DataError."""
    rows = _rows(services, kept.version)
    places = rows.places(order, search, limit=len(rows))
    offset = offset if offset < len(places) else 0
    return KeptPage(tuple(_row(data) for data in rows.data(places[offset : offset + PAGE_ROWS])), offset, len(places))


def _row(data: Mapping[str, object]) -> KeptRow:
    row = dict(data)
    number, line = int(str(row.get("row", 0))), int(str(row["line"]))
    return KeptRow(number, line, texts_of(row), str(row.get("split", "")))


def _rows(services: Services, version: DatasetVersionRecord) -> StoredRows:
    return StoredRows(services.storage.files.rows(version))


# Other versions


def change(services: Services, dataset_id: str, texts: Mapping[int, Mapping[str, str]], dropped: Sequence[int]) -> DatasetRecord:
    """Add a version with other texts and without some rows. Raises NotFoundError, DataError, StorageError, StudioError."""
    changed = sum(len(each) for number, each in texts.items() if number not in dropped)
    if not changed and not dropped:
        raise StudioError(say("kept.nothing_changed"))
    said = [say("kept.changed", count=changed)] if changed else []
    said += [say("kept.dropped", count=len(dropped))] if dropped else []
    dataset = services.storage.datasets.get(dataset_id)
    with _beside(services) as out:
        rows = change_rows(services.storage.files.rows(dataset.version), out, texts, set(dropped))
        return _add(services, dataset, out, rows, " ".join(said), dataset.version.split)


def divide(services: Services, dataset_id: str, plan: SplitPlan) -> DatasetRecord:
    """Add a version whose rows are divided by a plan. Raises NotFoundError, DataError, StorageError, StudioError."""
    dataset = services.storage.datasets.get(dataset_id)
    with _beside(services) as out:
        counts = divide_rows(services.storage.files.rows(dataset.version), out, plan)
        split = {**plan.model_dump(), "counts": counts}
        return _add(services, dataset, out, dataset.usable_rows, say("kept.divided", held=counts.get("held-out", 0)), split)


@contextmanager
def _beside(services: Services) -> Iterator[Path]:
    """A file to write rows into, which is removed unless it was kept."""
    path = services.storage.files.uploads / f"{token_hex(16)}.jsonl"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _add(
    services: Services, dataset: DatasetRecord, out: Path, usable_rows: int, sentence: str, split: Mapping[str, object] | None
) -> DatasetRecord:  # fmt: skip
    require_room(services)
    version = dataset.version
    return services.storage.datasets.add_version(
        dataset.id, label=version.label, shape=version.shape, rows=version.rows, usable_rows=usable_rows, examples=out, change=sentence,
        reading=version.reading, split=dict(split) if split else None,
    )  # fmt: skip


def compare(services: Services, before: str, after: str) -> Differences:
    """What differs between two versions. Raises NotFoundError, DataError."""
    files, store = services.storage.files, services.storage.datasets
    return differences(files.rows(store.version(before)), files.rows(store.version(after)))


# To take away


def export(services: Services, version_id: str, form: ExportFormat) -> tuple[str, Path]:
    """The name and the path of a version's rows as a file for other programs; who asked removes it. Raises NotFoundError, DataError."""
    version = services.storage.datasets.version(version_id)
    dataset = services.storage.datasets.get(version.dataset_id)
    folder = services.storage.files.uploads / token_hex(16)
    folder.mkdir(parents=True)
    path = folder / f"rows.{form}"
    try:
        export_rows(services.storage.files.rows(version), path, form)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return f"{dataset.name} v{version.number}.{form}", path
