"""How an answer by Hugging Face's ``generate`` is timed: token by token, through its streamer."""

import random
import time
from collections.abc import Callable
from itertools import count, pairwise
from statistics import median
from typing import Any

import torch

from benchmarks.speed.gate import Gate
from benchmarks.speed.models import build, versions
from benchmarks.speed.work import Job


class Ticks:
    """When each token of an answer came, in milliseconds after the start."""

    def __init__(self) -> None:
        self._begun, self.times = time.perf_counter(), list[float]()

    def tick(self) -> None:
        """A token is there."""
        self.times.append(1000 * (time.perf_counter() - self._begun))

    def values(self, tokens: int) -> dict[str, float]:
        """Milliseconds to the first token, tokens a second after it (by the median gap between two), and how many there were."""
        return {"first": self.times[0], "rate": 1000 / median(b - a for a, b in pairwise(self.times)), "tokens": tokens}


class _Streamer(Ticks):
    """What ``generate`` hands the prompt first, and then every token."""

    def __init__(self) -> None:
        super().__init__()
        self._prompt = True

    def put(self, value: Any) -> None:
        if not self._prompt:
            self.tick()
        self._prompt = False

    def end(self) -> None:
        pass


def question(job: Job, asked: int) -> list[int]:
    """The token ids of one prompt after another, all different: what was read before must not help."""
    drawn = random.Random(f"question {asked}")
    return [drawn.randrange(job.shape.vocabulary) for _ in range(job.work.prompt)]


def answered(job: Job, gate: Gate, write: Callable[[Any, dict[str, Any]], Any]) -> None:
    """Answer a fresh prompt whenever it is asked for; ``write`` is given token ids (1, T) and ``generate``'s options."""
    gate.ready(versions=versions())
    for asked in count():
        ids = torch.tensor([question(job, asked)], device=job.device)
        gate.wait()
        ticks = _Streamer()
        options = {"max_new_tokens": job.options["new"], "do_sample": False, "streamer": ticks, "attention_mask": torch.ones_like(ids)}
        written = write(ids, options).shape[1] - ids.shape[1]
        gate.report(**ticks.values(written))


def base(job: Job, gate: Gate) -> None:
    """Hugging Face's ``generate`` of the bare model."""
    model = build(job)
    answered(job, gate, lambda ids, options: model.generate(input_ids=ids, **options))
