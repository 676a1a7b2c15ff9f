"""HTML of the Train page."""

from app.components import html
from app.handlers.train import Estimate
from app.words import say, translate
from reft_engine import Setting


def group(title: str) -> str:
    """The headline of some settings."""
    return f'<h2 class="rs-caption">{html.text(title)}</h2>'


def info(row: Setting) -> str:
    """What a setting does, and what its number counts where that does not say it."""
    said = not row.unit or row.unit.lower() in row.help.lower()
    return translate(f"settings.{row.name}.help", row.help if said else f"{row.help[:-1]} ({row.unit}).")


def estimate(found: Estimate | None, problem: str = "") -> str:
    """What a run will be, or why it cannot be."""
    if problem or found is None:
        return _summary(html.notice(problem or say("train.pick_dataset"), "bad"))
    exact = found.check is not None
    rows = [
        (say("train.summary.rows"), _count(found.rows, exact)),
        (html.term(say("train.summary.held_out"), say("train.summary.held_out_meaning")), _count(found.held_out, exact)),
        (html.term(say("train.summary.steps"), say("train.summary.steps_meaning")), _count(found.steps, exact)),
    ]
    if found.parameters is not None and found.base_parameters:
        share = found.parameters / found.base_parameters
        rows += [
            (html.term(say("train.summary.parameters"), say("train.summary.parameters_meaning")), f"{found.parameters:,}"),
            (say("train.summary.share"), f"{share:.2%}"),
            (say("train.summary.download"), say("train.summary.about", value=html.size(found.file_bytes or 0))),
        ]
    if found.seconds is not None:
        time = html.term(say("train.summary.time"), say("train.summary.time_meaning"))
        rows.append((time, say("train.summary.about", value=html.duration(found.seconds))))
    lines = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows)
    return _summary(f"<dl>{lines}</dl>")


def _count(count: int, exact: bool) -> str:
    return f"{count:,}" if exact else say("train.summary.at_most", count=count)


def _summary(body: str) -> str:
    return f'<div class="rs-summary"><div class="rs-caption">{say("train.summary.title")}</div>{body}</div>'
