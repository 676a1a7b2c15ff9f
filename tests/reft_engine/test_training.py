"""The loop, its checkpoint and its resumption; everything on the CPU in float32."""

import copy
import json
import math
import threading
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from reft_engine import Example, ReftConfig, ReftModel, TrainConfig, evaluate, generate, train
from reft_engine.data import Message, split
from reft_engine.edits.model import verify_adapter
from reft_engine.errors import AdapterError, ConfigError, DataError, TrainingError
from reft_engine.tokens.batches import collate, epoch_batches
from reft_engine.training import measuring
from reft_engine.training import run as training
from reft_engine.training import samples as sampling
from reft_engine.training.events import HeldOutEvent, SampleEvent, StepEvent
from reft_engine.training.losses import answer_losses
from reft_engine.training.objectives import NextToken
from reft_engine.training.rows import encoded_of, read_rows
from reft_engine.training.samples import sample_answers
from tests.waiting import PATIENCE

EDITS = {
    "loreft": ReftConfig(rank=2, positions="f2+l2"),
    "direft-untied-dropout": ReftConfig(method="direft", rank=2, positions="f2+l2", tied=False, dropout=0.3),
    "loreft-dropout": ReftConfig(rank=3, positions="all", dropout=0.2, layers=[0, 2]),
}
SETTINGS = TrainConfig(epochs=2, batch_size=4, learning_rate=0.02, held_out=0, seed=7)
WATCHED = SETTINGS.model_copy(update={"held_out": 0.1})


def steps_of(base, examples, config=EDITS["loreft"], settings=SETTINGS, **options):
    events = []
    result = train(base, examples, config, settings, on_event=events.append, **options)
    return result, [event for event in events if isinstance(event, StepEvent)]


def next_token(base, config=EDITS["loreft"], settings=SETTINGS):
    return NextToken(base, config, settings)


def weights(reft):
    return {"projection": reft.intervention.projection().detach(), **reft.intervention.weights()}


def same(first, second):
    ours, theirs = weights(first), weights(second)
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def worst(rows):
    return (rows @ rows.mT - torch.eye(rows.shape[-2])).abs().max()


def stop_after(count):
    asked = iter(range(count + 1))
    return lambda: next(asked) >= count


# --- what is trained on, and what is held out


def test_held_out_rows_follow_from_the_seed(examples):
    assert split(examples, 0.25, 1) == split(examples, 0.25, 1)
    assert split(examples, 0.25, 1)[1] != split(examples, 0.25, 2)[1]


def test_held_out_rows_are_not_trained_on_and_equal_rows_stay_on_one_side(examples):
    doubled = [*examples, *(Example(100 + row.line, row.messages, row.answer) for row in examples)]
    kept, held = split(doubled, 0.25, 3)
    assert len(held) == 6
    assert len(kept) == len(doubled) - 2 * len(held)
    assert not {(row.messages, row.answer) for row in kept} & {(row.messages, row.answer) for row in held}


def test_the_answers_of_one_chat_stay_on_one_side():
    def chat(number):
        turns = [Message(("user", "assistant")[turn % 2], f"{number}.{turn}") for turn in range(6)]
        return [Example(1, tuple(turns[:at]), turns[at].content) for at in (1, 3, 5)]

    kept, held = split([row for number in range(20) for row in chat(number)], 0.3, 1)
    assert (len(kept), len(held)) == (42, 18)
    assert not {row.messages[0].content for row in kept} & {row.messages[0].content for row in held}


@pytest.mark.parametrize(("rows", "share", "count"), [(24, 0.0, 0), (3, 0.5, 0), (4, 0.01, 1), (24, 0.1, 2), (24, 0.9, 22), (4, 0.9, 3)])
def test_the_share_that_is_held_out(examples, rows, share, count):
    kept, held = split(examples[:rows], share, 0)
    assert (len(held), len(kept)) == (count, rows - count)


def test_at_most_a_thousand_rows_are_held_out():
    rows = [Example(line, (Message("user", str(line)),), "a") for line in range(1, 1400)]
    assert len(split(rows, 0.9, 0)[1]) == 1000


