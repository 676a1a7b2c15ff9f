"""Baselines beside a finished edit: its rows, split and rule, three rates each, queued once, never trained together, in one table."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from app.errors import StudioError
from app.handlers import baselines, datasets, run_live, runs, sweep, train
from app.handlers.baselines import RATES, beyond_chance, group_id, plan, start, table
from app.handlers.train import TrainForm
from app.pages import baselines_html, sweep_html
from app.services import make_services
from app.settings import Settings
from app.worker import job
from app.worker.check import FreshCheck
from app.worker.resident import Resident
from reft_engine import BASELINES, ConfigError, PeftConfig, ReftConfig, RunSpec, TrainConfig
from reft_engine.trainable import verify_adapter
from reft_engine.training import Score
from storage import BoundError, Bounds, NotFoundError, RunStatus, StorageError
from storage.tables import Run

FORM = TrainForm(rank=2, positions="f2+l2", layers="0;2", epochs=2, batch_size=6, held_out=0.5, split_seed=7, keep="best", patience=5)


@pytest.fixture(scope="module")
def studio(tmp_path_factory, tiny_base, table_file):
    """A data folder with a finished edit, and a worker in this process that trains what waits."""
    made = make_services(Settings(data_dir=tmp_path_factory.mktemp("beside") / "data", models=[str(tiny_base)]))
    resident, sizes = Resident(made.storage), list[int]()

    def work():
        while leased := made.storage.queue.claim_together("w"):
            sizes.append(len(leased))
            job.run_jobs(resident, leased, lambda: False)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(FreshCheck, "prepare", lambda check: None)
        patched.setattr(FreshCheck, "check", lambda check, adapter, name: str(verify_adapter(adapter, resident.base(name).model)))
        kept = datasets.save_upload(made, str(table_file), label="animals.csv")
        edit = train.start(made, kept.id, replace(FORM, base=str(tiny_base)), "edit", "Animals")
        work()
        edit = made.storage.runs.get(edit.id)
        assert edit.status is RunStatus.FINISHED, edit.sentence
        yield SimpleNamespace(services=made, dataset=kept, work=work, sizes=sizes, edit=edit, base=str(tiny_base))
    made.storage.close()


@pytest.fixture
def fresh(studio):
    """The studio, whose comparison and queue are empty again afterwards."""
    yield studio
    store = studio.services.storage.runs
    for run in store.of_group(group_id(studio.edit.id)):
        store.delete(run.id)
    store.empty_bin()


def spec_of(run):
    return RunSpec.read(run.spec)


# Which runs there are


def test_nothing_is_compared_before_anything_was_started(studio):
    assert table(studio.services, studio.edit.id) is None
    assert runs.view(studio.services, studio.edit.id).compared == ""


def test_each_method_has_three_rates_and_all_else_is_that_of_the_edit(studio):
    edit = spec_of(studio.edit)
    planned = plan(edit, tuple(BASELINES))
    assert [(each.method, each.rate) for each in planned] == [(name, rate) for name in BASELINES for rate in RATES[name]]
    assert all(len(set(rates)) >= 3 for rates in RATES.values()) and len({each.name for each in planned}) == len(planned)
    for each in planned:
        assert each.spec.peft.method == each.method and each.spec.train.learning_rate == each.rate
        same = {**edit.train.model_dump(), "learning_rate": None}
        assert {**each.spec.train.model_dump(), "learning_rate": None} == same
        assert (each.spec.base, each.spec.revision, each.spec.precision) == (edit.base, edit.revision, edit.precision)
        assert each.spec.peft.layers == ("all" if BASELINES[each.method].virtual else (0, 2))


def test_the_rows_are_held_out_by_the_seed_of_the_edits_split():
    for settings, seed in ((TrainConfig(seed=3), 3), (TrainConfig(seed=3, split_seed=8), 8)):
        assert {each.spec.train.split_seed for each in plan(RunSpec(train=settings), ["lora", "prompt"])} == {seed}


def test_what_a_method_cannot_have_is_left_out_or_refused():
    checkpointed = plan(RunSpec(train=TrainConfig(gradient_checkpointing=True)), ["prefix", "lora"])
    assert {each.method: each.spec.train.gradient_checkpointing for each in checkpointed} == {"prefix": False, "lora": True}
    labels = RunSpec(reft=ReftConfig(labels=("a", "b"), pooling="mean"))
    (first, *_) = plan(labels, ["ia3"])
    assert (first.spec.peft.labels, first.spec.peft.pooling) == (("a", "b"), "mean")
    with pytest.raises(ConfigError, match="writes answers"):
        plan(labels, ["prefix"])
    with pytest.raises(StudioError, match="baseline itself"):
        plan(RunSpec(peft=PeftConfig()), ["lora"])


def test_a_classifier_is_offered_what_can_classify(studio):
    assert baselines.offered(studio.services, spec_of(studio.edit)) == tuple(BASELINES)
    labels = RunSpec(base=studio.base, reft=ReftConfig(labels=("a", "b")))
    assert baselines.offered(studio.services, labels) == ("lora", "dora", "ia3")
    assert baselines.offered(studio.services, RunSpec(base="not/offered")) == tuple(BASELINES)


# Queued once, or refused


def test_pressing_twice_queues_once_and_another_method_joins_the_group(fresh):
    services, store = fresh.services, fresh.services.storage.runs
    groups = [start(services, fresh.edit.id, ["lora", "ia3"]) for _ in range(2)]
    assert groups[0] == groups[1] and groups[0].name == "Beside Animals"
    made = store.of_group(groups[0].id)
    assert [run.name for run in made] == [each.name for each in plan(spec_of(fresh.edit), ["lora", "ia3"])]
    assert {run.version_id for run in made} == {fresh.edit.version_id}
    start(services, fresh.edit.id, ["ia3", "prompt"])
    joined = store.of_group(groups[0].id)
    assert [run.spec["peft"]["method"] for run in joined] == ["lora"] * 3 + ["ia3"] * 3 + ["prompt"] * 3
    store.delete(joined[0].id)
    start(services, fresh.edit.id, ["lora"])
    assert len(store.of_group(groups[0].id)) == 9, "what was deleted is made again"


def test_the_group_knows_its_edit(fresh):
    group = start(fresh.services, fresh.edit.id, ["lora"])
    assert baselines.compared_with(fresh.services, group.id) == fresh.services.storage.runs.get(fresh.edit.id)
    assert baselines.compared_with(fresh.services, "with-nothing") is baselines.compared_with(fresh.services, "abc") is None


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"status": "stopped"}, "Only a finished run"), ({"continues_id": "another"}, "went on from the edit of another"),
        ({"summary": None}, "held out no rows"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_refused_in_a_sentence(fresh, changes, sentence):
    with fresh.services.storage.database.transaction() as session:
        row = session.get(Run, fresh.edit.id)
        before = {name: getattr(row, name) for name in changes}
        for name, value in changes.items():
            setattr(row, name, value)
    try:
        with pytest.raises(StudioError, match=sentence):
            start(fresh.services, fresh.edit.id, ["lora"])
    finally:
        with fresh.services.storage.database.transaction() as session:
            for name, value in before.items():
                setattr(session.get(Run, fresh.edit.id), name, value)
    assert fresh.services.storage.runs.waiting_count() == 0


def test_baselines_unknown_methods_none_and_a_full_queue_are_refused(fresh, monkeypatch):
    services = fresh.services
    with pytest.raises(StudioError, match="at least one method"):
        start(services, fresh.edit.id, [])
    with pytest.raises(StudioError):
        start(services, fresh.edit.id, ["qlora"])
    with pytest.raises(NotFoundError):
        start(services, "nothing", ["lora"])
    waiting = services.storage.runs.create(fresh.edit.dataset_id, {"base": "starter"})
    monkeypatch.setattr(services.storage.runs, "_bounds", Bounds(queued_of_all=1))
    with pytest.raises(BoundError, match="waiting already"):
        start(services, fresh.edit.id, ["lora"])
    monkeypatch.undo()
    services.storage.runs.request_stop(waiting.id)
    start(services, fresh.edit.id, ["lora"])
    baseline = services.storage.runs.of_group(group_id(fresh.edit.id))[0]
    with pytest.raises(StudioError, match="baseline itself"):
        start(services, baseline.id, ["lora"])
    services.storage.runs.empty_bin()


def test_a_method_that_writes_answers_is_refused_for_a_classifier(fresh):
    spec = RunSpec(base=fresh.base, reft=ReftConfig(labels=("a", "b"))).model_dump(mode="json")
    run = fresh.services.storage.runs.create(fresh.dataset.id, spec)
    with fresh.services.storage.database.transaction() as session:
        row = session.get(Run, run.id)
        row.status, row.summary = "finished", fresh.edit.summary
    with pytest.raises(StudioError, match="Prompt tuning cannot be trained for this"):
        start(fresh.services, run.id, ["lora", "prompt"])
    fresh.services.storage.runs.delete(run.id)


def test_rows_in_the_bin_are_refused(fresh):
    extend, edit = fresh.services.storage.runs.extend_group, fresh.edit
    with pytest.raises(NotFoundError):
        extend(group_id(edit.id), "nothing", [("a", edit.spec)], name="A", version_id=edit.version_id)
    with pytest.raises((NotFoundError, StorageError)):
        extend(group_id(edit.id), edit.dataset_id, [("a", edit.spec)], name="A", version_id="nothing")


# Trained, and compared


@pytest.fixture(scope="module")
def compared(studio):
    """The edit with LoRA and prompt tuning beside it, all ended."""
    del studio.sizes[:]
    start(studio.services, studio.edit.id, ["lora", "prompt"])
    before = table(studio.services, studio.edit.id)
    studio.work()
    yield SimpleNamespace(before=before, after=table(studio.services, studio.edit.id), sizes=list(studio.sizes))
    for run in studio.services.storage.runs.of_group(group_id(studio.edit.id)):
        studio.services.storage.runs.delete(run.id)
    studio.services.storage.runs.empty_bin()


@pytest.mark.slow
def test_baselines_are_trained_one_after_another_on_the_rows_of_the_edit(studio, compared):
    store = studio.services.storage.runs
    assert compared.sizes == [1] * 6, "no two of them share a pass"
    made = store.of_group(group_id(studio.edit.id))
    assert {run.status for run in made} == {RunStatus.FINISHED}, [run.sentence for run in made]
    assert {str(store.held_out_places(run.id)) for run in made} == {str(store.held_out_places(studio.edit.id))}
    assert {run.summary["rows"] for run in made} == {studio.edit.summary["rows"]}


@pytest.mark.slow
def test_an_edit_in_the_same_group_is_not_claimed_with_a_baseline(studio, compared):
    """Whatever stands in a group, a baseline is claimed alone."""
    store, edit = studio.services.storage.runs, studio.edit
    edits = [(name, {**edit.spec, "train": {**edit.spec["train"], "seed": seed}}) for name, seed in (("a", 5), ("b", 6))]
    lora = plan(spec_of(edit), ["lora"])[0].spec.model_dump(mode="json")
    store.create_group(edit.dataset_id, [edits[0], ("lora", lora), edits[1]], name="Mixed", start_key="mixed")
    claimed = []
    while leased := studio.services.storage.queue.claim_together("claims"):
        claimed.append([each.run.name for each in leased])
    assert claimed == [["a", "b"], ["lora"]]
    studio.services.storage.queue.put_back("claims", "Put back.")
    for run in store.going():
        store.request_stop(run.id)
        store.delete(run.id)


@pytest.mark.slow
def test_the_table_has_the_edit_first_and_each_method_at_its_best_rate(studio, compared):
    found = compared.after
    assert [row.method for row in found.rows] == ["loreft", "lora", "prompt"] and (found.done, found.total) == (6, 6)
    edit, *others = found.rows
    assert edit.run.id == studio.edit.id and [each.rate for each in edit.tried] == [FORM.learning_rate] and not edit.against
    for row in others:
        assert [each.rate for each in row.tried] == sorted(RATES[row.method])
        losses = [each.loss for each in row.tried if not each.diverged]
        assert row.rate == next(each.rate for each in row.tried if each.loss == min(losses))
        assert row.library.startswith("PEFT 0.") and row.against and not row.other_rows
        assert row.at_edge == (row.rate in (row.tried[0].rate, row.tried[-1].rate))
    for row in found.rows:
        summary = row.run.summary
        score = summary["evidence"]["score"]
        assert (row.held_out, row.right, row.rows) == (score["tuned"], score["right_tuned"], score["rows"])
        assert (row.parameters, row.seconds, row.together) == (summary["trainable_parameters"], summary["seconds"], 1)
        assert row.bytes == baselines.folder_bytes(studio.services.storage.files.adapter(row.run.id)) > 4 * row.parameters
        assert row.peak == summary["peak_memory"] > 50_000_000 and row.memory == max(0, row.peak - summary["memory_before"])
    lora, prompt = others
    assert lora.parameters == 2 * (8 * (32 + 32) + 8 * (32 + 16)) and lora.size == "rank 8", "two layers of three, as the edit"
    assert prompt.parameters == 20 * 32 and prompt.size == "20 virtual tokens"
    least = {name: min(found.rows, key=lambda row: getattr(row, name)) for name in ("held_out", "parameters", "bytes", "seconds")}
    assert all(name in row.best for name, row in least.items()) and sum("parameters" in row.best for row in found.rows) == 1


@pytest.mark.slow
def test_before_they_have_ended_the_table_says_so(studio, compared):
    assert (compared.before.done, compared.before.total) == (0, 6) and compared.before.remarks[0].startswith("Not all runs have ended")
    assert [row.run is None for row in compared.before.rows] == [False, True, True]
    waits, done = baselines_html.table(compared.before), baselines_html.table(compared.after)
    assert "not yet" in waits and "0 of 6 runs have ended" in waits and "0.0004: Waiting" in waits
    assert "not yet" not in done and "PEFT 0." in done and done.count("<tr data-method") == 3
    assert "Not all runs have ended" not in " ".join(compared.after.remarks)
    assert baselines_html.table(None) == ""


@pytest.mark.slow
def test_the_remarks_say_what_the_figures_are_worth(studio, compared):
    told = " ".join(compared.after.remarks)
    assert "Measured on 12 held-out rows, with one seed (42)" in told
    assert "The rate is chosen on rows that score it too (12)" in told and "one rate of its run, 0.004" in told
    assert "By held-out loss" in told and any(row.at_edge for row in compared.after.rows) == ("at the edge" in told)


@pytest.mark.slow
def test_a_page_that_is_open_follows_them(studio, compared):
    view = runs.view(studio.services, studio.edit.id)
    assert not view.comparing and view.compared.count("finished") == 6
    key = run_live.key(view)
    started = start(studio.services, studio.edit.id, ["ia3"])
    moved = runs.view(studio.services, studio.edit.id)
    assert moved.comparing and run_live.key(moved) != key
    assert run_live.snapshot(studio.services, moved, run_live.Since())["follows"]
    for run in studio.services.storage.runs.of_group(started.id):
        if run.spec["peft"]["method"] == "ia3":
            studio.services.storage.runs.delete(run.id)
    assert runs.view(studio.services, studio.edit.id).compared == view.compared


@pytest.mark.slow
def test_the_page_of_the_group_names_methods_rates_and_the_edit(studio, compared):
    found = sweep.table(studio.services, group_id(studio.edit.id))
    assert found.titles == ("Method", "Rank", "Layers", "Learning rate") and len(found.lines) == 6
    assert {line.values[:3] for line in found.lines} == {("LoRA", "8", "0;2"), ("Prompt tuning", "20 virtual tokens", "all")}
    shown = sweep_html.sweep(found, studio.edit)
    assert f'<a href="runs?run={studio.edit.id}">Animals</a>' in shown and "compared with" not in sweep_html.sweep(found)


@pytest.mark.slow
def test_a_rate_that_diverges_is_said_and_never_chosen_and_other_rows_are_not_compared(studio, compared):
    storage, made = studio.services.storage, studio.services.storage.runs.of_group(group_id(studio.edit.id))
    lora = [run for run in made if run.spec["peft"]["method"] == "lora"]
    kept = {run.id: (run.summary, storage.runs.held_out_places(run.id)) for run in lora}
    try:
        with storage.database.transaction() as session:
            for number, run in enumerate(lora):
                evidence = {**run.summary["evidence"], "loss_last": None if number != 1 else 1.0, "loss_first": 2.0}
                session.get(Run, run.id).summary = {**run.summary, "evidence": evidence}
                session.get(Run, run.id).held_out_places = [0, 1]
        _, row, _ = table(studio.services, studio.edit.id).rows
        assert [each.diverged for each in row.tried] == [True, False, True] and row.rate == lora[1].spec["train"]["learning_rate"]
        assert row.other_rows and "other rows" in row.against and not row.best and not row.at_edge
        assert baselines_html.table(table(studio.services, studio.edit.id)).count("diverged") == 2
    finally:
        with storage.database.transaction() as session:
            for run_id, (summary, places) in kept.items():
                session.get(Run, run_id).summary, session.get(Run, run_id).held_out_places = summary, places


def score(right, rows=40, gain=1.0, error=0.1):
    return Score(rows, 2.0, 1.0, 0, right, right, 0, rows, 0, gain, error)


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        (score(40), score(20), "more_right"), (score(20), score(40), "fewer_right"), (score(30), score(28), "same"),
        (score(30, gain=2.0), score(30), "lower"), (score(30, gain=0.2), score(30), "higher"), (score(30, gain=1.2), score(30), "same"),
        (score(3, rows=5, gain=9.0), score(3, rows=5), "same"),
    ],
)  # fmt: skip
def test_chance_is_told_from_difference(one, other, said):
    assert beyond_chance(one, other) == said
