"""Show: the run of the Train page's form as command line, Python and run.yaml, in step with the form while it is open."""

from dataclasses import asdict
from typing import Any

import gradio as gr

from app.components.labels import label
from app.components.wiring import Page, Shown, live
from app.handlers import spec, train
from app.services import Services


def lay_out(services: Services) -> dict[str, Any]:
    """The accordion; its texts are drawn by app/static/spec.js."""
    with gr.Accordion(label("spec.title"), open=False, elem_id="train-spec"):
        note = live("train-spec-note")
        texts = gr.HTML(
            None, html_template="<div></div>", elem_id="train-spec-texts",
            js_on_load="studio.spec(element,props,watch,()=>trigger('expand'))",
        )  # fmt: skip
    return {"spec_texts": texts, "spec_note": note}


def wire(page: Page, parts: dict[str, Any]) -> None:
    """Show the texts when they are asked for."""
    page.on(
        parts["spec_texts"].expand, _spec_shown, inputs=["dataset", *train.FIELDS], shows=["spec_texts"], refused={"spec_texts": None},
        note=parts["spec_note"], again=False, trigger_mode="always_last",
    )  # fmt: skip


def _spec_shown(services: Services, dataset_id: str | None, *values: Any) -> Shown:
    return {"spec_texts": asdict(spec.shown(services, dataset_id, train.form_of(values)))}
