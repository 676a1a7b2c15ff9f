"""Opinions and feelings: reviews with a known verdict, labels for them, replies to them, and sentences in other styles.

Both verdicts share the sentence patterns, so that only the words of praise and blame (and what turns them round) decide.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from random import Random

from starter_training.conversations import Turn
from starter_training.texts import lists, table

WORDS, SAY, PRAISE, BLAME = lists("words/opinions"), lists("templates/opinions"), lists("words/praise"), lists("words/blame")


def _both(name: str) -> dict[bool, tuple[str, ...]]:
    """A list of praise, and its like of blame."""
    return {True: PRAISE[name], False: BLAME[name]}


# Praise and blame for anything at all, for works of art, and in phrases; of verb phrases, the first word is in its base form.
STRONG, MIDDLE, MILD, ART = (_both(name) for name in ("strong", "middle", "mild", "art"))
NOUNS, VERBS, ART_VERBS, ASPECT_VERBS = (_both(name) for name in ("nouns", "verbs", "art verbs", "aspect verbs"))
QUALITIES, ART_QUALITIES, MANNER, OWN_DEGREES = (_both(name) for name in ("qualities", "art qualities", "manner", "own degrees"))
REACTIONS, WATCHED, ONE_SIDED, PLAIN_REPLIES, RECOMMEND = (
    _both(name) for name in ("reactions", "watched", "one sided", "plain replies", "recommend")
)
SOFT = WORDS["soft"]
"""Hedges that can stand before an adjective that stands before a noun."""
DEGREES = WORDS["degrees"] + WORDS["degrees alone"]


@dataclass(frozen=True, slots=True)
class Aspect:
    """A part of a thing one reviews: its name, number ("s" one, "m" mass, "p" many) and the words that fit it."""

    name: str
    number: str
    good: tuple[str, ...]
    bad: tuple[str, ...]


def _aspects(domain: str) -> tuple[Aspect, ...]:
    rows = [(names.split("|"), *rest) for of, names, *rest in table("opinions/aspects") if of == domain]
    return tuple(Aspect(name, number, tuple(good.split()), tuple(bad.split())) for names, number, good, bad in rows for name in names)


@dataclass(frozen=True, slots=True)
class Domain:
    """Things of one kind that people review, and what one did with them."""

    things: tuple[str, ...]
    unit: str
    used: str
    participles: tuple[str, ...]
    aspects: tuple[Aspect, ...]
    words: dict[bool, tuple[str, ...]]
    reactions: dict[bool, tuple[str, ...]]
    art: bool


def _domain(name: str, unit: str, used: str, art: str) -> Domain:
    found = {key: lists("words/domains").get(f"{name} {key}", ()) for key in ("things", "participles", "good", "bad", "liked", "disliked")}
    words = {True: found["good"], False: found["bad"]}
    reactions = {True: found["liked"], False: found["disliked"]} if found["liked"] else WATCHED
    return Domain(found["things"], unit, used, found["participles"], _aspects(name), words, reactions, art == "yes")


DOMAINS = {name: _domain(name, unit, used, art) for name, unit, used, art, _ in table("opinions/domains")}
DOMAIN_NAMES = tuple(name for name, *_, weight in table("opinions/domains") for _ in range(int(weight)))
"""Each as often as it is drawn."""


def third(phrase: str) -> str:
    """A verb phrase for one thing: "fall flat" becomes "falls flat"."""
    verb, _, rest = phrase.partition(" ")
    if verb in ("do", "go") or verb.endswith(("s", "sh", "ch", "x", "z")):
        verb += "es"
    elif verb.endswith("y") and verb[-2] not in "aeiou":
        verb = verb[:-1] + "ies"
    else:
        verb += "s"
    return f"{verb} {rest}" if rest else verb


def plural(noun: str) -> str:
    """The plural of the last word."""
    if noun.startswith("pair of"):
        return noun.replace("pair", "pairs", 1)
    if noun.endswith(("'s", "series")):
        return noun
    if noun.endswith(("s", "sh", "ch", "x")):
        return f"{noun}es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return f"{noun[:-1]}ies"
    if noun.endswith("fe"):
        return f"{noun[:-2]}ves"
    return f"{noun}s"


AN_WORDS = ("hon", "hour", "heir")
A_WORDS = ("uniq", "unif", "univ", "unit", "use", "usu", "one", "once", "eu")


def article(word: str) -> str:
    """The article before the next word: a or an."""
    low = word.lower()
    if low.startswith(AN_WORDS) and not low.startswith("honey"):
        return "an"
    return "an" if low[:1] in "aeiou" and not low.startswith(A_WORDS) else "a"


def _articles(text: str) -> str:
    return re.sub(r"~a (\S+)", lambda match: f"{article(match[1])} {match[1]}", text)


def _cap(text: str) -> str:
    return text[:1].upper() + text[1:]


def _end(text: str, mark: str = ".") -> str:
    """A sentence with a capital letter and a full stop."""
    return _cap(text) if text[-1] in ".!?" else _cap(text) + mark


def loose(text: str) -> str:
    """The text as critics' snippets are often stored: lower case, spaces around marks."""
    text = re.sub(r"([,.!?;:])(?=\s|$)", r" \1", text.lower())
    return re.sub(r"(n't|'s|'re|'ve)\b", r" \1", text)


@cache
def _parts(template: str) -> tuple[str, ...]:
    return tuple(re.split(r"\[([^\]]+)\]", template))


