"""The precision of a run on its way: from the form to the base model in the worker, its adapter, its chat, and the command line."""

import json
from dataclasses import replace

import pytest
import yaml

from app.cli import main
from app.handlers import bases, datasets, train
from app.services import make_services
from app.settings import Settings
from app.worker.job import run_job
from app.worker.resident import Resident
from reft_engine import ModelLoadError, all_settings, precisions
from reft_engine.formats import read_config
from storage import RunStatus

ROW = next(row for row in all_settings() if row.name == "precision")
SHORT = train.TrainForm(rank=1, positions="l1", epochs=1, held_out=0.0)


@pytest.fixture
def services(tmp_path, tiny_base):
    made = make_services(Settings(data_dir=tmp_path / "data", models=[str(tiny_base)]))
    yield made
    made.storage.close()


@pytest.mark.slow
def test_a_run_is_trained_checked_and_answered_in_its_precision(services, table_file, tiny_base):
    dataset, resident = datasets.save_upload(services, str(table_file), label="animals.csv"), Resident(services.storage)
    files, runs = services.storage.files, services.storage.runs
    made = {}
    for precision in ("bfloat16", ""):
        form = replace(SHORT, base=str(tiny_base), precision=precision)
        run = train.start(services, dataset.id, form, f"page {precision}")
        run_job(resident, services.storage.queue.claim("w"), lambda: False)
        assert runs.get(run.id).status is RunStatus.FINISHED, runs.get(run.id).failure
        made[precision or "float32"] = run.id
    for precision, run_id in made.items():
        assert read_config(files.adapter(run_id))["base_model"]["precision"] == precision
        assert yaml.safe_load(files.spec(run_id).read_text())["precision"] == precision
        base, _ = resident.run(run_id)
        assert base.precision == precision
    assert runs.get(made["float32"]).spec["precision"] is None, "what was asked for stays"
    assert resident.base(str(tiny_base), precision="float32") is not resident.run(made["bfloat16"])[0]


def test_bits_that_are_not_there_are_not_offered_and_refused_before_queueing(services, table_file, monkeypatch):
    dataset = datasets.save_upload(services, str(table_file), label="animals.csv")
    assert [value for _, value in bases.offered(ROW)] == list(precisions.available_precisions())
    monkeypatch.setattr(precisions, "find_spec", lambda name: None)
    assert [value for _, value in bases.offered(ROW)] == ["float32", "bfloat16"]
    with pytest.raises(ModelLoadError, match="bitsandbytes and accelerate"):
        train.start(services, dataset.id, replace(SHORT, precision="8bit"), "page")
    assert services.storage.runs.all() == []


@pytest.mark.slow
def test_a_command_resumes_and_repeats_a_run_in_the_precision_that_it_began_with(tmp_path, table_file, tiny_base, capfd):
    def run(*more, out="out", code=0):
        given = ["--data", str(table_file), "--out", str(tmp_path / out), "--json", *more]
        assert main(["train", *given]) == code
        return capfd.readouterr()

    own = ["--base", str(tiny_base), "--epochs", "1", "--rank", "1", "--held-out", "0"]
    first = json.loads(run(*own, "--precision", "bfloat16").out)
    assert read_config(tmp_path / "out/adapter")["base_model"]["precision"] == "bfloat16"
    assert json.loads(run(*own, "--precision", "bfloat16").out) == first
    assert "other settings" in run(*own, code=2).err
    plain = json.loads(run(*own, out="plain").out)
    assert plain["loss_first"] != first["loss_first"]
    assert yaml.safe_load((tmp_path / "plain/run.yaml").read_text())["precision"] == "float32"
    assert json.loads(run("--spec", str(tmp_path / "plain/run.yaml"), out="plain").out) == plain, "its own file is the same run"
    again = json.loads(run("--spec", str(tmp_path / "plain/run.yaml"), out="again").out)
    assert again["loss_last"] == plain["loss_last"]
