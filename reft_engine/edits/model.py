"""`ReftModel`: an edited model as library users hold it, which is saved to files and loaded from them."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from reft_engine.base import blocks, checks
from reft_engine.base.loading import Base, load_base, origin_of
from reft_engine.edits import canary
from reft_engine.edits.edited import base_of
from reft_engine.edits.loop_side import LoopSide
from reft_engine.edits.precision import exact
from reft_engine.errors import AdapterError, ConfigError
from reft_engine.formats import adapter, pyreft
from reft_engine.formats import folder as folder_format
from reft_engine.precisions import load_options
from reft_engine.spec import Activation, ReftConfig, edited_layers, trainable_parameters

_ROWS_TOLERANCE = 1e-3


class ReftModel(LoopSide):
    """A base model that answers with edits, and the edits' files; arguments and errors are those of `EditedModel`."""

    def save(self, folder: str | Path, *, base: Base | None = None, training: dict[str, Any] | None = None) -> Path:
        """Write the adapter folder: each file atomically, the config last.

        Args:
            folder: created if it does not exist. A README.md that was not written by this function, or has been changed since, is
                left alone, and the adapter then has no model card.
            base: its name, revision and template text are stored; by default, those that `load_base` recorded for the model.
            training: a summary of the training to store, plain data.

        Raises:
            ConfigError: ``base`` is not a `Base`, or ``training`` cannot be written as JSON.
            AdapterError: a file is in the way.
        """
        target = adapter.check_save(folder, base, training)
        self.eval()
        description = adapter.describe(
            self.reft_config, self.layers, width=self.hidden_size, block_count=len(blocks.find_blocks(self.base)),
            origin=base or origin_of(self.base), training=training or {}, canary=canary.record(self.base, partial(canary.run_edited, self)),
        )  # fmt: skip
        adapter.write(target, description, _file_tensors(self), self.trainable_parameters)
        return target

    @classmethod
    def load(cls, folder: str | Path, base_model: nn.Module | Base, *, check: bool = True) -> "ReftModel":
        """Load an adapter folder onto a base model.

        Args:
            folder: a folder written by `save`.
            base_model: the base model that the adapter was trained on.
            check: replay the canary, one short forward pass, to prove that it is that base model. Switch it off to put an edit
                on another model of the same shape on purpose, or on weights of a precision that changes the answers.

        Raises:
            AdapterError: the folder is damaged, of an unknown format, or made for another base model; the message says which.
        """
        reft, description = _read(checks.folder_path(folder), base_of(base_model))
        if check:
            _replay(reft, description)
        return reft

    @classmethod
    def from_pyreft(
        cls, folder: str | Path, base_model: nn.Module | Base, positions: str | None = None, *, method: str | None = None,
        activation: Activation = "linear", dropout: float = 0.0,
    ) -> "ReftModel":  # fmt: skip
        """Load a folder written by pyreft, which does not store the positions; see `pyreft.read`. Raises AdapterError."""
        model = base_of(base_model)
        with exact(torch.device("cpu")):
            config, tensors = pyreft.read(
                checks.folder_path(folder), model, positions, method=method, activation=activation, dropout=dropout
            )  # fmt: skip
            reft = cls(model, config)
            reft.set_tensors(tensors)
        return reft.eval()

    def save_pyreft(self, folder: str | Path) -> Path:
        """Write a folder that pyreft 0.1.0 loads; see `pyreft.write`. Raises AdapterError if pyreft has no such edit."""
        return pyreft.write(checks.folder_to_write(folder), self.reft_config, self.layers, self.hidden_size, self.tensors())


def verify_adapter(folder: str | Path, base_model: nn.Module) -> float:
    """Load an adapter folder and replay its canary.

    Returns:
        The largest difference of a logit.

    Raises:
        AdapterError: the adapter cannot be loaded, or its logits differ (for example with another revision of the base model).
    """
    reft, description = _read(checks.folder_path(folder), base_of(base_model))
    return _replay(reft, description)


def _replay(reft: ReftModel, description: dict[str, Any]) -> float:
    trained_in = description["base_model"].get("precision")
    return canary.replay(description["canary"], reft.base, partial(canary.run_edited, reft), trained_in)


def load_base_of(folder: str | Path) -> Base:
    """Load the base model that an adapter was trained on, at the revision, with the template and in the precision that it recorded.

    Raises:
        AdapterError: the folder is no adapter, or does not name its base model.
        ModelLoadError: the base model cannot be loaded.
    """
    description = folder_format.read_config(checks.folder_path(folder))
    name, revision = description["base_model"]["id"], description["base_model"]["revision"]
    if name is None:
        raise AdapterError("This adapter does not say which base model it was trained on; load that one yourself.", kind="adapter.no_base")
    base = load_base(name, revision=revision, **load_options(description["base_model"].get("precision")))
    return base if description["template"] is None else replace(base, template=description["template"])


def _file_tensors(reft: ReftModel) -> dict[str, Tensor]:
    """The weights by their names in an adapter file: float32, on the CPU."""
    sites = adapter.site_names(reft.reft_config, reft.layers)
    named = {f"{site}.{name}": values[index] for name, values in reft.tensors().items() for index, site in enumerate(sites)}
    if reft.head is not None:
        named |= {f"head.{name}": value for name, value in reft.head.state_dict().items()}
    return {name: value.detach().float().cpu().contiguous().clone() for name, value in named.items()}


def _read(folder: Path, base_model: nn.Module) -> tuple[ReftModel, dict[str, Any]]:
    """Load the edit of an adapter folder onto a base model; also returns the folder's description. Raises AdapterError."""
    description = adapter.read_config(folder)
    count, width = len(blocks.find_blocks(base_model)), blocks.hidden_size(base_model)
    adapter.check_shape(description, width, count)
    try:
        config = ReftConfig.read(description["reft"])
        trainable_parameters(config, count, width)
        layers = edited_layers(config, count)
        if description["layers"] != list(layers):
            raise AdapterError(
                "{name} is damaged: the layers it lists are not those that its edit has.", kind="adapter.layers", name=adapter.CONFIG_NAME
            )
        # The file is read first, so that a description with huge sizes builds nothing that the file does not hold.
        tensors = adapter.read_tensors(folder, adapter.tensor_shapes(config, layers, width, _head_width(config, base_model)))
        reft = ReftModel(base_model, config)
    except ConfigError as error:
        raise AdapterError(
            "{name} describes no edit: {reason}", kind="adapter.no_edit", name=adapter.CONFIG_NAME, reason=str(error)
        ) from error
    _set_weights(reft, tensors)
    return reft, description


def _head_width(config: ReftConfig, base_model: nn.Module) -> int:
    return blocks.output_size(base_model) if config.labels else 0


def _set_weights(reft: ReftModel, tensors: Mapping[str, Tensor]) -> None:
    sites, device = adapter.site_names(reft.reft_config, reft.layers), next(reft.parameters()).device
    stacked = {name: torch.stack([tensors[f"{site}.{name}"] for site in sites]).to(device) for name in reft.tensors()}
    reft.set_tensors(stacked)
    rows, saved_rows = reft.intervention.projection(), stacked.get("projection")
    if rows is not None and saved_rows is not None and not float((rows.detach() - saved_rows).abs().max()) <= _ROWS_TOLERANCE:
        raise AdapterError(
            "{name}: the projection rows are not orthonormal, as {method} needs them.",
            kind="adapter.not_orthonormal",
            name=adapter.TENSORS_NAME,
            method=reft.reft_config.method,
        )
    if reft.head is not None:
        reft.head.load_state_dict({name: tensors[f"head.{name}"] for name in reft.head.state_dict()})
