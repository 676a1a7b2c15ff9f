"""How much memory this process, or its GPU, has taken at most during a piece of work. Imports torch only for a GPU."""

import ctypes
import gc
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reft_engine.machine import free_memory

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_LATEST_PEAK = "5"
"""Written to `_RESET`, it sets the peak of resident memory to what is resident now (proc(5))."""
_SLACK = 8_000_000
"""Bytes by which a peak that was just reset may exceed what is resident."""


@dataclass(frozen=True, slots=True)
class Growth:
    """Bytes before a piece of work, and how much was added to them at most."""

    before: int
    added: int


class Peak:
    """Measures the peak of memory: of a GPU what its tensors take; of a CPU the resident memory of this process, on Linux alone."""

    def __init__(self, device: str) -> None:
        self._cuda: Any = None
        if device.startswith("cuda"):
            import torch

            self._cuda = torch.cuda
        self._before: int | None = None

    def begin(self) -> None:
        """Start to measure. Memory that was freed goes back to the system first, or work would grow into it unseen."""
        gc.collect()
        self._before = None
        if self._cuda is not None:
            self._cuda.empty_cache()
            self._cuda.reset_peak_memory_stats()
            self._before = int(self._cuda.memory_allocated())
            return
        with suppress(OSError, AttributeError):  # another C library, or another system
            ctypes.CDLL(None).malloc_trim(0)
        with suppress(OSError, StopIteration, ValueError):
            _RESET.write_text(_LATEST_PEAK)
            resident = _status("VmRSS")
            if _status("VmHWM") <= resident + _SLACK:  # some systems take the number and reset nothing
                self._before = resident

    def end(self) -> Growth | None:
        """The growth since `begin`; None where it cannot be measured."""
        if self._before is None:
            return None
        peak = int(self._cuda.max_memory_allocated()) if self._cuda is not None else _status("VmHWM")
        return Growth(self._before, max(0, peak - self._before))


def available_memory(device: str) -> int | None:
    """Bytes that this process can use in all: what it has already, and what is free. None where that is unknown."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.mem_get_info()[0]) + int(torch.cuda.memory_reserved())
    if device != "cpu":
        return None
    free = free_memory()
    with suppress(OSError, ValueError):
        return None if free is None else free + _status("VmRSS")
    return free


def used_memory() -> int | None:
    """Bytes that this process uses: of its GPU, if it has one in use, else of the machine's memory; None where that is unknown."""
    import torch

    if torch.cuda.is_available() and torch.cuda.is_initialized():
        return int(torch.cuda.memory_allocated())
    with suppress(OSError, ValueError, StopIteration):
        return _status("VmRSS")
    return None


def peak_memory() -> int | None:
    """The most bytes that this process used, in the sense of `used_memory`, since `Peak.begin`, or since it started; None if unknown."""
    import torch

    if torch.cuda.is_available() and torch.cuda.is_initialized():
        return int(torch.cuda.max_memory_allocated())
    with suppress(OSError, ValueError, StopIteration):
        return _status("VmHWM")
    return None


def _status(name: str) -> int:
    """Bytes that the system gives for this process under a name."""
    line = next(line for line in _STATUS.read_text(encoding="utf-8").splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024
