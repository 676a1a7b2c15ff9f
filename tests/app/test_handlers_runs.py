import io
import json
import zipfile

import pytest

from app.errors import StudioError
from app.handlers import train
from app.handlers.run_live import Since, look, snapshot
from app.handlers.runs import HeldOut, adapter_zip, delete, discard, go_on_longer, resume, start_later, stop, view
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
    assert (found.loss, found.held_out, found.downloadable) == (None, None, False)
    live = snapshot(services, found, Since())
    assert [event["text"] for event in live["events"]] == ["Queued."] and live["points"] == {}
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
def test_figures_are_thinned_to_what_can_be_drawn_and_keep_their_end(services, run, count):
    services.storage.queue.claim("w").add_metrics([MetricPoint(step, "loss", 5.0 - step / count) for step in range(1, count + 1)])
    steps = [step for step, _ in snapshot(services, view(services, run.id), Since())["points"]["loss"]]
    assert len(steps) <= 401 and steps[-1] == count and steps == sorted(set(steps))
    assert len(steps) >= min(count, 200)


def test_what_is_new_is_told_and_nothing_else(services, run):
    held = services.storage.queue.claim("w")
    points = [MetricPoint(step, "loss", 1.0 / step) for step in range(1, 11)]
    held.progress(step=10, total_steps=20, epoch=0.5, seconds_left=9.0, metrics=points, sparkline=[0.5, 0.1], seconds=3.0)
    first = snapshot(services, view(services, run.id), Since())
    since = Since(step=10, event=first["event"])
    assert snapshot(services, view(services, run.id), since)["points"] == {"loss": [(10, 0.1)]}, "the last step may be measured yet"
    held.add_metrics([MetricPoint(10, "held_out", 2.0), MetricPoint(10, "held_out_base", 3.0)])
    held.progress(step=12, total_steps=20, epoch=0.6, seconds_left=8.0, metrics=[MetricPoint(12, "loss", 0.05)])
    held.add_event("Something happened.")
    told = snapshot(services, view(services, run.id), since)
    assert told["points"] == {"loss": [(10, 0.1), (12, 0.05)], "held_out": [(10, 2.0)], "held_out_base": [(10, 3.0)]}
    assert [event["text"] for event in told["events"]] == ["Something happened."] and told["event"] > first["event"]
    assert not told["first"] and not told["begins"] and first["first"] and first["begins"]


def test_sample_answers_are_sent_once_without_what_repeats_itself(services, run):
    held = services.storage.queue.claim("w")
    for step in (0, 2):
        held.add_sample(*(SampleRecord(step, f"p{place}" * 300, "e", "b", "e" if step else f"{place}", place) for place in range(5)))
    first = snapshot(services, view(services, run.id), Since())
    assert [(each["step"], each["place"], each["right"]) for each in first["samples"]] == [(s, p, s > 0) for s in (0, 2) for p in range(5)]
    assert all(len(each["prompt"]) == 400 for each in first["samples"][:5]), "a long text is cut"
    assert all({*each} == {"step", "place", "right", "tuned"} for each in first["samples"][5:])
    assert snapshot(services, view(services, run.id), Since(sample=first["sample"]))["samples"] == []
    held.add_sample(SampleRecord(4, "p", "e", "b", "t", 3))
    later = snapshot(services, view(services, run.id), Since(sample=first["sample"]))
    assert later["samples"] == [{"step": 4, "place": 3, "right": False, "prompt": "p", "expected": "e", "base": "b", "tuned": "t"}]


def test_the_key_changes_with_what_can_be_done_and_not_with_each_step(services, run):
    held = services.storage.queue.claim("w")
    held.begin("Reading.")
    before = snapshot(services, view(services, run.id), Since())["key"]
    held.progress(step=1, total_steps=20, epoch=0.5, seconds_left=9.0)
    assert snapshot(services, view(services, run.id), Since())["key"] == before
    stop(services, run.id)
    assert snapshot(services, view(services, run.id), Since())["key"] != before


def test_held_out_figures_of_a_run_that_goes_on_are_the_last_measured(services, run):
    held = services.storage.queue.claim("w")
    held.begin("Reading.")
    for step, loss in ((0, 3.0), (300, 2.0), (600, 1.0)):
        values = {"held_out": loss, "held_out_base": 3.0, "held_out_rows": 9, "held_out_right": step / 100, "held_out_right_base": 1}
        values |= {"held_out_best_step": step} if step else {}
        held.add_metrics([MetricPoint(step, name, value) for name, value in values.items()])
        held.set_held_out(loss, 3.0)
    held.progress(step=700, total_steps=900, epoch=0.6, seconds_left=8.0, metrics=[MetricPoint(700, "loss", 0.5)], sparkline=[2.0, 1.5])
    found = view(services, run.id)
    assert found.held_out == HeldOut(1.0, 3.0, 9, 6, 1) and found.best_step == 600 and found.loss == 1.5


