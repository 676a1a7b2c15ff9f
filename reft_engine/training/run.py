"""`train` and `train_many`: a run from its rows to its result, with its phases, early stopping, checkpoints, resuming and events.

The same seed on the same machine gives the same weights, and a run that was interrupted and resumed ends with the weights of
an uninterrupted one: batches follow from (seed, epoch), dropout from (seed, step), and the checkpoint holds the rest.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from reft_engine.base import checks
from reft_engine.base.loading import Base
from reft_engine.data import AnyExample, Example, LooseRow, Preference, as_rows
from reft_engine.data.row_check import RowCheck
from reft_engine.errors import ConfigError, DataError, TrainingError
from reft_engine.formats.steps import FOLDER as STEPS
from reft_engine.spec import MethodConfig, PeftConfig, ReftConfig, TrainConfig
from reft_engine.trainable import Trainable, load_adapter
from reft_engine.training import checkpoint
from reft_engine.training.events import PhaseEvent, ReuseEvent, RowsEvent, SavingFailedEvent, StepEvent, TrainEvent
from reft_engine.training.kept_steps import drop_steps_after, keep_step
from reft_engine.training.loop import RunState, share_reuse, train_step
from reft_engine.training.measuring import Best, Exclusive, Watch
from reft_engine.training.objectives import objective_for
from reft_engine.training.pace import Pace
from reft_engine.training.reuse.plan import Plan
from reft_engine.training.row_check import split_and_count
from reft_engine.training.rows import RowsRead, encoded_of
from reft_engine.training.saved_rows import FILE as ROWS_FILE
from reft_engine.training.saved_rows import RowReader
from reft_engine.training.verdict import Evidence, Score, Verdict, finite, judge

_CHECKPOINT_STEPS, _CHECKPOINT_SECONDS, _CHECKPOINT_PAUSE = 100, 5.0, 1.0
"""A checkpoint is due after this number of steps or of seconds, whichever comes first, but never before the pause is over."""

now = time.monotonic
"""The clock of runs."""


@dataclass(frozen=True, slots=True)
class TrainResult:
    """Result of a run; losses in nats per answer token (label, pair), None without held-out rows.

    Attributes:
        reft: the edit that is saved.
        steps: number of steps made, of ``total_steps``.
        loss_first: training loss of the first step; ``loss_last`` of the last one.
        held_out_base: held-out loss of the base model; ``held_out_tuned`` of the saved edit, on the rows that score.
        stopped: whether the run was told to stop; ``stopped_early`` whether ``patience`` ended it.
        adapter: the folder of the saved edit.
        check: counts of the rows that can be trained on, held-out ones included, and of those that cannot.
        left_out: for each unusable example the reason, such as a prompt that is too long.
        best_step: the step with the lowest held-out loss; ``kept`` says whether the saved edit is that one or the last.
        evidence: the figures that the verdict is based on.
        held_out: the held-out rows.
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
    held_out: tuple[AnyExample, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The conclusion from the figures; see docs/verdict.md."""
        return judge(self.evidence)

    def summary(self) -> dict[str, Any]:
        """The figures as plain data for JSON; None where there is no number, such as before the first step.

        ``library`` names what trained a baseline, with its version; None for an edit.
        """
        return {
            "library": f"PEFT {version('peft')}" if isinstance(self.reft.method_config, PeftConfig) else None,
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


@dataclass(frozen=True, slots=True)
class Followed:
    """Those who follow a run; see `train`."""

    on_event: Callable[[TrainEvent], None] = lambda event: None
    on_ready: Callable[[Trainable], None] = lambda reft: None
    should_stop: Callable[[], bool] = lambda: False
    leaving: Callable[[], bool] = lambda: False
    may_save: Callable[[], bool] = lambda: True


def train(
    base: Base,
    examples: Sequence[LooseRow],
    config: MethodConfig | None = None,
    train_config: TrainConfig | None = None,
    *,
    folder: str | Path | None = None,
    start: str | Path | None = None,
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
        examples: rows, or their texts as tuples: (prompt, answer), (text, label), (prompt, chosen, rejected). The share
            ``train_config.held_out`` of them is held out.
        config: the edit; a `PeftConfig` trains a baseline.
        train_config: the training settings.
        folder: gets ``checkpoint/`` while training, from which an unfinished run resumes, and ``adapter/`` at the end. What was encoded of
            many rows is in ``checkpoint/`` too, so that a run which resumes does not encode them again.
        start: an adapter folder with whose weights training begins, of the same base model and the same config; by default new ones.
        file_rows: number of rows of the examples' file, unreadable ones included, so that these are counted too.
        on_event: called with every event of `reft_engine.training.events`.
        on_ready: called once with the model to be trained, after its rows are read and before the first measurement.
        should_stop: asked before every step (and before every batch of reference log-probabilities of preference pairs); True ends
            training and saves what was learned. Also asked while rows are encoded; True raises StoppedError then.
        leaving: asked after training was told to stop; True ends it with a checkpoint alone, to resume later: nothing more is
            measured, and no adapter is saved.
        may_save: asked before every checkpoint and before the adapter is saved; False postpones a checkpoint. A caller that records
            events records them here, so that no checkpoint is ahead of the record: a killed run that resumes from a checkpoint never
            repeats the steps before it. The final checkpoint is written whatever the answer.
        exclusive: entered around every piece of work on the base model, so that others can use it in between.

    Raises:
        ConfigError: the base model cannot be trained so, or a config is invalid.
        DataError: no row can be trained on, or an example is no row.
        AdapterError: a file stands in the place of the folder, or ``start`` cannot be loaded.
        StoppedError: it was told to stop while rows were encoded; nothing was learned yet, and nothing is saved but what was encoded.
        TrainingError: the loss is no longer a number.
    """
    config = ReftConfig() if config is None else config
    train_config = TrainConfig() if train_config is None else train_config
    checks.check_runs(base, [(config, train_config)], baselines=True)
    root = None if folder is None else checks.folder_to_write(folder)
    begun = None if start is None else _begun(base, config, start)
    followed = Followed(on_event, on_ready, should_stop, leaving, may_save)
    run = _Run(base, as_rows(examples), config, train_config, root, followed, file_rows, begun=begun)
    _train_together([run], exclusive)
    return run.result_or_error()


def _begun(base: Base, config: MethodConfig, start: str | Path) -> Trainable:
    """The edit that training begins with. Raises AdapterError, ConfigError."""
    found = load_adapter(start, base)
    if found.method_config != config:
        raise ConfigError("A run begins with an edit only if its config is that of the edit.", "start", kind="training.other_edit")
    return found


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
    """Train several edits at once, in the same forward passes of one base model; each ends as it would alone, within rounding.

    Args:
        base: the frozen base model.
        examples: as in `train`; each run holds out its own.
        runs: the edit and the training settings of each run; they may differ in everything except whether rows are labelled.
        folder: gets a folder for each run, ``0``, ``1`` and so on, with the contents that `train` describes.
        file_rows: as in `train`.
        on_event: called with the run's index and its event.
        should_stop: as in `train`, for all runs.
        exclusive: as in `train`.

    Returns:
        The result of each run; a TrainingError for a run whose loss is no longer a number, while the others go on.

    Raises:
        ConfigError: the base model cannot be trained so, there is no run, or some runs classify and others do not.
        DataError: no row can be trained on, or an example is no row.
        AdapterError: a file stands in the place of the folder.
        StoppedError: as in `train`.
    """
    checks.check_runs(base, runs)
    root = None if folder is None else checks.folder_to_write(folder)
    rows = as_rows(examples)
    reader = RowReader(rows, len(runs))
    started = [
        _Run(
            base, rows, *configs, None if root is None else root / str(index), Followed(partial(on_event, index), should_stop=should_stop),
            file_rows, reader=reader,
        )
        for index, configs in enumerate(runs)
    ]  # fmt: skip
    _check_alike(started)
    _train_together(started, exclusive)
    return [run.error if isinstance(run.error, TrainingError) else run.result_or_error() for run in started]


@dataclass(frozen=True, slots=True)
class GroupMember:
    """One of several runs that are trained together.

    Args:
        config: the edit.
        train_config: the training settings.
        folder: as in `train`, of this run alone.
        followed: who follows this run alone.
        on_end: called once, as soon as the run has ended, with its result or with the error that ended it.
    """

    config: ReftConfig
    train_config: TrainConfig
    folder: Path | None
    followed: Followed
    on_end: Callable[[TrainResult | Exception], None]


def train_group(
    base: Base, examples: Sequence[LooseRow], members: Sequence[GroupMember], *, file_rows: int | None = None,
    exclusive: Exclusive = nullcontext,
) -> None:  # fmt: skip
    """Train several edits as `train_many` does, each with a folder and followers of its own, which end, stop and fail apart.

    An error of one run, also of those who follow it, ends that run alone. What goes wrong in a pass that they share is raised, and no
    run that was still training has ended then: each can be resumed from its own checkpoint.

    Args:
        base: the frozen base model.
        examples: as in `train`.
        members: the runs.
        file_rows: as in `train`.
        exclusive: as in `train`.

    Raises:
        ConfigError: there is no run, one is a baseline, or some runs classify and others do not.
        DataError: an example is no row.
    """
    checks.check_runs(base, [(member.config, member.train_config) for member in members])
    rows, started = as_rows(examples), list[_Run]()
    reader = RowReader(rows, len(members))
    for member in members:
        try:
            folder = None if member.folder is None else checks.folder_to_write(member.folder)
            run = _Run(base, rows, member.config, member.train_config, folder, member.followed, file_rows, member.on_end, reader)
        except Exception as error:  # noqa: BLE001 (the edge of a run: the others go on)
            member.on_end(error)
        else:
            started.append(run)
    _check_alike(started)
    if started:
        _train_together(started, exclusive, apart=True)


def _check_alike(runs: Sequence["_Run"]) -> None:
    if len({type(run.objective) for run in runs}) > 1:
        raise ConfigError("Runs that classify and runs that do not cannot be trained together.", "labels", kind="training.mixed_runs")


class _Run:
    """One run with everything around its steps: its rows, events, measurements, checkpoints and result."""

    def __init__(
        self, base: Base, examples: Sequence[Example | Preference], config: MethodConfig, train_config: TrainConfig, root: Path | None,
        followed: Followed, file_rows: int | None = None, on_end: Callable[[TrainResult | Exception], None] = lambda outcome: None,
        reader: RowReader | None = None,
        begun: Trainable | None = None,
    ) -> None:  # fmt: skip
        self.followed, self.on_end, self.on_event, self.may_save = followed, on_end, followed.on_event, followed.may_save
        self.objective = objective_for(base, config, train_config, examples)
        self.rows_file = root / "checkpoint" / ROWS_FILE if root else None
        self.read = (reader or RowReader(examples)).read(
            self.objective, self.rows_file, lambda done, total: self.on_event(PhaseEvent(0, "encode", done, total)), followed.should_stop
        )  # fmt: skip
        if not self.read.usable:
            raise _no_rows(self.read)
        split, self.check = split_and_count(self.read, self.objective, train_config, rows=file_rows)
        self.rows, self.held_out = encoded_of(split.trained), split.held_out
        self.on_event(RowsEvent(0, self.check, tuple(row.index for row in self.held_out)))
        self.state, self.root = RunState(self.objective, self.rows, begun), root
        self.best = Best()
        self.watch = Watch(self.state, self.held_out, self.best, self.on_event)
        self.stopped, self.ended = False, False
        self._unsaved = set[str]()  # what could not be saved the last time
        self.error: Exception | None = None
        self._result: TrainResult | None = None

    def begin(self, reuse: ReuseEvent | None, exclusive: Exclusive) -> None:
        """Prepare the objective, resume from a checkpoint if there is one, else measure for the first time."""
        self.watch.exclusive = self.exclusive = exclusive
        self.stopped = not self._prepare(self.followed.should_stop)
        state = self.state
        saved = checkpoint.load_checkpoint(self.root / "checkpoint", state.reft, state.optimizer, state.identity) if self.root else None
        if saved:
            self._resume(saved)
        if self.root:
            self._try_to_save("step", partial(drop_steps_after, self.root / STEPS, state.step))
        self.followed.on_ready(state.reft)
        if reuse:
            self.on_event(replace(reuse, step=state.step))
        self.clock = _Clock(saved.seconds if saved else 0.0, state.step)
        self.pace = self._pace()
        if state.step == 0:  # a run that resumes was measured at this step before it was interrupted
            self._measure(at_first=True)

    def _pace(self) -> Pace:
        """How the rest of the run is to be timed."""
        state, watch = self.state, self.watch
        schedule, plan = watch.schedule, state.reuse.plan if state.reuse else None
        return Pace(
            tokens=state.tokens_left(), later_work=plan.later_work if plan else 1.0,
            measurements=sum(step > state.step for step in schedule.steps) if self.held_out else 0,
            scored=len(schedule.scoring) / max(1, len(schedule.choosing)), passes=watch.passes,
        )  # fmt: skip

    def _measure(self, *, at_first: bool = False) -> None:
        """Measure held-out rows and answer some of them, both timed."""
        if not self.held_out:
            return
        self.pace.went_by(self.clock.lap())
        self.watch.measure()
        self.pace.measured(self.clock.lap(), at_first=at_first)
        batches = self.watch.sample()
        self.pace.answered(self.clock.lap() / batches)
        if self.root and self.state.step:
            self._try_to_save("step", partial(keep_step, self.root / STEPS, self.state.reft, self.state.step))

    def _resume(self, saved: checkpoint.Checkpoint) -> None:
        state, best = self.state, self.best
        state.step, state.loss_first, state.loss_last = saved.step, saved.loss_first, saved.loss_last
        state.recent.total, state.recent.weight = saved.loss_total, saved.loss_weight
        best.step, best.loss, best.waited, best.tensors = saved.best_step, saved.best_loss, saved.waited, saved.best

    def _prepare(self, should_stop: Callable[[], bool]) -> bool:
        """Prepare the objective batch by batch; False when told to stop."""
        batches = self.objective.rows_without_reference(self.rows)
        for index, rows in enumerate(batches):
            if should_stop():
                return False
            self.on_event(PhaseEvent(0, "prepare", index, len(batches)))
            with self.exclusive():
                self.objective.prepare(rows, self.state.reuse)
        return True

    @property
    def stopped_early(self) -> bool:
        """Whether steps remain that are not made, because held-out loss has not fallen for ``patience`` measurements."""
        patience = self.state.train_config.patience
        return patience is not None and self.best.waited >= patience and self.state.step < self.state.total_steps

    @property
    def active(self) -> bool:
        """Whether another step is to be made."""
        return not (self.stopped or self.error or self.ended or self.stopped_early) and self.state.step < self.state.total_steps

    def after_step(self, loss: float | TrainingError, fresh: int, seconds: float) -> None:
        """Emit the event of a step, and measure and save when due; an error ends the run. ``fresh`` tokens were of rows computed whole."""
        if isinstance(loss, TrainingError):
            self.error = loss
            return
        state = self.state
        self.pace.stepped(state.step_tokens, fresh, seconds)
        self.pace.went_by(max(0.0, self.clock.lap() - seconds))
        rate = state.optimizer.param_groups[0]["lr"]
        seconds_left = self.pace.seconds_left(state.total_steps - state.step, state.reuse.waiting if state.reuse else 0)
        epoch = state.step / state.steps_per_epoch
        self.on_event(StepEvent(state.step, state.total_steps, epoch, loss, rate, seconds_left, state.gradient_norm, state.step_tokens))
        if self.watch.is_due:
            self._measure()
        if self.active and self.root and self.clock.checkpoint_due(state.step) and self.may_save():
            self.clock.saved(state.step)
            self._try_to_save("checkpoint", partial(self._save_checkpoint, self.root))

    def _try_to_save(self, what: str, save: Callable[[], None]) -> None:
        """Save a checkpoint, or a step; a disk that is full for a while must not end the run, and is told of once."""
        try:
            save()
            self._unsaved.discard(what)
        except OSError as error:
            if not self._unsaved:
                self.on_event(SavingFailedEvent(self.state.step, error.strerror or type(error).__name__))
            self._unsaved.add(what)

    def _save_checkpoint(self, root: Path) -> None:
        state, best = self.state, self.best
        progress = checkpoint.Checkpoint(
            state.step, self.clock.seconds(), state.loss_first, state.loss_last, state.recent.total, state.recent.weight, best.step,
            best.loss, best.waited, best.tensors,
        )  # fmt: skip
        checkpoint.save_checkpoint(root / "checkpoint", state.reft, state.optimizer, progress, state.identity)

    def end(self) -> None:
        """Make the result, unless an error has ended the run; the run is ended then."""
        self.ended = True
        if self.error is None:
            self._result = self._make_result()

    def result_or_error(self) -> TrainResult:
        """The result of a run that has ended. Raises the error that ended it."""
        if self.error:
            raise self.error
        assert self._result is not None, "the run has not ended"
        return self._result

    def _make_result(self) -> TrainResult:
        """Choose the edit, score it on the held-out rows, and save it."""
        state, root, best = self.state, self.root, self.best
        if root:
            self.may_save()
            # Before the last measurement of a run that was stopped: when it resumes, it must end as one that was never stopped.
            self._save_checkpoint(root)
        leaves = self.stopped and self.followed.leaving()
        if not leaves:
            self.watch.measure_at_end()
        choice: Literal["best", "last"] = "best" if state.train_config.keep == "best" and best.step is not None else "last"
        chosen_step = state.step
        if choice == "best" and best.step is not None and not leaves:
            chosen_step = best.step
            with self.exclusive():
                state.reft.load_state_dict(best.tensors)
        score = None if leaves else self.watch.score()
        result = TrainResult(
            state.reft, state.step, state.total_steps, self.clock.seconds(), state.loss_first, state.loss_last,
            score.base if score else None, score.tuned if score else None, self.stopped, self.stopped_early and not self.stopped,
            root / "adapter" if root and not leaves else None, self.check,
            tuple(row.reason for row in self.read.left_out), best.step, choice, self._evidence(score, chosen_step, choice),
            tuple(row.example for row in self.held_out),
        )  # fmt: skip
        self._save_adapter(result)
        if self.rows_file and not self.stopped:
            with suppress(OSError):  # a run that resumes would need it; this one does not
                self.rows_file.unlink(missing_ok=True)
        return result

    def _evidence(self, score: Score | None, chosen_step: int, choice: Literal["best", "last"]) -> Evidence:
        state, best, last, schedule = self.state, self.best, self.watch.last, self.watch.schedule
        return Evidence(
            score, finite(state.loss_first), finite(state.recent.mean), last.loss if last else None, last.loss_base if last else None,
            best.step, best.loss, chosen_step, state.step, len(schedule.choosing) if self.held_out else 0, not schedule.apart,
            choice,
        )  # fmt: skip

    def _save_adapter(self, result: TrainResult) -> None:
        """Save the adapter folder if the result names one, and leave the edit in evaluation mode."""
        if result.adapter:
            self.may_save()
        with self.exclusive():
            self.state.reft.eval()
            if result.adapter:
                training = {**train_config_dict(self.state.train_config), **result.summary()}
                self.state.reft.save(result.adapter, base=self.objective.base, training=training)


def _train_together(runs: Sequence[_Run], exclusive: Exclusive, *, apart: bool = False) -> None:
    """Make all steps of all runs, in the same forward passes, and end each as soon as its last step is made.

    ``apart``: an error of one run, or of those who follow it, ends that run alone.
    """
    with exclusive():
        shared = share_reuse([run.state for run in runs], [run.watch.choosing for run in runs], runs[0].root)
    reuse = _reuse_event(*shared) if shared else None
    for run in runs:
        _do(run, partial(run.begin, reuse, exclusive), apart)
    for run in runs:
        if not run.error:
            run.clock.lap()  # of what the others did first, no step does anything again
    while active := _going_on(runs, apart):
        with exclusive():
            store, begun = active[0].state.reuse, now()
            before = store.computed if store else 0
            losses = train_step([run.state for run in active])
            fresh, seconds = store.computed - before if store else 0, now() - begun
        for run, loss in zip(active, losses, strict=True):
            _do(run, partial(run.after_step, loss, fresh, seconds), apart)


def _going_on(runs: Sequence[_Run], apart: bool) -> list[_Run]:
    """The runs that make another step; those that do not any more are ended."""
    asked: dict[Callable[[], bool], bool] = {}  # runs that share a question are stopped together
    for run in runs:
        if run.active:
            _do(run, partial(_ask, run, asked), apart)
        if not run.active and not run.ended:
            _do(run, run.end, apart)
            run.on_end(run.error or run.result_or_error())
    return [run for run in runs if run.active]


def _ask(run: _Run, asked: dict[Callable[[], bool], bool]) -> None:
    """Ask whether a run is to stop."""
    should_stop = run.followed.should_stop
    if should_stop not in asked:
        asked[should_stop] = should_stop()
    run.stopped = asked[should_stop]


def _do(run: _Run, act: Callable[[], None], apart: bool) -> None:
    """Do something of one run; what goes wrong in it ends this run, and only where they are kept apart not all of them."""
    try:
        act()
    except Exception as error:
        if not apart:
            raise
        run.error = error


def _reuse_event(plan: Plan, done: bool) -> ReuseEvent:
    if done:
        return ReuseEvent(0, plan.share, plan.sentence)
    return ReuseEvent(0, 0.0, "Everything is computed anew in each step: on this base model it would not be the same otherwise.")


def _no_rows(read: RowsRead) -> DataError:
    return read.left_out[0].error if read.left_out else DataError("There is no row to train on.", kind="training.no_rows")


def train_config_dict(train_config: TrainConfig) -> dict[str, object]:
    """The training settings as plain data for the adapter folder."""
    return train_config.model_dump(mode="json")


class _Clock:
    """Time spent, interruptions of the run aside."""

    def __init__(self, spent: float, step: int) -> None:
        self._begun = self._lap = now()
        self._before = spent
        self._saved, self._saved_step = self._begun, step

    def seconds(self) -> float:
        return self._before + now() - self._begun

    def lap(self) -> float:
        """Seconds since this was asked before."""
        begun, self._lap = self._lap, now()
        return self._lap - begun

    def checkpoint_due(self, step: int) -> bool:
        """Whether a checkpoint is due after this step."""
        passed = now() - self._saved
        return passed >= _CHECKPOINT_PAUSE and (passed >= _CHECKPOINT_SECONDS or step - self._saved_step >= _CHECKPOINT_STEPS)

    def saved(self, step: int) -> None:
        """Start the time to the next checkpoint."""
        self._saved, self._saved_step = now(), step
