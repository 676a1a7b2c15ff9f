"""LoRA, DoRA, (IA)3, prefix and prompt tuning: what PEFT computes, trained by the engine's loop beside a base model that stays as it is."""

import json
import sys
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional as F

from reft_engine import (
    BASELINES,
    AdapterError,
    ConfigError,
    PeftConfig,
    ReftConfig,
    ReftModel,
    RunSpec,
    TrainConfig,
    classify,
    evaluate,
    generate,
    load_adapter,
    stream,
    train,
    train_many,
)
from reft_engine.base import blocks
from reft_engine.base.loading import TEXT_TEMPLATE
from reft_engine.baselines import PeftBaseline
from reft_engine.trainable import Trainable, verify_adapter
from reft_engine.training import losses
from reft_engine.training.events import HeldOutEvent, ReuseEvent, StepEvent
from reft_engine.training.objectives import objective_for
from reft_engine.training.rows import encoded_of, read_rows
from tests.reft_engine import families

IDENTITIES = [name for name, method in BASELINES.items() if method.identity]
SETTINGS = TrainConfig(epochs=2, batch_size=4, learning_rate=1e-2, held_out=0.25)


def config_of(method, **changes):
    return PeftConfig(**{"method": method, "rank": 4, "virtual_tokens": 3, **changes})


def moved(made, scale=0.3):
    """The baseline with weights far from where it began, so that no effect of it hides in rounding."""
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(scale * torch.randn_like(weight))
    return made


def snapshot(model):
    return {name: value.clone() for name, value in model.state_dict().items()}, [name for name, _ in model.named_modules()]


def unchanged(model, before):
    weights, modules = snapshot(model)
    return modules == before[1] and weights.keys() == before[0].keys() and all(torch.equal(weights[key], before[0][key]) for key in weights)


def encoded(base, examples, config):
    objective = objective_for(base, config, SETTINGS, examples)
    return objective, encoded_of(read_rows(objective, examples).usable)


@pytest.mark.parametrize("method", IDENTITIES)
@pytest.mark.parametrize("family", ["llama", "qwen2", "gemma2", "opt"])
def test_what_starts_as_the_identity_gives_the_logits_of_the_base(method, family):
    model = families.build(family)
    made, ids = PeftBaseline(model, config_of(method)), torch.arange(5, 17)[None]
    with torch.no_grad():
        assert torch.equal(made.acting().model(ids).logits, model(ids).logits)
        assert not torch.equal(moved(made).acting().model(ids).logits, model(ids).logits)


@pytest.mark.parametrize("method", BASELINES)
def test_the_loss_of_a_batch_is_that_of_pefts_own_model_row_by_row(tiny, examples, method):
    config = config_of(method)
    objective, rows = encoded(tiny, examples[:5], config)
    made, expected = moved(PeftBaseline(tiny, config)), 0.0
    with torch.no_grad():
        for row in rows:
            logits = made.peft(input_ids=torch.tensor([row.ids])).logits[0, -row.length :]
            wanted = torch.tensor(row.answer_ids)
            expected += float(F.cross_entropy(logits[len(row.prompt_ids) - 1 : -1], wanted, reduction="sum"))
        found = float(objective.loss(rows, made, made.acting()))
        bare, without = float(objective.loss(rows, made, None)), 0.0
        with made.peft.disable_adapter():
            for row in rows:
                logits = made.peft(input_ids=torch.tensor([row.ids])).logits[0]
                without += float(F.cross_entropy(logits[len(row.prompt_ids) - 1 : -1], torch.tensor(row.answer_ids), reduction="sum"))
    assert found == pytest.approx(expected, rel=1e-5) and bare == pytest.approx(without, rel=1e-5)
    assert abs(found - bare) > 0.01 * bare


