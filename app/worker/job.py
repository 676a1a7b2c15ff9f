"""Trains claimed runs, one or a group in the same passes, from row to adapter folder, and writes every metric to the journals."""

import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from app.bases.hub import watching
from app.run_texts import DataPart, RunFile
from app.words import say
from app.worker.failures import explain, settings_of
from app.worker.journal import Journal
from app.worker.resident import Resident
from reft_engine import RunSpec, StoppedError, train
from reft_engine.base import Base, is_here, newest_revision
from reft_engine.data import AnyExample, load_examples
from reft_engine.formats import write_atomic
from reft_engine.training import (
    Changes,
    Followed,
    GroupMember,
    Regression,
    StepEvent,
    TrainEvent,
    TrainResult,
    measure_changes,
    measure_regression,
    train_group,
)
from storage import DatasetVersionRecord, LeasedRun, LeaseLostError, NotFoundError, RunRecord, RunStatus, UnavailableError
from storage.files import remove_tree, temporary_path

_log = logging.getLogger("reft_studio.worker")
_LOG_BYTES = 1_000_000
_MB = 1_000_000
ShuttingDown = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class _Job:
    """A claimed run with what it writes to."""

    resident: Resident
    run: RunRecord
    journal: Journal
    log: logging.Logger
    shutting_down: ShuttingDown
    together: int = 1
    """Number of runs that share its passes, itself included."""

    @property
    def spec(self) -> RunSpec:
        return RunSpec.read(self.run.spec)


def run_jobs(resident: Resident, leased: Sequence[LeasedRun], shutting_down: ShuttingDown) -> None:
    """Train claimed runs of one group in the same passes; what goes wrong in those is tried again with each run alone."""
    rest = _run_together(resident, leased, shutting_down) if len(leased) > 1 else leased
    for each in rest:
        if not shutting_down():
            run_job(resident, each, shutting_down)


def run_job(resident: Resident, leased: LeasedRun, shutting_down: ShuttingDown) -> None:
    """Train a claimed run until it ends; a run that ``shutting_down`` interrupts keeps its status and resumes later."""
    with _opened(resident, leased, shutting_down) as job:
        _or_fail(job, partial(_train, job))


@contextmanager
def _opened(resident: Resident, leased: LeasedRun, shutting_down: ShuttingDown) -> Iterator[_Job]:
    log = logging.getLogger(f"reft_studio.run.{leased.run.id}")
    handler = _log_to(resident.storage.files.log(leased.run.id), log)
    try:
        yield _Job(resident, leased.run, Journal(leased, shutting_down, resident.set_trouble, log), log, shutting_down)
    finally:
        resident.clear_training(leased.run.id)
        if handler:
            log.removeHandler(handler)
            handler.close()


def _or_fail(job: _Job, act: Callable[[], None]) -> bool:
    """Do something of a run, or write why that failed; whether it was done. What another worker will do is left alone."""
    try:
        try:
            act()
        except LeaseLostError:
            raise
        except StoppedError:
            job.journal.stopped_encoding(job.run.step)
            return True
        except Exception as error:  # the edge of a run: after any error the row must not stay "training"
            if isinstance(error, UnavailableError) and job.shutting_down():
                raise
            job.log.exception("failed")
            job.journal.fail(explain(error, settings_of(job.run)))
        else:
            return True
    except (LeaseLostError, UnavailableError) as error:  # another worker has the run, or the next one will resume it
        job.log.warning("left alone: %s", error)
    return False


def _train(job: _Job) -> None:
    resident, journal, spec = job.resident, job.journal, job.spec
    revision = spec.revision or newest_revision(spec.base)
    with _downloading([job], revision):
        base = resident.base(spec.base, revision, spec.precision)
    version = resident.storage.datasets.version(job.run.version_id)
    examples = load_examples(resident.storage.files.rows(version))
    if not _begin(job, revision, base.precision, version):
        return
    journal.watch_memory(str(base.device))
    result = train(
        base, examples, spec.trained, spec.train, folder=resident.storage.files.run_folder(job.run.id), start=_start(job),
        file_rows=version.rows, on_event=partial(_on_event, job), exclusive=resident.base_lock.for_training,
        on_ready=lambda reft: resident.set_training(job.run.id, base, reft),
        should_stop=journal.should_stop, leaving=journal.leaving, may_save=journal.settled,
    )  # fmt: skip
    _end(job, result, base, examples)


