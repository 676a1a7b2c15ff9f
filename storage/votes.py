"""The store of votes: which of several answers a person found better, without knowing whose they were."""

import json
import secrets
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CursorResult, delete, func, select, update
from sqlalchemy.orm import Session

from storage.bounds import NO_BOUNDS, Bounds, require_bytes
from storage.database import Database
from storage.errors import ConflictError, NotFoundError, StorageError, TooLargeError
from storage.files import Files
from storage.keys import made_for
from storage.records import VotedAnswer, VoteOutcome, VoteRecord, VoteSides
from storage.tables import Vote, now

MOST = 10_000
"""Votes of one data folder, so that a tally and an export stay small."""
MOST_BYTES = 100_000_000
"""Bytes of all votes, in UTF-8; those that are cleared make way for new ones, so that both limits hold with the bin included."""
LIMIT = 1_000_000
"""Bytes of one vote."""


class VoteStore:
    """Adds votes, counts them, and clears them with a way back."""

    def __init__(self, database: Database, files: Files, bounds: Bounds = NO_BOUNDS) -> None:
        self._database, self._files, self._bounds = database, files, bounds

    def add(
        self, messages: Sequence[tuple[str, str]], answers: Sequence[VotedAnswer], outcome: VoteOutcome, chosen: int | None = None,
        *, base: str = "", chat_id: str | None = None, start_key: str | None = None,
    ) -> VoteRecord:  # fmt: skip
        """Keep a vote; see `VoteRecord`. A ``start_key`` that was used before returns the vote that there is.

        Votes that were cleared are removed for good where there is no room for this one otherwise.

        Args:
            messages: the conversation.
            answers: the answers.
            outcome: what was said of them.
            chosen: the place of the better answer, and None for any other outcome.
            base: name of the base model.
            chat_id: of the saved chat.
            start_key: an opaque key of the request.

        Raises:
            TooLargeError: the vote is longer than `LIMIT`.
            ConflictError: with this key another outcome was voted for.
            StorageError: there are too many votes.
            BoundError: too much is stored.
        """
        row = Vote(
            id=secrets.token_hex(6), messages=[list(message) for message in messages],
            columns=[
                {"column": answer.column, "name": answer.name, "alike": number}
                for answer, number in zip(answers, _alike(answers), strict=True)
            ],
            texts=[{"text": answer.text, "messages": answer.messages} for answer in answers],
            outcome=outcome, chosen=chosen, base=base, chat_id=chat_id, created_at=now(), start_key=start_key,
        )  # fmt: skip
        row.size_bytes = _size(row)
        with self._database.exclusive() as session:
            if same := made_for(session, Vote, start_key):
                if (same.outcome, same.chosen) != (outcome, chosen):
                    raise ConflictError("These answers were voted on already; take that vote back first.", kind="votes.voted")
                return _to_record(same)
            _make_way(session, row.size_bytes)
            require_bytes(session, self._files, self._bounds, row.size_bytes)
            session.add(row)
        return _to_record(row)

    def all(self) -> list[VoteRecord]:
        """Every vote, in the order in which they were cast."""
        with self._database.reading() as session:
            return [_to_record(row) for row in session.scalars(_in_order(select(Vote)))]

    def sides(self) -> list[VoteSides]:
        """Every vote without conversation and texts, in the order in which they were cast: what a tally reads."""
        query = _in_order(select(Vote.columns, Vote.outcome, Vote.chosen, Vote.base))
        with self._database.reading() as session:
            return [VoteSides(*_sides(columns), outcome, chosen, base) for columns, outcome, chosen, base in session.execute(query)]

    def count(self) -> int:
        """Number of votes."""
        with self._database.reading() as session:
            return session.scalar(select(func.count()).select_from(Vote).where(Vote.binned_at.is_(None))) or 0

    def delete(self, vote_id: str) -> datetime:
        """Move one vote to the bin; `restore` takes what is returned. Raises NotFoundError."""
        moment = self._bin([vote_id])
        if moment is None:
            raise NotFoundError("There is no such vote.", kind="votes.not_found")
        return moment

    def last_binned(self) -> tuple[datetime, int] | None:
        """When votes were moved to the bin last, which `restore` takes, and how many of them; None if none is there."""
        query = select(Vote.binned_at, func.count()).where(Vote.binned_at.is_not(None)).group_by(Vote.binned_at)
        with self._database.reading() as session:
            found = session.execute(query.order_by(Vote.binned_at.desc()).limit(1)).first()
        return (found[0], found[1]) if found and found[0] else None

    def clear(self) -> datetime | None:
        """Move every vote to the bin; `restore` takes what is returned, which is None if there was none."""
        return self._bin(None)

    def _bin(self, ids: Collection[str] | None) -> datetime | None:
        moment = now()
        of_these = () if ids is None else (Vote.id.in_(ids),)
        with self._database.exclusive() as session:
            moved: CursorResult[Any] = session.execute(  # type: ignore[assignment]
                update(Vote).where(Vote.binned_at.is_(None), *of_these).values(binned_at=moment)
            )
            return moment if moved.rowcount else None

    def restore(self, moment: datetime) -> int:
        """Take out of the bin what was moved there at this moment; returns the number of votes."""
        with self._database.exclusive() as session:
            moved: CursorResult[Any] = session.execute(  # type: ignore[assignment]
                update(Vote).where(Vote.binned_at == moment).values(binned_at=None)
            )
            return moved.rowcount

    def empty_bin(self, older_than: timedelta = timedelta(0)) -> int:
        """Remove votes for good that have been in the bin for ``older_than``; returns their number."""
        with self._database.transaction() as session:
            removed: CursorResult[Any] = session.execute(  # type: ignore[assignment]
                delete(Vote).where(Vote.binned_at <= now() - older_than)
            )
            return removed.rowcount


