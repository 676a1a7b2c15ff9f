"""Recognises a file by its content and hands it to the reader of its format."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from reft_engine.data.reading.columnar import ARROW_FILE, ARROW_STREAM, read_arrow, read_parquet
from reft_engine.data.reading.delimited import read_delimited
from reft_engine.data.reading.encodings import Decoded, find_encoding
from reft_engine.data.reading.json_rows import read_json
from reft_engine.data.reading.signatures import refuse_other_formats
from reft_engine.data.reading.source import Source
from reft_engine.data.reading.table import ReadOptions, Table
from reft_engine.data.reading.workbook import read_workbook, workbook_format
from reft_engine.data.records import Limits
from reft_engine.errors import DataError

_START = 4096


def read_table(
    path: Path,
    options: ReadOptions = ReadOptions(),  # noqa: B008 (frozen)
    limits: Limits = Limits(),  # noqa: B008 (frozen)
    on_progress: Callable[[float], None] | None = None,
) -> Table:
    """Open a file. ``on_progress`` is told the share of the file that was read, from 0 to 1.

    Raises:
        DataError: the file has no known format, or lacks what ``options`` name. Iterating the rows can raise it too, for a file that
            is damaged as a whole or too large.
    """
    table = _table(path, options, limits, on_progress)
    return replace(table, options=table.options.model_copy(update={"include": options.include}))


def _table(path: Path, options: ReadOptions, limits: Limits, on_progress: Callable[[float], None] | None) -> Table:
    if not path.is_file():
        raise DataError("There is no file '{name}' here.", kind="file.missing", name=path.name[:80])
    limits = limits.of_file(path.stat().st_size)
    with path.open("rb") as file:
        start = file.read(_START)
    if start.startswith(b"PAR1"):
        return read_parquet(path, limits, on_progress)
    if start.startswith((ARROW_FILE, ARROW_STREAM)):
        return read_arrow(path, limits, on_progress)
    if start.startswith(b"PK") and (name := workbook_format(path)):
        return read_workbook(path, name, options, limits, on_progress)
    source = Source(path, limits, on_progress)
    if source.compression:
        with source.open() as expanded:
            start = expanded.read(_START)
    refuse_other_formats(path, start, source.compression)
    if source.size > limits.size:
        raise DataError(
            "The file has {size:,.0f} MB; at most {limit:,.0f} MB of text can be read.",
            kind="file.size",
            size=source.size / 1e6,
            limit=limits.size / 1e6,
        )
    return _text_table(source, find_encoding(source, start, options.encoding), options, limits)


def _text_table(source: Source, decoded: Decoded, options: ReadOptions, limits: Limits) -> Table:
    notes = [decoded.note] if decoded.note else []
    with source.open_text(decoded.name) as text:
        start = ""
        while not start and (piece := text.read(1 << 16)):
            start = piece.lstrip(" \t\r\n\ufeff")
    if not start and source.damage:
        raise DataError("The archive is damaged, and nothing in it can be read.", kind="file.archive")
    if not start:
        raise DataError("The file is empty.", kind="file.empty")
    if _begins_json(start):
        table = read_json(source, decoded.name, options, limits, notes)
    else:
        table = read_delimited(source, decoded.name, options, limits, notes)
    return replace(
        table, encoding=decoded.title, encodings=decoded.candidates, options=table.options.model_copy(update={"encoding": options.encoding})
    )


def _begins_json(text: str) -> bool:
    return text[0] == "{" or (text[0] == "[" and re.match(r"\[\s*([{\[\]\"]|\Z)", text) is not None)
