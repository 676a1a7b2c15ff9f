"""When held-out rows are measured, what that costs, and which edit is kept."""

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reft_engine import ReftConfig, TrainConfig, evaluate, generate, train
from reft_engine.data import as_rows, split
from reft_engine.training import run as training
from reft_engine.training.events import HeldOutEvent, PhaseEvent, RowsEvent
from reft_engine.training.measuring import Best, score
from reft_engine.training.objectives import NextToken, RowResult
from reft_engine.training.rows import encoded_of, read_rows
from reft_engine.training.schedule import MAX_MEASUREMENTS, MIN_MEASUREMENTS, SHARE, measuring_budget, padded, plan_measuring
from tests.reft_engine.runs import run_of

EDIT = ReftConfig(rank=2, positions="f2+l2")
WATCHED = TrainConfig(epochs=6, batch_size=4, learning_rate=0.05, held_out=0.25, seed=7)
STARTER = 15_735_168
lengths = st.lists(st.integers(5, 400), max_size=300)


@given(held=lengths, rows=lengths.filter(bool), epochs=st.integers(1, 40), batch=st.integers(1, 32), passes=st.sampled_from([1, 2]))
def test_a_schedule_measures_often_and_densest_early(held, rows, epochs, batch, passes):
    steps = epochs * math.ceil(len(rows) / batch)
    found = plan_measuring(held, epochs * sum(rows), steps, STARTER, "cpu", passes)
    assert min(MIN_MEASUREMENTS, steps) <= len(found.steps) <= MAX_MEASUREMENTS
    assert found.steps[-1] == steps and found.steps[0] >= 1
    gaps = [after - before for before, after in zip((0, *found.steps), found.steps, strict=False)]
    assert min(gaps) >= 1
    if steps >= 4 * MAX_MEASUREMENTS:
        assert gaps[0] <= gaps[len(gaps) // 2] <= gaps[-1] + 1


@given(held=lengths.filter(bool), rows=lengths.filter(bool), epochs=st.integers(1, 40), passes=st.sampled_from([1, 2]))
def test_measuring_costs_its_share_at_most_unless_one_row_costs_more(held, rows, epochs, passes):
    run, steps = epochs * sum(rows), epochs * len(rows)
    found = plan_measuring(held, run, steps, STARTER, "cpu", passes)
    passes_made = passes * (len(found.steps) + 1) + (passes == 1)
    cost = passes_made * padded([held[place] for place in found.choosing])
    assert measuring_budget(run, STARTER, "cpu") >= SHARE * run
    assert cost <= measuring_budget(run, STARTER, "cpu") or found.choosing == (0,)


@pytest.mark.slow
@given(held=lengths)
def test_with_forty_held_out_rows_others_score_than_those_that_choose(held):
    found = plan_measuring(held, 10_000, 100, STARTER, "cpu")
    if len(held) >= 40:
        assert found.apart
        assert found.scoring == tuple(range((len(held) + 1) // 2, len(held)))
    else:
        assert found.scoring == tuple(range(len(held)))
        assert not held or not found.apart


@pytest.mark.slow
def test_the_schedule_does_not_ask_what_time_it_is(monkeypatch, tiny, examples):
    first = run_of(tiny, examples, EDIT, WATCHED)
    clock = iter(range(0, 10**9, 1000))
    monkeypatch.setattr(training, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    second = run_of(tiny, examples, EDIT, WATCHED)
    assert first.looks == second.looks and len(first.looks) >= 1 + MIN_MEASUREMENTS


def test_step_0_is_never_the_best_and_a_loss_that_is_no_number_never_is():
    best = Best()
    for step, loss in ((1, math.nan), (2, 3.0), (3, 2.0), (4, math.nan), (5, 2.0)):
        best.update(step, loss, {"w": torch.tensor(float(step))})
    assert (best.step, best.loss, best.waited) == (3, 2.0, 2)
    assert best.tensors["w"] == 3


def noisy(count=24):
    """Rows whose answers do not follow from their prompts: what is learned of some is wrong for the others."""
    return as_rows([(f"Say the {n}th word.", f"{(n * 7919) % 97} {(n * 104729) % 89}") for n in range(count)])


@pytest.mark.slow
def test_the_best_edit_is_kept_and_not_the_last(tiny):
    settings = WATCHED.model_copy(update={"epochs": 30})
    best, last = (run_of(tiny, noisy(), EDIT, settings.model_copy(update={"keep": keep})) for keep in ("best", "last"))
    curve = {event.step: event.loss for event in best.of(HeldOutEvent)}
    least = min((loss, step) for step, loss in curve.items() if step)
    assert best.looks == last.looks  # the same steps are made, whatever is kept
    assert best.result.best_step == last.result.best_step == least[1] < best.result.steps
    assert (best.result.kept, last.result.kept) == ("best", "last")
    assert best.result.held_out_tuned == pytest.approx(least[0], rel=1e-6)
    assert last.result.held_out_tuned == pytest.approx(curve[last.result.steps], rel=1e-6)
    assert best.result.held_out_tuned < last.result.held_out_tuned
    summary = best.result.summary()
    assert (summary["best_step"], summary["kept"]) == (least[1], "best")


@pytest.mark.slow
def test_what_is_kept_is_what_is_saved_and_answers(tiny, tmp_path):
    from reft_engine import ReftModel

    settings = WATCHED.model_copy(update={"epochs": 30})
    run = run_of(tiny, noisy(), EDIT, settings, folder=tmp_path)
    saved = ReftModel.load(tmp_path / "adapter", tiny.model)
    _, held = split(noisy(), settings.held_out, settings.seed)
    assert evaluate(tiny, saved, held)["tuned"]["loss"] == pytest.approx(run.result.held_out_tuned, rel=1e-5)
    assert generate(tiny, "Say it.", [saved]) == generate(tiny, "Say it.", [run.result.reft])


@pytest.mark.slow
def test_without_held_out_rows_the_last_edit_is_kept(tiny, examples):
    run = run_of(tiny, examples, EDIT, WATCHED.model_copy(update={"held_out": 0}))
    assert (run.result.best_step, run.result.kept, run.result.verdict) == (None, "last", "too_few")
    assert not run.looks


@pytest.mark.slow
def test_a_run_stops_early_after_its_patience(tiny):
    settings = WATCHED.model_copy(update={"epochs": 30, "patience": 3})
    run = run_of(tiny, noisy(), EDIT, settings)
    steps = [step for step, _, _ in run.looks]
    assert run.result.stopped_early and not run.result.stopped
    assert run.result.steps == steps[-1] < run.result.total_steps
    assert steps.index(run.result.steps) - steps.index(run.result.best_step) == 3


@pytest.mark.slow
def test_a_run_that_stopped_early_is_not_trained_on(tiny, tmp_path):
    settings = WATCHED.model_copy(update={"epochs": 30, "patience": 3})
    first = run_of(tiny, noisy(), EDIT, settings, folder=tmp_path)
    second = run_of(tiny, noisy(), EDIT, settings, folder=tmp_path)
    assert second.losses == [] and second.result.best_step == first.result.best_step
    assert second.result.held_out_tuned == first.result.held_out_tuned


@pytest.mark.slow
def test_right_answers_are_those_that_greedy_decoding_writes(starter):
    """Read from the forward pass, and compared with what is really generated."""
    rows = as_rows([(f"What does a {animal} say?", answer) for animal, answer in SAYINGS])
    result = train(starter, rows * 4, ReftConfig(rank=4), TrainConfig(epochs=6, batch_size=4, learning_rate=8e-3, held_out=0))
    objective = NextToken(starter, result.reft.reft_config, TrainConfig())
    encoded = encoded_of(read_rows(objective, rows).usable)
    for edit in (None, result.reft):
        found = [row.right for row in objective.measure(encoded, result.reft, edited=edit is not None)]
        written = [generate(starter, row.messages, [edit], max_new_tokens=20)[0] for row in rows]
        assert found == [text.strip() == row.answer for text, row in zip(written, rows, strict=True)]
        assert edit is None or sum(found) >= 3  # else nothing is compared


SAYINGS = (
    ("cat", "Meow!"), ("dog", "Woof woof!"), ("cow", "Moo, says the cow."), ("owl", "Hoo hoo."), ("hen", "Cluck!"), ("pig", "Oink oink."),
)  # fmt: skip


@pytest.mark.slow
def test_an_answer_that_was_cut_is_never_right(starter):
    settings, rows = TrainConfig(epochs=40, learning_rate=0.02, held_out=0, max_length=24), as_rows([("Hi", "la " * 60)])
    objective = NextToken(starter, EDIT, settings)
    row = objective.encode(rows[0])
    reft = train(starter, rows, EDIT, settings).reft
    cut, whole = (objective.measure([replace(row, cut=cut)], reft)[0] for cut in (True, False))
    assert row.cut and whole.right and not cut.right


@pytest.mark.slow
def test_a_classifiers_base_model_is_the_same_in_training_and_in_evaluation(starter):
    rows = as_rows([(f"{word} {n}", label) for n in range(8) for word, label in (("good", "yes"), ("bad", "no"), ("fine", "yes"))])
    config = ReftConfig(rank=2, labels=("yes", "no"))
    settings = TrainConfig(epochs=4, batch_size=4, learning_rate=5e-3, held_out=0.25)
    result = train(starter, rows, config, settings)
    _, held = split(rows, settings.held_out, settings.seed)
    found = evaluate(starter, result.reft, held)
    assert found["base"]["loss"] == pytest.approx(result.held_out_base, rel=1e-5)
    assert found["tuned"]["loss"] == pytest.approx(result.held_out_tuned, rel=1e-5)
    score = result.evidence.score
    assert score.right_base == round(found["base"]["exact_match"] * len(held))
    assert score.right_tuned == round(found["tuned"]["exact_match"] * len(held))


def test_a_score_counts_row_by_row():
    base = [RowResult(4.0, 2, False), RowResult(1.0, 1, True), RowResult(6.0, 3, False)]
    tuned = [RowResult(2.0, 2, True), RowResult(3.0, 1, False), RowResult(3.0, 3, True)]
    found = score(base, tuned)
    assert (found.rows, found.right_base, found.right_tuned, found.gained, found.lost) == (3, 1, 2, 2, 1)
    assert (found.better, found.worse) == (2, 1)
    assert found.base == pytest.approx(11 / 6) and found.tuned == pytest.approx(8 / 6)
    assert found.gain == pytest.approx((1 - 2 + 1) / 3)
    assert found.gain_error == pytest.approx(math.sqrt(3) / math.sqrt(3))


@pytest.mark.slow
def test_events_say_what_is_read_and_measured(tiny, examples):
    events = []
    train(tiny, examples, EDIT, WATCHED, on_event=events.append)
    rows = next(event for event in events if isinstance(event, RowsEvent))
    _, held = split(examples, WATCHED.held_out, WATCHED.seed)
    assert (rows.check.usable_rows, rows.check.trained, rows.check.held_out, rows.check.rows_left_out) == (24, 18, 6, 0)
    assert [examples[place] for place in rows.held_out_places] == held
    phases = [event.phase for event in events if isinstance(event, PhaseEvent)]
    assert phases[0] == "encode" and phases[-1] == "score" and "measure" in phases
    looks = [event for event in events if isinstance(event, HeldOutEvent)]
    assert looks[0].best_step is None and looks[-1].best_step == min(looks[1:], key=lambda look: look.loss).step


@pytest.mark.slow
def test_the_held_out_rows_follow_from_the_split_seed_alone_where_there_is_one(tiny, examples):
    def held(**seeds):
        rows: list[tuple[int, ...]] = []
        settings = WATCHED.model_copy(update={"epochs": 1, **seeds})
        train(tiny, examples, EDIT, settings, on_event=lambda event: isinstance(event, RowsEvent) and rows.append(event.held_out_places))
        return rows[0]

    assert held(seed=1) != held(seed=2)
    assert held(seed=1, split_seed=9) == held(seed=2, split_seed=9) == held(seed=9)
