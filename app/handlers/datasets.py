"""Actions of the Data page: inspect an upload, preview rows as they will be trained, save them."""

import json
import math
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

from app.choices import AS_RECOGNISED, Choices
from app.errors import StudioError
from app.handlers.bases import STARTER, check_base
from app.handlers.disk import require_room
from app.handlers.uploads import Progress, Upload, Uploads
from app.people.own_names import new_own_name
from app.remembered import Remembered
from app.samples import all_samples, find_sample
from app.services import Services
from app.words import say
from reft_engine import ReftConfig, RunSpec, TrainConfig
from reft_engine.data import (
    AnyExample,
    Inspection,
    Order,
    ReportItem,
    ReportKind,
    RowCheck,
    Sides,
    StoredExamples,
    StoredRows,
    TableRow,
    TableRows,
    Unit,
    dump_examples,
    example_as_data,
    inspect_file,
    load_examples,
    sides_of,
)
from reft_engine.training import FEW
from storage import DatasetRecord

PREVIEW_ROWS = 10
_SIDES_LOCK = threading.Lock()
_SIDES = Remembered[Sides](20_000_000, lambda sides: sides.size)
"""What divides the rows of the latest versions, five bytes an example, since the form asks again with every share and seed."""
_UPLOADS = Uploads()
_STARTS_WITHIN = 15.0


@dataclass(frozen=True, slots=True)
class Token:
    """A token of a row: its text, whether it is part of the answer, and whether it is edited."""

    text: str
    learned: bool
    edited: bool


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """A row as it is trained; without tokens while the engine is not running."""

    line: int
    example: AnyExample
    tokens: tuple[Token, ...] = ()
    cut: bool = False
    problem: str | None = None


def inspect_upload(path: str | None, choices: Choices = AS_RECOGNISED) -> Inspection:
    """Inspect an uploaded file, which is read only once. Raises DataError, StudioError."""
    return read_upload(path, choices).inspection


def read_upload(path: str | None, choices: Choices = AS_RECOGNISED, count: int = 0) -> Upload:
    """Read an uploaded file; its rows are then on disk; ``count`` as in `Uploads.read`. Raises DataError, StudioError."""
    if not path or not Path(path).is_file():
        raise StudioError(say("data.upload.missing"))
    return _UPLOADS.read(Path(path), choices, count)


def upload_progress(path: Path) -> Progress | None:
    """How far an upload is read; None while nobody reads it."""
    return _UPLOADS.progress(path)


def stop_reading(path: Path) -> None:
    """End the reading of an upload."""
    _UPLOADS.stop(path)


def supersede_reading(path: Path, count: int) -> None:
    """End what the visitor has had read of an upload before ``count``; see `Uploads.supersede`."""
    _UPLOADS.supersede(path, count)


def preview(services: Services, examples: Sequence[AnyExample], reft: ReftConfig | None = None, base: str = STARTER) -> list[PreviewRow]:
    """The first rows as they will be trained: token by token if the engine is running, else as text."""
    first = list(examples[:PREVIEW_ROWS])
    try:
        encoded = services.worker.preview(base, list(map(example_as_data, first)), (reft or ReftConfig()).model_dump(mode="json"))
    except StudioError:
        return [PreviewRow(example.line, example) for example in first]
    return [_preview_row(example, row) for example, row in zip(first, encoded, strict=True)]


TableOrder = Literal[Order, "suspicious"]
"""An order of rows as they are learned; suspicious: those alone of which the report has something to say."""


def places(
    rows: StoredRows, order: TableOrder, search: str, seed: int, only: Collection[int] | None = None, unit: Unit = "row", *,
    report: Callable[[], Sequence[ReportItem]],
) -> list[int]:  # fmt: skip
    """The places of rows as in `StoredRows.places`, without a limit."""
    if order == "suspicious":
        odd = {row for item in report() for row in item.rows}
        numbers = odd if only is None else odd & set(only)
        return rows.places("file", search, limit=len(rows), only=numbers, unit=unit)
    return rows.places(order, search, limit=len(rows), seed=seed, only=only, unit=unit)


def preview_all(services: Services, examples: Sequence[AnyExample], reft: ReftConfig, base: str = STARTER) -> list[PreviewRow]:
    """As `preview`, of all examples, a few at a time."""
    parts = [examples[first : first + PREVIEW_ROWS] for first in range(0, len(examples), PREVIEW_ROWS)]
    return [row for part in parts for row in preview(services, part, reft, base)]


