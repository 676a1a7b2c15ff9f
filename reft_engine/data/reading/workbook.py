"""Reads the rows of .xlsx and .ods workbooks, after their archive was unpacked once under limits to see what it holds."""

import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO
from xml.parsers import expat
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from reft_engine.data.reading.header import Record, find_header, note_index, title_lines
from reft_engine.data.reading.table import Counts, ReadOptions, Row, Table, check_columns, column_names
from reft_engine.data.records import Limits, counted
from reft_engine.errors import DataError

_MOST_MEMBERS = 10_000
_MOST_BYTES, _RATIO, _SMALL = 500_000_000, 200, 50_000_000
"""Bytes that a workbook may unpack to; how often more than packed, once it unpacks to more than the third number."""
_MOST_CELLS = 8_000_000
"""Cells of the rectangle from A1 to the last cell of a sheet, which is held in memory."""
_PIECE = 1 << 18
_SHEET = re.compile(r"xl/(?:work|macro)sheets/[^/]*\.xml", re.IGNORECASE)
_REFERENCE = re.compile(r"([A-Za-z]{1,7})([0-9]{1,9})")
_SNIFFED = 60
Progress = Callable[[float], None] | None


def workbook_format(path: Path) -> str | None:
    """Xlsx or ods for a zip archive that is such a workbook, else None."""
    try:
        with ZipFile(path) as archive:
            names = {info.filename for info in archive.infolist()[:_MOST_MEMBERS]}
            if "xl/workbook.xml" in names:
                return "xlsx"
            if {"mimetype", "content.xml"} <= names and archive.getinfo("mimetype").file_size < 200:
                return "ods" if b"opendocument.spreadsheet" in archive.read("mimetype") else None
    except (BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError, zlib.error):
        pass
    return None


def read_workbook(path: Path, name: str, options: ReadOptions, limits: Limits, on_progress: Progress = None) -> Table:
    """Open a sheet of a workbook. Raises DataError if it is damaged or too large, or has no such sheet."""
    from python_calamine import CalamineError, CalamineWorkbook, PasswordError

    check = _check_archive(path, name, limits)
    try:
        workbook = CalamineWorkbook.from_path(str(path))
        notes: list[str] = []
        sheet = _choose(workbook, options, notes)
        if check.empty_formulas:
            notes.append(f"{counted(check.empty_formulas, 'formula')} of the workbook have no stored value, so that their cells are empty.")
        return _sheet_table(sheet, list(workbook.sheet_names), name, options, limits, notes, on_progress)
    except PasswordError as error:
        raise DataError("The workbook is protected by a password. Save it without one.", kind="file.workbook_password") from error
    except (CalamineError, OSError, ValueError, OverflowError) as error:
        raise DataError("The workbook is damaged and cannot be read.", kind="file.workbook") from error


# The archive


@dataclass(slots=True)
class _Extent:
    """How far the cells of the sheets reach, and formulas without a stored value."""

    cells: int = 0
    empty_formulas: int = 0


def _refuse(limits: Limits) -> None:
    raise DataError(
        "The workbook unpacks to more than can be read here ({limit:,} MB, {cells:,} cells a sheet); it was refused.",
        kind="file.workbook_size",
        limit=min(_MOST_BYTES, limits.expanded) // 1_000_000,
        cells=_MOST_CELLS,
    )


def _check_archive(path: Path, name: str, limits: Limits) -> _Extent:
    """Unpack the whole archive piece by piece and keep nothing. Raises DataError if it is larger than it says or than the limits."""
    extent = _Extent()
    try:
        with ZipFile(path) as archive, path.open("rb") as file:
            members = archive.infolist()
            size, packed = sum(member.file_size for member in members), sum(member.compress_size for member in members)
            if len(members) > _MOST_MEMBERS or size > min(_MOST_BYTES, limits.expanded) or (size > _SMALL and size > _RATIO * packed):
                _refuse(limits)
            if packed > path.stat().st_size:
                raise BadZipFile("members overlap")
            for member in members:
                is_sheet = member.filename == "content.xml" if name == "ods" else _SHEET.fullmatch(member.filename)
                reader = (_OdsSheets if name == "ods" else _XlsxSheet)(extent, limits) if is_sheet else None
                for piece in _unpack(file, member):
                    if reader:
                        reader.feed(piece)
    except (BadZipFile, OSError, ValueError, NotImplementedError, zlib.error, expat.ExpatError) as error:
        raise DataError("The workbook is damaged and cannot be read.", kind="file.workbook") from error
    return extent


