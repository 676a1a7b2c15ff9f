"""Turning the rows of a run into tokens, as a worker does it: with a bar, and not without an end."""

import pytest

from app.worker import job
from app.worker.check import FreshCheck
from app.worker.journal import Journal
from app.worker.resident import Resident
from reft_engine.data import Example, Message, dump_examples
from reft_engine.spec import ReftConfig, RunSpec, TrainConfig
from reft_engine.training import PhaseEvent, saved_rows
from storage import Phase, RunStatus
from tests.tiny import write_base

ROWS = 1201
"""More than are encoded together."""


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return str(write_base(tmp_path_factory.mktemp("bases") / "tiny"))


@pytest.fixture
def queued(services, base, tmp_path, monkeypatch):
    """A run of many rows that waits."""
    monkeypatch.setattr(saved_rows, "_WORTH_KEEPING", 0)
    monkeypatch.setattr("app.worker.journal._STOP_CHECK_SECONDS", 0.0)
    monkeypatch.setattr("app.worker.journal._WRITE_SECONDS", 0.0)
    monkeypatch.setattr(FreshCheck, "prepare", lambda check: None)  # a process of its own, which is tested elsewhere
    monkeypatch.setattr(FreshCheck, "check", lambda check, adapter, base: "")
    rows = dump_examples(Example(line, (Message("user", "Who?"),), f"Number {line}.", line) for line in range(1, ROWS + 1))
    source = tmp_path / "rows.csv"
    source.write_bytes(rows)
    dataset = services.storage.datasets.create(
        name="rows", label="rows.csv", shape="pairs", rows=ROWS, usable_rows=ROWS, source=source, examples=rows
    )  # fmt: skip
    settings = TrainConfig(epochs=1, batch_size=400, held_out=0.0)
    spec = RunSpec(base=base, reft=ReftConfig(rank=1, positions="l1"), train=settings)
    return services.storage.runs.create(dataset.id, spec.model_dump(mode="json"))


@pytest.fixture
def work(services):
    """Works on what is queued next, and says what the page could see of each phase."""
    resident = Resident(services.storage)

    def work(shutting_down=lambda: False):
        leased = services.storage.queue.claim("w")
        job.run_job(resident, leased, shutting_down)
        return services.storage.runs.get(leased.run.id)

    return work


@pytest.fixture
def at_encoding(services, queued, monkeypatch):
    """Does something when the first rows are encoded, and lists what the page shows of encoding."""
    seen, whole, todo = [], Journal.__call__, []

    def hear(journal, event):
        whole(journal, event)
        if isinstance(event, PhaseEvent) and event.phase == "encode":
            seen.append(services.storage.runs.get(queued.id).phase)
            while todo:
                todo.pop()()

    monkeypatch.setattr(Journal, "__call__", hear)
    return seen, todo.append


def kept(services, run):
    return (services.storage.files.checkpoint(run.id) / saved_rows.FILE).is_file()


def test_the_page_sees_how_far_the_rows_are(services, queued, at_encoding, work):
    seen, _ = at_encoding
    assert work().status is RunStatus.FINISHED
    assert seen == [Phase("encode", done, ROWS) for done in (0, 500, 1000)]
    assert not kept(services, queued), "it is of no use to a run that is finished"


def test_a_run_that_is_stopped_meanwhile_has_learned_nothing_and_can_be_continued(services, queued, at_encoding, work):
    seen, do = at_encoding
    do(lambda: services.storage.runs.request_stop(queued.id))
    run = work()
    assert run.status is RunStatus.STOPPED and run.sentence == "Stopped before the first step; nothing was learned yet."
    assert len(seen) == 1 and run.failure is None and kept(services, queued)
    assert not services.storage.files.adapter(queued.id).exists()
    services.storage.runs.resume(queued.id)
    assert work().status is RunStatus.FINISHED
    assert seen[1:] == [Phase("encode", done, ROWS) for done in (500, 1000)], "what was encoded is not encoded again"


def test_a_run_that_goes_on_and_is_stopped_meanwhile_keeps_what_it_has_learned(services, queued, at_encoding, work, monkeypatch):
    _, do = at_encoding
    asked = []
    whole = Journal.should_stop
    monkeypatch.setattr(Journal, "should_stop", lambda journal: asked.append(True) or len(asked) > 3 or whole(journal))
    run = work()
    assert run.status is RunStatus.STOPPED and run.step == 1
    monkeypatch.setattr(Journal, "should_stop", whole)
    (services.storage.files.checkpoint(queued.id) / saved_rows.FILE).unlink()
    services.storage.runs.resume(queued.id)
    do(lambda: services.storage.runs.request_stop(queued.id))
    run = work()
    assert run.sentence == "Stopped before it went on; what was learned up to step 1 is kept and can be continued."
    assert list(services.storage.files.checkpoint(queued.id).glob("00000001-*.safetensors"))


def test_a_run_that_is_discarded_meanwhile_is_in_the_bin(services, queued, at_encoding, work):
    _, do = at_encoding
    do(lambda: services.storage.runs.request_stop(queued.id, discard=True))
    run = work()
    assert run.status is RunStatus.STOPPED and run.sentence == "Stopped, and what was learned is discarded."


def test_a_worker_that_is_shut_down_meanwhile_leaves_the_run_as_it_is(services, queued, at_encoding, work):
    _, do = at_encoding
    leaving = []
    do(lambda: leaving.append(True))
    run = work(lambda: bool(leaving))
    assert run.status is RunStatus.TRAINING and kept(services, queued), "the worker puts it back into the queue"
