"""Base models whose head writes no text: each is saved, loaded and verified, or refused when the edit is made."""

from dataclasses import replace

import pytest
import torch
import transformers
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForMultipleChoice,
    AutoModelForNextSentencePrediction,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

from reft_engine import ReftConfig, ReftModel, TrainConfig, classify, evaluate, generate, stream, train
from reft_engine.edits.model import verify_adapter
from reft_engine.errors import AdapterError, ConfigError
from reft_engine.formats.adapter import read_config
from tests.reft_engine import families

HEADS = {
    "none": AutoModel,
    "sequence": AutoModelForSequenceClassification,
    "token": AutoModelForTokenClassification,
    "question": AutoModelForQuestionAnswering,
    "masked": AutoModelForMaskedLM,
    "choice": AutoModelForMultipleChoice,
    "next": AutoModelForNextSentencePrediction,
}
MADE = [
    *[(family, head) for family in ("llama", "gpt2", "qwen3", "mpt") for head in ("none", "sequence", "question")],
    *[(family, head) for family in ("llama", "gpt2", "bloom") for head in ["token"]],
    *[(family, head) for family in ("bert", "roberta", "deberta-v2", "modernbert") for head in HEADS if head != "next"],
    ("bert", "next"),
    *[("t5", head) for head in ("none", "sequence", "token", "question")],
    *[("bart", head) for head in ("none", "sequence", "question")],
    ("m2m100", "none"),
]
SMALL = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48}


def headed(family, head, seed=0, **changes):
    """A tiny model of a family under another head, whose trunk has the family's weights."""
    plain = families.build(family, **changes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed + 7)
        return HEADS[head].from_config(plain.config, dtype=torch.float32).eval()


def behind(base, family, head):
    """Such a model behind the starter's tokenizer."""
    return replace(base, model=headed(family, head, vocab_size=len(base.tokenizer)).requires_grad_(False), name="other")


@pytest.mark.slow
@pytest.mark.parametrize("labels", [None, ("a", "b")], ids=["own", "labels"])
@pytest.mark.parametrize(("family", "head"), MADE)
def test_it_is_saved_loaded_and_verified(family, head, labels, strong, tmp_path):
    model = headed(family, head)
    reft = strong(model, positions="f2+l2", labels=labels)
    folder = reft.save(tmp_path)
    assert verify_adapter(folder, model) < 1e-4
    loaded = ReftModel.load(folder, model)
    assert all(torch.equal(value, reft.tensors()[name]) for name, value in loaded.tensors().items())
    # The canary tells the edit that was saved from another, and from none.
    canary = read_config(folder)["canary"]
    assert len(canary["logits"]) == min(16, len(canary["token_ids"])) >= 1
    strong(model, seed=5, positions="f2+l2", labels=labels).save(tmp_path / "other")
    (tmp_path / "other/reft_config.json").write_text((tmp_path / "reft_config.json").read_text())
    with pytest.raises(AdapterError, match="does not give the answers"):
        verify_adapter(tmp_path / "other", model)


@pytest.mark.parametrize(
    ("family", "head"),
    [("bert", "sequence"), ("bert", "question"), ("llama", "sequence"), ("gpt2", "token"), ("bart", "sequence"), ("t5", "sequence")],
)
def test_another_head_over_the_same_trunk_is_told(family, head, strong, tmp_path):
    model, other = headed(family, head), headed(family, head, seed=1)
    other.base_model.load_state_dict(model.base_model.state_dict())
    folder = strong(model).save(tmp_path)
    with pytest.raises(AdapterError, match="does not give the answers"):
        ReftModel.load(folder, other)
    assert ReftModel.load(folder, other, check=False)


def test_an_encoder_decoder_that_classifies_is_asked_with_its_end_token(tmp_path):
    model = headed("bart", "sequence")
    folder = ReftModel(model, ReftConfig(rank=1)).save(tmp_path)
    canary = read_config(folder)["canary"]
    assert canary["prompt_ids"][-1] == model.config.eos_token_id
    assert len(canary["logits"]) == model.config.num_labels
    written = read_config(ReftModel(families.build("bart"), ReftConfig(rank=1)).save(tmp_path / "writes"))["canary"]["prompt_ids"]
    assert model.config.eos_token_id not in written


def test_memory_that_runs_out_is_not_taken_for_another_kind_of_model(monkeypatch, tmp_path):
    model = headed("bert", "sequence")
    reft = ReftModel(model, ReftConfig(rank=1))

    def full(*args, **kwargs):
        raise torch.OutOfMemoryError("no memory")

    monkeypatch.setattr(model.classifier, "forward", full)
    with pytest.raises(torch.OutOfMemoryError):
        reft.save(tmp_path)


