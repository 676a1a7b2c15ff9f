"""Under torch's autocast the base model computes in half precision, and an edit as its document says: in float32."""

from functools import partial

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch.nn import functional as F

from reft_engine import ReftConfig, ReftModel, TrainConfig, classify, evaluate, generate, stream, train
from reft_engine.edits import precision
from reft_engine.edits.model import verify_adapter
from reft_engine.methods import METHODS
from reft_engine.training.events import ReuseEvent

LABELS = ("even", "odd")
LATE = {"positions": "l1", "layers": [2]}
half = partial(torch.autocast, "cpu", dtype=torch.bfloat16)
IDS = torch.arange(5, 65).reshape(6, 10)
LENGTHS = [6] * 6


def edit_of(model, method="loreft", **config):
    return ReftModel(model, ReftConfig(method=method, rank=2, positions="f2+l2", **config), seed=1)


def off(reft):
    """How far the rows are from orthonormal."""
    rows = reft.intervention.projection()
    return float((rows @ rows.mT - torch.eye(rows.shape[1])).abs().max())


def orthonormal(method):
    return METHODS[method].orthonormal


def loss_of(reft):
    if reft.head is not None:
        return F.cross_entropy(reft(IDS).logits, torch.arange(6) % 2)
    logits = reft(IDS, prompt_lengths=LENGTHS).logits
    return F.cross_entropy(logits[:, 5:-1].flatten(0, 1).float(), IDS[:, 6:].flatten())


def all_numbers(reft):
    return [number for name, sites in sorted(reft.factors().items()) for number in sites]


# --- what an edit computes


@pytest.mark.parametrize("method", METHODS)
def test_factors_and_their_gradients_are_those_without_autocast(llama, method):
    def computed(around):
        reft = edit_of(llama, method).train()
        with around:
            found = all_numbers(reft)
        sum((number * torch.linspace(-1, 1, number.numel()).reshape(number.shape)).sum() for number in found).backward()
        return [*found, *(weight.grad for weight in reft.parameters())]

    for plain, under in zip(computed(precision.exact(torch.device("cpu"))), computed(half()), strict=True):
        assert under.dtype == torch.float32
        assert torch.equal(plain, under)


@pytest.mark.parametrize("activation", ["linear", "gelu"])
@pytest.mark.parametrize("method", METHODS)
def test_an_edit_of_hidden_states_and_its_gradients_are_those_without_autocast(llama, method, activation):
    if activation == "gelu" and not METHODS[method].learned_source:
        activation = "linear"
    reft = edit_of(llama, method, activation=activation).train()
    plan = reft.plan(torch.ones_like(IDS), LENGTHS)
    start = torch.randn(6, 10, 32, generator=torch.Generator().manual_seed(0))

    def computed(around):
        reft.zero_grad()
        hidden = start.clone().requires_grad_()
        with around:
            edited = reft.edits(plan, reft.factors())[1](hidden, 0)
        (edited * start).sum().backward()
        return [edited, hidden.grad, *(weight.grad.clone() for weight in reft.parameters())]

    for plain, under in zip(computed(precision.exact(torch.device("cpu"))), computed(half()), strict=True):
        assert torch.equal(plain, under)


def test_a_head_computes_in_float32(llama):
    reft = edit_of(llama, labels=LABELS)
    hidden = torch.randn(6, 10, 32, generator=torch.Generator().manual_seed(0))
    plain = reft.classes(hidden, torch.ones_like(IDS))
    with half():
        assert torch.equal(reft.classes(hidden, torch.ones_like(IDS)), plain)


def test_without_autocast_none_is_entered(llama, monkeypatch):
    reft = edit_of(llama, labels=LABELS).train()

    def never(*args, **kwargs):
        raise AssertionError("autocast was touched")

    monkeypatch.setattr(torch, "autocast", never)
    loss_of(reft).backward()
    assert torch.is_tensor(reft.eval().factors()["projection"][0])


