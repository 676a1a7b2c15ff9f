"""Writes the progress of the current run under its lease; nothing is lost while the database is unusable."""

import logging
import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from math import isfinite
from typing import Any, TypeVar

from app.words import say
from reft_engine.training import (
    HeldOutEvent,
    Peak,
    PhaseEvent,
    ReuseEvent,
    RowsEvent,
    SampleEvent,
    SavingFailedEvent,
    Smoothed,
    StepEvent,
    TrainEvent,
    peak_memory,
    used_memory,
)
from storage import (
    Failure,
    LeasedRun,
    MetricPoint,
    Phase,
    RunRecord,
    RunStatus,
    SampleRecord,
    StopRequest,
    UnavailableError,
)

_LOG = logging.getLogger("reft_studio.run")
_WRITE_SECONDS = 1.5
_PAUSE_SECONDS = 3.0
"""Pause between write attempts while the database is unusable; training continues meanwhile."""
_MAX_OUTAGE_SECONDS = 60.0
"""After this long without a database a checkpoint may be ahead of its metrics, because the training progress matters more."""
_STOP_CHECK_SECONDS = 0.25
"""Interval between checks for a stop request."""
Given = TypeVar("Given")


class Journal:
    """Writes the events of a run; metrics in batches, so that short steps are not slowed down.

    It buffers what cannot be written yet: a database in use by another program must not stop a run.

    Args:
        leased: the current run; all writes go through its lease.
        shutting_down: whether the worker is shutting down.
        on_trouble: called with the reason why nothing can be written, and with an empty text when writing works again.
        log: the run's log.

    Raises:
        LeaseLostError: from every method that uses the database, if another worker holds the run.
        UnavailableError: from the methods that retry, if the worker shuts down before the database is usable again.
    """

    def __init__(
        self, leased: LeasedRun, shutting_down: Callable[[], bool], on_trouble: Callable[[str], None],
        log: logging.Logger = _LOG,
    ) -> None:  # fmt: skip
        self._log = log
        self._leased, self._shutting_down, self._on_trouble = leased, shutting_down, on_trouble
        self._points: list[MetricPoint] = []
        self._samples: list[SampleRecord] = []
        self._pending: list[Callable[[], None]] = []
        self._step: StepEvent | None = None
        self._phase: Phase | None = None
        self._next_write, self._next_stop_check = 0.0, 0.0
        self._failing_since: float | None = None
        self._stop: StopRequest | None = None
        self._sparkline, self._throughput = Sparkline(leased.run.sparkline), _Throughput(leased.run.seconds)

    # Writes that are retried until they succeed

    def begin(self, sentence: str) -> RunRecord:
        """As `LeasedRun.begin`, with retries."""
        return self._retry(partial(self._leased.begin, sentence))

    def set_revision(self, revision: str) -> None:
        """As `LeasedRun.set_revision`, with retries."""
        self._retry(partial(self._leased.set_revision, revision))

    def set_summary(self, summary: dict[str, Any]) -> None:
        """As `LeasedRun.set_summary`, with retries."""
        self._retry(partial(self._leased.set_summary, summary))

    def set_status(self, status: RunStatus, sentence: str) -> None:
        """As `LeasedRun.set_status`, with retries."""
        self._retry(partial(self._leased.set_status, status, sentence))

    def fail(self, failure: Failure) -> None:
        """As `LeasedRun.fail`, with retries."""
        self._retry(partial(self._leased.fail, failure))

    def flush(self) -> None:
        """Write the buffer, with retries."""
        self._retry(self._write)

    def watch_memory(self, device: str) -> None:
        """Measure the memory that training takes at most, from now on."""
        Peak(device).begin()
        self._throughput.memory_before = used_memory()

    @property
    def memory(self) -> dict[str, int | None]:
        """Bytes that this process used at most while it trained, and when that began; with all else that it does, such as chats."""
        return {"peak_memory": self._throughput.peak_memory, "memory_before": self._throughput.memory_before}

    def _retry(self, write: Callable[[], Given]) -> Given:
        while True:
            try:
                result = write()
            except UnavailableError as error:
                if self._shutting_down():
                    raise
                self._log.warning("tried again: %s", error)
                self._on_trouble(str(error))
                time.sleep(1.0)
            else:
                self._on_trouble("")
                return result

    # Writes that can be delayed

    def __call__(self, event: TrainEvent) -> None:
        """Buffer an event of training, and write the buffer if it is due."""
        if isinstance(event, StepEvent):
            self._step, self._phase = event, None
            self._points += [MetricPoint(event.step, name, value) for name, value in _step_metrics(event).items()]
            self._sparkline.add(event.step / event.total_steps, event.loss)
            self._throughput.add(event.tokens)
        elif isinstance(event, PhaseEvent):
            self._phase = Phase(event.phase, event.done, event.total)
        elif isinstance(event, RowsEvent):
            self._pending.append(partial(self._leased.set_rows, event.check.run_sentence, event.held_out_places))
        elif isinstance(event, HeldOutEvent):
            self._points += [MetricPoint(event.step, name, value) for name, value in _held_out_metrics(event).items() if isfinite(value)]
            self._pending.append(partial(self._leased.set_held_out, event.loss, event.loss_base))
            self._log.info("step %d: held-out loss %.4f (base %.4f)", event.step, event.loss, event.loss_base)
        elif isinstance(event, ReuseEvent):
            self._pending.append(partial(self._leased.add_event, event.sentence))
        elif isinstance(event, SampleEvent):
            self._samples.append(SampleRecord(event.step, event.prompt, event.expected, event.base, event.tuned, event.place))
        elif isinstance(event, SavingFailedEvent):
            self._log.warning("step %d: no checkpoint: %s", event.step, event.reason)
            self._pending.append(partial(self._leased.add_event, say("job.not_saved", reason=event.reason)))
        if time.monotonic() > self._next_write:
            self._try_to_write()

    def show_phase(self, name: str, done: int, total: int) -> None:
        """Show work that comes before training, such as a download, as far as it is; written when it is due."""
        self._phase = Phase(name, done, total)
        if time.monotonic() > self._next_write:
            self._try_to_write()

    def settled(self) -> bool:
        """Write the buffer; whether a checkpoint may be saved now without being ahead of its metrics."""
        if self._failing_since is None or time.monotonic() > self._next_write:
            self._try_to_write()
        return self._failing_since is None or time.monotonic() - self._failing_since > _MAX_OUTAGE_SECONDS

    def _try_to_write(self) -> None:
        try:
            self._write()
            self._on_trouble("")
            self._failing_since = None
            self._next_write = time.monotonic() + _WRITE_SECONDS
        except UnavailableError as error:
            self._log.warning("nothing can be written for now: %s", error)
            self._on_trouble(str(error))
            self._failing_since = self._failing_since or time.monotonic()
            self._next_write = time.monotonic() + _PAUSE_SECONDS

    def _write(self) -> None:
        """Write the buffer, or check the lease if it is empty. UnavailableError leaves the unwritten rest in the buffer."""
        if not (self._step or self._phase or self._points or self._samples or self._pending):
            self._stop = self._leased.stop_requested()
        if step := self._step:
            self._points += self._throughput.measured(step.step)
            self._leased.progress(
                step=step.step, total_steps=step.total_steps, epoch=step.epoch, seconds_left=step.seconds_left, metrics=self._points,
                sparkline=self._sparkline.values, seconds=self._throughput.seconds,
            )  # fmt: skip
            self._step, self._points = None, []
        if self._points:  # measured before the first step, or after the last
            self._leased.add_metrics(self._points)
            self._points = []
        if self._samples:
            self._leased.add_sample(*self._samples)
            self._samples = []
        while self._pending:
            self._pending[0]()
            del self._pending[0]
        if self._phase:
            self._leased.set_phase(self._phase)
            self._phase = None

    def should_stop(self) -> bool:
        """Whether training should end, because of a request or the worker's shutdown."""
        if not self._stop and time.monotonic() > self._next_stop_check:
            self._next_stop_check = time.monotonic() + _STOP_CHECK_SECONDS
            try:
                self._stop = self._leased.stop_requested()
            except UnavailableError:
                self._log.warning("whether to stop cannot be asked for now")
        return self._stop is not None or self._shutting_down()

    def leaving(self) -> bool:
        """Whether training should end with a checkpoint alone: the run goes on later, or is discarded."""
        return self._stop in (StopRequest.PAUSE, StopRequest.DISCARD) or self._shutting_down()

    def leave(self) -> None:
        """Write how a run ended that was `leaving`; what the worker's shutdown interrupts is put back by the worker itself."""
        if self._stop is StopRequest.DISCARD:
            self.set_status(RunStatus.STOPPED, say("job.discarded"))
        elif self._stop is StopRequest.PAUSE:
            self.set_status(RunStatus.INTERRUPTED, say("job.paused"))

    def stopped_encoding(self, step: int) -> None:
        """Write how a run ended that was told to stop while its rows were encoded; ``step`` is the last one that it made before."""
        if self.leaving():
            self.leave()
        else:
            self.set_status(RunStatus.STOPPED, say("job.stopped_going_on", step=step) if step else say("job.stopped_before"))


