"""Mixing runs: which can be mixed, what a mix answers before it is kept, and the run that it becomes."""

import math
import shutil
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass
from secrets import token_hex

from anyio import to_thread

from app import limits
from app.errors import StudioError
from app.handlers import disk, playground
from app.handlers.keys import key_of_request
from app.handlers.mix_parts import KEY, MixedPart, formula
from app.services import Services
from app.words import phrases, say, say_error
from reft_engine import ConfigError, ReftConfig, RunSpec
from reft_engine.edits import check_mixable
from reft_engine.formats import RecordedBase, recorded_base
from storage import RunRecord, RunStatus

MOST_PARTS = limits.PARTS
_LOOKED_AT = 200
"""Newest runs that are offered."""
_OF_EACH = 2
"""Prompts of each run that are tried."""
_NAME = 120
"""Characters of a name that is made up."""
Weighted = Sequence[tuple[str, float]]
"""Ids of runs with their weights."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A run that may be mixed with another one; ``refusal`` says why it cannot be, and is empty if it can."""

    run: RunRecord
    refusal: str


@dataclass(frozen=True, slots=True)
class Sample:
    """A prompt, and what is answered: by the base model, by each run by its id, and by the mix."""

    prompt: str
    base: str
    runs: dict[str, str]
    mix: str


def choices(services: Services, run_id: str) -> list[Choice]:
    """The newest other runs of a run's base model that have a result, each with the reason why it cannot be mixed with that run.

    Raises NotFoundError.
    """
    return [choice for choice in offered(services, run_id, [run_id]) if choice.run.id != run_id]


def offered(services: Services, run_id: str, chosen: Sequence[str]) -> list[Choice]:
    """The newest runs of a run's base model that have a result, and all that are chosen, each with the reason why it cannot be mixed.

    Args:
        services: of the data folder.
        run_id: the run whose base model it is.
        chosen: ids of runs; the others must suit the first of them. Ids of no run are left out.

    Raises:
        NotFoundError: there is no run ``run_id``.
    """
    shown = services.storage.runs.get(run_id)
    newest = services.storage.runs.newest(_LOOKED_AT, (RunStatus.FINISHED, RunStatus.STOPPED))
    found = [run for run in newest if run.base == shown.base and _has_result(services, run)]
    here = {run.id for run in found}
    found += services.storage.runs.some([each for each in chosen if each not in here])
    first = next((run for each in chosen for run in found if run.id == each), None)
    return [Choice(run, _alone(services, run) or (refusal(services, first, run) if first else "")) for run in found]


def _alone(services: Services, run: RunRecord) -> str:
    """Why a run cannot be mixed with any other one; empty if it can."""
    if not _has_result(services, run):
        return say("mixes.no_result", name=run.name)
    spec = RunSpec.read(run.spec)
    if spec.peft:
        return say("mixes.baseline", name=run.name)
    try:
        check_mixable([spec.reft])
    except ConfigError as error:
        return say_error(error)
    return ""


def refusal(services: Services, one: RunRecord, other: RunRecord) -> str:
    """Why two runs cannot be mixed to one edit, naming what differs; empty if they can."""
    specs = [RunSpec.read(run.spec) for run in (one, other)]
    for run, spec in zip((one, other), specs, strict=True):
        if spec.peft:
            return say("mixes.baseline", name=run.name)
    bases = [recorded_base(services.storage.files.adapter(run.id)) for run in (one, other)]
    if one.base != other.base or _differ(base.revision for base in bases):
        return say("mixes.other_base", one=one.name, base=_shown(one, bases[0]), other=other.name, other_base=_shown(other, bases[1]))
    if _differ(base.precision for base in bases):
        return say(
            "mixes.other_precision", one=one.name, precision=bases[0].precision, other=other.name, other_precision=bases[1].precision
        )
    try:
        check_mixable([spec.reft for spec in specs])
    except ConfigError as error:
        return say("mixes.refused", one=one.name, other=other.name, reason=say_error(error))
    return ""


def _shown(run: RunRecord, base: RecordedBase) -> str:
    return f"{run.base}@{base.revision}" if base.revision else run.base


def _differ(values: Iterable[str | None]) -> bool:
    return len(set(values) - {None}) > 1


def prompts(services: Services, run_ids: Iterable[str]) -> tuple[str, ...]:
    """Prompts to try a mix on: two of each run that this one did not learn from, where such are known."""
    asked = [prompt for run_id in run_ids for prompt in playground.suggestions(services, run_id).unseen[:_OF_EACH]]
    return tuple(dict.fromkeys(asked))


