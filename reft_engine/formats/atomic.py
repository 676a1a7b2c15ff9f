"""Atomic writes: a crash leaves either the old content or the new. A copy of `storage.files`, which does not import the engine."""

import os
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

_WRITING = ".writing-"


def write_atomic(path: Path, data: bytes) -> None:
    """Write to a temporary file in the same folder, flush it, rename it, and flush the folder. Raises OSError.

    The file's mode is rw-rw-rw- less the umask, as for any new file.
    """
    new_folders = _make_folder(path.parent)
    temporary = path.with_name(f"{_WRITING}{token_hex(8)}")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    for folder in (path.parent, *(new_folder.parent for new_folder in new_folders)):
        flush_folder(folder)


def flush_folder(folder: Path) -> None:
    """Flush the names in a folder to disk; does nothing on file systems that cannot flush folders."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _make_folder(folder: Path) -> list[Path]:
    """Create a folder and its parents; returns the created ones, innermost first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of writers that were killed; only the folder's single writer may call this."""
    for path in folder.glob(f"{_WRITING}*"):
        path.unlink(missing_ok=True)
