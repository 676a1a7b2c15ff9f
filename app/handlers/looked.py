"""What was measured of a finished edit besides its verdict: whether it broke anything, and what it changes; see docs/verdict.md."""

from typing import Literal

from reft_engine.training import Changes, Regression
from storage import RunRecord, RunStatus

_SAME_TO, _LITTLE_TO = 0.02, 0.125
"""Mean divergence in nats up to which answers stayed nearly the same, and up to which they moved a little.

By Pinsker's inequality at most sqrt(KL / 2) of the probability sits on other tokens, on average: a tenth, and a quarter."""

Level = Literal["same", "little", "lot", "no_number"]


def level_of(regression: Regression) -> Level:
    """How far answers to unrelated prompts moved."""
    if regression.kl is None:
        return "no_number"
    if regression.kl <= _SAME_TO:
        return "same"
    return "little" if regression.kl <= _LITTLE_TO else "lot"


def regression_of(run: RunRecord) -> Regression | None:
    """What a run does to unrelated prompts; None if that was not measured, as for a run that goes on, was stopped, or classifies."""
    values = _measured(run).get("regression")
    return Regression.from_dict(values) if isinstance(values, dict) else None


def changes_of(run: RunRecord) -> Changes | None:
    """What a run's edit changes; None if that was not measured, as for a baseline."""
    values = _measured(run).get("changes")
    return Changes.from_dict(values) if isinstance(values, dict) else None


def _measured(run: RunRecord) -> dict[str, object]:
    """The summary of a finished run."""
    return (run.summary or {}) if run.status is RunStatus.FINISHED else {}
