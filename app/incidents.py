"""The number of each request, by which what a person is told is found again in the logs of both processes."""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from app.words import say

HEADER = "X-Request-Id"
"""Of answers, and of what the web process asks the worker."""
SCOPE = "reft_studio.request"
"""Of a scope: the number of its request."""
_NUMBER = re.compile(r"[0-9a-f]{8,32}")
_request: ContextVar[str] = ContextVar("request", default="")


def new_number() -> str:
    """A number that no other request has."""
    return secrets.token_hex(6)


def number() -> str:
    """The number of the request that is answered; empty for what nobody has asked for."""
    return _request.get()


@contextmanager
def numbered(found: str) -> Iterator[None]:
    """Do everything meanwhile for the request of this number; what is none gets another one, since it is written into logs."""
    token = _request.set(found if _NUMBER.fullmatch(found) else new_number())
    try:
        yield
    finally:
        _request.reset(token)


def failed() -> str:
    """What a person is told of a mistake of the program, which the log has under the same number. Call it where that is written."""
    sentence = say("errors.neutral")
    return f"{sentence} {say('failures.tell', number=number())}" if number() else sentence
