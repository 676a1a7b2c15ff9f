"""Streaming answers: a random tiny base, the starter, and a base whose every next token is set by hand."""

from dataclasses import replace

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from reft_engine import ReftModel, generate, stream
from reft_engine.base.loading import TEXT_TEMPLATE
from reft_engine.data import Message
from reft_engine.errors import ConfigError
from reft_engine.inference.decoding import Column
from reft_engine.tokens.examples import prompt_ids
from tests.reft_engine import families

END = 3
RULES = ["f7+l7", "f3", "l1", "all"]


def said(base, prompt, edits, **options):
    return list(stream(base, prompt, edits, **options))


def joined(deltas, columns):
    return ["".join(delta.text for delta in deltas if delta.column == column) for column in range(columns)]


def recomputed(base, prompt, reft: ReftModel | None, count, strength=1.0):
    """Greedy decoding without a cache: the whole row again for every token, edited at the prompt's positions."""
    ids = list(prompt_ids(base, [Message("user", prompt)]))
    length = len(ids)
    for _ in range(count):
        row = torch.tensor([ids])
        with torch.no_grad():
            output = base.model(input_ids=row) if reft is None else reft(row, None, [length], strength=strength)
        ids.append(int(output.logits[0, -1].argmax()))
        if ids[-1] == END:
            break
    return base.tokenizer.decode(ids[length:], skip_special_tokens=True)


@pytest.fixture(scope="module")
def scripted(starter, make_model):
    """Make a base that says one given list of distinct tokens after any prompt: a table of next tokens in its head."""

    def make(tokens):
        model = make_model("llama", vocab_size=len(starter.tokenizer), tie_word_embeddings=False, max_position_embeddings=160)
        newline = starter.tokenizer("\n", add_special_tokens=False)["input_ids"][-1]
        assert len({newline, *tokens}) == len(tokens) + 1, "a table of next tokens needs distinct ones"
        with torch.no_grad():
            for block in model.model.layers:
                block.self_attn.o_proj.weight.zero_()
                block.mlp.down_proj.weight.zero_()
            model.lm_head.weight.zero_()
            for token, following in zip([newline, *tokens], tokens, strict=False):
                model.lm_head.weight[following] = model.model.embed_tokens.weight[token]
        return replace(starter, model=model.requires_grad_(False), name="scripted")

    return make


def ids_of(base, text):
    return base.tokenizer(text, add_special_tokens=False)["input_ids"]


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("method", ["loreft", "direft"])
def test_decoding_from_the_cache_equals_full_recomputation(tiny, strong, method, rule):
    reft = strong(tiny.model, method=method, positions=rule, tied=False)
    answers = generate(tiny, "What is 2 cat?", [None, reft], max_new_tokens=20)
    assert answers == [recomputed(tiny, "What is 2 cat?", model, 20) for model in (None, reft)]
    assert answers[0] != answers[1]


@pytest.mark.parametrize("family", ["gpt2", "neox"])
def test_it_does_so_in_every_family(make_model, starter, strong, family):
    model = make_model(family)
    model.resize_token_embeddings(len(starter.tokenizer))
    base = replace(starter, model=model)
    reft = strong(model)
    assert generate(base, "Hi", [None, reft], max_new_tokens=12) == [recomputed(base, "Hi", one, 12) for one in (None, reft)]


@pytest.mark.slow
@pytest.mark.parametrize("prompt", ["What does a cat say?", "Is seven an odd number?", "🐱"])
def test_the_starter_answers_as_recomputed_and_its_answer_ends_by_itself(starter, strong, prompt):
    reft = strong(starter.model, scale=1.0, method="direft")
    assert generate(starter, prompt, [None, reft], max_new_tokens=40) == [recomputed(starter, prompt, one, 40) for one in (None, reft)]


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [0.0, 1.5])
def test_columns_answer_as_each_does_alone(tiny, strong, temperature):
    first, second = strong(tiny.model, seed=1), strong(tiny.model, seed=2, layers=[1], positions="all")
    columns = [None, first, second, first, None]
    together = generate(tiny, "How are you?", columns, max_new_tokens=16, temperature=temperature, seed=3)
    alone = [generate(tiny, "How are you?", [column], max_new_tokens=16, temperature=temperature, seed=3)[0] for column in columns]
    assert together == alone
    assert len(set(together)) == 3


