"""What is out of order is found and put right, and nothing that a person might miss is destroyed."""

import fcntl
import os
import shutil
import sqlite3
import struct
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from app.cli.doctor import problems_of
from storage import Failure, MetricPoint, RunStatus, SampleRecord, Storage
from storage.database import HEAD
from storage.files import write_atomic
from storage.tables import Dataset, Run, now
from storage.upkeep import clean_up, disk_usage, find_problems, repair

OLD = Path(__file__).parents[1] / "fixtures/databases"


@pytest.fixture
def storage(tmp_path):
    made = Storage(tmp_path / "data")
    yield made
    made.close()


@pytest.fixture
def dataset(storage, tmp_path):
    source = tmp_path / "rows.csv"
    source.write_text("a,b\n1,2\n")
    return storage.datasets.create(name="d", label="d", shape="pairs", rows=1, usable_rows=1, source=source, examples=b"{}\n")


@pytest.fixture
def run(storage, dataset):
    return storage.runs.create(dataset.id, {"base": "starter", "train": {}})


def finish(storage, run):
    held = storage.queue.claim("w")
    held.begin("Training.")
    held.progress(step=3, total_steps=3, epoch=1.0, seconds_left=0.0)
    held.set_summary({"steps": 3})
    held.set_status(RunStatus.CHECKING, "Checking.")
    held.set_status(RunStatus.FINISHED, "Finished.")
    write_atomic(storage.files.adapter(run.id) / "reft_model.safetensors", b"x" * 1000)
    write_atomic(storage.files.adapter(run.id) / "reft_config.json", b"{}")


def aged(path):
    for each in [*path.rglob("*"), path]:
        os.utime(each, (time.time() - 3600,) * 2)
    return path


def texts(storage):
    return [finding.text for finding in find_problems(storage)]


def test_nothing_is_found_where_all_is_well(storage, run):
    finish(storage, run)
    assert find_problems(storage) == []


@pytest.mark.parametrize(
    "name", ["runs/{run}/checkpoint/.writing-x", "runs/{run}/steps/.writing-x", "runs/.removed-x", "datasets/.removed-y", ".restoring-z"]
)
def test_what_was_left_half_done_is_removed_once_it_is_old(storage, run, name):
    path = storage.files.root / name.format(run=run.id)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir() if "removed" in name else path.write_bytes(b"half")
    assert find_problems(storage) == []
    aged(path)
    assert "half-done" in repair(find_problems(storage))[0]
    assert not path.exists() and find_problems(storage) == []


@pytest.mark.parametrize("kind", ["runs", "datasets"])
def test_a_folder_that_no_row_knows_is_set_aside_and_not_destroyed(storage, run, kind):
    folder = storage.files.root / kind / "abcdef"
    folder.mkdir()
    (folder / "precious").write_text("still here")
    assert find_problems(storage) == [], "somebody may just be making it"
    aged(folder)
    assert "belongs to nothing" in texts(storage)[0]
    repair(find_problems(storage))
    assert not folder.exists()
    (lost,) = (storage.files.root / "lost").iterdir()
    assert (lost / "precious").read_text() == "still here"


def test_the_run_of_a_worker_that_is_gone_waits_again(storage, run):
    storage.queue.claim("dead")
    assert "gone without a word" in texts(storage)[0]
    assert run.name in repair(find_problems(storage))[0]
    assert storage.runs.get(run.id).status is RunStatus.INTERRUPTED


def test_a_result_and_rows_that_are_gone_are_named_and_kept_in_the_database(storage, run, dataset):
    finish(storage, run)
    shutil.rmtree(storage.files.adapter(run.id))
    storage.files.rows(dataset.version).unlink()
    assert [finding.repair for finding in find_problems(storage)] == [None, None]
    assert repair(find_problems(storage)) == []
    assert storage.runs.get(run.id).status is RunStatus.FINISHED


def add_version(storage, dataset, examples):
    return storage.datasets.add_version(
        dataset.id, label="d", shape="pairs", rows=1, usable_rows=1, examples=examples, change="Changed."
    ).version  # fmt: skip


