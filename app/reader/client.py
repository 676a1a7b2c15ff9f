"""Starts the process that reads a file, follows it, and ends one that takes too long, too much, or is no longer wanted."""

import json
import logging
import math
import os
import selectors
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from app.bases.facts import BaseFacts
from app.choices import Choices
from app.errors import StoppedError, StudioError
from app.fair_turns import FairTurns
from app.people.visitor import asker
from app.reader.spare import Process, Spare
from app.words import say, spoken
from reft_engine.data import FilePrompt, FilePrompts, HubDataset, HubFile, HubRows, Inspection, Message, Problem, load_inspection

_log = logging.getLogger("reft_studio.reader")
MEMORY_MB, SECONDS = 2_000, 1_800
"""Limits of one file: megabytes of the process that reads it, and seconds until it is ended."""
PROMPT_SECONDS = 120
"""Seconds until the reading of a file of prompts is ended: a person waits for it."""
_KEPT = ("PATH", "LANG", "LC_ALL", "HOME", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "SYSTEMROOT")
"""Variables that the process gets; it gets no secret."""
_PROMPTS_WAITING = 20
"""Files of prompts that may wait to be read."""
HUB_SECONDS, HUB_ROWS_SECONDS = 60, 900
"""Seconds until a request to the Hub is ended: for what there is, and for rows."""
_HUB_KEPT = (
    "HF_ENDPOINT", "HF_HOME", "HF_TOKEN", "HF_TOKEN_PATH", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", *(f"{name}_proxy" for name in ("http", "https", "all", "no")),
    *(f"{name}_PROXY" for name in ("HTTP", "HTTPS", "ALL", "NO")),
)  # fmt: skip
"""Variables that it gets besides when it asks the Hub: the way there, and the token."""
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
    return _result(_last(request, on_progress, should_stop, seconds), folder, memory_mb=memory_mb, seconds=seconds)


_PROMPTS = FairTurns(2)
"""Who may have a file of prompts read: two at once, one for each asker; a bounded number waits, each at most as long as those before."""


def read_prompts_in_process(
    path: Path, *, lines: bool, most: int, limits: dict[str, int], memory_mb: int = MEMORY_MB, seconds: float = PROMPT_SECONDS
) -> FilePrompts:  # fmt: skip
    """The prompts of a file; see `reft_engine.data.read_prompts`, whose ``limits`` are those of these names. Raises StudioError."""
    asked = {"lines": lines, "most": most, "limits": limits}
    request = {"path": str(path), "prompts": asked, "memory_mb": memory_mb, "language": spoken()}
    if _PROMPTS.waiting() >= _PROMPTS_WAITING:
        raise StudioError(say("reader.busy"))
    with _PROMPTS.turn(asker(), lambda: False):
        last = _last(request, lambda share: None, lambda: False, seconds)
    if not isinstance(done := last.get("done"), dict):
        raise _error(last, say("reader.late", minutes=max(1, round(seconds / 60))), memory_mb)
    prompts = tuple(
        FilePrompt(each["line"], tuple(Message(**message) for message in each["messages"]), each["expected"]) for each in done["prompts"]
    )
    problems = tuple(Problem(**each) for each in done["problems"])
    return FilePrompts(prompts, done["found"], done["left_out"], problems, tuple(done["asked"]), done["answered"])


def _last(request: dict[str, Any], on_progress: Callable[[float], None], should_stop: Callable[[], bool], seconds: float) -> dict[str, Any]:
    """The last line of a process that is asked to read a file, as `_follow` has it."""
    last = {"unbegun": True}
    for start in (SPARE.take, start_process):  # the one that waits may have been killed meanwhile, which says nothing of the file
        if last.get("unbegun"):
            with _asked(start(), request) as process:
                last = _follow(process, on_progress, should_stop, seconds)
    return last


def start_process(variables: dict[str, str] | None = None) -> Process:
    """A process that reads the file that it is told of, see `child`; with other variables than those of `environment`, if any."""
    command = [sys.executable, "-m", "app.reader.child"]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=variables or environment()
    )


SPARE = Spare(start_process)


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


def look_at_base_in_process(name: str, folder: Path, *, memory_mb: int = MEMORY_MB, seconds: float = HUB_SECONDS) -> BaseFacts:
    """What the Hub says of a base model; what its library keeps goes into ``folder``, which is removed. Raises StudioError."""
    try:
        done = _ask_hub({"base": name}, folder, lambda share: None, memory_mb, seconds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return BaseFacts(**{**done, "languages": tuple(done["languages"])})


def fetch_base_in_process(
    name: str, commit: str, cache: Path, on_progress: Callable[[int], None], should_stop: Callable[[], bool], *, memory_mb: int = MEMORY_MB,
) -> None:  # fmt: skip
    """Fetch the files of a base model into the Hub's cache; see `app.bases.hub.fetch_base`. Raises StoppedError, StudioError."""
    request = {"base": name, "commit": commit, "cache": str(cache), "memory_mb": memory_mb, "language": spoken()}
    with _asked(start_process(hub_environment(cache)), request) as process:
        last = _follow(process, lambda count: on_progress(int(count)), should_stop, math.inf)
    if not last.get("done"):
        raise _error(last, say("bases.interrupted"), memory_mb)


def _ask_hub(asked: dict[str, Any], folder: Path, on_progress: Callable[[float], None], memory_mb: int, seconds: float) -> dict[str, Any]:
    request = {**asked, "folder": str(folder), "memory_mb": memory_mb, "language": spoken()}
    cache = folder / "cache"
    with _asked(start_process(hub_environment(cache)), request) as process:
        last = _follow(process, on_progress, lambda: False, seconds)
    shutil.rmtree(cache, ignore_errors=True)
    if isinstance(done := last.get("done"), dict):
        return done
    raise _error(last, say("reader.hub_late", seconds=round(seconds)), memory_mb)


def hub_environment(cache: Path) -> dict[str, str]:
    """As `environment`, with what is needed to ask the Hub, whose library keeps its files in ``cache``."""
    more = {name: value for name, value in os.environ.items() if name in _HUB_KEPT}
    return {**environment(), **more, "HF_HUB_CACHE": str(cache), "HF_DATASETS_CACHE": str(cache), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}


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
    raise _error(last, say("reader.late", minutes=max(1, round(seconds / 60))), memory_mb)


def _error(last: dict[str, Any], late: str, memory_mb: int) -> StudioError:
    """Why a process has not done what it was asked, by its last line; ``late`` is what is said of one that took too long."""
    if "log" in last:
        _log.error("a file could not be read: %s", last["log"])
    if "error" in last:
        return StudioError(last["error"])
    if last.get("stopped"):
        return StoppedError(say("reader.stopped"))
    return StudioError(late if last.get("late") else say("reader.memory", limit=memory_mb))