def test_strength_zero_answers_as_the_base(tiny, strong):
    base, tuned = generate(tiny, "How are you?", [None, strong(tiny.model)], max_new_tokens=16, strength=0.0)
    assert base == tuned


@pytest.mark.parametrize("strength", [0.5, -1.0, 3.0])
def test_strength_acts_as_in_a_forward_pass(tiny, strong, strength):
    reft = strong(tiny.model)
    assert generate(tiny, "Hi", [reft], max_new_tokens=12, strength=strength) == [recomputed(tiny, "Hi", reft, 12, strength)]


@pytest.mark.parametrize("strength", [float("nan"), float("inf")])
def test_a_strength_that_is_no_number_is_refused(tiny, strong, strength):
    with pytest.raises(ConfigError, match="strength"):
        generate(tiny, "Hi", [None, strong(tiny.model)], strength=strength)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_column_that_overflows_leaves_the_others_alone(tiny, strong, temperature):
    columns = [None, strong(tiny.model), None]
    answers = generate(tiny, "Hi", columns, max_new_tokens=12, temperature=temperature, strength=1e38)
    alone = generate(tiny, "Hi", max_new_tokens=12, temperature=temperature)
    assert [answers[0], answers[2]] == alone * 2


@pytest.mark.slow
def test_the_same_seed_repeats_and_another_does_not(tiny, strong):
    def sample(seed):
        return generate(tiny, "Hi", [None, strong(tiny.model)], max_new_tokens=16, temperature=1.0, seed=seed)

    assert sample(1) == sample(1)
    assert sample(1) != sample(2)


def test_every_column_draws_the_same_random_numbers(tiny):
    first, second = generate(tiny, "Hi", [None, None], max_new_tokens=16, temperature=1.0, seed=4)
    assert first == second


def test_sampling_does_not_depend_on_the_global_random_numbers(tiny):
    answers = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        answers.append(generate(tiny, "Hi", max_new_tokens=16, temperature=1.0, seed=4))
    assert answers[0] == answers[1]


def test_a_tiny_share_of_probability_leaves_the_likeliest_token(tiny):
    greedy = generate(tiny, "Hi", max_new_tokens=16)
    deltas = said(tiny, "Hi", [None], max_new_tokens=16, temperature=1.0, top_p=1e-6, seed=9)
    assert joined(deltas, 1) == greedy


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"top_p": 0.0}, "top_p"),
        ({"top_p": 1.5}, "top_p"),
        ({"top_p": float("nan")}, "top_p"),
        ({"temperature": float("nan")}, "temperature"),
        ({"temperature": float("inf")}, "temperature"),
        ({"temperature": -1.0}, "temperature"),
    ],
)
def test_sampling_that_makes_no_sense_is_refused(tiny, options, field):
    with pytest.raises(ConfigError) as caught:
        said(tiny, "Hi", [None], **{"temperature": 1.0, **options})
    assert caught.value.field == field


def test_deltas_join_into_the_answer_and_each_column_ends_once(tiny, strong):
    columns = [None, strong(tiny.model), strong(tiny.model, seed=5)]
    deltas = said(tiny, "Hello", columns, max_new_tokens=20)
    assert joined(deltas, 3) == generate(tiny, "Hello", columns, max_new_tokens=20)
    for column in range(3):
        ended = [delta.ended for delta in deltas if delta.column == column]
        assert ended == [False] * (len(ended) - 1) + [True]
    assert len(deltas) > 30, "it streams, token by token"


def test_an_end_of_turn_ends_an_answer_and_is_not_shown(starter, scripted):
    base = scripted([END])
    assert said(base, "Hi", [None])[0].ended
    text = "The cat sat."
    base = scripted([*ids_of(starter, text), END])
    deltas = said(base, "Hi", [None], max_new_tokens=64)
    assert joined(deltas, 1) == [text]
    assert deltas[-1].ended


def test_one_column_may_end_before_the_other(starter, scripted, strong):
    base = scripted([*ids_of(starter, "Yes, it is."), END])
    reft = strong(base.model, scale=10.0, positions="l1")
    answers = generate(base, "Hi", [None, reft], max_new_tokens=30)
    assert answers[0] == "Yes, it is."
    assert answers == [recomputed(base, "Hi", one, 30) for one in (None, reft)]


