"""Starts the worker, restarts it when it ends, and writes its output to a file."""

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
from app.worker.failures import explain_vanished_worker, explain_worker_exit
from app.worker.messages import ALREADY_SERVED
from storage import Failure, RunRecord, Storage, UnavailableError

_log = logging.getLogger("reft_studio.supervisor")
_ENVIRONMENT = (
    "PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "HF_HOME", "HF_ENDPOINT", "HF_HUB_OFFLINE",
    "HF_HUB_CACHE", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
)  # fmt: skip
"""Environment variables passed to the worker; none holds a secret of the web process."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
"""Seconds before a restart: the first pause, doubled with each failure up to the longest."""
_LONG_LIFE = 60.0
"""Seconds after which a worker counts as successful, so that the pause starts over."""
_LOOK_SECONDS = 0.4
"""Pause between two looks whether the worker lives."""
_LOG_BYTES = 5_000_000


class Supervisor:
    """Keeps one worker running for one data folder."""

    def __init__(self, settings: Settings, storage: Storage) -> None:
        self._settings, self._storage = settings, storage
        self._stopping, self._launching = threading.Event(), threading.Lock()
        self._next_reclaim = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        """Start the worker and the thread that watches it."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the worker; its run resumes at the next start."""
        with self._launching:
            self._stopping.set()
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
        command = [sys.executable, "-m", "app.worker.main", "--data-dir", root, "--parent", parent, "--worker", worker]
        command += ["--together", str(self._settings.together), "--chat-tokens", str(self._settings.of_person("person_chat_tokens"))]
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        environment |= {"HF_HUB_DISABLE_TELEMETRY": "1", "TOKENIZERS_PARALLELISM": "false", "PYTHONUNBUFFERED": "1"}
        # Threads that spin while they wait are forty times slower on a busy machine.
        environment["OMP_WAIT_POLICY"] = "PASSIVE"
        if self._settings.database_url:  # not an argument: it may hold a password, and every user can read arguments
            environment["REFT_STUDIO_DATABASE_URL"] = self._settings.database_url
        with self._open_log() as log:
            # In a session of its own, Ctrl+C in a terminal reaches only the web process, which then stops the worker cleanly.
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True)

    def _open_log(self) -> BinaryIO:
        """Open the worker's log, rotated when it is large; the null device if it cannot be written."""
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
        while not self._stopping.is_set():
            try:
                success = self._run_worker()
            except Exception:  # noqa: BLE001 (the thread must survive: without it no worker starts, and all runs wait for ever)
                _log.exception("the worker cannot be started or watched")
                success, pause = False, _LONGEST_PAUSE
            pause = _FIRST_PAUSE if success else min(pause * 2, _LONGEST_PAUSE)
            self._stopping.wait(pause)

    def _run_worker(self) -> bool:
        """Run one worker until it ends; True if it made progress or lived long, so that the next one may start at once."""
        start, worker = time.monotonic(), token_hex(8)
        with self._launching:
            if self._stopping.is_set():
                return True
            process = self._process = self._launch(worker)
        self._wait_for(process, worker)
        if self._stopping.is_set():
            return True
        code = process.wait()
        _log.warning("the worker ended with code %s", code)
        runs = self._recover(worker, partial(explain_worker_exit, code)) if code != ALREADY_SERVED else []
        return time.monotonic() - start > _LONG_LIFE or (bool(runs) and all(run.worker_exits == 1 for run in runs))

    def _wait_for(self, process: subprocess.Popen[bytes], worker: str) -> None:
        """Wait until the worker ends; meanwhile requeue the runs of other dead workers, such as those of a killed web process.

        The runs of ``worker`` are excluded, because its exit code, which explains its end, is known only after its lock is free.
        """
        while process.poll() is None and not self._stopping.wait(_LOOK_SECONDS):
            if time.monotonic() > self._next_reclaim:
                self._next_reclaim = time.monotonic() + 2.0
                with suppress(UnavailableError, OSError):
                    self._storage.reclaim(explain_vanished_worker, exclude=worker)

    def _recover(self, worker: str, explain: Callable[[RunRecord], Failure]) -> list[RunRecord]:
        """Put the worker's run back into the queue with an explanation; retries until the database can be written."""
        while True:
            try:
                runs = self._storage.queue.recover(worker, explain)
                self._storage.workers.remove(worker)
            except (UnavailableError, OSError) as error:
                _log.warning("%s", error)
            else:
                return runs
            if self._stopping.wait(1.0):
                return []
