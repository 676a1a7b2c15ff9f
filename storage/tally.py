"""How much each owner has, and what is in the queue: counts and bytes for whoever looks after a studio, never what rows say."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from storage.database import Database
from storage.files import Files, folder_size
from storage.records import ACTIVE, WAITING, RunStatus
from storage.tables import Chat, Dataset, PersonSession, Run, Vote, now


@dataclass(slots=True)
class Holding:
    """What an owner has.

    Attributes:
        datasets: those in the bin too, as with the ``runs`` and their conversations, ``chats``.
        queued: runs that wait; ``running``: runs that a worker holds.
        stored: bytes of all of it, files and documents.
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
    """Counts."""

    def __init__(self, database: Database, files: Files) -> None:
        self._database, self._files = database, files

    def by_owner(self) -> dict[str, Holding]:
        """What each owner has who has anything, by the owner."""
        found: dict[str, Holding] = defaultdict(Holding)
        with self._database.reading() as session:
            for owner, count in session.execute(select(Dataset.owner, func.count()).group_by(Dataset.owner)):
                found[owner].datasets = count
            for owner, count, size in session.execute(select(Chat.owner, func.count(), func.sum(Chat.size_bytes)).group_by(Chat.owner)):
                found[owner].chats, found[owner].stored = count, int(size)
            for owner, size in session.execute(select(Vote.owner, func.sum(Vote.size_bytes)).group_by(Vote.owner)):
                found[owner].stored += int(size)
            _count_runs(session, found)
            _count_sessions(session, found)
            datasets = list(session.execute(select(Dataset.owner, Dataset.id)))
            runs = list(session.execute(select(Run.owner, Run.id)))
        for owner, dataset_id in datasets:
            found[owner].stored += folder_size(self._files.dataset_folder(dataset_id))
        for owner, run_id in runs:
            found[owner].stored += folder_size(self._files.run_folder(run_id))
        return dict(found)

    def going(self, limit: int) -> list[GoingRun]:
        """The runs that workers hold, then those that wait, in the order in which they are trained."""
        columns = (Run.id, Run.owner, Run.status, Run.step, Run.total_steps, Run.created_at)
        query = select(*columns).where(Run.binned_at.is_(None), Run.status.in_((*ACTIVE, *WAITING)))
        with self._database.reading() as session:
            rows = session.execute(query.order_by(Run.status.in_(WAITING), Run.queue_position, Run.id).limit(limit))
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
