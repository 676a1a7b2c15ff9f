"""Whatever comes from a person, a file or a model is shown, never interpreted: in every function that makes HTML, and on every page.

Every text of every value is hostile, and what comes out is read as a browser reads it.
"""

import dataclasses
import enum
import inspect
import types
import typing
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from pydantic import BaseModel

from app.components import bars_html, diagram, row_check_html
from app.components import html as pieces
from app.errors import StudioError
from app.handlers import answers_grid, baselines, compare, run_notes, runs
from app.handlers.datasets import PreviewRow, Token
from app.handlers.kept import Kept, Sides
from app.handlers.predictions import Listed, Progress, State
from app.handlers.rates import Search
from app.handlers.runs import HeldOut, RunView
from app.handlers.sweep import Line, Table
from app.handlers.train import Again, Estimate, TrainForm
from app.handlers.uploads import Upload
from app.handlers.verdict import Deed, Verdicts
from app.handlers.workbench import Look, Said
from app.pages import (
    baselines_html,
    compare_html,
    data_html,
    dataset_html,
    home_html,
    looked_html,
    operators_html,
    predictions_html,
    report_html,
    runs_html,
    shared_html,
    shares_html,
    sweep_html,
    train_html,
    train_rates_html,
)
from app.predictions import Confusion, Counts, Prediction
from app.samples import Sample
from app.services import make_services
from app.settings import Settings
from reft_engine.data import Columns, Differences, Example, Inspection, Message, Problem, ReadOptions, ReportItem, dump_examples
from reft_engine.data.row_check import Finding, Lengths, RowCheck
from reft_engine.spec import RunSpec
from reft_engine.training import ChangedToken, Changes, RatesFound, RateTrial, Regression
from storage import DatasetRecord, DatasetUse, DatasetUses, DatasetVersionRecord, Failure, Phase, RunRecord, RunStatus, SampleRecord
from storage.upkeep import DiskUsage
from tests.settings.pages import read

HOSTILE = "Evil'\"><img src=x onerror=alert(1)></p></div><script>alert(2)</script>&lt;i&gt;"
NOW = datetime.now(UTC)
KINDS = ((True, False), (False, True), (False, False))
"""Of a token: learned or not, edited or not."""


class Seen(HTMLParser):
    """The elements and texts that a browser would make of it."""

    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


def harmless(markup: str) -> Seen:
    seen = Seen(markup)
    assert not {"img", "script", "i>", "iframe", "object", "embed", "form"} & set(seen.tags), markup
    assert not [name for name, _ in seen.attributes if name.startswith("on")], markup
    assert not [value for name, value in seen.attributes if name in ("href", "src") and value.lower().strip().startswith("javascript:")], (
        markup
    )
    return seen


def hostile(kind: Any, **given: Any) -> Any:
    """A value of a kind, every text in it hostile; what must be of some form is given."""
    hints = typing.get_type_hints(kind)
    names = kind.model_fields if issubclass(kind, BaseModel) else [field.name for field in dataclasses.fields(kind) if field.init]
    return kind(**{name: given[name] if name in given else filled(hints[name]) for name in names})


PLAIN: dict[Any, Any] = {str: HOSTILE, int: 3, float: 3, bool: True, datetime: NOW}


def filled(hint: Any) -> Any:
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if hint in PLAIN:
        return PLAIN[hint]
    if origin in (typing.Union, types.UnionType):
        return filled(next(part for part in inside if part is not type(None)))
    if origin in (typing.Literal, typing.Annotated):
        return inside[0] if origin is typing.Literal else filled(inside[0])
    if origin in (list, tuple, dict):
        return dict[str, Any]() if origin is dict else origin([filled(inside[0])] * 2)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return next(iter(hint))
    assert isinstance(hint, type) and (dataclasses.is_dataclass(hint) or issubclass(hint, BaseModel)), f"this test knows no hostile {hint}"
    return hostile(hint)


SUMMARY = {"trainable_parameters": 3, "seconds": 4.0}


