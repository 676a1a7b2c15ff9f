"""How much memory a process may still take on this machine, from what the system says. Imports no torch."""

import os
from contextlib import suppress
from pathlib import Path

_MEMINFO = Path("/proc/meminfo")
_CGROUP_2 = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current"))
_CGROUP_1 = tuple(Path("/sys/fs/cgroup/memory") / name for name in ("memory.limit_in_bytes", "memory.usage_in_bytes"))


def free_memory() -> int | None:
    """Bytes of memory that are free: of the machine, or within the limit of the container, whichever is less; None if unknown."""
    limits = [each for each in (_available(), _left(*_CGROUP_2), _left(*_CGROUP_1)) if each is not None]
    return min(limits) if limits else None


def _available() -> int | None:
    with suppress(OSError, ValueError, IndexError):
        lines = _MEMINFO.read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    with suppress(OSError, ValueError):  # elsewhere half of all there is, since nothing says what is free
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    return None


def _left(limit: Path, used: Path) -> int | None:
    with suppress(OSError, ValueError):
        return max(int(limit.read_text()) - int(used.read_text()), 0)
    return None
