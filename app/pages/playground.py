"""Playground: a conversation, answered by the base model and by others beside it, all at the same time.

The page's own script asks for the answers and draws them; see app/static/playground.js.
"""

from collections.abc import Sequence

import gradio as gr

from app.components import batch, html, mixes
from app.components.labels import label, markup
from app.components.play_panels import saved, voting
from app.components.playground import STRENGTHS, columns
from app.components.wiring import HIDDEN, Page, Shown, live, opening
from app.handlers import chats, playground
from app.handlers.mixes import MOST_PARTS
from app.services import Services
from app.words import say

_FIELDS = ["run", "prompt", "strength", "system", "temperature", "top_p", "top_k", "length", "penalty", "stop", "seed"]
"""What the script is given when something is sent or a field changes, in this order."""


def build(services: Services) -> None:
    """Lay the page out and wire it."""
    gr.HTML(markup("playground.header", lambda: html.header("playground")))
    gr.HTML(markup("playground.title", lambda: html.title(say("pages.playground"), say("playground.line"))))
    nothing = gr.HTML(visible=False)
    with gr.Column(elem_classes="rs-form") as filled:
        with gr.Row():
            run = gr.Dropdown(
                label=label("playground.run.label"), info=label("playground.run.info"), choices=[], elem_id="playground-run", scale=2,
                min_width=260,
            )  # fmt: skip
            strength = gr.Slider(
                *STRENGTHS, value=1, step=0.05, label=label("playground.strength.label"), info=label("playground.strength.info"),
                elem_id="playground-strength", scale=2, min_width=260,
            )  # fmt: skip
        run_note = live("playground-run-note")
        answers = columns("playground-columns")
        with gr.Row(elem_classes="rs-composer"):
            prompt = gr.Textbox(
                label=label("playground.prompt.label"), placeholder=label("playground.prompt.placeholder"), lines=1, max_lines=10,
                elem_id="playground-prompt", scale=5, min_width=160, autofocus=True, submit_btn=False, show_label=False,
            )  # fmt: skip
            send = gr.Button(label("playground.send"), variant="primary", elem_id="playground-send", scale=0, min_width=84)
            halt = gr.Button(label("playground.stop"), elem_id="playground-stop", interactive=False, scale=0, min_width=84)
        taken = gr.Button(label("playground.take_system"), size="sm", scale=0, visible=False, elem_id="playground-system-taken")
        taken_note = live("playground-system-note")
        with gr.Accordion(label("playground.more"), open=False) as more:
            system = gr.Textbox(
                "", label=label("playground.system.label"), info=label("playground.system.info"), lines=2, max_lines=6,
                elem_id="playground-system",
            )  # fmt: skip
            with gr.Row():
                temperature = gr.Slider(
                    0, 1.5, value=0, step=0.05, label=label("playground.temperature.label"), info=label("playground.temperature.info"),
                    elem_id="playground-temperature",
                )  # fmt: skip
                top_p = gr.Slider(
                    0.05, 1, value=0.95, step=0.05, label=label("playground.top_p.label"), info=label("playground.top_p.info"),
                    elem_id="playground-top-p",
                )  # fmt: skip
                top_k = gr.Slider(
                    0, 200, value=0, step=1, label=label("playground.top_k.label"), info=label("playground.top_k.info"),
                    elem_id="playground-top-k",
                )  # fmt: skip
                length = gr.Slider(
                    16, 512, value=128, step=16, label=label("playground.length.label"), info=label("playground.length.info"),
                    elem_id="playground-length",
                )  # fmt: skip
            with gr.Row():
                penalty = gr.Slider(
                    1, 2, value=1, step=0.05, label=label("playground.penalty.label"), info=label("playground.penalty.info"),
                    elem_id="playground-penalty",
                )  # fmt: skip
                stop = gr.Textbox(
                    "", label=label("playground.stop_texts.label"), info=label("playground.stop_texts.info"), lines=1, max_lines=8,
                    elem_id="playground-stop-texts",
                )  # fmt: skip
                # A text, since an empty number field of Gradio's is 0.
                seed = gr.Textbox(
                    "", label=label("playground.seed.label"), info=label("playground.seed.info"), max_length=20, elem_id="playground-seed",
                )  # fmt: skip
        voting("playground-vote")
        saved("playground-chats")
        with gr.Accordion(label("mixes.shown.title"), open=False, elem_id="playground-mix") as mixing:
            mix = mixes.panel("playground-mix-panel")

        with gr.Accordion(label("playground.batch.title"), open=False, elem_id="playground-batch"):
            many = batch.panel("playground-batch-panel")

    page = Page(services, {
        "nothing": nothing, "filled": filled, "run": run, "strength": strength, "prompt": prompt, "halt": halt, "answers": answers,
        "many": many,
        "taken": taken, "more": more, "system": system, "temperature": temperature, "top_p": top_p, "top_k": top_k, "length": length,
        "penalty": penalty, "stop": stop, "seed": seed, "mixing": mixing, "mix": mix,
    })  # fmt: skip
    page.on(opening(), _opened, shows=["nothing", "filled", "run", "strength", "answers", "taken", "mixing", "mix"], note=run_note)
    page.on(run.input, _picked, inputs=["run"], shows=["strength", "answers", "taken", "mix"], note=run_note, trigger_mode="always_last")
    page.on(taken.click, _system_taken, inputs=["run"], shows=["system", "more"], note=taken_note)
    page.run([send.click, prompt.submit], "(...values) => studio.play.send(...values)", inputs=_FIELDS, shows=["prompt"])
    changed = [part.change for part in (prompt, strength, system, temperature, top_p, top_k, length, penalty, stop, seed)]
    page.run(changed, "(...values) => studio.play.noted(...values)", inputs=_FIELDS)
    page.run(answers.input, "() => studio.play.fields()", shows=_FIELDS[1:])
    page.run(halt.click, "() => studio.play.stop()")
    page.run(strength.input, "(value) => studio.play.moved(value)", inputs=["strength"])
    page.run(answers.apply, "() => studio.play.halt()", shows=["halt"])
    page.run(answers.select, "() => studio.play.back()", shows=["prompt"])
    page.run(many.apply, "(...values) => studio.batch.start(...values)", inputs=_FIELDS)
    page.run(answers.submit, "() => studio.play.seed()", shows=["seed"])