def test_rows_that_cannot_be_used_are_left_out_and_named(tiny, examples):
    long = Example(77, (Message("user", "no " * 300),), "a")
    found = read_rows(next_token(tiny), [*examples[:2], long])
    assert [row.example.line for row in found.usable] == [1, 2]
    assert [row.line for row in found.left_out] == [77]
    assert found.left_out[0].reason.startswith("Line 77")
    assert found.left_out[0].error.group == "length" and found.left_out[0].error.__traceback__ is None
    assert (found.lines, found.lines_left_out) == (2, 1)


def test_a_line_counts_as_left_out_only_when_none_of_its_answers_can_be_used(tiny, examples):
    long = Example(1, (Message("user", "no " * 300),), "a")
    found = read_rows(next_token(tiny), [examples[0], long])
    assert (found.lines, found.lines_left_out, len(found.left_out)) == (1, 0, 1)


@pytest.mark.parametrize("rows", [[], [Example(77, (Message("user", "no " * 300),), "a")]], ids=["none", "too-long"])
def test_without_a_row_to_train_on_it_refuses(tiny, rows):
    with pytest.raises(DataError):
        train(tiny, rows, EDITS["loreft"], SETTINGS)


# --- the loop


@pytest.mark.slow
@pytest.mark.parametrize("name", EDITS)
def test_the_loss_falls(starter, examples, name):
    settings = TrainConfig(epochs=10, batch_size=8, learning_rate=0.02, held_out=0)
    result, steps = steps_of(starter, examples, EDITS[name], settings)
    assert len(steps) == result.steps == result.total_steps == 30
    assert result.loss_first == steps[0].loss
    assert result.loss_last == steps[-1].loss
    assert sum(step.loss for step in steps[-3:]) < 0.6 * sum(step.loss for step in steps[:3])


@pytest.mark.slow
def test_what_is_learned_holds_for_rows_that_were_held_out(tiny, examples):
    result, _ = steps_of(tiny, examples, settings=TrainConfig(epochs=10, batch_size=8, learning_rate=0.02, held_out=0.2))
    assert result.held_out_tuned < result.held_out_base


def test_the_first_loss_is_that_of_the_untrained_edit_on_the_first_batch(tiny, examples):
    settings = TrainConfig(epochs=1, batch_size=4, held_out=0, seed=5)
    _, steps = steps_of(tiny, examples, settings=settings)
    rows = encoded_of(read_rows(next_token(tiny), examples).usable)
    reft = ReftModel(tiny.model, EDITS["loreft"], seed=5).eval()
    total, count = 0.0, 0
    for row in epoch_batches(rows, 4, 5, 0)[0]:
        ids, at = torch.tensor([row.prompt_ids + row.answer_ids]), len(row.prompt_ids)
        with torch.no_grad():
            shares = reft(ids, None, [at]).logits[0].log_softmax(dim=-1)
        total -= shares[at - 1 : -1].gather(1, ids[0, at:, None]).sum().item()
        count += len(row.answer_ids)
    assert steps[0].loss == pytest.approx(total / count, abs=1e-5)


def test_accumulated_micro_batches_learn_as_one_batch_does(tiny, examples):
    settings = {"epochs": 1, "learning_rate": 0.02, "held_out": 0.0}
    whole, one = steps_of(tiny, examples[:8], settings=TrainConfig(batch_size=8, **settings))
    parts, many = steps_of(tiny, examples[:8], settings=TrainConfig(batch_size=2, gradient_accumulation=4, **settings))
    assert len(one) == len(many) == 1
    assert many[0].loss == pytest.approx(one[0].loss, abs=1e-5)
    ours, theirs = weights(parts.reft), weights(whole.reft)
    assert all((ours[name] - theirs[name]).abs().max() < 1e-3 for name in ours)


