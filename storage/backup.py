"""One file with everything that lasts, written while the studio runs, and putting it back.

A zip: ``manifest.json`` (version, revision of the schema, counts, sha256 of every file), ``studio.db`` (a snapshot of one moment,
where the database is SQLite) and ``datasets/...``, ``runs/...``. Checkpoints are read first, then the snapshot is taken, then what
its rows name is read: so no checkpoint is ahead of the figures that led to it, and a run goes on without a gap.
"""

import hashlib
import json
import lzma
import os
import re
import shutil
import sqlite3
import stat
import struct
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from alembic.util import CommandError
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from storage.database import HEAD, Database
from storage.errors import StorageError
from storage.files import flush_folder
from storage.store import Storage
from storage.tables import Dataset, Run

_VERSION = 1
_DATABASE, _MANIFEST = "studio.db", "manifest.json"
_LEFT_OUT = (".writing-", ".removed-")
_NAME = re.compile(r"studio\.db|(?:datasets|runs)/[0-9A-Za-z]+(?:/[^/\\:\x00-\x1f]+)+")
_MOST_BYTES, _MOST_MANIFEST_BYTES = 200_000_000_000, 100_000_000
_BLOCK = 1 << 20
_FIGURES_SECONDS = 1.0
"""A worker writes the figures of a checkpoint's steps within this time after it."""
_QUIET_SECONDS, _TRIES, _PAUSE = 2.0, 50, 0.1
"""An adapter is three files; once none of them has changed for so long, they are of one moment."""
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, sqlite3.Error, CommandError, EOFError, NotImplementedError,
    RuntimeError, ValueError, LookupError, TypeError,
)  # fmt: skip
"""What reading a zip and a database raises that somebody or something has changed."""


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup holds."""

    files: int
    bytes: int
    database: bool


@dataclass(frozen=True, slots=True)
class _Ids:
    datasets: frozenset[str]
    runs: frozenset[str]

    def __and__(self, other: "_Ids") -> "_Ids":
        return _Ids(self.datasets & other.datasets, self.runs & other.runs)

    def __contains__(self, name: str) -> bool:
        """Whether a file, by its name in the zip, is of one of these."""
        kind, owner = name.split("/")[:2]
        return owner in (self.runs if kind == "runs" else self.datasets)


def write_backup(storage: Storage, path: Path) -> Backup:
    """Write a backup; until it is whole it has another name. Raises StorageError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".writing-", dir=path.parent) as scratch:
            half = Path(scratch) / "backup.zip"
            with half.open("wb") as file:
                with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                    found = _Writer(storage, archive, Path(scratch) / _DATABASE).write()
                file.flush()
                os.fsync(file.fileno())
            half.replace(path)
            flush_folder(path.parent)
    except (sqlite3.Error, SQLAlchemyError) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0][:200]
        raise StorageError(f"The backup could not be written, because the database cannot be read: {reason}.") from error
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise StorageError(f"The backup could not be written: {error.strerror or error}{where}.") from error
    return found


