import math
import threading
from dataclasses import replace

import pytest

from app.errors import StudioError
from app.handlers import datasets, train, workbench
from app.handlers import kept as kept_datasets
from app.handlers.bases import base_models, check_base
from app.handlers.train import TrainForm, again, estimate, read_form, start, suggested
from app.handlers.workbench import Said
from app.run_texts import DataPart, RunFile
from app.samples import all_samples
from app.settings import Settings
from app.worker import client
from reft_engine.data import load_examples, split
from reft_engine.errors import ConfigError
from reft_engine.spec import RunSpec
from storage import BoundError, Bounds, NotFoundError, RunStatus
from tests.waiting import PATIENCE

LAPTOP = Settings(data_dir="unused", models=["listed/model", "/models/local"])
SERVER = Settings(data_dir="unused", host="0.0.0.0", models=["listed/model", "/models/local"])


def test_the_suggestion_for_a_sample_is_the_samples_own(services):
    for sample in all_samples():
        preset = suggested(services, datasets.use_sample(services, sample.key))
        form = preset.form
        assert preset.reasons["learning_rate"] == "measured with this sample."
        assert (form.rank, form.epochs, form.positions, form.layers) == (sample.rank, sample.epochs, sample.positions, sample.layers)
        assert (form.learning_rate, form.batch_size) == (sample.learning_rate, sample.batch_size)
        read_form(services.settings, form)


@pytest.mark.parametrize(("usable", "epochs"), [(1, 30), (24, 30), (800, 3), (200_000, 1)])
def test_the_suggestion_gives_a_few_hundred_steps(services, dataset, usable, epochs):
    many = replace(dataset, version=replace(dataset.version, usable_rows=usable))
    assert suggested(services, many, goal="style").form.epochs == epochs


def test_runs_from_the_page_hold_the_same_rows_out_whatever_their_seed(services):
    assert {read_form(services.settings, TrainForm(seed=seed)).train.held_out_seed for seed in (1, 2, 42)} == {42}


def test_without_a_dataset_the_suggestion_is_the_form_as_it_is(services):
    assert suggested(services, None).form == TrainForm()


def test_with_another_base_model_what_was_changed_stays_and_the_rest_follows(services, dataset):
    before = suggested(services, dataset)
    form = replace(before.form, rank=2, base="owner/large")
    after = suggested(services, dataset, "owner/large")
    moved = train.moved(form, before.form, after.form)
    assert train.changed(form, before.form) == ["rank"]
    assert (moved.rank, moved.base, moved.learning_rate) == (2, "owner/large", 9e-4) and before.form.learning_rate == 4e-3


def test_a_value_is_no_change_however_a_field_gives_it():
    form = TrainForm(rank=4, labels="", patience=None)
    assert train.changed(form, replace(form, rank=4.0, labels=None, learning_rate=0.0040)) == []
    assert train.changed(form, replace(form, tied=False, base="other", revision="x")) == ["tied"], (
        "the base model is no setting of a preset"
    )


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"form": {"nothing": 1}, "goal": "", "chosen": false}', '{"form": 3}', "null", pytest.param("[" * 200_000, id="deep")],
)
def test_what_is_no_preset_is_read_as_the_defaults(text):
    assert train.read_preset(text) == train.Preset(TrainForm())


def test_a_preset_goes_to_the_page_and_back(services, dataset):
    preset = suggested(services, dataset, goal="reasoning")
    assert train.read_preset(preset.as_text()) == replace(preset, reasons={}) and preset.chosen


@pytest.mark.parametrize("settings", [LAPTOP, SERVER])
def test_what_is_offered_may_be_loaded(settings):
    assert base_models(settings) == ["starter", "listed/model", "/models/local"]
    assert [check_base(settings, f" {name} ") for name in base_models(settings)] == base_models(settings)


def test_a_laptop_takes_any_hub_id_and_a_server_only_what_is_listed():
    assert check_base(LAPTOP, "HuggingFaceTB/SmolLM2-135M") == "HuggingFaceTB/SmolLM2-135M"
    with pytest.raises(StudioError, match="not offered here"):
        check_base(SERVER, "HuggingFaceTB/SmolLM2-135M")


