"""Trains one run: from its row to its adapter folder, every figure and sentence on the way written to storage."""

import logging
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from logging.handlers import RotatingFileHandler
from pathlib import Path

from app.worker.failures import explain, settings_of
from app.worker.resident import Resident
from reft_engine import train
from reft_engine.base_models import Base, newest_revision
from reft_engine.data import load_examples
from reft_engine.events import HeldOutEvent, ReuseEvent, SampleEvent, SavingFailedEvent, StepEvent, TrainEvent
from reft_engine.spec import RunSpec
from reft_engine.training import TrainResult
from storage import HeldRun, LeaseLostError, MetricPoint, RunStatus, SampleRecord, StorageError, UnavailableError

_log = logging.getLogger("reft_studio.run")
_WRITE_SECONDS = 1.5
_PAUSE_SECONDS = 3.0
"""How long writing is left alone after the database could not be used; training goes on meanwhile."""
_WITHOUT_SECONDS = 60.0
"""After so long without a database what was learned counts more than the figures, and a checkpoint may be ahead of them."""
_CHECK_SECONDS = 300
_LOG_BYTES = 1_000_000
GoingDown = Callable[[], bool]


class _Journal:
    """Writes what happens to the database; figures in batches, so that short steps are not slowed down.

    What cannot be written now is kept and written later: a database in use by somebody else must not stop a run.
    """

    def __init__(self, resident: Resident, held: HeldRun) -> None:
        self._resident, self._storage, self._held = resident, resident.storage, held
        self._points: list[MetricPoint] = []
        self._later: list[Callable[[], None]] = []
        self._step: StepEvent | None = None
        self._next = 0.0
        self._failing_since: float | None = None

    def __call__(self, event: TrainEvent) -> None:
        if isinstance(event, StepEvent):
            self._step = event
            self._points += [MetricPoint(event.step, "loss", event.loss), MetricPoint(event.step, "learning_rate", event.learning_rate)]
        elif isinstance(event, HeldOutEvent):
            self._points += [MetricPoint(event.step, "held_out", event.loss), MetricPoint(event.step, "held_out_base", event.loss_base)]
            _log.info("step %d: held-out loss %.4f (base %.4f)", event.step, event.loss, event.loss_base)
        elif isinstance(event, ReuseEvent):
            self._later.append(partial(self._held.note, event.sentence))
        elif isinstance(event, SampleEvent):
            sample = SampleRecord(event.step, event.prompt, event.expected, event.base, event.tuned)
            self._later.append(partial(self._storage.samples.add, self._held.run.id, sample))
        elif isinstance(event, SavingFailedEvent):
            _log.warning("step %d: no checkpoint: %s", event.step, event.reason)
            self._later.append(partial(self._held.note, f"What was learned cannot be saved for now: {event.reason}. Training goes on."))
        if time.monotonic() > self._next:
            self._try()

    def _try(self) -> None:
        try:
            self.flush()
            self._resident.trouble = ""
            self._failing_since = None
            self._next = time.monotonic() + _WRITE_SECONDS
        except UnavailableError as error:
            _log.warning("nothing can be written for now: %s", error)
            self._resident.trouble = str(error)
            self._failing_since = self._failing_since or time.monotonic()
            self._next = time.monotonic() + _PAUSE_SECONDS

    def settled(self) -> bool:
        """Write what waits; whether a checkpoint of the steps so far may be written, as it is not ahead of their figures."""
        if self._failing_since is None or time.monotonic() > self._next:
            self._try()
        return self._failing_since is None or time.monotonic() - self._failing_since > _WITHOUT_SECONDS

    def flush(self) -> None:
        """Write what waits. Raises UnavailableError, which loses nothing, and LeaseLostError."""
        if step := self._step:
            self._held.progress(
                step=step.step, total_steps=step.total_steps, epoch=step.epoch, seconds_left=step.seconds_left, figures=self._points
            )  # fmt: skip
            self._step, self._points = None, []
        if self._points:  # measured before the first step, or after the last
            self._storage.metrics.add(self._held.run.id, self._points)
            self._points = []
        while self._later:
            self._later[0]()
            del self._later[0]


