"""Each method against its formula, written out by hand token by token."""

import pytest
import torch
from transformers.activations import ACT2FN

from reft_engine import ReftConfig
from reft_engine.edits.interventions import Dropout, build
from reft_engine.errors import ConfigError
from reft_engine.methods import METHODS
from reft_engine.spec import trainable_parameters

ORTHONORMAL = ["consreft", "direft_orth", "lobireft", "loreft"]
SOURCED = ["direft", "direft_orth", "loreft", "noreft"]
D, K, SITES = 16, 3, 4


def make(method, seed=0, rank=K, **config):
    return build(ReftConfig(method=method, rank=rank, **config), SITES, D, torch.Generator().manual_seed(seed))


def by_hand(edit, x, site, act=lambda value: value):
    """Phi(x) of one token as REFT's papers write it."""
    weights = {name: value[site] for name, value in edit.weights().items()}
    b, W = weights["bias"], weights.get("source")
    if edit.method.name == "red":
        return weights["scale"] * x + b
    P = edit.projection()[site]
    coefficients = {
        "loreft": lambda: act(W @ x + b) - P @ x,
        "noreft": lambda: act(W @ x + b) - P @ x,
        "direft": lambda: act(W @ x + b),
        "direft_orth": lambda: act(W @ x + b),
        "consreft": lambda: b - P @ x,
        "lobireft": lambda: b,
    }[edit.method.name]()
    return x + P.T @ coefficients


