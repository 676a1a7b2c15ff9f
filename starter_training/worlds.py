"""Small worlds in plain English: stories, scenes, letters and talks, and the tasks that can be set about them.

A template is text with {slots}, [one|of|these] and <pools>. The slots of a world are drawn once, so that what is found is what was lost;
the choices are drawn anew each time.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random

from starter_training.conversations import Turn
from starter_training.facts import DAYS
from starter_training.texts import lists, records, table

Slots = dict[str, str]
WORDS, SAY, POOLS = {**lists("words/worlds"), "days": tuple(DAYS)}, lists("templates/worlds"), lists("templates/pools")


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
    kind = "hard" if random.random() < 0.72 else "soft"
    noun = random.choice(WORDS[kind])
    return noun, f"{random.choice(WORDS[f'{kind} looks'])} {noun}"


_EVERYDAY = {
    "spot": "spots", "soft": "soft things", "sad": "sad", "glad": "glad", "fear": "fears", "skill": "skills", "plant": "plants",
    "food": "foods", "cake": "cakes", "beast": "beasts", "day": "days", "color": "colors", "n": "numbers",
}  # fmt: skip
"""Slots, and the words that they are drawn from."""


def _some(random: Random, **slots: str) -> Slots:
    """Slots filled from lists of words."""
    return {slot: random.choice(WORDS[words]) for slot, words in slots.items()}


def _world(random: Random, who: str = "any", places: Sequence[str] | None = None) -> Slots:
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
    slots |= {"hobby": hobby, "hobby2": hobby2, "hobbying": doing(hobby), "hobbied": past(hobby2)}
    return slots | _some(random, **_EVERYDAY)


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
    asks = tuple(zip(told["question"], told["answer"], strict=True))
    return _Plot(**once, **marks, beats=told["beat"], asks=asks, who=told.get("who", ("any",))[0])


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


def _of_plot(template: str, plot: _Plot) -> str:
    """A template with the plot's own in place of <about>, <which>, <did> and <then>."""
    for key in ("about", "which", "did", "then"):
        template = template.replace(f"<{key}>", getattr(plot, key))
    return template


def _brief(told: Story, random: Random) -> str:
    """The story in three sentences."""
    did, then = told.plot.did, told.plot.then
    if "{f}" not in did and "{f}'s" not in then:
        then = then.replace("{f}", "{f} the {fk}", 1)
    then = SAY["brief lasting" if told.plot.lasting else "brief"][0].replace("<did>", did).replace("<then>", then)
    return write(f"{SAY['brief beginning'][0]} {then}", told.slots, random)


def _short(told: Story, random: Random) -> str:
    return write(_of_plot(SAY["short"][0], told.plot), told.slots, random)


def _title(told: Story, random: Random) -> str:
    title = write(told.plot.title, told.slots, random).split(" ")
    return " ".join(word if i and word in WORDS["small words"] else word[0].upper() + word[1:] for i, word in enumerate(title))


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
    place, time = random.choice(places), random.choice(WORDS["scene times"])
    names: list[str] = []
    while len(names) < count:
        name = random.choice(WORDS["girls"] if random.random() < 0.5 else WORDS["boys"])
        if all(name[0] != other[0] for other in names):
            names.append(name)
    joinable, people = False, _listed(names)
    slots = {"weather": random.choice(POOLS["weather"]), "people": people, "place": place, "time": time, "day": time.removeprefix("on ")}
    lines = [write(random.choice(SAY["scene on a day" if time.startswith("on ") else "scene at a time"]), slots, random)]
    number = ("two", "three", "four")[count - 2]
    asks = [(f"Where are {people}?", f"They are {place}."), (f"How many people are {place}?", f"There are {number} people {place}.")]
    for name, deed in zip(names, deeds, strict=True):
        told = random.choice(["{} is {}.", "{} is {}.", "{} is {}.", "{} is {} right now."]).format(name, deed)
        if joinable and random.random() < 0.5:
            lines[-1] = f"{lines[-1][:-1]}, {random.choice(['and', 'while', 'and'])} {told}"
            joinable = False
        else:
            lines.append(told)
            joinable = True
        if random.random() < 0.3:
            he = "she" if name in WORDS["girls"] else "he"
            lines.append(write(SAY["scene extra"][0], {"x": he, "color": random.choice(WORDS["colors"])}, random))
            joinable = False
        asks += [(f"What is {name} doing?", f"{name} is {deed}."), (f"Who is {deed}?", f"{name} is {deed}.")]
    if ending := write(SAY["scene ending"][0], {}, random):
        lines.append(ending)
    return _Scene(_finish(" ".join(lines)), tuple(asks))


