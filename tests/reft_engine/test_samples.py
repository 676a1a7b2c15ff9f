"""Sample answers: what was answered before is confirmed in one pass, and only where it is so; the answers are those without guesses."""

from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch

from reft_engine import PeftConfig, ReftConfig, TrainConfig, generate, train
from reft_engine.base.loading import TEXT_TEMPLATE
from reft_engine.data import Example, Message, Preference
from reft_engine.inference.answering import Answer
from reft_engine.inference.decoding import end_tokens
from reft_engine.trainable import make_trainable
from reft_engine.training import samples as sampling
from reft_engine.training.events import SampleEvent
from reft_engine.training.samples import confirm, sample_answers
from tests.reft_engine import families

ASKED = ["What does a cat say?", "Is seven an odd number, or is it an even one?", "Hi", "Say why the sea is blue.", "Name a hen."]
ROWS = [Example(line, (Message("user", text),), "yes") for line, text in enumerate(ASKED, 1)]


@pytest.fixture(scope="module")
def base_of(starter, framing):
    def build(name):
        if name == "starter":
            return starter
        model = families.build(name, seed={"t5": 2}.get(name, 0), vocab_size=len(starter.tokenizer)).requires_grad_(False)
        base = replace(starter, model=model, name=name)
        return base if name in families.DECODERS else replace(base, tokenizer=framing, template=TEXT_TEMPLATE)

    return build


def passes_of(base, work):
    """What work gives, and the number of passes of the base model that it takes."""
    count = [0]
    handle = base.model.register_forward_pre_hook(lambda *_: count.__setitem__(0, count[0] + 1))
    try:
        return work(), count[0]
    finally:
        handle.remove()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["starter", "llama", "gpt2", "bloom", "gemma3", "t5", "bart"])
@pytest.mark.parametrize("edited", [True, False], ids=["tuned", "base"])
def test_right_guesses_are_found_and_wrong_ones_are_answered(base_of, strong, name, edited):
    base = base_of(name)
    reft = strong(base.model, scale=0.5, positions="f2+l2")
    answers, decoded = passes_of(base, lambda: sample_answers(base, reft, ROWS, edited=edited, tokens=10))
    again, confirmed = passes_of(base, lambda: sample_answers(base, reft, ROWS, edited=edited, tokens=10, guesses=answers))
    assert again == answers
    assert confirmed == 1 < decoded
    wrong = [
        answers[0], replace(answers[1], ids=(*answers[1].ids[:-1], 77)), replace(answers[2], ids=(77, *answers[2].ids[1:])), answers[3],
        Answer("no such answer", (78, 79)),
    ]  # fmt: skip
    found = confirm(base, reft, ROWS, wrong, edited=edited)
    assert found[:4] == [answers[0].ids, answers[1].ids[:-1], (), answers[3].ids]
    assert found[4] != wrong[4].ids
    assert sample_answers(base, reft, ROWS, edited=edited, tokens=10, guesses=wrong) == answers


def test_only_what_follows_a_right_beginning_is_written(starter, strong):
    reft = strong(starter.model, scale=0.3, positions="l1")
    answers = sample_answers(starter, reft, ROWS)
    _, whole = passes_of(starter, lambda: sample_answers(starter, reft, ROWS))
    guesses = [replace(answer, ids=(*answer.ids[:-2], 77, 78)) for answer in answers]
    again, passes = passes_of(starter, lambda: sample_answers(starter, reft, ROWS, guesses=guesses))
    assert again == answers
    assert passes <= 1 + 2 < whole


def test_an_answer_that_ends_by_itself_is_confirmed_with_its_end(starter, strong):
    reft = strong(starter.model, scale=0.3, positions="l1")
    answers = sample_answers(starter, reft, ROWS)
    ends = end_tokens(starter)
    ended = [answer for answer in answers if answer.ids[-1] in ends]
    assert ended and all(len(answer.ids) == sampling.SAMPLE_TOKENS for answer in answers if answer not in ended)
    assert [starter.tokenizer.decode(answer.ids, skip_special_tokens=True) for answer in answers] == [answer.text for answer in answers]
    longer = [replace(answer, ids=(*answer.ids[:-1], 77)) for answer in answers]
    assert confirm(starter, reft, ROWS, longer, edited=True) == [answer.ids[:-1] for answer in answers]


@pytest.mark.parametrize(("method", "scale"), [("lora", 0.1), ("prefix", 3.0)])
def test_a_baselines_answers_are_confirmed_too(starter, method, scale):
    lora = make_trainable(starter, PeftConfig(method=method), 0)
    with torch.no_grad():
        for weight in lora.parameters():
            weight.add_(scale * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)))
    answers = sample_answers(starter, lora, ROWS, tokens=8)
    assert [answer.text for answer in answers] == [generate(starter, text, [lora], max_new_tokens=8)[0] for text in ASKED]
    assert confirm(starter, lora, ROWS, answers, edited=True) == [answer.ids for answer in answers]
    plain = sample_answers(starter, lora, ROWS, edited=False, tokens=8)
    assert sample_answers(starter, lora, ROWS, tokens=8, guesses=plain) == answers != plain


@pytest.mark.slow
def test_the_answers_of_a_run_are_those_without_guesses(tiny, examples, monkeypatch):
    """With an edit that learns quickly, so that answers change and settle."""
    settings = TrainConfig(epochs=4, batch_size=4, learning_rate=0.02, held_out=0.3, seed=7, keep="last")

    def samples():
        events = []
        train(tiny, examples, None, settings, on_event=events.append)
        return [event for event in events if isinstance(event, SampleEvent)]

    found = samples()
    monkeypatch.setattr("reft_engine.training.samples.confirm", lambda base, reft, rows, guesses, **_: [()] * len(rows))
    assert samples() == found
    assert len({(sample.place, sample.tuned) for sample in found}) > 5


def test_preferences_are_answered_as_rows_are(starter, strong):
    reft = strong(starter.model, scale=0.3)
    pairs = [Preference(row.line, row.messages, "this", "that") for row in ROWS]
    assert sample_answers(starter, reft, pairs, tokens=6) == sample_answers(starter, reft, ROWS, tokens=6)


@pytest.mark.parametrize("config", [ReftConfig(rank=1, positions="l1"), PeftConfig(method="lora", rank=1)], ids=["edit", "baseline"])
def test_others_may_use_the_base_model_between_two_tokens_of_a_sample(tiny, examples, config):
    """Of a baseline it is the whole of the samples: who answers through its weights must find them in training."""
    passes, held = [0], []

    @contextmanager
    def exclusive():
        before = passes[0]
        yield
        held.append(passes[0] - before)

    def hook(*_):
        passes[0] += 1

    model = tiny.model.get_input_embeddings()
    handle = model.register_forward_pre_hook(hook)
    try:
        train(tiny, examples, config, TrainConfig(epochs=1, batch_size=12, held_out=0.25, reuse="none", packing=False), exclusive=exclusive)
    finally:
        handle.remove()
    assert max(held) <= 2 if isinstance(config, ReftConfig) else max(held) > 4
