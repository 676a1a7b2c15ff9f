"""The store of sessions: who is logged in, until when. What a browser holds is not stored, only its hash."""

import secrets
from datetime import timedelta
from hashlib import sha256

from sqlalchemy import delete, func, select

from storage.database import Database
from storage.tables import PersonSession, now

MOST_OF_ONE = 50
"""Sessions of one person; the oldest ends when another begins."""


class SessionStore:
    """Begins, finds and ends sessions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, person: str, lasts: timedelta) -> str:
        """Begin a session of a person; returns what their browser is to hold, 256 random bits that nobody can read again."""
        token = secrets.token_urlsafe(32)
        with self._database.exclusive() as session:
            session.execute(delete(PersonSession).where(PersonSession.expires_at <= now()))
            newest = (
                select(PersonSession.id).where(PersonSession.person == person).order_by(PersonSession.created_at.desc(), PersonSession.id)
            )
            for old in list(session.scalars(newest.offset(MOST_OF_ONE - 1))):
                session.execute(delete(PersonSession).where(PersonSession.id == old))
            session.add(PersonSession(id=_hash(token), person=person, created_at=now(), expires_at=now() + lasts))
        return token

    def find(self, token: str) -> str | None:
        """Whose session this is; None if it has ended or never was."""
        query = select(PersonSession.person).where(PersonSession.id == _hash(token), PersonSession.expires_at > now())
        with self._database.reading() as session:
            return session.scalar(query)

    def end(self, token: str) -> None:
        """End a session."""
        with self._database.transaction() as session:
            session.execute(delete(PersonSession).where(PersonSession.id == _hash(token)))

    def end_all(self, person: str) -> int:
        """End all sessions of a person; returns how many there were."""
        with self._database.transaction() as session:
            of_person = PersonSession.person == person
            count = session.scalar(select(func.count()).select_from(PersonSession).where(of_person)) or 0
            session.execute(delete(PersonSession).where(of_person))
            return count


def _hash(token: str) -> str:
    """Without a salt, since a token is random already."""
    return sha256(token.encode("utf-8", "replace")).hexdigest()
