"""``python -m tests.bugs``: put one bug after the other into a copy of this tree, and see whether its tests notice.

Prints a row for each. Ends with 1 if a bug is not noticed, or if one of the tests fails without any bug.
"""

import argparse
import importlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Queue

from tests.bugs.bugs import BUGS, Bug

ROOT = Path(__file__).resolve().parents[2]
_SLOW = ("torch", "transformers", "transformers.models.llama.modeling_llama", "gradio", "pandas", "alembic", "uvicorn", "pytest")
"""What takes long to import and is none of ours: imported once, here, and then had by every process that is forked."""
_OURS = ("app", "reft_engine", "storage", "tests", "benchmarks", "starter_training")
_SECONDS = 600
_PASSED, _FAILED = 0, 1
"""Exit codes of pytest."""


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def copy_tree(folder: Path) -> Path:
    """What git knows of this tree, as it stands now."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    return folder


class Place:
    """A copy of the tree that bugs are put into, one at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = copy_tree(folder)
        self._changed = int(time.time())

    def run(self, tests: Sequence[str], *options: str, seconds: float = _SECONDS) -> tuple[int, str]:
        """Exit code of pytest on these tests in the copy, and the end of what it said; -1 where it came to no end."""
        said = self.folder.parent / f"{self.folder.name}.txt"
        child = os.fork()
        if child == 0:
            self._become_pytest(tests, options, said)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                return os.waitstatus_to_exitcode(status), said.read_text(errors="replace")[-2000:]
            time.sleep(0.05)
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return -1, f"no end after {seconds:.0f} s"

    def _become_pytest(self, tests: Sequence[str], options: Sequence[str], said: Path) -> None:
        """Of the forked process, which never returns."""
        code = 70
        try:
            os.setsid()
            output = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            for stream in (1, 2):
                os.dup2(output, stream)
            os.chdir(self.folder)
            os.environ["PYTHONPATH"] = str(self.folder)  # of the processes that tests start
            sys.path[:] = [str(self.folder), *(path for path in sys.path if path and Path(path).resolve() != ROOT)]
            for name in [name for name in sys.modules if name.partition(".")[0] in _OURS]:
                del sys.modules[name]
            importlib.invalidate_caches()
            found = Path(str(importlib.import_module("app").__file__))
            assert found.is_relative_to(self.folder), f"{found} is not of the copy"
            code = int(importlib.import_module("pytest").main([*options, "-q", "-p", "no:cacheprovider", *tests]))
        finally:
            sys.stdout.flush()
            os._exit(code)

    @contextmanager
    def spoilt(self, bug: Bug) -> Iterator[None]:
        """The copy with the bug in it."""
        path = self.folder / bug.file
        whole = path.read_text(encoding="utf-8")
        assert whole.count(bug.text) == 1, f"{bug.name}: its text occurs {whole.count(bug.text)} times in {bug.file}"
        try:
            self._write(path, whole.replace(bug.text, bug.instead))
            yield
        finally:
            self._write(path, whole)

    def _write(self, path: Path, text: str) -> None:
        path.write_text(text, encoding="utf-8")
        self._changed += 2  # compiled files are known by whole seconds
        os.utime(path, (self._changed, self._changed))


def hunt(bugs: Iterable[Bug], places: Sequence[Place]) -> Iterator[tuple[Bug, int, str]]:
    """Each bug with what its tests ended with, as many at a time as there are places, in the order of the list."""
    free: Queue[Place] = Queue()
    for place in places:
        free.put(place)

    def look(bug: Bug) -> tuple[Bug, int, str]:
        place = free.get()
        try:
            with place.spoilt(bug):
                return bug, *place.run(bug.tests, "-x")
        finally:
            free.put(place)

    with ThreadPoolExecutor(len(places)) as pool:
        yield from pool.map(look, bugs)


def main() -> int:
    """Print the table as it grows."""
    names = {bug.name: bug for bug in BUGS}
    parser = argparse.ArgumentParser(prog="python -m tests.bugs", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(names), default=list(names), metavar="NAME", help="these alone")
    parser.add_argument("--jobs", type=int, default=1, help="how many at a time")
    parser.add_argument("--list", action="store_true", help="list the bugs, and do nothing")
    options = parser.parse_args()
    bugs = [names[name] for name in options.only]
    if options.list:
        for bug in bugs:
            _print(f"{bug.name}  ({bug.file})")
        return 0
    for name in _SLOW:
        importlib.import_module(name)
    survived: list[tuple[Bug, int, str]] = []
    with tempfile.TemporaryDirectory(prefix="bugs-") as folder:
        places = [Place(Path(folder) / str(number)) for number in range(max(1, options.jobs))]
        wanted = list(dict.fromkeys(test for bug in bugs for test in bug.tests))
        code, said = places[0].run(wanted, seconds=_SECONDS + 20 * len(wanted))
        if code != _PASSED:
            _print(f"Without any bug the tests do not pass:\n{said}")
            return 1
        _print("| bug | file | noticed by | |\n|---|---|---|---|")
        for bug, code, said in hunt(bugs, places):
            caught = code == _FAILED
            tests = "<br>".join(test.partition("tests/")[2] for test in bug.tests)
            _print(f"| {bug.name} | {bug.file} | {tests} | {'caught' if caught else 'NOT caught'} |")
            survived += [] if caught else [(bug, code, said)]
    _print(f"\n{len(bugs) - len(survived)} of {len(bugs)} bugs were caught.")
    for bug, code, said in survived:
        _print(f"\n{bug.name}: pytest ended with {code}.\n{said if code != _PASSED else 'All its tests passed.'}")
    return int(bool(survived))


if __name__ == "__main__":
    sys.exit(main())
