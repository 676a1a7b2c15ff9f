"""Sentences that carry a label: feelings, opinions, topics and people; built from parts, with real variety."""

from dataclasses import dataclass
from random import Random

from starter_training.texts import lists, table

WORDS = lists("words/small_world")
FEELINGS = {label: told for label, *told in table("small_world/feelings")}
TOPICS = {label: told for label, *told in table("small_world/topics")}


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence, how one replies to it, its label, and an emoji."""

    family: str
    text: str
    reply: str
    label: str
    emoji: str


def feeling(random: Random) -> Statement:
    """Somebody's feeling: happy, sad, angry or scared."""
    label = random.choice(list(FEELINGS))
    emoji, reply, events = FEELINGS[label]
    who, event, when = random.choice(WORDS["who"]), random.choice(events.split("|")), random.choice(WORDS["when"])
    if who == "I":
        event = event.replace("is ", "am ", 1) if event.startswith("is ") else event.replace("has ", "have ", 1)
    return Statement("feeling", f"{who} {event}{' ' if when else ''}{when}.", reply, label, emoji)


def opinion(random: Random) -> Statement:
    """A review sentence: positive or negative."""
    good = random.random() < 0.5
    words, tails = (WORDS["good"], WORDS["good tail"]) if good else (WORDS["bad"], WORDS["bad tail"])
    thing, first, second, tail = random.choice(WORDS["thing"]), random.choice(words), random.choice(words), random.choice(tails)
    text = random.choice([
        f"The {thing} was {first} and {tail}.", f"A {first}, {second} {thing}.", f"What a {first} {thing}!", f"This {thing} is {first}.",
        f"The {thing} is {first} and {second}.", f"I think the {thing} was {first}.", f"a {first} {thing} with a {second} heart",
        f"{first} and {second}, and {tail}", f"the {thing} is never {random.choice(WORDS['bad' if good else 'good'])}, always {first}",
    ])  # fmt: skip
    reply = "I am glad that you liked it." if good else "I am sorry that you did not like it."
    return Statement("opinion", text, reply, "positive" if good else "negative", "👍" if good else "👎")


def topic(random: Random) -> Statement:
    """A sentence about sport, food, music, weather or travel."""
    label = random.choice(list(TOPICS))
    emoji, nouns, verbs = TOPICS[label]
    text = f"The {random.choice(nouns.split('|'))} {random.choice(verbs.split('|'))}{random.choice(['', ' today', ' yesterday', ' here'])}."
    return Statement("topic", text, f"Thank you for telling me about the {label}.", label, emoji)


def person(random: Random) -> Statement:
    """A person with an age and a city; the label is JSON."""
    name, age, city = random.choice(WORDS["names"]), random.randint(5, 60), random.choice(WORDS["cities"])
    text = random.choice(
        [
            f"{name} is {age} years old and lives in {city}.",
            f"My name is {name}, I am {age} and I live in {city}.",
            f"{name} from {city} is {age} years old.",
        ]
    )
    return Statement("person", text, f"It is nice to meet {name}.", f'{{"name": "{name}", "age": {age}, "city": "{city}"}}', "🧑")


FAMILIES = {"feeling": feeling, "opinion": opinion, "topic": topic, "person": person}
