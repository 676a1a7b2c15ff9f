"""The file named by a command: how it is read, what its columns are, and its rows for training and measuring."""

import argparse
import atexit
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from app.choices import Choices
from app.cli.output import note
from app.errors import StudioError
from app.run_texts import DataPart
from app.words import say

if TYPE_CHECKING:
    from reft_engine.data import Include, Inspection, Remedy, RowCheck

READ_FLAGS = (
    ("--encoding", "encoding", "NAME"), ("--separator", "delimiter", "SIGN"), ("--quote", "quote", "SIGN"), ("--skip-lines", "skip", "N"),
    ("--sheet", "sheet", "NAME"), ("--list", "list", "NAME"),
)  # fmt: skip
"""Flags that say how a file is read: flag, field of `ReadOptions`, and what its value is called."""
HUB_FLAGS = (("--config", "NAME"), ("--split", "NAME"), ("--rows", "FIRST-LAST"))
"""Flags that say which rows of a dataset of the Hub are read: flag, and what its value is called."""
_HUB = "hf://"


def data_file(text: str) -> Path | str:
    """The file that an argument names; a dataset of the Hub (``hf://datasets/owner/name``) as it is."""
    return text if text.startswith(_HUB) else Path(text)


def local_file(given: Path | str, options: argparse.Namespace) -> Path:
    """The file that an argument names; rows of the Hub are read into one that is removed when the command ends.

    Raises:
        StudioError: a flag is for the Hub and the file is not of it, or is no range of rows.
        DataError: see `reft_engine.data.fetch_rows`.
    """
    if isinstance(given, Path):
        for flag, _ in HUB_FLAGS:
            if getattr(options, flag.removeprefix("--")) is not None:
                raise StudioError(say("cli.rows.hub_only", flag=flag))
        return given
    from app.handlers.hub import origin_sentence
    from reft_engine.data import HubRows, fetch_rows, read_hub_name

    first, count = _range(options.rows) if options.rows is not None else (HubRows().first, HubRows().count)
    folder = Path(tempfile.mkdtemp(prefix="reft-studio-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    file = fetch_rows(read_hub_name(given), HubRows(options.config, options.split, first, count), folder)
    for sentence in (origin_sentence(file), *file.notes):
        note(sentence)
    return file.path


def _range(given: str) -> tuple[int, int]:
    """The first row and the number of rows of ``FIRST-LAST``. Raises StudioError."""
    ends = re.fullmatch(r"(\d{1,12})-(\d{1,12})", given)
    if not ends or not 1 <= int(ends[1]) <= int(ends[2]):
        raise StudioError(say("cli.rows.no_range", given=given[:80]))
    return int(ends[1]), int(ends[2]) - int(ends[1]) + 1


def inspected(path: Path, options: argparse.Namespace) -> "Inspection":
    """Recognise a file, with the roles and remedies that are given. Raises StudioError, DataError."""
    from reft_engine.data import ReadOptions, inspect_file

    if not path.is_file():
        raise StudioError(say("cli.no_file", path=path))
    given = {name: getattr(options, flag.removeprefix("--").replace("-", "_")) for flag, name, _ in READ_FLAGS}
    given["delimiter"] = {"tab": "\t"}.get(given["delimiter"], given["delimiter"])
    header = {"header": False} if options.no_header else {}
    try:
        reading = ReadOptions(
            **{name: value for name, value in given.items() if value is not None}, **header, include=_parts(options.include)
        )  # fmt: skip
    except ValidationError as error:
        flag = next(flag for flag, name, _ in READ_FLAGS if name == error.errors()[0]["loc"][0])
        raise StudioError(say("cli.rows.no_sign", flag=flag)) from error
    roles = dict(map(_role, options.role))
    return inspect_file(path, options=reading, roles=roles, template=options.template, remedies=_remedies(options.fix))


def _role(given: str) -> tuple[str, str]:
    column, equals, role = given.rpartition("=")
    if not equals or not column:
        raise StudioError(say("cli.rows.no_role", given=given[:80]))
    return column, role


def _parts(given: str) -> "tuple[Include, ...]":
    from reft_engine.data import INCLUDES

    names = dict.fromkeys(name.strip() for name in given.split(",") if name.strip())
    for name in names:
        if name not in INCLUDES:
            raise StudioError(say("cli.rows.no_part", given=name[:80], parts=", ".join(INCLUDES)))
    return tuple(names)  # type: ignore[arg-type]


def _remedies(given: str) -> "list[Remedy]":
    from reft_engine.data import REMEDIES

    names = list(REMEDIES) if given == "all" else [name.strip() for name in given.split(",") if name.strip()]
    for name in names:
        if name not in REMEDIES:
            raise StudioError(say("cli.rows.no_remedy", given=name[:80], remedies=", ".join(REMEDIES)))
    return names  # type: ignore[return-value]


def rows_of(options: argparse.Namespace) -> "Inspection":
    """Read the rows of the file that is named. Raises StudioError if no row can be used."""
    options.of_hub = not isinstance(options.data, Path)
    path = options.data = local_file(options.data, options)
    inspection = inspected(path, options)
    if inspection.needs_encoding:
        raise StudioError(say("cli.rows.encoding", file=path.name, names=", ".join(each.name for each in inspection.encodings)))
    if inspection.needs_mapping:
        columns, suggested = ", ".join(inspection.columns)[:300], list(inspection.read_as.roles) or list(inspection.columns)
        raise StudioError(say("cli.rows.columns", file=path.name, columns=columns, first=suggested[0], last=suggested[-1]))
    if not inspection.examples:
        if inspection.problems:
            raise StudioError(say("cli.rows.none_because", file=path.name, reason=inspection.problems[0].text))
        raise StudioError(say("cli.rows.none", file=path.name))
    return inspection


def data_part(options: argparse.Namespace, inspection: "Inspection") -> DataPart | None:
    """The file of a run, and how it was read, for its run.yaml; None for rows of the Hub, whose file is removed. After `rows_of`."""
    if options.of_hub:
        return None
    columns = inspection.read_as if options.role or options.template else None
    reading = Choices(columns, inspection.options, tuple(_remedies(options.fix))).as_data()
    return DataPart(file=str(options.data.resolve()), reading=reading)


def remarks(inspection: "Inspection", check: "RowCheck | None") -> list[str]:
    """Remarks on a file, but for what the check with a base model says of the same rows."""
    said = {finding.kind for finding in check.findings} if check else set()
    items = {item.text for item in inspection.report if item.kind in said}
    return [text for text in inspection.remarks if text not in items]


def note_rows(inspection: "Inspection", sentence: str, check: "RowCheck") -> None:
    """Write the unused rows of a file and remarks on the others, before training."""
    for line in [*remarks(inspection, check), sentence, *check.notes[1:]]:
        note(line)
