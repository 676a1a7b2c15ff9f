"""What an earlier studio wrote is opened by this one unchanged: its folders, its backups, its databases of each kind."""

import json
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text

import storage as package
from storage import RunStatus, SampleRecord, Storage
from storage.upkeep import find_problems, restore_backup, write_backup

BACKUP = Path(__file__).parents[1] / "fixtures/backups/0003.zip"
"""Of revision 0003: a dataset whose columns were chosen and a sample, and runs of both that wait, were stopped, and lie in the bin."""


def unpack(folder):
    """The data folder that the backup is of, as the earlier studio left it."""
    with zipfile.ZipFile(BACKUP) as archive:
        archive.extractall(folder, [name for name in archive.namelist() if name != "manifest.json"])


@pytest.fixture(params=["opened", "restored"])
def store(request, tmp_path):
    folder = tmp_path / "data"
    unpack(folder) if request.param == "opened" else restore_backup(BACKUP, folder)
    made = Storage(folder)
    yield made
    made.close()


def test_each_dataset_has_its_rows_as_its_first_version(store):
    sample, mapped = store.datasets.all()
    assert (mapped.name, mapped.label, mapped.shape, mapped.rows, mapped.usable_rows) == ("Numbers", "numbers.csv", "mapped", 12, 12)
    assert mapped.reading == {"roles": {"wort": "prompt", "zahl": "answer"}} and mapped.sample is None
    assert (sample.name, sample.sample, sample.reading, sample.rows) == ("Answer with emoji", "emoji", None, 10)
    assert store.datasets.find_sample("emoji") == sample
    for dataset in (mapped, sample):
        (version,) = store.datasets.versions(dataset.id)
        assert version == dataset.version
        assert (version.number, version.digest, version.split, version.change) == (1, None, None, "")
        assert (dataset.tags, dataset.binned_at, version.created_at) == ((), None, dataset.created_at)
        rows, source = store.files.rows(version), store.files.source(version)
        assert (rows.name, source.name) == ("examples.jsonl", "source")
        assert version.size_bytes == rows.stat().st_size + source.stat().st_size
        assert len(rows.read_text().splitlines()) == dataset.rows
    assert find_problems(store) == []


def test_each_run_has_the_version_of_its_dataset(store):
    versions = {dataset.id: dataset.version.id for dataset in store.datasets.all()}
    runs = [*store.runs.all(), *store.runs.binned()]
    assert {run.name: run.status for run in runs} == {
        "Stopped": RunStatus.STOPPED, "Binned": RunStatus.STOPPED, "Waiting first": RunStatus.QUEUED, "Waiting second": RunStatus.QUEUED,
    }  # fmt: skip
    assert all((run.version_id, run.version_number) == (versions[run.dataset_id], 1) for run in runs)
    (stopped,) = (run for run in runs if run.name == "Stopped")
    assert store.runs.held_out_places(stopped.id) == [1, 5, 7] and store.metrics.after(stopped.id) and store.samples.all(stopped.id)
    assert [store.queue.claim("w").run.name for _ in range(2)] == ["Waiting first", "Waiting second"]


def test_each_sample_has_the_first_place_and_others_find_room_beside_it(store):
    (stopped,) = (run for run in store.runs.all() if run.name == "Stopped")
    old = store.samples.all(stopped.id)
    assert old and {sample.place for sample in old} == {0}
    store.runs.resume(stopped.id)
    held = next(held for held in iter(lambda: store.queue.claim("w"), None) if held.run.id == stopped.id)
    held.add_sample(*(SampleRecord(old[0].step, "p", "e", "b", "t", place) for place in range(1, 5)))
    assert [sample.place for sample in store.samples.all(stopped.id) if sample.step == old[0].step] == list(range(5))
    held.add_sample(SampleRecord(old[0].step, "p", "e", "b", "new"))
    assert store.samples.all(stopped.id, after=max(sample.id for sample in old))[0].tuned == "new"


