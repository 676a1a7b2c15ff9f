"""A studio of its own to do harm to: real processes on a real data folder, always cleaned up."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from sqlalchemy import text
from transformers import AutoTokenizer

from app.components import html
from app.handlers import datasets, runs, train
from app.pages import runs_html
from app.services import Services, make_services
from app.settings import Settings
from storage import EventRecord, RunRecord, RunStatus, UnavailableError
from storage.records import ALLOWED
from tests.ports import free_port
from tests.reft_engine import families
from tests.waiting import PATIENCE

ROOT = Path(__file__).parents[2]
BASE, LARGER = ROOT / "build" / "faults-tiny", ROOT / "build" / "faults-base"
"""Small base models, so that runs are short; ``make_base`` writes them."""
SHAPES = {BASE: {}, LARGER: {"hidden_size": 160, "num_hidden_layers": 5, "intermediate_size": 432}}
"""What is not as in all tiny models."""
TINY = train.TrainForm(base=str(BASE), rank=2, positions="f2+l2", epochs=8, batch_size=6, held_out=0.2)
"""32 steps."""
SHORT = replace(TINY, epochs=80, learning_rate=0.02, dropout=0.1)
"""320 steps of 6 to 12 milliseconds each, so that three checkpoints are written; with dropout, so that random numbers matter."""
LONG = replace(SHORT, base=str(LARGER), epochs=1000)
"""4,000 steps of 10 to 30 milliseconds each."""
_MODELS = [str(base) for base in SHAPES]
ROWS = [(f"What is {times} {animal}?", f"{animal} {times}.") for times in range(5) for animal in "cat dog cow owl hen pig".split()]


def make_base(base: Path) -> None:
    """Write a base model of the runs here: random weights, and the starter's words."""
    if (base / "model.safetensors").is_file():
        return
    tokenizer = AutoTokenizer.from_pretrained(ROOT / "reft_engine" / "starter")
    shape = {"max_position_embeddings": 512, "initializer_range": 0.1, **SHAPES[base]}
    families.build("llama", vocab_size=len(tokenizer), eos_token_id=tokenizer.eos_token_id, **shape).save_pretrained(base)
    tokenizer.save_pretrained(base)


