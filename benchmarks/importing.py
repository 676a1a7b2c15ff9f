"""``python -m benchmarks.importing``: what a file of rows costs on its way to training, and how that grows with its rows.

For each number of rows, in a process of its own that stands for the web process: the file is inspected on the command line, read for the
page, looked at, kept, counted for the starter, counted again with another seed, and trained on until the first step. Prints seconds and
the highest resident memory of the process that does the work, then how much a row costs beside a row of the next smaller file. With
``--gigabyte`` a JSON Lines file of that size is read and kept. Linux only.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

SIZES = (1_000, 10_000, 100_000, 500_000)
STEPS = ("inspect", "read", "page", "keep", "count", "count, other seed", "sides, other seed", "start")
PATIENCE = 3_600.0


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="*", default=list(SIZES))
    parser.add_argument("--gigabyte", action="store_true", help="read and keep a file of 1 GB as well")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(_gigabyte() if options.one == "gigabyte" else _measured(int(options.one))))  # noqa: T201
        return
    _print([(rows, _alone(str(rows))) for rows in options.rows])
    if options.gigabyte:
        found = _alone("gigabyte")
        print("\nA file of 1 GB: " + ", ".join(f"{name} {value:,.0f}" for name, value in found.items()) + ".")  # noqa: T201


def _alone(what: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.importing", "--one", what]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])
    return found


def _print(found: list[tuple[int, dict[str, Any]]]) -> None:
    heads = [f"{rows:,} rows" for rows, _ in found]
    print("| s (highest MB) | " + " | ".join(heads) + " |\n|---|" + "---|" * len(heads))  # noqa: T201
    for step in STEPS:
        cells = [f"{each[step][0]:.2f} ({each[step][1]:.0f})" for _, each in found]
        print(f"| {step} | " + " | ".join(cells) + " |")  # noqa: T201
    print("\nTimes the cost of a row in the file before (more than 1: worse than linear):\n")  # noqa: T201
    for step in STEPS:
        costs = [each[step][0] / rows for rows, each in found]
        print(f"- {step}: " + ", ".join(f"{after / before:.2f}" for before, after in pairwise(costs)))  # noqa: T201


def _write(path: Path, rows: int) -> Path:
    with path.open("w", encoding="utf-8") as file:
        for number in range(rows):
            row = {"prompt": f"What is {number} and {number % 97}?", "answer": f"It is {number + number % 97}, as it was before."}
            file.write(json.dumps(row) + "\n")
    return path


def _measured(rows: int) -> dict[str, tuple[float, float]]:
    """Seconds and megabytes of each step."""
    from app.choices import AS_RECOGNISED
    from app.handlers import datasets, kept, kept_rows, train

    found: dict[str, tuple[float, float]] = {}
    with _studio() as (services, folder):
        source = _write(folder / "rows.jsonl", rows)
        upload, seconds = _timed(lambda: datasets.read_upload(str(source), AS_RECOGNISED))
        assert upload.inspection.usable_rows == rows
        found["read"] = seconds, _children_peak()  # before any other child
        found["inspect"] = _command([sys.executable, "-m", "app.cli", "inspect", str(source), "--json"])
        dataset, seconds = _timed(lambda: datasets.save_upload(services, str(source), label="rows.jsonl"))
        found["keep"] = seconds, _peak(os.getpid())

        def last_page() -> Any:
            opened = kept.open_dataset(services, dataset.id)
            asked = kept_rows.Asked(dataset=dataset.id, version=1, offset=rows - kept_rows.PAGE_ROWS, search="what is")
            return kept_rows.rows_page(services, opened, asked)

        page, seconds = _timed(last_page)
        assert len(page.rows) == kept_rows.PAGE_ROWS
        found["page"] = seconds, _peak(os.getpid())
        with _worker(services) as worker:
            form = train.TrainForm(epochs=1)
            spec = train.read_form(services.settings, form)
            other = train.read_form(services.settings, train.TrainForm(epochs=1, split_seed=7))
            for name, each in (("count", spec), ("count, other seed", other)):
                check, seconds = _timed(partial(datasets.check_dataset, services, dataset.id, each))
                assert check is not None and check.usable_rows == rows
                found[name] = seconds, _peak(worker)
            datasets.split_sizes(services, dataset.id, 0.1, 1)
            _, seconds = _timed(lambda: datasets.split_sizes(services, dataset.id, 0.1, 2))
            found["sides, other seed"] = seconds, _peak(os.getpid())
            run = train.start(services, dataset.id, form, "benchmark")
            _, seconds = _timed(lambda: _until(lambda: services.storage.runs.get(run.id).step >= 1))
            found["start"] = seconds, _peak(worker)
            services.storage.runs.request_stop(run.id)
    return found


def _gigabyte() -> dict[str, float]:
    from app.choices import AS_RECOGNISED
    from app.handlers import datasets

    with _studio() as (services, folder):
        source, text = folder / "rows.jsonl", "Some words that stand for a longer answer. " * 24
        with source.open("w", encoding="utf-8") as file:
            number = 0
            while file.tell() < 1_000_000_000:
                file.write(json.dumps({"prompt": f"Question {number}?", "answer": f"{number} {text}"}) + "\n")
                number += 1
        upload, seconds = _timed(lambda: datasets.read_upload(str(source), AS_RECOGNISED))
        _, keeping = _timed(lambda: datasets.save_upload(services, str(source), label="rows.jsonl"))
        return {
            "rows": upload.inspection.usable_rows, "seconds to read": seconds, "seconds to keep": keeping,
            "MB of the reading process": _children_peak(), "MB of the web process": _peak(os.getpid()),
        }  # fmt: skip


@contextmanager
def _studio() -> Iterator[tuple[Any, Path]]:
    from app.services import make_services
    from app.settings import Settings

    with tempfile.TemporaryDirectory() as name:
        services = make_services(Settings(data_dir=Path(name) / "data"))
        folder = services.storage.files.uploads / "benchmark"
        folder.mkdir(parents=True)
        yield services, folder
        services.storage.close()


@contextmanager
def _worker(services: Any) -> Iterator[int]:
    """A worker that answers; gives its process."""
    command = [sys.executable, "-m", "app.worker.main", "--data-dir", str(services.storage.files.root)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _until(lambda: services.worker.health() is not None)
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def _until(look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not look():
        if time.monotonic() > deadline:
            raise SystemExit("waited in vain")
        time.sleep(0.05)


def _timed(act: Callable[[], Any]) -> tuple[Any, float]:
    begun = time.perf_counter()
    result = act()
    return result, time.perf_counter() - begun


def _command(command: list[str]) -> tuple[float, float]:
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return time.perf_counter() - begun, usage.ru_maxrss / 1000


def _children_peak() -> float:
    """The highest resident memory of any process that this one started and that has ended, in MB."""
    import resource

    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000


def _peak(pid: int) -> float:
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1000


if __name__ == "__main__":
    main()
