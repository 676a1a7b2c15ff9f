"""What the Runs page does: show where a run stands, stop it, continue it, remove it."""

from collections import defaultdict
from dataclasses import dataclass

from app.errors import StudioError
from app.services import Services
from storage import EventRecord, RunRecord, RunStatus, SampleRecord

_POINTS = 400
"""Points of a curve that are drawn; a longer one is thinned, its last point kept."""


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A point of the chart."""

    step: int
    loss: float
    curve: str


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as the page shows it."""

    run: RunRecord
    place: int | None
    held_out: float | None
    held_out_base: float | None
    loss: float | None
    curve: tuple[CurvePoint, ...]
    sample: SampleRecord | None
    events: tuple[EventRecord, ...]
    downloadable: bool
    engine_up: bool

    @property
    def stoppable(self) -> bool:
        """Whether stopping would do anything."""
        return self.run.status in (RunStatus.QUEUED, RunStatus.PREPARING, RunStatus.TRAINING, RunStatus.INTERRUPTED)

    @property
    def resumable(self) -> bool:
        """Whether it can go on where it ended."""
        return self.run.status in (RunStatus.STOPPED, RunStatus.FAILED)

    @property
    def deletable(self) -> bool:
        """Whether it can be removed now."""
        return not self.run.status.active


def view(services: Services, run_id: str) -> RunView:
    """One run. Raises NotFoundError."""
    storage = services.storage
    run = storage.runs.get(run_id)
    series: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for point in storage.metrics.after(run_id):
        series[point.name].append((point.step, point.value))
    samples = storage.samples.all(run_id)
    return RunView(
        run=run, place=storage.runs.queue_place(run_id), held_out=_last(series["held_out"]), held_out_base=_last(series["held_out_base"]),
        loss=_last(_smoothed(series["loss"])), curve=_curve(series), sample=samples[-1] if samples else None,
        events=tuple(storage.events.all(run_id)), downloadable=_downloadable(services, run),
        engine_up=run.status.ended or services.worker.health() is not None,
    )  # fmt: skip


def _downloadable(services: Services, run: RunRecord) -> bool:
    return run.status in (RunStatus.FINISHED, RunStatus.STOPPED) and services.storage.files.adapter(run.id).is_dir()


def _last(points: list[tuple[int, float]]) -> float | None:
    return points[-1][1] if points else None


def _smoothed(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """A running mean over about a thirtieth of the run: single batches jump too much to be read."""
    keep = 1 - 1 / max(1, min(30, len(points) // 10))
    smooth, mean, weight = list[tuple[int, float]](), 0.0, 0.0
    for step, value in points:
        mean, weight = keep * mean + value, keep * weight + 1
        smooth.append((step, mean / weight))
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
    """Ask a run to stop, keeping what it learned."""
    return services.storage.runs.request_stop(run_id)


def resume(services: Services, run_id: str) -> RunRecord:
    """Continue a run that ended early; one that goes on already, by another tab, is left alone."""
    run = services.storage.runs.get(run_id)
    return run if run.status.active or run.status is RunStatus.QUEUED else services.storage.runs.resume(run_id)


def delete(services: Services, run_id: str) -> None:
    """Remove a run with all its files."""
    services.storage.runs.delete(run_id)


def adapter_zip(services: Services, run_id: str) -> tuple[str, bytes]:
    """File name and content of a run's download. Raises NotFoundError, StudioError."""
    run = services.storage.runs.get(run_id)
    if not _downloadable(services, run):
        raise StudioError("This run has nothing to download yet.")
    safe = "".join(character if character.isascii() and (character.isalnum() or character in "-_") else "-" for character in run.name)
    return f"{safe or 'adapter'}.zip", services.storage.files.zip_adapter(run_id)
