"""The rows of a file as a table shows them: all of them, on disk, by their numbers."""

import csv
from dataclasses import replace

import pytest

from reft_engine.data import Columns, Limits, TableRows, import_file, inspect_file
from reft_engine.errors import DataError

TEXTS = ["Straße\nand more", 'a "quoted" word', "back\\slash", "null", "tab\there", "ŞEHİR", "plain", "x" * 6000]


@pytest.fixture
def imported(tmp_path):
    def run(rows, columns=None, name="prompt,answer", **given):
        path = tmp_path / "rows.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([name.split(","), *rows])
        return import_file(path, tmp_path / "read", columns, **given), TableRows(tmp_path / "read"), path

    return run


def test_every_row_is_there_with_its_line_its_cells_and_its_problem(imported):
    found, rows, path = imported([(f"ask {n}", "" if n % 2 else f"say {n}") for n in range(5000)])
    assert len(rows) == found.rows == 5000
    assert replace(found, examples=()) == replace(inspect_file(path), examples=())
    last, first = rows.read([5000, 1])
    assert (first.number, first.line, first.cells, first.problem) == (1, 2, ("ask 0", "say 0"), None)
    assert (last.number, last.line, last.cells, last.problem) == (5000, 5001, ("ask 4999", ""), "Line 5001: the answer is empty.")
    assert list(rows.of_lines([3, 5001, 9999])) == [2, 5000]


def test_an_item_of_the_report_lists_all_its_rows_and_the_report_the_first(imported):
    found, rows, _ = imported([(f"ask {n}", "" if n % 2 else "same") for n in range(5000)])
    item = next(item for item in found.report if item.kind == "unusable")
    assert list(rows.listed("unusable")) == list(range(2, 5001, 2)) and item.count == 2500
    assert item.rows == tuple(range(2, 2001, 2)) and list(rows.listed("placeholders")) == []


SEARCHED = (
    "STRASSE", "ß", '"quoted"', "back\\", "N", "null", "şehi̇r", "PLAIN", "yes", "prompt is empty", "Line", '","', "3,", "t\there",
)  # fmt: skip


def test_a_search_finds_what_stands_in_a_cell_whatever_its_case_and_nothing_else(imported):
    table = [*((text, "yes") for text in TEXTS), ("", "no prompt"), ("k", "3,null,")]
    _, rows, _ = imported(table)
    by_hand = {
        text: [number for number, row in enumerate(table, 1) if any(text.casefold() in cell.casefold() for cell in row)]
        for text in SEARCHED
    }  # fmt: skip
    assert {text: list(rows.holding(text)) for text in SEARCHED} == by_hand
    assert by_hand["STRASSE"] == [1] and by_hand["prompt is empty"] == [] and by_hand["PLAIN"] == [7]
    assert len(rows.read([8])[0].cells[0]) == 5000, "a long cell is cut"


def test_a_half_of_a_character_is_shown_as_a_question_mark(tmp_path):
    path = tmp_path / "rows.json"
    path.write_text('[{"prompt": "a \\ud800", "answer": "b"}, {"prompt": "c", "answer": "d"}]')
    import_file(path, tmp_path / "read")
    assert [row.cells for row in TableRows(tmp_path / "read").read([1, 2])] == [("a ?", "b"), ("c", "d")]


def test_rows_that_grow_are_kept_up_to_the_limit(imported, tmp_path):
    path = tmp_path / "nested.csv"
    path.write_text("a,b\n" + "x,y\n" * 1000)
    import_file(path, tmp_path / "small", Columns.pair("a", "b"), limits=Limits(expanded=5000))
    assert 0 < len(TableRows(tmp_path / "small")) < 1000


def test_a_folder_without_rows_says_so(tmp_path):
    with pytest.raises(DataError, match="missing or damaged"):
        TableRows(tmp_path)


def test_of_long_examples_only_the_first_are_held_in_memory(imported):
    found, rows, _ = imported([(f"{number} " + "x" * 500_000, "y") for number in range(12)])
    assert found.example_count == len(rows) == 12
    assert 1 <= len(found.examples) < 12


def test_a_small_file_may_expand_to_a_thousand_times_its_size_or_100_mb():
    limits = Limits()
    assert [limits.of_file(size).expanded for size in (0, 810, 500_000, 2_000_000)] == [10**8, 10**8, 5 * 10**8, limits.expanded]
