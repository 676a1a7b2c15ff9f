"""`Storage`: the stores, the files and the database of one data folder."""

from collections.abc import Callable
from copy import copy
from pathlib import Path

from storage.bounds import NO_BOUNDS, Bounds, held_bytes
from storage.chats import ChatStore
from storage.database import PATIENCE, Database
from storage.datasets import DatasetStore
from storage.files import Files
from storage.owners import hand_over
from storage.presets import PresetStore
from storage.records import Failure, RunRecord
from storage.runs import EventStore, MadeRuns, MetricStore, RunQueue, RunStore, SampleStore
from storage.sessions import SessionStore
from storage.shares import ShareStore
from storage.tally import TallyStore
from storage.votes import VoteStore
from storage.workers import WorkerStore


class Storage:
    """Database and files of one data folder.

    Args:
        data_dir: created if it does not exist.
        url: any SQLAlchemy URL; by default a SQLite file in the data folder.
        patience: seconds that a transaction waits for another writer.
        bounds: how much there may be.
    """

    def __init__(self, data_dir: Path, url: str | None = None, *, patience: float = PATIENCE, bounds: Bounds = NO_BOUNDS) -> None:
        self._bounds = bounds
        data_dir.mkdir(parents=True, exist_ok=True)
        self.files = Files(data_dir)
        self._seen: dict[str, Storage] = {}  # by owner, shared by all that are made of this one
        self._use(Database(url or f"sqlite:///{self.files.root / 'studio.db'}", patience))

    def seen_by(self, owner: str) -> "Storage":
        """The same data folder as one owner sees it: rows of others are not there. Files are found by the ids of rows."""
        if owner not in self._seen:
            seen = copy(self)
            seen.files = self.files.seen_by(owner)
            seen._use(self.database.seen_by(owner))
            self._seen[owner] = seen
        return self._seen[owner]

    def hand_over(self, owner: str, heir: str) -> int:
        """Make the rows of one owner those of another; returns how many. What the heir has under the same names and keys stays theirs."""
        with self.database.exclusive() as session:
            return hand_over(session, owner, heir)

    def _use(self, database: Database) -> None:
        self.database = database
        self.datasets = DatasetStore(self.database, self.files, self._bounds)
        self.runs = RunStore(self.database, self.files, self._bounds)
        self.made = MadeRuns(self.database, self.files, self._bounds)
        self.presets = PresetStore(self.database)
        self.chats = ChatStore(self.database, self.files, self._bounds)
        self.votes = VoteStore(self.database, self.files, self._bounds)
        self.queue = RunQueue(self.database, self._bounds)
        self.metrics = MetricStore(self.database)
        self.samples = SampleStore(self.database)
        self.events = EventStore(self.database)
        self.sessions = SessionStore(database)
        self.shares = ShareStore(self.database, self.files)
        self.tally = TallyStore(self.database, self.files, self._bounds.together)
        self.workers = WorkerStore(self.database, self.files)

    def held_bytes(self) -> int:
        """Bytes that the owner whose rows these are has stored, in the bin or not; see `storage.bounds`."""
        with self.database.transaction() as session:
            return held_bytes(session, self.files)

    def reclaim(self, explain: Callable[[RunRecord], Failure], exclude: str | None = None) -> list[RunRecord]:
        """Put the runs of dead workers back into the queue and unregister these workers; returns the runs.

        ``exclude`` is a worker that the caller handles itself, because it learns the exit code.
        """
        runs: list[RunRecord] = []
        for worker in self.workers.dead():
            if worker != exclude:
                runs += self.queue.recover(worker, explain)
                self.workers.remove(worker)
        return runs

    def close(self) -> None:
        """Close the database connections."""
        self.database.close()
