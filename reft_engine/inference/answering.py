"""Answers many prompts at once, greedily, with one edit or with the base model alone: the rows of one batch are the prompts."""

from collections.abc import Sequence

import torch
from torch import Tensor

from reft_engine.base import checks
from reft_engine.base.loading import Base
from reft_engine.edits.model import ReftModel
from reft_engine.inference.decoding import Column, decode, prefill, room, takes_positions
from reft_engine.inference.generation import Prompt, check_writers, column_prompts, generate
from reft_engine.tokens.batches import in_batches
from reft_engine.tokens.prompts import EncodedPrompt
from reft_engine.trainable import Trainable


def answer_rows(
    base: Base, prompts: Sequence[Prompt], reft: Trainable | None = None, *, edited: bool = True, max_new_tokens: int = 64
) -> list[str]:
    """Answer each prompt as `generate` does at temperature 0, all of them in one batch; in float32 the texts are the same.

    A decoder reads prompts of different lengths padded on the left. If it takes no positions (BLOOM), and with anything trained
    but edits of hidden states, the prompts are answered one after another.

    Args:
        base: the frozen base model.
        prompts: as in `stream`, at least one.
        reft: what answers; None is the base model alone.
        edited: False lets the base model answer, without the marks that the positions of ``reft`` may read in the prompts.
        max_new_tokens: for each answer, at least 1; an answer also ends where the base model's context ends.

    Raises:
        ConfigError, DataError: as from `stream`, for one of the prompts; there is none.
    """
    checks.check_base(base)
    limit = checks.whole_number(max_new_tokens, "max_new_tokens", 1)
    check_writers(base, [reft])
    listed = checks.as_list(prompts, "prompts")
    edits = reft if isinstance(reft, ReftModel) else None
    if edited and reft is not edits:
        return [generate(base, prompt, [reft], max_new_tokens=limit)[0] for prompt in listed]
    rows = [column_prompts(base, prompt, [edits.positions if edits else None])[0] for prompt in listed]
    size = len(rows) if takes_positions(base) else 1
    return [answer for batch in in_batches(rows, size) for answer in _answers(base, batch, edits if edited else None, limit)]


def _answers(base: Base, prompts: Sequence[EncodedPrompt], reft: ReftModel | None, limit: int) -> list[str]:
    """The answers to prompts that are rows of one batch."""
    limits = [min(limit, room(base, len(prompt.ids))) for prompt in prompts]
    logits_BV, decoding = prefill(base, prompts, [reft] * len(prompts))
    answers = [""] * len(prompts)
    for delta in decode(base, logits_BV, decoding, [Column(base) for _ in prompts], limits, _likeliest):
        answers[delta.column] += delta.text
    return answers


def _likeliest(logits_BV: Tensor) -> Tensor:
    return torch.argmax(logits_BV, dim=-1)
