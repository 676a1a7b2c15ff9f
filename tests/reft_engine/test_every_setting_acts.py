"""Every setting of edits and of training, and every argument of answering and measuring, acts: one that does nothing fails here.

The settings are read from the engine's own models and signatures, so that one that is added fails until it has a row.
"""

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from reft_engine import Example, ReftConfig, ReftModel, TrainConfig, classify, evaluate, generate, stream, train, train_many
from reft_engine.base import blocks
from reft_engine.data import Message, Preference
from reft_engine.inference.kv_cache import PromptCache
from reft_engine.inference.sampling import Sampler, Sampling
from reft_engine.tokens.batches import in_passes
from reft_engine.tokens.examples import end_ids, prompt_ids
from reft_engine.training import loop
from reft_engine.training.events import HeldOutEvent, PhaseEvent, ReuseEvent, RowsEvent, StepEvent
from reft_engine.training.objectives import NextToken
from reft_engine.training.rows import encoded_of, read_rows
from tests.reft_engine.runs import run_of, same, watched

EDIT = {"rank": 2, "positions": "f2+l2"}
PLAN = {"epochs": 2, "batch_size": 4, "learning_rate": 0.02, "held_out": 0.0}
LABELS = ("animal", "number")
NAMED = [
    Example(line, (Message("user", f"a {word}"),), LABELS[line % 2]) for line, word in enumerate("cat two dog six cow ten owl one".split())
]
PAIRS = [Preference(line, (Message("user", f"What is {line}?"),), f"It is {line}.", "No.") for line in range(8)]


@pytest.fixture(scope="module")
def rows(examples) -> list[Example]:
    return examples[:8]


def taught(base: Any, rows: Any, edit: dict[str, Any] | None = None, **settings: Any) -> Any:
    return run_of(base, rows, ReftConfig(**{**EDIT, **(edit or {})}), TrainConfig(**{**PLAN, **settings}))


def differ(one: Any, other: Any) -> bool:
    """Whether two runs have learned something else."""
    return one.weights.keys() != other.weights.keys() or any(
        value.shape != other.weights[name].shape or not torch.equal(value, other.weights[name]) for name, value in one.weights.items()
    )


def near(one: Any, other: Any, within: float = 1e-3) -> bool:
    return all(torch.allclose(value, other.weights[name], rtol=0, atol=within) for name, value in one.weights.items())


# What is edited

CHANGES: dict[str, tuple[Any, dict[str, Any]]] = {
    "method": ("direft", {}), "rank": (3, {}), "layers": ((0, 2), {}), "positions": ("l1", {}), "tied": (False, {}), "dropout": (0.5, {}),
    "activation": ("tanh", {"method": "direft"}), "identity_init": (True, {"method": "direft"}), "labels": (LABELS, {}),
    "pooling": ("mean", {"labels": LABELS}),
}  # fmt: skip
"""Of each setting another value than its default, and what must be set beside it."""


def test_every_setting_of_an_edit_has_a_row_here():
    assert set(CHANGES) == set(ReftConfig.model_fields)
    assert all(value != ReftConfig.model_fields[name].default for name, (value, _) in CHANGES.items())


@pytest.mark.slow
@pytest.mark.parametrize("name", CHANGES)
def test_another_setting_of_the_edit_learns_something_else(tiny, rows, name):
    value, beside = CHANGES[name]
    given = NAMED if {"labels", "pooling"} & {name, *beside} else rows
    plain = taught(tiny, rows if name == "labels" else given, beside)
    assert differ(plain, taught(tiny, given, {**beside, name: value}))


@pytest.mark.parametrize("name", sorted(CHANGES.keys() - {"labels", "pooling", "dropout"}))
def test_another_setting_of_the_edit_is_another_edit_of_the_hidden_states(llama, name):
    """Before any training; but not of those by which a head, or training, is another."""
    value, beside = CHANGES[name]
    ids = torch.arange(5, 17)[None]
    found = []
    for setting in ({}, {name: value}):
        reft = ReftModel(llama, ReftConfig(**{**EDIT, **beside, **setting}), seed=1).eval()
        if name == "tied":
            with torch.no_grad():
                reft.intervention.bias.add_(torch.arange(reft.intervention.bias.numel()).reshape(reft.intervention.bias.shape) / 10)
        with torch.no_grad():
            found.append(reft(ids).logits)
    assert not torch.equal(*found)


