"""Fixtures that all tests share, and what holds of every test."""

import gc
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # more only cost time on models this small, here and in every process that is started
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # each process that is started would compile the studio anew

import pytest
from hypothesis import HealthCheck, settings

from tests.kinds import NAMES, kind_of, kinds
from tests.needed import missing
from tests.postgres import Server, find_programs, running
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[1]

# The same examples on every machine, and no clock that runs; others are drawn with --hypothesis-profile=default.
settings.register_profile("everywhere", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("everywhere")


def pytest_configure(config: pytest.Config) -> None:
    """The kinds of tests are known as markers."""
    for name, what in NAMES.items():
        config.addinivalue_line("markers", f"{name}: {what}")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Each test says what it is, and that before `-m` chooses among them."""
    for item in items:
        if not kinds(item):
            item.add_marker(kind_of(item))
    config.stash[COLLECTED] = {item.nodeid: kinds(item) for item in items}
    # Files of quick tests come last: workers take whole files, and the last one to be taken is not to be a long one.
    longer = {item.path for item in items if "unit" not in kinds(item)}
    items.sort(key=lambda item: item.path not in longer)


COLLECTED = pytest.StashKey[dict[str, list[str]]]()
"""Each test that was collected, also those that `-m` then leaves out, and what it says that it is."""


@pytest.fixture(scope="session")
def collected(pytestconfig: pytest.Config) -> dict[str, list[str]]:
    return pytestconfig.stash[COLLECTED]


_STARTS = ("subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system")
_units: list[str] = []
"""The unit test that runs at this moment."""
_started: list[str] = []
"""What it has tried to start."""


def _watch(event: str, given: tuple[object, ...]) -> None:
    # A chat template that is not the program's own runs in a process, which starts in a tenth of a second and stays for all tests.
    if event == "subprocess.Popen" and "reft_engine.base.render_child" in str(given[1]):
        return
    if _units and event in _STARTS:
        _started.append(event)
        raise RuntimeError("a unit test starts no process; one that does says so: pytest.mark.process")


sys.addaudithook(_watch)


@pytest.fixture(autouse=True)
def started(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """What a unit test is not: a test that starts a process."""
    _units[:] = [request.node.nodeid] if request.node.get_closest_marker("unit") else []
    yield _started
    _units.clear()
    tried, _started[:] = [*_started], []
    assert tried == [], "a unit test starts no process; one that does says so: pytest.mark.process"


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    """Threads only cost time on models this small."""
    import torch  # here and below, so that the process that only hands tests to others starts in a second

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session", autouse=True)
def _files_are_read_here():
    """A process for each file that a test has read would take half of its time; tests/app/test_reader.py starts it, and so do journeys."""
    from app.handlers import uploads
    from tests.reading import read_here

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(uploads, "read_in_process", read_here)
        yield


def _common() -> dict[str, object]:
    """What all tests have in common in this process, and none may change."""
    import torch

    numbers = {"torch's type": torch.get_default_dtype(), "torch's threads": torch.get_num_threads(), "gradients": torch.is_grad_enabled()}
    return {**numbers, "the folder": Path.cwd()}


def _threads() -> set[threading.Thread]:
    """Those whose end Python waits for before its own."""
    return {thread for thread in threading.enumerate() if not thread.daemon}


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """A test finds random numbers that do not depend on those before it, and leaves what all share as it was."""
    import torch

    torch.manual_seed(0)
    before, threads, variables = _common(), _threads(), dict(os.environ)
    yield
    # Commands and libraries set some, which the next test is not to see.
    for name in {**variables, **os.environ}.keys() - {"PYTEST_CURRENT_TEST"}:
        if name in variables:
            os.environ[name] = variables[name]
        else:
            del os.environ[name]
    assert _common() == before, "a test leaves what all of them share as it was"
    if left := _threads() - threads:
        gc.collect()  # a library's pool ends its threads once nobody knows it any more
        until(lambda: not _threads() & left, f"the end of {', '.join(thread.name for thread in left)}")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real files beside a developer's checkout; a stranger's clone has none."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        missing("the real files that this test wants are not part of a clone")
    return folder


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory) -> Path:
    """The folder of a base model that costs next to nothing, and whose words mean nothing."""
    from tests.tiny import write_base

    return write_base(tmp_path_factory.mktemp("bases") / "tiny", context=512)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server that makes as many empty databases as are wanted."""
    programs = find_programs()
    if programs is None:
        missing("PostgreSQL is not installed")
    with running(programs) as server:
        yield server
