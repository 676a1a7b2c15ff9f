"""What the Playground does: the base model's answer and the tuned one's, streamed together."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from app.errors import StudioError
from app.handlers.datasets import examples_of
from app.samples import find_sample
from app.services import Services
from reft_engine.errors import ReftError
from storage import RunRecord, RunStatus, StorageError

PROMPT_LIMIT = 20_000
_PATIENCE = 60.0
_SHOWN_EVERY = 0.05


@dataclass(frozen=True, slots=True)
class Answers:
    """Both answers so far."""

    base: str
    tuned: str
    note: str
    done: bool


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


def suggestions(services: Services, run_id: str | None) -> list[str]:
    """Prompts to try: a sample's own, which it was not trained on, else short ones of the dataset."""
    if not run_id:
        return []
    try:
        dataset = services.storage.datasets.get(services.storage.runs.get(run_id).dataset_id)
        sample = find_sample(dataset.sample)
        if sample:
            return sample.prompts
        prompts = [example.messages[-1].content for example in examples_of(services, dataset.id, 200)]
    except (StorageError, ReftError):
        return []
    short = [prompt for prompt in dict.fromkeys(prompts) if len(prompt) <= 80 and "\n" not in prompt]
    return short[:: max(1, len(short) // 4)][:4]


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
    max_new_tokens: int = 128,
) -> Iterator[Answers]:  # fmt: skip
    """Stream both answers; waits for an engine that is still starting. Raises StudioError."""
    prompt = prompt.strip()
    if not run_id:
        raise StudioError("There is no trained run yet. Train one first; the samples on the first page take less than a minute.")
    if not prompt:
        raise StudioError("Write something to ask first.")
    if len(prompt) > PROMPT_LIMIT or len(system) > PROMPT_LIMIT:
        raise StudioError(f"The text is too long: {max(len(prompt), len(system)):,} characters, at most {PROMPT_LIMIT:,} can be asked.")
    run = services.storage.runs.get(run_id)
    if run.binned_at is not None:
        raise StudioError("This run is in the bin; take it out on the Runs page first.")
    messages = [{"role": "system", "content": system.strip()}] if system.strip() else []
    request = {
        "columns": [None, run.id], "base": run.base, "messages": [*messages, {"role": "user", "content": prompt}],
        "max_new_tokens": max_new_tokens, "temperature": temperature, "strength": strength,
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
    yield Answers(texts[0], texts[1], f"Both answered in {time.monotonic() - begun:.2f} s.", True)


def _wait(services: Services) -> Iterator[Answers]:
    """Say that the engine is starting, until it answers."""
    begun = time.monotonic()
    while services.worker.health() is None:
        if time.monotonic() - begun > _PATIENCE:
            raise StudioError("The engine does not answer. Its log, worker.log in the data folder, says why.")
        yield Answers("", "", "The engine is starting…", False)
        time.sleep(0.5)
