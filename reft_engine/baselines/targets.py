"""The weights of a base model that a baseline changes, found by structure.

PEFT's own lists are by model name, and some are wrong: its (IA)3 scales queries instead of keys in Qwen, Gemma and Phi, and a
name such as ``output.dense`` also matches a layer of BERT's attention. This module finds each layer inside the blocks and gives PEFT
a pattern that matches these layers only.
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
"""Names of layers that compute queries, keys and values in one product (GPT-2, GPT-NeoX, Phi-3, MPT)."""
_DOWN = ("down_proj", "fc2", "wo", "dense_4h_to_h", "lin2")
_DOWN_BY_PATH = ("output.dense", "mlp.c_proj")
"""The feed-forward's last layer by its full path in the block (BERT, GPT-2), as attention has a layer of the same name."""

Chosen = Sequence[int] | None
"""Indices of the blocks that are changed; None for all."""


@dataclass(frozen=True, slots=True)
class Targets:
    """Layers of a model: a pattern for their full names, and the layers."""

    pattern: str
    layers: tuple[nn.Module, ...]


def queries_and_values(model: Any, chosen: Chosen) -> Targets:
    """The layers of the ``chosen`` blocks that LoRA changes by default. Raises ConfigError."""
    separate, fused = _targets(model, (*_QUERIES, *_VALUES), chosen), _targets(model, _FUSED, chosen)
    targets = separate if separate.layers else fused
    if not targets.layers:
        sentence = "The queries and values of {model} cannot be told apart; name them with targets."
        raise ConfigError(sentence, "targets", kind="baseline.queries_values", model=_name(model))
    return targets


def named(model: Any, ends: Sequence[str], chosen: Chosen) -> Targets:
    """The linear layers of the ``chosen`` blocks whose names end with one of ``ends``. Raises ConfigError."""
    targets = _targets(model, ends, chosen)
    if not targets.layers:
        raise ConfigError(
            "{model} has no linear layer named {targets} in its blocks.",
            "targets",
            kind="baseline.targets",
            model=_name(model),
            targets=", ".join(ends),
        )
    return targets


def keys_and_values(model: Any, chosen: Chosen) -> Targets:
    """The layers of the ``chosen`` blocks whose outputs (IA)3 scales: one for the keys and one for the values of each attention.

    Raises ConfigError.
    """
    for block_list in _block_lists(model):
        for block in block_list.values():
            keys, values = (sum(_last(path) in names for path in _linear(block)) for names in (_KEYS, _VALUES))
            if keys != values or not 1 <= keys <= (2 if blocks.is_encoder_decoder(model) else 1):
                sentence = "The keys and values of each block, as (IA)3 scales them, of {model} cannot be told apart."
                raise ConfigError(sentence, "targets", kind="baseline.keys_values", model=_name(model))
    return _targets(model, (*_KEYS, *_VALUES), chosen)


def feed_forward(model: Any, chosen: Chosen) -> Targets:
    """The layers of the ``chosen`` blocks whose inputs (IA)3 scales: the last of each feed-forward. Raises ConfigError."""
    linear_layers = [_linear(block) for block_list in _block_lists(model) for block in block_list.values()]
    if any(sum(map(_is_down, layers)) != 1 for layers in linear_layers):
        sentence = "The one last layer of the feed-forward in each block, as (IA)3 scales its input, of {model} cannot be told apart."
        raise ConfigError(sentence, "targets", kind="baseline.feed_forward", model=_name(model))
    return _targets(model, (), chosen, down=True)


def _targets(model: Any, ends: Sequence[str], chosen: Chosen, *, down: bool = False) -> Targets:
    patterns, layers = [], []
    for block_list in _block_lists(model):
        paths: dict[str, None] = {}
        for index, block in enumerate(block_list.values()):
            if chosen is not None and index not in chosen:
                continue
            for path, layer in _linear(block).items():
                if _is_down(path) if down else any(path == end or path.endswith(f".{end}") for end in ends):
                    paths[path] = None
                    layers.append(layer)
        if paths:
            prefix = re.escape(next(iter(block_list)).rpartition(".")[0])
            places = r"\d+" if chosen is None else f"({'|'.join(map(str, chosen))})"
            patterns.append(rf"{prefix}\.{places}\.({'|'.join(map(re.escape, paths))})")
    return Targets("|".join(patterns), tuple(layers))


def _block_lists(model: Any) -> list[dict[str, nn.Module]]:
    """The model's blocks by their full names; for an encoder-decoder, one list for the encoder and one for the decoder."""
    names = {id(module): name for name, module in model.named_modules()}
    lists = [blocks.find_blocks(model)]
    if blocks.is_encoder_decoder(model):
        decoder = model.get_decoder()
        lists.append(next(module for module in decoder.modules() if isinstance(module, nn.ModuleList)))
    return [{f"{names[id(block_list)]}.{index}": block for index, block in enumerate(block_list)} for block_list in lists]


def _linear(block: nn.Module) -> dict[str, nn.Module]:
    """A block's layers with one weight matrix (linear layers and GPT-2's ``Conv1D``), by their paths in the block."""
    return {path: module for path, module in block.named_modules() if not list(module.children()) and _is_linear(module)}


def _is_linear(module: nn.Module) -> bool:
    # Quantised weights have another shape, but their layers are linear layers too.
    return isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D"


def _is_down(path: str) -> bool:
    return _last(path) in _DOWN or path in _DOWN_BY_PATH


def _last(path: str) -> str:
    return path.rpartition(".")[2]


def _name(model: Any) -> str:
    return type(blocks.without_peft(model)).__name__
