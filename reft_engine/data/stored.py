"""Rows in files of JSON Lines with an index, so that any of millions are read without the others."""

import json
import mmap
import random
import re
from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any, Literal

from reft_engine.data.cells import in_table
from reft_engine.data.normalised import damaged, dump_lines, examples_of_data, numbered_row, rows_of
from reft_engine.data.records import AnyExample, Limits, row_of

ROWS, INDEX = "rows.jsonl", "rows.index"
_TABLE, _TABLE_INDEX, _LISTED = "table.jsonl", "table.index", "listed-{kind}.index"
Order = Literal["file", "longest", "shortest", "random"]
Unit = Literal["row", "line"]
"""What rows are named by: their numbers, or the lines of the file in which they began."""
_PLACE = re.compile(rb'\{"line": (?P<line>\d+), (?:"row": (?P<row>\d+))?')
"""How a row begins."""
_SHOWN_SIZE = 2_000_000
"""Characters of examples that are kept in memory as well; the row that goes over it is the last."""
_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class _Lines:
    """Writes the lines of a file, and its index: two 64-bit integers for each, where it begins and how many bytes it has."""

    def __init__(self, path: Path, index: Path) -> None:
        self.path, self._index_path = path, index
        self._index, self._end = array("Q"), 0
        self._file = path.open("wb")

    def begin(self) -> None:
        """Forget what was written."""
        self._file.close()
        self._file = self.path.open("wb")
        self._index, self._end = array("Q"), 0

    def add(self, line: bytes) -> None:
        """Write a line, which ends as a line does."""
        self._index.extend((self._end, len(line)))
        self._end += self._file.write(line)

    def flush(self) -> None:
        """Give what is not on disk yet to the system."""
        self._file.flush()

    def close(self) -> None:
        """Write the index, and what is not on disk yet."""
        self._file.close()
        _write(self._index_path, self._index)


def _write(path: Path, numbers: "array[int]") -> None:
    with path.open("wb") as file:
        numbers.tofile(file)


class RowsOnDisk:
    """Keeps the examples of a file and its rows as a table shows them in a folder, as they are read: an `inspection.Kept`."""

    def __init__(self, folder: Path, shown: int = 200, most: int = Limits().expanded) -> None:
        """At most ``shown`` examples, the first, are kept in memory as well; of the table at most this many characters are kept."""
        self._folder, self._limit, self._most = folder, shown, most
        self._first: list[AnyExample] = []
        self._count = self._table_size = self._first_size = 0
        folder.mkdir(parents=True, exist_ok=True)
        self._rows, self._table = _Lines(folder / ROWS, folder / INDEX), _Lines(folder / _TABLE, folder / _TABLE_INDEX)

    def begin(self) -> None:
        """Forget what was kept, because the file is read once more."""
        self._rows.begin()
        self._table.begin()
        self._first, self._first_size, self._count, self._table_size = [], 0, 0, 0

    def add(self, examples: list[AnyExample]) -> None:
        """Keep the examples of a row."""
        self._count += len(examples)
        is_shown = len(self._first) < self._limit and self._first_size < _SHOWN_SIZE
        for line in dump_lines(examples):
            self._rows.add(line.encode())
            self._first_size += len(line) if is_shown else 0
        if is_shown:
            self._first += examples

    def show(self, columns: Sequence[str], line: int, values: Mapping[str, Any] | None, problem: str | None) -> None:
        """Keep a row as a table shows it, and why it cannot be used."""
        if self._table_size < self._most:
            cells = [in_table(values.get(column)) for column in columns] if values else []
            text = _ENCODE([line, problem, *cells])
            self._table_size += len(text)
            self._table.add(text.encode("utf-8", "replace") + b"\n")

    def list_rows(self, kind: str, numbers: Sequence[int]) -> None:
        """Keep the numbers of the rows that an item of the report is about, in their order."""
        _write(self._folder / _LISTED.format(kind=kind), array("I", numbers))

    def drop(self, rows: Collection[int]) -> None:
        """Drop the examples of these rows."""
        self._rows.flush()
        before = self._rows.path
        kept = _Lines(self._folder / f"{ROWS}.kept", self._folder / INDEX)
        with before.open("rb") as file:
            for line in file:
                row = json.loads(line)
                if row["row"] in rows:
                    self._count -= 1 + len(row.get("learned", ()))
                else:
                    kept.add(line)
        self._rows.close()
        self._rows = kept
        kept.path.replace(before)
        kept.path = before
        self._first = [example for example in self._first if row_of(example) not in rows]

    def examples(self) -> tuple[AnyExample, ...]:
        """The first examples."""
        return tuple(self._first[: self._limit])

    def count(self) -> int:
        """The number of all examples."""
        return self._count

    def close(self) -> None:
        """Write the indexes and what is not on disk yet."""
        self._rows.close()
        self._table.close()


