"""Data: bring rows in, see how they are read and what is learned from them, keep them."""

from collections.abc import Mapping
from typing import Any

import gradio as gr

from app.components import html
from app.components.entry import HUB_FIELDS, HUB_LOOKED, HUB_REFUSED, TYPED, entry, hub_looked, hub_splits
from app.components.labels import label, markup
from app.components.row_check_html import lengths, row_check
from app.components.table import REREAD, SAID, learned_table, reading, rows_table
from app.components.wiring import HIDDEN, Page, Shown, live, opening
from app.errors import READABLE, NoAnswerError, StoppedError, StudioError
from app.handlers import datasets, disk, hub, workbench
from app.handlers.bases import STARTER, base_models
from app.handlers.workbench import Look, Said
from app.pages import data_html
from app.services import Services
from app.words import phrases, say

_KEEPING = ("reading", "encoding", "sheet", "list", "keeping", "counting")
_NO_FILE: Shown = {
    "said": "", "table": None, "found": "", "report": "", "guide": gr.update(visible=True), "preview": None, "check": "", "name": "",
    **dict.fromkeys(_KEEPING, HIDDEN),
}  # fmt: skip
_NO_ROWS: Shown = {"found": "", "report": "", "keeping": HIDDEN, "counting": HIDDEN, "preview": None, "check": ""}
_LOOK = (*_NO_FILE, "save", "delimiter", "quote", "header", "skip")
_LISTS = ("kept", "bin", "binned", "undoing", "undo_text", "deleted")
_FIELDS = ("encoding", "sheet", "list", "delimiter", "quote", "header", "skip")
"""The fields of how a file is read, by the names of `ReadOptions`."""


