"""What people train for: the settings that suit each goal, as its source gives them. The words are in ``app/words`` under ``goals``."""

from dataclasses import dataclass
from math import exp, log
from typing import Literal

PAPER_BLOCKS = 32
"""Blocks of the base models that the paper's layers are counted in (arXiv 2404.03592)."""
STARTER_RATE, PAPER_RATE, ENCODER_RATE = 4e-3, 9e-4, 6e-4
STARTER_SIZE, PAPER_SIZE = 30e6, 1e9
"""Up to the first number of parameters the starter's learning rate is suggested, from the second on the paper's."""
_FEW_BLOCKS = 12
"""A base model with fewer blocks is edited in all of them."""

RateSource = Literal["unknown", "encoder", "small", "between", "large"]


@dataclass(frozen=True, slots=True)
class Goal:
    """A goal with its settings.

    Attributes:
        key: its name.
        blocks: edited layers, of the paper's 32; none means all.
        epochs: passes over the rows in its source; None where that depends on the number of rows alone.
        batch_size: rows of a step in its source.
        needs_pairs: it is learned from preference pairs.
    """

    key: str
    rank: int = 4
    positions: str = "f7+l7"
    blocks: tuple[int, ...] = ()
    tied: bool = True
    dropout: float = 0.0
    warmup_ratio: float = 0.1
    epochs: int | None = None
    batch_size: int = 8
    needs_pairs: bool = False

    def layers(self, count: int | None) -> str:
        """The layers in a base model of ``count`` blocks, as the form holds them."""
        if not self.blocks or count is None or count < _FEW_BLOCKS:
            return "all"
        return ";".join(map(str, sorted({min(count - 1, round(block * count / PAPER_BLOCKS)) for block in self.blocks})))


GOALS: dict[str, Goal] = {
    goal.key: goal
    for goal in (
        Goal("style"),  # the samples of this project, measured on the starter
        Goal("persona", blocks=(15,)),  # appendix G.2
        Goal("classify", rank=1, dropout=0.05, warmup_ratio=0.06, epochs=40, batch_size=32),  # tables 9 and 10
        # Section 4.4 and table 7.
        Goal("instructions", positions="f5+l5", blocks=(3, 9, 18, 24), tied=False, warmup_ratio=0.0, epochs=9, batch_size=128),
        Goal("reasoning", rank=8, epochs=12, batch_size=32),  # sections 4.2 and 4.3
        Goal("steer", needs_pairs=True),  # no published setting
    )
}
"""Every goal, in the order in which they are shown."""


def learning_rate(parameters: int | None, *, is_encoder: bool = False) -> tuple[float, RateSource]:
    """The learning rate for a base model of this size, and what it is taken from.

    Between the starter and models of a billion parameters it falls evenly on logarithmic scales, to two digits.
    """
    if parameters is None:
        return PAPER_RATE, "unknown"
    if is_encoder:
        return ENCODER_RATE, "encoder"
    if parameters <= STARTER_SIZE:
        return STARTER_RATE, "small"
    if parameters >= PAPER_SIZE:
        return PAPER_RATE, "large"
    share = log(parameters / STARTER_SIZE) / log(PAPER_SIZE / STARTER_SIZE)
    return float(f"{exp(log(STARTER_RATE) + share * log(PAPER_RATE / STARTER_RATE)):.1e}"), "between"
