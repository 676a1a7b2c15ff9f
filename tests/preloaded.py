"""Processes that have the libraries already: forks of a server process that has imported them, and has done nothing else.

Importing torch and transformers costs more than most of what such a process is asked for. A fork of pytest's own process would have its
threads and what torch has set up in it; on a machine with a GPU it could not train at all.
"""

import logging
import os
import sys
from collections.abc import Callable, Mapping
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path

get_context("forkserver").set_forkserver_preload(
    ["app.cli.main", "app.worker.main", "reft_engine.training.run", "transformers.models.llama.modeling_llama"]
)


class Preloaded(ForkServerProcess):
    """A process that does ``work`` and ends with the exit code that it returns. Asked as a ``Popen`` is.

    Args:
        work: Goes to the process by its name, as pickle does it.
        environment: All of the process's variables.
        output: File to which standard output is appended.
        errors: The same of standard error; by default both go to ``output``.
    """

    def __init__(self, work: Callable[[], int], environment: Mapping[str, str], output: Path, errors: Path | None = None) -> None:
        super().__init__(daemon=True)
        self._work, self._environment, self._files = work, dict(environment), (output, errors or output)
        self.start()

    def run(self) -> None:
        os.environ.clear()
        os.environ.update(self._environment)
        for number, path in zip((1, 2), self._files, strict=True):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
        sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1, closefd=False, encoding="utf-8") for number in (1, 2))
        logging.getLogger().handlers.clear()
        sys.exit(self._work())

    def poll(self) -> int | None:
        return self.exitcode

    def wait(self, timeout: float | None = None) -> int | None:
        self.join(timeout)
        return self.exitcode


def nothing() -> None:
    """What a command needs before it begins, usually."""


def run_command(arguments: list[str], before: Callable[[], None] = nothing) -> int:
    """A command of the terminal."""
    from app.cli import main

    before()
    return main(arguments)


def run_worker(arguments: list[str]) -> int:
    """``python -m app.worker.main``."""
    from app.worker.main import main

    sys.argv = ["worker", *arguments]
    return main()
