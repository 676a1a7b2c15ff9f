"""The training loop: resumable at any step, reporting through a callback, storing nothing but its checkpoint.

The same seed on the same machine gives the same weights, and a run that was cut off and resumed ends with the weights
of an undisturbed one: batches follow from (seed, epoch), dropout from (seed, step), and the checkpoint holds the rest.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from reft_engine.base import checks
from reft_engine.base.loading import Base
from reft_engine.data import Example, LooseRow, Preference, as_rows
from reft_engine.data.row_check import RowCheck
from reft_engine.errors import ConfigError, DataError, TrainingError
from reft_engine.spec import MethodConfig, ReftConfig, TrainConfig
from reft_engine.trainable import Trainable
from reft_engine.training import checkpoint
from reft_engine.training.events import PhaseEvent, ReuseEvent, RowsEvent, SavingFailedEvent, StepEvent, TrainEvent
from reft_engine.training.loop import RunState, share_reuse, train_step
from reft_engine.training.measuring import Best, Exclusive, Watch
from reft_engine.training.objectives import objective_for
from reft_engine.training.reuse.plan import Plan
from reft_engine.training.row_check import count_rows
from reft_engine.training.rows import RowsRead, encoded_of, read_rows
from reft_engine.training.verdict import Evidence, Verdict, finite, judge

_CHECKPOINT_STEPS, _CHECKPOINT_SECONDS, _CHECKPOINT_PAUSE = 100, 5.0, 1.0
"""A checkpoint is due after so many steps and at the latest after so many seconds, but never sooner than after the pause."""


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What training ended with; losses in nats per answer token (label, pair), None where nothing was held out.

    Attributes:
        reft: the edit that was kept.
        steps: steps that were made, of ``total_steps``.
        loss_first: training loss of the first step; ``loss_last`` of the last one.
        held_out_base: held-out loss of the base model; ``held_out_tuned`` of the edit that was kept, on the rows that score.
        stopped: whether somebody asked for the end; ``stopped_early`` whether it came by ``patience``.
        adapter: the folder that the edit was saved to.
        check: which rows could be trained on, held-out ones included, and which could not.
        left_out: of each example that could not be used why, such as a prompt that is too long.
        best_step: the step with the least held-out loss; ``kept`` says whether that edit was kept or the last one.
        evidence: what the verdict looks at.
    """

    reft: Trainable
    steps: int
    total_steps: int
    seconds: float
    loss_first: float
    loss_last: float
    held_out_base: float | None
    held_out_tuned: float | None
    stopped: bool
    stopped_early: bool
    adapter: Path | None
    check: RowCheck
    left_out: tuple[str, ...]
    best_step: int | None
    kept: Literal["best", "last"]
    evidence: Evidence

    @property
    def verdict(self) -> Verdict:
        """What the figures say; see docs/verdict.md."""
        return judge(self.evidence)

    def summary(self) -> dict[str, Any]:
        """The figures, ready for JSON: None where there is no number (no step was made, say)."""
        return {
            "trainable_parameters": self.reft.trainable_parameters,
            "rows": self.check.usable_rows,
            "rows_left_out": self.check.rows_left_out,
            "cut_answers": self.check.cut_answers,
            "steps": self.steps,
            "seconds": round(self.seconds, 3),
            "loss_first": finite(self.loss_first),
            "loss_last": finite(self.loss_last),
            "held_out_base": finite(self.held_out_base),
            "held_out_tuned": finite(self.held_out_tuned),
            "best_step": self.best_step,
            "kept": self.kept,
            "verdict": self.verdict,
        }


