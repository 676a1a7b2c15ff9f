"""Train: what a run will learn, where it acts and what it costs, in one sentence with one button; below it every setting."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from secrets import token_hex
from typing import Any

import gradio as gr

from app.components import html
from app.components.labels import label, markup, translated
from app.components.row_check_html import row_check
from app.components.wiring import HIDDEN, Page, Shown, live, opening
from app.errors import READABLE, EngineAwayError, NoAnswerError
from app.goals import GOALS
from app.handlers import bases, datasets, objectives, rates, suggestions, train
from app.handlers.bases import STARTER
from app.pages import train_bases, train_html, train_picker, train_presets, train_rates, train_rates_html, train_spec, train_sweep
from app.services import Services
from app.words import say, say_error
from reft_engine import BASELINES, GROUPS, Setting, all_settings, title_of
from storage import DatasetRecord, NotFoundError

_MOST_CHARACTERS = 2000
_IDS = {"base": "base-model"}
"""Ids of elements that differ from the names of their settings."""
_SAID = ("sentence", "start", "changes", "back", "advanced", "objective", "learns")
_UNSAID: Shown = {"sentence": "", "estimate": ""}
_SAMPLE = "pirate"
"""The sample that is offered where there is no dataset yet."""
_LATER = "(dataset,key,name,time,...values)=>[dataset,key,name,studio.moment(time),...values]"
"""Gives the time at which the run is to begin as a moment, which only the browser can: it knows the person's clock."""
_AGAIN = "again "
"""The beginning of what is asked where nothing was changed; see `studio.askAgain`."""
_ASK = "() => studio.asks()"
"""A text that is another one each time: what is said on the page is to be looked at again."""


def build(services: Services) -> None:
    """Lay the page out and wire it."""
    gr.HTML(markup("train.header", lambda: html.header("train")))
    gr.HTML(markup("train.title", lambda: html.title(say("pages.train"), say("train.line"))))
    nothing = gr.HTML(visible=False)
    sample = gr.Button(label("train.sample"), visible=False, elem_id="train-sample")
    sample_note = live("train-sample-note")
    # What fails on opening leaves the form hidden, with all that is in it.
    opened_note, presets_opened_note, bases_opened_note = (live(f"train-{part}-note") for part in ("opened", "presets", "bases-opened"))
    with gr.Column(visible=False, elem_classes="rs-form", elem_id="train-form") as form:
        with gr.Row(elem_classes="rs-teach", elem_id="train-teach"):
            sentence = gr.HTML(elem_id="train-sentence")
            start = gr.Button(label("pages.train"), variant="primary", size="lg", elem_id="train-start", scale=0, min_width=200)
        note, summary_note = live("train-note"), live("train-summary-note")
        estimate, estimate_note = gr.HTML(elem_id="train-estimate"), live("train-estimate-note")
        fields = _fields(services)
        presets, swept, spec = (part.lay_out(services) for part in (train_presets, train_sweep, train_spec))
    asked = gr.HTML(
        "",
        html_template="<span></span>",
        elem_id="train-asked",
        elem_classes="rs-asked",
        js_on_load="studio.asking(watch,()=>trigger('apply'))",
    )
    parts = {
        "form": form, "nothing": nothing, "sample": sample, "sentence": sentence, "estimate": estimate, "start": start,
        "page_key": gr.State(""), "asked": asked, **{name: gr.Textbox(visible=False) for name in ("made", "found", "preset")}, **fields,
        **presets, **swept, **spec, "presets_opened_note": presets_opened_note,
    }  # fmt: skip
    page = Page(services, parts)
    for part in (train_picker, train_presets, train_sweep, train_spec):
        part.wire(page, parts)
    filled: dict[str, Any] = {"shows": ["goal", "about", "preset", "asked", *train.FIELDS], "note": note, "trigger_mode": "always_last"}
    page.on(opening(), _opened, shows=["form", "nothing", "sample", "page_key", "dataset", *filled["shows"]], note=opened_note)
    page.on(sample.click, _use_sample, note=sample_note, leads_to="train")
    page.on(fields["dataset"].input, _picked, inputs=["dataset", "base"], **filled)
    page.on(fields["goal"].input, _aimed, inputs=["dataset", "base", "goal"], **filled)
    chosen = train_bases.wire(page, fields, bases_opened_note)
    for named in (fields["base"].input, chosen.then):
        page.on(named, _based, inputs=["dataset", "goal", "preset", *train.FIELDS], **filled)
    page.on(fields["back"].click, _put_back, inputs=["preset"], shows=["asked", *train.FIELDS], note=note)
    page.on(fields["objective"].input, _learns, inputs=["dataset", "objective", "labels"], shows=["labels", "pairs", "asked"], note=note)
    # A text that is pasted is in the box only after its input event; its change event comes later.
    pasted = [row.name for row in train.SETTINGS if row.kind == "text" and row.name != "base"]
    for change in (*(fields[name].input for name in train.FIELDS if name != "base"), *(fields[name].change for name in pasted)):
        page.tell(change, "asked", _ASK)
    page.tell(fields["picker"].submit, "asked", _ASK)
    # What is known at once, then what the engine has to count and to time. One event each for all that can change.
    page.on(
        asked.apply, _said, inputs=["asked", "dataset", "preset", *train.FIELDS], shows=_SAID, refused=_UNSAID, note=summary_note,
        clears=[note], trigger_mode="always_last",
    )  # fmt: skip
    counted = page.on(
        asked.apply, _counted, inputs=["asked", "dataset", *train.FIELDS], shows=["found"], note=estimate_note, trigger_mode="always_last"
    )
    page.newest(counted.success, "found", "asked", ["sentence", "estimate", "start", "rates_about"])
    page.ask_again(counted.success, "found", "asked")
    train_rates.wire(page, parts)
    page.on(
        start.click, _start, inputs=["dataset", "page_key", "name", "start_at", *train.FIELDS], shows=["made"], js=_LATER, note=note,
        leads_to="runs?run=", carrying="made", clears=[summary_note], trigger_mode="once",
    )  # fmt: skip


