"""Sample answers: what was answered before is confirmed in one pass, and only where it is so; the answers are those without guesses."""

from dataclasses import replace

import pytest
import torch

from reft_engine import PeftConfig, TrainConfig, train
from reft_engine.base.loading import PLAIN_TEMPLATE, TEXT_TEMPLATE
from reft_engine.data import Example, Message, Preference
from reft_engine.trainable import make_trainable
from reft_engine.training.events import SampleEvent
from reft_engine.training.samples import confirm, sample_answers
from reft_engine.training.schedule import SAMPLE_TOKENS
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
    guesses = [answers[0], "no such answer", "", answers[3] + " and more", answers[4][:-1]]
    again, confirmed = passes_of(base, lambda: sample_answers(base, reft, ROWS, edited=edited, tokens=10, guesses=answers))
    assert again == answers
    assert sample_answers(base, reft, ROWS, edited=edited, tokens=10, guesses=guesses) == answers
    assert (
        confirm(base, reft, ROWS, guesses, edited=edited, tokens=10)[1:] == [guess == answer for guess, answer in zip(guesses, answers)][1:]
    )
    if name == "starter":  # the text of random models is seldom that of its tokens
        assert confirmed == 1 < decoded
        assert confirm(base, reft, ROWS, answers, edited=edited, tokens=10) == [True] * len(ROWS)


def test_an_answer_that_goes_on_behind_a_guess_is_another(starter, strong):
    reft = strong(starter.model, scale=0.3, positions="l1")
    (whole,) = sample_answers(starter, reft, ROWS[3:4], tokens=SAMPLE_TOKENS)
    (part,) = sample_answers(starter, reft, ROWS[3:4], tokens=3)
    assert whole.startswith(part) and whole != part
    assert confirm(starter, reft, ROWS[3:4], [part], edited=True, tokens=3) == [True], "as far as it may go"
    assert confirm(starter, reft, ROWS[3:4], [part], edited=True, tokens=SAMPLE_TOKENS) == [False]
    assert sample_answers(starter, reft, ROWS[3:4], guesses=[part]) == [whole]


def test_a_plain_template_puts_a_space_before_an_answer(starter, strong):
    base = replace(starter, template=PLAIN_TEMPLATE)
    reft = strong(base.model, scale=0.3, positions="l1")
    answers = sample_answers(base, reft, ROWS, tokens=6)
    assert sample_answers(base, reft, ROWS, tokens=6, guesses=answers) == answers


@pytest.mark.parametrize("method", ["lora", "prefix"])
def test_a_baselines_answers_are_confirmed_too(starter, method):
    lora = make_trainable(starter, PeftConfig(method=method), 0)
    with torch.no_grad():
        for weight in lora.parameters():
            weight.add_(0.02 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)))
    answers = sample_answers(starter, lora, ROWS, tokens=8)
    assert confirm(starter, lora, ROWS, answers, edited=True, tokens=8) == [True] * len(ROWS)
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
    monkeypatch.setattr("reft_engine.training.samples.confirm", lambda base, reft, rows, guesses, **_: [False] * len(rows))
    assert samples() == found
    assert len({(sample.place, sample.tuned) for sample in found}) > 5


def test_preferences_are_answered_as_rows_are(starter, strong):
    reft = strong(starter.model, scale=0.3)
    pairs = [Preference(row.line, row.messages, "this", "that") for row in ROWS]
    assert sample_answers(starter, reft, pairs, tokens=6) == sample_answers(starter, reft, ROWS, tokens=6)
