"""CSV and its kin: layout, damaged lines, and that no line is lost in silence."""

import csv
import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reft_engine.data import Limits
from reft_engine.errors import DataError


def cells(rows):
    return [list(row.values.values()) for row in rows if row.values is not None]


def problems(rows):
    return [(row.line, row.lost, row.problem) for row in rows if row.values is None]


def accounted(table, rows):
    return table.counts.rows + table.counts.blank + table.counts.heading + sum(row.lost for row in rows)


def test_a_stray_quotation_mark_costs_its_line(read):
    lines = ["prompt,answer", "q1,a1", '"q2,a2', "q3,a3", "q4,a4", '"q, five",a5', "q6,a6"]
    table, rows = read("\n".join(lines) + "\n")
    assert problems(rows) == [(3, 1, "a quotation mark is opened at column 1 and never closed")]
    assert cells(rows) == [["q1", "a1"], ["q3", "a3"], ["q4", "a4"], ["q, five", "a5"], ["q6", "a6"]]
    assert accounted(table, rows) == 7


@pytest.mark.parametrize(
    ("damaged", "line", "column"),
    [
        ('a,b\nc,"d\ne,f\n', 3, 3),
        ('a,b\n"c"d,e\ne,f\n', 3, 3),
        ('a,b\nc, "d"e\ne,f\n', 3, 6),
        ('a,b\n"c",d,"e\ne,f\n', 3, 7),
    ],
)
def test_a_damaged_line_is_named_with_its_column(read, damaged, line, column):
    _, rows = read("prompt,answer\n" + damaged)
    assert [(row.line, row.lost) for row in rows if row.values is None] == [(line, 1)]
    assert f"column {column}" in next(row.problem for row in rows if row.values is None)
    assert cells(rows) == [["a", "b"], ["e", "f"]]


def test_a_quoted_cell_with_line_breaks_is_one_cell_also_a_long_one(read):
    poem = "\n".join(f'line {number} says ""so""' for number in range(3000))
    table, rows = read(f'prompt,answer\na,"{poem}"\nb,c\n')
    assert cells(rows) == [["a", poem.replace('""', '"')], ["b", "c"]]
    assert [row.line for row in rows] == [2, 3002] and accounted(table, rows) == 3002


def test_the_lines_like_rows_that_a_quoted_cell_has_swallowed_are_counted(read):
    _, rows = read('prompt,answer\nq1,"a1\nq2,a2\nq3,a3\nq4,a4"\nq5,a5\n')
    assert [(row.line, row.swallowed) for row in rows] == [(2, 3), (6, 0)]


def test_repeated_headers_are_counted(read):
    table, rows = read("prompt,answer\na,b\nprompt,answer\nc,d\n prompt,answer \n")
    assert cells(rows) == [["a", "b"], ["c", "d"]]
    assert (table.counts.headers, table.counts.first_header) == (2, 3) and accounted(table, rows) == 5


def test_quotation_marks_inside_a_cell_are_text(read):
    _, rows = read('prompt,answer\na "nice" day,yes\n5\' 10",no\n')
    assert cells(rows) == [['a "nice" day', "yes"], ["5' 10\"", "no"]]


def test_cells_that_are_too_many_are_a_problem_and_missing_ones_are_counted(read):
    table, rows = read("a,b,c\n1,2,3,4\n1,2\n1,2,3,,\n")
    assert problems(rows) == [(2, 1, "the row has 4 cells, the first line 3")]
    assert [row.values for row in rows[1:]] == [{"a": "1", "b": "2"}, {"a": "1", "b": "2", "c": "3"}]
    assert "1 row has fewer cells than the first line; the missing ones are empty." in table.notes


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_blank_lines_and_marks_in_the_middle(read, end):
    lines = ["\ufeffprompt,answer", "a,b", "", "  ", ",", "\ufeffprompt,answer", "c,d"]
    table, rows = read(end.join(lines) + end)
    assert [(row.line, list(row.values.values())) for row in rows] == [(2, ["a", "b"]), (7, ["c", "d"])]
    assert (table.counts.rows, table.counts.blank, table.counts.heading) == (2, 3, 2)
    assert any("byte order mark" in note for note in table.notes) and (table.counts.headers, table.counts.first_header) == (1, 6)