def _fields(services: Services) -> dict[str, Any]:
    """What a run is about, and a field for each setting; those that most people leave alone are folded away."""
    fields: dict[str, Any] = {}
    with gr.Group():
        fields["dataset"] = gr.Dropdown(
            label=label("train.dataset.label"), info=label("train.dataset.info"), choices=[], elem_id="train-dataset",
        )  # fmt: skip
        fields["goal"] = gr.Radio(_goals(), label=label("train.goal.label"), info=label("train.goal.info"), elem_id="train-goal")
        fields["about"] = gr.HTML(elem_id="train-goal-about", padding=True)
        fields["objective"] = gr.Radio(
            [], label=label("train.objective.label"), info=label("train.objective.info"), visible=False, elem_id="train-objective"
        )
        fields["learns"] = gr.HTML(elem_id="train-learns", padding=True)
    with gr.Group():
        fields["base"] = _base(services)
    fields |= train_bases.lay_out(services)
    fields |= train_picker.lay_out(services)
    settings = all_settings()  # as they are now: a program may have added a method
    plain = [row for row in settings if not row.advanced and row.name != "base"]
    with gr.Group():
        wide = [row for row in plain if row.choices and not row.free]
        fields |= {row.name: field(row) for row in wide}
        fields |= _in_pairs([row for row in plain if row not in wide])
    with gr.Accordion(label("train.advanced"), open=False, elem_id="train-advanced") as fields["advanced"]:
        with gr.Row(elem_classes="rs-keeping"):
            fields["changes"] = gr.HTML(elem_id="train-changes")
            fields["back"] = gr.Button(label("train.back"), size="sm", scale=0, min_width=180, visible=False, elem_id="train-back")
        fields["name"] = gr.Textbox(
            label=label("train.name.label"), info=label("train.name.info"), placeholder=label("train.name.placeholder"), max_length=200,
            elem_id="train-name",
        )  # fmt: skip
        fields["start_at"] = gr.Textbox(
            label=label("runs.start_at.label"), info=label("runs.start_at.info"), placeholder="03:00", max_length=40,
            elem_id="train-start-at",
        )  # fmt: skip
        for group in GROUPS:
            if rows := [row for row in settings if row.advanced and row.group == group]:
                gr.HTML(markup(f"train.group.{group}", partial(train_html.group, group)))
                fields |= _in_pairs(rows)
            if any(row.name == "learning_rate" for row in rows):
                fields |= train_rates.lay_out(services)
    return fields


