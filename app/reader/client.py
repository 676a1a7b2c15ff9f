"""Starts the process that reads a file, follows it, and ends one that takes too long, too much, or is no longer wanted."""

import json
import logging
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from app.choices import Choices
from app.errors import StudioError
from app.words import say, spoken
from reft_engine.data import HubDataset, HubFile, HubRows, Inspection, load_inspection

_log = logging.getLogger("reft_studio.reader")
MEMORY_MB, SECONDS = 2_000, 1_800
"""Limits of one file: megabytes of the process that reads it, and seconds until it is ended."""
_KEPT = ("PATH", "LANG", "LC_ALL", "HOME", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "SYSTEMROOT")
"""Variables that the process gets; it gets no secret."""
HUB_SECONDS, HUB_ROWS_SECONDS = 60, 900
"""Seconds until a request to the Hub is ended: for what there is, and for rows."""
_HUB_KEPT = (
    "HF_ENDPOINT", "HF_HOME", "HF_TOKEN", "HF_TOKEN_PATH", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", *(f"{name}_proxy" for name in ("http", "https", "all", "no")),
    *(f"{name}_PROXY" for name in ("HTTP", "HTTPS", "ALL", "NO")),
)  # fmt: skip
"""Variables that it gets besides when it asks the Hub: the way there, and the token."""


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
    last, late = _ask(request, environment(), on_progress, should_stop, seconds)
    return _result(last, folder, late=late, memory_mb=memory_mb, seconds=seconds)


def look_at_hub_in_process(name: str, folder: Path, *, memory_mb: int = MEMORY_MB, seconds: float = HUB_SECONDS) -> HubDataset:
    """The configs and splits of a dataset of the Hub; what its library keeps goes into ``folder``. Raises StudioError."""
    done = _ask_hub({"hub": name}, folder, lambda share: None, memory_mb, seconds)
    return HubDataset(**{**done, "splits": {config: tuple(splits) for config, splits in done["splits"].items()}})


def fetch_rows_in_process(
    name: str, rows: HubRows, folder: Path, size: int, on_progress: Callable[[float], None] = lambda share: None,
    *, memory_mb: int = MEMORY_MB, seconds: float = HUB_ROWS_SECONDS,
) -> HubFile:  # fmt: skip
    """Stream rows of a dataset of the Hub into a file of at most ``size`` bytes in ``folder``. Raises StudioError."""
    done = _ask_hub({"hub": name, "rows": asdict(rows), "size": size}, folder, on_progress, memory_mb, seconds)
    return HubFile(**{**done, "path": Path(done["path"]), "notes": tuple(done["notes"])})


def _ask_hub(asked: dict[str, Any], folder: Path, on_progress: Callable[[float], None], memory_mb: int, seconds: float) -> dict[str, Any]:
    request = {**asked, "folder": str(folder), "memory_mb": memory_mb, "language": spoken()}
    cache = folder / "cache"
    last, late = _ask(request, hub_environment(cache), on_progress, lambda: False, seconds)
    shutil.rmtree(cache, ignore_errors=True)
    if isinstance(done := last.get("done"), dict):
        return done
    sentence = say("reader.hub_late", seconds=round(seconds)) if late else say("reader.memory", limit=memory_mb)
    raise StudioError(_why(last) or sentence)


def hub_environment(cache: Path) -> dict[str, str]:
    """As `environment`, with what is needed to ask the Hub, whose library keeps its files in ``cache``."""
    more = {name: value for name, value in os.environ.items() if name in _HUB_KEPT}
    return {**environment(), **more, "HF_HUB_CACHE": str(cache), "HF_DATASETS_CACHE": str(cache), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}


def _ask(
    request: dict[str, Any],
    variables: dict[str, str],
    on_progress: Callable[[float], None],
    should_stop: Callable[[], bool],
    seconds: float,
) -> tuple[dict[str, Any], bool]:
    """The last line that the process writes, and whether it was ended because it was late."""
    command = [sys.executable, "-m", "app.reader.child"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=variables, encoding="utf-8"
    ) as process:
        timer = threading.Timer(seconds, process.kill)
        timer.start()
        try:
            last = _follow(process, request, on_progress, should_stop)
        finally:
            late = not timer.is_alive()
            timer.cancel()
            process.kill()
    return last, late


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
    sentence = say("reader.late", minutes=max(1, round(seconds / 60))) if late else say("reader.memory", limit=memory_mb)
    raise StudioError(_why(last) or sentence)


def _why(last: dict[str, Any]) -> str:
    """The sentence with which the process has ended; empty if it had none."""
    if "log" in last:
        _log.error("a file could not be read: %s", last["log"])
    return say("reader.stopped") if last.get("stopped") else str(last.get("error", ""))
