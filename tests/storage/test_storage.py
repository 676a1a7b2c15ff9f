"""Real SQLite, real files."""

import threading
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import storage as package
from storage import MetricPoint, NotFoundError, RunStatus, SampleRecord, Storage, StorageError
from storage.database import HEAD
from storage.files import write_atomic
from storage.tables import Table


@pytest.fixture
def store(tmp_path: Path):
    opened = Storage(tmp_path / "data")
    yield opened
    opened.close()


@pytest.fixture
def dataset(store: Storage, tmp_path: Path):
    source = tmp_path / "rows.csv"
    source.write_text("a,b\n1,2\n")
    return store.datasets.create(
        name="Rows", label="../../rows.csv", shape="two columns", rows=1, usable_rows=1, source=source, examples=b"{}\n"
    )


def test_the_migrations_give_the_schema_of_the_models(store):
    with store.database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Table.metadata) == []


def test_head_is_the_newest_revision():
    folder = Path(package.__file__).parent / "migrations"
    assert ScriptDirectory(str(folder)).get_current_head() == HEAD


def test_opening_twice_keeps_what_is_there(store, dataset):
    again = Storage(store.files.root)
    assert again.datasets.all() == [dataset]
    again.close()


def test_a_dataset_is_filed_under_a_name_of_the_programs_own(store, dataset):
    assert store.files.dataset_folder(dataset.id).parent == store.files.root / "datasets"
    assert store.files.examples(dataset.id).read_bytes() == b"{}\n"


def test_the_same_start_sent_many_times_is_one_run(store, dataset):
    made: list[str] = []
    threads = [
        threading.Thread(target=lambda: made.append(store.runs.create(dataset.id, {"base": "starter"}, start_key="k").id))
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 20
    assert len(set(made)) == 1


def test_two_workers_never_claim_the_same_run(store, dataset):
    wanted = {store.runs.create(dataset.id, {"base": "starter"}).id for _ in range(12)}
    other = Storage(store.files.root)
    claimed: list[str] = []

    def work(own: Storage, name: str) -> None:
        while run := own.runs.claim(name):
            claimed.append(run.id)

    threads = [threading.Thread(target=work, args=pair) for pair in ((store, "one"), (other, "two"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    assert sorted(claimed) == sorted(wanted)


def test_runs_are_claimed_in_the_order_of_the_queue(store, dataset):
    first, second = (store.runs.create(dataset.id, {"base": "starter"}) for _ in range(2))
    assert (store.runs.queue_place(first.id), store.runs.queue_place(second.id)) == (1, 2)
    assert store.runs.claim("w").id == first.id


def test_an_impossible_change_is_refused(store, dataset):
    run = store.runs.create(dataset.id, {"base": "starter"})
    with pytest.raises(StorageError, match="queued cannot become finished"):
        store.runs.set_status(run.id, RunStatus.FINISHED, "Done.")


def test_what_a_lost_worker_left_is_queued_again_and_a_stopping_run_is_stopped(store, dataset):
    lost, stopping = (store.runs.create(dataset.id, {"base": "starter"}) for _ in range(2))
    for _ in range(2):
        run = store.runs.claim("w")
        store.runs.set_status(run.id, RunStatus.TRAINING, "Training.")
    store.runs.request_stop(stopping.id)
    assert store.runs.stop_requested(stopping.id)
    store.runs.recover()
    assert store.runs.get(lost.id).status is RunStatus.QUEUED
    assert store.runs.get(stopping.id).status is RunStatus.STOPPED
    assert "last checkpoint" in store.events.all(lost.id)[-1].text


def test_a_stopped_run_can_go_on(store, dataset):
    run = store.runs.create(dataset.id, {"base": "starter"})
    assert store.runs.request_stop(run.id).status is RunStatus.STOPPED
    assert store.runs.resume(run.id).status is RunStatus.QUEUED
    assert not store.runs.stop_requested(run.id)


def test_a_run_in_hand_cannot_be_deleted_and_a_used_dataset_neither(store, dataset):
    run = store.runs.create(dataset.id, {"base": "starter"})
    store.runs.claim("w")
    with pytest.raises(StorageError, match="stop it first"):
        store.runs.delete(run.id)
    with pytest.raises(StorageError, match="delete the run first"):
        store.datasets.delete(dataset.id)


def test_deleting_leaves_no_folder(store, dataset):
    run = store.runs.create(dataset.id, {"base": "starter"})
    folder = store.files.run_folder(run.id)
    folder.mkdir()
    store.metrics.add(run.id, [MetricPoint(1, "loss", 2.0)])
    store.runs.delete(run.id)
    store.datasets.delete(dataset.id)
    assert not folder.exists()
    assert store.metrics.after(run.id) == []
    with pytest.raises(NotFoundError):
        store.runs.get(run.id)


def test_a_step_trained_again_replaces_its_figures(store, dataset):
    run = store.runs.create(dataset.id, {"base": "starter"})
    store.metrics.add(run.id, [MetricPoint(1, "loss", 2.0), MetricPoint(2, "loss", 1.5)])
    store.metrics.add(run.id, [MetricPoint(2, "loss", 1.4)])
    assert [point.value for point in store.metrics.after(run.id)] == [2.0, 1.4]
    assert [point.step for point in store.metrics.after(run.id, 1)] == [2]
    for tuned in ("x", "y"):
        store.samples.add(run.id, SampleRecord(1, "p", "e", "b", tuned))
    assert [sample.tuned for sample in store.samples.all(run.id)] == ["y"]


def test_the_download_holds_the_adapter_files_only(store, dataset):
    run = store.runs.create(dataset.id, {"base": "starter"})
    with pytest.raises(NotFoundError):
        store.files.zip_adapter(run.id)
    write_atomic(store.files.adapter(run.id) / "reft_config.json", b"{}")
    write_atomic(store.files.adapter(run.id) / ".writing-x", b"half")
    assert zipfile.ZipFile(BytesIO(store.files.zip_adapter(run.id))).namelist() == ["reft_config.json"]


@pytest.mark.parametrize("name", ["../x", "a/b", "", "..", "%2e%2e", "a\x00b"])
def test_an_id_that_is_a_path_finds_nothing(store, name):
    with pytest.raises(NotFoundError):
        store.files.run_folder(name)


def test_a_failed_write_leaves_the_old_content(tmp_path):
    path = tmp_path / "file"
    write_atomic(path, b"old")
    with pytest.raises(TypeError):
        write_atomic(path, "not bytes")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
