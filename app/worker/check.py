"""The check of a result: a fresh process loads it and replays its canary.

The process is started a little before it is needed, since its libraries take seconds to load, and a person who presses Stop waits for it.
"""

import json
import subprocess
import sys
from pathlib import Path

from app.words import say
from storage import StorageError

_SECONDS = 300


class FreshCheck:
    """Checks one adapter, in a process of its own."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def prepare(self) -> None:
        """Start the process, which loads its libraries and waits; it loads no base model yet."""
        if self._process is None:
            command = [sys.executable, "-m", "app.worker.verify"]
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, encoding="utf-8")

    def check(self, adapter: Path, base: str) -> str:
        """What the process says of an adapter. Raises StorageError if it does not load or reproduce there."""
        self.prepare()
        process = self._process
        assert process is not None
        try:
            said, errors = process.communicate(json.dumps([str(adapter), base]), timeout=_SECONDS)
        except subprocess.TimeoutExpired:
            raise StorageError(say("job.does_not_load", reason=say("job.took_too_long"))) from None
        finally:
            self.close()
        if process.returncode != 0:
            reason = (errors.strip().splitlines() or [say("job.no_reason")])[-1]
            raise StorageError(say("job.does_not_load", reason=reason))
        return (said + errors).strip()[-2000:]

    def close(self) -> None:
        """End the process if it still waits."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.communicate()
        self._process = None
