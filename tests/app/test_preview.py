"""What a preview shows of a row is what training reads of it: the same tokens, learned and edited."""

import pytest
import torch

from app.worker.preview import preview_rows
from reft_engine import ReftConfig, ReftModel, TrainConfig, load_base, train
from reft_engine.data import Preference, inspect_rows, shapes
from reft_engine.tokens.batches import collate
from reft_engine.training import loop, objective_for
from reft_engine.training import run as running

LENGTH = 60
LONG = "one two three " * 30
CHAT = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}, {"role": "user", "content": "cat?"}]
SHAPES = {
    "instructions": [{"instruction": "Add.", "input": f"1 and {n}", "output": f"{n + 1}"} for n in range(3)],
    "pairs": [{"prompt": f"What is {n} cat?", "answer": f"cat {n}"} for n in range(3)] + [{"prompt": "Long?", "answer": LONG}],
    "labels": [{"text": f"the {word} <reft>thing</reft> here", "label": word} for word in ("good", "bad", "good")],
    "messages": [{"messages": [{"role": "system", "content": "Be brief."}, *CHAT, {"role": "assistant", "content": "A cat."}]}],
    "conversations": [{"conversations": [{"from": "human", "value": "<reft>Hi</reft>"}, {"from": "gpt", "value": "Ho"}]}],
    "preferences": [{"prompt": f"Is {n} <reft>good</reft>?", "chosen": "Yes it is.", "rejected": "no"} for n in range(3)],
    "judged": [{"prompt": f"What is {n}?", "completion": f"It is {n}", "label": n != 1} for n in range(3)],
    "trees": [{"role": "prompter", "text": "hi", "replies": [{"role": "assistant", "text": "ho"}, {"role": "assistant", "text": "go"}]}],
    "choices": [{"question": "Which?", "choices": ["red", "blue"], "answer": 1}],
    "questions": [{"context": "Lima is in Peru.", "question": "Where is Lima?", "answers": {"text": ["Peru"], "answer_start": [11]}}],
    "sentence_pairs": [{"sentence1": "It rains.", "sentence2": "It is <reft>wet</reft>.", "label": "entailment"}],
    "text": [{"text": "one two three four five six seven eight nine ten cat dog bird fish tree rain " * 2}, {"text": LONG}],
}
CONFIGS = [
    ReftConfig(rank=2, positions="f2+l3", tied=False), ReftConfig(rank=2, positions="l1"), ReftConfig(rank=2, positions="all"),
    ReftConfig(rank=2, positions="marked"),
]  # fmt: skip


@pytest.fixture(scope="module")
def base(tiny_base):
    return load_base(str(tiny_base), device="cpu")


def trained_on(base, examples, config, monkeypatch, length):
    """Of each line the encoded row that a run trains on."""
    states = []
    monkeypatch.setattr(running, "RunState", lambda *args: states.append(loop.RunState(*args)) or states[-1])
    train(base, examples, config, TrainConfig(max_length=length, epochs=1, held_out=0, batch_size=8))
    (state,) = states
    return state.objective, state.rows


def as_trained(base, objective, rows, config):
    """Of each text its tokens as the tensors of a batch have them: id, whether a loss is on it, whether it is edited."""
    texts, reft = objective.sequences(rows), ReftModel(base.model, config)
    batch = collate(base, texts)
    plan = reft.plan_of(batch.prompts, None, batch.device)
    edited = torch.zeros(batch.shape, dtype=torch.bool)
    for row, column in zip(plan.rows, plan.columns, strict=True):
        edited[row, column] = True
    learned = torch.zeros(batch.shape, dtype=torch.bool)
    learned[:, 1:] = batch.targets[:, :-1] != -100  # a target stands before the token that it is
    ids = batch.inputs["input_ids"]
    return [
        list(zip(ids[row, begin:end].tolist(), learned[row, begin:end].tolist(), edited[row, begin:end].tolist(), strict=True))
        for row, begin, end in batch.rows
    ]


def test_every_shape_is_compared():
    assert set(SHAPES) == {shape.name for shape in shapes.SHAPES}


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.positions)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_preview_shows_the_tokens_that_are_trained(base, shape, config, monkeypatch):
    found = inspect_rows(SHAPES[shape])
    assert found.shape == shape
    compare(base, found.examples, config, monkeypatch)


@pytest.mark.parametrize("config", CONFIGS[:3], ids=lambda config: config.positions)
def test_a_preview_shows_what_of_a_chat_is_learned_beside_its_text(base, config, monkeypatch):
    call = {"role": "assistant", "content": "", "reasoning": "cat or dog", "function_call": {"name": "cat", "arguments": '{"n": 1}'}}
    chats = [{"messages": [*CHAT, call, {"role": "tool", "content": "Ho"}, {"role": "assistant", "content": "A cat.", "thinking": "so"}]}]
    examples = inspect_rows(chats, include=("reasoning", "tool_calls")).examples
    assert ["<think>" in each.answer for each in examples] == [False, True, True] and "<tool_call>" in examples[1].answer
    compare(base, examples, config, monkeypatch, length=400)


@pytest.mark.parametrize("positions", ["f2+l3", "marked"])
def test_a_preview_of_what_is_classified_shows_the_text_and_learns_no_token(base, positions, monkeypatch):
    config = ReftConfig(rank=2, positions=positions, labels=("good", "bad"))
    long = [{"text": f"<reft>{LONG}</reft>", "label": "bad"}]
    shown = compare(base, inspect_rows([*SHAPES["labels"], *long]).examples, config, monkeypatch)
    assert [row["cut"] for row in shown] == [False, False, False, True]
    assert all(row["answer_tokens"] == 0 for row in shown)


def compare(base, examples, config, monkeypatch, length=LENGTH):
    marked = config.positions == "marked"
    usable = [each for each in examples if not marked or any("<reft>" in message.content for message in each.messages)]
    each_row = 2 if isinstance(examples[0], Preference) else 1
    shown = preview_rows(base, examples, config, length)
    problems = [row["line"] for row in shown if row["problem"]]
    assert problems == [each.line for each in examples if each not in usable]
    shown = [row for row in shown if not row["problem"]]
    if not usable:
        return shown
    objective, rows = trained_on(base, examples, config, monkeypatch, length)
    assert type(objective) is type(objective_for(base, config, TrainConfig(), examples))
    assert [row["cut"] for row in shown] == [row.cut for row in rows]
    sequences = as_trained(base, objective, rows, config)
    for row, tokens in zip(shown, sequences[1::2] if each_row == 2 else [], strict=each_row == 2):
        (rejected,) = row["rejected"]
        assert "".join(rejected) == base.tokenizer.decode([token for token, learned, _ in tokens if learned])
    for row, tokens in zip(shown, sequences[::each_row], strict=True):
        assert [(kind == "answer", edited) for _, kind, edited in row["tokens"]] == [(learned, edited) for _, learned, edited in tokens]
        assert "".join(text for text, *_ in row["tokens"]) == base.tokenizer.decode([token for token, *_ in tokens])
        assert row["prompt_tokens"] + row["answer_tokens"] == len(tokens)
    return shown
