"""How close the subspaces are in which two edits write: their principal angles.

Legend: K rank, D hidden size.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from reft_engine.edits.model import ReftModel
from reft_engine.errors import ConfigError

_NEGLIGIBLE = 1e-6
"""A direction with a singular value below this share of the greatest one is not written in."""


@dataclass(frozen=True, slots=True)
class SubspaceAngles:
    """Principal angles in degrees at one layer, the smallest first, between two edits' subspaces.

    ``site`` is the tokens on which both act: ``prompt``, or ``prefix`` or ``suffix`` where one of the edits has an edit for each.
    """

    layer: int
    site: str
    degrees: tuple[float, ...]


def subspace_angles(one: ReftModel, other: ReftModel) -> list[SubspaceAngles]:
    """Compare the subspaces in which two edits write: delta(h) = P^T c(h) lies in the row space of P.

    0 degrees means that both write in the same direction, 90 that the directions have nothing in common. There are as many angles as
    the smaller rank. They do not depend on the basis, so rows that are turned within their space change nothing.

    Source: A. Bjorck and G. H. Golub, Mathematics of Computation 27 (1973), theorem 1.

    Args:
        one: an edit with a rank.
        other: another one, of the same hidden size. Directions of different base models mean nothing to each other, which is not checked.

    Returns:
        The angles at each layer that both edit, the lowest first; none if there is no such layer.

    Raises:
        ConfigError: one of them is no edit, has no projection (RED), or their hidden sizes differ.
    """
    for edit in (one, other):
        if not isinstance(edit, ReftModel):
            raise ConfigError("Only edits of hidden states have subspaces to compare.", "edits", kind="geometry.no_edit")
        if not edit.intervention.method.has_rank:
            raise ConfigError(
                "{method} changes each hidden unit by itself, so there is no subspace to compare.", "edits", kind="geometry.no_subspace",
                method=edit.intervention.method.title,
            )  # fmt: skip
    if one.hidden_size != other.hidden_size:
        raise ConfigError(
            "The edits are of hidden sizes {one} and {other}, so their directions cannot be compared.", "edits", kind="geometry.sizes",
            one=one.hidden_size, other=other.hidden_size,
        )  # fmt: skip
    return list(_angles(one, other))


def _angles(one: ReftModel, other: ReftModel) -> Iterator[SubspaceAngles]:
    first, second = one.tensors()["projection"], other.tensors()["projection"]
    counts = one.reft_config.groups, other.reft_config.groups
    sites = ("prompt",) if max(counts) == 1 else ("prefix", "suffix")
    for layer in sorted({*one.layers} & {*other.layers}):
        begins = one.layers.index(layer) * counts[0], other.layers.index(layer) * counts[1]
        for index, site in enumerate(sites):
            rows = (
                projection[begin + min(index, count - 1)]
                for projection, begin, count in zip((first, second), begins, counts, strict=True)
            )  # fmt: skip
            yield SubspaceAngles(layer, site, principal_angles(*rows))


def principal_angles(one_KD: Tensor, other_KD: Tensor) -> tuple[float, ...]:
    """Principal angles in degrees, the smallest first, between the row spaces of two matrices of one width; computed in float64."""
    cosines = torch.linalg.svdvals(_basis(one_KD) @ _basis(other_KD).mT)
    return tuple(float(angle) for angle in cosines.clamp(max=1.0).acos().rad2deg())


def _basis(rows_KD: Tensor) -> Tensor:
    """Orthonormal rows of the same space, as many as it has dimensions."""
    _, sizes, basis = torch.linalg.svd(rows_KD.detach().to("cpu", torch.float64), full_matrices=False)
    spanning: Tensor = basis[sizes > _NEGLIGIBLE * sizes.max().clamp(min=torch.finfo(torch.float64).tiny)]
    return spanning
