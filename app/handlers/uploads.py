"""Inspections of uploads: each file is parsed once, for all events of the Data page."""

import threading
from collections import OrderedDict
from concurrent.futures import Future
from pathlib import Path

from reft_engine.data import ColumnMapping, Inspection, inspect_file

_REMEMBERED, _BYTES = 4, 50_000_000
"""Maximum number and total bytes of the uploads whose inspections are cached; the latest one is always cached."""
_Key = tuple[str, int, int, ColumnMapping | None]


class Uploads:
    """Caches the inspections of the latest uploads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[_Key, Future[Inspection]] = OrderedDict()

    def inspect(self, path: Path, mapping: ColumnMapping | None) -> Inspection:
        """Parse a file, or wait for the event that is already parsing it. Raises DataError."""
        now = path.stat()
        key = str(path), now.st_mtime_ns, now.st_size, mapping
        with self._lock:
            first = key not in self._known
            parsed = self._known.setdefault(key, Future())
            self._known.move_to_end(key)
            self._forget()
        if first:
            self._parse(key, parsed)
        return parsed.result()

    def drop(self, path: Path) -> None:
        """Drop a file that is no longer needed."""
        with self._lock:
            for key in [key for key in self._known if key[0] == str(path)]:
                del self._known[key]

    def _parse(self, key: _Key, parsed: "Future[Inspection]") -> None:
        try:
            parsed.set_result(inspect_file(key[0], key[3]))
        except BaseException as error:
            parsed.set_exception(error)  # for events that are waiting; the next one tries again
            with self._lock:
                self._known.pop(key, None)
            raise

    def _forget(self) -> None:
        """Drop the oldest inspections beyond the limits."""
        while len(self._known) > 1 and (len(self._known) > _REMEMBERED or sum(key[2] for key in self._known) > _BYTES):
            self._known.popitem(last=False)
