"""The grid of answers: runs of any base models answer the same prompts, as rows in the background of the running batch."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from app.worker.messages import GridPrompt, GridRequest
from app.worker.resident import Resident
from reft_engine import Message, Trainable
from reft_engine.base import Base
from reft_engine.inference import Asked, answers_in_order, classify

_BESIDE, _MOST = 8, 512
"""Tokens of an answer beside those of the expected one, and at most."""


def fill_grid(resident: Resident, request: GridRequest, put: Callable[[dict[str, Any]], None], should_stop: Callable[[], bool]) -> None:
    """Put ``{"prompt", "answers"}`` as answers come, base model by base model: by run, and by ``base:NAME`` the base model's own.

    Raises NotFoundError, ReftError.
    """
    left, prompts = list(dict.fromkeys(request.runs)), [messages_of(prompt) for prompt in request.prompts]
    while left and not should_stop():
        base, models = _of_one_base(resident, left)
        left = [run_id for run_id in left if run_id not in models]
        writers = {run_id: model for run_id, model in models.items() if not model.method_config.labels}
        labelling = {run_id: model for run_id, model in models.items() if run_id not in writers}
        for at, found in _labels(resident, base, labelling, prompts):
            put({"prompt": at, "answers": found})
        lengths = [length_of(prompt, request.max_new_tokens) for prompt in request.prompts]
        asked = (Asked(messages, [None, *writers.values()], length) for messages, length in zip(prompts, lengths, strict=True))
        answers = answers_in_order(resident.engine(base), asked, owner=request.owner, should_stop=should_stop)
        for at, texts in enumerate(answers):
            put({"prompt": at, "answers": dict(zip([f"base:{base.name}", *writers], texts, strict=True))})


def _of_one_base(resident: Resident, run_ids: Sequence[str]) -> tuple[Base, dict[str, Trainable]]:
    """The first run's base model, and what those of the runs have learned that share it; for others it would have to make room."""
    base, first = resident.run(run_ids[0])
    models = {run_ids[0]: first}
    name = resident.storage.runs.get(run_ids[0]).base
    for run_id in run_ids[1:]:
        if resident.storage.runs.get(run_id).base == name:
            other, model = resident.run(run_id)
            if other.model is base.model:
                models[run_id] = model
    return base, models


def _labels(
    resident: Resident, base: Base, models: Mapping[str, Trainable], prompts: Sequence[list[Message]]
) -> Iterator[tuple[int, dict[str, str]]]:
    """The likeliest label of each prompt, for each run that labels."""
    for run_id, model in models.items():
        for at, messages in enumerate(prompts):
            with resident.base_lock.for_chat():
                (found,) = classify(base, model, [messages])
            yield at, {run_id: next(iter(found))}


def messages_of(prompt: GridPrompt) -> list[Message]:
    """The conversation of a prompt."""
    return [Message(message.role, message.content) for message in prompt.messages]  # type: ignore[arg-type]


def length_of(prompt: GridPrompt, most: int) -> int:
    """Most tokens of an answer: a token has at least one byte."""
    if prompt.expected is None:
        return most
    return min(_MOST, max(most, len(prompt.expected.encode(errors="replace")) + _BESIDE))