def scene(random: Random) -> str:
    """An everyday scene in the present tense."""
    return _scene(random).text


def day(random: Random) -> str:
    """A diary page or the day of one person."""
    slots = _world(random, "child")
    slots |= dict(zip("abcde", [past(deed) for deed in random.sample(WORDS["deeds"], 5)], strict=True))
    own = random.random() < 0.5
    if own:
        slots |= {"who": "I", "there": "we", "he": "I", "him": "me", "his": "my", "m": f"my {slots['mk']}", "was": "was"}
    else:
        slots |= {"who": slots["he"] if random.random() < 0.5 else slots["h"], "there": slots["h"]}
    head, tail = (SAY[f"day {'own ' * own}{part}"][0] for part in ("beginning", "end"))
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


_HOWTO = tuple(lists("words/howto").items())


def howto(random: Random) -> str:
    """How a thing is done or made, in running text."""
    if random.random() < 0.25:
        what, text = random.choice(table("worlds/making"))
        return f"{what} {text}{write(SAY['made'][0], {}, random)}"
    what, steps = random.choice(_HOWTO)
    return _steps_as_prose(what, steps, random)


def _steps_as_prose(what: str, steps: Sequence[str], random: Random) -> str:
    slots = {"w": what, "h": random.choice(WORDS["girls"] + WORDS["boys"]), "m": "the teacher"}
    lines = [write(SAY["howto beginning"][0], slots, random)]
    for i, step in enumerate(steps):
        lead = random.choice(SAY["last step" if i == len(steps) - 1 else "next step"]) if i else "First"
        lines.append(_sentence(f"{lead}, {step}" if lead not in ("", "Then", "Now") else f"{lead} {step}".strip()))
    return " ".join([*lines, write(SAY["howto end"][0], {}, random)]).strip()


_TALKS = tuple(lists("templates/talks").items())
"""What a talk is about, and its lines, by A and B in turn."""


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
    slots |= {"aa": slots["a"], "bb": slots["b"]}
    slots |= _some(random, x="hobbies", cold="weather words", pet="pets", pn2="pet names", color2="pet colors", station="goals of a way")
    slots["ahe"], slots["bhe"] = "she" if she else "he", "she" if other else "he"
    return write(topic, slots, random), slots, [("ab"[i % 2], write(line, slots, random)) for i, line in enumerate(lines)]


def talk(random: Random) -> str:
    """A small talk between two people, told as prose."""
    _, slots, lines = _talk(random)
    head = write(SAY["talk beginning"][0], slots, random)
    told = []
    for i, (who, line) in enumerate(lines):
        name = slots[who]
        verb = random.choice(SAY.get(f"verbs {line[-1]}", SAY["verbs" if i else "first verbs"]))
        spoken = f'"{line[:-1]},"' if line.endswith(".") else f'"{line}"'
        if i > 1 and random.random() < 0.3:
            told.append(f'"{line}"')
        elif i > 1 and slots["ahe"] != slots["bhe"] and random.random() < 0.3:
            told.append(f"{spoken} {slots[who + 'he']} {verb}.")
        else:
            told.append(f"{spoken} {name} {verb}." if verb == "wanted to know" or random.random() < 0.3 else f"{spoken} {verb} {name}.")
    return f"{head} {' '.join(told)}".strip() if random.random() < 0.7 else "\n".join([*([head] if head else []), *told])


def _letter(random: Random) -> tuple[str, str, Slots]:
    what, body = random.choice(table("worlds/letters"))
    _, slots, _ = _talk(random)
    slots |= {"x1": past(random.choice(WORDS["deeds"])), "home2": random.choice(WORDS["homes people"])}
    what = write(what, slots, random)
    text = write(f"{SAY['letter beginning'][0]}{body}\n{SAY['letter end'][0]}", slots, random)
    return what[0].lower() + what[1:], text, slots