class _Writer:
    """A backup while it is written."""

    def __init__(self, storage: Storage, archive: zipfile.ZipFile, copy: Path) -> None:
        self._storage, self._archive, self._copy = storage, archive, copy
        self._root = storage.files.root
        self._hashes: dict[str, str] = {}

    def write(self) -> Backup:
        newest = max((self._together(f"runs/{run_id}/checkpoint") for run_id in sorted(self._ids().runs)), default=0.0)
        time.sleep(min(max(0.0, newest + _FIGURES_SECONDS - time.time()), _FIGURES_SECONDS))
        database = self._snapshot()
        known = self._ids_of_copy() if database else self._ids()
        for kind, ids in (("datasets", known.datasets), ("runs", known.runs)):
            for each in sorted(ids):
                self._folder(f"{kind}/{each}")
        for run_id in sorted(known.runs):
            self._together(f"runs/{run_id}/adapter", quiet=_QUIET_SECONDS)
        # What was removed meanwhile is left out as a whole.
        left = known & self._ids()
        hashes = {name: digest for name, digest in self._hashes.items() if name in left}
        if database:
            self._forget(known, left)
            with self._copy.open("rb") as file:
                hashes[_DATABASE] = self._add(_DATABASE, file)
        counts = {"datasets": len(left.datasets), "runs": len(left.runs)}
        manifest = {"version": _VERSION, "revision": HEAD if database else None, "counts": counts, "files": hashes}
        self._archive.writestr(_MANIFEST, json.dumps(manifest, indent=1))
        return Backup(len(hashes), sum(self._archive.getinfo(name).file_size for name in hashes), database)

    def _ids(self) -> _Ids:
        with self._storage.database.reading() as session:
            return _Ids(frozenset(session.scalars(select(Dataset.id))), frozenset(session.scalars(select(Run.id))))

    # The database

    def _snapshot(self) -> bool:
        """A copy of the database as it is at one moment; no writer waits for it. False where it is not a file."""
        engine = self._storage.database.engine
        if engine.dialect.name != "sqlite" or not engine.url.database:
            return False
        address = Path(engine.url.database).resolve().as_uri()
        with closing(sqlite3.connect(f"{address}?mode=ro", uri=True)) as source, closing(sqlite3.connect(self._copy)) as copy:
            source.backup(copy)
        return True

    def _ids_of_copy(self) -> _Ids:
        with closing(sqlite3.connect(self._copy)) as copy:
            datasets, runs = (copy.execute(f"SELECT id FROM {table}").fetchall() for table in ("datasets", "runs"))
        return _Ids(frozenset(row[0] for row in datasets), frozenset(row[0] for row in runs))

    def _forget(self, known: _Ids, left: _Ids) -> None:
        with closing(sqlite3.connect(self._copy)) as copy, copy:
            copy.execute("PRAGMA foreign_keys=ON")
            copy.executemany("DELETE FROM runs WHERE id=?", [(each,) for each in known.runs - left.runs])
            copy.executemany("DELETE FROM datasets WHERE id=?", [(each,) for each in known.datasets - left.datasets])

    # Files

    def _folder(self, name: str) -> None:
        """All files of a dataset or a run but what is taken together."""
        for folder, names, files in os.walk(self._root / name):
            names[:] = sorted(each for each in names if each not in ("checkpoint", "adapter") and not each.startswith(_LEFT_OUT))
            for path in (Path(folder, each) for each in sorted(files) if not each.startswith(_LEFT_OUT)):
                if not path.is_symlink():
                    with _unless_gone(), path.open("rb") as file:
                        self._add(path.relative_to(self._root).as_posix(), file)

    def _together(self, name: str, *, quiet: float = 0.0) -> float:
        """The files of a folder as they are at one moment; when the newest of them was written."""
        with ExitStack() as stack:
            newest = 0.0
            for path, file in _opened(stack, self._root / name, quiet):
                newest = max(newest, os.fstat(file.fileno()).st_mtime)
                self._add(f"{name}/{path.name}", file)
        return newest

    def _add(self, name: str, file: BinaryIO) -> str:
        found = hashlib.sha256()
        with self._archive.open(name, "w", force_zip64=True) as target:
            while block := file.read(_BLOCK):
                found.update(block)
                target.write(block)
        self._hashes[name] = found.hexdigest()
        return self._hashes[name]


@contextmanager
def _unless_gone() -> Iterator[None]:
    """Leave out a file that was removed after it was listed."""
    try:
        yield
    except FileNotFoundError:
        return


def _opened(stack: ExitStack, folder: Path, quiet: float) -> Sequence[tuple[Path, BinaryIO]]:
    """The files of a folder, open: files are replaced whole, so that each stays what it is. Again, while one vanishes or is young."""
    for _ in range(_TRIES):
        with ExitStack() as tried:
            try:
                paths = [path for path in sorted(folder.iterdir()) if _is_plain(path) and not path.name.startswith(_LEFT_OUT)]
                files = [(path, tried.enter_context(path.open("rb"))) for path in paths]
            except (FileNotFoundError, NotADirectoryError):
                if not folder.is_dir():
                    return []
                continue
            # By its amount: after a clock was set back, what is of the future is old.
            if all(abs(time.time() - os.fstat(file.fileno()).st_mtime) >= quiet for _, file in files):
                stack.push(tried.pop_all())
                return files
        time.sleep(_PAUSE)
    raise StorageError(f"The files of {folder.parent.name} change all the time; try again in a moment.")


