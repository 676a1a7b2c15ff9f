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


@contextmanager
def only_server(folder: Path, address: str) -> Iterator[None]:
    """Hold a data folder, and write down under which address; the system lets go of it when the process ends, however it ends.

    Raises:
        StudioError: another studio serves this folder; the text says where.
    """
    with (folder / "studio.lock").open("a+", encoding="utf-8") as lock:
        try:
            if fcntl:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            there = f" at {found}" if (found := lock.read(300).strip()) else ""
            raise StudioError(
                f"A studio is running on the data folder {folder} already{there}. Use that one, end it, or name another folder "
                "(--data-dir DIR, or make run DATA=DIR)."
            ) from error
        except OSError as error:  # some network file systems know no locks; a studio without one is better than none
            _log.warning("the data folder cannot be locked: %s", error)
        lock.truncate(0)
        lock.write(f"{address}\n")
        lock.flush()
        yield
