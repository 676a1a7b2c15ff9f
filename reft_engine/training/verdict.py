"""The verdict on a run's figures, by the rule in docs/verdict.md. Imports no torch.

The rule compares held-out rows one by one, since the mean of a few rows is mostly chance.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

Verdict = Literal["learned", "memorised", "no_change", "worse", "diverged", "too_few"]
FEW = 10
"""Below this number of held-out rows no percentages are given, and choosing an edit by them is uncertain."""
_MIN_ROWS = 5
"""Below this number of held-out rows there is no verdict; below `FEW` all of them must agree."""
_STANDARD_ERRORS = 2.0
"""A mean must differ from zero by this number of standard errors."""
_MIN_CHANGE = 0.02
"""A smaller change of the loss, as a share of the base model's, counts as none."""
_LEARNED_SHARE = 0.5
"""The training rows count as learned when the loss falls below this share of the first loss."""
_DIVERGED_FACTOR, _DIVERGED_NATS = 1.25, 0.25
"""A loss that is higher by this factor and by this difference is out of bounds."""


@dataclass(frozen=True, slots=True)
class Score:
    """Base and tuned model on the held-out rows that score.

    Attributes:
        rows: number of rows.
        base: mean loss of the base model in nats per answer token (label, pair).
        tuned: mean loss of the saved edit, in the same unit.
        right_base: rows that the base model answers exactly right.
        right_tuned: rows that the tuned model answers exactly right.
        gained: rows that only the tuned model answers right.
        lost: rows that only the base model answers right.
        better: rows whose loss is lower with the edit.
        worse: rows whose loss is higher with the edit.
        gain: mean decrease of a row's loss with the edit.
        gain_error: standard error of ``gain``.
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
    """The figures of a finished run that its verdict is based on.

    Attributes:
        score: score on the held-out rows; None without held-out rows.
        loss_first: training loss of the first step.
        loss_last: training loss, smoothed over the last tenth of the steps.
        last: held-out loss after the last step.
        last_base: the base model's loss on the same rows.
        best_step: the step with the lowest held-out loss.
        best: held-out loss at ``best_step``.
        kept_step: the step whose edit was saved.
        steps: number of steps made.
        chosen_by: number of held-out rows that chose the edit.
        same_rows: whether the rows that chose the edit also score it.
        kept: whether the run saves its best or its last edit.
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
        """The figures as plain data for JSON; None for values that are not finite."""
        return {name: finite(value) for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Evidence":
        """Rebuild the figures that `to_dict` wrote; unknown names are ignored."""
        names = {field.name for field in fields(cls)}
        figures = {name: value for name, value in values.items() if name in names}
        return cls(**{**figures, "score": Score(**figures["score"]) if figures["score"] else None})


def finite(value: Any) -> Any:
    """Replace NaN and infinity by None, in dictionaries too, since JSON cannot represent them."""
    if isinstance(value, dict):
        return {name: finite(item) for name, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def judge(evidence: Evidence) -> Verdict:
    """Give the verdict; docs/verdict.md lists the rules in this order."""
    if _diverged(evidence):
        return "diverged"
    direction = _direction(evidence.score)
    if direction is None:
        return "too_few"
    if direction > 0:
        return "learned"
    if _training_rows_learned(evidence):
        return "memorised"
    return "worse" if direction < 0 else "no_change"


def _diverged(evidence: Evidence) -> bool:
    if evidence.steps and any(loss is None or not math.isfinite(loss) for loss in _losses(evidence)):
        return True
    if evidence.loss_last is None or evidence.loss_first is None:
        return False
    if evidence.loss_last <= evidence.loss_first:
        return False
    if evidence.last is None or evidence.last_base is None:
        return _out_of_bounds(evidence.loss_last, evidence.loss_first)
    saved_edit_diverged = evidence.score is not None and _out_of_bounds(evidence.score.tuned, evidence.score.base)
    return saved_edit_diverged or _out_of_bounds(evidence.last, evidence.last_base)


def _losses(evidence: Evidence) -> list[float | None]:
    """Losses that are finite unless the run diverged; None stands for NaN and infinity, which JSON cannot represent."""
    measured = [] if evidence.last_base is None else [evidence.last]
    scored = [] if evidence.score is None else [evidence.score.base, evidence.score.tuned, evidence.score.gain]
    return [evidence.loss_first, evidence.loss_last, *measured, *scored]


def _out_of_bounds(loss: float, reference: float) -> bool:
    return loss > max(_DIVERGED_FACTOR * reference, reference + _DIVERGED_NATS)


def _training_rows_learned(evidence: Evidence) -> bool:
    if evidence.loss_first is None or evidence.loss_last is None:
        return False
    return evidence.loss_last < _LEARNED_SHARE * evidence.loss_first


def _direction(score: Score | None) -> int | None:
    """Effect of the edit on the held-out rows: 1 better and -1 worse, both beyond chance, 0 neither, None with too few rows.

    Answers that became right or wrong count before losses (McNemar's test without correction).
    """
    if score is None or score.rows < _MIN_ROWS:
        return None
    # 1) Right answers.
    net_gained = score.gained - score.lost
    if abs(net_gained) > _STANDARD_ERRORS * math.sqrt(score.gained + score.lost):
        return 1 if net_gained > 0 else -1
    # 2) Losses.
    unanimous = max(score.better, score.worse) == score.rows
    if score.rows < FEW and not unanimous:
        return None
    significant = unanimous or abs(score.gain) > _STANDARD_ERRORS * score.gain_error
    decrease = score.base - score.tuned
    # The mean over tokens must have the sign of the mean over rows: a few long rows can reverse it.
    if not significant or abs(decrease) < _MIN_CHANGE * score.base or decrease * score.gain <= 0:
        return 0
    return 1 if decrease > 0 else -1


def wilson(right: int, rows: int) -> tuple[float, float]:
    """The 95 % confidence interval of the share of ``right`` among ``rows``. Source: E. B. Wilson, JASA 22 (1927), equation 2."""
    z = 1.959963984540054
    share, spread = right / rows, z * z / rows
    middle, half = share + spread / 2, z * math.sqrt(share * (1 - share) / rows + spread / (4 * rows))
    return max(0.0, (middle - half) / (1 + spread)), min(1.0, (middle + half) / (1 + spread))