@dataclass(frozen=True, slots=True)
class TablePage:
    """A page of a file's rows as they stand in it.

    Attributes:
        columns: names of the columns.
        roles: the role of each column; of a table that nobody has mapped yet the suggested ones.
        reasons: why a column has its role, by column.
        rows: the cells of a row stand in the order of the columns; of a row that cannot be read there are none.
        total: rows that fit the search and the filter; ``seen`` of ``rows_in_file`` rows can be shown: all, up to `Limits.expanded`.
    """

    columns: tuple[str, ...]
    roles: Mapping[str, str]
    reasons: Mapping[str, str]
    rows: tuple[TableRow, ...]
    total: int
    seen: int
    rows_in_file: int


def table_page(upload: Upload, *, offset: int = 0, count: int = 20, search: str = "", only: str = "") -> TablePage:
    """A page of the rows that hold ``search`` in any cell and are among ``only``.

    Args:
        upload: the file.
        offset: the first row of the page, among those that are found.
        count: rows of a page.
        search: a text, whatever its case.
        only: an item of the report by its kind, or ``line:3,4`` or ``row:3,4``; empty for all.

    Raises:
        DataError: the rows are not there any more.
    """
    rows, inspection = upload.table(), upload.inspection
    numbers: Sequence[int] = range(1, len(rows) + 1)
    if only:
        numbers = _only(rows, only)
    if search.strip():
        found = _holding(upload.folder, search)
        wanted = set(numbers) if only else None
        numbers = found if wanted is None else [number for number in found if number in wanted]
    return TablePage(
        inspection.columns, inspection.read_as.of(inspection.columns), inspection.reasons,
        tuple(rows.read(numbers[offset : offset + count])), len(numbers), len(rows), inspection.rows,
    )  # fmt: skip


def _only(rows: TableRows, only: str) -> Sequence[int]:
    named = named_rows(only)
    if named is None:
        found = rows.listed(only) if only in get_args(ReportKind) else ()
        return found[: bisect_right(found, len(rows))]
    unit, wanted = named[0], sorted(named[1])
    return [number for number in wanted if 0 < number <= len(rows)] if unit == "row" else rows.of_lines(wanted)


def named_rows(only: str) -> tuple[Unit, frozenset[int]] | None:
    """The numbers that ``row:3,4`` or ``line:3,4`` names, and what they count; None for anything else."""
    unit, colon, listed = only.partition(":")
    numbers = frozenset(int(number) for number in listed.split(",") if number.isdecimal())
    return ("row" if unit == "row" else "line", numbers) if colon else None


@lru_cache(maxsize=4)
def _holding(folder: Path, search: str) -> Sequence[int]:
    """Remembered from one page of what is found to the next; a folder is never filled twice."""
    return TableRows(folder).holding(search)


def paste(services: Services, text: str) -> Path:
    """Keep pasted text as an upload: a table copied from a spreadsheet, or the text of any file. Raises StudioError."""
    if not text.strip():
        raise StudioError(say("data.paste.empty"))
    folder = services.storage.files.uploads / new_own_name()
    folder.mkdir(parents=True)
    path = folder / "pasted.tsv"
    path.write_text(text, encoding="utf-8")
    return path


def type_rows(services: Services, rows: Sequence[tuple[str, str]]) -> Path:
    """Keep typed prompts and answers as an upload; empty lines are left out. Raises StudioError."""
    filled = [{"prompt": prompt, "answer": answer} for prompt, answer in rows if prompt.strip() or answer.strip()]
    if not filled:
        raise StudioError(say("data.typed.empty"))
    path = paste(services, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in filled))
    return path.rename(path.with_name("typed.jsonl"))


def _preview_row(example: AnyExample, row: dict[str, Any]) -> PreviewRow:
    tokens = tuple(Token(text, kind == "answer", edited) for text, kind, edited in row["tokens"])
    return PreviewRow(example.line, example, tokens, bool(row.get("cut")), row.get("problem"))


def suggested_held_out(rows: int) -> float:
    """The suggested held-out share of a dataset with ``rows`` rows."""
    share = TrainConfig().held_out
    if rows < 4 * FEW:
        return share
    return max(share, math.ceil(100 * FEW / rows) / 100)  # with fewer held-out rows next to nothing can be said


def wait_for_engine(services: Services) -> None:
    """Wait for an engine that is still starting, but not for ever."""
    deadline = time.monotonic() + _STARTS_WITHIN
    while services.worker.health() is None and time.monotonic() < deadline:
        time.sleep(0.2)


def check_upload(services: Services, upload: Upload, base: str = STARTER) -> RowCheck | None:
    """Count the rows of an upload that a base model can be trained on, with the suggested settings; see `check_dataset`.

    None if that is unknown: the engine is not running, the base model is not on this machine, or there are no rows yet.

    Raises:
        StudioError: the base model is not offered here, or cannot be trained on such rows.
    """
    if not upload.inspection.examples:
        return None
    spec = _suggested_spec(services, base, upload.inspection.usable_rows)
    return _check(services, spec, {"upload": str(upload.rows_file.resolve()), "file_rows": upload.inspection.rows})