@pytest.mark.parametrize("text", ["🦕", "hi 🦕!", "naïve", "日", "é\u0301", "👩\u200d", "1\ufe0f\u20e3", "ж"])
def test_a_character_split_over_tokens_is_streamed_whole(starter, scripted, text):
    tokens = ids_of(starter, text)
    base = scripted([*tokens, END])
    deltas = said(base, "Hi", [None], max_new_tokens=64)
    assert joined(deltas, 1) == [text]
    assert not any("\ufffd" in delta.text for delta in deltas)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(4, 300) | st.integers(0, 2047), max_size=12))
def test_whatever_the_tokens_their_pieces_join_into_their_text(starter, tokens):
    column = Column(starter)
    pieces = [column.push(token) for token in tokens]
    assert "".join(pieces) + column.rest() == starter.tokenizer.decode(tokens, skip_special_tokens=True)


def test_the_emoji_of_this_test_is_split_over_tokens(starter):
    assert len(ids_of(starter, "🦕")) > 1


def test_a_character_that_is_never_finished_shows_as_one_that_is_missing(starter, scripted):
    tokens = ids_of(starter, "a🦕")[:-1]
    deltas = said(scripted([*tokens, END]), "Hi", [None])
    assert joined(deltas, 1) == ["a\ufffd"]
    assert deltas[-1].ended


def test_an_edit_in_training_mode_answers_as_in_evaluation_mode(tiny, strong):
    reft = strong(tiny.model, dropout=0.9)
    calm = generate(tiny, "Hello", [None, reft], max_new_tokens=20)
    assert generate(tiny, "Hello", [None, reft.train()], max_new_tokens=20) == calm
    assert reft.training


def test_any_token_that_the_models_makers_list_ends_an_answer(starter, scripted):
    first, second, *more = ids_of(starter, "The cat sat")
    base = scripted([first, second, *more])
    assert generate(base, "Hi", max_new_tokens=2) == [starter.tokenizer.decode([first, second])]
    base.model.generation_config.eos_token_id = [END, second]
    assert generate(base, "Hi", max_new_tokens=2) == [starter.tokenizer.decode([first])]


def test_a_base_without_a_key_value_cache_is_refused(tiny):
    config = transformers.MambaConfig(vocab_size=len(tiny.tokenizer), hidden_size=32, num_hidden_layers=2, state_size=4)
    base = replace(tiny, model=transformers.MambaForCausalLM(config).eval(), name="recurrent")
    with pytest.raises(ConfigError, match="recurrent keeps no key-value cache"):
        generate(base, "Hi", max_new_tokens=2)


@pytest.mark.parametrize("after", [1, 2, 5])
def test_should_stop_ends_every_column_at_once(tiny, strong, after):
    asked = []

    def should_stop():
        asked.append(True)
        return len(asked) >= after

    whole = generate(tiny, "Hello", [None, strong(tiny.model)], max_new_tokens=30)
    deltas = said(tiny, "Hello", [None, strong(tiny.model)], max_new_tokens=30, should_stop=should_stop)
    assert len(asked) == after
    assert [delta.column for delta in deltas if delta.ended] == [0, 1]
    assert all(full.startswith(part) and part != full for part, full in zip(joined(deltas, 2), whole, strict=True))


@pytest.mark.parametrize("count", [1, 7])
def test_an_answer_has_at_most_the_tokens_it_may_have(starter, scripted, count):
    tokens = ids_of(starter, "The cat sat on my big red box")
    base = scripted(tokens)
    deltas = said(base, "Hi", [None, None], max_new_tokens=count)
    assert joined(deltas, 2) == [base.tokenizer.decode(tokens[:count])] * 2
    assert [delta.column for delta in deltas if delta.ended] == [0, 1]


def test_an_answer_stops_where_the_context_ends(tiny):
    prompt = "no " * 120
    room = tiny.context - len(prompt_ids(tiny, [Message("user", prompt)]))
    assert 0 < room < 60
    found = generate(tiny, prompt, max_new_tokens=500)
    assert found == generate(tiny, prompt, max_new_tokens=room)


def test_a_prompt_that_leaves_no_room_is_refused(tiny):
    with pytest.raises(ConfigError, match="tokens; this base model reads at most 159") as caught:
        generate(tiny, "no " * 300)
    assert caught.value.field == "prompt"


@pytest.mark.slow
def test_a_whole_conversation_is_read(starter):
    calm = [Message("user", "What is the capital of France?")]
    pirate = [Message("system", "Talk like a pirate."), *calm]
    assert generate(starter, pirate) != generate(starter, calm)
    assert generate(starter, calm) == generate(starter, "What is the capital of France?")


