"""Parquet and Arrow: types, class names, and files that expand."""

import datetime
import decimal
import json
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reft_engine.data import Limits
from reft_engine.errors import DataError


def parquet(table, **options):
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, **options)
    return sink.getvalue().to_pybytes()


def arrow(table, writer, **options):
    sink = pa.BufferOutputStream()
    with writer(sink, table.schema, **options) as stream:
        stream.write_table(table)
    return sink.getvalue().to_pybytes()


FORMS = {
    "parquet": parquet,
    "arrow file": lambda table: arrow(table, pa.ipc.new_file),
    "arrow stream": lambda table: arrow(table, pa.ipc.new_stream),
}


@pytest.mark.parametrize("form", FORMS)
def test_values_of_every_kind_are_as_json_could_hold_them(read, form):
    table = pa.table(
        {
            "date": pa.array([datetime.date(2020, 1, 2), None]),
            "moment": pa.array([datetime.datetime(2020, 1, 2, 3, 4, 5), None]),
            "price": pa.array([decimal.Decimal("1.50"), None]),
            "chat": pa.array([[{"role": "user", "content": "hi"}], None]),
            "map": pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int64())),
            "kind": pa.array(["x", "y"]).dictionary_encode(),
            "number": pa.array([1, None], pa.int8()),
            "yes": [True, None],
        }
    )
    found, rows = read(FORMS[form](table))
    assert found.format == form.split()[0]
    assert rows[0].values == {
        "date": "2020-01-02", "moment": "2020-01-02 03:04:05", "price": "1.50", "chat": [{"role": "user", "content": "hi"}],
        "map": [["a", 1]], "kind": "x", "number": 1, "yes": True,
    }  # fmt: skip
    assert set(rows[1].values.values()) == {None, "y"} and [row.line for row in rows] == [1, 2]


def test_bytes_that_are_no_text_are_left_out_and_counted(read):
    table, rows = read(parquet(pa.table({"text": [b"caf\xc3\xa9", b"ok"], "picture": [b"\x89PNG\xff", b"\xff\xfe"]})))
    assert [row.values for row in rows] == [{"text": "café", "picture": None}, {"text": "ok", "picture": None}]
    assert table.notes == ["The column picture holds 2 cells with bytes that are no text; they are left out."]


@pytest.mark.parametrize("kind", ["info", "old"])
def test_numbers_of_classes_become_their_names(read, kind):
    label = {"names": ["negative", "positive"], "_type": "ClassLabel"}
    features = {"label": label, "tags": {"feature": label, "_type": "Sequence"}, "text": {"dtype": "string", "_type": "Value"}}
    description = {"info": {"features": features}} if kind == "info" else {"features": features}
    table = pa.table({"text": ["a", "b", "c"], "label": [1, 0, -1], "tags": [[0, 1], [], None]})
    found, rows = read(parquet(table.replace_schema_metadata({"huggingface": json.dumps(description)})))
    assert [row.values["label"] for row in rows] == ["positive", "negative", None]
    assert [row.values["tags"] for row in rows] == [["negative", "positive"], [], None]
    assert found.notes == ["The numbers in label, tags are read as the names of their classes."]


@pytest.mark.parametrize("description", ["{", "[]", "null", '{"info": []}', '{"info": {"features": {"label": 1}}}', "[" * 100_000])
def test_a_description_that_is_broken_says_nothing(read, description):
    table = pa.table({"label": [1]}).replace_schema_metadata({"huggingface": description})
    assert read(parquet(table))[1][0].values == {"label": 1}


def test_columns_with_the_same_name_are_numbered(read):
    table = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    assert read(arrow(table, pa.ipc.new_stream))[1][0].values == {"text": "a", "text (2)": "b"}


def test_rows_are_counted_over_row_groups_and_batches(read):
    shares = []
    _, rows = read(parquet(pa.table({"n": list(range(5000))}), row_group_size=700), on_progress=shares.append)
    assert [row.line for row in rows] == list(range(1, 5001)) and [row.values["n"] for row in rows] == list(range(5000))
    assert shares == sorted(shares) and shares[-1] == 1.0


@pytest.mark.parametrize("form", FORMS)
def test_a_cut_file_is_damaged(read, form):
    content = FORMS[form](pa.table({"text": ["x" * 50] * 100}))
    with pytest.raises(DataError, match="damaged"):
        read(content[: len(content) // 2])


_REPEATED = "pa.DictionaryArray.from_arrays(pa.array([0] * {count}, pa.int32()), pa.array(['x' * {size}]))"
_LISTS = "pa.ListArray.from_arrays(list(range(0, {count} + 1, 100)), {values})"
BOMBS = {
    "texts": _REPEATED.format(count=100_000, size=200_000),
    "wide": _REPEATED.format(count=40, size=50_000_000),
    "nested": _LISTS.format(count=200_000, values=_REPEATED.format(count=200_000, size=10_000)),
    "numbers": _LISTS.format(count=150_000_000, values="pa.nulls(150_000_000, pa.int8()).fill_null(1)"),
}


@pytest.mark.process
@pytest.mark.parametrize("bomb", BOMBS)
def test_a_small_file_that_expands_without_end_is_refused_before_it_takes_memory(tmp_path, bomb):
    write = f"import pyarrow as pa, pyarrow.parquet as pq; pq.write_table(pa.table({{'a': {BOMBS[bomb]}}}), 'bomb', compression='zstd')"
    subprocess.run([sys.executable, "-c", write], cwd=tmp_path, check=True)
    assert (tmp_path / "bomb").stat().st_size < 30_000
    read = (
        "from pathlib import Path; from reft_engine.data.reading import read_table\n"
        "from reft_engine.errors import DataError\n"
        "try: list(read_table(Path('bomb')).rows)\n"
        "except DataError as error: print(error.kind)\n"
        "print(int(Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0]) // 1024)"
    )
    kind, peak = subprocess.run([sys.executable, "-c", read], cwd=tmp_path, check=True, capture_output=True, text=True).stdout.split()
    assert kind in ("file.parquet_growth", "file.parquet_size") and int(peak) < 200


@pytest.mark.slow
def test_texts_that_are_repeated_beyond_the_limit_are_refused_while_reading(read):
    texts = [f"{number} " + "x" * 1000 for number in range(20)]
    content = parquet(pa.table({"text": [texts[number % 20] for number in range(20_000)]}), compression="none")
    assert len(content) < 50_000
    assert len(read(content)[1]) == 20_000
    with pytest.raises(DataError, match="grows to more than 5 MB"):
        read(content, limits=Limits(expanded=5_000_000))


@pytest.mark.slow
def test_one_row_with_very_much_in_it_is_a_problem(read):
    _, rows = read(parquet(pa.table({"text": ["a", "x" * 50_000, "b"]})), limits=Limits(row=5000))
    assert len(rows) == 3  # the text is within reach; the caller looks at cells
    _, rows = read(parquet(pa.table({"n": [[1] * 10, [2] * 6_000_000, [3]]})))
    assert [(row.line, row.problem) for row in rows if row.values is None] == [(2, "the row is too long")]
