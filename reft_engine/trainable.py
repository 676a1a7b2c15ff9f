"""What the training loop and generation need of anything that is trained beside a frozen base model.

`ReftModel` is one (edits of hidden states), `baselines.peft.PeftModel` another (weights that PEFT puts into the model). Whoever has all
of these names can be trained, measured, resumed, saved and chatted with; nothing else is asked of it.
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
    """How something trained acts on a forward pass: by another model than the base model, by edits of hidden states, or both."""

    @property
    def model(self) -> nn.Module:
        """The model to run."""
        ...

    @property
    def virtual_tokens(self) -> int:
        """Tokens that stand before each row in the model's context."""
        ...

    @property
    def virtual_logits(self) -> int:
        """How many of them the model gives logits of, before those of the row."""
        ...

    def edits(self, prompts: Prompts, inside: range, device: torch.device) -> Mapping[int, Edit]:
        """The edits, by layer, of the prompts whose indices are ``inside``; for `blocks.editing`."""
        ...

    def drawing(self) -> AbstractContextManager[object]:
        """Entered around a pass in training: what dropout draws in it follows from seed and step."""
        ...

    def disturbed(self) -> "Acting":
        """The same with noise, so that it does something; asked only where there is a `Trainable.lowest_edited_layer`."""
        ...


class Step(Acting, Protocol):
    """How something trained acts on all passes of one optimiser step."""

    def end(self) -> None:
        """Bring the gradients of the passes to the trained parameters."""
        ...


@runtime_checkable
class Trainable(Protocol):
    """Parameters that are trained beside a frozen base model, and how they act on it."""

    @property
    def base(self) -> nn.Module:
        """The frozen base model, as it answers without what is trained."""
        ...

    @property
    def head(self) -> nn.Module | None:
        """The head of a classifier; None where answers are written."""
        ...

    @property
    def method_config(self) -> MethodConfig:
        """What is trained: method and size, labels and pooling."""
        ...

    @property
    def pooling(self) -> Pooling:
        """Which hidden state the head reads."""
        ...

    @property
    def trainable_parameters(self) -> int:
        """Count the trainable parameters, without a head."""
        ...

    @property
    def lowest_edited_layer(self) -> int | None:
        """The lowest block whose output it edits; None where it changes the blocks themselves, so that nothing can be reused."""
        ...

    def parameter_groups(self, settings: TrainConfig) -> list[dict[str, Any]]:
        """Groups for an optimiser: ``params``, ``weight_decay`` and ``peak``, the peak learning rate."""
        ...

    def begin_step(self, seed: int, step: int) -> Step:
        """Lay out an optimiser step, in training mode."""
        ...

    def acting(self) -> Acting:
        """How it answers now, without dropout."""
        ...

    def classes_of(self, hidden: Sequence[Tensor]) -> Tensor:
        """What the head reads in the last hidden states (T, D) of each text: logits (B, C), float32."""
        ...

    def parameters(self) -> Iterator[nn.Parameter]:
        """All that is trained."""
        ...

    def state_dict(self) -> dict[str, Tensor]:
        """All that is trained, by name; with buffers that it depends on."""
        ...

    def load_state_dict(self, tensors: Mapping[str, Tensor]) -> Any:
        """Take over what `state_dict` gave."""
        ...

    @property
    def training(self) -> bool:
        """Whether it is in training mode."""
        ...

    def train(self, mode: bool = True) -> Any:
        """Switch to training mode, or back; the base model stays in evaluation mode always."""
        ...

    def eval(self) -> Any:
        """Switch to evaluation mode."""
        ...

    def save(self, folder: str | Path, *, base: Base | None = None, training: dict[str, Any] | None = None) -> Path:
        """Write the adapter folder; see `ReftModel.save`."""
        ...


def check_edit(base: object, reft: object) -> None:
    """Raises ConfigError for what is no base model with something trained beside it."""
    checks.check_base(base)
    if not isinstance(reft, Trainable):
        raise ConfigError("The edit must be a ReftModel, not {value}.", "reft", kind="trainable.type", value=checks.shown(reft))
    if reft.base is not bare_model(base):
        raise ConfigError("The edit is of another base model than the one that is given with it.", "reft", kind="trainable.other_base")


def make_trainable(base: Base, config: MethodConfig, seed: int) -> Trainable:
    """What a config describes, untrained. Raises ConfigError."""
    if isinstance(config, PeftConfig):
        return PeftBaseline(base.model, config, seed)
    return ReftModel(base.model, config, seed)


def load_adapter(folder: str | Path, base_model: nn.Module | Base, *, check: bool = True) -> ReftModel | PeftBaseline:
    """Read an adapter folder, of edits or of a baseline, onto a base model; arguments and errors are those of `ReftModel.load`."""
    if is_baseline(checks.folder_path(folder)):
        return PeftBaseline.load(folder, base_model, check=check)
    return ReftModel.load(folder, base_model, check=check)


def verify_adapter(folder: str | Path, base_model: nn.Module) -> float:
    """Load an adapter folder of either kind and replay its canary.

    Returns:
        The largest difference of a logit.

    Raises:
        AdapterError: it cannot be loaded, or does not reproduce (another revision of the base, say).
    """
    path = checks.folder_path(folder)
    return verify(path, base_of(base_model)) if is_baseline(path) else verify_edits(path, base_model)


__all__ = ["Acting", "Step", "Trainable", "check_edit", "load_adapter", "make_trainable", "verify_adapter"]