async def samples(
    services: Services, parts: Weighted, asked: Sequence[str], *, system: str = "", max_new_tokens: int = 96, page: str = ""
) -> AsyncGenerator[Sample, None]:  # fmt: skip
    """Let the base model, the runs and their mix answer prompts, one after another; nothing is kept, and closing it ends the work.

    The ``page`` that asks is by default the visitor's.

    Raises:
        NotFoundError, StudioError: the runs cannot be mixed, there is no prompt, or the engine is away.
    """
    chosen = await to_thread.run_sync(_checked, services, parts)
    texts = [text for prompt in asked if (text := prompt.strip())]
    if not texts:
        raise StudioError(say("playground.no_prompt"))
    before = [{"role": "system", "content": system.strip()}] if system.strip() else []
    request = {
        **_parts(chosen), "prompts": [{"messages": [*before, {"role": "user", "content": text}]} for text in texts],
        "max_new_tokens": max_new_tokens,
    }  # fmt: skip
    async with aclosing(services.worker.follow_mix(request, page)) as lines:
        async for line in lines:
            answers = dict(line["answers"])
            yield Sample(texts[line["prompt"]], answers.pop("base"), {run.id: answers[run.id] for run, _ in chosen}, answers["mix"])


def make(services: Services, parts: Weighted, name: str = "", page_key: str = "") -> RunRecord:
    """Make one edit of runs with weights, and keep it as a finished run; the engine loads it back in a fresh process first.

    It is listed under the dataset of the run that weighs most, and holds out the rows that none of its runs learned from.

    Args:
        services: of the data folder.
        parts: ids of finished runs with weights from -10 to 10; those of 0 are left out.
        name: of the new run; made up if it is empty.
        page_key: an opaque key of the page that asks; the same request of the same page is the same run.

    Raises:
        NotFoundError, StudioError, StorageError: the runs cannot be mixed, the disk is full, or the engine is away.
    """
    chosen = _checked(services, parts)
    key = key_of_request("mix", page_key, name.strip(), sorted((run.id, weight) for run, weight in chosen)) if page_key else None
    if key and (same := services.storage.runs.find_by_start_key(key)) and same.binned_at is None:
        return same
    disk.require_room(services)
    upload = token_hex(16)
    folder = services.everything.files.uploads / upload  # where the worker writes, which knows of no people
    try:
        saved = next(line["saved"] for line in services.worker.mix({**_parts(chosen), "save_to": upload}) if "saved" in line)
        mixed = [MixedPart(run.id, run.name, weight) for run, weight in chosen]
        main = max(chosen, key=lambda part: abs(part[1]))[0]
        spec = RunSpec(
            base=main.base, revision=saved["revision"], precision=saved["precision"], reft=ReftConfig.read(saved["reft"])
        ).model_dump(mode="json")  # fmt: skip
        return services.storage.made.add(
            main.dataset_id, main.version_id, spec, folder / "adapter",
            name=name.strip() or phrases.short(say("mixes.name", parts=formula(mixed)), _NAME),
            sentence=say("mixes.made", parts=formula(mixed)),
            summary={
                KEY: [asdict(part) for part in mixed], "trainable_parameters": saved["trainable_parameters"], "seconds": saved["seconds"]
            },
            held_out=_held_out(services, [run for run, _ in chosen], main), start_key=key,
        )  # fmt: skip
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _held_out(services: Services, runs: Sequence[RunRecord], main: RunRecord) -> list[int] | None:
    """The rows of the main run's dataset that none of the runs learned from; None if there are none, or nobody can say."""
    alike = [run for run in runs if run.dataset_id == main.dataset_id]
    if any(run.version_id != main.version_id for run in alike):
        return None  # the rows of another version have other places
    drawn = [services.storage.runs.held_out_places(run.id) for run in alike]
    common = set.intersection(*(set(places or ()) for places in drawn))
    return sorted(common) or None


def _parts(chosen: Sequence[tuple[RunRecord, float]]) -> dict[str, object]:
    return {"parts": [{"run": run.id, "weight": weight} for run, weight in chosen]}


def _checked(services: Services, parts: Weighted) -> list[tuple[RunRecord, float]]:
    """The runs with weights other than 0, each once. Raises NotFoundError, StudioError."""
    weights: dict[str, float] = {}
    for run_id, weight in parts:
        if not math.isfinite(weight) or abs(weight) > 10:
            raise StudioError(say("mixes.weight"))
        weights[run_id] = weights.get(run_id, 0.0) + weight
    chosen = [(services.storage.runs.get(run_id), weight) for run_id, weight in weights.items() if weight]
    if not chosen:
        raise StudioError(say("mixes.none"))
    if len(chosen) > MOST_PARTS:
        raise StudioError(say("mixes.too_many", most=MOST_PARTS))
    for run, _ in chosen:
        if not _has_result(services, run):
            raise StudioError(say("mixes.no_result", name=run.name))
    first = chosen[0][0]
    for other, _ in chosen:
        if reason := refusal(services, first, other):
            raise StudioError(reason)
    return chosen


def _has_result(services: Services, run: RunRecord) -> bool:
    ended = run.status in (RunStatus.FINISHED, RunStatus.STOPPED) and run.binned_at is None
    return ended and services.storage.files.adapter(run.id).is_dir()
