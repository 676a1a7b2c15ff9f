"""Loading of base models from real folders on disk; nothing here needs a network."""

import json
import os
import shutil
import sys
import threading
from dataclasses import replace

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from reft_engine import Example, ReftConfig, ReftModel, generate, load_base, precisions
from reft_engine.base.loading import PLAIN_TEMPLATE, is_here, load_tokenizer
from reft_engine.data import Message
from reft_engine.errors import ModelLoadError
from reft_engine.methods import METHODS
from reft_engine.tokens.examples import encode
from reft_engine.trainable import make_trainable
from tests.reft_engine import families

CODE = """
import os
os.environ["SPRUNG"] = "yes"  # the file is run from wherever it has been copied to
from transformers import LlamaConfig, LlamaForCausalLM
class EvilConfig(LlamaConfig):
    model_type = "evil"
class EvilModel(LlamaForCausalLM):
    config_class = EvilConfig
"""


@pytest.fixture
def folder(starter, make_model, tmp_path):
    """A complete small base on disk, to be damaged."""
    path = tmp_path / "model"
    make_model(vocab_size=len(starter.tokenizer)).save_pretrained(path)
    starter.tokenizer.save_pretrained(path)
    return path


def edit(path, **changes):
    values = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({name: value for name, value in values.items() if value is not None}))


def refused(name):
    with pytest.raises(ModelLoadError) as caught:
        load_base(name, device="cpu")
    assert len(str(caught.value)) < 500
    return str(caught.value)


def test_the_starter_is_loaded_frozen_in_float32(starter):
    assert starter.name == "starter"
    assert (starter.layers, starter.hidden_size, starter.context) == (8, 384, 1024)
    assert not starter.model.training
    assert {parameter.dtype for parameter in starter.model.parameters()} == {torch.float32}
    assert not any(parameter.requires_grad for parameter in starter.model.parameters())
    assert starter.parameters == sum(parameter.numel() for parameter in starter.model.parameters())
    assert starter.template == starter.tokenizer.chat_template
    assert starter.device == torch.device("cpu")


def test_the_starter_is_loaded_where_no_device_is_named():
    assert load_base().device.type in ("cpu", "cuda", "mps")


def test_a_local_folder_is_loaded_with_the_weights_it_holds(folder):
    base = load_base(str(folder), device="cpu")
    assert base.name == str(folder)
    assert (base.layers, base.hidden_size) == (3, 32)
    weights = load_file(folder / "model.safetensors")
    assert torch.equal(base.model.model.embed_tokens.weight, weights["model.embed_tokens.weight"])
    assert len(generate(base, "Hi", [None, ReftModel(base.model, ReftConfig())], max_new_tokens=3)) == 2


def test_a_base_without_a_template_gets_the_plain_one(folder):
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    edit(folder / "tokenizer_config.json", chat_template=None)
    base = load_base(str(folder), device="cpu")
    assert base.template == PLAIN_TEMPLATE
    assert generate(base, "Hi", max_new_tokens=2)


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "../starter",
        "~",
        "~/model",
        "/no/such/folder",
        "./no-such-folder",
        "no\\such\\folder",
        "C:\\model",
        "a/b/c",
        "owner/..",
        "owner/mo..del",
        "owner/",
        "/model",
        "https://huggingface.co/owner/model",
        "file:///etc",
        "s3://bucket/model",
        "//host/share",
        "owner/model?download=true",
        "owner/model#main",
        "owner/model@main",
        "owner/mod\nel",
        "owner/model\n",
        "owner/mod\x00el",
        "öwner/model",
        "-owner/model",
        "x" * 10_000,
        "x" * 5_000 + "/" + "y" * 5_000,
        "/" + "x/" * 5_000,
        "../" * 3_000,
    ],
    ids=lambda name: repr(name[:40]),
)
def test_a_name_that_is_no_model_is_refused_without_asking_anybody(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "is neither 'starter', nor a folder here, nor a Hub id" in refused(name)


def test_a_file_is_no_folder(folder):
    assert "is neither" in refused(str(folder / "config.json"))


@pytest.mark.parametrize("name", [".", "..", "../empty", "../../deep/empty"])
def test_a_folder_with_no_model_in_it_is_refused(name, tmp_path, monkeypatch):
    (tmp_path / "deep/empty").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep/empty")
    assert "could not be loaded as a base model" in refused(name)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.bin", "model.pt"])
def test_weights_that_are_only_pickled_are_refused_and_not_opened(folder, name):
    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(folder / "sprung"),))

    (folder / "model.safetensors").unlink()
    torch.save({"weight": Trap()}, folder / name)
    assert "safetensors" in refused(str(folder))
    assert not (folder / "sprung").exists()