def a_spec(**given: Any) -> dict[str, Any]:
    """Of a run of a version that may have kept anything."""
    spec = RunSpec().model_dump(mode="json")
    spec["reft"] |= {"method": HOSTILE, "layers": HOSTILE, "positions": HOSTILE, "rank": HOSTILE, **given}
    return spec


def a_run(**given: Any) -> RunRecord:
    return hostile(RunRecord, **{"spec": a_spec(), "status": RunStatus.FAILED, "summary": SUMMARY, **given})


def a_dataset() -> DatasetRecord:
    return hostile(DatasetRecord, version=hostile(DatasetVersionRecord, reading={HOSTILE: HOSTILE}, split={HOSTILE: HOSTILE}))


def a_use() -> DatasetUses:
    return DatasetUses((DatasetUse(HOSTILE, HOSTILE, 3),), {3: 2})


def a_kept() -> Kept:
    other = hostile(DatasetVersionRecord, id="another", reading=None, split=None)
    return Kept(a_dataset(), a_dataset().version, (a_dataset().version, other), a_use())


def a_view(**given: Any) -> RunView:
    return hostile(RunView, **{"run": a_run(), "held_out": hostile(HeldOut), "verdict": None, "loss": 0.5, **given})


def a_check(**given: Any) -> RowCheck:
    return hostile(RowCheck, **{"findings": (hostile(Finding, lines=(3, 4), excerpts=(HOSTILE, HOSTILE)),), **given})


def a_list(**given: Any) -> Listed:
    """Predictions, with a table of which was taken for which."""
    table = Confusion((HOSTILE, HOSTILE), ((1, 2), (3, 4)), ((1, 2), (3, 4)), others=False)
    row = hostile(Prediction, **{"messages": (("user", HOSTILE),), **given})
    return Listed("answers", [row], 3, hostile(Counts), table)


def an_again(rows: str) -> Again:
    """A run that is made again from the rows that it learned from, which may be the newest, or from the newest, which are others."""
    first, second = (replace(a_dataset(), version=hostile(DatasetVersionRecord, id=each, number=3)) for each in ("a", "b"))
    dataset, current = {"own": (first, first), "own, changed since": (first, second), "newest": (second, second)}[rows]
    return Again(a_run(id="r", version_id="a"), dataset, current, TrainForm())


LENGTHS = Lengths(half=3, longest=5, counts=(1, 2), over=(0, 1))


def an_example() -> Example:
    return Example(3, (Message("user", HOSTILE), Message(typing.cast(Any, HOSTILE), HOSTILE)), HOSTILE)


def a_look(**given: Any) -> Look:
    items = [ReportItem("duplicates", 3, HOSTILE, (1, 2), remedy) for remedy in ("drop_duplicates", None)]
    inspection = hostile(
        Inspection, report=items, examples=[an_example()], problems=[Problem(3, HOSTILE)], columns=(HOSTILE, HOSTILE),
        read_as=Columns(roles={HOSTILE: "prompt"}), reasons={HOSTILE: HOSTILE}, first=(), options=ReadOptions(),
        answers=((HOSTILE, 3), (HOSTILE, 2)), **given,
    )  # fmt: skip
    return Look(Said(token="0" * 32, search=HOSTILE, only=HOSTILE, find=HOSTILE), Path(HOSTILE), Upload(inspection, Path(HOSTILE)), ())


A_LINE = compare.Line("right", HOSTILE, (HOSTILE, "x"), 0)
ANGLES = ((3, "prompt", 10.0, 80.0), (4, "suffix", 9.0, 9.0))
ANSWERING = (answers_grid.Column("b", HOSTILE), answers_grid.Column(HOSTILE, HOSTILE, a_run()))


def a_comparison() -> compare.Comparison:
    compared = hostile(compare.Compared, view=a_view(), score=None)
    return hostile(compare.Comparison, runs=(compared,), sentences=(HOSTILE,), results=(A_LINE,), settings=(A_LINE,))


