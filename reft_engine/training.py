"""The training loop: resumable at any step, reporting through a callback, storing nothing but its checkpoint.

The same seed on the same machine gives the same weights, and a run that was cut off and resumed ends with the weights
of an undisturbed one: batches follow from (seed, epoch), dropout from (seed, step), and the checkpoint holds the rest.
"""

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from reft_engine import blocks, checkpoint
from reft_engine.base_models import Base
from reft_engine.batching import epoch_batches
from reft_engine.classification import classify
from reft_engine.data import Example, LooseRow, Preference, as_rows, split
from reft_engine.encoding import EncodedRow
from reft_engine.errors import DataError, TrainingError
from reft_engine.generation import generate
from reft_engine.model import ReftModel
from reft_engine.objectives import Objective, objective_for
from reft_engine.spec import ReftConfig, TrainConfig

_SAMPLE_TOKENS = 40
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


TrainEvent = StepEvent | HeldOutEvent | SampleEvent


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

    def run_step(self) -> float:
        """One optimiser step; returns its mean loss."""
        # Whoever answered or measured with the edit since the last step may have left it in evaluation mode.
        self.reft.train()
        batches = self.batches()
        weight = sum(map(self.objective.weight, batches))
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * self.schedule()
        self.optimizer.zero_grad(set_to_none=True)
        with self._drawing():
            loss = self._backward(batches, weight)
        norm = float(nn.utils.clip_grad_norm_(self.reft.parameters(), self.settings.max_grad_norm))
        if not (math.isfinite(loss) and math.isfinite(norm)):
            what = "gradient" if math.isfinite(loss) else "loss"
            raise TrainingError(
                f"The {what} is no longer a number at step {self.step + 1}. A learning rate a third as high usually helps."
            )
        self.optimizer.step()
        self.step += 1
        self.loss_last = loss
        if self.step == 1:
            self.loss_first = loss
        return loss

    @contextmanager
    def _drawing(self) -> Iterator[None]:
        """Let dropout draw what follows from (seed, step), and leave the caller's random numbers as they were."""
        if not self.reft.config.dropout:
            yield
            return
        device = self.objective.base.device
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(hash((self.settings.seed, self.step)))
            yield

    def _backward(self, batches: Sequence[Sequence[EncodedRow]], weight: int) -> float:
        """Gradients of the step's mean loss, which is returned."""
        # The orthonormal factors are computed once per step: micro-batches add their gradients to a leaf copy.
        edit = self.reft.intervention
        projection = edit.projection()
        leaf = None if projection is None else projection.detach().requires_grad_()
        factors, loss = edit.factors(leaf), 0.0
        for rows in batches:
            with blocks.checkpointing(self.reft.base, self.settings.gradient_checkpointing):
                part = self.objective.loss(rows, self.reft, factors, self.reft.config.dropout) / weight
                if part.requires_grad:
                    part.backward()
            loss += part.item()
        if projection is not None and leaf is not None and leaf.grad is not None:
            projection.backward(leaf.grad)
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
    turn: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> TrainResult:
    """Train an edit on examples; with ``config.labels`` a classifier, with preference pairs a preference.

    Args:
        base: the frozen base model.
        examples: rows, or their texts as tuples: (prompt, answer), (text, label), (prompt, chosen, rejected). A share of them
            is held out as ``train_config.held_out`` says.
        config: what is edited.
        train_config: how it is trained.
        folder: gets ``checkpoint/`` while training, from which an unfinished run goes on, and ``adapter/`` at the end.
        on_event: called after steps, held-out measurements and samples.
        on_ready: called once with the model that is being trained.
        should_stop: asked before every step (and before every part of the reference of preference pairs); True ends training
            and keeps what was learned.
        turn: entered around every piece of work on the base model, so that others can take turns on it.

    Raises:
        ConfigError: the base model cannot do what is asked.
        DataError: no row can be trained on.
        TrainingError: the loss stops being a number.
    """
    config, settings = config or ReftConfig(), train_config or TrainConfig()
    root = Path(folder) if folder else None
    given = as_rows(examples)
    objective = objective_for(base, config, settings, given)
    kept, held = split(given, settings.held_out, settings.seed)
    rows, problems = encode_all(objective, kept)
    measured = [pair for example in held for pair in _encoded(objective, example)]
    if not rows:
        raise DataError(problems[0] if problems else "There is no row to train on.")
    loop = _Loop(objective, rows)
    stopped = not _prepared(objective, rows, should_stop, turn)
    earlier = checkpoint.load_checkpoint(root / "checkpoint", loop.reft, loop.optimizer, loop.identity) if root else None
    if earlier:
        loop.step, loop.loss_first, loop.loss_last = earlier.step, earlier.loss_first, earlier.loss_last
    on_ready(loop.reft)
    clock = _Clock(earlier.seconds if earlier else 0.0, loop.step)
    watch = _Watch(loop, measured, on_event, turn)
    watch.look()
    while loop.step < loop.total_steps:
        if stopped := stopped or should_stop():
            break
        with turn():
            loss = loop.run_step()
        on_event(StepEvent(loop.step, loop.total_steps, loop.step / loop.steps_per_epoch, loss,
                           loop.optimizer.param_groups[0]["lr"], clock.seconds_left(loop.step, loop.total_steps)))  # fmt: skip
        if loop.step < loop.total_steps:
            watch.look_when_due()
            if root and clock.checkpoint_due():
                _save_checkpoint(root, loop, clock)
    watch.look()
    if root:
        _save_checkpoint(root, loop, clock)
    result = TrainResult(loop.reft, loop.step, loop.total_steps, clock.seconds(), loop.loss_first, loop.loss_last,
                         watch.base_loss, watch.tuned_loss, stopped, root / "adapter" if root else None, tuple(problems))  # fmt: skip
    with turn():
        loop.reft.eval()
        if root:
            loop.reft.save(root / "adapter", base=base, training={**train_config_dict(settings), **result.summary()})
    return result


def _prepared(
    objective: Objective[Any], rows: Sequence[EncodedRow], should_stop: Callable[[], bool],
    turn: Callable[[], AbstractContextManager[object]],
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
                 on_event: Callable[[TrainEvent], None], turn: Callable[[], AbstractContextManager[object]]) -> None:  # fmt: skip
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
