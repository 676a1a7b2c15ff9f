"""Rows into padded batches, in an order that follows from the seed alone.

Legend: B rows, T tokens (padded).
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from reft_engine.encoding import EncodedExample, EncodedRow

Row = TypeVar("Row", bound=EncodedRow)


@dataclass(frozen=True, slots=True)
class Batch:
    """Padded rows: ``input_ids`` and ``attention_mask`` (B, T), ``labels`` (-100 where no loss), ``prompt_lengths`` (B,), ``marked``.

    Labels are (B, T), aligned with the inputs; of an encoder-decoder, which reads its answers apart, (B, longest answer).
    """

    input_ids: Tensor
    attention_mask: Tensor
    labels: Tensor
    prompt_lengths: list[int]
    marked: list[tuple[int, ...]]


def collate(examples: Sequence[EncodedExample], pad_id: int, device: torch.device, apart: bool = False) -> Batch:
    """Pad on the right; labels only on answer tokens; the mask comes from lengths, never from the pad id.

    ``apart`` keeps answers out of the inputs, as an encoder-decoder wants them.
    """
    inputs = [example.prompt_ids if apart else (*example.prompt_ids, *example.answer_ids) for example in examples]
    targets = [example.answer_ids if apart else (*[-100] * len(example.prompt_ids), *example.answer_ids) for example in examples]
    ids, mask = pad(inputs, pad_id, device)
    labels, _ = pad(targets, -100, device)
    return Batch(ids, mask, labels, [len(example.prompt_ids) for example in examples], [example.marked for example in examples])


def pad(rows: Sequence[Sequence[int]], value: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Rows of numbers as one tensor (B, longest), filled up behind with ``value``, and the mask of what is real."""
    longest = max(map(len, rows))
    padded = torch.tensor([[*row, *[value] * (longest - len(row))] for row in rows], dtype=torch.int64)
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows], dtype=torch.int64)
    return padded.to(device), mask.to(device)


def epoch_batches(examples: Sequence[Row], size: int, seed: int, epoch: int) -> list[list[Row]]:
    """The batches of one epoch: shuffled by seed and epoch, rows of like length together within windows of 16 batches."""
    shuffle = random.Random(f"{seed}/{epoch}")
    order = list(range(len(examples)))
    shuffle.shuffle(order)
    batches: list[list[Row]] = []
    for start in range(0, len(order), size * 16):
        window = sorted(order[start : start + size * 16], key=lambda i: examples[i].length)
        batches += [[examples[i] for i in window[at : at + size]] for at in range(0, len(window), size)]
    shuffle.shuffle(batches)
    return batches


def in_batches(examples: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """Consecutive slices, in the given order."""
    for start in range(0, len(examples), size):
        yield examples[start : start + size]
