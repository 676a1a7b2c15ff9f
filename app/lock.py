"""Locks on files: one studio serves one data folder, and one worker answers for it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.errors import StudioError
from app.words import say

try:
    import fcntl
except ImportError:  # Windows, where the worker does not run either
    fcntl = None  # type: ignore[assignment]

_log = logging.getLogger("reft_studio.lock")
_NAME = "studio.lock"


class InUseError(Exception):
    """Another process holds the file; the text is what it wrote there."""


@contextmanager
def locked_file(path: Path, text: str = "") -> Iterator[None]:
    """Hold a file alone, with a text in it; the system lets go of it when the process ends, however it ends.

    Raises:
        InUseError: another process holds it.
    """
    with path.open("a+", encoding="utf-8") as lock:
        try:
            if fcntl:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            raise InUseError(lock.read(300)) from error
        except OSError as error:  # some network file systems know no locks; a process without one is better than none
            _log.warning("the data folder cannot be locked: %s", error)
        lock.truncate(0)
        lock.write(text)
        lock.flush()
        yield


@contextmanager
def only_server(folder: Path, address: str) -> Iterator[None]:
    """Hold a data folder, and write down under which address it is served.

    Raises:
        StudioError: another studio serves this folder; the text says where.
    """
    try:
        with locked_file(folder / _NAME, f"{address}\n"):
            yield
    except InUseError as error:
        raise _in_use(folder, str(error)) from error


def refuse_if_served(folder: Path) -> None:
    """Raises StudioError where a studio serves this folder, which need not be there; the text says where."""
    try:
        with (folder / _NAME).open(encoding="utf-8") as lock:
            if fcntl:
                try:
                    fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError as error:
                    raise _in_use(folder, lock.read(300)) from error
    except OSError:  # there is no studio where there is no folder
        return


def _in_use(folder: Path, address: str) -> StudioError:
    if address.strip():
        return StudioError(say("serve.in_use_at", folder=folder.resolve(), address=address.strip()))
    return StudioError(say("serve.in_use", folder=folder.resolve()))
