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
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from reft_engine import checkpoint
from reft_engine.base_models import Base
from reft_engine.batching import collate, epoch_batches
from reft_engine.data import Example, split
from reft_engine.encoding import EncodedExample, encode
from reft_engine.errors import DataError, TrainingError
from reft_engine.evaluation import mean_loss
from reft_engine.generation import generate
from reft_engine.interventions import Factors
from reft_engine.losses import answer_losses
from reft_engine.model import ReftModel
from reft_engine.spec import ReftConfig, TrainConfig

_SAMPLE_TOKENS = 40
_CHECKPOINT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class StepEvent:
    """After an optimiser step: mean loss of its rows in nats per answer token, time left in seconds."""

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
    """What base and tuned answer to one held-out prompt now."""

    step: int
    prompt: str
    expected: str
    base: str
    tuned: str


TrainEvent = StepEvent | HeldOutEvent | SampleEvent


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What training ended with; losses in nats per answer token, None where nothing was held out.

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


def encode_all(base: Base, examples: Sequence[Example], max_length: int) -> tuple[list[EncodedExample], list[str]]:
    """Encode rows; those that cannot be used are left out and named in the second list."""
    encoded, problems = [], []
    for example in examples:
        try:
            encoded.append(encode(base, example, max_length))
        except DataError as error:
            problems.append(str(error))
    return encoded, problems


