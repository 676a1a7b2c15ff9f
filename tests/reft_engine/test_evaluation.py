import copy
import math
from dataclasses import replace

import pytest
import torch

from reft_engine import Example, ReftConfig, TrainConfig, classify, evaluate, generate
from reft_engine.data import Message
from reft_engine.errors import DataError
from reft_engine.tokens.examples import encode
from reft_engine.training.objectives import NextToken


def mean_loss(base, reft, rows):
    return NextToken(base, ReftConfig(), TrainConfig()).mean(rows, reft, edited=reft is not None)


def ask(line, question, answer):
    return Example(line, (Message("user", question),), answer)


def summed_loss(base, reft, row):
    ids = torch.tensor([row.prompt_ids + row.answer_ids])
    at = len(row.prompt_ids)
    with torch.no_grad():
        logits = base.model(input_ids=ids).logits[0] if reft is None else reft(ids, None, [at]).logits[0]
    return -logits.log_softmax(dim=-1)[at - 1 : -1].gather(1, ids[0, at:, None]).sum().item(), len(row.answer_ids)


@pytest.mark.parametrize("edited", [False, True], ids=["base", "tuned"])
def test_the_mean_is_over_answer_tokens_whatever_the_batches(tiny, strong, examples, edited):
    reft = strong(tiny.model) if edited else None
    rows = [
        encode(tiny, example, 128, ReftConfig()) for example in [*examples[:17], ask(99, "Hi", "a much longer answer than all the others")]
    ]
    parts = [summed_loss(tiny, reft, row) for row in rows]
    expected = sum(loss for loss, _ in parts) / sum(count for _, count in parts)
    assert mean_loss(tiny, reft, rows) == pytest.approx(expected, abs=1e-4)


def test_no_rows_have_no_loss(tiny):
    assert mean_loss(tiny, None, []) == 0.0


@pytest.mark.slow
def test_an_exact_match_is_counted_for_each_model_alone(starter, strong):
    questions = ["What does a cat say?", "What is 3 plus 4?", "What is the capital of France?"]
    reft = strong(starter.model, scale=20.0, method="direft", positions="all")
    answers = [generate(starter, question, [None, reft], max_new_tokens=60) for question in questions]
    assert all(base != tuned for base, tuned in answers)
    rows = [ask(1, questions[0], answers[0][0]), ask(2, questions[1], answers[1][1]), ask(3, questions[2], f"  {answers[2][0]}\n")]
    found = evaluate(starter, reft, rows)
    assert found["base"]["exact_match"] == pytest.approx(2 / 3)
    assert found["tuned"]["exact_match"] == pytest.approx(1 / 3)


