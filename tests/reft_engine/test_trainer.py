"""transformers' `Trainer` trains a `ReftModel`: what it asks of a model is answered by the edit or by its base model."""

import copy
import dataclasses

import pytest
import torch
from accelerate.state import AcceleratorState
from datasets import Dataset
from safetensors.torch import load_file
from torch.nn import functional as F
from transformers import LlamaConfig, Trainer, TrainingArguments
from transformers.trainer_pt_utils import LabelSmoother

from reft_engine import ReftConfig, ReftModel
from reft_engine.base import blocks
from reft_engine.errors import ConfigError
from reft_engine.methods import METHODS
from tests.reft_engine import families

ROWS, PROMPT, ANSWER = 12, 6, 3
LABELS = ("low", "high")


@pytest.fixture(autouse=True)
def _fresh_accelerate():
    """What one Trainer sets up (the precision) holds for all later ones of a process."""
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


def a_row(index):
    """A prompt of 6 or 4 tokens and an answer of 3 that follows from its first token."""
    prompt = [10 + index, *range(40, 39 + PROMPT - 2 * (index % 2))]
    return {"input_ids": [*prompt, *[20 + index % 3] * ANSWER], "prompt_lengths": len(prompt)}


def padded(rows, side="right"):
    """Rows as a batch: what a collator of one's own gives."""
    width = max(len(row["input_ids"]) for row in rows)
    found = {"input_ids": [], "attention_mask": [], "labels": []}
    for row in rows:
        ids, pad = row["input_ids"], width - len(row["input_ids"])
        masked = [-100] * row["prompt_lengths"] + ids[row["prompt_lengths"] :]
        for name, values, filling in (("input_ids", ids, 0), ("attention_mask", [1] * len(ids), 0), ("labels", masked, -100)):
            found[name].append(values + [filling] * pad if side == "right" else [filling] * pad + values)
    return {**{name: torch.tensor(values) for name, values in found.items()}, "prompt_lengths": [row["prompt_lengths"] for row in rows]}


def unlengthed(rows):
    """As TRL's collator: nothing but the labels says what the prompt is."""
    return {name: value for name, value in padded(rows).items() if name != "prompt_lengths"}


DATA = [a_row(index) for index in range(ROWS)]
TEXTS = [{"input_ids": [10 + index, 40 + index, 30], "attention_mask": [1] * 3, "label": index % 2} for index in range(ROWS)]


def settings(folder, **changes):
    given = {
        "num_train_epochs": 4, "per_device_train_batch_size": 4, "per_device_eval_batch_size": 5, "learning_rate": 0.02, "use_cpu": True,
        "report_to": [], "disable_tqdm": True, "save_strategy": "no", "logging_steps": 1, "lr_scheduler_type": "constant",
        "max_grad_norm": 1e9, **changes,
    }  # fmt: skip
    return TrainingArguments(str(folder), **given)


def edit_of(model, **config):
    return ReftModel(model, ReftConfig(**{"rank": 2, "positions": "f2+l1", **config}), seed=3)


def trainer_of(reft, folder, data=DATA, collator=padded, **changes):
    return Trainer(reft, settings(folder, **changes), train_dataset=data, eval_dataset=data, data_collator=collator)


def losses_of(trainer):
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def by_hand(reft, rows=DATA, **inputs):
    """Mean loss of all answer tokens."""
    batch = {**padded(rows), **inputs}
    logits, labels = reft(batch["input_ids"], batch["attention_mask"], batch["prompt_lengths"]).logits, batch["labels"]
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())


# --- training


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_it_trains_the_edit_and_nothing_else(make_model, method, tmp_path):
    model = make_model()
    before = copy.deepcopy(model.state_dict())
    reft = edit_of(model, method=method)
    start = {name: weight.clone() for name, weight in reft.state_dict().items()}
    trainer = trainer_of(reft, tmp_path)
    trainer.train()
    losses = losses_of(trainer)
    assert len(losses) == 12 and losses[-1] < 0.97 * losses[0]
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
    assert not any(weight.requires_grad or weight.grad is not None for weight in model.parameters())
    moved = {name for name, weight in reft.state_dict().items() if not torch.equal(weight, start[name])}
    assert moved == {name for name, _ in reft.named_parameters()}
    ids = padded(DATA)["input_ids"]
    assert torch.equal(model(ids).logits, reft(ids, strength=0.0).logits)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["bert", "t5"])
