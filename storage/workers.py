"""Who serves the queue, and who is dead.

A worker holds a lock on a file, which the system takes away with its last breath, and counts its heartbeats in the database
for those who cannot see the file's lock.
"""

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import delete, select, update

from storage.database import Database
from storage.files import Files
from storage.records import ACTIVE
from storage.tables import Run, Worker

SILENCE = 60.0
"""Seconds without a heartbeat after which a worker counts as dead whatever its lock says."""


class WorkerStore:
    """Workers of this database."""

    def __init__(self, database: Database, files: Files) -> None:
        self._database, self._files = database, files
        self._heard: dict[str, tuple[int, float]] = {}

    @contextmanager
    def serving(self, worker: str) -> Iterator[None]:
        """Be known as a worker, until this ends."""
        with self._files.worker_lock(worker).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with self._database.transaction() as session:
                session.add(Worker(id=worker, host=socket.gethostname(), pid=os.getpid(), beats=0))
            yield
        self.forget(worker)

    def beat(self, worker: str) -> bool:
        """Say that a worker lives; False when the others have given it up."""
        with self._database.transaction() as session:
            found = session.execute(update(Worker).where(Worker.id == worker).values(beats=Worker.beats + 1))
            return bool(found.rowcount)  # type: ignore[attr-defined]

    def forget(self, worker: str) -> None:
        """Take a worker off the list, whose runs were put back."""
        with self._database.transaction() as session:
            session.execute(delete(Worker).where(Worker.id == worker))
        with suppress(OSError):  # housekeeping removes a lock that is nobody's
            self._files.worker_lock(worker).unlink(missing_ok=True)

    def dead(self) -> list[str]:
        """Workers that are gone without having said so; to be asked again and again, as silence needs two looks."""
        with self._database.reading() as session:
            known = {row.id: row.beats for row in session.scalars(select(Worker))}
            holding = set(session.scalars(select(Run.worker).where(Run.status.in_(ACTIVE))))
        unknown = [worker for worker in holding - known.keys() if worker]
        return [*(worker for worker, beats in known.items() if self._is_dead(worker, beats)), *unknown]

    def _is_dead(self, worker: str, beats: int) -> bool:
        if self._unlocked(worker):
            return True
        # By this process's own clock: nobody's wall clock is trusted.
        last, since = self._heard.get(worker, (-1, 0.0))
        if last != beats:
            self._heard[worker] = beats, time.monotonic()
            return False
        return time.monotonic() - since > SILENCE

    def _unlocked(self, worker: str) -> bool:
        """Whether the lock of a worker can be seen here, and is held by nobody."""
        try:
            with self._files.worker_lock(worker).open("r") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:  # held; or there is no such file here
            return False
        return True
