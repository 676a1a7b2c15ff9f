"""Examples, problems of rows, and limits: what all modules of the data share."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from reft_engine.errors import DataError

Role = Literal["system", "user", "assistant"]
Include = Literal["reasoning", "tool_calls"]
"""What a turn of a chat holds beside its text and a person can choose to learn."""
INCLUDES: tuple[Include, ...] = get_args(Include)


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Example:
    """The messages before an answer, and the answer to learn.

    ``line`` is its line in the file, counted from 1; ``row`` is the number of its row, or 0 if that is unknown (in JSON several
    rows may share a line). All answers of a chat belong to one row. Without messages the answer is plain text to continue.
    ``split`` and ``group`` are what the file says of the row: the part of the data that it belongs to (train, test ...), and whose it is.
    """

    line: int
    messages: tuple[Message, ...]
    answer: str
    row: int = field(default=0, compare=False)
    split: str = field(default="", compare=False)
    group: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Preference:
    """The messages before an answer, the preferred answer and the rejected one; the other fields as in `Example`."""

    line: int
    messages: tuple[Message, ...]
    chosen: str
    rejected: str
    row: int = field(default=0, compare=False)
    split: str = field(default="", compare=False)
    group: str = field(default="", compare=False)

    @property
    def preferred(self) -> Example:
        """The preferred answer alone."""
        return Example(self.line, self.messages, self.chosen, self.row, self.split, self.group)


AnyExample = Example | Preference


def row_of(example: Example | Preference) -> int:
    """The number of an example's row, which all examples of a chat share."""
    return example.row or example.line


def answers_of(example: Example | Preference) -> tuple[str, ...]:
    """The answer of an example; of a preference pair the preferred and the rejected one."""
    return (example.answer,) if isinstance(example, Example) else (example.chosen, example.rejected)


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


def counted(count: int, noun: str = "row", plural: str = "") -> str:
    """A count with its noun: 1 row, 1,200 rows."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a row cannot be used; ``line`` counts from 1 and is None for the file as a whole."""

    line: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Limits:
    """Maximum sizes of a file and its contents; larger ones are refused with a sentence."""

    rows: int = 2_000_000
    columns: int = 500
    cell: int = 1_000_000
    """Characters of one text."""
    row: int = 4_000_000
    """Characters of one row."""
    size: int = 1_100_000_000
    """Bytes of a text file."""
    turns: int = 200
    """Messages of one conversation."""
    problems: int = 100
    """Problems that are listed; all are counted."""
    expanded: int = 1_100_000_000
    """Bytes that a compressed file may expand to, and characters of all examples together."""
    growth: int = 1000
    """How many times its own size a file may expand to; to 100 MB it may in any case."""

    def of_file(self, size: int) -> "Limits":
        """The limits of a file of ``size`` bytes: what is small may not become large."""
        return replace(self, expanded=min(self.expanded, max(100_000_000, self.growth * size)))
