"""Answers by what followed like hidden states in stored rows: off, everything, nearest alone; in any batch; and why."""

import math
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch

from reft_engine import ConfigError, DataError, Example, Message, Preference, StoppedError, generate
from reft_engine.inference import InferenceEngine, Sampling, build_store, choose_blend, references, score
from reft_engine.inference.reference_rows import read_answers
from reft_engine.tokens.examples import encode, ids_of_answer, prompt_ids
from tests.reft_engine import families
from tests.reft_engine.test_other_heads import behind

PROMPT = "What is 2 hen?"
NO_LIMIT = 10**6


def row(prompt, answer, line=1):
    return Example(line, (Message("user", prompt),), answer)


@pytest.fixture(scope="module")
def store(tiny, examples):
    return build_store(tiny, examples)


def ids_by(base, store, prompts, *arguments, length=12, **sampling):
    """The tokens of each prompt's answer, all in one running batch."""
    engine = InferenceEngine(base)
    adjusts = [store.adjust(*arguments) for _ in prompts]
    asked = [
        engine.submit(prompt, [None], max_new_tokens=length, adjust=adjust, sampling=Sampling(**sampling))
        for prompt, adjust in zip(prompts, adjusts, strict=True)
    ]
    engine.finish()
    return [each.ids() for each in asked]


# What is stored


def test_each_answer_token_is_stored_behind_what_the_head_reads_before_it(tiny, examples, store):
    wanted = [encode(tiny, each, tiny.context) for each in examples]
    assert store.values.tolist() == [token for each in wanted for token in each.answer_ids]
    assert store.rows.tolist() == [index for index, each in enumerate(wanted) for _ in each.answer_ids]
    assert (store.dropped, store.refused, len(store)) == ((), (), len(store.values))
    at = 0
    for each in wanted[:5]:
        count = len(each.answer_ids)
        output = tiny.model(torch.tensor([each.ids]), output_hidden_states=True)
        ours = store.keys[at : at + count]
        assert (ours - output.hidden_states[-1][0, -count - 1 : -1]).abs().max() < 1e-5
        assert (tiny.model.get_output_embeddings()(ours) - output.logits[0, -count - 1 : -1]).abs().max() < 1e-4
        at += count
    assert (store.norms - store.keys.square().sum(dim=-1)).abs().max() == 0
    assert store.nbytes == sum(each.nbytes for each in (store.keys, store.values, store.rows, store.norms))


@pytest.mark.parametrize("pass_tokens", [1, 50, 100_000])
def test_in_one_batch_or_many_the_store_is_the_same(tiny, examples, store, pass_tokens):
    other = build_store(tiny, examples, pass_tokens=pass_tokens)
    assert torch.equal(other.values, store.values) and torch.equal(other.rows, store.rows)
    assert (other.keys - store.keys).abs().max() < 1e-5 and other.scale == pytest.approx(store.scale, rel=1e-5)
    prompts = [each.messages for each in examples[::5]]
    assert ids_by(tiny, other, prompts, 0.6) == ids_by(tiny, store, prompts, 0.6)


def test_the_scale_is_the_median_squared_distance(store):
    distances = torch.cdist(store.keys, store.keys, compute_mode="donot_use_mm_for_euclid_dist").square()
    others = distances[~torch.eye(len(store), dtype=torch.bool)]
    assert store.scale == pytest.approx(float(others.median()), rel=1e-4)


def test_rows_without_room_are_dropped_whole_and_named(tiny, examples):
    sizes = [len(ids_of_answer(tiny, each.answer)) for each in examples]
    most = sum(sizes[:7]) + 1
    cut = build_store(tiny, examples, most_keys=most)
    assert len(cut) <= most and cut.dropped
    kept = [index for index in range(len(examples)) if index not in cut.dropped]
    assert kept[:7] == list(range(7)) and Counter(cut.rows.tolist()) == {index: sizes[index] for index in kept}
    assert all(sizes[index] > most - len(cut) for index in cut.dropped)
    whole = build_store(tiny, examples)
    assert torch.equal(cut.values, whole.values[torch.isin(whole.rows, torch.tensor(kept))])
    full = build_store(tiny, examples, most_keys=sum(sizes[:7]))
    assert full.dropped == tuple(range(7, len(examples))), "once it is full, all others are"


