"""Reads prompts from a file: conversations to answer, each with the answer that is expected where the file has one."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reft_engine.data.cells import RowError, text_of
from reft_engine.data.converting import Converter
from reft_engine.data.inspection import Given, Inspection, inspected
from reft_engine.data.reading import ReadOptions, read_table
from reft_engine.data.reading.encodings import find_encoding
from reft_engine.data.reading.source import Source, bad_bytes
from reft_engine.data.records import AnyExample, Limits, Message, Problem, answers_of
from reft_engine.errors import DataError

_START = 4096
_LISTED = 20
"""Rows that are left out and listed; all are counted."""


@dataclass(frozen=True, slots=True)
class FilePrompt:
    """The messages before an answer, the line of the file, and the answer that is expected; None where the file has none."""

    line: int
    messages: tuple[Message, ...]
    expected: str | None = None


@dataclass(frozen=True, slots=True)
class FilePrompts:
    """What a file has to ask.

    Attributes:
        prompts: the first of them.
        found: how many there are.
        left_out: how many rows were left out; ``problems`` say why, of the first of them.
        asked: the columns that hold the prompts, none for a file of lines; ``answered``: the one that holds the expected answers.
    """

    prompts: tuple[FilePrompt, ...]
    found: int
    left_out: int
    problems: tuple[Problem, ...] = ()
    asked: tuple[str, ...] = ()
    answered: str | None = None


def read_prompts(path: Path, *, lines: bool = False, most: int = 500, limits: Limits | None = None) -> FilePrompts:
    """Read the prompts of a file in any format of `reading`; a row without an answer is a prompt, too.

    Args:
        path: the file.
        lines: it is a text with one prompt a line, whatever it holds.
        most: prompts that are kept.
        limits: maximum sizes.

    Raises:
        DataError: the file has no known format, is damaged as a whole, or no column of it is a prompt.
    """
    limits = limits or Limits()
    return _of_lines(path, most, limits) if lines else _of_table(path, most, limits)


def _of_lines(path: Path, most: int, limits: Limits) -> FilePrompts:
    source = Source(path, limits, None)
    with source.open() as file:
        encoding = find_encoding(source, file.read(_START), None).name
    kept, problems, found, left_out = list[FilePrompt](), list[Problem](), 0, 0
    with source.open_text(encoding, newline=None) as text:
        for number, line in enumerate(text, start=1):
            try:
                if bad := bad_bytes(line, encoding):
                    raise RowError(bad)
                prompt = text_of(line.removeprefix("\ufeff").strip(), "the prompt", limits)
            except RowError as error:
                left_out += 1
                if len(problems) < _LISTED:
                    problems.append(Problem(number, f"Line {number}: {error}."))
                continue
            if prompt:
                found += 1
                kept += [FilePrompt(number, (Message("user", prompt),))] if found <= most else []
    return FilePrompts(tuple(kept), found, left_out, tuple(problems))


@dataclass(slots=True)
class _Row:
    line: int
    values: Mapping[str, Any] | None
    problem: str | None
    examples: Sequence[AnyExample]


class _Rows:
    """Keeps the rows of a file with what was made of them; see `inspection.Kept`."""

    def __init__(self) -> None:
        self.rows: list[_Row] = []
        self._newest: list[AnyExample] = []

    def begin(self) -> None:
        """See `Kept`."""
        self.rows, self._newest = [], []

    def add(self, examples: list[AnyExample]) -> None:
        """See `Kept`."""
        self._newest = examples

    def show(self, columns: Sequence[str], line: int, values: Mapping[str, Any] | None, problem: str | None) -> None:
        """See `Kept`; it follows the row's examples."""
        self.rows.append(_Row(line, values, problem, self._newest))
        self._newest = []

    def list_rows(self, kind: str, numbers: Sequence[int]) -> None:
        """Nobody asks for the report."""

    def drop(self, rows: Collection[int]) -> None:
        """No remedy is asked for."""

    def examples(self) -> tuple[AnyExample, ...]:
        """They are in the rows."""
        return ()

    def count(self) -> int:
        """Of the rows."""
        return len(self.rows)


def _of_table(path: Path, most: int, limits: Limits) -> FilePrompts:
    kept = _Rows()
    found = inspected(lambda: read_table(path, ReadOptions(), limits), Given(), limits, kept)
    roles = found.read_as
    asked = (*roles.having("context"), *roles.having("prompt"), *roles.having("messages"), *roles.fields())
    if not asked and not found.examples and not any(row.examples for row in kept.rows):
        raise DataError(
            "No column of this file is a prompt. Name one prompt, and one with the expected answers answer.", kind="file.no_prompts"
        )
    prompts, problems, count, left_out = list[FilePrompt](), list[Problem](), 0, 0
    reader = Converter(roles, limits)
    for number, row in enumerate(kept.rows, start=1):
        try:
            for prompt in _prompts(reader, found, row, number):
                count += 1
                prompts += [prompt] if count <= most else []
        except RowError as error:
            left_out += 1
            if len(problems) < _LISTED:
                problems.append(Problem(row.line, row.problem or f"Line {row.line}: {error}."))
    answered = roles.one("answer") or roles.one("label")
    return FilePrompts(tuple(prompts), count, left_out, tuple(problems), tuple(dict.fromkeys(asked)), answered)


def _prompts(reader: Converter, found: Inspection, row: _Row, number: int) -> Iterator[FilePrompt]:
    """The prompts of a row. Raises RowError where it has none."""
    examples = row.examples
    if not examples and row.values is not None and found.shape == "unknown" and reader.answers:
        try:  # the roles are suggested only, so nothing was converted
            examples = reader.convert(row.values, row.line, number)
        except RowError:
            examples = ()
    if examples:
        yield from (_prompt(example) for example in examples)
    elif row.values is None:
        raise RowError(row.problem or "the row cannot be read")
    else:
        yield FilePrompt(row.line, reader.asked(row.values))


def _prompt(example: AnyExample) -> FilePrompt:
    answer = answers_of(example)[0]
    if not example.messages:  # a text without an answer
        return FilePrompt(example.line, (Message("user", answer),))
    return FilePrompt(example.line, example.messages, answer)
