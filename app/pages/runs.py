"""Runs: the list of all runs, one of them while it learns and afterwards, and what can be done with it."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from app.components import html
from app.components.labels import label, markup
from app.components.runs import LIST_ACTED, LIST_CHOSEN, live_part, live_run, notifications, runs_list
from app.components.wiring import HIDDEN, Page, Shown, live, opening
from app.errors import StudioError
from app.handlers import baselines, disk, looked, run_list, run_live, run_notes, runs, shares, sweep
from app.handlers.runs import RunView
from app.pages import looked_html, runs_baselines, runs_compare, runs_html, runs_predictions, sweep_html
from app.services import Services
from app.words import say
from storage import NotFoundError, RunRecord

_NO_RUN: Shown = {
    **dict.fromkeys(("failure", "verdict", "facts", "notes_shown", "regression", "edit"), ""),
    **dict.fromkeys((
        "stop", "discard", "resume", "remedy", "talk", "download", "report", "clone", "yaml", "share", "queue", "later_row", "longer_row",
        "delete", "describe",
    ), HIDDEN),
    **runs_predictions.NONE, **runs_baselines.NONE,
}  # fmt: skip
_MOVED = ["live_key", *_NO_RUN]
_SHOWN = ["live", "name", "tags", "notes", *runs_compare.NONE, *runs_baselines.OFFERED, *_MOVED]
_GROUP = "group:"
"""Before the id of a group, where else the id of a run stands."""
_ADDRESSED = (("compare", runs_compare.MARK), ("group", _GROUP), ("run", ""))
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
            parts = runs_compare.lay_out()
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
        parts["share"] = gr.Button(label("shares.share"), visible=False, elem_id="run-share", link_target="_self", min_width=100)
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
    parts |= runs_baselines.lay_out()
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
        page.put(listed.input, "listed", "current", js=LIST_CHOSEN).then, _chosen, inputs=["current", "compared_before"], shows=_SHOWN,
        refused={**_NO_RUN, **runs_compare.NONE}, note=notes["list"], clears=[act_note, delete_note, save_note, parts["with_note"]],
        trigger_mode="always_last",
    )  # fmt: skip
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
    page.on(
        parts["with_start"].click, _compare, inputs=["current", "with_methods"], shows=_SHOWN, note=parts["with_note"], trigger_mode="once"
    )
    page.on(parts["save"].click, _describe, inputs=["current", "name", "tags", "notes"], shows=["listed", *_SHOWN], note=save_note)
    page.on(parts["delete"].click, _delete, inputs=["current"], shows=["listed"], note=delete_note, clears=[act_note])
    runs_predictions.wire(page, parts)
    runs_compare.wire(page, parts)
    page.on(parts["disk"].expand, _measured, shows=["usage"], note=notes["disk"])


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


def _chosen(services: Services, run_id: str | None, compared_before: str) -> Shown:
    shown = _shown(services, run_id or "")
    return runs_compare.again(shown) if run_id and run_id == compared_before else shown


def _shown(services: Services, run_id: str) -> Shown:
    """Everything about one run, or a group. Raises NotFoundError."""
    if run_id.startswith(runs_compare.MARK):
        return {**_NO_RUN, "live_key": "", **runs_compare.shown(services, run_id)}
    if not run_id:
        nothing = html.empty(say("runs.none_chosen"), "train", say("runs.train_one"))
        return {**_NO_RUN, **runs_compare.NONE, "live": {"status": nothing}, "live_key": ""}
    if group_id := _group_of(run_id):
        return {**_shown_group(sweep.table(services, group_id), baselines.compared_with(services, group_id)), **runs_compare.NONE}
    view = runs.view(services, run_id)
    run = view.run
    return {
        **runs_compare.NONE, "live": {"live": run_live.snapshot(services, view, run_live.Since()), "status": runs_html.run_status(view)},
        "name": run.name, "tags": ", ".join(run.tags), "notes": run.notes,
        **runs_baselines.offered(services, run), **_around(services, view),
    }  # fmt: skip


def _around(services: Services, view: RunView) -> Shown:
    """What is shown of a run beside what is drawn in the browser: why it failed, its verdict, what can be done with it."""
    run = view.run
    return {
        "failure": runs_html.failure(run),
        "verdict": runs_html.verdict(view.verdict),
        "facts": runs_html.facts(run, view.begins_with),
        "regression": looked_html.regression(looked.regression_of(run)), "edit": looked_html.edit(looked.changes_of(run)),
        "notes_shown": runs_html.notes(run_notes.rendered(run.notes)),
        "stop": gr.update(visible=view.stoppable, value=say("runs.leave_queue" if run.status.waiting else "runs.stop")),
        "discard": gr.update(visible=view.discardable),
        "resume": gr.update(visible=view.resumable, value=say("runs.continue" if run.step else "runs.start_again")),
        "remedy": gr.update(visible=bool(view.remedy), value=view.remedy),
        "talk": gr.update(visible=view.chattable, link=f"playground?run={run.id}"),
        "download": gr.update(visible=view.downloadable, link=f"files/runs/{run.id}/adapter.zip"),
        "report": gr.update(visible=run.step > 0, link=f"files/runs/{run.id}/report.html"),
        "clone": gr.update(visible=view.trained, link=f"train?run={run.id}"),
        "yaml": gr.update(visible=view.trained, link=f"files/runs/{run.id}/run.yaml"),
        "share": gr.update(visible=shares.can_share(services.settings), link=f"share/run/{run.id}"),
        "queue": gr.update(visible=run.status.waiting and view.waiting > 1),
        "longer_row": gr.update(visible=view.downloadable and view.trained),
        "later_row": gr.update(visible=run.status.waiting),
        "describe": gr.update(visible=True),
        "delete": gr.update(visible=view.deletable),
        "live_key": run_live.key(view),
        **runs_predictions.shown(services, run), **runs_baselines.shown(services, view),
    }  # fmt: skip


def _shown_group(table: sweep.Table, beside: RunRecord | None) -> Shown:
    """A group in place of a run: its table, and the button that stops all of it."""
    stop = gr.update(visible=table.done < len(table.lines), value=say("sweep.stop"))
    return {**_NO_RUN, "live": {"status": sweep_html.sweep(table, beside)}, "stop": stop, "live_key": ""}


def _moved(services: Services, run_id: str | None) -> Shown:
    """Something of the run has changed that the browser does not draw by itself."""
    if not run_id or not _is_one(run_id):
        return {}
    try:
        return _around(services, runs.view(services, run_id))
    except NotFoundError:  # another tab has deleted it, which the browser shows
        return {**_NO_RUN, "live_key": ""}


def _measured(services: Services) -> Shown:
    if held := disk.stored(services):  # a person is not told how much others have
        return {"usage": runs_html.stored(held, services.settings.bin_days)}
    return {"usage": runs_html.disk_usage(disk.room(services), services.settings.bin_days)}


# What is done


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
    return not chosen.startswith((_GROUP, runs_compare.MARK))


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


def _compare(services: Services, run_id: str | None, methods: list[str] | None) -> Shown:
    baselines.start(services, _one(run_id), methods or [])
    return _shown(services, run_id or "")


def _describe(services: Services, run_id: str | None, name: str, tags: str, notes: str) -> Shown:
    return _changed(services, run_notes.describe(services, _one(run_id), name, tags, notes))


def _delete(services: Services, run_id: str | None) -> Shown:
    return {"listed": run_list.answer(services, run_list.Asked(act="delete", ids=[_one(run_id)]))}
