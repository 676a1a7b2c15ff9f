"""Lists of prompts, answered as rows in the background of the running batch: by runs of any base models, and by columns of a chat."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from app.people.visitor import asker
from app.words import say, say_error
from app.worker.chat import base_of, runs_of, sampling_of, told_of
from app.worker.columns import check_one_base, read_messages, same_base
from app.worker.listed import list_column
from app.worker.messages import BatchRequest, GridPrompt, GridRequest
from app.worker.resident import Resident
from reft_engine import Message, ReftError, Trainable
from reft_engine.base import Base
from reft_engine.edits import Mix
from reft_engine.inference import Asked, Written, classify, written_in_order

_BESIDE, _MOST = 8, 512
"""Tokens of an answer beside those of the expected one, and at most."""
Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Listed:
    """Prompts, what is to answer each of them and how many tokens it may take, and what else `InferenceEngine.submit` is told."""

    models: Sequence[Trainable | Mix | None]
    prompts: Sequence[GridPrompt]
    lengths: Sequence[int]
    owner: str
    more: Mapping[str, Any] = field(default_factory=dict)
    of_each: Callable[[GridPrompt], Mapping[str, Sequence[Any]]] = lambda prompt: {}
    """What is told of each column at a prompt. May raise ReftError for a prompt, which then has a problem in place of answers."""


def fill_grid(resident: Resident, request: GridRequest, put: Callable[[Line], None], should_stop: Callable[[], bool]) -> None:
    """Put ``{"prompt", "answers"}`` as answers come, base model by base model: by run, and by ``base:NAME`` the base model's own.

    Raises NotFoundError, ReftError, BoundError.
    """
    resident.meter.require(asker())
    left = list(dict.fromkeys(request.runs))
    while left and not should_stop():
        base, models = _of_one_base(resident, left)
        left = [run_id for run_id in left if run_id not in models]
        names, lengths = [f"base:{base.name}", *models], [length_of(prompt, request.max_new_tokens) for prompt in request.prompts]
        asked = Listed([None, *models.values()], request.prompts, lengths, asker())
        for at, found in answer_list(resident, base, asked, should_stop):
            if problem := next((cell["problem"] for cell in found.values() if "problem" in cell), None):
                put({"error": problem})
                return
            put({"prompt": at, "answers": {names[column]: cell["text"] for column, cell in found.items()}})


def fill_batch(resident: Resident, request: BatchRequest, put: Callable[[Line], None], should_stop: Callable[[], bool]) -> None:
    """Put ``{"prompt", "column", "text", "ending", "tokens"}`` as answers come; ``problem`` in their place where a prompt was refused.

    Raises NotFoundError, ReftError, StorageError.
    """
    resident.meter.require(asker())
    check_one_base(resident, runs_of(request))
    columns = [list_column(resident, each, request.max_new_tokens, put, should_stop) for each in request.columns]
    base = base_of(resident, request, [column.answering for column in columns])
    asked = Listed(
        [column.answering.model for column in columns], request.prompts, [request.max_new_tokens] * len(request.prompts), asker(),
        {"sampling": sampling_of(request)}, lambda prompt: told_of(request, [column.at(messages_of(prompt)) for column in columns]),
    )  # fmt: skip
    for at, found in answer_list(resident, base, asked, should_stop):
        for column, cell in found.items():
            put({"prompt": at, "column": column, **cell})
    put({"done": True})


def answer_list(resident: Resident, base: Base, asked: Listed, should_stop: Callable[[], bool]) -> Iterator[tuple[int, dict[int, Line]]]:
    """Answer prompts as they come: for each what stands in its columns; a run that labels gives the likeliest label.

    What a prompt cannot be answered for is a ``problem`` in its columns, and the others are answered.

    Raises BusyError.
    """
    prompts = [messages_of(prompt) for prompt in asked.prompts]
    for column in (at for at, model in enumerate(asked.models) if _labels(model)):
        for at, messages in enumerate(prompts):
            if should_stop():
                return
            yield at, {column: _labelled(resident, base, asked.models[column], messages)}
    writers = [at for at, model in enumerate(asked.models) if not _labels(model)]
    if not writers:
        return
    models = [asked.models[at] for at in writers]

    def at_prompt(prompt: GridPrompt, messages: list[Message], length: int) -> Asked | ReftError:
        try:
            of_each = {name: [values[at] for at in writers] for name, values in asked.of_each(prompt).items()}
        except ReftError as error:
            return error
        return Asked(messages, models, length, {**asked.more, **of_each})

    each = (at_prompt(*one) for one in zip(asked.prompts, prompts, asked.lengths, strict=True))
    with closing(written_in_order(resident.engine(base), each, owner=asked.owner, should_stop=should_stop)) as answers:
        for at, written in enumerate(answers):
            resident.meter.spend(asked.owner, _tokens(written))
            yield at, {column: _cell(written, place) for place, column in enumerate(writers)}


def _cell(written: Written, place: int) -> Line:
    if written.request is None:
        return _problem(written.error)
    request = written.request
    return {"text": written.texts[place], "ending": request.ending(place), "tokens": len(request.ids(place))}


def _tokens(written: Written) -> int:
    """Tokens of prompts and answers."""
    request = written.request
    return 0 if request is None else sum(request.tokens(column).prompt + len(request.ids(column)) for column in range(request.size))


def _problem(error: Exception | None) -> Line:
    return {"problem": say_error(error) if isinstance(error, ReftError) else say("engine.could_not_answer")}


def _of_one_base(resident: Resident, run_ids: Sequence[str]) -> tuple[Base, dict[str, Trainable]]:
    """The first run's base model, and what those of the runs have learned that share it; for others it would have to make room."""
    base, first = resident.run(run_ids[0])
    models = {run_ids[0]: first}
    recorded = resident.recorded_base(resident.storage.runs.get(run_ids[0]))
    for run_id in run_ids[1:]:
        record = resident.storage.runs.get(run_id)
        if record.base == recorded.name and recorded.may_be(resident.recorded_base(record)):
            other, model = resident.run(run_id)
            if same_base(other, base):
                models[run_id] = model
    return base, models


def _labels(model: Trainable | Mix | None) -> bool:
    return isinstance(model, Trainable) and bool(model.method_config.labels)


def _labelled(resident: Resident, base: Base, model: Trainable | Mix | None, messages: Sequence[Message]) -> Line:
    """The likeliest label of a prompt."""
    assert isinstance(model, Trainable)
    try:
        with resident.base_lock.for_chat():
            (found,) = classify(base, model, [messages])
    except ReftError as error:
        return _problem(error)
    return {"text": next(iter(found)), "ending": "end", "tokens": 0}


def messages_of(prompt: GridPrompt) -> list[Message]:
    """The conversation of a prompt."""
    return read_messages(prompt.messages)


def length_of(prompt: GridPrompt, most: int) -> int:
    """Most tokens of an answer: a token has at least one byte."""
    if prompt.expected is None:
        return most
    return min(_MOST, max(most, len(prompt.expected.encode(errors="replace")) + _BESIDE))
