"""Actions of the Playground: which runs can answer, prompts to try, and the answers of all columns, streamed together."""

import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import anyio
from pydantic import BaseModel, ConfigDict, Field

from app import limits
from app.errors import StudioError
from app.given import read_as
from app.handlers.bases import facts_of
from app.handlers.datasets import examples_of
from app.handlers.unseen import learned_by
from app.samples import find_sample
from app.services import Services
from app.words import say
from app.worker.messages import ChatColumn, ChatMessage, StopText
from reft_engine import PositionSpec, ReftError, RunSpec
from reft_engine.data import answers_of
from reft_engine.formats import kept_steps
from storage import RunRecord, RunStatus, StorageError

PROMPT_LIMIT = 20_000
_READY = (RunStatus.FINISHED, RunStatus.STOPPED, RunStatus.TRAINING, RunStatus.CHECKING)
_OFFERED = 200
"""Runs that the list offers; an address may ask for an older one."""
_PATIENCE = 60.0
_SHORT = 80
"""Maximum characters of a prompt on a button."""
_LOOKED_AT = 20_000
"""Number of rows of a dataset that suggestions are taken from."""
_UNSEEN, _SEEN = 4, 3
SEEDS = 2**31


@dataclass(frozen=True, slots=True)
class Suggestions:
    """Prompts to try: ``unseen`` ones are not among the training rows, ``trained`` ones are."""

    unseen: tuple[str, ...] = ()
    trained: tuple[str, ...] = ()


def usable(services: Services, asked: str | None = None) -> list[RunRecord]:
    """The newest runs that can answer: those with a result, and the one in training; ``asked`` for is also an older one."""
    found = services.storage.runs.newest(_OFFERED, _READY)
    if asked and all(run.id != asked for run in found):
        found += [run for run in services.storage.runs.some([asked]) if run.status in _READY and run.binned_at is None]
    return [run for run in found if not run.status.ended or _has_result(services, run)]


def named(run: RunRecord) -> str:
    """How the list names a run."""
    return " · ".join([run.name, run.dataset_name, *([] if run.status.ended else [say("playground.run.training")])])


def offered(services: Services, run_id: str | None) -> dict[str, Any]:
    """What the page's script draws with: the ``runs`` that can answer, the one that is ``chosen``, and prompts to try."""
    able = usable(services, run_id)
    chosen = next((run.base for run in able if run.id == run_id), None)
    count = facts_of(chosen).layers if chosen else None  # not asked of the engine, which may be busy or away when the page opens
    runs = [_offered(services, run, count or 0) for run in able if run.base == chosen]
    found = suggestions(services, run_id)
    return {
        "runs": runs,
        "chosen": run_id,
        "unseen": list(found.unseen),
        "trained": list(found.trained),
        "most": limits.BESIDE,
        "base": chosen or "",
    }


def _offered(services: Services, run: RunRecord, count: int) -> dict[str, Any]:
    """A run that can answer: whether it ``edits`` hidden states, at which ``layers`` and position ``groups``, and its kept ``steps``.

    ``count`` is the number of layers of its base model; 0 if that is unknown, and then all of them are not listed.
    """
    spec = RunSpec.read(run.spec)
    edits = spec.peft is None
    rule = PositionSpec.parse(spec.reft.positions)
    groups = [
        name for name, acts in (("prefix", rule.prefix or rule.every or rule.marked), ("suffix", rule.suffix and not rule.every)) if acts
    ]  # fmt: skip
    return {
        "id": run.id, "name": run.name, "label": named(run), "edits": edits, "groups": groups if edits else [],
        "layers": list(range(count) if spec.reft.layers == "all" else spec.reft.layers) if edits else [],
        "steps": kept_steps(services.storage.files.steps(run.id)),
    }  # fmt: skip


def _has_result(services: Services, run: RunRecord) -> bool:
    return services.storage.files.adapter(run.id).is_dir()


def pick(services: Services, run_id: str | None = None) -> str | None:
    """The run to show first: the requested one, else the newest finished one, else the newest."""
    runs = usable(services, run_id)
    if any(run.id == run_id for run in runs):
        return run_id
    finished = next((run.id for run in runs if run.status is RunStatus.FINISHED), None)
    return finished or (runs[0].id if runs else None)


def suggestions(services: Services, run_id: str | None) -> Suggestions:
    """Short prompts to try: a sample's own unseen prompts or those of held-out rows, and prompts of training rows."""
    if not run_id:
        return Suggestions()
    try:
        run = services.storage.runs.get(run_id)
        dataset = services.storage.datasets.get(run.dataset_id)
        places = services.storage.runs.held_out_places(run_id)
        examples = examples_of(services, dataset.id, _LOOKED_AT, version_id=run.version_id)
        known = learned_by(services, run, _LOOKED_AT)
    except (StorageError, ReftError):
        return Suggestions()
    sample = find_sample(dataset.sample) if run.version_number == 1 else None  # an edit may have added the sample's own prompts
    if places is None:  # the rows are not read yet, or an earlier version trained the run
        return Suggestions(tuple(sample.prompts[:_UNSEEN]) if sample else ())
    # Duplicates of held-out rows are not trained on either.
    held = {(examples[place].messages, answers_of(examples[place])) for place in places if place < len(examples)}
    asking = [each for each in examples if each.messages]
    learned = dict.fromkeys(each.messages[-1].content for each in asking if (each.messages, answers_of(each)) not in held)
    asked = [examples[place].messages[-1].content for place in places if place < len(examples) and examples[place].messages]
    offered = tuple(_spread(_short(list(learned)), _SEEN))
    if known is None:  # a run that its edit comes from is gone
        return Suggestions((), offered)
    unseen = sample.prompts if sample else _short([prompt for prompt in asked if not known.has_prompt(prompt)])
    return Suggestions(tuple(unseen[:_UNSEEN]), offered)


