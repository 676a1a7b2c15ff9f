"""What a worker writes of the run in hand: by its lease alone, and none of it lost while the database is away."""

import logging
import time
from collections.abc import Callable
from functools import partial
from math import isfinite
from typing import Any, TypeVar

from app.words import say
from reft_engine.training import HeldOutEvent, PhaseEvent, ReuseEvent, RowsEvent, SampleEvent, SavingFailedEvent, StepEvent, TrainEvent
from storage import Failure, LeasedRun, MetricPoint, Phase, RunRecord, RunStatus, SampleRecord, UnavailableError

_log = logging.getLogger("reft_studio.run")
_WRITE_SECONDS = 1.5
_PAUSE_SECONDS = 3.0
"""How long writing is left alone after the database could not be used; training goes on meanwhile."""
_WITHOUT_SECONDS = 60.0
"""After so long without a database what was learned counts more than the figures, and a checkpoint may be ahead of them."""
_STOP_SECONDS = 0.75
"""How often the database is asked whether to stop."""
Given = TypeVar("Given")


class Journal:
    """Writes what happens to a run; figures in batches, so that short steps are not slowed down.

    What cannot be written now is kept and written later: a database in use by somebody else must not stop a run.

    Args:
        held: the run in hand; nothing is written but by it.
        going_down: whether the worker is told to end.
        on_trouble: given why nothing can be written at the moment, and an empty text once it can be again.

    Raises:
        LeaseLostError: from everything that writes or asks, when the run is no longer this worker's.
        UnavailableError: from everything that insists, when the worker is to end before the database can be used again.
    """

    def __init__(self, held: LeasedRun, going_down: Callable[[], bool], on_trouble: Callable[[str], None]) -> None:
        self._held, self._going_down, self._on_trouble = held, going_down, on_trouble
        self._points: list[MetricPoint] = []
        self._later: list[Callable[[], None]] = []
        self._step: StepEvent | None = None
        self._phase: Phase | None = None
        self._next, self._next_question = 0.0, 0.0
        self._failing_since: float | None = None
        self._stop = False

    # What is insisted on

    def begin(self, sentence: str) -> RunRecord:
        """As of `LeasedRun`, until it is written."""
        return self._insist(partial(self._held.begin, sentence))

    def set_revision(self, revision: str) -> None:
        """As of `LeasedRun`, until it is written."""
        self._insist(partial(self._held.set_revision, revision))

    def set_summary(self, summary: dict[str, Any]) -> None:
        """As of `LeasedRun`, until it is written."""
        self._insist(partial(self._held.set_summary, summary))

    def move(self, status: RunStatus, sentence: str) -> None:
        """As of `LeasedRun`, until it is written."""
        self._insist(partial(self._held.move, status, sentence))

    def fail(self, failure: Failure) -> None:
        """As of `LeasedRun`, until it is written."""
        self._insist(partial(self._held.fail, failure))

    def flush(self) -> None:
        """Write what waits, until it is written."""
        self._insist(self._write)

    def _insist(self, write: Callable[[], Given]) -> Given:
        while True:
            try:
                given = write()
            except UnavailableError as error:
                if self._going_down():
                    raise
                _log.warning("tried again: %s", error)
                self._on_trouble(str(error))
                time.sleep(1.0)
            else:
                self._on_trouble("")
                return given

    # What can wait

    def __call__(self, event: TrainEvent) -> None:
        """Note what happened, and write what waits when it is time to."""
        if isinstance(event, StepEvent):
            self._step, self._phase = event, None
            self._points += [MetricPoint(event.step, "loss", event.loss), MetricPoint(event.step, "learning_rate", event.learning_rate)]
        elif isinstance(event, PhaseEvent):
            self._phase = Phase(event.phase, event.done, event.total)
        elif isinstance(event, RowsEvent):
            self._later.append(partial(self._held.set_rows, event.check.run_sentence, event.held_out_places))
        elif isinstance(event, HeldOutEvent):
            self._points += [MetricPoint(event.step, name, value) for name, value in _held_out_figures(event).items() if isfinite(value)]
            _log.info("step %d: held-out loss %.4f (base %.4f)", event.step, event.loss, event.loss_base)
        elif isinstance(event, ReuseEvent):
            self._later.append(partial(self._held.note, event.sentence))
        elif isinstance(event, SampleEvent):
            sample = SampleRecord(event.step, event.prompt, event.expected, event.base, event.tuned)
            self._later.append(partial(self._held.add_sample, sample))
        elif isinstance(event, SavingFailedEvent):
            _log.warning("step %d: no checkpoint: %s", event.step, event.reason)
            self._later.append(partial(self._held.note, say("job.not_saved", reason=event.reason)))
        if time.monotonic() > self._next:
            self._try()

    def settled(self) -> bool:
        """Write what waits; whether a checkpoint of the steps so far may be written, as it is not ahead of their figures."""
        if self._failing_since is None or time.monotonic() > self._next:
            self._try()
        return self._failing_since is None or time.monotonic() - self._failing_since > _WITHOUT_SECONDS

    def _try(self) -> None:
        try:
            self._write()
            self._on_trouble("")
            self._failing_since = None
            self._next = time.monotonic() + _WRITE_SECONDS
        except UnavailableError as error:
            _log.warning("nothing can be written for now: %s", error)
            self._on_trouble(str(error))
            self._failing_since = self._failing_since or time.monotonic()
            self._next = time.monotonic() + _PAUSE_SECONDS

    def _write(self) -> None:
        """Write what waits; where nothing does, ask whether the run still is ours. Loses nothing when it raises UnavailableError."""
        if not (self._step or self._phase or self._points or self._later):
            self._stop = self._held.stop_requested()
        if step := self._step:
            self._held.progress(
                step=step.step, total_steps=step.total_steps, epoch=step.epoch, seconds_left=step.seconds_left, figures=self._points
            )  # fmt: skip
            self._step, self._points = None, []
        if self._points:  # measured before the first step, or after the last
            self._held.add_figures(self._points)
            self._points = []
        while self._later:
            self._later[0]()
            del self._later[0]
        if self._phase:
            self._held.set_phase(self._phase)
            self._phase = None

    def should_stop(self) -> bool:
        """Whether to end training, as somebody asked the run to stop or the worker to end."""
        if not self._stop and time.monotonic() > self._next_question:
            self._next_question = time.monotonic() + _STOP_SECONDS
            try:
                self._stop = self._held.stop_requested()
            except UnavailableError:
                _log.warning("whether to stop cannot be asked for now")
        return self._stop or self._going_down()


def _held_out_figures(event: HeldOutEvent) -> dict[str, float]:
    return {
        "held_out": event.loss, "held_out_base": event.loss_base, "held_out_rows": event.rows, "held_out_right": event.right,
        "held_out_right_base": event.right_base,
    }  # fmt: skip
