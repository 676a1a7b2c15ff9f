"""Whether an edit breaks anything: base and tuned model on a bundled set of prompts that have nothing to do with the data."""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from reft_engine.base import blocks
from reft_engine.base.loading import Base
from reft_engine.data import Example, Message
from reft_engine.inference.engine import InferenceEngine
from reft_engine.inference.prompts import rule_of
from reft_engine.inference.requests import EVERYTHING
from reft_engine.spec import TrainConfig
from reft_engine.tokens.batches import Batch, collate, in_batches, in_passes
from reft_engine.tokens.examples import EncodedExample
from reft_engine.trainable import Acting, Trainable, check_edit
from reft_engine.training.looked_at import MovedPrompt, Regression
from reft_engine.training.losses import answer_logits
from reft_engine.training.measuring import Exclusive
from reft_engine.training.objectives import objective_for
from reft_engine.training.rows import read_rows
from reft_engine.training.schedule import MEASURED_AT_ONCE
from reft_engine.training.verdict import finite

_PROMPTS = Path(__file__).with_name("unrelated.jsonl")
_WORST, _ANSWER_TOKENS = 3, 24
_MAX_LOGITS = 2**23
"""Logits of one model that are held at once: 32 MB in float32."""


@dataclass(frozen=True, slots=True)
class _Moved:
    """One row: its index, its answer tokens, and sums over them in nats."""

    index: int
    tokens: int
    kl: float
    base: float
    tuned: float

    @property
    def order(self) -> float:
        """By which the worst rows are the highest; what is no number is worse than any."""
        mean = self.kl / self.tokens
        return mean if math.isfinite(mean) else math.inf


@cache
def unrelated_prompts() -> tuple[tuple[str, str], ...]:
    """The bundled prompts with plain answers: arithmetic, geography, everyday questions, other languages, code, politeness."""
    rows = map(json.loads, _PROMPTS.read_text(encoding="utf-8").splitlines())
    return tuple((row["prompt"], row["answer"]) for row in rows)


@torch.no_grad()
def measure_regression(
    base: Base, reft: Trainable, *, exclusive: Exclusive = nullcontext, on_progress: Callable[[int, int], None] = lambda done, total: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Regression | None:  # fmt: skip
    """Compare base and tuned model on `unrelated_prompts`: how far the next token's distribution moves, and the loss on plain answers.

    The answers are read, not written, so both models are compared at the same tokens. An edit with the positions ``marked`` edits the
    whole prompt here. Switches ``reft`` to evaluation mode.

    Args:
        base: the frozen base model.
        reft: an edit or a baseline of it.
        exclusive: entered around every pass, so that others can use the base model in between.
        on_progress: called with the number of prompts that are done, and of all.
        should_stop: asked before every pass.

    Returns:
        The figures; None for a classifier, which writes no text, if no prompt can be encoded, or when told to stop.

    Raises:
        ConfigError: ``reft`` is not an edit of this base model, or the base model writes no text.
    """
    check_edit(base, reft)
    if reft.method_config.labels:
        return None
    with exclusive():
        reft.eval()
        acting = reft.acting()
    examples = _examples(reft)
    objective = objective_for(base, reft.method_config, TrainConfig(), examples)
    read = read_rows(objective, examples)
    rows, moved = [replace(row.encoded, line=row.index) for row in read.usable], list[_Moved]()
    for batch in _batches(base, rows):
        if should_stop():
            return None
        on_progress(len(moved), len(rows))
        moved += _compare(base, acting, batch, exclusive)
    if not moved:
        return None
    worst = sorted(moved, key=lambda row: row.order, reverse=True)[:_WORST]
    answers = _answers(base, reft, [examples[row.index] for row in worst], exclusive)
    tokens, prompts = sum(row.tokens for row in moved), unrelated_prompts()
    return Regression(
        prompts=len(moved), left_out=len(read.left_out), tokens=tokens,
        kl=finite(sum(row.kl for row in moved) / tokens),
        base=finite(sum(row.base for row in moved) / tokens), tuned=finite(sum(row.tuned for row in moved) / tokens),
        worst=tuple(
            MovedPrompt(prompts[row.index][0], finite(row.kl / row.tokens), *texts) for row, texts in zip(worst, answers, strict=True)
        ),
    )  # fmt: skip


def _examples(reft: Trainable) -> list[Example]:
    """The prompts as rows; for an edit that reads marks, with all of the prompt marked."""
    rule = rule_of(reft)
    form = "<reft>{}</reft>" if rule is not None and rule.reads_text else "{}"
    return [
        Example(line, (Message("user", form.format(prompt)),), answer)
        for line, (prompt, answer) in enumerate(unrelated_prompts(), 1)
    ]  # fmt: skip


def _batches(base: Base, rows: Sequence[EncodedExample]) -> Iterator[Sequence[EncodedExample]]:
    """Rows of one forward pass each, whose logits are no more than `_MAX_LOGITS`, unless a single row has more."""
    # Only a linear head can be asked for the logits of some tokens alone.
    chosen = blocks.has_linear_head(base.model)
    limit = max(1, _MAX_LOGITS // blocks.vocabulary_size(base.model))
    for each in in_passes(rows, limit, lambda row: len(row.answer_ids) if chosen else row.length):
        yield from in_batches(each, MEASURED_AT_ONCE)


def _compare(base: Base, acting: Acting, rows: Sequence[EncodedExample], exclusive: Exclusive) -> list[_Moved]:
    """Both models on some rows, from one forward pass of each."""
    batch = collate(base, rows)
    with exclusive():
        plain = answer_logits(base, batch, {}).float()
    with exclusive():
        edits = acting.edits(batch.prompts, range(len(rows)), batch.device)
        tuned = answer_logits(replace(base, model=acting.model), batch, edits, before=acting.virtual_logits).float()
    return [
        _Moved(row.line, len(kl), float(kl.sum()), float(before.sum()), float(after.sum()))
        for row, kl, before, after in zip(rows, *_divergences(batch, plain, tuned), strict=True)
    ]  # fmt: skip


def _divergences(batch: Batch, base_NV: Tensor, tuned_NV: Tensor) -> tuple[Sequence[Tensor], Sequence[Tensor], Sequence[Tensor]]:
    """For each row KL(base || tuned), the base model's loss and the tuned model's, at each answer token, in nats."""
    targets = batch.targets[batch.targets != -100].unsqueeze(1)
    base_NV, tuned_NV = F.log_softmax(base_NV, dim=-1), F.log_softmax(tuned_NV, dim=-1)
    kl = F.kl_div(tuned_NV, base_NV, reduction="none", log_target=True).sum(dim=-1)
    losses = (-each.gather(1, targets).squeeze(1) for each in (base_NV, tuned_NV))
    split_kl, split_base, split_tuned = (each.double().split(list(batch.counts)) for each in (kl, *losses))
    return split_kl, split_base, split_tuned


def _answers(base: Base, reft: Trainable, rows: Sequence[Example], exclusive: Exclusive) -> list[list[str]]:
    """The beginnings of the greedy answers of base and tuned to each prompt, all written in one running batch."""
    engine = InferenceEngine(base, limits=EVERYTHING, turn=exclusive)
    asked = [engine.submit(row.messages, [None, reft], max_new_tokens=_ANSWER_TOKENS, rules=[rule_of(reft)] * 2) for row in rows]
    engine.finish()
    return [each.texts() for each in asked]
