"""What the Runs page does: show where a run stands, stop it, continue it, remove it."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.errors import StudioError
from app.handlers import disk
from app.handlers.verdict import Verdicts, evidence_of, verdict_of
from app.services import Services
from app.words import say
from reft_engine.training import Smoothed
from storage import EventRecord, NotFoundError, RunRecord, RunStatus, SampleRecord

_POINTS = 400
"""Points of a curve that are drawn; a longer one is thinned, its last point kept."""
_LOG_CHARACTERS = 200_000
_READ = 1200
"""Points of a figure that are read of a longer run, each the mean of its neighbours."""


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A point of the chart."""

    step: int
    loss: float
    curve: str


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Held-out rows as they were measured last, or at the end: losses, and how many of ``rows`` are answered exactly right."""

    loss: float
    loss_base: float
    rows: int | None
    right: int | None
    right_base: int | None


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as the page shows it; ``best_step`` is the one with the least held-out loss so far."""

    run: RunRecord
    place: int | None
    waiting: int
    held_out: HeldOut | None
    best_step: int | None
    loss: float | None
    curve: tuple[CurvePoint, ...]
    verdict: Verdicts | None
    sample: SampleRecord | None
    events: tuple[EventRecord, ...]
    downloadable: bool
    logged: bool
    engine_up: bool
    trouble: str

    @property
    def stoppable(self) -> bool:
        """Whether stopping would do anything."""
        return self.run.status.waiting or self.run.status in (RunStatus.PREPARING, RunStatus.TRAINING)

    @property
    def resumable(self) -> bool:
        """Whether it can go on where it ended."""
        return self.run.status in (RunStatus.STOPPED, RunStatus.FAILED)

    @property
    def remedy(self) -> str:
        """What the button is called that goes on with other settings; empty when there is none."""
        return self.run.failure.label if self.run.failure and self.run.failure.remedy else ""

    @property
    def chattable(self) -> bool:
        """Whether the playground can answer with its result: also while that is still being checked."""
        return self.downloadable or self.run.status is RunStatus.CHECKING

    @property
    def deletable(self) -> bool:
        """Whether it can be moved to the bin now."""
        return not self.run.status.active


def view(services: Services, run_id: str) -> RunView:
    """One run that is not in the bin. Raises NotFoundError."""
    storage = services.storage
    run = storage.runs.get(run_id)
    if run.binned_at is not None:
        raise NotFoundError(say("runs.binned"))
    series: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for point in storage.metrics.thinned(run_id, _READ):
        series[point.name].append((point.step, point.value))
    samples = storage.samples.all(run_id)
    engine = None if run.status.ended else services.worker.health()
    return RunView(
        run=run, place=storage.runs.queue_position(run_id), waiting=storage.runs.waiting_count(),
        held_out=_held_out(run, series), best_step=_best_step(series["held_out"]),
        loss=_last(_smoothed(series["loss"])), curve=_curve(series), verdict=verdict_of(run), sample=_kept_sample(run, samples),
        events=tuple(storage.events.all(run_id)), downloadable=_downloadable(services, run),
        logged=storage.files.log(run_id).is_file(), engine_up=run.status.ended or engine is not None,
        trouble=str(engine.get("trouble", "")) if engine else "",
    )  # fmt: skip


def _held_out(run: RunRecord, series: Mapping[str, list[tuple[int, float]]]) -> HeldOut | None:
    """At the end what the rows that score say of the edit that was kept; before it the last measurement."""
    evidence = evidence_of(run)
    if evidence and (score := evidence.score) and score.tuned is not None and score.base is not None:
        return HeldOut(score.tuned, score.base, score.rows, score.right_tuned, score.right_base)
    loss, base = _last(series["held_out"]), _last(series["held_out_base"])
    if loss is None or base is None:
        return None
    rows, right, right_base = (_last(series[name]) for name in ("held_out_rows", "held_out_right", "held_out_right_base"))
    if rows is None or right is None or right_base is None:  # a run of an earlier version
        return HeldOut(loss, base, None, None, None)
    return HeldOut(loss, base, round(rows), round(right), round(right_base))


def _best_step(points: list[tuple[int, float]]) -> int | None:
    after_the_start = [(loss, step) for step, loss in points if step > 0]
    return min(after_the_start)[1] if after_the_start else None


