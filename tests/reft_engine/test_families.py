"""Every family of models: what is edited, trained, kept and answered, on tiny models with random weights."""

import copy
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest
import torch
import transformers
from torch.nn import functional as F

from reft_engine import Example, ReftConfig, ReftModel, TrainConfig, classify, generate, load_base, train
from reft_engine.base import blocks
from reft_engine.base.loading import TEXT_TEMPLATE
from reft_engine.data import Message
from reft_engine.errors import AdapterError, ConfigError
from reft_engine.tokens.batches import collate
from reft_engine.tokens.examples import prompt_ids
from reft_engine.training import losses
from reft_engine.training.losses import answer_losses
from reft_engine.training.objectives import NextToken
from tests.needed import packages
from tests.reft_engine import families
from tests.reft_engine.families import DECODERS, ENCODER_DECODERS, ENCODERS
from tests.waiting import PATIENCE

ALL = (*DECODERS, *ENCODERS, *ENCODER_DECODERS)
WRITERS = (*DECODERS, *ENCODER_DECODERS)
START, END, PAD = 2, 3, 0
ROWS = [(7, 2), (3, 0), (1, 4)]
"""Tokens of the prompt and behind it."""
LABELS = ("animal", "number")
SETTINGS = TrainConfig(epochs=4, batch_size=4, learning_rate=0.03, held_out=0, seed=3)
LONG = TrainConfig(epochs=16, batch_size=8, learning_rate=0.02, held_out=0, seed=3)
"""All rows in every step, so that the loss of steps can be compared."""
TALK = [(f"What is {number} {animal}?", f"{animal} {number}.") for number in range(2) for animal in ("cat", "dog", "cow", "hen")]
NAMES = [(text, LABELS[index % 2]) for index, (text, _) in enumerate(TALK)]


def settled(**changes):
    return SETTINGS.model_copy(update=changes)


@pytest.fixture(scope="module")
def base_of(starter, framing):
    """Build a base model of one family; those without overrides are shared."""
    kept = {}

    def build(name, **overrides):
        if not overrides and name in kept:
            return kept[name]
        seed = {"bloom": 2, "t5": 2, "m2m100": 3}.get(name, 0)  # of weights that say more than one word
        model = families.build(name, seed=seed, vocab_size=len(starter.tokenizer), **overrides).requires_grad_(False)
        base = replace(starter, model=model, name=name)
        if name not in DECODERS:
            base = replace(base, tokenizer=framing, template=TEXT_TEMPLATE)
        if not overrides:
            kept[name] = base
        return base

    return build


def learned(base, config=None, settings=SETTINGS, **options):
    config = config or ReftConfig(rank=2, positions="f2+l2", labels=LABELS if base.kind == "encoder" else None)
    return train(base, NAMES if config.labels else TALK, config, settings, **options)


def batch(rows, side, seed=0):
    """Random tokens; none of them is the padding's."""
    generator = torch.Generator().manual_seed(seed)
    width = max(map(sum, rows))
    ids, mask = torch.full((len(rows), width), PAD), torch.zeros(len(rows), width, dtype=torch.int64)
    for index, row in enumerate(rows):
        at = slice(width - sum(row), width) if side == "left" else slice(0, sum(row))
        ids[index, at], mask[index, at] = torch.randint(4, 2000, (sum(row),), generator=generator), 1
    return ids, mask, [prompt for prompt, _ in rows]


def more(base, rows=1):
    """What an encoder-decoder wants beside its prompt."""
    return {"decoder_input_ids": torch.tensor([[PAD, 40, 50]] * rows)} if base.kind == "encoder_decoder" else {}


@torch.no_grad()
def outputs(reft, ids, mask=None, lengths=None, **options):
    """Logits, or of an encoder its last hidden states."""
    return reft(ids, mask, lengths, **options)[0]


def sides(base):
    return ("right",) if base.kind == "encoder_decoder" else ("left", "right")


def hidden_after(model, layer, call):
    caught = []
    handle = blocks.find_blocks(model)[layer].register_forward_hook(
        lambda _module, _args, output: caught.append(output if isinstance(output, torch.Tensor) else output[0])
    )
    try:
        call()
    finally:
        handle.remove()
    return caught[0]


