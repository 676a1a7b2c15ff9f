"""Weights of an encoder that are trained as they are, and a head alone: what neither edits nor PEFT are, for the engine's own steps."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from reft_engine import PeftConfig
from reft_engine.base.loading import Base
from reft_engine.baselines import PeftBaseline
from reft_engine.baselines.twin import twin
from reft_engine.edits.head import ClassificationHead


class FreeWeights(PeftBaseline):
    """A head over an encoder in which some weights are trained: copies of them, in modules of their own; the rest is shared.

    Args:
        base: the base model, which stays as it is.
        config: labels and pooling.
        seed: of the head's first weights.
        free: says of a weight's name whether it is trained.
    """

    def __init__(self, base: Base, config: PeftConfig, seed: int, free: Callable[[str], bool]) -> None:
        assert config.labels
        self.base, self.method_config, self._training = base.model.requires_grad_(False).eval(), config, False
        generator = torch.Generator().manual_seed(seed)
        self.head = ClassificationHead(base.hidden_size, len(config.labels), generator).to(base.device)
        self.peft: Any = twin(base.model)
        for place, part in self.peft.named_modules():
            for name, weight in part._parameters.items():
                if weight is not None and free(f"{place}.{name}"):
                    part._parameters[name] = nn.Parameter(weight.detach().clone())
        self._deepest = base.layers - 1

    @property
    def lowest_edited_layer(self) -> int | None:
        """Under a head alone the encoder stays as it is, so that what its last block gives can be reused."""
        return None if self._trained_parameters() else self._deepest

    @property
    def _inner_model(self) -> nn.Module:
        return self.peft
