"""HTML of the baselines that are compared with an edit on the Runs page."""

from app.components import html
from app.handlers.baselines import RATES, Row, Table, Tried, title
from app.words import phrases, say
from storage import RunRecord

_MARKED = ("held_out", "right", "parameters", "bytes", "seconds", "memory")
"""Columns in which the best is marked."""


def about(run: RunRecord, methods: int, reason: str) -> str:
    """What the comparison does and costs, or the reason why there is none."""
    if reason:
        return f'<div class="rs-caption">{say("compare_with.title")}</div><p class="rs-facts">{html.text(reason)}</p>'
    each = max(len(rates) for rates in RATES.values())
    time = phrases.duration((run.summary or {}).get("seconds", 0.0) * each * methods)
    cost = say("compare_with.cost", count=methods, rates=each, runs=each * methods, time=time)
    return f'<div class="rs-caption">{say("compare_with.title")}</div><p>{say("compare_with.about")}</p><p class="rs-facts">{cost}</p>'


def table(found: Table | None) -> str:
    """The edit and the methods that are compared with it; empty if there are none."""
    if found is None:
        return ""
    columns = ("held_out", "right", "against", "parameters", "bytes", "seconds", "memory", "tried", "library")
    heads = [say("compare_with.column.method"), *(_head(name) for name in columns)]
    head = "".join(f'<th scope="col">{each}</th>' for each in heads)
    body = "".join(_row(row, is_edit=index == 0) for index, row in enumerate(found.rows))
    group = f'<a href="runs?group={html.text(found.group.id)}">{html.text(found.group.name, 80)}</a>'
    facts = f'<p class="rs-facts">{say("compare_with.runs", name=group, done=found.done, total=found.total)}</p>'
    remarks = "".join(f"<li>{html.text(remark)}</li>" for remark in found.remarks)
    return (
        f'{facts}<div class="rs-sweep rs-beside" tabindex="0" role="region" aria-label="{say("compare_with.caption")}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        f'<ul class="rs-beside-remarks">{remarks}</ul>'
    )


def _head(name: str) -> str:
    word = say(f"compare_with.column.{name}")
    if name in ("held_out", "right"):
        return html.term(word, say(f"runs.{name}.meaning"))
    return html.term(word, say("compare_with.column.memory_meaning")) if name == "memory" else html.text(word)


def _row(row: Row, *, is_edit: bool) -> str:
    name = html.text(title(row.method))
    linked = name if row.run is None or is_edit else f'<a href="runs?run={html.text(row.run.id)}">{name}</a>'
    size = f"<small>{html.text(row.size)}</small>" if row.size else ""
    against = say("compare_with.against.edit") if is_edit else row.against
    library = row.library or say("studio.name")
    tried = "".join(_tried(row, each) for each in row.tried)
    scores = (_marked(row, name, text) for name, text in zip(_MARKED[:2], _scores(row), strict=True))
    costs = (_marked(row, name, text) for name, text in zip(_MARKED[2:], _costs(row), strict=True))
    cells = [*scores, html.text(against), *costs, tried, html.text(library) if row.run else ""]
    shown = "".join(f"<td>{cell}</td>" for cell in cells)
    return f'<tr data-method="{html.text(row.method)}"><th scope="row">{linked}{size}</th>{shown}</tr>'


def _scores(row: Row) -> tuple[str, str]:
    if row.held_out is None:
        ended = all(each.run.status.ended for each in row.tried)
        return say("compare_with.nothing" if ended else "compare_with.waiting"), ""
    return f"{row.held_out:.3f}", row.right_text


def _costs(row: Row) -> tuple[str, ...]:
    if row.run is None:
        return "", "", "", ""
    unknown = say("compare_with.unknown")
    memory = unknown
    if row.memory is not None and row.peak is not None:
        memory = say("compare_with.memory", added=phrases.size(row.memory), peak=phrases.size(row.peak))
    return (
        unknown if row.parameters is None else f"{row.parameters:,}", unknown if row.bytes is None else phrases.size(row.bytes),
        unknown if row.seconds is None else phrases.duration(row.seconds), memory,
    )  # fmt: skip


def _marked(row: Row, name: str, text: str) -> str:
    best = f' <span class="rs-pill good">{say("compare_with.best")}</span>' if name in row.best else ""
    return f"{html.text(text)}{best}"


def _tried(row: Row, each: Tried) -> str:
    """One rate, with a link to its run; the rate that was chosen is strong."""
    told = say("compare_with.tried", rate=f"{each.rate:g}", loss=_outcome(each))
    link = f'<a href="runs?run={html.text(each.run.id)}">{html.text(told)}</a>'
    return f"<div>{f'<b>{link}</b>' if row.run is not None and each.run.id == row.run.id else link}</div>"


def _outcome(each: Tried) -> str:
    if each.diverged:
        return say("compare_with.diverged")
    return phrases.status_word(each.run) if each.loss is None else f"{each.loss:.3f}"
