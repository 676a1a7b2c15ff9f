"""Estimates: what a run will compute follows from lengths, and its cost from what was measured."""

import json
from contextlib import contextmanager
from dataclasses import asdict, replace

import pytest

from reft_engine import PeftConfig, ReftConfig, TrainConfig, train
from reft_engine.data import Preference, as_rows
from reft_engine.errors import DataError
from reft_engine.positions import PositionSpec
from reft_engine.training.costs import Line, line_through
from reft_engine.training.estimate import Probe, estimate_run, probe, put_together
from reft_engine.training.events import StepEvent
from reft_engine.training.loop import RunState, share_reuse
from reft_engine.training.memory import Peak, available_memory
from reft_engine.training.objectives import objective_for
from reft_engine.training.probing import Prober
from reft_engine.training.row_check import read_checked
from reft_engine.training.row_facts import Listed
from reft_engine.training.row_sizes import cut
from reft_engine.training.rows import encoded_of, read_rows
from reft_engine.training.run_layout import Layout, SizedRun
from tests.needed import another_machine

ROWS = [(f"question {number} {'why ' * (40 if number % 9 == 4 else number % 7)}", f"answer {number}") for number in range(40)]
PAIRS = [Preference(line, as_rows([ROWS[line]])[0].messages, "yes", "certainly not") for line in range(12)]


def sized(base, rows, config, settings):
    rule = PositionSpec.parse(config.positions if isinstance(config, ReftConfig) else "f7+l7")
    checked = read_checked(base, Listed(as_rows(rows)), config, settings)
    return SizedRun(*checked.sized(settings.held_out, settings.held_out_seed, rule), settings)


@pytest.mark.parametrize("positions", ["l1", "f2+l2", "all"])
@pytest.mark.parametrize("settings", [{}, {"packing": False}, {"pass_tokens": 60}, {"gradient_accumulation": 2}, {"reuse": "none"}])
def test_batches_and_passes_are_those_that_the_run_makes(tiny, positions, settings):
    config, settings = ReftConfig(positions=positions), TrainConfig(epochs=3, batch_size=5, **settings)
    run = sized(tiny, ROWS, config, settings)
    objective = objective_for(tiny, config, settings, [])
    split = read_rows(objective, as_rows(ROWS)).split(settings.held_out, settings.held_out_seed)
    state = RunState(objective, encoded_of(split.trained))
    share_reuse([state], [[]], None)
    assert [row.all_tokens for row in run.held_out] == [objective.length([row.encoded]) for row in split.held_out]
    assert run.steps == state.total_steps
    prober = Prober(tiny, run, Listed(as_rows(ROWS)).at, config, contextmanager(lambda: iter([None])))
    layout = prober._layout(state)
    for epoch in range(3):
        for batch, real in zip(run.batches(epoch), state.batches_of(epoch), strict=True):
            assert [row.length for row in batch] == [row.length for row in real]
    while state.step < state.total_steps:
        ours = [rows for batch in state.batches() for rows in layout.passes([as_sized(run, objective, row) for row in batch])]
        state.begin_step()
        assert [len(rows) for rows in ours] == [len(rows) for rows in state.micro_batches]
        assert sum(row.all_tokens for rows in ours for row in rows) == state.step_tokens
        state.step += 1


def as_sized(run, objective, row):
    return next(each for each in run.trained if each.all_tokens == objective.length([row]))


@pytest.mark.parametrize("rows", [ROWS, ROWS[:4], [("why " * 90, "yes")] + [("why", "yes")] * 30], ids=["mixed", "few", "one long row"])
@pytest.mark.parametrize("positions", ["l1", "f3", "all"])
def test_the_layout_is_that_of_the_run_whatever_rows_are_probed(tiny, rows, positions):
    config, settings = ReftConfig(positions=positions), TrainConfig(epochs=2, held_out=0.0)
    run = sized(tiny, rows, config, settings)
    objective = objective_for(tiny, config, settings, [])
    state = RunState(objective, encoded_of(read_rows(objective, as_rows(rows)).usable))
    share_reuse([state], [[]], None)
    prober = Prober(tiny, run, Listed(as_rows(rows)).at, config, contextmanager(lambda: iter([None])))
    prober.speed(run.batches(0)[0], 30)
    layout = prober.times([cut(run.batches(0)[0], 30)], cut(run.batches(0)[0], 30)).layout
    assert layout == prober._layout(state)


def test_the_longest_pass_is_the_largest_that_there_is(tiny):
    settings = TrainConfig(epochs=2, batch_size=4, pass_tokens=10_000)
    run = sized(tiny, ROWS, ReftConfig(), settings)
    layout = Layout(10_000)
    longest = run.longest_pass(layout, 2)
    assert layout.tokens(longest) == max(layout.tokens(batch) for epoch in range(2) for batch in run.batches(epoch))
    assert max(row.length for row in longest) == max(row.length for row in run.trained)


def test_a_line_is_through_what_was_measured_and_never_below_zero():
    assert line_through([(1, 3.0), (2, 5.0), (4, 9.0)]) == Line(pytest.approx(1.0), pytest.approx(2.0))
    assert line_through([(10, 5.0)]) == Line(0.0, 0.5)
    assert line_through([(10, 5.0), (20, 4.0)]).each == 0
    assert line_through([(10, 1.0), (20, 40.0)]).fixed == 0


PIECES = Probe(
    layout=Layout(1000, stored=True, late=True, by_late=True, early_bytes=10, late_bytes=1), first=Line(1.0, 0.1), later=Line(0.5, 0.2),
    read=0.01, begin=0.3, measure=0.02, again=0.01, sample=2.0, confirm=0.2, model_bytes=1_000_000, step_bytes=500_000,
    measure_bytes=700_000, token_bytes=30.0, longest=99, budget=10**9, room=10**9, head=False, parameters=10**9, device="cpu", seconds=1.0,
)  # fmt: skip


