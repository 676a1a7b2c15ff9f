"""The part of the Playground with many prompts, which is made in the browser; see app/static/batch.js."""

from typing import Any

import gradio as gr

from app.handlers.batch import MOST
from app.words import say

_SHOWN = (
    "line", "prompts", "file", "count", "held_out", "held_out_name", "unseen", "field_instead", "reading", "start", "stop", "progress",
    "starting", "title", "prompt", "expected", "order", "csv", "jsonl", "is_right", "is_wrong", "nothing", "no_prompt", "not_kept",
    "settings",
)  # fmt: skip
_ORDERS = ("order", "different", "wrong", "right")


def panel(elem_id: str) -> gr.HTML:
    """Prompts, and what the page's columns answer to them. Its event ``apply``: the page hands over what its fields say, and it begins."""
    given = (
        "columns:studio.play.columns,names:studio.play.names,settings:studio.play.settings,page:studio.play.page,ask:()=>trigger('apply')"
    )
    return gr.HTML(None, html_template="<div></div>", elem_id=elem_id, js_on_load=f"studio.batch.lay(element,{{{given}}})")


def texts() -> dict[str, Any]:
    """The texts of its script, by the names that it uses."""
    return {
        **{name: say(f"playground.batch.shown.{name}") for name in _SHOWN},
        "orders": {name: say(f"playground.batch.orders.{name}") for name in _ORDERS}, "most": MOST,
        "done": say("playground.batch.done", done="{done}", total="{total}"), "begun": say("playground.batch.begun", total="{total}"),
        "stopped": say("playground.batch.stopped", done="{done}", total="{total}"), "ended": say("playground.batch.ended", total="{total}"),
        "differs": say("playground.batch.differs", share="{share}"), "right_of": say("playground.batch.right_of", right="{right}"),
        "too_many": say("playground.batch.too_many", count="{count}", most=MOST),
    }  # fmt: skip
