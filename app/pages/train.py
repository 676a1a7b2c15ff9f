"""Train: pick what is edited and how it is trained, see what it costs, press one button."""

from contextlib import suppress
from dataclasses import asdict
from secrets import token_hex
from typing import Any

import gradio as gr

from app.components import html
from app.components.labels import markup
from app.components.row_check_html import row_check
from app.components.wiring import Page, Shown, live, opening
from app.errors import StudioError
from app.handlers import datasets, train
from app.handlers.bases import STARTER
from app.pages import train_html
from app.services import Services
from reft_engine import METHODS
from storage import DatasetRecord, NotFoundError

_LINE = "The settings suit the dataset already. Press the button, or change what you like."
_UNKNOWN: Shown = {"summary": ""}
_GONE = "The run of this address is not here any more; these are the settings that suit your newest dataset."
_NO_DATASET = "There is no dataset yet. Upload a file, or take a sample on the first page."
# Enter takes the first entry that holds what was typed, so those of one side stand before those of two.
_POSITIONS = [
    ("Only the last (l1)", "l1"), ("Last 3 (l3)", "l3"), ("Last 7 (l7)", "l7"),
    ("Only the first (f1)", "f1"), ("First 3 (f3)", "f3"), ("First 7 (f7)", "f7"),
    ("First and last (f1+l1)", "f1+l1"), ("First 3, last 3 (f3+l3)", "f3+l3"), ("First 7, last 7 (f7+l7)", "f7+l7"),
    ("Every token (all)", "all"), ("Between <reft> and </reft> (marked)", "marked"),
]  # fmt: skip


def build(services: Services) -> None:
    """Lay the page out and wire it."""
    gr.HTML(markup("train.header", lambda: html.header("train")))
    gr.HTML(html.title("Train", _LINE))
    nothing = gr.HTML(visible=False)
    with gr.Row(elem_classes="rs-form") as form:
        with gr.Column(scale=3, min_width=300):
            fields = _fields(services)
        with gr.Column(scale=2, min_width=280, elem_classes="rs-sticky"):
            name = gr.Textbox(label="Name of the run", placeholder="made up for you if you leave it empty", max_length=200)
            summary = gr.HTML(elem_id="train-summary")
            summary_note = live("train-summary-note")
            note = live("train-note")
            start = gr.Button("Train", variant="primary", size="lg", elem_id="train-start")
    parts = {
        "form": form, "nothing": nothing, "summary": summary, "name": name, "page_key": gr.State(""), "made": gr.Textbox(visible=False),
        "start": start, **fields,
    }  # fmt: skip
    page = Page(services, parts)
    page.on(opening(), _opened, shows=["form", "nothing", "page_key", "dataset", *train.FIELDS], note=note)
    page.on(fields["dataset"].input, _picked, inputs=["dataset"], shows=train.FIELDS, note=note, trigger_mode="always_last")
    # A text that is pasted is in the box only after its input event; its change event comes later.
    edited = [*(fields[name].input for name in train.FIELDS), fields["layers"].change]
    look: dict[str, Any] = {"shows": ["summary", "start"], "refused": _UNKNOWN, "note": summary_note}
    page.on(edited, _summary, inputs=["dataset", *train.FIELDS], **look, clears=[note], trigger_mode="always_last")
    # Events of their own, since counting the rows of a large dataset takes longer than filling in the form.
    page.on(opening(), _first_summary, **look)
    page.on(fields["dataset"].input, _summary_of, inputs=["dataset"], **look, trigger_mode="always_last")
    page.on(
        start.click, _start, inputs=["dataset", "page_key", "name", *train.FIELDS], shows=["made"], note=note, leads_to="runs?run=",
        carrying="made", clears=[summary_note], trigger_mode="once",
    )  # fmt: skip


