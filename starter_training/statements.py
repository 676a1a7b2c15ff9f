"""Sentences that carry a label: feelings, opinions, topics and people; built from parts, with real variety."""

from dataclasses import dataclass
from random import Random

WHO = ["I", "My brother", "My sister", "My friend", "Tom", "Anna", "The boy", "The girl", "Our teacher", "Grandma", "Ben", "Lily"]
FEELINGS = {
    "happy": ("😊", "That is wonderful to hear.", "won a prize|got a new puppy|found the lost key|ate a big ice cream|passed the test|went to the beach|got a present|saw a rainbow|danced all day|met an old friend|scored a goal|received a kind letter"),
    "sad": ("😢", "I am sorry to hear that.", "lost a toy|dropped the ice cream|missed the bus home|said goodbye to a friend|broke a favorite cup|could not find the cat|failed the test|had to stay alone|lost the game|cried all night|has no one to play with|heard bad news"),
    "angry": ("😠", "Please take a deep breath.", "was pushed in the line|was called a bad name|had the bike stolen|was blamed for nothing|shouted at the dog|slammed the door|waited two hours for nothing|was lied to again|threw the book down|was cheated in the game|had the lunch taken away|argued with the neighbor"),
    "scared": ("😨", "Do not worry, you are safe.", "heard a strange noise|saw a big spider|is alone in the dark|saw a ghost in a dream|hid under the bed|got lost in the forest|heard loud thunder|met a growling dog|saw a shadow at the window|stood on a high bridge|had a bad dream|is afraid of the deep water"),
}  # fmt: skip
WHEN = ["", "today", "yesterday", "this morning", "last night", "at school", "at home", "after lunch", "on Monday"]
THING = [
    "movie",
    "book",
    "song",
    "game",
    "show",
    "story",
    "meal",
    "hotel",
    "trip",
    "play",
    "film",
    "restaurant",
    "party",
    "lesson",
    "actor",
    "ending",
]
GOOD = [
    "wonderful",
    "great",
    "funny",
    "beautiful",
    "charming",
    "brilliant",
    "lovely",
    "excellent",
    "warm",
    "clever",
    "delightful",
    "moving",
    "fresh",
    "touching",
    "amazing",
    "sweet",
    "smart",
    "enjoyable",
]
BAD = [
    "terrible",
    "boring",
    "awful",
    "dull",
    "ugly",
    "stupid",
    "bad",
    "slow",
    "weak",
    "horrible",
    "silly",
    "empty",
    "cold",
    "annoying",
    "flat",
    "messy",
    "tired",
    "disappointing",
]
GOOD_TAIL = [
    "I loved every minute",
    "I want to see it again",
    "it made me smile",
    "everyone enjoyed it",
    "it was worth it",
    "I recommend it",
    "my heart was full",
]
BAD_TAIL = [
    "I wanted to leave",
    "I fell asleep",
    "it was a waste of time",
    "nobody liked it",
    "I want my money back",
    "it made no sense",
    "never again",
]
TOPICS = {
    "sport": ("⚽", "team|player|race|match|goal|runner|coach", "won the game|trained very hard|ran very fast|kicked the ball|lost by one point"),
    "food": ("🍽️", "soup|cake|bread|salad|pizza|rice|pie", "tasted very good|needs more salt|is still warm|was served for lunch|smells sweet"),
    "music": ("🎵", "song|band|piano|guitar|choir|drum|violin", "sounded very loud|played all evening|made us dance|was out of tune|is easy to learn"),
    "weather": ("🌦️", "rain|wind|snow|storm|sun|fog|cloud", "came in the morning|lasted the whole day|will be gone tomorrow|covered the whole town|came from the north"),
    "travel": ("✈️", "train|plane|ship|bus|road|airport|ticket", "was late again|goes to the city|left at nine|takes three hours|was very crowded"),
}  # fmt: skip
NAMES = [
    "Anna",
    "Ben",
    "Carla",
    "David",
    "Emma",
    "Frank",
    "Grace",
    "Henry",
    "Iris",
    "Jack",
    "Kate",
    "Leo",
    "Maria",
    "Nick",
    "Olga",
    "Paul",
    "Rosa",
    "Sam",
    "Tina",
    "Victor",
]
CITIES = [
    "Paris",
    "Rome",
    "Madrid",
    "Berlin",
    "Tokyo",
    "Cairo",
    "Athens",
    "Oslo",
    "Lima",
    "Vienna",
    "Dublin",
    "Lisbon",
    "Warsaw",
    "Moscow",
    "Havana",
    "Nairobi",
]


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
    who, event, when = random.choice(WHO), random.choice(events.split("|")), random.choice(WHEN)
    if who == "I":
        event = event.replace("is ", "am ", 1) if event.startswith("is ") else event.replace("has ", "have ", 1)
    return Statement("feeling", f"{who} {event}{' ' if when else ''}{when}.", reply, label, emoji)


def opinion(random: Random) -> Statement:
    """A review sentence: positive or negative."""
    good = random.random() < 0.5
    words, tails = (GOOD, GOOD_TAIL) if good else (BAD, BAD_TAIL)
    thing, first, second, tail = random.choice(THING), random.choice(words), random.choice(words), random.choice(tails)
    text = random.choice([
        f"The {thing} was {first} and {tail}.", f"A {first}, {second} {thing}.", f"What a {first} {thing}!", f"This {thing} is {first}.",
        f"The {thing} is {first} and {second}.", f"I think the {thing} was {first}.", f"a {first} {thing} with a {second} heart",
        f"{first} and {second}, and {tail}", f"the {thing} is never {random.choice(BAD if good else GOOD)}, always {first}",
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
    name, age, city = random.choice(NAMES), random.randint(5, 60), random.choice(CITIES)
    text = random.choice([
        f"{name} is {age} years old and lives in {city}.", f"My name is {name}, I am {age} and I live in {city}.", f"{name} from {city} is {age} years old.",
    ])  # fmt: skip
    return Statement("person", text, f"It is nice to meet {name}.", f'{{"name": "{name}", "age": {age}, "city": "{city}"}}', "🧑")


FAMILIES = {"feeling": feeling, "opinion": opinion, "topic": topic, "person": person}
