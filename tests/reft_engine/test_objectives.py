"""What training makes smaller: labels, preferences, the first tokens of answers; and rows given as bare texts."""

import copy
import math
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from reft_engine import Example, Preference, ReftConfig, ReftModel, TrainConfig, classify, evaluate, generate, train
from reft_engine.base import blocks
from reft_engine.base.loading import TEXT_TEMPLATE
from reft_engine.data import Message
from reft_engine.errors import ConfigError, DataError
from reft_engine.tokens.examples import prompt_ids
from reft_engine.training.events import HeldOutEvent, SampleEvent, StepEvent
from reft_engine.training.objectives import NextToken, Preferring, objective_for
from tests.reft_engine import families

KINDS = ("llama", "bert", "t5")
WRITERS = ("llama", "t5")
LABELS = ("animal", "number", "town")
WORDS = {"animal": "cat dog cow hen", "number": "one two six ten", "town": "Rome Paris Oslo Bern"}
NAMED = [(f"say {word} now{'!' * (index % 3)}", label) for index in range(4) for label in LABELS for word in [WORDS[label].split()[index]]]
ANIMALS = ("cat", "dog", "cow", "hen")
PAIRS = [(f"What is {number} {animal}?", f"{animal} {number}.", "no idea") for number in range(2) for animal in ANIMALS]
CLASSES = ReftConfig(rank=2, positions="f2+l2", labels=LABELS)
EDIT = ReftConfig(rank=2, positions="f2+l2")
SETTINGS = TrainConfig(epochs=2, batch_size=4, learning_rate=0.02, held_out=0, seed=7)
LONG = TrainConfig(epochs=48, batch_size=12, learning_rate=0.02, head_learning_rate=0.005, held_out=0, seed=7)


def settled(**changes):
    return SETTINGS.model_copy(update=changes)


def asked(text, line=1):
    return (Message("user", text),), line


def examples(rows):
    return [Example(line, (Message("user", text),), answer) for line, (text, answer) in enumerate(rows, 1)]


def preferences(rows):
    return [Preference(line, (Message("user", text),), *answers) for line, (text, *answers) in enumerate(rows, 1)]


@pytest.fixture(scope="module")
def bases(starter, framing):
    """A decoder, an encoder and an encoder-decoder; the tokenizer of the last two puts a token before a text and one behind it."""
    tokenizer = copy.deepcopy(framing)
    tokenizer.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    found = {}
    for name in KINDS:
        model = families.build(name, seed=2, vocab_size=len(starter.tokenizer)).requires_grad_(False)
        base = replace(starter, model=model, name=name)
        found[name] = base if name == "llama" else replace(base, tokenizer=tokenizer, template=TEXT_TEMPLATE)
    return found


def same(first, second):
    ours, theirs = first.tensors(), second.tensors()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


# --- labels


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_model_learns_to_classify(bases, name):
    result = train(bases[name], NAMED, CLASSES, LONG)
    assert result.loss_last < 0.7 * result.loss_first
    figures = evaluate(bases[name], result.reft, examples(NAMED))
    assert figures["tuned"]["exact_match"] > 0.9
    assert figures["tuned"]["loss"] < figures["base"]["loss"]


@torch.no_grad()
def last_hidden(base, text, edits):
    """The last hidden states (T, D) of one text, read off the whole model and not off its trunk."""
    if base.kind == "decoder":
        inputs = {"input_ids": torch.tensor([prompt_ids(base, asked(text)[0])])}
    else:
        inputs = dict(base.tokenizer(*([text] if isinstance(text, str) else text), return_tensors="pt"))
    if base.kind == "encoder_decoder":
        inputs = {"input_ids": inputs["input_ids"], "decoder_input_ids": torch.tensor([[0]])}
    with blocks.editing(edits(inputs["input_ids"])):
        output = base.model(**inputs, output_hidden_states=True)
    states = output.encoder_hidden_states if base.kind == "encoder_decoder" else output.hidden_states
    return states[-1][0]


