"""How the studio looks: one accent colour, system fonts, light and dark."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import gradio as gr
import gradio.routes
from jinja2 import ChoiceLoader, DictLoader

from app.components import batch, chats, mixes, picker, play_panels, playground, runs, seen, votes
from app.words import LANGUAGES, said_in, say
from reft_engine.data import ROLES

STATIC = Path(__file__).parents[1] / "static"
CSS = (STATIC / "studio.css").read_text(encoding="utf-8")
_SCRIPTS = (
    "words.js", "requests.js", "alive.js", "parts.js", "server.js", "access.js", "typed.js", "reading.js", "table.js", "kept.js", "spec.js",
    "bases.js", "picker.js", "chart.js", "run_live.js", "predictions.js", "run_list.js", "compare.js",
    "play_document.js", "playground.js", "play_turns.js", "play_columns.js", "play_mix.js", "chats.js", "seen.js", "votes.js",
    "play_looks.js", "batch.js", "play_saved.js", "play_votes.js", "ended.js",
)  # fmt: skip

_TABLE = (
    "whole", "less", "line", "rows", "all_rows", "search", "earlier", "later", "template", "first", "learned",
    "order", "find", "draw_again", "kept_rows", "row", "turns", "side", "edit", "edit_keys", "changed", "undo", "drop", "put_back",
    "drop_them", "discard", "too_long_to_edit",
)  # fmt: skip
"""Texts of the tables of rows."""

_SPEC = ("title", "command", "code", "yaml", "copy", "copied", "not_copied", "download")
"""Texts of a run as text."""
_BASES = (
    "title", "unchecked", "unchecked_why", "is_here", "reads_why", "page_of", "get", "resume", "cancel", "look", "remove", "remove_yes",
    "remove_no", "fewer",
)  # fmt: skip
"""Texts of the cards of base models; those with values stand beside them."""


def head(people: str | None = None) -> str:
    """The head of each page: its scripts, preceded by their texts in every language, and by how people are told apart."""
    # A text must not be able to end the script.
    texts = json.dumps({language: said_in(language, _texts) for language in LANGUAGES}).replace("<", r"\u003c")
    known = people in ("team", "proxy")
    names = [*_SCRIPTS, *(["person.js"] if known else [])]
    scripts = [f"window.texts = {texts};", f"window.people = {json.dumps(people if known else '')};"]
    scripts += [(STATIC / name).read_text(encoding="utf-8") for name in names]
    return (
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="description" content="{say("studio.line")}">' + "".join(f"<script>{script}</script>" for script in scripts)
    )


@cache
def come_first() -> None:
    """Put `frames.js` before Gradio's own scripts, once in this process: what `head` returns is run after them."""
    templates, name = gradio.routes.templates.env, "frontend/index.html"
    assert templates.loader is not None
    script = (STATIC / "frames.js").read_text(encoding="utf-8")
    page = templates.loader.get_source(templates, name)[0].replace("<head>", f"<head><script>{{% raw %}}{script}{{% endraw %}}</script>", 1)
    templates.loader = ChoiceLoader([DictLoader({name: page}), templates.loader])


def _texts() -> dict[str, Any]:
    """The texts of the scripts, by the names that they use."""
    return {
        **{name: say(f"table.shown.{name}") for name in _TABLE}, "role_of": say("table.role_of", column="{column}"),
        "pending": say("table.pending", texts="{texts}", rows="{rows}"),
        "roles": {role: say(f"table.role.{role}") for role in ROLES},
        "orders": {order: say(f"table.orders.{order}") for order in ("file", "longest", "shortest", "random", "suspicious")},
        "reading": {name: say(f"reader.shown.{name}") for name in ("title", "waits", "cancel")},
        "spec": {
            **{name: say(f"spec.shown.{name}") for name in _SPEC},
            "command_reads": say("spec.reads.command", rows="{rows}"), "code_reads": say("spec.reads.code", rows="{rows}"),
            "yaml_reads": say("spec.reads.yaml"),
        },
        "bases": {
            **{name: say(f"bases.shown.{name}") for name in _BASES}, "more": say("bases.card.more", count="{count}"),
            "arriving": say("bases.card.arriving", name="{name}"), "arrived": say("bases.card.arrived", name="{name}"),
        },
        "picker": picker.texts(), "play": playground.texts(), "chats": chats.texts(), "seen": seen.texts(), "batch": batch.texts(),
        "mixes": mixes.texts(), "blind": play_panels.texts(), **runs.texts(), **votes.texts(),
        "studio": say("studio.name"), "button": say("page.button"), "unreachable": say("page.unreachable"), "away": say("page.away"),
        "refused": say("page.refused", reload="{reload}"), "reload": say("page.reload"), "tell": say("failures.tell", number="{number}"),
        "person": {name: say(f"person.{name}") for name in ("label", "log_out", "log_in", "operators")},
        "logged_out": say("page.logged_out", log_in="{log_in}"),
    }  # fmt: skip


