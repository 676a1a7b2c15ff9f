"""Where prompts begin and end in a padded batch, and so which of its tokens an edit changes; the rule itself is in `positions`.

Legend: B rows, T tokens (padded).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from reft_engine.positions import EditedTokens


@dataclass(frozen=True, slots=True)
class Prompts:
    """The places and edited tokens of the prompts in a batch of ``batch`` rows and ``width`` columns.

    ``starts``: row and column of each prompt's first token (the column is below 0 if an earlier pass has computed it);
    ``edited``: edited tokens of each prompt, counted from its first.
    """

    starts: Sequence[tuple[int, int]]
    edited: Sequence[EditedTokens]
    batch: int
    width: int


@dataclass(frozen=True, slots=True)
class EditPlan:
    """The tokens of one batch that a `ReftModel` edits.

    ``rows`` and ``columns`` hold one tensor (N,) per group; ``batch`` and ``width`` are B and T; ``begin`` is the first edited
    column (the width if there is none), ``end`` the column after the last; ``shifted`` says whether some row begins with padding.
    """

    rows: tuple[Tensor, ...]
    columns: tuple[Tensor, ...]
    batch: int
    width: int
    begin: int
    end: int
    shifted: bool

    @property
    def empty(self) -> bool:
        """Whether no token is edited."""
        return self.end == 0

    def tokens(self, batch: int, width: int, past: int = 0) -> tuple[Tensor, ...]:
        """Flat indices into (batch*width,), per group, for a pass over ``width`` columns after ``past`` cached ones.

        A batch may be a multiple of the planned one: then it repeats each row (beams, several samples).
        """
        if past >= self.end:
            return ()
        indices = []
        for rows, columns in zip(self.rows, self.columns, strict=True):
            columns = columns - past
            if past or width < self.width:
                inside = (columns >= 0) & (columns < width)
                rows, columns = rows[inside], columns[inside]
            if times := batch // self.batch - 1:
                copies = torch.arange(times + 1, device=rows.device)
                rows = (rows.unsqueeze(1) * (times + 1) + copies).flatten()
                columns = columns.repeat_interleave(times + 1)
            indices.append(rows * width + columns)
        return tuple(indices)


class PlannedTokens:
    """The flat indices of a plan, computed once per forward pass for all layers."""

    def __init__(self, plan: EditPlan) -> None:
        self._plan, self._shape, self._indices = plan, (-1, -1, -1), tuple[Tensor, ...]()

    def __call__(self, batch: int, width: int, past: int) -> tuple[Tensor, ...]:
        """As `EditPlan.tokens`."""
        if (batch, width, past) != self._shape:
            self._indices, self._shape = self._plan.tokens(batch, width, past), (batch, width, past)
        return self._indices
