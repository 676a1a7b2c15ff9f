"""What reading a file gives: examples, and what is wrong with the rest of its rows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from reft_engine.errors import DataError

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Example:
    """What is said before, and the answer to learn.

    ``line`` is where it stands in its file, counted from 1; ``row`` is the number of its row there where it is known, since
    several rows may share a line (JSON), and else 0. All answers of one chat are of one row.
    """

    line: int
    messages: tuple[Message, ...]
    answer: str
    row: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Preference:
    """What is said before, the answer that is preferred and the one that is not; ``line`` and ``row`` as of an `Example`."""

    line: int
    messages: tuple[Message, ...]
    chosen: str
    rejected: str
    row: int = field(default=0, compare=False)


def row_of(example: Example | Preference) -> int:
    """The number of an example's row, by which the examples of a chat are told from those of other rows."""
    return example.row or example.line


LooseRow = Example | Preference | tuple[str, str] | tuple[str, str, str]
"""A row, or its texts: prompt and answer; or prompt, the answer that is preferred, and the one that is not."""


def as_rows(rows: Iterable[LooseRow]) -> list[Example | Preference]:
    """Bring rows given as bare texts into the engine's form. Raises DataError for what is no row."""
    if not isinstance(rows, Iterable) or isinstance(rows, str | bytes | Mapping):
        raise DataError("Rows are given as a list, not as a {type}.", kind="records.list", type=type(rows).__name__)
    found: list[Any] = []
    for line, row in enumerate(rows, start=1):
        if isinstance(row, (Example, Preference)):
            found.append(_whole(row, line))
            continue
        if not isinstance(row, (tuple, list)) or len(row) not in (2, 3) or not all(isinstance(text, str) for text in row):
            raise DataError("Row {line} is neither an example nor a pair of texts (prompt, answer).", kind="records.row", line=line)
        asked = (Message("user", row[0]),)
        found.append(Example(line, asked, row[1]) if len(row) == 2 else Preference(line, asked, *row[1:]))
    return found


def _whole(row: Example | Preference, line: int) -> Example | Preference:
    """The row with its messages as a tuple. Raises DataError."""
    answers = (row.answer,) if isinstance(row, Example) else (row.chosen, row.rejected)
    fine = isinstance(row.messages, list | tuple) and all(isinstance(message, Message) for message in row.messages)
    if not fine or not isinstance(row.line, int) or not all(isinstance(answer, str) for answer in answers):
        raise DataError(
            "Row {line} does not hold what a row holds: a line number, messages, and answers that are text.",
            kind="records.contents",
            line=line,
        )
    return row if isinstance(row.messages, tuple) else replace(row, messages=tuple(row.messages))


class ColumnMapping(BaseModel):
    """Which column is the prompt and which is the answer, for a file that does not say it by its names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: str = Field(min_length=1, max_length=1000)
    answer: str = Field(min_length=1, max_length=1000)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a row cannot be used; ``line`` counts from 1, None for the file as a whole."""

    line: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What a file may hold at most; what is over it is refused in words."""

    rows: int = 200_000
    columns: int = 500
    cell: int = 1_000_000
    """Characters of one text."""
    row: int = 4_000_000
    """Characters of one row."""
    size: int = 200_000_000
    """Bytes of a text file, which is read as a whole."""
    turns: int = 200
    """Messages of one conversation."""
    problems: int = 100
    """Problems that are kept; all are counted."""
    expanded: int = 1_000_000_000
    """Bytes that a compressed file may grow to, and characters that all examples may have together."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a file was recognised as.

    Attributes:
        format: csv, tsv, json, jsonl or parquet.
        shape: instructions, pairs, labels, messages, conversations, mapped, preferences or unknown.
        columns: names of the columns, in the order of the file.
        rows: rows read; ``usable_rows``: those of which at least one example was made.
        needs_mapping: the columns must be named by a person before there are examples.
        notes: what was assumed in reading, or is odd about the whole; nothing is lost by it.
        roles: of each column what it is read as: prompt, answer, label, chat or ignored; empty while nobody can know.
        encoding: what a text file was read as: utf-8, utf-16 or windows-1252.
    """

    format: str
    shape: str
    columns: tuple[str, ...]
    rows: int
    usable_rows: int
    needs_mapping: bool
    problems: tuple[Problem, ...]
    problem_count: int
    notes: tuple[str, ...]
    examples: tuple[Example, ...]
    sentence: str
    roles: Mapping[str, str]
    encoding: str | None