def run_job(resident: Resident, held: HeldRun, going_down: GoingDown) -> None:
    """Train a claimed run to one of its ends; a run that is cut off by ``going_down`` stays as it is, to go on later."""
    handler = _log_to(resident.storage.files.log(held.run.id))
    try:
        _train(resident, held, going_down)
    except LeaseLostError as error:
        _log.warning("left alone: %s", error)
    except Exception as error:  # noqa: BLE001 (the edge of a run: whatever it was, the row must not stay "training")
        _log.exception("failed")
        failure = explain(error, settings_of(held.run))
        _insist(resident, partial(held.fail, failure), going_down)
    finally:
        resident.clear_training()
        if handler:
            _log.removeHandler(handler)
            handler.close()


def _insist(resident: Resident, write: Callable[[], object], going_down: GoingDown) -> None:
    """Write again and again while the database cannot be used; when the worker ends first, the next one does what is to be done."""
    while True:
        try:
            write()
        except LeaseLostError as error:
            _log.warning("left alone: %s", error)
        except UnavailableError as error:
            if not going_down():
                _log.warning("tried again: %s", error)
                resident.trouble = str(error)
                time.sleep(1.0)
                continue
        resident.trouble = ""
        return


def _train(resident: Resident, held: HeldRun, going_down: GoingDown) -> None:
    storage, run = resident.storage, held.run
    spec = RunSpec.read(run.spec)
    folder = storage.files.run_folder(run.id)
    _log.info("run %s: %s", run.name, spec.model_dump_json())
    revision = spec.revision or newest_revision(spec.base)
    base = resident.base(spec.base, revision)
    if revision and revision != spec.revision:
        held.set_revision(revision)
    examples = load_examples(storage.files.examples(run.dataset_id))
    if held.begin(_rows_in_words(resident, held, base, spec)).status.ended:
        return
    journal = _Journal(resident, held)
    result = train(
        base, examples, spec.reft, spec.train, folder=folder, on_event=journal, turn=resident.turns.working,
        on_ready=lambda reft: resident.set_training(run.id, base, reft),
        should_stop=_Stop(held, going_down), may_save=journal.settled,
    )  # fmt: skip
    _insist(resident, journal.flush, going_down)
    if result.stopped and going_down():
        return
    _insist(resident, partial(held.set_summary, dict(result.summary())), going_down)
    _finish(resident, held, folder, result, going_down)


class _Stop:
    """Whether to stop; the database is asked every three quarters of a second."""

    def __init__(self, held: HeldRun, going_down: GoingDown) -> None:
        self._held, self._going_down = held, going_down
        self._next, self._found = 0.0, False

    def __call__(self) -> bool:
        if not self._found and time.monotonic() > self._next:
            self._next = time.monotonic() + 0.75
            try:
                self._found = self._held.stop_requested()
            except UnavailableError:
                _log.warning("whether to stop cannot be asked for now")
        return self._found or self._going_down()


def _rows_in_words(resident: Resident, held: HeldRun, base: Base, spec: RunSpec) -> str:
    """What is trained on, held out and left out, as the pages have counted it."""
    dataset_id = held.run.dataset_id
    rows = resident.storage.datasets.get(dataset_id).rows
    return resident.checks.check(*resident.dataset_rows(dataset_id), base, spec.reft, spec.train, rows).run_sentence


def _finish(resident: Resident, held: HeldRun, folder: Path, result: TrainResult, going_down: GoingDown) -> None:
    checking = "Loading the result back in a fresh process, to be sure that it works."
    _insist(resident, partial(held.move, RunStatus.CHECKING, checking), going_down)
    _check(folder / "adapter", held.run.base)
    if result.stopped:
        text = f"Stopped after step {result.steps} of {result.total_steps}; what was learned is kept and can be continued."
        _insist(resident, partial(held.move, RunStatus.STOPPED, text), going_down)
    else:
        text = f"Finished {result.steps} steps; the result was loaded back and compared."
        _insist(resident, partial(held.move, RunStatus.FINISHED, text), going_down)


def _check(adapter: Path, base: str) -> None:
    command = [sys.executable, "-m", "app.worker.verify", str(adapter), base]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_CHECK_SECONDS, check=False)
    _log.info("check: %s", (done.stdout + done.stderr).strip()[-2000:])
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise StorageError(f"The result was saved but does not load back: {reason}")


def _log_to(path: Path) -> logging.Handler | None:
    """The run's own log; a run without one is better than none."""
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
