"""Files on their way into a dataset's folder: complete and hashed under a temporary name, then renamed in one step.

A kill at any moment leaves a temporary file, or a complete file that no version names; `storage.upkeep` finds both.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from storage.files import digest_of, flush_folder, temporary_path


@dataclass(frozen=True, slots=True)
class Staged:
    """The rows of a version, and the file that they were read from, if any; both with a temporary name.

    ``moved`` is the file that the rows are moved from, if any.
    """

    rows: Path
    moved: Path | None
    digest: str
    source: Path | None
    source_digest: str | None
    size_bytes: int

    def place(self, rows: Path, source: Path | None) -> None:
        """Give the files their names. Raises OSError.

        A file of such a name is replaced: it has the same content, because the name is its digest, or it is damaged.
        """
        self.rows.replace(rows)
        if self.source and source:
            self.source.replace(source)
        flush_folder(rows.parent)
        # Before the version counts, because both names may be of one file, and whoever writes to the old one would change the version.
        self.consume()

    def consume(self) -> None:
        """Remove the file that the rows are moved from. Raises OSError."""
        if self.moved:
            self.moved.unlink(missing_ok=True)


@contextmanager
def staged(folder: Path, examples: bytes | Path, source: Path | None) -> Iterator[Staged]:
    """Bring files into a dataset's folder under temporary names; those that are not placed are removed at the end. Raises OSError.

    Args:
        folder: the dataset's folder, which exists.
        examples: the rows (JSON Lines), or a file of them, which stays until `Staged.place` or `Staged.consume`.
        source: the file that the rows were read from, which is copied.
    """
    rows, kept_source = temporary_path(folder), temporary_path(folder) if source else None
    try:
        _write(rows, examples)
        if source and kept_source:
            shutil.copyfile(source, kept_source)
        files = [path for path in (rows, kept_source) if path]
        for path in files:
            _flush(path)
        size = sum(path.stat().st_size for path in files)
        moved = examples if isinstance(examples, Path) else None
        yield Staged(rows, moved, digest_of(rows), kept_source, digest_of(kept_source) if kept_source else None, size)
    finally:
        for temporary in (rows, kept_source):
            if temporary:
                with suppress(OSError):
                    temporary.unlink(missing_ok=True)


def _write(path: Path, content: bytes | Path) -> None:
    if isinstance(content, bytes):
        path.write_bytes(content)
        return
    try:
        os.link(content.resolve(), path)
    except OSError:  # another disk, or a file system without links
        shutil.copyfile(content, path)


def _flush(path: Path) -> None:
    """Flush a file to disk. Its time becomes now, so that upkeep does not take a file that was linked for an old leftover."""
    os.utime(path)
    with path.open("rb") as file:
        os.fsync(file.fileno())
