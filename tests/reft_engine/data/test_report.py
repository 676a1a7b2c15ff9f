"""The data report counts what is odd, names the rows, and its remedies drop just these."""

import json

import pytest

from reft_engine.data import REMEDIES, inspect_file, inspect_rows

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


def test_unbalanced_and_equal_answers_are_told():
    labels = [{"text": f"text {n}", "label": "rare" if n == 7 else "common"} for n in range(50)]
    assert items(labels)["unbalanced"].text == "The answers are unbalanced: common in 49 rows, rare in 1 row."
    assert "same_answer" in items([{"prompt": str(n), "answer": "yes"} for n in range(5)])


def test_long_answers_that_only_begin_alike_are_not_the_same():
    rows = [{"prompt": str(n), "answer": f"{'Dear reader, ' * 40}{n}"} for n in range(5)]
    assert items(rows) == {}
    assert set(items([{**row, "answer": rows[0]["answer"]} for row in rows])) == {"same_answer"}
