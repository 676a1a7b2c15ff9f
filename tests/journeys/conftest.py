"""A real server and a real browser."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest
from playwright.sync_api import Error, expect, sync_playwright

from app.worker.client import WorkerClient
from reft_engine import TrainConfig
from reft_engine.data import dump_examples, inspect_rows
from reft_engine.spec import RunSpec
from storage import RunStatus, Storage
from tests.browser import HANGS, KILLED, WINDOW, Launched
from tests.needed import missing
from tests.ports import free_port
from tests.waiting import MILLISECONDS, PATIENCE, until

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
expect.set_options(timeout=MILLISECONDS)


@dataclass
class Server:
    address: str
    data_dir: Path
    process: subprocess.Popen


def healthy(http: httpx.Client, address: str) -> bool:
    with suppress(httpx.HTTPError):
        return http.get(f"{address}/healthz", timeout=5).status_code == 200
    return False


@contextmanager
def running(data_dir: Path, **environment: str):
    port = free_port()
    command = [sys.executable, "-m", "app.cli", "serve", "--port", str(port), "--data-dir", str(data_dir), "--no-browser"]
    with (data_dir.parent / "server.txt").open("a") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output, env={**os.environ, **environment})
    address = f"http://127.0.0.1:{port}"
    try:
        with httpx.Client() as http:  # one, since each reads all certificates of this machine
            until(lambda: process.poll() is not None or healthy(http, address), "the server's first answer")
        assert process.poll() is None, (data_dir.parent / "server.txt").read_text()
        yield Server(address, data_dir, process)
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)


@pytest.fixture(scope="session")
def server(tmp_path_factory, tiny_base):
    with running(tmp_path_factory.mktemp("studio") / "data", REFT_STUDIO_MODELS=json.dumps([str(tiny_base)])) as started:
        # A page waits for it too, but not as long as a busy machine may need.
        until(WorkerClient(started.data_dir / "worker.sock").health, "the worker's first word", every=0.1)
        yield started


@pytest.fixture(scope="package")  # while it is open, its library's event loop runs in this thread, where others may want one
def launched():
    with sync_playwright() as playwright:
        found = Launched(playwright)
        try:
            found.browser()
        except Error as error:
            missing(f"there is no browser: install Chromium, or run `playwright install chromium` ({str(error).splitlines()[0]})")
        yield found
        found.close()


@pytest.fixture
def browser(launched):
    return launched.browser()


def pytest_collection_modifyitems(items):
    """A test whose browser hung, and was killed for that, is run again, once."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.flaky(reruns=1, only_rerun=[KILLED]))


@pytest.fixture(autouse=True)
def _watched(request):
    """What a browser does not answer has no end in its library: an evaluation, or the closing of a tab."""
    if "launched" not in request.fixturenames:
        yield
        return
    with request.getfixturevalue("launched").killed_after(HANGS):
        yield


def trained(server, name, examples, **settings):
    """The name of a run on these examples, once the server's own worker has finished it."""
    storage = Storage(server.data_dir)
    source = server.data_dir.parent / "rows.jsonl"
    source.write_bytes(dump_examples(examples))
    dataset = storage.datasets.create(
        name=name, label=source.name, shape="pairs", rows=len(examples), usable_rows=len(examples), source=source,
        examples=dump_examples(examples),
    )  # fmt: skip
    run = storage.runs.create(dataset.id, RunSpec(train=TrainConfig(**settings)).model_dump(mode="json"))
    until(lambda: storage.runs.get(run.id).status.ended, f"the end of the run {run.name}", 3 * PATIENCE, every=0.2)
    assert storage.runs.get(run.id).status is RunStatus.FINISHED
    storage.close()
    return run.name


@pytest.fixture(scope="session")
def talkative(server):
    """A run whose answers do not come to an end by themselves."""
    rows = [{"prompt": f"Sing song {n}.", "answer": "la " * 400} for n in range(6)]
    settings = {"epochs": 6, "learning_rate": 2e-2, "batch_size": 4, "max_length": 150, "held_out": 0.0}  # nothing is measured
    return trained(server, "singer", inspect_rows(rows).examples, **settings)


def forget(tab):
    """What the pages of a server keep in this tab; some keep it only as they are left, so that they are left before."""
    with suppress(Error):  # a page that was not reached keeps nothing
        tab.goto(urljoin(tab.url, "/alive"))
    with suppress(Error):
        tab.evaluate("localStorage.clear(); sessionStorage.clear()")


def emptied(tab):
    """Whether nothing is open in this tab. The browser's own page about an address that it did not reach may come after its error."""
    try:
        tab.goto("about:blank")
    except Error as error:
        if "interrupted by another navigation" not in str(error):
            raise
        return False
    return True


@pytest.fixture
def page(launched):
    """A tab in which the test before has left nothing."""
    tab = launched.tab()
    yield tab
    if tab.is_closed():  # or its browser was killed
        return
    tab.unroute_all(behavior="ignoreErrors")
    forget(tab)
    until(lambda: emptied(tab), "an empty tab")
    tab.set_viewport_size(WINDOW)


@pytest.fixture
def store(server):
    """The server's conversations, none at first."""
    held = Storage(server.data_dir)
    for chat in held.chats.page(500)[0]:
        held.chats.delete(chat.id)
    held.chats.empty_bin()
    yield held
    held.close()
