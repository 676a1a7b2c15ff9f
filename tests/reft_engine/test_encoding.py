import copy
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken
from tokenizers.processors import TemplateProcessing

from reft_engine import Example, ReftConfig
from reft_engine.base import templates
from reft_engine.base.loading import PLAIN_TEMPLATE, TEXT_TEMPLATE
from reft_engine.data import Message
from reft_engine.errors import DataError
from reft_engine.tokens.examples import encode, encode_text, end_ids, prompt_ids
from tests.reft_engine import families

CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>"]
START, END = 2, 3
letters = st.characters(codec="utf-8", exclude_categories=["Co", "Cs"])
texts = st.lists(st.text(letters, max_size=8) | st.sampled_from([*CONTROL, "<|im_", "end|>", "\n", "🐱"]), max_size=6).map("".join)


def rendered(messages):
    return "".join(f"<|im_start|>{role}\n{said}<|im_end|>\n" for role, said in messages) + "<|im_start|>assistant\n"


def turns(*pairs):
    return [Message(role, said) for role, said in pairs]


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), texts), min_size=1, max_size=4))
def test_a_conversation_reads_as_the_template_renders_it_and_control_tokens_stand_only_where_the_template_has_them(starter, said):
    ids = prompt_ids(starter, turns(*said))
    assert starter.tokenizer.decode(ids) == rendered(said)
    assert [ids.count(token) for token in range(4)] == [0, 0, len(said) + 1, len(said)]


@pytest.mark.parametrize("token", CONTROL)
def test_a_control_token_that_a_person_types_is_encoded_as_text(starter, token):
    ids = prompt_ids(starter, turns(("user", f"a{token}b")))
    assert starter.tokenizer.decode(ids) == rendered([("user", f"a{token}b")])
    assert [ids.count(number) for number in range(4)] == [0, 0, 2, 1]
    example = encode(starter, Example(1, (Message("user", "x"),), f"a{token}b"), 512)
    assert example.answer_ids[-1] == END
    assert not set(example.answer_ids[:-1]) & set(range(4))
    assert starter.tokenizer.decode(example.answer_ids[:-1]) == f"a{token}b"


def test_what_threads_read_at_once_they_read_one_after_another(starter):
    """How control tokens are read is set on the tokenizer for all threads."""

    class Tokenizer:
        def __init__(self):
            self.inside, self.together = 0, 0

        def __getattr__(self, name):
            return getattr(starter.tokenizer, name)

        def __call__(self, *texts, **how):
            self.inside += 1
            self.together = max(self.together, self.inside)
            time.sleep(0.002)
            self.inside -= 1
            return starter.tokenizer(*texts, **how)

    base = replace(starter, tokenizer=Tokenizer())
    rows = [Example(line, turns(("user", text)), text) for line, text in enumerate(["plain", "a <|im_end|> typed"] * 4)]
    wanted = [encode(starter, row, 99) for row in rows]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda row: encode(base, row, 99), rows)) == wanted
    assert base.tokenizer.together == 1


def test_a_control_token_cannot_be_pieced_together(starter):
    sly = "<|im_\ue000end|><|im_<|im_end|>end|>\ue0002\ue001"
    assert prompt_ids(starter, turns(("user", sly))).count(END) == 1


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(texts, texts)
def test_the_prompt_of_a_row_is_the_prompt_of_a_chat_whatever_the_answer_begins_with(starter, said, answer):
    assume(said.strip() and answer.strip())
    row = encode(starter, Example(1, (Message("user", said),), answer), 512)
    assert row.prompt_ids == prompt_ids(starter, turns(("user", said)))
    assert row.answer_ids[-1:] == end_ids(starter)
    assert starter.tokenizer.decode(row.answer_ids[:-1]) == answer
    assert not row.cut


def test_an_answer_ends_with_the_templates_end_of_turn(starter):
    assert end_ids(starter) == (END,)


def test_without_a_control_token_in_the_template_an_answer_ends_with_end_of_text(starter):
    assert end_ids(replace(starter, template=PLAIN_TEMPLATE)) == (starter.tokenizer.eos_token_id,)


def test_an_end_of_turn_that_the_tokenizer_does_not_name_is_found(starter):
    tokenizer = copy.deepcopy(starter.tokenizer)
    tokenizer.add_tokens([AddedToken("<|stop|>", special=True)])
    template = starter.template.replace("<|im_end|>", "<|stop|>")
    assert end_ids(replace(starter, tokenizer=tokenizer, template=template)) == (len(tokenizer) - 1,)


def test_a_template_that_drops_the_answer_leaves_the_tokenizers_end(starter):
    template = "<|im_start|>{{ messages[0]['content'] }}"
    assert end_ids(replace(starter, template=template)) == (starter.tokenizer.eos_token_id,)


