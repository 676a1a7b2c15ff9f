"""The data report counts what is odd, names the rows, and its remedies drop just these."""

import json

import pytest

from reft_engine.data import REMEDIES, import_file, inspect_file, inspect_rows, load_inspection

GOOD = [{"prompt": f"What is {n}?", "answer": f"It is {n}."} for n in range(4)]
ODD = {
    "duplicates": ([GOOD[0]], (5,)), "contradictions": ([{"prompt": "what is  1?", "answer": "No."}], (2, 5)),
    "control_tokens": ([{"prompt": "<|im_start|>user", "answer": "a"}, {"prompt": "b", "answer": "[INST] c"}], (5, 6)),
    "broken_letters": ([{"prompt": "caf\u00c3\u00a9", "answer": "a"}, {"prompt": "b", "answer": "c\ufffd"}], (5, 6)),
    "placeholders": ([{"prompt": "Who?", "answer": "I am {{name}}."}], (5,)),
}  # fmt: skip


def items(rows):
    return {item.kind: item for item in inspect_rows(rows).report}


@pytest.mark.parametrize("kind", ODD)
def test_each_oddity_is_counted_and_its_rows_are_named(kind):
    extra, rows = ODD[kind]
    assert set(items(GOOD)) == set()
    found = items([*GOOD, *extra])
    assert set(found) == {kind} and found[kind].count == len(rows) and found[kind].rows == rows


@pytest.mark.parametrize("kind", ODD)
def test_a_remedy_drops_the_rows_of_its_item_and_no_other(kind, tmp_path):
    extra, rows = ODD[kind]
    (tmp_path / "rows.json").write_text(json.dumps([*GOOD, *extra]))
    before = inspect_file(tmp_path / "rows.json")
    after = inspect_file(tmp_path / "rows.json", remedies=[items([*GOOD, *extra])[kind].remedy])
    assert [each.row for each in after.examples] == [n for n in range(1, 5 + len(extra)) if n not in rows]
    assert after.usable_rows == before.usable_rows - len(rows) and f"{len(rows)} row" in after.notes[-1] and "dropped" in after.notes[-1]


def test_each_remedy_belongs_to_an_item():
    assert {items([*GOOD, *extra])[kind].remedy for kind, (extra, _) in ODD.items()} == set(REMEDIES)


def test_what_no_example_came_from_is_counted():
    rows = [*GOOD, {"prompt": "", "answer": "a"}]
    assert (items(rows)["unusable"].count, items(rows)["unusable"].rows) == (1, (5,))
    judged = [{"prompt": str(n), "completion": str(n), "label": n > 1} for n in range(5)]
    assert items(judged)["bad_answers"].count == 2


def test_rows_without_a_text_where_one_must_stand_are_counted_among_the_unusable():
    found = items([*GOOD, {"prompt": "", "answer": "a"}, {"prompt": "b", "answer": " "}, {"prompt": ["c"], "answer": {"d": 1}}])
    assert (found["empty"].rows, found["unusable"].rows) == ((5, 6), (5, 6, 7))
    assert found["empty"].text == "2 rows without text where a prompt or an answer must stand."
    assert items([*GOOD, {"messages": []}, {"messages": [{"role": "user", "content": "a"}]}]).keys() >= {"unusable"}


def test_lines_that_a_quotation_mark_has_swallowed_are_counted_with_their_rows(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text('prompt,answer\na,b\nq1,"a1\nq2,a2\nq3,a3\nq4,a4"\nq5,a5\nq6,"a6\nq7,a7\nq8,a8\nq9,a9"\n')
    found = inspect_file(path)
    item = next(item for item in found.report if item.kind == "swallowed_lines")
    assert (item.count, item.rows, found.rows) == (6, (2, 4), 4)
    assert item.text.startswith("6 lines inside quoted cells look like rows") and item.text in found.remarks


@pytest.mark.parametrize(("times", "text"), [(1, "once more, in line 3"), (2, "2 times more, first in line 3")])
def test_repeated_headers_are_counted(tmp_path, times, text):
    path = tmp_path / "rows.csv"
    path.write_text("prompt,answer\n" + "".join(f"a{n},b{n}\nprompt,answer\n" for n in range(times)) + "c,d\n")
    found = inspect_file(path)
    item = next(item for item in found.report if item.kind == "repeated_headers")
    assert (item.count, found.rows) == (times, times + 1)
    assert item.text == f"The header stands {text}; it is left out there." and item.text in found.remarks


def test_few_answers_are_counted_and_many_are_not():
    labels = [{"text": f"text {n}", "label": ("rare", "common", "some")[min(2, n % 5)]} for n in range(50)]
    assert inspect_rows(labels).answers == (("some", 30), ("rare", 10), ("common", 10))
    assert inspect_rows(GOOD).answers == (), "each of them is an answer of its own"
    assert inspect_rows([{"prompt": str(n), "answer": str(n % 21)} for n in range(90)]).answers == ()
    assert inspect_rows([{"prompt": str(n), "answer": str(n % 20)} for n in range(90)]).answers[0] == ("0", 5)


def test_the_answers_are_the_same_after_an_import(tmp_path):
    (tmp_path / "rows.json").write_text(json.dumps([{"text": f"text {n}", "label": ("a", "b")[n % 2]} for n in range(9)]))
    made = import_file(tmp_path / "rows.json", tmp_path / "folder")
    assert load_inspection(tmp_path / "folder").answers == made.answers == (("a", 5), ("b", 4))


def test_unbalanced_and_equal_answers_are_told():
    labels = [{"text": f"text {n}", "label": "rare" if n == 7 else "common"} for n in range(50)]
    assert items(labels)["unbalanced"].text == "The answers are unbalanced: common in 49 rows, rare in 1 row."
    assert items(labels)["unbalanced"].rows == (8,), "those with the rarest answer"
    assert "same_answer" in items([{"prompt": str(n), "answer": "yes"} for n in range(5)])


def test_long_answers_that_only_begin_alike_are_not_the_same():
    rows = [{"prompt": str(n), "answer": f"{'Dear reader, ' * 40}{n}"} for n in range(5)]
    assert items(rows) == {}
    assert set(items([{**row, "answer": rows[0]["answer"]} for row in rows])) == {"same_answer"}