def test_rows_that_cannot_be_read_are_named_and_none_at_all_is_an_error(tiny, examples):
    rows = [row("", "No."), *examples[:2], row("cat " * 500, "No.")]
    assert build_store(tiny, rows).refused == (0, 3)
    with pytest.raises(DataError, match="None of the rows can be stored for tiny"):
        build_store(tiny, rows[:1])
    with pytest.raises(DataError, match="None of the rows"):
        build_store(tiny, [])


def test_pairs_plain_text_and_marked_rows_are_stored_as_they_are_learned(tiny):
    pair = Preference(1, (Message("user", "A cat?"),), "A hat.", "A dog.")
    assert build_store(tiny, [pair]).values.tolist() == list(ids_of_answer(tiny, "A hat."))
    text = "The old ship went out to sea and nobody who stood there saw it come back again that year."
    assert 0 < len(build_store(tiny, [Example(1, (), text)])) < len(ids_of_answer(tiny, text))
    marked, plain = (build_store(tiny, [row(text, "A hat.")], marked=True) for text in ("A <reft>cat</reft>?", "A cat?"))
    assert torch.equal(marked.keys, plain.keys)
    assert not torch.equal(build_store(tiny, [row("A <reft>cat</reft>?", "A hat.")]).keys, plain.keys)


def test_passes_are_short_and_each_is_entered_and_can_be_the_last(tiny, examples):
    entered, told = [], []

    @contextmanager
    def exclusive():
        entered.append(True)
        yield

    build_store(tiny, examples, pass_tokens=100, exclusive=exclusive, on_progress=lambda done, total: told.append((done, total)))
    assert len(entered) == len(told) > 4 and told == sorted(told) and told[-1] == (24, 24)
    stops = iter([False, False, False, True])  # the slice, then its passes
    with pytest.raises(StoppedError):
        build_store(tiny, examples, pass_tokens=100, exclusive=exclusive, should_stop=lambda: next(stops))
    assert len(entered) == len(told) + 2


def test_rows_that_are_too_long_are_left_out_and_named(tiny, examples):
    rows = [*examples[:3], row("What " + "cat " * 40, "No."), *examples[3:5]]
    made = build_store(tiny, rows, longest=30)
    assert (made.too_long, made.dropped, made.refused, made.longest) == ((3,), (), (), 30)
    assert sorted(made.rows.unique().tolist()) == [0, 1, 2, 4, 5]
    assert build_store(tiny, rows).too_long == ()
    with pytest.raises(ConfigError, match="longest must be"):
        build_store(tiny, rows, longest=0)


def test_different_answers_are_counted(tiny):
    rows = [row(f"Is {number} odd?", "Yes." if number % 2 else "No.") for number in range(9)]
    assert build_store(tiny, rows).answers == 2 and build_store(tiny, rows[:1]).answers == 1


def test_slices_without_a_row_that_is_stored_are_told_and_can_be_the_last(tiny, examples):
    told, rows = [], [examples[0], *[row("cat " * 500, "No.")] * 140]
    build_store(tiny, rows, on_progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 141), (64, 141), (128, 141), (141, 141)]
    stops = iter([False, False, True])
    with pytest.raises(StoppedError, match="nothing was stored"):
        build_store(tiny, rows, should_stop=lambda: next(stops))


def test_no_row_is_asked_for_once_the_shortest_answer_has_no_room(tiny, examples):
    class Rows(list):
        asked = 0

        def __getitem__(self, index):
            found = super().__getitem__(index)
            self.asked += len(found)
            return found

    rows = Rows(examples * 20)
    room = 1 + sum(len(ids_of_answer(tiny, each.answer)) for each in examples)
    made = build_store(tiny, rows, most_keys=room)
    assert len(made) == room - 1 and rows.asked == 64 and made.dropped == tuple(range(24, 480))