# --- which tokens


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_exactly_the_stated_tokens_differ_behind_an_edited_block(base_of, strong, name):
    base = base_of(name)
    reft = strong(base.model, positions="f2+l1", layers=[1])
    for side in sides(base):
        ids, mask, lengths = batch(ROWS, side)
        run = partial(outputs, reft, ids, mask, lengths, **more(base, len(ROWS)))
        before, after = (hidden_after(base.model, 1, partial(run, strength=strength)) for strength in (0.0, 1.0))
        starts = mask.argmax(dim=1).tolist()
        stated = {(0, starts[0]), (0, starts[0] + 1), (0, starts[0] + 6), (1, starts[1]), (1, starts[1] + 2), (2, starts[2])}
        assert {tuple(pair) for pair in (before != after).any(dim=-1).nonzero().tolist()} == stated


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_padding_on_either_side_changes_no_real_token(base_of, strong, name):
    base = base_of(name)
    reft = strong(base.model, scale=1.0, positions="f2+l1", tied=False)
    for side in sides(base):
        ids, mask, lengths = batch(ROWS, side)
        found = outputs(reft, ids, mask, lengths, **more(base, len(ROWS)))
        bare = outputs(reft, ids, mask, lengths, strength=0.0, **more(base, len(ROWS)))
        for index, length in enumerate(lengths):
            real = mask[index].bool()
            alone = outputs(reft, ids[index, real][None], None, [length], **more(base))[0]
            row, unedited = (each[index] if base.kind == "encoder_decoder" else each[index][real] for each in (found, bare))
            assert (row - alone).abs().max() < 2e-5 * alone.abs().max()
            assert (unedited - alone).abs().max() > 0.01


@pytest.mark.parametrize("name", ["llama", "gpt-neox", "gptj", "falcon", "bloom", "mpt", "smollm3", "modernbert", "t5", "bart", "m2m100"])
def test_models_that_look_no_positions_up_are_given_none(base_of, name):
    assert blocks.position_inputs(base_of(name).model, torch.tensor([[0, 1, 1]])) == {}


@pytest.mark.parametrize(("name", "first"), [("gpt2", 0), ("opt", 0), ("xglm", 0), ("bert", 0), ("roberta", PAD + 1)])
def test_models_that_look_positions_up_are_given_them(base_of, name, first):
    found = blocks.position_inputs(base_of(name).model, torch.tensor([[0, 1, 1]]))
    assert found["position_ids"].tolist() == [[first, first, first + 1]]


def test_a_table_that_is_computed_stays_one_when_a_long_row_has_made_it_grow(base_of):
    model = base_of("xglm", max_position_embeddings=16).model
    with torch.no_grad():
        model(input_ids=torch.full((1, 40), 5))
    assert blocks.position_inputs(model, torch.tensor([[0, 1, 1]])).keys() == {"position_ids"}


def test_a_second_table_of_tokens_is_no_table_of_positions(base_of):
    base = base_of("llama", num_hidden_layers=2)
    base.model.spare = torch.nn.Embedding(500, 4, padding_idx=0)
    assert blocks.position_inputs(base.model, torch.tensor([[0, 1, 1]])) == {}


@pytest.mark.parametrize("name", ALL)
def test_strength_zero_is_the_base_bit_for_bit(base_of, strong, name):
    base = base_of(name)
    ids, mask, lengths = batch(ROWS, "right")
    with torch.no_grad():
        expected = base.model(input_ids=ids, attention_mask=mask, **more(base, len(ROWS)))[0]
    reft = strong(base.model, positions="all")
    assert torch.equal(outputs(reft, ids, mask, lengths, strength=0.0, **more(base, len(ROWS))), expected)
    assert not torch.equal(outputs(reft, ids, mask, lengths, **more(base, len(ROWS))), expected)


