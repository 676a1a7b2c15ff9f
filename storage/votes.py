"""The store of votes: which of several answers a person found better, without knowing whose they were."""

import secrets
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CursorResult, delete, func, select, update

from storage.database import Database
from storage.errors import NotFoundError, StorageError
from storage.records import VotedAnswer, VoteOutcome, VoteRecord, VoteSides
from storage.tables import Vote, now

MOST = 10_000
"""Votes of one data folder, so that a tally and an export stay small."""


class VoteStore:
    """Adds votes, counts them, and clears them with a way back."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, messages: Sequence[tuple[str, str]], answers: Sequence[VotedAnswer], outcome: VoteOutcome, chosen: int | None = None,
        *, base: str = "", chat_id: str | None = None,
    ) -> VoteRecord:  # fmt: skip
        """Keep a vote; see `VoteRecord`. Raises StorageError if there are too many.

        ``chosen`` is the place of the better answer, and None for any other outcome.
        """
        row = Vote(
            id=secrets.token_hex(6), messages=[list(message) for message in messages],
            columns=[
                {"column": answer.column, "name": answer.name, "alike": number}
                for answer, number in zip(answers, _alike(answers), strict=True)
            ],
            texts=[{"text": answer.text, "messages": answer.messages} for answer in answers],
            outcome=outcome, chosen=chosen, base=base, chat_id=chat_id, created_at=now(),
        )  # fmt: skip
        with self._database.exclusive() as session:
            if (session.scalar(select(func.count()).select_from(Vote).where(Vote.binned_at.is_(None))) or 0) >= MOST:
                raise StorageError(
                    "There are {most:,} votes already; download them, and clear them, first.", kind="votes.many", most=MOST
                )  # fmt: skip
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
