"""Compares runs: settings, results and curves side by side, and whether a difference is more than chance. Plain data."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

from app.errors import StudioError
from app.handlers import run_list, run_live, runs, train
from app.handlers.baselines import folder_bytes
from app.handlers.looked import regression_of
from app.handlers.mix_parts import parts_of
from app.handlers.runs import RunView
from app.handlers.verdict import evidence_of, right_of
from app.services import Services
from app.words import phrases, say, translate
from reft_engine import RunSpec, all_settings, written
from reft_engine.training import FEW, Score, wilson
from storage import RunRecord

MOST = 12
"""Runs of one comparison: as many lines as can be told apart by colour and dash."""
_POINTS = 200
"""Values of each curve that are sent; those of a longer run are means of neighbours."""
_PAIRS = 6
"""Pairs of edits whose subspaces are compared: those of four runs."""
_CURVES = ("loss", "held_out", "held_out_base", "held_out_right", "held_out_rows", "seconds")
_STANDARD_ERRORS = 2.0
_SMALL = 0.01
"""A loss below it is written with two digits that count, so that small ones can be told apart."""
_UNNAMED = frozenset({"base", "revision"})
"""Settings that have lines of their own."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table: a setting or a result of each run, as text; empty where a run has none. ``best`` is the run to be marked."""

    name: str
    title: str
    values: tuple[str, ...]
    best: int | None = None

    @property
    def differs(self) -> bool:
        """Whether the runs differ in it."""
        return len(set(self.values)) > 1


@dataclass(frozen=True, slots=True)
class Compared:
    """A run of a comparison with its figures; None is unknown. ``size`` is of the adapter folder, in bytes."""

    view: RunView
    parameters: int | None
    size: int | None
    score: Score | None

    @property
    def run(self) -> RunRecord:
        """The run."""
        return self.view.run

    @property
    def loss(self) -> float | None:
        """The held-out loss."""
        return self.view.held_out.loss if self.view.held_out else None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Runs side by side: sentences for a person, results and settings by line, and whether all have the same held-out rows."""

    runs: tuple[Compared, ...]
    missing: int
    same_rows: bool
    sentences: tuple[str, ...]
    results: tuple[Line, ...]
    settings: tuple[Line, ...]


def read_ids(text: str) -> list[str]:
    """The runs that an address names, with commas between them, each once. Raises StudioError if there are too many."""
    ids = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if len(ids) > MOST:
        raise StudioError(say("compare.too_many", count=len(ids), most=MOST))
    return ids


def comparison(services: Services, ids: Sequence[str]) -> Comparison:
    """Compare runs; those that are not here any more are counted. Raises StudioError where fewer than two are left."""
    found = {run.id: run for run in services.storage.runs.some(ids) if run.binned_at is None}
    compared = tuple(_compared(services, run_id) for run_id in ids if run_id in found)
    missing = len(ids) - len(compared)
    if len(compared) < 2:
        raise StudioError(say("compare.gone" if missing else "compare.two"))
    same = have_same_rows(services, [each.run for each in compared])
    return Comparison(compared, missing, same, _sentences(compared, missing, same), _results(compared), _settings(compared))


def have_same_rows(services: Services, found: Sequence[RunRecord]) -> bool:
    """Whether the runs are measured on the same held-out rows; where none are drawn yet the settings say which they will be."""
    if len({run.version_id for run in found}) > 1:
        return False
    drawn = [places for run in found if (places := services.storage.runs.held_out_places(run.id)) is not None]
    specs = [RunSpec.read(run.spec).train for run in found]
    settings = {(spec.held_out, spec.held_out_seed) for spec in specs}
    return all(one == other for one, other in pairwise(drawn)) and (len(drawn) == len(found) or len(settings) == 1)


def _compared(services: Services, run_id: str) -> Compared:
    view = runs.view(services, run_id)
    size = folder_bytes(services.storage.files.adapter(run_id)) if view.downloadable else None
    evidence = evidence_of(view.run)
    return Compared(view, (view.run.summary or {}).get("trainable_parameters"), size, evidence.score if evidence else None)


# How close the edits are


@dataclass(frozen=True, slots=True)
class Closeness:
    """Two edits: at each layer that both change the smallest and the largest principal angle of their subspaces, in degrees."""

    one: str
    other: str
    layers: tuple[tuple[int, str, float, float], ...]


def closeness(services: Services, ids: Sequence[str]) -> list[Closeness]:
    """Compare each two of the runs' edits that have the same base model. Raises StudioError where no two have."""
    found = comparison(services, ids)
    edits = [each.run for each in found.runs if "peft" not in each.run.spec and each.view.downloadable]
    pairs = [(one, other) for one, other in combinations(edits, 2) if one.base == other.base][:_PAIRS]
    if not pairs:
        raise StudioError(say("compare.close.none"))
    return [
        Closeness(one.name, other.name, tuple(
            (each["layer"], each["site"], each["degrees"][0], each["degrees"][-1])
            for each in services.worker.angles(one.id, other.id)
        ))
        for one, other in pairs
    ]  # fmt: skip


