"""Every attack in a short form, and in its whole form, which ``python -m tests.attacks`` prints as a table."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from secrets import randbelow
from typing import Any

import pytest

from tests.attacks.attacks import ATTACKS, FULL_ONLY, Series
from tests.attacks.endpoints import published


def begun(*, quick):
    series = Series(quick, randbelow(1_000_000))
    try:
        apart(series.open)
        yield series
    finally:
        left = apart(series.end)
    assert left == []


@pytest.fixture(scope="module")
def quick():
    yield from begun(quick=True)


@pytest.fixture(scope="module")
def whole():
    yield from begun(quick=False)


def apart(do: Callable[[], Any]) -> Any:
    """In a thread of its own, where no event loop runs: a browser of other tests leaves one in the thread that started it."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(do).result()


def nothing_comes_through(series, name):
    found = apart(lambda: series.attack(name))
    assert found.attempts, "nothing was tried"
    assert not found.through, f"{found.through} of {found.attempts} came through (seed {series.seed}): {found.notes}"


@pytest.mark.parametrize("name", [name for name in ATTACKS if name not in FULL_ONLY])
def test_nothing_comes_through_by(name, quick):
    nothing_comes_through(quick, name)


@pytest.mark.long
@pytest.mark.parametrize("name", ATTACKS)
def test_nothing_comes_through_by_however_many(name, whole):
    nothing_comes_through(whole, name)


def test_every_route_of_the_studio_and_of_gradio_is_known():
    """The attacks find them by themselves; this says when they would not any more."""
    paths = {each.path for each in published()}
    assert {"/play/chat", "/files/runs/{run_id}/adapter.zip", "/gradio_api/queue/join", "/gradio_api/cancel", "/config", "/login"} <= paths
