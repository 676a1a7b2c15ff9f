"""Sweeps of the page: counted, queued as one group, trained in shared passes, each run with a journal, a stop and an end of its own."""

import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest

from app.errors import StudioError
from app.handlers import datasets, sweep, train
from app.handlers.sweep import LISTED, MOST, plan, table
from app.handlers.train import TrainForm
from app.services import make_services
from app.settings import Settings
from app.worker import client, job
from app.worker.check import FreshCheck
from app.worker.resident import Resident
from reft_engine import ConfigError, ReftModel, RunSpec, TrainingError, load_base
from reft_engine.trainable import verify_adapter
from reft_engine.training import Evidence
from reft_engine.training import run as engine
from reft_engine.training.loop import RunState
from storage import RunStatus
from storage.tables import Run
from tests.settings.examples import SETTINGS
from tests.waiting import PATIENCE

QUICK = TrainForm(rank=1, positions="l1", epochs=2, batch_size=6, held_out=0.25)


@pytest.fixture
def studio(tmp_path, tiny_base, table_file, monkeypatch):
    """A data folder, and a worker in this process that trains what waits."""
    made = make_services(Settings(data_dir=tmp_path / "data", models=[str(tiny_base)]))
    resident = Resident(made.storage)
    monkeypatch.setattr(FreshCheck, "prepare", lambda check: None)
    monkeypatch.setattr(FreshCheck, "check", lambda check, adapter, name: str(verify_adapter(adapter, resident.base(name).model)))
    kept = datasets.save_upload(made, str(table_file), label="animals.csv")

    def work(shutting_down=lambda: False):
        sizes = []
        while (leased := made.storage.queue.claim_together("w")) and not shutting_down():
            sizes.append(len(leased))
            job.run_jobs(resident, leased, shutting_down)
        return sizes

    def begin(key="key", **listed):
        form = replace(QUICK, base=str(tiny_base))
        return sweep.start(made, kept.id, form, listed, key).id

    def named(group_id):
        return {run.name: made.storage.runs.get(run.id) for run in made.storage.runs.of_group(group_id)}

    yield SimpleNamespace(services=made, resident=resident, dataset=kept, work=work, begin=begin, named=named, base=str(tiny_base))
    made.storage.close()


# Which runs there are


def test_every_combination_is_a_run_named_by_what_differs(services):
    planned = plan(services, QUICK, {"rank": "1, 2,4", "learning_rate": "0.01,0.0123456789", "seed": "7"})
    assert planned.varied == ("rank", "learning_rate") and len(planned.specs) == len(set(planned.names)) == 6
    assert planned.names[0] == "rank 1, lr 0.01" and planned.specs[1].train.learning_rate == 0.0123456789
    assert {spec.train.seed for spec in planned.specs} == {7}, "one value in place of the form's"


@pytest.mark.parametrize("name", LISTED)
def test_each_listed_setting_takes_several_values(services, name):
    values = {"method": "loreft,direft", "positions": "l1,f2+l2", "layers": "0;2,all", "learning_rate": "0.1,0.2"}.get(name, "3,5")
    planned = plan(services, QUICK, {name: values})
    assert planned.varied == (name,) and len({str(spec.settings()[name]) for spec in planned.specs}) == 2
    others = [{**spec.settings(), name: None} for spec in planned.specs]
    assert others[0] == others[1]


def test_the_same_value_twice_is_one_run(services):
    assert len(plan(services, QUICK, {"positions": "l1,L1, l1", "rank": "2,2"}).specs) == 1
    assert len(plan(services, QUICK, {}).specs) == 1 and plan(services, QUICK, {}).varied == ()


def test_all_runs_hold_out_the_same_rows_whatever_their_seeds(services):
    for form, wanted in ((QUICK, 42), (replace(QUICK, split_seed=None, seed=3), 7)):
        assert {spec.train.held_out_seed for spec in plan(services, form, {"seed": "7,8"}).specs} == {wanted}


@pytest.mark.parametrize(
    ("listed", "sentence"),
    [
        ({"rank": "1,x"}, "Rank: x is not a number"), ({"rank": "1,1.5"}, "1.5 is not a number"), ({"rank": "0,1"}, "Rank must be"),
        ({"seed": ",".join(map(str, range(MOST + 1)))}, f"That makes {MOST + 1} runs; a sweep has 1 to {MOST}"),
        ({"layers": "x"}, "not a list of layers"), ({"method": "loreft,lora"}, "shares no forward pass"), ({"positions": "f0"}, "f0"),
    ],
)  # fmt: skip
def test_what_cannot_be_swept_is_refused_in_a_sentence(services, listed, sentence):
    with pytest.raises((StudioError, ConfigError), match=sentence):
        plan(services, QUICK, listed)


