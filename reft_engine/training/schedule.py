"""The schedule of held-out measurements: at which steps, and on which rows. Imports no torch.

It depends on the spec and the rows only, never on time: a run that is killed and resumed measures at the same steps, and so
keeps the same edit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

MIN_MEASUREMENTS, MAX_MEASUREMENTS = 12, 24
"""Measurements after step 0; a run with fewer steps has one at each step."""
SHARE = 0.05
"""Tokens that measuring may cost, as a share of the tokens of the run's forward passes."""
MEASURED_AT_ONCE = 16
"""Rows in one forward pass of a measurement."""
SAMPLE_ROWS = 5
"""Held-out rows that are answered at each measurement, the first ones."""
SAMPLE_TOKENS = 40
"""Maximum tokens of a sample answer."""
_ENOUGH_ROWS = 64
"""Above this number of rows, more measurements are worth more than more rows."""
_MAX_CHOOSING = 500
"""Maximum number of rows that choose the edit; half of the maximum number of held-out rows."""
_SECONDS = 2.0
"""Seconds of forward passes that measuring may always cost, at a speed that any device of this kind reaches."""
_FLOPS = {"cpu": 50e9}
_FLOPS_ELSEWHERE = 5e12
_HALVED_FROM = 40
"""From this number of held-out rows on, one half chooses the edit and the other half scores it."""
_SPACING_EXPONENT = 1.7
"""Steps are an even spacing raised to this power: denser early, since most is learned early."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """The steps and rows of a run's measurements.

    Attributes:
        steps: the steps to measure after, in order, the last step included; step 0 is always measured and not listed.
        choosing: indices of the held-out rows that draw the curve and choose the edit.
        scoring: indices of the held-out rows that score the chosen edit.
    """

    steps: tuple[int, ...]
    choosing: tuple[int, ...]
    scoring: tuple[int, ...]

    @property
    def apart(self) -> bool:
        """Whether the rows that score and the rows that choose are disjoint."""
        return not set(self.choosing) & set(self.scoring)


def plan_measuring(held: Sequence[int], run_tokens: int, total_steps: int, parameters: int, device: str, passes: int = 1) -> Schedule:
    """Plan a run's measurements.

    Args:
        held: tokens of each held-out row.
        run_tokens: tokens of all forward passes in training.
        total_steps: optimizer steps of the run.
        parameters: number of parameters of the base model.
        device: type of device, such as ``cpu``.
        passes: forward passes of one measurement: 2 where the base model must be measured again each time, else 1.
    """
    half = (len(held) + 1) // 2 if len(held) >= _HALVED_FROM else len(held)
    budget = measuring_budget(run_tokens, parameters, device)
    # 1) As many measurements as the budget allows, less that at step 0 and the base model's own where it is measured once.
    tokens = padded(held[: min(half, _ENOUGH_ROWS)]) * passes
    affordable = int(budget // tokens) - 2 if tokens else MAX_MEASUREMENTS
    count = min(MAX_MEASUREMENTS, max(MIN_MEASUREMENTS, affordable), total_steps)
    # 2) As many rows as the budget of one forward pass allows.
    pass_budget = budget / (passes * (count + 1) + (passes == 1))
    rows = max(1, sum(padded(held[:size]) <= pass_budget for size in range(1, min(half, _MAX_CHOOSING) + 1)))
    scoring = range(half, len(held)) if half < len(held) else range(len(held))
    return Schedule(_measuring_steps(total_steps, count), tuple(range(min(rows, half))), tuple(scoring))


def padded(lengths: Sequence[int]) -> int:
    """Tokens of rows of these lengths in batches of `MEASURED_AT_ONCE`, in the given order, padding included."""
    batches = [lengths[at : at + MEASURED_AT_ONCE] for at in range(0, len(lengths), MEASURED_AT_ONCE)]
    return sum(len(batch) * max(batch) for batch in batches)


def measuring_budget(run_tokens: int, parameters: int, device: str) -> float:
    """Tokens that measuring a run may cost: `SHARE` of the run's tokens, or the tokens of two seconds if that is more."""
    return max(SHARE * run_tokens, _SECONDS * _FLOPS.get(device, _FLOPS_ELSEWHERE) / (2 * parameters))


def _measuring_steps(total: int, count: int) -> tuple[int, ...]:
    """``count`` different steps up to ``total``, denser early; the last one is ``total``."""
    steps: list[int] = []
    for index in range(1, count + 1):
        step = round(total * (index / count) ** _SPACING_EXPONENT)
        # Early enough to leave a step for each of the remaining measurements.
        steps.append(min(max(step, steps[-1] + 1 if steps else 1), total - count + index))
    return tuple(steps)