def test_a_pickle_that_is_named_safetensors_is_refused_and_not_opened(folder):
    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(folder / "sprung"),))

    torch.save({"weight": Trap()}, folder / "model.safetensors")
    assert refused(str(folder))
    assert not (folder / "sprung").exists()


@pytest.mark.parametrize("keep", [0, 7, 100, -1])
def test_truncated_weights_are_refused(folder, keep):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    assert refused(str(folder))


def test_weights_of_another_shape_are_refused(folder):
    edit(folder / "config.json", hidden_size=64, head_dim=16)
    assert refused(str(folder))


def test_missing_weights_are_refused(folder):
    (folder / "model.safetensors").unlink()
    assert refused(str(folder))


def test_a_model_that_needs_code_of_its_own_is_refused_and_the_code_is_not_run(folder):
    (folder / "evil.py").write_text(CODE)
    edit(
        folder / "config.json",
        model_type="evil",
        architectures=["EvilModel"],
        auto_map={"AutoConfig": "evil.EvilConfig", "AutoModelForCausalLM": "evil.EvilModel"},
    )
    assert "program code of its own, which is never run here" in refused(str(folder))
    assert "SPRUNG" not in os.environ
    assert not any("evil" in name for name in sys.modules)


def test_code_beside_a_model_that_does_not_need_it_is_not_run(folder):
    (folder / "evil.py").write_text(CODE)
    (folder / "modeling_llama.py").write_text(CODE)
    edit(folder / "config.json", auto_map={"AutoConfig": "evil.EvilConfig", "AutoModelForCausalLM": "evil.EvilModel"})
    assert load_base(str(folder), device="cpu").layers == 3
    assert "SPRUNG" not in os.environ


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"text"', "{}", '{"model_type": "no such kind"}', '{"model_type": 3}'])
def test_a_configuration_that_is_none_is_refused(folder, text):
    (folder / "config.json").write_text(text)
    assert refused(str(folder))


@pytest.mark.parametrize("change", [{"num_hidden_layers": -1}, {"hidden_size": "wide"}, {"num_attention_heads": 0}, {"hidden_act": "evil"}])
def test_a_configuration_that_makes_no_model_is_refused(folder, change):
    edit(folder / "config.json", **change)
    assert refused(str(folder))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": "1.0"}'])
def test_a_tokenizer_that_is_none_is_refused(folder, text):
    (folder / "tokenizer.json").write_text(text)
    assert refused(str(folder))


def test_a_missing_tokenizer_is_refused(folder):
    for file in folder.glob("tokenizer*"):
        file.unlink()
    assert refused(str(folder))


def test_a_model_that_is_no_decoder_is_refused(folder):
    config = {"model_type": "t5", "architectures": ["T5ForConditionalGeneration"], "vocab_size": 2048, "d_model": 16}
    (folder / "config.json").write_text(json.dumps(config))
    assert refused(str(folder))


def test_a_folder_may_be_moved(folder, tmp_path):
    shutil.move(folder, tmp_path / "elsewhere")
    assert load_base(str(tmp_path / "elsewhere"), device="cpu").layers == 3


def test_weights_with_a_tensor_missing_are_refused_and_not_made_up(folder):
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert "model.layers.1.mlp.up_proj.weight" in refused(str(folder))


@pytest.mark.slow
@pytest.mark.parametrize("family", ["llama", "gpt2", "neox"])
@pytest.mark.parametrize("tied", [True, False])
def test_complete_weights_of_every_family_are_loaded(starter, make_model, tmp_path, family, tied):
    model = make_model(family, tie_word_embeddings=tied)
    model.save_pretrained(tmp_path)
    starter.tokenizer.save_pretrained(tmp_path)
    loaded = load_base(str(tmp_path), device="cpu").model
    ids = torch.arange(5, 15)[None]
    with torch.no_grad():
        assert torch.equal(loaded(ids).logits, model(ids).logits)


@pytest.mark.parametrize(
    ("name", "padding", "context"), [("roberta", 1, 158), ("roberta", 0, 159), ("bert", 1, 160), ("opt", 1, 160), ("m2m100", 1, 160)]
)
def test_the_context_is_the_longest_row_that_the_model_reads(starter, name, padding, context):
    model = families.build(name, pad_token_id=padding)
    base = replace(starter, model=model)
    assert base.context == context
    more = {"decoder_input_ids": torch.tensor([[2]])} if base.kind == "encoder_decoder" else {}
    assert model(input_ids=torch.full((1, context), 5), **more)[0].isfinite().all()


