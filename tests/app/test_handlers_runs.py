import io
import json
import zipfile

import pytest

from app.errors import StudioError
from app.handlers import train
from app.handlers.runs import _POINTS, HeldOut, adapter_zip, delete, newest, resume, stop, view
from storage import Failure, MetricPoint, NotFoundError, RunStatus, SampleRecord, StorageError

TRAINING = (RunStatus.PREPARING, RunStatus.TRAINING)


@pytest.fixture
def run(services, dataset):
    return train.start(services, dataset.id, train.TrainForm(), "page", "Mine")


def move(services, run, *statuses):
    """Take a run to a status, as its worker does."""
    held = services.storage.queue.claim("w")
    assert held.run.id == run.id
    for status in statuses:
        if status is RunStatus.STOPPING:
            stop(services, run.id)
        elif status is RunStatus.FAILED:
            held.fail(Failure("bug", "It failed."))
        elif status is not RunStatus.PREPARING:
            held.set_status(status, f"Now {status}.")
    return services.storage.runs.get(run.id)


def write_adapter(services, run):
    folder = services.storage.files.adapter(run.id)
    folder.mkdir(parents=True)
    (folder / "reft_config.json").write_text("{}")


def test_a_waiting_run_shows_its_place_and_no_figures(services, run, dataset):
    later = train.start(services, dataset.id, train.TrainForm(), "another page")
    found = view(services, later.id)
    assert (found.place, view(services, run.id).place) == (2, 1)
    assert (found.loss, found.held_out, found.curve, found.sample, found.downloadable) == (None, None, (), None, False)
    assert [event.text for event in found.events] == ["Queued."]
    assert not found.engine_up


@pytest.mark.parametrize(
    ("path", "stoppable", "resumable", "deletable"),
    [
        ((), True, False, True),
        ((RunStatus.PREPARING,), True, False, False),
        (TRAINING, True, False, False),
        ((*TRAINING, RunStatus.STOPPING), False, False, False),
        ((*TRAINING, RunStatus.CHECKING), False, False, False),
        ((*TRAINING, RunStatus.CHECKING, RunStatus.FINISHED), False, False, True),
        ((*TRAINING, RunStatus.CHECKING, RunStatus.STOPPED), False, True, True),
        ((*TRAINING, RunStatus.FAILED), False, True, True),
        ((*TRAINING, RunStatus.INTERRUPTED), True, False, True),
    ],
)
def test_what_can_be_done_with_a_run_follows_from_its_status(services, run, path, stoppable, resumable, deletable):
    if path:
        move(services, run, *path)
    found = view(services, run.id)
    assert (found.stoppable, found.resumable, found.deletable) == (stoppable, resumable, deletable)
    if not found.deletable:
        with pytest.raises(StorageError, match="stop it first"):
            delete(services, run.id)
    if found.resumable:
        assert resume(services, run.id).status is RunStatus.QUEUED


@pytest.mark.parametrize("count", [1, 9, 399, 400, 401, 799, 800, 801, 1300])
def test_a_curve_is_thinned_to_what_can_be_drawn_and_keeps_its_ends(services, run, count):
    services.storage.queue.claim("w").add_metrics([MetricPoint(step, "loss", 5.0 - step / count) for step in range(1, count + 1)])
    steps = [point.step for point in view(services, run.id).curve]
    assert len(steps) <= _POINTS + 1
    assert steps[0] == 1 and steps[-1] == count
    assert steps == sorted(set(steps))
    assert len(steps) >= min(count, _POINTS / 2)


