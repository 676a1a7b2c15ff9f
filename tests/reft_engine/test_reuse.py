"""What a frozen base model need not compute twice: the same losses and weights, with fewer blocks and columns."""

import errno
import os
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoConfig, AutoModelForCausalLM

from reft_engine import ReftConfig, ReftModel, TrainConfig
from reft_engine.base import blocks
from reft_engine.base.loading import TEXT_TEMPLATE
from reft_engine.data import as_rows
from reft_engine.positions import PositionSpec, edited_tokens, prompt_positions
from reft_engine.tokens.batches import in_passes
from reft_engine.tokens.examples import EncodedExample, EncodedPreference, encode
from reft_engine.training import loop, losses
from reft_engine.training.events import ReuseEvent
from reft_engine.training.objectives import NextToken
from reft_engine.training.reuse.plan import Plan, Reuse, plan_reuse
from reft_engine.training.reuse.store import Budget, Store
from tests.needed import packages
from tests.reft_engine import families
from tests.reft_engine.families import BLOCKS, DECODERS, ENCODER_DECODERS
from tests.reft_engine.runs import close, run_of, same, watched, writer

ANIMALS = ("cat", "dog", "cow", "hen")
TALK = [("Hi " * (4 * times) + f"{animal}", f"{times} {animal}.") for times in range(3) for animal in ANIMALS]
"""Prompts of one token to some twenty, more than any sliding window of `families`."""
MARKED = [("Hi " * (4 * times) + f"<reft>{animal}</reft> now", f"{times} {animal}.") for times in range(3) for animal in ANIMALS]
PAIRS = [(prompt, answer, "no idea at all") for prompt, answer in TALK]
SETTINGS = TrainConfig(epochs=3, batch_size=4, learning_rate=0.02, held_out=0, seed=3)
STEPS = 3
EDITS = {
    "last-of-all-layers": ReftConfig(rank=2, positions="l1"),
    "last-of-the-top": ReftConfig(rank=2, positions="l3", layers=[BLOCKS - 1]),
    "both-ends": ReftConfig(rank=2, positions="f2+l2", layers=[1, 2]),
    "marked": ReftConfig(rank=2, positions="marked", layers=[1, 2]),
    "untied": ReftConfig(method="direft", rank=2, positions="f1+l2", tied=False, layers=[0, 2]),
}
LAST = EDITS["last-of-all-layers"]
UPPER = ReftConfig(rank=2, positions="l1", layers=[1, 2])
ALIBI = "falcon-alibi"


def settled(**changes):
    return SETTINGS.model_copy(update=changes)


def rows_for(config):
    return MARKED if config.positions == "marked" else TALK


def encoded(base, rows, config):
    return [encode(base, row, 512, config) for row in as_rows(rows)]


def first_edited(row, config):
    assert row.edited.prefix or config.positions != "marked"
    groups = prompt_positions(PositionSpec.parse(config.positions), len(row.prompt_ids), row.edited.prefix)
    return min([token for tokens in groups for token in tokens], default=len(row.prompt_ids) - 1)


@pytest.fixture(scope="module")
def base_of(starter):
    kept = {}

    def build(name):
        if name not in kept:
            kept[name] = writer(starter, "falcon", alibi=True) if name == ALIBI else writer(starter, name)
        return kept[name]

    return build


@pytest.fixture(scope="module")
def llama(base_of):
    return base_of("llama")


def on_and_off(base, rows, config, settings=SETTINGS, **tolerance):
    """Both runs, of which is shown that they are the same; the second with reuse."""
    off = run_of(base, rows, config, settings.model_copy(update={"reuse": "none", "packing": False}))
    on = run_of(base, rows, config, settings)
    assert not off.of(ReuseEvent)
    assert on.share > 0
    assert close(on, off, **tolerance)
    return off, on


