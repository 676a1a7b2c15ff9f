"""Every input of every event of every page, fired on a real worker: another value does something else, down to the engine.

The events are read from the pages themselves, so that an input that is added fails here until it has a row.
"""

import html
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from app import chats, limits, predictions
from app.columns import Column
from app.components import html as pieces
from app.components.theme import STATIC
from app.errors import StudioError
from app.goals import GOALS
from app.handlers import answers_grid, datasets, kept, playground, presets, run_live, runs, sweep, train, workbench
from app.handlers.train import FIELDS, LABELS, TrainForm
from app.pages import predictions_html, runs_html, runs_predictions, train_picker
from app.predictions import Prediction
from app.run_texts import RunFile
from app.samples import all_samples
from app.services import make_services
from app.settings import Settings
from app.words import say
from app.worker import probes, row_checks
from app.worker.messages import ChatColumn, ChatMessage, ChatRequest
from reft_engine.data import HubRows, dump_examples, inspect_rows, load_examples
from reft_engine.methods import METHODS
from reft_engine.spec import RunSpec, TrainConfig
from reft_engine.training.verdict import Evidence, Score
from storage import DatasetRecord, Failure, MetricPoint, NotFoundError, RunRecord, RunStatus, StorageError
from storage.tables import Run
from tests.chatting import asked_of_both, followed
from tests.hub import Hub, answering, way_to, write_dataset
from tests.settings.examples import BESIDE, SETTINGS, another, ends, held
from tests.settings.house import PROMPT, House
from tests.settings.pages import Pages, read, reads
from tests.waiting import until
from tests.workbook import workbook

# What the form of the Train page is filled in with: another value than it opens with, and where the run keeps it.
FORM: dict[str, tuple[Any, tuple[str, ...], Any]] = {
    name: (another(row), (row.section, name) if row.section else (name,), held(name, another(row))) for name, row in SETTINGS.items()
}
FORM["base"] = ("", ("base",), None)  # the other base model
TOGETHER = {
    name: value for name, (value, *_) in FORM.items() if name not in ("labels", "pooling", "identity_init", "activation", "revision")
}
"""What can be set at once."""
NAMES = {
    ("playground", "run"): "Run",
    ("data", "base"): "Base model", ("data", "name"): "Name", ("data", "encoding"): "How its letters are read",
    ("data", "sheet"): "Sheet", ("data", "list"): "List", ("data", "delimiter"): "Between cells", ("data", "quote"): "Around cells",
    ("data", "header"): "The first line names the columns", ("data", "skip"): "Lines above it",
    **{(page, "upload"): "Your file" for page in ("home", "data")},
    **{(page, "pasted"): "Rows from a spreadsheet" for page in ("home", "data")},
    **{(page, name): label for page in ("home", "data") for name, label in {
        "hub": "Dataset of the Hugging Face Hub", "hub_config": "Part (config)", "hub_split": "Split", "hub_first": "First row",
        "hub_count": "Number of rows"}.items()},
    ("data", "binned"): "Deleted datasets", ("train", "dataset"): "Dataset", ("train", "name"): "Name of the run",
    ("train", "goal"): "What is it for?", ("train", "objective"): "What is learned",
    ("dataset", "base"): "Base model", ("dataset", "method"): "How they are drawn", ("dataset", "share"): "Held-out percent",
    ("dataset", "seed"): "Seed", ("dataset", "held_out"): "Or hold out the rows of a file of their own",
    **{(page, name): name.capitalize() for page, name in [
        ("dataset", "name"), ("dataset", "tags"), ("runs", "name"), ("runs", "tags"), ("runs", "notes")]},
    ("runs", "predictions_show"): "Show", ("runs", "predictions_search"): "Search prompts and answers",
    ("runs", "start_at"): "Start later", ("train", "start_at"): "Start later", ("runs", "epochs"): "Epochs more",
    ("runs", "grid_source"): "Prompts", ("runs", "grid_count"): "Rows", ("runs", "grid_prompts"): "Your prompts, one a line",
    ("runs", "with_methods"): "Methods to compare with",
    **{("train", field): label for field, label in LABELS.items()},
    **{("train", f"sweep_{name}"): f"{LABELS[name]}: values to try" for name in sweep.LISTED},
    ("train", "presets_chosen"): "My presets", ("train", "presets_name"): "Save these settings as",
    ("train", "presets_with_base"): "With the base model",
}  # fmt: skip
"""What a person reads beside each input."""
UNSEEN = {("train", "page_key"), ("train", "asked"), ("train", "preset"), ("train", "presets_deleted"), ("train", "bases_asked"),
          ("train", "picker_asked"),
          ("runs", "current"), ("runs", "compared_before"), ("runs", "asked"), ("runs", "predictions_count"),
          ("data", "said"), ("data", "typed"), ("home", "typed"), ("data", "deleted"), ("dataset", "id"), ("dataset", "asked"),
          ("data", "hub_looked"), ("home", "hub_looked")}  # fmt: skip
"""Inputs that the page keeps for itself."""


@pytest.fixture(scope="module")
def pages(house) -> Pages:
    return read(house.services)


@pytest.fixture(scope="module", autouse=True)
def timed_once(house) -> Iterator[list[tuple[Any, ...]]]:
    """What the engine is asked to time, in order. The first is timed, and stands for all: here matters what is asked, not what it takes."""
    asked: list[tuple[Any, ...]] = []
    pieces: list[Any] = []
    whole = probes.probe

    def probe(base: Any, run: Any, load: Any, reft: Any, turn: Any) -> Any:
        asked.append((base.name, reft, run.settings))
        if not pieces:
            pieces.append(whole(base, run, load, reft, turn))
        return pieces[0]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(probes, "probe", probe)
        yield asked


CALLS = [
    {"role": "user", "content": "Time?"},
    {"role": "assistant", "content": "Late.", "reasoning": "dark", "function_call": {"name": "now"}},
]


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> SimpleNamespace:
    """A file whose columns nobody knows, and two that are recognised."""
    folder = tmp_path_factory.mktemp("uploads")
    odd = folder / "odd.csv"
    odd.write_text("eins,zwei,drei\nalpha 1,beta 1,gamma 1\nalpha 2,beta 2,\nalpha 3,beta 3,gamma 3\n")
    long = folder / "long.csv"
    long.write_text("prompt,answer\n" + "".join(f"{'no ' * (50 * n)}?,yes {n}\n" for n in range(4)))
    made = {
        "plain.csv": "prompt,answer\nHello?,Ahoy!\n",
        "twice.csv": "prompt,answer\nHello?,Ahoy!\nHello?,Ahoy!\nBye?,Farewell!\n",
        "many.csv": "prompt,answer\n" + "".join(f"Ask number {n}?,It is {n}.\n" for n in range(44)) + ",no prompt\n",
        "growing.csv": "prompt,answer\n" + "".join(f"{'so ' * (n + 1)}?,yes\n" for n in range(12)),
        "quoted.csv": 'prompt,answer\n"a",c\n"d",f\n',
        "calls.jsonl": json.dumps({"messages": CALLS}),
        "splits.json": json.dumps({"train": [{"prompt": "Train?", "answer": "One."}], "test": [{"prompt": "Test?", "answer": "Two."}]}),
    }  # fmt: skip
    for name, content in made.items():
        (folder / name).write_text(content)
    (folder / "umlauts.csv").write_bytes('prompt,answer\nGrün?,"Ja, grün."\n'.encode("cp1252"))
    paths = {Path(name).stem: str(folder / name) for name in (*made, "umlauts.csv")}
    sheets = {name: [("prompt", "answer"), row] for name, row in (("First", ("First?", "One.")), ("Second", ("Second?", "Two.")))}
    (folder / "book.ods").write_bytes(workbook(sheets))
    return SimpleNamespace(odd=str(odd), long=str(long), workbook=str(folder / "book.ods"), **paths)


def text(markup: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "", markup))


def learned(markup: str) -> str:
    """The tokens that the preview marks as the answer to learn."""
    return html.unescape("".join(re.findall(r'<span class="tok learned">([^<]*)</span>', markup)))


# Home


def use(house: House, pages: Pages, files: Any) -> None:
    keys = [event.given[0] for event in pages.events if event.act == "_use"]
    assert keys == [sample.key for sample in all_samples()]
    for which, sample in enumerate(all_samples()):
        pages.fire("home", "_use", which)
        newest = house.services.storage.datasets.all()[0]
        assert (newest.sample, newest.name) == (sample.key, sample.title)
        house.services.storage.datasets.delete(newest.id)


def handed_over(act: str, **given: Any) -> Callable[..., None]:
    """What is brought in on Home is looked at on Data."""

    def show(house: House, pages: Pages, files: Any) -> None:
        seen = []
        for values, wanted in (brought(files, name, which) for name in given for which in (0, 1)):
            token = pages.fire("home", act, **values)["token"]
            shown = read_in(pages, "_opened", {"upload": token})
            assert cells(shown)[0] == wanted
            seen.append(token)
        assert len(set(seen)) == 2 and all(re.fullmatch(r"[0-9a-f]{32}", token) for token in seen)

    return show


def brought(files: Any, way: str, which: int) -> tuple[dict[str, str], list[str]]:
    """A value for a way to bring rows in, and the cells of its first row."""
    if way == "upload":
        return {"upload": (files.odd, files.plain)[which]}, (["alpha 1", "beta 1", "gamma 1"], ["Hello?", "Ahoy!"])[which]
    rows = (("Who?", "Me."), ("What, then?", "That\tit is."))[which]
    if way == "pasted":
        return {"pasted": f"question\tanswer\n{rows[0]}\t{rows[1].replace(chr(9), ' ')}\n"}, [rows[0], rows[1].replace("\t", " ")]
    return {"typed": json.dumps([["", ""], rows, ["", ""]])}, list(rows)


# Data


def cells(shown: dict[str, Any]) -> list[list[str]]:
    """The cells of the table that an event leaves."""
    return [list(row["cells"]) for row in shown["table"]["rows"]]


def read_in(pages: Pages, act: str, address: dict[str, str] | None = None, **values: Any) -> dict[str, Any]:
    """What an event of bringing rows in leaves, with the one that follows it and reads them."""
    taken = pages.fire("data", act, address=address, **values)
    return {**taken, **pages.fire("data", "_looked_at", said=taken["said"])}


SAID: dict[tuple[int, str], str] = {}
"""What is said of a file that nobody has said anything of, since a reading costs a process."""


def said_of(pages: Pages, path: str, **changes: Any) -> str:
    """What the browser sends of an upload, after a person has changed it."""
    if (id(pages), path) not in SAID:
        SAID[id(pages), path] = read_in(pages, "_uploaded", upload=path)["said"]
    return json.dumps({**json.loads(SAID[id(pages), path]), **changes})


def looked_at(act: str, way: str) -> Callable[..., None]:
    def show(house: House, pages: Pages, files: Any) -> None:
        for which in (0, 1):
            values, wanted = brought(files, way, which)
            shown = read_in(pages, act, **values)
            assert cells(shown)[0] == wanted and shown["keeping"]["visible"] and shown["said"]
            assert json.loads(shown["said"])["guessed"] is (values == {"upload": files.odd})
        if act == "_uploaded":
            assert shown["name"] == "plain" and shown["save"]["value"] == "Keep the row"
            last = pages.shown(pages.event("data", act), upload=None)[-1]
            assert "Drop a file first." in last["note"] and last["table"] is None and last["keeping"]["visible"] is False

    return show


def opened_upload(house: House, pages: Pages, files: Any) -> None:
    """The file or the sample of the address, and a sentence for one that is not there."""
    assert cells(read_in(pages, "_opened", {"sample": "emoji"})) != cells(read_in(pages, "_opened", {"sample": "pirate"}))
    assert pages.fire("data", "_opened")["said"] == ""
    for wrong in ("0" * 32, "..", "../../data", ""):
        last = pages.shown(pages.event("data", "_opened"), {"upload": wrong})[-1]
        assert ("is not here any more" in last["note"]) is bool(wrong)
    assert "There is no such sample" in pages.shown(pages.event("data", "_opened"), {"sample": "none"})[-1]["note"]


# The Hub


@pytest.fixture(scope="module", autouse=True)
def hub(tmp_path_factory) -> Iterator[Hub]:
    """A Hub with two datasets, which the processes that read find."""
    folder = tmp_path_factory.mktemp("hub")
    datasets = {name: write_dataset(folder / name) for name in ("owner/rows", "owner/more")}
    (datasets["owner/more"] / "reviews/train-00001.parquet").unlink()
    with pytest.MonkeyPatch.context() as patched, answering(Hub({}, datasets=datasets)) as found:
        for name, value in way_to(found, folder).items():
            patched.setenv(name, value)
        yield found


LOOKED: dict[str, str] = {}
"""What was seen of a dataset, since each look costs a process."""


def looked_up(pages: Pages, name: str) -> str:
    if name not in LOOKED:
        LOOKED[name] = pages.fire("data", "_hub_looked", hub=name)["hub_looked"]
    return LOOKED[name]


def hub_looked(page: str) -> Callable[..., None]:
    def show(house: House, pages: Pages, files: Any) -> None:
        shown = pages.fire(page, "_hub_looked", hub="owner/rows")
        assert (shown["hub_config"]["choices"], shown["hub_config"]["value"]) == (["reviews", "chats"], "reviews")
        assert (shown["hub_split"]["choices"], shown["hub_split"]["value"]) == (["train", "test"], "train")
        assert shown["hub_chosen"]["visible"] and json.loads(shown["hub_looked"])["name"] == "owner/rows"
        refused = pages.shown(pages.event(page, "_hub_looked"), hub="owner/none")[-1]
        assert "There is no dataset owner/none" in text(refused["note"]) and not refused["hub_chosen"]["visible"]

    return show