# How it is trained


def learned(value: Any, edit: dict[str, Any] | None = None, given: Any = None, **beside: Any) -> Callable[..., None]:
    """Other weights."""

    def show(tiny: Any, rows: Any, name: str) -> None:
        plain, other = (taught(tiny, given or rows, edit, **{**beside, **change}) for change in ({}, {name: value}))
        assert differ(plain, other)

    return show


def held_out(tiny: Any, rows: Any, name: str) -> None:
    """So many rows are measured with, and none of them learned from."""
    for share, count in ((0.25, 2), (0.5, 4)):
        found = taught(tiny, rows, held_out=share)
        assert (found.result.check.held_out, found.result.check.trained) == (count, 8 - count)
        assert len({look.rows for look in found.of(HeldOutEvent)}) == 1 and len(found.of(RowsEvent)[0].held_out_places) == count


def seed(tiny: Any, rows: Any, name: str) -> None:
    """Of the weights at the start, of the order, and of what is held out."""
    runs = [taught(tiny, rows, seed=value, held_out=0.25) for value in (1, 2)]
    assert runs[0].of(RowsEvent)[0].held_out_places != runs[1].of(RowsEvent)[0].held_out_places
    assert differ(*runs) and same(runs[0], taught(tiny, rows, seed=1, held_out=0.25))


def split_seed(tiny: Any, rows: Any, name: str) -> None:
    """Of what is held out, and of nothing else."""
    runs = [
        taught(tiny, rows, held_out=0.25, **given)
        for given in ({"split_seed": 1}, {"split_seed": 2}, {"split_seed": 1, "seed": 3}, {"seed": 1})
    ]
    places = [run.of(RowsEvent)[0].held_out_places for run in runs]
    assert places[0] == places[2] == places[3] != places[1] and differ(runs[0], runs[1]) and differ(runs[0], runs[2])
    starts = [loop.RunState(next_token(tiny, split_seed=value), encoded(tiny, rows)) for value in (1, 2)]
    assert all(torch.equal(value, starts[1].reft.tensors()[key]) for key, value in starts[0].reft.tensors().items())
    assert starts[0].batches_of(0) == starts[1].batches_of(0)


def answer_tokens(tiny: Any, rows: Any, name: str) -> None:
    whole, cut = taught(tiny, rows), taught(tiny, rows, answer_tokens=1)
    assert differ(whole, cut) and whole.losses != cut.losses
    assert cut.result.check.tokens < whole.result.check.tokens


def pairs(tiny: Any, rows: Any, name: str) -> None:
    """Pairs are compared, or only the preferred answers are learned, as rows of their own would be."""
    compared, preferred = (taught(tiny, PAIRS, pairs=each) for each in ("compare", "preferred"))
    assert differ(compared, preferred)
    assert same(preferred, taught(tiny, [pair.preferred for pair in PAIRS]))


def max_length(tiny: Any, rows: Any, name: str) -> None:
    whole, cut = taught(tiny, rows), taught(tiny, rows, max_length=20)
    assert differ(whole, cut) and cut.result.check.cut_answers > whole.result.check.cut_answers == 0 and cut.result.check.longest == 20


def keep(tiny: Any, rows: Any, name: str) -> None:
    """The edit that is kept is another; what was learned step by step is the same."""
    wild = {"epochs": 8, "learning_rate": 1.0, "held_out": 0.25}
    best, last = taught(tiny, rows, **wild), taught(tiny, rows, keep="last", **wild)
    assert best.losses == last.losses and best.result.best_step == last.result.best_step < last.result.steps
    assert differ(best, last) and best.result.held_out_tuned < last.result.held_out_tuned
    assert min(look.loss for look in best.of(HeldOutEvent) if look.step) == pytest.approx(best.result.held_out_tuned, abs=1e-4)


def patience(tiny: Any, rows: Any, name: str) -> None:
    wild = {"epochs": 8, "learning_rate": 1.0, "held_out": 0.25}
    whole, found = (taught(tiny, rows, **wild, **given) for given in ({}, {"patience": 2}))
    assert found.result.steps < whole.result.steps == 16
    losses = [look.loss for look in found.of(HeldOutEvent)[1:]]
    assert losses.index(min(losses)) == len(losses) - 3, "two measurements without a lower loss, and no more"