def test_the_rate_rises_over_the_warm_up_and_falls_to_zero(tiny, examples):
    settings = TrainConfig(epochs=2, batch_size=4, learning_rate=0.01, warmup_ratio=0.25, held_out=0)
    _, steps = steps_of(tiny, examples, settings=settings)
    rates = [step.learning_rate for step in steps]
    expected = [0.01 * part for part in (1 / 3, 2 / 3, 1)] + [0.01 * (12 - step) / 9 for step in range(3, 12)]
    assert rates == pytest.approx(expected)


@pytest.mark.slow
def test_events_say_where_the_run_is(tiny, examples):
    events = []
    train(tiny, examples, EDITS["loreft"], WATCHED, on_event=events.append)
    steps = [event for event in events if isinstance(event, StepEvent)]
    assert [step.step for step in steps] == list(range(1, 13))
    assert {step.total_steps for step in steps} == {12}
    assert steps[-1].epoch == 2.0
    assert steps[-1].seconds_left > 0, "the last measurement and the score are still to come"
    unmeasured, alone = steps_of(tiny, examples)
    assert unmeasured.steps == len(alone) and alone[-1].seconds_left == 0.0
    looks = [event for event in events if isinstance(event, HeldOutEvent)]
    assert looks[0].step == 0
    assert looks[-1].step == 12
    assert len({look.loss_base for look in looks}) == 1


@pytest.mark.slow
@pytest.mark.parametrize(("share", "count"), [(0.3, 5), (0.1, 2)], ids=["more rows than are answered", "fewer"])
def test_the_first_held_out_rows_are_answered_at_each_measurement(tiny, examples, share, count):
    events, settings = [], WATCHED.model_copy(update={"held_out": share, "keep": "last"})
    result = train(tiny, examples, EDITS["loreft"], settings, on_event=events.append)
    looks = [event for event in events if isinstance(event, HeldOutEvent)]
    samples = [event for event in events if isinstance(event, SampleEvent)]
    assert [(sample.step, sample.place) for sample in samples] == [(look.step, place) for look in looks for place in range(count)]
    _, held = split(examples, share, WATCHED.seed)
    asked = [(row.messages[-1].content, row.answer) for row in held[:count]]
    assert len(held) > count or count < 5
    assert [(sample.prompt, sample.expected) for sample in samples] == asked * len(looks)
    plain, tuned = zip(
        *(generate(tiny, prompt, [None, result.reft], max_new_tokens=sampling.SAMPLE_TOKENS) for prompt, _ in asked), strict=True
    )
    assert [sample.base for sample in samples] == list(plain) * len(looks)
    assert [sample.tuned for sample in samples[-count:]] == list(tuned)
    assert [sample.tuned for sample in samples[:count]] != list(tuned), "it has learned something"


@pytest.mark.slow
def test_the_base_model_answers_the_sample_rows_once_and_all_of_them_in_one_batch(tiny, examples, monkeypatch):
    made = []

    def counted(base, reft, rows, *, edited=True, **options):
        made.append((edited, len(rows)))
        return sample_answers(base, reft, rows, edited=edited, **options)

    monkeypatch.setattr(measuring, "sample_answers", counted)
    events = []
    train(tiny, examples, EDITS["loreft"], WATCHED.model_copy(update={"held_out": 0.3}), on_event=events.append)
    looks = [event for event in events if isinstance(event, HeldOutEvent)]
    assert made == [(False, 5)] + [(True, 5)] * len(looks)


@pytest.mark.slow
def test_a_run_that_resumes_answers_as_one_that_was_never_stopped(tiny, examples, tmp_path):
    whole, parts, steps = [], [], iter(range(99))
    settings = WATCHED.model_copy(update={"held_out": 0.3})
    train(tiny, examples, EDITS["loreft"], settings, on_event=whole.append)
    for should_stop in (lambda: next(steps) == 5, lambda: False):
        train(tiny, examples, EDITS["loreft"], settings, folder=tmp_path, on_event=parts.append, should_stop=should_stop)
    expected, found = ({event for event in events if isinstance(event, SampleEvent)} for events in (whole, parts))
    assert {sample.step for sample in found} >= {sample.step for sample in expected}
    assert expected <= found


