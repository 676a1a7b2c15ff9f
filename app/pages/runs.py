"""Runs: the list of all runs, one of them while it learns and afterwards, and what can be done with it."""

from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from app.components import html
from app.components.labels import label, markup
from app.components.runs import LIST_ACTED, LIST_CHOSEN, compared, live_part, live_run, notifications, runs_list
from app.components.wiring import HIDDEN, Page, Shown, live, opening
from app.errors import StudioError
from app.handlers import answers_grid, compare, disk, looked, run_list, run_live, run_notes, runs, sweep
from app.handlers.runs import RunView
from app.pages import compare_html, looked_html, runs_html, runs_predictions, sweep_html
from app.services import Services
from app.words import say, say_error
from storage import NotFoundError, RunRecord

_NO_RUN: Shown = {
    **dict.fromkeys(("failure", "verdict", "facts", "notes_shown", "regression", "edit"), ""),
    **dict.fromkeys((
        "stop", "discard", "resume", "remedy", "talk", "download", "report", "clone", "yaml", "queue", "later_row", "longer_row", "delete",
        "describe",
    ), HIDDEN),
    **runs_predictions.NONE,
}  # fmt: skip
_NOT_COMPARED: Shown = {"compared": None, "grid_box": HIDDEN, "close": HIDDEN, **dict.fromkeys(("grid", "angles", "grid_of"), "")}
_MOVED = ["live_key", *_NO_RUN]
_SHOWN = ["live", "name", "tags", "notes", "compared", "grid_box", "close", "grid", "angles", "grid_of", *_MOVED]
_GROUP, _COMPARE = "group:", "compare:"
"""Before the id of a group, and before those of runs that are compared, where else the id of a run stands."""
_ADDRESSED = (("compare", _COMPARE), ("group", _GROUP), ("run", ""))
"""What an address may ask for, the first of them that it names."""


def build(services: Services) -> None:
    """Lay the page out and wire it."""
    gr.HTML(markup("runs.header", lambda: html.header("runs")))
    gr.HTML(markup("runs.title", lambda: html.title(say("pages.runs"), say("runs.line"))))
    nothing = gr.HTML(visible=False)
    opened_note = live("run-opened-note")
    with gr.Row(visible=False, elem_classes="rs-form rs-runs-page") as filled:
        with gr.Column(scale=2, min_width=300):
            live_part("search", "runs-search")
            listed = runs_list("runs-list")
            list_note, acted_note = live("run-list-note"), live("runs-acted-note")
            notifications("run-notifications")
        with gr.Column(scale=3, min_width=300, elem_id="run-detail"):
            moved_note = live("run-status-note")
            parts = _comparison()
            live_part("status", "run-status")
            parts["live"] = live_run("run-live")
            for name, ident in (("chart", "run-loss-chart"), ("samples", "run-samples"), ("events", "run-events")):
                live_part(name, ident)
            parts |= _detail()
    with gr.Accordion(label("runs.disk.title"), open=False, elem_id="disk", visible=False) as disk_:
        usage = gr.HTML(elem_id="disk-usage")
        disk_note = live("disk-note")
    current, asked, made = (gr.Textbox(visible=False) for _ in range(3))
    parts |= {
        "nothing": nothing, "filled": filled, "listed": listed, "current": current, "asked": asked, "made": made, "disk": disk_,
        "usage": usage, "live_key": gr.State(""),
    }  # fmt: skip
    notes = {"opened": opened_note, "list": list_note, "acted": acted_note, "moved": moved_note, "disk": disk_note}
    _wire(Page(services, parts), parts, notes)


