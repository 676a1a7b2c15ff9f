"""Trains one run, from its row to its adapter folder, and writes every metric and sentence to its journal."""

import logging
import subprocess
import sys
from collections.abc import Callable
from logging.handlers import RotatingFileHandler
from pathlib import Path

from app.words import say
from app.worker.failures import explain, settings_of
from app.worker.journal import Journal
from app.worker.resident import Resident
from reft_engine import RunSpec, train
from reft_engine.base import newest_revision
from reft_engine.data import load_examples
from reft_engine.formats import write_atomic
from reft_engine.training import TrainResult
from storage import LeasedRun, LeaseLostError, RunRecord, RunStatus, StorageError, UnavailableError

_log = logging.getLogger("reft_studio.run")
_CHECK_SECONDS = 300
_LOG_BYTES = 1_000_000
ShuttingDown = Callable[[], bool]


def run_job(resident: Resident, leased: LeasedRun, shutting_down: ShuttingDown) -> None:
    """Train a claimed run until it ends; a run that ``shutting_down`` interrupts keeps its status and resumes later."""
    handler = _log_to(resident.storage.files.log(leased.run.id))
    journal = Journal(leased, shutting_down, resident.set_trouble)
    try:
        _train_or_fail(resident, leased.run, journal, shutting_down)
    except (LeaseLostError, UnavailableError) as error:  # another worker has the run, or the next one will resume it
        _log.warning("left alone: %s", error)
    finally:
        resident.clear_training()
        if handler:
            _log.removeHandler(handler)
            handler.close()


def _train_or_fail(resident: Resident, run: RunRecord, journal: Journal, shutting_down: ShuttingDown) -> None:
    """Train, or write why that failed. Raises LeaseLostError, and UnavailableError if the worker shuts down before that is written."""
    try:
        _train(resident, run, journal, shutting_down)
    except LeaseLostError:
        raise
    except Exception as error:  # the edge of a run: after any error the row must not stay "training"
        if isinstance(error, UnavailableError) and shutting_down():
            raise
        _log.exception("failed")
        journal.fail(explain(error, settings_of(run)))


def _train(resident: Resident, run: RunRecord, journal: Journal, shutting_down: ShuttingDown) -> None:
    files = resident.storage.files
    spec = RunSpec.read(run.spec)
    folder = files.run_folder(run.id)
    _log.info("run %s: %s", run.name, spec.model_dump_json())
    revision = spec.revision or newest_revision(spec.base)
    base = resident.base(spec.base, revision)
    if revision and revision != spec.revision:
        journal.set_revision(revision)
    version = resident.storage.datasets.version(run.version_id)
    examples = load_examples(files.rows(version))
    if journal.begin(say("job.reading")).status.ended:
        return
    write_atomic(files.spec(run.id), spec.model_copy(update={"revision": revision}).to_yaml().encode())
    result = train(
        base, examples, spec.trained, spec.train, folder=folder, file_rows=version.rows,
        on_event=journal, exclusive=resident.base_lock.for_training,
        on_ready=lambda reft: resident.set_training(run.id, base, reft),
        should_stop=journal.should_stop, leaving=shutting_down, may_save=journal.settled,
    )  # fmt: skip
    journal.flush()
    if result.stopped and shutting_down():
        return
    journal.set_summary({**result.summary(), "evidence": result.evidence.to_dict()})
    _finish(journal, run, folder, result)


def _finish(journal: Journal, run: RunRecord, folder: Path, result: TrainResult) -> None:
    journal.set_status(RunStatus.CHECKING, say("job.checking"))
    _check(folder / "adapter", run.base)
    if result.stopped:
        journal.set_status(RunStatus.STOPPED, say("job.stopped", step=result.steps, total=result.total_steps))
    else:
        kept = say("job.kept_best", step=result.evidence.kept_step) if result.kept == "best" else say("job.kept_last")
        text = say("job.finished_early" if result.stopped_early else "job.finished", steps=result.steps, kept=kept)
        journal.set_status(RunStatus.FINISHED, text)


def _check(adapter: Path, base: str) -> None:
    command = [sys.executable, "-m", "app.worker.verify", str(adapter), base]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_CHECK_SECONDS, check=False)
    _log.info("check: %s", (done.stdout + done.stderr).strip()[-2000:])
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or [say("job.no_reason")])[-1]
        raise StorageError(say("job.does_not_load", reason=reason))


def _log_to(path: Path) -> logging.Handler | None:
    """Open the log of a run; None if that fails, because a run without a log is better than no run."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = RotatingFileHandler(path, maxBytes=_LOG_BYTES, backupCount=1, encoding="utf-8")
    except OSError as error:
        _log.warning("there is no log of this run: %s", error)
        return None
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    _log.addHandler(handler)
    _log.setLevel(logging.INFO)
    return handler
