"""Reads the rows of a file, streamed from disk; the format follows from its content, never from its name."""

from reft_engine.data.reading.files import read_table
from reft_engine.data.reading.table import Counts, Encoding, ReadOptions, Row, Table

__all__ = ["Counts", "Encoding", "ReadOptions", "Row", "Table", "read_table"]
