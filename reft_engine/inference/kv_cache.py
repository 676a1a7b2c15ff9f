"""Keys and values of what a base model has read without edits, so that a prompt that begins alike need not be read again."""

import threading
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache, DynamicLayer

from reft_engine.base.blocks import cache_of

_WORTH = 16
"""Fewest tokens that are worth a pass of their own, or a copy."""

Layers = list[tuple[Tensor, Tensor]]


def worth(tokens: int) -> bool:
    """Whether so many tokens are worth reading apart."""
    return tokens >= _WORTH


class PromptCache:
    """What one base model has read of the latest conversations; give it to `stream` with each turn of a chat.

    In a chat that grows, everything up to the last message has been read before; what a tuned column needs again is what its
    positions reach, from the first edited token on. It must not outlive a change of the base model's weights.

    Args:
        limit: bytes that are kept at most.
        conversations: how many.
    """

    def __init__(self, limit: int = 256 * 2**20, conversations: int = 4) -> None:
        self._limit, self._most = limit, conversations
        self._kept: list[tuple[tuple[int, ...], Layers]] = []
        self._lock = threading.Lock()

    def recall(self, ids: Sequence[int], limit: int) -> DynamicCache | None:
        """A cache of the first tokens of ``ids``, ``limit`` at most, as far as they were read; None if it is not worth it."""
        with self._lock:
            found = [(min(_common(ids, known), limit), layers) for known, layers in self._kept]
        length, layers = max(found, key=lambda pair: pair[0], default=(0, []))
        return cache_of([(keys[:, :, :length], values[:, :, :length]) for keys, values in layers]) if worth(length) else None

    def remember(self, ids: Sequence[int], cache: Any, row: int) -> None:
        """Keep what one row of a cache holds of ``ids``, which were read without edits, in place of what it goes on from."""
        layers = getattr(cache, "layers", [])
        # Layers of another kind forget (sliding windows), or hold something else.
        if not layers or not all(type(layer) is DynamicLayer and layer.is_initialized for layer in layers):
            return
        length = min(len(ids), *(layer.get_seq_length() for layer in layers))
        size = sum(part[0, :, :length].nbytes for layer in layers for part in (layer.keys, layer.values))
        if size > self._limit // self._most:
            return
        kept = [(layer.keys[row : row + 1, :, :length].clone(), layer.values[row : row + 1, :, :length].clone()) for layer in layers]
        with self._lock:
            others = [pair for pair in self._kept if _common(ids, pair[0]) < min(len(pair[0]), length)]
            self._kept = [*others, (tuple(ids[:length]), kept)][-self._most :]


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """How many first tokens are the same."""
    pairs: Iterator[tuple[int, int]] = zip(one, other, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


@torch.no_grad()
def repeated(cache: Any, rows: int) -> Any:
    """The cache with its one row so many times."""
    if rows > 1:
        cache.batch_repeat_interleave(rows)
    return cache
