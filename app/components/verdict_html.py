"""A run's verdict as HTML."""

from app.components.html import text
from app.handlers.verdict import Verdicts


def verdict(found: Verdicts | None) -> str:
    """The verdict, what it rests on, and what to do about it; empty while there is none."""
    if found is None:
        return ""
    lines = "".join(f"<p>{text(sentence)}</p>" for sentence in found.sentences)
    deeds = "".join(f'<a class="rs-button rs-deed" href="{text(deed.link)}">{text(deed.label)}</a>' for deed in found.deeds)
    after = f'<div class="rs-deeds">{deeds}</div>' if deeds else ""
    return (
        f'<section class="rs-verdict {found.tone}" aria-label="Verdict" data-verdict="{found.name}">'
        f"<h3>{text(found.title)}</h3>{lines}{after}</section>"
    )