def _goals() -> list[tuple[Any, str]]:
    return [(markup(f"train.goal.{key}", partial(suggestions.goal_title, key)), key) for key in GOALS]


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
        return gr.Dropdown([*blank, *bases.offered(row)], value=value, allow_custom_value=row.free, **shown)
    if row.kind == "text":
        return gr.Textbox(value, max_length=_MOST_CHARACTERS, placeholder=row.blank, **shown)
    precision = 0 if row.kind == "integer" else None
    return gr.Number(value, precision=precision, step=row.step, minimum=row.low, maximum=row.high, placeholder=row.blank, **shown)


# What the form holds


def _opened(services: Services, request: gr.Request) -> Shown:
    stored = services.storage.datasets.all()
    asked = _asked_for(services, request)
    choices = [(say("train.dataset.entry", name=each.name, rows=each.rows), each.id) for each in stored]
    if asked.again and asked.reference != asked.again.current.id:
        choices.insert(0, (train_html.earlier_version(asked.again), asked.reference or ""))
    if stored:
        above = train_html.again(asked.again) if asked.again else html.notice(say("train.gone")) if asked.run_missing else ""
    else:
        above = html.empty(say("train.no_dataset"), "data", say("home.upload"))
    return {
        "form": gr.update(visible=bool(stored)),
        "nothing": gr.update(value=above, visible=bool(above)),
        "sample": gr.update(visible=not stored),
        "page_key": token_hex(16),
        "dataset": gr.update(choices=choices, value=asked.reference),
        **_filled(asked.preset, asked.form),
    }


def _use_sample(services: Services) -> Shown:
    datasets.use_sample(services, _SAMPLE)
    return {}


def _baseline(form: train.TrainForm) -> Shown:
    """The method of a run that is made again, if it is none of those that the field offers."""
    if form.method not in BASELINES:
        return {}
    return {"choices": [*train.SETTING["method"].choices, (title_of(form.method), form.method)]}


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the address asks for: a dataset, by the reference that the form holds, with settings; a run that is made again, if any."""

    reference: str | None
    preset: train.Preset
    form: train.TrainForm
    again: train.Again | None = None
    run_missing: bool = False


def _asked_for(services: Services, request: gr.Request) -> _Asked:
    """The newest dataset or the one of the address, with settings that suit it; or those of the run of the address, changed as it says."""
    asked = dict(request.query_params)
    if asked.get("run"):
        with suppress(NotFoundError):  # it has been deleted; the page is of use all the same
            again = train.again(services, asked["run"], asked)
            return _Asked(again.reference, train.suggested(services, again.dataset, again.form.base), again.form, again)
    named = None
    if asked.get("dataset"):
        with suppress(NotFoundError):
            named = services.storage.datasets.get(asked["dataset"])
    dataset = named or next(iter(services.storage.datasets.all()), None)
    preset = train.suggested(services, dataset)
    return _Asked(dataset.id if dataset else None, preset, preset.form, run_missing=bool(asked.get("run")) and named is None)


def _filled(preset: train.Preset, form: train.TrainForm, shown: train.TrainForm | None = None) -> Shown:
    """The form's fields; those that are as suggested say why. What is ``shown`` already is left alone: it may be typed in meanwhile."""
    mine = train.changed(form, preset.form)
    new = train.FIELDS if shown is None else train.changed(form, shown)
    values: Shown = {"base": form.base} if shown is None else {}
    for row in train.SETTINGS:
        why = "" if row.name in mine else preset.reasons.get(row.name, "")
        if row.name != "base":
            value = {"value": getattr(form, row.name)} if row.name in new else {}
            values[row.name] = gr.update(info=train_html.info(row, why), **value)
    values["method"] |= _baseline(form)
    return {
        **values, "goal": preset.goal or None, "about": train_html.about_goal(preset.goal), "asked": token_hex(4),
        "preset": preset.as_text(),
    }  # fmt: skip


def _dataset(services: Services, dataset_id: str | None) -> DatasetRecord | None:
    return services.storage.datasets.get(dataset_id) if dataset_id else None


def _picked(services: Services, dataset_id: str | None, base: str | None) -> Shown:
    preset = train.suggested(services, _dataset(services, dataset_id), base or STARTER)
    return _filled(preset, preset.form)


def _aimed(services: Services, dataset_id: str | None, base: str | None, goal: str | None) -> Shown:
    preset = train.suggested(services, _dataset(services, dataset_id), base or STARTER, goal or "")
    return _filled(preset, preset.form)


