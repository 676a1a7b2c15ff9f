"""Rows as earlier turns: which ones, how many, in what form; what they cost, counted by hand; and never a held-out row."""

import random
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch

from reft_engine import ConfigError, DataError, Example, Message, Preference, StoppedError
from reft_engine.base.loading import PLAIN_TEMPLATE
from reft_engine.data import trained_indices
from reft_engine.data.splitting import split_indices
from reft_engine.inference import (
    InferenceEngine,
    Limits,
    PromptCache,
    Sampling,
    bytes_of_token,
    draw_rows,
    few_shot,
    generate,
    pays_off_after,
    score,
    score_labels,
    with_shots,
)
from reft_engine.tokens.examples import ids_of_answer, prompt_ids
from tests.reft_engine import families

ASKED = (Message("user", "What is 2 hen?"),)
TURNS = "{{ raise_exception('one turn only') if messages | length > 1 }}{{ messages[0]['content'] }}"
LAST = "{{ messages[-1]['content'] }}"
TRIMS = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{{ m['content'].split('</think>')[-1].strip() }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
)
FEW_TURNS = (
    "{{ raise_exception('too many') if messages | length > 5 }}{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{{ m['content'] }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
)
NEEDS_SYSTEM = (
    "{{ raise_exception('begin with the system') if messages[0]['role'] != 'system' and messages | length > 1 }}"
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
)
SHOWS_QUESTIONS = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% if m['role'] == 'assistant' %}"
    "{{ m['content'].split('</think>')[-1].strip() }}{% else %}{{ m['content'] }}{% endif %}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
)


def row(prompt, answer, line=1, **given):
    return Example(line, (Message("user", prompt),), answer, **given)


@pytest.fixture(scope="module")
def roomy(starter, make_model):
    """With room for many rows."""
    model = make_model(vocab_size=len(starter.tokenizer), max_position_embeddings=512).requires_grad_(False)
    return replace(starter, model=model, name="roomy")


def turns_of(rows, indices):
    return tuple(each for index in indices for each in (*rows[index].messages, Message("assistant", rows[index].answer)))


# What is shown


@pytest.mark.parametrize("seed", range(3))
def test_rows_stand_before_the_conversation_as_turns_in_the_order_of_the_seed(roomy, examples, seed):
    made = with_shots(roomy, ASKED, examples, 5, 16, seed=seed)
    assert made.messages == (*turns_of(examples, made.used), *ASKED)
    assert len(set(made.used)) == 5 and list(made.used) == draw_rows(len(examples), 5, seed)
    assert (made.left_out, made.refused, made.altered) == (0, 0, ())
    assert made == with_shots(roomy, ASKED, examples, 5, 16, seed=seed)
    assert with_shots(roomy, ASKED, examples, 3, 16, seed=seed).used == made.used[:3]


def test_without_a_seed_the_rows_stand_as_they_are_given(roomy, examples):
    chosen = [examples[index] for index in draw_rows(24, 5, 3)]
    by_seed = with_shots(roomy, ASKED, examples, 5, 16, seed=3)
    assert with_shots(roomy, ASKED, chosen, 5, 16, seed=None).messages == by_seed.messages
    assert with_shots(roomy, ASKED, chosen, 2, 16, seed=None).used == (0, 1)


def test_seeds_draw_other_rows_in_other_orders():
    assert len({tuple(draw_rows(24, 4, seed)) for seed in range(20)}) == 20
    assert {index for seed in range(60) for index in draw_rows(24, 4, seed)} == set(range(24))
    assert sorted(draw_rows(5, 9, 1)) == [0, 1, 2, 3, 4]
    many = draw_rows(3_000_000, 6, 2)
    assert len(set(many)) == 6 and many[:4] == draw_rows(3_000_000, 4, 2) and max(many) < 3_000_000


def test_no_rows_are_the_conversation_itself_token_for_token(tiny, examples):
    made = with_shots(tiny, ASKED, examples, 0, 8)
    assert (made.messages, made.used, made.left_out, made.shot_tokens) == (ASKED, (), 0, 0)
    assert made.prompt_tokens == len(prompt_ids(tiny, ASKED))
    engine = InferenceEngine(tiny)
    bare, shown = engine.submit(ASKED, max_new_tokens=12), engine.submit(made.messages, max_new_tokens=12)
    engine.finish()
    assert bare.ids() == shown.ids()
    assert with_shots(tiny, "What is 2 hen?", examples, 0, 8) == made
    scored = [score(tiny, messages, "hen 2.", likeliest=5)[0] for messages in (ASKED, made.messages)]
    assert scored[0] == scored[1], "bit for bit"