def hub_split(page: str) -> Callable[..., None]:
    def show(house: House, pages: Pages, files: Any) -> None:
        looked = looked_up(pages, "owner/rows")
        without = json.dumps({**json.loads(looked), "splits": {"chats": ["a", "b"]}})
        for seen, config, splits in ((looked, "reviews", ["train", "test"]), (looked, "chats", ["train"]), (without, "chats", ["a", "b"])):
            shown = pages.fire(page, "_hub_split", hub_looked=seen, hub_config=config)["hub_split"]
            assert (shown["choices"], shown["value"]) == (splits, splits[0])

    return show


HUB: dict[str, dict[str, Any]] = {
    "hub_looked": {"hub": "owner/more"}, "hub": {"hub": "owner/none"}, "hub_config": {"hub_config": "chats"},
    "hub_split": {"hub_split": "test"}, "hub_first": {"hub_first": 31}, "hub_count": {"hub_count": 5},
}  # fmt: skip
"""By input: what is another."""


def hub_values(pages: Pages, **changes: Any) -> dict[str, Any]:
    usual = {"hub": "owner/rows", "hub_config": "reviews", "hub_split": "train", "hub_first": 1, "hub_count": 100}
    return {**usual, "hub_looked": looked_up(pages, changes.get("hub", "owner/rows")), **changes}


def hub_read(field: str) -> Callable[..., None]:
    """Other rows are in the table."""

    def show(house: House, pages: Pages, files: Any) -> None:
        if field == "hub":
            changed = hub_values(pages) | HUB[field]
            assert "Press Look first." in pages.shown(pages.event("data", "_hub_read"), **changed)[-1]["note"]
            return
        shown = read_in(pages, "_hub_read", **hub_values(pages, **HUB[field]))
        rows, saved = cells(shown), shown["save"]["value"]
        wanted = {
            "hub_looked": (["Review 0", "bad", "2024-01-01"], "Keep 30 rows"),
            "hub_first": (["Review 30", "bad", "2024-01-03"], "Keep 30 rows"),
            "hub_count": (["Review 0", "bad", "2024-01-01"], "Keep 5 rows"), "hub_split": (["One, two", "NA"], "Keep the row"),
        }  # fmt: skip
        if field == "hub_config":
            assert shown["name"] == "rows-chats-train" and len(rows[0]) == 2 and saved == "Keep 25 rows"
        else:
            assert (rows[0], saved) == wanted[field]
        assert "of the Hub" in text(shown["found"])

    return show


def hub_handed_over(field: str) -> Callable[..., None]:
    """Home asks for the same rows as Data, and leads there."""

    def show(house: House, pages: Pages, files: Any) -> None:
        seen: list[Any] = []
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(workbench, "take_hub", lambda _, *asked: seen.append(asked) or "0" * 32)
            for values in (
                hub_values(pages),
                hub_values(pages)
                | HUB[field]
                | ({"hub_looked": looked_up(pages, "owner/more"), "hub": "owner/rows"} if field == "hub_looked" else {}),
            ):
                assert pages.fire("home", "_hub_read", **values)["token"] == "0" * 32
        assert seen[0] != seen[1] and seen[0] == (looked_up(pages, "owner/rows"), "owner/rows", HubRows("reviews", "train", 1, 100))

    return show


def roles(**given: str) -> list[list[str]]:
    return [[column, role] for column, role in given.items()]


BETA, GAMMA = roles(eins="prompt", zwei="answer", drei="ignore"), roles(eins="prompt", zwei="ignore", drei="answer")


def told(house: House, pages: Pages, files: Any) -> None:
    """The roles that a person gives are those of the heads, and of what is read."""
    for given, count in ((BETA, "Keep 3 rows"), (GAMMA, "Keep 2 rows")):
        shown = pages.fire("data", "_told", said=said_of(pages, files.odd, roles=given, guessed=False, count=7))
        assert [[column["name"], column["role"]] for column in shown["table"]["columns"]] == given
        assert shown["save"]["value"] == count and shown["table"]["said"]["count"] == 7 and not shown["table"]["fresh"]
    last = pages.shown(pages.event("data", "_told"), said=said_of(pages, files.odd, roles=roles(eins="answer", zwei="answer")))[-1]
    assert "Two columns are the answer" in text(last["note"]) and last["keeping"]["visible"] is False
    joined = roles(eins="prompt", zwei="prompt", drei="answer")
    for template, wanted in (("", "alpha 1\n\nbeta 1"), ("{zwei} before {eins}", "beta 1 before alpha 1")):
        shown = pages.fire("data", "_told", said=said_of(pages, files.odd, roles=joined, template=template))
        assert shown["table"]["prompt"] == wanted
    kept = pages.fire("data", "_told", said=said_of(pages, files.twice))
    assert "1 row" in text(kept["report"]) and "Drop them" in kept["report"]
    dropped = pages.fire("data", "_told", said=said_of(pages, files.twice, remedies=["drop_duplicates"]))
    assert (kept["save"]["value"], dropped["save"]["value"]) == ("Keep 3 rows", "Keep 2 rows") and "Put them back" in dropped["report"]
    for include, deeds in (([], ["Learn it too", "Learn it too"]), (["tool_calls"], ["Learn it too", "Leave it out"])):
        found = pages.fire("data", "_told", said=said_of(pages, files.calls, include=include))["found"]
        assert re.findall(r'data-include="(\w+)"', found) == ["reasoning", "tool_calls"]
        assert re.findall(r"<button[^>]*>([^<]*)", found) == deeds and text(found).count("Left out of chats") == deeds.count("Learn it too")


def turned(house: House, pages: Pages, files: Any) -> None:
    """Another page of the table, rows that hold a word, and rows of a finding."""
    many = files.many
    first = pages.fire("data", "_turned", said=said_of(pages, many))["table"]
    assert len(first["rows"]) == 20 and first["later"] and first["caption"] == "rows 1 to 20 of 45"
    last = pages.fire("data", "_turned", said=said_of(pages, many, offset=40))["table"]
    assert [row["number"] for row in last["rows"]] == [41, 42, 43, 44, 45] and not last["later"]
    assert len(pages.fire("data", "_turned", said=said_of(pages, many, search="NUMBER 7"))["table"]["rows"]) == 1
    assert pages.fire("data", "_turned", said=said_of(pages, many, search="nothing of it"))["table"]["caption"] == "No row holds that."
    for only, numbers in (("line:3,5", [2, 4]), ("row:3,5", [3, 5]), ("unusable", [45])):
        rows = pages.fire("data", "_turned", said=said_of(pages, many, only=only))["table"]["rows"]
        assert [row["number"] for row in rows] == numbers
    assert rows[0]["problem"].startswith("Line 46: ")


def reread(field: str) -> Callable[..., None]:
    """How a file is read, which a person may change."""

    def show(house: House, pages: Pages, files: Any) -> None:
        path, before, value, after = READING[field](files)
        opened = read_in(pages, "_uploaded", upload=path)
        fields = {name: opened[name]["value"] if isinstance(opened[name], dict) else opened[name] for name in READING if name in opened}
        said = json.dumps(opened["table"]["said"])
        same = pages.fire("data", "_reread", said=said, **fields)
        assert cells(same) == cells(opened) and cells(opened)[0] == before
        shown = pages.fire("data", "_reread", said=said, **{**fields, field: value})
        assert cells(shown)[0] == after and shown["table"]["said"]["options"] == {field: value}

    return show


# A file, the cells of its first row, another value of the field, and the cells of the first row then.
READING: dict[str, Callable[[Any], tuple[str, list[str], Any, list[str]]]] = {
    "encoding": lambda files: (files.umlauts, ["Grün?", "Ja, grün."], "cp437", ["Grⁿn?", "Ja, grⁿn."]),
    "sheet": lambda files: (files.workbook, ["First?", "One."], "Second", ["Second?", "Two."]),
    "list": lambda files: (files.splits, ["Train?", "One.", "train"], "test", ["Test?", "Two.", "test"]),
    "delimiter": lambda files: (files.odd, ["alpha 1", "beta 1", "gamma 1"], "", ["alpha 1,beta 1,gamma 1"]),
    "quote": lambda files: (files.quoted, ["a", "c"], "", ['"a"', "c"]),
    "header": lambda files: (files.odd, ["alpha 1", "beta 1", "gamma 1"], False, ["eins", "zwei", "drei"]),
    "skip": lambda files: (files.odd, ["alpha 1", "beta 1", "gamma 1"], 1, ["alpha 2", "beta 2", ""]),
}


def reread_said(house: House, pages: Pages, files: Any) -> None:
    fields = dict.fromkeys(READING)
    for path, wanted in ((files.odd, ["alpha 1", "beta 1", "gamma 1"]), (files.plain, ["Hello?", "Ahoy!"])):
        assert cells(pages.fire("data", "_reread", said=said_of(pages, path), **fields))[0] == wanted


def previewed(house: House, pages: Pages, files: Any) -> None:
    """Which columns are learned, and which of the rows are shown in which order."""

    def shown(path: str, **said: Any) -> dict[str, Any]:
        return pages.fire("data", "_previewed", said=said_of(pages, path, **said))["preview"]

    beta, gamma = shown(files.odd, roles=BETA)["html"], shown(files.odd, roles=GAMMA)["html"]
    assert "beta 1" in learned(beta) and "gamma" not in text(beta) and "gamma 1" in learned(gamma) and "beta" not in text(gamma)
    assert "alpha 1" in text(beta) and "alpha" not in learned(beta), "a prompt is not learned"
    assert 'class="tok edited"' in beta
    first, second = shown(files.many), shown(files.many, at=10)
    assert (first["at"], first["later"], first["caption"]) == (0, True, "1 to 10 of 44, as they will be trained")
    assert "number 9" in text(first["html"]) and "number 10" in text(second["html"]) and "number 9" not in text(second["html"])
    assert shown(files.many, find="NUMBER 33")["caption"] == "1 row, as it will be trained"
    orders = [shown(files.growing, order=order)["html"] for order in ("file", "longest", "shortest")]
    assert [re.findall(r"rs-line.>(\d+)<", each)[:2] for each in orders] == [["2", "3"], ["13", "12"], ["2", "3"]]
    calls = shown(files.calls, include=["tool_calls"])["html"]
    assert '{"name": "now", "arguments": {}}' in learned(calls) and "dark" not in text(calls)
    drawn = {shown(files.many, order="random", seed=seed)["html"] for seed in range(4)}
    assert len(drawn) == 4 and shown(files.many, order="random", seed=1)["html"] in drawn


def counted_said(house: House, pages: Pages, files: Any) -> None:
    """A prompt that is too long leaves its row out, an answer that is too long is cut: which is which makes a difference."""
    base = str(house.bases[0])
    for given, usable in (("prompt", "Of 4 rows, 3"), ("answer", "All 4 rows")):
        said = said_of(pages, files.long, roles=roles(prompt=given, answer="answer" if given == "prompt" else "prompt"))
        assert usable in text(pages.fire("data", "_counted", said=said, base=base)["check"])
    assert pages.fire("data", "_counted", said="", base=base)["check"] == ""


def counted_base(house: House, pages: Pages, files: Any) -> None:
    first, second = map(str, house.bases)
    shown = [pages.fire("data", "_counted", said=said_of(pages, files.plain), base=base)["check"] for base in (first, second)]
    assert first in text(shown[0]) and second in text(shown[1])
    for base, usable in ((first, 3), (second, 2)):
        check = pages.fire("data", "_counted", said=said_of(pages, files.long), base=base)["check"]
        assert f"Of 4 rows, {usable} can be trained on" in text(check) and 'data-only="line:' in check


def saved(house: House, pages: Pages, files: Any) -> None:
    """File, name and columns of an upload become those of the dataset."""
    storage = house.services.storage
    known = {"eins": "alpha 1", "zwei": "beta 1", "drei": "gamma 1"}
    for name, prompt, answer in (("My own", "zwei", "eins"), ("Another", "eins", "drei")):
        given = [[column, {prompt: "prompt", answer: "answer"}.get(column, "ignore")] for column in known]
        pages.fire("data", "_save", said=said_of(pages, files.odd, roles=given), name=name)
        newest = storage.datasets.all()[0]
        assert (newest.name, newest.label, newest.rows) == (name, "odd.csv", 3) and newest.usable_rows == (2 if answer == "drei" else 3)
        assert newest.reading["roles"] == dict(given)
        first = load_examples(storage.files.rows(newest.version))[0]
        assert (first.messages[-1].content, first.answer) == (known[prompt], known[answer])
        storage.datasets.delete(newest.id)
    pages.fire("data", "_save", said=said_of(pages, files.calls, include=["reasoning"]), name="Thoughts")
    newest = storage.datasets.all()[0]
    assert newest.reading == {"options": {"include": ["reasoning"]}}
    assert load_examples(storage.files.rows(newest.version))[0].answer == "<think>\ndark\n</think>\n\nLate."
    storage.datasets.delete(newest.id)
    pages.fire("data", "_save", said=said_of(pages, files.plain), name="")
    newest = storage.datasets.all()[0]
    assert (newest.name, newest.label, newest.reading, newest.rows, newest.usable_rows) == ("plain", "plain.csv", None, 1, 1)
    storage.datasets.delete(newest.id)


def saved_sample(house: House, pages: Pages, files: Any) -> None:
    """A sample that is kept as it is remains that sample, with the settings that suit it."""
    opened = read_in(pages, "_opened", {"sample": "emoji"})["table"]["said"]
    pages.fire("data", "_save", said=json.dumps(opened), name="x")
    newest = house.services.storage.datasets.all()[0]
    assert newest.sample == "emoji"
    house.services.storage.datasets.delete(newest.id)


