"""Atomic writes: a crash leaves either the old content or the new. A copy of `storage.files`, which does not import the engine."""

import os
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

_WRITING = ".writing-"


def write_atomic(path: Path, data: bytes) -> None:
    """Write to a temporary name beside the target, flush to disk, rename, and flush the folder. Raises OSError.

    The file's mode is what the umask leaves of rw-rw-rw-, as of any file that a program makes.
    """
    made = _make_folder(path.parent)
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
    for folder in (path.parent, *(each.parent for each in made)):
        flush_folder(folder)


def flush_folder(folder: Path) -> None:
    """Make the names in a folder last; where folders cannot be flushed the file system does without."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _make_folder(folder: Path) -> list[Path]:
    """Make a folder with those above it; those that were not there, the innermost first."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of writers that were killed; only the folder's single writer may call this."""
    for path in folder.glob(f"{_WRITING}*"):
        path.unlink(missing_ok=True)
