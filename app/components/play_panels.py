"""Parts of the Playground that are made in the browser: saved conversations (play_saved.js), blind votes and fixes (play_votes.js)."""

from typing import Any

import gradio as gr

from app.words import say

_BLIND = ("toggle", "info", "from_next", "known", "tally")


def saved(elem_id: str) -> gr.HTML:
    """The saved conversations, in a fold that is closed until it has something to say."""
    return gr.HTML(None, html_template="<div></div>", elem_id=elem_id, js_on_load="studio.play.layChats(element)")


def voting(elem_id: str) -> gr.HTML:
    """Whether answers come under letters, and the votes so far."""
    return gr.HTML(None, html_template="<div></div>", elem_id=elem_id, js_on_load="studio.play.layVotes(element)")


def texts() -> dict[str, Any]:
    """The texts of its script, by the names that it uses."""
    return {**{name: say(f"playground.blind.{name}") for name in _BLIND}, "correct": say("playground.fix.correct")}
