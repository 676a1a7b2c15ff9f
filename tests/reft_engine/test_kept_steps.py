"""What a run had learned at earlier steps is kept, spread over the run, and answers as it did then."""

import itertools

import pytest
import torch

from reft_engine import AdapterError, PeftConfig, ReftConfig, TrainConfig, generate, train
from reft_engine.data import as_rows
from reft_engine.formats.steps import kept_steps, step_file
from reft_engine.trainable import make_trainable
from reft_engine.training import SampleEvent
from reft_engine.training.kept_steps import MAX_STEPS, damaged_steps, drop_steps_after, keep_step, load_step

ROWS = [(f"What is {n} cat?", f"{n} dog, she said and ran.") for n in range(24)]
SETTINGS = TrainConfig(epochs=4, batch_size=4, learning_rate=0.03, held_out=0.25, seed=3)


@pytest.mark.parametrize("config", [ReftConfig(rank=2, positions="f2+l2"), PeftConfig(method="lora", rank=2)], ids=["edit", "baseline"])
def test_each_measured_step_answers_as_it_did_then(tiny, tmp_path, config):
    said: dict[int, dict[str, str]] = {}

    def hear(event):
        if isinstance(event, SampleEvent):
            said.setdefault(event.step, {})[event.prompt] = event.tuned

    train(tiny, as_rows(ROWS), config, SETTINGS, folder=tmp_path, on_event=hear)
    steps = kept_steps(tmp_path / "steps")
    assert len(steps) > 2 and set(steps) <= set(said) and 0 not in steps
    for step in steps:
        then = load_step(tmp_path / "steps", step, tiny, config)
        assert not then.training
        for prompt, answer in said[step].items():
            assert generate(tiny, prompt, [then], max_new_tokens=64)[0].startswith(answer)
    assert len({str(said[step]) for step in steps}) > 1, "nothing was learned, so nothing is shown"


def test_the_steps_that_stay_are_spread_and_hold_the_first_and_the_last(tiny, tmp_path):
    reft = make_trainable(tiny, ReftConfig(rank=1, positions="l1"), seed=0)
    for step in range(1, 101):
        keep_step(tmp_path, reft, step)
        assert len(kept_steps(tmp_path)) <= MAX_STEPS
    steps = kept_steps(tmp_path)
    gaps = [after - before for before, after in itertools.pairwise(steps)]
    assert steps[0] == 1 and steps[-1] == 100 and len(steps) == MAX_STEPS and max(gaps) <= 64


def test_a_step_that_is_kept_again_is_the_same_file_and_another_one_is_not(tiny, tmp_path):
    reft = make_trainable(tiny, ReftConfig(rank=1, positions="l1"), seed=0)
    keep_step(tmp_path, reft, 5)
    first = step_file(tmp_path, 5).read_bytes()
    keep_step(tmp_path, reft, 5)
    assert step_file(tmp_path, 5).read_bytes() == first
    with torch.no_grad():
        reft.intervention.bias.add_(1)
    keep_step(tmp_path, reft, 5)
    assert step_file(tmp_path, 5).read_bytes() != first


def test_a_step_that_is_not_there_or_damaged_is_refused_in_words(tiny, tmp_path):
    config = ReftConfig(rank=1, positions="l1")
    with pytest.raises(AdapterError, match="at step 7 is not kept"):
        load_step(tmp_path, 7, tiny, config)
    keep_step(tmp_path, make_trainable(tiny, config, seed=0), 7)
    with pytest.raises(AdapterError, match="The file of step 7 is damaged"):
        load_step(tmp_path, 7, tiny, ReftConfig(rank=2, positions="l1"))
    step_file(tmp_path, 7).write_bytes(b"nothing")
    with pytest.raises(AdapterError, match="damaged"):
        load_step(tmp_path, 7, tiny, config)
    assert kept_steps(tmp_path / "nothing") == []


def test_a_run_that_begins_anew_shows_nothing_of_what_was_learned_there_before(tiny, tmp_path):
    config = ReftConfig(rank=1)
    for step in (2, 10**6):
        keep_step(tmp_path / "steps", make_trainable(tiny, config, seed=0), step)
    train(tiny, as_rows(ROWS), config, SETTINGS, folder=tmp_path)
    assert 10**6 not in kept_steps(tmp_path / "steps") != []


def test_what_comes_after_a_step_is_dropped(tiny, tmp_path):
    reft = make_trainable(tiny, ReftConfig(rank=1), seed=0)
    for step in (1, 5, 9):
        keep_step(tmp_path, reft, step)
    drop_steps_after(tmp_path, 5)
    assert kept_steps(tmp_path) == [1, 5]


def test_a_file_that_is_not_whole_is_named(tiny, tmp_path):
    for step in (1, 5, 9):
        keep_step(tmp_path, make_trainable(tiny, ReftConfig(rank=1), seed=0), step)
    assert damaged_steps(tmp_path) == []
    whole = step_file(tmp_path, 5).read_bytes()
    step_file(tmp_path, 5).write_bytes(whole[:-1])
    step_file(tmp_path, 9).write_bytes(b"")
    assert damaged_steps(tmp_path) == [5, 9]
