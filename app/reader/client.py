"""Starts the process that reads a file, follows it, and ends one that takes too long, too much, or is no longer wanted."""

import json
import logging
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from app.choices import Choices
from app.errors import StoppedError, StudioError
from app.reader.spare import Process, Spare
from app.words import say, spoken
from reft_engine.data import Inspection, load_inspection

_log = logging.getLogger("reft_studio.reader")
MEMORY_MB, SECONDS = 2_000, 1_800
"""Limits of one file: megabytes of the process that reads it, and seconds until it is ended."""
_KEPT = ("PATH", "LANG", "LC_ALL", "HOME", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "SYSTEMROOT")
"""Variables that the process gets; it gets no secret."""
_LOOKS = 0.1
"""Seconds between two looks at whether the reading is still wanted."""


def read_in_process(
    path: Path, folder: Path, choices: Choices, on_progress: Callable[[float], None] = lambda share: None,
    should_stop: Callable[[], bool] = lambda: False, *, memory_mb: int = MEMORY_MB, seconds: float = SECONDS,
) -> Inspection:  # fmt: skip
    """Read a file into ``folder``; see `reft_engine.data.import_file`.

    Args:
        path: the file.
        folder: is made; it holds the rows and the inspection.
        choices: what a person said about the file.
        on_progress: called with the share that is read, 0 to 1.
        should_stop: asked ten times a second; ends the reading.
        memory_mb: maximum megabytes of the process.
        seconds: maximum seconds.

    Raises:
        StoppedError: the reading was ended.
        StudioError: the file cannot be read, and why.
    """
    request = {
        "path": str(path), "folder": str(folder), "choices": choices.as_data(), "memory_mb": memory_mb, "language": spoken(),
    }  # fmt: skip
    last = {"unbegun": True}
    for start in (SPARE.take, start_process):  # the one that waits may have been killed meanwhile, which says nothing of the file
        if last.get("unbegun"):
            with _asked(start(), request) as process:
                last = _follow(process, on_progress, should_stop, seconds)
    return _result(last, folder, memory_mb=memory_mb, seconds=seconds)


def start_process() -> Process:
    """A process that reads the file that it is told of; see `child`."""
    command = [sys.executable, "-m", "app.reader.child"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment())


SPARE = Spare(start_process)


def environment() -> dict[str, str]:
    """The environment of the process: no secret, and one thread."""
    return {name: value for name, value in os.environ.items() if name in _KEPT} | {"OMP_NUM_THREADS": "1", "ARROW_NUM_THREADS": "1"}


@contextmanager
def _asked(process: Process, request: dict[str, Any]) -> Iterator[Process]:
    """The process, with its request; it is ended at the end."""
    assert process.stdin is not None
    with process:
        try:
            with suppress(BrokenPipeError):  # it has ended, which is seen where it is followed
                # Standard input stays open: when it closes, as by the end of this process, the other ends too.
                os.write(process.stdin.fileno(), json.dumps(request).encode() + b"\n")
            yield process
        finally:
            process.kill()


def _follow(
    process: Process, on_progress: Callable[[float], None], should_stop: Callable[[], bool], seconds: float
) -> dict[str, Any]:  # fmt: skip
    """The last line that the process writes; empty if it ended without one; or why it is not waited for."""
    begun = False
    for line in _lines(process, time.monotonic() + seconds):
        if should_stop():
            return {"stopped": True}
        begun = begun or "begun" in line
        if "progress" in line:
            on_progress(line["progress"])
        elif line and "begun" not in line:
            return line
    return {} if begun else {"unbegun": True}


def _lines(process: Process, deadline: float) -> Iterator[dict[str, Any]]:
    """The lines that a process writes; an empty one now and then, while it writes none."""
    assert process.stdout is not None
    left = b""
    with selectors.DefaultSelector() as written:
        written.register(process.stdout, selectors.EVENT_READ)
        while True:
            if time.monotonic() > deadline:
                yield {"late": True}
            if not written.select(_LOOKS):
                yield {}
                continue
            if not (data := os.read(process.stdout.fileno(), 65_536)):
                return
            *lines, left = (left + data).split(b"\n")
            yield from map(json.loads, lines)


def _result(last: dict[str, Any], folder: Path, *, memory_mb: int, seconds: float) -> Inspection:
    if last.get("done"):
        return load_inspection(folder)
    if "log" in last:
        _log.error("a file could not be read: %s", last["log"])
    if "error" in last:
        raise StudioError(last["error"])
    if last.get("stopped"):
        raise StoppedError(say("reader.stopped"))
    if last.get("late"):
        raise StudioError(say("reader.late", minutes=max(1, round(seconds / 60))))
    raise StudioError(say("reader.memory", limit=memory_mb))