def test_rows_change_the_answer_as_a_conversation_with_these_turns_does(roomy, examples):
    made = with_shots(roomy, ASKED, examples, 4, 12, seed=1)
    shown, by_hand, bare = (
        generate(roomy, messages, max_new_tokens=12)[0] for messages in (made.messages, (*turns_of(examples, made.used), *ASKED), ASKED)
    )
    assert shown == by_hand != bare


def test_the_conversations_own_system_message_is_the_only_one_and_stands_first(roomy):
    rows = [Example(1, (Message("system", "Rhyme."), Message("user", "A cat?")), "A hat.")]
    turns = (Message("user", "A cat?"), Message("assistant", "A hat."))
    assert with_shots(roomy, ASKED, rows, 1, 8).messages == (*turns, *ASKED)
    system = Message("system", "Be brief.")
    assert with_shots(roomy, (system, *ASKED), rows, 1, 8).messages == (system, *turns, *ASKED)


def test_chats_pairs_and_plain_text_are_turns_too(roomy):
    chat = Example(1, (Message("user", "Hi"), Message("assistant", "Yes?"), Message("user", "Why?")), "So.")
    pair = Preference(2, (Message("user", "A cat?"),), "A hat.", "A dog.")
    plain = Example(3, (), "The old ship went out to sea and nobody who stood there saw it come back again that year.")
    made = with_shots(roomy, ASKED, [chat, pair, plain], 3, 8)
    said = {
        0: (*chat.messages, Message("assistant", "So.")),
        1: (*pair.messages, Message("assistant", "A hat.")),
    }
    left = list(made.messages[:-1])
    for index in made.used:
        if index in said:
            assert tuple(left[: len(said[index])]) == said[index]
            left = left[len(said[index]) :]
        else:
            asking, answering = left[:2]
            assert asking.content + answering.content == plain.answer and asking.role == "user" and len(answering.content) > 5
            left = left[2:]
    assert left == [] and sorted(made.used) == [0, 1, 2]


def test_marks_are_removed_where_the_rows_have_them(roomy):
    rows = [row("What is <reft>2 cat</reft>?", "cat 2.")]
    asked = (Message("user", "What is <reft>3 cat</reft>?"),)
    made = with_shots(roomy, asked, rows, 1, 8, marked=True)
    assert [message.content for message in made.messages] == ["What is 2 cat?", "cat 2.", "What is 3 cat?"]
    assert "<reft>" in with_shots(roomy, asked, rows, 1, 8).messages[0].content


# Room


def test_rows_without_room_are_left_out_and_the_answer_has_its_room(tiny, examples):
    for answer in (8, 40, 90):
        made = with_shots(tiny, ASKED, examples, 24, answer)
        length = len(prompt_ids(tiny, made.messages))
        assert made.prompt_tokens == length <= tiny.context - answer
        assert len(made.used) + made.left_out == 24 and made.left_out > 0
        assert made.shot_tokens == length - len(prompt_ids(tiny, ASKED))
        left = [index for index in draw_rows(24, 24, 0) if index not in made.used]
        for index in left:
            longer = (*turns_of(examples, [*made.used, index]), *ASKED)
            assert len(prompt_ids(tiny, longer)) > tiny.context - answer, "each of those that fit is shown"
        written = InferenceEngine(tiny).submit(made.messages, max_new_tokens=answer)
        written.texts()
        assert written.rows[0].limit == answer


def test_one_long_row_does_not_keep_the_others_out(tiny, examples):
    rows = [row("Tell all: " + "cat dog hen " * 60, "No."), *examples]
    seed = next(seed for seed in range(99) if draw_rows(25, 3, seed)[0] == 0)
    made = with_shots(tiny, ASKED, rows, 3, 8, seed=seed)
    assert made.used == tuple(draw_rows(25, 3, seed)[1:]) and made.left_out == 1


def test_a_conversation_that_leaves_no_room_is_asked_alone(tiny, examples):
    made = with_shots(tiny, ASKED, examples, 4, 10_000)
    assert made.messages == ASKED and made.left_out == 4