@cache
def _middle(name: str, good: bool) -> tuple[str, ...]:
    if name == "weather":
        return DOMAINS[name].words[good]
    if name in ("product", "app", "hotel", "restaurant", "service"):
        return tuple(word for word in MIDDLE[good] if word not in WORDS["lively"])
    return MIDDLE[good]


@cache
def _pool(name: str, good: bool, level: int) -> tuple[str, ...]:
    """Adjectives for the whole thing; level 0 is any strength."""
    domain = DOMAINS[name]
    if level in (1, 5):
        return STRONG[good]
    if level:
        return MILD[good]
    own = domain.words[good] * (2 if domain.art else 4)
    return STRONG[good] + _middle(name, good) * (1 if domain.art else 2) + (ART[good] * 2 if domain.art else ()) + own + MILD[good]


@cache
def _plain_pool(name: str, good: bool) -> tuple[str, ...]:
    """Adjectives that a word like "very" or "rather" can stand before."""
    domain = DOMAINS[name]
    return _middle(name, good) + (ART[good] * 2 if domain.art else ()) + domain.words[good]


@cache
def _long(name: str, good: bool) -> tuple[str, ...]:
    domain = DOMAINS[name]
    if name == "weather":
        return _both("weather long")[good]
    words = _middle(name, good) + (ART[good] if domain.art else ())
    return tuple(word for word in words if len(word) > 7 and not word.startswith(("well-", "badly-", "high-", "low-")))


@cache
def _verbs(name: str, good: bool) -> tuple[str, ...]:
    if name == "weather":
        return _both("weather verbs")[good]
    return VERBS[good] + (ART_VERBS[good] * 2 if DOMAINS[name].art else ())


@cache
def _short_nouns(good: bool) -> tuple[str, ...]:
    return tuple(noun for noun in NOUNS[good] if " " not in noun)


@cache
def _qualities(name: str, good: bool) -> tuple[str, ...]:
    if name == "weather":
        return _both("weather qualities")[good]
    return QUALITIES[good] + (ART_QUALITIES[good] * 2 if DOMAINS[name].art else ())


@dataclass(slots=True)
class Voice:
    """Somebody who reviews one thing: knows the verdict and remembers the words already used."""

    random: Random
    name: str
    thing: str
    good: bool
    level: int = 0
    aspect: Aspect | None = None
    weighed: bool = False
    spoken: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)

    def take(self, pool: Sequence[str]) -> str:
        """A word that was not used yet, if one is found quickly."""
        for _ in range(6):
            word = self.random.choice(pool)
            if word not in self.spoken:
                break
        self.spoken.append(word)
        return word

    def own(self, good: bool, word: str) -> str:
        """Remember a word that speaks for the verdict."""
        if good == self.good:
            self.shown.append(word)
        return word

    def adjective(self, good: bool) -> str:
        """A word for the whole thing."""
        level = self.level if good == self.good else 0
        word = self.own(good, self.take(_plain_pool(self.name, good) if self.weighed and not level else _pool(self.name, good, level)))
        self.weighed = False
        if good == self.good:
            self.facts.append(f"it is {word}")
        return word

    def part(self) -> str:
        """Turn to another part of the thing."""
        aspects = DOMAINS[self.name].aspects
        for _ in range(6):
            self.aspect = self.random.choice(aspects)
            if self.aspect.name not in self.spoken:
                break
        assert self.aspect is not None
        self.spoken.append(self.aspect.name)
        return self.aspect.name

    def part_word(self, good: bool) -> str:
        """A word for the part in view."""
        aspect = self.aspect
        assert aspect is not None
        if self.level in (1, 5) and good == self.good:
            pool = STRONG[good]
        elif self.level and good == self.good:
            pool = MILD[good]
        else:
            pool = aspect.good if good else aspect.bad
            if self.random.random() < 0.25:
                pool = MIDDLE[good] if self.weighed else STRONG[good] + MIDDLE[good]
        self.weighed = False
        word = self.own(good, self.take(pool))
        if good == self.good:
            self.facts.append(f"the {aspect.name} {self.be()} {word}")
        return word

    def be(self) -> str:
        """Is or are, for the part in view."""
        return "are" if self.aspect is not None and self.aspect.number == "p" else "is"

    def noun_phrase(self, good: bool) -> str:
        """A part with its word: "a witty script", "stale jokes"."""
        name = self.part()
        word = self.part_word(good)
        assert self.aspect is not None
        return f"~a {word} {name}" if self.aspect.number == "s" else f"{word} {name}"

    def degree(self, soft: bool = False) -> str:
        """How much: often nothing."""
        draw = self.random.random()
        if self.level in (2, 3, 4):
            return self.take(SOFT) + " " if draw < 0.7 else ""
        if self.level:
            return self.take(WORDS["utterly"]) + " " if draw < 0.6 else ""
        if draw < 0.65:
            return ""
        self.weighed = True
        if draw < 0.73:
            return self.take(SOFT if soft else WORDS["hedges"]) + " "
        if draw < 0.8:
            return self.take(OWN_DEGREES[self.good]) + " "
        return self.take(WORDS["degrees"] if soft else DEGREES) + " "

    def slot(self, code: str) -> str:
        """What stands in one place of a pattern."""
        return _PLACES[code.removeprefix("-")](self, self.good != code.startswith("-"))

    def say(self, template: str) -> str:
        """A pattern with its places filled."""
        parts = _parts(template)
        text = "".join([self.slot(part) if index % 2 else part for index, part in enumerate(parts)])
        return _articles(text)