def test_rows_of_any_version_that_are_gone_or_altered_are_named(storage, run, dataset):
    second, third = add_version(storage, dataset, b"[]\n"), add_version(storage, dataset, b"0\n")
    assert find_problems(storage) == []
    storage.files.rows(dataset.version).unlink()
    with storage.files.rows(second).open("ab") as file:
        file.write(b"[]\n")
    storage.runs.delete(run.id)
    storage.datasets.delete(dataset.id)
    gone, altered = "The rows of version 1 of the dataset d are gone.", "The rows of version 2 of the dataset d were altered."
    assert sorted(texts(storage)) == [gone, altered] and repair(find_problems(storage)) == []
    storage.files.rows(second).write_bytes(b"[]\n")
    storage.files.rows(third).unlink()
    storage.files.rows(third).mkdir()
    assert sorted(texts(storage)) == [gone, "The rows of version 3 of the dataset d are gone."]


def test_a_file_that_no_version_names_is_set_aside_and_not_destroyed(storage, dataset):
    add_version(storage, dataset, b"[]\n")
    folder = storage.files.dataset_folder(dataset.id)
    stray = folder / f"{64 * 'a'}.jsonl"
    stray.write_bytes(b"of a version that was never written down")
    (folder / "more").mkdir()
    (folder / "more/notes").write_text("a person's")
    assert find_problems(storage) == [], "somebody may just be writing it"
    aged(folder)
    where = f"datasets/{dataset.id}"
    assert texts(storage) == [
        f"The file {where}/{stray.name} belongs to no version of its dataset.",
        f"The file {where}/more belongs to no version of its dataset.",
    ]
    assert all(sentence.startswith(f"Moved {where}/") for sentence in repair(find_problems(storage)))
    assert find_problems(storage) == [] and len(storage.datasets.versions(dataset.id)) == 2
    kept, notes = sorted((storage.files.root / "lost").iterdir())
    assert kept.read_bytes() == b"of a version that was never written down" and (notes / "notes").read_text() == "a person's"


def test_a_run_none_of_whose_checkpoints_is_whole_is_named(storage, run):
    folder = storage.files.run_folder(run.id) / "checkpoint"
    write_atomic(folder / "00000005-0123456789abcdef.safetensors", b"torn")
    assert "would begin anew" in problems_of(storage)[0].text
    write_atomic(folder / "00000004-ba7816bf8f01cfea.safetensors", b"abc")
    assert problems_of(storage) == []


@pytest.mark.parametrize("name", ["reft_model.safetensors", "reft_config.json"])
def test_a_result_that_lacks_a_file_is_named(storage, run, name):
    finish(storage, run)
    assert problems_of(storage) == []
    (storage.files.adapter(run.id) / name).unlink()
    assert [finding.text for finding in problems_of(storage)] == [f"The result of the run {run.name} is gone."]


def sql(storage, statement):
    with closing(sqlite3.connect(storage.files.root / "studio.db")) as raw, raw:
        raw.execute(statement)


def test_rows_that_belong_to_nothing_are_counted(storage, run):
    sql(storage, "INSERT INTO metrics VALUES ('nobody', 1, 'loss', 1.0), ('nobody', 2, 'loss', 1.0)")
    assert texts(storage) == ["2 rows of metrics in the database belong to no row of runs."]


def test_a_value_that_no_version_writes_is_a_finding_and_the_other_checks_go_on(storage, run):
    half = storage.files.root / ".writing-x"
    half.write_bytes(b"half")
    aged(half)
    sql(storage, "UPDATE runs SET spec = '{not json'")
    found = texts(storage)
    assert len(found) == 2 and any("damaged" in text for text in found) and any("half-done" in text for text in found)


