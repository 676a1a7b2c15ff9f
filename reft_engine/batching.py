"""Rows into padded batches, in an order that follows from the seed alone.

Legend: B rows, T tokens (padded).
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from reft_engine.encoding import EncodedExample


@dataclass(frozen=True, slots=True)
class Batch:
    """Padded rows: ``input_ids``, ``attention_mask`` and ``labels`` (B, T; -100 where no loss), ``prompt_lengths`` (B,)."""

    input_ids: Tensor
    attention_mask: Tensor
    labels: Tensor
    prompt_lengths: list[int]


def collate(examples: Sequence[EncodedExample], pad_id: int, device: torch.device) -> Batch:
    """Pad on the right; labels only on answer tokens; the mask comes from lengths, never from the pad id."""
    longest = max(len(example.prompt_ids) + len(example.answer_ids) for example in examples)
    ids = torch.full((len(examples), longest), pad_id, dtype=torch.int64)
    mask, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
    for row, example in enumerate(examples):
        prompt, end = len(example.prompt_ids), len(example.prompt_ids) + len(example.answer_ids)
        ids[row, :end] = torch.tensor([*example.prompt_ids, *example.answer_ids])
        labels[row, prompt:end] = ids[row, prompt:end]
        mask[row, :end] = 1
    lengths = [len(example.prompt_ids) for example in examples]
    return Batch(ids.to(device), mask.to(device), labels.to(device), lengths)


def epoch_batches(examples: Sequence[EncodedExample], size: int, seed: int, epoch: int) -> list[list[EncodedExample]]:
    """The batches of one epoch: shuffled by seed and epoch, rows of like length together within windows of 16 batches."""
    shuffle = random.Random(f"{seed}/{epoch}")
    order = list(range(len(examples)))
    shuffle.shuffle(order)
    batches: list[list[EncodedExample]] = []
    for start in range(0, len(order), size * 16):
        window = sorted(order[start : start + size * 16], key=lambda i: len(examples[i].prompt_ids) + len(examples[i].answer_ids))
        batches += [[examples[i] for i in window[at : at + size]] for at in range(0, len(window), size)]
    shuffle.shuffle(batches)
    return batches


def in_batches(examples: Sequence[EncodedExample], size: int) -> Iterator[Sequence[EncodedExample]]:
    """Consecutive slices, in the given order."""
    for start in range(0, len(examples), size):
        yield examples[start : start + size]
