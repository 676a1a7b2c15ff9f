"""The store of conversations that people have saved in the Playground, each as one document of JSON."""

import secrets
from datetime import timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session, undefer

from storage.bounds import NO_BOUNDS, Bounds, require_bytes
from storage.database import Database
from storage.datasets import clean_name
from storage.errors import ConflictError, NotFoundError, StorageError, TooLargeError
from storage.files import Files
from storage.keys import made_for
from storage.records import ChatRecord
from storage.tables import Chat, now

LIMIT = 4_000_000
"""Bytes of a document, in UTF-8."""
MOST = 5_000
"""Conversations of one data folder, those in the bin among them."""
MOST_BYTES = 500_000_000
"""Bytes of all their documents."""


class ChatStore:
    """Saves, lists and renames conversations, and moves them to the bin and back. What a document says is not its concern."""

    def __init__(self, database: Database, files: Files, bounds: Bounds = NO_BOUNDS) -> None:
        self._database, self._files, self._bounds = database, files, bounds

    def create(self, name: str, document: str, start_key: str | None = None) -> ChatRecord:
        """Save a conversation under a name, as version 1 of its document.

        A ``start_key`` that was used before is the same conversation, of which the answer may have been lost on its way: another document
        is its version 2.

        Raises:
            TooLargeError: the document is longer than `LIMIT`.
            ConflictError: the conversation of this key has other versions meanwhile.
            BoundError: too much is stored.
            StorageError: there are `MOST` conversations already, or they have `MOST_BYTES`.
        """
        size = _size(document)
        with self._database.exclusive() as session:
            same = made_for(session, Chat, start_key)
            if same is not None:
                return _to_record(same) if same.document == document else self._saved(session, same, document, size, 1)
            if (session.scalar(select(func.count()).select_from(Chat)) or 0) >= MOST:
                raise StorageError("There are {most:,} conversations already; delete one for good first.", kind="chats.many", most=MOST)
            _require_room(session, size)
            require_bytes(session, self._files, self._bounds, size)
            saved_at = now()
            row = Chat(
                id=secrets.token_hex(6), name=clean_name(name), version=1, document=document, size_bytes=size, created_at=saved_at,
                updated_at=saved_at, start_key=start_key,
            )  # fmt: skip
            session.add(row)
            session.flush()
            return _to_record(row)

    def get(self, chat_id: str) -> ChatRecord:
        """One conversation, also one in the bin. Raises NotFoundError."""
        with self._database.reading() as session:
            return _to_record(_get_row(session, chat_id))

    def read(self, chat_id: str) -> tuple[ChatRecord, str]:
        """One conversation that is not in the bin, with its document. Raises NotFoundError."""
        with self._database.reading() as session:
            row = session.get(Chat, chat_id, options=[undefer(Chat.document)])
            if row is None or row.binned_at is not None:
                raise _not_found()
            return _to_record(row), row.document

    def page(self, limit: int, offset: int = 0, *, binned: bool = False) -> tuple[list[ChatRecord], int]:
        """Some conversations outside the bin or in it, the one that was saved last first, and how many there are."""
        wanted = Chat.binned_at.is_not(None) if binned else Chat.binned_at.is_(None)
        with self._database.reading() as session:
            rows = session.scalars(select(Chat).where(wanted).order_by(Chat.updated_at.desc(), Chat.id).limit(limit).offset(offset))
            return [_to_record(row) for row in rows], session.scalar(select(func.count()).select_from(Chat).where(wanted)) or 0

    def rename(self, chat_id: str, name: str) -> ChatRecord:
        """Rename a conversation; its document and version stay as they are. Raises NotFoundError."""
        with self._database.transaction() as session:
            row = _get_row(session, chat_id, lock=True)
            row.name = clean_name(name)
            return _to_record(row)

    def save(self, chat_id: str, document: str, version: int) -> ChatRecord:
        """Save the next version of a document. The same document saved twice is no conflict, since an answer may be lost on its way.

        Args:
            chat_id: which conversation.
            document: the whole document.
            version: the version that it was made from.

        Raises:
            NotFoundError: there is no such conversation.
            ConflictError: its document was saved by somebody else since that version, or it is in the bin.
            TooLargeError: the document is longer than `LIMIT`.
            StorageError: all conversations together have `MOST_BYTES`.
        """
        size = _size(document)
        with self._database.exclusive() as session:
            row = _get_row(session, chat_id, lock=True)
            if row.binned_at is not None:
                raise ConflictError(
                    "This conversation was deleted meanwhile. Put it back, or save this one as a new conversation.", kind="chats.binned"
                )
            if row.version == version + 1 and row.document == document:
                return _to_record(row)
            return self._saved(session, row, document, size, version)

    def _saved(self, session: Session, row: Chat, document: str, size: int, version: int) -> ChatRecord:
        """A conversation with the version after this one. Raises ConflictError, BoundError, StorageError."""
        if row.version != version:
            raise ConflictError(
                "This conversation was saved in another window since it was opened here. Open it again, or save this one as a new "
                "conversation.",
                kind="chats.conflict",
            )
        _require_room(session, size - row.size_bytes)
        require_bytes(session, self._files, self._bounds, size - row.size_bytes)
        row.document, row.size_bytes, row.version, row.updated_at = document, size, version + 1, now()
        return _to_record(row)

    def delete(self, chat_id: str) -> ChatRecord:
        """Move a conversation to the bin, where it stays as it is. Raises NotFoundError."""
        with self._database.transaction() as session:
            row = _get_row(session, chat_id, lock=True)
            row.binned_at = row.binned_at or now()
            return _to_record(row)

    def restore(self, chat_id: str) -> ChatRecord:
        """Take a conversation out of the bin. Raises NotFoundError."""
        with self._database.transaction() as session:
            row = _get_row(session, chat_id, lock=True)
            row.binned_at = None
            return _to_record(row)

    def remove(self, chat_id: str) -> None:
        """Remove a conversation for good. Raises NotFoundError, and StorageError if it is not in the bin."""
        with self._database.transaction() as session:
            row = _get_row(session, chat_id, lock=True)
            if row.binned_at is None:
                raise StorageError("Delete this conversation first; what is in the bin can be removed for good.", kind="chats.not_binned")
            session.delete(row)

    def empty_bin(self, older_than: timedelta = timedelta(0)) -> list[str]:
        """Remove conversations for good that have been in the bin for ``older_than``; returns their ids."""
        with self._database.transaction() as session:
            return list(session.scalars(delete(Chat).where(Chat.binned_at <= now() - older_than).returning(Chat.id)))


