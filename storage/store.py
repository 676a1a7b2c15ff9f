"""Everything that lasts, behind one value."""

from pathlib import Path

from storage.database import Database
from storage.datasets import DatasetStore
from storage.files import Files
from storage.journal import EventStore, MetricStore, SampleStore
from storage.runs import RunStore


class Storage:
    """Database and files of one data folder.

    Args:
        data_dir: made if it does not exist.
        url: any SQLAlchemy URL; a SQLite file in the data folder when left out.
    """

    def __init__(self, data_dir: Path, url: str | None = None) -> None:
        data_dir.mkdir(parents=True, exist_ok=True)
        self.files = Files(data_dir)
        self.database = Database(url or f"sqlite:///{self.files.root / 'studio.db'}")
        self.datasets = DatasetStore(self.database, self.files)
        self.runs = RunStore(self.database, self.files)
        self.metrics = MetricStore(self.database)
        self.samples = SampleStore(self.database)
        self.events = EventStore(self.database)

    def close(self) -> None:
        """Give the database's connections back."""
        self.database.close()
