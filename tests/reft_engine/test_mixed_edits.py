"""A mix of edits as one ordinary edit: equal to the weighted sum, saved and loaded as any other, or refused in words."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reft_engine import ConfigError, ReftConfig, ReftModel, generate
from reft_engine.base import blocks
from reft_engine.edits import Mix, check_mixable, mixed_config, verify_adapter
from reft_engine.methods import METHODS
from tests.reft_engine import families

LOW_RANK = [name for name, method in METHODS.items() if method.has_rank]
RANK = {"rank": 3}
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def models(make_model) -> dict[str, Any]:
    """Models of several families, among them those whose blocks give more than hidden states."""
    own = {name: make_model(name) for name in ("llama", "gpt2", "neox")}
    return own | {name: families.build(name) for name in ("qwen3", "gemma2", "bloom")}


def built(model: Any, seed: int, **config: Any) -> ReftModel:
    """An edit with every weight away from its start."""
    reft, generator = ReftModel(model, ReftConfig(**config), seed=seed), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in reft.intervention.parameters():
            weight += 0.15 * torch.randn(weight.shape, generator=generator)
    return reft.eval()


def rows() -> dict[str, torch.Tensor]:
    """Two rows, one of them padded on the right."""
    mask = torch.ones(2, 11, dtype=torch.int64)
    mask[1, 7:] = 0
    return {"input_ids": torch.randint(0, 97, (2, 11), generator=torch.Generator().manual_seed(3)), "attention_mask": mask}


def logits_of(reft: ReftModel) -> torch.Tensor:
    with torch.no_grad():
        return reft(**rows()).logits * rows()["attention_mask"].unsqueeze(-1)


def live(mix: Mix) -> torch.Tensor:
    """Logits with each edit's own change of a block's output, times its weight, added to that output."""
    base: Any = mix.base
    mask = rows()["attention_mask"]
    changes = [(weight, edit.edits(edit.plan(mask), edit.factors())) for edit, weight in mix.parts]

    def summed(layer: int) -> Any:
        return lambda h, past: h + sum(weight * (edits[layer](h, past) - h) for weight, edits in changes if layer in edits)

    with torch.no_grad(), blocks.editing({layer: summed(layer) for layer in range(len(blocks.find_blocks(base)))}):
        return base(**rows()).logits * mask.unsqueeze(-1)


def difference(found: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest difference, as a share of the largest number where that is above 1."""
    return float((found - expected).abs().max() / expected.abs().max().clamp(min=1.0))


def tensors_alike(one: ReftModel, other: ReftModel) -> bool:
    first, second = one.tensors(), other.tensors()
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("tied", [(True, True), (True, False), (False, False)], ids=str)
@pytest.mark.parametrize("method", LOW_RANK)
@pytest.mark.parametrize("other", ["loreft", "direft"])
def test_the_saved_mix_gives_what_the_live_one_gives(models, tmp_path, method, other, tied):
    model = models["llama"]
    one = built(model, 1, method=method, rank=3, layers=(0, 2), positions="f3+l2", tied=tied[0])
    two = built(model, 2, method=other, rank=2, layers=(1, 2), positions="f3+l2", tied=tied[1])
    mix = Mix([one, two], [0.6, -0.4])
    expected = live(mix)
    for form in (None, "loreft", "direft"):
        made = mix.as_edit(form)
        assert made.reft_config.groups == (1 if tied == (True, True) else 2) and made.layers == (0, 1, 2)
        assert made.reft_config.rank == 5 and form in (None, made.reft_config.method)
        made.save(tmp_path / str(form))
        loaded = ReftModel.load(tmp_path / str(form), model)
        assert tensors_alike(loaded, made) and verify_adapter(tmp_path / str(form), model) < 1e-5
        assert difference(logits_of(loaded), expected) < TOLERANCE
    assert difference(logits_of(one), expected) > 1e-3


@pytest.mark.parametrize("tied", [(True, True), (True, False)], ids=str)
def test_a_mix_of_red_is_red(models, tied):
    one, two = (built(models["llama"], seed, method="red", layers=(0, seed), tied=tied[seed - 1]) for seed in (1, 2))
    mix = Mix([one, two], [0.5, 0.8])
    made = mix.as_edit()
    assert (made.reft_config.method, made.layers, made.reft_config.groups) == ("red", (0, 1, 2), 1 if all(tied) else 2)
    assert difference(logits_of(made), live(mix)) < TOLERANCE


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
@pytest.mark.parametrize("method", ["direft", "direft_orth"])
def test_edits_with_one_activation_are_mixed_by_their_projections(models, method, activation):
    one = built(models["llama"], 1, method=method, rank=3, activation=activation, layers=(0, 1))
    two = built(models["llama"], 2, method="direft", rank=2, activation=activation, layers=(1, 2))
    mix = Mix([one, two], [0.7, 0.6])
    made = mix.as_edit()
    assert (made.reft_config.method, made.reft_config.activation) == ("direft", activation)
    assert difference(logits_of(made), live(mix)) < TOLERANCE


