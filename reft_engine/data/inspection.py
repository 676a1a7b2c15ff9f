"""Inspects a file: its format and shape, the examples in it, and why its other rows cannot be used."""

from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, Protocol

from reft_engine.data.cells import BadAnswerError, EmptyError, RowError, extent, holds_text, shown, unreadable
from reft_engine.data.converting import Converter
from reft_engine.data.oddities import Tally
from reft_engine.data.reading import Encoding, ReadOptions, Row, Table, read_table
from reft_engine.data.records import INCLUDES, AnyExample, Include, Limits, Problem, answers_of, counted, row_of
from reft_engine.data.report import Remedy, ReportItem, RowCounts, balance, dropped_rows, report
from reft_engine.data.roles import Columns
from reft_engine.data.shapes import TITLES, Sample, Shape, has_whole_labels, recognise, suggest
from reft_engine.data.turns import TOOL_RESULTS, Beside, Fate
from reft_engine.errors import DataError

_SNIFFED_ROWS, _SNIFFED_SIZE = 200, 8_000_000
"""A shape is recognised by so many rows; by fewer where these have more characters, so that long rows do not cost much memory."""
"""First rows, whose columns decide the shape of the file."""
_FORMATS = {
    "csv": "CSV", "tsv": "TSV", "json": "JSON", "jsonl": "JSON Lines", "parquet": "Parquet", "arrow": "Arrow", "xlsx": "Excel",
    "xls": "Excel", "ods": "ODS", "rows": "rows",
}  # fmt: skip
_REMARKS = ("same_answer", "unbalanced", "repeated_headers", "swallowed_lines")
"""Items of the report that have no remedy and concern rows that are used."""
_UNNUMBERED = ("parquet", "arrow", "rows", "xlsx", "xls", "ods")
"""Formats without lines; their rows are counted."""


