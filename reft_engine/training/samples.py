"""Sample answers: what the base model and the tuned model answer to some held-out rows."""

from collections.abc import Sequence

from reft_engine.base.loading import Base
from reft_engine.data import AnyExample
from reft_engine.inference.answering import answer_rows
from reft_engine.inference.classification import classify
from reft_engine.trainable import Trainable
from reft_engine.training.schedule import SAMPLE_TOKENS


def sample_answers(
    base: Base, reft: Trainable, rows: Sequence[AnyExample], *, edited: bool = True, tokens: int | None = None
) -> list[str]:  # fmt: skip
    """Answers to some rows in one batch, or their likeliest labels; switches ``reft`` to evaluation mode.

    Args:
        base: the base model.
        reft: the edit as it is now; a classifier's head reads the base model's hidden states too.
        rows: at least one.
        edited: whether the edit acts; without it the base model answers.
        tokens: maximum tokens of each answer, `SAMPLE_TOKENS` by default.
    """
    reft.eval()
    conversations = [row.messages for row in rows]
    if reft.method_config.labels:
        return [next(iter(probabilities)) for probabilities in classify(base, reft, conversations, edited=edited)]
    return answer_rows(base, conversations, reft, edited=edited, max_new_tokens=tokens or SAMPLE_TOKENS)
