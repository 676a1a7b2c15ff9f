"""A run as text, and the run that a text makes: the same one."""

import json
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml
from safetensors.torch import load_file

from app.cli import main
from app.errors import StudioError
from app.handlers import datasets, kept, spec, train
from app.handlers.train import TrainForm
from app.run_texts import DataPart, RunFile
from app.services import make_services
from app.settings import Settings
from app.worker import job
from app.worker.check import FreshCheck
from app.worker.resident import Resident
from reft_engine import ConfigError, RunSpec
from reft_engine.data import SplitPlan, dump_examples, inspect_rows
from reft_engine.trainable import verify_adapter
from storage import RunStatus
from tests.settings.examples import SETTINGS, another

TINY = {"rank": 2, "positions": "f2+l2", "epochs": 1, "batch_size": 6, "held_out": 0.25}


def made_of(values):
    return TrainForm(**{**TINY, **values})


def weights(services, run):
    return load_file(services.storage.files.adapter(run.id) / "reft_model.safetensors")


def alike(one, other):
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def keep_rows(services, rows, name):
    inspection = inspect_rows(rows)
    return services.storage.datasets.create(
        name=name, label=f"{name}.jsonl", shape=inspection.shape, rows=inspection.rows, usable_rows=inspection.usable_rows,
        examples=dump_examples(inspection.examples),
    )  # fmt: skip


PAIRS = [{"prompt": f"Say {n}.", "chosen": f"It is {n}.", "rejected": "No."} for n in range(12)]
CHATS = [
    {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": f"What is {n}?"},
                  {"role": "assistant", "content": f"One {n}."}, {"role": "user", "content": "And then?"},
                  {"role": "assistant", "content": f"Then {n + 1}."}]}
    for n in range(10)
]  # fmt: skip


def divided(services):
    """Chats in a version that says itself which of its rows are held out."""
    return kept.divide(services, keep_rows(services, CHATS, "it's a chat: with $HOME").id, SplitPlan(method="last", share=0.25))


# What is shown


def test_every_setting_that_is_set_stands_in_the_file_once(services, dataset):
    for name, row in SETTINGS.items():
        if name in ("base", "labels", "pooling", "identity_init", "activation"):
            continue
        found = yaml.safe_load(spec.shown(services, dataset.id, replace(TrainForm(), **{name: another(row)})).yaml)
        plain = yaml.safe_load(spec.shown(services, dataset.id, TrainForm()).yaml)
        section, others = (found[row.section], plain[row.section]) if row.section else (found, plain)
        assert section.pop(name) != others.pop(name)
        assert found == plain, "nothing else is another"


def test_the_file_names_the_version_and_is_read_back(services, dataset):
    shown = spec.shown(services, dataset.id, made_of({"layers": "0;2", "tied": False}))
    described = RunFile.from_yaml(shown.yaml)
    assert described.data == DataPart(dataset=dataset.id, version=1, sha256=dataset.version.digest)
    assert described.spec == train.read_form(services.settings, made_of({"layers": "0;2", "tied": False}))
    assert shown.yaml.startswith("# Rows: animals, version 1, 24 rows, read from animals.csv\n")
    assert RunFile.from_yaml(described.to_yaml()) == described


def test_an_earlier_version_is_named_and_how_rows_were_read_and_divided_is_said(services, dataset):
    kept.divide(services, dataset.id, SplitPlan(method="last", share=0.25))
    newest, older = (spec.shown(services, each, TrainForm()) for each in (dataset.id, f"{dataset.id}@1"))
    assert [RunFile.from_yaml(each.yaml).data.version for each in (newest, older)] == [2, 1]
    assert "# Divided: {'method': 'last'" in newest.yaml and "Divided" not in older.yaml
    assert (newest.link, older.link) == (f"files/datasets/{dataset.id}/2.jsonl", f"files/datasets/{dataset.id}/1.jsonl")


