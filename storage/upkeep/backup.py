"""A backup of all persistent data in one file, written while the studio runs.

A zip: ``manifest.json`` (version, schema revision, counts, sha256 of every file), ``studio.db`` (a consistent snapshot, if the
database is SQLite) and ``datasets/...``, ``runs/...``. Checkpoints and kept steps are copied first, then the database, then the files
that its rows refer to. So neither a checkpoint nor a kept step is ahead of its metrics, and a restored run resumes without a gap.
"""

import hashlib
import json
import os
import sqlite3
import tempfile
import time
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from storage.database import HEAD
from storage.errors import StorageError
from storage.files import flush_folder
from storage.records import rows_file
from storage.store import Storage
from storage.tables import Dataset, DatasetVersion, Run

VERSION = 1
DATABASE, MANIFEST = "studio.db", "manifest.json"
_TEMPORARY = (".writing-", ".removed-")
BLOCK = 1 << 20
_EARLY = ("checkpoint", "steps")
"""Folders of a run that are copied before the database."""
_METRICS_SECONDS = 1.0
"""A worker writes the metrics up to a checkpoint or a kept step within this time after it."""
_QUIET_SECONDS, _TRIES, _PAUSE = 2.0, 50, 0.1
"""An adapter is three files; if none of them has changed for `_QUIET_SECONDS`, they belong together."""


@dataclass(frozen=True, slots=True)
class Backup:
    """The contents of a backup: number of files, their bytes, and whether it has the database."""

    files: int
    bytes: int
    database: bool


@dataclass(frozen=True, slots=True)
class _Ids:
    """Datasets and runs at one moment, and the files of the datasets' versions, named as in the zip."""

    datasets: frozenset[str]
    runs: frozenset[str]
    files: frozenset[str]

    def __and__(self, other: "_Ids") -> "_Ids":
        return _Ids(self.datasets & other.datasets, self.runs & other.runs, self.files & other.files)

    def __contains__(self, name: str) -> bool:
        """Whether a file, named as in the zip, belongs to one of these datasets or runs."""
        kind, owner = name.split("/")[:2]
        return owner in (self.runs if kind == "runs" else self.datasets)


