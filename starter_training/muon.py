"""Muon: torch.optim.Muon takes matrices one by one and always in bfloat16, which many CPUs compute very slowly.

Here equal shapes go through the iteration as one batch, in bfloat16 on a GPU and in float32 elsewhere.
"""

from collections.abc import Callable, Iterable
from itertools import groupby

import torch
from torch import Tensor


def orthogonalised(matrices: Tensor, steps: int = 5) -> Tensor:
    """Newton-Schulz iteration towards the nearest orthogonal matrices (..., M, N) (Jordan et al. 2024, quintic coefficients)."""
    x = matrices.bfloat16() if matrices.is_cuda else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    x = x.mT if (tall := x.shape[-2] > x.shape[-1]) else x
    for _ in range(steps):
        gram = x @ x.mT
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return (x.mT if tall else x).to(matrices.dtype)


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised, for matrices."""

    def __init__(self, params: Iterable[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One update, Nesterov form."""
        for group in self.param_groups:
            for (rows, columns), alike in groupby(sorted(group["params"], key=lambda p: p.shape), key=lambda p: p.shape):
                matrices = list(alike)
                gradients = [p.grad for p in matrices]
                buffers = [self.state[p].setdefault("momentum", torch.zeros_like(p)) for p in matrices]
                torch._foreach_lerp_(buffers, gradients, 1 - group["momentum"])
                updates = orthogonalised(torch.stack(torch._foreach_lerp(gradients, buffers, group["momentum"])))
                torch._foreach_mul_(matrices, 1 - group["lr"] * group["weight_decay"])
                torch._foreach_add_(matrices, list(updates.unbind()), alpha=-group["lr"] * max(1.0, rows / columns) ** 0.5)
