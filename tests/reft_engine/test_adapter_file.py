"""The adapter folder: what is saved comes back bit for bit, and what cannot be trusted is refused in words."""

import json
import os
import pickle
import shutil
import struct
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from reft_engine import ReftConfig, ReftModel
from reft_engine.edits import model
from reft_engine.edits.model import verify_adapter
from reft_engine.errors import AdapterError, ConfigError
from reft_engine.formats import RecordedBase, adapter, recorded_base
from reft_engine.formats.adapter import CONFIG_NAME, TENSORS_NAME, read_config
from reft_engine.formats.card import CARD_NAME
from reft_engine.methods import METHODS
from tests.reft_engine import families

CONFIGS = {
    "loreft": ReftConfig(rank=3, positions="f2+l2"),
    "loreft-untied": ReftConfig(rank=2, positions="f2+l1", tied=False, layers=[0, 2]),
    "direft": ReftConfig(method="direft", rank=4, positions="all", layers=[1]),
    "square": ReftConfig(rank=32, positions="l1"),
}


def trained(model, config, seed=3):
    """An edit a few steps away from its start."""
    reft = ReftModel(model, config, seed=seed).train()
    optimizer = torch.optim.AdamW(reft.parameters(), lr=0.05)
    ids = torch.arange(1, 13)[None]
    for _ in range(3):
        optimizer.zero_grad()
        reft(ids).logits.square().mean().backward()
        optimizer.step()
    return reft


def logits(reft):
    ids, mask = torch.arange(5, 29).reshape(2, 12), torch.ones(2, 12, dtype=torch.int64)
    mask[1, 8:] = 0
    with torch.no_grad():
        return reft(ids, mask, [9, 6]).logits


@pytest.fixture(scope="module")
def saved(llama, tmp_path_factory):
    return trained(llama, CONFIGS["loreft-untied"]).save(tmp_path_factory.mktemp("adapter"), training={"epochs": 1})


@pytest.fixture
def folder(saved, tmp_path):
    """A copy of a good adapter, to be damaged."""
    return shutil.copytree(saved, tmp_path / "copy")


def rewrite(folder, **changes):
    config = json.loads((folder / CONFIG_NAME).read_text())
    (folder / CONFIG_NAME).write_text(json.dumps({**config, **changes}))


def refused(folder, model):
    with pytest.raises(AdapterError) as caught:
        ReftModel.load(folder, model)
    with pytest.raises(AdapterError):
        verify_adapter(folder, model)
    sentence = str(caught.value)
    assert " " in sentence
    assert sentence.endswith(".")
    assert len(sentence) < 1000
    return sentence


# --- there and back


@pytest.mark.parametrize("name", CONFIGS)
def test_what_is_loaded_answers_bit_for_bit_as_what_was_saved(any_model, tmp_path, name):
    reft = trained(any_model, CONFIGS[name])
    loaded = ReftModel.load(reft.save(tmp_path / "deep" / "folder"), any_model)
    assert loaded.reft_config == reft.reft_config
    assert torch.equal(logits(loaded), logits(reft.eval()))
    assert not torch.equal(logits(loaded), logits(ReftModel(any_model, CONFIGS[name], seed=3).eval()))


@pytest.mark.parametrize("name", CONFIGS)
def test_saving_what_was_loaded_writes_the_same_bytes(llama, tmp_path, name):
    trained(llama, CONFIGS[name]).save(tmp_path / "first")
    ReftModel.load(tmp_path / "first", llama).save(tmp_path / "second")
    for file in (TENSORS_NAME, CONFIG_NAME, CARD_NAME):
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()


