import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reft_engine.rotation import OrthonormalRows, _reflect, _unit_lower


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


def test_the_same_seed_gives_the_same_rows():
    first, second, other = (OrthonormalRows(2, 3, 8, torch.Generator().manual_seed(seed))() for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_nothing_of_width_by_width_is_kept():
    rotation = OrthonormalRows(2, 4, 512)
    kept = [*rotation.parameters(), *rotation.buffers()]
    assert max(tensor.numel() for tensor in kept) == 2 * 4 * 512