@pytest.mark.parametrize("method", BASELINES)
def test_rows_of_a_batch_answer_as_each_does_alone(tiny, examples, method):
    config = config_of(method)
    objective, rows = encoded(tiny, examples[:5], config)
    acting = moved(PeftBaseline(tiny, config))
    together = objective.outputs(rows, acting, acting.acting())
    alone = torch.cat([objective.outputs([row], acting, acting.acting()) for row in rows])
    assert (together - alone).abs().max() < 1e-5 * alone.abs().max()


@pytest.mark.parametrize("method", BASELINES)
def test_without_its_adapter_pefts_model_is_the_base_exactly(tiny, method):
    made, ids = moved(PeftBaseline(tiny, config_of(method))), torch.arange(5, 17)[None]
    with torch.no_grad(), made.peft.disable_adapter():
        assert torch.equal(made.peft(input_ids=ids).logits, tiny.model(ids).logits)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["lora", "prompt"])
@pytest.mark.parametrize("change", ["in parts", "twice"])
def test_a_step_is_the_same_with_logits_in_parts_and_with_blocks_computed_twice(tiny, examples, method, change, monkeypatch):
    config = config_of(method)
    found = []
    for changed in (False, True):
        if changed and change == "in parts":
            monkeypatch.setattr(losses, "_MAX_LOGITS", 3 * blocks.vocabulary_size(tiny.model))
        objective, rows = encoded(tiny, examples[:5], config)
        objective.train_config = SETTINGS.model_copy(update={"gradient_checkpointing": changed and change == "twice"})
        made = moved(PeftBaseline(tiny, config))
        loss = objective.loss(rows, made, made.begin_step(1, 0))
        loss.backward()
        found.append((loss.item(), torch.cat([weight.grad.flatten() for weight in made.parameters()])))
    (loss, gradient), (again, same) = found
    assert again == pytest.approx(loss, rel=1e-6) and gradient.abs().max() > 0
    assert (gradient - same).abs().max() < 1e-5 * gradient.abs().max()


def test_ia3_scales_keys_values_and_inner_values_as_by_hand(tiny):
    made, ids = moved(PeftBaseline(tiny, config_of("ia3"))), torch.arange(5, 17)[None]
    by_hand = families.build("llama", vocab_size=blocks.vocabulary_size(tiny.model))
    by_hand.load_state_dict(tiny.model.state_dict())
    vectors = made.state_dict()
    assert len(vectors) == 3 * tiny.layers
    with torch.no_grad():
        for index, block in enumerate(by_hand.model.layers):
            of = {name.split(".ia3_l")[0].rpartition(".")[2]: value for name, value in vectors.items() if f"layers.{index}." in name}
            for part in ("k_proj", "v_proj"):
                getattr(block.self_attn, part).weight.mul_(of[part].reshape(-1, 1))
            block.mlp.down_proj.weight.mul_(of["down_proj"].reshape(1, -1))
        expected = by_hand(ids).logits
        assert (made.acting().model(ids).logits - expected).abs().max() < 1e-5 * expected.abs().max()
        assert (tiny.model(ids).logits - expected).abs().max() > 0.1


@pytest.mark.parametrize(("family", "expected"), [
    ("llama", 3 * (2 * 16 + 48)), ("qwen2", 3 * (2 * 16 + 48)), ("gemma2", 3 * (2 * 16 + 48)), ("opt", 3 * (2 * 32 + 48)),
    ("bert", 3 * (2 * 32 + 48)), ("roberta", 3 * (2 * 32 + 48)), ("t5", 3 * (2 * 32 + 48) + 3 * (4 * 32 + 48)),
    ("bart", 3 * (2 * 32 + 48) + 3 * (4 * 32 + 48)),
])  # fmt: skip
def test_ia3_has_one_number_for_each_key_value_and_inner_value_of_each_block(family, expected):
    assert PeftBaseline(families.build(family), PeftConfig(method="ia3")).trainable_parameters == expected


@pytest.mark.parametrize("family", ["gpt2", "gpt-neox", "mixtral", "phi3"])
def test_ia3_refuses_blocks_without_keys_values_and_one_last_layer_of_their_own(family):
    with pytest.raises(ConfigError, match="cannot be told apart") as caught:
        PeftBaseline(families.build(family), PeftConfig(method="ia3"))
    assert caught.value.field == "targets"


