"""How many of the likeliest tokens are drawn from; and logits that are adjusted in some columns of a request and not in others."""

from collections import Counter
from dataclasses import replace

import pytest
import torch
from transformers.generation.logits_process import TopKLogitsWarper, TopPLogitsWarper

from reft_engine import ConfigError, generate
from reft_engine.inference import InferenceEngine, Sampling
from reft_engine.inference.sampling import Sampler
from tests.reft_engine import families

PROMPT = "What is 2 cat?"


def answers(base, edits, **sampling):
    engine = InferenceEngine(base)
    asked = engine.submit(PROMPT, edits, max_new_tokens=12, sampling=Sampling(**sampling))
    engine.finish()
    return [asked.ids(column) for column in range(len(edits))]


@pytest.mark.parametrize("seed", range(4))
def test_one_likeliest_token_is_greedy_token_for_token(tiny, strong, seed):
    edits = [None, strong(tiny.model, positions="l2")]
    greedy = answers(tiny, edits)
    assert answers(tiny, edits, temperature=1.3, seed=seed, top_k=1) == greedy
    assert answers(tiny, edits, temperature=1.3, seed=seed) != greedy


def test_of_two_that_are_nearly_as_likely_one_takes_the_likelier():
    """In probabilities they are alike, and a sort may put either first."""
    logits = torch.full((50,), 10.0)
    logits[31] = 10.0 + 1e-6
    assert {Sampler(Sampling(temperature=5.0, seed=seed, top_k=1)).choose(logits) for seed in range(20)} == {31}


@pytest.mark.parametrize("top_p", [0.95, 1.0, 0.4])
@pytest.mark.parametrize("off", [None, 0, 97, 10_000])
def test_off_and_more_than_there_are_draw_what_is_drawn_without_it(off, top_p):
    draw = torch.Generator().manual_seed(3)
    for seed in range(60):
        logits = torch.randn(97, generator=draw) * 3
        options = {"temperature": 0.8, "top_p": top_p, "seed": seed}
        without, given = Sampler(Sampling(**options)), Sampler(Sampling(**options, top_k=off))
        assert [without.choose(logits) for _ in range(5)] == [given.choose(logits) for _ in range(5)]


@pytest.mark.parametrize(("top_k", "top_p"), [(2, 1.0), (5, 0.9), (5, 0.5), (9, 0.3), (40, 0.95)])
def test_the_same_tokens_are_left_as_in_transformers_and_all_of_them_come(top_k, top_p):
    logits = torch.randn(40, generator=torch.Generator().manual_seed(top_k)) * 1.5
    scores = TopPLogitsWarper(top_p=top_p)(None, TopKLogitsWarper(top_k=top_k)(None, logits[None]))[0]
    drawn = Counter(Sampler(Sampling(temperature=1.0, top_p=top_p, top_k=top_k, seed=seed)).choose(logits) for seed in range(4000))
    expected = scores.softmax(dim=-1)
    assert set(drawn) <= set(expected.nonzero().flatten().tolist())
    assert {token for token, share in enumerate(expected.tolist()) if share > 0.01} <= set(drawn)
    assert max(abs(count / 4000 - float(expected[token])) for token, count in drawn.items()) < 0.05


@pytest.mark.parametrize("top_k", [-1, 1.5, "3", True])
def test_a_count_that_is_none_is_refused(top_k):
    with pytest.raises(ConfigError, match="top_k must be a whole number"):
        Sampling(temperature=1.0, top_k=top_k)


def only(token):
    return lambda logits_V, hidden_D: torch.full_like(logits_V, -1e4).index_fill(0, torch.tensor([token]), 0.0)


def test_each_column_has_its_own_adjustment_and_none_leaves_it(tiny, strong):
    tuned = strong(tiny.model, positions="l2")
    engine = InferenceEngine(tiny)
    asked = engine.submit(PROMPT, [None, tuned, None, None], max_new_tokens=5, adjust=[None, None, only(7), only(9)])
    engine.finish()
    texts = asked.texts()
    assert texts[:2] == [generate(tiny, PROMPT, [each], max_new_tokens=5)[0] for each in (None, tuned)]
    assert asked.ids(2) == (7,) * 5 and asked.ids(3) == (9,) * 5


def test_one_adjustment_is_for_all_columns_and_every_answer_of_each(tiny):
    asked = InferenceEngine(tiny).submit(PROMPT, [None, None], n=2, max_new_tokens=3, adjust=only(9))
    asked.texts()
    assert [asked.ids(column) for column in range(4)] == [(9, 9, 9)] * 4


@pytest.mark.parametrize("adjust", [[None], [None, None, None], ["9", None], 9])
def test_as_many_adjustments_as_columns_are_given_or_one(tiny, adjust):
    with pytest.raises(ConfigError, match="one for each"):
        InferenceEngine(tiny).submit(PROMPT, [None, None], adjust=adjust)


def test_an_encoder_decoder_is_refused_only_if_something_is_adjusted(starter):
    model = families.build("t5", vocab_size=len(starter.tokenizer)).requires_grad_(False)
    base = replace(starter, model=model, name="t5")
    engine = InferenceEngine(base)
    assert len(engine.submit(PROMPT, [None, None], max_new_tokens=2, adjust=[None, None]).texts()) == 2
    with pytest.raises(ConfigError, match="t5 has no linear output head"):
        engine.submit(PROMPT, [None, None], adjust=[None, only(9)])
