"""What an attack counts: what was tried, and what of it came through."""

import random
from dataclasses import dataclass, field
from typing import Any

from tests.attacks.house import House

_TOLD = 6
"""What came through that is told in words; the rest is counted."""


@dataclass
class Trial:
    """One attack on a studio.

    Attributes:
        house: the studio.
        quick: whether each kind is tried a few times only.
        chance: what is drawn at random, from the seed of the series.
    """

    house: House
    quick: bool
    chance: random.Random
    attempts: int = 0
    through: int = 0
    notes: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    def often(self, quick: int, full: int) -> int:
        """How many times, in the form that is tried."""
        return quick if self.quick else full

    def held(self, is_held: Any, what: str) -> bool:
        """Count an attempt; ``what`` came through unless it is held."""
        self.attempts += 1
        if not is_held:
            self.through += 1
            if len(self.notes) < _TOLD:
                self.notes.append(what if len(what) <= 300 else f"{what[:300]} ...")
        return bool(is_held)

    def measured(self, name: str, figure: float) -> None:
        """Note a figure, which is not judged."""
        self.figures[name] = round(figure, 2)
