"""Rows one behind another: the same losses, weights and logits as padded rows, or padded rows."""

from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from reft_engine import ReftConfig, ReftModel, TrainConfig
from reft_engine.base import blocks
from reft_engine.base.loading import Base
from reft_engine.data import as_rows, split
from reft_engine.positions import EditedTokens
from reft_engine.tokens import packing
from reft_engine.tokens.batches import collate, epoch_batches
from reft_engine.tokens.examples import EncodedExample
from reft_engine.tokens.packing import Packed
from reft_engine.training import loop
from reft_engine.training.events import ReuseEvent
from reft_engine.training.objectives import Labelling, NextToken
from reft_engine.training.reuse.plan import Plan, Reuse
from reft_engine.training.reuse.store import Budget
from tests.reft_engine import families
from tests.reft_engine.families import DECODERS, ENCODERS
from tests.reft_engine.runs import close, run_of, same, watched, writer

ANIMALS = ("cat", "dog", "cow", "hen")
TALK = [("Hi " * (4 * times) + f"{animal}", f"{times} {animal}.") for times in range(3) for animal in ANIMALS]
NAMED = [(prompt, ("few", "many")[at % 2]) for at, (prompt, _) in enumerate(TALK)]
PAIRS = [(prompt, answer, "no idea at all") for prompt, answer in TALK]
LABELS = ("few", "many")
SETTINGS = TrainConfig(epochs=2, batch_size=6, learning_rate=0.02, held_out=0, seed=3)
READ_PADDED = {
    "mistral": "a window", "gemma2": "a window and a cap", "gemma3": "a window", "gptj": "no torch attention",
    "bloom": "no torch attention", "mpt": "no torch attention", "xglm": "a mask of its own", "falcon-alibi": "a bias of its own",
    "llama-eager": "no torch attention", "deberta-v2": "no torch attention", "modernbert": "a window",
}  # fmt: skip
"""Families of the tests whose attention is more than that of a row to itself; found by the proof, named nowhere in the engine."""
VARIANTS = {"falcon-alibi": ("falcon", {"alibi": True}), "llama-eager": ("llama", {"attn_implementation": "eager"})}
WIDTH = 8
"""Of a head in all families of the tests; how rows attend to what is kept depends on it."""
EDITS = {
    "first-and-last": ReftConfig(rank=2, positions="f2+l2"),
    "last": ReftConfig(rank=2, positions="l1"),
    "upper": ReftConfig(method="direft", rank=2, positions="f1+l2", tied=False, layers=[1, 2]),
}


def settled(**changes):
    return SETTINGS.model_copy(update=changes)


@pytest.fixture(scope="module")
def base_of(starter):
    kept = {}

    def build(name, **overrides):
        key = (name, *overrides.items())
        if key not in kept:
            family, variant = VARIANTS.get(name, (name, {}))
            kept[key] = writer(starter, family, **variant, **overrides)
        return kept[key]

    return build


@pytest.fixture(scope="module")
def llama(base_of):
    return base_of("llama")


def encoder(starter, name):
    model = families.build(name, seed=0, vocab_size=len(starter.tokenizer)).requires_grad_(False)
    return replace(starter, model=model, name=name)


def packs(run):
    return bool(run.of(ReuseEvent)) and "no padding" in run.sentence


def encoded(base, rows, config):
    objective = NextToken(base, config, SETTINGS)
    return [objective.encode(row) for row in as_rows(rows)]


def packed_and_padded(base, rows, config, settings=SETTINGS, **tolerance):
    """Both runs, of which is shown that they are the same."""
    padded = run_of(base, rows, config, settings.model_copy(update={"packing": False}))
    packed = run_of(base, rows, config, settings)
    assert close(packed, padded, **tolerance)
    return packed, padded


# --- the same result


@pytest.mark.slow
@pytest.mark.parametrize("reuse", ["all", "none"])
@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("name", [*DECODERS, *VARIANTS])
def test_every_family_learns_the_same_from_packed_rows_or_is_read_padded(base_of, name, edit, reuse):
    packed, padded = packed_and_padded(base_of(name), TALK, EDITS[edit], settled(reuse=reuse))
    assert not packs(padded)
    assert packs(packed) == (name not in READ_PADDED)


def test_a_packed_pass_has_one_row_of_all_tokens_and_no_padding(llama):
    config = ReftConfig(rank=2, positions="f1+l1")
    with watched(llama.model) as seen:
        run_of(llama, TALK, config, settled(reuse="none", epochs=1))
    assert {rows for rows, _ in seen[0].learning} == {1}
    assert sum(columns for _, columns in seen[0].learning) == sum(row.length for row in encoded(llama, TALK, config))


