"""A frozen base model together with trained edits of its hidden states.

Legend: B rows, T tokens (padded), D hidden size, V vocabulary.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from reft_engine import blocks
from reft_engine.errors import ConfigError
from reft_engine.interventions import INTERVENTIONS, Factors
from reft_engine.positions import PositionSpec, prompt_positions
from reft_engine.spec import ReftConfig, trainable_parameters


@dataclass(frozen=True, slots=True)
class EditPlan:
    """Which tokens of one batch a `ReftModel` edits: per group, flat indices into (B*T,)."""

    groups: tuple[Tensor, ...]

    @property
    def empty(self) -> bool:
        """Whether no token at all is edited."""
        return all(group.numel() == 0 for group in self.groups)


class ReftModel(nn.Module):
    """The base model as it answers with the edits; the base itself stays frozen and unedited.

    Args:
        base_model: a Hugging Face decoder; its parameters get ``requires_grad=False``.
        config: what is edited.
        seed: of the edits' initial weights.

    Raises:
        ConfigError: a layer that does not exist, a rank above the hidden size, or a model whose blocks are not found.
    """

    def __init__(self, base_model: nn.Module, config: ReftConfig, seed: int = 0) -> None:
        super().__init__()
        count = blocks.attach(base_model)
        width = blocks.hidden_size(base_model)
        trainable_parameters(config, count, width)
        self.layers = tuple(range(count)) if config.layers == "all" else tuple(config.layers)
        base_model.requires_grad_(False).eval()
        # Not a registered submodule: `parameters()` and `state_dict()` of this module are the edits alone.
        object.__setattr__(self, "base", base_model)
        self.config = config
        self.hidden_size = width
        self.positions = PositionSpec.parse(config.positions)
        generator = torch.Generator().manual_seed(seed)
        self.intervention = INTERVENTIONS[config.method](
            len(self.layers) * config.groups, config.rank, width, generator
        )
        self.intervention.to(next(base_model.parameters()).device)
        self._frozen_factors: Factors | None = None

    base: nn.Module

    @property
    def trainable_parameters(self) -> int:
        """How many numbers are trained: 2*K*D + K per edit."""
        return sum(parameter.numel() for parameter in self.intervention.parameters())

    def plan(
        self, attention_mask: Tensor, prompt_lengths: Tensor | Sequence[int], rows: Sequence[int] | None = None
    ) -> EditPlan:
        """Find the tokens to edit; either padding side.

        Args:
            attention_mask: (B, T), 1 for real tokens.
            prompt_lengths: (B,) prompt tokens of each row, padding not counted.
            rows: edit only these rows of the batch.

        Raises:
            ConfigError: a prompt is longer than its row.
        """
        width = attention_mask.shape[1]
        real = attention_mask.to(torch.int64)
        starts, sizes = torch.stack([real.argmax(dim=1), real.sum(dim=1)]).tolist()
        lengths = prompt_lengths.tolist() if isinstance(prompt_lengths, Tensor) else list(prompt_lengths)
        prefix: list[int] = []
        suffix: list[int] = []
        for row in range(len(lengths)) if rows is None else rows:
            if not 0 <= lengths[row] <= sizes[row]:
                raise ConfigError(f"Row {row} has {sizes[row]} tokens; its prompt cannot have {lengths[row]}.", "prompt_lengths")
            first, last = prompt_positions(self.positions, lengths[row])
            offset = row * width + starts[row]
            prefix += [offset + token for token in first]
            suffix += [offset + token for token in last]
        groups = (prefix, suffix) if self.config.groups == 2 else (prefix + suffix,)
        return EditPlan(tuple(torch.tensor(group, dtype=torch.int64, device=attention_mask.device) for group in groups))

    def factors(self) -> Factors:
        """The ready factors: kept while `eval()` mode lasts, computed afresh in training."""
        if self.training:
            return self.intervention.factors()
        # Another thread may switch the mode in between, so the field is read once.
        ready = self._frozen_factors
        if ready is None:
            with torch.no_grad():
                ready = self._frozen_factors = self.intervention.factors()
        return ready

    def freeze_projection(self, rows_GKD: Tensor) -> None:
        """Answer with exactly these projection rows until `train()` is called."""
        ready = self.intervention
        self._frozen_factors = Factors(rows_GKD, ready.source.detach(), ready.bias.detach())

    def train(self, mode: bool = True) -> "ReftModel":
        """Switch dropout on or off; the base model stays in evaluation mode always."""
        if mode or self.training:
            self._frozen_factors = None
        super().train(mode)
        self.base.eval()
        return self

    def edits(self, plan: EditPlan, factors: Factors, strength: float = 1.0, dropout: float = 0.0) -> dict[int, blocks.Edit]:
        """One edit per layer for `blocks.editing`; none at all where the plan is empty or the strength is 0.

        ``dropout`` is the caller's to ask for, so that whoever answers or measures while others train never drops anything.

        Raises:
            ConfigError: the strength is no finite number.
        """
        if not math.isfinite(strength):
            raise ConfigError(f"The strength must be a number such as 1.0, not {strength}.", "strength")
        if plan.empty or strength == 0:
            return {}
        return {
            layer: partial(
                self._edit_layer, plan=plan, factors=factors, first_site=index * len(plan.groups), strength=strength, dropout=dropout
            )
            for index, layer in enumerate(self.layers)
        }

    def _edit_layer(
        self, h_BTD: Tensor, *, plan: EditPlan, factors: Factors, first_site: int, strength: float, dropout: float
    ) -> Tensor:
        flat = h_BTD.reshape(-1, h_BTD.shape[-1])
        edited = flat
        for group, tokens in enumerate(plan.groups):
            if tokens.numel():
                rows = flat.index_select(0, tokens)
                delta = self.intervention.delta(rows, factors, first_site + group, dropout)
                edited = edited.index_add(0, tokens, (strength * delta).to(flat.dtype))
        return edited.reshape(h_BTD.shape)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        prompt_lengths: Tensor | Sequence[int] | None = None,
        *,
        strength: float = 1.0,
        **kwargs: Any,
    ) -> Any:
        """Run the base model with the edits on; returns its own output (``.logits``: (B, T, V)).

        Args:
            input_ids: (B, T).
            attention_mask: (B, T); all ones when left out.
            prompt_lengths: (B,) tokens of each prompt, padding not counted; every real token when left out.
            strength: factor on the edit; 0 is the bare base model.
        """
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        lengths = mask.sum(dim=1) if prompt_lengths is None else prompt_lengths
        dropout = self.config.dropout if self.training else 0.0
        with blocks.editing(self.edits(self.plan(mask, lengths), self.factors(), strength, dropout)):
            return self.base(input_ids=input_ids, attention_mask=mask, **kwargs)

    def save(self, folder: str | Path, **details: Any) -> Path:
        """Write the adapter folder; see `adapter_file.save` for ``details``."""
        from reft_engine import adapter_file

        return adapter_file.save(self, Path(folder), **details)

    @classmethod
    def load(cls, folder: str | Path, base_model: nn.Module) -> "ReftModel":
        """Read an adapter folder onto a base model. Raises AdapterError where the two do not fit."""
        from reft_engine import adapter_file

        return adapter_file.load(Path(folder), base_model)


def combine(edits: Sequence[Mapping[int, blocks.Edit]]) -> dict[int, blocks.Edit]:
    """Merge edits of several models (each on its own rows) into one edit per layer."""
    merged: dict[int, blocks.Edit] = {}
    for layer in sorted({layer for edit in edits for layer in edit}):
        chain = [edit[layer] for edit in edits if layer in edit]
        merged[layer] = partial(_in_turn, chain)
    return merged


def _in_turn(chain: Sequence[blocks.Edit], h_BTD: Tensor) -> Tensor:
    for edit in chain:
        h_BTD = edit(h_BTD)
    return h_BTD
