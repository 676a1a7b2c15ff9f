"""Rows as a base model reads them: encoded, or left out with the reason; and which of them are held out.

Training, evaluation and every page and command that counts rows go through `read_rows`, so that all of them say the same.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from reft_engine.data import Example, Preference, row_of
from reft_engine.data.splitting import split_indices
from reft_engine.errors import DataError, Kind
from reft_engine.tokens.examples import EncodedRow
from reft_engine.training.objectives import Objective

_TOLD_EVERY = 200
"""Rows between two reports of how far reading has come."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A row that this base model cannot be trained on, and why, as a sentence that names its line in the file.

    ``kind`` and ``detail`` are those of the error, for a program.
    """

    example: Example | Preference
    reason: str
    kind: Kind = ""
    detail: str = ""

    @property
    def line(self) -> int:
        """Its line in the file."""
        return self.example.line


@dataclass(frozen=True, slots=True)
class ReadRow:
    """A row that can be trained on; ``index`` is its place among the examples given."""

    index: int
    example: Example | Preference
    encoded: Any


@dataclass(frozen=True, slots=True)
class RowsRead:
    """All rows of a run, in the order given.

    A row of a file, which mostly is a line, may hold several examples (a chat with several answers). It counts as left out when
    none of its examples can be used, so that ``lines`` and ``lines_left_out`` add up to the rows given.
    """

    usable: tuple[ReadRow, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def lines(self) -> int:
        """Rows of the file with at least one example that can be trained on."""
        return len({row_of(row.example) for row in self.usable})

    @property
    def lines_left_out(self) -> int:
        """Rows of the file of which nothing can be trained on."""
        return len({row_of(row.example) for row in self.left_out} - {row_of(row.example) for row in self.usable})

    def split(self, share: float, seed: int) -> "RowsSplit":
        """Draw which rows are held out; see `reft_engine.data.split`."""
        trained, held = split_indices([row.example for row in self.usable], share, seed)
        return RowsSplit(self, tuple(self.usable[index] for index in trained), tuple(self.usable[index] for index in held))


@dataclass(frozen=True, slots=True)
class RowsSplit:
    """All rows of a run, and those that are trained on and held out; drawn once a run."""

    read: RowsRead
    trained: tuple[ReadRow, ...]
    held: tuple[ReadRow, ...]


def read_rows(
    objective: Objective[Any], examples: Sequence[Example | Preference], on_progress: Callable[[int, int], None] = lambda done, total: None
) -> RowsRead:
    """Encode rows; those that cannot be used are left out, each with its reason.

    Args:
        objective: says how a row is encoded, for which base model and longest row.
        examples: the rows.
        on_progress: called now and then with the rows read and the rows there are.
    """
    usable: list[ReadRow] = []
    left_out: list[LeftOut] = []
    for index, example in enumerate(examples):
        if index % _TOLD_EVERY == 0:
            on_progress(index, len(examples))
        try:
            usable.append(ReadRow(index, example, objective.encode(example)))
        except DataError as error:
            left_out.append(LeftOut(example, str(error), error.kind, error.detail))
    return RowsRead(tuple(usable), tuple(left_out))


def encoded_of(rows: Iterable[ReadRow]) -> list[EncodedRow]:
    """The encodings alone."""
    return [row.encoded for row in rows]
