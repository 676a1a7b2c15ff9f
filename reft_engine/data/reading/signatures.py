"""Names what cannot be read by its first bytes: archives, programs, pictures, pickles, office files."""

import re
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from reft_engine.errors import DataError

_SIGNATURES = (
    (b"BZh", "bzip2", "a bzip2 archive; unpack it first"),
    (b"\xfd7zXZ", "xz", "an xz archive; unpack it first"),
    (b"7z\xbc\xaf", "seven_zip", "a 7-Zip archive; unpack it first"),
    (b"Rar!", "rar", "a RAR archive; unpack it first"),
    (
        b"\xd0\xcf\x11\xe0",
        "old_office",
        "an old or a password-protected Office file; save the table without a password as .xlsx or CSV first",
    ),
    (b"%PDF", "pdf", "a PDF; save the table as CSV first"),
    (b"MZ", "program", "a program"),
    (b"\x7fELF", "program", "a program"),
    (b"SQLite format 3", "sqlite", "a SQLite database; export the table as CSV first"),
    (b"\x89PNG", "picture", "a picture"),
    (b"\xff\xd8\xff", "picture", "a picture"),
)
"""Formats that cannot be read: first bytes, name in an error's kind, description in a sentence."""
_LETTERS = (b"BZh", b"MZ")
"""Signatures that a table's first column may begin with by chance."""
_PAGE = re.compile(rb"\s*<(!doctype|html|\?xml|svg|head|body)\b", re.IGNORECASE)
_PICKLE = re.compile(rb"\x80[\x02-\x05]")
_START = 4096


def refuse_other_formats(path: Path, start: bytes, compression: str | None) -> None:
    """Raise DataError for a file that is no table; ``start`` is what it begins with, expanded if it is compressed."""
    if compression and start.startswith(b"PK\x03\x04"):
        binary: tuple[str, str] | None = ("zip", "a workbook or another zip archive; unpack it first")
    else:
        binary = _format(path, start)
    if binary:
        name, what = binary
        what = f"{what}, inside a {'gzip' if compression == 'gzip' else 'Zstandard'} archive" if compression else what
        raise DataError("This is {what}. Spreadsheets, CSV, TSV, JSON, JSON Lines and Parquet can be read.", kind=f"file.{name}", what=what)


def _format(path: Path, start: bytes) -> tuple[str, str] | None:
    """Name and description of a format that cannot be read; None for text."""
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip_format(path)
    if start.startswith(b"PARE"):
        return "parquet_encrypted", "an encrypted Parquet file"
    if start.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd")):
        return "gzip", "an archive; unpack it first"
    if start.startswith(b"PAR1"):
        return "parquet_archive", "a Parquet file; unpack it first"
    if _PAGE.match(start):
        return "xml", "a web page or another XML file; save the table as CSV first"
    if not (start.startswith(_LETTERS) and _is_text(start)):
        for signature, name, what in _SIGNATURES:
            if start.startswith(signature):
                return name, what
    if _PICKLE.match(start):
        return "pickle", "a Python pickle, which can run code and is never opened"
    return None


_OFFICE = (
    ("xl/workbook.bin", "xlsb", "a binary Excel workbook; save it as .xlsx first"),
    ("word/", "word", "a Word document; save its table as CSV first"),
    ("ppt/", "powerpoint", "a PowerPoint presentation"),
    ("content.xml", "opendocument", "an OpenDocument file that is no spreadsheet"),
)
"""What a zip archive with a file of such a name is."""


def _zip_format(path: Path) -> tuple[str, str]:
    try:
        with ZipFile(path) as archive:
            names = archive.namelist()[:10_000]
    except (BadZipFile, OSError, ValueError, NotImplementedError):
        return "zip_damaged", "a damaged zip archive or Excel workbook"
    for start, name, what in _OFFICE:
        if any(each.startswith(start) for each in names):
            return name, what
    return "zip", "a zip archive; unpack it first"


def _is_text(start: bytes) -> bool:
    try:
        return "\0" not in start.decode("utf-8")
    except UnicodeDecodeError as error:
        # A character that is cut off at the end of the bytes read does not mean a program.
        return error.start > _START - 4
