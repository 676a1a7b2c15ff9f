"""The dataset cards of the samples, in the form that the Hugging Face Hub reads."""

import json
from collections import Counter
from collections.abc import Sequence

from starter_training.texts import table, text


def card(
    key: str, title: str, description: str, names: Sequence[str], trained: Sequence[tuple[str, str]], held: Sequence[tuple[str, str]]
) -> str:
    """The text of a dataset's card."""
    counts = Counter(answer for _, answer in trained)
    few = len(counts) <= 6
    answers = ", ".join(f"`{answer}` {count} times" for answer, count in counts.most_common()) if few else f"{len(counts)} different ones"
    lengths = [len(prompt) for prompt, _ in [*trained, *held]]
    source, what = next(told for sample, *told in table("samples/cards") if sample == key)
    return text("templates/sample_card.md").format(
        title=title, description=description, source=source, what=what, trained=len(trained), held=len(held), train=names[0],
        test=names[1], answers=answers, shortest=min(lengths), longest=max(lengths),
        row=json.dumps(dict(zip(("prompt", "answer"), trained[0], strict=True)), ensure_ascii=False),
    )  # fmt: skip
