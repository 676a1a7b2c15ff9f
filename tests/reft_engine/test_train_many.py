"""Several runs as rows of the same passes: each ends as it would alone."""

from dataclasses import replace
from functools import partial

import pytest
import torch

from reft_engine import PeftConfig, ReftConfig, ReftModel, TrainConfig, train_many
from reft_engine.data import as_rows
from reft_engine.errors import ConfigError, TrainingError
from reft_engine.training import Followed, GroupMember, train_group
from reft_engine.training import run as run_module
from reft_engine.training.events import HeldOutEvent, ReuseEvent, StepEvent
from reft_engine.training.objectives import NextToken
from tests.reft_engine.runs import WEIGHTS, Run, close, run_of, same, watched, writer

ANIMALS = ("cat", "dog", "cow", "hen")
TALK = [("Hi " * (4 * times) + f"{animal}", f"{times} {animal}.") for times in range(3) for animal in ANIMALS]
MARKED = [("Hi " * (4 * times) + f"<reft>{animal}</reft> now", f"{times} {animal}.") for times in range(3) for animal in ANIMALS]
PAIRS = [(prompt, answer, "no idea at all") for prompt, answer in TALK]
NAMED = [(prompt, "few" if index < 6 else "many") for index, (prompt, _) in enumerate(TALK)]
LABELS = ("few", "many")
SETTINGS = TrainConfig(epochs=2, batch_size=4, learning_rate=0.02, held_out=0, seed=3)
STEPS = 6


def settled(**changes):
    return SETTINGS.model_copy(update=changes)


ALIKE = [(ReftConfig(rank=2, positions="l1"), settled(seed=seed)) for seed in (1, 2, 3)]
DIFFERENT = [
    (ReftConfig(rank=2, positions="l1", layers=[1, 2]), settled()),
    (ReftConfig(method="direft", rank=4, positions="l3", layers=[2], dropout=0.3), settled(seed=5, epochs=4, learning_rate=0.005)),
    (ReftConfig(method="red", positions="l2"), settled(batch_size=5, gradient_accumulation=2, epochs=3, held_out=0.3)),
    (ReftConfig(rank=3, positions="f1+l1", tied=False, layers=[1]), settled(batch_size=12, pass_tokens=60, weight_decay=0.1)),
]
LATE = [
    (ReftConfig(rank=2, positions="marked", layers=[1]), settled(seed=1)),
    (ReftConfig(rank=2, positions="l1", layers=[2]), settled(seed=2, epochs=3)),
    (ReftConfig(rank=1, positions="l3", layers=[1, 2]), settled(batch_size=3)),
]
SETS = {
    "alike": (TALK, ALIKE),
    "different": (TALK, DIFFERENT),
    "late": (MARKED, LATE),
    "pairs": (PAIRS, DIFFERENT),
    "classes": (NAMED, [(config.model_copy(update={"labels": LABELS}), wanted) for config, wanted in DIFFERENT]),
    "poolings": (
        NAMED,
        [
            (ReftConfig(rank=2, positions="all", labels=LABELS, pooling="mean"), settled(head_learning_rate=0.001)),
            (ReftConfig(rank=2, positions="l1", labels=(*LABELS, "none"), pooling="last"), settled(batch_size=3)),
        ],
    ),
    "betas": (PAIRS, [(ReftConfig(rank=2, positions="l1"), settled(preference_beta=beta)) for beta in (0.1, 2.0)]),
    "checkpointed": (TALK, [(config, settled(seed=seed, gradient_checkpointing=seed > 0)) for seed, (config, _) in enumerate(ALIKE)]),
}


@pytest.fixture(scope="module")
def llama(starter):
    return writer(starter, "llama")


def together(base, rows, runs, **options):
    events = [[] for _ in runs]
    found = train_many(base, rows, runs, on_event=lambda index, event: events[index].append(event), **options)
    return [Run(result, heard) for result, heard in zip(found, events, strict=True)]


def alone(base, rows, runs):
    return [run_of(base, rows, *wanted) for wanted in runs]


def stop_after(count):
    asked = iter(range(count + 1))
    return lambda: next(asked) >= count


def without(runs, **changes):
    return [(config, wanted.model_copy(update=changes)) for config, wanted in runs]


@pytest.fixture
def _no_steps_of_rounding(monkeypatch):
    """AdamW steps as far along a gradient of 1e-8, which is all rounding (one of a thousand weights of a head has it), as along any."""
    monkeypatch.setattr(torch.optim, "AdamW", partial(torch.optim.AdamW, eps=1e-5))