def _comparison() -> dict[str, Any]:
    """Runs side by side, and what they answer."""
    parts: dict[str, Any] = {"compared": compared("runs-compare"), "grid_of": gr.State("")}
    with gr.Column(visible=False, elem_id="compare-answers") as parts["grid_box"]:
        gr.HTML(markup("compare.grid.head", compare_html.grid_head))
        with gr.Row(elem_classes="rs-keeping"):
            sources = [(label("compare.grid.from_held_out"), "held_out"), (label("compare.grid.from_own"), "own")]
            parts["grid_source"] = gr.Radio(sources, value="held_out", label=label("compare.grid.source"), elem_id="compare-grid-source")
            parts["grid_count"] = gr.Number(
                10, label=label("compare.grid.count_label"), precision=0, step=1, minimum=1, maximum=answers_grid.MOST,
                elem_id="compare-grid-count",
            )  # fmt: skip
        parts["grid_prompts"] = gr.Textbox(
            label=label("compare.grid.own_label"), lines=3, max_lines=12, visible=False, max_length=100_000, elem_id="compare-grid-prompts"
        )
        with gr.Row(elem_classes="rs-keeping"):
            parts["grid_ask"] = gr.Button(
                label("compare.grid.ask"), variant="primary", size="sm", scale=0, min_width=120, elem_id="compare-grid-ask"
            )
            parts["grid_stop"] = gr.Button(
                label("compare.grid.stop"), size="sm", scale=0, min_width=100, interactive=False, elem_id="compare-grid-stop"
            )
        parts["grid_note"] = live("compare-grid-note")
        parts["grid"] = gr.HTML("", elem_id="compare-grid")
    with gr.Accordion(label("compare.close.title"), open=False, visible=False, elem_id="compare-close") as parts["close"]:
        parts["angles"] = gr.HTML("", elem_id="compare-angles")
        parts["close_note"] = live("compare-close-note")
    return parts


def _detail() -> dict[str, Any]:
    """The parts of one run, below what is drawn in the browser."""
    parts: dict[str, Any] = {"failure": gr.HTML(elem_id="run-failure"), "verdict": gr.HTML(elem_id="run-verdict")}
    with gr.Row(elem_id="run-actions"):
        parts["stop"] = gr.Button(label("runs.stop"), elem_id="run-stop", visible=False, min_width=100)
        parts["discard"] = gr.Button(label("runs.discard"), elem_id="run-discard", visible=False, min_width=140)
        parts["resume"] = gr.Button(label("runs.continue"), elem_id="run-resume", visible=False, min_width=100)
        parts["remedy"] = gr.Button(label("runs.continue"), variant="primary", elem_id="run-remedy", visible=False, min_width=220)
        parts["talk"] = gr.Button(
            label("runs.playground"), variant="primary", visible=False, elem_id="run-playground", link_target="_self", min_width=220,
        )  # fmt: skip
        for name, ident, width in (("download", "run-download", 120), ("report", "run-report", 100), ("clone", "run-clone", 100)):
            parts[name] = gr.Button(label(f"runs.{name}"), visible=False, elem_id=ident, link_target="_self", min_width=width)
        parts["yaml"] = gr.Button(label("spec.shown.yaml"), visible=False, elem_id="run-spec", link_target="_self", min_width=100)
    with gr.Row(visible=False, elem_classes="rs-keeping") as parts["queue"]:
        for name in ("first", "earlier", "later"):
            parts[name] = gr.Button(label(f"runs.{name}"), size="sm", elem_id=f"run-{name}", min_width=100)
    with gr.Row(visible=False, elem_classes="rs-keeping") as parts["later_row"]:
        parts["start_at"] = gr.Textbox(
            label=label("runs.start_at.label"), info=label("runs.start_at.info"), placeholder="03:00", elem_id="run-start-at", max_length=40
        )
        parts["start_later"] = gr.Button(label("runs.start_at.button"), size="sm", elem_id="run-start-later", min_width=100)
    with gr.Row(visible=False, elem_classes="rs-keeping") as parts["longer_row"]:
        parts["epochs"] = gr.Number(
            3, label=label("runs.longer.label"), info=label("runs.longer.info"), precision=0, step=1, minimum=1, maximum=10_000,
            elem_id="run-epochs",
        )  # fmt: skip
        parts["longer"] = gr.Button(label("runs.longer.button"), size="sm", elem_id="run-longer", min_width=100)
    parts["act_note"] = live("run-note")
    parts |= runs_predictions.lay_out()
    parts["notes_shown"] = gr.HTML(elem_id="run-notes-shown")
    parts |= {name: gr.HTML(elem_id=f"run-{name}") for name in ("regression", "edit")}
    parts["facts"] = gr.HTML(elem_id="run-facts")
    with gr.Accordion(label("runs.describe.title"), open=False, visible=False, elem_id="run-describe") as parts["describe"]:
        parts["name"] = gr.Textbox(label=label("runs.describe.name"), max_length=200, elem_id="run-name")
        parts["tags"] = gr.Textbox(
            label=label("runs.describe.tags"), info=label("runs.describe.tags_info"), max_length=1000, elem_id="run-tags"
        )
        parts["notes"] = gr.Textbox(
            label=label("runs.describe.notes"), info=label("runs.describe.notes_info"), lines=4, max_length=20_000, elem_id="run-notes",
        )  # fmt: skip
        parts["save"] = gr.Button(label("runs.describe.save"), size="sm", scale=0, min_width=120, elem_id="run-save")
        parts["save_note"] = live("run-save-note")
    parts["delete"] = gr.Button(label("runs.delete"), elem_id="run-delete", visible=False, size="sm", scale=0, min_width=160)
    parts["delete_note"] = live("run-delete-note")
    return parts


