"""Folders of pyreft: every one that pyreft wrote (tests/fixtures/pyreft, the oracle) and every one that the engine writes.

That pyreft itself loads what the engine writes is checked by ``tests/fixtures/pyreft/make.py --check``, where pyreft is.
"""

import io
import json
import pickle
import shutil
import zipfile
from collections import OrderedDict
from functools import cache
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch.nn.utils import parametrizations
from transformers import AutoModelForCausalLM, T5Config, T5ForConditionalGeneration

from reft_engine import ReftConfig, ReftModel
from reft_engine.errors import AdapterError, ConfigError
from reft_engine.formats.pyreft.classes import BASE, ORIGINAL
from reft_engine.formats.pyreft.reading import _rotation_rows

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures/pyreft"
METHODS = {
    "loreft": "loreft",
    "noreft": "noreft",
    "nodireft": "direft",
    "direft": "direft_orth",
    "consreft": "consreft",
    "lobireft": "lobireft",
}
SETTINGS = {
    "loreft-relu": {"activation": "relu"},
    "loreft-suffix": {"positions": "l2"},
    "noreft-trainer": {"method": "noreft"},
}
NAMES = sorted(path.parent.name for path in FIXTURES.glob("*/expected.safetensors"))


@cache
def base_of(name: str = "llama", dtype: torch.dtype = torch.float32):
    family = next((family for family in ("gpt2", "qwen2") if family in name), "llama")
    return AutoModelForCausalLM.from_pretrained(FIXTURES / "base" / family, dtype=dtype).eval()


def read(name: str, folder: Path | None = None, **changed) -> ReftModel:
    """A fixture, or a copy of it, with the settings of its training."""
    given = {"positions": "f3+l2", **SETTINGS.get(name, {}), **changed}
    return ReftModel.from_pyreft(folder or FIXTURES / name / "pyreft", base_of(name), **given)


@torch.no_grad()
def logits_of(reft: ReftModel, strength: float = 1.0) -> torch.Tensor:
    inputs = load_file(FIXTURES / "inputs.safetensors")
    return reft(**inputs, strength=strength).logits[inputs["attention_mask"].bool()]


def expected(name: str, key: str = "logits") -> torch.Tensor:
    return load_file(FIXTURES / name / "expected.safetensors")[key]


def off(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one.detach().float() - other.detach().float()).abs().max())


# Reading what pyreft wrote


def test_every_fixture_is_there():
    assert len(NAMES) == 24
    assert {f"{kind}-{tied}" for kind in METHODS for tied in ("tied", "untied")} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_gives_pyrefts_logits(name):
    reft = read(name)
    kind = name.split("-")[0]
    assert reft.reft_config.method == METHODS[kind]
    assert reft.layers == ((1,) if "string" in name else (0, 2))
    assert off(logits_of(reft), expected(name)) < 5e-6
    assert off(logits_of(reft, strength=0), expected(name)) > 0.5


def test_in_half_precision_the_logits_differ_no_more_than_half_precision_itself_does():
    """pyreft computes W h + b in bfloat16, the engine in float32; both bases round every block. So the two may be as far
    apart as pyreft's own bfloat16 logits are from its float32 logits of the same stored numbers, and no further."""
    name = "loreft-bfloat16"
    half = base_of(name, torch.bfloat16)
    reft = ReftModel.from_pyreft(FIXTURES / name / "pyreft", half, "f3+l2")
    assert all(value.dtype == torch.float32 for value in reft.tensors().values())
    rounding = off(expected(name, "logits_half"), expected(name))
    assert 1e-3 < rounding < 0.2
    assert off(logits_of(reft), expected(name, "logits_half")) <= rounding


