"""Few-shot prompts: training rows as earlier turns before a conversation, in the model's own chat template; nothing is trained."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from reft_engine.base import checks
from reft_engine.base.loading import Base
from reft_engine.base.templates import render
from reft_engine.data import AnyExample, LooseRow, Message, Preference, answers_of, as_rows
from reft_engine.errors import DataError
from reft_engine.inference.engine import InferenceEngine
from reft_engine.inference.prompts import check_writers, column_prompts
from reft_engine.inference.requests import Request
from reft_engine.inference.sampling import Sampling
from reft_engine.tokens.examples import ids_of_answer, with_prompts
from reft_engine.tokens.prompts import without_marks
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
    """

    messages: tuple[Message, ...]
    used: tuple[int, ...]
    left_out: int
    refused: int
    altered: tuple[int, ...]
    prompt_tokens: int
    shot_tokens: int


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
    marked: bool = False,
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

    Raises:
        ConfigError, DataError: as from `stream`, for the conversation alone.
        DataError: none of the drawn rows can be a turn before it, such as where the chat template refuses earlier turns.
    """
    check_writers(base, [None])
    checks.whole_number(shots, "shots", 0)
    checks.whole_number(max_new_tokens, "max_new_tokens", 1)
    conversation = (Message("user", messages),) if isinstance(messages, str) else tuple(messages)
    if marked:
        conversation = without_marks(conversation)
    alone = len(column_prompts(base, conversation, [None])[0].ids)
    indices = list(range(min(shots, len(rows)))) if seed is None else draw_rows(len(rows), shots, seed)
    asking = with_prompts(base, [_answered(row) for row in as_rows(rows[index] for index in indices)])
    turns = dict(zip(indices, go_on(asking, partial(_all_turns, marked)), strict=True))
    fitting = _Fitting(base, conversation, base.context - max_new_tokens if base.kind == "decoder" else base.context)
    used = fitting.choose(turns)
    refused = fitting.errors
    if refused and len(refused) == len(turns):
        raise DataError(
            "The rows cannot be shown to {base} as earlier turns: {reason}", kind="few_shot.refused", base=base.name, reason=str(refused[0])
        ) from refused[0]
    shown = fitting.messages(list(used.values()))
    tokens = len(column_prompts(base, shown, [None])[0].ids)
    if used and tokens == alone:
        raise DataError(
            "The chat template of {base} leaves out earlier turns, so no rows can be shown before a conversation.",
            kind="few_shot.ignored", base=base.name,
        )  # fmt: skip
    text = render(base, shown, True)
    altered = tuple(index for index, row in used.items() if any(answer not in text for answer in _answers(row)))
    return FewShotPrompt(shown, tuple(used), len(turns) - len(used) - len(refused), len(refused), altered, tokens, tokens - alone)


_Turns = tuple[Message, ...]


class _Fitting:
    """Chooses the rows for which there is room before a conversation; ``errors`` are those of rows that cannot be shown."""

    def __init__(self, base: Base, conversation: _Turns, room: int) -> None:
        self._base, self._room = base, room
        system = [index for index, message in enumerate(conversation[:1]) if message.role == "system"]
        self._before, self._after = conversation[: len(system)], conversation[len(system) :]
        self.errors: list[DataError] = []

    def messages(self, turns: Sequence[_Turns]) -> _Turns:
        """The conversation behind the turns of rows, its system message first."""
        return (*self._before, *(message for row in turns for message in row), *self._after)

    def choose(self, turns: dict[int, _Turns | DataError]) -> dict[int, _Turns]:
        """The rows that fit, in their order: all, or each that fits behind those before it."""
        every = {index: row for index, row in turns.items() if not isinstance(row, DataError)}
        try:
            if len(every) == len(turns) and self._fit(list(every.values())):
                return every
        except DataError:
            pass  # of one of them; which one is found below
        used: dict[int, _Turns] = {}
        for index, row in turns.items():
            try:
                if isinstance(row, DataError):
                    raise row
                if self._fit([*used.values(), row]):
                    used[index] = row
            except DataError as error:
                self.errors.append(error)
        return used

    def _fit(self, turns: Sequence[_Turns]) -> bool:
        return len(column_prompts(self._base, self.messages(turns), [None])[0].ids) <= self._room


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


def _answers(turns: _Turns) -> list[str]:
    """What the assistant says, without white space around it, which templates trim."""
    return [message.content.strip() for message in turns if message.role == "assistant"]


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
