"""Who is asking: the page session of an event, so that one visitor's work is told from another's."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from app.people.asking import whoever_asks

_visitor: ContextVar[str] = ContextVar("visitor", default="")


def visitor() -> str:
    """The session of the page that asks; empty for what no page asks."""
    return _visitor.get()


def share(page: str) -> str:
    """Under which key somebody gets their share of the engine: a person with all their pages, and each page where there is one person.

    Args:
        page: what a page says of itself, which counts for nothing where there are people.
    """
    person = whoever_asks()
    return person.id if person is not None and person.id else page


def asker() -> str:
    """As `share`, of the page that asks."""
    return share(visitor())


@contextmanager
def visited_by(session: str) -> Iterator[None]:
    """Do everything meanwhile for this session."""
    token = _visitor.set(session)
    try:
        yield
    finally:
        _visitor.reset(token)
