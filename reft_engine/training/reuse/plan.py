"""What need not be computed twice, because the base model is frozen.

In depth: what the blocks up to the lowest edited one give is the same for a row in every epoch. In time: in a causal model
nothing before the first edited token ever changes, so keys and values of that part of the prompt are computed once, without
gradients, and a step costs the edited rest of the prompt and the answer alone.

Rows are computed in groups that never change, so that what is kept does not depend on when it was computed: a run that was
cut off and goes on computes the very same numbers. What exceeds the budget is computed anew in each step.

Whatever is kept, rows are read one behind another without padding (see `packing`), or as a batch of rows: then what is kept
before the first edited token is padded on the left, and the rest of the rows on the right.

Legend: B rows, P tokens before the first edited one, S tokens from it on, D hidden size, U blocks whose keys and values are
kept, H key-value heads, E their width.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache

from reft_engine.base import blocks
from reft_engine.base.loading import Base
from reft_engine.positions import UNEDITED, EditedTokens
from reft_engine.tokens.batches import Batch, Cached, Layout, lay_out
from reft_engine.tokens.examples import EncodedExample
from reft_engine.training.reuse.store import Budget, Place, Store

_WORTH = 0.05
"""Least share of a step's work that each kind of reuse must save."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run leaves out, and which share of a step's work that saves.

    Args:
        layer: the lowest edited block, counted from 0.
        depth: keeps what the blocks up to it give.
        time: keeps keys and values before each row's first edited token.
        kept: share that both save of a step without padding.
        packed: reads rows without padding.
        padding: share of a step that is padding otherwise.
        again: whether rows come again, so that anything can be kept.
    """

    layer: int
    depth: bool = False
    time: bool = False
    kept: float = 0.0
    packed: bool = False
    padding: float = 0.0
    again: bool = True

    @property
    def share(self) -> float:
        """Share of a step's work that is left out."""
        return 1 - (1 - self.kept) * (1 - self.padding * self.packed)

    @property
    def worth(self) -> bool:
        """Whether it is worth speaking of."""
        return self.share >= _WORTH

    @property
    def sentence(self) -> str:
        """The plan in words."""
        before = ["the part of each prompt before the first edited token"] if self.time else []
        below = [f"layers 0 to {self.layer}" if self.layer else "layer 0"] if self.depth else []
        share, parts = f"{min(self.share, 0.99):.0%}", " and ".join([*before, *below])
        padding = "no padding is computed" if self.packed and self.padding >= _WORTH else ""
        if not parts:
            return f"Leaves out {share} of each step, with the same result: {padding or 'nothing'}."
        too = padding and f", and {padding}"
        if not self.again:
            return f"Leaves out {share} of each step, with the same result: nothing is learned in {parts}{too}."
        several = (self.depth and self.layer) or (self.depth and self.time)
        frozen = f"{parts} {'are' if several else 'is'} frozen and computed once"
        return f"Reuses {share} of each step from the second epoch on, with the same result: {frozen}{too}."


def plan_reuse(
    layer: int, rows: Sequence[EncodedExample], count: int, *, depth: bool = True, time: bool = True, again: bool = True
) -> Plan:
    """Choose what is worth it for these rows on a base model of ``count`` blocks, edited from ``layer`` on, among what is allowed.

    Without ``again`` the rows come once only, so that nothing can be kept; but what needs no gradient is still read without.
    """
    tokens = sum(row.length for row in rows)
    behind = tokens - sum(row.first_edited for row in rows)
    learned = count - 1 - layer  # blocks that gradients go through
    plain = (count + learned) * tokens

    if not again:
        share = 1 - (count * tokens + learned * behind) / plain
        late = time and share >= _WORTH
        return Plan(layer, time=late, kept=share * late, again=False)

    def saved(deep: bool, late: bool) -> float:
        return 1 - (2 * learned if deep else count + learned) * (behind if late else tokens) / plain

    late = time and saved(False, True) >= _WORTH
    deep = depth and 1 - (1 - saved(True, late)) / (1 - saved(False, late)) >= _WORTH
    return Plan(layer, deep, late, saved(deep, late))


@dataclass(frozen=True, slots=True)
class _Known:
    """Of one row: ``hidden`` (S, D) behind the lowest edited block, ``cache`` (U, 2, H, P, E): keys and values before them."""

    hidden: Tensor | None
    cache: Tensor | None