def test_it_works_on_with_what_is_there(store, tmp_path):
    sample, mapped = store.datasets.all()
    rows = store.files.rows(mapped.version).read_bytes()
    facts = {"label": "numbers.csv", "shape": "mapped", "rows": 12, "usable_rows": 12}
    same = store.datasets.create(name="Numbers", examples=rows, reading={"roles": {}}, **facts)
    assert same.id == mapped.id, "the same rows are saved once, though the earlier studio had no digest of them"
    changed = store.datasets.add_version(mapped.id, examples=rows + b"\n", change="A line more.", **facts)
    assert changed.version.number == 2 and changed.version.source_file == "source"
    assert store.files.rows(mapped.version).read_bytes() == rows and find_problems(store) == []
    (stopped,) = (run for run in store.runs.all() if run.name == "Stopped")
    write_backup(store, tmp_path / "b.zip")
    restore_backup(tmp_path / "b.zip", tmp_path / "back")
    back = Storage(tmp_path / "back")
    assert back.samples.all(stopped.id) == store.samples.all(stopped.id) != []
    assert back.datasets.all() == [changed, sample] and back.datasets.versions(mapped.id) == store.datasets.versions(mapped.id)
    assert find_problems(back) == []
    back.close()


def test_a_backup_of_an_earlier_studio_holds_its_revision():
    """So that the tests above are of an upgrade."""
    with zipfile.ZipFile(BACKUP) as archive:
        assert json.loads(archive.read("manifest.json"))["revision"] == "0003"


@pytest.mark.parametrize("mapping", [None, "null", '{"prompt": "q", "answer": "a"}'])
def test_datasets_and_runs_are_carried_over_in_each_kind_of_database(empty, tmp_path, mapping):
    (tmp_path / "data").mkdir()
    engine = create_engine(empty or f"sqlite:///{tmp_path / 'data' / 'studio.db'}")
    config = Config()
    config.set_main_option("script_location", str(Path(package.__file__).parent / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        for number in (1, 2):
            connection.execute(text(
                "INSERT INTO datasets (id, name, label, shape, rows, usable_rows, mapping, size_bytes, created_at)"
                " VALUES (:id, 'Rows', :label, 'mapped', 3, 2, :mapping, 3000000000, '2025-01-01 12:00:00+00')"
            ), {"id": f"d{number}", "label": f"{number}.csv", "mapping": mapping})  # fmt: skip
            connection.execute(text(
                "INSERT INTO runs (id, name, dataset_id, base, spec, status, sentence, stop_requested, turn, deaths, step, total_steps,"
                " epoch, created_at) VALUES (:id, 'Run', :dataset, 'b', '{}', 'queued', '', :no, :turn, 0, 0, 0, 0, '2025-01-01 00:00:00')"
            ), {"id": f"r{number}", "dataset": f"d{number}", "turn": number, "no": False})  # fmt: skip
            connection.execute(text(
                "INSERT INTO samples (run_id, step, prompt, expected, base, tuned) VALUES (:id, 3, 'p', 'e', 'b', 't')"
            ), {"id": f"r{number}"})  # fmt: skip
    engine.dispose()
    store = Storage(tmp_path / "data", empty)
    for number in (1, 2):
        dataset, run = store.datasets.get(f"d{number}"), store.runs.get(f"r{number}")
        assert (dataset.label, dataset.shape, dataset.rows, dataset.usable_rows) == (f"{number}.csv", "mapped", 3, 2)
        assert dataset.size_bytes == 3_000_000_000 and dataset.tags == ()
        assert dataset.reading == ({"roles": {"q": "prompt", "a": "answer"}} if mapping and mapping != "null" else None)
        assert dataset.version.created_at == dataset.created_at
        assert (run.version_id, run.version_number) == (dataset.version.id, 1)
        assert store.samples.all(run.id) == [SampleRecord(3, "p", "e", "b", "t", 0)]
    held = store.queue.claim("w")
    held.add_sample(*(SampleRecord(3, "p", "e", "b", f"new {place}", place) for place in (0, 1)))
    assert [sample.tuned for sample in store.samples.all(held.run.id)] == ["new 0", "new 1"]
    assert store.datasets.add_version(
        "d1", label="l", shape="s", rows=1, usable_rows=1, examples=b"{}\n", change="Changed."
    ).version.number == 2  # fmt: skip
    store.close()


def test_the_upgrade_leaves_no_reference_open(tmp_path):
    unpack(tmp_path)
    Storage(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "studio.db")) as raw:
        assert raw.execute("PRAGMA foreign_key_check").fetchall() == []
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
