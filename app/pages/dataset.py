"""Dataset: one that is kept, with its rows to see and to change, its versions, its held-out rows and the runs that learn from it."""

from typing import Any

import gradio as gr

from app.components import html
from app.components.labels import label, markup
from app.components.row_check_html import lengths, row_check
from app.components.table import ASKED, kept_table
from app.components.wiring import HIDDEN, Page, Shown, live, opening
from app.errors import StudioError
from app.handlers import datasets, kept, kept_rows, shares
from app.handlers.bases import STARTER, base_models
from app.handlers.kept import Kept
from app.handlers.kept_rows import Asked
from app.handlers.train import edit_shown
from app.pages import data_html, dataset_html
from app.services import Services
from app.words import say
from storage import NotFoundError

_METHODS = ("random", "stratified", "group", "last")
_NOTHING: Shown = {
    "top": "", "table": None, "learned": "", "report": "", "check": "", "sides": "", "versions": "",
    **dict.fromkeys(("saving", "back", "counting", "dividing", "naming", "delete"), HIDDEN),
}  # fmt: skip
_ALL = ("id", "asked", "name", "tags", *_NOTHING)


def build(services: Services) -> None:
    """Lay the page out and wire it."""
    gr.HTML(markup("dataset.header", lambda: html.header("data")))
    ident, asked = gr.Textbox(visible=False), gr.Textbox(visible=False)
    opened_note = live("kept-opened-note")
    top = gr.HTML(elem_id="kept-top")
    report_note = live("kept-report-note")
    report = gr.HTML(elem_id="kept-report")
    table = kept_table("kept-table")
    table_note = live("kept-table-note")
    with gr.Row(visible=False, elem_classes="rs-keeping") as saving:
        save = gr.Button(label("kept.save"), variant="primary", elem_id="kept-save", scale=0, min_width=240)
    with gr.Row(visible=False, elem_classes="rs-keeping") as back:
        bring_back = gr.Button(label("kept.bring_back"), elem_id="kept-bring-back", scale=0, min_width=240)
    save_note = live("kept-save-note")
    with gr.Row(visible=False) as counting:
        base = gr.Dropdown(
            base_models(services.settings), value=STARTER, label=label("data.base.label"), info=label("data.base.info"),
            allow_custom_value=services.settings.local, elem_id="kept-base",
        )  # fmt: skip
    check_note = live("kept-check-note")
    check = gr.HTML(elem_id="kept-check")
    learned = gr.HTML(elem_id="kept-learned")
    learned_note = live("kept-learned-note")
    dividing = _dividing()
    versions = gr.HTML(elem_id="kept-versions")
    naming = _naming()
    with gr.Row(elem_classes="rs-keeping"):
        delete = gr.Button(label("kept.delete"), elem_id="kept-delete", visible=False, size="sm", scale=0, min_width=160)
    delete_note = live("kept-delete-note")

    page = Page(services, {
        "id": ident, "asked": asked, "top": top, "report": report, "table": table, "saving": saving, "back": back, "counting": counting,
        "base": base, "check": check, "learned": learned, "versions": versions, "delete": delete, **dividing, **naming,
    })  # fmt: skip
    again: dict[str, Any] = {"leads_to": "dataset?id=", "carrying": "id", "trigger_mode": "once"}
    page.on(opening(), _opened, shows=_ALL, refused=_NOTHING, note=opened_note)
    page.on(opening(), _reported, shows=["report", "sides"], note=report_note)
    page.on(table.select, _turned, inputs=["asked"], shows=["table"], note=table_note, js=ASKED, trigger_mode="always_last")
    # Events of their own, since the engine takes longer than the table.
    page.on(
        [table.apply, base.input], _learned, inputs=["asked", "base"], refused={"learned": ""}, note=learned_note, js=ASKED,
        trigger_mode="always_last",
    )  # fmt: skip
    page.on([base.input, opening()], _counted, inputs=["base"], refused={"check": ""}, note=check_note)
    page.on(save.click, _save, inputs=["asked"], note=save_note, js=ASKED, **again)
    page.on(bring_back.click, _bring_back, inputs=["asked"], note=save_note, js=ASKED, **again)
    page.on(
        dividing["divide"].click, _divide, inputs=["id", "method", "share", "seed"], note=dividing["divide_note"], **again
    )  # fmt: skip
    page.on(dividing["held_out"].upload, _hold_out, inputs=["id", "held_out"], note=dividing["held_out_note"], **again)
    page.on(naming["rename"].click, _rename, inputs=["id", "name", "tags"], note=naming["name_note"], **again)
    page.on(delete.click, _delete, inputs=["id"], note=delete_note, leads_to="data?binned=", carrying="id", trigger_mode="once")