# --- learning


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_it_learns_and_what_is_saved_is_loaded_bit_for_bit(base_of, tmp_path, name):
    base = base_of(name)
    before = {key: value.clone() for key, value in base.model.state_dict().items()}
    result = learned(base, folder=tmp_path, settings=LONG)
    assert result.steps == 16
    assert result.loss_last < 0.95 * result.loss_first
    loaded = ReftModel.load(tmp_path / "adapter", base.model)
    ids, mask, lengths = batch(ROWS, "right", seed=1)
    extra = {} if loaded.head else more(base, len(ROWS))
    assert torch.equal(outputs(loaded, ids, mask, lengths, **extra), outputs(result.reft, ids, mask, lengths, **extra))
    assert all(torch.equal(value, before[key]) for key, value in base.model.state_dict().items())


@pytest.mark.parametrize("name", WRITERS)
def test_the_loss_is_the_cross_entropy_over_the_models_full_logits(base_of, strong, name):
    base = base_of(name)
    reft = strong(base.model, scale=1.0, positions="f2+l2")
    rows = [NextToken(base, reft.reft_config, SETTINGS).encode(Example(1, (Message("user", text),), answer)) for text, answer in TALK[:3]]
    data = collate(base, rows)
    with torch.no_grad():
        plan = reft.plan_of(data.prompts, None, data.device)
        split = answer_losses(base, data, reft.edits(plan, reft.factors())).split(data.counts)
    for each, row in zip(split, rows, strict=True):
        answer, length = torch.tensor(row.answer_ids), len(row.prompt_ids)
        if base.kind == "encoder_decoder":
            shifted = torch.tensor([[base.model.config.decoder_start_token_id, *row.answer_ids[:-1]]])
            logits = outputs(reft, torch.tensor([row.prompt_ids]), None, [length], decoder_input_ids=shifted)[0]
        else:
            logits = outputs(reft, torch.tensor([row.prompt_ids + row.answer_ids]), None, [length])[0, length - 1 : -1]
        assert logits.shape[-1] == len(base.tokenizer)
        expected = F.cross_entropy(logits, answer, reduction="none")
        assert (each - expected).abs().max() < 2e-5 * expected.abs().max()


@pytest.mark.parametrize("name", ALL)
def test_a_classifiers_head_reads_what_the_models_own_head_reads(base_of, strong, name):
    base = base_of(name)
    reft = strong(base.model, scale=1.0, positions="f2", labels=LABELS, pooling="last")
    ids = batch([(7, 0)], "right")[0]
    caught = []
    with torch.no_grad(), blocks.editing(reft.edits(reft.plan(torch.ones_like(ids), [7]), reft.factors())):
        if base.kind == "decoder":
            head = base.model.get_output_embeddings()
            handle = head.register_forward_pre_hook(lambda _module, args: caught.append(args[0]))
            base.model(input_ids=ids)
            handle.remove()
        else:
            output = base.model(input_ids=ids, **more(base))
            caught.append(output.last_hidden_state if base.kind == "encoder" else output.encoder_last_hidden_state)
    expected = reft.head(caught[0][:, -1])
    assert (outputs(reft, ids, None, [7]) - expected).abs().max() < 1e-5


@pytest.mark.parametrize("name", ["llama", "gpt2", "opt", "bart"])
def test_gradient_checkpointing_learns_bit_for_bit_the_same_weights(base_of, name):
    half = {"gpt2": {"resid_pdrop": 0.5, "embd_pdrop": 0.5, "attn_pdrop": 0.5}, "llama": {"attention_dropout": 0.5}}
    base = base_of(name, **half.get(name, {"dropout": 0.5}))
    config = ReftConfig(rank=2, positions="f2+l2", dropout=0.3)
    calls = []
    found = blocks.find_blocks(base.model)
    handles = [block.get_submodule(next(iter(block._modules))).register_forward_hook(lambda *_: calls.append(1)) for block in found]
    weights, counts = [], []
    try:
        for on in (False, True):
            calls.clear()
            reft = learned(base, config, settled(epochs=2, gradient_checkpointing=on, reuse="none", packing=False)).reft
            weights.append({name: value.clone() for name, value in reft.tensors().items()})
            counts.append(len(calls))
    finally:
        for handle in handles:
            handle.remove()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert counts == [4 * families.BLOCKS, 4 * families.BLOCKS + 4 * (families.BLOCKS - 1)], "no gradient goes through the first block"