def by_hand(base, reft, text, pooling, edited):
    def edits(ids):
        return reft.edits(reft.plan(torch.ones_like(ids), [ids.shape[1]]), reft.factors()) if edited else {}

    hidden = last_hidden(base, text, edits)
    pooled = {"first": hidden[0], "last": hidden[-1], "mean": hidden.sum(dim=0) / len(hidden)}[pooling]
    weights = reft.head.state_dict()
    inner = torch.tanh(weights["dense.weight"] @ pooled + weights["dense.bias"])
    return (weights["out.weight"] @ inner + weights["out.bias"]).softmax(dim=0)


@pytest.mark.parametrize("pooling", ["first", "mean", "last"])
@pytest.mark.parametrize("name", KINDS)
def test_probabilities_equal_the_papers_formula_over_the_pooled_hidden_states(bases, strong, name, pooling):
    base = bases[name]
    reft = strong(base.model, scale=1.0, positions="f2+l1", labels=LABELS, pooling=pooling)
    texts = ["cat", "What is two and two, and why?", "Oslo is a town"]
    for edited in (True, False):
        found = classify(base, reft, texts, edited=edited)
        for text, shares in zip(texts, found, strict=True):
            expected = by_hand(base, reft, text, pooling, edited)
            assert [shares[label] for label in LABELS] == pytest.approx(expected.tolist(), abs=1e-5)


@pytest.mark.parametrize(("name", "pooling"), [("llama", "last"), ("bert", "first"), ("t5", "last")])
def test_without_a_pooling_an_encoders_first_and_another_models_last_hidden_state_is_read(bases, strong, name, pooling):
    named, left_out = (strong(bases[name].model, labels=LABELS, pooling=choice) for choice in (pooling, None))
    assert classify(bases[name], named, ["say cat"]) == classify(bases[name], left_out, ["say cat"])


def test_of_a_pair_of_texts_the_model_is_told_which_token_is_of_which(bases, strong):
    base = bases["bert"]
    reft = strong(base.model, scale=1.0, positions="f2+l1", labels=LABELS, pooling="mean")
    pairs = [("a cat", "is not a dog"), ("hens", "no")]
    encoded = base.tokenizer(*pairs[0])
    assert encoded["input_ids"][0] == 2
    assert [encoded["input_ids"].index(3), sum(encoded["token_type_ids"])] == [3, len(encoded["input_ids"]) - 4]
    for pair, shares in zip(pairs, classify(base, reft, pairs), strict=True):
        expected = by_hand(base, reft, pair, "mean", True)
        assert [shares[label] for label in LABELS] == pytest.approx(expected.tolist(), abs=1e-5)
    untold = copy.deepcopy(base.tokenizer)
    untold.model_input_names = ["input_ids", "attention_mask"]
    assert classify(replace(base, tokenizer=untold), reft, pairs)[0] != classify(base, reft, pairs)[0]


def test_a_pair_beside_single_texts_is_classified_as_alone(bases, strong):
    base = bases["bert"]
    reft = strong(base.model, scale=1.0, labels=LABELS, pooling="mean")
    texts = ["a cat", ("hens", "no"), "a rather long text about a town"]
    for together, alone in zip(classify(base, reft, texts), (classify(base, reft, [text])[0] for text in texts), strict=True):
        assert together == pytest.approx(alone, abs=1e-5)


def test_each_text_has_every_label_the_likeliest_first_and_their_sum_is_one(bases, strong):
    reft = strong(bases["bert"].model, seed=2, labels=LABELS)
    found = classify(bases["bert"], reft, [text for text, _ in NAMED])
    assert len(found) == len(NAMED)
    for shares in found:
        assert set(shares) == set(LABELS)
        assert list(shares.values()) == sorted(shares.values(), reverse=True)
        assert sum(shares.values()) == pytest.approx(1, abs=1e-5)
    assert len({next(iter(shares)) for shares in found}) > 1


