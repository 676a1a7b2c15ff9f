"""What need not be computed twice, because the base model is frozen.

In depth: what the blocks up to the lowest edited one give is the same for a row in every epoch. In time: in a causal model
nothing before the first edited token ever changes, so keys and values of that part of the prompt are computed once, without
gradients, and a step costs the edited rest of the prompt and the answer alone.

Rows are computed in groups that never change, so that what is kept does not depend on when it was computed: a run that was
cut off and goes on computes the very same numbers. What exceeds the budget is computed anew in each step.

Legend: B rows, P tokens before the first edited one (padded on the left), S tokens from it on (padded on the right), D hidden
size, U blocks whose keys and values are kept, H key-value heads, E their width.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache

from reft_engine import blocks
from reft_engine.base_models import Base
from reft_engine.batching import Batch, pad
from reft_engine.encoding import EncodedExample
from reft_engine.positions import PositionSpec, prompt_positions
from reft_engine.prefix import cache_of
from reft_engine.reuse_store import Budget, Place, Store

_WORTH = 0.05
"""Least share of a step's work that each kind of reuse must save."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Where edits begin: at which block (counted from 0), and by which rules at which token."""

    layer: int
    positions: tuple[PositionSpec, ...]

    def first(self, row: EncodedExample) -> int:
        """The first edited token of a row; at the latest the prompt's last token, which the answer is predicted from."""
        length = len(row.prompt_ids)
        found = [prompt_positions(spec, length, row.marked) for spec in self.positions]
        return min([max(length - 1, 0), *(token for groups in found for tokens in groups for token in tokens)])


@dataclass(frozen=True, slots=True)
class Plan:
    """Which kinds of reuse a run makes, and which share of a step's work they save."""

    reach: Reach
    depth: bool
    time: bool
    share: float
    again: bool = True

    @property
    def sentence(self) -> str:
        """The plan in words."""
        before = ["the part of each prompt before the first edited token"] if self.time else []
        below = [f"layers 0 to {self.reach.layer}" if self.reach.layer else "layer 0"] if self.depth else []
        share, parts = f"{min(self.share, 0.99):.0%}", " and ".join([*before, *below])
        if not self.again:
            return f"Leaves out {share} of each step, with the same result: nothing is learned in {parts}."
        frozen = f"{parts} {'are' if self.reach.layer or len([*before, *below]) > 1 else 'is'} frozen and computed once"
        return f"Reuses {share} of each step from the second epoch on, with the same result: {frozen}."


def plan_reuse(
    reach: Reach, rows: Sequence[EncodedExample], count: int, *, depth: bool = True, time: bool = True, again: bool = True
) -> Plan | None:
    """Choose what is worth it for these rows on a base model of ``count`` blocks, among what is allowed; None if nothing is.

    Without ``again`` the rows come once only, so that nothing can be kept; but what needs no gradient is still read without.
    """
    tokens = sum(row.length for row in rows)
    behind = tokens - sum(map(reach.first, rows))
    learned = count - 1 - reach.layer  # blocks that gradients go through
    plain = (count + learned) * tokens

    if not again:
        share = 1 - (count * tokens + learned * behind) / plain
        return Plan(reach, False, True, share, again=False) if time and share >= _WORTH else None

    def saved(deep: bool, late: bool) -> float:
        return 1 - (2 * learned if deep else count + learned) * (behind if late else tokens) / plain

    late = time and saved(False, True) >= _WORTH
    deep = depth and 1 - (1 - saved(True, late)) / (1 - saved(False, late)) >= _WORTH
    return Plan(reach, deep, late, saved(deep, late)) if deep or late else None


@dataclass(frozen=True, slots=True)
class _Known:
    """Of one row: ``hidden`` (S, D) behind the lowest edited block, ``cache`` (U, 2, H, P, E): keys and values before them."""

    hidden: Tensor | None
    cache: Tensor | None


