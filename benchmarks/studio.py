"""A studio of its own for a benchmark: the real server on a free port, and the CPU time of its processes."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """CPU seconds of a process so far, from /proc."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


@dataclass(frozen=True, slots=True)
class Served:
    """A studio that is served: its address, and its web process."""

    address: str
    pid: int

    def cpu_seconds(self) -> float:
        """CPU seconds of the web process so far."""
        return cpu_seconds(self.pid)

    def worker_pid(self) -> int | None:
        """The worker's process, if there is one."""
        children = Path(f"/proc/{self.pid}/task").glob("*/children")
        pids = [int(pid) for each in children for pid in each.read_text().split()]
        return next((pid for pid in pids if b"app.worker.main" in Path(f"/proc/{pid}/cmdline").read_bytes()), None)


@contextmanager
def served(data: Path) -> Iterator[Served]:
    """Serve a data folder until the context ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "app", "serve", "--port", str(port), "--data-dir", str(data), "--no-browser"]
    log = (data.parent / "serve.log").open("wb")
    process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                if httpx.get(f"{address}/healthz", timeout=2).json()["worker"]["up"]:
                    break
            except (httpx.HTTPError, ValueError):
                pass
            if process.poll() is not None:
                raise RuntimeError((data.parent / "serve.log").read_text())
            time.sleep(0.2)
        time.sleep(3)  # until the worker has loaded the starter
        yield Served(address, process.pid)
    finally:
        process.terminate()
        process.wait(120)
        log.close()