def wait(look: Callable[[], Any], seconds: float = PATIENCE, what: str = "what was waited for", every: float = 0.1) -> Any:
    """What ``look`` gives as soon as it gives something, asked again ``every`` so many seconds. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while True:
        with suppress(UnavailableError):  # the database, for the moment
            if found := look():
                return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen within {seconds:.0f} s")
        time.sleep(every)


class Studio:
    """A data folder with its server; ``python -m app.cli serve``, as a person starts it."""

    def __init__(self, folder: Path, url: str | None = None) -> None:
        self.folder, self._url = folder, url
        self.services: Services = make_services(Settings(data_dir=folder, database_url=url, models=_MODELS))
        self.web: subprocess.Popen[bytes] | None = None
        self._started: list[subprocess.Popen[bytes]] = []
        self._queued = 0
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"

    # Its processes

    def environment(self, **more: str) -> dict[str, str]:
        """Of its processes; one thread, so that weights can be compared bit for bit."""
        url = {"REFT_STUDIO_DATABASE_URL": self._url} if self._url else {}
        return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "REFT_STUDIO_MODELS": json.dumps(_MODELS), **url, **more}

    @property
    def served(self) -> bool:
        """Whether its server runs."""
        return self.web is not None and self.web.poll() is None

    def serving(self, port: int) -> list[str]:
        """The command that serves its pages."""
        return [sys.executable, "-m", "app.cli", "serve", "--port", str(port), "--data-dir", str(self.folder), "--no-browser"]

    def start(self) -> None:
        """Serve, as a person or a service manager would; returns once the pages are there."""
        web = self.web = self._launch(self.serving(self.port))
        wait(lambda: web.poll() is not None or self._answers(), what="a page")
        if web.poll() is not None:
            raise ChildProcessError(f"the web process ended at its start, with code {web.returncode}")

    def _launch(self, command: list[str], **environment: str) -> subprocess.Popen[bytes]:
        with (self.folder.parent / "output.txt").open("ab") as output:
            process = subprocess.Popen(
                command, cwd=ROOT, env=self.environment(**environment), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True,  # a group of its own, to be ended as a whole
            )  # fmt: skip
        self._started.append(process)
        return process

    def _answers(self) -> bool:
        with suppress(OSError):
            return bool(urllib.request.urlopen(f"{self.address}/alive", timeout=1).status == 200)
        return False

    def worker(self, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        """A worker without a web process, or a further one."""
        return self._launch([sys.executable, "-m", "app.worker.main", "--data-dir", str(self.folder), *arguments], **environment)

    def kill(self, what: str, run: "Watched") -> bool:
        """Signal 9 to the ``worker`` of a run, the ``web`` process, or ``both``; False when no worker had the run."""
        worker = run.worker() if what != "web" else None
        if what != "worker" and self.web:  # first, so that no other worker is started
            self.web.kill()
            self.web.wait()
        if worker is None:
            return what != "worker"
        try:
            os.kill(worker, signal.SIGKILL)
        except ProcessLookupError:
            return what != "worker"
        wait(lambda: not _runs(worker), what="the death of a worker")
        return True

    def stop(self) -> int:
        """End everything in order, as Docker does, until all processes are gone; the web process's exit code."""
        for process in self._started:
            if process.poll() is None:
                process.terminate()
        wait(lambda: not self.processes() and all(process.poll() is not None for process in self._started), what="the end in order")
        return self.web.returncode if self.web else 0

    def end(self) -> list[str]:
        """Leave no process behind; what had to be killed, or was left as a zombie, in words."""
        with suppress(TimeoutError):
            self.stop()
        left = [f"process {pid} did not end by itself" for pid in self.processes()]
        for process in self._started:
            if process.poll() is None:  # not reaped yet, so that the group's number is still its own
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.services.storage.close()
        return left + [f"process {pid} is a zombie" for pid in self.zombies()]

    def processes(self) -> list[int]:
        """Processes that live and name this data folder in their arguments: server, workers, and what they start."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                with suppress(OSError):
                    if os.fsencode(self.folder) in (entry / "cmdline").read_bytes():
                        found.append(int(entry.name))
        return found

    def zombies(self) -> list[int]:
        """Dead children that this studio's processes have not taken leave of."""
        started = {process.pid for process in self._started}
        return _zombies({*self.processes()}) + [pid for pid in _zombies({os.getpid()}) if pid in started]

    def strays(self) -> list[int]:
        """Processes beside the server and the one worker that it starts."""
        server = self.web.pid if self.web else 0
        beside = [(pid, _stat(pid)) for pid in self.processes() if pid != server]
        workers = [pid for pid, found in beside if found and found[1] == server]
        return [pid for pid, found in beside if found and pid not in workers[:1]]

    def web_megabytes(self) -> float:
        """Memory of the web process."""
        status = Path(f"/proc/{self.web.pid}/status").read_text() if self.web else ""
        return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS")), 0.0)

    # Its runs

    def queue(self, form: train.TrainForm) -> "Watched":
        """A run on thirty rows that follow from each other, started as the Train page does."""
        if not self.services.storage.datasets.all():
            table = self.services.storage.files.root / "uploads" / "rows.csv"
            table.write_text("prompt,answer\n" + "".join(f"{prompt},{answer}\n" for prompt, answer in ROWS), encoding="utf-8")
            datasets.save_upload(self.services, str(table), label="rows.csv")
        dataset = self.services.storage.datasets.all()[0]
        self._queued += 1
        return Watched(self, train.start(self.services, dataset.id, form, str(self._queued)).id, form)

    def workers(self) -> list[str]:
        """The names of the workers that have registered."""
        with self.services.storage.database.reading() as session:
            return list(session.scalars(text("SELECT id FROM workers")))

    def holders(self) -> dict[str, str]:
        """Which run is in the hands of which worker at this moment."""
        with self.services.storage.database.reading() as session:
            return {row.id: row.worker for row in session.execute(text("SELECT id, worker FROM runs WHERE worker IS NOT NULL"))}


_OF_THE_MACHINE = ("tokens_per_second", "memory", "seconds")
"""Figures that no two runs share."""