def passes(tiny: Any, rows: Any, **settings: Any) -> tuple[Any, Any]:
    """A run, and what the base model computed for it."""
    with watched(tiny.model) as seen:
        found = taught(tiny, rows, **settings)
    return found, seen[0]


def pass_tokens(tiny: Any, rows: Any, name: str) -> None:
    (whole, few), (parts, many) = (passes(tiny, rows, packing=False, reuse="none", **given) for given in ({}, {"pass_tokens": 40}))
    assert near(whole, parts) and len(many.learning) > len(few.learning) and max(a * b for a, b in many.learning) <= 40


def packing(tiny: Any, rows: Any, name: str) -> None:
    uneven = [replace(row, answer=f"{row.answer} {'yes ' * (3 * place)}") for place, row in enumerate(rows)]
    (packed, dense), (padded, wide) = (passes(tiny, uneven, reuse="none", packing=value) for value in (True, False))
    assert near(packed, padded) and {shape[0] for shape in dense.learning} == {1} != {shape[0] for shape in wide.learning}


def reuse(tiny: Any, rows: Any, name: str) -> None:
    """Every kind computes something else, and all learn the same."""
    edit, computed = {"layers": [2], "positions": "l1"}, {}
    long = [replace(row, messages=(Message("user", f"{'Think of it well. ' * 3}{row.messages[0].content}"),)) for row in rows]
    found = []
    for value in ("all", "depth", "time", "none"):
        with watched(tiny.model) as seen:
            found.append(taught(tiny, long, edit, reuse=value, packing=False, epochs=3))
        computed[value] = (seen[0].learning, tuple(sorted(seen[0].blocks[True])))
    assert all(near(run, found[0]) for run in found) and len({str(each) for each in computed.values()}) == 4
    assert found[3].of(ReuseEvent) == [] and found[0].of(ReuseEvent)[0].share > 0


def reuse_memory(tiny: Any, rows: Any, name: str) -> None:
    """What does not fit into memory goes to disk, and what fits into neither is computed anew."""
    sizes = {}
    for given in ((1, 1), (0, 1), (0, 0)):
        settings = next_token(tiny, reuse_memory_mb=given[0], reuse_disk_mb=given[1])
        budget = loop.reuse_budget(loop.RunState(settings, encoded(tiny, rows)), None)
        sizes[given] = (budget.memory, budget.disk)
    assert sizes == {(1, 1): (10**6, 10**6), (0, 1): (0, 10**6), (0, 0): (0, 0)}
    edit, counts = {"layers": [2], "positions": "l1"}, {}
    for given in ((2048, 0), (0, 4096), (0, 0)):
        with watched(tiny.model) as seen:
            taught(tiny, rows, edit, epochs=4, packing=False, reuse_memory_mb=given[0], reuse_disk_mb=given[1])
        counts[given] = len(seen[0].reading)
    assert counts[0, 0] > counts[2048, 0] == counts[0, 4096]


def next_token(base: Any, **settings: Any) -> Any:
    return objective(base, {}, **settings)


def objective(base: Any, edit: dict[str, Any], **settings: Any) -> Any:
    return NextToken(base, ReftConfig(**{**EDIT, **edit}), TrainConfig(**{**PLAN, **settings}))


def encoded(base: Any, rows: Any) -> Any:
    return encoded_of(read_rows(next_token(base), rows).usable)


def checkpointing(tiny: Any, rows: Any, name: str) -> None:
    """Each block is computed twice, and the same is learned."""
    counts, runs = [], []
    for value in (False, True):
        count = []
        block = blocks.find_blocks(tiny.model)[1]
        handle = next(block.children()).register_forward_hook(lambda *_, count=count: count.append(torch.is_grad_enabled()))
        runs.append(taught(tiny, rows, gradient_checkpointing=value, reuse="none", packing=False))
        handle.remove()
        counts.append(len(count))
    assert near(*runs, within=1e-5) and counts[1] > counts[0]


def epochs(tiny: Any, rows: Any, name: str) -> None:
    found = [taught(tiny, rows, epochs=count) for count in (1, 2, 3)]
    assert [len(run.losses) for run in found] == [2, 4, 6] and [run.of(StepEvent)[-1].epoch for run in found] == [1.0, 2.0, 3.0]


