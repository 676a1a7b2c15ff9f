"""What holds of every method, rank, rule of positions and choice of layers, tied or untied, on rows of any length."""

import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reft_engine import ReftConfig, ReftModel
from reft_engine.base import blocks
from reft_engine.edits.edited import combine
from reft_engine.formats.adapter import TENSORS_NAME
from reft_engine.methods import METHODS
from tests.waiting import PATIENCE

CURVED = ["direft", "direft_orth", "loreft", "noreft"]
RULES = ["f7+l7", "f2+l1", "f3", "l1", "l4", "all", "marked"]
FAMILIES = ["llama", "gpt2", "neox"]
SIDES = ["left", "right"]
PAD = 1


@dataclass(frozen=True)
class Row:
    """Tokens that follow from the seed; of the prompt those are marked that are bits of ``marks``."""

    prompt: int
    answer: int
    seed: int
    marks: int

    @property
    def ids(self):
        generator = torch.Generator().manual_seed(self.seed)
        return torch.randint(0, 97, (self.prompt + self.answer,), generator=generator)  # the padding's number among them

    @property
    def marked(self):
        return [token for token in range(self.prompt) if self.marks >> token & 1]


def inputs(rows, side="right", extra=0):
    """Rows as a batch, with so many columns of padding more than the longest needs; the arguments of a `ReftModel`."""
    width = max(len(row.ids) for row in rows) + extra
    ids, mask = torch.full((len(rows), width), PAD), torch.zeros(len(rows), width, dtype=torch.int64)
    for index, row in enumerate(rows):
        at = slice(width - len(row.ids), width) if side == "left" else slice(0, len(row.ids))
        ids[index, at], mask[index, at] = row.ids, 1
    lengths = [row.prompt for row in rows]
    return {"input_ids": ids, "attention_mask": mask, "prompt_lengths": lengths, "marked": [row.marked for row in rows]}


def stated(rule, row):
    """The prompt tokens that a rule names, each with its group: 1 for the suffix of a two-sided rule, else 0."""
    n, half = row.prompt, row.prompt // 2
    if rule in ("all", "marked"):
        return {token: 0 for token in range(n) if rule == "all" or token in row.marked}
    sizes = {part[0]: min(int(part[1:]), half) for part in rule.split("+")}
    if n == 1 and "l" in sizes:
        sizes["l"] = 1
    front, back = sizes.get("f", 0), sizes.get("l", 0)
    named = [token for token in range(n) if token < front or token >= n - back]
    return {token: int(len(sizes) == 2 and token >= front) for token in named}


def stated_places(rule, rows, batch):
    """The same of a whole batch, by (row, column)."""
    starts = batch["attention_mask"].argmax(dim=1).tolist()
    return {(index, starts[index] + token): group for index, row in enumerate(rows) for token, group in stated(rule, row).items()}


