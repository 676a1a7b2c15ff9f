"""The edits of hidden states, one small class per method; all sites of a model are stacked in one module.

An edit replaces the hidden state h of a chosen prompt token, right after a chosen block, by h + delta(h).
Shapes: G edits (layers x groups), K rank, D hidden size, N edited tokens of one site. All weights are float32,
whatever the base model's precision. Each class names the paper's method and pyreft's class, which do not always agree.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.activations import ACT2FN

from reft_engine.rotation import OrthonormalRows
from reft_engine.spec import ReftConfig

Factors = dict[str, tuple[Tensor, ...]]
"""What one forward pass needs, ready computed: by name (``projection``, ``source``, ``bias``, ...) one tensor per site."""


@dataclass(frozen=True, slots=True)
class Dropout:
    """Sets a share of numbers to zero and scales the rest up; draws from its own generator, else from torch's global one."""

    rate: float
    generator: torch.Generator | None = None

    def __call__(self, values: Tensor) -> Tensor:
        """Drop."""
        kept = torch.empty_like(values).bernoulli_(1 - self.rate, generator=self.generator)
        return values * kept / (1 - self.rate)


def linear_start(shape: tuple[int, ...], fan_in: int, generator: torch.Generator | None) -> Tensor:
    """Torch's default for ``nn.Linear``: uniform in +-1/sqrt(fan_in)."""
    bound = 1 / math.sqrt(fan_in)
    return torch.empty(shape).uniform_(-bound, bound, generator=generator)


class Float32Module(nn.Module):
    """Follows a move to a device, but stays float32 when a model is cast: orthonormality does not survive bfloat16."""

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Float32Module":
        def move(value: Tensor) -> Tensor:
            return value.to(fn(torch.empty(0, dtype=value.dtype, device=value.device)).device)

        super()._apply(move, recurse)  # type: ignore[no-untyped-call]
        return self


class Intervention(Float32Module):
    """What all methods share: stacked float32 weights by name, and a change of hidden states computed from them."""

    method: ClassVar[str]
    decayed: ClassVar[tuple[str, ...]] = ("source", "bias")
    """Parameters on which weight decay acts."""

    def projection(self) -> Tensor | None:
        """Compute the rows that coefficients are written back through, (G, K, D); None where a method has none."""
        return None

    def set_projection(self, rows_GKD: Tensor) -> None:
        """Take over projection rows, as read from a file."""
        raise NotImplementedError

    def weights(self) -> dict[str, nn.Parameter]:
        """The trained weights other than the projection, by the names of the adapter file; stacked, G first."""
        return dict(self.named_parameters(recurse=False))

    def factors(self, projection: Tensor | None = None) -> Factors:
        """Compute once what every site needs until the weights change; from the rows that `projection` gave, if given."""
        return {name: value.unbind(0) for name, value in self.weights().items()}

    def delta(self, h_ND: Tensor, factors: Factors, site: int, dropout: Dropout | None = None) -> Tensor:
        """Compute delta(h) of shape (N, D) in float32."""
        raise NotImplementedError

    def start_as_identity(self) -> None:
        """Set the weights so that the edit changes nothing."""
        raise NotImplementedError


