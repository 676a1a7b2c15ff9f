"""The departures of docs/exactness.md, each beside what pyreft does, rebuilt here in plain torch; and the document itself.

What pyreft does is taken from its source (pyreft 0.1.0, pyvene 0.1.8), which is not installed where these tests run.
"""

import copy
import json
import logging
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations
from transformers import AutoModelForCausalLM, get_linear_schedule_with_warmup

from reft_engine import Example, ReftConfig, ReftModel, TrainConfig, train
from reft_engine.base import blocks
from reft_engine.base.loading import TEXT_TEMPLATE, Base
from reft_engine.data import Message
from reft_engine.edits.interventions import Dropout, build
from reft_engine.spec import trainable_parameters
from reft_engine.tokens.batches import collate
from reft_engine.tokens.examples import encode
from reft_engine.training.events import StepEvent
from tests.reft_engine import test_oracle as oracle

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs/exactness.md").read_text(encoding="utf-8")
FIXTURES = ROOT / "tests/fixtures/pyreft"
PAD = 0


def pyrefts_locations(last_position: int, prefix: int, suffix: int, *, pad: int = -1, edits: int = 1, tied: bool = True) -> list[list[int]]:
    """pyreft's ``get_intervention_locations``: per edit its tokens, unused places filled up with ``pad``."""
    first, last = min(last_position // 2, prefix), min(last_position // 2, suffix)
    left, right = list(range(first)), list(range(last_position - last, last_position))
    if tied or not (prefix and suffix):
        return [[*left, *right, *[pad] * (prefix + suffix - first - last)]] * edits
    size = max(prefix, suffix)
    left, right = ([*group, *[pad] * (size - len(group))] for group in (left, right))
    return [left] * (edits // 2) + [right] * (edits // 2)


def engines_locations(model: nn.Module, positions: str, mask: Tensor, prompts: list[int]) -> list[tuple[int, int]]:
    """Row and column of each token that the engine edits."""
    plan = ReftModel(model, ReftConfig(positions=positions)).plan(mask, prompts)
    return sorted(zip(plan.rows[0].tolist(), plan.columns[0].tolist(), strict=True))


def skew(columns_DK: Tensor) -> float:
    """How far columns are from orthonormal."""
    columns = columns_DK.detach()
    return float((columns.mT @ columns - torch.eye(columns.shape[-1])).abs().max())


def torchs_rotation(width: int, rank: int, seed: int = 0) -> nn.Module:
    """What pyreft keeps R^T in: ``weight`` (D, K) under torch's orthogonal parametrisation."""
    torch.manual_seed(seed)
    layer = nn.Linear(rank, width, bias=False)
    nn.init.orthogonal_(layer.weight)
    return parametrizations.orthogonal(layer)


def step(parameters, loss: Tensor, **settings) -> None:
    optimizer = torch.optim.AdamW(parameters, **settings)
    loss.backward()
    optimizer.step()


def raw(starter: Base, **changes) -> Base:
    return replace(starter, template=TEXT_TEMPLATE, **changes)


# --- which tokens


def test_l1_is_the_last_prompt_token_where_pyrefts_dataset_takes_the_one_before(llama):
    """Its ``ReftSupervisedDataset`` gives the last index where its rule wants the length."""
    tokens = 20
    assert pyrefts_locations(tokens - 1, 0, 1) == [[tokens - 2]]
    assert pyrefts_locations(tokens, 0, 1) == [[tokens - 1]]  # LoReftSupervisedDataset, the paper's scripts
    assert engines_locations(llama, "l1", torch.ones(1, 24), [tokens]) == [(0, tokens - 1)]


def test_l1_of_a_one_token_prompt_is_that_token_where_pyreft_edits_nothing(llama):
    assert pyrefts_locations(1, 0, 1) == [[-1]]  # its sink
    assert engines_locations(llama, "l1", torch.ones(1, 4), [1]) == [(0, 0)]


@pytest.mark.parametrize("tokens", range(1, 32))
def test_else_the_tokens_are_pyrefts(llama, tokens):
    for prefix, suffix in [(7, 7), (3, 0), (0, 5), (2, 1)]:
        if tokens == 1 and suffix:
            continue
        rule = "+".join(part for part in (prefix and f"f{prefix}", suffix and f"l{suffix}") if part)
        (theirs,) = pyrefts_locations(tokens, prefix, suffix)
        ours = engines_locations(llama, rule, torch.ones(1, 34), [tokens])
        assert ours == [(0, token) for token in theirs if token >= 0]


def test_unused_places_are_no_tokens_where_pyrefts_are_the_first_answer_token(llama):
    """``make_multiple_position_supervised_data_module`` pads with the place behind the prompt, and appends no token there."""
    prompt = 5
    (theirs,) = pyrefts_locations(prompt, 7, 7, pad=prompt)
    assert theirs.count(prompt) == 10
    assert engines_locations(llama, "f7+l7", torch.ones(1, 12), [prompt]) == [(0, 0), (0, 1), (0, 3), (0, 4)]


@pytest.mark.parametrize("bos", [None, PAD, 5])
def test_the_offset_of_a_padded_row_is_read_off_the_mask_where_pyreft_looks_for_a_bos_token(llama, bos):
    """Right with a BOS token once per row (5); wrong without one (Qwen), and where it is the padding too."""
    ids = torch.tensor([[PAD, PAD, PAD, 5, 8, 9]])
    mask = (torch.arange(6) > 2).long()[None]
    found = (ids[0] == bos).nonzero() if bos is not None else torch.zeros(1, 0)
    theirs = int(found[0]) if found.numel() else 0
    assert (theirs == 3) == (bos == 5)
    assert engines_locations(llama, "f1", mask, [3]) == [(0, 3)]


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_no_token_is_put_in_front_where_pyrefts_sink_moves_every_position_by_one(make_model, tiny, examples, family):
    """Rotary models do not mind; tables of positions do, and generation is not moved."""
    model = make_model(family)
    ids = torch.arange(10, 22).reshape(2, 6)
    sunk, mask = F.pad(ids, (1, 0), value=PAD), F.pad(torch.ones_like(ids), (1, 0))
    with torch.no_grad():
        bare = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
        moved = float((model(input_ids=sunk, attention_mask=mask).logits[:, 1:] - bare).abs().max())
        ours = ReftModel(model, ReftConfig())(ids, torch.ones_like(ids), [4, 4], strength=0.0).logits
    assert torch.equal(ours, bare)
    assert moved < 1e-4 if family == "llama" else moved > 0.05
    row = encode(tiny, examples[0], 100)
    assert collate(tiny, [row]).inputs["input_ids"].tolist() == [[*row.prompt_ids, *row.answer_ids]]


def test_a_table_of_positions_is_read_from_the_first_real_token_on_where_a_mask_alone_does_not_do_that(make_model):
    """GPT-2 padded on the left: with the engine's position ids the row answers as it does alone."""
    model, ids = make_model("gpt2"), torch.tensor([[PAD, PAD, 11, 12, 13]])
    mask = torch.tensor([[0, 0, 1, 1, 1]])
    with torch.no_grad():
        alone = model(input_ids=ids[:, 2:]).logits
        by_mask = model(input_ids=ids, attention_mask=mask).logits[:, 2:]
        counted = model(input_ids=ids, attention_mask=mask, position_ids=torch.tensor([[0, 0, 0, 1, 2]])).logits
        ours = ReftModel(model, ReftConfig())(ids, mask, [3], strength=0.0).logits
    assert torch.equal(ours, counted)
    assert (ours[:, 2:] - alone).abs().max() < 1e-4
    assert (by_mask - alone).abs().max() > 0.05


def test_prompt_and_answer_are_read_apart_where_joined_text_moves_the_border(starter):
    """pyreft cuts the tokens of prompt + answer at the length of the prompt's own tokens."""
    base, prompt, answer = raw(starter), "What is 4 pl", "us 4?"
    apart = base.tokenizer(prompt, add_special_tokens=False)["input_ids"]
    joined = base.tokenizer(prompt + answer, add_special_tokens=False)["input_ids"]
    assert joined[: len(apart)] != apart  # the last prompt token that pyreft edits is none of a prompt's
    row = encode(base, Example(1, (Message("user", prompt),), answer), 100)
    assert list(row.prompt_ids) == apart


def test_untied_makes_two_edits_a_layer_by_itself_where_pyrefts_list_must_be_doubled_by_hand(llama):
    assert pyrefts_locations(20, 7, 7, edits=1, tied=False) == []  # nothing at all, silently
    assert pyrefts_locations(20, 7, 7, edits=2, tied=False) == [list(range(7)), list(range(13, 20))]
    plan = ReftModel(llama, ReftConfig(layers=(0,), tied=False)).plan(torch.ones(1, 20), [20])
    assert [columns.tolist() for columns in plan.columns] == [list(range(7)), list(range(13, 20))]


@pytest.mark.parametrize(
    ("settings", "width", "count", "said"),
    [
        ({"rank": 8}, 4096, 32, 2_097_408),
        ({"rank": 8}, 5120, 40, 3_277_120),
        ({"rank": 4, "layers": (3, 9, 18, 24), "positions": "f5+l5", "tied": False}, 4096, 32, 262_176),
        ({"rank": 1, "positions": "f3"}, 768, 12, 18_444),
    ],
)
def test_trained_numbers_are_the_papers_whose_untied_is_two_edits_a_layer_and_not_one_a_token(settings, width, count, said):
    config = ReftConfig(**settings)
    assert trainable_parameters(config, count, width) == said
    assert config.groups == (1 if config.tied else 2)  # the paper's text has as many as there are positions


# --- the edit


def test_dropout_leaves_the_base_models_hidden_state_alone_where_pyreft_drops_half_of_it():
    torch.manual_seed(0)
    edit = build(ReftConfig(rank=4), 1, 64)
    h, rows = torch.randn(50, 64), edit.projection()[0]
    theirs = F.dropout(h + edit.delta(h, edit.factors(), 0), 0.5)
    assert 0.45 < float((theirs == 0).float().mean()) < 0.55
    ours = h + edit.delta(h, edit.factors(), 0, dropout=Dropout(0.5))
    outside = (ours - h) - (ours - h) @ rows.mT @ rows
    assert not (ours == 0).any()
    assert outside.abs().max() < 1e-5  # what is dropped is dropped inside the edited subspace


class _Pyrefts(nn.Module):
    """Its ``ReftModel``, whose ``eval`` reaches the base model only."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model, self.dropout = model, nn.Dropout(0.5)

    def eval(self) -> "_Pyrefts":
        self.model.eval()
        return self


def test_dropout_ends_with_training_where_pyrefts_goes_on_after_eval(llama):
    theirs = _Pyrefts(llama).eval()
    assert (theirs.dropout(torch.ones(1000)) == 0).any()
    reft, ids = ReftModel(llama, ReftConfig(dropout=0.5)).train(), torch.arange(12)[None]
    with torch.no_grad():
        assert not torch.equal(reft(ids).logits, reft(ids).logits)
        reft.eval()
        assert torch.equal(reft(ids).logits, reft(ids).logits)


@pytest.mark.slow
def test_small_steps_are_kept_where_bfloat16_loses_them(make_model):
    """pyreft's W and b are bfloat16 unless it is told otherwise: near 0.2 its next number is 0.001 away."""
    half = nn.Parameter(torch.full((1,), 0.2, dtype=torch.bfloat16))
    optimizer = torch.optim.AdamW([half], lr=1e-4, weight_decay=0.0)
    for _ in range(20):
        half.grad = torch.ones_like(half)
        optimizer.step()
    assert half.item() == torch.tensor(0.2).bfloat16().item()
    reft = ReftModel(make_model(dtype=torch.bfloat16).to(torch.bfloat16), ReftConfig()).train()
    before = reft.intervention.source.detach().clone()
    optimizer = torch.optim.AdamW(reft.parameters(), lr=1e-4, weight_decay=0.0)
    for _ in range(20):
        optimizer.zero_grad()
        reft(torch.arange(12)[None]).logits.float()[..., 3].sum().backward()
        optimizer.step()
    assert reft.intervention.source.dtype == torch.float32
    assert (reft.intervention.source - before).abs().median() > 5e-4


def test_a_float32_base_is_edited_where_bfloat16_weights_cannot_read_it(llama):
    h, half = torch.randn(3, 32), torch.zeros(4, 32, dtype=torch.bfloat16)
    with pytest.raises(RuntimeError, match="dtype"):
        F.linear(h, half)
    assert ReftModel(llama, ReftConfig())(torch.arange(12)[None]).logits.isfinite().all()


# --- training


def test_weight_decay_leaves_r_where_one_decayed_step_makes_pyrefts_zero(llama):
    layer = torchs_rotation(64, 4)
    assert skew(layer.weight) < 1e-5
    step(layer.parameters(), layer.weight.square()[:, 0].mul(torch.arange(64)).sum(), lr=9e-4, weight_decay=1e-3)
    assert not layer.weight.any()  # the diagonal became -0.9999..., and torch cuts it to a whole number
    reft = ReftModel(llama, ReftConfig()).train()
    step(reft.parameters(), reft(torch.arange(12)[None]).logits[..., 3].sum(), lr=9e-4, weight_decay=1e-3)
    assert skew(reft.intervention.projection().mT) < 1e-5


def test_a_resumed_r_stays_orthonormal_where_pyrefts_leaves_orthonormality_at_the_next_step(llama, tmp_path):
    """pyreft writes the trained columns into the base of a new parametrisation, beside that one's own other columns."""
    trained, resumed = torchs_rotation(64, 4, seed=1), torchs_rotation(64, 4, seed=2)
    with torch.no_grad():
        resumed.parametrizations.weight[0].base[:, :4] = trained.weight
    assert skew(resumed.weight) < 1e-5
    step(resumed.parameters(), resumed.weight.mul(torch.randn(64, 4)).sum(), lr=4e-3, weight_decay=0.0)
    assert skew(resumed.weight) > 1e-2
    loaded = ReftModel.load(ReftModel(llama, ReftConfig(), seed=3).save(tmp_path), llama).train()
    step(loaded.parameters(), loaded(torch.arange(12)[None]).logits[..., 3].sum(), lr=4e-3, weight_decay=0.0)
    assert skew(loaded.intervention.projection().mT) < 1e-5


def _degrees(before_DK: Tensor, after_DK: Tensor) -> float:
    """The mean angle between two subspaces."""
    cosines = torch.linalg.svdvals(before_DK.detach().mT @ after_DK.detach()).clamp(max=1)
    return math.degrees(float(cosines.acos().mean()))


def test_a_step_turns_r_as_far_as_pyrefts_and_another_way_where_the_completion_of_the_base_is_another():
    """The same R, the same loss, one step of Adam: torch's own path depends on the columns behind R in its D x D base."""
    width, rank = 256, 4
    target = torch.randn(width, rank, generator=torch.Generator().manual_seed(5))
    layer = torchs_rotation(width, rank)
    start = layer.weight.detach().clone()
    other = copy.deepcopy(layer)
    with torch.no_grad():
        turn = torch.linalg.qr(torch.randn(width - rank, width - rank, generator=torch.Generator().manual_seed(6))).Q
        other.parametrizations.weight[0].base[:, rank:] = layer.parametrizations.weight[0].base[:, rank:] @ turn
    engine = build(ReftConfig(rank=rank), 1, width).rotation
    engine.set_rows(start.mT[None])
    free = nn.Parameter(start.clone())  # "QR of a free matrix", what other programs use
    ends = {}
    for name, parameters, weight in [
        ("pyreft", layer.parameters(), lambda: layer.weight),
        ("other", other.parameters(), lambda: other.weight),
        ("engine", engine.parameters(), lambda: engine()[0].mT),
        ("free", [free], lambda: torch.linalg.qr(free).Q),
    ]:
        step(parameters, (weight() * target).sum(), lr=9e-4, weight_decay=0.0)
        ends[name] = weight().detach()
    angles = {name: _degrees(start, end) for name, end in ends.items()}
    assert angles["engine"] == pytest.approx(angles["pyreft"], rel=0.05)
    assert angles["other"] == pytest.approx(angles["pyreft"], rel=0.05)
    assert angles["free"] == pytest.approx(angles["pyreft"] / 2, rel=0.05)
    assert (ends["other"] - ends["pyreft"]).abs().max() > 1e-3


def test_no_d_by_d_matrix_is_kept_where_pyreft_keeps_one_per_edit(llama):
    assert torchs_rotation(64, 4).parametrizations.weight[0].base.shape == (64, 64)
    reft = ReftModel(llama, ReftConfig())
    width, edits = reft.hidden_size, len(reft.layers)
    assert max(tensor.numel() for tensor in reft.state_dict().values()) == edits * width * 4


def test_the_first_step_learns_where_transformers_warm_up_begins_at_zero(tiny, examples):
    weight = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.AdamW([weight], lr=1.0)
    get_linear_schedule_with_warmup(optimizer, 2, 20)
    assert optimizer.param_groups[0]["lr"] == 0
    events = []
    settings = TrainConfig(epochs=4, batch_size=4, held_out=0, warmup_ratio=0.25, learning_rate=0.01)
    train(tiny, examples[:8], ReftConfig(layers=(0,)), settings, on_event=events.append)
    rates = [event.learning_rate for event in events if isinstance(event, StepEvent)]
    assert rates[:3] == pytest.approx([0.005, 0.01, 0.01])


def test_a_prompt_without_room_for_an_answer_is_left_out_where_a_mean_over_no_labels_is_no_number(tiny, examples):
    assert F.cross_entropy(torch.zeros(3, 5), torch.full((3,), -100)).isnan()
    long = Example(99, (Message("user", "no " * 300),), "a")
    result = train(tiny, [*examples[:4], long], ReftConfig(layers=(0,)), TrainConfig(epochs=1, held_out=0))
    assert len(result.left_out) == 1
    assert "Line 99" in result.left_out[0]
    assert math.isfinite(result.loss_last)


def test_hooks_of_others_stay_where_pyreft_takes_all_of_them_away(make_model):
    model, calls = make_model(), []
    block = blocks.find_blocks(model)[0]
    block.register_forward_hook(lambda *_: calls.append(1))
    bare = copy.deepcopy(model)
    for module in bare.modules():  # pyvene's `_cleanup_states`, twice in every pass
        module._forward_hooks.clear()
    bare(torch.arange(12)[None])
    assert not calls
    reft = ReftModel(model, ReftConfig())
    for _ in range(2):
        reft(torch.arange(12)[None])
    assert len(calls) == 2


# --- generation


@torch.no_grad()
def _written(model: nn.Module, ids: Tensor, edit: Callable[[Tensor, int], Tensor], **options) -> list[int]:
    """Greedy answer under a hook that counts calls as pyvene does; 0 is the prompt's."""
    calls = []

    def hook(_module, _args, output):
        hidden = output if isinstance(output, Tensor) else output[0]
        calls.append(1)
        return edit(hidden, len(calls) - 1) if isinstance(output, Tensor) else (edit(hidden, len(calls) - 1), *output[1:])

    handle = blocks.find_blocks(model)[1].register_forward_hook(hook)
    found = model.generate(ids, max_new_tokens=8, min_new_tokens=8, do_sample=False, pad_token_id=PAD, **options)
    handle.remove()
    return found[0, ids.shape[1] :].tolist()


@pytest.mark.slow
def test_the_prompt_alone_is_edited_always_where_pyreft_counts_calls(make_model, strong):
    """pyreft told to edit the prompt gives the engine's answer with a cache, another one without (it edits in the first pass
    only, and later passes read the prompt again); by default it edits what is written instead of what was asked."""
    model = make_model(seed=3)
    reft = strong(model, layers=(1,), positions="all", scale=6.0)
    ids = torch.arange(20, 28)[None]

    def change(h: Tensor) -> Tensor:
        return h + reft.intervention.delta(h[0], reft.factors(), 0)[None]

    options = {"max_new_tokens": 8, "min_new_tokens": 8, "do_sample": False, "pad_token_id": PAD}
    ours = {cached: reft.generate(ids, use_cache=cached, **options)[0, 8:].tolist() for cached in (True, False)}
    assert ours[True] == ours[False]
    assert _written(model, ids, lambda h, call: change(h) if call == 0 else h) == ours[True]
    assert _written(model, ids, lambda h, call: change(h) if call == 0 else h, use_cache=False) != ours[False]
    assert _written(model, ids, lambda h, call: h if call == 0 else change(h)) != ours[True]
    assert _written(model, ids, lambda h, call: change(h)) != ours[True]


# --- files


def test_the_activation_is_kept_where_pyrefts_file_loses_it(tmp_path):
    """pyreft's own folder of a ReLU edit: nothing in it says so, and read as pyreft reads it, linear, it answers otherwise."""
    base = AutoModelForCausalLM.from_pretrained(FIXTURES / "base/llama", dtype=torch.float32).eval()
    inputs, expected = (load_file(FIXTURES / name) for name in ("inputs.safetensors", "loreft-relu/expected.safetensors"))
    folder, real = FIXTURES / "loreft-relu/pyreft", inputs["attention_mask"].bool()
    assert "relu" not in (folder / "config.json").read_text().lower()

    @torch.no_grad()
    def off(reft: ReftModel) -> float:
        return float((reft(**inputs).logits[real] - expected["logits"]).abs().max())

    assert off(ReftModel.from_pyreft(folder, base, "f3+l2")) > 0.05
    told = ReftModel.from_pyreft(folder, base, "f3+l2", activation="relu")
    assert off(told) < 5e-6
    assert off(ReftModel.load(told.save(tmp_path), base)) == off(told)


@pytest.mark.parametrize("kind", ["noreft", "nodireft"])
def test_noreft_and_direft_are_written_as_a_class_that_pyreft_can_make_again(tmp_path, kind):
    """Their classes want ``add_bias``, which pyreft's description does not keep: KeyError. The engine names another class."""
    text = (FIXTURES / f"{kind}-tied/pyreft/config.json").read_text()
    assert f"{kind.capitalize()}Intervention" in text
    assert "add_bias" not in text
    base = AutoModelForCausalLM.from_pretrained(FIXTURES / "base/llama", dtype=torch.float32).eval()
    reft = ReftModel.from_pyreft(FIXTURES / f"{kind}-tied/pyreft", base, "f3+l2")
    reft.save_pyreft(tmp_path)
    (name,) = set(json.loads((tmp_path / "config.json").read_text())["intervention_types"])
    assert name == "<class 'pyreft.interventions.DireftIntervention'>"
    back, inputs = ReftModel.from_pyreft(tmp_path, base), load_file(FIXTURES / "inputs.safetensors")
    with torch.no_grad():
        difference = (back(**inputs).logits - reft(**inputs).logits)[inputs["attention_mask"].bool()].abs().max()
    assert difference < 5e-6


# --- the document


def _figures(shared: Path, base: nn.Module, case: str) -> dict[str, float]:
    folder = shared / f"oracle/training-llama-{case}"
    numbers, losses = load_file(folder / "oracle.safetensors"), json.loads((folder / "oracle.json").read_text())["losses"]
    batches = oracle._batches(shared)
    reft = oracle._with_pyrefts_rotation(oracle._model(base, numbers, case, "init"), numbers, case)
    sink = numbers["batch1/logits"].shape[1] - batches[0][0].shape[1]
    with torch.no_grad():
        logits = reft(*batches[0][:2], batches[0][3]).logits - numbers["batch1/logits"][:, sink:]
    oracle._loss(reft, batches[0]).backward()
    original = oracle._stack(numbers, "grad1", case, "rotate_layer.parametrizations.weight.original")
    pairs = [
        (reft.intervention.source.grad, oracle._stack(numbers, "grad1", case, "learned_source.weight")),
        (reft.intervention.bias.grad, oracle._stack(numbers, "grad1", case, "learned_source.bias")),
        (reft.intervention.rotation.free.grad, torch.tril(original, -1)),
    ]
    same = oracle._train_twenty_steps(reft, batches)
    own = oracle._train_twenty_steps(oracle._model(base, numbers, case, "init"), batches)
    final = reft.intervention.projection().detach().mT - oracle._stack(numbers, "final", case, "R")
    return {
        "logits of the first batch": float(logits[batches[0][1].bool()].abs().max()),
        "gradients of step 1": max(float((ours - theirs).abs().max()) for ours, theirs in pairs),
        "twenty losses": max(abs(one - other) for one, other in zip(same, losses, strict=True)),
        "R after twenty steps": float(final.abs().max()),
        "twenty losses, the engine's own R": max(abs(one - other) for one, other in zip(own, losses, strict=True)),
    }


@pytest.mark.slow
def test_the_figures_are_within_the_tolerances_that_the_document_says(shared, caplog):
    """With ``--log-cli-level=INFO`` it prints them."""
    rows = re.findall(r"^\| ([^|]+) \| ([\d.e-]+) \| ([\d.e-]+) \| ([\d.e-]+) \|", DOCUMENT, re.MULTILINE)
    said = {name: (float(tolerance), {"tied": float(tied), "untied": float(untied)}) for name, tolerance, tied, untied in rows}
    base = AutoModelForCausalLM.from_pretrained(shared / "oracle/base/llama-tiny", dtype=torch.float32).eval()
    caplog.set_level(logging.INFO)
    for case in oracle.CASES:
        found = _figures(shared, base, case)
        assert found.keys() == said.keys()
        for name, figure in found.items():
            logging.getLogger("exactness").info("%s, %s: %.1e", case, name, figure)
            tolerance, measured = said[name]
            assert max(figure, measured[case]) <= tolerance


def _said_of(name: str) -> tuple[int, int, int, list[int]]:
    """Blocks, width, vocabulary and weights (the least and the most) that the document says of a model."""
    shape = r"(\d+) blocks, width (\d+), \d heads, vocabulary (\d+), (.*?) weights"
    row = re.search(rf"^\| \*\*{name}\*\* \|.*?{shape}", DOCUMENT, re.MULTILINE)
    return int(row[1]), int(row[2]), int(row[3]), [int(number.replace(",", "")) for number in row[4].split(" to ")]


@pytest.mark.parametrize("name", ["A", "B"])
def test_the_models_are_of_the_sizes_that_the_document_says(request, name):
    folders = [request.getfixturevalue("shared") / "oracle/base/llama-tiny"] if name == "A" else sorted((FIXTURES / "base").iterdir())
    models = [AutoModelForCausalLM.from_pretrained(folder) for folder in folders]
    sizes = sorted(sum(weight.numel() for weight in model.parameters()) for model in models)
    shapes = {(len(blocks.find_blocks(model)), blocks.hidden_size(model), blocks.vocabulary_size(model)) for model in models}
    assert {model.dtype for model in models} == {torch.float32}
    *shape, said = _said_of(name)
    assert shapes == {tuple(shape)} and {sizes[0], sizes[-1]} == {*said}


def test_every_test_that_the_document_names_exists_and_every_one_here_is_named():
    named = set(re.findall(r"`(test_\w+)`", DOCUMENT))
    files = {path: path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")}
    written = {name for text in files.values() for name in re.findall(r"^def (test_\w+)\(", text, re.MULTILINE)}
    assert named - written - {path.stem for path in files} == set()
    about_this_file = {"test_every_test_that_the_document_names_exists_and_every_one_here_is_named"}
    here = set(re.findall(r"^def (test_\w+)\(", Path(__file__).read_text(encoding="utf-8"), re.MULTILINE))
    assert here - about_this_file <= named