@pytest.mark.parametrize("adds", [True, False])
def test_without_a_template_a_prompt_begins_as_the_tokenizer_begins_a_text(starter, adds):
    tokenizer = copy.deepcopy(starter.tokenizer)
    tokenizer.chat_template = None
    tokenizer.bos_token = "<|endoftext|>"
    if adds:
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
            single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", tokenizer.bos_token_id)]
        )
    plain = replace(starter, tokenizer=tokenizer, template=PLAIN_TEMPLATE)
    ids = prompt_ids(plain, [Message("user", "Hi")])
    assert ids.count(tokenizer.bos_token_id) == (1 if adds else 0)
    assert list(ids) == tokenizer("User: Hi\nAssistant:")["input_ids"]


def test_a_conversation_that_the_template_refuses_is_named_by_its_line(starter):
    refusing = replace(starter, template="{{ raise_exception('no system role') }}")
    with pytest.raises(DataError, match=r"Line 17: .*no system role"):
        encode(refusing, Example(17, (Message("user", "a"),), "b"), 512)


def test_an_answer_without_a_single_token_is_refused(starter):
    tokenizer = copy.deepcopy(starter.tokenizer)
    tokenizer.eos_token = None
    endless = replace(starter, tokenizer=tokenizer, template=PLAIN_TEMPLATE)
    assert end_ids(endless) == ()
    with pytest.raises(DataError, match="Line 17: the answer is empty"):
        encode(endless, Example(17, (Message("user", "a"),), ""), 512)


def test_a_tokenizer_without_a_template_gets_plain_turns_and_a_space_before_the_answer(starter):
    tokenizer = copy.deepcopy(starter.tokenizer)
    tokenizer.chat_template = None
    plain = replace(starter, tokenizer=tokenizer, template=PLAIN_TEMPLATE)
    row = encode(plain, Example(1, (Message("system", "Be brief."), Message("user", "Hi")), "Ho"), 512)
    assert tokenizer.decode(row.prompt_ids) == "System: Be brief.\nUser: Hi\nAssistant:"
    assert tokenizer.decode(row.answer_ids[:-1]) == " Ho"


def test_a_long_answer_is_cut_at_its_end_and_says_so(starter):
    example = Example(1, (Message("user", "count"),), "one two three four five six seven")
    whole = encode(starter, example, 512)
    limit = len(whole.prompt_ids) + 4
    short = encode(starter, example, limit)
    assert short.cut
    assert short.prompt_ids == whole.prompt_ids
    assert short.answer_ids == whole.answer_ids[:4]


def test_a_row_that_just_fits_is_not_cut(starter):
    example = Example(1, (Message("user", "count"),), "one two")
    whole = encode(starter, example, 512)
    assert encode(starter, example, len(whole.prompt_ids) + len(whole.answer_ids)) == whole


def test_a_prompt_that_leaves_no_room_is_refused_with_its_line(starter):
    example = Example(17, (Message("user", "count"),), "one")
    length = len(prompt_ids(starter, example.messages))
    with pytest.raises(DataError, match=f"Line 17: the prompt has {length} tokens, and only {length - 1} fit"):
        encode(starter, example, length)
    assert len(encode(starter, example, length + 1).answer_ids) == 1


def test_a_row_is_never_longer_than_the_base_can_read(tiny):
    example = Example(1, (Message("user", "a"),), "no " * 500)
    row = encode(tiny, example, 1_000_000)
    assert len(row.prompt_ids) + len(row.answer_ids) == tiny.context == 160
    with pytest.raises(DataError):
        encode(tiny, Example(1, (Message("user", "no " * 500),), "a"), 1_000_000)


@pytest.fixture(scope="module")
def t5(starter, framing):
    """An encoder-decoder, whose answer is written by a decoder of its own."""
    model = families.build("t5", vocab_size=len(starter.tokenizer)).requires_grad_(False)
    return replace(starter, model=model, tokenizer=framing, template=TEXT_TEMPLATE, name="t5")


@pytest.fixture(scope="module")
def bert(starter, framing):
    """An encoder, which reads one text or two."""
    model = families.build("bert", vocab_size=len(starter.tokenizer)).requires_grad_(False)
    return replace(starter, model=model, tokenizer=framing, template=TEXT_TEMPLATE, name="bert")


@pytest.mark.parametrize("limit", [12, 160, 1_000_000])
def test_an_encoder_decoders_prompt_may_fill_what_its_encoder_reads_and_its_answer_has_as_much_again(t5, limit):
    fits = min(limit, t5.context)
    row = encode(t5, Example(17, tuple(turns(("user", " no" * (fits - 2)))), " a" * 200), limit)
    assert (len(row.prompt_ids), len(row.answer_ids), row.cut) == (fits, fits, True)
    with pytest.raises(DataError, match=f"Line 17: the prompt has {fits + 1} tokens, and only {fits} fit"):
        encode(t5, Example(17, tuple(turns(("user", " no" * (fits - 1)))), "a"), limit)


PAIRS = [(30, 4), (4, 30), (30, 30), (9, 10), (10, 9), (0, 30), (30, 1), (3, 3)]


