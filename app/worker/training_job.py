"""Trains one run: from its row to its adapter folder, every figure and sentence on the way written to storage."""

import logging
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from app.worker.resident import Resident
from reft_engine import ReftError, train
from reft_engine.base_models import newest_revision
from reft_engine.data import Example, Preference, load_examples, split
from reft_engine.spec import RunSpec
from reft_engine.training import HeldOutEvent, ReuseEvent, SampleEvent, StepEvent, TrainEvent, TrainResult
from storage import MetricPoint, RunRecord, RunStatus, SampleRecord, Storage, StorageError

_log = logging.getLogger("reft_studio.run")
_WRITE_SECONDS = 0.4
_CHECK_SECONDS = 300


class _Journal:
    """Writes what happens to the database; figures in batches, so that short steps are not slowed down."""

    def __init__(self, storage: Storage, run_id: str) -> None:
        self.storage, self.run_id = storage, run_id
        self._points: list[MetricPoint] = []
        self._step: StepEvent | None = None
        self._written = 0.0

    def __call__(self, event: TrainEvent) -> None:
        if isinstance(event, StepEvent):
            self._step = event
            self._points += [MetricPoint(event.step, "loss", event.loss), MetricPoint(event.step, "learning_rate", event.learning_rate)]
        elif isinstance(event, HeldOutEvent):
            self._points += [MetricPoint(event.step, "held_out", event.loss), MetricPoint(event.step, "held_out_base", event.loss_base)]
            _log.info("step %d: held-out loss %.4f (base %.4f)", event.step, event.loss, event.loss_base)
        elif isinstance(event, ReuseEvent):
            self.storage.events.add(self.run_id, event.sentence)
        elif isinstance(event, SampleEvent):
            sample = SampleRecord(event.step, event.prompt, event.expected, event.base, event.tuned)
            self.storage.samples.add(self.run_id, sample)
        if time.monotonic() - self._written > _WRITE_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what is waiting."""
        if self._points:
            self.storage.metrics.add(self.run_id, self._points)
            self._points = []
        if self._step:
            step = self._step
            self.storage.runs.progress(
                self.run_id, step=step.step, total_steps=step.total_steps, epoch=step.epoch, seconds_left=step.seconds_left
            )
        self._written = time.monotonic()


def run_job(resident: Resident, run: RunRecord, going_down: Callable[[], bool]) -> None:
    """Train a claimed run to one of its ends; a run that is cut off by ``going_down`` stays as it is, to go on later."""
    storage = resident.storage
    handler = _log_to(storage.files.log(run.id))
    try:
        _train(resident, run, going_down)
    except (ReftError, StorageError) as error:
        _log.warning("failed: %s", error)
        _fail(storage, run.id, str(error))
    except OSError as error:
        _log.exception("failed")
        _fail(storage, run.id, f"A file of the run could not be written or read: {error.strerror or error}.")
    except MemoryError:
        _log.exception("out of memory")
        _fail(storage, run.id, "This machine ran out of memory. Halve the batch size or the longest row, or choose a smaller base model.")
    except Exception as error:  # noqa: BLE001 (the edge of a run: whatever it was, the row must not stay "training")
        _log.exception("failed")
        memory = "out of memory" in str(error).lower()
        text = "The device ran out of memory. Halve the batch size, or choose a smaller base model."
        _fail(storage, run.id, text if memory else "Something went wrong inside the program; the run's log has the details.")
    finally:
        resident.clear_training()
        _log.removeHandler(handler)
        handler.close()


def _train(resident: Resident, run: RunRecord, going_down: Callable[[], bool]) -> None:
    storage, spec = resident.storage, RunSpec.read(run.spec)
    folder = storage.files.run_folder(run.id)
    _log.info("run %s: %s", run.name, spec.model_dump_json())
    revision = spec.revision or newest_revision(spec.base)
    base = resident.base(spec.base, revision)
    if revision:
        storage.runs.set_revision(run.id, revision)
    examples = load_examples(storage.files.examples(run.dataset_id))
    if storage.runs.begin(run.id, _rows_in_words(examples, spec)).status.ended:
        return
    journal = _Journal(storage, run.id)
    result = train(
        base, examples, spec.reft, spec.train, folder=folder, on_event=journal, turn=resident.turns.working,
        on_ready=lambda reft: resident.set_training(run.id, base, reft),
        should_stop=lambda: going_down() or storage.runs.stop_requested(run.id),
    )  # fmt: skip
    journal.flush()
    if result.stopped and going_down():
        return
    storage.runs.set_summary(run.id, dict(result.summary()))
    _finish(storage, run.id, folder, spec.base, result)


def _rows_in_words(examples: Sequence[Example | Preference], spec: RunSpec) -> str:
    learned, held = split(examples, spec.train.held_out, spec.train.seed)
    return f"Training on {len(learned):,} rows" + (f"; {len(held):,} are held out to measure with." if held else ".")


def _finish(storage: Storage, run_id: str, folder: Path, base: str, result: TrainResult) -> None:
    storage.runs.set_status(run_id, RunStatus.CHECKING, "Loading the result back in a fresh process, to be sure that it works.")
    _check(folder / "adapter", base)
    if result.stopped:
        text = f"Stopped after step {result.steps} of {result.total_steps}; what was learned is kept and can be continued."
        storage.runs.set_status(run_id, RunStatus.STOPPED, text)
    else:
        storage.runs.set_status(run_id, RunStatus.FINISHED, f"Finished {result.steps} steps; the result was loaded back and compared.")


def _check(adapter: Path, base: str) -> None:
    command = [sys.executable, "-m", "app.worker.verify", str(adapter), base]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_CHECK_SECONDS, check=False)
    _log.info("check: %s", (done.stdout + done.stderr).strip()[-2000:])
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise StorageError(f"The result was saved but does not load back: {reason}")


def _fail(storage: Storage, run_id: str, sentence: str) -> None:
    storage.runs.set_status(run_id, RunStatus.FAILED, sentence, error=sentence)


def _log_to(path: Path) -> logging.Handler:
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    _log.addHandler(handler)
    _log.setLevel(logging.INFO)
    return handler
