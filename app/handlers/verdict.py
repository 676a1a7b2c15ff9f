"""The verdict on an ended run in plain words, and next steps. The engine has the rule; see docs/verdict.md."""

import math
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlencode

from app.handlers.bases import STARTER
from app.handlers.looked import level_of, regression_of
from app.words import phrases, say
from reft_engine.training import FEW, Evidence, Regression, Score, Verdict, judge, wilson
from storage import RunRecord, RunStatus

_GARBLED_FROM = 1.0
"""Held-out loss above which answers are often wrong or garbled: the right token has a probability of 37 % at best."""
_SAYS_INTERVAL_TO = 300
"""Maximum number of held-out rows for which a share is given with its interval."""
_ALREADY = 0.8
"""Share of right answers of the base model above which there is little to learn."""
_MOST_EPOCHS = 200
_WIDE = "f7+l7"

Tone = Literal["good", "soft", "bad"]


@dataclass(frozen=True, slots=True)
class Deed:
    """A next step: label and link of its button."""

    label: str
    link: str


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The verdict on an ended run.

    Attributes:
        name: the verdict.
        title: the verdict in two or three words.
        tone: whether it is good news.
        sentences: the meaning of the figures, and their reliability.
        deeds: next steps, the most useful first.
    """

    name: Verdict
    title: str
    tone: Tone
    sentences: tuple[str, ...]
    deeds: tuple[Deed, ...]


_TONES: dict[Verdict, Tone] = {
    "learned": "good", "memorised": "bad", "no_change": "soft", "worse": "bad", "diverged": "bad", "too_few": "soft",
}  # fmt: skip


def verdict_of(run: RunRecord) -> Verdicts | None:
    """The verdict on a run; None if `evidence_of` is."""
    evidence = evidence_of(run)
    if evidence is None:
        return None
    name = judge(evidence)
    title, tone = say(f"verdict.title.{name}"), _TONES[name]
    if name == "learned" and evidence.score and not evidence.score.right_tuned:
        title, tone = say("verdict.title.learned_something"), "soft"
    regression = regression_of(run)
    told = (*sentences(evidence, name), *([_broke(regression)] if regression else []))
    return Verdicts(name, title, tone, told, _deeds(run, evidence, name))


def evidence_of(run: RunRecord) -> Evidence | None:
    """The measurements behind a verdict; None if the run has not ended, has failed, or is of a version that saved none."""
    if run.status not in (RunStatus.FINISHED, RunStatus.STOPPED):
        return None
    values = (run.summary or {}).get("evidence")
    return Evidence.from_dict(values) if isinstance(values, dict) else None


def sentences(evidence: Evidence, name: Verdict) -> tuple[str, ...]:
    """A verdict in sentences: the outcome, right answers, and how reliable the figures are."""
    texts = [_what(evidence, name), _answers(evidence.score, name), _after(evidence), _worth(evidence)]
    return tuple(sentence for sentence in texts if sentence)


def right_of(right: int, rows: int, many: int = _SAYS_INTERVAL_TO) -> str:
    """Right answers of ``rows``: a bare count of few rows, a share with its 95 % interval of more, a share of more than ``many``."""
    if rows < FEW:
        return say("verdict.right.count", right=right, rows=rows)
    if rows > many:
        return say("verdict.right.share", right=right, rows=rows, share=right / rows)
    low, high = wilson(right, rows)
    return say("verdict.right.interval", right=right, rows=rows, share=right / rows, low=low, high=high)


def _what(evidence: Evidence, name: Verdict) -> str:
    score = evidence.score
    if name == "too_few":
        if score is None:
            return say("verdict.what.none_held_out")
        return say("verdict.what.too_few", count=score.rows)
    if name == "diverged":
        first, last = _loss(evidence.loss_first), _loss(evidence.loss_last)
        if evidence.score and not (_is_number(evidence.score.tuned) and _is_number(evidence.last)):
            return say("verdict.what.no_numbers")
        return say("verdict.what.diverged", first=first, last=last)
    assert score is not None
    losses = _losses(score)
    if name == "learned":
        return say("verdict.what.learned", losses=losses)
    if name == "memorised":
        first, last = _loss(evidence.loss_first), _loss(evidence.loss_last)
        worse = score.tuned > score.base
        return say("verdict.what.memorised_worse" if worse else "verdict.what.memorised", first=first, last=last, losses=losses)
    what = say("verdict.what.worse" if name == "worse" else "verdict.what.no_change", losses=losses)
    if score.rows >= FEW and score.right_base >= _ALREADY * score.rows:
        what += f" {say('verdict.what.already', right=score.right_base, rows=score.rows)}"
    return what


def _broke(regression: Regression) -> str:
    """Say how far answers to unrelated prompts moved."""
    level, rows = level_of(regression), regression.prompts
    if level == "no_number":
        return say("verdict.elsewhere.no_number", rows=rows)
    before, after = _loss(regression.base), _loss(regression.tuned)
    same = before == after
    losses = say("verdict.elsewhere.stayed", loss=before) if same else say("verdict.elsewhere.went", before=before, after=after)
    return say(f"verdict.broke.{level}", rows=rows, kl=phrases.figure(regression.kl), losses=losses)


def _losses(score: Score) -> str:
    shape = ".2f" if max(score.base, score.tuned) >= 0.1 else ".2g"
    before, after = format(score.base, shape), format(score.tuned, shape)
    if before == after:
        answers = "more" if score.right_tuned > score.right_base else "fewer" if score.right_tuned < score.right_base else "as_many"
        return say(f"verdict.losses.stayed_{answers}", loss=before)
    return say("verdict.losses.went", before=before, after=after)


def _loss(value: float | None) -> str:
    return say("verdict.losses.no_number") if value is None else f"{value:.2f}"


def _answers(score: Score | None, name: Verdict) -> str:
    if score is None:
        return ""
    text = say(
        "verdict.answers.too_few" if name == "too_few" else "verdict.answers.right",
        right_base=score.right_base, rows=score.rows, tuned=right_of(score.right_tuned, score.rows),
    )  # fmt: skip
    if score.rows >= FEW and not score.right_tuned and _is_number(score.tuned):
        # exp(-loss) is the geometric mean of the chances of the right tokens.
        chance = math.exp(-score.tuned)
        text += f" {say('verdict.answers.garbled' if _garbled(score) else 'verdict.answers.chance', chance=chance)}"
    return text


def _garbled(score: Score | None) -> bool:
    """Whether answers are often wrong or garbled, although they got better."""
    return score is not None and not score.right_tuned and _is_number(score.tuned) and score.tuned >= _GARBLED_FROM


def _is_number(value: float | None) -> bool:
    """Whether a loss is a finite number; JSON holds others as None."""
    return value is not None and math.isfinite(value)


def _after(evidence: Evidence) -> str:
    """Describe the run after its best step, if the held-out loss rose."""
    if evidence.best is None or evidence.last is None or evidence.best_step is None or evidence.best_step >= evidence.steps:
        return ""
    if evidence.last <= evidence.best * 1.02 or f"{evidence.last:.2f}" == f"{evidence.best:.2f}":
        return ""
    return say(
        "verdict.after.best_kept" if evidence.kept_step == evidence.best_step else "verdict.after.last_kept",
        best_step=evidence.best_step, best=evidence.best, last=evidence.last, steps=evidence.steps,
    )  # fmt: skip


def _worth(evidence: Evidence) -> str:
    """Which edit was saved, which rows chose it, and whether other rows score it."""
    if evidence.score is None:
        return ""
    if evidence.kept == "last" or evidence.best_step is None:
        better = evidence.best_step is not None and evidence.best_step != evidence.kept_step
        return say("verdict.worth.last_not_best", step=evidence.best_step or 0) if better else say("verdict.worth.last")
    rows = say("verdict.worth.rows", count=evidence.chosen_by)
    if evidence.kept_step == evidence.steps:
        chosen = say("verdict.worth.last_chosen", rows=rows)
    else:
        chosen = say("verdict.worth.step_chosen", step=evidence.kept_step, steps=evidence.steps, rows=rows)
    unsure = [say("verdict.worth.few")] if evidence.chosen_by < FEW else []
    return " ".join([chosen, *unsure, _scored(evidence, evidence.score)])


def _scored(evidence: Evidence, score: Score) -> str:
    if not evidence.same_rows:
        return say("verdict.scored.others", rows=score.rows)
    if evidence.chosen_by == score.rows:
        return say("verdict.scored.same")
    return say("verdict.scored.among", rows=score.rows)


# What to do


def _deeds(run: RunRecord, evidence: Evidence, name: Verdict) -> tuple[Deed, ...]:
    makers = {
        "learned": [*([_fewer_epochs] if _after(evidence) else []), *([_another_base] if _garbled(evidence.score) else [])],
        "memorised": [_fewer_epochs, _more_rows],
        "no_change": [_more_epochs, _other_positions, _another_base],
        "worse": [_lower_rate, _another_base],
        "diverged": [_lower_rate],
        "too_few": [_hold_out_more, _more_rows],
    }[name]
    return tuple(deed for make in makers if (deed := make(run, evidence)))


def again(run: RunRecord, **changes: Any) -> str:
    """Address of the Train page with the settings of this run and some changes."""
    return f"train?{urlencode({'run': run.id, **changes})}"


def _fewer_epochs(run: RunRecord, evidence: Evidence) -> Deed | None:
    epochs = run.spec["train"]["epochs"]
    if not evidence.best_step or not run.total_steps:
        return None
    fewer = max(1, math.ceil(evidence.best_step * epochs / run.total_steps))
    return Deed(say("verdict.deed.epochs", count=fewer, epochs=epochs), again(run, epochs=fewer)) if fewer < epochs else None


def _more_epochs(run: RunRecord, evidence: Evidence) -> Deed | None:
    epochs = run.spec["train"]["epochs"]
    more = min(_MOST_EPOCHS, 3 * epochs)
    return Deed(say("verdict.deed.epochs", count=more, epochs=epochs), again(run, epochs=more)) if more > epochs else None


def _other_positions(run: RunRecord, evidence: Evidence) -> Deed | None:
    if "reft" not in run.spec:  # a baseline, which has no positions
        return None
    here = run.spec["reft"]["positions"]
    positions = "all" if here == _WIDE else _WIDE
    label = say("verdict.deed.every_token" if positions == "all" else "verdict.deed.first_and_last")
    return None if here == "all" else Deed(label, again(run, positions=positions))


def _lower_rate(run: RunRecord, evidence: Evidence) -> Deed | None:
    rate = float(f"{run.spec['train']['learning_rate'] / 3:.2g}")
    return Deed(say("verdict.deed.lower_rate", rate=rate), again(run, learning_rate=rate))


def _another_base(run: RunRecord, evidence: Evidence) -> Deed | None:
    return Deed(say("verdict.deed.larger_base" if run.base == STARTER else "verdict.deed.another_base"), again(run, choose="base"))


def _more_rows(run: RunRecord, evidence: Evidence) -> Deed | None:
    return Deed(say("verdict.deed.more_rows"), "data")


def _hold_out_more(run: RunRecord, evidence: Evidence) -> Deed | None:
    """Only if enough training rows remain."""
    rows = int((run.summary or {}).get("rows") or 0)
    if rows < 4 * FEW:
        return None
    share = math.ceil(100 * FEW / rows) / 100
    if share <= run.spec["train"]["held_out"]:
        return None
    return Deed(say("verdict.deed.hold_out", rows=math.ceil(share * rows)), again(run, held_out=share))
