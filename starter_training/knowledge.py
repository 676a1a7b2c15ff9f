"""What the starter knows of the real world: plain texts and conversations put together from the tables.

Every fact is an item of a relation; the relation knows how one asks for it and how the plain sentence reads. ``items.tsv`` says which
facts a row of a table holds, ``intros.tsv`` how a text about it begins, and ``categories.tsv`` what one can name several of.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from random import Random
from string import Formatter

from starter_training.conversations import Turn
from starter_training.facts import DAYS, MONTHS, all_facts
from starter_training.texts import columns, lists, records, table

WORDS, SAY = lists("words/knowledge"), lists("templates/knowledge")
Row = dict[str, str]
"""A row of a table by its columns, and what follows from it; a dash stands for what it does not have."""


@dataclass(frozen=True, slots=True)
class Relation:
    """One kind of fact: {x} is what it is about, {n} its bare name, {y} what holds for it."""

    name: str
    wordings: tuple[str, ...]
    answer: str
    check: str = ""
    """A question that is true only for the one right {y}; empty where several could be right."""
    noun: str = ""
    """What two things can be compared by."""
    it: tuple[str, ...] = ()
    """How the fact reads in a paragraph that has named its subject already."""
    clue: str = ""
    choose: bool = False
    """Whether the other values of the relation are surely wrong."""


@dataclass(frozen=True, slots=True)
class Item:
    """One fact, with all its forms."""

    relation: Relation
    topic: str
    name: str
    x: str
    y: str
    questions: tuple[str, ...]
    answer: str
    word: str
    emoji: str
    its: tuple[str, ...]
    clue: str
    k: str


@dataclass(frozen=True, slots=True)
class Entity:
    """Something to write a paragraph about."""

    topic: str
    x: str
    many: str
    intros: tuple[str, ...]
    items: tuple[Item, ...]


def _relation(found: dict[str, tuple[str, ...]]) -> Relation:
    once = {key: found.get(key, ("",))[0] for key in ("answer", "check", "noun", "clue")}
    choose = "choose" in found or "check" in found
    return Relation(found["name"][0], found.get("ask", ("",)), **once, it=found.get("it", ()), choose=choose)


RELATIONS = {relation.name: relation for relation in map(_relation, records("templates/relations"))}
_NUMBERS = {"0": "no", "1": "one", "2": "two", "3": "three", "4": "four", "6": "six", "8": "eight", "10": "ten"}
_COUNTS = ["no", "one", "two", "three", "four", "five"]
_MOVES = {"land": "on land", "water": "on water", "the air": "in the air", "space": "in space", "snow": "on snow"}


def a_(noun: str) -> str:
    """A noun with a or an, or alone where it cannot be counted."""
    if noun in WORDS["uncountable"]:
        return noun
    vowel = noun[0] in "aeiouAEIOU" and not noun.startswith(("uni", "eu", "us", "one"))
    return f"{'an' if vowel else 'a'} {noun}"


def upper(text: str) -> str:
    """The text with a capital first letter."""
    return text[0].upper() + text[1:]


def lower(item: Item) -> str:
    """An item's sentence as it goes on after a comma."""
    sentence = item.answer
    common = sentence.split(" ", 1)[0] in WORDS["first words that are no names"]
    common = common or (item.x[0].islower() and sentence[1:].startswith(item.x[1:]))
    return sentence[0].lower() + sentence[1:] if common else sentence


