"""How long a run will take, from two of its own steps. Imports no torch until a probe is made."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reft_engine.errors import DataError
from reft_engine.spec import ReftConfig, TrainConfig

if TYPE_CHECKING:
    from reft_engine.base.loading import Base
    from reft_engine.data import Example

_TOKENS = 1024
"""Tokens of a probe's step at most; a larger batch takes as long per token, or less."""
_WRITTEN = 8
"""Tokens that a probe writes."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Seconds that pieces of a run take on this machine, each measured once.

    Attributes:
        read: reading (encoding) one row.
        first: one token of a step in the first epoch; ``later`` in an epoch after it, when activations are reused.
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
        """Seconds from the first row that is read to the last measurement.

        Args:
            rows: rows to be read.
            epoch_tokens: tokens of all rows that are trained on.
            epochs: passes over them.
            held_out_tokens: tokens of the held-out rows that score at the end, base and tuned.
            measured_tokens: tokens of all measurements on the way.
            written_tokens: tokens of all sample answers.
        """
        steps = epoch_tokens * (self.first + (epochs - 1) * self.later)
        return rows * self.read + steps + (2 * held_out_tokens + measured_tokens) * self.measure + written_tokens * self.write


def probe(
    base: "Base", examples: "Sequence[Example]", config: ReftConfig, settings: TrainConfig,
    exclusive: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Probe:  # fmt: skip
    """Make two steps on a few of the rows, with everything that a run does, and throw the edit away.

    Args:
        base: the base model.
        examples: some rows of the run, such as its first hundred.
        config: what is edited.
        settings: how it is trained.
        exclusive: entered around every piece of work on the base model.

    Raises:
        DataError: none of the rows can be trained on.
        ConfigError: the base model cannot do what is asked.
    """
    from reft_engine.inference.generation import generate
    from reft_engine.training.loop import RunState, share_reuse, train_step
    from reft_engine.training.objectives import objective_for
    from reft_engine.training.rows import encoded_of, read_rows

    quick = settings.model_copy(update={"epochs": 2, "gradient_accumulation": 1, "warmup_ratio": 0.0, "held_out": 0.0})
    objective = objective_for(base, config, quick, examples)
    begun = time.perf_counter()
    read = read_rows(objective, examples)
    reading = (time.perf_counter() - begun) / len(examples)
    if not read.usable:
        raise DataError(read.left_out[0].reason)
    rows = _typical(encoded_of(read.usable), min(quick.batch_size, len(read.usable)))
    tokens = objective.length(rows)
    loop = RunState(objective, rows)
    with exclusive():
        objective.prepare(rows)
        loop.reft.eval()
        objective.measure(rows[:1], loop.reft)  # what is slow only once is over now
        measuring = _timed(lambda: objective.measure(rows, loop.reft)) / tokens
        share_reuse([loop], [[]], None)
    found: list[float] = []
    while loop.step < loop.total_steps:
        with exclusive():
            found.append(_timed(lambda: train_step([loop])))
    with exclusive():
        loop.reft.eval()
        writing = _timed(lambda: _written(generate, base, read.usable[0].example, loop.reft)) / _WRITTEN
    half = len(found) // 2
    return Probe(reading, sum(found[:half]) / tokens, sum(found[half:]) / tokens, measuring, writing)


def _typical(rows: Sequence[Any], count: int) -> list[Any]:
    """Rows from all over the range of lengths, as many as a batch holds and no more tokens than a probe is worth."""
    ordered = sorted(rows, key=lambda row: row.length)
    spread = [ordered[(2 * index + 1) * len(ordered) // (2 * count)] for index in range(count)]
    found: list[Any] = []
    for row in spread[len(spread) // 2 :] + spread[: len(spread) // 2]:
        if found and sum(each.length for each in found) + row.length > _TOKENS:
            break
        found.append(row)
    return found


def _written(generate: Callable[..., Any], base: "Base", example: Any, reft: Any) -> None:
    if reft.method_config.labels is None:
        generate(base, example.messages, [None, reft], max_new_tokens=_WRITTEN)


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