def a_grid(expected: str | None) -> answers_grid.Grid:
    return answers_grid.Grid(ANSWERING, (answers_grid.Question(HOSTILE, (), expected),), ({"b": HOSTILE},))


# Each function that makes HTML, with what is to be seen of the hostile text in what it makes.
TABLE: dict[str, list[Callable[[], str]]] = {
    "html.term": [lambda: pieces.term(HOSTILE, HOSTILE)],
    "html.title": [lambda: pieces.title(HOSTILE, "A line of ours.")],
    "html.notice": [lambda: pieces.notice(HOSTILE), lambda: pieces.notice(HOSTILE, "bad")],
    "html.refusal": [lambda: pieces.refusal(HOSTILE, 3)],
    "html.empty": [lambda: pieces.empty(HOSTILE, HOSTILE, HOSTILE)],
    "html.text": [lambda: pieces.text(HOSTILE)],
    "home_html.sample_card": [lambda: home_html.sample_card(hostile(Sample, icon="face", example=[HOSTILE, HOSTILE], file="rows.csv"))],
    "home_html.recent": [lambda: home_html.recent([a_run()])],
    "data_html.found": [lambda: data_html.found(a_look()), lambda: data_html.found(a_look(notes=(HOSTILE,) * 4))],
    "data_html.report": [lambda: data_html.report(a_look(needs_mapping=False))],
    "data_html.preview": [
        lambda: data_html.preview([PreviewRow(3, an_example(), tuple(Token(HOSTILE, *kind) for kind in KINDS))]),
        lambda: data_html.preview([PreviewRow(3, an_example(), problem=HOSTILE)]),
        lambda: data_html.preview([PreviewRow(3, an_example())]),
    ],
    "data_html.report_items": [
        lambda: data_html.report_items([ReportItem("duplicates", 3, HOSTILE, (1, 2), "drop_duplicates")], [(HOSTILE, 2)])
    ],
    "data_html.facts": [lambda: data_html.facts(a_dataset().version)],
    "data_html.dataset_lines": [lambda: data_html.dataset_lines([a_dataset()], {HOSTILE: a_use()})],
    "data_html.dataset_line": [lambda: data_html.dataset_line(a_dataset(), a_use())],
    "dataset_html.top": [lambda: dataset_html.top(a_kept())],
    "dataset_html.versions": [lambda: dataset_html.versions(a_kept(), dataset_html.Compared(2, hostile(Differences)))],
    "dataset_html.learned": [lambda: dataset_html.learned([PreviewRow(3, an_example())], HOSTILE)],
    "train_html.again": [
        lambda rows=rows: train_html.again(an_again(rows)) for rows in ("own", "own, changed since", "newest")
    ],
    "train_html.group": [lambda: train_html.group(HOSTILE)],
    "train_html.teaching": [
        lambda: train_html.teaching(a_dataset(), TrainForm(base=HOSTILE), None),
        lambda: train_html.teaching(a_dataset(), TrainForm(labels=HOSTILE), hostile(Estimate, check=None)),
    ],
    "train_html.changes": [lambda: train_html.changes(["layers", "labels"], TrainForm(layers=HOSTILE, labels=HOSTILE))],
    "runs_html.run_status": [
        lambda: runs_html.run_status(a_view(run=a_run(status=RunStatus.FAILED, failure=hostile(Failure)))),
        lambda: runs_html.run_status(a_view(run=a_run(status=RunStatus.TRAINING, failure=None, phase=hostile(Phase)), trouble=HOSTILE)),
        lambda: runs_html.run_status(a_view(run=a_run(status=RunStatus.QUEUED, failure=None), engine_up=False)),
    ],
    "runs_html.failure": [lambda: runs_html.failure(a_run(failure=hostile(Failure)))],
    "runs_html.notes": [lambda: runs_html.notes(run_notes.rendered(HOSTILE))],
    "runs_html.facts": [
        lambda: runs_html.facts(a_run()), lambda: runs_html.facts(a_run(spec=a_spec(layers=[HOSTILE]))),
        lambda: runs_html.facts(a_run(summary={**SUMMARY, "mixed_from": [{"run": HOSTILE, "name": HOSTILE, "weight": 0.5}]})),
        lambda: runs_html.facts(a_run(), HOSTILE),
    ],
    "row_check_html.row_check": [lambda: row_check_html.row_check(a_check())],
    "bars_html.bars": [lambda: bars_html.bars(HOSTILE, HOSTILE, [bars_html.Bar(HOSTILE, 3, 1), bars_html.Bar(HOSTILE, 2)])],
    "compare_html.closeness": [partial(compare_html.closeness, [compare.Closeness(HOSTILE, HOSTILE, each)]) for each in ((), ANGLES)],
    "compare_html.top": [lambda: compare_html.top(a_comparison())],
    "compare_html.tables": [lambda: compare_html.tables(a_comparison())],
    "compare_html.grid": [partial(compare_html.grid, a_grid(expected)) for expected in (None, "x", HOSTILE)],
    "looked_html.regression": [lambda: looked_html.regression(hostile(Regression))],
    "looked_html.edit": [
        lambda: looked_html.edit(hostile(Changes, example=tuple(ChangedToken(HOSTILE, edited, 0.5) for edited in (True, False)))),
    ],
    "predictions_html.top": [lambda: predictions_html.top(State(HOSTILE, 3, problem=HOSTILE))],
    "predictions_html.table": [
        lambda: predictions_html.table(a_list()),
        lambda: predictions_html.table(a_list(messages=(("user", HOSTILE * 9), (HOSTILE, HOSTILE)), rejected="", tuned="")),
    ],
    "predictions_html.files": [lambda: predictions_html.files(a_list(), HOSTILE)],
    "sweep_html.sweep": [
        lambda: sweep_html.sweep(hostile(Table, lines=(hostile(Line, run=a_run()),) * 2)),
        lambda: sweep_html.sweep(hostile(Table, lines=()), a_run()),
    ],
    "baselines_html.about": [lambda: baselines_html.about(a_run(), 0, HOSTILE)],
    "baselines_html.table": [lambda: baselines_html.table(beside()), lambda: baselines_html.table(beside(run=None, held_out=None))],
    "runs_html.verdict": [lambda: runs_html.verdict(hostile(Verdicts, deeds=(Deed(HOSTILE, HOSTILE),), sentences=(HOSTILE,)))],
}  # fmt: skip


