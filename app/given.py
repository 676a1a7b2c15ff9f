"""JSON that a page's script sends, or that was saved, read as values of a kind. Imports no torch and no web framework."""

import json
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from app.errors import StudioError
from app.words import say

Value = TypeVar("Value", bound=BaseModel)


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
        first = error.errors(include_url=False, include_input=False)[0]
        reason = ": ".join(filter(None, [".".join(map(str, first["loc"])), first["msg"].rstrip(".")]))
        raise StudioError(say("given.odd", reason=reason)) from error
    except (ValueError, RecursionError) as error:
        raise StudioError(say("given.odd", reason=say("given.no_json"))) from error