def joined(words: Sequence[str], last: str = "and") -> str:
    """Words in a row: a, b and c."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"


def bare(text: str) -> str:
    """The words without a preposition or an article in front."""
    words = text.split()
    while len(words) > 1 and words[0].lower() in ("a", "an", "the", "in", "on", "by", "at", "to", "under", "from"):
        words = words[1:]
    return " ".join(words)


def _item(relation: str, topic: str, name: str, y: str, x: str = "", word: str = "", emoji: str = "-", **more: str) -> Item:
    known = RELATIONS[relation]
    fields = {"x": x or name, "n": name, "y": y, **more}
    questions = tuple(upper(wording.format(**fields)) for wording in known.wordings if wording)
    its = tuple(upper(text.format(**fields)).replace("..", ".") for text in known.it)
    answer, clue = upper(known.answer.format(**fields)).replace("..", "."), known.clue.format(**fields).replace(" its ", " my ")
    return Item(
        known, topic, name, x or name, y, questions, answer, word or bare(y), "" if emoji == "-" else emoji, its, clue, more.get("k", "")
    )


def _in(name: str, words: str, value: str) -> str:
    """The value, if the name is in a list of words; else a dash."""
    return value if name in WORDS[words] else "-"


def _if(condition: bool, value: str) -> str:
    return value if condition else "-"


def _of_animal(row: Row) -> Row:
    name, kind, color, young, legs = (row[key] for key in ("name", "kind", "color", "young", "legs"))
    abilities = {"flies": row["fly"] if kind in ("bird", "insect") or name == "bat" else "-", "swims": row["swim"]}
    yes = {"y": "Yes", "n": "No", "-": "-"}
    size = row["size"].replace("medium", "medium-sized")
    colored = f"{size} {color}" if color != "-" and " and " not in color else size
    return {
        **{key: yes[value] for key, value in abilities.items()},
        **{f"{key}_word": yes[value].lower() for key, value in abilities.items()},
        "a_kind": _if(kind != name, a_(kind)),
        "looks": _if(kind != name, a_(f"{colored} {kind}")),
        "soft": _if(kind == name, "a soft animal of the sea"),
        "a_young": _if(young != "-", a_(young)),
        "parent": _if(young != "-" and young not in WORDS["young of many animals"], name),
        "number": _NUMBERS.get(legs, "-"),
        "zero": _if(legs == "0", "zero"),
        "sure": _in(name.replace(" ", "-"), "animals with a fact of their own", row["fact"]),
        "many": _plural(name),
        "at_sea": _if("sea" in row["home"].split() and "by" not in row["home"], "yes"),
    }


def _of_plant(row: Row) -> Row:
    name, kind = row["name"], row["kind"]
    counted = name not in WORDS["uncountable"]
    return {
        "blooms": _if(kind in ("flower", "shrub") and name != "holly", row["color"]),
        "sure": _in(name, "plants with a fact of their own", row["fact"]),
        "counted": _if(counted, name),
        "the_name": f"the {name}" if counted else name,
    }


def _of_produce(row: Row) -> Row:
    name, kind = row["name"], row["kind"]
    sure = name not in WORDS["neither fruit nor vegetable"] and kind in ("fruit", "vegetable")
    return {
        "sure": _if(sure, kind),
        "many": name if name in WORDS["uncountable"] else _plural(name),
        "looks": a_(f"{row['color']} {kind}"),
        "sweet_fruit": _if(kind == "fruit" and name not in ("olive", "avocado", "coconut"), "yes"),
    }


def _of_mountain(row: Row) -> Row:
    begins = row["fact"].split()[0]
    many = begins in ("are", "run", "lie")
    sure = not many and row["name"] not in WORDS["places with a vague fact"]
    lies = "where_mountains" if many else "where_mountain"
    return {"lies": lies, "one": _if(not many, row["fact"]), "sure": _if(sure, row["fact"]), "begins": begins}


def _of_water(row: Row) -> Row:
    name = row["name"]
    return {"water": "ocean" if "Ocean" in name else "lake" if "Lake" in name or "lake" in row["fact"] else "sea"}


def _of_country(row: Row) -> Row:
    island = "an island in the Mediterranean Sea"
    between = f" on {island}" if row["name"] == "Cyprus" else " that lies where Europe and Asia meet"
    return {"place": between if row["continent"] == "-" else f" in {row['continent']}"}


def _of_vehicle(row: Row) -> Row:
    number = _NUMBERS.get(row["wheels"], "-")
    rolls_on = _if(number != "-", f"{number} wheel{'s' * (row['wheels'] != '1')}")
    return {"way": "under water" if row["name"] == "submarine" else _MOVES[row["moves"]], "number": number, "rolls_on": rolls_on}


def _of_clothes(row: Row) -> Row:
    return {"garment": _if("neck" not in row["worn"] and row["name"] not in ("ring", "watch", "pair of glasses", "helmet"), "yes")}


def _of_instrument(row: Row) -> Row:
    several = " of " in row["name"]
    return {"whole": _if(not several, row["name"]), "a_set": _if(several, a_(row["name"]))}


def _of_body(row: Row) -> Row:
    one = row["name"] in WORDS["parts of the body that we have one of"]
    return {"helps": "body_one" if one else "body", "help_us": f"{row['name']} {'helps' if one else 'help'} us"}


_DERIVED: dict[str, Callable[[Row], Row]] = {
    "animals": _of_animal, "plants": _of_plant, "produce": _of_produce, "mountains": _of_mountain, "waters": _of_water,
    "countries": _of_country, "vehicles": _of_vehicle, "clothes": _of_clothes, "instruments": _of_instrument, "body": _of_body,
    "rivers": lambda row: {"sure": _if(row["name"] not in WORDS["places with a vague fact"], row["fact"])},
    "landmarks": lambda row: {"city": _if(row["place"] not in (row["country"], "England", "Arizona"), row["place"])},
    "people": lambda row: {"sure": _if(not row["deed"].startswith(WORDS["beginnings of vague deeds"]), row["deed"])},
    "inventions": lambda row: {"invented": "inventeds" if row["name"] in WORDS["inventions in the plural"] else "invented"},
}  # fmt: skip
"""What follows from a row of a table: forms of its words, and dashes where something does not hold of it or is not surely its own."""


@cache
def rows(name: str) -> tuple[Row, ...]:
    """The rows of a table."""
    found = []
    for fields in table(f"knowledge/{name}"):
        row = dict(zip(columns(f"knowledge/{name}"), fields, strict=True))
        row |= {f"a_{key}": a_(value) for key, value in row.items() if key in ("name", "kind", "what")}
        row |= {"bare": bare(row["name"])} if "name" in row else {}
        found.append(row | _DERIVED.get(name, lambda _: {})(row))
    return tuple(found)


def _filled(template: str, row: Row) -> str:
    """The template with the row's fields, or nothing if one of them is a dash."""
    if any(field and row[field] == "-" for _, field, _, _ in Formatter().parse(template)):
        return ""
    return template.format(**row)