def test_a_run_that_was_deleted_meanwhile_is_said_to_be(services, run):
    delete(services, run.id)
    found, told = look(services, run.id, Since())
    assert found is None and told["gone"] and "deleted" in told["sentence"]


def test_what_a_discarded_run_has_learned_is_in_the_bin_and_can_come_back(services, run):
    held = services.storage.queue.claim("w")
    held.begin("Reading.")
    assert view(services, run.id).discardable
    assert discard(services, run.id).status is RunStatus.STOPPING
    held.set_status(RunStatus.STOPPED, "Stopped.")
    assert services.storage.runs.get(run.id).binned_at is not None
    restored = services.storage.runs.restore(run.id)
    assert resume(services, run.id).status is RunStatus.QUEUED and restored.binned_at is None
    assert services.storage.queue.claim("w").stop_requested() is None, "it is not discarded once more"


def test_a_run_begins_at_its_time(services, run):
    assert start_later(services, run.id, "2999-01-01T03:00:00+01:00").start_after.hour == 2
    assert services.storage.queue.claim("w") is None
    assert start_later(services, run.id, "2001-01-01T03:00:00+00:00").start_after.year == 2001
    assert services.storage.queue.claim("w").run.id == run.id
    with pytest.raises(StorageError, match="does not wait"):
        start_later(services, run.id, "")


@pytest.mark.parametrize("moment", ["soon", "03:00", "2999-01-01T03:00:00", "99:99"])
def test_what_is_no_moment_is_refused(services, run, moment):
    with pytest.raises(StudioError, match="is no time"):
        start_later(services, run.id, moment)


def test_only_a_result_is_trained_further(services, run):
    with pytest.raises(StudioError, match="no result"):
        go_on_longer(services, run.id, 3)
    move(services, run, *TRAINING, RunStatus.CHECKING, RunStatus.FINISHED)
    write_adapter(services, run)
    for epochs in (None, 0, 1.5, -1):
        with pytest.raises(StudioError, match="whole number"):
            go_on_longer(services, run.id, epochs)
    further = go_on_longer(services, run.id, 7)
    assert further.continues_id == run.id and further.spec == {**run.spec, "train": {**run.spec["train"], "epochs": 7}}
    assert further.name == "Mine, further" and further.status is RunStatus.QUEUED


def test_a_waiting_run_is_stopped_continued_and_deleted(services, run):
    assert stop(services, run.id).status is RunStatus.STOPPED
    assert stop(services, run.id).status is RunStatus.STOPPED, "the second tab's press changes nothing"
    assert resume(services, run.id).status is RunStatus.QUEUED
    assert [found.id for found in services.storage.runs.all()] == [run.id]
    delete(services, run.id)
    assert services.storage.runs.all() == []
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
    live = snapshot(engine, found, Since())
    assert live["points"]["loss"][-1][0] == finished.summary["steps"] == finished.step == finished.total_steps
    assert {"gradient_norm", "learning_rate", "tokens_per_second", "seconds", "memory"} <= live["points"].keys()
    assert len(finished.sparkline) == 24 and finished.seconds > 0
    assert (finished.held_out, finished.held_out_base) == (finished.summary["held_out_tuned"], finished.summary["held_out_base"])
    assert not engine.storage.files.checkpoint(finished.id).exists(), "it is several times the size of the result"
    told = [event["text"] for event in live["events"]]
    assert told[0] == "Queued." and told[-1].startswith("Finished")
    assert any("Training on 19 rows; 5 are held out to measure with." in text for text in told)
    name, content = adapter_zip(engine, finished.id)
    archive = zipfile.ZipFile(io.BytesIO(content))
    assert name == "Animals.zip"
    assert set(archive.namelist()) == {"README.md", "reft_config.json", "reft_model.safetensors"}
    assert json.loads(archive.read("reft_config.json"))["reft"]["rank"] == 2
    leaks = [str(engine.storage.files.root), "What is 0 cat"]
    assert not any(leak.encode() in archive.read(path) for leak in leaks for path in archive.namelist())
