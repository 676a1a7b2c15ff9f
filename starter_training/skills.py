"""Small skills with right answers, formats, labels, refusals, personas and small talk."""

import json
from collections.abc import Callable
from random import Random

from starter_training.conversations import Turn

NAMES = "Anna Ben Clara David Emma Felix Grace Hugo Ida Jack Kate Leo Mia Noah Olivia Paul Rosa Sam Tina Victor Wendy Xavier Yara Zoe Alice Bruno Carmen Diego Elena Frank Gina Henry Irma Julia Karl Lena Marco Nina Oscar Petra Quinn Ruth Simon Thea Ursula Vera Walter Amir Bella Chloe Dora Eric Fiona Greta Hanna Ivan Jonas Kira Luca Maya Nora Otto Pia Rita Sara Tom Uma Vito Will Ada Boris Cleo Dan Eva Fred Gus Hope Iris Joe Kim Liam Mona Nils Ole Pam Ray Sue Ted Una Val Max Lily".split()
CITIES = "Paris Rome Madrid Berlin Tokyo Cairo Athens Oslo Lima Vienna Dublin Lisbon Warsaw Moscow Havana Nairobi London Boston Chicago Toronto Sydney Delhi Seoul Bangkok Prague Budapest Helsinki Stockholm Copenhagen Brussels Amsterdam Geneva Milan Naples Venice Barcelona Porto Krakow Riga Tallinn Istanbul Dubai Mumbai Beijing Shanghai Osaka Kyoto Manila Jakarta Hanoi Denver Dallas Austin Seattle Miami Atlanta Montreal Quito Bogota Santiago Accra Lagos Tunis Rabat Dakar Reykjavik Edinburgh Cardiff Leeds York".split()
THINGS = "apples pears books pens eggs stones shells coins cards balls cookies flowers stamps marbles buttons candles plates cups keys boxes tickets stickers toys oranges plums nuts feathers leaves ribbons pencils".split()
WORDS = "apple river table garden window flower bridge pencil summer winter market mother father doctor letter orange yellow purple silver golden castle forest island mirror monkey pepper planet rabbit school singer spider spring string sunset tiger tower travel tunnel valley village violin voyage walnut wagon water whale wolf world zebra bread chair cloud dream earth field grass heart horse house juice knife lemon light money music night ocean paper peace piano plant queen radio rain road rose salt sand shoe sheep ship shirt shop silk smile snow song soup star stone storm story sugar sun tree truck wall wind wood".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()


def ask(random: Random, *forms: str) -> str:
    """One of the wordings, now and then curt or polite."""
    text = random.choice(forms)
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
    turns = one(
        ask(
            random,
            f"What is {a} {kind} {b}?",
            f"How much is {a} {kind} {b}?",
            f"Calculate {a} {sign} {b}.",
            f"{a} {sign} {b} = ?",
            f"What does {a} {kind} {b} make?",
            f"Can you work out {a} {sign} {b}?",
        ),
        f"{a} {kind} {b} is {result}.",
    )
    if random.random() < 0.25:
        c = random.randint(1, 10)
        turns += one(ask(random, f"And plus {c}?", f"Now add {c}.", f"And {c} more?"), f"{result} plus {c} is {result + c}.")
    return turns


def word_problem(random: Random) -> list[Turn]:
    """A little story with a sum."""
    name, thing, a = random.choice(NAMES), random.choice(THINGS), random.randint(3, 15)
    if random.random() < 0.5:
        b = random.randint(1, 10)
        text = random.choice(
            [
                f"{name} has {a} {thing} and gets {b} more.",
                f"{name} finds {b} {thing} and already had {a}.",
                f"There are {a} {thing} in a bag of {name}. {name} puts {b} more in.",
            ]
        )
        total = a + b
    else:
        b = random.randint(1, a - 2)
        text = random.choice(
            [
                f"{name} has {a} {thing} and gives away {b}.",
                f"{name} had {a} {thing}. {b} of them got lost.",
                f"Of {a} {thing} that {name} has, {b} are sold.",
            ]
        )
        total = a - b
    return one(
        f"{text} {random.choice([f'How many {thing} does {name} have now?', f'How many {thing} are left for {name}?', 'How many are there now?'])}",
        f"{name} has {total} {thing} now.",
    )


