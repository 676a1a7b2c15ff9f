"""HTML of a sweep on the Runs page."""

from app.components import html
from app.handlers.compare import MOST
from app.handlers.sweep import Line, Table
from app.words import phrases, say
from storage import RunRecord


def sweep(table: Table, beside: RunRecord | None = None) -> str:
    """The runs of a sweep, the best first, each with a link to it; ``beside`` is the edit that they are compared with, if any."""
    runs, done = len(table.lines), table.done
    facts = say("sweep.runs", count=runs, done=done)
    share = done / max(runs, 1)
    bar = (
        f'<div class="rs-bar" role="progressbar" aria-label="{say("runs.status.progress")}" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{share * 100:.0f}"><i style="width:{share * 100:.1f}%"></i></div>'
    )
    heads = [say("sweep.column.run"), *map(html.text, table.titles), *_heads()]
    head = "".join(f'<th scope="col">{each}</th>' for each in heads)
    body = "".join(map(_row, table.lines))
    ids = ",".join(html.text(line.run.id) for line in table.lines[:MOST])
    together = f'<p class="rs-facts"><a href="runs?compare={ids}">{say("compare.together")}</a></p>' if runs > 1 else ""
    why = f'<p class="rs-facts">{html.text(table.remark)}</p>' if table.remark else ""
    if beside is not None:
        link = f'<a href="runs?run={html.text(beside.id)}">{html.text(beside.name, 80)}</a>'
        why += f'<p class="rs-facts rs-beside-edit">{say("compare_with.beside", name=link)}</p>'
    return (
        f'<div class="rs-status"><div class="rs-status-head"><h2>{html.text(table.group.name, 80)}</h2></div>'
        f'<p class="rs-facts">{facts}</p>{bar}{why}'
        f'<div class="rs-sweep" tabindex="0" role="region" aria-label="{say("sweep.table")}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{together}</div>"
    )


def _heads() -> list[str]:
    return [
        say("sweep.column.status"), html.term(say("sweep.column.tuned"), say("runs.held_out.meaning")), say("sweep.column.base"),
        say("sweep.column.verdict"), say("sweep.column.time"),
    ]  # fmt: skip


def _row(line: Line) -> str:
    run = line.run
    name = f'<a href="runs?run={html.text(run.id)}">{html.text(run.name, 80)}</a>'
    best = f' <span class="rs-pill good">{say("sweep.best")}</span>' if line.best else ""
    pill = f'<span class="rs-pill {html.STATUS_KINDS[run.status]}">{phrases.status_word(run)}</span>'
    time = "" if line.seconds is None else phrases.duration(line.seconds)
    cells = [*map(html.text, line.values), pill, _loss(line.tuned), _loss(line.base), html.text(line.verdict), time]
    return f'<tr><th scope="row">{name}{best}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'


def _loss(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