_SPARKS = 24
"""Values of a sparkline."""


class Sparkline:
    """The training loss of a run in a few values, each the smoothed loss at the end of an equal share of the run."""

    def __init__(self, values: Sequence[float] = ()) -> None:
        self.values = list(values)
        self._mean = Smoothed()
        if values:
            self._mean.add(values[-1], 1)

    def add(self, share: float, loss: float) -> None:
        """Take a step's loss into account; ``share`` of the run is done after it."""
        self._mean.add(loss, 30)
        place = min(_SPARKS, max(1, math.ceil(share * _SPARKS)))
        del self.values[place:]  # of a run that goes on from an earlier step
        self.values += [round(self._mean.mean, 4)] * (place - len(self.values))
        self.values[place - 1] = round(self._mean.mean, 4)


def _step_metrics(event: StepEvent) -> dict[str, float]:
    return {"loss": event.loss, "learning_rate": event.learning_rate, "gradient_norm": event.gradient_norm}


class _Throughput:
    """Tokens per second since the last write, the memory in use and the seconds spent, measured once for each write."""

    def __init__(self, seconds: float) -> None:
        self._tokens, self._since = 0, time.monotonic()
        self.seconds = seconds
        self.memory_before: int | None = None
        self.peak_memory: int | None = None

    def add(self, tokens: int) -> None:
        self._tokens += tokens

    def measured(self, step: int) -> list[MetricPoint]:
        """The figures at a step; starts the next measurement."""
        passed, tokens, memory = time.monotonic() - self._since, self._tokens, used_memory()
        self._tokens, self._since = 0, time.monotonic()
        self.seconds += passed
        if (peak := peak_memory()) is not None:  # an estimate that is probed meanwhile measures from anew, so each write looks
            self.peak_memory = max(peak, self.peak_memory or 0)
        found = {"tokens_per_second": tokens / passed if passed > 0 else None, "memory": memory, "seconds": self.seconds}
        return [MetricPoint(step, name, float(value)) for name, value in found.items() if value is not None]


def _held_out_metrics(event: HeldOutEvent) -> dict[str, float]:
    return {
        "held_out": event.loss, "held_out_base": event.loss_base, "held_out_rows": event.rows, "held_out_right": event.right,
        "held_out_right_base": event.right_base, **({} if event.best_step is None else {"held_out_best_step": event.best_step}),
    }  # fmt: skip
