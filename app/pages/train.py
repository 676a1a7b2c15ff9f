"""Train: choose the settings of a run, see its cost, start it with one button."""

from contextlib import suppress
from dataclasses import asdict
from functools import partial
from secrets import token_hex
from typing import Any

import gradio as gr

from app.components import html
from app.components.labels import label, markup, translated
from app.components.row_check_html import row_check
from app.components.wiring import Page, Shown, live, opening
from app.errors import StudioError
from app.handlers import datasets, train
from app.handlers.bases import STARTER
from app.pages import train_html
from app.services import Services
from app.words import say
from reft_engine import GROUPS, Setting, all_settings
from storage import DatasetRecord, NotFoundError

_MOST_CHARACTERS = 2000
_UNKNOWN: Shown = {"summary": ""}
_IDS = {"base": "base-model"}
"""Ids of elements that differ from the names of their settings."""


def build(services: Services) -> None:
    """Lay the page out and wire it."""
    gr.HTML(markup("train.header", lambda: html.header("train")))
    gr.HTML(markup("train.title", lambda: html.title(say("pages.train"), say("train.line"))))
    nothing = gr.HTML(visible=False)
    with gr.Row(elem_classes="rs-form") as form:
        with gr.Column(scale=3, min_width=300):
            fields = _fields(services)
        with gr.Column(scale=2, min_width=280, elem_classes="rs-sticky"):
            name = gr.Textbox(label=label("train.name.label"), placeholder=label("train.name.placeholder"), max_length=200)
            summary = gr.HTML(elem_id="train-summary")
            summary_note = live("train-summary-note")
            note = live("train-note")
            start = gr.Button(label("pages.train"), variant="primary", size="lg", elem_id="train-start")
    parts = {
        "form": form, "nothing": nothing, "summary": summary, "name": name, "page_key": gr.State(""), "made": gr.Textbox(visible=False),
        "start": start, **fields,
    }  # fmt: skip
    page = Page(services, parts)
    page.on(opening(), _opened, shows=["form", "nothing", "page_key", "dataset", *train.FIELDS], note=note)
    page.on(fields["dataset"].input, _picked, inputs=["dataset"], shows=train.FIELDS, note=note, trigger_mode="always_last")
    # A text that is pasted is in the box only after its input event; its change event comes later.
    pasted = [row.name for row in train.SETTINGS if row.kind == "text" and row.name != "base"]
    edited = [*(fields[name].input for name in train.FIELDS), *(fields[name].change for name in pasted)]
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
    """The dataset, and a field for each setting."""
    fields: dict[str, Any] = {}
    with gr.Group():
        fields["dataset"] = gr.Dropdown(
            label=label("train.dataset.label"), info=label("train.dataset.info"), choices=[], elem_id="train-dataset",
        )  # fmt: skip
        fields["base"] = _base(services)
    settings = all_settings()  # as they are now: a program may have added a method
    plain = [row for row in settings if not row.advanced and row.name != "base"]
    with gr.Group():
        wide = [row for row in plain if row.choices and not row.free]
        fields |= {row.name: field(row) for row in wide}
        fields |= _in_pairs([row for row in plain if row not in wide])
    with gr.Accordion(label("train.advanced"), open=False, elem_id="train-advanced"):
        for group in GROUPS:
            if rows := [row for row in settings if row.advanced and row.group == group]:
                gr.HTML(markup(f"train.group.{group}", partial(train_html.group, group)))
                fields |= _in_pairs(rows)
    return fields


def _base(services: Services) -> Any:
    models = [(say("train.base.starter"), STARTER), *((name, name) for name in services.settings.models)]
    anything = services.settings.local
    return gr.Dropdown(
        label=translated("settings.base.title", train.LABELS["base"]), choices=models, value=STARTER, allow_custom_value=anything,
        info=label("train.base.info_hub" if anything else "train.base.info"), elem_id="train-base-model",
    )  # fmt: skip


