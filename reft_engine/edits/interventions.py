"""The edits of hidden states, as modules: one class for all methods with a rank; one module stacks the edits of all sites.

An edit replaces the hidden state h of an edited prompt token, right after an edited block, with h + delta(h).
Shapes: G edits (layers x groups), K rank, D hidden size, N edited tokens of one site. All weights are float32,
whatever the base model's precision. The formulas are in `methods.METHODS`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.activations import ACT2FN

from reft_engine.edits.rotation import OrthonormalRows
from reft_engine.methods import METHODS, Method
from reft_engine.spec import ReftConfig

Factors = dict[str, tuple[Tensor, ...]]
"""Tensors that a forward pass uses, computed from the weights: by name (``projection``, ``source``, ``bias``, ...) one per site."""


class LinearFactors(NamedTuple):
    """An edit that is linear in h, as P^T (S h + b): S and P (K, D), b (K,)."""

    source: Tensor
    bias: Tensor
    projection: Tensor


@dataclass(frozen=True, slots=True)
class Dropout:
    """Zeroes values with probability ``rate`` and scales the rest up; draws from ``generator``, else from torch's global one."""

    rate: float
    generator: torch.Generator | None = None

    def __call__(self, values: Tensor) -> Tensor:
        """Drop values of a tensor of any shape."""
        mask = torch.empty_like(values).bernoulli_(1 - self.rate, generator=self.generator)
        return values * mask / (1 - self.rate)


def linear_init(shape: tuple[int, ...], fan_in: int, generator: torch.Generator | None) -> Tensor:
    """Initial values as in torch's ``nn.Linear``: uniform in +-1/sqrt(fan_in)."""
    bound = 1 / math.sqrt(fan_in)
    return torch.empty(shape, dtype=torch.float32).uniform_(-bound, bound, generator=generator)


class Float32Module(nn.Module):
    """Moves between devices but stays float32 when a model is cast: orthonormality does not survive bfloat16."""

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Float32Module":
        def move(value: Tensor) -> Tensor:
            return value.to(fn(torch.empty(0, dtype=value.dtype, device=value.device)).device)

        super()._apply(move, recurse)  # type: ignore[no-untyped-call]
        return self


class Intervention(Float32Module):
    """Base class of all methods: stacked float32 weights by name, and the change of hidden states that they compute."""

    decayed = ("source", "bias")
    """Weights that are subject to weight decay."""

    def __init__(self, method: Method) -> None:
        super().__init__()
        self.method = method

    def extra_repr(self) -> str:
        """The method's name, for the printed module."""
        return self.method.name

    def projection(self) -> Tensor | None:
        """Compute the rows of the projection, (G, K, D); None for a method without one."""
        return None

    def set_projection(self, rows_GKD: Tensor) -> None:
        """Set the projection from rows, such as those read from a file."""
        raise NotImplementedError

    def weights(self) -> dict[str, nn.Parameter]:
        """The trainable weights except the projection, stacked (G first), by their names in the adapter file."""
        return {name: self.get_parameter(name) for name in self.method.weights if name != "projection"}

    def factors(self, projection: Tensor | None = None) -> Factors:
        """Compute the tensors of all sites, valid until the weights change; ``projection`` (G, K, D) saves computing it again."""
        return {name: value.unbind(0) for name, value in self.weights().items()}

    def delta(self, h_ND: Tensor, factors: Factors, site: int, dropout: Dropout | None = None) -> Tensor:
        """Compute delta(h) of shape (N, D) in float32."""
        raise NotImplementedError

    def linear(self, factors: Factors, site: int) -> LinearFactors | None:
        """The edit of one site as S, b and P, by which edits of several models are computed together; None if it has no such form."""
        return None

    def init_identity(self) -> None:
        """Set the weights so that the edit changes nothing; see `Method.can_be_identity` for where that is possible."""
        raise NotImplementedError


