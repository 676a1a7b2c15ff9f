"""The part of the Train page that shows where the edit will act, on one row of the dataset, and lets a person choose it there."""

from dataclasses import replace
from typing import Any

import gradio as gr

from app.components.picker import ASKED, PICKED, TYPED, figures, picker
from app.components.wiring import Page, Shown, live
from app.handlers import picker as handler
from app.handlers.train import TrainForm
from app.services import Services

ROW = ("base", "positions", "labels", "max_length")
"""Fields that decide which tokens a row has."""
COST = ("base", "method", "rank", "layers", "positions", "tied", "labels", "pooling", "max_length", "epochs", "reuse")
"""Fields that decide what an edit is and costs."""
_CHOSEN = ("layers", "positions", "tied")
_HEARD = (*_CHOSEN, "dataset", "base", "labels", "max_length", "method", "rank", "pooling", "epochs", "reuse")
"""Fields of whose values the picker hears: what is chosen, what decides the row, what it costs; see ``typed`` in app/static/picker.js."""


def lay_out(services: Services) -> dict[str, Any]:
    """The picker, what is chosen in words and figures, and where refusals stand."""
    with gr.Column(elem_classes="rs-picker-group"):
        return {
            "picker": picker("train-picker"), "picker_note": live("train-picker-note"),
            "picker_figures": figures("train-picker-figures"), "picker_figures_note": live("train-picker-figures-note"),
            "picker_asked": gr.Textbox(visible=False),
        }  # fmt: skip


def wire(page: Page, fields: dict[str, Any]) -> None:
    """Bind the events; ``fields`` are the parts of the page by name, with those of `lay_out`.

    The picker's own event ``submit`` tells others that the fields hold what was chosen in it.
    """
    # The picker itself says when another row is to be drawn or something else costs something: Gradio tells of a change several times, and
    # two fields that change at once, each asking the server, would tell of it for seconds.
    page.run([fields[name].change for name in _HEARD], TYPED, inputs=_HEARD)
    page.run(fields["picker"].input, PICKED, shows=_CHOSEN)
    page.on(
        fields["picker"].select, _drawn, inputs=["picker_asked", "dataset", *ROW], shows=["picker"], note=fields["picker_note"], js=ASKED,
        trigger_mode="always_last",
    )  # fmt: skip
    page.on(
        fields["picker"].apply, _priced, inputs=["dataset", *COST], shows=["picker_figures"], note=fields["picker_figures_note"],
        refused={"picker_figures": None}, again=False, trigger_mode="always_last",
    )  # fmt: skip


def _drawn(services: Services, asked: str, dataset_id: str | None, *values: Any) -> Shown:
    form = _form(ROW, values)
    return {"picker": handler.as_data(handler.picture(services, dataset_id, form, handler.Asked.read(asked)))}


def _priced(services: Services, dataset_id: str | None, *values: Any) -> Shown:
    found = handler.figures(services, dataset_id, _form(COST, values))
    said = dict(zip(COST, values, strict=True))
    return {
        "picker_figures": {
            "of": [said[name] for name in _CHOSEN], "said": handler.sentence(found), "facts": handler.facts(found),
            "edits": found.edit is not None, "depth": found.depth, "time": found.time,
        }
    }  # fmt: skip


def _form(names: tuple[str, ...], values: tuple[Any, ...]) -> TrainForm:
    """The form with these fields, and what it opens with for the others, whose mistakes are said elsewhere."""
    return replace(TrainForm(), **dict(zip(names, values, strict=True)))
