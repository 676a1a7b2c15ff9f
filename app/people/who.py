"""Decides who asks: the person of a request, by how the studio tells people apart. The one place that does."""

from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Protocol

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import Scope

from app.networks import networks_of
from app.people.asking import LOCAL, Person
from app.people.file import NAME_LENGTH, People
from app.people.peers import from_one_of
from storage.sessions import SessionStore

COOKIE = "reft_studio_session"
LASTS = timedelta(days=14)
"""How long a session lasts, however often it is used."""


class Who(Protocol):
    """Tells who asks."""

    def of(self, scope: Scope) -> Person | None:
        """The person of a request; None for a stranger."""
        ...


class OnePerson:
    """A studio without people: whoever reaches it is its one person."""

    def of(self, scope: Scope) -> Person | None:
        """See `Who`."""
        return LOCAL


class Team:
    """People with pass phrases: whoever holds a session, as long as they are in the file."""

    def __init__(self, people: People, sessions: SessionStore) -> None:
        self._people, self._sessions = people, sessions

    def of(self, scope: Scope) -> Person | None:
        """See `Who`."""
        token = token_of(scope)
        person_id = self._sessions.find(token) if token else None
        member = self._people.find(person_id) if person_id else None
        return member.person if member else None


class BehindProxy:
    """A proxy has logged people in and names them in a header, which is believed from its own address alone.

    Args:
        header: its name.
        proxies: addresses or networks of proxies.
        operators: names of operators.
    """

    def __init__(self, header: str, proxies: Sequence[str], operators: Sequence[str]) -> None:
        self._header, self._operators = header, frozenset(operators)
        self._proxies = networks_of(proxies)

    def of(self, scope: Scope) -> Person | None:
        """See `Who`."""
        named = Headers(scope=scope).getlist(self._header)
        # Of two one may be a stranger's, to which the proxy has only added its own.
        name = named[0].strip() if len(named) == 1 else ""
        if not name or len(name) > 4 * NAME_LENGTH or not self.believes(scope):
            return None
        return Person(sha256(name.encode()).hexdigest()[:32], name[:NAME_LENGTH], name in self._operators)

    def believes(self, scope: Scope) -> bool:
        """Whether a request comes from one of the proxies."""
        return from_one_of(scope, self._proxies)


def token_of(scope: Scope) -> str | None:
    """What the browser of a request holds of a session."""
    return cookie_parser(Headers(scope=scope).get("cookie", "")).get(COOKIE)