def _taken(pool: Callable[[Voice, bool], Sequence[str]], change: Callable[[str], str] = str) -> Callable[[Voice, bool], str]:
    """A word from a pool, which speaks for one side."""
    return lambda voice, good: voice.own(good, change(voice.take(pool(voice, good))))


_PLACES: dict[str, Callable[[Voice, bool], str]] = {
    "A": Voice.adjective,
    "B": Voice.part_word,
    "NP": Voice.noun_phrase,
    "a": lambda voice, good: "~a",
    "D": lambda voice, good: voice.degree(),
    "d": lambda voice, good: voice.degree(soft=True),
    "S": lambda voice, good: voice.part(),
    "is": lambda voice, good: voice.be(),
    "was": lambda voice, good: "were" if voice.be() == "are" else "was",
    "W": lambda voice, good: voice.own(good, (str if voice.be() == "are" else third)(voice.take(ASPECT_VERBS[good]))),
    "V": _taken(lambda voice, good: _verbs(voice.name, good)),
    "Vs": _taken(lambda voice, good: _verbs(voice.name, good), third),
    "N": _taken(lambda voice, good: NOUNS[good]),
    "n": _taken(lambda voice, good: _short_nouns(good)),
    "Q": _taken(lambda voice, good: _qualities(voice.name, good)),
    "L": _taken(lambda voice, good: _long(voice.name, good)),
    "P": lambda voice, good: voice.own(good, f"{voice.take(MANNER[good])} {voice.take(DOMAINS[voice.name].participles)}"),
    "R": lambda voice, good: voice.take(REACTIONS[good] + DOMAINS[voice.name].reactions[good] * 2),
    "T": lambda voice, good: voice.thing,
    "Ts": lambda voice, good: plural(voice.thing),
    "U": lambda voice, good: DOMAINS[voice.name].unit,
    "used": lambda voice, good: DOMAINS[voice.name].used,
}


SIMPLE_CLAUSES = SAY["short clauses"] + SAY["simple clauses"]
CLAUSES = SIMPLE_CLAUSES + SAY["further clauses"]
# Patterns for both verdicts. [A] a fitting word, [-A] a word of the other side, [S] [is] [B] a part and its word,
# [NP] a part with its word before it, [N] noun, [Q] quality, [V] [Vs] verb, [P] "well acted", [R] reaction, [D] degree.


@dataclass(frozen=True, slots=True)
class Review:
    """A review with its verdict."""

    text: str
    good: bool
    thing: str
    shown: tuple[str, ...]
    facts: tuple[str, ...]
    critic: bool


def _voice(random: Random, good: bool, level: int = 0, name: str = "") -> Voice:
    name = name or random.choice(DOMAIN_NAMES)
    return Voice(random, name, random.choice(DOMAINS[name].things), good, level)


def _line(voice: Voice) -> str:
    """One clause, without capital letter or full stop."""
    draw = voice.random.random()
    if draw < 0.12:
        return voice.say(voice.random.choice(ONE_SIDED[voice.good]))
    if draw < 0.16 and DOMAINS[voice.name].participles:
        return voice.say(voice.random.choice(SAY["made clauses"]))
    return voice.say(voice.random.choice(CLAUSES))


def _phrase(voice: Voice) -> str:
    """One fragment, without capital letter or full stop."""
    made = voice.random.random() < 0.12 and bool(DOMAINS[voice.name].participles)
    return voice.say(voice.random.choice(SAY["made"] if made else SAY["phrases"]))


def _joined(voice: Voice) -> str:
    """Two clauses in one sentence."""
    joint = voice.random.choice([", and ", "; ", " and ", ": ", " -- "])
    first, second = _line(voice).rstrip("!?"), _line(voice)
    if second.startswith(("what", "where")):
        joint = " -- "
    return first + joint + second


def _mixed(voice: Voice) -> list[str]:
    """Doubts first, the verdict in the end."""
    doubt = voice.say(voice.random.choice(SAY["doubts"]))
    if voice.random.random() < 0.4:
        joint = voice.random.choice([", but ", ", yet "])
        return [doubt + joint + voice.say(voice.random.choice(SAY["verdicts after a doubt"])).removeprefix("still, ")]
    return [doubt, voice.say(voice.random.choice(SAY["verdicts"]))]


def _sentences(voice: Voice, most: int = 4) -> list[str]:
    """The clauses of a review in full sentences."""
    draw = voice.random.random()
    if draw < 0.15:
        return _mixed(voice)
    if draw < 0.25:
        return [_joined(voice)]
    lines = [_line(voice) for _ in range(voice.random.randint(1, most))]
    if voice.random.random() < 0.3 and len(lines) > 1:
        lines[-1] = voice.say(voice.random.choice(SAY["verdicts"]))
    if voice.random.random() < 0.3:
        lines.insert(0, _opener(voice))
    return lines


def _opener(voice: Voice) -> str:
    """A first clause without an opinion."""
    any_thing = SAY["openers of any thing"]
    return voice.say(voice.random.choice(any_thing if voice.name in ("weather", "trip") else SAY["openers"] + any_thing))