def test_a_decoder_classifies_a_whole_conversation(bases, strong):
    reft = strong(bases["llama"].model, labels=LABELS)
    talk = [Message("user", "Hi"), Message("assistant", "Hello"), Message("user", "cat")]
    whole, last = (classify(bases["llama"], reft, [text])[0] for text in (talk, "cat"))
    assert whole != last
    ids = torch.tensor([prompt_ids(bases["llama"], talk)])
    with torch.no_grad():
        expected = reft(ids).logits[0].softmax(dim=0).tolist()
    assert [whole[label] for label in LABELS] == pytest.approx(expected, abs=1e-5)


def test_a_long_text_is_cut_at_its_end_and_what_stands_behind_it_is_kept(bases, strong):
    base = bases["bert"]
    reft = strong(base.model, positions="all", labels=LABELS, pooling="mean")
    cut = classify(base, reft, ["cat dog cow hen " * 20], max_length=12)[0]
    ids = base.tokenizer("cat dog cow hen " * 20)["input_ids"]
    assert len(ids) > 12
    with torch.no_grad():
        expected = reft(torch.tensor([[*ids[:11], ids[-1]]])).logits[0].softmax(dim=0).tolist()
    assert [cut[label] for label in LABELS] == pytest.approx(expected, abs=1e-6)


def test_the_head_is_saved_and_loaded_with_the_edits_bit_for_bit(bases, tmp_path):
    base = bases["bert"]
    result = train(base, NAMED, CLASSES, SETTINGS, folder=tmp_path)
    loaded = ReftModel.load(tmp_path / "adapter", base.model)
    fresh = ReftModel(base.model, CLASSES, seed=SETTINGS.seed).head.state_dict()
    for name, value in loaded.head.state_dict().items():
        assert torch.equal(value, result.reft.head.state_dict()[name])
        assert not torch.equal(value, fresh[name])
    texts = [text for text, _ in NAMED]
    assert classify(base, loaded, texts) == classify(base, result.reft, texts)


@pytest.mark.parametrize("name", KINDS)
def test_a_classifiers_figures_are_the_mean_loss_and_the_share_of_right_labels(bases, strong, name):
    base = bases[name]
    reft = strong(base.model, scale=1.0, labels=LABELS)
    figures = evaluate(base, reft, examples(NAMED))
    for column, edited in (("base", False), ("tuned", True)):
        found = [classify(base, reft, [text], edited=edited)[0] for text, _ in NAMED]
        losses = [-math.log(shares[label]) for shares, (_, label) in zip(found, NAMED, strict=True)]
        right = [max(shares, key=shares.get) == label for shares, (_, label) in zip(found, NAMED, strict=True)]
        assert figures[column]["loss"] == pytest.approx(sum(losses) / len(losses), abs=1e-4)
        assert figures[column]["exact_match"] == sum(right) / len(right)
    assert figures["base"]["loss"] != pytest.approx(figures["tuned"]["loss"], abs=1e-3)


