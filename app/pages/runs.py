"""Runs: watch a run, stop it, continue it, delete it, download its adapter."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import gradio as gr
import pandas as pd

from app.components import html
from app.components.labels import label, markup
from app.components.wiring import HIDDEN, Page, Shown, live, opening
from app.errors import StudioError
from app.handlers import disk, runs, sweep
from app.pages import runs_html, sweep_html
from app.services import Services
from app.words import say
from storage import NotFoundError, RunRecord, RunStatus

_COLOURS = {"training": "#94a3b8", "held-out": "#0d9488", "held-out, base": "#f59e0b"}
_VANISHED = ["gone"]
_NO_RUN: Shown = {
    **dict.fromkeys(("status", "failure", "verdict", "sample", "facts", "events"), ""),
    **dict.fromkeys(("chart", "stop", "resume", "remedy", "talk", "download", "clone", "yaml", "queue", "delete"), HIDDEN), "seen": None,
}  # fmt: skip
_NO_UNDO: Shown = {"undoing": HIDDEN, "undo_text": "", "deleted": None}
_LABEL_LIMIT = 48
_GROUP = "group:"
"""Before the id of a group, where else the id of a run stands."""


def build(services: Services) -> None:
    """Lay the page out and wire it."""
    gr.HTML(markup("runs.header", lambda: html.header("runs")))
    gr.HTML(markup("runs.title", lambda: html.title(say("pages.runs"), say("runs.line"))))
    nothing = gr.HTML(visible=False)
    with gr.Row(visible=False, elem_classes="rs-keeping") as undoing:
        undo_text = gr.HTML()
        undo = gr.Button(label("runs.undo"), size="sm", scale=0, min_width=100, elem_id="run-undo")
    undo_note, list_note = live("run-undo-note"), live("run-list-note")
    with gr.Row(elem_classes="rs-form") as filled:
        with gr.Column(scale=1, min_width=240):
            chosen = gr.Radio(
                label=label("pages.runs"), choices=[], show_label=False, elem_classes="rs-runlist", container=False, elem_id="run-list"
            )
        with gr.Column(scale=3, min_width=300):
            status_note = live("run-status-note")
            status = gr.HTML(elem_id="run-status")
            failure = gr.HTML(elem_id="run-failure")
            verdict = gr.HTML(elem_id="run-verdict")
            with gr.Row():
                stop = gr.Button(label("runs.stop"), elem_id="run-stop", visible=False, min_width=100)
                resume = gr.Button(label("runs.continue"), elem_id="run-resume", visible=False, min_width=100)
                remedy = gr.Button(label("runs.continue"), variant="primary", elem_id="run-remedy", visible=False, min_width=220)
                talk = gr.Button(
                    label("runs.playground"),
                    variant="primary",
                    visible=False,
                    elem_id="run-playground",
                    link_target="_self",
                    min_width=220,
                )
                download = gr.Button(label("runs.download"), visible=False, elem_id="run-download", link_target="_self", min_width=120)
                clone = gr.Button(label("runs.clone"), visible=False, elem_id="run-clone", link_target="_self", min_width=100)
                yaml = gr.Button(label("spec.shown.yaml"), visible=False, elem_id="run-spec", link_target="_self", min_width=100)
            with gr.Row(visible=False) as queue:
                first = gr.Button(label("runs.first"), size="sm", elem_id="run-first", min_width=100)
                earlier = gr.Button(label("runs.earlier"), size="sm", elem_id="run-earlier", min_width=100)
                later = gr.Button(label("runs.later"), size="sm", elem_id="run-later", min_width=100)
            act_note = live("run-note")
            chart = gr.LinePlot(  # whose titles Gradio does not translate
                x="step", y="loss", color="curve", color_map=_COLOURS, height=280, elem_id="run-loss-chart", show_label=False,
                x_title=say("runs.chart.step"), y_title=say("runs.chart.loss"), colors_in_legend=list(_COLOURS),
                color_title="", tooltip=["step", "loss", "curve"],
            )  # fmt: skip
            sample = gr.HTML()
            with gr.Row():
                with gr.Column(min_width=280):
                    facts = gr.HTML()
                with gr.Column(min_width=280):
                    events = gr.HTML()
            delete = gr.Button(label("runs.delete"), elem_id="run-delete", visible=False, size="sm", scale=0, min_width=160)
            delete_note = live("run-delete-note")
    usage = gr.HTML(elem_id="disk-usage")
    with gr.Accordion(label("runs.bin.title"), open=False, visible=False, elem_id="run-bin") as bin_:
        binned = gr.Radio(
            label=label("runs.bin.deleted"), choices=[], show_label=False, elem_classes="rs-runlist", container=False,
        )  # fmt: skip
        with gr.Row():
            restore = gr.Button(label("runs.bin.restore"), size="sm", min_width=120, elem_id="run-restore")
            empty = gr.Button(label("runs.bin.empty"), size="sm", variant="stop", min_width=160, elem_id="run-empty-bin")
        bin_note = live("run-bin-note")
    # The chosen run is a text of the page's own: a studio that was started again under it knows no choices of the list.
    current = gr.Textbox(visible=False)
    timer = gr.Timer(1.0)

    page = Page(services, {
        "nothing": nothing, "undoing": undoing, "undo_text": undo_text, "filled": filled, "chosen": chosen, "status": status,
        "failure": failure, "verdict": verdict, "stop": stop, "resume": resume, "remedy": remedy, "talk": talk, "download": download,
        "clone": clone, "yaml": yaml, "queue": queue, "chart": chart, "sample": sample, "facts": facts, "events": events, "delete": delete,
        "usage": usage, "bin": bin_, "binned": binned, "current": current, "seen": gr.State(None), "deleted": gr.State(None),
    })  # fmt: skip
    lists, bins, undos = ["nothing", "filled", "chosen", "current", *_NO_RUN], ["usage", "bin", "binned"], list(_NO_UNDO)
    page.on(opening(), _opened, shows=[*bins, *lists], note=list_note)
    page.on(timer.tick, _ticked, inputs=["current", "seen"], shows=["chosen", *_NO_RUN], note=status_note, again=False, trigger_mode="once")
    page.on(
        page.put(chosen.input, "chosen", "current").then, _shown, inputs=["current"], refused=_NO_RUN, note=list_note,
        clears=[act_note, delete_note],
    )  # fmt: skip
    for button, act in (
        (stop, runs.stop), (resume, runs.resume), (remedy, runs.remedy), (first, _to_the_front), (earlier, _earlier), (later, _later),
    ):  # fmt: skip
        page.on(button.click, _act, given=[act], inputs=["current"], shows=["chosen", *_NO_RUN], note=act_note)
    page.on(delete.click, _delete, inputs=["current"], shows=[*undos, *bins, *lists], note=delete_note, clears=[act_note, undo_note])
    page.on(undo.click, _restore, inputs=["deleted"], shows=[*undos, *bins, *lists], note=undo_note, clears=[act_note, delete_note])
    page.on(restore.click, _restore, inputs=["binned"], shows=[*undos, *bins, *lists], note=bin_note, clears=[act_note, delete_note])
    page.on(empty.click, _empty, shows=[*undos, *bins], note=bin_note, clears=[undo_note])


def _choices(services: Services, current: str | None = None) -> list[tuple[str, str]]:
    """The entries of the list, newest first: a group is one, and its runs are listed below it while one of them is looked at."""
    records, groups = runs.newest(services), services.storage.runs.groups()
    opened = next((run.group_id for run in records if run.id == current), None)
    choices: dict[str, str] = {}
    for run in records:
        group = groups.get(run.group_id or "")
        if group and (key := f"{_GROUP}{group.id}") not in choices:
            members = [each for each in records if each.group_id == group.id]
            ended = sum(each.status.ended for each in members)
            name = html.short(group.name, _LABEL_LIMIT)
            choices[key] = say("sweep.entry", name=name, count=len(members), done=ended)
            if group.id == opened:
                choices |= {each.id: f"↳ {_entry(each)}" for each in members}
        elif not group:
            choices[run.id] = _entry(run)
    return [(text, value) for value, text in choices.items()]


def _entry(run: RunRecord) -> str:
    return f"{html.short(run.name, _LABEL_LIMIT)} · {html.status_word(run)}"


def _group_of(chosen: str | None) -> str:
    """The id of the group that is chosen in place of a run; empty for a run."""
    return chosen.removeprefix(_GROUP) if chosen and chosen.startswith(_GROUP) else ""


def _opened(services: Services, request: gr.Request) -> Shown:
    asked = dict(request.query_params)
    return _bins(services) | _lists_and_detail(services, f"{_GROUP}{asked['group']}" if asked.get("group") else asked.get("run"))


def _bins(services: Services) -> Shown:
    records = runs.binned(services)
    choices = [
        (say("runs.bin.entry", name=html.short(run.name, _LABEL_LIMIT), ago=html.ago(run.binned_at)), run.id)
        for run in records
        if run.binned_at
    ]
    return {
        "usage": runs_html.disk_usage(disk.room(services), services.settings.bin_days),
        "bin": gr.update(visible=bool(records), label=say("runs.bin.counted", count=len(records))),
        "binned": gr.update(choices=choices, value=records[0].id if records else None),
    }


def _lists_and_detail(services: Services, run_id: str | None = None) -> Shown:
    choices = _choices(services, run_id)
    if not choices:
        missing = html.empty(say("runs.none"), "train", say("runs.train_one"))
        return {
            "nothing": gr.update(value=missing, visible=True),
            "filled": HIDDEN,
            "chosen": gr.update(choices=[], value=None),
            "current": "",
            "seen": None,
        }
    chosen = run_id if run_id in [value for _, value in choices] else choices[0][1]
    missing_note = gr.update(value=html.notice(say("runs.not_here")), visible=True) if run_id and run_id != chosen else HIDDEN
    return {
        "nothing": missing_note,
        "filled": gr.update(visible=True),
        "chosen": gr.update(choices=choices, value=chosen),
        "current": chosen,
        **_shown(services, chosen),
    }


def _shown(services: Services, run_id: str | None) -> Shown:
    """Everything about one run."""
    if not run_id:
        return {"seen": None}
    if group_id := _group_of(run_id):
        return _shown_group(services, run_id, sweep.table(services, group_id))
    view = runs.view(services, run_id)
    run = view.run
    curve = pd.DataFrame([(point.step, point.loss, point.curve) for point in view.curve], columns=["step", "loss", "curve"])
    return {
        "status": runs_html.run_status(view),
        "failure": runs_html.failure(run),
        "verdict": runs_html.verdict(view.verdict),
        # The legend is made from the first figures that the chart is given.
        "chart": gr.update(value=curve, visible=True) if view.loss is not None else HIDDEN,
        "sample": runs_html.sample(view.sample),
        "facts": runs_html.facts(run),
        "events": runs_html.events(view.events),
        "stop": gr.update(visible=view.stoppable, value=say("runs.leave_queue" if run.status is RunStatus.QUEUED else "runs.stop")),
        "resume": gr.update(visible=view.resumable, value=say("runs.continue" if run.step else "runs.start_again")),
        "remedy": gr.update(visible=bool(view.remedy), value=view.remedy),
        "talk": gr.update(visible=view.chattable, link=f"playground?run={run.id}"),
        "download": gr.update(visible=view.downloadable, link=f"files/runs/{run.id}/adapter.zip"),
        "clone": gr.update(visible=True, link=f"train?run={run.id}"),
        "yaml": gr.update(visible=True, link=f"files/runs/{run.id}/run.yaml"),
        "queue": gr.update(visible=run.status is RunStatus.QUEUED and view.waiting > 1),
        "delete": gr.update(visible=view.deletable),
        "seen": [
            run.id, run.step, run.status.value, run.sentence, run.phase and asdict(run.phase), len(view.events), view.engine_up,
            view.trouble, view.place, view.waiting,
        ],
    }  # fmt: skip


def _shown_group(services: Services, chosen: str, table: sweep.Table) -> Shown:
    """A group in place of a run: its table, and the button that stops all of it."""
    statuses = [line.run.status.value for line in table.lines]
    return {
        **_NO_RUN, "status": sweep_html.sweep(table),
        "stop": gr.update(visible=table.done < len(table.lines), value=say("sweep.stop")),
        "seen": [chosen, sum(line.run.step for line in table.lines), statuses],
    }  # fmt: skip


def _ticked(services: Services, run_id: str | None, seen: list[Any] | None) -> Shown:
    """The changes since the last look; empty if there are none."""
    if not run_id:
        return {}
    try:
        detail = _shown(services, run_id)
    except NotFoundError:
        return {} if seen == _VANISHED else _vanished(services)
    if detail["seen"] == seen:
        return {}
    # Nothing seen: the studio was started again under this page.
    if not seen or seen == _VANISHED or detail["seen"][2] != seen[2]:
        detail["chosen"] = gr.update(choices=_choices(services, run_id))
    return detail


def _vanished(services: Services) -> Shown:
    """Another tab has deleted the run: clear the page."""
    left = gr.update(choices=_choices(services), value=None)
    return {**_NO_RUN, "chosen": left, "status": html.notice(say("runs.away")), "seen": _VANISHED}


def _act(services: Services, act: Callable[[Services, str], RunRecord], run_id: str | None) -> Shown:
    if group_id := _group_of(run_id):
        sweep.stop(services, group_id)  # all else that is done with a run is not offered of a group
    else:
        act(services, _chosen(run_id))
    return {"chosen": gr.update(choices=_choices(services, run_id)), **_shown(services, run_id)}


def _chosen(run_id: str | None) -> str:
    if not run_id:
        raise StudioError(say("runs.choose"))
    return run_id


def _to_the_front(services: Services, run_id: str) -> RunRecord:
    return runs.reorder(services, run_id, -1_000_000)


def _earlier(services: Services, run_id: str) -> RunRecord:
    return runs.reorder(services, run_id, -1)


def _later(services: Services, run_id: str) -> RunRecord:
    return runs.reorder(services, run_id, 1)


def _delete(services: Services, run_id: str | None) -> Shown:
    undos = _NO_UNDO
    with suppress(NotFoundError):  # another tab has emptied the bin
        run = runs.delete(services, _chosen(run_id))
        undos = {"undoing": gr.update(visible=True), "undo_text": html.notice(say("runs.in_bin", name=run.name)), "deleted": run.id}
    return undos | _bins(services) | _lists_and_detail(services)


def _restore(services: Services, run_id: str | None) -> Shown:
    runs.restore(services, _chosen(run_id))
    return _NO_UNDO | _bins(services) | _lists_and_detail(services, run_id)


def _empty(services: Services) -> Shown:
    runs.empty_bin(services)
    return _NO_UNDO | _bins(services)