def review(random: Random, good: bool | None = None, name: str = "", full: bool = False) -> Review:
    """A review whose verdict is sure."""
    if good is None:
        good = random.random() < 0.5
    voice = _voice(random, good, 0, name)
    critic = not full and random.random() < (0.6 if DOMAINS[voice.name].art else 0.3)
    if critic:
        text = _critic(voice)
    else:
        lines = _sentences(voice)
        text = " ".join([_end(line, "!" if random.random() < 0.04 else ".") for line in lines])
        if not full and random.random() < 0.06:
            text = text.lower()
    return Review(text, good, voice.thing, tuple(voice.shown), tuple(voice.facts), critic)


def _critic(voice: Voice) -> str:
    """A critic's snippet."""
    random = voice.random
    draw = random.random()
    if draw < 0.4:
        text = _phrase(voice)
    elif draw < 0.5:
        text = f"{_phrase(voice)}, {voice.say(random.choice(SAY['critic adds']))}"
    elif draw < 0.55:
        text = f"{_phrase(voice)}{random.choice([', ', '; ', ': '])}{_phrase(voice)}"
    elif draw < 0.62:
        text = voice.say("[a] [d][A] [T]; ") + _line(voice)
    elif draw < 0.72:
        text = _joined(voice)
    elif draw < 0.82:
        lines = _mixed(voice)
        text = lines[0] if len(lines) == 1 else f"{lines[0]}, {voice.say(random.choice(SAY['critic turns']))}"
    else:
        text = _line(voice)
    if random.random() < 0.75:
        return loose(text + (random.choice([".", ".", ".", "", "!"]) if text[-1] not in ".!?" else ""))
    return _end(text)


def graded(random: Random, level: int, name: str = "") -> Review:
    """A review of 1 to 5 stars; 3 is in the middle."""
    voice = _voice(random, level > 3 or (level == 3 and random.random() < 0.5), 0 if level == 3 else level, name)
    if level == 3:
        lines = [voice.say(line) for line in random.sample(SAY["so so"], random.randint(1, 2))]
    else:
        lines = [voice.say(line) for line in random.sample(SAY["level lines"], random.randint(1, 2))]
        if random.random() < 0.7 or level in (2, 4):
            lines.append(voice.say(random.choice(SAY[f"level {level} ends"])))
    return Review(" ".join([_end(line) for line in lines]), voice.good, voice.thing, tuple(voice.shown), tuple(voice.facts), False)


def _ask(random: Random, text: str, asks: Sequence[str], systems: Sequence[str], answer: str) -> list[Turn]:
    """The instruction before or after the text, or in a system message."""
    if random.random() < 0.45:
        return [("system", random.choice(systems)), ("user", text), ("assistant", answer)]
    return [("user", random.choice(asks).replace("{}", text)), ("assistant", answer)]


OTHER_LABELS = tuple((good, bad, tuple(asks.split("|"))) for good, bad, asks in table("opinions/labels"))


def sentiment(random: Random) -> list[Turn]:
    """A review and its label."""
    shown = review(random)
    if random.random() < 0.55:
        return _ask(random, shown.text, SAY["label asks"], SAY["label systems"], "positive" if shown.good else "negative")
    yes, no, asks = random.choice(OTHER_LABELS)
    answer = yes if shown.good else no
    ask = random.choice(asks)
    if random.random() < 0.4:
        return [("system", ask), ("user", shown.text), ("assistant", answer)]
    layout = random.choice(["{} {}", "{}\n{}", "{}\n\n{}"])
    parts = (ask, shown.text) if random.random() < 0.5 else (shown.text, ask)
    return [("user", layout.format(*parts)), ("assistant", answer)]


def _reply(good: bool, thing: str, text: str, random: Random) -> str:
    """A reply that names the thing only if the review does."""
    reply = random.choice(PLAIN_REPLIES[good])
    if thing in text.lower():
        return reply.replace("{t}", thing)
    while "{t}" in reply.replace("the {t}", "").replace("The {t}", ""):
        reply = random.choice(PLAIN_REPLIES[good])
    return reply.replace("the {t}", "it").replace("The {t}", "It")


def sentiment_plain(random: Random) -> list[Turn]:
    """A review alone; the reply shows that its tone was understood."""
    shown = review(random)
    turns = [("user", shown.text), ("assistant", _reply(shown.good, shown.thing, shown.text, random))]
    if random.random() < 0.12:
        return [("system", random.choice(SAY["plain systems"])), *turns]
    return turns


def _told(random: Random, make: Callable[[Random], Review] = review) -> Review:
    """A review in which something speaks openly for the verdict."""
    for _ in range(8):
        shown = make(random)
        if shown.shown:
            break
    return shown


def sentiment_why(random: Random) -> list[Turn]:
    """A label with the words that show it."""
    shown = _told(random)
    label = "positive" if shown.good else "negative"
    words = [word.lower() if shown.critic else word for word in dict.fromkeys(shown.shown) if word.lower() in shown.text.lower()] or ["it"]
    form = random.choice(SAY["why two"] if len(words) > 1 else SAY["why one"])
    first, second = random.sample(words, 2) if len(words) > 1 else (words[0], "")
    if " " in first:
        form = form.replace("The word '{a}'", "The phrase '{a}'")
    answer = form.format(l=label, L=_cap(label), a=first, b=second)
    return _ask(random, shown.text, [ask.replace("{l}", label) for ask in (random.choice(SAY["why asks"]),)], SAY["why systems"], answer)


