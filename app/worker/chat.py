"""Chats: the columns of a conversation, answered as rows of the running batch that everybody shares."""

import time
from collections.abc import Callable
from typing import Any

from app.words import say
from app.worker.columns import Answering, prepared, read_messages
from app.worker.messages import ChatRequest, Sampled
from app.worker.resident import Resident
from reft_engine.base import Base
from reft_engine.inference import Request, Sampling
from storage import StorageError

Line = dict[str, Any]


def submit(resident: Resident, request: ChatRequest, on_place: Callable[[int], None]) -> Request:
    """Ask the running batch for the answers of all columns, which begin together.

    Raises:
        ReftError, StorageError: a run has no result, the columns are of different base models, or the conversation cannot be answered.
    """
    base, columns = prepare(resident, request)
    own = [read_messages(column.messages or request.messages) for column in request.columns]
    return resident.engine(base).submit(
        own[0], [column.model for column in columns], prompts=None if all(each == own[0] for each in own) else own,
        strength=[column.strength for column in request.columns], switches=[column.switches for column in columns],
        max_new_tokens=request.max_new_tokens, owner=request.owner,
        sampling=sampling_of(request), on_place=on_place,
    )  # fmt: skip


def prepare(resident: Resident, request: Sampled) -> tuple[Base, list[Answering]]:
    """The base model that answers, and what answers in each column. Raises ReftError, StorageError, as `submit` does."""
    columns = [prepared(resident, column) for column in request.columns]
    base = next((column.base for column in columns if column.base), None) or resident.base(request.base)
    if any(column.base not in (None, base) for column in columns):
        raise StorageError(say("engine.different_bases"))
    return base, columns


def sampling_of(request: Sampled) -> Sampling:
    """How the answers to a request are drawn."""
    return Sampling(
        temperature=request.temperature, top_p=request.top_p, seed=request.seed, repetition_penalty=request.repetition_penalty,
        stop=tuple(request.stop),
    )  # fmt: skip


def lines(asked: Request, put: Callable[[Line], None]) -> None:
    """Put each piece of an answer as ``{"column", "text", "ended"}``; the last piece of a column says how it ended and what it cost."""
    begun = time.monotonic()
    for delta in asked:
        line: Line = {"column": delta.column, "text": delta.text, "ended": delta.ended}
        if delta.ended:
            line |= {
                "ending": asked.ending(delta.column), "ids": asked.ids(delta.column), "prompt_tokens": asked.prompt_tokens(delta.column),
                "seconds": time.monotonic() - begun,
            }  # fmt: skip
        put(line)
    put({"done": True})
