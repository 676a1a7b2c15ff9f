"""A look at an edit: what it does to unrelated prompts, how strongly it changes hidden states, and how close two edits are."""

import json
import math
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from reft_engine import ConfigError, Example, Message, PeftConfig, Preference, ReftConfig, ReftModel, TrainConfig, generate
from reft_engine.baselines import PeftBaseline
from reft_engine.edits import subspace_angles
from reft_engine.edits.geometry import principal_angles
from reft_engine.tokens.examples import encode
from reft_engine.training import Changes, Regression, measure_changes, measure_regression, unrelated_prompts
from reft_engine.training import regression as measuring
from tests.reft_engine import families

WIDTH = 32


def rows_of(*texts):
    return [Example(line, (Message("user", text),), "yes") for line, text in enumerate(texts, 1)]


ROWS = rows_of("What does a cat say?", "Is seven an odd number, or is it an even one?", "Hi", "Say why the sea is blue.")


@pytest.fixture(scope="module")
def reft(tiny, strong):
    return strong(tiny.model, scale=2.0, rank=2, positions="f2+l2")


@pytest.fixture(scope="module")
def measured(tiny, reft):
    return measure_regression(tiny, reft)


# Whether it breaks anything


def test_the_bundled_prompts_are_sixty_of_many_kinds():
    prompts = [prompt for prompt, _ in unrelated_prompts()]
    assert len(prompts) == len(set(prompts)) == 60
    assert all(prompt.strip() and answer.strip() for prompt, answer in unrelated_prompts())
    assert sum(not prompt.isascii() for prompt in prompts) >= 5, "other languages"


def test_an_edit_that_changes_nothing_breaks_nothing(tiny):
    figures = measure_regression(tiny, ReftModel(tiny.model, ReftConfig(identity_init=True)))
    assert figures.kl == pytest.approx(0.0, abs=1e-6) and figures.base == pytest.approx(figures.tuned, abs=1e-6)
    assert figures.prompts == 60 and figures.left_out == 0
    assert all(each.base == each.tuned and each.kl < 1e-6 for each in figures.worst)


def by_hand(base, tuned_logits, prompt, answer):
    """Sums of KL and of both losses over an answer's tokens, from one plain pass of each model."""
    row = encode(base, Example(1, (Message("user", prompt),), answer), 512)
    ids, border = torch.tensor([row.ids]), len(row.prompt_ids)
    with torch.no_grad():
        both = [logits[0, border - 1 : -1].double() for logits in (base.model(ids).logits, tuned_logits(ids, border))]
    before, after = (F.log_softmax(each, dim=-1) for each in both)
    targets = torch.tensor(row.answer_ids)
    losses = [float(F.nll_loss(each, targets, reduction="sum")) for each in (before, after)]
    return [float((before.exp() * (before - after)).sum()), *losses], len(row.answer_ids)


def as_by_hand(base, figures, tuned_logits):
    sums, tokens, kls = torch.zeros(3, dtype=torch.float64), 0, {}
    for prompt, answer in unrelated_prompts():
        some, count = by_hand(base, tuned_logits, prompt, answer)
        sums, tokens, kls[prompt] = sums + torch.tensor(some), tokens + count, some[0] / count
    assert figures.tokens == tokens
    assert [figures.kl, figures.base, figures.tuned] == pytest.approx((sums / tokens).tolist(), rel=1e-4, abs=1e-6)
    worst = sorted(kls, key=kls.get, reverse=True)[:3]
    assert [each.prompt for each in figures.worst] == worst
    assert [each.kl for each in figures.worst] == pytest.approx([kls[prompt] for prompt in worst], rel=1e-4)


def test_the_figures_are_those_of_plain_passes_of_each_prompt(tiny, reft, measured):
    as_by_hand(tiny, measured, lambda ids, border: reft(ids, prompt_lengths=[border]).logits)
    assert measured.kl > 0.01


@pytest.mark.parametrize("method", ["lora", "prompt"])
def test_a_baseline_is_measured_through_its_own_model(tiny, method):
    torch.manual_seed(3)
    config = PeftConfig(method=method, rank=2) if method == "lora" else PeftConfig(method=method, virtual_tokens=3)
    made = PeftBaseline(tiny.model, config)
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    before = 3 if method == "prompt" else 0

    def logits(ids, border):
        return made.acting().model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[:, before:]

    as_by_hand(tiny, measure_regression(tiny, made), logits)