@pytest.mark.parametrize("method", METHODS)
def test_what_is_made_kept_and_saved_under_autocast_is_the_same(llama, method, tmp_path):
    plain = edit_of(llama, method).eval()
    with half():
        made = edit_of(llama, method).eval()
        assert all(torch.equal(one, other) for one, other in zip(all_numbers(made), all_numbers(plain), strict=True))
        made.save(tmp_path / "adapter")
        loaded = ReftModel.load(tmp_path / "adapter", llama)
    assert verify_adapter(tmp_path / "adapter", llama) < 1e-5
    assert all(torch.equal(one, other) for one, other in zip(all_numbers(loaded), all_numbers(plain), strict=True))
    # What was answered under autocast has left nothing behind.
    with half():
        under = made(IDS, prompt_lengths=LENGTHS).logits
    assert torch.equal(made(IDS, prompt_lengths=LENGTHS).logits, plain(IDS, prompt_lengths=LENGTHS).logits)
    with half():
        assert torch.equal(made(IDS, prompt_lengths=LENGTHS).logits, under)


def test_pyrefts_files_are_read_and_written_under_autocast_as_without(llama, tmp_path):
    plain = edit_of(llama, "direft").eval()
    plain.save_pyreft(tmp_path / "plain")
    without = ReftModel.from_pyreft(tmp_path / "plain", llama).tensors()
    with half():
        plain.save_pyreft(tmp_path / "under")
        under = ReftModel.from_pyreft(tmp_path / "under", llama).tensors()
    assert all(torch.equal(under[name], without[name]) for name in without)


def test_strength_zero_is_the_base_model_under_autocast_too(llama):
    reft = edit_of(llama).eval()
    with half():
        bare = llama(input_ids=IDS, attention_mask=torch.ones_like(IDS)).logits
        assert torch.equal(reft(IDS, prompt_lengths=LENGTHS, strength=0.0).logits, bare)
        assert not torch.equal(reft(IDS, prompt_lengths=LENGTHS).logits, bare)


# --- training


@pytest.mark.slow
@pytest.mark.parametrize("labels", [None, LABELS], ids=["answers", "labels"])
@pytest.mark.parametrize("method", METHODS)
def test_a_loop_under_autocast_learns_and_the_rows_stay_orthonormal(llama, method, labels):
    reft = edit_of(llama, method, labels=labels).train()
    optimizer = torch.optim.AdamW(reft.parameters(), lr=0.02, weight_decay=0.0)
    losses = []
    for _ in range(12):
        with half():
            loss = loss_of(reft)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.97 * losses[0]
    assert all(weight.dtype == weight.grad.dtype == torch.float32 and weight.grad.isfinite().all() for weight in reft.parameters())
    assert not orthonormal(method) or off(reft) < 1e-5


def test_a_backward_pass_inside_autocast_runs(llama):
    reft = edit_of(llama).train()
    with half():
        loss_of(reft).backward()
    assert all(weight.grad.isfinite().all() and weight.grad.any() for weight in reft.parameters())