@pytest.mark.parametrize("noise", [0.0, 1e-6])
def test_the_scale_of_states_that_are_mostly_equal_is_that_of_those_that_are_apart(tiny, noise):
    torch.manual_seed(2)
    apart = torch.tensor([[3.0, 0.0, 0.0], [0.0, 5.0, 0.0]])
    keys = torch.cat([torch.ones(9, 3) + noise * torch.randn(9, 3), apart])
    wanted = sorted([float((torch.ones(3) - each).square().sum()) for each in apart] * 18 + [34.0] * 2)
    assert references._median(keys) == pytest.approx(wanted[(len(wanted) - 1) // 2], rel=1e-4)
    assert references._median(100 * keys) == pytest.approx(10_000 * references._median(keys), rel=1e-4)
    assert references._median(keys[:9]) == references._median(keys[:1]) == 1.0, "there is nothing to compare"
    alone = build_store(tiny, [row("Is it odd?", "Yes.")]).adjust(0.5)
    assert bool(alone(torch.zeros(tiny.vocabulary), torch.zeros(32)).isfinite().all())


# Off, everything, and nearest alone


def test_a_blend_of_nothing_is_the_base_model_bit_for_bit(tiny, store):
    assert store.adjust(0) is None and store.adjust(0.0, 4, 9.0) is None
    wanted = Sampling(log_probabilities=tiny.vocabulary)
    engine = InferenceEngine(tiny)
    bare = [delta.tokens for delta in engine.submit(PROMPT, max_new_tokens=8, sampling=wanted)]
    off = [delta.tokens for delta in engine.submit(PROMPT, max_new_tokens=8, sampling=wanted, adjust=[store.adjust(0)])]
    assert bare == off


def test_the_base_column_beside_an_instant_one_is_not_touched(tiny, store):
    engine = InferenceEngine(tiny)
    asked = engine.submit(PROMPT, [None, None], max_new_tokens=12, adjust=[None, store.adjust(0.9)])
    texts = asked.texts()
    assert texts[0] == generate(tiny, PROMPT, max_new_tokens=12)[0] != texts[1]


@pytest.mark.parametrize("penalty", [0.3, 0.5, 0.7])
def test_a_penalty_is_on_the_models_logits_whatever_is_blended_in(tiny, examples, store, penalty):
    """With next to nothing of the store the choices are the base model's under the same penalty."""
    prompts = [each.messages for each in examples[::6]]
    engine = InferenceEngine(tiny)
    sampling = Sampling(repetition_penalty=penalty)
    alone = [engine.submit(prompt, max_new_tokens=12, sampling=sampling) for prompt in prompts]
    engine.finish()
    assert ids_by(tiny, store, prompts, 1e-6, repetition_penalty=penalty) == [each.ids() for each in alone]
    assert ids_by(tiny, store, prompts, 1e-6) != [each.ids() for each in alone]


@pytest.mark.parametrize("k", [NO_LIMIT, "all"])
def test_all_of_them_at_a_high_temperature_are_the_stores_token_frequencies(tiny, store, k):
    k = len(store) if k == "all" else k
    adjust = store.adjust(1.0, k, 1e12)
    found = adjust(torch.randn(tiny.vocabulary), torch.randn(32)).exp()
    counts = Counter(store.values.tolist())
    wanted = torch.tensor([counts[token] / len(store) for token in range(tiny.vocabulary)])
    assert (found - wanted).abs().max() < 1e-6 and adjust.tokens == 1


@pytest.mark.parametrize("index", [0, 3, 11, 23])
def test_the_nearest_alone_writes_a_stored_answer_to_its_prompt(tiny, examples, store, index):
    (ids,) = ids_by(tiny, store, [examples[index].messages], 1.0, 1, 1e-6)
    assert ids == ids_of_answer(tiny, examples[index].answer)
    (ids,) = ids_by(tiny, store, [examples[index].messages], 1.0, NO_LIMIT, 1e-6)
    assert ids == ids_of_answer(tiny, examples[index].answer)
    assert generate(tiny, examples[index].messages, max_new_tokens=12) != [examples[index].answer]


def test_probabilities_are_the_formula_by_hand(tiny, store):
    torch.manual_seed(4)
    logits, hidden, k, temperature = torch.randn(tiny.vocabulary) * 3, store.keys[5] + 0.3 * torch.randn(32), 7, 0.05
    distances = [float((key - hidden).square().sum()) for key in store.keys]
    nearest = sorted(range(len(store)), key=distances.__getitem__)[:k]
    raw = [math.exp(-(distances[at] - distances[nearest[0]]) / (temperature * store.scale)) for at in nearest]
    r = torch.zeros(tiny.vocabulary)
    for at, weight in zip(nearest, raw, strict=True):
        r[store.values[at]] += weight / sum(raw)
    for blend in (0.25, 0.7, 1.0):
        wanted = blend * r + (1 - blend) * logits.softmax(dim=-1)
        found = store.adjust(blend, k, temperature)(logits, hidden)
        assert (found.exp() - wanted).abs().max() < 1e-5 and float(found.exp().sum()) == pytest.approx(1, abs=1e-4)
        assert bool(found.isfinite().all()), "it can be written down"


@pytest.mark.parametrize("temperature", [1e-6, 1e-3, 1.0, 1e30])
def test_weights_add_up_however_near_and_far_the_states_are(store, temperature):
    for distances in ([0.0, 0.0, 1e-38], [1e30, 2e30], [3e38, 3e38], [1e-45, 1.0], [5.0]):
        weights = store.weights(torch.tensor(distances), temperature)
        assert float(weights.sum()) == pytest.approx(1) and bool((weights[:-1] >= weights[1:]).all())


@pytest.mark.parametrize("k", [1, 7, NO_LIMIT])
def test_many_states_are_looked_up_as_each_alone(store, k):
    torch.manual_seed(1)
    states, logits = torch.randn(2, 3, 32), torch.randn(2, 3, 8192)
    near, distances = store.nearest(states, k)
    blended = store.blended(logits, (near, store.weights(distances, 0.02)), 0.4)
    for place in ((0, 0), (1, 2)):
        one = store.nearest(states[place], k)
        assert torch.equal(one[0], near[place]) and torch.equal(one[1], distances[place])
        assert (store.blended(logits[place], (one[0], store.weights(one[1], 0.02)), 0.4) - blended[place]).abs().max() < 1e-5


# In any batch


@pytest.mark.parametrize("blend", [0.3, 0.8])
def test_answers_beside_others_are_those_given_alone(tiny, examples, store, strong, blend):
    prompts = [each.messages for each in examples[::4]]
    alone = [ids_by(tiny, store, [prompt], blend)[0] for prompt in prompts]
    assert ids_by(tiny, store, prompts, blend) == alone
    engine = InferenceEngine(tiny)
    engine.submit("Another prompt, and a longer one than those", [strong(tiny.model, positions="l2")], max_new_tokens=20)
    beside = [engine.submit(prompt, max_new_tokens=12, adjust=store.adjust(blend)) for prompt in prompts]
    engine.finish()
    assert [each.ids() for each in beside] == alone


def test_drawn_answers_are_those_given_alone_too(tiny, examples, store):
    prompts = [each.messages for each in examples[::6]]
    options = {"temperature": 0.9, "seed": 3, "repetition_penalty": 1.2}
    assert ids_by(tiny, store, prompts, 0.4, **options) == [ids_by(tiny, store, [each], 0.4, **options)[0] for each in prompts]


@pytest.mark.parametrize("name", ["gpt2", "bloom", "mistral", "gemma2", "granite"])
def test_other_families_store_what_their_head_reads_and_answer_from_it(starter, examples, name):
    """Also those that are answered apart, and a model that no edit has touched yet."""
    model = families.build(name, seed=2, vocab_size=len(starter.tokenizer)).requires_grad_(False)
    base = replace(starter, model=model, name=name)
    made = build_store(base, examples[:6])
    assert ids_by(base, made, [each.messages for each in examples[:6]], 1.0, 1, 1e-6) == [
        ids_of_answer(base, each.answer) for each in examples[:6]
    ]


def test_a_given_answer_is_scored_as_it_would_be_written(tiny, store):
    engine, answer = InferenceEngine(tiny), "hen 2."
    given = ids_of_answer(tiny, answer)
    asked = engine.submit(PROMPT, given=given, adjust=store.adjust(0.6), sampling=Sampling(log_probabilities=0))
    found = [token.log_probability for delta in asked for token in delta.tokens]
    ids = [*prompt_ids(tiny, (Message("user", PROMPT),)), *given]
    output = tiny.model(torch.tensor([ids]), output_hidden_states=True)
    adjust, wanted = store.adjust(0.6), []
    for place, token in enumerate(given, len(ids) - len(given) - 1):
        wanted.append(float(adjust(output.logits[0, place], output.hidden_states[-1][0, place])[token]))
    assert found == pytest.approx(wanted, abs=1e-3)
    assert found != [token.log_probability for token in score(tiny, PROMPT, answer)[0]]


# Why


def test_why_names_the_nearest_rows_and_their_weights_at_each_token(tiny, examples, store):
    adjust = store.adjust(1.0, 8, 1e-6)
    asked = InferenceEngine(tiny).submit(examples[9].messages, max_new_tokens=12, adjust=adjust)
    asked.texts()
    assert adjust.tokens == len(asked.ids())
    for token in range(adjust.tokens):
        first, *others = adjust.why(token)
        assert first.row == 9 and first.weight == pytest.approx(1, abs=1e-4) and all(each.weight < 1e-4 for each in others)
    assert adjust.why()[0].row == 9 and len(adjust.why(most=1)) == 1


def test_why_adds_up_over_tokens_and_states_of_a_row(tiny, examples, store):
    adjust = store.adjust(0.5, 16, 5.0)
    InferenceEngine(tiny).submit(examples[9].messages, max_new_tokens=5, adjust=adjust).texts()
    of_tokens = [{each.row: each.weight for each in adjust.why(token, most=99)} for token in range(adjust.tokens)]
    assert all(sum(each.values()) == pytest.approx(1, abs=1e-4) for each in of_tokens)
    whole = {each.row: each.weight for each in adjust.why(most=99)}
    assert whole == pytest.approx({
        index: sum(each.get(index, 0) for each in of_tokens) / len(of_tokens) for index in whole
    })  # fmt: skip
    weights = [each.weight for each in adjust.why(most=99)]
    assert weights == sorted(weights, reverse=True) and store.adjust(0.5).why() == []


# Which blend


def test_the_blend_that_answers_most_held_out_rows_is_chosen_and_counts_are_those_of_greedy_answers(tiny, examples):
    trained, held = examples[::2], [*examples[1::4], examples[2]]
    store = build_store(tiny, trained)
    chosen = choose_blend(tiny, store, held)
    assert len(chosen.tried) == 10 and chosen.rows == len(held) and chosen.tried[0].blend == 0
    assert chosen.best in chosen.tried[1:]
    assert all((each.right, each.log_probability) <= (chosen.best.right, chosen.best.log_probability) for each in chosen.tried[1:])
    assert chosen.base == chosen.tried[0] and chosen.left_out == 0 and not chosen.base_is_best
    for each in chosen.tried:
        found = ids_by(tiny, store, [one.messages for one in held], each.blend, 32, each.temperature)
        assert each.right == sum(ids == ids_of_answer(tiny, one.answer) for ids, one in zip(found, held, strict=True))
    assert max(each.right for each in chosen.tried) > chosen.tried[0].right


def test_how_likely_held_out_answers_are_is_the_mean_over_their_tokens(tiny, examples, store):
    held = [row("What is 9 hen?", "hen 9."), row("Why?", "So it is.")]
    (tried,) = choose_blend(tiny, store, held, blends=[0.5], temperatures=[0.1]).tried[1:]
    engine, logs = InferenceEngine(tiny), []
    for each in held:
        asked = engine.submit(
            each.messages, given=ids_of_answer(tiny, each.answer), adjust=store.adjust(0.5, 32, 0.1), sampling=Sampling(log_probabilities=0)
        )
        logs += [token.log_probability for delta in asked for token in delta.tokens]
    assert tried.log_probability == pytest.approx(sum(logs) / len(logs), abs=1e-3)


@pytest.mark.parametrize("name", ["gpt2", "gemma2", "granite", "bloom"])
def test_logits_of_other_families_are_those_of_the_whole_model(starter, examples, name):
    """Also where something follows the head, as a soft cap does."""
    model = families.build(name, seed=2, vocab_size=len(starter.tokenizer)).requires_grad_(False)
    base = replace(starter, model=model, name=name)
    made, rows = build_store(base, examples[:4]), [encode(base, each, base.context) for each in examples[4:7]]
    read, at = read_answers(base, rows), 0
    for each in rows:
        count = len(each.answer_ids)
        wanted = base.model(torch.tensor([each.ids])).logits[0, -count - 1 : -1]
        assert (read.logits(at, at + count) - wanted).abs().max() < 1e-4 and read.logits(at, at + 1).shape == wanted[:1].shape
        at += count
    (none, tried) = choose_blend(base, made, examples[4:7], blends=[0.5], temperatures=[0.1]).tried
    logs = [token.log_probability for each in examples[4:7] for token in score(base, each.messages, each.answer)[0]]
    assert none.log_probability == pytest.approx(sum(logs) / len(logs), abs=1e-3) and tried.blend == 0.5


def test_logits_in_pieces_choose_as_all_at_once(tiny, examples, store, monkeypatch):
    held, entered = examples[1::4], []

    @contextmanager
    def exclusive():
        entered.append(True)
        yield

    whole = choose_blend(tiny, store, held, exclusive=exclusive)
    passes = len(entered)
    monkeypatch.setattr("reft_engine.inference.blend_choice._ELEMENTS", 1)
    pieces = choose_blend(tiny, store, held, exclusive=exclusive)
    tokens = sum(len(ids_of_answer(tiny, each.answer)) for each in held)
    assert len(entered) - passes >= tokens > passes
    for one, other in zip(whole.tried, pieces.tried, strict=True):
        assert (one.blend, one.temperature, one.right) == (other.blend, other.temperature, other.right)
        assert one.log_probability == pytest.approx(other.log_probability, abs=1e-4)


def test_where_the_base_model_does_best_that_is_said(tiny, examples):
    answers = [generate(tiny, each.messages, max_new_tokens=4)[0] for each in examples[:6]]
    own = [replace(each, answer=answer) for each, answer in zip(examples, answers, strict=False) if answer.strip()]
    chosen = choose_blend(tiny, build_store(tiny, [row("Why?", "So."), row("How?", "Thus.")]), own, blends=[1.0])
    assert chosen.base_is_best and chosen.best.blend == 1.0
    assert (chosen.base.right, chosen.base.log_probability) >= (chosen.best.right, chosen.best.log_probability)


def test_a_choice_tells_each_row_and_can_be_stopped_and_needs_rows(tiny, examples, store):
    told = []
    choose_blend(tiny, store, examples[:5], on_progress=lambda done, total: told.append((done, total)))
    assert told == [(done, 5) for done in range(1, 6)]
    with pytest.raises(StoppedError):
        choose_blend(tiny, store, examples, should_stop=lambda: True)
    stops = iter([False, False, True])
    with pytest.raises(StoppedError):
        choose_blend(tiny, store, examples, should_stop=lambda: next(stops))
    with pytest.raises(DataError, match="None of the held-out rows"):
        choose_blend(tiny, store, [])


def test_held_out_rows_that_are_too_long_choose_nothing_and_are_counted(tiny, examples, store):
    long = [row("What " + "cat " * 40, "No."), row("", "No.")]
    chosen = choose_blend(tiny, store, [*examples[:3], *long], longest=30)
    assert (chosen.rows, chosen.left_out) == (3, 2) and chosen.tried == choose_blend(tiny, store, examples[:3]).tried
    with pytest.raises(DataError, match="None of the held-out rows"):
        choose_blend(tiny, store, long, longest=30)


# What is refused


@pytest.mark.parametrize(
    "wrong", [(-0.1,), (1.1,), ("half",), (math.nan,), (0.5, 0), (0.5, 1.5), (0.5, 4, 0), (0.5, 4, 1e-45), (0.5, 4, math.inf)]
)
def test_numbers_out_of_range_are_refused_in_a_sentence(store, wrong):
    with pytest.raises(ConfigError, match=r"must be .*, not .*\."):
        store.adjust(*wrong)


@pytest.mark.parametrize(("family", "head"), [("t5", None), ("bert", "sequence"), ("llama", "sequence"), ("llama", "none")])
def test_models_without_a_linear_head_over_their_states_are_refused(starter, examples, family, head):
    if head is None:
        model = families.build(family, vocab_size=len(starter.tokenizer)).requires_grad_(False)
        base = replace(starter, model=model, name="other")
    else:
        base = behind(starter, family, head)
    sentence = {
        "t5": "other has no linear output head over its last hidden states, so its logits cannot be adjusted.",
        "bert": "This model classifies; it writes no answers.",
    }.get(family, r"Llama\w+ has no head that writes text; it writes no answers.")
    with pytest.raises(ConfigError, match=f"^{sentence}$"):
        build_store(base, examples)


def test_a_store_is_for_its_own_base_model_without_an_edit(tiny, starter, make_model, examples, store, strong):
    other = replace(starter, model=make_model(vocab_size=len(starter.tokenizer)).requires_grad_(False), name="other")
    with pytest.raises(ConfigError, match="The store holds hidden states of another base model than other"):
        InferenceEngine(other).submit(PROMPT, adjust=store.adjust(0.5))
    with pytest.raises(ConfigError, match="another base model than other"):
        choose_blend(other, store, examples)
    engine, edit = InferenceEngine(tiny), strong(tiny.model, positions="l2")
    with pytest.raises(ConfigError, match="hidden states of tiny without an edit, so the column"):
        engine.submit(PROMPT, [None, edit], adjust=[None, store.adjust(0.5)])
    assert len(engine.submit(PROMPT, [None, edit], max_new_tokens=2, adjust=[store.adjust(0.5), None]).texts()) == 2