def _opened(services: Services, request: gr.Request) -> Shown:
    query = dict(request.query_params)
    mixed = [each for each in query.get("mix", "").split(",") if each][:MOST_PARTS]
    asked = chats.run_of(services, query.get("chat", "")) or query.get("run") or next(iter(mixed), None)
    usable, chosen = playground.usable(services, asked), playground.pick(services, asked)
    if not usable:
        missing = html.empty(say("playground.none"), "./", say("playground.try_sample"))
        # Conversations outlive their runs.
        return {
            "nothing": gr.update(value=missing, visible=True), "filled": gr.update(visible=chats.are_there(services)),
            "run": gr.update(choices=[], value=None), "taken": HIDDEN, "answers": playground.offered(services, None),
            "mix": {"run": None, "base": "", "chosen": []},
        }  # fmt: skip
    choices = [(playground.named(run), run.id) for run in usable]
    return {
        "nothing": HIDDEN, "filled": gr.update(visible=True), "run": gr.update(choices=choices, value=chosen),
        **_picked(services, chosen, mixed), "mixing": gr.update(open=True) if mixed else gr.update(),
    }  # fmt: skip


def _picked(services: Services, run_id: str | None, mixed: Sequence[str] = ()) -> Shown:
    offered = playground.offered(services, run_id)
    edits = any(run["edits"] for run in offered["runs"] if run["id"] == run_id)
    return {
        "strength": gr.update(interactive=edits), "answers": offered,
        "taken": gr.update(visible=bool(playground.system_message(services, run_id))),
        "mix": {"run": run_id, "base": offered["base"], "chosen": list(mixed)},
    }  # fmt: skip


def _system_taken(services: Services, run_id: str | None) -> Shown:
    return {"system": playground.system_message(services, run_id), "more": gr.update(open=True)}