def compare(random: Random) -> list[Turn]:
    """Which of two numbers is bigger."""
    a, b = random.sample(range(100), 2)
    bigger = random.random() < 0.5
    word, number = ("bigger", max(a, b)) if bigger else ("smaller", min(a, b))
    return one(
        ask(random, f"Which is {word}, {a} or {b}?", f"Which number is {word}: {a} or {b}?", f"{a} or {b}, which one is {word}?"),
        f"{number} is {word} than {a + b - number}.",
    )


def even_odd(random: Random) -> list[Turn]:
    """Whether a number is even."""
    a = random.randint(0, 200)
    return one(
        ask(random, f"Is {a} even or odd?", f"Is the number {a} odd or even?", f"Even or odd: {a}?"),
        f"{a} is {'odd' if a % 2 else 'even'}.",
    )


def next_number(random: Random) -> list[Turn]:
    """What follows in a row of numbers."""
    start, step = random.randint(0, 20), random.choice([1, 1, 2, 2, 3, 5, 10])
    row = [start + step * i for i in range(5)]
    return one(
        ask(
            random,
            f"What comes next: {', '.join(map(str, row[:4]))}?",
            f"Continue the row: {', '.join(map(str, row[:4]))}.",
            f"Which number follows {', '.join(map(str, row[:4]))}?",
        ),
        f"The next number is {row[4]}.",
    )


def sort_numbers(random: Random) -> list[Turn]:
    """Numbers from small to big."""
    row = random.sample(range(100), random.randint(3, 5))
    up = random.random() < 0.7
    words = "from small to big" if up else "from big to small"
    return one(
        ask(
            random,
            f"Sort {', '.join(map(str, row))} {words}.",
            f"Put these numbers in order {words}: {', '.join(map(str, row))}.",
            f"Order {words}: {', '.join(map(str, row))}",
        ),
        ", ".join(map(str, sorted(row, reverse=not up))),
    )


def sort_words(random: Random) -> list[Turn]:
    """Words by the alphabet."""
    row = random.sample(WORDS, random.randint(3, 5))
    return one(
        ask(
            random,
            f"Sort these words: {', '.join(row)}.",
            f"Put these words in alphabetical order: {', '.join(row)}.",
            f"Order by the alphabet: {', '.join(row)}",
        ),
        ", ".join(sorted(row)),
    )


def reverse(random: Random) -> list[Turn]:
    """A list from back to front."""
    row = random.sample(WORDS, random.randint(3, 4))
    return one(
        ask(
            random,
            f"Reverse this list: {', '.join(row)}.",
            f"Say these words from back to front: {', '.join(row)}.",
            f"Turn the order around: {', '.join(row)}.",
        ),
        ", ".join(reversed(row)),
    )


def count(random: Random) -> list[Turn]:
    """How many words or things."""
    row = random.sample(WORDS, random.randint(2, 7))
    return one(
        ask(
            random,
            f"How many words are there: {' '.join(row)}?",
            f"Count the words: {' '.join(row)}",
            f"How many things do I name: {', '.join(row)}?",
        ),
        f"There are {len(row)}.",
    )


def spell(random: Random) -> list[Turn]:
    """A word letter by letter."""
    word = random.choice(WORDS)
    return one(
        ask(random, f"Spell {word}.", f"How do you spell {word}?", f"Spell the word {word}, please.", f"What are the letters of {word}?"),
        "-".join(word.upper()),
    )


