"""Rows are changed, dropped, divided, compared and written for others; what is written is read the same again."""

import csv
import json

import pytest

from reft_engine.data import SplitPlan, dump_examples, inspect_file, inspect_rows, load_examples
from reft_engine.data.rewriting import TextChange, change_rows, differences, divide_rows, export_rows, rows_in, texts_of
from reft_engine.errors import DataError

PAIRS = [{"prompt": f"What is {n}?", "answer": f"It is {n}.", "split": "train" if n else "test", "group": f"g{n % 2}"} for n in range(6)]
CHAT = [
    {"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"},
    {"role": "user", "content": "and?"}, {"role": "assistant", "content": "draft", "weight": 0}, {"role": "user", "content": "again"},
    {"role": "assistant", "content": "good"},
]  # fmt: skip
KINDS = {
    "pairs": PAIRS, "chats": [{"messages": CHAT}, {"messages": CHAT[1:3]}],
    "preferences": [{"prompt": f"q{n}", "chosen": "good", "rejected": "bad"} for n in range(3)],
    "text": [{"text": "Once upon a time.\n\n  There was a code."}, {"text": "=1+1"}],
}  # fmt: skip


@pytest.fixture
def kept(tmp_path):
    def keep(rows, name="rows.jsonl"):
        path = tmp_path / name
        path.write_bytes(dump_examples(inspect_rows(rows).examples))
        return path

    return keep


def test_texts_are_changed_and_rows_dropped_and_all_else_stays(kept, tmp_path):
    path, out = kept(PAIRS), tmp_path / "out"
    assert change_rows(path, out, {2: {"answer": "Two!", "message 1": "Which?"}}, {4, 6}) == 4
    before, after = load_examples(path), load_examples(out)
    assert [each.row for each in after] == [1, 2, 3, 5]
    assert (after[1].messages[0].content, after[1].answer, after[1].split, after[1].group) == ("Which?", "Two!", "train", "g1")
    assert [after[0], *after[2:]] == [before[0], before[2], before[4]]


def test_each_answer_of_a_chat_is_changed_where_it_is_also_context(kept, tmp_path):
    path, out = kept([{"messages": CHAT}]), tmp_path / "out"
    assert list(texts_of(next(rows_in(path)))) == [*(f"message {n}" for n in range(1, 7)), "answer"]
    change_rows(path, out, {1: {"message 3": "HO"}})
    first, last = load_examples(out)
    assert (first.answer, last.messages[2].content, last.answer) == ("HO", "HO", "good")


@pytest.mark.parametrize(
    ("texts", "dropped", "words"),
    [
        ({1: {"label": "x"}}, (), "Row 1 has no label"),
        ({1: {"answer": " "}}, (), "Row 1: the answer is empty"),
        ({}, range(9), "No row is left"),
    ],
)
def test_what_cannot_be_is_refused(kept, tmp_path, texts, dropped, words):
    with pytest.raises(DataError, match=words):
        change_rows(kept(PAIRS), tmp_path / "out", texts, set(dropped))


def test_differences_are_counted_and_listed(kept, tmp_path):
    path, out = kept(PAIRS), tmp_path / "out"
    change_rows(path, out, {2: {"answer": "Two!"}, 3: {"message 1": "Three?"}}, {4})
    found = differences(path, out)
    assert (found.added, found.dropped, found.changed, found.moved) == (0, 1, 2, 0)
    assert found.texts == (TextChange(2, "answer", "It is 1.", "Two!"), TextChange(3, "message 1", "What is 2?", "Three?"))
    back = differences(out, path)
    assert (back.added, back.dropped, back.changed) == (1, 0, 2)
    assert differences(path, path).texts == ()


def test_a_plan_is_written_into_the_rows(kept, tmp_path):
    path, out = kept([{"prompt": f"q{n}", "answer": "a"} for n in range(20)]), tmp_path / "out"
    assert divide_rows(path, out, SplitPlan(share=0.25)) == {"train": 15, "held-out": 5}
    assert differences(path, out).moved == 20 and sum(each.split == "held-out" for each in load_examples(out)) == 5


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_for_others_is_read_the_same_again(kept, tmp_path, kind, form):
    path, out = kept(KINDS[kind]), tmp_path / f"out.{form}"
    export_rows(path, out, form)
    before, after = load_examples(path), inspect_file(out).examples
    assert inspect_file(out).problems == ()
    if form == "csv" and kind == "text":
        assert [each.answer for each in after] == [before[0].answer, "'=1+1"]
    else:
        assert [(each.messages, each.split, each.group) for each in after] == [(each.messages, each.split, each.group) for each in before]
        assert list(after) == [type(each)(new.line, *_rest(each)) for each, new in zip(before, after, strict=True)]


def _rest(example):
    return (example.messages, example.answer) if hasattr(example, "answer") else (example.messages, example.chosen, example.rejected)


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\uff1d1+1"])
def test_no_spreadsheet_finds_a_formula(kept, tmp_path, formula):
    export_rows(kept([{"prompt": formula, "answer": f"x{formula}"}] * 2), tmp_path / "out.csv", "csv")
    with (tmp_path / "out.csv").open(encoding="utf-8-sig", newline="") as file:
        for row in list(csv.reader(file))[1:]:
            assert row[0].startswith("'") and row[1].startswith("x")


def test_a_damaged_file_is_refused(tmp_path):
    (tmp_path / "rows").write_text(json.dumps({"row": 1}) + "\n{broken")
    with pytest.raises(DataError, match="missing or damaged"):
        list(rows_in(tmp_path / "rows"))