def test_the_file_holds_the_rows_of_r_which_are_orthonormal(llama, tmp_path):
    reft = trained(llama, CONFIGS["loreft"])
    tensors = load_file(reft.save(tmp_path) / TENSORS_NAME)
    assert set(tensors) == {f"layer.{layer}.group.0.{part}" for layer in range(3) for part in ("projection", "source", "bias")}
    for layer in range(3):
        rows = tensors[f"layer.{layer}.group.0.projection"]
        assert rows.shape == (3, 32)
        assert (rows @ rows.T - torch.eye(3)).abs().max() < 1e-5
        assert torch.equal(rows, reft.intervention.projection()[layer])


def test_a_loaded_edit_can_be_trained_on_from_where_it_was(llama, tmp_path):
    reft = trained(llama, CONFIGS["loreft"])
    loaded = ReftModel.load(reft.save(tmp_path), llama).train()
    assert (logits(loaded) - logits(reft)).abs().max() < 1e-4
    rows = loaded.intervention.projection()
    assert (rows @ rows.mT - torch.eye(3)).abs().max() < 1e-5


def test_a_base_in_half_precision_gets_float32_weights(make_model, tmp_path):
    model = make_model().to(torch.bfloat16)
    reft = trained(model, CONFIGS["loreft"])
    loaded = ReftModel.load(reft.save(tmp_path), model)
    assert loaded.intervention.source.dtype == torch.float32
    assert torch.equal(logits(loaded), logits(reft.eval()))
    assert verify_adapter(tmp_path, model) < 1e-4


def test_the_description_holds_what_is_needed_to_use_it_again(starter, tmp_path):
    ReftModel(starter.model, ReftConfig()).save(tmp_path, base=starter, training={"epochs": 3})
    config = read_config(tmp_path)
    assert ReftConfig.read(config["reft"]) == ReftConfig()
    assert config["base_model"] == {"id": "starter", "revision": None, "precision": "float32"}
    assert config["template"] == starter.template
    assert config["training"] == {"epochs": 3}
    assert (config["layers"], config["hidden_size"], config["blocks"]) == (list(range(8)), 384, 8)
    card = (tmp_path / CARD_NAME).read_text()
    assert card.startswith("---\n")
    assert "base_model: starter" in card


def test_the_card_says_what_was_not_learned_from(starter, tmp_path):
    ReftModel(starter.model, ReftConfig()).save(tmp_path, training={"rows": 12, "rows_left_out": 30, "cut_answers": 1})
    said = "Data: 12 rows could be used, held-out ones included; 30 rows left out; 1 answer cut at the end to fit."
    assert said in (tmp_path / CARD_NAME).read_text()
    ReftModel(starter.model, ReftConfig()).save(tmp_path, training={"rows": 12, "rows_left_out": 0})
    assert "Data: 12 rows could be used, held-out ones included.\n" in (tmp_path / CARD_NAME).read_text()


def test_a_folder_holds_no_pickle_and_nothing_left_over(saved):
    assert sorted(file.name for file in saved.iterdir()) == sorted([CARD_NAME, CONFIG_NAME, TENSORS_NAME])


# --- the canary


def test_the_canary_reproduces(llama, saved):
    assert verify_adapter(saved, llama) < 1e-4


def test_another_base_of_the_same_shape_is_told_by_the_canary(make_model, saved):
    with pytest.raises(AdapterError, match="another revision"):
        verify_adapter(saved, make_model(seed=1))


def test_a_base_that_changed_a_little_is_told_by_the_canary(make_model, saved):
    model = make_model()
    with torch.no_grad():
        model.lm_head.weight[10:60] *= 1.1
    with pytest.raises(AdapterError, match="another revision"):
        verify_adapter(saved, model)


def test_weights_that_were_changed_are_told_by_the_canary(llama, folder):
    tensors = load_file(folder / TENSORS_NAME)
    tensors["layer.2.group.1.bias"] += 1.0
    save_file(tensors, folder / TENSORS_NAME)
    with pytest.raises(AdapterError, match="the file was changed"):
        verify_adapter(folder, llama)