def test_a_name_of_several_lines_stays_in_the_comment(services, dataset):
    services.storage.datasets.rename(dataset.id, "a\u2028base: evil\x85b")
    shown = spec.shown(services, dataset.id, TrainForm())
    assert RunFile.from_yaml(shown.yaml).spec == train.read_form(services.settings, TrainForm())


def test_a_form_that_is_not_filled_in_is_not_shown(services, dataset):
    with pytest.raises(StudioError, match="Pick a dataset"):
        spec.shown(services, None, TrainForm())
    with pytest.raises(ConfigError):
        spec.shown(services, dataset.id, TrainForm(rank=0))


@pytest.mark.parametrize(
    "values",
    [
        {}, {"tied": False, "packing": False, "identity_init": False}, {"learning_rate": 0.0123456789, "weight_decay": 1e-05},
        {"labels": "it's, so", "pooling": "last"}, {"layers": "0;2-4", "positions": "all"}, {"patience": 3, "split_seed": None},
        {"base": "owner/it", "revision": "v'1"},
    ],
)  # fmt: skip
def test_the_command_line_gives_the_same_spec_through_the_shell(services, kept_in, values):
    from app.cli.flags import spec_of
    from app.cli.main import _parser

    shown = spec.shown(services, kept_in.id, TrainForm(**values))
    program, *arguments = shlex.split(shown.command.replace("\\\n", " "))
    options = _parser().parse_args(arguments)
    assert program == "reft-studio" and str(options.data) == shown.file
    assert spec_of(options) == train.read_form(services.settings, TrainForm(**values))


@pytest.fixture
def kept_in(services):
    return keep_rows(services, [{"prompt": "a", "answer": "b"}], "rm -rf '$HOME' \"x\" `y`/../z")


def test_only_what_is_not_a_default_is_in_the_command(services, dataset):
    assert spec.shown(services, dataset.id, TrainForm(split_seed=None)).command == (
        "reft-studio train \\\n  --data 'animals v1.jsonl' \\\n  --out my-edit"
    )


