"""A stranger's chat template runs in a process with limits: whatever it does ends, and nobody else waits for it."""

import os
import signal
import threading
from dataclasses import replace

import psutil
import pytest
from jinja2 import TemplateError

from reft_engine.base import rendering, sandbox, templates
from reft_engine.base.loading import PLAIN_TEMPLATE
from reft_engine.base.rendering import Rendering
from reft_engine.data import Message
from reft_engine.errors import DataError
from reft_engine.tokens.prompts import prompt_ids
from tests.waiting import PATIENCE, until

pytestmark = pytest.mark.process
SHORT = 0.5
"""Seconds until a template is ended here."""
HELLO = [{"role": "user", "content": "hello"}]
ECHO = "{% for m in messages %}<{{ m.content | trim }}>{% endfor %}"
LOOPS = {
    "a loop in a loop": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "a loop of a list that is written out": "{% set l = [0,0,0,0,0,0,0,0] %}"
    + "".join(f"{{% for x{n} in l %}}" for n in range(19))
    + "{% endfor %}" * 19,
    "one long filter": "{{ range(99999) | map('string') | join | list | sort | unique | list | length }}" * 400,
}
GROWS = {
    "a text that doubles": "{% set ns = namespace(a='aaaaaaaa') %}{% for n in range(90) %}{% set ns.a = ns.a + ns.a %}{% endfor %}",
    "a list that doubles": "{% set ns = namespace(a=[0]) %}{% for n in range(90) %}{% set ns.a = ns.a + ns.a %}{% endfor %}",
    "a format": "{{ '%0999999999d' % 1 }}",
    "a method's format": "{{ '{:>9999999999}'.format(1) }}",
    "a filter that pads": "{{ 'a' | center(9999999999) }}",
    "what is computed while it is compiled": "{{ 'a' | indent(9999999999, true) }}",
    "a replacement": "{% set x = ('ab' | center(90000)) %}{{ x.replace(' ', x).replace(' ', x) }}",
}


@pytest.fixture
def rooms():
    made: list[Rendering] = []

    def make(*given):
        made.append(Rendering(*given))
        return made[-1]

    yield make
    for each in made:
        each.close()


def request(template=ECHO, messages=HELLO, limit=1_000_000):
    return {"template": template, "specials": {"bos_token": "<s>"}, "messages": messages, "generation_prompt": True, "limit": limit}


def children():
    return {each.pid for each in psutil.Process().children() if "reft_engine.base.render_child" in each.cmdline()}


def test_what_is_written_is_what_the_sandbox_writes_here(rooms):
    room = rooms()
    texts = ["a", "", " \n ", "\ue000<|im_end|>\ue001", "\U0001f600 \ud800", "{{ 1 }}", "x" * 70_000]
    for template in (ECHO, PLAIN_TEMPLATE, "{{ bos_token }}{{ messages | tojson }}{% if add_generation_prompt %}>{% endif %}"):
        for text in texts:
            messages = [{"role": "user", "content": text}]
            here = sandbox.written(template, {"bos_token": "<s>"}, messages, True, 10**6)
            assert room.ask(request(template, messages), PATIENCE)["text"] == here
    roles = {"roles": ["user", "user"]}
    asked = {name: value for name, value in request(PLAIN_TEMPLATE).items() if name != "messages"} | roles
    assert room.ask(asked, PATIENCE)["parts"] == sandbox.copied(PLAIN_TEMPLATE, {}, ["user", "user"], True, 10**6)


@pytest.mark.parametrize("template", LOOPS.values(), ids=LOOPS)
def test_a_template_that_does_not_end_is_ended_and_its_process_with_it(rooms, template):
    room, before = rooms(), children()
    with pytest.raises(TemplateError, match="does not come to an end"):
        room.ask(request(template), SHORT)
    assert children() == before
    assert room.ask(request(), PATIENCE)["text"] == "<hello>"


@pytest.mark.parametrize("template", GROWS.values(), ids=GROWS)
def test_a_template_that_grows_is_ended_within_its_memory(rooms, template):
    room = rooms(1, 1, 100)
    with pytest.raises(TemplateError):
        room.ask(request(template), PATIENCE)
    assert room.ask(request(), PATIENCE)["text"] == "<hello>"


def test_what_is_written_has_a_limit_and_so_has_what_is_read(rooms, monkeypatch):
    room = rooms()
    with pytest.raises(TemplateError, match="does not come to an end"):
        room.ask(request("{% for n in range(99) %}aa{% endfor %}", limit=100), PATIENCE)
    monkeypatch.setattr(rendering, "LONGEST", 100)
    with pytest.raises(TemplateError, match="too long"):
        room.ask(request(messages=[{"role": "user", "content": "x" * 100}]), PATIENCE)


def test_one_process_is_kept_and_replaced_once_it_was_killed(rooms):
    room, before = rooms(), children()
    room.ask(request(), PATIENCE)
    (kept,) = children() - before
    room.ask(request("{{ 1 }}"), PATIENCE)
    assert children() - before == {kept}
    os.kill(kept, signal.SIGKILL)
    assert room.ask(request(), PATIENCE)["text"] == "<hello>"
    assert len(children() - before) == 1 and kept not in children()
    room.close()
    assert children() == before


def test_a_template_that_never_ends_holds_up_no_other_and_is_not_tried_again_at_once(rooms):
    room, ended = rooms(2, 1), []
    never = LOOPS["a loop in a loop"]

    def ask(seconds):
        with pytest.raises(TemplateError, match="does not come to an end"):
            room.ask(request(never), seconds)
        ended.append(seconds)

    threads = [threading.Thread(target=ask, args=(10 * SHORT if number == 0 else PATIENCE,)) for number in range(6)]
    threads[0].start()
    until(lambda: room._working.total() == 1, "the first runs")
    for thread in threads[1:]:
        thread.start()
    assert room.ask(request(), PATIENCE)["text"] == "<hello>" and not ended, "others do not wait"
    for thread in threads:
        thread.join(PATIENCE)
    assert len(ended) == 6, "those that waited were refused without a trial"


def test_a_template_that_overran_with_a_large_conversation_is_tried_again(rooms, monkeypatch):
    """Else whoever makes an honest template overrun would have it refused to everybody."""
    room = rooms()
    slow = "{% if messages[0].content | length > 9 %}" + LOOPS["a loop in a loop"] + "{% endif %}x"
    monkeypatch.setattr(rendering, "_SMALL", 5)
    with pytest.raises(TemplateError, match="does not come to an end"):
        room.ask(request(slow, [{"role": "user", "content": "x" * 10}]), SHORT)
    assert room.ask(request(slow), PATIENCE)["text"] == "x"


def test_a_prompt_of_a_strangers_template_says_why_it_is_refused(starter, monkeypatch):
    monkeypatch.setattr(templates, "_RENDER_SECONDS", SHORT)
    for template, why in ((LOOPS["a loop in a loop"], "does not come to an end"), (GROWS["a text that doubles"], "needs too much memory")):
        with pytest.raises(DataError, match=why):
            prompt_ids(replace(starter, template=template), [Message("user", "hello")])


def test_the_programs_own_templates_start_no_process(starter):
    before = children()
    prompt_ids(starter, [Message("user", "hello")])
    prompt_ids(replace(starter, template=PLAIN_TEMPLATE), [Message("user", "hello")])
    assert children() == before


def test_the_process_gets_no_secret(rooms, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    room, before = rooms(), children()
    room.ask(request(), PATIENCE)
    (pid,) = children() - before
    assert "HF_TOKEN" not in psutil.Process(pid).environ()