def test_other_families_train_too(family, tmp_path):
    if family == "bert":
        reft = edit_of(families.build("bert"), labels=LABELS)
        rows = [{**row, "token_type_ids": [0, 1, 1]} for row in TEXTS]
    else:
        rows = [{"input_ids": row["input_ids"][:4], "attention_mask": [1] * 4, "labels": row["input_ids"][-ANSWER:]} for row in DATA]
        reft = edit_of(families.build("t5"))
    trainer = Trainer(reft, settings(tmp_path), train_dataset=Dataset.from_list(rows))
    trainer.train()
    assert losses_of(trainer)[-1] < losses_of(trainer)[0]


@pytest.mark.slow
def test_columns_that_are_read_are_not_removed(llama, tmp_path):
    data = Dataset.from_list([{**row, "marked": [1], "strength": 1.0, "remark": "no"} for row in DATA])
    seen = []

    def collator(rows):
        seen.append(set(rows[0]))
        return padded(rows)

    trainer_of(edit_of(llama), tmp_path, data, collator, max_steps=1).train()
    assert seen[0] == {"input_ids", "prompt_lengths", "marked", "strength"}


def test_the_kind_of_a_token_reaches_an_encoder(tmp_path):
    bert, ids = families.build("bert"), torch.tensor([[5, 6, 7]])
    reft = edit_of(bert, labels=LABELS)
    kinds = torch.tensor([[0, 1, 1]])
    assert not torch.equal(reft(ids, token_type_ids=kinds).logits, reft(ids).logits)
    assert "token_type_ids" in Trainer(reft, settings(tmp_path))._get_collator_with_removed_columns(padded).signature_columns


