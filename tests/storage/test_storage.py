"""Real databases, real files."""

import threading
import zipfile
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import storage as package
from storage import Failure, LeasedRun, LeaseLostError, MetricPoint, NotFoundError, RunStatus, SampleRecord, StorageError, workers
from storage.database import HEAD
from storage.files import write_atomic
from storage.records import ALLOWED, Phase
from storage.runs.rows import get_row, set_status
from storage.tables import Run, Table

SPEC = {"base": "starter", "train": {}}


def test_the_migrations_give_the_schema_of_the_models(store):
    with store.database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Table.metadata) == []


def test_head_is_the_newest_revision():
    folder = Path(package.__file__).parent / "migrations"
    assert ScriptDirectory(str(folder)).get_current_head() == HEAD


def test_opening_twice_keeps_what_is_there(dataset, reopen):
    assert reopen().datasets.all() == [dataset]


def test_a_dataset_is_filed_under_a_name_of_the_programs_own(store, dataset):
    assert store.files.dataset_folder(dataset.id).parent == store.files.root / "datasets"
    assert store.files.rows(dataset.version).read_bytes() == b"{}\n"
    assert {path.parent for path in (store.files.rows(dataset.version), store.files.source(dataset.version))} == {
        store.files.dataset_folder(dataset.id)
    }


