"""Finds the header of a table, the lines above it, and whether there is one at all."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from reft_engine.data.reading.table import ReadOptions

_NUMBER = re.compile(r"[-+]?\d+([.,]\d+)*")
_HEADER_NAMES = {"text", "label", "prompt", "question", "answer", "sentence", "instruction", "output", "input", "completion"}


@dataclass(frozen=True, slots=True)
class Record:
    """The cells of one row, or why it cannot be read.

    ``lines`` is the number of lines that it takes; ``swallowed`` of them stand in a quoted cell and look like rows.
    """

    line: int
    lines: int
    cells: list[str] | None
    problem: str = ""
    swallowed: int = 0


def _filled(cells: Sequence[str]) -> int:
    return sum(bool(cell.strip()) for cell in cells)


def title_lines(records: Sequence[Record]) -> int:
    """Records above the header: narrower than the table, or with text in their first cell alone."""
    rows = [record.cells or [] for record in records]
    if _is_known_header(rows[0]):
        return 0
    widths = [len(cells) for cells in rows]
    if widths[0] < (width := Counter(widths).most_common(1)[0][0]):
        reached = max(index for cells in rows for index, cell in enumerate(cells, 1) if cell.strip())
        return widths.index(width) if reached > widths[0] and starts_below(widths) and not _names_rows(rows) else 0
    for index, cells in enumerate(rows[:10]):
        blank_below = index + 1 < len(rows) and records[index + 1].line > records[index].line + records[index].lines
        if _filled(cells) > 1 or len(cells) < 2:
            is_header = _filled(cells) == len(cells) or _filled(cells) >= 0.5 * width
            return index if index and is_header and len(rows) > index + 1 else 0
        if not cells[0].strip() or (len(cells) == 2 and not blank_below):
            return 0
    return 0


def _names_rows(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the header lacks a cell above the names of the rows, as R writes it."""
    numbers = [str(number) for number in range(1, len(rows))]
    return len(rows[0]) >= 2 and len(rows) > 2 and all(len(cells) == len(rows[0]) + 1 for cells in rows[1:]) and (
        [cells[0] for cells in rows[1:]] == numbers
    )  # fmt: skip


def _is_known_header(cells: Sequence[str]) -> bool:
    return bool(_HEADER_NAMES & {cell.strip().lower() for cell in cells})


def find_header(cells: list[str], records: Sequence[Record], options: ReadOptions) -> list[str] | None:
    """The names of the columns in the first of ``records``, whose cells are ``cells``; None if it is a row."""
    if options.header is False or (options.header is None and _looks_like_data(cells)):
        return None
    return ["", *cells] if _names_rows([record.cells or [] for record in records]) else cells


def _looks_like_data(cells: Sequence[str]) -> bool:
    filled = [cell.strip() for cell in cells if cell.strip()]
    if _is_known_header(filled):
        return False
    if len(cells) > 1 and (
        filled == [str(number) for number in range(len(filled))] or filled == [str(number) for number in range(1, len(filled) + 1)]
    ):
        return False  # pandas numbers the columns that have no names
    return any(_NUMBER.fullmatch(cell) for cell in filled) or any(len(cell) > 200 for cell in filled)


def note_index(header: Sequence[str], records: Sequence[Record], notes: list[str]) -> None:
    """Note a first column without a name that only counts the rows, as pandas writes it."""
    first = [record.cells[0] for record in records if record.cells]
    if (
        not header[0].strip()
        and len(first) > 1
        and first in ([str(number) for number in range(start, start + len(first))] for start in (0, 1))
    ):
        notes.append("The first column has no name and only counts the rows; it is called 'column 1'.")


def starts_below(widths: Sequence[int]) -> bool:
    """Whether a table of two columns or more begins below a few narrower lines."""
    width = Counter(widths).most_common(1)[0][0]
    if width < 2:
        return False
    begin = widths.index(width)
    rest = widths[begin:]
    return begin <= 10 and len(rest) >= 2 and all(each < width for each in widths[:begin]) and rest.count(width) >= 0.9 * len(rest)