def test_a_forward_that_another_library_has_set_is_called_in_the_blocks_place(base_of):
    base = base_of("llama", num_hidden_layers=2)
    found, calls = blocks.find_blocks(base.model), []
    for block in found:
        block.forward = lambda *args, own=block.forward, **kwargs: (calls.append(1), own(*args, **kwargs))[1]
    learned(base, settings=settled(epochs=1, gradient_checkpointing=True, reuse="none", packing=False))
    assert len(calls) == 2 * (2 + 1), "two steps; of the second block, which alone has a gradient, everything twice"


@pytest.mark.slow
def test_two_runs_at_once_on_one_base_learn_what_each_learns_alone(base_of):
    base = base_of("llama")
    settings = settled(epochs=3, gradient_checkpointing=True)
    alone = learned(base, settings=settings).reft.tensors()
    barrier = threading.Barrier(2)

    def run(_):
        return learned(base, settings=settings, on_ready=lambda _: barrier.wait(timeout=PATIENCE)).reft.tensors()

    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(run, range(2)))
    assert all(torch.equal(found[name], value) for found in both for name, value in alone.items())


# --- answering


@torch.no_grad()
def recomputed(base, prompt, reft, count):
    """Greedy decoding without a cache: everything again for every token, edited at the prompt's positions."""
    asked = list(prompt_ids(base, [Message("user", prompt)]))
    said = []
    for _ in range(count):
        if base.kind == "encoder_decoder":
            inputs = {"decoder_input_ids": torch.tensor([[base.model.config.decoder_start_token_id, *said]])}
            row = asked
        else:
            inputs, row = {}, asked + said
        ids = torch.tensor([row])
        inputs["use_cache"] = False
        output = base.model(input_ids=ids, **inputs) if reft is None else reft(ids, None, [len(asked)], **inputs)
        said.append(int(output.logits[0, -1].argmax()))
        if said[-1] == END:
            break
    return base.tokenizer.decode(said, skip_special_tokens=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITERS)
def test_answers_from_the_cache_equal_full_recomputation_and_the_bare_column_is_the_models_own(base_of, strong, name):
    base, prompt = base_of(name), "What is 2 cat?"
    reft = strong(base.model, positions="f3+l2", tied=False)
    answers = generate(base, prompt, [None, reft], max_new_tokens=8)
    assert answers == [recomputed(base, prompt, model, 8) for model in (None, reft)]
    assert answers[0] != answers[1]
    asked = torch.tensor([prompt_ids(base, [Message("user", prompt)])])
    own = base.model.generate(
        input_ids=asked, attention_mask=torch.ones_like(asked), do_sample=False, max_new_tokens=8, eos_token_id=END, pad_token_id=PAD
    )
    fresh = own[0] if base.kind == "encoder_decoder" else own[0, asked.shape[1] :]
    assert answers[0] == base.tokenizer.decode(fresh, skip_special_tokens=True)


WAYS = {
    "greedy": {"do_sample": False},
    "no-cache": {"do_sample": False, "use_cache": False},
    "beams": {"do_sample": False, "num_beams": 3, "num_return_sequences": 2},
    "samples": {"do_sample": True, "top_k": 1, "num_return_sequences": 2},
}


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", WRITERS)
def test_a_padded_batch_is_answered_by_hugging_faces_generate_as_each_prompt_alone(base_of, strong, name, way):
    base = base_of(name)
    reft = strong(base.model, positions="f1+l1")
    ids, mask, _ = batch([(6, 0), (3, 0)], "right" if base.kind == "encoder_decoder" else "left", seed=4)
    run = partial(reft.generate, max_new_tokens=4, min_new_tokens=4, eos_token_id=END, pad_token_id=PAD, **WAYS[way])
    together, bare = (run(ids, mask, strength=strength)[:, -4:] for strength in (1.0, 0.0))
    alone = [run(row[real.bool()][None])[:, -4:] for row, real in zip(ids, mask, strict=True)]
    assert len(together) == 2 * WAYS[way].get("num_return_sequences", 1)
    assert torch.equal(together, torch.cat(alone))
    assert not torch.equal(together, bare)


