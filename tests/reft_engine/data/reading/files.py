"""Small files of each format, written by hand or by the libraries that people write them with."""

import gzip
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

ROWS = [(f"What is number {number}, please?", f"It is é{number}") for number in range(12)]
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_ODS = " ".join(f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "table", "text"))


def _cell(row: int, column: int, value: object) -> str:
    place = f"{chr(65 + column)}{row}"
    if value is None:
        return ""
    if isinstance(value, bool):
        return f'<c r="{place}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, int | float):
        return f'<c r="{place}"><v>{value}</v></c>'
    text = str(value)
    if text.startswith("="):
        return f'<c r="{place}"><f>{escape(text[1:])}</f></c>'
    return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{escape(text)}</t></is></c>'


def xlsx(sheets: Mapping[str, Sequence[Sequence[object]]], dimension: str = "", more: str = "") -> bytes:
    """A workbook. A text that begins with "=" is a formula without a stored value; ``more`` is XML at the end of each sheet."""
    numbered = list(enumerate(sheets.items(), 1))
    files = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="xml" ContentType="application/xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="r1" Type="{_RELATIONS}/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONS}"><sheets>'
        + "".join(f'<sheet name="{escape(name)}" sheetId="{number}" r:id="r{number}"/>' for number, (name, _) in numbered)
        + "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
        + "".join(
            f'<Relationship Id="r{number}" Type="{_RELATIONS}/worksheet" Target="worksheets/sheet{number}.xml"/>' for number, _ in numbered
        )
        + "</Relationships>",
    }
    for number, (_, rows) in numbered:
        cells = "".join(
            f'<row r="{row}">' + "".join(_cell(row, column, value) for column, value in enumerate(values)) + "</row>"
            for row, values in enumerate(rows, 1)
        )
        said = f'<dimension ref="{dimension}"/>' if dimension else ""
        files[f"xl/worksheets/sheet{number}.xml"] = f'<worksheet xmlns="{_MAIN}">{said}<sheetData>{cells}{more}</sheetData></worksheet>'
    return _zip(files)


def ods(rows: Sequence[Sequence[str]], more: str = "") -> bytes:
    """An OpenDocument spreadsheet with one sheet; ``more`` is XML after its rows."""
    lines = "".join(
        "<table:table-row>"
        + "".join(f'<table:table-cell office:value-type="string"><text:p>{escape(cell)}</text:p></table:table-cell>' for cell in row)
        + "</table:table-row>"
        for row in rows
    )
    content = (
        f"<office:document-content {_ODS}><office:body><office:spreadsheet>"
        f'<table:table table:name="Sheet">{lines}{more}</table:table></office:spreadsheet></office:body></office:document-content>'
    )
    manifest = '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>'
    return _zip({"mimetype": "application/vnd.oasis.opendocument.spreadsheet", "META-INF/manifest.xml": manifest, "content.xml": content})


def _zip(files: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text if name == "mimetype" else '<?xml version="1.0"?>' + text, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def zstandard(content: bytes) -> bytes:
    """The content as a Zstandard archive."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


def table_files() -> dict[str, bytes]:
    """The same rows in each format, by a name whose end is the format."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    objects = [json.dumps({"prompt": prompt, "answer": answer}, ensure_ascii=False) for prompt, answer in ROWS]
    comma = "prompt,answer\n" + "".join(f'"{prompt}",{answer}\n' for prompt, answer in ROWS)
    files = {
        "csv": comma.encode(),
        "quoted.csv": b"prompt,answer\n" + "".join(f'"{prompt}","{answer}"\n' for prompt, answer in ROWS).encode(),
        "tsv": ("prompt\tanswer\n" + "".join(f"{prompt}\t{answer}\n" for prompt, answer in ROWS)).encode(),
        "jsonl": "".join(f"{each}\n" for each in objects).encode(),
        "json": ("[" + ",\n".join(objects) + "]").encode(),
        "indented.json": json.dumps([json.loads(each) for each in objects], indent=2).encode(),
        "splits.json": ('{"train": [' + ",\n".join(objects[:8]) + '],\n"test": [' + ",\n".join(objects[8:]) + "]}").encode(),
        "utf-16.csv": comma.encode("utf-16"),
        "cp1252.csv": comma.encode("cp1252"),
        "csv.gz": gzip.compress(comma.encode(), mtime=0),
        "jsonl.zst": zstandard("".join(f"{each}\n" for each in objects).encode()),
        "xlsx": xlsx({"Sheet": [("prompt", "answer"), *ROWS]}),
        "ods": ods([("prompt", "answer"), *ROWS]),
    }
    table = pa.table({"prompt": [prompt for prompt, _ in ROWS], "answer": [answer for _, answer in ROWS]})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    files["parquet"] = sink.getvalue().to_pybytes()
    for name, writer in (("arrow", pa.ipc.new_file), ("arrows", pa.ipc.new_stream)):
        sink = pa.BufferOutputStream()
        with writer(sink, table.schema) as stream:
            stream.write_table(table)
        files[name] = sink.getvalue().to_pybytes()
    return files
