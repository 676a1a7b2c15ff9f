"""The engine against numbers that pyreft 0.1.0 wrote (float32, CPU, one tiny Llama); see docs/exactness.md."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoModelForCausalLM

from reft_engine import ReftConfig, ReftModel
from reft_engine.edits.rotation import _reflect, _unit_lower

CASES = ["tied", "untied"]


class _DenseBase(nn.Module):
    """pyreft's own R: a dense (D, D) base times reflections, in place of the engine's base of reflections."""

    def __init__(self, base_GDD: Tensor, original_GDK: Tensor) -> None:
        super().__init__()
        self.base = base_GDD
        self.free = nn.Parameter(torch.tril(original_GDK, -1))

    def forward(self) -> Tensor:
        eye = torch.eye(*self.free.shape[1:]).expand_as(self.free)
        return -(self.base @ _reflect(_unit_lower(self.free), eye)).mT


@pytest.fixture(scope="module")
def base(shared: Path):
    return AutoModelForCausalLM.from_pretrained(shared / "oracle/base/llama-tiny", dtype=torch.float32).eval()


def _stack(numbers: dict[str, Tensor], state: str, case: str, name: str) -> Tensor:
    groups = [0] if case == "tied" else [0, 1]
    sites = [f"layer_{layer}_comp_block_output_unit_pos_nunit_1#{group}" for layer in range(4) for group in groups]
    return torch.stack([numbers[f"{state}/{site}/{name}"] for site in sites])


def _model(base, numbers: dict[str, Tensor], case: str, state: str) -> ReftModel:
    reft = ReftModel(base, ReftConfig(rank=4, positions="f7+l7", tied=case == "tied"))
    with torch.no_grad():
        reft.intervention.source.copy_(_stack(numbers, state, case, "W"))
        reft.intervention.bias.copy_(_stack(numbers, state, case, "b"))
    reft.intervention.set_projection(_stack(numbers, state, case, "R").mT.contiguous())
    return reft


def _with_pyrefts_rotation(reft: ReftModel, numbers: dict[str, Tensor], case: str) -> ReftModel:
    dense = _DenseBase(_stack(numbers, "init", case, "orth.base"), _stack(numbers, "init", case, "orth.original"))
    reft.intervention.rotation = dense
    return reft


def _batches(shared: Path) -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
    rows = [json.loads(line) for line in (shared / "oracle/training-rows.jsonl").read_text().splitlines()]
    return [_collate(rows[start : start + 8]) for start in range(0, 160, 8)]


def _collate(rows: list[dict]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    longest = max(len(row["input_ids"]) for row in rows)
    ids = torch.zeros(len(rows), longest, dtype=torch.int64)
    mask, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
    for index, row in enumerate(rows):
        tokens = torch.tensor(row["input_ids"])
        ids[index, : len(tokens)], mask[index, : len(tokens)] = tokens, 1
        labels[index, row["prompt_length"] : len(tokens)] = tokens[row["prompt_length"] :]
    return ids, mask, labels, torch.tensor([row["prompt_length"] for row in rows])


def _loss(reft: ReftModel, batch: tuple[Tensor, Tensor, Tensor, Tensor]) -> Tensor:
    ids, mask, labels, lengths = batch
    logits = reft(ids, mask, lengths).logits
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)


@pytest.mark.parametrize("case", CASES)
def test_logits_and_gradients_of_step_one_equal_pyrefts(shared, base, case):
    numbers = load_file(shared / f"oracle/training-llama-{case}/oracle.safetensors")
    reft = _with_pyrefts_rotation(_model(base, numbers, case, "init"), numbers, case)
    batch = _batches(shared)[0]
    sink = numbers["batch1/logits"].shape[1] - batch[0].shape[1]  # pyreft puts a padding token in front
    with torch.no_grad():
        logits = reft(*batch[:2], batch[3]).logits
    assert (logits - numbers["batch1/logits"][:, sink:])[batch[1].bool()].abs().max() < 5e-6
    _loss(reft, batch).backward()
    for ours, name in (("source", "learned_source.weight"), ("bias", "learned_source.bias")):
        expected = _stack(numbers, "grad1", case, name)
        assert (getattr(reft.intervention, ours).grad - expected).abs().max() < 1e-7
    expected = _stack(numbers, "grad1", case, "rotate_layer.parametrizations.weight.original")
    assert (reft.intervention.rotation.free.grad - torch.tril(expected, -1)).abs().max() < 1e-7


def _train_twenty_steps(reft: ReftModel, batches) -> list[float]:
    optimizer = torch.optim.AdamW(reft.parameters(), lr=0.004, weight_decay=0.0)
    losses = []
    for step, batch in enumerate(batches):
        optimizer.param_groups[0]["lr"] = 0.004 * (1 - step / len(batches))
        optimizer.zero_grad()
        loss = _loss(reft, batch)
        loss.backward()
        nn.utils.clip_grad_norm_(reft.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_twenty_losses_equal_pyrefts_under_its_own_rotation(shared, base, case):
    folder = shared / f"oracle/training-llama-{case}"
    numbers = load_file(folder / "oracle.safetensors")
    reft = _with_pyrefts_rotation(_model(base, numbers, case, "init"), numbers, case)
    losses = _train_twenty_steps(reft, _batches(shared))
    expected = json.loads((folder / "oracle.json").read_text())["losses"]
    assert max(abs(ours - theirs) for ours, theirs in zip(losses, expected, strict=True)) < 5e-6
    assert (reft.intervention.projection().mT - _stack(numbers, "final", case, "R")).abs().max() < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_the_engines_own_rotation_follows_closely(shared, base, case):
    """Another completion of the base, the same geometry: the losses stay within 0.01 of pyreft's over twenty steps."""
    folder = shared / f"oracle/training-llama-{case}"
    numbers = load_file(folder / "oracle.safetensors")
    losses = _train_twenty_steps(_model(base, numbers, case, "init"), _batches(shared))
    expected = json.loads((folder / "oracle.json").read_text())["losses"]
    assert max(abs(ours - theirs) for ours, theirs in zip(losses, expected, strict=True)) < 0.01


@pytest.mark.parametrize("name", ["loreft-tied", "loreft-untied"])
def test_short_prompts_and_chosen_layers_give_pyrefts_logits(shared, base, name):
    folder = shared / "oracle/classes" / name
    expected = load_file(folder / "expected.safetensors")
    reft = ReftModel(base, ReftConfig(rank=3, layers=(0, 2), positions="f3+l2", tied=name.endswith("-tied")))
    groups = range(reft.reft_config.groups)
    files = [folder / f"pyreft/intkey_layer_{layer}_comp_block_output_unit_pos_nunit_1#{g}.bin" for layer in (0, 2) for g in groups]
    states = [torch.load(file, weights_only=True) for file in files]
    with torch.no_grad():
        reft.intervention.source.copy_(torch.stack([state["weight"].float() for state in states]))
        reft.intervention.bias.copy_(torch.stack([state["bias"].float() for state in states]))
        reft.intervention.set_projection(torch.stack([state["rotate_layer"].mT for state in states]).contiguous())
        logits = reft(expected["input_ids"], expected["attention_mask"], expected["prompt_lengths"]).logits
    real = expected["attention_mask"].bool()
    assert (logits - expected["logits"])[real].abs().max() < 5e-6
