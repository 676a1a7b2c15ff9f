"""Actions of the Runs page: show, stop, resume and remove runs."""

from dataclasses import dataclass
from typing import Any

from app.errors import StudioError
from app.handlers import baselines, disk, train
from app.handlers.mix_parts import parts_of, require_trained
from app.handlers.moments import read_moment
from app.handlers.run_cost import require_affordable
from app.handlers.verdict import Verdicts, evidence_of, verdict_of
from app.services import Services
from app.words import say
from reft_engine import RunSpec
from storage import NotFoundError, RunRecord, RunStatus

_LOG_CHARACTERS = 200_000


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
    verdict: Verdicts | None
    downloadable: bool
    logged: bool
    engine_up: bool
    trouble: str
    compared: str = ""
    """Changes when a baseline moves on that is compared with it; ``comparing`` as long as one does."""
    comparing: bool = False
    begins_with: str = ""
    """Name of the run whose edit it begins with; empty if it begins with a new one, or if that run is gone."""

    @property
    def stoppable(self) -> bool:
        """Whether the run can be stopped."""
        return self.run.status.waiting or self.run.status in (RunStatus.PREPARING, RunStatus.TRAINING)

    @property
    def discardable(self) -> bool:
        """Whether the run can be stopped with what it has learned thrown away."""
        return self.run.status in (RunStatus.PREPARING, RunStatus.TRAINING, RunStatus.STOPPING)

    @property
    def resumable(self) -> bool:
        """Whether the run can be resumed."""
        return self.run.status in (RunStatus.STOPPED, RunStatus.FAILED)

    @property
    def remedy(self) -> str:
        """Label of the button that resumes with other settings; empty if there is none."""
        return self.run.failure.label if self.run.failure and self.run.failure.remedy else ""

    @property
    def trained(self) -> bool:
        """Whether it was trained, so that it can be trained again or longer; a mix was not."""
        return not parts_of(self.run)

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
    waiting = run.status.waiting
    held_out, best_step = _held_out(services, run)
    compared, comparing = baselines.state(services, run)
    engine = None if run.status.ended else services.worker.recent_health()
    return RunView(
        run=run, place=storage.runs.queue_position(run_id) if waiting else None, waiting=storage.runs.waiting_count() if waiting else 0,
        held_out=held_out, best_step=best_step, loss=run.sparkline[-1] if run.sparkline else None, verdict=verdict_of(run),
        downloadable=has_result(services, run), logged=storage.files.log(run_id).is_file(),
        engine_up=run.status.ended or engine is not None, trouble=str(engine.get("trouble", "")) if engine else "",
        compared=compared, comparing=comparing, begins_with=_begins_with(services, run),
    )  # fmt: skip


def _begins_with(services: Services, run: RunRecord) -> str:
    return next((other.name for other in services.storage.runs.some([run.continues_id])), "") if run.continues_id else ""


def _held_out(services: Services, run: RunRecord) -> tuple[HeldOut | None, int | None]:
    """The score of the chosen edit if the run has ended, else the last measurement; and the best step so far."""
    evidence = evidence_of(run)
    if evidence and (score := evidence.score) and score.tuned is not None and score.base is not None:
        return HeldOut(score.tuned, score.base, score.rows, score.right_tuned, score.right_base), evidence.best_step
    if run.held_out is None or run.held_out_base is None:
        return None, None
    last = services.storage.metrics.newest_of(run.id, "held_out")
    rows, right, right_base, best = (
        None if name not in last else round(last[name])
        for name in ("held_out_rows", "held_out_right", "held_out_right_base", "held_out_best_step")
    )
    return HeldOut(run.held_out, run.held_out_base, rows, right, right_base), best


def has_result(services: Services, run: RunRecord) -> bool:
    """Whether a run outside the bin has ended with an adapter, which can be taken away and gone on with."""
    ended = run.status in (RunStatus.FINISHED, RunStatus.STOPPED) and run.binned_at is None
    return ended and services.storage.files.adapter(run.id).is_dir()


def stop(services: Services, run_id: str) -> RunRecord:
    """Ask a run to stop, with a checkpoint; a waiting run leaves the queue."""
    return services.storage.runs.request_stop(run_id)


def discard(services: Services, run_id: str) -> RunRecord:
    """Ask a run to stop and move it to the bin, without measuring and saving what it has learned."""
    return services.storage.runs.request_stop(run_id, discard=True)


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


def go_on_longer(services: Services, run_id: str, epochs: float | None) -> RunRecord:
    """Queue a run that begins with the edit of an ended one and trains it for so many more epochs. Raises StudioError, ConfigError."""
    run = services.storage.runs.get(run_id)
    if not has_result(services, run):
        raise StudioError(say("runs.longer.nothing"))
    require_trained(run)
    if epochs is None or epochs != int(epochs) or epochs < 1:
        raise StudioError(say("runs.longer.epochs"))
    train.require_place(services)
    spec = RunSpec.read({**run.spec, "train": {**run.spec["train"], "epochs": int(epochs)}})
    require_affordable(services, f"{run.dataset_id}@{run.version_number}", spec)
    return services.storage.runs.create(
        run.dataset_id, spec.model_dump(mode="json"), name=say("runs.longer.name", name=run.name), version_id=run.version_id,
        continues_id=run.id, expected_bytes=train.expected_bytes(services, spec),
    )  # fmt: skip


def start_later(services: Services, run_id: str, moment: str) -> RunRecord:
    """Let a waiting run begin at a moment, in ISO 8601 with an offset; with none as soon as it is its turn. Raises StudioError."""
    return services.storage.runs.start_after(run_id, read_moment(moment))


def reorder(services: Services, run_id: str, by: int) -> RunRecord:
    """Move a waiting run by ``by`` positions among those of its owner, earlier if negative."""
    mine = [run.id for run in services.storage.runs.going() if run.status.waiting]
    if run_id in mine:
        services.storage.runs.reorder(run_id, max(1, mine.index(run_id) + 1 + by))
    return services.storage.runs.get(run_id)


def delete(services: Services, run_id: str) -> RunRecord:
    """Move a run to the bin, from which it can be restored for some days."""
    return services.storage.runs.delete(run_id)


def restore(services: Services, run_id: str) -> RunRecord:
    """Restore a run from the bin."""
    return services.storage.runs.restore(run_id)


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
    if not has_result(services, run):
        raise StudioError(say("runs.nothing_to_download"))
    return file_name(run, "zip", "adapter"), services.storage.files.zip_adapter(run_id)


def file_name(run: RunRecord, ending: str, instead: str = "run") -> str:
    """The name of a file of a run that is taken away: the run's own in plain letters; ``instead`` where none is left."""
    safe = "".join(each if each.isascii() and (each.isalnum() or each in "-_") else "-" for each in run.name)
    return f"{safe or instead}.{ending}"
