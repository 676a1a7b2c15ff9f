"""Playground: the base model's answer and the tuned one's, side by side, streaming together."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from app.components import html
from app.components.wiring import EVENT, QUEUED, guarded
from app.errors import READABLE
from app.handlers import playground
from app.services import Services

_LINE = "One prompt, two answers: the base model as it is, and the same model with your edit. Nothing else differs."
_CHIPS = 4


def build(services: Services) -> None:
    """Lay the page out and wire it."""
    gr.HTML(html.header("Playground"))
    gr.HTML(html.title("Playground", _LINE))
    nothing = gr.HTML(visible=False)
    with gr.Column(elem_classes="rs-form") as filled:
        with gr.Row():
            run = gr.Dropdown(
                label="Run", info="Whose edit answers on the right", choices=[], elem_id="playground-run", scale=2, min_width=260
            )
            strength = gr.Slider(
                0, 2, value=1, step=0.05, label="Strength", info="0 is the base model, 1 as trained, 2 twice as much",
                elem_id="playground-strength", scale=2, min_width=260,
            )  # fmt: skip
        with gr.Row(elem_classes="rs-chips"):
            chips = [gr.Button("", size="sm", visible=False, elem_id=f"suggestion-{index}") for index in range(_CHIPS)]
        with gr.Row():
            prompt = gr.Textbox(
                label="Prompt", placeholder="Ask something, press Enter…", lines=1, max_lines=10, elem_id="playground-prompt", scale=5,
                min_width=260, autofocus=True, submit_btn=False,
            )  # fmt: skip
            with gr.Column(scale=1, min_width=120):
                send = gr.Button("Send", variant="primary", elem_id="playground-send")
                halt = gr.Button("Stop", elem_id="playground-stop", interactive=False)
        with gr.Row(equal_height=True):
            with gr.Column(elem_classes="rs-pane", min_width=280):
                gr.HTML('<div class="rs-pane-title">Base model</div>')
                base = gr.HTML(html.answer(""), elem_id="answer-base")
            with gr.Column(elem_classes=["rs-pane", "tuned"], min_width=280):
                gr.HTML('<div class="rs-pane-title">Tuned</div>')
                tuned = gr.HTML(html.answer(""), elem_id="answer-tuned")
        note = gr.HTML()
        taken = gr.Button("Say the dataset's system message first", size="sm", scale=0, visible=False, elem_id="playground-system-taken")
        with gr.Accordion("More settings", open=False) as more:
            system = gr.Textbox("", label="System message", info="Said before the prompt; empty for none", lines=2, max_lines=6)
            with gr.Row():
                temperature = gr.Slider(0, 1.5, value=0, step=0.05, label="Temperature", info="0 says the likeliest; more is livelier")
                length = gr.Slider(16, 512, value=128, step=16, label="Longest answer", info="In tokens", elem_id="playground-length")

    answers = [base, tuned, note, halt]
    inputs = [run, prompt, strength, system, temperature, length]
    gr.on(
        [gr.context.Context.root_block.load], guarded(_opened, services), None, [nothing, filled, run, taken, *chips], **EVENT
    )  # fmt: skip
    run.input(guarded(_picked, services), run, [taken, *chips], **EVENT)
    taken.click(guarded(_system_taken, services), run, [system, more], **EVENT)
    ask = guarded(_answer, services)
    started = [gr.on([send.click, prompt.submit], ask, inputs, answers, **QUEUED, concurrency_limit=8)]
    for chip in chips:
        started.append(chip.click(lambda text: text, chip, prompt, **EVENT).then(ask, inputs, answers, **QUEUED, concurrency_limit=8))
    halt.click(_halted, None, [note, halt], cancels=started, **EVENT)


def _opened(services: Services, request: gr.Request) -> list[Any]:
    found = playground.usable(services)
    chosen = playground.pick(services, dict(request.query_params).get("run"))
    choices = [(f"{run.name} · {run.dataset_name}{'' if run.status.ended else ' · still training'}", run.id) for run in found]
    if not found:
        missing = html.empty("There is nothing to compare yet: train a run first.", "./", "Try a sample")
        return [gr.update(value=missing, visible=True), gr.update(visible=False), gr.update(choices=[], value=None), gr.skip(), *_chips([])]
    return [
        gr.update(visible=False), gr.update(visible=True), gr.update(choices=choices, value=chosen), *_picked(services, chosen)
    ]  # fmt: skip


def _picked(services: Services, run_id: str | None) -> list[Any]:
    return [gr.update(visible=bool(playground.system_message(services, run_id))), *_chips(playground.suggestions(services, run_id))]


def _system_taken(services: Services, run_id: str | None) -> list[Any]:
    return [playground.system_message(services, run_id), gr.update(open=True)]


def _chips(prompts: list[str]) -> list[Any]:
    shown = [gr.update(value=prompt, visible=True) for prompt in prompts[:_CHIPS]]
    return shown + [gr.update(visible=False)] * (_CHIPS - len(shown))


def _answer(
    services: Services, run_id: str | None, prompt: str | None, strength: float, system: str | None, temperature: float, length: float
) -> Iterator[list[Any]]:
    answers = playground.answer(
        services, run_id, prompt or "", strength=strength, system=system or "", temperature=temperature, max_new_tokens=int(length)
    )
    try:
        yield [html.answer("", waiting=True), html.answer("", waiting=True), "", gr.update(interactive=True)]
        yield from _grown(answers)
    except READABLE:
        # Nothing more comes: the carets go, and the sentence is shown by the page's edge.
        yield [html.answer(""), html.answer(""), "", gr.update(interactive=False)]
        raise


def _grown(answers: Iterator[playground.Answers]) -> Iterator[list[Any]]:
    """Texts as they grow. Note and button are left alone on the way: a late text must not undo what Stop has shown."""
    for found in answers:
        note = f'<p class="rs-facts">{html.text(found.note)}</p>' if found.note else gr.skip()
        base, tuned = (html.answer(text, waiting=not found.done) for text in (found.base, found.tuned))
        yield [base, tuned, note, gr.update(interactive=False) if found.done else gr.skip()]


def _halted() -> list[Any]:
    return ['<p class="rs-facts rs-halted">Stopped.</p>', gr.update(interactive=False)]
