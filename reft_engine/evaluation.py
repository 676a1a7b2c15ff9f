"""How well answers fit: held-out loss, and how often the greedy answer is exactly the expected one."""

from collections.abc import Callable, Mapping, Sequence

import torch

from reft_engine import blocks
from reft_engine.base_models import Base
from reft_engine.batching import collate, in_batches
from reft_engine.data import Example
from reft_engine.encoding import EncodedExample, encode
from reft_engine.generation import stream
from reft_engine.losses import answer_losses
from reft_engine.model import ReftModel

_ROWS = 16


@torch.no_grad()
def mean_loss(base: Base, reft: ReftModel | None, examples: Sequence[EncodedExample]) -> float:
    """Mean loss per answer token over all rows, in nats; ``reft=None`` is the bare base model."""
    total, count = 0.0, 0
    for rows in in_batches(examples, _ROWS):
        batch = collate(rows, 0, base.device)
        edits: Mapping[int, blocks.Edit] = {}
        if reft is not None:
            edits = reft.edits(reft.plan(batch.attention_mask, batch.prompt_lengths), reft.factors())
        losses, _ = answer_losses(base, batch, edits)
        total += float(losses.sum())
        count += losses.numel()
    return total / max(count, 1)


def evaluate(
    base: Base, reft: ReftModel, examples: Sequence[Example], *, max_length: int = 512, on_row: Callable[[int], None] | None = None
) -> dict[str, dict[str, float]]:
    """Compare base and tuned on rows that were not trained on.

    Returns:
        ``{"base": {"loss", "exact_match"}, "tuned": {...}}``; loss in nats per answer token, exact match as a share
        of rows whose greedy answer equals the expected one but for white space at its ends.
    """
    reft.eval()
    encoded = [encode(base, example, max_length) for example in examples]
    hits = [0, 0]
    for index, example in enumerate(examples):
        for column, answer in enumerate(_greedy(base, reft, example, len(encoded[index].answer_ids) + 8)):
            hits[column] += answer.strip() == example.answer.strip()
        if on_row:
            on_row(index + 1)
    rows = max(len(examples), 1)
    return {
        name: {"loss": mean_loss(base, model, encoded), "exact_match": hits[column] / rows}
        for column, (name, model) in enumerate((("base", None), ("tuned", reft)))
    }


def _greedy(base: Base, reft: ReftModel, example: Example, budget: int) -> list[str]:
    """The greedy answers of base and tuned, given up as soon as neither can become the expected one."""
    expected, answers = example.answer.strip(), ["", ""]

    def hopeless() -> bool:
        return not any(expected.startswith(answer.strip()) for answer in answers)

    for delta in stream(base, example.messages, [None, reft], max_new_tokens=budget, should_stop=hopeless):
        answers[delta.column] += delta.text
    return answers
