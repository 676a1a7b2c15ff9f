"""Which edit is kept, and what the held-out rows say of it row by row."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite, sqrt

import torch
from torch import Tensor

from reft_engine.objectives import RowResult, mean_loss
from reft_engine.verdict import Score


@dataclass(slots=True)
class Best:
    """The best edit so far; ``waited`` counts the measurements since. Step 0, where nothing is learned yet, is never the best."""

    step: int | None = None
    loss: float | None = None
    waited: int = 0
    tensors: dict[str, Tensor] = field(default_factory=dict)

    def look(self, step: int, loss: float, state: dict[str, Tensor]) -> None:
        """Take a measurement into account."""
        if isfinite(loss) and (self.loss is None or loss < self.loss):
            self.step, self.loss, self.waited = step, loss, 0
            self.tensors = {name: value.detach().to("cpu", copy=True) for name, value in state.items()}
        else:
            self.waited += 1


def score(base: Sequence[RowResult], tuned: Sequence[RowResult]) -> Score:
    """What held-out rows say, row by row, of base and tuned."""
    gains = torch.tensor([before.mean - after.mean for before, after in zip(base, tuned, strict=True)], dtype=torch.float64)
    pairs = list(zip(base, tuned, strict=True))
    return Score(
        rows=len(pairs), base=mean_loss(base), tuned=mean_loss(tuned),
        right_base=sum(row.right for row in base), right_tuned=sum(row.right for row in tuned),
        gained=sum(after.right and not before.right for before, after in pairs),
        lost=sum(before.right and not after.right for before, after in pairs),
        better=int((gains > 0).sum()), worse=int((gains < 0).sum()),
        gain=float(gains.mean()), gain_error=float(gains.std()) / sqrt(len(pairs)) if len(pairs) > 1 else 0.0,
    )  # fmt: skip
