"""Sweep: several values for some settings of the Train page's form; their combinations are counted and trained together as one group."""

from functools import partial
from typing import Any

import gradio as gr

from app.components.labels import label, markup
from app.components.wiring import Page, Shown, live
from app.handlers import sweep, train
from app.pages import train_html
from app.services import Services
from app.words import phrases, say
from reft_engine import PRESETS, Setting

_OFFERED: dict[str, tuple[str, ...]] = {
    "rank": ("1", "2", "4", "8", "16"), "layers": ("all",), "positions": tuple(PRESETS),
    "learning_rate": ("0.001", "0.002", "0.004", "0.008"),
    "batch_size": ("4", "8", "16"), "epochs": ("2", "4", "8"), "seed": ("42", "43", "44"),
}  # fmt: skip
"""Values to tick; any other can be typed."""
FIELDS = tuple(f"sweep_{name}" for name in sweep.LISTED)
_NOTHING: Shown = {"sweep_start": gr.update(interactive=False)}


def lay_out(services: Services) -> dict[str, Any]:
    """A field for each setting that takes several values, the count, and the button that trains them."""
    parts: dict[str, Any] = {}
    with gr.Accordion(label("sweep.title"), open=False, elem_id="train-sweep"):
        rows = [train.SETTING[name] for name in sweep.LISTED]
        for index in range(0, len(rows), 2):
            with gr.Row():
                parts |= {f"sweep_{row.name}": _field(row) for row in rows[index : index + 2]}
        parts["sweep_count"] = gr.HTML(elem_id="train-sweep-count")
        parts["sweep_start"] = gr.Button(label("sweep.start"), interactive=False, elem_id="train-sweep-start")
        parts["sweep_note"] = live("train-sweep-note")
    return {**parts, "sweep_made": gr.Textbox(visible=False)}


def _field(row: Setting) -> Any:
    choices = list(row.choices) if row.name == "method" else [(value, value) for value in _OFFERED[row.name]]
    return gr.Dropdown(
        choices, value=[], multiselect=True, allow_custom_value=row.name != "method", min_width=220,
        label=markup(f"sweep.values.{row.name}", partial(_title, row.name)),
        info=markup(f"settings.{row.name}.help", partial(train_html.info, row)), elem_id=f"train-sweep-{row.name.replace('_', '-')}",
    )  # fmt: skip


def _title(name: str) -> str:
    return say("sweep.values", setting=train.title_of(name))


def wire(page: Page, parts: dict[str, Any]) -> None:
    """Count the runs at once, and queue them when that is confirmed."""
    note, inputs = parts["sweep_note"], [*FIELDS, *train.FIELDS]
    page.on(
        [parts[name].change for name in FIELDS], _sweep_counted, inputs=["dataset", *inputs], shows=["sweep_count", "sweep_start"],
        refused=_NOTHING, note=note, trigger_mode="always_last",
    )  # fmt: skip
    page.on(
        parts["sweep_start"].click, _sweep_started, inputs=["dataset", "page_key", "name", *inputs], shows=["sweep_made"], note=note,
        leads_to="runs?group=", carrying="sweep_made", trigger_mode="once",
    )  # fmt: skip


def _plan(services: Services, values: tuple[Any, ...]) -> tuple[train.TrainForm, dict[str, str], sweep.Plan]:
    listed = {name: ",".join(map(str, value or ())) for name, value in zip(sweep.LISTED, values, strict=False)}
    form = train.form_of(values[len(FIELDS) :])
    return form, listed, sweep.plan(services, form, listed)


def _sweep_counted(services: Services, dataset_id: str | None, *values: Any) -> Shown:
    form, _, planned = _plan(services, values)
    count = len(planned.specs)
    settings = ", ".join(map(train.title_of, planned.varied))
    text = say("sweep.counted", count=count, settings=settings) if count > 1 else say("sweep.single")
    if count > 1 and (seconds := sweep.seconds_apart(services, dataset_id, form, planned)) is not None:
        text = f"{text} {say('sweep.takes', time=phrases.duration(seconds))}"
    return {
        "sweep_count": f'<p class="rs-facts">{text}</p>',
        "sweep_start": gr.update(interactive=count > 1, value=say("sweep.train", count=count) if count > 1 else say("sweep.start")),
    }


def _sweep_started(services: Services, dataset_id: str | None, page_key: str, name: str | None, *values: Any) -> Shown:
    form, listed, _ = _plan(services, values)
    return {"sweep_made": sweep.start(services, dataset_id, form, listed, page_key, name or "").id}