def theme() -> gr.themes.Base:
    """The theme; fonts are the system's own, so that no page asks the network for any."""
    sans = ["rs-emoji", "ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif"]
    mono = ["rs-emoji", "ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Liberation Mono", "monospace"]
    return gr.themes.Base(
        primary_hue=gr.themes.colors.teal, neutral_hue=gr.themes.colors.slate, radius_size=gr.themes.sizes.radius_lg,
        text_size=gr.themes.sizes.text_md, font=sans, font_mono=mono,
    ).set(
        body_background_fill="#f6f8f9", body_background_fill_dark="#0b1115", body_text_color="#17242c", body_text_color_dark="#e6edf1",
        body_text_color_subdued="#5b6b76", body_text_color_subdued_dark="#93a4b0",
        background_fill_primary="#ffffff", background_fill_primary_dark="#121b21",
        background_fill_secondary="#f6f8f9", background_fill_secondary_dark="#0f171c",
        border_color_primary="#dfe6ea", border_color_primary_dark="#25333c",
        block_background_fill="#ffffff", block_background_fill_dark="#121b21", block_border_width="1px",
        block_radius="14px", container_radius="14px", input_radius="10px", button_large_radius="10px", button_medium_radius="10px",
        button_small_radius="8px",
        block_border_color="#dfe6ea", block_border_color_dark="#25333c", block_shadow="none",
        block_label_background_fill="transparent", block_label_background_fill_dark="transparent",
        block_label_border_width="0px", block_label_text_color="#5b6b76", block_label_text_color_dark="#93a4b0",
        block_title_text_color="#17242c", block_title_text_color_dark="#e6edf1", block_title_text_weight="600",
        block_info_text_color="#5b6b76", block_info_text_color_dark="#93a4b0",
        input_border_width="1px", input_background_fill="#ffffff", input_background_fill_dark="#0f171c", input_border_color="#cfd9df",
        input_border_color_dark="#31424d", input_border_color_focus="*primary_600", input_border_color_focus_dark="*primary_400",
        button_primary_background_fill="#0f766e", button_primary_background_fill_hover="#0d635d",
        button_primary_background_fill_dark="#14b8a6", button_primary_background_fill_hover_dark="#2dd4bf",
        button_primary_text_color="#ffffff", button_primary_text_color_dark="#04201d", button_primary_border_color="transparent",
        button_secondary_background_fill="#ffffff", button_secondary_background_fill_hover="#f0f4f6",
        button_secondary_background_fill_dark="#18232a", button_secondary_background_fill_hover_dark="#203039",
        button_secondary_border_color="#cfd9df", button_secondary_border_color_dark="#31424d",
        button_cancel_text_color="#b42318", button_cancel_text_color_dark="#ff9d94",
        button_cancel_border_color="#f3c2c2", button_cancel_border_color_dark="#5f2525",
        button_large_text_weight="600", button_border_width="1px", color_accent_soft="#e3f4f2", color_accent_soft_dark="#12332f",
        checkbox_border_color="#84949f", checkbox_border_color_dark="#6b7f8c",
        slider_color="#0f766e", slider_color_dark="#14b8a6", link_text_color="#0f766e", link_text_color_dark="#2dd4bf",
    )  # fmt: skip
