"""What has to be the same on every database, and what several programs that use one at once may count on."""

import math
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, func, select, text

import storage as package
from storage import DatasetRecord, MetricPoint, NotFoundError, RunRecord, RunStatus, SampleRecord, Storage, StorageError, UnavailableError
from storage.tables import Run
from tests.waiting import PATIENCE

SPEC = {"base": "starter", "train": {}}


def at_once(calls: list[Callable[[], object]]) -> list[object]:
    """What the calls give, made at the same moment; an error among what was given stands in its place."""
    together = threading.Barrier(len(calls))

    def call(given: Callable[[], object]) -> object:
        together.wait()
        try:
            return given()
        except Exception as error:  # noqa: BLE001
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(call, calls))


def test_workers_never_claim_the_same_run(store, dataset, reopen):
    wanted = {store.runs.create(dataset.id, SPEC).id for _ in range(20)}

    def claim_all(own: Storage, worker: str) -> list[str]:
        return [held.run.id for held in iter(lambda: own.queue.claim(worker), None)]

    workers = [(reopen(), f"w{number}") for number in range(8)]
    claimed = [run_id for found in at_once([lambda pair=pair: claim_all(*pair) for pair in workers]) for run_id in found]
    assert sorted(claimed) == sorted(wanted)


def test_times_are_utc_whatever_the_zone_of_the_server(store, dataset):
    made = store.runs.create(dataset.id, SPEC)
    read = store.runs.get(made.id)
    assert read.created_at == made.created_at
    assert read.created_at.utcoffset() == store.events.all(made.id)[0].at.utcoffset() == timedelta(0)


def test_text_that_no_database_takes_is_kept_as_far_as_it_goes(store, dataset):
    run = store.runs.create(dataset.id, SPEC)
    held = store.queue.claim("w")
    held.add_sample(SampleRecord(1, "a\x00b", "c", "d", "e\ud800f"))
    held.add_event("a\x00b")
    (sample,) = store.samples.all(run.id)
    assert (sample.prompt[0], sample.prompt[-1], sample.tuned[0], sample.tuned[-1]) == ("a", "b", "e", "f")
    assert store.events.all(run.id)[-1].text.startswith("a")


def test_an_id_with_a_character_that_no_id_has_finds_nothing(store):
    for find in (store.runs.get, store.runs.request_stop, store.datasets.get):
        with pytest.raises(NotFoundError):
            find("a\x00b")


def test_what_is_longer_than_its_column_is_kept_or_refused_with_a_sentence(store, dataset, url):
    """SQLite keeps it; PostgreSQL counts letters."""
    long = {**SPEC, "base": "/models/" + 400 * "b"}
    if url is None:
        assert store.runs.get(store.runs.create(dataset.id, long, start_key=200 * "k").id).spec == long
        return
    with pytest.raises(StorageError, match="too long or too large to be kept"):
        store.runs.create(dataset.id, long, start_key=200 * "k")
    assert store.runs.all() == []


def test_a_figure_that_is_no_number_does_not_cost_the_others(store, dataset):
    run = store.runs.create(dataset.id, SPEC)
    held = store.queue.claim("w")
    held.set_summary({"held_out": math.nan, "perplexity": math.inf, "loss": 1.5})
    assert store.runs.get(run.id).summary == {"held_out": None, "perplexity": None, "loss": 1.5}


def test_a_dataset_may_be_larger_than_two_gigabytes(store, dataset):
    with store.database.transaction() as session:
        session.execute(text("UPDATE dataset_versions SET size_bytes = 3000000000"))
    assert store.datasets.get(dataset.id).size_bytes == 3_000_000_000


def test_thinned_figures_are_the_means_of_as_many_steps(store, dataset):
    run = store.runs.create(dataset.id, SPEC)
    store.queue.claim("w").add_metrics([MetricPoint(step, "loss", float(step)) for step in range(10)])
    assert [(point.step, point.value) for point in store.metrics.thinned(run.id, 4)] == [(2, 1.0), (5, 4.0), (8, 7.0), (9, 9.0)]


def test_a_sample_opened_by_many_at_once_is_one_dataset(store, reopen, tmp_path):
    source = tmp_path / "source"
    source.write_text("a")

    def create(own: Storage) -> str:
        return own.datasets.create(
            name="S", label="s", shape="two columns", rows=1, usable_rows=1, source=source, examples=b"{}\n", sample="s"
        ).id

    made = at_once([lambda own=own: create(own) for own in [reopen() for _ in range(8)]])
    assert len(set(made)) == 1, made
    assert [record.id for record in store.datasets.all()] == [made[0]]