@pytest.mark.parametrize(("head_rate", "moved"), [(0.5, 0.5), (1e-6, 1e-6), (None, 0.01)])
def test_the_head_has_a_learning_rate_of_its_own_or_that_of_the_edits(bases, head_rate, moved):
    base = bases["bert"]
    settings = settled(epochs=1, batch_size=len(NAMED), warmup_ratio=0, learning_rate=0.01, head_learning_rate=head_rate)
    fresh = ReftModel(base.model, CLASSES, seed=settings.seed)
    reft = train(base, NAMED, CLASSES, settings).reft
    # the first step of Adam moves what has a gradient by the rate
    head = (reft.head.out.weight - fresh.head.out.weight).abs().max().item()
    edit = (reft.intervention.source - fresh.intervention.source).abs().max().item()
    assert [head, edit] == pytest.approx([moved, 0.01], rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_a_run_that_was_cut_off_goes_on_to_the_same_classifier(bases, tmp_path, name):
    base, config = bases[name], CLASSES.model_copy(update={"dropout": 0.2})
    whole = train(base, NAMED, config, SETTINGS).reft
    steps = iter(range(9))
    first = train(base, NAMED, config, SETTINGS, folder=tmp_path, should_stop=lambda: next(steps) == 2)
    assert (first.stopped, first.steps) == (True, 2)
    second = train(base, NAMED, config, SETTINGS, folder=tmp_path)
    assert second.steps == 6
    assert same(second.reft, whole)
    assert all(torch.equal(value, whole.head.state_dict()[name]) for name, value in second.reft.head.state_dict().items())


@pytest.mark.slow
def test_a_samples_answers_are_labels(bases):
    events = []
    train(bases["bert"], NAMED, CLASSES, settled(held_out=0.2), on_event=events.append)
    samples = [event for event in events if isinstance(event, SampleEvent)]
    assert samples
    assert all({sample.expected, sample.base, sample.tuned} <= set(LABELS) for sample in samples)
    looks = [event for event in events if isinstance(event, HeldOutEvent)]
    rows = min(5, round(0.2 * len(NAMED)))
    assert [(sample.step, sample.place) for sample in samples] == [(look.step, place) for look in looks for place in range(rows)]


def test_a_label_that_is_unknown_is_named_with_its_line(bases):
    result = train(bases["bert"], [*NAMED, ("say what", "thing")], CLASSES, settled(epochs=1))
    assert result.left_out == (f"Line {len(NAMED) + 1}: 'thing' is none of the labels (animal, number, town).",)
    with pytest.raises(DataError, match="Line 1: 'thing' is none of the labels"):
        train(bases["bert"], [("say what", "thing")], CLASSES, SETTINGS)


def test_an_encoder_without_labels_is_refused_in_a_sentence(bases):
    with pytest.raises(ConfigError, match="bert is an encoder: it writes no answers, but it can be trained to classify") as caught:
        train(bases["bert"], NAMED, EDIT, SETTINGS)
    assert caught.value.field == "base"


@pytest.mark.parametrize("name", KINDS)
def test_a_classifier_writes_no_answers(bases, strong, name):
    reft = strong(bases[name].model, labels=LABELS)
    for answer in (lambda: generate(bases[name], "Hi", [reft]), lambda: reft.generate(torch.tensor([[5, 6]]))):
        with pytest.raises(ConfigError, match="This model classifies; it writes no answers"):
            answer()


def test_an_edit_without_labels_does_not_classify(bases, strong):
    with pytest.raises(ConfigError, match="it has no labels"):
        classify(bases["llama"], strong(bases["llama"].model), ["Hi"])


# --- preferences


@torch.no_grad()
def log_probability(base, reft, text, answer, strength):
    """Sum over an answer's tokens, from the model's full logits of one unpadded row."""
    row = NextToken(base, EDIT, SETTINGS).encode(Example(1, asked(text)[0], answer))
    length = len(row.prompt_ids)
    if base.kind == "encoder_decoder":
        shifted = torch.tensor([[base.model.config.decoder_start_token_id, *row.answer_ids[:-1]]])
        logits = reft(torch.tensor([row.prompt_ids]), None, [length], strength=strength, decoder_input_ids=shifted).logits[0]
    else:
        logits = reft(torch.tensor([row.prompt_ids + row.answer_ids]), None, [length], strength=strength).logits[0, length - 1 : -1]
    return float(logits.log_softmax(dim=-1).gather(1, torch.tensor(row.answer_ids)[:, None]).sum())


def pull(base, reft, row):
    """How much likelier than the unedited base model's the edited model's choice is."""
    text, *answers = row
    chosen, rejected = (
        log_probability(base, reft, text, answer, 1.0) - log_probability(base, reft, text, answer, 0.0) for answer in answers
    )
    return chosen - rejected


@pytest.mark.slow
@pytest.mark.parametrize("beta", [0.1, 1.5])
@pytest.mark.parametrize("name", WRITERS)
def test_the_loss_of_pairs_is_the_papers_formula_over_full_logits(bases, strong, name, beta):
    base = bases[name]
    reft = strong(base.model, scale=1.0, rank=2, positions="f2+l2")
    objective = objective_for(base, EDIT, settled(preference_beta=beta), preferences(PAIRS))
    rows = [objective.encode(pair) for pair in preferences(PAIRS)]
    objective.prepare(rows)
    with torch.no_grad():
        loss = float(objective.loss(rows, reft, reft.acting()))
    pulls = [pull(base, reft, pair) for pair in PAIRS]
    expected = sum(math.log1p(math.exp(-beta * each)) for each in pulls)
    assert min(map(abs, pulls)) > 0.01
    assert loss == pytest.approx(expected, rel=1e-4)
    assert objective.weight(rows) == len(PAIRS)
    assert objective.mean(rows, reft) == pytest.approx(expected / len(PAIRS), rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITERS)
def test_an_edit_that_starts_as_the_identity_starts_at_log_2(bases, name):
    events = []
    config = EDIT.model_copy(update={"identity_init": True})
    train(bases[name], PAIRS, config, settled(held_out=0.2), on_event=events.append)
    assert next(event for event in events if isinstance(event, StepEvent)).loss == pytest.approx(math.log(2), abs=1e-4)
    held = [event for event in events if isinstance(event, HeldOutEvent)]
    assert held[0].loss == pytest.approx(math.log(2), abs=1e-4)
    assert all(event.loss_base == pytest.approx(math.log(2), abs=1e-6) for event in held)
    assert held[-1].loss != pytest.approx(math.log(2), abs=1e-4)
    assert {event.expected for event in events if isinstance(event, SampleEvent)} <= {chosen for _, chosen, _ in PAIRS}


def test_the_reference_is_computed_once_before_the_first_step(bases):
    base, passes, at_start = bases["llama"], [], []
    handle = base.model.register_forward_hook(lambda _module, _args, output: passes.append(output.logits.requires_grad))
    try:
        result = train(base, PAIRS, EDIT, settled(epochs=3, reuse="none", packing=False), on_ready=lambda _: at_start.extend(passes))
    finally:
        handle.remove()
    assert at_start == [False]
    assert passes == [False] + [True] * result.steps
    assert result.steps == 6


def test_pairs_whose_reference_is_known_are_not_computed_again(bases, strong):
    base, passes = bases["llama"], []
    objective = Preferring(base, EDIT, SETTINGS)
    rows = [objective.encode(pair) for pair in preferences(PAIRS)]
    strong(base.model)
    handle = base.model.register_forward_pre_hook(lambda _module, _args, kwargs: passes.append(len(kwargs["input_ids"])), with_kwargs=True)
    try:
        objective.prepare(rows[:3])
        objective.prepare(rows)
        objective.prepare(rows)
    finally:
        handle.remove()
    assert passes == [2 * 3, 2 * 5]


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITERS)
def test_learning_makes_the_chosen_answer_likelier_than_the_rejected_one(bases, name):
    base = bases[name]
    result = train(base, PAIRS, EDIT, settled(epochs=12, batch_size=8))
    assert result.loss_last < 0.8 * result.loss_first
    fresh = ReftModel(base.model, EDIT, seed=SETTINGS.seed).eval()
    assert all(pull(base, result.reft, pair) > pull(base, fresh, pair) + 0.5 for pair in PAIRS)


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITERS)
def test_a_run_on_pairs_that_was_cut_off_goes_on_to_the_weights_of_an_undisturbed_one(bases, tmp_path, name):
    base, config = bases[name], EDIT.model_copy(update={"dropout": 0.2})
    whole = train(base, PAIRS, config, SETTINGS)
    steps = iter(range(9))
    first = train(base, PAIRS, config, SETTINGS, folder=tmp_path, should_stop=lambda: next(steps) == 4)
    assert (first.stopped, first.steps, whole.steps) == (True, 3, 4)
    second = train(base, PAIRS, config, SETTINGS, folder=tmp_path)
    assert same(second.reft, whole.reft)
    assert not same(first.reft, whole.reft)
    assert same(ReftModel.load(tmp_path / "adapter", base.model), whole.reft.eval())