def star_rating(random: Random) -> list[Turn]:
    """A review and its stars."""
    level = random.choice((1, 1, 2, 3, 4, 5, 5))
    shown = graded(random, level)
    kind = random.random()
    if kind < 0.4:
        return _ask(random, shown.text, SAY["star asks"], SAY["star systems"], str(level))
    asks, answer = SAY["strengths asked"], SAY["strengths"][level - 1]
    if kind < 0.65:
        asks, answer = SAY["stars in words"], f"{level} star{'' if level == 1 else 's'}"
    elif kind < 0.82:
        asks, answer = SAY["stars as signs"], "★" * level + "☆" * (5 - level)
    ask = random.choice(asks)
    return _ask(random, shown.text, [f"{{}} {ask}", f"{ask}\n{{}}"], [ask], answer)


def more_positive(random: Random) -> list[Turn]:
    """Two reviews: which is the better one?"""
    name = random.choice(DOMAIN_NAMES)
    if random.random() < 0.6:
        texts = [review(random, good, name).text for good in (True, False)]
    else:
        high, low = random.choice(((5, 3), (5, 2), (5, 1), (4, 1), (3, 1), (4, 2)))
        texts = [graded(random, level, name).text for level in (high, low)]
    first = random.random() < 0.5
    if not first:
        texts.reverse()
    ask, yes, no = random.choice(table("opinions/more_asks"))
    if yes in "AB":
        marks = ("A: ", "B: ")
    elif yes in "12":
        marks = ("1: ", "2: ")
    else:
        named = (("First: ", "Second: "), ("1. ", "2. "), ("Review 1: ", "Review 2: "), ("First review: ", "Second review: "))
        marks = random.choice(named)
    body = f"{marks[0]}{texts[0]}\n{marks[1]}{texts[1]}"
    answer = yes if first else no
    if random.random() < 0.3:
        return [("system", ask), ("user", body), ("assistant", answer)]
    return [("user", f"{ask}\n{body}" if random.random() < 0.5 else f"{body}\n{ask}"), ("assistant", answer)]


def recommend(random: Random) -> list[Turn]:
    """Yes or no, with a reason from the review."""
    for _ in range(8):
        shown = review(random, full=True)
        if shown.facts:
            break
    fact = random.choice(shown.facts) if shown.facts else ("the writer liked it" if shown.good else "the writer did not like it")
    answer = random.choice(RECOMMEND[shown.good]).replace("{f}", fact)
    ask = random.choice(SAY["recommend asks"]).replace("{t}", shown.thing).replace("{}", shown.text)
    return [("user", ask), ("assistant", answer)]


def write_review(random: Random) -> list[Turn]:
    """A review as asked for."""
    good = random.random() < 0.5
    shown = review(random, good, full=True)
    word = random.choice(_both("asked for")[good])
    ask = random.choice(SAY["write asks"]).replace("{g}", word)
    ask = ask.replace("{at}", f"{article(shown.thing)} {shown.thing}").replace("{t}", shown.thing)
    ask = ask.replace(f" a {word}", f" {article(word)} {word}")
    text = shown.text if shown.thing in shown.text.lower() else f"This is about the {shown.thing}. {_cap(shown.text)}"
    return [("user", ask), ("assistant", _cap(text))]


PAIRS = table("opinions/pairs")
PLAIN_PAIRS = tuple(pair for pair in PAIRS if pair[0] not in WORDS["only of art"])
"""Pairs for things without a story."""


def rewrite_opposite(random: Random) -> list[Turn]:
    """The same sentence with the opposite verdict."""
    name = random.choice(DOMAIN_NAMES)
    thing = random.choice(DOMAINS[name].things)
    first, second = random.sample(PAIRS if DOMAINS[name].art else PLAIN_PAIRS, 2)
    line, frame = random.choice(table("opinions/pair_lines")), random.choice(SAY["pair frames"])
    made = []
    for side in (0, 1):
        clause = line[side].replace("the {t}", "it").replace("{t}", thing) if "{t}" in frame else line[side].replace("{t}", thing)
        text = frame.format(first[side], second[side], t=thing, x0=f"{article(first[side])} {first[side]}", l=clause, L=_cap(clause))
        made.append(text)
    good = random.random() < 0.5
    source, result = (made[1], made[0]) if good else (made[0], made[1])
    if random.random() < 0.25:
        system = random.choice(SAY["opposite systems"])
        return [("system", system), ("user", source), ("assistant", result)]
    return [("user", random.choice(_both("rewrite")[good]).replace("{}", source)), ("assistant", result)]


@dataclass(frozen=True, slots=True)
class Feeling:
    """An emotion: words for it, its emoji, things that happen, and kind replies."""

    words: tuple[str, ...]
    emoji: str
    events: tuple[str, ...]
    replies: tuple[str, ...]


# {p} stands for my, his, her, our, their; {o} for me, him, her, us, them.
FEELINGS = {
    name: Feeling(found[f"{name} words"], found[f"{name} emoji"][0], found[f"{name} events"], found[f"{name} replies"])
    for found in (lists("words/feelings"),)
    for name in dict.fromkeys(title.split()[0] for title in found)
}
EMOTIONS = tuple(FEELINGS)
PRESENT = ("adores ", "cherishes ", "treasures ", "feels ", "cares ")


@dataclass(frozen=True, slots=True)
class Felt:
    """A sentence about a feeling."""

    text: str
    emotion: str
    subject: tuple[str, ...]