@pytest.mark.parametrize(
    "name",
    [
        "", "/etc/passwd", "../../secret/model", "owner/..", "owner/../model", "./model", "~/model", "C:\\models", "\\\\host\\share",
        "https://example.org/model", "file:///etc/passwd", "hf://owner/model", "owner/model/", "owner/model/more", "model", "owner//model",
        "owner/model\nx", "owner/mod\x00el", "-owner/model", "owner/модель", "o" * 10_000, f"owner/{'m' * 10_000}", "owner/model?x=1",
        "app/samples", "reft_engine/starter",
    ],
)  # fmt: skip
@pytest.mark.parametrize("settings", [LAPTOP, SERVER])
def test_a_base_model_that_is_a_path_or_an_address_is_refused(settings, name):
    with pytest.raises(StudioError) as refused:
        check_base(settings, name)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rank", 0), ("rank", 5000), ("rank", 2.5), ("rank", "many"), ("rank", math.nan), ("rank", None),
        ("layers", ""), ("layers", "1-"), ("layers", "x"), ("layers", "-3"), ("layers", "0-99999"), ("layers", None),
        ("positions", "f0"), ("positions", "first"), ("positions", ""), ("positions", "f7+l7+l7"), ("positions", "f99999"),
        ("method", "magic"), ("method", None),
        ("epochs", 0), ("epochs", 10**9), ("epochs", 1.5),
        ("learning_rate", 0), ("learning_rate", math.nan), ("learning_rate", math.inf), ("learning_rate", 2.0), ("learning_rate", "x"),
        ("batch_size", 0), ("batch_size", 10**6), ("held_out", 1.0), ("held_out", -0.1), ("held_out", math.nan),
        ("max_length", 0), ("max_length", 10**9), ("dropout", 1.0), ("dropout", -0.1), ("seed", -1), ("seed", 2**40), ("tied", "perhaps"),
    ],
)  # fmt: skip
def test_a_field_out_of_range_is_refused_by_name(field, value):
    with pytest.raises(ConfigError) as refused:
        read_form(LAPTOP, replace(TrainForm(), **{field: value}))
    assert refused.value.field == field
    assert len(str(refused.value)) < 300


def test_a_form_becomes_the_spec_of_the_run():
    spec = read_form(LAPTOP, TrainForm(layers="0;2", positions="F3 + L1", rank=2, tied=False, epochs=7, seed=3))
    assert (spec.base, spec.reft.layers, spec.reft.positions, spec.reft.groups) == ("starter", (0, 2), "f3+l1", 2)
    assert (spec.train.epochs, spec.train.seed) == (7, 3)


def test_which_edit_to_keep_and_patience_are_settings_of_the_form():
    spec = read_form(LAPTOP, TrainForm(keep="last", patience=3))
    assert (spec.train.keep, spec.train.patience) == ("last", 3)
    assert read_form(LAPTOP, TrainForm()).train.patience is None
    for field, value in (("keep", "first"), ("patience", -1), ("patience", 1.5)):
        with pytest.raises(ConfigError) as refused:
            read_form(LAPTOP, replace(TrainForm(), **{field: value}))
        assert refused.value.field == field


def test_an_estimate_without_the_engine_counts_rows_and_steps(services, dataset):
    found = estimate(services, dataset.id, TrainForm(epochs=3, batch_size=5, held_out=0.25))
    assert (found.rows, found.held_out, found.steps) == (18, 6, 3 * 4)
    assert found.parameters > 0 and found.memory_is_rough and found.seconds is None, "the starter's size stands in its files"
    assert found.incomplete, "an engine that is up can say more"
    assert estimate(services, dataset.id, TrainForm(base="owner/unknown")).parameters is None
    assert estimate(services, None, TrainForm()).steps == 0


