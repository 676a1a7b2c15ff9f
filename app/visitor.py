"""Who is asking: the page session of an event, so that one visitor's work is told from another's."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from app.people.asking import NobodyError, asking

_visitor: ContextVar[str] = ContextVar("visitor", default="")


def visitor() -> str:
    """The session of the page that asks; empty for what no page asks."""
    return _visitor.get()


def asker() -> str:
    """The person who asks, however many pages they have open, where there are people; else the session of the page."""
    try:
        return asking().id or visitor()
    except NobodyError:
        return visitor()


@contextmanager
def visited_by(session: str) -> Iterator[None]:
    """Do everything meanwhile for this session."""
    token = _visitor.set(session)
    try:
        yield
    finally:
        _visitor.reset(token)
