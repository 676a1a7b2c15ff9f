from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch.autograd.graph import saved_tensors_hooks

from benchmarks.orthonormal import WAYS, Cholesky, OneByOne, degrees_of_one_step
from reft_engine import ReftConfig, ReftModel, TrainConfig, train
from reft_engine.edits.interventions import build
from reft_engine.edits.rotation import OrthonormalRows, _reflect, _unit_lower
from reft_engine.formats.adapter import TENSORS_NAME
from reft_engine.methods import METHODS


def worst(rows):
    return (rows @ rows.mT - torch.eye(rows.shape[-2])).abs().max()


def random_rows(count, rank, width, seed=0):
    start = torch.randn(count, width, rank, generator=torch.Generator().manual_seed(seed))
    return torch.linalg.qr(start).Q.mT.contiguous()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(12, 40), st.sampled_from([1e-3, 1.0, 30.0, 1e4]), st.integers(0, 1000))
def test_rows_are_orthonormal_for_every_value_of_the_free_parameter(rank, width, scale, seed):
    rotation = OrthonormalRows(3, rank, width, torch.Generator().manual_seed(seed))
    with torch.no_grad():
        rotation.free.normal_(std=scale, generator=torch.Generator().manual_seed(seed + 1))
        assert worst(rotation()) < 1e-5


def test_columns_that_point_the_same_way_do_not_spoil_orthonormality():
    rotation = OrthonormalRows(1, 8, 32)
    with torch.no_grad():
        rotation.free.fill_(1e3)
        assert worst(rotation()) < 1e-5


@pytest.mark.parametrize(("rank", "width"), [(1, 1), (1, 8), (4, 8), (7, 8), (8, 8)])
def test_given_rows_come_back(rank, width):
    rows = random_rows(3, rank, width)
    rotation = OrthonormalRows(3, rank, width)
    rotation.set_rows(rows)
    assert (rotation() - rows).abs().max() < 1e-6


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1], [5, 4, 0]])
def test_unit_vectors_come_back_in_their_order_and_with_their_signs(sign, order):
    rows = (sign * torch.eye(6)[order]).unsqueeze(0)
    rotation = OrthonormalRows(1, 3, 6)
    rotation.set_rows(rows)
    assert (rotation() - rows).abs().max() < 1e-6


def test_sites_that_need_no_reflection_do_not_change_their_neighbours():
    rows = torch.cat([torch.eye(8)[:3].unsqueeze(0), random_rows(2, 3, 8)])
    rotation = OrthonormalRows(3, 3, 8)
    rotation.set_rows(rows)
    assert (rotation() - rows).abs().max() < 1e-6


def test_rows_that_were_rounded_to_half_precision_become_orthonormal_again():
    rows = random_rows(2, 4, 16)
    rotation = OrthonormalRows(2, 4, 16)
    rotation.set_rows(rows.bfloat16().float())
    assert worst(rotation()) < 1e-5
    assert (rotation() - rows).abs().max() < 0.02


def test_setting_rows_starts_the_free_parameter_again():
    rotation = OrthonormalRows(1, 2, 8)
    with torch.no_grad():
        rotation.free.normal_()
    rotation.set_rows(rotation().detach())
    assert not rotation.free.any()


def test_a_product_of_reflections_equals_reflecting_one_after_the_other():
    generator = torch.Generator().manual_seed(3)
    vectors = torch.randn(2, 7, 3, dtype=torch.float64, generator=generator)
    x = torch.randn(2, 7, 4, dtype=torch.float64, generator=generator)
    for site in range(2):
        expected = x[site]
        for column in (2, 1, 0):
            v = vectors[site, :, column : column + 1]
            expected = expected - 2 * v @ (v.T @ expected) / (v.T @ v)
        assert (_reflect(vectors, x)[site] - expected).abs().max() < 1e-12


def test_the_gradient_is_that_of_finite_differences():
    raw = torch.randn(2, 6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(4), requires_grad=True)
    eye = torch.eye(6, 3, dtype=torch.float64).expand(2, 6, 3)
    assert torch.autograd.gradcheck(lambda value: _reflect(_unit_lower(value), eye), raw)


def test_only_entries_below_the_diagonal_are_trained():
    rotation = OrthonormalRows(2, 3, 8)
    random_rows(2, 3, 8, seed=5).mul(rotation()).sum().backward()
    lower = torch.ones(8, 3).tril(-1).bool()
    assert not rotation.free.grad[:, ~lower].any()
    assert rotation.free.grad[:, lower].all()


def test_steps_with_weight_decay_on_everything_keep_rows_orthonormal():
    rotation = OrthonormalRows(2, 3, 8)
    before = rotation().detach().clone()
    target = random_rows(2, 3, 8, seed=9)
    optimizer = torch.optim.AdamW(rotation.parameters(), lr=0.3, weight_decay=0.5)
    for _ in range(30):
        optimizer.zero_grad()
        (rotation() - target).square().sum().backward()
        optimizer.step()
        assert worst(rotation()) < 1e-5
    assert (rotation() - target).square().sum() < (before - target).square().sum()


