"""Puts a backup into a new data folder; nothing is in place before all of it is checked."""

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
_MOST_BYTES, _MOST_MANIFEST_BYTES = 200_000_000_000, 100_000_000
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, sqlite3.Error, CommandError, EOFError, NotImplementedError,
    RuntimeError, ValueError, LookupError, TypeError,
)  # fmt: skip
"""What reading a zip and a database raises that somebody or something has changed."""


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
    for part in sorted(unpacked.iterdir(), key=lambda part: part.name == DATABASE):
        part.rename(data_dir / part.name)


def _unpack(archive: zipfile.ZipFile, root: Path) -> Backup:
    if archive.getinfo(MANIFEST).file_size > _MOST_MANIFEST_BYTES:
        raise ValueError("its list of files is absurdly long")
    wanted = _wanted(json.loads(archive.read(MANIFEST)))
    size = sum(archive.getinfo(name).file_size for name in wanted)
    if size > min(_MOST_BYTES, shutil.disk_usage(root).free):
        raise ValueError("it needs more room than there is")
    for name, digest in wanted.items():
        _extract(archive, name, digest, root)
    if DATABASE in wanted:
        _check(root / DATABASE)
    return Backup(len(wanted), size, DATABASE in wanted)


def _wanted(manifest: Any) -> dict[str, str]:
    """Names and hashes of all files."""
    if not isinstance(manifest, dict) or manifest.get("version") != VERSION:
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
        while block := source.read(BLOCK):
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
