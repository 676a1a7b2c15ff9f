"""JSON and queries that a page's script sends, or that were saved, read as values of a kind. Imports no torch and no web framework.

What is wrong with them is said in sentences of our own, since pydantic's are for programmers.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from app import limits
from app.errors import StudioError
from app.words import say

Value = TypeVar("Value", bound=BaseModel)
_OURS = {"vote", "tree", "column"}
"""Errors of our own models, whose words are sentences already."""
_LIMITS: Mapping[tuple[str, str], str] = {
    ("too_long", "messages"): "messages", ("too_long", "turns"): "turns", ("too_long", "stop"): "stops", ("too_long", "prompts"): "prompts",
    **{("too_long", field): "columns" for field in ("columns", "shown", "answers")}, ("too_long", "parts"): "parts",
    ("string_too_long", "stop"): "stop", ("string_too_short", "stop"): "empty_stop",
    **{("string_too_long", field): "text" for field in ("content", "prompt", "prompts", "system", "text", "expected")},
}  # fmt: skip
"""What people can do themselves, by the kind of the error and the field: the sentence says what to do instead."""
_BOUNDS: Mapping[str, tuple[str, str]] = {
    "too_long": ("too_long", "max_length"), "too_short": ("too_short", "min_length"), "string_too_long": ("text_too_long", "max_length"),
    "string_too_short": ("text_too_short", "min_length"), "less_than_equal": ("at_most", "le"), "less_than": ("less", "lt"),
    "greater_than_equal": ("at_least", "ge"), "greater_than": ("more", "gt"),
}  # fmt: skip
"""Errors with a bound: the sentence, and where pydantic has it."""


def read_as(kind: type[Value], text: str | bytes) -> Value:
    """Values of a kind, from JSON; half of a character (a lone surrogate) becomes a question mark, as in all of storage.

    Raises:
        StudioError: it is no JSON, or not of this kind; the sentence names the first field that is wrong.
    """
    try:
        # Python reads half of a character, pydantic alone does not.
        whole = json.dumps(json.loads(text), ensure_ascii=False).encode("utf-8", "replace")
        return kind.model_validate_json(whole)
    except ValidationError as error:
        raise StudioError(sentence_of(error.errors(include_url=False, include_input=False))) from error
    except (ValueError, RecursionError) as error:
        raise StudioError(say("given.odd", reason=say("given.no_json"))) from error


def sentence_of(errors: Sequence[Mapping[str, Any]]) -> str:
    """What is wrong with the first of pydantic's errors, and for a limit that people can reach, what to do."""
    first = errors[0]
    place = [each for each in first["loc"] if isinstance(each, str)]
    known = _LIMITS.get((first["type"], place[-1] if place else ""))
    bound = _BOUNDS.get(first["type"])
    most = first.get("ctx", {}).get(bound[1]) if bound else None
    if known == "columns" and most != limits.COLUMNS:
        known = "columns_ever"
    if known:
        return say("given.empty_stop") if known == "empty_stop" else say(f"given.limit.{known}", most=most)
    field = ".".join(map(str, first["loc"]))
    return say("given.odd", reason=": ".join(filter(None, [field, _reason(first, bound, most)])))


def _reason(error: Mapping[str, Any], bound: tuple[str, str] | None, most: Any) -> str:
    """What is wrong with a field, in words."""
    kind = error["type"]
    if kind in _OURS:
        return str(error["msg"])
    if bound and isinstance(most, int | float):
        return say(f"given.bound.{bound[0]}", bound=f"{most:,}")
    if kind in ("literal_error", "enum"):
        return say("given.none_of", expected=error["ctx"]["expected"])
    if kind in ("missing", "extra_forbidden", "string_pattern_mismatch", "finite_number"):
        return say(f"given.why.{kind}")
    return say("given.another_kind")