@pytest.mark.parametrize(
    ("content", "delimiter", "skip", "columns"),
    [
        ("a;b\n1,5;2,5\n", ";", 0, ["a", "b"]),
        ("a|b\nx|y\n", "|", 0, ["a", "b"]),
        ("sep=;\r\na;b\r\n1;2\r\n", ";", 1, ["a", "b"]),
        ('"sep=|"\na|b\n1|2\n', "|", 1, ["a", "b"]),
        ("My export 2024\n\nprompt,answer\nq1,a1\nq2,a2\n", ",", 2, ["prompt", "answer"]),
        ("My export 2024\nprompt;answer\nq1;on Monday, early\nq2;on Tuesday, late\n", ";", 1, ["prompt", "answer"]),
        ("Export,,\nof today,,\nname,sex,age\nx,f,4\ny,m,5\n", ",", 2, ["name", "sex", "age"]),
        ("Export,\n,\nname,age\nx,4\ny,5\n", ",", 2, ["name", "age"]),
        (",0,1\n0,hello,hi\n1,bye,ciao\n", ",", 0, ["column 1", "0", "1"]),
        ('"a","b"\n"1","x","y"\n"2","z","w"\n', ",", 0, ["column 1", "a", "b"]),
        ("text\nhello, you\nbye\n", "", 0, ["text"]),
        ('text\n"hello, you"\nbye, bye, love\n', "", 0, ["text"]),
    ],
)
def test_separator_and_header_are_found(read, content, delimiter, skip, columns):
    table, rows = read(content)
    assert (table.options.delimiter, table.options.skip, table.options.header) == (delimiter, skip, True)
    assert list(rows[0].values) == columns and len(rows) == 2 - (len(rows) == 1)
    again, same = read(content, **{name: value for name, value in table.options.model_dump().items() if value is not None})
    assert [row.values for row in same] == [row.values for row in rows] and again.options == table.options


def test_what_a_person_says_goes_before_the_guess(read):
    content = "2019,2020\na,b\nc,d\n"
    assert list(read(content)[1][0].values) == ["column 1", "column 2"]
    assert list(read(content, header=True)[1][0].values) == ["2019", "2020"]
    assert len(read("name,city\na,b\n", header=False)[1]) == 2
    assert cells(read("x\na,b\nc;d,e\n", delimiter=";", skip=1, header=False)[1]) == [["a,b"]]
    assert cells(read("a,b\n'x, y',z\n", quote="'")[1]) == [["x, y", "z"]]
    assert cells(read('a,b\n"x,z\n', quote="")[1]) == [['"x', "z"]]


def test_a_sign_cannot_both_separate_and_quote(read):
    with pytest.raises(DataError, match="cannot be the same sign"):
        read("a'b\n", delimiter="'", quote="'")


def test_more_lines_to_skip_than_there_are_is_said(read):
    with pytest.raises(DataError, match="nothing below line 9"):
        read("a,b\nc,d\n", skip=9)


def test_single_quotation_marks_are_found(read):
    _, rows = read("'prompt','answer'\n'a, b','c'\n'd','e'\n")
    assert cells(rows) == [["a, b", "c"], ["d", "e"]]


def test_columns_with_the_same_name_are_numbered_and_noted(read):
    table, rows = read("prompt,answer,answer\na,b,c\n")
    assert list(rows[0].values) == ["prompt", "answer", "answer (2)"]
    assert any("same name (answer)" in note for note in table.notes)


@pytest.mark.slow
def test_quotation_marks_of_a_tab_separated_file_may_be_text(read):
    many = "".join(f"text {number}\t{number % 2}\n" for number in range(30_000))
    _, rows = read('text\tlabel\n"a\tb"\t1\n' + many + '"Yes" he said\t1\n"No, she said\t0\nx\t1\n')
    assert problems(rows) == []
    assert cells(rows)[0] == ["a\tb", "1"] and cells(rows)[-3:] == [['"Yes" he said', "1"], ['"No, she said', "0"], ["x", "1"]]


def test_a_line_that_is_too_long_costs_itself(read):
    table, rows = read("prompt,answer\na,b\n" + "x" * 500 + ",c\nd,e\n", limits=Limits(row=100))
    assert [(row.line, row.lost) for row in rows if row.values is None] == [(3, 1)]
    assert cells(rows) == [["a", "b"], ["d", "e"]] and accounted(table, rows) == 4


def test_a_first_line_that_cannot_be_read_is_named(read):
    with pytest.raises(DataError, match="Line 1: a quotation mark is opened at column 8 and never closed"):
        read('prompt,"answer\nq,a\n')


@pytest.mark.slow
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(alphabet="ab,;\"\t \r'é", max_size=12), min_size=1, max_size=25), st.sampled_from(["\n", "\r\n", "\r"]))
def test_the_lines_of_a_file_are_those_of_its_rows_and_those_that_are_said_to_be_lost(read, lines, end):
    content = end.join(["prompt,answer", "a,b", *lines])
    try:
        table, rows = read(content)
    except DataError:
        return
    whole = io.StringIO(content, newline="").readlines()
    assert accounted(table, rows) == len(whole)
    assert all(1 <= row.line <= len(whole) for row in rows)
    assert [row.line for row in rows] == sorted({row.line for row in rows})
    assert all(row.lost > 0 for row in rows if row.values is None)


@pytest.mark.slow
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(*[st.text(alphabet='ab,;"\t \r\né', max_size=8)] * 3), min_size=1, max_size=10), st.sampled_from(["\n", "\r\n"]))
def test_what_is_written_by_the_rules_is_read_back(read, rows, end):
    written = io.StringIO(newline="")
    csv.writer(written, lineterminator=end, quoting=csv.QUOTE_ALL).writerows([("prompt", "input", "answer"), *rows])
    _, found = read(written.getvalue(), delimiter=",", quote='"', header=True, skip=0)
    assert cells(found) == [list(row) for row in rows if any(cell.strip() for cell in row)]
