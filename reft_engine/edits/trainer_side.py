"""What transformers' `Trainer` and TRL use of an edited model, because they expect it of any model.

Most of them come from the base model. Each is written out: a blanket ``__getattr__`` would also pass on attributes that are wrong
for an edit (``save_pretrained`` would save the base model, ``is_loaded_in_4bit`` would let TRL round the edit to bfloat16).
"""

import inspect
from typing import Any, ClassVar

import torch
from torch import nn
from transformers import PreTrainedConfig

from reft_engine.base import blocks
from reft_engine.errors import ConfigError


class TrainerSide(nn.Module):
    """The attributes and methods of a `ReftModel` that a trainer uses."""

    main_input_name: ClassVar[str] = "input_ids"
    _keys_to_ignore_on_save: ClassVar[list[str] | None] = None

    base: nn.Module
    head: nn.Module | None

    def __init__(self) -> None:
        super().__init__()
        self.model_tags: list[str] = []
        self._checkpointing = False

    @property
    def _inner(self) -> Any:
        return blocks.without_peft(self.base)

    @property
    def config(self) -> Any:
        """The base model's config, which trainers read and set (``use_cache``, ``pad_token_id``); the edit's is ``reft_config``."""
        return self._inner.config

    @config.setter
    def config(self, value: Any) -> None:
        if not isinstance(value, PreTrainedConfig):
            raise ConfigError(
                "config is the base model's own, a PreTrainedConfig of transformers, not a {type}. What is edited stands in "
                "reft_config; to edit otherwise, make another ReftModel.",
                "config",
                kind="trainer.config",
                type=type(value).__name__,
            )
        self._inner.config = value

    @property
    def generation_config(self) -> Any:
        """The base model's generation config; a model that generates no text has none."""
        return self._inner.generation_config

    @generation_config.setter
    def generation_config(self, value: Any) -> None:
        self._inner.generation_config = value

    @property
    def device(self) -> torch.device:
        """Device of the base model."""
        return next(self.base.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the base model; the edit is always float32."""
        return next(self.base.parameters()).dtype

    @property
    def hf_device_map(self) -> Any:
        """Devices of the base model's modules, if transformers has placed them."""
        return self._inner.hf_device_map

    @property
    def loss_type(self) -> str | None:
        """The base model's loss type, by which a trainer knows whether labels are shifted by one; None with a classification head."""
        loss_type: str | None = None if self.head is not None else getattr(self._inner, "loss_type", None)
        return loss_type

    @property
    def accepts_loss_kwargs(self) -> bool:
        """Whether the loss can be divided by ``num_items_in_batch``, so that gradient accumulation gives the mean over all rows."""
        declared: bool | None = getattr(self._inner, "accepts_loss_kwargs", None)
        if self.head is not None or declared is not None:
            return self.head is not None or bool(declared)
        parameters = inspect.signature(self._inner.forward).parameters.values()
        return any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters)

    def can_generate(self) -> bool:
        """Whether `generate` can be called: the base model generates text, and there is no classification head."""
        return self.head is None and blocks.generates_text(self.base)

    def get_input_embeddings(self) -> Any:
        """The base model's input embeddings."""
        return self.base.get_input_embeddings()  # type: ignore[operator]

    def get_output_embeddings(self) -> Any:
        """The base model's output embeddings; None without a language-model head."""
        return self.base.get_output_embeddings()  # type: ignore[operator]

    def num_parameters(self, only_trainable: bool = False, exclude_embeddings: bool = False) -> int:
        """Count the parameters of the edit (and head), plus the base model's unless ``only_trainable``."""
        own = sum(parameter.numel() for parameter in self.parameters())
        return own if only_trainable else own + int(self._inner.num_parameters(exclude_embeddings=exclude_embeddings))

    def add_model_tags(self, tags: list[str] | str) -> None:
        """Add tags for the model card that a trainer writes."""
        self.model_tags += [tag for tag in ([tags] if isinstance(tags, str) else tags) if tag not in self.model_tags]

    def activation_checkpointing_enable(
        self, activation_checkpointing_kwargs: dict[str, Any] | None = None, every_n_layers: int = 1, offload: bool = False
    ) -> None:
        """Recompute each block in the backward pass instead of keeping its activations: less memory, the same gradients.

        Args:
            activation_checkpointing_kwargs: ignored; the base model is in evaluation mode and draws no random numbers.
            every_n_layers: must be 1; every block is recomputed.
            offload: must be False; the blocks' inputs stay on their device.

        Raises:
            ConfigError: another ``every_n_layers``, or ``offload``.
        """
        if every_n_layers != 1 or offload:
            raise ConfigError(
                "An edit's training computes every block twice or none, and offloads nothing.",
                "activation_checkpointing",
                kind="trainer.checkpointing",
            )
        self._checkpointing = True

    def activation_checkpointing_disable(self) -> None:
        """Keep all activations again."""
        self._checkpointing = False

    @property
    def is_activation_checkpointing(self) -> bool:
        """Whether blocks are recomputed in the backward pass."""
        return self._checkpointing

    def gradient_checkpointing_enable(self, gradient_checkpointing_kwargs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """The former name of `activation_checkpointing_enable`."""
        self.activation_checkpointing_enable(gradient_checkpointing_kwargs, **kwargs)

    def gradient_checkpointing_disable(self) -> None:
        """The former name of `activation_checkpointing_disable`."""
        self.activation_checkpointing_disable()

    @property
    def is_gradient_checkpointing(self) -> bool:
        """The former name of `is_activation_checkpointing`."""
        return self._checkpointing

    def _get_name(self) -> str:
        # With label smoothing a trainer shifts labels by one only for classes that it knows by name; under our class name it would
        # silently train each token to predict itself.
        name: str = type(self).__name__ if self.head is not None else self._inner._get_name()
        return name

    def __repr__(self) -> str:
        return type(self).__name__ + super().__repr__().removeprefix(self._get_name())

    def _replicate_for_data_parallel(self) -> Any:
        """Called by torch's `DataParallel`, which a trainer uses when one process sees several GPUs. Raises ConfigError."""
        raise ConfigError(
            "The base model lies on one GPU only. Start one process for each GPU (torchrun, accelerate launch), or let this one "
            "see one (CUDA_VISIBLE_DEVICES=0).",
            "device",
            kind="trainer.one_gpu",
        )
