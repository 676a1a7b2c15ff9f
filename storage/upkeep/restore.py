"""Restores a backup into a new data folder, after checking all of it."""

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
import zipfile
import zlib
from contextlib import closing
from pathlib import Path
from typing import Any

from alembic.util import CommandError

from storage.database import HEAD, Database
from storage.errors import StorageError
from storage.upkeep.backup import BLOCK, DATABASE, MANIFEST, VERSION, Backup

_NAME = re.compile(r"studio\.db|(?:datasets|runs)/[0-9A-Za-z]+(?:/[^/\\:\x00-\x1f]+)+")
_MAX_BYTES, _MAX_MANIFEST_BYTES = 200_000_000_000, 100_000_000
_DAMAGE_ERRORS = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, sqlite3.Error, CommandError, EOFError, NotImplementedError,
    RuntimeError, ValueError, LookupError, TypeError,
)  # fmt: skip
"""Errors of reading a zip file or a database that is damaged or was tampered with."""


def restore_backup(path: Path, data_dir: Path) -> Backup:
    """Restore a backup into a new or empty data folder, after checking all of it. Raises StorageError."""
    try:
        if data_dir.exists() and (not data_dir.is_dir() or any(data_dir.iterdir())):
            raise StorageError(
                "{folder} is not an empty folder; name a new one with --data-dir.", kind="restore.not_empty", folder=str(data_dir)
            )
        existing = next(folder for folder in (data_dir, *data_dir.absolute().parents) if folder.is_dir())
        with tempfile.TemporaryDirectory(prefix=".restoring-", dir=existing) as scratch:
            unpacked = Path(scratch) / "data"
            unpacked.mkdir()
            with zipfile.ZipFile(path) as archive:
                backup = _unpack(archive, unpacked)
            _move_into_place(unpacked, data_dir)
    except _DAMAGE_ERRORS as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200].rstrip(".")
        raise StorageError("{file} is no whole backup: {reason}.", kind="restore.damaged", file=path.name, reason=reason) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError("{file} could not be put back: {reason}.", kind="restore.not_written", file=path.name, reason=reason) from error
    return backup


def _move_into_place(unpacked: Path, data_dir: Path) -> None:
    """One rename for a new folder; an existing one may be a mount point, so its entries are moved, the database last."""
    if not data_dir.is_dir():
        data_dir.parent.mkdir(parents=True, exist_ok=True)
        unpacked.rename(data_dir)
        return
    for entry in sorted(unpacked.iterdir(), key=lambda entry: entry.name == DATABASE):
        entry.rename(data_dir / entry.name)


def _unpack(archive: zipfile.ZipFile, root: Path) -> Backup:
    if archive.getinfo(MANIFEST).file_size > _MAX_MANIFEST_BYTES:
        raise ValueError("its list of files is absurdly long")
    digests = _read_digests(json.loads(archive.read(MANIFEST)))
    size = sum(archive.getinfo(name).file_size for name in digests)
    if size > min(_MAX_BYTES, shutil.disk_usage(root).free):
        raise ValueError("it needs more room than there is")
    for name, digest in digests.items():
        _extract(archive, name, digest, root)
    if DATABASE in digests:
        _check_database(root / DATABASE)
    return Backup(len(digests), size, DATABASE in digests)


def _read_digests(manifest: Any) -> dict[str, str]:
    """The sha256 of each file, by name. Raises ValueError for another version or an unsafe name."""
    if not isinstance(manifest, dict) or manifest.get("version") != VERSION:
        raise ValueError("it is of another version of the studio")
    digests: dict[str, str] = dict(manifest["files"])
    for name in digests:
        if not _NAME.fullmatch(name) or {".", ".."} & {*name.split("/")}:
            raise ValueError(f"it holds a file of a strange name, {name[:80]!r}")
    return digests


def _extract(archive: zipfile.ZipFile, name: str, digest: str, root: Path) -> None:
    if stat.S_ISLNK(archive.getinfo(name).external_attr >> 16):
        raise ValueError(f"it holds a link, {name[:80]!r}")
    target = root / name
    target.parent.mkdir(parents=True, exist_ok=True)
    content_hash = hashlib.sha256()
    with archive.open(name) as source, target.open("wb") as file:
        while block := source.read(BLOCK):
            content_hash.update(block)
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    if content_hash.hexdigest() != digest:
        raise ValueError(f"{name[:80]} is damaged")


def _check_database(path: Path) -> None:
    """Open the database, which also upgrades one of an earlier version. Raises StorageError, ValueError."""
    with closing(sqlite3.connect(path)) as connection:
        (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    if str(revision) > HEAD:
        raise ValueError("it is of a newer version of the studio")
    Database(f"sqlite:///{path}").close()
