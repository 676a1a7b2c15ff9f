"""HTML of the Train page."""

from app.components import html
from app.handlers.train import Estimate
from reft_engine import Setting

_HELD_OUT = html.term("Held-out rows", "Kept away from training, to measure what was learned rather than memorised.")


def group(title: str) -> str:
    """The headline of some settings."""
    return f'<h2 class="rs-caption">{html.text(title)}</h2>'


def info(row: Setting) -> str:
    """What a setting does, and what its number counts where that does not say it."""
    said = not row.unit or row.unit.lower() in row.help.lower()
    return row.help if said else f"{row.help[:-1]} ({row.unit})."


def estimate(found: Estimate | None, problem: str = "") -> str:
    """What a run will be, or why it cannot be."""
    if problem or found is None:
        return (
            f'<div class="rs-summary"><div class="rs-caption">This run</div>{html.notice(problem or "Pick a dataset first.", "bad")}</div>'
        )
    most = "" if found.check else "at most "
    rows = [
        ("Rows to learn from", f"{most}{found.rows:,}"),
        (
            html.term("Held-out rows", "Kept away from training, to measure what was learned rather than memorised."),
            f"{most}{found.held_out:,}",
        ),
        (html.term("Steps", "How many times the edit is corrected, each time from one batch of rows."), f"{most}{found.steps:,}"),
    ]
    if found.parameters is not None and found.base_parameters:
        share = found.parameters / found.base_parameters
        rows += [
            (html.term("Trained numbers", "The whole edit. The base model's own numbers stay as they are."), f"{found.parameters:,}"),
            ("of the base model", f"{share:.2%}"),
            ("Download", f"about {html.size(found.file_bytes or 0)}"),
        ]
    if found.seconds is not None:
        rows.append((html.term("Time to train", "From two steps on rows of this dataset, made on this machine."),
                     f"about {html.duration(found.seconds)}"))  # fmt: skip
    lines = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows)
    return f'<div class="rs-summary"><div class="rs-caption">This run</div><dl>{lines}</dl></div>'
