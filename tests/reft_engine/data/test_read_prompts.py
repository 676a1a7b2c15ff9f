"""Prompts of a file: with and without answers, in tables, chats and lines, and what is left out."""

import json

import pytest

from reft_engine.data import Limits, read_prompts
from reft_engine.errors import DataError


def asked(found):
    return [(each.messages[-1].content, each.expected) for each in found.prompts]


def written(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("a.csv", "prompt\nHello there\nWhat, now?\n", [("Hello there", None), ("What, now?", None)]),
        ("a.csv", "question,answer\nA?,b\nC?,\n", [("A?", "b"), ("C?", None)]),
        ("a.tsv", "prompt\tanswer\nA, or b?\tb\n", [("A, or b?", "b")]),
        ("a.jsonl", '{"prompt": "a"}\n{"prompt": "b"}\n', [("a", None), ("b", None)]),
        ("a.json", '["one", "two"]', [("one", None), ("two", None)]),
        ("a.csv", "x,y\nhi you,there me\n", [("hi you", "there me")]),
    ],
    ids=["prompts", "some answers", "tabs", "lines of JSON", "a list", "suggested columns"],
)
def test_each_row_with_a_prompt_is_asked(tmp_path, name, text, wanted):
    found = read_prompts(written(tmp_path, name, text))
    assert asked(found) == wanted and (found.found, found.left_out) == (len(wanted), 0)


def test_a_chat_is_asked_up_to_each_answer_and_one_that_ends_with_a_prompt_up_to_that(tmp_path):
    turns = [("system", "Be kind."), ("user", "Hi"), ("assistant", "Hello"), ("user", "And now?")]
    whole, open_ended = turns[:3], turns[:2]
    lines = [json.dumps({"messages": [{"role": role, "content": text} for role, text in each]}) for each in (whole, open_ended)]
    found = read_prompts(written(tmp_path, "a.jsonl", "\n".join(lines)))
    assert asked(found) == [("Hi", "Hello"), ("Hi", None)] and [len(each.messages) for each in found.prompts] == [2, 2]


def test_a_text_has_a_prompt_a_line_whatever_is_in_it(tmp_path):
    found = read_prompts(written(tmp_path, "a.txt", 'First, with a comma\n\n  "second"\t\n[1, 2]\nbad \x01 one\n'), lines=True)
    assert asked(found) == [("First, with a comma", None), ('"second"', None), ("[1, 2]", None)]
    assert found.left_out == 1 and found.problems[0].line == 5 and "control character" in found.problems[0].text


def test_rows_without_a_prompt_are_left_out_and_told_of(tmp_path):
    found = read_prompts(written(tmp_path, "a.csv", "prompt,answer\nA?,b\n,c\nD?,e\n"))
    assert [text for text, _ in asked(found)] == ["A?", "D?"]
    assert (found.left_out, [problem.text for problem in found.problems]) == (1, ["Line 3: the prompt is empty."])
    assert (found.asked, found.answered) == (("prompt",), "answer")


def test_all_are_counted_and_the_first_are_kept(tmp_path):
    rows = "".join(f"Prompt {n}\n" for n in range(30))
    for name, lines in (("a.txt", True), ("a.csv", False)):
        found = read_prompts(written(tmp_path, name, rows if lines else f"prompt\n{rows}"), lines=lines, most=7)
        assert (found.found, len(found.prompts), found.prompts[-1].messages[-1].content) == (30, 7, "Prompt 6")


def test_a_text_that_is_too_long_costs_itself(tmp_path):
    path = written(tmp_path, "a.csv", f"prompt\n{'x ' * 60}\nshort one\n")
    found = read_prompts(path, limits=Limits(cell=100))
    assert asked(found) == [("short one", None)] and "more than 100 characters" in found.problems[0].text


@pytest.mark.parametrize(("text", "words"), [("x,y\n1,2\n3,4\n", "No column of this file is a prompt"), ("", "empty")])
def test_a_file_without_prompts_is_refused_in_words(tmp_path, text, words):
    with pytest.raises(DataError, match=words):
        read_prompts(written(tmp_path, "a.csv", text))