def test_more_rows_than_there_are_are_all(roomy, examples):
    made = with_shots(roomy, ASKED, examples[:3], 9, 8)
    assert sorted(made.used) == [0, 1, 2] and made.left_out == 0
    assert with_shots(roomy, ASKED, [], 4, 8).messages == ASKED


def chosen_by_trying(base, rows, answer):
    """The rows that fit, each tried in the whole prompt behind those before it."""
    used = []
    for index in range(len(rows)):
        try:
            fits = len(prompt_ids(base, (*turns_of(rows, [*used, index]), *ASKED))) <= base.context - answer
        except DataError:
            continue
        used += [index] * fits
    return tuple(used)


@pytest.mark.parametrize("template", [None, PLAIN_TEMPLATE, FEW_TURNS, NEEDS_SYSTEM])
@pytest.mark.parametrize("answer", [8, 60, 100])
def test_the_rows_are_those_that_trying_each_in_the_whole_prompt_gives(tiny, template, answer):
    draw = random.Random(answer)
    words = ["cat", "dog", "owl ", "\n", "hen.", " ", "<|im_end|>", "é", "12"]
    rows = [row("Say " + "".join(draw.choices(words, k=draw.randint(1, 60))), draw.choice(words[:3]), line) for line in range(60)]
    base = tiny if template is None else replace(tiny, template=template)
    if template == NEEDS_SYSTEM:
        with pytest.raises(DataError, match="begin with the system"):
            with_shots(base, ASKED, rows, 60, answer, seed=None)
        return
    made = with_shots(base, ASKED, rows, 60, answer, seed=None)
    assert made.used == chosen_by_trying(base, rows, answer) and made.used
    assert len(made.used) + made.left_out + made.refused == 60


def test_a_template_that_begins_with_the_system_message_shows_rows_behind_it(tiny, examples):
    asked = (Message("system", "Be brief."), *ASKED)
    made = with_shots(replace(tiny, template=NEEDS_SYSTEM), asked, examples, 20, 8)
    assert made.used and made.altered == () and made.used == with_shots(tiny, asked, examples, 20, 8).used


def test_many_rows_are_not_tokenised_again_for_each_of_them(tiny, monkeypatch):
    rows = [row(f"What is {number} cat and {number} dog?", "cat " * (number % 9 + 1), number) for number in range(300)]
    asked = []
    own = few_shot.column_prompts
    monkeypatch.setattr(few_shot, "column_prompts", lambda *given: asked.append(len(given[1])) or own(*given))
    made = with_shots(tiny, ASKED, rows, 300, 20, seed=None)
    assert made.left_out > 280 and len(asked) < 60, "and not once for each"
    monkeypatch.undo()
    assert made.used == chosen_by_trying(tiny, rows, 20)


def test_choosing_rows_can_be_stopped(tiny, examples):
    asked = iter([False, True])
    with pytest.raises(StoppedError, match="Stopped before the rows were chosen"):
        with_shots(tiny, ASKED, examples * 3, 72, 8, should_stop=lambda: next(asked))


def test_what_stands_behind_the_rows_is_counted(roomy, examples):
    system = Message("system", "Be brief.")
    for asked in (ASKED, (system, *ASKED), (*ASKED, Message("assistant", "Two."), Message("user", "And 3?"))):
        made = with_shots(roomy, asked, examples, 4, 8)
        ids, turns = prompt_ids(roomy, made.messages), [each for each in asked if each.role != "system"]
        behind = prompt_ids(roomy, turns)
        assert ids[-len(behind) :] == behind and 0 <= made.after_tokens - len(behind) <= 4, "and what ends the message before, at most"
    none = with_shots(roomy, ASKED, examples, 0, 8)
    assert none.after_tokens == none.prompt_tokens


# What a template does with them


def test_a_template_that_forbids_earlier_turns_says_so(tiny, examples):
    base = replace(tiny, template=TURNS)
    with pytest.raises(DataError, match=r"cannot be shown to tiny as earlier turns.*one turn only"):
        with_shots(base, ASKED, examples, 2, 8)
    assert with_shots(base, ASKED, examples, 0, 8).messages == ASKED


