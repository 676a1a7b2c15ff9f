"""How both processes write their logs: nothing raw that others have sent, the number of the request, and no flood of the same."""

import logging
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable
from logging.handlers import RotatingFileHandler
from pathlib import Path

from app.incidents import number

FORMAT = "%(asctime)s %(name)s %(request)s %(message)s"
BYTES = 2_000_000
"""Of a log file, beside which the one before it is kept."""
OF_A_KIND, WINDOW = 20, 600.0
"""Entries of one kind that are written within so many seconds; the others are counted."""
_KINDS = 1_000
"""Kinds that are told apart; of those that were not seen for the longest time the count is forgotten."""
_MOST = 8_000
"""Characters of an entry: its head and its end."""
_BESIDE = "    "
"""Before each further line of an entry, so that no text that was sent can look like an entry of its own."""


class Clean(logging.Formatter):
    """Writes entries whose further lines are indented and whose control characters are written out."""

    def __init__(self) -> None:
        super().__init__(FORMAT)

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        record.request = number() or "-"
        whole = super().format(record)
        if len(whole) > _MOST:
            whole = f"{whole[: _MOST // 2]}\n[...]\n{whole[-_MOST // 2 :]}"
        return f"\n{_BESIDE}".join(map(_visible, whole.split("\n")))


class Bounded(logging.Filter):
    """Lets so many entries of one kind through within some time, then counts; the next one that is written says ``[+980]`` of the others.

    A kind is where an error was raised, or the text of an entry without what was filled in.

    Args:
        most: entries of a kind.
        seconds: for which they count.
        clock: seconds that never go back.
    """

    def __init__(self, most: int = OF_A_KIND, seconds: float = WINDOW, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._most, self._seconds, self._clock = most, seconds, clock
        self._seen: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether an entry is written."""
        if record.levelno < logging.WARNING:  # what happens in order, which nobody can cause often
            return True
        kind, moment = _kind(record), self._clock()
        with self._lock:
            since, count = self._seen.pop(kind, (moment, 0))
            missed = max(count - self._most, 0)
            if moment - since > self._seconds:
                since, count = moment, 0
            self._seen[kind] = (since, count + 1)
            while len(self._seen) > _KINDS:
                self._seen.popitem(last=False)
        if count == 0 and missed:
            record.msg, record.args = f"{record.getMessage()} [+{missed}]", ()
        return count < self._most


def log_to_file(path: Path) -> None:
    """Write this process's log into a file that never grows large."""
    logging.raiseExceptions = False  # a log that cannot be written, for example on a full disk, must not fill the terminal
    handler = RotatingFileHandler(path, maxBytes=BYTES, backupCount=1, encoding="utf-8", errors="backslashreplace")
    logging.getLogger().addHandler(careful(handler))


def careful(handler: logging.Handler) -> logging.Handler:
    """A handler that writes as this module says."""
    handler.setFormatter(Clean())
    handler.addFilter(Bounded())
    return handler


def _kind(record: logging.LogRecord) -> str:
    error = record.exc_info[1] if record.exc_info else None
    if error is None:  # what a library has printed has no text beside what was filled in
        text = "".join(filter(str.isalpha, record.getMessage()[:100])) if record.msg == "%s" else str(record.msg)[:200]
        return f"{record.name} {text}"
    frames = traceback.extract_tb(error.__traceback__)
    return f"{record.name} {type(error).__name__} {frames[-1].filename}:{frames[-1].lineno}" if frames else f"{record.name} {type(error)}"


def _visible(line: str) -> str:
    """A line whose characters all have a shape; tabs and the like are written out."""
    return line if line.isprintable() else "".join(each if each.isprintable() else ascii(each)[1:-1] for each in line)