def _unpack(file: BinaryIO, member: ZipInfo) -> Iterator[bytes]:
    """The content of a member. Raises BadZipFile for more or less than its header says, which zipfile itself does not look for."""
    if member.flag_bits & 1:
        raise DataError("The workbook is protected by a password. Save it without one.", kind="file.workbook_password")
    if member.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise BadZipFile("unknown compression")
    file.seek(member.header_offset)
    local = file.read(30)
    if len(local) < 30 or local[:4] != b"PK\x03\x04":
        raise BadZipFile("no header")
    file.seek(int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little"), 1)
    expand = zlib.decompressobj(-15) if member.compress_type == ZIP_DEFLATED else None
    packed, unpacked = member.compress_size, 0
    while packed > 0 and (raw := file.read(min(_PIECE, packed))):
        packed -= len(raw)
        while raw:
            piece = expand.decompress(raw, _PIECE) if expand else raw
            raw = expand.unconsumed_tail if expand else b""
            unpacked += len(piece)
            if unpacked > member.file_size:
                raise BadZipFile("a member is larger than it says")
            yield piece
    if packed or unpacked != member.file_size:
        raise BadZipFile("a member ends early")


class _Sheets:
    """Follows the XML of sheets and refuses cells that lie too far from the first one."""

    def __init__(self, extent: _Extent, limits: Limits) -> None:
        self._extent, self._limits = extent, limits
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self.start
        self._parser.EndElementHandler = self.end
        self._parser.EntityDeclHandler = self._refuse_entity
        self.last_row = self.last_column = 0

    def feed(self, piece: bytes) -> None:
        """Take the next part of the XML."""
        self._parser.Parse(piece, False)

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        raise NotImplementedError

    def end(self, name: str) -> None:
        """An element ends."""

    def reach(self, row: int, column: int) -> None:
        """Note a cell with a value."""
        self.last_row, self.last_column = max(self.last_row, row), max(self.last_column, column)
        self._extent.cells = self.last_row * self.last_column
        if self._extent.cells > _MOST_CELLS:
            _refuse(self._limits)

    def _refuse_entity(self, *declaration: object) -> None:
        raise BadZipFile("a workbook declares no entities")


class _XlsxSheet(_Sheets):
    """One sheet of an .xlsx workbook."""

    def __init__(self, extent: _Extent, limits: Limits) -> None:
        super().__init__(extent, limits)
        self._row = self._column = 0
        self._has_formula = self._has_value = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(":")[2]
        if name == "row":
            self._row, self._column = int(attributes.get("r") or self._row + 1), 0
        elif name == "c":
            self._column += 1
            self._has_formula = self._has_value = False
            if (reference := attributes.get("r")) is not None:
                self._place(reference)
        elif name == "f":
            self._has_formula = True
        elif name in ("v", "is"):
            self._has_value = True
            self.reach(self._row, self._column)

    def _place(self, reference: str) -> None:
        place = _REFERENCE.fullmatch(reference)
        if place is None:
            raise BadZipFile("a cell without a place")
        self._row, self._column = int(place[2]), 0
        for letter in place[1].upper():
            self._column = self._column * 26 + ord(letter) - 64

    def end(self, name: str) -> None:
        if name.rpartition(":")[2] == "c" and self._has_formula and not self._has_value:
            self._extent.empty_formulas += 1


class _OdsSheets(_Sheets):
    """All sheets of an .ods workbook, in which cells and rows can be repeated."""

    def __init__(self, extent: _Extent, limits: Limits) -> None:
        super().__init__(extent, limits)
        self._row = self._column = 0
        self._row_repeat = self._repeat = 1
        self._last_in_row = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(":")[2]
        if name == "table":
            self._row = self.last_row = self.last_column = 0
        elif name == "table-row":
            self._row_repeat, self._column, self._last_in_row = int(attributes.get("table:number-rows-repeated", 1)), 0, 0
        elif name in ("table-cell", "covered-table-cell"):
            self._repeat = int(attributes.get("table:number-columns-repeated", 1))
            self._column += self._repeat
            if "office:value-type" in attributes or "table:formula" in attributes:
                self._last_in_row = self._column
        elif name == "p":
            self._last_in_row = max(self._last_in_row, self._column)

    def end(self, name: str) -> None:
        if name.rpartition(":")[2] == "table-row":
            self._row += max(1, self._row_repeat)
            if self._last_in_row:
                self.reach(self._row, self._last_in_row)


# The sheet


def _choose(workbook: Any, options: ReadOptions, notes: list[str]) -> Any:
    """The sheet that was asked for, or the first one that shows something."""
    names = list(workbook.sheet_names)
    if options.sheet is not None:
        if options.sheet not in names:
            raise DataError(
                "The workbook has no sheet '{name}'. It has {sheets}.",
                kind="file.sheet",
                name=options.sheet[:100],
                sheets=", ".join(names)[:500],
            )
        return workbook.get_sheet_by_name(options.sheet)
    hidden = {sheet.name for sheet in workbook.sheets_metadata if "Visible" not in str(sheet.visible)}
    for name in sorted(names, key=lambda name: name in hidden):
        sheet = workbook.get_sheet_by_name(name)
        if sheet.height:
            others = [other for other in names if other != name]
            if others:
                notes.append(f"The sheet '{name[:100]}' is read; the others are {', '.join(others)[:200]}.")
            return sheet
    raise DataError("The workbook is empty.", kind="file.workbook_empty")


@dataclass(slots=True)
class _Sheet:
    """A sheet that is read: its rows from the first one that is not empty."""

    sheet: Any
    first: int
    skip: int = 0
    header: list[str] | None = None
    names: list[str] = field(default_factory=list)

    def records(self) -> Iterator[Record]:
        """Its rows that are not empty, as texts."""
        for number, cells in enumerate(self.sheet.iter_rows(), self.first):
            texts = [_shown(cell) for cell in cells]
            if any(text and not text.isspace() for text in texts):
                yield Record(number, 1, texts)


def _sheet_table(
    sheet: Any,
    sheets: Sequence[str],
    name: str,
    options: ReadOptions,
    limits: Limits,
    notes: list[str],
    on_progress: Progress,
) -> Table:
    if not sheet.height:
        raise DataError("The sheet '{name}' is empty.", kind="file.sheet_empty", name=sheet.name[:100])
    check_columns(sheet.width, limits)
    read = _Sheet(sheet, sheet.start[0] + 1)
    records = [record for record in islice(read.records(), _SNIFFED) if record.line > (options.skip or 0)]
    if not records:
        raise DataError("There is nothing below row {row} of the sheet.", kind="file.sheet_skip", row=options.skip or 0)
    if options.skip is None and (titles := title_lines(records)):
        notes.append(f"{counted(titles, 'row')} above the table {'is' if titles == 1 else 'are'} left out.")
        records = records[titles:]
    read.skip = records[0].line - 1
    read.header = find_header(records[0].cells or [], records, options)
    if read.header is None:
        notes.append(
            "The first row looks like data, so the columns are numbered." if options.header is None else "The columns are numbered."
        )
    else:
        note_index(read.header, records[1:], notes)
    read.names = column_names(read.header if read.header is not None else [""] * sheet.width, notes)
    used = options.model_copy(update={"sheet": sheet.name, "header": read.header is not None, "skip": read.skip})
    counts = Counts()
    rows = _rows(read, limits, notes, counts, on_progress)
    return Table(name, rows, notes, options=used, sheets=tuple(sheets), counts=counts)


def _rows(read: _Sheet, limits: Limits, notes: list[str], counts: Counts, on_progress: Progress) -> Iterator[Row]:
    is_first = True
    for record in read.records():
        if record.line <= read.skip:
            continue
        cells = record.cells or []
        if read.header is not None and cells == read.header:
            if not is_first:
                counts.add_header(record.line)
            is_first = False
            continue
        if on_progress and record.line % 1000 == 0:
            on_progress(min(1.0, record.line / max(1, read.first + read.sheet.height)))
        counts.rows += 1
        if (size := max(map(len, cells), default=0)) > limits.cell or sum(map(len, cells)) > limits.row:
            yield Row(record.line, None, f"{'a cell' if size > limits.cell else 'the row'} is too long", 1)
        else:
            yield Row(record.line, dict(zip(read.names, cells, strict=False)))
    if on_progress:
        on_progress(1.0)


def _shown(value: Any) -> str:
    """A cell as a spreadsheet shows it: whole numbers without a decimal point, others with 15 digits, dates in ISO form."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.15g}"
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ", "seconds")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    return "" if value is None else str(value)
