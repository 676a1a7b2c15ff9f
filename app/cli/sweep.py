"""``reft-studio sweep``: trains one edit for each combination of the listed values, in shared passes, and ranks them."""

import argparse
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.cli.flags import flag_of, given_settings
from app.cli.output import finish, note, tell
from app.cli.rows import note_rows, rows_of
from app.errors import StudioError
from app.words import say, say_error
from reft_engine import RunSpec, all_settings

if TYPE_CHECKING:
    from reft_engine.data import RowCheck
    from reft_engine.training import TrainResult

MOST = 64
"""Maximum number of runs of one sweep."""
LISTED = ("method", "rank", "layers", "positions", "learning_rate", "batch_size", "epochs", "seed")
"""Settings that take several values."""


def sweep(options: argparse.Namespace) -> int:
    """Train one edit for each combination of the listed values, all in the same passes of the base model, and rank them."""
    from reft_engine import load_base, train_many
    from reft_engine.training import PhaseEvent, ReuseEvent, RowsEvent, StepEvent

    out: Path = options.out
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise StudioError(say("cli.sweep.out", folder=out))
    runs = combinations(options)
    run_specs = specs(options, runs)
    inspection = rows_of(options)
    base = load_base(run_specs[0].base, revision=run_specs[0].revision)
    row_checks: list[RowCheck] = []
    rows_noted = False

    def show(index: int, event: Any) -> None:
        nonlocal rows_noted
        if isinstance(event, RowsEvent):
            row_checks.append(event.check)
        elif not rows_noted and not isinstance(event, PhaseEvent):  # all runs can start
            rows_noted = True
            note_rows(inspection, say("cli.sweep.rows", count=len(runs), rows=row_checks[0].sentence), row_checks[0])
        if isinstance(event, ReuseEvent) and index == 0:
            note(event.sentence)
        elif isinstance(event, StepEvent) and (event.step % 50 == 0 or event.step == event.total_steps):
            left = event.seconds_left
            note(say("cli.sweep.step", run=index, step=event.step, total=event.total_steps, loss=event.loss, seconds=left))

    pairs = [(spec.reft, spec.train) for spec in run_specs]
    lines = ranked(runs, train_many(base, inspection.examples, pairs, folder=out, file_rows=inspection.rows, on_event=show), out)
    tell(options, table(lines))
    finish(options, {"runs": lines, "rows": row_checks[0].usable_rows, "rows_left_out": row_checks[0].rows_left_out})
    return 0


def combinations(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Every combination of the listed values. Raises StudioError if there are more than `MOST`."""
    defaults, flags = RunSpec().settings(), given_settings(options)
    values = [flags.get(name, [defaults[name]]) for name in LISTED]
    runs = [dict(zip(LISTED, each, strict=True)) for each in product(*values)]
    if not 1 <= len(runs) <= MOST:
        raise StudioError(say("cli.sweep.count", runs=len(runs), most=MOST))
    return runs


def varied(runs: list[dict[str, Any]]) -> list[str]:
    """Names of the settings that differ between the runs."""
    return [name for name in runs[0] if len({str(run[name]) for run in runs}) > 1]


def specs(options: argparse.Namespace, runs: list[dict[str, Any]]) -> list[RunSpec]:
    """The spec of each run; all share the held-out rows, whatever their seeds. Raises ConfigError, StudioError."""
    common = {"split_seed": runs[0]["seed"], **given_settings(options)}
    run_specs = [RunSpec.of_settings({**common, **run}) for run in runs]
    if baseline := next((spec.peft.method for spec in run_specs if spec.peft), None):
        raise StudioError(say("cli.sweep.baseline", method=baseline))
    return run_specs


def _column(name: str) -> str:
    """The column of a setting: the name of its flag."""
    (row,) = (each for each in all_settings() if each.name == name)
    return flag_of(row).strip("-").replace("-", "_")


def ranked(runs: list[dict[str, Any]], results: list[Any], out: Path) -> list[dict[str, Any]]:
    """One line for each run, the best first; failed runs come last, with the reason."""
    from reft_engine import ReftError

    lines = []
    for index, (run, result) in enumerate(zip(runs, results, strict=True)):
        line: dict[str, Any] = {"run": index, **{_column(name): run[name] for name in varied(runs)}}
        if isinstance(result, ReftError):
            lines.append({**line, "problem": say_error(result)})
        else:
            lines.append({**line, **_figures(result), "adapter": str(out / str(index) / "adapter")})
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
