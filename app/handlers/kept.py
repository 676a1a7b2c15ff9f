"""A dataset that is kept: its versions, and what a person makes of it: other texts, other sides, a file to take away, the bin."""

import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from secrets import token_hex
from typing import get_args

from pydantic import ValidationError

from app.choices import AS_RECOGNISED, Choices
from app.errors import StudioError
from app.handlers import datasets
from app.handlers.disk import require_room
from app.handlers.uploads import Upload
from app.services import Services
from app.words import say
from reft_engine import DataError
from reft_engine.data import (
    HELD_OUT,
    TRAIN,
    Differences,
    ExportFormat,
    Remedy,
    SplitPlan,
    StoredReport,
    change_rows,
    differences,
    divide_rows,
    export_rows,
    join_rows,
    report_of,
    rows_to_drop,
    shared_prompts,
)
from storage import DatasetRecord, DatasetUses, DatasetVersionRecord

NAMED_RUNS = 12
"""Runs of a dataset that are named; the others are counted."""
FORMS: tuple[ExportFormat, ...] = get_args(ExportFormat)


@dataclass(frozen=True, slots=True)
class Kept:
    """A dataset with one of its versions, all of them, newest first, and the runs outside the bin that learn from it."""

    dataset: DatasetRecord
    version: DatasetVersionRecord
    versions: tuple[DatasetVersionRecord, ...]
    uses: DatasetUses

    @property
    def is_current(self) -> bool:
        """Whether the version is the newest, which alone can be changed."""
        return self.version.id == self.dataset.version.id


def open_dataset(services: Services, dataset_id: str, number: int | None = None) -> Kept:
    """A dataset with its version of this number, by default the newest. Raises NotFoundError, StudioError."""
    store = services.storage.datasets
    dataset, versions = store.get(dataset_id), store.versions(dataset_id)
    version = next((each for each in versions if each.number == number), None) if number is not None else dataset.version
    if version is None:
        raise StudioError(say("kept.no_version", number=number))
    return Kept(dataset, version, tuple(versions), store.uses([dataset_id], NAMED_RUNS)[dataset_id])


def report(services: Services, kept: Kept) -> StoredReport:
    """What stands out in the rows of a version. Raises DataError."""
    return _report(services.storage.files.rows(kept.version))


@lru_cache(maxsize=16)
def _report(path: Path) -> StoredReport:
    return report_of(path)


@dataclass(frozen=True, slots=True)
class Sides:
    """How a version is divided: its examples by side, and how many held-out rows have a prompt that is trained as well."""

    counts: Mapping[str, int]
    shared: int


def sides(services: Services, kept: Kept) -> Sides | None:
    """The sides of a version; None if it is not divided. Raises DataError."""
    split = kept.version.split
    return Sides(split.get("counts", {}), _shared(services.storage.files.rows(kept.version))) if split else None


@lru_cache(maxsize=16)
def _shared(path: Path) -> int:
    return shared_prompts(path)


# Other versions


def change(
    services: Services, dataset_id: str, texts: Mapping[int, Mapping[str, str]], dropped: Collection[int], remedies: Collection[Remedy] = ()
) -> DatasetRecord:  # fmt: skip
    """Add a version with other texts and without some rows, also those that remedies drop.

    Raises:
        NotFoundError, StorageError: the dataset is not there, or in the bin.
        DataError: see `change_rows`.
        StudioError: nothing was changed.
    """
    dataset = services.storage.datasets.get(dataset_id)
    path = services.storage.files.rows(dataset.version)
    gone = {*dropped, *(rows_to_drop(path, remedies) if remedies else ())}
    changed = sum(len(each) for number, each in texts.items() if number not in gone)
    if not changed and not gone:
        raise StudioError(say("kept.nothing_changed"))
    said = [say("kept.changed", count=changed)] if changed else []
    said += [say("kept.dropped", count=len(gone))] if gone else []
    with beside(services) as out:
        usable = change_rows(path, out, texts, gone)
        rows = dataset.rows - (dataset.usable_rows - usable)  # what a person drops is no row that cannot be used
        return add_version(services, dataset, out, rows, usable, " ".join(said), dataset.version.split)


def divide(services: Services, dataset_id: str, plan: SplitPlan) -> DatasetRecord:
    """Add a version whose rows are divided by a plan. Raises NotFoundError, DataError, StorageError, StudioError."""
    dataset = services.storage.datasets.get(dataset_id)
    with beside(services) as out:
        counts = divide_rows(services.storage.files.rows(dataset.version), out, plan)
        split = {**plan.model_dump(), "counts": counts}
        said = say("kept.divided", held=counts.get(HELD_OUT, 0))
        return add_version(services, dataset, out, dataset.rows, dataset.usable_rows, said, split)