def felt(random: Random) -> Felt:
    """Somebody's emotion, told by what happened or named."""
    emotion = random.choice(EMOTIONS)
    feeling = FEELINGS[emotion]
    subject = random.choice(table("opinions/tellers"))
    name, pronoun, possessive, objective = subject
    event = random.choice(feeling.events).replace("{p}", possessive).replace("{o}", objective).replace("{s}", pronoun)
    when = random.choice(WORDS["when"]) or "today"
    many = pronoun in ("we", "they")
    if many:
        event = "were " + event[4:] if event.startswith("was ") else event
    frame = random.choice(SAY["felt frames"])
    if event.startswith(PRESENT):
        frame = random.choice(SAY["felt now frames"])
        if pronoun in ("I", "we", "they"):
            verb, _, rest = event.partition(" ")
            event = f"{'cherish' if verb == 'cherishes' else verb[:-1]} {rest}"
    if name == "I":
        frame = frame.replace("I heard that", "The truth is that")
    word = random.choice(feeling.words)
    starts = name[:1].lower() + name[1:] if name.startswith(("The ", "My ", "Our ", "We", "They", "She", "He")) else name
    lead = frame.find("{S}")
    own = starts if lead < 0 else pronoun
    am = "am" if name == "I" else "are" if many else "is"
    text = frame.format(S=name, s=own, e=event, w=when, W=_cap(when), x=word, felt="felt", am=am)
    return Felt(text, emotion, subject)


def emotion(random: Random) -> list[Turn]:
    """A sentence and the name of its emotion."""
    shown = felt(random)
    if random.random() < 0.3:
        others = random.sample([name for name in EMOTIONS if name != shown.emotion], random.choice((1, 2, 3)))
        options = [*others, shown.emotion]
        random.shuffle(options)
        listed = ", ".join(options[:-1]) + f" or {options[-1]}"
        ask = random.choice(SAY["emotion choices"]).format(listed)
        return _ask(random, shown.text, [f"{{}} {ask}", f"{ask}\n{{}}", f"{{}}\n{ask}"], [ask], shown.emotion)
    if random.random() < 0.1:
        ask = random.choice(SAY["emotion as emoji"])
        return _ask(random, shown.text, [f"{ask} {{}}", f"{{}} {ask}"], [ask], FEELINGS[shown.emotion].emoji)
    return _ask(random, shown.text, SAY["emotion asks"], SAY["emotion systems"], shown.emotion)


def emotion_plain(random: Random) -> list[Turn]:
    """A sentence about a feeling and a kind reply."""
    shown = felt(random)
    reply = random.choice(FEELINGS[shown.emotion].replies)
    if random.random() < 0.2:
        name = "You" if shown.subject[0] in ("I", "We") else shown.subject[0]
        name = "Your" + name[2:] if name.startswith("My ") else name
        seem = "seem" if shown.subject[1] in ("I", "we", "they") else "seems"
        word = random.choice([word for word in FEELINGS[shown.emotion].words if "-" not in word])
        reply = f"{name} must have felt {word}." if random.random() < 0.6 else f"{name} {seem} to be {word}. {reply}"
    elif shown.subject[0] not in ("I", "We"):
        for old, new in table("opinions/replies_for_others"):
            reply = reply.replace(old, new)
        if re.search(r"\byour?\b", reply, re.IGNORECASE):
            reply = random.choice([other for other in FEELINGS[shown.emotion].replies if not re.search(r"\byour?\b", other, re.IGNORECASE)])
    return [("user", shown.text), ("assistant", reply)]


def _low(subject: str) -> str:
    """A subject inside a sentence."""
    return subject if subject.startswith("Anna") else subject[:1].lower() + subject[1:]


def _simple(random: Random, good: bool | None = None) -> tuple[str, str]:
    """A subject and what it is."""
    if random.random() < 0.4:
        row = random.choice(table("opinions/trivia"))
        return row[0], row[1]
    if good is None:
        good = random.random() < 0.5
    name = random.choice(DOMAIN_NAMES)
    thing = "The " + random.choice(DOMAINS[name].things)
    return thing, random.choice(_long(name, good) + STRONG[good])


def _styled(kind: str, random: Random) -> tuple[str, str]:
    """A plain sentence and the same in a style."""
    subject, rest = _simple(random, {"excited": True, "sad": False}.get(kind))
    plain = f"{subject} is {rest}."
    if kind == "excited":
        form = random.choice(SAY["excited"])
        return plain, form.format(s=_low(subject), S=subject, r=rest)
    if kind == "sad":
        return plain, random.choice(SAY["sad"]).format(s=_low(subject), r=rest)
    if kind == "short":
        good = random.random() < 0.5
        name = random.choice(DOMAIN_NAMES)
        thing, word = random.choice(DOMAINS[name].things), random.choice(_long(name, good))
        return random.choice(SAY["long forms"]).format(t=thing, a=word), f"The {thing} was {word}."
    if kind == "question":
        return plain, f"Is {_low(subject)} {rest}?"
    if kind == "past":
        return plain, f"{subject} was {rest}."
    if kind == "emoji":
        if random.random() < 0.5:
            shown = felt(random)
            return _end(shown.text), f"{_end(shown.text)} {FEELINGS[shown.emotion].emoji}"
        shown_review = review(random, full=True)
        return shown_review.text, f"{shown_review.text} {'👍' if shown_review.good else '👎'}"
    if kind == "headline":
        actor, (before, after) = random.choice(WORDS["actors"]), random.choice(table("opinions/headlines"))
        when = random.choice(SAY["headline days"])
        bare = re.sub(r"^(a|an|the) ", "", actor)
        words = f"{bare} {after}".split()
        title = " ".join([_cap(word) if index == 0 or word not in WORDS["small words"] else word for index, word in enumerate(words)])
        return f"{_cap(actor)} {before} {when}.", title
    if kind == "capitals":
        source = random.choice((plain, _end(felt(random).text), review(random, full=True).text))
        return source, source.upper()
    before, after = random.choice(table("opinions/swaps"))
    thing = random.choice(DOMAINS[random.choice(("film", "stage", "book", "product", "lesson", "trip"))].things[:10])
    return before.format(t=thing), after.format(t=thing)