def build(services: Services) -> None:
    """Lay the page out and wire it."""
    gr.HTML(markup("data.header", lambda: html.header("data")))
    gr.HTML(markup("data.title", lambda: html.title(say("pages.data"), say("data.line"))))
    with gr.Row(visible=False, elem_classes="rs-keeping") as undoing:
        undo_text = gr.HTML(elem_id="dataset-deleted")
        undo = gr.Button(label("data.bin.undo"), size="sm", scale=0, min_width=100, elem_id="dataset-undo")
    undo_note, deleted = live("dataset-undo-note"), gr.Textbox(visible=False)
    ways = entry(_samples, hub=hub.is_offered(services.settings))
    reading()
    said = gr.Textbox(visible=False)
    found = gr.HTML(elem_id="dataset-found")
    opened_note = live("dataset-opened-note")
    guide = gr.HTML(markup("data.guide", data_html.guide))
    how = _how_it_is_read()
    reading_note = live("dataset-reading-note")
    report = gr.HTML(elem_id="dataset-report")
    table = rows_table("dataset-table")
    table_note = live("dataset-table-note")
    rows_note = live("dataset-rows-note")
    with gr.Row(visible=False, elem_classes="rs-keeping") as keeping:
        name = gr.Textbox(label=label("data.name.label"), info=label("data.name.info"), max_length=200, elem_id="dataset-name", scale=3)
        save = gr.Button(label("data.save"), variant="primary", elem_id="dataset-save", scale=2, min_width=220)
    save_note = live("dataset-save-note")
    with gr.Row(visible=False) as counting:
        base = gr.Dropdown(
            base_models(services.settings), value=STARTER, label=label("data.base.label"), info=label("data.base.info"),
            allow_custom_value=services.settings.local, elem_id="dataset-base",
        )  # fmt: skip
    check = gr.HTML(elem_id="dataset-check")
    check_note = live("dataset-check-note")
    preview = learned_table("dataset-preview")
    preview_note = live("dataset-preview-note")
    lists_note = live("dataset-lists-note")
    kept = gr.HTML(elem_id="dataset-kept")
    with gr.Accordion(label("data.bin.title"), open=False, visible=False, elem_id="dataset-bin") as bin_:
        binned = gr.Radio(
            label=label("data.bin.dataset"), choices=[], show_label=False, elem_classes="rs-runlist", container=False,
        )  # fmt: skip
        with gr.Row():
            restore = gr.Button(label("data.bin.restore"), size="sm", min_width=120, elem_id="dataset-restore")
            empty = gr.Button(label("data.bin.empty"), size="sm", variant="stop", min_width=160, elem_id="dataset-empty-bin")
        bin_note = live("dataset-bin-note")

    page = Page(services, {
        "upload": ways.upload, "pasted": ways.pasted, "typed": ways.typed, "said": said, "found": found, "guide": guide, "report": report,
        "table": table, "keeping": keeping, "name": name, "save": save, "counting": counting, "base": base, "check": check,
        "preview": preview, "kept": kept, "undoing": undoing, "undo_text": undo_text, "deleted": deleted, "bin": bin_, "binned": binned,
        **how, **(ways.hub.parts if ways.hub else {}),
    })  # fmt: skip
    look: dict[str, Any] = {"shows": _LOOK, "refused": _NO_FILE, "clears": [table_note, rows_note, reading_note, save_note]}
    # What arrives is taken first, which is done at once; then it is read, which the page follows and can end, since it knows its token.
    stopped = {**_NO_FILE, "upload": None}
    for trigger, taking, note, inputs, js in (
        (ways.upload.upload, _uploaded, ways.upload_note, ["upload"], None),
        (ways.read.click, _pasted, ways.read_note, ["pasted"], None),
        (ways.take.click, _typed, ways.take_note, ["typed"], TYPED),
        (opening(), _opened, opened_note, [], None),
    ):
        taken = page.on(trigger, taking, inputs=inputs, note=note, shows=["said"], refused=_NO_FILE, js=js)
        page.on(taken.success, _looked_at, inputs=["said"], note=note, **look, stopped=stopped)
    if ways.hub:
        page.on(ways.hub.look.click, _hub_looked, inputs=["hub"], shows=HUB_LOOKED, refused=HUB_REFUSED, note=ways.hub.look_note,
                clears=[ways.hub.read_note], show_progress="minimal")  # fmt: skip
        page.on(ways.hub.config.input, _hub_split, inputs=["hub_looked", "hub_config"], shows=["hub_split"], note=ways.hub.read_note)
        fetched = page.on(
            ways.hub.read.click, _hub_read, inputs=HUB_FIELDS, note=ways.hub.read_note, shows=["said"], refused=_NO_FILE,
            show_progress="minimal",
        )  # fmt: skip
        page.on(fetched.success, _looked_at, inputs=["said"], note=ways.hub.read_note, **look, stopped=stopped)
    page.show(ways.upload.clear, _NO_FILE, clears=[ways.upload_note, *look["clears"]])
    again: dict[str, Any] = {"shows": _LOOK, "refused": _NO_ROWS, "clears": [save_note], "js": SAID, "trigger_mode": "always_last"}
    page.on(table.input, _told, inputs=["said"], note=table_note, **again)
    page.on([how[field].input for field in _FIELDS], _reread, inputs=["said", *_FIELDS], note=reading_note, **{**again, "js": REREAD})
    asked: dict[str, Any] = {"js": SAID, "trigger_mode": "always_last"}
    page.on(table.select, _turned, inputs=["said"], shows=["table"], note=rows_note, **asked)
    # Events of their own, since the engine takes longer than the table.
    page.on(
        [table.apply, preview.select, base.input],
        _previewed,
        inputs=["said", "base"],
        refused={"preview": data_html.NONE_LEARNED},
        note=preview_note,
        **asked,
    )
    page.on([table.apply, base.input], _counted, inputs=["said", "base"], refused={"check": ""}, note=check_note, **asked)
    page.on(save.click, _save, inputs=["said", "name"], note=save_note, leads_to="train", js=SAID, trigger_mode="once")
    lists: dict[str, Any] = {"shows": _LISTS}
    page.on(opening(), _opened_lists, **lists, note=lists_note)
    page.on(undo.click, _restore, inputs=["deleted"], **lists, note=undo_note)
    page.on(restore.click, _restore, inputs=["binned"], **lists, note=bin_note)
    page.on(empty.click, _empty_bin, **lists, note=bin_note)


