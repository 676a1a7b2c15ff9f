"""Next-token loss on answer tokens only; logits are computed only for tokens that have a target."""

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

_MAX_LOGITS = 2**26
"""Logits computed at once: 256 MB in float32, and as much again for their gradient."""


def answer_losses(
    base: Base, batch: Batch, edits: Mapping[int, blocks.Edit], *, checkpointed: bool = False, greedy: bool = False, before: int = 0
) -> Tensor:
    """Cross-entropy of every target, float32, (N,), in the order of the examples.

    With ``greedy`` (2, N): the second row is 1 where the target is the likeliest token, which greedy decoding would write, else 0.
    ``before`` is the number of virtual tokens whose logits the model gives before those of each row.

    Above `_MAX_LOGITS` the model runs once to its last block, and its head runs on chunks of tokens, which are recomputed in the
    backward pass. Both run the model's own forward function, so logits are computed as its family computes them.
    """
    inputs, answers, tokens = _asked(base, batch, before)
    chunks = tokens.split(max(1, _MAX_LOGITS // blocks.vocabulary_size(base.model)))
    editing = partial(blocks.editing, batch_shape=_shape(batch, before))
    options: dict[str, Any] = {"checkpointed": checkpointed, "resume_after": batch.resume_after, "run_block": batch.run_block}
    if blocks.is_encoder_decoder(base.model) or len(chunks) == 1 or not blocks.is_attached(base.model):
        with editing(edits, tokens, **options):
            return _losses(base, inputs, tokens, answers, greedy)
    # 1) Run all blocks, without logits.
    with editing(edits, tokens[:0], **options, stop_after=base.layers - 1) as call:
        base.model(**inputs)
    last = call.output
    assert last is not None
    # 2) Run the head chunk by chunk. The token ids no longer matter, but their shape and positions do.
    head_inputs = {name: value for name, value in inputs.items() if name in ("input_ids", "position_ids")}

    def chunk_losses(hidden: Tensor, chunk: Tensor, answers: Tensor) -> Tensor:
        with editing({}, chunk, resume_after=replace(last, hidden=hidden)):
            return _losses(base, {**head_inputs, "use_cache": False}, chunk, answers, greedy)

    pairs = zip(chunks, answers.split(len(chunks[0])), strict=True)
    losses = [checkpoint(chunk_losses, last.hidden, *pair, use_reentrant=False, preserve_rng_state=False) for pair in pairs]
    return torch.cat(losses, dim=-1)


def answer_logits(base: Base, batch: Batch, edits: Mapping[int, blocks.Edit], *, before: int = 0) -> Tensor:
    """The logits that predict each target, (N, V), in the order of the examples, all at once: for batches of few targets.

    ``before`` is as in `answer_losses`.
    """
    inputs, _, tokens = _asked(base, batch, before)
    with blocks.editing(edits, tokens, batch_shape=_shape(batch, before), resume_after=batch.resume_after, run_block=batch.run_block):
        return _logits(base, inputs, tokens)


def _asked(base: Base, batch: Batch, before: int) -> tuple[dict[str, Any], Tensor, Tensor]:
    """The model's inputs, the targets (N,), and the flat indices (N,) of the tokens whose logits are to predict them."""
    inputs = {"use_cache": False, **batch.inputs}
    if blocks.is_encoder_decoder(base.model):
        inputs["decoder_input_ids"] = answer_inputs(base.model, batch.targets)
    targets = batch.targets.flatten()
    answered = (targets != -100).nonzero()[:, 0]
    return inputs, targets[answered], answered + before * (answered // batch.targets.shape[1] + 1)


def _shape(batch: Batch, before: int) -> tuple[int, int]:
    """The shape (B, T) into which flat indices point."""
    rows, width = batch.targets.shape
    return rows, before + width


def _logits(base: Base, inputs: Mapping[str, Any], tokens: Tensor) -> Tensor:
    """The logits (N, V) at ``tokens`` (N,)."""
    logits: Tensor = base.model(**inputs).logits
    # No hook has selected tokens if the model has no edit yet, or its head is no linear layer.
    return logits.flatten(0, 1).index_select(0, tokens) if logits.dim() == 3 else logits


def _losses(base: Base, inputs: Mapping[str, Any], tokens: Tensor, answers: Tensor, greedy: bool) -> Tensor:
    """Losses of the ``answers`` (N,), which the logits at ``tokens`` (N,), flat indices into the batch, are to predict."""
    logits = _logits(base, inputs, tokens)
    losses = F.cross_entropy(logits.float(), answers, reduction="none")
    return torch.stack([losses, (logits.argmax(dim=-1) == answers).to(losses)]) if greedy else losses


def answer_inputs(model: Any, targets: Tensor) -> Tensor:
    """Decoder input ids (B, T) that predict ``targets`` (B, T): shifted right by one after the start token.

    Raises:
        ConfigError: the model's config names no start token.
    """
    shifted = F.pad(targets[:, :-1], (1, 0), value=blocks.decoder_start_token(model))
    return shifted.masked_fill(shifted == -100, model.config.pad_token_id or 0)
