"""Sample answers: what the base model and the tuned model answer to some held-out rows."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from reft_engine.base.loading import PLAIN_TEMPLATE, Base
from reft_engine.data import AnyExample, Example
from reft_engine.errors import DataError
from reft_engine.inference.answering import answer_rows
from reft_engine.inference.classification import classify
from reft_engine.spec import reading
from reft_engine.tokens.batches import collate
from reft_engine.tokens.examples import EncodedExample, encode
from reft_engine.trainable import Trainable
from reft_engine.training.losses import answer_losses
from reft_engine.training.schedule import SAMPLE_TOKENS


def sample_answers(
    base: Base, reft: Trainable, rows: Sequence[AnyExample], *, edited: bool = True, tokens: int | None = None,
    guesses: Sequence[str] = (),
) -> list[str]:  # fmt: skip
    """Answers to some rows, or their likeliest labels; switches ``reft`` to evaluation mode.

    Args:
        base: the base model.
        reft: the edit as it is now; a classifier's head reads the base model's hidden states too.
        rows: at least one.
        edited: whether the edit acts; without it the base model answers.
        tokens: maximum tokens of each answer, `SAMPLE_TOKENS` by default.
        guesses: for each row the answer that it may be, such as the one before. One forward pass tells which are right, at the cost of
            a token or two; only the other rows are answered token by token.
    """
    reft.eval()
    if reft.method_config.labels:
        labels = classify(base, reft, [row.messages for row in rows], edited=edited)
        return [next(iter(probabilities)) for probabilities in labels]
    limit = tokens or SAMPLE_TOKENS
    right = confirm(base, reft, rows, guesses, edited=edited, tokens=limit) if guesses else [False] * len(rows)
    open_rows = [row.messages for row, is_right in zip(rows, right, strict=True) if not is_right]
    answers = iter(answer_rows(base, open_rows, reft, edited=edited, max_new_tokens=limit) if open_rows else ())
    return [guesses[index] if is_right else next(answers) for index, is_right in enumerate(right)]


@torch.no_grad()
def confirm(
    base: Base, reft: Trainable, rows: Sequence[AnyExample], guesses: Sequence[str], *, edited: bool, tokens: int
) -> list[bool]:  # fmt: skip
    """For each guess whether it is what the model answers: at each of its tokens, the likeliest one is the next."""
    encoded = [_as_answered(base, reft, row, guess, tokens) for row, guess in zip(rows, guesses, strict=True)]
    if not (sequences := [sequence for sequence in encoded if sequence]):
        return [False] * len(rows)
    batch, acting = collate(base, sequences), reft.acting() if edited else None
    edits = acting.edits(batch.prompts, range(len(sequences)), batch.device) if acting else {}
    runner, before = (replace(base, model=acting.model), acting.virtual_logits) if acting else (base, 0)
    likeliest = answer_losses(runner, batch, edits, greedy=True, before=before)[1]
    right = iter([bool(each.all()) for each in likeliest.split(list(batch.counts))])
    return [sequence is not None and next(right) for sequence in encoded]


def _as_answered(base: Base, reft: Trainable, row: AnyExample, answer: str, tokens: int) -> EncodedExample | None:
    """A row with an answer, as far as it is generated; None where the answer's text is not that of its tokens."""
    learned = answer.removeprefix(" ") if base.template == PLAIN_TEMPLATE else answer  # which puts a space before each answer
    try:
        sequence = encode(base, Example(row.line, row.messages, learned), base.context, reading(reft.method_config), tokens)
    except DataError:  # such as an answer without a token
        return None
    return sequence if base.tokenizer.decode(sequence.answer_ids, skip_special_tokens=True) == answer else None
