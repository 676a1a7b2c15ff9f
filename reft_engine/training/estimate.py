"""Estimates the time of a run from two of its own steps. Imports torch only when `probe` is called."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reft_engine.spec import ReftConfig, TrainConfig

if TYPE_CHECKING:
    from reft_engine.base.loading import Base
    from reft_engine.data import AnyExample

_MAX_STEP_TOKENS = 1024
"""Maximum tokens of a probe's step; a larger batch takes no longer per token."""
_SAMPLE_TOKENS = 8
"""Tokens that a probe generates."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Seconds of a run's pieces of work on this machine, each measured once.

    Attributes:
        read: encoding one row.
        first: one token of a training step in the first epoch.
        later: one token of a training step in a later epoch, when activations are reused.
        measure: one token of a held-out row.
        write: one token of a sample answer, base and tuned together.
    """

    read: float
    first: float
    later: float
    measure: float
    write: float

    def seconds(
        self, *, rows: int, epoch_tokens: int, epochs: int, held_out_tokens: int, measured_tokens: int, written_tokens: int
    ) -> float:  # fmt: skip
        """Seconds from reading the first row to the last measurement.

        Args:
            rows: number of rows to read.
            epoch_tokens: tokens of all training rows.
            epochs: number of epochs.
            held_out_tokens: tokens of the held-out rows that score at the end, base and tuned.
            measured_tokens: tokens of all measurements before that.
            written_tokens: tokens of all sample answers.
        """
        steps = epoch_tokens * (self.first + (epochs - 1) * self.later)
        return rows * self.read + steps + (2 * held_out_tokens + measured_tokens) * self.measure + written_tokens * self.write


def probe(
    base: "Base", examples: "Sequence[AnyExample]", config: ReftConfig, settings: TrainConfig,
    exclusive: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Probe:  # fmt: skip
    """Train a throwaway edit for two epochs of one step each on a few rows, and time every kind of work that a run does.

    Args:
        base: the base model.
        examples: some rows of the run, such as its first hundred.
        config: the edit.
        settings: the training settings.
        exclusive: entered around every use of the base model.

    Raises:
        DataError: none of the rows can be trained on.
        ConfigError: the base model cannot be trained with these settings.
    """
    from reft_engine.inference.generation import generate
    from reft_engine.training.loop import RunState, share_reuse, train_step
    from reft_engine.training.objectives import objective_for
    from reft_engine.training.rows import encoded_of, read_rows

    # 1) Read the rows.
    quick = settings.model_copy(update={"epochs": 2, "gradient_accumulation": 1, "warmup_ratio": 0.0, "held_out": 0.0})
    objective = objective_for(base, config, quick, examples)
    start = time.perf_counter()
    read = read_rows(objective, examples)
    reading = (time.perf_counter() - start) / len(examples)
    if not read.usable:
        raise read.left_out[0].error
    rows = _representative_rows(encoded_of(read.usable), min(quick.batch_size, len(read.usable)))
    tokens = objective.length(rows)
    state = RunState(objective, rows)
    # 2) Measure them.
    with exclusive():
        objective.prepare(rows)
        state.reft.eval()
        objective.measure(rows[:1], state.reft)  # warm-up
        measuring = _seconds(lambda: objective.measure(rows, state.reft)) / tokens
        share_reuse([state], [[]], None)
    # 3) Train two epochs; the second one reuses activations.
    step_seconds: list[float] = []
    while state.step < state.total_steps:
        with exclusive():
            step_seconds.append(_seconds(lambda: train_step([state])))
    # 4) Generate a sample answer.
    with exclusive():
        state.reft.eval()
        writing = _seconds(lambda: _generate_sample(generate, base, read.usable[0].example, state.reft)) / _SAMPLE_TOKENS
    half = len(step_seconds) // 2
    return Probe(reading, sum(step_seconds[:half]) / tokens, sum(step_seconds[half:]) / tokens, measuring, writing)


def _representative_rows(rows: Sequence[Any], count: int) -> list[Any]:
    """At most ``count`` rows, evenly spread over the lengths, of at most `_MAX_STEP_TOKENS` tokens but at least one row."""
    ordered = sorted(rows, key=lambda row: row.length)
    spread = [ordered[(2 * index + 1) * len(ordered) // (2 * count)] for index in range(count)]
    sample: list[Any] = []
    # From the median length upwards, then the shorter rows.
    for row in spread[len(spread) // 2 :] + spread[: len(spread) // 2]:
        if sample and sum(other.length for other in sample) + row.length > _MAX_STEP_TOKENS:
            break
        sample.append(row)
    return sample


def _generate_sample(generate: Callable[..., Any], base: "Base", example: Any, reft: Any) -> None:
    """Generate an answer, base and tuned; a classifier generates none."""
    if reft.method_config.labels is None:
        generate(base, example.messages, [None, reft], max_new_tokens=_SAMPLE_TOKENS)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
