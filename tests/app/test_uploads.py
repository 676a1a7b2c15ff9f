"""An upload is read once for each choice, whatever is done with it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.choices import Choices
from app.errors import StudioError
from app.handlers import datasets, uploads
from app.handlers.uploads import Uploads
from app.reader.client import read_in_process
from reft_engine.data import Columns

pytestmark = pytest.mark.process


@pytest.fixture
def parsed(monkeypatch):
    """The files that are read, in order."""
    names = []

    def read(path, *given):
        names.append(Path(path).name)
        return read_in_process(path, *given)

    monkeypatch.setattr(uploads, "read_in_process", read)
    return names


@pytest.fixture
def table(tmp_path):
    def write(name="rows.csv", rows=3, columns="prompt,answer"):
        path = tmp_path / name
        path.write_text(columns + "".join(f"\np{row},a{row}" for row in range(rows)))
        return path

    return write


def test_what_is_shown_counted_and_kept_comes_from_one_reading(services, table, parsed):
    path = str(table())
    shown = datasets.inspect_upload(path)
    assert datasets.inspect_upload(path) is shown
    kept = datasets.save_upload(services, path, label="rows.csv")
    assert parsed == ["rows.csv"]
    assert datasets.examples_of(services, kept.id) == list(shown.examples)
    assert datasets.inspect_upload(path) is not shown, "what is kept is not held any longer"


def test_events_that_ask_at_the_same_time_wait_for_one_reading(table, monkeypatch):
    begun, go_on, count = threading.Event(), threading.Event(), []

    def read(path, *given):
        count.append(path)
        begun.set()
        assert go_on.wait(10)
        return read_in_process(path, *given)

    monkeypatch.setattr(uploads, "read_in_process", read)
    known, path = Uploads(), table()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(known.read, path, Choices())
        assert begun.wait(10)
        second = pool.submit(known.read, path, Choices())
        assert not second.done()
        go_on.set()
        assert first.result() is second.result()
    assert len(count) == 1


def test_other_columns_and_a_file_that_has_changed_are_read_anew(table, parsed):
    known, path = Uploads(), table(columns="frage,antwort")
    assert known.read(path, Choices()).inspection.needs_mapping
    assert len(known.read(path, Choices(Columns.pair("frage", "antwort"))).inspection.examples) == 3
    table(rows=4)
    assert len(known.read(path, Choices()).inspection.examples) == 4
    assert len(parsed) == 3


def test_an_error_is_told_each_time_and_not_remembered(tmp_path, table, parsed):
    known, path = Uploads(), table()
    path.write_bytes(b"%PDF-1.4")
    for _ in range(2):
        with pytest.raises(StudioError):
            known.read(path, Choices())
    assert len(parsed) == 2
    assert len(known.read(table(), Choices()).inspection.examples) == 3
    assert not [left for left in tmp_path.glob("read-*") if not (left / "rows.jsonl").is_file()], "what failed leaves nothing"


def test_only_the_latest_readings_are_remembered_and_the_others_leave_the_disk(tmp_path, table, parsed):
    known, paths = Uploads(in_all=4), [table(f"{index}.csv") for index in range(5)]
    for path in [*paths, *paths[1:], paths[0]]:
        known.read(path, Choices())
    assert parsed == ["0.csv", "1.csv", "2.csv", "3.csv", "4.csv", "0.csv"]
    assert len(list(tmp_path.glob("read-*"))) == 4
    known.drop(paths[0])
    assert len(list(tmp_path.glob("read-*"))) == 3
