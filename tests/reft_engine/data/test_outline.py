"""What rows ask to be learned, seen in the file alone."""

import pytest

from reft_engine.data import Example, Message, Preference, dump_examples, outline_of
from reft_engine.errors import DataError


def asked(prompt, answer, line=1):
    return Example(line, (Message("user", prompt),), answer)


@pytest.fixture
def outline(tmp_path):
    def look(examples):
        path = tmp_path / "rows.jsonl"
        path.write_bytes(dump_examples(examples))
        return outline_of(path)

    return look


def test_answers_that_differ_are_answers(outline):
    found = outline([asked("ab", f"answer {n}", n) for n in range(1, 9)])
    assert (found.learns, found.labels) == ("answers", ())
    assert found.lengths == ((2, 8),) * 8


def test_few_short_answers_that_repeat_can_be_labels_the_most_frequent_first(outline):
    found = outline([asked(f"text {n}", "good" if n % 3 else "bad", n) for n in range(1, 10)])
    assert (found.learns, found.labels) == ("answers", ("good", "bad"))


LONG = "x" * 61


@pytest.mark.parametrize(
    "answers",
    [
        ["yes"] * 9,
        ["a", "b", "c"] * 2,
        [LONG, "b"] * 6,
        ["a\nb", "c"] * 6,
        [f"{n}" for n in range(101)] * 3,
        [f"{n // 2}" for n in range(400)],
    ],
)
def test_other_answers_are_no_labels(outline, answers):
    assert outline([asked("t", answer, n) for n, answer in enumerate(answers, 1)]).labels == ()


def test_the_answers_of_chats_are_no_labels(outline):
    chat = (Message("user", "a"), Message("assistant", "b"), Message("user", "c"))
    assert outline([Example(n, chat, "yes" if n % 2 else "no") for n in range(1, 13)]).labels == ()


def test_pairs_and_plain_text_are_told_apart(outline):
    pair = Preference(1, (Message("user", "abc"),), "good", "worse one")
    assert (outline([pair]).learns, outline([pair]).lengths) == ("pairs", ((3, 9),))
    assert outline([Example(1, (), "some text")]).learns == "text"


def test_of_many_rows_a_few_are_measured_evenly_spread(outline):
    lengths = outline([asked("p" * n, f"answer {n}", n) for n in range(1, 1001)]).lengths
    assert len(lengths) == 64
    assert lengths[0][0] == 1 and lengths[-1][0] > 980 and [first for first, _ in lengths] == sorted(first for first, _ in lengths)


def test_a_file_without_rows_has_an_outline_and_a_damaged_one_is_refused(outline, tmp_path):
    assert outline([]).lengths == ()
    (tmp_path / "rows.jsonl").write_text('{"messages": [["user", "a"]], "line": 1}\n')
    with pytest.raises(DataError):
        outline_of(tmp_path / "rows.jsonl")
    with pytest.raises(DataError):
        outline_of(tmp_path / "missing.jsonl")
