"""Workbooks, made as the test that needs one wants them."""

import io
import zipfile
from collections.abc import Mapping, Sequence

_KIND = "application/vnd.oasis.opendocument.spreadsheet"
_NAMES = {part: f"urn:oasis:names:tc:opendocument:xmlns:{part}:1.0" for part in ("office", "table", "text", "manifest")}
_CELL = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
_DECLARED = " ".join(f'xmlns:{part}="{name}"' for part, name in _NAMES.items())


def workbook(sheets: Mapping[str, Sequence[Sequence[str]]]) -> bytes:
    """An OpenDocument workbook of texts, by the names of its sheets."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("mimetype", _KIND)
        entry = f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{_KIND}"/>'
        archive.writestr("META-INF/manifest.xml", f"<manifest:manifest {_DECLARED}>{entry}</manifest:manifest>")
        archive.writestr("content.xml", f"<office:document-content {_DECLARED}>{_body(sheets)}</office:document-content>")
    return packed.getvalue()


def _body(sheets: Mapping[str, Sequence[Sequence[str]]]) -> str:
    tables = "".join(f'<table:table table:name="{name}">{_rows(rows)}</table:table>' for name, rows in sheets.items())
    return f"<office:body><office:spreadsheet>{tables}</office:spreadsheet></office:body>"


def _rows(rows: Sequence[Sequence[str]]) -> str:
    return "".join(f"<table:table-row>{''.join(map(_CELL.format, row))}</table:table-row>" for row in rows)
