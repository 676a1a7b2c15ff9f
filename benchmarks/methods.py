"""ReFT beside LoRA, DoRA, (IA)3, prefix and prompt tuning: ``python -m benchmarks.methods`` writes docs/methods.md.

Each sample is trained with each method at three learning rates, through the plan of the button "Compare with these"
(`app.handlers.baselines`), and at one or two more where the best of them is the lowest or the highest. The rate is chosen on rows that
the run holds out of the sample's training file, and scored on the sample's held-out file, which nothing was chosen by. ReFT is trained
once more at its best rate for each line of the ablation. What is measured is kept in benchmarks/results, by settings, so that a command
that was stopped goes on, and a changed setting is measured anew.
"""

import argparse
import json
import math
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Any

import torch

from app.handlers.baselines import RATES, folder_bytes, plan, title
from app.samples import Sample, all_samples
from benchmarks.methods_table import Facts, Measured, best_of, page
from reft_engine import BASELINES, Example, ReftConfig, ReftError, RunSpec, TrainConfig, evaluate, load_base, train
from reft_engine.base.loading import Base
from reft_engine.data import as_rows, inspect_file
from reft_engine.training import Evidence, Peak, judge

RESULTS = Path(__file__).parent / "results" / "methods.json"
HELD_OUT = 0.2
"""Share of a sample's training file that chooses step and rate."""
SPREAD = 5.0
"""An edit's rates are those of its sample, divided and multiplied by this, as far apart as the baselines' are."""
MORE = 2
"""Rates that are tried beyond the lowest or the highest one, as long as that is the best."""
SEED = 42


@dataclass(frozen=True, slots=True)
class Config:
    """One run of a task: ``kind`` edit, baseline or ablation, and a ``name`` that is the same on all tasks."""

    task: str
    kind: str
    name: str
    spec: RunSpec

    @property
    def key(self) -> str:
        """What its result is found by."""
        return f"{self.task}/{self.name}/{self.spec.train.learning_rate:g}"


def of_sample(sample: Sample, base: Base, base_name: str, share: float) -> tuple[Config, ...]:
    """The runs of a sample's edit and of the baselines, each at its rates."""
    spec = RunSpec(
        base=base_name, reft=ReftConfig(rank=sample.rank, layers=sample.layers, positions=sample.positions),
        train=TrainConfig(
            epochs=max(1, math.ceil(sample.epochs * share)), batch_size=sample.batch_size, learning_rate=sample.learning_rate,
            held_out=HELD_OUT, seed=SEED, split_seed=SEED,
        ),
    )  # fmt: skip
    rates = (sample.learning_rate / SPREAD, sample.learning_rate, sample.learning_rate * SPREAD)
    edits = (Config(sample.key, "edit", "reft", at_rate(spec, rate)) for rate in rates)
    others = (Config(sample.key, "baseline", each.method, each.spec) for each in plan(spec, tuple(BASELINES)))
    return (*edits, *others)


def at_rate(spec: RunSpec, rate: float) -> RunSpec:
    """The run at another learning rate."""
    return spec.model_copy(update={"train": spec.train.model_copy(update={"learning_rate": rate})})


