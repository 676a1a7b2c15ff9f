"""What is read from a file, and what a person may say about how to read it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from reft_engine.data.records import Include, Limits
from reft_engine.errors import DataError


class ReadOptions(BaseModel):
    """What a person may say about a file; None where the content decides.

    Attributes:
        encoding: name of the encoding of a text file, such as ``windows-1252``; any that Python knows.
        delimiter: what separates cells; empty if the file has one column.
        quote: the quotation mark around cells: ``"``, ``'``, or empty if quotation marks are text.
        header: whether the first line names the columns.
        skip: lines above the header, or above the first row if there is no header.
        sheet: the sheet of a workbook.
        list: the list of a JSON object that has several, such as ``train``.
        include: what is learned of the turns of chats beside their text; the way it is written stands in `data.turns`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoding: str | None = Field(None, max_length=40)
    delimiter: str | None = Field(None, max_length=1, pattern=r"^[^\r\n\"]?$")
    quote: str | None = Field(None, max_length=1, pattern=r"^[\"']?$")
    header: bool | None = None
    skip: int | None = Field(None, ge=0, le=1_000_000)
    sheet: str | None = Field(None, max_length=200)
    list: str | None = Field(None, max_length=1000)
    include: tuple[Include, ...] = Field((), max_length=20)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file: its values by column, or why it cannot be read.

    Attributes:
        line: its line in the file, counted from 1; of Parquet and Arrow the number of the row, of a workbook the row of the sheet.
        problem: why it cannot be read, as a clause that follows "Line 3: ".
        lost: lines of the file that are lost with it.
        swallowed: lines of the file inside one of its quoted cells that look like rows.
    """

    line: int
    values: dict[str, Any] | None
    problem: str | None = None
    lost: int = 0
    swallowed: int = 0


@dataclass(frozen=True, slots=True)
class Encoding:
    """An encoding that a file may have, with up to three of its lines that show the difference."""

    name: str
    lines: tuple[str, ...]


@dataclass(slots=True)
class Counts:
    """Lines of a delimited file or of JSON Lines by what they hold; together with the lost ones they are all lines of the file."""

    rows: int = 0
    blank: int = 0
    heading: int = 0
    """Lines above the header, the header, and its repetitions."""
    headers: int = 0
    first_header: int = 0
    """Repetitions of the header, and the line of the first of them; of a workbook the row."""

    def add_header(self, line: int) -> None:
        """Count a repetition of the header."""
        self.headers += 1
        self.first_header = self.first_header or line


@dataclass(frozen=True, slots=True)
class Table:
    """A recognised file, whose rows are read on demand.

    Attributes:
        format: csv, tsv, json, jsonl, parquet, arrow, xlsx or ods; rows if they were in memory.
        rows: can be iterated once.
        notes: assumptions made while reading; more may be added until the last row is read.
        encoding: of a text file.
        encodings: candidates, the best first; empty if the encoding is certain or confirmed.
        options: as used.
        sheets: names of the sheets of a workbook.
        lists: names of the lists of a JSON object that has several.
        counts: complete once the last row is read.
    """

    format: str
    rows: Iterable[Row]
    notes: list[str] = field(default_factory=list)
    encoding: str | None = None
    encodings: tuple[Encoding, ...] = ()
    options: ReadOptions = field(default_factory=ReadOptions)
    sheets: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    counts: Counts = field(default_factory=Counts)


def check_columns(count: int, limits: Limits) -> None:
    """Raise DataError for a table that is too wide."""
    if count > limits.columns:
        raise DataError(
            "The file has {count:,} columns; at most {limit} can be read.", kind="file.columns", count=count, limit=limits.columns
        )


def column_names(header: Iterable[str], notes: list[str]) -> list[str]:
    """Names for the columns under a header, each of its own; adds a note on names that are repeated."""
    names: list[str] = []
    taken: set[str] = set()
    repeated: dict[str, None] = {}
    for index, cell in enumerate(header, 1):
        name = title = " ".join(cell.split()) or f"column {index}"
        number = 2
        while name in taken:
            name, number = f"{title} ({number})", number + 1
            repeated[title] = None
        taken.add(name)
        names.append(name)
    if repeated:
        shown = ", ".join(list(repeated)[:5])
        notes.append(f"Several columns have the same name ({shown[:200]}); the later ones are numbered.")
    return names
