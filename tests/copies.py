"""Processes that are copies of this one: they have the libraries already, whose reading costs more than most of what is asked of them."""

import logging
import os
import sys
from collections.abc import Callable
from multiprocessing.context import ForkProcess
from pathlib import Path


class Copy(ForkProcess):
    """Does ``work`` in a process of its own, whose exit code it gives. Asked as a ``Popen`` is.

    What it says goes to the end of a file, and what it says of its errors too unless that has a file of its own.
    """

    def __init__(self, work: Callable[[], int], said: Path, errors: Path | None = None) -> None:
        super().__init__(daemon=True)
        self._work, self._said = work, (said, errors or said)
        self.start()

    def run(self) -> None:
        for number, path in zip((1, 2), self._said, strict=True):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
        sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1, closefd=False, encoding="utf-8") for number in (1, 2))
        logging.getLogger().handlers.clear()  # those of the test's process
        sys.exit(self._work())

    @property
    def returncode(self) -> int | None:
        return self.exitcode

    def poll(self) -> int | None:
        return self.exitcode

    def wait(self, timeout: float | None = None) -> int | None:
        self.join(timeout)
        return self.exitcode