def beside(**changes: Any) -> baselines.Table:
    """An edit and two methods."""
    tried = (hostile(baselines.Tried, run=a_run()),) * 2
    row = hostile(baselines.Row, run=a_run(), tried=tried, best=frozenset({"held_out", "memory"}))
    return hostile(baselines.Table, rows=(row, replace(row, **changes), row), remarks=(HOSTILE,))


WITHOUT = {
    "html.mark": lambda: pieces.mark(True) + pieces.mark(False),
    "html.header": lambda: pieces.header("home"),
    "predictions_html.under_way": lambda: predictions_html.under_way(Progress(2, 3)),
    "predictions_html.counted": lambda: predictions_html.counted(a_list()),
    "row_check_html.lengths": lambda: row_check_html.lengths(a_check(prompts=LENGTHS, answers=LENGTHS)),
    "data_html.guide": data_html.guide, "data_html.samples": data_html.samples, "home_html.opening": home_html.opening,
    "home_html.try_samples": home_html.try_samples, "home_html.steps": home_html.steps,
    "home_html.bring_your_own": home_html.bring_your_own, "compare_html.grid_head": compare_html.grid_head,
    "runs_html.figures": lambda: runs_html.figures(a_view()), "runs_html.disk_usage": lambda: runs_html.disk_usage(hostile(DiskUsage), 7),
    "dataset_html.sides": lambda: dataset_html.sides(Sides({HOSTILE: 3}, 2)),
    "diagram.hidden_states": diagram.hidden_states,
    "train_rates_html.offered": lambda: train_rates_html.offered(3), "train_rates_html.stopped": train_rates_html.stopped,
    "train_rates_html.under_way": lambda: train_rates_html.under_way(Search(1, 2)),
    "train_rates_html.table": lambda: train_rates_html.table(RatesFound((RateTrial(0.1, None), RateTrial(0.2, 1.0)), 3.0, 0.2, 4, 20, 5.0)),
    "train_rates_html.reason": lambda: train_rates_html.reason(RatesFound((), 3.0, None, 4, 20, 5.0)),
    "train_html.about_goal": lambda: train_html.about_goal("style"),
    "train_html.estimate": lambda: train_html.estimate(hostile(Estimate, check=None)),
}  # fmt: skip
"""What makes HTML of no text from anywhere."""
NO_HTML = {"train_html.info", "train_html.earlier_version", "shared_html.moment"}
WHOLE = {
    "shared_html.run", "shared_html.rows", "shared_html.chat", "shares_html.page", "operators_html.page", "report_html.drawn",
    "report_html.places",
}  # fmt: skip
"""Pages with scripts and forms of ours, and what they are made of; see test_plain_pages.py."""
MODULES = (
    pieces,
    bars_html,
    diagram,
    row_check_html,
    baselines_html,
    compare_html,
    data_html,
    dataset_html,
    home_html,
    looked_html,
    operators_html,
    predictions_html,
    report_html,
    runs_html,
    shared_html,
    shares_html,
    sweep_html,
    train_html,
    train_rates_html,
)