@settings(max_examples=120, deadline=None)
@given(
    st.sampled_from(["llama", "gpt2", "neox", "qwen3", "gemma2", "bloom"]), st.sampled_from(["f2+l3", "l2", "f4", "all"]),
    st.lists(
        st.tuples(
            st.sampled_from(LOW_RANK), st.integers(1, 20), st.sampled_from(["all", (0,), (1, 2), (2,)]), st.booleans(),
            st.floats(-1, 1.5).map(lambda weight: round(weight, 3)), st.integers(0, 99),
        ), min_size=1, max_size=4,
    ),
    st.sampled_from([None, "loreft", "direft"]),
)  # fmt: skip
def test_any_linear_edits_of_one_rule_are_one_edit(models, family, rule, parts, form):
    model = models[family]
    edits = [
        built(model, seed, method=method, rank=rank, layers=layers, tied=tied, positions=rule)
        for method, rank, layers, tied, _, seed in parts
    ]
    mix = Mix(edits, [weight for *_, weight, _ in parts])
    if not mix.parts:
        with pytest.raises(ConfigError, match="All weights are 0"):
            mix.as_edit(form)
        return
    made = mix.as_edit(form)
    total = sum(edit.reft_config.rank for edit, _ in mix.parts)
    assert made.reft_config.rank == min(total, 32) and made.reft_config.positions == rule
    assert set(made.layers) == {layer for edit, _ in mix.parts for layer in edit.layers}
    assert difference(logits_of(made), live(mix)) < TOLERANCE
    if made.reft_config.method == "loreft":
        rows_GKD = made.tensors()["projection"].double()
        assert float((rows_GKD @ rows_GKD.mT - torch.eye(rows_GKD.shape[1])).abs().max()) < 1e-6


@pytest.mark.parametrize("rank", [1, 8, 31, 32])
def test_a_mix_whose_ranks_add_up_to_more_than_the_hidden_size_has_that_rank(models, rank):
    edits = [built(models["llama"], seed, method=method, rank=rank) for seed, method in enumerate(["loreft", "noreft", "direft"])]
    mix = Mix(edits, [0.3, 0.5, 0.2])
    for form in ("loreft", "direft"):
        made = mix.as_edit(form)
        assert made.reft_config.rank == min(32, 3 * rank)
        assert difference(logits_of(made), live(mix)) < TOLERANCE


@pytest.mark.parametrize("method", [*LOW_RANK, "red"])
def test_a_mix_of_one_is_that_edit_and_so_are_the_weights_1_and_0(models, tmp_path, method):
    one, two = (built(models["llama"], seed, method=method, layers=(0, 2), positions="f2+l2", tied=False) for seed in (1, 2))
    for mix in (Mix([one], [1.0]), Mix([one, two], [1.0, 0.0]), Mix([two, one], [0, 1]), Mix([one, one], [0.5, 0.5])):
        made = mix.as_edit()
        assert made is not one and made.reft_config == one.reft_config and tensors_alike(made, one)
        assert torch.equal(logits_of(made), logits_of(one))


@pytest.mark.parametrize("method", [*LOW_RANK, "red"])
def test_a_mix_of_one_with_a_weight_is_its_strength(models, method):
    one = built(models["llama"], 1, method=method)
    for weight in (0.3, -1.0, 2.5):
        with torch.no_grad():
            expected = one(**rows(), strength=weight).logits * rows()["attention_mask"].unsqueeze(-1)
        made = Mix([one], [weight]).as_edit()
        assert made.reft_config.rank == one.reft_config.rank and difference(logits_of(made), expected) < TOLERANCE


def test_the_order_of_a_mix_means_nothing_and_a_run_with_a_copy_of_itself_is_the_run(models):
    one, two, three = (built(models["llama"], seed, method="loreft", rank=seed) for seed in (1, 2, 3))
    first = logits_of(Mix([one, two, three], [0.2, 0.5, -0.3]).as_edit())
    assert difference(logits_of(Mix([three, one, two], [-0.3, 0.2, 0.5]).as_edit()), first) < 1e-5
    copy = Mix([three], [1.0]).as_edit()
    assert difference(logits_of(Mix([three, copy], [0.5, 0.5]).as_edit()), logits_of(three)) < 1e-5


def test_the_edit_is_loreft_where_all_set_directions_at_right_angles_and_direft_elsewhere(models):
    def form(*methods: str) -> str:
        edits = [built(models["llama"], seed, method=method, rank=2) for seed, method in enumerate(methods)]
        return Mix(edits, [0.5] * len(edits)).as_edit().reft_config.method

    assert [form("loreft", "consreft"), form("loreft"), form("consreft")] == ["loreft"] * 3
    assert [form("loreft", "direft"), form("lobireft"), form("noreft", "noreft")] == ["direft"] * 3