@pytest.mark.parametrize(("family", "layers"), [
    ("llama", 6), ("gpt2", 3), ("phi3", 3), ("gpt-neox", 3), ("bloom", 3), ("bert", 6), ("t5", 18), ("bart", 18), ("mixtral", 6),
])  # fmt: skip
def test_lora_finds_queries_and_values_of_every_family(family, layers):
    made = PeftBaseline(families.build(family), PeftConfig(rank=2))
    names = [name for name in made.state_dict() if "lora_A" in name]
    assert len(names) == layers and not any("dense" in name or "mlp" in name for name in names)


def test_targets_name_other_layers_and_unknown_ones_are_refused(llama):
    made = PeftBaseline(llama, PeftConfig(rank=2, targets=("mlp.up_proj", "o_proj")))
    assert {name.split(".lora")[0].rpartition(".")[2] for name in made.state_dict()} == {"up_proj", "o_proj"}
    with pytest.raises(ConfigError, match="no linear layer named nothing"):
        PeftBaseline(llama, PeftConfig(targets=("nothing",)))


@pytest.mark.parametrize("method", ["lora", "dora", "ia3"])
def test_only_the_chosen_blocks_are_changed(tiny, method):
    whole, part = (PeftBaseline(tiny, config_of(method, layers=layers)) for layers in ("all", (0, 2)))
    blocks_of = [{int(name.split("layers.")[1].split(".")[0]) for name in made.state_dict()} for made in (whole, part)]
    assert blocks_of == [{0, 1, 2}, {0, 2}] and 3 * part.trainable_parameters == 2 * whole.trainable_parameters
    edit = moved(PeftBaseline(tiny, config_of(method, layers=(2,))))
    ids = torch.arange(5, 17)[None]
    with torch.no_grad():
        changed, plain = (model(input_ids=ids, output_hidden_states=True).hidden_states for model in (edit.acting().model, tiny.model))
    assert torch.equal(changed[2], plain[2]) and not torch.equal(changed[3], plain[3]), "what comes before the block is as it was"
    with pytest.raises(ConfigError, match="Layer 3 does not exist"):
        PeftBaseline(tiny, config_of(method, layers=(3,)))


def test_layers_of_an_encoder_decoder_are_those_of_both_stacks():
    whole, part = (PeftBaseline(families.build("t5"), PeftConfig(method="ia3", layers=layers)) for layers in ("all", (1,)))
    assert 3 * part.trainable_parameters == whole.trainable_parameters
    assert {name.split(".block.")[0].rpartition(".")[2] for name in part.state_dict()} == {"encoder", "decoder"}


def test_rows_with_baselines_on_different_layers_are_answered_in_one_batch(tiny):
    made = [moved(PeftBaseline(tiny, config_of("lora", layers=layers))) for layers in ((0,), (1, 2), "all")]
    together = generate(tiny, "What is 2 owl?", [None, *made], max_new_tokens=5)
    assert together == [generate(tiny, "What is 2 owl?", [each], max_new_tokens=5)[0] for each in (None, *made)]
    assert len(set(together)) > 2


def test_a_summary_names_the_library_of_a_baseline(tiny, examples):
    settings = SETTINGS.model_copy(update={"epochs": 1})
    assert train(tiny, examples, config_of("ia3"), settings).summary()["library"].startswith("PEFT 0.")
    assert train(tiny, examples, ReftConfig(rank=1), settings).summary()["library"] is None


