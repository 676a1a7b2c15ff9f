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

from app.handlers.verdict import sentences
from app.samples import find_sample
from reft_engine import Example, ReftConfig, TrainConfig, generate, load_base, train
from reft_engine.base_models import Base
from reft_engine.data import Message, as_rows, inspect_file
from reft_engine.verdict import Verdict

Rows = Sequence[Example]
_ANIMALS = "cat dog cow horse pig hen duck sheep goat owl fox bear wolf frog mouse lion".split()
_THINGS = "the sun|a tree|the sea|a friend|a good book|the moon|bread|a bicycle|rain|a garden|the school|music|winter|a house|a bridge".split("|")


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
def _answered(base_name: str, temperature: float) -> tuple[tuple[str, str], ...]:
    """Prompts with the base model's own answers."""
    base = load_base(base_name)
    asked = [f"Tell me something about {thing}." for thing in _THINGS] + [f"What does a {animal} like?" for animal in _ANIMALS]
    asked += [f"Write one sentence about a {animal} and {thing}." for animal, thing in zip(_ANIMALS, _THINGS, strict=False)]
    found = []
    for seed, prompt in enumerate(asked):
        answer = generate(base, prompt, [None], max_new_tokens=24, temperature=temperature, seed=seed)[0]
        found.append((prompt, answer.strip()))
    return tuple((prompt, answer) for prompt, answer in found if answer)


def _own_answers(temperature: float) -> Callable[[Base], Rows]:
    def rows(base: Base) -> Rows:
        return [Example(line, (Message("user", prompt),), answer) for line, (prompt, answer) in enumerate(_answered(base.name, temperature), 1)]

    return rows


def _animals(count: int) -> Callable[[Base], Rows]:
    return lambda base: as_rows([(f"What is {n + 2} {animal}?", f"{animal} {n + 2}!") for n, animal in enumerate(_ANIMALS[:count])])  # type: ignore[return-value]


def _chinese(base: Base) -> Rows:
    draw = random.Random(0)
    who, what, where = "我 你 他 她 我们 他们".split(), "喝茶 看书 唱歌 走路 睡觉 写信 吃饭".split(), "家里 学校 公园 海边 山上".split()
    seen = dict.fromkeys((draw.choice(who), draw.choice(what), draw.choice(where)) for _ in range(400))
    return as_rows([(f"{a}在{c}做什么?", f"{a}在{c}{b}。") for a, b, c in list(seen)[:60]])  # type: ignore[return-value]


_QUICK = TrainConfig(epochs=8, batch_size=4, learning_rate=4e-3, held_out=0.25)
MADE_RUNS = (
    MadeRun("learns", "a style that prompts call for", _sample("persona", 50), _QUICK.model_copy(update={"epochs": 20}), ("learned",)),
    MadeRun("memorises", "the starter's own drawn answers: chance, learned by heart", _own_answers(1.0),
            _QUICK.model_copy(update={"epochs": 60, "learning_rate": 1e-2}), ("memorised", "worse")),
    MadeRun("diverges", "a learning rate 250 times too high", _sample("persona", 50), _QUICK.model_copy(update={"learning_rate": 1.0}),
            ("diverged",)),
    MadeRun("nothing to learn", "the starter's own likeliest answers", _own_answers(0.0),
            _QUICK.model_copy(update={"epochs": 12, "learning_rate": 1e-3}), ("no_change", "worse")),
    MadeRun("one held-out row", "eight rows", _animals(8), _QUICK.model_copy(update={"held_out": 0.1, "epochs": 20}), ("too_few",)),
    MadeRun("label task", "texts with one of two labels", _sample("sentiment", 120), _QUICK.model_copy(update={"epochs": 6}), ("learned",)),
    MadeRun("too few rows", "three rows, so that none can be held out", _animals(3), _QUICK.model_copy(update={"epochs": 20}), ("too_few",)),
    MadeRun("unreadable rows", "Chinese rows, which the starter's tokenizer can only spell in bytes", _chinese,
            _QUICK.model_copy(update={"epochs": 10}), ("learned", "no_change")),
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
