"""The proof of separation: what it compares, that it holds where rows are apart, and that it fails where they are not."""

import copy
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch

from reft_engine import ConfigError, Message, PeftConfig, ReftConfig, ReftModel
from reft_engine.base.loading import TEXT_TEMPLATE
from reft_engine.baselines import PeftBaseline
from reft_engine.edits import Mix, Switches
from reft_engine.edits.interventions import LowRankEdit
from reft_engine.edits.plan import EditPlan
from reft_engine.inference import prove_separation, separation
from reft_engine.tokens.prompts import prompt_ids
from tests.reft_engine import families
from tests.reft_engine.by_hand import ByHand

TALK = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What does a cat say?"}]
ANSWER = (40, 50, 60)


@pytest.fixture(scope="module")
def reft(tiny, strong):
    return strong(tiny.model, scale=2.0, rank=2, positions="f2+l2")


def base_of(tiny, framing, name, **overrides):
    model = families.build(name, seed=2, vocab_size=len(tiny.tokenizer), **overrides).requires_grad_(False)
    base = replace(tiny, model=model, name=name)
    return replace(base, tokenizer=framing, template=TEXT_TEMPLATE) if name in families.ENCODER_DECODERS else base


def test_the_base_row_is_bit_for_bit_its_own_and_the_edited_one_is_not(tiny, reft):
    found = prove_separation(tiny, TALK, reft, ANSWER)
    every = found.tokens * len(tiny.tokenizer)
    assert found.compared == found.tokens and found.base.logits == found.edited.logits == found.zero.logits == every
    assert (found.base.different, found.base.largest) == (found.zero.different, found.zero.largest) == (0, 0.0)
    assert found.edited.different > every / 2 and found.edited.largest > 0.1
    assert found.proven and found.separate and found.acts


def test_the_differences_are_those_of_plain_passes_with_the_formula_in_hooks(tiny, reft):
    """The whole row, prompt and answer, in which the prompt's first two and last two tokens are edited."""
    ids = prompt_ids(tiny, [Message(**each) for each in TALK])
    plain = copy.deepcopy(tiny.model)
    row = torch.tensor([[*ids, *ANSWER]])
    hand = ByHand(plain, reft, [[0, 1, len(ids) - 2, len(ids) - 1]])
    with torch.no_grad():
        difference = (hand.logits(row[0].tolist()) - plain(row).logits[0]).abs().max()
    found = prove_separation(tiny, TALK, reft, ANSWER)
    assert found.tokens == row.shape[1] and found.edited.largest == pytest.approx(float(difference), rel=1e-4)


@pytest.mark.parametrize("name", ["llama", "gpt2", "gpt-neox", "gemma2", "bloom", "mixtral", "t5", "bart"])
def test_it_holds_in_other_families(tiny, framing, strong, name):
    base = base_of(tiny, framing, name)
    found = prove_separation(base, "What does a cat say?", strong(base.model, positions="f2+l2"), ANSWER)
    assert found.proven and found.base.logits == found.compared * len(base.tokenizer)
    assert found.compared == (4 if base.kind == "encoder_decoder" else found.tokens)


@pytest.mark.parametrize("config", [{"method": "red"}, {"method": "direft"}, {"activation": "gelu"}, {"positions": "all", "layers": [1]}])
def test_it_holds_for_other_methods(tiny, config):
    reft = ReftModel(tiny.model, ReftConfig(**config))
    with torch.no_grad():
        for weight in reft.intervention.weights().values():
            weight.mul_(3.0)
    assert prove_separation(tiny, TALK, reft.eval(), ANSWER).proven


def test_a_mix_is_proven_as_one(tiny, reft, strong):
    mix = Mix([reft, strong(tiny.model, seed=5, rank=3, positions="l3")], [0.5, -1.0])
    found = prove_separation(tiny, TALK, mix, strength=0.7)
    assert found.proven and found.edited != prove_separation(tiny, TALK, reft, strength=0.7).edited
    nothing = prove_separation(tiny, TALK, Mix([reft], [0.0]))
    assert nothing.separate and not nothing.acts and not nothing.proven


def test_an_edit_that_does_nothing_proves_nothing(tiny, reft):
    found = prove_separation(tiny, TALK, reft, strength=0.0)
    assert found.separate and not found.proven and found.edited.different == 0


def test_what_is_switched_off_does_nothing_and_what_is_on_is_proven(tiny, strong):
    reft = strong(tiny.model, rank=2, positions="f2+l2")
    whole, none = prove_separation(tiny, TALK, reft), prove_separation(tiny, TALK, reft, switches=Switches(frozenset()))
    assert none.separate and not none.acts
    some = [Switches(frozenset({1})), Switches(prefix=False), Switches(suffix=False)]
    found = [prove_separation(tiny, TALK, reft, switches=each) for each in some]
    assert all(each.proven for each in found)
    assert 0 < found[1].edited.different <= 2 * len(tiny.tokenizer) < found[2].edited.different, "only the last two tokens are edited"
    assert found[0].edited.largest != whole.edited.largest
    assert not prove_separation(tiny, TALK, reft, switches=Switches(prefix=False, suffix=False)).acts
    with pytest.raises(ConfigError, match="does not act at layer 7"):
        prove_separation(tiny, TALK, reft, switches=Switches(frozenset({7})))


# It can fail


