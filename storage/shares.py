"""The store of links with which a person shows one thing of theirs to others: signed, for a time, until they are revoked."""

import hmac
import json
import os
import re
import secrets
from base64 import urlsafe_b64encode
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import delete, func, select

from storage.database import Database
from storage.errors import NotFoundError, StorageError
from storage.files import Files
from storage.tables import Share, now

Kind = Literal["run", "dataset", "chat"]
KEY_FILE = "shares.key"
"""The secret that links are signed with, in the data folder; it is in no backup, so that a copy of the rows opens nothing."""
MOST_OF_ONE = 200
"""Links of one person that are in force."""
_KEY_BYTES = 32
_TOKEN = re.compile(r"([0-9a-f]{32})\.([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class ShareRecord:
    """A link to one thing.

    Attributes:
        id: 128 random bits; it opens nothing without its signature.
        owner: whose it is; the owner of what is shown.
        kind: of what is shown, and its id as ``target``.
        version: the number of the version of a dataset that is shown.
        with_adapter: whether the adapter of a run may be downloaded.
        anyone: whether nobody has to be logged in to open it.
        created_at: when it was made; ``expires_at``: until when it opens.
    """

    id: str
    owner: str
    kind: Kind
    target: str
    version: int | None
    with_adapter: bool
    anyone: bool
    created_at: datetime
    expires_at: datetime


class ShareStore:
    """Makes, opens and revokes links. Whether there is what they show, and whose it is, is for whoever uses them.

    Args:
        database: of one owner, or everybody's.
        files: where the secret is kept.
    """

    def __init__(self, database: Database, files: Files) -> None:
        self._database, self._key_path = database, files.root / KEY_FILE

    def create(
        self, kind: Kind, target: str, lasts: timedelta, *, version: int | None = None, with_adapter: bool = False, anyone: bool = False
    ) -> ShareRecord:
        """Make a link. Raises StorageError if its owner has `MOST_OF_ONE` in force."""
        moment = now().replace(microsecond=0)
        with self._database.exclusive() as session:
            session.execute(delete(Share).where(Share.expires_at <= moment))
            if (session.scalar(select(func.count()).select_from(Share).where(Share.revoked_at.is_(None))) or 0) >= MOST_OF_ONE:
                raise StorageError("There are {most} links in force already. Revoke one first.", kind="shares.many", most=MOST_OF_ONE)
            row = Share(
                id=secrets.token_hex(16), kind=kind, target_id=target, version=version, with_adapter=with_adapter, anyone=anyone,
                created_at=moment, expires_at=moment + lasts,
            )  # fmt: skip
            session.add(row)
            session.flush()
            return _to_record(row)

    def token(self, share: ShareRecord) -> str:
        """What the link holds: which row it is, and a signature of all that the row allows."""
        return f"{share.id}.{self._signature(share)}"

    def open(self, token: str) -> ShareRecord | None:
        """The link of a token; None if it is wrong, has expired, was revoked, or its row says something else than what was signed."""
        found = _TOKEN.fullmatch(token)
        if found is None:
            return None
        query = select(Share).where(Share.id == found[1], Share.revoked_at.is_(None), Share.expires_at > now())
        with self._database.reading() as session:
            row = session.scalars(query).one_or_none()
            share = _to_record(row) if row else None
        return share if share and hmac.compare_digest(self._signature(share), found[2]) else None

    def of(self, kind: Kind, target: str) -> list[ShareRecord]:
        """The links to one thing that are in force, newest first."""
        in_force = (Share.revoked_at.is_(None), Share.expires_at > now())
        query = select(Share).where(Share.kind == kind, Share.target_id == target, *in_force).order_by(Share.created_at.desc(), Share.id)
        with self._database.reading() as session:
            return [_to_record(row) for row in session.scalars(query)]

    def revoke(self, share_id: str, kind: Kind, target: str) -> None:
        """Let a link to this thing open nothing any more, at once. Raises NotFoundError."""
        query = select(Share).where(Share.id == share_id, Share.kind == kind, Share.target_id == target)
        with self._database.transaction() as session:
            row = session.scalars(query).one_or_none()
            if row is None:
                raise NotFoundError("There is no such link any more.", kind="shares.not_found")
            row.revoked_at = row.revoked_at or now()

    def _signature(self, share: ShareRecord) -> str:
        said: list[Any] = [
            share.id, share.kind, share.target, share.version, share.with_adapter, share.anyone, int(share.expires_at.timestamp()),
        ]  # fmt: skip
        signed = hmac.digest(_key_of(self._key_path), json.dumps(said).encode(), "sha256")
        return urlsafe_b64encode(signed).decode().rstrip("=")


def _key_of(path: Path) -> bytes:
    """The secret, made once; of processes that make one at the same time, the first wins. Raises StorageError if it is damaged."""
    with suppress(FileNotFoundError):
        return _whole(path, path.read_bytes())
    made = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(made, path)
        except FileExistsError:
            pass
        except OSError:  # a file system without links, where nobody is known to have been first
            if not path.exists():
                made.rename(path)
    finally:
        made.unlink(missing_ok=True)
    return _whole(path, path.read_bytes())


def _whole(path: Path, key: bytes) -> bytes:
    if len(key) != _KEY_BYTES:
        raise StorageError(
            "The file {file} of the data folder is damaged. Remove it; links that were shared before then open nothing.",
            kind="shares.damaged_key", file=path.name,
        )  # fmt: skip
    return key


def _to_record(row: Share) -> ShareRecord:
    kind: Any = row.kind
    return ShareRecord(
        row.id, row.owner, kind, row.target_id, row.version, row.with_adapter, row.anyone, row.created_at, row.expires_at
    )  # fmt: skip
