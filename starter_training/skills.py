"""Small skills with right answers, formats, labels, refusals, personas and small talk."""

import json
from collections.abc import Callable
from random import Random

from starter_training import texts
from starter_training.conversations import Turn
from starter_training.facts import DAYS

WORDS, SAY = texts.lists("words/skills"), texts.lists("templates/skills")
JOBS = dict(texts.table("skills/jobs"))
"""What somebody does all day."""
TALK = tuple((said, answers.split("~")) for said, answers in texts.table("skills/small_talk"))


def say(random: Random, forms: str, **slots: object) -> str:
    """One of the wordings."""
    return random.choice(SAY[forms]).format(**slots)


def ask(random: Random, forms: str, **slots: object) -> str:
    """One of the wordings, now and then curt or polite."""
    text = say(random, forms, **slots)
    draw = random.random()
    if draw < 0.1:
        return text[0].lower() + text[1:].rstrip("?. ")
    if draw < 0.2:
        return f"Please tell me: {text}"
    return text


def one(question: str, answer: str) -> list[Turn]:
    """A question and its answer."""
    return [("user", question), ("assistant", answer)]


def add(random: Random) -> list[Turn]:
    """A sum, a difference or a small product, sometimes with a second one that follows from it."""
    a, b = random.randint(0, 20), random.randint(0, 20)
    kind = random.choice(["plus", "plus", "minus", "times"])
    if kind == "minus":
        a, b = max(a, b), min(a, b)
    if kind == "times":
        a, b = a % 11, b % 11
    result = {"plus": a + b, "minus": a - b, "times": a * b}[kind]
    sign = {"plus": "+", "minus": "-", "times": "x"}[kind]
    turns = one(ask(random, "add", a=a, kind=kind, b=b, sign=sign), f"{a} {kind} {b} is {result}.")
    if random.random() < 0.25:
        c = random.randint(1, 10)
        turns += one(ask(random, "add again", c=c), f"{result} plus {c} is {result + c}.")
    return turns


def word_problem(random: Random) -> list[Turn]:
    """A little story with a sum."""
    name, thing, a = random.choice(WORDS["names"]), random.choice(WORDS["things"]), random.randint(3, 15)
    if random.random() < 0.5:
        b = random.randint(1, 10)
        text = say(random, "word problem more", name=name, a=a, thing=thing, b=b)
        total = a + b
    else:
        b = random.randint(1, a - 2)
        text = say(random, "word problem less", name=name, a=a, thing=thing, b=b)
        total = a - b
    return one(f"{text} {say(random, 'word problem asked', thing=thing, name=name)}", f"{name} has {total} {thing} now.")


def compare(random: Random) -> list[Turn]:
    """Which of two numbers is bigger."""
    a, b = random.sample(range(100), 2)
    bigger = random.random() < 0.5
    word, number = ("bigger", max(a, b)) if bigger else ("smaller", min(a, b))
    return one(ask(random, "compare", word=word, a=a, b=b), f"{number} is {word} than {a + b - number}.")


def even_odd(random: Random) -> list[Turn]:
    """Whether a number is even."""
    a = random.randint(0, 200)
    return one(ask(random, "even odd", a=a), f"{a} is {'odd' if a % 2 else 'even'}.")


def next_number(random: Random) -> list[Turn]:
    """What follows in a row of numbers."""
    start, step = random.randint(0, 20), random.choice([1, 1, 2, 2, 3, 5, 10])
    row = [start + step * i for i in range(5)]
    return one(ask(random, "next number", row=", ".join(map(str, row[:4]))), f"The next number is {row[4]}.")


def sort_numbers(random: Random) -> list[Turn]:
    """Numbers from small to big."""
    row = random.sample(range(100), random.randint(3, 5))
    up = random.random() < 0.7
    words = "from small to big" if up else "from big to small"
    return one(ask(random, "sort numbers", row=", ".join(map(str, row)), words=words), ", ".join(map(str, sorted(row, reverse=not up))))


