"""Finds a learning rate: several are tried for a few steps on the same rows, in shared passes of the base model."""

import math
import random
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from typing import Any

from reft_engine.base import checks
from reft_engine.base.loading import Base
from reft_engine.data import Example, LooseRow, Preference, as_rows
from reft_engine.errors import DataError, TrainingError
from reft_engine.spec import ReftConfig, TrainConfig
from reft_engine.tokens.examples import EncodedRow
from reft_engine.training.found_rates import RATE_STEPS, RATES, RatesFound, RateTrial, best_rate
from reft_engine.training.loop import RunState, share_reuse, train_step
from reft_engine.training.measuring import Exclusive
from reft_engine.training.objectives import Objective, mean_loss, objective_for
from reft_engine.training.rows import encoded_of, read_rows

_MOST_HELD_OUT = 32
"""Held-out rows that are measured."""
_SMOOTHED = 5
"""Steps whose training loss counts where no row is held out."""


class _Trial(RunState):
    """A run of a few steps at its full learning rate: a rate must be endured, and a decay would hide that it is not."""

    def schedule(self) -> float:
        """See `RunState`: the warm-up of a run of these steps, then the peak."""
        warmup = round(self.train_config.warmup_ratio * self.total_steps)
        return min(1.0, (self.step + 1) / max(1, warmup))


def find_rate(
    base: Base,
    examples: Sequence[LooseRow],
    config: ReftConfig | None = None,
    settings: TrainConfig | None = None,
    *,
    rates: Sequence[float] = RATES,
    steps: int = RATE_STEPS,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    should_stop: Callable[[], bool] = lambda: False,
    exclusive: Exclusive = nullcontext,
) -> RatesFound | None:
    """Try learning rates for some steps each, together, and name one by the rule of `best_rate`.

    Args:
        base: the frozen base model.
        examples: the rows; as many of them are drawn as the steps take.
        config: the edit.
        settings: the training settings; their learning rate and epochs do not matter.
        rates: the learning rates to try.
        steps: steps of each.
        on_progress: called with the number of steps made and of all steps.
        should_stop: asked before every step; True ends it, with no result.
        exclusive: entered around every use of the base model.

    Returns:
        The rates with their losses; None when told to stop.

    Raises:
        ConfigError, DataError: as in `train`.
    """
    begun = time.perf_counter()
    config, settings = config or ReftConfig(), settings or TrainConfig()
    checks.check_runs(base, [(config, settings)])
    objective, trained, held_out = _rows(base, as_rows(examples), config, settings, steps)
    trials = _Trials(objective, trained, held_out, rates, steps, exclusive)
    with suppress(_StoppedError):
        before = trials.begin(should_stop)
        for step in range(steps):
            on_progress(step, steps)
            _go_on(should_stop)
            trials.step()
        losses = trials.losses(should_stop)
        on_progress(steps, steps)
        found = tuple(sorted(map(RateTrial, rates, losses), key=lambda trial: trial.rate))
        loss_before = trials.first_loss if before is None else before
        return RatesFound(found, loss_before, best_rate(found, loss_before), len(held_out), steps, time.perf_counter() - begun)
    return None


class _StoppedError(Exception):
    """Told to stop."""


def _go_on(should_stop: Callable[[], bool]) -> None:
    if should_stop():
        raise _StoppedError


def _rows(
    base: Base, rows: Sequence[Example | Preference], config: ReftConfig, settings: TrainConfig, steps: int
) -> tuple[Objective[Any], list[EncodedRow], list[EncodedRow]]:  # fmt: skip
    """The objective, as many rows as the steps take, and some to measure. Raises DataError if there is none to train on."""
    wanted = round(steps * settings.batch_size * settings.gradient_accumulation / max(0.1, 1 - settings.held_out)) + 1
    drawn = rows if len(rows) <= wanted else random.Random(f"{settings.seed}/rates").sample(rows, wanted)
    objective = objective_for(base, config, settings, drawn)
    split = read_rows(objective, drawn).split(settings.held_out, settings.held_out_seed)
    if not split.trained:
        raise split.read.left_out[0].error if split.read.left_out else DataError("There is no row to train on.", kind="training.no_rows")
    return objective, encoded_of(split.trained), encoded_of(split.held_out)[:_MOST_HELD_OUT]


class _Trials:
    """Runs that differ in their learning rate alone, and have together as many tokens in a pass as one of them would have."""

    def __init__(
        self, objective: Objective[Any], trained: Sequence[EncodedRow], held_out: Sequence[EncodedRow], rates: Sequence[float],
        steps: int, exclusive: Exclusive,
    ) -> None:  # fmt: skip
        self._trained, self._held_out, self._exclusive = trained, held_out, exclusive
        settings = objective.train_config
        steps_per_epoch = -(-len(trained) // (settings.batch_size * settings.gradient_accumulation))
        shared = {"epochs": -(-steps // steps_per_epoch), "pass_tokens": max(8, RunState.room_for(objective) // len(rates))}
        self._states = [
            _Trial(
                type(objective)(objective.base, objective.config, settings.model_copy(update={**shared, "learning_rate": rate})), trained
            )
            for rate in rates
        ]
        self._losses: list[list[float]] = [[] for _ in rates]
        self._diverged: set[int] = set()

    @property
    def first_loss(self) -> float:
        """Training loss of the first step."""
        return next((losses[0] for losses in self._losses if losses), math.nan)

    def begin(self, should_stop: Callable[[], bool]) -> float | None:
        """Share reuse, prepare the objectives, and measure for the first time: all are still the same."""
        with self._exclusive():
            share_reuse(self._states, [self._held_out for _ in self._states], None)
        for state in self._states:
            for batch in state.objective.rows_without_reference(self._trained):
                _go_on(should_stop)
                with self._exclusive():
                    state.objective.prepare(batch, state.reuse)
        return self._held_out_loss(self._states[0])

    def step(self) -> None:
        """One step of all that have not diverged."""
        active = [index for index in range(len(self._states)) if index not in self._diverged]
        if not active:
            return
        with self._exclusive():
            results = train_step([self._states[index] for index in active])
        for index, result in zip(active, results, strict=True):
            if isinstance(result, TrainingError):
                self._diverged.add(index)
            else:
                self._losses[index].append(result)

    def losses(self, should_stop: Callable[[], bool]) -> list[float | None]:
        """The loss that each came to; None if it diverged."""
        found: list[float | None] = []
        for index, state in enumerate(self._states):
            _go_on(should_stop)
            if index in self._diverged:
                found.append(None)
            else:
                loss = self._held_out_loss(state)
                found.append(statistics.fmean(self._losses[index][-_SMOOTHED:]) if loss is None else loss)
        return [loss if loss is not None and math.isfinite(loss) else None for loss in found]

    def _held_out_loss(self, state: RunState) -> float | None:
        """Mean loss on held-out rows; None without any."""
        if not self._held_out:
            return None
        with self._exclusive():
            state.reft.eval()
            loss = mean_loss(state.objective.measure(self._held_out, state.reft, reuse=state.reuse))
            state.reft.train()
        return loss
