"""Tiny base models with random weights, and the bundled starter."""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from tokenizers.processors import TemplateProcessing
from transformers import GPT2Config, GPT2LMHeadModel, GPTNeoXConfig, GPTNeoXForCausalLM, LlamaConfig, LlamaForCausalLM

from reft_engine import Example, ReftConfig, ReftModel, load_base
from reft_engine.base.loading import Base
from reft_engine.data import Message
from reft_engine.training import loop, samples

VOCABULARY = 97


def _llama(seed: int = 0, **settings: Any) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    shape = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2}
    config = LlamaConfig(**{"vocab_size": VOCABULARY, "max_position_embeddings": 64, "initializer_range": 0.2, **shape, **settings})
    return LlamaForCausalLM(config).eval()


def _gpt2(seed: int = 0, **settings: Any) -> GPT2LMHeadModel:
    torch.manual_seed(seed)
    shape = {"n_embd": 32, "n_layer": 4, "n_head": 4, "n_positions": 64}
    return GPT2LMHeadModel(GPT2Config(vocab_size=VOCABULARY, initializer_range=0.2, **shape, **settings)).eval()


def _neox(seed: int = 0, **settings: Any) -> GPTNeoXForCausalLM:
    torch.manual_seed(seed)
    shape = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4}
    config = GPTNeoXConfig(vocab_size=VOCABULARY, max_position_embeddings=64, initializer_range=0.2, **shape, **settings)
    return GPTNeoXForCausalLM(config).eval()


FAMILIES: dict[str, Callable[..., Any]] = {"llama": _llama, "gpt2": _gpt2, "neox": _neox}


@pytest.fixture(scope="package", autouse=True)
def _packing_pays():
    """Models as small as these would be packed never: a row's attention by itself costs more than all their padding.

    For all of these tests together, so that a run that a module makes once is made as those that are compared with it.
    """
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(loop, "_ALONE", 0)
        yield


@pytest.fixture(scope="package", autouse=True)
def _sample_answers_are_short():
    """Models with random weights never end an answer: written to its limit after each measurement, it costs more than the training."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(samples, "SAMPLE_TOKENS", 4)
        yield


@pytest.fixture(scope="session")
def make_model() -> Callable[..., Any]:
    """Build a tiny model: ``make_model("gpt2", seed=1, **settings)``."""
    return lambda family="llama", **settings: FAMILIES[family](**settings)


@pytest.fixture(scope="session")
def llama():
    return _llama()


@pytest.fixture(scope="session", params=FAMILIES)
def any_model(request):
    """A tiny model of each family."""
    return FAMILIES[request.param]()


@pytest.fixture(scope="session")
def starter() -> Base:
    return load_base("starter", device="cpu")


@pytest.fixture(scope="session")
def framing(starter) -> Any:
    """The starter's tokenizer, which like BERT's and T5's puts a token before a text and one behind it."""
    tokenizer = copy.deepcopy(starter.tokenizer)
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|im_start|> $A <|im_end|>",
        pair="<|im_start|> $A <|im_end|> $B:1 <|im_end|>:1",
        special_tokens=[("<|im_start|>", 2), ("<|im_end|>", 3)],
    )
    return tokenizer


@pytest.fixture(scope="session")
def tiny(starter) -> Base:
    """A random Llama of width 32 behind the starter's tokenizer and template."""
    model = _llama(vocab_size=len(starter.tokenizer), max_position_embeddings=160)
    return replace(starter, model=model.requires_grad_(False), name="tiny")


@pytest.fixture(scope="session")
def examples() -> list[Example]:
    """Twenty-four rows whose answers follow from their questions."""
    animals = "cat dog cow owl hen pig".split()
    return [
        Example(1 + 6 * times + index, (Message("user", f"What is {times} {animal}?"),), f"{animal} {times}.")
        for times in range(4)
        for index, animal in enumerate(animals)
    ]


@pytest.fixture(scope="session")
def strong() -> Callable[..., ReftModel]:
    """Build an edit with weights far from zero, so that no effect of it hides in rounding."""

    def build(model: Any, seed: int = 0, scale: float = 3.0, **config: Any) -> ReftModel:
        reft = ReftModel(model, ReftConfig(**config), seed=seed)
        with torch.no_grad():
            reft.intervention.source.mul_(scale)
            reft.intervention.bias.mul_(scale)
        return reft.eval()

    return build
