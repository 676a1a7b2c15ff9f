"""Reads the rows of JSON in its usual layouts; a broken row costs itself, and reading goes on where the next one begins."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from reft_engine.data.reading.json_layout import Layout, is_split, layout_of
from reft_engine.data.reading.json_text import DECODER, OBJECT_LIMIT, BrokenValueError, Window, reason
from reft_engine.data.reading.source import Lines, Source, bad_bytes
from reft_engine.data.reading.table import Counts, ReadOptions, Row, Table
from reft_engine.data.records import Limits, counted
from reft_engine.errors import DataError

_START = 1_000_000
"""Characters that decide the layout of an object."""
_SPARE = 50_000_000
"""Characters that may be read in vain, looking for the rows after broken ones."""
_FIELD = re.compile(r'\{\s*"((?:[^"\\]|\\.){1,500})"\s*:')
_OBJECT = re.compile(r'(?:[,\[\]}]|\n)[ \t]*(\{\s*["}])')
_LIST = re.compile(r"(?:\n[ \t]*|\][ \t]*,\s*)(\[)")
_TEXT = re.compile(r'\n[ \t]*(")')
_LIST_NAME = re.compile(r'\]\s*,\s*("[^"\\]{1,40}"\s*:\s*\[)')
_LIST_NAME_HERE = re.compile(r'"([^"\\]{1,40})"\s*:\s*\[')
_AFTER = "; the rows after it could not be read"


def read_json(source: Source, encoding: str, options: ReadOptions, limits: Limits, notes: list[str]) -> Table:
    """Open a file that begins with a bracket or a brace. Raises DataError for a list that it does not have."""
    with source.open_text(encoding, newline=None) as stream:
        window = Window(stream, encoding)
        first = window.next()
        text, ended = window.start(_START)
    reader = _Reader(source, encoding, limits, notes)
    if first == "[":
        if _is_list_line(text):
            return reader.lines_table()
        return Table("json", reader.rows(Layout("lists")), notes)
    return _object_table(reader, text, ended, options)


def _object_table(reader: "_Reader", text: str, ended: bool, options: ReadOptions) -> Table:
    try:
        _, end = DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        if _has_object_line(text):
            return reader.lines_table()
        return _layout_table(reader, text, False, options)
    many_lines = "\n" in text[:end]
    if text[end:].lstrip(" \t\r\n\ufeff,").startswith("{") or not ended:
        is_line = not many_lines and "\n" in text[end : text.find("{", end) + 1 or None]
        return reader.lines_table() if is_line else Table("json", reader.objects(), reader.notes)
    if text[end:].strip() and not many_lines and layout_of(text[:end]).kind == "row":
        return reader.lines_table()
    return _layout_table(reader, text[:end], True, options, "json" if many_lines else "jsonl")


def _layout_table(reader: "_Reader", text: str, is_whole: bool, options: ReadOptions, row_format: str = "json") -> Table:
    layout = layout_of(text, is_whole=is_whole)
    if not is_whole and layout.kind == "lists" and all(map(is_split, layout.lists)):
        layout = replace(layout, lists=(*layout.lists, *reader.split_names(layout.lists)))
    if options.list is not None and options.list not in layout.lists:
        raise DataError(
            "The file has no list '{name}'. It has {lists}.",
            kind="file.list",
            name=options.list[:100],
            lists=", ".join(layout.lists)[:500] or "none",
        )
    if problem := next((problem for name in layout.lists if (problem := bad_bytes(name, reader.encoding))), None):
        raise DataError("Line {line}: {reason}.", kind="file.first_line", line=1, reason=f"in the name of a list, {problem}")
    if layout.kind == "row":
        return Table(row_format, reader.objects(), reader.notes)
    notes = reader.notes
    several = len(layout.lists) > 1
    if several and options.list is None:
        notes.append(f"The file has several lists ({', '.join(layout.lists)[:200]}); all are read, and the column 'split' says which.")
    if layout.others:
        notes.append(f"Lists whose rows have other fields are left out: {', '.join(layout.others)[:200]}.")
    if layout.kind == "index":
        notes.append("Each field of the file is read as a row; the names of these fields are left out.")
    used = options.model_copy(update={"list": options.list or (layout.lists[0] if len(layout.lists) == 1 else None)})
    return Table("json", reader.rows(layout, options.list), notes, options=used, lists=layout.lists)


def _has_object_line(text: str) -> bool:
    """Whether the first of several lines looks like an object of its own, rather than the beginning of a longer one."""
    first, more, _ = text.strip().partition("\n")
    return bool(more) and not first.rstrip().endswith(("{", "[", ","))


def _is_list_line(text: str) -> bool:
    """Whether the first line is a list of texts or a chat and the second another: JSON Lines of lists."""
    first, _, rest = text.partition("\n")
    try:
        value, end = DECODER.raw_decode(first)
    except (ValueError, RecursionError):
        return False
    return (_is_scalars(value) or _chat_name(value) is not None) and not first[end:].strip() and rest.lstrip().startswith("[")


def _is_scalars(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and not any(isinstance(item, dict | list) for item in value)


def _chat_name(value: Any) -> str | None:
    """The field under which a list of messages is known; None for any other list."""
    if not isinstance(value, list) or not value or not all(isinstance(item, dict) for item in value):
        return None
    return "messages" if "role" in value[0] else "conversations" if "from" in value[0] else None


def _values(value: Any, columns: Sequence[str], in_list: bool = False) -> dict[str, Any] | None:
    """The fields of a row; None if it has none."""
    if isinstance(value, dict):
        return value
    if isinstance(value, list) and columns and len(value) <= len(columns):
        return dict(zip(columns, value, strict=False))
    if _is_scalars(value):
        return {f"column {index}": item for index, item in enumerate(value, 1)}
    if name := _chat_name(value):
        return {name: value}
    if isinstance(value, str) and in_list and not _looks_numeric(value):
        return {"text": value}
    return None


def _looks_numeric(value: str) -> bool:
    return value[:1] in "-0123456789" and value[:2] != "- " and bool(re.fullmatch(r"-?[0-9.eE+-]+", value))


class _Reader:
    """Reads one file of JSON."""

    def __init__(self, source: Source, encoding: str, limits: Limits, notes: list[str]) -> None:
        self._source, self.encoding, self._limits, self.notes = source, encoding, limits, notes
        self._commas = self._missing_commas = self._wasted = 0
        self._at_row = self._is_lost = False
        """Whether the position is where a row begins, after a broken one; and whether the rest of the file is lost with one."""
        self._keys: dict[str, None] = {}
        """Fields that rows have."""
        self._is_index = False
        """Whether rows stand after names."""

    # JSON Lines

    def lines_table(self) -> Table:
        """The file as JSON Lines."""
        counts = Counts()
        return Table("jsonl", self._lines(counts), self.notes, counts=counts)

    def _lines(self, counts: Counts) -> Iterator[Row]:
        with self._source.open_text(self.encoding, progress=True) as text:
            lines = Lines(text, self._source, self._limits.row)
            for content in lines:
                if content is not None and (not content or content.isspace()):
                    counts.blank += 1
                    continue
                row = self._line_row(lines.number, content)
                counts.rows += row.values is not None
                yield row
            if self._source.damage:
                yield Row(lines.number + 1, None, self._source.damage, lines.cut)
        if self._commas:
            self.notes.append(f"{counted(self._commas, 'line')} {'ends' if self._commas == 1 else 'end'} with a comma, which is left out.")
        if lines.marks:
            self.notes.append(
                f"{counted(lines.marks, 'byte order mark')} inside the file {'was' if lines.marks == 1 else 'were'} left out."
            )

    def _line_row(self, line: int, content: str | None) -> Row:
        if content is None:
            return Row(line, None, f"the row has more than {self._limits.row:,} characters", 1)
        if problem := bad_bytes(content, self.encoding):
            return Row(line, None, problem, 1)
        try:
            value = DECODER.decode(content)
        except (ValueError, RecursionError) as error:
            if (values := self._with_comma(content, error)) is None:
                return Row(line, None, reason(error, getattr(error, "pos", -1) + 1), 1)
        else:
            values = _values(value, ())
        return Row(line, values) if values is not None else Row(line, None, "a row must be an object with named fields", 1)

    def _with_comma(self, content: str, error: ValueError | RecursionError) -> dict[str, Any] | None:
        """The row of a line that ends with a comma."""
        if not (isinstance(error, json.JSONDecodeError) and error.msg == "Extra data" and content[error.pos :].strip() == ","):
            return None
        self._commas += 1
        return _values(DECODER.decode(content[: error.pos]), ())

    # Other layouts

    def split_names(self, known: Sequence[str]) -> list[str]:
        """Names of further lists that are named like parts of a dataset, wherever in the file they are."""
        names: dict[str, None] = {}
        with self._source.open_text(self.encoding, newline=None) as stream:
            window = Window(stream, self.encoding)
            while window.find(_LIST_NAME, None, 1) and len(names) < 100:
                field = window.matches(_LIST_NAME_HERE)
                if field and is_split(field[1]) and field[1] not in known:
                    names[field[1]] = None
        return list(names)

    def rows(self, layout: Layout, name: str | None = None) -> Iterator[Row]:
        """The rows of a layout; of one list if it is named."""
        return self._pass(lambda window: self._layout_rows(window, layout, name))

    def objects(self) -> Iterator[Row]:
        """The rows of objects that follow one another, each over any number of lines."""
        return self._pass(self._objects)

    def _pass(self, read: Callable[[Window], Iterator[Row]]) -> Iterator[Row]:
        with self._source.open_text(self.encoding, progress=True, newline=None) as stream:
            window = Window(stream, self.encoding)
            yield from read(window)
            if self._source.damage:
                yield Row(window.line, None, self._source.damage)
        if self._missing_commas:
            what = "A comma is" if self._missing_commas == 1 else f"{self._missing_commas:,} commas are"
            self.notes.append(f"{what} missing between rows; the rows were read.")

    def _layout_rows(self, window: Window, layout: Layout, name: str | None) -> Iterator[Row]:
        first = window.next()
        if layout.kind == "columns":
            yield from self._columns(window)
        elif layout.kind == "index":
            window.move(1)
            yield from self._index(window)
        elif first == "[":
            yield from self._lists(window)
        else:
            yield from self._fields(window, layout, layout.path, name)
            if window.next():
                yield Row(window.line, None, "there is more text after the end of the object", self._rest(window))

    def _rest(self, window: Window) -> int:
        """Go to the end; the number of lines that are passed over."""
        line = window.line
        return max(1, window.last_line() - line + 1)

    def _lists(self, window: Window) -> Iterator[Row]:
        """Rows of a list, and of lists that follow it."""
        lists = 0
        while window.next() == "[":
            lists += 1
            window.move(1)
            yield from self._list(window, lambda value: _values(value, (), True), None)
        if lists > 1:
            self.notes.append(f"The file holds {lists:,} lists, one after another; all are read.")
        if window.next():
            yield Row(window.line, None, "there is more text after the end of the list", self._rest(window))

    def _list(self, window: Window, convert: Callable[[Any], dict[str, Any] | None], stop: re.Pattern[str] | None) -> Iterator[Row]:
        """Rows of the list that is open at the position, to its end."""
        self._at_row, opener = True, ""
        while (character := window.next()) != "]":
            if not character:
                if not self._source.damage and not self._is_lost:
                    yield Row(window.line, None, "the closing bracket of the list is missing; rows after it may be missing too")
                return
            if character == ",":
                window.move(1)
                if self._at_row or window.next() == "]":
                    yield Row(window.line, None, "there is a comma too many")
                self._at_row = True
                continue
            if not self._at_row and character == opener and (opener != "{" or self._is_row(window)):
                self._missing_commas += 1
                self._at_row = True
            if self._at_row:
                self._at_row, opener = False, character
                yield from self._row(window, convert, stop)
            else:
                line = window.line
                yield self._recover(window, line, line, "a comma or the closing bracket of the list is missing", 0, stop)
        window.move(1)

    def _is_row(self, window: Window) -> bool:
        """Whether an object at the position has a field that rows have."""
        field = window.matches(_FIELD)
        return field is not None and field[1] in self._keys

    def _row(self, window: Window, convert: Callable[[Any], dict[str, Any] | None], stop: re.Pattern[str] | None) -> Iterator[Row]:
        line = window.line
        field = window.matches(_FIELD) if not self._keys else None
        try:
            value = window.value(self._limits.row)
        except BrokenValueError as error:
            if error.is_passed:
                yield Row(line, None, str(error), max(1, window.line - line + 1))
                return
            if field and not self._keys:
                self._keys = {field[1]: None}
            self._wasted += error.scanned
            yield self._recover(window, line, error.line, str(error), 1, stop)
            return
        values = convert(value)
        lines = window.line - line + 1
        if window.bad:
            yield Row(line, None, window.bad if lines == 1 else f"the row goes on over several lines, and {window.bad}", lines)
        elif values is None:
            yield Row(line, None, "a row must be an object with named fields", lines)
        else:
            if not self._keys:
                self._keys = dict.fromkeys(list(values)[:50])
            yield Row(line, values)

    def _recover(self, window: Window, begin: int, line: int, problem: str, skip: int, stop: re.Pattern[str] | None) -> Row:
        """The row of what is passed over, up to where the next row begins."""
        is_given_up = self._wasted > _SPARE + 4 * window.consumed
        pattern = re.compile(r"(?!)()") if is_given_up else self._pattern(window)
        if window.find(pattern, stop, skip):
            self._at_row = True
            return Row(line, None, problem, max(1, window.line - begin))
        if stop is not None and window.next() == "]":
            return Row(line, None, problem, window.line - begin + 1)
        last, self._is_lost = window.last_line(), True
        return Row(line, None, problem + (_AFTER if last > line or is_given_up else ""), max(1, last - begin + 1))

    def _pattern(self, window: Window) -> re.Pattern[str]:
        """What the next row begins like."""
        if self._keys and not all(key.startswith("column ") for key in self._keys) and list(self._keys) != ["text"]:
            names = "|".join(re.escape(json.dumps(key, ensure_ascii=False)[1:-1]) for key in self._keys)
            before = ":" if self._is_index else r"[,\[\]}]|\n"
            return re.compile(rf'(?:{before})[ \t]*(\{{\s*"(?:{names})"\s*:)')
        if not self._keys:
            return _OBJECT
        return _TEXT if list(self._keys) == ["text"] else _LIST

    def _fields(self, window: Window, layout: Layout, path: Sequence[str], name: str | None) -> Iterator[Row]:
        """Rows of the lists of the object at the position."""
        window.move(1)
        stop = re.compile(r"\]\s*,\s*\"(?:" + "|".join(map(re.escape, layout.lists)) + r"|train|test|validation|valid|val|dev)\"\s*:\s*\[")
        while (character := window.next()) != "}":
            if character == ",":
                window.move(1)
                continue
            if self._is_lost:
                return
            try:
                key = self._key(window)
                opener = window.next()
                if path and key == path[0] and opener == "{":
                    yield from self._fields(window, layout, path[1:], name)
                elif path or opener not in ("[", "{"):
                    self._skip_value(window)
                else:
                    yield from self._field_rows(window, key, layout, name, stop)
            except BrokenValueError as error:
                self._is_lost, line = True, window.line
                yield Row(error.line, None, f"{error}{_AFTER}", max(1, window.last_line() - line + 1))
                return
        window.move(1)

    def _field_rows(self, window: Window, key: str, layout: Layout, name: str | None, stop: re.Pattern[str]) -> Iterator[Row]:
        """Rows of a field that is a list or an object; none if it is not one of those that are read."""
        opener, is_wanted = window.next(), _is_wanted(key, layout, name)
        if opener == "{" and not (is_wanted and self._is_row(window)):
            self._skip_value(window)
            return
        if opener == "{":
            yield Row(window.line, None, "the opening bracket of the list is missing")
        else:
            window.move(1)
            # A list that could not be seen at the beginning is read as well if its rows are alike.
            if not is_wanted and not (name is None and window.next() == "{" and self._is_row(window)):
                self._skip_items(window)
                return
        yield from self._list(window, self._converter(key, layout), stop)

    def _converter(self, name: str, layout: Layout) -> Callable[[Any], dict[str, Any] | None]:
        if len(layout.lists) == 1:
            return lambda value: _values(value, layout.columns, True)

        def convert(value: Any) -> dict[str, Any] | None:
            values = _values(value, layout.columns, True)
            return values if values is None or "split" in values else {**values, "split": name}

        return convert

    def _key(self, window: Window) -> str:
        """The name of a field; the position goes to its value."""
        line = window.line
        key = window.value(1000)
        if not isinstance(key, str) or window.next() != ":":
            raise BrokenValueError("a field's name or the colon after it is missing", line, 0)
        window.move(1)
        return key

    def _skip_value(self, window: Window) -> None:
        """Pass over a value, a list or an object item by item."""
        opener = window.next()
        if opener not in ("[", "{"):
            window.value(self._limits.row)
            return
        window.move(1)
        self._skip_items(window)

    def _skip_items(self, window: Window) -> None:
        """Pass over the rest of a list or an object."""
        while (character := window.next()) not in ("]", "}"):
            if not character:
                raise BrokenValueError("a closing bracket is missing", window.line, 0)
            if character in (",", ":"):
                window.move(1)
            else:
                window.value(OBJECT_LIMIT)
        window.move(1)

    def _index(self, window: Window) -> Iterator[Row]:
        """Rows that are the fields of an object."""
        self._is_index = True
        while (character := window.next()) != "}":
            if not character:
                if not self._source.damage and not self._is_lost:
                    yield Row(window.line, None, "the closing brace of the object is missing; rows after it may be missing too")
                return
            if character == ",":
                window.move(1)
                continue
            if self._at_row and character == "{":  # after a broken row
                self._at_row = False
                yield from self._row(window, _object, None)
                continue
            line = window.line
            try:
                self._key(window)
                window.next()
            except BrokenValueError as error:
                yield self._recover_field(window, line, error)
                continue
            yield from self._row(window, _object, None)
        window.move(1)
        if window.next():
            yield Row(window.line, None, "there is more text after the end of the object", self._rest(window))

    def _recover_field(self, window: Window, line: int, error: BrokenValueError) -> Row:
        found = window.find(re.compile(r'(?:\}\s*,|\n)\s*("(?:[^"\\]|\\.){0,500}"\s*:\s*\{)'), None, 1)
        lost = max(1, window.line - line) if found else max(1, window.last_line() - line + 1)
        return Row(error.line, None, str(error) + ("" if found else _AFTER), lost)

    def _columns(self, window: Window) -> Iterator[Row]:
        """Rows of an object whose fields are columns: each a list, or an object from a row's name to its value."""
        line = window.line
        try:
            value = window.value(OBJECT_LIMIT)
        except BrokenValueError as error:
            raise DataError(
                "Line {line}: {reason}. The file holds one column after another, so that no row can be read.",
                kind="file.columns_json",
                line=error.line,
                reason=str(error),
            ) from error
        if not isinstance(value, dict) or window.bad:
            raise DataError("Line {line}: {reason}.", kind="file.first_line", line=line, reason=window.bad or "this is not an object")
        names: dict[str, None] = {}
        for column in value.values():
            names.update(dict.fromkeys(column if isinstance(column, dict) else map(str, range(len(column)))))
        columns: Mapping[str, Any] = {
            name: column if isinstance(column, dict) else dict(_numbered(column)) for name, column in value.items()
        }
        for name in names:
            yield Row(line, {key: column[name] for key, column in columns.items() if name in column})

    def _objects(self, window: Window) -> Iterator[Row]:
        while character := window.next():
            if character == ",":
                window.move(1)
                self._commas += 1
                continue
            yield from self._row(window, lambda value: _values(value, ()), None)
        if self._commas > 1:
            self.notes.append("Commas between the objects are left out.")


def _object(value: Any) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None


def _numbered(values: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """The values of a list with their places as text."""
    return ((str(index), value) for index, value in enumerate(values))


def _is_wanted(key: str, layout: Layout, name: str | None) -> bool:
    if name is not None:
        return key == name
    return key in layout.lists or (is_split(key) and all(map(is_split, layout.lists)))
