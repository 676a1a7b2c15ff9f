"""Where the prompts of a batch stand, and which of their tokens an edit changes.

Legend: B rows, T tokens (padded).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from reft_engine.positions import EditedTokens


@dataclass(frozen=True, slots=True)
class Prompts:
    """Where the prompts of a batch of ``batch`` rows of ``width`` columns stand, and which of their tokens are edited.

    ``starts``: of each prompt the row and the column of its first token (below 0 where a pass before this one has read it);
    ``edited``: of each prompt the edited tokens, counted from its first.
    """

    starts: Sequence[tuple[int, int]]
    edited: Sequence[EditedTokens]
    batch: int
    width: int


@dataclass(frozen=True, slots=True)
class EditPlan:
    """Which tokens of one batch a `ReftModel` edits.

    Per group, ``rows`` and ``columns`` (N,) of its tokens; ``batch`` and ``width`` are B and T; ``begin`` is the first
    of their columns (the width if there is none), ``end`` the first behind all of them; ``shifted`` says whether some row
    begins with padding.
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
        """Whether no token at all is edited."""
        return self.end == 0

    def tokens(self, batch: int, width: int, past: int = 0) -> tuple[Tensor, ...]:
        """Flat indices into (batch*width,), per group, in a pass that reads ``width`` columns after ``past`` earlier ones.

        A batch that is a multiple of the planned one holds each row so many times (beams, several samples).
        """
        if past >= self.end:
            return ()
        found = []
        for rows, columns in zip(self.rows, self.columns, strict=True):
            columns = columns - past
            if past or width < self.width:
                inside = (columns >= 0) & (columns < width)
                rows, columns = rows[inside], columns[inside]
            if times := batch // self.batch - 1:
                copies = torch.arange(times + 1, device=rows.device)
                rows = (rows.unsqueeze(1) * (times + 1) + copies).flatten()
                columns = columns.repeat_interleave(times + 1)
            found.append(rows * width + columns)
        return tuple(found)


class PlannedTokens:
    """The flat indices of a plan, worked out once per forward pass for all its layers."""

    def __init__(self, plan: EditPlan) -> None:
        self._plan, self._pass, self._found = plan, (-1, -1, -1), tuple[Tensor, ...]()

    def __call__(self, batch: int, width: int, past: int) -> tuple[Tensor, ...]:
        """As `EditPlan.tokens`."""
        if (batch, width, past) != self._pass:
            self._found, self._pass = self._plan.tokens(batch, width, past), (batch, width, past)
        return self._found