def epochs_of(base, rows, config, settings, steps=STEPS, packing=False):
    """The run, of padded batches unless asked for otherwise, and what the base model computed in each of its epochs."""
    settings = settings.model_copy(update={"packing": packing})
    with watched(base.model) as seen:

        def hear(event):
            if getattr(event, "total_steps", 0) and event.step % steps == 0:
                seen.append(type(seen[0])())

        run = run_of(base, rows, config, settings, on_event=hear)
    return run, seen[: settings.epochs]


# --- the same, and less of it


@pytest.mark.slow
@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("name", [*DECODERS, ALIBI])
def test_every_family_learns_the_same_from_the_edited_tokens_and_blocks_alone(base_of, name, edit):
    base, config = base_of(name), EDITS[edit]
    lowest = 0 if config.layers == "all" else config.layers[0]
    rows = encoded(base, rows_for(config), config)
    firsts = [first_edited(row, config) for row in rows]
    off, plain = epochs_of(base, rows_for(config), config, settled(epochs=2, reuse="none"))
    on, seen = epochs_of(base, rows_for(config), config, settled(epochs=2))
    assert on.share > 0
    assert close(on, off)
    assert plain[-1].blocks[True] == set(range(BLOCKS))
    for epoch in seen:
        assert len(epoch.learning) == STEPS
        assert epoch.blocks[True] == set(range(lowest + 1, BLOCKS))
        assert max(columns for _, columns in epoch.learning) == max(row.length - first for row, first in zip(rows, firsts, strict=True))
    assert seen[0].reading
    assert not any(epoch.reading for epoch in seen[1:])
    assert (max(firsts) > 0) == ("part of each prompt" in on.sentence)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "columns", "lowest"), [("depth", "all", 1), ("time", "few", -1), ("all", "few", 1)])
def test_each_kind_of_reuse_saves_its_part(llama, kind, columns, lowest):
    off, plain = epochs_of(llama, TALK, UPPER, settled(reuse="none"))
    on, seen = epochs_of(llama, TALK, UPPER, settled(reuse=kind))
    assert close(on, off)
    assert seen[1].blocks[True] == set(range(lowest + 1, BLOCKS))
    assert (seen[1].learning == plain[1].learning) == (columns == "all")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["llama", "mistral", "gpt2", "bloom", ALIBI])
def test_rows_whose_edits_begin_anywhere_share_a_batch(base_of, name):
    base, config = base_of(name), ReftConfig(rank=2, positions="marked", layers=[1])
    rows = [(f"<reft>Hi</reft> {animal}" + " Hi" * 20, f"{animal}.") for animal in ANIMALS]
    rows += [("Hi " * 20 + f"<reft>{animal}</reft>", f"{animal} " * 9) for animal in ANIMALS]
    rows += [(f"<reft>{animal}</reft>", f"{animal}.") for animal in ANIMALS]
    firsts = [first_edited(row, config) for row in encoded(base, rows, config)]
    assert min(firsts) == 0
    assert max(firsts) >= 20
    on_and_off(base, rows, config, settled(batch_size=12, epochs=6))


@pytest.mark.slow
@pytest.mark.parametrize("positions", ["f7+l7", "l7", "l30"])
def test_prompts_that_are_shorter_than_the_rule_are_learned_from_as_before(llama, positions):
    on_and_off(llama, TALK, ReftConfig(rank=2, positions=positions, layers=[1]), settled(batch_size=12, epochs=6))


@pytest.mark.slow
def test_a_row_without_a_prompt_is_learned_from_as_before(llama):
    on_and_off(llama, [("", "cat dog."), *TALK], LAST)


@pytest.mark.slow
def test_equal_rows_are_kept_once_and_learned_from_as_often_as_they_come(llama, monkeypatch):
    reserved = spy(monkeypatch).reserved
    rows = [row for row in as_rows(TALK) for _ in range(2)]
    on_and_off(llama, rows, LAST, settled(batch_size=8))
    once = sum(reserved)
    reserved.clear()
    run_of(llama, TALK, LAST, SETTINGS)
    assert once == sum(reserved)


# --- with all that a run can do


