"""Rows of a file: read for a command that trains or measures, or reported by ``inspect``."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.output import finish, note, tell
from app.cli.settings import given_settings
from app.errors import StudioError
from reft_engine import RunSpec

if TYPE_CHECKING:
    from reft_engine.data import Inspection, RowCheck


READ_WITH = ("base", "max_length")
"""Settings by which rows are counted."""


def inspected(path: Path, prompt: str | None, answer: str | None) -> "Inspection":
    """A file as it is recognised, with the columns that are named. Raises StudioError."""
    from reft_engine.data import ColumnMapping, inspect_file

    if not path.is_file():
        raise StudioError(f"There is no file {path}.")
    if bool(prompt) != bool(answer):
        raise StudioError("Give both --prompt-column and --answer-column, or neither.")
    return inspect_file(path, ColumnMapping(prompt=prompt, answer=answer) if prompt and answer else None)


def rows_of(options: argparse.Namespace) -> "Inspection":
    """The rows of the file that is named. Raises StudioError where there is none that can be read."""
    path: Path = options.data
    found = inspected(path, options.prompt_column, options.answer_column)
    if found.needs_mapping:
        columns = ", ".join(found.columns)[:300]
        raise StudioError(f"{path.name} has the columns {columns}; say which is which with --prompt-column and --answer-column.")
    if not found.examples:
        raise StudioError(f"{path.name} has no row that can be used. {found.problems[0].text if found.problems else ''}".strip())
    return found


def note_rows(found: "Inspection", sentence: str, check: "RowCheck") -> None:
    """Say what of a file is not used, and what is odd about its rows, before they are learned from."""
    for line in [*found.notes, sentence, *check.notes[1:]]:
        note(line)


def inspect(options: argparse.Namespace) -> int:
    """Say what a file is recognised as, what a base model can be trained on of it, and what is wrong with it."""
    from app.cli.report import file_report

    spec = RunSpec.of_settings(given_settings(options))
    base, max_length = spec.base, spec.train.max_length
    report = file_report(inspected(options.file, options.prompt_column, options.answer_column), base, max_length)
    said = [report.inspection.sentence, *report.notes]
    for sentence in said:
        tell(options, sentence)
    for problem in report.problems[:20]:
        tell(options, problem.text)
    if report.problem_count > 20:
        tell(options, f"... and {report.problem_count - 20:,} more.")
    finish(options, report.values(base, max_length))
    return 0
