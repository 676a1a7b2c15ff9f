"""JSON in its usual layouts, and what a broken row costs."""

import io
import json

import pandas
import pytest

from reft_engine.data import Limits
from reft_engine.errors import DataError

ROWS = [{"prompt": f"q{number}", "answer": f"a{number}"} for number in range(4)]


def values(rows):
    return [row.values for row in rows if row.values is not None]


def problems(rows):
    return [(row.line, row.lost) for row in rows if row.values is None]


def frame(**options):
    return pandas.DataFrame(ROWS).to_json(**options)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (json.dumps(ROWS), "json"),
        (json.dumps(ROWS, indent=2), "json"),
        ("".join(json.dumps(row) + "\n" for row in ROWS), "jsonl"),
        ("\ufeff" + "\r\n\r\n".join(json.dumps(row) for row in ROWS), "jsonl"),
        ("".join(json.dumps(row) + ",\n" for row in ROWS), "jsonl"),
        ("".join(json.dumps(row, indent=1) + "\n" for row in ROWS), "json"),
        (",\n".join(json.dumps(row, indent=1) for row in ROWS), "json"),
        (json.dumps({f"row{number}": row for number, row in enumerate(ROWS)}), "json"),
        (json.dumps({"data": ROWS}), "json"),
        (json.dumps({"version": "1.0", "data": ROWS, "count": 4}, indent=1), "json"),
        (json.dumps({"version": 1, "body": {"note": "x", "items": ROWS}}), "json"),
        (json.dumps({"a": {"b": {"items": ROWS}}}), "json"),
        (json.dumps({"prompt": [row["prompt"] for row in ROWS], "answer": [row["answer"] for row in ROWS]}), "json"),
        (frame(), "json"),
        (frame(orient="index"), "json"),
        (frame(orient="records"), "json"),
        (frame(orient="records", lines=True), "jsonl"),
        (frame(orient="split"), "json"),
        (json.dumps(ROWS[:2]) + "\n" + json.dumps(ROWS[2:]), "json"),
        ("".join(json.dumps(row) for row in ROWS), "json"),
    ],
)
def test_layouts(read, content, name):
    table, rows = read(content)
    assert values(rows) == ROWS and problems(rows) == []
    assert table.format == name


def test_the_table_layout_of_pandas_keeps_its_index(read):
    assert values(read(frame(orient="table"))[1]) == [{"index": str(number), **row} for number, row in enumerate(ROWS)]


def test_columns_may_be_missing_values(read):
    content = json.dumps({"prompt": {"0": "a", "1": "b"}, "answer": {"1": "c"}})
    assert values(read(content)[1]) == [{"prompt": "a"}, {"prompt": "b", "answer": "c"}]


def test_lists_of_texts_and_of_lists(read):
    assert values(read('["a", "b"]')[1]) == [{"text": "a"}, {"text": "b"}]
    assert values(read('[["a", 1], ["b", null]]')[1]) == [{"column 1": "a", "column 2": "1"}, {"column 1": "b", "column 2": None}]
    assert values(read('["a", "b"]\n["c", "d"]\n')[1]) == [{"column 1": "a", "column 2": "b"}, {"column 1": "c", "column 2": "d"}]


@pytest.mark.parametrize(("name", "key"), [("messages", "role"), ("conversations", "from")])
def test_a_list_of_messages_is_a_chat(read, name, key):
    chats = [[{key: "user", "content": f"hi {number}"}, {key: "assistant", "content": "hello"}] for number in range(3)]
    for content in (json.dumps(chats), "".join(json.dumps(chat) + "\n" for chat in chats)):
        assert values(read(content)[1]) == [{name: chat} for chat in chats]


@pytest.mark.parametrize("indent", [None, 1])
def test_lists_by_split_are_all_read_and_named(read, indent):
    content = json.dumps({"train": ROWS[:3], "oos_test": ROWS[3:], "val": []}, indent=indent)
    table, rows = read(content)
    assert table.lists == ("train", "oos_test", "val")
    assert values(rows) == [{**row, "split": "oos_test" if number == 3 else "train"} for number, row in enumerate(ROWS)]
    assert any("several lists (train, oos_test, val)" in note for note in table.notes)
    table, rows = read(content, list="oos_test")
    assert values(rows) == [{**ROWS[3], "split": "oos_test"}] and table.options.list == "oos_test"
    with pytest.raises(DataError, match=r"no list 'dev'\. It has train, oos_test, val"):
        read(content, list="dev")


def test_lists_of_lists_by_split(read):
    _, rows = read('{"val": [["hi", "greet"]], "train": [["bye", "leave"], ["ciao", "leave"]]}')
    assert [row["split"] for row in values(rows)] == ["val", "train", "train"]
    assert values(rows)[0] == {"column 1": "hi", "column 2": "greet", "split": "val"}


def test_a_column_split_of_the_rows_is_kept(read):
    _, rows = read(json.dumps({"train": [{"text": "a", "split": "x"}], "test": [{"text": "b"}]}))
    assert values(rows) == [{"text": "a", "split": "x"}, {"text": "b", "split": "test"}]


@pytest.mark.parametrize(
    "content",
    [
        '{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]}',
        '{"conversations": [{"from": "human", "value": "hi"}], "tools": [{"name": "x"}]}',
        '{"first": {"a": "b"}, "second": {"c": "d"}}',
        '{"prompt": "a", "answer": "b"}',
        '{"prompt": "a", "choices": ["b", "c"], "answer": "b"}',
    ],
)
def test_one_object_may_be_one_row(read, content):
    assert values(read(content)[1]) == [json.loads(content)]


