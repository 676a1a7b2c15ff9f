"""Finding a learning rate: what is tried is what a run would do, and what is named follows a rule."""

import json
from contextlib import contextmanager
from dataclasses import asdict

import pytest

from reft_engine import ReftConfig, TrainConfig
from reft_engine.data import Preference
from reft_engine.errors import DataError
from reft_engine.training import find_rate
from reft_engine.training.found_rates import RATE_STEPS, RATES, RateTrial, best_rate
from reft_engine.training.rates import _Trial

ROWS = [(f"question {number % 6}", "yes, it is so") for number in range(60)]
SETTINGS = TrainConfig(batch_size=4, held_out=0.2)


def trials(*losses):
    return [RateTrial(rate, loss) for rate, loss in zip((0.1, 0.2, 0.3, 0.4), losses, strict=False)]


@pytest.mark.parametrize(
    ("losses", "named"),
    [
        ((3.0, 2.0, 1.0, 3.5), 0.3),
        ((3.0, 1.0, 1.2, 3.5), 0.3),  # 3.0 were gained, of which a tenth may be lacking
        ((3.0, 1.0, 1.4, 3.5), 0.2),
        ((3.0, 1.0, None, 0.5), 0.2),  # what stands above a rate that diverged is not named, however low
        ((3.0, 1.0, float("nan"), 0.5), 0.2),
        ((4.0, 4.5, None, None), None),
        ((None, None), None),
    ],
)
def test_the_largest_rate_near_the_lowest_loss_is_named(losses, named):
    assert best_rate(trials(*losses), 4.0) == named


def test_every_rate_is_tried_and_the_named_one_learns(tiny):
    done = []
    found = find_rate(tiny, ROWS, ReftConfig(), SETTINGS, on_progress=lambda *each: done.append(each))
    assert [trial.rate for trial in found.trials] == list(RATES) and found.steps == RATE_STEPS and found.rows > 0
    assert done == [(step, RATE_STEPS) for step in range(RATE_STEPS + 1)]
    assert found.best in RATES and found.seconds > 0
    by_rate = {trial.rate: trial.loss for trial in found.trials}
    assert by_rate[found.best] < found.loss_before and by_rate[RATES[0]] > by_rate[RATES[-2]], "a low rate learns less in so few steps"
    assert json.loads(json.dumps(asdict(found)))["best"] == found.best


def test_each_rate_ends_as_it_would_alone(tiny):
    together = find_rate(tiny, ROWS, ReftConfig(), SETTINGS, rates=(1e-3, 1e-2), steps=6)
    for trial in together.trials:
        alone = find_rate(tiny, ROWS, ReftConfig(), SETTINGS, rates=(trial.rate,), steps=6)
        assert alone.trials[0].loss == pytest.approx(trial.loss, rel=1e-4) and alone.loss_before == pytest.approx(together.loss_before)


def test_a_rate_that_diverges_is_said_to_and_never_named(tiny, monkeypatch):
    from reft_engine.errors import TrainingError

    end = _Trial.end_step

    def diverge(state):
        loss = end(state)
        if state.train_config.learning_rate == 1e-2 and state.step == 3:
            raise TrainingError("The loss is no longer a number at step {step}.", kind="training.loss", step=3)
        return loss

    monkeypatch.setattr(_Trial, "end_step", diverge)
    found = find_rate(tiny, ROWS, ReftConfig(), SETTINGS, rates=(1e-3, 1e-2), steps=6)
    assert [trial.loss is None for trial in found.trials] == [False, True] and found.best == 1e-3


def test_without_held_out_rows_the_training_loss_counts(tiny):
    found = find_rate(tiny, ROWS, ReftConfig(), TrainConfig(batch_size=4, held_out=0.0), rates=(1e-3, 1e-2), steps=6)
    assert found.rows == 0 and found.trials[1].loss < found.loss_before


@pytest.mark.parametrize("at", [0, 3])
def test_told_to_stop_it_gives_nothing(tiny, at):
    answers = iter([False] * at + [True] * 99)
    done = []
    assert find_rate(tiny, ROWS, None, SETTINGS, should_stop=lambda: next(answers), on_progress=lambda *each: done.append(each)) is None
    assert len(done) == at + 1


@pytest.mark.parametrize(
    ("config", "rows"),
    [
        (ReftConfig(labels=("yes", "no")), [(f"text {number}", "yes" if number % 2 else "no") for number in range(20)]),
        (ReftConfig(positions="l1"), [Preference(line, (), "yes", "no") for line in range(20)]),
    ],
    ids=["labels", "pairs"],
)
def test_labels_and_pairs_have_rates_too(tiny, config, rows):
    from reft_engine.data import Message

    rows = [Preference(row.line, (Message("user", f"is it {row.line}?"),), row.chosen, row.rejected) if isinstance(row, Preference) else row
            for row in rows]  # fmt: skip
    found = find_rate(tiny, rows, config, SETTINGS, rates=(1e-3, 1e-2), steps=3)
    assert all(trial.loss is not None for trial in found.trials)


def test_every_use_of_the_base_model_waits_for_its_turn(tiny):
    inside, outside = [], []

    @contextmanager
    def exclusive():
        inside.append(True)
        yield
        inside.pop()

    handle = tiny.model.register_forward_pre_hook(lambda *_: None if inside else outside.append(True))
    try:
        find_rate(tiny, ROWS, None, SETTINGS, rates=(1e-3, 1e-2), steps=2, exclusive=exclusive)
    finally:
        handle.remove()
    assert outside == []


def test_without_a_row_to_train_on_there_is_none(tiny):
    with pytest.raises(DataError):
        find_rate(tiny, [("why " * 400, "yes")], ReftConfig(), SETTINGS)