@pytest.mark.slow
@pytest.mark.parametrize("config", [LAST, UPPER, ReftConfig(rank=2, positions="f2+l2", layers=[1])], ids=["l1", "l1-upper", "f2+l2"])
def test_preference_pairs_are_learned_from_as_before(llama, config):
    off, on = on_and_off(llama, PAIRS, config, settled(held_out=0.2))
    assert on.looks == [(step, pytest.approx(loss, abs=1e-5), pytest.approx(bare, abs=1e-5)) for step, loss, bare in off.looks]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["loreft", "direft", "red"])
def test_dropout_draws_the_same(llama, method):
    config = ReftConfig(method=method, rank=3, positions="l3", layers=[1, 2], dropout=0.4)
    off, _ = on_and_off(llama, TALK, config)
    assert abs(off.losses[-1] - run_of(llama, TALK, config.model_copy(update={"dropout": 0.0}), SETTINGS).losses[-1]) > 1e-3


@pytest.mark.slow
def test_gradient_checkpointing_keeps_what_blocks_give_but_no_keys_and_values(llama):
    settings = settled(gradient_checkpointing=True)
    off, plain = epochs_of(llama, TALK, UPPER, settled(reuse="none"))
    on, seen = epochs_of(llama, TALK, UPPER, settings)
    assert close(on, off)
    assert seen[1].learning == plain[1].learning
    assert seen[1].blocks[True] == {2}
    assert "part of each prompt" not in on.sentence
    assert not run_of(llama, TALK, UPPER, settled(gradient_checkpointing=True, reuse="time", packing=False)).of(ReuseEvent)


@pytest.mark.slow
def test_packed_rows_keep_keys_and_values_with_gradient_checkpointing_too(llama):
    _, on = on_and_off(llama, TALK, UPPER, settled(gradient_checkpointing=True))
    assert "part of each prompt" in on.sentence


@pytest.mark.slow
@pytest.mark.parametrize("rows", [TALK, PAIRS], ids=["answers", "pairs"])
def test_accumulated_batches_are_learned_from_as_before(llama, rows):
    on_and_off(llama, rows, UPPER, settled(batch_size=2, gradient_accumulation=3))


@pytest.mark.slow
@pytest.mark.parametrize("rows", [TALK, PAIRS], ids=["answers", "pairs"])
def test_a_batch_in_parts_is_the_same_step_and_no_part_is_above_the_budget(llama, rows):
    whole = run_of(llama, rows, UPPER, settled(batch_size=12, reuse="none"))
    for reuse in ("none", "all"):
        parts, seen = epochs_of(llama, rows, UPPER, settled(batch_size=12, reuse=reuse, pass_tokens=60), steps=1)
        assert close(parts, whole)
        assert all(len(epoch.learning) > 1 for epoch in seen)
        assert max(count * columns for epoch in seen for count, columns in epoch.learning) <= 60


def test_what_is_kept_is_computed_within_the_budget_of_a_pass_too(llama):
    _, seen = epochs_of(llama, TALK, UPPER, settled(batch_size=12, pass_tokens=60), steps=1)
    assert max(count * columns for count, columns in seen[0].reading) <= 60


@pytest.mark.slow
@pytest.mark.parametrize("config", [LAST, ReftConfig(rank=2, positions="l2", layers=[BLOCKS - 1])], ids=["all", "top"])
def test_logits_that_are_computed_in_parts_are_the_same(llama, monkeypatch, config):
    off = run_of(llama, TALK, config, settled(reuse="none"))
    monkeypatch.setattr(losses, "_MAX_LOGITS", 3 * len(llama.tokenizer))
    assert close(run_of(llama, TALK, config, SETTINGS), off)


@pytest.mark.slow
def test_a_base_in_half_precision_is_learned_on_as_before_within_its_rounding(starter):
    base = writer(starter, "llama")
    base.model.to(torch.bfloat16)
    on_and_off(base, TALK, UPPER, settled(seed=2), losses=3e-2, weights=6e-2)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "target"), [("llama", "q_proj"), ("gpt2", "c_attn")])