def disturb(edit, seed=3):
    """Move every weight away from its start."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in edit.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator)
    return edit


@pytest.fixture
def h():
    return torch.randn(5, D, generator=torch.Generator().manual_seed(7))


@pytest.mark.parametrize("site", range(SITES))
@pytest.mark.parametrize("method", METHODS)
def test_a_method_computes_its_formula(method, site, h):
    edit = disturb(make(method))
    edited = h + edit.delta(h, edit.factors(), site)
    for token, row in enumerate(h):
        assert (edited[token] - by_hand(edit, row, site)).abs().max() < 1e-5


@pytest.mark.parametrize("activation", ["relu", "gelu", "silu", "tanh", "leaky_relu"])
@pytest.mark.parametrize("method", SOURCED)
def test_the_activation_acts_on_the_source_alone(method, activation, h):
    edit = disturb(make(method, activation=activation))
    edited = h + edit.delta(h, edit.factors(), 1)
    for token, row in enumerate(h):
        assert (edited[token] - by_hand(edit, row, 1, ACT2FN[activation])).abs().max() < 1e-5


@pytest.mark.parametrize("method", ORTHONORMAL)
def test_orthonormal_methods_change_h_inside_the_subspace_only(method, h):
    edit = disturb(make(method))
    R = edit.projection()[1]
    assert (R @ R.T - torch.eye(K)).abs().max() < 1e-5
    assert (edit.delta(h, edit.factors(), 1) @ (torch.eye(D) - R.T @ R)).abs().max() < 1e-5


def test_consreft_sets_the_subspace_to_its_constants(h):
    edit = disturb(make("consreft"))
    edited = h + edit.delta(h, edit.factors(), 2)
    assert (edited @ edit.projection()[2].T - edit.bias[2]).abs().max() < 1e-5


@pytest.mark.parametrize("method", [name for name, row in METHODS.items() if row.can_be_identity("linear")])
def test_an_identity_start_changes_nothing_and_can_still_learn(method, h):
    edit = make(method, identity_init=True)
    deltas = [edit.delta(h, edit.factors(), site) for site in range(SITES)]
    assert max(delta.abs().max() for delta in deltas) < 1e-5
    torch.stack(deltas).sum().backward()
    assert any(parameter.grad.abs().max() > 0.01 for parameter in edit.parameters())


@pytest.mark.parametrize("method", [method for method in METHODS if method != "red"])
def test_without_it_an_edit_starts_as_pyrefts_does_with_a_change(method, h):
    assert make(method).delta(h, make(method).factors(), 0).abs().max() > 0.01


@pytest.mark.parametrize(
    "settings",
    [{"method": "consreft"}, {"method": "loreft", "activation": "relu"}, {"method": "noreft", "activation": "tanh"},
     {"method": "direft", "activation": "sigmoid"}],
)  # fmt: skip
def test_an_identity_start_that_cannot_be_is_refused(settings):
    with pytest.raises(ConfigError, match="cannot start as the identity") as caught:
        ReftConfig(identity_init=True, **settings)
    assert caught.value.field == "identity_init"


@pytest.mark.parametrize("method", ["consreft", "lobireft", "red"])
def test_a_method_without_a_source_has_no_activation(method):
    with pytest.raises(ConfigError, match="has no activation"):
        ReftConfig(method=method, activation="relu")


@pytest.mark.parametrize("method", METHODS)
def test_the_number_of_trained_numbers_is_known_beforehand(method):
    size = {"red": 2 * D, "consreft": K * D + K, "lobireft": K * D + K}.get(method, 2 * K * D + K)
    assert sum(parameter.numel() for parameter in make(method).parameters()) == SITES * size
    assert trainable_parameters(ReftConfig(method=method, rank=K), SITES, D) == SITES * size


@pytest.mark.parametrize("method", METHODS)
def test_every_site_has_weights_of_its_own(method, h):
    edit = disturb(make(method))
    deltas = [edit.delta(h, edit.factors(), site) for site in range(SITES)]
    assert all(not torch.equal(deltas[0], other) for other in deltas[1:])
    with torch.no_grad():
        for weight in edit.weights().values():
            weight[0] += 1
    assert torch.equal(edit.delta(h, edit.factors(), 1), deltas[1])
    assert not torch.equal(edit.delta(h, edit.factors(), 0), deltas[0])


@pytest.mark.parametrize("method", [method for method in METHODS if method != "red"])
def test_the_same_seed_gives_the_same_weights(method):
    first, same, other = make(method, 1).state_dict(), make(method, 1).state_dict(), make(method, 2).state_dict()
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


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


@pytest.mark.parametrize("method", METHODS)
def test_casting_an_edit_leaves_its_weights_as_they_are(method):
    edit, same = disturb(make(method)), disturb(make(method))
    for cast in (edit.half, edit.bfloat16, lambda: edit.to(torch.float64)):
        cast()
        assert all(torch.equal(value, same.state_dict()[name]) for name, value in edit.state_dict().items())


def test_dropout_drops_coefficients_and_scales_the_rest():
    edit = make("direft", rank=1)
    h = torch.randn(2000, D, generator=torch.Generator().manual_seed(1))
    full = edit.delta(h, edit.factors(), 0)
    torch.manual_seed(0)
    thinned = edit.delta(h, edit.factors(), 0, dropout=Dropout(0.25))
    dropped = (thinned == 0).all(dim=1)
    assert 0.2 < dropped.float().mean() < 0.3
    assert (thinned[~dropped] - full[~dropped] / 0.75).abs().max() < 1e-5


def test_dropout_of_red_drops_numbers_of_the_change(h):
    edit = disturb(make("red"))
    full = edit.delta(h, edit.factors(), 0)
    torch.manual_seed(0)
    thinned = edit.delta(h, edit.factors(), 0, dropout=Dropout(0.5))
    assert 0.3 < (thinned == 0).float().mean() < 0.7
    assert ((thinned - 2 * full).abs() < 1e-5)[thinned != 0].all()


@pytest.mark.parametrize("method", [method for method in METHODS if method != "red"])
def test_projection_rows_from_a_file_are_taken_over(method):
    rows = make("loreft", seed=8).projection().detach()
    edit = make(method)
    edit.set_projection(rows)
    assert (edit.projection() - rows).abs().max() < 1e-6


@pytest.mark.parametrize("method", METHODS)
def test_every_weight_gets_a_gradient(method, h):
    edit = disturb(make(method))
    sum(edit.delta(h, edit.factors(), site).square().sum() for site in range(SITES)).backward()
    assert all(parameter.grad is not None and parameter.grad.flatten(1).any(dim=1).all() for parameter in edit.parameters())


def test_each_method_is_found_by_its_name():
    assert {name: make(name).method.name for name in METHODS} == {name: name for name in METHODS}
    assert set(METHODS) == {"loreft", "direft", "noreft", "consreft", "lobireft", "direft_orth", "red"}
