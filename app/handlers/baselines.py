"""Compare with ...: LoRA, DoRA, (IA)3, prefix and prompt tuning on the rows of a finished edit, each at several learning rates."""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.errors import StudioError
from app.handlers import train
from app.handlers.bases import check_base, facts_of
from app.handlers.mix_parts import parts_of
from app.handlers.run_cost import require_affordable
from app.handlers.verdict import evidence_of, right_of
from app.services import Services
from app.words import say, translate
from reft_engine import BASELINES, PeftConfig, RunSpec, TrainConfig, title_of
from reft_engine.training import FEW, Evidence, judge, wilson
from storage import GroupRecord, NotFoundError, RunRecord, RunStatus

RATES: dict[str, tuple[float, ...]] = {
    "lora": (4e-4, 2e-3, 1e-2),
    "dora": (4e-4, 2e-3, 1e-2),
    "ia3": (6e-3, 3e-2, 1.5e-1),
    "prefix": (1e-2, 5e-2, 2.5e-1),
    "prompt": (1e-2, 5e-2, 2.5e-1),
}
"""Learning rates that each method is tried at.

By the rate alone PEFT's public comparison moves prefix tuning from 18.6 to 41.6 and (IA)3 from 31.1 to 45.5, so a baseline at one rate
says little. Three values, a factor of five apart, so that they span what papers and PEFT's examples use: LoRA from its paper's 4e-4 to the
2e-3 that is the best on the bundled samples and beyond; (IA)3 from twice the 3e-3 of T-Few upwards, as vectors that begin at 1
need large steps; virtual tokens from 1e-2 (PEFT's examples) to 0.3 (arXiv 2104.08691). Whether the best lies at the edge is said.
"""
_STANDARD_ERRORS = 2.0
"""As the verdict does: a mean must differ by this number of standard errors."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One run of a baseline beside an edit."""

    method: str
    rate: float
    spec: RunSpec

    @property
    def name(self) -> str:
        """What the run is called."""
        return say("compare_with.run", method=title(self.method), rate=f"{self.rate:g}")


def title(method: str) -> str:
    """What people call a method, an edit's or a baseline."""
    if method in BASELINES:
        return translate(f"baselines.{method}.title", BASELINES[method].title)
    return translate(f"methods.{method}.title", title_of(method))


# Which runs are made


def plan(spec: RunSpec, methods: Sequence[str], rates: Mapping[str, Sequence[float]] = RATES) -> tuple[Planned, ...]:
    """The runs of baselines beside an edit: its rows, split, epochs, batches, stopping rule and layers; other weights and rates.

    Raises:
        StudioError: the spec is of a baseline itself.
        ConfigError: a method cannot learn what the edit does, such as labels.
    """
    if spec.peft:
        raise StudioError(say("compare_with.of_baseline"))
    return tuple(Planned(method, rate, _beside(spec, method, rate)) for method in methods for rate in rates[method])


def _beside(spec: RunSpec, method: str, rate: float) -> RunSpec:
    edit, virtual = spec.reft, BASELINES[method].virtual
    config = {"method": method, "layers": "all" if virtual else edit.layers, "labels": edit.labels, "pooling": edit.pooling}
    changes = {
        "learning_rate": rate,
        "split_seed": spec.train.held_out_seed,
        # Prefix tuning cannot be trained with it; the arithmetic is the same without.
        "gradient_checkpointing": spec.train.gradient_checkpointing and method != "prefix",
    }
    settings = TrainConfig.read({**spec.train.model_dump(), **changes})
    return RunSpec(
        base=spec.base, revision=spec.revision, precision=spec.precision, peft=PeftConfig.read(config), train=settings
    )  # fmt: skip


def offered(services: Services, spec: RunSpec) -> tuple[str, ...]:
    """The methods that can learn what an edit does, on its base model."""
    kind = None
    with suppress(StudioError):  # the base model is not offered any more; the runs will say so
        kind = facts_of(check_base(services.settings, spec.base)).kind
    decodes = kind not in ("encoder", "encoder_decoder")
    return tuple(name for name, row in BASELINES.items() if not row.virtual or (decodes and not spec.reft.labels))


