"""Inspects a file: its format and shape, the examples in it, and why its other rows cannot be used."""

from collections.abc import Iterable, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any

from reft_engine.data.reading import Row, Table, read_table
from reft_engine.data.records import ColumnMapping, Example, Inspection, Limits, Problem
from reft_engine.data.shapes import TITLES, RowError, Shape, is_missing, mapped, recognise, shown, unreadable
from reft_engine.errors import DataError

_SNIFFED_ROWS = 200
"""First rows, whose columns decide the shape of the file."""
_FORMATS = {"csv": "CSV", "tsv": "TSV", "json": "JSON", "jsonl": "JSON Lines", "parquet": "Parquet", "rows": "rows"}


def inspect_file(path: Path | str, mapping: ColumnMapping | None = None, limits: Limits = Limits()) -> Inspection:  # noqa: B008 (frozen)
    """Read a CSV, TSV, JSON, JSON Lines or Parquet file into examples; rows that cannot be used are listed with their lines.

    Raises:
        DataError: the file has no known format, is damaged as a whole, or lacks a column of ``mapping``.
    """
    return _inspect(read_table(Path(path), limits), mapping, limits)


def inspect_rows(rows: Iterable[Mapping[str, Any]], mapping: ColumnMapping | None = None, limits: Limits = Limits()) -> Inspection:  # noqa: B008 (frozen)
    """Inspect rows that are already in memory, such as a ``datasets.Dataset``. Raises DataError as `inspect_file` does."""
    return _inspect(Table("rows", (Row(number, dict(row)) for number, row in enumerate(rows, 1))), mapping, limits)


def _inspect(table: Table, mapping: ColumnMapping | None, limits: Limits) -> Inspection:
    rows = iter(table.rows)
    first = list(islice(rows, _SNIFFED_ROWS))
    columns = _columns(first, limits)
    filled = _filled(columns, first)
    shape = mapped(mapping, columns, limits) if mapping else recognise(columns, filled, limits)
    collector = _Collector(table, columns, filled, shape, limits)
    if shape is None and 0 < len(filled) < len(columns):
        empty = [column for column in columns if column not in filled]
        collector.notes.append(f"Empty, or nothing that can be read as text: {shown(', '.join(empty), 200)}.")
    for row in chain(first, rows):
        if collector.rows >= limits.rows:
            collector.notes.append(f"Only the first {limits.rows:,} rows were read.")
            break
        collector.take(row)
    return collector.result()


def _columns(rows: Iterable[Row], limits: Limits) -> tuple[str, ...]:
    names = dict.fromkeys(str(name) for row in rows for name in row.values or ())
    if len(names) > limits.columns:
        raise DataError(
            "The rows have {count:,} different fields; at most {limit} can be read.",
            kind="file.fields",
            count=len(names),
            limit=limits.columns,
        )
    if problem := next((problem for name in names if (problem := unreadable(name))), None):
        raise DataError("The name of a column {reason}.", kind="file.column_name", reason=problem)
    return tuple(names)


def _filled(columns: Iterable[str], rows: Iterable[Row]) -> list[str]:
    """The columns that hold text in any row; columns that are empty or nested in every row are ignored."""
    filled = {name for row in rows for name, value in (row.values or {}).items() if _holds_text(value)}
    return [column for column in columns if column in filled]


def _holds_text(value: Any) -> bool:
    return bool(value.strip()) if isinstance(value, str) else not is_missing(value) and not isinstance(value, dict) and value != []


