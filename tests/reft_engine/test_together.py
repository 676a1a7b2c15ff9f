"""Rows that are encoded together are what each is by itself, whatever stands in them, with tokenizers of every kind."""

import copy
import random
from dataclasses import replace
from functools import lru_cache

import pytest
from tokenizers import AddedToken

from reft_engine import Example, Preference, ReftConfig, TrainConfig, load_base
from reft_engine.base.templates import render
from reft_engine.data import Message
from reft_engine.tokens.prompts import frame, read_prompt, texts_ids
from reft_engine.tokens.words import Words, words_of
from reft_engine.training.objectives import objective_for
from reft_engine.training.rows import LeftOut, read_rows
from tests.reft_engine import families, tokenizers

ATOMS = (
    "a", "b ", "hello", " world", "  ", "\n", "\t", "123", " 45", "é", "e\u0301", "ß", "猫", "😀", "<|im_end|>", "<|im_start|>", "<|im_",
    "end|>", "<reft>", "</reft>", "<reft>x</reft>", "\ud800", "\ue000", "\ue001", "\ue003", "\ue004", "\u00a0", "it's", "'s", "...", "a_b",
    " (x)", "two words", "<tool>", " <s> ", "{{ x }}", "\x1c", "\x00", "\r\n", "user", "A",
)  # fmt: skip
EDITS = {
    "both ends": (ReftConfig(positions="f7+l7"), TrainConfig(max_length=64), False),
    "marked": (ReftConfig(positions="marked"), TrainConfig(max_length=200, answer_tokens=5), False),
    "short": (ReftConfig(positions="all"), TrainConfig(max_length=20), False),
    "pairs": (ReftConfig(positions="l3"), TrainConfig(max_length=40), True),
    "preferred": (ReftConfig(positions="l3"), TrainConfig(max_length=40, pairs="preferred"), True),
    "labels": (ReftConfig(positions="f3", labels=("yes", "no")), TrainConfig(max_length=12), False),
    "marked labels": (ReftConfig(positions="marked", labels=("yes", "no", "a")), TrainConfig(max_length=12), False),
}


class Hostile:
    """Rows with whatever a file may hold, drawn by a seed."""

    def __init__(self, seed):
        self.draw = random.Random(seed)

    def text(self, most=8, harmless=False):
        atoms = [atom for atom in ATOMS if not harmless or (atom != "\ud800" and "reft" not in atom)]
        return "".join(self.draw.choice(atoms) for _ in range(self.draw.randint(0, most)))

    def conversation(self):
        kind = self.draw.random()
        if kind < 0.1:
            return ()
        if kind < 0.6:
            return (Message("user", self.text(self.draw.choice([4, 8, 30]), self.draw.random() < 0.6)),)
        if kind < 0.8:
            said = [self.text(6, harmless=True) for _ in range(4)]
            return tuple(map(Message, ("system", "user", "assistant", "user"), said))
        roles = [self.draw.choice(["user", "assistant", "system", "tool"]) for _ in range(self.draw.randint(1, 4))]
        return tuple(Message(role, self.text()) for role in roles)

    def answer(self):
        return self.draw.choice(["yes", "no", "", self.text(), self.text(harmless=True), self.text(40, harmless=True)])

    def rows(self, count, pairs):
        if pairs:
            return [Preference(line, self.conversation(), self.answer(), self.answer()) for line in range(1, count + 1)]
        return [Example(line, self.conversation(), self.answer()) for line in range(1, count + 1)]


@lru_cache
def base_of(name):
    return tokenizers.behind(load_base("starter", device="cpu"), name)


def said_of(row):
    """All of a row that was read, or why it was not."""
    if isinstance(row, LeftOut):
        return str(row.error), row.error.kind, row.error.detail, row.error.values, row.line
    return row.example, row.encoded


def all_of(read):
    return {row.index: said_of(row) for row in (*read.usable, *read.left_out)}


def edits_of(name):
    """What a base model is trained for; the decoders of all families share one tokenizer, so that a few will do."""
    if name in families.ENCODERS:
        return ["labels", "marked labels"]
    return ["both ends", "pairs"] if name in families.DECODERS else list(EDITS)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "edit"), [(name, edit) for name in tokenizers.BUILT for edit in edits_of(name)])
