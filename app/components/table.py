"""The tables of the pages Data and Dataset, made in the browser: rows of a file or of a kept dataset, and rows as they are learned.

Gradio's own table has no menus in its heads and posts all its cells with each event. These are drawn by app/static/table.js and kept.js
from plain data. No text of a file goes through a template, which would run it.
"""

import gradio as gr

_EMPTY = "<div></div>"
SAID, ASKED = (f"(said,...others)=>[studio.{name}(said),...others]" for name in ("said", "asked"))
"""Of an event: its first input is what the person has said up to this moment, which the browser knows before the server does.

`SAID` is of the rows of a file, `ASKED` of those of a kept dataset.
"""

REREAD = "(said,...others)=>[studio.reread(said),...others]"
"""The same, of an event that has the file read in another way."""


def reading() -> gr.HTML:
    """How far a file is read, with a button that ends it, shown while that takes long; see app/static/reading.js."""
    return gr.HTML("", html_template=_EMPTY, elem_id="dataset-progress", js_on_load="studio.reading(element)")


def rows_table(elem_id: str) -> gr.HTML:
    """The rows of a file as `workbench.table` gives them; None for no file.

    Its events, which have names that Gradio knows: ``input`` when a person has said something of the rows, ``select`` when other rows
    are to be shown, ``apply`` when the rows as they are learned may be other ones.
    """
    events = "{told:()=>trigger('input'),turned:()=>trigger('select'),reads:()=>trigger('apply')}"
    draws = f"studio.table(element,props,watch,{events})"
    return gr.HTML(None, html_template=_EMPTY, elem_id=elem_id, js_on_load=draws)


def learned_table(elem_id: str) -> gr.HTML:
    """The rows as they are learned: ``html``, ``caption``, ``at`` and whether there are ``later`` ones; None for none.

    Its event ``select``: another page, another order, or other words to find.
    """
    return gr.HTML(None, html_template=_EMPTY, elem_id=elem_id, js_on_load="studio.learned(element,props,watch,()=>trigger('select'))")


def kept_table(elem_id: str) -> gr.HTML:
    """The rows of a kept dataset as `kept_rows.table` gives them, to read and to change; None for none.

    Its events: ``select`` when other rows are to be shown, and at the same time ``apply``, for the rows as they are learned.
    """
    events = "{turned:()=>trigger('select'),reads:()=>trigger('apply')}"
    return gr.HTML(None, html_template=_EMPTY, elem_id=elem_id, js_on_load=f"studio.kept(element,props,watch,{events})")
