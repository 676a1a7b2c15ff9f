"""Next-token loss on answer tokens only; logits are computed only where there is a label."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from reft_engine import blocks
from reft_engine.base_models import Base
from reft_engine.batching import Batch

_AT_ONCE = 2**26
"""Logits that are computed at once: 256 MB in float32, and as much again for their gradient."""


def answer_losses(
    base: Base, batch: Batch, edits: Mapping[int, blocks.Edit], *, checkpointed: bool = False
) -> tuple[Tensor, Tensor]:
    """Cross-entropy of every labelled token, float32.

    Where there are too many logits, the model is run to its last block, and from there on in parts, whose logits are computed
    again in the backward pass: by the model's own code, whatever its family does to them.

    Returns:
        ``(losses, rows)``: both of shape (N,), N labelled tokens; ``rows`` says to which row of the batch each belongs.
    """
    labels = batch.labels
    inputs = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask, "use_cache": False, **batch.more}
    apart = blocks.is_encoder_decoder(base.model)
    if apart:
        inputs["decoder_input_ids"] = answer_inputs(base.model, labels)
    else:
        # The token at t is predicted at t-1, so nothing is predicted at a row's last place.
        labels = F.pad(labels[:, 1:], (0, 1), value=-100)
    kept = (labels.flatten() != -100).nonzero()[:, 0]
    parts = kept.split(max(1, _AT_ONCE // blocks.vocabulary(base.model)))
    flat = labels.flatten()
    if apart or len(parts) == 1 or not blocks.attached(base.model):
        with blocks.editing(edits, kept, labels.shape, checkpointed=checkpointed, start=batch.start):
            losses = _losses(base, inputs, kept, flat)
        return losses, kept // labels.shape[1]
    with blocks.editing(edits, kept[:0], labels.shape, checkpointed=checkpointed, start=batch.start, end=base.layers - 1) as call:
        base.model(**inputs)
    last = call.reached
    assert last is not None

    def of_part(hidden: Tensor, part: Tensor) -> Tensor:
        with blocks.editing({}, part, labels.shape, start=replace(last, hidden=hidden)):
            return _losses(base, {"input_ids": batch.input_ids, "use_cache": False}, part, flat)

    found = [checkpoint(of_part, last.hidden, part, use_reentrant=False, preserve_rng_state=False) for part in parts]
    return torch.cat(found), kept // labels.shape[1]


def _losses(base: Base, inputs: Mapping[str, Any], kept: Tensor, labels: Tensor) -> Tensor:
    logits = base.model(**inputs).logits
    if logits.dim() == 3:  # no hook has chosen: of no `ReftModel` yet, or a head of another kind
        logits = logits.flatten(0, 1).index_select(0, kept)
    return F.cross_entropy(logits.float(), labels[kept], reduction="none")


def answer_inputs(model: Any, labels: Tensor) -> Tensor:
    """What an encoder-decoder's decoder reads to predict ``labels`` (B, T): these, moved on by one behind its start token.

    Raises:
        ConfigError: the model's config names no start token.
    """
    moved = F.pad(labels[:, :-1], (1, 0), value=blocks.decoder_start(model))
    return moved.masked_fill(moved == -100, model.config.pad_token_id or 0)