def train(
    base: Base,
    examples: Sequence[LooseRow],
    config: MethodConfig | None = None,
    train_config: TrainConfig | None = None,
    *,
    folder: str | Path | None = None,
    file_rows: int | None = None,
    on_event: Callable[[TrainEvent], None] = lambda event: None,
    on_ready: Callable[[Trainable], None] = lambda reft: None,
    should_stop: Callable[[], bool] = lambda: False,
    leaving: Callable[[], bool] = lambda: False,
    may_save: Callable[[], bool] = lambda: True,
    exclusive: Exclusive = nullcontext,
) -> TrainResult:
    """Train an edit, or a baseline, on examples; with ``config.labels`` a classifier, with preference pairs a preference.

    Args:
        base: the frozen base model.
        examples: rows, or their texts as tuples: (prompt, answer), (text, label), (prompt, chosen, rejected). A share of them
            is held out as ``train_config.held_out`` says.
        config: what is edited; a `PeftConfig` trains a baseline.
        train_config: how it is trained.
        folder: gets ``checkpoint/`` while training, from which an unfinished run goes on, and ``adapter/`` at the end.
        file_rows: rows of the file that the examples come from, those that could not be read included, so that they are counted too.
        on_event: called with every event of `reft_engine.training.events`.
        on_ready: called once with the model that is being trained, when its rows are read and before anything is measured.
        should_stop: asked before every step (and before every part of the reference of preference pairs); True ends training
            and keeps what was learned.
        leaving: asked when training was told to stop; True ends it with its checkpoint alone, to go on later: nothing more is measured,
            and no adapter is saved.
        may_save: asked before every checkpoint and before the adapter is saved; False puts a checkpoint off. Whoever writes events
            down does so here, so that no checkpoint is ahead of them: a run that is killed and goes on from it makes the steps before
            it never again. The last one, at the end, is written whatever the answer.
        exclusive: entered around every piece of work on the base model, so that others can take turns on it.

    Raises:
        ConfigError: the base model cannot do what is asked, or settings are none.
        DataError: no row can be trained on, or what is given is no row.
        AdapterError: a file is where the folder is to be.
        TrainingError: the loss stops being a number.
    """
    wanted = ReftConfig() if config is None else config, TrainConfig() if train_config is None else train_config
    checks.check_runs(base, [wanted], baselines=True)
    root = None if folder is None else checks.folder_to_write(folder)
    run = _Run(base, as_rows(examples), wanted, root, on_event, on_ready, may_save, file_rows)
    _together([run], should_stop, exclusive)
    return run.result(leaving)


def train_many(
    base: Base,
    examples: Sequence[LooseRow],
    runs: Sequence[tuple[ReftConfig, TrainConfig]],
    *,
    folder: str | Path | None = None,
    file_rows: int | None = None,
    on_event: Callable[[int, TrainEvent], None] = lambda index, event: None,
    should_stop: Callable[[], bool] = lambda: False,
    exclusive: Exclusive = nullcontext,
) -> list[TrainResult | TrainingError]:
    """Train several edits at once, as rows of the same passes of one base model; each ends as it would alone, within rounding.

    Args:
        base: the frozen base model.
        examples: as of `train`; each run holds out its own.
        runs: what is edited and how it is trained, in which everything may differ but whether rows are labelled.
        folder: gets a folder of each run, ``0``, ``1`` and so on, as of `train`.
        file_rows: as of `train`.
        on_event: called with the run's index and its event.
        should_stop: as of `train`, for all runs.
        exclusive: as of `train`.

    Returns:
        What each run ended with; a TrainingError for one whose loss stopped being a number, which does not stop the others.

    Raises:
        ConfigError: the base model cannot do what is asked, there is no run, or some runs classify and others do not.
        DataError: no row can be trained on, or what is given is no row.
        AdapterError: a file is where the folder is to be.
    """
    checks.check_runs(base, runs)
    root = None if folder is None else checks.folder_to_write(folder)
    rows = as_rows(examples)
    made = [
        _Run(base, rows, wanted, None if root is None else root / str(index), partial(on_event, index), file_rows=file_rows)
        for index, wanted in enumerate(runs)
    ]
    if len({type(run.objective) for run in made}) > 1:
        raise ConfigError("Runs that classify and runs that do not cannot be trained together.", "labels", kind="training.mixed_runs")
    _together(made, should_stop, exclusive)
    return [run.error or run.result() for run in made]


