"""Uploads as they are recognised: each file is parsed once, whichever event of the Data page asks for it first."""

import threading
from collections import OrderedDict
from concurrent.futures import Future
from pathlib import Path

from reft_engine.data import ColumnMapping, Inspection, inspect_file

_REMEMBERED, _BYTES = 4, 50_000_000
"""The latest uploads that are remembered: so many, and files of so many bytes together; the latest one always."""
_Key = tuple[str, int, int, ColumnMapping | None]


class Uploads:
    """Remembers what the latest uploads were recognised as: an upload is shown, counted and kept from one parse."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[_Key, Future[Inspection]] = OrderedDict()

    def inspect(self, path: Path, mapping: ColumnMapping | None) -> Inspection:
        """Parse a file, or wait for another event that parses it already. Raises DataError."""
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
        """Forget a file that is done with."""
        with self._lock:
            for key in [key for key in self._known if key[0] == str(path)]:
                del self._known[key]

    def _parse(self, key: _Key, parsed: "Future[Inspection]") -> None:
        try:
            parsed.set_result(inspect_file(key[0], key[3]))
        except BaseException as error:
            parsed.set_exception(error)  # for whoever waits; the next one tries again
            with self._lock:
                self._known.pop(key, None)
            raise

    def _forget(self) -> None:
        """Let the oldest go while there are too many."""
        while len(self._known) > 1 and (len(self._known) > _REMEMBERED or sum(key[2] for key in self._known) > _BYTES):
            self._known.popitem(last=False)
