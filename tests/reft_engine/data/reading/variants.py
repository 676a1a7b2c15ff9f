"""Broken variants of small files: seeded, so that a test fails or passes the same way each time."""

import random
from collections.abc import Callable, Iterator

from tests.reft_engine.data.reading.files import table_files

Break = Callable[[random.Random, bytes], bytes]


def _cut(draw: random.Random, data: bytes) -> bytes:
    return data[: draw.randrange(len(data))]


def _repeat(draw: random.Random, data: bytes) -> bytes:
    begin = draw.randrange(len(data))
    end = min(len(data), begin + draw.randrange(1, 60))
    return data[:end] + data[begin:end] * draw.randrange(1, 4) + data[end:]


def _shuffle(draw: random.Random, data: bytes) -> bytes:
    begin = draw.randrange(len(data))
    piece = list(data[begin : begin + 30])
    draw.shuffle(piece)
    return data[:begin] + bytes(piece) + data[begin + 30 :]


def _insert(*what: bytes) -> Break:
    def insert(draw: random.Random, data: bytes) -> bytes:
        for _ in range(draw.randrange(1, 4)):
            place = draw.randrange(len(data))
            data = data[:place] + draw.choice(what) + data[place:]
        return data

    return insert


def _drop(what: bytes) -> Break:
    def drop(draw: random.Random, data: bytes) -> bytes:
        places = [place for place, byte in enumerate(data) if byte in what]
        for place in sorted(draw.sample(places, min(len(places), draw.randrange(1, 4))), reverse=True):
            data = data[:place] + data[place + 1 :]
        return data

    return drop


def _flip(draw: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(draw.randrange(1, 5)):
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def _swap_line_ends(draw: random.Random, data: bytes) -> bytes:
    return b"".join(line + draw.choice((b"\n", b"\r\n", b"\r", b"\n\n")) for line in data.split(b"\n"))


def _encode_otherwise(draw: random.Random, data: bytes) -> bytes:
    text, name = data.decode("utf-8", "replace"), draw.choice(("cp1252", "utf-16", "utf-16-le", "gb18030", "mac_roman", "cp1251"))
    lines = text.split("\n")
    half = draw.randrange(len(lines) + 1)
    return "\n".join(lines[:half]).encode(name, "replace") + b"\n" + "\n".join(lines[half:]).encode(draw.choice((name, "utf-8")), "replace")


BREAKS: dict[str, Break] = {
    "cut": _cut, "repeated": _repeat, "shuffled": _shuffle, "flipped": _flip, "quotes": _insert(b'"'), "zeros": _insert(b"\0", b"\0\0"),
    "marks": _insert(b"\xef\xbb\xbf"), "bad bytes": _insert(b"\x92", b"\xff", b"\xc3"), "brackets": _insert(b"[", b"]", b"{", b"}", b","),
    "dropped": _drop(b',[]{}:"'), "line ends": _swap_line_ends, "encoded": _encode_otherwise, "no lines": _drop(b"\n"),
}  # fmt: skip


def variants(count: int, seed: int = 20) -> Iterator[tuple[str, bytes]]:
    """``count`` broken files with names that tell their format and what was done to them; each format and each damage comes in turn."""
    files = list(table_files().items())
    for number in range(count):
        draw = random.Random(f"{seed}-{number}")
        name, data = files[number % len(files)]
        damage = list(BREAKS)[(number + number // len(files)) % len(BREAKS)]
        yield f"{number}-{damage}.{name}", BREAKS[damage](draw, data)
