"""What an ended run's figures say, in plain words, and what to do about it. The rule is the engine's; see docs/verdict.md."""

import math
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlencode

from app.handlers.bases import STARTER
from reft_engine.data import counted
from reft_engine.training import FEW, Evidence, Score, Verdict, judge, wilson
from storage import RunRecord, RunStatus

_GARBLED_FROM = 1.0
"""Held-out loss from which answers are often wrong or garbled: the right token has a chance of 37 % at best."""
_SAYS_INTERVAL_TO = 300
"""Held-out rows up to which a share is said with its interval."""
_ALREADY = 0.8
"""Share of right answers of the base model from which there is little to learn."""
_MOST_EPOCHS = 200
_WIDE = "f7+l7"

Tone = Literal["good", "soft", "bad"]


@dataclass(frozen=True, slots=True)
class Deed:
    """Something to do next: what its button is called, and where it leads."""

    label: str
    link: str


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What is said of a run that ended.

    Attributes:
        name: the verdict.
        title: the verdict in two or three words.
        tone: whether that is good news.
        sentences: what the figures say, and what they are worth.
        deeds: what to do, the most useful first.
    """

    name: Verdict
    title: str
    tone: Tone
    sentences: tuple[str, ...]
    deeds: tuple[Deed, ...]


_TITLES: dict[Verdict, tuple[str, Tone]] = {
    "learned": ("It learned", "good"),
    "memorised": ("It memorised its rows", "bad"),
    "no_change": ("Nothing changed", "soft"),
    "worse": ("Worse than before", "bad"),
    "diverged": ("Training went out of bounds", "bad"),
    "too_few": ("Too few rows to say", "soft"),
}


def verdict_of(run: RunRecord) -> Verdicts | None:
    """What is said of a run; None while it goes on, and of runs of a version that kept no evidence."""
    evidence = evidence_of(run)
    if evidence is None:
        return None
    name = judge(evidence)
    title, tone = _TITLES[name]
    if name == "learned" and evidence.score and not evidence.score.right_tuned:
        title, tone = "It learned something", "soft"
    return Verdicts(name, title, tone, sentences(evidence, name), _deeds(run, evidence, name))


def evidence_of(run: RunRecord) -> Evidence | None:
    """What the verdict of a run with a result looks at; None while it goes on, where it failed, and of a version that kept none."""
    if run.status not in (RunStatus.FINISHED, RunStatus.STOPPED):
        return None
    kept = (run.summary or {}).get("evidence")
    return Evidence.from_dict(kept) if isinstance(kept, dict) else None


def sentences(evidence: Evidence, name: Verdict) -> tuple[str, ...]:
    """A verdict in sentences: what happened, right and wrong answers, and what the figures are worth."""
    found = [_what(evidence, name), _answers(evidence.score, name), _after(evidence), _worth(evidence)]
    return tuple(sentence for sentence in found if sentence)


def right_of(right: int, rows: int) -> str:
    """Right answers of so many rows: a bare count of few rows, a share with its 95 % interval of more, a share of many."""
    if rows < FEW:
        return f"{right} of {rows}"
    share = f"{right:,} of {rows:,} ({right / rows:.0%}"
    if rows > _SAYS_INTERVAL_TO:
        return f"{share})"
    low, high = wilson(right, rows)
    return f"{share}; likely between {low:.0%} and {high:.0%})"


def _what(found: Evidence, name: Verdict) -> str:
    score = found.score
    if name == "too_few":
        if score is None:
            return "No row was held out, so nobody can say whether this run learned or only memorised."
        rows = "One held-out row is" if score.rows == 1 else f"{score.rows} held-out rows are"
        return f"{rows} too few to say whether this run learned anything that holds for new prompts."
    if name == "diverged":
        first, last = _loss(found.loss_first), _loss(found.loss_last)
        if found.score and not (_is_number(found.score.tuned) and _is_number(found.last)):
            return "The losses are no longer numbers, so the later steps did harm."
        return f"The training loss rose from {first} to {last} instead of falling, so the later steps did harm."
    assert score is not None
    losses = _losses(score)
    if name == "learned":
        return f"Answers to prompts that it never saw got better: {losses}."
    if name == "memorised":
        return (
            f"It learned its training rows by heart (their loss went from {_loss(found.loss_first)} to {_loss(found.loss_last)}), "
            f"but answers to prompts that it never saw {'got worse' if score.tuned > score.base else 'did not get better'}: {losses}."
        )
    already = f" The base model answers {score.right_base:,} of {score.rows:,} right without any edit, so there is little to learn."
    already = already if score.rows >= FEW and score.right_base >= _ALREADY * score.rows else ""
    if name == "worse":
        return f"Answers to prompts that it never saw got worse: {losses}.{already}"
    return f"Answers to prompts that it never saw are about as before: {losses}.{already}"


def _losses(score: Score) -> str:
    shape = ".2f" if max(score.base, score.tuned) >= 0.1 else ".2g"
    before, after = format(score.base, shape), format(score.tuned, shape)
    if before == after:
        answers = "more" if score.right_tuned > score.right_base else "fewer" if score.right_tuned < score.right_base else "as many"
        return f"the loss on held-out rows stayed at {before}, and {answers} answers are exactly right"
    return f"the loss on held-out rows went from {before} (base model) to {after} (tuned)"


def _loss(value: float | None) -> str:
    return "no number" if value is None else f"{value:.2f}"


def _answers(score: Score | None, name: Verdict) -> str:
    if score is None:
        return ""
    tail = ": too few to say" if name == "too_few" else ""
    said = f"Exactly right on held-out rows: base model {score.right_base:,} of {score.rows:,}, "
    said += f"tuned {right_of(score.right_tuned, score.rows)}{tail}."
    if score.rows >= FEW and not score.right_tuned and _is_number(score.tuned):
        # exp(-loss) is the geometric mean of the chances of the right tokens.
        said += f" The right next piece of an answer has a chance of {math.exp(-score.tuned):.0%} on average"
        said += ": new answers will often be wrong or garbled." if _garbled(score) else "."
    return said


def _garbled(score: Score | None) -> bool:
    """Whether answers are often wrong or garbled, although they got better."""
    return score is not None and not score.right_tuned and _is_number(score.tuned) and score.tuned >= _GARBLED_FROM


def _is_number(value: float | None) -> bool:
    """Whether a loss is one; what was none comes back from JSON as None."""
    return value is not None and math.isfinite(value)


def _after(found: Evidence) -> str:
    """What became of the run after its best step."""
    if found.best is None or found.last is None or found.best_step is None or found.best_step >= found.steps:
        return ""
    if found.last <= found.best * 1.02 or f"{found.last:.2f}" == f"{found.best:.2f}":
        return ""
    rose = f"After step {found.best_step:,} the held-out loss rose from {found.best:.2f} to {found.last:.2f} at step {found.steps:,}"
    return f"{rose}, so that edit was kept." if found.kept_step == found.best_step else f"{rose}; the last edit was kept, as was asked for."


def _worth(found: Evidence) -> str:
    """Which edit was kept, by whom it was chosen, and whether others scored it."""
    if found.score is None:
        return ""
    if found.kept == "last" or found.best_step is None:
        better = found.best_step is not None and found.best_step != found.kept_step
        return f"The edit is the last one, not the best one (step {found.best_step:,})." if better else "The edit is the last one."
    last = "the last one" if found.kept_step == found.steps else f"kept from step {found.kept_step:,} of {found.steps:,}"
    sure = " That is few, so the choice is uncertain." if found.chosen_by < FEW else ""
    return f"The edit is {last}, chosen by {counted(found.chosen_by)}.{sure} {_scored(found, found.score)}"


def _scored(found: Evidence, score: Score) -> str:
    if not found.same_rows:
        return f"{score.rows:,} other rows score it."
    if found.chosen_by == score.rows:
        return "The same rows chose and score it, which flatters it a little."
    return f"They are among the {score.rows:,} that score it, which flatters it a little."


# What to do


def _deeds(run: RunRecord, found: Evidence, name: Verdict) -> tuple[Deed, ...]:
    wanted = {
        "learned": [*([_fewer_epochs] if _after(found) else []), *([_another_base] if _garbled(found.score) else [])],
        "memorised": [_fewer_epochs, _more_rows],
        "no_change": [_more_epochs, _other_positions, _another_base],
        "worse": [_lower_rate, _another_base],
        "diverged": [_lower_rate],
        "too_few": [_hold_out_more, _more_rows],
    }[name]
    return tuple(deed for make in wanted if (deed := make(run, found)))


def again(run: RunRecord, **changes: Any) -> str:
    """The address of the Train page, filled in as for this run but for the changes."""
    return f"train?{urlencode({'run': run.id, **changes})}"


def _fewer_epochs(run: RunRecord, found: Evidence) -> Deed | None:
    epochs = run.spec["train"]["epochs"]
    if not found.best_step or not run.total_steps:
        return None
    fewer = max(1, math.ceil(found.best_step * epochs / run.total_steps))
    return Deed(f"Train for {counted(fewer, 'epoch')} instead of {epochs:,}", again(run, epochs=fewer)) if fewer < epochs else None


def _more_epochs(run: RunRecord, found: Evidence) -> Deed | None:
    epochs = run.spec["train"]["epochs"]
    more = min(_MOST_EPOCHS, 3 * epochs)
    return Deed(f"Train for {counted(more, 'epoch')} instead of {epochs:,}", again(run, epochs=more)) if more > epochs else None


def _other_positions(run: RunRecord, found: Evidence) -> Deed | None:
    if "reft" not in run.spec:  # a baseline, which has no positions
        return None
    here = run.spec["reft"]["positions"]
    wanted = "all" if here == _WIDE else _WIDE
    words = "every token of the prompt" if wanted == "all" else "its first and last seven tokens"
    return None if here == "all" else Deed(f"Edit {words}", again(run, positions=wanted))


def _lower_rate(run: RunRecord, found: Evidence) -> Deed | None:
    rate = float(f"{run.spec['train']['learning_rate'] / 3:.2g}")
    return Deed(f"Train with a third of the learning rate ({rate:g})", again(run, learning_rate=rate))


def _another_base(run: RunRecord, found: Evidence) -> Deed | None:
    return Deed("Choose a larger base model" if run.base == STARTER else "Choose another base model", again(run, choose="base"))


def _more_rows(run: RunRecord, found: Evidence) -> Deed | None:
    return Deed("Add rows on the Data page", "data")


def _hold_out_more(run: RunRecord, found: Evidence) -> Deed | None:
    """Only where enough rows are left to learn from."""
    rows = int((run.summary or {}).get("rows") or 0)
    if rows < 4 * FEW:
        return None
    share = math.ceil(100 * FEW / rows) / 100
    return Deed(f"Hold out {math.ceil(share * rows)} rows", again(run, held_out=share)) if share > run.spec["train"]["held_out"] else None