def test_a_conversation_is_edited_at_its_own_ends_and_not_in_its_middle(tiny, strong):
    reft = strong(tiny.model, positions="l1")
    talk = [Message("user", "Hi"), Message("assistant", "Hello"), Message("user", "Bye")]
    ids = torch.tensor([prompt_ids(tiny, talk)])
    with torch.no_grad():
        logits = reft(ids, None, [ids.shape[1]]).logits[0, -1]
    assert generate(tiny, talk, [reft], max_new_tokens=1) == [tiny.tokenizer.decode([int(logits.argmax())], skip_special_tokens=True)]


def test_a_stream_that_is_left_in_the_middle_leaves_the_base_as_it_was(tiny, strong):
    before = generate(tiny, "Hello", max_new_tokens=10)
    reader = stream(tiny, "Hello", [strong(tiny.model)], max_new_tokens=10)
    next(reader)
    assert generate(tiny, "Hello", max_new_tokens=10) == before
    reader.close()
    assert generate(tiny, "Hello", max_new_tokens=10) == before


def test_a_prompt_may_be_given_as_token_ids(tiny, strong):
    reft = strong(tiny.model)
    ids = prompt_ids(tiny, [Message("user", "What is 2 cat?")])
    assert generate(tiny, ids, [None, reft], max_new_tokens=8) == generate(tiny, "What is 2 cat?", [None, reft], max_new_tokens=8)
    with pytest.raises(ConfigError, match="token ids that this base model does not have"):
        generate(tiny, [1, 10**6], max_new_tokens=2)
    with pytest.raises(ConfigError, match="carry no marks"):
        generate(tiny, ids, [strong(tiny.model, positions="marked")], max_new_tokens=2)


def test_an_edit_of_another_base_model_is_refused(tiny, strong, make_model):
    other = make_model(vocab_size=len(tiny.tokenizer))
    with pytest.raises(ConfigError, match="another base model"):
        generate(tiny, "Hi", [strong(other)], max_new_tokens=2)


def test_a_prompt_may_be_given_as_bare_turns(tiny):
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    same = [Message("system", "Be brief."), Message("user", "Hi")]
    assert generate(tiny, turns, max_new_tokens=6) == generate(tiny, same, max_new_tokens=6)


@pytest.mark.parametrize(
    "prompt", [["Hi", 5], [{"role": "robot", "content": "Hi"}], [1.5], [None], None, 5, {"role": "user"}, torch.ones(2)]
)
def test_what_is_no_prompt_is_refused_in_words(tiny, prompt):
    with pytest.raises(ConfigError, match="A prompt is a text"):
        generate(tiny, prompt, max_new_tokens=2)


def test_one_edit_needs_no_list(tiny, strong):
    reft = strong(tiny.model)
    assert generate(tiny, "Hi", reft, max_new_tokens=6) == generate(tiny, "Hi", [reft], max_new_tokens=6)


@pytest.mark.parametrize("prompt", [[], ()])
def test_an_empty_conversation_is_refused_and_not_answered(tiny, prompt):
    with pytest.raises(ConfigError, match="The prompt is empty") as caught:
        generate(tiny, prompt, max_new_tokens=2)
    assert caught.value.field == "prompt"


def test_a_prompt_of_no_tokens_is_refused(tiny):
    with pytest.raises(ConfigError, match="The prompt is empty"):
        generate(replace(tiny, template=TEXT_TEMPLATE), "", max_new_tokens=2)


def test_an_encoder_decoder_reads_a_prompt_as_long_as_its_context_and_no_longer(starter):
    base = replace(starter, model=families.build("bart", vocab_size=len(starter.tokenizer)))
    assert generate(base, [5] * base.context, max_new_tokens=2)
    with pytest.raises(ConfigError, match="The prompt has 161 tokens; this base model reads at most 160"):
        generate(base, [5] * (base.context + 1), max_new_tokens=2)


def test_an_encoder_decoder_that_does_not_say_how_an_answer_begins_is_refused(starter):
    base = replace(starter, model=families.build("bart", vocab_size=len(starter.tokenizer), decoder_start_token_id=None))
    base.model.generation_config.decoder_start_token_id = None
    with pytest.raises(ConfigError, match="which token an answer begins with"):
        generate(base, "Hi", max_new_tokens=2)