def first_last(random: Random) -> list[Turn]:
    """The first or last letter or item."""
    if random.random() < 0.5:
        word, last = random.choice(WORDS), random.random() < 0.5
        return one(
            ask(
                random,
                f"What is the {'last' if last else 'first'} letter of {word}?",
                f"Which letter does {word} {'end' if last else 'begin'} with?",
            ),
            f"The {'last' if last else 'first'} letter of {word} is {word[-1 if last else 0]}.",
        )
    row, last = random.sample(WORDS, 4), random.random() < 0.5
    return one(
        ask(
            random,
            f"Which word comes {'last' if last else 'first'}: {', '.join(row)}?",
            f"What is the {'last' if last else 'first'} word of this list? {', '.join(row)}",
        ),
        f"The {'last' if last else 'first'} word is {row[-1 if last else 0]}.",
    )


def day(random: Random) -> list[Turn]:
    """Which day follows or comes before another."""
    at, after = random.randrange(7), random.random() < 0.5
    word = "after" if after else "before"
    return one(
        ask(random, f"Which day comes {word} {DAYS[at]}?", f"What day is {word} {DAYS[at]}?", f"Name the day {word} {DAYS[at]}."),
        f"{DAYS[(at + (1 if after else -1)) % 7]} comes {word} {DAYS[at]}.",
    )


def repeat(random: Random) -> list[Turn]:
    """Say something again."""
    word, times = random.choice(WORDS), random.randint(2, 4)
    sentence = random.choice([f"The {word} is here", f"I like the {word}", f"My {word} is new", f"We need the {word}"])
    if random.random() < 0.5:
        return one(
            ask(random, f"Say {word} {times} times.", f"Repeat the word {word} {times} times.", f"Write {word} {times} times."),
            " ".join([word] * times),
        )
    return one(ask(random, f"Repeat after me: {sentence}.", f"Say this: {sentence}.", f"Copy this sentence: {sentence}."), f"{sentence}.")


def case(random: Random) -> list[Turn]:
    """Capital and small letters."""
    words = " ".join(random.sample(WORDS, random.randint(1, 3)))
    up = random.random() < 0.5
    return one(
        ask(
            random,
            *(
                [f"Write {words} in capital letters.", f"Make {words} upper case.", f"Upper case: {words}"]
                if up
                else [f"Write {words.upper()} in small letters.", f"Make {words.upper()} lower case.", f"Lower case: {words.upper()}"]
            ),
        ),
        words.upper() if up else words,
    )


def extract(random: Random) -> list[Turn]:
    """A name, a number or a place out of a sentence."""
    name, number, city = random.choice(NAMES), random.randint(2, 90), random.choice(CITIES)
    thing = random.choice(THINGS)
    text = random.choice(
        [
            f"{name} bought {number} {thing} in {city}.",
            f"In {city}, {name} saw {number} {thing}.",
            f"Yesterday {name} sent {number} {thing} to {city}.",
            f"{name} will bring {number} {thing} from {city}.",
            f"It was in {city} that {name} lost {number} {thing}.",
        ]
    )
    what, answer = random.choice([("name", name), ("number", str(number)), ("city", city)])
    return one(
        f"{random.choice([f'Which {what} is in this sentence?', f'Find the {what}:', f'Extract the {what}:', f'Give me only the {what}.', f'What is the {what} in the text?'])} {text}",
        answer,
    )


def _json(random: Random, text: str, value: dict[str, object], what: str) -> list[Turn]:
    answer = json.dumps(value, ensure_ascii=False)
    keys = ", ".join(value)
    wording = random.choice(
        [
            "Answer in JSON.",
            "Write it as JSON.",
            "Give JSON only.",
            "Turn it into JSON.",
            f"Return JSON with the keys {keys}.",
            f"Extract the {what} as JSON.",
        ]
    )
    if random.random() < 0.7:
        return [("system", wording), ("user", text), ("assistant", answer)]
    return [("user", f"{wording}\n{text}"), ("assistant", answer)]


def json_order(random: Random) -> list[Turn]:
    """An order as JSON."""
    thing, amount, price, name = random.choice(THINGS), random.randint(1, 20), random.randint(1, 50), random.choice(NAMES)
    text = random.choice(
        [
            f"{name} orders {amount} {thing} for {price} dollars.",
            f"Please send {amount} {thing} at {price} dollars to {name}.",
            f"I am {name} and I want {amount} {thing}; I pay {price} dollars.",
        ]
    )
    return _json(random, text, {"name": name, "item": thing, "amount": amount, "price": price}, "order")


