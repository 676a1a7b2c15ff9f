"""One ordinary edit that equals a weighted sum of edits, exactly: its factors are theirs, one below the other.

Every edit of one site that is linear in h is P^T (A h + c). So a weighted sum of them is P^T (A h + c) with P = [P1; P2; ...],
A = [w1 A1; w2 A2; ...] and c = [w1 c1; w2 c2; ...], which is DiReFT. With the thin QR decomposition P^T = Q S it is also LoReFT, with
R = Q^T, W = S A + R and b = S c. All of it is computed in float64 and rounded once.

Legend: K rank, D hidden size, G sites (layers x groups).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from reft_engine.base import blocks
from reft_engine.edits.interventions import LinearFactors
from reft_engine.edits.mixable import Form, mixed_config
from reft_engine.edits.model import ReftModel
from reft_engine.errors import ConfigError
from reft_engine.spec import ReftConfig

Weights = dict[str, Tensor]


def sum_of(parts: Sequence[tuple[ReftModel, float]], method: Form | None = None) -> ReftModel:
    """The edit that changes hidden states by the weighted sum of the changes of others.

    Args:
        parts: edits of one base model with their weights.
        method: as in `mixable.mixed_config`.

    Returns:
        An edit of its own; where one edit has the weight 1, a copy of that one, bit for bit.

    Raises:
        ConfigError: all weights are 0, or there is no such edit.
    """
    parts = [(edit, weight) for edit, weight in parts if weight]
    if not parts:
        raise ConfigError("All weights are 0, so there is nothing to add up.", "weights", kind="mix.nothing")
    first = parts[0][0]
    if len(parts) == 1 and parts[0][1] == 1 and method in (None, first.reft_config.method):
        return _edit(first, first.reft_config, first.tensors())
    config = mixed_config([edit.reft_config for edit, _ in parts], len(blocks.find_blocks(first.base)), first.hidden_size, method)
    weights = {edit: {name: value.to("cpu", torch.float64) for name, value in edit.tensors().items()} for edit, _ in parts}
    summed = ReftModel(first.base, config)
    write = _red_site if config.method == "red" else _loreft_site if config.method == "loreft" else _direft_site
    sites = [
        write([(edit, weight, _at(edit, weights[edit], layer, group)) for edit, weight in parts], config)
        for layer in summed.layers for group in range(config.groups)
    ]  # fmt: skip
    summed.set_tensors({name: torch.stack([site[name] for site in sites]).float() for name in sites[0]})
    return summed.eval()


def _edit(like: ReftModel, config: ReftConfig, tensors: Weights) -> ReftModel:
    made = ReftModel(like.base, config)
    made.set_tensors(tensors)
    return made.eval()


def _at(edit: ReftModel, weights: Weights, layer: int, group: int) -> Weights | None:
    """The weights of one site; a tied edit has the same for both groups. None where it does not act."""
    if layer not in edit.layers:
        return None
    groups = edit.reft_config.groups
    site = edit.layers.index(layer) * groups + min(group, groups - 1)
    return {name: values[site] for name, values in weights.items()}


Part = tuple[ReftModel, float, Weights | None]
"""An edit, its weight, and its weights at one site."""


def _red_site(parts: Sequence[Part], _config: ReftConfig) -> Weights:
    """The scale 1 + sum of w (s - 1), and the bias sum of w b."""
    width = parts[0][0].hidden_size
    scale, bias = torch.ones(width, dtype=torch.float64), torch.zeros(width, dtype=torch.float64)
    for _, weight, values in parts:
        if values is not None:
            scale, bias = scale + weight * (values["scale"] - 1), bias + weight * values["bias"]
    return {"scale": scale, "bias": bias}


def _direft_site(parts: Sequence[Part], config: ReftConfig) -> Weights:
    curved = config.activation != "linear"
    source, bias, projection = _stacked(parts, on_projection=curved)
    if len(projection) > config.rank:
        basis_DK, mixing = torch.linalg.qr(projection.mT)
        source, bias, projection = mixing @ source, mixing @ bias, basis_DK.mT
    return {"projection": projection, "source": source, "bias": bias}


def _loreft_site(parts: Sequence[Part], _config: ReftConfig) -> Weights:
    source, bias, projection = _stacked(parts)
    # Householder's QR gives as many orthonormal columns as there are rows of P, even where those are zero or alike.
    basis_DK, mixing = torch.linalg.qr(projection.mT)
    rows = basis_DK.mT.float().double()  # W - R is to be right with the rows as they are stored
    return {"projection": rows, "source": mixing @ source + rows, "bias": mixing @ bias}


def _stacked(parts: Sequence[Part], *, on_projection: bool = False) -> LinearFactors:
    """The factors of all edits of one site, one below the other; zeros of an edit that does not act there.

    ``on_projection`` puts the weights on P, as an activation of A h + c needs it.
    """
    rows = []
    for edit, weight, values in parts:
        factors = _linear(edit, values)
        inner, outer = (1.0, weight) if on_projection else (weight, 1.0)
        rows.append(LinearFactors(inner * factors.source, inner * factors.bias, outer * factors.projection))
    return LinearFactors(*map(torch.cat, zip(*rows, strict=True)))


def _linear(edit: ReftModel, values: Weights | None) -> LinearFactors:
    """A, c and P of one edit at one site, float64."""
    if values is None:
        zeros = torch.zeros(edit.reft_config.rank, edit.hidden_size, dtype=torch.float64)
        return LinearFactors(zeros, zeros[:, 0], zeros)
    projection, method = values["projection"], edit.intervention.method
    source = values["source"] if method.learned_source else torch.zeros_like(projection)
    return LinearFactors(source - projection if method.subtracts else source, values["bias"], projection)
