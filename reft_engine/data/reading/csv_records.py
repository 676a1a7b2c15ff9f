"""Cuts delimited text into records; a quoted cell that does not end where the row fits costs only the line that opens it."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from reft_engine.data.reading.header import Record
from reft_engine.data.reading.source import Lines, bad_bytes
from reft_engine.data.reading.table import Counts
from reft_engine.data.records import Limits

_SCAN = 16_000_000
"""Characters that are searched for the end of a quoted cell."""
_SPARE, _LEAST_SCAN = 20_000_000, 1000
"""Characters that may be searched in vain before the search is shortened, and to what."""
_DELIMITER_NAMES = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "bar", " ": "space"}
_ANY_SIZE = (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class Dialect:
    """How lines are cut into cells."""

    delimiter: str
    quote: str

    def reader(self, lines: Iterable[str]) -> Iterator[list[str]]:
        """A reader of the csv module, which is strict about what follows a closing quotation mark."""
        # A space after the delimiter does not belong to the cell; otherwise the quotation marks after it would.
        skips = self.delimiter not in "\t "
        if not self.quote:
            return csv.reader(lines, delimiter=self.delimiter, quoting=csv.QUOTE_NONE, skipinitialspace=skips)
        return csv.reader(lines, delimiter=self.delimiter, quotechar=self.quote, strict=True, skipinitialspace=skips)


class _TooLongError(Exception):
    """A row with more characters than are searched."""


class _Feed:
    """The lines of one record at a time, for the csv module; remembers them, because some are read again."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self.taken: list[str | None] = []
        self.size = self.limit = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.taken.append(line)
        if line is None:
            raise _TooLongError
        self.size += len(line)
        if self.size > self.limit and len(self.taken) > 1:
            raise _TooLongError
        return line

    def begin(self, limit: int) -> None:
        """Begin a record, of which ``limit`` characters may be read."""
        self.taken, self.size, self.limit = [], 0, limit