def test_rows_encoded_together_are_what_each_is_alone(name, edit):
    config, settings, pairs = EDITS[edit]
    rows = Hostile(f"{name} {edit}").rows(60, pairs)
    objective = objective_for(base_of(name), config, settings, rows)
    together = all_of(read_rows(objective, rows))
    assert sorted(together) == list(range(60))
    for index, row in enumerate(rows):
        assert together[index] == all_of(read_rows(objective, [row]))[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", tokenizers.BUILT)
def test_the_tokens_are_those_that_the_tokenizer_makes_of_the_whole_text(name):
    base, hostile = base_of(name), Hostile(name)
    texts = [hostile.text(12, harmless=True) for _ in range(300)]
    wanted = [base.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"] for text in texts]
    assert texts_ids(base, texts) == wanted
    assert texts_ids(base, texts) == wanted, "and again, when all words are known"


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in tokenizers.BUILT if name not in families.ENCODERS])
def test_a_prompt_is_its_rendered_text_in_the_tokenizers_frame(name):
    base, hostile = base_of(name), Hostile(name)
    for _ in range(60):
        # Without control tokens, which are rendered as text by signs of our own.
        messages = [Message("user", "".join(part for part in hostile.text(12, harmless=True) if part.isprintable()).replace("<", ""))]
        around = frame(base)
        ids = base.tokenizer(render(base, messages, True), add_special_tokens=False)["input_ids"]
        assert read_prompt(base, messages).ids == (*around.before, *ids, *around.after)


@pytest.mark.parametrize("name", tokenizers.BUILT)
def test_only_tokenizers_whose_words_stand_alone_are_asked_for_words(name):
    tokenizer = base_of(name).tokenizer
    assert [words_of(tokenizer, as_text) is not None for as_text in (True, False)] == [name in tokenizers.WORD_BY_WORD] * 2


def test_a_token_that_is_added_later_is_taken_into_account(starter):
    tokenizer = copy.deepcopy(starter.tokenizer)
    before = words_of(tokenizer, False)
    assert words_of(tokenizer, False) is before
    tokenizer.add_tokens(["<new>"], special_tokens=True)
    assert words_of(tokenizer, False) is not before


def test_the_digits_of_a_token_that_is_no_control_token_stay_in_it(starter):
    tokenizer = copy.deepcopy(starter.tokenizer)
    tokenizer.add_tokens([AddedToken("<tool1>", normalized=False)])
    texts = ["a <tool1> 11", "<|im_end|> <tool1>"]
    wanted = [tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"] for text in texts]
    assert texts_ids(replace(starter, tokenizer=tokenizer), texts) == wanted
    assert all(len(tokenizer) - 1 in ids for ids in wanted)


def test_a_word_is_tokenised_once_and_forgotten_when_there_are_too_many(monkeypatch):
    asked = []

    def tokenise(words):
        asked.extend(words)
        return [[len(word)] for word in words]

    words = Words(["<|x|>", "7"])
    assert words.ids(["a b <|x|>c 77", ""], tokenise) == [[1, 2, 1, 5, 1, 1, 1, 1], []]
    assert sorted(asked) == sorted(["a", " b", " ", "<|x|>", "c", "7"])
    words.ids(["a b"], tokenise)
    assert len(asked) == 6
    monkeypatch.setattr("reft_engine.tokens.words._MAX_LETTERS", 3)
    assert words.ids(["b b"], tokenise) == [[1, 2]]
    words.ids(["a b"], tokenise)
    assert asked[6] == "b" and set(asked[7:]) == {"a", " b"}


def test_a_row_that_cannot_be_used_costs_itself_alone(starter):
    rows = [Example(line, (Message("user", "Who?"),), "Me.") for line in range(1, 6)]
    rows[2] = Example(3, (Message("user", "Who \ud800?"),), "Me.")
    rows[4] = Example(5, (Message("user", None),), "Me.")
    read = read_rows(objective_for(starter, ReftConfig(), TrainConfig(), rows), rows)
    assert [row.index for row in read.usable] == [0, 1, 3]
    assert [row.reason for row in read.left_out] == [
        "Line 3: The text holds half of a character (a lone surrogate).", "Line 5: A message of the user is no text.",
    ]  # fmt: skip
