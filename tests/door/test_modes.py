"""Other users of the machine read nothing: of a new data folder, and of one that they could read before."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from storage import Storage
from storage.modes import make_private
from tests.ports import free_port
from tests.waiting import PATIENCE, until

pytestmark = pytest.mark.process
ROOT = Path(__file__).resolve().parents[2]


def open_to_others(folder):
    return sorted(str(path) for path in (folder, *folder.rglob("*")) if path.lstat().st_mode & 0o077 and not path.is_symlink())


@pytest.fixture
def old(tmp_path):
    """A data folder as it was left by an earlier version."""
    before = os.umask(0o022)
    try:
        storage = Storage(tmp_path / "data")
        storage.datasets.create(name="Rows", label="a.jsonl", shape="chats", rows=1, usable_rows=1, examples=b"{}\n")
        storage.close()
        for name in ("people.json", "web.log", "web.log.1", "studio.db-wal", "studio.db-journal", "uploads/a.csv", "mine.txt"):
            (tmp_path / "data" / name).write_text("x")
        (tmp_path / "elsewhere").write_text("x")
        (tmp_path / "data/uploads/link").symlink_to(tmp_path / "elsewhere")
    finally:
        os.umask(before)
    return tmp_path / "data"


def test_an_existing_folder_is_made_private_once_and_nothing_of_others_is_touched(old):
    assert len(open_to_others(old)) > 8
    assert make_private(old) > 8
    assert open_to_others(old) == [str(old / "mine.txt")]
    assert (old.parent / "elsewhere").stat().st_mode & 0o044
    assert make_private(old) == 0


def test_a_shared_folder_itself_stays_as_it_is(old):
    old.chmod(0o1777)
    make_private(old)
    assert stat.S_IMODE(old.stat().st_mode) == 0o1777
    assert (old / "studio.db").stat().st_mode & 0o077 == 0


def test_a_running_studio_writes_nothing_that_others_read(old):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "REFT_STUDIO_PORT": str(free_port())}
    (old / "mine.txt").unlink()
    command = [sys.executable, "-m", "app", "serve", "--data-dir", str(old)]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, umask=0o022)
    try:
        until(lambda: process.poll() is not None or "could read" in (old / "web.log").read_text(), "the log")
        until(lambda: process.poll() is not None or (old / "worker.sock").exists(), "the worker")
        assert process.poll() is None
        assert open_to_others(old) == []
        assert (old / "web.log").read_text().count("could read") == 1
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)
    assert open_to_others(old) == []


def test_a_command_writes_a_backup_for_its_user_alone(old, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "app", "backup", str(tmp_path / "backup.zip"), "--data-dir", str(old)]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, umask=0o022)
    assert stat.S_IMODE((tmp_path / "backup.zip").stat().st_mode) == 0o600