def test_the_same_start_sent_many_times_is_one_run(store, dataset):
    made: list[str] = []
    threads = [threading.Thread(target=lambda: made.append(store.runs.create(dataset.id, SPEC, start_key="k").id)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 20
    assert len(set(made)) == 1


def test_runs_are_claimed_in_the_order_of_the_queue(store, dataset):
    first, second = (store.runs.create(dataset.id, SPEC) for _ in range(2))
    assert (store.runs.queue_position(first.id), store.runs.queue_position(second.id)) == (1, 2)
    assert store.queue.claim("w").run.id == first.id
    assert (store.runs.queue_position(first.id), store.runs.queue_position(second.id)) == (None, 1)


def test_a_clock_that_is_set_back_lets_nobody_pass(store, dataset):
    first, second = (store.runs.create(dataset.id, SPEC) for _ in range(2))
    with store.database.transaction() as session:
        session.get(Run, second.id).created_at = datetime(2001, 1, 1, tzinfo=UTC)
    assert store.queue.claim("w").run.id == first.id


@pytest.mark.parametrize(("moved", "place", "order"), [(3, 1, "3012"), (0, 3, "1203"), (1, -5, "1023"), (1, 99, "0231"), (2, 3, "0123")])
def test_a_waiting_run_is_given_another_place(store, dataset, moved, place, order):
    made = [store.runs.create(dataset.id, SPEC).id for _ in range(4)]
    store.runs.reorder(made[moved], place)
    assert [store.runs.queue_position(made[int(each)]) for each in order] == [1, 2, 3, 4]
    assert [store.queue.claim("w").run.id for _ in range(4)] == [made[int(each)] for each in order]
    with pytest.raises(StorageError, match="does not wait any more"):
        store.runs.reorder(made[0], 1)


def test_every_change_of_status_that_is_not_allowed_is_refused_and_changes_nothing(store, dataset):
    for before in RunStatus:
        for after in set(RunStatus) - ALLOWED[before]:
            run = store.runs.create(dataset.id, SPEC)
            with store.database.transaction() as session:
                session.get(Run, run.id).status = before
            with pytest.raises(StorageError, match=f"{before} cannot become {after}"), store.database.transaction() as session:
                set_status(session, get_row(session, run.id), after, "Moved.")
            assert store.runs.get(run.id).status is before
            assert len(store.events.all(run.id)) == 1


def test_every_change_of_status_is_an_event_with_its_sentence(store, dataset):
    run = store.runs.create(dataset.id, SPEC)
    held = store.queue.claim("w")
    held.begin("Training on 9 rows.")
    held.add_event("By the way.")
    held.set_status(RunStatus.CHECKING, "Checking.")
    held.set_status(RunStatus.FINISHED, "Done.")
    told = [(event.status, event.text) for event in store.events.all(run.id)]
    assert told == [
        (RunStatus.QUEUED, "Queued."), (RunStatus.PREPARING, "Loading the base model and reading the rows."),
        (RunStatus.TRAINING, "Training on 9 rows."), (None, "By the way."), (RunStatus.CHECKING, "Checking."),
        (RunStatus.FINISHED, "Done."),
    ]  # fmt: skip
    with pytest.raises(LeaseLostError):
        held.add_event("Too late.")


def gone(run):
    return Failure("memory", "The engine went away.", remedy={"pass_tokens": 64}, label="Less")


def test_what_a_lost_worker_left_waits_again_and_a_stopping_run_is_stopped(store, dataset):
    lost, stopping = (store.runs.create(dataset.id, SPEC) for _ in range(2))
    held = [store.queue.claim("w").begin("Training.") for _ in range(2)]
    assert len(held) == 2
    store.runs.request_stop(stopping.id)
    waiting = store.runs.create(dataset.id, SPEC)
    assert {run.id for run in store.reclaim(gone)} == {lost.id, stopping.id}
    assert store.runs.get(lost.id).status is RunStatus.INTERRUPTED
    assert store.runs.get(stopping.id).status is RunStatus.STOPPED
    assert "last checkpoint" in store.events.all(lost.id)[-1].text
    assert [store.queue.claim("v").run.id for _ in range(2)] == [lost.id, waiting.id], "it keeps its place"


def everything(store):
    """Every row of every table, as it is now."""
    with store.database.reading() as session:
        return {name: sorted(map(repr, session.execute(table.select()))) for name, table in Table.metadata.tables.items()}


OF_A_HELD_RUN = {
    "add_metrics": lambda held: held.add_metrics([MetricPoint(1, "loss", 9.0), MetricPoint(0, "held_out", 9.0)]),
    "add_sample": lambda held: held.add_sample(SampleRecord(1, "mine", "mine", "mine", "mine")),
    "begin": lambda held: held.begin("Mine."),
    "fail": lambda held: held.fail(Failure("bug", "Mine.")),
    "set_status": lambda held: held.set_status(RunStatus.CHECKING, "Mine."),
    "add_event": lambda held: held.add_event("Mine."),
    "progress": lambda held: held.progress(step=9, total_steps=9, epoch=9.0, seconds_left=9.0, metrics=[MetricPoint(1, "loss", 9.0)]),
    "set_held_out": lambda held: held.set_held_out(9.0, 9.0),
    "set_rows": lambda held: held.set_rows("Mine.", [9]),
    "set_phase": lambda held: held.set_phase(Phase("read", 9, 9)),
    "set_revision": lambda held: held.set_revision("mine"),
    "set_summary": lambda held: held.set_summary({"steps": 9}),
    "stop_requested": lambda held: held.stop_requested(),
}


def test_nothing_that_can_be_done_with_a_held_run_is_missing_below():
    public = {name for name in vars(LeasedRun) if not name.startswith("_")}
    assert public == OF_A_HELD_RUN.keys()


@pytest.mark.parametrize("call", OF_A_HELD_RUN.values(), ids=OF_A_HELD_RUN)
@pytest.mark.parametrize("taken", ["by another", "by nobody", "and ended"])
def test_whoever_lost_a_run_writes_nothing_of_it_and_the_others_rows_are_as_they_were(store, dataset, reopen, call, taken):
    run = store.runs.create(dataset.id, SPEC)
    slept = store.queue.claim("slept")
    slept.begin("Training.")
    slept.add_metrics([MetricPoint(1, "loss", 1.0)])
    other = reopen()
    other.reclaim(gone)
    if taken != "by nobody":
        awake = other.queue.claim("awake")
        awake.begin("Training.")
        awake.progress(step=1, total_steps=9, epoch=1.0, seconds_left=1.0, metrics=[MetricPoint(1, "loss", 2.0)])
        awake.add_sample(SampleRecord(1, "p", "e", "b", "t"))
        if taken == "and ended":
            awake.set_summary({"steps": 1})
            awake.fail(gone(run))
    before = everything(store)
    with pytest.raises(LeaseLostError):
        call(slept)
    assert store.queue.put_back("slept", "Shut down.") == []
    assert everything(store) == before
    if taken == "by another":
        assert awake.stop_requested() is None
        awake.add_metrics([MetricPoint(1, "loss", 3.0)])
        assert [point.value for point in store.metrics.after(run.id)] == [3.0]


def test_three_deaths_at_one_step_fail_a_run_and_progress_between_them_forgives(store, dataset):
    run = store.runs.create(dataset.id, SPEC)

    def die(step):
        held = store.queue.claim("w")
        held.begin("Training.")
        if step:
            held.progress(step=step, total_steps=99, epoch=1.0, seconds_left=0.0)
        (died,) = store.queue.recover("w", gone)
        return died.status

    waits = RunStatus.INTERRUPTED
    assert [die(step) for step in (0, 0, 3, 3, 5, 5, 4)] == [waits] * 6 + [RunStatus.FAILED]
    failed = store.runs.get(run.id)
    assert "three times at the same step" in failed.failure.what and failed.failure.remedy == {"pass_tokens": 64}
    resumed = store.runs.resume(run.id, failed.failure.remedy)
    assert resumed.spec["train"]["pass_tokens"] == 64 and resumed.failure is None
    assert die(5) is waits


def test_a_worker_is_dead_once_its_lock_is_free_or_its_heart_is_silent(store, dataset, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(workers, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    with store.workers.serving("alive"):
        assert store.workers.heartbeat("alive") and store.workers.dead() == []
        clock[0] = workers.SILENCE - 1
        assert store.workers.dead() == []
        store.workers.heartbeat("alive")
        clock[0] = 2 * workers.SILENCE - 2
        assert store.workers.dead() == []
        clock[0] = 3 * workers.SILENCE
        assert store.workers.dead() == ["alive"], "it does not say so, but it sleeps"
        store.workers.remove("alive")
        assert not store.workers.heartbeat("alive"), "so it learns that it was given up"
    with suppress(RuntimeError), store.workers.serving("killed"):
        raise RuntimeError
    assert store.workers.dead() == ["killed"]


def test_an_orderly_end_costs_a_run_nothing(store, dataset):
    run = store.runs.create(dataset.id, SPEC)
    for _ in range(5):
        store.queue.claim("w").begin("Training.")
        (back,) = store.queue.put_back("w", "The studio was shut down.")
        assert (back.status, back.worker_exits) == (RunStatus.INTERRUPTED, 0)
    assert store.queue.claim("w").run.id == run.id


def test_a_stopped_run_can_go_on(store, dataset):
    run = store.runs.create(dataset.id, SPEC)
    assert store.runs.request_stop(run.id).status is RunStatus.STOPPED
    assert store.runs.resume(run.id).status is RunStatus.QUEUED
    assert not store.queue.claim("w").stop_requested()


def test_a_run_in_hand_cannot_be_deleted_and_a_used_dataset_neither(store, dataset):
    run = store.runs.create(dataset.id, SPEC)
    store.queue.claim("w")
    with pytest.raises(StorageError, match="stop it first"):
        store.runs.delete(run.id)
    with pytest.raises(StorageError, match="delete the run first"):
        store.datasets.delete(dataset.id)


def test_what_is_deleted_lies_in_the_bin_until_that_is_emptied(store, dataset):
    run, waiting = (store.runs.create(dataset.id, SPEC) for _ in range(2))
    folder = store.files.run_folder(run.id)
    folder.mkdir()
    store.queue.claim("w").add_metrics([MetricPoint(1, "loss", 2.0)])
    store.queue.put_back("w", "Shut down.")
    store.runs.delete(run.id)
    assert [found.id for found in store.runs.all()] == [waiting.id] and [found.id for found in store.runs.binned()] == [run.id]
    assert store.runs.queue_position(waiting.id) == 1 and store.queue.claim("w").run.id == waiting.id
    assert store.runs.restore(run.id).status is RunStatus.STOPPED
    assert store.runs.binned() == [] and store.runs.resume(run.id).status is RunStatus.QUEUED
    store.runs.delete(run.id)
    assert store.runs.empty_bin(timedelta(days=1)) == [] and folder.exists()
    assert store.runs.empty_bin() == [run.id]
    assert not folder.exists() and store.metrics.after(run.id) == []
    with pytest.raises(NotFoundError):
        store.runs.get(run.id)


def test_a_step_trained_again_replaces_its_figures(store, dataset):
    run = store.runs.create(dataset.id, SPEC)
    held = store.queue.claim("w")
    held.add_metrics([MetricPoint(1, "loss", 2.0), MetricPoint(2, "loss", 1.5)])
    held.add_metrics([MetricPoint(2, "loss", 1.4)])
    assert [point.value for point in store.metrics.after(run.id)] == [2.0, 1.4]
    assert [point.step for point in store.metrics.after(run.id, 1)] == [2]
    for tuned in ("x", "y"):
        held.add_sample(SampleRecord(1, "p", "e", "b", tuned))
    assert [sample.tuned for sample in store.samples.all(run.id)] == ["y"]


def test_the_samples_of_a_step_each_have_their_place_and_are_replaced_there(store, dataset):
    run, other = (store.runs.create(dataset.id, SPEC) for _ in range(2))
    held, others = store.queue.claim("w"), store.queue.claim("v")
    others.add_sample(SampleRecord(1, "other", "e", "b", "t", 3))
    held.add_sample(*(SampleRecord(step, f"p{place}", "e", "b", "first", place) for step in (4, 2) for place in (1, 0, 2)))
    assert [(each.step, each.place, each.prompt) for each in store.samples.all(run.id)] == [
        (step, place, f"p{place}") for step in (2, 4) for place in range(3)
    ]  # fmt: skip
    held.add_sample(SampleRecord(4, "p1", "e", "b", "second", 1))
    assert [(each.step, each.place) for each in store.samples.all(run.id) if each.tuned == "second"] == [(4, 1)]
    assert len(store.samples.all(run.id)) == 6 and [each.prompt for each in store.samples.all(other.id)] == ["other"]
    assert SampleRecord(4, "p1", "e", "b", "second", 1) in store.samples.all(run.id), "whatever its id"


def test_what_is_new_or_written_again_has_a_higher_id(store, dataset):
    run = store.runs.create(dataset.id, SPEC)
    held = store.queue.claim("w")

    def newest():
        return max(each.id for each in store.samples.all(run.id))

    held.add_sample(SampleRecord(1, "p", "e", "b", "one"))
    seen = newest()
    assert store.samples.all(run.id, after=seen) == []
    held.add_sample(SampleRecord(1, "p", "e", "b", "again"))  # in the place of the highest id there is
    assert [each.tuned for each in store.samples.all(run.id, after=seen)] == ["again"]
    seen = newest()
    held.add_sample(*(SampleRecord(step, "p", "e", "b", "new", place) for step in (3, 2) for place in (1, 0)))
    assert [(each.step, each.place) for each in store.samples.all(run.id, after=seen)] == [(2, 0), (2, 1), (3, 0), (3, 1)]
    assert store.samples.all(run.id, after=0) == store.samples.all(run.id) and store.samples.all(run.id, after=newest()) == []


def test_the_download_holds_the_adapter_files_only(store, dataset):
    run = store.runs.create(dataset.id, SPEC)
    with pytest.raises(NotFoundError):
        store.files.zip_adapter(run.id)
    write_atomic(store.files.adapter(run.id) / "reft_config.json", b"{}")
    write_atomic(store.files.adapter(run.id) / ".writing-x", b"half")
    assert zipfile.ZipFile(BytesIO(store.files.zip_adapter(run.id))).namelist() == ["reft_config.json"]


@pytest.mark.parametrize("name", ["../x", "a/b", "", "..", "%2e%2e", "a\x00b"])
def test_an_id_that_is_a_path_finds_nothing(store, name):
    with pytest.raises(NotFoundError):
        store.files.run_folder(name)