@pytest.mark.slow
def test_the_base_is_bit_identical_after_a_run_and_during_it(tiny, examples):
    before = {name: value.clone() for name, value in tiny.model.state_dict().items()}
    answer = generate(tiny, "Hi", max_new_tokens=10)
    during = []
    train(tiny, examples, EDITS["loreft"], SETTINGS, on_event=lambda event: during.append(generate(tiny, "Hi", max_new_tokens=10)))
    assert set(map(tuple, during)) == {tuple(answer)}
    assert all(torch.equal(value, before[name]) for name, value in tiny.model.state_dict().items())


@pytest.mark.slow
@pytest.mark.parametrize("name", EDITS)
def test_the_same_seed_gives_the_same_weights(tiny, examples, name):
    torch.manual_seed(1)
    first, _ = steps_of(tiny, examples, EDITS[name])
    torch.manual_seed(2)
    second, _ = steps_of(tiny, examples, EDITS[name])
    other, _ = steps_of(tiny, examples, EDITS[name], SETTINGS.model_copy(update={"seed": 8}))
    assert same(first.reft, second.reft)
    assert not same(first.reft, other.reft)


@pytest.mark.slow
def test_chatting_with_a_run_while_it_trains_changes_no_bit_of_it(tiny, examples):
    undisturbed, _ = steps_of(tiny, examples, EDITS["loreft-dropout"])
    running, answers = [], []

    def chat(event):
        for reft in running:
            reft.eval()
            answers.extend(generate(tiny, "Hi", [None, reft], max_new_tokens=5, temperature=1.0))
            reft.train()

    disturbed = train(tiny, examples, EDITS["loreft-dropout"], SETTINGS, on_ready=running.append, on_event=chat)
    assert same(undisturbed.reft, disturbed.reft)
    assert len(set(answers)) > 1


@pytest.mark.slow
def test_answers_in_another_thread_change_no_bit_of_a_run(tiny, examples):
    undisturbed, _ = steps_of(tiny, examples, EDITS["loreft-dropout"])
    running, answers, over = [], [], threading.Event()

    def chat():
        while not over.is_set():
            if running:
                answers.extend(generate(tiny, "Hi", [None, running[0]], max_new_tokens=5, temperature=1.0))

    thread = threading.Thread(target=chat)
    thread.start()
    try:
        disturbed = train(tiny, examples, EDITS["loreft-dropout"], SETTINGS, on_ready=running.append)
    finally:
        over.set()
        thread.join(PATIENCE)
    assert answers
    assert same(undisturbed.reft, disturbed.reft)


@pytest.mark.slow
def test_whoever_leaves_the_edit_in_evaluation_mode_does_not_disturb_the_run(tiny, examples):
    undisturbed, _ = steps_of(tiny, examples, EDITS["loreft-dropout"])
    running = []

    def leave(event):
        for reft in running:
            reft.eval()

    disturbed = train(tiny, examples, EDITS["loreft-dropout"], SETTINGS, on_ready=running.append, on_event=leave)
    assert same(undisturbed.reft, disturbed.reft)


@pytest.mark.slow
def test_a_run_can_be_saved_and_measured_in_its_middle(tiny, examples, tmp_path):
    undisturbed, _ = steps_of(tiny, examples, EDITS["loreft-dropout"])
    running = []

    def look(event):
        if event.step == 5:
            running[0].save(tmp_path, base=tiny)
            evaluate(tiny, running[0], examples[:2])

    disturbed = train(tiny, examples, EDITS["loreft-dropout"], SETTINGS, on_ready=running.append, on_event=look)
    assert same(undisturbed.reft, disturbed.reft)
    assert verify_adapter(tmp_path, tiny.model) < 1e-4


@pytest.mark.slow
def test_a_held_out_row_that_does_not_fit_is_left_out_of_the_measure(tiny, examples):
    settings = SETTINGS.model_copy(update={"held_out": 0.2})
    whole, _ = steps_of(tiny, examples, settings=settings)
    long = [Example(77 + n, (Message("user", "no " * 300),), str(n)) for n in range(30)]
    mixed, _ = steps_of(tiny, [row for pair in zip(long, examples, strict=False) for row in pair], settings=settings)
    # What cannot be used is left out before anything is held out, so the rest is split as if it were alone.
    assert (mixed.check.usable_rows, mixed.check.rows_left_out) == (24, 24)
    assert (mixed.held_out_base, mixed.held_out_tuned) == (whole.held_out_base, whole.held_out_tuned)
    assert same(mixed.reft, whole.reft)