# --- what is refused when an edit is made


def vision(**changes):
    return {**SMALL, "image_size": 32, "patch_size": 16, **changes}


def text(**changes):
    return {**SMALL, "vocab_size": 97, "max_position_embeddings": 64, **changes}


def whisper():
    sizes = {"d_model": 32, "encoder_layers": 3, "decoder_layers": 3, "encoder_attention_heads": 4, "decoder_attention_heads": 4}
    tokens = {"vocab_size": 97, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}
    return transformers.WhisperForConditionalGeneration(transformers.WhisperConfig(**sizes, **tokens))


REFUSED = {
    "reads pixel_values, not token ids": lambda: transformers.ViTForImageClassification(transformers.ViTConfig(**vision())),
    "reads input_features, not token ids": whisper,
    "CLIPModel has no table of token embeddings": lambda: transformers.CLIPModel(
        transformers.CLIPConfig(text_config=text(), vision_config=vision(num_hidden_layers=2))
    ),
    "CanineModel has no table of token embeddings": lambda: transformers.CanineModel(transformers.CanineConfig(**SMALL)),
}


@pytest.mark.parametrize("labels", [None, ("a", "b")], ids=["own", "labels"])
@pytest.mark.parametrize("said", REFUSED)
def test_what_reads_no_tokens_is_refused_when_the_edit_is_made(said, labels):
    with pytest.raises(ConfigError, match=said) as refused:
        ReftModel(REFUSED[said](), ReftConfig(rank=2, labels=labels))
    assert (refused.value.field, refused.value.group, refused.value.detail) == ("base", "model", "be edited")


# --- the public functions on such a base model


@pytest.mark.parametrize(
    ("family", "head"), [("llama", "sequence"), ("llama", "none"), ("bert", "sequence"), ("t5", "none"), ("bart", "sequence")]
)
def test_what_needs_answers_is_refused_in_a_sentence(starter, family, head, tmp_path):
    base = behind(starter, family, head)
    reft = ReftModel(base.model, ReftConfig(rank=2))
    rows = [("one", "two"), ("three", "four")] * 4
    for way in (
        lambda: train(base, rows, ReftConfig(rank=2), TrainConfig(epochs=1), folder=tmp_path / "run"),
        lambda: train(base, [(*row, "five") for row in rows], ReftConfig(rank=2)),
        lambda: evaluate(base, reft, rows),
        lambda: generate(base, "one", [reft]),
        lambda: stream(base, "one", [None]),
        lambda: reft.generate(torch.tensor([[5, 6, 7]])),
    ):
        with pytest.raises(ConfigError, match="writes no answers") as refused:
            list(way() or ())
        assert len(str(refused.value).splitlines()) == 1
    assert not (tmp_path / "run").exists()
    assert reft.save_pyreft(tmp_path / "pyreft").is_dir()
    assert ReftModel.from_pyreft(tmp_path / "pyreft", base.model, "f7+l7").trainable_parameters == reft.trainable_parameters


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "head"), [("llama", "sequence"), ("bert", "question"), ("bert", "choice"), ("t5", "token"), ("bart", "sequence")]
)
def test_labels_of_ones_own_are_learned_on_any_of_them(starter, family, head, tmp_path):
    base = behind(starter, family, head)
    rows = [(f"a cat {n}", "cat") for n in range(6)] + [(f"the dog {n}", "dog") for n in range(6)]
    result = train(base, rows, ReftConfig(rank=2, labels=("cat", "dog")), TrainConfig(epochs=8, learning_rate=0.01), folder=tmp_path)
    assert result.loss_last < result.loss_first
    assert verify_adapter(tmp_path / "adapter", base.model) < 1e-4
    assert sum(classify(base, result.reft, ["a cat 9"])[0].values()) == pytest.approx(1.0)
    assert evaluate(base, result.reft, rows[:2])["tuned"]["loss"] > 0


@pytest.mark.parametrize(("family", "labels"), [("bert", [0, 1]), ("llama", [0, 1])])
def test_an_edit_under_a_frozen_head_learns_by_the_base_models_own_loss(family, labels, tmp_path):
    model = headed(family, "sequence", pad_token_id=0)
    head = (model.classifier if family == "bert" else model.score).weight.clone()
    reft = ReftModel(model, ReftConfig(rank=2, positions="all"), seed=1).train()
    optimizer = torch.optim.AdamW(reft.parameters(), lr=0.02)
    losses = []
    for _ in range(20):
        loss = reft(torch.tensor([[5, 6, 7], [8, 9, 10]]), labels=torch.tensor(labels)).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    assert torch.equal(head, (model.classifier if family == "bert" else model.score).weight)
    assert verify_adapter(reft.save(tmp_path), model) < 1e-4
