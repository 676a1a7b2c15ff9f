"""Disks to do harm with: small ones, full ones, and ones that cannot be written. All of it needs root."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_SIZE = "160m"
"""A new run wants to see 100 MB free, beside what the runs before it left."""


class NotHereError(Exception):
    """A fault that cannot be caused on this machine, and why."""


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A disk of its own for a folder. Raises NotHereError."""
    folder.mkdir(parents=True, exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={_SIZE}", "none", folder)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=False)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """For whoever opens a file; a disk with open files cannot be made so, but one that is can be laid over it."""
    view = folder.with_name("view")
    view.mkdir()
    _mount("--bind", folder, view)
    try:
        _mount("-o", "remount,bind,ro", view)
        _mount("--bind", view, folder)
        try:
            yield
        finally:
            subprocess.run(["umount", "-l", folder], check=True)
    finally:
        subprocess.run(["umount", "-l", view], check=True)
        view.rmdir()


def _mount(*arguments: str | Path) -> None:
    if os.geteuid() != 0:
        raise NotHereError("a small disk can be mounted by root only")
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotHereError(f"no small disk can be mounted: {done.stderr.splitlines()[0]}")


def fill(path: Path) -> None:
    """Write a file until the disk is full."""
    with path.open("wb", buffering=0) as file:
        for size in (1_000_000, 4096, 1):
            with suppress(OSError):
                while True:
                    file.write(b"x" * size)
