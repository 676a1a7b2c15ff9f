"""The README's lines, each as it is printed, in the order in which a reader meets them."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from app.cli import main
from storage import Storage
from tests.needed import missing
from tests.ports import free_port
from tests.test_packaging import APP, WITHOUT
from tests.waiting import PATIENCE, until

pytestmark = pytest.mark.process

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(sh|python)\n(.*?)```", README, re.DOTALL)
LINES = [line for kind, block in BLOCKS if kind == "sh" for line in block.splitlines()]


@pytest.fixture
def clone(tmp_path):
    """A folder that reads like a clone after `make run` has installed; what is made in it stays in it."""
    if sys.prefix == sys.base_prefix:
        missing("the README's lines want a virtual environment, as `make test` makes one")
    folder = tmp_path / "clone"
    folder.mkdir()
    for entry in ROOT.iterdir():
        if entry.name not in (".venv", "data", "build", ".git"):
            (folder / entry.name).symlink_to(entry)
    (folder / ".venv").mkdir()
    for entry in Path(sys.prefix).iterdir():
        (folder / ".venv" / entry.name).symlink_to(entry)
    for name in ("installed", "tested"):
        (folder / ".venv" / name).unlink(missing_ok=True)
        (folder / ".venv" / name).touch()
    return folder


@pytest.fixture
def home(tmp_path):
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def environment(home, **more):
    """Of somebody who has set up nothing."""
    kept = {name: os.environ[name] for name in ("LANG", "TMPDIR", "OMP_NUM_THREADS") if name in os.environ}
    path = os.pathsep.join(each for each in os.environ["PATH"].split(os.pathsep) if Path(each) != Path(sys.prefix) / "bin")
    return {"PATH": path, "HOME": str(home), "HF_HUB_OFFLINE": "1", **kept, **more}


def shell(script, cwd, given, **options):
    return subprocess.run(["bash", "-ec", script], cwd=cwd, env=given, capture_output=True, text=True, timeout=4 * PATIENCE, **options)


@pytest.fixture
def command(clone, home, monkeypatch, capsys):
    """A line as that same person gives it, in this process, which has read the libraries already; gives what it says."""
    for name in [name for name in os.environ if name.startswith("REFT_STUDIO_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(clone)

    def run(line):
        program, *arguments = shlex.split(line, comments=True)
        assert program == "reft-studio" and main(arguments) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    return run


class Served:
    """`make run` and its like, until Ctrl+C."""

    def __init__(self, line, cwd, given):
        self.output = cwd / "output.txt"
        with self.output.open("w") as written:
            command = ["bash", "-c", f"exec {line}"]
            self.process = subprocess.Popen(command, cwd=cwd, env=given, stdout=written, stderr=written, start_new_session=True)

    def answers(self, port):
        until(lambda: "is ready: " in self.output.read_text() or self.process.poll() is not None, "the first page")
        assert f"ReFT Studio is ready: http://127.0.0.1:{port} " in self.output.read_text(), self.output.read_text()
        return httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=PATIENCE).json()["status"] == "ok"

    def end(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(timeout=PATIENCE)
        assert "Traceback" not in self.output.read_text()


def serves(line, cwd, given, port):
    served = Served(line, cwd, given)
    try:
        assert served.answers(port)
    finally:
        served.end()


def test_every_line_of_a_shell_block_is_run_by_a_test_of_this_file():
    assert set(LINES) == {"make run", "make check", "make test", "make test-long", PART, *WITHOUT_MAKE, *COMMANDS, AFTER_PYTHON}


WITHOUT_MAKE = ["python3 -m venv .venv", ".venv/bin/pip install -c constraints.txt -e '.[app]'", ".venv/bin/reft-studio serve"]
(COMMANDS,) = [block.splitlines() for kind, block in BLOCKS if kind == "sh" and block.startswith("source ")]
(AFTER_PYTHON,) = [line for line in LINES if "my-adapter" in line]
PART = ".venv/bin/python -m pytest tests/reft_engine -k positions"


def test_make_run_serves_the_pages_on_the_port_and_with_the_data_folder_that_are_named(clone, home):
    told = shell("make --dry-run run", clone, environment(home))
    assert told.stdout.splitlines()[-1].strip() == WITHOUT_MAKE[-1], "with no more than its name it is what there is without make"
    assert "`make run PORT=7861`" in README and "`make run DATA=~/studio`" in README
    port = free_port()
    serves(f"make run PORT={port} DATA=~/studio", clone, environment(home), port)
    assert (home / "studio" / "studio.db").is_file()


def test_the_commands_do_what_they_are_there_for(clone, home, command):
    activated, first, *more = COMMANDS
    done = shell(f"{activated}\n{first}", clone, environment(home))
    assert done.returncode == 0, done.stderr
    assert "prompts with answers" in done.stdout
    said = "".join(map(command, more))
    size = re.search(r"trained parameters, (\d+) kB, written to my-run/adapter", said)[1]
    assert 90 <= int(size) <= 110 and "download the result: about 100 kB" in README
    assert re.search(r"^base: .+\ntuned: .+$", said, re.MULTILINE)
    assert re.search(r"^tuned +loss \d", said, re.MULTILINE)
    assert {path.name for path in clone.iterdir() if not path.is_symlink()} == {".venv", "my-run", "my-sweep"}


def test_the_library_trains_and_answers_without_what_only_the_app_needs(clone, home, command):
    """Its lines of Python want what `pip install reft-studio` brings and no more; the studio's command reads what they save."""
    (python,) = [block for kind, block in BLOCKS if kind == "python"]
    lacking = WITHOUT.format(names=[*APP, "app", "storage"])
    done = shell(f"{COMMANDS[0]}\npython - <<'END'\n{lacking}{python}END", clone, environment(home))
    assert done.returncode == 0, done.stderr
    assert "['4 plus 4 is 8.', '4 PLUS 4 IS 8.']" in done.stdout
    assert command(AFTER_PYTHON).rstrip().endswith("tuned: 4 PLUS 4 IS 8.")
    assert {path.name for path in clone.iterdir() if not path.is_symlink()} == {".venv", "my-adapter"}