def _size(document: str) -> int:
    size = len(document.encode("utf-8", "replace"))
    if size > LIMIT:
        raise TooLargeError(
            "This conversation has {size:,.2f} MB and can have {most:,.0f}. Begin a new one.",
            kind="chats.too_large", size=size / 1e6, most=LIMIT / 1e6,
        )  # fmt: skip
    return size


def _require_room(session: Session, more: int) -> None:
    """Raises StorageError if there is no room for so many more bytes."""
    total = session.scalar(select(func.coalesce(func.sum(Chat.size_bytes), 0))) or 0
    if more > 0 and total + more > MOST_BYTES:
        raise StorageError(
            "All conversations together, deleted ones among them, can have {most:,.0f} MB; delete one for good first.",
            kind="chats.full", most=MOST_BYTES / 1e6,
        )  # fmt: skip


def _get_row(session: Session, chat_id: str, *, lock: bool = False) -> Chat:
    row = session.get(Chat, chat_id, with_for_update=lock)
    if row is None:
        raise _not_found()
    return row


def _not_found() -> NotFoundError:
    return NotFoundError("There is no such conversation any more.", kind="chats.not_found")


def _to_record(row: Chat) -> ChatRecord:
    return ChatRecord(row.id, row.name, row.version, row.size_bytes, row.created_at, row.updated_at, row.binned_at)