def test_a_curve_of_single_batches_is_smoothed_and_held_out_figures_are_not(services, run):
    points = [MetricPoint(step, "loss", 1.0 + step % 2) for step in range(1, 601)]
    held = [MetricPoint(step, "held_out", 3 - step / 300) for step in (0, 300, 600)]
    held += [MetricPoint(step, "held_out_base", 3.0) for step in (0, 300, 600)]
    services.storage.queue.claim("w").add_metrics([*points, *held, MetricPoint(1, "learning_rate", 0.1)])
    found = view(services, run.id)
    training = [point.loss for point in found.curve if point.curve == "training"]
    assert all(abs(value - 1.5) < 0.1 for value in training[len(training) // 2 :])
    assert found.loss == pytest.approx(1.5, abs=0.05)
    assert [(point.step, point.loss) for point in found.curve if point.curve == "held-out"] == [(0, 3), (300, 2), (600, 1)]
    assert found.held_out == HeldOut(1.0, 3.0, None, None, None), "an earlier version counted no right answers"
    assert found.best_step == 600
    assert {point.curve for point in found.curve} == {"training", "held-out", "held-out, base"}


def test_the_newest_sample_is_shown(services, run):
    held = services.storage.queue.claim("w")
    for step in (10, 2):
        held.add_sample(SampleRecord(step, "p", "e", "b", f"after {step}"))
    assert view(services, run.id).sample.tuned == "after 10"


def test_a_waiting_run_is_stopped_continued_and_deleted(services, run):
    assert stop(services, run.id).status is RunStatus.STOPPED
    assert stop(services, run.id).status is RunStatus.STOPPED, "the second tab's press changes nothing"
    assert resume(services, run.id).status is RunStatus.QUEUED
    assert [found.id for found in newest(services)] == [run.id]
    delete(services, run.id)
    assert newest(services) == []
    with pytest.raises(NotFoundError):
        view(services, run.id)


@pytest.mark.parametrize("act", [view, stop, resume, delete, adapter_zip])
@pytest.mark.parametrize("run_id", ["nothing", "", "../x", "x" * 5000])
def test_an_unknown_run_is_not_found(services, act, run_id):
    with pytest.raises(NotFoundError, match="no such run"):
        act(services, run_id)


def test_a_run_without_a_result_has_nothing_to_download(services, run):
    with pytest.raises(StudioError, match="nothing to download yet"):
        adapter_zip(services, run.id)
    move(services, run, *TRAINING)
    write_adapter(services, run)
    with pytest.raises(StudioError, match="nothing to download yet"):
        adapter_zip(services, run.id)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("Animals 2", "Animals-2.zip"),
        ('a/b\\c"d;e', "a-b-c-d-e.zip"),
        ("../../etc/passwd", "------etc-passwd.zip"),
        ("naïve 漢字", "na-ve---.zip"),
        ("x\r\nSet-Cookie: a=b", "x-Set-Cookie--a-b.zip"),
        ("n" * 500, "n" * 200 + ".zip"),
    ],
)
def test_a_download_is_named_after_the_run_in_plain_letters(services, run, name, file):
    services.storage.runs.rename(run.id, name)
    move(services, run, *TRAINING, RunStatus.CHECKING, RunStatus.FINISHED)
    write_adapter(services, run)
    found, content = adapter_zip(services, run.id)
    assert found == file
    assert zipfile.ZipFile(io.BytesIO(content)).namelist() == ["reft_config.json"]


def test_a_result_that_vanishes_while_it_is_packed_is_not_found(services, run, monkeypatch):
    move(services, run, *TRAINING, RunStatus.CHECKING, RunStatus.FINISHED)
    write_adapter(services, run)
    write = zipfile.ZipFile.write

    def late(archive, path, name):
        path.unlink()
        write(archive, path, name)

    monkeypatch.setattr(zipfile.ZipFile, "write", late)
    with pytest.raises(NotFoundError):
        adapter_zip(services, run.id)


def test_a_finished_run_tells_what_happened_and_can_be_taken_away(engine, finished):
    found = view(engine, finished.id)
    assert found.downloadable and found.deletable and not found.stoppable and not found.resumable
    assert found.held_out.loss < found.held_out.loss_base
    assert found.held_out.loss == pytest.approx(finished.summary["held_out_tuned"])
    assert found.held_out.rows == finished.summary["evidence"]["score"]["rows"]
    assert found.verdict.name == finished.summary["verdict"]
    assert max(point.step for point in found.curve) == finished.summary["steps"] == finished.step == finished.total_steps
    assert found.sample.step <= finished.summary["best_step"] and found.sample.base != ""
    told = [event.text for event in found.events]
    assert told[0] == "Queued." and told[-1].startswith("Finished")
    assert any("Training on 19 rows; 5 are held out to measure with." in text for text in told)
    name, content = adapter_zip(engine, finished.id)
    archive = zipfile.ZipFile(io.BytesIO(content))
    assert name == "Animals.zip"
    assert set(archive.namelist()) == {"README.md", "reft_config.json", "reft_model.safetensors"}
    assert json.loads(archive.read("reft_config.json"))["reft"]["rank"] == 2
    leaks = [str(engine.storage.files.root), "What is 0 cat"]
    assert not any(leak.encode() in archive.read(path) for leak in leaks for path in archive.namelist())