@pytest.mark.parametrize("name", WRITERS)
def test_hugging_faces_generate_edits_the_prompt_once_with_or_without_a_cache(base_of, strong, name):
    base = base_of(name)
    reft = strong(base.model, positions="all")
    ids = batch([(6, 0)], "right", seed=5)[0]
    run = partial(reft.generate, ids, do_sample=False, max_new_tokens=5, min_new_tokens=5, eos_token_id=END, pad_token_id=PAD)
    assert torch.equal(run(use_cache=True), run(use_cache=False))


# --- finding the blocks


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("stablelm", {"num_hidden_layers": 4}),
        ("mixtral", {}),
        ("qwen3-moe", {"num_hidden_layers": 4}),
        ("gpt-neox", {"num_hidden_layers": 4}),
        ("modernbert", {"num_hidden_layers": 4}),
    ],
)
def test_lists_inside_the_blocks_that_are_as_long_are_not_taken_for_them(base_of, name, overrides):
    base = base_of(name, **overrides)
    found = blocks.find_blocks(base.model)
    assert len(found) == base.layers == base.model.config.num_hidden_layers
    assert found is base.model.base_model.layers


@pytest.mark.parametrize(("layers", "decoder_layers"), [(3, 3), (2, 5), (5, 2), (1, 4)])
@pytest.mark.parametrize("name", ENCODER_DECODERS)
def test_of_an_encoder_decoder_the_encoders_blocks_are_found_whatever_the_depths(base_of, strong, name, layers, decoder_layers):
    depths = {"num_hidden_layers": layers, "num_decoder_layers" if name == "t5" else "decoder_layers": decoder_layers}
    base = base_of(name, **depths)
    stack = base.model.get_encoder()
    assert blocks.find_blocks(base.model) is (stack.block if name == "t5" else stack.layers)
    assert base.layers == layers
    reft = strong(base.model, positions="all", layers=[layers - 1])
    assert generate(base, "Hi", [reft], max_new_tokens=4) == [recomputed(base, "Hi", reft, 4)]


class Stacks(torch.nn.Module):
    """So many lists of blocks, as long as the config says."""

    def __init__(self, count):
        super().__init__()
        self.config = transformers.LlamaConfig(num_hidden_layers=3, hidden_size=4, num_attention_heads=2)
        for index in range(count):
            self.add_module(f"stack{index}", torch.nn.ModuleList(torch.nn.Linear(4, 4) for _ in range(3)))


@pytest.mark.parametrize("count", [0, 2])
def test_a_model_whose_blocks_cannot_be_told_apart_is_refused_in_a_sentence(count):
    with pytest.raises(ConfigError, match=rf"Stacks cannot be told apart \({count} lists of 3 blocks found\), so .* edited\.") as caught:
        ReftModel(Stacks(count), ReftConfig())
    assert caught.value.field == "base"


def test_blocks_that_were_taken_out_do_not_shift_the_edits_of_the_others(base_of, strong):
    base = base_of("llama", num_hidden_layers=3)
    ReftModel(base.model, ReftConfig())
    del base.model.model.layers[0]
    base.model.config.num_hidden_layers = 2
    reft = strong(base.model, positions="all", layers=[0])
    ids, mask, lengths = batch([(4, 0)], "right")
    states = [
        hidden_after(base.model, 0, partial(outputs, reft, ids, mask, lengths, strength=strength, use_cache=False))
        for strength in (0.0, 1.0)
    ]
    assert not torch.equal(*states)