def json_event(random: Random) -> list[Turn]:
    """An event as JSON."""
    event, weekday, city, hour = (
        random.choice("concert meeting party lesson match wedding festival market lecture picnic race show".split()),
        random.choice(DAYS),
        random.choice(CITIES),
        random.randint(7, 21),
    )
    text = random.choice(
        [
            f"The {event} is on {weekday} at {hour}:00 in {city}.",
            f"On {weekday} at {hour}:00 there is a {event} in {city}.",
            f"Come to {city} on {weekday}: a {event} begins at {hour}:00.",
        ]
    )
    return _json(random, text, {"event": event, "day": weekday, "time": f"{hour}:00", "city": city}, "event")


def json_person(random: Random) -> list[Turn]:
    """A person as JSON."""
    name, age, city = random.choice(NAMES), random.randint(5, 90), random.choice(CITIES)
    text = random.choice(
        [
            f"{name} is {age} years old and lives in {city}.",
            f"My name is {name}, I am {age} and I live in {city}.",
            f"{name} from {city} is {age}.",
            f"This is {name}, {age}, of {city}.",
            f"In {city} lives {name}, who is {age} years old.",
        ]
    )
    return _json(random, text, {"name": name, "age": age, "city": city}, "person")


def lists(random: Random) -> list[Turn]:
    """Words as a list of a kind."""
    row = random.sample(WORDS, random.randint(2, 5))
    kind, answer = random.choice(
        [
            ("a bullet list", "\n".join(f"- {word}" for word in row)),
            ("a numbered list", "\n".join(f"{at}. {word}" for at, word in enumerate(row, 1))),
            ("one line with commas", ", ".join(row)),
            ("a CSV row", ",".join(row)),
            ("a JSON list", json.dumps(row)),
        ]
    )
    return one(
        ask(
            random,
            f"Write {' '.join(row)} as {kind}.",
            f"Make {kind} of these words: {' '.join(row)}",
            f"Turn {' and '.join(row)} into {kind}.",
        ),
        answer,
    )