def test_a_template_that_leaves_earlier_turns_out_says_so(tiny, examples):
    with pytest.raises(DataError, match="leaves out earlier turns"):
        with_shots(replace(tiny, template=LAST), ASKED, examples, 2, 8)


def test_rows_of_which_less_is_shown_are_named(roomy):
    rows = [row("A?", "<think>Hm.</think> Yes."), row("B?", " No.\n")]
    made = with_shots(replace(roomy, template=TRIMS), ASKED, rows, 2, 8)
    assert sorted(made.used) == [0, 1] and made.altered == (0,)
    assert with_shots(roomy, ASKED, rows, 2, 8).altered == ()


@pytest.mark.parametrize("elsewhere", ["user", "Yes</think>No"])
def test_less_of_an_answer_is_noticed_though_the_text_has_it_elsewhere(roomy, elsewhere):
    answer = f"<think>Hm.</think>{elsewhere}"
    rows = [row(f"Say {answer} and <think>Hm.", answer), row("Hm.", answer.replace("<think>", ""))]
    assert sorted(with_shots(replace(roomy, template=TRIMS), (Message("user", answer), *ASKED[1:]), rows, 2, 8).altered) == [0, 1]
    twice = [row("A?", "<think>A</think>"), row("<think>A</think>", "B")]
    assert with_shots(replace(roomy, template=SHOWS_QUESTIONS), ASKED, twice, 2, 8, seed=None).altered == (0,)


def test_rows_that_are_no_turns_are_counted_and_the_others_shown(roomy, examples):
    odd = [
        row("", "No."), row("A?", "  "), Example(9, (Message("user", "A"), Message("assistant", "B")), "C"), row("half \ud800", "of one"),
        Example(11, (), "too short"),
    ]  # fmt: skip
    made = with_shots(roomy, ASKED, [*odd, examples[0]], 6, 8)
    assert made.used == (5,) and made.refused == 5 and made.left_out == 0
    with pytest.raises(DataError, match="Line 1: the row has no question"):
        with_shots(roomy, ASKED, odd[:1], 1, 8)


@pytest.mark.parametrize("wrong", [{"shots": -1}, {"shots": 1.5}, {"max_new_tokens": 0}, {"seed": -1}])
def test_numbers_out_of_range_are_refused(tiny, examples, wrong):
    with pytest.raises(ConfigError):
        with_shots(tiny, ASKED, examples, **{"shots": 2, "max_new_tokens": 8, **wrong})


def test_a_conversation_that_asks_nothing_is_refused_with_and_without_rows(tiny, examples):
    for shots in (0, 2):
        with pytest.raises(ConfigError, match="ends with an answer"):
            with_shots(tiny, (*ASKED, Message("assistant", "So.")), examples, shots, 8)
        with pytest.raises(ConfigError, match="empty"):
            with_shots(tiny, (Message("user", " "),), examples, shots, 8)


# What it costs


@contextmanager
def passes(model):
    """The real tokens of each pass, counted where the model looks them up: those of its mask, if it has one."""
    seen = []

    def count(_module, _args, kwargs):
        ids, mask = kwargs["input_ids"], kwargs.get("attention_mask")
        seen.append(ids.numel() if mask is None else int(mask[:, mask.shape[1] - ids.shape[1] :].sum()))

    handle = model.register_forward_pre_hook(count, with_kwargs=True)
    try:
        yield seen
    finally:
        handle.remove()


def count_of(asked, columns=1):
    counts = [asked.tokens(column) for column in range(columns)]
    return [(each.prompt, each.read, each.decoded) for each in counts]


@pytest.mark.parametrize("shots", [0, 1, 4, 8])
def test_the_counter_is_that_of_the_tokens_that_went_through_the_model(roomy, examples, shots):
    made, engine = with_shots(roomy, ASKED, examples, shots, 12), InferenceEngine(roomy)
    with passes(roomy.model) as seen:
        asked = engine.submit(made.messages, max_new_tokens=12)
        asked.texts()
    ((prompt, read, decoded),) = count_of(asked)
    assert prompt == read == made.prompt_tokens == len(prompt_ids(roomy, made.messages))
    assert read + decoded == sum(seen) and decoded == len(asked.ids()) - 1
    assert made.shot_tokens == prompt - len(prompt_ids(roomy, ASKED))


