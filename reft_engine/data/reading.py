"""Reads the rows of a file; the format follows from its content, never from its name."""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from reft_engine.data.records import Limits
from reft_engine.errors import DataError

_SIGNATURES = (
    (b"\x1f\x8b", "gzip", "a gzip archive; unpack it first"),
    (b"BZh", "bzip2", "a bzip2 archive; unpack it first"),
    (b"\xfd7zXZ", "xz", "an xz archive; unpack it first"),
    (b"7z\xbc\xaf", "seven_zip", "a 7-Zip archive; unpack it first"),
    (b"Rar!", "rar", "a RAR archive; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "zstandard", "a Zstandard archive; unpack it first"),
    (b"\xd0\xcf\x11\xe0", "old_office", "an old Excel or Word file; save the table as CSV first"),
    (b"%PDF", "pdf", "a PDF; save the table as CSV first"),
    (b"MZ", "program", "a program"),
    (b"\x7fELF", "program", "a program"),
    (b"SQLite format 3", "sqlite", "a SQLite database; export the table as CSV first"),
    (b"ARROW1", "arrow", "an Arrow file; save it as Parquet first"),
    (b"\x89PNG", "picture", "a picture"),
    (b"\xff\xd8\xff", "picture", "a picture"),
)
"""Formats that cannot be read: first bytes, name in an error's kind, description in a sentence."""
_LETTERS = (b"BZh", b"MZ")
"""Signatures that a table's first column may begin with by chance."""
_UTF32 = (b"\xff\xfe\0\0", b"\0\0\xfe\xff")
_PAGE = re.compile(rb"\s*<(!doctype|html|\?xml|svg|head|body)\b", re.IGNORECASE)
_PICKLE = re.compile(rb"\x80[\x02-\x05]")
_MULTIBYTE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_HIGH = re.compile(rb"[\x80-\xff]")
_BLANK = re.compile(r"[ \t\r\n]*")
_DELIMITERS = (",", "\t", ";", "|")
_LINE = re.compile(r"[^\r\n]*+(?:\r\n?|\n)|[^\r\n]++")
_START = 4096
_SNIFFED = 64_000
_OBJECT_LIMIT = 20_000_000
"""Maximum characters of one JSON object that is decoded as a whole to look for rows in it."""
_NUMBER = re.compile(r"[-+]?\d+([.,]\d+)*")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file: its values by column, or why it cannot be read."""

    line: int
    values: dict[str, Any] | None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A recognised file, whose rows are read on demand."""

    format: str
    rows: Iterable[Row]
    notes: tuple[str, ...] = ()
    encoding: str | None = None


def read_table(path: Path, limits: Limits) -> Table:
    """Open a file. Raises DataError if it has no known format."""
    if not path.is_file():
        raise DataError("There is no file '{name}' here.", kind="file.missing", name=path.name[:80])
    with path.open("rb") as file:
        start = file.read(_START)
    if start.startswith(b"PAR1"):
        return Table("parquet", _parquet_rows(path, limits))
    _refuse_binary(path, start)
    if (size := path.stat().st_size) > limits.size:
        raise DataError(
            "The file has {size:,.0f} MB; at most {limit:,.0f} MB of text can be read.",
            kind="file.size",
            size=size / 1e6,
            limit=limits.size / 1e6,
        )
    text, encoding, notes = _decode(path.read_bytes())
    return replace(_text_table(text, notes, limits), encoding=encoding)


def _text_table(text: str, notes: tuple[str, ...], limits: Limits) -> Table:
    match = re.search(r"\S", text)  # not strip(), which copies the whole file
    if match is None:
        raise DataError("The file is empty.", kind="file.empty")
    first = match[0]
    if first == "[" and (rows := _json_array(text, limits)) is not None:
        return Table("json", rows, notes)
    if first == "{":
        name, rows = _json_objects(text, limits)
        return Table(name, rows, notes)
    return _delimited(text, notes, limits)


def _refuse_binary(path: Path, start: bytes) -> None:
    if binary := _binary_format(path, start):
        name, what = binary
        raise DataError("This is {what}. CSV, TSV, JSON, JSON Lines and Parquet can be read.", kind=f"file.{name}", what=what)


def _binary_format(path: Path, start: bytes) -> tuple[str, str] | None:
    """Name and description of a format that cannot be read; None for text."""
    if start.startswith(b"PK\x03\x04"):
        with path.open("rb") as file:
            sheet = b"xl/" in start or any(b"xl/workbook" in chunk for chunk in iter(lambda: file.read(1 << 20), b""))
        return ("excel", "an Excel workbook; save the sheet as CSV first") if sheet else ("zip", "a zip archive; unpack it first")
    if _PAGE.match(start):
        return "xml", "a web page or another XML file; save the table as CSV first"
    if not (start.startswith(_LETTERS) and _is_text(start)):
        for signature, name, what in _SIGNATURES:
            if start.startswith(signature):
                return name, what
    if _PICKLE.match(start):
        return "pickle", "a Python pickle, which can run code and is never opened"
    return None


def _is_text(start: bytes) -> bool:
    try:
        return "\0" not in start.decode("utf-8")
    except UnicodeDecodeError as error:
        # A character that is cut off at the end of the bytes read does not mean a program.
        return error.start > _START - 4


def _decode(data: bytes) -> tuple[str, str, tuple[str, ...]]:
    """The text, its encoding, and notes on it."""
    if data.startswith(_UTF32):
        raise DataError("The file is UTF-32 text. Save it as UTF-8.", kind="file.utf32")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return data.decode("utf-16"), "utf-16", ("Read as UTF-16.",)
        except UnicodeDecodeError as error:
            raise DataError("The file begins like UTF-16 text and is broken. Save it as UTF-8.", kind="file.utf16") from error
    if b"\0" in data:
        raise DataError(
            "This is not a text file: it holds zero bytes. CSV, TSV, JSON, JSON Lines and Parquet can be read.", kind="file.zero_bytes"
        )
    try:
        return data.decode("utf-8-sig"), "utf-8", ()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        sequences = len(_MULTIBYTE.findall(data))
        high = len(_HIGH.findall(data))
        # Text that is UTF-8 except for a few bytes is broken UTF-8; letters of Windows-1252 hardly ever form its byte sequences.
        broken = DataError(
            "Line {line}: the text is neither UTF-8 nor Windows-1252. Save the file as UTF-8.", kind="file.encoding", line=line
        )
        if sequences * 2 > high / 2 or high > len(data) / 3:
            raise broken from error
        try:
            return data.decode("cp1252"), "windows-1252", ("The file is not UTF-8; it was read as Windows-1252.",)
        except UnicodeDecodeError:
            raise broken from error


def _check_columns(count: int, limits: Limits) -> None:
    if count > limits.columns:
        raise DataError(
            "The file has {count:,} columns; at most {limit} can be read.", kind="file.columns", count=count, limit=limits.columns
        )


# JSON


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field is named twice")
    return fields


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a value that JSON knows")


# Numbers stay as written, because their text is trained on.
_DECODER = json.JSONDecoder(object_pairs_hook=_no_duplicates, parse_constant=_refuse_constant, parse_int=str, parse_float=str)


def _json_reason(error: ValueError | RecursionError) -> str:
    if isinstance(error, RecursionError):
        return "the row is nested too deeply"
    if not isinstance(error, json.JSONDecodeError):
        return str(error)
    reasons = {
        "Expecting ',' delimiter": "a comma or a closing bracket is missing",
        "Expecting ':' delimiter": "a colon is missing after a field's name",
        "Expecting property name enclosed in double quotes": "a field's name in double quotes is missing, or a comma is one too many",
        "Illegal trailing comma before end of object": "there is a comma too many",
        "Illegal trailing comma before end of array": "there is a comma too many",
        "Unterminated string starting at": "a quotation mark is opened and never closed",
        "Invalid control character at": "a text holds a line break or another control character",
        "Extra data": "there is more on the line after the row's end",
        "Expecting value": "a value is missing or not written as JSON",
    }
    return reasons.get(error.msg, "this is not valid JSON")


def _as_row(line: int, value: Any) -> Row:
    if isinstance(value, dict):
        return Row(line, value)
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return Row(line, {f"column {index}": item for index, item in enumerate(value, 1)})
    return Row(line, None, "a row must be an object with named fields")


def _value(text: str, position: int, limit: int, window: int = 4096) -> tuple[Any, int]:
    """Decode the value at ``position`` and find its end. Reads no more than ``limit`` characters. Raises ValueError, RecursionError."""
    while True:
        piece = text[position : position + min(window, limit)]
        is_last = position + len(piece) == len(text)
        try:
            value, end = _DECODER.raw_decode(piece)
        except json.JSONDecodeError as error:
            # At the edge of the window, or in a text that it cuts off, more characters may complete the value.
            if is_last or (error.pos < len(piece) - 16 and not error.msg.startswith("Unterminated")):
                raise json.JSONDecodeError(error.msg, text, position + error.pos) from error
        else:
            if is_last or end < len(piece):  # a number that fills the window may continue after it
                return value, position + end
        if window >= limit:
            raise ValueError(f"the row has more than {limit:,} characters")
        window *= 8


def _json_array(text: str, limits: Limits) -> Iterator[Row] | None:
    """Rows of a JSON array; None if the text begins with a bracket by chance."""
    begin = _skip(text, 0) + 1
    after = text[begin : begin + 1000].lstrip()[:1]
    return _array_rows(text, begin, limits) if after in ("{", "[", "]", "", '"') else None


def _array_rows(text: str, position: int, limits: Limits, *, more_follows: bool = False) -> Iterator[Row]:
    """Rows of the array that is open at ``position``; ``more_follows`` if text may follow the array."""
    line, counted, first, length = 1, 0, True, 1024
    while True:
        position = _skip(text, position)
        line, counted = line + text.count("\n", counted, position), position
        if text[position : position + 1] == "]":
            if not more_follows and _skip(text, position + 1) < len(text):
                yield Row(line, None, "there is more text after the end of the list")
            return
        if not first:
            if text[position : position + 1] != ",":
                yield Row(line, None, "a comma or the closing bracket of the list is missing; the rows after it could not be read")
                return
            position = _skip(text, position + 1)
            line, counted = line + text.count("\n", counted, position), position
            if text[position : position + 1] == "]":
                yield Row(line, None, "there is a comma too many before the end of the list")
                return
        first = False
        try:
            value, end = _value(text, position, limits.row, window=2 * length)
        except (ValueError, RecursionError) as error:
            at = getattr(error, "pos", position)
            yield Row(line + text.count("\n", position, at), None, f"{_json_reason(error)}; the rows after it could not be read")
            return
        position, length = end, max(length, end - position)
        yield _as_row(line, value)


def _skip(text: str, position: int) -> int:
    blank = _BLANK.match(text, position)
    return blank.end() if blank else position


def _json_objects(text: str, limits: Limits) -> tuple[str, Iterator[Row]]:
    """Format and rows of JSON Lines, of consecutive objects over several lines, or of one object with a single list of rows."""
    begin = _skip(text, 0)
    try:
        value, end = _value(text, begin, _OBJECT_LIMIT)
    except (ValueError, RecursionError):
        # As JSON Lines, one broken object over many lines would give as many problems.
        return ("jsonl", _json_lines(text, limits)) if _has_object_line(text) else ("json", _object_rows(text, begin, limits))
    many_lines = "\n" in text[begin:end]
    if _skip(text, end) < len(text):
        return ("json", _object_rows(text, begin, limits)) if many_lines else ("jsonl", _json_lines(text, limits))
    lists = [name for name, item in value.items() if isinstance(item, list) and item and isinstance(item[0], dict)]
    if len(lists) == 1 and not {"messages", "conversations"} & value.keys():
        return "json", _array_rows(text, _list_start(text, begin, lists[0]), limits, more_follows=True)
    return "json" if many_lines else "jsonl", iter([_as_row(text.count("\n", 0, begin) + 1, value)])


def _has_object_line(text: str) -> bool:
    """Whether the first line looks like an object of its own, rather than the beginning of a longer one."""
    first, more, _ = text.strip().partition("\n")
    return not more or not first.rstrip().endswith(("{", "[", ","))


def _list_start(text: str, begin: int, list_name: str) -> int:
    """Where the rows of an object's list begin; the object at ``begin`` must be valid."""
    position = begin + 1
    while True:
        name, position = _value(text, _skip(text, position), _OBJECT_LIMIT)
        position = _skip(text, _skip(text, position) + 1)
        if name == list_name:
            return position + 1
        _, position = _value(text, position, _OBJECT_LIMIT)
        position = _skip(text, position) + 1


def _object_rows(text: str, position: int, limits: Limits) -> Iterator[Row]:
    """Rows of consecutive objects, each over any number of lines."""
    line, counted = 1, 0
    while position < len(text):
        line, counted = line + text.count("\n", counted, position), position
        try:
            value, end = _value(text, position, limits.row)
        except (ValueError, RecursionError) as error:
            at = getattr(error, "pos", position)
            yield Row(line + text.count("\n", position, at), None, f"{_json_reason(error)}; the rows after it could not be read")
            return
        yield _as_row(line, value)
        position = _skip(text, end)


def _json_lines(text: str, limits: Limits) -> Iterator[Row]:
    for line, content in enumerate(text.split("\n"), 1):
        if not content.strip():
            continue
        if len(content) > limits.row:
            yield Row(line, None, f"the row has more than {limits.row:,} characters")
            continue
        try:
            value = _DECODER.decode(content)
        except (ValueError, RecursionError) as error:
            yield Row(line, None, _json_reason(error))
        else:
            yield _as_row(line, value)


# Delimited text


def _delimited(text: str, notes: Sequence[str], limits: Limits) -> Table:
    csv.field_size_limit(limits.cell)
    delimiter = _delimiter(text)
    quoting = csv.QUOTE_MINIMAL
    if delimiter == "\t" and '"' in text and not _quotes_fit(text, limits):
        quoting = csv.QUOTE_NONE
    records = _records(text, delimiter, quoting, limits)
    first = next(records, None)
    if first is None:
        raise DataError("Line 1: nothing can be read.", kind="file.blank")
    if isinstance(first[1], str):
        raise DataError("Line 1: {reason}.", kind="file.first_line", reason=first[1])
    _check_columns(len(first[1]), limits)
    header = first[1]
    if _looks_like_data(header):
        records = _records(text, delimiter, quoting, limits)
        notes = (*notes, "The first line looks like a row, so the columns are numbered.")
        header = [""] * len(header)
    return Table("tsv" if delimiter == "\t" else "csv", _named_rows(_names(header), records), tuple(notes))


def _delimiter(text: str) -> str:
    """The delimiter that most often splits the first lines into the same number of cells."""
    start = _LINE.findall(text[:_SNIFFED])
    best, best_delimiter = (0.0, 0), ","
    for delimiter in _DELIMITERS:
        try:
            widths = [len(cells) for cells in islice(csv.reader(start, delimiter=delimiter), 30) if cells]
        except csv.Error:
            continue
        if not widths or widths[0] < 2:
            continue
        score = (sum(width == widths[0] for width in widths) / len(widths), widths[0])
        if score > best:
            best, best_delimiter = score, delimiter
    return best_delimiter


def _quotes_fit(text: str, limits: Limits) -> bool:
    """Whether quotation marks in a tab-separated file enclose cells, rather than belong to their text."""
    width = None
    for _, cells in _records(text, "\t", csv.QUOTE_MINIMAL, limits):
        if isinstance(cells, str) or (width is not None and len(cells) != width):
            return False
        width = len(cells)
    return True


class _Lines:
    """The lines of a text; raises csv.Error when one row takes more than ``limit`` characters."""

    def __init__(self, text: str, limit: int) -> None:
        self._lines, self._limit = _LINE.finditer(text), limit
        self.taken = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.taken += line.end() - line.start()
        if self.taken > self._limit:
            raise csv.Error("row larger than limit")
        return line[0]


def _records(text: str, delimiter: str, quoting: Any, limits: Limits) -> Iterator[tuple[int, list[str] | str]]:
    """Line and cells of each record, or line and problem."""
    lines = _Lines(text, limits.row)
    # A space after the delimiter does not belong to the cell; otherwise the quotation marks after it would.
    reader = csv.reader(lines, delimiter=delimiter, quoting=quoting, strict=True, skipinitialspace=delimiter != "\t")
    while True:
        line, lines.taken = reader.line_num + 1, 0
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, _csv_reason(str(error), delimiter)
            if "larger" in str(error):
                return
            continue
        if any(cell.strip() for cell in cells):
            yield line, cells


def _csv_reason(message: str, delimiter: str) -> str:
    if "unexpected end of data" in message:
        return "a quotation mark is opened here and never closed; the rows after it could not be read"
    if "expected after" in message:
        name = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "bar"}[delimiter]
        return f"after a closing quotation mark there must be a {name} or the end of the line; double the quotation marks inside a text"
    if "larger" in message:
        return f"{'a cell' if 'field' in message else 'the row'} is too long; the rows after it could not be read"
    return "the row cannot be read"