# --- attention, precision


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_both_implementations_of_attention_give_the_same_answers(base_of, strong, name):
    base = base_of(name)
    eager = copy.deepcopy(base.model)
    eager.set_attn_implementation("eager")
    assert (base.model.config._attn_implementation, eager.config._attn_implementation) == ("sdpa", "eager")
    for side in ("left", "right"):
        ids, mask, lengths = batch(ROWS, side)
        found, other = (outputs(strong(model, scale=1.0, positions="f2+l1"), ids, mask, lengths) for model in (base.model, eager))
        real = mask.bool()
        assert (found - other)[real].abs().max() < 1e-5 * found[real].abs().max()
    pair = [(base, strong(base.model)), (replace(base, model=eager), strong(eager))]
    said = [generate(each, "Hi", [None, reft], max_new_tokens=10) for each, reft in pair]
    assert said[0] == said[1]


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["llama", "bert", "t5"])
def test_a_base_in_half_precision_is_learned_on_with_float32_weights(base_of, tmp_path, name, dtype):
    exact = base_of(name)
    base = replace(exact, model=copy.deepcopy(exact.model).to(dtype))
    result = learned(base, folder=tmp_path, settings=LONG)
    assert {parameter.dtype for parameter in result.reft.parameters()} == {torch.float32}
    assert {parameter.dtype for parameter in base.model.parameters()} == {dtype}
    assert result.loss_last < 0.95 * result.loss_first
    loaded = ReftModel.load(tmp_path / "adapter", base.model)
    ids = batch([(7, 0)], "right")[0]
    extra = {} if loaded.head else more(base)
    assert torch.equal(outputs(loaded, ids, **extra), outputs(result.reft, ids, **extra))


@pytest.mark.parametrize("cast", [lambda reft: reft.to(torch.bfloat16), lambda reft: reft.half(), lambda reft: reft.double()])
def test_a_cast_leaves_the_edits_weights_float32_and_orthonormal(base_of, cast):
    base = base_of("llama")
    reft = ReftModel(base.model, ReftConfig(rank=4, labels=LABELS))
    before = {name: value.clone() for name, value in reft.tensors().items()}
    cast(reft)
    assert {parameter.dtype for parameter in reft.parameters()} == {torch.float32}
    assert all(torch.equal(value, before[name]) for name, value in reft.tensors().items())
    rows = reft.intervention.projection()
    assert (rows @ rows.mT - torch.eye(4)).abs().max() < 1e-5


# --- inside PEFT


@pytest.fixture
def peft():
    packages("peft", extra="test")
    import peft

    return peft


@pytest.fixture
def adapted(base_of, peft):
    """A Llama inside PEFT, with a LoRA that changes its answers."""
    base = base_of("llama")
    torch.manual_seed(5)
    lora = peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"], init_lora_weights=False, task_type="CAUSAL_LM")
    model = families.build("llama", vocab_size=len(base.tokenizer))  # no copy, which would bring the hooks of what it is a copy of
    return replace(base, model=peft.get_peft_model(model, lora).eval(), name="adapted")


def lora_of(base):
    return {name: value.clone() for name, value in base.model.state_dict().items() if "lora_" in name}


def test_on_a_model_inside_peft_the_edits_act_and_its_lora_stays_on(base_of, adapted, strong):
    ids, mask, lengths = batch(ROWS, "right")
    reft = strong(adapted.model, positions="f2+l1", layers=[1])
    assert adapted.kind == "decoder"
    with torch.no_grad():
        own, plain = (model(input_ids=ids, attention_mask=mask).logits for model in (adapted.model, base_of("llama").model))
    assert (own - plain).abs().max() > 0.1
    assert torch.equal(outputs(reft, ids, mask, lengths, strength=0.0), own)
    states = [hidden_after(adapted.model, 1, partial(outputs, reft, ids, mask, lengths, strength=strength)) for strength in (0.0, 1.0)]
    touched = {tuple(pair) for pair in (states[0] != states[1]).any(dim=-1).nonzero().tolist()}
    assert touched == {(0, 0), (0, 1), (0, 6), (1, 0), (1, 2), (2, 0)}


@pytest.mark.slow
def test_on_a_model_inside_peft_training_leaves_its_lora_as_it_was(adapted, tmp_path):
    before = lora_of(adapted)
    result = learned(adapted, folder=tmp_path, settings=LONG.model_copy(update={"gradient_checkpointing": True}))
    assert before
    assert all(torch.equal(value, before[name]) for name, value in lora_of(adapted).items())
    assert not any(parameter.requires_grad for parameter in adapted.model.parameters())
    assert result.loss_last < 0.95 * result.loss_first
    ids = batch([(7, 0)], "right")[0]
    assert torch.equal(outputs(ReftModel.load(tmp_path / "adapter", adapted.model), ids), outputs(result.reft, ids))
    with pytest.raises(AdapterError, match="another one"), adapted.model.disable_adapter():
        ReftModel.load(tmp_path / "adapter", adapted.model)