def test_a_base_inside_peft_is_learned_on_as_before(starter, name, target):
    packages("peft", extra="test")
    import peft

    torch.manual_seed(5)
    lora = peft.LoraConfig(r=2, target_modules=[target], init_lora_weights=False, task_type="CAUSAL_LM", fan_in_fan_out=name == "gpt2")
    bare = writer(starter, name)
    own = run_of(bare, TALK, UPPER, SETTINGS)
    _, on = on_and_off(replace(bare, model=peft.get_peft_model(bare.model, lora).eval()), TALK, UPPER)
    assert abs(on.losses[0] - own.losses[0]) > 1e-3


@pytest.mark.slow
def test_held_out_losses_and_samples_are_as_before(llama):
    off, on = on_and_off(llama, TALK, UPPER, settled(held_out=0.3))
    assert len(off.looks) > 3
    assert on.looks == [(step, pytest.approx(loss, abs=1e-5), pytest.approx(bare, abs=1e-5)) for step, loss, bare in off.looks]
    assert on.samples == off.samples


@pytest.mark.slow
def test_in_one_epoch_no_row_that_is_trained_on_is_kept(llama, monkeypatch):
    noted = spy(monkeypatch)
    on_and_off(llama, TALK, UPPER, settled(epochs=1))
    assert not noted.reserved
    on_and_off(llama, TALK, UPPER, settled(epochs=1, held_out=0.2, seed=2))
    assert len(noted.reserved) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ENCODER_DECODERS)
def test_an_encoder_decoder_reuses_nothing(starter, framing, name):
    model = families.build(name, vocab_size=len(starter.tokenizer)).requires_grad_(False)
    base = replace(starter, model=model, template=TEXT_TEMPLATE, tokenizer=framing)
    config = ReftConfig(rank=2, positions="l1", layers=[2])
    runs = [run_of(base, TALK, config, settled(reuse=reuse, packing=reuse == "all")) for reuse in ("none", "all")]
    assert not any(run.of(ReuseEvent) for run in runs)
    assert same(*runs)


# --- cut off and going on


def spy(monkeypatch):
    """Notes of what is kept: the bytes that were set aside and those that were taken, and where."""
    noted = SimpleNamespace(reserved=[], places=[], taken=[])
    reserve, keep = Store.reserve, Store.keep

    def reserving(self, size):
        noted.reserved.append(size)
        noted.places.append(reserve(self, size))
        return noted.places[-1]

    def keeping(self, tensors, place):
        noted.taken.append(sum(tensor.numel() * tensor.element_size() for tensor in tensors))
        return keep(self, tensors, place)

    monkeypatch.setattr(Store, "reserve", reserving)
    monkeypatch.setattr(Store, "keep", keeping)
    return noted


def limit(monkeypatch, memory, disk):
    """Budgets in bytes, as rows of tiny models need few of them."""
    monkeypatch.setattr(loop, "Budget", lambda _memory, _disk, folder: Budget(memory, disk, folder))


def stop_after(count):
    asked = iter(range(count + 1))
    return lambda: next(asked) >= count


BUDGETS = {"ample": None, "some-of-each": (4_000, 4_000), "disk": (0, 10**9), "nothing": (0, 0)}


def long_or_slow(budget, rows):
    """Pairs are read as answers are, so all budgets are tried with these alone."""
    return pytest.mark.long if rows is PAIRS and budget != "some-of-each" else pytest.mark.slow