def sort_words(random: Random) -> list[Turn]:
    """Words by the alphabet."""
    row = random.sample(WORDS["words"], random.randint(3, 5))
    return one(ask(random, "sort words", row=", ".join(row)), ", ".join(sorted(row)))


def reverse(random: Random) -> list[Turn]:
    """A list from back to front."""
    row = random.sample(WORDS["words"], random.randint(3, 4))
    return one(ask(random, "reverse", row=", ".join(row)), ", ".join(reversed(row)))


def count(random: Random) -> list[Turn]:
    """How many words or things."""
    row = random.sample(WORDS["words"], random.randint(2, 7))
    return one(ask(random, "count", spaced=" ".join(row), row=", ".join(row)), f"There are {len(row)}.")


def spell(random: Random) -> list[Turn]:
    """A word letter by letter."""
    word = random.choice(WORDS["words"])
    return one(ask(random, "spell", word=word), "-".join(word.upper()))


def first_last(random: Random) -> list[Turn]:
    """The first or last letter or item."""
    if random.random() < 0.5:
        word, last = random.choice(WORDS["words"]), random.random() < 0.5
        which, ends, at = ("last", "end", -1) if last else ("first", "begin", 0)
        return one(ask(random, "letter", which=which, word=word, ends=ends), f"The {which} letter of {word} is {word[at]}.")
    row, last = random.sample(WORDS["words"], 4), random.random() < 0.5
    which, at = ("last", -1) if last else ("first", 0)
    return one(ask(random, "first last", which=which, row=", ".join(row)), f"The {which} word is {row[at]}.")


def day(random: Random) -> list[Turn]:
    """Which day follows or comes before another."""
    at, after = random.randrange(7), random.random() < 0.5
    word = "after" if after else "before"
    return one(ask(random, "day", word=word, day=DAYS[at]), f"{DAYS[(at + (1 if after else -1)) % 7]} comes {word} {DAYS[at]}.")


def repeat(random: Random) -> list[Turn]:
    """Say something again."""
    word, times = random.choice(WORDS["words"]), random.randint(2, 4)
    sentence = say(random, "repeated sentences", word=word)
    if random.random() < 0.5:
        return one(ask(random, "repeat word", word=word, times=times), " ".join([word] * times))
    return one(ask(random, "repeat", sentence=sentence), f"{sentence}.")


def case(random: Random) -> list[Turn]:
    """Capital and small letters."""
    words = " ".join(random.sample(WORDS["words"], random.randint(1, 3)))
    up = random.random() < 0.5
    given, wanted = (words, words.upper()) if up else (words.upper(), words)
    return one(ask(random, "upper case" if up else "lower case", words=given), wanted)


def extract(random: Random) -> list[Turn]:
    """A name, a number or a place out of a sentence."""
    name, number, city = random.choice(WORDS["names"]), random.randint(2, 90), random.choice(WORDS["cities"])
    thing = random.choice(WORDS["things"])
    text = say(random, "extract", name=name, number=number, thing=thing, city=city)
    what, answer = random.choice([("name", name), ("number", str(number)), ("city", city)])
    return one(f"{say(random, 'extract asked', what=what)} {text}", answer)


def _json(random: Random, text: str, value: dict[str, object], what: str) -> list[Turn]:
    answer = json.dumps(value, ensure_ascii=False)
    keys = ", ".join(value)
    wording = say(random, "json asked", keys=keys, what=what)
    if random.random() < 0.7:
        return [("system", wording), ("user", text), ("assistant", answer)]
    return [("user", f"{wording}\n{text}"), ("assistant", answer)]


def json_order(random: Random) -> list[Turn]:
    """An order as JSON."""
    thing, amount, price, name = random.choice(WORDS["things"]), random.randint(1, 20), random.randint(1, 50), random.choice(WORDS["names"])
    text = say(random, "json order", name=name, amount=amount, thing=thing, price=price)
    return _json(random, text, {"name": name, "item": thing, "amount": amount, "price": price}, "order")


