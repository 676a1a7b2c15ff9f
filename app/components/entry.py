"""The ways to bring rows in, which Home and Data share: a file, a table that is pasted, rows that are typed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.components.html import text
from app.components.labels import label, markup
from app.components.wiring import HIDDEN, Shown, live
from app.handlers.hub import COUNT, FIRST, Looked
from app.words import say

_LINES = 10
"""Rows that can be typed."""
TYPED = "() => [studio.typed()]"
"""Of an event: its input is what stands in the lines to type in."""
HUB_FIELDS = ("hub_looked", "hub", "hub_config", "hub_split", "hub_first", "hub_count")
"""Inputs of the event that reads rows of the Hub, by the names of `HubEntry.parts`."""


@dataclass(frozen=True, slots=True)
class HubEntry:
    """The parts of the way in from the Hub; ``parts`` are those that events read and show, by name."""

    parts: dict[str, Any]
    look: gr.Button
    look_note: gr.HTML
    config: gr.Dropdown
    read: gr.Button
    read_note: gr.HTML


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
    hub: HubEntry | None


def entry(more: Callable[[], None] = lambda: None, *, hub: bool) -> Entry:
    """A tab for each way, ``hub`` among them where it is offered; ``more`` lays out further ones."""
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
        from_hub = _hub() if hub else None
        more()
    return Entry(upload, upload_note, pasted, read, read_note, typed, take, take_note, from_hub)


def _hub() -> HubEntry:
    with _tab("hub"):
        with gr.Row(elem_classes="rs-keeping"):
            name = gr.Textbox(
                label=label("entry.hub.label"), info=label("entry.hub.info"), placeholder="owner/name", max_length=300,
                max_lines=1, min_width=240, elem_id="dataset-hub", scale=4,
            )  # fmt: skip
            look = gr.Button(label("entry.hub.look"), elem_id="dataset-hub-look", scale=1, min_width=120)
        look_note = live("dataset-hub-look-note")
        looked = gr.Textbox(visible=False)
        with gr.Column(visible=False) as chosen:
            with gr.Row():
                config = gr.Dropdown([], label=label("entry.hub.config"), elem_id="dataset-hub-config", min_width=160)
                split = gr.Dropdown([], label=label("entry.hub.split"), elem_id="dataset-hub-split", min_width=160)
                first = _number("first", FIRST)
                count = _number("count", COUNT)
            read = gr.Button(label("entry.hub.read"), elem_id="dataset-hub-read", scale=0, min_width=180)
        read_note = live("dataset-hub-read-note")
    fields = dict(zip(HUB_FIELDS, (looked, name, config, split, first, count), strict=True))
    return HubEntry({**fields, "hub_chosen": chosen}, look, look_note, config, read, read_note)


def _number(name: str, value: int) -> gr.Number:
    return gr.Number(value, precision=0, minimum=1, label=label(f"entry.hub.{name}"), elem_id=f"dataset-hub-{name}", min_width=120)


HUB_LOOKED: tuple[str, ...] = ("hub_looked", "hub_chosen", "hub_config", "hub_split")
"""The parts that `hub_looked` changes."""
HUB_REFUSED: Shown = {"hub_looked": "", "hub_chosen": HIDDEN}
"""What becomes of them when nothing could be looked at."""


def hub_looked(looked: Looked) -> Shown:
    """What there is of a dataset, to choose from."""
    return {
        "hub_looked": looked.model_dump_json(), "hub_chosen": gr.update(visible=True),
        "hub_config": gr.update(choices=list(looked.splits), value=looked.config), **hub_splits(looked, looked.config),
    }  # fmt: skip


def hub_splits(looked: Looked, config: str | None) -> Shown:
    """The splits of a config, to choose from."""
    config = config or looked.config
    return {"hub_split": gr.update(choices=list(looked.splits.get(config, ())), value=looked.split(config))}


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