def test_the_loss_is_that_of_the_answers_tokens(llama, tmp_path):
    reft = edit_of(llama).eval()
    loss = trainer_of(reft, tmp_path).compute_loss(reft, padded(DATA))
    assert loss.item() == pytest.approx(by_hand(reft).item(), rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("labels", [None, LABELS], ids=["answers", "labels"])
def test_gradient_accumulation_gives_the_step_of_one_large_batch(llama, labels, tmp_path):
    moved = []
    for rows, times in ((12, 1), (4, 3)):
        reft = edit_of(llama, labels=labels)
        changes = {"per_device_train_batch_size": rows, "gradient_accumulation_steps": times, "max_steps": 1, "optim": "sgd"}
        data, collator = (DATA, padded) if labels is None else (TEXTS, None)
        trainer_of(reft, tmp_path, data, collator, **changes).train()
        moved.append(torch.cat([weight.detach().flatten() for weight in reft.parameters()]))
    start = torch.cat([weight.detach().flatten() for weight in edit_of(llama, labels=labels).parameters()])
    assert (moved[0] - start).abs().max() > 1e-4
    torch.testing.assert_close(moved[0], moved[1], rtol=0, atol=1e-6)


def test_label_smoothing_moves_labels_on_by_one_as_for_the_base_models_class(llama, tmp_path):
    reft = edit_of(llama).eval()
    found = trainer_of(reft, tmp_path, label_smoothing_factor=0.2).compute_loss(reft, padded(DATA))
    batch = padded(DATA)
    output = reft(batch["input_ids"], batch["attention_mask"], batch["prompt_lengths"])
    wanted = LabelSmoother(0.2)({"logits": output.logits}, batch["labels"], shift_labels=True)
    assert found.item() == pytest.approx(wanted.item(), rel=1e-6)
    assert repr(reft).startswith("ReftModel(\n  (intervention): LowRankEdit(\n    loreft\n")


@pytest.mark.slow
def test_checkpointed_activations_cost_a_second_pass_and_give_the_same_step(make_model, tmp_path, monkeypatch):
    model, passes, moved = make_model(), [], []
    block = blocks.find_blocks(model)[2].self_attn
    forward = block.forward
    monkeypatch.setattr(block, "forward", lambda *args, **kwargs: passes.append(1) or forward(*args, **kwargs))
    for checkpointing in (False, True):
        reft = edit_of(model)
        passes.clear()
        trainer_of(reft, tmp_path, activation_checkpointing=checkpointing, max_steps=2, optim="sgd").train()
        moved.append((len(passes), torch.cat([weight.detach().flatten() for weight in reft.parameters()])))
    assert [times for times, _ in moved] == [2, 4]
    torch.testing.assert_close(moved[0][1], moved[1][1], rtol=0, atol=1e-6)
    assert not model.is_activation_checkpointing


def test_checkpointing_is_switched_by_either_name_and_refuses_what_it_does_not_do(llama):
    reft = edit_of(llama)
    reft.gradient_checkpointing_enable({"use_reentrant": False})
    assert reft.is_gradient_checkpointing and reft.is_activation_checkpointing
    reft.gradient_checkpointing_disable()
    assert not reft.is_activation_checkpointing
    for odd in ({"every_n_layers": 2}, {"offload": True}):
        with pytest.raises(ConfigError, match="every block twice or none"):
            reft.activation_checkpointing_enable(**odd)


@pytest.mark.slow
def test_bfloat16_trains_and_the_rows_stay_orthonormal(llama, tmp_path):
    reft = edit_of(llama)
    trainer = trainer_of(reft, tmp_path, bf16=True)
    trainer.train()
    assert losses_of(trainer)[-1] < 0.97 * losses_of(trainer)[0]
    rows = reft.intervention.projection().detach()
    assert (rows @ rows.mT - torch.eye(2)).abs().max() < 1e-5
    assert trainer.evaluate()["eval_loss"] > 0


# --- what is the prompt


@pytest.mark.parametrize("side", ["left", "right"])
def test_without_lengths_the_prompt_is_what_stands_before_the_first_label(make_model, strong, side):
    reft = strong(make_model(), positions="f1+l2")
    batch = padded(DATA, side)
    lengths = batch.pop("prompt_lengths")
    told = reft(**{name: value for name, value in batch.items() if name != "labels"}, prompt_lengths=lengths).logits
    assert torch.equal(reft(**batch).logits, told)
    whole = reft(batch["input_ids"], batch["attention_mask"]).logits
    assert not torch.equal(whole, told)
    # Labels from the first token on, or none at all, say nothing of a prompt.
    everything = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    assert torch.equal(reft(**{**batch, "labels": everything}).logits, whole)
    assert torch.equal(reft(**{**batch, "labels": torch.full_like(everything, -100)}).logits, whole)


def test_lengths_that_are_given_count_more_than_labels(llama, strong):
    reft = strong(llama, positions="f1+l2")
    batch = padded(DATA)
    batch["prompt_lengths"] = [3] * ROWS
    told = reft(batch["input_ids"], batch["attention_mask"], [3] * ROWS).logits
    assert torch.equal(reft(**batch).logits, told)


def test_labels_of_tokens_or_of_answers_apart_leave_the_whole_text_a_prompt(strong):
    for model in (families.build("t5"), families.build("bert")):
        reft, ids = strong(model, positions="l1", scale=9.0), torch.tensor([[5, 6, 7, 8]])
        extra = {"decoder_input_ids": ids} if blocks.is_encoder_decoder(model) else {}
        labels = torch.tensor([[-100, -100, 9, 2]])
        if extra:
            plain, given = reft(ids, **extra), reft(ids, labels=labels, **extra)
            assert torch.equal(plain.logits, given.logits)
        else:
            assert reft._mask_and_plan(ids, None, None, None, False, labels)[1].columns[0].tolist() == [3]


@pytest.mark.slow
def test_a_collator_that_gives_labels_alone_trains_the_same(llama, tmp_path):
    ended = []
    for collator in (padded, unlengthed):
        reft = edit_of(llama)
        trainer_of(reft, tmp_path, collator=collator, max_steps=3).train()
        ended.append(torch.cat([weight.detach().flatten() for weight in reft.parameters()]))
    assert torch.equal(*ended)


# --- measuring, saving, going on


@pytest.mark.slow
def test_evaluate_and_predict_measure_the_edit(llama, tmp_path):
    reft = edit_of(llama)
    trainer = trainer_of(reft, tmp_path, collator=unlengthed, per_device_eval_batch_size=ROWS)
    trainer.train()
    assert trainer.evaluate()["eval_loss"] == pytest.approx(by_hand(reft.eval()).item(), rel=1e-5)
    found = trainer.predict(DATA)
    torch.testing.assert_close(torch.from_numpy(found.predictions), reft(**padded(DATA)).logits, rtol=0, atol=1e-5)
    assert found.label_ids.shape == (ROWS, PROMPT + ANSWER)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_what_it_saves_are_the_edits_numbers_alone_and_gives_the_edit_back(llama, method, tmp_path):
    reft = edit_of(llama, method=method)
    trainer = trainer_of(reft, tmp_path, max_steps=3)
    trainer.train()
    trainer.save_model(tmp_path / "saved")
    state = load_file(tmp_path / "saved/model.safetensors")
    assert set(state) == set(reft.state_dict())
    fresh = edit_of(llama, method=method)
    fresh.load_state_dict(state)
    batch = padded(DATA)
    assert torch.equal(fresh.eval()(**batch).logits, reft.eval()(**batch).logits)
    adapter = ReftModel.load(trainer.model.save(tmp_path / "adapter"), llama)
    assert adapter.reft_config == reft.reft_config


@pytest.mark.slow
def test_a_run_that_was_stopped_goes_on_from_its_checkpoint(llama, tmp_path):
    ended = []
    for steps in ((6,), (3, 6)):
        folder = tmp_path / str(len(steps))
        for last in steps:
            reft = edit_of(llama, dropout=0.1)
            trainer = trainer_of(reft, folder, max_steps=last, save_strategy="steps", save_steps=3)
            trainer.train(resume_from_checkpoint=last == 6 and len(steps) == 2)
        ended.append(torch.cat([weight.detach().flatten() for weight in reft.parameters()]))
    assert torch.equal(*ended)


@pytest.mark.slow
def test_the_best_checkpoint_is_loaded_at_the_end(llama, tmp_path):
    reft = edit_of(llama)
    changes = {"eval_strategy": "steps", "eval_steps": 2, "save_strategy": "steps", "save_steps": 2, "load_best_model_at_end": True}
    trainer = trainer_of(reft, tmp_path, max_steps=8, learning_rate=0.3, per_device_eval_batch_size=ROWS, **changes)
    trainer.train()
    measured = [entry["eval_loss"] for entry in trainer.state.log_history if "eval_loss" in entry]
    assert trainer.state.best_metric == min(measured) < max(measured)
    assert by_hand(reft.eval()).item() == pytest.approx(min(measured), rel=1e-5)


# --- a classifier


@pytest.mark.slow
def test_a_classifier_learns_its_labels(llama, tmp_path):
    reft = edit_of(llama, labels=LABELS, positions="all")

    def right(found):
        return {"right": float((found.predictions.argmax(-1) == found.label_ids).mean())}

    arguments = settings(tmp_path, num_train_epochs=20, learning_rate=0.01)
    trainer = Trainer(reft, arguments, train_dataset=TEXTS, eval_dataset=TEXTS, compute_metrics=right)
    trainer.train()
    measured = trainer.evaluate()
    assert measured["eval_right"] == 1.0
    logits = reft.eval()(torch.tensor([row["input_ids"] for row in TEXTS])).logits
    wanted = F.cross_entropy(logits, torch.tensor([row["label"] for row in TEXTS]))
    assert trainer.predict(TEXTS).predictions.shape == (ROWS, 2)
    assert trainer.evaluate()["eval_loss"] == pytest.approx(wanted.item(), rel=0.2)  # a mean of batches of unequal size


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (torch.tensor([0, 2]), "labels holds 2; this classifier has the labels 0 to 1"),
        (torch.tensor([0, -1]), "labels holds -1"),
        (torch.tensor([0.0, 1.0]), "not torch.float32"),
        (torch.tensor([0]), "each of the 2 rows"),
        (torch.tensor([[0], [1]]), "each of the 2 rows"),
        ([0, 1], "not list"),
    ],
)
def test_labels_that_a_classifier_does_not_have_are_refused(llama, labels, said):
    with pytest.raises(ConfigError, match=said):
        edit_of(llama, labels=LABELS)(torch.tensor([[5, 6], [7, 8]]), labels=labels)