def test_a_model_inside_peft_answers_as_recomputed(adapted, strong):
    reft = strong(adapted.model, positions="f3+l2")
    answers = generate(adapted, "Hi", [None, reft], max_new_tokens=8)
    assert answers == [recomputed(adapted, "Hi", model, 8) for model in (None, reft)]
    assert answers[0] != answers[1]


@pytest.mark.parametrize("way", WAYS)
def test_hugging_faces_generate_inside_peft_edits_the_prompt_alone(adapted, strong, way):
    reft = strong(adapted.model, positions="f2+l1")
    ids, mask, _ = batch([(6, 0), (3, 0)], "left", seed=4)
    run = partial(reft.generate, ids, attention_mask=mask, max_new_tokens=5, min_new_tokens=5, eos_token_id=END, pad_token_id=PAD)
    assert torch.equal(run(**WAYS[way]), run(**{**WAYS[way], "use_cache": False}))


def test_a_model_whose_prompts_peft_prolongs_is_refused_in_a_sentence(base_of, peft):
    model = families.build("llama", vocab_size=len(base_of("llama").tokenizer))
    longer = peft.get_peft_model(model, peft.PromptTuningConfig(num_virtual_tokens=4, task_type="CAUSAL_LM"))
    with pytest.raises(ConfigError, match="PEFT puts trained tokens before this model's prompts") as caught:
        ReftModel(longer, ReftConfig())
    assert caught.value.field == "base"


@pytest.mark.slow
@pytest.mark.parametrize(("name", "target"), [("gpt2", "c_attn"), ("bert", "query"), ("t5", "q")])
def test_other_kinds_of_models_learn_inside_peft_too(base_of, peft, name, target):
    torch.manual_seed(5)
    model = families.build(name, seed=2, vocab_size=len(base_of(name).tokenizer))
    lora = peft.LoraConfig(r=2, target_modules=[target], init_lora_weights=False, fan_in_fan_out=name == "gpt2")
    base = replace(base_of(name), model=peft.get_peft_model(model, lora).eval())
    assert base.kind == base_of(name).kind
    before = lora_of(base)
    result = learned(base, settings=LONG)
    assert result.loss_last < 0.95 * result.loss_first
    assert before
    assert all(torch.equal(value, before[key]) for key, value in lora_of(base).items())
    if name != "bert":
        columns = [None, result.reft]
        assert generate(base, "Hi", columns, max_new_tokens=6) == [recomputed(base, "Hi", one, 6) for one in columns]


@pytest.mark.parametrize(("name", "words"), [("llama", "embed_tokens"), ("gpt2", "wte")])
def test_padding_changes_nothing_where_lora_is_on_the_embeddings(base_of, peft, strong, name, words):
    model = families.build(name, vocab_size=len(base_of(name).tokenizer))
    lora = peft.LoraConfig(r=2, target_modules=[words], init_lora_weights=False, task_type="CAUSAL_LM")
    base = replace(base_of(name), model=peft.get_peft_model(model, lora).eval())
    assert bool(blocks.position_inputs(base.model, torch.tensor([[0, 1, 1]]))) == (name == "gpt2")
    reft = strong(base.model, scale=1.0, positions="f2+l1")
    ids, mask, lengths = batch(ROWS, "left")
    found = outputs(reft, ids, mask, lengths)
    for index, length in enumerate(lengths):
        real = mask[index].bool()
        alone = outputs(reft, ids[index, real][None], None, [length])[0]
        assert (found[index][real] - alone).abs().max() < 2e-5 * alone.abs().max()
    assert generate(base, [5, 6, 7], [None, reft], max_new_tokens=4)


