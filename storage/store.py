"""Everything that lasts, behind one value."""

from collections.abc import Callable
from pathlib import Path

from storage.database import PATIENCE, Database
from storage.datasets import DatasetStore
from storage.files import Files
from storage.records import Failure, RunRecord
from storage.runs import EventStore, MetricStore, RunQueue, RunStore, SampleStore
from storage.workers import WorkerStore


class Storage:
    """Database and files of one data folder.

    Args:
        data_dir: made if it does not exist.
        url: any SQLAlchemy URL; a SQLite file in the data folder when left out.
        patience: seconds that a write waits for another one.
    """

    def __init__(self, data_dir: Path, url: str | None = None, *, patience: float = PATIENCE) -> None:
        data_dir.mkdir(parents=True, exist_ok=True)
        self.files = Files(data_dir)
        self.database = Database(url or f"sqlite:///{self.files.root / 'studio.db'}", patience)
        self.datasets = DatasetStore(self.database, self.files)
        self.runs = RunStore(self.database, self.files)
        self.queue = RunQueue(self.database)
        self.metrics = MetricStore(self.database)
        self.samples = SampleStore(self.database)
        self.events = EventStore(self.database)
        self.workers = WorkerStore(self.database, self.files)

    def reclaim(self, explain: Callable[[RunRecord], Failure], spared: str | None = None) -> list[RunRecord]:
        """Let what dead workers had in hand wait again, and forget them; returns these runs.

        ``spared`` is a worker of whose death the caller will learn more, and tell then.
        """
        found: list[RunRecord] = []
        for worker in self.workers.dead():
            if worker != spared:
                found += self.queue.recover(worker, explain)
                self.workers.forget(worker)
        return found

    def close(self) -> None:
        """Give the database's connections back."""
        self.database.close()
