"""Home: what this is, and a first run in four clicks."""

import gradio as gr

from app.components import diagram, html
from app.components.wiring import Page, Shown, live, opening
from app.handlers import datasets, runs
from app.pages import home_html
from app.samples import Sample, all_samples
from app.services import Services

_HERO = """<div class="rs-hero"><div><h1>Teach a language model <br>with a spreadsheet.</h1>
<p>Give it examples of how it should answer. The studio trains a tiny {edit}, about 100 kB in seconds to minutes, and
leaves the model itself untouched. Then read both answers side by side.</p></div>{picture}</div>"""
_EDIT = html.term(
    "edit", "Representation finetuning (ReFT): a small learned correction of the model's hidden states at a few places of the prompt."
)
_STEPS = """<ol class="rs-steps">
<li><i>1</i><span><b>Pick examples</b>A sample below, or your own CSV, JSON or Parquet file.</span></li>
<li><i>2</i><span><b>Train</b>One button. It goes on in the background, even with the tab closed.</span></li>
<li><i>3</i><span><b>Compare and take it away</b>Base and tuned answer together; the edit is yours to download.</span></li></ol>"""


def build(services: Services) -> None:
    """Lay the page out."""
    gr.HTML(html.header("Home"))
    gr.HTML(_HERO.format(edit=_EDIT, picture=diagram.hidden_states()))
    gr.HTML(_STEPS)
    gr.HTML('<h2 class="rs-section">Try a sample<small>Each trains in less than a minute on the small model that comes along.</small></h2>')
    with gr.Row(elem_classes="rs-samples", equal_height=True):
        for sample in all_samples():
            _card(services, sample)
    gr.HTML('<h2 class="rs-section">Or bring your own<small>A table with a question and an answer in each row is enough.</small></h2>')
    with gr.Row():
        gr.Button("Upload a file", link="data", link_target="_self", elem_id="home-upload", scale=0, min_width=180)
    note = live("home-recent-note")
    page = Page(services, {"recent": gr.HTML()})
    page.on(opening(), _recent, shows=["recent"], note=note)


def _card(services: Services, sample: Sample) -> None:
    with gr.Column(elem_classes="rs-sample", min_width=230):
        gr.HTML(home_html.sample_card(sample))
        button = gr.Button("Use this sample", variant="primary", elem_id=f"sample-{sample.key}")
        note = live(f"sample-{sample.key}-note")
    Page(services, {}).on(button.click, _use, given=[sample.key], note=note, leads_to="train")


def _use(services: Services, key: str) -> Shown:
    datasets.use_sample(services, key)
    return {}


def _recent(services: Services) -> Shown:
    found = runs.newest(services)[:4]
    if not found:
        return {"recent": ""}
    lines = "".join(
        f'<div class="rs-item"><a href="runs?run={run.id}"><b>{html.text(run.name, 60)}</b></a>'
        f"<span>{html.text(run.dataset_name, 60)} · {html.status_word(run)} · {html.ago(run.created_at)}</span></div>"
        for run in found
    )
    return {"recent": f'<h2 class="rs-section">Your latest runs</h2>{lines}'}