def test_a_row_without_a_label_is_no_part_of_the_loss(llama):
    reft, ids = edit_of(llama, labels=LABELS).eval(), torch.tensor([[5, 6], [7, 8]])
    both, one = reft(ids, labels=torch.tensor([1, -100])).loss, reft(ids[:1], labels=torch.tensor([1])).loss
    assert both.item() == pytest.approx(one.item(), rel=1e-5)


def test_labels_for_a_model_without_a_head_are_refused_with_the_way_out():
    with pytest.raises(ConfigError, match=r"BertModel has no head that learns from labels; ReftConfig\(labels=...\) gives the edit one"):
        edit_of(families.build("bert"))(torch.tensor([[5, 6]]), labels=torch.tensor([1]))


# --- what the base model answers


def test_config_is_the_base_models_and_can_be_read_and_set(make_model):
    model = make_model()
    reft = edit_of(model)
    assert reft.config is model.config and reft.reft_config.rank == 2
    reft.config.use_cache = False
    reft.config.pad_token_id = 5
    assert (model.config.use_cache, model.config.pad_token_id) == (False, 5)
    reft.config = other = LlamaConfig(**model.config.to_dict())
    assert model.config is other is reft.config
    for odd in (ReftConfig(), {}, None):
        with pytest.raises(ConfigError, match="base model's own"):
            reft.config = odd
    assert model.config is other


