"""The worker process: ``python -m app.worker.main --data-dir DIR``. Trains queued runs and answers chats.

It listens on a Unix socket. It ends when its parent does, so that no worker outlives its web process; the next worker resumes
from the last checkpoint.
"""

import argparse
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

import uvicorn

from app.listening import QuietServer
from app.lock import InUseError, locked_file
from app.logs import careful
from app.worker.api import make_app
from app.worker.messages import ALREADY_SERVED
from app.worker.meter import TokenMeter
from app.worker.queue import forget_deleted_rows, send_heartbeats, train_queue
from app.worker.resident import Resident
from reft_engine import ReftError
from storage import Bounds, Storage
from storage.modes import keep_private

_log = logging.getLogger("reft_studio.worker")
_PATIENCE = 2.0
"""Seconds that a database transaction waits for another writer."""


def _warm_up(resident: Resident) -> None:
    """Load the starter in advance, so that the first preview and the first run start at once."""
    try:
        resident.base("starter")
    except ReftError as error:
        _log.warning("%s", error)


def _end_with_parent(parent: int, shutting_down: threading.Event, end: Callable[[], None]) -> None:
    while not shutting_down.wait(1.0):
        if os.getppid() != parent:
            return end()


def _listen(path: Path) -> socket.socket:
    """Bind the worker's socket, which only this user may open."""
    path.unlink(missing_ok=True)
    server_socket = socket.socket(socket.AF_UNIX)
    old_umask = os.umask(0o177)
    try:
        server_socket.bind(str(path))
    finally:
        os.umask(old_umask)
    return server_socket


def main() -> int:
    """Serve until the process is terminated; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--parent", type=int, default=None, help="the process with which this one ends")
    parser.add_argument("--worker", default=None, help="a name for this worker, in letters and digits")
    parser.add_argument("--together", type=int, default=0, help="runs of one group that are trained at the same time; 0 for all")
    parser.add_argument("--chat-tokens", type=int, default=0, help="tokens a minute that a person may have answered; 0 for no bound")
    parser.add_argument("--queue-only", action="store_true", help="train beside another worker, and answer nothing")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, handlers=[careful(logging.StreamHandler())])
    logging.raiseExceptions = False  # a run's log that cannot be written must not fill the worker's log
    keep_private()
    bounds = Bounds(together=options.together)
    storage = Storage(options.data_dir, os.environ.get("REFT_STUDIO_DATABASE_URL"), patience=_PATIENCE, bounds=bounds)
    try:
        if options.queue_only:
            _run(storage, options, _serve_queue, TokenMeter())
        else:
            with locked_file(storage.files.root / "worker.lock"):
                _run(storage, options, _serve, TokenMeter(options.chat_tokens))
    except InUseError:
        _log.error("another worker already serves %s", storage.files.root)
        return ALREADY_SERVED
    finally:
        storage.close()
    return 0


def _run(storage: Storage, options: argparse.Namespace, serve: Callable[[Resident, str, int], None], meter: TokenMeter) -> None:
    worker = options.worker or token_hex(8)
    with storage.workers.serving(worker):
        serve(Resident(storage, meter), worker, options.parent or os.getppid())


def _serve(resident: Resident, worker: str, parent: int) -> None:
    """Train queued runs and answer requests on the socket."""
    server = QuietServer(uvicorn.Config(make_app(resident), log_level="warning", log_config=None, timeout_graceful_shutdown=2))
    threading.Thread(target=_warm_up, args=(resident,), daemon=True).start()
    # uvicorn raises the signal again after its shutdown; exiting normally lets the current run be put back.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with _training(resident, worker, parent, lambda: setattr(server, "should_exit", True)), suppress(SystemExit, KeyboardInterrupt):
        server.run(sockets=[_listen(resident.storage.files.socket)])


def _serve_queue(resident: Resident, worker: str, parent: int) -> None:
    """Train queued runs on another device, next to the worker that answers requests."""
    end = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: end.set())
    with _training(resident, worker, parent, end.set):
        end.wait()


@contextmanager
def _training(resident: Resident, worker: str, parent: int, end: Callable[[], None]) -> Iterator[None]:
    """Run the training, heartbeat, parent and forgetting threads; on exit the current step finishes and the run is put back."""
    shutting_down = threading.Event()
    trainer = threading.Thread(target=train_queue, args=(resident, worker, shutting_down, end))
    threading.Thread(target=_end_with_parent, args=(parent, shutting_down, end), daemon=True).start()
    threading.Thread(target=send_heartbeats, args=(resident.storage, worker, shutting_down, end), daemon=True).start()
    threading.Thread(target=forget_deleted_rows, args=(resident, shutting_down), daemon=True).start()
    trainer.start()
    try:
        yield
    finally:
        shutting_down.set()
        trainer.join(timeout=60)


if __name__ == "__main__":
    raise SystemExit(main())
