"""Runs: watch one learn, stop it, continue it, take its result away."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import gradio as gr
import pandas as pd

from app.components import html
from app.components.wiring import EVENT, guarded
from app.handlers import disk, runs
from app.services import Services
from storage import NotFoundError, RunRecord, RunStatus, UnavailableError

_LINE = "Runs go on in the background. Close the tab if you like; they will be here when you come back."
_COLOURS = {"training": "#94a3b8", "held-out": "#0d9488", "held-out, base": "#f59e0b"}
_NOTHING = [gr.skip()] * 12
_TICKED = len(_NOTHING) + 3
_VANISHED = ["gone"]
_GONE = "The run of this address is not here; it may have been deleted."
_AWAY = "This run has been deleted."
_LABEL_LIMIT = 48


def build(services: Services) -> None:
    """Lay the page out and wire it."""
    gr.HTML(html.header("Runs"))
    gr.HTML(html.title("Runs", _LINE))
    nothing = gr.HTML(visible=False)
    with gr.Row(visible=False, elem_classes="rs-keeping") as undoing:
        undo_text = gr.HTML()
        undo = gr.Button("Undo", size="sm", scale=0, min_width=100, elem_id="run-undo")
    with gr.Row(elem_classes="rs-form") as filled:
        with gr.Column(scale=1, min_width=240):
            chosen = gr.Radio(label="Runs", choices=[], show_label=False, elem_classes="rs-runlist", container=False, elem_id="run-list")
        with gr.Column(scale=3, min_width=300):
            status = gr.HTML(elem_id="run-status")
            failure = gr.HTML(elem_id="run-failure")
            with gr.Row():
                stop = gr.Button("Stop", elem_id="run-stop", visible=False, min_width=100)
                resume = gr.Button("Continue", elem_id="run-resume", visible=False, min_width=100)
                remedy = gr.Button("Continue", variant="primary", elem_id="run-remedy", visible=False, min_width=220)
                talk = gr.Button(
                    "Open in the playground", variant="primary", visible=False, elem_id="run-playground", link_target="_self", min_width=220
                )
                download = gr.Button("Download", visible=False, elem_id="run-download", link_target="_self", min_width=120)
            with gr.Row(visible=False) as queue:
                first = gr.Button("Run next", size="sm", elem_id="run-first", min_width=100)
                earlier = gr.Button("Earlier", size="sm", elem_id="run-earlier", min_width=100)
                later = gr.Button("Later", size="sm", elem_id="run-later", min_width=100)
            chart = gr.LinePlot(
                x="step", y="loss", color="curve", color_map=_COLOURS, height=280, elem_id="run-loss-chart", show_label=False,
                x_title="Step", y_title="Loss", colors_in_legend=list(_COLOURS), color_title="", tooltip=["step", "loss", "curve"],
            )  # fmt: skip
            sample = gr.HTML()
            with gr.Row():
                with gr.Column(min_width=280):
                    facts = gr.HTML()
                with gr.Column(min_width=280):
                    events = gr.HTML()
            delete = gr.Button("Delete this run", elem_id="run-delete", visible=False, size="sm", scale=0, min_width=160)
    usage = gr.HTML(elem_id="disk-usage")
    with gr.Accordion("Bin", open=False, visible=False, elem_id="run-bin") as bin_:
        binned = gr.Radio(label="Deleted runs", choices=[], show_label=False, elem_classes="rs-runlist", container=False)
        with gr.Row():
            restore = gr.Button("Put back", size="sm", min_width=120, elem_id="run-restore")
            empty = gr.Button("Empty the bin for good", size="sm", variant="stop", min_width=160, elem_id="run-empty-bin")
    # The chosen run is a text of the page's own: a studio that was started again under it knows no choices of the list.
    current = gr.Textbox(visible=False)
    seen, deleted, timer = gr.State(None), gr.State(None), gr.Timer(1.0)

    shown = [status, failure, chart, sample, facts, events, stop, resume, remedy, talk, download, queue]
    detail = [*shown, delete, seen]
    lists = [nothing, filled, chosen, current]
    bins = [usage, bin_, binned]
    undos = [undoing, undo_text, deleted]
    gr.on([gr.context.Context.root_block.load], guarded(_opened, services), None, [*bins, *lists, *detail], **EVENT)
    timer.tick(guarded(_ticked, services), [current, seen], [chosen, *detail], **EVENT, trigger_mode="once")
    chosen.input(None, chosen, current, js="(id) => id", **EVENT).then(guarded(_shown, services), current, detail, **EVENT)
    for button, act in (
        (stop, runs.stop), (resume, runs.resume), (remedy, runs.remedy), (first, _to_the_front), (earlier, _earlier), (later, _later),
    ):  # fmt: skip
        button.click(guarded(_act, services, act), current, [chosen, *detail], **EVENT)
    delete.click(guarded(_delete, services), current, [*undos, *bins, *lists, *detail], **EVENT)
    undo.click(guarded(_restore, services), deleted, [*undos, *bins, *lists, *detail], **EVENT)
    restore.click(guarded(_restore, services), binned, [*undos, *bins, *lists, *detail], **EVENT)
    empty.click(guarded(_empty, services), None, [*undos, *bins], **EVENT)


def _choices(found: list[RunRecord]) -> list[tuple[str, str]]:
    return [(f"{html.short(run.name, _LABEL_LIMIT)} · {html.status_word(run)}", run.id) for run in found]


def _opened(services: Services, request: gr.Request) -> list[Any]:
    wanted = dict(request.query_params).get("run")
    return [*_bins(services), *_lists_and_detail(services, wanted)]


def _bins(services: Services) -> list[Any]:
    found = runs.binned(services)
    choices = [(f"{html.short(run.name, _LABEL_LIMIT)} · deleted {html.ago(run.binned_at)}", run.id) for run in found if run.binned_at]
    return [
        html.usage(disk.room(services), services.settings.bin_days),
        gr.update(visible=bool(found), label=f"Bin ({len(found)})"),
        gr.update(choices=choices, value=found[0].id if found else None),
    ]


def _lists_and_detail(services: Services, wanted: str | None = None) -> list[Any]:
    found = runs.newest(services)
    if not found:
        missing = html.empty("There is no run yet.", "train", "Train one")
        return [
            gr.update(value=missing, visible=True),
            gr.update(visible=False),
            gr.update(choices=[], value=None),
            "",
            *_NOTHING,
            gr.skip(),
            None,
        ]
    chosen = wanted if any(run.id == wanted for run in found) else found[0].id
    gone = gr.update(value=html.notice(_GONE), visible=True) if wanted and wanted != chosen else gr.update(visible=False)
    return [gone, gr.update(visible=True), gr.update(choices=_choices(found), value=chosen), chosen, *_shown(services, chosen)]


def _shown(services: Services, run_id: str | None) -> list[Any]:
    """Everything about one run."""
    if not run_id:
        return [*_NOTHING, gr.skip(), None]
    view = runs.view(services, run_id)
    run = view.run
    curve = pd.DataFrame([(point.step, point.loss, point.curve) for point in view.curve], columns=["step", "loss", "curve"])
    return [
        html.run_status(view),
        html.failure(run),
        # The legend is made from the first figures that the chart is given.
        gr.update(value=curve, visible=True) if view.loss is not None else gr.update(visible=False),
        html.sample(view.sample),
        html.facts(run),
        html.events(view.events),
        gr.update(visible=view.stoppable, value="Take out of the queue" if run.status is RunStatus.QUEUED else "Stop"),
        gr.update(visible=view.resumable, value="Continue" if run.step else "Start again"),
        gr.update(visible=bool(view.remedy), value=view.remedy),
        gr.update(visible=view.downloadable, link=f"playground?run={run.id}"),
        gr.update(visible=view.downloadable, link=f"files/runs/{run.id}/adapter.zip"),
        gr.update(visible=run.status is RunStatus.QUEUED and view.waiting > 1),
        gr.update(visible=view.deletable),
        [run.id, run.step, run.status.value, run.sentence, len(view.events), view.engine_up, view.trouble, view.place, view.waiting],
    ]  # fmt: skip


def _ticked(services: Services, run_id: str | None, seen: list[Any] | None) -> list[Any]:
    """What changed since the last look; quiet when nothing did, or when the database is busy for a moment."""
    if not run_id:
        return [gr.skip()] * _TICKED
    try:
        detail = _shown(services, run_id)
    except UnavailableError as error:
        return [gr.skip(), html.notice(str(error), "bad"), *[gr.skip()] * (_TICKED - 3), None]
    except NotFoundError:
        return [gr.skip()] * _TICKED if seen == _VANISHED else _vanished(services)
    if detail[-1] == seen:
        return [gr.skip()] * _TICKED
    # Nothing seen: the studio was started again under this page.
    chosen = gr.update(choices=_choices(runs.newest(services))) if not seen or seen == _VANISHED or detail[-1][2] != seen[2] else gr.skip()
    return [chosen, *detail]


def _vanished(services: Services) -> list[Any]:
    """Another tab has deleted the run: what is shown of it goes."""
    left = gr.update(choices=_choices(runs.newest(services)), value=None)
    hidden = gr.update(visible=False)
    return [left, html.notice(_AWAY), "", hidden, "", "", "", *[hidden] * 7, _VANISHED]


def _act(services: Services, act: Callable[[Services, str], RunRecord], run_id: str | None) -> list[Any]:
    if run_id:
        act(services, run_id)
    return [gr.update(choices=_choices(runs.newest(services))), *_shown(services, run_id)]


def _to_the_front(services: Services, run_id: str) -> RunRecord:
    return runs.reorder(services, run_id, -1_000_000)


def _earlier(services: Services, run_id: str) -> RunRecord:
    return runs.reorder(services, run_id, -1)


def _later(services: Services, run_id: str) -> RunRecord:
    return runs.reorder(services, run_id, 1)


def _delete(services: Services, run_id: str | None) -> list[Any]:
    undos: list[Any] = [gr.update(visible=False), "", None]
    if run_id:
        with suppress(NotFoundError):  # another tab has emptied the bin
            run = runs.delete(services, run_id)
            undos = [gr.update(visible=True), html.notice(f"{run.name} is in the bin."), run.id]
    return [*undos, *_bins(services), *_lists_and_detail(services)]


def _restore(services: Services, run_id: str | None) -> list[Any]:
    if run_id:
        runs.restore(services, run_id)
    return [gr.update(visible=False), "", None, *_bins(services), *_lists_and_detail(services, run_id)]


def _empty(services: Services) -> list[Any]:
    runs.empty_bin(services)
    return [gr.update(visible=False), "", None, *_bins(services)]