def test_inside_peft_the_config_is_that_of_the_model_itself(make_model):
    from peft import LoraConfig, get_peft_model

    model = make_model()
    adapted = get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj"]))
    reft = edit_of(adapted)
    assert reft.config is model.config
    assert reft.generation_config is model.generation_config
    assert reft.can_generate() and reft.loss_type == model.loss_type


def test_the_base_model_answers_for_the_rest(make_model):
    model = make_model()
    reft = edit_of(model)
    own = sum(weight.numel() for weight in reft.parameters())
    assert reft.num_parameters() == model.num_parameters() + own
    assert reft.num_parameters(only_trainable=True) == own
    assert reft.num_parameters(exclude_embeddings=True) == model.num_parameters(exclude_embeddings=True) + own
    assert (reft.device, reft.dtype) == (torch.device("cpu"), torch.float32)
    assert reft.get_input_embeddings() is model.get_input_embeddings()
    assert reft.get_output_embeddings() is model.get_output_embeddings()
    assert (reft.main_input_name, reft.loss_type, reft.accepts_loss_kwargs) == ("input_ids", "ForCausalLM", True)
    assert not hasattr(reft, "hf_device_map")
    model.hf_device_map = {"": "cpu"}
    assert reft.hf_device_map == {"": "cpu"}
    reft.generation_config = changed = copy.deepcopy(model.generation_config)
    assert model.generation_config is changed
    reft.add_model_tags(["trl", "sft"])
    reft.add_model_tags("sft")
    assert reft.model_tags == ["trl", "sft"]


def test_what_would_be_wrong_of_an_edit_is_not_answered(make_model):
    model = make_model()
    model.is_loaded_in_4bit = model.is_quantized = True
    reft = edit_of(model)
    for name in ("is_loaded_in_4bit", "is_quantized", "quantization_method", "save_pretrained", "resize_token_embeddings", "tie_weights"):
        assert not hasattr(reft, name)


def test_a_classifier_has_a_loss_of_its_own(llama):
    reft = edit_of(llama, labels=LABELS)
    assert (reft.can_generate(), reft.loss_type, reft.accepts_loss_kwargs) == (False, None, True)
    assert not edit_of(families.build("bert")).can_generate()


def test_a_model_without_loss_arguments_is_given_none(make_model, monkeypatch):
    model = make_model()
    reft = edit_of(model)
    model.accepts_loss_kwargs = False
    assert not reft.accepts_loss_kwargs
    del model.accepts_loss_kwargs
    monkeypatch.setattr(model, "forward", lambda input_ids, labels=None: None)
    assert not reft.accepts_loss_kwargs


def test_a_move_takes_the_base_model_along_and_a_cast_does_not_touch_it(make_model):
    model = make_model()
    reft = edit_of(model)
    reft.to(torch.bfloat16)
    assert reft.dtype == torch.float32 == next(reft.parameters()).dtype
    reft.to("meta")
    assert next(model.parameters()).device.type == reft.device.type == next(reft.parameters()).device.type == "meta"


def test_several_gpus_in_one_process_are_refused(llama):
    with pytest.raises(ConfigError, match="one process for each GPU"):
        edit_of(llama)._replicate_for_data_parallel()


def test_an_edit_is_no_base_model(llama, tmp_path):
    reft = edit_of(llama)
    folder = reft.save(tmp_path / "adapter")
    reft.save_pyreft(tmp_path / "pyreft")
    for way in (
        lambda: ReftModel(reft, ReftConfig()),
        lambda: ReftModel.load(folder, reft),
        lambda: ReftModel.from_pyreft(tmp_path / "pyreft", reft),
    ):
        with pytest.raises(ConfigError, match=r"edited model already. Give its base model \(.base\)"):
            way()


@pytest.mark.slow
def test_a_tokenizer_is_aligned_with_the_base_models_config(starter, tmp_path):
    model = copy.deepcopy(starter.model)
    model.config.pad_token_id = model.generation_config.pad_token_id = 77
    row = {"input_ids": [5, 6, 7, 8], "labels": [-100, -100, 7, 8]}
    trainer = Trainer(edit_of(model), settings(tmp_path, max_steps=1), train_dataset=[row] * 4, processing_class=starter.tokenizer)
    trainer.train()
    assert model.config.pad_token_id == starter.tokenizer.pad_token_id != 77


def test_outputs_are_the_base_models_own(llama):
    reft = edit_of(llama).eval()
    batch = padded(DATA)
    output = reft(**batch)
    assert dataclasses.is_dataclass(output) and type(output) is type(llama(batch["input_ids"]))
    assert output.loss.item() == pytest.approx(by_hand(reft).item(), rel=1e-6)