def _told(*names: str) -> Iterator[Item]:
    """The facts that the rows of some tables hold."""
    for name in names:
        specs = [spec[1:] for spec in table("knowledge/items") if spec[0] == name]
        for row in rows(name):
            for spec in specs:
                relation, topic, of, y, x, word, emoji, k = ("" if cell == "-" else _filled(cell, row) for cell in spec)
                if y:
                    can = "can" if y == "Yes" else "cannot"
                    yield _item(relation, topic, of, y, x, word, emoji or "-", can=can, he=row.get("he", ""), k=k)


def _time() -> Iterator[Item]:
    seasons = [row["name"] for row in rows("seasons")]
    letters = list("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    for row in rows("seasons"):
        yield _item("season", "season", row["name"], row["like"], emoji=row["emoji"])
    for names, kind, ring in ((seasons, "season", True), (DAYS, "day", True), (MONTHS, "month", True), (letters, "letter", False)):
        for before, after in zip(names if ring else names[:-1], names[1:] + names[:ring], strict=True):
            yield _item("after", kind, before, after, word=after, k=kind)
            yield _item("before", kind, after, before, word=before, k=kind)
    for name, nth in zip(MONTHS, WORDS["order"], strict=True):
        yield _item("month_nth", "month", nth, name)
        if name != "February":
            yield _item("month_days", "month", name, "30" if name in lists("words/categories")["months with thirty days"] else "31")


def _genus(meaning: str) -> str:
    """The few words that name the kind of thing in a definition."""
    kept = []
    for word in bare(meaning).split():
        if word in ("and", "or") or word.endswith(","):
            return meaning
        if word in WORDS["words that end a genus"]:
            break
        kept.append(word)
    return " ".join(kept) if kept and kept[0] not in WORDS["vague genera"] else meaning


def _words() -> Iterator[Item]:
    nouns, verbs, adjectives = (table(f"knowledge/{name}") for name in ("nouns", "verbs", "adjectives"))
    for x, meaning in nouns:
        name = x.split(" ", 1)[1] if x.startswith(("a ", "an ", "the ")) else x
        yield _item("noun", "noun", name, meaning, x, word=_genus(meaning))
        yield _item("named", "noun", name, meaning, x, word=name)
    said = {x.split(" ", 1)[-1] for x, _ in nouns} | {name for name, _ in verbs + adjectives} | {"triangle", "jack", "file", "cricket"}
    uses = {"objects": "a thing", "tools": "a tool", "vehicles": "a vehicle"}
    derived = [(row["name"], f"a person who {row['does']}") for row in rows("jobs")]
    derived += [(row["name"], f"{what} that is used to {row['use']}") for name, what in uses.items() for row in rows(name)]
    for name, meaning in derived:
        if name not in said:
            yield _item("noun", "noun", name, meaning, a_(name), word=_genus(meaning))
    for kind, found in (("verb", verbs), ("adjective", adjectives)):
        for name, meaning in found:
            yield _item(kind, kind, name, meaning)
            yield _item(f"{kind}_named", kind, name, meaning, word=name)


def _third(verb: str) -> str:
    return verb + ("es" if verb.endswith(("o", "ch", "sh", "ss", "x")) else "s") if not verb.endswith(("fly", "dry")) else verb[:-1] + "ies"


def _whys() -> Iterator[Item]:
    for wh, aux, subject, rest, answer, word in table("knowledge/why"):
        if aux == "-":
            direct = indirect = f"{wh} {rest}"
        else:
            direct = f"{wh} {aux} {subject} {rest}"
            first, _, tail = rest.partition(" ")
            told = {"do": rest, "does": f"{_third(first)} {tail}".strip(), "did": f"died {tail}", "can't": f"cannot {rest}"}
            indirect = f"{wh} {subject} {told.get(aux, f'{aux} {rest}')}"
        questions = tuple(upper(text.format(d=direct, i=indirect)) for text in SAY["why"])
        yield Item(RELATIONS["why"], "why", direct, indirect, answer, questions, answer, word, "", (), "", "")


@cache
def items() -> tuple[Item, ...]:
    """Every fact in a fixed order; a question with two different answers is nobody's question."""
    *names, last = dict.fromkeys(name for name, *_ in table("knowledge/items"))
    made = [*_told(*names), *_time(), *_words(), *_whys(), *_told(last)]
    elsewhere = {question.lower(): fact.answer for fact in all_facts() for question in fact.questions}
    answers: dict[str, set[str]] = defaultdict(set)
    for item in made:
        for question in item.questions:
            answers[question.lower()].add(item.answer)

    def own(item: Item, question: str) -> bool:
        return len(answers[question.lower()]) == 1 and elsewhere.get(question.lower(), item.answer) == item.answer

    kept = [replace(item, questions=tuple(dict.fromkeys(q for q in item.questions if own(item, q)))) for item in made]
    return tuple(item for item in kept if item.questions)


def PLAIN() -> list[tuple[tuple[str, ...], str, str, str]]:  # noqa: N802
    """Everything that has a short answer: wordings of the question, plain sentence, answer in a few words, emoji."""
    seen: set[str] = set()
    made = []
    for item in items():
        if len(item.word.split()) <= 3 and item.questions[0] not in seen:
            seen.update(item.questions)
            made.append((item.questions, item.answer, item.word, item.emoji))
    return made


def _person_name(fact: str) -> str:
    """A fact as its owner tells it: its -> my, has -> have."""
    verb, _, rest = fact.partition(" ")
    special = {"is": "am", "has": "have", "was": "was", "does": "do", "can": "can", "could": "could"}
    if verb not in special:
        verb = verb[:-3] + "y" if verb.endswith("ies") else verb[:-2] if verb.endswith(("ches", "shes", "sses")) else verb.removesuffix("s")
    swaps = {"its": "my", "itself": "myself", "his": "my", "her": "my", "herself": "myself", "he": "I", "she": "I", "it": "I"}
    told = [swaps.get(word, word) for word in rest.split()]
    return " ".join([special.get(verb, verb), *told])


def _plural(noun: str) -> str:
    known = dict(table("knowledge/plurals") + table("knowledge/plurals_of_names"))
    if noun in known:
        return known[noun]
    if noun.endswith(("s", "x", "ch", "sh")):
        return f"{noun}es"
    return noun[:-1] + "ies" if noun[-1] == "y" and noun[-2] not in "aeiou" else f"{noun}s"


@cache
def entities() -> tuple[Entity, ...]:
    """Everything that a paragraph can be written about."""
    found: dict[tuple[str, str], list[Item]] = defaultdict(list)
    for item in items():
        found[item.topic, item.name].append(item)
    made = []
    for name, topic, many, templates in table("knowledge/intros"):
        for row in rows(name):
            known = found[topic, row["name"]]
            intros = tuple(upper(text) for text in (_filled(template, row) for template in templates.split("|")) if text)
            if any(item.its for item in known):
                made.append(Entity(topic, known[0].x, many.format(**row), intros, tuple(known)))
    return tuple(made)


@cache
def _by_topic() -> dict[str, list[Entity]]:
    grouped: dict[str, list[Entity]] = defaultdict(list)
    for entity in entities():
        grouped[entity.topic].append(entity)
    return dict(grouped)


@cache
def _by_relation() -> dict[str, list[Item]]:
    grouped: dict[str, list[Item]] = defaultdict(list)
    for item in items():
        grouped[item.relation.name].append(item)
    return dict(grouped)


def _paragraph(entity: Entity, random: Random, most: int) -> tuple[str, list[Item]]:
    """Sentences about one thing, and the facts that they tell."""
    told = [item for item in entity.items if item.its]
    told = random.sample(told, min(most, len(told)))
    return " ".join([random.choice(entity.intros), *(random.choice(item.its) for item in told)]), told


def _pick(random: Random, pool: dict[str, list[Item]], usable: Callable[[Item], bool] = lambda item: True) -> Item:
    """A fact, with small relations drawn more often than their size."""
    names = list(pool)
    while True:
        item = random.choice(pool[random.choice(names)]) if random.random() < 0.5 else random.choice(items())
        if usable(item):
            return item


def _more(make: Callable[[Random], list[Turn]], again: float = 0.3) -> Callable[[Random], list[Turn]]:
    """One to three exchanges of the same task."""

    def turns(random: Random) -> list[Turn]:
        made = make(random)
        while len(made) < 6 and random.random() < again:
            made += make(random)
        return made

    return turns


_DEFINED = ("noun", "verb", "adjective", "named", "verb_named", "adjective_named")


def _ask(random: Random) -> list[Turn]:
    item = _pick(random, _by_relation(), lambda item: item.relation.name not in ("why", *_DEFINED))
    return [("user", random.choice(SAY["ask"]).format(random.choice(item.questions))), ("assistant", item.answer)]


def _define(random: Random) -> list[Turn]:
    item = random.choice(
        _by_relation()[random.choice(["noun", "noun", "noun", "named", "verb", "adjective", "verb_named", "adjective_named"])]
    )
    return [("user", random.choice(item.questions)), ("assistant", item.answer)]


def _why(random: Random) -> list[Turn]:
    item = random.choice(_by_relation()["why"])
    return [("user", random.choice(item.questions)), ("assistant", item.answer)]


def _tell_about(random: Random) -> list[Turn]:
    entity = random.choice(_by_topic()[random.choice(list(_by_topic()))])
    asked = random.choice(SAY["about"]).format(random.choice([entity.many, entity.x]))
    return [("user", asked), ("assistant", _paragraph(entity, random, 3)[0])]


def _compare(random: Random) -> list[Turn]:
    pool = _by_relation()
    names = [name for name, known in RELATIONS.items() if known.noun and len(pool[name]) > 3]
    one, two = random.sample(pool[random.choice(names)], 2)
    text = random.choice(SAY["compare"]).format(a=one.x, b=two.x, A=upper(one.x), n=one.relation.noun)
    return [("user", text), ("assistant", f"{one.answer[:-1]}, {'and' if one.y == two.y else 'but'} {lower(two)}")]


@cache
def _categories() -> list[tuple[str, list[str]]]:
    """What one can name several of, and all that are known."""
    listed = {**lists("words/categories"), "days of the week": tuple(DAYS), "months": tuple(MONTHS)}
    made = []
    for things, name, form, where in table("knowledge/categories"):
        if name == "list":
            made.append((things, list(listed[things])))
            continue
        wanted = [condition.split("=") for condition in where.split(";")] if where != "-" else []
        found = [_filled(form, row) for row in rows(name) if all(row[key] == value for key, value in wanted)]
        made.append((things, [each for each in found if each]))
    return [(things, names) for things, names in made if len(names) >= 3]


def _list(random: Random) -> list[Turn]:
    phrase, names = random.choice(_categories())
    count = random.choice([2, 3, 3, 3, 4, 5])
    chosen = random.sample(names, min(count, len(names)))
    number = _COUNTS[len(chosen)]
    asked = random.choice(SAY["name"]).format(n=number, c=phrase)
    return [("user", asked), ("assistant", f"{upper(number)} {phrase} are {joined(chosen)}.")]


@cache
def _sure() -> dict[str, list[Item]]:
    """The facts for which every other value is surely wrong; what has other names too, or lies in two places, is no ground for a no."""
    kept = {}
    for name, found in _by_relation().items():
        if found[0].relation.choose:
            sure, unsure = WORDS.get(f"sure {name}"), WORDS.get(f"unsure {name}", ())
            kept[name] = [item for item in found if (sure is None or item.name in sure) and item.name not in unsure]
    return kept


@cache
def _choosable() -> dict[str, list[Item]]:
    return {name: found for name, found in _sure().items() if len({item.word for item in found}) > 3}


def _rivals(item: Item, random: Random, count: int) -> list[str]:
    """Other answers of the same relation, which are wrong here."""
    known = _sure().get(item.relation.name, _by_relation()[item.relation.name])
    pool = [other for other in known if other.k == item.k]
    pool = pool if len({other.word for other in pool}) > count else known
    found: list[str] = []
    while len(found) < count:
        word = random.choice(pool).word
        if word != item.word and word not in found:
            found.append(word)
    return found


def _choice(random: Random) -> list[Turn]:
    pool = _choosable()
    item = random.choice(pool[random.choice(list(pool))])
    options = [*_rivals(item, random, 2), item.word]
    random.shuffle(options)
    mark = random.choice([": ", ") ", ". "])
    shown = random.choice(["\n", "\n", "  "]).join(f"{letter}{mark}{option}" for letter, option in zip("ABC", options, strict=True))
    text = random.choice(SAY["choose"]).format(q=random.choice(item.questions), o=shown)
    return [("user", text), ("assistant", f"{'ABC'[options.index(item.word)]}: {item.word}")]


@cache
def _checkable() -> dict[str, list[Item]]:
    return {name: found for name, found in _sure().items() if found[0].relation.check and len({item.y for item in found}) > 2}


def _check(random: Random) -> list[Turn]:
    pool = _checkable()
    item = random.choice(pool[random.choice(list(pool))])
    value = item.y
    if random.random() < 0.5:
        value = random.choice(
            [other.y for other in pool[item.relation.name] if other.y != item.y and (other.k == item.k or item.relation.name == "unit")]
        )
    asked = upper(item.relation.check.format(x=item.x, n=item.name, y=value, k=item.k))
    return [("user", random.choice(SAY["check"]).format(asked)), ("assistant", f"{'Yes' if value == item.y else 'No'}, {lower(item)}")]


_RIDDLE = ["", "", "", "Here is a riddle. ", "A riddle for you: ", "Guess the riddle. "]
Riddle = tuple[str, tuple[str, ...], tuple[str, ...], str]
"""What it is in general, the clue that is always told, more clues, the answer."""


@cache
def _riddles() -> list[Riddle]:
    made: list[Riddle] = []
    clues: dict[tuple[str, str], tuple[str, ...]] = defaultdict(tuple)
    for item in items():
        if item.clue:
            clues[item.topic, item.name] += (item.clue,)
    for row in rows("animals"):
        more = clues["animal", row["name"]]
        if " it " not in row["fact"] and len(more) > 2:
            made.append(("I am an animal.", (f"I {_person_name(row['fact'])}.",), more, f"You are {row['a_name']}."))
    for row in rows("countries"):
        more = tuple(clue for clue in clues["country", row["name"]] if "capital" not in clue)
        made.append(("I am a country.", (f"My capital is {row['capital']}.".replace("..", "."),), more, f"You are {row['name']}."))
    for row in rows("jobs"):
        made.append(("I have a job.", (f"I {_person_name(row['does'])}.",), clues["job", row["name"]], f"You are {row['a_name']}."))
    for row in rows("objects"):
        more = tuple(clue for clue in clues["object", row["name"]] if not clue.startswith("You use"))
        made.append(("I am a thing in the house.", (f"You use me to {row['use']}.",), more, f"You are {row['a_name']}."))
    return made + _more_riddles()


def _more_riddles() -> list[Riddle]:
    made: list[Riddle] = []
    for row in rows("people"):
        if row["sure"] != "-":
            deed = " ".join(_person_name(f"was {row['deed']}").split()[1:])
            made.append(("I am a famous person of the past.", (f"I {deed}.",), (f"I was {row['a_what']}.",), f"You are {row['name']}."))
    for row in rows("planets"):
        if " it " not in row["fact"]:
            more = (f"I am the {row['nth']} planet from the sun.", f"I am {row['kind']}.")
            made.append(("I am a planet.", (f"I {_person_name(row['fact'])}.",), more, f"You are {row['name']}."))
    return made


@cache
def _riddle_groups() -> list[list[Riddle]]:
    groups: dict[str, list[Riddle]] = defaultdict(list)
    for riddle in _riddles():
        groups[riddle[0]].append(riddle)
    return list(groups.values())


def _who_am_i(random: Random) -> list[Turn]:
    general, always, more, answer = random.choice(random.choice(_riddle_groups()))
    told = [*always, *random.sample(more, min(len(more), random.choice([2, 3, 3])))]
    random.shuffle(told)
    return [("user", f"{random.choice(_RIDDLE)}{' '.join([general, *told])} {random.choice(SAY['guess'])}"), ("assistant", answer)]


def _context(random: Random) -> list[Turn]:
    grouped = _by_topic()
    texts = []
    for entity in random.sample(grouped[random.choice(list(grouped))], random.choice([1, 1, 2])):
        text, told = _paragraph(entity, random, 4)
        texts.append((text, told))
    item = random.choice(random.choice(texts)[1])
    asked = random.choice(SAY["context"]).format(t=" ".join(text for text, _ in texts), q=random.choice(item.questions))
    return [("user", asked), ("assistant", item.answer)]


def _short(random: Random) -> list[Turn]:
    item = _pick(
        random,
        _by_relation(),
        lambda item: " " not in item.word and item.relation.name not in ("noun", "verb", "adjective", "why", "person"),
    )
    return [("user", random.choice(SAY["short"]).format(random.choice(item.questions))), ("assistant", item.word)]


_QUIZ_TOPICS = [name.removeprefix("quiz about ") for name in SAY if name.startswith("quiz about ")]


def _said(word: str, random: Random) -> str:
    return random.choice(SAY["said"]).format(word).replace("..", ".")


def _quiz(random: Random) -> list[Turn]:
    topic = random.choice(_QUIZ_TOPICS)
    relation = random.choice(SAY[f"quiz about {topic}"])
    pool = [item for item in _sure()[relation] if item.questions[0].endswith("?")]
    asked = random.sample(pool, random.choice([1, 2, 2]))
    turns = [("user", random.choice(SAY["quiz"]).format(topic)), ("assistant", asked[0].questions[0])]
    for at, item in enumerate(asked):
        draw = random.random()
        if draw < 0.5:
            said, verdict = _said(item.word, random), random.choice(SAY["right"])
        elif draw < 0.9:
            said, verdict = _said(_rivals(item, random, 1)[0], random), random.choice(SAY["wrong"])
        else:
            said, verdict = random.choice(SAY["not known"]), random.choice(SAY["told"])
        go_on = f" Next question: {asked[at + 1].questions[0]}" if at + 1 < len(asked) else ""
        turns += [("user", upper(said)), ("assistant", f"{verdict} {item.answer}{go_on}")]
    return turns


TASKS: dict[str, Callable[[Random], list[Turn]]] = {
    "ask": _more(_ask), "define": _more(_define), "why": _more(_why, 0.15), "tell_about": _more(_tell_about, 0.15),
    "compare": _more(_compare, 0.15), "list": _more(_list), "quiz": _quiz, "who_am_i": _more(_who_am_i, 0.15), "check": _more(_check),
    "choice": _more(_choice, 0.15), "context": _context, "short": _more(_short),
}  # fmt: skip
EXACT = frozenset({"ask", "define", "why", "compare", "who_am_i", "check", "choice", "context", "short"})


def _about(*topics: str) -> Callable[[Random], str]:
    """Paragraphs about one to four things of a topic."""

    def text(random: Random) -> str:
        chosen = random.sample(_by_topic()[random.choice(topics)], random.choice([1, 2, 3, 4]))
        return "\n".join(_paragraph(entity, random, 5)[0] for entity in chosen)

    return text


def _why_text(random: Random) -> str:
    chosen = random.sample(_by_relation()["why"], random.choice([1, 2, 3]))
    return "\n".join(f"{item.questions[0]} {item.answer}" for item in chosen)


def _glossary(random: Random) -> str:
    pool = _by_relation()[random.choice(["noun", "noun", "verb", "adjective"])]
    return " ".join(item.answer for item in random.sample(pool, random.choice([3, 4, 5, 6])))


def _facts_text(random: Random) -> str:
    pool = _by_relation()
    names = [name for name in pool if name not in ("why", "fly", "swim", *_DEFINED) and len(pool[name]) >= 6]
    return " ".join(dict.fromkeys(item.answer for item in random.sample(pool[random.choice(names)], random.choice([3, 4, 5, 6]))))


def _history_text(random: Random) -> str:
    names = ["person", "person", "inventor", "invented", "year", "deed"]
    return " ".join(random.choice(_by_relation()[random.choice(names)]).answer for _ in range(random.choice([3, 4, 5])))


def _list_text(random: Random) -> str:
    lines = []
    for phrase, names in random.sample(_categories(), random.choice([1, 2, 3])):
        chosen = random.sample(names, min(len(names), random.choice([3, 4, 5])))
        opening = random.choice(SAY["list"])
        lines.append(opening.format(c=phrase, l=joined(chosen)) if len(names) > 8 else f"{upper(phrase)}: {joined(chosen)}.")
    return " ".join(lines)


TEXTS: dict[str, Callable[[Random], str]] = {
    "countries": _about("country"), "places": _about("city", "river", "landmark"), "animals": _about("animal"),
    "food": _about("produce", "dish"), "plants": _about("plant"),
    "things": _about("object", "vehicle", "clothing", "instrument", "material"), "jobs": _about("job"), "people": _about("person"),
    "world": _about("planet", "sport", "holiday", "mountain"), "whys": _why_text, "glossary": _glossary, "facts": _facts_text,
    "history": _history_text, "lists": _list_text,
}  # fmt: skip