def _fields(services: Services) -> dict[str, Any]:
    models = [("Starter (comes along, small and quick)", STARTER), *((name, name) for name in services.settings.models)]
    anything = services.settings.local
    found: dict[str, Any] = {}
    with gr.Group():
        found["dataset"] = gr.Dropdown(label="Dataset", info="The examples to learn from", choices=[], elem_id="train-dataset")
        found["base"] = gr.Dropdown(
            label="Base model",
            info=f"The starter knows simple English only{'; for more, type a Hub id: owner/model' if anything else ''}",
            choices=models, value=STARTER, allow_custom_value=anything, elem_id="train-base-model",
        )  # fmt: skip
    with gr.Group():
        found["method"] = gr.Dropdown(
            [(f"{method.title}, {method.help}", method.name) for method in METHODS.values()], value="loreft", label="Method",
            info="How the correction is computed; leave it when in doubt", elem_id="train-method",
        )  # fmt: skip
        with gr.Row():
            found["layers"] = gr.Textbox(
                "all", label="Layers", info="Where in the model: all, or 0;2;4 or 1-3", max_length=500, elem_id="train-layers",
                min_width=220,
            )  # fmt: skip
            found["positions"] = gr.Dropdown(
                _POSITIONS, value="f7+l7", label="Positions", info="Pieces (tokens) of the prompt that are edited",
                allow_custom_value=True, elem_id="train-positions", min_width=220,
            )  # fmt: skip
        with gr.Row():
            found["rank"] = gr.Number(4, label="Rank", info="Larger learns more, from more rows", precision=0,
                                      elem_id="train-rank")  # fmt: skip
            found["epochs"] = gr.Number(3, label="Epochs", info="Passes over all rows", precision=0,
                                        elem_id="train-epochs")  # fmt: skip
    with gr.Accordion("More settings", open=False):
        with gr.Row():
            found["learning_rate"] = gr.Number(4e-3, label="Learning rate", info="0.0009 to 0.004 is usual", step=1e-4,
                                               elem_id="train-learning-rate")  # fmt: skip
            found["batch_size"] = gr.Number(8, label="Batch size", info="Rows looked at before each correction", precision=0,
                                            elem_id="train-batch-size")  # fmt: skip
        with gr.Row():
            found["held_out"] = gr.Number(0.1, label="Held-out share", info="Rows kept away to measure with", step=0.05,
                                          elem_id="train-held-out")  # fmt: skip
            found["max_length"] = gr.Number(512, label="Longest row", info="In tokens; longer answers are cut", precision=0,
                                            elem_id="train-max-length")  # fmt: skip
        with gr.Row():
            found["keep"] = gr.Dropdown(
                [("The best edit by held-out loss", "best"), ("The last edit", "last")], value="best", label="Keep",
                info="Which edit the run ends with", elem_id="train-keep",
            )  # fmt: skip
            found["patience"] = gr.Number(0, label="Stop early", info="After so many measurements without a better one; 0 for never",
                                          precision=0, elem_id="train-patience")  # fmt: skip
        with gr.Row():
            found["dropout"] = gr.Number(0.0, label="Dropout", info="Share of the edit switched off at random while it learns",
                                         step=0.05, elem_id="train-dropout")  # fmt: skip
            found["seed"] = gr.Number(42, label="Seed", info="The same seed gives the same run", precision=0,
                                      elem_id="train-seed")  # fmt: skip
        found["tied"] = gr.Checkbox(True, label="Tied", info="One edit for first and last tokens alike; off gives each its own",
                                    elem_id="train-tied")  # fmt: skip
    return found


def _form(values: tuple[Any, ...]) -> train.TrainForm:
    given = dict(zip(train.FIELDS, values, strict=True))
    empty = [train.LABELS[name] for name, value in given.items() if value is None or value == ""]
    if empty:
        raise StudioError(f"{empty[0]} is empty; fill it in first.")
    return train.TrainForm(**given)


def _summary(services: Services, dataset_id: str | None, *values: Any) -> Shown:
    return _summarised(services, dataset_id, _form(values))


def _first_summary(services: Services, request: gr.Request) -> Shown:
    dataset, form, _ = _asked_for(services, request)
    if dataset:
        datasets.wait_for_engine(services)
    return _summarised(services, dataset.id if dataset else None, form)


def _summary_of(services: Services, dataset_id: str | None) -> Shown:
    dataset = services.storage.datasets.get(dataset_id) if dataset_id else None
    return _summarised(services, dataset_id, train.suggested(dataset))


def _summarised(services: Services, dataset_id: str | None, form: train.TrainForm) -> Shown:
    if not dataset_id:
        return {"summary": train_html.estimate(None)}
    found = train.estimate(services, dataset_id, form)
    return {"summary": train_html.estimate(found) + row_check(found.check), "start": gr.update(interactive=found.can_start)}


def _opened(services: Services, request: gr.Request) -> Shown:
    found = services.storage.datasets.all()
    dataset, form, gone = _asked_for(services, request)
    choices = [(f"{each.name} · {each.rows:,} rows", each.id) for each in found]
    missing = "" if found else html.empty(_NO_DATASET, "data", "Upload a file")
    if found and gone:
        missing = html.notice(_GONE)
    return {
        "form": gr.update(visible=bool(found)),
        "nothing": gr.update(value=missing, visible=bool(missing)),
        "page_key": token_hex(16),
        "dataset": gr.update(choices=choices, value=dataset.id if dataset else None),
        **asdict(form),
    }


def _asked_for(services: Services, request: gr.Request) -> tuple[DatasetRecord | None, train.TrainForm, bool]:
    """The newest dataset with settings that suit it, or those of the run that the address names, changed as it says.

    Last whether that run is not here any more.
    """
    asked = dict(request.query_params)
    if asked.get("run"):
        with suppress(NotFoundError):  # it has been deleted; the page is of use all the same
            return *train.again(services, asked["run"], asked), False
    newest = next(iter(services.storage.datasets.all()), None)
    return newest, train.suggested(newest), bool(asked.get("run"))


def _picked(services: Services, dataset_id: str | None) -> Shown:
    return asdict(train.suggested(services.storage.datasets.get(dataset_id) if dataset_id else None))


def _start(services: Services, dataset_id: str | None, page_key: str, name: str, *values: Any) -> Shown:
    return {"made": train.start(services, dataset_id, _form(values), page_key or token_hex(16), name).id}