@pytest.mark.parametrize(
    "name", ["consreft-untied", "direft-untied", "direft_orth-tied", "lobireft-tied", "loreft-tied", "loreft-untied", "noreft-tied"]
)
def test_the_oracles_classes_give_pyrefts_logits(shared, name):
    folder = shared / "oracle/classes" / name
    numbers = load_file(folder / "expected.safetensors")
    reft = ReftModel.from_pyreft(folder / "pyreft", _oracle_base(shared), "f3+l2")
    with torch.no_grad():
        logits = reft(numbers["input_ids"], numbers["attention_mask"], numbers["prompt_lengths"]).logits
    assert reft.reft_config.method == name.split("-")[0]
    assert off(logits[numbers["attention_mask"].bool()], numbers["logits"][numbers["attention_mask"].bool()]) < 5e-6


@cache
def _oracle_base(shared: Path):
    return AutoModelForCausalLM.from_pretrained(shared / "oracle/base/llama-tiny", dtype=torch.float32).eval()


@pytest.mark.parametrize("case", ["tied", "untied"])
def test_the_oracles_trained_edits_are_read_number_by_number(shared, case):
    folder = shared / f"oracle/training-llama-{case}"
    numbers = load_file(folder / "oracle.safetensors")
    reft = ReftModel.from_pyreft(folder / "pyreft_save", _oracle_base(shared), "f7+l7")
    sites = [f"final/layer_{layer}_comp_block_output_unit_pos_nunit_1#{g}" for layer in reft.layers for g in range(reft.reft_config.groups)]
    tensors = reft.tensors()
    assert torch.equal(tensors["source"], torch.stack([numbers[f"{site}/W"] for site in sites]))
    assert torch.equal(tensors["bias"], torch.stack([numbers[f"{site}/b"] for site in sites]))
    assert off(tensors["projection"], torch.stack([numbers[f"{site}/R"].mT for site in sites])) < 1e-6


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("case", ["tied", "untied"])
def test_the_oracles_trained_edits_give_pyrefts_greedy_answers(shared, case):
    folder = shared / f"oracle/training-llama-{case}"
    reft = ReftModel.from_pyreft(folder / "pyreft_save", _oracle_base(shared), "f7+l7")
    for answer in json.loads((folder / "oracle.json").read_text())["answers"]:
        tokens, prompt = list(answer["prompt"]), len(answer["prompt"])
        while len(tokens) < prompt + len(answer["reft"]):
            tokens.append(int(reft(torch.tensor([tokens]), None, [prompt]).logits[0, -1].argmax()))
        assert tokens[prompt:] == answer["reft"]


@pytest.mark.parametrize("kind", ["loreft", "noreft"])
def test_a_trainers_checkpoint_is_read_without_config_and_from_either_folder(kind):
    name = f"{kind}-trainer"
    inner = FIXTURES / name / "pyreft/intervenable_model"
    assert not (inner / "config.json").exists()
    assert off(logits_of(read(name, inner)), expected(name)) < 5e-6


@pytest.mark.parametrize("name", ["direft-untied", "consreft-tied", "lobireft-tied", "nodireft-tied"])
def test_without_config_the_class_is_told_from_the_tensors_and_the_method(tmp_path, name):
    folder = copy_of(name, tmp_path)
    (folder / "config.json").unlink()
    assert off(logits_of(read(name, folder, method=METHODS[name.split("-")[0]])), expected(name)) < 5e-6


def test_what_was_saved_on_a_gpu_is_read_on_any_machine(tmp_path):
    folder = copy_of("loreft-tied", tmp_path)
    for path in bins(folder):
        with zipfile.ZipFile(path) as archive:
            entries = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in entries.items():
                archive.writestr(name, data.replace(b"X\x03\0\0\0cpu", b"X\x06\0\0\0cuda:0"))
    assert off(logits_of(read("loreft-tied", folder)), expected("loreft-tied")) < 5e-6


