"""The plan of activation reuse: the part of each row that is stored, because the base model is frozen, and the part computed anew.

In depth: the hidden states of a row below the first edit are the same in every epoch. In time: in a causal model nothing before
the first edited token ever changes, so keys and values of those tokens are computed once, without gradients, and a step computes
only the rest of the prompt and the answer.

Rows are computed in groups that never change, so that stored activations do not depend on when they were computed: a run that was
interrupted and resumed computes the same values. Rows that exceed the budget are computed anew in each step.

Sequences are packed (see `packing`), or form a padded batch: then keys and values before the first edited token are padded on the
left, and the rest of the sequences on the right.

Legend: B rows, P tokens before the first edited one, S tokens from it on, D hidden size, U blocks whose keys and values are
stored, H key-value heads, E their width.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache

from reft_engine.base import blocks
from reft_engine.base.loading import Base
from reft_engine.positions import UNEDITED, EditedTokens
from reft_engine.tokens.batches import Batch, Cached, Layout, lay_out
from reft_engine.tokens.examples import EncodedExample
from reft_engine.training.reuse.store import Budget, Place, Store
from reft_engine.work import MIN_SHARE, choose_reuse, epoch_work


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run does not compute, and the share of a step's work that this saves.

    Args:
        layer: the lowest edited block, counted from 0.
        depth: hidden states below the first edit are stored.
        time: keys and values before each row's first edited token are stored.
        saved_share: share of a step's work, padding aside, that depth and time save.
        packed: sequences are packed.
        padding: share of an unpacked step that is padding.
        again: whether rows come again, so that stored activations are of use.
        later_share: work of a later epoch as a share of the first one's.
    """

    layer: int
    depth: bool = False
    time: bool = False
    saved_share: float = 0.0
    packed: bool = False
    padding: float = 0.0
    again: bool = True
    later_share: float = field(default=1.0, compare=False)

    @property
    def share(self) -> float:
        """Share of a step's work that is saved."""
        return 1 - (1 - self.saved_share) * (1 - self.padding * self.packed)

    @property
    def later_work(self) -> float:
        """Work of a step that reuses, as a share of one that stores; 1 where nothing is stored."""
        return self.later_share if self.again and (self.depth or self.time) else 1.0

    @property
    def worthwhile(self) -> bool:
        """Whether the plan saves enough to be followed and reported."""
        return self.share >= MIN_SHARE

    @property
    def sentence(self) -> str:
        """The plan in words."""
        before = ["the part of each prompt before the first edited token"] if self.time else []
        below = [f"layers 0 to {self.layer}" if self.layer else "layer 0"] if self.depth else []
        share, parts = f"{min(self.share, 0.99):.0%}", " and ".join([*before, *below])
        padding = "no padding is computed" if self.packed and self.padding >= MIN_SHARE else ""
        if not parts:
            return f"Leaves out {share} of each step, with the same result: {padding or 'nothing'}."
        too = padding and f", and {padding}"
        if not self.again:
            return f"Leaves out {share} of each step, with the same result: nothing is learned in {parts}{too}."
        several = (self.depth and self.layer) or (self.depth and self.time)
        frozen = f"{parts} {'are' if several else 'is'} frozen and computed once"
        return f"Reuses {share} of each step from the second epoch on, with the same result: {frozen}{too}."


@lru_cache(maxsize=512)
def _first_alone(first: int) -> EditedTokens:
    """This token alone."""
    return EditedTokens((first,))


def plan_reuse(
    layer: int, rows: Sequence[EncodedExample], count: int, *, depth: bool = True, time: bool = True, again: bool = True
) -> Plan:
    """Choose the worthwhile kinds of reuse, among those allowed, on a base model of ``count`` blocks, edited from ``layer`` on.

    Without ``again`` each row comes once, so that storing is of no use; but tokens that need no gradient are computed without one.
    """
    tokens = sum(row.length for row in rows)
    return plan_for(layer, count, tokens, tokens - sum(row.first_edited for row in rows), depth=depth, time=time, again=again)


def plan_for(layer: int, count: int, tokens: int, late_tokens: int, *, depth: bool, time: bool, again: bool) -> Plan:
    """As `plan_reuse`, by the tokens of all rows, and those from each row's first edited one on."""
    saving = choose_reuse(layer, count, tokens, late_tokens, depth=depth, time=time, again=again)
    first, later = (epoch_work(layer, count, tokens, late_tokens, saving, later=each) for each in (False, True))
    return Plan(layer, saving.depth, saving.time, saving.share, again=again, later_share=later / first)


@dataclass(frozen=True, slots=True)
class _Activations:
    """Activations of one row: ``hidden`` (S, D), output of the lowest edited block; ``cache`` (U, 2, H, P, E), earlier keys and values."""

    hidden: Tensor | None
    cache: Tensor | None


