"""The services that handlers use; only `make_services` constructs them."""

from dataclasses import dataclass

from app.settings import Settings
from app.worker.client import WorkerClient
from storage import Storage


@dataclass(frozen=True)
class Services:
    """Settings, storage and the worker's client."""

    settings: Settings
    storage: Storage
    worker: WorkerClient


def make_services(settings: Settings) -> Services:
    """Open the storage and create the worker's client."""
    storage = Storage(settings.data_dir, settings.database_url)
    return Services(settings, storage, WorkerClient(storage.files.socket))