def test_fewer_logits_at_once_give_the_same_figures(tiny, reft, measured, monkeypatch):
    monkeypatch.setattr(measuring, "_MAX_LOGITS", 1)
    sizes = []
    handle = tiny.model.register_forward_pre_hook(lambda _, __, given: sizes.append(len(given["input_ids"])), with_kwargs=True)
    try:
        alone = measure_regression(tiny, reft)
    finally:
        handle.remove()
    assert sizes[:120] == [1] * 120, "each prompt is a pass of its own, once for each model"
    assert [alone.kl, alone.base, alone.tuned] == pytest.approx([measured.kl, measured.base, measured.tuned], rel=1e-5)
    assert alone.worst == tuple(replace(each, kl=other.kl) for each, other in zip(measured.worst, alone.worst, strict=True))


def test_the_answers_shown_are_those_that_both_models_give(tiny, reft, measured):
    for each in measured.worst:
        base, tuned = generate(tiny, each.prompt, [None, reft], max_new_tokens=24)
        assert (each.base, each.tuned) == (base, tuned)
    assert any(each.base != each.tuned for each in measured.worst)


def test_prompts_that_a_base_model_cannot_read_are_left_out_and_counted(tiny, reft, make_model):
    short = replace(tiny, model=make_model(vocab_size=len(tiny.tokenizer), max_position_embeddings=30).requires_grad_(False))
    figures = measure_regression(short, ReftModel(short.model, ReftConfig(rank=1)))
    assert figures.left_out > 0 and figures.prompts > 0 and figures.prompts + figures.left_out == 60


def test_an_edit_of_marked_text_edits_the_whole_prompt(tiny, strong):
    figures = measure_regression(tiny, strong(tiny.model, scale=2.0, rank=2, positions="marked"))
    assert figures.prompts == 60 and figures.kl > 0.01
    assert not any("reft>" in each.prompt for each in figures.worst)


def test_what_writes_no_text_has_no_such_figures(tiny):
    assert measure_regression(tiny, ReftModel(tiny.model, ReftConfig(labels=("a", "b")))) is None


@pytest.mark.parametrize("name", ["gpt2", "t5"])
def test_other_families_are_measured(tiny, framing, strong, name):
    from reft_engine.base.loading import TEXT_TEMPLATE

    model = families.build(name, seed=2, vocab_size=len(tiny.tokenizer)).requires_grad_(False)
    base = replace(tiny, model=model, name=name)
    base = base if name == "gpt2" else replace(base, tokenizer=framing, template=TEXT_TEMPLATE)
    figures = measure_regression(base, strong(model, positions="f2+l2"))
    assert figures.prompts == 60 and 0 < figures.kl < math.inf
    nothing = measure_regression(base, ReftModel(model, ReftConfig(identity_init=True)))
    assert nothing.kl == pytest.approx(0.0, abs=1e-6) and nothing.base == pytest.approx(figures.base, rel=1e-5)


def test_others_may_use_the_base_model_between_two_passes(tiny, reft):
    inside, passes = [0], []

    @contextmanager
    def exclusive():
        assert inside[0] == 0, "it is not entered twice"
        inside[0] = 1
        yield
        inside[0] = 0

    handle = tiny.model.model.register_forward_pre_hook(lambda *_: passes.append(inside[0]))
    told = []
    try:
        measure_regression(tiny, reft, exclusive=exclusive, on_progress=lambda done, total: told.append((done, total)))
        measure_changes(tiny, reft, ROWS, exclusive=exclusive, on_progress=lambda done, total: told.append((done, total)))
    finally:
        handle.remove()
    assert set(passes) == {1} and len(passes) > 10
    assert told[0] == (0, 60) and told[-1] == (0, 4)


def test_a_look_that_is_told_to_stop_gives_nothing(tiny, reft):
    asked = iter([False, True])
    assert measure_regression(tiny, reft, should_stop=lambda: next(asked)) is None
    assert measure_changes(tiny, reft, ROWS, should_stop=lambda: True) is None


# What it changes


def test_a_change_is_the_formula_of_the_edit_at_that_layer(tiny, strong):
    edit = strong(tiny.model, rank=2, layers=[1], positions="f2+l1")
    figures = measure_changes(tiny, edit, ROWS)
    norms, shares = [], []
    for row in ROWS:
        ids = encode(tiny, row, 512).prompt_ids
        with torch.no_grad():
            hidden = tiny.model(torch.tensor([ids]), output_hidden_states=True).hidden_states[2][0, [0, 1, -1]]
            change = edit.intervention.delta(hidden, edit.factors(), 0).norm(dim=-1)
        norms += change.tolist()
        shares += (change / hidden.norm(dim=-1)).tolist()
    (layer,) = figures.layers
    assert layer.layer == 1
    assert [layer.norm, layer.share] == pytest.approx([sum(norms) / len(norms), sum(shares) / len(shares)], rel=1e-4)
    assert figures.rows == 4 and figures.edited == 12
    assert [token.share for token in figures.example if token.edited] == pytest.approx(shares[:3], rel=1e-4)


