"""Switches per layer and position group: what is off is as in the base model, and rows with other switches share a pass."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from reft_engine import ConfigError, PeftConfig, ReftConfig, ReftModel
from reft_engine.base import blocks
from reft_engine.edits import Mix, Switches
from reft_engine.inference import PromptCache
from reft_engine.inference.engine import InferenceEngine
from reft_engine.inference.passes import Reading, RowEdit
from reft_engine.inference.sampling import Sampling
from reft_engine.methods import METHODS
from reft_engine.positions import EditedTokens
from reft_engine.trainable import make_trainable

TEXT = "What is 2 cat and 6 dog?"
LONG = "You are the keeper of a small harbour, and you answer every question that sailors ask you. " * 2
NO_LAYERS, NO_GROUPS = Switches(layers=frozenset()), Switches(prefix=False, suffix=False)


def built(tiny: Any, seed: int, **config: Any) -> ReftModel:
    """An edit with every weight away from its start."""
    reft, generator = ReftModel(tiny.model, ReftConfig(**{"rank": 3, "positions": "f3+l2", **config}), seed=seed), torch.Generator()
    generator.manual_seed(seed)
    with torch.no_grad():
        for weight in reft.intervention.parameters():
            weight += 0.3 * torch.randn(weight.shape, generator=generator)
    return reft.eval()


Answer = tuple[list[tuple[int, ...]], list[torch.Tensor]]


def asked(tiny: Any, edits: Sequence[Any], prompt: Any = TEXT, engine: InferenceEngine | None = None, **options: Any) -> Answer:
    """Of each column the token ids, and the log-probabilities of the whole vocabulary at each of them."""
    sampling = Sampling(log_probabilities=tiny.vocabulary)
    request = (engine or InferenceEngine(tiny)).submit(prompt, edits, sampling=sampling, max_new_tokens=5, **options)
    rows: list[list[torch.Tensor]] = [[] for _ in edits]
    for delta in request:
        for token in delta.tokens:
            values = dict(token.likeliest)
            rows[delta.column].append(torch.tensor([values[each] for each in range(tiny.vocabulary)]))
    return [request.ids(column) for column in range(len(edits))], [torch.stack(row) for row in rows]


def same(one: Answer, other: Answer) -> bool:
    return one[0] == other[0] and all(torch.equal(*pair) for pair in zip(one[1], other[1], strict=True))


def by_hand(tiny: Any, edit: ReftModel, layers: set[int], groups: set[int]) -> torch.Tensor:
    """Log-probabilities after the prompt, with only some layers and groups of an edit."""
    mask = torch.ones(1, len(ids_of(tiny)), dtype=torch.int64)
    plan, factors, count = edit.plan(mask), edit.factors(), edit.reft_config.groups

    def at(index: int) -> Callable[[torch.Tensor, int], torch.Tensor]:
        def change(h: torch.Tensor, _past: int) -> torch.Tensor:
            h = h.clone()
            for group in range(count):
                for row, column in zip(plan.rows[group].tolist(), plan.columns[group].tolist(), strict=True):
                    side = group if count == 2 else int(column >= mask.shape[1] // 2)
                    if side in groups:
                        h[row, column] += edit.intervention.delta(h[row, column][None], factors, index * count + group)[0]
            return h

        return change

    edits = {layer: at(index) for index, layer in enumerate(edit.layers) if layer in layers}
    with torch.no_grad(), blocks.editing(edits):
        return torch.log_softmax(tiny.model(input_ids=torch.tensor([ids_of(tiny)])).logits[0, -1].float(), dim=-1)


def ids_of(tiny: Any) -> list[int]:
    return list(tiny.tokenizer(TEXT)["input_ids"])


@pytest.fixture(scope="module")
def edits(tiny) -> dict[str, ReftModel]:
    curved = {"curved": built(tiny, 7, method="direft", activation="tanh", layers=(0, 2))}
    return {name: built(tiny, seed, method=name, tied=False) for seed, name in enumerate(METHODS)} | curved


OFF: dict[str, Callable[[ReftModel, ReftModel], tuple[Any, dict[str, Any]]]] = {
    "strength 0": lambda one, two: (one, {"strength": 0.0}),
    "strength -0.0": lambda one, two: (one, {"strength": -0.0}),
    "no layer": lambda one, two: (one, {"switches": [NO_LAYERS]}),
    "no group": lambda one, two: (one, {"switches": [NO_GROUPS]}),
    "nothing": lambda one, two: (one, {"switches": [Switches(frozenset(), False, False)]}),
    "a mix of strength 0": lambda one, two: (Mix([one, two], [0.5, 0.5]), {"strength": 0.0}),
    "a mix of weights 0": lambda one, two: (Mix([one, two], [0.0, 0.0]), {}),
    "a mix without layers": lambda one, two: (Mix([one, two], [0.5, 0.5]), {"switches": [NO_LAYERS]}),
    "a mix without groups": lambda one, two: (Mix([one, two], [0.5, 0.5]), {"switches": [NO_GROUPS]}),
}
"""What answers as the base model."""

AS_ONE: dict[str, Callable[[ReftModel, ReftModel], tuple[Any, dict[str, Any]]]] = {
    "a mix of one": lambda one, two: (Mix([one], [1.0]), {}),
    "weights 1 and 0": lambda one, two: (Mix([one, two], [1.0, 0.0]), {}),
    "a mix of one as an edit": lambda one, two: (Mix([one], [1.0]).as_edit(), {}),
    "weights 1 and 0 as an edit": lambda one, two: (Mix([one, two], [1.0, 0.0]).as_edit(), {}),
    "all switches on": lambda one, two: (one, {"switches": [Switches(frozenset(one.layers))]}),
    "no switches": lambda one, two: (one, {"switches": [None]}),
    "a mix of one with all layers": lambda one, two: (Mix([one], [1.0]), {"switches": [Switches(frozenset(one.layers))]}),
}
"""What answers as the first edit."""


@pytest.mark.parametrize("method", ["loreft", "noreft", "lobireft", "red", "curved"])
@pytest.mark.parametrize("off", OFF)
def test_what_is_off_is_the_base_model_bit_for_bit(tiny, edits, method, off):
    edit, options = OFF[off](edits[method], edits["direft"])
    answer = asked(tiny, [edit], **options)
    assert same(answer, asked(tiny, [None])) and not same(answer, asked(tiny, [edits[method]]))


@pytest.mark.parametrize("method", ["loreft", "noreft", "lobireft", "red", "curved"])
@pytest.mark.parametrize("case", AS_ONE)
def test_what_is_one_edit_is_that_edit_bit_for_bit(tiny, edits, method, case):
    edit, options = AS_ONE[case](edits[method], edits["direft"])
    assert same(asked(tiny, [edit], **options), asked(tiny, [edits[method]]))


@pytest.mark.parametrize("off", ["strength 0", "no layer", "no group", "a mix without layers"])
def test_what_is_off_remembers_its_whole_prompt_as_the_base_model_does(tiny, edits, off):
    edit, options = OFF[off](edits["loreft"], edits["noreft"])
    memories = [PromptCache(), PromptCache()]
    for memory, (model, more) in zip(memories, [(None, {}), (edit, options)], strict=True):
        request = InferenceEngine(tiny, memory=memory).submit(LONG, [model], max_new_tokens=1, **more)
        request.texts()
        ids = request.rows[0].prompts[0].ids
        assert memory.holds(ids) == len(ids)
    assert len(ids) > 20


@pytest.mark.parametrize("method", [*METHODS, "curved"])
@pytest.mark.parametrize(("layers", "groups"), [({0}, {0, 1}), ({0, 2}, {1}), ({2}, {0}), ({0, 1, 2}, {1})], ids=str)
def test_what_is_on_acts_alone(tiny, edits, method, layers, groups):
    edit = edits[method]
    layers = layers & {*edit.layers}
    on = Switches(frozenset(layers), prefix=0 in groups, suffix=1 in groups)
    _, (found,) = asked(tiny, [edit], ids_of(tiny), switches=[on])
    assert torch.allclose(found[0], by_hand(tiny, edit, layers, groups), atol=1e-4)
    assert not torch.allclose(found[0], by_hand(tiny, edit, set(edit.layers), {0, 1}), atol=1e-3)


def test_the_groups_of_a_tied_edit_can_be_switched_too(tiny):
    edit = built(tiny, 3, tied=True)
    for groups in ({0}, {1}, {0, 1}):
        _, (found,) = asked(tiny, [edit], ids_of(tiny), switches=[Switches(prefix=0 in groups, suffix=1 in groups)])
        assert torch.allclose(found[0], by_hand(tiny, edit, {0, 1, 2}, groups), atol=1e-4)


def test_columns_with_other_switches_share_a_pass_and_give_what_they_give_alone(tiny, edits):
    edit = edits["loreft"]
    chosen = [None, Switches(frozenset({1})), NO_LAYERS, Switches(suffix=False), Switches(frozenset({0, 2}), prefix=False), None]
    columns = [edit, edit, edit, edits["red"], Mix([edit, edits["noreft"]], [0.5, 0.5]), None]
    engine = InferenceEngine(tiny)
    ids, logits = asked(tiny, columns, engine=engine, switches=chosen)
    for column, (model, on) in enumerate(zip(columns, chosen, strict=True)):
        alone_ids, (alone,) = asked(tiny, [model], switches=[on])
        assert ids[column] == alone_ids[0] and torch.allclose(logits[column], alone, atol=1e-4)
    assert len(set(ids)) >= 4


def test_each_part_of_a_mix_is_switched(tiny, edits):
    one, two = built(tiny, 1, layers=(0, 1)), built(tiny, 2, layers=(2,), method="direft")
    mix = Mix([one, two], [0.7, 0.6])
    _, (found,) = asked(tiny, [mix], switches=[Switches(frozenset({1}))])
    _, (expected,) = asked(tiny, [one], switches=[Switches(frozenset({1}))], strength=0.7)
    assert torch.allclose(found, expected, atol=1e-5)
    _, (found,) = asked(tiny, [mix], switches=[Switches(frozenset({2}), suffix=False)])
    _, (expected,) = asked(tiny, [two], switches=[Switches(suffix=False)], strength=0.6)
    assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("strength", [-10.0, -2.0, -0.5, 3.0, 10.0])
def test_a_strength_is_a_weight_also_below_0(tiny, edits, strength):
    for method in ("loreft", "red", "lobireft"):
        _, (found,) = asked(tiny, [edits[method]], strength=strength)
        _, (expected,) = asked(tiny, [Mix([edits[method]], [strength]).as_edit()])
        assert torch.allclose(found[0], expected[0], atol=1e-3)


def test_a_conversation_that_cannot_be_shared_is_switched_too(make_model, tiny):
    """Of an encoder-decoder or a sliding window the rows have a pass of their own; a whole answer of tokens is as it is alone."""
    edit = built(tiny, 1)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("reft_engine.inference.engine.keeps_all", lambda model: False)
        assert same(asked(tiny, [edit], switches=[NO_LAYERS]), asked(tiny, [None]))
        apart = asked(tiny, [edit], switches=[Switches(frozenset({1}))])
    together = asked(tiny, [edit], switches=[Switches(frozenset({1}))])
    assert apart[0] == together[0] and torch.allclose(apart[1][0], together[1][0], atol=1e-4)


def test_odd_switches_are_refused(tiny, edits):
    edit, lora = built(tiny, 1, layers=(0, 2)), make_trainable(tiny, PeftConfig(method="lora", rank=2), seed=0).eval()
    engine = InferenceEngine(tiny)
    cases: list[tuple[Any, Any, str]] = [
        (edit, [Switches(frozenset({1}))], "switches.layer"), (Mix([edit], [1.0]), [Switches(frozenset({0, 9}))], "switches.layer"),
        (edit, [], "switches.count"), (edit, [None, None], "switches.count"), (edit, NO_LAYERS, "switches.type"),
        (edit, [{"layers": [0]}], "switches.type"), (lora, [NO_LAYERS], "switches.no_edit"),
    ]  # fmt: skip
    for model, switches, kind in cases:
        with pytest.raises(ConfigError) as error:
            engine.submit("Hi", [model], switches=switches)
        assert error.value.kind == kind
    with pytest.raises(ConfigError, match="does not act at layer 1; it has the layers 0, 2"):
        engine.submit("Hi", [edit], switches=[Switches(frozenset({1}))])
    assert same(asked(tiny, [lora, None], switches=[Switches(), NO_LAYERS]), asked(tiny, [lora, None]))
    for layers in ("a", "0", {"a"}, [0.0], [True], [-1], [None], 0, [[0]]):
        with pytest.raises(ConfigError, match="whole numbers from 0"):
            Switches(layers=layers)  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [[2, 0], (0, 2, 2), {0, 2}, range(0, 4, 2), {0: "x", 2: "y"}], ids=str)
def test_layers_come_in_any_collection(tiny, edits, given):
    on = Switches(given)  # type: ignore[arg-type]
    assert on == Switches(frozenset({0, 2})) and hash(on) == hash(Switches(frozenset({0, 2})))
    assert same(asked(tiny, [edits["loreft"]], switches=[on]), asked(tiny, [edits["loreft"]], switches=[Switches(frozenset({0, 2}))]))


def test_a_row_whose_edits_are_off_is_unedited(tiny, edits):
    edit, ids = edits["loreft"], tuple(range(1, 9))
    on = RowEdit(edit, edit.factors(), 1.0, EditedTokens((2,), (7,)))
    off = [replace(on, strength=0.0), replace(on, layers=frozenset()), replace(on, tokens=EditedTokens())]
    assert [Reading(ids, (each,)).unedited for each in (on, *off)] == [2, 8, 8, 8]
    assert Reading(ids, (*off, replace(on, tokens=EditedTokens((), (5,)), layers=frozenset({1})))).unedited == 5