def functions() -> set[str]:
    found = set()
    for module in MODULES:
        for name, function in vars(module).items():
            ours = inspect.isfunction(function) and function.__module__ == module.__name__ and not name.startswith("_")
            if ours and inspect.signature(function).return_annotation is str:
                found.add(f"{module.__name__.rpartition('.')[2]}.{name}")
    return found


def test_every_function_that_makes_html_has_a_row_here():
    assert functions() == set(TABLE) | {name.strip() for name in WITHOUT} | NO_HTML | WHOLE
    modules = {path.stem for path in Path(pieces.__file__).parent.glob("*.py")} - {
        "__init__",
        "plain",
        "theme",
        "wiring",
        "labels",
        "table",
        "entry",
        "picker",
        "runs",
        # texts of scripts alone
        "batch",
        "chats",
        "mixes",
        "play_panels",
        "playground",
        "seen",
        "votes",
    }
    modules |= {path.stem for path in Path(data_html.__file__).parent.glob("*_html.py")}
    assert modules == {module.__name__.rpartition(".")[2] for module in MODULES}, "a module of pieces of HTML is looked through above"


@pytest.mark.parametrize("name", TABLE)
def test_hostile_text_is_shown_as_it_is(name):
    for make in TABLE[name]:
        seen = harmless(make())
        assert "Evil'\"><img src=x" in seen.text + " ".join(value for _, value in seen.attributes), "it is not shown at all"


@pytest.mark.parametrize("name", WITHOUT)
def test_what_shows_no_text_is_well_formed(name):
    assert harmless(WITHOUT[name]()).text


def test_a_text_inside_an_attribute_cannot_leave_it():
    """Quotes of both kinds are made harmless, wherever the text is put."""
    shown = pieces.text("\"'<>&")
    assert not set(shown) & set("\"'<>") and shown.count("&") == 5


