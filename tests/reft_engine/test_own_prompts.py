"""Columns with prompts of their own, and what a request tells of each: how long its prompt was, and why its answer ended."""

import pytest
import torch

from reft_engine import ConfigError, DataError, Message, ReftConfig, generate
from reft_engine.edits import Mix
from reft_engine.inference.engine import InferenceEngine
from reft_engine.inference.sampling import Sampling

LONG = " ".join(["The keeper of a small harbour answers every question that sailors ask."] * 2)


def conversation(*texts: str) -> list[Message]:
    """What both sides said in turn."""
    return [Message("assistant" if at % 2 else "user", text) for at, text in enumerate(texts)]


@pytest.fixture(scope="module")
def edits(tiny, strong):
    return [strong(tiny.model, seed=seed, scale=2.0, rank=2, positions=positions) for seed, positions in enumerate(["l1", "all", "f2+l2"])]


PROMPTS = [
    "Hi", "What is 2 cat, and why?", conversation("Hi", "No.", "Why?"), conversation("Hi", "Yes, it is so.", "Why?"), [7, 8, 9, 10],
]  # fmt: skip


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_each_column_gives_what_it_gives_alone_with_its_own_prompt(tiny, edits, temperature):
    columns = [None, edits[0], edits[1], Mix(edits, [0.5, 1.0, -0.5]), edits[2]]
    sampling = Sampling(temperature=temperature, seed=3)
    alone = [
        InferenceEngine(tiny).submit(prompt, [edit], max_new_tokens=9, sampling=sampling).texts()[0]
        for prompt, edit in zip(PROMPTS, columns, strict=True)
    ]
    engine = InferenceEngine(tiny)
    beside = engine.submit("Another", [edits[1]], max_new_tokens=20)
    engine.step()
    request = engine.submit("Not read.", columns, prompts=PROMPTS, max_new_tokens=9, sampling=sampling)
    assert request.texts() == alone and len(set(alone)) == 5
    assert [request.tokens(column).prompt for column in range(5)] == [len(row.prompts[0].ids) for row in request.rows]
    assert request.tokens(4).prompt == 4 and len({request.tokens(column).prompt for column in range(4)}) == 4
    beside.cancel()


@pytest.mark.parametrize("piece", [24, 10_000])
def test_also_where_their_prompts_share_a_long_beginning(tiny, edits, monkeypatch, piece):
    """Read at once or in pieces; the same prompt in two columns included."""
    monkeypatch.setattr("reft_engine.inference.engine.PIECE", piece)
    prompts = [conversation(LONG, answer, "Why?") for answer in ("Yes.", "No, never.", "Yes.")]
    columns = [None, edits[0], edits[2]]
    alone = [generate(tiny, prompt, [edit], max_new_tokens=7)[0] for prompt, edit in zip(prompts, columns, strict=True)]
    engine = InferenceEngine(tiny)
    for _ in range(2):  # and once more from what is remembered
        assert engine.submit(prompts[0], columns, prompts=prompts, max_new_tokens=7).texts() == alone
    equal = engine.submit("x", columns, prompts=[prompts[0]] * 3, max_new_tokens=7).texts()
    assert equal == engine.submit(prompts[0], columns, max_new_tokens=7).texts() == generate(tiny, prompts[0], columns, max_new_tokens=7)


def test_strengths_are_those_of_their_columns(tiny, edits):
    prompts, strengths = ["Hi", "Say why.", "Hi"], [0.0, 2.0, -1.0]
    alone = [
        generate(tiny, prompt, [edits[1]], strength=each, max_new_tokens=8)[0] for prompt, each in zip(prompts, strengths, strict=True)
    ]
    assert InferenceEngine(tiny).submit("x", [edits[1]] * 3, prompts=prompts, strength=strengths, max_new_tokens=8).texts() == alone
    assert alone[0] == generate(tiny, "Hi", max_new_tokens=8)[0] != alone[2]


