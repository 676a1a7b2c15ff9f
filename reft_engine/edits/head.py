"""The classification head: trained and saved with the edits, never a module of the base model.

Legend: B rows, T tokens (padded), D hidden size, C classes.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from reft_engine.base import blocks
from reft_engine.edits.interventions import Float32Module, linear_init
from reft_engine.edits.precision import exact
from reft_engine.spec import MethodConfig, Pooling


class ClassificationHead(Float32Module):
    """W_o tanh(W_d h + b_d) + b_o, D*D + D + C*D + C trainable parameters. Source: arXiv 2404.03592, equations 5 and 6."""

    def __init__(self, hidden_size: int, classes: int, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.dense = _linear(hidden_size, hidden_size, generator)
        self.out = _linear(hidden_size, classes, generator)

    def forward(self, pooled_BD: Tensor) -> Tensor:
        """Compute logits (B, C), float32; also under autocast."""
        with exact(pooled_BD.device):
            logits: Tensor = self.out(torch.tanh(self.dense(pooled_BD.float())))
        return logits


def _linear(width: int, out: int, generator: torch.Generator | None) -> nn.Linear:
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, width, out, dtype=torch.float32)
    with torch.no_grad():
        layer.weight.copy_(linear_init((out, width), width, generator))
        layer.bias.copy_(linear_init((out,), width, generator))
    return layer


def pooling_of(config: MethodConfig, model: nn.Module) -> Pooling:
    """The hidden state that a head reads: as configured, else the first for encoders and the last for all others."""
    return config.pooling or ("first" if blocks.is_encoder(model) else "last")


def pool_rows(hidden: Sequence[Tensor], how: Pooling) -> Tensor:
    """As `pool`, of the hidden states (T, D) of each row apart."""
    mask = torch.nn.utils.rnn.pad_sequence([torch.ones(len(each), device=each.device) for each in hidden], batch_first=True)
    return pool(torch.nn.utils.rnn.pad_sequence(list(hidden), batch_first=True), mask, how)


def pool(hidden_BTD: Tensor, mask_BT: Tensor, how: Pooling) -> Tensor:
    """Pool each row to one vector, (B, D): the hidden state of its first or last real token, or the mean over real tokens."""
    real = mask_BT.to(torch.int64)
    if how == "mean":
        weights = real.unsqueeze(-1).to(torch.float32)
        return (hidden_BTD.float() * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)
    column = real.argmax(dim=1)
    if how == "last":
        column = column + real.sum(dim=1) - 1
    return hidden_BTD[torch.arange(len(column), device=column.device), column]
