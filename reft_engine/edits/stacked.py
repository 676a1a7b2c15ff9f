"""Edits of many models in one pass: their factors are stacked, so that 64 edits cost a handful of calls and not 64 times as many.

Legend: B rows, T tokens (padded), D hidden size, K rank, E edits of one layer, N tokens of the edit with the most.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from reft_engine.base import blocks
from reft_engine.edits.edited import EditedModel, combine
from reft_engine.edits.interventions import Factors, LinearFactors
from reft_engine.edits.plan import EditPlan, PlannedTokens
from reft_engine.edits.precision import exact


@dataclass(frozen=True, slots=True)
class PlannedEdit:
    """What one model edits in a pass: the tokens, the factors, how strongly, whether others may change the same tokens (a mix), where.

    ``layers`` are those that act; None for all that the edit has.
    """

    reft: EditedModel
    plan: EditPlan
    factors: Factors
    strength: float = 1.0
    mixed: bool = False
    layers: frozenset[int] | None = None

    def acts_at(self, layer: int) -> bool:
        """Whether one of its layers acts."""
        return self.layers is None or layer in self.layers

    def edits(self, *, compute_zero: bool = False) -> dict[int, blocks.Edit]:
        """Its edits, by layer."""
        edits = self.reft.edits(self.plan, self.factors, self.strength, compute_zero=compute_zero)
        return {layer: edit for layer, edit in edits.items() if self.acts_at(layer)}


class _Site(NamedTuple):
    """Tokens of one group of one edit at one layer, and what changes them."""

    tokens: PlannedTokens
    group: int
    factors: LinearFactors
    strength: float


def combined(planned: Sequence[PlannedEdit], *, compute_zero: bool = False) -> dict[int, blocks.Edit]:
    """The edits of several models, each for its own rows, as one edit per layer.

    Edits that are linear in the hidden state are computed together, whatever their methods, ranks and layers; others (RED, and those
    with an activation) one after another. All changes of a token are computed from the hidden state before the first of them.
    An edit of strength 0 is left out unless ``compute_zero``, which shows that its own arithmetic changes nothing.
    """
    acting = [each for each in planned if not each.plan.empty and (each.strength != 0 or compute_zero)]
    if len(acting) < 2:
        return combine([each.edits(compute_zero=compute_zero) for each in acting])
    stacked: defaultdict[int, list[_Site]] = defaultdict(list)
    others: list[Mapping[int, blocks.Edit]] = []
    beside: list[Mapping[int, blocks.Edit]] = []
    for each in acting:
        groups, tokens = len(each.plan.rows), PlannedTokens(each.plan)
        sites = [each.reft.intervention.linear(each.factors, site) for site in range(len(each.reft.layers) * groups)]
        if any(site is None for site in sites):
            (beside if each.mixed else others).append(each.edits(compute_zero=compute_zero))
            continue
        for index, layer in enumerate(each.reft.layers):
            for group in range(groups) if each.acts_at(layer) else ():
                factors = sites[index * groups + group]
                assert factors is not None
                stacked[layer].append(_Site(tokens, group, factors, each.strength))
    edits = combine([{layer: partial(_edit, sites=_by_rank(sites)) for layer, sites in stacked.items()}, *others])
    return _summed(edits, beside)


def _summed(edits: dict[int, blocks.Edit], beside: Sequence[Mapping[int, blocks.Edit]]) -> dict[int, blocks.Edit]:
    """The edits, and the changes of others which may change the same tokens."""
    for layer in {layer for each in beside for layer in each}:
        added = [each[layer] for each in beside if layer in each]
        edits[layer] = partial(_add_changes, first=edits.get(layer), added=added)
    return edits


def _add_changes(h_BTD: Tensor, past: int, *, first: blocks.Edit | None, added: Sequence[blocks.Edit]) -> Tensor:
    edited = h_BTD if first is None else first(h_BTD, past)
    for edit in added:
        edited = edited + (edit(h_BTD, past) - h_BTD)
    return edited


def _by_rank(sites: Sequence[_Site]) -> list[list[_Site]]:
    ranks: defaultdict[int, list[_Site]] = defaultdict(list)
    for site in sites:
        ranks[site.factors.projection.shape[0]].append(site)
    return list(ranks.values())


def _edit(h_BTD: Tensor, past: int, *, sites: Sequence[Sequence[_Site]]) -> Tensor:
    """The hidden states after all linear edits of a layer; those of one rank together."""
    flat = h_BTD.reshape(-1, h_BTD.shape[-1])
    edited = flat
    with exact(flat.device):
        for alike in sites:
            found = [(site, tokens[site.group]) for site in alike if (tokens := site.tokens(h_BTD.shape[0], h_BTD.shape[1], past))]
            acting = [(site, tokens) for site, tokens in found if tokens.numel()]
            if acting:
                edited = _add(edited, flat, acting)
    return edited.reshape(h_BTD.shape)


def _add(edited: Tensor, flat: Tensor, acting: Sequence[tuple[_Site, Tensor]]) -> Tensor:
    sizes = [len(tokens) for _, tokens in acting]
    places_EN = torch.nn.utils.rnn.pad_sequence([tokens for _, tokens in acting], batch_first=True)
    h_END = flat[places_EN].float()
    source_EKD, bias_EK, projection_EKD = (torch.stack(parts) for parts in zip(*(site.factors for site, _ in acting), strict=True))
    coefficients_ENK = torch.baddbmm(bias_EK.unsqueeze(1), h_END, source_EKD.mT)
    strengths = torch.tensor([site.strength for site, _ in acting], dtype=torch.float32, device=flat.device)
    delta_END = torch.bmm(coefficients_ENK * strengths[:, None, None], projection_EKD)
    if min(sizes) < max(sizes):
        real = torch.arange(max(sizes), device=flat.device) < torch.tensor(sizes, device=flat.device).unsqueeze(1)
        return edited.index_add(0, places_EN[real], delta_END[real].to(flat.dtype))
    return edited.index_add(0, places_EN.flatten(), delta_END.flatten(0, 1).to(flat.dtype))