@pytest.mark.slow
@pytest.mark.parametrize("reuse", ["all", "time"])
@pytest.mark.parametrize("name", [name for name in DECODERS if name not in READ_PADDED])
def test_short_and_long_rests_of_rows_attend_alike_to_what_is_kept(base_of, name, reuse):
    """Behind what is kept, rests of rows of up to two heads' widths are computed in another way than longer ones."""
    config = ReftConfig(rank=2, positions="l1", layers=[1, 2])
    rows = [*TALK, *[("Hi " * 12 + animal, f"{animal} 2 " * 9) for animal in ANIMALS]]
    rests = [row.length - len(row.prompt_ids) + 1 for row in encoded(base_of(name), rows, config)]
    assert min(rests) < 2 * WIDTH < max(rests)
    packed, _ = packed_and_padded(base_of(name), rows, config, settled(reuse=reuse))
    assert packs(packed)
    assert "part of each prompt" in packed.sentence


@pytest.mark.slow
@pytest.mark.parametrize("edit", ["first-and-last", "last"])
@pytest.mark.parametrize("name", ["mistral", "gemma3"])
@pytest.mark.parametrize(("missing", "packed"), [(0, True), (3, False), (8, False)])
def test_rows_are_packed_as_long_as_none_is_longer_than_a_window(base_of, name, edit, missing, packed):
    longest = max(row.length for row in encoded(base_of(name), TALK, EDITS[edit]))
    base = base_of(name, sliding_window=longest - missing)
    assert packs(packed_and_padded(base, TALK, EDITS[edit])[0]) == packed


@pytest.mark.slow
def test_a_row_to_measure_on_that_is_longer_than_a_window_counts_too(base_of):
    rows = [*TALK[:8], ("Hi " * 30 + "cat", "no idea at all.")]
    config = EDITS["first-and-last"]
    seed = next(seed for seed in range(99) if split(as_rows(rows), 0.1, seed)[1] == as_rows(rows)[-1:])
    longest = max(row.length for row in encoded(base_of("mistral"), rows[:-1], config))
    base = base_of("mistral", sliding_window=longest)
    assert packs(run_of(base, rows[:-1], config, SETTINGS))
    packed, padded = packed_and_padded(base, rows, config, settled(held_out=0.1, seed=seed))
    assert not packs(packed)
    assert packed.looks == padded.looks


@pytest.mark.slow
@pytest.mark.parametrize("rows", [PAIRS, NAMED], ids=["pairs", "labels"])
@pytest.mark.parametrize("reuse", ["all", "none"])
def test_pairs_and_labels_are_learned_from_as_padded(llama, rows, reuse):
    labels = LABELS if rows is NAMED else None
    for positions in ("l1", "f2+l2"):
        config = ReftConfig(rank=2, positions=positions, labels=labels)
        packed, _ = packed_and_padded(llama, rows, config, settled(reuse=reuse, seed=1))
        # Of a classifier's last token alone there is no padding that could be spoken of.
        assert packs(packed) == (not (labels and positions == "l1" and reuse == "all"))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["loreft", "direft", "red", "lobireft"])
@pytest.mark.parametrize("packing", [True, False])
def test_a_classifiers_kept_prompt_is_edited_where_it_stands(llama, method, packing):
    config = ReftConfig(method=method, rank=2, positions="l2", labels=LABELS, pooling="last")
    kept = run_of(llama, NAMED, config, settled(packing=packing))
    plain = run_of(llama, NAMED, config, settled(packing=False, reuse="none"))
    assert "part of each prompt" in kept.sentence
    assert close(kept, plain)


@pytest.mark.parametrize("pooling", ["first", "mean"])
@pytest.mark.parametrize("name", ENCODERS)
def test_encoders_classify_as_padded(starter, name, pooling):
    base = encoder(starter, name)
    config = ReftConfig(rank=2, positions="f2", layers=[1, 2], labels=LABELS, pooling=pooling)
    on = run_of(base, NAMED, config, SETTINGS)
    off = run_of(base, NAMED, config, settled(packing=False, reuse="none"))
    assert "layers 0 to 1" in on.sentence
    assert packs(on) == (name not in READ_PADDED)
    assert close(on, off)


