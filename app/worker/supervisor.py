"""Starts the worker, watches it, and starts it again when it dies; its output goes to a file."""

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO

from app.settings import Settings
from app.worker.failures import died, gone
from storage import Failure, RunRecord, Storage, UnavailableError

_log = logging.getLogger("reft_studio.supervisor")
_KEPT = (
    "PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "HF_HOME", "HF_ENDPOINT", "HF_HUB_OFFLINE",
    "HF_HUB_CACHE", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
)  # fmt: skip
"""What the worker gets of the environment; secrets of the web process are not among it."""
ALREADY_SERVED = 3
"""The exit code of a worker that found another one at work on its data folder."""
_FIRST_PAUSE, _LONGEST_PAUSE, _LONG = 0.5, 30.0, 60.0
"""Seconds before a worker is started again, at first and at most; and how long one must have lived for the first."""
_LOG_BYTES = 5_000_000


class Supervisor:
    """Keeps one worker alive for one data folder."""

    def __init__(self, settings: Settings, storage: Storage) -> None:
        self._settings, self._storage = settings, storage
        self._ended, self._launching = threading.Event(), threading.Lock()
        self._next_look = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        """Start the worker and the watch over it."""
        self._thread.start()

    def stop(self) -> None:
        """End the worker; a run in training is kept and goes on at the next start."""
        with self._launching:
            self._ended.set()
        process = self._process
        if process and process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _launch(self, worker: str) -> subprocess.Popen[bytes]:
        root, parent = str(self._storage.files.root), str(os.getpid())
        command = [sys.executable, "-m", "app.worker.process", "--data-dir", root, "--parent", parent, "--worker", worker]
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        environment |= {"HF_HUB_DISABLE_TELEMETRY": "1", "TOKENIZERS_PARALLELISM": "false", "PYTHONUNBUFFERED": "1"}
        # Threads that spin while they wait are forty times slower on a machine with something else to do.
        environment["OMP_WAIT_POLICY"] = "PASSIVE"
        if self._settings.database_url:  # it may hold a password, and arguments can be read by everybody on the machine
            environment["REFT_STUDIO_DATABASE_URL"] = self._settings.database_url
        with self._output() as log:
            # A session of its own, so that Ctrl+C in a terminal reaches the web process alone, which ends its worker in order.
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True)

    def _output(self) -> BinaryIO:
        """Where the worker's output goes; begun anew when it has grown long, or nowhere while nothing can be written."""
        path = self._storage.files.worker_log
        try:
            if path.exists() and path.stat().st_size > _LOG_BYTES:
                path.replace(path.with_suffix(".log.1"))
            return path.open("ab")
        except OSError as error:
            _log.error("the worker's log cannot be written: %s", error)
            return Path(os.devnull).open("ab")

    def _watch(self) -> None:
        pause = _FIRST_PAUSE
        while not self._ended.is_set():
            try:
                went_well = self._serve_once()
            except Exception:  # noqa: BLE001 (whatever it was: with no worker and nobody who starts one, all runs would wait for ever)
                _log.exception("the worker cannot be started or watched")
                went_well, pause = False, _LONGEST_PAUSE
            pause = _FIRST_PAUSE if went_well else min(pause * 2, _LONGEST_PAUSE)
            self._ended.wait(pause)

    def _serve_once(self) -> bool:
        """Start a worker and stand by until it ends; whether it got on with its run or lived long, so that the next may start at once."""
        begun, worker = time.monotonic(), token_hex(8)
        with self._launching:
            if self._ended.is_set():
                return True
            process = self._process = self._launch(worker)
        self._stand_by(process, worker)
        if self._ended.is_set():
            return True
        code = process.wait()
        _log.warning("the worker ended with code %s", code)
        runs = self._tell(worker, partial(died, code)) if code != ALREADY_SERVED else []
        return time.monotonic() - begun > _LONG or (bool(runs) and all(run.deaths == 1 for run in runs))

    def _stand_by(self, process: subprocess.Popen[bytes], worker: str) -> None:
        """Until the worker ends; meanwhile what other workers left behind, such as those of a web process that was killed, is put back.

        Not what this one left: how it ended, and so why, is known a moment after its lock is free.
        """
        while process.poll() is None and not self._ended.wait(0.1):
            if time.monotonic() > self._next_look:
                self._next_look = time.monotonic() + 2.0
                with suppress(UnavailableError, OSError):
                    self._storage.reclaim(gone, spared=worker)

    def _tell(self, worker: str, explain: Callable[[RunRecord], Failure]) -> list[RunRecord]:
        """Put the run that was in hand back into the queue, with what happened; as soon as the database can be written."""
        while True:
            try:
                runs = self._storage.runs.died(worker, explain)
                self._storage.workers.forget(worker)
            except (UnavailableError, OSError) as error:
                _log.warning("%s", error)
            else:
                return runs
            if self._ended.wait(1.0):
                return []