def ablations(task: str, spec: RunSpec, layers: int) -> tuple[Config, ...]:
    """The edit with other layers, positions and ranks, one thing changed at a time."""
    changes: dict[str, dict[str, Any]] = {
        "layers: every second": {"layers": tuple(range(1, layers, 2))}, "layers: the middle one": {"layers": (layers // 2,)},
        "positions: l1": {"positions": "l1"}, "positions: f1+l1": {"positions": "f1+l1"}, "positions: all": {"positions": "all"},
        "rank: 1": {"rank": 1},
    }  # fmt: skip
    return tuple(
        Config(task, "ablation", name, spec.model_copy(update={"reft": spec.reft.model_copy(update=change)}))
        for name, change in changes.items()
    )


def measure(config: Config, base: Base, rows: Sequence[Example], held: Sequence[Example]) -> Measured:
    """Train one run and score it."""
    peak = Peak(str(base.device))
    with tempfile.TemporaryDirectory() as folder:
        peak.begin()
        begun = time.process_time()
        result = train(base, rows, config.spec.trained, config.spec.train, folder=folder)
        seconds, grown = time.process_time() - begun, peak.end()
        size = folder_bytes(Path(folder) / "adapter")
    found = evaluate(base, result.reft, held)
    count = found["examples"]
    return Measured(
        **_settings(config), chosen_by=_choosing(result.evidence), choosing_rows=result.evidence.chosen_by,
        trained_rows=result.check.trained, steps=result.steps, loss=found["tuned"]["loss"], loss_base=found["base"]["loss"],
        right=round(found["tuned"]["exact_match"] * count), right_base=round(found["base"]["exact_match"] * count), rows=count,
        parameters=result.reft.trainable_parameters, bytes=size, cpu_seconds=round(seconds, 2), memory=grown.added if grown else None,
    )  # fmt: skip


def _settings(config: Config) -> dict[str, Any]:
    """What a result says of the run that it is of."""
    rate, spec = config.spec.train.learning_rate, config.spec.model_dump(mode="json")
    return {"task": config.task, "kind": config.kind, "name": config.name, "rate": rate, "spec": spec}


def _choosing(evidence: Evidence) -> float | None:
    """The loss that the rate is chosen by; None if the run diverged. The rows score nothing here, so all of them choose."""
    if judge(evidence) == "diverged" or evidence.best is None or not math.isfinite(evidence.best):
        return None
    return evidence.best


class Results:
    """Measured runs, by key, in a file that is written after each."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: dict[str, Measured] = {}
        if path.is_file():
            self._found = {key: Measured(**values) for key, values in json.loads(path.read_text(encoding="utf-8")).items()}

    def get(self, config: Config) -> Measured | None:
        """The result of a run of the same settings."""
        found = self._found.get(config.key)
        return found if found and found.spec == config.spec.model_dump(mode="json") else None

    def add(self, config: Config, measured: Measured) -> None:
        """Keep a result."""
        self._found[config.key] = measured
        values = {key: asdict(each) for key, each in self._found.items()}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
        part.replace(self._path)


class _NotMeasuredError(Exception):
    """A run is not measured yet, and is not to be."""


def measured_of(sample: Sample, base: Base, results: Results, options: argparse.Namespace) -> list[Measured]:
    """All runs of a sample; none if one is not measured yet and nothing is to be trained."""
    try:
        return list(_measured(sample, base, results, options))
    except _NotMeasuredError:
        return []


def _measured(sample: Sample, base: Base, results: Results, options: argparse.Namespace) -> Iterator[Measured]:
    """The runs at all rates, then the ablation at the edit's best rate."""
    rows, held = (_examples(path) for path in (sample.path, sample.held_out_path))
    held = held[: options.rows] if options.rows else held
    measured = partial(_one, base=base, rows=rows, held=held, results=results, train_it=not options.page_only)
    edits: list[Measured] = []
    for _, configs in groupby(of_sample(sample, base, options.base, options.epochs_share), key=lambda config: config.name):
        first, *others = configs
        tried = [measured(config) for config in (first, *others)]
        for _ in range(MORE):
            if (rate := beyond(tried)) is not None:
                tried.append(measured(replace(first, spec=at_rate(first.spec, rate))))
        yield from tried
        edits += [each for each in tried if each.kind == "edit"]
    if best := best_of(edits):
        yield from map(measured, ablations(sample.key, RunSpec.read(best.spec), base.layers))


def beyond(tried: Sequence[Measured]) -> float | None:
    """The next rate to try; None where the best one has others on both sides, or where none has a result."""
    best, rates = best_of(tried), [each.rate for each in tried]
    if best is None or min(rates) < best.rate < max(rates):
        return None
    return float(f"{best.rate * SPREAD if best.rate == max(rates) else best.rate / SPREAD:.3g}")


def _one(
    config: Config, base: Base, rows: Sequence[Example], held: Sequence[Example], results: Results, *, train_it: bool
) -> Measured:  # fmt: skip
    if known := results.get(config):
        return known
    if not train_it:
        raise _NotMeasuredError
    begun = time.monotonic()
    try:
        measured = measure(config, base, rows, held)
    except ReftError as error:  # the loss is no longer a number: a rate that is too high
        measured = _diverged(config, base, rows, held, str(error))
    results.add(config, measured)
    right = f"{measured.right} of {measured.rows} right"
    print(f"{config.key}: chosen by {measured.chosen_by}, {right}, {time.monotonic() - begun:.0f} s", flush=True)  # noqa: T201
    return measured


def _diverged(config: Config, base: Base, rows: Sequence[Example], held: Sequence[Example], why: str) -> Measured:
    """A run that has no result."""
    print(f"{config.key}: {why}", flush=True)  # noqa: T201
    return Measured(
        **_settings(config), chosen_by=None, choosing_rows=0, trained_rows=len(rows), steps=0, loss=None, loss_base=None, right=0,
        right_base=0, rows=len(held), parameters=0, bytes=None, cpu_seconds=0.0, memory=None,
    )  # fmt: skip


def _examples(path: Path) -> list[Example]:
    return [row for row in as_rows(inspect_file(path).examples) if isinstance(row, Example)]


def main() -> None:
    """Measure what is not measured yet, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="starter", help="base model: starter, or a folder")
    parser.add_argument("--samples", nargs="*", default=[sample.key for sample in all_samples()], help="keys of samples")
    parser.add_argument("--epochs-share", type=float, default=1 / 3, help="share of each sample's epochs, for all methods alike")
    parser.add_argument("--rows", type=int, help="score on the first so many held-out rows; with --results")
    parser.add_argument("--page-only", action="store_true", help="train nothing; the page has the samples that are measured whole")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--quick", action="store_true", help="one sample, one epoch, ten rows: whether it works; its figures mean nothing")
    parser.add_argument("--json", action="store_true", help="print the results as JSON in place of the page")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the file of results, which is gone on with")
    parser.add_argument("--out", type=Path, help="write the page to this file, such as docs/methods.md")
    options = parser.parse_args()
    if options.quick:
        options.samples, options.epochs_share, options.rows = options.samples[:1], 0.0, 10
        options.results = Path(tempfile.mkdtemp()) / "methods.json"
    if options.rows and options.results == RESULTS:
        parser.error("results on fewer rows need a file of their own: --results")
    torch.set_num_threads(options.threads)
    base = load_base(options.base, device="cpu", dtype="float32")
    results, samples = Results(options.results), [sample for sample in all_samples() if sample.key in options.samples]
    by_sample = {sample.key: measured_of(sample, base, results, options) for sample in samples}
    found = [measured for each in by_sample.values() for measured in each]
    if not found:
        parser.error("no sample is measured whole yet")
    titles = {"reft": "ReFT", **{name: title(name) for name in RATES}}
    missing = tuple(sample.key for sample in all_samples() if not by_sample.get(sample.key))
    text = page(found, Facts(titles, options.epochs_share, HELD_OUT, SEED, version("peft"), base.layers, missing))
    print(json.dumps([asdict(each) for each in found]) if options.json else text)  # noqa: T201
    if options.out:
        options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
