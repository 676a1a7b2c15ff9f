"""The part of the Playground that is made in the browser: the conversation and its columns; see app/static/playground.js."""

from typing import Any

import gradio as gr

from app.words import say

_SHOWN = (
    "base", "gone", "strength", "add", "runs", "untrained", "looking", "close", "where", "proof", "prove", "changed", "press_cell",
    "layers", "tokens_edited", "switches", "edit", "edit_label", "send_edited", "cancel", "again", "branch_before", "branch_after",
    "unseen", "trained", "starting", "stopped", "keep_seed", "none_chosen", "no_prompt", "run_gone",
)  # fmt: skip
_ENDED = ("length", "stopped", "error")


def columns(elem_id: str) -> gr.HTML:
    """The conversation, drawn from a `handlers.playground.offered`.

    Its events: ``apply`` when answers begin or end, ``select`` when a prompt goes back into its field, ``submit`` when a seed is kept.
    """
    events = "{busy:()=>trigger('apply'),back:()=>trigger('select'),seed:()=>trigger('submit')}"
    return gr.HTML(None, html_template="<div></div>", elem_id=elem_id, js_on_load=f"studio.playground(element,props,watch,{events})")


def texts() -> dict[str, Any]:
    """The texts of its script, by the names that it uses."""
    return {
        **{name: say(f"playground.shown.{name}") for name in _SHOWN},
        "groups": {name: say(f"playground.groups.{name}") for name in ("prefix", "suffix")},
        "ended": {name: say(f"playground.ended.{name}") for name in _ENDED},
        "answer_letter": say("playground.blind.answer", letter="{letter}"),
        "strength_of": say("playground.shown.strength_of", name="{name}"),
        "at_strength": say("playground.shown.at_strength", strength="{strength}"),
        "at_step": say("playground.shown.at_step", name="{name}", step="{step}"), "earlier": say("playground.shown.earlier", name="{name}"),
        "mix": say("playground.shown.mix", parts="{parts}"), "one_shot": say("playground.shown.one_shot", name="{name}"),
        "few_shot": say("playground.shown.few_shot", name="{name}", shots="{shots}"),
        "instant": say("playground.shown.instant", name="{name}"),
        "shots_cost": say("playground.shown.shots_cost", rows="{rows}", prompt="{prompt}", read="{read}", mb="{mb}"),
        "shots_left": say("playground.shown.shots_left", count="{count}"), "pays_off": say("playground.shown.pays_off", count="{count}"),
        "store_cost": say("playground.shown.store_cost", blend="{blend}", rows="{rows}", mb="{mb}", seconds="{seconds}"),
        "reading": say("playground.shown.reading", done="{done}", of="{of}"),
        "step": say("playground.shown.step", step="{step}"),
        "remove": say("playground.shown.remove", name="{name}"), "branch": say("playground.shown.branch", at="{at}", of="{of}"),
        "tokens": say("playground.shown.tokens", tokens="{tokens}"), "speed": say("playground.shown.speed", speed="{speed}"),
        "place": say("playground.shown.place", count="{count}"), "no_seed": say("playground.shown.no_seed", most=2**31 - 1),
        **{
            name: say(f"playground.shown.{name}", seconds="{seconds}", **({"seed": "{seed}"} if name.endswith("seed") else {}))
            for each in ("one", "both", "all") for name in (f"{each}_answered", f"{each}_answered_with_seed")
        },
    }  # fmt: skip