def write_backup(storage: Storage, path: Path) -> Backup:
    """Write a backup; the file gets its name when it is complete. Raises StorageError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".writing-", dir=path.parent) as scratch:
            temporary = Path(scratch) / "backup.zip"
            with temporary.open("wb") as file:
                with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                    backup = _Writer(storage, archive, Path(scratch) / DATABASE).write()
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            flush_folder(path.parent)
    except (sqlite3.Error, SQLAlchemyError) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0][:200]
        raise StorageError(
            "The backup could not be written, because the database cannot be read: {reason}.", kind="backup.database", reason=reason
        ) from error
    except OSError as error:
        reason = error.strerror or str(error)
        if error.filename:
            raise StorageError(
                "The backup could not be written: {reason} ({file}).", kind="backup.file", reason=reason, file=str(error.filename)
            ) from error
        raise StorageError("The backup could not be written: {reason}.", kind="backup.not_written", reason=reason) from error
    return backup


class _Writer:
    """Writes one backup."""

    def __init__(self, storage: Storage, archive: zipfile.ZipFile, snapshot: Path) -> None:
        self._storage, self._archive, self._snapshot = storage, archive, snapshot
        self._root = storage.files.root
        self._digests: dict[str, str] = {}

    def write(self) -> Backup:
        # 1) checkpoints and kept steps, then a pause until their metrics are in the database
        early = [f"runs/{run_id}/{name}" for run_id in sorted(self._current_ids().runs) for name in _EARLY]
        newest = max(map(self._add_consistent_folder, early), default=0.0)
        time.sleep(min(max(0.0, newest + _METRICS_SECONDS - time.time()), _METRICS_SECONDS))
        # 2) the database
        has_database = self._take_snapshot()
        ids = self._snapshot_ids() if has_database else self._current_ids()
        # 3) all other files of the rows in the snapshot
        for name in sorted(ids.files):
            self._add_file(self._root / name)
        for run_id in sorted(ids.runs):
            self._add_other_files(f"runs/{run_id}")
        for run_id in sorted(ids.runs):
            self._add_consistent_folder(f"runs/{run_id}/adapter", quiet=_QUIET_SECONDS)
        # 4) leave out every dataset and run that was removed meanwhile
        remaining = ids & self._current_ids()
        digests = {name: digest for name, digest in self._digests.items() if name in remaining}
        if has_database:
            self._delete_from_snapshot(ids, remaining)
            with self._snapshot.open("rb") as file:
                digests[DATABASE] = self._add(DATABASE, file)
        counts = {"datasets": len(remaining.datasets), "runs": len(remaining.runs)}
        manifest = {"version": VERSION, "revision": HEAD if has_database else None, "counts": counts, "files": digests}
        self._archive.writestr(MANIFEST, json.dumps(manifest, indent=1))
        return Backup(len(digests), sum(self._archive.getinfo(name).file_size for name in digests), has_database)

    def _current_ids(self) -> _Ids:
        with self._storage.database.reading() as session:
            datasets, runs = session.scalars(select(Dataset.id)).all(), session.scalars(select(Run.id)).all()
            versions = session.execute(select(DatasetVersion.dataset_id, DatasetVersion.digest, DatasetVersion.source_file)).all()
        return _Ids(frozenset(datasets), frozenset(runs), _files_of(versions))

    # The database

    def _take_snapshot(self) -> bool:
        """Copy the database consistently, without blocking writers; False if it is not a SQLite file."""
        engine = self._storage.database.engine
        if engine.dialect.name != "sqlite" or not engine.url.database:
            return False
        address = Path(engine.url.database).resolve().as_uri()
        with closing(sqlite3.connect(f"{address}?mode=ro", uri=True)) as source, closing(sqlite3.connect(self._snapshot)) as copy:
            source.backup(copy)
        return True

    def _snapshot_ids(self) -> _Ids:
        with closing(sqlite3.connect(self._snapshot)) as copy:
            datasets, runs = (copy.execute(f"SELECT id FROM {table}").fetchall() for table in ("datasets", "runs"))
            versions = copy.execute("SELECT dataset_id, digest, source_file FROM dataset_versions").fetchall()
        return _Ids(frozenset(row[0] for row in datasets), frozenset(row[0] for row in runs), _files_of(versions))

    def _delete_from_snapshot(self, ids: _Ids, remaining: _Ids) -> None:
        with closing(sqlite3.connect(self._snapshot)) as copy, copy:
            copy.execute("PRAGMA foreign_keys=ON")
            copy.executemany("DELETE FROM runs WHERE id=?", [(run_id,) for run_id in ids.runs - remaining.runs])
            copy.executemany("DELETE FROM datasets WHERE id=?", [(dataset_id,) for dataset_id in ids.datasets - remaining.datasets])

    # Files

    def _add_other_files(self, name: str) -> None:
        """Add all files of a run except checkpoints, kept steps and adapter, which `_add_consistent_folder` adds."""
        for folder, names, files in os.walk(self._root / name):
            names[:] = sorted(name for name in names if name not in (*_EARLY, "adapter") and not name.startswith(_TEMPORARY))
            for path in (Path(folder, file_name) for file_name in sorted(files) if not file_name.startswith(_TEMPORARY)):
                self._add_file(path)

    def _add_file(self, path: Path) -> None:
        if not path.is_symlink():
            with _skip_missing(), path.open("rb") as file:
                self._add(path.relative_to(self._root).as_posix(), file)

    def _add_consistent_folder(self, name: str, *, quiet: float = 0.0) -> float:
        """Add the files of a folder as they are at one moment; returns the newest modification time."""
        with ExitStack() as stack:
            newest = 0.0
            for path, file in _open_files(stack, self._root / name, quiet):
                newest = max(newest, os.fstat(file.fileno()).st_mtime)
                self._add(f"{name}/{path.name}", file)
        return newest

    def _add(self, name: str, file: BinaryIO) -> str:
        content_hash = hashlib.sha256()
        with self._archive.open(name, "w", force_zip64=True) as target:
            while block := file.read(BLOCK):
                content_hash.update(block)
                target.write(block)
        self._digests[name] = content_hash.hexdigest()
        return self._digests[name]


def _files_of(versions: Iterable[Any]) -> frozenset[str]:
    """The files of versions (dataset, digest, source file), named as in the zip."""
    names = ((dataset_id, (rows_file(digest), source)) for dataset_id, digest, source in versions)
    return frozenset(f"datasets/{dataset_id}/{name}" for dataset_id, files in names for name in files if name)


@contextmanager
def _skip_missing() -> Iterator[None]:
    """Skip a file that was removed after it was listed."""
    try:
        yield
    except FileNotFoundError:
        return


def _open_files(stack: ExitStack, folder: Path, quiet: float) -> Sequence[tuple[Path, BinaryIO]]:
    """Open all files of a folder. Writers replace whole files, so an open one keeps its content; retries if a file vanishes or is new."""
    for _ in range(_TRIES):
        with ExitStack() as attempt:
            try:
                paths = [path for path in sorted(folder.iterdir()) if _is_plain(path) and not path.name.startswith(_TEMPORARY)]
                files = [(path, attempt.enter_context(path.open("rb"))) for path in paths]
            except (FileNotFoundError, NotADirectoryError):
                if not folder.is_dir():
                    return []
                continue
            # The absolute difference, because a clock that was set back leaves times in the future.
            if all(abs(time.time() - os.fstat(file.fileno()).st_mtime) >= quiet for _, file in files):
                stack.push(attempt.pop_all())
                return files
        time.sleep(_PAUSE)
    raise StorageError("The files of {run} change all the time; try again in a moment.", kind="backup.restless", run=folder.parent.name)


def _is_plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()