class LowRankEdit(Intervention):
    """Every method with a rank: h + P^T c, with K coefficients c and the rows of P (K, D).

    The method says whether c is act(W h + b) or the constants b, whether P h is subtracted from c, and whether the rows of P are
    orthonormal. W, b and a free P are initialised as in torch's ``nn.Linear``; constants b are drawn from [0, 1), as in pyreft.
    """

    source: nn.Parameter
    bias: nn.Parameter
    rotation: OrthonormalRows
    free_projection: nn.Parameter

    def __init__(self, method: Method, count: int, config: ReftConfig, hidden_size: int, generator: torch.Generator | None = None) -> None:
        super().__init__(method)
        vector, matrix = (count, config.rank), (count, config.rank, hidden_size)
        # The order of these draws must stay: it decides what a seed gives.
        if method.learned_source:
            self.source = nn.Parameter(linear_init(matrix, hidden_size, generator))
            self.bias = nn.Parameter(linear_init(vector, hidden_size, generator))
        else:
            self.bias = nn.Parameter(torch.rand(vector, generator=generator, dtype=torch.float32))
        if method.orthonormal:
            self.rotation = OrthonormalRows(*matrix, generator)
        else:
            self.free_projection = nn.Parameter(linear_init(matrix, hidden_size, generator))
        self.activation: Callable[[Tensor], Tensor] | None = None if config.activation == "linear" else ACT2FN[config.activation]
        # (W h + b) - P h = (W - P) h + b needs one product instead of two.
        self._folds = method.learned_source and method.subtracts and self.activation is None

    def projection(self) -> Tensor:
        """Compute P, (G, K, D)."""
        rows: Tensor = self.rotation() if self.method.orthonormal else self.free_projection
        return rows

    @torch.no_grad()
    def set_projection(self, rows_GKD: Tensor) -> None:
        """Set the rows of P; they must be orthonormal if the method requires it."""
        if self.method.orthonormal:
            self.rotation.set_rows(rows_GKD)
        else:
            self.free_projection.copy_(rows_GKD)

    def factors(self, projection: Tensor | None = None) -> Factors:
        """As `Intervention.factors`, with the rows of P; W and P are folded into W - P where the activation is linear."""
        rows = self.projection() if projection is None else projection
        factors = {**super().factors(), "projection": rows.unbind(0)}
        if self._folds:
            factors["source"] = (self.source - rows).unbind(0)
        return factors

    def coefficients(self, h_ND: Tensor, factors: Factors, site: int) -> Tensor:
        """Compute the coefficients c, (N, K)."""
        bias = factors["bias"][site]
        values = F.linear(h_ND, factors["source"][site], bias) if self.method.learned_source else bias.expand(len(h_ND), -1)
        if self.activation is not None:
            values = self.activation(values)
        if self.method.subtracts and not self._folds:
            values = values - h_ND @ factors["projection"][site].mT
        return values

    def delta(self, h_ND: Tensor, factors: Factors, site: int, dropout: Dropout | None = None) -> Tensor:
        """Compute delta(h) of shape (N, D) in float32; ``dropout`` drops coefficients, not hidden units."""
        coefficients = self.coefficients(h_ND.float(), factors, site)
        if dropout:
            coefficients = dropout(coefficients)
        return coefficients @ factors["projection"][site]

    def linear(self, factors: Factors, site: int) -> LinearFactors | None:
        """As `Intervention.linear`; there is such a form unless an activation is computed."""
        if self.activation is not None:
            return None
        projection = factors["projection"][site]
        source = factors["source"][site] if self.method.learned_source else torch.zeros_like(projection)
        if self.method.subtracts and not self._folds:
            source = source - projection
        return LinearFactors(source, factors["bias"][site], projection)

    @torch.no_grad()
    def init_identity(self) -> None:
        """Set b = 0 and W = P, or W = 0 where P h is not subtracted; P stays random, so that W has a gradient."""
        self.bias.zero_()
        if self.method.learned_source:
            self.source.copy_(self.projection()) if self.method.subtracts else self.source.zero_()


class Red(Intervention):
    """RED: s * h + b, elementwise, with s = 1 and b = 0 at the start.

    Source: arXiv 2402.15179; arXiv 2404.03592, equation 8. Not in pyreft.
    """

    def __init__(self, method: Method, count: int, hidden_size: int) -> None:
        super().__init__(method)
        self.scale = nn.Parameter(torch.ones(count, hidden_size, dtype=torch.float32))
        self.bias = nn.Parameter(torch.zeros(count, hidden_size, dtype=torch.float32))

    def delta(self, h_ND: Tensor, factors: Factors, site: int, dropout: Dropout | None = None) -> Tensor:
        """Compute (s - 1) * h + b, (N, D) in float32; ``dropout`` drops values of this change."""
        change = (factors["scale"][site] - 1) * h_ND.float() + factors["bias"][site]
        return dropout(change) if dropout else change

    def init_identity(self) -> None:
        """Do nothing: RED starts as the identity."""


def build(config: ReftConfig, count: int, hidden_size: int, generator: torch.Generator | None = None) -> Intervention:
    """Build the edits of ``count`` sites with freshly initialised weights."""
    method = METHODS[config.method]
    if method.has_rank:
        edits: Intervention = LowRankEdit(method, count, config, hidden_size, generator)
    else:
        edits = Red(method, count, hidden_size)
    if config.identity_init:
        edits.init_identity()
    return edits
