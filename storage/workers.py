"""Registration of workers and detection of dead ones.

A worker locks a file, and the system releases the lock when the process ends. It also counts heartbeats in the database, for
observers that cannot see the lock, such as those on another machine.
"""

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import delete, select, update

from storage.database import Database
from storage.files import Files, is_locked
from storage.records import ACTIVE
from storage.tables import Run, Worker

SILENCE = 60.0
"""Seconds without a heartbeat after which a worker counts as dead, even if its lock is held."""


class WorkerStore:
    """Registers workers and finds dead ones."""

    def __init__(self, database: Database, files: Files) -> None:
        self._database, self._files = database, files
        self._last_beats: dict[str, tuple[int, float]] = {}  # worker -> heartbeats, and when their count last changed

    @contextmanager
    def serving(self, worker: str) -> Iterator[None]:
        """Register a worker for the duration of the context."""
        with self._files.worker_lock(worker).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with self._database.transaction() as session:
                session.add(Worker(id=worker, host=socket.gethostname(), pid=os.getpid(), beats=0))
            yield
        self.remove(worker)

    def heartbeat(self, worker: str) -> bool:
        """Count a heartbeat; False if the worker is no longer registered because others declared it dead."""
        with self._database.transaction() as session:
            result = session.execute(update(Worker).where(Worker.id == worker).values(beats=Worker.beats + 1))
            return bool(result.rowcount)  # type: ignore[attr-defined]

    def remove(self, worker: str) -> None:
        """Unregister a worker whose runs are back in the queue."""
        with self._database.transaction() as session:
            session.execute(delete(Worker).where(Worker.id == worker))
        with suppress(OSError):  # `clean_up` removes locks without a worker
            self._files.worker_lock(worker).unlink(missing_ok=True)

    def dead(self) -> list[str]:
        """Workers that died without unregistering. Call it repeatedly: a missing heartbeat shows only between two calls."""
        with self._database.reading() as session:
            registered = {row.id: row.beats for row in session.scalars(select(Worker))}
            leaseholders = set(session.scalars(select(Run.worker).where(Run.binned_at.is_(None), Run.status.in_(ACTIVE))))
        unregistered = [worker for worker in leaseholders - registered.keys() if worker]
        return [*(worker for worker, beats in registered.items() if self._is_dead(worker, beats)), *unregistered]

    def _is_dead(self, worker: str, beats: int) -> bool:
        if self._lock_is_free(worker):
            return True
        # Measured on this process's monotonic clock, because no wall clock can be trusted.
        last_beats, since = self._last_beats.get(worker, (-1, 0.0))
        if last_beats != beats:
            self._last_beats[worker] = beats, time.monotonic()
            return False
        return time.monotonic() - since > SILENCE

    def _lock_is_free(self, worker: str) -> bool:
        """Whether this machine sees the worker's lock file, and no process holds the lock."""
        try:
            return not is_locked(self._files.worker_lock(worker))
        except OSError:  # no such file on this machine
            return False