class _Run:
    """One run with what goes on around its steps: what it is told, measured, and saved."""

    def __init__(
        self, base: Base, given: Sequence[Example | Preference], wanted: tuple[MethodConfig, TrainConfig], root: Path | None,
        on_event: Callable[[TrainEvent], None], on_ready: Callable[[Trainable], None] = lambda reft: None,
        may_save: Callable[[], bool] = lambda: True, file_rows: int | None = None,
    ) -> None:  # fmt: skip
        config, settings = wanted
        self.on_event, self.on_ready, self.may_save = on_event, on_ready, may_save
        self.objective = objective_for(base, config, settings, given)
        self.read = read_rows(self.objective, given, lambda done, total: on_event(PhaseEvent(0, "read", done, total)))
        split = self.read.split(settings.held_out, settings.held_out_seed)
        if not split.trained:
            raise _no_rows(self.read)
        self.rows, self.held = encoded_of(split.trained), split.held
        self.check = count_rows(split, self.objective, rows=file_rows)
        on_event(RowsEvent(0, self.check, tuple(row.index for row in self.held)))
        self.loop, self.root = RunState(self.objective, self.rows), root
        self.best = Best()
        self.watch = Watch(self.loop, self.held, self.best, on_event)
        self.stopped, self._failing = False, False
        self.error: TrainingError | None = None

    def begin(self, reuse: ReuseEvent | None, should_stop: Callable[[], bool], exclusive: Exclusive) -> None:
        """Prepare the objective, go on from a checkpoint if there is one, and measure for the first time."""
        self.watch.exclusive = self.exclusive = exclusive
        self.stopped = not self._prepared(should_stop)
        loop = self.loop
        found = checkpoint.load_checkpoint(self.root / "checkpoint", loop.reft, loop.optimizer, loop.identity) if self.root else None
        if found:
            self._go_on(found)
        self.on_ready(loop.reft)
        if reuse:
            self.on_event(replace(reuse, step=loop.step))
        self.clock = _Clock(found.seconds if found else 0.0, loop.step)
        if loop.step == 0:  # a run that goes on was measured here before it was cut off
            self.watch.look()
        self.clock.begin_steps()

    def _go_on(self, found: checkpoint.Checkpoint) -> None:
        loop, best = self.loop, self.best
        loop.step, loop.loss_first, loop.loss_last = found.step, found.loss_first, found.loss_last
        loop.recent.total, loop.recent.weight = found.loss_total, found.loss_weight
        best.step, best.loss, best.waited, best.tensors = found.best_step, found.best_loss, found.waited, found.best

    def _prepared(self, should_stop: Callable[[], bool]) -> bool:
        """Prepare the objective, in turns; False when told to stop on the way."""
        parts = self.objective.unprepared(self.rows)
        for index, part in enumerate(parts):
            if should_stop():
                return False
            self.on_event(PhaseEvent(0, "prepare", index, len(parts)))
            with self.exclusive():
                self.objective.prepare(part)
        return True

    @property
    def stopped_early(self) -> bool:
        """Whether steps are left that are not made, since held-out loss has not fallen for as long as ``patience`` allows."""
        patience = self.loop.settings.patience
        return patience is not None and self.best.waited >= patience and self.loop.step < self.loop.total_steps

    @property
    def active(self) -> bool:
        """Whether there is a step to be made."""
        return not (self.stopped or self.error or self.stopped_early) and self.loop.step < self.loop.total_steps

    def after_step(self, loss: float | TrainingError) -> None:
        """Tell of the step that was made, measure and save when it is time to; or end with the error."""
        if isinstance(loss, TrainingError):
            self.error = loss
            return
        loop = self.loop
        rate, left = loop.optimizer.param_groups[0]["lr"], self.clock.seconds_left(loop.step, loop.total_steps)
        self.on_event(StepEvent(loop.step, loop.total_steps, loop.step / loop.steps_per_epoch, loss, rate, left))
        self.watch.look_when_due()
        if self.active and self.root and self.clock.checkpoint_due(loop.step) and self.may_save():
            self.clock.saved(loop.step)
            self._keep(self.root)

    def _keep(self, root: Path) -> None:
        """Save a checkpoint; a disk that is full for a while must not end the run."""
        try:
            self._save_checkpoint(root)
            self._failing = False
        except OSError as error:
            if not self._failing:
                self.on_event(SavingFailedEvent(self.loop.step, error.strerror or type(error).__name__))
            self._failing = True

    def _save_checkpoint(self, root: Path) -> None:
        loop, best = self.loop, self.best
        state = checkpoint.Checkpoint(
            loop.step, self.clock.seconds(), loop.loss_first, loop.loss_last, loop.recent.total, loop.recent.weight, best.step,
            best.loss, best.waited, best.tensors,
        )  # fmt: skip
        checkpoint.save_checkpoint(root / "checkpoint", loop.reft, loop.optimizer, state, loop.identity)

    def result(self, leaving: Callable[[], bool] = lambda: False) -> TrainResult:
        """Keep the edit that is to be kept, let the held-out rows score it, and save. Raises the TrainingError that the run ended with."""
        if self.error:
            raise self.error
        loop, root, best = self.loop, self.root, self.best
        if root:
            self.may_save()
            # Before a run that was stopped is measured once more: when it goes on, it must end as one that was never stopped.
            self._save_checkpoint(root)
        leaves = self.stopped and leaving()
        if not leaves:
            self.watch.look_at_the_end()
        kept_step, last = loop.step, self.watch.last
        kept: Literal["best", "last"] = "best" if loop.settings.keep == "best" and best.step is not None else "last"
        if kept == "best" and best.step is not None and not leaves:
            kept_step = best.step
            with self.exclusive():
                loop.reft.load_state_dict(best.tensors)
        score = None if leaves else self.watch.score()
        schedule = self.watch.schedule
        evidence = Evidence(
            score, finite(loop.loss_first), finite(loop.recent.mean), last.loss if last else None, last.loss_base if last else None,
            best.step, best.loss, kept_step, loop.step, len(schedule.choosing) if self.held else 0, not schedule.apart,
            kept,
        )  # fmt: skip
        result = TrainResult(
            loop.reft, loop.step, loop.total_steps, self.clock.seconds(), loop.loss_first, loop.loss_last,
            score.base if score else None, score.tuned if score else None, self.stopped, self.stopped_early and not self.stopped,
            root / "adapter" if root and not leaves else None, self.check,
            tuple(row.reason for row in self.read.left_out), best.step, kept, evidence,
        )  # fmt: skip
        if root and not leaves:
            self.may_save()
        with self.exclusive():
            loop.reft.eval()
            if root and not leaves:
                told = {**train_config_dict(loop.settings), **result.summary()}
                loop.reft.save(root / "adapter", base=self.objective.base, training=told)
        return result


