"""The part of the Runs page in which a finished edit is compared with baselines: which of them, and the table of what came of them."""

from typing import Any

import gradio as gr

from app.components.labels import label
from app.components.wiring import HIDDEN, Shown, live
from app.handlers import baselines
from app.handlers.mix_parts import parts_of
from app.handlers.runs import RunView
from app.pages import baselines_html
from app.services import Services
from reft_engine import RunSpec
from storage import RunRecord, RunStatus

NONE: Shown = {"with_card": HIDDEN, "with_table": ""}
"""The part where there is no edit that has finished."""
OFFERED = ("with_about", "with_methods", "with_start")
"""What is shown once a run is chosen, and stays what a person makes of it."""


def lay_out() -> dict[str, Any]:
    """The parts, in the page's layout."""
    parts: dict[str, Any] = {}
    with gr.Column(visible=False, elem_id="run-baselines", elem_classes="rs-card") as parts["with_card"]:
        parts["with_about"] = gr.HTML(elem_id="run-baselines-about")
        parts["with_methods"] = gr.CheckboxGroup([], label=label("compare_with.methods"), elem_id="run-baselines-methods")
        parts["with_start"] = gr.Button(label("compare_with.start"), elem_id="run-baselines-start", scale=0, min_width=220)
        parts["with_note"] = live("run-baselines-note")
        parts["with_table"] = gr.HTML(elem_id="run-baselines-table")
    return parts


def offered(services: Services, run: RunRecord) -> Shown:
    """The baselines that can be compared with a run, all of them chosen, or why there are none."""
    if not _is_compared(run):
        return {}
    reason = baselines.refusal(run)
    names = () if reason else baselines.offered(services, RunSpec.read(run.spec))
    choices = [(baselines.title(name), name) for name in names]
    return {
        "with_about": baselines_html.about(run, len(names), reason), "with_start": gr.update(visible=not reason),
        "with_methods": gr.update(choices=choices, value=list(names), visible=not reason),
    }  # fmt: skip


def shown(services: Services, view: RunView) -> Shown:
    """The table of what came of the baselines, if they were asked for."""
    return {
        "with_card": gr.update(visible=_is_compared(view.run)),
        "with_table": baselines_html.table(baselines.table(services, view.run.id)) if view.compared else "",
    }  # fmt: skip


def _is_compared(run: RunRecord) -> bool:
    """Whether a run is an edit that has finished its training."""
    return run.status is RunStatus.FINISHED and "peft" not in run.spec and not parts_of(run)