def build(model, config, seed):
    """An edit with every weight away from its start, so that it shows on each token."""
    reft = ReftModel(model, config, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in reft.intervention.parameters():
            weight += 0.2 * torch.randn(weight.shape, generator=generator)
    return reft.eval()


def make_config(method, rank, layers, rule, tied, curved):
    activation = "tanh" if curved and method in CURVED else "linear"
    return ReftConfig(method=method, rank=rank, layers=layers, positions=rule, tied=tied, activation=activation)


a_rank, a_seed = st.sampled_from([1, 2, 5, 32]), st.integers(0, 1000)
some_layers = st.sampled_from(["all", (0,), (1,), (0, 2)])
a_config = st.builds(
    make_config, st.sampled_from(sorted(METHODS)), a_rank, some_layers, st.sampled_from(RULES), tied=st.booleans(), curved=st.booleans()
)
a_row = st.builds(Row, st.integers(1, 18), st.integers(0, 5), a_seed, st.integers(0, 2**18 - 1))
a_prompt = st.builds(Row, st.integers(1, 12), st.just(0), a_seed, st.integers(0, 2**12 - 1))
some_rows = st.lists(a_row, min_size=1, max_size=4)


@pytest.fixture(scope="session")
def models(make_model):
    return {family: make_model(family) for family in FAMILIES}


def logits_of(reft, batch, **options):
    with torch.no_grad():
        return reft(**batch, **options).logits


def bare_logits(model, batch):
    mask = batch["attention_mask"]
    positions = blocks.position_inputs(model, mask) if not mask[:, 0].all() else {}
    with torch.no_grad():
        return model(input_ids=batch["input_ids"], attention_mask=mask, **positions).logits


def same_answers(found, expected, tolerance=1e-5):
    """Equal up to rounding, which grows with the numbers."""
    return bool((found - expected).abs().max() <= tolerance * max(1.0, expected.abs().max().item()))


@contextmanager
def watched(model):
    """Of every pass through each block, its number and its output before and after the edit."""
    raw, seen, handles, own = {}, [], [], {}

    def hidden(output):
        return (output if isinstance(output, torch.Tensor) else output[0]).detach().clone()

    def before(layer):
        def forward(*args, **kwargs):
            output = own[layer](*args, **kwargs)
            raw[layer] = hidden(output)
            return output

        return forward

    def after(layer):
        return lambda _module, _args, output: seen.append((layer, raw[layer], hidden(output)))

    for layer, block in enumerate(blocks.find_blocks(model)):
        # what is attached edits what the block's own forward gives
        own[layer] = block.forward.forward
        block.forward.forward = before(layer)
        handles.append(block.register_forward_hook(after(layer)))
    try:
        yield seen
    finally:
        for layer, block in enumerate(blocks.find_blocks(model)):
            block.forward.forward = own[layer]
        for handle in handles:
            handle.remove()


def changed(before, after):
    return {tuple(pair) for pair in (before != after).any(dim=-1).nonzero().tolist()}


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.sampled_from(FAMILIES), a_config, some_rows, st.sampled_from(SIDES), st.integers(0, 3), a_seed)
def test_each_chosen_block_is_edited_at_exactly_the_stated_tokens_by_the_edit_of_its_site(models, family, config, rows, side, extra, seed):
    reft, batch = build(models[family], config, seed), inputs(rows, side, extra)
    places = stated_places(config.positions, rows, batch)
    with watched(reft.base) as seen:
        logits_of(reft, batch)
    assert [layer for layer, _, _ in seen] == list(range(len(blocks.find_blocks(reft.base))))
    for layer, before, after in seen:
        assert changed(before, after) == (places.keys() if layer in reft.layers else set())
        for place, group in places.items() if layer in reft.layers else ():
            site = reft.layers.index(layer) * config.groups + group * (config.groups - 1)
            with torch.no_grad():
                delta = reft.intervention.delta(before[place][None], reft.factors(), site)[0]
            assert same_answers(after[place], before[place] + delta)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.sampled_from(FAMILIES), a_config, some_rows, st.sampled_from(SIDES), st.integers(0, 6), st.data(), a_seed)
def test_neither_padding_nor_company_nor_order_changes_a_row(models, family, config, rows, side, extra, data, seed):
    reft = build(models[family], config, seed)
    rows = data.draw(st.permutations(rows))
    batch = inputs(rows, side, extra)
    logits = logits_of(reft, batch)
    for index, row in enumerate(rows):
        alone = logits_of(reft, inputs([row]))[0]
        assert same_answers(logits[index][batch["attention_mask"][index].bool()], alone)