def _short(prompts: Sequence[str]) -> list[str]:
    return [prompt for prompt in dict.fromkeys(prompts) if len(prompt) <= _SHORT and "\n" not in prompt]


def _spread(prompts: Sequence[str], count: int) -> Sequence[str]:
    """``count`` prompts, spread over the list."""
    return prompts[:: max(1, len(prompts) // count)][:count]


def system_message(services: Services, run_id: str | None) -> str:
    """The system message of the run's first row; empty if it has none."""
    if not run_id:
        return ""
    try:
        run = services.storage.runs.get(run_id)
        rows = examples_of(services, run.dataset_id, 1, version_id=run.version_id)
    except (StorageError, ReftError):
        return ""
    first = rows[0].messages[0] if rows else None
    return first.content if first and first.role == "system" else ""


class Asked(BaseModel):
    """What a page asks for: columns with their own conversations, and how all of them are sampled."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    columns: list[ChatColumn] = Field(min_length=1, max_length=limits.COLUMNS)
    max_new_tokens: int = Field(128, ge=1, le=2048)
    temperature: float = Field(0.0, ge=0.0, le=5.0)
    top_p: float = Field(0.95, gt=0.0, le=1.0)
    top_k: int = Field(0, ge=0, le=10_000_000)
    repetition_penalty: float = Field(1.0, gt=0.0, le=10.0)
    stop: list[StopText] = Field(default_factory=list, max_length=limits.STOPS)
    seed: int = Field(0, ge=0, lt=SEEDS)
    page: str = Field("", max_length=100, description="An opaque key of the page that asks.")


async def chat(services: Services, body: bytes) -> AsyncGenerator[dict[str, Any], None]:
    """Stream the answers of all columns: lines as `WorkerClient.chat` has them, and ``{"starting": true}`` while the engine starts.

    Raises StudioError, StorageError.
    """
    asked = read_as(Asked, body)
    request = await anyio.to_thread.run_sync(_request, services, asked)
    async with aclosing(once_it_answers(services)) as waiting:
        async for line in waiting:
            yield line
    async with aclosing(services.worker.follow_chat(request, asked.page)) as lines:
        async for line in lines:
            yield line


async def once_it_answers(services: Services) -> AsyncGenerator[dict[str, Any], None]:
    """Yield ``{"starting": true}`` now and then until the engine answers. Raises StudioError if it does not come."""
    begun = time.monotonic()
    while await anyio.to_thread.run_sync(services.worker.health) is None:
        if time.monotonic() - begun > _PATIENCE:
            raise StudioError(say("playground.no_engine"))
        yield {"starting": True}
        await anyio.sleep(0.5)


def _request(services: Services, asked: Asked) -> dict[str, Any]:
    """The request to the worker. Raises StudioError, StorageError."""
    for column in asked.columns:
        check_conversation(column.messages or ())
    values = asked.model_dump(mode="json", exclude={"page"})
    base = runs_of(services, asked.columns)[0].base
    return {**values, "base": base, "messages": values["columns"][0]["messages"]}


def check_conversation(messages: Sequence[ChatMessage]) -> None:
    """Raise StudioError for a conversation that ends with no prompt, or has a text that is too long."""
    if not messages or messages[-1].role != "user" or not messages[-1].content.strip():
        raise StudioError(say("playground.no_prompt"))
    if (length := max(len(message.content) for message in messages)) > PROMPT_LIMIT:
        raise StudioError(say("playground.too_long", length=length, most=PROMPT_LIMIT))


def runs_of(services: Services, columns: Sequence[ChatColumn]) -> list[RunRecord]:
    """The runs that columns name, at least one. Raises StudioError, StorageError."""
    named = {run_id for column in columns for run_id in column.runs}
    if not named:
        raise StudioError(say("playground.none_chosen" if usable(services) else "playground.no_run"))
    runs = [services.storage.runs.get(run_id) for run_id in sorted(named)]
    if any(run.binned_at is not None for run in runs):
        raise StudioError(say("playground.binned"))
    return runs


def until_it_answers(services: Services) -> Iterator[None]:
    """Wait for an engine that is starting, and yield now and then meanwhile. Raises StudioError if it does not come."""
    begun = time.monotonic()
    while services.worker.health() is None:
        if time.monotonic() - begun > _PATIENCE:
            raise StudioError(say("playground.no_engine"))
        yield
        time.sleep(0.5)