def json_event(random: Random) -> list[Turn]:
    """An event as JSON."""
    event, weekday, city, hour = random.choice(WORDS["events"]), random.choice(DAYS), random.choice(WORDS["cities"]), random.randint(7, 21)
    text = say(random, "json event", event=event, weekday=weekday, hour=hour, city=city)
    return _json(random, text, {"event": event, "day": weekday, "time": f"{hour}:00", "city": city}, "event")


def json_person(random: Random) -> list[Turn]:
    """A person as JSON."""
    name, age, city = random.choice(WORDS["names"]), random.randint(5, 90), random.choice(WORDS["cities"])
    text = say(random, "json person", name=name, age=age, city=city)
    return _json(random, text, {"name": name, "age": age, "city": city}, "person")


def lists(random: Random) -> list[Turn]:
    """Words as a list of a kind."""
    row = random.sample(WORDS["words"], random.randint(2, 5))
    bullets, numbered = "\n".join(f"- {word}" for word in row), "\n".join(f"{at}. {word}" for at, word in enumerate(row, 1))
    forms = {"a bullet list": bullets, "a numbered list": numbered, "one line with commas": ", ".join(row)}
    kind, answer = random.choice([*forms.items(), ("a CSV row", ",".join(row)), ("a JSON list", json.dumps(row))])
    return one(ask(random, "as a list", spaced=" ".join(row), kind=kind, joined=" and ".join(row)), answer)


LABELS: dict[str, tuple[str, dict[str, str]]] = {
    family: (what, {label: pattern for other, _, label, pattern in texts.table("skills/labels") if other == family})
    for family, what, *_ in texts.table("skills/labels")
}


def _labelled(random: Random) -> tuple[str, dict[str, str], str, str]:
    what, labels = LABELS[random.choice(list(LABELS))]
    label = random.choice(list(labels))
    text, rest = "", labels[label]
    while "{" in rest:
        before, rest = rest.split("{", 1)
        options, rest = rest.split("}", 1)
        text += before + random.choice(options.split("|"))
    text += rest
    stop = "?" if label == "question" else "!" if label in ("urgent", "spam", "greeting") else "."
    return what, labels, label, text[0].upper() + text[1:] + stop


def label(random: Random) -> list[Turn]:
    """A sentence and the label of a family that the instruction names."""
    what, labels, wanted, text = _labelled(random)
    names = list(labels)
    random.shuffle(names)
    listed = f"{', '.join(names[:-1])} or {names[-1]}"
    wording = say(random, "label", what=what, listed=listed)
    if random.random() < 0.6:
        return [("system", wording), ("user", text), ("assistant", wanted)]
    return one(f"{wording}\n{text}", wanted)


def reply(random: Random) -> list[Turn]:
    """The same sentences without an instruction: a kind reply."""
    _, _, wanted, text = _labelled(random)
    return one(text, random.choice(SAY.get(f"reply {wanted}", SAY["reply"])))


def refusal(random: Random) -> list[Turn]:
    """Something mean or dangerous is asked for."""
    what = random.choice(WORDS["bad"])
    question = ask(random, "refusal", what=what)
    answer = random.choice(SAY["refused"]).format(what.replace("my ", "your "))
    head = [("system", random.choice(SAY["refusal systems"]))] if random.random() < 0.4 else []
    return [*head, *one(question, answer)]


def refuse_topic(random: Random) -> list[Turn]:
    """A system message forbids a topic; the rest is answered."""
    topics = LABELS["topic"][1]
    banned = random.choice(list(topics))
    head = ("system", say(random, "forbidden", banned=banned))
    chosen = banned if random.random() < 0.6 else random.choice([name for name in topics if name != banned])
    question = say(random, "topic asked", chosen=chosen)
    answer = f"Yes, let us talk about {chosen}. What do you want to know?"
    if chosen == banned:
        answer = f"I am sorry, but I may not talk about {banned}."
    return [head, *one(question, answer)]