@pytest.mark.parametrize(
    ("budget", "rows"),
    [
        pytest.param(budget, rows, id=f"{budget}-{name}", marks=long_or_slow(budget, rows))
        for budget in BUDGETS for name, rows in (("answers", TALK), ("pairs", PAIRS))
    ],
)  # fmt: skip
def test_a_run_that_is_cut_off_after_any_step_goes_on_to_the_very_same_weights(llama, tmp_path, monkeypatch, budget, rows):
    if BUDGETS[budget]:
        limit(monkeypatch, *(size * (3 if rows is PAIRS else 1) for size in BUDGETS[budget]))
    noted = spy(monkeypatch)
    config = UPPER.model_copy(update={"dropout": 0.2})
    settings = settled(held_out=0.2, batch_size=2, gradient_accumulation=2, epochs=2)
    whole = run_of(llama, rows, config, settings, folder=tmp_path / "whole")
    assert whole.share > 0
    if budget == "some-of-each":
        assert set(noted.places) == {"memory", "disk", None}, noted.reserved
    total = whole.result.total_steps
    assert total == 6
    for after in range(1, total):
        folder = tmp_path / str(after)
        before = run_of(llama, rows, config, settings, folder=folder, should_stop=asked_in_steps(rows, after))
        assert before.result.steps == after
        later = run_of(llama, rows, config, settings, folder=folder)
        assert before.losses + later.losses == whole.losses
        assert same(later, whole)


def asked_in_steps(rows, count):
    """Stops after so many steps; of pairs, the reference is asked about before them."""
    return stop_after(count + (1 if rows is PAIRS else 0))


@pytest.mark.slow
def test_a_run_may_be_cut_off_after_every_step(llama, tmp_path, monkeypatch):
    limit(monkeypatch, *BUDGETS["some-of-each"])
    settings = settled(held_out=0.2, batch_size=2)
    whole = run_of(llama, TALK, UPPER, settings)
    for _ in range(whole.result.total_steps):
        parts = run_of(llama, TALK, UPPER, settings, folder=tmp_path, should_stop=stop_after(1))
    assert parts.result.steps == whole.result.total_steps
    assert same(parts, whole)


# --- budgets


@pytest.mark.slow
@pytest.mark.parametrize("name", [*DECODERS, ALIBI])
def test_as_many_bytes_are_set_aside_as_are_taken(base_of, monkeypatch, name):
    noted = spy(monkeypatch)
    run_of(base_of(name), TALK, UPPER, SETTINGS)
    assert len(noted.taken) == STEPS
    assert all(taken <= reserved for taken, reserved in zip(noted.taken, noted.reserved, strict=True))
    # Falcon's config does not say how many heads share a key.
    assert (noted.taken == noted.reserved) == (name not in ("falcon", ALIBI))


@pytest.mark.slow
def test_without_a_budget_nothing_is_kept_and_everything_is_learned(llama, monkeypatch):
    noted = spy(monkeypatch)
    off = run_of(llama, TALK, UPPER, settled(reuse="none"))
    on, seen = epochs_of(llama, TALK, UPPER, settled(reuse_memory_mb=0, reuse_disk_mb=0))
    assert close(on, off)
    assert set(noted.places) == {None}
    assert not noted.taken
    assert seen[1].blocks == {True: {2}, False: set(range(BLOCKS))}


def test_what_comes_first_goes_to_memory_what_follows_to_disk_and_the_rest_nowhere():
    store = Store(Budget(100, 50))
    assert [store.reserve(size) for size in (60, 50, 10, 0, 1, 1)] == ["memory", "disk", None, "memory", None, None]