def hold_out_file(services: Services, dataset_id: str, path: str | None) -> DatasetRecord:
    """Add a version whose held-out rows are those of a file of their own; the rows that it has are all trained on.

    Raises:
        NotFoundError, StorageError: the dataset is not there, or in the bin.
        DataError, StudioError: the file cannot be read, its columns are others, or it has no row that can be used.
    """
    dataset = services.storage.datasets.get(dataset_id)
    upload = _read_alike(path, Choices.of_data(dataset.version.reading))
    if upload.inspection.needs_encoding or upload.inspection.needs_mapping or not upload.inspection.examples:
        raise StudioError(say("kept.other_columns", reason=upload.inspection.sentence))
    with beside(services) as out:
        usable = join_rows(services.storage.files.rows(dataset.version), upload.rows_file, out)
        held_out = upload.inspection.usable_rows
        split = {"method": "file", "file": Path(str(path)).name[:200], "counts": {TRAIN: usable - held_out, HELD_OUT: held_out}}
        rows = dataset.rows + upload.inspection.rows
        return add_version(services, dataset, out, rows, usable, say("kept.divided", held=held_out), split)


def _read_alike(path: str | None, choices: Choices) -> Upload:
    """A file, read as the dataset's own was; as it is recognised if it is another kind of file. Raises DataError, StudioError."""
    with suppress(DataError, StudioError):
        upload = datasets.read_upload(path, Choices(choices.columns))
        if upload.inspection.examples:
            return upload
    return datasets.read_upload(path, AS_RECOGNISED)


def bring_back(services: Services, dataset_id: str, number: int) -> DatasetRecord:
    """Add a version with the rows of an earlier one. Raises NotFoundError, StorageError, StudioError."""
    old = open_dataset(services, dataset_id, number).version
    with beside(services) as out:
        shutil.copyfile(services.storage.files.rows(old), out)
        dataset = services.storage.datasets.get(dataset_id)
        return add_version(services, dataset, out, old.rows, old.usable_rows, say("kept.brought_back", number=number), old.split)


def plan_of(method: str, share: float | None, seed: float | None) -> SplitPlan:
    """The plan that a person has filled in; the share is in percent. Raises StudioError."""
    try:
        return SplitPlan.model_validate({"method": method, "share": (share or 0) / 100, "seed": seed or 0})
    except ValidationError as error:
        raise StudioError(say("kept.split.refused")) from error


def rename(services: Services, dataset_id: str, name: str, tags: Collection[str]) -> DatasetRecord:
    """Give a dataset another name and other tags. Raises NotFoundError, StorageError."""
    if not name.strip():
        raise StudioError(say("kept.naming.empty"))
    services.storage.datasets.tag(dataset_id, tags)
    return services.storage.datasets.rename(dataset_id, name)


@contextmanager
def beside(services: Services) -> Iterator[Path]:
    """A file to write rows into, which is removed unless it was kept."""
    path = services.storage.files.uploads / f"{token_hex(16)}.jsonl"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def add_version(
    services: Services, dataset: DatasetRecord, out: Path, rows: int, usable_rows: int, said: str, split: Mapping[str, object] | None
) -> DatasetRecord:  # fmt: skip
    """Add a version that was made from this one, the newest, and says what differs.

    Raises:
        MovedOnError: meanwhile there is a newer one.
        NotFoundError, StorageError, StudioError: the dataset is not there, is in the bin, or has no room.
    """
    require_room(services)
    version = dataset.version
    return services.storage.datasets.add_version(
        dataset.id, label=version.label, shape=version.shape, rows=rows, usable_rows=usable_rows, examples=out, change=said,
        reading=version.reading, split=dict(split) if split else None, onto=version.id,
    )  # fmt: skip


def compare(services: Services, before: str, after: str) -> Differences:
    """What differs between two versions. Raises NotFoundError, DataError."""
    files, store = services.storage.files, services.storage.datasets
    return differences(files.rows(store.version(before)), files.rows(store.version(after)))


# To take away


def export(services: Services, dataset_id: str, number: int, form: str) -> tuple[str, Path]:
    """The name and the path of a version's rows as a file for other programs; who asked removes its folder.

    Raises:
        NotFoundError, StudioError: there is no such version, or no such form.
        DataError: the rows are missing or damaged.
    """
    opened = open_dataset(services, dataset_id, number)
    if form not in FORMS:
        raise StudioError(say("kept.no_form", form=form[:20]))
    folder = services.storage.files.uploads / token_hex(16)
    folder.mkdir(parents=True)
    path = folder / f"rows.{form}"
    try:
        export_rows(services.storage.files.rows(opened.version), path, form)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return f"{opened.dataset.name} v{number}.{form}", path