class Reuse:
    """Says what of a batch's rows need not be computed; give it to `collate`."""

    def __init__(self, base: Base, plan: Plan, budget: Budget) -> None:
        self.plan = plan
        self._base, self._store = base, Store(budget)
        self._count = base.layers
        self._outputs: int | None = None
        self._groups: dict[EncodedExample, tuple[Place, tuple[EncodedExample, ...]]] = {}
        self._kept: dict[EncodedExample, _Known] = {}

    def expect(self, groups: Iterable[Sequence[EncodedExample]]) -> None:
        """Name rows that will come again, in the groups that they are to be computed in, until the budget is used up."""
        if not (self.plan.depth or self.plan.time):
            return
        for group in groups:
            fresh = tuple(dict.fromkeys(row for row in map(self._alike, group) if row not in self._groups))
            if fresh and (place := self._store.reserve(sum(map(self._size, fresh)))):
                self._groups |= dict.fromkeys(fresh, (place, fresh))

    def cached(self, rows: Sequence[EncodedExample]) -> Cached:
        """What is known of the rows: kept from before, or else computed now."""
        alike = [self._alike(row) for row in rows]
        for row in alike:
            if row in self._groups and row not in self._kept:
                self._keep(*self._groups[row])
        alone = [row for row in dict.fromkeys(alike) if row not in self._kept]
        fresh = dict(zip(alone, self._compute(alone), strict=True)) if alone else {}
        return self._known(alike, [fresh[row] if row in fresh else self._kept[row] for row in alike])

    def telling(self, rows: Sequence[EncodedExample]) -> list[EncodedExample]:
        """The rows that show best whether all is the same so: the longest, and the one whose first edit is farthest from its own."""
        longest = max(rows, key=lambda row: row.length)
        other = max(rows, key=lambda row: (abs(self.first(row) - self.first(longest)), row != longest))
        return [longest, other]

    def first(self, row: EncodedExample) -> int:
        """The first token of a row that a step computes."""
        return row.first_edited if self.plan.time else 0

    def _alike(self, row: EncodedExample) -> EncodedExample:
        """The row that stands for all with its tokens and its first edited one, so that runs of several rules share what is kept."""
        return replace(row, edited=EditedTokens((self.first(row),)))

    def _size(self, row: EncodedExample) -> int:
        """Bytes that are kept of a row."""
        weight = next(self._base.model.parameters())
        config = self._base.model.config.get_text_config()
        before, hidden = self.first(row), blocks.hidden_size(self._base.model)
        queries = getattr(config, "num_attention_heads", 1)
        heads, width = getattr(config, "num_key_value_heads", None) or queries, getattr(config, "head_dim", None) or hidden // queries
        upper = self._count - (self.plan.layer + 1 if self.plan.depth else 0)
        behind = (row.length - before) * hidden if self.plan.depth else 0
        return (before * upper * 2 * int(heads) * int(width) + behind) * int(weight.element_size())

    def _keep(self, place: Place, group: Sequence[EncodedExample]) -> None:
        known = self._compute(group)
        try:
            kept = iter(self._store.keep([value for each in known for value in (each.hidden, each.cache) if value is not None], place))
        except (OSError, RuntimeError):  # the disk is full, or no more files can be mapped: these rows are computed anew in each step
            for row in group:
                del self._groups[row]
            return
        for row, each in zip(group, known, strict=True):
            self._kept[row] = _Known(*(None if value is None else next(kept) for value in (each.hidden, each.cache)))

    @torch.no_grad()
    def _compute(self, rows: Sequence[EncodedExample]) -> list[_Known]:
        caches = dict.fromkeys(rows, None) | self._caches([row for row in rows if self.first(row)])
        known = [_Known(None, caches[row]) for row in rows]
        if not self.plan.depth:
            return known
        batch = lay_out(self._base, rows, self._known(rows, known))
        layer = self.plan.layer
        call = self._run(batch, layer)
        assert call.output is not None
        self._outputs = call.output.tuple_length
        found = []
        for row, (index, begin, end) in zip(rows, batch.rows, strict=True):
            cache = caches[row]
            hidden = call.output.hidden[index, begin:end].clone()
            found.append(_Known(hidden, None if cache is None else cache[layer + 1 :].clone()))
        return found

    def _caches(self, rows: Sequence[EncodedExample]) -> dict[EncodedExample, Tensor]:
        """Keys and values (blocks, 2, H, P, E) of the rows' tokens before the first edited one."""
        if not rows:
            return {}
        early = [replace(row, prompt_ids=row.prompt_ids[: self.first(row)], answer_ids=(), edited=UNEDITED) for row in rows]
        batch = lay_out(self._base, early, Cached("packed" if self._packs(early) else "left"))
        cache = DynamicCache()
        self._run(replace(batch, inputs={**batch.inputs, "past_key_values": cache, "use_cache": True}))
        stacked = torch.stack([torch.stack([layer.keys, layer.values]) for layer in cache.layers])
        return {row: stacked[:, :, index, :, begin:end].clone() for row, (index, begin, end) in zip(rows, batch.rows, strict=True)}

    def _run(self, batch: Batch, stop_after: int | None = None) -> blocks.Call:
        """A pass without edits and without logits."""
        with blocks.editing({}, stop_after=stop_after, run_block=batch.run_block) as call:
            blocks.last_hidden_states(self._base.model, batch.inputs)
        return call

    def _known(self, rows: Sequence[EncodedExample], known: Sequence[_Known]) -> Cached:
        """What is known of the rows as a batch takes it."""
        caches = [each.cache for each in known]
        lowest = next((self._count - len(cache) for cache in caches if cache is not None), 0)
        hidden = [each.hidden for each in known if each.hidden is not None]
        layout: Layout = "packed" if self._packs(rows) else "right"
        return Cached(layout, [self.first(row) for row in rows], caches, lowest, hidden, self.plan.layer, self._outputs)

    def _packs(self, rows: Sequence[EncodedExample]) -> bool:
        # Of one token alone transformers regroups the heads.
        return self.plan.packed and sum(row.length - self.first(row) for row in rows) > 1