def _based(services: Services, dataset_id: str | None, goal: str | None, preset: str, *values: Any) -> Shown:
    """With another base model other settings are suggested; what a person has changed stays."""
    form = train.TrainForm(**dict(zip(train.FIELDS, values, strict=True)))
    before = train.read_preset(preset)
    after = train.suggested(services, _dataset(services, dataset_id), str(form.base or ""), (goal or "") if before.chosen else "")
    return _filled(after, train.moved(form, before.form, after.form), form)


def _put_back(_services: Services, preset: str) -> Shown:
    form = asdict(train.read_preset(preset).form)
    return {"asked": token_hex(4), **{name: form[name] for name in train.FIELDS if name != "base"}}


def _learns(services: Services, dataset_id: str | None, objective: str | None, labels: str | None) -> Shown:
    dataset = _dataset(services, dataset_id)
    if dataset is None:
        return {}
    return {**objectives.settings_of(objective, suggestions.outline(services, dataset), labels), "asked": token_hex(4)}


# What is said of it


def _said(services: Services, asked: str, dataset_id: str | None, preset: str, *values: Any) -> Shown:
    """What is known without the engine; what is asked again by itself changes nothing of that, and leaves what was refused meanwhile."""
    if str(asked).startswith(_AGAIN):
        raise NoAnswerError
    dataset, fields = _dataset(services, dataset_id), dict(zip(train.FIELDS, values, strict=True))
    shown = _changes(train.read_preset(preset), fields)
    missing = say("train.start.dataset") if dataset is None else "" if fields["base"] else say("train.start.base")
    if dataset is None or missing:
        return {**shown, "sentence": "", "estimate": "", "start": _button(missing)}
    form = train.form_of(values)
    train.read_form(services.settings, form)
    return {
        **shown, **_objective(services, dataset, form), "sentence": train_html.teaching(dataset, form, None),
        "start": _button(say("pages.train")),
    }  # fmt: skip


def _counted(services: Services, asked: str, dataset_id: str | None, *values: Any) -> Shown:
    """What the engine says of it, with what it was asked for."""
    dataset = _dataset(services, dataset_id)
    try:
        form = train.form_of(values)
        train.read_form(services.settings, form)
    except READABLE as error:  # which the other event says
        raise NoAnswerError(str(error)) from error
    if dataset is None:
        return {"found": ""}
    datasets.wait_for_engine(services)
    try:
        found = train.estimate(services, dataset.id, form)
    except READABLE as error:
        again = isinstance(error, EngineAwayError)
        shown = [gr.skip(), html.notice(html.text(say_error(error)), "bad"), gr.skip(), train_rates_html.offered(None)]
    else:
        again = found.incomplete
        button = _button(say("pages.train") if found.can_start else say("train.start.rows"), can_start=found.can_start)
        shown = [train_html.teaching(dataset, form, found), train_html.estimate(found) + row_check(found.check), button]
        shown.append(train_rates_html.offered(rates.seconds_of_finding(found, train.read_form(services.settings, form))))
    return {"found": json.dumps({"asked": asked, "shown": shown, "again": again})}


def _button(text: str, *, can_start: bool = True) -> Any:
    return gr.update(value=text, interactive=can_start)


def _changes(preset: train.Preset, fields: Mapping[str, Any]) -> Shown:
    mine = train.changed(train.TrainForm(**fields), preset.form)
    return {
        "changes": train_html.changes(mine, preset.form), "back": gr.update(visible=bool(mine)),
        "advanced": gr.update(label=say("train.advanced_changed", count=len(mine)) if mine else say("train.advanced")),
    }  # fmt: skip


def _objective(services: Services, dataset: DatasetRecord, form: train.TrainForm) -> Shown:
    """What the rows can be learned as, and what they are."""
    rows = suggestions.outline(services, dataset)
    offered = objectives.offered(rows, is_encoder=train.base_size(services, form.base).is_encoder)
    now = objectives.objective_of(rows, form.labels, form.pairs)
    choices = [(objectives.title(each), each) for each in dict.fromkeys([*offered, now])]
    radio = gr.update(choices=choices, value=now, visible=True) if len(choices) > 1 else {**HIDDEN, "choices": choices, "value": now}
    return {"objective": radio, "learns": html.text(objectives.sentence(now, rows))}


def _start(services: Services, dataset_id: str | None, page_key: str, name: str | None, start_at: str | None, *values: Any) -> Shown:
    form, key = train.form_of(values), page_key or token_hex(16)
    return {"made": train.start(services, dataset_id, form, key, name or "", start_at or "").id}
