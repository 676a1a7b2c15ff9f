"""``reft-studio sweep``: trains one edit for each combination of the values it is given, in shared passes, and ranks them."""

import argparse
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.cli.output import finish, note, tell
from app.cli.rows import note_rows, rows_of
from app.errors import StudioError

if TYPE_CHECKING:
    from reft_engine import ReftConfig, TrainConfig
    from reft_engine.data import RowCheck
    from reft_engine.training import TrainResult

MOST = 64
"""Runs of one sweep."""
EDIT = ("method", "rank", "layers", "positions")
TRAINING = ("lr", "batch_size", "epochs", "seed")


def sweep(options: argparse.Namespace) -> int:
    """Train one edit for each combination of what is listed, all in the same passes of the base model, and rank them."""
    from reft_engine import load_base, train_many
    from reft_engine.training import PhaseEvent, ReuseEvent, RowsEvent, StepEvent

    out: Path = options.out
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise StudioError(f"{out} is there already; --out names a folder that is to be made.")
    runs = combinations(options)
    wanted = list(specs(options, runs))
    found = rows_of(options)
    base = load_base(options.base)
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

    lines = ranked(runs, train_many(base, found.examples, wanted, folder=out, file_rows=found.rows, on_event=show), out)
    tell(options, table(lines))
    finish(options, {"runs": lines, "rows": checked[0].usable_rows, "rows_left_out": checked[0].rows_left_out})
    return 0


def listed(kind: Callable[[str], Any]) -> Callable[[str], list[Any]]:
    """Reads values that stand with commas between them."""

    def read(text: str) -> list[Any]:
        return list(dict.fromkeys(kind(part.strip()) for part in text.split(",") if part.strip()))

    return read


def combinations(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Every combination of the listed values. Raises StudioError where there are too many."""
    names = [*EDIT, *TRAINING]
    found = [dict(zip(names, values, strict=True)) for values in product(*(getattr(options, name) for name in names))]
    if not 1 <= len(found) <= MOST:
        raise StudioError(f"That makes {len(found):,} runs; a sweep has 1 to {MOST}.")
    return found


def varied(runs: list[dict[str, Any]]) -> list[str]:
    """The names of what differs between the runs."""
    return [name for name in runs[0] if len({str(run[name]) for run in runs}) > 1]


def specs(options: argparse.Namespace, runs: list[dict[str, Any]]) -> Iterator[tuple["ReftConfig", "TrainConfig"]]:
    """What the engine is told of each run; all are measured on the same held-out rows, whatever their seeds."""
    from reft_engine import ReftConfig, TrainConfig

    split_seed = options.seed[0] if options.split_seed is None else options.split_seed

    for run in runs:
        edit = ReftConfig(**{name: run[name] for name in EDIT}, tied=options.tied)
        yield edit, TrainConfig(
            learning_rate=run["lr"], batch_size=run["batch_size"], epochs=run["epochs"], seed=run["seed"],
            max_length=options.max_length, held_out=options.held_out, split_seed=split_seed,
        )  # fmt: skip


def ranked(runs: list[dict[str, Any]], results: list[Any], out: Path) -> list[dict[str, Any]]:
    """One line of each run, the best first; those that came to no end stand last, with the reason."""
    from reft_engine import ReftError

    lines = []
    for index, (run, result) in enumerate(zip(runs, results, strict=True)):
        told: dict[str, Any] = {"run": index, **{name: run[name] for name in varied(runs)}}
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
