"""A template that only copies is not run for each conversation, and what it would have written is written all the same."""

from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reft_engine.base import templates
from reft_engine.base.loading import PLAIN_TEMPLATE
from reft_engine.base.templates import Renderer
from reft_engine.data import Message
from reft_engine.errors import DataError
from tests.reft_engine.tokenizers import ALTERNATES, STRIPS

COPIES = {
    "chatml": (
        "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    ),
    "plain": PLAIN_TEMPLATE,
    "added up": "{% set ns = namespace(a='') %}{% for m in messages %}{% set ns.a = ns.a + m.content %}{% endfor %}{{ bos_token + ns.a }}",
    "a system message of its own": (
        "{% if messages[0].role == 'system' %}{% set system, rest = messages[0]['content'], messages[1:] %}{% else %}"
        "{% set system, rest = 'You help.', messages %}{% endif %}{{ system }}{% for m in rest %}[{{ m.role }}]{{ m.content }}{% endfor %}"
    ),
    "only if it is text": "{% for m in messages %}{% if m.content is string and m.content is defined %}{{ m.content }}{% endif %}{% endfor %}",  # noqa: E501
    "the last one": "{{ messages[-1].content }}{{ messages[-1].content }}",
    "takes turns": ALTERNATES,
}
LOOKS = {
    "trims": STRIPS,
    "asks whether there is any": "{% for m in messages %}{% if m.content %}x{% endif %}{% endfor %}",
    "asks what it is": "{% for m in messages %}{% if m.content == 'a' %}x{% endif %}{% endfor %}",
    "looks into it": "{% for m in messages %}{% if 'a' in m.content %}x{% endif %}{% endfor %}",
    "looks it up": "{% for m in messages %}{% if m.content in 'abc' %}x{% endif %}{% endfor %}",
    "looks it up in a list": "{% for m in messages %}{% if m.content in ['a', 'b'] %}x{% endif %}{% endfor %}",
    "goes by it": "{{ messages[messages[0].content] }}",
    "its letters": "{% for letter in messages[0].content %}{{ letter }} {% endfor %}",
    "its first letter": "{{ messages[0].content[0] }}",
    "in capitals": "{{ messages[0].content.upper() }}",
    "joined": "{{ ('x' ~ messages[0].content).strip() }}",
    "in a format": "{{ ('%s' % messages[0].content)[:1] }}",
    "in a list": "{{ [messages[0].content] }}",
    "as JSON": "{{ messages | tojson }}",
    "through a macro": "{% macro say(x) %}{{ x }}{% endmacro %}{{ say(messages[0].content)[:1] }}",
    "caught": "{% set x %}{{ messages[0].content }}{% endset %}{{ x | length }}",
    "or something else": "{{ messages[0].content or 'nothing' }}",
    "sorted": "{{ messages[0].content < 'b' }}",
    "how often": "{{ messages[0].content * 2 }}",
    "five times": "{{ messages[0].content }}" * 5,
    "by chance": "{{ lipsum() }}",
}
SPECIALS = (("bos_token", "<s>"),)
conversations = st.lists(
    st.builds(Message, st.sampled_from(["user", "assistant", "system"]), st.text(max_size=12) | st.sampled_from(["", " ", "a", "abc"])),
    min_size=1, max_size=4,
)  # fmt: skip


def around(template, roles=("user",)):
    return templates._around(template, SPECIALS, tuple(roles), True)


def outcome(write):
    try:
        return write()
    except (DataError, TypeError) as error:
        return type(error).__name__, str(error)


def renderer_of(template):
    """A renderer of a base model that has nothing but a template and special tokens."""
    return Renderer(SimpleNamespace(name="base", template=template, tokenizer=SimpleNamespace(special_tokens_map=dict(SPECIALS))))


@pytest.mark.parametrize("name", COPIES)
def test_a_template_that_copies_is_known_to(name):
    assert around(COPIES[name]) is not None


@pytest.mark.parametrize("name", LOOKS)
def test_a_template_that_looks_at_what_is_said_is_run_each_time(name):
    assert around(LOOKS[name]) is None


@pytest.mark.slow
@pytest.mark.parametrize("name", {**COPIES, **LOOKS})
@settings(max_examples=60, deadline=None)
@given(conversations)
def test_what_is_written_is_what_the_template_writes(name, messages):
    template = {**COPIES, **LOOKS}[name]
    renderer, asis = renderer_of(template), renderer_of(template)
    roles = tuple(message.role for message in messages)
    asis._known[roles, True] = None  # so that the template itself is run
    if name != "by chance":
        assert outcome(lambda: renderer(messages, True)) == outcome(lambda: asis(messages, True))


def test_the_texts_of_messages_are_put_in_their_places():
    assert around(COPIES["chatml"], ("system", "user")) == [
        "<|im_start|>system\n", 0, "<|im_end|>\n<|im_start|>user\n", 1, "<|im_end|>\n<|im_start|>assistant\n",
    ]  # fmt: skip
    assert around(ALTERNATES, ("user", "user")) is None, "it refuses these, and says so when it is run"
