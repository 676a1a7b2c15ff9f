"""Keeps tensors in memory and, when a budget of it is used up, in memory-mapped files, up to a budget of these."""

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
"""Bytes of which torch's tensors begin at a multiple."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Bytes in memory, and bytes on disk in a folder (the system's own for temporary files where it is None)."""

    memory: int
    disk: int = 0
    folder: Path | None = None


class Store:
    """What one run keeps. Its files have no name any more when they are written, so that they end with the process."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._left: dict[Place, int] = {"memory": budget.memory, "disk": budget.disk}

    def reserve(self, size: int) -> Place | None:
        """Set so many bytes aside, in memory as long as there is any left; None when they fit nowhere."""
        for place in self._left:
            if self._left[place] >= size:
                self._left[place] -= size
                return place
            self._left[place] = 0  # what comes first goes to memory, so that the order alone decides
        return None

    def keep(self, tensors: Sequence[Tensor], place: Place) -> list[Tensor]:
        """The tensors, of one dtype, where they are to lie. Raises OSError when the disk is full."""
        if place == "memory":
            return list(tensors)
        # Products round differently where numbers lie otherwise, so each tensor begins where one in memory would.
        unit = _ALIGNED // tensors[0].itemsize
        sizes = [-(-tensor.numel() // unit) * unit for tensor in tensors]
        parts = _mapped(sum(sizes), tensors[0].dtype, self._budget.folder).split(sizes)
        return [part[: tensor.numel()].view(tensor.shape).copy_(tensor) for part, tensor in zip(parts, tensors, strict=True)]


def _mapped(count: int, dtype: torch.dtype, folder: Path | None) -> Tensor:
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    file, name = tempfile.mkstemp(prefix="reuse-", suffix=".tmp", dir=folder)
    try:
        size = max(count, 1) * dtype.itemsize
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file, 0, size)  # a write to a mapped page that finds no room on the disk ends the process
        else:
            os.truncate(file, size)
        return torch.from_file(name, shared=True, size=max(count, 1), dtype=dtype)
    finally:
        os.close(file)
        with suppress(OSError):  # Windows keeps it while it is mapped; its folder is emptied by the system
            Path(name).unlink()
