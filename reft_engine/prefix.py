"""Keys and values of what a base model has read without edits, so that the next prompt that begins alike need not read it again.

In a chat that grows, everything up to the last message has been read before; what a tuned column needs again is what its
positions reach, from the first edited token on.
"""

import threading
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache, DynamicLayer

_LARGEST = 256 * 2**20
"""Bytes that are remembered of one base model."""
_WORTH = 16
"""Fewest tokens that are worth a pass of their own, or a copy."""

_Layers = list[tuple[Tensor, Tensor]]
_LAST: WeakKeyDictionary[Any, tuple[tuple[int, ...], _Layers]] = WeakKeyDictionary()
_LOCK = threading.Lock()


def worth(tokens: int) -> bool:
    """Whether so many tokens are worth reading apart."""
    return tokens >= _WORTH


def recall(model: Any, ids: Sequence[int], limit: int) -> DynamicCache | None:
    """A cache of the first tokens of ``ids``, ``limit`` at most, as far as they were read last; None if it is not worth it."""
    with _LOCK:
        last = _LAST.get(model)
    if last is None:
        return None
    same = next((at for at, (one, other) in enumerate(zip(ids, last[0], strict=False)) if one != other), min(len(ids), len(last[0])))
    length = min(same, limit)
    return cache_of([(keys[:, :, :length], values[:, :, :length]) for keys, values in last[1]]) if worth(length) else None


def remember(model: Any, ids: Sequence[int], cache: Any, row: int) -> None:
    """Keep what one row of a cache holds of ``ids``, which the model has read without edits, in place of what was kept before."""
    layers = getattr(cache, "layers", [])
    # Layers of another kind forget (sliding windows), or hold something else.
    if not layers or not all(type(layer) is DynamicLayer and layer.is_initialized for layer in layers):
        return
    length = min(len(ids), *(layer.get_seq_length() for layer in layers))
    if 2 * len(layers) * layers[0].keys[0, :, :length].nbytes > _LARGEST:
        return
    kept = [(layer.keys[row : row + 1, :, :length].clone(), layer.values[row : row + 1, :, :length].clone()) for layer in layers]
    with _LOCK:
        _LAST[model] = (tuple(ids[:length]), kept)


def cache_of(layers: Sequence[tuple[Tensor, Tensor]]) -> DynamicCache:
    """A cache that holds the given keys and values (B, H, T, E), layer by layer."""
    cache = DynamicCache()
    for keys, values in layers:
        layer = DynamicLayer()
        layer.lazy_initialization(keys, values)
        layer.keys, layer.values = keys, values
        cache.layers.append(layer)
    return cache


@torch.no_grad()
def repeated(cache: Any, rows: int) -> Any:
    """The cache with its one row so many times."""
    if rows > 1:
        cache.batch_repeat_interleave(rows)
    return cache
