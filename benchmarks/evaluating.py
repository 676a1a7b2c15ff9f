"""``python -m benchmarks.evaluating``: `evaluate` beside what it was before all rows were one running batch: one row after the other.

Rows have prompts of some 40 tokens and expected answers of 40 and more, which the base model itself gives, so that each is written to its
end; and rows whose answers are a word. The base model has the starter's shape and random weights, since the starter ends its answers
sooner. Both ways take turns, some rows each, and must find the same figures.
"""

import argparse
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

import torch
from transformers import AutoModelForCausalLM

from reft_engine import Example, Message, ReftConfig, ReftModel, evaluate, generate, load_base, stream
from reft_engine.base import Base
from reft_engine.tokens.examples import ids_of_answer

_WORDS = "the a cat dog sea ship small old red came saw said went over under with from and then why".split()
_TURN = 50
"""Rows of a turn."""


def of_random_weights(starter: Base) -> Base:
    """A base model of the starter's shape, whose greedy answers go on."""
    torch.manual_seed(0)
    return replace(starter, model=AutoModelForCausalLM.from_config(starter.model.config).eval().requires_grad_(False), name="random")


def long_rows(base: Base, count: int) -> list[Example]:
    """Rows that the base model answers as expected, in 40 tokens and more."""
    draw, texts = random.Random(0), list[str]()
    for _ in range(count):
        texts.append(" ".join(draw.choices(_WORDS, k=24)))
    answers = generate(base, texts, max_new_tokens=44)
    return [
        Example(line, (Message("user", text),), answer.strip() or "-")
        for line, (text, answer) in enumerate(zip(texts, answers, strict=True), 1)
    ]


def label_rows(count: int) -> list[Example]:
    """Rows whose answers are a word."""
    draw = random.Random(1)
    texts = [" ".join(draw.choices(_WORDS, k=24)) for _ in range(count)]
    return [Example(line, (Message("user", text),), draw.choice(["good", "bad"])) for line, text in enumerate(texts, 1)]


def one_after_another(base: Base, reft: ReftModel, rows: Sequence[Example]) -> tuple[int, int]:
    """Right answers of base and tuned, each row in a batch of its own two columns, no further than one of them can still be right."""
    right = [0, 0]
    for row in rows:
        expected, answers = row.answer.strip(), ["", ""]

        def hopeless(expected: str = expected, answers: list[str] = answers) -> bool:
            return not any(expected.startswith(answer.strip()) for answer in answers)

        most = len(ids_of_answer(base, row.answer)) + 8
        for delta in stream(base, row.messages, [None, reft], max_new_tokens=most, should_stop=hopeless):
            answers[delta.column] += delta.text
        for column in range(2):
            right[column] += answers[column].strip() == expected
    return right[0], right[1]


def compare(base: Base, reft: ReftModel, rows: Sequence[Example]) -> tuple[float, float, bool]:
    """Seconds of both ways, the losses of `evaluate` left out of neither, and whether they find the same."""
    seconds, found = [0.0, 0.0], [[0.0, 0.0], [0.0, 0.0]]
    for begin in range(0, len(rows), _TURN):
        some = rows[begin : begin + _TURN]
        begun = time.perf_counter()
        right = one_after_another(base, reft, some)
        between = time.perf_counter()
        figures = evaluate(base, reft, some)
        seconds[0] += between - begun
        seconds[1] += time.perf_counter() - between
        for column, key in enumerate(("base", "tuned")):
            found[0][column] += right[column]
            found[1][column] += figures[key]["exact_match"] * len(some)
    return seconds[0], seconds[1], all(round(one) == round(other) for one, other in zip(*found, strict=True))


def main() -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=500)
    options = parser.parse_args()
    base = of_random_weights(load_base("starter"))
    reft = ReftModel(base.model, ReftConfig(method="direft"), seed=0).eval()
    with torch.no_grad():
        reft.intervention.source.zero_()  # changes nothing, so that its answers are as long
        reft.intervention.bias.zero_()
    sys.stdout.write("| answers | rows | one after another, s | evaluate, s | times as fast | same figures |\n" + "|---" * 6 + "|\n")
    for name, rows in (("40 tokens and more", long_rows(base, options.rows)), ("a word", label_rows(options.rows))):
        before, now, same = compare(base, reft, rows)
        sys.stdout.write(f"| {name} | {len(rows)} | {before:.1f} | {now:.1f} | {before / now:.2f} | {'yes' if same else 'NO'} |\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