def test_the_change_of_a_layer_is_that_of_its_own_edit(tiny, strong):
    """The hidden state that reaches it was changed below, which does not count."""
    both = strong(tiny.model, rank=2, layers=[0, 1], positions="l1")
    with torch.no_grad():
        both.intervention.source[1], both.intervention.bias[1] = both.intervention.projection()[1], 0.0  # the upper one changes nothing
    both.train().eval()
    figures = measure_changes(tiny, both, ROWS)
    assert [layer.layer for layer in figures.layers] == [0, 1]
    assert figures.layers[0].norm > 0.1 and figures.layers[1].norm == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize("positions", ["l1", "f3", "f7+l7", "all"])
def test_only_edited_tokens_are_changed_and_each_token_has_one_place(tiny, strong, positions):
    figures = measure_changes(tiny, strong(tiny.model, positions=positions), ROWS[:1])
    tokens = figures.example
    assert all((token.share > 0) == token.edited for token in tokens)
    assert sum(token.edited for token in tokens) == figures.edited and len(tokens) == figures.tokens
    between = len(tokens) - sum(place.place != 0 for place in figures.places)
    assert between >= 0 and all(place.rows == 1 for place in figures.places)
    assert {place.place for place in figures.places} >= {1, -1}
    first, last = tokens[0].share, tokens[-1].share
    told = {place.place: place.share for place in figures.places}
    assert [told[1], told[-1]] == pytest.approx([first, last])
    assert "".join(token.text for token in tokens).startswith("<|im_start|>user\nWhat does a cat say?")


def test_short_prompts_count_for_the_places_that_they_have(tiny, strong):
    figures = measure_changes(tiny, strong(tiny.model, positions="all"), rows_of("Hi", "Say why the sea is blue, and the sky too."))
    assert {place.place: place.rows for place in figures.places}[0] == 1
    assert max(place.rows for place in figures.places) == 2


def test_of_a_long_prompt_both_ends_are_shown(tiny, strong):
    figures = measure_changes(tiny, strong(tiny.model, positions="f2+l2"), rows_of("word " * 110))
    assert len(figures.example) == 96 and figures.gap == figures.tokens - 96 > 0
    assert [token.edited for token in figures.example] == [True] * 2 + [False] * 92 + [True] * 2


def test_an_edit_that_changes_nothing_shows_nothing(tiny):
    figures = measure_changes(tiny, ReftModel(tiny.model, ReftConfig(identity_init=True)), ROWS)
    assert all(layer.share == pytest.approx(0.0, abs=1e-6) for layer in figures.layers) and len(figures.layers) == 3


def test_rows_of_every_kind_are_looked_at_and_baselines_are_not(tiny, strong):
    pairs = [Preference(1, (Message("user", "Hello?"),), "yes", "no")]
    assert measure_changes(tiny, strong(tiny.model), pairs).rows == 1
    labelled = [Example(1, (Message("user", "It is good."),), "a")]
    assert measure_changes(tiny, ReftModel(tiny.model, ReftConfig(labels=("a", "b"), positions="all")), labelled).rows == 1
    marked = measure_changes(tiny, strong(tiny.model, positions="marked"), rows_of("What <reft>is it</reft>?", "Nothing marked"))
    assert marked.rows == 1 and 0 < marked.edited < marked.tokens
    assert measure_changes(tiny, PeftBaseline(tiny.model, PeftConfig(rank=1)), ROWS) is None
    assert measure_changes(tiny, strong(tiny.model), rows_of("word " * 400)) is None, "no row can be used"


def test_the_first_rows_that_can_be_used_are_looked_at(tiny, strong):
    rows = [*rows_of(*["word " * 400] * 40), *rows_of(*[f"Say {number}." for number in range(40)])]
    assert measure_changes(tiny, strong(tiny.model), rows, TrainConfig(max_length=64)).rows == 32


def test_figures_come_back_from_json_also_if_they_are_no_numbers(tiny, reft, measured):
    shown = measure_changes(tiny, reft, ROWS)
    for kind, figures in ((Regression, measured), (Changes, shown)):
        assert kind.from_dict({**json.loads(json.dumps(figures.to_dict())), "later": 1}) == figures
    broken = ReftModel(tiny.model, ReftConfig(rank=1))
    with torch.no_grad():
        broken.intervention.bias.fill_(math.nan)
    for kind, figures in ((Regression, measure_regression(tiny, broken)), (Changes, measure_changes(tiny, broken, ROWS))):
        assert kind.from_dict(json.loads(json.dumps(figures.to_dict(), allow_nan=False))) == figures
    assert measure_regression(tiny, broken).kl is None and measure_changes(tiny, broken, ROWS).layers[0].norm is None


