"""Untrusted files are read in a process of their own, which is bounded, followed and ended."""

import json
import re
import subprocess
import sys

import pytest

from app.choices import AS_RECOGNISED, Choices
from app.errors import StudioError
from app.reader.client import environment, read_in_process
from app.words import say
from reft_engine.data import ChatPart, Columns, ReadOptions, StoredRows, inspect_file

pytestmark = pytest.mark.process


@pytest.fixture
def read(tmp_path):
    def run(content, choices=AS_RECOGNISED, **options):
        path = tmp_path / "upload"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_in_process(path, tmp_path / "read", choices, **options)

    return run


def test_a_file_is_read_as_in_this_process_and_its_rows_are_on_disk(read, tmp_path):
    content = '[{"frage": "hi", "antwort": "ho", "n": 1}, {"frage": "", "antwort": "x"}, {"frage": "hi", "antwort": "ho"}]'
    choices = Choices(Columns.pair("frage", "antwort"), ReadOptions(), ("drop_duplicates",))
    found = read(content, choices)
    here = inspect_file(tmp_path / "upload", choices.columns, choices.options, remedies=choices.remedies)
    assert found == here and (found.usable_rows, len(found.problems), found.shape) == (1, 1, "mapped")
    rows = StoredRows(tmp_path / "read/rows.jsonl", tmp_path / "read/rows.index")
    assert tuple(rows.read(range(len(rows)))) == here.examples


def test_what_of_chats_is_learned_is_chosen_read_and_kept_with_the_other_choices(read, tmp_path):
    chat = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho", "reasoning": "hm", "tool_calls": [{"name": "x"}]}]
    choices = Choices(options=ReadOptions(include=("reasoning",)))
    assert choices.as_data() == {"options": {"include": ["reasoning"]}} and Choices().as_data() is None
    assert Choices.of_data(json.loads(json.dumps(choices.as_data()))) == choices
    found = read(json.dumps({"messages": chat}), choices)
    assert found == inspect_file(tmp_path / "upload", options=choices.options)
    assert found.examples[0].answer == "<think>\nhm\n</think>\n\nho"
    assert found.parts == (ChatPart("reasoning", 1, True), ChatPart("tool_calls", 1, False))
    with pytest.raises(ValueError, match="include"):
        Choices.of_data({"options": {"include": ["pictures"]}})


def test_why_a_file_is_refused_is_said_as_in_this_process(read):
    with pytest.raises(StudioError, match="file is empty"):
        read("")
    with pytest.raises(StudioError, match="There is no column 'b'"):
        read("a,c\n1,2\n", Choices(Columns.pair("a", "b")))


def test_progress_is_told_and_a_reading_can_be_stopped(read, tmp_path):
    shares = []
    content = "".join(json.dumps({"prompt": f"q{n}", "answer": "a" * 100}) + "\n" for n in range(20_000))
    read(content, on_progress=shares.append)
    assert shares == sorted(shares) and len(shares) > 2 and shares[-1] <= 1
    with pytest.raises(StudioError, match="was stopped"):
        read(content, should_stop=lambda: True)


def test_a_file_that_needs_too_much_memory_ends_its_process_and_no_other(read):
    content = json.dumps([["x" * 50_000_000]])
    with pytest.raises(StudioError, match="more than 60 MB of memory"):
        read(content, memory_mb=60)


def test_a_file_that_takes_too_long_is_given_up(read):
    content = "".join(json.dumps({"prompt": f"q{n}", "answer": "a"}) + "\n" for n in range(400_000))
    with pytest.raises(StudioError, match="more than 1 minutes"):
        read(content, seconds=0.5)


def test_what_nobody_has_thought_of_is_told_in_a_sentence_and_logged(read, caplog):
    with pytest.raises(StudioError, match=re.escape(say("errors.neutral"))):
        read("prompt,answer\na,b\n", Choices(remedies=("drop_everything",)))
    assert "KeyError: 'drop_everything'" in caplog.text


def test_the_process_gets_no_secret(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setenv("REFT_STUDIO_PASS", "secret")
    seen = subprocess.run(
        [sys.executable, "-c", "import os; print(os.environ)"], env=environment(), capture_output=True, text=True, check=True
    )
    assert "secret" not in seen.stdout and "PATH" in seen.stdout