def test_the_pieces_are_put_together_by_hand(tiny):
    settings = TrainConfig(epochs=4, batch_size=10, held_out=0.0, packing=False)
    run = sized(tiny, ROWS, ReftConfig(positions="l1"), settings)
    found = put_together(PIECES, run)
    batches = run.batches(0)
    padded = [len(batch) * max(row.tokens[0] for row in batch) for batch in batches]
    late = [len(batch) * max(row.tokens[0] - row.firsts[0] for row in batch) for batch in batches]
    assert found.first_epoch_seconds == pytest.approx(sum(1.0 + 0.1 * tokens for tokens in padded))
    assert found.later_epoch_seconds == pytest.approx(sum(0.5 + 0.2 * tokens for tokens in late))
    assert found.reading_seconds == pytest.approx(0.3 + 0.4) and found.measuring_seconds == 0
    assert found.seconds == pytest.approx(found.first_epoch_seconds + 3 * found.later_epoch_seconds + 0.7)
    early = sum(row.firsts[0] for row in run.trained)
    tokens = sum(row.tokens[0] for row in run.trained)
    assert found.stored_bytes == 10 * early + (tokens - early)
    assert found.memory_bytes == 1_000_000 + 700_000 + found.stored_bytes + 30 * tokens
    assert json.loads(json.dumps(asdict(found))) == asdict(found)


def test_what_does_not_fit_into_the_room_for_reuse_costs_every_epoch_as_much_as_the_first(tiny):
    run = sized(tiny, ROWS, ReftConfig(positions="l1"), TrainConfig(epochs=4, held_out=0.0))
    whole = put_together(PIECES, run)
    half = put_together(replace(PIECES, room=whole.stored_bytes // 2, budget=100), run)
    assert half.later_epoch_seconds == pytest.approx((whole.first_epoch_seconds + whole.later_epoch_seconds) / 2, rel=0.01)
    assert half.stored_bytes == 100


def test_held_out_rows_and_samples_take_time_too(tiny):
    run = sized(tiny, ROWS, ReftConfig(positions="l1"), TrainConfig(epochs=4, held_out=0.2))
    assert len(run.schedule(10**9, "cpu", 1).steps) == len(run.schedule(10**9, "cpu", 2).steps) == 12
    for head, seconds in ((False, 2.0 * (1 + 0.25 * 13) + 0.2 * 13), (True, 2.0 * 2 * 13)):
        pieces = replace(PIECES, head=head)
        without = put_together(replace(pieces, sample=0.0, confirm=0.0), run).measuring_seconds
        assert put_together(pieces, run).measuring_seconds - without == pytest.approx(seconds)
        assert without > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "settings", "rows"),
    [
        (ReftConfig(positions="l1"), {}, ROWS),
        (ReftConfig(), {"gradient_checkpointing": True, "packing": False}, ROWS),
        (ReftConfig(positions="l1"), {"epochs": 1}, ROWS),
        (ReftConfig(labels=("yes", "no")), {}, [(prompt, "yes" if index % 2 else "no") for index, (prompt, _) in enumerate(ROWS)]),
        (ReftConfig(positions="l1", dropout=0.2), {}, PAIRS),
        (PeftConfig(rank=2), {}, ROWS),
    ],
    ids=["reuse", "checkpointing", "one epoch", "labels", "pairs", "lora"],
)
def test_every_kind_of_run_is_estimated_and_can_then_be_made(tiny, config, settings, rows):
    settings = TrainConfig(**{"epochs": 2, "held_out": 0.2, **settings})
    before = {name: weight.clone() for name, weight in tiny.model.named_parameters()}
    found = estimate_run(tiny, rows, config, settings)
    assert found.seconds > found.first_epoch_seconds > 0 and found.later_epoch_seconds > 0 and found.measuring_seconds > 0
    steps = []
    result = train(tiny, rows, config, settings, on_event=lambda event: steps.append(event) if isinstance(event, StepEvent) else None)
    assert found.steps == result.total_steps == len(steps)
    assert all((weight == before[name]).all() for name, weight in tiny.model.named_parameters())


def test_every_use_of_the_base_model_waits_for_its_turn(tiny, monkeypatch):
    inside = []

    @contextmanager
    def exclusive():
        inside.append(True)
        yield
        inside.pop()

    model, outside = tiny.model, []
    handle = model.register_forward_pre_hook(lambda *_: None if inside else outside.append(True))
    try:
        settings = TrainConfig(epochs=2, held_out=0.2)
        run = sized(tiny, ROWS, ReftConfig(), settings)
        assert isinstance(probe(tiny, run, Listed(as_rows(ROWS)).at, ReftConfig(), exclusive), Probe)
    finally:
        handle.remove()
    assert outside == [] and inside == []


def test_without_a_row_to_train_on_there_is_no_estimate(tiny):
    with pytest.raises(DataError, match="There is no row to train on"):
        estimate_run(tiny, [("why " * 400, "yes")], ReftConfig(), TrainConfig())


def test_the_peak_of_a_piece_of_work_is_seen_after_it_is_gone():
    peak = Peak("cpu")
    peak.begin()
    if peak.end() is None:
        another_machine("this system does not tell a process's peak of memory")
    peak.begin()
    block = bytearray(60_000_000)
    for at in range(0, len(block), 4096):
        block[at] = 1
    del block
    growth = peak.end()
    assert 55_000_000 < growth.added < 90_000_000
    peak.begin()
    assert peak.end().added < 20_000_000
    assert available_memory("cpu") > growth.before