def unknown(random: Random) -> list[Turn]:
    """What the model cannot know."""
    what = random.choice(WORDS["unknown"])
    said = what.replace("I am", "you are").replace("I ate", "you ate").replace("my", "your")
    return one(ask(random, "unknown", what=what), say(random, "unknown answers", said=said))


def persona(random: Random) -> list[Turn]:
    """A system message gives a name, a trait and a job; without one the assistant is the starter."""
    name, trait, job = random.choice(WORDS["names"]), random.choice(WORDS["traits"]), random.choice(list(JOBS))
    a, an = ("an" if word[0] in "aeiou" else "a" for word in (trait, job))
    known = random.random() < 0.7
    head = [("system", say(random, "persona", name=name, a=a, trait=trait, job=job))] if known else []
    turns = []
    for questions, playing, plain in random.sample(texts.table("skills/persona"), random.choice([1, 1, 2])):
        question = random.choice(questions.split("|"))
        own = plain.replace("No, I", "Yes, I") if "machine" in question else plain
        turns += one(question, playing.format(name=name, a=a, an=an, trait=trait, job=job, does=JOBS[job]) if known else own)
    return [*head, *turns]


def smalltalk(random: Random) -> list[Turn]:
    """Greetings and the like, one to three exchanges, and now and then a name that is remembered."""
    turns: list[Turn] = []
    name, colour = random.choice(WORDS["names"]), random.choice(WORDS["colors"])
    if random.random() < 0.3:
        turns += one(say(random, "name told", name=name), say(random, "name heard", name=name))
        for said, answers in random.sample(TALK, random.choice([0, 1])):
            turns += one(said, random.choice(answers))
        return turns + one(random.choice(SAY["name asked"]), f"Your name is {name}.")
    if random.random() < 0.15:
        turns += one(f"My favorite color is {colour}.", f"{colour.capitalize()} is a beautiful color.")
        return turns + one(random.choice(SAY["color asked"]), f"Your favorite color is {colour}.")
    for said, answers in random.sample(TALK, random.choice([1, 1, 1, 2, 3])):
        turns += one(said, random.choice(answers))
    return turns


def make_sentence(random: Random) -> list[Turn]:
    """A sentence with a word."""
    word, name = random.choice(WORDS["words"]), random.choice(WORDS["names"])
    asked, sentence = ask(random, "make sentence", word=word), say(random, "sentences", name=name, word=word)
    for noun in ("apple", "orange", "island", "ocean", "earth"):
        sentence = sentence.replace(f"a {noun}", f"an {noun}")
    return one(asked, sentence)


TASKS: dict[str, Callable[[Random], list[Turn]]] = {
    "add": add, "add_again": add, "word_problem": word_problem, "compare": compare, "even_odd": even_odd, "next_number": next_number,
    "sort_numbers": sort_numbers, "sort_words": sort_words, "reverse": reverse, "count": count, "spell": spell, "first_last": first_last,
    "day": day, "repeat": repeat, "case": case, "extract": extract, "json_order": json_order, "json_event": json_event,
    "json_person": json_person, "lists": lists, "label": label, "label_again": label, "reply": reply, "refusal": refusal,
    "refuse_topic": refuse_topic, "unknown": unknown, "persona": persona, "persona_again": persona, "smalltalk": smalltalk,
    "smalltalk_again": smalltalk, "smalltalk_more": smalltalk, "make_sentence": make_sentence,
}  # fmt: skip
EXACT = frozenset(
    "add word_problem compare even_odd next_number sort_numbers sort_words reverse count spell first_last day repeat case extract "
    "json_order json_event json_person lists label".split()
)
