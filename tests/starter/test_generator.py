from itertools import islice
from random import Random

import pytest

from starter_training.conversations import conversations, fact_turns, pirate, statement_turns, styled
from starter_training.facts import all_facts
from starter_training.statements import FAMILIES


def test_the_same_seed_gives_the_same_conversations():
    assert list(islice(conversations(3), 500)) == list(islice(conversations(3), 500))
    assert list(islice(conversations(3), 50)) != list(islice(conversations(4), 50))


def test_every_conversation_ends_with_an_answer_that_is_not_empty():
    for turns in islice(conversations(5), 2000):
        roles = [role for role, _ in turns]
        assert roles[-2:] == ["user", "assistant"]
        assert roles.count("system") <= 1 and "system" not in roles[1:]
        assert all(content.strip() for _, content in turns)


@pytest.mark.parametrize("style", ["emoji", "pirate", "word", "shout", "formal", "ask"])
def test_a_style_is_always_asked_for_by_a_system_message(style):
    random = Random(0)
    for fact in all_facts():
        assert fact_turns(fact, style, random)[0][0] == "system"


def test_without_a_style_the_answer_is_the_plain_sentence():
    random = Random(0)
    for fact in all_facts():
        assert fact_turns(fact, "plain", random)[-1] == ("assistant", fact.answer)


def test_pirates_and_shouters_transform_the_plain_sentence():
    assert pirate("The capital of France is Paris.") == "Arr! The capital of France be Paris, matey!"
    assert styled("shout", "A dog says woof.") == "A DOG SAYS WOOF."


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_a_statement_gets_its_label_in_its_own_style_only(family):
    random = Random(1)
    for _ in range(50):
        statement = FAMILIES[family](random)
        assert statement_turns(statement, family, random)[-1][1] == statement.label
        assert statement_turns(statement, "plain", random)[-1][1] == statement.reply


def test_a_question_has_one_plain_answer():
    answers: dict[str, set[str]] = {}
    for fact in all_facts():
        for question in fact.questions:
            answers.setdefault(question, set()).add(fact.answer)
    assert [question for question, found in answers.items() if len(found) > 1] == []
