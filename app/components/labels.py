"""Texts of the layout, which is made once for everybody: each browser shows them in its own language."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from app.words import LANGUAGES, said_in, say, translate

I18N = gr.I18n(**{language: {} for language in LANGUAGES})
"""Gradio's table of the texts below, which goes to every browser."""


def label(key: str) -> Any:
    """A text of the catalogue: a label, an info, a placeholder, or the text of a button."""
    return markup(key, lambda: say(key))


def translated(key: str, english: str) -> Any:
    """A text whose English is elsewhere, as in `app.words.translate`; empty if there is none."""
    return markup(key, lambda: translate(key, english)) if english else english


def markup(name: str, make: Callable[[], str]) -> Any:
    """HTML with texts, made once for each language; ``name`` is its key in the table."""
    for language in LANGUAGES:
        I18N.translations[language][name] = said_in(language, make)
    return I18N(name)