def test_what_is_on_disk_is_read_back_bit_for_bit_and_leaves_no_file(tmp_path):
    store = Store(Budget(0, 10**6, tmp_path / "new"))
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        given = [torch.randn(3, 4), torch.randn(2, 1, 5), torch.empty(0, 2), torch.tensor(-0.0), torch.tensor([torch.nan, torch.inf])]
        given = [value.to(dtype) for value in given]
        kept = store.keep(given, "disk")
        assert [value.shape for value in kept] == [value.shape for value in given]
        pairs = [[value.flatten().view(torch.uint8) for value in both] for both in zip(kept, given, strict=True)]
        assert all(torch.equal(*both) for both in pairs)
    assert not list((tmp_path / "new").iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("packing", [True, False])
@pytest.mark.parametrize("folder", ["new", "deep/new", None])
def test_a_run_that_keeps_rows_on_disk_is_that_which_keeps_them_in_memory_bit_for_bit(llama, tmp_path, monkeypatch, folder, packing):
    noted = spy(monkeypatch)
    root = tmp_path / folder if folder else None
    in_memory = run_of(llama, TALK, UPPER, settled(packing=packing))
    left = []
    on, seen = epochs_of(llama, TALK, UPPER, settled(reuse_memory_mb=0), packing=packing)
    on_disk = settled(reuse_memory_mb=0, packing=packing)
    with_folder = run_of(llama, TALK, UPPER, on_disk, folder=root, on_event=lambda _: left.extend(tmp_path.rglob("reuse-*")))
    assert set(noted.places[STEPS:]) == {"disk"}
    assert len(noted.taken) == 3 * STEPS
    assert same(on, in_memory)
    assert same(with_folder, in_memory)
    assert not seen[1].reading
    assert not left
    assert not list(tmp_path.rglob("reuse-*"))


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="the system sets no room aside on its disk")
@pytest.mark.parametrize(
    ("where", "name", "error"),
    [
        pytest.param(os, "posix_fallocate", OSError(errno.ENOSPC, "No space left on device"), id="full"),
        pytest.param(torch, "from_file", RuntimeError("unable to mmap 64 bytes"), id="too-many"),
    ],
)
def test_a_disk_that_takes_no_more_costs_speed_alone(llama, tmp_path, monkeypatch, where, name, error):
    off = run_of(llama, TALK, UPPER, settled(reuse="none"))
    real, called = getattr(where, name), []

    def second_fails(*args, **options):
        called.append(1)
        if len(called) == 2:
            raise error
        return real(*args, **options)

    monkeypatch.setattr(where, name, second_fails)
    on, seen = epochs_of(llama, TALK, UPPER, settled(reuse_memory_mb=0))
    assert len(called) == STEPS
    assert close(on, off)
    assert 0 < len(seen[1].reading) < len(seen[0].reading)
    called.clear()
    run_of(llama, TALK, UPPER, settled(reuse_memory_mb=0), folder=tmp_path)
    assert not list(tmp_path.rglob("reuse-*"))


# --- noticed where it would be wrong


def bart(starter):
    """A decoder that counts positions from the cache's length, and so cannot be told of padding in it."""
    config = AutoConfig.for_model(
        "bart", vocab_size=len(starter.tokenizer), d_model=32, num_hidden_layers=BLOCKS, decoder_layers=BLOCKS, decoder_attention_heads=4,
        decoder_ffn_dim=48, max_position_embeddings=160, init_std=0.2, pad_token_id=0, is_encoder_decoder=False,
    )  # fmt: skip
    return of_config(starter, config)