@pytest.mark.parametrize("held_out", [0.0, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("repeats", [1, 3, 24])
def test_an_estimate_holds_out_what_the_engine_holds_out(services, tmp_path, table, rows, held_out, repeats):
    uneven = [row for index, row in enumerate(rows[: len(rows) // repeats or 1]) for _ in range(1 + index % 3 if repeats > 1 else 1)]
    kept = datasets.save_upload(services, str(table(tmp_path / "rows.csv", uneven)), label="rows.csv")
    found = estimate(services, kept.id, TrainForm(held_out=held_out, epochs=2, batch_size=3))
    learned, held = split(load_examples(services.storage.files.rows(kept.version)), held_out, 42)
    assert (found.rows, found.held_out, found.steps) == (len(learned), len(held), 2 * math.ceil(len(learned) / 3))


def test_an_estimate_is_what_the_run_then_does(engine, kept, finished, quick):
    found = estimate(engine, kept.id, quick)
    assert found.steps == finished.summary["steps"]
    assert found.parameters == finished.summary["trainable_parameters"]
    files = [path for path in engine.storage.files.adapter(finished.id).iterdir() if path.suffix == ".safetensors"]
    assert found.file_bytes == pytest.approx(files[0].stat().st_size, rel=0.3)
    assert found.base_parameters > 100 * found.parameters
    assert not found.incomplete


def test_the_folder_of_a_run_holds_the_settings_that_it_was_trained_with(engine, finished):
    run = engine.storage.runs.get(finished.id)
    described = RunFile.from_yaml(engine.storage.files.spec(run.id).read_text(encoding="utf-8"))
    spec = RunSpec.read({**run.spec, "precision": "float32"})  # what a blank has become on this machine
    assert described == RunFile(spec, DataPart.of_version(engine.storage.datasets.version(run.version_id)))


def test_the_time_of_a_first_run_comes_from_two_of_its_own_steps(engine, tmp_path, table, quick, monkeypatch):
    monkeypatch.setattr(client, "_PROBE_TIMEOUT", PATIENCE)  # which on a machine at work takes longer than a page would wait
    rows = [(f"Say {number} in words.", f"It is the number {number}.") for number in range(30)]
    fresh = datasets.save_upload(engine, str(table(tmp_path / "numbers.csv", rows)), label="numbers.csv")
    once = estimate(engine, fresh.id, quick)
    assert once.seconds > 0
    # Of a run of another length nothing is carried over: what is not steps (reading, scoring, samples) does not grow with the epochs.
    longer = estimate(engine, fresh.id, replace(quick, epochs=quick.epochs * 50))
    assert once.seconds < longer.seconds < 50 * once.seconds
    assert estimate(engine, fresh.id, quick).seconds == once.seconds, "the same rows and settings are not timed again"


def test_an_upload_that_was_counted_is_timed_once_it_is_a_dataset(engine, tmp_path, table, quick, monkeypatch):
    monkeypatch.setattr(client, "_PROBE_TIMEOUT", PATIENCE)
    path = table(tmp_path / "counted.csv", [(f"Count {number}.", f"It is {number}.") for number in range(30)])
    said = Said(token=workbench.take(engine, str(path)))
    upload = workbench.look(engine, said).upload
    assert datasets.check_upload(engine, upload, quick.base).trained
    fresh = workbench.keep(engine, said, "counted")
    assert not upload.rows_file.exists()
    assert estimate(engine, fresh.id, quick).seconds > 0


def test_an_engine_that_is_too_busy_for_a_probe_is_to_be_asked_again(engine, tmp_path, table, quick, monkeypatch):
    rows = [(f"Say {number} backwards.", f"That is {number}.") for number in range(30)]
    fresh = datasets.save_upload(engine, str(table(tmp_path / "backwards.csv", rows)), label="backwards.csv")
    with monkeypatch.context() as hurried:
        hurried.setattr(client, "_PROBE_TIMEOUT", 0.001)
        found = estimate(engine, fresh.id, quick)
    assert found.incomplete and found.seconds is None and found.memory_is_rough and found.check.trained
    monkeypatch.setattr(client, "_PROBE_TIMEOUT", PATIENCE)
    assert estimate(engine, fresh.id, quick).seconds > 0


def test_a_run_is_offered_again_with_what_its_verdict_says(engine, finished, kept, quick):
    found = again(engine, finished.id, {"epochs": "2", "run": finished.id, "base": "evil/model"})
    assert (found.run.id, found.dataset.id, found.reference) == (finished.id, kept.id, kept.id)
    assert found.form == replace(quick, epochs=2)
    for changes in ({"epochs": "0"}, {"epochs": "x"}, {"learning_rate": "nan"}):
        assert again(engine, finished.id, changes).form == quick
    with pytest.raises(NotFoundError):
        again(engine, "nothing", {})


def test_a_run_is_made_again_from_the_rows_that_it_learned_from_and_the_newest_are_offered(services, dataset):
    run = start(services, dataset.id, TrainForm(), "before")
    changed = kept_datasets.change(services, dataset.id, {}, [1, 2])
    own, newest = again(services, run.id, {}), again(services, run.id, {"rows": "current"})
    assert (own.dataset.version.number, own.dataset.rows, own.reference) == (1, 24, f"{dataset.id}@1")
    assert (newest.dataset.version.number, newest.dataset.rows, newest.reference) == (2, changed.rows, dataset.id)
    assert own.current == newest.current == changed
    versions = [start(services, found.reference, found.form, "after").version_number for found in (own, newest)]
    assert versions == [1, 2]
    assert estimate(services, own.reference, own.form).rows + estimate(services, own.reference, own.form).held_out == 24
    assert estimate(services, newest.reference, own.form).rows + estimate(services, newest.reference, own.form).held_out == 22


@pytest.mark.parametrize("reference", ["@1", "{}@", "{}@0", "{}@9", "{}@x", "{}@-1", "{}@1@1", "{}@" + "9" * 40])
def test_a_version_that_is_not_there_is_refused(services, dataset, reference):
    with pytest.raises(NotFoundError):
        start(services, reference.format(dataset.id), TrainForm(), "never")


def test_a_baseline_is_made_again_where_the_form_has_fields_for_it(services, dataset):
    for values, method in (
        ({"method": "lora", "rank": 3, "dropout": 0.1}, "lora"),
        ({"method": "prefix", "rank": 7}, "prefix"),
        ({"method": "ia3"}, "ia3"),
    ):
        spec = RunSpec.of_settings(values)
        run = services.storage.runs.create(dataset.id, spec.model_dump(mode="json"))
        form = again(services, run.id, {}).form
        assert form.method == method and read_form(services.settings, form) == spec
        assert estimate(services, dataset.id, form).parameters is None, "nobody has counted them"
    odd = RunSpec.of_settings({"method": "lora", "alpha": 3}).model_dump(mode="json")
    with pytest.raises(StudioError, match=r"run\.yaml"):
        again(services, services.storage.runs.create(dataset.id, odd).id, {})


@pytest.mark.parametrize(("rows", "held_out"), [(39, 0.1), (40, 10), (91, 10), (100, 10), (500, 50)])
def test_of_forty_rows_at_least_ten_are_held_out(services, tmp_path, table, rows, held_out):
    kept = datasets.save_upload(services, str(table(tmp_path / "a.csv", [(f"p{n}", f"a{n}") for n in range(rows)])), label="a.csv")
    form = suggested(services, kept).form
    found = estimate(services, kept.id, form)
    assert form.held_out == held_out if held_out < 1 else found.held_out == held_out


def test_where_no_row_fits_a_run_is_refused_and_the_estimate_says_so(engine, tmp_path, table):
    rows = [(f"{number} {'why ' * 600}", "Because.") for number in range(5)]
    dataset = datasets.save_upload(engine, str(table(tmp_path / "long.csv", rows)), label="long.csv")
    found = estimate(engine, dataset.id, TrainForm())
    assert (found.rows, found.held_out, found.steps, found.can_start) == (0, 0, 0, False)
    with pytest.raises(StudioError, match="Of 5 rows, none can be trained on with starter; 5 are left out"):
        start(engine, dataset.id, TrainForm(), "none fits")
    assert estimate(engine, dataset.id, TrainForm(max_length=900)).can_start


def test_an_estimate_for_a_base_model_that_is_not_here_is_the_most_that_there_can_be(engine, kept):
    found = estimate(engine, kept.id, TrainForm(base="nobody/nothing"))
    assert found.check is None and found.can_start and (found.rows, found.held_out) == (22, 2)


def test_an_estimate_refuses_what_does_not_fit_the_base_model(engine, kept):
    width, layers = (engine.worker.describe("starter")[name] for name in ("hidden_size", "layers"))
    assert estimate(engine, kept.id, TrainForm(rank=width, layers=f"0-{layers - 1}")).layers_edited == layers
    with pytest.raises(ConfigError, match="larger than the hidden size"):
        estimate(engine, kept.id, TrainForm(rank=width + 1))
    with pytest.raises(ConfigError, match=f"Layer {layers} does not exist"):
        estimate(engine, kept.id, TrainForm(layers=str(layers)))


def test_a_model_that_is_not_here_is_not_fetched_for_an_estimate(engine, kept):
    found = estimate(engine, kept.id, TrainForm(base="nobody/nothing"))
    assert found.parameters is None and found.steps > 0


@pytest.mark.parametrize("form", [TrainForm(rank=2000), TrainForm(layers="0;400")])
def test_a_run_that_cannot_fit_is_refused_before_it_is_queued(engine, kept, form):
    before = len(engine.storage.runs.all())
    with pytest.raises(StudioError, match=r"larger than|does not exist"):
        start(engine, kept.id, form, "misfit")
    assert len(engine.storage.runs.all()) == before


@pytest.mark.slow
def test_the_same_start_sent_a_hundred_times_is_one_run(services, dataset):
    made = []

    def press():
        made.append(start(services, dataset.id, TrainForm(), "page", "Mine").id)

    threads = [threading.Thread(target=press) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 100 and len(set(made)) == 1
    assert [run.name for run in services.storage.runs.all()] == ["Mine"]


def test_another_page_or_other_settings_are_another_run(services, dataset):
    made = {start(services, dataset.id, form, key).id for form in (TrainForm(), TrainForm(seed=1)) for key in ("one", "two")}
    assert len(made) == 4


def test_a_start_after_an_edit_of_the_rows_is_another_run_on_the_new_version(services, dataset):
    first = start(services, dataset.id, TrainForm(), "page")
    changed = services.storage.datasets.add_version(
        dataset.id, label="l", shape="pairs", rows=1, usable_rows=1, examples=b"[]\n", change="Most rows were dropped."
    )
    second = start(services, dataset.id, TrainForm(), "page")
    assert (first.version_id, second.version_id) == (dataset.version.id, changed.version.id)
    assert start(services, dataset.id, TrainForm(), "page").id == second.id


def test_a_started_run_holds_its_whole_spec_and_waits(services, dataset):
    run = start(services, dataset.id, TrainForm(rank=3, layers="1"), "page")
    assert run.status is RunStatus.QUEUED and run.base == "starter" and run.name
    assert run.spec == read_form(services.settings, TrainForm(rank=3, layers="1")).model_dump(mode="json")


@pytest.mark.parametrize(("dataset_id", "error"), [(None, StudioError), ("", StudioError), ("nothing", NotFoundError)])
def test_a_start_without_a_dataset_is_refused(services, dataset_id, error):
    with pytest.raises(error):
        start(services, dataset_id, TrainForm(), "page")
    assert services.storage.runs.all() == []


def test_the_queue_ends_somewhere_and_a_repeated_start_is_still_its_run(services, dataset, monkeypatch):
    monkeypatch.setattr(services.storage.runs, "_bounds", Bounds(queued=3))
    made = [start(services, dataset.id, TrainForm(), str(key)) for key in range(3)]
    with pytest.raises(BoundError, match="3 of your runs are waiting"):
        start(services, dataset.id, TrainForm(), "one too many")
    assert start(services, dataset.id, TrainForm(), "2").id == made[2].id
    services.storage.runs.request_stop(made[0].id)
    assert start(services, dataset.id, TrainForm(), "room again").status is RunStatus.QUEUED


@pytest.mark.slow
def test_a_run_that_waits_is_counted_however_many_came_after(services, dataset, monkeypatch):
    old = services.storage.runs.create(dataset.id, {"base": "starter"})
    for _ in range(205):
        services.storage.runs.request_stop(services.storage.runs.create(dataset.id, {"base": "starter"}).id)
    monkeypatch.setattr(services.storage.runs, "_bounds", Bounds(queued_of_all=1))
    assert services.storage.runs.get(old.id).status is RunStatus.QUEUED
    with pytest.raises(BoundError, match="1 runs are waiting"):
        start(services, dataset.id, TrainForm(), "page")