@pytest.mark.slow
@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_rows_stay_orthonormal_through_training_and_the_adapter_file(tiny, examples, tmp_path, decay):
    settings = TrainConfig(epochs=4, batch_size=4, learning_rate=0.1, weight_decay=decay)
    start = ReftModel(tiny.model, EDITS["loreft"], seed=settings.seed).intervention.projection()
    result, _ = steps_of(tiny, examples, EDITS["loreft"], settings, folder=tmp_path)
    trained = result.reft.intervention.projection()
    assert worst(trained) < 1e-5
    assert (trained - start).abs().max() > 0.05
    loaded = ReftModel.load(tmp_path / "adapter", tiny.model)
    assert worst(torch.stack(loaded.factors()["projection"])) < 1e-5
    optimizer = torch.optim.AdamW(loaded.train().parameters(), lr=0.1, weight_decay=0.5)
    rows = encoded_of(read_rows(next_token(tiny), examples[:4]).usable)
    batch = collate(tiny, rows)
    for _ in range(3):
        optimizer.zero_grad()
        edits = loaded.edits(loaded.plan_of(batch.prompts, None, batch.device), loaded.factors())
        answer_losses(tiny, batch, edits).mean().backward()
        optimizer.step()
        assert worst(loaded.intervention.projection()) < 1e-5


@pytest.mark.slow
def test_weight_decay_shrinks_w_and_b(tiny, examples):
    norms = {}
    for decay in (0.0, 1.0):
        settings = TrainConfig(epochs=4, batch_size=4, learning_rate=0.05, weight_decay=decay)
        norms[decay] = steps_of(tiny, examples, settings=settings)[0].reft.intervention.source.norm().item()
    assert norms[1.0] < norms[0.0]


@pytest.mark.parametrize("method", ["loreft", "direft"])
def test_learning_that_runs_away_is_refused_and_the_step_is_named(tiny, examples, tmp_path, method):
    absurd = SETTINGS.model_copy(update={"learning_rate": 1e30})
    with pytest.raises(TrainingError, match=r"no longer a number at step \d+\. A learning rate a third as high") as caught:
        train(tiny, examples, ReftConfig(method=method, rank=2), absurd, folder=tmp_path)
    step = int(str(caught.value).partition("step ")[2].partition(".")[0])
    assert 2 <= step <= 12
    assert not (tmp_path / "adapter").exists()


def test_a_gradient_that_overflows_is_refused_too(tiny, make_model, examples, tmp_path):
    model = make_model(vocab_size=len(tiny.tokenizer), max_position_embeddings=160)
    with torch.no_grad():
        model.lm_head.weight.mul_(1e25)
    base = replace(tiny, model=model)
    with pytest.raises(TrainingError, match="no longer a number at step 1"):
        train(base, examples, EDITS["loreft"], SETTINGS, folder=tmp_path)
    assert not (tmp_path / "adapter").exists()


@pytest.mark.slow
def test_every_piece_of_work_on_the_base_waits_its_turn(tiny, examples, tmp_path):
    inside, worked = [], []

    @contextmanager
    def turn():
        inside.append(True)
        yield
        inside.pop()

    handle = tiny.model.model.register_forward_pre_hook(lambda *_: worked.append(len(inside)))
    try:
        train(tiny, examples, EDITS["loreft"], WATCHED, exclusive=turn, folder=tmp_path)
    finally:
        handle.remove()
    assert worked
    assert set(worked) == {1}


# --- stopping and going on


