"""Opens a file as bytes or text, expanding gzip and Zstandard on the way, and tells how far it was read."""

import codecs
import gzip
import io
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from reft_engine.data.records import Limits
from reft_engine.errors import DataError

GZIP, ZSTANDARD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_BUFFER, _PIECE = 1 << 18, 1 << 16


def _keep_bad_bytes(error: UnicodeError) -> tuple[str, int]:
    """Stand in for bytes that cannot be decoded: half characters from U+DC00, which no decoder yields otherwise."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error("reft_engine.keep", _keep_bad_bytes)


def bad_bytes(text: str, encoding: str) -> str | None:
    """Say where a text holds bytes that could not be decoded; None if it has none."""
    if text.isascii():
        return None
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        found = text[error.start : error.end][:4]
        shown = " ".join(f"0x{ord(character) & 0xFF:02X}" for character in found)
        return f"at column {error.start + 1} there are bytes that are not {encoding.removesuffix('-sig').upper()} ({shown})"
    return None


class Source:
    """A file that can be opened several times.

    Attributes:
        compression: gzip, zstd or None.
        damage: why the archive ends early, once its end was reached; None for a whole one.
    """

    def __init__(self, path: Path, limits: Limits, on_progress: Callable[[float], None] | None) -> None:
        self.path, self.limits = path, limits
        self.size = path.stat().st_size
        self.damage: str | None = None
        self._on_progress = on_progress
        with path.open("rb") as file:
            start = file.read(4)
        self.compression = "gzip" if start.startswith(GZIP) else "zstd" if start == ZSTANDARD else None

    def open(self, *, progress: bool = False) -> BinaryIO:
        """The bytes of the file, expanded; ``progress`` if the reader is to be told of."""
        raw: Any = _Raw(self.path, self._on_progress if progress else None, self.size)
        if self.compression is None:
            return io.BufferedReader(raw, _BUFFER)
        return io.BufferedReader(_Expanded(raw, self), _BUFFER)

    def open_text(self, encoding: str, *, progress: bool = False, newline: str | None = "") -> io.TextIOWrapper:
        """The characters of the file, with bytes that cannot be decoded as in `bad_bytes`.

        Line ends stay as they are, or become line feeds if ``newline`` is None.
        """
        return io.TextIOWrapper(self.open(progress=progress), encoding=encoding, errors="reft_engine.keep", newline=newline)


class _Raw(io.RawIOBase):
    """A file on disk that tells which share of it was read."""

    def __init__(self, path: Path, on_progress: Callable[[float], None] | None, size: int) -> None:
        self._file, self._on_progress, self._size, self._read = path.open("rb", buffering=0), on_progress, size, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._file.readinto(buffer) or 0
        self._read += count
        if self._on_progress:
            self._on_progress(min(1.0, self._read / self._size) if self._size and count else 1.0)
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


class _Expanded(io.RawIOBase):
    """The content of an archive, which ends where it is damaged; refuses more than the limit."""

    def __init__(self, raw: io.RawIOBase, source: Source) -> None:
        self._source, self._raw, self._count = source, raw, 0
        self._inner: Any = gzip.GzipFile(fileobj=io.BufferedReader(raw, _BUFFER)) if source.compression == "gzip" else _zstandard(raw)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._inner.read(len(buffer))
        except EOFError:
            return self._end("the archive ends early; what follows in it is lost")
        except (OSError, zlib.error) as error:
            early = "runcated" in str(error)
            return self._end(f"the archive {'ends early' if early else 'is damaged here'}; what follows in it is lost")
        self._count += len(data)
        if self._count > self._source.limits.expanded:
            raise DataError(
                "The archive grows to more than {limit:,} MB when it is unpacked; it was refused.",
                kind="file.growth",
                limit=self._source.limits.expanded // 1_000_000,
            )
        buffer[: len(data)] = data
        return len(data)

    def _end(self, damage: str) -> int:
        self._source.damage = damage
        return 0

    def close(self) -> None:
        self._raw.close()
        super().close()


def _zstandard(raw: io.RawIOBase) -> Any:
    from pyarrow import CompressedInputStream, PythonFile

    return CompressedInputStream(PythonFile(raw, mode="r"), "zstd")


class Lines:
    r"""The lines of a text with their line ends; None for one with more characters than the limit.

    A line ends with ``\n``, ``\r\n`` or ``\r``. Lines can be put back, to be read again. The incomplete last line of a damaged
    archive is left out and counted as ``cut``.
    """

    def __init__(self, text: io.TextIOWrapper | io.StringIO, source: Source, limit: int) -> None:
        self._text, self._source, self._limit = text, source, limit
        self._waiting: deque[str | None] = deque()
        self._ahead = ""
        self.number = 0
        """Lines taken so far."""
        self.cut = 0
        self.marks = 0
        """Byte order marks that stood at the beginning of a line."""

    def __iter__(self) -> Iterator[str | None]:
        return self

    def __next__(self) -> str | None:
        line = self._waiting.popleft() if self._waiting else self._read()
        self.number += 1
        return line

    def put_back(self, lines: list[str | None]) -> None:
        """Make ``lines``, the last ones taken, the next ones again."""
        self._waiting.extendleft(reversed(lines))
        self.number -= len(lines)

    def _read(self) -> str | None:
        line = self._ahead + self._text.readline(self._limit + 1)
        self._ahead = ""
        if line.startswith("\ufeff"):
            self.marks += 1
            line = line.lstrip("\ufeff") or "\n"
        if len(line) > self._limit:
            self._skip_rest(line)
            return None
        if line and not line.endswith(("\n", "\r")) and self._source.damage:
            self.cut, line = 1, ""
        if not line:
            raise StopIteration
        return line

    def _skip_rest(self, piece: str) -> None:
        """Go on to the next line, after the beginning of one."""
        while piece and not piece.endswith(("\n", "\r")):
            piece = self._text.readline(_PIECE)
        if piece.endswith("\r"):  # the limit may have cut a line end in two
            following = self._text.readline(1)
            if following == "\r":
                self._waiting.append(following)
            elif following != "\n":
                self._ahead = following