def refusal(run: RunRecord) -> str:
    """Why nothing can be compared with a run; empty if it can."""
    evidence = evidence_of(run)
    if "peft" in run.spec:
        return say("compare_with.of_baseline")
    if parts_of(run):
        return say("mixes.of_mix")
    if run.status is not RunStatus.FINISHED:
        return say("compare_with.not_finished")
    if run.continues_id:
        return say("compare_with.continued")
    if evidence is None or evidence.score is None:
        return say("compare_with.no_held_out")
    return ""


def group_id(run_id: str) -> str:
    """The group of the baselines that are compared with a run."""
    return f"with-{run_id}"


def start(services: Services, run_id: str, methods: Sequence[str]) -> GroupRecord:
    """Queue the baselines of a finished edit as one group; those that are there already are not made again.

    Raises:
        NotFoundError: there is no such run.
        StudioError, ReftError: nothing can be compared with it, a method does not fit it, or there is no place in the queue or on the disk.
    """
    run = services.storage.runs.get(run_id)
    if reason := refusal(run):
        raise StudioError(reason)
    if not methods:
        raise StudioError(say("compare_with.choose"))
    spec = RunSpec.read(run.spec)
    if unfit := [method for method in methods if method not in offered(services, spec)]:
        known = unfit[0] in BASELINES
        raise StudioError(say("compare_with.unfit", method=title(unfit[0])) if known else say("errors.neutral"))
    planned = plan(spec, [method for method in BASELINES if method in methods])
    there = {_identity(RunSpec.read(other.spec)) for other in services.storage.runs.of_group(group_id(run_id))}
    new = [each for each in planned if _identity(each.spec) not in there]
    if not new:
        return services.storage.runs.group(group_id(run_id))
    train.require_place(services, len(new))
    for each in new:
        require_affordable(services, f"{run.dataset_id}@{run.version_number}", each.spec)
    runs = [(each.name, each.spec.model_dump(mode="json")) for each in planned]
    name = say("compare_with.group", name=run.name)
    return services.storage.runs.extend_group(group_id(run_id), run.dataset_id, runs, name=name, version_id=run.version_id)


def _identity(spec: RunSpec) -> str:
    """The same text for specs of the same run; one that has begun holds the commit of its base model."""
    return spec.model_copy(update={"revision": None}).model_dump_json()


def state(services: Services, run: RunRecord) -> tuple[str, bool]:
    """What changes when a run that is compared with this one moves on, and whether one still does."""
    if run.status is not RunStatus.FINISHED or "peft" in run.spec:
        return "", False
    others = services.storage.runs.of_group(group_id(run.id))
    return " ".join(f"{other.id}:{other.status}" for other in others), any(not other.status.ended for other in others)


# What has come of them


