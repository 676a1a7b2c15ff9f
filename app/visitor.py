"""Who is asking: the page session of an event, so that one visitor's work is told from another's."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_visitor: ContextVar[str] = ContextVar("visitor", default="")


def visitor() -> str:
    """The session of the page that asks; empty for what no page asks."""
    return _visitor.get()


@contextmanager
def visited_by(session: str) -> Iterator[None]:
    """Do everything meanwhile for this session."""
    token = _visitor.set(session)
    try:
        yield
    finally:
        _visitor.reset(token)
