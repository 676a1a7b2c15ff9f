"""HTML of the Train page."""

from app.components import html
from app.handlers.train import Estimate
from app.words import say, translate
from reft_engine import Setting


def group(title: str) -> str:
    """The headline of a group of settings."""
    return f'<h2 class="rs-caption">{html.text(title)}</h2>'


def info(row: Setting) -> str:
    """Help of a setting, with the unit of its number if the help does not name it."""
    names_unit = not row.unit or row.unit.lower() in row.help.lower()
    return translate(f"settings.{row.name}.help", row.help if names_unit else f"{row.help[:-1]} ({row.unit}).")


def estimate(values: Estimate | None, problem: str = "") -> str:
    """The size and cost of a run, or why it cannot start."""
    if problem or values is None:
        return _summary(html.notice(problem or say("train.pick_dataset"), "bad"))
    exact = values.check is not None
    rows = [
        (say("train.summary.rows"), _count(values.rows, exact)),
        (html.term(say("train.summary.held_out"), say("train.summary.held_out_meaning")), _count(values.held_out, exact)),
        (html.term(say("train.summary.steps"), say("train.summary.steps_meaning")), _count(values.steps, exact)),
    ]
    if values.parameters is not None and values.base_parameters:
        share = values.parameters / values.base_parameters
        rows += [
            (html.term(say("train.summary.parameters"), say("train.summary.parameters_meaning")), f"{values.parameters:,}"),
            (say("train.summary.share"), f"{share:.2%}"),
            (say("train.summary.download"), say("train.summary.about", value=html.size(values.file_bytes or 0))),
        ]
    if values.seconds is not None:
        time = html.term(say("train.summary.time"), say("train.summary.time_meaning"))
        rows.append((time, say("train.summary.about", value=html.duration(values.seconds))))
    lines = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows)
    return _summary(f"<dl>{lines}</dl>")


def _count(count: int, exact: bool) -> str:
    return f"{count:,}" if exact else say("train.summary.at_most", count=count)


def _summary(body: str) -> str:
    return f'<div class="rs-summary"><div class="rs-caption">{say("train.summary.title")}</div>{body}</div>'
