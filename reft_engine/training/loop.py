"""The steps of a run, and of several runs that share their passes of one base model."""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from reft_engine.base import blocks
from reft_engine.base.loading import Base
from reft_engine.edits.precision import exact, is_autocast
from reft_engine.errors import ReftError, TrainingError
from reft_engine.positions import PositionSpec
from reft_engine.spec import reading
from reft_engine.tokens.batches import epoch_batches, in_batches, in_passes
from reft_engine.tokens.examples import EncodedExample, EncodedRow, as_in_checkpoints
from reft_engine.trainable import Trainable, make_trainable
from reft_engine.training.objectives import Objective, RunRows
from reft_engine.training.reuse.plan import Plan, Reuse, plan_reuse
from reft_engine.training.reuse.store import Budget
from reft_engine.training.schedule import MEASURED_AT_ONCE
from reft_engine.training.smoothing import Smoothed

_AGREES, _AGREES_IN_HALF = 1e-4, 5e-2
"""How far losses may be off with reuse, as a share of the largest, before it is given up: in float32, and in half precision."""
_ON_A_CPU, _ELSEWHERE = 2048, 16_384
"""Tokens of one pass, unless they are set."""
_ONLY_COST = ("pass_tokens", "packing", "reuse", "reuse_memory_mb", "reuse_disk_mb", "gradient_checkpointing")
"""Settings with which the same is learned within rounding."""
_ONLY_CHOICE = ("keep", "patience")
"""Settings that choose among what is learned, and do not change it."""
_ALONE = 30_000_000
"""Operations of a block that take as long on a CPU as the attention of one more row by itself, forward and backward (measured)."""