def test_a_canary_without_a_number_is_refused(llama, folder):
    canary = read_config(folder)["canary"]
    rewrite(folder, canary={**canary, "logits": [float("nan")] * len(canary["logits"])})
    with pytest.raises(AdapterError):
        verify_adapter(folder, llama)


@pytest.mark.parametrize(
    "canary",
    [
        {},
        {"prompt_ids": [], "token_ids": [1], "logits": [0.0]},
        {"prompt_ids": [999], "token_ids": [1], "logits": [0.0]},
        {"prompt_ids": [-1], "token_ids": [1], "logits": [0.0]},
        {"prompt_ids": [1] * 100_000, "token_ids": [1], "logits": [0.0]},
        {"prompt_ids": [1], "token_ids": [97], "logits": [0.0]},
        {"prompt_ids": [1], "token_ids": [], "logits": []},
        {"prompt_ids": [1], "token_ids": [1, 2], "logits": [0.0, 1.0, 2.0]},
        {"prompt_ids": ["a"], "token_ids": [1], "logits": [0.0]},
        {"prompt_ids": [1], "token_ids": [1], "logits": [None]},
        {"prompt_ids": [1.5], "token_ids": [1], "logits": [0.0]},
    ],
)
def test_a_canary_that_cannot_be_replayed_is_refused(llama, folder, canary):
    rewrite(folder, canary=canary)
    with pytest.raises(AdapterError, match="canary"):
        verify_adapter(folder, llama)


def test_a_head_of_fewer_tokens_than_the_embeddings_refuses_a_canary_beyond_it(make_model, tmp_path):
    model = make_model()
    model.lm_head = torch.nn.Linear(32, 90, bias=False)
    folder = ReftModel(model, ReftConfig(rank=1)).save(tmp_path)
    assert verify_adapter(folder, model) < 1e-4
    rewrite(folder, canary={**read_config(folder)["canary"], "token_ids": [89], "logits": [0.0]})
    assert "another revision" in refused(folder, model)
    rewrite(folder, canary={**read_config(folder)["canary"], "token_ids": [90], "logits": [0.0]})
    assert "canary" in refused(folder, model)


def test_an_encoder_decoder_that_does_not_say_where_answers_begin_is_refused_in_words(tmp_path):
    model = families.build("t5")
    folder = ReftModel(model, ReftConfig(rank=1)).save(tmp_path / "good")
    model.config.decoder_start_token_id = model.generation_config.decoder_start_token_id = None
    with pytest.raises(ConfigError, match="which token an answer begins with"):
        ReftModel(model, ReftConfig(rank=1))
    assert ReftModel(model, ReftConfig(rank=1, labels=["a", "b"])).save(tmp_path / "labels")  # which it need not answer for
    assert "which token an answer begins with" in refused(folder, model)


def test_a_head_of_more_tokens_than_the_embeddings_can_be_saved_and_loaded(make_model, tmp_path):
    model = make_model()
    model.lm_head = torch.nn.Linear(32, 200, bias=False)
    folder = ReftModel(model, ReftConfig(rank=1)).save(tmp_path)
    assert max(read_config(folder)["canary"]["token_ids"]) >= 97
    assert verify_adapter(folder, model) < 1e-4


def test_a_classifiers_canary_names_labels_only(llama, tmp_path):
    folder = ReftModel(llama, ReftConfig(rank=1, labels=["a", "b"])).save(tmp_path)
    rewrite(folder, canary={**read_config(folder)["canary"], "token_ids": [2], "logits": [0.0]})
    assert "canary" in refused(folder, llama)


# --- what lies in the folder already


