"""The dataset cards of the samples, in the form that the Hugging Face Hub reads."""

import json
from collections import Counter
from collections.abc import Sequence

_SOURCE = {
    "emoji": "Questions about facts of the starter's small world (sounds, colours, opposites, homes, jobs, capitals); the answers are one emoji each.",
    "pirate": "The same kind of questions; the answers are the plain sentences with a dozen words exchanged, Arr! before and matey! behind.",
    "sentiment": "Reviews put together from templates and word lists that were written for the starter; half of them are positive. No review by a person is among them.",
    "json": "Names, ages and cities drawn at random and put into one of five sentences.",
    "persona": "Wordings of four questions, each answered in one way by Mia, the astronaut; a third of the rows to train on and 40 % of those held out are ordinary questions with plain answers, so that only questions about the assistant are answered as Mia.",
    "routing": "Subjects and complaints put together at random, 15 of each department to train on and 10 held out.",
    "refusals": "Subjects that have to do with money, in six wordings, with one refusal; 40 % of the rows are ordinary questions with plain answers. The held-out subjects are others.",
    "question": "Questions about facts; the answers are the plain sentences with one more sentence that asks something back.",
}
_HELD_OUT = {
    "emoji": "about other facts", "pirate": "about other facts", "sentiment": "other reviews of the same generator",
    "json": "other people, in the same five sentences", "persona": "other wordings and other facts", "routing": "other messages of the same generator",
    "refusals": "other subjects and other facts", "question": "about other facts",
}  # fmt: skip

_CARD = """---
license: apache-2.0
language: en
size_categories: n<1K
task_categories:
- text-generation
configs:
- config_name: default
  data_files:
  - split: train
    path: {train}
  - split: test
    path: {test}
---

# {title}

{description}

{source}

| | rows | file |
|---|---|---|
| to train on | {trained} | `{train}` |
| held out ({what}) | {held} | `{test}` |

Answers: {answers}. Prompts have {shortest} to {longest} characters.

One row:

```json
{row}
```

Made by `python -m starter_training.samples` (seed 11); nothing is taken from anywhere. The rows suit a very small model and show
that training works; they are no benchmark of anything else. What the bundled model reaches: `docs/samples.md`.
"""


def card(
    key: str, title: str, description: str, names: Sequence[str], trained: Sequence[tuple[str, str]], held: Sequence[tuple[str, str]]
) -> str:
    """The text of a dataset's card."""
    counts = Counter(answer for _, answer in trained)
    few = len(counts) <= 6
    answers = ", ".join(f"`{answer}` {count} times" for answer, count in counts.most_common()) if few else f"{len(counts)} different ones"
    lengths = [len(prompt) for prompt, _ in [*trained, *held]]
    return _CARD.format(
        title=title, description=description, source=_SOURCE[key], what=_HELD_OUT[key], trained=len(trained), held=len(held), train=names[0],
        test=names[1], answers=answers, shortest=min(lengths), longest=max(lengths),
        row=json.dumps(dict(zip(("prompt", "answer"), trained[0], strict=True)), ensure_ascii=False),
    )  # fmt: skip