@pytest.mark.slow
@pytest.mark.parametrize("method", BASELINES)
def test_a_run_measures_keeps_the_best_saves_and_gives_equal_answers_when_loaded(tiny, examples, method, tmp_path):
    before, events = snapshot(tiny.model), []
    result = train(tiny, examples, config_of(method), SETTINGS, folder=tmp_path, on_event=events.append)
    assert isinstance(result.reft, PeftBaseline) and isinstance(result.reft, Trainable)
    looks = [event for event in events if isinstance(event, HeldOutEvent)]
    assert looks[0].step == 0 and min(look.loss for look in looks[1:]) < looks[0].loss and result.best_step
    assert (looks[0].loss == pytest.approx(looks[0].loss_base, rel=1e-6)) == BASELINES[method].identity
    assert not [event for event in events if isinstance(event, ReuseEvent)]
    assert unchanged(tiny.model, before)
    loaded, ids = load_adapter(tmp_path / "adapter", tiny), torch.arange(5, 17)[None]
    with torch.no_grad():
        assert torch.equal(loaded.acting().model(input_ids=ids).logits, result.reft.acting().model(input_ids=ids).logits)
    assert verify_adapter(tmp_path / "adapter", tiny.model) < 1e-6
    answers = generate(tiny, "What is 2 owl?", [None, loaded], max_new_tokens=5)
    assert answers[0] == generate(tiny, "What is 2 owl?", max_new_tokens=5)[0]
    figures = evaluate(tiny, loaded, examples[:6])
    assert figures["tuned"]["loss"] < figures["base"]["loss"]


@pytest.mark.slow
@pytest.mark.parametrize("method", BASELINES)
def test_peft_itself_loads_the_folder_and_answers_alike(tiny, examples, method, tmp_path):
    from peft import PeftModel

    train(tiny, examples, config_of(method), SETTINGS.model_copy(update={"epochs": 1}), folder=tmp_path)
    made = load_adapter(tmp_path / "adapter", tiny)
    other = families.build("llama", vocab_size=blocks.vocabulary_size(tiny.model))
    other.load_state_dict(tiny.model.state_dict())
    theirs, ids = PeftModel.from_pretrained(other, tmp_path / "adapter").eval(), torch.tensor([[7, 30, 41, 55, 9]])
    with torch.no_grad():
        assert (theirs(input_ids=ids).logits - made.acting().model(input_ids=ids).logits).abs().max() == 0
        written = theirs.generate(input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=6, do_sample=False)[0, -6:]
    assert generate(tiny, ids[0].tolist(), made, max_new_tokens=6) == [tiny.tokenizer.decode(written, skip_special_tokens=True)]


@pytest.mark.slow
@pytest.mark.parametrize(("method", "dropout"), [("lora", 0.3), ("dora", 0.0), ("ia3", 0.0), ("prefix", 0.0), ("prompt", 0.0)])
def test_a_run_that_was_cut_off_ends_as_an_undisturbed_one_bit_for_bit(tiny, examples, method, dropout, tmp_path):
    config = config_of(method, dropout=dropout)
    settings = SETTINGS.model_copy(update={"gradient_accumulation": 2, "weight_decay": 0.1})
    whole = train(tiny, examples, config, settings, folder=tmp_path / "whole")
    steps = []
    first = train(
        tiny, examples, config, settings, folder=tmp_path / "cut", leaving=lambda: True, should_stop=lambda: len(steps) == 2,
        on_event=lambda event: steps.append(event) if isinstance(event, StepEvent) else None,
    )  # fmt: skip
    assert first.stopped and first.steps == 2 and first.adapter is None
    torch.manual_seed(5)
    second = train(tiny, examples, config, settings, folder=tmp_path / "cut")
    assert (second.steps, second.loss_last, second.best_step) == (whole.steps, whole.loss_last, whole.best_step)
    ours, theirs = (load_file(tmp_path / name / "adapter" / "adapter_model.safetensors") for name in ("whole", "cut"))
    assert ours and ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.slow
def test_dropout_changes_what_is_learned_and_leaves_the_callers_random_numbers_alone(tiny, examples):
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    dropped, whole = (train(tiny, examples, config_of("lora", dropout=rate), SETTINGS).reft.state_dict() for rate in (0.4, 0.0))
    assert torch.equal(torch.rand(4), expected)
    assert any(not torch.equal(dropped[name], value) for name, value in whole.items())