@pytest.mark.parametrize("theirs", ["# My project\n", "", "---\nlibrary_name: reft-studio\n---\n"], ids=["text", "empty", "alike"])
def test_a_readme_that_somebody_wrote_is_left_alone(llama, tmp_path, monkeypatch, theirs):
    (tmp_path / "README.md").write_text(theirs)
    monkeypatch.chdir(tmp_path)
    reft = ReftModel(llama, ReftConfig(rank=1))
    assert reft.save(".") == Path()
    assert (tmp_path / "README.md").read_text() == theirs
    assert verify_adapter(tmp_path, llama) < 1e-4
    reft.save(tmp_path)
    assert (tmp_path / "README.md").read_text() == theirs


def test_a_readme_in_another_encoding_or_that_is_a_folder_is_left_alone(llama, tmp_path):
    for name, make in {"latin": lambda path: path.write_bytes(b"\xfcber"), "folder": lambda path: path.mkdir()}.items():
        (tmp_path / name).mkdir()
        make(tmp_path / name / "README.md")
        folder = ReftModel(llama, ReftConfig(rank=1)).save(tmp_path / name)
        assert verify_adapter(folder, llama) < 1e-4
    assert (tmp_path / "latin/README.md").read_bytes() == b"\xfcber"
    assert (tmp_path / "folder/README.md").is_dir()


def test_a_card_of_ones_own_is_written_anew_until_somebody_changes_it(llama, tmp_path):
    card = tmp_path / "README.md"
    ReftModel(llama, ReftConfig(rank=1)).save(tmp_path)
    assert "rank 1" in card.read_text()
    ReftModel(llama, ReftConfig(rank=2)).save(tmp_path)
    assert "rank 2" in card.read_text()
    changed = card.read_text().replace("# A trained ReFT edit", "# My edit")
    card.write_text(changed)
    ReftModel(llama, ReftConfig(rank=3)).save(tmp_path)
    assert card.read_text() == changed
    assert read_config(tmp_path)["reft"]["rank"] == 3


def test_what_somebody_adds_behind_the_card_is_kept(llama, tmp_path):
    card = tmp_path / "README.md"
    reft = ReftModel(llama, ReftConfig(rank=1))
    reft.save(tmp_path)
    card.write_text(card.read_text() + "My notes.\n")
    reft.save(tmp_path)
    assert card.read_text().endswith("My notes.\n")


# --- tensors that are refused


def damaged(folder, **changes):
    tensors = load_file(folder / TENSORS_NAME)
    for name, tensor in changes.items():
        key = name.replace("__", ".")
        if tensor is None:
            del tensors[key]
        else:
            tensors[key] = tensor
    save_file(tensors, folder / TENSORS_NAME)


class Unread:
    """A file of which the header alone may be read."""

    def __init__(self, file):
        self.file = file

    def __enter__(self):
        opened = self.file.__enter__()
        return SimpleNamespace(keys=opened.keys, get_slice=lambda name: Header(opened.get_slice(name)))

    def __exit__(self, *error):
        self.file.__exit__(*error)


class Header:
    def __init__(self, part):
        self.get_shape, self.get_dtype = part.get_shape, part.get_dtype


@pytest.fixture
def unbuilt(monkeypatch):
    """Nothing may be built and no tensor read: a file is refused before either takes memory."""

    def fail(*_args, **_kwargs):
        raise AssertionError("too early")

    monkeypatch.setattr(model, "ReftModel", fail)
    monkeypatch.setattr(adapter, "safe_open", lambda *args, **options: Unread(safe_open(*args, **options)))


@pytest.mark.usefixtures("unbuilt")
def test_an_edit_larger_than_its_file_is_refused_before_it_is_built(folder, llama):
    rewrite(folder, reft={**read_config(folder)["reft"], "rank": 32})
    assert "is F32 (2, 32), expected F32 (32, 32)" in refused(folder, llama)


@pytest.mark.usefixtures("unbuilt")
def test_more_labels_than_the_file_has_are_refused_before_a_head_is_built(make_model, tmp_path):
    model = make_model()
    folder = ReftModel(model, ReftConfig(rank=1, labels=["a", "b"])).save(tmp_path)
    rewrite(folder, reft={**read_config(folder)["reft"], "labels": [str(index) for index in range(9_000)]})
    assert "expected F32 (9000" in refused(folder, model)