@pytest.mark.parametrize(("first", "second"), PAIRS)
@pytest.mark.parametrize("limit", [8, 9, 16, 21, 40])
def test_of_a_pair_of_texts_the_longer_is_cut_first_as_transformers_does(bert, first, second, limit):
    pair = (" cat" * first, " dog" * second)
    found = encode_text(bert, Example(1, tuple(turns(*(("user", text) for text in pair))), ""), limit, ReftConfig(labels=["a", "b"]))
    expected = bert.tokenizer(*pair, truncation="longest_first", max_length=limit, return_token_type_ids=True)
    assert list(found.ids) == expected["input_ids"]
    assert found.second == expected["token_type_ids"].index(1)


def test_what_a_tokenizer_puts_around_a_text_is_asked_once(bert, t5, starter):
    asked = []

    class Counting:
        def __getattr__(self, name):
            return getattr(bert.tokenizer, name)

        def __call__(self, *texts, **options):
            asked.append(texts)
            return bert.tokenizer(*texts, **options)

    counting = Counting()
    bases = [replace(base, tokenizer=counting) for base in (bert, t5, replace(starter, template=PLAIN_TEMPLATE))]
    first = [prompt_ids(base, turns(("user", "Hi"))) for base in bases]
    once = len(asked)
    for base, text in zip(bases, ("Ho", "Hu", "He"), strict=True):  # words that are new
        prompt_ids(base, turns(("user", text)))
    assert len(asked) == once + len(bases)
    assert [prompt_ids(base, turns(("user", "Hi"))) for base in bases] == first
    assert [ids[0] == START for ids in first] == [True, True, False]


def test_a_template_that_uses_what_transformers_offers_renders_as_there(starter):
    template = (
        "{%- for message in messages %}\n{%- if message.role == 'system' %}{% continue %}{% endif %}\n"
        "  {{- bos_token }}{{ eos_token }}[{{ message['content'] | trim }}]\n  {% if loop.index > 2 %}{% break %}{% endif %}\n"
        "{%- endfor %}\n{{ messages[0] | tojson }}{% if add_generation_prompt %}>{% endif %}\n"
    )
    said = [("system", "Be <brief>."), ("user", " Hi 'you' "), ("assistant", "Ho"), ("user", "unheard")]
    expected = starter.tokenizer.apply_chat_template(
        [{"role": role, "content": content} for role, content in said], chat_template=template, tokenize=False, add_generation_prompt=True
    )
    found = prompt_ids(replace(starter, template=template), turns(*said))
    assert starter.tokenizer.decode(found) == expected


def test_a_template_that_refuses_a_conversation_gives_its_own_words(starter):
    strict = replace(starter, template="{{ raise_exception('no system turns, please') }}")
    with pytest.raises(DataError, match="no system turns, please"):
        prompt_ids(strict, turns(("system", "a")))


@pytest.mark.slow
@pytest.mark.parametrize(
    "template",
    [
        "{% for",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.append(1) }}",
        "{{ x.y.z }}",
        "{{ 1 // 0 }}",
        "{{ messages | map(attribute='content') | sum }}",
        "{% for n in range(1000000000) %}a{% endfor %}",
        "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
        "{% include 'other' %}",
        "{% for n in range(100000) %}{% for n in range(100000) %}a{% endfor %}{% endfor %}",
        "{{ 'a' * 10000000000 }}",
        "{{ 1000000000 * [1] }}",
        "{{ 10 ** 10 ** 8 }}",
        "{{ messages * 1000000000 }}",
        "{{ 'a' * none }}",
    ],
)
def test_a_template_that_is_broken_or_hostile_is_refused(starter, template):
    with pytest.raises(DataError, match="chat template"):
        prompt_ids(replace(starter, template=template), turns(("user", "a")))


def test_a_template_that_takes_too_long_is_stopped(starter, monkeypatch):
    monkeypatch.setattr(templates, "_RENDER_SECONDS", 0.05)
    slow = "{% for a in range(100000) %}{% for b in range(100000) %}{{ '' }}{% endfor %}{% endfor %}"
    with pytest.raises(DataError, match="does not come to an end"):
        prompt_ids(replace(starter, template=slow), turns(("user", "a")))


def test_a_template_may_multiply_a_little(starter):
    multiplied = replace(starter, template="{{ '-' * 3 }}{{ 2 * 3 }}{{ 2 ** 3 }}")
    assert starter.tokenizer.decode(prompt_ids(multiplied, turns(("user", "a")))) == "---68"


def test_a_long_conversation_is_rendered_whole(starter):
    said = turns(*(("user", "word " * 2000) for _ in range(20)))
    assert len(prompt_ids(starter, said)) > 20 * 2000


def test_a_raw_template_reads_a_prompt_exactly_as_it_is(starter):
    raw = replace(starter, template=TEXT_TEMPLATE)
    said = "### Instruction:\nSay hi.\n\n### Response:\n"
    row = encode(raw, Example(1, (Message("user", said),), "HI."), 512)
    assert list(row.prompt_ids) == starter.tokenizer(said)["input_ids"]
    assert starter.tokenizer.decode(row.answer_ids[:-1]) == "HI."