def batch_size(tiny: Any, rows: Any, name: str) -> None:
    found = [taught(tiny, rows, batch_size=count, epochs=1) for count in (8, 3, 1)]
    assert [len(run.losses) for run in found] == [1, 3, 8] and differ(found[0], found[1])


def accumulation(tiny: Any, rows: Any, name: str) -> None:
    found = [taught(tiny, rows, batch_size=2, gradient_accumulation=count, epochs=1) for count in (1, 2, 4)]
    assert [len(run.losses) for run in found] == [4, 2, 1] and near(found[2], taught(tiny, rows, batch_size=8, epochs=1))


def rate(tiny: Any, rows: Any, name: str) -> None:
    found = [taught(tiny, rows, learning_rate=value, warmup_ratio=0.0) for value in (0.02, 0.01)]
    rates = [[event.learning_rate for event in run.of(StepEvent)] for run in found]
    assert rates[0] == pytest.approx([0.02, 0.015, 0.01, 0.005]) and rates[1] == pytest.approx([value / 2 for value in rates[0]])
    assert differ(*found)


def head_rate(tiny: Any, rows: Any, name: str) -> None:
    """Of the head alone; the rate of the edits stays what it is."""
    runs = [taught(tiny, NAMED, {"labels": LABELS}, epochs=1, batch_size=8, warmup_ratio=0.0, **given) for given in ({}, {name: 0.5})]
    head = {key for key in runs[0].weights if key in runs[0].result.reft.head.state_dict()}
    assert head and all(torch.equal(runs[0].weights[key], runs[1].weights[key]) is (key not in head) for key in runs[0].weights)


def warmup(tiny: Any, rows: Any, name: str) -> None:
    found = [taught(tiny, rows, warmup_ratio=value) for value in (0.0, 0.5, 1.0)]
    rates = [[round(event.learning_rate / 0.02, 3) for event in run.of(StepEvent)] for run in found]
    assert rates == [[1.0, 0.75, 0.5, 0.25], [0.5, 1.0, 1.0, 0.5], [0.25, 0.5, 0.75, 1.0]] and differ(found[0], found[1])


def norm(tiny: Any, rows: Any, name: str) -> None:
    """Of so small a gradient next to nothing is left beside Adam's own constant."""
    runs = [taught(tiny, rows, max_grad_norm=value, epochs=1, batch_size=8, warmup_ratio=0.0) for value in (1.0, 1e-9)]
    start = ReftModel(tiny.model, ReftConfig(**EDIT), seed=42).tensors()
    moved = [max(float((run.weights[key] - value).abs().max()) for key, value in start.items()) for run in runs]
    assert moved[1] < moved[0] / 3


ACTS: dict[str, Callable[..., None]] = {
    "epochs": epochs, "learning_rate": rate, "head_learning_rate": head_rate, "batch_size": batch_size,
    "gradient_accumulation": accumulation, "warmup_ratio": warmup,
    "weight_decay": learned(0.5, {"method": "direft"}), "max_grad_norm": norm, "max_length": max_length,
    "answer_tokens": answer_tokens, "preference_beta": learned(5.0, given=PAIRS), "pairs": pairs, "gradient_checkpointing": checkpointing,
    "pass_tokens": pass_tokens, "packing": packing, "reuse": reuse, "reuse_memory_mb": reuse_memory, "reuse_disk_mb": reuse_memory,
    "held_out": held_out, "split_seed": split_seed, "keep": keep, "patience": patience, "seed": seed,
}  # fmt: skip


def test_every_setting_of_training_has_a_row_here():
    assert set(ACTS) == set(TrainConfig.model_fields)


@pytest.mark.slow
@pytest.mark.parametrize("name", ACTS)
def test_a_setting_of_training_acts(tiny, rows, name):
    ACTS[name](tiny, rows, name)


# Answers

HELLO = "Hello there, how do you do?"


def said(base: Any, edits: Any = (None,), prompt: Any = HELLO, **options: Any) -> list[str]:
    return generate(base, prompt, edits, **{"max_new_tokens": 10, **options})


