"""The tables of the Data page, made in the browser: a file's rows with a role in each column's head, and the rows as they are learned.

Gradio's own table has no menus in its heads and posts all its cells with each event. Both tables are drawn by app/static/table.js from
plain data. No text of a file goes through a template, which would run it.
"""

import gradio as gr

_EMPTY = "<div></div>"
SAID = "(said,...others)=>[studio.said(said),...others]"
"""Of an event: its first input is what the person has said up to this moment, which the browser knows before the server does."""

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
