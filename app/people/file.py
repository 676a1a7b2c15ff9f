"""The file of a team's people, in the data folder: names, hashes of pass phrases (argon2id), and who is an operator."""

import json
import os
import secrets
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.errors import StudioError
from app.lock import InUseError, locked_file
from app.people.asking import Person
from app.words import say

FILE = "people.json"
SHORTEST, LONGEST = 8, 200
"""Characters of a pass phrase."""
NAME_LENGTH = 64
_FORMAT = 1
_HASHER = PasswordHasher()
_NOBODYS = _HASHER.hash(secrets.token_hex(16))
"""Verified for names that there are not, so that the time of an answer does not tell who there is."""


@dataclass(frozen=True, slots=True)
class Member:
    """A person of the team."""

    id: str
    name: str
    pass_phrase: str
    """Its hash in PHC form, with parameters and salt."""
    operator: bool

    @property
    def person(self) -> Person:
        """Who they are."""
        return Person(self.id, self.name, self.operator)


class People:
    """Reads and changes the file. It is read anew when it has changed, so that a running studio follows the command line.

    Args:
        folder: the data folder.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._read: tuple[tuple[int, int, int] | None, dict[str, Member]] = (None, {})

    def all(self) -> list[Member]:
        """Everybody, by name. Raises StudioError if the file is damaged."""
        return sorted(self._members().values(), key=lambda member: member.name.casefold())

    def in_order(self) -> list[Member]:
        """Everybody, in the order in which they were added."""
        return list(self._members().values())

    def find(self, person_id: str) -> Member | None:
        """Whoever has this id."""
        return next((member for member in self._members().values() if member.id == person_id), None)

    def named(self, name: str) -> Member:
        """Whoever has this name. Raises StudioError if there is nobody."""
        member = self._members().get(compared(name))
        if member is None:
            raise StudioError(say("people.unknown", name=name))
        return member

    def verify(self, name: str, pass_phrase: str) -> Member | None:
        """Whoever this is, or None; takes as long for a name that there is not. A pass phrase that is too long is not looked at."""
        member = self._members().get(compared(name[:NAME_LENGTH]))
        if len(pass_phrase) > LONGEST:
            return None
        try:
            _HASHER.verify(member.pass_phrase if member else _NOBODYS, pass_phrase)
        except (VerificationError, InvalidHashError):
            return None
        return member

    def add(self, name: str, pass_phrase: str, *, operator: bool = False) -> Member:
        """Add a person. Raises StudioError for a name or pass phrase that cannot be used."""
        cleaned = _cleaned(name)
        with self._changing() as members:
            if compared(cleaned) in members:
                raise StudioError(say("people.taken", name=cleaned))
            member = Member(secrets.token_hex(8), cleaned, _hashed(pass_phrase), operator)
            members[compared(cleaned)] = member
        return member

    def remove(self, name: str) -> Member:
        """Remove a person; their rows stay, and are nobody's who can log in. Raises StudioError if there is none of this name."""
        with self._changing() as members:
            member = members.pop(compared(name), None)
            if member is None:
                raise StudioError(say("people.unknown", name=name))
        return member

    def give_pass_phrase(self, name: str, pass_phrase: str) -> Member:
        """Give a person another pass phrase. Raises StudioError."""
        with self._changing() as members:
            member = members.get(compared(name))
            if member is None:
                raise StudioError(say("people.unknown", name=name))
            members[compared(name)] = member = replace(member, pass_phrase=_hashed(pass_phrase))
        return member

    def _members(self) -> dict[str, Member]:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return {}
        mark = (found.st_ino, found.st_size, found.st_mtime_ns)
        if self._read[0] != mark:
            self._read = (mark, _members_of(self._path))
        return self._read[1]

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Member]]:
        """The people, to be changed; written as a whole, by one process at a time."""
        with _alone(self._path.with_suffix(".lock")):
            members = dict(self._members())
            yield members
            content = json.dumps({"format": _FORMAT, "people": [asdict(member) for member in members.values()]}, indent=1)
            written = self._path.with_suffix(f".{secrets.token_hex(4)}.tmp")
            try:
                written.touch(0o600, exist_ok=False)
                with written.open("w", encoding="utf-8") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                written.replace(self._path)
            finally:
                written.unlink(missing_ok=True)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Raises StudioError if another process changes the file."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        with locked_file(lock):
            yield
    except InUseError as error:
        raise StudioError(say("people.busy")) from error


def _members_of(path: Path) -> dict[str, Member]:
    """Raises StudioError."""
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
        members = [Member(**each) for each in read["people"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StudioError(say("people.damaged", file=path.name)) from error
    return {compared(member.name): member for member in members}


def compared(name: str) -> str:
    """What names are compared by: two that look the same are one."""
    return unicodedata.normalize("NFKC", name).strip().casefold()


def _cleaned(name: str) -> str:
    cleaned = unicodedata.normalize("NFC", name).strip()
    if not cleaned or len(cleaned) > NAME_LENGTH or not cleaned.isprintable():
        raise StudioError(say("people.no_name", most=NAME_LENGTH))
    return cleaned


def _hashed(pass_phrase: str) -> str:
    if not SHORTEST <= len(pass_phrase) <= LONGEST:
        raise StudioError(say("people.no_pass_phrase", least=SHORTEST, most=LONGEST))
    return _HASHER.hash(pass_phrase)
