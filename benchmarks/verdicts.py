"""``python -m benchmarks.verdicts``: eight made runs, and what the studio says of each: the table of docs/verdict.md.

Each run is made so that what it deserves to be told is known beforehand. The data are made here, partly by the starter itself:
answers that it gave (greedy, or drawn) are answers that it has nothing left to learn of.
"""

import argparse
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from app.handlers.verdict import sentences
from app.samples import find_sample
from reft_engine import Example, ReftConfig, TrainConfig, generate, load_base, train
from reft_engine.base.loading import Base
from reft_engine.data import as_rows, inspect_file
from reft_engine.training.verdict import Verdict

Rows = Sequence[Example]
_ANIMALS = "cat dog cow horse pig hen duck sheep goat owl fox bear wolf frog mouse lion".split()
_THINGS = (
    "the sun|a tree|the sea|a friend|a good book|the moon|bread|a bicycle|rain|a garden|the school|music|winter|a house|a bridge"
).split("|")
_LONGEST = 60
"""Tokens of an answer at most; a longer one has no end that could be learned."""


@dataclass(frozen=True, slots=True)
class MadeRun:
    """A run that deserves a certain verdict, and why."""

    name: str
    why: str
    rows: Callable[[Base], Rows]
    settings: TrainConfig
    deserved: tuple[Verdict, ...]


def _sample(key: str, count: int) -> Callable[[Base], Rows]:
    def rows(base: Base) -> Rows:
        sample = find_sample(key)
        assert sample
        return inspect_file(sample.path).examples[:count]

    return rows


@cache
def _answered(temperature: float) -> tuple[tuple[str, str], ...]:
    """Prompts with the starter's own answers, those that come to an end."""
    base = load_base("starter")
    asked = [f"Tell me something about {thing}." for thing in _THINGS]
    for question in ("What does a {} like?", "Write one sentence about a {}.", "Where does a {} sleep?"):
        asked += [question.format(animal) for animal in _ANIMALS]
    found = []
    for seed, prompt in enumerate(asked):
        (answer,) = generate(base, prompt, [None], max_new_tokens=_LONGEST, temperature=temperature, seed=seed)
        if answer.strip() and len(base.tokenizer(answer)["input_ids"]) < _LONGEST:
            found.append((prompt, answer.strip()))
    return tuple(found)


def _own_answers(temperature: float) -> Callable[[Base], Rows]:
    return lambda base: as_rows(_answered(temperature))  # type: ignore[return-value]


def _animals(count: int) -> Callable[[Base], Rows]:
    rows = [(f"What is {n + 2} {animal}?", f"{animal} {n + 2}!") for n, animal in enumerate(_ANIMALS[:count])]
    return lambda base: as_rows(rows)  # type: ignore[return-value]


def _chinese(base: Base) -> Rows:
    draw = random.Random(0)
    who, what, where = "我 你 他 她 我们 他们".split(), "喝茶 看书 唱歌 走路 睡觉 写信 吃饭".split(), "家里 学校 公园 海边 山上".split()
    seen = dict.fromkeys((draw.choice(who), draw.choice(what), draw.choice(where)) for _ in range(400))
    return as_rows([(f"{a}在{c}做什么?", f"{a}在{c}{b}。") for a, b, c in list(seen)[:60]])  # type: ignore[return-value]


def _with(**settings: Any) -> TrainConfig:
    return TrainConfig(**{"batch_size": 4, "learning_rate": 4e-3, "held_out": 0.25, **settings})


MADE_RUNS = (
    MadeRun("learns", "a sample: a style that its prompts call for", _sample("persona", 50), _with(epochs=12), ("learned",)),
    MadeRun(
        "memorises", "answers that the starter drew by chance, learned by heart in 40 epochs", _own_answers(1.0),
        _with(epochs=40, learning_rate=8e-3), ("memorised",),
    ),
    MadeRun(
        "diverges", "the starter's own answers, with a learning rate 250 times too high", _own_answers(0.0),
        _with(epochs=4, learning_rate=1.0), ("diverged",),
    ),
    MadeRun(
        "nothing to learn", "the starter's own answers, with a low learning rate", _own_answers(0.0),
        _with(epochs=6, learning_rate=5e-4), ("no_change", "worse"),
    ),
    MadeRun("one held-out row", "eight rows", _animals(8), _with(held_out=0.1, epochs=15), ("too_few",)),
    MadeRun("label task", "a sample: texts with one of two labels", _sample("sentiment", 120), _with(epochs=4), ("learned",)),
    MadeRun("too few rows", "three rows, so that none can be held out", _animals(3), _with(epochs=15), ("too_few",)),
    MadeRun("unreadable rows", "Chinese rows, which the starter can only spell in bytes", _chinese, _with(epochs=6), ("learned",)),
)  # fmt: skip


def main() -> int:
    """Train all eight and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=None, help="the name of one run")
    options = parser.parse_args()
    base = load_base("starter")
    out = ["| run | made of | verdict | what the page says |", "|---|---|---|---|"]
    for made in MADE_RUNS:
        if options.only in (None, made.name):
            result = train(base, made.rows(base), ReftConfig(), made.settings)
            mark = "" if result.verdict in made.deserved else " (**not deserved**)"
            said = " ".join(sentences(result.evidence, result.verdict))
            out.append(f"| {made.name} | {made.why} | `{result.verdict}`{mark} | {said} |")
            sys.stderr.write(f"{made.name}: {result.verdict}{mark}\n{result.evidence}\n{said}\n")
    sys.stdout.write("\n".join(out) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
