"""What it costs a run to be kept: ``python -m benchmarks.keeping`` trains the same with all that makes it lasting, and without.

*The engine alone* is `reft_engine.train` without a folder. *As the studio trains* is the worker's own `run_job` on a real
data folder: checkpoints, the journal in the database and the lease that fences it, the question whether to stop, and
heartbeats from their thread. Whole runs take turns in one process, and the order changes from round to round. Counted is
the time from a run's first step to its last, and how much of it each part took.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import wraps
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from app.samples import all_samples
from app.worker import job, queue
from app.worker.check import FreshCheck
from app.worker.journal import Journal
from app.worker.resident import Resident
from benchmarks.speed.ours import base_of, config_of, examples_of, settings_of
from benchmarks.speed.table import Column, Results, Target, result
from benchmarks.speed.turns import Found
from benchmarks.speed.work import SHAPES, Job, Work
from reft_engine import load_base, train
from reft_engine.base.loading import Base
from reft_engine.data import Example, as_rows, dump_examples, inspect_file
from reft_engine.spec import ReftConfig, RunSpec, TrainConfig
from reft_engine.training import checkpoint
from reft_engine.training.events import StepEvent, TrainEvent
from storage import LeasedRun, Storage
from storage.workers import WorkerStore

RESULTS = Path(__file__).parent / "results"
MODELS = ("starter", "small", "base", "tiny")
HELD_OUT = 0.1
PARTS = (
    ("checkpoint", "a checkpoint", checkpoint, "save_checkpoint", time.perf_counter),
    ("journal", "writing down what happened", Journal, "_write", time.perf_counter),
    ("stop", "asking whether to stop", LeasedRun, "stop_requested", time.perf_counter),
    ("beat", "a heartbeat (CPU time of its thread)", WorkerStore, "heartbeat", time.thread_time),
)
"""Key, title, where the function is whose time is counted, and by which clock: training waits for all but heartbeats."""
COLUMNS = (
    Column("ms a step", "ms", form=".2f"),
    Column("of the engine alone", "ratio", form=".3f"),
    Column("CPU ms", "cpu", form=".2f"),
    Column("of the engine alone", "cpu_ratio", form=".3f"),
    Column("ms, once", "once", form=".2f"),
    Column("times a second", "often", form=".2f"),
    Column("of the time", "share", form=".2%"),
)
TARGETS = (
    Target("as the studio trains / the engine alone, median of the rounds' ratios", "kept", "", 1.01, "at most", value="ratio"),
    Target("the same of CPU time", "kept", "", 1.01, "at most", value="cpu_ratio"),
    Target("what all parts take of the time", "kept", "", 0.01, "at most", value="share"),
)
HEAD = "# What keeping a run costs\n\nPrinted by `python -m benchmarks.keeping`; how to read it: benchmarks/README.md."


@dataclass(frozen=True, slots=True)
class Setup:
    """What is trained; the base model's revision is any, so that nobody asks the Hub."""

    base: Base
    examples: Sequence[Example]
    spec: RunSpec
    says: dict[str, Any]


@dataclass(slots=True)
class Clock:
    """When each step ended, by the clock and by CPU time, and from when and how long each part worked."""

    steps: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    parts: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: {key: [] for key, *_ in PARTS})

    def __call__(self, event: TrainEvent) -> None:
        """Look at the time after a step."""
        if isinstance(event, StepEvent):
            self.steps.append(time.perf_counter())
            self.processor.append(time.process_time())

    @property
    def seconds(self) -> float:
        """From the first step to the last."""
        return self.steps[-1] - self.steps[0]

    @property
    def ms(self) -> float:
        """Of a step."""
        return 1000 * self.seconds / (len(self.steps) - 1)

    @property
    def cpu(self) -> float:
        """CPU time of a step, of all threads, in ms; a neighbour disturbs it less."""
        return 1000 * (self.processor[-1] - self.processor[0]) / (len(self.steps) - 1)

    def of(self, part: str) -> list[float]:
        """How long a part took each time between the first step and the last."""
        return [took for at, took in self.parts[part] if self.steps[0] <= at < self.steps[-1]]

    def timed(self, part: str, function: Callable[..., Any], clock: Callable[[], float]) -> Callable[..., Any]:
        """The function, its time kept."""

        @wraps(function)
        def call(*values: Any, **named: Any) -> Any:
            at, begun = time.perf_counter(), clock()
            try:
                return function(*values, **named)
            finally:
                self.parts[part].append((at, clock() - begun))

        return call


