"""``reft-studio sweep``: trains one edit for each combination of the values it is given, in shared passes, and ranks them."""

import argparse
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.cli.output import finish, note, tell
from app.cli.rows import note_rows, rows_of
from app.cli.settings import flag_of, given_settings
from app.errors import StudioError
from reft_engine import RunSpec, all_settings

if TYPE_CHECKING:
    from reft_engine.data import RowCheck
    from reft_engine.training import TrainResult

MOST = 64
"""Runs of one sweep."""
LISTED = ("method", "rank", "layers", "positions", "learning_rate", "batch_size", "epochs", "seed")
"""Settings of which several values can be listed."""


def sweep(options: argparse.Namespace) -> int:
    """Train one edit for each combination of what is listed, all in the same passes of the base model, and rank them."""
    from reft_engine import load_base, train_many
    from reft_engine.training import PhaseEvent, ReuseEvent, RowsEvent, StepEvent

    out: Path = options.out
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise StudioError(f"{out} is there already; --out names a folder that is to be made.")
    runs = combinations(options)
    wanted = specs(options, runs)
    found = rows_of(options)
    base = load_base(wanted[0].base, revision=wanted[0].revision)
    checked: list[RowCheck] = []
    unsaid = [True]

    def show(index: int, event: Any) -> None:
        if isinstance(event, RowsEvent):
            checked.append(event.check)
        elif unsaid and not isinstance(event, PhaseEvent):  # nothing speaks against the runs any more
            unsaid.clear()
            note_rows(found, f"{len(runs)} runs. {checked[0].sentence}", checked[0])
        if isinstance(event, ReuseEvent) and index == 0:
            note(event.sentence)
        elif isinstance(event, StepEvent) and (event.step % 50 == 0 or event.step == event.total_steps):
            note(f"run {index}: step {event.step}/{event.total_steps}  loss {event.loss:.4f}  {event.seconds_left:.0f} s left")

    pairs = [(spec.reft, spec.train) for spec in wanted]
    lines = ranked(runs, train_many(base, found.examples, pairs, folder=out, file_rows=found.rows, on_event=show), out)
    tell(options, table(lines))
    finish(options, {"runs": lines, "rows": checked[0].usable_rows, "rows_left_out": checked[0].rows_left_out})
    return 0


def combinations(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Every combination of the listed values. Raises StudioError where there are too many."""
    defaults, given = RunSpec().settings(), given_settings(options)
    values = [given.get(name, [defaults[name]]) for name in LISTED]
    found = [dict(zip(LISTED, each, strict=True)) for each in product(*values)]
    if not 1 <= len(found) <= MOST:
        raise StudioError(f"That makes {len(found):,} runs; a sweep has 1 to {MOST}.")
    return found


def varied(runs: list[dict[str, Any]]) -> list[str]:
    """The names of what differs between the runs."""
    return [name for name in runs[0] if len({str(run[name]) for run in runs}) > 1]


def specs(options: argparse.Namespace, runs: list[dict[str, Any]]) -> list[RunSpec]:
    """What is asked for of each run; all are measured on the same held-out rows, whatever their seeds. Raises ConfigError."""
    common = {"split_seed": runs[0]["seed"], **given_settings(options)}
    return [RunSpec.of_settings({**common, **run}) for run in runs]


def _column(name: str) -> str:
    """What a setting is called in the table: as its flag."""
    (row,) = (each for each in all_settings() if each.name == name)
    return flag_of(row).strip("-").replace("-", "_")


def ranked(runs: list[dict[str, Any]], results: list[Any], out: Path) -> list[dict[str, Any]]:
    """One line of each run, the best first; those that came to no end stand last, with the reason."""
    from reft_engine import ReftError

    lines = []
    for index, (run, result) in enumerate(zip(runs, results, strict=True)):
        told: dict[str, Any] = {"run": index, **{_column(name): run[name] for name in varied(runs)}}
        if isinstance(result, ReftError):
            lines.append({**told, "problem": str(result)})
        else:
            lines.append({**told, **_figures(result), "adapter": str(out / str(index) / "adapter")})
    return sorted(lines, key=lambda line: (line.get("held_out_tuned") is None, line.get("held_out_tuned") or line.get("loss_last") or 0.0))


def _figures(result: "TrainResult") -> dict[str, Any]:
    summary = result.summary()
    return {name: summary[name] for name in ("trainable_parameters", "loss_last", "held_out_base", "held_out_tuned")}


def table(lines: list[dict[str, Any]]) -> str:
    """The lines as text, in columns."""
    names = list(dict.fromkeys(name for line in lines for name in line if name != "adapter"))
    cells = [names, *([_shown(line.get(name)) for name in names] for line in lines)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(names))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
