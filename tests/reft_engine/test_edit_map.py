"""The heat map and the logit lens: equal to plain hooks with the formula, in several families."""

import copy
import json
from dataclasses import replace

import pytest
import torch

from reft_engine import ConfigError, Example, Message, PeftConfig, ReftConfig, ReftModel
from reft_engine.base.loading import TEXT_TEMPLATE
from reft_engine.baselines import PeftBaseline
from reft_engine.edits import Mix, Switches
from reft_engine.inference import logit_lens, map_edit
from reft_engine.inference.lens import read_states
from reft_engine.tokens.pieces import visible_texts
from reft_engine.tokens.prompts import prompt_ids
from reft_engine.training import measure_changes
from tests.reft_engine import families
from tests.reft_engine.by_hand import ByHand
from tests.reft_engine.tokenizers import decoding

TALK = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What does a cat say?"}]


@pytest.fixture(scope="module")
def reft(tiny, strong):
    return strong(tiny.model, scale=2.0, rank=2, positions="f2+l2")


def ids_of(base, talk=TALK):
    return prompt_ids(base, [Message(**each) for each in talk])


def base_of(tiny, framing, name, **overrides):
    model = families.build(name, seed=2, vocab_size=len(tiny.tokenizer), **overrides).requires_grad_(False)
    base = replace(tiny, model=model, name=name)
    return replace(base, tokenizer=framing, template=TEXT_TEMPLATE) if name in families.ENCODER_DECODERS else base


def plain(name, base):
    """The same weights, which the engine has never touched."""
    return families.build(name, seed=2, vocab_size=base.model.config.vocab_size)


# The map


@pytest.mark.parametrize("name", ["llama", "gpt2", "gpt-neox", "bloom", "gemma2", "t5"])
@pytest.mark.parametrize("config", [{"positions": "f2+l2"}, {"positions": "f1+l2", "tied": False, "layers": [0, 2]}])
def test_each_cell_is_the_formula_on_a_hidden_state_that_a_plain_hook_sees(tiny, framing, strong, name, config):
    base = base_of(tiny, framing, name)
    reft = strong(base.model, rank=2, **config)
    talk = TALK[1:] if base.kind == "encoder_decoder" else TALK
    ids, first = ids_of(base, talk), int(config["positions"][1])
    groups = [list(range(first)), [len(ids) - 2, len(ids) - 1]]
    hand = ByHand(plain(name, base), reft, groups if not config.get("tied", True) else [groups[0] + groups[1]], 0.5)
    with hand.editing() as model, torch.no_grad():
        more = {"decoder_input_ids": torch.tensor([[0]])} if base.kind == "encoder_decoder" else {}
        model(torch.tensor([ids]), **more)
    found = map_edit(base, talk, reft, strength=0.5)
    assert found.layers == reft.layers and found.total == len(ids) == len(found.tokens) and found.gap == 0
    assert [token.place for token in found.tokens if token.edited] == groups[0] + groups[1]
    for layer, change, hidden, share in zip(found.layers, found.change, found.hidden, found.share, strict=True):
        before, after = hand.before[layer], hand.after[layer]
        assert list(hidden) == pytest.approx(before.norm(dim=-1).tolist(), rel=1e-4)
        assert list(change) == pytest.approx((after - before).norm(dim=-1).tolist(), rel=1e-3, abs=1e-5)
        assert list(share) == pytest.approx(((after - before).norm(dim=-1) / before.norm(dim=-1)).tolist(), rel=1e-3, abs=1e-5)
        assert [value > 0 for value in change] == [token.edited for token in found.tokens]


def test_it_is_what_a_look_at_the_run_measures(tiny, reft):
    """The two have one way of measuring: the means of the one are the figures of the other."""
    found = map_edit(tiny, TALK, reft)
    looked = measure_changes(tiny, reft, [Example(1, tuple(Message(**each) for each in TALK), "It says meow.")])
    edited = [token.place for token in found.tokens if token.edited]
    for layer, change, share in zip(looked.layers, found.change, found.share, strict=True):
        assert layer.norm == pytest.approx(sum(change[place] for place in edited) / len(edited))
        assert layer.share == pytest.approx(sum(share[place] for place in edited) / len(edited))


