"""Actions of the Runs page: show, stop, resume and remove runs."""

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
"""Maximum points of a drawn curve; a longer one is thinned, but its last point always stays."""
_LOG_CHARACTERS = 200_000
_READ = 1200
"""Maximum points that are read per metric; those of a longer run are means of neighbours."""


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A point of the chart."""

    step: int
    loss: float
    curve: str


@dataclass(frozen=True, slots=True)
class HeldOut:
    """The latest or final measurement on held-out rows: losses, and the number of exactly right answers among ``rows``."""

    loss: float
    loss_base: float
    rows: int | None
    right: int | None
    right_base: int | None


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as the page shows it; ``best_step`` has the lowest held-out loss so far."""

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
        """Whether the run can be stopped."""
        return self.run.status.waiting or self.run.status in (RunStatus.PREPARING, RunStatus.TRAINING)

    @property
    def resumable(self) -> bool:
        """Whether the run can be resumed."""
        return self.run.status in (RunStatus.STOPPED, RunStatus.FAILED)

    @property
    def remedy(self) -> str:
        """Label of the button that resumes with other settings; empty if there is none."""
        return self.run.failure.label if self.run.failure and self.run.failure.remedy else ""

    @property
    def chattable(self) -> bool:
        """Whether the Playground can answer with its result, also while that is being checked."""
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
        loss=_last(_smoothed(series["loss"])), curve=_curve(series), verdict=verdict_of(run), sample=_shown_sample(run, samples),
        events=tuple(storage.events.all(run_id)), downloadable=_downloadable(services, run),
        logged=storage.files.log(run_id).is_file(), engine_up=run.status.ended or engine is not None,
        trouble=str(engine.get("trouble", "")) if engine else "",
    )  # fmt: skip


def _held_out(run: RunRecord, series: Mapping[str, list[tuple[int, float]]]) -> HeldOut | None:
    """The score of the chosen edit if the run has ended, else the last measurement."""
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


def _shown_sample(run: RunRecord, samples: list[SampleRecord]) -> SampleRecord | None:
    """The last sample; if the run has ended, the last one up to the chosen edit's step."""
    evidence = evidence_of(run)
    until = [sample for sample in samples if evidence is None or sample.step <= evidence.kept_step]
    return (until or samples)[-1] if samples else None


def _downloadable(services: Services, run: RunRecord) -> bool:
    ended = run.status in (RunStatus.FINISHED, RunStatus.STOPPED) and run.binned_at is None
    return ended and services.storage.files.adapter(run.id).is_dir()


def _last(points: list[tuple[int, float]]) -> float | None:
    return points[-1][1] if points else None


def _smoothed(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """A running mean over at most a tenth of the points, because losses of single batches fluctuate too much."""
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
    """Ask a run to stop, with a checkpoint; a waiting run leaves the queue."""
    return services.storage.runs.request_stop(run_id)


def resume(services: Services, run_id: str) -> RunRecord:
    """Resume a run that ended early; a run that another tab has resumed stays as it is. Raises StudioError."""
    return _go_on(services, run_id, None)


def remedy(services: Services, run_id: str) -> RunRecord:
    """Resume a failed run with the settings that its failure suggests. Raises StudioError."""
    failure = services.storage.runs.get(run_id).failure
    return _go_on(services, run_id, failure.remedy if failure else None)


def _go_on(services: Services, run_id: str, changes: dict[str, Any] | None) -> RunRecord:
    run = services.storage.runs.get(run_id)
    if run.status.active or run.status.waiting:
        return run
    disk.require_room(services)
    return services.storage.runs.resume(run_id, changes)


def reorder(services: Services, run_id: str, by: int) -> RunRecord:
    """Move a waiting run by ``by`` queue positions, earlier if negative."""
    place = services.storage.runs.queue_position(run_id)
    if place is not None:
        services.storage.runs.reorder(run_id, max(1, place + by))
    return services.storage.runs.get(run_id)


def delete(services: Services, run_id: str) -> RunRecord:
    """Move a run to the bin, from which it can be restored for some days."""
    return services.storage.runs.delete(run_id)


def restore(services: Services, run_id: str) -> RunRecord:
    """Restore a run from the bin."""
    return services.storage.runs.restore(run_id)


def binned(services: Services) -> list[RunRecord]:
    """Runs in the bin, most recently deleted first."""
    return services.storage.runs.binned()


def empty_bin(services: Services) -> int:
    """Permanently remove the runs in the bin; returns their number."""
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