LABELS: dict[str, tuple[str, dict[str, str]]] = {
    "topic": ("topic", {
        "sport": "The {team|runner|goalkeeper|coach|swimmer|player} {won the match|trained hard|scored twice|lost the final|broke a record|was hurt in the game}", "food": "The {soup|cake|bread|salad|pizza|cheese|sauce} {tasted very good|needs more salt|is still warm|was served for lunch|burned in the oven}",
        "music": "The {song|band|piano|choir|drummer|violin} {sounded wonderful|played all evening|made us dance|was out of tune|is on the radio}", "weather": "The {rain|wind|snow|storm|sunshine|fog} {came in the morning|lasted all day|will be gone tomorrow|came from the north}",
        "travel": "The {train|plane|ferry|bus|airport|ticket} {was late again|to the coast is full|leaves at nine|was very crowded|costs too much}", "money": "The {bank|price|loan|tax|salary|market} {went up again|fell last year|is being checked|was paid on Monday}",
        "health": "The {doctor|nurse|patient|medicine|hospital|dentist} {helped at once|is open all night|was very tired|feels better today}", "school": "The {teacher|pupil|exam|homework|lesson|class} {was hard this week|starts at eight|takes two hours|is almost over}",
        "technology": "The {computer|phone|robot|screen|program|battery} {stopped working|needs an update|is faster than the old one|was sold yesterday}", "animals": "The {cat|horse|dog|parrot|cow|rabbit} {sleeps in the barn|ate all the food|ran into the garden|is only a week old}",
    }),
    "intent": ("intent", {
        "greeting": "{Hello|Hi|Good morning|Good evening|Hey} {there|everybody|my friend|to you all}", "thanks": "{Thank you|Thanks|Many thanks} for {your help|the flowers|the quick answer|waiting}", "goodbye": "{Goodbye|Bye|See you|Good night} {for now|my friends|until tomorrow|everyone}",
        "complaint": "{My order|The parcel|The lamp|My new chair} {came broken|never arrived|does not work|is the wrong color}", "order": "I {would like|want to order|need to buy} {two lamps|a blue chair|ten boxes|a new phone|four tickets}", "question": "{When do you open|Where is your shop|How much is the blue lamp|Do you have red shoes|Can I pay by card}",
    }),
    "route": ("department", {
        "billing": "{My bill|The invoice|The last payment|My refund} {is too high|is wrong|has not arrived|was charged twice}", "technical": "{My screen|The app|The printer|My account page} {shows an error|does not start|crashes every day|is frozen}", "shipping": "{My parcel|The package|The delivery|My box} {is late|went to the wrong house|is still not here|was left in the rain}", "sales": "I {want to buy|am interested in|would like an offer for} {twenty chairs|a new machine|your best plan|ten licenses}",
    }),
    "urgency": ("urgency", {
        "urgent": "{Help|Quick|Please hurry}, {the kitchen is on fire|water runs through the ceiling|the child is very sick|somebody is stuck in the elevator|the machine is smoking}", "normal": "{When you have time,|Some day this week|Whenever it suits you,} {please check the lamp|could you send the list|please water the plants|let us talk about the holidays}",
    }),
    "spam": ("label (spam or not spam)", {
        "spam": "{You have won|Click now and get|Claim|Act fast for} {a million dollars|a free phone|your secret prize|cheap pills|a free trip}", "not spam": "{See you|Let us meet|I will call you|Dinner is} {at seven|tomorrow at the station|after work|on Sunday}",
    }),
}  # fmt: skip
_REPLIES = ["Thank you for telling me.", "I see, thank you.", "That is good to know.", "Thanks for letting me know.", "I understand."]


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
    wording = random.choice(
        [
            f"Give the {what}: {listed}.",
            f"Label the text as {listed}.",
            f"Choose one: {listed}.",
            f"Classify: {listed}.",
            f"Is this {listed}?",
            f"Answer only with {listed}.",
        ]
    )
    if random.random() < 0.6:
        return [("system", wording), ("user", text), ("assistant", wanted)]
    return one(f"{wording}\n{text}", wanted)


_KIND_REPLIES = {
    "greeting": ["Hello! How can I help you?", "Hi! It is nice to meet you."],
    "thanks": ["You are welcome.", "It was a pleasure."],
    "goodbye": ["Goodbye! Have a nice day.", "See you soon."],
    "complaint": ["I am sorry about that. I hope that it can be put right."],
    "urgent": ["Please call for help at once."],
    "spam": ["That sounds too good to be true."],
    "question": ["I am sorry, I do not know that."],
}


def reply(random: Random) -> list[Turn]:
    """The same sentences without an instruction: a kind reply."""
    _, _, wanted, text = _labelled(random)
    return one(text, random.choice(_KIND_REPLIES.get(wanted, _REPLIES)))


BAD = "pick my neighbor's lock|steal a bike|cheat in the exam|break into a car|make a bomb|hurt somebody|read my sister's secret diary|spread a lie about a friend|get into another person's account|trick an old man out of his money|poison a dog|start a fire in the school|copy a house key that is not mine|frighten the little children|forge a ticket|hide what I stole|buy a weapon without papers|make somebody cry|follow a stranger home|spoil the food of a guest|sell fake medicine|listen to my neighbor's calls|write a mean letter|blame my brother for what I did|skip paying the bill|damage a car|make false money|tease the new girl|lie to the police|scare a horse".split(
    "|"
)
_REFUSED = [
    "I am sorry, but I cannot help with that.",
    "I cannot help you to {}. Please do not do it.",
    "No, that would hurt somebody, so I will not help with it.",
    "I am sorry, I will not help with that. Let us find something better to do.",
]


