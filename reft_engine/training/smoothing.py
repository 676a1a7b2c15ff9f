"""Smoothed training loss, for the run and its chart. Imports no torch."""

import math
from dataclasses import dataclass


@dataclass(slots=True)
class Smoothed:
    """An exponential moving average of losses: the weighted sum, and the sum of the weights."""

    total: float = 0.0
    weight: float = 0.0

    def add(self, loss: float, steps: int) -> None:
        """Add a loss to the average over about the last ``steps`` losses."""
        decay = 1 - 1 / max(1, steps)
        self.total, self.weight = decay * self.total + loss, decay * self.weight + 1

    @property
    def mean(self) -> float:
        """The average; NaN before the first loss."""
        return self.total / self.weight if self.weight else math.nan
