"""Reads CSV, TSV and their kin: finds separator and header, and passes over damaged lines without losing those after them."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from reft_engine.data.reading.csv_records import Dialect, Records
from reft_engine.data.reading.header import Record, find_header, note_index, starts_below, title_lines
from reft_engine.data.reading.source import Lines, Source
from reft_engine.data.reading.table import Counts, ReadOptions, Row, Table, check_columns, column_names
from reft_engine.data.records import Limits, counted
from reft_engine.errors import DataError

_DELIMITERS = (",", "\t", ";", "|")
_NO_DELIMITER = "\x1f"
"""Stands for the separator of a file with one column; a control character that no text holds."""
_SNIFFED, _SNIFFED_LINES = 256_000, 60
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the header is and what it says; ``header`` is None if the columns have no names."""

    dialect: Dialect
    skip: int
    header: list[str] | None
    width: int


def read_delimited(source: Source, encoding: str, options: ReadOptions, limits: Limits, notes: list[str]) -> Table:
    """Open a delimited file. Raises DataError if its first line cannot be read."""
    head = _head(source, encoding, limits)
    layout = _layout(head, source, options, limits, notes)
    if layout.header is None:
        notes.append(
            "The first line looks like a row, so the columns are numbered." if options.header is None else "The columns are numbered."
        )
    names = column_names(layout.header if layout.header is not None else [""] * layout.width, notes)
    delimiter = "" if layout.dialect.delimiter == _NO_DELIMITER else layout.dialect.delimiter
    used = options.model_copy(
        update={"delimiter": delimiter, "quote": layout.dialect.quote, "header": layout.header is not None, "skip": layout.skip}
    )
    counts = Counts()
    rows = _Rows(source, encoding, layout, names, limits, notes, counts)
    return Table("tsv" if delimiter == "\t" else "csv", iter(rows), notes, options=used, counts=counts)


# Layout


def _head(source: Source, encoding: str, limits: Limits) -> str:
    """The first lines. Raises DataError if not even the first one can be read as a whole."""
    with source.open_text(encoding) as text:
        head = text.read(min(_SNIFFED, limits.row))
        while (end := max(head.rfind("\n"), head.rfind("\r")) + 1) == 0 and len(head) <= limits.row and (piece := text.read(_SNIFFED)):
            head += piece
        is_whole = not text.read(1)
    if end == 0 and len(head) > limits.row:
        raise DataError(
            "Line 1: the row is too long; at most {limit:,} characters can be read.", kind="file.first_line_long", limit=limits.row
        )
    return head if is_whole or end == 0 else head[:end]


def _layout(head: str, source: Source, options: ReadOptions, limits: Limits, notes: list[str]) -> _Layout:
    lines = _lines_of(head)
    separator = _SEPARATOR_LINE.fullmatch(lines[0]) if lines else None
    delimiter = options.delimiter or (separator[1] if separator and options.delimiter is None else None)
    if options.delimiter == "":
        delimiter = _NO_DELIMITER
    above = options.skip if options.skip is not None else 1 if separator else 0
    rest = lines[above:]
    if delimiter is None:
        delimiter = _delimiter(rest)
    dialect = Dialect(delimiter, _quote(rest, delimiter, options))
    if dialect.delimiter == dialect.quote:
        raise DataError("The separator and the quotation mark cannot be the same sign ({sign}).", kind="file.same_sign", sign=delimiter)
    records = _sample(rest, dialect, source, limits)
    if not records and options.skip:
        raise DataError("There is nothing below line {line} of the file.", kind="file.skip", line=options.skip)
    _check_first(records, above)
    if options.skip is None and (titles := title_lines(records)):
        notes.append(f"{counted(titles, 'line')} above the table {'is' if titles == 1 else 'are'} left out.")
        records = records[titles:]
    first = records[0]
    cells = first.cells or []
    header = find_header(cells, records, options)
    check_columns(len(cells), limits)
    width = len(header if header is not None else cells)
    if header is not None:
        note_index(header, records[1:], notes)
    return _Layout(dialect, above + first.line - 1, header, width)


def _lines_of(text: str) -> list[str]:
    lines = io.StringIO(text, newline="").readlines()
    return [line.lstrip("\ufeff") if line.startswith("\ufeff") else line for line in lines]


def _sample(lines: list[str], dialect: Dialect, source: Source, limits: Limits) -> list[Record]:
    """The first records that are not blank, with lines counted from 1."""
    feed = Lines(io.StringIO("".join(lines), newline=""), source, limits.row)
    return list(islice(Records(feed, dialect, None, limits, Counts()), _SNIFFED_LINES))


def _check_first(records: Sequence[Record], above: int) -> None:
    if not records:
        raise DataError("Line 1: nothing can be read.", kind="file.blank")
    if records[0].cells is None:
        raise DataError("Line {line}: {reason}.", kind="file.first_line", line=above + records[0].line, reason=records[0].problem)