def test_what_its_runs_would_take_one_after_another_follows_their_epochs(engine, kept, tiny_base, monkeypatch):
    monkeypatch.setattr(client, "_PROBE_TIMEOUT", PATIENCE)
    engine.worker.describe(str(tiny_base))
    form = replace(QUICK, base=str(tiny_base))
    alone = train.estimate(engine, kept.id, form).seconds
    planned = plan(engine, form, {"epochs": "2,4", "rank": "1,2"})
    assert sweep.seconds_apart(engine, kept.id, form, planned) == pytest.approx(alone * 12 / 2)
    assert sweep.seconds_apart(engine, None, form, planned) is None


def test_a_sweep_is_queued_whole_and_once(services, dataset):
    with pytest.raises(StudioError, match="Pick a dataset"):
        sweep.start(services, None, QUICK, {"rank": "1,2"}, "key")
    first, second = (sweep.start(services, dataset.id, QUICK, {"rank": "1,2"}, "key") for _ in range(2))
    other = sweep.start(services, dataset.id, QUICK, {"rank": "1,2"}, "another key", "Mine")
    assert first == second != other and (first.name, other.name) == ("Sweep of Rank", "Mine")
    assert services.storage.runs.waiting_count() == 4
    made = services.storage.runs.of_group(first.id)
    assert [run.name for run in made] == ["rank 1", "rank 2"] and [run.spec["reft"]["rank"] for run in made] == [1, 2]
    assert set(SETTINGS) >= set(LISTED)


def test_a_sweep_learns_from_the_version_that_is_asked_for(services, dataset):
    from app.handlers import kept

    kept.change(services, dataset.id, {}, [1])
    for reference, number in ((dataset.id, 2), (f"{dataset.id}@1", 1)):
        group = sweep.start(services, reference, QUICK, {"rank": "1,2"}, reference)
        assert {run.version_number for run in services.storage.runs.of_group(group.id)} == {number}


# How they are trained


@pytest.mark.slow
def test_the_runs_are_trained_in_the_same_passes_and_each_is_as_it_would_be_alone(studio, monkeypatch):
    together, whole = [], engine.train_step
    monkeypatch.setattr(engine, "train_step", lambda states: together.append(len(states)) or whole(states))
    group = studio.begin(rank="1,2", seed="1,2")
    assert studio.work() == [4]
    assert set(together) == {4}
    alone = train.start(studio.services, studio.dataset.id, replace(QUICK, base=studio.base, seed=1), "alone")
    studio.work()
    made = studio.named(group)
    assert {run.status for run in made.values()} == {RunStatus.FINISHED}
    base = load_base(studio.base, device="cpu")
    one, other = (ReftModel.load(studio.services.storage.files.adapter(run.id), base.model) for run in (made["rank 1, seed 1"], alone))
    assert all((one.tensors()[name] - value).abs().max() < 1e-4 for name, value in other.tensors().items())
    for run in made.values():
        files, storage = studio.services.storage.files, studio.services.storage
        assert [point.step for point in storage.metrics.after(run.id) if point.name == "loss"] == list(range(1, run.total_steps + 1))
        log = files.log(run.id).read_text()
        assert run.name in log and not any(other in log for other in made if other != run.name), "each has a log of its own"
        assert files.spec(run.id).is_file() and run.summary["held_out_base"] > 0
    held_out = {str(studio.services.storage.runs.held_out_places(run.id)) for run in made.values()}
    assert len(held_out) == 1, "all are measured on the same rows"


@pytest.mark.slow
def test_one_that_is_stopped_or_lost_or_fails_leaves_the_others(studio, monkeypatch):
    group = studio.begin(rank="1,2,3,4", epochs="6")
    made = studio.named(group)
    ids = {name.split(",")[0]: run.id for name, run in made.items()}
    storage, whole = studio.services.storage, engine.train_step
    monkeypatch.setattr("app.worker.journal._STOP_CHECK_SECONDS", 0.0)
    monkeypatch.setattr("app.worker.journal._WRITE_SECONDS", 0.0)
    steps = []

    def step(states):
        steps.append(len(states))
        if len(steps) == 3:
            storage.runs.request_stop(ids["rank 1"])
            with storage.database.transaction() as session:
                session.get(Run, ids["rank 2"]).worker = "another"
        return whole(states)

    ending = RunState.end_step

    def diverge(state):
        if state.step == 4 and state.objective.config.rank == 3:
            raise TrainingError("The loss is no longer a number at step 5.")
        return ending(state)

    monkeypatch.setattr(engine, "train_step", step)
    monkeypatch.setattr(RunState, "end_step", diverge)
    studio.work()
    ended = {name: storage.runs.get(run) for name, run in ids.items()}
    assert ended["rank 1"].status is RunStatus.STOPPED and 0 < ended["rank 1"].step < ended["rank 4"].step
    assert ended["rank 2"].status is RunStatus.TRAINING, "it is another worker's now"
    assert ended["rank 3"].status is RunStatus.FAILED and ended["rank 3"].failure.kind == "numbers"
    assert ended["rank 4"].status is RunStatus.FINISHED
    assert storage.files.adapter(ids["rank 1"]).is_dir() and steps[:4] == [4, 4, 4, 2] and steps[-1] == 1