@dataclass(frozen=True, slots=True)
class Tried:
    """One rate of a method: the loss that the rate is chosen by, None as long as there is none, and whether the run diverged."""

    run: RunRecord
    rate: float
    loss: float | None
    diverged: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A method at its best rate; figures are None as long as they are unknown.

    Attributes:
        run: the run at this rate; None if none has a figure yet.
        size: rank or virtual tokens, in words.
        memory: bytes that training added at most to what the worker used before; ``peak`` of the worker in all.
        together: number of runs that shared its passes, which took their time and memory together.
        other_rows: whether it was measured on other rows than the edit.
        at_edge: whether the best rate is the lowest or the highest that was tried.
        against: how it compares with the edit, beyond chance or not; empty for the edit itself.
        best: names of the columns in which no other row is better.
    """

    method: str
    run: RunRecord | None
    tried: tuple[Tried, ...]
    size: str
    rate: float | None = None
    held_out: float | None = None
    right: int | None = None
    rows: int | None = None
    right_text: str = ""
    parameters: int | None = None
    bytes: int | None = None
    seconds: float | None = None
    memory: int | None = None
    peak: int | None = None
    together: int = 1
    library: str = ""
    other_rows: bool = False
    at_edge: bool = False
    against: str = ""
    best: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Table:
    """An edit and what it is compared with: the edit first, then a row for each method; ``remarks`` say what the figures are worth."""

    rows: tuple[Row, ...]
    remarks: tuple[str, ...]
    done: int
    total: int
    group: GroupRecord


def table(services: Services, run_id: str) -> Table | None:
    """The table of a run; None if nothing was compared with it. Raises NotFoundError."""
    run, runs = services.storage.runs.get(run_id), services.storage.runs.of_group(group_id(run_id))
    if not runs:
        return None
    edit = _row(services, [run], run)
    by_method: dict[str, list[RunRecord]] = {}
    for other in runs:
        by_method.setdefault(other.spec["peft"]["method"], []).append(other)
    others = [_row(services, by_method[method], run) for method in BASELINES if method in by_method]
    rows = tuple(replace(row, against=_against(row, edit)) for row in others)
    marked = tuple(replace(row, best=_best_columns(row, (edit, *rows))) for row in (edit, *rows))
    done = sum(other.status.ended for other in runs)
    return Table(marked, _remarks(run, marked, done == len(runs)), done, len(runs), services.storage.runs.group(group_id(run_id)))


def compared_with(services: Services, group: str) -> RunRecord | None:
    """The edit that the runs of a group are compared with; None if it is another group, or the edit is gone."""
    with suppress(NotFoundError):
        if group.startswith("with-"):
            run = services.storage.runs.get(group.removeprefix("with-"))
            return run if run.binned_at is None else None
    return None


def choosing_loss(evidence: Evidence) -> float | None:
    """The held-out loss that a rate is chosen by: on the rows that chose the edit where others score it, else on those that score it."""
    if evidence.same_rows:
        return evidence.score.tuned if evidence.score else None
    return evidence.best if evidence.kept == "best" else evidence.last


def _row(services: Services, runs: Sequence[RunRecord], edit: RunRecord) -> Row:
    """The row of a method, from its runs at all rates."""
    tried = tuple(sorted(map(_tried, runs), key=lambda each: each.rate))
    spec = RunSpec.read(runs[0].spec)
    sound = [each for each in tried if each.loss is not None and not each.diverged]
    bare = Row(spec.trained.method, None, tried, size_of(spec))
    if not sound:
        return bare
    best = min(sound, key=lambda each: each.loss or 0.0)
    run, evidence, summary = best.run, evidence_of(best.run), best.run.summary or {}
    score = evidence.score if evidence else None
    places = services.storage.runs.held_out_places
    at_edge = len(tried) > 1 and best.rate in (tried[0].rate, tried[-1].rate)
    peak, before = summary.get("peak_memory"), summary.get("memory_before")
    return replace(
        bare, run=run, rate=best.rate, at_edge=at_edge, held_out=score.tuned if score else None, right=score.right_tuned if score else None,
        rows=score.rows if score else None, right_text=right_of(score.right_tuned, score.rows) if score else "",
        parameters=summary.get("trainable_parameters"), bytes=folder_bytes(services.storage.files.adapter(run.id)),
        seconds=summary.get("seconds"), memory=None if peak is None or before is None else max(0, peak - before), peak=peak,
        together=summary.get("trained_together", 1), library=summary.get("library") or "",
        other_rows=run.id != edit.id and places(run.id) != places(edit.id),
    )  # fmt: skip


def _tried(run: RunRecord) -> Tried:
    evidence = evidence_of(run)
    failed = run.failure is not None and run.failure.kind == "numbers"
    diverged = failed or (evidence is not None and judge(evidence) == "diverged")
    loss = choosing_loss(evidence) if evidence else None
    return Tried(run, run.spec["train"]["learning_rate"], loss if loss is not None and math.isfinite(loss) else None, diverged)


def size_of(spec: RunSpec) -> str:
    """How large an edit or a baseline is, in words; empty where nothing says so."""
    size = "rank" if spec.peft is None else BASELINES[spec.peft.method].size
    if size == "rank":
        return say("compare_with.size.rank", rank=spec.trained.rank)
    return say("compare_with.size.virtual_tokens", virtual_tokens=spec.peft.virtual_tokens) if spec.peft and size else ""


def folder_bytes(folder: Path) -> int | None:
    """Bytes of the files of an adapter folder; None if it is not there."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return sum(sizes) if sizes else None


