"""Records of this room: examples, limits, and the inspection of a file."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from reft_engine.errors import DataError

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Example:
    """The messages before an answer, and the answer to learn.

    ``line`` is its line in the file, counted from 1; ``row`` is the number of its row, or 0 if that is unknown (in JSON several
    rows may share a line). All answers of a chat belong to one row.
    """

    line: int
    messages: tuple[Message, ...]
    answer: str
    row: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Preference:
    """The messages before an answer, the preferred answer and the rejected one; ``line`` and ``row`` as in `Example`."""

    line: int
    messages: tuple[Message, ...]
    chosen: str
    rejected: str
    row: int = field(default=0, compare=False)


def row_of(example: Example | Preference) -> int:
    """The number of an example's row, which all examples of a chat share."""
    return example.row or example.line


LooseRow = Example | Preference | tuple[str, str] | tuple[str, str, str]
"""A row, or its texts: prompt and answer; or prompt, preferred answer and rejected answer."""


def as_rows(rows: Iterable[LooseRow]) -> list[Example | Preference]:
    """Convert rows that are given as bare texts to examples and preference pairs. Raises DataError for anything else."""
    if not isinstance(rows, Iterable) or isinstance(rows, str | bytes | Mapping):
        raise DataError("Rows are given as a list, not as a {type}.", kind="records.list", type=type(rows).__name__)
    examples: list[Any] = []
    for line, row in enumerate(rows, start=1):
        if isinstance(row, (Example, Preference)):
            examples.append(_checked(row, line))
            continue
        if not isinstance(row, (tuple, list)) or len(row) not in (2, 3) or not all(isinstance(text, str) for text in row):
            raise DataError("Row {line} is neither an example nor a pair of texts (prompt, answer).", kind="records.row", line=line)
        messages = (Message("user", row[0]),)
        examples.append(Example(line, messages, row[1]) if len(row) == 2 else Preference(line, messages, *row[1:]))
    return examples


def _checked(row: Example | Preference, line: int) -> Example | Preference:
    """The row with its messages as a tuple. Raises DataError."""
    answers = (row.answer,) if isinstance(row, Example) else (row.chosen, row.rejected)
    are_messages = isinstance(row.messages, list | tuple) and all(isinstance(message, Message) for message in row.messages)
    if not are_messages or not isinstance(row.line, int) or not all(isinstance(answer, str) for answer in answers):
        raise DataError(
            "Row {line} does not hold what a row holds: a line number, messages, and answers that are text.",
            kind="records.contents",
            line=line,
        )
    return row if isinstance(row.messages, tuple) else replace(row, messages=tuple(row.messages))


class ColumnMapping(BaseModel):
    """Which column is the prompt and which is the answer, for a file whose column names do not say so."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: str = Field(min_length=1, max_length=1000)
    answer: str = Field(min_length=1, max_length=1000)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a row cannot be used; ``line`` counts from 1 and is None for the file as a whole."""

    line: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Limits:
    """Maximum sizes of a file and its contents; larger ones are refused with a sentence."""

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
    """Problems that are listed; all are counted."""
    expanded: int = 1_000_000_000
    """Bytes that a compressed file may expand to, and characters of all examples together."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a file was recognised as.

    Attributes:
        format: csv, tsv, json, jsonl or parquet.
        shape: instructions, pairs, labels, messages, conversations, mapped, preferences or unknown.
        columns: names of the columns, in the order of the file.
        rows: rows read; ``usable_rows``: those that gave at least one example.
        needs_mapping: a person must choose the columns before there are examples.
        notes: assumptions made while reading and oddities of the whole file; nothing is lost by them.
        roles: what each column is read as: prompt, answer, label, chat or ignored; empty while the shape is unknown.
        encoding: of a text file: utf-8, utf-16 or windows-1252.
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