@pytest.mark.parametrize("rank", [1, 3, 7, 8])
def test_the_rotation_is_torchs_to_the_bit(rank):
    torch.manual_seed(rank)
    layer = parametrizations.orthogonal(torch.nn.Linear(rank, 8, bias=False))
    if rank < 8:
        assert layer.parametrizations.weight[0].orthogonal_map.name == "householder"
    with torch.no_grad():
        original = layer.parametrizations.weight.original
        original += torch.tril(torch.randn(8, rank), -1)
        rows = _rotation_rows(original, layer.parametrizations.weight[0].base)
        assert torch.equal(rows, layer.weight.mT)
        assert off(rows @ rows.mT, torch.eye(rank)) < 1e-5


def test_a_loreft_with_a_skewed_r_is_read_as_noreft_the_same_formula(tmp_path):
    name = "loreft-tied"
    folder = copy_of(name, tmp_path)
    change(folder, 0, rotate_layer=lambda columns: 1.5 * columns)
    with pytest.raises(AdapterError, match=r'not orthonormal.*method="noreft"'):
        read(name, folder)
    reft = read(name, folder, method="noreft")
    rows = reft.tensors()["projection"]
    assert off(rows[0] @ rows[0].mT, 2.25 * torch.eye(3)) < 1e-5


# Writing


def edited(method: str, tied: bool = True, **changed) -> ReftModel:
    config = ReftConfig(**{"method": method, "rank": 3, "layers": (0, 2), "positions": "f3+l2", "tied": tied, **changed})
    reft = ReftModel(base_of(), config, seed=3)
    tensors = reft.tensors()
    generator = torch.Generator().manual_seed(4)
    for name in set(tensors) - ({"projection"} if method not in ("direft", "noreft") else set()):
        tensors[name] = tensors[name] + 0.3 * torch.randn(tensors[name].shape, generator=generator)
    reft.set_tensors(tensors)
    return reft.eval()


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("method", METHODS.values())
def test_what_is_written_is_read_back(tmp_path, method, tied):
    reft = edited(method, tied)
    folder = reft.save_pyreft(tmp_path / "written")
    again = ReftModel.from_pyreft(folder, base_of())
    assert again.reft_config == reft.reft_config
    assert off(logits_of(again), logits_of(reft)) < 5e-6
    if method in ("direft", "noreft"):
        (folder / "reft_engine.json").unlink()
        plain = ReftModel.from_pyreft(folder, base_of(), "f3+l2")
        assert plain.reft_config.method == "direft_orth"
        assert off(logits_of(plain), logits_of(reft)) < 5e-6
    else:
        assert all(torch.equal(value, again.tensors()[name]) for name, value in reft.tensors().items())


@pytest.mark.slow
@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    method=st.sampled_from(sorted(METHODS.values())),
    rank=st.sampled_from([1, 2, 15, 16]),
    rule=st.sampled_from([("f2+l3", False), ("f1+l1", True), ("l2", False), ("f4", True), ("all", False), ("marked", True)]),
    layers=st.sampled_from([(0,), (1, 2), (0, 1, 2)]),
)
def test_any_shape_of_edit_survives_the_way_there_and_back(tmp_path_factory, method, rank, rule, layers):
    reft = edited(method, rule[1], rank=rank, positions=rule[0], layers=layers)
    again = ReftModel.from_pyreft(reft.save_pyreft(tmp_path_factory.mktemp("pyreft")), base_of())
    assert again.reft_config == reft.reft_config
    h = torch.randn(7, 16, generator=torch.Generator().manual_seed(1))
    for site in range(len(reft.layers) * reft.reft_config.groups):
        assert off(again.intervention.delta(h, again.factors(), site), reft.intervention.delta(h, reft.factors(), site)) < 2e-5


def test_rows_without_full_rank_survive_too(tmp_path):
    reft = edited("direft")
    tensors = reft.tensors()
    tensors["projection"] = tensors["projection"].clone()
    tensors["projection"][0, 1] = tensors["projection"][0, 0]
    tensors["projection"][1] = 0
    reft.set_tensors(tensors)
    again = ReftModel.from_pyreft(reft.save_pyreft(tmp_path / "written"), base_of())
    assert off(logits_of(again), logits_of(reft)) < 5e-6


