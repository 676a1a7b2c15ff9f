"""One step of a run, or of several runs that share the passes of one base model: micro-batches, clipping, optimizer, learning rate."""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from reft_engine.base import blocks
from reft_engine.base.loading import Base
from reft_engine.collecting import no_collection
from reft_engine.edits.precision import exact, is_autocast
from reft_engine.errors import ReftError, TrainingError
from reft_engine.positions import PositionSpec
from reft_engine.precisions import suited_precision
from reft_engine.spec import reading
from reft_engine.tokens.batches import epoch_batches, in_batches, in_passes
from reft_engine.tokens.examples import EncodedExample, EncodedRow, as_in_checkpoints
from reft_engine.trainable import Trainable, make_trainable
from reft_engine.training.objectives import Objective, RunRows
from reft_engine.training.reuse.plan import Plan, Reuse, plan_for
from reft_engine.training.reuse.store import Budget
from reft_engine.training.run_layout import PASS_TOKENS_CPU, PASS_TOKENS_ELSEWHERE
from reft_engine.training.schedule import MEASURED_AT_ONCE
from reft_engine.training.smoothing import Smoothed

_TOLERANCE, _HALF_TOLERANCE = 1e-4, 5e-2
"""Largest difference that reuse may make to outputs, as a share of the largest output: in float32, and in half precision."""
_ONLY_COST = ("pass_tokens", "packing", "reuse", "reuse_memory_mb", "reuse_disk_mb", "gradient_checkpointing")
"""Settings that change time and memory, and the result only within rounding."""
_ONLY_CHOICE = ("keep", "patience")
"""Settings that choose among the trained edits and do not change them."""
_ALONE = 30_000_000
"""Operations of a block that take as long on a CPU as the attention of one more row by itself, forward and backward (measured)."""