@pytest.fixture(scope="module")
def infested(tmp_path_factory):
    """A data folder in which every text that somebody could set is hostile: names, rows, sentences, samples, events, answers."""
    services = make_services(Settings(data_dir=tmp_path_factory.mktemp("infested") / "data", models=[HOSTILE]))
    storage = services.storage
    source = storage.files.root / "rows.csv"
    source.write_text("x")
    examples = dump_examples([Example(line, (Message("system", HOSTILE), Message("user", HOSTILE)), HOSTILE) for line in range(1, 9)])
    dataset = storage.datasets.create(name=HOSTILE, label=HOSTILE, shape="pairs", rows=8, usable_rows=8, source=source, examples=examples)
    spec = {**RunSpec().model_dump(mode="json"), "base": HOSTILE}
    kinds: dict[str, str] = {}
    for kind in ("finished", "failed", "training", "queued", "binned"):
        run = storage.runs.create(dataset.id, spec, name=HOSTILE)
        kinds[kind] = run.id
        if kind == "queued":
            continue
        if kind == "binned":
            storage.runs.request_stop(run.id)
            storage.runs.delete(run.id)
            continue
        while (held := storage.queue.claim("w")) and held.run.id != run.id:
            held.fail(Failure("bug", HOSTILE))
        held.begin(HOSTILE)
        held.set_rows(HOSTILE, [1, 2])
        held.add_event(HOSTILE)
        held.add_sample(SampleRecord(1, HOSTILE, HOSTILE, HOSTILE, HOSTILE))
        held.set_summary({**SUMMARY, "regression": hostile(Regression).to_dict(), "changes": hostile(Changes).to_dict()})
        if kind == "failed":
            held.fail(hostile(Failure, remedy={"pass_tokens": 64}))
        if kind == "finished":
            held.set_status(RunStatus.CHECKING, HOSTILE)
            held.set_status(RunStatus.FINISHED, HOSTILE)
    yield services, dataset, kinds
    storage.close()


def marked_up(pages: Any, event: Any, states: list[dict[str, Any]]) -> list[str]:
    """What an event puts into parts of a page that show HTML, and what stands in there already."""
    found = []
    for state in states:
        for name, value in state.items():
            part = event.function.fn.note if name == "note" else event.parts.get(name)
            value = value.get("status", value.get("value")) if isinstance(value, dict) else value
            if isinstance(part, gr.HTML) and isinstance(value, str):
                found.append(value)
    return found


@pytest.mark.slow
def test_no_page_interprets_what_stands_in_the_database(infested, monkeypatch):
    """Each event of each page, as far as it goes; what it shows in HTML is harmless, refusals included."""
    services, dataset, kinds = infested
    pages = read(services)
    monkeypatch.setattr(services.worker, "health", lambda: {"pid": 1, "training": None, "trouble": HOSTILE})
    for name in ("describe", "preview", "check", "probe", "rates", "grid", "angles"):
        monkeypatch.setattr(services.worker, name, refuse)
    shown: list[str] = []
    for event in pages.events:
        for run in kinds.values():
            if event.act in ("_use", "_delete", "_restore", "_remove"):
                continue  # they change what the others look at; what they show is shown by these
            given = {
                "current": run,
                "run": run,
                "dataset": dataset.id,
                "prompt": HOSTILE,
                "system": HOSTILE,
                "chosen": dataset.id,
                "name": HOSTILE,
            }
            values = {name: value for name, value in given.items() if name in event.inputs}
            shown += marked_up(pages, event, pages.shown(event, {"run": run}, **values))
    everything = "".join(shown)
    assert len(shown) > 60
    for markup in shown:
        harmless(markup)
    for what in ("rs-item", "rs-status", "rs-pairs", "rs-failure", "rs-shaded", "rs-figures", "rs-notice bad"):
        assert what in everything, f"{what} was not looked at"


def refuse(*_: Any, **__: Any) -> None:
    raise StudioError(HOSTILE)


@pytest.mark.slow
def test_a_deleted_runs_name_is_shown_as_it_is(infested):
    services, _, kinds = infested
    pages = read(services)
    event = pages.event("runs", "_delete")
    (state,) = pages.shown(event, current=kinds["failed"])
    assert state["listed"]["sentence"].startswith("Evil'") or "Evil'" in state["listed"]["sentence"], "the browser sets it as text"
    runs.restore(services, kinds["failed"])


def test_a_name_of_a_file_for_download_holds_no_sign_of_a_header(infested):
    services, _, kinds = infested
    services.storage.files.adapter(kinds["finished"]).mkdir(parents=True)
    (services.storage.files.adapter(kinds["finished"]) / "README.md").write_text("x")
    name, _ = runs.adapter_zip(services, kinds["finished"])
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
