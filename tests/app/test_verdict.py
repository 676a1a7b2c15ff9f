"""What a run's figures are said to mean, and what is offered to be done."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from urllib.parse import parse_qs, urlsplit

import pytest

from app.handlers.train import TrainForm, again
from app.handlers.verdict import right_of, sentences, verdict_of
from app.pages.runs_html import verdict
from benchmarks.verdicts import MADE_RUNS
from reft_engine import ReftConfig, generate, load_base, train
from reft_engine.data import as_rows
from reft_engine.spec import RunSpec
from reft_engine.training.verdict import FEW, Evidence, Score, judge
from storage import RunRecord, RunStatus

SCORE = Score(rows=40, base=3.0, tuned=1.0, right_base=0, right_tuned=30, gained=30, lost=0, better=40, worse=0, gain=2.0, gain_error=0.2)
RUN = Evidence(
    score=SCORE, loss_first=3.0, loss_last=0.3, last=1.0, last_base=3.0, best_step=100, best=1.0, kept_step=100, steps=100, chosen_by=40,
    same_rows=False,
)  # fmt: skip
FEW_ROWS = replace(RUN, score=replace(SCORE, rows=1, right_tuned=1, gained=1, better=1), chosen_by=1, same_rows=True)
OVERFITTED = replace(RUN, last=9.6, best_step=20, kept_step=20)
MEMORISED = replace(OVERFITTED, score=replace(SCORE, tuned=3.0, right_tuned=0, gained=0, better=20, worse=20, gain=0.0))
NOTHING = replace(MEMORISED, loss_last=2.9, last=3.0, best_step=100, kept_step=100)
WORSE = replace(NOTHING, score=replace(SCORE, tuned=5.0, right_tuned=0, gained=0, better=0, worse=40, gain=-2.0))
DIVERGED = replace(WORSE, loss_last=8.0, last=9.0)


def run_with(evidence, status=RunStatus.FINISHED, positions="f7+l7", base="starter", rows=90):
    spec = RunSpec(base=base).model_dump(mode="json")
    spec["train"]["epochs"] = 10
    spec["reft"]["positions"] = positions
    return RunRecord(
        id="a", name="kind-owl", dataset_id="b", dataset_name="rows", version_id="c", version_number=1, group_id=None, base=base, spec=spec,
        status=status, sentence="", failure=None,
        step=100, total_steps=100, epoch=10.0, seconds_left=None, summary={"rows": rows, "evidence": evidence.to_dict()}, phase=None,
        worker_exits=0, created_at=datetime.now(UTC), started_at=None, finished_at=None, binned_at=None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("right", "rows", "words"),
    [
        (1, 1, "1 of 1"), (4, 9, "4 of 9"), (5, 10, "5 of 10 (50%; likely between 24% and 76%)"),
        (300, 300, "300 of 300 (100%; likely between 99% and 100%)"), (600, 1000, "600 of 1,000 (60%)"),
    ],
)  # fmt: skip
def test_few_rows_are_counted_more_have_an_interval_many_a_share(right, rows, words):
    assert right_of(right, rows) == words


NINE_ROWS = replace(FEW_ROWS, score=replace(FEW_ROWS.score, rows=9, right_tuned=9, gained=9, better=9))


@pytest.mark.parametrize("evidence", [FEW_ROWS, NINE_ROWS])
def test_no_percentage_is_said_of_fewer_than_ten_rows(evidence):
    words = " ".join(sentences(evidence, judge(evidence)))
    assert "%" not in words and f"tuned {evidence.score.rows} of {evidence.score.rows}" in words
    assert ("too few to say" in words) is (judge(evidence) == "too_few")


@pytest.mark.parametrize("chosen_by", [1, 9, 10])
def test_a_choice_by_few_rows_is_called_uncertain(chosen_by):
    words = " ".join(sentences(replace(RUN, chosen_by=chosen_by), "learned"))
    assert f"chosen by {chosen_by} row{'' if chosen_by == 1 else 's'}." in words
    assert ("the choice is uncertain" in words) is (chosen_by < FEW)


def test_it_is_said_whether_the_same_rows_chose_and_score():
    assert "The same rows chose and score it" in " ".join(sentences(replace(RUN, same_rows=True), "learned"))
    assert "They are among the 40 that score it" in " ".join(sentences(replace(RUN, same_rows=True, chosen_by=12), "learned"))
    assert "chosen by" not in " ".join(sentences(replace(RUN, kept="last"), "learned"))
    assert "40 other rows score it" in " ".join(sentences(RUN, "learned"))


def test_what_came_after_the_best_step_is_said():
    words = " ".join(sentences(OVERFITTED, "learned"))
    assert "After step 20 the held-out loss rose from 1.00 to 9.60 at step 100, so that edit was kept." in words
    assert "kept from step 20 of 100" in words
    last = " ".join(sentences(replace(OVERFITTED, kept_step=100, kept="last"), "learned"))
    assert "the last edit was kept, as was asked for" in last and "not the best one (step 20)" in last


@pytest.mark.parametrize(
    ("evidence", "name", "labels"),
    [
        (RUN, "learned", []),
        (OVERFITTED, "learned", ["Train for 2 epochs instead of 10"]),
        (MEMORISED, "memorised", ["Train for 2 epochs instead of 10", "Add rows on the Data page"]),
        (NOTHING, "no_change", ["Train for 30 epochs instead of 10", "Edit every token of the prompt", "Choose a larger base model"]),
        (WORSE, "worse", ["Train with a third of the learning rate (0.0013)", "Choose a larger base model"]),
        (DIVERGED, "diverged", ["Train with a third of the learning rate (0.0013)"]),
        (FEW_ROWS, "too_few", ["Hold out 11 rows", "Add rows on the Data page"]),
    ],
)
def test_a_verdict_names_the_deed_and_offers_it(evidence, name, labels):
    found = verdict_of(run_with(evidence))
    assert (found.name, [deed.label for deed in found.deeds]) == (name, labels)
    shown = verdict(found)
    assert f'data-verdict="{name}"' in shown
    assert all(label in shown for label in labels) and shown.count("<a ") == len(labels)


def test_what_is_offered_fills_the_train_page_in(services, dataset):
    """Each link is read by the Train page's own handler, and changes what its label says."""
    earlier = services.storage.runs.create(dataset.id, RunSpec().model_dump(mode="json"))
    evidences = {"epochs": MEMORISED, "positions": NOTHING, "learning_rate": WORSE, "held_out": FEW_ROWS}
    for field, evidence in evidences.items():
        run = replace(run_with(evidence), id=earlier.id)
        links = [urlsplit(deed.link) for deed in verdict_of(run).deeds]
        asked = next({name: values[0] for name, values in parse_qs(link.query).items()} for link in links if field in link.query)
        form, before = (again(services, asked["run"], changes).form for changes in (asked, {}))
        changed = {name for name in TrainForm.__slots__ if getattr(form, name) != getattr(before, name)}
        assert changed == {field}


