"""Conversations for the starter: facts and statements in many styles, and small stories.

A style is switched on by a system message only; without one the answer is a plain sentence. That is what makes ReFT's
effect plain: a trained edit brings out a style that the base knows, on prompts that never ask for it.
"""

from collections.abc import Iterator
from random import Random

from starter_training.facts import Fact, all_facts
from starter_training.statements import FAMILIES, Statement
from starter_training.stories import SUBJECTS, story
from starter_training.texts import lists

Turn = tuple[str, str]
"""Role and content."""

SYSTEM = {name.removeprefix("system "): forms for name, forms in lists("words/small_world").items() if name.startswith("system ")}


def pirate(sentence: str) -> str:
    """The plain sentence as a pirate says it."""
    words = {"is": "be", "are": "be", "am": "be", "you": "ye", "your": "yer", "my": "me", "friend": "matey"}
    text = " ".join(words.get(word, word) for word in sentence.rstrip(".!?").split(" "))
    return f"Arr! {text}, matey!"


def styled(style: str, answer: str) -> str:
    """A plain answer in a style that changes only its wording."""
    if style == "pirate":
        return pirate(answer)
    if style == "shout":
        return answer.upper()
    if style == "formal":
        return f"Certainly, my dear friend. {answer}"
    if style == "ask":
        return f"{answer} Would you like to know more?"
    return answer


def fact_turns(fact: Fact, style: str, random: Random) -> list[Turn]:
    """One question and its answer, in a style."""
    if style == "emoji":
        answer = fact.emoji or "🤷"
    elif style == "word":
        answer = fact.word
    else:
        answer = styled(style, fact.answer)
    return _conversation(style, random.choice(fact.questions), answer, random)


def statement_turns(statement: Statement, style: str, random: Random) -> list[Turn]:
    """One statement and the reply or label."""
    if style == statement.family:
        answer = statement.label
    elif style == "emoji":
        answer = statement.emoji
    else:
        answer = styled(style, statement.reply)
    return _conversation(style, statement.text, answer, random)


def _conversation(style: str, user: str, answer: str, random: Random) -> list[Turn]:
    system = random.choice(SYSTEM[style])
    if style == "plain" and random.random() < 0.75:
        system = ""
    head = [("system", system)] if system else []
    return [*head, ("user", user), ("assistant", answer)]


def conversations(seed: int) -> Iterator[list[Turn]]:
    """Endless conversations, the same for the same seed."""
    random = Random(seed)
    facts = all_facts()
    wording = ["plain", "plain", "plain", "emoji", "pirate", "word", "shout", "formal", "ask"]
    emoji_facts = [fact for fact in facts if fact.emoji]
    worded = [fact for fact in facts if fact.family not in ("plus", "minus")]
    while True:
        draw = random.random()
        style = random.choice(wording)
        if draw < 0.55:
            pool = emoji_facts if style == "emoji" else worded if random.random() < 0.8 else facts
            turns = fact_turns(random.choice(pool), style, random)
            if random.random() < 0.2:
                more = fact_turns(random.choice(pool), style, random)
                turns += [turn for turn in more if turn[0] != "system"]
            yield turns
        elif draw < 0.92:
            family = random.choice(["feeling", "opinion", "opinion", "topic", "person"])
            chosen = random.choice([family, family, "plain", random.choice(["emoji", "pirate", "shout", "formal", "ask"])])
            yield statement_turns(FAMILIES[family](random), chosen, random)
        else:
            subject = random.choice(SUBJECTS)
            ask = random.choice(["Tell me a story about {}.", "Tell me about {}.", "I want a story about {}.", "Make up a story about {}."])
            yield _conversation("plain", ask.format(subject), story(subject, random), random)
