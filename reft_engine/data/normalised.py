"""Examples as plain data of ``line``, ``row``, ``messages`` and ``answer``: as the studio stores them (JSON Lines) and sends them."""

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
    """The example that `example_as_data` described. Raises KeyError, TypeError or ValueError for anything else."""
    if any(isinstance(message, dict) for message in row["messages"]):  # which would unpack into its keys
        raise TypeError("a message is a pair of role and content")
    messages = tuple(Message(role, content) for role, content in row["messages"])
    return Example(row["line"], messages, row["answer"], row.get("row", 0))


def load_examples(path: Path, limit: int | None = None) -> list[Example]:
    """Read all examples that `dump_examples` wrote, or the first ``limit``. Raises DataError if the file is missing or damaged."""
    examples: list[Example] = []
    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            for text in file:
                if limit is not None and len(examples) >= limit:
                    break
                examples.append(_example(json.loads(text), examples[-1] if examples else None))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError("The dataset's file is missing or damaged. Upload it again.", kind="file.dataset") from error
    return examples


def _example(row: Mapping[str, Any], previous: Example | None) -> Example:
    example = example_of_data(row)
    return example if "row" in row else replace(example, row=_row_number(example, previous))


def _row_number(example: Example, previous: Example | None) -> int:
    """The row number of an example in a file of a version that did not number rows."""
    if previous is None:
        return 1
    conversation = (*previous.messages, Message("assistant", previous.answer))
    continues = example.line == previous.line and example.messages[: len(conversation)] == conversation
    return previous.row if continues else previous.row + 1
