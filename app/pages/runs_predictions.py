"""The part of the Runs page with the predictions of a run: a button that asks for them, how far they are, and a table to search."""

from dataclasses import replace
from typing import Any

import gradio as gr

from app.components.labels import label
from app.components.runs import predicted
from app.components.wiring import HIDDEN, Page, Shown, live
from app.handlers import predictions
from app.handlers.predictions import Listed, State
from app.pages import predictions_html
from app.predictions import SHOWS
from app.services import Services
from app.words import say
from storage import NotFoundError, RunRecord

PAGE = 20
"""Rows that are shown at first, and more each time."""
_SMALL: dict[str, Any] = {"size": "sm", "scale": 0, "min_width": 220}
NONE: Shown = {
    "predictions_card": HIDDEN, "predictions": None, "predictions_count": PAGE,
    **dict.fromkeys(("predictions_table", "predictions_files", "predictions_search"), ""),
    **dict.fromkeys(("predictions_start", "predictions_tools", "predictions_more", "predictions_show"), HIDDEN),
}  # fmt: skip
"""The part where there is no run that has a result."""


def lay_out() -> dict[str, Any]:
    """The parts, in the page's layout."""
    parts: dict[str, Any] = {"predictions_count": gr.State(PAGE)}
    with gr.Column(visible=False, elem_id="run-predictions", elem_classes="rs-card") as parts["predictions_card"]:
        parts["predictions"] = predicted("run-predictions-told")
        parts["predictions_start"] = gr.Button(label("predictions.title"), elem_id="run-predictions-start", visible=False, **_SMALL)
        with gr.Column(visible=False) as parts["predictions_tools"]:
            parts["predictions_show"] = gr.Radio([], label=label("predictions.show"), visible=False, elem_id="run-predictions-show")
            parts["predictions_search"] = gr.Textbox(
                "", label=label("predictions.search"), max_length=1000, elem_id="run-predictions-search"
            )
        parts["predictions_table"] = gr.HTML(elem_id="run-predictions-table")
        parts["predictions_more"] = gr.Button(label("predictions.more"), elem_id="run-predictions-more", visible=False, **_SMALL)
        parts["predictions_files"] = gr.HTML(elem_id="run-predictions-files")
        parts["predictions_note"] = live("run-predictions-note")
    return parts


def wire(page: Page, parts: dict[str, Any]) -> None:
    """Bind the part's events; ``parts`` are those of the page, `lay_out`'s among them."""
    note, rows = parts["predictions_note"], ["predictions_table", "predictions_more", "predictions_count"]
    asked = ["current", "predictions_show", "predictions_search"]
    page.on(parts["predictions_start"].click, _start, inputs=["current"], shows=list(NONE), note=note, trigger_mode="once")
    page.on(parts["predictions"].apply, _followed, inputs=["current"], shows=list(NONE), note=note, again=False, trigger_mode="always_last")
    page.on(
        # Gradio tells of `input` in a text at a key alone, not of what is pasted.
        [parts["predictions_show"].input, parts["predictions_search"].change], _listed, inputs=asked, shows=rows, note=note,
        trigger_mode="always_last",
    )  # fmt: skip
    page.on(parts["predictions_more"].click, _more, inputs=[*asked, "predictions_count"], shows=rows, note=note, trigger_mode="once")


def shown(services: Services, run: RunRecord) -> Shown:
    """The predictions of a run, or how they are asked for."""
    state = predictions.state(services, run)
    if state is None:
        return NONE
    if state.made is None:
        return _without(state)
    listed = predictions.listed(services, run.id, "all", "", PAGE)
    choices = [(say(f"predictions.shows.{show}", count=listed.counts.of(show)), show) for show in SHOWS]
    return {
        **NONE, "predictions_card": gr.update(visible=True), "predictions": {"html": predictions_html.counted(listed)},
        "predictions_tools": gr.update(visible=True), "predictions_show": gr.update(choices=choices, value="all", visible=True),
        "predictions_files": predictions_html.files(listed, run.id), **_rows(listed),
    }  # fmt: skip


def _without(state: State) -> Shown:
    """Of a run whose predictions are not there yet."""
    follows = state.run if state.progress else ""
    begins = gr.update(visible=True, value=say("predictions.start", count=state.rows or 0))
    return {
        **NONE, "predictions_card": gr.update(visible=True), "predictions": {"html": predictions_html.top(state), "follows": follows},
        "predictions_start": begins if state.rows and not follows else HIDDEN,
    }  # fmt: skip


def _rows(listed: Listed) -> Shown:
    return {
        "predictions_table": predictions_html.table(listed), "predictions_count": len(listed.rows),
        "predictions_more": gr.update(visible=len(listed.rows) < listed.total),
    }  # fmt: skip


def _start(services: Services, run_id: str | None) -> Shown:
    predictions.start(services, run_id or "")
    return shown(services, services.storage.runs.get(run_id or ""))


def _followed(services: Services, run_id: str | None) -> Shown:
    """What was under way is so no longer; where it left nothing behind, the engine was restarted."""
    run = services.storage.runs.get(run_id or "")
    state = predictions.state(services, run)
    if state is None or state.made or state.progress or state.problem:
        return shown(services, run)
    return _without(replace(state, problem=say("predictions.cut_off")))


def _listed(services: Services, run_id: str | None, show: str | None, search: str | None) -> Shown:
    try:
        return _rows(predictions.listed(services, run_id or "", show, search, PAGE))
    except NotFoundError:  # the search was emptied because another run is shown, which has none
        return {}


def _more(services: Services, run_id: str | None, show: str | None, search: str | None, count: int) -> Shown:
    return _rows(predictions.listed(services, run_id or "", show, search, count + PAGE))
