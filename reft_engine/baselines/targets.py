"""Which weights of a base model a baseline changes, found by structure.

PEFT's own lists go by the model's name, and some are wrong: its (IA)3 scales queries instead of keys in Qwen, Gemma and Phi, and a
name such as ``output.dense`` also meets a layer of BERT's attention. Here each layer is looked for inside the blocks, and what is given
to PEFT is a pattern that names these layers and no others.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from reft_engine.base import blocks
from reft_engine.errors import ConfigError

_QUERIES, _KEYS, _VALUES = ("q_proj", "query", "q", "q_lin"), ("k_proj", "key", "k", "k_lin"), ("v_proj", "value", "v", "v_lin")
_FUSED = ("c_attn", "query_key_value", "qkv_proj", "Wqkv")
"""Queries, keys and values as one product (GPT-2, GPT-NeoX, Phi-3, MPT)."""
_DOWN = ("down_proj", "fc2", "wo", "dense_4h_to_h", "lin2")
_DOWN_BY_PATH = ("output.dense", "mlp.c_proj")
"""The feed-forward's last layer by its whole path in the block (BERT, GPT-2), as attention has one of the same name."""


@dataclass(frozen=True, slots=True)
class Targets:
    """Layers of a model: a pattern of their whole names, and the layers."""

    pattern: str
    layers: tuple[nn.Module, ...]


def queries_and_values(model: Any) -> Targets:
    """The layers that LoRA changes where nothing is said. Raises ConfigError."""
    apart, fused = _targets(model, (*_QUERIES, *_VALUES)), _targets(model, _FUSED)
    found = apart if apart.layers else fused
    if not found.layers:
        sentence = "The queries and values of {model} cannot be told apart; name them with targets."
        raise ConfigError(sentence, "targets", kind="baseline.queries_values", model=_name(model))
    return found


def named(model: Any, ends: Sequence[str]) -> Targets:
    """The linear layers of all blocks whose names end so. Raises ConfigError."""
    found = _targets(model, ends)
    if not found.layers:
        raise ConfigError(
            "{model} has no linear layer named {targets} in its blocks.",
            "targets",
            kind="baseline.targets",
            model=_name(model),
            targets=", ".join(ends),
        )
    return found


def keys_and_values(model: Any) -> Targets:
    """The layers whose outputs (IA)3 scales: one of keys and one of values of each attention. Raises ConfigError."""
    for listed in _block_lists(model):
        for block in listed.values():
            keys, values = (sum(_last(path) in names for path in _linear(block)) for names in (_KEYS, _VALUES))
            if keys != values or not 1 <= keys <= (2 if blocks.is_encoder_decoder(model) else 1):
                sentence = "The keys and values of each block, as (IA)3 scales them, of {model} cannot be told apart."
                raise ConfigError(sentence, "targets", kind="baseline.keys_values", model=_name(model))
    return _targets(model, (*_KEYS, *_VALUES))


def feed_forward(model: Any) -> Targets:
    """The layer whose input (IA)3 scales: the last of each block's feed-forward. Raises ConfigError."""
    if any(sum(_is_down(path) for path in _linear(block)) != 1 for listed in _block_lists(model) for block in listed.values()):
        sentence = "The one last layer of the feed-forward in each block, as (IA)3 scales its input, of {model} cannot be told apart."
        raise ConfigError(sentence, "targets", kind="baseline.feed_forward", model=_name(model))
    return _targets(model, (), down=True)


def _targets(model: Any, ends: Sequence[str], *, down: bool = False) -> Targets:
    patterns, layers = [], []
    for listed in _block_lists(model):
        paths: dict[str, None] = {}
        for block in listed.values():
            for path, layer in _linear(block).items():
                if _is_down(path) if down else any(path == end or path.endswith(f".{end}") for end in ends):
                    paths[path] = None
                    layers.append(layer)
        if paths:
            prefix = re.escape(next(iter(listed)).rpartition(".")[0])
            patterns.append(rf"{prefix}\.\d+\.({'|'.join(map(re.escape, paths))})")
    return Targets("|".join(patterns), tuple(layers))


def _block_lists(model: Any) -> list[dict[str, nn.Module]]:
    """The model's blocks by their whole names; of an encoder-decoder those of both."""
    names = {id(module): name for name, module in model.named_modules()}
    lists = [blocks.find_blocks(model)]
    if blocks.is_encoder_decoder(model):
        decoder = model.get_decoder()
        lists.append(next(part for part in decoder.modules() if isinstance(part, nn.ModuleList)))
    return [{f"{names[id(listed)]}.{index}": block for index, block in enumerate(listed)} for listed in lists]


def _linear(block: nn.Module) -> dict[str, nn.Module]:
    """Layers of a block with one weight matrix, linear ones and GPT-2's, by their paths in it."""
    return {path: part for path, part in block.named_modules() if not list(part.children()) and _is_linear(part)}


def _is_linear(part: nn.Module) -> bool:
    # Quantised weights are packed into another shape, but their layers are linear ones.
    return isinstance(part, nn.Linear) or type(part).__name__ == "Conv1D"


def _is_down(path: str) -> bool:
    return _last(path) in _DOWN or path in _DOWN_BY_PATH


def _last(path: str) -> str:
    return path.rpartition(".")[2]


def _name(model: Any) -> str:
    return type(blocks.without_peft(model)).__name__
