"""HTML of the Home page."""

from collections.abc import Sequence
from pathlib import Path

from app.components import diagram, html
from app.samples import Sample
from app.words import phrases, say, translate
from storage import RunRecord

_ICONS = {
    "face": '<circle cx="12" cy="12" r="9"/><path d="M8 14.2c1 1.7 2.4 2.5 4 2.5s3-.8 4-2.5M9 9.4v.1M15 9.4v.1"/>',
    "tag": '<path d="M4 4h7.6l8.4 8.4-7.6 7.6L4 11.6z"/><circle cx="8.4" cy="8.4" r="1.2"/>',
    "braces": '<path d="M8.6 4c-2.4 0-2.6 1.4-2.6 3.4S5.6 11 4 12c1.6 1 2 2.6 2 4.6S6.2 20 8.6 20'
    'M15.4 4c2.4 0 2.6 1.4 2.6 3.4s.4 3.6 2 4.6c-1.6 1-2 2.6-2 4.6s-.2 3.4-2.6 3.4"/>',
    "person": '<circle cx="12" cy="8.2" r="3.6"/><path d="M5 20c.6-4 3.3-6 7-6s6.4 2 7 6"/>',
    "route": '<circle cx="6" cy="6" r="2.2"/><circle cx="18" cy="5.5" r="2.2"/><circle cx="18" cy="18.5" r="2.2"/>'
    '<path d="M8.2 6h7.6M6 8.2c0 6.5 3.5 10.3 9.8 10.3"/>',
    "shield": '<path d="M12 3.6l7 2.6v5.3c0 4.3-2.8 7.3-7 8.9-4.2-1.6-7-4.6-7-8.9V6.2zM8.8 12h6.4"/>',
    "question": '<path d="M5 5h14v11h-7.5L7.5 19.5V16H5zM10.3 9c.1-1 .8-1.6 1.8-1.6s1.8.7 1.8 1.6c0 1.3-1.8 1.3-1.8 2.6M12.1 13.5v.1"/>',
    "anchor": '<circle cx="12" cy="5" r="2.2"/><path d="M12 7.2V20M5 12.6c0 4.3 3 7.4 7 7.4s7-3.1 7-7.4M8.4 10.6h7.2"/>',
}


def opening() -> str:
    """The purpose of the studio, with a picture."""
    edit = html.term(say("home.edit.term"), say("home.edit.meaning"))
    words = f"<h1>{say('home.title')}</h1>\n<p>{say('home.line', edit=edit)}</p>"
    return f'<div class="rs-hero"><div>{words}</div>{diagram.hidden_states()}</div>'


def steps() -> str:
    """The three steps of a first run."""
    lines = "".join(f"\n<li><i>{number}</i><span><b>{name}</b>{line}</span></li>" for number, (name, line) in enumerate(_steps(), 1))
    return f'<ol class="rs-steps">{lines}</ol>'


def _steps() -> list[tuple[str, str]]:
    return [
        (say("home.steps.pick"), say("home.steps.pick_line")),
        (say("home.steps.train"), say("home.steps.train_line")),
        (say("home.steps.compare"), say("home.steps.compare_line")),
    ]


def try_samples() -> str:
    """The head line above the samples."""
    return _section(say("home.try"), say("home.try_line"))


def bring_your_own() -> str:
    """The head line above the ways to bring own rows in."""
    return _section(say("home.own"), say("home.own_line"))


def _section(title: str, line: str) -> str:
    return f'<h2 class="rs-section">{title}<small>{line}</small></h2>'


def sample_card(sample: Sample) -> str:
    """What a bundled sample teaches, with one of its rows."""
    prompt, answer = sample.example
    row = f'<div class="rs-example"><span>{html.text(prompt)}</span><b>{html.text(answer)}</b></div>'
    icon = f'<svg class="rs-icon" viewBox="0 0 24 24" aria-hidden="true">{_ICONS[sample.icon]}</svg>'
    kind = Path(sample.file).suffix[1:].upper().replace("JSONL", "JSON Lines")
    facts = f'<p class="rs-facts">{say("home.sample_facts", rows=sample.rows, kind=kind)}</p>'
    title, description = (translate(f"samples.{sample.key}.{name}", getattr(sample, name)) for name in ("title", "description"))
    return f"{icon}<h3>{html.text(title)}</h3><p>{html.text(description)}</p>{row}{facts}"


def recent(latest: Sequence[RunRecord]) -> str:
    """The latest runs; empty if there are none."""
    if not latest:
        return ""
    lines = "".join(
        f'<div class="rs-item"><a href="runs?run={html.text(run.id)}"><b>{html.text(run.name, 60)}</b></a>'
        f"<span>{html.text(run.dataset_name, 60)} · {phrases.status_word(run)} · {phrases.ago(run.created_at)}</span></div>"
        for run in latest
    )
    return f'<h2 class="rs-section">{say("home.latest")}</h2>{lines}'
