"""Answers many prompts at once, greedily, with one edit or with the base model alone: the rows of one batch are the prompts."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from reft_engine.base import checks
from reft_engine.base.loading import Base
from reft_engine.errors import BusyError, ReftError
from reft_engine.inference.engine import InferenceEngine
from reft_engine.inference.prompts import Answerer, Prompt, check_writers, column_prompts, rule_of
from reft_engine.inference.requests import EVERYTHING, Request
from reft_engine.tokens.prompts import EncodedPrompt
from reft_engine.trainable import Trainable


@dataclass(frozen=True, slots=True)
class Answer:
    """The text of an answer, and its token ids with the one that ended it, if one did."""

    text: str
    ids: tuple[int, ...] = ()


def answer_rows(
    base: Base, prompts: Sequence[Prompt], reft: Trainable | None = None, *, edited: bool = True, max_new_tokens: int = 64
) -> list[str]:
    """Answer each prompt as `generate` does at temperature 0, all of them in one running batch; in float32 the texts are the same.

    A decoder reads prompts of different lengths padded on the left. If it takes no positions (BLOOM), and behind PEFT's virtual tokens,
    the prompts are read one after another, and each is answered in passes of its own.

    Args:
        base: the frozen base model.
        prompts: as in `stream`, at least one.
        reft: what answers; None is the base model alone.
        edited: False lets the base model answer, without the marks that the positions of ``reft`` may read in the prompts.
        max_new_tokens: for each answer, at least 1; an answer also ends where the base model's context ends.

    Raises:
        ConfigError, DataError: as from `stream`, for one of the prompts; there is none.
    """
    return [answer.text for answer in write_answers(base, prompts, reft, edited=edited, max_new_tokens=max_new_tokens)]


def write_answers(
    base: Base, prompts: Sequence[Prompt], reft: Trainable | None, *, edited: bool, max_new_tokens: int,
    begun: Sequence[tuple[int, ...]] = (), exclusive: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> list[Answer]:  # fmt: skip
    """As `answer_rows`, with the tokens of each answer.

    ``begun`` are the first tokens of each answer where they are known, fewer than ``max_new_tokens``; an encoder-decoder writes them anew.
    ``exclusive`` is entered around every pass, so that others can use the base model in between.
    """
    engine = InferenceEngine(base, limits=EVERYTHING, turn=exclusive)
    model = reft if edited else None
    check_writers(base, [reft])
    requests = [
        engine.submit(prompt, [model], max_new_tokens=max_new_tokens, begun=first, rules=[rule_of(reft)])
        for prompt, first in zip_longest(checks.as_list(prompts, "prompts"), begun, fillvalue=())
    ]  # fmt: skip
    engine.finish()
    return [Answer(request.texts()[0], request.ids()) for request in requests]


_LISTS = 4
"""Lists that one asker can have answered at once, and still ask for more."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A prompt of a list, what is to answer it, and how many tokens each answer may have; None is the base model alone.

    ``more`` is whatever else `InferenceEngine.submit` takes, such as ``sampling``, and ``strength`` for each column.
    """

    prompt: Prompt
    models: Sequence[Answerer | None] = (None,)
    max_new_tokens: int = 64
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Written:
    """The answers to one prompt, a text for each column, and the request that they were written for, which says how each ended.

    ``error`` says why it was not asked, such as a prompt that is too long, or what went wrong with it; then there is neither.
    """

    texts: list[str]
    request: Request | None = None
    error: Exception | None = None


def answers_in_order(
    engine: InferenceEngine, asked: Iterable[Asked], *, owner: str = "", should_stop: Callable[[], bool] = lambda: False
) -> Generator[list[str], None, None]:
    """As `written_in_order`, with the texts alone.

    Raises:
        BusyError, ConfigError, DataError: as from `InferenceEngine.submit`, for one of the prompts; or what went wrong with it.
    """
    with closing(written_in_order(engine, asked, owner=owner, should_stop=should_stop)) as found:
        for each in found:
            if each.error is not None:
                raise each.error
            yield each.texts


def written_in_order(
    engine: InferenceEngine, asked: Iterable[Asked | ReftError], *, owner: str = "", should_stop: Callable[[], bool] = lambda: False
) -> Generator[Written, None, None]:
    """Answer a list of prompts, as rows in the background of a running batch that others use too; for each prompt its answers.

    They come in the order of the prompts; as many are asked ahead as keep the batch full. Closing the iterator cancels the rest, and
    ``should_stop``, asked before every token, ends it early; the answers that come then may be cut. A prompt that is refused, or whose
    passes fail, does not hold up the others; an error among those that are ``asked`` stands for one that was refused before.

    Raises:
        BusyError: too many requests of others wait.
    """
    ahead, waiting = max(1, min(2 * engine.limits.rows, engine.limits.waiting_of_one // _LISTS)), deque[Request | ReftError]()

    def submitted(each: Asked | ReftError) -> Request | ReftError | None:
        try:
            return _submitted(engine, each, owner, should_stop)
        except BusyError:
            if waiting:  # some of those who wait are of this list
                return None
            raise

    try:
        for each in asked:
            while len(waiting) >= ahead or (request := submitted(each)) is None:
                yield _written(waiting.popleft())
                if should_stop():
                    return
            waiting.append(request)
        while waiting and not should_stop():
            yield _written(waiting.popleft())
    finally:
        for left in waiting:
            if isinstance(left, Request):
                left.cancel()


def _submitted(engine: InferenceEngine, each: Asked | ReftError, owner: str, should_stop: Callable[[], bool]) -> Request | ReftError:
    """The request, or why the prompt is refused. Raises BusyError."""
    if isinstance(each, ReftError):
        return each
    try:
        return engine.submit(
            each.prompt, list(each.models), max_new_tokens=each.max_new_tokens, owner=owner, background=True, should_stop=should_stop,
            **each.more,
        )  # fmt: skip
    except BusyError:
        raise
    except ReftError as error:
        return error


def _written(request: Request | ReftError) -> Written:
    if isinstance(request, ReftError):
        return Written([], error=request)
    try:
        return Written(request.texts(), request)
    except Exception as error:
        if error is not request.error:
            raise
        return Written([], error=error)


def encode_prompt(base: Base, prompt: Prompt, reft: Trainable | None) -> EncodedPrompt:
    """The token ids of a prompt, and those that ``reft`` edits. Raises ConfigError or DataError, as `stream` does."""
    return column_prompts(base, prompt, [rule_of(reft)])[0]