def test_an_encoder_is_told_which_of_two_texts_a_packed_token_is_of(starter):
    tokenizer = deepcopy(starter.tokenizer)
    tokenizer.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    base = replace(encoder(starter, "bert"), tokenizer=tokenizer)
    config = ReftConfig(rank=2, positions="f1", layers=[1], labels=LABELS, pooling="first")
    objective = Labelling(base, config, SETTINGS)
    rows = [EncodedExample((3, *range(4, 5 + at), *range(9, 12)), (), at, edited=EditedTokens((0,)), second=2 + at) for at in range(4)]
    assert base.reads_types
    reft = ReftModel(base.model, config).eval()
    plain = objective.outputs(rows, reft, reft.acting())
    blind = objective.outputs([replace(row, second=0) for row in rows], reft, reft.acting())
    assert (plain - blind).abs().max() > 1e-4
    reuse = packing_reuse(base, 1)
    assert collate(base, rows, reuse).run_block is not None
    assert (objective.outputs(rows, reft, reft.acting(), reuse) - plain).abs().max() < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{"gradient_checkpointing": True}, {"gradient_accumulation": 2}, {"pass_tokens": 40}], ids=str)
def test_other_settings_act_on_packed_rows_as_on_padded(llama, changes):
    packed, _ = packed_and_padded(llama, TALK, EDITS["last"], settled(**changes))
    assert packs(packed)


@pytest.mark.slow
@pytest.mark.parametrize("reuse", ["all", "none"])
def test_packed_rows_are_computed_twice_where_gradients_are_checkpointed_bit_for_bit(llama, reuse):
    runs, counts, calls = [], [], []
    hooks = [
        next(block.children()).register_forward_hook(lambda *_: calls.append(1) if torch.is_grad_enabled() else None)
        for block in blocks.find_blocks(llama.model)
    ]
    try:
        for twice in (False, True):
            calls.clear()
            runs.append(run_of(llama, TALK, EDITS["last"], settled(reuse=reuse, gradient_checkpointing=twice)))
            counts.append(len(calls))
    finally:
        for hook in hooks:
            hook.remove()
    assert all(map(packs, runs))
    assert same(*runs)
    # Of four steps: no gradient goes through the first block, which with reuse is not computed at all.
    assert counts == ([4 * 2, 4 * 4] if reuse == "all" else [4 * 3, 4 * 5])


@pytest.mark.slow
@pytest.mark.parametrize("reuse", ["all", "none"])
def test_dropout_draws_the_same_for_packed_rows(llama, reuse):
    config = ReftConfig(rank=2, positions="f2+l2", dropout=0.4)
    packed, _ = packed_and_padded(llama, TALK, config, settled(reuse=reuse))
    assert packs(packed)
    whole = run_of(llama, TALK, config.model_copy(update={"dropout": 0.0}), settled(reuse=reuse))
    assert abs(packed.losses[-1] - whole.losses[-1]) > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("after", [1, 2, 3])
@pytest.mark.parametrize("changes", [{}, {"reuse": "none"}, {"reuse_memory_mb": 0, "reuse_disk_mb": 0}], ids=str)
def test_a_packed_run_that_is_cut_off_goes_on_bit_for_bit(llama, tmp_path, changes, after):
    config, settings = EDITS["last"].model_copy(update={"dropout": 0.2}), settled(**changes)
    whole = run_of(llama, TALK, config, settings)
    asked = iter(range(100))
    run_of(llama, TALK, config, settings, folder=tmp_path, should_stop=lambda: next(asked) >= after)
    rest = run_of(llama, TALK, config, settings, folder=tmp_path)
    assert rest.losses == whole.losses[after:]
    assert packs(rest)
    assert same(rest, whole)


def test_rows_that_are_of_one_length_are_packed_without_a_word(llama):
    alike = [(f"{animal} Hi", f"{animal}.") for animal in ("cat", "dog")] * 3
    settings = settled(reuse="none", epochs=1)
    with watched(llama.model) as seen:
        run = run_of(llama, alike, EDITS["first-and-last"], settings)
    assert {rows for rows, _ in seen[0].learning} == {1}
    assert not run.of(ReuseEvent)
    assert close(run, run_of(llama, alike, EDITS["first-and-last"], settings.model_copy(update={"packing": False})))


