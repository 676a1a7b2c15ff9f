"""Reads the rows of Parquet and Arrow files, and counts what they expand to before it is expanded."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from reft_engine.data.reading.table import Row, Table, check_columns, column_names
from reft_engine.data.records import Limits, counted
from reft_engine.errors import DataError

ARROW_FILE, ARROW_STREAM = b"ARROW1", b"\xff\xff\xff\xff"
_MOST_ROWS = 50_000_000
_BATCH = 1024
_BATCH_BYTES, _BATCH_VALUES = 32_000_000, 500_000
"""Bytes and values of a batch that become Python objects at once."""
_PAGE, _DENSE_PAGE = 32_000_000, 256_000_000
"""Bytes of a page that is compressed a hundredfold or holds a dictionary, and of any other."""
_RATIO = 100


def read_parquet(path: Path, limits: Limits, on_progress: Callable[[float], None] | None = None) -> Table:
    """Open a Parquet file. Raises DataError if its footer is damaged or claims too much."""
    from pyarrow.parquet import ParquetFile

    with _damage("Parquet"):
        file = ParquetFile(path, thrift_string_size_limit=100_000_000, thrift_container_size_limit=1_000_000)
        check_columns(len(file.schema_arrow.names), limits)
        values_per_row = _check_footer(path, file.metadata, limits)
        # Texts that are referred to many times are read once, so that they can be counted before they are repeated.
        file = ParquetFile(
            path, read_dictionary=_text_columns(file), thrift_string_size_limit=100_000_000, thrift_container_size_limit=1_000_000
        )
    size = max(1, min(_BATCH, int(_BATCH_VALUES / max(1.0, values_per_row))))
    return table_of("parquet", file.schema_arrow, lambda: file.iter_batches(batch_size=size), file.metadata.num_rows, limits, on_progress)


def read_arrow(path: Path, limits: Limits, on_progress: Callable[[float], None] | None = None) -> Table:
    """Open an Arrow file or stream. Raises DataError if it is damaged."""
    from pyarrow import OSFile, ipc

    with path.open("rb") as start:
        is_file = start.read(6) == ARROW_FILE
    with _damage("Arrow"):
        reader = ipc.open_file(OSFile(str(path))) if is_file else ipc.open_stream(OSFile(str(path)))
        check_columns(len(reader.schema.names), limits)

    def batches() -> Iterator[Any]:
        for batch in (reader.get_batch(index) for index in range(reader.num_record_batches)) if is_file else reader:
            batch.validate(full=True)  # offsets of a file are not to be trusted
            if batch.num_rows > _MOST_ROWS:
                raise ValueError("more rows than a file can hold")
            yield from (batch.slice(begin, _BATCH) for begin in range(0, batch.num_rows, _BATCH))

    return table_of("arrow", reader.schema, batches, 0, limits, on_progress)


class _damage:  # noqa: N801 (a context manager)
    """Turns the errors of pyarrow into one sentence."""

    def __init__(self, what: str) -> None:
        self._what, self.rows = what, 0

    def __enter__(self) -> "_damage":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        from pyarrow import ArrowException

        if isinstance(error, (ArrowException, OSError, ValueError, OverflowError, KeyError, MemoryError)):
            where = f" after row {self.rows:,}" if self.rows else ""
            raise DataError(
                "The {what} file is damaged{where} and cannot be read.", kind="file.columnar", what=self._what, where=where
            ) from error


# What the footer tells


def _check_footer(path: Path, meta: Any, limits: Limits) -> float:
    """The most values that a column has for each row. Raises DataError for a file that claims too much or would expand too far."""
    groups = [meta.row_group(index) for index in range(meta.num_row_groups)]
    size = sum(group.total_byte_size for group in groups)
    values: dict[int, int] = {}
    for group in groups:
        for index in range(group.num_columns):
            column = group.column(index)
            values[index] = values.get(index, 0) + column.num_values
            _check_chunk(path, column, limits)
    most = max(values.values(), default=0)
    if size > limits.expanded or not 0 <= meta.num_rows <= _MOST_ROWS or most * 8 > limits.expanded:
        raise DataError(
            "The file claims {rows:,} rows in {size:,.1f} GB, which is too much to read here.",
            kind="file.parquet_size",
            rows=meta.num_rows,
            size=max(size, most * 8) / 1e9,
        )
    return float(most / max(1, meta.num_rows))


def _check_chunk(path: Path, column: Any, limits: Limits) -> None:
    """Refuse a column whose first page unpacks to far more than it takes, or whose dictionary would be repeated without end."""
    offset = column.dictionary_page_offset if column.has_dictionary_page else column.data_page_offset
    is_dense = column.total_uncompressed_size < _RATIO * max(1, column.total_compressed_size)
    page = _page_size(path, offset or 0)
    is_too_large = page > (_DENSE_PAGE if is_dense and not column.has_dictionary_page else _PAGE)
    # Every value may be the longest text of the dictionary.
    repeated = column.num_values * column.total_uncompressed_size if column.physical_type == "BYTE_ARRAY" and not is_dense else 0
    if is_too_large or repeated > limits.expanded:
        _refuse_growth(limits)


def _page_size(path: Path, offset: int) -> int:
    """Bytes of a page once it is unpacked, from its header (Thrift's compact form: type, unpacked size, packed size)."""
    with path.open("rb") as file:
        file.seek(max(0, offset))
        header = file.read(24)
    numbers: list[int] = []
    position = 0
    while len(numbers) < 2 and header[position : position + 1] == b"\x15":
        number = shift = 0
        position += 1
        while position < len(header):
            byte = header[position]
            number, shift, position = number | (byte & 0x7F) << shift, shift + 7, position + 1
            if byte < 128:
                break
        numbers.append((number >> 1) ^ -(number & 1))
    return numbers[1] if len(numbers) == 2 else 0


def _refuse_growth(limits: Limits) -> None:
    raise DataError(
        "The file grows to more than {limit:,} MB when it is read; it was refused.",
        kind="file.parquet_growth",
        limit=limits.expanded // 1_000_000,
    )


def _text_columns(file: Any) -> list[str]:
    """Paths of the columns whose texts may be kept once."""
    columns = [file.schema.column(index) for index in range(len(file.metadata.schema))]
    return [
        column.path for column in columns if column.physical_type == "BYTE_ARRAY" and str(column.logical_type.type) in ("STRING", "NONE")
    ]


# Rows


def table_of(
    name: str, schema: Any, batches: Callable[[], Iterator[Any]], rows: int, limits: Limits,
    on_progress: Callable[[float], None] | None = None,
) -> Table:  # fmt: skip
    """The rows of record batches that have one schema; of ``rows`` of them in all, if that is known."""
    notes: list[str] = []
    names = column_names(schema.names, notes)
    labels = _class_labels(schema, notes)
    reader = _Rows(name, names, labels, limits, notes)
    return Table(name, reader.read(batches, rows, on_progress), notes)


def _class_labels(schema: Any, notes: list[str]) -> dict[str, list[str]]:
    """Names of the classes of columns that hold their numbers, from the description that the ``datasets`` library writes."""
    try:
        description = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = description.get("info", description).get("features", {})
        found = {column: _label_names(feature) for column, feature in features.items()}
    except (ValueError, AttributeError, TypeError, RecursionError):
        return {}
    labels = {column: names for column, names in found.items() if names and column in schema.names}
    if labels:
        notes.append(f"The numbers in {', '.join(labels)[:200]} are read as the names of their classes.")
    return labels


def _label_names(feature: Any) -> list[str]:
    if isinstance(feature, list) and len(feature) == 1:
        return _label_names(feature[0])
    if not isinstance(feature, Mapping):
        return []
    if "feature" in feature:
        return _label_names(feature["feature"])
    names = feature.get("names")
    return (
        names if feature.get("_type") == "ClassLabel" and isinstance(names, list) and all(isinstance(each, str) for each in names) else []
    )


def _named(value: Any, names: list[str]) -> Any:
    """The name of a class, given its number; None for -1, by which ``datasets`` marks a missing label."""
    if isinstance(value, list):
        return [_named(each, names) for each in value]
    if isinstance(value, bool) or not isinstance(value, int):
        return value
    return None if value == -1 else names[value] if 0 <= value < len(names) else value


class _Rows:
    """Turns batches into rows."""

    def __init__(self, name: str, names: list[str], labels: dict[str, list[str]], limits: Limits, notes: list[str]) -> None:
        self._name, self._names, self._labels, self._limits, self._notes = name, names, labels, limits, notes
        self._size = 0
        self._bytes: dict[str, int] = {}
        """Cells of each column that hold bytes which are no text."""
        self._dictionaries: dict[int, tuple[Any, list[Any]]] = {}
        """Texts of the dictionary of each column, with the array that they come from."""

    def read(self, batches: Callable[[], Iterator[Any]], rows: int, on_progress: Callable[[float], None] | None) -> Iterator[Row]:
        with _damage(self._name.title()) as state:
            for batch in batches():
                size = sum(_expanded_size(column) for column in batch.columns)
                self._size += size
                if self._size > self._limits.expanded:
                    _refuse_growth(self._limits)
                step = max(1, min(len(batch), int(len(batch) * _BATCH_BYTES / max(1, size))))
                for begin in range(0, len(batch), step):
                    if step == 1 and sum(_expanded_size(column.slice(begin, 1)) for column in batch.columns) > 8 * self._limits.row:
                        state.rows += 1
                        yield Row(state.rows, None, "the row is too long", 1)
                        continue
                    columns = [self._values(index, column.slice(begin, step)) for index, column in enumerate(batch.columns)]
                    for values in zip(*columns, strict=True):
                        state.rows += 1
                        yield Row(state.rows, dict(zip(self._names, values, strict=True)))
                if on_progress and rows:
                    on_progress(min(1.0, state.rows / rows))
        for column, count in self._bytes.items():
            self._notes.append(f"The column {column[:100]} holds {counted(count, 'cell')} with bytes that are no text; they are left out.")

    def _values(self, index: int, array: Any) -> list[Any]:
        """One column of a batch as Python values."""
        from pyarrow import types

        name = self._names[index]
        if types.is_dictionary(array.type):
            texts = self._texts(index, array.dictionary)
            values = [None if place is None else texts[place] for place in array.indices.to_pylist()]
        else:
            values = array.to_pylist()
            if not (types.is_string(array.type) or types.is_large_string(array.type) or types.is_integer(array.type)):
                values = [self._plain(value, name) for value in values]
        if names := self._labels.get(name):
            values = [_named(value, names) for value in values]
        return values

    def _texts(self, index: int, dictionary: Any) -> list[Any]:
        before = self._dictionaries.get(index)
        if before is None or not before[0].equals(dictionary):
            before = self._dictionaries[index] = (dictionary, [self._plain(value, self._names[index]) for value in dictionary.to_pylist()])
        return before[1]

    def _plain(self, value: Any, column: str) -> Any:
        """A value as JSON could hold it; dates and exact numbers as text."""
        if isinstance(value, str | int | float) or value is None:
            return value
        if isinstance(value, Decimal | date | datetime | time | timedelta):
            return str(value)
        if isinstance(value, Mapping):
            return {str(key): self._plain(each, column) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self._plain(each, column) for each in value]
        if isinstance(value, bytes):
            try:
                return value.decode("utf-8")
            except UnicodeDecodeError:
                self._bytes[column] = self._bytes.get(column, 0) + 1
                return None
        return str(value)


def _expanded_size(array: Any) -> int:
    """Bytes of an array once each text that a dictionary holds is repeated wherever it is referred to."""
    from pyarrow import compute, types

    if types.is_dictionary(array.type):
        if not _has_texts(array.type.value_type):
            return int(array.indices.nbytes)
        used = compute.value_counts(array.indices.drop_null())
        lengths = compute.binary_length(array.dictionary).take(used.field(0))
        total = compute.sum(compute.multiply(lengths.cast("int64"), used.field(1))).as_py()
        return int(total or 0) + int(array.indices.nbytes)
    if types.is_struct(array.type):
        return sum(_expanded_size(each) for each in array.flatten())
    if types.is_list(array.type) or types.is_large_list(array.type) or types.is_fixed_size_list(array.type):
        return _expanded_size(array.flatten()) + 8 * len(array)
    if types.is_map(array.type):
        return _expanded_size(array.keys) + _expanded_size(array.items)
    return int(array.nbytes)


def _has_texts(kind: Any) -> bool:
    from pyarrow import types

    return any(is_kind(kind) for is_kind in (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary))
