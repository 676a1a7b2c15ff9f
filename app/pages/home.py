"""Home: the purpose of the studio, the ways to bring rows in, and samples for a first run in four clicks."""

from typing import Any

import gradio as gr

from app.components import html
from app.components.entry import HUB_FIELDS, HUB_LOOKED, HUB_REFUSED, TYPED, entry, hub_looked, hub_splits
from app.components.labels import label, markup
from app.components.wiring import Page, Shown, live, opening
from app.handlers import datasets, hub, workbench
from app.pages import home_html
from app.samples import Sample, all_samples
from app.services import Services


def build(services: Services) -> None:
    """Lay the page out."""
    gr.HTML(markup("home.header", lambda: html.header("home")))
    gr.HTML(markup("home.opening", home_html.opening))
    gr.HTML(markup("home.bring_your_own", home_html.bring_your_own))
    ways, token = entry(hub=hub.is_offered(services.settings)), gr.Textbox(visible=False)
    gr.HTML(markup("home.try_samples", home_html.try_samples))
    with gr.Row(elem_classes="rs-samples", equal_height=True):
        for sample in all_samples():
            _card(services, sample)
    gr.HTML(markup("home.steps", home_html.steps))
    note = live("home-recent-note")
    page = Page(services, {
        "recent": gr.HTML(), "upload": ways.upload, "pasted": ways.pasted, "typed": ways.typed, "token": token,
        **(ways.hub.parts if ways.hub else {}),
    })  # fmt: skip
    to_data: dict[str, Any] = {"shows": ["token"], "leads_to": "data?upload=", "carrying": "token"}
    page.on(ways.upload.upload, _uploaded, inputs=["upload"], note=ways.upload_note, **to_data)
    page.on(ways.read.click, _pasted, inputs=["pasted"], note=ways.read_note, **to_data)
    page.on(ways.take.click, _typed, inputs=["typed"], note=ways.take_note, **to_data, js=TYPED)
    if ways.hub:
        page.on(ways.hub.look.click, _hub_looked, inputs=["hub"], shows=HUB_LOOKED, refused=HUB_REFUSED, note=ways.hub.look_note,
                clears=[ways.hub.read_note], show_progress="minimal")  # fmt: skip
        page.on(ways.hub.config.input, _hub_split, inputs=["hub_looked", "hub_config"], shows=["hub_split"], note=ways.hub.read_note)
        page.on(ways.hub.read.click, _hub_read, inputs=HUB_FIELDS, note=ways.hub.read_note, **to_data, show_progress="minimal")
    page.on(opening(), _recent, shows=["recent"], note=note)


def _card(services: Services, sample: Sample) -> None:
    with gr.Column(elem_classes="rs-sample", min_width=230):
        gr.HTML(markup(f"home.card.{sample.key}", lambda: home_html.sample_card(sample)))
        button = gr.Button(label("home.use_sample"), variant="primary", elem_id=f"sample-{sample.key}")
        note = live(f"sample-{sample.key}-note")
    Page(services, {}).on(button.click, _use, given=[sample.key], note=note, leads_to="train")


def _use(services: Services, key: str) -> Shown:
    datasets.use_sample(services, key)
    return {}


def _uploaded(services: Services, path: str | None) -> Shown:
    return {"token": workbench.take(services, path)}


def _pasted(services: Services, text: str) -> Shown:
    return {"token": workbench.take_paste(services, text)}


def _typed(services: Services, rows: str) -> Shown:
    return {"token": workbench.take_typed(services, rows)}


def _hub_looked(services: Services, text: str) -> Shown:
    return hub_looked(hub.look(services, text))


def _hub_split(services: Services, looked: str, config: str | None) -> Shown:
    return hub_splits(hub.Looked.read(looked), config)


def _hub_read(services: Services, looked: str, text: str, *rows: Any) -> Shown:
    return {"token": workbench.take_hub(services, looked, text, hub.rows_of(*rows))}


def _recent(services: Services) -> Shown:
    return {"recent": home_html.recent(services.storage.runs.newest(4))}
