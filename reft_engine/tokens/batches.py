"""Rows into padded batches, in an order that follows from the seed alone.

Legend: B rows, T tokens (padded).
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from reft_engine.base import blocks
from reft_engine.edits.plan import Prompts
from reft_engine.tokens.examples import EncodedExample, EncodedRow

Row = TypeVar("Row", bound=EncodedRow)

_WINDOW = 64
"""Batches whose rows are sorted by length together: at 8 rows of real instructions 2 % of the tokens are padding (at 16: 8 %)."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one forward pass is given, and which examples it holds.

    ``inputs`` are the base model's arguments, ``input_ids`` (B, T) among them. ``targets`` are (B, T): what each token is to
    predict, -100 where there is no loss; of an encoder-decoder, which writes its answers apart, (B, longest answer): the answers.
    ``counts`` says how many targets each example has, ``rows`` where its tokens stand: row, first column and the one behind its last.
    ``start`` is what the base model goes on from, ``within`` what its blocks are run in (see `reuse`).
    """

    inputs: dict[str, Any]
    targets: Tensor
    counts: Sequence[int]
    prompts: Prompts
    rows: Sequence[tuple[int, int, int]]
    start: blocks.BlockOutput | None = None
    within: blocks.Within | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """(B, T)."""
        ids = self.inputs["input_ids"]
        return ids.shape[0], ids.shape[1]

    @property
    def device(self) -> torch.device:
        """Where it lies."""
        return self.targets.device


def collate(
    examples: Sequence[EncodedExample], pad_id: int, device: torch.device, *, apart: bool = False, types: bool = False
) -> Batch:  # fmt: skip
    """Pad on the right; targets are answer tokens only; the mask comes from lengths, never from the pad id.

    ``apart`` keeps answers out of the inputs, as an encoder-decoder wants them; with ``types`` the base model is
    told which of two texts a token is of.
    """
    read = [example.prompt_ids if apart else example.ids for example in examples]
    wanted = [example.answer_ids if apart else targets_of(example) for example in examples]
    ids, mask = pad(read, pad_id, device)
    inputs = {"input_ids": ids, "attention_mask": mask}
    if types and any(example.second for example in examples):
        inputs["token_type_ids"] = pad([types_of(example) for example in examples], 0, device)[0]
    prompts = Prompts(
        [(index, 0) for index in range(len(examples))], [example.edited for example in examples], *ids.shape
    )  # fmt: skip
    rows = [(index, 0, len(row)) for index, row in enumerate(read)]
    return Batch(inputs, pad(wanted, -100, device)[0], [count_of(row) for row in wanted], prompts, rows)


def types_of(example: EncodedExample) -> list[int]:
    """Of each token of a row whether it is of the second of two texts."""
    second = example.second or example.length
    return [*[0] * second, *[1] * (example.length - second)]


def targets_of(example: EncodedExample, first: int = 0) -> tuple[int, ...]:
    """What each token of a row, from the ``first`` one on, is to predict: answer tokens only, the token at t those at t + 1."""
    tokens = (*[-100] * len(example.prompt_ids), *example.answer_ids)
    return (*tokens[first + 1 :], -100)


def count_of(targets: Sequence[int]) -> int:
    """How many tokens have a loss."""
    return sum(target != -100 for target in targets)


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
