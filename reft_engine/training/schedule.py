"""When held-out loss is measured, and on which rows. Imports no torch.

The schedule follows from the spec and the rows alone, never from a clock: a run that is killed and goes on measures at the
same steps, so that it keeps the same edit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

FEWEST, MOST = 12, 24
"""Measurements after step 0, where a run has as many steps."""
SHARE = 0.05
"""Share of the run's forward tokens that measuring may cost."""
MEASURED_AT_ONCE = 16
"""Rows of one forward pass where nothing is learned."""
SAMPLE_TOKENS = 40
"""Tokens of a sample answer at most."""
_ENOUGH_ROWS = 64
"""Rows beyond which more measurements tell more than more rows."""
_MOST_CHOOSING = 500
"""Rows that choose at most: half of the rows that are held out at most."""
_SECONDS = 2.0
"""Seconds of forward passes that measuring may cost in any case, at a rate that this kind of device surely has."""
_FLOPS = {"cpu": 50e9}
_FLOPS_ELSEWHERE = 5e12
_HALVED_FROM = 40
"""Held-out rows from which one half chooses the edit and the other half scores it."""
_DENSE_EARLY = 1.7
"""Exponent of the schedule: steps grow as the power of an even spacing, since most is learned early."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When to measure and on what.

    Attributes:
        steps: after which steps, in order; the last step is among them, step 0 is not (it is always measured).
        choosing: places of the held-out rows that draw the curve and choose the edit.
        scoring: places of those that score the edit that was chosen.
    """

    steps: tuple[int, ...]
    choosing: tuple[int, ...]
    scoring: tuple[int, ...]

    @property
    def apart(self) -> bool:
        """Whether other rows score than those that chose."""
        return not set(self.choosing) & set(self.scoring)


def plan_measuring(held: Sequence[int], run_tokens: int, total_steps: int, parameters: int, device: str, passes: int = 1) -> Schedule:
    """Lay out a run's measurements.

    Args:
        held: tokens of each held-out row.
        run_tokens: tokens of all forward passes that train.
        total_steps: optimiser steps of the run.
        parameters: of the base model.
        device: kind of device, such as ``cpu``.
        passes: forward passes of one measurement: 2 where the base model must be measured anew each time, else 1.
    """
    half = (len(held) + 1) // 2 if len(held) >= _HALVED_FROM else len(held)
    budget = measuring_budget(run_tokens, parameters, device)
    # Step 0 is measured too, and where one pass suffices the base model once.
    wanted = padded(held[: min(half, _ENOUGH_ROWS)]) * passes
    count = min(MOST, max(FEWEST, int(budget // wanted) - 2 if wanted else MOST), total_steps)
    each = budget / (passes * (count + 1) + (passes == 1))
    chosen = max(1, sum(padded(held[:rows]) <= each for rows in range(1, min(half, _MOST_CHOOSING) + 1)))
    scoring = range(half, len(held)) if half < len(held) else range(len(held))
    return Schedule(_steps(total_steps, count), tuple(range(min(chosen, half))), tuple(scoring))


def padded(lengths: Sequence[int]) -> int:
    """Tokens that rows of these lengths cost in batches, in the given order, padding included."""
    batches = [lengths[at : at + MEASURED_AT_ONCE] for at in range(0, len(lengths), MEASURED_AT_ONCE)]
    return sum(len(batch) * max(batch) for batch in batches)


def measuring_budget(run_tokens: int, parameters: int, device: str) -> float:
    """Tokens that measuring a run may cost: a share of the run's, or what surely takes no longer than two seconds if that is more."""
    return max(SHARE * run_tokens, _SECONDS * _FLOPS.get(device, _FLOPS_ELSEWHERE) / (2 * parameters))


def _steps(total: int, count: int) -> tuple[int, ...]:
    """So many different steps, densest early, the last step last."""
    found: list[int] = []
    for index in range(1, count + 1):
        step = round(total * (index / count) ** _DENSE_EARLY)
        # Never so late that too few steps are left for the rest.
        found.append(min(max(step, found[-1] + 1 if found else 1), total - count + index))
    return tuple(found)