@pytest.mark.slow
@pytest.mark.parametrize("positions", ["l1", "f1"])
def test_a_pass_of_one_token_alone_is_not_packed(llama, positions):
    """Of a text of one token all is read, of a longer one under ``l1`` the last token behind what is kept."""
    config = ReftConfig(rank=2, positions=positions, labels=LABELS, pooling="last")
    rows = [("cow", "few"), ("hen", "many"), *NAMED[4:8]]
    settings = settled(batch_size=1, learning_rate=0.001)
    with watched(llama.model) as seen:
        packed = run_of(llama, rows, config, settings)
    assert (1, 1) in seen[0].learning
    assert close(packed, run_of(llama, rows, config, settings.model_copy(update={"packing": False, "reuse": "none"})))


def test_rows_are_packed_on_a_cpu_alone(llama, monkeypatch):
    config = EDITS["last"]
    run = loop.RunState(NextToken(llama, config, SETTINGS), encoded(llama, TALK, config))
    assert {plan.packed for plan in loop._plans([run], loop._lengths([run]))} == {True, False}
    assert loop._plans([run], loop._lengths([run]))[0].packed
    monkeypatch.setattr(Base, "device", property(lambda _: torch.device("cuda")))
    assert {plan.packed for plan in loop._plans([run], loop._lengths([run]))} == {False}


@pytest.mark.parametrize("edit", ["first-and-last", "last"])
def test_rows_are_packed_where_their_padding_costs_more_than_attention_row_by_row(llama, monkeypatch, edit):
    config = EDITS[edit]
    run = loop.RunState(NextToken(llama, config, SETTINGS), encoded(llama, TALK, config))
    late = loop._plans([run], loop._lengths([run]))[0].time
    assert late == (edit == "last")
    batches = epoch_batches(run.rows, SETTINGS.batch_size, SETTINGS.seed, 0)
    lengths = [[row.length - late * (len(row.prompt_ids) - 1) for row in batch] for batch in batches]
    padding = sum(len(each) * max(each) - sum(each) for each in lengths)
    # A block of this model: four products of attention (two of half the width), three of the MLP, and two norms.
    weights = 32 * 32 * 2 + 32 * 16 * 2 + 3 * 32 * 48 + 2 * 32
    most = 4 * weights * padding // len(TALK)
    monkeypatch.setattr(loop, "_ALONE", most)
    assert loop._plans([run], loop._lengths([run]))[0].packed
    monkeypatch.setattr(loop, "_ALONE", most + 1)
    plans = loop._plans([run], loop._lengths([run]))
    assert not any(plan.packed and plan.time == late for plan in plans)


# --- attention by hand


def packing_reuse(base, layer, *, time=False, depth=False):
    plan = Plan(layer, depth, time, packed=True)
    return Reuse(base, plan, Budget(10**9))


