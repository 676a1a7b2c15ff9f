"""The rule of docs/verdict.md on made curves."""

import json
from dataclasses import replace

import pytest

from reft_engine.training.verdict import Evidence, Score, judge, wilson

GOOD = Score(rows=40, base=3.0, tuned=1.0, right_base=0, right_tuned=30, gained=30, lost=0, better=40, worse=0, gain=2.0, gain_error=0.2)
RUN = Evidence(
    score=GOOD, loss_first=3.0, loss_last=0.3, last=1.1, last_base=3.0, best_step=80, best=1.0, kept_step=80, steps=100, chosen_by=40,
    same_rows=False,
)  # fmt: skip
SAME = replace(GOOD, tuned=2.99, right_tuned=0, gained=0, better=22, worse=18, gain=0.01, gain_error=0.05)
WORSE = replace(GOOD, tuned=4.0, right_tuned=0, gained=0, better=3, worse=37, gain=-1.0, gain_error=0.2)
NEVER_LEARNED = {"loss_first": 3.0, "loss_last": 2.9}


def few(rows, **changes):
    return replace(GOOD, rows=rows, right_tuned=0, gained=0, better=rows, worse=0, **changes)


@pytest.mark.parametrize(
    ("evidence", "verdict"),
    [
        (RUN, "learned"),
        (replace(RUN, last=9.6, best_step=6, kept_step=6), "learned"),  # the best edit was kept, whatever came after
        (replace(RUN, score=SAME), "memorised"),
        (replace(RUN, score=WORSE), "memorised"),
        (replace(RUN, score=SAME, **NEVER_LEARNED), "no_change"),
        (replace(RUN, score=WORSE, **NEVER_LEARNED), "worse"),
        (replace(RUN, score=SAME, loss_last=7.0, last=8.0), "diverged"),
        (replace(RUN, score=GOOD, loss_last=7.0, last=8.0), "diverged"),
        (replace(RUN, score=WORSE, loss_last=7.0, last=3.1), "diverged"),
        (replace(RUN, loss_last=None), "diverged"),
        (replace(RUN, score=None, last=None, last_base=None, loss_last=7.0), "diverged"),
        (replace(RUN, score=None, last=None, last_base=None), "too_few"),
        (replace(RUN, score=few(1)), "too_few"),
        (replace(RUN, score=few(4)), "too_few"),
        (replace(RUN, score=few(5)), "learned"),
        (replace(RUN, score=replace(few(9), better=8, worse=1)), "too_few"),
        (replace(RUN, score=replace(few(9), better=8, worse=1, right_tuned=6, gained=6)), "learned"),
        # A loss that is lower beyond chance and by less than two per cent is no change.
        (replace(RUN, score=replace(SAME, tuned=2.97, gain=0.03, gain_error=0.001), **NEVER_LEARNED), "no_change"),
        # Where the mean over tokens and the mean over rows point apart, nothing is sure.
        (replace(RUN, score=replace(SAME, tuned=3.5, better=34, worse=6, gain=0.38, gain_error=0.05), **NEVER_LEARNED), "no_change"),
        # A loss that is no number.
        (replace(RUN, last=float("nan")), "diverged"),
        (replace(RUN, score=replace(GOOD, tuned=float("nan"), gain=float("nan"))), "diverged"),
        # A mean that is lower by chance, because of a few rows, is none either.
        (replace(RUN, score=replace(SAME, tuned=2.5, gain=0.5, gain_error=0.4), **NEVER_LEARNED), "no_change"),
        # Answers count before losses.
        (replace(RUN, score=replace(WORSE, right_tuned=20, gained=20)), "learned"),
        (replace(RUN, score=replace(GOOD, right_base=20, right_tuned=0, gained=0, lost=20), **NEVER_LEARNED), "worse"),
        # Training that got worse while held-out rows did not is no divergence.
        (replace(RUN, loss_last=3.2, last=1.1), "learned"),
        (replace(RUN, score=None, steps=0, loss_first=None, loss_last=None, last=None, last_base=None), "too_few"),
    ],
)
def test_the_verdict(evidence, verdict):
    assert judge(evidence) == verdict


def test_evidence_survives_json():
    no_number = replace(GOOD, tuned=float("nan"))
    for evidence in (RUN, replace(RUN, score=None), replace(RUN, best=float("nan")), replace(RUN, score=no_number, last=float("nan"))):
        values = json.loads(json.dumps(evidence.to_dict(), allow_nan=False))
        assert judge(Evidence.from_dict(values)) == judge(evidence)
    assert Evidence.from_dict({**RUN.to_dict(), "of_a_later_version": 1}) == RUN


@pytest.mark.parametrize(
    ("right", "rows", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634), (81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605)],
)
def test_intervals_are_wilsons(right, rows, low, high):
    """The last two are of R. G. Newcombe, Statistics in Medicine 17 (1998), table I, method 3."""
    assert wilson(right, rows) == pytest.approx((low, high), abs=5e-5)