class RunState:
    """State of one run between steps; of a ``trainable`` that is given, else of the one that the objective's config describes."""

    def __init__(self, objective: Objective[Any], rows: Sequence[EncodedRow], trainable: Trainable | None = None) -> None:
        base, config, settings = objective.base, objective.config, objective.settings
        self.objective, self.settings, self.rows = objective, settings, rows
        self.reft = trainable or make_trainable(base, config, settings.seed)
        self.reft.train()
        self.optimizer = torch.optim.AdamW(self.reft.parameter_groups(settings))
        per_step = settings.batch_size * settings.gradient_accumulation
        self.steps_per_epoch = math.ceil(len(rows) / per_step)
        self.total_steps = self.steps_per_epoch * settings.epochs
        # A checkpoint goes on only with what it was begun with, but for what only time, memory or the choice of the edit depend on.
        # What the split gave stands in the digest of the rows.
        rule = PositionSpec.parse(reading(config).positions)
        learned = settings.model_dump(exclude={*_ONLY_COST, *_ONLY_CHOICE, "split_seed"})
        self.identity = json.dumps([config.model_dump(), learned, base.layers, base.hidden_size, _digest(base, rows, rule)])
        self.step = 0
        self.loss_first = self.loss_last = math.nan
        self.recent = Smoothed()
        self._epoch, self._batches = -1, list[list[EncodedRow]]()

    @property
    def pass_tokens(self) -> int:
        """Most tokens of one pass."""
        return self.settings.pass_tokens or (_ON_A_CPU if self.objective.base.device.type == "cpu" else _ELSEWHERE)

    def batches(self) -> list[list[EncodedRow]]:
        """The micro-batches of the next step."""
        epoch, at = divmod(self.step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._epoch, self._batches = epoch, self.batches_of(epoch)
        many = self.settings.gradient_accumulation
        return self._batches[at * many : (at + 1) * many]

    def batches_of(self, epoch: int) -> list[list[EncodedRow]]:
        """All micro-batches of an epoch."""
        return epoch_batches(self.rows, self.settings.batch_size, self.settings.seed, epoch)

    def schedule(self) -> float:
        """Share of the peak rates: linear warm-up, then linear decay to zero."""
        warmup = round(self.settings.warmup_ratio * self.total_steps)
        if self.step < warmup:
            return (self.step + 1) / warmup
        return (self.total_steps - self.step) / max(self.total_steps - warmup, 1)

    def begin_step(self) -> None:
        """Lay out the next step: its passes, and what acts on all of them."""
        batches = self.batches()
        self.passes = [part for rows in batches for part in in_passes(rows, self.pass_tokens, self.objective.tokens)]
        self._weight = sum(map(self.objective.weight, batches))
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * self.schedule()
        self.optimizer.zero_grad(set_to_none=True)
        self._acting, self._loss = self.reft.begin_step(self.settings.seed, self.step), 0.0

    def part(self, index: int) -> RunRows[Any]:
        """The rows of one pass."""
        return RunRows(self.objective, self.passes[index], self.reft, self._acting)

    def share(self, loss: Tensor) -> Tensor:
        """What a pass's loss adds to the mean loss of the step."""
        share = loss / self._weight
        self._loss += share.item()
        return share

    def end_step(self) -> float:
        """Move the weights; returns the step's mean loss. Raises TrainingError."""
        self._acting.end()
        loss = self._loss
        norm = float(nn.utils.clip_grad_norm_(self.reft.parameters(), self.settings.max_grad_norm))
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
    """Tells rows and base models apart; a base model by the names, kinds and first numbers of its weights."""
    found = hashlib.sha256()
    for name, weight in base.model.named_parameters():
        found.update(f"{name} {tuple(weight.shape)} {weight.dtype} {weight.detach().flatten()[:16].double().tolist()}".encode())
    for row in rows:
        found.update(as_in_checkpoints(row, rule).encode())
    return found.hexdigest()


def train_step(loops: Sequence[RunState]) -> list[float | TrainingError]:
    """One optimiser step of each, rows of different loops in the same passes; their mean losses, or what a loop ended with."""
    for loop in loops:
        loop.begin_step()
    for index in range(max(len(loop.passes) for loop in loops)):
        reading = [loop for loop in loops if index < len(loop.passes)]
        parts = [loop.part(index) for loop in reading]
        losses = parts[0].objective.losses(parts)
        total = torch.stack([loop.share(loss) for loop, loss in zip(reading, losses, strict=True)]).sum()
        if total.requires_grad:
            # A backward pass follows the precision of its forward pass by itself; autocast around it would round gradients once more.
            with exact(total.device):
                total.backward()
    return [_ended(loop) for loop in loops]


def _ended(loop: RunState) -> float | TrainingError:
    try:
        return loop.end_step()
    except TrainingError as error:
        return error


def share_reuse(loops: Sequence[RunState], measured: Sequence[Sequence[Any]], folder: Path | None) -> tuple[Plan, bool] | None:
    """Let runs share what need not be computed, or not twice, if that is worth it and gives the same.

    Args:
        loops: of the runs.
        measured: the encoded rows that each run measures on.
        folder: where files of what is kept may lie.

    Returns:
        What is left out, or what would have been worth it; and whether it is done. None if there is nothing to speak of.
    """
    refused: Plan | None = None
    for plan in _plans(loops):
        reuse = Reuse(loops[0].objective.base, plan, _budget(loops[0], folder))
        if _agrees(reuse, loops, measured):
            _share(reuse, loops, measured)
            return (plan, True) if plan.worth else None
        refused = refused or plan
    return (refused, False) if refused and refused.kept else None


def _plans(loops: Sequence[RunState]) -> list[Plan]:
    """What may be left out, the most first."""
    objective, settings = loops[0].objective, loops[0].settings
    base = objective.base
    lowest = [loop.reft.lowest_edited_layer for loop in loops]
    layers = [layer for layer in lowest if layer is not None]
    if base.kind == "encoder_decoder" or len(layers) < len(loops):
        return []
    texts = [text for loop in loops for text in loop.objective.texts(loop.rows)]
    layer = min(layers)
    again = any(loop.settings.epochs > 1 for loop in loops)
    # A head reads other tokens than those behind the first edited one, unless it reads the last alone.
    late = base.kind == "decoder" and all(loop.reft.head is None or loop.reft.pooling == "last" for loop in loops)
    twice = any(loop.settings.gradient_checkpointing for loop in loops)
    found: list[Plan] = []
    for packed in (True, False) if settings.packing and base.device.type == "cpu" else (False,):
        # A block that is computed twice (gradient checkpointing) would add to a cache twice; packed rows have none.
        for time in (True, False) if late and settings.reuse in ("all", "time") and (packed or not twice) else (False,):
            plan = plan_reuse(layer, texts, base.layers, depth=settings.reuse in ("all", "depth"), time=time, again=again)
            lengths = _lengths(loops, plan)
            plan = replace(plan, packed=packed, padding=_padding(lengths) / sum(len(batch) * max(batch) for batch in lengths))
            if plan not in found and (_pays(base, lengths) if packed else plan.kept):
                found.append(plan)
    return found


def _lengths(loops: Sequence[RunState], plan: Plan) -> list[list[int]]:
    """How many tokens of each row an epoch's batches compute."""
    batches = [loop.objective.texts(batch) for loop in loops for batch in loop.batches_of(0)]
    return [[text.length - (text.first_edited if plan.time else 0) for text in batch] for batch in batches]


def _padding(lengths: Sequence[Sequence[int]]) -> int:
    """The tokens of padding that such batches have where rows are not packed."""
    return sum(len(batch) * max(batch) - sum(batch) for batch in lengths)


def _pays(base: Base, lengths: Sequence[Sequence[int]]) -> bool:
    """Whether padding costs more than attention row by row: a token's products with a block's weights, and their gradients."""
    weights = sum(weight.numel() for weight in blocks.find_blocks(base.model).parameters()) // base.layers
    return 4 * weights * _padding(lengths) >= _ALONE * sum(map(len, lengths))


def _budget(loop: RunState, folder: Path | None) -> Budget:
    memory, device = loop.settings.reuse_memory_mb * 10**6, loop.objective.base.device
    if device.type == "cuda":  # where a run that would have fitted must not fail for what is kept
        memory = min(memory, torch.cuda.mem_get_info(device)[0] // 4)
    return Budget(memory, loop.settings.reuse_disk_mb * 10**6, folder)


def _share(reuse: Reuse, loops: Sequence[RunState], measured: Sequence[Sequence[Any]]) -> None:
    for loop, held in zip(loops, measured, strict=True):
        loop.objective.reuse = reuse
        seen = loop.batches_of(0) if loop.settings.epochs > 1 else []
        groups = [*seen, *in_batches(held, MEASURED_AT_ONCE)]
        # What is kept is computed from whole rows.
        whole = [loop.objective.texts(group) for group in groups]
        reuse.expect(part for group in whole for part in in_passes(group, loop.pass_tokens))


def _agrees(reuse: Reuse, loops: Sequence[RunState], measured: Sequence[Sequence[Any]]) -> bool:
    """Whether the numbers of a few of all rows are the same so as they are row by row, but for rounding."""
    rows = [text for loop, held in zip(loops, measured, strict=True) for text in loop.objective.texts([*loop.rows, *held])]
    texts = reuse.telling(rows)
    # Heads that read other tokens see other differences; of the first tokens alone next to nothing is seen.
    return all(_same(reuse, loop, texts) for loop in {loop.reft.pooling: loop for loop in loops}.values())


def _same(reuse: Reuse, loop: RunState, texts: Sequence[EncodedExample]) -> bool:
    """Whether one run's numbers of these texts are."""
    objective, disturbed = loop.objective, loop.reft.acting().disturbed()
    plain = torch.cat([objective.numbers([text], loop.reft, disturbed) for text in texts])
    objective.reuse = reuse
    try:
        found = objective.numbers(texts, loop.reft, disturbed)
    except (RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError, ReftError):
        return False  # a model that is built in another way than those that this was made for
    finally:
        objective.reuse = None
    weight = next(objective.base.model.parameters())
    allowed = _AGREES if weight.dtype == torch.float32 and not is_autocast(weight.device) else _AGREES_IN_HALF
    return float((found - plain).abs().max()) <= allowed * max(1.0, float(plain.abs().max()))