def test_columns_of_several_kinds_answer_side_by_side_as_each_does_alone(tiny):
    edit = ReftModel(tiny.model, ReftConfig(rank=2), seed=1).eval()
    columns = [moved(PeftBaseline(tiny, config_of("prefix"))), None, edit, moved(PeftBaseline(tiny, config_of("lora")))]
    together = generate(tiny, "What is 3 pig?", columns, max_new_tokens=6, temperature=0.8, seed=4)
    alone = [generate(tiny, "What is 3 pig?", [column], max_new_tokens=6, temperature=0.8, seed=4)[0] for column in columns]
    assert together == alone and len(set(together)) == 4
    begun = [next(iter(stream(tiny, "What is 3 pig?", columns[:2], max_new_tokens=6))).column]
    assert begun == [1]  # the base model's batch comes first
    with pytest.raises(ConfigError, match="has a strength"):
        generate(tiny, "What is 3 pig?", columns, strength=0.5)


def test_virtual_tokens_take_room_in_the_context(tiny, examples):
    made = PeftBaseline(tiny, config_of("prompt", virtual_tokens=100))
    room = tiny.context - 100
    assert objective_for(tiny, made.method_config, SETTINGS, examples).max_length == room
    with pytest.raises(ConfigError, match="reads at most"):
        generate(tiny, [7] * room, made)
    assert generate(tiny, [7] * (room - 1), made, max_new_tokens=50)
    with pytest.raises(ConfigError, match="leave no room"):
        PeftBaseline(tiny, config_of("prefix", virtual_tokens=tiny.context))


@pytest.mark.slow
@pytest.mark.parametrize("family", ["bert", "llama"])
@pytest.mark.parametrize("method", ["lora", "ia3"])
def test_a_classifier_is_trained_saved_and_loaded(starter, family, method, tmp_path):
    model = families.build(family, vocab_size=len(starter.tokenizer)).requires_grad_(False)
    base = replace(starter, model=model, name=family, template=TEXT_TEMPLATE)
    rows = [
        (f"{word} {index}", "up" if word in ("good", "fine") else "down") for index in range(5) for word in ("good", "bad", "fine", "poor")
    ]
    config = PeftConfig(method=method, rank=4, labels=("down", "up"))
    settings = TrainConfig(epochs=8, batch_size=4, learning_rate=5e-3, held_out=0.2)
    before = snapshot(model)
    result = train(base, rows, config, settings, folder=tmp_path)
    assert result.loss_last < 0.5 * result.loss_first and unchanged(model, before)
    loaded = load_adapter(tmp_path / "adapter", base)
    assert classify(base, loaded, ["good 9", "poor 9"]) == classify(base, result.reft, ["good 9", "poor 9"])
    assert classify(base, loaded, ["good 9"]) != classify(base, loaded, ["good 9"], edited=False)
    assert evaluate(base, loaded, rows)["tuned"]["exact_match"] > 0.8


@pytest.mark.slow
@pytest.mark.parametrize("method", IDENTITIES)
def test_an_encoder_decoder_is_trained_saved_and_loaded(starter, method, tmp_path):
    model = families.build("t5", vocab_size=len(starter.tokenizer)).requires_grad_(False)
    base = replace(starter, model=model, name="t5", template=TEXT_TEMPLATE)
    rows = [(f"say {index}", f"it is {index}") for index in range(12)]
    result = train(base, rows, config_of(method), SETTINGS, folder=tmp_path)
    assert result.loss_last < result.loss_first
    loaded = load_adapter(tmp_path / "adapter", base)
    assert generate(base, "say 3", loaded, max_new_tokens=4) == generate(base, "say 3", result.reft, max_new_tokens=4)


@pytest.mark.parametrize("method", ["prefix", "prompt"])
@pytest.mark.parametrize("family", ["bert", "t5"])
def test_virtual_tokens_are_refused_where_no_decoder_reads_them(method, family):
    with pytest.raises(ConfigError, match="needs a decoder"):
        PeftBaseline(families.build(family), PeftConfig(method=method))