def test_a_damaged_database_is_named_and_never_a_traceback(storage, run):
    storage.close()
    path = storage.files.root / "studio.db"
    data = bytearray(path.read_bytes())
    data[4096:] = bytes(len(data) - 4096)
    path.write_bytes(data)
    for left in storage.files.root.glob("studio.db-*"):
        left.unlink()
    assert any("damaged" in text and "last backup" in text for text in texts(storage))


@pytest.mark.parametrize("locked", [True, False])
def test_a_lock_of_nobody_is_removed_and_one_that_is_held_stays(storage, run, locked):
    path = storage.files.root / "workers/abc.lock"
    path.parent.mkdir(exist_ok=True)
    with path.open("w") as file:
        if locked:
            fcntl.flock(file, fcntl.LOCK_EX)
        aged(path)
        assert [text for text in texts(storage) if "nobody" in text] == ([] if locked else ["The lock abc.lock is nobody's."])
        repair(find_problems(storage))
    assert path.exists() is locked


@pytest.mark.slow
def test_a_log_that_grew_too_long_keeps_its_last_lines(storage, run):
    path = storage.files.log(run.id)
    write_atomic(path, b"an old line\n" * 5_000_000 + b"the last line\n")
    assert "very long" in texts(storage)[0]
    clean_up(storage, 30)
    assert path.stat().st_size <= 1_000_000 and path.read_bytes().endswith(b"old line\nthe last line\n")
    assert path.read_bytes().startswith(b"an old line\n") and find_problems(storage) == []


def test_checkpoints_of_finished_runs_are_removed_and_others_stay(storage, run):
    other = storage.runs.create(run.dataset_id, run.spec)
    for each in (run, other):
        storage.files.checkpoint(each.id).mkdir(parents=True, exist_ok=True)
        (storage.files.checkpoint(each.id) / "00000001.safetensors").write_bytes(b"x")
    with storage.database.transaction() as session:
        session.get(Run, run.id).status = RunStatus.FINISHED
    clean_up(storage, 7)
    assert not storage.files.checkpoint(run.id).exists() and storage.files.checkpoint(other.id).is_dir()


def test_kept_steps_stay_with_a_finished_run_and_go_with_it(storage, run):
    finish(storage, run)
    before = disk_usage(storage).runs
    write_atomic(storage.files.steps(run.id) / "00000005.safetensors", struct.pack("<Q", 2) + b"{}")
    assert disk_usage(storage).runs == before + 10
    clean_up(storage, 7)
    assert storage.files.steps(run.id).is_dir() and problems_of(storage) == []
    storage.runs.delete(run.id)
    clean_up(storage, 0)
    assert not storage.files.run_folder(run.id).exists()


def test_a_kept_step_that_cannot_be_read_is_named(storage, run):
    finish(storage, run)
    write_atomic(storage.files.steps(run.id) / "00000005.safetensors", struct.pack("<Q", 2) + b"{}")
    assert problems_of(storage) == []
    write_atomic(storage.files.steps(run.id) / "00000007.safetensors", b"torn")
    assert [finding.text for finding in problems_of(storage)] == [
        f"What the run {run.name} had learned at step 7 cannot be read any more; its result can."
    ]


def test_folders_beside_a_database_of_other_things_are_left_where_they_are(storage):
    folder = storage.files.root / "runs/abcdef"
    folder.mkdir(parents=True)
    aged(folder)
    assert "may be another one than theirs" in texts(storage)[0]
    assert repair(find_problems(storage)) == [] and folder.is_dir()


def test_tidying_leaves_to_others_what_it_cannot_explain(storage, run):
    """Folders without a row wait for a person; runs of dead workers for the living, who can say what happened."""
    folder = storage.files.root / "runs/abcdef"
    folder.mkdir()
    aged(folder)
    storage.queue.claim("dead")
    assert clean_up(storage, 30) == []
    assert folder.is_dir() and storage.runs.get(run.id).status is RunStatus.PREPARING


def test_what_the_parts_take(storage, run):
    finish(storage, run)
    before = disk_usage(storage)
    assert 1000 <= before.runs < 2000 and before.bin == 0 and before.datasets > 0 and before.free > 0
    storage.runs.delete(run.id)
    after = disk_usage(storage)
    assert (after.runs, after.bin) == (before.bin, before.runs)
    assert after.total >= after.datasets + after.bin


