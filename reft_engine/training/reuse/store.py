"""Stores tensors in memory and, when the memory budget is used up, in memory-mapped files up to a disk budget."""

import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

Place = Literal["memory", "disk"]
_ALIGNED = 64
"""Alignment of torch's tensors in bytes."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Bytes in memory, and bytes on disk in a folder (None: the system's folder for temporary files)."""

    memory: int
    disk: int = 0
    folder: Path | None = None


class Store:
    """The stored tensors of one run. Its files are unlinked before they are written, so they vanish with the process."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._left: dict[Place, int] = {"memory": budget.memory, "disk": budget.disk}

    def reserve(self, size: int) -> Place | None:
        """Reserve ``size`` bytes, in memory first, then on disk; None when neither has room."""
        for place in self._left:
            if self._left[place] >= size:
                self._left[place] -= size
                return place
            self._left[place] = 0  # later, smaller requests must not go to memory: the order alone decides the place
        return None

    def keep(self, tensors: Sequence[Tensor], place: Place) -> list[Tensor]:
        """Store tensors of one dtype at a reserved place and return them there. Raises OSError when the disk is full."""
        if place == "memory":
            return list(tensors)
        # Products round differently with another alignment, so each tensor is aligned as one in memory.
        unit = _ALIGNED // tensors[0].itemsize
        sizes = [-(-tensor.numel() // unit) * unit for tensor in tensors]
        slices = _map_file(sum(sizes), tensors[0].dtype, self._budget.folder).split(sizes)
        return [view[: tensor.numel()].view(tensor.shape).copy_(tensor) for view, tensor in zip(slices, tensors, strict=True)]


def _map_file(count: int, dtype: torch.dtype, folder: Path | None) -> Tensor:
    """A tensor of ``count`` values in a new memory-mapped file."""
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    file, name = tempfile.mkstemp(prefix="reuse-", suffix=".tmp", dir=folder)
    try:
        size = max(count, 1) * dtype.itemsize
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file, 0, size)  # writing to a mapped page on a full disk would kill the process
        else:
            os.truncate(file, size)
        return torch.from_file(name, shared=True, size=max(count, 1), dtype=dtype)
    finally:
        os.close(file)
        with suppress(OSError):  # Windows does not unlink a mapped file; the system cleans its folder up
            Path(name).unlink()