def check_kept(services: Services, dataset: DatasetRecord, base: str = STARTER) -> RowCheck | None:
    """As `check_upload`, of a saved dataset. Raises StudioError."""
    return check_dataset(services, dataset.id, _suggested_spec(services, base, dataset.usable_rows))


def _suggested_spec(services: Services, base: str, rows: int) -> RunSpec:
    return RunSpec(base=check_base(services.settings, base), train=TrainConfig(held_out=suggested_held_out(rows)))


def check_dataset(services: Services, dataset_id: str, spec: RunSpec) -> RowCheck | None:
    """Count the rows of a saved dataset that a base model can be trained on; see `check_upload`. Raises NotFoundError, StudioError."""
    dataset = services.storage.datasets.get(dataset_id)
    return _check(services, spec, {"dataset": dataset_id, "file_rows": dataset.rows})


def _check(services: Services, spec: RunSpec, rows: dict[str, Any]) -> RowCheck | None:
    if services.worker.health() is None:
        return None
    # A baseline reads rows as an edit with its labels does.
    read_as = ReftConfig(labels=spec.peft.labels, pooling=spec.peft.pooling) if spec.peft else spec.reft
    settings = {"reft": read_as.model_dump(mode="json"), "train": spec.train.model_dump(mode="json")}
    return services.worker.check({"base": spec.base, "revision": spec.revision, **settings, **rows})


def save_upload(services: Services, path: str | None, *, label: str, name: str = "", choices: Choices = AS_RECOGNISED) -> DatasetRecord:
    """Save the usable rows of an upload; the same rows under the same name are saved only once. Raises DataError, StudioError."""
    upload = read_upload(path, choices)
    inspection = upload.inspection
    if inspection.needs_encoding:
        raise StudioError(say("data.encoding.missing"))
    if inspection.needs_mapping:
        raise StudioError(say("data.columns.missing"))
    if not inspection.examples:
        raise StudioError(say("data.rows.none"))
    require_room(services)
    dataset = services.storage.datasets.create(
        name=name.strip() or Path(label).stem, label=label, shape=inspection.shape, rows=inspection.rows,
        usable_rows=inspection.usable_rows, source=Path(str(path)), examples=upload.rows_file, reading=choices.as_data(),
    )  # fmt: skip
    _UPLOADS.drop(Path(str(path)))
    return dataset


def use_sample(services: Services, key: str) -> DatasetRecord:
    """Make a bundled sample the newest dataset; it is saved only once."""
    sample = find_sample(key)
    if sample is None:
        raise StudioError(say("data.no_sample"))
    earlier = services.storage.datasets.find_sample(key)
    if earlier:
        return services.storage.datasets.touch(earlier.id)
    inspection = inspect_file(sample.path)
    return services.storage.datasets.create(
        name=sample.title, label=sample.file, shape=inspection.shape, rows=inspection.rows, usable_rows=inspection.usable_rows,
        source=sample.path, examples=dump_examples(inspection.examples), sample=key,
    )  # fmt: skip


def examples_of(services: Services, dataset_id: str, limit: int | None = None, *, version_id: str | None = None) -> list[AnyExample]:
    """Examples of a saved dataset: of one version, by default the current one. Raises NotFoundError, DataError."""
    stored = services.storage.datasets
    version = stored.version(version_id) if version_id else stored.get(dataset_id).version
    return load_examples(services.storage.files.rows(version), limit)


def split_sizes(services: Services, dataset_id: str, share: float, seed: int) -> tuple[int, int]:
    """Number of training and of held-out examples of a dataset; a chat with several answers counts as several.

    Raises NotFoundError, DataError.
    """
    path = services.storage.files.rows(services.storage.datasets.get(dataset_id).version)
    changed = path.stat().st_mtime_ns if path.is_file() else 0
    with _SIDES_LOCK:
        sides = _SIDES.get((path, changed), lambda: sides_of(StoredExamples(path)))
    trained, held_out = sides.indices(share, seed)
    return len(trained), len(held_out)


def delete_dataset(services: Services, dataset_id: str) -> None:
    """Move a dataset to the bin; refused while a run outside the bin refers to it. Raises StorageError."""
    services.storage.datasets.delete(dataset_id)


def restore_dataset(services: Services, dataset_id: str) -> DatasetRecord:
    """Take a dataset out of the bin. Raises NotFoundError."""
    return services.storage.datasets.restore(dataset_id)


def empty_bin(services: Services) -> None:
    """Delete the datasets in the bin for good; one that a run in its bin was made from stays until that run is gone."""
    services.storage.datasets.empty_bin()


def sample_keys() -> list[str]:
    """Keys of the bundled samples."""
    return [sample.key for sample in all_samples()]
