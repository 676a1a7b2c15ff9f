"""Uploads that are read: each file is read once for each choice, in a process of its own, for all events of the Data page."""

import shutil
import threading
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from app.choices import Choices
from app.reader.client import read_in_process
from reft_engine.data import INDEX, ROWS, Inspection, StoredRows

_REMEMBERED = 4
"""Maximum number of readings that are kept; the latest one is always kept."""
_Key = tuple[str, int, int, Choices]


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was read: its inspection, and the folder that holds its rows."""

    inspection: Inspection
    folder: Path

    @property
    def rows_file(self) -> Path:
        """The rows, as they are kept with a dataset."""
        return self.folder / ROWS

    def rows(self) -> StoredRows:
        """The rows by their places. Raises DataError."""
        return StoredRows(self.rows_file, self.folder / INDEX)


class Uploads:
    """Keeps the readings of the latest uploads; one file is read at a time."""

    def __init__(self) -> None:
        self._lock, self._reading = threading.Lock(), threading.Lock()
        self._known: OrderedDict[_Key, Future[Upload]] = OrderedDict()
        self._progress: dict[str, float] = {}
        self._unwanted: set[str] = set()

    def read(self, path: Path, choices: Choices) -> Upload:
        """Read a file, or wait for the event that is already reading it. Raises StudioError, DataError."""
        now = path.stat()
        key = str(path), now.st_mtime_ns, now.st_size, choices
        with self._lock:
            first = key not in self._known
            reading = self._known.setdefault(key, Future())
            self._known.move_to_end(key)
            self._forget()
        if first:
            self._read(key, reading)
        return reading.result()

    def progress(self, path: Path) -> float | None:
        """The share of a file that is read, 0 to 1; None while nobody reads it."""
        return self._progress.get(str(path))

    def stop(self, path: Path) -> None:
        """End the reading of a file."""
        self._unwanted.add(str(path))

    def drop(self, path: Path) -> None:
        """Drop a file that is no longer needed."""
        with self._lock:
            for key in [key for key in self._known if key[0] == str(path)]:
                _remove(self._known.pop(key))

    def _read(self, key: _Key, reading: "Future[Upload]") -> None:
        name, path = key[0], Path(key[0])
        folder = path.parent / f"read-{token_hex(8)}"
        self._unwanted.discard(name)

        def note(share: float) -> None:
            self._progress[name] = share

        try:
            with self._reading:
                inspection = read_in_process(path, folder, key[3], note, lambda: name in self._unwanted)
            reading.set_result(Upload(inspection, folder))
        except BaseException as error:
            shutil.rmtree(folder, ignore_errors=True)
            reading.set_exception(error)  # for events that are waiting; the next one tries again
            with self._lock:
                self._known.pop(key, None)
            raise
        finally:
            self._progress.pop(name, None)

    def _forget(self) -> None:
        """Drop the oldest readings beyond the limit."""
        while len(self._known) > _REMEMBERED and next(iter(self._known.values())).done():
            _remove(self._known.popitem(last=False)[1])


def _remove(reading: "Future[Upload]") -> None:
    if reading.done() and reading.exception() is None:
        shutil.rmtree(reading.result().folder, ignore_errors=True)
