"""Texts of the layout, which is made once for everybody: each browser shows them in its own language."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from app.words import LANGUAGES, said_in, say, translate

I18N = gr.I18n(**{language: {} for language in LANGUAGES})
"""Gradio's table of the texts below, which goes to every browser."""


def label(key: str) -> Any:
    """A text of the catalogue: a label, an info, a placeholder, or what a button says."""
    return markup(key, lambda: say(key))


def translated(key: str, english: str) -> Any:
    """A text whose English stands elsewhere, as of `app.words.translate`; where there is none it stays empty."""
    return markup(key, lambda: translate(key, english)) if english else english


def markup(name: str, make: Callable[[], str]) -> Any:
    """HTML that holds texts, made once in each language; ``name`` is its own."""
    for language in LANGUAGES:
        I18N.translations[language][name] = said_in(language, make)
    return I18N(name)
