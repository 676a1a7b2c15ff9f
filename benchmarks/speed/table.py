"""From what was measured to tables: medians, ratios beside their targets, as Markdown and JSON."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, Literal

from benchmarks.speed.turns import Found

Phase = Literal["first", "later"]


@dataclass(frozen=True, slots=True)
class Target:
    """A ratio of two contenders' medians of one value (with ``under`` empty one median itself), and what it must be.

    ``gpu`` is the bound on a GPU where that differs.
    """

    says: str
    over: str
    under: str
    bound: float
    sense: Literal["at most", "at least"]
    value: str = "ms"
    phase: Phase = "later"
    gpu: float | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table: the median of a value, or its ratio to another contender's where ``beside`` names one."""

    head: str
    value: str
    phase: Phase = "later"
    beside: str = ""
    form: str = ".0f"


def by_round(found: Found, value: str, phase: Phase) -> dict[int, float]:
    """A value of every round of a run's first epoch, or of the later ones; who knows no epochs is the same in both."""
    rounds = found.memory if value == "mb" else found.rounds
    known = {number: each for number, each in enumerate(rounds) if value in each}
    return {number: each[value] for number, each in known.items() if "epoch" not in each or (each["epoch"] == 0) == (phase == "first")}


def middle(found: Found, value: str, phase: Phase) -> float | None:
    """The median over rounds."""
    return median(values) if (values := by_round(found, value, phase).values()) else None


def _best(values: Sequence[float], value: str) -> float:
    return max(values) if value == "rate" else min(values)


def judged(found: Sequence[Found], target: Target, gpu: bool) -> dict[str, Any]:
    """The ratio of medians and whether it meets the target, that of the best rounds, and the lowest and highest of a round.

    All None where a side is missing.
    """
    sides = {each.key: each for each in found}
    bound = target.gpu if gpu and target.gpu is not None else target.bound
    unknown = dict.fromkeys(("ratio", "best", "low", "high", "met"))
    said: dict[str, Any] = {"says": target.says, "sense": target.sense, "bound": bound, **unknown}
    if target.over not in sides or (target.under and target.under not in sides):
        return said
    tops, bottoms = (by_round(sides[key], target.value, target.phase) if key else {} for key in (target.over, target.under))
    top, bottom = (middle(sides[key], target.value, target.phase) if key else 1.0 for key in (target.over, target.under))
    if top is None or not bottom:
        return said
    pairs = [tops[number] / bottoms[number] for number in tops.keys() & bottoms.keys() if bottoms[number]]
    ratio = top / bottom
    best = _best([*tops.values()], target.value) / (_best([*bottoms.values()], target.value) if bottoms else 1.0)
    met = ratio <= bound if target.sense == "at most" else ratio >= bound
    return {**said, "ratio": ratio, "best": best, "low": min(pairs, default=None), "high": max(pairs, default=None), "met": met}


def result(key: str, title: str, setting: dict[str, Any], found: Sequence[Found], targets: Sequence[Target], gpu: bool) -> dict[str, Any]:
    """One scenario, ready for JSON."""
    return {
        "scenario": key, "title": title, "setting": setting, "machine": machine(),
        "contenders": [asdict(each) for each in found], "targets": [judged(found, target, gpu) for target in targets],
    }  # fmt: skip


def machine() -> str:
    """The processor and how many of its cores there are."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor() or platform.machine()}, {os.cpu_count()} cores, {platform.system()}"


def markdown(result: dict[str, Any], columns: Sequence[Column]) -> str:
    """A scenario as a heading, a table of contenders and one of targets."""
    found = [Found(**each) for each in result["contenders"]]
    # A column that says nothing about anybody here would only be in the way.
    shown = [column for column in columns if any(_cell(each, column, found) != "-" for each in found)]
    lines = [f"### {result['title']}", "", _setting(result, found), ""]
    if found:
        lines += ["| contender | " + " | ".join(column.head for column in shown) + " |", "|---" * (len(shown) + 1) + "|"]
    for each in found:
        cells = [f"{each.missing}", *[""] * (len(shown) - 1)] if each.missing else [_cell(each, column, found) for column in shown]
        lines.append(f"| {each.title} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, *_targets(result)])


def _setting(result: dict[str, Any], found: Sequence[Found]) -> str:
    said = ", ".join(f"{name} {value}" for name, value in result["setting"].items())
    versions = sorted({" ".join(f"{name} {value}" for name, value in each.facts.get("versions", {}).items()) for each in found} - {""})
    return "; ".join([said, result["machine"], *versions])


def _cell(each: Found, column: Column, found: Sequence[Found]) -> str:
    if column.value in each.facts:
        return f"{each.facts[column.value]:,}" if each.facts[column.value] else "-"
    value = middle(each, column.value, column.phase)
    if column.beside:
        other = next((middle(side, column.value, column.phase) for side in found if side.key == column.beside), None)
        value = value / other if value is not None and other else None
    return "-" if value is None else format(value, column.form)


def _targets(result: dict[str, Any]) -> list[str]:
    if not result["targets"]:
        return []
    lines = ["", "| target | bound | measured | of the best rounds | of single rounds | met |", "|---|---|---|---|---|---|"]
    for each in result["targets"]:
        if each["ratio"] is None:
            cells = ["-", "-", "-", "not measured"]
        else:
            spread = "-" if each["low"] is None else f"{each['low']:.3g} to {each['high']:.3g}"
            cells = [f"{each['ratio']:.3g}", f"{each['best']:.3g}", spread, "yes" if each["met"] else "**no**"]
        lines.append(f"| {each['says']} | {each['sense']} {each['bound']:g} | " + " | ".join(cells) + " |")
    return lines


class Results:
    """The scenarios that were measured, in a JSON file, and the same as Markdown; a scenario that is measured again replaces itself."""

    def __init__(self, folder: Path | None, name: str, head: str, order: Sequence[str], columns: dict[str, Sequence[Column]]) -> None:
        self._json = folder / f"{name}.json" if folder else None
        self._head, self._order, self._columns = head, order, columns
        self._known: dict[str, dict[str, Any]] = {}
        if self._json and self._json.exists():
            self._known = {each["scenario"]: each for each in json.loads(self._json.read_text(encoding="utf-8"))}

    def add(self, result: dict[str, Any]) -> str:
        """Keep and write a scenario; its Markdown."""
        self._known[result["scenario"]] = result
        if self._json:
            known = [self._known[key] for key in self._order if key in self._known]
            self._json.parent.mkdir(parents=True, exist_ok=True)
            self._json.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
            text = "\n\n".join([self._head, *(markdown(each, self._columns[each["scenario"]]) for each in known)])
            self._json.with_suffix(".md").write_text(text + "\n", encoding="utf-8")
        return markdown(result, self._columns[result["scenario"]])
