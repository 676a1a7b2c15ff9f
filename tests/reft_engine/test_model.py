"""Blocks and model: what an edit touches, and what it leaves alone."""

import copy
import gc
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import BartConfig, BartForConditionalGeneration, LlamaConfig, LlamaForCausalLM

from reft_engine import ReftConfig, ReftModel
from reft_engine.base import blocks
from reft_engine.edits.edited import combine
from reft_engine.errors import ConfigError
from tests.waiting import PATIENCE

RULES = ["f7+l7", "f2+l1", "f3", "l1", "l4", "all"]


@dataclass(frozen=True)
class Row:
    prompt: int
    answer: int


def batch(rows, side, seed=0):
    """Random tokens; the padding is token 1, which is also a token of the rows."""
    generator = torch.Generator().manual_seed(seed)
    width = max(row.prompt + row.answer for row in rows)
    ids, mask = torch.ones(len(rows), width, dtype=torch.int64), torch.zeros(len(rows), width, dtype=torch.int64)
    for index, row in enumerate(rows):
        length = row.prompt + row.answer
        at = slice(width - length, width) if side == "left" else slice(0, length)
        ids[index, at], mask[index, at] = torch.randint(0, 97, (length,), generator=generator), 1
    return ids, mask, torch.tensor([row.prompt for row in rows])


