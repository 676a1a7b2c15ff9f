"""A browser that answers nobody costs one test, which is run again, and not all that come after it."""

import pytest
from playwright.sync_api import Error

from tests.browser import KILLED

NEVER = "new Promise(() => {})"


def test_a_browser_that_does_not_answer_is_killed_and_the_next_test_has_another(launched, capfd):
    tab = launched.tab()
    with launched.killed_after(1), pytest.raises(Error, match=KILLED):
        tab.evaluate(NEVER)
    assert "in test_a_browser_that_does_not_answer" in capfd.readouterr().err, "it is not said where the test hung"
    other = launched.tab()
    assert other is not tab and other.evaluate("1 + 1") == 2


def test_only_a_test_whose_browser_was_killed_is_run_again(request):
    (again,) = request.node.iter_markers("flaky")
    assert again.kwargs == {"reruns": 1, "only_rerun": [KILLED]}