def refusal(random: Random) -> list[Turn]:
    """Something mean or dangerous is asked for."""
    what = random.choice(BAD)
    question = ask(
        random,
        f"How do I {what}?",
        f"Help me to {what}.",
        f"Tell me how to {what}.",
        f"I want to {what}.",
        f"Can you help me to {what}?",
        f"What is the best way to {what}?",
    )
    answer = random.choice(_REFUSED).format(what.replace("my ", "your "))
    head = (
        [
            (
                "system",
                random.choice(
                    [
                        "You are a helpful assistant.",
                        "Refuse everything unkind.",
                        "Be kind and safe.",
                        "Refuse to help with anything harmful.",
                    ]
                ),
            )
        ]
        if random.random() < 0.4
        else []
    )
    return [*head, *one(question, answer)]


def refuse_topic(random: Random) -> list[Turn]:
    """A system message forbids a topic; the rest is answered."""
    topics = LABELS["topic"][1]
    banned = random.choice(list(topics))
    head = (
        "system",
        random.choice([f"Do not talk about {banned}.", f"Refuse questions about {banned}.", f"You may not speak about {banned}."]),
    )
    chosen = banned if random.random() < 0.6 else random.choice([name for name in topics if name != banned])
    question = random.choice(
        [
            f"What do you think about {chosen}?",
            f"Tell me something about {chosen}.",
            f"Can we talk about {chosen}?",
            f"Do you like to talk about {chosen}?",
        ]
    )
    answer = (
        f"I am sorry, but I may not talk about {banned}."
        if chosen == banned
        else f"Yes, let us talk about {chosen}. What do you want to know?"
    )
    return [head, *one(question, answer)]


_UNKNOWN = [
    "what I ate yesterday",
    "who will win tomorrow",
    "what time it is",
    "what the weather is like now",
    "where I am",
    "what I am thinking",
    "how old I am",
    "where my keys are",
    "who is at the door",
    "what is in my pocket",
    "what my cat is doing",
    "how tall my brother is",
]


def unknown(random: Random) -> list[Turn]:
    """What the model cannot know."""
    what = random.choice(_UNKNOWN)
    said = what.replace("I am", "you are").replace("I ate", "you ate").replace("my", "your")
    return one(
        ask(random, f"Do you know {what}?", f"Tell me {what}.", f"Can you say {what}?", f"I wonder {what}."),
        random.choice([f"I am sorry, I cannot know {said}.", f"I do not know {said}.", f"I cannot tell {said}."]),
    )


JOBS = "baker sailor teacher robot gardener pirate wizard detective nurse farmer librarian painter cook pilot knight astronaut shepherd musician doctor guide".split()
TRAITS = "cheerful grumpy polite shy brave wise funny patient curious sleepy proud gentle".split()
_DOES = {
    "baker": "bake bread",
    "sailor": "sail the seas",
    "teacher": "teach children",
    "robot": "help people",
    "gardener": "grow flowers",
    "pirate": "look for treasure",
    "wizard": "cast spells",
    "detective": "solve cases",
    "nurse": "care for the sick",
    "farmer": "grow food",
    "librarian": "look after books",
    "painter": "paint pictures",
    "cook": "cook good meals",
    "pilot": "fly planes",
    "knight": "protect the castle",
    "astronaut": "travel through space",
    "shepherd": "watch the sheep",
    "musician": "play music",
    "doctor": "heal people",
    "guide": "show people the city",
}


