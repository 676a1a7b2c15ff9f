"""The part of the Runs page with runs side by side: curves and tables, what they answer, and how close their edits are."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from app.components import html
from app.components.labels import label, markup
from app.components.runs import compared
from app.components.wiring import HIDDEN, Page, Shown, live
from app.errors import StudioError
from app.handlers import answers_grid, compare
from app.pages import compare_html
from app.services import Services
from app.words import say, say_error

MARK = "compare:"
"""Before the ids of runs that are compared, where else the id of a run stands."""
_SMALL: dict[str, Any] = {"size": "sm", "scale": 0, "min_width": 110}
_KEPT = ("grid", "close", "angles")
"""What is asked for of a comparison, and stays while it is looked at again."""
NONE: Shown = {
    "compared": None, "grid_box": HIDDEN, "close": HIDDEN, **dict.fromkeys(("grid", "angles", "compared_before"), ""),
}  # fmt: skip
"""The part where no runs are compared."""


def lay_out() -> dict[str, Any]:
    """The parts, in the page's layout."""
    parts: dict[str, Any] = {"compared": compared("runs-compare"), "compared_before": gr.State("")}
    with gr.Column(visible=False, elem_id="compare-answers") as parts["grid_box"]:
        gr.HTML(markup("compare.grid.head", compare_html.grid_head))
        with gr.Row(elem_classes="rs-keeping"):
            sources = [(label("compare.grid.from_held_out"), "held_out"), (label("compare.grid.from_own"), "own")]
            parts["grid_source"] = gr.Radio(sources, value="held_out", label=label("compare.grid.source"), elem_id="compare-grid-source")
            parts["grid_count"] = gr.Number(
                10, label=label("compare.grid.count_label"), precision=0, step=1, minimum=1, maximum=answers_grid.MOST,
                elem_id="compare-grid-count",
            )  # fmt: skip
        parts["grid_prompts"] = gr.Textbox(
            label=label("compare.grid.own_label"), lines=3, max_lines=12, visible=False, max_length=100_000, elem_id="compare-grid-prompts"
        )
        with gr.Row(elem_classes="rs-keeping"):
            parts["grid_ask"] = gr.Button(label("compare.grid.ask"), variant="primary", elem_id="compare-grid-ask", **_SMALL)
            parts["grid_stop"] = gr.Button(label("compare.grid.stop"), interactive=False, elem_id="compare-grid-stop", **_SMALL)
        parts["grid_note"] = live("compare-grid-note")
        parts["grid"] = gr.HTML("", elem_id="compare-grid")
    with gr.Accordion(label("compare.close.title"), open=False, visible=False, elem_id="compare-close") as parts["close"]:
        parts["angles"] = gr.HTML("", elem_id="compare-angles")
        parts["close_note"] = live("compare-close-note")
    return parts


def wire(page: Page, parts: dict[str, Any]) -> None:
    """Bind the part's events; ``parts`` are those of the page, `lay_out`'s among them."""
    chosen = "source=>[source==='own',source!=='own'].map(visible=>({__type__:'update',visible}))"
    page.run(parts["grid_source"].input, chosen, inputs=["grid_source"], shows=["grid_prompts", "grid_count"])
    asked = page.on(
        parts["grid_ask"].click, _grid_answered, inputs=["current", "grid_source", "grid_count", "grid_prompts"],
        shows=["grid", "grid_stop"], refused={"grid": "", "grid_stop": gr.update(interactive=False)}, note=parts["grid_note"],
        concurrency_limit=8,
    )  # fmt: skip
    page.stop(parts["grid_stop"].click, [asked], lambda: {"grid_stop": gr.update(interactive=False)})
    page.on(parts["close"].expand, _angles, inputs=["current"], shows=["angles"], refused={"angles": ""}, note=parts["close_note"])


def shown(services: Services, chosen: str) -> Shown:
    """Runs side by side in place of one run, with what is shown as its ``live`` state; a sentence where they cannot be."""
    before = {**NONE, "compared_before": chosen}
    try:
        found = compare.comparison(services, compare.read_ids(chosen.removeprefix(MARK)))
    except StudioError as error:
        return {**before, "live": {"status": html.notice(say_error(error))}}
    value = {"curves": compare.curves(services, found), "top": compare_html.top(found), "tables": compare_html.tables(found)}
    boxes = {"grid_box": gr.update(visible=True), "close": gr.update(visible=True, open=False)}
    return {**before, **boxes, "live": {"status": ""}, "compared": value}


def again(found: Shown) -> Shown:
    """What is shown when the same runs are looked at again: what was asked for of them stays."""
    return {name: value for name, value in found.items() if name not in _KEPT}


def _compared(chosen: str | None) -> list[str]:
    """The runs that are compared. Raises StudioError."""
    if not chosen or not chosen.startswith(MARK):
        raise StudioError(say("compare.two"))
    return compare.read_ids(chosen.removeprefix(MARK))


def _angles(services: Services, chosen: str | None) -> Shown:
    return {"angles": compare_html.closeness(compare.closeness(services, _compared(chosen)))}


def _grid_answered(
    services: Services, chosen: str | None, source: answers_grid.Source, count: float | None, typed: str | None
) -> Iterator[Shown]:
    for found in answers_grid.fill(services, _compared(chosen), source, count, typed or ""):
        yield {"grid": compare_html.grid(found), "grid_stop": gr.update(interactive=found.done < found.total)}
