"""HTML of the comparison of runs, and of its grid of answers."""

from collections.abc import Sequence

from app.components import html
from app.handlers.answers_grid import Column, Grid
from app.handlers.compare import Closeness, Comparison, Line
from app.predictions import is_right
from app.words import say

_CELL = 400
"""Characters of an answer that a cell shows."""


def top(found: Comparison) -> str:
    """Title and sentences of a comparison."""
    lines = "".join(f"<p>{html.text(sentence)}</p>" for sentence in found.sentences)
    title = say("compare.title", count=len(found.runs))
    return f'<div class="rs-status"><div class="rs-status-head"><h2>{title}</h2></div><div class="rs-compare-said">{lines}</div></div>'


def tables(found: Comparison) -> str:
    """Results and settings; lines in which all runs are alike can be hidden by the style."""
    heads = "".join(
        f'<th scope="col"><a href="runs?run={html.text(each.run.id)}">{html.text(each.run.name, 60)}</a></th>' for each in found.runs
    )  # fmt: skip
    return _table(say("compare.results"), heads, found.results, len(found.runs)) + _table(
        say("compare.settings"), heads, found.settings, len(found.runs)
    )


def _table(title: str, heads: str, lines: tuple[Line, ...], count: int) -> str:
    body = "".join(map(_line, lines))
    same = (
        "" if any(line.differs for line in lines) else f'<tr class="rs-none"><td colspan="{count + 1}">{say("compare.all_alike")}</td></tr>'
    )
    return (
        f'<div class="rs-card rs-compared"><div class="rs-caption">{title}</div>'
        f'<div class="rs-sweep" tabindex="0" role="region" aria-label="{title}"><table><thead><tr><td></td>{heads}</tr></thead>'
        f"<tbody>{body}{same}</tbody></table></div></div>"
    )


def _line(line: Line) -> str:
    marks = {line.best: f' <span class="rs-pill good">{say("compare.lowest" if line.name != "right" else "compare.most")}</span>'}
    cells = "".join(f'<td dir="auto">{html.text(value, 200)}{marks.get(at, "")}</td>' for at, value in enumerate(line.values))
    kind = "" if line.differs else ' class="alike"'
    return f'<tr{kind}><th scope="row">{html.text(line.title)}</th>{cells}</tr>'


def closeness(pairs: Sequence[Closeness]) -> str:
    """How close edits are, a row for each two of them and a column for each layer."""
    places = sorted({(layer, site) for pair in pairs for layer, site, *_ in pair.layers})
    heads = "".join(f'<th scope="col">{say(f"compare.close.site.{site}", layer=layer)}</th>' for layer, site in places)
    body = "".join(_pair(pair, places) for pair in pairs)
    title = say("compare.close.title")
    return (
        f'<p class="rs-facts">{say("compare.close.meaning")}</p>'
        f'<div class="rs-sweep" tabindex="0" role="region" aria-label="{title}"><table><thead><tr>'
        f'<th scope="col">{say("compare.close.pair")}</th>{heads}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _pair(pair: Closeness, places: Sequence[tuple[int, str]]) -> str:
    angles = {(layer, site): (low, high) for layer, site, low, high in pair.layers}
    names = say("compare.close.and", one=html.text(pair.one, 60), other=html.text(pair.other, 60))
    if not angles:
        return f'<tr><th scope="row">{names}</th><td colspan="{max(1, len(places))}">{say("compare.close.nowhere")}</td></tr>'
    cells = "".join(f"<td>{_angles(*angles[place]) if place in angles else ''}</td>" for place in places)
    return f'<tr><th scope="row">{names}</th>{cells}</tr>'


def _angles(low: float, high: float) -> str:
    if f"{low:.0f}" == f"{high:.0f}":
        return say("compare.close.only", low=low)
    return say("compare.close.range", low=low, high=high)


def grid_head() -> str:
    """What the grid of answers is."""
    return f'<h3 class="rs-section">{say("compare.grid.heading")}<small>{say("compare.grid.line")}</small></h3>'


def grid(found: Grid) -> str:
    """The answers that have come, a row for each prompt; an answer that differs from the base model's is told by a mark."""
    expects = any(each.expected is not None for each in found.questions)
    heads = "".join(_head(found, column) for column in found.columns)
    expected = f'<th scope="col">{say("compare.grid.expected")}</th>' if expects else ""
    body = "".join(_row(found, at, expects) for at in range(len(found.questions)))
    title = say("compare.grid.title")
    told = say("playground.starting") if found.starting else say("compare.grid.done", done=found.done, total=found.total)
    return (
        f'<p class="rs-facts" role="status">{told}</p>'
        f'<div class="rs-sweep rs-grid" tabindex="0" role="region" aria-label="{title}"><table><thead><tr>'
        f'<th scope="col">{say("compare.grid.prompt")}</th>{expected}{heads}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _head(found: Grid, column: Column) -> str:
    right = found.right(column)
    told = "" if right is None else f"<small>{say('compare.grid.right', right=right, rows=len(found.questions))}</small>"
    name = html.text(column.title, 60)
    link = f'<a href="runs?run={html.text(column.key)}">{name}</a>' if column.run else name
    return f'<th scope="col">{link}{told}</th>'


def _row(found: Grid, at: int, expects: bool) -> str:
    question, answers = found.questions[at], found.answers[at]
    cells = [f'<th scope="row" dir="auto">{html.text(question.prompt, _CELL)}</th>']
    if expects:
        cells.append(f'<td dir="auto">{html.text(question.expected or "", _CELL)}</td>')
    cells += [_cell(answers.get(column.key), question.expected) for column in found.columns]
    return f"<tr>{''.join(cells)}</tr>"


def _cell(answer: str | None, expected: str | None) -> str:
    if answer is None:
        return '<td class="rs-coming"><span aria-hidden="true">…</span></td>'
    shown = html.text(answer, _CELL) if answer.strip() else f"<em>{say('runs.sample.nothing')}</em>"
    if expected is None:
        return f'<td dir="auto">{shown}</td>'
    return f'<td dir="auto">{html.mark(is_right(answer, expected))}<div>{shown}</div></td>'
