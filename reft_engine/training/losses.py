"""Next-token loss on answer tokens only; logits are computed only where there is a target."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from reft_engine.base import blocks
from reft_engine.base.loading import Base
from reft_engine.tokens.batches import Batch

_AT_ONCE = 2**26
"""Logits that are computed at once: 256 MB in float32, and as much again for their gradient."""


def answer_losses(
    base: Base, batch: Batch, edits: Mapping[int, blocks.Edit], *, checkpointed: bool = False, greedy: bool = False, before: int = 0
) -> Tensor:
    """Cross-entropy of every target, float32, (N,), example by example.

    With ``greedy`` (2, N): below each loss 1 where the target is the likeliest token, which greedy decoding would write, else 0.
    ``before`` is how many virtual tokens the model gives logits of before each row's.

    Where there are too many logits, the model is run to its last block, and from there on in parts, whose logits are computed
    again in the backward pass: by the model's own code, whatever its family does to them.
    """
    inputs = {"use_cache": False, **batch.inputs}
    apart = blocks.is_encoder_decoder(base.model)
    if apart:
        inputs["decoder_input_ids"] = answer_inputs(base.model, batch.targets)
    targets = batch.targets.flatten()
    rows, width = batch.targets.shape
    answered = (targets != -100).nonzero()[:, 0]
    wanted = targets[answered]
    kept = answered + before * (answered // width + 1)
    parts = kept.split(max(1, _AT_ONCE // blocks.vocabulary(base.model)))
    acting = partial(blocks.editing, shape=(rows, before + width))
    if apart or len(parts) == 1 or not blocks.attached(base.model):
        with acting(edits, kept, checkpointed=checkpointed, start=batch.start, within=batch.within):
            return _losses(base, inputs, kept, wanted, greedy)
    with acting(edits, kept[:0], checkpointed=checkpointed, start=batch.start, within=batch.within, end=base.layers - 1) as call:
        base.model(**inputs)
    last = call.reached
    assert last is not None
    # What is read does not matter any more, but that its positions exist does.
    bare = {name: value for name, value in inputs.items() if name in ("input_ids", "position_ids")}

    def of_part(hidden: Tensor, part: Tensor, answers: Tensor) -> Tensor:
        with acting({}, part, start=replace(last, hidden=hidden)):
            return _losses(base, {**bare, "use_cache": False}, part, answers, greedy)

    several = zip(parts, wanted.split(len(parts[0])), strict=True)
    found = [checkpoint(of_part, last.hidden, *each, use_reentrant=False, preserve_rng_state=False) for each in several]
    return torch.cat(found, dim=-1)


def _losses(base: Base, inputs: Mapping[str, Any], kept: Tensor, wanted: Tensor, greedy: bool) -> Tensor:
    logits = base.model(**inputs).logits
    if logits.dim() == 3:  # no hook has chosen: of no `ReftModel` yet, or a head of another kind
        logits = logits.flatten(0, 1).index_select(0, kept)
    losses = F.cross_entropy(logits.float(), wanted, reduction="none")
    return torch.stack([losses, (logits.argmax(dim=-1) == wanted).to(losses)]) if greedy else losses


def answer_inputs(model: Any, targets: Tensor) -> Tensor:
    """What an encoder-decoder's decoder reads to predict ``targets`` (B, T): these, moved on by one behind its start token.

    Raises:
        ConfigError: the model's config names no start token.
    """
    moved = F.pad(targets[:, :-1], (1, 0), value=blocks.decoder_start(model))
    return moved.masked_fill(moved == -100, model.config.pad_token_id or 0)