class StoredExamples:
    """The examples of a file, read one after another without any being kept, and some of them again by their places.

    What is remembered of each is where its row begins: eight bytes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._begins = array("Q")

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return len(self._begins) * self._begins.itemsize

    def copied(self, path: Path) -> "StoredExamples":
        """The same examples in a copy of the file, whose rows need not be read again."""
        copy = StoredExamples(path)
        copy._begins = self._begins
        return copy

    def __iter__(self) -> Iterator[AnyExample]:
        """All examples. Raises DataError if the file is missing or damaged."""
        begins = array("Q")
        for begin, found in rows_of(self.path):
            for example in found:
                begins.append(begin)
                yield example
        self._begins = begins

    def at(self, places: Sequence[int]) -> list[AnyExample]:
        """The examples at these places, once all have been read. Raises DataError."""
        try:
            with self.path.open("rb") as file:
                return [self._at(file, place) for place in places]
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            raise damaged() from error

    def _at(self, file: IO[bytes], place: int) -> AnyExample:
        begin = self._begins[place]
        file.seek(begin)
        return examples_of_data(json.loads(file.readline()))[place - bisect_left(self._begins, begin)]


class _Stored:
    """Reads the lines of a file by their places in it; its index stays on disk."""

    def __init__(self, path: Path, index: Path | None = None) -> None:
        """Open a file; without an ``index`` it is read through once to make one. Raises DataError if it is missing or damaged."""
        self._path = path
        try:
            self._index = _read_index(path) if index is None else _numbers(index, "Q")
        except (OSError, ValueError, TypeError) as error:
            raise damaged() from error

    def __len__(self) -> int:
        return len(self._index) // 2

    def lines(self, places: Sequence[int]) -> list[Any]:
        """What stands in the lines at these places, as plain data. Raises DataError if the file is damaged."""
        try:
            with self._path.open("rb") as file:
                return [self._line(file, place) for place in places]
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            raise damaged() from error

    def _line(self, file: IO[bytes], place: int) -> Any:
        file.seek(self._index[2 * place])
        return json.loads(file.read(self._index[2 * place + 1]))


def _read_index(path: Path) -> "Sequence[int]":
    index, begin = array("Q"), 0
    with path.open("rb") as file:
        for line in file:
            index.extend((begin, len(line)))
            begin += len(line)
    return index


def _numbers(path: Path, size: Literal["I", "Q"]) -> "Sequence[int]":
    """Numbers that stand in a file, which are not read into memory."""
    with path.open("rb") as file:
        if not path.stat().st_size:
            return ()
        mapped: Sequence[int] = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)).cast(size)
        return mapped


class StoredRows(_Stored):
    """Reads the rows of a file by their places in it."""

    def read(self, places: Sequence[int]) -> list[AnyExample]:
        """The examples of the rows at these places. Raises DataError if the file is damaged."""
        try:
            return [example for row in self.data(places) for example in examples_of_data(row)]
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise damaged() from error

    def data(self, places: Sequence[int]) -> list[dict[str, Any]]:
        """The rows at these places as plain data; see `normalised`. Raises DataError if the file is damaged."""
        return self.lines(places)

    def _line(self, file: IO[bytes], place: int) -> Any:
        return numbered_row(super()._line(file, place), place)

    def places(
        self, order: Order = "file", search: str = "", limit: int = 10_000, seed: int = 0, only: Collection[int] | None = None,
        unit: Unit = "row",
    ) -> list[int]:  # fmt: skip
        """Places of rows in an order, the first ``limit``; with ``search`` those whose texts hold it, whatever the case.

        The ``seed`` draws the random order. With ``only`` there are no others than these rows, each named by its ``unit``.
        """
        found = list(range(len(self))) if not search.strip() else list(islice(self._matching(search), limit))
        if only is not None:
            named = self._named(only, unit)
            found = [place for place in found if place in named]
        if order == "random":
            random.Random(seed).shuffle(found)
        elif order != "file":
            found.sort(key=lambda place: self._index[2 * place + 1], reverse=order == "longest")
        return found[:limit]

    def _named(self, numbers: Collection[int], unit: Unit) -> set[int]:
        """Places of the rows with these numbers."""
        with self._path.open("rb") as file:
            begun = ((place, _PLACE.match(line)) for place, line in enumerate(file))
            return {place for place, match in begun if match and int(match[unit] or place + 1) in numbers}

    def _matching(self, search: str) -> Iterator[int]:
        needle = search.strip().casefold()
        with self._path.open(encoding="utf-8", newline="\n") as file:
            for place, line in enumerate(file):
                row = json.loads(line)
                texts = [text for _, text in row["messages"]] + [str(row.get(name, "")) for name in ("answer", "chosen", "rejected")]
                if any(needle in text.casefold() for text in texts):
                    yield place


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row as it stands in its file: its number and line, each cell as text, and why it cannot be used."""

    number: int
    line: int
    cells: tuple[str, ...]
    problem: str | None = None


