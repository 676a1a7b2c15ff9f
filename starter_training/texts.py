r"""Reads the word tables and sentence templates that stand beside the code, as UTF-8 text.

A table (``tables/*.tsv``) has a header line, and tabs between the fields of a row. A file of lists (``.txt``) has a line ``== NAME`` before
each list and a phrase per line; ``\n`` in a phrase is a new line, and ``(nothing)`` is the empty phrase. A file of records (``.txt``) has
lines ``key: value``, and an empty line between two records. A phrase that stands there twice is drawn twice as often.
"""

from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent
_EMPTY = "(nothing)"


def text(name: str) -> str:
    """A file as it is."""
    return (FOLDER / name).read_text(encoding="utf-8")


@cache
def _lines(name: str) -> tuple[tuple[str, ...], ...]:
    lines = tuple(tuple(line.split("\t")) for line in text(f"tables/{name}.tsv").removesuffix("\n").split("\n"))
    if wrong := [line for line in lines if len(line) != len(lines[0])]:
        raise ValueError(f"tables/{name}.tsv has {len(lines[0])} columns, but not in {wrong[0]}")
    return lines


def columns(name: str) -> tuple[str, ...]:
    """The names of a table's columns."""
    return _lines(name)[0]


@cache
def table(name: str) -> tuple[tuple[str, ...], ...]:
    """The rows of a table, without its header line."""
    return _lines(name)[1:]


@cache
def lists(name: str) -> dict[str, tuple[str, ...]]:
    """The lists of a file by their names, in order."""
    found: dict[str, tuple[str, ...]] = {}
    for block in text(f"{name}.txt").removesuffix("\n").split("\n\n"):
        heading, *phrases = block.split("\n")
        title = heading.removeprefix("== ")
        if title == heading or title in found:
            raise ValueError(f"{name}.txt: {heading} is no heading of its own")
        found[title] = tuple("" if phrase == _EMPTY else phrase.replace("\\n", "\n") for phrase in phrases)
    return found


@cache
def records(name: str) -> tuple[dict[str, tuple[str, ...]], ...]:
    """The records of a file; each key has its values in order."""
    found = []
    for block in text(f"{name}.txt").removesuffix("\n").split("\n\n"):
        record: dict[str, tuple[str, ...]] = {}
        for line in block.split("\n"):
            key, _, value = line.partition(": ")
            record[key] = (*record.get(key, ()), value)
        found.append(record)
    return tuple(found)
