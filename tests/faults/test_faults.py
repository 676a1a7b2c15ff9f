"""Every fault in a short form, and in its whole form, which ``python -m tests.faults`` prints as a table."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.faults.disks import NotHereError
from tests.faults.faults import FAULTS, inflict
from tests.faults.trial import Series
from tests.needed import missing


def begun(folder, *, quick):
    series = Series(folder, quick)
    try:
        series.run_undisturbed()
        yield series
    finally:
        left = series.end()
    assert left == []


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    yield from begun(tmp_path_factory.mktemp("shared"), quick=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    yield from begun(tmp_path_factory.mktemp("shared"), quick=False)


def apart(do: Callable[[], Any]) -> Any:
    """In a thread of its own, where no event loop runs: a browser of other tests leaves one in the thread that started it."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(do).result()


def is_good(name, folder, series):
    try:
        found = apart(lambda: inflict(name, folder / name, series))
    except NotHereError as error:
        missing(str(error))
    assert found.verdict == "good", found
    return True


LONG = ("two-workers", "reloads")
"""Those that are tried only in the whole form below; in the short one two workers share a PostgreSQL database."""


@pytest.mark.fault
@pytest.mark.parametrize("name", [name for name in FAULTS if name not in LONG])
def test_nothing_is_lost_by(name, quick, tmp_path):
    assert is_good(name, tmp_path, quick)


@pytest.mark.long
@pytest.mark.parametrize("name", FAULTS)
def test_nothing_is_lost_by_any_number_of(name, whole, tmp_path):
    assert is_good(name, tmp_path, whole)
