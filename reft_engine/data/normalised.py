"""Examples as plain data: as the studio stores them (JSON Lines, a row a line, each text once) and sends them.

A line has ``line``, ``row``, ``messages`` (pairs of role and content) and either ``answer``, or ``chosen`` and ``rejected``. A chat is one
line: ``messages`` are those before its last answer, and ``learned`` are the indices of the answers among them that are learned too.
Files of earlier versions, with a line for each answer, are read as well.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from reft_engine.collecting import no_collection
from reft_engine.data.records import AnyExample, Example, Message, Preference
from reft_engine.errors import DataError

_ENCODE = json.JSONEncoder(ensure_ascii=False).encode  # json.dumps would make an encoder for each row


def dump_examples(examples: Iterable[AnyExample]) -> bytes:
    """Write examples as JSON Lines."""
    return "".join(dump_lines(examples)).encode()


def dump_lines(examples: Iterable[AnyExample]) -> Iterator[str]:
    """The lines of `dump_examples`, one after another."""
    for row in _rows(examples):
        yield _ENCODE(row) + "\n"


def rows_as_data(examples: Iterable[AnyExample]) -> list[dict[str, Any]]:
    """Examples as rows of plain data, the answers of a chat together."""
    return list(_rows(examples))


def example_as_data(example: AnyExample) -> dict[str, Any]:
    """An example as plain data."""
    return _row_as_data([example])


def examples_of_data(row: Mapping[str, Any]) -> list[AnyExample]:
    """The examples of a row of plain data. Raises KeyError, TypeError or ValueError for anything else."""
    if any(isinstance(message, dict) for message in row["messages"]):  # which would unpack into its keys
        raise TypeError("a message is a pair of role and content")
    messages = tuple(Message(role, content) for role, content in row["messages"])
    place = {"row": row.get("row", 0), "split": row.get("split", ""), "group": row.get("group", "")}
    if "chosen" in row:
        return [Preference(row["line"], messages, row["chosen"], row["rejected"], **place)]
    before = [Example(row["line"], messages[:index], messages[index].content, **place) for index in row.get("learned", ())]
    return [*before, Example(row["line"], messages, row["answer"], **place)]


@no_collection()
def load_examples(path: Path, limit: int | None = None) -> list[AnyExample]:
    """Read all examples that `dump_examples` wrote, or the first ``limit``. Raises DataError if the file is missing or damaged."""
    examples: list[AnyExample] = []
    for _, found in rows_of(path):
        examples += found
        if limit is not None and len(examples) >= limit:
            break
    return examples[:limit]


def rows_of(path: Path) -> Iterator[tuple[int, list[AnyExample]]]:
    """Each row of a file one after another: the byte at which it begins, and its examples. Raises DataError as `load_examples` does."""
    begin, last = 0, None
    try:
        with path.open("rb") as file:
            for line in file:
                row = json.loads(line.decode())
                found = examples_of_data(row)
                found = found if "row" in row else [_numbered(found[0], last)]
                yield begin, found
                begin, last = begin + len(line), found[-1]
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise damaged() from error


def rows_in(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a file as plain data, one after another; see `numbered_row`. Raises DataError if it is missing or damaged."""
    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            for place, line in enumerate(file):
                yield numbered_row(json.loads(line), place)
    except (OSError, ValueError, TypeError) as error:
        raise damaged() from error


def numbered_row(row: dict[str, Any], place: int) -> dict[str, Any]:
    """A row of plain data with its number; in a file of an earlier version, whose rows have none, by its place in the file."""
    return row if "row" in row else {"line": row["line"], "row": place + 1, **row}


def damaged() -> DataError:
    """The error of a file of rows that is missing or damaged."""
    return DataError("The dataset's file is missing or damaged. Upload it again.", kind="file.dataset")


def _rows(examples: Iterable[AnyExample]) -> Iterator[dict[str, Any]]:
    """Examples as rows: the answers of a chat together, where each goes on from the one before."""
    for _, group in groupby(examples, lambda example: (example.row, example.line, type(example))):
        row: list[AnyExample] = []
        for example in group:
            if row and not _continues(row[-1], example):
                yield _row_as_data(row)
                row = []
            row.append(example)
        yield _row_as_data(row)


def _continues(earlier: AnyExample, later: AnyExample) -> bool:
    """Whether an example's messages begin with the earlier example and its answer."""
    if not isinstance(earlier, Example) or earlier.row == 0:
        return False
    index = len(earlier.messages)
    return later.messages[:index] == earlier.messages and later.messages[index : index + 1] == (Message("assistant", earlier.answer),)


def _row_as_data(examples: Sequence[AnyExample]) -> dict[str, Any]:
    last = examples[-1]
    row: dict[str, Any] = {"line": last.line, "row": last.row, "messages": [[message.role, message.content] for message in last.messages]}
    if isinstance(last, Preference):
        row |= {"chosen": last.chosen, "rejected": last.rejected}
    else:
        row["answer"] = last.answer
    if len(examples) > 1:
        row["learned"] = [len(example.messages) for example in examples[:-1]]
    return row | {name: value for name, value in (("split", last.split), ("group", last.group)) if value}


def _numbered(example: AnyExample, previous: AnyExample | None) -> AnyExample:
    """An example of a file of a version that did not number rows, with its row's number."""
    assert isinstance(example, Example)
    number = 1 if previous is None else previous.row
    if isinstance(previous, Example) and not (example.line == previous.line and _continues(previous, example)):
        number += 1
    return Example(example.line, example.messages, example.answer, number)
