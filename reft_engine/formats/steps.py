"""The folder of what a run had learned at earlier steps: ``steps/00000120.safetensors`` is step 120. Imports no torch."""

import re
from pathlib import Path

from safetensors import SafetensorError, safe_open

FOLDER = "steps"
"""Its name in a run's folder."""
_NAME = re.compile(r"(\d{8,})\.safetensors")


def kept_steps(folder: Path) -> list[int]:
    """The steps that are kept in a folder, in ascending order; none if there is no such folder."""
    return sorted(int(found[1]) for path in folder.glob("*.safetensors") if (found := _NAME.fullmatch(path.name)))


def step_file(folder: Path, step: int) -> Path:
    """The file of a step."""
    return folder / f"{step:08d}.safetensors"


def damaged_steps(folder: Path) -> list[int]:
    """The kept steps whose files are no whole safetensors files."""
    return [step for step in kept_steps(folder) if not _is_whole(step_file(folder, step))]


def _is_whole(path: Path) -> bool:
    try:
        with safe_open(path, framework="numpy"):
            return True
    except FileNotFoundError:  # dropped meanwhile, for another one
        return True
    except (SafetensorError, OSError):
        return False
