"""What a test is, so that those that are wanted can be chosen: `pytest -m unit`."""

import pytest

NAMES = {
    "unit": "in this process alone, in some tenths of a second; `make check` runs these",
    "slow": "in this process alone, but takes longer",
    "process": "starts processes: a command, a worker, a database server",
    "journey": "in a real browser",
    "fault": "does harm to a studio, in a short form",
    "long": "the long form of another test; `make test-long` runs these, and `make test` does not",
}
FOLDERS = {"journeys": "journey", "faults": "fault", "attacks": "fault"}
STARTING = {"postgres", "environment"}
"""Fixtures that start processes, or that are asked for to start one."""


def kinds(item: pytest.Item) -> list[str]:
    """What a test says that it is; one word, where nothing is wrong."""
    return sorted({mark.name for mark in item.iter_markers() if mark.name in NAMES})


def kind_of(item: pytest.Item) -> str:
    """What a test is that does not say it: known by its folder and by what it asks for."""
    folder = next((FOLDERS[part] for part in item.path.parts if part in FOLDERS), None)
    needs = set(getattr(item, "fixturenames", ()))
    asked = [value for value in getattr(getattr(item, "callspec", None), "params", {}).values() if isinstance(value, str)]
    return folder or ("process" if needs & STARTING or "postgresql" in asked else "unit")
