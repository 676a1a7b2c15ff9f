"""What a program can work with of the JSON that events bring, and which files they name. Gradio's own reading has no limits."""

import json
import math
import re
from hashlib import sha256
from typing import Any

from starlette.responses import JSONResponse

from app.routes.answers import refusal
from app.words import say

MOST = 8_000_000
"""Bytes of the body of an event, which holds pasted text at most; larger data come as files."""
_DEPTH, _VALUES = 64, 200_000
"""Lists within lists, and values altogether: what a program can walk through without noticing."""
_LARGEST = 2**63 - 1
"""Whole numbers beyond it fit into no column of a database."""
_STRINGS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


class BodyError(Exception):
    """A body that is refused: the status and the sentence of the answer."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence

    def answer(self) -> JSONResponse:
        """What is sent in place of what was asked for."""
        return refusal(self.sentence, self.status)


def read_event(body: bytes) -> dict[str, Any]:
    """What an event says: an object of JSON that a program can work with. Raises BodyError, with a sentence."""
    if _marks(body) > _VALUES and _marks(_STRINGS.sub(b"", body)) > _VALUES:
        raise BodyError(413, say("door.values", most=_VALUES))
    try:
        value = json.loads(body, parse_constant=_not_finite, parse_float=_float, parse_int=_int)
    except RecursionError:
        raise BodyError(422, say("door.deep", most=_DEPTH)) from None
    except ValueError:  # also of bytes that are no text
        raise BodyError(422, say("door.no_json")) from None
    if not isinstance(value, dict):
        raise BodyError(422, say("door.no_json"))
    level: list[Any] = [value]
    depth = 0
    while level:
        depth += 1
        if depth > _DEPTH:
            raise BodyError(422, say("door.deep", most=_DEPTH))
        level = [inner for each in level if isinstance(each, (dict, list)) for inner in (each.values() if isinstance(each, dict) else each)]
    return value


def named_files(value: Any) -> list[str]:
    """The paths of all files that the data of an event name, however deep: Gradio takes any object with a path for one."""
    found, left = [], [value]
    while left:
        each = left.pop()
        if isinstance(each, dict):
            if isinstance(each.get("path"), str):
                found.append(each["path"])
            left += each.values()
        elif isinstance(each, list):
            left += each
    return found


def progress_key(owner: str, upload_id: str) -> str:
    """Under which name Gradio counts an upload of a person, so that nobody follows that of another."""
    return sha256(f"{owner}\0{upload_id}".encode("utf-8", "replace")).hexdigest()


def _marks(body: bytes) -> int:
    return sum(body.count(mark) for mark in (b",", b"[", b"{", b":"))


def _not_finite(_: str) -> float:
    raise BodyError(422, say("door.number"))


def _float(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _not_finite(text)


def _int(text: str) -> int:
    if len(text) > 20 or abs(number := int(text)) > _LARGEST:
        raise BodyError(422, say("door.number"))
    return number
