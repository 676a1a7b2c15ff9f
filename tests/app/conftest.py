"""Real storage, a real worker process, a real server; one of each where tests can share it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from transformers.utils import logging

from app.handlers import datasets, train
from app.services import Services, make_services
from app.settings import Settings
from storage import DatasetRecord, RunRecord, RunStatus
from tests.serving import serving
from tests.waiting import PATIENCE
from tests.waiting import until as wait_until

ROOT = Path(__file__).resolve().parents[2]
ANIMALS = "cat dog cow owl hen pig".split()


@pytest.fixture(scope="session", autouse=True)
def _quiet():
    """As in a process of its own, where a command says so before it loads the library."""
    logging.disable_progress_bar()
    logging.set_verbosity_error()


@pytest.fixture(scope="session")
def until() -> Callable[..., Any]:
    return wait_until


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """Of child processes; one thread, so that their weights can be compared bit for bit."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def write_rows(path: Path, rows: list[tuple[str, str]], header: str = "prompt,answer") -> Path:
    path.write_text("\n".join([header, *(f"{prompt},{answer}" for prompt, answer in rows)]) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def table() -> Callable[..., Path]:
    return write_rows


@pytest.fixture(scope="session")
def rows() -> list[tuple[str, str]]:
    """Twenty-four rows whose answers follow from their prompts."""
    return [(f"What is {times} {animal}?", f"{animal} {times}.") for times in range(4) for animal in ANIMALS]


@pytest.fixture(scope="session")
def table_file(tmp_path_factory, rows) -> Path:
    return write_rows(tmp_path_factory.mktemp("tables") / "animals.csv", rows)


@pytest.fixture
def services(tmp_path) -> Iterator[Services]:
    """A data folder of its own, whose engine is not up."""
    made = make_services(Settings(data_dir=tmp_path / "data"))
    yield made
    made.storage.close()


@pytest.fixture
def dataset(services, table_file) -> DatasetRecord:
    return datasets.save_upload(services, str(table_file), label="animals.csv")


@contextmanager
def running_worker(services: Services, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """The worker of a data folder, once it answers."""
    root = services.storage.files.root
    command = [sys.executable, "-m", "app.worker.main", "--data-dir", str(root)]
    with services.storage.files.worker_log.open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        wait_until(lambda: services.worker.health() or process.poll() is not None, "the worker's first word")
        assert process.poll() is None, services.storage.files.worker_log.read_text()
        yield process
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)


@pytest.fixture(scope="session")
def engine(tmp_path_factory, environment, tiny_base) -> Iterator[Services]:
    """A data folder whose engine is up; shared, so no test may count on being alone in it."""
    made = make_services(Settings(data_dir=tmp_path_factory.mktemp("engine") / "data", models=[str(tiny_base)]))
    with running_worker(made, environment):
        yield made
    made.storage.close()


def wait_for_end(services: Services, run: RunRecord) -> RunRecord:
    wait_until(lambda: services.storage.runs.get(run.id).status.ended, f"the end of the run {run.name}")
    return services.storage.runs.get(run.id)


@pytest.fixture(scope="session")
def ended() -> Callable[..., RunRecord]:
    return wait_for_end


@pytest.fixture(scope="session")
def kept(engine, table_file) -> DatasetRecord:
    """A dataset in the shared folder."""
    return datasets.save_upload(engine, str(table_file), label="animals.csv")


@pytest.fixture(scope="session")
def quick() -> train.TrainForm:
    """A run of a second."""
    return train.TrainForm(rank=2, positions="f2+l2", epochs=3, batch_size=5, held_out=0.2)


@pytest.fixture(scope="session")
def finished(engine, kept, quick) -> RunRecord:
    """A finished run in the shared folder."""
    run = wait_for_end(engine, train.start(engine, kept.id, quick, "finished", "Animals"))
    assert run.status is RunStatus.FINISHED, run.sentence
    return run


@pytest.fixture(scope="session")
def site(engine) -> Iterator[str]:
    """The pages on a port of their own."""
    with serving(engine) as found:
        yield found.address