def answers_differ(base: Any, reft: Any, name: str, *values: Any, **beside: Any) -> None:
    """By `generate` and by `stream` alike, and no two the same."""
    edits = [None, reft]
    found = [said(base, edits, **{**beside, name: value}) for value in values]
    for value, answers in zip(values, found, strict=True):
        texts = ["", ""]
        for delta in stream(base, HELLO, edits, **{"max_new_tokens": 10, **beside, name: value}):
            texts[delta.column] += delta.text
        assert texts == answers
    assert len(set(map(tuple, found))) == len(values)


def prompt_acts(base: Any, reft: Any) -> None:
    assert said(base) != said(base, prompt="Who is it?")


def edits_act(base: Any, reft: Any) -> None:
    plain, tuned = said(base, [None, reft])
    assert said(base, [reft, None]) == [tuned, plain] and plain != tuned


def base_acts(base: Any, reft: Any) -> None:
    torch.manual_seed(9)
    other = replace(base, model=type(base.model)(base.model.config).eval())
    assert said(other) != said(base)


def stops(base: Any, reft: Any) -> None:
    assert [delta.ended for delta in stream(base, HELLO, [None], max_new_tokens=20, should_stop=lambda: True)][-1:] == [True]
    assert len(list(stream(base, HELLO, [None], max_new_tokens=20, should_stop=lambda: True))) <= 2


def remembers(base: Any, reft: Any) -> None:
    """The answer is the same, and the prompt is not read a second time."""
    memory, counts = PromptCache(), []
    for _ in range(2):
        with watched(base.model) as seen:
            answer = "".join(delta.text for delta in stream(base, HELLO * 3, [None], max_new_tokens=4, memory=memory))
        counts.append(sum(rows * columns for rows, columns in seen[0].reading))
        assert [answer] == said(base, prompt=HELLO * 3, max_new_tokens=4)
    assert counts[1] < counts[0]


ARGUMENTS: dict[str, Callable[[Any, Any], None]] = {
    "base": base_acts,
    "prompt": prompt_acts,
    "edits": edits_act,
    "max_new_tokens": lambda base, reft: answers_differ(base, reft, "max_new_tokens", 1, 2, 9),
    "temperature": lambda base, reft: answers_differ(base, reft, "temperature", 0.0, 0.7, 1.5, seed=3),
    "top_p": lambda base, reft: answers_differ(base, reft, "top_p", 0.05, 0.5, 1.0, temperature=1.2, seed=5),
    "seed": lambda base, reft: answers_differ(base, reft, "seed", 0, 1, 2**31 - 1, temperature=1.0),
    "strength": lambda base, reft: answers_differ(base, reft, "strength", -1.0, 0.0, 0.5, 1.0, 2.0),
    "should_stop": stops,
    "memory": remembers,
}


def test_every_argument_of_answering_has_a_row_here():
    assert set(inspect.signature(stream).parameters) == set(ARGUMENTS)
    assert set(inspect.signature(generate).parameters) == set(ARGUMENTS) - {"should_stop", "memory"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ARGUMENTS)
def test_an_argument_of_answering_acts(tiny, strong, name):
    ARGUMENTS[name](tiny, strong(tiny.model, seed=2, rank=2, positions="f2+l2"))