def restored_dataset(which: int, part: str) -> Callable[..., None]:
    def show(house: House, pages: Pages, files: Any) -> None:
        store = house.services.storage.datasets
        kept = [datasets.save_upload(house.services, files.plain, label="plain.csv", name=name) for name in ("a", "b", "c")]
        for dataset in kept:
            store.delete(dataset.id)
        shown = pages.fire("data", "_restore", which, **{part: kept[1].id})  # neither the first nor the last that was deleted
        assert {dataset.id for dataset in store.binned()} == {kept[0].id, kept[2].id}
        assert [key for _, key in shown["binned"]["choices"]] == [kept[2].id, kept[0].id] and "Bin: 2" in shown["bin"]["label"]
        assert kept[1].id in shown["kept"]
        store.delete(kept[1].id)
        gone = pages.fire("data", "_empty_bin")
        assert store.binned() == [] and gone["bin"]["visible"] is False

    return show


def opened_lists(house: House, pages: Pages, files: Any) -> None:
    """The dataset of the address was just deleted, and can be taken back."""
    kept = datasets.save_upload(house.services, files.plain, label="plain.csv", name="gone")
    assert pages.fire("data", "_opened_lists", address={"binned": kept.id})["deleted"] == ""
    house.services.storage.datasets.delete(kept.id)
    shown = pages.fire("data", "_opened_lists", address={"binned": kept.id})
    assert shown["deleted"] == kept.id and "gone is in the bin." in text(shown["undo_text"]) and shown["undoing"]["visible"]
    assert pages.fire("data", "_opened_lists")["deleted"] == ""
    house.services.storage.datasets.empty_bin()


def previewed_base(house: House, pages: Pages, files: Any) -> None:
    """The other base model has a shorter context."""
    shown = [pages.fire("data", "_previewed", said=said_of(pages, files.long), base=str(base))["preview"]["html"] for base in house.bases]
    assert shown[0].count("rs-bad") == 1 and shown[1].count("rs-bad") == 2


# Dataset


@contextmanager
def dataset_of(house: House, path: str, **choices: Any) -> Iterator[DatasetRecord]:
    """A dataset that is there meanwhile."""
    made = datasets.save_upload(house.services, path, label="rows.csv", name="mine", **choices)
    try:
        yield made
    finally:
        with suppress(NotFoundError):  # another one has emptied the bin
            house.services.storage.datasets.delete(made.id)
        house.services.storage.datasets.empty_bin()


def asked_of(dataset: DatasetRecord, version: int = 1, **changes: Any) -> str:
    return json.dumps({"dataset": dataset.id, "version": version, **changes})


def numbers(shown: dict[str, Any]) -> list[int]:
    return [row["number"] for row in shown["table"]["rows"]]


def dataset_opened(house: House, pages: Pages, files: Any) -> None:
    """The dataset of the address, one of its versions, and what that has other than another one."""
    with dataset_of(house, files.many) as made:
        changed = kept.change(house.services, made.id, {1: {"answer": "Another!"}}, [2])
        newest = pages.fire("dataset", "_opened", address={"id": made.id})
        assert numbers(newest)[:2] == [1, 3] and newest["table"]["can_change"] and newest["saving"]["visible"]
        assert json.loads(newest["asked"])["version"] == 2 and "differences" not in newest["versions"]
        first = pages.fire("dataset", "_opened", address={"id": made.id, "version": "1"})
        assert (
            numbers(first)[:2] == [1, 2]
            and not first["table"]["can_change"]
            and not first["saving"]["visible"]
            and first["back"]["visible"]
        )
        compared = pages.fire("dataset", "_opened", address={"id": made.id, "version": "2", "against": "1"})
        assert "1 row has another text. 1 row is gone." in text(compared["versions"]) and "Another!" in compared["versions"]
        assert pages.fire("dataset", "_reported", address={"id": made.id})["report"]
        for wrong in ("", "nothing", "../x"):
            last = pages.shown(pages.event("dataset", "_opened"), {"id": wrong})[-1]
            assert "There is no such dataset here" in last["note"] and last["table"] is None
        assert changed.version.number == 2


def dataset_reported(house: House, pages: Pages, files: Any) -> None:
    with dataset_of(house, files.twice) as twice, dataset_of(house, files.plain) as plain:
        shown = [text(pages.fire("dataset", "_reported", address={"id": made.id})["report"]) for made in (twice, plain)]
        assert "1 row repeats an earlier one." in shown[0] and "Nothing stands out" in shown[1]
        kept.divide(house.services, twice.id, kept.plan_of("last", 50, 0))
        assert "train on 2 and measure with 1" in text(pages.fire("dataset", "_reported", address={"id": twice.id})["sides"])


def dataset_turned(house: House, pages: Pages, files: Any) -> None:
    with dataset_of(house, files.many) as made:
        pages_shown = [numbers(pages.fire("dataset", "_turned", asked=asked_of(made, offset=offset))) for offset in (0, 10, 40)]
        assert pages_shown == [list(range(1, 11)), list(range(11, 21)), [41, 42, 43, 44]]
        assert numbers(pages.fire("dataset", "_turned", asked=asked_of(made, search="NUMBER 33"))) == [34]


def dataset_learned(house: House, pages: Pages, files: Any) -> None:
    """The rows of the page, with the positions that were chosen on the Train page, as the base model reads them."""
    with dataset_of(house, files.many) as many, dataset_of(house, files.long) as long:
        base = str(house.bases[0])

        def shown(made: DatasetRecord, base: str = base, **asked: Any) -> str:
            return pages.fire("dataset", "_learned", asked=asked_of(made, **asked), base=base)["learned"]

        first, second = shown(many), shown(many, offset=10)
        assert "number 9" in text(first) and "number 10" in text(second) and "number 9" not in text(second)
        assert (
            "positions f7+l7" in first and "positions l1" in shown(many, positions="l1") and "positions f7+l7" in shown(many, positions="?")
        )
        edited = [each.count("tok edited") for each in (first, shown(many, positions="l1"))]
        assert edited[1] == 1 + 10 < edited[0], "the legend, and a token of each row"
        assert [shown(long, str(each)).count("rs-bad") for each in house.bases] == [1, 2]


def dataset_counted(house: House, pages: Pages, files: Any) -> None:
    with dataset_of(house, files.long) as long, dataset_of(house, files.plain) as plain:
        for base, usable in zip(house.bases, (3, 2), strict=True):
            check = pages.fire("dataset", "_counted", base=str(base), address={"id": long.id})["check"]
            assert f"Of 4 rows, {usable} can be trained on" in text(check)
        assert "can be trained on" in text(pages.fire("dataset", "_counted", base=str(house.bases[0]), address={"id": plain.id})["check"])


def dataset_saved(house: House, pages: Pages, files: Any) -> None:
    with dataset_of(house, files.twice) as made:
        pages.fire("dataset", "_save", asked=asked_of(made, texts={"1": {"answer": "Other"}}, dropped=[3]))
        pages.fire("dataset", "_bring_back", asked=asked_of(made, 1))
        pages.fire("dataset", "_save", asked=asked_of(made, 3, remedies=["drop_duplicates"]))
        versions = kept.open_dataset(house.services, made.id).versions
        assert [(each.number, each.usable_rows) for each in versions] == [(4, 2), (3, 3), (2, 2), (1, 3)]
        assert load_examples(house.services.storage.files.rows(versions[2]))[0].answer == "Other"


def dataset_divided(house: House, pages: Pages, files: Any) -> None:
    with dataset_of(house, files.many) as made, dataset_of(house, files.growing) as other:

        def sides(dataset: DatasetRecord, **values: Any) -> list[int]:
            pages.fire("dataset", "_divide", **{"id": dataset.id, "method": "random", "share": 10, "seed": 0, **values})
            newest = house.services.storage.datasets.get(dataset.id)
            return [each.row for each in load_examples(house.services.storage.files.rows(newest.version)) if each.split == "held-out"]

        found = [sides(made), sides(made, share=50), sides(made, seed=7), sides(made, method="last")]
        assert [len(each) for each in found] == [4, 22, 4, 4] and found[0] != found[2] and found[3] == [41, 42, 43, 44]
        assert sides(other, method="last") == [12]


def held_out_file(house: House, pages: Pages, files: Any) -> None:
    with dataset_of(house, files.many) as made:
        for dataset, path, count in ((made, files.plain, 1), (made, files.twice, 3)):
            pages.fire("dataset", "_hold_out", id=dataset.id, held_out=path)
            assert house.services.storage.datasets.get(made.id).split["counts"]["held-out"] == count


def renamed(house: House, pages: Pages, files: Any) -> None:
    with dataset_of(house, files.plain) as made, dataset_of(house, files.twice) as other:
        for dataset, name, tags, kept_tags in ((made, "One", "a, b", ("a", "b")), (other, "Two", "", ())):
            pages.fire("dataset", "_rename", id=dataset.id, name=name, tags=tags)
            found = house.services.storage.datasets.get(dataset.id)
            assert (found.name, found.tags) == (name, kept_tags)


def deleted_dataset(house: House, pages: Pages, files: Any) -> None:
    with dataset_of(house, files.plain) as made, dataset_of(house, files.twice) as other:
        pages.fire("dataset", "_delete", id=made.id)
        left = [dataset.id for dataset in house.services.storage.datasets.all()]
        assert made.id not in left and other.id in left


# Train


def plain(shown: dict[str, Any]) -> dict[str, Any]:
    """The values of the settings that an event shows."""
    return {name: shown[name]["value"] if isinstance(shown[name], dict) else shown[name] for name in FIELDS if name in shown}


def opened_form(house: House, pages: Pages, files: Any) -> None:
    """The run of the address, with what a verdict offers to change."""
    run = house.services.storage.runs.create(house.other_dataset.id, spec_of(house))
    shown = pages.fire("train", "_opened", address={"run": run.id})
    values = plain(shown)
    assert shown["dataset"]["value"] == house.other_dataset.id and TrainForm(**values) == other_form(house)
    assert values != plain(pages.fire("train", "_opened"))
    offers = {"epochs": ("9", 9), "positions": ("l2", "l2"), "learning_rate": ("0.5", 0.5), "held_out": ("0.45", 0.45)}
    assert offers.keys() == train._OFFERED
    for name, (written, value) in offers.items():
        changed = plain(pages.fire("train", "_opened", address={"run": run.id, name: written}))
        assert {field for field in FIELDS if changed[field] != values[field]} == {name} and changed[name] == value
    assert pages.fire("train", "_opened", address={"run": run.id, "choose": "base"})["base"] == ""
    assert pages.fire("train", "_opened", address={"dataset": house.other_dataset.id})["dataset"]["value"] == house.other_dataset.id
    runs.stop(house.services, run.id)


def other_form(house: House) -> TrainForm:
    return TrainForm(**{**TOGETHER, "base": str(house.bases[1])})


def spec_of(house: House) -> dict[str, Any]:
    return train.read_form(house.services.settings, other_form(house)).model_dump(mode="json")


def picked_dataset(house: House, pages: Pages, files: Any) -> None:
    sample = datasets.use_sample(house.services, "emoji")
    forms = []
    for dataset in (house.dataset, sample):
        shown = pages.fire("train", "_picked", dataset=dataset.id)
        preset = train.suggested(house.services, dataset)
        assert plain(shown) == asdict(preset.form) and train.read_preset(shown["preset"]).form == preset.form
        assert shown["learning_rate"]["info"].endswith(preset.reasons["learning_rate"]), "it says why"
        forms.append(preset.form)
    assert forms[0] != forms[1]
    house.services.storage.datasets.delete(sample.id)


def picked_base(house: House, pages: Pages, files: Any) -> None:
    for base in map(str, house.bases):
        for act, aim in (("_picked", {}), ("_aimed", {"goal": "style"})):
            assert plain(pages.fire("train", act, dataset=house.dataset.id, base=base, **aim))["base"] == base


def aimed(house: House, pages: Pages, files: Any) -> None:
    """Each goal brings its settings, and says what it is for."""
    seen = {goal: pages.fire("train", "_aimed", dataset=house.dataset.id, goal=goal) for goal in GOALS}
    assert len({shown["about"] for shown in seen.values()}) == len(GOALS)
    for goal, shown in seen.items():
        assert plain(shown) == asdict(train.suggested(house.services, house.dataset, goal=goal).form) and shown["goal"] == goal
    assert plain(pages.fire("train", "_aimed", goal="reasoning")) == asdict(TrainForm()), "without a dataset the defaults"


def based(field: str) -> Callable[..., None]:
    """With another base model what was changed stays; the rest is as suggested for it."""

    def show(house: House, pages: Pages, files: Any) -> None:
        before = train.suggested(house.services, house.dataset)
        own = {**asdict(before.form), "base": str(house.bases[1])}
        change = {field: form_of(house, field)}
        shown = pages.fire("train", "_based", dataset=house.dataset.id, preset=before.as_text(), **{**own, **change})
        after = train.suggested(house.services, house.dataset, str({**own, **change}["base"]))
        given = {name: value["value"] for name, value in shown.items() if name in FIELDS and "value" in value}
        assert {**own, **change, **given} == {**asdict(after.form), **({} if field == "base" else change)}
        assert all({**own, **change}[name] != value for name, value in given.items()), "what may be typed in meanwhile is left alone"

    return show