def _samples() -> None:
    with gr.Tab(label("entry.sample.tab"), elem_id="dataset-entry-sample"):
        gr.HTML(markup("data.samples", data_html.samples))


def _how_it_is_read() -> dict[str, Any]:
    """The fields of how a file is read; those that most files need none of are folded away."""
    parts: dict[str, Any] = {
        "encoding": gr.Radio(
            [], label=label("data.reading.encoding"), info=label("data.reading.encoding_info"), visible=False, elem_id="dataset-encoding"
        ),
    }  # fmt: skip
    with gr.Row():
        parts["sheet"] = gr.Dropdown([], label=label("data.reading.sheet"), visible=False, elem_id="dataset-sheet")
        parts["list"] = gr.Dropdown(
            [], label=label("data.reading.list"), info=label("data.reading.list_info"), visible=False, elem_id="dataset-list"
        )
    with gr.Accordion(label("data.reading.title"), open=False, visible=False, elem_id="dataset-reading") as parts["reading"]:
        with gr.Row():
            parts["delimiter"] = gr.Dropdown(
                data_html.delimiters(), value=",", label=label("data.reading.delimiter"), elem_id="dataset-delimiter", min_width=160
            )
            parts["quote"] = gr.Dropdown(
                data_html.quotes(), value='"', label=label("data.reading.quote"), elem_id="dataset-quote", min_width=160
            )
            parts["skip"] = gr.Number(0, precision=0, minimum=0, label=label("data.reading.skip"), elem_id="dataset-skip", min_width=120)
        parts["header"] = gr.Checkbox(True, label=label("data.reading.header"), elem_id="dataset-header")
    return parts


# A file


def _uploaded(services: Services, path: str | None) -> Shown:
    return _taken(workbench.take(services, path))


def _pasted(services: Services, text: str) -> Shown:
    return _taken(workbench.take_paste(services, text))


def _typed(services: Services, rows: str) -> Shown:
    return _taken(workbench.take_typed(services, rows))


def _hub_looked(services: Services, text: str) -> Shown:
    return hub_looked(hub.look(services, text))


def _hub_split(services: Services, looked: str, config: str | None) -> Shown:
    return hub_splits(hub.Looked.read(looked), config)


def _hub_read(services: Services, looked: str, text: str, *rows: Any) -> Shown:
    return _taken(workbench.take_hub(services, looked, text, hub.rows_of(*rows)))


def _opened(services: Services, request: gr.Request) -> Shown:
    """The upload or the sample of the address."""
    token, sample = (request.query_params.get(name, "") for name in ("upload", "sample"))
    if sample:
        return _taken(workbench.take_sample(services, sample), sample)
    if token:
        workbench.find_upload(services, token)
        return _taken(token)
    return {"said": ""}


def _taken(token: str, sample: str = "") -> Shown:
    return {"said": Said(token=token, sample=sample).model_dump_json()}


def _looked_at(services: Services, said: str) -> Shown:
    """Everything about another file."""
    if not said:
        raise NoAnswerError(say("data.upload.missing"))
    look = workbench.look(services, Said.read(said))
    return {**_seen(look, fresh=True), **_fields(look), "guide": HIDDEN, "name": look.path.stem[:200]}


def _seen(look: Look, *, fresh: bool) -> Shown:
    """What a file is as a person has said; what the engine says of it comes later."""
    count = look.inspection.usable_rows
    return {
        "said": look.said.model_dump_json(), "table": workbench.table(look, fresh=fresh), "found": data_html.found(look),
        "report": data_html.report(look), "keeping": gr.update(visible=look.can_keep), "counting": gr.update(visible=look.can_keep),
        "save": gr.update(value=say("data.keep", count=count)),
        **({} if look.can_keep else {"preview": None, "check": ""}),
    }  # fmt: skip