def test_tidying_empties_the_bin_of_what_has_lain_there_long_enough(storage, run):
    finish(storage, run)
    storage.runs.delete(run.id)
    clean_up(storage, 7)
    assert storage.runs.restore(run.id).binned_at is None
    storage.runs.delete(run.id)
    with storage.database.transaction() as session:
        session.scalars(select(Run)).one().binned_at = now() - timedelta(days=8)
    assert any(run.id in sentence for sentence in clean_up(storage, 7))
    assert not storage.files.run_folder(run.id).exists() and storage.runs.binned() == []


def test_what_a_dataset_in_the_bin_takes_counts_as_the_bins(storage, dataset):
    before = disk_usage(storage)
    storage.datasets.delete(dataset.id)
    after = disk_usage(storage)
    assert (before.bin, after.bin) == (0, dataset.size_bytes) and before.datasets - after.datasets == dataset.size_bytes
    assert after.total - after.database == before.total - before.database


def test_tidying_empties_the_bin_of_datasets_after_that_of_their_runs(storage, run, dataset):
    storage.runs.delete(run.id)
    storage.datasets.delete(dataset.id)
    assert clean_up(storage, 7) == []
    with storage.database.transaction() as session:
        session.scalars(select(Dataset)).one().binned_at = now() - timedelta(days=8)
    assert clean_up(storage, 7) == [] and storage.datasets.binned(), "the run may be restored for a week"
    with storage.database.transaction() as session:
        session.scalars(select(Run)).one().binned_at = now() - timedelta(days=8)
    assert any(f"Removed dataset {dataset.id}" in sentence for sentence in clean_up(storage, 7))
    assert not storage.files.dataset_folder(dataset.id).exists() and storage.datasets.binned() == []


def test_what_fails_to_be_put_right_is_said_and_the_rest_goes_on(storage, run, monkeypatch):
    for name in ("aaaa", "bbbb"):
        (storage.files.root / "runs" / name).mkdir()
        aged(storage.files.root / "runs" / name)
    rename = Path.rename

    def failing(self, target):
        if self.name == "aaaa":
            raise OSError(30, "Read-only file system")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    done = repair(find_problems(storage))
    assert sorted("could not be put right" in sentence for sentence in done) == [False, True]


@pytest.mark.parametrize("path", sorted(OLD.glob("*.sqlite")), ids=lambda path: path.stem)
def test_a_database_of_an_earlier_version_is_brought_up_to_date_with_every_row(tmp_path, path):
    folder = tmp_path / "data"
    folder.mkdir()
    shutil.copy(path, folder / "studio.db")
    old = sqlite3.connect(path)
    names = [name for (name,) in old.execute("SELECT name FROM sqlite_master WHERE type='table'")]
    counts = {name: old.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names}
    statuses = dict(old.execute("SELECT id, status FROM runs"))
    old.close()
    storage = Storage(folder)
    new = sqlite3.connect(folder / "studio.db")
    assert {name: new.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names} == counts
    assert new.execute("SELECT version_num FROM alembic_version").fetchone() == (HEAD,)
    assert new.execute("PRAGMA foreign_key_check").fetchall() == []
    new.close()
    runs = storage.runs.all()
    assert {run.id: run.status for run in runs} == statuses
    for run in runs:
        assert run.status is RunStatus.QUEUED or storage.metrics.after(run.id)
        assert (run.failure is not None) == (run.status is RunStatus.FAILED)
        assert storage.events.all(run.id)
    # And it works on: what waited is trained in the order in which it was queued.
    storage.reclaim(lambda run: Failure("bug", "Gone."))
    held = storage.queue.claim("w")
    held.add_metrics([MetricPoint(9, "loss", 1.0)])
    held.add_sample(SampleRecord(9, "p", "e", "b", "t"))
    storage.close()
