"""For each setting of a run another value than its default, as a person gives it, found from what the spec says of the setting.

A setting that is added is tried by the tests of page, flags and engine the day it is there; one that is a free text wants a line here.
"""

import math
from typing import Any

from reft_engine import RunSpec, Setting
from reft_engine.spec import all_settings
from tests.settings.words import ANIMALS

LABELS = tuple(f"{animal} {times}." for times in range(4) for animal in ANIMALS)
"""The answers of the table of animals."""
TEXTS = {"base": "other/model", "revision": "v2", "layers": "0;2", "labels": ", ".join(LABELS), "positions": "f1+l3"}
BESIDE: dict[str, dict[str, Any]] = {"pooling": {"labels": TEXTS["labels"]}}
"""What must be set beside a setting."""
SETTINGS = {row.name: row for row in all_settings()}


def another(row: Setting) -> Any:
    """A value that is not the default."""
    if row.name in TEXTS:
        return TEXTS[row.name]
    if row.kind == "switch":
        return not row.default
    if row.kind == "choice":
        return next(value for _, value in reversed(row.choices) if value != row.default)
    assert row.kind in ("integer", "number"), f"{row.name} is a text; name another value than its default in TEXTS"
    return next(value for value in _numbers(row) if value != row.default)


def _numbers(row: Setting) -> list[Any]:
    low, high = row.low or 0, math.inf if row.high is None else row.high
    if row.kind == "integer":
        start = row.default if row.default is not None else low
        return [value for value in (start + 1, start - 1) if low <= value <= high]
    return [low + (min(high, low + 1.0) - low) / 4, low + (min(high, low + 1.0) - low) / 8]


def ends(row: Setting) -> list[Any]:
    """The least and the most that a setting takes; every choice, where there are choices."""
    if row.kind == "choice":
        return [value for _, value in row.choices]
    if row.kind == "switch":
        return [False, True]
    if row.kind == "text":
        return {"base": ["starter"], "layers": ["all", "0", "0-2", "1;2"]}.get(row.name, [TEXTS[row.name]])
    inside = 1 if row.kind == "integer" else 1e-6
    low = [] if row.low is None else [row.low + inside if row.above else row.low]
    high = [] if row.high is None else [row.high - inside if row.below else row.high]
    return [type(inside)(value) for value in (*low, *high)]


def held(name: str, value: Any) -> Any:
    """What the run's spec holds, as plain data, when a setting is given this value."""
    values = {**BESIDE.get(name, {}), name: value}
    row = SETTINGS[name]
    spec = RunSpec.of_settings(values).model_dump(mode="json")
    return (spec[row.section] if row.section else spec)[name]
