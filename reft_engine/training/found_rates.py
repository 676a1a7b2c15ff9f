"""What trying several learning rates gave, and the rule by which one of them is named. Imports no torch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

RATES = (3e-4, 5e-4, 8e-4, 1.3e-3, 2.2e-3, 3.7e-3, 6e-3, 1e-2)
"""Learning rates that are tried: evenly spaced in their logarithm, from a third of the paper's to the highest that is usual."""
RATE_STEPS = 20
NEAR = 0.1
"""A loss is near the lowest one if it lacks at most this share of what the lowest gained."""


@dataclass(frozen=True, slots=True)
class RateTrial:
    """A learning rate that was tried: the loss after its steps; None if it was no longer a number."""

    rate: float
    loss: float | None


@dataclass(frozen=True, slots=True)
class RatesFound:
    """Learning rates with the losses that they came to. Plain data, for JSON.

    Attributes:
        trials: every rate, in ascending order.
        loss_before: the loss before the first step, in nats per answer token (label, pair).
        best: the rate that the rule names; None if none of them learned.
        rows: held-out rows that were measured; 0 if the losses are those of training, smoothed over the last steps.
        steps: steps of each rate.
        seconds: how long it took.
    """

    trials: tuple[RateTrial, ...]
    loss_before: float
    best: float | None
    rows: int
    steps: int
    seconds: float


def best_rate(trials: Sequence[RateTrial], loss_before: float) -> float | None:
    """The largest rate whose loss is near the lowest; None if none is below the loss before.

    Few steps favour none of the rates that learn fast enough, and of those the largest goes furthest in the steps that a run has.
    A rate that diverged is never named, nor one above it: what diverges in twenty steps leaves no room above.
    """
    usable: list[RateTrial] = []
    for trial in sorted(trials, key=lambda trial: trial.rate):
        if trial.loss is None or not math.isfinite(trial.loss):
            break
        usable.append(trial)
    losses = [trial.loss for trial in usable if trial.loss is not None]
    if not losses or (lowest := min(losses)) >= loss_before:
        return None
    near = lowest + NEAR * (loss_before - lowest)
    return max(trial.rate for trial in usable if trial.loss is not None and trial.loss <= near)
