"""Caches keys and values of unedited tokens, so that a prompt with the same beginning need not be computed again."""

import threading
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache, DynamicLayer

from reft_engine.base.blocks import cache_of

_MIN_TOKENS = 16
"""Fewest tokens that are worth a forward pass of their own, or a copy."""

Layers = list[tuple[Tensor, Tensor]]


def is_worth_caching(tokens: int) -> bool:
    """Whether this number of tokens is worth a forward pass of its own, or a copy."""
    return tokens >= _MIN_TOKENS


class PromptCache:
    """The KV cache of one base model for the latest conversations; pass it to `stream` with each message of a chat.

    In a growing chat everything before the last message is cached; a column with an edit computes again from its first edited
    token on. The cache must not be used after a change of the base model's weights.

    Args:
        limit: maximum bytes.
        conversations: maximum number of conversations.
    """

    def __init__(self, limit: int = 256 * 2**20, conversations: int = 4) -> None:
        self._limit, self._max_conversations = limit, conversations
        self._conversations: list[tuple[tuple[int, ...], Layers]] = []
        self._lock = threading.Lock()

    def recall(self, ids: Sequence[int], limit: int) -> DynamicCache | None:
        """The cached beginning of ``ids``, at most ``limit`` tokens; None if too few tokens are cached."""
        with self._lock:
            matches = [(min(_common_length(ids, cached_ids), limit), layers) for cached_ids, layers in self._conversations]
        length, layers = max(matches, key=lambda pair: pair[0], default=(0, []))
        return cache_of([(keys[:, :, :length], values[:, :, :length]) for keys, values in layers]) if is_worth_caching(length) else None

    def remember(self, ids: Sequence[int], cache: Any, row: int) -> None:
        """Copy one row of a cache, which holds ``ids`` without edits; it replaces conversations that it continues."""
        layers = getattr(cache, "layers", [])
        # Other kinds of layers drop tokens (sliding windows) or hold something else.
        if not layers or not all(type(layer) is DynamicLayer and layer.is_initialized for layer in layers):
            return
        length = min(len(ids), *(layer.get_seq_length() for layer in layers))
        size = sum(tensor[0, :, :length].nbytes for layer in layers for tensor in (layer.keys, layer.values))
        if size > self._limit // self._max_conversations:
            return
        copies = [(layer.keys[row : row + 1, :, :length].clone(), layer.values[row : row + 1, :, :length].clone()) for layer in layers]
        with self._lock:
            others = [pair for pair in self._conversations if _common_length(ids, pair[0]) < min(len(pair[0]), length)]
            self._conversations = [*others, (tuple(ids[:length]), copies)][-self._max_conversations :]


def _common_length(one: Sequence[int], other: Sequence[int]) -> int:
    """The number of first tokens that are equal."""
    pairs: Iterator[tuple[int, int]] = zip(one, other, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


@torch.no_grad()
def repeat_rows(cache: Any, rows: int) -> Any:
    """Repeat the single row of a cache ``rows`` times."""
    if rows > 1:
        cache.batch_repeat_interleave(rows)
    return cache
