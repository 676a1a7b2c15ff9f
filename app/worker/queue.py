"""The worker's loop over the queue, and its heartbeat."""

import logging
import threading
import time
from collections.abc import Callable

from app.words import say
from app.worker.failures import gone
from app.worker.job import run_job
from app.worker.resident import Resident
from storage import Storage, UnavailableError

_log = logging.getLogger("reft_studio.worker")
_LOOK_SECONDS, _BEAT_SECONDS = 0.4, 1.0


def _train_until(resident: Resident, worker: str, going_down: threading.Event) -> None:
    storage = resident.storage
    while not going_down.is_set():
        try:
            storage.reclaim(gone)
            held = storage.queue.claim(worker)
            resident.set_trouble("")
        except UnavailableError as error:
            resident.set_trouble(str(error))
            held = None
        if held:
            run_job(resident, held, going_down.is_set)
        else:
            going_down.wait(_LOOK_SECONDS)
    _put_back(storage, worker)


def _put_back(storage: Storage, worker: str) -> None:
    """What was in hand waits for the next worker."""
    for _ in range(5):
        try:
            storage.queue.put_back(worker, say("job.put_back"))
        except UnavailableError as error:
            _log.warning("the run in hand cannot be put back for now: %s", error)
            time.sleep(1.0)
        else:
            return


def train_queue(resident: Resident, worker: str, going_down: threading.Event, end: Callable[[], None]) -> None:
    """Train until told to stop; when that fails as a whole, end the worker, so that the supervisor starts another."""
    try:
        _train_until(resident, worker, going_down)
    except Exception:  # noqa: BLE001 (the edge of a thread: a worker that lived on would leave every run waiting)
        _log.exception("the queue cannot be worked on")
        end()


def send_heartbeats(storage: Storage, worker: str, going_down: threading.Event, end: Callable[[], None]) -> None:
    """Count heartbeats; a worker that the others have given up ends."""
    while not going_down.wait(_BEAT_SECONDS):
        try:
            known = storage.workers.beat(worker)
        except UnavailableError as error:
            _log.warning("no heartbeat for now: %s", error)
            continue
        if not known:
            _log.error("this worker was given up by the others, after a long silence")
            return end()
