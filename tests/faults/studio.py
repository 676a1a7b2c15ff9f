"""A studio of its own to do harm to: real processes on a real data folder, always cleaned up."""

import hashlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from app.components import html
from app.handlers import datasets, runs, train
from app.services import Services, make_services
from app.settings import Settings
from storage import RunRecord

ROOT = Path(__file__).parents[2]
SHORT = train.TrainForm(rank=2, positions="f2+l2", epochs=100, batch_size=6, held_out=0.2, learning_rate=0.02, dropout=0.1)
"""400 steps of some ten milliseconds each, with dropout, so that random numbers matter."""
LONG = replace(SHORT, epochs=600)
"""2,400 such steps."""
ROWS = [(f"What is {times} {animal}?", f"{animal} {times}.") for times in range(5) for animal in "cat dog cow owl hen pig".split()]


class Studio:
    """A data folder with its server; ``python -m app.cli serve``, as a person starts it."""

    def __init__(self, folder: Path, url: str | None = None) -> None:
        self.folder, self._url = folder, url
        self.services: Services = make_services(Settings(data_dir=folder, database_url=url))
        self.web: subprocess.Popen[bytes] | None = None
        self._others: list[subprocess.Popen[bytes]] = []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"

    def environment(self, **more: str) -> dict[str, str]:
        """Of its processes; one thread, so that weights can be compared bit for bit."""
        url = {"REFT_STUDIO_DATABASE_URL": self._url} if self._url else {}
        return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **url, **more}

    def start(self) -> None:
        """Serve; returns once the pages are."""
        command = [sys.executable, "-m", "app.cli", "serve", "--port", str(self.port), "--data-dir", str(self.folder), "--no-browser"]
        self.web = subprocess.Popen(command, cwd=ROOT, env=self.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait(lambda: self.web and (self.web.poll() is not None or self._answers()), 60)
        assert self.web.poll() is None, "the web process ended at its start"

    def _answers(self) -> bool:
        with suppress(OSError):
            return bool(urllib.request.urlopen(f"{self.address}/alive", timeout=1).status == 200)
        return False

    def worker(self, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        """A worker without a web process, or a further one."""
        command = [sys.executable, "-m", "app.worker.process", "--data-dir", str(self.folder), *arguments]
        with (self.folder / "worker.log").open("ab") as log:
            process = subprocess.Popen(command, cwd=ROOT, env=self.environment(**environment), stdout=log, stderr=log)
        self._others.append(process)
        return process

    def worker_pid(self) -> int:
        """Of the worker that answers; waits for it."""
        return int(wait(self._health, 90)["pid"])

    def _health(self) -> dict[str, Any] | None:
        with suppress(httpx.HTTPError, ValueError), httpx.Client(
            transport=httpx.HTTPTransport(uds=str(self.services.storage.files.socket)), base_url="http://worker"
        ) as client:  # fmt: skip
            return dict(client.get("/health", timeout=2).json())
        return None

    def kill(self, what: str) -> None:
        """Signal 9 to the ``worker``, the ``web`` process, or ``both``; a web process that is gone is started again."""
        worker = self.worker_pid() if what != "web" else None
        if what != "worker" and self.web:
            self.web.kill()
            self.web.wait()
        if worker:
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
        if what != "worker":
            self.start()

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End the server in order, and wait until its worker is gone as well."""
        if self.web and self.web.poll() is None:
            self.web.send_signal(number)
            self.web.wait(60)
        wait(lambda: self._health() is None, 60)

    def end(self) -> None:
        """Leave no process behind."""
        for process in [self.web, *self._others]:
            if process and process.poll() is None:
                process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(40)
                process.kill()
                process.wait()
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.services.storage.close()

    def processes(self) -> list[int]:
        """Processes that name this data folder in their arguments."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                with suppress(OSError):
                    if str(self.folder).encode() in (entry / "cmdline").read_bytes():
                        found.append(int(entry.name))
        return found

    def queue(self, form: train.TrainForm, key: str = "run") -> RunRecord:
        """A run on thirty rows that follow from each other."""
        if not self.services.storage.datasets.all():
            table = self.folder / "uploads" / "rows.csv"
            table.write_text("prompt,answer\n" + "".join(f"{prompt},{answer}\n" for prompt, answer in ROWS), encoding="utf-8")
            datasets.save_upload(self.services, str(table), label="rows.csv")
        return train.start(self.services, self.services.storage.datasets.all()[0].id, form, key)

    def run(self, run_id: str) -> RunRecord:
        """Where it stands."""
        return self.services.storage.runs.get(run_id)

    def page(self, run_id: str) -> str:
        """What the page of runs shows of it."""
        view = runs.view(self.services, run_id)
        return html.run_status(view) + html.failure(view.run)

    def in_hand(self, run_id: str) -> bool:
        """Whether a worker has it."""
        return self.run(run_id).status.active

    def steps(self, run_id: str) -> list[int]:
        """Of which steps there is a loss."""
        return [point.step for point in self.services.storage.metrics.after(run_id) if point.name == "loss"]

    def weights(self, run_id: str) -> str:
        """The sha256 of what was learned."""
        return hashlib.sha256((self.services.storage.files.adapter(run_id) / "reft_model.safetensors").read_bytes()).hexdigest()

    def checkpoints(self, run_id: str) -> list[Path]:
        """Checkpoint files, the newest last."""
        return sorted((self.services.storage.files.run_folder(run_id) / "checkpoint").glob("*.safetensors"))


def wait(look: Callable[[], Any], seconds: float = 60) -> Any:
    """What ``look`` gives as soon as it gives something."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"nothing after {seconds} s"
        time.sleep(0.02)
    return found


def seconds_until(look: Callable[[], Any], seconds: float = 60) -> float:
    """How long it takes until ``look`` gives something."""
    begun = time.monotonic()
    wait(look, seconds)
    return time.monotonic() - begun


@contextmanager
def studio(folder: Path, url: str | None = None) -> Iterator[Studio]:
    """One that is served, and gone afterwards."""
    made = Studio(folder, url)
    try:
        yield made
    finally:
        made.end()


def draw(seed: int = 0) -> random.Random:
    """Random moments, the same at each call."""
    return random.Random(seed)