def _delimiter(lines: list[str]) -> str:
    """The delimiter that most often cuts the first lines, or those below a title, into the same number of cells."""
    lines = [line for line in lines if line.strip()][:_SNIFFED_LINES]
    best: tuple[float, int] = (0.0, 0)
    best_delimiter, below = "", dict[str, int]()  # by delimiter that begins a table below other lines: lines of that table
    for delimiter in _DELIMITERS:
        widths = _widths(lines, delimiter)
        if not widths:
            continue
        if widths[0] >= 2:
            score = (sum(width == widths[0] for width in widths) / len(widths), widths[0])
            if score > best:
                best, best_delimiter = score, delimiter
        elif starts_below(widths):
            below[delimiter] = Counter(widths).most_common(1)[0][1]
    fallback = max(below, key=below.__getitem__, default="")
    if best[0] >= 0.5 or (best_delimiter and not fallback):
        return best_delimiter
    if fallback:
        return fallback
    return best_delimiter or _NO_DELIMITER


def _widths(lines: list[str], delimiter: str) -> list[int]:
    """Cells of each record, as far as quotation marks allow."""
    widths: list[int] = []
    with suppress(csv.Error):
        widths.extend(len(cells) for cells in csv.reader(lines, delimiter=delimiter, skipinitialspace=delimiter != "\t") if cells)
    return widths


def _quote(lines: list[str], delimiter: str, options: ReadOptions) -> str:
    if options.quote is not None:
        return options.quote
    if delimiter == "\t" and any('"' in line for line in lines) and not _quotes_fit(lines):
        return ""
    filled = [line.strip() for line in lines[:_SNIFFED_LINES] if line.strip()]
    quoted = sum(len(line) > 1 and line[0] == line[-1] == "'" for line in filled)
    if not any('"' in line for line in lines) and len(filled) > 1 and quoted >= 0.8 * len(filled):
        return "'"
    return '"'


def _quotes_fit(lines: list[str]) -> bool:
    """Whether quotation marks in a tab-separated file enclose cells, rather than belong to their text."""
    width = None
    reader = Dialect("\t", '"').reader(lines)
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            return "unexpected end" in str(error) and width is not None and len(lines) > _SNIFFED_LINES
        if cells is None:
            return True
        if not any(cell.strip() for cell in cells):
            continue
        if width is not None and len(cells) != width:
            return False
        width = len(cells)


# Rows


class _Rows:
    """The rows below the header, one pass."""

    def __init__(
        self, source: Source, encoding: str, layout: _Layout, names: list[str], limits: Limits, notes: list[str], counts: Counts
    ) -> None:
        self._source, self._encoding, self._layout, self._names = source, encoding, layout, names
        self._limits, self._notes, self._counts = limits, notes, counts
        self._header = [cell.strip() for cell in layout.header or ()]
        self._short = 0

    def __iter__(self) -> Iterator[Row]:
        with self._source.open_text(self._encoding, progress=True) as text:
            lines = Lines(text, self._source, self._limits.row)
            self._counts.heading = sum(1 for _ in islice(lines, self._layout.skip))
            records = Records(lines, self._layout.dialect, self._layout.width, self._limits, self._counts, self._encoding)
            if self._layout.header is not None and (header := next(records, None)):
                self._counts.heading += header.lines
            for record in records:
                if (row := self._row(record)) is not None:
                    yield row
            if self._source.damage:
                yield Row(lines.number + 1, None, self._source.damage, lines.cut)
            self._note(lines)

    def _row(self, record: Record) -> Row | None:
        cells, names = record.cells, self._names
        if cells is None:
            return Row(record.line, None, record.problem, record.lines)
        if len(cells) > len(names) and any(cell.strip() for cell in cells[len(names) :]):
            problem = f"the row has {len(cells):,} cells, the first line {len(names):,}"
            return Row(record.line, None, problem, record.lines)
        if self._header and cells[0].strip() == self._header[0] and [cell.strip() for cell in cells] == self._header:
            self._counts.add_header(record.line)
            self._counts.heading += record.lines
            return None
        self._counts.rows += record.lines
        self._short += len(cells) < len(names)
        return Row(record.line, dict(zip(names, cells, strict=False)), swallowed=record.swallowed)

    def _note(self, lines: Lines) -> None:
        if self._short:
            verb = "has" if self._short == 1 else "have"
            self._notes.append(f"{counted(self._short, 'row')} {verb} fewer cells than the first line; the missing ones are empty.")
        if lines.marks:
            self._notes.append(
                f"{counted(lines.marks, 'byte order mark')} inside the file {'was' if lines.marks == 1 else 'were'} left out."
            )
