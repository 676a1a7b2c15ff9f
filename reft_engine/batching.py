"""Rows into padded batches, in an order that follows from the seed alone.

Legend: B rows, T tokens (padded).
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor

from reft_engine import blocks
from reft_engine.encoding import EncodedExample, EncodedRow

Row = TypeVar("Row", bound=EncodedRow)

_WINDOW = 64
"""Batches whose rows are sorted by length together: at 8 rows of real instructions 2 % of the tokens are padding (at 16: 8 %)."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Padded rows: ``input_ids`` and ``attention_mask`` (B, T), ``labels`` (-100 where no loss), ``prompt_lengths`` (B,), ``marked``.

    Labels are (B, T), aligned with the inputs; of an encoder-decoder, which reads its answers apart, (B, longest answer).
    Where tokens of earlier passes stand before the inputs (see `reuse`), the mask has their columns too; ``more`` is what else
    the base model is given, and ``start`` what it goes on from.
    """

    input_ids: Tensor
    attention_mask: Tensor
    labels: Tensor
    prompt_lengths: list[int]
    marked: list[tuple[int, ...]]
    more: dict[str, Any] = field(default_factory=dict)
    start: blocks.Reached | None = None


def collate(examples: Sequence[EncodedExample], pad_id: int, device: torch.device, apart: bool = False) -> Batch:
    """Pad on the right; labels only on answer tokens; the mask comes from lengths, never from the pad id.

    ``apart`` keeps answers out of the inputs, as an encoder-decoder wants them.
    """
    inputs = [example.prompt_ids if apart else (*example.prompt_ids, *example.answer_ids) for example in examples]
    targets = [example.answer_ids if apart else (*[-100] * len(example.prompt_ids), *example.answer_ids) for example in examples]
    ids, mask = pad(inputs, pad_id, device)
    labels, _ = pad(targets, -100, device)
    return Batch(ids, mask, labels, [len(example.prompt_ids) for example in examples], [example.marked for example in examples])


def pad(rows: Sequence[Sequence[int]], value: int, device: torch.device, left: bool = False) -> tuple[Tensor, Tensor]:
    """Rows of numbers as one tensor (B, longest), filled up with ``value``, and the mask of what is real."""
    longest = max(map(len, rows))
    fill = [[value] * (longest - len(row)) for row in rows]
    none = [[0] * len(each) for each in fill]
    ids = [[*each, *row] if left else [*row, *each] for row, each in zip(rows, fill, strict=True)]
    real = [[*zeros, *[1] * len(row)] if left else [*[1] * len(row), *zeros] for row, zeros in zip(rows, none, strict=True)]
    return torch.tensor(ids, dtype=torch.int64).to(device), torch.tensor(real, dtype=torch.int64).to(device)


def epoch_batches(examples: Sequence[Row], size: int, seed: int, epoch: int) -> list[list[Row]]:
    """The batches of one epoch: shuffled by seed and epoch, rows of like length together within windows of 64 batches."""
    shuffle = random.Random(f"{seed}/{epoch}")
    order = list(range(len(examples)))
    shuffle.shuffle(order)
    batches: list[list[Row]] = []
    for start in range(0, len(order), size * _WINDOW):
        window = sorted(order[start : start + size * _WINDOW], key=lambda i: examples[i].length)
        batches += [[examples[i] for i in window[at : at + size]] for at in range(0, len(window), size)]
    shuffle.shuffle(batches)
    return batches


def in_batches(examples: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """Consecutive slices, in the given order."""
    for start in range(0, len(examples), size):
        yield examples[start : start + size]


def in_passes(rows: Sequence[Row], tokens: int, size: Callable[[Row], int] = lambda row: row.length) -> Iterator[list[Row]]:
    """Parts, shortest rows first, of at most so many padded tokens each; a larger row is a part of its own.

    ``size`` says how many tokens a row counts for.
    """
    part: list[Row] = []
    largest = 0
    for row in sorted(rows, key=lambda row: row.length):
        largest = max(largest, size(row))
        if part and (len(part) + 1) * largest > tokens:
            yield part
            part, largest = [], size(row)
        part.append(row)
    if part:
        yield part