def test_of_a_mix_the_changes_are_those_of_the_sum(tiny, strong):
    parts = [strong(tiny.model, seed=seed, rank=2, positions=rule, layers=[1]) for seed, rule in ((1, "l3"), (2, "f2+l1"))]
    found = map_edit(tiny, TALK, Mix(parts, [0.5, -2.0]))
    last = len(ids_of(tiny)) - 1
    with torch.no_grad():
        hidden = copy.deepcopy(tiny.model)(torch.tensor([ids_of(tiny)]), output_hidden_states=True).hidden_states[2][0, [last]]
        deltas = [part.intervention.delta(hidden, part.factors(), 0) for part in parts]
    assert found.change[0][last] == pytest.approx(float((0.5 * deltas[0] - 2.0 * deltas[1]).norm()), rel=1e-4)
    assert [token.place for token in found.tokens if token.edited] == [0, 1, last - 2, last - 1, last] and found.layers == (1,)


def test_at_strength_0_nothing_changes_and_states_are_still_measured(tiny, reft):
    found = map_edit(tiny, TALK, reft, strength=0.0)
    assert {value for row in found.change for value in row} == {0.0} and not any(token.edited for token in found.tokens)
    assert found.layers == reft.layers and all(value > 0 for row in found.hidden for value in row)


def test_a_layer_or_a_group_that_is_off_changes_nothing_and_the_others_are_as_measured(tiny, reft):
    found = map_edit(tiny, TALK, reft, switches=Switches(frozenset({1}), prefix=False))
    assert found.layers == reft.layers and [any(row) for row in found.change] == [False, True, False]
    assert [token.place for token in found.tokens if token.edited] == [found.total - 2, found.total - 1]
    assert found.change[1][0] == 0 < found.change[1][-1]
    alone = map_edit(tiny, TALK, reft)
    assert found.hidden[0] == pytest.approx(alone.hidden[0]) and found.hidden[1][-1] != pytest.approx(alone.hidden[1][-1])
    lens = logit_lens(tiny, TALK, reft, 0, found.total - 1, switches=Switches(frozenset({1})))
    assert lens.before == lens.after != logit_lens(tiny, TALK, reft, 0, found.total - 1).after


def test_of_a_long_prompt_both_ends_are_shown(tiny, reft):
    found = map_edit(tiny, "word " * 110, reft)
    half = 48
    assert [token.place for token in found.tokens] == [*range(half), *range(found.total - half, found.total)]
    assert found.gap == found.total - 96 > 0 and {len(row) for row in (*found.change, *found.hidden)} == {96}
    assert [token.edited for token in found.tokens] == [True] * 2 + [False] * 92 + [True] * 2


def test_what_is_no_number_is_none_in_json(tiny, strong):
    reft = strong(tiny.model, rank=2, positions="l1")
    with torch.no_grad():
        reft.intervention.bias.fill_(torch.nan)
    found = map_edit(tiny, TALK, reft.train().eval())
    assert found.change[0][-1] is None and found.share[0][-1] is None and found.hidden[0][-1] > 0
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    last = {"place": found.total - 1, "id": ids_of(tiny)[-1], "text": "⏎", "edited": True}
    assert told["share"][0][0] == 0.0 and told["tokens"][-1] == last


def test_tokens_read_as_people_read_them(tiny, reft):
    talk = [{"role": "user", "content": "Hi\tthere,  🐱\n né\u200b"}]
    texts = [token.text for token in map_edit(tiny, talk, reft).tokens]
    joined = "".join(texts).replace("⋯", "")
    assert "Hi⇥there,··🐱⏎·né" in joined and "U+200B" in joined and joined.startswith("<|im_start|>") and "⋯" in texts


@pytest.mark.parametrize("name", ["byte fallback", "unigram", "word piece", "gpt2", "qwen2", "bytes", "prefix space"])
def test_tokenizers_of_every_kind_show_spaces_between_words(starter, name):
    base = decoding(starter, name)
    ids = base.tokenizer("abc def äb", add_special_tokens=False)["input_ids"]
    joined = "".join(visible_texts(base, ids)).replace("⋯", "")
    assert joined.strip("·") == "abc·def·äb"


