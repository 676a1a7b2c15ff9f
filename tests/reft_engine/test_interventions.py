import pytest
import torch

from reft_engine.interventions import INTERVENTIONS, DireftIntervention, LoreftIntervention

METHODS = sorted(INTERVENTIONS)
D, K, SITES = 16, 3, 4


def make(method, seed=0, rank=K):
    return INTERVENTIONS[method](SITES, rank, D, torch.Generator().manual_seed(seed))


@pytest.fixture
def h():
    return torch.randn(5, D, generator=torch.Generator().manual_seed(7))


@pytest.mark.parametrize("site", range(SITES))
def test_loreft_is_h_plus_rt_times_wh_plus_b_minus_rh(h, site):
    edit = make("loreft")
    R, W, b = edit.projection()[site], edit.source[site], edit.bias[site]
    edited = h + edit.delta(h, edit.factors(), site)
    for token, row in enumerate(h):
        assert (edited[token] - (row + R.T @ (W @ row + b - R @ row))).abs().max() < 1e-5


@pytest.mark.parametrize("site", range(SITES))
def test_direft_is_h_plus_w2t_times_w1h_plus_b(h, site):
    edit = make("direft")
    W2, W1, b = edit.free_projection[site], edit.source[site], edit.bias[site]
    edited = h + edit.delta(h, edit.factors(), site)
    for token, row in enumerate(h):
        assert (edited[token] - (row + W2.T @ (W1 @ row + b))).abs().max() < 1e-5


def test_loreft_sets_the_subspace_to_wh_plus_b_and_leaves_the_rest_alone(h):
    edit = make("loreft")
    R, W, b = edit.projection()[1], edit.source[1], edit.bias[1]
    edited = h + edit.delta(h, edit.factors(), 1)
    assert (edited @ R.T - (h @ W.T + b)).abs().max() < 1e-5
    outside = torch.eye(D) - R.T @ R
    assert ((edited - h) @ outside).abs().max() < 1e-5


def test_loreft_with_w_equal_to_r_and_no_bias_changes_nothing(h):
    edit = make("loreft")
    with torch.no_grad():
        edit.source.copy_(edit.projection())
        edit.bias.zero_()
    assert edit.delta(h, edit.factors(), 2).abs().max() < 1e-6


@pytest.mark.parametrize("method", METHODS)
def test_an_edit_has_two_k_d_plus_k_trained_numbers(method):
    assert sum(parameter.numel() for parameter in make(method).parameters()) == SITES * (2 * K * D + K)


@pytest.mark.parametrize("method", METHODS)
def test_every_site_has_weights_of_its_own(method, h):
    edit = make(method)
    deltas = [edit.delta(h, edit.factors(), site) for site in range(SITES)]
    assert all(not torch.equal(deltas[0], other) for other in deltas[1:])
    with torch.no_grad():
        edit.source[0] += 1
    assert torch.equal(edit.delta(h, edit.factors(), 1), deltas[1])
    assert not torch.equal(edit.delta(h, edit.factors(), 0), deltas[0])


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_gives_the_same_weights(method):
    first, same, other = make(method, 1).state_dict(), make(method, 1).state_dict(), make(method, 2).state_dict()
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not torch.equal(first["source"], other["source"])


@pytest.mark.parametrize("method", METHODS)
def test_making_an_edit_leaves_the_global_random_numbers_alone(method):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    make(method)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_delta_is_computed_in_float32_whatever_the_base_is_in(method, dtype, h):
    edit = make(method)
    delta = edit.delta(h.to(dtype), edit.factors(), 0)
    assert delta.dtype == torch.float32
    assert torch.equal(delta, edit.delta(h.to(dtype).float(), edit.factors(), 0))


def test_dropout_drops_coefficients_and_scales_the_rest():
    edit = make("direft", rank=1)
    h = torch.randn(2000, D, generator=torch.Generator().manual_seed(1))
    full = edit.delta(h, edit.factors(), 0)
    torch.manual_seed(0)
    thinned = edit.delta(h, edit.factors(), 0, dropout=0.25)
    dropped = (thinned == 0).all(dim=1)
    assert 0.2 < dropped.float().mean() < 0.3
    assert (thinned[~dropped] - full[~dropped] / 0.75).abs().max() < 1e-5


@pytest.mark.parametrize("method", METHODS)
def test_projection_rows_from_a_file_are_taken_over(method):
    rows = make("loreft", seed=8).projection().detach()
    edit = make(method)
    edit.set_projection(rows)
    assert (edit.projection() - rows).abs().max() < 1e-6


@pytest.mark.parametrize("method", METHODS)
def test_every_weight_gets_a_gradient(method, h):
    edit = make(method)
    sum(edit.delta(h, edit.factors(), site).square().sum() for site in range(SITES)).backward()
    assert all(parameter.grad is not None and parameter.grad.flatten(1).any(dim=1).all() for parameter in edit.parameters())


def test_each_method_is_found_by_its_name():
    assert {"loreft": LoreftIntervention, "direft": DireftIntervention} == INTERVENTIONS
