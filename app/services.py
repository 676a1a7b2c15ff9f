"""What handlers may use; `make_services` is the only place that puts implementations together."""

from dataclasses import dataclass

from app.settings import Settings
from app.worker.client import WorkerClient
from storage import Storage


@dataclass(frozen=True)
class Services:
    """Settings, storage and the engine, as the handlers see them."""

    settings: Settings
    storage: Storage
    worker: WorkerClient


def make_services(settings: Settings) -> Services:
    """Open storage and the way to the worker."""
    storage = Storage(settings.data_dir, settings.database_url)
    return Services(settings, storage, WorkerClient(storage.files.socket))