@pytest.mark.parametrize("tied", ["tied", "untied"])
@pytest.mark.parametrize("kind", ["loreft", "direft", "consreft", "lobireft"])
def test_what_is_written_looks_like_what_pyreft_wrote(tmp_path, kind, tied):
    name = f"{kind}-{tied}"
    theirs, ours = FIXTURES / name / "pyreft", read(name).save_pyreft(tmp_path / "written")
    assert {path.name for path in ours.iterdir()} - {path.name for path in theirs.iterdir()} == {"reft_engine.json"}
    assert {path.name for path in theirs.iterdir()} <= {path.name for path in ours.iterdir()}
    described = [json.loads((folder / "config.json").read_text()) for folder in (theirs, ours)]
    assert all(description.pop("transformers_version") for description in described)
    assert described[0] == described[1]
    for path in theirs.glob("*.bin"):
        one, other = (torch.load(folder / path.name, weights_only=True) for folder in (theirs, ours))
        assert type(one) is type(other) is OrderedDict
        assert {key: (value.shape, value.dtype) for key, value in one.items()} == {
            key: (value.shape, value.dtype) for key, value in other.items()
        }
        for key in set(one) - {ORIGINAL, BASE}:
            assert torch.equal(one[key], other[key])


def test_torchs_own_parametrisation_takes_the_written_rotation(tmp_path):
    reft = edited("direft_orth", False)
    folder = reft.save_pyreft(tmp_path / "written")
    state = torch.load(folder / "intkey_layer_2_comp_block_output_unit_pos_nunit_1#1.bin", weights_only=True)
    layer = parametrizations.orthogonal(torch.nn.Linear(3, 16, bias=False))
    layer.load_state_dict({key.removeprefix("rotate_layer."): value for key, value in state.items() if key.startswith("rotate")})
    assert torch.equal(layer.weight.mT, reft.tensors()["projection"][3])
    base = state[BASE]
    assert off(base @ base.mT, torch.eye(16)) < 1e-5


def test_positions_given_win_over_those_written(tmp_path):
    folder = edited("loreft").save_pyreft(tmp_path / "written")
    assert ReftModel.from_pyreft(folder, base_of()).reft_config.positions == "f3+l2"
    assert ReftModel.from_pyreft(folder, base_of(), "l1").reft_config.positions == "l1"


@pytest.mark.parametrize(
    ("changed", "field", "said"),
    [
        ({"method": "loreft", "activation": "relu"}, "activation", "forgets the activation"),
        ({"method": "red"}, "method", "no RED"),
        ({"method": "loreft", "labels": ("yes", "no")}, "labels", "head"),
    ],
)
def test_what_pyreft_has_no_file_for_is_not_written(tmp_path, changed, field, said):
    reft = ReftModel(base_of(), ReftConfig(**{"rank": 3, "layers": (0,), **changed}))
    with pytest.raises(ConfigError, match=said) as raised:
        reft.save_pyreft(tmp_path / "written")
    assert raised.value.field == field
    assert not (tmp_path / "written").exists()


def test_another_models_edits_are_not_mixed_with_new_ones(tmp_path):
    folder = copy_of("loreft-untied", tmp_path)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(AdapterError, match="already holds"):
        edited("loreft").save_pyreft(folder)
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}


# Refusals


def copy_of(name: str, tmp_path: Path) -> Path:
    return Path(shutil.copytree(FIXTURES / name / "pyreft", tmp_path / "copy"))


def bins(folder: Path) -> list[Path]:
    return sorted(folder.glob("intkey_*.bin"))


