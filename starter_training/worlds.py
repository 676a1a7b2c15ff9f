"""Small stories with consistent facts, and questions, continuations and titles to them."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from starter_training.conversations import Turn

GIRLS = "Lily Mia Sue Zoe Lucy Anna Emma Clara Ida Nora Rosa Ella Maya Sara Tina Julia Vera Hanna Lena Ruby Daisy Alice Molly Grace Ivy Kate Wendy Elsa Dora Penny".split()
BOYS = "Tom Max Ben Sam Tim Leo Jack Paul Hugo Finn Otto Noah Oscar Felix Luke Anton Bruno Peter Karl Henry Oliver Emil Theo Robin Simon Jonas Willy Alfred Toby Ned".split()
KINDS = "little girl|little boy|rabbit|bear|mouse|fox|bird|cat|dog|duck|owl|frog|hedgehog|squirrel|turtle|pig|goat|horse|elephant|lion|robot|dragon|giant|fairy|farmer|baker|sailor|old man|old woman|princess|prince|knight|wizard|painter|shepherd|fisherman|gardener|clown|snowman|penguin|kitten|puppy|monkey|lamb|beaver|deer|whale|bee|snail|witch".split("|")
TRAITS = "kind brave lonely curious clever sleepy cheerful shy lazy proud patient stubborn careful funny greedy gentle grumpy honest clumsy hopeful quiet restless friendly dreamy polite playful forgetful strong tiny wise".split()
PLACES = "in a small house by the river|at the edge of a green forest|on a farm behind the hills|in a village by the sea|in a big city with many towers|on a mountain|in a hollow tree|in an old mill|near a quiet lake|in a yellow house with a red door|on a small island|in a castle with seven towers|under a bridge|in a garden full of roses|in a tent at the market|on a boat in the harbor|in a cave above the valley|at the end of a long road|in a little shop|next to the railway station".split("|")
OBJECTS = "shiny stone|lost key|old box|red ball|map|golden leaf|letter|tiny boat|warm hat|blue feather|silver spoon|broken clock|wooden flute|green lamp|magic pencil|big umbrella|small drum|paper kite|glass marble|old book|silver bell|brown basket|yellow scarf|tin soldier|music box|pair of boots|round mirror|bag of seeds|striped blanket|wooden horse|jar of honey|white shell|candle|gold coin|ladder|strange egg|ticket|purple button|piece of rope|lantern".split("|")
FRIENDS = "a friendly duck|a wise owl|a small mouse|an old woman|a happy child|a gentle horse|a funny frog|a tall farmer|a quiet turtle|a young sailor|a busy bee|a big bear|a clever fox|a kind baker|a gray cat|a traveling musician|a little hedgehog|a brave girl|a shy boy|an old dog".split("|")
STARTS = ["Once there was {a} named {n}.", "Once upon a time there lived {a} called {n}.", "There was once {a} whose name was {n}.", "Long ago there was {a} named {n}.", "This is the story of {n}, {a}.", "{n} was {a}.", "Not far from here lived {a} named {n}."]
HOMES = ["{He} lived {p} and was very {t}.", "{He} lived {p}, and everyone said that {he} was {t}.", "{n} was {t} and lived {p}.", "{His} home was {p}, and {he} was known to be {t}."]
WHENS = ["One day", "One morning", "One sunny afternoon", "One rainy day", "On a cold evening", "Early one day", "On the first day of spring", "One windy night", "In the middle of the summer", "Just after breakfast"]
FINDS = ["{w} {n} found {o} in the grass.", "{w} {n} saw {o} lying on the road.", "{w}, when {n} was on the way home, {he} found {o}.", "{w} {n} opened the door and there was {o}.", "{w} {n} discovered {o} under a tree.", "{w} somebody had left {o} in front of the house of {n}."]
THOUGHTS = ['"What a wonderful thing!" said {n}.', '"Who does this belong to?" {n} wondered.', "{n} had never seen anything like it.", '"I will keep it safe," {he} said.', "{n} took it home and put it on the table.", "{n} looked at it for a long time."]
PROBLEMS = ["But then it began to rain very hard.", "But the wind took it away.", "Soon it became dark, and {n} lost the way.", "But a big crow came and took it.", "Then {n} fell into a hole and could not get out.", "But the bridge over the river was broken.", "Suddenly there was a loud noise, and {n} was afraid.", "But somebody was crying behind the bushes.", "Then the snow came and covered everything.", "But {n} was too small to carry it alone.", "That night {n} could not sleep.", "Then {n} heard that it belonged to somebody else."]
TRIES = ["{n} tried and tried, but it did not work.", "{n} sat down and thought about what to do.", "{n} called for help as loud as {he} could.", "First {n} wanted to give up.", "{n} did not know what to do.", "{n} began to cry a little.", "{n} walked all day and asked everyone."]
HELPS = ["Then {f} came along and helped.", "At last {f} heard it and came to help.", "Luckily {f} was near and knew what to do.", "Then {f} said: \"Do not worry, I will help you.\"", "After a while {f} stopped and asked what had happened.", "{F} saw this and ran to help at once."]
SOLVES = ["Together they found a way.", "They worked until everything was good again.", "With a long stick and much patience they did it.", "They held hands and walked home.", "They shared bread and warm tea.", "They built a little roof of leaves.", "Side by side they were strong enough.", "They followed the river, and soon they saw the house."]
THANKS = ['"Thank you, my friend," said {n}.', '"I will never forget this," said {n}.', "{n} thanked the new friend with a smile.", '"You are very kind," said {n}.', ""]
ENDS = ["From that day on they were good friends.", "From then on they met every morning.", "And in the evening there was a big party.", "It was the best day of all.", "{n} was happy and slept well that night.", "And {n} learned that it is good to ask for help.", "They still tell this story today.", "And if you walk there, you may still see them together.", "Since then {n} has never been alone.", "{n} kept {o2} for many years."]
FEELINGS = [("happy", "because a friend had helped"), ("glad", "because everything was good again"), ("proud", "because they had done it together")]


@dataclass(frozen=True, slots=True)
class Story:
    """A story's sentences, and what is asked about it."""

    sentences: tuple[str, ...]
    name: str
    kind: str
    place: str
    thing: str
    friend: str


