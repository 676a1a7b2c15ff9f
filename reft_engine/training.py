"""The training loop: resumable at any step, reporting through a callback, storing nothing but its checkpoint.

The same seed on the same machine gives the same weights, and a run that was cut off and resumed ends with the weights
of an undisturbed one: batches follow from (seed, epoch), dropout from (seed, step), and the checkpoint holds the rest.
"""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from reft_engine import checkpoint
from reft_engine.base_models import Base
from reft_engine.classification import classify
from reft_engine.data import Example, LooseRow, Preference, as_rows, split
from reft_engine.encoding import EncodedRow
from reft_engine.errors import ConfigError, DataError, TrainingError
from reft_engine.generation import generate
from reft_engine.loop import Loop, share_reuse, step
from reft_engine.model import ReftModel
from reft_engine.objectives import Objective, objective_for
from reft_engine.reuse import Plan
from reft_engine.spec import ReftConfig, TrainConfig

Turn = Callable[[], AbstractContextManager[object]]
_SAMPLE_TOKENS = 40
_CHECKPOINT_STEPS, _CHECKPOINT_SECONDS, _CHECKPOINT_PAUSE = 100, 5.0, 1.0
"""A checkpoint is due after so many steps and at the latest after so many seconds, but never sooner than after the pause."""


@dataclass(frozen=True, slots=True)
class StepEvent:
    """After an optimiser step: mean loss of its rows in nats (per answer token, label or pair), time left in seconds."""

    step: int
    total_steps: int
    epoch: float
    loss: float
    learning_rate: float
    seconds_left: float


@dataclass(frozen=True, slots=True)
class HeldOutEvent:
    """Loss on rows that are not trained on, tuned and bare base."""

    step: int
    loss: float
    loss_base: float


@dataclass(frozen=True, slots=True)
class SampleEvent:
    """What base and tuned answer to one held-out prompt now; of a classifier the likeliest label."""

    step: int
    prompt: str
    expected: str
    base: str
    tuned: str


@dataclass(frozen=True, slots=True)
class ReuseEvent:
    """Once, before the first step that is made: which share of a step's work is saved by what is kept, and a sentence of it."""

    step: int
    share: float
    sentence: str


@dataclass(frozen=True, slots=True)
class SavingFailedEvent:
    """A checkpoint could not be written, and why; training goes on and tries again. Told once until it works again."""

    step: int
    reason: str


