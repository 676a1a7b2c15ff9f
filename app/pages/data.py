"""Data: drop a file, see how it will be trained, keep it."""

from pathlib import Path
from typing import Any

import gradio as gr

from app.components import html
from app.components.wiring import EVENT, QUEUED, guarded
from app.errors import READABLE
from app.handlers import datasets
from app.services import Services

_LINE = "CSV, TSV, JSON, JSON Lines or Parquet. Columns with well-known names are recognised; otherwise say which is which."


def build(services: Services) -> None:
    """Lay the page out and wire it."""
    gr.HTML(html.header("Data"))
    gr.HTML(html.title("Data", _LINE))
    upload = gr.File(label="Your file", elem_id="dataset-upload", type="filepath", height=170)
    found = gr.HTML(elem_id="dataset-found")
    guide = gr.HTML(html.guide())
    with gr.Row(visible=False) as mapping:
        prompt = gr.Dropdown(label="Prompt", info="What the model is asked", choices=[], value=None, elem_id="dataset-prompt")
        answer = gr.Dropdown(label="Answer", info="What it should say", choices=[], value=None, elem_id="dataset-answer")
    with gr.Row(visible=False, elem_classes="rs-keeping") as keeping:
        name = gr.Textbox(label="Name", info="How you will find it again", max_length=200, elem_id="dataset-name", scale=3)
        save = gr.Button("Keep it and go to training", variant="primary", elem_id="dataset-save", scale=2, min_width=220)
    preview = gr.HTML(elem_id="dataset-preview")
    kept = gr.HTML()
    with gr.Accordion("Remove a dataset", open=False, visible=False) as removing, gr.Row(elem_classes="rs-keeping"):
        chosen = gr.Dropdown(label="Dataset", choices=[], value=None, elem_id="dataset-chosen", scale=3)
        remove = gr.Button("Remove", variant="stop", scale=1, min_width=120)

    shown = [found, mapping, prompt, answer, preview, keeping]
    upload.change(guarded(_looked_at, services), upload, [guide, *shown, name], **{**EVENT, "show_progress": "minimal"})
    gr.on([prompt.input, answer.input], guarded(_mapped, services), [upload, prompt, answer], [found, preview, keeping], **EVENT)
    save.click(guarded(_save, services), [upload, name, prompt, answer], **QUEUED, concurrency_limit=1).success(
        js="() => { window.location.href = 'train' }", **EVENT
    )
    lists = [kept, chosen, removing]
    remove.click(guarded(_remove, services), chosen, lists, **EVENT)
    gr.on([gr.context.Context.root_block.load], guarded(_lists, services), None, lists, **EVENT)


def _looked_at(services: Services, path: str | None) -> list[Any]:
    nothing = gr.update(choices=[], value=None)
    if not path:
        return [gr.update(visible=True), "", gr.update(visible=False), nothing, nothing, "", gr.update(visible=False), ""]
    try:
        inspection = datasets.inspect_upload(path)
    except READABLE as error:
        # The sentence stays beside the file, above what a file can look like.
        refused = html.notice(str(error), "bad")
        return [gr.update(visible=True), refused, gr.update(visible=False), nothing, nothing, "", gr.update(visible=False), ""]
    columns = list(inspection.columns)
    rows = datasets.preview(services, inspection.examples)
    return [
        gr.update(visible=False),
        html.inspection(inspection),
        gr.update(visible=inspection.needs_mapping),
        gr.update(choices=columns, value=None),
        gr.update(choices=columns, value=None),
        html.preview(rows),
        gr.update(visible=bool(inspection.examples)),
        Path(path).stem[:200],
    ]


def _mapped(services: Services, path: str | None, prompt: str | None, answer: str | None) -> list[Any]:
    if not prompt or not answer:
        return [gr.skip(), "", gr.update(visible=False)]
    inspection = datasets.inspect_upload(path, prompt, answer)
    rows = datasets.preview(services, inspection.examples)
    return [html.inspection(inspection), html.preview(rows), gr.update(visible=bool(inspection.examples))]


def _save(services: Services, path: str | None, name: str, prompt: str | None, answer: str | None) -> None:
    label = Path(path).name if path else ""
    datasets.save_upload(services, path, label=label, name=name, prompt=prompt, answer=answer)


def _remove(services: Services, dataset_id: str | None) -> list[Any]:
    if dataset_id:
        datasets.delete_dataset(services, dataset_id)
    return _lists(services)


def _lists(services: Services) -> list[Any]:
    found = services.storage.datasets.all()
    lines = "".join(html.dataset_line(dataset) for dataset in found)
    kept = f'<h2 class="rs-section">Kept datasets</h2><div>{lines}</div>' if found else ""
    choices = [(dataset.name, dataset.id) for dataset in found]
    return [kept, gr.update(choices=choices, value=None), gr.update(visible=bool(found))]
