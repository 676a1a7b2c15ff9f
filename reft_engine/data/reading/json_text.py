"""Decodes JSON piece by piece, without holding the text, and says in words what is wrong with it."""

import json
import re
from io import TextIOBase
from typing import Any

from reft_engine.data.reading.source import bad_bytes

OBJECT_LIMIT = 50_000_000
"""Maximum characters of one JSON value that is decoded as a whole to find the rows in it."""
_PIECE = 1 << 16
_DEEP = 20_000
"""Characters that take as long to read as a value that is nested too deeply."""
_BLANK = re.compile(r"[ \t\r\n\ufeff]*")
_REASONS = {
    "Expecting ',' delimiter": "a comma or a closing bracket is missing",
    "Expecting ':' delimiter": "a colon is missing after a field's name",
    "Expecting property name enclosed in double quotes": "a field's name in double quotes is missing, or a comma is one too many",
    "Illegal trailing comma before end of object": "there is a comma too many",
    "Illegal trailing comma before end of array": "there is a comma too many",
    "Unterminated string starting at": "a quotation mark is opened and never closed",
    "Invalid control character at": "a text holds a line break or another control character",
    "Extra data": "there is more on the line after the row's end",
    "Expecting value": "a value is missing or not written as JSON",
}


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field is named twice")
    return fields


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a value that JSON knows")


DECODER = json.JSONDecoder(object_pairs_hook=_no_duplicates, parse_constant=_refuse_constant, parse_int=str, parse_float=str)
"""Numbers stay as written, because their text is trained on."""


def reason(error: ValueError | RecursionError, column: int = 0) -> str:
    """What is wrong, as a clause; ``column`` counts from 1, and 0 leaves it out."""
    if isinstance(error, RecursionError):
        return "the row is nested too deeply"
    if not isinstance(error, json.JSONDecodeError):
        return str(error)
    text = _REASONS.get(error.msg, "this is not valid JSON")
    return f"{text} (column {column})" if column else text


class BrokenValueError(Exception):
    """A value that is not JSON, or is too long; the text is where the value begins, or after it if its end is known.

    Attributes:
        line: where the fault is.
        scanned: characters that were read in vain.
        is_passed: whether the value's end is known.
    """

    def __init__(self, reason: str, line: int, scanned: int, *, is_passed: bool = False) -> None:
        super().__init__(reason)
        self.line, self.scanned, self.is_passed = line, scanned, is_passed


class Window:
    """The part of a JSON text that is being read."""

    def __init__(self, stream: TextIOBase, encoding: str) -> None:
        self._stream, self._encoding = stream, encoding
        self._text, self._position, self._ended, self._is_ascii = "", 0, False, True
        self._offset = self._line_start = 0
        self.line = 1
        """The line of the position, counted from 1."""
        self.bad: str | None = None
        """Bytes of the latest value that could not be decoded."""

    @property
    def consumed(self) -> int:
        """Characters before the position."""
        return self._offset + self._position

    def _read(self, size: int = _PIECE) -> bool:
        """Read on; False at the end of the text."""
        if self._ended:
            return False
        if self._position:
            self._text = self._text[self._position :]
            self._offset, self._position = self._offset + self._position, 0
        piece = self._stream.read(size)
        self._text += piece
        self._is_ascii = self._text.isascii()
        self._ended = not piece
        return bool(piece)

    def start(self, size: int) -> tuple[str, bool]:
        """The text from the position on, of at least ``size`` characters or to the end; and whether that is the end."""
        while len(self._text) - self._position < size and self._read(size):
            pass
        return self._text[self._position :], self._ended

    def move(self, count: int) -> None:
        """Go on by ``count`` characters of those that were read."""
        end = self._position + count
        if breaks := self._text.count("\n", self._position, end):
            self.line += breaks
            self._line_start = self._offset + self._text.rfind("\n", self._position, end) + 1
        self._position = end

    def next(self) -> str:
        """The next character that is not blank, to which the position goes; empty at the end."""
        while True:
            blank = _BLANK.match(self._text, self._position)
            assert blank
            self.move(blank.end() - self._position)
            if self._position < len(self._text):
                return self._text[self._position]
            if not self._read():
                return ""

    def value(self, limit: int) -> Any:
        """Decode the value at the position and go to its end. Raises BrokenValueError, also for one of more than ``limit`` characters."""
        while True:
            begin, size = self._position, len(self._text) - self._position
            try:
                value, end = DECODER.raw_decode(self._text, begin)
            except json.JSONDecodeError as error:
                # At the edge of the window, more characters may complete the value.
                is_cut = not self._ended and (error.pos >= len(self._text) - 16 or error.msg.startswith("Unterminated"))
                if not is_cut or size > limit:
                    raise self._broken(error, error.pos, is_cut or error.pos - begin > limit, limit) from error
            except (ValueError, RecursionError) as error:
                raise self._broken(error, begin, False, limit) from error
            else:
                if self._ended or end < len(self._text):  # a number that fills the window may continue after it
                    return self._accept(value, end, limit)
            self._read(max(_PIECE, min(size, limit)))

    def _accept(self, value: Any, end: int, limit: int) -> Any:
        size, line = end - self._position, self.line
        self.bad = None if self._is_ascii else bad_bytes(self._text[self._position : end], self._encoding)
        self.move(size)
        if size > limit:
            raise BrokenValueError(f"the row has more than {limit:,} characters", line, size, is_passed=True)
        return value

    def _broken(self, error: ValueError | RecursionError, at: int, is_long: bool, limit: int) -> BrokenValueError:
        if is_long:
            return BrokenValueError(f"the row has more than {limit:,} characters", self.line, limit)
        line = self.line + self._text.count("\n", self._position, at)
        last = self._text.rfind("\n", self._position, at)
        column = self._offset + at - (self._offset + last + 1 if last >= 0 else self._line_start) + 1
        scanned = _DEEP if isinstance(error, RecursionError) else at - self._position
        return BrokenValueError(reason(error, column), line, scanned)

    def find(self, pattern: re.Pattern[str], stop: re.Pattern[str] | None, skip: int) -> bool:
        """Go to the first group of ``pattern``, at least ``skip`` characters on; or, if False, to ``stop`` or the end."""
        position = self._position + skip
        while True:
            found = pattern.search(self._text, position)
            stopped = stop.search(self._text, position) if stop else None
            if found and not (stopped and stopped.start() < found.start(1)):
                self.move(found.start(1) - self._position)
                return True
            if stopped:
                self.move(stopped.start() - self._position)
                return False
            if self._ended:
                self.move(len(self._text) - self._position)
                return False
            # What may be the beginning of a match stays in the window.
            self.move(max(len(self._text) - 2000, position) - self._position)
            self._read()
            position = self._position

    def matches(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Match the text at the position."""
        if len(self._text) - self._position < 2000:
            self._read()
        return pattern.match(self._text, self._position)

    def last_line(self) -> int:
        """Go to the end; the line of the last character that is neither blank nor a closing bracket of the list."""
        tail = ""
        while True:
            tail = (tail + self._text[self._position :])[-2000:]
            self.move(len(self._text) - self._position)
            if not self._read():
                break
        content = re.sub(r"\s*(\][\s}\]]*)?\Z", "", tail)
        return self.line - tail.count("\n", len(content))
