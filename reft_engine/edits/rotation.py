"""The orthonormal factors R of all edits, as products of Householder reflections in WY form.

The geometry is that of torch's trivialised ``orthogonal`` parametrisation, which pyreft uses: R^T = B Q(X), where B is a
fixed orthogonal matrix whose first K columns are the initial R^T, and Q(X) the first K columns of a product of K reflections.
Two things differ. B is itself stored as K reflections (from a QR of the initial R^T), so no D x D matrix exists; and
Q(X) is computed as I - V T V^T, whose backward pass is a few thin products. The diagonal of X, which is a parameter in torch
and which weight decay destroys, is the constant -1 here.

Shapes: G edits, D hidden size, K rank.
"""

import torch
from torch import Tensor, nn

from reft_engine.edits.precision import exact


def _reflect(vectors_GDK: Tensor, x_GDK: Tensor) -> Tensor:
    """Apply H_1 H_2 ... H_K to x, where H_i = I - 2 v_i v_i^T / |v_i|^2 and v_i is column i of ``vectors``."""
    # The head, with its ones, is summed apart: a float32 sum of many equal small values drifts when it starts from 1,
    # and after Adam's first step, which makes them all equal, R would be off by up to 6e-5.
    head, tail = vectors_GDK.tensor_split([vectors_GDK.shape[-1]], dim=-2)
    gram = head.mT @ head + tail.mT @ tail
    inverse_T = torch.triu(gram, 1) + torch.diag_embed(gram.diagonal(dim1=-2, dim2=-1)) / 2
    product: Tensor = x_GDK - vectors_GDK @ torch.linalg.solve_triangular(inverse_T, vectors_GDK.mT @ x_GDK, upper=True)
    return product


def _unit_lower(raw_GDK: Tensor) -> Tensor:
    eye = torch.eye(raw_GDK.shape[-2], raw_GDK.shape[-1], dtype=raw_GDK.dtype, device=raw_GDK.device)
    return torch.tril(raw_GDK, -1) + eye


class OrthonormalRows(nn.Module):
    """R of shape (G, K, D) with orthonormal rows for every value of the free parameter.

    Only the strictly lower triangle of ``free`` is used; the rest stays zero, since it receives no gradient.
    """

    free: nn.Parameter
    base_vectors: Tensor
    base_signs: Tensor

    def __init__(self, count: int, rank: int, hidden_size: int, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.free = nn.Parameter(torch.zeros(count, hidden_size, rank, dtype=torch.float32))
        self.register_buffer("base_vectors", torch.zeros(count, hidden_size, rank, dtype=torch.float32))
        self.register_buffer("base_signs", torch.ones(count, 1, rank, dtype=torch.float32))
        start = torch.randn(count, hidden_size, rank, generator=generator, dtype=torch.float32)
        self.set_rows(torch.linalg.qr(start).Q.mT)

    @torch.no_grad()
    def set_rows(self, rows_GKD: Tensor) -> None:
        """Set R to orthonormal rows: they become the fixed base, and ``free`` becomes zero."""
        packed, tau = torch.geqrf(rows_GKD.mT.float().contiguous())
        self.base_vectors.copy_(_unit_lower(packed))
        # geqrf gives R_qr = diag(+-1) for orthonormal input; with these signs H_1..H_K E diag(sign) is the input itself.
        # A column that needs no reflection has tau 0; a reflection with its sign flipped replaces it.
        signs = packed.diagonal(dim1=-2, dim2=-1).sign()
        unreflected = tau == 0
        if bool(unreflected.any()):
            units = _unit_lower(torch.zeros_like(self.free))
            self.base_vectors.copy_(torch.where(unreflected.unsqueeze(-2), units, self.base_vectors))
            signs = torch.where(unreflected, -signs, signs)
        self.base_signs.copy_(signs.unsqueeze(-2))
        self.free.zero_()

    def forward(self) -> Tensor:
        """Compute R, (G, K, D), in float32 even under autocast."""
        with exact(self.free.device):
            return self._rows()

    def _rows(self) -> Tensor:
        eye = torch.eye(*self.free.shape[1:], dtype=self.free.dtype, device=self.free.device).expand_as(self.free)
        # Q(X); the minus is diag(X) = -1.
        columns = -_reflect(_unit_lower(self.free), eye)
        rank = self.free.shape[-1]
        # B = H(base_vectors) diag(base_signs, 1, ..., 1).
        head, tail = columns[:, :rank] * self.base_signs.mT, columns[:, rank:]
        # The memory layout is that of rows read from a file, because products with either must round alike. `contiguous()`
        # would not change the strides of rank 1.
        return _reflect(self.base_vectors, torch.cat([head, tail], dim=1)).mT.clone(memory_format=torch.contiguous_format)