def test_a_head_that_peft_trains_a_copy_of_gives_the_same_loss(base_of, peft):
    model = families.build("llama", vocab_size=len(base_of("llama").tokenizer))
    reft = ReftModel(model, ReftConfig(rank=2))
    rows = [
        NextToken(base_of("llama"), reft.reft_config, SETTINGS).encode(Example(1, (Message("user", text),), said))
        for text, said in TALK[:2]
    ]
    data = collate(base_of("llama"), rows)
    expected = answer_losses(replace(base_of("llama"), model=model), data, {})
    config = peft.LoraConfig(r=2, target_modules=["q_proj"], modules_to_save=["lm_head"], task_type="CAUSAL_LM")
    wrapped = peft.get_peft_model(model, config).eval()
    ReftModel(wrapped, ReftConfig(rank=2))
    with torch.no_grad():
        losses = answer_losses(replace(base_of("llama"), model=wrapped), data, {})
    assert (losses - expected).abs().max() < 1e-5


def test_a_model_inside_peft_can_classify(adapted, strong):
    reft = strong(adapted.model, labels=LABELS, positions="all")
    with_lora = classify(adapted, reft, ["What is 2 cat?"])[0]
    with adapted.model.disable_adapter():
        without = classify(adapted, reft, ["What is 2 cat?"])[0]
    assert abs(with_lora["animal"] - without["animal"]) > 1e-4
    assert abs(with_lora["animal"] - classify(adapted, reft, ["What is 2 cat?"], edited=False)[0]["animal"]) > 1e-4


# --- in 4 and 8 bits


@pytest.mark.slow
@pytest.mark.parametrize("bits", ["4bit", "8bit"])
def test_a_quantised_base_is_learned_on_and_answers(starter, tmp_path, bits):
    packages("bitsandbytes", "accelerate", extra="quantized")
    shape = {"hidden_size": 64, "intermediate_size": 64}
    families.build("llama", vocab_size=len(starter.tokenizer), **shape).save_pretrained(tmp_path)
    starter.tokenizer.save_pretrained(tmp_path)
    base = load_base(str(tmp_path), device="cpu", quantize=bits)
    assert next(iter(base.model.model.layers)).mlp.down_proj.weight.dtype == {"4bit": torch.uint8, "8bit": torch.int8}[bits]
    generate(base, TALK[0][0], max_new_tokens=2)  # after which bitsandbytes lets no gradient through on some CPUs
    result = learned(base, folder=tmp_path / "run", settings=LONG)
    assert result.loss_last < 0.8 * result.loss_first
    assert {parameter.dtype for parameter in result.reft.parameters()} == {torch.float32}
    loaded = ReftModel.load(tmp_path / "run/adapter", base.model)
    ids = batch([(7, 0)], "right")[0]
    assert torch.equal(outputs(loaded, ids), outputs(result.reft, ids))
    answers = generate(base, TALK[0][0], [None, loaded], max_new_tokens=8)
    assert answers[0] != answers[1]


@pytest.mark.parametrize("name", DECODERS)
def test_many_logits_are_computed_in_parts_with_the_same_losses_and_gradients(base_of, strong, monkeypatch, name):
    base = base_of(name)
    reft = strong(base.model, scale=0.5, positions="f2+l2", rank=2).train()
    objective = NextToken(base, reft.reft_config, SETTINGS)
    rows = [objective.encode(Example(1, (Message("user", prompt),), answer)) for prompt, answer in TALK]
    found, most = [], []
    head = base.model.get_output_embeddings()
    handle = head.register_forward_hook(lambda _module, _args, output: most.append(output.shape[0]))
    try:
        for limit in (losses._MAX_LOGITS, 7 * blocks.vocabulary_size(base.model)):
            monkeypatch.setattr(losses, "_MAX_LOGITS", limit)
            reft.zero_grad()
            loss = objective.loss(rows, reft, reft.acting())
            most.clear()
            loss.backward()
            found.append((loss.item(), [parameter.grad.clone() for parameter in reft.parameters()]))
    finally:
        handle.remove()
    assert max(most) == 7, "logits are computed again, a part at a time"
    assert found[1][0] == pytest.approx(found[0][0], rel=1e-5)
    assert all((one - other).abs().max() <= 1e-4 * other.abs().max() for one, other in zip(found[1][1], found[0][1], strict=True))
