"""The part of the Playground that is made in the browser: the conversation and its columns; see app/static/playground.js, play_turns.js."""

from typing import Any

import gradio as gr

from app.handlers.playground import SEEDS
from app.words import say

_SHOWN = (
    "base", "gone", "strength", "add", "runs", "untrained", "looking", "coming", "close", "where", "proof", "prove", "changed",
    "press_cell", "layers", "tokens_edited", "switches", "edit", "edit_label", "send_edited", "cancel", "again", "branch_before",
    "branch_after", "unseen", "trained", "starting", "stopped", "keep_seed", "none_chosen", "no_prompt", "rows", "rows_weighed",
    "rows_shown", "row", "busy", "weight", "row_prompt", "row_answer", "run_gone", "shots", "blend", "best", "no_blend", "row_seed",
    "no_row_seed",
)  # fmt: skip
_ACTING = ("prefix", "suffix", "none")
STRENGTHS = (-2, 3)
"""The least and the greatest strength that the page offers."""
SHOTS = (0, 100)
"""The fewest and the most rows that the page puts into a prompt."""
_ENDED = ("length", "stopped", "error")
_MANY = ("one", "both", "all")
"""Columns that answer at once."""


def columns(elem_id: str) -> gr.HTML:
    """The conversation, drawn from a `handlers.playground.offered`.

    Its events: ``apply`` when answers begin or end, ``select`` when a prompt goes back into its field, ``submit`` when a seed is kept,
    ``input`` when the page's fields get back what a conversation was held with.
    """
    events = "{busy:()=>trigger('apply'),back:()=>trigger('select'),seed:()=>trigger('submit'),fields:()=>trigger('input')}"
    return gr.HTML(None, html_template="<div></div>", elem_id=elem_id, js_on_load=f"studio.playground(element,props,watch,{events})")


def texts() -> dict[str, Any]:
    """The texts of its script, by the names that it uses."""
    return {
        **{name: say(f"playground.shown.{name}") for name in _SHOWN},
        "groups": {name: say(f"playground.groups.{name}") for name in ("prefix", "suffix")},
        "ended": {name: say(f"playground.ended.{name}") for name in _ENDED},
        "answer_letter": say("playground.told.answer_letter", letter="{letter}"),
        "mix": say("playground.told.mix", parts="{parts}"), "one_shot": say("playground.told.one_shot", name="{name}"),
        "few_shot": say("playground.told.few_shot", name="{name}", shots="{shots}"),
        "instant": say("playground.told.instant", name="{name}"),
        "reading": say("playground.told.reading", done="{done}", of="{of}"),
        "bounds": {"strength": STRENGTHS, "shots": SHOTS, "seed": (0, SEEDS - 1)},
        "only_layers": say("answering.layers", layers="{layers}"), "no_layers": say("answering.no_layers"),
        "only_groups": {name: say(f"answering.groups.{name}") for name in _ACTING},
        "shots_of": say("playground.told.shots_of", name="{name}"), "blend_of": say("playground.told.blend_of", name="{name}"),
        "row_seed_of": say("playground.told.row_seed_of", name="{name}"),
        "prove_beside": say("playground.told.prove_beside", name="{name}"),
        "no_shots": say("playground.told.no_shots", least=SHOTS[0], most=SHOTS[1]),
        "no_strength": say("playground.told.no_strength", least=STRENGTHS[0], most=STRENGTHS[1]),
        "strength_of": say("playground.told.strength_of", name="{name}"),
        "at_strength": say("playground.told.at_strength", strength="{strength}"),
        "at_step": say("playground.told.at_step", name="{name}", step="{step}"), "earlier": say("playground.told.earlier", name="{name}"),
        "step": say("playground.told.step", step="{step}"),
        "remove": say("playground.told.remove", name="{name}"), "branch": say("playground.told.branch", at="{at}", of="{of}"),
        "tokens": say("playground.told.tokens", tokens="{tokens}"), "speed": say("playground.told.speed", speed="{speed}"),
        "place": say("playground.told.place", count="{count}"), "no_seed": say("playground.told.no_seed", most=SEEDS - 1),
        **{f"{many}_answered": say(f"playground.answered.{many}", seconds="{seconds}") for many in _MANY},
        **{f"{many}_answered_with_seed": say(f"playground.drawn.{many}", seconds="{seconds}", seed="{seed}") for many in _MANY},
    }  # fmt: skip