def test_what_a_cache_held_is_told_apart_and_the_answer_is_the_same(roomy, examples):
    made = with_shots(roomy, ASKED, examples, 6, 12)
    other = with_shots(roomy, (Message("user", "What is 3 owl?"),), examples, 6, 12)
    fresh = [generate(roomy, each.messages, max_new_tokens=12)[0] for each in (made, other)]
    engine, counts = InferenceEngine(roomy, memory=PromptCache()), []
    with passes(roomy.model) as seen:
        for each in (made, other, other):
            asked = engine.submit(each.messages, max_new_tokens=12)
            assert asked.texts()[0] == fresh[each is other]
            counts.append(asked.tokens())
    assert sum(count.read + count.decoded for count in counts) == sum(seen)
    first, second, third = counts
    assert (first.read, first.cached) == (first.prompt, 0)
    assert second.cached >= made.shot_tokens and second.read + second.cached == second.prompt and second.read < 20
    assert third.read == 1


def test_cached_and_uncached_shots_agree_on_every_logit(roomy, examples):
    made = with_shots(roomy, ASKED, examples, 6, 12)
    wanted = Sampling(log_probabilities=roomy.vocabulary)

    def logits(engine):
        deltas = list(engine.submit(made.messages, max_new_tokens=6, sampling=wanted))
        return torch.stack([torch.tensor([value for _, value in sorted(token.likeliest)]) for delta in deltas for token in delta.tokens])

    engine = InferenceEngine(roomy, memory=PromptCache())
    fresh, again = logits(engine), logits(engine)
    assert (fresh - again).abs().max() < 1e-4 and fresh.shape == again.shape


def test_columns_that_share_a_beginning_count_it_once(roomy, examples, strong):
    made = with_shots(roomy, ASKED, examples, 4, 8)
    tuned = strong(roomy.model, positions="l2")
    with passes(roomy.model) as seen:
        asked = InferenceEngine(roomy).submit(made.messages, [None, tuned], max_new_tokens=8)
        asked.texts()
    counts = count_of(asked, 2)
    assert sum(read + decoded for _, read, decoded in counts) == sum(seen)
    assert counts[0][1] == made.prompt_tokens and counts[1][1] == 2


def test_a_prompt_longer_than_a_pass_and_rows_side_by_side_are_counted_too(roomy, examples, monkeypatch):
    monkeypatch.setattr("reft_engine.inference.engine.PIECE", 24)
    engine = InferenceEngine(roomy)
    with passes(roomy.model) as seen:
        asked = [engine.submit(with_shots(roomy, ASKED, examples, shots, 8).messages, max_new_tokens=8) for shots in (9, 0, 2)]
        engine.finish()
    assert sum(sum(count_of(each)[0][1:]) for each in asked) == sum(seen)
    assert all(prompt == read for each in asked for prompt, read, _ in count_of(each))


@pytest.mark.parametrize("name", ["mistral", "gemma3", "bloom"])
def test_rows_that_are_answered_apart_are_counted_too(starter, name):
    base = replace(starter, model=families.build(name, seed=2, vocab_size=len(starter.tokenizer)).requires_grad_(False), name=name)
    with passes(base.model) as seen:
        asked = InferenceEngine(base).submit(ASKED, max_new_tokens=4)
        asked.texts()
    ((prompt, read, decoded),) = count_of(asked)
    assert prompt == read and read + decoded == sum(seen)


