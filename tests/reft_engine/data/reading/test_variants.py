"""Broken files of each format are read or refused in words, and no line of them is lost in silence."""

import io
import json
import re
from contextlib import suppress

import pytest

from reft_engine.data import inspect_file
from reft_engine.data.reading import read_table
from reft_engine.errors import DataError
from tests.reft_engine.data.reading.files import ROWS, table_files
from tests.reft_engine.data.reading.variants import variants

COUNT = 260


@pytest.mark.parametrize("name", table_files())
def test_the_whole_file_is_read(tmp_path, name):
    (tmp_path / "upload").write_bytes(table_files()[name])
    rows = list(read_table(tmp_path / "upload").rows)
    assert [(row.values["prompt"], row.values["answer"]) for row in rows] == ROWS


@pytest.mark.slow
@pytest.mark.parametrize(("name", "content"), [pytest.param(*each, id=each[0]) for each in variants(COUNT)])
def test_a_broken_file_is_read_or_refused_and_its_lines_are_accounted_for(tmp_path, name, content):
    path = tmp_path / "upload"
    path.write_bytes(content)
    table, rows, refused = _read(path)
    if refused:
        assert re.fullmatch(r"(The|This|Line|Row|There) .{10,300}\.", str(refused)) and refused.kind
        return
    assert all((row.values is None) == bool(row.problem) for row in rows)
    assert all(row.line >= 1 and row.lost >= 0 for row in rows)
    _check_lines(table, rows, content, name)
    with suppress(DataError):  # names of columns can be unreadable
        assert inspect_file(path).rows == len(rows)


def _read(path):
    """A table with its rows, or why it is refused."""
    try:
        table = read_table(path)
        return table, list(table.rows), None
    except DataError as error:
        return None, [], error


def _check_lines(table, rows, content, name):
    if name.endswith((".gz", ".zst")) or table.format not in ("csv", "tsv", "json", "jsonl"):
        return
    codec = {"utf-8": "utf-8-sig", "mac-roman": "mac_roman"}.get(table.encoding, table.encoding)
    lines = io.StringIO(content.decode(codec, "replace"), newline="").readlines()
    lost = sum(row.lost for row in rows)
    if table.format == "json":
        # Of a list only lines that hold something of a row are counted, and several rows may share one.
        held = {number for number, line in enumerate(lines, 1) if re.search(r"What is number|It is", line)}
        found = [text for row in rows if row.values for text in row.values.values() if isinstance(text, str)]
        texts = {json.dumps(text, ensure_ascii=escaped)[1:-1] for text in found for escaped in (True, False)}
        read = {number for number in held if any(text in lines[number - 1] for text in texts)}
        assert len(held - read) <= lost
    else:
        assert table.counts.rows + table.counts.blank + table.counts.heading + lost == len(lines)
