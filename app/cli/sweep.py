"""``reft-studio sweep``: trains one edit for each combination of the listed values, in shared passes, and ranks them."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.cli.flags import given_settings
from app.cli.output import finish, note, tell
from app.cli.rows import note_rows, rows_of
from app.errors import StudioError
from app.handlers.sweep import LISTED, combinations, rank, specs_of, varied
from app.run_texts import flag_of
from app.words import say, say_error
from reft_engine import RunSpec, all_settings

if TYPE_CHECKING:
    from reft_engine.data import RowCheck
    from reft_engine.training import TrainResult


def sweep(options: argparse.Namespace) -> int:
    """Train one edit for each combination of the listed values, all in the same passes of the base model, and rank them."""
    from reft_engine import load_base, load_options, train_many
    from reft_engine.training import PhaseEvent, ReuseEvent, RowsEvent, StepEvent

    out: Path = options.out
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise StudioError(say("cli.sweep.out", folder=out))
    runs = combinations(listed_values(options))
    run_specs = specs_of(given_settings(options), runs)
    inspection = rows_of(options)
    base = load_base(run_specs[0].base, revision=run_specs[0].revision, **load_options(run_specs[0].precision))
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


def listed_values(options: argparse.Namespace) -> dict[str, list[Any]]:
    """The values of each setting that takes several; one that is not given has its default."""
    defaults, flags = RunSpec().settings(), given_settings(options)
    return {name: flags.get(name, [defaults[name]]) for name in LISTED}


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
    return sorted(lines, key=lambda line: rank(line.get("held_out_tuned"), line.get("loss_last")))


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
