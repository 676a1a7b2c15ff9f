"""The precision of a base model: chosen, loaded, recorded, and refused where this machine does not have it."""

import json

import pytest
import torch

from reft_engine import (
    AdapterError,
    ModelLoadError,
    ReftConfig,
    ReftModel,
    RunSpec,
    TrainConfig,
    load_adapter,
    load_base,
    precisions,
    train,
)
from reft_engine.base.loading import precision_of
from reft_engine.data import inspect_rows
from reft_engine.edits import load_base_of
from reft_engine.formats import read_config
from reft_engine.training import loop
from tests.needed import packages
from tests.tiny import write_base

ROWS = inspect_rows([{"prompt": f"What is {n}?", "answer": f"It is {n}."} for n in range(4)]).examples
SHORT = TrainConfig(epochs=1, batch_size=2, held_out=0.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_base(tmp_path_factory.mktemp("base") / "tiny")


def in_precision(folder, name):
    return load_base(folder, "cpu", **precisions.load_options(name))


@pytest.mark.parametrize("name", precisions.PRECISIONS)
def test_a_base_model_says_the_precision_that_it_was_loaded_in(folder, name):
    if name in ("8bit", "4bit"):
        packages("bitsandbytes", "accelerate", extra="quantized")
    assert in_precision(folder, name).precision == name


def test_what_suits_a_device_is_bfloat16_on_a_gpu_and_float32_elsewhere(folder):
    assert [precisions.suited_precision(device) for device in ("cuda", "cuda:1", "cpu", "mps")] == ["bfloat16"] * 2 + ["float32"] * 2
    assert in_precision(folder, None).precision == "float32"


def test_a_spec_without_a_precision_still_reads_and_one_with_it_keeps_it():
    old = RunSpec().model_dump(mode="json")
    del old["precision"]
    assert RunSpec.read(old).precision is None
    assert RunSpec.from_yaml(RunSpec(precision="bfloat16").to_yaml()).precision == "bfloat16"


@pytest.mark.parametrize("missing", ["bitsandbytes", "accelerate"])
def test_bits_that_this_machine_does_not_have_are_neither_offered_nor_loaded(folder, monkeypatch, missing):
    monkeypatch.setattr(precisions, "find_spec", lambda name: None if name == missing else True)
    assert precisions.available_precisions() == ("float32", "bfloat16")
    with pytest.raises(ModelLoadError, match="need the packages bitsandbytes and accelerate: pip install") as refused:
        in_precision(folder, "8bit")
    assert refused.value.kind == "package.quantised"
    precisions.check_precision("bfloat16")


def trained(base, folder):
    return train(base, ROWS, ReftConfig(rank=1, positions="l1"), SHORT, folder=folder)


@pytest.mark.slow
@pytest.mark.parametrize("name", precisions.PRECISIONS)
def test_an_adapter_records_the_precision_and_its_base_is_loaded_in_it(folder, tmp_path, name):
    if name in ("8bit", "4bit"):
        packages("bitsandbytes", "accelerate", extra="quantized")
    trained(in_precision(folder, name), tmp_path)
    adapter = tmp_path / "adapter"
    assert read_config(adapter)["base_model"]["precision"] == name
    base = load_base_of(adapter)
    assert base.precision == name == precision_of(base.model)
    assert isinstance(load_adapter(adapter, base), ReftModel)
    card = (adapter / "README.md").read_text()
    assert {"float32": "tiny')", "bfloat16": "dtype='bfloat16')", "8bit": "quantize='8bit')", "4bit": "quantize='4bit')"}[name] in card


def test_an_adapter_on_a_base_model_in_another_precision_says_in_which_it_was_trained(folder, tmp_path):
    trained(in_precision(folder, "bfloat16"), tmp_path)
    adapter = tmp_path / "adapter"
    config = json.loads((adapter / "reft_config.json").read_text())
    config["canary"]["logits"] = [value + 9 for value in config["canary"]["logits"]]
    (adapter / "reft_config.json").write_text(json.dumps(config))
    with pytest.raises(AdapterError, match="trained on a base model in bfloat16, and does not give the same answers on one in float32"):
        load_adapter(adapter, in_precision(folder, "float32"))
    with pytest.raises(AdapterError, match="does not give the answers that it was saved with"):
        load_adapter(adapter, in_precision(folder, "bfloat16"))


def test_an_adapter_without_a_precision_is_loaded_as_suits_the_device(folder, tmp_path):
    trained(in_precision(folder, "float32"), tmp_path)
    path = tmp_path / "adapter/reft_config.json"
    config = json.loads(path.read_text())
    del config["base_model"]["precision"]
    path.write_text(json.dumps({**config, "format_version": 2}))
    expected = "bfloat16" if torch.cuda.is_available() else "float32"
    assert load_base_of(tmp_path / "adapter").precision == expected


def test_a_checkpoint_is_of_one_precision_and_names_none_that_suits_the_device(folder):
    objective = {name: loop_identity(in_precision(folder, name)) for name in ("float32", "bfloat16")}
    assert objective["float32"] != objective["bfloat16"]
    assert len(json.loads(objective["float32"])) == 5, "as in checkpoints of earlier versions"
    assert json.loads(objective["bfloat16"])[-1] == "bfloat16"


def loop_identity(base):
    from reft_engine.training import objective_for

    objective = objective_for(base, ReftConfig(rank=1, positions="l1"), SHORT, ROWS)
    return loop.RunState(objective, [objective.encode(row) for row in ROWS]).identity