class Reuse:
    """Knows which activations of a batch's rows need not be computed; `collate` takes it as an argument."""

    def __init__(self, base: Base, plan: Plan, budget: Budget) -> None:
        self.plan = plan
        self._base, self._store = base, Store(budget)
        self._count = base.layers
        self._outputs: int | None = None
        self._groups: dict[EncodedExample, tuple[Place, tuple[EncodedExample, ...]]] = {}
        self._stored: dict[EncodedExample, _Activations] = {}
        self.computed = self.waiting = 0
        """Tokens of rows that were computed whole; and of those that are to be stored when they come first."""

    def register(self, groups: Iterable[Sequence[EncodedExample]]) -> None:
        """Register rows that will come again, in the groups in which they are computed, until the budget is used up."""
        if not (self.plan.depth or self.plan.time):
            return
        for group in groups:
            fresh = tuple(dict.fromkeys(row for row in map(self._key, group) if row not in self._groups))
            if fresh and (place := self._store.reserve(sum(map(self._size, fresh)))):
                self._groups |= dict.fromkeys(fresh, (place, fresh))
                self.waiting += sum(row.length for row in fresh)

    def cached(self, rows: Sequence[EncodedExample]) -> Cached:
        """Activations of the rows: stored earlier, or else computed now."""
        keys = [self._key(row) for row in rows]
        for key in keys:
            if key in self._groups and key not in self._stored:
                self._store_group(*self._groups[key])
        missing = [key for key in dict.fromkeys(keys) if key not in self._stored]
        fresh = dict(zip(missing, self._compute(missing), strict=True)) if missing else {}
        return self._as_cached(keys, [fresh[key] if key in fresh else self._stored[key] for key in keys])

    def probe_rows(self, rows: Sequence[EncodedExample]) -> list[EncodedExample]:
        """The rows that show differences best: the longest, and the row whose first edit is farthest from the longest row's."""
        longest = max(rows, key=lambda row: row.length)
        other = max(rows, key=lambda row: (abs(self.first(row) - self.first(longest)), row != longest))
        return [longest, other]

    def first(self, row: EncodedExample) -> int:
        """The first token of a row that a step computes."""
        return row.first_edited if self.plan.time else 0

    def _key(self, row: EncodedExample) -> EncodedExample:
        """One row for all rows with these tokens and this first edited token, so that runs with different rules share activations."""
        return EncodedExample(row.prompt_ids, row.answer_ids, row.line, row.cut, _first_alone(self.first(row)), row.second)

    @cached_property
    def token_bytes(self) -> tuple[int, int]:
        """Bytes that are stored of one token before a row's first edited one, and of one token from there on."""
        weight = next(self._base.model.parameters())
        config = self._base.model.config.get_text_config()
        hidden = blocks.hidden_size(self._base.model)
        queries = getattr(config, "num_attention_heads", 1)
        heads, width = getattr(config, "num_key_value_heads", None) or queries, getattr(config, "head_dim", None) or hidden // queries
        upper = self._count - (self.plan.layer + 1 if self.plan.depth else 0)
        values = int(weight.element_size())
        return upper * 2 * int(heads) * int(width) * values * self.plan.time, hidden * values * self.plan.depth

    def bytes_of(self, rows: Sequence[EncodedExample]) -> int:
        """Bytes that the activations of rows take."""
        return sum(self._size(self._key(row)) for row in dict.fromkeys(rows))

    def _size(self, row: EncodedExample) -> int:
        """Bytes that a row's activations take."""
        (early, late), before = self.token_bytes, self.first(row)
        return before * early + (row.length - before) * late

    def _store_group(self, place: Place, group: Sequence[EncodedExample]) -> None:
        computed = self._compute(group)
        self.waiting -= sum(row.length for row in group)
        tensors = [tensor for each in computed for tensor in (each.hidden, each.cache) if tensor is not None]
        try:
            stored = iter(self._store.keep(tensors, place))
        except (OSError, RuntimeError):  # the disk is full, or no more files can be mapped: these rows are computed anew in each step
            for row in group:
                del self._groups[row]
            return
        for row, each in zip(group, computed, strict=True):
            self._stored[row] = _Activations(*(None if tensor is None else next(stored) for tensor in (each.hidden, each.cache)))

    @torch.no_grad()
    def _compute(self, rows: Sequence[EncodedExample]) -> list[_Activations]:
        self.computed += sum(row.length for row in rows)
        # 1) Keys and values before the first edited tokens.
        caches = dict.fromkeys(rows, None) | self._caches([row for row in rows if self.first(row)])
        computed = [_Activations(None, caches[row]) for row in rows]
        if not self.plan.depth:
            return computed
        # 2) Hidden states of the tokens from there on, up to the lowest edited block.
        batch = lay_out(self._base, rows, self._as_cached(rows, computed))
        layer = self.plan.layer
        output = self._run(batch, layer).output
        assert output is not None
        self._outputs = output.tuple_length
        spans = [output.hidden[index, begin:end].clone() for index, begin, end in batch.rows]
        upper = [None if cache is None else cache[layer + 1 :].clone() for cache in map(caches.get, rows)]
        return [_Activations(hidden, cache) for hidden, cache in zip(spans, upper, strict=True)]

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
        """A forward pass without edits and without logits."""
        with blocks.editing({}, stop_after=stop_after, run_block=batch.run_block) as call:
            blocks.last_hidden_states(self._base.model, batch.inputs)
        return call

    def _as_cached(self, rows: Sequence[EncodedExample], activations: Sequence[_Activations]) -> Cached:
        """The rows' activations in the form that `lay_out` takes."""
        caches = [each.cache for each in activations]
        lowest = next((self._count - len(cache) for cache in caches if cache is not None), 0)
        hidden = [each.hidden for each in activations if each.hidden is not None]
        layout: Layout = "packed" if self._packs(rows) else "right"
        return Cached(layout, [self.first(row) for row in rows], caches, lowest, hidden, self.plan.layer, self._outputs)

    def _packs(self, rows: Sequence[EncodedExample]) -> bool:
        # With a single token transformers regroups the heads.
        return self.plan.packed and sum(row.length - self.first(row) for row in rows) > 1
