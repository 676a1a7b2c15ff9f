"""The file of results: one finished run a line, found again by its settings; and the table that is made of it."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any

from reft_engine.spec import Pooling

HEAD = (
    "| dataset | measure | method | mean of seeds | lowest to highest | seeds | trained | in the head | CPU seconds | rows |"
    " epochs | rate |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run is known by: two runs of the same settings are the same run."""

    dataset: str
    method: str
    seed: int
    rows: int
    epochs: int
    batch_size: int
    learning_rate: float
    head_rate: float
    pooling: Pooling
    base: str
    tuning: bool = False
    """Whether it was measured on rows held out of the training file, to choose settings, and not on the test rows."""
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The settings as one text."""
        return json.dumps(asdict(self), sort_keys=True)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run gave: score on rows it has not seen, numbers trained beside and in the head, processor seconds of training alone."""

    score: float
    parameters: int
    head_parameters: int
    seconds: float
    device: str


class Results:
    """Runs that are done, each written as soon as it is."""

    def __init__(self, path: Path) -> None:
        self._path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        # A line that was being written when the machine went off is no result.
        found = [(Settings(**line["settings"]), Outcome(**line["outcome"])) for line in filter(None, map(_parsed, lines))]
        self._done = {settings.key: (settings, outcome) for settings, outcome in found}

    def __contains__(self, settings: Settings) -> bool:
        return settings.key in self._done

    def add(self, settings: Settings, outcome: Outcome) -> None:
        """Note a finished run."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"settings": asdict(settings), "outcome": asdict(outcome)}) + "\n")
        self._done[settings.key] = settings, outcome

    def table(self, titles: dict[str, str], measures: dict[str, tuple[str, str]], tuning: bool = False) -> str:
        """A Markdown table: a line for all seeds of otherwise the same settings, in the order of ``titles`` and ``measures``.

        Args:
            titles: of methods, by key.
            measures: of datasets by key, their title and their measure.
            tuning: show the runs on held-out training rows in place of those on test rows.
        """
        groups: dict[str, list[tuple[Settings, Outcome]]] = {}
        for settings, outcome in self._done.values():
            if settings.tuning == tuning and settings.method in titles and settings.dataset in measures:
                same = {name: value for name, value in asdict(settings).items() if name != "seed"}
                groups.setdefault(json.dumps(same, sort_keys=True), []).append((settings, outcome))
        order = sorted(groups.values(), key=lambda runs: _place(runs[0][0], list(measures), list(titles)))
        return "\n".join([HEAD, *(_line(runs, titles, measures) for runs in order)])


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        values = json.loads(line)
    except json.JSONDecodeError:
        return None
    return values if isinstance(values, dict) else None


def _place(settings: Settings, datasets: list[str], methods: list[str]) -> tuple[int, int, int, int]:
    return datasets.index(settings.dataset), settings.rows, settings.epochs, methods.index(settings.method)


def _line(runs: Iterable[tuple[Settings, Outcome]], titles: dict[str, str], measures: dict[str, tuple[str, str]]) -> str:
    every = list(runs)
    settings, outcome = every[0]
    title, measure = measures[settings.dataset]
    scores = [100 * each.score for _, each in every]
    cells = [
        title, measure, titles[settings.method], f"{mean(scores):.1f}", f"{min(scores):.1f} to {max(scores):.1f}", len(every),
        f"{outcome.parameters:,}", f"{outcome.head_parameters:,}", f"{mean(each.seconds for _, each in every):.0f}",
        f"{settings.rows:,}", settings.epochs, f"{settings.learning_rate:g}",
    ]  # fmt: skip
    return "| " + " | ".join(map(str, cells)) + " |"