def _is_plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def restore_backup(path: Path, data_dir: Path) -> Backup:
    """Put a backup into a data folder that is new or empty; nothing is in place before all of it is checked. Raises StorageError."""
    try:
        if data_dir.exists() and (not data_dir.is_dir() or any(data_dir.iterdir())):
            raise StorageError(f"{data_dir} is not an empty folder; name a new one with --data-dir.")
        home = next(each for each in (data_dir, *data_dir.absolute().parents) if each.is_dir())
        with tempfile.TemporaryDirectory(prefix=".restoring-", dir=home) as scratch:
            unpacked = Path(scratch) / "data"
            unpacked.mkdir()
            with zipfile.ZipFile(path) as archive:
                found = _unpack(archive, unpacked)
            _put(unpacked, data_dir)
    except _DAMAGE as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200].rstrip(".")
        raise StorageError(f"{path.name} is no whole backup: {reason}.") from error
    except OSError as error:
        raise StorageError(f"{path.name} could not be put back: {error.strerror or error}.") from error
    return found


def _put(unpacked: Path, data_dir: Path) -> None:
    """In one go where the folder is new; one that is there may be a disk of its own, so the parts are moved, the database last."""
    if not data_dir.is_dir():
        data_dir.parent.mkdir(parents=True, exist_ok=True)
        unpacked.rename(data_dir)
        return
    for part in sorted(unpacked.iterdir(), key=lambda part: part.name == _DATABASE):
        part.rename(data_dir / part.name)


def _unpack(archive: zipfile.ZipFile, root: Path) -> Backup:
    if archive.getinfo(_MANIFEST).file_size > _MOST_MANIFEST_BYTES:
        raise ValueError("its list of files is absurdly long")
    wanted = _wanted(json.loads(archive.read(_MANIFEST)))
    size = sum(archive.getinfo(name).file_size for name in wanted)
    if size > min(_MOST_BYTES, shutil.disk_usage(root).free):
        raise ValueError("it needs more room than there is")
    for name, digest in wanted.items():
        _extract(archive, name, digest, root)
    if _DATABASE in wanted:
        _check(root / _DATABASE)
    return Backup(len(wanted), size, _DATABASE in wanted)


def _wanted(manifest: Any) -> dict[str, str]:
    """Names and hashes of all files."""
    if not isinstance(manifest, dict) or manifest.get("version") != _VERSION:
        raise ValueError("it is of another version of the studio")
    wanted: dict[str, str] = dict(manifest["files"])
    for name in wanted:
        if not _NAME.fullmatch(name) or {".", ".."} & {*name.split("/")}:
            raise ValueError(f"it holds a file of a strange name, {name[:80]!r}")
    return wanted


def _extract(archive: zipfile.ZipFile, name: str, digest: str, root: Path) -> None:
    if stat.S_ISLNK(archive.getinfo(name).external_attr >> 16):
        raise ValueError(f"it holds a link, {name[:80]!r}")
    target = root / name
    target.parent.mkdir(parents=True, exist_ok=True)
    found = hashlib.sha256()
    with archive.open(name) as source, target.open("wb") as file:
        while block := source.read(_BLOCK):
            found.update(block)
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    if found.hexdigest() != digest:
        raise ValueError(f"{name[:80]} is damaged")


def _check(path: Path) -> None:
    """That the database can be opened; one of an earlier version is brought up to date by that. Raises StorageError, ValueError."""
    with closing(sqlite3.connect(path)) as connection:
        (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    if str(revision) > HEAD:
        raise ValueError("it is of a newer version of the studio")
    Database(f"sqlite:///{path}").close()
