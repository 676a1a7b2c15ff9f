"""What the samples teach the starter, beside LoRA: ``python -m benchmarks.samples`` prints a Markdown table.

Every sample is trained with its own settings on all rows of its file, and measured on its held-out file without any system
message, once per seed. LoRA (PEFT, rank 8 on queries and values; it needs PEFT) reads the same rows in the same
batches. With ``--sst2 FOLDER`` also the reviews of SST-2 (train.tsv.gz and dev.tsv of GLUE), with the Train page's defaults.
"""

import argparse
import csv
import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import mean

import torch

from app.handlers.train import TrainForm
from app.samples import Sample, all_samples
from reft_engine import Example, PeftConfig, ReftConfig, TrainConfig, evaluate, load_base, train
from reft_engine.data import as_rows, inspect_file

HEAD = (
    "| task | seed | steps | exact, base | exact, ReFT | exact, LoRA | trained, ReFT | trained, LoRA | seconds, ReFT | seconds, LoRA |\n"
    "|---|---|---|---|---|---|---|---|---|---|"
)
RANK = 8
RATE = 2e-3
"""Peak learning rate of LoRA: of 5e-4, 1e-3, 2e-3, 4e-3 and 8e-3 the best on the samples' held-out rows, which favours it."""
MARGIN = 0.3
"""By how much an edit is to beat the base model on every sample, in every seed."""


@dataclass(frozen=True, slots=True)
class Task:
    """Rows to train on, rows to measure on, and how."""

    name: str
    rows: Sequence[Example]
    held_out: Sequence[Example]
    config: ReftConfig
    settings: TrainConfig


@dataclass(frozen=True, slots=True)
class Found:
    """One line of the table; shares of held-out rows whose greedy answer is exactly the expected one."""

    task: str
    seed: int
    steps: int
    base: float
    reft: float
    lora: float | None
    trained: int
    trained_lora: int | None
    seconds: float
    seconds_lora: float | None

    @property
    def line(self) -> str:
        """In Markdown."""
        shares = [f"{share:.0%}" if share is not None else "-" for share in (self.base, self.reft, self.lora)]
        counts = [f"{count:,}" if count is not None else "-" for count in (self.trained, self.trained_lora)]
        times = [f"{seconds:.0f}" if seconds is not None else "-" for seconds in (self.seconds, self.seconds_lora)]
        return "| " + " | ".join([self.task, str(self.seed), f"{self.steps:,}", *shares, *counts, *times]) + " |"


def of_sample(sample: Sample) -> Task:
    """A sample with its own settings."""
    config = ReftConfig(rank=sample.rank, layers=sample.layers, positions=sample.positions)
    settings = TrainConfig(epochs=sample.epochs, learning_rate=sample.learning_rate, batch_size=sample.batch_size, held_out=0.0)
    rows, held = (_examples(inspect_file(path).examples) for path in (sample.path, sample.held_out_path))
    return Task(sample.key, rows, held, config, settings)


def of_sst2(folder: Path, limit: int | None) -> Task:
    """Sentences of film reviews and their labels, with the Train page's defaults; one epoch, as the page suggests for so many rows."""
    form = TrainForm()
    with gzip.open(folder / "train.tsv.gz", "rt", encoding="utf-8", newline="") as train_file:
        rows = _reviews(train_file.read())[:limit]
    held = _reviews((folder / "dev.tsv").read_text(encoding="utf-8"))
    settings = TrainConfig(epochs=1, learning_rate=form.learning_rate, batch_size=form.batch_size, held_out=0.0)
    return Task("SST-2", rows, held, ReftConfig(rank=form.rank, layers=form.layers, positions=form.positions), settings)


def _reviews(text: str) -> list[Example]:
    table = csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    labels = {"0": "negative", "1": "positive"}
    return _examples([(row["sentence"].strip(), labels[row["label"]]) for row in table])


def _examples(rows: Sequence[object]) -> list[Example]:
    return [row for row in as_rows(rows) if isinstance(row, Example)]  # type: ignore[arg-type]


def measured(task: Task, base_name: str, device: str, seed: int, lora_rate: float | None) -> Found:
    """Train and measure one task with one seed."""
    settings = task.settings.model_copy(update={"seed": seed})
    base = load_base(base_name, device=device, dtype="float32")
    result = train(base, task.rows, task.config, settings)
    found = evaluate(base, result.reft, task.held_out)
    lora: tuple[float | None, int | None, float | None] = (None, None, None)
    if lora_rate:
        rival = train(base, task.rows, PeftConfig(rank=RANK), settings.model_copy(update={"learning_rate": lora_rate}))
        exact = evaluate(base, rival.reft, task.held_out)["tuned"]["exact_match"]
        lora = (exact, rival.reft.trainable_parameters, rival.seconds)
    return Found(
        task.name, seed, result.steps, found["base"]["exact_match"], found["tuned"]["exact_match"], lora[0],
        result.reft.trainable_parameters, lora[1], result.seconds, lora[2],
    )  # fmt: skip


def verdict(found: Sequence[Found]) -> str:
    """Whether the edit beats the base by the margin everywhere, and the means of both methods."""
    lines = []
    samples = [each for each in found if each.task != "SST-2"]
    if samples:
        least = min(each.reft - each.base for each in samples)
        kept = "is kept" if least >= MARGIN else "IS NOT KEPT"
        lines.append(f"Least gain of ReFT over the base model: {least * 100:.0f} points; the margin of {MARGIN * 100:.0f} {kept}.")
    loras = [each.lora for each in samples if each.lora is not None]
    if loras:
        lines.append(f"Mean over all samples and seeds: ReFT {mean(each.reft for each in samples):.1%}, LoRA {mean(loras):.1%}.")
    return "\n".join(lines)


def main() -> None:
    """Print the table, a row as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="starter", help="base model: starter, or a folder")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", help="keys of samples; none at all for SST-2 alone")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--sst2", type=Path, help="folder with train.tsv.gz and dev.tsv; one seed")
    parser.add_argument("--sst2-rows", type=int, help="train on the first so many rows of SST-2 only")
    parser.add_argument("--lora-rates", type=float, nargs="*", default=[RATE], help="LoRA's peak rates, a table each")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if find_spec("peft") is None:
        options.lora_rates = []
    tasks = [of_sample(sample) for sample in all_samples() if options.only is None or sample.key in options.only]
    plans = [(task, seed) for task in tasks for seed in range(42, 42 + options.seeds)]
    plans += [(of_sst2(options.sst2, options.sst2_rows), 42)] if options.sst2 else []
    for rate in options.lora_rates or [None]:
        print(f"LoRA's learning rate: {rate}\n\n{HEAD}" if rate else HEAD, flush=True)  # noqa: T201
        found = []
        for task, seed in plans:
            found.append(measured(task, options.base, options.device, seed, rate))
            print(found[-1].line, flush=True)  # noqa: T201
        print(f"\n{verdict(found)}\n", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
