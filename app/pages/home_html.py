"""HTML of the Home page."""

from pathlib import Path

from app.components import html
from app.samples import Sample

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


def sample_card(sample: Sample) -> str:
    """What a bundled sample teaches, with one of its rows."""
    prompt, answer = sample.example
    row = f'<div class="rs-example"><span>{html.text(prompt)}</span><b>{html.text(answer)}</b></div>'
    icon = f'<svg class="rs-icon" viewBox="0 0 24 24" aria-hidden="true">{_ICONS[sample.icon]}</svg>'
    kind = Path(sample.file).suffix[1:].upper().replace("JSONL", "JSON Lines")
    facts = f'<p class="rs-facts">{sample.rows:,} rows, {kind}</p>'
    return f"{icon}<h3>{html.text(sample.title)}</h3><p>{html.text(sample.description)}</p>{row}{facts}"