@pytest.mark.parametrize("rate", [1e-5, 9e-4, 1e-2, 0.3])
@pytest.mark.parametrize("alike", [False, True], ids=["gradients-apart", "gradients-alike"])
@pytest.mark.parametrize("width", [256, 2048])
def test_first_steps_of_adam_which_move_all_numbers_alike_keep_rows_orthonormal(width, alike, rate):
    rotation = OrthonormalRows(2, 4, width, torch.Generator().manual_seed(0))
    gradient = torch.randn(2, 1 if alike else 4, width, generator=torch.Generator().manual_seed(1)).expand(2, 4, width)
    optimizer = torch.optim.Adam(rotation.parameters(), lr=rate)
    for _ in range(3):
        optimizer.zero_grad()
        rotation().backward(gradient)
        optimizer.step()
        assert worst(rotation()) < 1e-5


def test_the_same_seed_gives_the_same_rows():
    first, second, other = (OrthonormalRows(2, 3, 8, torch.Generator().manual_seed(seed))() for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("rank", [1, 2, 8])
def test_rows_are_laid_out_as_a_file_gives_them_back(rank):
    rows = OrthonormalRows(3, rank, 8)()
    assert rows.stride() == torch.empty(3, rank, 8).stride()


# --- against torch's parametrisation, which pyreft trains under


def test_a_step_of_adam_turns_the_subspace_as_far_as_under_torchs_parametrisation():
    rows, gradient = random_rows(6, 4, 256), torch.randn(6, 4, 256, generator=torch.Generator().manual_seed(1))
    turned = {}
    for way in WAYS:
        made = way(rows)
        assert (made() - rows).abs().max() < 1e-5
        turned[way] = degrees_of_one_step(made, gradient, torch.optim.Adam(made.parameters(), lr=9e-4))
        assert worst(made()) < 1e-5
    pyrefts = turned[OneByOne]
    assert 1.5 < pyrefts < 2
    assert turned.pop(Cholesky) == pytest.approx(pyrefts / 2, rel=0.05)
    assert list(turned.values()) == pytest.approx([pyrefts] * len(turned), rel=0.05)


# --- through the training loop


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("steps", [pytest.param(150, marks=pytest.mark.slow), pytest.param(1000, marks=pytest.mark.long)])
def test_many_steps_with_weight_decay_keep_rows_orthonormal_also_where_a_run_was_cut(starter, make_model, examples, tmp_path, steps, dtype):
    model = make_model(vocab_size=len(starter.tokenizer), max_position_embeddings=160, num_hidden_layers=1)
    base = replace(starter, model=model.to(dtype).requires_grad_(False), name="one block")
    config = ReftConfig(rank=4, positions="f1+l1", tied=False)
    settings = TrainConfig(epochs=steps, batch_size=2, learning_rate=0.01, weight_decay=0.1, held_out=0)
    asked = iter(range(steps))

    def run(folder, should_stop=lambda: False):
        return train(base, examples[:2], config, settings, folder=tmp_path / folder, should_stop=should_stop)

    whole = run("whole")
    run("cut", should_stop=lambda: next(asked) >= steps // 2)
    written = max((tmp_path / "cut/checkpoint").iterdir())
    state = load_file(written)
    halfway = OrthonormalRows(2, 4, 32)
    halfway.load_state_dict({name: state[f"edit.intervention.rotation.{name}"] for name in halfway.state_dict()})
    assert worst(halfway()) < 1e-5
    resumed = run("cut")
    assert (whole.steps, resumed.steps) == (steps, steps)
    rows = resumed.reft.intervention.projection()
    assert worst(rows) < 1e-5
    start = ReftModel(base.model, config, seed=settings.seed).intervention.projection()
    assert (rows - start).abs().max() > 0.05
    kept = whole.reft.state_dict()
    assert all(torch.equal(value, kept[name]) for name, value in resumed.reft.state_dict().items())
    files = [(tmp_path / folder / "adapter" / TENSORS_NAME).read_bytes() for folder in ("whole", "cut")]
    assert files[0] == files[1]


# --- memory


def tensors_in(value):
    """Every tensor that can be reached from a module's attributes."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, torch.nn.Module):
        value = vars(value)
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list | tuple):
        return []
    return [tensor for part in value for tensor in tensors_in(part)]


@pytest.mark.parametrize("method", sorted(METHODS))
def test_a_model_keeps_nothing_of_width_by_width_while_it_learns_or_answers(make_model, method):
    width, rank = 512, 4
    reft = ReftModel(make_model(hidden_size=width, num_hidden_layers=2), ReftConfig(method=method, rank=rank, tied=False))
    kept = []

    def keep(tensor):
        kept.append(tensor)
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        reft.intervention.delta(torch.randn(3, width), reft.train().factors(), 0).sum().backward()
    reft.set_tensors(reft.tensors())
    reft.factors()
    found = tensors_in({name: value for name, value in vars(reft).items() if name != "base"})
    listed = {value.data_ptr() for value in reft.state_dict().values()}
    assert listed <= {value.data_ptr() for value in found}
    assert len(found) > len(listed)  # the ready factors among them
    sites = 4
    assert max(value.numel() for value in [*found, *kept]) <= sites * rank * width < width * width


def test_a_whole_edit_of_7b_parameters_size_is_under_40_megabytes_with_its_optimiser():
    edit = build(ReftConfig(rank=8), 32, 4096)
    optimizer = torch.optim.AdamW(edit.parameters())
    for weight in edit.parameters():
        weight.grad = torch.ones_like(weight)
    optimizer.step()
    states = [value for entry in optimizer.state.values() for value in entry.values()]
    assert sum(value.nbytes for value in [*edit.parameters(), *edit.buffers(), *states]) < 40e6