def long_rope(starter):
    """A decoder that turns all keys of a batch in another way once a row is longer than it was first trained on."""
    rope = {"rope_type": "longrope", "rope_theta": 10000.0, "short_factor": [1.0] * 4, "long_factor": [3.0] * 4}
    config = AutoConfig.for_model(
        "phi3", vocab_size=len(starter.tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=BLOCKS, num_attention_heads=4,
        max_position_embeddings=160, original_max_position_embeddings=10, initializer_range=0.2, pad_token_id=0,
        rope_parameters={**rope, "original_max_position_embeddings": 10},
    )  # fmt: skip
    return of_config(starter, config)


def of_config(starter, config):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval().requires_grad_(False)
    return replace(starter, model=model, template=TEXT_TEMPLATE)


def with_block(starter, wrap):
    base = writer(starter, "llama")
    block = blocks.find_blocks(base.model)[1]
    block.forward = wrap(block.forward)
    return base


def by_column(starter):
    """A block that adds what depends on the column, whatever stands before it."""

    def wrap(forward):
        def called(hidden, *args, **kwargs):
            return forward(hidden + 0.1 * torch.arange(hidden.shape[1]).unsqueeze(1), *args, **kwargs)

        return called

    return with_block(starter, wrap)


def without_cache(starter):
    """A block that takes no cache."""

    def wrap(forward):
        def called(*args, **kwargs):
            if kwargs.get("past_key_values") is not None:
                raise TypeError("past_key_values")
            return forward(*args, **kwargs)

        return called

    return with_block(starter, wrap)


@pytest.mark.slow
@pytest.mark.parametrize("build", [by_column, without_cache, bart, long_rope])
def test_a_base_model_on_which_it_would_be_wrong_is_noticed_and_learned_on_without(starter, build):
    base = build(starter)
    rows = [*TALK[:4], *TALK[8:], *TALK[4:8]]  # first some that are alike
    off = run_of(base, rows, LAST, settled(reuse="none", packing=False))
    on = run_of(base, rows, LAST, settled(reuse="time", packing=False))
    assert on.share == 0
    assert on.sentence == "Everything is computed anew in each step: on this base model it would not be the same otherwise."
    assert same(on, off)


# --- what is worth it


def row(prompt, answer=2, rule="l1", marked=(), line=1):
    edited = edited_tokens(PositionSpec.parse(rule), prompt, marked)
    return EncodedExample(tuple(range(4, 4 + prompt)), tuple(range(50, 50 + answer)), line, edited=edited)


@pytest.mark.parametrize(
    ("rules", "first"),
    [(["l1"], 7), (["l3"], 5), (["f2+l2"], 0), (["all"], 0), (["l30"], 4), (["marked"], 3), (["l1", "marked"], 3), (["l1", "l5", "l2"], 4)],
)
def test_the_first_edited_token_of_a_row(rules, first):
    assert min(row(8, rule=rule, marked=(3, 6)).first_edited for rule in rules) == first


@pytest.mark.parametrize("rule", ["l1", "marked", "f1"])
@pytest.mark.parametrize("prompt", [0, 1])
def test_of_a_prompt_of_one_token_or_none_all_is_computed(rule, prompt):
    assert row(prompt, rule=rule).first_edited == 0


def test_a_row_that_marks_nothing_is_computed_from_its_prompts_last_token():
    assert row(8, rule="marked").first_edited == 7


def test_the_share_that_is_saved_by_hand():
    # Ten tokens, of which the last three are computed; four blocks forwards, and backwards through those above the lowest edit.
    # Edits of the block 1: 6 x 10 become 4 x 3 (the blocks 2 and 3, both ways).
    assert plan_reuse(1, [row(8)], 4) == Plan(1, True, True, pytest.approx(1 - 12 / 60))
    # Of the prompt's first token on: 6 x 10 become 4 x 10.
    assert plan_reuse(1, [row(8, rule="f1")], 4) == Plan(1, True, False, pytest.approx(1 - 40 / 60))
    # Two rows: of 10 + 6 tokens 3 + 3 are left; the block 0 alone of four is saved in depth: 7 x 16 become 6 x 6.
    assert plan_reuse(0, [row(8), row(4)], 4) == Plan(0, True, True, pytest.approx(1 - 36 / 112))


@pytest.mark.parametrize(
    ("layer", "rule", "count", "rows", "allowed", "found"),
    [
        (0, "f1", 32, [row(8)], {}, (False, False)),
        (0, "l1", 32, [row(8)], {}, (False, True)),
        (31, "l1", 32, [row(8)], {}, (True, True)),
        (31, "all", 32, [row(8)], {}, (True, False)),
        (31, "l1", 32, [row(8)], {"time": False}, (True, False)),
        (31, "l1", 32, [row(8)], {"depth": False}, (False, True)),
        (31, "l1", 32, [row(8)], {"depth": False, "time": False}, (False, False)),
        (0, "l1", 32, [row(2, 98)], {}, (False, False)),
        (1, "l1", 32, [row(8, 98)], {}, (False, True)),
        (0, "l1", 1, [row(1)], {}, (True, False)),
    ],
)  # fmt: skip
def test_what_is_worth_it(layer, rule, count, rows, allowed, found):
    plan = plan_reuse(layer, [row(len(each.prompt_ids), len(each.answer_ids), rule) for each in rows], count, **allowed)
    assert (plan.depth, plan.time) == found
    assert 0.05 <= plan.saved_share <= 1 if any(found) else plan.saved_share == 0


def test_rows_that_come_once_are_read_without_gradients_before_their_first_edit():
    # Ten tokens go forwards through four blocks, and the last three backwards through the blocks 2 and 3.
    expected = Plan(1, False, True, pytest.approx(1 - 46 / 60), again=False)
    assert plan_reuse(1, [row(8)], 4, again=False) == expected
    assert not plan_reuse(1, [row(8, rule="f1")], 4, again=False).saved_share
    assert not plan_reuse(1, [row(8)], 4, again=False, time=False).saved_share


def test_the_plan_in_words():
    both = Plan(2, True, True, 1.0).sentence
    assert both.startswith("Reuses 99% of each step from the second epoch on")
    assert "the part of each prompt before the first edited token and layers 0 to 2 are frozen" in both
    assert "layer 0 is frozen" in Plan(0, True, False, 0.2).sentence
    once = Plan(2, False, True, 0.714, again=False).sentence
    assert once.startswith("Leaves out 71% of each step")
    assert "layer" not in once


# --- parts of a batch


LENGTHS = st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), min_size=1, max_size=20)


