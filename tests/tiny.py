"""A tiny base model in a folder, for tests in which it does not matter what the words of a base model are worth."""

import shutil
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

import reft_engine
from reft_engine import load_base

STARTER = Path(reft_engine.__file__).parent / "starter"


def write_base(folder: Path, seed: int = 0, *, context: int = 160, greeting: str = "", layers: int = 3) -> Path:
    """A random Llama of width 32 behind the starter's tokenizer, whose template may say something more."""
    shutil.copytree(STARTER, folder, ignore=lambda _, names: [name for name in names if name.endswith((".safetensors", ".md"))])
    torch.manual_seed(seed)
    shape = {"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4, "num_key_value_heads": 2}
    vocabulary = load_base("starter", device="cpu").tokenizer
    settings = {**shape, "num_hidden_layers": layers, "max_position_embeddings": context, "initializer_range": 0.2}
    LlamaForCausalLM(LlamaConfig(vocab_size=len(vocabulary), **settings)).eval().save_pretrained(folder)
    if greeting:
        vocabulary.chat_template = greeting + vocabulary.chat_template
        vocabulary.save_pretrained(folder)
    return folder