def test_micro_batches_of_pairs_learn_as_one_batch_does(bases):
    base = bases["llama"]
    whole = train(base, PAIRS, EDIT, settled(epochs=1, batch_size=8))
    parts = train(base, PAIRS, EDIT, settled(epochs=1, batch_size=2, gradient_accumulation=4))
    assert whole.steps == parts.steps == 1
    assert parts.loss_last == pytest.approx(whole.loss_last, abs=1e-5)
    ours, theirs = parts.reft.tensors(), whole.reft.tensors()
    assert all((ours[name] - theirs[name]).abs().max() < 1e-3 for name in ours)


@pytest.mark.parametrize("rows", [[*PAIRS, ("a", "b")], [("a", "b"), *PAIRS]])
def test_pairs_among_other_rows_are_refused_in_a_sentence(bases, rows):
    with pytest.raises(DataError, match=r"^Preference pairs cannot be mixed with other rows or given labels\.$"):
        train(bases["llama"], rows, EDIT, SETTINGS)


def test_pairs_with_labels_are_refused_in_a_sentence(bases):
    with pytest.raises(DataError, match=r"^Preference pairs cannot be mixed with other rows or given labels\.$"):
        train(bases["llama"], PAIRS, CLASSES, SETTINGS)


def test_of_pairs_the_preferred_answer_alone_can_be_learned(bases):
    base, settings = bases["llama"], SETTINGS.model_copy(update={"pairs": "preferred"})
    answers = [(prompt, chosen) for prompt, chosen, _ in PAIRS]
    result, same_as = (train(base, rows, EDIT, settings) for rows in (PAIRS, answers))
    assert same(result.reft, same_as.reft) and result.check == same_as.check
    assert not same(result.reft, train(base, PAIRS, EDIT, SETTINGS).reft)
    assert train(base, [*PAIRS, ("a", "b")], EDIT, settings).check.usable_rows == len(PAIRS) + 1, "beside other rows as well"


