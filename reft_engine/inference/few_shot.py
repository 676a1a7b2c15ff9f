"""Few-shot prompts: training rows as earlier turns before a conversation, in the model's own chat template; nothing is trained."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from reft_engine.base import checks
from reft_engine.base.loading import Base
from reft_engine.base.templates import Renderer
from reft_engine.data import AnyExample, LooseRow, Message, Preference, answers_of, as_rows
from reft_engine.errors import DataError, StoppedError
from reft_engine.inference.engine import InferenceEngine
from reft_engine.inference.prompts import check_writers, column_prompts
from reft_engine.inference.requests import Request
from reft_engine.inference.sampling import Sampling
from reft_engine.tokens.examples import ids_of_answer, with_prompts
from reft_engine.tokens.prompts import read_conversations, without_marks
from reft_engine.tokens.together import go_on


@dataclass(frozen=True, slots=True)
class FewShotPrompt:
    """A conversation behind rows that show what is wanted.

    Attributes:
        messages: what is to be answered; without rows the conversation itself.
        used: indices of the rows that are shown, in their order.
        left_out: how many of the drawn rows have no room beside conversation and answer.
        refused: how many of the drawn rows the chat template refuses, or can be no turns.
        altered: those of ``used`` of whose answers the template shows less than there is, such as none of their reasoning.
        prompt_tokens: tokens of the prompt.
        shot_tokens: how many more they are than those of the conversation alone.
        after_tokens: those of them that stand behind the rows; a cache that holds all others holds the rows.
    """

    messages: tuple[Message, ...]
    used: tuple[int, ...]
    left_out: int
    refused: int
    altered: tuple[int, ...]
    prompt_tokens: int
    shot_tokens: int
    after_tokens: int


def draw_rows(count: int, shots: int, seed: int) -> list[int]:
    """The indices of at most ``shots`` of ``count`` rows, in an order by the seed; those of fewer shots are the first of those of more."""
    order = random.Random(f"{checks.seed_of(seed)}/shots")
    return order.sample(range(count), count)[:shots] if count <= _SHUFFLED else _spread(order, count, shots)


_SHUFFLED = 100_000
"""Rows of which all are shuffled; of more, rows are drawn one after another."""


def _spread(order: random.Random, count: int, shots: int) -> list[int]:
    chosen: dict[int, None] = {}
    while len(chosen) < min(shots, count):
        chosen.setdefault(order.randrange(count))
    return list(chosen)


def with_shots(
    base: Base, messages: str | Sequence[Message], rows: Sequence[LooseRow], shots: int, max_new_tokens: int, *, seed: int | None = 0,
    marked: bool = False, should_stop: Callable[[], bool] = lambda: False,
) -> FewShotPrompt:  # fmt: skip
    """Put rows before a conversation as earlier turns, as many of those drawn as leave room for the answer.

    The conversation's own system message is the only one: those of rows are left out, so that few-shot is asked under the same instruction
    as the columns beside it. Of a preference pair the preferred answer is shown, of plain text the end as answer to its beginning.

    Args:
        base: the base model.
        messages: the conversation, or a user's text.
        rows: training rows, of which ``shots`` are drawn by the seed; never held-out ones.
        shots: number of rows; 0 gives the conversation itself.
        max_new_tokens: room that is left for the answer, where prompt and answer share the context.
        seed: draws the rows and their order; None takes the first ones as they stand.
        marked: remove the marks of edited text, ``<reft>`` and ``</reft>``, since nothing is edited here.
        should_stop: asked while rows are measured, every few of them.

    Raises:
        ConfigError, DataError: as from `stream`, for the conversation alone.
        DataError: none of the drawn rows can be a turn before it, such as where the chat template refuses earlier turns.
        StoppedError: it was told to stop.
    """
    check_writers(base, [None])
    checks.whole_number(shots, "shots", 0)
    checks.whole_number(max_new_tokens, "max_new_tokens", 1)
    conversation = (Message("user", messages),) if isinstance(messages, str) else tuple(messages)
    if marked:
        conversation = without_marks(conversation)
    alone = column_prompts(base, conversation, [None])[0].ids
    indices = list(range(min(shots, len(rows)))) if seed is None else draw_rows(len(rows), shots, seed)
    asking = with_prompts(base, [_answered(row) for row in as_rows(rows[index] for index in indices)])
    turns = dict(zip(indices, go_on(asking, partial(_all_turns, marked)), strict=True))
    room = base.context - max_new_tokens if base.kind == "decoder" else base.context
    fitting = _Fitting(base, conversation, len(alone), room, should_stop)
    used = fitting.choose(turns)
    refused = fitting.errors
    if refused and len(refused) == len(turns):
        raise DataError(
            "The rows cannot be shown to {base} as earlier turns: {reason}", kind="few_shot.refused", base=base.name, reason=str(refused[0])
        ) from refused[0]
    shown = fitting.messages(list(used.values()))
    ids = column_prompts(base, shown, [None])[0].ids
    if used and len(ids) == len(alone):
        raise DataError(
            "The chat template of {base} leaves out earlier turns, so no rows can be shown before a conversation.",
            kind="few_shot.ignored", base=base.name,
        )  # fmt: skip
    renderer = Renderer(base)
    altered = tuple(index for index, row in used.items() if _is_altered(renderer, fitting.before, row))
    left_out = len(turns) - len(used) - len(refused)
    return FewShotPrompt(shown, tuple(used), left_out, len(refused), altered, len(ids), len(ids) - len(alone), _common_end(ids, alone))


def _common_end(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens both end with."""
    pairs = zip(reversed(one), reversed(other), strict=False)
    return next((count for count, (mine, yours) in enumerate(pairs) if mine != yours), min(len(one), len(other)))


