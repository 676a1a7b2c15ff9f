"""Sample answers: what the base model and the tuned model answer to some held-out rows."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import torch

from reft_engine.base.loading import Base
from reft_engine.data import AnyExample
from reft_engine.inference.answering import Answer, encode_prompt, write_answers
from reft_engine.inference.classification import classify
from reft_engine.tokens.batches import collate
from reft_engine.tokens.examples import EncodedExample
from reft_engine.trainable import Trainable
from reft_engine.training.losses import answer_losses
from reft_engine.training.schedule import SAMPLE_TOKENS


def sample_answers(
    base: Base, reft: Trainable, rows: Sequence[AnyExample], *, edited: bool = True, tokens: int | None = None,
    guesses: Sequence[Answer] = (), exclusive: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> list[Answer]:  # fmt: skip
    """Answers to some rows, or their likeliest labels; switches ``reft`` to evaluation mode.

    Args:
        base: the base model.
        reft: the edit as it is now; a classifier's head reads the base model's hidden states too.
        rows: at least one.
        edited: whether the edit acts; without it the base model answers.
        tokens: maximum tokens of each answer, `SAMPLE_TOKENS` by default.
        guesses: for each row an answer that may be its own, such as the one before, made with the same ``tokens``. One forward pass
            tells how far each is right; only what follows is written token by token.
        exclusive: entered around every pass, so that others can use the base model in between.
    """
    reft.eval()
    if reft.method_config.labels:
        with exclusive():
            labels = classify(base, reft, [row.messages for row in rows], edited=edited)
        return [Answer(next(iter(probabilities))) for probabilities in labels]
    limit = tokens or SAMPLE_TOKENS
    begun: list[tuple[int, ...]] = [()] * len(rows)
    if guesses:
        with exclusive():
            begun = confirm(base, reft, rows, guesses, edited=edited)
    answers: dict[int, Answer] = {index: guess for index, guess in enumerate(guesses) if guess.ids == begun[index]}
    if others := [index for index in range(len(rows)) if index not in answers]:
        conversations, first = [rows[index].messages for index in others], [begun[index] for index in others]
        written = write_answers(base, conversations, reft, edited=edited, max_new_tokens=limit, begun=first, exclusive=exclusive)
        answers |= zip(others, written, strict=True)
    return [answers[index] for index in range(len(rows))]


@torch.no_grad()
def confirm(base: Base, reft: Trainable, rows: Sequence[AnyExample], guesses: Sequence[Answer], *, edited: bool) -> list[tuple[int, ...]]:
    """For each guess its first tokens that the model would write: up to the first that is not the likeliest one at its place."""
    prompts = [encode_prompt(base, row.messages, reft) for row in rows]
    sequences = [EncodedExample(prompt.ids, guess.ids, 0, edited=prompt.edited) for prompt, guess in zip(prompts, guesses, strict=True)]
    batch, acting = collate(base, sequences), reft.acting() if edited else None
    edits = acting.edits(batch.prompts, range(len(sequences)), batch.device) if acting else {}
    runner, before = (replace(base, model=acting.model), acting.virtual_logits) if acting else (base, 0)
    likeliest = answer_losses(runner, batch, edits, greedy=True, before=before)[1]
    counts = [int(each.cumprod(0).sum()) for each in likeliest.split(list(batch.counts))]
    return [guess.ids[:count] for guess, count in zip(guesses, counts, strict=True)]