@pytest.mark.slow
@pytest.mark.parametrize("name", EDITS)
@pytest.mark.parametrize("after", [1, 5, 6, 11])
def test_a_run_that_was_stopped_goes_on_to_the_weights_of_an_undisturbed_one(tiny, examples, tmp_path, name, after):
    settings = SETTINGS.model_copy(
        update={"weight_decay": 0.1, "gradient_accumulation": 2 if after == 5 else 1, "epochs": 4 if after == 5 else 2}
    )
    whole, undisturbed = steps_of(tiny, examples, EDITS[name], settings, folder=tmp_path / "whole")
    first, before = steps_of(tiny, examples, EDITS[name], settings, folder=tmp_path / "cut", should_stop=stop_after(after))
    assert first.stopped
    assert first.steps == after
    assert not same(first.reft, whole.reft)
    torch.manual_seed(99)
    second, later = steps_of(tiny, examples, EDITS[name], settings, folder=tmp_path / "cut")
    assert not second.stopped
    assert [step.loss for step in before + later] == [step.loss for step in undisturbed]
    assert same(second.reft, whole.reft)
    tensors = [load_file(tmp_path / folder / "adapter/reft_model.safetensors") for folder in ("whole", "cut")]
    assert all(torch.equal(tensors[0][key], tensors[1][key]) for key in tensors[0])
    assert (second.loss_first, second.loss_last) == (whole.loss_first, whole.loss_last)


@pytest.mark.slow
def test_a_run_may_be_stopped_after_every_step(tiny, examples, tmp_path):
    whole, _ = steps_of(tiny, examples, EDITS["loreft-dropout"])
    for done in range(1, 13):
        result, steps = steps_of(tiny, examples, EDITS["loreft-dropout"], folder=tmp_path, should_stop=stop_after(1))
        assert [step.step for step in steps] == [done]
    assert same(result.reft, whole.reft)
    assert worst(result.reft.intervention.projection()) < 1e-5


class Killed(BaseException):
    """Ends a run where nothing of it can tidy up."""


@pytest.mark.slow
@pytest.mark.parametrize("at", [3, 8])
def test_a_run_that_was_killed_goes_on_from_its_last_checkpoint(tiny, examples, tmp_path, monkeypatch, at):
    monkeypatch.setattr(training, "_CHECKPOINT_STEPS", 1)
    monkeypatch.setattr(training, "_CHECKPOINT_PAUSE", 0.0)
    whole, _ = steps_of(tiny, examples, EDITS["loreft-dropout"])

    def kill(event):
        if isinstance(event, StepEvent) and event.step == at:
            raise Killed

    with pytest.raises(Killed):
        train(tiny, examples, EDITS["loreft-dropout"], SETTINGS, folder=tmp_path, on_event=kill)
    assert not (tmp_path / "adapter").exists()
    result, steps = steps_of(tiny, examples, EDITS["loreft-dropout"], folder=tmp_path)
    assert steps[0].step == at
    assert same(result.reft, whole.reft)


