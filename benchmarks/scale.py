"""How the studio keeps quick as it fills: ``python -m benchmarks.scale [--quick] [--json]``.

For each number of runs it makes a data folder, some of whose runs have 10,000 measured steps, serves it, and measures what the list of
runs, one look of an open page, the lists of the Train page and a comparison of four runs cost: CPU milliseconds of the web process
and bytes. The figures that matter are the ratios of the fullest folder to the one with ten runs, which hold on any machine.
"""

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import insert

from benchmarks.studio import Served, served
from storage import MetricPoint, RunStatus, Storage
from storage.tables import Event, Metric, Run, now

SIZES = (10, 100, 1000, 5000)
QUICK = (10, 1000)
LONG_RUNS = 5
"""Runs of a folder that have many measured steps."""
LONG = 10_000
COMPARED = 4
"""Runs that are compared, all with many measured steps."""


def fill(folder: Path, runs: int) -> None:
    """Make a data folder with finished runs."""
    storage, draw = Storage(folder), random.Random(0)
    rows = b'{"messages": [{"role": "user", "content": "a"}], "answer": "b", "line": 1}\n'
    datasets = [
        storage.datasets.create(name=f"Rows {n}", examples=rows + b"\n" * n, label="rows.csv", shape="mapped", rows=1, usable_rows=1)
        for n in range(5)
    ]  # fmt: skip
    spec = _spec()
    made = [_row(number, draw, datasets[number % 5], spec) for number in range(runs)]
    with storage.database.transaction() as session:
        session.execute(insert(Run), made)
        session.execute(insert(Event), [
            {"run_id": row["id"], "at": row["finished_at"], "status": status, "text": "Something happened."}
            for row in made for status in ("queued", "preparing", "training", "checking", "finished")
        ])  # fmt: skip
        for row in made[:: max(1, runs // LONG_RUNS)][:LONG_RUNS]:
            session.execute(insert(Metric), _points(row["id"], LONG))
    for row in made:
        adapter = storage.files.adapter(row["id"])
        adapter.mkdir(parents=True)
        for name in ("reft_config.json", "reft_model.safetensors", "README.md"):
            (adapter / name).write_bytes(b"0" * 1000)
    storage.close()


def _spec() -> dict[str, Any]:
    from reft_engine import RunSpec

    return RunSpec().model_dump(mode="json")


def _row(number: int, draw: random.Random, dataset: Any, spec: dict[str, Any]) -> dict[str, Any]:
    at, name = now() - timedelta(minutes=10_000 - number), f"run number {number}"
    return {
        "id": f"{number:012x}", "name": name, "dataset_id": dataset.id, "version_id": dataset.version.id, "base": "starter", "spec": spec,
        "status": RunStatus.FINISHED.value, "sentence": "Finished.", "queue_position": number + 1, "step": LONG, "total_steps": LONG,
        "epoch": 10.0, "seconds": 100.0, "held_out": draw.random(), "held_out_base": 2.0, "sparkline": [draw.random() for _ in range(24)],
        "starred": number % 50 == 0, "tags": ["even"] if number % 2 == 0 else [], "notes": "", "search_text": f"{name}\nstarter",
        "created_at": at, "started_at": at, "finished_at": at + timedelta(seconds=100),
    }  # fmt: skip


def _points(run_id: str, steps: int) -> list[dict[str, Any]]:
    points = [MetricPoint(step, name, 1.0 / step) for step in range(1, steps + 1) for name in ("loss", "learning_rate", "gradient_norm")]
    return [{"run_id": run_id, "step": point.step, "name": point.name, "value": point.value} for point in points]


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU milliseconds of the web process and bytes of the answer."""

    ms: float
    size: int


def measured(studio: Served, ask: Callable[[], int], times: int) -> Cost:
    """The median over three series of requests, after a first one that is not counted."""
    size, series = ask(), list[float]()
    for _ in range(3):
        before = studio.cpu_seconds()
        for _ in range(times):
            size = ask()
        series.append(1000 * (studio.cpu_seconds() - before) / times)
    return Cost(statistics.median(series), size)


def measure(runs: int, times: int) -> dict[str, float]:
    """The costs of a folder with so many runs."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        fill(data, runs)
        with served(data) as studio, closing(httpx.Client(base_url=studio.address, timeout=60)) as http:
            cursor = http.get("/follow/runs", params={"text": ""}).json()["cursor"]
            newest = f"{runs - 1:012x}"
            together = ",".join(f"{number:012x}" for number in range(0, runs, max(1, runs // LONG_RUNS))[:COMPARED])
            costs = {
                "list": measured(studio, lambda: _load(http, "runs"), times),
                "page": measured(studio, lambda: len(http.get("/follow/runs").content), times),
                "poll": measured(studio, lambda: _poll(http, cursor, newest), 10 * times),
                "train": measured(studio, lambda: _load(http, "train"), times),
                "compare": measured(studio, lambda: _load(http, "runs", f"?compare={together}"), times),
            }
    return {"runs": runs, **{f"{name}_{unit}": round(value, 3) for name, cost in costs.items()
                             for unit, value in (("ms", cost.ms), ("bytes", cost.size))}}  # fmt: skip


def _load(http: httpx.Client, page: str, query: str = "") -> int:
    """Load a page as a browser does: its document, then every event of its opening; the bytes of all answers."""
    document = http.get(f"/{page}{query}")
    config, _ = json.JSONDecoder().raw_decode(
        document.text, document.text.index("window.gradio_config = ") + len("window.gradio_config = ")
    )
    return len(document.content) + sum(_opened(http, page, config, query))


def _opened(http: httpx.Client, page: str, config: dict[str, Any], query: str) -> Iterator[int]:
    """Set off every event of a page's opening; the bytes of each answer. Raises HTTPStatusError."""
    session, own = os.urandom(6).hex(), set(config["page"][page]["dependencies"])
    for event in config["dependencies"]:
        if event["id"] in own and event["backend_fn"] and any(name == "load" for _, name in event["targets"]):
            values = [None] * len(event["inputs"])
            body = {"data": values, "fn_index": event["id"], "session_hash": session, "trigger_id": None, "event_data": None}
            yield len(http.post(f"/gradio_api/run/predict{query}", json=body).raise_for_status().content)


def _poll(http: httpx.Client, cursor: int, run_id: str) -> int:
    changes = http.get("/follow/runs/changes", params={"cursor": cursor})
    one = http.get(f"/follow/runs/{run_id}", params={"step": LONG, "event": 2**40})
    return len(changes.content) + len(one.content)


def main() -> int:
    """Measure, and print a table or one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two sizes instead of four")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args()
    sizes, times = (QUICK, 5) if options.quick else (SIZES, 15)
    found = [measure(runs, times) for runs in sizes]
    names = [name for name in found[0] if name != "runs"]
    sys.stdout.write(f"{'runs':>8}" + "".join(f"{name:>14}" for name in names) + "\n")
    for each in found:
        sys.stdout.write(f"{each['runs']:>8}" + "".join(f"{each[name]:>14,.1f}" for name in names) + "\n")
    sys.stdout.write(f"{'ratio':>8}" + "".join(f"{found[-1][name] / max(found[0][name], 1e-9):>14.2f}" for name in names) + "\n")
    if options.json:
        sys.stdout.write(json.dumps({"runs": list(sizes), **{name: [each[name] for each in found] for name in names}}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