@contextmanager
def _downloading(jobs: Sequence[_Job], revision: str | None) -> Iterator[None]:
    """Show how far the base model is downloaded while it is loaded, if it is not on this machine."""
    name = jobs[0].spec.base
    if is_here(name, revision):
        yield
        return

    def tell(done: int, total: int) -> None:
        for job in jobs:
            job.journal.show_phase("download", done // _MB, max(1, total // _MB))

    with watching(name, revision, tell):
        yield


def _on_event(job: _Job, event: TrainEvent) -> None:
    job.journal(event)
    if isinstance(event, StepEvent):
        job.resident.check.prepare()


def _start(job: _Job) -> Path | None:
    """The edit that a run begins with; copied once, because the run that it is of may be deleted meanwhile. Raises NotFoundError."""
    if (continued := job.run.continues_id) is None:
        return None
    files = job.resident.storage.files
    start = files.start(job.run.id)
    if not start.is_dir():
        if not files.adapter(continued).is_dir():
            raise NotFoundError(say("job.nothing_to_continue"))
        copied = temporary_path(start.parent)
        shutil.copytree(files.adapter(continued), copied)
        copied.rename(start)
    return start


def _begin(job: _Job, revision: str | None, precision: str, version: DatasetVersionRecord) -> bool:
    """Write that a run begins, and how it is made; False if it was stopped meanwhile."""
    spec = job.spec
    job.log.info("run %s: %s", job.run.name, spec.model_dump_json())
    if revision and revision != spec.revision:
        job.journal.set_revision(revision)
    if job.journal.begin(say("job.reading")).status.ended:
        return False
    described = RunFile(spec.model_copy(update={"revision": revision, "precision": precision}), DataPart.of_version(version))
    write_atomic(job.resident.storage.files.spec(job.run.id), described.to_yaml().encode())
    return True


def _end(job: _Job, result: TrainResult, base: Base, examples: Sequence[AnyExample]) -> None:
    """Write the result of a run down; one that goes on later, or is discarded, has none."""
    looks = _look(job, result, base, examples)
    job.journal.flush()
    if result.stopped and result.adapter is None:
        job.journal.leave()
    else:
        measured = {"evidence": result.evidence.to_dict(), **job.journal.memory, "trained_together": job.together}
        job.journal.set_summary({**result.summary(), **measured, **looks})
        _finish(job, result)
    job.resident.clear_training(job.run.id)  # not before the adapter can be loaded: chats have the run without a gap


def _look(job: _Job, result: TrainResult, base: Base, examples: Sequence[AnyExample]) -> dict[str, Any]:
    """Look at an edit: whether it breaks anything else, and what it changes; nothing of this once somebody has pressed Stop."""
    journal = job.journal

    def tell(done: int, total: int) -> None:
        journal.show_phase("look", done, total)

    more: dict[str, Any] = {
        "exclusive": job.resident.base_lock.for_training, "on_progress": tell, "should_stop": journal.should_stop,
    }  # fmt: skip
    looks: dict[str, Callable[[], Regression | Changes | None]] = {
        "regression": partial(measure_regression, base, result.reft, **more),
        "changes": partial(measure_changes, base, result.reft, result.held_out or examples, job.spec.train, **more),
    }
    return {name: figures for name, measure in looks.items() if (figures := _figures(job, name, measure))}


def _figures(job: _Job, name: str, measure: Callable[[], Regression | Changes | None]) -> dict[str, Any] | None:
    """The figures of one look; None if there are none, or if it fails: a run that has learned must not fail because of it."""
    try:
        figures = None if job.journal.should_stop() else measure()
    except LeaseLostError:
        raise
    except Exception:  # the edge of a look
        job.log.exception("not measured: %s", name)
        return None
    return figures.to_dict() if figures else None


def _run_together(resident: Resident, leased: Sequence[LeasedRun], shutting_down: ShuttingDown) -> list[LeasedRun]:
    """Train runs in the same passes, each until it ends; returns those that have to be trained alone instead."""
    ended: set[str] = set()
    with ExitStack() as opened:
        jobs = [opened.enter_context(_opened(resident, each, shutting_down)) for each in leased]
        try:
            _train_together(resident, jobs, ended)
        except Exception:  # noqa: BLE001 (the edge of a group: what goes wrong in passes that are shared may be due to one run, or to their number)
            _log.exception("runs that were trained together are trained one after another")
    return [each for each in leased if each.run.id not in ended]


def _train_together(resident: Resident, jobs: Sequence[_Job], ended: set[str]) -> None:
    """Train runs of one group; the ids of those that end, in whatever way, are added to ``ended``."""
    spec, version = jobs[0].spec, resident.storage.datasets.version(jobs[0].run.version_id)
    revisions = {job.spec.revision or newest_revision(spec.base) for job in jobs}
    if len(revisions) > 1:
        return  # they were begun at different times, with different commits of their base model
    (revision,) = revisions
    with _downloading(jobs, revision):
        base = resident.base(spec.base, revision, spec.precision)
    examples = load_examples(resident.storage.files.rows(version))
    begun: list[_Job] = []
    for job in jobs:
        _or_fail(job, partial(_begin_with, begun, job, revision, base.precision, version))
    ended |= {job.run.id for job in jobs if job not in begun}
    for job in begun:
        job.journal.watch_memory(str(base.device))
    members = [_member(replace(job, together=len(begun)), base, examples, ended) for job in begun]
    if members:
        train_group(base, examples, members, file_rows=version.rows, exclusive=resident.base_lock.for_training)


def _begin_with(begun: list[_Job], job: _Job, revision: str | None, precision: str, version: DatasetVersionRecord) -> None:
    if _begin(job, revision, precision, version):
        begun.append(job)


def _member(job: _Job, base: Base, examples: Sequence[AnyExample], ended: set[str]) -> GroupMember:
    """A run as the engine trains it with others."""
    resident, journal, spec = job.resident, job.journal, job.spec

    def end(outcome: TrainResult | Exception) -> None:
        ended.add(job.run.id)
        _or_fail(job, partial(_end_or_raise, job, outcome, base, examples))

    followed = Followed(
        on_event=partial(_on_event, job), on_ready=lambda reft: resident.set_training(job.run.id, base, reft),
        should_stop=journal.should_stop,
        leaving=journal.leaving, may_save=journal.settled,
    )  # fmt: skip
    return GroupMember(spec.reft, spec.train, resident.storage.files.run_folder(job.run.id), followed, end)


def _end_or_raise(job: _Job, outcome: TrainResult | Exception, base: Base, examples: Sequence[AnyExample]) -> None:
    if isinstance(outcome, Exception):
        raise outcome
    _end(job, outcome, base, examples)


def _finish(job: _Job, result: TrainResult) -> None:
    journal = job.journal
    journal.set_status(RunStatus.CHECKING, say("job.checking"))
    job.log.info("check: %s", job.resident.check.check(job.resident.storage.files.adapter(job.run.id), job.run.base))
    if result.stopped:
        journal.set_status(RunStatus.STOPPED, say("job.stopped", step=result.steps, total=result.total_steps))
    else:
        kept = say("job.kept_best", step=result.evidence.kept_step) if result.kept == "best" else say("job.kept_last")
        text = say("job.finished_early" if result.stopped_early else "job.finished", steps=result.steps, kept=kept)
        journal.set_status(RunStatus.FINISHED, text)
        with suppress(OSError):  # the next cleaning up removes them then
            remove_tree(job.resident.storage.files.checkpoint(job.run.id))  # several times the size of the adapter, and of no more use


def _log_to(path: Path, log: logging.Logger) -> logging.Handler | None:
    """Open the log of a run; None if that fails, because a run without a log is better than no run."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = RotatingFileHandler(path, maxBytes=_LOG_BYTES, backupCount=1, encoding="utf-8")
    except OSError as error:
        log.warning("there is no log of this run: %s", error)
        return None
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    return handler