@pytest.mark.parametrize("own", [1, 3, 40], ids=lambda own: f"{own}-own")
@pytest.mark.parametrize("before", [0, 1, 25], ids=lambda before: f"{before}-before")
@pytest.mark.parametrize("heads", [(4, 4, 4), (4, 2, 2), (4, 4, 2), (4, 1, 1), (4, 4, 1)], ids=str)
@pytest.mark.parametrize("scale", [None, 0.3])
def test_each_row_attends_to_itself_and_to_what_is_kept_before_it(own, before, heads, scale):
    """Of queries, keys and kept keys; transformers repeats the heads of keys, but not of what its cache gets."""
    torch.manual_seed(0)
    width, lengths = WIDTH, [own, 5, 2]
    many, some, few = heads
    total = sum(lengths)
    query, key, value = (torch.randn(1, each, total, width, requires_grad=True) for each in (many, some, some))
    kept = [torch.randn(2, 2, few, before, width) if before else None, None, torch.randn(2, 2, few, 4, width)]
    found = Packed(lengths, True, kept, first_layer=1).attend(2, query, key, value, scale)
    at, wanted = 0, []
    for length, known in zip(lengths, kept, strict=True):
        keys, values = (part[:, :, at : at + length] for part in (key, value))
        past = 0
        keys, values = (part.repeat_interleave(many // some, dim=1) for part in (keys, values))
        if known is not None:
            early, past = known[1].repeat_interleave(many // few, dim=1), known.shape[3]
            keys, values = torch.cat([early[:1], keys], 2), torch.cat([early[1:], values], 2)
        scores = query[:, :, at : at + length] @ keys.mT * (width**-0.5 if scale is None else scale)
        seen = torch.ones(length, past + length, dtype=torch.bool).tril(past)
        wanted.append(scores.masked_fill(~seen, -torch.inf).softmax(-1) @ values)
        at += length
    wanted = torch.cat(wanted, dim=2)
    assert found.shape == wanted.shape
    assert (found - wanted).abs().max() < 1e-5
    weights = torch.randn_like(wanted)
    ours, theirs = (torch.autograd.grad((each * weights).sum(), (query, key, value)) for each in (found, wanted))
    assert all((a - b).abs().max() < 1e-5 for a, b in zip(ours, theirs, strict=True))


def test_an_encoders_rows_see_all_of_themselves_and_nothing_else():
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 1, 2, 7, 4).unbind()
    found = Packed([3, 4], causal=False).attend(0, query, key, value, None)
    for rows in (slice(0, 3), slice(3, 7)):
        alone = F.scaled_dot_product_attention(query[:, :, rows], key[:, :, rows], value[:, :, rows])
        assert (found[:, :, rows] - alone).abs().max() < 1e-6


class Block(nn.Module):
    """A block that mixes tokens as it is told to."""

    def __init__(self, mix):
        super().__init__()
        self.mix = mix

    def forward(self, hidden):
        return self.mix(hidden)


def test_a_block_without_torchs_attention_is_not_run_on_packed_rows():
    with pytest.raises(RuntimeError, match="has not called"):
        Packed([2, 3])(0, Block(lambda hidden: hidden.cumsum(1)))(torch.randn(1, 5, 4))


@pytest.mark.parametrize(("queries", "keys"), [((1, 4), (1, 4)), ((1, 6), (1, 6)), ((1, 5), (1, 9)), ((1, 2), (1, 5)), ((2, 5), (2, 5))])
def test_a_block_whose_attention_has_other_tokens_is_not_run_on_packed_rows(queries, keys):
    (rows, tokens), (others, more) = queries, keys
    query, key = torch.randn(rows, 1, tokens, 4), torch.randn(others, 1, more, 4)
    with pytest.raises(RuntimeError, match="other tokens"):
        Packed([2, 3])(0, Block(lambda _: F.scaled_dot_product_attention(query, key, key)))(torch.randn(1, 5, 4))


def test_attention_outside_a_block_and_in_other_calls_is_torchs_own(monkeypatch):
    calls = []
    monkeypatch.setattr(packing.Packed, "attend", lambda *_args, **_options: calls.append(1))
    heads = torch.randn(1, 1, 5, 4)
    F.scaled_dot_product_attention(heads, heads, heads)
    assert not calls
    Packed([2, 3])(0, Block(lambda _: F.scaled_dot_product_attention(heads, heads, heads)))(heads)
    assert calls
    F.scaled_dot_product_attention(heads, heads, heads)
    assert len(calls) == 1


def test_another_threads_attention_is_torchs_own_while_a_block_runs():
    heads = torch.randn(1, 1, 5, 4)
    with ThreadPoolExecutor(1) as pool:

        def both(_):
            other = pool.submit(F.scaled_dot_product_attention, heads, heads, heads).result()
            return F.scaled_dot_product_attention(heads, heads, heads), other

        own, other = Packed([2, 3])(0, Block(both))(heads)
    assert torch.equal(other, F.scaled_dot_product_attention(heads, heads, heads))
    assert not torch.equal(own, other)


def test_a_model_that_looks_at_other_rows_is_noticed(starter):
    """Of a family that mixes neighbours besides its attention a packed row would see the one before it."""
    base = writer(starter, "llama")
    block = blocks.find_blocks(base.model)[1]
    own = block.mlp.forward
    block.mlp.forward = lambda hidden: own(hidden + F.pad(hidden, (0, 0, 1, 0))[:, :-1])
    packed, padded = packed_and_padded(base, TALK, EDITS["first-and-last"], settled(reuse="none"))
    assert not packed.of(ReuseEvent)
    assert same(packed, padded)


@pytest.mark.slow
def test_a_model_whose_blocks_fold_rows_is_read_padded(starter):
    """A block that attends within halves of a row gives attention other tokens than the row's."""
    base = writer(starter, "llama")
    block = blocks.find_blocks(base.model)[1]
    own = block.self_attn.forward

    def halved(hidden_states, **kwargs):
        middle = hidden_states.shape[1] // 2
        turns = [tuple(table[:, part] for table in kwargs["position_embeddings"]) for part in (slice(middle), slice(middle, None))]
        halves = (hidden_states[:, :middle], hidden_states[:, middle:])
        kwargs |= {"attention_mask": None}
        found = [own(each, **{**kwargs, "position_embeddings": turn})[0] for each, turn in zip(halves, turns, strict=True)]
        return torch.cat(found, dim=1), None

    block.self_attn.forward = halved
    rows = [(f"{animal} Hi Hi", f"{animal}.") for animal in ANIMALS] * 2
    runs = [run_of(base, rows, EDITS["first-and-last"], settled(reuse="none", packing=packing)) for packing in (True, False)]
    assert not any(run.of(ReuseEvent) for run in runs)
    assert same(*runs)


# --- what is said, and the odd cases


def test_a_single_token_is_read_padded(llama):
    reuse = packing_reuse(llama, 0, time=True)
    row = EncodedExample((5,), (), 0)
    batch = collate(llama, [row], reuse)
    assert batch.run_block is None
    assert collate(llama, [row, EncodedExample((5, 6), (), 1)], reuse).run_block is not None


@pytest.mark.parametrize(
    ("changes", "share", "words"),
    [
        ({"saved_share": 0.5, "depth": True, "time": True, "packed": True, "padding": 0.2}, 0.6,
         "Reuses 60% of each step from the second epoch on, with the same result: the part of each prompt before the first edited "
         "token and layers 0 to 1 are frozen and computed once, and no padding is computed."),
        ({"saved_share": 0.5, "time": True, "packed": False, "padding": 0.2}, 0.5,
         "Reuses 50% of each step from the second epoch on, with the same result: the part of each prompt before the first edited "
         "token is frozen and computed once."),
        ({"saved_share": 0.5, "time": True, "again": False, "packed": True, "padding": 0.2}, 0.6,
         "Leaves out 60% of each step, with the same result: nothing is learned in the part of each prompt before the first edited "
         "token, and no padding is computed."),
        ({"packed": True, "padding": 0.2}, 0.2, "Leaves out 20% of each step, with the same result: no padding is computed."),
        ({"saved_share": 0.5, "depth": True, "packed": True, "padding": 0.04}, 0.52,
         "Reuses 52% of each step from the second epoch on, with the same result: layers 0 to 1 are frozen and computed once."),
        ({"saved_share": 0.99, "depth": True, "packed": True, "padding": 0.9}, 0.999,
         "Reuses 99% of each step from the second epoch on, with the same result: layers 0 to 1 are frozen and computed once, and "
         "no padding is computed."),
    ],
)  # fmt: skip
def test_a_plan_says_what_it_leaves_out(changes, share, words):
    plan = Plan(1, **changes)
    assert plan.share == pytest.approx(share)
    assert plan.sentence == words


@pytest.mark.parametrize(("packed", "padding", "worth"), [(True, 0.06, True), (True, 0.04, False), (False, 0.9, False)])
def test_a_little_padding_is_not_worth_speaking_of(packed, padding, worth):
    assert Plan(1, packed=packed, padding=padding).worthwhile == worth


def test_the_share_of_padding_is_that_of_an_epochs_batches(llama):
    config = EDITS["first-and-last"]
    batches = epoch_batches(encoded(llama, TALK, config), SETTINGS.batch_size, SETTINGS.seed, 0)
    lengths = [[row.length for row in batch] for batch in batches]
    padded = sum(len(each) * max(each) for each in lengths)
    run = run_of(llama, TALK, config, settled(reuse="none"))
    assert run.share == pytest.approx(1 - sum(map(sum, lengths)) / padded)
    assert run.share > 0.1


@pytest.mark.slow
def test_the_share_of_padding_is_in_the_plan_and_in_its_words(llama):
    lone = run_of(llama, TALK, EDITS["first-and-last"], settled(reuse="none"))
    assert lone.sentence.startswith(f"Leaves out {lone.share:.0%} of each step, with the same result: no padding is computed")
    both = run_of(llama, TALK, EDITS["last"], SETTINGS)
    only = run_of(llama, TALK, EDITS["last"], settled(packing=False))
    assert both.share > only.share
    assert both.sentence.endswith(", and no padding is computed.")
    assert "padding" not in only.sentence


@pytest.mark.slow
@pytest.mark.parametrize("reuse", ["all", "depth", "time", "none"])
def test_each_kind_of_reuse_goes_with_packing(llama, reuse):
    packed, _ = packed_and_padded(llama, TALK, ReftConfig(rank=2, positions="l1", layers=[1, 2]), settled(reuse=reuse))
    assert packs(packed)
    assert ("layers 0 to 1" in packed.sentence) == (reuse in ("all", "depth"))
    assert ("part of each prompt" in packed.sentence) == (reuse in ("all", "time"))
