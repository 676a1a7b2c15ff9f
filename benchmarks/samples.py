"""What the bundled samples teach the starter: ``python -m benchmarks.samples`` prints a Markdown table.

Every sample is trained with its own settings on all rows of its file and measured on its held-out file, once per seed,
by the studio's own commands, ``reft-studio train`` and ``reft-studio evaluate``, without any system message.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from typing import Any

from app.samples import Sample, all_samples

HEAD = (
    "| sample | seed | steps | trained numbers | exact, base | exact, tuned | loss, base | loss, tuned | seconds |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


def studio(*arguments: object, threads: int) -> dict[str, Any]:
    """Run a command of the studio and read the JSON that it ends with."""
    command = [sys.executable, "-m", "app.cli", *map(str, arguments), "--json"]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    values: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return values


def line(sample: Sample, base: str, seed: int, threads: int) -> str:
    """Train and measure one sample with one seed; a row of the table."""
    with tempfile.TemporaryDirectory() as folder:
        trained = studio(
            "train", "--base", base, "--data", sample.path, "--out", folder, "--rank", sample.rank, "--layers", sample.layers,
            "--positions", sample.positions, "--epochs", sample.epochs, "--lr", sample.learning_rate,
            "--batch-size", sample.batch_size, "--held-out", 0, "--seed", seed, threads=threads,
        )  # fmt: skip
        found = studio("evaluate", folder, "--data", sample.held_out_path, threads=threads)
    untouched, tuned = found["base"], found["tuned"]
    cells = [
        sample.key, seed, trained["steps"], f"{trained['trainable_parameters']:,}", f"{untouched['exact_match']:.0%}",
        f"{tuned['exact_match']:.0%}", f"{untouched['loss']:.2f}", f"{tuned['loss']:.2f}", f"{trained['seconds']:.0f}",
    ]  # fmt: skip
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def main() -> None:
    """Print the table, a row as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", default="starter")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", help="key of a single sample")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    options = parser.parse_args()
    print(HEAD, flush=True)  # noqa: T201
    for sample in all_samples():
        if options.only in (None, sample.key):
            for seed in range(42, 42 + options.seeds):
                print(line(sample, options.base, seed, options.threads), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