_Turns = tuple[Message, ...]
_ASKING: _Turns = (Message("user", "?"),)
"""What a row stands before while it is looked at alone."""
_MEASURED = 32
"""Rows that are measured together."""
_UNSURE = 8
"""Tokens by which a row may be shorter or longer among others than alone, where tokens merge across its ends."""
_RIGHT = 16
"""So many rows in a row that are as long among others as alone show that nothing merges there."""


class _Fitting:
    """Chooses the rows for which there is room before a conversation; ``errors`` are those of rows that cannot be shown."""

    def __init__(self, base: Base, conversation: _Turns, alone: int, room: int, should_stop: Callable[[], bool]) -> None:
        self._base, self._alone, self._room, self._should_stop = base, alone, room, should_stop
        system = [index for index, message in enumerate(conversation[:1]) if message.role == "system"]
        self.before, self._after = conversation[: len(system)], conversation[len(system) :]
        self.errors: list[DataError] = []

    def messages(self, turns: Sequence[_Turns]) -> _Turns:
        """The conversation behind the turns of rows, its system message first."""
        return (*self.before, *(message for row in turns for message in row), *self._after)

    def choose(self, turns: dict[int, _Turns | DataError]) -> dict[int, _Turns]:
        """The rows that fit, in their order: each that fits behind those before it.

        A prompt that holds all of them is not tokenised for each: a row's own tokens decide, unless it comes near to what there is room
        for. What was chosen so is checked once, in one prompt; where that does not hold, each row is tried in the prompt itself.
        """
        sizes = self._sizes(turns)
        used = self._chosen(turns, sizes)
        if not self._holds(list(used.values())):
            used = self._chosen(turns, {})
        return used

    def _sizes(self, turns: dict[int, _Turns | DataError]) -> dict[int, int]:
        """How many tokens each row adds to a short conversation; a row that cannot be shown there has no size."""
        rows = [(index, row) for index, row in turns.items() if not isinstance(row, DataError)]
        sizes = dict[int, int]()
        (short,) = read_conversations(self._base, [_ASKING])
        if isinstance(short, DataError):
            return sizes
        for begin in range(0, len(rows), _MEASURED):
            self._go_on()
            some = rows[begin : begin + _MEASURED]
            for (index, _), prompt in zip(some, read_conversations(self._base, [(*row, *_ASKING) for _, row in some]), strict=True):
                if not isinstance(prompt, DataError):
                    sizes[index] = len(prompt.ids) - len(short.ids)
        return sizes

    def _chosen(self, turns: dict[int, _Turns | DataError], sizes: dict[int, int]) -> dict[int, _Turns]:
        """The rows that fit by their sizes, and by the prompt itself where these do not tell, or there are none."""
        used: dict[int, _Turns] = {}
        total, step, right = self._alone, _UNSURE, 0
        unsure = step
        self.errors = []
        for index, row in turns.items():
            if isinstance(row, DataError):
                self.errors.append(row)
                continue
            expected = total + sizes[index] if index in sizes else None
            if expected is not None and expected > self._room + unsure:
                continue
            if expected is not None and expected <= self._room - unsure:
                used[index], total, unsure = row, expected, unsure + step
                continue
            self._go_on()
            try:
                length = self._length([*used.values(), row])
            except DataError as error:
                self.errors.append(error)
                continue
            right = right + 1 if length == expected else 0
            step = 0 if right >= _RIGHT else _UNSURE
            if length <= self._room:
                used[index], total = row, length
            elif unsure > step:  # how long it is without the row is known better now
                total = self._length(list(used.values())) if used else self._alone
            unsure = step
        return used

    def _holds(self, turns: Sequence[_Turns]) -> bool:
        """Whether there is room for all of these, as the sizes of each have said."""
        try:
            return not turns or self._length(turns) <= self._room
        except DataError:
            return False

    def _length(self, turns: Sequence[_Turns]) -> int:
        return len(column_prompts(self._base, self.messages(turns), [None])[0].ids)

    def _go_on(self) -> None:
        if self._should_stop():
            raise StoppedError("Stopped before the rows were chosen.", kind="few_shot.stopped")


