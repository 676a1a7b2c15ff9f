"""What the figures of a run say, by a rule written down in docs/verdict.md. Imports no torch.

The rule looks at held-out rows one by one, since a mean of few rows is mostly chance.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

Verdict = Literal["learned", "memorised", "no_change", "worse", "diverged", "too_few"]
FEW = 10
"""Held-out rows below which nothing is said in per cent, and a choice by them is uncertain."""
_FEWEST = 5
"""Held-out rows below which nothing is said at all; up to `FEW` all of them must agree."""
_SURE = 2.0
"""Standard errors that a mean must be away from zero."""
_WORTH = 0.02
"""Share of the base model's loss below which a difference is none."""
_FELL = 0.5
"""Share of the first training loss below which the training rows count as learned."""
_MUCH, _MUCH_NATS = 1.25, 0.25
"""A loss that is higher by this factor and this much is out of bounds."""


@dataclass(frozen=True, slots=True)
class Score:
    """Base and tuned on the held-out rows that score.

    Attributes:
        rows: how many rows score.
        base: mean loss of the base model in nats per answer token (label, pair); ``tuned`` of the edit that was kept.
        right_base: rows that the base model answers exactly right; ``right_tuned`` the tuned one.
        gained: rows that only the tuned model answers right; ``lost`` only the base model.
        better: rows whose loss is lower with the edit; ``worse`` higher.
        gain: mean over rows by how much a row's loss is lower with the edit; ``gain_error`` its standard error.
    """

    rows: int
    base: float
    tuned: float
    right_base: int
    right_tuned: int
    gained: int
    lost: int
    better: int
    worse: int
    gain: float
    gain_error: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a run at its end.

    Attributes:
        score: of the held-out rows; None where none was held out.
        loss_first: training loss of the first step; ``loss_last`` smoothed over the last tenth of the steps.
        last: held-out loss after the last step; ``last_base`` the base model's on the same rows.
        best_step: the step with the least held-out loss; ``best`` that loss.
        kept_step: the step whose edit was kept.
        steps: steps that were made.
        chosen_by: held-out rows that chose the edit; ``same_rows`` whether they are among those that score it.
        kept: whether the best edit was to be kept, or the last one.
    """

    score: Score | None
    loss_first: float | None
    loss_last: float | None
    last: float | None
    last_base: float | None
    best_step: int | None
    best: float | None
    kept_step: int
    steps: int
    chosen_by: int
    same_rows: bool
    kept: Literal["best", "last"] = "best"

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON; None for what is no number."""
        found = asdict(self)
        return {name: finite(value) for name, value in found.items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Evidence":
        """Read what `to_dict` wrote."""
        known = {each.name for each in fields(cls)}
        found = {name: value for name, value in values.items() if name in known}
        return cls(**{**found, "score": Score(**found["score"]) if found["score"] else None})


def finite(value: Any) -> Any:
    """None for what is no number, also inside of a dictionary: JSON has no word for it."""
    if isinstance(value, dict):
        return {name: finite(each) for name, each in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def judge(found: Evidence) -> Verdict:
    """The verdict; the rules in their order stand in docs/verdict.md."""
    if _diverged(found):
        return "diverged"
    direction = _direction(found.score)
    if direction is None:
        return "too_few"
    if direction > 0:
        return "learned"
    if _training_rows_learned(found):
        return "memorised"
    return "worse" if direction < 0 else "no_change"


def _diverged(found: Evidence) -> bool:
    if found.steps and any(value is None or not math.isfinite(value) for value in _numbers(found)):
        return True
    if found.loss_last is None or found.loss_first is None:
        return False
    if found.loss_last <= found.loss_first:
        return False
    if found.last is None or found.last_base is None:
        return _out_of_bounds(found.loss_last, found.loss_first)
    # After the last step, or even the edit that was kept.
    kept = found.score is not None and _out_of_bounds(found.score.tuned, found.score.base)
    return kept or _out_of_bounds(found.last, found.last_base)


def _numbers(found: Evidence) -> list[float | None]:
    """Losses that are numbers unless something went out of all bounds; None stands for what is none, as JSON has no word for it."""
    measured = [] if found.last_base is None else [found.last]
    scored = [] if found.score is None else [found.score.base, found.score.tuned, found.score.gain]
    return [found.loss_first, found.loss_last, *measured, *scored]


def _out_of_bounds(loss: float, before: float) -> bool:
    return loss > max(_MUCH * before, before + _MUCH_NATS)


def _training_rows_learned(found: Evidence) -> bool:
    return found.loss_first is not None and found.loss_last is not None and found.loss_last < _FELL * found.loss_first


def _direction(score: Score | None) -> int | None:
    """1 where the held-out rows are answered better with the edit beyond chance, -1 where worse, 0 where neither; None of too few.

    Answers that became right or wrong count before losses (McNemar's test without correction).
    """
    if score is None or score.rows < _FEWEST:
        return None
    changed = score.gained - score.lost
    if abs(changed) > _SURE * math.sqrt(score.gained + score.lost):
        return 1 if changed > 0 else -1
    agreed = max(score.better, score.worse) == score.rows
    if score.rows < FEW and not agreed:
        return None
    sure = agreed or abs(score.gain) > _SURE * score.gain_error
    fall = score.base - score.tuned
    # The mean over tokens must point where the mean over rows does: a few long rows can turn it.
    if not sure or abs(fall) < _WORTH * score.base or fall * score.gain <= 0:
        return 0
    return 1 if fall > 0 else -1


def wilson(right: int, rows: int) -> tuple[float, float]:
    """The 95 % interval of a share of ``right`` among ``rows``. Source: E. B. Wilson, JASA 22 (1927), equation 2."""
    z = 1.959963984540054
    share, spread = right / rows, z * z / rows
    middle, half = share + spread / 2, z * math.sqrt(share * (1 - share) / rows + spread / (4 * rows))
    return max(0.0, (middle - half) / (1 + spread)), min(1.0, (middle + half) / (1 + spread))