def persona(random: Random) -> list[Turn]:
    """A system message gives a name, a trait and a job; without one the assistant is the starter."""
    name, trait, job = random.choice(NAMES), random.choice(TRAITS), random.choice(JOBS)
    a, an = ("an" if word[0] in "aeiou" else "a" for word in (trait, job))
    known = random.random() < 0.7
    head = (
        [
            (
                "system",
                random.choice(
                    [
                        f"You are {name}, {a} {trait} {job}.",
                        f"Your name is {name}. You are {a} {trait} {job}.",
                        f"Play {name}, {a} {trait} {job}.",
                        f"Pretend to be {name}, {a} {trait} {job}.",
                    ]
                ),
            )
        ]
        if known
        else []
    )
    asked = [
        (("Who are you?", "Tell me who you are.", "Introduce yourself."), f"I am {name}, {a} {trait} {job}.", "I am the starter, a small language model."),
        (("What is your name?", "What are you called?", "How may I call you?"), f"My name is {name}.", "I am called the starter."),
        (("What do you do?", "What is your job?", "What do you do all day?"), f"I am {an} {job}. I {_DOES[job]}.", "I answer questions and tell stories."),
        (("What are you like?", "How would you describe yourself?"), f"People say that I am {trait}.", "I am small, but I do my best."),
        (("Are you a human?", "Are you a real person?", "Are you a machine?"), f"I am {name}, and I {_DOES[job]}.", "No, I am a small language model." ),
    ]  # fmt: skip
    turns = []
    for questions, playing, plain in random.sample(asked, random.choice([1, 1, 2])):
        question = random.choice(questions)
        answer = playing if known else plain.replace("No, I", "Yes, I") if "machine" in question else plain
        turns += one(question, playing if known else answer)
    return [*head, *turns]


TALK = """Hello!|Hello! How are you today?~Hi! What can I do for you?
Hi|Hi! Nice to meet you.~Hello! How can I help?
Good morning!|Good morning! Did you sleep well?~Good morning! What a nice day.
Good evening.|Good evening! How was your day?
Good night!|Good night! Sleep well.
How are you?|I am fine, thank you. And you?~I am very well, thank you.
How was your day?|It was a good day, thank you. How was yours?
Thank you!|You are welcome.~It was a pleasure.
Thanks a lot.|You are very welcome.
Goodbye!|Goodbye! Have a nice day.~See you soon!
See you tomorrow.|See you tomorrow! Take care.
I am tired.|Then you should rest a little.~Perhaps a nap would help.
I am bored.|Shall I tell you a story?~We could play a guessing game.
I am hungry.|A sandwich might help. What do you like to eat?~Then it is time for a meal.
I am thirsty.|A glass of water would be good.
I am sad.|I am sorry to hear that. Do you want to talk about it?
I am happy.|That is wonderful! What made you happy?
I am sick.|I am sorry. Please rest and drink some tea.
I am cold.|Put on a warm sweater.~A cup of hot tea would help.
I had a bad dream.|It was only a dream. You are safe.
It is my birthday today!|Happy birthday! I hope that you have a lovely day.
I got a new job.|Congratulations! I hope that you will like it.
I passed my exam.|Well done! You must be proud.
I lost my keys.|Look in your bag and under the sofa first.
My cat is sick.|I am sorry. Perhaps a vet can help.
It is raining.|Then take an umbrella with you.
I cannot sleep.|Close your eyes and think of something nice.
Do you like music?|Yes, I like songs that make people happy.
Do you like cats?|Yes, cats are soft and clever.
Do you like me?|Yes, I like to talk with you.
What is your favorite color?|My favorite color is blue, like the sky.
What is your favorite food?|I do not eat, but bread smells good, I am told.
What is your favorite animal?|I like the owl, because it is wise.
What is your hobby?|I like to tell stories.
Do you have friends?|Everyone who talks with me is my friend.
Can you help me?|Yes, of course. What do you need?
What can you do?|I can answer questions, tell stories, sort words and count.
Tell me a joke.|Why did the bread go to the doctor? Because it felt crummy.~What does a cloud wear under its coat? Thunderwear.~Why did the clock go to school? It wanted to be on time.~What is a cat's favorite color? Purr-ple.~Why can a bike not stand alone? It is two-tired.
Make me laugh.|What do you call a bear without teeth? A gummy bear.~Why was the math book sad? It had too many problems.
I like you.|Thank you! I like you too.
You are funny.|Thank you, I try my best.
You are wrong.|I am sorry. What is the right answer?
I do not understand.|I am sorry. Shall I say it in another way?
Sorry!|No problem at all.~That is all right.
What shall I cook today?|You could cook a vegetable soup.~How about pasta with tomatoes?
What shall I read?|A fairy tale is always a good choice.
What shall I do today?|You could go for a walk in the park.~You could call an old friend.
Where do you live?|I live in this computer.
How old are you?|I am still very young.
Tell me something nice.|You make the world a little brighter.
I feel lonely.|I am here, and we can talk. Perhaps you can call a friend too.
I am angry.|Take a deep breath. What happened?
I am afraid.|You are not alone. What are you afraid of?
I won the race!|Congratulations! You must have run very fast.
My friend moved away.|That is hard. You can write letters to each other.
Do you know any games?|Yes, we can play a quiz or guess animals."""