def based_beside(house: House, pages: Pages, files: Any) -> None:
    """The dataset, the goal that a person has chosen, and the preset that tells what was changed."""
    services = house.services
    preset = train.suggested(services, house.dataset, goal="reasoning")
    own = {"dataset": house.dataset.id, "preset": preset.as_text(), "goal": "reasoning", **asdict(preset.form)}
    assert pages.fire("train", "_based", **own)["goal"] == "reasoning"
    unchosen = train.suggested(services, house.dataset).as_text()
    assert pages.fire("train", "_based", **{**own, "preset": unchosen})["goal"] == train.suggested(services, house.dataset).goal
    assert pages.fire("train", "_based", **{**own, "goal": "classify"})["goal"] == "classify"
    assert pages.fire("train", "_based", **{**own, "dataset": None})["goal"] is not None


def put_back(house: House, pages: Pages, files: Any) -> None:
    for goal in ("style", "reasoning"):
        preset = train.suggested(house.services, house.dataset, goal=goal)
        assert plain(pages.fire("train", "_put_back", preset=preset.as_text())) == {
            name: value for name, value in asdict(preset.form).items() if name != "base"
        }


def learned_as(house: House, pages: Pages, files: Any) -> None:
    """The objective, of these rows, with the labels that are named already."""
    rows = "text,label\n" + "".join(f"text {n},{'good' if n % 2 else 'bad'}\n" for n in range(12))
    path = Path(files.plain).parent / "labelled.csv"
    path.write_text(rows)
    with dataset_of(house, str(path)) as labelled, dataset_of(house, files.plain) as answers:

        def labels(**given: Any) -> Any:
            return pages.fire("train", "_learns", **{"dataset": labelled.id, "objective": "labels", "labels": "", **given})["labels"]

        assert labels() in ("good, bad", "bad, good") and labels(labels="yes, no") == "yes, no"
        assert labels(objective="answers") == "" and labels(dataset=answers.id) == ""


