"""The adapter named by a command, with its base model."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reft_engine import Trainable
    from reft_engine.base import Base


def open_adapter(folder: Path) -> "tuple[Base, Trainable, int]":
    """The base model, the adapter, and the maximum sequence length of its training."""
    from reft_engine import TrainConfig, load_adapter
    from reft_engine.edits import load_base_of
    from reft_engine.formats import read_config

    folder = folder / "adapter" if (folder / "adapter").is_dir() else folder
    base = load_base_of(folder)
    max_length = read_config(folder)["training"].get("max_length")
    return base, load_adapter(folder, base), max_length if isinstance(max_length, int) else TrainConfig().max_length
