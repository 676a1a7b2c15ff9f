"""A run that two workers believe to hold: real training in one, which learns from its lease that the run is another's."""

import ast
import threading
from pathlib import Path

import pytest

from app import launchers, worker
from app.handlers import datasets
from app.services import make_services
from app.settings import Settings
from app.worker import failures, journal
from app.worker.job import run_job
from app.worker.journal import Journal
from app.worker.resident import Resident
from reft_engine.data.row_check import RowCheck
from reft_engine.spec import ReftConfig, RunSpec, TrainConfig
from reft_engine.training.events import HeldOutEvent, PhaseEvent, RowsEvent, SampleEvent, StepEvent
from storage import Failure, LeaseLostError, MetricPoint, RunStatus, SampleRecord, Storage, UnavailableError
from storage.tables import Table
from tests.waiting import PATIENCE

LONG = TrainConfig(epochs=3000, batch_size=6, held_out=0.2)


@pytest.fixture(params=["sqlite", "postgresql"])
def services(request, tmp_path):
    """A data folder on each kind of database."""
    url = None if request.param == "sqlite" else request.getfixturevalue("postgres").new_database()
    made = make_services(Settings(data_dir=tmp_path / "data", database_url=url))
    yield made
    made.storage.close()


@pytest.fixture
def run(services, table_file, tiny_base):
    dataset = datasets.save_upload(services, str(table_file), label="animals.csv")
    spec = RunSpec(base=str(tiny_base), reft=ReftConfig(rank=1, positions="l1"), train=LONG)
    return services.storage.runs.create(dataset.id, spec.model_dump(mode="json"))


def everything(storage):
    """Every row of every table, as it is now."""
    with storage.database.reading() as session:
        return {name: sorted(map(repr, session.execute(table.select()))) for name, table in Table.metadata.tables.items()}


@pytest.mark.slow
def test_a_worker_that_lost_its_run_stops_training_and_leaves_the_others_rows_and_files_alone(services, run, until):
    slept, storage = Storage(services.storage.files.root, services.settings.database_url), services.storage
    held = slept.queue.claim("slept")
    training = threading.Thread(target=run_job, args=(Resident(slept), held, lambda: False))
    training.start()
    until(lambda: storage.runs.get(run.id).step > 5 and storage.samples.all(run.id), "the sixth step and a sample")
    storage.reclaim(failures.explain_vanished_worker)
    awake = storage.queue.claim("awake")
    awake.begin("Training.")
    awake.progress(step=1, total_steps=9, epoch=1.0, seconds_left=1.0, metrics=[MetricPoint(1, "loss", 2.0), MetricPoint(2, "loss", 2.0)])
    awake.add_sample(SampleRecord(0, "p", "e", "b", "t"))
    awake.set_revision("awakes")
    awake.set_summary({"steps": 1})
    before = everything(storage)
    training.join(timeout=PATIENCE)
    assert not training.is_alive()
    assert everything(storage) == before
    assert storage.runs.get(run.id).status is RunStatus.TRAINING and not storage.files.adapter(run.id).exists()
    kept = [int(path.name.partition("-")[0]) for path in (storage.files.run_folder(run.id) / "checkpoint").glob("*.safetensors")]
    last = max(point.step for point in storage.metrics.after(run.id))
    assert max(kept, default=0) <= last, "no checkpoint is of a step that came after the run was lost"
    assert "left alone" in storage.files.log(run.id).read_text()
    slept.close()