@pytest.mark.slow
def test_a_finished_run_is_not_trained_again(tiny, examples, tmp_path):
    first, _ = steps_of(tiny, examples, folder=tmp_path)
    second, steps = steps_of(tiny, examples, folder=tmp_path)
    assert steps == []
    assert second.steps == 12
    assert same(first.reft, second.reft)
    assert (second.loss_first, second.loss_last) == (first.loss_first, first.loss_last)


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["truncated", "empty", "garbage", "gone", "foreign"])
def test_a_damaged_checkpoint_means_starting_again(tiny, examples, tmp_path, damage):
    whole, _ = steps_of(tiny, examples, folder=tmp_path)
    (state,) = (tmp_path / "checkpoint").iterdir()
    content = state.read_bytes()
    if damage == "gone":
        state.unlink()
    else:
        foreign = (tmp_path / "adapter/reft_model.safetensors").read_bytes()
        state.write_bytes({"truncated": content[: len(content) // 2], "empty": b"", "garbage": b"x" * 5000, "foreign": foreign}[damage])
    again, steps = steps_of(tiny, examples, folder=tmp_path)
    assert steps[0].step == 1
    assert same(again.reft, whole.reft)


@pytest.mark.slow
def test_a_checkpoint_of_another_edit_is_not_taken_over(tiny, examples, tmp_path):
    steps_of(tiny, examples, EDITS["loreft"], folder=tmp_path, should_stop=stop_after(3))
    _, steps = steps_of(tiny, examples, EDITS["loreft-dropout"], folder=tmp_path)
    assert steps[0].step == 1


@pytest.mark.slow
@pytest.mark.parametrize("change", [{"epochs": 3}, {"learning_rate": 0.01}, {"batch_size": 8}, {"seed": 8}])
def test_a_checkpoint_of_other_settings_is_not_taken_over(tiny, examples, tmp_path, change):
    steps_of(tiny, examples, folder=tmp_path, should_stop=stop_after(3))
    settings = SETTINGS.model_copy(update=change)
    result, steps = steps_of(tiny, examples, settings=settings, folder=tmp_path)
    assert steps[0].step == 1
    assert same(result.reft, steps_of(tiny, examples, settings=settings)[0].reft)


@pytest.mark.slow
def test_a_checkpoint_of_a_base_of_another_size_is_not_taken_over(tiny, starter, examples, tmp_path):
    steps_of(tiny, examples, EDITS["loreft"], folder=tmp_path, should_stop=stop_after(3))
    _, steps = steps_of(starter, examples, EDITS["loreft"], SETTINGS, folder=tmp_path, should_stop=stop_after(1))
    assert steps[0].step == 1


@pytest.mark.slow
def test_a_checkpoint_of_other_rows_is_not_taken_over(tiny, examples, tmp_path):
    steps_of(tiny, examples, folder=tmp_path)
    changed = [replace(examples[0], answer="no."), *examples[1:]]
    _, steps = steps_of(tiny, changed, folder=tmp_path, should_stop=stop_after(1))
    assert [step.step for step in steps] == [1]


@pytest.mark.slow
def test_a_checkpoint_of_another_base_of_the_same_shape_is_not_taken_over(tiny, make_model, examples, tmp_path):
    steps_of(tiny, examples, folder=tmp_path)
    other = replace(tiny, model=make_model(seed=1, vocab_size=len(tiny.tokenizer), max_position_embeddings=160))
    _, steps = steps_of(other, examples, folder=tmp_path, should_stop=stop_after(1))
    assert [step.step for step in steps] == [1]


def test_a_checkpoint_is_tensors_and_json(tiny, examples, tmp_path):
    steps_of(tiny, examples, folder=tmp_path, should_stop=stop_after(3))
    (path,) = (tmp_path / "checkpoint").iterdir()
    with safe_open(path, framework="pt") as file:
        assert json.loads(file.metadata()["place"])["step"] == 3


# --- what comes out


def test_a_stopped_run_keeps_what_it_learned(tiny, examples, tmp_path):
    result, _ = steps_of(tiny, examples, folder=tmp_path, should_stop=stop_after(4))
    loaded = ReftModel.load(result.adapter, tiny.model)
    ids = torch.arange(4, 16)[None]
    with torch.no_grad():
        assert torch.equal(loaded(ids).logits, result.reft(ids).logits)


def test_a_run_stopped_before_its_first_step_says_so_in_plain_json(tiny, examples, tmp_path):
    result, steps = steps_of(tiny, examples, folder=tmp_path, should_stop=lambda: True)
    assert steps == []
    assert result.stopped
    text = json.dumps(result.summary(), allow_nan=False)
    assert json.loads(text)["loss_first"] is None
    assert "NaN" not in (tmp_path / "adapter/reft_config.json").read_text()


@pytest.mark.slow
def test_the_summary_holds_the_figures(tiny, examples, tmp_path):
    result, steps = steps_of(tiny, examples, settings=WATCHED, folder=tmp_path)
    summary = result.summary()
    assert summary["steps"] == 12
    assert summary["trainable_parameters"] == 3 * (2 * 2 * 32 + 2)
    assert (summary["loss_first"], summary["loss_last"]) == (steps[0].loss, steps[-1].loss)
    assert all(math.isfinite(summary[name]) for name in ("seconds", "held_out_base", "held_out_tuned"))
    kept = json.loads((tmp_path / "adapter/reft_config.json").read_text())["training"]
    assert kept["steps"] == 12
    assert kept["learning_rate"] == 0.02


@pytest.mark.slow
def test_held_out_figures_are_those_that_evaluating_gives(tiny, examples):
    result, _ = steps_of(tiny, examples, settings=WATCHED)
    _, held = split(examples, WATCHED.held_out, WATCHED.seed)
    found = evaluate(tiny, result.reft, held, max_length=SETTINGS.max_length)
    assert found["base"]["loss"] == pytest.approx(result.held_out_base, abs=1e-5)
    assert found["tuned"]["loss"] == pytest.approx(result.held_out_tuned, abs=1e-5)


@pytest.mark.slow
def test_rows_that_were_left_out_are_said_and_counted(tiny, examples):
    long = Example(77, (Message("user", "no " * 300),), "a")
    result, _ = steps_of(tiny, [*examples, long])
    assert len(result.left_out) == 1
    assert result.left_out[0].startswith("Line 77: the prompt has")
    assert result.summary()["rows_left_out"] == 1


@pytest.mark.slow
def test_nothing_held_out_gives_no_held_out_figures(tiny, examples):
    result, _ = steps_of(tiny, examples)
    assert result.held_out_base is None
    assert result.held_out_tuned is None


@pytest.mark.slow
def test_the_adapter_of_a_run_reproduces_and_answers_as_the_model_that_was_trained(starter, examples, tmp_path):
    result, _ = steps_of(starter, examples, settings=TrainConfig(epochs=1, batch_size=8, learning_rate=0.02), folder=tmp_path)
    assert verify_adapter(result.adapter, starter.model) < 1e-4
    loaded = ReftModel.load(result.adapter, starter.model)
    base, tuned, again = generate(starter, "What is 2 cat?", [None, result.reft, loaded], max_new_tokens=20)
    assert tuned == again
    assert tuned != base


@pytest.mark.slow
def test_dropout_draws_nothing_of_the_callers_random_numbers(tiny, examples):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    steps_of(tiny, examples, EDITS["loreft-dropout"])
    assert torch.equal(torch.rand(3), expected)


def test_a_checkpoint_is_of_a_base_model_in_its_precision(tiny, examples, tmp_path):
    steps_of(tiny, examples, folder=tmp_path, should_stop=stop_after(2))
    half = replace(tiny, model=copy.deepcopy(tiny.model).to(torch.bfloat16))
    _, begun_again = steps_of(half, examples, folder=tmp_path, should_stop=stop_after(1))
    assert [step.step for step in begun_again] == [1]


@pytest.mark.parametrize("name", ["loreft", "direft-untied-dropout"])
def test_training_begins_with_an_edit_that_was_trained_before(tiny, examples, tmp_path, name):
    settings = WATCHED.model_copy(update={"keep": "last"})
    first, _ = steps_of(tiny, examples, EDITS[name], settings, folder=tmp_path / "a")
    events = []
    second = train(tiny, examples, EDITS[name], settings, start=first.adapter, folder=tmp_path / "b", on_event=events.append)
    measured = [event for event in events if isinstance(event, HeldOutEvent)]
    assert measured[0].step == 0 and measured[0].loss == pytest.approx(first.evidence.last, rel=1e-5)
    assert measured[0].loss < measured[0].loss_base
    again, _ = steps_of(tiny, examples, EDITS[name], settings, start=first.adapter, folder=tmp_path / "c")
    assert same(again.reft, second.reft)


def test_training_begins_only_with_an_edit_of_its_own_kind(tiny, examples, tmp_path):
    first, _ = steps_of(tiny, examples, folder=tmp_path / "a")
    with pytest.raises(ConfigError, match="only if its config is that of the edit"):
        train(tiny, examples, EDITS["loreft"].model_copy(update={"rank": 1}), SETTINGS, start=first.adapter)
    with pytest.raises(AdapterError):
        train(tiny, examples, EDITS["loreft"], SETTINGS, start=tmp_path / "nothing")
