"""Batches: `collate` makes tensors of encoded rows, `epoch_batches` orders the rows by the seed alone.

Legend: B rows, T tokens (padded), P tokens before the first computed one, S tokens from it on, D hidden size, U blocks with
cached keys and values, H key-value heads, E their width.
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
from reft_engine.tokens.examples import EncodedExample
from reft_engine.tokens.packing import Packed


class HasLength(Protocol):
    """A row by its length, by which batches are ordered."""

    @property
    def length(self) -> int:
        """Tokens of its longest sequence."""


Row = TypeVar("Row", bound=HasLength)
Layout = Literal["right", "left", "packed"]
ToTensor = Callable[[Sequence[Sequence[int]], int], Tensor]
"""Makes a tensor of rows of integers, padded with a value."""

_WINDOW = 64
"""Batches whose rows are sorted by length together. At 8 rows a batch, 2 % of the tokens of real instructions are padding (16: 8 %)."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The inputs of one forward pass, and where its examples are.

    ``inputs`` are the base model's arguments, with ``input_ids`` (B, T). ``targets`` (B, T) are the token ids that each token
    predicts, -100 without a loss; for an encoder-decoder, the answers (B, longest answer), which its decoder writes separately.
    For each example, ``counts`` is its number of targets, and ``rows`` its row, first column and the column after its last.
    ``resume_after`` is the block output that the forward pass continues from; ``run_block`` runs each block (see `packing`).
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
        """The device of its tensors."""
        return self.targets.device


@dataclass(frozen=True, slots=True)
class Cached:
    """The cached activations of a batch's rows, and the layout of their other tokens.

    For each row, if anything is cached: ``firsts``, the index of the first token to compute; ``caches``, keys and values
    (U, 2, H, P, E) of the tokens before it in the blocks from ``lowest`` on; ``hidden`` (S, D), the outputs of block ``layer`` for
    the tokens from it on. ``outputs`` is that of `blocks.BlockOutput`. Rows are padded on the right or the left, or packed.
    """

    layout: Layout = "right"
    firsts: Sequence[int] = ()
    caches: Sequence[Tensor | None] = ()
    lowest: int = 0
    hidden: Sequence[Tensor] = ()
    layer: int = 0
    outputs: int | None = None


class Reuses(Protocol):
    """A store of activations of rows that come again."""

    def cached(self, rows: Sequence[EncodedExample]) -> Cached:
        """The cached activations of these rows."""


def collate(base: Base, rows: Sequence[EncodedExample], reuse: Reuses | None = None) -> Batch:
    """Make a batch of rows, padded on the right; with ``reuse``, of the tokens that are not cached, in its layout."""
    return lay_out(base, rows, reuse.cached(rows) if reuse else Cached())


def lay_out(base: Base, rows: Sequence[EncodedExample], cached: Cached) -> Batch:
    """Make a batch of the tokens of rows that are not cached.

    Targets are answer tokens only; the mask follows from lengths, never from the pad id. Answers of an encoder-decoder are not
    inputs, since its decoder writes them separately; a base model with token types gets the text (first or second) of each token.
    """
    is_separate, packed = base.kind == "encoder_decoder", cached.layout == "packed"
    firsts = cached.firsts or [0] * len(rows)
    before = 0 if packed else max(firsts)  # columns of the cache
    tokens = [(row.prompt_ids if is_separate else row.ids)[first:] for row, first in zip(rows, firsts, strict=True)]
    targets = [row.answer_ids if is_separate else targets_of(row, first) for row, first in zip(rows, firsts, strict=True)]
    lengths = [len(ids) for ids in tokens]
    to_tensor = partial(_to_tensor, layout=cached.layout, device=base.device)
    ids = to_tensor(tokens, base.pad_id)
    mask_and_positions = (
        _packed_inputs(base, lengths, firsts, to_tensor) if packed else _padded_inputs(base, lengths, firsts, cached, to_tensor)
    )
    inputs = {"input_ids": ids, **mask_and_positions}
    if base.reads_types and any(row.second for row in rows):
        inputs["token_type_ids"] = to_tensor([types_of(row)[first:] for row, first in zip(rows, firsts, strict=True)], 0)
    spans = _spans(lengths, ids.shape[1], cached.layout)
    starts = [(row, before + begin - first) for (row, begin, _), first in zip(spans, firsts, strict=True)]
    prompts = Prompts(starts, [row.edited for row in rows], ids.shape[0], before + ids.shape[1])
    run_block = Packed(lengths, base.kind == "decoder", cached.caches, cached.lowest) if packed else None
    return Batch(inputs, to_tensor(targets, -100), [count_of(each) for each in targets], prompts, spans, _resume_after(cached), run_block)


def _packed_inputs(base: Base, lengths: Sequence[int], firsts: Sequence[int], to_tensor: ToTensor) -> dict[str, Any]:
    """Mask and positions of packed rows."""
    begin = blocks.first_position(base.model)
    positions = [range(begin + first, begin + first + length) for length, first in zip(lengths, firsts, strict=True)]
    # The base model uses a mask of this shape unchanged; `packing` keeps the attention within each sequence.
    return {"attention_mask": torch.ones(1, 1, 1, 1, dtype=torch.bool, device=base.device), "position_ids": to_tensor(positions, 0)}