def letter(random: Random) -> str:
    """A short letter."""
    return _letter(random)[1]


def report(random: Random) -> str:
    """A small piece of news."""
    slots = _world(random, "child", WORDS["outdoors"]) | _some(random, pet="report pets", place2="new places")
    return write(random.choice(SAY["reports"]), slots, random)


TEXTS: dict[str, Callable[[Random], str]] = {
    "story": story, "scene": scene, "day": day, "description": description, "talk": talk, "letter": letter, "howto": howto,
    "report": report,
}  # fmt: skip


def _say(name: str, random: Random) -> str:
    return random.choice(SAY[name])


def _ask(wish: str, random: Random) -> str:
    """A wish such as "tell me a story" in the words of a user."""
    text = _say("frames", random).replace("{W}", wish[0].upper() + wish[1:]).replace("{w}", wish)
    draw = random.random()
    if draw < 0.05:
        return text.lower()
    return text.rstrip(".!?") if draw < 0.1 else text


def _turns(*pairs: tuple[str, str]) -> list[Turn]:
    return [turn for user, assistant in pairs for turn in (("user", user), ("assistant", assistant))]


def tell(random: Random) -> list[Turn]:
    """Tell a story about something that is really in it."""
    told = make_story(random)
    short = random.random() < 0.25
    subject = _of_plot(_say("subjects", random), told.plot)
    if short:
        subject = _of_plot(_say("short subjects", random), told.plot)
    elif "{f" in subject and told.slots["f"] not in told.text:
        subject = "about a {k}"
    kind = SAY["short kinds" if short else "kinds"][0]
    wish = write(f"{SAY['wish'][0].replace('{kind}', kind)} {subject}", told.slots, random)
    answer = _brief(told, random) if short else told.text
    if random.random() < 0.08:
        answer = f"{_title(told, random)}\n\n{answer}"
    elif random.random() < 0.08:
        answer = f"{_say('gladly', random)} {answer}"
    pairs = [(_ask(wish[0].lower() + wish[1:], random), answer)]
    draw = random.random()
    if draw < 0.06:
        pairs.append((_say("thanks for a story", random), _say("after thanks", random)))
    elif draw < 0.12:
        pairs.append((_say("asks for a title", random), f'It could be called "{_title(told, random)}".'))
    elif draw < 0.2:
        pairs.append(_question(told, random))
    return _turns(*pairs)


_GAPS = (" ", "\n", "\n\n")
"""What stands between a text and what is asked about it."""


def continued(random: Random) -> list[Turn]:
    """Go on with a story that the user begins."""
    told = make_story(random)
    cut = random.choice([1, 1, 2, 2, 3])
    begin, rest = " ".join(told.beats[:cut]), " ".join(told.beats[cut:])
    request = _ask(_say("continue", random), random)
    if request[-1] in ".!" and random.random() < 0.6:
        request = request[:-1] + ":"
    form = random.random()
    if form < 0.55:
        return _turns((f"{request}{random.choice(_GAPS)}{begin}", rest))
    if request.endswith(":"):
        request = request[:-1] + "."
    if form < 0.9:
        return _turns((f"{begin}{random.choice(_GAPS)}{request}", rest))
    return _turns((f"Here is how my story begins: {begin}", _say("shall i go on", random)), (_say("go on", random), rest))


def _question(told: Story, random: Random) -> tuple[str, str]:
    draw = random.random()
    if draw < 0.1:
        return write(_say("unknown", random), told.slots | {"day2": "month"}, random), _say("not told", random)
    asked = random.choice(table("worlds/questions") if draw < 0.35 else told.plot.asks)
    question, answer = (write(_of_plot(part, told.plot), told.slots, random) for part in asked)
    return question, answer


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
    turns = _turns((_say("read", random).replace("{t}", text).replace("{q}", first), answer))
    for question, reply in pairs[1:]:
        turns += _turns((f"{_say('leads', random)} {question}".strip(), reply))
    return turns


def _passage(ask: str, text: str, random: Random) -> str:
    request = _ask(ask, random)
    if random.random() < 0.5:
        if request[-1] in ".!":
            request = request[:-1] + ":"
        return f"{request}{random.choice(_GAPS)}{text}"
    return f"{text}{random.choice(_GAPS)}{request}"


