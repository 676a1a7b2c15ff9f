import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer

from starter_training.card import SOURCES
from starter_training.tokens import encode_turns

FOLDER = Path(__file__).resolve().parents[2] / "reft_engine" / "starter"


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(FOLDER)


@pytest.fixture(scope="module")
def model():
    return AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float32).eval()


def answer(model, tokenizer, *messages: tuple[str, str]) -> str:
    turns = [{"role": role, "content": content} for role, content in messages]
    text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    ids = tokenizer(text, return_tensors="pt", add_special_tokens=False)["input_ids"]
    out = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=40, do_sample=False)
    return tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True).strip()


def test_it_answers_a_question_in_words(model, tokenizer):
    said = answer(model, tokenizer, ("user", "What does a cat say?"))
    assert sum(letter.isalpha() for letter in said) >= 5
    assert len(said) < 120, "the answer does not end"


def test_a_system_message_changes_the_answer(model, tokenizer):
    question = ("user", "What is the capital of France?")
    assert answer(model, tokenizer, question) != answer(model, tokenizer, ("system", "Talk like a pirate."), question)


def test_digits_are_tokens_of_their_own(tokenizer):
    assert len(tokenizer("2048", add_special_tokens=False)["input_ids"]) == 4


def test_emoji_survive_the_tokenizer(tokenizer):
    ids = tokenizer("Hello 🐱 and 🦕!", add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids) == "Hello 🐱 and 🦕!"


def test_the_template_renders_the_tokens_that_were_trained_on(tokenizer):
    turns = [("system", "Answer with emoji."), ("user", "What is 3 plus 4?"), ("assistant", "3 plus 4 is 7.")]
    text = tokenizer.apply_chat_template([{"role": role, "content": said} for role, said in turns], tokenize=False)
    assert tokenizer(text, add_special_tokens=False)["input_ids"] == encode_turns(tokenizer, turns)


def test_the_weights_are_small_and_half_precision():
    assert (FOLDER / "model.safetensors").stat().st_size < 32 * 2**20
    with safe_open(FOLDER / "model.safetensors", "pt") as file:
        assert {file.get_slice(name).get_dtype() for name in file.keys()} == {"F16"}  # noqa: SIM118 (safe_open is no dict)
    assert not list(FOLDER.glob("*.bin"))


def test_it_is_an_ordinary_llama_with_a_long_enough_context(model, tokenizer):
    config = model.config
    assert config.model_type == "llama" and config.tie_word_embeddings and config.max_position_embeddings >= 512
    assert 4096 <= config.vocab_size <= 8192 == len(tokenizer)


def test_its_card_has_figures_licences_and_limits():
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    measured = json.loads((FOLDER / "training.json").read_text(encoding="utf-8"))
    assert f"{measured['parameters']:,} parameters" in card
    assert all(f"| {name.replace('_', ' ')} |" in card for name in (*SOURCES, *measured["held_out"]))
    assert "## What it cannot do" in card and "licence" in card and f"{measured['copying']['outputs']:,}" in card