class Records:
    """The records of a delimited text. A quoted cell that does not end where the row fits costs only the line that opens it."""

    def __init__(self, lines: Lines, dialect: Dialect, width: int | None, limits: Limits, counts: Counts, encoding: str = "utf-8") -> None:
        self._lines, self._dialect, self._width, self._limits, self._counts = lines, dialect, width, limits, counts
        self._encoding = encoding
        self._feed = _Feed(lines)
        csv.field_size_limit(_ANY_SIZE)  # of the whole process; this class has limits of its own
        self._reader = dialect.reader(self._feed)
        self._scan = min(_SCAN, 4 * limits.row)
        self._scanned = self._wasted = 0

    def __iter__(self) -> Iterator[Record]:
        return self

    def __next__(self) -> Record:
        while True:
            record = self._record()
            if record.cells is None or any(cell and not cell.isspace() for cell in record.cells):
                return record
            self._counts.blank += record.lines

    def _record(self) -> Record:
        line, feed = self._lines.number + 1, self._feed
        # Searching far for each of many quotation marks in vain would take a time that grows with the square of the file.
        spare = _SPARE + 4 * self._scanned - self._wasted
        feed.begin(self._scan if spare > self._scan else max(spare, min(_LEAST_SCAN, self._scan)))
        try:
            cells = next(self._reader)
        except _TooLongError:
            return self._too_long(line)
        except csv.Error as error:
            return self._damaged(line, str(error))
        count = len(feed.taken)
        if count > 1 and not self._fits(cells):
            return self._damaged(line, "")
        self._scanned += feed.size
        if problem := self._problem(cells):
            return Record(line, count, None, problem)
        swallows = count > 3 and self._width and self._width > 1 and all(self._is_row(text) for text in feed.taken[1:-1])
        return Record(line, count, cells, swallowed=count - 1 if swallows else 0)

    def _problem(self, cells: list[str]) -> str:
        """Why a record that was read cannot be used."""
        for number, text in enumerate(self._feed.taken):
            if text and not text.isascii() and (problem := bad_bytes(text, self._encoding)):
                return problem if number == 0 else f"the cell goes on over several lines, and in its line {number + 1} {problem}"
        if self._feed.size > self._limits.row:
            return f"the row is too long: it has more than {self._limits.row:,} characters"
        if self._feed.size > self._limits.cell and any(len(cell) > self._limits.cell for cell in cells):
            return f"a cell is too long: it has more than {self._limits.cell:,} characters"
        return ""

    def _fits(self, cells: list[str]) -> bool:
        """Whether a record of several lines is as wide as the table."""
        width = self._width
        if width is None or len(cells) == width:
            return True
        if len(cells) > width:
            return not any(cell.strip() for cell in cells[width:])
        return not any(self._is_row(text) for text in self._feed.taken[1:])

    def _is_row(self, text: str | None) -> bool:
        """Whether a line would be a row of the table by itself."""
        return text is not None and self._width is not None and text.count(self._dialect.delimiter) == self._width - 1

    def _damaged(self, line: int, message: str) -> Record:
        """The record of one damaged line; the lines after it are read again."""
        taken = self._feed.taken
        first = taken[0]
        if len(taken) > 1:
            self._wasted += self._feed.size
            self._lines.put_back(taken[1:])
        if first is None:
            return Record(line, 1, None, "the row is too long")
        if self._dialect.delimiter == "\t" and self._width:
            # Quotation marks in tab-separated files are often text.
            cells = first.rstrip("\r\n").split("\t")
            if len(cells) == self._width:
                return Record(line, 1, cells)
        return Record(line, 1, None, _quote_problem(first, self._dialect, message))

    def _too_long(self, line: int) -> Record:
        """The record of a quoted cell whose end was not found in time, or of an endless line."""
        taken = self._feed.taken
        if len(taken) == 1:
            return Record(line, 1, None, f"the row is too long: it has more than {self._limits.row:,} characters")
        following = taken[1:101]
        if self._feed.limit < self._scan or sum(map(self._is_row, following)) * 2 > len(following) or self._width is None:
            return self._damaged(line, "")
        self._scanned += self._feed.size
        is_open = sum(text.count(self._dialect.quote) for text in taken if text) % 2 == 1
        count = len(taken)
        while is_open and (text := next(self._lines, "")) != "":
            count += 1
            is_open ^= (text or "").count(self._dialect.quote) % 2 == 1
        return Record(
            line, count, None, "a cell is too long" + ("; its end was not found, so that the rest of the file is lost" if is_open else "")
        )


def _quote_problem(line: str, dialect: Dialect, message: str) -> str:
    """What is wrong with the quotation marks of a line."""
    column, is_open = _quote_column(line, dialect)
    if is_open:
        return f"a quotation mark is opened at column {column} and never closed"
    if "expected after" in message or column:
        name = _DELIMITER_NAMES.get(dialect.delimiter, "separator")
        return (
            f"after a closing quotation mark (column {column}) there must be a {name} or the end of the line; "
            "double the quotation marks inside a text"
        )
    return "the row cannot be read"


def _quote_column(line: str, dialect: Dialect) -> tuple[int, bool]:
    """Column, from 1, of the quotation mark that is left open, or of the closing one that text follows; column 0 if there is neither."""
    position, quote = 0, dialect.quote
    while position < len(line):
        while line[position : position + 1] == " " and dialect.delimiter not in "\t ":
            position += 1
        if line[position : position + 1] == quote:
            end = line.find(quote, position + 1)
            while end >= 0 and line[end + 1 : end + 2] == quote:
                end = line.find(quote, end + 2)
            if end < 0:
                return position + 1, True
            if line[end + 1 : end + 2] not in ("", "\r", "\n", dialect.delimiter):
                return end + 1, False
        position = line.find(dialect.delimiter, position if line[position : position + 1] != quote else end + 1) + 1
        if position == 0:
            break
    return 0, False
