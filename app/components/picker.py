"""The picker of the Train page, made in the browser: a row's tokens and the layers, where an edit is chosen; see app/static/picker.js.

It is drawn from plain data. No text of a row goes through a template, which would run it.
"""

from typing import Any

import gradio as gr

from app.words import say

_EMPTY = "<div></div>"
ASKED = "(asked,dataset,...others)=>[studio.picker.asked(dataset),dataset,...others]"
"""Of an event whose first input is which row the person asks for, which only the browser knows, and its second the dataset."""
PICKED = "()=>studio.picker.picked()"
"""Gives what is chosen in the picker: layers, positions, and whether both ends share one edit."""
TYPED = "(...values)=>{studio.picker.typed(...values);return []}"
"""Takes what stands in the fields: layers, positions, whether both ends share one edit; dataset, base model, labels and the most tokens
of a row; then whatever else decides what the edit costs."""
_PLAIN = (
    "title", "line", "loading", "retry", "rows", "shortest", "typical", "longest", "shorter", "longer", "grid", "positions", "layers",
    "edited", "partly", "unedited", "corner", "all_layers", "last_half", "middle_third", "every_fourth", "paper", "first_token",
    "last_token", "less", "more", "tied", "untied", "rule_l1", "rule_l7", "rule_f3", "rule_f5", "rule_f7", "rule_all", "rule_f5_title",
    "rule_f7_title", "key_edited", "key_first", "key_last", "key_live", "key_answer", "answer", "keep_one", "drawn", "unread",
    "no_grid",
)  # fmt: skip
"""Texts without values."""


def picker(elem_id: str) -> gr.HTML:
    """The picker, drawn from a `handlers.picker.Picture` as data; None until there is one.

    Its events: ``input`` when something else is chosen; ``submit`` once the fields hold it, unless the change of the layers' text tells of
    it; ``select`` when another row is to be shown; ``apply`` when something else is to be priced.
    """
    events = "{told:()=>trigger('input'),asks:()=>trigger('select'),costs:()=>trigger('apply'),taken:()=>trigger('submit')}"
    return gr.HTML(None, html_template=_EMPTY, elem_id=elem_id, js_on_load=f"studio.picker.draw(element,props,watch,{events})")


def figures(elem_id: str) -> gr.HTML:
    """What is chosen, in a sentence (``said``) and in figures (``facts``), and the fields that it is about; None until it is known."""
    return gr.HTML(None, html_template=_EMPTY, elem_id=elem_id, js_on_load="studio.picker.figures(element,props,watch)")


def texts() -> dict[str, Any]:
    """The picker's texts, by the names that its script uses; where a value belongs stands its name in braces."""
    return {
        **{name: say(f"picker.shown.{name}") for name in _PLAIN},
        "row": say("picker.of.row", row="{row}", rows="{rows}"),
        "size": say("picker.of.size", prompt="{prompt}", answer="{answer}"),
        "token": say("picker.of.token", token="{token}", text="{text}"),
        "token_cell": say("picker.of.token_cell", token="{token}", text="{text}", layer="{layer}"),
        "fold": say("picker.of.fold", count="{count}"),
        "fold_head": say("picker.of.fold_head", first="{first}", last="{last}"),
        "fold_cell": say("picker.of.fold_cell", first="{first}", last="{last}", layer="{layer}"),
        "layer": say("picker.of.layer", layer="{layer}"),
        "clamped": say("picker.of.clamped", rule="{rule}", count="{count}"),
        "beyond": say("picker.of.beyond", last="{last}"),
    }  # fmt: skip
