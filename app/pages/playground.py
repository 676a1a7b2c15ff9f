"""Playground: the base model's answer and the tuned one's, side by side, streaming together."""

from collections.abc import Iterator

import gradio as gr

from app.components import html
from app.components.labels import label, markup
from app.components.wiring import HIDDEN, Page, Shown, live, opening
from app.handlers import playground
from app.pages import playground_html
from app.services import Services
from app.words import say
from storage import RunRecord

_UNSEEN_NAMES = [f"unseen{index}" for index in range(4)]
_TRAINED_NAMES = [f"trained{index}" for index in range(3)]
_CHIP_NAMES = [*_UNSEEN_NAMES, *_TRAINED_NAMES]
_UNPICKED: Shown = dict.fromkeys(["taken", "unseen", "trained", *_CHIP_NAMES], HIDDEN)
_UNANSWERED: Shown = {
    "base": playground_html.answer(""), "tuned": playground_html.answer(""), "told": "", "keeping": HIDDEN,
    "halt": gr.update(interactive=False),
}  # fmt: skip


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
                0, 2, value=1, step=0.05, label=label("playground.strength.label"), info=label("playground.strength.info"),
                elem_id="playground-strength", scale=2, min_width=260,
            )  # fmt: skip
        run_note = live("playground-run-note")
        with gr.Row(elem_classes="rs-chips"):
            unseen = gr.HTML(markup("playground.unseen", lambda: playground_html.facts(say("playground.chips.unseen"))), visible=False)
            chips = [gr.Button("", size="sm", visible=False, elem_id=f"suggestion-{index}") for index in range(len(_UNSEEN_NAMES))]
        with gr.Row(elem_classes="rs-chips"):
            trained = gr.HTML(markup("playground.trained", lambda: playground_html.facts(say("playground.chips.trained"))), visible=False)
            chips += [gr.Button("", size="sm", visible=False, elem_id=f"trained-{index}") for index in range(len(_TRAINED_NAMES))]
        with gr.Row():
            prompt = gr.Textbox(
                label=label("playground.prompt.label"), placeholder=label("playground.prompt.placeholder"), lines=1, max_lines=10,
                elem_id="playground-prompt", scale=5, min_width=260, autofocus=True, submit_btn=False,
            )  # fmt: skip
            with gr.Column(scale=1, min_width=120):
                send = gr.Button(label("playground.send"), variant="primary", elem_id="playground-send")
                halt = gr.Button(label("playground.stop"), elem_id="playground-stop", interactive=False)
        note = live("playground-note")
        with gr.Row(equal_height=True):
            with gr.Column(elem_classes="rs-pane", min_width=280):
                gr.HTML(markup("playground.base", lambda: playground_html.pane_title(say("playground.pane.base"))))
                base = gr.HTML(playground_html.answer(""), elem_id="answer-base")
            with gr.Column(elem_classes=["rs-pane", "tuned"], min_width=280):
                gr.HTML(markup("playground.tuned", lambda: playground_html.pane_title(say("playground.pane.tuned"))))
                tuned = gr.HTML(playground_html.answer(""), elem_id="answer-tuned")
        told = live("playground-told")
        keeping = gr.Button(label("playground.keep_seed"), size="sm", scale=0, visible=False, elem_id="playground-seed-kept")
        keeping_note = live("playground-seed-note")
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
                length = gr.Slider(
                    16, 512, value=128, step=16, label=label("playground.length.label"), info=label("playground.length.info"),
                    elem_id="playground-length",
                )  # fmt: skip
                # A text, since an empty number field of Gradio's is 0.
                seed = gr.Textbox(
                    "", label=label("playground.seed.label"), info=label("playground.seed.info"), max_length=20, elem_id="playground-seed",
                )  # fmt: skip

    page = Page(services, {
        "nothing": nothing, "filled": filled, "run": run, "strength": strength, "prompt": prompt, "halt": halt, "base": base,
        "tuned": tuned, "told": told, "unseen": unseen, "trained": trained,
        "taken": taken, "more": more, "system": system, "temperature": temperature, "length": length,
        "seed": seed, "keeping": keeping, "used": gr.Textbox(visible=False),
        **dict(zip(_CHIP_NAMES, chips, strict=True)),
    })  # fmt: skip
    page.on(opening(), _opened, shows=["nothing", "filled", "run"], refused=_UNPICKED, note=run_note)
    page.on(run.input, _picked, inputs=["run"], refused=_UNPICKED, note=run_note)
    page.on(taken.click, _system_taken, inputs=["run"], shows=["system", "more"], note=taken_note)
    page.on(keeping.click, _seed_kept, inputs=["used"], shows=["seed", "keeping", "more"], note=keeping_note)
    asked = [page.put(chip.click, name, "prompt").then for name, chip in zip(_CHIP_NAMES, chips, strict=True)]
    started = [
        page.on(
            triggers, _answer, inputs=["run", "prompt", "strength", "system", "temperature", "length", "seed"], shows=["used"],
            refused=_UNANSWERED, note=note, clears=[keeping_note],
            concurrency_limit=8,
        )
        for triggers in ([send.click, prompt.submit], *asked)
    ]  # fmt: skip
    page.stop(halt.click, started, _halted)


