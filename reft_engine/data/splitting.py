"""Divides rows into training rows and held-out rows, which measure what was learned; as the file says, or by chance."""

import random
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

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
    training, held_out = sides_of(examples).indices(share, seed)
    return training.tolist(), held_out.tolist()


def trained_indices(examples: Iterable[AnyExample], held_out: Iterable[int]) -> Any:
    """The indices of the examples that have nothing to do with the held-out ones, as an array; each is looked at once and not kept.

    Left out are the held-out examples themselves, equal ones, the other answers of their chats and the other rows of their groups, and,
    where the file divides its rows, all that it does not train on. The sides of a run whose held-out rows alone are known.

    Args:
        examples: all examples of a file.
        held_out: the indices of those that are measured.
    """
    import numpy as np

    keys, wholes, trained = array("q"), array("q"), bytearray()
    for example in examples:
        whole = _whole(example)
        keys.append(hash(example.group or _first_exchange(example, whole)))
        wholes.append(hash(whole))
        trained.append(not example.split or is_trained(example.split))
    key, of_whole, chosen = np.asarray(keys, np.int64), np.asarray(wholes, np.int64), np.frombuffer(trained, np.bool_)
    places = np.asarray([place for place in held_out if 0 <= place < len(key)], np.int64)
    beside = np.isin(key, key[places]) | np.isin(of_whole, of_whole[places])
    return np.flatnonzero(~beside & (chosen if chosen.any() else True))


def sides_of(examples: Iterable[AnyExample]) -> "Sides":
    """What decides on which side each of these examples is; each is looked at once and not kept."""
    keys = SideKeys()
    for example in examples:
        keys.add(example)
    return keys.sides()


class SideKeys:
    """Remembers by hashes which examples belong together and which are equal, and which of them the file trains on."""

    def __init__(self) -> None:
        self._keys, self._wholes = array("q"), array("q")
        self._training = bytearray()

    def add(self, example: AnyExample) -> None:
        """Take one example into account."""
        whole = _whole(example)
        key = example.group or _first_exchange(example, whole)
        self._keys.append(hash(key))
        self._wholes.append(self._keys[-1] if key is whole else hash(whole))
        self._training.append(not example.split or is_trained(example.split))

    def sides(self) -> "Sides":
        """What they decide, without the hashes."""
        import numpy as np

        keys, wholes = np.asarray(self._keys, np.int64), np.asarray(self._wholes, np.int64)
        training = np.frombuffer(self._training, np.bool_)
        if 0 < training.sum() < len(training):
            trained_on, others = np.flatnonzero(training), np.flatnonzero(~training)
            measured = np.sort(others[np.unique(wholes[others], return_index=True)[1]])[:HELD_OUT_LIMIT]
            return Sides(None, None, 0, (trained_on.astype(np.uint32), measured.astype(np.uint32)))
        groups, count = numbered(keys)
        with np.errstate(over="ignore"):
            within = keys * np.int64(1_000_003) ^ wholes  # equal rows of one group
        first = np.zeros(len(keys), np.bool_)
        first[np.unique(within, return_index=True)[1]] = True
        return Sides(groups, first, count)


def numbered(keys: Any) -> tuple[Any, int]:
    """Numbers from 0 for equal keys, in the order in which they first come, and how many there are; arrays of one dimension."""
    import numpy as np

    _, begins, places = np.unique(keys, return_index=True, return_inverse=True)
    numbers = np.empty(len(begins), np.uint32)
    numbers[np.argsort(begins)] = np.arange(len(begins), dtype=np.uint32)
    return numbers[places], len(begins)


