"""Prompts that are far too long are not tokenised, and a flood of prompts holds up nobody but its owner."""

import threading

import pytest

from reft_engine.data import Message
from reft_engine.errors import BusyError, ConfigError
from reft_engine.inference import InferenceEngine
from reft_engine.inference import prompts as reading
from reft_engine.inference.preparing import Preparing
from tests.waiting import PATIENCE, until


def test_a_prompt_far_longer_than_the_context_is_refused_before_it_is_tokenised(tiny, monkeypatch):
    monkeypatch.setattr(reading, "_LETTERS", 100)
    monkeypatch.setattr(reading, "_LETTERS_A_TOKEN", 2)
    engine, most = InferenceEngine(tiny), 100 + 2 * tiny.context
    monkeypatch.setattr(reading, "read_prompts", lambda *_: pytest.fail("it is tokenised"))
    halves = "a" * (most // 2 + 1)
    for prompt in ("a" * (most + 1), [Message("user", halves)] * 2, [{"role": "user", "content": halves}] * 2):
        for own in (None, [prompt]):
            with pytest.raises(ConfigError, match=r"has \d+ characters; this base model reads at most"):
                engine.submit("Hi" if own else prompt, prompts=own)


@pytest.mark.parametrize("prompt", [None, 3, b"Hi", [], [None], [{}], [{"role": "user", "content": 3}], {"role": "user"}])
def test_a_prompt_that_is_none_is_refused_as_before(tiny, prompt):
    with pytest.raises(Exception, match=r"A prompt is|no text|is empty|token ids"):
        InferenceEngine(tiny).submit(prompt)


def test_of_one_owner_a_prompt_is_read_after_the_other_and_of_others_meanwhile():
    preparing, free, inside, most = Preparing(), threading.Event(), list[str](), list[int]()

    def read(owner: str) -> None:
        with preparing.turn(owner, 10):
            inside.append(owner)
            most.append(sum(each == owner for each in inside))
            free.wait(PATIENCE)
            inside.remove(owner)

    threads = [threading.Thread(target=read, args=("flood",), daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    until(lambda: preparing._wanted["flood"] == 8, "all wait")
    with preparing.turn("honest", 10):
        assert inside == ["flood"]
    free.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert most == [1] * 8 and not preparing._wanted and not preparing._turns


def test_more_than_may_wait_are_refused_and_what_fails_leaves_its_place():
    preparing = Preparing()
    with preparing.turn("flood", 1):
        with pytest.raises(BusyError), preparing.turn("flood", 1):
            pass
        with preparing.turn("honest", 1):
            pass
    with pytest.raises(ValueError, match="odd"), preparing.turn("flood", 1):
        raise ValueError("odd")
    with preparing.turn("flood", 1):
        pass