# The table


def _results(compared: Sequence[Compared]) -> tuple[Line, ...]:
    def line(name: str, told: Callable[[Compared], str], worth: Callable[[Compared], float | None] = lambda each: None) -> Line:
        worths = [worth(each) for each in compared]
        known = [value for value in worths if value is not None]
        best = worths.index(min(known)) if len(known) > 1 and min(known) < max(known) else None
        return Line(name, say(f"compare.result.{name}"), tuple(map(told, compared)), best)

    return (
        line("status", lambda each: phrases.status_word(each.run)),
        line("held_out", lambda each: _loss(each.loss), lambda each: each.loss),
        line("held_out_base", lambda each: _loss(each.view.held_out.loss_base if each.view.held_out else None)),
        line("right", _right, lambda each: None if (share := _share(each)) is None else -share),
        line("parameters", lambda each: "" if each.parameters is None else f"{each.parameters:,}", lambda each: each.parameters),
        line("size", lambda each: "" if each.size is None else phrases.size(each.size), lambda each: each.size),
        line("regression", lambda each: _kl(each.run), lambda each: found.kl if (found := regression_of(each.run)) else None),
        line("seconds", lambda each: phrases.duration(each.run.seconds) if each.run.seconds else "", lambda each: each.run.seconds or None),
        line("verdict", lambda each: each.view.verdict.title if each.view.verdict else ""),
    )


def _settings(compared: Sequence[Compared]) -> tuple[Line, ...]:
    specs = [_settings_of(each.run) for each in compared]
    names = [name for name in dict.fromkeys(name for spec in specs for name in spec) if name not in _UNNAMED]
    datasets = tuple(say("compare.version", name=each.run.dataset_name, number=each.run.version_number) for each in compared)
    fixed = [
        Line("dataset", say("runs.facts.dataset"), datasets),
        Line("base", say("runs.facts.base"), tuple(each.run.base for each in compared)),
        Line("method", say("runs.facts.method"), tuple(run_list.method_title(each.run) for each in compared)),
    ]
    return (*fixed, *(
        Line(name, translate(f"settings.{name}.title", train.LABELS.get(name, name)), tuple(_written(spec, name) for spec in specs))
        for name in names if name != "method"
    ))  # fmt: skip


def _settings_of(run: RunRecord) -> dict[str, Any]:
    """The settings of a run by name; of a mix those of its edit, since it was not trained."""
    values = RunSpec.read(run.spec).settings()
    if not parts_of(run):
        return values
    trained = {row.name for row in all_settings() if row.section == "train"}
    return {name: value for name, value in values.items() if name not in trained}


def _written(spec: dict[str, Any], name: str) -> str:
    return "" if spec.get(name) is None else str(written(spec[name]))


