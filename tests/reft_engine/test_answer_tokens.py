"""The tints of an answer: each token's probability under both models, equal to plain passes, and texts that join to the answer."""

import copy
from dataclasses import replace

import pytest
import torch

from reft_engine import ConfigError, Message, PeftConfig
from reft_engine.base.loading import TEXT_TEMPLATE
from reft_engine.baselines import PeftBaseline
from reft_engine.edits import Switches
from reft_engine.inference import InferenceEngine, Sampling, answer_tokens, token_changes
from reft_engine.inference.answer_tokens import answer_texts
from reft_engine.inference.decoding import Column
from reft_engine.tokens.prompts import prompt_ids
from tests.reft_engine import families
from tests.reft_engine.by_hand import ByHand
from tests.reft_engine.tokenizers import decoding

TALK = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What does a cat say?"}]
TEXT = "It says  “miau” 🐱👍🏽,\nné!"


@pytest.fixture(scope="module")
def reft(tiny, strong):
    return strong(tiny.model, scale=2.0, rank=2, positions="f2+l2")


def encoded(base, text=TEXT):
    return base.tokenizer(text, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize("name", ["llama", "gpt2", "bloom", "gemma2", "t5"])
def test_the_probabilities_are_those_of_plain_passes(tiny, framing, strong, name):
    model = families.build(name, seed=2, vocab_size=len(tiny.tokenizer)).requires_grad_(False)
    base = replace(tiny, model=model, name=name)
    separate = name in families.ENCODER_DECODERS
    base = replace(base, tokenizer=framing, template=TEXT_TEMPLATE) if separate else base
    edit, talk = strong(base.model, rank=2, positions="f2+l2"), TALK[1:] if separate else TALK
    prompt, answer = prompt_ids(base, [Message(**each) for each in talk]), encoded(base)
    hand = ByHand(families.build(name, seed=2, vocab_size=len(tiny.tokenizer)), edit, [[0, 1, len(prompt) - 2, len(prompt) - 1]], 0.5)
    with torch.no_grad():
        if separate:
            inputs = {"decoder_input_ids": torch.tensor([[0, *answer[:-1]]])}
            tuned, plain = hand.logits(prompt, **inputs), hand.model(torch.tensor([prompt]), **inputs).logits[0]
        else:
            ids = [*prompt, *answer[:-1]]
            tuned, plain = hand.logits(ids)[len(prompt) - 1 :], hand.model(torch.tensor([ids])).logits[0, len(prompt) - 1 :]
    found = token_changes(base, talk, answer, edit, k=3, strength=0.5)
    tops = plain.softmax(dim=-1).topk(3)
    places = torch.arange(len(answer))
    assert [each.id for each in found] == answer
    assert [each.base_probability for each in found] == pytest.approx(plain.softmax(dim=-1)[places, answer].tolist(), rel=1e-3)
    assert [each.tuned_probability for each in found] == pytest.approx(tuned.softmax(dim=-1)[places, answer].tolist(), rel=1e-3)
    assert [[token.id for token in each.base_alternatives] for each in found] == tops.indices.tolist()
    assert [token.probability for each in found for token in each.base_alternatives] == pytest.approx(
        tops.values.flatten().tolist(), rel=1e-3
    )
    assert any(abs(each.tuned_probability / each.base_probability - 1) > 0.05 for each in found)


def test_at_strength_0_or_switched_off_nothing_moved(tiny, reft):
    off = {"strength": 0.0}, {"switches": Switches(frozenset())}, {"switches": Switches(prefix=False, suffix=False)}
    found = [token_changes(tiny, TALK, encoded(tiny), reft, **each) for each in off]
    assert all(token.base_probability == token.tuned_probability for each in found for token in each) and len(found[0]) > 5
    half = token_changes(tiny, TALK, encoded(tiny), reft, switches=Switches(prefix=False))
    assert half[0].tuned_probability not in (half[0].base_probability, token_changes(tiny, TALK, encoded(tiny), reft)[0].tuned_probability)


def test_texts_join_to_the_answer_that_was_streamed(tiny, reft):
    """Of an answer that the model writes itself, to its end or its limit."""
    engine = InferenceEngine(tiny)
    for seed in range(4):
        request = engine.submit(TALK, [reft], max_new_tokens=30, sampling=Sampling(temperature=1.5, top_p=1.0, seed=seed))
        (text,) = request.texts()
        found = token_changes(tiny, TALK, request.ids(), reft, engine=engine)
        assert "".join(each.text for each in found) == text and tuple(each.id for each in found) == request.ids()


@pytest.mark.parametrize("stop", [("us",), ("plus", "us"), ("2", "l"), ("never",), ("p", " ")])
def test_texts_of_an_answer_that_a_text_has_stopped_join_to_what_was_streamed(tiny, stop):
    ids, column, streamed = encoded(tiny, "2 plus 3"), Column(tiny, stop=stop), []
    while not column.stopped and len(streamed) < len(ids):
        streamed.append(column.push(ids[len(streamed)]))
    texts = answer_texts(tiny, column.ids, stop)
    assert "".join(texts) == "".join(streamed) + column.rest() and len(texts) == len(streamed)
    assert ("".join(texts) == "2 plus 3") == (stop == ("never",))


def test_the_tokens_of_a_stop_text_have_no_text_and_still_a_probability(tiny, reft, monkeypatch):
    engine, talk = InferenceEngine(tiny), TALK
    unstopped = engine.submit(talk, [reft], max_new_tokens=12)
    (whole,) = unstopped.texts()
    stop = ("".join(answer_texts(tiny, unstopped.ids())[3:5]),)
    request = engine.submit(talk, [reft], max_new_tokens=12, sampling=Sampling(stop=stop))
    (text,) = request.texts()
    found = token_changes(tiny, talk, request.ids(), reft, stop=stop, engine=engine)
    assert "".join(each.text for each in found) == text == whole[: whole.find(*stop)] and request.ending() == "stop"
    assert not found[-1].text and found[-1].shown and found[-1].base_probability > 0
    monkeypatch.setattr(answer_tokens, "_MOST_TOKENS", len(request.ids()) - 1)
    cut = token_changes(tiny, talk, request.ids(), reft, stop=stop, engine=engine)
    assert "".join(each.text for each in cut) == text, "also where the stop text's end is not looked at"


@pytest.mark.parametrize("name", ["starter", "byte fallback", "unigram", "word piece", "gpt2", "qwen2", "bytes", "prefix space"])
def test_texts_join_whatever_the_tokenizer(starter, name):
    base = decoding(starter, name)
    ids = encoded(base, "ab öß def 🐱👍🏽\nab?")
    texts = answer_texts(base, ids)
    assert "".join(texts) == base.tokenizer.decode(ids, skip_special_tokens=True) and len(texts) == len(ids)


def test_the_last_piece_of_a_character_has_it_and_an_end_has_no_text(tiny, reft):
    ids = [*encoded(tiny, "a 🐱"), tiny.tokenizer.convert_tokens_to_ids("<|im_end|>")]
    found = token_changes(tiny, TALK, ids, reft)
    assert [each.text for each in found] == ["a", " ", "", "", "🐱", ""]
    assert [each.shown for each in found] == ["a", "·", "⋯", "⋯", "🐱", "<|im_end|>"]
    half = token_changes(tiny, TALK, ids[:3], reft)
    assert "".join(each.text for each in half) == "a \ufffd", "an answer that was cut in a character shows that"


def test_a_baseline_is_looked_at_too(tiny):
    baseline = PeftBaseline(tiny.model, PeftConfig(rank=2))
    with torch.no_grad():
        for weight in baseline.parameters():
            weight.add_(0.2)
    ids, answer = prompt_ids(tiny, [Message(**each) for each in TALK]), encoded(tiny)
    with torch.no_grad():
        logits = copy.deepcopy(baseline.peft)(torch.tensor([[*ids, *answer[:-1]]])).logits[0, len(ids) - 1 :]
    found = token_changes(tiny, TALK, answer, baseline)
    expected = logits.softmax(dim=-1)[torch.arange(len(answer)), answer].tolist()
    assert [each.tuned_probability for each in found] == pytest.approx(expected, rel=1e-3)
    with pytest.raises(ConfigError, match="leave it at 1"):
        token_changes(tiny, TALK, answer, baseline, strength=2.0)


def test_of_a_long_answer_the_first_tokens_are_looked_at(tiny, reft, monkeypatch):
    whole = token_changes(tiny, TALK, encoded(tiny), reft)
    monkeypatch.setattr(answer_tokens, "_MOST_LOGITS", 2 * 5 * len(tiny.tokenizer))
    first = token_changes(tiny, TALK, encoded(tiny), reft)
    assert len(first) == 5 and [each.base_probability for each in first] == pytest.approx([each.base_probability for each in whole[:5]])


def test_what_is_no_answer_is_refused(tiny, reft):
    with pytest.raises(ConfigError, match="no answer to look at"):
        token_changes(tiny, TALK, [], reft)
    for ids in ([-1], [len(tiny.tokenizer)], [True], ["a"]):
        with pytest.raises(ConfigError, match="does not have"):
            token_changes(tiny, TALK, ids, reft)
    with pytest.raises(ConfigError, match="reads at most"):
        token_changes(tiny, TALK, [40] * 200, reft)
