"""Small stories from a grammar."""

from random import Random

from starter_training.texts import lists

WORDS = lists("words/small_world")
SUBJECTS = WORDS["story subjects"]


def story(subject: str, random: Random) -> str:
    """Four to seven sentences about the subject."""
    name = random.choice(WORDS["story names"])
    noun = subject.split(" ", 1)[1]
    they = "She" if noun in ("little girl", "princess") else "He" if noun in ("little boy", "old man", "farmer") else "It"
    lines = [
        f"Once there was {subject} named {name}.",
        f"{they} lived {random.choice(WORDS['story places'])} and was very {random.choice(WORDS['story traits'])}.",
        f"One day {name} found {random.choice(WORDS['story finds'])}.",
    ]
    if random.random() < 0.6:
        lines.append(random.choice(WORDS["story problems"]))
    friend = random.choice(WORDS["story friends"])
    lines.append(f"Then {friend} came and {random.choice(WORDS['story helps'])}.")
    if random.random() < 0.5:
        lines.append(f'"Thank you, my friend," said {name}.')
    lines.append(random.choice(WORDS["story ends"]))
    return " ".join(lines)
