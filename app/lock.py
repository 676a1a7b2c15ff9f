"""One studio serves one data folder."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.errors import StudioError

try:
    import fcntl
except ImportError:  # Windows, where the worker does not run either
    fcntl = None  # type: ignore[assignment]

_log = logging.getLogger("reft_studio.web")
_NAME = "studio.lock"


@contextmanager
def only_server(folder: Path, address: str) -> Iterator[None]:
    """Hold a data folder, and write down under which address; the system lets go of it when the process ends, however it ends.

    Raises:
        StudioError: another studio serves this folder; the text says where.
    """
    with (folder / _NAME).open("a+", encoding="utf-8") as lock:
        try:
            if fcntl:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            raise _in_use(folder, lock.read(300)) from error
        except OSError as error:  # some network file systems know no locks; a studio without one is better than none
            _log.warning("the data folder cannot be locked: %s", error)
        lock.truncate(0)
        lock.write(f"{address}\n")
        lock.flush()
        yield


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
    there = f" at {address.strip()}" if address.strip() else ""
    return StudioError(
        f"A studio is running on the data folder {folder.resolve()} already{there}. Use that one, end it, or name another folder "
        "(--data-dir DIR, or make run DATA=DIR)."
    )
