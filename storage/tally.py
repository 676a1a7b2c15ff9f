"""How much each owner has, and what is in the queue: counts and bytes for whoever looks after a studio, never what rows say."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from storage.bounds import held_bytes
from storage.database import Database
from storage.files import Files
from storage.owners import seen_as
from storage.records import ACTIVE, WAITING, RunStatus
from storage.runs.turns import turns_of_waiting
from storage.tables import Chat, Dataset, PersonSession, Run, Vote, now


@dataclass(slots=True)
class Holding:
    """What an owner has.

    Attributes:
        datasets: those in the bin too, as with the ``runs`` and their conversations, ``chats``.
        queued: runs that wait; ``running``: runs that a worker holds.
        stored: bytes that count for the owner's bound; see `held_bytes`.
        sessions: in force; ``last_login`` is when the newest of them began.
    """

    datasets: int = 0
    runs: int = 0
    chats: int = 0
    queued: int = 0
    running: int = 0
    stored: int = 0
    sessions: int = 0
    last_login: datetime | None = None


@dataclass(frozen=True, slots=True)
class GoingRun:
    """A run that waits or that a worker holds, without what it is called or learns."""

    id: str
    owner: str
    status: RunStatus
    step: int
    total_steps: int
    created_at: datetime


class TallyStore:
    """Counts.

    Args:
        database: with everybody's rows.
        files: of the same data folder.
        together: runs of one group that a worker trains at the same time; 0 for all.
    """

    def __init__(self, database: Database, files: Files, together: int = 0) -> None:
        self._database, self._files, self._together = database, files, together

    def by_owner(self) -> dict[str, Holding]:
        """What each owner has who has anything, by the owner."""
        found: dict[str, Holding] = defaultdict(Holding)
        with self._database.reading() as session:
            for owner, count in session.execute(select(Dataset.owner, func.count()).group_by(Dataset.owner)):
                found[owner].datasets = count
            for owner, count in session.execute(select(Chat.owner, func.count()).group_by(Chat.owner)):
                found[owner].chats = count
            _count_runs(session, found)
            _count_sessions(session, found)
            for owner in {*found, *session.scalars(select(Vote.owner).distinct())}:
                with seen_as(session, owner):
                    found[owner].stored = held_bytes(session, self._files)
        return dict(found)

    def going(self, limit: int) -> list[GoingRun]:
        """The runs that workers hold, then those that wait, in the order in which they are trained."""
        query = select(Run.id, Run.owner, Run.status, Run.step, Run.total_steps, Run.created_at).where(Run.binned_at.is_(None))
        with self._database.reading() as session:
            held = session.execute(query.where(Run.status.in_(ACTIVE)).order_by(Run.started_at, Run.id).limit(limit)).all()
            turns = (each.id for claimed in turns_of_waiting(session, self._together) for each in claimed)
            places = {run_id: place for place, run_id in enumerate(islice(turns, limit - len(held)))}
            waiting = session.execute(query.where(Run.id.in_(places))).all()
        rows = [*held, *sorted(waiting, key=lambda row: places[row.id])]
        return [GoingRun(row.id, row.owner, RunStatus(row.status), row.step, row.total_steps, row.created_at) for row in rows]

    def sessions(self) -> int:
        """Sessions in force."""
        with self._database.reading() as session:
            return session.scalar(select(func.count()).select_from(PersonSession).where(PersonSession.expires_at > now())) or 0


def _count_runs(session: Session, found: dict[str, Holding]) -> None:
    query = select(Run.owner, Run.status, Run.binned_at.is_(None), func.count()).group_by(Run.owner, Run.status, Run.binned_at.is_(None))
    for owner, status, is_there, count in session.execute(query):
        holding = found[owner]
        holding.runs += count
        holding.queued += count if is_there and status in WAITING else 0
        holding.running += count if is_there and status in ACTIVE else 0


def _count_sessions(session: Session, found: dict[str, Holding]) -> None:
    query = select(PersonSession.person, func.count(), func.max(PersonSession.created_at)).where(PersonSession.expires_at > now())
    for person, count, newest in session.execute(query.group_by(PersonSession.person)):
        found[person].sessions, found[person].last_login = count, newest