def _looks_like_data(cells: Sequence[str]) -> bool:
    filled = [cell.strip() for cell in cells if cell.strip()]
    header_names = {"text", "label", "prompt", "question", "answer", "sentence", "instruction", "output", "input", "completion"}
    if header_names & {cell.lower() for cell in filled}:
        return False
    return any(_NUMBER.fullmatch(cell) for cell in filled) or any(len(cell) > 200 for cell in filled)


def _names(header: Sequence[str]) -> list[str]:
    names: list[str] = []
    taken: set[str] = set()
    for index, cell in enumerate(header, 1):
        name = title = " ".join(cell.split()) or f"column {index}"
        number = 2
        while name in taken:
            name, number = f"{title} ({number})", number + 1
        taken.add(name)
        names.append(name)
    return names


def _named_rows(names: Sequence[str], records: Iterable[tuple[int, list[str] | str]]) -> Iterator[Row]:
    for line, cells in records:
        if isinstance(cells, str):
            yield Row(line, None, cells)
        elif any(cell.strip() for cell in cells[len(names) :]):
            yield Row(line, None, f"the row has {len(cells):,} cells, the first line {len(names):,}")
        else:
            yield Row(line, dict(zip(names, cells, strict=False)))


# Parquet


def _parquet_rows(path: Path, limits: Limits) -> Iterator[Row]:
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        file = ParquetFile(path, thrift_string_size_limit=100_000_000, thrift_container_size_limit=1_000_000)
        meta = file.metadata
        _check_columns(len(file.schema_arrow.names), limits)
        size = sum(meta.row_group(index).total_byte_size for index in range(meta.num_row_groups))
        if size > limits.expanded or meta.num_rows > 50_000_000 or meta.num_rows < 0:
            raise DataError(
                "The file claims {rows:,} rows in {size:,.1f} GB, which is too much to read here.",
                kind="file.parquet_size",
                rows=meta.num_rows,
                size=size / 1e9,
            )
        yield from _batches(file, limits)
    except (ArrowException, OSError, ValueError, OverflowError) as error:
        raise DataError("The Parquet file is damaged and cannot be read.", kind="file.parquet") from error


def _batches(file: Any, limits: Limits) -> Iterator[Row]:
    number, size = 0, 0
    for batch in file.iter_batches(batch_size=64):
        size += batch.nbytes
        for values in batch.to_pylist():
            number += 1
            # A small file can hold one long text and refer to it a million times; here each reference becomes a text of its own.
            size += sum(len(value) for value in values.values() if isinstance(value, str))
            if size > limits.expanded:
                raise DataError(
                    "The file grows to more than {limit:,} MB when it is read; it was refused.",
                    kind="file.parquet_growth",
                    limit=limits.expanded // 1_000_000,
                )
            yield Row(number, values)
