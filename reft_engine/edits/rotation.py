"""Orthonormal factors R of many edits at once, as products of Householder reflections kept in WY form.

The geometry is that of torch's trivialised ``orthogonal`` parametrisation, which pyreft trains under: R^T = B Q(X) with
a fixed orthogonal B whose first columns are the initial R^T, and Q(X) the first r columns of a product of r reflections.
Two things differ. B is itself kept as r reflections (from a QR of the initial R^T), so nothing of size D x D exists; and
Q(X) is computed as I - V T V^T, whose backward is a few thin products. The diagonal of X, which torch keeps as a
parameter and which weight decay destroys, is the constant -1 here.

Shapes: G edits, D hidden size, K rank.
"""

import torch
from torch import Tensor, nn

from reft_engine.edits.precision import exact


def _reflect(vectors_GDK: Tensor, x_GDK: Tensor) -> Tensor:
    """Apply H_1 H_2 ... H_K to x, where H_i = I - 2 v_i v_i^T / |v_i|^2 and v_i is column i of ``vectors``."""
    # The head, with its ones, is added last: float32 that sums a long column of like small numbers from 1 on drifts,
    # and after a first step of Adam, which makes them all alike, R would be off by up to 6e-5.
    head, tail = vectors_GDK.tensor_split([vectors_GDK.shape[-1]], dim=-2)
    gram = head.mT @ head + tail.mT @ tail
    inverse_T = torch.triu(gram, 1) + torch.diag_embed(gram.diagonal(dim1=-2, dim2=-1)) / 2
    turned: Tensor = x_GDK - vectors_GDK @ torch.linalg.solve_triangular(inverse_T, vectors_GDK.mT @ x_GDK, upper=True)
    return turned


def _unit_lower(raw_GDK: Tensor) -> Tensor:
    eye = torch.eye(raw_GDK.shape[-2], raw_GDK.shape[-1], dtype=raw_GDK.dtype, device=raw_GDK.device)
    return torch.tril(raw_GDK, -1) + eye


class OrthonormalRows(nn.Module):
    """R of shape (G, K, D) with orthonormal rows for every value of the free parameter.

    Only the strictly lower triangle of ``free`` acts; the rest stays zero because it gets no gradient.
    """

    free: nn.Parameter
    base_vectors: Tensor
    base_signs: Tensor

    def __init__(self, count: int, rank: int, hidden_size: int, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.free = nn.Parameter(torch.zeros(count, hidden_size, rank))
        self.register_buffer("base_vectors", torch.zeros(count, hidden_size, rank))
        self.register_buffer("base_signs", torch.ones(count, 1, rank))
        start = torch.randn(count, hidden_size, rank, generator=generator)
        self.set_rows(torch.linalg.qr(start).Q.mT)

    @torch.no_grad()
    def set_rows(self, rows_GKD: Tensor) -> None:
        """Start again from the given orthonormal rows: they become the base, and ``free`` becomes zero."""
        packed, tau = torch.geqrf(rows_GKD.mT.float().contiguous())
        self.base_vectors.copy_(_unit_lower(packed))
        # geqrf leaves R_qr = diag(+-1) for orthonormal input; the sign makes H_1..H_K E diag(sign) the input itself.
        # A column that needs no reflection has tau 0; a reflection and its sign flip stand in for it.
        signs = packed.diagonal(dim1=-2, dim2=-1).sign()
        still = tau == 0
        if bool(still.any()):
            self.base_vectors.copy_(torch.where(still.unsqueeze(-2), _unit_lower(torch.zeros_like(self.free)), self.base_vectors))
            signs = torch.where(still, -signs, signs)
        self.base_signs.copy_(signs.unsqueeze(-2))
        self.free.zero_()

    def forward(self) -> Tensor:
        """Compute R, float32, shape (G, K, D); also under autocast."""
        with exact(self.free.device):
            return self._rows()

    def _rows(self) -> Tensor:
        eye = torch.eye(*self.free.shape[1:], device=self.free.device).expand_as(self.free)
        turned = -_reflect(_unit_lower(self.free), eye)
        rank = self.free.shape[-1]
        # Householder base = H(base_vectors) diag(base_signs, 1, ..., 1); the extra minus of `turned` is diag(X) = -1.
        head, tail = turned[:, :rank] * self.base_signs.mT, turned[:, rank:]
        # Laid out as rows read from a file are, because products with either must round alike. `contiguous()` would leave
        # the strides of rank 1 as they are.
        return _reflect(self.base_vectors, torch.cat([head, tail], dim=1)).mT.clone(memory_format=torch.contiguous_format)
