"""HTML of the Playground."""

from app.components import html


def answer(value: str, *, waiting: bool = False) -> str:
    """An answer; a caret while it is being written."""
    caret = '<span class="rs-caret"></span>' if waiting else ""
    return f'<div class="rs-answer-text">{html.text(value, 100_000)}{caret}</div>'