def test_the_commands_of_the_hosting_guide_do_what_they_are_there_for(clone, command):
    guide = (ROOT / "docs" / "hosting.md").read_text(encoding="utf-8")
    (block,) = [block for block in re.findall(r"```sh\n(.*?)```", guide, re.DOTALL) if "doctor" in block]
    Storage(clone / "data").close()
    said = "".join(map(command, block.splitlines()))
    assert said.count("All is in order.") == 2 and (clone / "new" / "studio.db").is_file()


def test_without_make_it_is_three_lines(clone, home):
    """With the packages of this environment in place of a download of gigabytes."""
    shutil.rmtree(clone / ".venv")
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    given = environment(home, PIP_NO_DEPS="1", PIP_NO_BUILD_ISOLATION="0", PYTHONPATH=packages)
    for line in WITHOUT_MAKE[:2]:
        done = shell(line, clone, given)
        assert done.returncode == 0, done.stderr
    port = free_port()
    serves(WITHOUT_MAKE[2], clone, {**given, "REFT_STUDIO_PORT": str(port)}, port)  # the usual port may be somebody else's
    assert (clone / "data" / "studio.db").is_file()


def test_make_test_is_what_ci_runs_and_each_of_its_steps_is_there(clone, home):
    assert (ROOT / ".ci" / "run").read_text().rstrip().endswith("\nmake test")
    for command, chosen in (("check", " -m unit"), ("test", ""), ("test-long", " -m long")):
        told = shell(f"make --dry-run {command}", clone, environment(home))
        assert told.returncode == 0, told.stderr
        steps = told.stdout.splitlines()
        tests = steps[-1].removeprefix(".venv/bin/python -m pytest")
        assert tests != steps[-1] and tests.endswith(chosen) and (" -m " in tests) is bool(chosen), "all, or those of one kind"
        if command != "test-long":
            assert set(steps) >= LINT


LINT = {".venv/bin/ruff format --check .", ".venv/bin/ruff check .", ".venv/bin/mypy", ".venv/bin/lint-imports"}


def test_a_part_of_the_tests_can_be_run_alone(clone, home, collected):
    """A run of all tests has collected that part already; another has it collected by a run of its own."""
    folder, word = PART.removeprefix(".venv/bin/python -m pytest ").split(" -k ")
    if not any(name.startswith(f"{folder}/") for name in collected):
        done = shell(f"{PART} --collect-only -q", clone, environment(home))
        assert done.returncode == 0, done.stdout + done.stderr
        collected = done.stdout.splitlines()
    assert len([name for name in collected if name.startswith(f"{folder}/") and word in name]) > 10
