"""Notes what edits change, by wrapping the edits that a pass is given: what is noted is what acted.

Legend: B rows, T tokens (padded), D hidden size.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from reft_engine.base import blocks


@dataclass(frozen=True, slots=True)
class Note:
    """L2 norms at one layer, (B, T), float32, on the CPU: of each token's ``change``, and of the ``hidden`` state before it."""

    change: Tensor
    hidden: Tensor

    @property
    def shares(self) -> Tensor:
        """The change's norm divided by that of the hidden state, (B, T)."""
        return self.change / self.hidden.clamp(min=torch.finfo(torch.float32).tiny)


def noting(edits: Mapping[int, blocks.Edit]) -> tuple[dict[int, blocks.Edit], dict[int, Note]]:
    """The same edits, which note what they change in the passes that they act on, and the notes by layer, of the latest pass."""
    notes: dict[int, Note] = {}
    return {layer: partial(_note, edit, notes, layer) for layer, edit in edits.items()}, notes


def _note(edit: blocks.Edit, notes: dict[int, Note], layer: int, h_BTD: Tensor, past: int) -> Tensor:
    edited = edit(h_BTD, past)
    change = (edited.float() - h_BTD.float()).norm(dim=-1)
    notes[layer] = Note(change.cpu(), h_BTD.float().norm(dim=-1).cpu())
    return edited