@pytest.mark.slow
@given(sizes=LENGTHS, tokens=st.integers(8, 200), pairs=st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_parts_hold_every_row_once_and_are_within_the_budget_unless_of_one_row(sizes, tokens, pairs):
    rows = [row(prompt, answer, line=line) for line, (prompt, answer) in enumerate(sizes)]
    if pairs:
        rows = [EncodedPreference(each, replace(each, answer_ids=(3,))) for each in rows]
    parts = list(in_passes(rows, tokens, lambda each: (1 + pairs) * each.length))
    assert sorted(map(repr, (each for part in parts for each in part))) == sorted(map(repr, rows))
    assert [each.length for part in parts for each in part] == sorted(each.length for each in rows)
    for part in parts:
        padded = len(part) * (1 + pairs) * max(each.length for each in part)
        assert padded <= tokens or len(part) == 1
    assert all(parts)


# --- of any rows and edits


@pytest.mark.slow
@pytest.mark.parametrize("name", ["llama", "gpt2", "bloom"])
@given(data=st.data())
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_losses_of_any_rows_under_any_edit_are_the_same(base_of, name, data):
    base = base_of(name)
    positions = data.draw(st.sampled_from(["l1", "l3", "f2+l1", "f1", "all", "marked"]))
    layers = data.draw(st.sets(st.integers(0, BLOCKS - 1), min_size=1))
    depth, time = data.draw(st.sampled_from([(True, True), (True, False), (False, True), (False, False)]))
    rows = []
    for line, (prompt, answer) in enumerate(data.draw(st.lists(st.tuples(st.integers(1, 12), st.integers(1, 6)), min_size=1, max_size=6))):
        ids = data.draw(st.lists(st.integers(0, 1999), min_size=prompt + answer, max_size=prompt + answer))
        marked = data.draw(st.sets(st.integers(0, prompt - 1), min_size=positions == "marked"))
        edited = edited_tokens(PositionSpec.parse(positions), prompt, marked)
        rows.append(EncodedExample(tuple(ids[:prompt]), tuple(ids[prompt:]), line, edited=edited))
    config = ReftConfig(rank=2, positions=positions, layers=sorted(layers))
    reft = ReftModel(base.model, config, seed=data.draw(st.integers(0, 9))).eval()
    objective = NextToken(base, config, SETTINGS)
    plain = objective.outputs(rows, reft, reft.acting())
    budget = Budget(data.draw(st.sampled_from([0, 9000, 10**9])))
    packed = data.draw(st.booleans()) and name != "bloom"
    reuse = Reuse(base, Plan(min(layers), depth, time, packed=packed), budget)
    reuse.register([rows[: data.draw(st.integers(0, len(rows)))], rows[1:]])
    for _ in range(2):
        assert (objective.outputs(rows, reft, reft.acting(), reuse) - plain).abs().max() < 1e-5 * plain.abs().max()
