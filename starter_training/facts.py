"""What the starter's small world holds: facts with every form of answer that a style may ask for."""

from collections.abc import Iterator
from dataclasses import dataclass

from starter_training.texts import columns, lists, table

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


def _rows(name: str) -> Iterator[dict[str, str]]:
    """The rows of a table by their columns, with what follows from them."""
    for fields in table(f"small_world/{name}"):
        row = dict(zip(columns(f"small_world/{name}"), fields, strict=True))
        noun = row.get("name") or row.get("who") or row.get("one", "")
        row["one"] = noun if name in ("opposites", "capitals") else f"the {noun}" if noun == "sun" else article(noun)
        row |= {"a_home": article(row.get("home", "-")), "able": "can" if row.get("can") == "yes" else "cannot"}
        yield row


def _told_facts() -> list[Fact]:
    facts, specs = [], table("small_world/facts")
    for name in dict.fromkeys(spec[0] for spec in specs):
        for row in _rows(name):
            for family, questions, *forms in (spec[1:] for spec in specs if spec[0] == name):
                answer, word, emoji = (form.format(**row) for form in forms)
                facts.append(Fact(family, tuple(_upper(each.format(**row)) for each in questions.split("|")), _upper(answer), word, emoji))
    return facts


def _calendar() -> list[Fact]:
    facts = []
    for names, unit in ((DAYS, "day"), (MONTHS, "month")):
        for before, after in zip(names, names[1:] + names[:1], strict=True):
            questions = (f"What {unit} comes after {before}?", f"Which {unit} follows {before}?")
            facts.append(Fact(unit, questions, f"{after} comes after {before}.", after, "📅"))
    return facts


def _sums() -> list[Fact]:
    facts = []
    for a in range(11):
        for b in range(11):
            asked = (f"What is {a} plus {b}?", f"How much is {a} + {b}?", f"Add {a} and {b}.")
            facts.append(Fact("plus", asked, f"{a} plus {b} is {a + b}.", str(a + b)))
            if a >= b:
                asked = (f"What is {a} minus {b}?", f"How much is {a} - {b}?")
                facts.append(Fact("minus", asked, f"{a} minus {b} is {a - b}.", str(a - b)))
    return facts


def _small_talk() -> list[Fact]:
    return [Fact("talk", tuple(questions.split("|")), *forms) for questions, *forms in table("small_world/small_talk")]


def all_facts() -> list[Fact]:
    """Every fact, in a fixed order."""
    return [*_told_facts(), *_calendar(), *_sums(), *_small_talk()]