def _dividing() -> dict[str, Any]:
    """The ways to divide the rows into those that are trained on and those that are held out."""
    parts: dict[str, Any] = {}
    with gr.Accordion(label("kept.split.title"), open=False, visible=False, elem_id="kept-dividing") as parts["dividing"]:
        parts["sides"] = gr.HTML(elem_id="kept-sides")
        with gr.Row():
            parts["method"] = gr.Dropdown(
                [(label(f"kept.way.{name}"), name) for name in _METHODS], value="random", label=label("kept.split.method"),
                info=label("kept.split.method_info"), elem_id="kept-split-method", min_width=240,
            )  # fmt: skip
            parts["share"] = gr.Number(
                10, precision=0, minimum=1, maximum=90, label=label("kept.split.share"), info=label("kept.split.share_info"),
                elem_id="kept-split-share", min_width=140,
            )  # fmt: skip
            parts["seed"] = gr.Number(
                0, precision=0, minimum=0, label=label("kept.split.seed"), info=label("kept.split.seed_info"), elem_id="kept-split-seed",
                min_width=140,
            )  # fmt: skip
        parts["divide"] = gr.Button(label("kept.split.button"), elem_id="kept-divide", scale=0, min_width=200)
        parts["divide_note"] = live("kept-divide-note")
        parts["held_out"] = gr.File(label=label("kept.split.file"), elem_id="kept-held-out-file", type="filepath", height=120)
        parts["held_out_note"] = live("kept-held-out-note", uploads=True)
    return parts


def _naming() -> dict[str, Any]:
    parts: dict[str, Any] = {}
    with gr.Accordion(label("kept.naming.title"), open=False, visible=False, elem_id="kept-naming") as parts["naming"]:
        with gr.Row():
            parts["name"] = gr.Textbox(label=label("kept.naming.name"), max_length=200, elem_id="kept-name", min_width=240)
            parts["tags"] = gr.Textbox(
                label=label("kept.naming.tags"), info=label("kept.naming.tags_info"), max_length=1000, elem_id="kept-tags", min_width=240
            )
        parts["rename"] = gr.Button(label("kept.naming.button"), elem_id="kept-rename", scale=0, min_width=160)
        parts["name_note"] = live("kept-rename-note")
    return parts


# What the page shows


def _of_address(services: Services, request: gr.Request) -> Kept:
    """The dataset and the version of the address. Raises NotFoundError, StudioError."""
    asked = request.query_params
    number = asked.get("version", "")
    try:
        return kept.open_dataset(services, asked.get("id", ""), int(number) if number.isdecimal() else None)
    except NotFoundError as error:
        raise StudioError(say("kept.none")) from error


def _opened(services: Services, request: gr.Request) -> Shown:
    found = _of_address(services, request)
    asked = Asked(dataset=found.dataset.id, version=found.version.number)
    changed = found.is_current and found.dataset.binned_at is None
    return {
        "id": found.dataset.id, "asked": asked.model_dump_json(),
        "top": dataset_html.top(found, can_share=shares.can_share(services.settings)),
        "table": kept_rows.table(found, asked, kept_rows.rows_page(services, found, asked)),
        "versions": dataset_html.versions(found, _difference(services, found, request.query_params.get("against", ""))),
        "name": found.dataset.name, "tags": ", ".join(found.dataset.tags), "counting": gr.update(visible=True),
        "back": gr.update(visible=not changed and found.dataset.binned_at is None),
        **dict.fromkeys(("saving", "dividing", "naming", "delete"), gr.update(visible=changed)),
    }  # fmt: skip


def _difference(services: Services, found: Kept, number: str) -> dataset_html.Compared | None:
    """What the version of the address has other than the one that it is compared with."""
    other = next((each for each in found.versions if str(each.number) == number), None)
    return dataset_html.Compared(other.number, kept.compare(services, other.id, found.version.id)) if other else None


def _reported(services: Services, request: gr.Request) -> Shown:
    found = _of_address(services, request)
    known = kept.report(services, found)
    return {
        "report": data_html.report_items(known.items, known.answers),
        "sides": dataset_html.sides(kept.sides(services, found)),
    }


def _turned(services: Services, asked: str) -> Shown:
    now = Asked.read(asked)
    found = kept.open_dataset(services, now.dataset, now.version)
    return {"table": kept_rows.table(found, now, kept_rows.rows_page(services, found, now))}


def _learned(services: Services, asked: str, base: str | None) -> Shown:
    now = Asked.read(asked)
    found = kept.open_dataset(services, now.dataset, now.version)
    datasets.wait_for_engine(services)
    rows = kept_rows.learned(services, kept_rows.rows_page(services, found, now), found, now, base or STARTER)
    return {"learned": dataset_html.learned(rows, edit_shown(services.settings, now.positions).positions)}


def _counted(services: Services, base: str | None, request: gr.Request) -> Shown:
    found = _of_address(services, request)
    if not found.is_current:
        return {"check": ""}
    datasets.wait_for_engine(services)
    check = datasets.check_kept(services, found.dataset, base or STARTER)
    return {"check": row_check(check, filters=True) + lengths(check)}


# What a person does


def _save(services: Services, asked: str) -> Shown:
    kept_rows.save(services, Asked.read(asked))
    return {}


def _bring_back(services: Services, asked: str) -> Shown:
    now = Asked.read(asked)
    kept.bring_back(services, now.dataset, now.version)
    return {}


def _divide(services: Services, dataset_id: str, method: str, share: float | None, seed: float | None) -> Shown:
    kept.divide(services, dataset_id, kept.plan_of(method, share, seed))
    return {}


def _hold_out(services: Services, dataset_id: str, path: str | None) -> Shown:
    kept.hold_out_file(services, dataset_id, path)
    return {}


def _rename(services: Services, dataset_id: str, name: str, tags: str) -> Shown:
    kept.rename(services, dataset_id, name, tags.split(","))
    return {}


def _delete(services: Services, dataset_id: str) -> Shown:
    datasets.delete_dataset(services, dataset_id)
    return {}