def estimated(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    seen: list[Any] = []
    whole = train.estimate
    monkeypatch.setattr(train, "estimate", lambda services, dataset, form: seen.append((dataset, form)) or whole(services, dataset, form))
    return seen


def taught(field: str) -> Callable[..., None]:
    """What differs from the preset is named, and what is taught is said at once."""

    def show(house: House, pages: Pages, files: Any) -> None:
        own = {"base": str(house.bases[0]), "dataset": house.dataset.id, **BESIDE.get(field, {})}
        preset = train.Preset(TrainForm(base=own["base"], **BESIDE.get(field, {}))).as_text()
        plain, changed = (
            pages.fire("train", "_said", preset=preset, **{**own, **change}) for change in ({}, {field: form_of(house, field)})
        )  # fmt: skip
        named = field not in ("base", "revision")
        assert (train.title_of(field) in text(changed["changes"]), changed["back"]["visible"]) == (named, named)
        assert not plain["back"]["visible"] and "Teach" in text(plain["sentence"])
        assert (plain["sentence"] != changed["sentence"]) == (field in ("base", "labels"))

    return show


def taught_beside(house: House, pages: Pages, files: Any) -> None:
    own = {"base": str(house.bases[0]), "dataset": house.dataset.id}
    assert house.dataset.name in text(pages.fire("train", "_said", **own)["sentence"])
    assert house.other_dataset.name in text(pages.fire("train", "_said", **{**own, "dataset": house.other_dataset.id})["sentence"])
    for missing, asked in (({"dataset": None}, "Choose a dataset"), ({"base": ""}, "Choose a base model")):
        assert pages.fire("train", "_said", **{**own, **missing})["start"]["value"] == asked
    counts = [
        pages.fire("train", "_said", **own, preset=train.Preset(TrainForm(**change)).as_text())["advanced"]["label"]
        for change in ({}, {"rank": 2}, {"rank": 2, "epochs": 9})
    ]
    assert counts == ["Advanced", "Advanced: 1 changed from the preset", "Advanced: 2 changed from the preset"]


def said_once(house: House, pages: Pages, files: Any) -> None:
    """What is asked again by itself leaves everything as it is, also a sentence that was said meanwhile."""
    event, own = pages.event("train", "_said"), {"base": str(house.bases[0]), "dataset": house.dataset.id}
    assert house.dataset.name in text(pages.fire("train", "_said", **own, asked="1.5")["sentence"])
    (again,) = pages.shown(event, **own, asked="again 1.5")
    skipped = [part for part, value in again.items() if value == gr.skip()]
    assert len(skipped) == len(again) == len(event.function.outputs)


def asked_again(house: House, pages: Pages, files: Any) -> None:
    """An answer says what it was asked, so that an older one is not shown."""
    own = {"base": str(house.bases[0]), "dataset": house.dataset.id}
    assert [json.loads(pages.fire("train", "_counted", **own, asked=each)["found"])["asked"] for each in ("1", "2")] == ["1", "2"]


def form_of(house: House, field: str) -> Any:
    return str(house.bases[1]) if field == "base" else FORM[field][0]


def summarised(field: str) -> Callable[..., None]:
    def show(house: House, pages: Pages, files: Any) -> None:
        own = {"base": str(house.bases[0]), "dataset": house.dataset.id}
        own |= BESIDE.get(field, {})
        change = {"dataset": house.other_dataset.id} if field == "dataset" else {field: form_of(house, field)}
        with pytest.MonkeyPatch.context() as patch:
            seen = estimated(patch)
            pages.fire("train", "_counted", **{**own, **change})
        ((dataset, form),) = seen
        opened = {**asdict(TrainForm(base=own["base"], **BESIDE.get(field, {}))), **({} if field == "dataset" else change)}
        assert (dataset, asdict(form)) == ({**own, **change}["dataset"], opened)

    return show


def started(field: str) -> Callable[..., None]:
    def show(house: House, pages: Pages, files: Any) -> None:
        own = {"base": str(house.bases[0]), "dataset": house.dataset.id, "page_key": f"page {field}", **BESIDE.get(field, {})}
        made = [
            pages.fire("train", "_start", **{**own, **change})["made"] for change in ({}, {field: form_of(house, field)})
        ]  # fmt: skip
        plain, changed = (house.services.storage.runs.get(run).spec for run in made)
        path, wanted = FORM[field][1], str(house.bases[1]) if field == "base" else FORM[field][2]
        values = [spec[path[0]] if len(path) == 1 else spec[path[0]][path[1]] for spec in (plain, changed)]
        assert values[1] == wanted != values[0]
        rest = [strip(spec, path) for spec in (plain, changed)]
        assert rest[0] == rest[1], "nothing else of the run is changed by it"
        for run in made:
            runs.stop(house.services, run)

    return show


def strip(spec: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    flat = {(part, name): value for part in ("reft", "train") for name, value in spec[part].items()} | {("base",): spec["base"]}
    return {key: value for key, value in flat.items() if key != path}


def start_dataset(house: House, pages: Pages, files: Any) -> None:
    for dataset in (house.dataset, house.other_dataset):
        made = pages.fire("train", "_start", dataset=dataset.id, base=str(house.bases[0]), page_key="datasets")["made"]
        assert house.services.storage.runs.get(made).dataset_id == dataset.id
        runs.stop(house.services, made)


def start_key(house: House, pages: Pages, files: Any) -> None:
    own = {"base": str(house.bases[0]), "dataset": house.dataset.id}
    made = [pages.fire("train", "_start", **own, page_key=key)["made"] for key in ("a", "a", "b")]
    assert made[0] == made[1] != made[2]
    for run in {*made}:
        runs.stop(house.services, run)


def start_name(house: House, pages: Pages, files: Any) -> None:
    own = {"base": str(house.bases[0]), "dataset": house.dataset.id}
    made = [pages.fire("train", "_start", **own, page_key=f"names {name}", name=name)["made"] for name in ("Mine", "Yours")]
    assert [house.services.storage.runs.get(run).name for run in made] == ["Mine", "Yours"]
    for run in made:
        runs.stop(house.services, run)


def shown_as_text(field: str) -> Callable[..., None]:
    """The run as text says it where the run would, and the command and the program say it too, unless it costs nothing but time."""

    def show(house: House, pages: Pages, files: Any) -> None:
        own = {"base": str(house.bases[0]), "dataset": house.dataset.id, **BESIDE.get(field, {})}
        change = {"dataset": house.other_dataset.id} if field == "dataset" else {field: form_of(house, field)}
        plain, changed = (pages.fire("train", "_spec_shown", **{**own, **each})["spec_texts"] for each in ({}, change))
        assert plain["command"] != changed["command"] and plain["code"] != changed["code"]
        before, after = (RunFile.from_yaml(each["yaml"]) for each in (plain, changed))
        if field == "dataset":
            assert (before.data.dataset, after.data.dataset) == (house.dataset.id, house.other_dataset.id) and before.spec == after.spec
            return
        path, wanted = FORM[field][1], str(house.bases[1]) if field == "base" else FORM[field][2]
        specs = [each.spec.model_dump(mode="json") for each in (before, after)]
        values = [each[path[0]] if len(path) == 1 else each[path[0]][path[1]] for each in specs]
        assert values[1] == wanted != values[0] and strip(specs[0], path) == strip(specs[1], path) and before.data == after.data

    return show


def presets_of(house: House, *forms: TrainForm) -> list[str]:
    return [presets.save(house.services, f"Preset {number}", form).id for number, form in enumerate(forms)]


@contextmanager
def two_presets(house: House) -> Iterator[list[str]]:
    made = presets_of(house, TrainForm(rank=3), TrainForm(rank=5))
    yield made
    for each in presets.saved(house.services):
        presets.delete(house.services, each.id)


def preset_applied(field: str) -> Callable[..., None]:
    """Its settings are those of the form then; what it does not hold stays."""

    def show(house: House, pages: Pages, files: Any) -> None:
        with two_presets(house) as made:
            if field == "presets_chosen":
                assert [pages.fire("train", "_preset_applied", presets_chosen=each)["rank"] for each in made] == [3, 5]
                return
            before = {**BESIDE.get(field, {}), field: form_of(house, field)}
            shown = pages.fire("train", "_preset_applied", presets_chosen=made[0], **before)
            kept_there = field in presets.BASE_FIELDS
            assert shown[field] == (before[field] if kept_there else getattr(TrainForm(rank=3), field))

    return show


def preset_saved(field: str) -> Callable[..., None]:
    def show(house: House, pages: Pages, files: Any) -> None:
        with two_presets(house):
            given = {"presets_name": "New", "base": str(house.bases[0])}
            others = {"presets_name": {"presets_name": "Newer"}, "presets_with_base": {"presets_with_base": True}}
            change = others.get(field) or {field: form_of(house, field), "presets_with_base": field in presets.BASE_FIELDS}
            pages.fire("train", "_preset_saved", **{**given, **BESIDE.get(field, {}), **change})
            (made,) = (each for each in presets.saved(house.services) if each.name.startswith("New"))
            assert made.name == change.get("presets_name", "New")
            assert ("base" in made.settings) == change.get("presets_with_base", False)
            if field in FORM:
                assert made.settings[field] == change[field]
                plain = asdict(TrainForm(**{"base": given["base"], **BESIDE.get(field, {})}))
                assert {name for name, value in made.settings.items() if value != plain[name]} == {field}

    return show


def preset_renamed(house: House, pages: Pages, files: Any) -> None:
    with two_presets(house) as made:
        for each, name in zip(made, ("One", "Two"), strict=True):
            shown = pages.fire("train", "_preset_renamed", presets_chosen=each, presets_name=name)
            assert shown["presets_chosen"]["value"] == each and shown["presets_name"] == ""
        assert [each.name for each in presets.saved(house.services)] == ["One", "Two"]


def preset_deleted(house: House, pages: Pages, files: Any) -> None:
    """And put back."""
    for which in (0, 1):
        with two_presets(house) as made:
            shown = pages.fire("train", "_preset_deleted", presets_chosen=made[which])
            assert [each.id for each in presets.saved(house.services)] == [made[1 - which]] == [shown["presets_chosen"]["value"]]
            assert f"Preset {which}" in text(shown["presets_undo_text"]) and shown["presets_undoing"]["visible"]
            pages.fire("train", "_preset_put_back", presets_deleted=shown["presets_deleted"])
            assert [each.id for each in presets.saved(house.services)] == made


SWEPT: dict[str, tuple[list[str], tuple[str, str], list[Any]]] = {
    "method": (["loreft", "direft"], ("reft", "method"), ["loreft", "direft"]), "rank": (["2", "3"], ("reft", "rank"), [2, 3]),
    "layers": (["all", "0;2"], ("reft", "layers"), ["all", [0, 2]]),
    "positions": (["l1", "l2"], ("reft", "positions"), ["l1", "l2"]),
    "learning_rate": (["0.001", "0.3"], ("train", "learning_rate"), [0.001, 0.3]),
    "batch_size": (["3", "5"], ("train", "batch_size"), [3, 5]), "epochs": (["2", "5"], ("train", "epochs"), [2, 5]),
    "seed": (["3", "5"], ("train", "seed"), [3, 5]),
}  # fmt: skip
"""By setting: two values as they are ticked, where a run keeps them, and as it does."""


def sweep_counted(field: str) -> Callable[..., None]:
    """Of the values that are ticked and of the form, what is wrong is said, and how many runs that makes."""

    def show(house: House, pages: Pages, files: Any) -> None:
        own = {"base": str(house.bases[0]), "sweep_rank": ["2", "3"], **BESIDE.get(field, {})}
        if field.startswith("sweep_"):
            name = field.removeprefix("sweep_")
            shown = pages.fire("train", "_sweep_counted", base=own["base"], **{field: SWEPT[name][0]})
            assert text(shown["sweep_count"]).startswith(f"2 runs, which differ in {LABELS[name]}.")
            assert shown["sweep_start"]["value"] == "Train 2 runs" and shown["sweep_start"]["interactive"]
            single = pages.fire("train", "_sweep_counted", base=own["base"], **{field: SWEPT[name][0][:1]})
            assert "That is one run" in text(single["sweep_count"]) and not single["sweep_start"]["interactive"]
            return
        seen: list[TrainForm] = []
        whole = sweep.plan
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sweep, "plan", lambda services, form, listed: seen.append(form) or whole(services, form, listed))
            for change in ({}, {field: form_of(house, field)}):
                pages.fire("train", "_sweep_counted", **{**own, **change})
        assert {name for name in FIELDS if getattr(seen[0], name) != getattr(seen[1], name)} == {field}

    return show


def sweep_timed(house: House, pages: Pages, files: Any) -> None:
    """With rows it is said what the runs would take one after another."""
    own = {"base": str(house.bases[0]), "sweep_epochs": ["2", "6"]}
    with pytest.MonkeyPatch.context() as patch:
        seen = estimated(patch)
        for dataset in (house.dataset.id, house.other_dataset.id, None):
            pages.fire("train", "_sweep_counted", **own, dataset=dataset)
    assert [dataset for dataset, _ in seen] == [house.dataset.id, house.other_dataset.id]


def sweep_started(field: str) -> Callable[..., None]:
    def show(house: House, pages: Pages, files: Any) -> None:
        storage = house.services.storage
        own = {"base": str(house.bases[0]), "dataset": house.dataset.id, "page_key": f"sweep {field}", **BESIDE.get(field, {})}
        own |= {"sweep_seed": ["8", "9"]} if field in ("rank", "layers", "positions") else {"sweep_rank": ["4", "5"]}
        changes: dict[str, Any] = {
            "dataset": {"dataset": house.other_dataset.id}, "page_key": {"page_key": "another"},
            "name": {"name": "Mine", "page_key": "own"},
        }  # fmt: skip
        name = field.removeprefix("sweep_")
        change = changes.get(field) or ({field: SWEPT[name][0]} if field != name else {field: form_of(house, field)})
        before, after = (
            storage.runs.of_group(pages.fire("train", "_sweep_started", **{**own, **each})["sweep_made"]) for each in ({}, change)
        )
        assert before[0].group_id != after[0].group_id and len(before) == 2
        if field == "dataset":
            assert {run.dataset_id for run in after} == {house.other_dataset.id} != {run.dataset_id for run in before}
        elif field == "name":
            assert storage.runs.group(after[0].group_id).name == "Mine"
        elif field.startswith("sweep_"):
            part, key = SWEPT[name][1]
            assert [each for each in SWEPT[name][2] if each in [run.spec[part][key] for run in after]] == SWEPT[name][2]
        elif field in FORM:
            path = FORM[field][1]
            wanted = str(house.bases[1]) if field == "base" else FORM[field][2]
            assert {str(run.spec[path[0]] if len(path) == 1 else run.spec[path[0]][path[1]]) for run in after} == {str(wanted)}
        cleared(house, [run.id for run in (*before, *after)])

    return show


# The cards of base models


def card_asked(act: str, name: str = "starter") -> str:
    return json.dumps({"act": act, "name": name})


def cards_of(field: str, act: str = "_cards") -> Callable[..., None]:
    def show(house: House, pages: Pages, files: Any) -> None:
        more = {"bases_asked": card_asked("stop")} if act == "_acted" else {}
        changed = {"base": {"base": str(house.bases[1])}, "precision": {"precision": "bfloat16"}}[field]
        usual, other = (pages.fire("train", act, **more, **given)["bases"] for given in ({}, changed))
        (first,), (then,) = (
            [card for group in found["groups"] for card in group["cards"] if card["name"] == "starter"] for found in (usual, other)
        )
        if field == "base":
            assert (usual["chosen"], other["chosen"]) == ("starter", str(house.bases[1]))
        else:
            assert first["badge"]["why"] != then["badge"]["why"], "fewer bits need less memory"

    return show


def asked_of_card(house: House, pages: Pages, files: Any) -> None:
    for asked, refused in (
        (card_asked("delete", "owner/none"), "Nothing of owner/none is in the cache"),
        ("{", "Choose a base model"),
        (card_asked("arrived"), ""),
    ):
        last = pages.shown(pages.event("train", "_acted"), bases_asked=asked)[-1]
        assert refused in last["note"] and bool(last["note"]) is bool(refused)


def rows_read_by(house: House, pages: Pages, files: Any) -> None:
    found = []
    for dataset in (None, house.dataset.id):
        found.append(pages.fire("train", "_reads", dataset=dataset)["bases"]["reads"])
        assert pages.fire("train", "_acted", bases_asked=card_asked("arrived"), dataset=dataset)["bases"]["reads"] == found[-1]
    assert found == [{}, {"starter": "Reads your rows: 100%", **dict.fromkeys(map(str, house.bases), "Reads your rows: 100%")}]


def drawn(field: str) -> Callable[..., None]:
    """Another row, or the same one with other tokens."""

    def show(house: House, pages: Pages, files: Any) -> None:
        own = {"base": str(house.bases[0]), "dataset": house.dataset.id}
        house.services.worker.describe(own["base"])
        change = {
            "picker_asked": '{"at": 0, "count": 3}', "dataset": house.other_dataset.id, "base": str(house.bases[1]), "positions": "marked",
            "labels": "happy, sad", "max_length": 12,
        }[field]  # fmt: skip
        plain, changed = (pages.fire("train", "_drawn", **{**own, **more})["picker"] for more in ({}, {field: change}))
        assert plain["head"] and plain != changed

    return show


def priced(field: str) -> Callable[..., None]:
    """Other figures, or another sentence."""

    def show(house: House, pages: Pages, files: Any) -> None:
        own = {"base": str(house.bases[0]), "dataset": house.dataset.id, "positions": "f3+l3"}
        house.services.worker.describe(own["base"])
        beside: dict[str, dict[str, Any]] = {
            "pooling": {"dataset": house.other_dataset.id, "labels": ", ".join(f"It is {n}." for n in range(9)), "positions": "l1"},
            "epochs": {"positions": "l1"}, "reuse": {"positions": "l1"},
            "max_length": {"positions": "l1"}, "dataset": {"positions": "l1"}, "labels": {"positions": "l1"},
        }  # fmt: skip
        changes = {
            "dataset": house.other_dataset.id, "base": str(house.bases[1]), "method": "red", "rank": 2, "layers": "0", "positions": "f1",
            "tied": False, "labels": "happy, sad", "pooling": "first", "max_length": 14, "epochs": 1, "reuse": "none",
        }  # fmt: skip
        given = {**own, **beside.get(field, {})}
        plain, changed = (pages.fire("train", "_priced", **{**given, **more})["picker_figures"] for more in ({}, {field: changes[field]}))
        told = [(each["said"], each["facts"]) for each in (plain, changed)]
        assert plain["facts"] and told[0] != told[1]

    return show


def tried(house: House, pages: Pages, **changes: Any) -> dict[str, Any]:
    """What the engine is asked to try rates with."""
    asked: list[dict[str, Any]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(house.services.worker, "rates", lambda request: asked.append(request) or iter([]))
        pages.fire("train", "_find", **{"base": str(house.bases[0]), "dataset": house.dataset.id, **changes})
    (request,) = asked
    return request


def searched(field: str) -> Callable[..., None]:
    def show(house: House, pages: Pages, files: Any) -> None:
        beside = BESIDE.get(field, {})
        plain, changed = (tried(house, pages, **{**beside, **change}) for change in ({}, {field: form_of(house, field)}))
        if field == "revision":
            assert plain == changed, "the base model that is loaded is tried"
            return
        path, wanted = FORM[field][1], str(house.bases[1]) if field == "base" else FORM[field][2]
        values = [spec[path[0]] if len(path) == 1 else spec[path[0]][path[1]] for spec in (plain, changed)]
        assert as_data(values[1]) == as_data(wanted) != as_data(values[0])

    return show


def as_data(value: Any) -> Any:
    return json.loads(json.dumps(value))


def begun_later(house: House, pages: Pages, files: Any) -> None:
    for moment in ("2999-01-01T03:00:00+00:00", ""):
        made = pages.fire(
            "train", "_start", dataset=house.dataset.id, page_key=f"later {moment}", start_at=moment, base=str(house.bases[0])
        )["made"]
        kept = house.services.storage.runs.get(made)
        assert kept.start_after == (datetime.fromisoformat(moment) if moment else None)
        cleared(house, [made])


def searched_dataset(house: House, pages: Pages, files: Any) -> None:
    assert [tried(house, pages, dataset=each.id)["dataset"] for each in (house.dataset, house.other_dataset)] == [
        house.dataset.id, house.other_dataset.id
    ]  # fmt: skip


# Runs


def waiting(house: House, *names: str) -> list[str]:
    """Runs in the queue."""
    return [house.services.storage.runs.create(house.dataset.id, spec_of(house), name=name).id for name in names]


def cleared(house: House, found: list[str]) -> None:
    for run in found:
        if house.services.storage.runs.get(run).status.waiting:
            runs.stop(house.services, run)
        if house.services.storage.runs.get(run).binned_at is None:
            runs.delete(house.services, run)
    runs.empty_bin(house.services)


def runs_opened(house: House, pages: Pages, files: Any) -> None:
    for run in (house.run, house.second):
        shown = pages.fire("runs", "_opened", address={"run": run.id})
        assert shown["listed"]["chosen"] == shown["current"] == run.id and f"<h2>{run.name}</h2>" in shown["live"]["status"]
    assert "may have been deleted" in pages.fire("runs", "_opened", address={"run": "gone"})["nothing"]["value"]


def runs_chosen(house: House, pages: Pages, files: Any) -> None:
    first, second = (pages.fire("runs", "_chosen", current=run.id) for run in (house.run, house.second))
    assert "<h2>one</h2>" in first["live"]["status"] and "<h2>two</h2>" in second["live"]["status"]
    assert house.run.id in first["download"]["link"] and house.second.id in first["talk"]["link"] + second["talk"]["link"]


def shown_as(text: str) -> str:
    return pieces.text(text, 400)


def compared(house: House, *some: RunRecord) -> str:
    return f"compare:{','.join(run.id for run in some)}"


def looked_at_again(house: House, pages: Pages, files: Any) -> None:
    """What the runs of a comparison have answered stays while it is looked at again, and no longer."""
    one = compared(house, house.run, house.second)
    first, again = (pages.fire("runs", "_chosen", current=one, compared_before=each) for each in ("", one))
    assert first["compared_before"] == again["compared_before"] == one and first["grid"] == "" and "grid" not in again
    assert pages.fire("runs", "_chosen", current=house.run.id, compared_before=one)["grid"] == ""


def angles_between(house: House, pages: Pages, files: Any) -> None:
    shown = pages.fire("runs", "_angles", current=compared(house, house.run, house.second))["angles"]
    wanted = house.services.worker.angles(house.run.id, house.second.id)
    assert shown.count("<td>") == len(wanted) > 1
    assert all(f"{each['degrees'][0]:.0f}° to {each['degrees'][-1]:.0f}°" in shown for each in wanted)
    (*_, last) = pages.shown(pages.event("runs", "_angles"), current=compared(house, house.run, house.foreign))
    assert "No two of these runs" in last["note"]
    house.chat()


def grid_of(pages: Pages, **changes: Any) -> str:
    last = pages.fire("runs", "_grid_answered", **changes)
    assert last["grid_stop"]["interactive"] is False
    return str(last["grid"])


def grid_runs(house: House, pages: Pages, files: Any) -> None:
    for some in ((house.run, house.second), (house.second, house.run, house.foreign)):
        shown = grid_of(pages, current=compared(house, *some), grid_source="own", grid_prompts=PROMPT)
        texts = [shown_as(house.wanted(run, max_new_tokens=answers_grid.TOKENS)[1]) for run in some]
        assert len(set(texts)) == len(some) and all(text in shown for text in texts)
    house.chat()  # the first base model is in memory again


def grid_sources(house: House, pages: Pages, files: Any) -> None:
    """Rows that are held out come with the answer that is expected, prompts of one's own without one."""
    given = {"current": compared(house, house.run, house.second), "grid_count": 2, "grid_prompts": PROMPT}
    own, held_out = (grid_of(pages, grid_source=source, **given) for source in ("own", "held_out"))
    assert shown_as(PROMPT) in own and shown_as(PROMPT) not in held_out
    assert (say("compare.grid.expected") in own, say("compare.grid.expected") in held_out) == (False, True)


def grid_counts(house: House, pages: Pages, files: Any) -> None:
    given = {"current": compared(house, house.run, house.second), "grid_source": "held_out"}
    examples = load_examples(house.services.storage.files.rows(house.dataset.version))
    for count in (1, 4):
        shown = grid_of(pages, grid_count=count, **given)
        assert [shown_as(examples[place].messages[-1].content) in shown for place in (1, 4)] == [True, count == 4]
    for wrong in (0, 1.5, answers_grid.MOST + 1, None):
        (*_, last) = pages.shown(pages.event("runs", "_grid_answered"), grid_count=wrong, **given)
        assert "whole number from 1 to" in last["note"]


def grid_prompts(house: House, pages: Pages, files: Any) -> None:
    given = {"current": compared(house, house.run, house.second), "grid_source": "own"}
    shown = grid_of(pages, grid_prompts="What is 1 cat?\n\n What is 3 dog? ", **given)
    assert "What is 1 cat?" in shown and "What is 3 dog?" in shown and say("compare.grid.done", done=6, total=6) in shown
    for wrong, sentence in (("", "Write a prompt first"), ("x\n" * 51, "These are 51 prompts")):
        (*_, last) = pages.shown(pages.event("runs", "_grid_answered"), grid_prompts=wrong, **given)
        assert sentence in last["note"]


def runs_moved(house: House, pages: Pages, files: Any) -> None:
    """What the browser does not draw by itself is that of the run that it shows."""
    links = [pages.fire("runs", "_moved", current=run.id)["download"]["link"] for run in (house.run, house.second)]
    assert [run.id in link for run, link in zip((house.run, house.second), links, strict=True)] == [True, True]


def acted(house: House, pages: Pages, files: Any) -> None:
    """Each thing that is done with several runs is done with those that are named."""
    found = waiting(house, "a1", "a2", "a3")
    store = house.services.storage.runs

    def ask(act: str, *ids: str) -> dict[str, Any]:
        return pages.fire("runs", "_acted", asked=json.dumps({"act": act, "ids": ids}))["listed"]

    ask("star", found[0], found[2])
    assert [store.get(run).starred for run in found] == [True, False, True]
    ask("unstar", found[0])
    assert [store.get(run).starred for run in found] == [False, False, True]
    told = ask("delete", found[0], found[1])
    assert [store.get(run).binned_at is not None for run in found] == [True, True, False]
    assert told["undo"] == found[:2] and told["sentence"] == "a1 and others, 2 runs, are in the bin."
    ask("restore", found[1])
    assert [store.get(run).binned_at is not None for run in found] == [True, False, False]
    ask("pause")
    assert store.paused_since() is not None
    ask("continue")
    assert store.paused_since() is None
    assert ask("empty")["sentence"] == "1 run was removed for good."
    cleared(house, found[1:])


def discarded(house: House, pages: Pages, files: Any) -> None:
    found = waiting(house, "w1", "w2")
    held = {run.run.id: run for run in (house.services.storage.queue.claim("w") for _ in found)}
    for each in held.values():
        each.begin("Training.")
    pages.fire("runs", "_act", 1, current=found[1])
    assert [held[run].stop_requested() for run in found] == [None, "discard"]
    for each in held.values():
        each.fail(Failure("bug", "Ended."))
    cleared(house, found)


def started_later(house: House, pages: Pages, files: Any) -> None:
    found = waiting(house, "l1", "l2")
    for moment in ("2999-01-01T03:00:00+00:00", "2999-01-02T04:00:00+00:00"):
        pages.fire("runs", "_start_later", current=found[1], start_at=moment)
        told = [house.services.storage.runs.get(run).start_after for run in found]
        assert told == [None, datetime.fromisoformat(moment)]
    cleared(house, found)


@contextmanager
def measured(house: House, *edits: Any) -> Iterator[None]:
    """Edits as if they had been measured on held-out rows."""
    score = Score(4, 2.0, 1.0, 0, 4, 4, 0, 4, 0, 1.0, 0.1)
    evidence = Evidence(score, 2.0, 1.0, 1.0, 2.0, 1, 1.0, 1, 1, 4, True).to_dict()

    def set_summary(summary: dict[str, Any] | None) -> None:
        with house.services.storage.database.transaction() as session:
            for run in edits:
                session.get(Run, run.id).summary = summary  # type: ignore[union-attr]

    set_summary({"evidence": evidence, "seconds": 2.0, "trainable_parameters": 10})
    try:
        yield
    finally:
        set_summary(None)


def compared_with(house: House, pages: Pages, files: Any) -> None:
    """Baselines of the chosen methods are queued beside the run that is shown."""
    store = house.services.storage.runs
    with measured(house, house.run, house.second):
        for run, methods in ((house.run, ["lora"]), (house.run, ["lora", "ia3"]), (house.second, ["prompt"])):
            shown = pages.fire("runs", "_compare", current=run.id, with_methods=methods)
            made = store.of_group(f"with-{run.id}")
            assert [each.spec["peft"]["method"] for each in made] == [method for method in methods for _ in range(3)]
            assert f"0 of {len(made)} runs have ended" in text(shown["with_table"]) and shown["with_card"]["visible"]
        refused = pages.shown(pages.event("runs", "_compare"), current=house.run.id, with_methods=[])[-1]
        assert "Choose at least one method" in refused["note"]
    cleared(house, [run.id for each in (house.run, house.second) for run in store.of_group(f"with-{each.id}")])


def trained_further(house: House, pages: Pages, files: Any) -> None:
    made = [
        pages.fire("runs", "_longer", current=run.id, epochs=epochs)["made"]
        for run, epochs in ((house.run, 3), (house.run, 5), (house.second, 3))
    ]
    told = [house.services.storage.runs.get(run) for run in made]
    assert [run.continues_id for run in told] == [house.run.id, house.run.id, house.second.id]
    assert [run.spec["train"]["epochs"] for run in told] == [3, 5, 3]
    cleared(house, made)


def described(part: str) -> Callable[..., None]:
    """Name, tags or notes of the run that is shown."""

    def show(house: House, pages: Pages, files: Any) -> None:
        found = waiting(house, "n1", "n2")
        before = [house.services.storage.runs.get(run) for run in found]
        values = {"name": "n2", "tags": "", "notes": ""}
        if part != "current":
            values[part] = "Another"
        else:
            values["notes"] = "Of this one."
        pages.fire("runs", "_describe", current=found[1], **values)
        after = [house.services.storage.runs.get(run) for run in found]
        changed = {"current": "notes"}.get(part, part)
        given = ("Another",) if part == "tags" else values[changed]
        assert after == [before[0], replace(before[1], **{changed: given})]
        cleared(house, found)

    return show


def stopped(house: House, pages: Pages, files: Any) -> None:
    found = waiting(house, "s1", "s2")
    pages.fire("runs", "_act", 0, current=found[1])
    assert [house.services.storage.runs.get(run).status for run in found] == [RunStatus.QUEUED, RunStatus.STOPPED]
    cleared(house, found)


def resumed(house: House, pages: Pages, files: Any) -> None:
    found = waiting(house, "r1", "r2")
    for run in found:
        runs.stop(house.services, run)
    pages.fire("runs", "_act", 2, current=found[1])
    assert [house.services.storage.runs.get(run).status for run in found] == [RunStatus.STOPPED, RunStatus.QUEUED]
    cleared(house, found)


def remedied(house: House, pages: Pages, files: Any) -> None:
    found = []
    for name in ("m1", "m2"):
        found += waiting(house, name)
        held = house.services.storage.queue.claim("w")
        held.begin("Training.")
        held.fail(Failure("memory", "It ran out.", "Long rows.", "Take less.", {"pass_tokens": 64}, "Take less"))
    pages.fire("runs", "_act", 3, current=found[1])
    told = [house.services.storage.runs.get(run) for run in found]
    assert [run.status for run in told] == [RunStatus.FAILED, RunStatus.QUEUED]
    assert [run.spec["train"]["pass_tokens"] for run in told] == [spec_of(house)["train"]["pass_tokens"], 64]
    cleared(house, found)


def moved(which: int, before: str, after: str) -> Callable[..., None]:
    """In the queue, by its place in the page's row of buttons."""

    def show(house: House, pages: Pages, files: Any) -> None:
        found = waiting(house, *before)
        pages.fire("runs", "_act", which, current=found[before.index("x")])
        place = {name: house.services.storage.runs.queue_position(run) for name, run in zip(before, found, strict=True)}
        assert "".join(sorted(place, key=lambda name: place[name])) == after
        cleared(house, found)

    return show


@contextmanager
def predicted(house: House) -> Iterator[None]:
    """Two runs of which all answers are there, of the second more."""
    files, kept_rows = house.services.storage.files, runs_predictions.PAGE
    for run, texts in ((house.run, ["cat"] * 30), (house.second, ["dog"] * 45)):
        rows = [
            Prediction(number, (("user", f"Prompt {number}"),), "cat", "hen", text, False, text == "cat" and number > 3)
            for number, text in enumerate(texts, 1)
        ]  # fmt: skip
        predictions.write(files.predictions(run.id), run, "answers", rows)
    assert kept_rows == 20
    try:
        yield
    finally:
        for run in (house.run, house.second):
            files.predictions(run.id).unlink()


def predictions_begun(house: House, pages: Pages, files: Any) -> None:
    """How far they are is seen by whoever opens the page meanwhile."""
    with house.resident.base_lock.for_chat():  # so that nothing is answered yet
        shown = [pages.fire("runs", act, current=house.run.id) for act in ("_start", "_chosen")]
        for each in shown:
            assert 'role="progressbar"' in each["predictions"]["html"] and each["predictions"]["follows"] == house.run.id
            assert "0 of 4 rows are answered" in each["predictions"]["html"] and each["predictions_start"] == gr.update(visible=False)
        assert predictions_html.live(house.services, house.run.id)["going"]
        assert not predictions_html.live(house.services, house.second.id)["going"]
    for run in (house.run, house.second):
        pages.fire("runs", "_start", current=run.id)
        path = house.services.storage.files.predictions(run.id)
        until(path.is_file, "the predictions")
        assert json.loads(path.read_text().partition("\n")[0])["run"] == run.id
        path.unlink()


def predictions_followed(house: House, pages: Pages, files: Any) -> None:
    """That nothing is left of what was under way is said."""
    with predicted(house):
        told = [pages.fire("runs", "_followed", current=run.id)["predictions"]["html"] for run in (house.run, house.second)]
        assert "Of 30 held-out rows" in told[0] and "Of 45 held-out rows" in told[1]
    assert "The engine was restarted" in pages.fire("runs", "_followed", current=house.run.id)["predictions"]["html"]


def predictions_listed(act: str) -> Callable[..., None]:
    """Those of a run, a filter and a search; and as many as are asked for."""

    def listed(house: House, pages: Pages, files: Any) -> None:
        def ask(run: Any, show: str = "all", search: str = "") -> int:
            values = {"current": run.id, "predictions_show": show, "predictions_search": search}
            found = pages.fire("runs", act, **values)
            assert found["predictions_count"] == found["predictions_table"].count("<tr") - bool(found["predictions_count"])
            total = re.search(r"of ([\d,]+) rows", found["predictions_table"])
            return int(total[1]) if total else 0

        with predicted(house):
            assert [ask(run) for run in (house.run, house.second)] == [30, 45]
            assert [ask(house.run, show) for show in ("all", "better", "wrong", "worse")] == [30, 27, 3, 0]
            assert [ask(house.run, "all", text) for text in ("PROMPT 1", "nowhere")] == [11, 0]
            assert [ask(house.run, "wrong", text) for text in ("prompt 1", "prompt 2", "hen")] == [1, 1, 3]

    return listed


def predictions_more(house: House, pages: Pages, files: Any) -> None:
    with predicted(house):
        more = [pages.fire("runs", "_more", current=house.second.id, predictions_count=count) for count in (20, 40)]
    assert [each["predictions_count"] for each in more] == [40, 45]
    assert [each["predictions_more"]["visible"] for each in more] == [True, False]


def deleted(house: House, pages: Pages, files: Any) -> None:
    found = waiting(house, "d1", "d2")
    for run in found:
        runs.stop(house.services, run)
    shown = pages.fire("runs", "_delete", current=found[1])["listed"]
    assert shown["undo"] == [found[1]] and shown["sentence"] == "d2 is in the bin."
    assert [run.id for run in house.services.storage.runs.binned()] == [found[1]]
    cleared(house, found)


# Playground


def playground_opened(house: House, pages: Pages, files: Any) -> None:
    """The run of the address, of the conversation that it names, or the first one that is to be mixed."""
    runs = (house.run, house.second, house.foreign)
    for run in runs[:2]:
        shown = pages.fire("playground", "_opened", address={"run": run.id})
        assert shown["run"]["value"] == run.id and run.id in [key for _, key in shown["run"]["choices"]]
        assert shown["answers"]["chosen"] == run.id
        assert shown["mix"] == {"run": run.id, "base": run.base, "chosen": []} and shown["mixing"] == gr.update()

    saved = [house.services.storage.chats.create(run.name, conversation_with(run)) for run in runs]
    for chat, run in zip(saved, runs, strict=True):
        for address in ({"chat": chat.id}, {"chat": chat.id, "run": house.run.id}):
            shown = pages.fire("playground", "_opened", address=address)
            assert shown["run"]["value"] == shown["answers"]["chosen"] == shown["mix"]["run"] == run.id
            assert not shown.keys() & {"prompt", *SENT[3:]}, "what a conversation was held with is for the script to fill in"
            assert shown["strength"] == gr.update(interactive=True)
    house.services.storage.chats.delete(saved[2].id)
    for gone in (saved[2].id, "nothing", "../x"):
        shown = pages.fire("playground", "_opened", address={"chat": gone, "run": house.run.id})
        assert shown["run"]["value"] == house.run.id

    for chosen in ([house.second.id, house.run.id], [house.run.id, "gone"], [house.run.id] * 12):
        shown = pages.fire("playground", "_opened", address={"mix": ",".join(chosen)})
        assert shown["run"]["value"] == chosen[0] and shown["mixing"]["open"] is True
        assert shown["mix"] == {"run": chosen[0], "base": house.run.base, "chosen": chosen[:8]}
    both = pages.fire("playground", "_opened", address={"run": house.foreign.id, "mix": f",{house.run.id},"})
    assert both["mix"] == {"run": house.foreign.id, "base": house.foreign.base, "chosen": [house.run.id]}
    for chat in saved:
        house.services.storage.chats.delete(chat.id)
        house.services.storage.chats.remove(chat.id)


def conversation_with(run: RunRecord) -> str:
    """A conversation with a run, saved with other settings than the page opens with."""
    columns = (Column(kind="base"), Column(kind="run", run=run.id, strength=2.5))
    return chats.written(
        chats.ChatDocument(columns=columns, shown=(0, 1), settings=chats.ChatSettings(temperature=0.5, system="Be brief."))
    )


def playground_picked(house: House, pages: Pages, files: Any) -> None:
    """The script is told which runs answer with the same base model, and what can be asked."""
    for run, alike in ((house.run, {house.run.id, house.second.id}), (house.foreign, {house.foreign.id})):
        shown = pages.fire("playground", "_picked", run=run.id)["answers"]
        found = playground.suggestions(house.services, run.id)
        known = {house.run.id, house.second.id, house.foreign.id}  # other tests leave runs here
        assert shown["chosen"] == run.id and {each["id"] for each in shown["runs"]} & known == alike
        assert [*shown["unseen"], *shown["trained"]] == [*found.unseen, *found.trained]
        assert (len(found.unseen), len(found.trained)) == (4, 3)
        prompts = [example.messages[-1].content for example in datasets.examples_of(house.services, run.dataset_id)]
        assert list(found.unseen) == prompts[1:5] and set(found.trained) <= set(prompts) - set(found.unseen), "rows 1 to 4 are held out"
    assert playground.suggestions(house.services, house.run.id) != found


def system_taken(house: House, pages: Pages, files: Any) -> None:
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]
    examples = dump_examples(inspect_rows([{"messages": turns}] * 4).examples)
    source = house.services.storage.files.root / "rows.jsonl"
    source.write_bytes(examples)
    kept = house.services.storage.datasets.create(
        name="chats", label="rows.jsonl", shape="messages", rows=4, usable_rows=4, source=source, examples=examples
    )
    run = house.services.storage.runs.create(kept.id, spec_of(house))
    assert pages.fire("playground", "_system_taken", run=run.id)["system"] == "Be brief."
    assert pages.fire("playground", "_system_taken", run=house.run.id)["system"] == ""
    cleared(house, [run.id])
    house.services.storage.datasets.delete(kept.id)


TABLE: dict[tuple[str, str, str], Callable[..., None]] = {
    ("home", "_use", "given"): use,
    ("home", "_uploaded", "upload"): handed_over("_uploaded", upload=True),
    ("home", "_pasted", "pasted"): handed_over("_pasted", pasted=True), ("home", "_typed", "typed"): handed_over("_typed", typed=True),
    ("data", "_looked_at", "said"): looked_at("_uploaded", "upload"),
    ("data", "_uploaded", "upload"): looked_at("_uploaded", "upload"), ("data", "_pasted", "pasted"): looked_at("_pasted", "pasted"),
    ("data", "_typed", "typed"): looked_at("_typed", "typed"), ("data", "_opened", "address"): opened_upload,
    **{(page, "_hub_looked", "hub"): hub_looked(page) for page in ("home", "data")},
    **{(page, "_hub_split", name): hub_split(page) for page in ("home", "data") for name in ("hub_looked", "hub_config")},
    **{("data", "_hub_read", field): hub_read(field) for field in HUB},
    **{("home", "_hub_read", field): hub_handed_over(field) for field in HUB},
    ("data", "_told", "said"): told, ("data", "_turned", "said"): turned, ("data", "_previewed", "said"): previewed,
    ("data", "_reread", "said"): reread_said, **{("data", "_reread", field): reread(field) for field in READING},
    ("data", "_counted", "said"): counted_said, ("data", "_counted", "base"): counted_base,
    ("data", "_save", "said"): saved_sample, ("data", "_save", "name"): saved,
    ("data", "_previewed", "base"): previewed_base, ("data", "_opened_lists", "address"): opened_lists,
    ("data", "_restore", "deleted"): restored_dataset(0, "deleted"), ("data", "_restore", "binned"): restored_dataset(1, "binned"),
    ("dataset", "_opened", "address"): dataset_opened, ("dataset", "_reported", "address"): dataset_reported,
    ("dataset", "_turned", "asked"): dataset_turned, ("dataset", "_learned", "asked"): dataset_learned,
    ("dataset", "_learned", "base"): dataset_learned, ("dataset", "_counted", "base"): dataset_counted,
    ("dataset", "_counted", "address"): dataset_counted, ("dataset", "_save", "asked"): dataset_saved,
    ("dataset", "_bring_back", "asked"): dataset_saved,
    **{("dataset", "_divide", name): dataset_divided for name in ("id", "method", "share", "seed")},
    **{("dataset", "_hold_out", name): held_out_file for name in ("id", "held_out")},
    **{("dataset", "_rename", name): renamed for name in ("id", "name", "tags")}, ("dataset", "_delete", "id"): deleted_dataset,
    ("train", "_opened", "address"): opened_form, ("train", "_picked", "dataset"): picked_dataset,
    **{("train", act, "base"): picked_base for act in ("_picked", "_aimed")},
    **{("train", "_aimed", each): aimed for each in ("dataset", "goal")},
    **{("train", "_based", each): based_beside for each in ("dataset", "goal", "preset")},
    **{("train", "_based", field): based(field) for field in FORM}, ("train", "_put_back", "preset"): put_back,
    **{("train", "_learns", each): learned_as for each in ("dataset", "objective", "labels")},
    **{("train", "_said", each): taught_beside for each in ("dataset", "preset")},
    **{("train", "_said", field): taught(field) for field in FORM}, ("train", "_counted", "asked"): asked_again,
    ("train", "_said", "asked"): said_once,
    **{("train", "_counted", field): summarised(field) for field in ("dataset", *FORM)},
    ("train", "_start", "dataset"): start_dataset, ("train", "_start", "page_key"): start_key, ("train", "_start", "name"): start_name,
    **{("train", "_start", field): started(field) for field in FORM},
    **{("train", "_preset_applied", field): preset_applied(field) for field in ("presets_chosen", *FORM)},
    **{("train", "_preset_saved", field): preset_saved(field) for field in ("presets_name", "presets_with_base", *FORM)},
    **{("train", "_preset_renamed", field): preset_renamed for field in ("presets_chosen", "presets_name")},
    ("train", "_preset_deleted", "presets_chosen"): preset_deleted, ("train", "_preset_put_back", "presets_deleted"): preset_deleted,
    ("train", "_sweep_counted", "dataset"): sweep_timed,
    **{("train", "_sweep_counted", field): sweep_counted(field) for field in (*(f"sweep_{name}" for name in SWEPT), *FORM)},
    **{
        ("train", "_sweep_started", field): sweep_started(field)
        for field in ("dataset", "page_key", "name", *(f"sweep_{name}" for name in SWEPT), *FORM)
    },
    **{("train", "_spec_shown", field): shown_as_text(field) for field in ("dataset", *FORM)},
    **{("train", "_cards", name): cards_of(name) for name in ("base", "precision")},
    **{("train", "_acted", name): cards_of(name, "_acted") for name in ("base", "precision")},
    ("train", "_acted", "bases_asked"): asked_of_card, ("train", "_acted", "dataset"): rows_read_by,
    ("train", "_reads", "dataset"): rows_read_by,
    **{("train", "_drawn", field): drawn(field) for field in ("picker_asked", "dataset", *train_picker.ROW)},
    **{("train", "_priced", field): priced(field) for field in ("dataset", *train_picker.COST)},
    **{("train", "_find", field): searched(field) for field in FORM}, ("train", "_find", "dataset"): searched_dataset,
    ("runs", "_opened", "address"): runs_opened, ("runs", "_chosen", "current"): runs_chosen,
    ("runs", "_chosen", "compared_before"): looked_at_again,
    ("runs", "_angles", "current"): angles_between, ("runs", "_grid_answered", "current"): grid_runs,
    ("runs", "_grid_answered", "grid_source"): grid_sources, ("runs", "_grid_answered", "grid_count"): grid_counts,
    ("runs", "_grid_answered", "grid_prompts"): grid_prompts, ("runs", "_moved", "current"): runs_moved,
    ("runs", "_acted", "asked"): acted, ("runs", "_act:stop", "current"): stopped, ("runs", "_act:discard", "current"): discarded,
    ("runs", "_act:resume", "current"): resumed,
    ("runs", "_act:remedy", "current"): remedied, ("runs", "_act:to_the_front", "current"): moved(4, "abxc", "xabc"),
    ("runs", "_act:earlier", "current"): moved(5, "abxc", "axbc"), ("runs", "_act:later", "current"): moved(6, "xabc", "axbc"),
    ("runs", "_start_later", "current"): started_later, ("runs", "_start_later", "start_at"): started_later,
    ("runs", "_longer", "current"): trained_further, ("runs", "_longer", "epochs"): trained_further,
    ("runs", "_compare", "current"): compared_with, ("runs", "_compare", "with_methods"): compared_with,
    **{("runs", "_describe", part): described(part) for part in ("current", "name", "tags", "notes")},
    ("runs", "_start", "current"): predictions_begun, ("runs", "_followed", "current"): predictions_followed,
    **{("runs", "_listed", part): predictions_listed("_listed") for part in ("current", "predictions_show", "predictions_search")},
    **{("runs", "_more", part): predictions_listed("_more") for part in ("current", "predictions_show", "predictions_search")},
    ("runs", "_more", "predictions_count"): predictions_more,
    ("runs", "_delete", "current"): deleted, ("train", "_start", "start_at"): begun_later,
    ("playground", "_opened", "address"): playground_opened, ("playground", "_picked", "run"): playground_picked,
    ("playground", "_system_taken", "run"): system_taken,
}  # fmt: skip


@pytest.mark.slow
def test_every_input_of_every_event_has_a_row_here(pages):
    assert {key for event in pages.events for key in event.keys} == set(TABLE)
    assert {event.function._id for event in pages.events} == {number for number, function in pages.blocks.fns.items() if function.fn}
    assert tuple(FORM) and set(FORM) == set(FIELDS)


@pytest.mark.slow
@pytest.mark.parametrize("key", TABLE, ids=[".".join(key) for key in TABLE])
def test_another_value_does_something_else(house, pages, files, key):
    TABLE[key](house, pages, files)


def test_a_server_for_others_has_no_way_in_from_the_hub(pages, tmp_path):
    made = make_services(Settings(data_dir=tmp_path / "data", host="0.0.0.0"))
    hosted = read(made)
    made.storage.close()
    assert {event.act for event in pages.events} - {event.act for event in hosted.events} == {"_hub_looked", "_hub_split", "_hub_read"}
    ids = [[block.elem_id for block in shown.blocks.blocks.values() if "hub" in str(block.elem_id)] for shown in (pages, hosted)]
    assert len(ids[0]) > 10 and ids[1] == []


def test_every_input_is_what_a_person_reads_beside_it(pages):
    for event in pages.events:
        for name in event.inputs:
            if (event.page, name) not in UNSEEN:
                assert reads(event.parts[name].label) == NAMES[event.page, name], (event.page, name)


SENT = ["run", "prompt", "strength", "system", "temperature", "top_p", "top_k", "length", "penalty", "stop", "seed"]


def scripts(pages: Pages, called: str) -> Any:
    """The one binding of the Playground that calls a function of its script."""
    (found,) = [function for function in pages.blocks.fns.values() if f"studio.play.{called}(" in str(function.js)]
    return found


def test_the_playgrounds_script_is_given_every_field_in_the_order_in_which_it_takes_them(pages):
    """When something is sent, and when a field changes, so that what it asks by itself is asked with them; a reload gives them back."""
    assert {(put.source, put.target) for put in pages.puts} == {("bases", "base"), ("listed", "current")}
    parts = pages.event("playground", "_opened").parts
    for called, triggers in (("send", {("send", "click"), ("prompt", "submit")}), ("noted", {(name, "change") for name in SENT[1:]})):
        bound = scripts(pages, called)
        assert bound.inputs == [parts[name] for name in SENT]
        assert {(part, event) for part, event in bound.targets} == {(part_id(pages, name), event) for name, event in triggers}
    assert scripts(pages, "fields").outputs == [parts[name] for name in SENT[1:]]
    script = (STATIC / "playground.js").read_text(encoding="utf-8")
    assert "read = ([, , strength, system, temperature, top_p, top_k, length, penalty, stop, seed])" in script


def test_the_playground_keeps_its_ids(pages):
    """What others find its parts by; those of the second list stand in what its scripts draw, where journeys find them."""
    laid_out = {block.elem_id for block in pages.blocks.blocks.values()}
    parts = ("run", "prompt", "send", "stop", "strength", "columns", "mix", "vote", "batch")
    assert {f"playground-{name}" for name in parts} <= laid_out
    drawn = "".join((STATIC / name).read_text(encoding="utf-8") for name in ("play_turns.js", "play_looks.js"))
    assert all(f'"{name}"' in drawn for name in ("playground-layers", "playground-heatmap", "answer-base", "answer-tuned"))
    assert "`answer-${place}`" in drawn and limits.BESIDE == 6


def part_id(pages: Pages, name: str) -> int:
    """Of a part of the Playground; that of its button to send is found by its name on the page."""
    parts = pages.event("playground", "_opened").parts
    if name in parts:
        return int(parts[name]._id)
    return next(number for number, block in pages.blocks.blocks.items() if block.elem_id == f"playground-{name}")


def test_nothing_streams_for_ever(pages):
    """Each event that streams can be ended by its own button; the Playground's answers end with their request."""
    searching = [event.function._id for event in pages.events if event.act == "_find"]
    ending = [function for function in pages.blocks.fns.values() if function.cancels]
    filling = [event.function._id for event in pages.events if event.act == "_grid_answered"]
    assert sorted(sorted(function.cancels) for function in ending) == sorted([searching, filling])
    assert scripts(pages, "stop").targets == [(pages.event("playground", "_opened").parts["halt"]._id, "click")]


def test_every_field_of_the_form_changes_the_summary_as_it_is_typed(pages):
    event = pages.event("train", "_said")
    wanted = {(event.parts[field]._id, "input") for field in FIELDS if field != "base"} | {
        *((event.parts[name]._id, "change") for name in ("layers", "labels", "revision")),
        (event.parts["picker"]._id, "submit"),
    }
    tells = [function for function in pages.blocks.fns.values() if [each._id for each in function.outputs] == [event.parts["asked"]._id]]
    *tells, again = tells
    assert "askAgain" in again.js and again.trigger_after == pages.event("train", "_counted").function._id
    assert {target for function in tells for target in function.targets} == wanted
    looks = {target for each in (event, pages.event("train", "_counted")) for target in each.function.targets}
    assert looks == {(event.parts["asked"]._id, "apply")}
    fills = [pages.event("train", act) for act in ("_opened", "_picked", "_aimed", "_based", "_put_back", "_learns")]
    assert all(event.parts["asked"] in each.function.outputs for each in fills), "what fills the form in has it looked at, too"


def test_each_field_of_the_form_opens_with_the_value_of_its_own_name(pages):
    event = pages.event("train", "_start")
    assert {name: event.parts[name].value for name in FIELDS} == asdict(TrainForm())


def test_the_page_opens_with_the_defaults_of_the_spec(house):
    """But for the seed of the held-out rows, which it suggests so that its runs can be compared."""
    opened = train.read_form(house.services.settings, TrainForm()).settings()
    assert opened == {**RunSpec().settings(), "split_seed": 42}


def test_what_may_be_left_blank_is_none_in_the_run(house, pages):
    blank = {row.name: None if row.kind in ("integer", "number") else "" for row in SETTINGS.values() if row.optional}
    assert {
        "patience",
        "pass_tokens",
        "head_learning_rate",
        "answer_tokens",
        "split_seed",
        "labels",
        "pooling",
        "revision",
        "precision",
    } == blank.keys()
    own = {"base": str(house.bases[0]), "dataset": house.dataset.id, "page_key": "blank", **blank}
    made = pages.fire("train", "_start", **own)["made"]
    spec = RunSpec.read(house.services.storage.runs.get(made).spec).settings()
    assert {spec[name] for name in blank} == {None}
    runs.stop(house.services, made)


def test_what_may_not_be_left_blank_is_refused_by_its_name(pages):
    for row in SETTINGS.values():
        if not row.optional and row.kind != "switch":
            last = pages.shown(pages.event("train", "_start"), **{row.name: "" if row.kind in ("text", "choice") else None})[-1]
            assert f"{row.title} is empty; fill it in first." in last["note"]


def test_a_field_shows_what_the_spec_says_of_its_setting(pages):
    parts = pages.event("train", "_start").parts
    for row in SETTINGS.values():
        part = parts[row.name]
        assert reads(part.label) == row.title and (row.name == "base" or row.help.rstrip(".") in reads(part.info)), row.name
        assert part.elem_id == ("train-base-model" if row.name == "base" else f"train-{row.name.replace('_', '-')}")
        if row.kind in ("integer", "number"):
            assert (part.minimum, part.maximum, part.placeholder) == (row.low, row.high, row.blank)
        if row.choices:
            assert [tuple(choice) for choice in part.choices if choice[1]] == list(row.choices)


def test_every_field_of_the_train_page_has_help(pages):
    config, blocks = pages.blocks.config, pages.blocks.blocks
    parts = [blocks[number] for number in components_of(config["page"]["train"]["layout"]) if number in blocks]
    fields = [part for part in parts if isinstance(part, gr.components.FormComponent) and (part.visible or part.elem_id)]
    assert len(fields) > len(SETTINGS)
    assert [part.elem_id for part in fields if not reads(part.info or "")] == []


def components_of(part: dict[str, Any]) -> list[int]:
    return [part["id"], *(number for child in part.get("children") or [] for number in components_of(child))]


def test_a_number_out_of_the_browsers_range_reaches_the_handler(pages):
    for part in pages.blocks.blocks.values():
        if isinstance(part, gr.Number) and part.minimum is not None:
            # An update of another property makes a field anew for its visitor.
            assert type(part)(minimum=part.minimum, precision=part.precision).preprocess(part.minimum - 1) == part.minimum - 1


def test_a_number_out_of_its_range_is_refused_in_the_words_of_the_spec(pages, house):
    """And not by Gradio before, whose refusal the page could not show."""
    for row in SETTINGS.values():
        if row.kind in ("integer", "number"):
            part = pages.event("train", "_start").parts[row.name]
            assert part.preprocess(-(10**12)) == -(10**12)
            last = pages.shown(pages.event("train", "_said"), dataset=house.dataset.id, **{row.name: -(10**12)})[-1]
            assert f"{row.title} must be greater than" in html.unescape(last["note"]), last["note"]


def test_the_playground_opens_with_what_the_engine_takes_for_granted(pages):
    parts = pages.event("playground", "_opened").parts
    taken = {"strength": 1, "temperature": 0, "top_p": 0.95, "length": 128, "penalty": 1, "stop": "", "seed": "", "system": ""}
    assert {name: parts[name].value for name in taken} == taken
    asked = ChatRequest(columns=[ChatColumn(kind="base")], base="x", messages=[ChatMessage(role="user", content="x")])
    assert (asked.temperature, asked.top_p, asked.max_new_tokens, asked.repetition_penalty) == (0, 0.95, 128, 1)
    assert (asked.columns[0].strength, asked.stop) == (1, [])
    ranges = {
        "strength": (-2, 3, 0.05), "temperature": (0, 1.5, 0.05), "top_p": (0.05, 1, 0.05), "penalty": (1, 2, 0.05),
        "length": (16, 512, 16),
    }  # fmt: skip
    assert {name: (parts[name].minimum, parts[name].maximum, parts[name].step) for name in ranges} == ranges


@pytest.mark.slow
@pytest.mark.parametrize("field", FORM)
def test_an_estimate_asks_the_engine_with_every_setting_of_the_form(house, monkeypatch, timed_once, field):
    """Rows are counted and two steps are timed with what the run will have, not with something like it."""
    house.chat(columns=[None])  # the first base model is in memory
    counted: list[tuple[Any, ...]] = []
    timed_once.clear()
    check = row_checks.read_checked
    monkeypatch.setattr(
        row_checks,
        "read_checked",
        lambda base, found, *given, **more: counted.append((base.name, *given)) or check(base, found, *given, **more),
    )
    house.resident.checks = row_checks.RowChecks()
    house.resident._probes = probes.Probes(house.resident.base_lock, house.resident.checks)
    form = TrainForm(**{"base": str(house.bases[0]), **BESIDE.get(field, {}), field: form_of(house, field)})
    found = train.estimate(house.services, house.dataset.id, form)
    spec = train.read_form(house.services.settings, form)
    assert counted == [(spec.base, spec.reft, spec.train)]
    elsewhere = field in ("base", "precision")  # another base model, which is not in memory
    assert timed_once == ([] if elsewhere else counted) and (found.seconds is None) is elsewhere


def test_what_is_drawn_and_told_of_a_run_is_its_own(house, pages):
    """Figures of one run stand on its page alone."""
    run, other = waiting(house, "figures", "none")
    held = house.services.storage.queue.claim("w")
    held.begin("Reading.")
    points = [MetricPoint(step, "loss", 2.5 - step) for step in (1, 2)] + [
        MetricPoint(2, "held_out", 0.25),
        MetricPoint(2, "held_out_base", 4.5),
    ]
    held.progress(step=2, total_steps=9, epoch=1.0, seconds_left=3.0, metrics=points)
    found, none = (pages.fire("runs", "_chosen", current=each)["live"]["live"]["points"] for each in (run, other))
    assert found == {"loss": [(1, 1.5), (2, 0.5)], "held_out": [(2, 0.25)], "held_out_base": [(2, 4.5)]} and none == {}
    held.fail(Failure("bug", "Ended."))
    cleared(house, [run, other])


def test_the_key_of_a_run_covers_all_that_the_browser_does_not_draw(house):
    """A page that is open asks for its buttons and sentences anew whenever one of these has changed."""
    plain = runs.view(house.services, house.run.id)
    changes: list[dict[str, Any]] = [
        {"run": replace(plain.run, status=RunStatus.TRAINING)}, {"run": replace(plain.run, sentence="Another.")},
        {"run": replace(plain.run, name="Another")}, {"run": replace(plain.run, start_after=plain.run.created_at)},
        {"engine_up": not plain.engine_up}, {"trouble": "The disk is full."}, {"place": 3}, {"waiting": 4},
    ]  # fmt: skip
    keys = [run_live.key(replace(plain, **change)) for change in [{}, *changes]]
    assert len(set(keys)) == len(keys)
    assert run_live.key(replace(plain, run=replace(plain.run, step=3, seconds_left=1.0))) == keys[0], "each step would ask anew"


# The least and the most that the form takes, where Python takes them for nothing or the page's own widgets say otherwise.
BOUNDS: dict[str, list[Any]] = {name: ends(row) for name, row in SETTINGS.items()}


def test_the_least_and_the_most_of_each_field_arrive(house):
    assert set(BOUNDS) == set(FIELDS)
    layers = {"all": "all", "0": [0], "0-2": [0, 1, 2], "1;2": [1, 2]}
    taken = {"layers": layers.__getitem__, "labels": lambda text: text.split(", ")}
    for field, values in BOUNDS.items():
        for value in values:
            spec = train.read_form(house.services.settings, TrainForm(**{**BESIDE.get(field, {}), field: value})).model_dump(mode="json")
            path = FORM[field][1]
            arrived = spec[path[0]] if len(path) == 1 else spec[path[0]][path[1]]
            assert arrived == taken.get(field, lambda same: same)(value), field


def test_every_method_and_position_that_is_offered_is_one_of_the_engines(pages):
    parts = pages.event("train", "_start").parts
    assert {value for _, value in parts["method"].choices} == set(METHODS)
    assert len({value for _, value in parts["positions"].choices}) == len(parts["positions"].choices)
    assert [value for _, value in parts["keep"].choices] == ["best", "last"]


def test_what_is_in_the_bin_is_neither_shown_nor_asked(house, pages):
    """Nor downloaded, nor its log read; and all of it is there again when it is taken out."""

    def looks() -> list[Any]:
        return [
            lambda: followed(house.services, asked_of_both(house.second.id, PROMPT)),
            lambda: runs.adapter_zip(house.services, house.second.id),
            lambda: runs.log(house.services, house.second.id), lambda: runs.view(house.services, house.second.id),
        ]  # fmt: skip

    house.services.storage.files.log(house.second.id).write_text("What happened.")
    runs.delete(house.services, house.second.id)
    try:
        assert house.second.id not in [run for _, run in pages.fire("playground", "_opened")["run"]["choices"]]
        for look in looks():
            with pytest.raises((StorageError, StudioError, AssertionError)):
                look()
    finally:
        runs.restore(house.services, house.second.id)
    assert all(look() for look in looks())


def test_so_many_rows_are_previewed(house):
    examples = datasets.examples_of(house.services, house.dataset.id)
    shown = datasets.preview(house.services, examples)
    assert [row.line for row in shown] == [example.line for example in examples[:10]] and all(row.tokens for row in shown)
    assert [row.line for row in datasets.preview(house.services, examples, base="nobody/nothing")] == [row.line for row in shown]


@pytest.mark.slow
def test_an_upload_is_counted_as_the_dataset_that_it_becomes(house, table):
    path, base = workbench.find_upload(house.services, workbench.take(house.services, str(table))), str(house.bases[0])
    found = datasets.read_upload(str(path))
    spec = RunSpec(base=base, train=TrainConfig(held_out=datasets.suggested_held_out(found.inspection.usable_rows)))
    counted = datasets.check_upload(house.services, found, base)
    assert counted == datasets.check_dataset(house.services, house.dataset.id, spec) and (counted.trained, counted.held_out) == (22, 2)


@pytest.mark.slow
def test_rows_of_one_name_and_size_are_another_dataset_when_they_are_others(house, tmp_path):
    kept = []
    for answer in ("Ahoy!", "Ahoy?", "Ahoy!"):
        (tmp_path / "same.csv").write_text(f"prompt,answer\nHello?,{answer}\n")
        kept.append(datasets.save_upload(house.services, str(tmp_path / "same.csv"), label="same.csv").id)
    assert kept[0] == kept[2] != kept[1]
    for dataset in {*kept}:
        datasets.delete_dataset(house.services, dataset)


def test_the_figures_of_an_ended_run_are_those_of_its_score(house, monkeypatch):
    """Base and tuned each where it belongs."""
    score = Score(rows=9, base=4.5, tuned=0.25, right_base=1, right_tuned=7, gained=6, lost=0, better=8, worse=1, gain=4.0, gain_error=0.5)
    evidence = Evidence(score, 5.0, 0.5, 0.25, 4.5, 6, 0.25, 6, 8, 9, True, "best").to_dict()
    run = replace(house.services.storage.runs.get(house.run.id), summary={"evidence": evidence, "trainable_parameters": 3, "seconds": 1.0})
    monkeypatch.setattr(house.services.storage.runs, "get", lambda run_id: run)
    assert runs.view(house.services, run.id).held_out == runs.HeldOut(0.25, 4.5, 9, 7, 1)
    shown = text(runs_html.run_status(replace(runs.view(house.services, run.id), loss=0.5)))
    assert "0.250" in shown and "lower than the base model's 4.500" in shown and "7 of 9" in shown and "base model 1 of 9" in shown