def _against(row: Row, edit: Row) -> str:
    """How a method compares with the edit, in words."""
    if row.held_out is None or edit.held_out is None:
        return ""
    if row.other_rows:
        return say("compare_with.against.other_rows")
    return say(f"compare_with.against.{beyond_chance(_score(row), _score(edit))}")


def _score(row: Row) -> Any:
    evidence = evidence_of(row.run) if row.run else None
    return evidence.score if evidence else None


def beyond_chance(one: Any, other: Any) -> str:
    """``more_right``, ``fewer_right``, ``lower``, ``higher`` or ``same``: what sets one score apart from another on the same rows.

    Right answers come first, as in the verdict: their 95 % intervals must not overlap. Then losses: the gains over the base model, which
    are means of rows, must differ by two standard errors. Both treat the scores as unrelated, and so are careful.
    """
    (low, high), (other_low, other_high) = wilson(one.right_tuned, one.rows), wilson(other.right_tuned, other.rows)
    if low > other_high or high < other_low:
        return "more_right" if low > other_high else "fewer_right"
    difference, error = one.gain - other.gain, math.hypot(one.gain_error, other.gain_error)
    if abs(difference) > _STANDARD_ERRORS * error and one.rows >= FEW:
        return "lower" if difference > 0 else "higher"
    return "same"


_COLUMNS: dict[str, Callable[[Row], float | None]] = {
    "held_out": lambda row: row.held_out, "right": lambda row: None if row.right is None else -row.right,
    "parameters": lambda row: row.parameters, "bytes": lambda row: row.bytes, "seconds": lambda row: row.seconds,
    "memory": lambda row: row.memory,
}  # fmt: skip
"""Columns in which one row can be the best, with what is the least there."""


def _best_columns(row: Row, rows: Sequence[Row]) -> frozenset[str]:
    found = set()
    for name, of in _COLUMNS.items():
        values = [value for each in rows if (value := of(each)) is not None and not each.other_rows]
        if len(set(values)) > 1 and not row.other_rows and of(row) == min(values):
            found.add(name)
    return frozenset(found)


def _remarks(run: RunRecord, rows: Sequence[Row], ended: bool) -> tuple[str, ...]:
    """What the figures are worth, in sentences."""
    evidence, seed = evidence_of(run), run.spec["train"]["seed"]
    if evidence is None or evidence.score is None:
        return ()
    measured = [row for row in rows if row.held_out is not None and not row.other_rows]
    score, told = evidence.score, [] if ended else [say("compare_with.remark.so_far")]
    told.append(say("compare_with.remark.rows", rows=score.rows, seed=seed))
    count, rate = evidence.chosen_by, f"{run.spec['train']['learning_rate']:g}"
    same = evidence.same_rows
    told.append(say("compare_with.remark.chosen_same" if same else "compare_with.remark.chosen_apart", count=count))
    told.append(say("compare_with.remark.one_rate", rate=rate))
    first = min(measured, key=lambda row: row.held_out or 0.0, default=None)
    if first is not None and len(measured) > 1:
        ties = [title(row.method) for row in measured if row is not first and beyond_chance(_score(row), _score(first)) == "same"]
        told.append(
            say("compare_with.remark.ties", first=title(first.method), others=", ".join(ties))
            if ties
            else say("compare_with.remark.clear", first=title(first.method))
        )
    if edges := [title(row.method) for row in rows if row.at_edge]:
        told.append(say("compare_with.remark.edges", methods=", ".join(edges)))
    if any(row.together > 1 for row in rows):
        told.append(say("compare_with.remark.together"))
    return tuple(told)