def _padded_inputs(base: Base, lengths: Sequence[int], firsts: Sequence[int], cached: Cached, to_tensor: ToTensor) -> dict[str, Any]:
    """Mask of padded rows, their cache if there is one, and their positions unless they begin at column 0."""
    before, start = max(firsts), torch.tensor(firsts, device=base.device).unsqueeze(1)
    mask = to_tensor([[1] * length for length in lengths], 0)
    inputs: dict[str, Any] = {"attention_mask": mask}
    if before:
        cached_mask = torch.arange(before, device=base.device) >= before - start
        inputs["attention_mask"] = torch.cat([cached_mask.to(torch.int64), mask], dim=1)
        inputs |= {"past_key_values": _cache(cached, firsts, before, base.device), "use_cache": True}
    if (before or cached.layout == "left") and blocks.accepts_argument(base.model, "position_ids"):
        inputs["position_ids"] = start + (mask.cumsum(dim=1) - 1).clamp(min=0) + blocks.first_position(base.model)
    return inputs


def _cache(cached: Cached, firsts: Sequence[int], before: int, device: torch.device) -> DynamicCache:
    """A cache of ``before`` columns, padded on the left; its skipped layers have a length and no values."""
    caches = cached.caches
    cached_row = next(cache for cache in caches if cache is not None)
    upper, _, heads, _, width = cached_row.shape
    padded = torch.empty(upper, 2, len(caches), heads, before, width, dtype=cached_row.dtype, device=device)
    for index, (cache, first) in enumerate(zip(caches, firsts, strict=True)):
        padded[:, :, index, :, : before - first] = 0
        if cache is not None:
            padded[:, :, index, :, before - first :] = cache
    empty = torch.zeros((), dtype=cached_row.dtype, device=padded.device).expand(len(caches), 1, before, 1)
    return blocks.cache_of([(empty, empty)] * cached.lowest + [(keys, values) for keys, values in padded])


def _resume_after(cached: Cached) -> blocks.BlockOutput | None:
    """The block output that the forward pass continues from; None if there is none."""
    if not cached.hidden:
        return None
    packed = cached.layout == "packed"
    hidden = torch.cat(list(cached.hidden)).unsqueeze(0) if packed else pad_sequence(list(cached.hidden), batch_first=True)
    return blocks.BlockOutput(cached.layer, hidden, cached.outputs)


def _spans(lengths: Sequence[int], width: int, layout: Layout) -> list[tuple[int, int, int]]:
    """For each sequence its row of the batch, its first column and the column after its last."""
    if layout == "packed":
        ends = list(accumulate(lengths))
        return [(0, end - length, end) for length, end in zip(lengths, ends, strict=True)]
    return [(row, width - length, width) if layout == "left" else (row, 0, length) for row, length in enumerate(lengths)]


def _to_tensor(rows: Sequence[Sequence[int]], value: int, layout: Layout, device: torch.device) -> Tensor:
    """Rows of integers as one tensor (B, longest), padded with ``value``; packed, as one row."""
    if layout == "packed":
        return torch.tensor([[number for row in rows for number in row]], dtype=torch.int64).to(device)
    longest = max(map(len, rows))
    padding = [[value] * (longest - len(row)) for row in rows]
    padded = [[*pad, *row] if layout == "left" else [*row, *pad] for row, pad in zip(rows, padding, strict=True)]
    return torch.tensor(padded, dtype=torch.int64).to(device)


def types_of(example: EncodedExample) -> list[int]:
    """The token type of each token: 1 in the second of two texts, else 0."""
    second = example.second or example.length
    return [*[0] * second, *[1] * (example.length - second)]


def targets_of(example: EncodedExample, first: int = 0) -> tuple[int, ...]:
    """The target of each token from index ``first`` on: at index t the token at t + 1 if it is an answer token, else -100."""
    tokens = (*[-100] * len(example.prompt_ids), *example.answer_ids)
    return (*tokens[first + 1 :], -100)


def count_of(targets: Sequence[int]) -> int:
    """The number of tokens with a loss."""
    return sum(target != -100 for target in targets)


def epoch_batches(examples: Sequence[Row], size: int, seed: int, epoch: int) -> list[list[Row]]:
    """The batches of one epoch, shuffled by seed and epoch; rows of similar length are together within windows of 64 batches."""
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
    """Consecutive slices of ``size`` items."""
    for start in range(0, len(examples), size):
        yield examples[start : start + size]


def in_passes(rows: Sequence[Row], tokens: int, size: Callable[[Row], int] = lambda row: row.length) -> Iterator[list[Row]]:
    """Micro-batches of at most ``tokens`` padded tokens, shortest rows first; a larger row is a micro-batch of its own.

    ``size`` says how many tokens a row counts for.
    """
    micro_batch: list[Row] = []
    largest = 0
    for row in sorted(rows, key=lambda row: row.length):
        largest = max(largest, size(row))
        if micro_batch and (len(micro_batch) + 1) * largest > tokens:
            yield micro_batch
            micro_batch, largest = [], size(row)
        micro_batch.append(row)
    if micro_batch:
        yield micro_batch
