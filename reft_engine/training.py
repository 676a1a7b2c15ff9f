"""The training loop: resumable at any step, reporting through a callback, storing nothing but its checkpoint.

The same seed on the same machine gives the same weights, and a run that was cut off and resumed ends with the weights
of an undisturbed one: batches follow from (seed, epoch), dropout from (seed, step), and the checkpoint holds the rest.
"""

import hashlib
import json
import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from reft_engine import checkpoint
from reft_engine.base_models import Base
from reft_engine.batching import epoch_batches, in_batches, in_passes
from reft_engine.classification import classify
from reft_engine.data import Example, LooseRow, Preference, as_rows, split
from reft_engine.encoding import EncodedRow
from reft_engine.errors import ConfigError, DataError, ReftError, TrainingError
from reft_engine.generation import generate
from reft_engine.interventions import Dropout
from reft_engine.model import ReftModel
from reft_engine.objectives import Objective, Part, objective_for
from reft_engine.reuse import Reach, Reuse, plan_reuse
from reft_engine.reuse_store import Budget
from reft_engine.spec import ReftConfig, TrainConfig

Turn = Callable[[], AbstractContextManager[object]]
_SAMPLE_TOKENS = 40
_AGREES, _AGREES_IN_HALF = 1e-4, 5e-2
"""How far losses may be off with reuse, as a share of the largest, before it is given up: in float32, and in half precision."""
_CHECKPOINT_SECONDS = 30.0


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


TrainEvent = StepEvent | HeldOutEvent | SampleEvent | ReuseEvent


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