TrainEvent = StepEvent | HeldOutEvent | SampleEvent | ReuseEvent | SavingFailedEvent


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What training ended with; losses in nats per answer token (label, pair), None where nothing was held out.

    ``left_out`` says of each row that could not be trained on why, such as a prompt that is too long.
    """

    reft: ReftModel
    steps: int
    total_steps: int
    seconds: float
    loss_first: float
    loss_last: float
    held_out_base: float | None
    held_out_tuned: float | None
    stopped: bool
    adapter: Path | None
    left_out: tuple[str, ...] = ()

    def summary(self) -> dict[str, float | int | None]:
        """The figures, ready for JSON: None where there is no number (no step was made, say)."""
        return {
            "trainable_parameters": self.reft.trainable_parameters,
            "rows_left_out": len(self.left_out),
            "steps": self.steps,
            "seconds": round(self.seconds, 3),
            "loss_first": _finite(self.loss_first),
            "loss_last": _finite(self.loss_last),
            "held_out_base": _finite(self.held_out_base),
            "held_out_tuned": _finite(self.held_out_tuned),
        }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def encode_all(objective: Objective[Any], examples: Sequence[Example | Preference]) -> tuple[list[Any], list[str]]:
    """Encode rows; those that cannot be used are left out and named in the second list."""
    encoded, problems = [], []
    for example in examples:
        try:
            encoded.append(objective.encode(example))
        except DataError as error:
            problems.append(str(error))
    return encoded, problems


def train(
    base: Base,
    examples: Sequence[LooseRow],
    config: ReftConfig | None = None,
    train_config: TrainConfig | None = None,
    *,
    folder: str | Path | None = None,
    on_event: Callable[[TrainEvent], None] = lambda event: None,
    on_ready: Callable[[ReftModel], None] = lambda reft: None,
    should_stop: Callable[[], bool] = lambda: False,
    may_save: Callable[[], bool] = lambda: True,
    turn: Turn = nullcontext,
) -> TrainResult:
    """Train an edit on examples; with ``config.labels`` a classifier, with preference pairs a preference.

    Args:
        base: the frozen base model.
        examples: rows, or their texts as tuples: (prompt, answer), (text, label), (prompt, chosen, rejected). A share of them
            is held out as ``train_config.held_out`` says.
        config: what is edited.
        train_config: how it is trained.
        folder: gets ``checkpoint/`` while training, from which an unfinished run goes on, and ``adapter/`` at the end.
        on_event: called after steps, held-out measurements and samples, once with what is reused, and when saving fails.
        on_ready: called once with the model that is being trained.
        should_stop: asked before every step (and before every part of the reference of preference pairs); True ends training
            and keeps what was learned.
        may_save: asked before every checkpoint; False puts it off. Whoever writes events down does so here, so that no checkpoint
            is ahead of them: a run that is killed and goes on from it makes the steps before it never again. The last
            one, at the end, is written whatever the answer.
        turn: entered around every piece of work on the base model, so that others can take turns on it.

    Raises:
        ConfigError: the base model cannot do what is asked.
        DataError: no row can be trained on.
        TrainingError: the loss stops being a number.
    """
    root = Path(folder) if folder else None
    wanted = config or ReftConfig(), train_config or TrainConfig()
    run = _Run(base, as_rows(examples), wanted, root, on_event, on_ready, may_save)
    _together([run], should_stop, turn)
    return run.result()


def train_many(
    base: Base,
    examples: Sequence[LooseRow],
    runs: Sequence[tuple[ReftConfig, TrainConfig]],
    *,
    folder: str | Path | None = None,
    on_event: Callable[[int, TrainEvent], None] = lambda index, event: None,
    should_stop: Callable[[], bool] = lambda: False,
    turn: Turn = nullcontext,
) -> list[TrainResult | TrainingError]:
    """Train several edits at once, as rows of the same passes of one base model; each ends as it would alone, within rounding.

    Args:
        base: the frozen base model.
        examples: as of `train`; each run holds out its own.
        runs: what is edited and how it is trained, in which everything may differ but whether rows are labelled.
        folder: gets a folder of each run, ``0``, ``1`` and so on, as of `train`.
        on_event: called with the run's index and its event.
        should_stop: as of `train`, for all runs.
        turn: as of `train`.

    Returns:
        What each run ended with; a TrainingError for one whose loss stopped being a number, which does not stop the others.

    Raises:
        ConfigError: the base model cannot do what is asked, or some runs classify and others do not.
        DataError: no row can be trained on.
    """
    rows = as_rows(examples)
    made = [
        _Run(base, rows, wanted, Path(folder) / str(index) if folder else None, partial(on_event, index))
        for index, wanted in enumerate(runs)
    ]
    if len({type(run.objective) for run in made}) > 1:
        raise ConfigError("Runs that classify and runs that do not cannot be trained together.", "labels")
    if made:
        _together(made, should_stop, turn)
    return [run.error or run.result() for run in made]


class _Run:
    """One run with what goes on around its steps: what it is told, measured, and saved."""

    def __init__(
        self, base: Base, given: Sequence[Example | Preference], wanted: tuple[ReftConfig, TrainConfig], root: Path | None,
        on_event: Callable[[TrainEvent], None], on_ready: Callable[[ReftModel], None] = lambda reft: None,
        may_save: Callable[[], bool] = lambda: True,
    ) -> None:  # fmt: skip
        config, settings = wanted
        self.objective = objective_for(base, config, settings, given)
        kept, held = split(given, settings.held_out, settings.seed)
        self.rows, self.problems = encode_all(self.objective, kept)
        self.measured = [pair for example in held for pair in _encoded(self.objective, example)]
        if not self.rows:
            raise DataError(self.problems[0] if self.problems else "There is no row to train on.")
        self.loop, self.root = Loop(self.objective, self.rows), root
        self.on_event, self.on_ready, self.may_save = on_event, on_ready, may_save
        self.stopped, self._failing = False, False
        self.error: TrainingError | None = None

    def begin(self, reuse: ReuseEvent | None, should_stop: Callable[[], bool], turn: Turn) -> None:
        """Prepare the objective, go on from a checkpoint if there is one, and measure for the first time."""
        self.turn = turn
        self.stopped = not _prepared(self.objective, self.rows, should_stop, turn)
        loop = self.loop
        found = checkpoint.load_checkpoint(self.root / "checkpoint", loop.reft, loop.optimizer, loop.identity) if self.root else None
        if found:
            loop.step, loop.loss_first, loop.loss_last = found.step, found.loss_first, found.loss_last
        self.on_ready(loop.reft)
        if reuse:
            self.on_event(replace(reuse, step=loop.step))
        self.clock = _Clock(found.seconds if found else 0.0, loop.step)
        self.watch = _Watch(loop, self.measured, self.on_event, turn)
        if loop.step == 0:  # a run that goes on was looked at here before it was cut off
            self.watch.look()

    @property
    def active(self) -> bool:
        """Whether there is a step to be made."""
        return not self.stopped and self.error is None and self.loop.step < self.loop.total_steps

    def after_step(self, loss: float | TrainingError) -> None:
        """Tell of the step that was made, measure and save when it is time to; or end with the error."""
        if isinstance(loss, TrainingError):
            self.error = loss
            return
        loop = self.loop
        rate, left = loop.optimizer.param_groups[0]["lr"], self.clock.seconds_left(loop.step, loop.total_steps)
        self.on_event(StepEvent(loop.step, loop.total_steps, loop.step / loop.steps_per_epoch, loss, rate, left))
        if self.loop.step < self.loop.total_steps:
            self.watch.look_when_due()
            if self.root and self.clock.checkpoint_due(loop.step) and self.may_save():
                self.clock.saved(loop.step)
                self._keep(self.root)

    def _keep(self, root: Path) -> None:
        """Save a checkpoint; a disk that is full for a while must not end the run."""
        try:
            _save_checkpoint(root, self.loop, self.clock)
            self._failing = False
        except OSError as error:
            if not self._failing:
                self.on_event(SavingFailedEvent(self.loop.step, error.strerror or type(error).__name__))
            self._failing = True

    def result(self) -> TrainResult:
        """Measure for the last time and save. Raises the TrainingError that the run ended with."""
        if self.error:
            raise self.error
        loop, root = self.loop, self.root
        self.watch.look()
        if root:
            self.may_save()
            _save_checkpoint(root, loop, self.clock)
        result = TrainResult(loop.reft, loop.step, loop.total_steps, self.clock.seconds(), loop.loss_first, loop.loss_last,
                             self.watch.base_loss, self.watch.tuned_loss, self.stopped, root / "adapter" if root else None,
                             tuple(self.problems))  # fmt: skip
        with self.turn():
            loop.reft.eval()
            if root:
                told = {**train_config_dict(loop.settings), **result.summary()}
                loop.reft.save(root / "adapter", base=self.objective.base, training=told)
        return result


def _together(runs: Sequence[_Run], should_stop: Callable[[], bool], turn: Turn) -> None:
    """Make all steps of all runs, those of different runs in the same passes."""
    with turn():
        shared = share_reuse([run.loop for run in runs], [[row for _, row in run.measured] for run in runs], runs[0].root)
    for run in runs:
        run.begin(_reuse_event(*shared) if shared else None, should_stop, turn)
    while active := [run for run in runs if run.active]:
        if should_stop():
            for run in active:
                run.stopped = True
            break
        with turn():
            found = step([run.loop for run in active])
        for run, loss in zip(active, found, strict=True):
            run.after_step(loss)


def _reuse_event(plan: Plan, done: bool) -> ReuseEvent:
    if done:
        return ReuseEvent(0, plan.share, plan.sentence)
    return ReuseEvent(0, 0.0, "Everything is computed anew in each step: on this base model it would not be the same otherwise.")


def _prepared(
    objective: Objective[Any], rows: Sequence[EncodedRow], should_stop: Callable[[], bool], turn: Turn
) -> bool:  # fmt: skip
    """Prepare the objective, in turns; False when told to stop on the way."""
    for part in objective.unprepared(rows):
        if should_stop():
            return False
        with turn():
            objective.prepare(part)
    return True


def _encoded(objective: Objective[Any], example: Example | Preference) -> list[tuple[Example | Preference, EncodedRow]]:
    """The example with its encoding; nothing if it cannot be encoded."""
    return [(example, row) for row in encode_all(objective, [example])[0]]


def train_config_dict(settings: TrainConfig) -> dict[str, object]:
    """The settings as plain data for the adapter file."""
    return settings.model_dump(mode="json")


def _save_checkpoint(root: Path, loop: Loop, clock: "_Clock") -> None:
    state = checkpoint.Checkpoint(loop.step, clock.seconds(), loop.loss_first, loop.loss_last)
    checkpoint.save_checkpoint(root / "checkpoint", loop.reft, loop.optimizer, state, loop.identity)


class _Clock:
    """Time spent, over interruptions, and time left."""

    def __init__(self, spent: float, step: int) -> None:
        self._begun = time.monotonic()
        self._before, self._first_step = spent, step
        self._saved, self._saved_step = self._begun, step

    def seconds(self) -> float:
        return self._before + time.monotonic() - self._begun

    def seconds_left(self, step: int, total: int) -> float:
        done = max(step - self._first_step, 1)
        return (time.monotonic() - self._begun) / done * (total - step)

    def checkpoint_due(self, step: int) -> bool:
        """Whether a checkpoint is to be written after this step."""
        passed = time.monotonic() - self._saved
        return passed >= _CHECKPOINT_PAUSE and (passed >= _CHECKPOINT_SECONDS or step - self._saved_step >= _CHECKPOINT_STEPS)

    def saved(self, step: int) -> None:
        """Count the time to the next checkpoint from here."""
        self._saved, self._saved_step = time.monotonic(), step


class _Watch:
    """Measures held-out loss and shows a sample, at the start, some ten times on the way, and at the end."""

    def __init__(self, loop: Loop, held: list[tuple[Example | Preference, EncodedRow]],
                 on_event: Callable[[TrainEvent], None], turn: Turn) -> None:  # fmt: skip
        self.loop, self.rows = loop, [row for _, row in held]
        self.sample = held[0][0] if held else None
        self.on_event, self.turn = on_event, turn
        self.base_loss: float | None = None
        self.tuned_loss: float | None = None
        self._every = max(loop.total_steps // 10, 1)

    def look_when_due(self) -> None:
        if self.loop.step % self._every == 0:
            self.look()

    def look(self) -> None:
        if (example := self.sample) is None:
            return
        with self.turn():
            self.loop.reft.eval()
            objective, reft = self.loop.objective, self.loop.reft
            if self.base_loss is None:
                self.base_loss = objective.mean(self.rows, reft, edited=False)
            self.tuned_loss = objective.mean(self.rows, reft)
            base, tuned = _answers(objective.base, reft, example)
        self.on_event(HeldOutEvent(self.loop.step, self.tuned_loss, self.base_loss))
        expected = example.answer if isinstance(example, Example) else example.chosen
        self.on_event(SampleEvent(self.loop.step, example.messages[-1].content, expected, base, tuned))


def _answers(base: Base, reft: ReftModel, example: Example | Preference) -> tuple[str, str]:
    """What base and tuned say to one row now."""
    if reft.config.labels:
        bare, tuned = (next(iter(classify(base, reft, [example.messages], edited=edited)[0])) for edited in (False, True))
        return bare, tuned
    answers = generate(base, example.messages, [None, reft], max_new_tokens=_SAMPLE_TOKENS)
    return answers[0], answers[1]
