"""``python -m benchmarks.predicting [--rows N] [--json]``: many answers in the running batch beside one answer after another.

Two shapes of the same work, on the bundled starter: predictions of N held-out rows by the base model and an edit, and a grid of four
edits and fifty prompts. Prompts are those of the bundled samples, and answers end where the starter ends them, or with 64 tokens. Between
both stands what a chat does: the columns of a prompt together, one prompt after another. All ways take turns, some prompts each, so that
a noisy neighbour meets all; the figures that matter are ratios. The texts of all ways are compared.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

import torch

from app.samples import all_samples
from reft_engine import ReftConfig, ReftModel, generate, load_base
from reft_engine.base import Base
from reft_engine.data import Message, inspect_file
from reft_engine.inference import Asked, InferenceEngine, PromptCache, answers_in_order

TOKENS = 64
"""Most tokens of an answer."""
_EDITS, _PROMPTS = 4, 50
"""Of the grid."""
_TARGET = 0.25
"""Most of the time of one after another that the batch is to take."""

Prompt = Sequence[Message]


@dataclass(frozen=True, slots=True)
class Compared:
    """Seconds of each way for so many prompts and columns, and the answers that are the same in all."""

    name: str
    prompts: int
    columns: int
    one_by_one: float
    by_prompt: float
    in_order: float
    same: int

    @property
    def ratio(self) -> float:
        """The time of the batch as a share of that of one after another."""
        return self.in_order / self.one_by_one

    def as_data(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "prompts": self.prompts, "columns": self.columns, "one_after_another_seconds": round(self.one_by_one, 2),
            "prompt_after_prompt_seconds": round(self.by_prompt, 2), "in_order_seconds": round(self.in_order, 2),
            "ratio": round(self.ratio, 3), "ratio_to_prompts": round(self.in_order / self.by_prompt, 3), "same_answers": self.same,
            "answers": self.prompts * self.columns, "meets_target": self.ratio <= _TARGET,
        }  # fmt: skip


def held_out_prompts(count: int) -> list[Prompt]:
    """Prompts of the held-out rows of the samples, in turn; some come again where there are fewer."""
    samples = [[each.messages for each in inspect_file(str(sample.held_out_path)).examples] for sample in all_samples()]
    turns = zip(*(islice(cycle(each), -(-count // len(samples))) for each in samples), strict=True)
    return [prompt for turn in turns for prompt in turn][:count]


def edits_of(base: Base, count: int) -> list[ReftModel]:
    """Edits that change answers."""
    found = []
    for seed in range(count):
        reft = ReftModel(base.model, ReftConfig(rank=4, positions="f7+l7"), seed=seed).eval()
        with torch.no_grad():
            reft.intervention.bias.normal_(std=0.02, generator=torch.Generator().manual_seed(seed))
        found.append(reft)
    return found


def compare(base: Base, name: str, prompts: Sequence[Prompt], models: Sequence[ReftModel | None], turn: int) -> Compared:
    """Each way, ``turn`` prompts each time."""
    seconds, same = [0.0, 0.0, 0.0], 0
    engine = InferenceEngine(base, memory=PromptCache())
    for begin in range(0, len(prompts), turn):
        some = prompts[begin : begin + turn]
        found, times = [], [time.perf_counter()]
        for answers in (
            ([generate(base, prompt, [model], max_new_tokens=TOKENS)[0] for model in models] for prompt in some),
            (generate(base, prompt, list(models), max_new_tokens=TOKENS) for prompt in some),
            answers_in_order(engine, (Asked(prompt, models, TOKENS) for prompt in some)),
        ):
            found.append([text for texts in answers for text in texts])
            times.append(time.perf_counter())
        seconds = [before + after - begun for before, begun, after in zip(seconds, times, times[1:], strict=False)]
        same += sum(len(set(texts)) == 1 for texts in zip(*found, strict=True))
    one_by_one, by_prompt, in_order = seconds
    return Compared(name, len(prompts), len(models), one_by_one, by_prompt, in_order, same)


def main() -> int:
    """Measure, and print a table or JSON; 1 if an answer differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=500, help="held-out rows")
    parser.add_argument("--prompts", type=int, default=_PROMPTS, help="prompts of the grid")
    parser.add_argument("--turn", type=int, default=250, help="prompts of a turn")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    base = load_base("starter")
    edits = edits_of(base, _EDITS)
    generate(base, "Hi", [None, edits[0]], max_new_tokens=8)  # warms up
    found = [
        compare(base, "predictions", held_out_prompts(options.rows), [None, edits[0]], options.turn),
        compare(base, "grid", held_out_prompts(options.prompts), edits, options.turn),
    ]
    if options.json:
        sys.stdout.write(json.dumps({each.name: each.as_data() for each in found}) + "\n")
    else:
        sys.stdout.write(
            "| | prompts | columns | one after another, s | by prompt, s | in the batch, s | share | same answers |\n" + "|---" * 8 + "|\n"
        )
        for each in found:
            seconds = " | ".join(f"{value:.1f}" for value in (each.one_by_one, each.by_prompt, each.in_order))
            same = f"{each.same} of {each.prompts * each.columns}"
            sys.stdout.write(f"| {each.name} | {each.prompts} | {each.columns} | {seconds} | {each.ratio:.2f} | {same} |\n")
    return 0 if all(each.same == each.prompts * each.columns for each in found) else 1


if __name__ == "__main__":
    sys.exit(main())
