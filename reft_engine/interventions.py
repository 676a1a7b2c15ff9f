"""The edits of hidden states, one small class per method; all sites of a model are stacked in one module.

An edit replaces the hidden state h of a chosen prompt token, right after a chosen block, by h + delta(h).
Shapes: G edits (layers x groups), K rank, D hidden size, N edited tokens of one site. All weights are float32,
whatever the base model's precision. Each method has 2*K*D + K trained numbers per edit.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reft_engine.rotation import OrthonormalRows


@dataclass(frozen=True, slots=True)
class Factors:
    """What one forward pass needs, ready computed: ``projection`` (G, K, D), ``source`` (G, K, D), ``bias`` (G, K)."""

    projection: Tensor
    source: Tensor
    bias: Tensor


def _linear_start(shape: tuple[int, ...], fan_in: int, generator: torch.Generator | None) -> Tensor:
    """Torch's default for ``nn.Linear``: uniform in +-1/sqrt(fan_in)."""
    bound = 1 / math.sqrt(fan_in)
    return torch.empty(shape).uniform_(-bound, bound, generator=generator)


class Intervention(nn.Module):
    """What all methods share: a source W h + b of K numbers, written back through a K x D projection."""

    method: ClassVar[str]
    source: nn.Parameter
    bias: nn.Parameter

    def __init__(self, count: int, rank: int, hidden_size: int, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.source = nn.Parameter(_linear_start((count, rank, hidden_size), hidden_size, generator))
        self.bias = nn.Parameter(_linear_start((count, rank), hidden_size, generator))

    def projection(self) -> Tensor:
        """Compute the projection rows of every site, shape (G, K, D)."""
        raise NotImplementedError

    def set_projection(self, rows_GKD: Tensor) -> None:
        """Take over projection rows, as read from a file."""
        raise NotImplementedError

    def coefficients(self, h_ND: Tensor, factors: Factors, site: int) -> Tensor:
        """Compute the (N, K) coefficients of the edit."""
        raise NotImplementedError

    def factors(self) -> Factors:
        """Compute once what every site needs until the weights change."""
        return Factors(self.projection(), self.source, self.bias)

    def delta(self, h_ND: Tensor, factors: Factors, site: int, dropout: float = 0.0) -> Tensor:
        """Compute delta(h) of shape (N, D) in float32; ``dropout`` drops coefficients, not hidden units."""
        coefficients = self.coefficients(h_ND.float(), factors, site)
        if dropout:
            coefficients = F.dropout(coefficients, dropout)
        return coefficients @ factors.projection[site]


class LoreftIntervention(Intervention):
    """LoReFT: h + R^T (W h + b - R h), R with orthonormal rows.

    The edit moves h only inside the K-dimensional subspace spanned by R's rows.
    Source: arXiv 2404.03592, equation 2; pyreft's ``LoreftIntervention``.
    """

    method = "loreft"

    def __init__(self, count: int, rank: int, hidden_size: int, generator: torch.Generator | None = None) -> None:
        super().__init__(count, rank, hidden_size, generator)
        self.rotation = OrthonormalRows(count, rank, hidden_size, generator)

    def projection(self) -> Tensor:
        """Compute R; see `rotation.OrthonormalRows`."""
        rows: Tensor = self.rotation()
        return rows

    def set_projection(self, rows_GKD: Tensor) -> None:
        """Take over orthonormal rows."""
        self.rotation.set_rows(rows_GKD)

    def coefficients(self, h_ND: Tensor, factors: Factors, site: int) -> Tensor:
        """W h + b - R h, as one product with W - R."""
        return F.linear(h_ND, factors.source[site] - factors.projection[site], factors.bias[site])


class DireftIntervention(Intervention):
    """DiReFT: h + W2^T (W1 h + b), no orthogonality and no difference term.

    Source: arXiv 2404.03592, equation 3; pyreft calls it ``NodireftIntervention`` (its ``DireftIntervention`` is another).
    """

    method = "direft"

    def __init__(self, count: int, rank: int, hidden_size: int, generator: torch.Generator | None = None) -> None:
        super().__init__(count, rank, hidden_size, generator)
        self.free_projection = nn.Parameter(_linear_start((count, rank, hidden_size), hidden_size, generator))

    def projection(self) -> Tensor:
        """W2 itself."""
        return self.free_projection

    @torch.no_grad()
    def set_projection(self, rows_GKD: Tensor) -> None:
        """Take over any rows."""
        self.free_projection.copy_(rows_GKD)

    def coefficients(self, h_ND: Tensor, factors: Factors, site: int) -> Tensor:
        """W1 h + b."""
        return F.linear(h_ND, factors.source[site], factors.bias[site])


INTERVENTIONS: dict[str, type[Intervention]] = {c.method: c for c in (LoreftIntervention, DireftIntervention)}