def change(folder: Path, index: int, **tensors) -> None:
    """Change tensors of one file: a function of the old value, or the new one; None takes it away."""
    path = bins(folder)[index]
    state = torch.load(path, weights_only=True)
    for name, value in tensors.items():
        state[name] = value(state[name]) if callable(value) else value
        if value is None:
            del state[name]
    torch.save(state, path)


def describe(folder: Path, **values) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def renamed(folder: Path, old: str, new: str) -> None:
    """Give one edit another key, in the file's name and in the list of keys."""
    path = folder / f"intkey_{old}.bin"
    path.rename(folder / f"intkey_{new}.bin")
    keys = json.loads((folder / "config.json").read_text())["sorted_keys"]
    describe(folder, sorted_keys=[new if key == old else key for key in keys])


def key(layer: int, group: int = 0) -> str:
    return f"layer_{layer}_comp_block_output_unit_pos_nunit_1#{group}"


def relisted(folder: Path) -> None:
    keys = [path.name.removeprefix("intkey_").removesuffix(".bin") for path in bins(folder)]
    describe(folder, sorted_keys=keys, intervention_types=["<class 'pyreft.interventions.LoreftIntervention'>"] * len(keys))


def without(folder: Path, *keys: str) -> None:
    for one in keys:
        (folder / f"intkey_{one}.bin").unlink()
    relisted(folder)


class _Runs:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def with_code(folder: Path) -> None:
    torch.save(OrderedDict(weight=_Runs(folder / "ran")), bins(folder)[0])


def with_allowed_builtin(folder: Path) -> None:
    """torch's safe loader would run this one: it only costs memory, as much as the file asks for."""
    state = io.BytesIO()
    with zipfile.ZipFile(state, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R.")
        archive.writestr("archive/version", b"3\n")
    bins(folder)[0].write_bytes(state.getvalue())


def compressed(folder: Path) -> None:
    """A small file that unpacks to much."""
    path = bins(folder)[0]
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, bytes(50_000_000) if name.endswith("data/0") else data)


def declared_too_large(folder: Path) -> None:
    """The archive's directory says that an entry has two gigabytes."""
    data = bytearray(bins(folder)[0].read_bytes())
    record = data.rindex(b"PK\x01\x02", 0, data.rindex(b"/data/0"))
    data[record + 24 : record + 28] = b"\xff\xff\xff\x7f"
    bins(folder)[0].write_bytes(data)


def enormous(folder: Path) -> None:
    with bins(folder)[0].open("r+b") as file:
        file.truncate(50_000_000_000)  # a hole; takes no room on disk


def truncated(folder: Path) -> None:
    path = bins(folder)[0]
    path.write_bytes(path.read_bytes()[:1500])


def legacy(folder: Path) -> None:
    state = torch.load(bins(folder)[0], weights_only=True)
    torch.save(state, bins(folder)[0], _use_new_zipfile_serialization=False)


def plain_pickle(folder: Path) -> None:
    bins(folder)[0].write_bytes(pickle.dumps(_Runs(folder / "ran")))


def trained_base(folder: Path) -> None:
    torch.save({"score.weight": torch.zeros(2, 16)}, folder / "pytorch_model.bin")


def on_attention(folder: Path) -> None:
    renamed(folder, key(2), "layer_2_comp_attention_output_unit_pos_nunit_1#0")


def on_mlp_by_string(folder: Path) -> None:
    renamed(folder, key(2), "comp_model_layers[2]_mlp_output_unit_pos_nunit_1#0")


def on_an_expert(folder: Path) -> None:
    renamed(folder, key(2), "comp_model_layers[1]_experts[2]_output_unit_pos_nunit_1#0")


def on_heads(folder: Path) -> None:
    renamed(folder, key(2), "layer_2_comp_block_output_unit_h_pos_nunit_1#0")


def twice(folder: Path) -> None:
    shutil.copy(folder / f"intkey_{key(2)}.bin", folder / "intkey_comp.model.layers[2].output.unit.pos.nunit.1#0.bin")
    relisted(folder)