def test_a_squad_file_gives_its_articles(read):
    article = {"title": "Peru", "paragraphs": [{"context": "Lima.", "qas": [{"question": "?", "answers": [{"text": "Lima"}]}]}]}
    assert values(read(json.dumps({"version": "1.1", "data": [article, article]}))[1]) == [article, article]


@pytest.mark.parametrize("form", ["list", "indented", "data", "split", "one line", "index"])
@pytest.mark.parametrize(
    ("whole", "broken"),
    [
        ('"a1"', '"a1'),
        ('"prompt": "q1"', '"prompt" "q1"'),
        ('"q1", "answer"', '"q1" "answer"'),
        ('"a1"', "a1"),
        ('"a1"', "NaN"),
    ],
)
def test_a_broken_row_costs_itself(read, form, whole, broken):
    objects = [json.dumps(row) for row in ROWS]
    parts = {
        "list": "[" + ",\n".join(objects) + "]\n",
        "one line": "[" + ", ".join(objects) + "]",
        "indented": json.dumps(ROWS, indent=2),
        "data": '{"v": 1, "data": [\n' + ",\n".join(objects) + "\n]}",
        "split": '{"train": [' + ",\n".join(objects[:2]) + '],\n"test": [' + ",\n".join(objects[2:]) + "]}",
        "index": "{" + ",\n".join(f'"{number}": {each}' for number, each in enumerate(objects)) + "}",
    }
    content = parts[form]
    if form == "indented":
        content = content.replace('"prompt": "q1",\n    "answer"', '"prompt": "q1", "answer"')
    assert whole in content
    _, rows = read(content.replace(whole, broken, 1))
    assert [row["prompt"] for row in values(rows)] == ["q0", "q2", "q3"]
    assert len(problems(rows)) == 1
    first = next(number for number, line in enumerate(content.split("\n"), 1) if '"q1"' in line)
    assert problems(rows)[0][0] in (first - 1, first, first + 1) and problems(rows)[0][1] in (1, 3 if form == "indented" else 1)


def test_rows_before_the_end_of_a_cut_file_are_kept(read):
    content = json.dumps(ROWS, indent=1)
    _, rows = read(content[: content.index("q2") + 1])
    assert values(rows) == ROWS[:2] and problems(rows)[0][1] == 2
    assert "never closed" in rows[-1].problem


def test_commas_that_are_missing_or_too_many(read):
    objects = [json.dumps(row) for row in ROWS]
    table, rows = read("[" + "\n".join(objects) + "]")
    assert values(rows) == ROWS and "3 commas are missing between rows; the rows were read." in table.notes
    _, rows = read("[" + ",\n,".join(objects) + ",\n]")
    assert values(rows) == ROWS and [lost for _, lost in problems(rows)] == [0, 0, 0, 0]


def test_text_after_the_end_is_counted(read):
    _, rows = read(json.dumps(ROWS) + "\nthe end\nof it\n")
    assert values(rows) == ROWS and problems(rows) == [(2, 2)]


def test_numbers_stay_as_written_and_constants_are_refused(read):
    _, rows = read('{"a": 1.50, "b": 1e400}\n{"a": NaN}\n{"a": 1, "a": 2}\n{"a": -Infinity}\n')
    assert values(rows) == [{"a": "1.50", "b": "1e400"}]
    assert [row.problem for row in rows[1:]] == [
        "NaN is not a value that JSON knows", "a field is named twice", "-Infinity is not a value that JSON knows",
    ]  # fmt: skip


def test_a_fault_is_named_with_its_column(read):
    _, rows = read('{"a": "b"}\n{"a": "b" "c": "d"}\n')
    assert rows[1].problem == "a comma or a closing bracket is missing (column 11)"
    _, rows = read('[{"a": "b"},\n  {"a": "b" "c": "d"}]')
    assert (rows[1].line, rows[1].problem) == (2, "a comma or a closing bracket is missing (column 13)")


@pytest.mark.slow
def test_rows_over_the_edges_of_what_is_read_at_once(read):
    rows = [{"prompt": "é" * (number * 7919 % 90_000), "answer": str(number)} for number in range(60)]
    for content in (json.dumps(rows, ensure_ascii=False), json.dumps(rows, indent=3), json.dumps({"x": 1, "data": rows})):
        assert values(read(content)[1]) == rows


@pytest.mark.slow
def test_lines_are_counted_over_many_pieces(read):
    stream = io.StringIO()
    for number in range(20_000):
        stream.write("[\r\n" if number == 0 else ",\r\n")
        stream.write(json.dumps({"prompt": "x" * 30, "answer": number}))
    _, rows = read(stream.getvalue() + "\r\n]")
    assert [row.line for row in rows] == list(range(2, 20_002))


@pytest.mark.slow
def test_a_list_whose_rows_are_all_broken_ends(read):
    _, rows = read("[" + '{"a": [{"a": ' * 3000)
    assert values(rows) == [] and rows[0].lost == 1
    _, rows = read('[{"prompt": "a", "answer": "b"}, ' + '{"prompt": "a" "b"}, ' * 500 + "]", limits=Limits(row=1000))
    assert len(values(rows)) == 1 and len(problems(rows)) >= 500