class Reuse:
    """Gives batches that begin where the first edit acts."""

    def __init__(self, base: Base, plan: Plan, budget: Budget) -> None:
        self.plan = plan
        self._base, self._store = base, Store(budget)
        self._count = base.layers
        self._outputs: int | None = None
        self._groups: dict[EncodedExample, tuple[Place, tuple[EncodedExample, ...]]] = {}
        self._kept: dict[EncodedExample, _Known] = {}

    def expect(self, groups: Iterable[Sequence[EncodedExample]]) -> None:
        """Name rows that will come again, in the groups that they are to be computed in, until the budget is used up."""
        for group in groups:
            fresh = tuple(dict.fromkeys(row for row in group if row not in self._groups))
            if fresh and (place := self._store.reserve(sum(map(self._size, fresh)))):
                self._groups |= dict.fromkeys(fresh, (place, fresh))

    def batch(self, rows: Sequence[EncodedExample]) -> Batch:
        """The rows as a batch of what is computed in a step, the rest in ``more``."""
        for row in rows:
            if row in self._groups and row not in self._kept:
                self._keep(*self._groups[row])
        alone = [row for row in dict.fromkeys(rows) if row not in self._kept]
        fresh = dict(zip(alone, self._compute(alone), strict=True)) if alone else {}
        return self._joined(rows, [fresh[row] if row in fresh else self._kept[row] for row in rows])

    def telling(self, rows: Sequence[EncodedExample]) -> list[EncodedExample]:
        """The rows that show best whether all is the same with reuse: the longest, and those whose first edits are farthest apart."""
        extremes = (max(rows, key=lambda row: row.length), min(rows, key=self.first), max(rows, key=self.first))
        return list(dict.fromkeys(extremes))

    def first(self, row: EncodedExample) -> int:
        """The first token of a row that a step computes."""
        return self.plan.reach.first(row) if self.plan.time else 0

    def _size(self, row: EncodedExample) -> int:
        """Bytes that are kept of a row."""
        weight = next(self._base.model.parameters())
        config = self._base.model.config.get_text_config()
        before, hidden = self.first(row), blocks.hidden_size(self._base.model)
        queries = getattr(config, "num_attention_heads", 1)
        heads, width = getattr(config, "num_key_value_heads", None) or queries, getattr(config, "head_dim", None) or hidden // queries
        upper = self._count - (self.plan.reach.layer + 1 if self.plan.depth else 0)
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
        if not self.plan.depth:
            return [_Known(None, caches[row]) for row in rows]
        batch = self._joined(rows, [_Known(None, caches[row]) for row in rows])
        layer = self.plan.reach.layer
        call = self._run(batch.input_ids, batch.attention_mask, batch.more, layer)
        assert call.reached is not None
        self._outputs = call.reached.outputs
        found = []
        for index, row in enumerate(rows):
            cache = caches[row]
            hidden = call.reached.hidden[index, : row.length - self.first(row)].clone()
            found.append(_Known(hidden, None if cache is None else cache[layer + 1 :].clone()))
        return found

    def _caches(self, rows: Sequence[EncodedExample]) -> dict[EncodedExample, Tensor]:
        """Keys and values (blocks, 2, H, P, E) of the rows' tokens before the first edited one."""
        if not rows:
            return {}
        base = self._base
        ids, mask = pad([row.prompt_ids[: self.first(row)] for row in rows], base.pad_id, base.device, left=True)
        cache = DynamicCache()
        places = {"position_ids": (mask.cumsum(dim=1) - 1).clamp(min=0)} if blocks.takes(base.model, "position_ids") else {}
        self._run(ids, mask, {"past_key_values": cache, "use_cache": True, **places})
        stacked = torch.stack([torch.stack([layer.keys, layer.values]) for layer in cache.layers])
        return {row: stacked[:, :, index, :, ids.shape[1] - self.first(row) :].clone() for index, row in enumerate(rows)}

    def _run(self, ids: Tensor, mask: Tensor, more: dict[str, Any], end: int | None = None) -> blocks.Call:
        """A pass without edits and without logits."""
        none = torch.empty(0, dtype=torch.int64, device=ids.device)
        with blocks.editing({}, none, ids.shape, end=end) as call:
            self._base.model(input_ids=ids, attention_mask=mask, **more)
        return call

    def _joined(self, rows: Sequence[EncodedExample], known: Sequence[_Known]) -> Batch:
        device, pad_id = self._base.device, self._base.pad_id
        firsts = [self.first(row) for row in rows]
        before = max(firsts)
        ids, real = pad([(*row.prompt_ids, *row.answer_ids)[first:] for row, first in zip(rows, firsts, strict=True)], pad_id, device)
        labels = [(*[-100] * (len(row.prompt_ids) - first), *row.answer_ids) for row, first in zip(rows, firsts, strict=True)]
        more: dict[str, Any] = {}
        mask = real
        if before:
            start = torch.tensor(firsts, device=device).unsqueeze(1)
            mask = torch.cat([torch.arange(before, device=device) >= before - start, real.bool()], dim=1).to(torch.int64)
            more = {"past_key_values": self._cache(known, firsts, before), "use_cache": True}
            if blocks.takes(self._base.model, "position_ids"):
                more["position_ids"] = start + (real.cumsum(dim=1) - 1).clamp(min=0)
        hidden = _padded([each.hidden for each in known if each.hidden is not None], ids.shape[1], device)
        return Batch(
            ids, mask, pad(labels, -100, device)[0], [len(row.prompt_ids) for row in rows], [row.marked for row in rows], more,
            None if hidden is None else blocks.Reached(self.plan.reach.layer, hidden, self._outputs),
        )  # fmt: skip

    def _cache(self, known: Sequence[_Known], firsts: Sequence[int], before: int) -> DynamicCache:
        """A cache of ``before`` columns, whose layers that are skipped say how long they are and hold nothing."""
        some = next(each.cache for each in known if each.cache is not None)
        upper, _, heads, _, width = some.shape
        filled = torch.empty(upper, 2, len(known), heads, before, width, dtype=some.dtype, device=self._base.device)
        for index, (each, first) in enumerate(zip(known, firsts, strict=True)):
            filled[:, :, index, :, : before - first] = 0
            if each.cache is not None:
                filled[:, :, index, :, before - first :] = each.cache
        nothing = torch.zeros((), dtype=some.dtype, device=filled.device).expand(len(known), 1, before, 1)
        skipped = self._count - upper
        return cache_of([(nothing, nothing)] * skipped + [(keys, values) for keys, values in filled])


def _padded(values: Sequence[Tensor], length: int, device: torch.device) -> Tensor | None:
    """Hidden states (B, S, D), filled up behind with zeros."""
    if not values:
        return None
    filled = torch.zeros(len(values), length, values[0].shape[-1], dtype=values[0].dtype, device=device)
    for index, value in enumerate(values):
        filled[index, : len(value)] = value
    return filled