def starter() -> Setup:
    """The bundled model and the largest bundled sample with its own settings: the shortest steps that a run has."""
    sample = max(all_samples(), key=lambda each: each.path.stat().st_size)
    reft = ReftConfig(rank=sample.rank, layers=sample.layers, positions=sample.positions)
    settings = TrainConfig(learning_rate=sample.learning_rate, batch_size=sample.batch_size, held_out=HELD_OUT)
    base = replace(load_base("starter", device="cpu"), revision="any")
    examples = inspect_file(sample.path).examples
    return Setup(base, examples, RunSpec(base="starter", revision="any", reft=reft, train=settings), {"sample": sample.key})


def random_model(model: str, threads: int) -> Setup:
    """The random model and the rows of `benchmarks.train`."""
    shape = SHAPES[model]
    prompt, answer, batches = (16, 8, 4) if model == "tiny" else (96, 32, 2)
    work = Work(prompt, answer, "f7+l7" if prompt > 16 else "f2+l2", tuple(range(shape.layers)), batches=batches)
    job = Job("", shape, work, threads=threads)
    base = replace(base_of(job), revision="any")
    spec = RunSpec(base=base.name, revision="any", reft=config_of(job), train=settings_of(job, held_out=HELD_OUT))
    rows = [row for row in as_rows(examples_of(job)) if isinstance(row, Example)]
    return Setup(base, rows, spec, {"prompt": prompt, "answer up to": answer})


def alone(setup: Setup, settings: TrainConfig) -> Clock:
    """A run of the engine's that leaves nothing behind."""
    clock = Clock()
    train(setup.base, setup.examples, setup.spec.reft, settings, on_event=clock)
    return clock


def kept(setup: Setup, settings: TrainConfig) -> Clock:
    """The same run as a worker trains it."""
    clock = Clock()

    def watched(*values: Any, on_event: Callable[[TrainEvent], None], **named: Any) -> Any:
        def hear(event: TrainEvent) -> None:
            clock(event)
            on_event(event)

        return train(*values, on_event=hear, **named)

    with tempfile.TemporaryDirectory() as folder, ExitStack() as changed:
        changed.enter_context(patch.object(job, "train", watched))
        changed.enter_context(patch.object(FreshCheck, "check", lambda check, adapter, base: ""))  # comes after the last step
        for key, _, place, name, by in PARTS:
            changed.enter_context(patch.object(place, name, clock.timed(key, getattr(place, name), by)))
        storage = Storage(Path(folder))
        changed.callback(storage.close)
        run = _queue(storage, setup, settings)
        resident = Resident(storage)
        resident._bases[setup.base.name, setup.base.precision] = setup.base
        with storage.workers.serving("bench"), _beating(storage):
            leased = storage.queue.claim("bench")
            assert leased is not None
            job.run_job(resident, leased, lambda: False)
        ended = storage.runs.get(run)
        assert ended.step == len(clock.steps) and ended.failure is None, ended.sentence
    return clock


def _queue(storage: Storage, setup: Setup, settings: TrainConfig) -> str:
    source = storage.files.root / "source"
    data = dump_examples(setup.examples)
    source.write_bytes(data)
    rows = len(setup.examples)
    dataset = storage.datasets.create(
        name="rows", label="rows", shape="pairs", rows=rows, usable_rows=rows, source=source, examples=data
    )  # fmt: skip
    spec = setup.spec.model_copy(update={"train": settings})
    return storage.runs.create(dataset.id, spec.model_dump(mode="json")).id


@contextmanager
def _beating(storage: Storage) -> Iterator[None]:
    """Heartbeats as the worker makes them."""
    ended = threading.Event()
    thread = threading.Thread(target=queue.send_heartbeats, args=(storage, "bench", ended, lambda: None))
    thread.start()
    yield
    ended.set()
    thread.join()