def _wire(page: Page, parts: dict[str, Any], notes: dict[str, gr.HTML]) -> None:
    listed, act_note, delete_note, save_note = (parts[name] for name in ("listed", "act_note", "delete_note", "save_note"))
    page.on(opening(), _opened, shows=["nothing", "filled", "disk", "listed", "current", *_SHOWN], note=notes["opened"])
    page.on(
        page.put(listed.input, "listed", "current", js=LIST_CHOSEN).then, _chosen, inputs=["current", "grid_of"], shows=_SHOWN,
        refused={**_NO_RUN, **_NOT_COMPARED}, note=notes["list"], clears=[act_note, delete_note, save_note], trigger_mode="always_last",
    )  # fmt: skip
    _wire_grid(page, parts)
    page.on(
        listed.select, _acted, inputs=["asked"], js=LIST_ACTED, shows=["listed"], refused={"listed": {"refused": True}}, note=notes["acted"]
    )
    page.on(parts["live"].apply, _moved, inputs=["current"], shows=_MOVED, note=notes["moved"], again=False, trigger_mode="always_last")
    for name, act in (
        ("stop", runs.stop), ("discard", runs.discard), ("resume", runs.resume), ("remedy", runs.remedy), ("first", _to_the_front),
        ("earlier", _earlier), ("later", _later),
    ):  # fmt: skip
        page.on(parts[name].click, _act, given=[act], inputs=["current"], shows=["listed", *_SHOWN], note=act_note)
    page.on(
        parts["start_later"].click,
        _start_later,
        inputs=["current", "start_at"],
        js="(id,time)=>[id,studio.moment(time)]",
        shows=["listed", *_SHOWN],
        note=act_note,
    )
    page.on(
        parts["longer"].click, _longer, inputs=["current", "epochs"], shows=["made"], note=act_note, leads_to="runs?run=", carrying="made",
        trigger_mode="once",
    )  # fmt: skip
    page.on(parts["save"].click, _describe, inputs=["current", "name", "tags", "notes"], shows=["listed", *_SHOWN], note=save_note)
    page.on(parts["delete"].click, _delete, inputs=["current"], shows=["listed"], note=delete_note, clears=[act_note])
    runs_predictions.wire(page, parts)
    page.on(parts["disk"].expand, _measured, shows=["usage"], note=notes["disk"])


def _wire_grid(page: Page, parts: dict[str, Any]) -> None:
    chosen = "source=>[source==='own',source!=='own'].map(visible=>({__type__:'update',visible}))"
    page.run(parts["grid_source"].input, chosen, inputs=["grid_source"], shows=["grid_prompts", "grid_count"])
    asked = page.on(
        parts["grid_ask"].click, _grid_answered, inputs=["current", "grid_source", "grid_count", "grid_prompts"],
        shows=["grid", "grid_stop"],
        refused={"grid": "", "grid_stop": gr.update(interactive=False)}, note=parts["grid_note"], concurrency_limit=8,
    )  # fmt: skip
    page.on(parts["close"].expand, _angles, inputs=["current"], shows=["angles"], refused={"angles": ""}, note=parts["close_note"])
    page.stop(parts["grid_stop"].click, [asked], lambda: {"grid_stop": gr.update(interactive=False)})


# What is shown


def _group_of(chosen: str | None) -> str:
    """The id of the group that is chosen in place of a run; empty for a run."""
    return chosen.removeprefix(_GROUP) if chosen and chosen.startswith(_GROUP) else ""


