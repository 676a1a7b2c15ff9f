"""What a run costs from its claim to its first step: ``python -m benchmarks.encoding [--rows N] [--quick] [--json]``.

A worker's own `run_job` trains a run of many rows on a small random model behind the starter's tokenizer, so that what is computed with
the model matters little. Counted are the CPU seconds of the process, of one torch thread, by what they are for. The run is then left, and
claimed again as after a restart: what was encoded is not encoded again. Ends with 1 if the first claim takes too long.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import wraps
from itertools import accumulate
from pathlib import Path
from typing import Any
from unittest.mock import patch

ROWS, QUICK_ROWS = 200_000, 2_000
MOST = 15.0
"""CPU seconds from claim to first step, of `ROWS` rows."""
PARTS = ("reading", "encoding", "counting", "splitting", "packing", "measuring", "step", "rest")
TITLES = {
    "reading": "reading the file",
    "encoding": "encoding the rows",
    "counting": "counting them",
    "splitting": "drawing the held-out rows",
    "packing": "making batches, and what they can reuse",
    "measuring": "measuring the held-out rows",
    "step": "the first step",
    "rest": "the rest",
}
_WORDS, _SYLLABLES = 20_000, "ba de fi go lu ma ne pi ro su ta ve wi xo zu an el in or um st tr ch sh th ck ing er est ly".split()


def rows_of(count: int) -> Iterator[Any]:
    """Rows of a prompt of 4 to 12 words and a number, and an answer of 3 to 10 words; few words are frequent, as in a language."""
    from reft_engine.data import Example, Message

    draw = random.Random(0)
    words = ["".join(draw.choice(_SYLLABLES) for _ in range(draw.randint(1, 4))) for _ in range(_WORDS)]
    frequencies = list(accumulate(1 / rank for rank in range(1, _WORDS + 1)))

    def text(least: int, most: int) -> str:
        return " ".join(draw.choices(words, cum_weights=frequencies, k=draw.randint(least, most)))

    for line in range(1, count + 1):
        yield Example(line, (Message("user", f"{text(4, 12)} {line}?"),), f"{text(3, 10)}.", line)


def base_of() -> Any:
    """A random Llama of four layers behind the starter's tokenizer."""
    from transformers import LlamaConfig, LlamaForCausalLM

    from reft_engine import load_base

    starter = load_base("starter", device="cpu")
    config = LlamaConfig(
        vocab_size=len(starter.tokenizer), hidden_size=64, num_hidden_layers=4, intermediate_size=128, num_attention_heads=4,
        num_key_value_heads=4, max_position_embeddings=512, bos_token_id=None, eos_token_id=None, pad_token_id=None,
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval().requires_grad_(False)
    return replace(starter, model=model, revision="any")


class Clock:
    """CPU seconds by part; what one part does within another is counted once, as the inner one's."""

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter()
        self.total = 0.0
        self._inner: list[float] = []
        self._begun = time.process_time()

    def counted(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, its seconds counted until the first step is made."""

        @wraps(function)
        def call(*values: Any, **named: Any) -> Any:
            begun = time.process_time()
            self._inner.append(0.0)
            try:
                return function(*values, **named)
            finally:
                took = time.process_time() - begun
                inner = self._inner.pop()
                if self._inner:
                    self._inner[-1] += took
                if not self.total:
                    self.spent[part] += took - inner

        return call

    def stop(self) -> None:
        """The first step is made."""
        self.total = time.process_time() - self._begun
        self.spent["rest"] = self.total - self.spent.total()


def _places() -> list[tuple[str, Any, str]]:
    """Each part's functions."""
    from app.worker import job
    from reft_engine.data.splitting import Sides
    from reft_engine.training import loop, row_check, run
    from reft_engine.training.measuring import Watch
    from reft_engine.training.rows import RowsRead
    from reft_engine.training.saved_rows import RowReader

    return [
        ("reading", job, "load_examples"), ("encoding", RowReader, "read"), ("counting", row_check, "split_and_count"),
        ("counting", run, "split_and_count"), ("splitting", Sides, "indices"), ("splitting", RowsRead, "divided"),
        ("packing", run, "share_reuse"), ("packing", loop, "epoch_batches"), ("measuring", Watch, "measure"), ("step", run, "train_step"),
    ]  # fmt: skip


def claimed(storage: Any, base: Any) -> Clock:
    """Work on the run that waits until its next step is made, and leave it as a worker does that is shut down."""
    from app.worker import job
    from app.worker.journal import Journal
    from app.worker.resident import Resident
    from reft_engine.training import StepEvent

    whole = Journal.__call__
    with ExitStack() as changed:
        resident = Resident(storage)
        resident._bases[base.name] = base
        clock = Clock()
        for part, place, name in _places():
            changed.enter_context(patch.object(place, name, clock.counted(part, getattr(place, name))))

        def hear(journal: Journal, event: Any) -> None:
            whole(journal, event)
            if isinstance(event, StepEvent) and not clock.total:
                clock.stop()

        changed.enter_context(patch.object(Journal, "__call__", hear))
        leased = storage.queue.claim("bench")
        assert leased is not None
        job.run_job(resident, leased, lambda: clock.total > 0)
        failure = storage.runs.get(leased.run.id).failure
        assert failure is None, failure
        storage.queue.put_back("bench", "Left by the benchmark.")
    return clock


def measure(rows: int) -> tuple[Clock, Clock]:
    """The first claim of a run and the one after a restart."""
    import torch

    from reft_engine.data import dump_examples
    from reft_engine.spec import ReftConfig, RunSpec, TrainConfig
    from storage import Storage

    torch.set_num_threads(1)
    base = base_of()
    with tempfile.TemporaryDirectory() as folder:
        storage = Storage(Path(folder))
        source = storage.files.root / "source"
        data = dump_examples(rows_of(rows))
        source.write_bytes(data)
        dataset = storage.datasets.create(
            name="rows", label="rows", shape="pairs", rows=rows, usable_rows=rows, source=source, examples=data
        )  # fmt: skip
        del data
        spec = RunSpec(base=base.name, revision="any", reft=ReftConfig(), train=TrainConfig(epochs=3))
        storage.runs.create(dataset.id, spec.model_dump(mode="json"))
        with storage.workers.serving("bench"):
            found = claimed(storage, base), claimed(storage, base)
        storage.close()
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print a table; 1 if the first claim takes more CPU seconds a row than it may."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROWS:,} rows: whether it works")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args(arguments)
    if os.environ.get("OMP_WAIT_POLICY") != "PASSIVE":  # as a supervisor starts its worker; read when a process begins
        environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "TOKENIZERS_PARALLELISM": "false"}
        command = [sys.executable, "-m", "benchmarks.encoding", *(sys.argv[1:] if arguments is None else arguments)]
        return subprocess.run(command, env=environment, check=False).returncode
    rows = QUICK_ROWS if options.quick else options.rows
    first, again = measure(rows)
    sys.stdout.write(f"| CPU s, {rows:,} rows | first claim | after a restart |\n|---|---|---|\n")
    for part in PARTS:
        sys.stdout.write(f"| {TITLES[part]} | {first.spent[part]:.2f} | {again.spent[part]:.2f} |\n")
    sys.stdout.write(f"| claim to first step | **{first.total:.2f}** | {again.total:.2f} |\n")
    if options.json:
        found = {name: {"total": clock.total, **{part: clock.spent[part] for part in PARTS}} for name, clock in
                 (("first", first), ("again", again))}  # fmt: skip
        sys.stdout.write(json.dumps({"rows": rows, **found}) + "\n")
    return int(rows >= ROWS and first.total > MOST)


if __name__ == "__main__":
    sys.exit(main())
