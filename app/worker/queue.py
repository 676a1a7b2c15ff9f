"""The worker's loop over the queue, and its heartbeat."""

import logging
import threading
import time
from collections.abc import Callable

from app.words import say
from app.worker.failures import explain_vanished_worker
from app.worker.instant import forget_what_is_gone
from app.worker.job import run_jobs
from app.worker.resident import Resident
from storage import Storage, UnavailableError

_log = logging.getLogger("reft_studio.worker")
_POLL_SECONDS, _HEARTBEAT_SECONDS = 0.5, 2.0
_UPKEEP_SECONDS = 2.0
"""Pause between two looks for runs of dead workers, and whether the queue was paused; likewise for stores of deleted rows."""


def _train_until(resident: Resident, worker: str, shutting_down: threading.Event) -> None:
    storage, upkeep_due = resident.storage, 0.0
    while not shutting_down.is_set():
        try:
            if time.monotonic() >= upkeep_due:
                storage.reclaim(explain_vanished_worker)
                if storage.runs.paused_since():
                    resident.release()
                upkeep_due = time.monotonic() + _UPKEEP_SECONDS
            leased = storage.queue.claim_together(worker) if storage.queue.any_due() else []
            resident.set_trouble("")
        except UnavailableError as error:
            resident.set_trouble(str(error))
            leased = []
        if leased:
            run_jobs(resident, leased, shutting_down.is_set)
        else:
            shutting_down.wait(_POLL_SECONDS)
    _put_back(storage, worker)


def _put_back(storage: Storage, worker: str) -> None:
    """Put the current run back into the queue, for the next worker."""
    for _ in range(5):
        try:
            storage.queue.put_back(worker, say("job.put_back"))
        except UnavailableError as error:
            _log.warning("the run in hand cannot be put back for now: %s", error)
            time.sleep(1.0)
        else:
            return


def train_queue(resident: Resident, worker: str, shutting_down: threading.Event, end: Callable[[], None]) -> None:
    """Train queued runs until shutdown; an unexpected error ends the worker, so that the supervisor starts another one."""
    try:
        _train_until(resident, worker, shutting_down)
    except Exception:  # noqa: BLE001 (the edge of a thread: a worker that survived this would leave every run waiting)
        _log.exception("the queue cannot be worked on")
        end()


def send_heartbeats(storage: Storage, worker: str, shutting_down: threading.Event, end: Callable[[], None]) -> None:
    """Send heartbeats; ends the worker if other processes have declared it dead."""
    while not shutting_down.wait(_HEARTBEAT_SECONDS):
        try:
            registered = storage.workers.heartbeat(worker)
        except UnavailableError as error:
            _log.warning("no heartbeat for now: %s", error)
            continue
        if not registered:
            _log.error("this worker was given up by the others, after a long silence")
            return end()


def forget_deleted_rows(resident: Resident, shutting_down: threading.Event) -> None:
    """Let go of stores of rows whose dataset was deleted, also while a run trains: they hold traces of the rows."""
    while not shutting_down.wait(_UPKEEP_SECONDS):
        try:
            forget_what_is_gone(resident)
        except UnavailableError as error:
            _log.warning("it cannot be looked up for now which rows were deleted: %s", error)
