"""Starts the worker, watches it, and starts it again when it dies; its output goes to a file."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time

from app.settings import Settings
from storage import RunStatus, Storage, StorageError

_log = logging.getLogger("reft_studio.supervisor")
_KEPT = (
    "PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "HF_HOME", "HF_ENDPOINT", "HF_HUB_OFFLINE",
    "HF_HUB_CACHE", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
)  # fmt: skip
"""What the worker gets of the environment; secrets of the web process are not among it."""
ALREADY_SERVED = 3
"""The exit code of a worker that found another one at work on its data folder."""
_DEATHS_ALLOWED = 3
_LONGEST_PAUSE = 30.0


class Supervisor:
    """Keeps one worker alive for one data folder."""

    def __init__(self, settings: Settings, storage: Storage) -> None:
        self._settings, self._storage = settings, storage
        self._ended, self._launching = threading.Event(), threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._deaths: dict[str, int] = {}

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

    def _launch(self) -> subprocess.Popen[bytes]:
        root, parent = str(self._storage.files.root), str(os.getpid())
        command = [sys.executable, "-m", "app.worker.process", "--data-dir", root, "--parent", parent]
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        environment |= {"HF_HUB_DISABLE_TELEMETRY": "1", "TOKENIZERS_PARALLELISM": "false", "PYTHONUNBUFFERED": "1"}
        # Threads that spin while they wait are forty times slower on a machine with something else to do.
        environment["OMP_WAIT_POLICY"] = "PASSIVE"
        if self._settings.database_url:  # it may hold a password, and arguments can be read by everybody on the machine
            environment["REFT_STUDIO_DATABASE_URL"] = self._settings.database_url
        with self._storage.files.worker_log.open("ab") as log:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)

    def _watch(self) -> None:
        pause = 1.0
        while not self._ended.is_set():
            begun = time.monotonic()
            try:
                with self._launching:
                    if self._ended.is_set():
                        return
                    self._process = self._launch()
            except OSError as error:
                _log.error("the worker cannot be started: %s", error)
                self._ended.wait(_LONGEST_PAUSE)
                continue
            code = self._process.wait()
            if self._ended.is_set():
                return
            _log.warning("the worker ended with code %s", code)
            if code != ALREADY_SERVED:
                self._tell(code)
            pause = 1.0 if time.monotonic() - begun > 60 else min(pause * 2, _LONGEST_PAUSE)
            self._ended.wait(pause)

    def _tell(self, code: int) -> None:
        """Write into the run that was in hand what happened; after three deaths the run is given up."""
        memory = code == -signal.SIGKILL
        why = "was ended by the system, most likely because memory ran out" if memory else f"stopped unexpectedly (code {code})"
        for run in self._storage.runs.all():
            if not run.status.active:
                continue
            self._deaths[run.id] = self._deaths.get(run.id, 0) + 1
            if self._deaths[run.id] < _DEATHS_ALLOWED:
                self._storage.events.add(run.id, f"The engine {why}. It is being restarted.")
                continue
            del self._deaths[run.id]
            advice = " A smaller batch size needs less memory." if memory else " The run's log has the details."
            text = f"The engine {why} three times during this run, so the run was ended.{advice}"
            try:
                self._storage.runs.set_status(run.id, RunStatus.FAILED, text, error=text)
            except StorageError as error:
                _log.warning("%s", error)