def test_runs_queued_at_once_have_turns_of_their_own_and_can_be_reordered(store, dataset, reopen):
    made = at_once([lambda own=own: own.runs.create(dataset.id, SPEC).id for own in [reopen() for _ in range(8)]])
    with store.database.reading() as session:
        assert session.scalar(select(func.count(Run.queue_position.distinct()))) == 8
    for run_id in made:
        store.runs.reorder(run_id, 1)
        assert store.runs.queue_position(run_id) == 1


def test_a_dataset_is_never_deleted_under_a_run_that_is_being_made(store, reopen, tmp_path):
    other, source = reopen(), tmp_path / "source"
    source.write_text("a")
    for number in range(20):
        dataset = store.datasets.create(
            name=f"D{number}", label="d", shape="two columns", rows=1, usable_rows=1, source=source, examples=b"{}\n"
        )
        made, deleted = at_once([lambda: store.runs.create(dataset.id, SPEC), lambda: other.datasets.delete(dataset.id)])  # noqa: B023
        kept, removed = isinstance(made, RunRecord), isinstance(deleted, DatasetRecord)
        assert kept != removed, (made, deleted)
        assert isinstance(deleted if kept else made, StorageError), (made, deleted)


def test_a_reader_sees_one_moment(store, dataset, reopen):
    other, count = reopen(), select(func.count()).select_from(Run)
    with store.database.reading() as session:
        before = session.scalar(count)
        other.runs.create(dataset.id, SPEC)
        assert session.scalar(count) == before
    with store.database.reading() as session:
        assert session.scalar(count) == before + 1


def test_a_writer_that_waits_too_long_is_told_that_the_database_is_in_use(store, dataset, url):
    run = store.runs.create(dataset.id, SPEC)
    hurried = Storage(store.files.root, url, patience=0.2)
    with store.database.transaction() as session:
        session.execute(select(Run).where(Run.id == run.id).with_for_update(of=Run))
        with pytest.raises(UnavailableError, match="in use"):
            hurried.runs.rename(run.id, "other")
    assert hurried.runs.rename(run.id, "other").name == "other"
    hurried.close()


@pytest.mark.process
def test_an_empty_database_can_be_opened_by_several_programs_at_once(empty, tmp_path):
    code = "import sys, pathlib, storage; sys.stdin.readline(); storage.Storage(pathlib.Path(sys.argv[1]), sys.argv[2] or None)"
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "data"), empty or ""],
            cwd=Path(package.__file__).parents[1], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(4)
    ]  # fmt: skip
    errors = at_once([lambda program=program: program.communicate("go\n", timeout=PATIENCE)[1] for program in programs])
    assert [program.returncode for program in programs] == [0] * 4, errors


def test_runs_of_the_first_schema_are_carried_over(empty, tmp_path):
    address = empty or f"sqlite:///{tmp_path / 'data' / 'studio.db'}"
    (tmp_path / "data").mkdir()
    engine = create_engine(address)
    config = Config()
    config.set_main_option("script_location", str(Path(package.__file__).parent / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(text(
            "INSERT INTO datasets (id, name, label, shape, rows, usable_rows, size_bytes, created_at)"
            " VALUES ('d', 'Rows', 'rows.csv', 'two columns', 1, 1, 10, '2025-01-01 00:00:00')"
        ))  # fmt: skip
        for number, status, error in ((2, "queued", None), (1, "failed", 'It broke: 50% "done".'), (3, "queued", None)):
            connection.execute(text(
                "INSERT INTO runs (id, name, dataset_id, base, spec, status, sentence, error, stop_requested, step, total_steps, epoch,"
                " created_at, queued_at) VALUES (:id, 'Run', 'd', 'starter', '{}', :status, 'A sentence.', :error, :no, 0, 0, 0, :at, :at)"
            ), {"id": f"r{number}", "status": status, "error": error, "no": False, "at": f"2025-01-0{number} 00:00:00"})  # fmt: skip
    engine.dispose()
    store = Storage(tmp_path / "data", empty)
    assert store.runs.get("r1").failure.what == 'It broke: 50% "done".'
    assert store.runs.get("r2").failure is None
    assert [store.runs.queue_position(name) for name in ("r2", "r3")] == [1, 2]
    assert store.queue.claim("w").run.status is RunStatus.PREPARING
    store.close()


@pytest.mark.parametrize(
    "address",
    ["postgresql+psycopg://me:secret@127.0.0.1:1/studio", "postgresql+psycopg://me:secret@127.0.0.1:port/studio", "nonsense:secret"],
)
def test_a_database_that_cannot_be_opened_is_told_without_its_password(tmp_path, address):
    with pytest.raises(StorageError) as told:
        Storage(tmp_path / "data", address)
    assert "secret" not in str(told.value)
