"""Rows in a file of JSON Lines with an index, so that any of millions are read without the others."""

import json
import random
import re
from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any, Literal

from reft_engine.data.normalised import damaged, dump_lines, examples_of_data, numbered_row, rows_of
from reft_engine.data.records import AnyExample, row_of

ROWS, INDEX = "rows.jsonl", "rows.index"
Order = Literal["file", "longest", "shortest", "random"]
Unit = Literal["row", "line"]
"""What rows are named by: their numbers, or the lines of the file in which they began."""
_PLACE = re.compile(rb'\{"line": (?P<line>\d+), (?:"row": (?P<row>\d+))?')
"""How a row begins."""


class RowsOnDisk:
    """Keeps the examples of a file in a folder as they are read: an `inspection.Kept`.

    The index holds two 64-bit integers for each row: where its line begins, and how many bytes it has.
    """

    def __init__(self, folder: Path, shown: int = 200) -> None:
        """``shown`` examples, the first, are kept in memory as well."""
        self._folder, self._limit = folder, shown
        self._first: list[AnyExample] = []
        self._count = 0
        self._index = array("Q")
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / ROWS).open("wb")

    def begin(self) -> None:
        """Forget what was kept, because the file is read once more."""
        self._file.seek(0)
        self._file.truncate()
        self._index, self._first, self._count = array("Q"), [], 0

    def add(self, examples: list[AnyExample]) -> None:
        """Keep the examples of a row."""
        self._count += len(examples)
        for line in dump_lines(examples):
            data = line.encode()
            self._index.extend((self._file.tell(), len(data)))
            self._file.write(data)
        if len(self._first) < self._limit:
            self._first += examples

    def drop(self, rows: Collection[int]) -> None:
        """Drop the examples of these rows."""
        self._file.flush()
        kept, index = self._folder / f"{ROWS}.kept", array("Q")
        with (self._folder / ROWS).open("rb") as file, kept.open("wb") as out:
            for line in file:
                row = json.loads(line)
                if row["row"] in rows:
                    self._count -= 1 + len(row.get("learned", ()))
                else:
                    index.extend((out.tell(), len(line)))
                    out.write(line)
        self._file.close()
        kept.replace(self._folder / ROWS)
        self._file, self._index = (self._folder / ROWS).open("ab"), index
        self._first = [example for example in self._first if row_of(example) not in rows]

    def examples(self) -> tuple[AnyExample, ...]:
        """The first examples."""
        return tuple(self._first[: self._limit])

    def count(self) -> int:
        """The number of all examples."""
        return self._count

    def close(self) -> None:
        """Write the index and what is not on disk yet."""
        self._file.close()
        with (self._folder / INDEX).open("wb") as file:
            self._index.tofile(file)


class StoredExamples:
    """The examples of a file, read one after another without any being kept, and some of them again by their places.

    What is remembered of each is where its row begins: eight bytes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._begins = array("Q")

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return len(self._begins) * self._begins.itemsize

    def __iter__(self) -> Iterator[AnyExample]:
        """All examples. Raises DataError if the file is missing or damaged."""
        begins = array("Q")
        for begin, found in rows_of(self._path):
            for example in found:
                begins.append(begin)
                yield example
        self._begins = begins

    def at(self, places: Sequence[int]) -> list[AnyExample]:
        """The examples at these places, once all have been read. Raises DataError."""
        try:
            with self._path.open("rb") as file:
                return [self._at(file, place) for place in places]
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            raise damaged() from error

    def _at(self, file: IO[bytes], place: int) -> AnyExample:
        begin = self._begins[place]
        file.seek(begin)
        return examples_of_data(json.loads(file.readline()))[place - bisect_left(self._begins, begin)]


class StoredRows:
    """Reads the rows of a file by their places in it."""

    def __init__(self, path: Path, index: Path | None = None) -> None:
        """Open a file of rows; without an ``index`` it is read through once to make one. Raises DataError if it is missing or damaged."""
        self._path = path
        self._index = array("Q")
        try:
            if index is not None:
                with index.open("rb") as file:
                    self._index.frombytes(file.read())
            else:
                self._read_index()
        except (OSError, ValueError) as error:
            raise damaged() from error

    def _read_index(self) -> None:
        begin = 0
        with self._path.open("rb") as file:
            for line in file:
                self._index.extend((begin, len(line)))
                begin += len(line)

    def __len__(self) -> int:
        return len(self._index) // 2

    def read(self, places: Sequence[int]) -> list[AnyExample]:
        """The examples of the rows at these places. Raises DataError if the file is damaged."""
        try:
            return [example for row in self.data(places) for example in examples_of_data(row)]
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise damaged() from error

    def data(self, places: Sequence[int]) -> list[dict[str, Any]]:
        """The rows at these places as plain data; see `normalised`. Raises DataError if the file is damaged."""
        try:
            with self._path.open("rb") as file:
                return [self._row(file, place) for place in places]
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            raise damaged() from error

    def _row(self, file: IO[bytes], place: int) -> dict[str, Any]:
        file.seek(self._index[2 * place])
        return numbered_row(json.loads(file.read(self._index[2 * place + 1])), place)

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