ROWS = RowCheck(
    base="starter", max_length=512, rows=9, usable_rows=9, rows_left_out=0, examples=9, trained=8, held_out=1, cut_answers=0, tokens=90,
    longest=10,
)  # fmt: skip
EVENTS = {
    "a step": StepEvent(7, 9, 1.0, 9.0, 9.0, 9.0, 9.0, 9),
    "a held-out figure": HeldOutEvent(7, 9.0, 9.0, 4, 1, 0, 7),
    "how far it has come": PhaseEvent(7, "measure", 1, 2),
    "the held-out rows": RowsEvent(7, ROWS, (9,)),
    "a sample": SampleEvent(7, "mine", "mine", "mine", "mine"),
    "nothing": None,
}


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
def test_no_checkpoint_may_be_written_of_a_run_that_is_lost_whatever_there_is_to_be_written_with_it(services, run, event):
    held = services.storage.queue.claim("slept")
    mine = Journal(held, lambda: False, lambda reason: None)
    mine.begin("Training.")
    mine(StepEvent(6, 9, 1.0, 1.0, 1.0, 1.0, 1.0, 1))
    assert mine.settled(), "as long as the run is ours"
    services.storage.reclaim(failures.explain_vanished_worker)
    services.storage.queue.claim("awake").begin("Training.")
    before = everything(services.storage)

    def write():  # which is refused at once, or when a checkpoint is to be written
        if event:
            mine(event)
        mine.settled()

    with pytest.raises(LeaseLostError):
        write()
    for insist in (mine.flush, lambda: mine.set_summary({}), lambda: mine.fail(Failure("bug", "Mine.")), mine.should_stop):
        with pytest.raises(LeaseLostError):
            insist()
    assert everything(services.storage) == before


def test_the_samples_of_a_measurement_are_written_together(services, run):
    held = services.storage.queue.claim("w")
    mine = Journal(held, lambda: False, lambda reason: None)
    mine.begin("Training.")
    mine.flush()
    written, write = [], held.add_sample
    held.add_sample = lambda *samples: (written.append(len(samples)), write(*samples))
    for step in (0, 3):
        for place in range(5):
            mine(SampleEvent(step, f"prompt {place}", "e", "b", f"after {step}", place))
        mine.flush()
    found = services.storage.samples.all(run.id)
    assert [(each.step, each.place, each.prompt, each.tuned) for each in found] == [
        (step, place, f"prompt {place}", f"after {step}") for step in (0, 3) for place in range(5)
    ]  # fmt: skip
    assert sum(written) == 10 and len(written) <= 4


def test_what_is_insisted_on_is_written_once_the_database_can_be_used_again(services, run, until):
    slow = Storage(services.storage.files.root, services.settings.database_url, patience=0.1)
    troubles = []
    mine = Journal(slow.queue.claim("w"), lambda: False, troubles.append)
    with services.storage.database.transaction() as session:
        session.execute(Table.metadata.tables["runs"].select().with_for_update())
        writing = threading.Thread(target=mine.begin, args=("Training.",))
        writing.start()
        until(lambda: any(troubles), "a word of the trouble")
        assert "in use" in troubles[0]
    writing.join(timeout=PATIENCE)
    assert not writing.is_alive()
    assert services.storage.runs.get(run.id).status is RunStatus.TRAINING and troubles[-1] == ""
    slow.close()


def test_a_worker_that_is_to_end_while_the_database_is_away_leaves_its_run_to_the_next_and_says_nothing_false_of_it(services, run):
    slow = Storage(services.storage.files.root, services.settings.database_url, patience=0.1)
    held = slow.queue.claim("w")
    before = everything(services.storage)
    with services.storage.database.transaction() as session:
        session.execute(Table.metadata.tables["runs"].select().with_for_update())
        with pytest.raises(UnavailableError):
            Journal(held, lambda: True, lambda reason: None).begin("Training.")
        run_job(Resident(slow), held, lambda: True)
    assert everything(services.storage) == before
    slow.close()


def test_the_worker_writes_of_runs_by_the_lease_alone():
    asked = set()
    for path in (path for room in (worker, launchers) for path in Path(room.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute):
                asked.add((node.value.attr, node.attr))
    stores = {pair for pair in asked if pair[0] in ("runs", "queue", "metrics", "samples", "events", "datasets", "database")}
    reading = {
        ("runs", "get"),
        ("runs", "some"),
        ("runs", "paused_since"),
        ("runs", "held_out_places"),
        ("datasets", "get"),
        ("datasets", "version"),
        ("queue", "any_due"),
    }
    queue = {("queue", "claim_together"), ("queue", "put_back"), ("queue", "recover")}
    sizes = {("runs", "has_changed")}  # of a folder whose run has ended, which nobody has a lease on
    assert stores == reading | queue | sizes
    source = Path(journal.__file__).read_text(encoding="utf-8")
    imported = {name.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom) for name in node.names}
    assert "LeasedRun" in imported and not {"Storage", "Resident"} & imported, "the journal holds no store"