# Files that cannot be used


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("train: [", "not YAML"), ("", "settings of a run"), ("- 1", "settings of a run"), ("made: up", "made"),
        ("train: {epochs: 0}", "epochs"), ("data: {}", "a dataset or a file"), ("data: 3", "data"),
        ("data: {dataset: a, file: b}", "not both"), ("data: {file: b, version: 2}", "belong to a dataset"),
        ("data: {dataset: a, reading: {roles: {}}}", "belongs to a file"), ("data: {dataset: a, more: 1}", "data.more"),
        ("data: {dataset: a, version: 0}", "data.version"), ("data: {dataset: a, sha256: x}", "data.sha256"),
        ("a: !!python/object/apply:os.system [id]", "not YAML"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_refused_in_a_sentence(tmp_path, capsys, text, reason):
    path = tmp_path / "run.yaml"
    path.write_text(text)
    assert main(["run", str(path), "--data-dir", str(tmp_path / "data")]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"reft-studio: {path} cannot be used: ") and reason in told and len(told.splitlines()) == 1
    assert not (tmp_path / "data").exists()


def refused(capsys, path, folder):
    assert main(["run", str(path), "--data-dir", str(folder)]) == 2
    return capsys.readouterr().err


def test_rows_that_are_not_there_are_refused_in_a_sentence(services, dataset, tmp_path, capsys):
    path, folder = tmp_path / "run.yaml", services.storage.files.root
    assert "There is no file" in refused(capsys, path, folder)
    for data, reason in (
        (None, "does not name its rows"), ({"dataset": "nothing"}, "There is no dataset nothing in"),
        ({"dataset": "../x"}, "There is no dataset"),
        ({"dataset": dataset.id, "version": 3}, f"There is no dataset {dataset.id}@3 in"),
        ({"dataset": dataset.id, "version": 1, "sha256": "0" * 64}, "holds other rows"), ({"file": "gone.csv"}, "There is no file"),
        ({"file": "odd.csv", "reading": {"options": {"skip": -1}}}, "How "), ({"file": "odd.csv"}, "cannot be trained on yet"),
    ):  # fmt: skip
        (tmp_path / "odd.csv").write_text("eins,zwei,drei\n1,2,3\n4,5,6\n")
        path.write_text(yaml.safe_dump({"data": data} if data else {"base": "starter"}))
        assert reason in refused(capsys, path, folder), data
    assert services.storage.runs.waiting_count() == 0
    assert [each.id for each in services.storage.datasets.all()] == [dataset.id]
    assert not list(services.storage.files.uploads.iterdir())
    path.write_text(yaml.safe_dump({"data": {"dataset": dataset.id}}))
    assert "There is no data of the studio" in refused(capsys, path, tmp_path / "elsewhere")


# Runs of files


def test_a_run_waits_for_a_studio_and_a_file_is_kept_once(services, table_file, tmp_path, capsys):
    folder = services.storage.files.root
    columns = {"roles": {"prompt": "answer", "answer": "prompt"}}
    (tmp_path / "rows.csv").write_bytes(table_file.read_bytes())
    (tmp_path / "run.yaml").write_text(yaml.safe_dump({"reft": {"rank": 3}, "data": {"file": "rows.csv", "reading": columns}}))
    told = []
    for name in ("first", "second"):
        assert main(["run", str(tmp_path / "run.yaml"), "--data-dir", str(folder), "--name", name, "--json"]) == 0
        shown = capsys.readouterr()
        told.append(json.loads(shown.out.splitlines()[-1]))
        assert "the run begins when one is started" in shown.err
    runs = [services.storage.runs.get(each["run"]) for each in told]
    assert [run.name for run in runs] == ["first", "second"] and runs[0].dataset_id == runs[1].dataset_id
    assert all(run.status is RunStatus.QUEUED and run.spec["reft"]["rank"] == 3 for run in runs)
    assert datasets.examples_of(services, runs[0].dataset_id)[0].messages[0].content == "cat 0."
    assert len(services.storage.datasets.all()) == 1


FORMS = {
    "plain": {}, "untied": {"tied": False, "layers": "1;3"}, "another method": {"method": "direft", "dropout": 0.1},
    "another rate": {"learning_rate": 0.0123456789, "warmup_ratio": 0.3, "keep": "last"}, "no packing": {"packing": False, "reuse": "none"},
    "another seed": {"seed": 7, "positions": "l1"}, "RED": {"method": "red", "gradient_accumulation": 2},
    "labels": {"labels": "cat 0., dog 0., cow 0., owl 0., hen 0., pig 0.", "head_learning_rate": 0.01},
    "pairs": {"preference_beta": 0.3}, "divided chats": {"max_length": 60, "answer_tokens": 4},
}  # fmt: skip


@pytest.fixture(scope="module")
def studio(tmp_path_factory, table_file):
    """A data folder, and a worker in this process that trains all that waits, without a process for each edit that is checked."""
    made = make_services(Settings(data_dir=tmp_path_factory.mktemp("studio") / "data"))
    resident = Resident(made.storage)

    def train_all():
        while leased := made.storage.queue.claim("w"):
            job.run_job(resident, leased, lambda: False)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FreshCheck, "prepare", lambda check: None)
        patch.setattr(FreshCheck, "check", lambda check, adapter, name: str(verify_adapter(adapter, resident.base(name).model)))
        yield SimpleNamespace(services=made, train_all=train_all, rows=datasets.save_upload(made, str(table_file), label="animals.csv"))
    made.storage.close()