def _answered(row: AnyExample) -> AnyExample:
    return row.preferred if isinstance(row, Preference) else row


def _all_turns(marked: bool, rows: Sequence[AnyExample]) -> list[_Turns | DataError]:
    turns = [_turns(row) for row in rows]
    return [without_marks(row) if marked and not isinstance(row, DataError) else row for row in turns]


def _turns(row: AnyExample) -> _Turns | DataError:
    """The turns of a row without its system message; a chat has its earlier answers among them."""
    messages, (answer, *_) = tuple(message for message in row.messages if message.role != "system"), answers_of(row)
    if not messages or messages[-1].role != "user" or not messages[-1].content.strip() or not answer.strip():
        return DataError("Line {line}: the row has no question with an answer.", kind="few_shot.row", line=row.line)
    return (*messages, Message("assistant", answer))


def _is_altered(renderer: Renderer, before: _Turns, turns: _Turns) -> bool:
    """Whether the template shows less of a row's answers than there is, white space around them aside, which templates trim.

    A sign is shown in the place of each answer; with the answer put back, the text must be that of the row itself.
    """

    def text(row: Sequence[Message]) -> str:
        return renderer((*before, *row, *_ASKING), True)

    shown = text(turns)
    signs = {place: _sign(shown, place) for place, message in enumerate(turns) if message.role == "assistant"}
    put_back = trimmed = text([Message(each.role, signs.get(place, each.content)) for place, each in enumerate(turns)])
    for place, sign in signs.items():
        put_back = put_back.replace(sign, turns[place].content)
        trimmed = trimmed.replace(sign, turns[place].content.strip())
    return shown not in (put_back, trimmed)


def _sign(text: str, number: int) -> str:
    """What does not stand in a text, another for each number."""
    sign = f"\ue005{number}\ue006"
    while sign in text:
        sign = f"\ue005{sign}\ue006"
    return sign


def score_labels(engine: InferenceEngine, messages: Sequence[Message], labels: Sequence[str], *, owner: str = "") -> dict[str, float]:
    """The mean log-probability of each label's tokens as the answer, the likeliest label first.

    Without it few-shot is handicapped beside a method that can only answer by a label; by the mean, a longer one is not at a disadvantage.
    Source: arXiv 2205.05638 (length normalisation).

    Raises:
        BusyError: too many requests wait; those of the other labels are ended.
        ConfigError, DataError: as from `stream`.
    """
    at_once = max(1, engine.limits.waiting_of_one // _ASKERS)
    means: dict[str, float] = {}
    for begin in range(0, len(labels), at_once):
        means |= _means(engine, messages, labels[begin : begin + at_once], owner)
    return dict(sorted(means.items(), key=lambda each: -each[1]))


_ASKERS = 4
"""Lists of labels that one asker can have scored at once."""


def _means(engine: InferenceEngine, messages: Sequence[Message], labels: Sequence[str], owner: str) -> dict[str, float]:
    scored, asked = Sampling(log_probabilities=0), list[Request]()
    try:
        for label in labels:
            ids = ids_of_answer(engine.base, label)
            asked.append(engine.submit(messages, given=ids, sampling=scored, owner=owner, background=True))
        found = [[token.log_probability for delta in request for token in delta.tokens] for request in asked]
    finally:
        for request in asked:
            if not request.ended:  # another one was refused, or has failed
                request.cancel()
    return {label: sum(tokens) / len(tokens) for label, tokens in zip(labels, found, strict=True)}


def pays_off_after(trained_tokens: float, shot_tokens: int) -> int | None:
    """After how many answers an edit has cost less than shots that are read anew for each: 2 * trained_tokens / shot_tokens.

    A token that is trained on costs 4N operations (forward, and backward without gradients of weights) for N parameters, one that is read
    2N. Where the shots' keys and values stay in a cache, an answer reads nearly none of them, and the edit does not pay off in this way.

    Args:
        trained_tokens: tokens that training has read, epochs * rows * tokens of a row.
        shot_tokens: tokens of the shots that an answer reads anew.

    Returns None if there are none.
    """
    return math.ceil(2 * trained_tokens / shot_tokens) if shot_tokens > 0 else None
