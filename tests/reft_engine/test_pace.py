"""What is said of the time that is left, by a clock that goes on only when a run works."""

import pytest

from reft_engine import ReftConfig, TrainConfig, train, train_many
from reft_engine.training import run as training
from reft_engine.training.events import HeldOutEvent, StepEvent
from reft_engine.training.measuring import Watch
from reft_engine.training.pace import Pace

ROWS = [(f"question {number} {'why ' * 8}", f"the answer is {number}") for number in range(16)]
FRESH, LATER, MEASURED = 4.0, 1.0, 2.5


class Clock:
    """Seconds that go by only when a run works."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch):
    """A step that only reuses takes `LATER` seconds, one whose rows are computed whole as much more as it has more work.

    A pass over held-out rows takes `MEASURED` seconds.
    """
    clock = Clock()
    step, measure, score = training.train_step, Watch.measure, Watch.score

    def slow_step(states):
        reuse = states[0].reuse
        before = reuse.computed if reuse else 0
        losses = step(states)
        tokens = sum(state.step_tokens for state in states)
        share = (reuse.computed - before) / tokens if reuse and states[0].train_config.epochs > 1 else 1.0
        fresh = LATER / reuse.plan.later_work if reuse else FRESH
        clock.seconds += LATER + (fresh - LATER) * share
        return losses

    def slow_measure(watch):
        if watch.choosing:
            clock.seconds += MEASURED * (2 if watch.state.step == 0 else 1)
        measure(watch)

    def slow_score(watch):
        if watch.choosing:
            clock.seconds += 2 * MEASURED
        return score(watch)

    monkeypatch.setattr(training, "now", clock.now)
    monkeypatch.setattr(training, "train_step", slow_step)
    monkeypatch.setattr(Watch, "measure", slow_measure)
    monkeypatch.setattr(Watch, "score", slow_score)
    return clock


def timed(clock, base, rows, config, settings, **more):
    """Each step with what was said of the time that is left, and what then was left."""
    said = []

    def hear(event):
        if isinstance(event, StepEvent):
            said.append((event.step, event.seconds_left, clock.seconds))

    train(base, rows, config, settings, on_event=hear, **more)
    return [(step, left, clock.seconds - at) for step, left, at in said]


def settings(**changes):
    return TrainConfig(**{"epochs": 5, "batch_size": 2, "held_out": 0.0, **changes})


def test_the_first_epoch_and_later_ones_have_a_speed_of_their_own(clock, tiny):
    """The mean of the first eight steps would say far too much of the 32 that then only reuse."""
    found = timed(clock, tiny, ROWS, ReftConfig(positions="l1"), settings())
    assert len(found) == 40
    for step, said, real in found:
        assert said == pytest.approx(real, rel=0.15, abs=0.1), step
    first = found[0][2] - found[1][2]
    assert first > 1.5 * LATER and found[0][1] < 30 * first, "the first steps are slow, and later ones are not taken for as slow"


def test_where_nothing_is_reused_all_steps_are_alike(clock, tiny):
    for step, said, real in timed(clock, tiny, ROWS, ReftConfig(positions="l1"), settings(reuse="none", packing=False)):
        assert said == pytest.approx(real, rel=0.05, abs=0.1), step


def test_measurements_that_are_still_to_come_are_part_of_it(clock, tiny):
    found = timed(clock, tiny, ROWS, ReftConfig(positions="l1"), settings(held_out=0.25, reuse="none", packing=False))
    assert len(found) == 30
    for step, said, real in found:
        assert said == pytest.approx(real, rel=0.1, abs=2.0), step


def test_a_run_that_goes_on_knows_what_it_must_compute_again(clock, tiny, tmp_path):
    """What is stored does not outlive its process: the first pass over the rows is slow once more, and nothing before it counts."""
    stops = iter([False] * 21 + [True])
    first = timed(clock, tiny, ROWS, ReftConfig(positions="l1"), settings(), folder=tmp_path, should_stop=lambda: next(stops))
    assert [step for step, _, _ in first] == list(range(1, 22))
    clock.seconds += 1e6
    found = timed(clock, tiny, ROWS, ReftConfig(positions="l1"), settings(), folder=tmp_path)
    assert [step for step, _, _ in found] == list(range(22, 41))
    for step, said, real in found:
        assert said == pytest.approx(real, rel=0.2, abs=0.5), step


def test_time_beside_the_steps_goes_on_as_it_did(clock, tiny):
    """A chat that has the base model for three seconds before each step."""
    from contextlib import contextmanager

    @contextmanager
    def chatting():
        clock.seconds += 3.0
        yield

    found = timed(clock, tiny, ROWS, ReftConfig(positions="l1"), settings(reuse="none", packing=False), exclusive=chatting)
    for step, said, real in found[1:]:
        assert said == pytest.approx(real, rel=0.1, abs=3.5), step


def test_runs_that_are_trained_together_know_when_they_end(clock, tiny):
    said = []

    def hear(index, event):
        if isinstance(event, StepEvent):
            said.append((index, event.step, event.seconds_left, clock.seconds))
        assert not isinstance(event, HeldOutEvent)

    plain = settings(reuse="none", packing=False)
    train_many(tiny, ROWS, [(ReftConfig(rank=rank), plain) for rank in (1, 2)], on_event=hear)
    for index, step, left, at in said[2:]:
        assert left == pytest.approx(clock.seconds - at, rel=0.15, abs=4.5), (index, step)


def test_before_a_later_step_was_made_its_share_of_the_work_is_taken():
    pace = Pace(tokens=300, later_work=0.25, measurements=0, scored=1, passes=1)
    pace.stepped(50, 50, 10.0)
    assert pace.seconds_left(5, 50) == pytest.approx(10 + 0.25 * 40)
    pace.stepped(50, 50, 10.0)
    pace.stepped(50, 0, 1.0)
    assert pace.seconds_left(3, 0) == pytest.approx(3.0)
    assert pace.seconds_left(3, 50) == pytest.approx(3.0 + 9.0)


def test_of_the_first_measurement_half_is_the_base_models():
    pace = Pace(tokens=100, later_work=1.0, measurements=4, scored=0.5, passes=1)
    pace.measured(6.0, at_first=True)
    pace.stepped(50, 0, 1.0)
    assert pace.seconds_left(1, 0) == pytest.approx(1.0 + 4 * 3.0 + 2 * 3.0 * 0.5)
    pace.measured(5.0)
    assert pace.seconds_left(1, 0) == pytest.approx(1.0 + 3 * 4.0 + 2 * 4.0 * 0.5)


@pytest.mark.parametrize("passes", [1, 2])
def test_sample_answers_come_with_each_measurement_and_not_with_the_score(passes):
    pace = Pace(tokens=100, later_work=1.0, measurements=3, scored=5.0, passes=passes)
    pace.stepped(50, 0, 1.0)
    pace.measured(0.0, at_first=True)
    pace.answered(2.0)
    assert pace.seconds_left(1, 0) == pytest.approx(1.0 + 3 * passes * 2.0)
    pace.measured(0.0)
    pace.answered(4.0)
    assert pace.seconds_left(1, 0) == pytest.approx(1.0 + 2 * passes * 3.0)