def test_a_mix_answers_as_its_saved_edit_does(tiny, tmp_path):
    edits = [built(tiny.model, seed, method=method, rank=3, layers=(0, seed)) for seed, method in ((1, "loreft"), (2, "noreft"))]
    mix = Mix(edits, [0.8, 0.7])
    mix.as_edit().save(tmp_path / "mixed", base=tiny)
    saved = ReftModel.load(tmp_path / "mixed", tiny)
    for prompt in ("What is 2 cat?", "Say why.", "and the owl said six"):
        first, second = generate(tiny, prompt, [mix, saved], max_new_tokens=24)
        assert first == second != generate(tiny, prompt, [edits[0]], max_new_tokens=24)[0]


def test_what_has_trained_on_leaves_the_mix_as_it_was_made(models):
    one = built(models["llama"], 1)
    made = Mix([one], [1.0]).as_edit()
    before = logits_of(made)
    with torch.no_grad():
        one.train().intervention.bias.add_(1.0)
    assert torch.equal(logits_of(made), before) and not torch.equal(logits_of(one.eval()), before)


@pytest.mark.parametrize(
    ("first", "second", "kind", "words"),
    [
        ({"positions": "f7+l7"}, {"positions": "l1"}, "mix.positions", ["f7+l7", "l1"]),
        ({"positions": "all"}, {"positions": "marked"}, "mix.positions", ["all", "marked"]),
        ({"method": "red"}, {"method": "direft"}, "mix.methods", ["RED", "DiReFT"]),
        ({"activation": "relu", "method": "direft"}, {"method": "direft"}, "mix.activations", ["relu", "linear"]),
        ({"activation": "relu", "method": "direft"}, {"activation": "tanh", "method": "direft"}, "mix.activations", ["relu", "tanh"]),
        ({"activation": "gelu"}, {"activation": "gelu", "method": "direft"}, "mix.activation", ["LoReFT", "gelu"]),
        (
            {"activation": "gelu", "method": "direft", "rank": 20},
            {"activation": "gelu", "method": "direft", "rank": 13}, "mix.rank", ["33", "32"],
        ),
    ],
)  # fmt: skip
def test_what_is_no_edit_is_refused_with_both_reasons(models, first, second, kind, words):
    configs = [{**RANK, **first}, {**RANK, **second}]
    edits = [built(models["llama"], seed, **config) for seed, config in enumerate(configs)]
    refused = []
    for pair in (edits, edits[::-1]):
        with pytest.raises(ConfigError) as error:
            Mix(pair, [0.5, 0.5]).as_edit()
        refused.append(error.value)
    assert {error.kind for error in refused} == {kind} and all(word in str(refused[0]) for word in words)
    with pytest.raises(ConfigError):
        mixed_config([edit.reft_config for edit in edits], 3, 32)
    if kind != "mix.rank":
        with pytest.raises(ConfigError) as error:
            check_mixable([edit.reft_config for edit in edits])
        assert str(error.value) == str(refused[0])


def test_other_refusals_say_what_is_wrong(models, make_model):
    one, red = built(models["llama"], 1), built(models["llama"], 2, method="red")
    curved = built(models["llama"], 3, method="direft", activation="relu")
    classifier = ReftModel(models["llama"], ReftConfig(labels=("a", "b")))
    for make, kind in (
        (lambda: Mix([one, built(make_model("llama", seed=1), 1)], [0.5, 0.5]), "mix.bases"),
        (lambda: Mix([one, classifier], [0.5, 0.5]), "mix.labels"),
        (lambda: Mix([one, curved], [0.5, float("nan")]), "mix.weight"),
        (lambda: Mix([one], [0.0]).as_edit(), "mix.nothing"),
        (lambda: Mix([red], [0.5]).as_edit("direft"), "mix.form"),
        (lambda: Mix([curved], [0.5]).as_edit("loreft"), "mix.form"),
        (lambda: Mix([one], [0.5]).as_edit("noreft"), "mix.form"),
        (lambda: Mix([built(models["llama"], 1, activation="relu")], [0.5]).as_edit(), "mix.activation"),
    ):
        with pytest.raises(ConfigError) as error:
            make()
        assert error.value.kind == kind, str(error.value)


def test_a_mix_of_untied_edits_of_one_side_is_tied(models):
    one, two = (built(models["llama"], seed, positions="l3", tied=False, rank=2) for seed in (1, 2))
    mix = Mix([one, two], [0.5, 0.5])
    assert mix.as_edit().reft_config.tied and difference(logits_of(mix.as_edit()), live(mix)) < TOLERANCE


def test_a_mix_of_edits_of_a_base_model_in_half_precision_is_their_sum_to_its_rounding(tiny):
    half = tiny.model.__class__(tiny.model.config).to(torch.bfloat16).eval().requires_grad_(False)
    one, two = (built(half, seed, rank=2, positions="f2+l2") for seed in (1, 2))
    mix = Mix([one, two], [0.6, -0.4])
    made, expected = mix.as_edit(), live(mix)
    assert expected.dtype == torch.bfloat16 and all(value.dtype == torch.float32 for value in made.tensors().values())
    assert difference(logits_of(made), expected) < 2**-5, "bfloat16 has eight bits"
    assert min(difference(logits_of(edit), expected) for edit in (one, two)) > 2**-3
