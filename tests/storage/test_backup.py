"""A backup holds one moment of everything while the studio goes on, and is put back whole or not at all."""

import json
import multiprocessing
import sqlite3
import zipfile
from contextlib import closing
from hashlib import sha256

import pytest
from sqlalchemy import text

from storage import MetricPoint, RunStatus, Storage, StorageError
from storage.files import write_atomic
from storage.upkeep import backup, find_problems, restore_backup, write_backup
from tests.waiting import PATIENCE, until


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


def keep_writing(root, dataset_id, ended):
    """What a worker does, without an engine."""
    storage = Storage(root)
    while not ended.is_set():
        run = storage.runs.create(dataset_id, {"base": "starter", "train": {}})
        held = storage.queue.claim("w")
        held.begin("Training.")
        for step in range(1, 12):
            held.add_metrics([MetricPoint(step, "loss", 1.0)])
            held.progress(step=step, total_steps=11, epoch=1.0, seconds_left=0.0)
            content = f"{run.id} {step}".encode() * 5000
            folder = storage.files.run_folder(run.id) / "checkpoint"
            write_atomic(folder / f"{step:08d}-{sha256(content).hexdigest()[:16]}.safetensors", content)
            for path in sorted(folder.glob("*.safetensors"))[:-2]:
                path.unlink()
            write_atomic(storage.files.steps(run.id) / f"{step:08d}.safetensors", content)
        held.set_summary({"steps": 11})
        write_atomic(storage.files.adapter(run.id) / "reft_model.safetensors", b"adapter" * 1000)
        write_atomic(storage.files.adapter(run.id) / "reft_config.json", b"{}")
        held.set_status(RunStatus.CHECKING, "Checking.")
        held.set_status(RunStatus.FINISHED, "Finished.")


@pytest.mark.process
def test_a_backup_of_a_studio_at_work_is_of_one_moment(storage, dataset, tmp_path):
    context = multiprocessing.get_context("spawn")
    ended = context.Event()
    writer = context.Process(target=keep_writing, args=(storage.files.root, dataset.id, ended))
    writer.start()
    try:
        for number in range(4):
            made = len(storage.runs.all())
            until(lambda made=made: len(storage.runs.all()) > made, "one more run")
            write_backup(storage, tmp_path / f"{number}.zip")
    finally:
        ended.set()
        writer.join(timeout=PATIENCE)
    assert writer.exitcode == 0, "it has worked all the time"
    for number in range(4):
        restore_backup(tmp_path / f"{number}.zip", tmp_path / f"restored-{number}")
        back = Storage(tmp_path / f"restored-{number}")
        runs = back.runs.all()
        found = [finding.text for finding in find_problems(back)]
        # A worker that ended without a word, and checkpoints that are removed just after a run has finished.
        assert runs and [text for text in found if "gone without a word" not in text and "still has its checkpoints" not in text] == []
        for run in runs:
            steps = [point.step for point in back.metrics.after(run.id)]
            assert steps == list(range(1, len(steps) + 1)) and run.step in (len(steps), len(steps) - 1)
            kept = sorted(int(path.stem) for path in back.files.steps(run.id).glob("*"))
            assert kept == list(range(1, len(kept) + 1)) and len(kept) <= run.step, "a kept step is not ahead of its metrics"
        back.close()


def add_version(storage, dataset_id, examples):
    return storage.datasets.add_version(
        dataset_id, label="d", shape="pairs", rows=1, usable_rows=1, examples=examples, change="Changed.", source=None
    )


def test_every_version_comes_back_and_what_lies_in_the_bin(storage, dataset, tmp_path):
    storage.runs.create(dataset.id, {"base": "starter", "train": {}})
    changed = add_version(storage, dataset.id, b"[]\n")
    storage.datasets.tag(dataset.id, ["mine"])
    binned = storage.datasets.create(name="Gone", label="g", shape="pairs", rows=1, usable_rows=1, examples=b"0\n")
    storage.datasets.delete(binned.id)
    write_backup(storage, tmp_path / "b.zip")
    restore_backup(tmp_path / "b.zip", tmp_path / "back")
    back = Storage(tmp_path / "back")
    assert back.datasets.versions(dataset.id) == [changed.version, dataset.version]
    assert [back.files.rows(version).read_bytes() for version in back.datasets.versions(dataset.id)] == [b"[]\n", b"{}\n"]
    assert back.files.source(dataset.version).read_bytes() == storage.files.source(dataset.version).read_bytes()
    assert back.datasets.get(dataset.id).tags == ("mine",) and [found.id for found in back.datasets.binned()] == [binned.id]
    assert back.runs.all()[0].version_number == 1 and find_problems(back) == []
    back.close()


