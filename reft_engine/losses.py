"""Next-token loss on answer tokens only; logits are computed only where there is a label."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from reft_engine import blocks
from reft_engine.base_models import Base
from reft_engine.batching import Batch


def answer_losses(
    base: Base, batch: Batch, edits: Mapping[int, blocks.Edit], *, checkpointed: bool = False
) -> tuple[Tensor, Tensor]:
    """Cross-entropy of every labelled token, float32.

    Returns:
        ``(losses, rows)``: both of shape (N,), N labelled tokens; ``rows`` says to which row of the batch each belongs.
    """
    labels = batch.labels
    inputs = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask, "use_cache": False, **batch.more}
    if blocks.is_encoder_decoder(base.model):
        inputs["decoder_input_ids"] = answer_inputs(base.model, labels)
    else:
        # The token at t is predicted at t-1, so nothing is predicted at a row's last place.
        labels = F.pad(labels[:, 1:], (0, 1), value=-100)
    kept = (labels.flatten() != -100).nonzero()[:, 0]
    with blocks.editing(edits, kept, labels.shape, checkpointed=checkpointed, start=batch.start):
        logits = base.model(**inputs).logits
    if logits.dim() == 3:  # no hook has chosen: of no `ReftModel` yet, or a head of another kind
        logits = logits.flatten(0, 1).index_select(0, kept)
    losses = F.cross_entropy(logits.float(), labels.flatten()[kept], reduction="none")
    return losses, kept // labels.shape[1]


def answer_inputs(model: Any, labels: Tensor) -> Tensor:
    """What an encoder-decoder's decoder reads to predict ``labels`` (B, T): these, moved on by one behind its start token.

    Raises:
        ConfigError: the model's config names no start token.
    """
    moved = F.pad(labels[:, :-1], (1, 0), value=blocks.decoder_start(model))
    return moved.masked_fill(moved == -100, model.config.pad_token_id or 0)
