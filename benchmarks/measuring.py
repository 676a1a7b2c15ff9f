"""``python -m benchmarks.measuring``: what measuring held-out rows costs, counted in tokens that the base model really computes.

The bound: the curve (step 0 and every measurement after it, base and tuned) takes at most a twentieth of the run's forward tokens, or what
surely takes no longer than two seconds, whichever is more. The rows that score the kept edit at the end are counted apart, and so are the
sample answers: their seconds, and at how many of the measurements one of them changed.
"""

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from app.samples import all_samples
from reft_engine import ReftConfig, TrainConfig, load_base, train
from reft_engine.data import inspect_file
from reft_engine.training import measuring
from reft_engine.training.events import PhaseEvent, RowsEvent, SampleEvent, TrainEvent
from reft_engine.training.schedule import measuring_budget

_PHASES = ("train", "measure", "score", "sample")


class _Counter:
    """Tokens and seconds of forward passes, by what they are for."""

    def __init__(self) -> None:
        self.phase = "train"
        self.tokens: dict[str, int] = defaultdict(int)
        self.seconds: dict[str, float] = defaultdict(float)
        self._begun = 0.0
        self._plain: list[str] = []
        self._answers: dict[int, list[str]] = defaultdict(list)

    @property
    def measurements(self) -> int:
        """Measurements with sample answers."""
        return len(self._answers)

    @property
    def changed(self) -> int:
        """Measurements at which a sample answer was not the one before, of the base model at first."""
        answers = list(self._answers.values())
        return sum(now != before for before, now in zip([self._plain, *answers], answers, strict=False))

    def hear(self, event: TrainEvent) -> None:
        """What passes are for from here on, and what was answered."""
        if isinstance(event, SampleEvent):
            self._answers[event.step].append(event.tuned)
            if event.step == 0:
                self._plain.append(event.base)
        if isinstance(event, PhaseEvent):
            self.phase = event.phase if event.phase in _PHASES else "train"
        elif not isinstance(event, RowsEvent):
            self.phase = "train"

    @contextmanager
    def sampling(self) -> Iterator[None]:
        """Passes in here are for sample answers."""
        before, self.phase = self.phase, "sample"
        yield
        self.phase = before

    def passed(self, _module: Any, args: Any, kwargs: Any) -> None:
        """Before a forward pass; what the proof of reuse computes before the first step is no part of either."""
        ids = args[0] if args else kwargs.get("input_ids")
        self.tokens[self.phase if torch.is_grad_enabled() or self.phase != "train" else "other"] += ids.numel()
        self._begun = time.perf_counter()

    def left(self, *_: Any) -> None:
        """After a forward pass."""
        self.seconds[self.phase] += time.perf_counter() - self._begun


def measure(base: Any, examples: Any, config: ReftConfig, settings: TrainConfig) -> _Counter:
    """Train a run and count."""
    counter, answers = _Counter(), measuring.sample_answers

    def counted(*given: Any, **options: Any) -> Any:
        with counter.sampling():
            return answers(*given, **options)

    measuring.sample_answers = counted
    handles = [
        base.model.register_forward_pre_hook(counter.passed, with_kwargs=True), base.model.register_forward_hook(counter.left)
    ]  # fmt: skip
    try:
        # Without reuse, so that every token of a row is computed and counts.
        train(base, examples, config, settings.model_copy(update={"reuse": "none", "packing": False}), on_event=counter.hear)
    finally:
        measuring.sample_answers = answers
        for handle in handles:
            handle.remove()
    return counter


def main() -> int:
    """Measure the samples, and a file if one is named, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=None, help="a file of rows beside the samples")
    parser.add_argument("--epochs", type=int, default=3, help="of the file")
    options = parser.parse_args()
    base = load_base("starter")
    runs = [(sample.title, inspect_file(sample.path).examples, TrainConfig(epochs=sample.epochs, batch_size=sample.batch_size,
             learning_rate=sample.learning_rate)) for sample in all_samples()]  # fmt: skip
    if options.data:
        runs.append((options.data.name, inspect_file(options.data).examples, TrainConfig(epochs=options.epochs, learning_rate=4e-3)))
    out = ["| run | forward tokens | curve | bound | share | curve, s | scoring | samples | samples, s | changed |", "|---" * 10 + "|"]
    for name, examples, settings in runs:
        found = measure(base, examples, ReftConfig(), settings)
        tokens, curve = found.tokens["train"], found.tokens["measure"]
        bound = measuring_budget(tokens, base.parameters, base.device.type)
        mark = "" if curve <= bound or found.seconds["measure"] <= 2 else " (**over**)"
        out.append(f"| {name} | {tokens:,} | {curve:,} | {bound:,.0f}{mark} | {curve / tokens:.1%} | {found.seconds['measure']:.2f} "
                   f"| {found.tokens['score']:,} | {found.tokens['sample']:,} | {found.seconds['sample']:.2f} "
                   f"| {found.changed} of {found.measurements} |")  # fmt: skip
        sys.stderr.write(out[-1] + "\n")
    sys.stdout.write("\n".join(out) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
