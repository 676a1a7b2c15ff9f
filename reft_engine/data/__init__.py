"""Files of examples: recognised by content, checked row by row. Imports neither torch nor pyarrow until it has to."""

from reft_engine.data.inspection import inspect_file, inspect_rows
from reft_engine.data.normalised import dump_examples, example_as_data, example_of_data, load_examples
from reft_engine.data.records import ColumnMapping, Example, Inspection, Limits, LooseRow, Message, Preference, Problem, as_rows, row_of
from reft_engine.data.row_check import Finding, RowCheck, counted
from reft_engine.data.splitting import split

__all__ = [
    "ColumnMapping",
    "Example",
    "Finding",
    "Inspection",
    "Limits",
    "LooseRow",
    "Message",
    "Preference",
    "Problem",
    "RowCheck",
    "as_rows",
    "counted",
    "dump_examples",
    "example_as_data",
    "example_of_data",
    "inspect_file",
    "inspect_rows",
    "load_examples",
    "row_of",
    "split",
]
