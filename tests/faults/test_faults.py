"""The quick form of every fault; ``python -m tests.faults`` is the whole."""

import pytest

from tests.faults.faults import FAULTS, inflict
from tests.faults.trial import NotHereError, undisturbed
from tests.needed import missing


@pytest.fixture(scope="module")
def wanted(tmp_path_factory):
    return undisturbed(tmp_path_factory.mktemp("undisturbed") / "studio", quick=True)


@pytest.mark.parametrize("name", FAULTS)
def test_nothing_is_lost_by(name, wanted, tmp_path):
    try:
        found = inflict(name, tmp_path / name, True, wanted)
    except NotHereError as error:
        missing(str(error))
    assert found.verdict == "good", found
