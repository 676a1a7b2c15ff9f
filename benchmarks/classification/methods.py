"""The methods that are compared. All read the same rows in the same batches, under the same head and the same schedule.

Edits and LoRA go through the engine's `train`; BitFit and a head alone (`free.FreeWeights`) through its steps. All have AdamW without
weight decay, a linear rise over the first tenth of all steps and a linear fall to zero, gradients cut to norm 1, and a base model in
evaluation mode, without dropout.
Nothing is measured before the last step, so no best moment is picked.
"""

import time
from dataclasses import dataclass

from benchmarks.classification.free import FreeWeights
from benchmarks.classification.plan import Method
from benchmarks.classification.tasks import Task
from reft_engine import PeftConfig, ReftConfig, Trainable, TrainConfig, classify, train
from reft_engine.base.loading import Base
from reft_engine.spec import MethodConfig, Pooling
from reft_engine.training import objective_for, read_rows
from reft_engine.training.loop import RunState, share_reuse, train_step
from reft_engine.training.rows import encoded_of

WARMUP = 0.1
MAX_NORM = 1.0
MAX_LENGTH = 512


@dataclass(frozen=True, slots=True)
class Run:
    """How often and in what order the rows are read, at which peak rates, and what the head reads."""

    epochs: int
    batch_size: int
    seed: int
    learning_rate: float
    head_rate: float
    pooling: Pooling

    @property
    def settings(self) -> TrainConfig:
        """As the engine takes them."""
        return TrainConfig(
            epochs=self.epochs, batch_size=self.batch_size, seed=self.seed, learning_rate=self.learning_rate,
            head_learning_rate=self.head_rate, warmup_ratio=WARMUP, max_grad_norm=MAX_NORM, max_length=MAX_LENGTH, held_out=0.0,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Learned:
    """A trained classifier, and seconds of training."""

    trained: Trainable
    seconds: float

    @property
    def parameters(self) -> int:
        """Trainable parameters beside the head."""
        return self.trained.trainable_parameters

    @property
    def head_parameters(self) -> int:
        """Those of the head."""
        assert self.trained.head
        return sum(weight.numel() for weight in self.trained.head.parameters())


def learn(method: Method, base: Base, task: Task, run: Run) -> Learned:
    """Train one method on the rows of a task. The base model stays as it is."""
    begun = time.process_time()
    if method.kind in ("head", "bitfit"):
        trained = _learn_free(method, base, task, run)
    else:
        trained = train(base, task.train, _config(method, task, run), run.settings).reft
    return Learned(trained, time.process_time() - begun)


def _config(method: Method, task: Task, run: Run) -> MethodConfig:
    common = {"labels": task.labels, "pooling": run.pooling}
    if method.kind == "reft":
        return ReftConfig(**method.options, **common)
    # The options have PEFT's names, by which finished runs are known.
    options = method.options
    return PeftConfig(
        rank=options["r"], alpha=options["lora_alpha"], dropout=options["lora_dropout"], targets=tuple(options["target_modules"]), **common
    )  # fmt: skip


def _learn_free(method: Method, base: Base, task: Task, run: Run) -> Trainable:
    config = PeftConfig(labels=task.labels, pooling=run.pooling)
    # BERT's pooler reads the first token for a task of its own; the head here reads the hidden states.
    made = FreeWeights(base, config, run.seed, lambda name: method.kind == "bitfit" and name.endswith("bias") and "pooler" not in name)
    objective = objective_for(base, config, run.settings, task.train)
    state = RunState(objective, encoded_of(read_rows(objective, task.train).usable), made)
    share_reuse([state], [[]], None)
    while state.step < state.total_steps:
        (loss,) = train_step([state])
        if isinstance(loss, Exception):
            raise loss
    return made


def labels_found(learned: Learned, base: Base, task: Task) -> list[str]:
    """The label that a classifier gives to each test row."""
    found = classify(base, learned.trained, [example.messages for example in task.test], max_length=MAX_LENGTH)
    return [next(iter(shares)) for shares in found]