def test_marks_are_read_in_each_prompt_and_taken_out_of_those_of_the_others(tiny, strong):
    """As where all columns have the same prompt: beside an edit that reads marks nobody reads them as text."""
    reft = strong(tiny.model, positions="marked", scale=2.0)
    first, second = "What is <reft>2</reft> cat?", conversation("<reft>Hi</reft> there", "Yes.", "How <reft>are</reft> you?")
    pairs = [generate(tiny, prompt, [None, reft], max_new_tokens=8) for prompt in (first, second)]
    engine = InferenceEngine(tiny)
    assert engine.submit("x", [None, reft], prompts=[first, second], max_new_tokens=8).texts() == [pairs[0][0], pairs[1][1]]
    assert engine.submit("x", [reft, None], prompts=[first, second], max_new_tokens=8).texts() == [pairs[0][1], pairs[1][0]]
    assert engine.submit("x", [reft, reft], prompts=[first, second], max_new_tokens=8).texts() == [pairs[0][1], pairs[1][1]]
    text = engine.submit("x", [None, None], prompts=[first, "Hi"], max_new_tokens=8)
    read = engine.submit("x", [None, reft], prompts=[first, first], max_new_tokens=8)
    assert text.tokens().prompt > read.tokens(0).prompt == read.tokens(1).prompt, "without such an edit, marks are text"


@pytest.mark.parametrize("prompts", [[], ["Hi"], ["Hi"] * 3])
def test_as_many_prompts_as_columns_are_given(tiny, edits, prompts):
    with pytest.raises(ConfigError, match="one prompt for all edits, or one for each") as refusal:
        InferenceEngine(tiny).submit("x", [None, edits[0]], prompts=prompts)
    assert refusal.value.field == "prompts"


@pytest.mark.parametrize("bad", ["", " ", [], conversation("Hi", "Ho"), [10**9]])
def test_a_prompt_that_cannot_be_answered_refuses_them_all(tiny, edits, bad):
    engine = InferenceEngine(tiny)
    with pytest.raises((ConfigError, DataError)):
        engine.submit("x", [None, edits[0]], prompts=["Hi", bad])
    assert engine.is_idle and engine.submit("Hi", max_new_tokens=2).texts() == generate(tiny, "Hi", max_new_tokens=2)


# Why an answer has ended


@pytest.fixture(scope="module")
def ender(tiny):
    """An edit after which the model says its end token."""
    reft = make_ender(tiny)
    assert generate(tiny, "Hi", [reft], max_new_tokens=5) == [""]
    return reft


def make_ender(tiny):
    """It puts the last hidden state of the last layer where the output head likes the end token best."""
    from reft_engine.trainable import make_trainable

    reft = make_trainable(tiny, ReftConfig(method="red", rank=1, layers=[2], positions="l1"), seed=1)
    end = tiny.tokenizer.eos_token_id
    with torch.no_grad():
        reft.intervention.bias.copy_(1000.0 * tiny.model.get_output_embeddings().weight[end].expand_as(reft.intervention.bias))
    return reft.eval()


def test_an_answer_ends_with_the_models_own_end_token_or_at_its_longest(tiny, edits, ender):
    request = InferenceEngine(tiny).submit("Hi", [ender, None], max_new_tokens=6)
    assert [request.ending(column) for column in (0, 1)] == [None, None]
    request.texts()
    assert [request.ending(column) for column in (0, 1)] == ["end", "length"]
    assert request.ids(0) == (tiny.tokenizer.eos_token_id,) and len(request.ids(1)) == 6


def test_an_answer_that_fills_the_context_is_at_its_longest(tiny):
    request = InferenceEngine(tiny).submit([5] * (tiny.context - 3), max_new_tokens=50)
    request.texts()
    assert request.ending() == "length" and len(request.ids()) <= 4


def test_an_answer_ends_before_a_stop_text(tiny):
    (whole,) = generate(tiny, "Say why.", max_new_tokens=12)
    request = InferenceEngine(tiny).submit("Say why.", max_new_tokens=12, sampling=Sampling(stop=(whole[5:9],)))
    assert request.texts() == [whole[: whole.index(whole[5:9])]] and request.ending() == "stop"


def test_an_answer_that_nobody_wants_any_more_was_cancelled(tiny, ender):
    """But for those of its columns that had ended before."""
    engine = InferenceEngine(tiny)
    request = engine.submit("Hi", [ender, None], max_new_tokens=40)
    pieces = iter(request)
    while request.ending(0) is None or len(request.ids(1)) < 2:
        next(pieces)
    request.cancel()
    list(pieces)
    assert [request.ending(column) for column in (0, 1)] == ["end", "cancelled"] and engine.is_idle
    waiting = engine.submit("Hi", max_new_tokens=4)
    waiting.cancel()
    engine.finish()
    assert waiting.ending() == "cancelled" and waiting.ids() == ()