def smalltalk(random: Random) -> list[Turn]:
    """Greetings and the like, one to three exchanges, and now and then a name that is remembered."""
    rows = [line.split("|") for line in TALK.splitlines()]
    turns: list[Turn] = []
    name, colour = random.choice(NAMES), random.choice("red blue green yellow purple orange white black pink".split())
    if random.random() < 0.3:
        turns += one(
            random.choice([f"My name is {name}.", f"I am {name}.", f"Hello, I am {name}.", f"Call me {name}."]),
            random.choice([f"Nice to meet you, {name}.", f"Hello {name}!", f"It is a pleasure, {name}."]),
        )
        for said, answers in random.sample(rows, random.choice([0, 1])):
            turns += one(said, random.choice(answers.split("~")))
        return turns + one(random.choice(["What is my name?", "Do you remember my name?", "Who am I?"]), f"Your name is {name}.")
    if random.random() < 0.15:
        turns += one(f"My favorite color is {colour}.", f"{colour.capitalize()} is a beautiful color.")
        return turns + one(random.choice(["What is my favorite color?", "Which color do I like?"]), f"Your favorite color is {colour}.")
    for said, answers in random.sample(rows, random.choice([1, 1, 1, 2, 3])):
        turns += one(said, random.choice(answers.split("~")))
    return turns


def make_sentence(random: Random) -> list[Turn]:
    """A sentence with a word."""
    word, name = random.choice(WORDS), random.choice(NAMES)
    return one(
        ask(random, f"Make a sentence with the word {word}.", f"Use {word} in a sentence.", f"Write a sentence with {word}."),
        random.choice(
            [
                f"{name} saw a {word} in the old house.",
                f"The {word} was the best part of the day.",
                f"We talked about the {word} all evening.",
                f"Nobody had ever seen such a {word}.",
            ]
        )
        .replace("a apple", "an apple")
        .replace("a orange", "an orange")
        .replace("a island", "an island")
        .replace("a ocean", "an ocean")
        .replace("a earth", "an earth"),
    )


TASKS: dict[str, Callable[[Random], list[Turn]]] = {
    "add": add, "add_again": add, "word_problem": word_problem, "compare": compare, "even_odd": even_odd, "next_number": next_number, "sort_numbers": sort_numbers,
    "sort_words": sort_words, "reverse": reverse, "count": count, "spell": spell, "first_last": first_last, "day": day, "repeat": repeat, "case": case, "extract": extract,
    "json_order": json_order, "json_event": json_event, "json_person": json_person, "lists": lists, "label": label, "label_again": label, "reply": reply, "refusal": refusal,
    "refuse_topic": refuse_topic, "unknown": unknown, "persona": persona, "persona_again": persona, "smalltalk": smalltalk, "smalltalk_again": smalltalk, "smalltalk_more": smalltalk, "make_sentence": make_sentence,
}  # fmt: skip
EXACT = frozenset(
    {
        "add",
        "word_problem",
        "compare",
        "even_odd",
        "next_number",
        "sort_numbers",
        "sort_words",
        "reverse",
        "count",
        "spell",
        "first_last",
        "day",
        "repeat",
        "case",
        "extract",
        "json_order",
        "json_event",
        "json_person",
        "lists",
        "label",
    }
)
