"""Packs sequences into one row of a batch, so that no padding is computed.

While a block runs, its calls of torch's attention are replaced (in this thread only): each sequence attends to itself and to the
cached keys and values of its earlier tokens. This assumes that a block mixes tokens in no other way; `loop.share_reuse` checks it
by the losses of a few rows.

Legend: N tokens of all sequences, H heads, E width of a head, S tokens of one sequence, P cached tokens before it.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


class Packed:
    """Runs the blocks on packed sequences; pass it to `blocks.editing` as ``run_block``.

    Args:
        lengths: tokens of each sequence.
        causal: whether a token attends only to itself and to tokens before it.
        caches: keys and values (U, 2, H, P, E) of each sequence's earlier tokens in the last U blocks; None where there are none.
        first_layer: the first of these U blocks.
    """

    def __init__(self, lengths: Sequence[int], causal: bool = True, caches: Sequence[Tensor | None] = (), first_layer: int = 0) -> None:
        self.lengths, self.causal = list(lengths), causal
        self._caches, self._first_layer = caches or [None] * len(self.lengths), first_layer
        self._masks: dict[tuple[int, int], Tensor] = {}

    def __call__(self, layer: int, forward: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap the forward function of a block for packed sequences."""
        return partial(self._run, layer, forward)

    def _run(self, layer: int, forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        with _AttentionOverride(self, layer) as attention:
            output = forward(*args, **kwargs)
        if not attention.calls:
            raise RuntimeError("A block has not called torch's attention, so its sequences cannot be packed.")
        return output

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float | None, **options: Any) -> Tensor:
        """Attention (1, H, N, E) within each sequence; keys and values may have fewer heads."""
        queries, keys, values = (tensor.split(self.lengths, dim=2) for tensor in (query, key, value))
        sequences = zip(queries, keys, values, self._caches, strict=True)
        outputs = [self._attend_sequence(layer, own, cache, scale, options) for *own, cache in sequences]
        # Attention lays out its output token by token; concatenated this way it need not be copied again.
        return torch.cat([output.transpose(1, 2) for output in outputs], dim=1).transpose(1, 2)

    def _attend_sequence(
        self, layer: int, own: Sequence[Tensor], cache: Tensor | None, scale: float | None, options: dict[str, Any]
    ) -> Tensor:  # fmt: skip
        """Attention (1, H, S, E) of one sequence: ``own`` holds its query, key and value, ``cache`` its earlier keys and values."""
        query, key, value = own
        grouped = key.shape[1] != query.shape[1]
        if cache is None:
            causal = self.causal and query.shape[2] > 1
            return F.scaled_dot_product_attention(query, key, value, is_causal=causal, scale=scale, enable_gqa=grouped, **options)
        keys, values = cache[layer - self._first_layer].unsqueeze(1)
        mask = self._mask(query.shape[2], keys.shape[2], query.device)
        if query.shape[2] <= 2 * query.shape[3]:
            return _attend_with_cache(query, (keys, values), (key, value), mask, query.shape[3] ** -0.5 if scale is None else scale)
        repeats = key.shape[1] // keys.shape[1]
        key, value = (torch.cat([cached.repeat_interleave(repeats, 1), new], 2) for cached, new in ((keys, key), (values, value)))
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scale, enable_gqa=grouped, **options)

    def _mask(self, own: int, cached: int, device: torch.device) -> Tensor:
        """The tokens that each token attends to, cached ones first, (S, P + S)."""
        if (own, cached) not in self._masks:
            self._masks[own, cached] = torch.ones(own, cached + own, dtype=torch.bool, device=device).tril(cached)
        return self._masks[own, cached]


class _AttentionOverride(TorchFunctionMode):
    """Sends a block's calls of torch's attention to `Packed.attend`."""

    def __init__(self, packed: Packed, layer: int) -> None:
        super().__init__()
        self._packed, self._layer, self._tokens = packed, layer, sum(packed.lengths)
        self.calls = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is F.scaled_dot_product_attention:
            return self._attend(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))

    def _attend(
        self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0,
        is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False,
    ) -> Tensor:  # fmt: skip
        if not query.shape[0] == key.shape[0] == 1 or not query.shape[2] == key.shape[2] == self._tokens:
            raise RuntimeError("A block's attention has other tokens than its rows.")
        self.calls += 1
        return self._packed.attend(self._layer, query, key, value, scale, dropout_p=dropout_p)


def _attend_with_cache(
    query: Tensor, cached: tuple[Tensor, Tensor], own: tuple[Tensor, Tensor], mask: Tensor, scale: float
) -> Tensor:  # fmt: skip
    """Attention of a few tokens to many cached ones, whose keys and values are neither copied nor given gradients."""
    query = query * scale
    scores = torch.cat([_scores(query, cached[0]), _scores(query, own[0])], dim=3).masked_fill(~mask, -torch.inf)
    weights = torch.softmax(scores.float(), dim=3).to(query.dtype).split([cached[0].shape[2], own[0].shape[2]], dim=3)
    return _weighted_sum(weights[0], cached[1]) + _weighted_sum(weights[1], own[1])


def _scores(query: Tensor, key: Tensor) -> Tensor:
    """Attention scores (1, H, S, L) of queries and keys; several query heads may share one key head."""
    heads = key.shape[1]
    return (query.reshape(1, heads, -1, query.shape[3]) @ key.mT).reshape(1, query.shape[1], -1, key.shape[2])


def _weighted_sum(weights: Tensor, value: Tensor) -> Tensor:
    """Values (1, H, S, E) summed with attention weights (1, H, S, L); several query heads may share one value head."""
    heads = value.shape[1]
    return (weights.reshape(1, heads, -1, weights.shape[3]) @ value).reshape(1, weights.shape[1], -1, value.shape[3])
