"""Data: upload a file, see how it will be trained, save it."""

from pathlib import Path

import gradio as gr

from app.components import html
from app.components.labels import label, markup
from app.components.row_check_html import row_check
from app.components.wiring import HIDDEN, Page, Shown, live, opening
from app.errors import StudioError
from app.handlers import datasets
from app.handlers.bases import STARTER, base_models
from app.pages import data_html
from app.services import Services
from app.words import say
from reft_engine import ReftError

_NOTHING = gr.update(choices=[], value=None)
_NO_FILE: Shown = {
    "guide": gr.update(visible=True), "found": "", "mapping": HIDDEN, "prompt": _NOTHING, "answer": _NOTHING, "preview": "",
    "keeping": HIDDEN, "name": "", "counting": HIDDEN,
}  # fmt: skip
_NO_ROWS: Shown = {"found": "", "preview": "", "keeping": HIDDEN, "counting": HIDDEN}
_NO_COUNT: Shown = {"check": ""}


def build(services: Services) -> None:
    """Lay the page out and wire it."""
    gr.HTML(markup("data.header", lambda: html.header("data")))
    gr.HTML(markup("data.title", lambda: html.title(say("pages.data"), say("data.line"))))
    upload = gr.File(label=label("data.upload.label"), elem_id="dataset-upload", type="filepath", height=170)
    upload_note = live("dataset-upload-note", uploads=True)
    found = gr.HTML(elem_id="dataset-found")
    guide = gr.HTML(markup("data.guide", data_html.guide))
    with gr.Row(visible=False) as mapping:
        prompt = gr.Dropdown(
            label=label("data.prompt.label"), info=label("data.prompt.info"), choices=[], value=None, elem_id="dataset-prompt"
        )
        answer = gr.Dropdown(
            label=label("data.answer.label"), info=label("data.answer.info"), choices=[], value=None, elem_id="dataset-answer"
        )
    mapping_note = live("dataset-mapping-note")
    with gr.Row(visible=False) as counting:
        base = gr.Dropdown(
            base_models(services.settings), value=STARTER, label=label("data.base.label"), info=label("data.base.info"),
            allow_custom_value=services.settings.local, elem_id="dataset-base",
        )  # fmt: skip
    check = gr.HTML(elem_id="dataset-check")
    check_note = live("dataset-check-note")
    with gr.Row(visible=False, elem_classes="rs-keeping") as keeping:
        name = gr.Textbox(label=label("data.name.label"), info=label("data.name.info"), max_length=200, elem_id="dataset-name", scale=3)
        save = gr.Button(label("data.save"), variant="primary", elem_id="dataset-save", scale=2, min_width=220)
    save_note = live("dataset-save-note")
    preview = gr.HTML(elem_id="dataset-preview")
    lists_note = live("dataset-lists-note")
    kept = gr.HTML()
    with gr.Accordion(label("data.remove.title"), open=False, visible=False, elem_id="dataset-removing") as removing:
        with gr.Row(elem_classes="rs-keeping"):
            chosen = gr.Dropdown(label=label("data.remove.dataset"), choices=[], value=None, elem_id="dataset-chosen", scale=3)
            remove = gr.Button(label("data.remove.button"), variant="stop", scale=1, min_width=120, elem_id="dataset-remove")
        remove_note = live("dataset-remove-note")

    page = Page(services, {
        "upload": upload, "found": found, "guide": guide, "mapping": mapping, "prompt": prompt, "answer": answer, "keeping": keeping,
        "name": name, "preview": preview, "counting": counting, "base": base, "check": check,
        "kept": kept, "removing": removing, "chosen": chosen,
    })  # fmt: skip
    page.on(
        upload.change, _looked_at, inputs=["upload"], note=upload_note, refused=_NO_FILE, clears=[mapping_note, save_note],
        show_progress="minimal",
    )  # fmt: skip
    page.on(
        [prompt.input, answer.input], _mapped, inputs=["upload", "prompt", "answer"], note=mapping_note, refused=_NO_ROWS,
        clears=[save_note],
    )  # fmt: skip
    # Events of their own, since counting many rows takes longer than showing the first.
    page.on(upload.change, _counted, inputs=["upload", "base"], note=check_note, refused=_NO_COUNT)
    page.on(
        [prompt.input, answer.input, base.input], _recounted, inputs=["upload", "base", "prompt", "answer"], note=check_note,
        refused=_NO_COUNT, trigger_mode="always_last",
    )  # fmt: skip
    page.on(save.click, _save, inputs=["upload", "name", "prompt", "answer"], note=save_note, leads_to="train")
    page.on(remove.click, _remove, inputs=["chosen"], shows=["kept", "chosen", "removing"], note=remove_note)
    page.on(opening(), _lists, shows=["kept", "chosen", "removing"], note=lists_note)


def _looked_at(services: Services, path: str | None) -> Shown:
    if not path:
        return _NO_FILE
    inspection = datasets.inspect_upload(path)
    columns = gr.update(choices=list(inspection.columns), value=None)
    return {
        "guide": HIDDEN,
        "found": data_html.inspection(inspection),
        "mapping": gr.update(visible=inspection.needs_mapping),
        "prompt": columns,
        "answer": columns,
        "preview": data_html.preview(datasets.preview(services, inspection.examples)),
        "keeping": gr.update(visible=bool(inspection.examples)),
        "counting": gr.update(visible=bool(inspection.examples)),
        "name": Path(path).stem[:200],
    }


def _mapped(services: Services, path: str | None, prompt: str | None, answer: str | None) -> Shown:
    if not prompt or not answer:
        return {"preview": "", "keeping": HIDDEN, "counting": HIDDEN}
    inspection = datasets.inspect_upload(path, prompt, answer)
    rows = datasets.preview(services, inspection.examples)
    return {
        "found": data_html.inspection(inspection),
        "preview": data_html.preview(rows),
        "keeping": gr.update(visible=bool(inspection.examples)),
        "counting": gr.update(visible=bool(inspection.examples)),
    }


def _counted(services: Services, path: str | None, base: str | None) -> Shown:
    return _recounted(services, path, base, None, None)


def _recounted(services: Services, path: str | None, base: str | None, prompt: str | None, answer: str | None) -> Shown:
    if not path:
        return _NO_COUNT
    try:
        inspection = datasets.inspect_upload(path, prompt, answer)
    except ReftError:  # why is said beside the file, or beside the columns
        return _NO_COUNT
    if not inspection.examples:
        return _NO_COUNT
    datasets.wait_for_engine(services)
    return {"check": row_check(datasets.check_upload(services, inspection, base or STARTER))}


def _save(services: Services, path: str | None, name: str, prompt: str | None, answer: str | None) -> Shown:
    file_name = Path(path).name if path else ""
    datasets.save_upload(services, path, label=file_name, name=name, prompt=prompt, answer=answer)
    return {}


def _remove(services: Services, dataset_id: str | None) -> Shown:
    if not dataset_id:
        raise StudioError(say("data.remove.choose"))
    datasets.delete_dataset(services, dataset_id)
    return _lists(services)


def _lists(services: Services) -> Shown:
    stored = services.storage.datasets.all()
    choices = [(dataset.name, dataset.id) for dataset in stored]
    return {
        "kept": data_html.dataset_lines(stored),
        "chosen": gr.update(choices=choices, value=None),
        "removing": gr.update(visible=bool(stored)),
    }