@pytest.mark.parametrize("name", ["llama", "qwen3", "gpt2", "gpt-neox", "falcon", "opt"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_bytes_of_a_token_are_those_of_the_real_cache(starter, name, dtype):
    model = families.build(name, vocab_size=len(starter.tokenizer)).requires_grad_(False).to(dtype)
    base = replace(starter, model=model, name=name)
    ids = torch.tensor([prompt_ids(base, ASKED)])
    cache = model(input_ids=ids, use_cache=True).past_key_values
    held = sum(tensor.nbytes for layer in cache.layers for tensor in (layer.keys, layer.values))
    assert bytes_of_token(base) * ids.shape[1] == held


def test_the_cache_of_an_encoder_decoder_has_no_such_formula(starter):
    assert bytes_of_token(replace(starter, model=families.build("t5", vocab_size=len(starter.tokenizer)), name="t5")) is None


def test_an_edit_pays_off_when_it_has_cost_less_than_the_shots():
    assert pays_off_after(160 * 60 * 5, 8 * 60) == 200
    assert pays_off_after(100, 7) == 29 and pays_off_after(100, 0) is None
    parameters, answers = 1e6, pays_off_after(1234.5, 77)
    training, shots = 4 * parameters * 1234.5, 2 * parameters * 77
    assert (answers - 1) * shots < training <= answers * shots


# Labels


def test_labels_are_scored_by_the_mean_of_their_tokens(tiny):
    labels = ["positive", "no", "a rather long one"]
    found = score_labels(InferenceEngine(tiny), ASKED, labels)
    assert list(found) == sorted(labels, key=found.get, reverse=True)
    for label in labels:
        ids = torch.tensor([[*prompt_ids(tiny, ASKED), *ids_of_answer(tiny, label)]])
        count = len(ids_of_answer(tiny, label))
        logs = tiny.model(ids).logits[0, -count - 1 : -1].log_softmax(dim=-1)
        assert found[label] == pytest.approx(float(logs.gather(1, ids[0, -count:, None]).mean()), abs=1e-4)


def test_more_labels_than_may_wait_are_scored_in_parts(tiny):
    labels = [f"label {number}" for number in range(9)]
    engine = InferenceEngine(tiny, limits=Limits(waiting=5, waiting_of_one=5))
    found, whole = score_labels(engine, ASKED, labels), score_labels(InferenceEngine(tiny), ASKED, labels)
    assert found.keys() == whole.keys() and all(found[label] == pytest.approx(whole[label], abs=1e-4) for label in labels)
    assert engine.is_idle


@pytest.mark.parametrize("labels", [["yes", "no", "cat " * 300], ["cat " * 300, "yes"]])
def test_a_label_that_cannot_be_scored_leaves_none_waiting(tiny, labels):
    engine = InferenceEngine(tiny)
    with pytest.raises(ConfigError, match="reads at most"):
        score_labels(engine, ASKED, labels)
    assert engine.is_idle and engine.rows_in_flight == 0


# Never a held-out row


def made_up(draw):
    """Rows with duplicates, chats of several answers, groups, and sometimes sides of their own."""
    rows = []
    sides = draw.random() < 0.3
    for line in range(1, draw.randint(6, 60)):
        prompt, answer = f"What is {draw.randrange(12)}?", draw.choice("ab")
        group = f"g{draw.randrange(9)}" if draw.random() < 0.4 else ""
        side = draw.choice(["train", "train", "test"]) if sides else ""
        messages = [Message("user", prompt)]
        if draw.random() < 0.3:
            messages += [Message("assistant", answer), Message("user", draw.choice("xyz"))]
        rows.append(Example(line, tuple(messages), draw.choice("abc"), line, side, group))
    return rows


@pytest.mark.parametrize("seed", range(60))
def test_rows_that_may_be_shown_have_nothing_to_do_with_held_out_ones_and_are_all_trained_on(seed):
    draw = random.Random(seed)
    rows, share = made_up(draw), draw.choice([0.1, 0.3, 0.6])
    trained, held = split_indices(rows, share, seed)
    may = trained_indices(iter(rows), held).tolist()
    assert set(may) <= set(trained) and sorted(may) == may
    out = {(rows[index].messages, rows[index].answer) for index in held}
    assert all((rows[index].messages, rows[index].answer) not in out for index in may)
    groups = {rows[index].group for index in held} - {""}
    assert all(rows[index].group not in groups for index in may)
    if not any(each.split for each in rows):
        equal = [index for index in trained if (rows[index].messages, rows[index].answer) in out]
        assert may == [index for index in trained if index not in equal], "where chance divides them, exactly these"
        assert equal == [] or any(each.group for each in rows), "a group may hold a row that equals one outside"


def test_held_out_rows_that_are_too_many_to_be_measured_are_not_shown_either():
    rows = [row(f"What is {number}?", "a", number, split="test" if number % 2 else "train") for number in range(2600)]
    trained, held = split_indices(rows, 0.1, 0)
    assert len(held) == 1000 < 1300
    assert trained_indices(rows, held).tolist() == list(trained)


def test_without_held_out_rows_all_may_be_shown():
    rows = [row(f"{number}?", "a", split="test") for number in range(5)]
    assert trained_indices(rows, []).tolist() == [0, 1, 2, 3, 4]
    assert trained_indices([], []).tolist() == []
