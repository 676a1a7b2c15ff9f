"""The methods that are compared. All read the same rows in the same batches, under the same head and the same schedule.

ReFT goes through the engine's own `train`; the others through a loop that follows it: AdamW without weight decay, a linear
rise over the first tenth of all steps and a linear fall to zero, gradients cut to norm 1, and a base model in evaluation
mode, without dropout.
Nothing is measured before the last step, so no best moment is picked.

Legend: N rows in all, B rows of a batch, T tokens (padded), D hidden size, C classes.
"""

import copy
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.classification.plan import Method
from benchmarks.classification.tasks import Task
from reft_engine import Example, ReftConfig, TrainConfig, train
from reft_engine.base import blocks
from reft_engine.base.loading import Base
from reft_engine.edits.head import ClassificationHead, pool
from reft_engine.spec import Pooling
from reft_engine.tokens.batches import epoch_batches, in_batches
from reft_engine.tokens.examples import EncodedLabel, encode_label

WARMUP = 0.1
MAX_NORM = 1.0
MAX_LENGTH = 512
_ROWS = 64

Rows = Sequence[EncodedLabel]


@dataclass(frozen=True, slots=True)
class Run:
    """How often and in what order the rows are read, at which peak rates, and what the head reads."""

    epochs: int
    batch_size: int
    seed: int
    learning_rate: float
    head_rate: float
    pooling: Pooling


@dataclass(frozen=True, slots=True)
class Learned:
    """A trained classifier: its logits (B, C) of rows, numbers trained beside the head and in it, seconds of training."""

    logits: Callable[[Rows], Tensor]
    parameters: int
    head_parameters: int
    seconds: float


class _Encoder(nn.Module):
    """A Hugging Face encoder, some weights of which may be trained, under a head."""

    def __init__(self, model: nn.Module, base: Base, classes: int, run: Run) -> None:
        super().__init__()
        self.model, self.pooling = model, run.pooling
        self.head = ClassificationHead(base.hidden_size, classes, torch.Generator().manual_seed(run.seed))
        self.to(base.device).eval()

    def pooled(self, inputs: dict[str, Tensor]) -> Tensor:
        """What the head reads, (B, D)."""
        return pool(blocks.backbone(self.model)(**inputs)[0], inputs["attention_mask"], self.pooling)


def columns(rows: Rows, base: Base) -> dict[str, Tensor]:
    """The padded inputs of a batch, (B, T): ids, mask, and which of two texts a token belongs to."""
    shape = len(rows), max(row.length for row in rows)
    ids_BT, mask_BT, types_BT = (torch.zeros(shape, dtype=torch.int64) for _ in range(3))
    for index, row in enumerate(rows):
        ids_BT[index, : row.length] = torch.tensor(row.prompt.ids)
        mask_BT[index, : row.length] = 1
        if row.prompt.second:
            types_BT[index, row.prompt.second : row.length] = 1
    named = {"input_ids": ids_BT, "attention_mask": mask_BT, "token_type_ids": types_BT}
    return {name: value.to(base.device) for name, value in named.items()}


def encoded(base: Base, task: Task, examples: Sequence[Example]) -> list[EncodedLabel]:
    """The rows as the engine reads them."""
    config = ReftConfig(labels=task.labels, positions="all")
    return [encode_label(base, example, MAX_LENGTH, config) for example in examples]


def learn(method: Method, base: Base, task: Task, run: Run) -> Learned:
    """Train one method on the rows of a task. The base model stays as it is: what changes weights does so in a copy."""
    torch.manual_seed(run.seed)
    rows = encoded(base, task, task.train)
    if method.kind == "reft":
        return _learn_reft(method, base, task, run)
    made = _Encoder(_set_free(method, base), base, len(task.labels), run)
    own = [parameter for parameter in made.model.parameters() if parameter.requires_grad]

    def logits(batch: Rows) -> Tensor:
        found: Tensor = made.head(made.pooled(columns(batch, base)))
        return found

    begun = time.process_time()
    read = _remembered(made, base, rows) if method.kind == "head" else logits
    _fit(own, made.head, read, rows, run)
    return Learned(logits, _count(own), _count(made.head.parameters()), time.process_time() - begun)