@pytest.mark.slow
@pytest.mark.usefixtures("_no_steps_of_rounding")
@pytest.mark.parametrize("reuse", ["all", "none"])
@pytest.mark.parametrize("name", SETS)
def test_each_run_learns_what_it_learns_alone(llama, name, reuse):
    rows, runs = SETS[name]
    runs = without(runs, reuse=reuse)
    found = together(llama, rows, runs)
    for ours, own in zip(found, alone(llama, rows, runs), strict=True):
        assert close(ours, own)
        assert (ours.result.steps, ours.result.stopped) == (own.result.steps, False)
        assert ours.looks == [(step, pytest.approx(loss, abs=1e-5), pytest.approx(bare, abs=1e-5)) for step, loss, bare in own.looks]
        assert ours.samples == own.samples
    assert len({run.losses[-1] for run in found}) == len(runs)


@pytest.mark.slow
@pytest.mark.usefixtures("_no_steps_of_rounding")
@pytest.mark.parametrize("name", SETS)
def test_packed_rows_of_several_runs_are_learned_from_as_padded_rows_of_each(llama, name):
    rows, runs = SETS[name]
    found = together(llama, rows, runs)
    assert all("no padding" in run.sentence for run in found)
    # At a beta of 2 a loss of 0.01 is what is left of sums of some ten nats.
    allowed = {"losses": 1e-4} if name == "betas" else {}
    for ours, own in zip(found, alone(llama, rows, without(runs, packing=False, reuse="none")), strict=True):
        assert close(ours, own, **allowed)


@pytest.mark.slow
@pytest.mark.parametrize("positions", ["f2+l2", "l1"])
def test_rows_that_only_one_of_the_runs_has_count_too(starter, positions):
    """A row that one run cuts below the base model's window and another does not."""
    base = writer(starter, "mistral", sliding_window=12)
    rows = [(prompt, answer * 3) for prompt, answer in TALK]
    runs = [(ReftConfig(rank=2, positions=positions), settled(max_length=longest)) for longest in (12, 64)]
    for order in (runs, runs[::-1]):
        found = together(base, rows, order)
        assert not any("no padding" in run.sentence for run in found)
        for ours, own in zip(found, alone(base, rows, without(order, packing=False, reuse="none")), strict=True):
            assert close(ours, own)


@pytest.mark.slow
@pytest.mark.parametrize("other", ["last", "mean"])
def test_what_only_one_of_the_heads_reads_counts_too(starter, other):
    """Behind a window a text's first token is as ever, and so is what a head makes of it."""
    base = writer(starter, "mistral", sliding_window=8)
    runs = [(ReftConfig(rank=2, positions="f1+l1", labels=LABELS, pooling=pooling), SETTINGS) for pooling in ("first", other)]
    for order in (runs, runs[::-1]):
        found = together(base, NAMED, order)
        assert not any("no padding" in run.sentence for run in found)
        for ours, own in zip(found, alone(base, NAMED, without(order, packing=False, reuse="none")), strict=True):
            assert close(ours, own)
    assert "no padding" in run_of(base, NAMED, *runs[0]).sentence


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gpt2", "bloom", "mistral", "mixtral"])
def test_so_it_is_on_other_families(starter, name):
    base = writer(starter, name)
    for ours, own in zip(together(base, MARKED, LATE), alone(base, MARKED, LATE), strict=True):
        assert close(ours, own)


def test_a_step_of_all_runs_is_one_pass_and_what_is_kept_is_shared(llama):
    runs = [(ReftConfig(rank=2, positions="l1", layers=[1, 2]), settled(learning_rate=rate, packing=False)) for rate in (0.01, 0.02, 0.03)]
    with watched(llama.model) as seen:
        found = together(llama, TALK, runs)
    assert len(seen[0].learning) == STEPS
    assert {rows for rows, _ in seen[0].learning} == {len(runs) * 4}
    assert seen[0].blocks[True] == {2}
    proof = 2 + 2 + 1  # each of two rows alone, what is kept of them (blocks, and tokens before them), both behind it
    kept = STEPS // 2 * 2  # of the batches of an epoch the same two
    assert len(seen[0].reading) == kept + proof
    assert all(run.share > 0 for run in found)


