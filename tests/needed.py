"""What a test needs of its machine. Where it is missing a test is skipped, except in CI, which has everything: nothing hides there."""

import os
from importlib.util import find_spec
from typing import NoReturn

import pytest


def missing(what: str) -> NoReturn:
    """Skip this test because of ``what``, a sentence's first half without its end; in CI fail it."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what}, and in CI no test may be skipped for want of something")
    pytest.skip(what)


def another_machine(what: str) -> NoReturn:
    """Skip a test, in CI too, of what this machine has and another one has not."""
    pytest.skip(what)


def packages(*modules: str, extra: str) -> None:
    """Go on where these modules can be imported, which an extra of this project installs."""
    absent = [module for module in modules if find_spec(module) is None]
    if absent:
        missing(f"{' and '.join(absent)} cannot be imported (pip install -e '.[{extra}]')")
