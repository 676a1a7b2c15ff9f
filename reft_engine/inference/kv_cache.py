"""Caches keys and values of unedited tokens, so that a prompt with the same beginning need not be computed again."""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any

from torch import Tensor
from transformers.cache_utils import DynamicCache, DynamicLayer

from reft_engine.base.blocks import cache_of
from reft_engine.base.loading import Base

_MIN_TOKENS = 16
"""Fewest tokens that are worth a forward pass of their own, or a copy."""

Layers = list[tuple[Tensor, Tensor]]


def is_worth_caching(tokens: int) -> bool:
    """Whether this number of tokens is worth a forward pass of its own, or a copy."""
    return tokens >= _MIN_TOKENS


def bytes_of_token(base: Base) -> int | None:
    """Bytes of a token's keys and values: 2 * layers * key-value heads * head width * bytes of a number.

    None for an encoder-decoder and for the few families whose layers differ in that. Layers with a sliding window keep its latest tokens
    only, so there it is the most that a token takes.
    """
    return written_bytes(base) if base.kind == "decoder" else None


def written_bytes(base: Base) -> int | None:
    """As `bytes_of_token`, of an encoder-decoder too: a token of the answer has them in its decoder, and so has one of the prompt."""
    config = base.model.config.get_text_config(decoder=True)
    heads = getattr(config, "num_attention_heads", None)
    cached = getattr(config, "num_key_value_heads", None) or heads
    if getattr(config, "new_decoder_architecture", False):  # Falcon
        cached = config.num_kv_heads
    elif getattr(config, "multi_query", False):  # older Falcons, StarCoder
        cached = 1
    if not isinstance(heads, int) or not isinstance(cached, int):
        return None
    width = getattr(config, "head_dim", None) or base.hidden_size // heads
    return int(2 * base.layers * cached * width * base.model.dtype.itemsize)


class PromptCache:
    """Keys and values of unedited tokens of one base model, for the latest prompts; pass it to `stream` with each message of a chat.

    In a growing chat everything before the last message is cached; a column with an edit computes again from its first edited
    token on. The cache must not be used after a change of the base model's weights.

    Args:
        limit: maximum bytes.
        conversations: maximum number of beginnings that are kept; those that were used last stay.
    """

    def __init__(self, limit: int = 256 * 2**20, conversations: int = 64) -> None:
        self._limit, self._max_conversations = limit, conversations
        self._conversations: OrderedDict[tuple[str, tuple[int, ...]], Layers] = OrderedDict()
        self._lock = threading.Lock()

    def recall(self, ids: Sequence[int], limit: int, whose: str = "") -> DynamicCache | None:
        """The beginning of ``ids`` that is cached for ``whose`` it is, at most ``limit`` tokens; None if too few tokens are cached."""
        wanted = tuple(ids[:limit])
        with self._lock:
            matches = ((_common_length(wanted, cached), cached) for cached in self._of(whose))
            length, found = max(matches, key=lambda match: match[0], default=(0, ()))
            if not is_worth_caching(length):
                return None
            layers = self._conversations[whose, found]
            self._conversations.move_to_end((whose, found))
        return cache_of([(keys[:, :, :length], values[:, :, :length]) for keys, values in layers])

    def holds(self, ids: Sequence[int], whose: str = "") -> int:
        """How many first tokens of ``ids`` are cached for ``whose`` they are."""
        with self._lock:
            return max((_common_length(ids, cached) for cached in self._of(whose)), default=0)

    def remember(self, ids: Sequence[int], cache: Any, row: int, begin: int = 0, whose: str = "") -> None:
        """Copy one row of a cache, which holds ``ids`` without edits from column ``begin`` on; it replaces those that it continues.

        Only prompts of the same ``whose`` recall it.
        """
        layers = getattr(cache, "layers", [])
        # Other kinds of layers drop tokens (sliding windows) or hold something else.
        if not layers or not all(isinstance(layer, DynamicLayer) and not layer.is_sliding and layer.is_initialized for layer in layers):
            return
        length = min(len(ids), *(layer.keys.shape[2] - begin for layer in layers))
        used = slice(row, row + 1), slice(None), slice(begin, begin + length)
        size = sum(tensor[used].nbytes for layer in layers for tensor in (layer.keys, layer.values))
        if size > self._limit // 4 or not is_worth_caching(length):
            return
        copies = [(layer.keys[used].clone(), layer.values[used].clone()) for layer in layers]
        kept = tuple(ids[:length])
        with self._lock:
            for other in [other for other in self._of(whose) if kept[: len(other)] == other]:
                del self._conversations[whose, other]
            self._conversations[whose, kept] = copies
            while len(self._conversations) > self._max_conversations or self._size > self._limit:
                self._conversations.popitem(last=False)

    def _of(self, whose: str) -> Iterator[tuple[int, ...]]:
        return (ids for each, ids in self._conversations if each == whose)

    @property
    def _size(self) -> int:
        return sum(tensor.nbytes for layers in self._conversations.values() for pair in layers for tensor in pair)


def _common_length(one: Sequence[int], other: Sequence[int]) -> int:
    """The number of first tokens that are equal; 0 at once where the first few are not, since fewer are not worth caching."""
    if tuple(one[:_MIN_TOKENS]) != tuple(other[:_MIN_TOKENS]):
        return 0
    pairs: Iterator[tuple[int, int]] = zip(one, other, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
