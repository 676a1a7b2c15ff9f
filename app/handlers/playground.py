"""What the Playground does: the base model's answer and the tuned one's, streamed together."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from secrets import randbelow

from app.errors import StudioError
from app.handlers.datasets import examples_of
from app.samples import find_sample
from app.services import Services
from app.words import say
from reft_engine import ReftError
from storage import RunRecord, RunStatus, StorageError

PROMPT_LIMIT = 20_000
_PATIENCE = 60.0
_SHOWN_EVERY = 0.05
_SHORT = 80
"""Characters of a prompt that fits on a button."""
_LOOKED_AT = 20_000
"""Rows of a dataset among which prompts are looked for."""
_UNSEEN, _SEEN = 4, 3
_SEEDS = 2**31


@dataclass(frozen=True, slots=True)
class Answers:
    """Both answers so far; ``seed`` is the one that they were drawn with, once they are whole and if anything was drawn."""

    base: str
    tuned: str
    note: str
    done: bool
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Suggestions:
    """Prompts to try: ``unseen`` ones that the run was never trained on, and ``trained`` ones of its training rows."""

    unseen: tuple[str, ...] = ()
    trained: tuple[str, ...] = ()


def usable(services: Services) -> list[RunRecord]:
    """Runs that can be talked to, newest first: those with a result, and the one that trains now."""
    ready = (RunStatus.FINISHED, RunStatus.STOPPED, RunStatus.TRAINING, RunStatus.CHECKING)
    return [run for run in services.storage.runs.all() if run.status in ready and (not run.status.ended or _has_result(services, run))]


def _has_result(services: Services, run: RunRecord) -> bool:
    return services.storage.files.adapter(run.id).is_dir()


def pick(services: Services, wanted: str | None = None) -> str | None:
    """The run to show first: the one asked for, else the newest finished one, else the newest."""
    runs = usable(services)
    if any(run.id == wanted for run in runs):
        return wanted
    finished = next((run.id for run in runs if run.status is RunStatus.FINISHED), None)
    return finished or (runs[0].id if runs else None)


def suggestions(services: Services, run_id: str | None) -> Suggestions:
    """Short prompts to try: of a sample its own, which it was not trained on, else held-out rows; and apart from them training rows."""
    if not run_id:
        return Suggestions()
    try:
        dataset = services.storage.datasets.get(services.storage.runs.get(run_id).dataset_id)
        places = services.storage.runs.held_out_places(run_id)
        examples = examples_of(services, dataset.id, _LOOKED_AT)
    except (StorageError, ReftError):
        return Suggestions()
    sample = find_sample(dataset.sample)
    if places is None:  # the rows are not read yet, or the run is of an earlier version
        return Suggestions(tuple(sample.prompts[:_UNSEEN]) if sample else ())
    # Of rows that are held out and stand there again none is trained on.
    held = {(examples[place].messages, examples[place].answer) for place in places if place < len(examples)}
    learned = dict.fromkeys(each.messages[-1].content for each in examples if (each.messages, each.answer) not in held)
    # A prompt that stands on both sides is none that the run never saw.
    asked = [examples[place].messages[-1].content for place in places if place < len(examples)]
    unseen = sample.prompts if sample else _short([prompt for prompt in asked if prompt not in learned])
    return Suggestions(tuple(unseen[:_UNSEEN]), tuple(_spread(_short(list(learned)), _SEEN)))


def _short(prompts: Sequence[str]) -> list[str]:
    return [prompt for prompt in dict.fromkeys(prompts) if len(prompt) <= _SHORT and "\n" not in prompt]


def _spread(prompts: Sequence[str], count: int) -> Sequence[str]:
    """So many of them from all over the list."""
    return prompts[:: max(1, len(prompts) // count)][:count]


def system_message(services: Services, run_id: str | None) -> str:
    """The system message that the run's rows begin with, for a chat that begins as training did; empty for none."""
    if not run_id:
        return ""
    try:
        rows = examples_of(services, services.storage.runs.get(run_id).dataset_id, 1)
    except (StorageError, ReftError):
        return ""
    first = rows[0].messages[0] if rows else None
    return first.content if first and first.role == "system" else ""


def answer(
    services: Services, run_id: str | None, prompt: str, *, strength: float = 1.0, system: str = "", temperature: float = 0.0,
    max_new_tokens: int = 128, seed: str = "",
) -> Iterator[Answers]:  # fmt: skip
    """Stream both answers, drawn with a seed of their own where none is given; waits for an engine that is still starting.

    Raises StudioError.
    """
    prompt = prompt.strip()
    if not run_id:
        raise StudioError(say("playground.no_run"))
    if not prompt:
        raise StudioError(say("playground.no_prompt"))
    if len(prompt) > PROMPT_LIMIT or len(system) > PROMPT_LIMIT:
        raise StudioError(say("playground.too_long", length=max(len(prompt), len(system)), most=PROMPT_LIMIT))
    drawn_with = _seed(seed)
    run = services.storage.runs.get(run_id)
    if run.binned_at is not None:
        raise StudioError(say("playground.binned"))
    messages = [{"role": "system", "content": system.strip()}] if system.strip() else []
    request = {
        "columns": [None, run.id], "base": run.base, "messages": [*messages, {"role": "user", "content": prompt}],
        "max_new_tokens": max_new_tokens, "temperature": temperature, "strength": strength, "seed": drawn_with,
    }  # fmt: skip
    yield from _wait(services)
    texts, shown = ["", ""], 0.0
    begun = time.monotonic()
    for item in services.worker.chat(request):
        if "column" in item:
            texts[item["column"]] += item["text"]
        if time.monotonic() - shown > _SHOWN_EVERY:
            shown = time.monotonic()
            yield Answers(texts[0], texts[1], "", False)
    seconds = time.monotonic() - begun
    if temperature > 0:  # else nothing is drawn
        yield Answers(texts[0], texts[1], say("playground.answered_with_seed", seconds=seconds, seed=drawn_with), True, drawn_with)
    else:
        yield Answers(texts[0], texts[1], say("playground.answered", seconds=seconds), True)


def _seed(given: str) -> int:
    """The seed that is given, else a new one. Raises StudioError for what is none."""
    given = given.strip()
    if not given:
        return randbelow(_SEEDS)
    if not (given.isdecimal() and len(given) <= len(str(_SEEDS)) and int(given) < _SEEDS):
        raise StudioError(say("playground.no_seed", most=_SEEDS - 1))
    return int(given)


def _wait(services: Services) -> Iterator[Answers]:
    """Say that the engine is starting, until it answers."""
    begun = time.monotonic()
    while services.worker.health() is None:
        if time.monotonic() - begun > _PATIENCE:
            raise StudioError(say("playground.no_engine"))
        yield Answers("", "", say("playground.starting"), False)
        time.sleep(0.5)
