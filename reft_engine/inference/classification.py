"""Classifies texts with a trained head over edited hidden states."""

from collections.abc import Sequence

import torch
from torch import Tensor

from reft_engine.base import blocks
from reft_engine.base.checks import as_list, shown
from reft_engine.base.loading import Base
from reft_engine.data import Example, Message
from reft_engine.errors import ConfigError, DataError
from reft_engine.spec import TrainConfig
from reft_engine.tokens.batches import collate, in_batches
from reft_engine.tokens.examples import EncodedExample, encode_text, text_of
from reft_engine.trainable import Trainable, check_edit

Text = str | tuple[str, str] | Sequence[Message]
"""One text, a pair of texts, or for a decoder a conversation."""
_ROWS = 32


@torch.no_grad()
def classify(base: Base, reft: Trainable, texts: Sequence[Text], *, max_length: int = 512, edited: bool = True) -> list[dict[str, float]]:
    """Give each text the probability of each label, the likeliest label first.

    Args:
        base: the base model that ``reft`` was trained on.
        reft: trained with ``ReftConfig(labels=...)``.
        texts: one entry per answer.
        max_length: tokens; longer texts are cut at their end.
        edited: False lets the head read the base model's own hidden states.

    Raises:
        ConfigError: ``reft`` is no edit of this base model, or has no labels.
        DataError: there are no texts, or one cannot be encoded.
    """
    check_edit(base, reft)
    labels = reft.method_config.labels
    if labels is None:
        raise ConfigError("This edit was trained to answer, not to classify; it has no labels.", "labels")
    limit = TrainConfig(max_length=max_length).max_length  # which refuses what is no length
    if edited:
        reft.eval()
    examples = [Example(at + 1, _messages(text), "") for at, text in enumerate(as_list(texts, "texts"))]
    rows = [text_of(encode_text(base, example, limit, reft.method_config)) for example in examples]
    found = []
    for part in in_batches(rows, _ROWS):
        for shares in torch.softmax(_logits(base, reft, part, edited), dim=-1).cpu():
            order = shares.argsort(descending=True, stable=True).tolist()
            found.append({labels[index]: float(shares[index]) for index in order})
    return found


def _logits(base: Base, reft: Trainable, texts: Sequence[EncodedExample], edited: bool) -> Tensor:
    """Logits (B, C) of the texts, float32, from one forward pass."""
    batch = collate(base, texts)
    acting = reft.acting() if edited else None
    with blocks.editing(acting.edits(batch.prompts, range(len(texts)), batch.device) if acting else {}):
        hidden = blocks.last_hidden_states(acting.model if acting else base.model, batch.inputs)
    return reft.classes_of([hidden[row, begin:end] for row, begin, end in batch.rows])


def _messages(text: Text) -> tuple[Message, ...]:
    parts = (text,) if isinstance(text, str) else text
    if isinstance(parts, list | tuple) and all(isinstance(part, Message) for part in parts):
        return tuple(parts)
    if not isinstance(parts, list | tuple) or len(parts) > 2 or not all(isinstance(part, str) for part in parts):
        raise DataError(f"{shown(text)} is neither a text, nor a pair of texts, nor a list of messages.")
    return tuple(Message("user", part) for part in parts)