def mixed_classes(folder: Path) -> None:
    types = [f"<class 'pyreft.interventions.{name}Intervention'>" for name in ("Loreft", "Noreft")]
    describe(folder, intervention_types=types)


def unknown_class(folder: Path) -> None:
    describe(folder, intervention_types=["<class 'subprocess.Popen'>"] * 2)


def lookalike_class(folder: Path) -> None:
    describe(folder, intervention_types=["<class 'evil.LoreftIntervention'>"] * 2)


def other_rank(folder: Path) -> None:
    change(folder, 1, weight=torch.zeros(2, 16), bias=torch.zeros(2), rotate_layer=torch.eye(16)[:, :2])


def of_rank_17(folder: Path) -> None:
    """As large as the rank may be, and one more, in whichever tensors tell it."""
    for index, path in enumerate(bins(folder)):
        state = torch.load(path, weights_only=True)
        shapes = {name: [17 if size == 3 else size for size in value.shape] for name, value in state.items() if value.ndim}
        change(folder, index, **{name: torch.zeros(shape) for name, shape in shapes.items()})


REFUSALS = [
    ("loreft-tied", with_code, "holds code .*not opened"),
    ("loreft-tied", with_allowed_builtin, "holds code .builtins bytearray"),
    ("loreft-tied", plain_pickle, "damaged"),
    ("loreft-tied", legacy, "damaged"),
    ("loreft-tied", truncated, "damaged"),
    ("loreft-tied", lambda folder: bins(folder)[0].write_bytes(b""), "damaged"),
    ("loreft-tied", lambda folder: torch.save([torch.zeros(3)], bins(folder)[0]), "something else than tensors"),
    ("loreft-tied", lambda folder: torch.save({"weight": 3}, bins(folder)[0]), "something else than tensors"),
    ("loreft-tied", compressed, "more data"),
    ("loreft-tied", declared_too_large, "more data"),
    ("loreft-tied", enormous, "larger than any edit"),
    ("loreft-tied", trained_base, "weights of the base model itself"),
    ("loreft-tied", lambda folder: (folder / "pytorch_model.bin").write_bytes(b"no zip"), "pytorch_model.bin is damaged"),
    ("loreft-tied", on_attention, "not on the output of a block"),
    ("loreft-tied", on_mlp_by_string, "not on the output of a block"),
    ("loreft-tied", on_an_expert, "not on the output of a block"),
    ("loreft-tied", on_heads, "not on the output of a block"),
    ("loreft-tied", twice, "two edits of layer 2"),
    ("loreft-tied", mixed_classes, "mixes classes"),
    ("loreft-tied", unknown_class, "does not know: .*subprocess"),
    ("loreft-tied", lookalike_class, "does not know: .*evil"),
    ("loreft-tied", other_rank, r"weight has the shape \(2, 16\), expected \(3, 16\)"),
    ("loreft-tied", lambda folder: change(folder, 1, weight=torch.zeros(3, 32)), "this base model has width 16"),
    ("loreft-tied", lambda folder: change(folder, 0, bias=torch.zeros(0)), "does not tell the rank"),
    ("loreft-tied", of_rank_17, "first edit has rank 17, but this base model has width 16"),
    ("noreft-tied", of_rank_17, "first edit has rank 17, but this base model has width 16"),
    ("direft-tied", of_rank_17, "first edit has rank 17, but this base model has width 16"),
    ("lobireft-tied", of_rank_17, "first edit has rank 17, but this base model has width 16"),
    ("loreft-tied", lambda folder: change(folder, 0, extra=torch.zeros(1)), "unknown tensors: extra"),
    ("loreft-tied", lambda folder: change(folder, 1, rotate_layer=None), "missing or unknown tensors: rotate_layer"),
    ("loreft-tied", lambda folder: change(folder, 1, weight=lambda old: old.double()), "float64, which pyreft does not write"),
    ("loreft-tied", lambda folder: change(folder, 1, weight=lambda old: old.long()), "int64, which pyreft does not write"),
    ("loreft-tied", lambda folder: change(folder, 1, weight=lambda old: old.fill_(float("nan"))), "no numbers"),
    ("loreft-tied", lambda folder: change(folder, 1, bias=lambda old: old.fill_(float("inf"))), "no numbers"),
    ("loreft-tied", lambda folder: change(folder, 1, rotate_layer=torch.zeros(16, 3)), "not orthonormal"),
    ("consreft-tied", lambda folder: change(folder, 0, **{ORIGINAL: lambda old: 0.999 * old}), "not orthonormal"),
    ("direft-tied", lambda folder: change(folder, 0, embed_dim=torch.tensor(16.0)), "embed_dim is torch.float32"),
    ("loreft-untied", lambda folder: without(folder, key(2, 1)), "Layer 2 has no edit #1"),
    ("loreft-untied", lambda folder: without(folder, key(0, 0)), "Layer 0 has no edit #0"),
    ("loreft-untied", lambda folder: without(folder, key(0, 0), key(2, 0)), "none #0"),
    ("loreft-untied", lambda folder: renamed(folder, key(2, 1), key(2, 2)), "edit #2"),
    ("loreft-tied", lambda folder: renamed(folder, key(2), key(7)), "layer 7; this base model has layers 0-2"),
    ("loreft-tied", lambda folder: bins(folder)[0].unlink(), "not those that its config.json lists"),
    ("loreft-tied", lambda folder: shutil.copy(bins(folder)[0], folder / f"intkey_{key(1)}.bin"), "not those that its config.json lists"),
    ("loreft-tied", lambda folder: [path.unlink() for path in bins(folder)], "no folder of pyreft's"),
    ("loreft-tied", lambda folder: (folder / "config.json").write_text("{"), "not readable as JSON"),
    ("loreft-tied", lambda folder: (folder / "config.json").write_text('{"model_type": "llama"}'), "intervention_types"),
    ("loreft-tied", lambda folder: (folder / "config.json").write_text(" " * 1_000_001), "larger than"),
    ("loreft-tied", lambda folder: (folder / "reft_engine.json").write_text('{"format": 2}'), "reft_engine.json is not"),
    ("loreft-trainer", lambda folder: change(folder / "intervenable_model", 0, weight=None, rotate_layer=None), "no class"),
]


