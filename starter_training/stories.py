"""Small stories from a grammar."""

from random import Random

SUBJECTS = [
    "a cat",
    "a dog",
    "a little girl",
    "a little boy",
    "a rabbit",
    "a bird",
    "a bear",
    "an old man",
    "a princess",
    "a mouse",
    "a fox",
    "a fish",
    "a robot",
    "a farmer",
]
_NAMES = ["Lily", "Tom", "Mia", "Max", "Sue", "Ben", "Zoe", "Sam", "Lucy", "Tim"]
_PLACES = [
    "in a small house",
    "near the river",
    "in a green forest",
    "by the sea",
    "on a farm",
    "in a big city",
    "at the top of a hill",
    "in a quiet village",
]
_TRAITS = ["kind", "brave", "lonely", "curious", "clever", "sleepy", "cheerful", "shy"]
_FINDS = [
    "a shiny stone",
    "a lost key",
    "an old box",
    "a red ball",
    "a sad little bird",
    "a map",
    "a golden leaf",
    "a letter",
    "a tiny boat",
    "a warm hat",
]
_FRIENDS = ["a friendly duck", "a wise owl", "a small mouse", "an old woman", "a happy child", "a gentle horse", "a funny frog"]
_PROBLEMS = [
    "It began to rain.",
    "The way home was long.",
    "It was very cold.",
    "A big dog stood in the way.",
    "The bridge was broken.",
    "It became dark.",
]
_HELPS = [
    "showed the way home",
    "gave some bread",
    "shared a warm blanket",
    "told a funny joke",
    "helped to build a bridge",
    "sang a soft song",
]
_ENDS = [
    "They became good friends.",
    "From that day on they met every morning.",
    "Everyone was happy again.",
    "That night there was a big party.",
    "It was the best day of all.",
]


def story(subject: str, random: Random) -> str:
    """Four to seven sentences about the subject."""
    name = random.choice(_NAMES)
    noun = subject.split(" ", 1)[1]
    they = "She" if noun in ("little girl", "princess") else "He" if noun in ("little boy", "old man", "farmer") else "It"
    lines = [
        f"Once there was {subject} named {name}.",
        f"{they} lived {random.choice(_PLACES)} and was very {random.choice(_TRAITS)}.",
        f"One day {name} found {random.choice(_FINDS)}.",
    ]
    if random.random() < 0.6:
        lines.append(random.choice(_PROBLEMS))
    friend = random.choice(_FRIENDS)
    lines.append(f"Then {friend} came and {random.choice(_HELPS)}.")
    if random.random() < 0.5:
        lines.append(f'"Thank you, my friend," said {name}.')
    lines.append(random.choice(_ENDS))
    return " ".join(lines)