def test_the_context_of_a_model_with_a_part_for_pictures_is_its_text_models(starter, llama):
    config = transformers.LlavaConfig(text_config=llama.config, vision_config=transformers.CLIPVisionConfig(num_hidden_layers=1))
    with torch.device("meta"):
        base = replace(starter, model=transformers.LlavaForConditionalGeneration(config))
    assert base.context == llama.config.max_position_embeddings == 64


@pytest.mark.parametrize("name", [*families.DECODERS, *families.ENCODERS, *families.ENCODER_DECODERS])
def test_a_model_without_weights_reads_rows_as_the_whole_does(starter, name):
    whole = replace(starter, model=families.build(name))
    with torch.device("meta"):
        bare = replace(starter, model=type(whole.model)(whole.model.config))
    assert (bare.kind, bare.context, bare.layers, bare.hidden_size) == (whole.kind, whole.context, whole.layers, whole.hidden_size)


def test_a_base_model_is_loaded_without_its_weights_to_count_rows_with(folder, starter):
    for name, context in (("starter", starter.context), (str(folder), 64)):
        bare = load_tokenizer(name)
        assert {parameter.device.type for parameter in bare.model.parameters()} == {"meta"}
        assert (bare.template, bare.kind, bare.context) == (starter.template, "decoder", context)
        row = Example(1, (Message("user", "Hi"),), "Ho")
        assert encode(bare, row, 99) == encode(starter, row, 99)
        assert is_here(name)


@pytest.mark.parametrize("name", ["", "/nowhere", "https://example.org/x", "a/b/c"])
def test_a_base_model_to_count_with_that_is_none_is_refused(name):
    for ask in (load_tokenizer, is_here):
        with pytest.raises(ModelLoadError, match="neither 'starter', nor a folder here"):
            ask(name)


@pytest.mark.parametrize("device", ["foo", "cuda:99", "cpu:x", "meta"])
def test_a_device_that_is_not_there_is_refused_by_its_name(device):
    with pytest.raises(ModelLoadError, match=f"The device '{device}' cannot be used on this machine"):
        load_base("starter", device)


def test_a_model_that_does_not_fit_its_device_is_refused_in_a_sentence(monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(transformers.PreTrainedModel, "to", full)
    with pytest.raises(ModelLoadError, match="starter could not be loaded as a base model: CUDA out of memory"):
        load_base("starter", "cpu")


@pytest.mark.parametrize("called", ["safetensors", "offline", "connect-4", "bitsandbytes"])
def test_words_in_a_models_name_are_not_taken_for_what_is_wrong_with_it(folder, monkeypatch, called):
    monkeypatch.setattr(precisions, "find_spec", lambda _: None)
    shutil.move(folder, folder.parent / called)
    (folder.parent / called / "config.json").write_text("{")
    assert "could not be loaded as a base model" in refused(str(folder.parent / called))


@pytest.mark.parametrize("missing", ["bitsandbytes", "accelerate", None])
def test_installing_bitsandbytes_is_advised_only_where_it_is_missing(folder, monkeypatch, missing):
    def fails(*_, **__):
        raise ValueError("The state dict of bitsandbytes does not fit the quantization config.")

    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", fails)
    monkeypatch.setattr(precisions, "find_spec", lambda name: None if name == missing else True)
    assert ("pip install" in refused(str(folder))) == (missing is not None)
    if missing is None:
        assert "does not fit the quantization config" in refused(str(folder))


@pytest.mark.slow
def test_models_that_are_made_at_once_leave_torchs_own_type_as_it_was(tmp_path, starter):
    """Transformers sets it for the whole process while it makes a model, and then restores what it has found."""
    folder = tmp_path / "half"
    starter.model.config.save_pretrained(folder)
    starter.tokenizer.save_pretrained(folder)
    families.build("llama", vocab_size=len(starter.tokenizer)).half().save_pretrained(folder)
    failures = []

    def load(number):
        try:
            for _ in range(6):
                base = load_tokenizer(str(folder)) if number % 2 else load_base(folder, device="cpu", dtype="float16" if number else None)
                assert base.layers
        except Exception as error:  # noqa: BLE001 (a thread's error is the test's)
            failures.append(error)

    threads = [threading.Thread(target=load, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures and torch.get_default_dtype() is torch.float32


@pytest.mark.parametrize("method", METHODS)
def test_an_edit_is_made_in_float32_also_while_another_model_is_made(tiny, method):
    config = ReftConfig(method=method, rank=1 if method == "red" else 2, labels=("a", "b"))
    expected = make_trainable(tiny, config, seed=3).state_dict()
    torch.set_default_dtype(torch.float16)
    try:
        made = make_trainable(tiny, config, seed=3).state_dict()
    finally:
        torch.set_default_dtype(torch.float32)
    assert {value.dtype for value in made.values()} == {torch.float32}
    assert all(torch.equal(value, expected[name]) for name, value in made.items())
