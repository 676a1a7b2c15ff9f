"""Classifies texts with a trained head over edited hidden states."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from reft_engine.base import blocks
from reft_engine.base.checks import as_list, shown
from reft_engine.base.loading import Base
from reft_engine.data import Example, Message
from reft_engine.errors import ConfigError, DataError
from reft_engine.spec import TrainConfig, reading
from reft_engine.tokens.batches import Batch, collate, in_batches
from reft_engine.tokens.examples import encode_text, text_of
from reft_engine.trainable import Trainable, check_edit

Text = str | tuple[str, str] | Sequence[Message]
"""One text, a pair of texts, or for a decoder a conversation."""
_BATCH_SIZE = 32


@torch.no_grad()
def classify(base: Base, reft: Trainable, texts: Sequence[Text], *, max_length: int = 512, edited: bool = True) -> list[dict[str, float]]:
    """Classify texts: for each, the probability of each label, the likeliest first.

    Args:
        base: the base model that ``reft`` was trained on.
        reft: trained with ``ReftConfig(labels=...)``.
        texts: one entry per result.
        max_length: maximum tokens; longer texts are cut at their end.
        edited: False lets the head read the base model's own hidden states.

    Raises:
        ConfigError: ``reft`` is not an edit of this base model, or has no labels.
        DataError: there are no texts, or one cannot be encoded.
    """
    check_edit(base, reft)
    labels = reft.method_config.labels
    if labels is None:
        raise ConfigError("This edit was trained to answer, not to classify; it has no labels.", "labels", kind="classification.labels")
    limit = TrainConfig(max_length=max_length).max_length  # which refuses invalid lengths
    examples = [Example(at + 1, _messages(text), "") for at, text in enumerate(as_list(texts, "texts"))]
    rows = [text_of(encode_text(base, example, limit, reading(reft.method_config))) for example in examples]
    if edited:
        reft.eval()
    acting = reft.acting() if edited else None
    runner = replace(base, model=acting.model) if acting else base
    results = []
    for batch_rows in in_batches(rows, _BATCH_SIZE):
        batch = collate(base, batch_rows)
        indices = range(len(batch_rows))
        edits = acting.edits(batch.prompts, indices, batch.device) if acting else {}
        (logits,) = head_logits(runner, batch, edits, [(reft, indices)])
        for probabilities in torch.softmax(logits, dim=-1).cpu():
            order = probabilities.argsort(descending=True, stable=True).tolist()
            results.append({labels[index]: float(probabilities[index]) for index in order})
    return results


def head_logits(
    base: Base, batch: Batch, edits: Mapping[int, blocks.Edit], heads: Sequence[tuple[Trainable, range]], *, checkpointed: bool = False
) -> list[Tensor]:  # fmt: skip
    """For each model the logits (B, C), float32, of its head on its own rows, from one forward pass of the batch."""
    with blocks.editing(edits, checkpointed=checkpointed, resume_after=batch.resume_after, run_block=batch.run_block):
        hidden = blocks.last_hidden_states(base.model, batch.inputs)
    texts = [hidden[row, begin:end] for row, begin, end in batch.rows]
    return [reft.classes_of(texts[rows.start : rows.stop]) for reft, rows in heads]


def _messages(text: Text) -> tuple[Message, ...]:
    items = (text,) if isinstance(text, str) else text
    if isinstance(items, list | tuple) and all(isinstance(item, Message) for item in items):
        return tuple(items)
    if not isinstance(items, list | tuple) or len(items) > 2 or not all(isinstance(item, str) for item in items):
        raise DataError(
            "{text} is neither a text, nor a pair of texts, nor a list of messages.", kind="classification.text", text=shown(text)
        )
    return tuple(Message("user", item) for item in items)
