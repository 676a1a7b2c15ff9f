"""Which rows are trained on and which are kept away to measure with."""

import random
from collections.abc import Sequence
from typing import TypeVar

from reft_engine.data.records import Example, Message, Preference

_HELD_OUT_LIMIT = 128


Row = TypeVar("Row", bound=Example | Preference)


def split(examples: Sequence[Row], share: float, seed: int) -> tuple[list[Row], list[Row]]:
    """Divide rows into training and held-out rows, by the seed; equal rows, and the answers of one chat, stay on one side.

    At least one row is held out when ``share`` is above 0 and there are four rows or more; at most 128, and never all.
    """
    groups: dict[_Turns, dict[_Turns, Row]] = {}
    for example in examples:
        groups.setdefault(_opening(example), {}).setdefault((example.messages, _answer(example)), example)
    if share <= 0 or len(groups) < 4:
        return list(examples), []
    keys = list(groups)
    random.Random(f"{seed}/split").shuffle(keys)
    wanted = min(max(1, round(share * len(groups))), _HELD_OUT_LIMIT, len(groups) - 1)
    held = set(keys[:wanted])
    kept = [example for example in examples if _opening(example) not in held]
    return kept, [example for key in keys[:wanted] for example in groups[key].values()][:_HELD_OUT_LIMIT]


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
