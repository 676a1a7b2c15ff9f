"""One file with everything that lasts, written while the studio runs, and putting it back.

A zip: ``manifest.json`` (version, counts, sha256 of every file), ``studio.db`` (a snapshot of one moment, where the database is
SQLite) and ``datasets/...``, ``runs/...``. The snapshot is taken first, then the files that its rows name.
"""

import hashlib
import json
import os
import shutil
import sqlite3
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from storage.errors import StorageError
from storage.files import Files
from storage.store import Storage

_VERSION = 1
_DATABASE = "studio.db"
_LEFT_OUT = (".writing-", ".removed-")
_MOST_BYTES = 200_000_000_000


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup holds."""

    files: int
    bytes: int
    database: bool


def write_backup(storage: Storage, path: Path) -> Backup:
    """Write a backup; until it is whole it has another name. Raises StorageError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".writing-{path.name}")
    try:
        with tempfile.TemporaryDirectory() as scratch, zipfile.ZipFile(half, "w", zipfile.ZIP_DEFLATED) as archive:
            found = _write(storage, archive, Path(scratch))
        half.replace(path)
    except OSError as error:
        raise StorageError(f"The backup could not be written: {error.strerror or error}.") from error
    finally:
        half.unlink(missing_ok=True)
    return found


def _write(storage: Storage, archive: zipfile.ZipFile, scratch: Path) -> Backup:
    hashes: dict[str, str] = {}
    snapshot = _snapshot(storage, scratch / _DATABASE)
    if snapshot:
        hashes[_DATABASE] = _add(archive, _DATABASE, (scratch / _DATABASE).read_bytes())
    for name, path in _files(storage.files, _known(storage)):
        data = _read(path)
        if data is not None:
            hashes[name] = _add(archive, name, data)
    archive.writestr("manifest.json", json.dumps({"version": _VERSION, "files": hashes}, indent=1))
    return Backup(len(hashes), sum(entry.file_size for entry in archive.infolist()), snapshot)


def _snapshot(storage: Storage, target: Path) -> bool:
    """A copy of the database as it is at one moment; no writer waits for it. False where it is not a file of ours."""
    engine = storage.database.engine
    if engine.dialect.name != "sqlite" or not engine.url.database:
        return False
    with closing(sqlite3.connect(f"file:{engine.url.database}?mode=ro", uri=True)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
    return True


def _known(storage: Storage) -> list[Path]:
    files = storage.files
    runs = [*storage.runs.all(limit=1_000_000), *storage.runs.binned()]
    return [*(files.dataset_folder(each.id) for each in storage.datasets.all()), *(files.run_folder(each.id) for each in runs)]


def _files(files: Files, folders: list[Path]) -> Iterator[tuple[str, Path]]:
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink() and not any(part.startswith(_LEFT_OUT) for part in path.parts):
                yield path.relative_to(files.root).as_posix(), path


def _read(path: Path) -> bytes | None:
    """A file's content; None of one that has gone meanwhile, as checkpoints do. Files are only ever replaced whole."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> str:
    archive.writestr(name, data)
    return hashlib.sha256(data).hexdigest()


def restore_backup(path: Path, data_dir: Path) -> Backup:
    """Put a backup into a data folder that is new or empty; nothing is in place before all of it is checked. Raises StorageError."""
    if data_dir.exists() and (not data_dir.is_dir() or any(data_dir.iterdir())):
        raise StorageError(f"{data_dir} is not empty; name a new folder with --data-dir.")
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".restoring-", dir=data_dir.parent) as scratch:
        try:
            with zipfile.ZipFile(path) as archive:
                found = _unpack(archive, Path(scratch) / "data")
        except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError, KeyError, TypeError) as error:
            raise StorageError(f"{path.name} is no whole backup: {str(error)[:200]}.") from error
        except OSError as error:
            raise StorageError(f"{path.name} could not be put back: {error.strerror or error}.") from error
        if data_dir.exists():
            data_dir.rmdir()
        (Path(scratch) / "data").replace(data_dir)
    return found


def _unpack(archive: zipfile.ZipFile, root: Path) -> Backup:
    manifest: dict[str, Any] = json.loads(archive.read("manifest.json"))
    if manifest.get("version") != _VERSION:
        raise ValueError("it is of another version of the studio")
    wanted = dict(manifest["files"])
    size = sum(archive.getinfo(name).file_size for name in wanted)
    if size > min(_MOST_BYTES, shutil.disk_usage(root.parent).free):
        raise ValueError("it needs more room than there is")
    for name, digest in wanted.items():
        _put(archive, name, digest, root)
    return Backup(len(wanted), size, _DATABASE in wanted)


def _put(archive: zipfile.ZipFile, name: str, digest: str, root: Path) -> None:
    parts = PurePosixPath(name)
    if parts.is_absolute() or ".." in parts.parts or "\\" in name or parts.parts[0] not in (_DATABASE, "datasets", "runs"):
        raise ValueError(f"it holds a file of a strange name, {name[:80]!r}")
    target = root.joinpath(*parts.parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    found = hashlib.sha256()
    with archive.open(name) as source, target.open("wb") as file:
        while block := source.read(1 << 20):
            found.update(block)
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    if found.hexdigest() != digest:
        raise ValueError(f"{name[:80]} is damaged")
