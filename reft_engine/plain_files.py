"""Opens plain files only, of folders that somebody else may have filled: no link is followed, and no pipe, socket or device is opened.

A pipe that nobody writes to would never be read to its end, and a link can lead to any file of this machine. Of a snapshot in the Hub's
cache the links to that cache's own blobs are followed. What is changed while it is read is out of scope: who can do that owns the folder.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

__all__ = ["LargeFileError", "NotPlainError", "check_plain", "plain_files", "read_plain"]

_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_BLOBS, _SNAPSHOTS = "blobs", "snapshots"
_MOST_ENTRIES, _DEEPEST = 10_000, 8
"""Files of a folder, and folders within each other, that are looked at."""


class NotPlainError(OSError):
    """What should be a file is a link, a pipe, a socket or a device."""


class LargeFileError(OSError):
    """A file is larger than what it should hold can be."""


def check_plain(path: Path) -> os.stat_result:
    """The status of a plain file, or of a blob that a snapshot of the Hub's cache links to.

    Raises:
        FileNotFoundError, IsADirectoryError: there is none.
        NotPlainError: it is a link, a pipe, a socket or a device.
    """
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode) and (blob := _blob(path)) is not None:
        status = blob.lstat()
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(f"{path.name} is a folder")
    if not stat.S_ISREG(status.st_mode):
        raise NotPlainError(f"{path.name} is no plain file")
    return status


def read_plain(path: Path, most: int) -> bytes:
    """The content of a plain file of at most ``most`` bytes; see `check_plain`. Raises also LargeFileError, OSError."""
    check_plain(path)
    handle = os.open(_blob(path) or path if path.is_symlink() else path, _FLAGS)
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise NotPlainError(f"{path.name} is no plain file")
        data = file.read(most + 1) if status.st_size <= most else b""
    if status.st_size > most or len(data) > most:
        raise LargeFileError(f"{path.name} is larger than {most} bytes")
    return data


def plain_files(folder: Path) -> Iterator[tuple[Path, int]]:
    """Every file of a folder and of those in it, with its size; hidden ones, which no loader opens, are left out.

    Raises NotPlainError, OSError.
    """
    waiting, seen = [(folder, 0)], 0
    while waiting:
        inside, depth = waiting.pop()
        with os.scandir(inside) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if (seen := seen + 1) > _MOST_ENTRIES or depth > _DEEPEST:
                    raise NotPlainError(f"{folder.name} holds too many files, or too deep")
                path = Path(entry.path)
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((path, depth + 1))
                else:
                    yield path, check_plain(path).st_size


def _blob(path: Path) -> Path | None:
    """The blob that a link in a snapshot leads to; None for a link that leads elsewhere, or in more than one step."""
    parts = path.absolute().parts
    if _SNAPSHOTS not in parts:
        return None
    at = len(parts) - 1 - parts[::-1].index(_SNAPSHOTS)
    target = Path(os.path.normpath(path.parent / path.readlink()))
    return target if target.parent == Path(os.path.normpath(Path(*parts[:at]) / _BLOBS)) else None
