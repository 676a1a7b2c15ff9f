"""What it costs to be there and to watch: ``python -m benchmarks.watching [--json]``.

CPU seconds a minute of an idle studio, web process and worker; what ten pages that watch a run add to the worker's CPU seconds of that run;
and how long after Stop a run on the starter has ended, with its result saved and checked.
"""

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from benchmarks.studio import Served, cpu_seconds, served
from reft_engine import RunSpec
from reft_engine.data import dump_examples, inspect_rows
from storage import RunRecord, Storage

IDLE = 60.0
"""Seconds for which an idle studio is measured."""
WATCHERS = 10
ROWS = [{"prompt": f"What is {number} and {number}?", "answer": f"It is {2 * number}, my friend."} for number in range(60)]


def idle(studio: Served) -> float:
    """CPU seconds a minute of a studio with which nobody does anything."""
    pids = [studio.pid, _worker(studio)]
    before = sum(map(cpu_seconds, pids))
    time.sleep(IDLE)
    return (sum(map(cpu_seconds, pids)) - before) * 60 / IDLE


def _worker(studio: Served) -> int:
    pid = studio.worker_pid()
    if pid is None:
        raise RuntimeError("there is no worker")
    return pid


def make_run(storage: Storage, epochs: int) -> RunRecord:
    """Queue a run on the starter."""
    examples = dump_examples(inspect_rows(ROWS).examples)
    facts = {"label": "rows.jsonl", "shape": "pairs", "rows": len(ROWS), "usable_rows": len(ROWS)}
    dataset = storage.datasets.create(name="Sums", examples=examples, **facts)
    values = RunSpec().model_dump(mode="json")
    return storage.runs.create(dataset.id, {**values, "train": {**values["train"], "epochs": epochs}})


def finished(storage: Storage, run: RunRecord) -> float:
    """Wait for the end of a run; the moment at which it was seen."""
    while not storage.runs.get(run.id).status.ended:
        time.sleep(0.02)
    return time.monotonic()


@contextmanager
def watching(studio: Served, run: RunRecord, pages: int) -> Iterator[None]:
    """So many pages watch a run, each as a browser does."""
    ended = threading.Event()

    def watch() -> None:
        since: dict[str, Any] = {"step": -1, "event": 0, "sample": 0}
        with httpx.Client(base_url=studio.address) as http:
            cursor = http.get("/follow/runs").json()["cursor"]
            while not ended.wait(1.0):
                found = http.get(f"/follow/runs/{run.id}", params=since).json()
                steps = [points[-1][0] for points in found["points"].values()]
                since = {"step": max([since["step"], *steps]), "event": found["event"], "sample": found["sample"]}
                cursor = http.get("/follow/runs/changes", params={"cursor": cursor}).json()["cursor"]

    threads = [threading.Thread(target=watch) for _ in range(pages)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def watched(studio: Served, storage: Storage, pages: int) -> float:
    """CPU seconds of the worker for one run that so many pages watch."""
    worker = _worker(studio)
    before = cpu_seconds(worker)
    run = make_run(storage, 10)
    with watching(studio, run, pages):
        finished(storage, run)
    return cpu_seconds(worker) - before


def stopped(storage: Storage) -> float:
    """Seconds from Stop to the end of a run on the starter."""
    run = make_run(storage, 1000)
    while storage.runs.get(run.id).step < 20:
        time.sleep(0.05)
    pressed = time.monotonic()
    storage.runs.request_stop(run.id)
    return finished(storage, run) - pressed


def measure() -> dict[str, float]:
    """All figures of this machine."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        with served(data) as studio:
            storage = Storage(data)
            figures = {"idle_cpu_seconds_a_minute": idle(studio)}
            watched(studio, storage, 0)  # the first run loads what the others find loaded
            alone, beside = ([watched(studio, storage, pages) for _ in range(3)] for pages in (0, WATCHERS))
            figures["worker_cpu_seconds"] = statistics.median(alone)
            figures["worker_cpu_seconds_watched"] = statistics.median(beside)
            figures["watching_adds"] = figures["worker_cpu_seconds_watched"] / figures["worker_cpu_seconds"] - 1
            figures["stop_seconds"] = statistics.median(stopped(storage) for _ in range(3))
            storage.close()
    return figures


def main() -> int:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args()
    figures = measure()
    for name, value in figures.items():
        sys.stdout.write(f"{name.replace('_', ' '):36}{value:10.3f}\n")
    if options.json:
        sys.stdout.write(json.dumps(figures) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
