"""Every fault in a short form, and in its whole form, which ``python -m tests.faults`` prints as a table."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.faults.faults import FAULTS, inflict
from tests.faults.trial import NotHereError, undisturbed
from tests.needed import missing


@pytest.fixture(scope="module")
def wanted(tmp_path_factory):
    return undisturbed(tmp_path_factory.mktemp("undisturbed") / "studio", quick=True)


@pytest.fixture(scope="module")
def wanted_of_the_whole(tmp_path_factory):
    return undisturbed(tmp_path_factory.mktemp("undisturbed") / "studio", quick=False)


def apart(do: Callable[[], Any]) -> Any:
    """In a thread of its own, where no event loop runs: a browser of other tests leaves one in the thread that started it."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(do).result()


def is_good(name, folder, quick, wanted):
    try:
        found = apart(lambda: inflict(name, folder / name, quick, wanted))
    except NotHereError as error:
        missing(str(error))
    assert found.verdict == "good", found
    return True


@pytest.mark.fault
@pytest.mark.parametrize("name", FAULTS)
def test_nothing_is_lost_by(name, wanted, tmp_path):
    assert is_good(name, tmp_path, True, wanted)


@pytest.mark.long
@pytest.mark.parametrize("name", FAULTS)
def test_nothing_is_lost_by_any_number_of(name, wanted_of_the_whole, tmp_path):
    assert is_good(name, tmp_path, False, wanted_of_the_whole)
