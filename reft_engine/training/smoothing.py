"""A smoothed mean of losses, for the run and for its chart. Imports no torch."""

import math
from dataclasses import dataclass


@dataclass(slots=True)
class Smoothed:
    """An exponential mean of losses: the numerator, and the weight that it is divided by."""

    total: float = 0.0
    weight: float = 0.0

    def add(self, loss: float, steps: int) -> None:
        """Take a loss into account, as one of the last ``steps``."""
        keep = 1 - 1 / max(1, steps)
        self.total, self.weight = keep * self.total + loss, keep * self.weight + 1

    @property
    def mean(self) -> float:
        """The mean; not a number before the first loss."""
        return self.total / self.weight if self.weight else math.nan