@dataclass(frozen=True, slots=True)
class ChatPart:
    """A part of chats that can be learned beside their texts, how often it was met, and whether it is learned."""

    kind: Include
    count: int
    learned: bool

    @property
    def text(self) -> str:
        """The note on it."""
        return f"{'Learned with' if self.learned else 'Left out of'} chats: {_words(self.kind)} ({self.count:,})."


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a file was recognised as.

    Attributes:
        format: csv, tsv, json, jsonl, parquet, arrow, xlsx or ods.
        shape: the name of a shape in `shapes.SHAPES`; mapped for roles that a person chose, unknown for none.
        columns: names of the columns, in the order of the file.
        rows: rows read; ``usable_rows``: those that gave at least one example.
        bad_answers: rows that are marked as bad answers and were left out.
        lost_lines: lines of the file that could not be read as rows.
        needs_mapping: a person must say what the columns are before there are examples.
        problems: why rows cannot be used, the first of them; ``problem_count`` counts all.
        notes: assumptions made while reading and oddities of the whole file; nothing is lost by them.
        parts: what is learned of chats beside their texts, or could be; their texts are among the notes.
        examples: what is learned; of a file that was imported only the first. ``example_count`` counts all.
        sentence: the inspection in one or two sentences.
        read_as: the roles by which the rows were read; without a shape those that are suggested.
        reasons: why a column has its role, by column.
        report: what a person should know about the rows; ``answers``: each answer with its number of examples, where they are few.
        encoding: of a text file; ``encodings``: what else it may be, best first, while that is uncertain.
        options: how the file was read; ``sheets`` and ``lists``: what else there is in it to read.
    """

    format: str
    shape: str
    columns: tuple[str, ...]
    rows: int
    usable_rows: int
    bad_answers: int
    lost_lines: int
    needs_mapping: bool
    problems: tuple[Problem, ...]
    problem_count: int
    notes: tuple[str, ...]
    parts: tuple[ChatPart, ...]
    examples: tuple[AnyExample, ...]
    example_count: int
    sentence: str
    read_as: Columns
    reasons: Mapping[str, str]
    report: tuple[ReportItem, ...]
    answers: tuple[tuple[str, int], ...]
    encoding: str | None
    encodings: tuple[Encoding, ...]
    options: ReadOptions
    sheets: tuple[str, ...]
    lists: tuple[str, ...]

    @property
    def roles(self) -> dict[str, str]:
        """The role of each column; empty while a person must choose."""
        return {} if self.needs_mapping or self.shape == "unknown" else self.read_as.of(self.columns)

    @property
    def remarks(self) -> tuple[str, ...]:
        """The notes, and what the report says of rows that are used."""
        return (*self.notes, *(item.text for item in self.report if item.remedy or item.kind in _REMARKS))

    @property
    def needs_encoding(self) -> bool:
        """Whether a person must confirm the encoding before anything is kept."""
        return bool(self.encodings)


def inspect_file(
    path: Path | str, columns: Columns | None = None, options: ReadOptions | None = None, limits: Limits | None = None, *,
    roles: Mapping[str, str] | None = None, template: str = "", remedies: Sequence[Remedy] = (),
    on_progress: Callable[[float], None] | None = None,
) -> Inspection:  # fmt: skip
    """Read a file into examples; rows that cannot be used are listed with their lines.

    Args:
        path: a file of any format in `reading`.
        columns: what each column is; None recognises it.
        options: how the file is read; what they leave open is decided by its content.
        limits: maximum sizes.
        roles: roles of some columns, with a ``template``; the others stay as they are recognised.
        remedies: drop rows that the report names.
        on_progress: called with the share that is read, 0 to 1.

    Raises:
        DataError: the file has no known format, is damaged as a whole, or lacks one of ``columns``.
    """
    limits, options = limits or Limits(), options or ReadOptions()
    given = Given(columns, roles or {}, template, tuple(remedies))
    return inspected(lambda: read_table(Path(path), options, limits, on_progress), given, limits, KeptInMemory())


def inspect_rows(
    rows: Iterable[Mapping[str, Any]], columns: Columns | None = None, limits: Limits | None = None, *, include: Sequence[Include] = ()
) -> Inspection:  # fmt: skip
    """Inspect rows that are already in memory, such as a ``datasets.Dataset``. Raises DataError as `inspect_file` does.

    ``include`` is as in `ReadOptions`.
    """
    opened = partial(_table_of, [dict(row) for row in rows], ReadOptions(include=tuple(include)))
    return inspected(opened, Given(columns), limits or Limits(), KeptInMemory())


class Kept(Protocol):
    """Where the examples of a file are kept."""

    def begin(self) -> None:
        """Forget what was kept, because the file is read once more."""

    def add(self, examples: list[AnyExample]) -> None:
        """Keep the examples of a row."""

    def show(self, columns: Sequence[str], line: int, values: Mapping[str, Any] | None, problem: str | None) -> None:
        """Take a row as it stands in the file, and why it cannot be used; of one that cannot be read there are no values."""

    def list_rows(self, kind: str, numbers: Sequence[int]) -> None:
        """Take the numbers of the rows that an item of the report is about."""

    def drop(self, rows: Collection[int]) -> None:
        """Drop the examples of these rows."""

    def examples(self) -> tuple[AnyExample, ...]:
        """All examples, or the first of them."""

    def count(self) -> int:
        """The number of all examples that are kept."""


class KeptInMemory:
    """Keeps the examples in memory."""

    def __init__(self) -> None:
        self._examples: list[AnyExample] = []

    def begin(self) -> None:
        """See `Kept`."""
        self._examples = []

    def add(self, examples: list[AnyExample]) -> None:
        """See `Kept`."""
        self._examples += examples

    def show(self, columns: Sequence[str], line: int, values: Mapping[str, Any] | None, problem: str | None) -> None:
        """Nobody pages through them."""

    def list_rows(self, kind: str, numbers: Sequence[int]) -> None:
        """Nobody pages through them."""

    def drop(self, rows: Collection[int]) -> None:
        """See `Kept`."""
        self._examples = [example for example in self._examples if row_of(example) not in rows]

    def examples(self) -> tuple[AnyExample, ...]:
        """See `Kept`."""
        return tuple(self._examples)

    def count(self) -> int:
        """See `Kept`."""
        return len(self._examples)


@dataclass(frozen=True, slots=True)
class Given:
    """What a person said of the columns (all of them, or the roles of some), and the remedies."""

    columns: Columns | None = None
    roles: Mapping[str, str] = field(default_factory=dict)
    template: str = ""
    remedies: tuple[Remedy, ...] = ()

    def over(self, recognised: Columns | None) -> Columns | None:
        """The columns by which the rows are read; None to read them as they are recognised. Raises DataError."""
        if self.columns is not None or not (self.roles or self.template):
            return self.columns
        return (recognised or Columns(roles={})).changed(self.roles, self.template)


def _table_of(rows: list[dict[str, Any]], options: ReadOptions) -> Table:
    return Table("rows", (Row(number, row) for number, row in enumerate(rows, 1)), [], options=options)


def inspected(opened: Callable[[], Table], given: Given, limits: Limits, kept: Kept) -> Inspection:
    """Inspect a table; once more without a column that was taken for what it is named, and is empty from the first row to the last."""
    found, empty = _inspect(opened(), given, limits, kept, frozenset())
    if empty and found.rows and not found.usable_rows:
        found, _ = _inspect(opened(), given, limits, kept, empty)
    return found


def _inspect(table: Table, given: Given, limits: Limits, kept: Kept, empty: frozenset[str]) -> tuple[Inspection, frozenset[str]]:
    rows = iter(table.rows)
    first = _sniffed(rows)
    sample = Sample(_columns(first, limits), tuple(row.values for row in first if row.values), empty)
    known = recognise(sample)
    shape = known[0] if known else None
    if shape and sample.rows:  # a shape that unfolds its rows has columns of its own
        flat = tuple(islice((each for values in sample.rows for each in shape.unfold(values)), _SNIFFED_ROWS))
        sample = Sample(tuple(dict.fromkeys(name for row in flat for name in row)) or sample.columns, flat, empty)
    columns = given.over(known[1] if known else None)
    if columns is not None:
        columns.check(sample.columns)
    kept.begin()
    collector = _Collector(table, sample, shape, columns, known[1] if known else None, limits, kept)
    for row in chain(first, rows):
        if collector.rows >= limits.rows:
            collector.notes.append(f"Only the first {limits.rows:,} rows were read.")
            break
        collector.take(row)
    return collector.result(given.remedies), collector.empty_roles()


def _sniffed(rows: Iterator[Row]) -> list[Row]:
    found: list[Row] = []
    size = 0
    while len(found) < _SNIFFED_ROWS and size < _SNIFFED_SIZE and (row := next(rows, None)):
        found.append(row)
        size += extent(row.values)
    return found


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


class _Collector:
    """Collects examples and problems, row by row."""

    def __init__(
        self,
        table: Table,
        sample: Sample,
        shape: Shape | None,
        chosen: Columns | None,
        recognised: Columns | None,
        limits: Limits,
        kept: Kept,
    ) -> None:
        self.notes: list[str] = []
        self.rows = 0
        self._table, self._sample, self._shape, self._limits = table, sample, shape, limits
        self._chosen, self._recognised = chosen, recognised
        self._reasons: dict[str, str] = {}
        self._columns = chosen or recognised
        if self._columns is None:
            self._suggested, self._reasons = suggest(sample)
        self._converter = self._make_converter()
        self._usable = self._bad = self._problem_count = self._size = self._lost = 0
        self._filled: set[str] = set()
        self._kept, self._tally = kept, Tally()
        self._problems: list[Problem] = []
        self._unusable_rows, self._empty_rows, self._swallowing_rows = (array("I") for _ in range(3))
        self._swallowed = 0

    def _make_converter(self) -> Converter | None:
        if self._columns is None or not self._columns.is_complete:
            return None
        whole_labels = has_whole_labels(self._sample, self._columns)
        return Converter(self._columns, self._limits, whole_labels=whole_labels, include=self._table.options.include)

    def take(self, row: Row) -> None:
        """Convert one row to examples, or record why it cannot be used."""
        if row.values is None:
            self.rows += 1
            self._lost += row.lost
            self._show(row.line, None, self._add_problem(row.line, row.problem or "the row cannot be read"))
            return
        for values in self._unfolded(row.values):
            self.rows += 1
            if len(self._filled) < len(values):
                self._filled.update(name for name, value in values.items() if name not in self._filled and holds_text(value))
            self._show(row.line, values, self._convert(values, row.line) if self._converter else None)
            self._note_swallowed(row)

    def _note_swallowed(self, row: Row) -> None:
        self._swallowed += row.swallowed
        if row.swallowed:
            self._swallowing_rows.append(self.rows)

    def _unfolded(self, values: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield from self._shape.unfold(values) if self._shape else (values,)

    def _show(self, line: int, values: Mapping[str, Any] | None, problem: str | None) -> None:
        self._kept.show(self._sample.columns, line, values, problem)

    def _convert(self, values: Mapping[str, Any], line: int) -> str | None:
        """Keep the examples of a row; returns why it cannot be used."""
        assert self._converter is not None
        try:
            examples = self._converter.convert(values, line, self.rows)
        except BadAnswerError:
            self._bad += 1
        except RowError as error:
            if isinstance(error, EmptyError):
                self._empty_rows.append(self.rows)
            return self._add_problem(line, str(error))
        else:
            self._add(examples)
        return None

    def _add(self, examples: list[AnyExample]) -> None:
        self._usable += 1
        self._kept.add(examples)
        for example in examples:
            self._tally.add(example)
        # The texts of a row, each once: the answers of a chat share the messages before them.
        last = examples[-1]
        self._size += sum(map(len, answers_of(last))) + sum(len(message.content) for message in last.messages)
        if self._size > self._limits.expanded:
            raise DataError(
                "The examples grow to more than {limit:,} MB; cut the file into parts.",
                kind="file.examples_size",
                limit=self._limits.expanded // 1_000_000,
            )

    def _add_problem(self, line: int, text: str) -> str:
        """Count a row that cannot be used; returns why, as it is said."""
        self._problem_count += 1
        self._unusable_rows.append(self.rows)
        said = f"{self._where(line)}: {text}."
        if len(self._problems) < self._limits.problems:
            self._problems.append(Problem(line, said))
        return said

    def _where(self, line: int) -> str:
        if self._table.format in _UNNUMBERED:
            return f"Row {line}"
        return f"Line {line} (row {self.rows})" if self._table.format == "json" else f"Line {line}"

    def empty_roles(self) -> frozenset[str]:
        """Columns that have a role by their names and hold nothing in any row, if others can stand in for them."""
        if self._chosen is not None or self._recognised is None:
            return frozenset()
        roles = self._recognised.roles
        empty = frozenset(column for column in self._sample.columns if column in roles and column not in self._filled)
        return empty if empty and recognise(replace(self._sample, empty=empty)) else frozenset()

    def result(self, remedies: Sequence[Remedy]) -> Inspection:
        """The inspection of all rows taken, less those that remedies drop."""
        name = self._name()
        items = report(self._counts(), self._tally)
        for item in items:
            self._kept.list_rows(item.kind, item.rows)
        dropped = dropped_rows(self._tally, remedies)
        self._note_oddities()
        needs_mapping = self._columns is None and len(self._sample.columns) > 1 and self.rows > 0
        if dropped:
            self._kept.drop(dropped)
            self.notes.append(f"{counted(len(dropped))} dropped: {', '.join(remedies).replace('_', ' ')}.")
        table, examples = self._table, self._kept.examples()
        return Inspection(
            format=table.format, shape=name, columns=self._sample.columns, rows=self.rows, usable_rows=self._usable - len(dropped),
            bad_answers=self._bad, lost_lines=self._lost, needs_mapping=needs_mapping, problems=tuple(self._problems),
            problem_count=self._problem_count, notes=(*table.notes, *self.notes), parts=self._parts(), examples=examples,
            example_count=self._kept.count(), sentence=self._sentence(name, needs_mapping),
            report=tuple(map(ReportItem.shortened, items)), answers=balance(self._tally), read_as=self._columns or self._suggested,
            reasons=self._reasons, encoding=table.encoding, encodings=table.encodings, options=table.options, sheets=table.sheets,
            lists=table.lists,
        )  # fmt: skip

    def _name(self) -> str:
        if self._columns is None:
            return "unknown"
        if self._shape and (self._chosen is None or self._chosen == self._recognised):
            return self._shape.name
        return "mapped"

    def _counts(self) -> RowCounts:
        unusable = 0 if self._columns is None else self.rows - self._usable - self._bad
        counts = self._table.counts
        return RowCounts(
            unusable, self._unusable_rows, self._bad, self._lost, self._empty_rows, counts.headers, counts.first_header,
            self._swallowed, self._swallowing_rows,
        )  # fmt: skip

    # Notes

    def _note_oddities(self) -> None:
        """Note what does no harm but may surprise."""
        if self._columns is None:
            self._note_empty()
            return
        if self._usable:
            self._note_unused()
        else:
            self._note_empty()
        if self._shape and self._name() == self._shape.name:
            self.notes.extend(self._shape.notes())
        if self._converter:
            self._note_chats(self._converter.beside)
        if self._bad:
            self.notes.append(f"{_rows(self._bad)} marked as {'a bad answer' if self._bad == 1 else 'bad answers'} and left out.")
        self._note_splits()
        self._note_examples()

    def _note_empty(self) -> None:
        empty = [column for column in self._sample.columns if column not in self._filled]
        if 0 < len(empty) < len(self._sample.columns) or (empty and self.rows):
            self.notes.append(f"Empty, or nothing that can be read as text: {shown(', '.join(empty), 200)}.")

    def _note_unused(self) -> None:
        assert self._columns is not None
        fields = self._columns.fields()
        unused = [
            column for column in self._sample.columns
            if self._columns.roles.get(column, "ignore") == "ignore" and column in self._filled and column not in fields
        ]  # fmt: skip
        if unused:
            answer = self._columns.one("answer")
            used = f"The answer is taken from {shown(answer)}. " if answer and answer.strip().lower() != "answer" else ""
            self.notes.append(f"{used}Not used: {shown(', '.join(unused), 200)}.")

    def _parts(self) -> tuple[ChatPart, ...]:
        if self._converter is None:
            return ()
        beside = self._converter.beside
        fates: dict[Include, Fate] = {kind: "learned" if kind in beside.include else "left out" for kind in INCLUDES}
        parts = (ChatPart(kind, beside.counts[kind, fate], fate == "learned") for kind, fate in fates.items())
        return tuple(part for part in parts if part.learned or part.count)

    def _note_chats(self, beside: Beside) -> None:
        self.notes += [part.text for part in self._parts()]
        for (kind, fate), count in beside.counts.items():
            if count and kind == TOOL_RESULTS:
                self.notes.append(f"{count:,} {'result of a tool stands' if count == 1 else 'results of tools stand'} {fate}.")
            elif count and fate == "left out" and (kind not in INCLUDES or kind in beside.include):
                self.notes.append(f"Left out of chats: {_words(kind)} ({count:,}).")

    def _note_splits(self) -> None:
        named = self._tally.splits
        if len(named) > 1:
            parts = ", ".join(f"{shown(name)} {count:,}" for name, count in named.most_common(6))
            self.notes.append(f"The file divides its rows: {parts}. Only train is trained on; the others are held out.")

    def _note_examples(self) -> None:
        if self._tally.examples > self._usable:
            self.notes.append(f"Each answer in a chat is an example of its own; there are {self._tally.examples:,}.")
        if self._tally.examples == 1:
            self.notes.append("There is a single example; a handful teaches more.")

    # The sentence

    def _sentence(self, name: str, needs_mapping: bool) -> str:
        rows = counted(self.rows)
        format_name = _FORMATS[self._table.format]
        if self.rows == 0:
            return f"There is no row of data in this file ({format_name}); a prompt and an answer are needed."
        if needs_mapping:
            columns = shown(", ".join(self._sample.columns), 200)
            return f"A table of {rows} ({format_name}) with the columns {columns}. Say which is the prompt and which the answer."
        if self._columns is None:
            column = f"only one column, {shown(self._sample.columns[0])}" if self._sample.columns else "no columns"
            return f"{format_name} with {rows} and {column}; a prompt and an answer are needed."
        return f"Recognised as {TITLES[name]} ({format_name}, {rows}). {self._usable_sentence()}"

    def _usable_sentence(self) -> str:
        if self._usable + self._bad == self.rows:
            return "All can be read." if self.rows > 1 else "It can be read."
        unusable = self.rows - self._usable - self._bad
        lost = f" {self._lost:,} lines of the file are lost with them." if self._lost > unusable else ""
        return f"{unusable:,} cannot be used.{lost}" if self._usable else f"Nothing of it can be used.{lost}"


def _words(kind: str) -> str:
    return kind.replace("_", " ")


def _rows(count: int) -> str:
    return f"{count:,} {'row is' if count == 1 else 'rows are'}"
