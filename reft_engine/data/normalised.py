"""Examples as the studio keeps them: JSON Lines of ``line``, ``messages`` and ``answer``."""

import json
from collections.abc import Iterable
from pathlib import Path

from reft_engine.data.records import Example, Message
from reft_engine.errors import DataError


def dump_examples(examples: Iterable[Example]) -> bytes:
    """Write examples as JSON Lines."""
    rows = (
        {"line": example.line, "messages": [[message.role, message.content] for message in example.messages], "answer": example.answer}
        for example in examples
    )
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def load_examples(path: Path, limit: int | None = None) -> list[Example]:
    """Read what `dump_examples` wrote, all of it or the first ``limit``. Raises DataError when the file is missing or damaged."""
    found: list[Example] = []
    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            for text in file:
                if limit is not None and len(found) >= limit:
                    break
                row = json.loads(text)
                found.append(Example(row["line"], tuple(Message(role, content) for role, content in row["messages"]), row["answer"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError("The dataset's file is missing or damaged. Upload it again.") from error
    return found