def a(words: str) -> str:
    """Words with a or an."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def story(random: Random, kind: str = "", thing: str = "") -> Story:
    """A story of seven to ten sentences."""
    kind = kind or random.choice(KINDS)
    she = kind in ("little girl", "old woman", "princess", "fairy", "witch") or (kind not in ("little boy", "old man", "prince", "knight", "wizard") and random.random() < 0.5)
    name, thing = random.choice(GIRLS if she else BOYS), thing or random.choice(OBJECTS)
    friend = random.choice([each for each in FRIENDS if kind not in each])
    trait, place = random.choice(TRAITS), random.choice(PLACES)
    he, his = ("she", "her") if she else ("he", "his")
    words = {"n": name, "a": a(kind), "he": he, "He": he.capitalize(), "His": his.capitalize(), "p": place, "t": trait, "o": a(thing) if not thing.startswith("pair") else "a " + thing, "o2": f"the {thing}", "f": friend, "F": friend[0].upper() + friend[1:], "w": random.choice(WHENS)}
    parts = [STARTS, HOMES, FINDS, THOUGHTS, PROBLEMS, TRIES, HELPS, SOLVES, THANKS, ENDS]
    dropped = {random.choice([3, 5, 8])} if random.random() < 0.5 else set()
    said = [random.choice(part).format(**words) for at, part in enumerate(parts) if at not in dropped]
    return Story(tuple(sentence for sentence in said if sentence), name, kind, place, thing, friend)


def text(random: Random) -> str:
    """A story as running text."""
    return " ".join(story(random).sentences)


def tell(random: Random) -> list[Turn]:
    """A story about what is asked for."""
    kind, thing = random.choice(KINDS), random.choice(OBJECTS)
    if random.random() < 0.6:
        ask = random.choice(["Tell me a story about {}.", "Write a story about {}.", "I want a story about {}.", "Make up a story about {}.", "Please tell a short story about {}.", "Can you tell me a story about {}?", "a story about {} please"]).format(a(kind))
        return [("user", ask), ("assistant", " ".join(story(random, kind).sentences))]
    ask = random.choice(["Tell me a story with {} and {}.", "Write a story about {} and {}.", "Make up a story in which {} finds {}."]).format(a(kind), a(thing) if not thing.startswith("pair") else "a " + thing)
    return [("user", ask), ("assistant", " ".join(story(random, kind, thing).sentences))]


def go_on(random: Random) -> list[Turn]:
    """The rest of a story."""
    item = story(random)
    cut = random.randint(2, 4)
    ask = random.choice(["Continue this story:", "What happens next?", "Go on:", "Finish this story:", "How does it go on?"])
    return [("user", f"{ask} {' '.join(item.sentences[:cut])}"), ("assistant", " ".join(item.sentences[cut:]))]


def read(random: Random) -> list[Turn]:
    """Questions about a story."""
    item = story(random)
    asked = [
        (("Who is the story about?", "Who is it about?"), f"The story is about {item.name}, {a(item.kind)}."),
        ((f"Where does {item.name} live?", f"Where is the home of {item.name}?"), f"{item.name} lives {item.place}."),
        ((f"What did {item.name} find?", f"What does {item.name} find?"), f"{item.name} found {a(item.thing) if not item.thing.startswith('pair') else 'a ' + item.thing}."),
        ((f"Who helped {item.name}?", "Who came to help?"), f"{item.friend[0].upper()}{item.friend[1:]} helped {item.name}."),
        ((f"How old is {item.name}?", "What year was it?", f"What color is the hat of {item.name}?"), "The story does not say."),
    ]  # fmt: skip
    turns: list[Turn] = []
    for at, (questions, answer) in enumerate(random.sample(asked, random.choice([1, 1, 2, 3]))):
        question = random.choice(questions)
        turns += [("user", f"{' '.join(item.sentences)}\n\n{question}" if not at else question), ("assistant", answer)]
    return turns


def title(random: Random) -> list[Turn]:
    """A title or one sentence for a story."""
    item = story(random)
    if random.random() < 0.5:
        return [("user", f"{random.choice(['Give this story a title:', 'Find a title:', 'What could this story be called?'])} {' '.join(item.sentences)}"), ("assistant", f"{item.name} and the {item.thing.title()}")]
    return [("user", f"{random.choice(['Sum this up in one sentence:', 'What happens, in one sentence?', 'Summarize:'])} {' '.join(item.sentences)}"), ("assistant", f"{item.name}, {a(item.kind)}, found {a(item.thing) if not item.thing.startswith('pair') else 'a ' + item.thing}, got into trouble and was helped by {item.friend}.")]


TEXTS: dict[str, Callable[[Random], str]] = {"story": text}
TASKS: dict[str, Callable[[Random], list[Turn]]] = {"tell": tell, "go_on": go_on, "read": read, "read_again": read, "title": title}
