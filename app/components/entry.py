"""The ways to bring rows in, which Home and Data share: a file, a table that is pasted, rows that are typed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import gradio as gr

from app.components.html import text
from app.components.labels import label, markup
from app.components.wiring import live
from app.words import say

_LINES = 10
"""Rows that can be typed."""
TYPED = "() => [studio.typed()]"
"""Of an event: its input is what stands in the lines to type in."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The parts of the ways in, and where each tells what went wrong; ``typed`` holds a JSON list of pairs."""

    upload: gr.File
    upload_note: gr.HTML
    pasted: gr.Textbox
    read: gr.Button
    read_note: gr.HTML
    typed: gr.Textbox
    take: gr.Button
    take_note: gr.HTML


def entry(more: Callable[[], None] = lambda: None) -> Entry:
    """A tab for each way; ``more`` lays out further ones."""
    with gr.Tabs(elem_id="dataset-entry", elem_classes="rs-entry"):
        with _tab("file"):
            upload = gr.File(label=label("entry.file.label"), elem_id="dataset-upload", type="filepath", height=150)
            upload_note = live("dataset-upload-note", uploads=True)
        with _tab("paste"):
            pasted = gr.Textbox(
                label=label("entry.paste.label"), info=label("entry.paste.info"), lines=5, max_lines=8, elem_id="dataset-paste",
            )  # fmt: skip
            read = gr.Button(label("entry.paste.button"), elem_id="dataset-paste-read", scale=0, min_width=180)
            read_note = live("dataset-paste-note")
        with _tab("type"):
            gr.HTML(markup("entry.type.lines", _lines), elem_id="dataset-typed")
            typed = gr.Textbox(visible=False)
            take = gr.Button(label("entry.type.button"), elem_id="dataset-typed-take", scale=0, min_width=180)
            take_note = live("dataset-typed-note")
        more()
    return Entry(upload, upload_note, pasted, read, read_note, typed, take, take_note)


@contextmanager
def _tab(name: str) -> Iterator[None]:
    with gr.Tab(label(f"entry.{name}.tab"), elem_id=f"dataset-entry-{name}"):
        yield


def _lines() -> str:
    """The lines to type in."""
    sides = say("entry.type.prompt"), say("entry.type.answer")
    heads = "".join(f'<th scope="col">{text(side)}</th>' for side in sides)
    lines = "".join(f"<tr>{''.join(_field(side, number) for side in sides)}</tr>" for number in range(1, _LINES + 1))
    return f'<table class="rs-typed"><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>'


def _field(side: str, number: int) -> str:
    named = text(say("entry.type.line", side=side, number=number))
    return f'<td><textarea rows="1" dir="auto" aria-label="{named}"></textarea></td>'