def summary(random: Random) -> list[Turn]:
    """A story in one sentence."""
    told = make_story(random)
    return _turns((_passage(_say("summary", random), told.text, random), _short(told, random)))


def titled(random: Random) -> list[Turn]:
    """A title for a story."""
    told = make_story(random)
    return _turns((_passage(_say("title", random), told.text, random), _title(told, random)))


def described(random: Random) -> list[Turn]:
    """A description of a thing, an animal, a place, a job or a season."""
    subject, text = _describe(random)
    pairs = [(_ask(_say("describe", random).format(subject), random), text)]
    if random.random() < 0.15:
        other, more = _describe(random)
        if other != subject:
            pairs.append((_say("describe another", random).format(other), more))
    return _turns(*pairs)


_POEMS = tuple(lists("templates/poems").items())
"""Of each topic couplets of two lines; any two of them are a poem."""


def poem(random: Random) -> list[Turn]:
    """Four lines that rhyme."""
    topic, couplets = random.choice(_POEMS)
    ask = _say("poem", random).format(topic)
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
    ask = _say("dialogue", random).format(pair, topic)
    return _turns((_ask(ask, random), "\n".join(f"{slots[who]}: {line}" for who, line in lines)))


def note(random: Random) -> list[Turn]:
    """A letter, an invitation or a note."""
    what, text, slots = _letter(random)
    request = _ask(_say("note", random).format(what), random)
    sign = _say("signs", random).format(a=slots["a"])
    if not sign:
        return _turns((request, text[: text.rindex("\n")]))
    return _turns((f"{request}{'' if request[-1] in '.!?' else '.'} {sign}", text))


_IDEAS = tuple(lists("words/ideas").items())
_COUNTS = {"two": 2, "three": 3, "four": 4, "five": 5}


def _numbered(items: list[str]) -> str:
    return "\n".join(f"{i}. {item[0].upper()}{item[1:]}" for i, item in enumerate(items, 1))


def ideas(random: Random) -> list[Turn]:
    """Some ideas as a numbered list."""
    topic, pool = random.choice(_IDEAS)
    many = random.choice(["three", "three", "three", "two", "four", "five"])
    ask = _say("ideas", random).format(many, topic)
    picked = [_finish(item) for item in random.sample(pool, len(pool))]
    count = min(_COUNTS[many], len(picked))
    pairs = [(_ask(ask, random), _numbered(picked[:count]))]
    if count + 1 < len(picked) and random.random() < 0.2:
        more = picked[count]
        named = more.split()[0] == "Luna" or "name" in topic
        pairs.append((_say("one more idea", random), f"What about {more}?" if named else f"Another idea: {more[0].lower()}{more[1:]}."))
    return _turns(*pairs)


def plan(random: Random) -> list[Turn]:
    """The steps of an everyday activity."""
    what, steps = random.choice(_HOWTO)
    ask = _say("plan", random).format(what)
    user = _ask(ask, random) if random.random() < 0.7 else _say("plan asked", random).format(what)
    pairs = [(user, _numbered([f"{step}." for step in steps]))]
    if random.random() < 0.2:
        i = random.randrange(len(steps) - 1)
        slots = {"first": steps[0], "last": steps[-1], "number": i + 1, "next": steps[i + 1], "count": len(steps)}
        question, answer = (part.format(**slots) for part in random.choice(table("worlds/plan_questions")))
        pairs.append((question, answer))
    return _turns(*pairs)


def compare(random: Random) -> list[Turn]:
    """The difference between two everyday things."""
    one, is_one, two, is_two = random.choice(table("worlds/compare"))
    if random.random() < 0.5:
        one, is_one, two, is_two = two, is_two, one, is_one
    ask = _say("compare", random).format(one, two)
    user = _ask(ask, random) if random.random() < 0.6 else _say("compare asked", random).format(one, two)
    return _turns((user, _finish(_say("compared", random).format(one, is_one, two, is_two))))


TASKS: dict[str, Callable[[Random], list[Turn]]] = {
    "tell": tell, "continue": continued, "read": read, "summary": summary, "title": titled, "describe": described, "poem": poem,
    "dialogue": dialogue, "letter": note, "ideas": ideas, "plan": plan, "compare": compare,
}  # fmt: skip
