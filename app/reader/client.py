"""Starts the process that reads a file, follows it, and ends one that takes too long, too much, or is no longer wanted."""

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.choices import Choices
from app.errors import StudioError
from app.words import say, spoken
from reft_engine.data import Inspection, load_inspection

_log = logging.getLogger("reft_studio.reader")
MEMORY_MB, SECONDS = 2_000, 1_800
"""Limits of one file: megabytes of the process that reads it, and seconds until it is ended."""
_KEPT = ("PATH", "LANG", "LC_ALL", "HOME", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "SYSTEMROOT")
"""Variables that the process gets; it gets no secret."""


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
        should_stop: asked at each progress; ends the reading.
        memory_mb: maximum megabytes of the process.
        seconds: maximum seconds.

    Raises:
        StudioError: the file cannot be read, and why; or the reading was ended.
    """
    request = {
        "path": str(path), "folder": str(folder), "choices": choices.as_data(), "memory_mb": memory_mb, "language": spoken(),
    }  # fmt: skip
    command = [sys.executable, "-m", "app.reader.child"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment(), encoding="utf-8"
    ) as process:
        timer = threading.Timer(seconds, process.kill)
        timer.start()
        try:
            last = _follow(process, request, on_progress, should_stop)
        finally:
            late = not timer.is_alive()
            timer.cancel()
            process.kill()
    return _result(last, folder, late=late, memory_mb=memory_mb, seconds=seconds)


def environment() -> dict[str, str]:
    """The environment of the process: no secret, and one thread."""
    return {name: value for name, value in os.environ.items() if name in _KEPT} | {"OMP_NUM_THREADS": "1", "ARROW_NUM_THREADS": "1"}


def _follow(
    process: "subprocess.Popen[str]", request: dict[str, Any], on_progress: Callable[[float], None], should_stop: Callable[[], bool]
) -> dict[str, Any]:
    """The last line that the process writes; empty if it ended without one."""
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.close()
    except BrokenPipeError:
        return {}
    for text in process.stdout:
        line: dict[str, Any] = json.loads(text)
        if "progress" not in line:
            return line
        if should_stop():
            return {"stopped": True}
        on_progress(line["progress"])
    return {}


def _result(last: dict[str, Any], folder: Path, *, late: bool, memory_mb: int, seconds: float) -> Inspection:
    if last.get("done"):
        return load_inspection(folder)
    if "log" in last:
        _log.error("a file could not be read: %s", last["log"])
    if "error" in last:
        raise StudioError(last["error"])
    if last.get("stopped"):
        raise StudioError(say("reader.stopped"))
    raise StudioError(say("reader.late", minutes=max(1, round(seconds / 60))) if late else say("reader.memory", limit=memory_mb))