def _opened(services: Services, request: gr.Request) -> Shown:
    listed = run_list.page(services, run_list.Listed())
    if not listed["any"]:
        empty = html.empty(say("runs.none"), "train", say("runs.train_one"))
        return {"nothing": gr.update(value=empty, visible=True), "filled": HIDDEN, "disk": HIDDEN}
    asked = dict(request.query_params)
    wanted = next((f"{mark}{asked[name]}" for name, mark in _ADDRESSED if asked.get(name)), "")
    shown, missing = _there(services, wanted), HIDDEN
    if shown is None:
        newest = listed["runs"][0]["id"] if listed["runs"] else ""
        missing = gr.update(value=html.notice(say("runs.not_here")), visible=True) if wanted else HIDDEN
        wanted, shown = newest, _shown(services, newest)
    return {
        "nothing": missing, "filled": gr.update(visible=True), "disk": gr.update(visible=True), "listed": listed | {"chosen": wanted},
        "current": wanted, **shown,
    }  # fmt: skip


def _there(services: Services, chosen: str) -> Shown | None:
    """What is shown of a run or a group that an address names; None if there is none."""
    if not chosen:
        return None
    try:
        return _shown(services, chosen)
    except NotFoundError:
        return None


def _chosen(services: Services, run_id: str | None, grid_of: str) -> Shown:
    shown = _shown(services, run_id or "")
    if run_id and run_id == grid_of:  # looked at again: what was asked for stays
        return {name: value for name, value in shown.items() if name not in ("grid", "close", "angles")}
    return shown


def _shown(services: Services, run_id: str) -> Shown:
    """Everything about one run, or a group. Raises NotFoundError."""
    if run_id.startswith(_COMPARE):
        return _shown_comparison(services, run_id)
    if not run_id:
        return {
            **_NO_RUN,
            **_NOT_COMPARED,
            "live": {"status": html.empty(say("runs.none_chosen"), "train", say("runs.train_one"))},
            "live_key": "",
        }
    if group_id := _group_of(run_id):
        return {**_shown_group(sweep.table(services, group_id)), **_NOT_COMPARED}
    view = runs.view(services, run_id)
    run = view.run
    return {
        **_NOT_COMPARED, "live": {"live": run_live.snapshot(services, view, run_live.Since()), "status": runs_html.run_status(view)},
        "name": run.name, "tags": ", ".join(run.tags), "notes": run.notes, **_around(services, view),
    }  # fmt: skip


def _around(services: Services, view: RunView) -> Shown:
    """What is shown of a run beside what is drawn in the browser: why it failed, its verdict, what can be done with it."""
    run = view.run
    return {
        "failure": runs_html.failure(run),
        "verdict": runs_html.verdict(view.verdict),
        "facts": runs_html.facts(run),
        "regression": looked_html.regression(looked.regression_of(run)), "edit": looked_html.edit(looked.changes_of(run)),
        "notes_shown": runs_html.notes(run_notes.rendered(run.notes)),
        "stop": gr.update(visible=view.stoppable, value=say("runs.leave_queue" if run.status.waiting else "runs.stop")),
        "discard": gr.update(visible=view.discardable),
        "resume": gr.update(visible=view.resumable, value=say("runs.continue" if run.step else "runs.start_again")),
        "remedy": gr.update(visible=bool(view.remedy), value=view.remedy),
        "talk": gr.update(visible=view.chattable, link=f"playground?run={run.id}"),
        "download": gr.update(visible=view.downloadable, link=f"files/runs/{run.id}/adapter.zip"),
        "report": gr.update(visible=run.step > 0, link=f"files/runs/{run.id}/report.html"),
        "clone": gr.update(visible=True, link=f"train?run={run.id}"),
        "yaml": gr.update(visible=True, link=f"files/runs/{run.id}/run.yaml"),
        "queue": gr.update(visible=run.status.waiting and view.waiting > 1),
        "longer_row": gr.update(visible=view.downloadable),
        "later_row": gr.update(visible=run.status.waiting),
        "describe": gr.update(visible=True),
        "delete": gr.update(visible=view.deletable),
        "live_key": run_live.key(view),
        **runs_predictions.shown(services, run),
    }  # fmt: skip


def _shown_group(table: sweep.Table) -> Shown:
    """A group in place of a run: its table, and the button that stops all of it."""
    stop = gr.update(visible=table.done < len(table.lines), value=say("sweep.stop"))
    return {**_NO_RUN, "live": {"status": sweep_html.sweep(table)}, "stop": stop, "live_key": ""}


