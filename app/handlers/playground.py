"""Actions of the Playground: the answers of the base model and the tuned model, streamed together."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from secrets import randbelow

from app.errors import StudioError
from app.handlers.datasets import examples_of
from app.samples import find_sample
from app.services import Services
from app.visitor import visitor
from app.words import say
from reft_engine import ReftError
from reft_engine.data import answers_of
from storage import RunRecord, RunStatus, StorageError

PROMPT_LIMIT = 20_000
_READY = (RunStatus.FINISHED, RunStatus.STOPPED, RunStatus.TRAINING, RunStatus.CHECKING)
_OFFERED = 200
"""Runs that the list offers; an address may ask for an older one."""
_PATIENCE = 60.0
_SHOWN_EVERY = 0.05
_SHORT = 80
"""Maximum characters of a prompt on a button."""
_LOOKED_AT = 20_000
"""Number of rows of a dataset that suggestions are taken from."""
_UNSEEN, _SEEN = 4, 3
_SEEDS = 2**31


@dataclass(frozen=True, slots=True)
class Answers:
    """Both answers so far; ``seed`` is that of the sampling, once both are complete, and None without sampling."""

    base: str
    tuned: str
    note: str
    done: bool
    seed: int | None = None


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
    except (StorageError, ReftError):
        return Suggestions()
    sample = find_sample(dataset.sample) if run.version_number == 1 else None  # an edit may have added the sample's own prompts
    if places is None:  # the rows are not read yet, or an earlier version trained the run
        return Suggestions(tuple(sample.prompts[:_UNSEEN]) if sample else ())
    # Duplicates of held-out rows are not trained on either.
    held = {(examples[place].messages, answers_of(examples[place])) for place in places if place < len(examples)}
    asking = [each for each in examples if each.messages]
    learned = dict.fromkeys(each.messages[-1].content for each in asking if (each.messages, answers_of(each)) not in held)
    # A prompt of a held-out row that is also a training prompt is not unseen.
    asked = [examples[place].messages[-1].content for place in places if place < len(examples) and examples[place].messages]
    unseen = sample.prompts if sample else _short([prompt for prompt in asked if prompt not in learned])
    return Suggestions(tuple(unseen[:_UNSEEN]), tuple(_spread(_short(list(learned)), _SEEN)))


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


def answer(
    services: Services, run_id: str | None, prompt: str, *, strength: float = 1.0, system: str = "", temperature: float = 0.0,
    max_new_tokens: int = 128, seed: str = "",
) -> Iterator[Answers]:  # fmt: skip
    """Stream both answers, with a random seed if ``seed`` is empty; waits for an engine that is still starting.

    Raises StudioError.
    """
    prompt = prompt.strip()
    if not run_id:
        raise StudioError(say("playground.none_chosen" if usable(services) else "playground.no_run"))
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
        "owner": visitor(),
    }  # fmt: skip
    yield from (Answers("", "", say("playground.starting"), False) for _ in until_it_answers(services))
    texts, last_shown = ["", ""], 0.0
    begun = time.monotonic()
    for item in services.worker.chat(request):
        if item.get("place"):
            yield Answers("", "", say("playground.place", count=item["place"]), False)
            continue
        if "column" in item:
            texts[item["column"]] += item["text"]
        if time.monotonic() - last_shown > _SHOWN_EVERY:
            last_shown = time.monotonic()
            yield Answers(texts[0], texts[1], "", False)
    seconds = time.monotonic() - begun
    if temperature > 0:  # otherwise nothing is sampled
        yield Answers(texts[0], texts[1], say("playground.answered_with_seed", seconds=seconds, seed=drawn_with), True, drawn_with)
    else:
        yield Answers(texts[0], texts[1], say("playground.answered", seconds=seconds), True)


def _seed(text: str) -> int:
    """Read a seed, or draw one if the text is empty. Raises StudioError."""
    text = text.strip()
    if not text:
        return randbelow(_SEEDS)
    if not (text.isdecimal() and len(text) <= len(str(_SEEDS)) and int(text) < _SEEDS):
        raise StudioError(say("playground.no_seed", most=_SEEDS - 1))
    return int(text)


def until_it_answers(services: Services) -> Iterator[None]:
    """Wait for an engine that is starting, and yield now and then meanwhile. Raises StudioError if it does not come."""
    begun = time.monotonic()
    while services.worker.health() is None:
        if time.monotonic() - begun > _PATIENCE:
            raise StudioError(say("playground.no_engine"))
        yield
        time.sleep(0.5)