def _opened(services: Services, request: gr.Request) -> Shown:
    asked = dict(request.query_params).get("run")
    usable, chosen = playground.usable(services, asked), playground.pick(services, asked)
    choices = [(_named(run), run.id) for run in usable]
    if not usable:
        missing = html.empty(say("playground.none"), "./", say("playground.try_sample"))
        return {
            "nothing": gr.update(value=missing, visible=True),
            "filled": HIDDEN,
            "run": gr.update(choices=[], value=None),
            **_UNPICKED,
        }
    return {
        "nothing": HIDDEN,
        "filled": gr.update(visible=True),
        "run": gr.update(choices=choices, value=chosen),
        **_picked(services, chosen),
    }


def _halted() -> Shown:
    return {"told": playground_html.halted(), "halt": gr.update(interactive=False)}


def _named(run: RunRecord) -> str:
    return " · ".join([run.name, run.dataset_name, *([] if run.status.ended else [say("playground.run.training")])])


def _picked(services: Services, run_id: str | None) -> Shown:
    suggestions = playground.suggestions(services, run_id)
    offered = [*zip(_UNSEEN_NAMES, suggestions.unseen, strict=False), *zip(_TRAINED_NAMES, suggestions.trained, strict=False)]
    return {
        **_UNPICKED,
        **{name: gr.update(value=prompt, visible=True) for name, prompt in offered},
        "unseen": gr.update(visible=bool(suggestions.unseen)), "trained": gr.update(visible=bool(suggestions.trained)),
        "taken": gr.update(visible=bool(playground.system_message(services, run_id))),
    }  # fmt: skip


def _system_taken(services: Services, run_id: str | None) -> Shown:
    return {"system": playground.system_message(services, run_id), "more": gr.update(open=True)}


def _seed_kept(_services: Services, seed: str) -> Shown:
    return {"seed": seed, "keeping": HIDDEN, "more": gr.update(open=True)}


def _answer(
    services: Services, run_id: str | None, prompt: str | None, strength: float, system: str | None, temperature: float, length: float,
    seed: str | None,
) -> Iterator[Shown]:  # fmt: skip
    waiting = playground_html.answer("", waiting=True)
    yield {"base": waiting, "tuned": waiting, "told": "", "keeping": HIDDEN, "halt": gr.update(interactive=True)}
    answers = playground.answer(
        services, run_id, prompt or "", strength=strength, system=system or "", temperature=temperature, max_new_tokens=int(length),
        seed=seed or "",
    )  # fmt: skip
    # Note and button change only at the end: a late text must not undo the effect of Stop.
    for state in answers:
        shown: Shown = {
            name: playground_html.answer(text, waiting=not state.done) for name, text in (("base", state.base), ("tuned", state.tuned))
        }
        if state.note:
            shown["told"] = playground_html.facts(state.note)
        if state.done:
            shown |= {"halt": gr.update(interactive=False), "used": "" if state.seed is None else str(state.seed)}
            # A seed that a person entered is in its field already.
            shown["keeping"] = gr.update(visible=state.seed is not None and not seed)
        yield shown
