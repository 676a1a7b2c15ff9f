"""Presets of one's own on the Train page: save the form's settings under a name, apply, rename and delete them."""

from dataclasses import asdict
from secrets import token_hex
from typing import Any

import gradio as gr

from app.components import html
from app.components.labels import label
from app.components.wiring import HIDDEN, Page, Shown, live, opening
from app.handlers import presets, train
from app.services import Services
from app.words import say
from storage import PresetRecord

_NO_UNDO: Shown = {"presets_undoing": HIDDEN, "presets_undo_text": "", "presets_deleted": None}
_LIST = ["presets_chosen", "presets_apply", "presets_rename", "presets_delete"]


def lay_out(services: Services) -> dict[str, Any]:
    """A list of presets with what can be done with one, and a name to save the settings under."""
    with gr.Accordion(label("presets.title"), open=False, elem_id="train-presets"):
        with gr.Row(visible=False, elem_classes="rs-keeping") as undoing:
            undo_text = gr.HTML()
            undo = gr.Button(label("presets.undo"), size="sm", scale=0, min_width=100, elem_id="train-preset-undo")
        with gr.Row(elem_classes="rs-keeping"):
            chosen = gr.Dropdown(
                [], label=label("presets.chosen"), info=label("presets.info"), elem_id="train-preset", min_width=220, scale=3
            )
            apply = gr.Button(label("presets.apply"), elem_id="train-preset-apply", min_width=100, scale=1, interactive=False)
            delete = gr.Button(label("presets.delete"), elem_id="train-preset-delete", min_width=100, scale=1, interactive=False)
        note = live("train-preset-note")
        with gr.Row(elem_classes="rs-keeping"):
            name = gr.Textbox(
                label=label("presets.name"), info=label("presets.name_info"), max_length=200, elem_id="train-preset-name", min_width=220,
                scale=3,
            )  # fmt: skip
            save = gr.Button(label("presets.save"), elem_id="train-preset-save", min_width=100, scale=1)
            rename = gr.Button(label("presets.rename"), elem_id="train-preset-rename", min_width=100, scale=1, interactive=False)
        with_base = gr.Checkbox(label=label("presets.with_base"), info=label("presets.with_base_info"), elem_id="train-preset-base")
        save_note = live("train-preset-save-note")
    return {
        "presets_undoing": undoing, "presets_undo_text": undo_text, "presets_undo": undo, "presets_chosen": chosen, "presets_apply": apply,
        "presets_delete": delete, "presets_note": note, "presets_name": name, "presets_save": save, "presets_rename": rename,
        "presets_with_base": with_base, "presets_save_note": save_note,
        "presets_deleted": gr.State(None),
    }  # fmt: skip


def wire(page: Page, parts: dict[str, Any]) -> None:
    """Save, apply, rename, delete, undo."""
    note, save_note = parts["presets_note"], parts["presets_save_note"]
    page.on(opening(), _presets_opened, shows=_LIST, note=parts["presets_opened_note"])
    page.on(
        parts["presets_apply"].click, _preset_applied, inputs=["presets_chosen", *train.FIELDS], shows=["asked", *train.FIELDS], note=note,
        clears=[save_note],
    )  # fmt: skip
    page.on(
        [parts["presets_save"].click, parts["presets_name"].submit], _preset_saved,
        inputs=["presets_name", "presets_with_base", *train.FIELDS], shows=[*_LIST, "presets_name"], note=save_note, clears=[note],
    )  # fmt: skip
    page.on(
        parts["presets_rename"].click, _preset_renamed, inputs=["presets_chosen", "presets_name"], shows=[*_LIST, "presets_name"],
        note=save_note, clears=[note],
    )  # fmt: skip
    page.on(
        parts["presets_delete"].click, _preset_deleted, inputs=["presets_chosen"], shows=[*_LIST, *_NO_UNDO], note=note, clears=[save_note]
    )  # fmt: skip
    page.on(
        parts["presets_undo"].click, _preset_put_back, inputs=["presets_deleted"], shows=[*_LIST, *_NO_UNDO], note=note, clears=[save_note]
    )  # fmt: skip


def _presets_opened(services: Services) -> Shown:
    return _listed(services, None)


def _listed(services: Services, chosen: PresetRecord | None) -> Shown:
    """The presets, one of them chosen; without one there is nothing to do with them."""
    saved = presets.saved(services)
    chosen = chosen or next(iter(saved), None)
    able = gr.update(interactive=chosen is not None)
    choices = [(preset.name, preset.id) for preset in saved]
    return {
        "presets_chosen": gr.update(choices=choices, value=chosen.id if chosen else None),
        **dict.fromkeys(("presets_apply", "presets_rename", "presets_delete"), able),
    }  # fmt: skip


def _preset_applied(services: Services, preset_id: str | None, *values: Any) -> Shown:
    # Fields that stand empty are filled in by the preset, so that they are no reason to refuse it.
    form = presets.apply(services, preset_id, train.TrainForm(**dict(zip(train.FIELDS, values, strict=True))))
    return {**asdict(form), "asked": token_hex(4)}


def _preset_saved(services: Services, name: str | None, with_base: bool, *values: Any) -> Shown:
    return {**_listed(services, presets.save(services, name or "", train.form_of(values), with_base=bool(with_base))), "presets_name": ""}


def _preset_renamed(services: Services, preset_id: str | None, name: str | None) -> Shown:
    return {**_listed(services, presets.rename(services, preset_id, name or "")), "presets_name": ""}


def _preset_deleted(services: Services, preset_id: str | None) -> Shown:
    deleted = presets.delete(services, preset_id)
    text = html.notice(say("presets.deleted", name=deleted.name))
    return {**_listed(services, None), "presets_undoing": gr.update(visible=True), "presets_undo_text": text, "presets_deleted": deleted}


def _preset_put_back(services: Services, deleted: PresetRecord | None) -> Shown:
    return {**_listed(services, presets.undo(services, deleted)), **_NO_UNDO}
