"""Finds the encoding of a text file: certain for UTF-8 and UTF-16, otherwise candidates in the order of their plausibility."""

import codecs
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from reft_engine.data.reading.alphabets import (
    ALPHABETIC,
    CLOSING,
    COMMON,
    DASHES,
    FREQUENT,
    IDEOGRAPHIC,
    INSIDE_WORDS,
    LETTERS,
    OPENING,
    WIDE,
)
from reft_engine.data.reading.source import Source
from reft_engine.data.reading.table import Encoding
from reft_engine.errors import DataError

_UTF32 = (b"\xff\xfe\0\0", b"\0\0\xfe\xff")
_NOT_OF_FILES = {"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape", "utf_7", "mbcs", "oem"}
_ASCII = bytes(range(128))
_PIECE = 1 << 20
_ENOUGH_VALID, _ENOUGH_BAD = 200_000, 2000
"""Bytes outside ASCII after which a file is certainly UTF-8, or certainly not."""
_SAMPLE, _SAMPLE_LINE = 8000, 400
"""Bytes of the lines that are compared, and of each of them."""
_CANDIDATES = 6
_MARGIN = 5.0
"""Mean log probability per byte by which a candidate may be worse than the best."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """The encoding that a file is read with.

    Attributes:
        name: Python's name for it.
        title: the name that a person knows it by.
        note: what was assumed.
        candidates: empty if the encoding is certain or was said.
    """

    name: str
    title: str
    note: str = ""
    candidates: tuple[Encoding, ...] = ()


def find_encoding(source: Source, start: bytes, wanted: str | None) -> Decoded:
    """The encoding of a file that begins with ``start``. Raises DataError for what is no text or in no known encoding."""
    if wanted is not None:
        return _confirmed(wanted, start)
    if start.startswith(_UTF32):
        raise DataError("The file is UTF-32 text. Save it as UTF-8.", kind="file.utf32")
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        if source.compression is None and source.size % 2:
            raise DataError("The file begins like UTF-16 text and is broken. Save it as UTF-8.", kind="file.utf16")
        return Decoded("utf-16", "utf-16", "Read as UTF-16.")
    if b"\0" in start and (name := _utf16_by_zeros(start)):
        return Decoded(name, name, "Read as UTF-16.")
    if start.count(0) > max(2, len(start) / 200):
        raise DataError(
            "This is not a text file: it holds zero bytes. Spreadsheets, CSV, TSV, JSON, JSON Lines and Parquet can be read.",
            kind="file.zero_bytes",
        )
    scan = _scan(source)
    if scan.bad <= scan.valid / 2 or start.startswith(codecs.BOM_UTF8):
        return Decoded("utf-8-sig" if start.startswith(codecs.BOM_UTF8) else "utf-8", "utf-8")
    return _best(scan)


def _confirmed(wanted: str, start: bytes) -> Decoded:
    title = wanted.strip().lower()
    if title in ALPHABETIC or title in IDEOGRAPHIC:
        return Decoded(ALPHABETIC[title][0] if title in ALPHABETIC else IDEOGRAPHIC[title][0], title)
    try:
        name = codecs.lookup(title).name
        "".encode(name)  # LookupError for codecs that do not decode bytes to text
    except (LookupError, UnicodeError, ValueError):
        name = ""
    if not name or name.replace("-", "_") in _NOT_OF_FILES:
        raise DataError(
            "There is no encoding '{name}'. Known are utf-8, utf-16, {names}.",
            kind="file.encoding_name",
            name=wanted[:40],
            names=", ".join([*ALPHABETIC, *IDEOGRAPHIC]),
        )
    if name in ("utf-8", "utf-8-sig"):
        return Decoded("utf-8-sig" if start.startswith(codecs.BOM_UTF8) else "utf-8", "utf-8")
    return Decoded(name, name)


def _utf16_by_zeros(start: bytes) -> str | None:
    """UTF-16 without a byte order mark: the zero bytes of ASCII characters stand in every second place."""
    start = start[: len(start) // 2 * 2]
    even, odd = start[::2].count(0), start[1::2].count(0)
    if min(even, odd) > 0.02 * max(even, odd) or max(even, odd) < max(2, len(start) / 20):
        return None
    name = "utf-16-le" if odd > even else "utf-16-be"
    try:
        text = start.decode(name)
    except UnicodeDecodeError as error:
        if error.start < len(start) - 4:
            return None
        text = start[: error.start].decode(name)
    return name if "\n" in text or "\r" in text or len(text) < 2000 else None


@dataclass(slots=True)
class _Scan:
    """Bytes outside ASCII that are UTF-8, those that are not, and lines with such."""

    valid: int
    bad: int
    lines: list[bytes]


def _scan(source: Source) -> _Scan:
    scan, size, rest = _Scan(0, 0, []), 0, b""
    with source.open() as file:
        while piece := file.read(_PIECE):
            if piece.isascii() and not rest:
                continue
            piece = rest + piece
            end = max(piece.rfind(b"\n"), piece.rfind(b"\r")) + 1
            rest, piece = (piece[end:], piece[:end]) if end and len(piece) - end < _PIECE else (b"", piece)
            size = _count(piece, scan, size)
            if (scan.valid > _ENOUGH_VALID and not scan.bad) or (scan.bad > _ENOUGH_BAD and scan.bad > scan.valid):
                return scan
        _count(rest, scan, size)
    return scan


def _count(piece: bytes, scan: _Scan, size: int) -> int:
    """Add the bytes of some lines to a scan; the new size of its sample."""
    if piece.isascii():
        return size
    high = len(piece) - sum(map(piece.count, ())) - len(piece.translate(None, bytes(range(128, 256))))
    try:
        piece.decode("utf-8")
    except UnicodeDecodeError:
        bad = len(re.findall("[\udc80-\udcff]", piece.decode("utf-8", "surrogateescape")))
        scan.valid, scan.bad = scan.valid + high - bad, scan.bad + bad
        for line in re.split(rb"[\r\n]+", piece):
            if size >= _SAMPLE:
                break
            if not line.isascii() and not _is_utf8(line):
                begin = (
                    max(0, next(index for index, byte in enumerate(line) if byte > 127) - _SAMPLE_LINE // 4)
                    if len(line) > _SAMPLE_LINE
                    else 0
                )
                # From an ASCII character on, so that none of several bytes is cut.
                while begin and line[begin - 1] > 63:
                    begin -= 1
                scan.lines.append(line if len(line) <= _SAMPLE_LINE else _whole(line[begin:]))
                size += len(scan.lines[-1])
    else:
        scan.valid += high
    return size


def _whole(line: bytes) -> bytes:
    """The beginning of a line, up to a blank or a comma if there is one in reach."""
    end = max(line.rfind(b" ", _SAMPLE_LINE // 2, _SAMPLE_LINE), line.rfind(b",", _SAMPLE_LINE // 2, _SAMPLE_LINE))
    return line[: end if end > 0 else _SAMPLE_LINE]


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


# Candidates


def _best(scan: _Scan) -> Decoded:
    ranked = rank_encodings(scan.lines)
    if not ranked:
        raise DataError("The file is text in no encoding that is known here. Save it as UTF-8.", kind="file.encoding")
    title = ranked[0].name
    name = (ALPHABETIC[title] if title in ALPHABETIC else IDEOGRAPHIC[title])[0]
    shown = title.replace("windows", "Windows").replace("mac-roman", "Mac Roman")
    return Decoded(name, title, f"The file is not UTF-8; it was read as {shown}.", ranked)


def rank_encodings(lines: Sequence[bytes]) -> tuple[Encoding, ...]:
    """The encodings that lines with bytes outside ASCII may have, the most plausible first, at most six."""
    high = sum(len(line) - len(line.translate(None, bytes(range(128, 256)))) for line in lines) or 1
    scores: dict[str, float] = {}
    texts: dict[tuple[str, ...], str] = {}
    for title, (name, languages) in ALPHABETIC.items():
        if (decoded := _decode(lines, name)) is not None:
            # What reads alike is one candidate.
            first = texts.setdefault(decoded, title)
            score = _alphabetic(decoded, languages) - (0 if title.startswith("windows") else 1) - (title != "windows-1252")
            scores[first] = max(scores.get(first, -math.inf), score / high)
    for title, (name, language) in IDEOGRAPHIC.items():
        if (decoded := _decode(lines, name)) is not None:
            texts.setdefault(decoded, title)
            scores[title] = _ideographic(decoded, language) / high
    by_title = {title: decoded for decoded, title in texts.items()}
    ranked = sorted((title for title in scores if title in by_title), key=lambda title: -scores[title])
    good = [title for title in ranked if scores[title] > scores[ranked[0]] - _MARGIN]
    return tuple(Encoding(title, _shown(by_title[title])) for title in (good if len(good) > 1 else ranked[:2])[:_CANDIDATES])


def _decode(lines: Sequence[bytes], name: str) -> tuple[str, ...] | None:
    """The lines as text; None if more than a few of them are not of this encoding."""
    decoded, broken = [], 0
    for line in lines:
        try:
            decoded.append(line.decode(name))
        except UnicodeDecodeError:
            broken += 1
            decoded.append("\ufffd" + line.decode(name, "replace"))
    return tuple(decoded) if broken <= len(lines) / 20 else None


def _shown(lines: Iterable[str]) -> tuple[str, ...]:
    """Up to three lines, around the first letter outside ASCII in each."""
    shown: list[str] = []
    for line in lines:
        place = next((index for index, character in enumerate(line) if ord(character) > 127), 0)
        begin = max(0, place - 60)
        text = " ".join(line[begin : begin + 160].split())
        if text not in shown:
            shown.append(text)
        if len(shown) == 3:
            break
    return tuple(shown)


_FOREIGN, _SYMBOL, _CONTROL = -9.0, -11.0, -15.0
"""Log probabilities of a letter of another language, of a rare symbol, of a control character."""


@cache
def _log_frequencies(language: str) -> dict[str, float]:
    """Log probability of each letter outside ASCII of a language, falling with its rank."""
    letters = LETTERS[language]
    flatness = 1.0 if len(letters) < 20 else 6.0  # alphabets outside ASCII are used more evenly
    weights = [1 / (rank + flatness) for rank in range(1, len(letters) + 1)]
    total = sum(weights)
    return {letter: math.log(weight / total) for letter, weight in zip(letters, weights, strict=True)}


def _alphabetic(lines: Iterable[str], languages: Iterable[str]) -> float:
    """Log probability of the characters outside ASCII in the best of some languages."""
    letters: Counter[str] = Counter()
    score = 0.0
    for line in lines:
        for found in re.finditer(r"[^\x00-\x7f]", line):
            place, character = found.start(), found[0]
            before, after = line[place - 1 : place] if place else "", line[place + 1 : place + 2]
            if character.isalpha() or unicodedata.category(character).startswith("M"):
                letters[character.lower()] += 1
                score += _letter(character, before, after)
            else:
                score += _symbol(character, before, after)
    return score + max(
        sum(count * _log_frequencies(language).get(letter, _FOREIGN) for letter, count in letters.items()) for language in languages
    )


def _letter(character: str, before: str, after: str) -> float:
    """What the neighbours of a letter say: capitals begin words, and words are written in one script."""
    score = 0.0
    is_latin = ord(character) < 0x250
    if not is_latin and any(each.isascii() and each.isalpha() for each in (before, after)):
        score -= 5
    if character.isupper():
        score -= 5 if before.islower() else 1.5 if before.isupper() or after.isupper() else 1
    elif character.islower() and after.isupper():
        score -= 4
    elif character in "ªº" and after.isalpha():
        score -= 8
    return score


def _symbol(character: str, before: str, after: str) -> float:
    if unicodedata.category(character).startswith("C") and character != "\xad":
        return _CONTROL
    if before.isalpha() and after.isalpha():
        return -3.0 if character in INSIDE_WORDS else _SYMBOL
    if character not in COMMON:
        return _SYMBOL
    if (character in OPENING and (before.isalpha() or not after or after.isspace())) or (character in CLOSING and before.isspace()):
        return -8.0
    if character in DASHES and (before.isalpha() != after.isalpha()):
        return -7.0  # dashes stand between blanks, or between words without any
    if character in "ªº" and not (before.isdigit() or before.isalpha()):
        return _SYMBOL
    return -4.0


@cache
def _frequent(language: str) -> frozenset[str]:
    return frozenset(FREQUENT[language])


def _ideographic(lines: Iterable[str], language: str) -> float:
    """Log probability of the characters outside ASCII in a language of ideographs or syllables."""
    score = 0.0
    for line in lines:
        before = ""
        for character in line:
            if ord(character) > 127:
                score += _wide(character, language)
                if before.isascii() and before.isalpha():
                    score -= 2
            before = character
    return score


def _wide(character: str, language: str) -> float:
    code = ord(character)
    if character in WIDE or 0xFF10 <= code <= 0xFF5A:
        return -5.0
    if character in _frequent(language):
        return math.log(0.75 / len(_frequent(language)))
    if 0x3041 <= code <= 0x30FF:
        return -4.5 if language == "Japanese" else -16.0
    if 0xAC00 <= code <= 0xD7A3:
        return -9.5 if language == "Korean" else -20.0
    if 0x4E00 <= code <= 0x9FFF:
        return -13.5 if language == "Korean" else -9.5 if _is_of_first_level(character, language) else -13.5
    return -18.0


def _is_of_first_level(character: str, language: str) -> bool:
    """Whether a character is among the frequent ones of the national standard: by sound or by strokes in the first half of its table."""
    name, low, high = {"Chinese": ("gb2312", 0xB0, 0xD7), "Traditional Chinese": ("big5", 0xA4, 0xC6), "Japanese": ("euc_jp", 0xB0, 0xCF)}[
        language
    ]
    try:
        return low <= character.encode(name)[0] <= high
    except UnicodeEncodeError:
        return False