def _kept_sample(run: RunRecord, samples: list[SampleRecord]) -> SampleRecord | None:
    """The last sample answer; of a run that ended the last one up to the edit that was kept."""
    evidence = evidence_of(run)
    until = [sample for sample in samples if evidence is None or sample.step <= evidence.kept_step]
    return (until or samples)[-1] if samples else None


def _downloadable(services: Services, run: RunRecord) -> bool:
    ended = run.status in (RunStatus.FINISHED, RunStatus.STOPPED) and run.binned_at is None
    return ended and services.storage.files.adapter(run.id).is_dir()


def _last(points: list[tuple[int, float]]) -> float | None:
    return points[-1][1] if points else None


def _smoothed(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """A running mean over about a thirtieth of the run: single batches jump too much to be read."""
    smooth, mean = list[tuple[int, float]](), Smoothed()
    for step, value in points:
        mean.add(value, min(30, len(points) // 10))
        smooth.append((step, mean.mean))
    return smooth


def _curve(series: dict[str, list[tuple[int, float]]]) -> tuple[CurvePoint, ...]:
    named = {
        "training": _smoothed(series["loss"]),
        "held-out": series["held_out"],
        "held-out, base": series["held_out_base"],
    }
    return tuple(CurvePoint(step, value, name) for name, points in named.items() for step, value in _thinned(points))


def _thinned(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    every = max(1, -(-len(points) // _POINTS))
    return [point for index, point in enumerate(points) if index % every == 0 or index == len(points) - 1]


def newest(services: Services) -> list[RunRecord]:
    """Runs, newest first."""
    return services.storage.runs.all()


def stop(services: Services, run_id: str) -> RunRecord:
    """Ask a run to stop, keeping what it learned; one that waits leaves the queue."""
    return services.storage.runs.request_stop(run_id)


def resume(services: Services, run_id: str) -> RunRecord:
    """Continue a run that ended early; one that goes on already, by another tab, is left alone. Raises StudioError."""
    return _go_on(services, run_id, None)


def remedy(services: Services, run_id: str) -> RunRecord:
    """Continue a failed run with the settings that its failure suggests. Raises StudioError."""
    failure = services.storage.runs.get(run_id).failure
    return _go_on(services, run_id, failure.remedy if failure else None)


def _go_on(services: Services, run_id: str, changes: dict[str, Any] | None) -> RunRecord:
    run = services.storage.runs.get(run_id)
    if run.status.active or run.status.waiting:
        return run
    disk.require_room(services)
    return services.storage.runs.resume(run_id, changes)


def reorder(services: Services, run_id: str, by: int) -> RunRecord:
    """Let a waiting run go so many places earlier (negative) or later."""
    place = services.storage.runs.queue_position(run_id)
    if place is not None:
        services.storage.runs.reorder(run_id, max(1, place + by))
    return services.storage.runs.get(run_id)


def delete(services: Services, run_id: str) -> RunRecord:
    """Move a run to the bin, from where it can be taken back for some days."""
    return services.storage.runs.delete(run_id)


def restore(services: Services, run_id: str) -> RunRecord:
    """Take a run out of the bin."""
    return services.storage.runs.restore(run_id)


def binned(services: Services) -> list[RunRecord]:
    """Runs in the bin, the last one first."""
    return services.storage.runs.binned()


def empty_bin(services: Services) -> int:
    """Remove what is in the bin for good; returns how many runs that were."""
    return len(services.storage.runs.empty_bin())


def log(services: Services, run_id: str) -> str:
    """The end of a run's log. Raises NotFoundError."""
    run = services.storage.runs.get(run_id)
    path = services.storage.files.log(run.id)
    if run.binned_at is not None or not path.is_file():
        raise NotFoundError(say("runs.no_log"))
    return path.read_text(encoding="utf-8", errors="replace")[-_LOG_CHARACTERS:]


def adapter_zip(services: Services, run_id: str) -> tuple[str, bytes]:
    """File name and content of a run's download. Raises NotFoundError, StudioError."""
    run = services.storage.runs.get(run_id)
    if not _downloadable(services, run):
        raise StudioError(say("runs.nothing_to_download"))
    safe = "".join(character if character.isascii() and (character.isalnum() or character in "-_") else "-" for character in run.name)
    return f"{safe or 'adapter'}.zip", services.storage.files.zip_adapter(run_id)
