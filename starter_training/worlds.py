"""Small worlds in plain English: stories, scenes, letters and talks, and the tasks that can be set about them.

A template is text with {slots}, [one|of|these] and <pools>. The slots of a world are drawn once, so that what is found is what was lost;
the choices are drawn anew each time.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from random import Random

from starter_training import world_words as words
from starter_training.conversations import Turn

Slots = dict[str, str]


def _cells(text: str) -> list[str]:
    return [cell for line in text.splitlines() for cell in line.split("|")]


def _rows(text: str) -> list[list[str]]:
    return [line.split("|") for line in text.splitlines()]


@dataclass(frozen=True, slots=True)
class _Slot:
    key: str
    upper: bool


@dataclass(frozen=True, slots=True)
class _Pool:
    name: str


@dataclass(frozen=True, slots=True)
class _Choice:
    options: tuple["_Parts", ...]


_Parts = tuple[str | _Slot | _Pool | _Choice, ...]
_PIECE = re.compile(r"[^\[\]|{}<>]+|\{\w+\}|<\w+>|[\[\]|]")


@cache
def _parse(text: str) -> _Parts:
    pieces = _PIECE.findall(text)
    parts, rest = _parse_parts(pieces, 0, False)
    if rest != len(pieces):
        raise ValueError(f"unbalanced brackets: {text}")
    return parts


def _parse_parts(pieces: list[str], at: int, nested: bool) -> tuple[_Parts, int]:
    parts: list[str | _Slot | _Pool | _Choice] = []
    while at < len(pieces):
        piece = pieces[at]
        if nested and piece in "|]":
            break
        at += 1
        if piece == "[":
            options = []
            while True:
                option, at = _parse_parts(pieces, at, True)
                options.append(option)
                at += 1
                if pieces[at - 1] == "]":
                    break
            parts.append(_Choice(tuple(options)))
        elif piece[0] == "{":
            parts.append(_Slot(piece[1].lower() + piece[2:-1], piece[1].isupper()))
        elif piece[0] == "<":
            parts.append(_Pool(piece[1:-1]))
        else:
            parts.append(piece)
    return tuple(parts), at


def _expand(parts: _Parts, slots: Mapping[str, str], random: Random, out: list[str]) -> None:
    for part in parts:
        if isinstance(part, str):
            out.append(part)
        elif isinstance(part, _Slot):
            value = slots[part.key]
            out.append(value[0].upper() + value[1:] if part.upper else value)
        elif isinstance(part, _Choice):
            _expand(part.options[int(random.random() * len(part.options))], slots, random, out)
        else:
            options = POOLS[part.name]
            _expand(_parse(options[int(random.random() * len(options))]), slots, random, out)


_AN = re.compile(r"\b([Aa]) (?=(?!one\b|uni|use|usu|eu|ukulele)[aeiouAEIOU]|hour|honest)")
_START = re.compile(r'(^"?|[.!?] "?|\n"?|\." |: ")([a-z])')


def _finish(text: str) -> str:
    text = _AN.sub(r"\1n ", text.replace("  ", " ").strip())
    return _START.sub(lambda match: match[1] + match[2].upper(), text)


def write(template: str, slots: Mapping[str, str], random: Random) -> str:
    """The template with its slots filled and its choices drawn, with articles and capital letters put right."""
    out: list[str] = []
    _expand(_parse(template), slots, random, out)
    return _finish("".join(out))


_IRREGULAR = dict(pair.split() for pair in words.IRREGULAR.split("|"))
_DOUBLE = frozenset("hug sit set cut dig run put get win swim let begin stop skip wag beg hop drop knit wrap chop mop stir".split())


def past(phrase: str) -> str:
    """A deed in the past: bake a cake, baked a cake."""
    verb, _, rest = phrase.partition(" ")
    if verb in _IRREGULAR:
        done = _IRREGULAR[verb]
    elif verb.endswith("e"):
        done = verb + "d"
    elif verb.endswith("y") and verb[-2] not in "aeou":
        done = verb[:-1] + "ied"
    elif verb in ("wrap", "chop", "hug", "stop", "mop", "stir"):
        done = verb + verb[-1] + "ed"
    else:
        done = verb + "ed"
    return f"{done} {rest}".strip()


def doing(phrase: str) -> str:
    """A deed under way: bake a cake, baking a cake."""
    verb, _, rest = phrase.partition(" ")
    if verb in _DOUBLE:
        verb += verb[-1]
    elif verb.endswith("e") and not verb.endswith(("ee", "oe", "ye")) and verb != "be":
        verb = verb[:-1]
    return f"{verb}ing {rest}".strip()


def does(phrase: str) -> str:
    """A deed as a habit: bake a cake, bakes a cake."""
    verb, _, rest = phrase.partition(" ")
    if verb.endswith(("s", "sh", "ch", "x", "o", "ss")):
        verb += "es"
    elif verb.endswith("y") and verb[-2] not in "aeou":
        verb = verb[:-1] + "ies"
    else:
        verb += "s"
    return f"{verb} {rest}".strip()


def _listed(items: list[str]) -> str:
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


_DEEDS = _cells(words.DEEDS)
_HOBBIES = _cells(words.HOBBIES)
_PLACES = _cells(words.PLACES)
_OUTDOORS = _cells(words.OUTDOORS)
_SPOTS = _cells(words.SPOTS)
_FAMILY = [tuple(cell.rsplit(" ", 1)) for cell in _cells(words.FAMILY)]
_HELPERS = [tuple(cell.rsplit(" ", 1)) for cell in _cells(words.HELPERS)]
_CHILDREN = [tuple(cell.rsplit(" ", 1)) for cell in _cells(words.CHILDREN)]
_GROWN = words.GROWN.split()
_ANIMALS = {group: names.split() for group, names in words.ANIMALS.items()}
_GROUPS = list(_ANIMALS)
_HOMES = {group: homes.split("|") for group, homes in words.HOMES.items()}
_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
_COLORS = "red blue green yellow purple orange white pink gray brown".split()


def _pronouns(slots: Slots, prefix: str, she: bool) -> None:
    forms = ("she", "her", "her", "herself") if she else ("he", "him", "his", "himself")
    for key, form in zip(("he", "him", "his", "self"), forms, strict=True):
        slots[prefix + key] = form


def _hero(random: Random, who: str) -> tuple[str, bool, str]:
    """Kind, whether a she, and home."""
    draw = random.random()
    if who == "child" or (who == "any" and draw < 0.4):
        kind, she = random.choice(_CHILDREN)
        return kind, she == "she", random.choice(_HOMES["people"])
    if who == "any" and draw < 0.5:
        kind = random.choice(_GROWN)
        she_is = kind == "queen" or (kind != "king" and kind not in ("postman",) and random.random() < 0.5)
        return kind, she_is, random.choice(_HOMES["people"])
    group = random.choice(_GROUPS)
    kind = random.choice(_ANIMALS[group])
    she_is = kind in ("hen", "fairy") or (kind not in ("rooster", "wizard", "snowman") and random.random() < 0.5)
    return kind, she_is, random.choice(_HOMES[group])


def _name(random: Random, she: bool, other: str = "") -> str:
    name = random.choice(words.GIRLS if she else words.BOYS)
    while other and name[0] == other[0]:
        name = random.choice(words.GIRLS if she else words.BOYS)
    return name


def _object(random: Random) -> tuple[str, str]:
    if random.random() < 0.72:
        noun = random.choice(words.HARD)
        look = random.choice(words.HARD_LOOKS)
    else:
        noun = random.choice(words.SOFT)
        look = random.choice(words.SOFT_LOOKS)
    return noun, f"{look} {noun}"


def _world(random: Random, who: str = "any", places: list[str] | None = None) -> Slots:
    """Everything a story may need, drawn once."""
    kind, she, home = _hero(random, who)
    trait, trait2, trait3 = random.sample(words.TRAITS, 3)
    slots: Slots = {"h": _name(random, she), "k": kind, "home": home, "t": trait, "t2": trait2, "ft": trait3}
    _pronouns(slots, "", she)
    other = random.random() < 0.8
    fkind, fshe, _ = _hero(random, "child" if kind in (c[0] for c in _CHILDREN) and random.random() < 0.6 else "animal")
    tries = 0
    while (fkind == kind or fshe == she) and tries < 12 and (other or fkind == kind):
        fkind, fshe, _ = _hero(random, "child" if kind in (c[0] for c in _CHILDREN) and tries < 6 else "animal")
        tries += 1
    slots |= {"f": _name(random, fshe, slots["h"]), "fk": fkind}
    _pronouns(slots, "f", fshe)
    helper, helper_she = random.choice(_HELPERS)
    slots |= {"g": f"the {helper}", "gi": f"a {helper}"}
    _pronouns(slots, "g", helper_she == "she")
    relative, relative_she = random.choice(_FAMILY)
    slots |= {"m": f"{slots['his']} {relative}", "mk": relative}
    _pronouns(slots, "m", relative_she == "she")
    slots["on"], slots["o"] = _object(random)
    slots["on2"], slots["o2"] = _object(random)
    while slots["on2"] == slots["on"]:
        slots["on2"], slots["o2"] = _object(random)
    slots["p"], slots["p2"] = random.sample(places or _PLACES, 2)
    slots["pn"] = slots["p"][slots["p"].index("the ") :] if "the " in slots["p"] else slots["p"]
    hobby, hobby2 = random.sample(_HOBBIES, 2)
    slots |= {
        "spot": random.choice(_SPOTS),
        "soft": random.choice(["scarf", "blanket", "sweater", "coat", "towel", "rug", "cloak", "shawl"]),
        "sad": random.choice(words.SAD),
        "glad": random.choice(words.GLAD),
        "hobby": hobby,
        "hobby2": hobby2,
    }
    slots |= {"hobbying": doing(hobby), "fear": random.choice(_FEARS), "skill": random.choice(_SKILLS), "plant": random.choice(_PLANTS)}
    slots |= {"food": random.choice(_FOODS), "cake": random.choice(_CAKES), "beast": random.choice(_BEASTS), "day": random.choice(_DAYS)}
    slots |= {"color": random.choice(_COLORS), "n": random.choice(["three", "four", "five", "six", "seven", "ten"])}
    slots["hobbied"] = past(hobby2)
    return slots


_FEARS, _SKILLS, _PLANTS, _FOODS, _CAKES, _BEASTS = (
    _cells(text) for text in (words.FEARS, words.SKILLS, words.PLANTS, words.FOODS, words.CAKES, words.BEASTS)
)

POOLS: dict[str, tuple[str, ...]] = {
    "open": (
        "Once upon a time, there was a {t} {k} named {h}. {He} lived {home}.",
        "Once there was a {t} {k} who lived {home}. {His} name was {h}.",
        "There once lived a {t} {k} {home}. Everyone called {him} {h}.",
        "{h} was a {t} {k} who lived {home}.",
        "{home}, there lived a {t} {k} called {h}.",
        "{h} the {k} was {t} and {t2}. {He} lived {home}.",
        "Long ago, a {t} {k} named {h} lived {home}.",
        "This is the story of {h}, a {t} {k}. {He} lived {home}.",
        "A {k} named {h} lived {home}. {He} was very {t}.",
        "Not so long ago, {home}, lived a {k} named {h}. Everyone knew that {he} was {t}.",
        "Far away, {home}, a {t} {k} had {his} home. {His} name was {h}.",
        "Have you heard of {h}? {He} was a {t} {k} who lived {home}.",
        "Everybody liked {h}, the {t} {k}. {He} lived {home}.",
        "{h} lived {home}. {He} was a {k}, and a very {t} one.",
        "Many years ago, there was a {k} called {h}. {He} lived {home} and was known to be {t}.",
    ),
    "habit": (
        "{He} loved to {hobby}.",
        "Most of all, {he} liked to {hobby}.",
        "When the weather was good, {he} liked to {hobby} and to {hobby2}.",
        "Nothing made {him} happier than {hobbying}.",
        "[Every day|Nearly every afternoon|On most mornings], {h} went out to {hobby}.",
        "[In the evening|After breakfast|On quiet days], {he} loved to {hobby}.",
        "{h} was always ready to {hobby}.",
        "{He} was good at many things, but {he} loved {hobbying} the most.",
        "{He} could {hobby} for hours.",
        "",
        "",
        "",
        "",
        "",
    ),
    "oneday": (
        "one [sunny|windy|cold|warm|rainy|foggy|bright|gray|quiet|snowy] [morning|afternoon|day]",
        "[one|early one|late one] [morning|afternoon|evening]",
        "one [Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday]",
        "one day in [spring|summer|autumn|winter|May|June|April|October|March]",
        "one day",
        "on [a fine|a cool|a lovely|a hot|a stormy|an ordinary] [morning|afternoon|day]",
        "one day after [breakfast|lunch|the rain]",
        "on the first day of [spring|summer|autumn|winter]",
    ),
    "later": (
        "a little later",
        "soon",
        "after a while",
        "before long",
        "a moment later",
        "some time later",
        "an hour later",
        "not long after that",
    ),
    "said": ("said", "said", "said", "replied", "answered", "called", "whispered", "told"),
    "thanks": (
        '"Thank you so much!" said {h}.',
        '"Thank you, {f}," said {h}. "You are a true friend."',
        '"I could not have done it without you," {h} told {f}.',
        '"You are the best friend in the world," said {h}.',
        '{h} hugged {f}. "Thank you for your help," {he} said.',
        '"How can I ever thank you?" asked {h}. "Just be my friend," said {f}.',
        "{h} thanked {f} again and again.",
        '{h} smiled from ear to ear and said, "Thank you, {f}!"',
        '"You helped me when I needed it," said {h}. {f} only smiled.',
        "{h} was so thankful that {he} danced around {f}.",
    ),
    "gladly": (
        "{h} felt very {glad}.",
        "Now {h} was {glad} at last.",
        "How {glad} {h} was!",
        "{h} had never been so {glad} before.",
        "{h} was so {glad} that {he} laughed out loud.",
        "{h} was {glad} and could not stop smiling.",
        "All the way home, {h} was {glad} and hummed a little song.",
        "{h} was {glad} from the tip of {his} nose to {his} toes.",
        "{h} was {glad}, and everybody could see it.",
        "{h} was {glad} and jumped for joy.",
        "A warm feeling filled {h}, and {he} was {glad}.",
    ),
    "sadly": (
        "{h} was very {sad}.",
        "{h} felt {sad}, and {his} eyes filled with tears.",
        "Poor {h} was so {sad} that {he} could not eat.",
        "{h} sat down and felt {sad}.",
        "How {sad} {h} was!",
        "{h} felt so {sad} that {he} did not know what to say.",
        "That made {h} {sad}.",
        "{h} was {sad} and let {his} head hang.",
        "{h} was {sad}, but {he} did not give up.",
        "At first {h} was only {sad}.",
        "{h} sighed. {He} was really {sad}.",
    ),
    "end": (
        "From that day on, {h} and {f} were the best of friends.",
        "Since then, {h} and {f} have met every {day}.",
        "That evening, {h} told {m} the whole story.",
        "And {h} never forgot that day.",
        "That night, {h} slept very well.",
        "Then they went home and ate {cake} together.",
        "When the sun went down, {h} and {f} walked home side by side.",
        "{h} and {f} lived happily for many years.",
        "Later they sat down together and ate some {food}.",
        "It had been a long day for {h}, but a very good one.",
        "In the evening, {h} and {f} sat by the fire and laughed about it.",
        "{h} went to bed with a smile.",
        "Even today, people tell the story of {h} and {f}.",
        "{M} heard about it and smiled.",
        "{f} gave {h} a big hug.",
        "They ate {food} until they were full.",
        "When the stars came out, {h} and {f} were still laughing.",
        '"See you tomorrow, {f}!" called {h}.',
        '"That was fun," said {f}. "Very much so," said {h}.',
        "And so {h} and {f} had something to tell for a long time.",
        "{f} still talks about it today.",
        "The next {day}, {f} came to visit again.",
        "{h} wrote it all down in {his} diary.",
        "On the way home, {f} sang a song about {h}.",
        "Then {h} went home and {hobbied}.",
        "{h} could hardly wait for the next day.",
        "{m} was proud of {him}.",
        "What a day that was for {h}!",
        "After that, {h} and {f} did nearly everything together.",
        "If you are ever {home}, you may still meet {h} there.",
        "",
        "",
        "",
    ),
    "endalone": (
        "That evening, {h} told {m} the whole story.",
        "And {h} never forgot that day.",
        "That night, {h} slept very well.",
        "It had been a long day for {h}, but a very good one.",
        "{h} went to bed with a smile.",
        "{h} could hardly wait for the next day.",
        "What a day that was for {h}!",
        "{m} was proud of {him}.",
        "To celebrate, there was {cake} for everyone.",
        "If you are ever {home}, you may still meet {h} there.",
        "At home, a plate of {food} was waiting for {him}.",
        "Years later, {h} still liked to think of that day.",
        "Before {he} fell asleep, {he} thought about it once more and smiled.",
        "The stars were already shining when {h} came home.",
        "",
        "",
        "",
    ),
    "meetf": (
        "{h} met a {ft} {fk} named {f}.",
        "a {ft} {fk} came along. {Fhis} name was {f}.",
        "{f}, a {ft} {fk}, came by.",
        "{h} saw {f}, a {ft} {fk}.",
        "a {fk} called {f} came around the corner.",
        "{h} noticed a {ft} {fk}. It was {f}.",
        "there was a {ft} {fk}. It was {f}.",
        "{h} heard a voice. It was {f}, a {ft} {fk}.",
    ),
    "whatswrong": (
        '"Why are you so {sad}?" asked {f}.',
        '"What is the matter, {h}?" asked {f}.',
        '"You look {sad}," said {f}. "What happened?"',
        '"Can I help you?" asked {f} at once.',
        '"Tell me what is wrong," said {f} in a soft voice.',
        '{f} sat down next to {h} and asked, "What happened?"',
        '"Is something wrong?" {f} wanted to know.',
        '{f} saw at once that {h} was {sad}. "Maybe I can help," {fhe} said.',
    ),
}


@dataclass(frozen=True, slots=True)
class _Plot:
    """A plot: what happens, how it is told in short, and what can be asked about it."""

    about: str
    """Completes: a story about ..."""
    which: str
    """Completes: a story in which ..."""
    beats: tuple[str, ...]
    did: str
    """Completes: {h} ..., for the short form and the summary."""
    then: str
    """A whole clause that says how it ended."""
    title: str
    asks: tuple[tuple[str, str], ...]
    moral: str
    alone: bool = False
    who: str = "any"
    outside: bool = False
    """It can only happen outdoors."""
    lasting: bool = False
    """It did not happen on one day."""


_PLOTS = (
    _Plot(
        "[a lost {on}|something that was lost|a {on} that was lost]",
        "[someone loses a {on}|a {on} gets lost|a {k} loses a {on}]",
        (
            "[{h} had a {o} that {he} took everywhere.|{His} dearest thing was a {o}.|{M} had given {him} a {o}, and {he} loved it.|Wherever {h} went, {his} {o} went too.|{He} owned a {o} and was very proud of it.]",
            "[<oneday>, the {on} was gone.|But <oneday>, {h} could not find the {on}.|<oneday>, {h} came home {p2} and saw that the {on} was missing.|<oneday>, {h} reached for the {on}, but it was not there.] <sadly>",
            "[{He} looked in every corner of the house.|{He} looked in the bed, behind the door and even in the soup pot.|{He} searched all morning.|{He} turned the whole house upside down.|First {he} looked at home, and then outside.] [It was nowhere to be seen.|There was no {on}.|But {he} found nothing except some dust.|All {he} found was an old shoe.|Still no {on}!]",
            '[Then|<later>,|Just then,] <meetf> <whatswrong> ["I have lost my {o}," said {h}.|"My {o} is gone," said {h}.|"I cannot find my {on} anywhere," {h} answered.]',
            '["Where were you yesterday?" asked {f}. "I was {p}," said {h}. So they went there.|"Let us look {p}," said {f}.|They walked around together and came to a place {p}.|"Two can search better than one," said {f}, and together they went to look {p}.] [There, {spot}, something {color} was shining. No, it was only a leaf! But next to it lay the {on}.|And there, {spot}, lay the {o}!|{f} looked {spot} and gave a shout. There was the {on}!|After a long search, they found the {o} {spot}.|Suddenly {h} saw something {spot}. It was the {on}!]',
            "<thanks> <gladly>",
        ),
        "lost {his} {o}",
        "{f} helped {him} to find it {spot}",
        "[{h} and the Lost {on}|The Lost {on}|Where Is the {on}?|The Search for the {o}]",
        (
            ("What did {h} lose?", "{h} lost {his} {o}."),
            ("Where was the {on} found?", "The {on} was {spot}."),
            ("Who helped {h} to find the {on}?", "{f} helped {h} to find the {on}."),
            ("How did {h} feel when the {on} was gone?", "{h} felt {sad}."),
            ("Why was {h} {sad}?", "{h} was {sad} because the {on} was lost."),
        ),
        "[Two can search better than one.|A friend can help us to find what we have lost.]",
    ),
    _Plot(
        "[a new friend|making friends|two new friends]",
        "[two strangers become friends|someone finds a friend|a {k} finds a friend]",
        (
            "[But {h} had no one to play with.|There was only one problem: {he} had no friends.|Still, {h} was often alone.|{He} had many things, but no friend.] <sadly>",
            "[<oneday>, {h} went for a walk {p}.|<oneday>, {he} was sitting {p} all alone.|So <oneday>, {he} set out to find a friend {p}.|<oneday>, {h} took {his} {o} and went to play {p}.] [There|Suddenly|<later>,] <meetf>",
            '["Hello," said {h} in a small voice. "Do you want to play with me?"|"Who are you?" asked {h}. "I am {f}, and I am new here," said the {fk}.|At first, both of them were too shy to speak. Then {h} held out {his} {o}. "Would you like to see it?" {he} asked.|"May I sit next to you?" asked {f}. "Yes, please," said {h}.|"I like your {on}," said {f}. "You may hold it," said {h}.]',
            "[It turned out that {f} liked to {hobby}, too.|They played until the sun went down.|{f} knew a funny game, and {h} knew a funny song.|They shared some {food} and talked for a long time.|Together they laughed so much that they had to sit down.]",
            '[When it was time to go, {f} asked, "Will you come back tomorrow?" "Of course," said {h}.|"Let us meet again," said {f}. "Every day!" said {h}.|"Now I have a friend," thought {h}.|"You are my first friend here," said {f}.] <gladly>',
        ),
        "had no one to play with",
        "{he} met {f} {p} and the two became friends",
        "[{h} Finds a Friend|{h} and {f}|A New Friend|The {k} and the {fk}]",
        (
            ("Who did {h} meet?", "{h} met {f}, a {fk}."),
            ("Where did {h} meet {f}?", "{h} met {f} {p}."),
            ("Why was {h} {sad} at first?", "{h} was {sad} because {he} had no one to play with."),
            ("How did {h} feel at the end?", "At the end, {h} felt {glad}."),
            ("What kind of character is {f}?", "{f} is a {fk}."),
        ),
        "[A friendly word can be the start of a friendship.|If you want a friend, say hello first.]",
        lasting=True,
    ),
    _Plot(
        "[a broken {on}|a {on} that breaks|something that must be repaired]",
        "[a {on} breaks and is repaired|someone repairs a {on}]",
        (
            "[<oneday>, {h} was playing with {his} {o} {p}.|<oneday>, {h} carried {his} {o} home. {He} was in a hurry.|<oneday>, {h} wanted to show {his} {o} to {m}.|<oneday>, {h} ran too fast with {his} {o} under {his} arm.]",
            '[Suddenly {he} slipped, and the {on} fell to the ground.|Then there was a loud crack.|{He} did not see the stone and fell over it.|A strong wind blew it out of {his} hands.] [The {on} was broken!|"Oh no!" cried {h}. The {on} was broken.|Now the {on} was in two pieces.|When {he} looked, the {on} had broken apart.] <sadly>',
            "[{h} tried to fix it with a piece of string, but it did not hold.|First {h} tried some glue, but it was too weak.|{h} put the pieces together, and they fell apart again.|{h} tried to repair it alone, but that was too hard.]",
            '[Then|<later>,] <meetf> <whatswrong> ["My {on} is broken," said {h}.|{h} pointed at the broken {on}.|Without a word, {h} held up the pieces.] ["I know who can help," said {f}. "Come with me!"|"Let us ask {g}," said {f}.|"Do not worry," said {f}. "{G} can mend everything."]',
            '[They went to {g}, who had a box full of tools.|{G} looked at the {on} for a long time and nodded.|{G} put on a pair of glasses and began to work.|So they brought the {on} to {g}.] ["Hold it here, and press it there," said {g}. They all worked together.|{h} held the pieces, {f} fetched the glue, and {g} did the rest.|It took only an hour.|With a little patience, it could be done.] [Soon the {on} was as good as new.|In the end, one could hardly see that it had been broken.|The {on} was whole again, and even prettier than before.|When they had finished, the {on} looked like new.]',
            '<gladly> ["Next time I will be more careful," {he} said.|{He} promised to take better care of it.|{He} gave {g} some {food} to say thank you.|{He} thanked {g} and {f} with all {his} heart.]',
        ),
        "broke {his} {o}",
        "{g} and {f} helped {him} to repair it",
        "[The Broken {on}|{h} and the Broken {on}|As Good as New]",
        (
            ("What was broken?", "The {o} was broken."),
            ("Who repaired the {on} together with {h} and {f}?", "{G} helped to repair the {on}."),
            ("How did {h} feel when the {on} was broken?", "{h} felt {sad}."),
            ("Who is {f}?", "{f} is a {fk}."),
            ("How did {h} feel when the {on} was repaired?", "{h} felt {glad}."),
        ),
        "[Many broken things can be mended.|It is good to ask for help.]",
    ),
    _Plot(
        "[a contest|a race|a big race]",
        "[two characters run a race|there is a race|a {k} takes part in a race]",
        (
            '[<oneday>, there was a great race {p}.|Every year there was a race {p}.|<oneday>, {h} read a sign: "Big race on {day}! The prize is a {o}!"|{Day} was the day of the big race {p}.] [The winner would get a {o}.|The prize was a {o}.|Whoever won would take home a {o}.]',
            '["I want to win," said {h}.|{h} trained every morning for {n} days.|"I am not very fast," thought {h}, "but I will try."|{h} wanted that {on} very much.] [{f}, a {ft} {fk}, wanted to win as well.|Among the others was {f}, a {ft} {fk}.|The fastest of all was {f}, a {ft} {fk}.]',
            '["One, two, three, go!" called {g}.|{G} blew a whistle, and everybody ran.|When {g} dropped the flag, they all started to run.] [At first, {f} was far ahead.|{h} and {f} ran side by side.|{h} was soon in front, with {f} close behind.]',
            '[Suddenly {f} fell and hurt {fhis} foot.|Then {f} stepped into a hole and could not get up.|Just before the end, {f} tripped over a root.] [{h} could have won now. But {he} stopped and turned around.|{h} heard the cry and stopped at once.|"Shall I run on?" thought {h}. Then {he} went back.|Everybody ran past, but {h} stopped.] ["Lean on me," said {h}. Slowly they walked to the end together.|{h} helped {f} up, and they reached the end arm in arm.|{h} carried {f} all the way to the end.]',
            '[They came in last, but everyone clapped.|They did not win the race, but the people cheered for them the loudest.|They were the very last, and nobody minded.] [{G} gave the {on} to both of them.|"The {o} goes to {h}, who has a kind heart," said {g}.|"You have won something better than a race," said {g} and gave {h} the {on}.] <gladly>',
        ),
        "ran in a race to win a {o}",
        "{he} stopped to help {f} and got the prize for {his} kindness",
        "[The Big Race|{h} and the Race|The Kind Runner]",
        (
            ("What was the prize?", "The prize was a {o}."),
            ("Why did {h} stop in the race?", "{h} stopped because {f} was hurt."),
            ("Who started the race?", "{G} started the race."),
            ("Who fell during the race?", "{f} fell during the race."),
            ("Did {h} come in first?", "No, {h} did not come in first."),
        ),
        "[Helping is better than winning.|A kind heart is worth more than a prize.]",
        outside=True,
    ),
    _Plot(
        "[a storm|bad weather|a stormy day]",
        "[there is a big storm|a storm comes up|someone is caught in a storm]",
        (
            "[<oneday>, {h} was {p} when dark clouds came up.|<oneday>, {h} went for a long walk {p}.|<oneday>, {h} was on {his} way home from a walk {p}.] [The wind grew stronger and stronger.|Suddenly it became as dark as night.|Thunder rolled over the hills.|The sky turned black, and the first drops fell.]",
            '[Then the rain came down in buckets.|Rain poured down, and lightning lit up the sky.|Leaves and branches flew through the air.|The wind tore off {his} hat.] ["I must get out of this storm," said {h}.|"Where can I go?" cried {h}.|{h} held on to a tree.|{h} ran as fast as {he} could.] [{He} was wet and {sad}.|{He} was cold, and {he} felt {sad}.|{He} felt small and {sad}.]',
            '[Through the noise {he} heard a voice. "Come in, quick!" It was {f}, a {ft} {fk}.|Then {he} saw a light. A {fk} named {f} stood at a door and waved.|A {ft} {fk} opened a small door. "I am {f}," {fhe} said. "Come in and get dry!"]',
            "[Inside, a fire was burning.|It was warm and dry inside.|The house was small, but very cosy.] [{f} gave {him} a warm {soft} and some {food}.|They drank hot tea and ate {food}.|{f} hung the wet clothes by the fire and cooked soup.] [They told each other stories until the storm was over.|While the storm howled outside, they sang songs.|They listened to the thunder and were not afraid.|They played a game and soon forgot about the storm.]",
            "[At last, the rain stopped.|By evening, the sky was clear again.|When the sun came back, they looked outside.] [A wide rainbow stood over the fields.|There was a rainbow in the sky.|Everything was fresh and bright.|The air smelled of wet grass.] <gladly>",
        ),
        "was caught in a storm",
        "{f} gave {him} shelter until it was over",
        "[The Big Storm|{h} and the Storm|After the Rain|A Stormy Day]",
        (
            ("Who let {h} into the house?", "{f} let {h} in."),
            ("Where was {h} when the storm began?", "{h} was {p}."),
            ("Why was {h} wet?", "{h} was wet because there was a storm."),
            ("How did {h} feel in the storm?", "{h} felt {sad}."),
        ),
        "[After every storm the sun comes back.|A warm house is best when it is shared.]",
        outside=True,
    ),
    _Plot(
        "[a secret|a secret box|a hidden {on}]",
        "[someone keeps a secret|there is a secret|a secret is discovered]",
        (
            "[<oneday>, {h} was {p} and saw something strange.|<oneday>, {h} was playing {p}.|<oneday>, {h} followed a narrow path and came to a place {p}.] [There, {spot}, {he} found a box.|{He} looked around, and there, {spot}, was a small box.|A little box was hidden {spot}.]",
            '[A note was stuck to it. "Please do not tell," it said.|On the lid someone had written: "Secret!"|It was locked with a tiny lock.|It was covered with dust.] [{h} wanted to know what was inside.|What could be in it?|{h} was so curious that {his} hands shook.] [{He} opened it slowly and saw a {o}.|{He} lifted the lid. Inside was a {o}.|With a click, the lid opened. A {o} lay inside.]',
            '[Just then,|At that moment,] <meetf> ["You have found my secret," said {f}.|"Please do not tell anyone," said {f}.|"Oh! That is mine," said {f} and turned red.] ["The {on} is a present for {g}. It must be a surprise."|"I made the {on} myself. It is a present for {g}."|"I want to give the {on} to {g} on {day}."]',
            '["I will not say a word," said {h}.|"Your secret is safe with me," {h} promised.|{h} put a finger to {his} lips.] [It was hard to keep the secret.|All week, {h} said nothing, although {he} often wanted to.|Twice {g} asked {him} why {he} was smiling, but {he} kept still.]',
            '[On {day}, {f} gave the {on} to {g}.|Then, on {day}, the time had come. {f} brought the {on} to {g}.] [{G} was so happy that {ghe} laughed and cried at the same time.|"Is that for me?" asked {g}. "How lovely!"|"What a wonderful surprise!" said {g}.] <gladly>',
        ),
        "found a secret box with a {o} in it",
        "{he} kept the secret until {f} gave the {on} to {g}",
        "[The Secret Box|{h} Keeps a Secret|The Hidden {on}]",
        (
            ("What was in the box?", "There was a {o} in the box."),
            ("Where was the box?", "The box was {spot}."),
            ("Who was the present for?", "The present was for {g}."),
            ("Whose secret did {h} keep?", "{h} kept the secret of {f}."),
            ("When did {g} get the {on}?", "{G} got the {on} on {day}."),
        ),
        "[A promise must be kept.|A good friend can keep a secret.]",
    ),
    _Plot(
        "[a birthday|a surprise party|a birthday surprise]",
        "[there is a surprise party|friends plan a surprise|everyone seems to forget a birthday]",
        (
            "[{Day} was {h}'s birthday.|<oneday>, {h} woke up and knew that it was {his} birthday.|At last it was {his} birthday.|{h} had counted the days, and now {his} birthday had come.] [But nobody said a word about it.|But {m} only said good morning and went out.|But no one sang, and there was no cake on the table.|But the house was empty.]",
            '[{h} went to see {his} friend {f}, the {fk}.|{h} walked over to {f}, a {fk}.|On the street {he} met {his} friend {f}, the {fk}.] ["Do you know what day it is?" asked {h}. "Yes, it is washing day," said {f}.|"I have no time today," said {f} and ran off.|"Sorry, I must go to the market," said {f} and hurried away.] ["Everyone has forgotten me," thought {h}.|"Nobody remembers," {h} whispered.] <sadly>',
            "[In the evening, {he} walked home slowly.|When it grew dark, {he} went back home.|{h} spent the day alone {p} and then went home.] [All the lights were out.|It was dark and quiet in the house.|{He} opened the door without a sound.]",
            '[Suddenly the lights went on. "Surprise!" everybody shouted.|"Surprise! Happy birthday, {h}!" shouted many voices.|Then somebody lit a candle, and everyone began to sing.] [There stood {f}, {m} and {g}.|{f} was there, and {m}, and even {g}.|All {his} friends had come, and {f} stood in front.] [On the table stood a {cake} with candles.|{M} had made a {cake}.|There was a large {cake} on the table.]',
            '[{f} gave {him} a {o}. "I had to hide it from you all day," {fhe} said.|"This is for you," said {f} and gave {him} a {o}.|From {f} {he} got a {o}.] <gladly> ["I thought you had forgotten me," {he} said. "Never!" said {f}.|They danced and ate until late in the night.|It was the best birthday of all.]',
        ),
        "thought that everyone had forgotten {his} birthday",
        "{his} friends had a surprise party for {him}",
        "[The Surprise Party|A Birthday for {h}|The Birthday Surprise]",
        (
            ("What did {f} give {h}?", "{f} gave {h} a {o}."),
            ("What kind of cake or pie was there?", "There was a {cake}."),
            ("Why was {h} {sad}?", "{h} thought that everyone had forgotten {his} birthday."),
            ("How did {h} feel at the party?", "{h} felt {glad}."),
        ),
        "[Good friends do not forget you.|Do not be sad too soon.]",
    ),
    _Plot(
        "[being afraid of {fear}|fear and courage|someone who is brave]",
        "[someone is afraid of {fear}|a {k} learns not to be afraid of {fear}]",
        (
            "[There was just one thing: {he} was afraid of {fear}.|But {h} had a problem. {He} was afraid of {fear}.|{h} was not afraid of much, but {he} was afraid of {fear}.|Nobody knew that {h} was afraid of {fear}.] [{His} heart beat fast whenever {he} thought of it.|Each time, {he} hid under {his} {soft}.|It made {him} feel {sad}.|{He} never told anyone.]",
            '[<oneday>, <meetf>|Then, <oneday>, <meetf>] ["Will you come with me?" asked {f}. But {h} shook {his} head. "I am afraid of {fear}," {he} said.|"What are you afraid of?" asked {f}. "Of {fear}," whispered {h}.|"You are shaking," said {f}. "It is because of {fear}," said {h}.]',
            '[{f} did not laugh. "I used to be afraid of that, too," {fhe} said.|"Everybody is afraid of something," said {f}.|"That is all right," said {f}. "We can be brave together."|"I know a trick," said {f}.] ["Hold my hand and count to ten."|"Take a deep breath and sing a song."|"Here, take my {o}. It will make you brave."|"Go one small step each day."]',
            "[So they tried it together.|On the first day, {h} tried for only a minute. On the second day, it was easier.|{h} closed {his} eyes, took a deep breath and tried.|{h} was still afraid, but {he} tried.] [Nothing bad happened.|And look, it was not so bad at all!|It was much easier than {he} had thought.|After a while, {his} heart beat more slowly.]",
            '["I did it!" cried {h}.|"You see?" said {f}. "You are brave."|"I was afraid, and I did it anyway," said {h}.|{f} clapped. "Well done!" {fhe} said.] <gladly>',
        ),
        "was afraid of {fear}",
        "with the help of {f} {he} became brave",
        "[{h} Is Brave|The Brave {k}|How {h} Became Brave]",
        (
            ("What was {h} afraid of?", "{h} was afraid of {fear}."),
            ("Who helped {h} to be brave?", "{f} helped {h} to be brave."),
            ("Did {f} laugh at {h}?", "No, {f} did not make fun of {h}."),
            ("How did {h} feel in the end?", "In the end, {h} felt {glad}."),
        ),
        "[To be brave means to try although you are afraid.|Fear becomes smaller when we share it.]",
        lasting=True,
    ),
    _Plot(
        "[sharing|sharing {food}|a {k} who learns to share]",
        "[someone learns to share|a {k} does not want to share]",
        (
            '[<oneday>, {h} got a big basket of {food} from {m}.|<oneday>, {h} came home with a bag full of {food}.|<oneday>, {h} had a whole box of {food}.] ["This is all for me," {he} said.|"I will not give anything away," {he} thought.|{He} wanted to keep everything for {self}.]',
            '[Then|<later>,] <meetf> ["That smells good," said {f}. "May I have some?"|"I am so hungry," said {f}. "Will you share with me?"|"Could I have a little of that?" asked {f}.] ["No," said {h} and turned away.|But {h} shook {his} head and hid the {food}.|"It is mine," said {h}.] [{f} went away without a word.|{f} looked at the ground and left.|"Oh," said {f} in a low voice and walked off.]',
            '[{h} sat down {p} and ate. But it did not taste good.|{h} ate and ate until {his} stomach hurt.|All alone, {h} did not enjoy the {food}.] <sadly> [{He} thought of {f}.|"It is no fun to eat alone," {he} thought.|"I was not kind to {f}," {he} thought.]',
            '[So {he} took the rest and looked for {f}.|Quickly {he} ran after {f}.|{He} stood up and went to find {f}.] [{f} was sitting {p2}.|{He} found {f} {p2}.] ["I am sorry," said {h}. "Please eat with me."|"Half of it is for you," said {h}.|"I was not nice to you. Here, take as much as you like," said {h}.]',
            "[{f} smiled and ate.|{f} was not angry any more.|They sat side by side and ate together.] [And now it tasted twice as good.|The {food} had never tasted better.|Everything tastes better with a friend.] <gladly>",
        ),
        "had some {food} and did not want to share",
        "{he} felt sorry and shared the {food} with {f}",
        "[{h} Learns to Share|Enough for Two|The Basket of {food}]",
        (
            ("What did {h} have?", "{h} had some {food}."),
            ("Who asked {h} to share?", "{f} asked {h} to share."),
            ("Where did {h} find {f}?", "{h} found {f} {p2}."),
            ("Who ate together at the end?", "{h} and {f} ate together at the end."),
        ),
        "[Everything tastes better when it is shared.|Sharing makes two people happy.]",
    ),
    _Plot(
        "[a mistake|saying sorry|a lie and the truth]",
        "[someone makes a mistake and says sorry|a {k} must say sorry]",
        (
            "[{f}, a {ft} {fk}, had a {o}.|{His} friend {f}, a {fk}, owned a beautiful {o}.|{h} had a friend, a {fk} named {f}. {f} had a {o}.] [<oneday>, {h} borrowed it without asking.|<oneday>, {h} took it secretly and played with it {p}.|<oneday>, {h} was allowed to borrow it.]",
            "[But {he} was not careful, and the {on} fell into the water.|Then something bad happened. The {on} fell down and broke.|{He} left it outside, and in the night the rain ruined it.|While {he} was playing, {he} lost the {on}.] <sadly>",
            '["Where is my {on}?" asked {f} the next day. "I do not know," said {h}. But that was not true.|When {f} asked about it, {h} said, "I have not seen it." {His} face turned red.|"Have you seen my {on}?" asked {f}. {h} shook {his} head and looked away.] [That night, {h} could not sleep.|{h} could not eat a bite at dinner.|All day, {h} felt a stone in {his} stomach.]',
            '[{M} saw it. "Tell {f} the truth," {mhe} said. "Then you will feel better."|"What is on your mind?" asked {m}. {h} told {mhim} everything. "Go and say that you are sorry," {mhe} said.|"A mistake is not so bad," said {m}. "But you must be honest."]',
            '[So {h} went to {f}.|The next morning, {h} ran to {f}.|With a beating heart, {h} knocked at {f}\'s door.] ["It was me," {he} said. "I am very sorry. Please take my {o2}."|"I told you a lie, and I am sorry," {he} said. Then {he} gave {f} {his} own {o2}.|"I am sorry," {he} said. "I will give you my {o2} for it."] [{f} thought for a moment and nodded. "Thank you for telling me," {fhe} said.|"I was sad about the {on}," said {f}. "But I am glad that you told me the truth."|{f} was angry for a little while. Then {fhe} smiled and said, "It is all right."] <gladly>',
        ),
        "told a lie about {f}'s {on}",
        "{he} said sorry and gave {f} {his} {o2}",
        "[{h} Says Sorry|The Truth about the {on}|A Mistake]",
        (
            ("What did {f} own at the beginning?", "{f} owned a {o}."),
            ("What did {h} give {f}?", "{h} gave {f} {his} {o2}."),
            ("Who told {h} to be honest?", "{M} told {h} to be honest."),
            ("Did {h} tell the truth at first?", "No, at first {h} did not tell the truth."),
        ),
        "[It is best to tell the truth.|Everyone makes mistakes, but one should say sorry.]",
    ),
    _Plot(
        "[growing a {plant}|a plant|a {plant}]",
        "[someone grows a {plant}|a {k} plants a seed]",
        (
            '[<oneday>, {g} gave {h} a tiny seed.|<oneday>, {h} found a little seed {spot}.|<oneday>, {h} got a seed from {m}.] ["What will it be?" asked {h}.|"It is so small," said {h}.|{h} looked at it with big eyes.]',
            "[{He} dug a hole {p} and put the seed into the earth.|{He} planted it in a pot and put it in the sun.|In the best spot {p}, {he} planted the seed.] [Every day {he} gave it water.|{He} watered it each morning.|Every evening {he} came with a can full of water.]",
            '[But nothing happened.|A week passed, and there was only brown earth.|{h} waited and waited.|For {n} days there was nothing to see.] <sadly> ["Be patient," said {m}. "Good things need time."|"It is still sleeping," said {m}. "Wait a little."|"Do not dig it up," said {m}. "Just wait."]',
            "[Then, one morning, there was a green tip.|One day, {h} saw something green.|After a warm rain, a tiny leaf came out of the ground.] [It grew a little every day.|It grew and grew, first up to {his} knee and then above {his} head.|Soon there were two leaves, then four, then ten.]",
            "[Once a strong wind came, so {h} tied the plant to a stick.|When it was too hot, {h} gave it some shade.|A snail wanted to eat the leaves, but {h} carried it gently away.|{h} pulled out the weeds and talked to the plant.]",
            '[In summer, {h} had a big, beautiful {plant}.|At last, there stood a fine {plant}.|And what was it? It was a {plant}!] [Everyone came to look at it.|Even {g} came to see it.|"You did that very well," said {m}.] <gladly>',
        ),
        "planted a tiny seed",
        "after much care and patience a {plant} grew from it",
        "[The Tiny Seed|{h} and the {plant}|A Little Patience]",
        (
            ("What grew from the seed?", "A {plant} grew from the seed."),
            ("What did {h} give the seed every day?", "{h} gave it water."),
            ("Who told {h} to wait?", "{M} told {h} to wait."),
            ("How did {h} feel when the plant was big?", "{h} felt {glad}."),
        ),
        "[Good things need time.|With patience, small things become big.]",
        alone=True,
        outside=True,
    ),
    _Plot(
        "[a journey|a long journey|a trip]",
        "[someone goes on a journey|a {k} travels to see the world]",
        (
            "[<oneday>, {h} found an old map and wanted to follow it.|<oneday>, {h} wanted to see the world.|<oneday>, {h} decided to find out where the long road ended.|{h} had always wanted to see what was behind the hills.]",
            "[{He} packed {food}, a bottle of water and {his} {o}.|In {his} bag {he} put some {food} and a {o}.|{He} took {his} {o}, said goodbye and left.] [The road was long.|The sun was just coming up when {he} left.|{He} sang while {he} walked.|{He} walked over hills and through fields.]",
            '[First {he} came to a wide river. There was no bridge.|On the second day, {he} stood before a deep river.|Then the path ended at a river.] ["How can I get across?" asked {h}.|{h} did not know what to do and felt {sad}.|The water was fast and cold.] [Then|Luckily,|Just then,] <meetf> ["Jump into my boat," said {f}.|"I will show you a place where the water is low," said {f}.|"There is an old tree that lies across the water," said {f}. "Follow me!"]',
            "[Later they came to a dark wood, but they were not afraid.|In the evening, they slept {p}, under the stars.|They shared the {food} and walked on together.|At night, they made a small fire and told stories.] [On the way, they saw a {beast}.|Once, a {beast} crossed their path.|They even saw a {beast}.|From far away, a {beast} looked at them.]",
            '[After {n} days, they reached the end of the road.|At last, after {n} days, they were there.|It took {n} days, and then they stood on top of the last hill.] [Before them lay the wide blue sea.|They could see the whole land below them.|The view was so beautiful that nobody spoke.] ["It was worth every step," said {h}.|"I will never forget this," said {h}.|"Let us stay a while," said {f}.] <gladly>',
        ),
        "went on a long journey",
        "{f} helped {him} across a river and after {n} days they reached the end of the road",
        "[The Long Journey|{h} Sees the World|{h} and {f} on the Road]",
        (
            ("What did {h} take along?", "{h} took {his} {o} along."),
            ("How many days did the journey take?", "The journey took {n} days."),
            ("Who helped {h} across the river?", "{f} helped {h} across the river."),
            ("What strange thing did they see?", "They saw a {beast}."),
        ),
        "[A journey is more fun with a friend.|Even a long road begins with one step.]",
        outside=True,
    ),
    _Plot(
        "[a strange animal|a strange visitor|an unusual animal]",
        "[someone meets a strange animal|a strange animal appears]",
        (
            "[<oneday>, {h} heard a noise {p}.|<oneday>, {h} saw something move {p}.|<oneday>, {h} was walking {p} when something rustled.] [{He} looked closely, and there, {spot}, sat a {beast}.|There, {spot}, {he} saw a {beast}.|And what sat {spot}? It was a {beast}!]",
            '["I have never seen anything like you," said {h}.|"Who are you?" whispered {h}.|{h} stood still and hardly breathed.|{h} rubbed {his} eyes, but it was still there.] [The animal looked hungry and {sad}.|The animal was shaking, and it looked {sad}.|It could not speak, but it looked {sad}.]',
            "[{h} held out some {food}. The animal sniffed at it and ate.|Very slowly, {h} put some {food} on the ground.|{h} ran home and brought some {food}.] [Then it came closer.|After that, it was not afraid any more.|It ate everything and wagged its tail.]",
            '["Where is your home?" asked {h}. The animal looked up at the hills.|"We must find out where it comes from," said {f}, a {fk} who had come to look.|Together with {his} friend {f}, the {fk}, {h} made a bed for it.] [They walked for a long time and asked everyone, until they met {g}.|They asked {g}, who knew all animals.|In the end, {g} had an idea.] ["It lives {p2}," said {g}.|"Bring it to its family. They live {p2}," said {g}.]',
            "[So they brought it there.|They took the animal there before it grew dark.] [Its family was already waiting.|There were many others that looked just like it.|Its mother came running.] [Before it left, the animal gave {h} a {o}.|As a thank-you, the animal left a {o} for {h}.|The next morning, {h} found a {o} at {his} door.] <gladly>",
        ),
        "found a {beast}",
        "{he} brought it back to its family with the help of {g}",
        "[The Strange Visitor|{h} and the Strange Animal|A Very Strange Guest]",
        (
            ("What did {h} find?", "{h} found a {beast}."),
            ("Where did the family of the animal live?", "Its family lived {p2}."),
            ("What did {h} give the animal to eat?", "{h} gave it some {food}."),
            ("What did {h} get from the animal?", "{h} got a {o}."),
        ),
        "[Be kind to those who are different.|A kind deed often comes back to you.]",
        alone=True,
        outside=True,
    ),
    _Plot(
        "[helping a neighbor|a kind helper|someone who needs help]",
        "[someone helps {gi}|a {k} helps a neighbor]",
        (
            "[Next door lived {gi}.|Not far away lived {gi}.|In the same street lived {gi}.] [<oneday>, {h} saw that something was wrong.|<oneday>, {h} heard {g} sigh.|<oneday>, {g} did not come out as usual.]",
            '["What is the matter?" asked {h}.|"Can I do something for you?" asked {h}.|{h} knocked at the door and asked what was wrong.] ["I have hurt my leg," said {g}, "and I cannot fetch my {on}."|"My {o} is too heavy for me," said {g}.|"I left my {o} {p}, and I am too tired to get it," said {g}.]',
            '["I will bring it to you," said {h}.|"Stay here and rest," said {h}. "I will get it."|"Let me do that," said {h} at once.] [{He} ran {p2} and back.|{He} got the {on}, although it began to rain.|{h} carried the {on} home, step by step.|The {on} was heavy, and {h} had to stop {n} times.]',
            "[Then {he} swept the floor and cooked some soup.|{He} also brought some {food} and made tea.|After that, {he} watered the flowers and fed the cat.] [The next day, {h} came again, and this time {he} brought {his} friend {f}, the {fk}.|{f}, a {ft} {fk}, saw it and helped, too.]",
            '[When {g} was well again, {ghe} baked a {cake} for them.|A week later, {g} invited {h} and {f} to eat {cake}.|To say thank you, {g} made a {cake}.] ["You have a good heart," {ghe} said.|"I am lucky to have such neighbors," {ghe} said.|"Nobody has ever been so kind to me," {ghe} said.] <gladly>',
        ),
        "helped {g}, who lived nearby",
        "{g} made a {cake} to say thank you",
        "[The Good Neighbor|{h} Helps|A Helping Hand]",
        (
            ("Who needed help?", "{G} needed help."),
            ("What did {g} bake?", "{G} baked a {cake}."),
            ("What did {h} bring to {g}?", "{h} brought the {on}."),
            ("Who came to help as well?", "{f} came to help as well."),
        ),
        "[A kind deed makes two people happy.|Good neighbors help each other.]",
    ),
    _Plot(
        "[learning to {skill}|someone who wants to {skill}|never giving up]",
        "[someone learns to {skill}|a {k} learns how to {skill}]",
        (
            '[{h} wanted to {skill}, but {he} did not know how.|More than anything, {h} wanted to learn to {skill}.|All {his} friends could {skill}, but {h} could not.|<oneday>, {h} said, "I want to learn to {skill}!"]',
            '[{He} tried it {p}, but it went wrong.|The first try was a disaster.|{He} tried once, twice, three times, and it did not work.] [Some of the others laughed.|"I will never learn it," {he} said.|"It is too hard for me," {he} said.] <sadly>',
            '[Then|<later>,] <meetf> ["I can show you how," said {f}.|"I needed a whole year to learn it," said {f}. "Do not give up!"|"Try it slowly," said {f}. "I will help you."|"Nobody can do it on the first day," said {f}.]',
            "[So they practiced every {day}.|From then on, they practiced for an hour each day.|{f} showed {him} each step, and {h} tried again and again.] [On some days it went well, and on others it did not.|Little by little, it became easier.|{h} made many mistakes, but {he} learned from them.|Sometimes {he} was tired, but {he} kept going.]",
            '[After {n} weeks, {h} tried it once more.|Then came the day when {m} was watching.|One day, after {n} weeks, it suddenly worked.] ["Look at me!" {he} shouted. "I can {skill}!"|And look, {he} could {skill}!|This time, everything went right. {h} could {skill}!] <gladly> ["I knew that you could do it," said {f}.|{f} clapped {fhis} hands.|Nobody laughed now. Everybody clapped.]',
        ),
        "wanted to learn to {skill}",
        "{he} practiced with {f} until {he} could do it",
        "[{h} Does Not Give Up|Practice, Practice|{h} Learns Something New]",
        (
            ("What did {h} want to learn?", "{h} wanted to learn to {skill}."),
            ("Who taught {h} to {skill}?", "{f} taught {h} to {skill}."),
            ("How long did {h} need?", "{h} needed {n} weeks."),
            ("Did it work on the first try?", "No, it did not work on the first try."),
        ),
        "[Do not give up too soon.|Practice makes it easier.]",
        outside=True,
        lasting=True,
    ),
    _Plot(
        "[a wish that goes wrong|a magic {on}|a magic wish]",
        "[a wish goes wrong|someone makes a foolish wish]",
        (
            '[<oneday>, {h} found a {o} {spot}.|<oneday>, {gi} gave {h} a {o}.|<oneday>, {h} bought a {o} {p}.] [It was a magic {on}.|"Make a wish," said a tiny voice inside the {on}.|When {he} touched it, it began to glow, and a voice said, "You have one wish."]',
            '["I wish that everything I touch turns into {food}!" said {h}.|{h} was hungry, so {he} said, "I wish that it rains {food}!"|Without thinking, {h} said, "I wish for more {food} than anyone has ever had!"] [At once, the wish came true.|There was a flash, and it happened.|The {on} hummed, and the wish came true.]',
            "[At first it was wonderful.|{h} laughed and ate.|At first, {h} was delighted.] [But soon {food} lay everywhere: on the roof, in the bed and even in {his} shoes.|But it did not stop. The street was full of {food}.|But after an hour, {he} could not look at {food} any more.] <sadly>",
            '["What have you done?" asked {f}, {his} friend, the {fk}.|{f}, a {ft} {fk}, came running. "Make it stop!" {fhe} cried.] ["I do not know how," said {h}.|"I wish I had never made that wish!" said {h}.|"It was a silly wish," said {h}.] ["Tell the {on} that you are sorry," said {f}.|"Ask the {on} to take it back," said {f}.]',
            '[{h} held the {on} with both hands. "Please let everything be as it was before," {he} said.|"Please take the wish back," {h} begged the {on}.] [The {on} blinked, and everything was normal again.|There was a soft sound, and all was as before.|In a moment, everything was gone.] <gladly> ["Next time I will think before I wish," {he} said.|{He} gave the {on} away and never made such a wish again.|"Enough is enough," {he} said, and everyone laughed.]',
        ),
        "made a foolish wish with a magic {on}",
        "{he} was sorry and everything became normal again",
        "[The Magic {on}|A Foolish Wish|Too Much of Everything]",
        (
            ("What was magic?", "The {o} was magic."),
            ("What did {h} wish for?", "{h} wished for {food}."),
            ("Who told {h} what to do?", "{f} told {h} what to do."),
            ("How did {h} feel in the end?", "{h} felt {glad} in the end."),
        ),
        "[Think before you wish.|Enough is better than too much.]",
    ),
    _Plot(
        "[a lost child|getting lost|someone who is lost]",
        "[someone gets lost|a {k} cannot find the way home]",
        (
            "[<oneday>, {h} went for a long walk {p}.|<oneday>, {h} followed a butterfly {p}.|<oneday>, {h} and {m} were {p}. {h} looked at a {o} for too long.] [When {he} turned around, nothing looked familiar.|Suddenly {he} did not know where {he} was.|Then {he} saw that {he} was all alone.]",
            '["Hello?" {he} called. Nobody answered.|"Where am I?" {he} whispered.|{He} walked to the left, then to the right.] <sadly>',
            '[Then|<later>,] <meetf> <whatswrong> ["I am lost," said {h}.|"I cannot find my way home," said {h}.] ["What can you see from your home?" asked {f}. "A {color} tower," said {h}.|"Do you remember anything near your home?" asked {f}. "There is a {color} gate," said {h}.|"What color is your roof?" asked {f}. "It is {color}," said {h}.]',
            '[They climbed a hill and looked around.|{f} climbed up a tree to look around.|"Let us ask {g}," said {f}. "{Ghe} knows every path."] ["There it is!" cried {f}.|Far away, they saw something {color}.|"I see it!" called {h}.] [Hand in hand, they walked that way.|They walked until their feet hurt.|They took the shortest path.]',
            '[{M} was already standing at the door.|{M} ran to meet them.|At home, {m} had been waiting and worrying.] ["There you are!" {mhe} cried and held {h} tight.|"I am so glad that you are back," {mhe} said.|"Thank you for bringing {h} home," {mhe} told {f}.] <gladly>',
        ),
        "got lost",
        "{f} helped {him} to find the way home",
        "[{h} Is Lost|The Way Home|{h} Finds the Way]",
        (
            ("Who was waiting at home?", "{M} was waiting at home."),
            ("Who helped {h} to get home?", "{f} helped {h} to get home."),
            ("What color did they look for?", "They looked for something {color}."),
            ("Why was {h} {sad}?", "{h} was {sad} because {he} was lost."),
        ),
        "[When you are lost, ask for help.|Stay calm and look around.]",
        outside=True,
    ),
    _Plot(
        "[a quarrel|two friends who quarrel|an argument]",
        "[two friends quarrel and make up|two friends want the same {on}]",
        (
            "[{His} best friend was {f}, a {ft} {fk}.|{He} had a best friend, a {fk} named {f}.|{f}, a {ft} {fk}, was {his} best friend.] [<oneday>, they found a {o} {spot}.|<oneday>, they were {p} and saw a {o}.|<oneday>, {g} left a {o} for them {p}.]",
            '["I saw it first!" said {h}. "No, I did!" said {f}.|"The {on} is mine," said {h}. "No, it is mine," said {f}.|Both of them grabbed it at the same time.] [They pulled and pulled until they fell over.|They shouted so loudly that the birds flew away.|"Then I do not want to be your friend!" cried {f}.] [{h} went to one side, and {f} went to the other.|Each of them went home alone.|They did not speak for {n} hours.]',
            "<sadly> [Playing alone was boring.|It was so quiet without {f}.|{He} tried to {hobby}, but it was no fun.] [{f} felt just the same.|{f} did not have any fun, either.|On the other side of the wall, {f} was sighing, too.]",
            '["A {on} is only a {on}," thought {h}, "but {f} is my friend."|"What is worth more, a {on} or a friend?" asked {m}.|"Why do you not take turns?" asked {g}.] [{h} got up and went to {f}.|{h} ran to find {f}.|So {h} went to say sorry.] [Halfway there they met, and both said, "I am sorry!"|"You can have it," said {h}. "No, you take it," said {f}.|"Let us use it together," said {h}.]',
            "[They laughed, and the quarrel was over.|From now on, {h} had the {on} in the morning and {f} had it in the afternoon.|Then they played with the {on} together.] <gladly>",
        ),
        "quarreled with {f} about a {o}",
        "they said sorry and used it together",
        "[The Quarrel|Two Friends and One {on}|{h} and {f} Make Up]",
        (
            ("What did they quarrel about?", "They quarreled about a {o}."),
            ("Who was {h}'s best friend?", "{f} was {h}'s best friend."),
            ("How did {h} feel after the quarrel?", "{h} felt {sad}."),
            ("What did both friends say at the end?", "They said that they were sorry or wanted to share."),
        ),
        "[A friend is worth more than a thing.|It is good to take turns.]",
    ),
    _Plot(
        "[a treasure|a treasure map|a treasure hunt]",
        "[someone follows a treasure map|a {k} looks for a treasure]",
        (
            '[<oneday>, {h} found an old map {spot}.|<oneday>, a bottle with a map in it floated by.|<oneday>, {m} gave {h} an old map.|<oneday>, an old map fell out of a book.] [There was a red cross on it.|A red cross showed where the treasure was.] ["A treasure!" cried {h}.|{h} could not sit still any longer.]',
            '[{He} showed it to {his} friend {f}, a {fk}.|{His} friend {f}, a {ft} {fk}, wanted to come along.] [They took a spade and some {food} and started.|"Let us go at once," said {f}.|"We need a spade and a lamp," said {f}.]',
            '[First they had to go past a place {p}.|The first arrow led them to a place {p}.|The map led them to a spot {p}.] [There they met {gi}. "Answer my riddle, and I will let you pass," {ghe} said. "What has a neck but no head?" "A bottle!" said {h}.|There {g} stood in the way and asked a riddle: "What gets wetter while it dries?" "A towel!" said {h}.|{G} asked them a riddle. "What has hands but cannot clap?" "A clock!" said {h}.]',
            "[Then they counted {n} steps, just as the map said.|After {n} more steps, they saw the place.] [The cross was {p2}.|They came to the right spot {p2}.] [They dug until their arms hurt.|They dug a deep hole.|They took turns with the spade.] [At last, they hit something hard.|Clonk! There was a chest.]",
            '[In the chest lay no gold, but a {o}.|They opened it and found a {o} and a letter.|Inside was a {o}.] [A note said: "The real treasure is the friend at your side."|{h} and {f} looked at each other and laughed.|"It is beautiful," whispered {f}.] <gladly>',
        ),
        "followed a treasure map",
        "{he} and {f} found a {o} {p2}",
        "[The Treasure Map|{h} and the Treasure|The Red Cross]",
        (
            ("What was in the chest?", "There was a {o} in the chest."),
            ("Who went with {h}?", "{f} went with {h}."),
            ("How many steps did they count?", "They counted {n} steps."),
            ("Who asked a riddle?", "{G} asked a riddle."),
            ("Where did they dig?", "They dug {p2}."),
        ),
        "[The best treasure is a good friend.|Clever friends find the way.]",
        outside=True,
    ),
    _Plot(
        "[a little one who wants to be big|being small|being different]",
        "[a small hero saves the day|someone small does something great]",
        (
            '[{h} was smaller than all the others.|Nobody was as small as {h}.|{h} was the smallest of all.] ["You are too small to help," they always said.|"You are too little to play with us," the others said.|The others never let {him} join in.] <sadly>',
            "[<oneday>, {f}, a big {fk}, dropped {fhis} {o} into a deep, narrow hole {p}.|<oneday>, {f}, a big {fk}, came by, and {fhis} {o} slid into a narrow crack {p}.] [Everybody tried to get it, but no one could reach it.|The others pushed and pulled, but their arms were too thick.|They tried with sticks and ropes. Nothing worked.]",
            '["Let me try," said {h}.|"I can fit in there," said {h}.|Then {h} stepped forward. "I will do it," {he} said.] [The others looked at each other.|Some of them smiled.|"You?" asked {f}.] [They tied a rope around {him} and let {him} down.|{h} took a deep breath and slipped in.|{h} made {self} thin and climbed down.]',
            '[It was dark and damp down there.|It was so dark that {he} could see almost nothing.|Something tickled {his} nose, but {he} went on.] [Then {he} felt the {on} and held it tight.|At the very bottom lay the {on}.|There was the {on}! {He} picked it up.] ["Pull me up!" {he} called.|Slowly {he} climbed back up.]',
            '["Hooray for {h}!" everyone shouted.|{f} was overjoyed to have the {on} back.|Everyone clapped and cheered.] ["You are small, but you are a hero," said {f}.|"We were wrong about you," said {f}.|"Please play with us tomorrow," said {f}.] <gladly>',
        ),
        "was always told that {he} was too small",
        "{he} got {f}'s {o} out of a narrow hole",
        "[The Small Hero|Little {h}|Small but Brave]",
        (
            ("What fell into the hole?", "A {o} fell into the hole."),
            ("Whose {on} was it?", "It was {f}'s {on}."),
            ("Why could {h} get the {on}?", "{h} could get it because {he} was small."),
            ("How did {h} feel at the end?", "{h} felt {glad}."),
        ),
        "[Even a small one can do great things.|Everyone is good at something.]",
        outside=True,
        lasting=True,
    ),
    _Plot(
        "[baking a {cake}|a {cake}|a kitchen adventure]",
        "[someone bakes a {cake}|a {k} bakes for a friend]",
        (
            '[<oneday>, {h} wanted to bake a {cake} for {m}.|<oneday>, {h} had an idea: "I will bake a {cake} for {m}!"|{M} was ill, so <oneday>, {h} wanted to bake {mhim} a {cake}.] [{He} put on an apron and got the biggest bowl.|{He} washed {his} hands and opened the old cookbook.|{He} put flour, eggs and sugar on the table.]',
            "[{f}, a {ft} {fk}, came to help.|{His} friend {f}, the {fk}, helped {him}.] [{f} broke the eggs, and {h} stirred.|{h} measured the flour, while {f} stirred.] [But then the bag of flour fell down. Everything was white!|But then {h} took salt instead of sugar.|But they forgot the time, and the {cake} turned black.] <sadly>",
            '["We look like two snowmen," said {f}, and both of them laughed.|"Never mind," said {f}. "We will try again."|"What now?" asked {h}. "Now we begin again," said {f}.] [This time they read every line twice.|They cleaned the kitchen and started once more.|The second time, they worked slowly and carefully.]',
            "[Soon a sweet smell filled the house.|After an hour, the {cake} came out of the oven.|They sat in front of the oven and waited.] [It was golden and smelled wonderful.|It was a bit crooked, but it smelled wonderful.|On top they put a {color} candle.]",
            '[They carried it to {m}.|Then they called {m}.] ["Is that for me?" {mhe} asked.|"I have never tasted a better {cake}," {mhe} said.|{Mhe} took a bite and closed {mhis} eyes. "Delicious!" {mhe} said.] <gladly>',
        ),
        "baked a {cake} for {m}",
        "although the first try went wrong, the second one was delicious",
        "[The {cake}|{h} Bakes a Cake|Flour Everywhere]",
        (
            ("What did {h} bake?", "{h} baked a {cake}."),
            ("Who was the {cake} for?", "It was for {m}."),
            ("Who helped {h} in the kitchen?", "{f} helped {h} in the kitchen."),
            ("Did everything go well the first time?", "No, something went wrong the first time."),
        ),
        "[If something goes wrong, try again.|A gift from the heart is the best.]",
    ),
    _Plot(
        "[the first snow|snow|winter fun]",
        "[it snows for the first time|two friends play in the snow]",
        (
            "[One winter morning, {h} woke up, and everything was quiet.|One morning in December, {h} looked out and could not believe {his} eyes.|One cold morning, {h} opened the door.] [The whole world was white.|Snow lay on the roofs, the trees and the path.|Thick white flakes were falling.]",
            '["Snow!" shouted {h}.|"Get up, everybody, it has snowed!" {h} called.|{h} had waited for this all year.] [{He} put on {his} warm coat and ran outside.|Quickly {he} got {his} warm coat and ran out.] [{p}, {he} met {his} friend {f}, a {fk}.|{f}, a {ft} {fk}, was already waiting {p}.]',
            "[They threw snowballs and laughed.|They rolled down the hill until they looked like snowballs.|First they drew pictures in the snow.] [Then they built a snowman with a {color} hat.|After that, they built a snowman and gave him a {color} scarf.]",
            '["He looks lonely," said {h}.|"He has no nose," said {f}.|"Something is missing," said {f}.] [So {h} fetched a carrot and a {o}.|{h} ran home and came back with a {o} for him.|{h} gave him {his} own {o}.] [Now the snowman looked happy.|"Now he is perfect," said {h}.|"Good day, Mr. Snow," said {f} with a bow.]',
            "[When their hands were cold, they went inside.|At noon, {m} called them in.|As it grew dark, they went home.] [{M} had made hot cocoa and some {food}.|There was hot tea, and there was {cake} for everyone.|They warmed their feet by the fire.] <gladly>",
        ),
        "woke up and saw the first snow",
        "{he} and {f} built a snowman and gave him a {o}",
        "[The First Snow|{h} in the Snow|The Snowman with the {on}]",
        (
            ("What did {h} and {f} build?", "They built a snowman."),
            ("What did {h} give the snowman?", "{h} gave him a {o}."),
            ("Where did {h} meet {f}?", "{h} met {f} {p}."),
            ("What color did the snowman wear?", "The snowman wore something {color}."),
        ),
        "[Winter is more fun with a friend.|Small things can make a day special.]",
        outside=True,
    ),
)


@dataclass(frozen=True, slots=True)
class Story:
    """A told story: its beats in order, its plot and its world."""

    plot: _Plot
    slots: Slots
    beats: tuple[str, ...]

    @property
    def text(self) -> str:
        """The beats as one paragraph."""
        return " ".join(self.beats)


def make_story(random: Random, moral: float = 0.15) -> Story:
    """A story with everything that is true in it."""
    plot = random.choice(_PLOTS)
    slots = _world(random, plot.who, _OUTDOORS if plot.outside else _PLACES)
    beats = [write("<open> <habit>", slots, random), *(write(beat, slots, random) for beat in plot.beats)]
    if end := write("<endalone>" if plot.alone else "<end>", slots, random):
        beats.append(end)
    if random.random() < moral:
        beats.append(write(plot.moral, slots, random))
    return Story(plot, slots, tuple(beats))


def story(random: Random) -> str:
    """A story in one paragraph or, now and then, in several."""
    told = make_story(random)
    return ("\n\n" if random.random() < 0.15 else " ").join(told.beats)


def _brief(told: Story, random: Random) -> str:
    """The story in three sentences."""
    first = "[Once there was a {t} {k} named {h} who lived {home}.|{h} was a {t} {k} who lived {home}.|{home}, there lived a {t} {k} called {h}.]"
    did, then = told.plot.did, told.plot.then
    if "{f}" not in did and "{f}'s" not in then:
        then = then.replace("{f}", "{f} the {fk}", 1)
    when = "" if told.plot.lasting else "<oneday>, "
    return write(f"{first} {when}{{he}} {did}. [In the end,|At last,|In the end,] {then}.", told.slots, random)


def _short(told: Story, random: Random) -> str:
    return write(
        f"{{h}}[| the {{k}}|, a {{t}} {{k}},] {told.plot.did}, [and in the end|and at last|and in the end] {told.plot.then}.",
        told.slots,
        random,
    )


def _title(told: Story, random: Random) -> str:
    small = ("and", "the", "of", "for", "to", "a", "on", "in", "with", "about", "not", "but", "as")
    title = write(told.plot.title, told.slots, random).split(" ")
    return " ".join(word if i and word in small else word[0].upper() + word[1:] for i, word in enumerate(title))


POOLS |= {
    "weather": (
        "the sun is shining",
        "it is raining softly",
        "the wind is blowing",
        "it is cold outside",
        "the sky is gray",
        "it is a warm day",
        "there is fog over the fields",
        "white clouds are passing by",
        "it has just stopped raining",
        "snow is falling",
    ),
    "weatherpast": (
        "The sun was shining.",
        "It rained all day.",
        "It was windy and cool.",
        "It was very hot.",
        "There was fog in the morning.",
        "The sky was blue and clear.",
        "It was cold, but dry.",
        "A few drops of rain fell.",
        "Snow lay on the roofs.",
        "It was a mild day.",
    ),
    "meal": (
        "bread and cheese",
        "soup",
        "noodles with tomato sauce",
        "rice and vegetables",
        "pancakes",
        "potatoes and fish",
        "a big salad",
        "eggs and toast",
        "bean stew",
        "an omelet",
        "chicken with peas",
        "apple pancakes",
    ),
    "drink": ("tea", "milk", "apple juice", "hot cocoa", "water with lemon", "orange juice"),
}


_SETTINGS = tuple(
    (_cells(where), _cells(what))
    for where, what in (
        (
            "in the kitchen|in the living room|at home|in a small flat|in the house of a friend|in a mountain hut|in a cottage by the sea|at their grandmother's house",
            "reading a book|drawing a picture|baking a cake|watering the plants|feeding the cat|washing the dishes|sweeping the floor|playing the piano|writing a letter|peeling potatoes|setting the table|folding the laundry|knitting a scarf|playing cards|cleaning the window|cooking soup|making tea|eating a sandwich|looking at photos|talking on the phone|listening to the radio|doing a puzzle|singing a song|sewing a button|polishing shoes|sitting by the window|looking for a key|hanging up a picture|slicing bread|pouring juice|stirring the soup|rolling the dough|wrapping a present|repairing a chair|lighting a candle|opening a parcel|doing homework|learning a poem|practicing the violin|playing chess|tidying the shelf|packing a suitcase|cutting out stars|making the bed|studying a map|telling a story",
        ),
        (
            "in the park|in the garden|at the playground|in the meadow|on the farm|in the orchard|behind the house|in the schoolyard|by the lake|in the village square|at the edge of the wood",
            "flying a kite|picking apples|cutting the grass|raking leaves|digging a hole|planting a tree|carrying a basket|pushing a cart|riding a bike|walking the dog|brushing a horse|collecting stones|throwing a ball|jumping rope|climbing a tree|reading a newspaper|eating an ice cream|watching the ducks|feeding the hens|taking photos|drawing a map|telling a joke|blowing bubbles|bouncing a ball|painting a fence|whistling a tune|looking for a lost ring|sitting on a bench|eating an apple|talking to a neighbor|sleeping in the shade|picking flowers|watering the beans|repairing a bike|playing the guitar|chasing a hen|counting the birds|listening to a robin",
        ),
        (
            "at the beach|on the shore|at the harbor|on the island|by the sea|on the pier",
            "building a sandcastle|swimming|catching a fish|rowing a boat|mending a net|collecting shells|reading a book|eating an ice cream|taking photos|looking at the waves|painting a boat|flying a kite|sleeping in the sun|feeding the seagulls|playing with a ball|drying a towel|digging a deep hole|watching the ships|drinking lemonade|putting on a hat|looking through a telescope|waiting for the ferry|carrying a bucket|counting the boats",
        ),
        (
            "at the market|on the main street|at the train station|in the shop|at the bus stop|in the shopping center|in front of the bakery",
            "buying bread|choosing apples|counting coins|waiting for the bus|asking for help|trying on a hat|buying stamps|selling flowers|writing a list|carrying a heavy bag|reading a sign|looking for a ticket|eating a roll|talking to an old friend|drinking coffee|paying for a newspaper|pushing a bicycle|holding a balloon|looking at a clock|paying for some cheese|packing a basket|telling a joke|looking for a blue umbrella|buying a birthday card",
        ),
        (
            "in the classroom|at school|in the library|in the art room",
            "reading a book|drawing a map|writing a story|cleaning the board|doing a puzzle|cutting paper|painting a picture|sharpening a pencil|learning a poem|counting to a hundred|looking for a pen|gluing a model plane|building a tower|looking at a globe|feeding the goldfish|packing a bag|singing softly|playing chess|folding a paper boat|practicing new words|watering the plants|whispering with a friend|opening the window|telling the teacher a joke",
        ),
    )
)


@dataclass(frozen=True, slots=True)
class _Scene:
    text: str
    asks: tuple[tuple[str, str], ...]


def _scene(random: Random) -> _Scene:
    """Some people in one place, each busy with one thing."""
    count = random.choice([2, 3, 3, 4])
    places, doings = random.choice(_SETTINGS)
    deeds = random.sample(doings, count)
    place = random.choice(places)
    time = random.choice(
        "in the morning|in the afternoon|in the evening|early in the morning|before lunch|after lunch|late in the afternoon|on Sunday morning|on Saturday afternoon|on a day off".split(
            "|"
        )
    )
    names: list[str] = []
    while len(names) < count:
        name = random.choice(words.GIRLS if random.random() < 0.5 else words.BOYS)
        if all(name[0] != other[0] for other in names):
            names.append(name)
    joinable = False
    weather = random.choice(POOLS["weather"])
    people = _listed(names)
    lines = [write(random.choice([
        f"It is {time.removeprefix('on ') if time.startswith('on ') else time}, and {weather}. {people} are {place}."if time.startswith("on ") else f"{people} are {place} {time}, and {weather}.",
        f"{time}, {people} are {place}.", f"{people} are together {place}. {weather[0].upper() + weather[1:]}.", f"{place}, there are {people}. {weather[0].upper() + weather[1:]}.",
        f"{people} have met {place}.",
    ]), {}, random)]  # fmt: skip
    asks = [
        (f"Where {'is' if count == 1 else 'are'} {people}?", f"They are {place}."),
        (f"How many people are {place}?", f"There are {('two', 'three', 'four')[count - 2]} people {place}."),
    ]
    for name, deed in zip(names, deeds, strict=True):
        now = deed
        he = "she" if name in words.GIRLS else "he"
        form = random.choice(["{} is {}.", "{} is {}.", "{} is {}.", "{} is {} right now."])
        if joinable and random.random() < 0.5:
            lines[-1] = f"{lines[-1][:-1]}, {random.choice(['and', 'while', 'and'])} {form.format(name, now)}"
            joinable = False
        else:
            lines.append(form.format(name, now))
            joinable = True
        if random.random() < 0.3:
            extra = "{X} [looks happy.|is humming a song.|does that nearly every day.|is not in a hurry.|wants to be done soon.|is a bit tired.|takes a short break now and then.|has been at it for an hour.|is wearing a {color} sweater.|enjoys it very much.|often laughs.]"
            lines.append(write(extra, {"x": he, "color": random.choice(_COLORS)}, random))
            joinable = False
        asks += [(f"What is {name} doing?", f"{name} is {now}."), (f"Who is {now}?", f"{name} is {now}.")]
    ending = write(
        "[||Soon they will [eat|go home|have some tea|take a break] together.|Later, all of them want to [take a walk|have lunch|play cards|drink tea].|A clock strikes in the distance.|Everyone is in a good mood.|From time to time, someone tells a joke.|A dog is lying in the corner.|Everything is peaceful.|Nobody is in a hurry.]",
        {},
        random,
    )
    if ending:
        lines.append(ending)
    return _Scene(_finish(" ".join(lines)), tuple(asks))


def scene(random: Random) -> str:
    """An everyday scene in the present tense."""
    return _scene(random).text


_DAY_PARTS = (
    "[In the morning|After breakfast|First|At nine o'clock|Before lunch], {who} {a}[.| {p}.|, and then {he} {b}.]",
    "[At noon|For lunch|At half past twelve|In the middle of the day], {there} [ate|had] <meal>[ and drank <drink>.|.| and then had some tea.]",
    "[In the afternoon|After that|Later|At three o'clock], {who} {c}[.| with {f}.|, and {f} {d}.| because {he} had promised it.]",
    "[On the way home|A little later|Around five o'clock|Before it grew dark], {who} [met {f} {p2}.|saw a {o} in a shop window.|bought some {food}.|sat down {p2} for a while.|forgot {his} bag {p2} and had to go back.|helped {f} to carry a {on2}.]",
    "[In the evening|After dinner|At the end of the day|Before bed], {who} {e}[.| and went to bed early.| and talked about the day.| and then read for a while.]",
)


def day(random: Random) -> str:
    """A diary page or the day of one person."""
    slots = _world(random, "child")
    picked = [past(deed) for deed in random.sample(_DEEDS, 5)]
    slots |= dict(zip("abcde", picked, strict=True))
    own = random.random() < 0.5
    if own:
        slots |= {"who": "I", "there": "we", "he": "I", "him": "me", "his": "my", "m": f"my {slots['mk']}", "was": "was"}
        head = "[Dear diary, today was a [good|long|quiet|busy|strange|fine|wonderful] day.|{day}: <weatherpast>|Today was {day}. <weatherpast>|Dear diary! <weatherpast>|I want to write down what happened today.|Today I got up at [six|seven|eight] o'clock. <weatherpast>]"
        tail = "[It was a good day.|I am {glad} that it went so well.|Now I am tired. Good night!|Tomorrow I want to {hobby}.|I hope that tomorrow will be just as nice.|I will never forget it.|Now I will turn off the light.|The best part was that {f} was there.|]"
    else:
        slots |= {"who": slots["he"] if random.random() < 0.5 else slots["h"], "there": slots["h"]}
        head = "[On {day}, {h} got up at [six|seven|eight] o'clock. <weatherpast>|{h} woke up early on {day}. <weatherpast>|{Day} was a [quiet|busy|long|good|normal] day for {h}. <weatherpast>|This is how {h} spent {his} {day}. <weatherpast>|It was {day}, and {h} had a lot to do.]"
        tail = '[It had been a good day.|{h} was tired, but {glad}.|Then {h} fell asleep.|"What a nice day," thought {h}.|Tomorrow {he} would {hobby}.|That was {h}\'s {day}.|]'
    keep = [part for part in _DAY_PARTS if random.random() < 0.85] or list(_DAY_PARTS)
    return write(" ".join([head, *keep, tail]), slots, random)


_ANIMAL_ROWS, _THING_ROWS, _PLACE_ROWS, _JOB_ROWS, _SEASON_ROWS = (
    _rows(text) for text in (words.ANIMAL_FACTS, words.THING_FACTS, words.PLACE_FACTS, words.JOB_FACTS, words.SEASON_FACTS)
)
_ABOUT: tuple[tuple[list[list[str]], tuple[str, ...]], ...] = (
    (_ANIMAL_ROWS, ("[A {0} is an animal with {1}.|A {0} has {1}.|You can tell a {0} by this: it has {1}.]", "[It lives {2}.|You can find it {2}.|Its home is {2}.]", "[It eats {3}.|It likes to eat {3}.|Its food is {3}.]", "[It can {4}.|A {0} can {4}.|One special thing about it is that it can {4}.]")),
    (_THING_ROWS, ("[A {0} {1}.|A {0} is a useful thing. It {1}.|Everybody knows what a {0} looks like. It {1}.]", "[We use it to {2}.|People use it to {2}.|With a {0}, you can {2}.|It helps us to {2}.]", "[You often find it {3}.|Most often you see it {3}.|Usually it is {3}.]")),
    (_PLACE_ROWS, ("[At a {0}, there is a lot to see: {1}.|In or near a {0}, you can see {1}.|When you think of a {0}, you think of {1}.]", "[You can hear {2}.|If you listen, you hear {2}.|There is the sound of {2}.]", "[People go there to {3}.|It is a place where people {3}.|Here people {3}.]")),
    (_JOB_ROWS, ("[A {0} {1}.|A {0} is a person who {1}.|The work of a {0} is important. A {0} {1}.]", "[For this work, a {0} needs {2}.|A {0} often uses {2}.|Important tools are {2}.]", "[A {0} works {3}.|You can meet a {0} {3}.]")),
    (_SEASON_ROWS, ("[{0} is the time when {2}.|In {0}, {2}.]", "[The months of {0} are {1}.|{0} comes in {1}, at least in the north.]", "[Children like to {3}.|It is a good time to {3}.]", "[In nature, {4}.|At this time, {4}.]")),
)  # fmt: skip
_NUMBERED = [f"x{i}" for i in range(5)]


def _describe(random: Random) -> tuple[str, str]:
    """What is described, and the description."""
    rows, lines = _ABOUT[random.choice([0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 4])]
    row = random.choice(rows)
    text = " ".join(line for i, line in enumerate(lines) if i < 1 or random.random() < 0.85)
    slots = {f"x{i}": cell for i, cell in enumerate(row)}
    for i in range(len(row)):
        text = text.replace(f"{{{i}}}", f"{{x{i}}}")
    subject = row[0] if rows is _SEASON_ROWS else f"a {row[0]}"
    return _finish(subject)[0].lower() + _finish(subject)[1:], write(text, slots, random)


def description(random: Random) -> str:
    """What an animal, a thing, a place, a job, a season or one particular thing is like."""
    if random.random() < 0.45:
        return _describe(random)[1]
    slots = _world(random)
    slots |= {"e1": random.choice(_DEEDS), "e2": random.choice(_HOBBIES)}
    return write(random.choice(_PICTURES), slots, random)


_PICTURES = (
    "{h} has a {o}. [It was a present from {m}.|It is not new, but {he} likes it.|{He} bought it {p}.|{He} found it {spot}.|It once belonged to {m}.] [It [lies|stays|is] on a shelf next to a {o2}.|At night, it is next to the bed.|It is as light as a feather.|There is a small {color} mark on it.] [{He} would never give it away.|Sometimes {he} lends it to {f}.|When {he} looks at it, {he} is {glad}.|Every {day}, {he} cleans it with a soft cloth.]",
    "{h} is a {t} {k} who lives {home}. {He} [has|wears] a {color} [hat|scarf|jacket|coat|sweater] and always carries a {o}. [In {his} free time|On {day}|When {he} has time], {he} likes to {hobby}. [{His} friends say that {he} is {t2}, too.|{His} best friend is {f}, a {ft} {fk}.|Everybody knows {him} {p}.|{He} does not like to get up early.|Most days, {he} eats {food} for breakfast.]",
    "[In the room of {h}, there is|In the house of {h}, you can see] a {color} [bed|chair|table|sofa|cupboard] and a {o}. [Next to it stands a {on2}.|On the wall hangs a picture of a {fk}.|The window looks out on a garden.|The curtains are old, but pretty.] [It is always tidy.|It is a little messy.|It smells of {food}.|It is quiet and warm.] [Here {h} likes to {e1}.|In the evening, {h} sits here and thinks.|This is where {h} does {his} work.|{h} likes this place best.]",
    "{p}, [it is quiet in the morning.|there is a lot to see.|a bench stands in the shade.|people meet every {day}.|you can hear birds.] [An old {k} likes to {hobby} here.|A {t} {k} often comes by with a {o}.|A {fk} has made its home here.] [In summer, it smells of flowers.|In autumn, red leaves lie on the ground.|In winter, everything is white.|In spring, the first flowers open.|When it rains, nobody is here.] [I like this place.|It is a good place for a rest.|Children come here to play.|If you have time, you should go there.]",
)
_HOWTO = [(what, steps.split(";")) for what, steps in _rows(words.HOWTO)]
_MAKING = [(what, text) for what, text in _rows(words.MAKING)]


def howto(random: Random) -> str:
    """How a thing is done or made, in running text."""
    if random.random() < 0.25:
        what, text = random.choice(_MAKING)
        tail = write("[.|. So much work is behind it.|. That is how it is made.|. It takes time, but it is worth it.]", {}, random)
        return f"{what} {text}{tail}"
    what, steps = random.choice(_HOWTO)
    return _steps_as_prose(what, steps, random)


def _steps_as_prose(what: str, steps: list[str], random: Random) -> str:
    head = write("[It is easy to {w}.|This is how to {w}.|Do you want to {w}? Here is how.|To {w}, you need a little time.|Anyone can {w}.|{h} wants to {w}. \"I will show you,\" says {m}.|When I want to {w}, I do it like this.|If you want to {w}, do it step by step.|Here is a simple way to {w}.]",
                 {"w": what, "h": random.choice(words.GIRLS + words.BOYS), "m": "the teacher"}, random)  # fmt: skip
    lines = []
    for i, step in enumerate(steps):
        lead = (
            "First"
            if i == 0
            else random.choice(["At last", "Finally", "In the end"])
            if i == len(steps) - 1
            else random.choice(["Then", "Next", "After that", "Now", ""])
        )
        lines.append(_sentence(f"{lead}, {step}" if lead not in ("", "Then", "Now") else f"{lead} {step}".strip()))
    tail = write(
        "[||That is all.|It takes only a little while.|It becomes easier each time.|Have fun!|Now you are done.|If it does not work at once, try again.]",
        {},
        random,
    )
    return f"{head} {' '.join(lines)} {tail}".strip()


# what it is about | lines by A and B in turn
_TALKS = (
    ("a lost {on}", ("[Have you seen my {o}?|I cannot find my {o}. Have you seen it?|My {o} is gone! Have you seen it?]", "[No, I have not. Where did you have it last?|I am not sure. Where did you see it last?|No. Where did you leave it?]", "[I had it {p}.|This morning, {p}, I still had it.|I think it was {p}.]", "[Then let us look there together.|Come, we will look there.|Did you look {spot}?]", "[Good idea! Thank you.|You are right. There it is!|Thank you. You are a great help.]")),
    ("the weather", ("[It is so {cold} today.|What {cold} weather!]", "[Yes, and it will be the same tomorrow.|I do not mind it. I like such days.|I feel the same.]", "[Shall we stay at home then?|Do you want to go out anyway?|What can we do today?]", "[Let us {x}.|We could {x}.|I would like to {x}.]", "[That sounds good.|Yes, let us do that!|All right, I will come along.]")),
    ("a visit to the market", ("[Good morning! What would you like?|Hello! How can I help you?|Good day! What can I do for you?]", "[I would like some {food}, please.|Do you have any {food}?|Some {food}, please.]", '[Of course. Anything else?|Yes, everything is fresh today. Is that all?|Here you are. Would you like a {cake} as well?]', "[No, thank you. How much is it?|That is all. What does it cost?|Yes, please. How much is that?]", "[{N} dollars, please.|That is {n} dollars.|It is only {n} dollars today.]", "[Here you are. Goodbye!|Thank you, and have a nice day!|Here is the money. Thank you!]")),
    ("a plan for {day}", ("[Do you have time on {day}?|Are you free on {day}?|Could we meet on {day}?]", "[Yes, I have no plans yet. Why?|I think so. What is it about?|Yes, in the afternoon. Why do you ask?]", "[I want to {x}. Will you join me?|Shall we {x} together?|We could {x} {p}.]", "[I would love to. When shall we meet?|Yes, with pleasure! At what time?|What a good idea! When do we start?]", "[At {n} o'clock, {p2}.|Let us meet {p2} at {n} o'clock.]", "[Good, see you then!|I will be there.|Fine. I am looking forward to it.]")),
    ("homework", ("[This exercise is too hard for me.|I do not understand this.|Can you help me with my homework?]", "[Let me see. What do you have to do?|Let us look at it together. What is it about?|Show it to me, please. What is the task?]", "[I have to write about a {o}.|I must learn ten new words.|I need to describe a {k}.]", "[Start with something that you know.|We can do it step by step.|I had to do that last year. It is not so hard.]", "[Now I see. Thank you!|Oh, that is easy!|You explain it very well.]")),
    ("a new pet", ('[I have a new {pet}!|Guess what: we have a {pet} now!]', "[Really? What is its name?|How lovely! What do you call it?]", "[Its name is {pn2}.|We call it {pn2}.]", "[What is it like?|Tell me more about it.|What does it do all day?]", "[It is small and {color2}, and it sleeps a lot. Come and see it!|It likes to play with my {on}. You can come and pet it.|It is very gentle, and it likes to hide. Do you want to see it?]", "[Yes, I will come right after school.|Yes, I would love to!|I will come tomorrow.]")),
    ("being tired", ("[You look tired.|Are you all right? You look sleepy.]", "[I did not sleep well.|I slept only a few hours.|I was awake half the night.]", "[What happened?|Why was that?|Were you worried about something?]", "[I was reading about a {k} and could not stop.|The wind was too loud.|I had to think about {day} all the time.]", "[You should go to bed early tonight.|Drink some warm milk this evening.|Take a little rest now.]", "[Yes, I will do that.|You are right.|That is a good idea.]")),
    ("saying sorry", ("[I am sorry that I broke your {on}.|I am sorry. I left your {o} out in the rain.]", "[Oh no! How did that happen?|That makes me a little sad.|It was my favorite {on}.]", "[I was not careful.|I fell down with it.|I was in a hurry.]", "[Thank you for telling me.|Well, it was an accident.|It can happen to anyone.]", "[May I give you my {o2} instead? Are you still my friend?|I am really sorry. Are you still my friend?|Can you forgive me?]", "[Of course! We will always be friends.|Yes, of course.|Of course. Do not worry about it.]")),
    ("asking the way", ("[Excuse me, where is the {station}?|Can you tell me the way to the {station}, please?]", "[Go straight ahead and then turn left.|It is behind the church, on the right.|Take the second street on the right.]", "[Is it far?|How long does it take?|Can I walk there?]", "[No, only {n} minutes on foot.|It takes about {n} minutes.]", "[Thank you very much!|Thanks for your help!]", "[You are welcome.|Have a nice day!]")),
    ("lunch", ("[I am hungry. What is there to eat?|What are we having for lunch?]", "[Today we are having <meal>.|I made <meal>.|I am making <meal>.]", "[That smells good! May I help you?|Again? We had that on {day}.|I love that. Is it ready?]", "[You could set the table.|Please wash your hands first.|In {n} minutes we can eat.]", "[All right!|I will do it at once.|Good, I cannot wait.]")),
    ("a book", ("[What are you reading?|Is that a new book?]", "[It is about a {t} {k}.|It is the story of a {k} who finds a {o}.|It is about a {beast}.]", "[Is it good?|Do you like it?|Is it exciting?]", "[Yes, I cannot put it down.|It is a bit sad, but very good.|The beginning was slow, but now I like it.]", "[Can I borrow it when you are done?|May I read it after you?|Will you lend it to me?]", "[Of course.|Yes, you can have it on {day}.|Gladly. I have almost finished it.]")),
    ("a present", ("[It is {ff}'s birthday soon. What shall we give?|We need a present for {ff}.]", "[What about a {o}?|A {o} would be nice.|Maybe a {cake}?]", "[We gave that last year.|I am not sure.|That is a good idea, but is it not too expensive?]", "[Then let us make a {o2} ourselves.|We could buy a {o2} together.|Let us ask {ff}'s family.]", "[Yes, that is perfect.|Great! I will bring some paper and a ribbon.|Good. I will draw a card.]")),
    ("a trip", ("[How was your trip?|You are back! How was it?]", "[It was wonderful. We were {p} every day.|It was good, although it rained for {n} days.|Very nice. We saw a {beast}!]", "[What did you like best?|What did you do there?]", "[I liked it best when we could {x}.|We could {x} all day.]", "[Next time I want to come along.|That sounds nice. I am glad that you are back.|How lovely! I missed you.]", "[Look, I brought you a {o}.|I have a {o} for you, too.|It is good to see you again.]")),
    ("feeling ill", ("[I do not feel well.|My head hurts.|I have a sore throat.]", "[Since when?|Oh dear! Since when?|You poor thing! Since when?]", "[Since this morning.|Since {day}.|Since last night.]", "[Lie down, and I will make you some tea.|You should stay in bed today.|Let us call the doctor.]", "[Thank you. That is kind.|But I wanted to {x}!|All right, if I must.]", "[Get well soon!|You will soon feel better.|Sleep is the best medicine.]")),
    ("meeting for the first time", ("[Hello, I am {aa}. What is your name?|Hi! My name is {aa}. And you?]", "[I am {bb}. I am new here.|My name is {bb}. Nice to meet you.]", "[What do you like to do?|Do you have a hobby?|What do you do in your free time?]", "[I like to {x}.|I live near the {station}, and I like to {x}.]", "[Me too! Shall we do that together?|How nice! So do I. Shall we be friends?|That sounds like fun. Can we do it together some day?]", "[I would like that.|Yes, please!|Gladly!]")),
)  # fmt: skip


def _talk(random: Random) -> tuple[str, Slots, list[tuple[str, str]]]:
    """What a talk is about, its world, and who says what."""
    topic, lines = random.choice(_TALKS)
    slots = _world(random)
    she, other = random.random() < 0.5, random.random() < 0.5
    slots["a"] = _name(random, she)
    slots["b"] = _name(random, other, slots["a"])
    slots["ff"] = _name(random, random.random() < 0.5, slots["a"])
    while slots["ff"][0] in (slots["a"][0], slots["b"][0]):
        slots["ff"] = _name(random, random.random() < 0.5)
    slots |= {
        "aa": slots["a"],
        "bb": slots["b"],
        "x": random.choice(_HOBBIES),
        "cold": random.choice("cold hot windy rainy warm foggy".split()),
    }
    slots |= {
        "pet": random.choice("cat dog rabbit hamster parrot kitten puppy turtle pony".split()),
        "pn2": random.choice("Luna Pepper Snowball Rex Ginger Misty Biscuit Coco".split()),
    }
    slots |= {
        "color2": random.choice(["brown", "black", "white", "gray"]),
        "station": random.choice(["station", "library", "museum", "post office", "market", "school", "zoo", "bakery", "town hall", "park"]),
    }

    slots["ahe"], slots["bhe"] = "she" if she else "he", "she" if other else "he"
    return write(topic, slots, random), slots, [("ab"[i % 2], write(line, slots, random)) for i, line in enumerate(lines)]


def talk(random: Random) -> str:
    """A small talk between two people, told as prose."""
    _, slots, lines = _talk(random)
    head = write(
        "[{a} and {b} met {p2}.|{a} was sitting {p2} when {b} came by.|{a} came to see {b}.|On {day}, {a} and {b} stood {p2}.|{b} was {p2}. {a} came in.|||]",
        slots,
        random,
    )
    told = []
    for i, (who, line) in enumerate(lines):
        name = slots[who]
        verb = (
            random.choice(["asked", "asked", "wanted to know"])
            if line.endswith("?")
            else random.choice(["said", "called", "cried"])
            if line.endswith("!")
            else random.choice(["said", "answered" if i else "said", "replied" if i else "said"])
        )
        spoken = f'"{line[:-1]},"' if line.endswith(".") else f'"{line}"'
        if i > 1 and random.random() < 0.3:
            told.append(f'"{line}"')
        elif i > 1 and slots["ahe"] != slots["bhe"] and random.random() < 0.3:
            told.append(f"{spoken} {slots[who + 'he']} {verb}.")
        else:
            told.append(f"{spoken} {name} {verb}." if verb == "wanted to know" or random.random() < 0.3 else f"{spoken} {verb} {name}.")
    return f"{head} {' '.join(told)}".strip() if random.random() < 0.7 else "\n".join([*([head] if head else []), *told])


# what is asked for | body
_LETTERS = (
    ("[a thank-you note|a thank-you letter|a short thank-you note] to {b} for [the|a] {o}", "[Thank you very much for the {o}.|Many thanks for the beautiful {o}.|I was so happy about the {o}. Thank you!] [I use it every day.|It is just what I wanted.|It looks lovely in my room.|I showed it to everyone.] [You are very kind.|I hope to see you soon.|Please come and visit me on {day}.|Next time, I will have a present for you.]"),
    ("[an invitation|a short invitation] to {b} for a birthday party", "[I will have my birthday on {day}.|My birthday is on {day}, and I want to celebrate it with you.|Please come to my birthday party on {day}!] [The party starts at {n} o'clock {p}.|We will meet {p} at {n} o'clock.] [There will be {cake} and games.|We will eat {cake} and dance.|Please bring a {on} and good weather.] [Can you come?|I hope that you have time.|Let me know if you can come.]"),
    ("[a letter|a short letter|a postcard] to {b} about a trip", "[Greetings from my trip!|We arrived on {day}, and it is lovely here.|I am writing to you from far away.] [Every day we {x1}.|Yesterday we {x1}.|This morning I {x1}.] [{p}, I found a {o}.|I bought you a {o}.|Imagine, we saw a {beast}!] [The weather is good.|It is raining, but we do not mind.|The sun shines from morning to evening.] [I miss you.|I will be back on {day}.|See you soon!]"),
    ("[a letter|a short note|a note] to {b} to say sorry about the {on}", "[I am sorry that I broke your {o}.|I want to say sorry about your {o}.|I feel bad because I lost your {o}.] [It was my fault.|I was not careful.|I should have asked you first.] [I will buy you a new one.|You can have my {o2}.|I will try to repair it.] [Please forgive me.|I hope that we are still friends.|It will not happen again.]"),
    ("[a get-well note|a get-well letter|a get-well card|some get-well wishes] to {b}", "[I heard that you are ill.|Your {mk} told me that you are in bed.|I missed you at school on {day}.] [I hope that you feel better soon.|Get well soon!|Drink a lot of tea and sleep well.] [I am sending you a {o}.|When you are well again, we can {x}.|Everybody misses you.] [I am thinking of you.|I will visit you on {day}.]"),
    ("[a letter|a short letter] to {b} about a new {pet}", "[I have news: we have a {pet} now!|Guess what! I got a {pet}.] [Its name is {pn2}.|We call it {pn2}.] [It is small and {color2}.|It sleeps on my {on}.|It eats a lot.] [Yesterday it hid {spot}, and we looked for it everywhere.|It likes it when I talk to it.|It is already my friend.] [Come and see it soon!|When will you come?|I will send you a picture.]"),
    ("[a letter|a few lines] to {b}, an old friend", "[It has been a long time.|How are you?|I was thinking of you today.] [Here, everything is fine.|I have a lot to do, but I am well.|We live {home2} now.] [On {day}, I {x1}.|Last week I {x1}.|These days I often {x}.] [Do you remember how we used to {x}?|Do you still like to {x}?|What are you doing these days?] [Please write soon.|I would like to see you again.|Let us meet in spring.]"),
    ("[a note|a short note] to {b} about [dinner|food]", "[I will be home late today.|I have to work until {n} o'clock.|I had to go out.] [In the kitchen, you will find <meal>.|For dinner, you can have <meal>.|I made <meal> for you.] [Please feed the cat.|Please water the plants.|Do not wait for me.] [See you later!|I will be back soon.]"),
    ("[a letter|a short letter] to {b} about [school|the first day at school]", "[Today was my first day at the new school.|I like my new school.|Let me tell you about my school.] [The teacher is {t} and laughs a lot.|There are {n} windows in our classroom.|I sit next to {ff}.] [We {x1}.|In the break, we {x1}.|I learned a song about a {k}.] [I was a bit nervous, but now I am {glad}.|Only the homework is boring.|I have already found a friend.] [How is your school?|Please tell me about yours.]"),
    ("[an invitation|a short invitation] to {b} for [a picnic|a day outside]", "[Do you have time on {day}?|The weather will be good on {day}.|On {day}, we want to have a picnic.] [We will meet {p} at {n} o'clock.|Let us meet at {n} o'clock {p}.] [I will bring {food} and a blanket.|Could you bring some {food}?|There will be {cake}.] [We can {x} together.|{ff} will come, too.|It will be fun!] [Please say yes!|I am looking forward to it.]"),
)  # fmt: skip


def _letter(random: Random) -> tuple[str, str, Slots]:
    what, body = random.choice(_LETTERS)
    _, slots, _ = _talk(random)
    slots |= {"x1": past(random.choice(_DEEDS)), "home2": random.choice(_HOMES["people"])}
    head = "[Dear|Dear|Dear|Hello|Hi] {b},\n"
    tail = "\n[Yours,|Love,|Best wishes,|With love,|Your friend,|Kind regards,|Many greetings,] {a}"
    what = write(what, slots, random)
    return what[0].lower() + what[1:], write(head + body + tail, slots, random), slots


def letter(random: Random) -> str:
    """A short letter."""
    return _letter(random)[1]


_REPORTS = (
    "[On {day}, there was a fair {p}.|Last {day}, many people came to a fair {p}.] [There was music, and children sold {food}.|One could buy {food} and {cake}.|The mayor opened it at {n} o'clock.] [{h}, a {t} child, won a {o}.|{h} and {f} showed how to {skill}.|The youngest guest was {h}, who got a {o}.] <weatherpast> [Everyone had a good time.|Next year, there will be another fair.|In the evening, there were fireworks.]",
    "[Our class went on a trip on {day}.|On {day}, our class visited a place {p}.] [We left at {n} o'clock.|We traveled by bus for an hour.] <weatherpast> [There we saw a {o} and a {o2}.|We learned how to {skill}.|A guide told us about the old times.] [At noon, we ate <meal>.|{f} forgot the lunch box, so we all shared.] [We came home tired, but {glad}.|It was the best trip of the year.|I would like to go there again.]",
    "[Last night, there was a strong storm.|A storm passed over the town on {day}.|On {day}, it rained for {n} hours.] [A tree fell down {p}.|Water ran into many cellars.|The wind broke a window {p}.] [Nobody was hurt.|Luckily, everyone was safe.] [Firefighters worked until the morning.|Neighbors helped one another to clean up.|{h} and {f} cleared the street with brooms.] [Today the sun is shining again.|The weather will be better tomorrow.]",
    "[There was a big game on {day}.|On {day}, our team played against the {color} team.] <weatherpast> [At first, the others were better.|The first half was slow.|Both teams played well.] [Then {h} scored a goal.|After {n} minutes, {f} passed the ball to {h}, and it was in.] [We won by one goal.|In the end, it was a draw.|We lost, but it was a good game.] [The team was {glad} and ate {cake}.|Everybody clapped for a long time.|The next game is on {day}.]",
    "[A {pet} was missing for {n} days.|The {pet} of {h} ran away on {day}.] [{h} hung up posters all over town.|The whole street helped to look for it.] [At last, {f} heard a sound {p}.|Then {f} looked {spot}.] [There it was, hungry, but well.|The animal was sitting there and was fine.] [{h} was {glad} to have it back.|As a reward, {f} got a {o}.|Now the {pet} wears a {color} collar.]",
    "[A new {place2} has opened {p}.|Since {day}, there has been a new {place2} {p}.] [The owner is {h}, who likes to {hobby}.|It belongs to {h} and {f}.] [It is open from eight to {n} o'clock.|It is closed on {day}.] [There you can get {food} and {cake}.|On the first day, every guest got a {o}.] [Many people have already been there.|The neighbors are {glad} about it.]",
    "[In our garden, we planted a {plant} this year.|This spring, we watched a {plant} grow.] [In the first week, there was nothing to see.|After {n} days, the first green leaf came up.] [We gave it water every {day}.|{h} measured it each week and wrote it down.] [It needed sun, water and good soil.|Once, snails ate some of the leaves.] [Now it is big and strong.|We are proud of it.|We learned that plants need time.]",
    "[This week we asked people what they like to do.|Our class asked {n} people about their hobbies.] [{h} likes to {hobby}.|Most people like to read.] [{f} would rather {hobby2}.|Some like to {hobby2}.] [Only one person had no hobby.|Nobody said that they were bored.] [So people are very different.|It was interesting to hear so many answers.]",
)  # fmt: skip


def report(random: Random) -> str:
    """A small piece of news."""
    slots = _world(random, "child", _OUTDOORS)
    slots |= {
        "pet": random.choice("cat dog rabbit parrot pony turtle".split()),
        "place2": random.choice("bakery bookshop cafe restaurant playground florist market".split()),
    }
    return write(random.choice(_REPORTS), slots, random)


TEXTS: dict[str, Callable[[Random], str]] = {
    "story": story,
    "scene": scene,
    "day": day,
    "description": description,
    "talk": talk,
    "letter": letter,
    "howto": howto,
    "report": report,
}


def _ask(wish: str, random: Random) -> str:
    """A wish such as "tell me a story" in the words of a user."""
    frame = random.choice(_FRAMES)
    upper = wish[0].upper() + wish[1:]
    text = frame.replace("{W}", upper).replace("{w}", wish)
    draw = random.random()
    if draw < 0.05:
        return text.lower()
    if draw < 0.1:
        return text.rstrip(".!?")
    return text


_FRAMES = (
    "{W}.", "{W}.", "{W}.", "{W}.", "{W}!", "Please {w}.", "Please {w}.", "{W}, please.", "Can you {w}?", "Could you {w}?", "Could you please {w}?", "Would you {w}?", "I want you to {w}.", "I would like you to {w}.", "Hello! Please {w}.",
    "Hi, can you {w}?", "Can you {w}, please?", "Will you {w} for me?", "Now {w}.", "It would be nice if you could {w}.", "I need your help: {w}.", "Be so kind and {w}.", "Hey, {w}.", "Would you be so kind as to {w}?",
)  # fmt: skip


def _turns(*pairs: tuple[str, str]) -> list[Turn]:
    return [turn for user, assistant in pairs for turn in (("user", user), ("assistant", assistant))]


def tell(random: Random) -> list[Turn]:
    """Tell a story about something that is really in it."""
    told = make_story(random)
    short = random.random() < 0.25
    subject = random.choice([
        "about a {k}", "about a {t} {k}", "about a {k} named {h}", "about {h}", "about a {k} and a {fk}", "about {h} and {f}", f"about {told.plot.about}", f"about {told.plot.about}",
        f"in which {told.plot.which}", f"in which {told.plot.which}", "about {h} the {k}",
    ])  # fmt: skip
    if short:
        subject = random.choice(
            ["about a {k}", "about a {t} {k}", "about {h}", "about a {k} named {h}", f"about a {{k}} who {told.plot.did}"]
        )
    elif "{f" in subject and told.slots["f"] not in told.text:
        subject = "about a {k}"
    kind = (
        "[a story in three sentences|a very short story|a story of three sentences|a tiny story]"
        if short
        else "[a story|a story|a short story|a little story|a nice story|a bedtime story|a tale|a children's story]"
    )
    wish = write(
        f"[tell me {kind}|tell {kind}|write {kind}|write me {kind}|make up {kind}|invent {kind}|think of {kind}|create {kind}|give me {kind}|tell us {kind}|come up with {kind}] {subject}",
        told.slots,
        random,
    )
    wish = wish[0].lower() + wish[1:]
    answer = _brief(told, random) if short else told.text
    if random.random() < 0.08:
        answer = f"{_title(told, random)}\n\n{answer}"
    elif random.random() < 0.08:
        answer = random.choice(["Here is a story for you. ", "Gladly! ", "Of course! ", "Here is my story. ", "With pleasure. "]) + answer
    pairs = [(_ask(wish, random), answer)]
    draw = random.random()
    if draw < 0.06:
        pairs.append(
            (
                random.choice(["Thank you! That was nice.", "What a nice story!", "I liked that.", "Thanks!", "That was lovely."]),
                random.choice(
                    ["I am glad that you liked it.", "You are welcome! Would you like another story?", "Thank you! It was fun to tell it."]
                ),
            )
        )
    elif draw < 0.12:
        pairs.append(
            (
                random.choice(["What is the title?", "Give it a title.", "What could the story be called?"]),
                f'It could be called "{_title(told, random)}".',
            )
        )
    elif draw < 0.2:
        pairs.append(_question(told, random))
    return _turns(*pairs)


def continued(random: Random) -> list[Turn]:
    """Go on with a story that the user begins."""
    told = make_story(random)
    cut = random.choice([1, 1, 2, 2, 3])
    begin, rest = " ".join(told.beats[:cut]), " ".join(told.beats[cut:])
    ask = random.choice([
        "continue this story", "go on with this story", "finish the story", "write how the story goes on", "tell me what happens next", "continue", "go on", "write the rest of the story", "tell the story to the end", "complete this story", "find an end for this story", "keep going",
    ])  # fmt: skip
    request = _ask(ask, random)
    if request[-1] in ".!" and random.random() < 0.6:
        request = request[:-1] + ":"
    form = random.random()
    if form < 0.55:
        return _turns((f"{request}{random.choice([' ', chr(10), chr(10) * 2])}{begin}", rest))
    if request.endswith(":"):
        request = request[:-1] + "."
    if form < 0.9:
        return _turns((f"{begin}{random.choice([' ', chr(10), chr(10) * 2])}{request}", rest))
    return _turns(
        (
            f"Here is how my story begins: {begin}",
            random.choice(
                [
                    "A nice beginning! Shall I go on?",
                    "That is a good start. Do you want me to go on?",
                    "I like it. Shall I tell what happens next?",
                ]
            ),
        ),
        (random.choice(["Yes, please.", "Yes!", "Please do.", "Yes, go on."]), rest),
    )


_UNKNOWN = (
    "How old is {h}?", "When is {h}'s birthday?", "What color are the eyes of {h}?", "How tall is {h}?", "What is the favorite song of {h}?", "How much money does {h} have?", "What did {h} eat last {day2}?", "Which language does {h} speak?",
    "What is the name of {h}'s teacher?", "How many cousins does {h} have?", "What is the last name of {h}?", "In which year was {h} born?",
)  # fmt: skip


def _question(told: Story, random: Random) -> tuple[str, str]:
    slots = told.slots
    draw = random.random()
    if draw < 0.1:
        return write(random.choice(_UNKNOWN), slots | {"day2": "month"}, random), random.choice(
            [
                "The story does not say.",
                "The story does not say that.",
                "The story does not tell us.",
                "We do not know. The story does not say.",
            ]
        )
    if draw < 0.35:
        pairs = (
            (
                "[Who is the story about?|Who is the main character?|About whom is the story?|Who is the hero of the story?]",
                "[The story is about {h}, a {k}.|It is about a {k} named {h}.|The main character is {h}, a {k}.]",
            ),
            ("[Where did {h} live?|Where is the home of {h}?|In what place did {h} live?]", "{h} lived {home}."),
            ("[What kind of character is {h}?|What is {h}?|Who is {h}?]", "{h} is a {k}."),
            (
                "[What is the story about?|What is it about?|What happens in the story?]",
                f"It is about a {{k}} named {{h}} who {told.plot.did}.",
            ),
            ("[How does the story end?|How did it end?|What happened in the end?]", f"In the end, {told.plot.then}."),
        )
        return _pair(random.choice(pairs), slots, random)
    return _pair(random.choice(told.plot.asks), slots, random)


def _pair(pair: tuple[str, str], slots: Slots, random: Random) -> tuple[str, str]:
    return write(pair[0], slots, random), write(pair[1], slots, random)


def read(random: Random) -> list[Turn]:
    """Questions about a text."""
    if random.random() < 0.3:
        seen = _scene(random)
        text = seen.text
        count = random.choice([1, 1, 2, 3])
        pairs = random.sample(seen.asks, min(count, len(seen.asks)))
    else:
        told = make_story(random)
        text = told.text
        pairs = []
        for _ in range(random.choice([1, 1, 1, 2, 3])):
            pair = _question(told, random)
            if pair not in pairs:
                pairs.append(pair)
    first, answer = pairs[0]
    form = random.choice(
        [
            "{t}\n\n{q}",
            "{t}\n{q}",
            "{t} {q}",
            "{q}\n\n{t}",
            "Read this: {t}\n{q}",
            "Read the text and answer the question.\n\n{t}\n\n{q}",
            "Text: {t}\nQuestion: {q}",
            "Here is a text: {t} Now tell me: {q}",
            "Please read this.\n{t}\n\n{q}",
            "{t}\n\nAnswer this question: {q}",
            "Story: {t}\n\n{q}",
            "I have a question about this text. {q}\n\n{t}",
        ]
    )
    turns = _turns((form.replace("{t}", text).replace("{q}", first), answer))
    for question, reply in pairs[1:]:
        lead = random.choice(["", "", "", "And: ", "Next question: ", "One more: "])
        turns += _turns((lead + question, reply))
    return turns


def _passage(ask: str, text: str, random: Random) -> str:
    request = _ask(ask, random)
    if random.random() < 0.5:
        if request[-1] in ".!":
            request = request[:-1] + ":"
        return f"{request}{random.choice([' ', chr(10), chr(10) * 2])}{text}"
    return f"{text}{random.choice([' ', chr(10), chr(10) * 2])}{request}"


def summary(random: Random) -> list[Turn]:
    """A story in one sentence."""
    told = make_story(random)
    ask = random.choice([
        "summarize this story in one sentence", "summarize this", "give a summary", "give a one-sentence summary of this story", "sum this up in one sentence", "say in one sentence what the story is about", "make this shorter", "tell this in one sentence",
        "write a short summary", "shorten this story to one sentence", "give me the main point of this story", "put this into one sentence", "summarize the text",
    ])  # fmt: skip
    return _turns((_passage(ask, told.text, random), _short(told, random)))


def titled(random: Random) -> list[Turn]:
    """A title for a story."""
    told = make_story(random)
    ask = random.choice([
        "give this story a title", "find a title for this story", "think of a title", "suggest a title for this text", "write a good title for this story", "give me a title for this", "name this story", "choose a title for my story", "tell me a fitting title",
        "find a name for this story", "make up a title for it", "give the text a heading",
    ])  # fmt: skip
    return _turns((_passage(ask, told.text, random), _title(told, random)))


def described(random: Random) -> list[Turn]:
    """A description of a thing, an animal, a place, a job or a season."""
    subject, text = _describe(random)
    ask = random.choice([
        "describe {}", "describe {} in a few sentences", "describe {} in two or three sentences", "tell me about {}", "tell me something about {}", "write a short description of {}", "explain what {} is like", "give me a description of {}", "say something about {}",
        "write a few sentences about {}", "give a short description of {}", "tell a child about {}", "describe {} in simple words",
    ]).format(subject)  # fmt: skip
    pairs = [(_ask(ask, random), text)]
    if random.random() < 0.15:
        other, more = _describe(random)
        if other != subject:
            pairs.append(
                (
                    random.choice(["And {}?", "Now describe {}.", "What about {}?", "Now {}, please.", "Do the same for {}."]).format(
                        other
                    ),
                    more,
                )
            )
    return _turns(*pairs)


_POEMS = [
    (topic, [couplet.replace("/", "\n") for couplet in couplets.split("~")])
    for topic, couplets in (line.split("=") for line in words.POEMS.splitlines())
]


def poem(random: Random) -> list[Turn]:
    """Four lines that rhyme."""
    topic, couplets = random.choice(_POEMS)
    ask = random.choice([
        "write a poem about {}", "write a short poem about {}", "write a little rhyme about {}", "make a poem about {}", "write four lines that rhyme about {}", "tell me a rhyme about {}", "give me a poem about {}", "write a children's poem about {}", "make up a rhyme about {}",
        "write a rhyming poem about {}", "say a poem about {}", "write a four-line poem about {}", "compose a poem about {}",
    ]).format(topic)  # fmt: skip
    order = random.sample(range(len(couplets)), 2)
    if random.random() < 0.6:
        order.sort()
    return _turns((_ask(ask, random), "\n".join(_rhyme(couplets[i], random) for i in order)))


def _rhyme(couplet: str, random: Random) -> str:
    out: list[str] = []
    _expand(_parse(couplet), {}, random, out)
    return "".join(out)


def dialogue(random: Random) -> list[Turn]:
    """A short dialogue between two people."""
    topic, slots, lines = _talk(random)
    topic = topic[0].lower() + topic[1:]
    pair = f"{slots['a']} and {slots['b']}"
    ask = random.choice([
        "write a short dialogue between {} about {}", "write a dialogue between {} about {}", "write a conversation between {} about {}", "let {} talk about {}", "make up a short talk between {} about {}", "write what {} say about {}", "write a small scene in which {} talk about {}",
        "invent a dialogue between {} about {}", "create a short conversation between {} about {}", "give me a dialogue between {} about {}", "show me how {} talk about {}",
    ]).format(pair, topic)  # fmt: skip
    return _turns((_ask(ask, random), "\n".join(f"{slots[who]}: {line}" for who, line in lines)))


def note(random: Random) -> list[Turn]:
    """A letter, an invitation or a note."""
    what, text, slots = _letter(random)
    frame = random.choice(
        [
            "write {}",
            "write {}",
            "write me {}",
            "help me to write {}",
            "make {}",
            "draft {}",
            "compose {}",
            "prepare {}",
            "give me {}",
            "write {}",
            "formulate {}",
            "create {}",
        ]
    )
    request = _ask(frame.format(what), random)
    sign = random.choice(
        ["", f" My name is {slots['a']}.", f" Sign it with {slots['a']}.", f" It is from {slots['a']}.", f" I am {slots['a']}."]
    )
    if not sign:
        return _turns((request, text[: text.rindex("\n")]))
    return _turns((request + ("" if request[-1] in ".!?" else ".") + sign, text))


_IDEAS = [(row[0], [part for cell in row[1:] for part in cell.split(";")]) for row in _rows(words.IDEAS)]
_COUNTS = {"two": 2, "three": 3, "four": 4, "five": 5}


def _numbered(items: list[str]) -> str:
    return "\n".join(f"{i}. {item[0].upper()}{item[1:]}" for i, item in enumerate(items, 1))


def ideas(random: Random) -> list[Turn]:
    """Some ideas as a numbered list."""
    topic, pool = random.choice(_IDEAS)
    many = random.choice(["three", "three", "three", "two", "four", "five"])
    ask = random.choice([
        "give me {} ideas for {}", "give {} ideas for {}", "tell me {} ideas for {}", "list {} ideas for {}", "name {} ideas for {}", "suggest {} ideas for {}", "find {} good ideas for {}", "think of {} ideas for {}", "write down {} ideas for {}", "make a list of {} ideas for {}",
        "help me with {} ideas for {}", "come up with {} ideas for {}",
    ]).format(many, topic)  # fmt: skip
    picked = [_finish(f"{item}") for item in random.sample(pool, len(pool))]
    count = min(_COUNTS[many], len(picked))
    pairs = [(_ask(ask, random), _numbered(picked[:count]))]
    if count + 1 < len(picked) and random.random() < 0.2:
        pairs.append(
            (
                random.choice(["One more, please.", "Give me one more.", "Do you have another idea?", "Another one?"]),
                f"Another idea: {picked[count][0].lower()}{picked[count][1:]}."
                if picked[count].split()[0] not in ("Luna",) and "name" not in topic
                else f"What about {picked[count]}?",
            )
        )
    return _turns(*pairs)


def plan(random: Random) -> list[Turn]:
    """The steps of an everyday activity."""
    what, steps = random.choice(_HOWTO)
    ask = random.choice([
        "tell me how to {}", "explain how to {}", "explain step by step how to {}", "list the steps to {}", "give me the steps to {}", "write down how to {}", "show me how to {}", "make a plan to {}", "give me instructions to {}", "write simple steps to {}", "describe how to {}",
        "write a list of steps to {}",
    ]).format(what)  # fmt: skip
    user = (
        _ask(ask, random)
        if random.random() < 0.7
        else random.choice(
            [
                "How do I {}?",
                "How can I {}?",
                "What do I have to do to {}?",
                "I want to {}. What are the steps?",
                "how do you {}?",
                "What is the best way to {}?",
            ]
        ).format(what)
    )
    pairs = [(user, _numbered([f"{step}." for step in steps]))]
    if random.random() < 0.2:
        i = random.randrange(len(steps) - 1)
        pairs.append(random.choice([
            ("What is the first step?", f"The first step is: {steps[0]}."), ("What comes last?", f"The last step is: {steps[-1]}."), (f"What comes after step {i + 1}?", f"After step {i + 1}, {steps[i + 1]}."), ("How many steps are there?", f"There are {len(steps)} steps."),
        ]))  # fmt: skip
    return _turns(*pairs)


_COMPARE = _rows(words.COMPARE)


def compare(random: Random) -> list[Turn]:
    """The difference between two everyday things."""
    one, is_one, two, is_two = random.choice(_COMPARE)
    if random.random() < 0.5:
        one, is_one, two, is_two = two, is_two, one, is_one
    ask = random.choice(
        [
            "compare {} and {}",
            "tell me the difference between {} and {}",
            "explain the difference between {} and {}",
            "compare {} with {}",
            "say how {} and {} are different",
            "tell me how {} differs from {}",
            "describe the difference between {} and {}",
        ]
    ).format(one, two)
    user = (
        _ask(ask, random)
        if random.random() < 0.6
        else random.choice(
            [
                "What is the difference between {} and {}?",
                "How is {} different from {}?",
                "what's the difference between {} and {}?",
                "In what way is {} different from {}?",
                "Is there a difference between {} and {}?",
                "How can I tell {} from {}?",
            ]
        ).format(one, two)
    )
    answer = random.choice(["{} {}, while {} {}.", "{} {}, but {} {}.", "{} {}. {} {}.", "{} {}, whereas {} {}."])
    if answer == "{} {}. {} {}.":
        return _turns((user, _finish(answer.format(one, is_one, two, is_two))))
    return _turns((user, _finish(answer.format(one, is_one, two, is_two))))


TASKS: dict[str, Callable[[Random], list[Turn]]] = {
    "tell": tell,
    "continue": continued,
    "read": read,
    "summary": summary,
    "title": titled,
    "describe": described,
    "poem": poem,
    "dialogue": dialogue,
    "letter": note,
    "ideas": ideas,
    "plan": plan,
    "compare": compare,
}
