"""What the training loop uses of an edited model: parameter groups, and edits of the passes of a step; see `Trainable`."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from reft_engine.base import blocks
from reft_engine.edits.edited import EditedModel
from reft_engine.edits.interventions import Dropout, Factors
from reft_engine.edits.plan import Prompts
from reft_engine.edits.precision import exact
from reft_engine.spec import ReftConfig, TrainConfig


@dataclass(frozen=True, slots=True)
class ActingEdits:
    """Edits with computed factors that act on passes of the base model."""

    reft: EditedModel
    factors: Factors
    dropout: Dropout | None = None

    @property
    def model(self) -> nn.Module:
        """The base model itself."""
        return self.reft.base

    @property
    def virtual_tokens(self) -> int:
        """None."""
        return 0

    @property
    def virtual_logits(self) -> int:
        """None."""
        return 0

    def edits(self, prompts: Prompts, inside: range, device: torch.device) -> dict[int, blocks.Edit]:
        """See `Acting.edits`."""
        return self.reft.edits(self.reft.plan_of(prompts, inside, device), self.factors, dropout=self.dropout)

    def drawing(self) -> AbstractContextManager[object]:
        """A context without effect: the edits' dropout has its own generator."""
        return nullcontext()

    def disturbed(self) -> "ActingEdits":
        """The same edits with noise, so that they change something: some methods start without any change."""
        generator = torch.Generator().manual_seed(0)

        def disturb(value: Tensor) -> Tensor:
            noise = torch.randn(value.shape, generator=generator).to(value)
            return value.detach() + 0.1 * noise * (value.detach().square().mean().sqrt() or 1.0)

        return ActingEdits(self.reft, {name: tuple(map(disturb, sites)) for name, sites in self.factors.items()})


@dataclass(frozen=True, slots=True)
class EditsStep(ActingEdits):
    """An optimizer step of edits: the orthonormal factors are computed once, and passes add their gradients to a leaf copy."""

    projection: Tensor | None = None
    leaf: Tensor | None = None

    def end(self) -> None:
        """See `Step.end`."""
        if self.projection is not None and self.leaf is not None and self.leaf.grad is not None:
            with exact(self.projection.device):
                self.projection.backward(self.leaf.grad)


def optimizer_groups(
    settings: TrainConfig, decayed: Sequence[nn.Parameter], others: Sequence[nn.Parameter], head: nn.Module | None
) -> list[dict[str, Any]]:
    """The optimizer's groups of decayed and other weights and of a head, each with its weight decay and its peak learning rate."""
    head_weights = list(head.parameters()) if head else []
    return [
        {"params": list(decayed), "weight_decay": settings.weight_decay, "peak": settings.learning_rate},
        {"params": list(others), "weight_decay": 0.0, "peak": settings.learning_rate},
        {"params": head_weights, "weight_decay": 0.0, "peak": settings.head_learning_rate or settings.learning_rate},
    ]


class LoopSide(EditedModel):
    """The side of a `ReftModel` that the training loop sees."""

    @property
    def method_config(self) -> ReftConfig:
        """The config of the edits."""
        return self.reft_config

    @property
    def lowest_edited_layer(self) -> int | None:
        """The lowest edited layer."""
        return min(self.layers)

    def parameter_groups(self, settings: TrainConfig) -> list[dict[str, Any]]:
        """See `Trainable.parameter_groups`: decayed weights, other weights, the head."""
        edit = self.intervention
        decayed = [weight for name, weight in edit.weights().items() if name in edit.decayed]
        others = [weight for weight in edit.parameters() if not _contains(decayed, weight)]
        return optimizer_groups(settings, decayed, others, self.head)

    def begin_step(self, seed: int, step: int) -> EditsStep:
        """See `Trainable.begin_step`."""
        # An answer or a measurement since the last step may have switched the edit to evaluation mode.
        self.train()
        projection = self.intervention.projection()
        leaf = None if projection is None else projection.detach().requires_grad_()
        return EditsStep(self, self.intervention.factors(leaf), self._step_dropout(seed, step), projection, leaf)

    def acting(self) -> ActingEdits:
        """See `Trainable.acting`."""
        return ActingEdits(self, self.factors())

    def _step_dropout(self, seed: int, step: int) -> Dropout | None:
        """Dropout with random numbers that depend only on (seed, step); the caller's generators are not used."""
        if not (rate := self.reft_config.dropout):
            return None
        return Dropout(rate, torch.Generator(self.device).manual_seed(hash((seed, step))))


def _contains(weights: Iterable[Tensor], weight: Tensor) -> bool:
    return any(weight is other for other in weights)
