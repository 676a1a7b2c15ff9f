"""Untrusted files are read in a process of their own, which is bounded, followed and ended."""

import json
import re
import subprocess
import sys
import threading

import pytest

from app.choices import AS_RECOGNISED, Choices
from app.errors import StudioError
from app.reader import client
from app.reader.client import environment, fetch_rows_in_process, hub_environment, look_at_hub_in_process, read_in_process
from app.words import say
from reft_engine.data import Columns, HubRows, ReadOptions, StoredRows, inspect_file
from tests.hub import COMMIT, Hub, answering, way_to, write_dataset
from tests.waiting import PATIENCE

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


@pytest.fixture
def hub(tmp_path, monkeypatch):
    with answering(Hub({}, datasets={"owner/rows": write_dataset(tmp_path / "owner")})) as hub:
        for name, value in way_to(hub, tmp_path).items():
            monkeypatch.setenv(name, value)
        yield hub


def test_a_dataset_of_the_hub_is_looked_at_and_read_in_the_process(hub, tmp_path):
    folder, shares = tmp_path / "fetched", []
    seen = look_at_hub_in_process("owner/rows", folder)
    assert (seen.name, seen.commit, seen.splits) == ("owner/rows", COMMIT, {"reviews": ("train", "test"), "chats": ("train",)})
    file = fetch_rows_in_process("owner/rows", HubRows(first=2, count=3), folder, 1_000_000, shares.append)
    assert [json.loads(line)["text"] for line in file.path.read_text().splitlines()] == ["Review 1", "Review 2", "Review 3"]
    assert shares[-1] == 1 and [path.name for path in folder.iterdir()] == ["rows-reviews-train.jsonl"]
    with pytest.raises(StudioError, match="There is no dataset owner/none on the Hub"):
        look_at_hub_in_process("owner/none", folder)


def test_a_hub_that_keeps_one_waiting_is_given_up(hub, tmp_path):
    go_on = threading.Event()
    hub.moods = [lambda answer: not go_on.wait(PATIENCE)]
    try:
        with pytest.raises(StudioError, match="The Hub did not give this within 3 seconds"):
            look_at_hub_in_process("owner/rows", tmp_path / "fetched", seconds=3)
    finally:
        go_on.set()


def test_rows_that_need_too_much_memory_end_the_process_and_no_other(hub, tmp_path):
    line = json.dumps({"text": "x" * 40_000_000, "label": "y"})
    (hub.datasets["owner/rows"] / "chats/one.jsonl").write_text(line)
    with pytest.raises(StudioError, match="memory"):
        fetch_rows_in_process("owner/rows", HubRows(config="chats"), tmp_path / "fetched", 1_000_000, memory_mb=180)


def test_a_file_is_read_without_the_token_of_the_hub(read, monkeypatch):
    seen = []
    monkeypatch.setenv("HF_TOKEN", "for the Hub")
    monkeypatch.setattr(client.subprocess, "Popen", lambda *_, env, **__: seen.append(env) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        read("prompt,answer\na,b\n")
    assert seen and "HF_TOKEN" not in seen[0]


def test_the_process_that_asks_the_hub_gets_its_token_and_no_other_secret(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_TOKEN", "for the Hub")
    monkeypatch.setenv("REFT_STUDIO_PASS", "for nobody")
    found = hub_environment(tmp_path)
    assert found["HF_TOKEN"] == "for the Hub" and "REFT_STUDIO_PASS" not in found and "HF_TOKEN" not in environment()
    assert found["HF_HUB_CACHE"] == found["HF_DATASETS_CACHE"] == str(tmp_path)
