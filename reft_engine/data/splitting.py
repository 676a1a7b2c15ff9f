"""Divides rows into training rows and held-out rows, which measure what was learned; as the file says, or by chance."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from reft_engine.data.records import AnyExample, Example, Message, Preference, answers_of
from reft_engine.errors import DataError

TRAIN, HELD_OUT = "train", "held-out"
"""What a divided row says of its side."""
HELD_OUT_LIMIT = 1000
"""Maximum number of held-out rows: measuring more would cost more than it tells."""

Row = TypeVar("Row", bound=Example | Preference)
_Exchange = tuple[tuple[Message, ...], str]
_Key = _Exchange | str
"""What stays on one side: the rows of a group, or the answers of a chat."""


def split(examples: Sequence[Row], share: float, seed: int) -> tuple[list[Row], list[Row]]:
    """Divide rows into training and held-out rows by a seed; equal rows, the answers of one chat, and rows of a group stay on one side.

    Where the file itself divides its rows (`Example.split`), its training rows are trained on and its others held out.

    If ``share`` is above 0 and there are at least four rows, at least one row is held out; at most `HELD_OUT_LIMIT`, never all.
    """
    training, held_out = split_indices(examples, share, seed)
    return [examples[index] for index in training], [examples[index] for index in held_out]


def split_indices(examples: Sequence[Example | Preference], share: float, seed: int) -> tuple[list[int], list[int]]:
    """The indices of the training rows and of the held-out rows of `split`; of equal held-out rows only the first is measured."""
    trained_on = [index for index, example in enumerate(examples) if is_trained(example.split)]
    if 0 < len(trained_on) < len(examples):
        others = set(range(len(examples))) - set(trained_on)
        return trained_on, sorted({_whole(examples[index]): index for index in sorted(others, reverse=True)}.values())[:HELD_OUT_LIMIT]
    groups: dict[_Key, dict[_Exchange, int]] = {}
    for index, example in enumerate(examples):
        groups.setdefault(_key(example), {}).setdefault(_whole(example), index)
    if share <= 0 or len(groups) < 4:
        return list(range(len(examples))), []
    keys = list(groups)
    random.Random(f"{seed}/split").shuffle(keys)
    count = min(max(1, round(share * len(groups))), HELD_OUT_LIMIT, len(groups) - 1)
    held_out = set(keys[:count])
    training = [index for index, example in enumerate(examples) if _key(example) not in held_out]
    return training, [index for key in keys[:count] for index in groups[key].values()][:HELD_OUT_LIMIT]


class SplitPlan(BaseModel):
    """How the rows of a dataset are divided, once and for all its runs.

    Attributes:
        method: random; stratified (each answer has its share on both sides); group (the rows of a group stay together); last (the last
            rows of the file, for rows in the order of time).
        share: share of the rows that is held out.
        seed: draws them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Literal["random", "stratified", "group", "last"] = "random"
    share: float = Field(0.1, gt=0, lt=1)
    seed: int = Field(0, ge=0, le=2**31 - 1)


def divided(examples: Sequence[AnyExample], plan: SplitPlan) -> list[AnyExample]:
    """Examples with their side written into `Example.split`; equal rows and the answers of a chat are on one side.

    Raises:
        DataError: there are too few rows, no groups, or only one.
    """
    keys = list(dict.fromkeys(map(_key, examples)))
    if plan.method == "group":
        if not any(example.group for example in examples):
            raise DataError("No column says to which group a row belongs. Give one the role group first.", kind="split.no_group")
        keys = list(dict.fromkeys(example.group for example in examples))
    if len(keys) < 2:
        raise DataError("There is nothing to divide: all rows belong together.", kind="split.single")
    held_out = set(_drawn(examples, keys, plan))
    return [replace(example, split=HELD_OUT if _side_key(example, plan) in held_out else TRAIN) for example in examples]


def _side_key(example: AnyExample, plan: SplitPlan) -> _Key:
    return example.group if plan.method == "group" else _key(example)


def _drawn(examples: Sequence[AnyExample], keys: list[_Key], plan: SplitPlan) -> list[_Key]:
    """The keys of the held-out side: at least one, never all."""
    if plan.method == "last":
        return keys[len(keys) - _count_of(plan.share, len(keys)) :]
    if plan.method == "stratified":
        strata: dict[tuple[str, ...], list[_Key]] = {}
        for key, answers in {_key(example): answers_of(example) for example in reversed(examples)}.items():
            strata.setdefault(answers, []).append(key)
        # A stratum of one row cannot be on both sides; it is trained on.
        return [key for each in strata.values() if len(each) > 1 for key in _shuffled(each, plan)[: _count_of(plan.share, len(each))]]
    return _shuffled(keys, plan)[: _count_of(plan.share, len(keys))]


def _shuffled(keys: list[_Key], plan: SplitPlan) -> list[_Key]:
    shuffled = sorted(keys, key=repr)
    random.Random(f"{plan.seed}/plan").shuffle(shuffled)
    return shuffled


def _count_of(share: float, count: int) -> int:
    return min(max(1, round(share * count)), count - 1)


def is_trained(side: str) -> bool:
    """Whether rows of this part of a file are trained on; those of any other are held out."""
    return side.strip().lower() in ("", TRAIN, "training")


def _key(example: Example | Preference) -> _Key:
    return example.group or _first_exchange(example)


def _whole(example: Example | Preference) -> _Exchange:
    return example.messages, _answer(example)


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
