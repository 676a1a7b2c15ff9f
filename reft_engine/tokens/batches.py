"""Rows into batches: `collate` is the one way from encoded rows to tensors; their order follows from the seed alone.

Legend: B rows, T tokens (padded), P tokens before the first one that is computed, S tokens from it on, D hidden size, U blocks
whose keys and values are cached, H key-value heads, E their width.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Any, Literal, Protocol, TypeVar

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers.cache_utils import DynamicCache

from reft_engine.base import blocks
from reft_engine.base.loading import Base
from reft_engine.edits.plan import Prompts
from reft_engine.tokens.examples import EncodedExample, EncodedRow
from reft_engine.tokens.packing import Packed

Row = TypeVar("Row", bound=EncodedRow)
Layout = Literal["right", "left", "packed"]
Lay = Callable[[Sequence[Sequence[int]], int], Tensor]
"""Lays rows of numbers out as a batch, filled up with a number."""

_WINDOW = 64
"""Batches whose rows are sorted by length together: at 8 rows of real instructions 2 % of the tokens are padding (at 16: 8 %)."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one forward pass is given, and which examples it holds.

    ``inputs`` are the base model's arguments, ``input_ids`` (B, T) among them. ``targets`` are (B, T): what each token is to
    predict, -100 where there is no loss; of an encoder-decoder, which writes its answers apart, (B, longest answer): the answers.
    ``counts`` says how many targets each example has, ``rows`` where its tokens stand: row, first column and the one after its last.
    ``resume_after`` is the block output that the forward pass continues from, ``run_block`` what runs each block (see `packing`).
    """

    inputs: dict[str, Any]
    targets: Tensor
    counts: Sequence[int]
    prompts: Prompts
    rows: Sequence[tuple[int, int, int]]
    resume_after: blocks.BlockOutput | None = None
    run_block: blocks.BlockRunner | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """(B, T)."""
        ids = self.inputs["input_ids"]
        return ids.shape[0], ids.shape[1]

    @property
    def device(self) -> torch.device:
        """Where it lies."""
        return self.targets.device


@dataclass(frozen=True, slots=True)
class Cached:
    """What of the rows of a batch is computed already, and how the rest of them is laid out.

    Per row, where there is any: ``firsts``, the first token that is computed; ``caches``, keys and values (U, 2, H, P, E) of the
    tokens before it in the blocks from ``lowest`` on; ``hidden`` (S, D), what the block ``layer`` gives of the tokens from it on;
    ``outputs`` is that of `blocks.BlockOutput`. Rows are padded on the right or the left, or packed one after another.
    """

    layout: Layout = "right"
    firsts: Sequence[int] = ()
    caches: Sequence[Tensor | None] = ()
    lowest: int = 0
    hidden: Sequence[Tensor] = ()
    layer: int = 0
    outputs: int | None = None


class Reuses(Protocol):
    """What knows of rows that come again."""

    def cached(self, rows: Sequence[EncodedExample]) -> Cached:
        """What need not be computed of these rows."""


def collate(base: Base, rows: Sequence[EncodedExample], reuse: Reuses | None = None) -> Batch:
    """The rows as a batch: with ``reuse`` what is left to compute of them, else all of them, padded on the right."""
    return lay_out(base, rows, reuse.cached(rows) if reuse else Cached())


def lay_out(base: Base, rows: Sequence[EncodedExample], cached: Cached) -> Batch:
    """The tokens that are left to compute of rows, after what is cached.

    Targets are answer tokens only; the mask comes from lengths, never from the pad id. Answers of an encoder-decoder, which writes
    them apart, are no inputs; a base model that reads types is told which of two texts a token is of.
    """
    apart, packed = base.kind == "encoder_decoder", cached.layout == "packed"
    firsts = cached.firsts or [0] * len(rows)
    before = 0 if packed else max(firsts)  # columns of the cache
    read = [(row.prompt_ids if apart else row.ids)[first:] for row, first in zip(rows, firsts, strict=True)]
    targets = [row.answer_ids if apart else targets_of(row, first) for row, first in zip(rows, firsts, strict=True)]
    lengths = [len(each) for each in read]
    lay = partial(_laid, layout=cached.layout, device=base.device)
    ids = lay(read, base.pad_id)
    places = _packed_inputs(base, lengths, firsts, lay) if packed else _padded_inputs(base, lengths, firsts, cached, lay)
    inputs = {"input_ids": ids, **places}
    if base.reads_types and any(row.second for row in rows):
        inputs["token_type_ids"] = lay([types_of(row)[first:] for row, first in zip(rows, firsts, strict=True)], 0)
    spans = _spans(lengths, ids.shape[1], cached.layout)
    starts = [(row, before + begin - first) for (row, begin, _), first in zip(spans, firsts, strict=True)]
    prompts = Prompts(starts, [row.edited for row in rows], ids.shape[0], before + ids.shape[1])
    within = Packed(lengths, base.kind == "decoder", cached.caches, cached.lowest) if packed else None
    return Batch(inputs, lay(targets, -100), [count_of(each) for each in targets], prompts, spans, _start(cached), within)


def _packed_inputs(base: Base, lengths: Sequence[int], firsts: Sequence[int], lay: Lay) -> dict[str, Any]:
    """Mask and positions of packed rows."""
    begin = blocks.first_position(base.model)
    places = [range(begin + first, begin + first + length) for length, first in zip(lengths, firsts, strict=True)]
    # A mask of this shape is taken as it is; what rows see of each other is decided by `packing`.
    return {"attention_mask": torch.ones(1, 1, 1, 1, dtype=torch.bool, device=base.device), "position_ids": lay(places, 0)}


def _padded_inputs(base: Base, lengths: Sequence[int], firsts: Sequence[int], cached: Cached, lay: Lay) -> dict[str, Any]:
    """Mask of padded rows; a cache, if they have any; and positions, where they do not begin with their first token."""
    before, start = max(firsts), torch.tensor(firsts, device=base.device).unsqueeze(1)
    real = lay([[1] * length for length in lengths], 0)
    inputs: dict[str, Any] = {"attention_mask": real}
    if before:
        early = torch.arange(before, device=base.device) >= before - start
        inputs["attention_mask"] = torch.cat([early.to(torch.int64), real], dim=1)
        inputs |= {"past_key_values": _cache(cached, firsts, before, base.device), "use_cache": True}
    if (before or cached.layout == "left") and blocks.accepts_argument(base.model, "position_ids"):
        inputs["position_ids"] = start + (real.cumsum(dim=1) - 1).clamp(min=0) + blocks.first_position(base.model)
    return inputs


def _cache(cached: Cached, firsts: Sequence[int], before: int, device: torch.device) -> DynamicCache:
    """A cache of ``before`` columns, padded on the left, whose layers that are skipped say how long they are and hold nothing."""
    caches = cached.caches
    some = next(cache for cache in caches if cache is not None)
    upper, _, heads, _, width = some.shape
    filled = torch.empty(upper, 2, len(caches), heads, before, width, dtype=some.dtype, device=device)
    for index, (cache, first) in enumerate(zip(caches, firsts, strict=True)):
        filled[:, :, index, :, : before - first] = 0
        if cache is not None:
            filled[:, :, index, :, before - first :] = cache
    nothing = torch.zeros((), dtype=some.dtype, device=filled.device).expand(len(caches), 1, before, 1)
    return blocks.cache_of([(nothing, nothing)] * cached.lowest + [(keys, values) for keys, values in filled])


def _start(cached: Cached) -> blocks.BlockOutput | None:
    """The hidden states that the pass begins with, if there are any."""
    if not cached.hidden:
        return None
    packed = cached.layout == "packed"
    hidden = torch.cat(list(cached.hidden)).unsqueeze(0) if packed else pad_sequence(list(cached.hidden), batch_first=True)
    return blocks.BlockOutput(cached.layer, hidden, cached.outputs)


def _spans(lengths: Sequence[int], width: int, layout: Layout) -> list[tuple[int, int, int]]:
    """Of each row its row of the batch, its first column and the one after its last."""
    if layout == "packed":
        ends = list(accumulate(lengths))
        return [(0, end - length, end) for length, end in zip(lengths, ends, strict=True)]
    return [(row, width - length, width) if layout == "left" else (row, 0, length) for row, length in enumerate(lengths)]


def _laid(rows: Sequence[Sequence[int]], value: int, layout: Layout, device: torch.device) -> Tensor:
    """Rows of numbers as one tensor (B, longest), filled up with ``value``; packed as one row of them all."""
    if layout == "packed":
        return torch.tensor([[number for row in rows for number in row]], dtype=torch.int64).to(device)
    longest = max(map(len, rows))
    fill = [[value] * (longest - len(row)) for row in rows]
    padded = [[*more, *row] if layout == "left" else [*row, *more] for row, more in zip(rows, fill, strict=True)]
    return torch.tensor(padded, dtype=torch.int64).to(device)


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
