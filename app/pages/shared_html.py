"""HTML of what a link shows: one run, the rows of a dataset, or a conversation, to be read and nothing else."""

from typing import Any

from app.components import html, plain
from app.handlers.kept_rows import PAGE_ROWS, Asked, table
from app.handlers.runs import RunView
from app.handlers.shared import SharedChat, SharedRows, SharedTurn
from app.pages import report_html, runs_html
from app.words import phrases, say
from storage.shares import ShareRecord

_WHOLE = 1_000_000
"""Characters of a text that is shown, which is all of any there is."""
_PARTS = ("figures", "chart", "samples")


def run(share: ShareRecord, view: RunView, live: dict[str, Any], address: str, nonce: str) -> str:
    """A run: how far it is, what it was made with, its curves and its sample answers."""
    run = view.run
    steps = say("runs.status.step", step=run.step, total=run.total_steps) if run.total_steps else ""
    line = " · ".join(fact for fact in (phrases.status_word(run), steps) if fact)
    offered = share.with_adapter and view.downloadable
    take = f'<p><a class="rs-button" href="{html.text(address)}/adapter.zip" download>{say("runs.download")}</a></p>' if offered else ""
    drawn = report_html.drawn({"status": "", "live": live}, nonce)
    return _framed(
        share, run.name, f"<p>{line}</p>", f"{take}{runs_html.figures(view)}{report_html.places(_PARTS)}{runs_html.facts(run)}{drawn}"
    )


def rows(share: ShareRecord, found: SharedRows, address: str) -> str:
    """Some rows of a dataset, as texts."""
    page, version = found.page, found.dataset.version
    shown = table(found.dataset, Asked(dataset=found.dataset.dataset.id, version=version.number), page)
    cards = "".join(
        f'<li class="rs-card"><div class="rs-caption">{say("table.shown.row")} {row["number"]}</div><dl class="rs-pairs">'
        + "".join(f'<dt>{text["word"]}</dt><dd dir="auto">{html.text(text["text"], _WHOLE)}</dd>' for text in row["texts"])
        + "</dl></li>"
        for row in shown["rows"]
    )
    facts = f"<p>{say('kept.version', number=version.number)} · {say('kept.rows', count=version.usable_rows)}</p>"
    places = [(page.offset - PAGE_ROWS, say("table.shown.earlier")), (page.offset + PAGE_ROWS, say("table.shown.later"))]
    links = "".join(f'<a href="{html.text(address)}?from={max(0, at)}">{word}</a>' for at, word in places if -PAGE_ROWS < at < page.total)
    moved = f'<nav class="rs-pages" aria-label="{say("shared.pages")}"><span>{html.text(shown["caption"])}</span>{links}</nav>'
    return _framed(
        share, found.dataset.dataset.name, facts, f'{moved}<ul class="rs-links" role="list">{cards}</ul>{moved if links else ""}'
    )


def chat(share: ShareRecord, found: SharedChat) -> str:
    """A conversation, turn by turn."""
    turns = "".join(map(_turn, found.turns)) or f"<p>{say('shared.no_turns')}</p>"
    return _framed(share, found.name, "", turns)


def _turn(turn: SharedTurn) -> str:
    said = []
    if turn.system is not None:
        said.append((say("chats.file.system"), turn.system) if turn.system else (say("chats.file.system"), say("chats.file.no_system")))
    said += [(say("chats.file.prompt"), turn.prompt), *turn.answers]
    texts = "".join(
        f'<dt dir="auto">{html.text(name, 200)}</dt><dd dir="auto" class="rs-text">{html.text(text, _WHOLE)}</dd>' for name, text in said
    )
    return f'<section class="rs-card"><h2 class="rs-caption">{html.text(turn.heading)}</h2><dl class="rs-pairs">{texts}</dl></section>'


def _framed(share: ShareRecord, name: str, line: str, body: str) -> str:
    until = f'<time datetime="{share.expires_at.isoformat()}">{say("shared.until", moment=moment(share))}</time>'
    title = f'<div class="rs-title"><h1 dir="auto">{html.text(name)}</h1>{line}</div>'
    return f'{plain.header(end=until)}<main class="rs-shared">{title}{body}</main>'


def moment(share: ShareRecord) -> str:
    """When a link expires, to the minute."""
    return f"{share.expires_at:%Y-%m-%d %H:%M} UTC"
