"""One file with everything that lasts, written while the studio runs.

A zip: ``manifest.json`` (version, revision of the schema, counts, sha256 of every file), ``studio.db`` (a snapshot of one moment,
where the database is SQLite) and ``datasets/...``, ``runs/...``. Checkpoints are read first, then the snapshot is taken, then what
its rows name is read: so no checkpoint is ahead of the figures that led to it, and a run goes on without a gap.
"""

import hashlib
import json
import os
import sqlite3
import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from storage.database import HEAD
from storage.errors import StorageError
from storage.files import flush_folder
from storage.store import Storage
from storage.tables import Dataset, Run

VERSION = 1
DATABASE, MANIFEST = "studio.db", "manifest.json"
_LEFT_OUT = (".writing-", ".removed-")
BLOCK = 1 << 20
_FIGURES_SECONDS = 1.0
"""A worker writes the figures of a checkpoint's steps within this time after it."""
_QUIET_SECONDS, _TRIES, _PAUSE = 2.0, 50, 0.1
"""An adapter is three files; once none of them has changed for so long, they are of one moment."""


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
                    found = _Writer(storage, archive, Path(scratch) / DATABASE).write()
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
                hashes[DATABASE] = self._add(DATABASE, file)
        counts = {"datasets": len(left.datasets), "runs": len(left.runs)}
        manifest = {"version": VERSION, "revision": HEAD if database else None, "counts": counts, "files": hashes}
        self._archive.writestr(MANIFEST, json.dumps(manifest, indent=1))
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
            while block := file.read(BLOCK):
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