class RunState:
    """State of one run between steps.

    Args:
        objective: the training objective; its configs describe the run.
        rows: encoded training rows.
        trainable: what is trained; by default a new one made from the objective's config.
    """

    def __init__(self, objective: Objective[Any], rows: Sequence[EncodedRow], trainable: Trainable | None = None) -> None:
        base, config, train_config = objective.base, objective.config, objective.train_config
        self.objective, self.train_config, self.rows = objective, train_config, rows
        self.reuse: Reuse | None = None
        self.reft = trainable or make_trainable(base, config, train_config.seed)
        self.reft.train()
        self.optimizer = torch.optim.AdamW(self.reft.parameter_groups(train_config))
        self.steps_per_epoch = math.ceil(len(rows) / (train_config.batch_size * train_config.gradient_accumulation))
        self.total_steps = self.steps_per_epoch * train_config.epochs
        # A run resumes only from a checkpoint with the same identity. Settings that change only time, memory or the choice of the
        # edit are no part of it; the digest of the rows covers the result of the split.
        rule = PositionSpec.parse(reading(config).positions)
        settings = train_config.model_dump(exclude={*_ONLY_COST, *_ONLY_CHOICE, "split_seed"})
        # A precision that suits the device is not named, as in checkpoints of earlier versions.
        chosen = [base.precision] if base.precision != suited_precision(base.device.type) else []
        self.identity = json.dumps([config.model_dump(), settings, base.layers, base.hidden_size, _digest(base, rows, rule), *chosen])
        self.step = 0
        self.loss_first = self.loss_last = math.nan
        self.recent = Smoothed()
        self.step_tokens = 0
        self._epoch, self._batches = -1, list[list[EncodedRow]]()

    @property
    def pass_tokens(self) -> int:
        """Maximum tokens of one micro-batch, padding included."""
        return self.room_for(self.objective)

    @staticmethod
    def room_for(objective: Objective[Any]) -> int:
        """Maximum tokens of one micro-batch with these settings on this device."""
        on_cpu = objective.base.device.type == "cpu"
        return objective.train_config.pass_tokens or (PASS_TOKENS_CPU if on_cpu else PASS_TOKENS_ELSEWHERE)

    def batches(self) -> list[list[EncodedRow]]:
        """The batches that the next step accumulates."""
        epoch, index = divmod(self.step, self.steps_per_epoch)
        count = self.train_config.gradient_accumulation
        return self.batches_of(epoch)[index * count : (index + 1) * count]

    def batches_of(self, epoch: int) -> list[list[EncodedRow]]:
        """All batches of an epoch; those of the latest epoch are remembered."""
        if epoch != self._epoch:
            self._epoch, self._batches = epoch, epoch_batches(self.rows, self.train_config.batch_size, self.train_config.seed, epoch)
        return self._batches

    def tokens_left(self) -> int:
        """Tokens of the steps that are left, padding aside."""
        epoch, index = divmod(self.step, self.steps_per_epoch)
        done = self.batches_of(epoch)[: index * self.train_config.gradient_accumulation] if index else []
        return (self.train_config.epochs - epoch) * self.objective.length(self.rows) - sum(map(self.objective.length, done))

    def schedule(self) -> float:
        """Share of the peak learning rates: linear warm-up, then linear decay to zero."""
        warmup = round(self.train_config.warmup_ratio * self.total_steps)
        if self.step < warmup:
            return (self.step + 1) / warmup
        return (self.total_steps - self.step) / max(self.total_steps - warmup, 1)

    def begin_step(self) -> None:
        """Lay out the next step: its micro-batches, learning rates and edits."""
        batches = self.batches()
        self.step_tokens = sum(map(self.objective.length, batches))
        size = partial(self.objective.tokens, reuse=self.reuse)
        self.micro_batches = [rows for batch in batches for rows in in_passes(batch, self.pass_tokens, size)]
        self._weight = sum(map(self.objective.weight, batches))
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * self.schedule()
        self.optimizer.zero_grad(set_to_none=True)
        self._acting, self._loss = self.reft.begin_step(self.train_config.seed, self.step), 0.0

    def micro_batch(self, index: int) -> RunRows[Any]:
        """The rows of one micro-batch, with what acts on them."""
        return RunRows(self.objective, self.micro_batches[index], self.reft, self._acting)

    def add_loss(self, loss: Tensor) -> Tensor:
        """Add the loss of a micro-batch to the step's; returns its share of the mean loss."""
        share = loss / self._weight
        self._loss += share.item()
        return share

    def end_step(self) -> float:
        """Update the trainable parameters; returns the step's mean loss. Raises TrainingError."""
        self._acting.end()
        loss = self._loss
        norm = float(nn.utils.clip_grad_norm_(self.reft.parameters(), self.train_config.max_grad_norm))
        self.gradient_norm = norm
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise _diverged(self.step + 1, loss)
        self.optimizer.step()
        self.step += 1
        self.loss_last = loss
        self.recent.add(loss, self.total_steps // 10)
        if self.step == 1:
            self.loss_first = loss
        return loss


def _diverged(step: int, loss: float) -> TrainingError:
    if math.isfinite(loss):
        return TrainingError(
            "The gradient is no longer a number at step {step}. A learning rate a third as high usually helps.",
            kind="training.gradient", step=step,
        )  # fmt: skip
    return TrainingError(
        "The loss is no longer a number at step {step}. A learning rate a third as high usually helps.", kind="training.loss", step=step
    )


def _digest(base: Base, rows: Sequence[EncodedRow], rule: PositionSpec) -> str:
    """Hash of rows and base model; of the base model the names, shapes, types and first values of its weights."""
    digest = hashlib.sha256()
    for name, weight in base.model.named_parameters():
        digest.update(f"{name} {tuple(weight.shape)} {weight.dtype} {weight.detach().flatten()[:16].double().tolist()}".encode())
    for row in rows:
        digest.update(as_in_checkpoints(row, rule).encode())
    return digest.hexdigest()


def train_step(states: Sequence[RunState]) -> list[float | TrainingError]:
    """One optimizer step of each run, rows of different runs in the same forward passes.

    Returns:
        The mean loss of each run's step, or the error that ended the run.
    """
    for state in states:
        state.begin_step()
    for index in range(max(len(state.micro_batches) for state in states)):
        reading = [state for state in states if index < len(state.micro_batches)]
        runs = [state.micro_batch(index) for state in reading]
        losses = runs[0].objective.losses(runs, reading[0].reuse)
        total = torch.stack([state.add_loss(loss) for state, loss in zip(reading, losses, strict=True)]).sum()
        if total.requires_grad:
            # A backward pass follows the precision of its forward pass by itself; autocast around it would round gradients once more.
            with exact(total.device):
                total.backward()
    return [_end_step(state) for state in states]


def _end_step(state: RunState) -> float | TrainingError:
    try:
        return state.end_step()
    except TrainingError as error:
        return error


Lengths = Sequence[Sequence[tuple[int, int]]]
"""Of each batch of an epoch the tokens of its sequences, and the first edited one of each."""


@no_collection()
def share_reuse(
    states: Sequence[RunState], measured: Sequence[Sequence[Any]], folder: Path | None, lengths: Lengths | None = None
) -> tuple[Plan, bool] | None:  # fmt: skip
    """Let runs share activation reuse and packing, if that is worthwhile and gives the same outputs.

    Args:
        states: the runs.
        measured: the encoded rows that each run measures.
        folder: folder for files of stored activations.
        lengths: the batches by which the plan is chosen; by default those of the runs.

    Returns:
        The plan and True if the runs follow it; a worthwhile plan and False if its outputs differ; None if no plan is worthwhile.
    """
    refused: Plan | None = None
    for plan in _plans(states, lengths or _lengths(states)):
        reuse = Reuse(states[0].objective.base, plan, reuse_budget(states[0], folder))
        if _agrees(reuse, states, measured):
            _share(reuse, states, measured)
            return (plan, True) if plan.worthwhile else None
        refused = refused or plan
    return (refused, False) if refused and refused.saved_share else None


def _lengths(states: Sequence[RunState]) -> Lengths:
    batches = [state.objective.sequences(batch) for state in states for batch in state.batches_of(0)]
    return [[(sequence.length, sequence.first_edited) for sequence in batch] for batch in batches]


def _plans(states: Sequence[RunState], lengths: Lengths) -> list[Plan]:
    """The possible plans, the one that saves the most first."""
    objective, train_config = states[0].objective, states[0].train_config
    base = objective.base
    lowest = [state.reft.lowest_edited_layer for state in states]
    layers = [layer for layer in lowest if layer is not None]
    if base.kind == "encoder_decoder" or len(layers) < len(states):
        return []
    tokens, early_tokens = (sum(each[place] for batch in lengths for each in batch) for place in (0, 1))
    layer = min(layers)
    again = any(state.train_config.epochs > 1 for state in states)
    # A head may read tokens before the first edited one, unless it reads only the last token.
    late = base.kind == "decoder" and all(state.reft.head is None or state.reft.pooling == "last" for state in states)
    twice = any(state.train_config.gradient_checkpointing for state in states)
    plans: list[Plan] = []
    for packed in (True, False) if train_config.packing and base.device.type == "cpu" else (False,):
        # A block that is computed twice (gradient checkpointing) would add to a cache twice; packed rows have no such cache.
        for time in (True, False) if late and train_config.reuse in ("all", "time") and (packed or not twice) else (False,):
            depth = train_config.reuse in ("all", "depth")
            plan = plan_for(layer, base.layers, tokens, tokens - early_tokens, depth=depth, time=time, again=again)
            computed = [[length - first * plan.time for length, first in batch] for batch in lengths]
            plan = replace(plan, packed=packed, padding=_padding(computed) / sum(len(batch) * max(batch) for batch in computed))
            if plan not in plans and (_packing_pays(base, computed) if packed else plan.saved_share):
                plans.append(plan)
    return plans


def _padding(lengths: Sequence[Sequence[int]]) -> int:
    """Padding tokens of batches with sequences of these lengths, without packing."""
    return sum(len(batch) * max(batch) - sum(batch) for batch in lengths)


def _packing_pays(base: Base, lengths: Sequence[Sequence[int]]) -> bool:
    """Whether padding costs more than attention row by row: a token's products with a block's weights, and their gradients."""
    weights = sum(weight.numel() for weight in blocks.find_blocks(base.model).parameters()) // base.layers
    return 4 * weights * _padding(lengths) >= _ALONE * sum(map(len, lengths))


def reuse_budget(state: RunState, folder: Path | None) -> Budget:
    """Bytes that a run may store for reuse, and the folder of its files."""
    memory, device = state.train_config.reuse_memory_mb * 10**6, state.objective.base.device
    if device.type == "cuda":  # stored activations must not take the memory that the run itself needs
        memory = min(memory, torch.cuda.mem_get_info(device)[0] // 4)
    return Budget(memory, state.train_config.reuse_disk_mb * 10**6, folder)


def _share(reuse: Reuse, states: Sequence[RunState], measured: Sequence[Sequence[Any]]) -> None:
    """Give the runs the reuse, and register the rows that will come again."""
    for state, held_out in zip(states, measured, strict=True):
        state.reuse = reuse
        trained = state.batches_of(0) if state.train_config.epochs > 1 else []
        batches = map(state.objective.sequences, [*trained, *in_batches(held_out, MEASURED_AT_ONCE)])
        # Stored activations are computed from whole sequences.
        reuse.register(group for batch in batches for group in in_passes(batch, state.pass_tokens))


def _agrees(reuse: Reuse, states: Sequence[RunState], measured: Sequence[Sequence[Any]]) -> bool:
    """Whether outputs with reuse match those without, within rounding, on two probe rows."""
    rows = [row for state, held_out in zip(states, measured, strict=True) for row in state.objective.sequences([*state.rows, *held_out])]
    probes = reuse.probe_rows(rows)
    # Each kind of pooling reads other tokens, so one run of each is tried: outputs at the first tokens show few differences.
    return all(_outputs_match(reuse, state, probes) for state in {state.reft.pooling: state for state in states}.values())


def _outputs_match(reuse: Reuse, state: RunState, sequences: Sequence[EncodedExample]) -> bool:
    """Whether cached and uncached outputs match for one run."""
    objective, disturbed = state.objective, state.reft.acting().disturbed()
    uncached = torch.cat([objective.outputs([sequence], state.reft, disturbed) for sequence in sequences])
    try:
        cached = objective.outputs(sequences, state.reft, disturbed, reuse)
    except (RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError, ReftError):
        return False  # the model is built differently from those that reuse was written for
    weight = next(objective.base.model.parameters())
    tolerance = _TOLERANCE if weight.dtype == torch.float32 and not is_autocast(weight.device) else _HALF_TOLERANCE
    return float((cached - uncached).abs().max()) <= tolerance * max(1.0, float(uncached.abs().max()))
