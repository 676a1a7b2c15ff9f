"""Divides rows into training rows and held-out rows, which measure what was learned."""

import random
from collections.abc import Sequence
from typing import TypeVar

from reft_engine.data.records import Example, Message, Preference

HELD_OUT_LIMIT = 1000
"""Maximum number of held-out rows: measuring more would cost more than it tells."""

Row = TypeVar("Row", bound=Example | Preference)


def split(examples: Sequence[Row], share: float, seed: int) -> tuple[list[Row], list[Row]]:
    """Divide rows into training and held-out rows by a seed; equal rows, and the answers of one chat, stay on one side.

    If ``share`` is above 0 and there are at least four rows, at least one row is held out; at most `HELD_OUT_LIMIT`, never all.
    """
    training, held_out = split_indices(examples, share, seed)
    return [examples[index] for index in training], [examples[index] for index in held_out]


def split_indices(examples: Sequence[Example | Preference], share: float, seed: int) -> tuple[list[int], list[int]]:
    """The indices of the training rows and of the held-out rows of `split`; of equal held-out rows only the first is measured."""
    groups: dict[_Exchange, dict[_Exchange, int]] = {}
    for index, example in enumerate(examples):
        groups.setdefault(_first_exchange(example), {}).setdefault((example.messages, _answer(example)), index)
    if share <= 0 or len(groups) < 4:
        return list(range(len(examples))), []
    keys = list(groups)
    random.Random(f"{seed}/split").shuffle(keys)
    count = min(max(1, round(share * len(groups))), HELD_OUT_LIMIT, len(groups) - 1)
    held_out = set(keys[:count])
    training = [index for index, example in enumerate(examples) if _first_exchange(example) not in held_out]
    return training, [index for key in keys[:count] for index in groups[key].values()][:HELD_OUT_LIMIT]


_Exchange = tuple[tuple[Message, ...], str]


def _answer(example: Example | Preference) -> str:
    return example.answer if isinstance(example, Example) else example.chosen


def _first_exchange(example: Example | Preference) -> _Exchange:
    """A chat up to its first answer, which the prompts of its later answers begin with."""
    user_spoke = False
    for index, message in enumerate(example.messages):
        if message.role == "assistant" and user_spoke:
            return example.messages[:index], message.content
        user_spoke = user_spoke or message.role == "user"
    return example.messages, _answer(example)