def _shown_comparison(services: Services, chosen: str) -> Shown:
    """Runs side by side in place of one run; a sentence where they cannot be."""
    nothing = {**_NO_RUN, "live_key": "", "grid": "", "angles": "", "grid_of": chosen}
    try:
        found = compare.comparison(services, compare.read_ids(chosen.removeprefix(_COMPARE)))
    except StudioError as error:
        return {**nothing, **_NOT_COMPARED, "live": {"status": html.notice(say_error(error))}}
    value = {"curves": compare.curves(services, found), "top": compare_html.top(found), "tables": compare_html.tables(found)}
    boxes = {"grid_box": gr.update(visible=True), "close": gr.update(visible=True, open=False)}
    return {**nothing, **boxes, "live": {"status": ""}, "compared": value}


def _moved(services: Services, run_id: str | None) -> Shown:
    """Something of the run has changed that the browser does not draw by itself."""
    if not run_id or not _is_one(run_id):
        return {}
    try:
        return _around(services, runs.view(services, run_id))
    except NotFoundError:  # another tab has deleted it, which the browser shows
        return {**_NO_RUN, "live_key": ""}


def _measured(services: Services) -> Shown:
    return {"usage": runs_html.disk_usage(disk.room(services), services.settings.bin_days)}


# What is done


def _angles(services: Services, chosen: str | None) -> Shown:
    return {"angles": compare_html.closeness(compare.closeness(services, _compared(chosen)))}


def _compared(chosen: str | None) -> list[str]:
    """The runs that are compared. Raises StudioError."""
    if not chosen or not chosen.startswith(_COMPARE):
        raise StudioError(say("compare.two"))
    return compare.read_ids(chosen.removeprefix(_COMPARE))


def _grid_answered(
    services: Services, chosen: str | None, source: answers_grid.Source, count: float | None, typed: str | None
) -> Iterator[Shown]:
    for found in answers_grid.fill(services, _compared(chosen), source, count, typed or ""):
        yield {"grid": compare_html.grid(found), "grid_stop": gr.update(interactive=found.done < found.total)}


def _acted(services: Services, asked: str) -> Shown:
    return {"listed": run_list.answer(services, run_list.Asked.read(asked))}


def _act(services: Services, act: Callable[[Services, str], RunRecord], run_id: str | None) -> Shown:
    if group_id := _group_of(run_id):
        sweep.stop(services, group_id)  # all else that is done with a run is not offered of a group
        return _shown(services, run_id or "")
    run = act(services, _one(run_id))
    return _changed(services, run)


def _changed(services: Services, run: RunRecord) -> Shown:
    """The page after something was done with one run."""
    told = {"acted": "changed", "ids": [run.id], "sentence": "", "undo": [], "runs": [run_list.entry(run)], "groups": {}}
    if run.binned_at is not None:
        return {"listed": told | {"acted": "delete", "undo": [run.id], "sentence": say("runs.acts.delete", count=1, name=run.name)}}
    return {"listed": told, **_shown(services, run.id)}


def _one(run_id: str | None) -> str:
    if not run_id or not _is_one(run_id):
        raise StudioError(say("runs.choose"))
    return run_id


def _is_one(chosen: str) -> bool:
    """Whether one run is chosen, and neither a group nor several that are compared."""
    return not chosen.startswith((_GROUP, _COMPARE))


def _to_the_front(services: Services, run_id: str) -> RunRecord:
    return runs.reorder(services, run_id, -1_000_000)


def _earlier(services: Services, run_id: str) -> RunRecord:
    return runs.reorder(services, run_id, -1)


def _later(services: Services, run_id: str) -> RunRecord:
    return runs.reorder(services, run_id, 1)


def _start_later(services: Services, run_id: str | None, moment: str) -> Shown:
    return _changed(services, runs.start_later(services, _one(run_id), moment))


def _longer(services: Services, run_id: str | None, epochs: float | None) -> Shown:
    return {"made": runs.go_on_longer(services, _one(run_id), epochs).id}


def _describe(services: Services, run_id: str | None, name: str, tags: str, notes: str) -> Shown:
    return _changed(services, run_notes.describe(services, _one(run_id), name, tags, notes))


def _delete(services: Services, run_id: str | None) -> Shown:
    return {"listed": run_list.answer(services, run_list.Asked(act="delete", ids=[_one(run_id)]))}
