"""One KV cache of many rows that come and go: all write their next token to the same column, whatever their lengths.

Rows lie behind padding, so a row joins by a copy of its keys and values to the columns before that one, and leaves by a copy of the last
row over it. The tensors are larger than what is used, so that a token costs a write and no copy of the cache.

Legend: B rows, C columns, H key-value heads, E their width.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer

_ROWS, _COLUMNS = 4, 128
"""Fewest rows and columns that are made room for; both grow by doubling."""


class OtherCacheError(Exception):
    """A model's KV cache is of another kind than its config says."""


def is_poolable(cache: Any) -> bool:
    """Whether the rows of a KV cache can lie in a `RowCache`: each layer keeps keys and values of all tokens."""
    layers: Any = getattr(cache, "layers", None) or []
    return isinstance(cache, DynamicCache) and bool(layers) and all(type(layer) is DynamicLayer for layer in layers)


def keeps_all(model: Any) -> bool:
    """Whether a model's config promises a KV cache that `is_poolable`."""
    return is_poolable(DynamicCache(config=model.config.get_text_config(decoder=True)))


class _Layer(DynamicLayer):  # type: ignore[misc]
    """One layer's keys and values, (B, H, C, E); hands out those of the rows and columns that are in use."""

    def __init__(self, rows: "RowCache", keys: Tensor, values: Tensor) -> None:
        super().__init__()
        self.rows, self.dtype, self.device = rows, keys.dtype, keys.device
        self.keys, self.values, self.is_initialized = keys, values, True

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Write the next token of each row."""
        rows, width = key_states.shape[0], key_states.shape[2]
        begin, end = self.rows.end, self.rows.end + width
        used = slice(rows), slice(None), slice(self.rows.first, end)
        self.keys[:rows, :, begin:end] = key_states
        self.values[:rows, :, begin:end] = value_states
        return self.keys[used], self.values[used]

    def get_seq_length(self) -> int:
        """Columns in use."""
        return self.rows.end - self.rows.first


class RowCache:
    """The keys and values of all rows; ``lengths`` are their tokens, and ``end`` is the column of the next one."""

    def __init__(self) -> None:
        self.lengths: list[int] = []
        self.end = 0
        self._layers: list[_Layer] = []
        self.cache = Cache(layers=[])

    @property
    def first(self) -> int:
        """The first column in use."""
        return self.end - max(self.lengths, default=0)

    @property
    def is_padded(self) -> bool:
        """Whether some row is shorter than another."""
        return len(set(self.lengths)) > 1

    @property
    def nbytes(self) -> int:
        """Bytes of its tensors."""
        return sum(tensor.nbytes for layer in self._layers for tensor in (layer.keys, layer.values))

    def inputs(self, first_position: int) -> dict[str, Any]:
        """The arguments of a pass over the next token of each row; ``first_position`` is that of a sequence's first token."""
        if not self.is_padded:
            return {"past_key_values": self.cache, "use_cache": True}
        device = self._layers[0].keys.device
        lengths, width = torch.tensor(self.lengths, device=device).unsqueeze(1), max(self.lengths)
        mask = torch.arange(width + 1, device=device) >= width - lengths
        positions = {"attention_mask": mask.to(torch.int64), "position_ids": lengths + first_position}
        return {"past_key_values": self.cache, "use_cache": True, **positions}

    def advance(self) -> None:
        """The pass over the next token has been made."""
        self.end += 1
        self.lengths = [length + 1 for length in self.lengths]

    def make_room(self) -> None:
        """Make sure that the next token has a column."""
        if self._layers and self.end >= self._layers[0].keys.shape[2]:
            self._arrange(len(self.lengths), max(self.lengths) + 1)

    def join(self, cache: Any, spans: Sequence[Sequence[tuple[int, int]]]) -> None:
        """Add the rows of another cache, of which each has its tokens in the columns ``spans`` (begin, end), in this order."""
        lengths = [sum(end - begin for begin, end in row) for row in spans]
        sources = [(layer.keys, layer.values) for layer in cache.layers]
        if not self._layers:
            self._begin(sources)
        before = len(self.lengths)
        self._arrange(before + len(lengths), max([*self.lengths, *lengths]) + 1)
        for layer, (keys, values) in zip(self._layers, sources, strict=True):
            if all(row == spans[0] for row in spans):
                self._fill(layer, keys, values, slice(before, before + len(lengths)), slice(None), spans[0])
                continue
            for index, row in enumerate(spans):
                self._fill(layer, keys, values, slice(before + index, before + index + 1), slice(index, index + 1), row)
        self.lengths += lengths

    def leave(self, row: int) -> None:
        """Remove a row; the last one takes its place."""
        last, length = len(self.lengths) - 1, self.lengths[-1]
        if row != last:
            for layer in self._layers:
                for tensor in (layer.keys, layer.values):
                    tensor[row, :, : self.end] = tensor[last, :, : self.end]
            self.lengths[row] = length
        self.lengths.pop()

    def _begin(self, sources: Sequence[tuple[Tensor, Tensor]]) -> None:
        self._layers = [
            _Layer(self, *(source.new_zeros(_ROWS, source.shape[1], _COLUMNS, source.shape[3]) for source in pair)) for pair in sources
        ]
        self.cache, self.end = Cache(layers=self._layers), 0

    def _arrange(self, rows: int, columns: int) -> None:
        """Make room for so many rows, for so many columns up to the next token, and for some after it."""
        tensor = self._layers[0].keys
        capacity = tensor.shape[2]
        fits = rows <= tensor.shape[0] and self.end + 1 >= columns and self.end < capacity
        if fits:
            return
        width, length = max(self.lengths, default=0), max(columns - 1, max(self.lengths, default=0))
        made_rows = tensor.shape[0] if rows <= tensor.shape[0] else max(rows, 2 * tensor.shape[0])
        made_columns = capacity if length + _COLUMNS // 2 <= capacity else max(2 * capacity, length + _COLUMNS)
        used = slice(len(self.lengths)), slice(None)
        for layer in self._layers:
            for name in ("keys", "values"):
                old: Tensor = getattr(layer, name)
                new = old.new_zeros(made_rows, old.shape[1], made_columns, old.shape[3])
                new[(*used, slice(length - width, length))] = old[(*used, slice(self.end - width, self.end))]
                setattr(layer, name, new)
        self.end = length

    def _fill(self, layer: _Layer, keys: Tensor, values: Tensor, to: slice, of: slice, row: Sequence[tuple[int, int]]) -> None:
        """Copy a row's tokens, and zeros before them: what another row left there may not be a number, which no mask hides."""
        end = self.end
        for begin, stop in reversed(row):
            start = end - (stop - begin)
            layer.keys[to, :, start:end] = keys[of, :, begin:stop]
            layer.values[to, :, start:end] = values[of, :, begin:stop]
            end = start
        layer.keys[to, :, :end] = 0
        layer.values[to, :, :end] = 0
