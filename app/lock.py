"""File locks, which make sure that one studio serves a data folder, and one worker answers for it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.errors import StudioError
from app.words import say
from storage.files import is_locked

try:
    import fcntl
except ImportError:  # Windows, where the worker does not run either
    fcntl = None  # type: ignore[assignment]

_log = logging.getLogger("reft_studio.lock")
_LOCK_NAME = "studio.lock"


class InUseError(Exception):
    """Another process holds the lock; the text is what it wrote into the file."""


@contextmanager
def locked_file(path: Path, text: str = "") -> Iterator[None]:
    """Lock a file and write a text into it; the system releases the lock when the process ends, even in a crash.

    Raises:
        InUseError: another process holds the lock.
    """
    with path.open("a+", encoding="utf-8") as lock:
        try:
            if fcntl:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            raise InUseError(lock.read(300)) from error
        except OSError as error:  # some network file systems have no locks; running without one beats not running
            _log.warning("the data folder cannot be locked: %s", error)
        lock.truncate(0)
        lock.write(text)
        lock.flush()
        yield


@contextmanager
def only_server(folder: Path, address: str) -> Iterator[None]:
    """Lock a data folder and record the address of its server.

    Raises:
        StudioError: another studio serves this folder; the text says where.
    """
    try:
        with locked_file(folder / _LOCK_NAME, f"{address}\n"):
            yield
    except InUseError as error:
        raise _in_use(folder, str(error)) from error


def refuse_if_served(folder: Path) -> None:
    """Raise StudioError if a studio serves this folder, which need not exist; the text says where."""
    address = served_at(folder)
    if address is not None:
        raise _in_use(folder, address)


def served_at(folder: Path) -> str | None:
    """The address of the studio that serves this folder, empty if it is unknown; None if no studio does."""
    lock = folder / _LOCK_NAME
    try:
        return lock.read_text(encoding="utf-8")[:300].strip() if is_locked(lock) else None
    except OSError:  # without the folder there is no studio
        return None


def _in_use(folder: Path, address: str) -> StudioError:
    if address.strip():
        return StudioError(say("serve.in_use_at", folder=folder.resolve(), address=address.strip()))
    return StudioError(say("serve.in_use", folder=folder.resolve()))