def stated(rule, rows, side):
    """The (row, column) pairs that the rule names, counted by hand."""
    width = max(row.prompt + row.answer for row in rows)
    found = set()
    for index, row in enumerate(rows):
        first = width - row.prompt - row.answer if side == "left" else 0
        n = row.prompt
        sizes = {"f": 0, "l": 0} if rule != "all" else {"f": n, "l": 0}
        for part in rule.split("+") if rule != "all" else []:
            sizes[part[0]] = min(int(part[1:]), n // 2)
        if n == 1 and "l" in rule and rule != "all":
            sizes["l"] = 1
        found |= {(index, first + token) for token in range(n) if token < sizes["f"] or token >= n - sizes["l"]}
    return found


def hidden_after(model, layer, call):
    """The hidden states right after a block's edit, in one call."""
    caught = []

    def keep(_module, _args, output):
        caught.append((output if isinstance(output, torch.Tensor) else output[0]).detach().clone())

    handle = blocks.find_blocks(model)[layer].register_forward_hook(keep)
    try:
        with torch.no_grad():
            call()
    finally:
        handle.remove()
    return caught[0]


def bare(model, ids, mask):
    """The base model's own answer; GPT-2 must be told its positions where padding stands in front, as ``generate`` does."""
    positions = blocks.position_inputs(model, mask) if not mask[:, 0].all() else {}
    return model(input_ids=ids, attention_mask=mask, **positions)


def bare_logits(model, ids, mask):
    with torch.no_grad():
        return bare(model, ids, mask).logits


def tuned_logits(reft, ids, mask, lengths, **settings):
    with torch.no_grad():
        return reft(ids, mask, lengths, **settings).logits


def touched(reft, ids, mask, lengths, layer):
    """The (row, column) pairs whose hidden state is not bit for bit the bare base's."""
    before = hidden_after(reft.base, layer, lambda: bare(reft.base, ids, mask))
    after = hidden_after(reft.base, layer, lambda: reft(ids, mask, lengths))
    return {tuple(pair) for pair in (before != after).any(dim=-1).nonzero().tolist()}


a_row = st.builds(Row, prompt=st.integers(1, 20), answer=st.integers(0, 5))


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(
    st.lists(a_row, min_size=1, max_size=5), st.sampled_from(RULES), st.sampled_from(["left", "right"]), st.booleans(), st.integers(0, 2)
)
def test_exactly_the_stated_prompt_tokens_are_edited(llama, strong, rows, rule, side, tied, layer):
    reft = strong(llama, positions=rule, tied=tied, layers=[layer])
    assert touched(reft, *batch(rows, side), layer) == stated(rule, rows, side)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("rule", RULES)
def test_exactly_the_stated_tokens_are_edited_in_every_family(any_model, strong, rule, side):
    rows = [Row(20, 3), Row(9, 0), Row(1, 2), Row(2, 5)]
    reft = strong(any_model, positions=rule, layers=[1])
    assert touched(reft, *batch(rows, side), 1) == stated(rule, rows, side)


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(
    st.lists(a_row, min_size=2, max_size=5), st.sampled_from(RULES), st.sampled_from(["left", "right"]), st.randoms(use_true_random=False)
)
def test_the_order_of_a_batch_changes_no_row(llama, strong, rows, rule, side, shuffle):
    reft = strong(llama, positions=rule, tied=False)
    ids, mask, lengths = batch(rows, side)
    order = list(range(len(rows)))
    shuffle.shuffle(order)
    straight, shuffled = tuned_logits(reft, ids, mask, lengths), tuned_logits(reft, ids[order], mask[order], lengths[order])
    assert (straight[order] - shuffled)[mask[order].bool()].abs().max() < 1e-4


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(st.lists(a_row, min_size=2, max_size=5), st.sampled_from(RULES), st.booleans())
def test_left_and_right_padding_give_the_logits_of_the_row_alone(llama, strong, rows, rule, tied):
    reft = strong(llama, positions=rule, tied=tied)
    found = {}
    for side in ("left", "right"):
        ids, mask, lengths = batch(rows, side)
        logits = tuned_logits(reft, ids, mask, lengths)
        found[side] = [logits[index][mask[index].bool()] for index in range(len(rows))]
        for index in range(len(rows)):
            real = mask[index].bool()
            alone = tuned_logits(reft, ids[index, real][None], None, lengths[index : index + 1])[0]
            assert (found[side][index] - alone).abs().max() < 1e-4


def naive_edit(h, _past, *, intervention, mask, lengths, rule, first_site, groups):
    """Token by token, with the formulas as the paper writes them."""
    edited = h.clone()
    for row in range(h.shape[0]):
        start, n = int(mask[row].argmax()), int(lengths[row])
        k = n // 2
        for token in range(n):
            front, back = token < min(rule[0], k), token >= n - min(rule[1], k)
            if front or back:
                site = first_site + (1 if back and groups == 2 else 0)
                x, W, b = h[row, start + token], intervention.source[site], intervention.bias[site]
                P = intervention.projection()[site]
                inner = W @ x + b - P @ x if intervention.method.name == "loreft" else W @ x + b
                edited[row, start + token] = x + P.T @ inner
    return edited


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("method", ["loreft", "direft"])
def test_logits_equal_those_of_the_papers_formula_token_by_token(any_model, strong, method, tied, side):
    reft = strong(any_model, scale=1.0, method=method, tied=tied, positions="f3+l2", layers=[0, 2])
    ids, mask, lengths = batch([Row(9, 2), Row(4, 4), Row(12, 0)], side)
    groups = 1 if tied else 2
    assert reft.reft_config.groups == groups
    edit = partial(naive_edit, intervention=reft.intervention, mask=mask, lengths=lengths, rule=(3, 2), groups=groups)
    with torch.no_grad(), blocks.editing({0: partial(edit, first_site=0), 2: partial(edit, first_site=groups)}):
        expected = bare(any_model, ids, mask).logits
    real = mask.bool()
    assert (tuned_logits(reft, ids, mask, lengths) - expected)[real].abs().max() < 1e-4
    assert (expected - bare_logits(any_model, ids, mask))[real].abs().max() > 0.01


def test_untied_with_equal_weights_answers_as_tied_does(llama, strong):
    tied, untied = (strong(llama, method="direft", tied=choice, positions="f2+l2") for choice in (True, False))
    with torch.no_grad():
        for name, value in untied.intervention.named_parameters():
            value.copy_(dict(tied.intervention.named_parameters())[name].repeat_interleave(2, dim=0))
    untied.train().eval()
    data = batch([Row(9, 2), Row(5, 1)], "right")
    assert (tuned_logits(tied, *data) - tuned_logits(untied, *data)).abs().max() < 1e-5
    assert untied.trainable_parameters == 2 * tied.trainable_parameters


@pytest.mark.parametrize(("side", "group"), [("prefix", 0), ("suffix", 1)])
def test_an_untied_group_acts_on_its_own_end_only(llama, strong, side, group):
    reft = strong(llama, method="direft", tied=False, positions="f2+l3", layers=[1])
    with torch.no_grad():
        reft.intervention.source[1 - group] = 0
        reft.intervention.bias[1 - group] = 0
    expected = {"prefix": {(0, 0), (0, 1)}, "suffix": {(0, 6), (0, 7), (0, 8)}}[side]
    assert touched(reft, *batch([Row(9, 2)], "right"), 1) == expected


def test_every_real_token_is_the_prompt_where_no_lengths_are_given(llama, strong):
    reft = strong(llama, positions="l1", layers=[0])
    ids, mask, _ = batch([Row(9, 0), Row(4, 0)], "right")
    assert touched(reft, ids, mask, None, 0) == {(0, 8), (1, 3)}


def test_rows_that_are_not_named_are_not_edited(llama, strong):
    reft = strong(llama, positions="all", layers=[0])
    ids, mask, lengths = batch([Row(3, 1), Row(4, 0), Row(2, 2)], "right")
    plan = reft.plan(mask, lengths, rows=[1])
    bare = hidden_after(llama, 0, lambda: llama(input_ids=ids, attention_mask=mask))
    with blocks.editing(reft.edits(plan, reft.factors())):
        tuned = hidden_after(llama, 0, lambda: llama(input_ids=ids, attention_mask=mask))
    assert {row for row, *_ in (bare != tuned).nonzero().tolist()} == {1}


@pytest.mark.parametrize("lengths", [[6, 3], [5, 4], [-1, 3]])
def test_a_prompt_longer_than_its_row_is_refused(llama, strong, lengths):
    ids, mask, _ = batch([Row(5, 0), Row(3, 0)], "right")
    with pytest.raises(ConfigError, match="prompt"):
        strong(llama, positions="l1")(ids, mask, torch.tensor(lengths))


def snapshot(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.mark.slow
def test_the_bare_base_is_bit_identical_while_an_edit_exists_and_after_it(make_model, any_model):
    model = any_model
    ids, mask, lengths = batch([Row(9, 2), Row(3, 4)], "right")
    weights, before = snapshot(model), bare_logits(model, ids, mask)
    reft = ReftModel(model, ReftConfig(positions="all")).train()
    assert torch.equal(bare_logits(model, ids, mask), before)
    optimizer = torch.optim.AdamW(reft.parameters(), lr=0.1, weight_decay=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        reft(ids, mask, lengths).logits.square().mean().backward()
        optimizer.step()
        assert torch.equal(bare_logits(model, ids, mask), before)
    assert not torch.equal(tuned_logits(reft, ids, mask, lengths), before)
    assert all(parameter.grad is None for parameter in model.parameters())
    del reft, optimizer
    gc.collect()
    assert torch.equal(bare_logits(model, ids, mask), before)
    after = model.state_dict()
    assert after.keys() == weights.keys()
    assert all(torch.equal(after[name], weights[name]) for name in weights)


def test_the_base_is_unedited_again_after_a_call_that_failed(llama, strong):
    reft = strong(llama)
    ids, mask, lengths = batch([Row(5, 0)], "right")
    before = bare_logits(llama, ids, mask)
    with pytest.raises((IndexError, TypeError)):
        reft(ids, mask, lengths, logits_to_keep="nonsense")
    assert torch.equal(bare_logits(llama, ids, mask), before)


def test_an_edit_acts_in_its_own_thread_only(llama, strong):
    reft = strong(llama, positions="all")
    ids, mask, lengths = batch([Row(5, 0)], "right")
    before = bare_logits(llama, ids, mask)
    with blocks.editing(reft.edits(reft.plan(mask, lengths), reft.factors())):
        with ThreadPoolExecutor(1) as pool:
            elsewhere = pool.submit(bare_logits, llama, ids, mask).result()
        here = bare_logits(llama, ids, mask)
    assert torch.equal(elsewhere, before)
    assert not torch.equal(here, before)


def test_two_edits_on_one_base_keep_apart(llama, strong):
    first, second = (strong(llama, seed=seed) for seed in (1, 2))
    data = batch([Row(8, 1)], "right")
    alone = tuned_logits(first, *data)
    assert not torch.equal(tuned_logits(second, *data), alone)
    assert torch.equal(tuned_logits(first, *data), alone)


def test_a_copy_of_an_edited_base_is_edited_once(make_model, strong):
    model = make_model()
    data = batch([Row(8, 1)], "right")
    expected = tuned_logits(strong(model, positions="all"), *data)
    twin = copy.deepcopy(model)
    assert torch.equal(tuned_logits(strong(twin, positions="all"), *data), expected)


def test_threads_that_attach_at_once_wrap_each_block_once(make_model, monkeypatch):
    made, make = [], blocks._BlockWrapper

    def slowly(*given):
        made.append(given)
        time.sleep(0.005)  # in which every other thread may come in, if it is let
        return make(*given)

    monkeypatch.setattr(blocks, "_BlockWrapper", slowly)
    model = make_model()
    barrier = threading.Barrier(4)

    def attach(_):
        barrier.wait(PATIENCE)
        return ReftModel(model, ReftConfig())

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(attach, range(4)))
    assert len(made) == len(blocks.find_blocks(model))
    assert all(block.forward.forward.__func__ is type(block).forward for block in blocks.find_blocks(model))


def test_strength_zero_is_the_base_bit_for_bit(any_model, strong):
    ids, mask, lengths = batch([Row(9, 2), Row(3, 4)], "left")
    reft = strong(any_model, positions="all")
    assert torch.equal(tuned_logits(reft, ids, mask, lengths, strength=0.0), bare_logits(any_model, ids, mask))


@pytest.mark.parametrize("strength", [-1.0, 0.5, 2.0])
def test_strength_is_a_factor_on_the_edit(llama, strong, strength):
    ids, mask, lengths = batch([Row(9, 2)], "right")
    reft = strong(llama, positions="f2+l2", layers=[1])
    states = {factor: hidden_after(llama, 1, partial(reft, ids, mask, lengths, strength=factor)) for factor in (0.0, 1.0, strength)}
    expected = states[0.0] + strength * (states[1.0] - states[0.0])
    assert (states[strength] - expected).abs().max() < 1e-4


@pytest.mark.parametrize("strength", [float("nan"), float("inf"), float("-inf")])
def test_a_strength_that_is_no_number_is_refused(llama, strong, strength):
    with pytest.raises(ConfigError, match="strength") as caught:
        strong(llama)(*batch([Row(9, 2)], "right"), strength=strength)
    assert caught.value.field == "strength"


def test_several_edits_in_one_batch_give_what_each_gives_alone(any_model, strong):
    first, second = strong(any_model, seed=1, layers=[0, 1]), strong(any_model, seed=2, layers=[1, 2], method="direft", tied=False)
    ids, mask, lengths = batch([Row(9, 0)] * 3, "right")
    ids = ids[:1].expand(3, -1)
    edits = combine([
        first.edits(first.plan(mask, lengths, [1]), first.factors()),
        second.edits(second.plan(mask, lengths, [2]), second.factors()),
    ])  # fmt: skip
    with blocks.editing(edits):
        together = bare_logits(any_model, ids, mask)
    alone = [
        bare_logits(any_model, ids[:1], mask[:1]),
        tuned_logits(first, ids[:1], mask[:1], lengths[:1]),
        tuned_logits(second, ids[:1], mask[:1], lengths[:1]),
    ]
    for row, expected in enumerate(alone):
        assert (together[row] - expected[0]).abs().max() < 1e-4
    assert (alone[0] - alone[1]).abs().max() > 0.01


def test_a_row_of_overflowing_edits_does_not_touch_the_base_beside_it(llama, strong):
    reft = strong(llama, scale=1e30, method="direft")
    ids, mask, lengths = batch([Row(9, 0)] * 2, "right")
    with blocks.editing(reft.edits(reft.plan(mask, lengths, [1]), reft.factors())):
        together = bare_logits(llama, ids, mask)
    assert not together[1].isfinite().all()
    assert (together[0] - bare_logits(llama, ids[:1], mask[:1])[0]).abs().max() < 1e-4


def test_only_the_edits_are_parameters(any_model):
    reft = ReftModel(any_model, ReftConfig(rank=3, tied=False))
    width, layers = 32, len(blocks.find_blocks(any_model))
    expected = layers * 2 * (2 * 3 * width + 3)
    assert reft.trainable_parameters == sum(parameter.numel() for parameter in reft.parameters()) == expected
    assert all(name.startswith("intervention.") for name in reft.state_dict())
    assert not any(parameter.requires_grad for parameter in any_model.parameters())


def test_the_base_stays_in_evaluation_mode(make_model):
    model = make_model("gpt2", resid_pdrop=0.5, embd_pdrop=0.5).train()
    reft = ReftModel(model, ReftConfig())
    data = batch([Row(9, 2)], "right")
    assert torch.equal(tuned_logits(reft, *data), tuned_logits(reft, *data))
    reft.train()
    assert torch.equal(tuned_logits(reft, *data), tuned_logits(reft, *data))
    assert not model.training


def test_dropout_acts_in_training_only(llama):
    reft = ReftModel(llama, ReftConfig(dropout=0.5))
    data = batch([Row(9, 2)], "right")
    assert not torch.equal(tuned_logits(reft.train(), *data), tuned_logits(reft, *data))
    assert torch.equal(tuned_logits(reft.eval(), *data), tuned_logits(reft, *data))


def test_an_edit_that_was_trained_on_answers_with_its_new_weights(llama):
    reft = ReftModel(llama, ReftConfig()).eval()
    data = batch([Row(9, 2)], "right")
    before = tuned_logits(reft, *data)
    reft.train()
    with torch.no_grad():
        reft.intervention.bias += 1
    assert not torch.equal(tuned_logits(reft.eval(), *data), before)


def test_a_base_in_half_precision_is_edited_with_float32_weights(make_model, strong):
    exact, half = make_model(), make_model().to(torch.bfloat16)
    data = batch([Row(9, 2)], "right")
    tuned = strong(half, scale=1.0)
    logits = tuned_logits(tuned, *data)
    assert logits.dtype == torch.bfloat16
    assert all(parameter.dtype == torch.float32 for parameter in tuned.parameters())
    expected = tuned_logits(strong(exact, scale=1.0), *data)
    assert (logits.float() - expected).abs().max() < 0.1 * expected.abs().max()


@pytest.mark.parametrize(
    ("config", "field"),
    [(ReftConfig(layers=[0, 7]), "layers"), (ReftConfig(layers=[9999]), "layers"), (ReftConfig(rank=33), "rank")],
)
def test_an_edit_that_does_not_fit_the_base_is_refused_and_the_field_is_named(any_model, config, field):
    with pytest.raises(ConfigError) as caught:
        ReftModel(any_model, config)
    assert caught.value.field == field


def test_the_rank_may_be_the_whole_hidden_size(llama, strong):
    reft = strong(llama, rank=32, scale=1.0)
    rows = torch.stack(reft.factors()["projection"])
    assert (rows @ rows.mT - torch.eye(32)).abs().max() < 1e-5
    assert tuned_logits(reft, *batch([Row(9, 2)], "right")).isfinite().all()


def test_the_blocks_are_found_in_their_order(any_model):
    found = blocks.find_blocks(any_model)
    assert len(found) == any_model.config.num_hidden_layers
    assert blocks.hidden_size(any_model) == 32
    trunk = getattr(any_model, any_model.base_model_prefix)
    assert found is getattr(trunk, "layers", None) or found is getattr(trunk, "h", None)


def test_of_an_encoder_decoder_the_encoder_is_edited():
    shape = {"d_model": 16, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
    model = BartForConditionalGeneration(BartConfig(vocab_size=32, encoder_layers=2, decoder_layers=2, **shape))
    assert blocks.find_blocks(model) is model.get_encoder().layers


class TwoStacks(LlamaForCausalLM):
    """A second list of as many blocks, beside the first."""

    def __init__(self, config):
        super().__init__(config)
        self.others = torch.nn.ModuleList(torch.nn.Linear(2, 2) for _ in range(config.num_hidden_layers))
        self.get_decoder = lambda: self


def test_a_model_with_two_stacks_of_blocks_is_refused():
    model = TwoStacks(LlamaConfig(vocab_size=32, hidden_size=16, intermediate_size=16, num_attention_heads=2, num_hidden_layers=3))
    with pytest.raises(ConfigError, match="cannot be told apart") as caught:
        ReftModel(model, ReftConfig())
    assert caught.value.field == "base"


def test_a_module_that_is_no_language_model_is_refused():
    with pytest.raises(ConfigError, match="no Hugging Face model"):
        ReftModel(torch.nn.Linear(2, 2), ReftConfig())


def test_a_model_of_one_block_can_be_edited(strong):
    shape = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=97, **shape)).eval()
    assert touched(strong(model, positions="l1"), *batch([Row(4, 1)], "right"), 0) == {(0, 3)}


def test_a_prompt_length_for_every_row_is_wanted(llama, strong):
    ids, mask, _ = batch([Row(6, 1), Row(4, 2)], "right")
    with pytest.raises(ConfigError, match="2 rows, but 1 prompt lengths"):
        strong(llama)(ids, mask, [3])


def test_in_evaluation_mode_nothing_has_a_gradient(llama):
    reft = ReftModel(llama, ReftConfig())
    data = batch([Row(6, 1)], "right")
    assert reft(*data).logits.requires_grad
    assert not reft.eval()(*data).logits.requires_grad
    assert reft.train()(*data).logits.requires_grad


def test_a_model_is_taken_from_its_base_and_names_it_when_saved(starter, tmp_path):
    reft = ReftModel(starter, ReftConfig(rank=1, layers=[0]))
    assert reft.base is starter.model
    reft.save(tmp_path)
    assert json.loads((tmp_path / "reft_config.json").read_text())["base_model"]["id"] == "starter"
    assert torch.equal(ReftModel.load(tmp_path, starter)(torch.tensor([[5, 6, 7]])).logits, reft(torch.tensor([[5, 6, 7]])).logits)


def test_other_weights_are_answered_with_at_once(llama, strong):
    first, second = strong(llama, seed=1), strong(llama, seed=2)
    data = batch([Row(6, 1)], "right")
    before = tuned_logits(first, *data)
    first.load_state_dict(second.state_dict())
    assert torch.equal(tuned_logits(first, *data), tuned_logits(second, *data))
    assert not torch.equal(before, tuned_logits(second, *data))


def test_answering_leaves_a_model_in_training_where_it_was(llama):
    reft = ReftModel(llama, ReftConfig()).train()
    reft.generate(torch.tensor([[5, 6, 7]]), max_new_tokens=2, do_sample=False)
    assert reft.training
    assert reft(torch.tensor([[5, 6, 7]])).logits.requires_grad
