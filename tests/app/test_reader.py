"""Untrusted files are read in a process of their own, which is bounded, followed and ended."""

import json
import re
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.choices import AS_RECOGNISED, Choices
from app.errors import StudioError
from app.reader import client
from app.reader.client import (
    environment,
    fetch_rows_in_process,
    hub_environment,
    look_at_hub_in_process,
    read_in_process,
    start_process,
)
from app.reader.spare import Spare
from app.words import say
from reft_engine.data import ChatPart, Columns, HubRows, ReadOptions, StoredRows, inspect_file
from tests.hub import COMMIT, Hub, answering, way_to, write_dataset
from tests.waiting import PATIENCE, until

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
    with pytest.raises(StudioError, match="Reading was cancelled"):
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
    line = json.dumps({"text": "x" * 300_000_000, "label": "y"})
    (hub.datasets["owner/rows"] / "chats/one.jsonl").write_text(line)
    with pytest.raises(StudioError, match="memory"):
        fetch_rows_in_process("owner/rows", HubRows(config="chats"), tmp_path / "fetched", 1_000_000, memory_mb=600)


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


# The process that waits for the next file


@pytest.fixture
def spare():
    made = Spare(start_process)
    taken = []

    def take():
        taken.append(made.take())
        return taken[-1]

    yield SimpleNamespace(take=take, waiting=lambda: made._ready, end=made.end)
    made.end()
    for process in taken:
        process.kill()
        with process:
            pass


def ended(process):
    return process.poll() is not None


def test_one_process_waits_and_is_the_next_to_be_used(spare):
    first, waits = spare.take(), spare.waiting()
    assert first is not waits and not ended(waits)
    assert spare.take() is waits and spare.waiting() is not waits
    last = spare.waiting()
    spare.end()
    assert ended(last)


def test_one_that_was_killed_while_it_waited_is_replaced(spare):
    spare.take()
    dead = spare.waiting()
    dead.kill()
    dead.wait(PATIENCE)
    fresh = spare.take()
    assert fresh is not dead and not ended(fresh)


def test_one_that_is_killed_when_it_is_asked_is_replaced_and_the_file_is_read(read, monkeypatch):
    def killed():
        process = start_process()
        process.kill()
        return process

    monkeypatch.setattr(client.SPARE, "take", killed)
    assert read("prompt,answer\na,b\n").usable_rows == 1


def test_it_ends_with_the_process_that_started_it_also_when_that_is_killed():
    program = (
        "import sys; from app.reader.client import SPARE; taken = SPARE.take()\n"
        "taken.stdin.write(b'{}'); print(taken.pid, SPARE._ready.pid, flush=True); sys.stdin.read()"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    children = list(map(int, parent.stdout.readline().split()))
    assert len(children) == 2 and all(map(lives, children))
    parent.kill()
    with parent:
        pass
    until(lambda: not any(map(lives, children)), "the end of both processes")


def lives(pid):
    """Whether a process runs; one that has ended may be left for a while as a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_no_secret_reaches_the_process_that_waits(spare, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret-of-the-house")
    spare.take()
    assert b"secret-of-the-house" not in Path(f"/proc/{spare.waiting().pid}/environ").read_bytes()
