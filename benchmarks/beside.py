"""``python -m benchmarks.beside``: chats beside a training run on the starter, with the worker's own lock on the base model.

A sample run is trained alone, beside a person who asks now and then, and beside four who ask all the time. For each: when the first token
comes, what training loses by waiting for chats against what they took, its share of the turns, and whether the trained weights are those of
the run alone, bit for bit. Losses are of one run, so that a machine whose speed changes does not matter.
"""

import argparse
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch

from app.samples import all_samples
from app.worker.base_lock import BaseLock
from reft_engine import ReftConfig, TrainConfig, load_base, train
from reft_engine.base import Base
from reft_engine.data import inspect_file
from reft_engine.inference import InferenceEngine, PromptCache

_QUESTIONS = ("What is 3 plus 4?", "What is the capital of France?", "Who wrote this, and why?", "Tell me of the sea.")


@dataclass(slots=True)
class Measured:
    """What one run and the chats beside it took, in seconds; turns are counted while chats go on."""

    seconds: float = 0.0
    waited: float = 0.0
    worked: float = 0.0
    chats: float = 0.0
    training_turns: int = 0
    chat_turns: int = 0
    first: list[float] = field(default_factory=list)
    weights: dict[str, torch.Tensor] = field(default_factory=dict)


def measure(base: Base, people: int, pause: float, epochs: int) -> Measured:
    """Train, while so many people ask, each ``pause`` seconds after the answer before."""
    lock, found, ended = BaseLock(), Measured(), threading.Event()

    @contextmanager
    def training() -> Iterator[None]:
        asked = time.perf_counter()
        with lock.for_training():
            begun = time.perf_counter()
            yield
            found.worked += time.perf_counter() - begun
        found.waited += begun - asked
        found.training_turns += 1

    @contextmanager
    def chatting() -> Iterator[None]:
        with lock.for_chat():
            begun = time.perf_counter()
            yield
            found.chats += time.perf_counter() - begun
        found.chat_turns += 1

    engine = InferenceEngine(base, memory=PromptCache(), turn=chatting)

    def ask(person: int) -> None:
        while not ended.wait(pause):
            begun = time.perf_counter()
            request = engine.submit(_QUESTIONS[person], max_new_tokens=48, owner=str(person))
            for index, _ in enumerate(request):
                if not index:
                    found.first.append(time.perf_counter() - begun)

    threads = [threading.Thread(target=ask, args=(person,), daemon=True) for person in range(people)]
    sample = all_samples()[0]
    settings = TrainConfig(epochs=epochs, batch_size=sample.batch_size, learning_rate=sample.learning_rate)
    rows = inspect_file(sample.path).examples
    for thread in threads:
        thread.start()
    begun = time.perf_counter()
    result = train(base, rows, ReftConfig(), settings, exclusive=training)
    found.seconds = time.perf_counter() - begun
    ended.set()
    for thread in threads:
        thread.join()
    found.weights = {name: value.clone() for name, value in result.reft.state_dict().items()}
    return found


def main() -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=6)
    options = parser.parse_args()
    base = load_base("starter")
    alone = measure(base, 0, 0.0, options.epochs)
    sys.stdout.write(
        "| people | run, s | its passes, s | waited, s | chats' passes, s | lost / taken | turns of training | first token p50 / longest, s"
        " | same weights |\n" + "|---" * 9 + "|\n"
    )
    for people, pause in ((0, 0.0), (1, 0.3), (4, 0.0)):
        found = alone if not people else measure(base, people, pause, options.epochs)
        share = f"{found.training_turns / (found.training_turns + found.chat_turns):.0%}"
        same = all(torch.equal(value, found.weights[name]) for name, value in alone.weights.items())
        first = f"{statistics.median(found.first):.2f} / {max(found.first):.2f}" if found.first else "-"
        lost = f"{found.waited / found.chats:.2f}" if found.chats else "-"
        sys.stdout.write(
            f"| {people} | {found.seconds:.1f} | {found.worked:.1f} | {found.waited:.1f} | {found.chats:.1f} | {lost} | {share} | {first} "
            f"| {'yes' if same else 'NO'} |\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
