"""ReFT beside LoRA, BitFit and a head alone on four datasets: ``python -m benchmarks.classify`` (needs the extra ``classify``).

Every method learns from the same rows in the same batches, with the same head, W_o tanh(W_d h + b_d) + b_o on the hidden
states of one small encoder, and is measured once, after its last step, on rows that it never saw. Settings were chosen on
rows held out of the training files (``--tuning``). A finished run is a line of the results file and is not run again, so
the benchmark can be cut off and gone on with at any time; ``--table`` prints what is there.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.classification.plan import BASE, BATCH_SIZE, EPOCHS, HEAD_RATE, METHODS, POOLING
from benchmarks.classification.results import Outcome, Results, Settings
from benchmarks.classification.tasks import SOURCES, Task

_HERE = Path(__file__).resolve().parent
_FIRST_SEED = 42


def planned(options: argparse.Namespace) -> Iterator[tuple[Task, Settings]]:
    """The runs that the options ask for: dataset by dataset, and within it seed by seed, so that methods can be compared early."""
    for dataset in options.datasets:
        task = SOURCES[dataset].load(options.data)
        task = (task.held_out() if options.tuning else task).first(options.rows)
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            for method in options.methods:
                yield task, Settings(
                    dataset=dataset, method=method, seed=seed, rows=len(task.train), epochs=options.epochs or EPOCHS[dataset],
                    batch_size=BATCH_SIZE, learning_rate=options.lr or METHODS[method].learning_rate, head_rate=options.head_lr,
                    pooling=options.pooling, base=options.base.name if options.base else BASE, tuning=options.tuning,
                    options=dict(METHODS[method].options),
                )  # fmt: skip


def run_all(options: argparse.Namespace, results: Results) -> None:
    """Do what is not done yet; a line per run on standard error."""
    waiting = [(task, settings) for task, settings in planned(options) if settings not in results]
    if not waiting:
        return
    base = _load(options)
    for number, (task, settings) in enumerate(waiting, start=1):
        outcome = run_one(base, task, settings)
        results.add(settings, outcome)
        said = f"{number}/{len(waiting)} {settings.dataset} {settings.method} seed {settings.seed}"
        print(f"{said}: {outcome.score:.3f} in {outcome.seconds:.0f} s", file=sys.stderr, flush=True)  # noqa: T201


def _load(options: argparse.Namespace) -> Any:
    import torch

    from reft_engine import load_base

    torch.set_num_threads(options.threads)
    return load_base(str(options.base or "minilm"), dtype="float32")


def run_one(base: Any, task: Task, settings: Settings) -> Outcome:
    """Train one method with one seed and measure it."""
    from benchmarks.classification.methods import Run, labels_found, learn

    run = Run(settings.epochs, settings.batch_size, settings.seed, settings.learning_rate, settings.head_rate, settings.pooling)
    learned = learn(METHODS[settings.method], base, task, run)
    score = task.score(labels_found(learned, base, task))
    return Outcome(score, learned.parameters, learned.head_parameters, round(learned.seconds, 1), str(base.device))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="store_true", help="print the table of what is done, and run nothing")
    parser.add_argument("--data", type=Path, default=_HERE.parents[1] / "shared" / "data" / "classify", help="folder of the datasets")
    parser.add_argument("--base", type=Path, help="folder of an encoder in Hugging Face's format; the packaged one when left out")
    parser.add_argument("--results", type=Path, default=_HERE / "results" / "classify.jsonl", help="file of finished runs")
    parser.add_argument("--datasets", nargs="+", choices=list(SOURCES), default=list(SOURCES))
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=_FIRST_SEED)
    parser.add_argument("--rows", type=int, help="learn from so many rows at most, the same ones for every method and seed")
    parser.add_argument("--epochs", type=int, help="passes over the rows; by default " + ", ".join(f"{k} {n}" for k, n in EPOCHS.items()))
    parser.add_argument("--lr", type=float, help="peak learning rate, in place of the method's own")
    parser.add_argument("--head-lr", type=float, default=HEAD_RATE, help="peak learning rate of the head")
    parser.add_argument("--pooling", choices=("first", "mean"), default=POOLING, help="what the head reads")
    parser.add_argument("--tuning", action="store_true", help="measure on rows held out of the training file: to choose settings")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    return parser


def main() -> None:
    """Run what is not done yet and print the table."""
    options = _parser().parse_args()
    results = Results(options.results)
    if not options.table:
        run_all(options, results)
    measures = {key: (SOURCES[key].title, SOURCES[key].metric) for key in SOURCES if key in options.datasets}
    titles = {key: METHODS[key].title for key in METHODS if key in options.methods}
    print(results.table(titles, measures, options.tuning))  # noqa: T201


if __name__ == "__main__":
    main()