def test_ten_shown_files_make_runs_with_the_very_weights_of_the_pages_runs(studio, tmp_path, capsys, monkeypatch):
    services = studio.services
    monkeypatch.setenv("REFT_STUDIO_DATA_DIR", str(services.storage.files.root))
    others = {"pairs": keep_rows(services, PAIRS, "pairs"), "divided chats": divided(services)}
    made = {}
    for name, values in FORMS.items():
        dataset, form, path = others.get(name, studio.rows), made_of(values), tmp_path / f"{name}.yaml"
        path.write_text(spec.shown(services, dataset.id, form).yaml)
        of_page = train.start(services, dataset.id, form, f"ten {name}")
        assert main(["run", str(path), "--json"]) == 0
        made[name] = of_page.id, json.loads(capsys.readouterr().out.splitlines()[-1])["run"]
    studio.train_all()
    for name, ids in made.items():
        of_page, of_file = map(services.storage.runs.get, ids)
        assert (of_page.status, of_file.status) == (RunStatus.FINISHED, RunStatus.FINISHED), (name, of_page.sentence, of_file.sentence)
        assert of_page.spec == of_file.spec and of_page.version_id == of_file.version_id
        assert alike(weights(services, of_page), weights(services, of_file)), name
    one, other = (weights(services, services.storage.runs.get(made[name][0])) for name in ("plain", "another seed"))
    assert not alike(one, other), "and another spec has others"


@pytest.mark.parametrize("which", [pytest.param("plain", marks=pytest.mark.process), pytest.param("divided chats", marks=pytest.mark.long)])
def test_the_shown_command_and_the_shown_program_train_the_very_weights_of_the_run(studio, tmp_path, environment, which):
    services = studio.services
    dataset = studio.rows if which == "plain" else divided(services)
    form = made_of({"tied": False})
    run = train.start(services, dataset.id, form, f"by hand {which}")
    studio.train_all()
    shown = spec.shown(services, dataset.id, form)
    name, path = kept.export(services, dataset.id, dataset.version.number, "jsonl")
    assert name == shown.file, "it is downloaded by this name"
    for kind in ("command", "program"):
        folder = tmp_path / kind
        folder.mkdir()
        (folder / name).write_bytes(path.read_bytes())
        if kind == "command":
            arguments = ["sh", "-c", shown.command.replace("reft-studio", f"{shlex.quote(sys.executable)} -m app.cli", 1)]
        else:
            arguments = [sys.executable, "-c", shown.code]
        done = subprocess.run(arguments, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert alike(weights(services, run), load_file(folder / spec.OUT / "adapter/reft_model.safetensors")), kind


@pytest.mark.process
def test_where_no_studio_runs_the_command_trains_and_tells_of_it(table_file, tiny_base, tmp_path, environment):
    described = {"base": str(tiny_base), "reft": {"rank": 2}, "train": {"epochs": 2, "held_out": 0.25}, "data": {"file": str(table_file)}}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(described))
    command = [sys.executable, "-m", "app.cli", "run", "run.yaml", "--watch", "--data-dir", "data", "--json", "--name", "mine"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["name"], told["status"]) == ("mine", "finished") and told["held_out_base"] > 0
    assert (Path(told["adapter"]) / "reft_model.safetensors").is_file()
    assert "this command trains" in done.stderr and "step " in done.stderr
    described["reft"] = {"layers": [99]}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(described))
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "Layer 99 does not exist" in done.stderr and "Traceback" not in done.stderr
    assert done.stdout == "", "it is refused before it is queued"


def test_a_run_of_any_state_gives_its_file(services, dataset):
    run = services.storage.runs.create(dataset.id, RunSpec.of_settings({"method": "lora", "alpha": 3}).model_dump(mode="json"), name="É x")
    name, text = spec.of_run(services, run.id)
    described = RunFile.from_yaml(text)
    assert name == "--x.yaml" and described.spec == RunSpec.read(run.spec) and described.data.reference == f"{dataset.id}@1"


def test_train_takes_the_settings_of_a_file_and_says_that_it_leaves_its_rows(services, dataset, table_file, tmp_path, capsys, monkeypatch):
    import reft_engine

    seen = []

    def stop(*given, **_):
        seen.append(given)
        raise StudioError("That is enough.")

    monkeypatch.setattr(reft_engine, "train", stop)
    path = tmp_path / "run.yaml"
    path.write_text(spec.shown(services, dataset.id, made_of({"rank": 3})).yaml)
    assert main(["train", "--spec", str(path), "--data", str(table_file), "--out", str(tmp_path / "out")]) == 2
    assert f"The rows that {path} names are not used" in capsys.readouterr().err
    assert seen[0][2].rank == 3
