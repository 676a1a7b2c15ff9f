"""The text of a cell: what is text, what is missing, what can be neither shown nor trained on."""

import ast
import json
import math
import re
from collections.abc import Mapping
from typing import Any

from reft_engine.data.records import Limits

_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_NO_TEXT = {"", "nan", "n/a", "na", "none", "null", "nil", "<noinput>", "no input", "#n/a", "nat", "-"}
"""How programs write that a cell is empty."""
END_MARK = "<|endoftext|>"
"""OpenAI's old prompt and completion files end each completion with it; it does not belong to the answer."""
_SHOWN = 5_000
"""Characters of a cell in a table."""
_NESTED = 1_000_000
"""Maximum characters of a cell that is read as JSON."""


class RowError(Exception):
    """Why a row cannot be used."""


class EmptyError(RowError):
    """A row without a text where one must stand."""


class BadAnswerError(RowError):
    """A row that is marked as a bad answer; it is left out, because it would be trained as a good one."""


def shown(text: str, limit: int = 60) -> str:
    """Text of a file made safe for a sentence: printable, on one line, at most ``limit`` characters."""
    clean = "".join(character if character.isprintable() else " " for character in text[: limit * 4])
    clean = " ".join(clean.split())
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def in_table(value: Any) -> str:
    """A cell as it is shown in a table: its text, JSON for what is nested, nothing for what is missing."""
    if is_missing(value):
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def extent(value: Any) -> int:
    """About how many characters a value takes in memory, with all that is nested in it."""
    total, waiting = 0, [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str | bytes):
            total += len(each)
        elif isinstance(each, Mapping):
            waiting += (*each, *each.values())
        elif isinstance(each, list | tuple):
            waiting += each
        total += 8
    return total


def is_missing(value: Any) -> bool:
    """Whether a cell is empty: None, or NaN in a column of numbers."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def says_nothing(text: str) -> bool:
    """Whether a text only says that there is none, such as N/A."""
    return text.strip().lower() in _NO_TEXT


def holds_text(value: Any) -> bool:
    """Whether a cell holds anything that can be read."""
    return bool(value.strip()) if isinstance(value, str) else not is_missing(value) and value not in ({}, [])


def unreadable(text: str) -> str | None:
    """Why a text can be neither shown nor trained on; None if it can."""
    if _SURROGATE.search(text):
        return "holds half of a character (a lone surrogate)"
    if control := _CONTROL.search(text):
        return f"holds a control character (U+{ord(control[0]):04X})"
    return None


def text_of(value: Any, what: str, limits: Limits) -> str:
    """The text of a cell, "" for one of white space only.

    Blanks around a text of one line are padding and are removed. In a text of several lines, or one that is indented, white space
    has a meaning (program code), so that it stays as it is.

    Raises:
        RowError: the cell is not text, too long, or holds what cannot be shown.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if is_missing(value):
        return ""
    if isinstance(value, (int, float)):
        return str(value)
    if not isinstance(value, str):
        raise RowError(f"{what} is not text")
    if len(value) > limits.cell:
        raise RowError(f"{what} has {len(value):,} characters; at most {limits.cell:,} can be read")
    if problem := unreadable(value):
        raise RowError(f"{what} {problem}")
    if value.endswith(END_MARK):
        return value.removesuffix(END_MARK).strip()
    bare = value.strip()
    if not bare or "\n" in value or value.startswith(("  ", "\t")):
        return value if bare else ""
    return bare


def required_text(value: Any, what: str, limits: Limits) -> str:
    """The text of a cell that must not be empty. Raises RowError."""
    text = text_of(value, what, limits)
    if not text:
        raise EmptyError(f"{what} is empty")
    return text


def unpacked(value: Any) -> Any:
    """The lists and objects that a cell holds as JSON text, or as Python writes them; any other value as it is."""
    if not isinstance(value, str) or len(value) > _NESTED:
        return value
    text = value.strip()
    if text[:1] + text[-1:] not in ("[]", "{}"):
        return value
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        return found if isinstance(found, (list, dict)) else value
    return value


def is_false(value: Any) -> bool:
    """Whether a cell says no: false, 0, a negative number, or a word for it."""
    if isinstance(value, str):
        word = value.strip().lower()
        try:
            return float(word) <= 0
        except ValueError:
            return word in ("false", "no", "f", "n", "bad", "rejected", "undesirable", "thumbs down")
    return not is_missing(value) and not isinstance(value, (list, dict)) and value <= 0
