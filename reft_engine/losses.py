"""Next-token loss on answer tokens only; logits are computed only where there is a label."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from reft_engine import blocks
from reft_engine.base_models import Base
from reft_engine.batching import Batch


def answer_losses(base: Base, batch: Batch, edits: Mapping[int, blocks.Edit]) -> tuple[Tensor, Tensor]:
    """Cross-entropy of every labelled token, float32.

    Returns:
        ``(losses, rows)``: both of shape (N,), N labelled tokens; ``rows`` says to which row of the batch each belongs.
    """
    targets = batch.labels[:, 1:]
    chosen = targets != -100
    with blocks.editing(edits):
        hidden = _trunk(base)(input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False)[0]
    logits = _head(base, hidden[:, :-1][chosen])
    losses = F.cross_entropy(logits.float(), targets[chosen], reduction="none")
    return losses, chosen.nonzero()[:, 0]


def _trunk(base: Base) -> torch.nn.Module:
    trunk: torch.nn.Module | None = getattr(base.model, base.model.base_model_prefix, None)
    if trunk is None:  # a few families name a prefix that only their checkpoints have
        layers = blocks.find_blocks(base.model)
        trunk = next(part for part in base.model.children() if any(module is layers for module in part.modules()))
    return trunk


def _head(base: Base, hidden_ND: Tensor) -> Tensor:
    """The output head, with the scale and the soft cap that some families add to it."""
    config = base.model.config.get_text_config()
    logits: Tensor = base.model.get_output_embeddings()(hidden_ND)
    for factor in ("logit_scale", "lm_head_multiplier"):
        if scale := getattr(config, factor, None):
            logits = logits * scale
    if divisor := getattr(config, "logits_scaling", None):
        logits = logits / divisor
    if cap := getattr(config, "final_logit_softcapping", None):
        logits = torch.tanh(logits / cap) * cap
    return logits