def answers(reft, rows):
    """The new tokens of each row."""
    batch = inputs(rows, "left")
    written = reft.generate(**batch, max_new_tokens=4, do_sample=False, eos_token_id=2, pad_token_id=PAD)
    found = written[:, batch["input_ids"].shape[1] :].tolist()
    return [tokens[: tokens.index(2) + 1] if 2 in tokens else tokens for tokens in found]


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.sampled_from(FAMILIES), a_config, st.lists(a_prompt, min_size=2, max_size=3), a_seed)
def test_greedy_answers_in_a_batch_padded_on_the_left_are_those_of_single_rows(models, family, config, rows, seed):
    reft = build(models[family], config, seed)
    assert answers(reft, rows) == [answer for row in rows for answer in answers(reft, [row])]


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.sampled_from(FAMILIES), a_config, st.lists(a_prompt, min_size=1, max_size=3), a_seed)
def test_of_a_generation_the_prompt_is_edited_and_no_token_that_is_written(models, family, config, rows, seed):
    reft, batch = build(models[family], config, seed), inputs(rows, "left")
    places = stated_places(config.positions, rows, batch)
    count = len(blocks.find_blocks(reft.base))
    with watched(reft.base) as seen:
        answers(reft, rows)
    for number, (layer, before, after) in enumerate(seen):
        assert changed(before, after) == (places.keys() if number < count and layer in reft.layers else set())


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.sampled_from(FAMILIES), a_config, some_rows, a_seed)
def test_a_saved_edit_comes_back_bit_for_bit(models, family, config, rows, seed):
    reft, batch = build(models[family], config, seed), inputs(rows)
    with tempfile.TemporaryDirectory() as folder:
        first, second = Path(folder, "first"), Path(folder, "second")
        loaded = ReftModel.load(reft.save(first), reft.base)
        loaded.save(second)
        assert (first / TENSORS_NAME).read_bytes() == (second / TENSORS_NAME).read_bytes()
    assert loaded.reft_config == config
    assert torch.equal(logits_of(loaded, batch), logits_of(reft, batch))


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.sampled_from(FAMILIES), a_config, some_rows, st.sampled_from(SIDES), a_seed)
def test_strength_zero_is_the_base_bit_for_bit(models, family, config, rows, side, seed):
    reft, batch = build(models[family], config, seed), inputs(rows, side)
    assert torch.equal(logits_of(reft, batch, strength=0.0), bare_logits(reft.base, batch))


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(a_config, some_rows, st.floats(-3, 3), a_seed)
def test_strength_is_a_factor_on_what_an_edit_adds(models, config, rows, strength, seed):
    reft, batch = build(models["llama"], config.model_copy(update={"layers": (1,)}), seed), inputs(rows)
    with watched(reft.base) as seen:
        logits_of(reft, batch)
        logits_of(reft, batch, strength=strength)
    (full, scaled) = ((after, before) for layer, before, after in seen if layer == 1)
    assert torch.equal(full[1], scaled[1])
    assert same_answers(scaled[0], scaled[1] + strength * (full[0] - full[1]))


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(st.sampled_from(FAMILIES), st.lists(st.tuples(st.none() | a_config, a_row), min_size=2, max_size=4), st.sampled_from(SIDES), a_seed)
def test_rows_of_one_batch_under_edits_of_their_own_answer_as_each_does_alone(models, family, pairs, side, seed):
    model, rows = models[family], [row for _, row in pairs]
    edits = [config and build(model, config, seed + index) for index, (config, _) in enumerate(pairs)]
    batch = inputs(rows, side)
    mask = batch["attention_mask"]
    chains = [
        reft.edits(reft.plan(mask, batch["prompt_lengths"], [index], batch["marked"]), reft.factors())
        for index, reft in enumerate(edits)
        if reft
    ]
    with blocks.editing(combine(chains)):
        together = bare_logits(model, batch)
    for index, (reft, row) in enumerate(zip(edits, rows, strict=True)):
        alone = inputs([row])
        expected = logits_of(reft, alone) if reft else bare_logits(model, alone)
        assert same_answers(together[index][mask[index].bool()], expected[0])


@pytest.mark.parametrize("family", FAMILIES)
def test_threads_that_are_inside_the_base_at_once_each_get_their_own_edit(models, family):
    model, batch = models[family], inputs([Row(9, 2, 1, 5), Row(4, 0, 2, 9)])
    edits = [None, *(build(model, ReftConfig(method=method, positions="f2+l2", tied=False), 7) for method in METHODS)]

    def ask(reft):
        return bare_logits(model, batch) if reft is None else logits_of(reft, batch)

    alone = [ask(reft) for reft in edits]
    barrier = threading.Barrier(len(edits), timeout=PATIENCE)

    def meet(_module, _args):
        barrier.wait()

    handles = [block.register_forward_pre_hook(meet) for block in blocks.find_blocks(model)]
    try:
        with ThreadPoolExecutor(len(edits)) as pool:
            together = list(pool.map(ask, edits))
    finally:
        for handle in handles:
            handle.remove()
    assert all(torch.equal(found, expected) for found, expected in zip(together, alone, strict=True))
    assert all(not torch.equal(first, second) for index, first in enumerate(alone) for second in alone[:index])
