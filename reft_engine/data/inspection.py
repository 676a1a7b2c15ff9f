"""What a file is, what can be trained of it, and what is wrong with the rest."""

from collections.abc import Iterable, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any

from reft_engine.data.reading import Row, Table, read_table
from reft_engine.data.records import ColumnMapping, Example, Inspection, Limits, Problem
from reft_engine.data.shapes import TITLES, RowError, Shape, is_missing, mapped, recognise, shown, unreadable
from reft_engine.errors import DataError

_LOOKED_AT = 200
"""Rows whose columns decide what the file is."""
_FORMATS = {"csv": "CSV", "tsv": "TSV", "json": "JSON", "jsonl": "JSON Lines", "parquet": "Parquet", "rows": "rows"}


def inspect_file(path: Path | str, mapping: ColumnMapping | None = None, limits: Limits = Limits()) -> Inspection:  # noqa: B008 (frozen)
    """Read a CSV, TSV, JSON, JSON Lines or Parquet file into examples; rows that cannot be used are named by line.

    Raises:
        DataError: the file is of no known format, damaged as a whole, or lacks a column of ``mapping``.
    """
    return _inspect(read_table(Path(path), limits), mapping, limits)


def inspect_rows(rows: Iterable[Mapping[str, Any]], mapping: ColumnMapping | None = None, limits: Limits = Limits()) -> Inspection:  # noqa: B008 (frozen)
    """The same for rows that are in memory already, such as a ``datasets.Dataset``. Raises DataError as `inspect_file`."""
    return _inspect(Table("rows", (Row(number, dict(row)) for number, row in enumerate(rows, 1))), mapping, limits)


def _inspect(table: Table, mapping: ColumnMapping | None, limits: Limits) -> Inspection:
    rows = iter(table.rows)
    first = list(islice(rows, _LOOKED_AT))
    columns = _columns(first, limits)
    filled = _filled(columns, first)
    shape = mapped(mapping, columns, limits) if mapping else recognise(columns, filled, limits)
    collected = _Collected(table, columns, filled, shape, limits)
    if shape is None and 0 < len(filled) < len(columns):
        empty = [column for column in columns if column not in filled]
        collected.notes.append(f"Empty, or nothing that can be read as text: {shown(', '.join(empty), 200)}.")
    for row in chain(first, rows):
        if collected.rows >= limits.rows:
            collected.notes.append(f"Only the first {limits.rows:,} rows were read.")
            break
        collected.take(row)
    return collected.result()


def _columns(rows: Iterable[Row], limits: Limits) -> tuple[str, ...]:
    found = dict.fromkeys(str(name) for row in rows for name in row.values or ())
    if len(found) > limits.columns:
        raise DataError(
            "The rows have {count:,} different fields; at most {limit} can be read.",
            kind="file.fields",
            count=len(found),
            limit=limits.columns,
        )
    if problem := next((problem for name in found if (problem := unreadable(name))), None):
        raise DataError("The name of a column {reason}.", kind="file.column_name", reason=problem)
    return tuple(found)


def _filled(columns: Iterable[str], rows: Iterable[Row]) -> list[str]:
    """Columns that hold something to read; what is empty in every row, or a tree of data, names no shape."""
    filled = {name for row in rows for name, value in (row.values or {}).items() if _holds_text(value)}
    return [column for column in columns if column in filled]


def _holds_text(value: Any) -> bool:
    return bool(value.strip()) if isinstance(value, str) else not is_missing(value) and not isinstance(value, dict) and value != []


class _Collected:
    """Examples and problems, as the rows come."""

    def __init__(self, table: Table, columns: tuple[str, ...], filled: list[str], shape: Shape | None, limits: Limits) -> None:
        self.notes = list(table.notes)
        self.rows = 0
        self._encoding = table.encoding
        self._format, self._columns, self._filled, self._shape, self._limits = table.format, columns, filled, shape, limits
        self._usable = self._problem_count = self._size = 0
        self._examples: list[Example] = []
        self._problems: list[Problem] = []

    def take(self, row: Row) -> None:
        """Turn one row into examples, or note what is wrong with it."""
        self.rows += 1
        if row.values is None:
            self._problem(row.line, row.problem or "the row cannot be read")
        elif self._shape:
            try:
                found = [Example(row.line, messages, answer, self.rows) for messages, answer in self._shape.convert(row.values)]
            except RowError as error:
                self._problem(row.line, str(error))
            else:
                self._keep(found)

    def _keep(self, found: list[Example]) -> None:
        self._usable += 1
        self._examples += found
        # Each answer of a chat is kept with all that was said before it, so a chat grows by the square of its turns.
        self._size += sum(len(example.answer) + sum(len(message.content) for message in example.messages) for example in found)
        if self._size > self._limits.expanded:
            raise DataError(
                "The examples grow to more than {limit:,} MB; cut its chats into parts.",
                kind="file.examples_size",
                limit=self._limits.expanded // 1_000_000,
            )

    def _problem(self, line: int, text: str) -> None:
        self._problem_count += 1
        if len(self._problems) < self._limits.problems:
            self._problems.append(Problem(line, f"{self._where(line)}: {text}."))

    def _where(self, line: int) -> str:
        if self._format in ("parquet", "rows"):
            return f"Row {line}"
        return f"Line {line} (row {self.rows})" if self._format == "json" else f"Line {line}"

    def result(self) -> Inspection:
        """All of it."""
        name = self._shape.name if self._shape else "unknown"
        self._odd(name)
        needs_mapping = self._shape is None and len(self._columns) > 1 and self.rows > 0
        return Inspection(
            format=self._format, shape=name, columns=self._columns, rows=self.rows, usable_rows=self._usable, needs_mapping=needs_mapping,
            problems=tuple(self._problems), problem_count=self._problem_count, notes=tuple(self.notes), examples=tuple(self._examples),
            sentence=self._sentence(name, needs_mapping), roles=self._shape.roles(self._columns) if self._shape else {},
            encoding=self._encoding,
        )  # fmt: skip

    def _odd(self, name: str) -> None:
        """Say what will not harm but surprise."""
        if name == "preferences":
            whole = "Preference pairs (chosen and rejected) cannot be trained on; give prompts with answers."
            self._problems.insert(0, Problem(None, whole))
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
        kind = _FORMATS[self._format]
        if self.rows == 0:
            return f"There is no row of data in this file ({kind}); a prompt and an answer are needed."
        if needs_mapping:
            columns = shown(", ".join(self._columns), 200)
            return f"A table of {rows} ({kind}) with the columns {columns}. Say which is the prompt and which the answer."
        if self._shape is None:
            column = f"only one column, {shown(self._columns[0])}" if self._columns else "no columns"
            return f"{kind} with {rows} and {column}; a prompt and an answer are needed."
        return f"Recognised as {TITLES[name]} ({kind}, {rows}). {self._left()}"

    def _left(self) -> str:
        if self._usable == self.rows:
            return "All can be read." if self.rows > 1 else "It can be read."
        return f"{self.rows - self._usable:,} cannot be used." if self._usable else "Nothing of it can be used."
