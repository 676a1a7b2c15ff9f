"""Rows one behind another in one row of a batch, so that nothing is computed of padding.

All of a block but its attention sees each token by itself. While a block runs, its calls of torch's attention are taken over
(in this thread alone): each row attends to itself and to the keys and values that are kept of the tokens before it. That a
block mixes tokens in no other way is not known here; `loop.share_reuse` finds out by the losses of a few rows.

Legend: N tokens of all rows, H heads, E their width, S tokens of one row, P tokens before it.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


class Packed:
    """How the rows of a pass stand one behind another; give it to `blocks.editing` as ``within``.

    Args:
        lengths: tokens of each row.
        causal: whether a token sees only those before it.
        before: of each row keys and values (U, 2, H, P, E) of the tokens before it in the last U blocks, as they were kept.
        lowest: the first of these blocks.
    """

    def __init__(self, lengths: Sequence[int], causal: bool = True, before: Sequence[Tensor | None] = (), lowest: int = 0) -> None:
        self.lengths, self.causal = list(lengths), causal
        self._before, self._lowest = before or [None] * len(self.lengths), lowest
        self._masks: dict[tuple[int, int], Tensor] = {}

    def __call__(self, layer: int, forward: Callable[..., Any]) -> Callable[..., Any]:
        """The forward pass of a block as it is for packed rows."""
        return partial(self._run, layer, forward)

    def _run(self, layer: int, forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        with _Attention(self, layer) as taken:
            output = forward(*args, **kwargs)
        if not taken.times:
            raise RuntimeError("A block has not called torch's attention, so its rows cannot stand one behind another.")
        return output

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float | None, **options: Any) -> Tensor:
        """Attention (1, H, N, E) of each row by itself; keys and values may have fewer heads."""
        queries, keys, values = (each.split(self.lengths, dim=2) for each in (query, key, value))
        parts = zip(queries, keys, values, self._before, strict=True)
        rows = [self._row(layer, own, before, scale, options) for *own, before in parts]
        # Attention lays its output out token by token; joined so, nobody need copy it again.
        return torch.cat([row.transpose(1, 2) for row in rows], dim=1).transpose(1, 2)

    def _row(
        self, layer: int, own: Sequence[Tensor], before: Tensor | None, scale: float | None, options: dict[str, Any]
    ) -> Tensor:  # fmt: skip
        query, key, value = own
        grouped = key.shape[1] != query.shape[1]
        if before is None:
            causal = self.causal and query.shape[2] > 1
            return F.scaled_dot_product_attention(query, key, value, is_causal=causal, scale=scale, enable_gqa=grouped, **options)
        keys, values = before[layer - self._lowest].unsqueeze(1)
        mask = self._mask(query.shape[2], keys.shape[2], query.device)
        if query.shape[2] <= 2 * query.shape[3]:
            return _attend_behind(query, (keys, values), (key, value), mask, query.shape[3] ** -0.5 if scale is None else scale)
        times = key.shape[1] // keys.shape[1]
        key, value = (torch.cat([kept.repeat_interleave(times, 1), new], 2) for kept, new in ((keys, key), (values, value)))
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scale, enable_gqa=grouped, **options)

    def _mask(self, own: int, before: int, device: torch.device) -> Tensor:
        """Which of the tokens before it and of its row each token sees, (S, P + S)."""
        if (own, before) not in self._masks:
            self._masks[own, before] = torch.ones(own, before + own, dtype=torch.bool, device=device).tril(before)
        return self._masks[own, before]


class _Attention(TorchFunctionMode):
    """Hands a block's calls of torch's attention over packed rows to `Packed.attend`."""

    def __init__(self, packed: Packed, layer: int) -> None:
        super().__init__()
        self._packed, self._layer, self._tokens = packed, layer, sum(packed.lengths)
        self.times = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is F.scaled_dot_product_attention:
            return self._taken(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))

    def _taken(
        self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0,
        is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False,
    ) -> Tensor:  # fmt: skip
        if not query.shape[0] == key.shape[0] == 1 or not query.shape[2] == key.shape[2] == self._tokens:
            raise RuntimeError("A block's attention has other tokens than its rows.")
        self.times += 1
        return self._packed.attend(self._layer, query, key, value, scale, dropout_p=dropout_p)


def _attend_behind(
    query: Tensor, before: tuple[Tensor, Tensor], own: tuple[Tensor, Tensor], mask: Tensor, scale: float
) -> Tensor:  # fmt: skip
    """Attention of few tokens behind many, whose keys and values are neither copied nor given gradients."""
    query = query * scale
    scores = torch.cat([_scores(query, before[0]), _scores(query, own[0])], dim=3).masked_fill(~mask, -torch.inf)
    shares = torch.softmax(scores.float(), dim=3).to(query.dtype).split([before[0].shape[2], own[0].shape[2]], dim=3)
    return _mixed(shares[0], before[1]) + _mixed(shares[1], own[1])


def _scores(query: Tensor, key: Tensor) -> Tensor:
    """Products (1, H, S, L) of queries and keys, of which several queries' heads may share one."""
    heads = key.shape[1]
    return (query.reshape(1, heads, -1, query.shape[3]) @ key.mT).reshape(1, query.shape[1], -1, key.shape[2])


def _mixed(shares: Tensor, value: Tensor) -> Tensor:
    heads = value.shape[1]
    return (shares.reshape(1, heads, -1, shares.shape[3]) @ value).reshape(1, shares.shape[1], -1, value.shape[3])
