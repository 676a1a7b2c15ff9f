"""Small worlds in plain English: stories, scenes, letters and talks, and the tasks that can be set about them.

A template is text with {slots}, [one|of|these] and <pools>. The slots of a world are drawn once, so that what is found is what was lost;
the choices are drawn anew each time.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from random import Random

from starter_training.conversations import Turn
from starter_training.facts import DAYS
from starter_training.texts import lists, records, table

Slots = dict[str, str]
WORDS, SAY = lists("words/worlds"), lists("templates/worlds")


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


_IRREGULAR = dict(table("worlds/irregular"))


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
    if verb in WORDS["doubled"]:
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


_FAMILY, _HELPERS, _CHILDREN = (
    [(who, pronoun) for group, who, pronoun in table("worlds/characters") if group == wanted] for wanted in ("family", "helper", "child")
)
_GROUPS = [name.removeprefix("animals ") for name in WORDS if name.startswith("animals ")]


def _pronouns(slots: Slots, prefix: str, she: bool) -> None:
    forms = ("she", "her", "her", "herself") if she else ("he", "him", "his", "himself")
    for key, form in zip(("he", "him", "his", "self"), forms, strict=True):
        slots[prefix + key] = form


def _hero(random: Random, who: str) -> tuple[str, bool, str]:
    """Kind, whether a she, and home."""
    draw = random.random()
    if who == "child" or (who == "any" and draw < 0.4):
        kind, she = random.choice(_CHILDREN)
        return kind, she == "she", random.choice(WORDS["homes people"])
    if who == "any" and draw < 0.5:
        kind = random.choice(WORDS["grown"])
        she_is = kind == "queen" or (kind != "king" and kind not in ("postman",) and random.random() < 0.5)
        return kind, she_is, random.choice(WORDS["homes people"])
    group = random.choice(_GROUPS)
    kind = random.choice(WORDS[f"animals {group}"])
    she_is = kind in ("hen", "fairy") or (kind not in ("rooster", "wizard", "snowman") and random.random() < 0.5)
    return kind, she_is, random.choice(WORDS[f"homes {group}"])


def _name(random: Random, she: bool, other: str = "") -> str:
    name = random.choice(WORDS["girls"] if she else WORDS["boys"])
    while other and name[0] == other[0]:
        name = random.choice(WORDS["girls"] if she else WORDS["boys"])
    return name


def _object(random: Random) -> tuple[str, str]:
    if random.random() < 0.72:
        noun = random.choice(WORDS["hard"])
        look = random.choice(WORDS["hard looks"])
    else:
        noun = random.choice(WORDS["soft"])
        look = random.choice(WORDS["soft looks"])
    return noun, f"{look} {noun}"


def _world(random: Random, who: str = "any", places: list[str] | None = None) -> Slots:
    """Everything a story may need, drawn once."""
    kind, she, home = _hero(random, who)
    trait, trait2, trait3 = random.sample(WORDS["traits"], 3)
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
    slots["p"], slots["p2"] = random.sample(places or WORDS["places"], 2)
    slots["pn"] = slots["p"][slots["p"].index("the ") :] if "the " in slots["p"] else slots["p"]
    hobby, hobby2 = random.sample(WORDS["hobbies"], 2)
    slots |= {
        "spot": random.choice(WORDS["spots"]),
        "soft": random.choice(SAY["soft things"]),
        "sad": random.choice(WORDS["sad"]),
        "glad": random.choice(WORDS["glad"]),
        "hobby": hobby,
        "hobby2": hobby2,
    }
    slots |= {"hobbying": doing(hobby), "fear": random.choice(WORDS["fears"]), "skill": random.choice(WORDS["skills"]), "plant": random.choice(WORDS["plants"])}
    slots |= {"food": random.choice(WORDS["foods"]), "cake": random.choice(WORDS["cakes"]), "beast": random.choice(WORDS["beasts"]), "day": random.choice(DAYS)}
    slots |= {"color": random.choice(WORDS["colors"]), "n": random.choice(["three", "four", "five", "six", "seven", "ten"])}
    slots["hobbied"] = past(hobby2)
    return slots


POOLS = lists("templates/pools")


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


def _plot(told: dict[str, tuple[str, ...]]) -> _Plot:
    once = {key: told[key][0] for key in ("about", "which", "did", "then", "title", "moral")}
    marks = {key: key in told for key in ("alone", "outside", "lasting")}
    return _Plot(**once, **marks, beats=told["beat"], asks=tuple(zip(told["question"], told["answer"], strict=True)), who=told.get("who", ("any",))[0])


_PLOTS = tuple(map(_plot, records("templates/plots")))


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
    slots = _world(random, plot.who, WORDS["outdoors"] if plot.outside else WORDS["places"])
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
    first = SAY["brief beginning"][0]
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
    small = SAY["small words"]
    title = write(told.plot.title, told.slots, random).split(" ")
    return " ".join(word if i and word in small else word[0].upper() + word[1:] for i, word in enumerate(title))


_SETTINGS = tuple((WORDS[f"scene places {name}"], WORDS[f"scene deeds {name}"]) for name in ("home", "outdoors", "shore", "town", "school"))


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
        SAY["scene times"]
    )
    names: list[str] = []
    while len(names) < count:
        name = random.choice(WORDS["girls"] if random.random() < 0.5 else WORDS["boys"])
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
        he = "she" if name in WORDS["girls"] else "he"
        form = random.choice(["{} is {}.", "{} is {}.", "{} is {}.", "{} is {} right now."])
        if joinable and random.random() < 0.5:
            lines[-1] = f"{lines[-1][:-1]}, {random.choice(['and', 'while', 'and'])} {form.format(name, now)}"
            joinable = False
        else:
            lines.append(form.format(name, now))
            joinable = True
        if random.random() < 0.3:
            extra = SAY["scene extra"][0]
            lines.append(write(extra, {"x": he, "color": random.choice(WORDS["colors"])}, random))
            joinable = False
        asks += [(f"What is {name} doing?", f"{name} is {now}."), (f"Who is {now}?", f"{name} is {now}.")]
    ending = write(
        SAY["scene ending"][0],
        {},
        random,
    )
    if ending:
        lines.append(ending)
    return _Scene(_finish(" ".join(lines)), tuple(asks))


def scene(random: Random) -> str:
    """An everyday scene in the present tense."""
    return _scene(random).text


def day(random: Random) -> str:
    """A diary page or the day of one person."""
    slots = _world(random, "child")
    picked = [past(deed) for deed in random.sample(WORDS["deeds"], 5)]
    slots |= dict(zip("abcde", picked, strict=True))
    own = random.random() < 0.5
    if own:
        slots |= {"who": "I", "there": "we", "he": "I", "him": "me", "his": "my", "m": f"my {slots['mk']}", "was": "was"}
        head = SAY["day own beginning"][0]
        tail = SAY["day own end"][0]
    else:
        slots |= {"who": slots["he"] if random.random() < 0.5 else slots["h"], "there": slots["h"]}
        head = SAY["day beginning"][0]
        tail = SAY["day end"][0]
    keep = [part for part in SAY["day parts"] if random.random() < 0.85] or list(SAY["day parts"])
    return write(" ".join([head, *keep, tail]), slots, random)


_ABOUT = tuple((table(f"worlds/{name}_facts"), SAY[f"about {name}"]) for name in ("animal", "thing", "place", "job", "season"))
_SEASONS = _ABOUT[-1][0]


def _describe(random: Random) -> tuple[str, str]:
    """What is described, and the description."""
    rows, lines = _ABOUT[random.choice([0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 4])]
    row = random.choice(rows)
    text = " ".join(line for i, line in enumerate(lines) if i < 1 or random.random() < 0.85)
    slots = {f"x{i}": cell for i, cell in enumerate(row)}
    for i in range(len(row)):
        text = text.replace(f"{{{i}}}", f"{{x{i}}}")
    subject = row[0] if rows is _SEASONS else f"a {row[0]}"
    return _finish(subject)[0].lower() + _finish(subject)[1:], write(text, slots, random)


def description(random: Random) -> str:
    """What an animal, a thing, a place, a job, a season or one particular thing is like."""
    if random.random() < 0.45:
        return _describe(random)[1]
    slots = _world(random)
    slots |= {"e1": random.choice(WORDS["deeds"]), "e2": random.choice(WORDS["hobbies"])}
    return write(random.choice(SAY["pictures"]), slots, random)


_HOWTO = [(what, steps.split(";")) for what, steps in table("worlds/howto")]
_MAKING = table("worlds/making")


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
                 {"w": what, "h": random.choice(WORDS["girls"] + WORDS["boys"]), "m": "the teacher"}, random)  # fmt: skip
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
_TALKS = tuple(lists("templates/talks").items())


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
        "x": random.choice(WORDS["hobbies"]),
        "cold": random.choice(SAY["weather words"]),
    }
    slots |= {
        "pet": random.choice(SAY["pets"]),
        "pn2": random.choice(SAY["pet names"]),
    }
    slots |= {
        "color2": random.choice(SAY["pet colors"]),
        "station": random.choice(SAY["goals of a way"]),
    }

    slots["ahe"], slots["bhe"] = "she" if she else "he", "she" if other else "he"
    return write(topic, slots, random), slots, [("ab"[i % 2], write(line, slots, random)) for i, line in enumerate(lines)]


def talk(random: Random) -> str:
    """A small talk between two people, told as prose."""
    _, slots, lines = _talk(random)
    head = write(
        SAY["talk beginning"][0],
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
_LETTERS = table("worlds/letters")


def _letter(random: Random) -> tuple[str, str, Slots]:
    what, body = random.choice(_LETTERS)
    _, slots, _ = _talk(random)
    slots |= {"x1": past(random.choice(WORDS["deeds"])), "home2": random.choice(WORDS["homes people"])}
    head = SAY["letter beginning"][0]
    tail = "\n[Yours,|Love,|Best wishes,|With love,|Your friend,|Kind regards,|Many greetings,] {a}"
    what = write(what, slots, random)
    return what[0].lower() + what[1:], write(head + body + tail, slots, random), slots


def letter(random: Random) -> str:
    """A short letter."""
    return _letter(random)[1]


def report(random: Random) -> str:
    """A small piece of news."""
    slots = _world(random, "child", WORDS["outdoors"])
    slots |= {
        "pet": random.choice(SAY["report pets"]),
        "place2": random.choice(SAY["new places"]),
    }
    return write(random.choice(SAY["reports"]), slots, random)


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
    frame = random.choice(SAY["frames"])
    upper = wish[0].upper() + wish[1:]
    text = frame.replace("{W}", upper).replace("{w}", wish)
    draw = random.random()
    if draw < 0.05:
        return text.lower()
    if draw < 0.1:
        return text.rstrip(".!?")
    return text


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
        SAY["short kinds"][0]
        if short
        else SAY["kinds"][0]
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
                random.choice(SAY["thanks for a story"]),
                random.choice(
                    SAY["after thanks"]
                ),
            )
        )
    elif draw < 0.12:
        pairs.append(
            (
                random.choice(SAY["asks for a title"]),
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
    ask = random.choice(SAY["continue"])
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
                SAY["shall i go on"]
            ),
        ),
        (random.choice(SAY["go on"]), rest),
    )


def _question(told: Story, random: Random) -> tuple[str, str]:
    slots = told.slots
    draw = random.random()
    if draw < 0.1:
        return write(random.choice(SAY["unknown"]), slots | {"day2": "month"}, random), random.choice(
            SAY["not told"]
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
        SAY["read"]
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
    ask = random.choice(SAY["summary"])
    return _turns((_passage(ask, told.text, random), _short(told, random)))


def titled(random: Random) -> list[Turn]:
    """A title for a story."""
    told = make_story(random)
    ask = random.choice(SAY["title"])
    return _turns((_passage(ask, told.text, random), _title(told, random)))


def described(random: Random) -> list[Turn]:
    """A description of a thing, an animal, a place, a job or a season."""
    subject, text = _describe(random)
    ask = random.choice(SAY["describe"]).format(subject)
    pairs = [(_ask(ask, random), text)]
    if random.random() < 0.15:
        other, more = _describe(random)
        if other != subject:
            pairs.append(
                (
                    random.choice(SAY["describe another"]).format(
                        other
                    ),
                    more,
                )
            )
    return _turns(*pairs)


_POEMS = [(topic, [couplet.replace("/", "\n") for couplet in couplets.split("~")]) for topic, couplets in table("worlds/poems")]


def poem(random: Random) -> list[Turn]:
    """Four lines that rhyme."""
    topic, couplets = random.choice(_POEMS)
    ask = random.choice(SAY["poem"]).format(topic)
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
    ask = random.choice(SAY["dialogue"]).format(pair, topic)
    return _turns((_ask(ask, random), "\n".join(f"{slots[who]}: {line}" for who, line in lines)))


def note(random: Random) -> list[Turn]:
    """A letter, an invitation or a note."""
    what, text, slots = _letter(random)
    frame = random.choice(
        SAY["note"]
    )
    request = _ask(frame.format(what), random)
    sign = random.choice(
        ["", f" My name is {slots['a']}.", f" Sign it with {slots['a']}.", f" It is from {slots['a']}.", f" I am {slots['a']}."]
    )
    if not sign:
        return _turns((request, text[: text.rindex("\n")]))
    return _turns((request + ("" if request[-1] in ".!?" else ".") + sign, text))


_IDEAS = [(topic, ideas.split(";")) for topic, ideas in table("worlds/ideas")]
_COUNTS = {"two": 2, "three": 3, "four": 4, "five": 5}


def _numbered(items: list[str]) -> str:
    return "\n".join(f"{i}. {item[0].upper()}{item[1:]}" for i, item in enumerate(items, 1))


def ideas(random: Random) -> list[Turn]:
    """Some ideas as a numbered list."""
    topic, pool = random.choice(_IDEAS)
    many = random.choice(["three", "three", "three", "two", "four", "five"])
    ask = random.choice(SAY["ideas"]).format(many, topic)
    picked = [_finish(f"{item}") for item in random.sample(pool, len(pool))]
    count = min(_COUNTS[many], len(picked))
    pairs = [(_ask(ask, random), _numbered(picked[:count]))]
    if count + 1 < len(picked) and random.random() < 0.2:
        pairs.append(
            (
                random.choice(SAY["one more idea"]),
                f"Another idea: {picked[count][0].lower()}{picked[count][1:]}."
                if picked[count].split()[0] not in ("Luna",) and "name" not in topic
                else f"What about {picked[count]}?",
            )
        )
    return _turns(*pairs)


def plan(random: Random) -> list[Turn]:
    """The steps of an everyday activity."""
    what, steps = random.choice(_HOWTO)
    ask = random.choice(SAY["plan"]).format(what)
    user = (
        _ask(ask, random)
        if random.random() < 0.7
        else random.choice(
            SAY["plan asked"]
        ).format(what)
    )
    pairs = [(user, _numbered([f"{step}." for step in steps]))]
    if random.random() < 0.2:
        i = random.randrange(len(steps) - 1)
        pairs.append(random.choice([
            ("What is the first step?", f"The first step is: {steps[0]}."), ("What comes last?", f"The last step is: {steps[-1]}."), (f"What comes after step {i + 1}?", f"After step {i + 1}, {steps[i + 1]}."), ("How many steps are there?", f"There are {len(steps)} steps."),
        ]))  # fmt: skip
    return _turns(*pairs)


_COMPARE = table("worlds/compare")


def compare(random: Random) -> list[Turn]:
    """The difference between two everyday things."""
    one, is_one, two, is_two = random.choice(_COMPARE)
    if random.random() < 0.5:
        one, is_one, two, is_two = two, is_two, one, is_one
    ask = random.choice(
        SAY["compare"]
    ).format(one, two)
    user = (
        _ask(ask, random)
        if random.random() < 0.6
        else random.choice(
            SAY["compare asked"]
        ).format(one, two)
    )
    answer = random.choice(SAY["compared"])
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