@pytest.mark.slow
def test_a_pass_that_does_not_fit_is_made_with_each_run_alone(studio, monkeypatch):
    whole = engine.train_step

    def step(states):
        if len(states) > 1:
            raise RuntimeError("not enough memory")
        return whole(states)

    monkeypatch.setattr(engine, "train_step", step)
    group = studio.begin(rank="1,2")
    assert studio.work() == [2]
    assert {run.status for run in studio.named(group).values()} == {RunStatus.FINISHED}


@pytest.mark.slow
def test_runs_that_a_worker_leaves_go_on_together_where_they_were(studio, monkeypatch):
    whole, steps, leaving = engine.train_step, [], threading.Event()

    def step(states):
        steps.append([state.step for state in states])
        if len(steps) == 3:
            leaving.set()
        return whole(states)

    monkeypatch.setattr(engine, "train_step", step)
    group = studio.begin(rank="1,2")
    studio.work(leaving.is_set)
    made = studio.named(group)
    assert {run.status for run in made.values()} == {RunStatus.TRAINING} and not any(run.summary for run in made.values())
    studio.services.storage.queue.put_back("w", "The studio was ended.")
    assert studio.work() == [2]
    assert steps[3] == [3, 3], "no step is made twice"
    assert {run.status for run in studio.named(group).values()} == {RunStatus.FINISHED}


@pytest.mark.slow
def test_one_can_chat_with_each_run_of_a_group_while_it_trains(studio, monkeypatch):
    whole, seen = engine.train_step, []

    def step(states):
        for run in studio.named(group).values():
            seen.append(studio.resident.run(run.id)[1] in [state.reft for state in states])
        return whole(states)

    monkeypatch.setattr(engine, "train_step", step)
    group = studio.begin(rank="1,2")
    studio.work()
    assert seen and all(seen) and studio.resident.training_run is None


# What comes of it


def test_the_best_is_marked_only_if_it_is_one(services, dataset):
    group = sweep.start(services, dataset.id, QUICK, {"rank": "1,2,3"}, "key")
    made = services.storage.runs.of_group(group.id)
    assert table(services, group.id).remark.startswith("The best is marked when all have ended")

    def end(*figures):
        with services.storage.database.transaction() as session:
            for run, (tuned, base) in zip(made, figures, strict=True):
                row = session.get(Run, run.id)
                row.status = "finished"
                row.summary = {"held_out_tuned": tuned, "held_out_base": base, "seconds": 3.0, "evidence": EVIDENCE}
        return table(services, group.id)

    found = end((2.0, 3.0), (1.0, 3.0), (2.5, 3.0))
    assert [(line.values, line.best) for line in found.lines] == [(("2",), True), (("1",), False), (("3",), False)]
    assert (found.remark, found.titles, found.done) == ("", ("Rank",), 3)
    for figures, why in (
        (((3.5, 3.0), (3.0, 3.0), (4.0, 3.0)), "none is better than the base model"),
        (((None, None),) * 3, "none was measured"), (((1.0, 3.0), (None, None), (None, None)), "only one was measured"),
    ):  # fmt: skip
        found = end(*figures)
        assert why in found.remark and not any(line.best for line in found.lines)
    services.storage.runs.delete(made[0].id)
    assert len(table(services, group.id).lines) == 2


EVIDENCE = Evidence(None, 2.0, 1.0, None, None, None, None, 1, 1, 0, False, "last").to_dict()


def test_all_of_a_sweep_can_be_stopped(services, dataset):
    group = sweep.start(services, dataset.id, QUICK, {"rank": "1,2,3"}, "key")
    sweep.stop(services, group.id)
    assert {run.status for run in services.storage.runs.of_group(group.id)} == {RunStatus.STOPPED}
    assert services.storage.runs.waiting_count() == 0 and RunSpec.read(services.storage.runs.newest(1)[0].spec)
