"""A process that waits for the next file, so that nobody waits for Python and its libraries to start."""

import subprocess
import threading
from collections.abc import Callable

Process = subprocess.Popen[bytes]


class Spare:
    """Keeps one process ready from the first use on. It ends when its standard input closes, so also when this process is killed."""

    def __init__(self, start: Callable[[], Process]) -> None:
        self._start, self._lock = start, threading.Lock()
        self._ready: Process | None = None

    def take(self) -> Process:
        """The process that waits, or a new one if there is none or it has died; another is started, which need not be waited for."""
        with self._lock:
            taken, self._ready = self._ready, None
            if taken is None or not _lives(taken):
                taken = self._start()
            self._ready = self._start()
        return taken

    def end(self) -> None:
        """End the process that waits; the next use begins anew."""
        with self._lock:
            if self._ready:
                _close(self._ready)
            self._ready = None


def _lives(process: Process) -> bool:
    if process.poll() is None:
        return True
    _close(process)
    return False


def _close(process: Process) -> None:
    process.kill()
    with process:  # closes its pipes and waits for its end
        pass