def _kl(run: RunRecord) -> str:
    """How far the answers to unrelated prompts moved."""
    found = regression_of(run)
    return "" if found is None or found.kl is None else phrases.figure(found.kl)


def _loss(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if value >= _SMALL else f"{value:.2g}"


def _share(each: Compared) -> float | None:
    held = each.view.held_out
    return held.right / held.rows if held and held.right is not None and held.rows else None


def _right(each: Compared) -> str:
    held = each.view.held_out
    return right_of(held.right, held.rows) if held and held.right is not None and held.rows else ""


# What it says


def _sentences(compared: Sequence[Compared], missing: int, same: bool) -> tuple[str, ...]:
    texts = [say("compare.missing", count=missing)] if missing else []
    going = [each.run.name for each in compared if not each.run.status.ended]
    if going:
        texts.append(say("compare.going", count=len(going), name=going[0]))
    if not same:
        return (*texts, say("compare.other_rows"))
    measured = sorted((each for each in compared if each.loss is not None), key=lambda each: each.loss or 0.0)
    if len(measured) < 2:
        return (*texts, say("compare.not_measured"))
    return (*texts, _judged(measured[0], measured[1]))


def _judged(first: Compared, second: Compared) -> str:
    """The run with the lowest held-out loss beside the next one, and whether the difference is more than chance."""
    told = say(
        "compare.best", name=first.run.name, loss=_loss(first.loss), second=second.run.name, second_loss=_loss(second.loss)
    )  # fmt: skip
    if first.score is None or second.score is None:
        return told
    rows = first.score.rows
    if rows < FEW:
        return f"{told} {say('compare.few', rows=rows)}"
    return f"{told} {say('compare.clear' if is_clear(first.score, second.score) else 'compare.chance', rows=rows)}"


def is_clear(one: Score, other: Score) -> bool:
    """Whether two scores on the same rows differ by more than chance: in right answers, or in what the rows gained over the base model.

    Both errors are added as if the rows were others, which can only hide a difference.
    """
    (low, high), (low_of_other, high_of_other) = (wilson(each.right_tuned, each.rows) for each in (one, other))
    if low > high_of_other or low_of_other > high:
        return True
    error = math.hypot(one.gain_error, other.gain_error)
    return math.isfinite(error) and abs(one.gain - other.gain) > _STANDARD_ERRORS * error


# For the browser


def curves(services: Services, found: Comparison) -> list[dict[str, Any]]:
    """The figures of each run over its steps, with what the scatter of result against size needs."""
    return [
        {
            "id": each.run.id, "name": each.run.name, "total": each.run.total_steps,
            "epochs": each.run.spec.get("train", {}).get("epochs", 1),
            "points": run_live.by_name(services.storage.metrics.thinned(each.run.id, _POINTS), _CURVES), "parameters": each.parameters,
            "loss": each.loss,
        }
        for each in found.runs
    ]  # fmt: skip


def as_data(found: Comparison) -> dict[str, Any]:
    """The comparison as plain data for JSON."""

    def lines(of: Sequence[Line]) -> list[dict[str, Any]]:
        return [{"name": line.name, "title": line.title, "values": list(line.values), "differs": line.differs} for line in of]

    return {
        "runs": [
            {
                "run": each.run.id, "name": each.run.name, "status": each.run.status.value, "method": run_list.method_title(each.run),
                "held_out": each.loss, "held_out_base": each.view.held_out.loss_base if each.view.held_out else None,
                "right": each.view.held_out.right if each.view.held_out else None,
                "rows": each.view.held_out.rows if each.view.held_out else None,
                "trainable_parameters": each.parameters, "bytes": each.size, "seconds": each.run.seconds or None,
                "verdict": each.view.verdict.name if each.view.verdict else None,
            }
            for each in found.runs
        ],
        "same_rows": found.same_rows, "missing": found.missing, "sentences": list(found.sentences),
        "results": lines(found.results), "settings": lines(found.settings),
    }  # fmt: skip
