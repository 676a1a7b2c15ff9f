"""An upload is parsed once, whatever is done with it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.handlers import datasets, uploads
from app.handlers.uploads import Uploads
from reft_engine.data import ColumnMapping, inspect_file
from reft_engine.errors import DataError


@pytest.fixture
def parsed(monkeypatch):
    """The files that are parsed, in order."""
    names = []

    def parse(path, mapping):
        names.append(Path(path).name)
        return inspect_file(path, mapping)

    monkeypatch.setattr(uploads, "inspect_file", parse)
    return names


@pytest.fixture
def table(tmp_path):
    def write(name="rows.csv", rows=3, columns="prompt,answer"):
        path = tmp_path / name
        path.write_text(columns + "".join(f"\np{row},a{row}" for row in range(rows)))
        return path

    return write


def test_what_is_shown_counted_and_kept_comes_from_one_parse(services, table, parsed):
    path = str(table())
    shown = datasets.inspect_upload(path)
    assert datasets.inspect_upload(path) is shown
    kept = datasets.save_upload(services, path, label="rows.csv")
    assert parsed == ["rows.csv"]
    assert datasets.examples_of(services, kept.id) == list(shown.examples)
    assert datasets.inspect_upload(path) is not shown, "what is kept is not held in memory any longer"


def test_events_that_ask_at_the_same_time_wait_for_one_parse(table, monkeypatch):
    begun, go_on, count = threading.Event(), threading.Event(), []

    def parse(path, mapping):
        count.append(path)
        begun.set()
        assert go_on.wait(10)
        return inspect_file(path, mapping)

    monkeypatch.setattr(uploads, "inspect_file", parse)
    known, path = Uploads(), table()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(known.inspect, path, None)
        assert begun.wait(10)
        second = pool.submit(known.inspect, path, None)
        assert not second.done()
        go_on.set()
        assert first.result() is second.result()
    assert len(count) == 1


def test_other_columns_and_a_file_that_has_changed_are_parsed_anew(table, parsed):
    known, path = Uploads(), table(columns="frage,antwort")
    assert known.inspect(path, None).needs_mapping
    assert len(known.inspect(path, ColumnMapping(prompt="frage", answer="antwort")).examples) == 3
    table(rows=4)
    assert len(known.inspect(path, None).examples) == 4
    assert len(parsed) == 3


def test_an_error_is_told_each_time_and_not_remembered(tmp_path, table, parsed):
    known, path = Uploads(), table()
    path.write_bytes(b"\x00\x01")
    for _ in range(2):
        with pytest.raises(DataError):
            known.inspect(path, None)
    assert len(parsed) == 2
    assert len(known.inspect(table(), None).examples) == 3


def test_only_the_latest_are_remembered_and_a_large_one_alone(table, parsed, monkeypatch):
    known, paths = Uploads(), [table(f"{index}.csv") for index in range(5)]
    for path in [*paths, *paths[1:], paths[0]]:
        known.inspect(path, None)
    assert parsed == ["0.csv", "1.csv", "2.csv", "3.csv", "4.csv", "0.csv"]
    monkeypatch.setattr(uploads, "_BYTES", 10)
    large = table("large.csv", rows=9)
    known.inspect(large, None)
    known.inspect(large, None)
    known.inspect(paths[0], None)
    assert parsed[6:] == ["large.csv", "0.csv"]
