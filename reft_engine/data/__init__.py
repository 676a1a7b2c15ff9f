"""Files of examples: recognised by content, checked row by row. Imports neither torch nor pyarrow until it has to."""

from reft_engine.data.importing import import_file, load_inspection
from reft_engine.data.inspection import Inspection, inspect_file, inspect_rows
from reft_engine.data.normalised import dump_examples, example_as_data, examples_of_data, load_examples, rows_as_data
from reft_engine.data.reading import Encoding, ReadOptions
from reft_engine.data.records import (
    AnyExample,
    Example,
    Limits,
    LooseRow,
    Message,
    Preference,
    Problem,
    answers_of,
    as_rows,
    counted,
    row_of,
)
from reft_engine.data.report import REMEDIES, Remedy, ReportItem, ReportKind
from reft_engine.data.rewriting import Differences, ExportFormat, change_rows, differences, divide_rows, export_rows, texts_of
from reft_engine.data.roles import ROLES, ColumnRole, Columns, as_columns
from reft_engine.data.row_check import Finding, RowCheck
from reft_engine.data.shapes import TITLES
from reft_engine.data.splitting import SplitPlan, divided, split
from reft_engine.data.stored import INDEX, ROWS, Order, StoredRows, TableRow, TableRows

__all__ = [
    "INDEX",
    "REMEDIES",
    "ROLES",
    "ROWS",
    "TITLES",
    "AnyExample",
    "ColumnRole",
    "Columns",
    "Differences",
    "Encoding",
    "Example",
    "ExportFormat",
    "Finding",
    "Inspection",
    "Limits",
    "LooseRow",
    "Message",
    "Order",
    "Preference",
    "Problem",
    "ReadOptions",
    "Remedy",
    "ReportItem",
    "ReportKind",
    "RowCheck",
    "SplitPlan",
    "StoredRows",
    "TableRow",
    "TableRows",
    "answers_of",
    "as_columns",
    "as_rows",
    "change_rows",
    "counted",
    "differences",
    "divide_rows",
    "divided",
    "dump_examples",
    "example_as_data",
    "examples_of_data",
    "export_rows",
    "import_file",
    "inspect_file",
    "inspect_rows",
    "load_examples",
    "load_inspection",
    "row_of",
    "rows_as_data",
    "split",
    "texts_of",
]
