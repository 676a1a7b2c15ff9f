"""How much a piece of work adds, at its highest, to what was there before it."""

import ctypes
import gc
from pathlib import Path
from typing import Any

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Peak:
    """Of a GPU what its tensors take; of a CPU the resident memory of this process, which only Linux tells."""

    def __init__(self, device: str) -> None:
        self._cuda: Any = None
        if device.startswith("cuda"):
            import torch

            self._cuda = torch.cuda
        self._before: float | None = None

    def begin(self) -> None:
        """Note what is there. Memory that was freed goes back first, or the next step would grow into it unseen."""
        gc.collect()
        if self._cuda is not None:
            self._cuda.empty_cache()
            self._cuda.reset_peak_memory_stats()
            self._before = float(self._cuda.memory_allocated())
        elif _RESET.exists():
            ctypes.CDLL(None).malloc_trim(0)
            _RESET.write_text("5")
            self._before = _kilobytes("VmRSS") * 1024.0

    def megabytes(self) -> float | None:
        """The growth since `begin`, in MB of a million bytes; None where it cannot be known."""
        if self._before is None:
            return None
        peak = float(self._cuda.max_memory_allocated()) if self._cuda is not None else _kilobytes("VmHWM") * 1024.0
        return (peak - self._before) / 1e6


def _kilobytes(name: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(name + ":"))
    return int(line.split()[1])