@pytest.mark.parametrize(("name", "damage", "said"), REFUSALS, ids=range(len(REFUSALS)))
def test_a_damaged_or_unfit_folder_is_refused_with_a_sentence(tmp_path, name, damage, said):
    folder = copy_of(name, tmp_path)
    damage(folder)
    with pytest.raises(AdapterError, match=said) as raised:
        read(name, folder)
    assert str(raised.value).endswith(".")
    assert str(tmp_path) not in str(raised.value)
    assert not (folder / "ran").exists()


@pytest.mark.parametrize(
    ("name", "given", "field", "said"),
    [
        ("loreft-untied", {"positions": "l2"}, "positions", "one side only"),
        ("loreft-untied", {"positions": "all"}, "positions", "one side only"),
        ("loreft-untied", {"positions": None}, "positions", "give the positions"),
        ("loreft-untied", {"positions": "7"}, "positions", "not a position rule"),
        ("loreft-tied", {"method": "direft"}, "method", "cannot be read as direft"),
        ("consreft-tied", {"activation": "relu"}, "activation", "no activation"),
        ("loreft-tied", {"dropout": 1.5}, "dropout", "dropout"),
        ("noreft-trainer", {"method": None}, "method", 'method="direft" or method="noreft"'),
        ("noreft-trainer", {"method": "loreft"}, "method", 'method="direft" or method="noreft"'),
    ],
)
def test_settings_that_do_not_fit_the_folder_are_refused(name, given, field, said):
    with pytest.raises(ConfigError, match=said) as raised:
        read(name, **given)
    assert raised.value.field == field


