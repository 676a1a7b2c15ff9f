"""Runs strangers' chat templates in processes with limits of memory and time, one of which is kept warm. Imports no torch.

A template can loop without writing, or double a text: no sandbox within a process ends that. So it is ended from outside.
"""

import atexit
import hashlib
import json
import os
import selectors
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jinja2 import TemplateError

from reft_engine.base.sandbox import ENDLESS

AT_ONCE, OF_ONE_TEMPLATE = 3, 2
"""Processes that run at once, and those that run one template: the others are for whoever uses another."""
MEMORY_MB = 160
"""Megabytes of one process."""
LONGEST = 10_000_000
"""Characters of a conversation."""
_SMALL = 20_000
"""Characters of a conversation that any honest template writes at once."""
_REST_SECONDS = 60.0
"""Seconds for which a template that did not come to an end of a small conversation is refused without a trial."""
_KEPT = ("PATH", "LANG", "LC_ALL", "HOME", "PYTHONPATH", "VIRTUAL_ENV", "SYSTEMROOT")
"""Variables that the process gets; it gets no secret."""
_Process = subprocess.Popen[bytes]


class _EndedError(Exception):
    """The process has ended without an answer."""


class Rendering:
    """Has templates run by a few processes; whoever comes when all are at work waits."""

    def __init__(self, at_once: int = AT_ONCE, of_one: int = OF_ONE_TEMPLATE, memory_mb: int = MEMORY_MB) -> None:
        self._at_once, self._of_one, self._memory_mb = at_once, of_one, memory_mb
        self._changed = threading.Condition()
        self._working: Counter[str] = Counter()
        self._resting: dict[str, float] = {}
        self._warm: _Process | None = None

    def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        """What `render_child` answers to a request, in at most so many seconds. Raises TemplateError for what it refuses, or the limits."""
        template, size = request["template"], sum(len(each["content"]) for each in request.get("messages", ()))
        if size + len(template) > LONGEST:
            raise TemplateError("the conversation is too long for it")
        key = hashlib.sha256(template.encode("utf-8", "surrogatepass")).hexdigest()
        with self._turn(key):
            answer = self._answer({**request, "seconds": seconds}, seconds, 12 * request["limit"] + 100_000)
            if answer is None:
                if size <= _SMALL:
                    self._rest(key)
                raise TemplateError(ENDLESS)
        if "error" in answer:
            raise TemplateError(answer["error"])
        return answer

    @contextmanager
    def _turn(self, key: str) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: self._is_resting(key) or self._has_room(key))
            if self._is_resting(key):
                raise TemplateError(ENDLESS)
            self._working[key] += 1
        try:
            yield
        finally:
            with self._changed:
                self._working[key] -= 1
                self._working += Counter()  # without those of which none is at work
                self._changed.notify_all()

    def _has_room(self, key: str) -> bool:
        return self._working.total() < self._at_once and self._working[key] < self._of_one

    def _is_resting(self, key: str) -> bool:
        return time.monotonic() < self._resting.get(key, 0.0)

    def _rest(self, key: str) -> None:
        with self._changed:
            now = time.monotonic()
            self._resting = {each: until for each, until in self._resting.items() if until > now} | {key: now + _REST_SECONDS}

    def _answer(self, request: dict[str, Any], seconds: float, most: int) -> dict[str, Any] | None:
        """The answer of a process; None if it took too long, or wrote too much."""
        data = json.dumps(request).encode() + b"\n"
        for process in (self._take(), None):  # the warm one may have been killed meanwhile, which says nothing of the template
            process = process or self._start()
            try:
                answer = _exchange(process, data, seconds, most)
            except _EndedError:
                _end(process)
                continue
            except BaseException:
                _end(process)
                raise
            if answer is None or answer.get("ends"):
                _end(process)
            else:
                self._keep(process)
            return answer
        return {"error": "it needs too much memory"}

    def _take(self) -> _Process | None:
        with self._changed:
            taken, self._warm = self._warm, None
        return taken

    def _keep(self, process: _Process) -> None:
        with self._changed:
            spare, self._warm = self._warm, process
        if spare:
            _end(spare)

    def _start(self) -> _Process:
        command = [sys.executable, "-m", "reft_engine.base.render_child", str(self._memory_mb)]
        environment = {name: value for name, value in os.environ.items() if name in _KEPT}
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)
        assert process.stdin is not None
        os.set_blocking(process.stdin.fileno(), False)
        return process

    def close(self) -> None:
        """End the process that is kept warm; the next use starts another."""
        if process := self._take():
            _end(process)


def _exchange(process: _Process, data: bytes, seconds: float, most: int) -> dict[str, Any] | None:
    """Write a request and read its answer; None after so many seconds, or more than ``most`` bytes."""
    assert process.stdin is not None and process.stdout is not None
    left, answer, deadline = memoryview(data), bytearray(), time.monotonic() + seconds
    with selectors.DefaultSelector() as ready:
        ready.register(process.stdin, selectors.EVENT_WRITE)
        ready.register(process.stdout, selectors.EVENT_READ)
        while len(answer) <= most and (remaining := deadline - time.monotonic()) > 0:
            for key, _ in ready.select(remaining):
                if key.fileobj is process.stdin:
                    left = left[_write(process.stdin.fileno(), left) :]
                    if not left:
                        ready.unregister(process.stdin)
                    continue
                if not (read := os.read(process.stdout.fileno(), 65_536)):
                    raise _EndedError
                answer += read
            if answer.endswith(b"\n"):
                line: dict[str, Any] = json.loads(answer)
                return line
    return None


def _write(handle: int, data: memoryview) -> int:
    try:
        return os.write(handle, data)
    except BlockingIOError:
        return 0
    except BrokenPipeError as error:
        raise _EndedError from error


def _end(process: _Process) -> None:
    process.kill()
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        pipe.close()
    process.wait()


RENDERING = Rendering()
"""The processes of this program."""
atexit.register(RENDERING.close)