class TableRows(_Stored):
    """Reads the rows of a file as a table shows them; they are counted from 1."""

    def __init__(self, folder: Path) -> None:
        """Open the folder into which a file was imported. Raises DataError if it is missing or damaged."""
        super().__init__(folder / _TABLE, folder / _TABLE_INDEX)
        self._folder = folder

    def read(self, numbers: Sequence[int]) -> list[TableRow]:
        """The rows of these numbers. Raises DataError if the file is damaged."""
        found = self.lines([number - 1 for number in numbers])
        return [
            TableRow(number, line, tuple(cells), problem) for number, (line, problem, *cells) in zip(numbers, found, strict=True)
        ]  # fmt: skip

    def listed(self, kind: str) -> Sequence[int]:
        """The numbers of the rows that an item of the report is about, in their order; none if there is no such item."""
        path = self._folder / _LISTED.format(kind=kind)
        return _numbers(path, "I") if path.is_file() else ()

    def of_lines(self, lines: Collection[int]) -> "Sequence[int]":
        """The numbers of the rows that stand in these lines of the file."""
        begins = {b"[%d" % line for line in lines}
        with self._path.open("rb") as file:
            return array("I", (number for number, row in enumerate(file, 1) if row[: row.index(b",")] in begins))

    def holding(self, search: str) -> "Sequence[int]":
        """The numbers of the rows with a cell that holds a text, whatever the case."""
        needle = search.strip().casefold()
        text = _ENCODE(needle)[1:-1]
        data, is_plain, quotes = text.encode("utf-8", "replace"), text.isascii(), '"' in text
        found = array("I")
        with self._path.open("rb") as file:
            for number, line in enumerate(file, 1):
                first = line.find(b'"')
                cells = line[first:]
                holds = is_plain and data in cells.lower() if cells.isascii() else text in cells.decode().casefold()
                # Most are told by their bytes; where JSON's own signs or the problem may hold the text, the line is parsed.
                if holds and (_is_bare(line, first, quotes) or _holds(line, needle)):
                    found.append(number)
        return found


def _is_bare(line: bytes, first: int, quotes: bool) -> bool:
    """Whether what is found behind the first quotation mark of a line stands in a cell, written as it is."""
    return not quotes and b"\\" not in line and line[:first].endswith(b",null,")


def _holds(line: bytes, needle: str) -> bool:
    return any(needle in cell.casefold() for cell in json.loads(line)[2:])
