"""HTML of the Playground."""

from app.components import html
from app.words import say


def answer(value: str, *, waiting: bool = False) -> str:
    """An answer; a caret while it is being written."""
    caret = '<span class="rs-caret"></span>' if waiting else ""
    return f'<div class="rs-answer-text">{html.text(value, 100_000)}{caret}</div>'


def facts(line: str) -> str:
    """A quiet line."""
    return f'<p class="rs-facts">{html.text(line)}</p>'


def halted() -> str:
    """The note below answers that were stopped."""
    return f'<p class="rs-facts rs-halted">{say("playground.stopped")}</p>'


def pane_title(name: str) -> str:
    """Whose answer stands below."""
    return f'<div class="rs-pane-title">{html.text(name)}</div>'
