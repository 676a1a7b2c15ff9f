"""HTML of a run's predictions: what they are, how far they are, and the answers themselves."""

from typing import Any

from app.components import html
from app.handlers import predictions
from app.handlers.predictions import Listed, Progress, State
from app.predictions import FORMS, Confusion, Prediction
from app.services import Services
from app.words import say

_SHOWN = 240
"""Characters of a text that are shown at first; a click shows all of it."""
_ALL = 10_000_000
_COLUMNS = ("prompt", "expected", "base", "tuned")


def top(state: State) -> str:
    """The title, and what there is: a sentence on what can be asked for, how far it is, or the counts of right answers."""
    return f"<h3>{say('predictions.title')}</h3>{_top(state)}"


def _top(state: State) -> str:
    if state.rows is None:
        return f'<p class="rs-facts">{say("predictions.unknown")}</p>'
    if not state.rows:
        return f'<p class="rs-facts">{say("predictions.none_held_out")}</p>'
    if state.progress is not None:
        return f'<div class="rs-predicting">{under_way(state.progress)}</div>'
    problem = html.notice(say("predictions.failed", reason=state.problem), "bad") if state.problem else ""
    return f'{problem}<p class="rs-facts">{say("predictions.what")} {say("predictions.goes_on")}</p>'


def under_way(progress: Progress) -> str:
    """How far the predictions are."""
    told, share = say("predictions.progress", done=progress.done, of=progress.of), 100 * progress.done / max(progress.of, 1)
    return (
        f'<div class="rs-bar live" role="progressbar" aria-label="{say("predictions.title")}" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{share:.0f}" aria-valuetext="{told}"><i style="width:{share:.1f}%"></i></div>'
        f'<p class="rs-facts">{told}. {say("predictions.goes_on")}</p>'
    )


def live(services: Services, run_id: str) -> dict[str, Any]:
    """What an open page shows while the predictions of a run are made: whether they still are, and how far. Raises EngineAwayError."""
    progress = predictions.progress(services, run_id)
    return {"going": progress is not None, "html": under_way(progress) if progress else ""}


def counted(listed: Listed) -> str:
    """The title, and how many answers are right, in words."""
    counts = listed.counts
    told = say(f"predictions.right.{listed.kind}", rows=counts.rows, base=counts.base, tuned=counts.tuned)
    changed = say("predictions.changed", better=counts.better, worse=counts.worse)
    about = say(f"predictions.about.{listed.kind}")
    return f'<h3>{say("predictions.title")}</h3><p class="rs-sentence">{told} {changed}</p><p class="rs-facts">{about}</p>'


def table(listed: Listed) -> str:
    """Rows with their answers, and how many of those that were asked for they are."""
    if not listed.rows:
        return html.notice(say("predictions.nothing"))
    heads = "".join(f'<th scope="col" role="columnheader">{say(f"predictions.column.{name}")}</th>' for name in _COLUMNS)
    head = f'<tr role="row"><th scope="col" role="columnheader" class="rs-line">{say("predictions.line")}</th>{heads}</tr>'
    shown = say("predictions.shown", shown=len(listed.rows), rows=listed.total)
    return (
        f'<div class="rs-rows rs-predicted" tabindex="0" role="region" aria-label="{say("predictions.title")}"><table role="table">'
        f'<thead role="rowgroup">{head}</thead><tbody role="rowgroup">{"".join(map(_row, listed.rows))}</tbody></table></div>'
        f'<p class="rs-facts" role="status">{shown}</p>'
    )


def files(listed: Listed, run_id: str) -> str:
    """Links to files of all answers, and which answer was given in place of which."""
    links = "".join(
        f'<a href="files/runs/{html.text(run_id)}/predictions.{form}">{say(f"predictions.download.{form}")}</a>' for form in FORMS
    )  # fmt: skip
    return f'<p class="rs-predicted-files">{links}</p>{_confusion(listed.confusion, opened=listed.kind == "labels")}'


def _row(row: Prediction) -> str:
    rejected = f'<div class="rs-rejected"><b>{say("predictions.rejected")}</b> {_text(row.rejected)}</div>' if row.rejected else ""
    cells = [_text(row.prompt), _text(row.expected) + rejected, _answer(row.base, row.base_right), _answer(row.tuned, row.tuned_right)]
    # The names of the columns stand beside the cells where the page is too narrow for columns.
    shown = "".join(
        f'<td role="cell" data-name="{say(f"predictions.column.{name}")}">{cell}</td>' for name, cell in zip(_COLUMNS, cells, strict=True)
    )  # fmt: skip
    line = f'<th scope="row" role="rowheader" class="rs-line" data-name="{say("predictions.line")}">{row.row:,}</th>'
    return f'<tr role="row">{line}{shown}</tr>'


def _answer(text: str, is_right: bool) -> str:
    return html.mark(is_right) + _text(text)


def _text(text: str) -> str:
    """A text as it is; of a long one the beginning, and the rest on a click."""
    if not text.strip():
        return f"<p><em>{say('predictions.empty')}</em></p>"
    if len(text) <= _SHOWN:
        return f'<p dir="auto">{html.text(text, _ALL)}</p>'
    first, rest = html.text(text[:_SHOWN], _ALL), html.text(text[_SHOWN:], _ALL)
    more = f'<span class="rs-rest">… {say("predictions.rest")}</span>'
    return f'<details class="rs-long" dir="auto"><summary>{first}{more}</summary>{rest}</details>'


def _confusion(confusion: Confusion | None, *, opened: bool) -> str:
    if confusion is None:
        return ""
    tables = "".join(
        f'<div class="rs-sweep rs-confusion" tabindex="0" role="region" aria-label="{caption}"><table><caption>{caption}</caption>'
        f"{_confusion_head(confusion)}<tbody>{''.join(map(_confusion_row, confusion.names, rows, range(len(rows))))}</tbody></table></div>"
        for caption, rows in ((say("predictions.column.base"), confusion.base), (say("predictions.column.tuned"), confusion.tuned))
    )
    return f"<details{' open' if opened else ''}><summary>{say('predictions.confusion')}</summary><div>{tables}</div></details>"


def _confusion_head(confusion: Confusion) -> str:
    others = [say("predictions.others")] if confusion.others else []
    names = "".join(f'<th scope="col" dir="auto">{html.text(name, _SHOWN)}</th>' for name in (*confusion.names, *others))
    return f'<thead><tr><th scope="col">{say("predictions.expected_given")}</th>{names}</tr></thead>'


def _confusion_row(name: str, counts: tuple[int, ...], place: int) -> str:
    cells = "".join(f"<td{' class=right' if at == place else ''}>{count:,}</td>" for at, count in enumerate(counts))
    return f'<tr><th scope="row" dir="auto">{html.text(name, _SHOWN)}</th>{cells}</tr>'