def test_a_look_leaves_the_base_model_and_the_edit_as_they_were(tiny, reft):
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        before = tiny.model(ids).logits, reft(ids).logits
        measure_regression(tiny, reft)
        measure_changes(tiny, reft, ROWS)
        after = tiny.model(ids).logits, reft(ids).logits
    assert all(torch.equal(*pair) for pair in zip(before, after, strict=True))


# How close two edits are


def axes(*indices):
    return torch.eye(8)[list(indices)]


def test_principal_angles_are_those_known_by_hand():
    assert principal_angles(axes(0, 1), axes(1, 0)) == pytest.approx((0, 0), abs=1e-5)
    assert principal_angles(axes(0, 1), axes(2, 3)) == pytest.approx((90, 90))
    assert principal_angles(axes(0, 1), axes(1, 2)) == pytest.approx((0, 90), abs=1e-5)
    turned = torch.stack([math.cos(math.radians(30)) * axes(0)[0] + math.sin(math.radians(30)) * axes(5)[0], axes(1)[0]])
    assert principal_angles(turned, axes(0, 1)) == pytest.approx((0, 30), abs=1e-4)
    assert principal_angles(axes(0), turned) == pytest.approx((30,), abs=1e-4), "as many as the smaller rank"


def test_angles_do_not_depend_on_the_basis():
    generator = torch.Generator().manual_seed(1)
    one, other = torch.randn(3, WIDTH, generator=generator), torch.randn(3, WIDTH, generator=generator)
    mixing = torch.randn(3, 3, generator=generator) + 3 * torch.eye(3)
    expected = principal_angles(one, other)
    assert principal_angles(mixing @ one, other) == pytest.approx(expected, abs=1e-3)
    assert principal_angles(other, one) == pytest.approx(expected, abs=1e-6)
    twice = torch.cat([one, one[:1]])
    assert principal_angles(twice, one) == pytest.approx((0, 0, 0), abs=1e-3), "a row that adds no direction adds no angle"


def test_edits_are_compared_at_the_layers_that_both_edit(llama):
    one = ReftModel(llama, ReftConfig(rank=2, layers=[0, 2], positions="f2+l2"), seed=1)
    other = ReftModel(llama, ReftConfig(rank=3, layers=[1, 2], method="direft"), seed=2)
    (same,) = subspace_angles(one, other)
    assert same.layer == 2 and same.site == "prompt" and len(same.degrees) == 2
    assert same.degrees == pytest.approx(principal_angles(one.tensors()["projection"][1], other.tensors()["projection"][1]))
    assert subspace_angles(one, ReftModel(llama, ReftConfig(layers=[1]))) == []
    assert [angles.degrees for angles in subspace_angles(one, one)] == [pytest.approx((0, 0), abs=0.05)] * 2


def test_an_edit_for_each_end_is_compared_with_the_same_end(llama):
    untied = ReftModel(llama, ReftConfig(rank=2, layers=[0, 1], positions="f2+l2", tied=False), seed=1)
    tied = ReftModel(llama, ReftConfig(rank=2, layers=[1], positions="f2+l2"), seed=2)
    rows, single = untied.tensors()["projection"], tied.tensors()["projection"]
    prefix, suffix = subspace_angles(untied, tied)
    assert [(each.layer, each.site) for each in (prefix, suffix)] == [(1, "prefix"), (1, "suffix")]
    assert prefix.degrees == pytest.approx(principal_angles(rows[2], single[0]))
    assert suffix.degrees == pytest.approx(principal_angles(rows[3], single[0]))
    assert all(angle < 0.05 for each in subspace_angles(untied, untied) for angle in each.degrees)


def test_what_cannot_be_compared_is_refused_in_words(llama, make_model, tiny):
    edit, wide = ReftModel(llama, ReftConfig(rank=1)), ReftModel(make_model(hidden_size=64), ReftConfig(rank=1))
    for other, words in (
        (wide, "hidden sizes 32 and 64"), (ReftModel(llama, ReftConfig(method="red")), "RED changes each hidden unit"),
        (PeftBaseline(tiny.model, PeftConfig(rank=1)), "Only edits of hidden states"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=words):
            subspace_angles(edit, other)
