"""Rows of a file: read for training and measuring, or reported by ``inspect``."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.output import finish, note, tell
from app.cli.settings import given_settings
from app.errors import StudioError
from app.words import say
from reft_engine import RunSpec

if TYPE_CHECKING:
    from reft_engine.data import Inspection, RowCheck


READ_WITH = ("base", "max_length")
"""Settings on which the count of rows depends."""


def inspected(path: Path, prompt: str | None, answer: str | None) -> "Inspection":
    """Recognise a file, with the columns that are named. Raises StudioError."""
    from reft_engine.data import ColumnMapping, inspect_file

    if not path.is_file():
        raise StudioError(say("cli.no_file", path=path))
    if bool(prompt) != bool(answer):
        raise StudioError(say("cli.rows.one_column"))
    return inspect_file(path, ColumnMapping(prompt=prompt, answer=answer) if prompt and answer else None)


def rows_of(options: argparse.Namespace) -> "Inspection":
    """Read the rows of the file that is named. Raises StudioError if no row can be used."""
    path: Path = options.data
    inspection = inspected(path, options.prompt_column, options.answer_column)
    if inspection.needs_mapping:
        columns = ", ".join(inspection.columns)[:300]
        raise StudioError(say("cli.rows.columns", file=path.name, columns=columns))
    if not inspection.examples:
        if inspection.problems:
            raise StudioError(say("cli.rows.none_because", file=path.name, reason=inspection.problems[0].text))
        raise StudioError(say("cli.rows.none", file=path.name))
    return inspection


def note_rows(inspection: "Inspection", sentence: str, check: "RowCheck") -> None:
    """Write the unused rows of a file and remarks on the others, before training."""
    for line in [*inspection.notes, sentence, *check.notes[1:]]:
        note(line)


def inspect(options: argparse.Namespace) -> int:
    """Report the format of a file, the rows that a base model can be trained on, and the problems."""
    from app.cli.report import file_report

    spec = RunSpec.of_settings(given_settings(options))
    base, max_length = spec.base, spec.train.max_length
    report = file_report(inspected(options.file, options.prompt_column, options.answer_column), base, max_length)
    for sentence in [report.inspection.sentence, *report.notes]:
        tell(options, sentence)
    for problem in report.problems[:20]:
        tell(options, problem.text)
    if report.problem_count > 20:
        tell(options, say("cli.rows.more", count=report.problem_count - 20))
    finish(options, report.values(base, max_length))
    return 0
