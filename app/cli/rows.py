"""The file named by a command: its columns chosen and its rows read for training and measuring."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.output import note
from app.errors import StudioError
from app.words import say

if TYPE_CHECKING:
    from reft_engine.data import Inspection, RowCheck


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
