"""Which rows are trained on and which are kept away to measure with."""

import random
from collections.abc import Sequence
from typing import TypeVar

from reft_engine.data.records import Example, Message, Preference

HELD_OUT_LIMIT = 1000
"""Most rows that are held out: measuring more would cost more than it tells."""

Row = TypeVar("Row", bound=Example | Preference)


def split(examples: Sequence[Row], share: float, seed: int) -> tuple[list[Row], list[Row]]:
    """Divide rows into training and held-out rows, by the seed; equal rows, and the answers of one chat, stay on one side.

    At least one row is held out when ``share`` is above 0 and there are four rows or more; at most `HELD_OUT_LIMIT`, and never all.
    """
    kept, held = split_indices(examples, share, seed)
    return [examples[index] for index in kept], [examples[index] for index in held]


def split_indices(examples: Sequence[Example | Preference], share: float, seed: int) -> tuple[list[int], list[int]]:
    """The places of the rows that `split` trains on, and of those that it holds out; of equal held-out rows the first alone."""
    groups: dict[_Turns, dict[_Turns, int]] = {}
    for index, example in enumerate(examples):
        groups.setdefault(_opening(example), {}).setdefault((example.messages, _answer(example)), index)
    if share <= 0 or len(groups) < 4:
        return list(range(len(examples))), []
    keys = list(groups)
    random.Random(f"{seed}/split").shuffle(keys)
    wanted = min(max(1, round(share * len(groups))), HELD_OUT_LIMIT, len(groups) - 1)
    held = set(keys[:wanted])
    kept = [index for index, example in enumerate(examples) if _opening(example) not in held]
    return kept, [index for key in keys[:wanted] for index in groups[key].values()][:HELD_OUT_LIMIT]


_Turns = tuple[tuple[Message, ...], str]


def _answer(example: Example | Preference) -> str:
    return example.answer if isinstance(example, Example) else example.chosen


def _opening(example: Example | Preference) -> _Turns:
    """A chat up to its first answer; a later answer's row has that one in its prompt."""
    asked = False
    for index, message in enumerate(example.messages):
        if message.role == "assistant" and asked:
            return example.messages[:index], message.content
        asked = asked or message.role == "user"
    return example.messages, _answer(example)
