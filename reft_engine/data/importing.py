"""Imports a file to disk: its examples go into a folder as they are read, so that memory does not grow with the file."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from reft_engine.data.inspection import ChatPart, Given, Inspection, inspected
from reft_engine.data.normalised import examples_of_data, rows_as_data
from reft_engine.data.reading import Encoding, ReadOptions, read_table
from reft_engine.data.records import Limits, Problem
from reft_engine.data.report import Remedy, ReportItem
from reft_engine.data.roles import Columns
from reft_engine.data.stored import RowsOnDisk

INSPECTION = "inspection.json"


def import_file(
    path: Path, folder: Path, columns: Columns | None = None, options: ReadOptions | None = None, remedies: Sequence[Remedy] = (),
    limits: Limits | None = None, on_progress: Callable[[float], None] | None = None,
) -> Inspection:  # fmt: skip
    """Inspect a file as `inspect_file` does, and write its examples, its rows and the inspection into ``folder``.

    See `stored` and `as_data` for what is written.

    Raises:
        DataError: see `inspect_file`.
    """
    limits, options = limits or Limits(), options or ReadOptions()
    kept = RowsOnDisk(folder, most=limits.expanded)
    try:
        found = inspected(
            lambda: read_table(path, options, limits, on_progress), Given(columns, {}, "", tuple(remedies)), limits, kept
        )  # fmt: skip
    finally:
        kept.close()
    (folder / INSPECTION).write_text(json.dumps(as_data(found), ensure_ascii=False), encoding="utf-8")
    return found


def load_inspection(folder: Path) -> Inspection:
    """The inspection that `import_file` wrote. Raises OSError, ValueError, KeyError, TypeError if it is missing or damaged."""
    return of_data(json.loads((folder / INSPECTION).read_text(encoding="utf-8")))


def as_data(inspection: Inspection) -> dict[str, Any]:
    """An inspection as plain data."""
    plain = {field.name: getattr(inspection, field.name) for field in fields(inspection)}
    return plain | {
        "problems": [asdict(problem) for problem in inspection.problems], "examples": rows_as_data(inspection.examples),
        "read_as": inspection.read_as.model_dump(), "reasons": dict(inspection.reasons),
        "parts": [asdict(part) for part in inspection.parts], "report": [asdict(item) for item in inspection.report],
        "encodings": [asdict(each) for each in inspection.encodings], "options": inspection.options.model_dump(),
    }  # fmt: skip


def of_data(data: Mapping[str, Any]) -> Inspection:
    """The inspection that `as_data` described. Raises KeyError, TypeError or ValueError for anything else."""
    made = {
        "problems": tuple(Problem(**problem) for problem in data["problems"]),
        "examples": tuple(example for row in data["examples"] for example in examples_of_data(row)),
        "read_as": Columns.model_validate(data["read_as"]), "options": ReadOptions.model_validate(data["options"]),
        "parts": tuple(ChatPart(**part) for part in data["parts"]),
        "report": tuple(ReportItem(**{**item, "rows": tuple(item["rows"])}) for item in data["report"]),
        "answers": tuple((answer, count) for answer, count in data["answers"]),
        "encodings": tuple(Encoding(each["name"], tuple(each["lines"])) for each in data["encodings"]),
        **{name: tuple(data[name]) for name in ("columns", "notes", "sheets", "lists")},
    }  # fmt: skip
    return Inspection(**{**data, **made})
