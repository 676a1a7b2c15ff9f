"""The panel of mixes in the Playground, which is drawn in the browser; see app/static/play_mix.js."""

from typing import Any

import gradio as gr

from app.words import say

_PLAIN = (
    "title", "intro", "runs", "none", "alone", "choose", "full", "weights", "equal", "full_each", "zero", "no_weight", "prompts",
    "prompts_unseen", "prompts_none", "no_prompts", "try", "again", "stop", "column", "added", "columns_full", "starting", "stopped",
    "base", "mix", "stale", "name", "save", "first", "saving", "open_run", "open_play",
)  # fmt: skip


def panel(elem_id: str) -> gr.HTML:
    """The panel, of a value ``{"run", "base", "chosen"}``: the run that the page shows, its base model, and runs chosen from the start."""
    return gr.HTML(None, html_template="<div></div>", elem_id=elem_id, js_on_load="studio.mix(element,props,watch)")


def texts() -> dict[str, Any]:
    """The texts of its script, by the names that it uses; where a value belongs stands its name in braces."""
    return {
        **{name: say(f"mixes.shown.{name}") for name in _PLAIN},
        "part": say("mixes.told.part", weight="{weight}", name="{name}"), "sum": say("mixes.told.sum", sum="{sum}"),
        "run_name": say("mixes.name", parts="{parts}"),
        "weight_of": say("mixes.told.weight_of", name="{name}"), "slide_of": say("mixes.told.slide_of", name="{name}"),
        "answering": say("mixes.told.answering", done="{done}", total="{total}"),
    }  # fmt: skip