@pytest.mark.slow
@pytest.mark.usefixtures("_no_steps_of_rounding")
@pytest.mark.parametrize(("other", "late"), [("f1", False), ("l3", True)])
def test_reuse_goes_up_to_the_lowest_block_that_any_run_edits_and_to_the_first_token_that_a_rows_own_run_edits(llama, other, late):
    runs = [(ReftConfig(rank=2, positions="l1", layers=[2]), SETTINGS), (ReftConfig(rank=2, positions=other, layers=[1]), SETTINGS)]
    with watched(llama.model) as seen:
        found = together(llama, TALK, runs)
    assert all("layers 0 to 1" in run.sentence and "part of each prompt" in run.sentence for run in found)
    assert seen[0].blocks[True] == {2}
    ends, others = (NextToken(llama, config, SETTINGS) for config, _ in runs)
    rows = as_rows(TALK)
    of_the_first = sum(1 + len(ends.encode(row).answer_ids) for row in rows)
    reached = lambda prompt: min(3, max(1, prompt // 2)) if late else prompt  # noqa: E731
    of_the_other = sum(reached(len(row.prompt_ids)) + len(row.answer_ids) for row in map(others.encode, rows))
    assert sum(size * width for size, width in seen[0].learning) == SETTINGS.epochs * (of_the_first + of_the_other)
    for ours, own in zip(found, alone(llama, TALK, runs), strict=True):
        assert close(ours, own)


@pytest.mark.slow
@pytest.mark.parametrize("at", range(3))
@pytest.mark.parametrize("method", ["loreft", "direft"])
def test_a_run_that_runs_away_ends_alone(llama, tmp_path, at, method):
    absurd = (ReftConfig(method=method, rank=2, positions="l1"), settled(learning_rate=1e30))
    runs = [*ALIKE[:at], absurd, *ALIKE[at:2]]
    found = together(llama, TALK, runs, folder=tmp_path)
    with pytest.raises(TrainingError) as own:
        run_of(llama, TALK, *absurd)
    assert isinstance(found[at].result, TrainingError)
    assert str(found[at].result) == str(own.value)
    assert not (tmp_path / str(at) / "adapter").exists()
    others = [run for index, run in enumerate(found) if index != at]
    for ours, expected in zip(others, alone(llama, TALK, ALIKE[:2]), strict=True):
        assert close(ours, expected)


@pytest.mark.slow
def test_each_run_has_a_folder_of_its_own_and_goes_on_from_it(llama, tmp_path):
    runs = [(config, wanted.model_copy(update={"held_out": 0.2})) for config, wanted in DIFFERENT]
    whole = together(llama, TALK, runs, folder=tmp_path / "whole")
    assert {path.name for path in (tmp_path / "whole").iterdir()} == {"0", "1", "2", "3"}
    for index, run in enumerate(whole):
        folder = tmp_path / "whole" / str(index)
        assert run.result.adapter == folder / "adapter"
        loaded = ReftModel.load(folder / "adapter", llama.model)
        assert same(Run(replace(run.result, reft=loaded), []), run)
    for after in (1, 3, 6):
        cut = tmp_path / str(after)
        before = together(llama, TALK, runs, folder=cut, should_stop=stop_after(after))
        later = together(llama, TALK, runs, folder=cut)
        for first, second, run in zip(before, later, whole, strict=True):
            assert first.losses + second.losses == run.losses
            assert same(second, run)


@pytest.mark.slow
def test_finished_runs_are_not_trained_again(llama, tmp_path):
    first = together(llama, TALK, ALIKE, folder=tmp_path)
    second = together(llama, TALK, ALIKE, folder=tmp_path)
    assert not any(run.losses for run in second)
    assert all(same(ours, own) for ours, own in zip(second, first, strict=True))


@pytest.mark.slow
def test_events_come_with_the_index_of_their_run(llama):
    runs = [(config, wanted.model_copy(update={"held_out": 0.2})) for config, wanted in DIFFERENT]
    for (_, wanted), run in zip(runs, together(llama, TALK, runs), strict=True):
        steps = run.of(StepEvent)
        assert [event.step for event in steps] == list(range(1, run.result.total_steps + 1))
        assert {event.total_steps for event in steps} == {run.result.total_steps}
        assert steps[-1].epoch == wanted.epochs
        assert len(run.of(ReuseEvent)) == 1
        assert min(event.loss for event in run.of(HeldOutEvent)[1:]) == pytest.approx(run.result.held_out_tuned, rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("after", [0, 1, 4])
@pytest.mark.parametrize("rows", [TALK, PAIRS], ids=["answers", "pairs"])
def test_told_to_stop_all_runs_stop(llama, rows, after):
    prepared = len(ALIKE) if rows is PAIRS else 0
    found = together(llama, rows, ALIKE, should_stop=stop_after(after + prepared))
    assert [(run.result.steps, run.result.stopped) for run in found] == [(after, True)] * len(ALIKE)


@pytest.mark.slow
def test_a_run_that_is_over_is_not_called_stopped(llama):
    runs = [(ALIKE[0][0], settled(epochs=epochs)) for epochs in (1, 3)]
    found = together(llama, TALK, runs, should_stop=stop_after(5))
    assert [(run.result.steps, run.result.stopped) for run in found] == [(3, False), (5, True)]


def test_runs_that_classify_and_runs_that_do_not_are_refused_together(llama):
    runs = [(ReftConfig(rank=2), SETTINGS), (ReftConfig(rank=2, labels=LABELS), SETTINGS)]
    with pytest.raises(ConfigError, match="cannot be trained together") as caught:
        train_many(llama, NAMED, runs)
    assert caught.value.field == "labels"


# A group, whose runs end apart


def near(one, other):
    """Whether two results have the same weights but for rounding."""
    ours, theirs = Run(one, []).weights, Run(other, []).weights
    return bool(ours) and all(float((ours[name] - value).abs().max()) <= WEIGHTS for name, value in theirs.items())


def grouped(base, rows, runs, folder, **changes):
    """What each run of a group ended with, and in which order they ended; ``changes`` by the run's index."""
    outcomes, order = {}, []

    def ended(index, outcome):
        outcomes[index] = outcome
        order.append(index)

    members = [
        GroupMember(config, settings, folder / str(index), changes.get(f"run{index}", Followed()), partial(ended, index))
        for index, (config, settings) in enumerate(runs)
    ]
    train_group(base, rows, members)
    return [outcomes[index] for index in range(len(runs))], order


@pytest.mark.slow
def test_a_group_ends_as_its_runs_would_together_and_each_as_soon_as_it_is_done(llama, tmp_path):
    runs = [(ReftConfig(rank=2, positions="l1"), settled(seed=seed, epochs=epochs)) for seed, epochs in ((1, 3), (2, 1), (3, 2))]
    steps = []
    found, order = grouped(llama, TALK, runs, tmp_path, run0=Followed(on_event=lambda event: steps.append(type(event))))
    assert order == [1, 2, 0], "the shortest first"
    wanted = train_many(llama, TALK, runs)
    for one, other in zip(found, wanted, strict=True):
        assert near(one, other)
    assert all((tmp_path / str(index) / "adapter/reft_model.safetensors").is_file() for index in range(3))
    assert steps.count(StepEvent) == 9


@pytest.mark.slow
def test_one_that_is_stopped_stops_alone_and_one_that_fails_fails_alone(llama, tmp_path):
    def refuse(event):
        if isinstance(event, StepEvent) and event.step == 2:
            raise RuntimeError("The one who listens has gone.")

    seen = []
    stopping = Followed(
        on_event=lambda event: seen.append(event) if isinstance(event, StepEvent) else None, should_stop=lambda: bool(seen)
    )  # fmt: skip
    runs = [*ALIKE, (ReftConfig(rank=2, positions="l1", layers=[99]), settled())]
    found, order = grouped(llama, TALK, runs, tmp_path, run0=stopping, run1=Followed(on_event=refuse))
    assert order == [3, 0, 1, 2]
    assert (found[0].stopped, found[0].steps) == (True, 1) and (tmp_path / "0/adapter").is_dir()
    assert isinstance(found[1], RuntimeError) and "has gone" in str(found[1])
    assert isinstance(found[3], ConfigError) and "Layer 99" in str(found[3])
    (alike,) = alone(llama, TALK, ALIKE[2:])
    assert found[2].steps == STEPS and near(found[2], alike.result)


@pytest.mark.slow
def test_what_fails_in_a_pass_of_all_is_raised_and_each_resumes_from_its_own_checkpoint(llama, tmp_path, monkeypatch):
    count = []
    whole = run_module.train_step

    def fail(states):
        count.append(len(states))
        if len(count) == 4:
            raise MemoryError("out of memory")
        return whole(states)

    monkeypatch.setattr(run_module, "train_step", fail)
    monkeypatch.setattr(run_module, "_CHECKPOINT_STEPS", 1)
    monkeypatch.setattr(run_module, "_CHECKPOINT_PAUSE", 0.0)
    ended = []
    members = [
        GroupMember(config, settings, tmp_path / str(index), Followed(), ended.append) for index, (config, settings) in enumerate(ALIKE)
    ]
    with pytest.raises(MemoryError):
        train_group(llama, TALK, members)
    assert ended == [] and all((tmp_path / str(index) / "checkpoint").is_dir() for index in range(3))
    firsts = []
    resumed = [
        replace(each, followed=Followed(on_event=lambda event: firsts.append(event.step) if isinstance(event, StepEvent) else None))
        for each in members
    ]  # fmt: skip
    train_group(llama, TALK, resumed)
    assert min(firsts) == 4, "the steps before are not made again"
    wanted = train_many(llama, TALK, ALIKE)
    assert [result.steps for result in ended] == [STEPS] * 3
    assert all(near(one, other) for one, other in zip(ended, wanted, strict=True))


@pytest.mark.parametrize("runs", [[], [(PeftConfig(), settled())]])
def test_a_group_is_of_edits(llama, tmp_path, runs):
    with pytest.raises(ConfigError):
        grouped(llama, TALK, runs, tmp_path)
