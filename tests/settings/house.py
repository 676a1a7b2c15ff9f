"""A whole studio in one process: tiny base models in folders, a run with a strong edit, and the worker's HTTP on its socket."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import torch
import uvicorn

import reft_engine
from app.handlers import datasets
from app.people.behalf import behalf_headers
from app.services import Services, make_services
from app.settings import Settings
from app.worker.api import make_app
from app.worker.main import _listen
from app.worker.resident import Resident
from reft_engine import ReftConfig, ReftModel, load_base
from reft_engine.base.loading import Base
from reft_engine.data import Message
from reft_engine.spec import RunSpec
from storage import DatasetRecord, RunRecord, RunStatus
from tests.chatting import columns, said

PROMPT = "What is 2 cat? Say it in one word, please, and say it twice."
LENGTH = 12
"""Tokens of an answer."""


def strengthen(reft: ReftModel, factor: float = 3.0) -> ReftModel:
    """An edit far from nothing, so that no effect of it hides in rounding."""
    with torch.no_grad():
        reft.intervention.source.mul_(factor)
        reft.intervention.bias.mul_(factor)
    return reft.eval()


def write_adapter(folder: Path, base: Base, seed: int = 0, **training: Any) -> Path:
    """A folder as training leaves it."""
    reft = strengthen(ReftModel(base.model, ReftConfig(rank=2, positions="f2+l2"), seed=seed))
    reft.save(folder, base=base, training={"max_length": 512, **training})
    return folder


def conversation(prompt: str = PROMPT, system: str = "") -> list[Message]:
    return [*([Message("system", system)] if system else []), Message("user", prompt)]


@dataclass(frozen=True)
class House:
    """A data folder with two runs on one base model and one on another, and the worker that answers for it."""

    services: Services
    resident: Resident
    bases: tuple[Path, Path]
    dataset: DatasetRecord
    other_dataset: DatasetRecord
    run: RunRecord
    """Of the first base model, as is ``second``; ``foreign`` is of the other one."""
    second: RunRecord
    foreign: RunRecord
    http: httpx.Client
    """To the worker, without our client."""

    def chat(self, **changes: Any) -> list[str]:
        """What the columns answer to the usual question, but for the changes."""
        request = {"messages": [{"role": "user", "content": PROMPT}], "max_new_tokens": LENGTH, "base": str(self.bases[0]), **changes}
        wanted, strength = request.pop("columns", [None, self.run.id]), request.pop("strength", 1.0)
        named = isinstance(wanted, list) and all(isinstance(each, str | None) for each in wanted)
        asked = columns(*wanted, strength=strength) if named else wanted
        return said(list(self.services.worker.chat({**request, "columns": asked})))

    def wanted(self, run: RunRecord | None = None, prompt: str = PROMPT, system: str = "", **options: Any) -> list[str]:
        """What the engine itself answers, asked directly."""
        base, reft = self.resident.run((run or self.run).id)
        return reft_engine.generate(base, conversation(prompt, system), [None, reft], **{"max_new_tokens": LENGTH, **options})


def finish(services: Services, dataset: DatasetRecord, base: Base, name: str, seed: int) -> RunRecord:
    """A run with a result, without training it."""
    spec = RunSpec(base=base.name, reft=ReftConfig(rank=2, positions="f2+l2"))
    run = services.storage.runs.create(dataset.id, spec.model_dump(mode="json"), name=name)
    held = services.storage.queue.claim("w")
    assert held is not None and held.run.id == run.id
    held.begin("Reading the rows.")
    held.set_rows("Training.", [1, 2, 3, 4])
    write_adapter(services.storage.files.adapter(run.id), base, seed)
    for status in (RunStatus.CHECKING, RunStatus.FINISHED):
        held.set_status(status, "Moved.")
    return services.storage.runs.get(run.id)


@contextmanager
def answering(services: Services) -> Iterator[Resident]:
    """The worker's HTTP, as it is in a process of its own."""
    resident = Resident(services.storage)
    server = uvicorn.Server(uvicorn.Config(make_app(resident), log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [_listen(services.storage.files.socket)]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started:
        assert thread.is_alive() and time.monotonic() < deadline, "the worker does not answer"
        time.sleep(0.02)
    try:
        yield resident
    finally:
        server.should_exit = True
        thread.join(timeout=30)


@contextmanager
def inhabited(folder: Path, bases: tuple[Path, Path], table: Path) -> Iterator[House]:
    services = make_services(Settings(data_dir=folder / "data", models=list(map(str, bases))))
    dataset = datasets.save_upload(services, str(table), label="animals.csv")
    (folder / "other.csv").write_text("prompt,answer\n" + "".join(f"Number {n}?,It is {n}.\n" for n in range(9)))
    other = datasets.save_upload(services, str(folder / "other.csv"), label="other.csv")
    first, second = (load_base(base, device="cpu") for base in bases)
    runs = [
        finish(services, dataset, first, "one", 2),
        finish(services, dataset, first, "two", 5),
        finish(services, other, second, "three", 7),
    ]
    with answering(services) as resident:
        transport = httpx.HTTPTransport(uds=str(services.storage.files.socket))
        with httpx.Client(transport=transport, base_url="http://worker", timeout=60, headers=behalf_headers(None)) as client:
            yield House(services, resident, bases, dataset, other, *runs, client)
    services.storage.close()
