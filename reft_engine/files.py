"""Writing files so that a crash leaves either the old content or the new."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

_WRITING = ".writing-"


def write_atomic(path: Path, data: bytes) -> None:
    """Write to a temporary name beside the target, flush to disk, rename, and flush the folder. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=_WRITING, dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    _flush_folder(path.parent)


def remove_leftovers(folder: Path) -> None:
    """Remove what writers left half-done that were killed; to be called by the only one who writes here."""
    for path in folder.glob(f"{_WRITING}*"):
        path.unlink(missing_ok=True)


def _flush_folder(folder: Path) -> None:
    """Make a new name last; where folders cannot be flushed the file system does without."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