@pytest.fixture
def accelerator():
    AcceleratorState._reset_state(reset_partial_state=True)
    yield Accelerator(mixed_precision="bf16", cpu=True)
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_accelerate_trains_in_mixed_precision(llama, accelerator, method):
    before = {name: weight.clone() for name, weight in llama.state_dict().items()}
    reft = edit_of(llama, method).train()
    wrapped, optimizer = accelerator.prepare(reft, torch.optim.AdamW(reft.parameters(), lr=0.02, weight_decay=0.0))
    losses = []
    for _ in range(12):
        loss = loss_of(wrapped)
        optimizer.zero_grad()
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(wrapped.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    plain = accelerator.unwrap_model(wrapped, keep_fp32_wrapper=False)
    assert plain is reft
    assert losses[-1] < losses[0]
    assert all(torch.equal(weight, before[name]) for name, weight in llama.state_dict().items())
    assert not orthonormal(method) or off(reft) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("config", [{}, {"labels": LABELS, "method": "consreft"}, LATE], ids=["all", "labels", "late"])
def test_train_itself_called_under_autocast_learns_as_much(tiny, examples, config):
    rows = [(row.messages[0].content, LABELS[index % 2]) for index, row in enumerate(examples)] if "labels" in config else examples
    settings = TrainConfig(epochs=6, learning_rate=0.02, batch_size=8)
    plain = train(tiny, rows, ReftConfig(rank=2, **config), settings)
    with half():
        result = train(tiny, rows, ReftConfig(rank=2, **config), settings)
    assert result.loss_first - result.loss_last > 0.8 * (plain.loss_first - plain.loss_last) > 0
    assert off(result.reft) < 1e-5
    assert all(weight.dtype == torch.float32 for weight in result.reft.parameters())


@pytest.mark.slow
def test_no_backward_pass_of_train_is_rounded_once_more(tiny, examples, monkeypatch):
    seen, backward = [], torch.Tensor.backward

    def watched(tensor, *args, **kwargs):
        seen.append(torch.is_autocast_enabled("cpu"))
        backward(tensor, *args, **kwargs)

    monkeypatch.setattr(torch.Tensor, "backward", watched)
    with half():
        train(tiny, examples, ReftConfig(rank=2), TrainConfig(epochs=1))
        assert torch.is_autocast_enabled("cpu")
    assert seen == [False] * 6  # three steps, of the loss and of the rows


@pytest.mark.slow
def test_what_is_frozen_is_computed_once_under_autocast_too(tiny, examples):
    told = []
    with half():
        train(tiny, examples, ReftConfig(rank=2, **LATE), TrainConfig(epochs=2), on_event=told.append)
    assert next(event.share for event in told if isinstance(event, ReuseEvent)) > 0


@pytest.mark.slow
def test_the_first_step_of_train_under_autocast_goes_where_it_goes_without(tiny, examples):
    """Gradients of the base model are rounded; those of the edit's own weights follow from them in float32."""
    settings = TrainConfig(epochs=1, learning_rate=1e-3, batch_size=24, held_out=0, keep="last", reuse="none")
    moved = {}
    for name, around in {"plain": precision.exact(torch.device("cpu")), "under": half()}.items():
        fresh = ReftModel(tiny.model, ReftConfig(rank=2), seed=settings.seed).tensors()
        with around:
            trained = train(tiny, examples, ReftConfig(rank=2), settings).reft.tensors()
        moved[name] = torch.cat([(trained[key] - fresh[key]).flatten() for key in sorted(fresh)])
    assert F.cosine_similarity(moved["plain"], moved["under"], dim=0) > 0.8


# --- answers


def test_answers_are_given_under_autocast(tiny, examples, strong):
    reft = strong(tiny.model, positions="f2+l2")
    with half():
        assert len(generate(tiny, "What is 1 cat?", [None, reft], max_new_tokens=4)) == 2
        assert [*stream(tiny, "What is 1 cat?", [reft], max_new_tokens=3)][-1].ended
        assert reft.generate(IDS, max_new_tokens=3, do_sample=False).shape == (6, 13)
        figures = evaluate(tiny, reft, examples[:2])
    assert 0 < figures["tuned"]["loss"] < 100
    plain = evaluate(tiny, reft, examples[:2])
    assert figures["tuned"]["loss"] == pytest.approx(plain["tuned"]["loss"], rel=0.05)


def test_a_classifier_answers_under_autocast_as_without_but_for_the_base_models_rounding(tiny, strong):
    sorter = strong(tiny.model, positions="all", labels=LABELS)
    plain = classify(tiny, sorter, ["a cat", "two dogs"])
    with half():
        under = classify(tiny, sorter, ["a cat", "two dogs"])
    assert [sum(shares.values()) for shares in under] == pytest.approx([1.0, 1.0])
    assert [under[row]["odd"] for row in (0, 1)] == pytest.approx([plain[row]["odd"] for row in (0, 1)], abs=0.2)
