"""The person on whose behalf something is done. Whoever has to know asks here, and nothing is done for nobody."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who uses the studio.

    Attributes:
        id: the owner of their rows; empty for the one person of a studio without people.
        name: how they are called.
        operator: whether they may see and stop what is everybody's.
    """

    id: str
    name: str
    operator: bool = False


LOCAL = Person("", "", operator=True)
"""The one person of a studio that only this machine reaches."""


class NobodyError(LookupError):
    """Something was asked for on behalf of nobody: a mistake of the program, never of a person."""


_asking: ContextVar[Person | None] = ContextVar("asking", default=None)


def asking() -> Person:
    """Who asks. Raises NobodyError where nobody does, so that what was forgotten shows nothing instead of everything."""
    person = _asking.get()
    if person is None:
        raise NobodyError("nobody asks")
    return person


def whoever_asks() -> Person | None:
    """As `asking`, and None where nobody does: for what nobody may see more by, such as shares of the engine."""
    return _asking.get()


def owner_asking() -> str | None:
    """Whose rows whoever asks may have; None where nobody does, as where the worker does its own work."""
    person = _asking.get()
    return None if person is None else person.id


@contextmanager
def asked_by(person: Person) -> Iterator[None]:
    """Do everything meanwhile for this person."""
    token = _asking.set(person)
    try:
        yield
    finally:
        _asking.reset(token)