def test_a_version_that_is_added_while_the_backup_is_written_is_not_half_in_it(storage, dataset, tmp_path, monkeypatch):
    take = backup._Writer._take_snapshot

    def take_and_add(writer):
        taken = take(writer)
        add_version(storage, dataset.id, b"[]\n")
        return taken

    monkeypatch.setattr(backup._Writer, "_take_snapshot", take_and_add)
    write_backup(storage, tmp_path / "b.zip")
    assert len(storage.datasets.versions(dataset.id)) == 2
    restore_backup(tmp_path / "b.zip", tmp_path / "back")
    back = Storage(tmp_path / "back")
    assert back.datasets.versions(dataset.id) == [dataset.version]
    names = {path.name for path in back.files.dataset_folder(dataset.id).iterdir()}
    assert names == {back.files.rows(dataset.version).name, back.files.source(dataset.version).name}
    back.close()


def test_everything_comes_back(storage, dataset, tmp_path):
    run = storage.runs.create(dataset.id, {"base": "starter", "train": {}}, name="Mine")
    storage.runs.delete(run.id)
    write_atomic(storage.files.log(run.id), b"a log")
    write_atomic(storage.files.run_folder(run.id) / ".writing-x", b"half")
    made = write_backup(storage, tmp_path / "b.zip")
    back = restore_backup(tmp_path / "b.zip", tmp_path / "back")
    assert (made.files, back.files) == (4, 4)
    restored = Storage(tmp_path / "back")
    assert [each.name for each in restored.runs.binned()] == ["Mine"]
    assert restored.files.log(run.id).read_bytes() == b"a log"
    assert restored.files.rows(dataset.version).read_bytes() == b"{}\n"
    assert not (restored.files.run_folder(run.id) / ".writing-x").exists()
    restored.close()


def spoil(path, change):
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(files["manifest.json"])
    change(files, manifest)
    files["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def strange(name):
    def change(files, manifest):
        files[name] = b"x"
        manifest["files"][name] = sha256(b"x").hexdigest()

    return change


SPOILT = {
    "a byte changed": lambda files, _: files.update({"studio.db": files["studio.db"][:-1] + b"x"}),
    "a file missing": lambda files, _: files.pop("studio.db"),
    "of another version": lambda _, manifest: manifest.update(version=99),
    "no list of files": lambda _, manifest: manifest.pop("files"),
    "outside the folder": strange("../evil"),
    "outside, deeper": strange("runs/../../evil"),
    "absolute": strange("/tmp/evil"),
    "a drive": strange("runs\\..\\evil"),
    "another folder": strange("etc/passwd"),
    "the folder itself": strange("runs/./x"),
    "no database at all": lambda files, manifest: (
        files.update({"studio.db": b"x"}),
        manifest["files"].update({"studio.db": sha256(b"x").hexdigest()}),
    ),
    "a list that is none": lambda _, manifest: manifest.update(files=3),
}


@pytest.mark.slow
@pytest.mark.parametrize("change", SPOILT.values(), ids=SPOILT)
def test_a_spoilt_backup_is_refused_and_puts_nothing_in_place(storage, dataset, tmp_path, change):
    write_backup(storage, tmp_path / "b.zip")
    spoil(tmp_path / "b.zip", change)
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(StorageError, match="no whole backup"):
        restore_backup(tmp_path / "b.zip", tmp_path / "back")
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_link_in_a_backup_is_refused(storage, dataset, tmp_path):
    write_backup(storage, tmp_path / "b.zip")
    spoil(tmp_path / "b.zip", strange("runs/abc/link"))
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        files = {entry: archive.read(entry) for entry in archive.infolist()}
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        for entry, content in files.items():
            if entry.filename == "runs/abc/link":
                entry.external_attr = 0o120777 << 16
            archive.writestr(entry, content)
    with pytest.raises(StorageError, match="it holds a link"):
        restore_backup(tmp_path / "b.zip", tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_a_backup_of_a_later_version_is_refused_in_words(storage, tmp_path):
    with storage.database.transaction() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    write_backup(storage, tmp_path / "b.zip")
    with pytest.raises(StorageError, match="newer version of the studio"):
        restore_backup(tmp_path / "b.zip", tmp_path / "back")


@pytest.mark.parametrize("content", [b"", b"no zip", None])
def test_what_is_no_backup_is_refused(storage, tmp_path, content):
    path = tmp_path / "b.zip"
    write_backup(storage, path)
    path.write_bytes(path.read_bytes()[:-200] if content is None else content)
    with pytest.raises(StorageError, match="no whole backup"):
        restore_backup(path, tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_nothing_is_put_over_what_is_there(storage, tmp_path):
    write_backup(storage, tmp_path / "b.zip")
    with pytest.raises(StorageError, match="not an empty folder"):
        restore_backup(tmp_path / "b.zip", storage.files.root)
    (tmp_path / "empty").mkdir()
    restore_backup(tmp_path / "b.zip", tmp_path / "empty")
    with closing(sqlite3.connect(tmp_path / "empty/studio.db")) as back:
        assert back.execute("SELECT count(*) FROM runs").fetchone() == (0,)


def test_a_backup_that_cannot_be_written_leaves_nothing(storage, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there/file").write_text("x")
    with pytest.raises(StorageError, match="could not be written"):
        write_backup(storage, tmp_path / "there")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
