"""Encodes rows for a base model, or leaves them out with a reason; splits off the held-out rows. Pages and commands count with it, too.

Training, evaluation and every page and command that counts rows use `encoded_rows`, so all of them agree.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

from reft_engine.data import Example, Preference, row_of
from reft_engine.data.splitting import split_indices
from reft_engine.errors import DataError
from reft_engine.tokens.examples import EncodedRow, with_prompt
from reft_engine.training.objectives import Objective

_PROGRESS_EVERY = 200
"""Rows between two progress reports."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A row that this base model cannot be trained on, with the error that says why and names its line in the file.

    ``index`` is its index in the list of all examples.
    """

    index: int
    example: Example | Preference
    error: DataError

    @property
    def reason(self) -> str:
        """The error's sentence."""
        return str(self.error)

    @property
    def line(self) -> int:
        """Line of the row in the file."""
        return self.example.line


@dataclass(frozen=True, slots=True)
class ReadRow:
    """A row that can be trained on, with a prompt; ``index`` is its index in the list of all examples."""

    index: int
    example: Example | Preference
    encoded: Any


@dataclass(frozen=True, slots=True)
class RowsRead:
    """All rows of a run, in their original order.

    A row of a file, usually a line, may hold several examples (a chat with several answers). It counts as left out when none of
    its examples can be used, so ``lines`` and ``lines_left_out`` add up to the number of rows.
    """

    usable: tuple[ReadRow, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def lines(self) -> int:
        """Number of rows of the file with at least one usable example."""
        return len({row_of(row.example) for row in self.usable})

    @property
    def lines_left_out(self) -> int:
        """Number of rows of the file without a usable example."""
        return len({row_of(row.example) for row in self.left_out} - {row_of(row.example) for row in self.usable})

    def split(self, share: float, seed: int) -> "RowsSplit":
        """Draw which rows are held out; see `reft_engine.data.split`."""
        trained, held_out = split_indices([row.example for row in self.usable], share, seed)
        return RowsSplit(self, tuple(self.usable[index] for index in trained), tuple(self.usable[index] for index in held_out))


@dataclass(frozen=True, slots=True)
class RowsSplit:
    """All rows of a run, and which of them are trained on and held out; drawn once a run."""

    read: RowsRead
    trained: tuple[ReadRow, ...]
    held_out: tuple[ReadRow, ...]


def read_rows(
    objective: Objective[Any], examples: Sequence[Example | Preference], on_progress: Callable[[int, int], None] = lambda done, total: None
) -> RowsRead:
    """Encode rows; rows that cannot be used are left out, each with a reason.

    Args:
        objective: encodes a row for its base model and maximum sequence length.
        examples: the rows.
        on_progress: called every `_PROGRESS_EVERY` rows with the number of rows read and of all rows.
    """
    usable: list[ReadRow] = []
    left_out: list[LeftOut] = []
    for row in encoded_rows(objective, examples, lambda done: on_progress(done, len(examples))):
        if isinstance(row, ReadRow):
            usable.append(row)
        else:
            left_out.append(row)
    return RowsRead(tuple(usable), tuple(left_out))


def encoded_rows(
    objective: Objective[Any], examples: Iterable[Example | Preference], on_progress: Callable[[int], None] = lambda done: None
) -> Iterator[ReadRow | LeftOut]:
    """As `read_rows`, one row after another; none of them is kept."""
    for index, example in enumerate(examples):
        if index % _PROGRESS_EVERY == 0:
            on_progress(index)
        try:
            asking = with_prompt(objective.base, objective.learned(example))
            row: ReadRow | LeftOut = ReadRow(index, asking, objective.encode(asking))
        except DataError as error:
            row = LeftOut(index, example, copy(error))  # without its traceback, which would keep the encoded row in memory
        yield row


def encoded_of(rows: Iterable[ReadRow]) -> list[EncodedRow]:
    """The encodings of rows that were read."""
    return [row.encoded for row in rows]
