"""An adapter folder of either kind, known by the description that it holds."""

from pathlib import Path
from typing import Any

from reft_engine.formats import adapter, baseline


def is_baseline(folder: Path) -> bool:
    """Whether a folder holds a baseline, and no edits."""
    return (folder / baseline.CONFIG_NAME).is_file() and not (folder / adapter.CONFIG_NAME).exists()


def is_complete(folder: Path) -> bool:
    """Whether a folder holds the files that a loader needs; their content is not read."""
    names = (baseline.CONFIG_NAME, baseline.TENSORS_NAME) if is_baseline(folder) else (adapter.CONFIG_NAME, adapter.TENSORS_NAME)
    return all((folder / name).is_file() for name in names)


def read_config(folder: Path) -> dict[str, Any]:
    """The description of an adapter folder, of edits or of a baseline. Raises AdapterError."""
    return baseline.read_config(folder) if is_baseline(folder) else adapter.read_config(folder)
