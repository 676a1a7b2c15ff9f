"""Where an edit acts: how much it changes the hidden state of each prompt token at each edited layer.

Legend: L edited layers, T shown tokens.
"""

from contextlib import nullcontext
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from reft_engine.base import blocks
from reft_engine.base.loading import Base
from reft_engine.edits.noting import noting
from reft_engine.edits.switches import Switches
from reft_engine.inference.looking import Exclusive, check_edits, edited_pass, number, read_row, unchanged
from reft_engine.inference.prompts import Answerer, Prompt
from reft_engine.tokens.pieces import visible_texts

_SHOWN = 96
"""Tokens that are shown: of a longer prompt those at both ends, where most rules edit."""


@dataclass(frozen=True, slots=True)
class MapToken:
    """A token of the prompt: its index there, its id, its text as people can read it, and whether it is edited."""

    place: int
    id: int
    text: str
    edited: bool


@dataclass(frozen=True, slots=True)
class EditMap:
    """The change of each shown token at each edited layer, by its own edit alone: the hidden state after it against the one before.

    Attributes:
        layers: the edited layers, the lowest first.
        tokens: the shown tokens of the prompt, in its order.
        change: for each layer, the L2 norm of each token's change; None if it is no number.
        hidden: for each layer, the L2 norm of each token's hidden state before the edit, which the edits below have changed already.
        total: number of the prompt's tokens.
        gap: number of those that are not shown, in the middle of the prompt.
    """

    layers: tuple[int, ...]
    tokens: tuple[MapToken, ...]
    change: tuple[tuple[float | None, ...], ...]
    hidden: tuple[tuple[float | None, ...], ...]
    total: int
    gap: int

    @property
    def share(self) -> tuple[tuple[float | None, ...], ...]:
        """For each layer, each token's change divided by its hidden state; None if either is no number or the state is 0."""
        return tuple(
            tuple(None if change is None or not hidden else change / hidden for change, hidden in zip(*rows, strict=True))
            for rows in zip(self.change, self.hidden, strict=True)
        )

    def to_dict(self) -> dict[str, Any]:
        """The map as plain data for JSON, with the shares."""
        return {**asdict(self), "share": self.share}


@torch.no_grad()
def map_edit(
    base: Base, prompt: Prompt, reft: Answerer, *, strength: float = 1.0, switches: Switches | None = None,
    exclusive: Exclusive = nullcontext,
) -> EditMap:  # fmt: skip
    """Measure an edit's change of each prompt token in one forward pass with the edit, up to the last edited layer.

    Args:
        base: the frozen base model.
        prompt: as in `stream`.
        reft: an edit or a mix of edits, whose changes are then measured together.
        strength: factor on the edits.
        switches: which layers and position groups act; all by default. A layer that is off has a row of zeros.
        exclusive: entered around the pass.

    Raises:
        ConfigError, DataError: as from `stream`; there are more than 4096 tokens; or ``reft`` is a baseline, which edits no hidden states.
    """
    edits = check_edits(reft)
    layers = edits.layers
    with exclusive():
        row = read_row(base, prompt, edits, strength, switches)
        inputs, acting = edited_pass(base, row)
        noted, notes = noting({layer: acting.get(layer, unchanged) for layer in layers})
        with blocks.editing(noted, stop_after=layers[-1]):
            blocks.last_hidden_states(base.model, inputs)
    shown = _shown(len(row.ids))
    edited = {token for edit in row.edits if edit.acts for group in edit.tokens for token in group}
    texts = visible_texts(base, row.ids)
    return EditMap(
        layers, tuple(MapToken(place, row.ids[place], texts[place], place in edited) for place in shown),
        tuple(_numbers(notes[layer].change[0, shown]) for layer in layers),
        tuple(_numbers(notes[layer].hidden[0, shown]) for layer in layers), len(row.ids), len(row.ids) - len(shown),
    )  # fmt: skip


def _shown(tokens: int) -> list[int]:
    """The indices of the shown tokens."""
    half = _SHOWN // 2
    return list(range(tokens)) if tokens <= _SHOWN else [*range(half), *range(tokens - half, tokens)]


def _numbers(values: Tensor) -> tuple[float | None, ...]:
    return tuple(number(value) for value in values.tolist())
