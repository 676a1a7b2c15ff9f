"""The part of the Train page that finds a learning rate: a button with what it takes, progress, and the rates with their losses."""

from collections.abc import Iterator
from secrets import token_hex
from typing import Any

import gradio as gr

from app.components.labels import label, markup
from app.components.wiring import HIDDEN, Page, Shown, live
from app.handlers import rates, train
from app.pages import train_rates_html
from app.services import Services

_IDLE: Shown = {"rates_stop": HIDDEN, "rates_find": gr.update(interactive=True)}
_NAMES = ("rates_find", "rates_stop", "rates_about", "rates_result", "rates_note")


def lay_out(_services: Services) -> dict[str, Any]:
    """The parts, in the page's layout."""
    with gr.Column(elem_classes="rs-rates-part"):
        about = gr.HTML(markup("rates.what", lambda: train_rates_html.offered(None)), elem_id="train-rates-about")
        with gr.Row():
            find = gr.Button(label("rates.find"), size="sm", elem_id="train-rates-find")
            stop = gr.Button(label("rates.stop"), size="sm", elem_id="train-rates-stop", visible=False)
        result = gr.HTML(elem_id="train-rates-result")
        note = live("train-rates-note")
    return dict(zip(_NAMES, (find, stop, about, result, note), strict=True))


def wire(page: Page, parts: dict[str, Any]) -> None:
    """Bind the part's events; ``parts`` are those of the page, `lay_out`'s among them."""
    started = page.on(
        parts["rates_find"].click, _find, inputs=["dataset", *train.FIELDS],
        shows=["rates_find", "rates_stop", "rates_result", "learning_rate", "asked"],
        refused={**_IDLE, "rates_result": ""}, note=parts["rates_note"], trigger_mode="once",
    )  # fmt: skip
    page.stop(parts["rates_stop"].click, [started], _stopped)


def _stopped() -> Shown:
    return {**_IDLE, "rates_result": train_rates_html.stopped()}


def _find(services: Services, dataset_id: str | None, *values: Any) -> Iterator[Shown]:
    form = train.form_of(values)
    if dataset_id:
        yield {"rates_find": gr.update(interactive=False), "rates_stop": gr.update(visible=True), "rates_result": ""}
    for search in rates.find(services, dataset_id, form):
        if search.found is None:
            yield {"rates_result": train_rates_html.under_way(search)}
        else:
            rate = {} if search.found.best is None else {"learning_rate": search.found.best, "asked": token_hex(4)}
            yield {**_IDLE, **rate, "rates_result": train_rates_html.table(search.found)}
