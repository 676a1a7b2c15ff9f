"""Adapters and checkpoints of an earlier version, kept in tests/fixtures/adapters: opened, and trained on, as they were."""

import shutil

import pytest
import torch
from safetensors.torch import load_file

from reft_engine import ReftModel
from reft_engine.formats.adapter import TENSORS_NAME
from reft_engine.training.checkpoint import load_checkpoint
from tests.fixtures.adapters import make

NAMES = sorted(make.CONFIGS)


def expected(name, prefix):
    tensors = load_file(make.HERE / name / "expected.safetensors")
    return {key.removeprefix(f"{prefix}."): value for key, value in tensors.items() if key.startswith(f"{prefix}.")}


def alike(found, wanted):
    assert found.keys() == wanted.keys()
    assert all(found[name].shape == value.shape for name, value in wanted.items())
    return max(float((found[name] - value).abs().max()) for name, value in wanted.items()) < 1e-5


def test_every_kept_folder_is_opened_by_a_test():
    assert sorted(path.parent.name for path in make.HERE.glob("*/expected.safetensors")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_draws_the_weights_that_it_drew_then(name):
    reft, _ = make.fresh(name)
    assert alike(reft.state_dict(), expected(name, "start"))


@pytest.mark.parametrize("name", NAMES)
def test_an_adapter_of_then_answers_as_it_did(name):
    reft = ReftModel.load(make.HERE / name / "adapter", make.base_of())
    wanted = load_file(make.HERE / name / "expected.safetensors")["logits"]
    assert (make.logits_of(reft) - wanted).abs().max() < 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_an_adapter_of_then_is_saved_as_it_was(name, tmp_path):
    folder = make.HERE / name / "adapter"
    again = ReftModel.load(folder, make.base_of()).save(tmp_path / "again")
    before, after = load_file(folder / TENSORS_NAME), load_file(again / TENSORS_NAME)
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[key]) for key, value in before.items())


@pytest.mark.parametrize("name", NAMES)
def test_a_checkpoint_of_then_goes_on_as_it_did(name, tmp_path):
    folder = shutil.copytree(make.HERE / name / "checkpoint", tmp_path / "checkpoint")
    reft, optimizer = make.fresh(name)
    place = load_checkpoint(folder, reft, optimizer, make.IDENTITY)
    assert place is not None and place.step == 2
    make.take_step(reft, optimizer)
    assert alike(reft.state_dict(), expected(name, "next"))
