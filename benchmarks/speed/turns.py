"""The parent's side: starts every contender in a process of its own and lets them work in turns."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.speed.work import Contender, Job

_ROOT = Path(__file__).resolve().parents[2]


@dataclass(slots=True)
class Found:
    """What one contender gave: ``rounds`` hold the mean of each value over a round's steps, ``memory`` the highest."""

    key: str
    title: str
    missing: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    rounds: list[dict[str, float]] = field(default_factory=list)
    memory: list[dict[str, float]] = field(default_factory=list)


class Child:
    """A contender's process."""

    def __init__(self, job: Job, python: str) -> None:
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            [python, "-m", "benchmarks.speed.child", json.dumps(job.plain())],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True, cwd=_ROOT, env=_environment(job.threads),
        )  # fmt: skip

    def read(self) -> dict[str, Any]:
        """The next line that it says; where it has broken off, its last complaint as ``missing``."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            return {"missing": f"broke off: {self._complaint()}"}
        values: dict[str, Any] = json.loads(line)
        return values

    def _complaint(self) -> str:
        """The last line of its standard error, which is shown whole here."""
        self._process.wait()
        self._errors.seek(0)
        said = self._errors.read().strip()
        sys.stderr.write(said + "\n")
        return said.splitlines()[-1][:200] if said else f"exit code {self._process.returncode}"

    def ask(self, what: str) -> dict[str, Any]:
        """Ask for a step and wait for it."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(what + "\n")
            self._process.stdin.flush()
        return self.read()

    def close(self) -> None:
        """Let it end."""
        with suppress(BrokenPipeError):
            try:
                self._process.communicate(timeout=30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.communicate()
        self._errors.close()


def _environment(threads: int) -> dict[str, str]:
    # Threads that spin while they wait would slow down whoever's turn it is; who wants them to can say so.
    waiting = {"OMP_WAIT_POLICY": "PASSIVE"}
    given = {"OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "PYTHONPATH": str(_ROOT)}
    return {**waiting, **os.environ, **given}


@contextmanager
def _started(contenders: Sequence[Contender], jobs: Mapping[str, Job], homes: Mapping[str, str]) -> Iterator[dict[str, Child]]:
    children: dict[str, Child] = {}
    try:
        for contender in contenders:
            children[contender.key] = Child(jobs[contender.key], homes.get(contender.home, sys.executable))
        yield children
    finally:
        for child in children.values():
            child.close()


def said(job: Job) -> dict[str, Any]:
    """What a process of this Python says once it is ready."""
    child = Child(job, sys.executable)
    try:
        return child.read()
    finally:
        child.close()


def measure(
    contenders: Sequence[Contender], jobs: Mapping[str, Job], homes: Mapping[str, str], *, rounds: int, steps: int = 1, memory: int = 0
) -> list[Found]:
    """Let all contenders make ``steps`` steps a round, a step each in turn.

    A first round is not counted. ``rounds`` are timed; in ``memory`` more of them memory is measured and time is not.
    """
    found = {contender.key: Found(contender.key, contender.title) for contender in contenders}
    with _started(contenders, jobs, homes) as children:
        for key, child in children.items():
            found[key].facts = child.read()
            found[key].missing = found[key].facts.pop("missing", "")
        turns = _Turns({key: child for key, child in children.items() if not found[key].missing}, found, steps)
        turns.round("step")
        for _ in range(rounds):
            for key, values in turns.round("step").items():
                found[key].rounds.append({name: mean(each[name] for each in values) for name in values[0]})
        for _ in range(memory):
            for key, values in turns.round("memory").items():
                found[key].memory.append({name: max(each[name] for each in values) for name in values[0] if values[0][name] is not None})
    return list(found.values())


class _Turns:
    """Goes round those who still work."""

    def __init__(self, working: dict[str, Child], found: Mapping[str, Found], steps: int) -> None:
        self._working, self._found, self._steps, self._first = working, found, steps, 0

    def round(self, what: str) -> dict[str, list[dict[str, Any]]]:
        """What each says of its steps; who breaks off takes no further part."""
        said: dict[str, list[dict[str, Any]]] = {key: [] for key in self._working}
        # Another one begins each round, so that nobody always follows the same neighbour's wake.
        self._first += 1
        for _ in range(self._steps):
            keys = list(self._working)
            at = self._first % max(len(keys), 1)
            for key in (*keys[at:], *keys[:at]):
                values = self._working[key].ask(what)
                if "missing" in values:
                    self._found[key].missing = values["missing"]
                    del self._working[key], said[key]
                else:
                    said[key].append(values)
        return said
