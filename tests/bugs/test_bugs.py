"""That the list stays true; ``python -m tests.bugs`` tries the bugs themselves."""

import ast
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.bugs.bugs import BUGS
from tests.waiting import PATIENCE

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_bug_is_one_place_of_its_file_and_still_a_program(bug):
    whole = (ROOT / bug.file).read_text(encoding="utf-8")
    assert whole.count(bug.text) == 1, f"its text occurs {whole.count(bug.text)} times; write it anew"
    spoilt = whole.replace(bug.text, bug.instead)
    assert spoilt != whole and bug.tests
    assert ast.dump(ast.parse(spoilt)) != ast.dump(ast.parse(whole)), "it is no bug, it changes nothing"


def test_every_bug_has_a_name_of_its_own_and_changes_something_of_its_own():
    assert [name for name, count in Counter(bug.name for bug in BUGS).items() if count > 1] == []
    assert [place for place, count in Counter((bug.file, bug.text, bug.instead) for bug in BUGS).items() if count > 1] == []


def missing(wanted, found):
    return sorted(test for test in wanted if test not in found and not any(each.startswith(f"{test}[") for each in found))


@pytest.mark.process
def test_every_test_that_is_named_exists(collected):
    """A run of all tests has collected them already; what this run has not is looked for by one of its own."""
    wanted = missing({test for bug in BUGS for test in bug.tests}, collected)
    if not wanted:
        return
    files = sorted({test.partition("::")[0] for test in wanted})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", "", "-p", "no:cacheprovider", *files]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=4 * PATIENCE
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert missing(wanted, set(done.stdout.splitlines())) == []