class _Loop:
    """State of one run between steps."""

    def __init__(self, base: Base, config: ReftConfig, settings: TrainConfig, rows: Sequence[EncodedExample]) -> None:
        self.base, self.settings, self.rows = base, settings, rows
        self.reft = ReftModel(base.model, config, seed=settings.seed).train()
        decayed = [self.reft.intervention.source, self.reft.intervention.bias]
        kept = [p for p in self.reft.parameters() if all(p is not other for other in decayed)]
        self.optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": kept, "weight_decay": 0.0}],
            lr=settings.learning_rate,
        )
        per_step = settings.batch_size * settings.gradient_accumulation
        self.steps_per_epoch = math.ceil(len(rows) / per_step)
        self.total_steps = self.steps_per_epoch * settings.epochs
        # A checkpoint goes on only with what it was begun with.
        self.identity = json.dumps([config.model_dump(), settings.model_dump(), base.layers, base.hidden_size, _digest(base, rows)])
        self.step = 0
        self.loss_first = self.loss_last = math.nan
        self._epoch, self._batches = -1, list[list[EncodedExample]]()

    def batches(self) -> list[list[EncodedExample]]:
        """The micro-batches of the next step."""
        epoch, at = divmod(self.step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._epoch = epoch
            self._batches = epoch_batches(self.rows, self.settings.batch_size, self.settings.seed, epoch)
        many = self.settings.gradient_accumulation
        return self._batches[at * many : (at + 1) * many]

    def learning_rate(self) -> float:
        """Linear warm-up, then linear decay to zero."""
        warmup = round(self.settings.warmup_ratio * self.total_steps)
        if self.step < warmup:
            return self.settings.learning_rate * (self.step + 1) / warmup
        return self.settings.learning_rate * (self.total_steps - self.step) / max(self.total_steps - warmup, 1)

    def run_step(self) -> float:
        """One optimiser step; returns its mean loss."""
        # Whoever answered or measured with the edit since the last step may have left it in evaluation mode.
        self.reft.train()
        torch.manual_seed(hash((self.settings.seed, self.step)))
        batches = [collate(rows, 0, self.base.device) for rows in self.batches()]
        tokens = sum(int((batch.labels != -100).sum()) for batch in batches)
        rate = self.learning_rate()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        # The orthonormal factors are computed once per step: micro-batches add their gradients to a leaf copy.
        factors = self.reft.factors()
        leaf = factors.projection.detach().requires_grad_()
        loss = 0.0
        for batch in batches:
            plan = self.reft.plan(batch.attention_mask, batch.prompt_lengths)
            edits = self.reft.edits(plan, Factors(leaf, factors.source, factors.bias), dropout=self.reft.config.dropout)
            part = answer_losses(self.base, batch, edits)[0].sum() / tokens
            if part.requires_grad:
                part.backward()
            loss += part.item()
        if leaf.grad is not None:
            factors.projection.backward(leaf.grad)
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


def _digest(base: Base, rows: Sequence[EncodedExample]) -> str:
    """Tells rows and base models apart; a base model by its first weights."""
    found = hashlib.sha256(next(base.model.parameters()).detach().flatten()[:4096].float().cpu().numpy().tobytes())
    for row in rows:
        found.update(repr((row.prompt_ids, row.answer_ids)).encode())
    return found.hexdigest()


def train(
    base: Base,
    examples: Sequence[Example],
    config: ReftConfig | None = None,
    train_config: TrainConfig | None = None,
    *,
    folder: str | Path | None = None,
    on_event: Callable[[TrainEvent], None] = lambda event: None,
    on_ready: Callable[[ReftModel], None] = lambda reft: None,
    should_stop: Callable[[], bool] = lambda: False,
    turn: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> TrainResult:
    """Train an edit on examples.

    Args:
        base: the frozen base model.
        examples: rows; a share of them is held out as ``train_config.held_out`` says.
        config: what is edited.
        train_config: how it is trained.
        folder: gets ``checkpoint/`` while training, from which an unfinished run goes on, and ``adapter/`` at the end.
        on_event: called after steps, held-out measurements and samples.
        on_ready: called once with the model that is being trained.
        should_stop: asked before every step; True ends training and keeps what was learned.
        turn: entered around every piece of work on the base model, so that others can take turns on it.

    Raises:
        DataError: no row can be trained on.
        TrainingError: the loss stops being a number.
    """
    config, settings = config or ReftConfig(), train_config or TrainConfig()
    root = Path(folder) if folder else None
    kept, held = split(examples, settings.held_out, settings.seed)
    rows, problems = encode_all(base, kept, settings.max_length)
    measured = [pair for example in held for pair in _encoded(base, example, settings.max_length)]
    if not rows:
        raise DataError(problems[0] if problems else "There is no row to train on.")
    loop = _Loop(base, config, settings, rows)
    earlier = checkpoint.load_checkpoint(root / "checkpoint", loop.reft, loop.optimizer, loop.identity) if root else None
    if earlier:
        loop.step, loop.loss_first, loop.loss_last = earlier.step, earlier.loss_first, earlier.loss_last
    on_ready(loop.reft)
    clock = _Clock(earlier.seconds if earlier else 0.0, loop.step)
    watch = _Watch(base, loop, measured, on_event, turn)
    watch.look()
    stopped = False
    while loop.step < loop.total_steps:
        if stopped := should_stop():
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


def _encoded(base: Base, example: Example, max_length: int) -> list[tuple[Example, EncodedExample]]:
    """The example with its encoding; nothing if it cannot be encoded."""
    return [(example, row) for row in encode_all(base, [example], max_length)[0]]


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

    def __init__(self, base: Base, loop: _Loop, held: list[tuple[Example, EncodedExample]],
                 on_event: Callable[[TrainEvent], None], turn: Callable[[], AbstractContextManager[object]]) -> None:  # fmt: skip
        self.base, self.loop, self.rows = base, loop, [row for _, row in held]
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
            if self.base_loss is None:
                self.base_loss = mean_loss(self.base, None, self.rows)
            self.tuned_loss = mean_loss(self.base, self.loop.reft, self.rows)
            answers = generate(self.base, example.messages, [None, self.loop.reft], max_new_tokens=_SAMPLE_TOKENS)
        self.on_event(HeldOutEvent(self.loop.step, self.tuned_loss, self.base_loss))
        self.on_event(SampleEvent(self.loop.step, example.messages[-1].content, example.answer, *answers))
