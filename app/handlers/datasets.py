"""Actions of the Data page: inspect an upload, preview rows as they will be trained, save them."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from app.errors import StudioError
from app.handlers.bases import STARTER, check_base
from app.handlers.disk import require_room
from app.handlers.uploads import Uploads
from app.samples import all_samples, find_sample
from app.services import Services
from app.words import say
from reft_engine import Example, ReftConfig, RunSpec, TrainConfig
from reft_engine.data import ColumnMapping, Inspection, RowCheck, dump_examples, example_as_data, inspect_file, load_examples, split
from reft_engine.training import FEW
from storage import DatasetRecord

PREVIEW_ROWS = 10
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
    example: Example
    tokens: tuple[Token, ...] = ()
    cut: bool = False
    problem: str | None = None


def mapping_of(prompt: str | None, answer: str | None) -> ColumnMapping | None:
    """The chosen columns, if both are chosen."""
    return ColumnMapping(prompt=prompt, answer=answer) if prompt and answer else None


def inspect_upload(path: str | None, prompt: str | None = None, answer: str | None = None) -> Inspection:
    """Inspect an uploaded file, which is parsed only once. Raises DataError, StudioError."""
    if not path or not Path(path).is_file():
        raise StudioError(say("data.upload.missing"))
    return _UPLOADS.inspect(Path(path), mapping_of(prompt, answer))


def preview(services: Services, examples: Sequence[Example], reft: ReftConfig | None = None, base: str = STARTER) -> list[PreviewRow]:
    """The first rows as they will be trained: token by token if the engine is running, else as text."""
    first = list(examples[:PREVIEW_ROWS])
    try:
        encoded = services.worker.preview(base, list(map(example_as_data, first)), (reft or ReftConfig()).model_dump(mode="json"))
    except StudioError:
        return [PreviewRow(example.line, example) for example in first]
    return [_preview_row(example, row) for example, row in zip(first, encoded, strict=True)]


def _preview_row(example: Example, row: dict[str, Any]) -> PreviewRow:
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


def check_upload(services: Services, inspection: Inspection, base: str = STARTER) -> RowCheck | None:
    """Count the rows of an upload that a base model can be trained on, with the suggested settings; see `check_dataset`.

    None if that is unknown: the engine is not running, the base model is not on this machine, or there are no rows yet.

    Raises:
        StudioError: the base model is not offered here, or cannot be trained on such rows.
    """
    if not inspection.examples:
        return None
    train = TrainConfig(held_out=suggested_held_out(inspection.usable_rows))
    spec = RunSpec(base=check_base(services.settings, base), train=train)
    return _check(services, spec, {"rows": list(map(example_as_data, inspection.examples)), "file_rows": inspection.rows})


def check_dataset(services: Services, dataset_id: str, spec: RunSpec) -> RowCheck | None:
    """Count the rows of a saved dataset that a base model can be trained on; see `check_upload`. Raises NotFoundError, StudioError."""
    dataset = services.storage.datasets.get(dataset_id)
    return _check(services, spec, {"dataset": dataset.id, "file_rows": dataset.rows})


def _check(services: Services, spec: RunSpec, rows: dict[str, Any]) -> RowCheck | None:
    if services.worker.health() is None:
        return None
    settings = {"reft": spec.reft.model_dump(mode="json"), "train": spec.train.model_dump(mode="json")}
    return services.worker.check({"base": spec.base, "revision": spec.revision, **settings, **rows})


def save_upload(
    services: Services, path: str | None, *, label: str, name: str = "", prompt: str | None = None, answer: str | None = None
) -> DatasetRecord:
    """Save the usable rows of an upload; the same rows under the same name are saved only once. Raises DataError, StudioError."""
    inspection = inspect_upload(path, prompt, answer)
    if inspection.needs_mapping:
        raise StudioError(say("data.columns.missing"))
    if not inspection.examples:
        raise StudioError(say("data.rows.none"))
    require_room(services)
    mapping = mapping_of(prompt, answer)
    dataset = services.storage.datasets.create(
        name=name.strip() or Path(label).stem, label=label, shape=inspection.shape, rows=inspection.rows,
        usable_rows=inspection.usable_rows, source=Path(str(path)), examples=dump_examples(inspection.examples),
        mapping=mapping.model_dump() if mapping else None,
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


def examples_of(services: Services, dataset_id: str, limit: int | None = None) -> list[Example]:
    """Examples of a saved dataset. Raises NotFoundError, DataError."""
    services.storage.datasets.get(dataset_id)
    return load_examples(services.storage.files.examples(dataset_id), limit)


def split_sizes(services: Services, dataset_id: str, share: float, seed: int) -> tuple[int, int]:
    """Number of training and of held-out examples of a dataset; a chat with several answers counts as several.

    Raises NotFoundError, DataError.
    """
    services.storage.datasets.get(dataset_id)
    path = services.storage.files.examples(dataset_id)
    return _split_sizes(path, path.stat().st_mtime_ns if path.is_file() else 0, share, seed)


@lru_cache(maxsize=64)
def _split_sizes(path: Path, _changed: int, share: float, seed: int) -> tuple[int, int]:
    trained, held_out = split(load_examples(path), share, seed)
    return len(trained), len(held_out)


def delete_dataset(services: Services, dataset_id: str) -> None:
    """Remove a dataset that no run refers to."""
    services.storage.datasets.delete(dataset_id)


def sample_keys() -> list[str]:
    """Keys of the bundled samples."""
    return [sample.key for sample in all_samples()]
