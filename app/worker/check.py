"""The check of a result: a fresh process loads it and replays its canary.

Loading the libraries takes seconds, and a person who presses Stop waits for them. So one process has them loaded, has done nothing else,
and forks for each check; it is started when the first run begins to learn.
"""

import json
import select
import subprocess
import sys
import threading
from pathlib import Path

from app.words import say
from storage import StorageError

_SECONDS = 300


class FreshCheck:
    """Checks adapters one after another, each in a process of its own."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """Start the process that loads the libraries and waits; it loads no base model."""
        with self._lock:
            self._waiting()

    def check(self, adapter: Path, base: str) -> str:
        """What is said of an adapter that reproduces in a fresh process. Raises StorageError for any other."""
        with self._lock:
            answer = self._ask([str(adapter), base])
        if "reproduces" not in answer:
            raise StorageError(say("job.does_not_load", reason=str(answer["failed"]) or say("job.no_reason")))
        return str(answer["reproduces"])

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        self._process = None

    def _waiting(self) -> subprocess.Popen[bytes]:
        """The process that waits, started anew if it has ended."""
        if self._process is None or self._process.poll() is not None:
            command = [sys.executable, "-m", "app.worker.verify"]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self._process

    def _ask(self, question: list[str]) -> dict[str, object]:
        process = self._waiting()
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(json.dumps(question).encode() + b"\n")
            process.stdin.flush()
            if not select.select([process.stdout], [], [], _SECONDS)[0]:
                self.close()
                return {"failed": say("job.took_too_long")}
            answer: dict[str, object] = json.loads(process.stdout.readline())
        except (OSError, ValueError):  # it has died
            self.close()
            return {"failed": ""}
        return answer
