"""Workbooks: sheets, cells as they are shown, and archives that lie."""

import io
import struct
import zipfile

import pytest

from reft_engine.data import Limits
from reft_engine.errors import DataError
from tests.reft_engine.data.reading.files import ods, xlsx

TABLE = [("prompt", "answer"), ("a", "b"), ("c", "d")]


def values(rows):
    return [list(row.values.values()) for row in rows]


def changed(content, change):
    """A workbook with its members passed through ``change(name, data)``."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as after:
        for name in before.namelist():
            after.writestr(name, change(name, before.read(name)))
    return buffer.getvalue()


def test_the_first_sheet_that_holds_something_is_read_and_the_others_are_named(read):
    content = xlsx({"Empty": [], "Data": TABLE, "More": [("x", "y"), ("1", "2")]})
    table, rows = read(content)
    assert (table.format, table.sheets, table.options.sheet) == ("xlsx", ("Empty", "Data", "More"), "Data")
    assert values(rows) == [["a", "b"], ["c", "d"]] and "The sheet 'Data' is read; the others are Empty, More." in table.notes
    assert values(read(content, sheet="More", header=True)[1]) == [["1", "2"]]
    with pytest.raises(DataError, match=r"no sheet 'Less'\. It has Empty, Data, More"):
        read(content, sheet="Less")
    with pytest.raises(DataError, match="sheet 'Empty' is empty"):
        read(content, sheet="Empty")


def test_cells_are_texts_as_a_spreadsheet_shows_them(read):
    _, rows = read(xlsx({"S": [("prompt", "answer"), ("x", 1.0), (2.5, 0.1 + 0.2), (True, 1e20), (" a\nb ", None)]}))
    assert values(rows) == [["x", "1"], ["2.5", "0.3"], ["TRUE", "1e+20"], [" a\nb ", ""]]


def test_dates_are_in_iso_form(read):
    styles = (
        '<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><cellXfs count="3"><xf numFmtId="0"/>'
        '<xf numFmtId="14"/><xf numFmtId="22"/></cellXfs></styleSheet>'
    )
    relation = (
        '<Relationship Id="styles" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" '
        'Target="styles.xml"/></Relationships>'
    )
    content = xlsx(
        {"S": [("prompt", "answer")]}, more='<row r="2"><c r="A2" s="1"><v>45000</v></c><c r="B2" s="2"><v>45000.5</v></c></row>'
    )
    buffer = io.BytesIO(
        changed(content, lambda name, data: data.replace(b"</Relationships>", relation.encode()) if "workbook.xml.rels" in name else data)
    )
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("xl/styles.xml", styles)
    assert values(read(buffer.getvalue())[1]) == [["2023-03-15", "2023-03-15 12:00:00"]]


def test_rows_keep_the_numbers_of_the_sheet(read):
    rows = [("My export",), (), ("prompt", "answer", "note"), ("a", "b", "c"), (), ("prompt", "answer", "note"), ("d", "e", None)]
    table, found = read(xlsx({"S": rows}))
    assert [(row.line, row.values["prompt"]) for row in found] == [(4, "a"), (7, "d")]
    assert (table.options.skip, table.options.header) == (2, True)
    assert "1 row above the table is left out." in table.notes and (table.counts.headers, table.counts.first_header) == (1, 6)
    assert values(read(xlsx({"S": [("hello", 1), ("bye", 2)]}))[1]) == [["hello", "1"], ["bye", "2"]]


def test_formulas_without_a_stored_value_are_counted(read):
    table, rows = read(xlsx({"S": [("prompt", "answer"), ("a", "=1+1"), ("b", "c")]}))
    assert values(rows) == [["a", ""], ["b", "c"]]
    assert any(note.startswith("1 formula") for note in table.notes)


def test_ods_is_read_and_its_empty_end_costs_nothing(read):
    end = (
        '<table:table-row table:number-rows-repeated="1048573"><table:table-cell table:number-columns-repeated="16384"/></table:table-row>'
    )
    table, rows = read(ods(TABLE, end))
    assert table.format == "ods" and values(rows) == [["a", "b"], ["c", "d"]]


def test_a_dimension_that_claims_too_much_is_no_cell(read):
    assert values(read(xlsx({"S": TABLE}, dimension="A1:XFD1048576"))[1]) == [["a", "b"], ["c", "d"]]
    styled = '<row r="1048576"><c r="XFD1048576" s="1"/></row>'
    assert values(read(xlsx({"S": TABLE}, more=styled))[1]) == [["a", "b"], ["c", "d"]]


REPEATED = '<table:table-row table:number-rows-repeated="100000"><table:table-cell office:value-type="string" ' \
    'table:number-columns-repeated="100000"><text:p>x</text:p></table:table-cell></table:table-row>'  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        xlsx({"S": TABLE}, more='<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'),
        xlsx({"S": TABLE}, more="<row r='1048576'><c r='XFD1048576'><v>1</v></c></row>"),
        xlsx({"S": TABLE}, more='<row r="4"><c r="ZZZZZZ4"><v>1</v></c></row>'),
        xlsx({"S": TABLE}, more='<row r="4"><c r="A4" t="inlineStr"><is><t>' + "x" * 60_000_000 + "</t></is></c></row>"),
        ods(TABLE, REPEATED),
    ],
    ids=["far", "quoted otherwise", "column", "expands", "repeated"],
)
def test_a_sheet_that_grows_without_end_is_refused_before_it_is_opened(read, content):
    assert len(content) < 100_000
    with pytest.raises(DataError, match="unpacks to more than can be read"):
        read(content)


def test_an_archive_that_lies_about_its_sizes_is_damaged(read):
    content = bytearray(xlsx({"S": TABLE}, more='<row r="4"><c r="A4" t="inlineStr"><is><t>' + "x" * 600_000 + "</t></is></c></row>"))
    place = content.find(b"PK\x01\x02")
    while place >= 0:
        (length,) = struct.unpack_from("<H", content, place + 28)
        if b"sheet1" in content[place + 46 : place + 46 + length]:
            struct.pack_into("<I", content, place + 24, 500)
        place = content.find(b"PK\x01\x02", place + 4)
    with pytest.raises(DataError, match="workbook is damaged"):
        read(bytes(content))


def test_entities_are_refused(read):
    def with_entity(name, data):
        return data.replace(b'<?xml version="1.0"?>', b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY y "zz">]>') if "sheet1" in name else data

    with pytest.raises(DataError, match="workbook is damaged"):
        read(changed(xlsx({"S": TABLE}), with_entity))


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["word/document.xml"], "a Word document"),
        (["ppt/presentation.xml"], "a PowerPoint presentation"),
        (["xl/workbook.bin"], "a binary Excel workbook; save it as .xlsx"),
        (["mimetype", "content.xml"], "no spreadsheet"),
        (["data.csv"], "a zip archive"),
    ],
)
def test_other_archives_are_named(read, names, words):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, "application/vnd.oasis.opendocument.text")
    with pytest.raises(DataError, match=words):
        read(buffer.getvalue())


def test_old_and_protected_workbooks_say_what_to_do(read):
    with pytest.raises(DataError, match=r"password-protected Office file; save the table without a password as \.xlsx or CSV"):
        read(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600)


def test_limits_of_a_workbook_are_said(read):
    with pytest.raises(DataError, match="columns; at most 500"):
        read(xlsx({"S": [("a",)]}, more='<row r="2"><c r="ZZ2"><v>1</v></c></row>'))
    _, rows = read(xlsx({"S": [*TABLE, ("x" * 200, "y")]}), limits=Limits(cell=100))
    assert (rows[-1].line, rows[-1].problem, rows[-1].lost) == (4, "a cell is too long", 1)
