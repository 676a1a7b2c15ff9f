"""The adapter folder of a baseline: PEFT's ``adapter_config.json`` and ``adapter_model.safetensors`` beside our ``baseline_config.json``.

PEFT's files are read by PEFT alone (`peft.PeftModel.from_pretrained`). Our description says the rest, as ``reft_config.json`` does for
edits: base model, template, training and canary. A classifier adds ``head.safetensors``. No pickle.
"""

from pathlib import Path
from typing import Any

from safetensors.torch import save as tensors_to_bytes
from torch import Tensor

from reft_engine.base.loading import Base, Origin
from reft_engine.formats import adapter
from reft_engine.formats.atomic import write_atomic
from reft_engine.formats.card import write_card
from reft_engine.spec import PeftConfig

FORMAT_VERSION = 2
_READABLE = (1, 2)
"""Version 2 added the base model's precision."""
CONFIG_NAME, HEAD_NAME = "baseline_config.json", "head.safetensors"
PEFT_CONFIG_NAME, TENSORS_NAME = "adapter_config.json", "adapter_model.safetensors"


class _Description(adapter.Common):
    """What ``baseline_config.json`` holds; ``peft`` is checked as a `PeftConfig` when it is used."""

    peft: dict[str, Any]


def describe(
    config: PeftConfig, *, width: int, block_count: int, origin: Base | Origin | None, training: dict[str, Any], canary: dict[str, Any]
) -> dict[str, Any]:
    """What ``baseline_config.json`` holds; arguments as of `adapter.describe`."""
    return {
        "format_version": FORMAT_VERSION,
        "peft": config.model_dump(mode="json"),
        **adapter.common(width, block_count, origin, training, canary),
    }


def write(
    folder: Path, description: dict[str, Any], tensors: dict[str, Tensor], head: dict[str, Tensor], peft_config: dict[str, Any],
    parameters: int,
) -> None:  # fmt: skip
    """Write the adapter folder, each file atomically, our description last.

    Args:
        folder: created if it does not exist.
        description: as `describe` gives it.
        tensors: by their names in PEFT's file, float32, on the CPU.
        head: the head's, empty where there is none.
        peft_config: what PEFT's own config holds, but for the base model's name.
        parameters: trainable ones, for the model card.
    """
    values = {**peft_config, "base_model_name_or_path": description["base_model"]["id"], "revision": description["base_model"]["revision"]}
    write_atomic(folder / TENSORS_NAME, tensors_to_bytes(tensors, metadata={"format": "pt"}))
    if head:
        write_atomic(folder / HEAD_NAME, tensors_to_bytes(head, metadata={"format": "pt"}))
    write_atomic(folder / PEFT_CONFIG_NAME, adapter.json_bytes(values))
    write_card(folder, description, parameters)
    write_atomic(folder / CONFIG_NAME, adapter.json_bytes(description))


def read_config(folder: Path) -> dict[str, Any]:
    """Read and check ``baseline_config.json``. Raises AdapterError."""
    return adapter.read_description(folder, CONFIG_NAME, _READABLE, _Description)