@pytest.mark.slow
def test_an_answer_that_only_begins_as_expected_is_no_match(starter, strong):
    whole = generate(starter, "What does a cat say?")[0]
    found = evaluate(starter, strong(starter.model, scale=1.0), [ask(1, "What does a cat say?", whole[: len(whole) // 2])])
    assert found["base"]["exact_match"] == 0


def test_the_losses_are_those_of_the_rows(tiny, strong, examples):
    reft = strong(tiny.model)
    rows = [encode(tiny, example, 512, ReftConfig()) for example in examples[:5]]
    found = evaluate(tiny, reft, examples[:5])
    assert found["base"]["loss"] == mean_loss(tiny, None, rows)
    assert found["tuned"]["loss"] == mean_loss(tiny, reft, rows)
    assert found["base"]["loss"] != found["tuned"]["loss"]


def test_every_row_is_reported(tiny, strong, examples):
    seen = []
    evaluate(tiny, strong(tiny.model), examples[:3], on_row=seen.append)
    assert seen == [1, 2, 3]


def test_it_can_be_repeated(tiny, strong, examples):
    reft = strong(tiny.model, dropout=0.5).train()
    first = evaluate(tiny, reft, examples[:3])
    assert evaluate(tiny, reft, examples[:3]) == first


def test_rows_that_could_not_be_trained_on_are_left_out_and_named(tiny, strong, examples):
    reft = strong(tiny.model)
    found = evaluate(tiny, reft, [ask(77, "no " * 300, "a"), *examples[:2]])
    assert (found["rows"], found["rows_left_out"]) == (2, 1)
    assert found["left_out"][0].startswith("Line 77: the prompt has")
    assert [found["base"], found["tuned"]] == [evaluate(tiny, reft, examples[:2])[name] for name in ("base", "tuned")]


def test_where_no_row_can_be_used_it_is_refused_and_named(tiny, strong):
    with pytest.raises(DataError, match="Line 77"):
        evaluate(tiny, strong(tiny.model), [ask(77, "no " * 300, "a")])
    with pytest.raises(DataError, match="no row"):
        evaluate(tiny, strong(tiny.model), [])


@pytest.mark.slow
def test_a_long_answer_can_match(starter, strong):
    vocabulary = [starter.tokenizer.decode([token]) for token in range(300, 1500)]
    words = [word for word in vocabulary if word.startswith(" ") and word[1:].isalpha()][:120]
    expected = "".join(words).strip()
    base = _parrot(starter, expected)
    found = evaluate(base, strong(base.model, scale=0.0), [ask(1, "Hi", expected)], max_length=500)
    assert found["base"]["exact_match"] == 1


def _parrot(starter, text):
    """The starter, its head swapped for one that says a given text of distinct tokens after any prompt."""
    tokens = [*starter.tokenizer(text, add_special_tokens=False)["input_ids"], starter.tokenizer.eos_token_id]
    newline = starter.tokenizer("\n", add_special_tokens=False)["input_ids"][-1]
    assert len({newline, *tokens}) == len(tokens) + 1
    model = copy.deepcopy(starter.model)
    table = torch.zeros_like(model.lm_head.weight)
    following = dict(zip([newline, *tokens], tokens, strict=False))
    with torch.no_grad():
        model.model.embed_tokens.weight.normal_(generator=torch.Generator().manual_seed(0))
        model.model.norm.weight.fill_(1.0)
        for block in model.model.layers:
            block.self_attn.o_proj.weight.zero_()
            block.mlp.down_proj.weight.zero_()
        for token, after in following.items():
            table[after] = model.model.embed_tokens.weight[token]
        model.lm_head.weight = torch.nn.Parameter(table)
    return replace(starter, model=model, name="parrot")


def test_a_row_is_given_up_when_neither_answer_can_become_the_expected_one(tiny, strong, monkeypatch):
    asked = []
    handle = tiny.model.register_forward_hook(lambda *_: asked.append(True))
    try:
        evaluate(tiny, strong(tiny.model), [ask(1, "Hi", "no such answer will ever be given by this model")])
    finally:
        handle.remove()
    assert 0 < len(asked) < 6


@pytest.mark.slow
def test_a_classifiers_texts_are_cut_where_they_are_said_to_be(tiny, strong):
    reft = strong(tiny.model, positions="all", labels=["yes", "no"], pooling="last")
    text = "cat dog cow hen " * 4
    likeliest = {limit: next(iter(classify(tiny, reft, [text], max_length=limit)[0])) for limit in range(8, 60)}
    assert set(likeliest.values()) == {"yes", "no"}
    for limit, label in likeliest.items():
        found = evaluate(tiny, reft, [ask(1, text, label)], max_length=limit)["tuned"]
        assert found["exact_match"] == 1
        assert found["loss"] == pytest.approx(-math.log(classify(tiny, reft, [text], max_length=limit)[0][label]), abs=1e-4)


def test_rows_may_be_bare_texts_and_preference_pairs_are_refused(tiny, strong):
    reft = strong(tiny.model)
    assert evaluate(tiny, reft, [("Hi", "Ho")]) == evaluate(tiny, reft, [ask(1, "Hi", "Ho")])
    with pytest.raises(DataError, match="no expected answer"):
        evaluate(tiny, reft, [("Hi", "Ho", "No")])
