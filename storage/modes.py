"""Who of a machine's users may read what the studio keeps: whoever runs it, and nobody else.

Windows has no such modes; there a folder is as private as the one it lies in.
"""

import os
import stat
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path

_FOLDERS = ("uploads", "datasets", "runs", "workers", "lost")
_FILES = ("*.db", "*.db-wal", "*.db-shm", "*.db-journal", "people.json*", "*.log", "*.log.*", "*.sock", "*.lock", ".writing-*", "*.zip")
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def keep_private() -> None:
    """Let everything that this process creates from now on be its user's alone."""
    if os.name == "posix":
        os.umask(0o077)


def make_private(root: Path) -> int:
    """Take the rights of others from a data folder of an earlier version; returns how many files and folders had some.

    Only what the studio names itself is changed, since a data folder may lie among files of others; links are not followed.
    """
    if os.name != "posix":
        return 0
    changed = 0
    if not root.stat().st_mode & stat.S_ISVTX:  # a folder that is meant to be shared is none of ours
        changed += _narrowed(root)
    for entry in root.iterdir():
        if entry.name in _FOLDERS and entry.is_dir() and not entry.is_symlink():
            changed += _narrowed(entry)
            for folder, folders, files in os.walk(entry):
                changed += sum(_narrowed(Path(folder, name)) for name in (*folders, *files))
        elif any(fnmatch(entry.name, pattern) for pattern in _FILES):
            changed += _narrowed(entry)
    return changed


def _narrowed(path: Path) -> bool:
    """Whether others had rights, and have none any more. What belongs to another user stays as it is."""
    with suppress(OSError):
        mode = path.lstat().st_mode
        if not stat.S_ISLNK(mode) and mode & _OTHERS:
            path.chmod(stat.S_IMODE(mode) & ~_OTHERS)
            return True
    return False
