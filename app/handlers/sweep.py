"""Sweeps: a run for each combination of listed values, trained together, ranked on the same held-out rows. Page and command share it."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from app.errors import StudioError
from app.handlers import train
from app.handlers.keys import key_of_request
from app.handlers.verdict import evidence_of, verdict_of
from app.services import Services
from app.words import say
from reft_engine import BASELINES, ConfigError, RunSpec, Setting, written
from reft_engine.training import FEW
from storage import GroupRecord, RunRecord, RunStatus

MOST = 64
"""Maximum number of runs of one sweep."""
LISTED = ("method", "rank", "layers", "positions", "learning_rate", "batch_size", "epochs", "seed")
"""Settings that take several values."""
_SHORT = {"learning_rate": "lr", "batch_size": "batch"}
"""Names in a run's name, where they are shorter."""


# Which runs it has


def combinations(values: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Every combination of listed values, by the names of their settings. Raises StudioError if there are more than `MOST`, or none."""
    count = math.prod(len(each) for each in values.values())
    if not 1 <= count <= MOST:
        raise StudioError(say("cli.sweep.count", runs=count, most=MOST))
    return [dict(zip(values, each, strict=True)) for each in product(*values.values())]


def varied(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of the settings that differ between the runs."""
    return [name for name in runs[0] if len({str(run[name]) for run in runs}) > 1] if runs else []


def specs_of(common: Mapping[str, Any], runs: Sequence[Mapping[str, Any]]) -> list[RunSpec]:
    """The spec of each run; all share the held-out rows, whatever their seeds. Raises ConfigError, StudioError."""
    split_seed = common.get("split_seed")
    shared = {**common, "split_seed": runs[0].get("seed", common.get("seed")) if split_seed is None else split_seed}
    if baseline := next((run["method"] for run in ({**shared, **each} for each in runs) if run.get("method") in BASELINES), None):
        raise StudioError(say("cli.sweep.baseline", method=baseline))
    return [RunSpec.of_settings({**shared, **run}) for run in runs]


def read_values(row: Setting, text: str) -> list[Any]:
    """The values that a person has typed for a setting, with commas between them, each once. Raises StudioError."""
    given = [part.strip() for part in text.split(",") if part.strip()]
    return list(dict.fromkeys(_read(row, part) for part in given))


def _read(row: Setting, text: str) -> Any:
    kinds: dict[str, Any] = {"integer": int, "number": float}
    try:
        return kinds.get(row.kind, str)(text)
    except ValueError as error:
        raise StudioError(say("sweep.no_number", field=train.title_of(row.name), text=text[:40])) from error


@dataclass(frozen=True, slots=True)
class Plan:
    """The runs of a sweep: what each is named after, and its spec; ``varied`` are the settings that differ."""

    varied: tuple[str, ...]
    names: tuple[str, ...]
    specs: tuple[RunSpec, ...]


def plan(services: Services, form: train.TrainForm, listed: Mapping[str, str]) -> Plan:
    """The runs of the form with the listed values; a setting without any keeps the form's.

    Raises:
        ConfigError, StudioError: a value is not allowed, or there are too many runs.
    """
    common = train.read_form(services.settings, form).settings()
    values = {name: found for name in LISTED if (found := read_values(train.SETTING[name], listed.get(name) or ""))}
    runs = combinations(values)
    try:
        specs = specs_of(common, runs)
    except ConfigError as error:
        raise train.in_words(error) from None
    # As they are spelled once they are read: l7 and L7 are one value.
    differing = varied([{name: spec.settings()[name] for name in values} for spec in specs])
    unique = {json.dumps(spec.model_dump(mode="json"), sort_keys=True): spec for spec in specs}
    chosen = tuple(unique.values())
    return Plan(tuple(differing), tuple(_name(spec, differing) for spec in chosen), chosen)


def seconds_apart(services: Services, dataset_id: str | None, form: train.TrainForm, planned: Plan) -> float | None:
    """Seconds that the runs would take one after another, from the estimate of the form's run; None if that is unknown.

    Raises ConfigError, StudioError.
    """
    if not dataset_id:
        return None
    seconds, epochs = train.estimate(services, dataset_id, form).seconds, train.read_form(services.settings, form).train.epochs
    return None if seconds is None else seconds * sum(spec.train.epochs for spec in planned.specs) / epochs


def _name(spec: RunSpec, names: Sequence[str]) -> str:
    values = spec.settings()
    return ", ".join(f"{_SHORT.get(name, name)} {written(values[name])}" for name in names) or say("sweep.only")


def start(
    services: Services, dataset_id: str | None, form: train.TrainForm, listed: Mapping[str, str], page_key: str, name: str = ""
) -> GroupRecord:  # fmt: skip
    """Queue the runs of a sweep as one group; the same sweep from the same page is the same group. Raises StudioError, ReftError."""
    if not dataset_id:
        raise StudioError(say("train.pick_dataset"))
    planned = plan(services, form, listed)
    dataset = services.storage.datasets.get(dataset_id)
    dumped = [spec.model_dump(mode="json") for spec in planned.specs]
    key = key_of_request(page_key, dataset.version.id, dumped)
    if (first := services.storage.runs.find_by_start_key(f"{key}/0")) and first.group_id:
        return services.storage.runs.group(first.group_id)
    train.require_place(services, len(planned.specs))
    for spec in planned.specs:
        train.check_run(services, dataset_id, spec)
    title = name.strip() or say("sweep.name", settings=", ".join(map(train.title_of, planned.varied)) or dataset.name)
    return services.storage.runs.create_group(
        dataset.id, list(zip(planned.names, dumped, strict=True)), name=title, start_key=key, version_id=dataset.version.id,
        expected_bytes=max(train.expected_bytes(services, spec) for spec in planned.specs),
    )  # fmt: skip


# What has come of it


@dataclass(frozen=True, slots=True)
class Line:
    """One run of a sweep: its varied settings as text, and its figures, None as long as they are unknown."""

    run: RunRecord
    values: tuple[str, ...]
    base: float | None
    tuned: float | None
    verdict: str
    seconds: float | None
    best: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A sweep: its runs, the best first, and why none of them is marked as the best, or what the mark is worth where that is little."""

    group: GroupRecord
    titles: tuple[str, ...]
    lines: tuple[Line, ...]
    remark: str

    @property
    def done(self) -> int:
        """How many of its runs have ended."""
        return sum(line.run.status.ended for line in self.lines)


def table(services: Services, group_id: str) -> Table:
    """The runs of a group, ranked. Raises NotFoundError."""
    group, runs = services.storage.runs.group(group_id), services.storage.runs.of_group(group_id)
    settings = [RunSpec.read(run.spec).settings() for run in runs]
    names = varied([{name: values.get(name) for name in LISTED} for values in settings])
    lines = [_line(run, tuple(_shown(name, values) for name in names)) for run, values in zip(runs, settings, strict=True)]
    ordered = sorted(lines, key=lambda line: rank(line.tuned, None))
    best, remark = _best(ordered)
    marked = tuple(_marked(line) if line is best else line for line in ordered)
    return Table(group, tuple(map(train.title_of, names)), marked, remark)


def _shown(name: str, values: Mapping[str, Any]) -> str:
    """A setting's value as text; empty for one that a baseline does not have, and what its size counts where that is no rank."""
    if name not in values:
        return ""
    text = written(values[name])
    if values["method"] in BASELINES and name == "method":
        return BASELINES[text].title
    if values["method"] in BASELINES and name == "rank" and BASELINES[values["method"]].size == "virtual_tokens":
        return say("compare_with.size.virtual_tokens", virtual_tokens=text)
    return text


def rank(held_out: float | None, loss: float | None) -> tuple[bool, float]:
    """The order of runs: by held-out loss, then those without any by their training loss."""
    return held_out is None, (held_out if held_out is not None else loss) or 0.0


def _line(run: RunRecord, values: tuple[str, ...]) -> Line:
    summary = run.summary or {}
    evidence, verdict = evidence_of(run), verdict_of(run)
    known = summary if evidence else {}
    return Line(
        run, values, known.get("held_out_base"), known.get("held_out_tuned"), verdict.title if verdict else "", known.get("seconds")
    )


def _marked(line: Line) -> Line:
    return Line(line.run, line.values, line.base, line.tuned, line.verdict, line.seconds, best=True)


def _best(lines: Sequence[Line]) -> tuple[Line | None, str]:
    """The run with the lowest held-out loss, once all have ended, if it is lower than the base model's; else why there is none."""
    if not all(line.run.status.ended for line in lines):
        return None, say("sweep.not_yet")
    measured = [line for line in lines if line.tuned is not None and line.base is not None and line.run.status is not RunStatus.FAILED]
    if not measured:
        return None, say("sweep.no_held_out")
    first = measured[0]
    if first.tuned is None or first.base is None or first.tuned >= first.base:
        return None, say("sweep.none_better")
    if len(measured) < 2:
        return None, say("sweep.alone")
    rows = evidence.score.rows if (evidence := evidence_of(first.run)) and evidence.score else 0
    return first, say("sweep.few", rows=rows) if 0 < rows < FEW else ""


def stop(services: Services, group_id: str) -> None:
    """Ask every run of a group to stop that has not ended."""
    for run in services.storage.runs.of_group(group_id):
        if not run.status.ended:
            services.storage.runs.request_stop(run.id)