@dataclass(frozen=True)
class Learned:
    """What a run leaves: the sha256 of the weights that were kept; which step was kept; every figure of every step; and its sample
    answers. The checkpoints are gone by then, but each figure follows from what they held.
    """

    weights: str
    best_step: int | None
    figures: dict[tuple[int, str], float]
    samples: list[Any]

    def missing(self, found: "Learned") -> list[str]:
        """Rows that were to be there, and are not or are others; a run that ends in order may have measured once more there."""
        gone = {key for key, value in self.figures.items() if found.figures.get(key) != value}
        odd = {(step, name) for step, name in found.figures.keys() - self.figures.keys() if not name.startswith("held_out")}
        figures = [f"{name} of step {step}" for step, name in sorted(gone | odd)]
        return figures + [f"sample of step {each.step}" for each in self.samples if each not in found.samples]


@dataclass(frozen=True)
class Watched:
    """A run as it is seen from outside."""

    studio: Studio
    id: str
    form: train.TrainForm

    @property
    def record(self) -> RunRecord:
        """Its row."""
        return self.studio.services.storage.runs.get(self.id)

    @property
    def status(self) -> RunStatus:
        """Where it stands."""
        return self.record.status

    @property
    def step(self) -> int:
        """The last step that was written down."""
        return self.record.step

    @property
    def ended(self) -> bool:
        """Whether nothing will happen any more unless a person asks."""
        return self.status.ended

    @property
    def in_hand(self) -> bool:
        """Whether a worker has it."""
        return self.status.active

    @property
    def lives(self) -> bool:
        """Whether the worker that has it in hand is not dead, which nobody may have noticed yet."""
        pid = self.worker() if self.in_hand else None
        return pid is not None and _runs(pid)

    def worker(self) -> int | None:
        """The process that has it in hand."""
        asked = text("SELECT workers.pid FROM workers JOIN runs ON runs.worker = workers.id WHERE runs.id = :id")
        with self.studio.services.storage.database.reading() as session:
            return session.scalar(asked, {"id": self.id})

    def page(self) -> str:
        """Where the page says it stands."""
        try:
            view = runs.view(self.studio.services, self.id)
        except UnavailableError as error:  # which the page then shows in its place
            return html.notice(str(error), "bad")
        return runs_html.run_status(view) + runs_html.failure(view.run)

    def story(self) -> str:
        """What the page says has happened."""
        return "\n".join(event.text for event in self.events())

    def events(self) -> list[EventRecord]:
        """What happened, oldest first."""
        return self.studio.services.storage.events.all(self.id)

    def disorder(self) -> list[str]:
        """Events that cannot follow from those before them."""
        told = [RunStatus(event.status) for event in self.events() if event.status]
        wrong = [f"{after} after {before}" for before, after in pairwise(told) if after not in ALLOWED[before]]
        return wrong + ([] if told.count(RunStatus.FINISHED) == 1 else [f"finished {told.count(RunStatus.FINISHED)} times"])

    def checkpoints(self) -> list[Path]:
        """Checkpoint files, the newest last."""
        return sorted((self.studio.services.storage.files.run_folder(self.id) / "checkpoint").glob("[0-9]*.safetensors"))

    @property
    def saved(self) -> int:
        """The step of the newest checkpoint."""
        return max((int(path.name.partition("-")[0]) for path in self.checkpoints()), default=0)

    def saving(self) -> bool:
        """Whether a checkpoint is being written at this moment."""
        return any((self.studio.services.storage.files.run_folder(self.id) / "checkpoint").glob(".writing-*"))

    def learned(self) -> Learned:
        """What it left."""
        storage = self.studio.services.storage
        weights = hashlib.sha256((storage.files.adapter(self.id) / "reft_model.safetensors").read_bytes()).hexdigest()
        points = storage.metrics.after(self.id)
        figures = {(point.step, point.name): point.value for point in points if point.name not in _OF_THE_MACHINE}
        best_step = (self.record.summary or {}).get("best_step")
        return Learned(weights, best_step, figures, storage.samples.all(self.id))

    def go_on(self) -> bool:
        """Press Continue where a person would have to."""
        if self.status not in (RunStatus.FAILED, RunStatus.STOPPED):
            return False
        runs.resume(self.studio.services, self.id)
        return True


def _stat(pid: str | int) -> tuple[str, int] | None:
    """State and parent of a process."""
    with suppress(OSError):
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
        return state, int(parent)
    return None


def _runs(pid: int) -> bool:
    found = _stat(pid)
    return found is not None and found[0] != "Z"


def _zombies(parents: set[int]) -> list[int]:
    every = [(int(entry.name), _stat(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid, found in every if found and found[0] == "Z" and found[1] in parents]