class _Loop:
    """State of one run between steps."""

    def __init__(self, objective: Objective[Any], rows: Sequence[EncodedRow]) -> None:
        base, config, settings = objective.base, objective.config, objective.settings
        self.objective, self.settings, self.rows = objective, settings, rows
        self.reft = ReftModel(base.model, config, seed=settings.seed).train()
        edit = self.reft.intervention
        decayed = [weight for name, weight in edit.weights().items() if name in edit.decayed]
        kept = [weight for weight in edit.parameters() if all(weight is not other for other in decayed)]
        head = list(self.reft.head.parameters()) if self.reft.head else []
        self.optimizer = torch.optim.AdamW(
            [
                {"params": decayed, "weight_decay": settings.weight_decay, "peak": settings.learning_rate},
                {"params": kept, "weight_decay": 0.0, "peak": settings.learning_rate},
                {"params": head, "weight_decay": 0.0, "peak": settings.head_learning_rate or settings.learning_rate},
            ]
        )
        per_step = settings.batch_size * settings.gradient_accumulation
        self.steps_per_epoch = math.ceil(len(rows) / per_step)
        self.total_steps = self.steps_per_epoch * settings.epochs
        # A checkpoint goes on only with what it was begun with.
        self.identity = json.dumps([config.model_dump(), settings.model_dump(), base.layers, base.hidden_size, _digest(base, rows)])
        self.step = 0
        self.loss_first = self.loss_last = math.nan
        self._epoch, self._batches = -1, list[list[EncodedRow]]()

    def batches(self) -> list[list[EncodedRow]]:
        """The micro-batches of the next step."""
        epoch, at = divmod(self.step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._epoch = epoch
            self._batches = epoch_batches(self.rows, self.settings.batch_size, self.settings.seed, epoch)
        many = self.settings.gradient_accumulation
        return self._batches[at * many : (at + 1) * many]

    def schedule(self) -> float:
        """Share of the peak rates: linear warm-up, then linear decay to zero."""
        warmup = round(self.settings.warmup_ratio * self.total_steps)
        if self.step < warmup:
            return (self.step + 1) / warmup
        return (self.total_steps - self.step) / max(self.total_steps - warmup, 1)

    def begin_step(self) -> None:
        """Lay out the next step: its passes, and the factors that all of them use."""
        # Whoever answered or measured with the edit since the last step may have left it in evaluation mode.
        self.reft.train()
        batches = self.batches()
        self.passes = [part for rows in batches for part in in_passes(rows, self.settings.pass_tokens)]
        self._weight = sum(map(self.objective.weight, batches))
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * self.schedule()
        self.optimizer.zero_grad(set_to_none=True)
        # The orthonormal factors are computed once per step: passes add their gradients to a leaf copy.
        edit = self.reft.intervention
        self._projection = edit.projection()
        self._leaf = None if self._projection is None else self._projection.detach().requires_grad_()
        self._factors, self._loss, self._dropout = edit.factors(self._leaf), 0.0, self._drawing()

    def _drawing(self) -> Dropout | None:
        """Dropout draws what follows from (seed, step), and leaves the caller's random numbers as they were."""
        if not (rate := self.reft.config.dropout):
            return None
        generator = torch.Generator(self.objective.base.device)
        return Dropout(rate, generator.manual_seed(hash((self.settings.seed, self.step))))

    def part(self, index: int) -> Part[Any]:
        """The rows of one pass."""
        return Part(self.objective, self.passes[index], self.reft, self._factors, self._dropout)

    def share(self, loss: Tensor) -> Tensor:
        """What a pass's loss adds to the mean loss of the step."""
        share = loss / self._weight
        self._loss += share.item()
        return share

    def end_step(self) -> float:
        """Move the weights; returns the step's mean loss. Raises TrainingError."""
        if self._projection is not None and self._leaf is not None and self._leaf.grad is not None:
            self._projection.backward(self._leaf.grad)
        loss = self._loss
        norm = float(nn.utils.clip_grad_norm_(self.reft.parameters(), self.settings.max_grad_norm))
        if not (math.isfinite(loss) and math.isfinite(norm)):
            what = "gradient" if math.isfinite(loss) else "loss"
            raise TrainingError(f"The {what} is no longer a number at step {self.step + 1}. A learning rate a third as high usually helps.")
        self.optimizer.step()
        self.step += 1
        self.loss_last = loss
        if self.step == 1:
            self.loss_first = loss
        return loss


def _digest(base: Base, rows: Sequence[EncodedRow]) -> str:
    """Tells rows and base models apart; a base model by the names, kinds and first numbers of its weights."""
    found = hashlib.sha256()
    for name, weight in base.model.named_parameters():
        found.update(f"{name} {tuple(weight.shape)} {weight.dtype} {weight.detach().flatten()[:16].double().tolist()}".encode())
    for row in rows:
        found.update(repr(row).encode())
    return found.hexdigest()


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
        on_event: called after steps, held-out measurements and samples, and once with what is reused.
        on_ready: called once with the model that is being trained.
        should_stop: asked before every step (and before every part of the reference of preference pairs); True ends training
            and keeps what was learned.
        turn: entered around every piece of work on the base model, so that others can take turns on it.

    Raises:
        ConfigError: the base model cannot do what is asked.
        DataError: no row can be trained on.
        TrainingError: the loss stops being a number.
    """
    root = Path(folder) if folder else None
    run = _Run(base, as_rows(examples), (config or ReftConfig(), train_config or TrainConfig()), root, on_event, on_ready)
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
    _together(made, should_stop, turn)
    return [run.error or run.result() for run in made]


class _Run:
    """One run with what goes on around its steps: what it is told, measured, and saved."""

    def __init__(
        self, base: Base, given: Sequence[Example | Preference], wanted: tuple[ReftConfig, TrainConfig], root: Path | None,
        on_event: Callable[[TrainEvent], None], on_ready: Callable[[ReftModel], None] = lambda reft: None,
    ) -> None:  # fmt: skip
        config, settings = wanted
        self.objective = objective_for(base, config, settings, given)
        kept, held = split(given, settings.held_out, settings.seed)
        self.rows, self.problems = encode_all(self.objective, kept)
        self.measured = [pair for example in held for pair in _encoded(self.objective, example)]
        if not self.rows:
            raise DataError(self.problems[0] if self.problems else "There is no row to train on.")
        self.loop, self.root, self.on_event, self.on_ready = _Loop(self.objective, self.rows), root, on_event, on_ready
        self.stopped = False
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
        self.watch.look()

    @property
    def active(self) -> bool:
        """Whether there is a step to be made."""
        return not self.stopped and self.error is None and self.loop.step < self.loop.total_steps

    def after_step(self, loss: float) -> None:
        """Tell of the step that was made, measure and save when it is time to."""
        loop = self.loop
        rate, left = loop.optimizer.param_groups[0]["lr"], self.clock.seconds_left(loop.step, loop.total_steps)
        self.on_event(StepEvent(loop.step, loop.total_steps, loop.step / loop.steps_per_epoch, loss, rate, left))
        if self.loop.step < self.loop.total_steps:
            self.watch.look_when_due()
            if self.root and self.clock.checkpoint_due():
                _save_checkpoint(self.root, loop, self.clock)

    def result(self) -> TrainResult:
        """Measure for the last time and save. Raises the TrainingError that the run ended with."""
        if self.error:
            raise self.error
        loop, root = self.loop, self.root
        self.watch.look()
        if root:
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


def _share_reuse(runs: Sequence[_Run]) -> ReuseEvent | None:
    """Let the runs share what need not be computed twice, if that is worth it and gives the same; None if it is not worth it."""
    first = runs[0]
    base, settings = first.objective.base, first.loop.settings
    rows = [row for run in runs for row in run.objective.answers(run.rows)]
    if not rows or base.kind != "decoder" or settings.reuse == "none":
        return None
    reach = Reach(min(min(run.loop.reft.layers) for run in runs), tuple(dict.fromkeys(run.loop.reft.positions for run in runs)))
    # A block that is computed twice (gradient checkpointing) would add to a cache twice.
    late = settings.reuse in ("all", "time") and not any(run.loop.settings.gradient_checkpointing for run in runs)
    plan = plan_reuse(reach, rows, base.layers, depth=settings.reuse in ("all", "depth"), time=late)
    if plan is None:
        return None
    reuse = Reuse(base, plan, Budget(settings.reuse_memory_mb * 10**6, settings.reuse_disk_mb * 10**6, first.root))
    if not _agrees(reuse, first):
        return ReuseEvent(0, 0.0, "Everything is computed anew in each step: on this base model it would not be the same otherwise.")
    for run in runs:
        run.objective.reuse = reuse
        size, epochs = run.loop.settings.batch_size, run.loop.settings.epochs
        batches = epoch_batches(run.rows, size, run.loop.settings.seed, 0) if epochs > 1 else []
        reuse.expect(run.objective.answers(batch) for batch in [*batches, *in_batches([row for _, row in run.measured], 16)])
    return ReuseEvent(0, plan.share, plan.sentence)


def _agrees(reuse: Reuse, run: _Run) -> bool:
    """Whether the losses of a few rows are the same with and without reuse, but for rounding."""
    objective, reft = run.objective, run.loop.reft
    rows = objective.answers(run.rows[:2])
    plain = objective.token_losses(rows, reft)
    objective.reuse = reuse
    try:
        found = objective.token_losses(rows, reft)
    except (RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError, ReftError):
        return False  # a model that is built in another way than those that this was made for
    finally:
        objective.reuse = None
    allowed = _AGREES if next(objective.base.model.parameters()).dtype == torch.float32 else _AGREES_IN_HALF
    return float((found - plain).abs().max()) <= allowed * max(1.0, float(plain.abs().max()))


def _together(runs: Sequence[_Run], should_stop: Callable[[], bool], turn: Turn) -> None:
    """Make all steps of all runs, those of different runs in the same passes."""
    with turn():
        reuse = _share_reuse(runs)
    for run in runs:
        run.begin(reuse, should_stop, turn)
    while active := [run for run in runs if run.active]:
        if should_stop():
            for run in active:
                run.stopped = True
            break
        with turn():
            losses = _step(active)
        for run in active:
            if run.error is None:
                run.after_step(losses[id(run)])


def _step(runs: Sequence[_Run]) -> dict[int, float]:
    """One optimiser step of each run; their mean losses by the run's id."""
    for run in runs:
        run.loop.begin_step()
    for index in range(max(len(run.loop.passes) for run in runs)):
        reading = [run.loop for run in runs if index < len(run.loop.passes)]
        parts = [loop.part(index) for loop in reading]
        losses = parts[0].objective.losses(parts)
        total = torch.stack([loop.share(loss) for loop, loss in zip(reading, losses, strict=True)]).sum()
        if total.requires_grad:
            total.backward()
    found = {}
    for run in runs:
        try:
            found[id(run)] = run.loop.end_step()
        except TrainingError as error:
            run.error = error
    return found


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


def _save_checkpoint(root: Path, loop: _Loop, clock: "_Clock") -> None:
    state = checkpoint.Checkpoint(loop.step, clock.seconds(), loop.loss_first, loop.loss_last)
    checkpoint.save_checkpoint(root / "checkpoint", loop.reft, loop.optimizer, state, loop.identity)


class _Clock:
    """Time spent, over interruptions, and time left."""

    def __init__(self, spent: float, step: int) -> None:
        self._begun = time.monotonic()
        self._before, self._first_step = spent, step
        self._saved = self._begun

    def seconds(self) -> float:
        return self._before + time.monotonic() - self._begun

    def seconds_left(self, step: int, total: int) -> float:
        done = max(step - self._first_step, 1)
        return (time.monotonic() - self._begun) / done * (total - step)

    def checkpoint_due(self) -> bool:
        now = time.monotonic()
        if now - self._saved < _CHECKPOINT_SECONDS:
            return False
        self._saved = now
        return True


class _Watch:
    """Measures held-out loss and shows a sample, at the start, some ten times on the way, and at the end."""

    def __init__(self, loop: _Loop, held: list[tuple[Example | Preference, EncodedRow]],
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
