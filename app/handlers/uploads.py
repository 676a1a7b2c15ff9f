"""Uploads that are read: each file is read once for each choice, in a process of its own, for all events of the Data page."""

import shutil
import threading
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Literal

from app.choices import Choices
from app.errors import NoAnswerError, StoppedError
from app.fair_turns import FairTurns
from app.people.visitor import asker, visitor
from app.reader.client import read_in_process
from app.words import say
from reft_engine.data import INDEX, ROWS, Inspection, StoredRows, TableRows

AT_ONCE = 2
"""Files that are read at the same time, for all visitors together."""
_OF_ONE, _IN_ALL, _COUNTS = 4, 40, 1000
"""Maximum number of readings that are kept: of one file, and of all; and of visitors' newest counts."""
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

    def table(self) -> TableRows:
        """The rows as they stand in the file. Raises DataError."""
        return TableRows(self.folder)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a file is read, 0 to 1, and whether its reading still ``waits`` for those of others."""

    share: float
    waits: bool


@dataclass(slots=True)
class _Reading:
    """One reading of a file, and who waits for it: each visitor with the newest of what they have said of the file."""

    result: "Future[Upload]" = field(default_factory=Future)
    wanted: dict[str, int] = field(default_factory=dict)
    share: float = 0.0
    waits: bool = True
    ended: Literal["", "stopped", "superseded"] = ""

    def is_ended(self) -> bool:
        return bool(self.ended)

    def note(self, share: float) -> None:
        self.share = share

    def leave(self, who: str, count: int) -> None:
        """What a visitor has asked for before ``count`` is not waited for any more."""
        if self.wanted.get(who, count) < count:
            del self.wanted[who]
            self.ended = "" if self.wanted else "superseded"


class Uploads:
    """Keeps the readings of the latest uploads; see `Turns` for who reads when."""

    def __init__(self, at_once: int = AT_ONCE, of_one: int = _OF_ONE, in_all: int = _IN_ALL) -> None:
        self._lock, self._turns = threading.Lock(), FairTurns(at_once)
        self._known: OrderedDict[_Key, _Reading] = OrderedDict()
        self._newest: OrderedDict[tuple[str, str], int] = OrderedDict()
        """By file and visitor the count below which nothing is to be read any more."""
        self._of_one, self._in_all = of_one, in_all

    def read(self, path: Path, choices: Choices, count: int = 0) -> Upload:
        """Read a file, or wait for the event that is already reading it.

        A higher ``count`` of the same visitor ends their reading of the same file for a lower one, if nobody else waits for it.

        Raises:
            StoppedError: the reading was ended.
            NoAnswerError: the visitor has asked for something newer.
            StudioError: the file cannot be read, and why.
        """
        now, who = path.stat(), visitor()
        key = str(path), now.st_mtime_ns, now.st_size, choices
        with self._lock:
            others = [other for other in self._under_way(path) if other is not self._known.get(key)]
            reading = self._known.get(key)
            done = reading is not None and reading.result.done()
            # What is asked for can arrive after the word that something newer is wanted.
            late = 0 < count < self._newest.get((str(path), who), 0) and not done
            if late or any(other.wanted.get(who, 0) > count for other in others):
                raise _superseded()
            for other in others:
                other.leave(who, count)
            if first := reading is None or reading.is_ended():
                reading = self._known[key] = _Reading()
            assert reading is not None
            self._known.move_to_end(key)
            reading.wanted[who] = max(count, reading.wanted.get(who, 0))
            self._forget(key[0])
        self._turns.look_again()
        if first:
            self._read(key, reading, who)
        found = reading.result.result()
        if who not in reading.wanted:
            raise _superseded()
        return found

    def progress(self, path: Path) -> Progress | None:
        """How far a file is read; None while nobody reads it."""
        with self._lock:
            reading = next(iter(self._under_way(path)), None)
        return Progress(reading.share, reading.waits) if reading else None

    def stop(self, path: Path) -> None:
        """End the reading of a file, for everybody who waits for it."""
        with self._lock:
            for reading in self._under_way(path):
                reading.ended = "stopped"
        self._turns.look_again()

    def supersede(self, path: Path, count: int) -> None:
        """Take back what the visitor has asked of a file before ``count``, also where it is still on its way.

        A reading for which then nobody waits is ended.
        """
        with self._lock:
            asked = str(path), visitor()
            self._newest[asked] = max(count, self._newest.get(asked, 0))
            self._newest.move_to_end(asked)
            if len(self._newest) > _COUNTS:
                self._newest.popitem(last=False)
            for reading in self._under_way(path):
                reading.leave(visitor(), count)
        self._turns.look_again()

    def drop(self, path: Path) -> None:
        """Drop a file that is no longer needed."""
        with self._lock:
            for key in [key for key in self._known if key[0] == str(path)]:
                _remove(self._known.pop(key))

    def _under_way(self, path: Path) -> list[_Reading]:
        """The readings of a file that go on, the newest first."""
        return [
            reading for key, reading in reversed(self._known.items())
            if key[0] == str(path) and not reading.is_ended() and not reading.result.done()
        ]  # fmt: skip

    def _read(self, key: _Key, reading: _Reading, who: str) -> None:
        path = Path(key[0])
        folder = path.parent / f"read-{token_hex(8)}"
        try:
            with self._turns.turn(asker(), reading.is_ended) as has_turn:
                if not has_turn:
                    raise StoppedError(say("reader.stopped"))
                reading.waits = False
                inspection = read_in_process(path, folder, key[3], reading.note, reading.is_ended)
            reading.result.set_result(Upload(inspection, folder))
        except BaseException as error:
            shutil.rmtree(folder, ignore_errors=True)
            told = _superseded() if reading.ended == "superseded" else error
            reading.result.set_exception(told)  # for events that are waiting; the next one tries again
            with self._lock:
                if self._known.get(key) is reading:
                    del self._known[key]
            if told is error:
                raise
            raise told from error

    def _forget(self, name: str) -> None:
        """Drop the oldest readings beyond the limits."""
        of_file = [key for key in self._known if key[0] == name]
        for key in [*of_file[: max(0, len(of_file) - self._of_one)], *list(self._known)[: max(0, len(self._known) - self._in_all)]]:
            if key in self._known and self._known[key].result.done():
                _remove(self._known.pop(key))


def _superseded() -> NoAnswerError:
    return NoAnswerError(say("reader.superseded"))


def _remove(reading: _Reading) -> None:
    result = reading.result
    if result.done() and result.exception() is None:
        shutil.rmtree(result.result().folder, ignore_errors=True)
