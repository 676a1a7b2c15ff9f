"""The interface that the training loop and generation use for everything that is trained with a frozen base model.

`ReftModel` implements it (edits of hidden states), and so does `baselines.PeftBaseline` (weights that PEFT adds to the model). A class
with these names can be trained, measured, resumed, saved and chatted with; nothing else is required.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from reft_engine.base import checks
from reft_engine.base.blocks import Edit
from reft_engine.base.loading import Base, bare_model
from reft_engine.baselines.peft import PeftBaseline, verify
from reft_engine.edits.edited import base_of
from reft_engine.edits.model import ReftModel
from reft_engine.edits.model import verify_adapter as verify_edits
from reft_engine.edits.plan import Prompts
from reft_engine.errors import ConfigError
from reft_engine.formats.folder import is_baseline
from reft_engine.spec import MethodConfig, PeftConfig, Pooling, TrainConfig


class Acting(Protocol):
    """The action of a trainable on a forward pass: through a model other than the base model, edits of hidden states, or both."""

    @property
    def model(self) -> nn.Module:
        """The model to run."""
        ...

    @property
    def virtual_tokens(self) -> int:
        """Number of virtual tokens before each row in the model's context."""
        ...

    @property
    def virtual_logits(self) -> int:
        """Number of virtual tokens for which the model returns logits, before those of the row."""
        ...

    def edits(self, prompts: Prompts, inside: range, device: torch.device) -> Mapping[int, Edit]:
        """The edits, by layer, for the prompts with the indices ``inside``; for `blocks.editing`."""
        ...

    def drawing(self) -> AbstractContextManager[object]:
        """A context for a training pass, in which dropout's random numbers depend only on seed and step."""
        ...

    def disturbed(self) -> "Acting":
        """The same with noise, so that it changes something; called only if there is a `Trainable.lowest_edited_layer`."""
        ...


class Step(Acting, Protocol):
    """The action of a trainable on all passes of one optimizer step."""

    def end(self) -> None:
        """Propagate the gradients of the passes to the trained parameters."""
        ...


@runtime_checkable
class Trainable(Protocol):
    """Parameters that are trained with a frozen base model, and their action on it."""

    @property
    def base(self) -> nn.Module:
        """The frozen base model, which answers without the trained parameters."""
        ...

    @property
    def head(self) -> nn.Module | None:
        """The head of a classifier; None for a model that writes answers."""
        ...

    @property
    def method_config(self) -> MethodConfig:
        """The config: method and size, labels and pooling."""
        ...

    @property
    def pooling(self) -> Pooling:
        """The hidden state that the head reads."""
        ...

    @property
    def trainable_parameters(self) -> int:
        """Number of trainable parameters, without a head."""
        ...

    @property
    def lowest_edited_layer(self) -> int | None:
        """The lowest edited layer; None if the blocks themselves change, so that no activations can be reused."""
        ...

    def parameter_groups(self, settings: TrainConfig) -> list[dict[str, Any]]:
        """Groups for an optimizer: ``params``, ``weight_decay`` and ``peak``, the peak learning rate."""
        ...

    def begin_step(self, seed: int, step: int) -> Step:
        """Begin an optimizer step; switches to training mode."""
        ...

    def acting(self) -> Acting:
        """The action with the present weights, without dropout."""
        ...

    def classes_of(self, hidden: Sequence[Tensor]) -> Tensor:
        """Class logits (B, C), float32, from the last hidden states (T, D) of each text."""
        ...

    def parameters(self) -> Iterator[nn.Parameter]:
        """All trained parameters."""
        ...

    def state_dict(self) -> dict[str, Tensor]:
        """All trained tensors, by name, with the buffers that they depend on."""
        ...

    def load_state_dict(self, tensors: Mapping[str, Tensor]) -> Any:
        """Set the trained tensors, in the form of `state_dict`."""
        ...

    @property
    def training(self) -> bool:
        """Whether it is in training mode."""
        ...

    def train(self, mode: bool = True) -> Any:
        """Switch to training mode, or back; the base model always stays in evaluation mode."""
        ...

    def eval(self) -> Any:
        """Switch to evaluation mode."""
        ...

    def save(self, folder: str | Path, *, base: Base | None = None, training: dict[str, Any] | None = None) -> Path:
        """Write the adapter folder; see `ReftModel.save`."""
        ...


def check_edit(base: object, reft: object) -> None:
    """Raises ConfigError unless ``base`` is a `Base` and ``reft`` a `Trainable` of this base model."""
    checks.check_base(base)
    if not isinstance(reft, Trainable):
        raise ConfigError("The edit must be a ReftModel, not {value}.", "reft", kind="trainable.type", value=checks.shown(reft))
    if reft.base is not bare_model(base):
        raise ConfigError("The edit is of another base model than the one that is given with it.", "reft", kind="trainable.other_base")


def make_trainable(base: Base, config: MethodConfig, seed: int) -> Trainable:
    """Build the untrained edits or baseline of a config. Raises ConfigError."""
    if isinstance(config, PeftConfig):
        return PeftBaseline(base.model, config, seed)
    return ReftModel(base.model, config, seed)


def load_adapter(folder: str | Path, base_model: nn.Module | Base, *, check: bool = True) -> ReftModel | PeftBaseline:
    """Load an adapter folder of edits or of a baseline onto a base model; arguments and errors are those of `ReftModel.load`."""
    if is_baseline(checks.folder_path(folder)):
        return PeftBaseline.load(folder, base_model, check=check)
    return ReftModel.load(folder, base_model, check=check)


def verify_adapter(folder: str | Path, base_model: nn.Module) -> float:
    """Load an adapter folder of either kind and replay its canary.

    Returns:
        The largest difference of a logit.

    Raises:
        AdapterError: the adapter cannot be loaded, or its logits differ (for example with another revision of the base model).
    """
    path = checks.folder_path(folder)
    return verify(path, base_of(base_model)) if is_baseline(path) else verify_edits(path, base_model)


__all__ = ["Acting", "Step", "Trainable", "check_edit", "load_adapter", "make_trainable", "verify_adapter"]