def long_enough(setup: Setup, seconds: float) -> TrainConfig:
    """Settings with so many epochs that a run's steps take about so long."""
    few = setup.spec.train.model_copy(update={"epochs": 6})
    ends = alone(setup, few).steps
    half = len(ends) // 2  # the first steps are slower
    step = (ends[-1] - ends[half]) / (len(ends) - 1 - half)
    return few.model_copy(update={"epochs": max(3, round(6 * seconds / (step * len(ends))))})


def measured(setup: Setup, settings: TrainConfig, rounds: int) -> list[Found]:
    """Both kinds of runs in turns, after one of each that is not counted."""
    found = {"alone": Found("alone", "the engine alone"), "kept": Found("kept", "as the studio trains")}
    found |= {key: Found(key, title) for key, title, *_ in PARTS}
    for turn in range(rounds + 1):
        order = [("alone", alone), ("kept", kept)]
        clocks = {key: make(setup, settings) for key, make in (order if turn % 2 else reversed(order))}
        if turn:
            _count(found, clocks["alone"], clocks["kept"])
    return list(found.values())


def _count(found: dict[str, Found], alone: Clock, kept: Clock) -> None:
    shares = {key: sum(kept.of(key)) / kept.seconds for key, *_ in PARTS}
    found["alone"].rounds.append({"ms": alone.ms, "cpu": alone.cpu})
    ratios = {"ratio": kept.ms / alone.ms, "cpu_ratio": kept.cpu / alone.cpu}
    found["kept"].rounds.append({"ms": kept.ms, "cpu": kept.cpu, **ratios, "share": sum(shares.values())})
    for key, share in shares.items():
        took = kept.of(key)
        once = {"once": 1000 * sum(took) / len(took)} if took else {}
        found[key].rounds.append({**once, "often": len(took) / kept.seconds, "share": share})


def scenario(model: str, options: argparse.Namespace) -> dict[str, Any]:
    """Measure with one base model."""
    setup = starter() if model == "starter" else random_model(model, options.threads)
    settings = long_enough(setup, 1.5 if options.quick else options.seconds)
    rounds = 1 if options.quick else options.rounds
    found = measured(setup, settings, rounds)
    setting = {
        "parameters": f"{setup.base.parameters / 1e6:.1f}M", **setup.says, "rows": len(setup.examples), "rows a step": settings.batch_size,
        "positions": setup.spec.reft.positions, "rank": setup.spec.reft.rank, "epochs": settings.epochs, "threads": options.threads,
        "rounds": rounds,
    }  # fmt: skip
    title = "the bundled starter" if model == "starter" else f"a random model of {setting['parameters']} parameters"
    return result(model, title, setting, found, TARGETS, gpu=False)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables, each as soon as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", nargs="+", choices=MODELS, default=["starter", "base"], help="8.4M (small) or 110M parameters (base)")
    parser.add_argument("--rounds", type=int, default=8, help="counted rounds, after one that is not counted")
    parser.add_argument("--seconds", type=float, default=30.0, help="about how long the steps of a run take")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--results", type=Path, help="folder of the tables as Markdown and JSON; benchmarks/results, with --quick none")
    parser.add_argument("--quick", action="store_true", help="a tiny model and one short round: whether it works")
    options = parser.parse_args(arguments)
    if os.environ.get("OMP_WAIT_POLICY") != "PASSIVE":  # as a supervisor starts its worker; read when a process begins
        environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "TOKENIZERS_PARALLELISM": "false"}
        command = [sys.executable, "-m", "benchmarks.keeping", *(sys.argv[1:] if arguments is None else arguments)]
        raise SystemExit(subprocess.run(command, env=environment, check=False).returncode)
    torch.set_num_threads(options.threads)
    folder = options.results or (None if options.quick else RESULTS)
    results = Results(folder, "keeping", HEAD, MODELS, dict.fromkeys(MODELS, COLUMNS))
    for model in ["tiny"] if options.quick else options.model:
        print(results.add(scenario(model, options)) + "\n", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
