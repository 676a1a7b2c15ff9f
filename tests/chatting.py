"""Requests to chat, as the worker and the Playground take them."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from app.handlers import playground
from app.services import Services


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


def user(prompt: str) -> list[dict[str, str]]:
    """A conversation of one prompt."""
    return [{"role": "user", "content": prompt}]


def body_of(asked: Sequence[dict[str, Any]], **settings: Any) -> bytes:
    """What the Playground sends for columns with conversations of their own."""
    return json.dumps({"columns": asked, "max_new_tokens": 12, **settings}).encode()


def asked_of_both(run_id: str, prompt: str, *, settings: dict[str, Any] | None = None, **changes: Any) -> bytes:
    """The same of the base model and of a run."""
    return body_of([column(messages=user(prompt)), column(run_id, messages=user(prompt), **changes)], **(settings or {}))


def followed(services: Services, body: bytes, seen: list[dict[str, Any]] | None = None) -> list[dict[str, Any]]:
    """All lines of an answer that the Playground streams, which are put into ``seen`` as they come."""
    lines: list[dict[str, Any]] = [] if seen is None else seen

    async def follow() -> None:
        async for line in playground.chat(services, body):
            lines.append(line)

    asyncio.run(follow())
    return lines
