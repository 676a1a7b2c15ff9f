"""Examples as plain data of ``line``, ``row``, ``messages`` and ``answer``: as the studio keeps them in JSON Lines, and sends them."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from reft_engine.data.records import Example, Message
from reft_engine.errors import DataError


def dump_examples(examples: Iterable[Example]) -> bytes:
    """Write examples as JSON Lines."""
    return "".join(json.dumps(example_as_data(example), ensure_ascii=False) + "\n" for example in examples).encode()


def example_as_data(example: Example) -> dict[str, Any]:
    """An example as plain data."""
    messages = [[message.role, message.content] for message in example.messages]
    return {"line": example.line, "row": example.row, "messages": messages, "answer": example.answer}


def example_of_data(row: Mapping[str, Any]) -> Example:
    """The example that `example_as_data` gave. Raises KeyError, TypeError, ValueError for anything else."""
    if any(isinstance(message, dict) for message in row["messages"]):  # would be taken apart into its keys
        raise TypeError("a message is a pair of role and content")
    messages = tuple(Message(role, content) for role, content in row["messages"])
    return Example(row["line"], messages, row["answer"], row.get("row", 0))


def load_examples(path: Path, limit: int | None = None) -> list[Example]:
    """Read what `dump_examples` wrote, all of it or the first ``limit``. Raises DataError when the file is missing or damaged."""
    found: list[Example] = []
    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            for text in file:
                if limit is not None and len(found) >= limit:
                    break
                found.append(_example(json.loads(text), found[-1] if found else None))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError("The dataset's file is missing or damaged. Upload it again.", kind="file.dataset") from error
    return found


def _example(row: Mapping[str, Any], before: Example | None) -> Example:
    example = example_of_data(row)
    return example if "row" in row else replace(example, row=_numbered(example, before))


def _numbered(example: Example, before: Example | None) -> int:
    """The number of a row of a file that was written before rows were numbered."""
    if before is None:
        return 1
    said = (*before.messages, Message("assistant", before.answer))
    goes_on = example.line == before.line and example.messages[: len(said)] == said
    return before.row if goes_on else before.row + 1