def test_a_baseline_shares_no_pass_with_other_runs(tiny, examples):
    with pytest.raises(ConfigError, match="train it alone"):
        train_many(tiny, examples, [(ReftConfig(), SETTINGS), (PeftConfig(), SETTINGS)])


@pytest.mark.parametrize(("method", "changes", "words"), [
    ("ia3", {"dropout": 0.1}, "has no dropout"), ("prompt", {"targets": ("q_proj",)}, "targets are a setting"),
    ("prefix", {"labels": ("a", "b")}, "writes answers"), ("prompt", {"layers": (0,)}, "acts on the whole model"),
    ("lora", {"labels": ("a", "a")}, "once only"),
    ("lora", {"pooling": "mean"}, "needs labels"), ("qlora", {}, "'lora', 'dora'"), ("lora", {"rank": True}, "cannot be True"),
])  # fmt: skip
def test_settings_that_do_not_fit_a_method_are_refused(method, changes, words):
    with pytest.raises(ConfigError, match=words):
        PeftConfig(method=method, **changes)


def test_gradient_checkpointing_is_refused_where_it_would_be_wrong(tiny, examples):
    settings = SETTINGS.model_copy(update={"gradient_checkpointing": True})
    for config, words in ((config_of("prefix"), "fills a KV cache"), (config_of("lora", dropout=0.1), "draw it twice")):
        with pytest.raises(ConfigError, match=words):
            train(tiny, examples, config, settings)
        with pytest.raises(ConfigError, match=words):
            RunSpec(peft=config, train=settings)


def test_a_spec_holds_edits_or_a_baseline_and_earlier_ones_read_as_before():
    spec = RunSpec(peft=PeftConfig(method="dora", rank=3))
    values = spec.model_dump(mode="json")
    assert "reft" not in values and RunSpec.read(json.loads(json.dumps(values))) == spec and spec.trained == spec.peft
    edits = RunSpec()
    assert "peft" not in edits.model_dump(mode="json") and edits.trained == edits.reft == RunSpec.read({"mapping": {}}).trained
    with pytest.raises(ConfigError, match="not both"):
        RunSpec(reft=ReftConfig(), peft=PeftConfig())


def test_without_peft_a_sentence_says_what_to_install(llama, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ConfigError, match="PEFT, which is not installed") as caught:
        PeftBaseline(llama, PeftConfig())
    assert caught.value.group == "package" and "reft-studio[app]" in caught.value.detail


@pytest.mark.slow
def test_a_folder_that_is_damaged_or_of_another_base_model_is_refused(tiny, examples, make_model, tmp_path):
    train(tiny, examples, config_of("lora"), SETTINGS.model_copy(update={"epochs": 1}), folder=tmp_path)
    folder = tmp_path / "adapter"
    with pytest.raises(AdapterError, match="3 layers of width 32"):
        load_adapter(folder, make_model(num_hidden_layers=2))
    other = make_model(seed=9, vocab_size=blocks.vocabulary_size(tiny.model), max_position_embeddings=160)
    with pytest.raises(AdapterError, match="does not give the answers"):
        load_adapter(folder, other)
    with pytest.raises(AdapterError, match=r"no reft_config\.json"):
        ReftModel.load(folder, tiny.model)
    whole = (folder / "adapter_model.safetensors").read_bytes()
    (folder / "adapter_model.safetensors").write_bytes(whole[:-8])
    with pytest.raises(AdapterError, match=r"adapter_model\.safetensors is missing or damaged"):
        load_adapter(folder, tiny)
    (folder / "adapter_model.safetensors").write_bytes(whole)
    description = json.loads((folder / "baseline_config.json").read_text())
    (folder / "baseline_config.json").write_text(json.dumps({**description, "peft": {**description["peft"], "rank": 5}}))
    with pytest.raises(AdapterError, match=r"adapter_model\.safetensors: .* expected F32"):
        load_adapter(folder, tiny)