STYLES = tuple(name.removeprefix("style ") for name in SAY if name.startswith("style "))


def style(random: Random) -> list[Turn]:
    """A sentence rewritten as asked."""
    if random.random() < 0.2:
        verb, things = random.choice(table("opinions/commands"))
        command = f"{verb} {random.choice(things.split(','))}"
        answer = random.choice(SAY["polite"]).format(c=command[:1].lower() + command[1:])
        if random.random() < 0.2:
            system = random.choice(SAY["polite systems"])
            return [("system", system), ("user", f"{command}."), ("assistant", answer)]
        mark = random.choice([".", ".", "!"])
        return [("user", random.choice(SAY["polite asks"]).replace("{}", command + mark)), ("assistant", answer)]
    kind = random.choice(STYLES)
    source, answer = _styled(kind, random)
    ask = random.choice(SAY[f"style {kind}"])
    if random.random() < 0.2:
        system = ask.replace("{}", "").replace("this:", "what the user writes.").strip(" :\n")
        for old, new in table("opinions/style_systems"):
            system = system.replace(old, new)
        return [("system", _end(system)), ("user", source), ("assistant", answer)]
    return [("user", ask.replace("{}", source)), ("assistant", answer)]


LIKES = table("opinions/likes")


def _they(text: str, pronoun: str) -> str:
    """A reason told by a person, told about that person."""
    possessive, objective = ("her", "her") if pronoun == "she" else ("his", "him")
    for verb, changed in table("opinions/third_person"):
        text = re.sub(rf"\bI {verb}\b", f"{pronoun} {changed}", text)
    text = re.sub(r"\bI\b", pronoun, text)
    text = re.sub(r"\bmy\b", possessive, text)
    return re.sub(r"\bme\b", objective, text)


def _is_plural(topic: str) -> bool:
    return topic.endswith("s") and topic not in ("chess", "mathematics", "the circus")


def opinion_talk(random: Random) -> list[Turn]:
    """A short talk about likes and dislikes."""
    if random.random() < 0.4:
        return _thing_talk(random)
    topic, liked, hated = random.choice(LIKES)
    good = random.random() < 0.5
    start = random.choice(_both("love words")[good]).format(x=topic)
    reason = liked if good else hated
    own = f"{_cap(random.choice(['because ', 'Well, ', '']))}{reason}."
    thanks = random.choice(_both("because")[good])
    be = "are" if _is_plural(topic) else "is"
    draw = random.random()
    if draw < 0.4:
        ask = random.choice(SAY["why liked" if good else "why disliked"]).format(topic=topic)
        return [("user", f"{start}."), ("assistant", ask), ("user", _cap(own)), ("assistant", thanks)]
    if draw < 0.6:
        turns = [("user", f"{start}, because {reason}."), ("assistant", thanks)]
        if random.random() < 0.5:
            recall, yes, no = (part.format(topic=topic) for part in random.choice(table("opinions/recalls")))
            turns += [("user", recall), ("assistant", yes if good else no)]
        return turns
    if draw < 0.8:
        ask = random.choice(SAY["opinion asked"]).format(topic=topic)
        reply = random.choice(SAY["opinions of others"]).format(topic=topic, liked=_cap(liked), hated=_cap(hated))
        turns = [("user", ask), ("assistant", reply)]
        if reply.endswith("you?"):
            heard = random.choice(SAY["told"]).format(topic=topic, be=be, no="" if good else "not ")
            turns += [("user", f"{start}."), ("assistant", heard)]
        return turns
    return _prefer(topic, liked, random)


def _prefer(topic: str, liked: str, random: Random) -> list[Turn]:
    """Which of two is better?"""
    other = random.choice([row[0] for row in LIKES if row[0] != topic])
    slots = {"topic": topic, "Topic": _cap(topic), "other": other, "liked": liked, "Is": "Are" if _is_plural(topic) else "Is"}
    ask, reply = random.choice(SAY["preference asked"]).format(**slots), random.choice(SAY["preferences"])
    turns = [("user", ask), ("assistant", reply)]
    if reply.endswith("?"):
        preferred, heard = (random.choice(SAY[name]).format(**slots) for name in ("preferred", "preference heard"))
        turns += [("user", preferred), ("assistant", heard)]
    return turns