class LowRankIntervention(Intervention):
    """An edit that computes K coefficients per token and writes them back through K x D rows."""

    bias: nn.Parameter

    def __init__(self, count: int, config: ReftConfig, hidden_size: int, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self._make_source(count, config, hidden_size, generator)
        self._make_projection(count, config.rank, hidden_size, generator)

    def _make_source(self, count: int, config: ReftConfig, width: int, generator: torch.Generator | None) -> None:
        raise NotImplementedError

    def _make_projection(self, count: int, rank: int, width: int, generator: torch.Generator | None) -> None:
        raise NotImplementedError

    def coefficients(self, h_ND: Tensor, factors: Factors, site: int) -> Tensor:
        """Compute the (N, K) coefficients of the edit."""
        raise NotImplementedError

    def delta(self, h_ND: Tensor, factors: Factors, site: int, dropout: Dropout | None = None) -> Tensor:
        """Compute delta(h) of shape (N, D) in float32; ``dropout`` drops coefficients, not hidden units."""
        coefficients = self.coefficients(h_ND.float(), factors, site)
        if dropout:
            coefficients = dropout(coefficients)
        return coefficients @ factors["projection"][site]

    def factors(self, projection: Tensor | None = None) -> Factors:
        """See `Intervention.factors`; adds the projection's rows."""
        rows = self.projection() if projection is None else projection
        return {**super().factors(rows), "projection": rows.unbind(0)}

    def projection(self) -> Tensor:
        """See `Intervention.projection`; here there always is one."""
        raise NotImplementedError


class _Orthonormal(LowRankIntervention):
    """Mixin of the methods whose projection R has orthonormal rows; see `rotation.OrthonormalRows`."""

    rotation: OrthonormalRows

    def _make_projection(self, count: int, rank: int, width: int, generator: torch.Generator | None) -> None:
        self.rotation = OrthonormalRows(count, rank, width, generator)

    def projection(self) -> Tensor:
        """Compute R."""
        rows: Tensor = self.rotation()
        return rows

    def set_projection(self, rows_GKD: Tensor) -> None:
        """Take over orthonormal rows."""
        self.rotation.set_rows(rows_GKD)


class _Free(LowRankIntervention):
    """Mixin of the methods whose projection is any matrix."""

    free_projection: nn.Parameter

    def _make_projection(self, count: int, rank: int, width: int, generator: torch.Generator | None) -> None:
        self.free_projection = nn.Parameter(linear_start((count, rank, width), width, generator))

    def projection(self) -> Tensor:
        """Give W2 itself."""
        return self.free_projection

    @torch.no_grad()
    def set_projection(self, rows_GKD: Tensor) -> None:
        """Take over any rows."""
        self.free_projection.copy_(rows_GKD)

    def weights(self) -> dict[str, nn.Parameter]:
        """See `Intervention.weights`."""
        return {name: value for name, value in super().weights().items() if name != "free_projection"}


class _Sourced(LowRankIntervention):
    """Mixin of the methods with a source act(W h + b)."""

    source: nn.Parameter
    activation: Callable[[Tensor], Tensor] | None

    def _make_source(self, count: int, config: ReftConfig, width: int, generator: torch.Generator | None) -> None:
        self.source = nn.Parameter(linear_start((count, config.rank, width), width, generator))
        self.bias = nn.Parameter(linear_start((count, config.rank), width, generator))
        self.activation = None if config.activation == "linear" else ACT2FN[config.activation]

    def _read(self, h_ND: Tensor, factors: Factors, site: int) -> Tensor:
        values = F.linear(h_ND, factors["source"][site], factors["bias"][site])
        return values if self.activation is None else self.activation(values)


class _Difference(_Sourced):
    """Mixin of the methods that take what the rows read off h away from the source: act(W h + b) - P h."""

    def factors(self, projection: Tensor | None = None) -> Factors:
        """See `Intervention.factors`; without an activation W - P is one matrix."""
        rows = self.projection() if projection is None else projection
        found = super().factors(rows)
        if self.activation is None:
            found["source"] = (self.source - rows).unbind(0)
        return found

    def coefficients(self, h_ND: Tensor, factors: Factors, site: int) -> Tensor:
        """Compute act(W h + b) - P h."""
        values = self._read(h_ND, factors, site)
        return values if self.activation is None else values - h_ND @ factors["projection"][site].mT

    @torch.no_grad()
    def start_as_identity(self) -> None:
        """Set W = P and b = 0."""
        self.source.copy_(self.projection())
        self.bias.zero_()


class _Sum(_Sourced):
    """Mixin of the methods without a difference: act(W h + b)."""

    def coefficients(self, h_ND: Tensor, factors: Factors, site: int) -> Tensor:
        """Compute act(W h + b)."""
        return self._read(h_ND, factors, site)

    @torch.no_grad()
    def start_as_identity(self) -> None:
        """Set W = 0 and b = 0; the rows stay random, so that W has a gradient."""
        self.source.zero_()
        self.bias.zero_()


class LoreftIntervention(_Difference, _Orthonormal):
    """LoReFT: h + R^T (act(W h + b) - R h), R with orthonormal rows, K x D; 2*K*D + K trained numbers.

    The edit moves h only inside the K-dimensional subspace spanned by R's rows.
    Source: arXiv 2404.03592, equation 2; pyreft's ``LoreftIntervention``.
    """

    method = "loreft"


class NoreftIntervention(_Difference, _Free):
    """NoReFT: h + W2^T (act(W1 h + b) - W2 h), LoReFT without orthogonality; 2*K*D + K trained numbers.

    Source: arXiv 2404.03592, appendix (table 17); pyreft's ``NoreftIntervention`` with ``add_bias=False``.
    """

    method = "noreft"


class DireftIntervention(_Sum, _Free):
    """DiReFT: h + W2^T act(W1 h + b), no orthogonality and no difference; 2*K*D + K trained numbers.

    Source: arXiv 2404.03592, equation 3; pyreft calls it ``NodireftIntervention`` (its ``DireftIntervention`` is another).
    """

    method = "direft"


class OrthogonalDireftIntervention(_Sum, _Orthonormal):
    """Orthogonal DiReFT: h + R^T act(W h + b), R with orthonormal rows; 2*K*D + K trained numbers.

    Source: arXiv 2404.03592, appendix (table 17, third row); pyreft's ``DireftIntervention``.
    """

    method = "direft_orth"


class _Constant(_Orthonormal):
    """Mixin of the methods whose source is K constants, started uniformly in [0, 1) as pyreft does."""

    def _make_source(self, count: int, config: ReftConfig, width: int, generator: torch.Generator | None) -> None:
        self.bias = nn.Parameter(torch.rand(count, config.rank, generator=generator))


class ConsreftIntervention(_Constant):
    """ConsReFT: h + R^T (b - R h), the subspace is set to constants; K*D + K trained numbers.

    Source: arXiv 2404.03592, appendix F.1 and table 17; pyreft's ``ConsreftIntervention``.
    """

    method = "consreft"

    def coefficients(self, h_ND: Tensor, factors: Factors, site: int) -> Tensor:
        """Compute b - R h."""
        return factors["bias"][site] - h_ND @ factors["projection"][site].mT


class LobireftIntervention(_Constant):
    """LobiReFT: h + R^T b, the same shift for every token; K*D + K trained numbers.

    Source: arXiv 2404.03592, appendix (table 17, first row); pyreft's ``LobireftIntervention``.
    """

    method = "lobireft"

    def coefficients(self, h_ND: Tensor, factors: Factors, site: int) -> Tensor:
        """Compute b, the same for every token."""
        return factors["bias"][site].expand(len(h_ND), -1)

    @torch.no_grad()
    def start_as_identity(self) -> None:
        """Set b = 0."""
        self.bias.zero_()


class RedIntervention(Intervention):
    """RED: s * h + b, elementwise, started at s = 1 and b = 0; no rank; 2*D trained numbers.

    Source: arXiv 2402.15179; arXiv 2404.03592, equation 8. Not in pyreft.
    """

    method = "red"
    decayed = ("bias",)

    def __init__(self, count: int, config: ReftConfig, hidden_size: int, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(count, hidden_size))
        self.bias = nn.Parameter(torch.zeros(count, hidden_size))

    def delta(self, h_ND: Tensor, factors: Factors, site: int, dropout: Dropout | None = None) -> Tensor:
        """Compute (s - 1) * h + b; ``dropout`` drops numbers of the change."""
        change = (factors["scale"][site] - 1) * h_ND.float() + factors["bias"][site]
        return dropout(change) if dropout else change

    def start_as_identity(self) -> None:
        """Nothing to do: it starts so."""


INTERVENTIONS: Mapping[str, Callable[..., Any]] = {
    kind.method: kind
    for kind in (
        LoreftIntervention,
        DireftIntervention,
        NoreftIntervention,
        ConsreftIntervention,
        LobireftIntervention,
        OrthogonalDireftIntervention,
        RedIntervention,
    )
}


def build(config: ReftConfig, count: int, hidden_size: int, generator: torch.Generator | None = None) -> Intervention:
    """Make the edits of ``count`` sites with fresh weights."""
    made: Intervention = INTERVENTIONS[config.method](count, config, hidden_size, generator)
    if config.identity_init:
        made.start_as_identity()
    return made
