"""What the starter's small world holds: facts with every form of answer that a style may ask for."""

from dataclasses import dataclass

from starter_training.texts import lists, table

DAYS, MONTHS = (list(lists("words/small_world")[name]) for name in ("days", "months"))


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing to know: ways to ask, the plain sentence, and its short forms."""

    family: str
    questions: tuple[str, ...]
    answer: str
    word: str
    emoji: str | None = None


def article(noun: str) -> str:
    """A noun with a or an."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _upper(text: str) -> str:
    return text[0].upper() + text[1:]


def _animal_facts() -> list[Fact]:
    facts = []
    for name, sound, emoji, home, food in table("small_world/animals"):
        one = article(name)
        facts += [
            Fact("sound", (f"What does {one} say?", f"What sound does {one} make?", f"How does {one} sound?"),
                 f"{_upper(one)} says {sound}.", sound, emoji),
            Fact("animal", (f"Which animal says {sound}?", f"What animal goes {sound}?", f"Who says {sound}?"),
                 f"{_upper(one)} says {sound}.", name, emoji),
            Fact("home", (f"Where does {one} live?", f"Where can I find {one}?", f"What is the home of {one}?"),
                 f"{_upper(one)} lives in {article(home)}.", home, emoji),
            Fact("food", (f"What does {one} eat?", f"What food does {one} like?", f"What can I give {one} to eat?"),
                 f"{_upper(one)} likes to eat {food}.", food, emoji),
        ]  # fmt: skip
    return facts


def _other_facts() -> list[Fact]:
    facts = []
    for thing, colour, emoji in table("small_world/things"):
        one = f"the {thing}" if thing == "sun" else article(thing)
        facts.append(Fact("colour", (f"What color is {one}?", f"Which color does {one} have?", f"Tell me the color of {one}."),
                          f"{_upper(one)} is {colour}.", colour, emoji))  # fmt: skip
    for one, other, emoji in table("small_world/opposites"):
        facts.append(Fact("opposite", (f"What is the opposite of {one}?", f"Tell me the opposite of {one}.", f"What is the reverse of {one}?"),
                          f"The opposite of {one} is {other}.", other, emoji))  # fmt: skip
    for country, city, flag in table("small_world/capitals"):
        facts.append(Fact("capital", (f"What is the capital of {country}?", f"Which city is the capital of {country}?", f"Name the capital of {country}."),
                          f"The capital of {country} is {city}.", city, flag))  # fmt: skip
    for who, does, emoji in table("small_world/jobs"):
        facts.append(Fact("job", (f"Who {does}?", f"What do you call someone who {does}?", f"Which person {does}?"),
                          f"{_upper(article(who))} {does}.", who, emoji))  # fmt: skip
    for who, does, verdict, emoji in table("small_world/abilities"):
        answer = f"{_upper(verdict)}, {article(who)} {'can' if verdict == 'yes' else 'cannot'} {does}."
        facts.append(Fact("ability", (f"Can {article(who)} {does}?", f"Is {article(who)} able to {does}?"), answer, verdict, emoji))
    for names, unit in ((DAYS, "day"), (MONTHS, "month")):
        for before, after in zip(names, names[1:] + names[:1], strict=True):
            facts.append(Fact(unit, (f"What {unit} comes after {before}?", f"Which {unit} follows {before}?"),
                              f"{after} comes after {before}.", after, "📅"))  # fmt: skip
    return facts


def _sums() -> list[Fact]:
    facts = []
    for a in range(11):
        for b in range(11):
            facts.append(Fact("plus", (f"What is {a} plus {b}?", f"How much is {a} + {b}?", f"Add {a} and {b}."), f"{a} plus {b} is {a + b}.", str(a + b)))
            if a >= b:
                facts.append(Fact("minus", (f"What is {a} minus {b}?", f"How much is {a} - {b}?"), f"{a} minus {b} is {a - b}.", str(a - b)))
    return facts


def _small_talk() -> list[Fact]:
    return [Fact("talk", tuple(questions.split("|")), *forms) for questions, *forms in table("small_world/small_talk")]


def all_facts() -> list[Fact]:
    """Every fact, in a fixed order."""
    return [*_animal_facts(), *_other_facts(), *_sums(), *_small_talk()]