@pytest.mark.usefixtures("unbuilt")
def test_a_file_larger_than_its_edit_is_refused_unopened(folder, llama):
    name, size = "layer.0.group.0.bias", 2**34
    header = json.dumps({name: {"dtype": "F32", "shape": [size // 4], "data_offsets": [0, size]}}).encode()
    with (folder / TENSORS_NAME).open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(file.tell() + size)  # a hole; takes no room on disk
    assert f"{TENSORS_NAME} is larger than the edit that {CONFIG_NAME} describes" in refused(folder, llama)


@pytest.mark.usefixtures("unbuilt")
@pytest.mark.parametrize("shape", [(20_000,), (2, 20_000), (2, 0)])
def test_a_tensor_of_another_shape_is_refused_unread(folder, llama, shape):
    damaged(folder, layer__0__group__1__bias=torch.zeros(shape))
    refused(folder, llama)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("labels", [None, ["a", "b", "c"]])
def test_what_a_file_of_each_method_must_hold_is_what_is_saved(llama, tmp_path, method, labels):
    config = ReftConfig(method=method, rank=3, positions="f2+l2", tied=False, layers=[0, 2], labels=labels)
    tensors = load_file(ReftModel(llama, config).save(tmp_path) / TENSORS_NAME)
    width = llama.config.hidden_size
    assert adapter.tensor_shapes(config, (0, 2), width, width) == {name: tuple(value.shape) for name, value in tensors.items()}


def test_missing_weights_are_refused(folder, llama):
    (folder / TENSORS_NAME).unlink()
    assert "missing or damaged" in refused(folder, llama)


@pytest.mark.parametrize("keep", [0, 4, 8, 100, -1])
def test_truncated_weights_are_refused(folder, llama, keep):
    path = folder / TENSORS_NAME
    path.write_bytes(path.read_bytes()[:keep])
    assert "missing or damaged" in refused(folder, llama)


class Trap:
    """Makes a file where it is unpickled."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return (os.mkdir, (str(self.target),))


@pytest.mark.parametrize("writer", ["pickle", "torch"])
def test_a_renamed_pickle_is_refused_and_not_opened(folder, llama, tmp_path, writer):
    trap = Trap(tmp_path / "sprung")
    if writer == "pickle":
        (folder / TENSORS_NAME).write_bytes(pickle.dumps(trap))
    else:
        torch.save({"weight": trap}, folder / TENSORS_NAME)
    assert "missing or damaged" in refused(folder, llama)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("size", [2**63 - 1, 2**40, 100_000_001, 7])
def test_an_absurd_header_size_is_refused(folder, llama, size):
    path = folder / TENSORS_NAME
    path.write_bytes(struct.pack("<Q", size) + path.read_bytes()[8:])
    assert "missing or damaged" in refused(folder, llama)


@pytest.mark.parametrize("offsets", [[0, 2**50], [8, 4], [-4, 4], [4, 12]])
def test_offsets_that_overlap_or_leave_the_file_are_refused(folder, llama, offsets):
    header = json.dumps({
        "layer.0.group.0.bias": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
        "layer.0.group.1.bias": {"dtype": "F32", "shape": [2], "data_offsets": offsets},
    }).encode()  # fmt: skip
    (folder / TENSORS_NAME).write_bytes(struct.pack("<Q", len(header)) + header + bytes(16))
    assert "missing or damaged" in refused(folder, llama)


def test_a_folder_in_the_place_of_the_weights_is_refused(folder, llama):
    (folder / TENSORS_NAME).unlink()
    (folder / TENSORS_NAME).mkdir()
    assert "missing or damaged" in refused(folder, llama)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.uint8, torch.bool])
def test_a_wrong_dtype_is_refused(folder, llama, dtype):
    damaged(folder, layer__2__group__0__bias=torch.zeros(2, dtype=dtype))
    sentence = refused(folder, llama)
    assert "layer.2.group.0.bias" in sentence
    assert "expected F32" in sentence


@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 1), (0,)])
def test_a_wrong_shape_is_refused(folder, llama, shape):
    damaged(folder, layer__0__group__1__bias=torch.zeros(shape))
    assert "layer.0.group.1.bias" in refused(folder, llama)


@pytest.mark.parametrize("part", ["projection", "source", "bias"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_values_that_are_no_numbers_are_refused(folder, llama, part, value):
    key = f"layer.0.group.0.{part}"
    tensor = load_file(folder / TENSORS_NAME)[key]
    tensor.view(-1)[-1] = value
    damaged(folder, **{key: tensor})
    assert f"{key} holds values that are no numbers" in refused(folder, llama)


def test_a_missing_tensor_is_refused_and_named(folder, llama):
    damaged(folder, layer__0__group__0__source=None)
    assert "layer.0.group.0.source" in refused(folder, llama)


def test_an_unknown_tensor_is_refused_and_named(folder, llama):
    damaged(folder, extra=torch.zeros(1))
    assert "extra" in refused(folder, llama)


def test_rows_of_loreft_that_are_not_orthonormal_are_refused(folder, llama):
    damaged(folder, layer__0__group__0__projection=torch.ones(2, 32))
    assert "orthonormal" in refused(folder, llama)


# --- descriptions that are refused


def test_a_folder_without_a_description_is_refused(llama, tmp_path):
    assert "is no adapter folder" in refused(tmp_path, llama)
    assert "is no adapter folder" in refused(tmp_path / "nowhere", llama)


@pytest.mark.parametrize("text", ["", "{", "null", "[]", '"text"', "3", "{}", "\x00", "[" * 100_000, '{"format_version": 1}'])
def test_a_description_that_is_none_is_refused(folder, llama, text):
    (folder / CONFIG_NAME).write_text(text)
    assert CONFIG_NAME in refused(folder, llama)


def test_a_description_in_another_encoding_is_refused(folder, llama):
    (folder / CONFIG_NAME).write_bytes(b"\xff\xfe{\x00}\x00")
    assert "damaged" in refused(folder, llama)


def test_a_huge_description_is_refused_unread(folder, llama):
    (folder / CONFIG_NAME).write_bytes(b" " * 1_000_001)
    assert "larger than" in refused(folder, llama)


def test_a_folder_in_the_place_of_the_description_is_refused(folder, llama):
    (folder / CONFIG_NAME).unlink()
    (folder / CONFIG_NAME).mkdir()
    assert CONFIG_NAME in refused(folder, llama)


@pytest.mark.parametrize("version", [0, 4, "1", None, [1], {}])
def test_another_format_version_is_refused(folder, llama, version):
    rewrite(folder, format_version=version)
    assert "format_version" in refused(folder, llama)


def test_unknown_keys_are_refused_and_named(folder, llama):
    rewrite(folder, auto_map={"AutoModel": "evil.Model"})
    assert "auto_map" in refused(folder, llama)


def test_a_missing_key_is_refused_and_named(folder, llama):
    config = read_config(folder)
    del config["template"]
    (folder / CONFIG_NAME).write_text(json.dumps(config))
    assert "template" in refused(folder, llama)


def test_an_unknown_setting_of_the_edit_is_refused_and_named(folder, llama):
    rewrite(folder, reft={**read_config(folder)["reft"], "remote_code": True})
    assert "remote_code" in refused(folder, llama)


NO_EDIT = [{"method": "exec"}, {"rank": 0}, {"rank": 33}, {"rank": 10**12}, {"positions": "x"}, {"dropout": 2}, {"tied": "perhaps"}]
NO_LAYERS = [{"layers": value} for value in ([], None, [None], "0-99999999", [[0]])]


@pytest.mark.parametrize("change", [*NO_EDIT, *NO_LAYERS])
def test_settings_that_describe_no_edit_are_refused(folder, llama, change):
    rewrite(folder, reft={**read_config(folder)["reft"], **change})
    assert "describes no edit" in refused(folder, llama)


@pytest.mark.parametrize("layers", [[0], [0, 99], []])
def test_a_list_of_layers_that_is_not_the_edits_is_refused(folder, llama, layers):
    rewrite(folder, layers=layers)
    assert "the layers it lists" in refused(folder, llama)


@pytest.mark.parametrize("layers", [[0, 3], [99], [-1, 2], "0-3", [10**30]])
def test_layers_that_the_base_does_not_have_are_refused(folder, llama, layers):
    rewrite(folder, reft={**read_config(folder)["reft"], "layers": layers})
    assert "describes no edit" in refused(folder, llama)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format_version", True),
        ("reft", None),
        ("reft", []),
        ("hidden_size", "32"),
        ("base_model", None),
        ("base_model", "starter"),
        ("base_model", {"id": 3, "revision": None}),
        ("template", 3),
        ("training", "x"),
        ("canary", None),
        ("canary", [1]),
    ],
)
def test_a_part_of_another_kind_is_refused_and_named(folder, make_model, key, value):
    rewrite(folder, **{key: value})
    assert key in refused(folder, make_model(num_hidden_layers=4))


def test_a_base_of_another_shape_is_refused_and_both_are_named(saved, make_model):
    assert "3 layers of width 32; this base model has 4 layers of width 32" in refused(saved, make_model(num_hidden_layers=4))
    assert "this base model has 3 layers of width 64" in refused(saved, make_model(hidden_size=64))


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_what_was_saved_on_a_base_in_half_precision_is_proved_in_float32(make_model, tmp_path, precision):
    half = make_model().to(precision)
    exact = make_model()
    exact.load_state_dict(half.state_dict())
    trained(half, CONFIGS["loreft-untied"]).save(tmp_path)
    assert read_config(tmp_path)["canary"]["dtype"] == str(precision).removeprefix("torch.")
    assert verify_adapter(tmp_path, half) < 1e-3
    assert verify_adapter(tmp_path, exact) > 0
    with pytest.raises(AdapterError, match="another revision"):
        verify_adapter(tmp_path, make_model(seed=1))


@pytest.mark.parametrize("name", ["bert", "modernbert"])
def test_an_edit_of_a_model_without_any_head_is_saved_and_proved_by_its_hidden_states(strong, tmp_path, name):
    model = families.build(name)
    reft = strong(model, positions="f2", rank=2)
    ids = torch.tensor([[5, 6, 7, 8]])
    reft.save(tmp_path)
    assert torch.equal(ReftModel.load(tmp_path, model)(ids)[0], reft(ids)[0])
    with pytest.raises(AdapterError, match="does not give the answers"):
        ReftModel.load(tmp_path, families.build(name, seed=5))


def test_the_base_model_of_a_folder_is_read_without_its_weights(saved, tmp_path):
    config = read_config(saved)
    (tmp_path / CONFIG_NAME).write_text(
        json.dumps({**config, "base_model": {**config["base_model"], "revision": "abc", "precision": "bfloat16"}})
    )
    recorded = read_config(tmp_path)["base_model"]
    assert recorded_base(tmp_path) == RecordedBase(recorded["revision"], recorded["precision"]) == RecordedBase("abc", "bfloat16")
    assert recorded_base(tmp_path / "nothing") == RecordedBase()
    for content in ("", "[]", "{", '{"base_model": 3}', '{"base_model": {"precision": 3}}', "[" * 100_000, " " * 1_000_001):
        (tmp_path / CONFIG_NAME).write_text(content)
        assert recorded_base(tmp_path) == RecordedBase(), content[:40]
