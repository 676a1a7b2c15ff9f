"""Chats: the columns of a conversation, answered as rows of the running batch that everybody shares."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from app.people.visitor import asker
from app.words import say
from app.worker.columns import Answering, check_one_base, prepared, read_messages, same_base
from app.worker.costs import cost_of_shots, cost_of_store
from app.worker.instant import instant
from app.worker.messages import ChatColumn, ChatMessage, ChatRequest, Sampled
from app.worker.resident import Resident
from app.worker.shots import few_shot
from reft_engine import Message
from reft_engine.base import Base
from reft_engine.inference import Blending, Request, Sampling
from storage import StorageError

Line = dict[str, Any]
Put = Callable[[Line], None]


@dataclass(frozen=True, slots=True)
class Column:
    """A column that is ready to answer: what answers, what it reads, and what adjusts its logits."""

    answering: Answering
    messages: list[Message]
    adjust: Blending | None = None
    cost: Callable[[Line], Line] = lambda line: {}
    """What is to be said of it once it has answered, besides its tokens and seconds, which it is given."""


def ready(
    resident: Resident, column: ChatColumn, messages: Sequence[ChatMessage], max_new_tokens: int, put: Put, should_stop: Callable[[], bool]
) -> Column:  # fmt: skip
    """Make a column ready, telling as ``{"reading", "of"}`` how many rows are read where a store of them is built.

    Raises ReftError, StorageError.
    """
    read = read_messages(column.messages or messages)
    if column.run is not None and column.kind == "few_shot":
        shown = few_shot(resident, column.run, read, column.shots, column.seed, max_new_tokens, should_stop)
        return Column(Answering(shown.base), list(shown.messages), cost=lambda line: cost_of_shots(shown, line))
    if column.run is not None and column.kind == "instant":
        found = instant(resident, column.run, column.blend, tells_reading(put), should_stop)
        return Column(Answering(found.base), read, found.adjust, lambda line: cost_of_store(found))
    return Column(prepared(resident, column), read)


def tells_reading(put: Put) -> Callable[[int, int], None]:
    """Puts how many rows are read, and of how many."""
    return lambda done, total: put({"reading": done, "of": total})


def runs_of(request: Sampled) -> list[str]:
    """The runs that the columns name."""
    return [run_id for column in request.columns for run_id in column.runs]


def base_of(resident: Resident, request: Sampled, columns: Sequence[Answering]) -> Base:
    """The base model of all columns. Raises ReftError, StorageError if they have several."""
    base = next((column.base for column in columns if column.base), None) or resident.base(request.base)
    if any(column.base and not same_base(column.base, base) for column in columns):
        raise StorageError(say("engine.different_bases"))
    return base


def told_of(request: Sampled, columns: Sequence[Column]) -> dict[str, Any]:
    """What `InferenceEngine.submit` is told of each column."""
    return {
        "prompts": [column.messages for column in columns], "adjust": [column.adjust for column in columns],
        "switches": [column.answering.switches for column in columns],
        "strength": [asked.strength if column.answering.model else 1.0 for asked, column in zip(request.columns, columns, strict=True)],
    }  # fmt: skip


def sampling_of(request: Sampled) -> Sampling:
    """How the answers to a request are drawn."""
    return Sampling(
        temperature=request.temperature, top_p=request.top_p, top_k=request.top_k, seed=request.seed,
        repetition_penalty=request.repetition_penalty, stop=tuple(request.stop),
    )  # fmt: skip


def submit(resident: Resident, request: ChatRequest, put: Put, should_stop: Callable[[], bool]) -> tuple[Request, list[Column]]:
    """Ask the running batch for the answers of all columns, which begin together; how many are answered before is put as ``{"place"}``.

    Raises:
        ReftError, StorageError: a run has no result, the columns are of different base models, or the conversation cannot be answered.
        BoundError: whoever asks was given as many tokens in this minute as they may have.
    """
    resident.meter.require(asker())
    check_one_base(resident, runs_of(request))
    columns = [ready(resident, column, request.messages, request.max_new_tokens, put, should_stop) for column in request.columns]
    base = base_of(resident, request, [column.answering for column in columns])
    asked = resident.engine(base).submit(
        columns[0].messages, [column.answering.model for column in columns], max_new_tokens=request.max_new_tokens, owner=asker(),
        sampling=sampling_of(request), on_place=lambda place: put({"place": place}), **told_of(request, columns),
    )  # fmt: skip
    return asked, columns


def answer(asked: Request, columns: list[Column], put: Put) -> None:
    """Put each piece of an answer as ``{"column", "text", "ended"}``; the last piece of a column says how it ended and what it cost.

    Its seconds are those since the request began: reading and writing, beside the other columns, and no time in the queue.
    """
    asked_at = time.monotonic()
    for delta in asked:
        line: Line = {"column": delta.column, "text": delta.text, "ended": delta.ended}
        if delta.ended:
            tokens = asked.tokens(delta.column)
            line |= {
                "ending": asked.ending(delta.column), "ids": asked.ids(delta.column), "prompt_tokens": tokens.prompt, "read": tokens.read,
                "seconds": time.monotonic() - (asked_at if asked.began is None else asked.began),
            }  # fmt: skip
            line |= columns[delta.column].cost(line)
        put(line)
    put({"done": True})