def test_a_baseline_and_a_classifier_have_no_map(tiny):
    with pytest.raises(ConfigError, match=r"A baseline .lora. edits no hidden states"):
        map_edit(tiny, TALK, PeftBaseline(tiny.model, PeftConfig(rank=1)))
    with pytest.raises(ConfigError, match="classifies"):
        map_edit(tiny, TALK, ReftModel(tiny.model, ReftConfig(labels=("a", "b"))))


# The lens


@pytest.mark.parametrize("name", families.DECODERS)
def test_at_the_last_block_the_lens_says_what_the_model_says(tiny, strong, name):
    """Whatever a family does after its last block is in it: norms, soft caps, scales."""
    base = base_of(tiny, None, name)
    reft = strong(base.model, rank=2, positions="f2+l2")
    ids = ids_of(base)
    with torch.no_grad():
        edited = reft(torch.tensor([ids])).logits[0, -1].softmax(dim=-1)
    found = logit_lens(base, TALK, reft, families.BLOCKS - 1, len(ids) - 1, k=3)
    top = edited.topk(3)
    assert [token.id for token in found.after] == top.indices.tolist()
    assert [token.probability for token in found.after] == pytest.approx(top.values.tolist(), rel=1e-3)
    assert found.before != found.after


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_a_state_is_read_by_the_final_norm_and_the_head(tiny, strong, layer):
    """By hand: the two modules of a Llama, on the states that a plain hook sees at that layer, before and after its own edit."""
    reft, ids = strong(tiny.model, rank=2, positions="f2+l2"), ids_of(tiny)
    hand = ByHand(copy.deepcopy(tiny.model), reft, [[0, 1, len(ids) - 2, len(ids) - 1]], 2.0)
    hand.logits(ids)
    for token in (1, 5, len(ids) - 1):
        found = logit_lens(tiny, TALK, reft, layer, token, k=4, strength=2.0)
        for told, states in ((found.before, hand.before), (found.after, hand.after)):
            with torch.no_grad():
                probabilities = hand.model.lm_head(hand.model.model.norm(states[layer][token])).softmax(dim=-1)
            top = probabilities.topk(4)
            assert [each.id for each in told] == top.indices.tolist()
            assert [each.probability for each in told] == pytest.approx(top.values.tolist(), rel=1e-3)
        assert (found.before == found.after) == (token == 5), "only there is no edit"


def test_each_state_is_read_by_itself(tiny):
    states = list(torch.randn(3, 32, generator=torch.Generator().manual_seed(1)))
    together = read_states(tiny, states)
    assert together.shape == (3, len(tiny.tokenizer)) and together.argmax(dim=-1).unique().numel() > 1
    assert all(torch.allclose(read_states(tiny, [state])[0], row, atol=1e-5) for state, row in zip(states, together, strict=True))


def test_at_a_layer_without_an_edit_nothing_changes_but_lower_edits_show(tiny, strong):
    low, none = strong(tiny.model, rank=2, layers=[0], positions="all"), strong(tiny.model, rank=2, layers=[2], positions="all")
    found = logit_lens(tiny, TALK, low, 1, 4)
    assert found.before == found.after != logit_lens(tiny, TALK, none, 1, 4).before


def test_a_lens_beside_the_model_is_refused(tiny, reft, framing, strong):
    for layer, token in ((3, 0), (-1, 0), (0, 99), (0, -1), (0.5, 0)):
        with pytest.raises(ConfigError, match="whole number"):
            logit_lens(tiny, TALK, reft, layer, token)
    with pytest.raises(ConfigError, match=r"A baseline .ia3."):
        logit_lens(tiny, TALK, PeftBaseline(tiny.model, PeftConfig(method="ia3")), 0, 0)
    base = base_of(tiny, framing, "t5")
    with pytest.raises(ConfigError, match="t5 is an encoder-decoder"):
        logit_lens(base, "Hello", strong(base.model), 0, 0)