@dataclass(frozen=True, slots=True, eq=False)
class Sides:
    """What decides on which side each example is, in five bytes an example: any share and seed divides them without the examples.

    Attributes:
        groups: for each example the number of what it belongs to, counted in the order of the file; ``count`` of them.
        first: for each example whether none of its group before it is equal.
        own: where the file itself divides its rows, the indices of the training rows and of the held-out rows.
    """

    groups: Any
    first: Any
    count: int
    own: tuple[Any, Any] | None = None

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return sum(int(each.nbytes) for each in (self.groups, self.first, *(self.own or ())) if each is not None)

    def indices(self, share: float, seed: int) -> tuple[Any, Any]:
        """See `split_indices`; arrays of integers."""
        import numpy as np

        if self.own is not None:
            return self.own
        if share <= 0 or self.count < 4:
            return np.arange(len(self.groups)), np.arange(0)
        drawn = list(range(self.count))
        random.Random(f"{seed}/split").shuffle(drawn)
        drawn = drawn[: min(max(1, round(share * self.count)), HELD_OUT_LIMIT, self.count - 1)]
        order = np.full(self.count, -1)
        order[drawn] = np.arange(len(drawn))
        places = order[self.groups]
        measured = np.flatnonzero((places >= 0) & self.first)
        return np.flatnonzero(places < 0), measured[np.argsort(places[measured], kind="stable")][:HELD_OUT_LIMIT]


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
    """Examples with their side written into `Example.split`; see `held_out_by`."""
    sides = held_out_by(examples, plan)
    return [replace(example, split=HELD_OUT if held_out else TRAIN) for example, held_out in zip(examples, sides, strict=True)]


def held_out_by(examples: Iterable[AnyExample], plan: SplitPlan) -> list[bool]:
    """For each example whether a plan holds it out; equal rows and the answers of a chat are on one side.

    Each example is looked at once and not kept.

    Raises:
        DataError: there are too few rows, no groups, or only one.
    """
    keys, answers, has_groups = array("q"), array("q"), False
    for example in examples:
        keys.append(hash(example.group if plan.method == "group" else _key(example)))
        answers.append(hash(answers_of(example)))
        has_groups = has_groups or bool(example.group)
    if plan.method == "group" and not has_groups:
        raise DataError("No column says to which group a row belongs. Give one the role group first.", kind="split.no_group")
    groups, count = numbered(keys)
    if count < 2:
        raise DataError("There is nothing to divide: all rows belong together.", kind="split.single")
    held_out = _drawn(groups, count, answers, plan)
    return [number in held_out for number in groups.tolist()]


def _drawn(groups: Any, count: int, answers: "array[int]", plan: SplitPlan) -> set[int]:
    """The numbers of the groups on the held-out side: at least one, never all."""
    if plan.method == "last":
        return set(range(count - _count_of(plan.share, count), count))
    draw = random.Random(f"{plan.seed}/plan")
    if plan.method != "stratified":
        return set(_shuffled(range(count), draw)[: _count_of(plan.share, count)])
    strata: dict[int, list[int]] = {}
    for number, answer in dict(zip(reversed(groups.tolist()), reversed(answers), strict=True)).items():  # of a group its first answer
        strata.setdefault(answer, []).append(number)
    # A stratum of one row cannot be on both sides; it is trained on.
    strata_of_several = sorted(sorted(each) for each in strata.values() if len(each) > 1)
    return {number for each in strata_of_several for number in _shuffled(each, draw)[: _count_of(plan.share, len(each))]}


def _shuffled(numbers: Iterable[int], draw: random.Random) -> list[int]:
    shuffled = list(numbers)
    draw.shuffle(shuffled)
    return shuffled


def _count_of(share: float, count: int) -> int:
    return min(max(1, round(share * count)), count - 1)


def is_trained(side: str) -> bool:
    """Whether rows of this part of a file are trained on; those of any other are held out."""
    return side.strip().lower() in ("", TRAIN, "training")


def side_key(example: AnyExample) -> int:
    """A hash of what keeps examples on one side: equal in this process for those of a group, equal rows, and the answers of a chat."""
    return hash(_key(example))


def _key(example: Example | Preference) -> _Key:
    return example.group or _first_exchange(example, _whole(example))


def _whole(example: Example | Preference) -> _Exchange:
    return example.messages, _answer(example)


def _answer(example: Example | Preference) -> str:
    return example.answer if isinstance(example, Example) else example.chosen


def _first_exchange(example: Example | Preference, whole: _Exchange) -> _Exchange:
    """A chat up to its first answer, which the prompts of its later answers begin with; ``whole`` if it has no earlier answer."""
    user_spoke = False
    for index, message in enumerate(example.messages):
        if message.role == "assistant" and user_spoke:
            return example.messages[:index], message.content
        user_spoke = user_spoke or message.role == "user"
    return whole