def _in_pairs(rows: list[Setting]) -> dict[str, Any]:
    """Fields two by two, which stand one below the other on a phone: words first, then numbers, then switches."""
    fields: dict[str, Any] = {}
    rows = sorted(rows, key=lambda row: {"integer": 1, "number": 1, "switch": 2}.get(row.kind, 0))
    for index in range(0, len(rows), 2):
        with gr.Row():
            fields |= {row.name: field(row) for row in rows[index : index + 2]}
    return fields


def field(row: Setting) -> Any:
    """The field of a setting."""
    value = getattr(train.TrainForm(), row.name, row.default)
    shown = {
        "label": translated(f"settings.{row.name}.title", row.title),
        "info": markup(f"settings.{row.name}.help", partial(train_html.info, row)), "min_width": 220,
        "elem_id": f"train-{_IDS.get(row.name, row.name.replace('_', '-'))}",
    }  # fmt: skip
    if row.kind == "switch":
        return gr.Checkbox(value, **shown)
    if row.kind == "choice":
        blank = [(f"{row.blank[:1].upper()}{row.blank[1:]}", "")] if row.optional else []
        return gr.Dropdown([*blank, *row.choices], value=value, allow_custom_value=row.free, **shown)
    if row.kind == "text":
        return gr.Textbox(value, max_length=_MOST_CHARACTERS, placeholder=row.blank, **shown)
    precision = 0 if row.kind == "integer" else None
    number = gr.Number(value, precision=precision, step=row.step, minimum=row.low, maximum=row.high, placeholder=row.blank, **shown)
    # The browser knows the range, and the spec refuses other values in a sentence. The page could not show Gradio's refusal.
    number.raise_if_out_of_bounds = lambda *_: None
    return number


def _form(values: tuple[Any, ...]) -> train.TrainForm:
    fields = dict(zip(train.FIELDS, values, strict=True))
    empty = [train.title_of(name) for name, value in fields.items() if value in (None, "") and name not in train.OPTIONAL]
    if empty:
        raise StudioError(say("train.empty", field=empty[0]))
    return train.TrainForm(**fields)


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
    values = train.estimate(services, dataset_id, form)
    return {"summary": train_html.estimate(values) + row_check(values.check), "start": gr.update(interactive=values.can_start)}


def _opened(services: Services, request: gr.Request) -> Shown:
    stored = services.storage.datasets.all()
    dataset, form, run_missing = _asked_for(services, request)
    choices = [(say("train.dataset.entry", name=each.name, rows=each.rows), each.id) for each in stored]
    missing = "" if stored else html.empty(say("train.no_dataset"), "data", say("home.upload"))
    if stored and run_missing:
        missing = html.notice(say("train.gone"))
    return {
        "form": gr.update(visible=bool(stored)),
        "nothing": gr.update(value=missing, visible=bool(missing)),
        "page_key": token_hex(16),
        "dataset": gr.update(choices=choices, value=dataset.id if dataset else None),
        **asdict(form),
    }


def _asked_for(services: Services, request: gr.Request) -> tuple[DatasetRecord | None, train.TrainForm, bool]:
    """The newest dataset or the one of the address, with settings that suit it; or those of the run of the address, changed as it says.

    Last whether that run is not here any more.
    """
    asked = dict(request.query_params)
    if asked.get("run"):
        with suppress(NotFoundError):  # it has been deleted; the page is of use all the same
            return *train.again(services, asked["run"], asked), False
    if asked.get("dataset"):
        with suppress(NotFoundError):
            named = services.storage.datasets.get(asked["dataset"])
            return named, train.suggested(named), False
    newest = next(iter(services.storage.datasets.all()), None)
    return newest, train.suggested(newest), bool(asked.get("run"))


def _picked(services: Services, dataset_id: str | None) -> Shown:
    return asdict(train.suggested(services.storage.datasets.get(dataset_id) if dataset_id else None))


def _start(services: Services, dataset_id: str | None, page_key: str, name: str, *values: Any) -> Shown:
    return {"made": train.start(services, dataset_id, _form(values), page_key or token_hex(16), name).id}
