"""Writing whole files, by the engine and by the storage, which do the same and do not know each other."""

import inspect
import os
import stat
from pathlib import Path

import pytest

import reft_engine.formats.atomic
import storage.files
from storage import Storage
from storage.upkeep import write_backup

BOTH = [reft_engine.formats.atomic, storage.files]


@pytest.fixture(params=BOTH, ids=lambda module: module.__name__)
def write(request):
    return request.param.write_atomic


@pytest.fixture
def done(monkeypatch):
    """What is flushed and renamed, in order, by name."""
    found, flush, rename = [], os.fsync, Path.replace

    def fsync(descriptor):
        name = Path(f"/proc/self/fd/{descriptor}").readlink().name
        found.append(("flush", ".writing" if name.startswith(".writing-") else name))
        flush(descriptor)

    def replace(path, target):
        found.append(("rename", Path(target).name))
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    return found


def test_a_file_is_flushed_before_it_gets_its_name_and_its_folder_after(write, done, tmp_path):
    (tmp_path / "folder").mkdir()
    write(tmp_path / "folder/file", b"content")
    assert done == [("flush", ".writing"), ("rename", "file"), ("flush", "folder")]
    assert (tmp_path / "folder/file").read_bytes() == b"content"


def test_the_names_of_folders_that_are_made_for_it_are_flushed_too(write, done, tmp_path):
    write(tmp_path / "one/two/file", b"content")
    assert done == [("flush", ".writing"), ("rename", "file"), ("flush", "two"), ("flush", "one"), ("flush", tmp_path.name)]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600), (0o002, 0o664)])
def test_its_mode_is_what_the_umask_leaves_also_of_a_file_that_was_there(write, tmp_path, umask, mode):
    path = tmp_path / "file"
    path.write_bytes(b"before")
    before = os.umask(umask)
    try:
        for target in (path, tmp_path / "folder/new"):
            write(target, b"after")
            assert stat.S_IMODE(target.stat().st_mode) == mode
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o777 & ~umask


@pytest.mark.parametrize("failing", ["fsync", "replace", "content"])
def test_a_write_that_fails_leaves_the_file_before_it_and_nothing_else(write, tmp_path, monkeypatch, failing):
    path = tmp_path / "file"
    write(path, b"before")

    def fail(*given):
        raise OSError("The disk is full.")

    with monkeypatch.context() as patch:
        if failing != "content":
            patch.setattr(os if failing == "fsync" else Path, failing, fail)
        with pytest.raises(TypeError if failing == "content" else OSError, match=r"bytes-like|The disk is full"):
            write(path, "no bytes" if failing == "content" else b"after")
    assert path.read_bytes() == b"before" and [each.name for each in tmp_path.iterdir()] == ["file"]
    write(path, b"after")
    assert path.read_bytes() == b"after"


def test_the_two_are_the_same_word_for_word():
    for name in ("write_atomic", "flush_folder", "_make_folder", "_WRITING"):
        one, other = (getattr(module, name) for module in BOTH)
        assert one == other or inspect.getsource(one) == inspect.getsource(other), name


def test_a_backup_gets_its_name_for_good(done, tmp_path):
    made = Storage(tmp_path / "data")
    write_backup(made, tmp_path / "backups/backup.zip")
    made.close()
    assert done[-3:] == [("flush", "backup.zip"), ("rename", "backup.zip"), ("flush", "backups")]
