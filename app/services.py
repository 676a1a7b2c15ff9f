"""The services that handlers use; only `make_services` constructs them."""

from dataclasses import dataclass, replace

from app.people.asking import Person, asking
from app.settings import Settings
from app.worker.client import WorkerClient
from storage import Bounds, Storage


@dataclass(frozen=True)
class Services:
    """Settings, storage and the worker's client.

    Attributes:
        settings: of this studio.
        everything: the storage with the rows of all people, for what serves them all: the worker, upkeep, the command line.
        client: the worker's client, on behalf of all people.
        person: whose rows `storage` has; None for those of all.
        of_whoever_asks: whether these are the rows of the person on whose behalf something is done.
    """

    settings: Settings
    everything: Storage
    client: WorkerClient
    person: Person | None = None
    of_whoever_asks: bool = False

    @property
    def storage(self) -> Storage:
        """The stores as handlers see them. Raises NobodyError where somebody should ask, and nobody does."""
        person = self._whose()
        return self.everything if person is None else self.everything.seen_by(person.id)

    @property
    def worker(self) -> WorkerClient:
        """The worker's client, which asks on behalf of whom the stores are seen by. Raises NobodyError as `storage` does."""
        person = self._whose()
        return self.client if person is None else self.client.on_behalf_of(person.id)

    def _whose(self) -> Person | None:
        return asking() if self.of_whoever_asks else self.person

    def seen_by(self, person: Person) -> "Services":
        """The same services with the rows of one person."""
        return replace(self, person=person, of_whoever_asks=False)

    def seen_by_whoever_asks(self) -> "Services":
        """The same services with the rows of the person who asks, each time anew: for pages and routes, which serve all people."""
        return replace(self, person=None, of_whoever_asks=True)


def bounds_of(settings: Settings) -> Bounds:
    """How much storage lets in."""
    return Bounds(
        queued=settings.of_person("person_queued_runs"), queued_of_all=settings.max_queued_runs, together=settings.together,
        datasets=settings.of_person("person_datasets"), stored_bytes=settings.of_person("person_mb") * 1_000_000,
    )  # fmt: skip


def make_services(settings: Settings) -> Services:
    """Open the storage and create the worker's client."""
    storage = Storage(settings.data_dir, settings.database_url, bounds=bounds_of(settings))
    return Services(settings, storage, WorkerClient(storage.files.socket))
