"""Requests to chat, as the worker takes them."""

from collections.abc import Sequence
from typing import Any


def column(run_id: str | None = None, **changes: Any) -> dict[str, Any]:
    """A column of a run, or of the base model alone."""
    return {"kind": "run", "run": run_id, **changes} if run_id else {"kind": "base", **changes}


def columns(*run_ids: str | None, strength: float = 1.0) -> list[dict[str, Any]]:
    """Columns of runs, or of the base model alone, all of one strength."""
    return [column(run_id, strength=strength) for run_id in run_ids]


def said(lines: Sequence[dict[str, Any]]) -> list[str]:
    """The whole text of each column, of the lines of an answer."""
    found: dict[int, str] = {}
    for line in lines:
        if "column" in line:
            found[line["column"]] = found.get(line["column"], "") + line["text"]
    return [found[at] for at in sorted(found)]
