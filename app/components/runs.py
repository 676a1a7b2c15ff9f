"""The parts of the Runs page that are made in the browser: the list, and one run while it learns; see app/static/run_list.js, run_live.js.

They are drawn from plain data, with text set as text, or from HTML that the server has escaped.
"""

from typing import Any

import gradio as gr

from app.components import html
from app.handlers.compare import MOST
from app.words import say
from storage import RunStatus

_EMPTY = "<div></div>"
LIST_CHOSEN = "()=>studio.chosenRun()"
"""Gives the id of the run that is chosen in the list, or of a group."""
LIST_ACTED = "()=>[studio.askedOfRuns()]"
"""Of an event whose input is what is done with runs of the list, which only the browser knows."""

_LIST = (
    "title", "search", "show", "order", "open", "more", "none_such", "choose_none", "delete", "restore", "members", "empty", "empty_sure",
    "empty_yes", "empty_no", "pause", "go_on", "undo", "compare", "mix",
)  # fmt: skip
_STATES = ("all", "going", "finished", "stopped", "failed", "starred", "binned")
_ORDERS = ("newest", "oldest", "name", "held_out")
_LIVE = ("events", "speed", "memory", "rate")
_SAMPLES = ("title", "scrub", "prompt", "expected", "base", "tuned", "nothing")
_CHART = (
    "shows", "over", "smoothing", "log", "whole", "table", "nothing", "hint", "step", "epoch", "time", "loss", "right", "learning_rate",
    "gradient_norm", "tokens_per_second", "memory", "line_loss", "line_held_out", "line_held_out_base", "line_held_out_right",
    "line_held_out_right_base",
)  # fmt: skip
_COMPARE = ("held_out", "loss", "right", "legend", "curves", "scatter", "scatter_axes", "only", "hint", "nothing", "no_scatter")


def runs_list(elem_id: str) -> gr.HTML:
    """The list, drawn from a `handlers.run_list.page` with the id that is ``chosen``.

    Its events: ``input`` when a run is chosen, ``select`` when something is to be done with runs.
    """
    events = "{chosen:()=>trigger('input'),acted:()=>trigger('select')}"
    return gr.HTML(None, html_template=_EMPTY, elem_id=elem_id, js_on_load=f"studio.runList(element,props,watch,{events})")


def live_run(elem_id: str) -> gr.HTML:
    """One run, drawn from its ``status`` as HTML and a `handlers.run_live.snapshot` as ``live``; without that only the status.

    Its event ``apply``: something has changed that is drawn elsewhere.
    """
    draws = "studio.runPart('figures',element);studio.runLive(element,props,watch,()=>trigger('apply'))"
    return gr.HTML(None, html_template=_EMPTY, elem_id=elem_id, js_on_load=draws)


def compared(elem_id: str) -> gr.HTML:
    """Runs side by side, drawn from ``top`` and ``tables`` as HTML and the ``curves`` of `handlers.compare`; nothing without them."""
    return gr.HTML(None, html_template=_EMPTY, elem_id=elem_id, js_on_load="studio.compare(element,props,watch)")


def predicted(elem_id: str) -> gr.HTML:
    """What is told of a run's predictions, as ``html``; as long as it ``follows`` a run, the page asks how far they are.

    Its event ``apply``: none are under way any more.
    """
    draws = "studio.predictions(element,props,watch,()=>trigger('apply'))"
    return gr.HTML(None, html_template=_EMPTY, elem_id=elem_id, js_on_load=draws)


def live_part(name: str, elem_id: str) -> gr.HTML:
    """A place that is drawn into: by `live_run` ``status``, ``chart``, ``samples`` and ``events``, by `runs_list` ``search``."""
    return gr.HTML(None, html_template=_EMPTY, elem_id=elem_id, js_on_load=f"studio.runPart('{name}',element)")


def notifications(elem_id: str) -> gr.HTML:
    """A button with which a person allows notifications, until they have."""
    return gr.HTML("", html_template=_EMPTY, elem_id=elem_id, js_on_load="studio.notifications(element)")


def texts() -> dict[str, Any]:
    """The texts of the scripts, by the names that they use; where a value belongs stands its name in braces."""
    return {
        "runs": _list_texts(),
        "live": {
            **{name: say(f"runs.live.{name}") for name in _LIVE},
            "tokens_per_second": say("runs.live.told.tokens_per_second", count="{count}"),
            "memory_used": say("runs.live.told.memory_used", size="{size}"),
        },
        "samples": {**{name: say(f"runs.sample.{name}") for name in _SAMPLES}, "caption": say("runs.sample.told.caption", step="{step}")},
        "chart": {
            **{name: say(f"runs.chart.{name}") for name in _CHART},
            "sentence": say("runs.chart.told.sentence", name="{name}", first="{first}", last="{last}"),
        },
        "compare": {
            **{name: say(f"compare.chart.{name}") for name in _COMPARE},
            "sentence": say("runs.chart.told.sentence", name="{name}", first="{first}", last="{last}"),
            "none_of": say("compare.chart.told.none_of", name="{name}"),
            "point": say("compare.chart.told.point", name="{name}", parameters="{parameters}", loss="{loss}"),
        },
        "ended": {
            **{name: say(f"runs.ended.{name}") for name in ("title", "allow", "allowed")},
            "mark": say("runs.ended.told.mark", count="{count}"),
        },
        "titles": {page: say(f"pages.{page}") for page in html.PAGES[1:]},
    }  # fmt: skip


def _list_texts() -> dict[str, Any]:
    return {
        **{name: say(f"runs.list.{name}") for name in _LIST},
        "states": {name: say(f"runs.state.{name}") for name in _STATES},
        "orders": {name: say(f"runs.order.{name}") for name in _ORDERS},
        "kinds": {status.value: html.STATUS_KINDS[status] for status in RunStatus},
        "tick": say("runs.list.told.tick", name="{name}"), "star": say("runs.list.told.star", name="{name}"),
        "fold": say("runs.list.told.fold", name="{name}"), "chosen": say("runs.list.told.chosen", count="{count}"),
        "group": say("runs.list.told.group", count="{count}", done="{done}"), "left": say("runs.list.told.left", time="{time}"),
        "queue": say("runs.list.told.queue", active="{active}", waiting="{waiting}"), "place": say("runs.list.told.place", place="{place}"),
        "starts_at": say("runs.list.told.starts_at", time="{time}"),
        "too_many": say("compare.too_many_chosen", most=MOST), "most_compared": MOST,
    }  # fmt: skip