def test_a_bias_after_an_activation_is_refused():
    with pytest.raises(AdapterError, match=r"add_bias=True.*relu"):
        read("noreft-add-bias", activation="relu")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"method": "consreft"}, "says consreft, but the tensors are those of direft_orth"),
        ({"tied": True}, "share an edit"),
        ({"positions": "f0"}, None),
        ({"activation": "relu"}, "activation"),
        ({"more": 1}, "more"),
    ],
)
def test_a_sidecar_that_contradicts_the_files_is_refused(tmp_path, written, said):
    folder = edited("noreft", False).save_pyreft(tmp_path / "written")
    path = folder / "reft_engine.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **written}))
    with pytest.raises((AdapterError, ConfigError), match=said):
        ReftModel.from_pyreft(folder, base_of())


def test_an_activation_other_than_the_written_one_is_refused(tmp_path):
    folder = edited("noreft").save_pyreft(tmp_path / "written")
    with pytest.raises(ConfigError, match="activation linear, not relu"):
        ReftModel.from_pyreft(folder, base_of(), activation="relu")


def test_another_base_model_is_refused(shared):
    with pytest.raises(AdapterError, match="this base model has width 16"):
        ReftModel.from_pyreft(shared / "oracle/classes/loreft-tied/pyreft", base_of(), "f3+l2")


def test_an_edit_of_the_decoder_is_not_put_on_the_encoder(tmp_path):
    """Of an encoder-decoder this engine edits the encoder, which reads the prompt."""
    shape = {"vocab_size": 31, "d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 3, "num_decoder_layers": 3, "num_heads": 2}
    base = T5ForConditionalGeneration(T5Config(**shape, decoder_start_token_id=0))
    folder = copy_of("loreft-string", tmp_path)
    for group in (0, 1):
        renamed(folder, f"comp_model_layers[1]_output_unit_pos_nunit_1#{group}", f"comp_encoder_block[1]_output_unit_pos_nunit_1#{group}")
    assert ReftModel.from_pyreft(folder, base, "f3+l2").layers == (1,)
    for group in (0, 1):
        renamed(folder, f"comp_encoder_block[1]_output_unit_pos_nunit_1#{group}", f"comp_decoder_block[1]_output_unit_pos_nunit_1#{group}")
    with pytest.raises(AdapterError, match=r"'comp_decoder_block\[1\].*not on the output of a block"):
        ReftModel.from_pyreft(folder, base, "f3+l2")


@pytest.mark.slow
@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255), cut=st.booleans())
def test_no_broken_byte_gets_past_with_anything_but_a_sentence(tmp_path, place, value, cut):
    folder = tmp_path / "copy"
    shutil.rmtree(folder, ignore_errors=True)
    path = bins(copy_of("direft-tied", tmp_path))[0]
    data = bytearray(path.read_bytes())
    at = int(place * len(data))
    data[at] = value
    path.write_bytes(data[:at] if cut else data)
    try:
        good = bool(torch.isfinite(logits_of(read("direft-tied", folder))).all())
    except AdapterError as error:
        good = str(error).endswith(".")
    assert good


@pytest.mark.parametrize("theirs", ['{"model_type": "llama"}', "[]", "", "no json"])
def test_another_config_that_lies_in_the_folder_is_kept(tmp_path, theirs):
    reft = ReftModel(base_of(), ReftConfig(rank=1))
    (tmp_path / "config.json").write_text(theirs)
    with pytest.raises(AdapterError, match="describes no edit of pyreft; choose an empty folder"):
        reft.save_pyreft(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]
    assert (tmp_path / "config.json").read_text() == theirs
    assert reft.save_pyreft(tmp_path / "new") == reft.save_pyreft(tmp_path / "new")
