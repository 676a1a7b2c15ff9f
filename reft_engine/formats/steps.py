"""The folder of what a run had learned at earlier steps: ``steps/00000120.safetensors`` is step 120. Imports no torch."""

import re
from pathlib import Path

FOLDER = "steps"
"""Its name in a run's folder."""
_NAME = re.compile(r"(\d{8,})\.safetensors")


def kept_steps(folder: Path) -> list[int]:
    """The steps that are kept in a folder, in ascending order; none if there is no such folder."""
    return sorted(int(found[1]) for path in folder.glob("*.safetensors") if (found := _NAME.fullmatch(path.name)))


def step_file(folder: Path, step: int) -> Path:
    """The file of a step."""
    return folder / f"{step:08d}.safetensors"
