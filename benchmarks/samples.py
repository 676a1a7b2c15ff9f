"""What the bundled samples teach the starter: ``python -m benchmarks.samples`` writes a Markdown table.

Every sample is trained with its own settings, once per seed, on all rows of its file, and measured on its held-out
file: exact answers of the bare base and of the tuned model, without any system message.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import torch

from reft_engine import Example, ReftConfig, TrainConfig, evaluate, inspect_file, load_base, train

FOLDER = Path(__file__).parents[1] / "app" / "samples"
HEAD = (
    "| sample | rows | steps | trained weights | exact, base | exact, tuned (mean, lowest-highest) | loss, base | loss, tuned | seconds |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One sample with one seed: steps, weights, seconds of training, and the held-out figures."""

    steps: int
    weights: int
    seconds: float
    base: dict[str, float]
    tuned: dict[str, float]


def examples(name: str) -> Sequence[Example]:
    """The rows of a sample's file."""
    return inspect_file(FOLDER / name).examples


def run(base: Any, sample: dict[str, Any], seed: int) -> Outcome:
    """Train one sample with one seed and measure it."""
    reft = ReftConfig(rank=sample["rank"], layers=sample["layers"], positions=sample["positions"])
    settings = TrainConfig(
        epochs=sample["epochs"], learning_rate=sample["learning_rate"], batch_size=sample["batch_size"], held_out=0.0, seed=seed
    )
    begun = time.perf_counter()
    result = train(base, examples(sample["file"]), reft, settings)
    seconds = time.perf_counter() - begun
    measured = evaluate(base, result.reft, examples(sample["held_out"]))
    return Outcome(result.steps, result.reft.trainable_parameters, seconds, measured["base"], measured["tuned"])


def line(sample: dict[str, Any], outcomes: Sequence[Outcome]) -> str:
    """A row of the table."""
    first, exact = outcomes[0], [outcome.tuned["exact_match"] for outcome in outcomes]
    cells = [
        sample["key"], len(examples(sample["file"])), first.steps, first.weights, f"{first.base['exact_match']:.0%}",
        f"{mean(exact):.0%} ({min(exact):.0%}-{max(exact):.0%})", f"{first.base['loss']:.2f}",
        f"{mean(outcome.tuned['loss'] for outcome in outcomes):.2f}", f"{mean(outcome.seconds for outcome in outcomes):.0f}",
    ]  # fmt: skip
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def main() -> None:
    """Print the table, a row as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", default="starter")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", help="key of a single sample")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads; more only slow so small a model down")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    base = load_base(options.base)
    index = json.loads((FOLDER / "index.json").read_text(encoding="utf-8"))
    sys.stdout.write(HEAD + "\n")
    for sample in index:
        if options.only in (None, sample["key"]):
            outcomes = [run(base, sample, 42 + seed) for seed in range(options.seeds)]
            sys.stdout.write(line(sample, outcomes) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