def _size(row: Vote) -> int:
    """Bytes of a vote. Raises TooLargeError."""
    size = len(json.dumps([row.messages, row.columns, row.texts, row.base], ensure_ascii=False).encode("utf-8", "replace"))
    if size > LIMIT:
        raise TooLargeError(
            "This vote has {size:,.2f} MB with its conversations and can have {most:,.0f}; vote in a shorter conversation.",
            kind="votes.too_large", size=size / 1e6, most=LIMIT / 1e6,
        )  # fmt: skip
    return size


def _make_way(session: Session, size: int) -> None:
    """Make room for a vote of so many bytes. Raises StorageError."""
    if _has_room(session, size):
        return
    session.execute(delete(Vote).where(Vote.binned_at.is_not(None)))
    if not _has_room(session, size):
        raise StorageError(
            "There is room for {most:,} votes, and for {megabytes:,.0f} MB of them; download them, and clear them, first.",
            kind="votes.many", most=MOST, megabytes=MOST_BYTES / 1e6,
        )  # fmt: skip


def _has_room(session: Session, size: int) -> bool:
    count, total = session.execute(select(func.count(), func.coalesce(func.sum(Vote.size_bytes), 0)).select_from(Vote)).one()
    return bool(count < MOST and total + size <= MOST_BYTES)


def _sides(columns: Sequence[dict[str, Any]]) -> tuple[tuple[dict[str, Any], ...], tuple[str, ...], tuple[int, ...]]:
    """Descriptions, names and numbers of columns."""
    return tuple(each["column"] for each in columns), tuple(each["name"] for each in columns), tuple(each["alike"] for each in columns)


def _alike(answers: Sequence[VotedAnswer]) -> list[int]:
    """For each answer the place of the first one with the same text, but for blanks around it."""
    texts = [answer.text.strip() for answer in answers]
    return [texts.index(text) for text in texts]


def _in_order(query: Any) -> Any:
    return query.where(Vote.binned_at.is_(None)).order_by(Vote.created_at, Vote.id)


def _to_record(row: Vote) -> VoteRecord:
    answers = tuple(
        VotedAnswer(each["column"], each["name"], said["text"], _messages(said["messages"]))
        for each, said in zip(row.columns, row.texts, strict=True)
    )
    return VoteRecord(row.id, row.created_at, _messages(row.messages) or (), answers, row.outcome, row.chosen, row.base, row.chat_id)  # type: ignore[arg-type]


def _messages(listed: Sequence[Sequence[str]] | None) -> tuple[tuple[str, str], ...] | None:
    return None if listed is None else tuple((role, content) for role, content in listed)