def _fields(look: Look) -> Shown:
    """How a file is read, in the fields for it."""
    inspection, values = look.inspection, workbench.as_shown(look.inspection)
    lists = [(say("data.reading.every"), ""), *((name, name) for name in inspection.lists)]
    shown: Shown = {
        "encoding": gr.update(
            choices=data_html.encodings(look.encodings), value=values["encoding"], visible=bool(look.encodings)
        ),
        "sheet": gr.update(choices=list(inspection.sheets), value=values["sheet"], visible=len(inspection.sheets) > 1),
        "list": gr.update(choices=lists, value=values["list"], visible=len(inspection.lists) > 1),
        "reading": gr.update(visible="delimiter" in values),
    }  # fmt: skip
    if "delimiter" in values:
        shown |= {
            "delimiter": gr.update(choices=data_html.delimiters(values["delimiter"]), value=values["delimiter"]),
            "quote": gr.update(value=values["quote"]), "header": values["header"], "skip": values["skip"],
        }  # fmt: skip
    return shown


# What is said of it


def _told(services: Services, said: str) -> Shown:
    return _seen(workbench.look(services, Said.read(said)), fresh=False)


def _reread(services: Services, said: str, *values: Any) -> Shown:
    now = Said.read(said)
    shown: Mapping[str, Any] = dict(zip(_FIELDS, values, strict=True))
    look = workbench.look(services, workbench.reread(services, now, dict(shown)))
    return {**_seen(look, fresh=True), **_fields(look)}


def _turned(services: Services, said: str) -> Shown:
    return {"table": workbench.table(workbench.look(services, Said.read(said)), fresh=False)}


def _previewed(services: Services, said: str, base: str | None) -> Shown:
    look = _readable(services, said)
    if look is None or not look.can_keep:
        return {"preview": None}
    datasets.wait_for_engine(services)
    return {"preview": data_html.learned(workbench.learned(services, look, base or STARTER))}


def _counted(services: Services, said: str, base: str | None) -> Shown:
    look = _readable(services, said)
    if look is None or not look.can_keep:
        return {"check": ""}
    datasets.wait_for_engine(services)
    check = datasets.check_upload(services, look.upload, base or STARTER)
    return {"check": row_check(check, filters=True) + lengths(check)}


def _readable(services: Services, said: str) -> Look | None:
    """The file as it is read; None if it is not, which is said beside the file or beside its table."""
    try:
        return workbench.look(services, Said.read(said)) if said else None
    except StoppedError as error:  # which is said there too
        raise NoAnswerError(str(error)) from error
    except NoAnswerError:
        raise
    except READABLE:
        return None


def _save(services: Services, said: str, name: str) -> Shown:
    workbench.keep(services, Said.read(said), name)
    return {}


def _opened_lists(services: Services, request: gr.Request) -> Shown:
    """All datasets, and the one that was just deleted, which can be taken back."""
    return _lists(services, request.query_params.get("binned", ""))


def _restore(services: Services, dataset_id: str | None) -> Shown:
    if not dataset_id:
        raise StudioError(say("data.bin.choose"))
    datasets.restore_dataset(services, dataset_id)
    return _lists(services)


def _empty_bin(services: Services) -> Shown:
    datasets.empty_bin(services)
    return _lists(services)


def _lists(services: Services, deleted: str = "") -> Shown:
    store = services.storage.datasets
    binned, kept = store.binned(), store.all()
    gone = next((dataset for dataset in binned if dataset.id == deleted), None)
    choices = [
        (say("data.bin.entry", name=phrases.short(dataset.name, 60), ago=phrases.ago(dataset.binned_at)), dataset.id)
        for dataset in binned
        if dataset.binned_at
    ]
    return {
        "kept": data_html.stored(disk.stored(services), len(kept), services.settings.of_person("person_datasets"))
        + data_html.dataset_lines(kept, store.uses([dataset.id for dataset in kept], data_html.NAMED_RUNS)),
        "bin": gr.update(visible=bool(binned), label=say("data.bin.counted", count=len(binned))),
        "binned": gr.update(choices=choices, value=binned[0].id if binned else None),
        "undoing": gr.update(visible=gone is not None),
        "undo_text": html.notice(say("data.bin.in_bin", name=gone.name)) if gone else "",
        "deleted": gone.id if gone else "",
    }
