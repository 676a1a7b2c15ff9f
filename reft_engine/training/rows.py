"""Encodes rows for a base model, or leaves them out with a reason; splits off the held-out rows. Pages and commands count with it, too.

Training, evaluation and every page and command that counts rows use `encoded_rows`, so all of them agree.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from itertools import islice
from typing import Any

from reft_engine.data import AnyExample, answers_of, row_of
from reft_engine.data.splitting import split_indices
from reft_engine.errors import DataError, StoppedError
from reft_engine.tokens.examples import EncodedRow, with_prompts
from reft_engine.tokens.together import go_on
from reft_engine.training.objectives import Objective

_BATCH_ROWS, _BATCH_CHARACTERS = 500, 200_000
"""Maximum rows and, but for the last of them, characters that are encoded together: a fraction of a second, after which a run can stop."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A row that this base model cannot be trained on, with the error that says why and names its line in the file.

    ``index`` is its index in the list of all examples.
    """

    index: int
    example: AnyExample
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
    example: AnyExample
    encoded: Any


AnyRow = ReadRow | LeftOut


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
        return self.divided(*split_indices([row.example for row in self.usable], share, seed))

    def divided(self, trained: Iterable[int], held_out: Iterable[int]) -> "RowsSplit":
        """The rows with these of the usable ones trained on and held out, given by their numbers."""
        return RowsSplit(self, tuple(self.usable[index] for index in trained), tuple(self.usable[index] for index in held_out))


@dataclass(frozen=True, slots=True)
class RowsSplit:
    """All rows of a run, and which of them are trained on and held out; drawn once a run."""

    read: RowsRead
    trained: tuple[ReadRow, ...]
    held_out: tuple[ReadRow, ...]


def read_rows(
    objective: Objective[Any], examples: Sequence[AnyExample], on_progress: Callable[[int, int], None] = lambda done, total: None,
    should_stop: Callable[[], bool] = lambda: False, rows: list[AnyRow] | None = None,
) -> RowsRead:  # fmt: skip
    """Encode rows; rows that cannot be used are left out, each with a reason.

    Args:
        objective: encodes rows for its base model and maximum sequence length.
        examples: the rows.
        on_progress: called before each batch with the number of rows read and of all rows.
        should_stop: asked between batches.
        rows: the first of these rows as they were read before; the others are added to them, batch by batch.

    Raises:
        StoppedError: it was told to stop.
    """
    rows = [] if rows is None else rows

    begin = len(rows)

    def before_batch(done: int) -> None:
        if done > begin and should_stop():
            raise StoppedError("Stopped before the first step; nothing was learned yet.", kind="training.stopped")
        on_progress(done, len(examples))

    for row in encoded_rows(objective, examples, before_batch, begin=begin):
        rows.append(row)
    return RowsRead(
        tuple(row for row in rows if isinstance(row, ReadRow)), tuple(row for row in rows if isinstance(row, LeftOut))
    )  # fmt: skip


def encoded_rows(
    objective: Objective[Any], examples: Iterable[AnyExample], on_progress: Callable[[int], None] = lambda done: None, begin: int = 0
) -> Iterator[AnyRow]:
    """As `read_rows`, one row after another, from the one with index ``begin`` on; none of them is kept."""
    done = begin
    for batch in _batches(islice(examples, begin, None)):
        on_progress(done)
        yield from _encoded(objective, batch, done)
        done += len(batch)


def _encoded(objective: Objective[Any], examples: Sequence[AnyExample], begin: int) -> list[AnyRow]:
    """A batch of rows, encoded together; ``begin`` is the index of the first."""
    asking = with_prompts(objective.base, [objective.learned(example) for example in examples])
    encoded = go_on(asking, objective.encode_all)
    return [
        LeftOut(index, example, copy(row))  # without its traceback, which would keep the batch in memory
        if isinstance(row, DataError) or isinstance(asked, DataError)
        else ReadRow(index, asked, row)
        for index, (example, asked, row) in enumerate(zip(examples, asking, encoded, strict=True), begin)
    ]  # fmt: skip


def _batches(examples: Iterable[AnyExample]) -> Iterator[list[AnyExample]]:
    """Consecutive rows that are encoded together, of which one at least is in each."""
    batch, characters = list[AnyExample](), 0
    for example in examples:
        batch.append(example)
        characters += sum(map(_size, answers_of(example))) + sum(_size(message.content) for message in example.messages)
        if len(batch) == _BATCH_ROWS or characters >= _BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _size(text: object) -> int:
    """Characters of a text; what is none is refused when it is encoded."""
    return len(text) if isinstance(text, str) else 0


def encoded_of(rows: Iterable[ReadRow]) -> list[EncodedRow]:
    """The encodings of rows that were read."""
    return [row.encoded for row in rows]