def shares(temperature: float, top_p: float = 1.0, logits: tuple[float, ...] = (2.0, 1.0, 0.0, -1.0)) -> list[float]:
    """How often each token is picked, over many seeds."""
    picks = [Sampler(Sampling(temperature, top_p, seed)).choose(torch.tensor(logits)) for seed in range(800)]
    return [picks.count(token) / len(picks) for token in range(len(logits))]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_tokens_are_picked_as_often_as_their_probability_at_that_temperature(temperature):
    expected = torch.softmax(torch.tensor([2.0, 1.0, 0.0, -1.0]) / temperature, dim=-1).tolist()
    assert shares(temperature) == pytest.approx(expected, abs=0.05)
    assert shares(0.0) == [1.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize(("top_p", "left"), [(0.4, 1), (0.5, 1), (0.6, 2), (0.75, 2), (0.87, 3), (0.9, 4), (1.0, 4)])
def test_what_is_sampled_from_is_the_fewest_tokens_that_have_that_share(top_p, left):
    """Of shares of 1/2, 1/4, 1/8 and 1/8."""
    found = shares(1.0, top_p, tuple(torch.tensor([0.5, 0.25, 0.125, 0.125]).log().tolist()))
    assert [share > 0 for share in found] == [True] * left + [False] * (4 - left)


def test_the_templates_own_end_of_turn_ends_an_answer_though_the_tokenizer_has_another(starter, make_model):
    """And so does the tokenizer's: models are made that say either."""
    words = starter.tokenizer("The cat sat on my box", add_special_tokens=False)["input_ids"]
    ends = [token for token in starter.tokenizer.added_tokens_decoder if token != starter.tokenizer.eos_token_id]
    turn_end = next(token for token in ends if starter.tokenizer.convert_ids_to_tokens(token) not in starter.template)
    written = starter.template.replace(starter.tokenizer.eos_token, starter.tokenizer.convert_ids_to_tokens(turn_end))
    base = replace(starter, template=written, name="otherwise", model=says(starter, make_model, [*words[:3], turn_end, *words[3:]]))
    assert end_ids(base)[-1] == turn_end != base.tokenizer.eos_token_id
    assert said(base, prompt="Hi") == [starter.tokenizer.decode(words[:3])]
    both = replace(base, model=says(starter, make_model, [*words[:2], starter.tokenizer.eos_token_id, *words[2:]]))
    assert said(both, prompt="Hi") == [starter.tokenizer.decode(words[:2])]
    taught_rows = encoded(base, [Example(1, (Message("user", "Hi"),), "The cat")])
    assert taught_rows[0].answer_ids[-1] == turn_end, "and training teaches that one"


def says(base: Any, make_model: Any, tokens: list[int]) -> Any:
    """A model that says these tokens after any prompt that ends with a new line: a table of next tokens in its head."""
    model = make_model("llama", vocab_size=len(base.tokenizer), tie_word_embeddings=False, max_position_embeddings=160)
    before = base.tokenizer("\n", add_special_tokens=False)["input_ids"][-1]
    assert len({before, *tokens}) == len(tokens) + 1, "a table of next tokens needs distinct ones"
    with torch.no_grad():
        for block in model.model.layers:
            block.self_attn.o_proj.weight.zero_()
            block.mlp.down_proj.weight.zero_()
        model.lm_head.weight.zero_()
        for token, following in zip([before, *tokens], tokens, strict=False):
            model.lm_head.weight[following] = model.model.embed_tokens.weight[token]
    return model.requires_grad_(False)


# Measuring


def measured(base: Any, reft: Any, rows: Any, **options: Any) -> Any:
    return evaluate(base, reft, rows, **options)


MEASURES: dict[str, Callable[..., None]] = {}


def measures(name: str) -> Callable[..., Any]:
    def keep_it(show: Callable[..., None]) -> Callable[..., None]:
        MEASURES[name] = show
        return show

    return keep_it


@measures("base")
def _base_is_measured(tiny: Any, reft: Any, rows: Any, strong: Any) -> None:
    torch.manual_seed(9)
    other = replace(tiny, model=type(tiny.model)(tiny.model.config).eval().requires_grad_(False))
    theirs = measured(other, strong(other.model, seed=2), rows)
    assert theirs["base"]["loss"] != measured(tiny, reft, rows)["base"]["loss"]


@measures("reft")
def _edit_is_measured(tiny: Any, reft: Any, rows: Any, strong: Any) -> None:
    one, other = measured(tiny, reft, rows), measured(tiny, strong(tiny.model, seed=7), rows)
    assert one["base"] == other["base"] and one["tuned"] != other["tuned"] != one["base"]


@measures("examples")
def _rows_are_measured(tiny: Any, reft: Any, rows: Any, strong: Any) -> None:
    found = [measured(tiny, reft, part) for part in (rows[:3], rows[3:])]
    assert [each["rows"] for each in found] == [3, len(rows) - 3] and found[0]["tuned"] != found[1]["tuned"]


@measures("max_length")
def _length_is_measured(tiny: Any, reft: Any, rows: Any, strong: Any) -> None:
    length = len(prompt_ids(tiny, rows[0].messages))
    assert measured(tiny, reft, rows, max_length=length + 2)["base"] != measured(tiny, reft, rows)["base"]
    assert measured(tiny, reft, [*rows, Example(77, (Message("user", "no " * 20),), "a")], max_length=length + 2)["rows_left_out"] == 1


@measures("on_row")
def _rows_are_told(tiny: Any, reft: Any, rows: Any, strong: Any) -> None:
    told: list[int] = []
    measured(tiny, reft, rows, on_row=told.append)
    assert told == list(range(1, len(rows) + 1))


def test_every_argument_of_measuring_has_a_row_here():
    assert set(inspect.signature(evaluate).parameters) == set(MEASURES)


@pytest.mark.parametrize("name", MEASURES)
def test_an_argument_of_measuring_acts(tiny, strong, rows, name):
    MEASURES[name](tiny, strong(tiny.model, seed=2), rows, strong)


def test_a_classifier_reads_at_most_so_many_tokens(tiny, strong):
    reft = strong(tiny.model, labels=LABELS, pooling="last")
    long = [[Message("user", f"{'no ' * 30}yes")]]
    found = [classify(tiny, reft, long, max_length=length) for length in (16, 24, 512)]
    assert found[0] != found[1] != found[2] and found[2] == classify(tiny, reft, long)
    assert classify(tiny, reft, long, edited=False) != found[2]


# Training's own arguments


def test_every_argument_of_training_is_known_here():
    """What each does is shown by the tests of its own: `folder`, `start`, `turn`, `should_stop`, `leaving` and `may_save` in test_training
    and test_checkpoint, the rest here."""
    assert set(inspect.signature(train).parameters) == {
        "base", "examples", "config", "train_config", "folder", "file_rows", "on_event", "on_ready", "should_stop",
        "start", "leaving", "may_save", "exclusive",
    }  # fmt: skip
    assert set(inspect.signature(train_many).parameters) == {
        "base", "examples", "runs", "folder", "file_rows", "on_event", "should_stop", "exclusive",
    }  # fmt: skip


@pytest.mark.slow
def test_rows_of_the_file_that_could_not_be_read_are_counted_as_left_out(tiny, rows):
    for count, left_out in ((None, 0), (8, 0), (11, 3)):
        found = train(tiny, rows, ReftConfig(**EDIT), TrainConfig(**{**PLAN, "epochs": 1}), file_rows=count)
        assert (found.check.rows, found.check.rows_left_out) == (8 + left_out, left_out)


@pytest.mark.slow
def test_whoever_is_told_is_told_of_everything(tiny, rows):
    heard, ready = [], []
    train(tiny, rows, ReftConfig(**EDIT), TrainConfig(**{**PLAN, "held_out": 0.25}), on_event=heard.append, on_ready=ready.append)
    assert {RowsEvent, PhaseEvent, StepEvent, HeldOutEvent} <= {type(event) for event in heard} and len(ready) == 1


def test_a_batch_is_cut_into_passes_of_at_most_so_many_tokens(tiny, rows):
    lines = encoded(tiny, rows)
    size = max(row.length for row in lines)
    for tokens in (size, 2 * size, 3 * size):
        parts = list(in_passes(lines, tokens))
        assert max(len(part) * max(row.length for row in part) for part in parts) <= tokens and sum(map(len, parts)) == len(lines)


def test_the_first_weights_and_the_order_of_the_rows_follow_from_the_seed(tiny, examples):
    lines = encoded(tiny, examples)
    states = [loop.RunState(next_token(tiny, seed=value), lines) for value in (1, 1, 2)]
    starts = [each.reft.tensors() for each in states]
    orders = [[row.line for batch in each.batches_of(0) for row in batch] for each in states]
    assert orders[0] == orders[1] != orders[2] and sorted(orders[0]) == sorted(orders[2])
    assert states[0].batches_of(0) != states[0].batches_of(1)
    assert all(torch.equal(starts[0][name], starts[1][name]) for name in starts[0])
    assert not all(torch.equal(starts[0][name], starts[2][name]) for name in starts[0])


def test_what_is_dropped_follows_from_the_seed_and_the_step(tiny, rows):
    def drawn(seed: int, step: int) -> list[float]:
        state = loop.RunState(objective(tiny, {"dropout": 0.5}, seed=seed), encoded(tiny, rows))
        state.step = step
        state.begin_step()
        return torch.rand(4, generator=state.micro_batch(0).acting.dropout.generator).tolist()

    assert drawn(1, 0) == drawn(1, 0) and len({tuple(drawn(*each)) for each in ((1, 0), (1, 1), (2, 0))}) == 3