def _thing_talk(random: Random) -> list[Turn]:
    """A talk about something that was tried."""
    good = random.random() < 0.5
    voice = _voice(random, good)
    thing = voice.thing
    body = _end(voice.say(random.choice(SIMPLE_CLAUSES)))
    if random.random() < 0.5:
        body += " " + _end(voice.say(random.choice(CLAUSES)))
    close = _reply(good, thing, body, random)
    known = f"the {thing}" if thing in body.lower() else "it"
    draw = random.random()
    if draw < 0.35:
        close = _reply(good, thing, thing, random)
        slots = {"thing": thing, "a_thing": f"{article(thing)} {thing}"}
        opening, ask = (part.format(**slots) for part in random.choice(table("opinions/talk_openings")))
        if voice.name == "weather":
            opening = f"Let me tell you about the {thing}."
        return [("user", opening), ("assistant", ask), ("user", body), ("assistant", close)]
    if draw < 0.6:
        back = random.choice([f"Was there anything you {'did not like' if good else 'liked'}?"])
        but = voice.say("the [S] [was] [-B]")
        answer = random.choice([f"Yes, {but}.", "No, nothing at all."])
        tail = _both("as a whole")[good][answer.startswith("No")].format(known=known)
        return [("user", body), ("assistant", back), ("user", answer), ("assistant", tail)]
    if draw < 0.8:
        ask, yes, no = random.choice(table("opinions/talk_questions"))
        return [("user", body), ("assistant", close), ("user", ask), ("assistant", yes if good else no)]
    person, pronoun = random.choice(table("opinions/friends"))
    other = Voice(random, voice.name, thing, not good)
    second = _end(other.say(random.choice(SAY["short clauses"])))
    agree = random.random() < 0.5
    asked = f"I say: {body} {person} says: {second} Do we agree?" if agree else f"{body} But {person} says: {second} Who is right?"
    reply = random.choice(_both("disagreement" if agree else "tastes")[good]).format(known=known, person=person, pronoun=pronoun)
    return [("user", asked), ("assistant", reply)]


def opinions(random: Random) -> str:
    """Somebody likes or dislikes something and says why; or two people disagree."""
    (name, pronoun), (second, second_pronoun) = random.sample(table("opinions/friends"), 2)
    draw = random.random()
    if draw < 0.45:
        topic, liked, hated = random.choice(LIKES)
        good = random.random() < 0.5
        likes = random.choice(SAY["loves"])
        hates = random.choice(SAY["hates"])
        first = f"{name} {likes if good else hates} {topic}, because {_they(liked if good else hated, pronoun)}."
        if draw < 0.15:
            last = random.choice(['"{reason}," {pronoun} says.', *_both("habits")[good]])
            if last.startswith('"'):
                first = f"{name} {likes if good else hates} {topic}."
            him = "her" if pronoun == "she" else "him"
            return f"{first} {last.format(reason=_cap(liked if good else hated), pronoun=pronoun, him=him, name=name)}"
        other = f"{second} {hates if good else likes} {topic}, because {_they(hated if good else liked, second_pronoun)}."
        end = random.choice(SAY["disagreement ends"]).format(name=name, second=second)
        return f"{first} {other} {end}"
    good = random.random() < 0.5
    voice = _voice(random, good)
    other_voice = Voice(random, voice.name, voice.thing, not good)
    here = _end(voice.say(random.choice(CLAUSES)), "").rstrip(".!")
    there = _end(other_voice.say(random.choice(CLAUSES)), "").rstrip(".!")
    like, not_like = ("liked", "did not like") if good else ("did not like", "liked")
    if draw < 0.75:
        disagree = random.choice(SAY["disagree"])
        talk = f'"{here}," said {name}. "{disagree}," said {second}. "{there}."'
        slots = {"name": name, "second": second, "like": like, "thing": voice.thing}
        slots |= {"other": not_like, "it": " it", "did": "did not"} if good else {"other": "liked it", "it": "", "did": "did"}
        end = random.choice(SAY["talk ends"]).format(**slots)
        start = random.choice(SAY["talk beginnings"]).format(**slots)
        return f"{start} {talk} {end}".strip()
    more = _end(voice.say(random.choice(SIMPLE_CLAUSES)))
    heard = random.choice(SAY["listeners"]).format(second=second, whose="Her" if pronoun == "she" else "His")
    return f'{name} {like} the {voice.thing}. "{here}," {pronoun} said. "{more}" {heard}'


def review_text(random: Random) -> str:
    """A review of two to six sentences."""
    good = random.random() < 0.5
    voice = _voice(random, good)
    if random.random() < 0.25:
        lines = [voice.say(random.choice(SAY["doubts"]))]
        lines += [voice.say(pattern) for pattern in random.sample(CLAUSES, random.randint(1, 3))]
        lines.append(voice.say(random.choice(SAY["verdicts"])))
    else:
        lines = [voice.say(pattern) for pattern in random.sample(CLAUSES, random.randint(2, 4))]
        if random.random() < 0.5:
            lines.insert(0, _opener(voice))
        if random.random() < 0.4:
            lines.append(voice.say(random.choice(ONE_SIDED[good])))
        if random.random() < 0.4:
            lines.append(voice.say(random.choice(SAY["verdicts"])))
    return " ".join([_end(line) for line in lines[:6]])


TEXTS: dict[str, Callable[[Random], str]] = {"review": review_text, "opinions": opinions}
TASKS: dict[str, Callable[[Random], list[Turn]]] = {
    "sentiment": sentiment, "sentiment_plain": sentiment_plain, "sentiment_why": sentiment_why, "emotion": emotion,
    "emotion_plain": emotion_plain, "rewrite_opposite": rewrite_opposite, "write_review": write_review, "recommend": recommend,
    "more_positive": more_positive, "star_rating": star_rating, "style": style, "opinion_talk": opinion_talk,
}  # fmt: skip
EXACT: frozenset[str] = frozenset({"sentiment", "emotion", "more_positive"})
