"""What the starter reads: drawn by seed, well formed, and right where only one answer is."""

import json
import re
from itertools import islice
from random import Random

import pytest

from starter_training import knowledge, opinions, skills, sources, worlds
from starter_training.sources import clean, drawn, shares
from starter_training.tokens import pieces

MODULES = {"knowledge": knowledge, "opinions": opinions, "skills": skills, "worlds": worlds}
TASKS = {f"{title}/{name}": maker for title, module in MODULES.items() for name, maker in module.TASKS.items()}
TEXTS = {f"{title}/{name}": maker for title, module in MODULES.items() for name, maker in getattr(module, "TEXTS", {}).items()}
DRAWS = 150
BROKEN = re.compile(
    r"\{[a-z_]+\}|~|\b(?:a|an) (?:a|an|the)\b|\bthe the\b|\ba (?:apple|old|orange|egg|elephant|owl|island|honest|hour|ugly|awful)\b"
    r"|\ban [bcdfgkpt]\w+|[a-z]\.\.(?!\.)|[a-z] ,[a-z]"
)
"""What a slip of a template looks like: an unfilled slot, two articles, the wrong one, two full stops."""


@pytest.mark.parametrize("name", TASKS)
def test_a_conversation_ends_with_an_answer_and_is_the_same_for_the_same_seed(name):
    first, second = ([TASKS[name](random) for _ in range(DRAWS)] for random in (Random(1), Random(1)))
    assert first == second
    for turns in first:
        roles = [role for role, _ in turns]
        head = roles[:1] == ["system"]
        assert roles[head:] == ["user", "assistant"] * ((len(roles) - head) // 2) and len(roles) > 1
        for _, content in turns:
            assert content.strip() == content and content
            assert not BROKEN.search(content), content
            assert "<|" not in content


@pytest.mark.parametrize("name", TEXTS)
def test_running_text_is_clean_and_the_same_for_the_same_seed(name):
    first, second = ([TEXTS[name](random) for _ in range(DRAWS)] for random in (Random(1), Random(1)))
    assert first == second
    assert len(set(first)) > DRAWS // 2
    for text in first:
        assert text.strip() == text and (text[-1] in '.!?"' or name == "worlds/letter"), "a letter ends with a name"
        assert not BROKEN.search(text), text


def answers(name, count=300):
    random = Random(9)
    return [skills.TASKS[name](random)[-2:] for _ in range(count)]


def numbers(text):
    return [int(number) for number in re.findall(r"\d+", text)]


def test_sums_are_right():
    for _, (_, said) in answers("add"):
        a, b, result = numbers(said)
        assert result == {"plus": a + b, "minus": a - b, "times": a * b}[said.split()[1]]


def test_sorted_numbers_and_words_are_sorted():
    for (_, asked), (_, said) in answers("sort_numbers"):
        assert numbers(said) == sorted(numbers(asked), reverse="from big to small" in asked)
    for (_, asked), (_, said) in answers("sort_words"):
        words = said.split(", ")
        assert words == sorted(words) and all(word in asked for word in words)


@pytest.mark.parametrize("name", ["json_order", "json_event", "json_person"])
def test_json_answers_are_json_of_what_was_said(name):
    for (_, asked), (_, said) in answers(name):
        found = json.loads(said)
        assert json.dumps(found, ensure_ascii=False) == said
        assert all(str(value) in asked for value in found.values())


def test_a_fact_has_one_answer_however_it_is_asked():
    found = {}
    for questions, sentence, word, _ in knowledge.PLAIN():
        assert word and sentence[-1] in ".!"
        for question in questions:
            assert found.setdefault(question, sentence) == sentence, question
    assert len(found) > 20_000


def test_as_many_opinions_are_good_as_bad():
    random = Random(2)
    said = [opinions.TASKS["sentiment"](random)[-1][1].lower() for _ in range(3000)]
    labels = [label for label in said if label in ("positive", "negative")]
    assert abs(labels.count("positive") / len(labels) - 0.5) < 0.05


def test_shares_of_the_sources_add_up():
    for late in (False, True):
        assert sum(shares(late).values()) == pytest.approx(1)


def test_endless_sources_draw_the_same_by_seed():
    again = [list(islice(drawn(skills.TASKS, worlds.TEXTS)(None, seed), 50)) for seed in (1, 1, 2)]
    assert again[0] == again[1] != again[2]


def test_old_books_are_read_without_their_odd_marks():
    assert clean("\u201cOh\u2014no,\u201d  said_ *he*\u2026\n\n\n\nYes") == '"Oh - no," said he...\n\nYes'


def test_an_answer_is_cut_off_from_its_prompt():
    kinds = pieces([("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello!")])
    assert [text for text, kind in kinds if kind == sources.ANSWER] == ["Hello!<|im_end|>"]
    assert "".join(text for text, _ in kinds).startswith("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n")