def _together(runs: Sequence[_Run], should_stop: Callable[[], bool], exclusive: Exclusive) -> None:
    """Make all steps of all runs, those of different runs in the same passes."""
    with exclusive():
        shared = share_reuse([run.loop for run in runs], [run.watch.choosing for run in runs], runs[0].root)
    for run in runs:
        run.begin(_reuse_event(*shared) if shared else None, should_stop, exclusive)
    while active := [run for run in runs if run.active]:
        if should_stop():
            for run in active:
                run.stopped = True
            break
        with exclusive():
            found = train_step([run.loop for run in active])
        for run, loss in zip(active, found, strict=True):
            run.after_step(loss)


def _reuse_event(plan: Plan, done: bool) -> ReuseEvent:
    if done:
        return ReuseEvent(0, plan.share, plan.sentence)
    return ReuseEvent(0, 0.0, "Everything is computed anew in each step: on this base model it would not be the same otherwise.")


def _no_rows(read: RowsRead) -> DataError:
    return read.left_out[0].error if read.left_out else DataError("There is no row to train on.", kind="training.no_rows")


def train_config_dict(settings: TrainConfig) -> dict[str, object]:
    """The settings as plain data for the adapter file."""
    return settings.model_dump(mode="json")


class _Clock:
    """Time spent, over interruptions, and time left."""

    def __init__(self, spent: float, step: int) -> None:
        self._begun = self._steps_begun = time.monotonic()
        self._before, self._first_step = spent, step
        self._saved, self._saved_step = self._begun, step

    def seconds(self) -> float:
        return self._before + time.monotonic() - self._begun

    def begin_steps(self) -> None:
        """Count the time of steps from here: what was measured before the first one is not done again for each."""
        self._steps_begun = time.monotonic()

    def seconds_left(self, step: int, total: int) -> float:
        done = max(step - self._first_step, 1)
        return (time.monotonic() - self._steps_begun) / done * (total - step)

    def checkpoint_due(self, step: int) -> bool:
        """Whether a checkpoint is to be written after this step."""
        passed = time.monotonic() - self._saved
        return passed >= _CHECKPOINT_PAUSE and (passed >= _CHECKPOINT_SECONDS or step - self._saved_step >= _CHECKPOINT_STEPS)

    def saved(self, step: int) -> None:
        """Count the time to the next checkpoint from here."""
        self._saved, self._saved_step = time.monotonic(), step