def test_pairs_are_refused_on_an_encoder(bases):
    with pytest.raises(ConfigError, match="is an encoder"):
        train(bases["bert"], PAIRS, EDIT, SETTINGS)


def test_a_pair_of_equal_answers_is_left_out_and_named(bases):
    result = train(bases["llama"], [*PAIRS, ("Hi", "same", "same")], EDIT, settled(epochs=1))
    assert result.left_out == (f"Line {len(PAIRS) + 1}: the chosen and the rejected answer are the same.",)


# --- the first tokens of answers

ANSWERS = [("What is 2?", "one two three four five six"), ("What is 3?", "cat dog cow hen"), ("What is 4?", "no")]


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("count", [1, 3])
def test_only_the_first_tokens_of_an_answer_carry_loss(bases, strong, name, count):
    base = bases[name]
    reft = strong(base.model, scale=1.0, positions="f2+l2")
    objective, whole = (NextToken(base, EDIT, settled(answer_tokens=wanted)) for wanted in (count, None))
    rows, full = ([each.encode(example) for example in examples(ANSWERS)] for each in (objective, whole))
    assert [row.answer_ids for row in rows] == [row.answer_ids[:count] for row in full]
    assert max(len(row.answer_ids) for row in full) > count
    assert not any(row.cut for row in rows)
    assert objective.weight(rows) == sum(min(count, len(row.answer_ids)) for row in full)
    with torch.no_grad():
        loss = float(objective.loss(rows, reft, reft.acting()))
        expected = 0.0
        for row in full:  # the model reads whole answers here; only the first tokens' losses are added up
            length, answer = len(row.prompt_ids), torch.tensor(row.answer_ids)
            if base.kind == "encoder_decoder":
                shifted = torch.tensor([[base.model.config.decoder_start_token_id, *row.answer_ids[:-1]]])
                logits = reft(torch.tensor([row.prompt_ids]), None, [length], decoder_input_ids=shifted).logits[0]
            else:
                logits = reft(torch.tensor([row.prompt_ids + row.answer_ids]), None, [length]).logits[0, length - 1 : -1]
            expected += float(F.cross_entropy(logits[:count], answer[:count], reduction="sum"))
    assert loss == pytest.approx(expected, rel=1e-4)


