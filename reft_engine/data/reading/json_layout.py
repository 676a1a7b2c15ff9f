"""Finds where the rows are in a JSON object: in a list, in several, one field each, or column by column."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from reft_engine.data.reading.json_text import DECODER

_BLANK = re.compile(r"[ \t\r\n\ufeff,]*")
_SPLIT = re.compile(
    r"(.*[_-])?(train|training|test|testing|val|valid|validation|dev|eval|evaluation|heldout|holdout)([_-].*|\d*)", re.IGNORECASE
)
_CHATS = {"messages", "conversations"}
_COLUMNS = {
    "prompt", "answer", "question", "text", "label", "instruction", "input", "output", "response", "completion", "sentence", "context",
    "chosen", "rejected", "target", "query", "messages", "conversations",
}  # fmt: skip
_DEPTH = 3


@dataclass(frozen=True, slots=True)
class Part:
    """What the value of a field is: a scalar, an object, or a list of objects, of lists or of scalars."""

    kind: Literal["scalar", "object", "objects", "lists", "scalars", "empty"]
    size: int | None = None
    """Of a list that was read whole."""
    keys: frozenset[str] = frozenset()
    """Fields of the first object of a list."""
    inner: Mapping[str, "Part"] | None = None
    """Fields of an object."""
    values: tuple[str, ...] = ()
    """Of a list of scalars that was read whole."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where rows are.

    Attributes:
        kind: "row" (the object is one), "lists", "index" (each field is a row) or "columns".
        path: fields that lead to the object with the lists.
        lists: names of the lists of rows.
        columns: names of the columns of rows that are lists.
        others: names of lists of objects that are not read.
    """

    kind: Literal["row", "lists", "index", "columns"]
    path: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


def is_split(name: str) -> bool:
    """Whether a list's name is that of a part of a dataset, such as train."""
    return _SPLIT.fullmatch(name) is not None


def layout_of(text: str, *, is_whole: bool = True) -> Layout:
    """The layout of the object that ``text`` begins with, which is cut off or broken somewhere unless it is whole."""
    parts = _parts(text, _skip(text, 0))
    if not is_whole and len(parts) > 1 and next(reversed(parts.values())).kind == "object":
        parts.popitem()  # not all of its fields are known
    return _layout(parts, 0)


def _skip(text: str, position: int) -> int:
    blank = _BLANK.match(text, position)
    return blank.end() if blank else position


def _parts(text: str, begin: int, depth: int = 0) -> dict[str, Part]:
    """The fields of the object at ``begin``, as far as they can be read; below `_DEPTH` nobody asks for them."""
    parts: dict[str, Part] = {}
    position = begin + 1
    while True:
        try:
            position = _skip(text, position)
            name, position = DECODER.raw_decode(text, position)
            position = _skip(text, position)
            if not isinstance(name, str) or text[position : position + 1] != ":":
                return parts
            position = _skip(text, position + 1)
        except (ValueError, RecursionError):
            return parts
        try:
            value, position = DECODER.raw_decode(text, position)
        except (ValueError, RecursionError):
            if (part := _cut_part(text, position, depth + 1)) is not None:
                parts[name] = part
            return parts
        parts[name] = _part(value, _DEPTH)


def _cut_part(text: str, begin: int, depth: int) -> Part | None:
    """What a value is whose end cannot be read."""
    first = text[begin : begin + 1]
    if first == "{":
        return Part("object", inner=_parts(text, begin, depth) if depth <= _DEPTH else {})
    if first != "[":
        return None
    position = _skip(text, begin + 1)
    second = text[position : position + 1]
    if second == "{":
        try:
            row, _ = DECODER.raw_decode(text, position)
            return Part("objects", keys=frozenset(row))
        except (ValueError, RecursionError):
            return Part("objects", keys=frozenset(_parts(text, position)))
    return Part("lists" if second == "[" else "scalars" if second else "empty")


def _part(value: Any, depth: int) -> Part:
    if isinstance(value, dict):
        inner = {name: _part(each, depth - 1) for name, each in value.items()} if depth else {}
        return Part("object", inner=inner)
    if not isinstance(value, list):
        return Part("scalar")
    if not value:
        return Part("empty", size=0)
    if isinstance(value[0], dict):
        return Part("objects", len(value), frozenset(value[0]))
    if isinstance(value[0], list):
        return Part("lists", len(value))
    return Part("scalars", len(value), values=tuple(map(str, value)) if len(value) <= 1000 else ())


def _layout(parts: Mapping[str, Part], depth: int) -> Layout:
    if _CHATS & parts.keys() and all(parts[name].kind != "object" for name in _CHATS & parts.keys()):
        return Layout("row")
    if {"columns", "data"} <= parts.keys() and parts["columns"].kind == "scalars" and parts["data"].kind in ("lists", "empty"):
        return Layout("lists", lists=("data",), columns=parts["columns"].values)  # pandas: orient="split"
    if lists := _lists(parts):
        others = tuple(name for name, part in parts.items() if part.kind == "objects" and name not in lists)
        return Layout("lists", lists=lists, others=others)
    if (nested := _nested(parts, depth)) is not None:
        return nested
    return _by_column_or_row(parts)


def _lists(parts: Mapping[str, Part]) -> tuple[str, ...]:
    """Names of the fields that are lists of rows."""
    splits = [name for name, part in parts.items() if is_split(name) and part.kind in ("objects", "lists", "scalars", "empty")]
    filled = [name for name in splits if parts[name].kind != "empty"]
    objects = [name for name, part in parts.items() if part.kind == "objects"]
    if filled and (len(splits) > 1 or parts[filled[0]].kind != "scalars" or len(parts) == 1):
        keys = frozenset[str]().union(*(parts[name].keys for name in filled))
        return tuple(name for name in parts if name in splits or (name in objects and parts[name].keys & keys))
    if len(objects) == 1 or (len(objects) > 1 and frozenset.intersection(*(parts[name].keys for name in objects))):
        return tuple(objects)
    if not objects and parts.get("data", Part("scalar")).kind == "lists":
        return ("data",)
    return ()


def _nested(parts: Mapping[str, Part], depth: int) -> Layout | None:
    """The layout of the only field with an object in it, if that holds lists of rows."""
    objects = [name for name, part in parts.items() if part.kind == "object"]
    if len(objects) != 1 or depth >= 2 or len(parts) - len(objects) != sum(part.kind == "scalar" for part in parts.values()):
        return None
    inner = _layout(parts[objects[0]].inner or {}, depth + 1)
    return replace(inner, path=(objects[0], *inner.path)) if inner.kind == "lists" else None


def _by_column_or_row(parts: Mapping[str, Part]) -> Layout:
    kinds = {part.kind for part in parts.values()}
    if kinds == {"scalars"} and (len(parts) > 1 or _COLUMNS & parts.keys()):
        sizes = {part.size for part in parts.values() if part.size is not None}
        return Layout("columns" if len(sizes) <= 1 else "row")
    if kinds != {"object"}:
        return Layout("row")
    names = [frozenset(part.inner or ()) for part in parts.values()]
    if not frozenset.intersection(*names):
        return Layout("row")
    numbered, inner_numbered = all(name.isdigit() for name in parts), all(name.isdigit() for name in names[0])
    if inner_numbered != numbered:
        return Layout("columns" if inner_numbered else "index")
    if len(parts) == 1:
        return Layout("row")
    return Layout("columns" if _COLUMNS & parts.keys() and not _COLUMNS & names[0] else "index")