def test_it_fails_if_an_edit_acts_on_the_wrong_row(tiny, reft, monkeypatch):
    right = EditPlan.tokens

    def wrong(plan, batch, width, past=0):
        return tuple((tokens + width) % (batch * width) for tokens in right(plan, batch, width, past))

    monkeypatch.setattr(EditPlan, "tokens", wrong)
    found = prove_separation(tiny, TALK, reft)
    assert not found.separate and not found.proven and found.base.different > 0 and found.base.largest > 0.1 and not found.acts


def test_it_fails_if_an_edit_reaches_into_another_row(tiny, reft, monkeypatch):
    right = EditPlan.tokens

    def more(plan, batch, width, past=0):
        return tuple(torch.cat([tokens, tokens[-1:] - width]) for tokens in right(plan, batch, width, past))

    monkeypatch.setattr(EditPlan, "tokens", more)
    found = prove_separation(tiny, TALK, reft)
    assert found.acts and not found.separate and not found.proven


def test_it_fails_if_times_zero_is_not_nothing(tiny, reft, monkeypatch):
    """An edit that overflows: 0 times infinity is no number."""
    right = LowRankEdit.delta
    monkeypatch.setattr(LowRankEdit, "delta", lambda *given, **more: right(*given, **more) + torch.inf)
    found = prove_separation(tiny, TALK, reft)
    assert found.base.different == 0 and found.zero.different > 0 and found.zero.largest is None and not found.separate


def test_times_zero_is_computed(tiny, reft, monkeypatch):
    """Of the three passes two compute the edit, each at every layer."""
    calls, right = [], LowRankEdit.delta
    monkeypatch.setattr(LowRankEdit, "delta", lambda *given, **more: calls.append(1) or right(*given, **more))
    prove_separation(tiny, TALK, reft)
    assert len(calls) == 2 * len(reft.layers)


def test_bits_are_compared_and_not_values():
    zeros, ones = torch.zeros(3), torch.tensor([0.0, -0.0, torch.nan])
    assert separation._compare(zeros, zeros.clone()) == separation.Compared(3, 0, 0.0)
    assert separation._compare(ones, ones.clone()).different == 0, "no number equals itself"
    assert separation._compare(zeros, ones) == separation.Compared(3, 2, None)
    half = torch.tensor([1.0, 2.0], dtype=torch.bfloat16)
    assert separation._compare(half, half + torch.tensor([0.0, 0.5], dtype=torch.bfloat16)) == separation.Compared(2, 1, 0.5)


# Baselines, limits, others


@pytest.mark.parametrize("method", ["lora", "ia3"])
def test_a_baseline_that_shares_passes_is_compared_without_a_strength(tiny, method):
    baseline = PeftBaseline(tiny.model, PeftConfig(method=method, rank=2) if method == "lora" else PeftConfig(method=method))
    with torch.no_grad():
        for weight in baseline.parameters():
            weight.add_(0.3)
    found = prove_separation(tiny, TALK, baseline, ANSWER)
    assert found.proven and found.zero is None and found.base.different == 0
    with pytest.raises(ConfigError, match="leave it at 1"):
        prove_separation(tiny, TALK, baseline, strength=0.5)


@pytest.mark.parametrize(
    "config", [{"method": "dora"}, {"method": "prefix", "virtual_tokens": 3}, {"method": "prompt", "virtual_tokens": 3}]
)
def test_a_baseline_in_a_batch_of_its_own_is_refused_in_a_sentence(tiny, config):
    with pytest.raises(ConfigError, match=rf"\({config['method']}\) is answered in a batch of its own"):
        prove_separation(tiny, TALK, PeftBaseline(tiny.model, PeftConfig(**config)))


def test_of_a_long_conversation_the_last_logits_are_compared(tiny, reft, monkeypatch):
    whole = prove_separation(tiny, TALK, reft, ANSWER)
    monkeypatch.setattr(separation, "_MOST_LOGITS", 5 * len(tiny.tokenizer) + 1)
    found = prove_separation(tiny, TALK, reft, ANSWER)
    assert found.proven and found.tokens == whole.tokens and found.compared == 5 and found.base.logits == 5 * len(tiny.tokenizer)


def test_what_does_not_fit_is_refused(tiny, reft):
    with pytest.raises(ConfigError, match="at most 160 are looked at"):
        prove_separation(tiny, TALK, reft, [40] * 150)
    with pytest.raises(ConfigError, match="The prompt is empty"):
        prove_separation(tiny, " ", reft)
    with pytest.raises(ConfigError, match="does not have"):
        prove_separation(tiny, TALK, reft, [len(tiny.tokenizer)])
    with pytest.raises(ConfigError, match="another base model"):
        prove_separation(replace(tiny, model=copy.deepcopy(tiny.model)), TALK, reft)
    with pytest.raises(ConfigError, match="classifies"):
        prove_separation(tiny, TALK, ReftModel(tiny.model, ReftConfig(labels=("a", "b"))))


def test_the_base_model_is_asked_for_around_each_pass_and_training_goes_on_as_it_was(tiny, strong):
    reft, inside, passes = strong(tiny.model, rank=2).train(), [0], []

    @contextmanager
    def exclusive():
        assert inside[0] == 0, "it is not entered twice"
        inside[0] = 1
        yield
        inside[0] = 0

    handle = tiny.model.model.register_forward_pre_hook(lambda *_: passes.append(inside[0]))
    try:
        assert prove_separation(tiny, TALK, reft, exclusive=exclusive).proven
    finally:
        handle.remove()
    assert passes == [1, 1, 1] and reft.training