def test_learning_the_first_tokens_equals_learning_from_answers_that_are_cut_there(bases):
    base = bases["llama"]
    length = {len(prompt_ids(base, asked(text)[0])) for text, _ in ANSWERS}
    assert len(length) == 1
    first = train(base, ANSWERS, EDIT, settled(answer_tokens=2))
    cut = train(base, ANSWERS, EDIT, settled(max_length=length.pop() + 2))
    whole = train(base, ANSWERS, EDIT, SETTINGS)
    assert same(first.reft, cut.reft)
    assert not same(first.reft, whole.reft)
    assert same(train(base, ANSWERS, EDIT, settled(answer_tokens=100)).reft, whole.reft)


def test_what_stands_behind_the_first_tokens_changes_no_bit_of_a_run(bases):
    base = bases["llama"]
    others = [(text, answer.split()[0] + " hen hen hen") for text, answer in ANSWERS]
    first, second = (train(base, rows, EDIT, settled(answer_tokens=1)).reft for rows in (ANSWERS, others))
    assert same(first, second)


# --- rows given as bare texts


def test_rows_given_as_texts_learn_as_examples_do(bases):
    base = bases["llama"]
    loose = train(base, ANSWERS, EDIT, SETTINGS).reft
    assert same(loose, train(base, examples(ANSWERS), EDIT, SETTINGS).reft)
    assert same(loose, train(base, [list(row) for row in ANSWERS], EDIT, SETTINGS).reft)


@pytest.mark.slow
def test_triples_of_texts_learn_as_preferences_do(bases):
    base = bases["llama"]
    loose = train(base, PAIRS, EDIT, SETTINGS).reft
    assert same(loose, train(base, preferences(PAIRS), EDIT, SETTINGS).reft)
    swapped = [(text, rejected, chosen) for text, chosen, rejected in PAIRS]
    assert not same(loose, train(base, swapped, EDIT, SETTINGS).reft)


@pytest.mark.parametrize(
    "row", ["ab", "abc", (), ("a",), ("a", "b", "c", "d"), ("a", 1), ("a", None), ("a", "b", None), {"prompt": "a", "answer": "b"}, None, 7]
)
def test_a_row_that_is_none_is_refused_and_its_place_is_named(bases, row):
    with pytest.raises(DataError, match=r"^Row 2 is neither an example nor a pair of texts"):
        train(bases["llama"], [("a", "b"), row, ("c", "d")], EDIT, SETTINGS)


def test_of_preference_pairs_too_only_the_first_answer_tokens_are_learned(bases):
    pair = Preference(3, (Message("user", "Hi"),), "yes indeed", "no indeed")
    objective = Preferring(bases["llama"], EDIT, settled(answer_tokens=1))
    row = objective.encode(pair)
    assert (len(row.chosen.answer_ids), len(row.rejected.answer_ids)) == (1, 1)
    with pytest.raises(DataError, match=r"Line 3: .*the same"):
        objective.encode(replace(pair, rejected="yes of course"))


def test_a_run_on_pairs_can_be_stopped_while_its_reference_is_computed(bases):
    turns, many = [], [(f"{index} {text}", chosen, rejected) for index in range(8) for text, chosen, rejected in PAIRS]

    @contextmanager
    def turn():
        turns.append(1)
        yield

    result = train(bases["llama"], many, EDIT, settled(), exclusive=turn, should_stop=lambda: len(turns) >= 1)
    assert (result.steps, result.stopped) == (0, True)
    assert len(turns) == 2  # one part of the reference, and the end