def test_losses_that_are_no_numbers_are_said_so_also_when_they_come_back_from_json():
    lost = replace(DIVERGED, last=float("nan"), score=replace(DIVERGED.score, tuned=float("nan"), gain=float("nan")))
    found = verdict_of(run_with(lost))
    assert found.name == "diverged" and "no longer numbers" in " ".join(found.sentences)


def test_a_run_that_goes_on_failed_or_is_of_an_earlier_version_is_not_judged():
    assert verdict_of(run_with(RUN, status=RunStatus.TRAINING)) is None
    assert verdict_of(run_with(RUN, status=RunStatus.FAILED)) is None
    assert verdict_of(replace(run_with(RUN), summary={"steps": 3})) is None
    assert verdict_of(replace(run_with(RUN), summary=None)) is None
    assert verdict(None) == ""


def test_what_the_base_model_answers_already_leaves_little_to_learn():
    already = replace(NOTHING, score=replace(NOTHING.score, right_base=40, right_tuned=40))
    assert "The base model answers 40 of 40 right without any edit" in " ".join(sentences(already, judge(already)))


# Real runs of the starter on made rows, and what they deserve to be told


ANIMALS = "cat dog cow horse pig hen duck sheep goat owl fox bear wolf frog mouse lion".split()


@cache
def own_answers(temperature):
    """Short prompts with the starter's own answers, of which it has nothing left to learn."""
    base, found = load_base("starter", device="cpu"), []
    for seed, prompt in enumerate(each.format(animal) for each in ("What does a {} like?", "Where does a {} sleep?") for animal in ANIMALS):
        (said,) = generate(base, prompt, [None], max_new_tokens=30, temperature=temperature, seed=seed)
        if said.strip() and len(base.tokenizer(said)["input_ids"]) < 30:
            found.append((prompt, said.strip()))
    return as_rows(found)


def made(name, rows=None, most=None, **changes):
    """One of the long runs, with less to do."""
    run = next(each for each in MADE_RUNS if each.name == name)
    return replace(run, rows=lambda base: (rows or run.rows)(base)[:most], settings=run.settings.model_copy(update=changes))


SHORT_RUNS = [
    made("learns", epochs=4),
    made("memorises", rows=lambda base: own_answers(1.0), epochs=12, held_out=0.4),
    made("diverges", rows=lambda base: own_answers(0.0), epochs=2),
    made("nothing to learn", rows=lambda base: own_answers(0.0), epochs=2, held_out=0.4),
    made("one held-out row", epochs=3),
    made("label task", most=60, epochs=2),
    made("too few rows", epochs=3),
]
"""One for each verdict, and what is short of rows; the long form has other data too."""


def is_told_what_it_deserves(made):
    base = load_base("starter", device="cpu")
    result = train(base, made.rows(base), ReftConfig(), made.settings)
    assert result.verdict in made.deserved, result.evidence
    words = " ".join(sentences(result.evidence, result.verdict))
    few = result.evidence.score is None or result.evidence.score.rows < FEW
    return not few or not re.search(r"\d ?%", words)


@pytest.mark.slow
@pytest.mark.parametrize("made", SHORT_RUNS, ids=lambda made: made.name)
def test_a_made_run_is_told_what_it_deserves(made):
    assert is_told_what_it_deserves(made)


@pytest.mark.long
@pytest.mark.parametrize("made", MADE_RUNS, ids=lambda made: made.name)
def test_the_made_runs_of_the_document_are_told_what_they_deserve(made):
    """docs/verdict.md has the table."""
    assert is_told_what_it_deserves(made)