class _Collector:
    """Collects examples and problems, row by row."""

    def __init__(self, table: Table, columns: tuple[str, ...], filled: list[str], shape: Shape | None, limits: Limits) -> None:
        self.notes = list(table.notes)
        self.rows = 0
        self._encoding = table.encoding
        self._format, self._columns, self._filled, self._shape, self._limits = table.format, columns, filled, shape, limits
        self._usable = self._problem_count = self._size = 0
        self._examples: list[Example] = []
        self._problems: list[Problem] = []

    def take(self, row: Row) -> None:
        """Convert one row to examples, or record why it cannot be used."""
        self.rows += 1
        if row.values is None:
            self._add_problem(row.line, row.problem or "the row cannot be read")
        elif self._shape:
            try:
                examples = [Example(row.line, messages, answer, self.rows) for messages, answer in self._shape.convert(row.values)]
            except RowError as error:
                self._add_problem(row.line, str(error))
            else:
                self._add(examples)

    def _add(self, examples: list[Example]) -> None:
        self._usable += 1
        self._examples += examples
        # Each answer of a chat is stored with all messages before it, so a chat grows with the square of its messages.
        self._size += sum(len(example.answer) + sum(len(message.content) for message in example.messages) for example in examples)
        if self._size > self._limits.expanded:
            raise DataError(
                "The examples grow to more than {limit:,} MB; cut its chats into parts.",
                kind="file.examples_size",
                limit=self._limits.expanded // 1_000_000,
            )

    def _add_problem(self, line: int, text: str) -> None:
        self._problem_count += 1
        if len(self._problems) < self._limits.problems:
            self._problems.append(Problem(line, f"{self._where(line)}: {text}."))

    def _where(self, line: int) -> str:
        if self._format in ("parquet", "rows"):
            return f"Row {line}"
        return f"Line {line} (row {self.rows})" if self._format == "json" else f"Line {line}"

    def result(self) -> Inspection:
        """The inspection of all rows taken."""
        name = self._shape.name if self._shape else "unknown"
        self._note_oddities(name)
        needs_mapping = self._shape is None and len(self._columns) > 1 and self.rows > 0
        return Inspection(
            format=self._format, shape=name, columns=self._columns, rows=self.rows, usable_rows=self._usable, needs_mapping=needs_mapping,
            problems=tuple(self._problems), problem_count=self._problem_count, notes=tuple(self.notes), examples=tuple(self._examples),
            sentence=self._sentence(name, needs_mapping), roles=self._shape.roles(self._columns) if self._shape else {},
            encoding=self._encoding,
        )  # fmt: skip

    def _note_oddities(self, name: str) -> None:
        """Note what does no harm but may surprise."""
        if name == "preferences":
            text = "Preference pairs (chosen and rejected) cannot be trained on; give prompts with answers."
            self._problems.insert(0, Problem(None, text))
        if self._shape and self._examples and (unused := self._shape.unused(self._filled)):
            used = f"The answer is taken from {shown(self._shape.answer[0])}. " if self._shape.answer else ""
            self.notes.append(f"{used}Not used: {shown(', '.join(unused), 200)}.")
        if len(self._examples) > self._usable:
            self.notes.append(f"Each answer in a chat is an example of its own; there are {len(self._examples):,}.")
        if len(self._examples) > 1:
            if len({example.answer for example in self._examples}) == 1:
                self.notes.append("All answers are the same; the model will learn to say just that.")
            repeated = len(self._examples) - len({(example.messages, example.answer) for example in self._examples})
            if repeated:
                self.notes.append(f"{repeated:,} {'example repeats an earlier one' if repeated == 1 else 'examples repeat earlier ones'}.")
        elif len(self._examples) == 1:
            self.notes.append("There is a single example; a handful teaches more.")

    def _sentence(self, name: str, needs_mapping: bool) -> str:
        rows = f"{self.rows:,} {'row' if self.rows == 1 else 'rows'}"
        format_name = _FORMATS[self._format]
        if self.rows == 0:
            return f"There is no row of data in this file ({format_name}); a prompt and an answer are needed."
        if needs_mapping:
            columns = shown(", ".join(self._columns), 200)
            return f"A table of {rows} ({format_name}) with the columns {columns}. Say which is the prompt and which the answer."
        if self._shape is None:
            column = f"only one column, {shown(self._columns[0])}" if self._columns else "no columns"
            return f"{format_name} with {rows} and {column}; a prompt and an answer are needed."
        return f"Recognised as {TITLES[name]} ({format_name}, {rows}). {self._usable_sentence()}"

    def _usable_sentence(self) -> str:
        if self._usable == self.rows:
            return "All can be read." if self.rows > 1 else "It can be read."
        return f"{self.rows - self._usable:,} cannot be used." if self._usable else "Nothing of it can be used."