def _learn_reft(method: Method, base: Base, task: Task, run: Run) -> Learned:
    config = ReftConfig(**method.options, labels=task.labels, pooling=run.pooling)
    settings = TrainConfig(
        epochs=run.epochs, batch_size=run.batch_size, seed=run.seed, learning_rate=run.learning_rate,
        head_learning_rate=run.head_rate, warmup_ratio=WARMUP, max_grad_norm=MAX_NORM, held_out=0.0,
    )  # fmt: skip
    begun = time.process_time()
    reft = train(base, task.train, config, settings).reft
    seconds = time.process_time() - begun
    assert reft.head is not None

    def logits(batch: Rows) -> Tensor:
        found: Tensor = reft(**columns(batch, base)).logits
        return found

    return Learned(logits, reft.trainable_parameters, _count(reft.head.parameters()), seconds)


def _set_free(method: Method, base: Base) -> nn.Module:
    """The base model with the weights set free that a method trains; a copy, unless it trains none."""
    if method.kind == "head":
        frozen: nn.Module = base.model
        return frozen
    model = copy.deepcopy(base.model).requires_grad_(False)
    if method.kind == "lora":
        from peft import LoraConfig, get_peft_model

        adapted: nn.Module = get_peft_model(model, LoraConfig(**method.options))
        return adapted
    for name, parameter in model.named_parameters():
        # BERT's pooler reads the first token for a task of its own; the head here reads the hidden states.
        parameter.requires_grad_(name.endswith("bias") and "pooler" not in name)
    trained: nn.Module = model
    return trained


@torch.no_grad()
def _remembered(made: _Encoder, base: Base, rows: Rows) -> Callable[[Rows], Tensor]:
    """Compute what the head reads once and for all: the encoder does not change."""
    place = {row.line: index for index, row in enumerate(rows)}
    pooled_ND = torch.zeros(len(rows), base.hidden_size, device=base.device)
    for batch in _by_length(rows):
        pooled_ND[[place[row.line] for row in batch]] = made.pooled(columns(batch, base))

    def logits(batch: Rows) -> Tensor:
        found: Tensor = made.head(pooled_ND[[place[row.line] for row in batch]])
        return found

    return logits


def _fit(own: list[nn.Parameter], head: nn.Module, logits: Callable[[Rows], Tensor], rows: Rows, run: Run) -> None:
    peaks = [(list(head.parameters()), run.head_rate), (own, run.learning_rate)]
    trained = [parameter for parameters, _ in peaks for parameter in parameters]
    groups = [{"params": parameters, "peak": peak} for parameters, peak in peaks]
    optimizer = torch.optim.AdamW(groups, lr=run.learning_rate, weight_decay=0.0)
    total = run.epochs * math.ceil(len(rows) / run.batch_size)
    warmup, step = round(WARMUP * total), 0
    for epoch in range(run.epochs):
        for batch in epoch_batches(rows, run.batch_size, run.seed, epoch):
            share = (step + 1) / warmup if step < warmup else (total - step) / max(total - warmup, 1)
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * share
            found = logits(batch)
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(found, torch.tensor([row.label for row in batch], device=found.device)).backward()
            nn.utils.clip_grad_norm_(trained, MAX_NORM)
            optimizer.step()
            step += 1


def _by_length(rows: Rows) -> Iterable[Any]:
    return in_batches(sorted(rows, key=lambda row: row.length), _ROWS)


def _count(parameters: Iterable[nn.Parameter]) -> int:
    return sum(parameter.numel() for parameter in parameters)


@torch.no_grad()
def labels_found(learned: Learned, base: Base, task: Task) -> list[str]:
    """The label that a classifier gives to each test row."""
    rows = encoded(base, task, task.test)
    found: dict[int, str] = {}
    for batch in _by_length(rows):
        best = learned.logits(batch).argmax(dim=-1).tolist()
        found.update({row.line: task.labels[index] for row, index in zip(batch, best, strict=True)})
    return [found[row.line] for row in rows]
