"""No event of any page fails silently: each is fired by its own means in a real browser, and its sentence found beside its control.

The events are read from the pages themselves, so that a new one is walked the day it is added.
"""

import json
import os
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import gradio as gr
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from app.errors import StudioError
from app.handlers import datasets, kept, train
from app.pages import runs_predictions
from app.services import Services, make_services
from app.settings import Settings
from app.words import say
from reft_engine.data import dump_examples, inspect_rows
from storage import DatasetRecord, Failure, RunStatus
from tests.app.conftest import running_worker, wait_for_end
from tests.hub import Hub, answering, way_to, write_dataset
from tests.serving import Site, serving
from tests.waiting import MILLISECONDS
from tests.workbook import workbook

PAGES = ("", "data", "train", "runs", "playground", "dataset")
QUERY = dict.fromkeys(PAGES, "")
"""What the address of a page says besides; filled in with the studio's own datasets."""
HOSTILE = 'Refused: <img src=x onerror="document.title=1"> ${document.title="owned"} {{value}}'
SECRET = "secret-of-the-house"
AWAY, STALE = "The studio did not answer.", "The studio did not take this"
WIRE = re.compile(r"/gradio_api/(run|queue)/")


# A studio in which every control can be reached


def keep(services: Services, folder: Path, name: str) -> DatasetRecord:
    rows = [
        {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": f"What is {n}?"},
                      {"role": "assistant", "content": f"{name} {n}."}]}
        for n in range(12)
    ]  # fmt: skip
    examples = dump_examples(inspect_rows(rows).examples)
    source = folder / "rows.jsonl"
    source.write_bytes(examples)
    return services.storage.datasets.create(
        name=name, label=source.name, shape="messages", rows=12, usable_rows=12, source=source, examples=examples
    )


@pytest.fixture(scope="module")
def services(tmp_path_factory, tiny_base) -> Iterator[Services]:
    """Two datasets, and a third one in the bin; runs that have finished (two, of which one has predictions), failed, were stopped, train,
    wait (two), and lie in the bin.
    """
    folder = tmp_path_factory.mktemp("events")
    made = make_services(Settings(data_dir=folder / "data", models=[str(tiny_base)]))
    first, second = keep(made, folder, "one"), keep(made, folder, "two")
    # Held out are enough prompts for every button.
    quick = train.TrainForm(base=str(tiny_base), rank=1, positions="l1", epochs=1, batch_size=6, held_out=0.4)
    with running_worker(made, {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}):
        for key in ("answered", "finished"):
            ended = wait_for_end(made, train.start(made, first.id, quick, key))
            assert ended.status is RunStatus.FINISHED
            if key == "answered":
                assert list(made.worker.predictions(ended.id))[-1] == {"ended": True}
    runs = made.storage.runs

    def begun(dataset: DatasetRecord, key: str) -> Any:
        train.start(made, dataset.id, quick, key)
        held = made.storage.queue.claim("a test")
        assert held is not None
        held.begin("Training.")
        return held

    begun(first, "failed").fail(
        Failure("memory", "It ran out of memory.", "The rows are long.", "Take a smaller part.", {"pass_tokens": 64}, "Take less")
    )
    begun(second, "trains")
    runs.request_stop(train.start(made, first.id, quick, "stopped").id)
    runs.delete(runs.request_stop(train.start(made, first.id, quick, "binned").id).id)
    for key in ("waits", "waits too"):
        train.start(made, first.id, quick, key)
    kept.change(made, second.id, {1: {"answer": "Another answer."}}, [12])
    for name in ("This", "That"):
        made.storage.presets.create(name, {"rank": 2})
    third = keep(made, folder, "three")
    made.storage.datasets.delete(third.id)
    QUERY.update(dataset=f"?id={second.id}", data=f"?binned={third.id}")
    yield made
    made.storage.close()


@contextmanager
def taken_out_again(services: Services) -> Iterator[None]:
    """What is deleted on the way is taken out of the bin, so that the pages after find the studio as it was."""
    binned = {run.id for run in services.storage.runs.binned()}
    try:
        yield
    finally:
        for run in services.storage.runs.binned():
            if run.id not in binned:
                services.storage.runs.restore(run.id)


@pytest.fixture(autouse=True)
def _runs_as_they_were(services) -> Iterator[None]:
    with taken_out_again(services):
        yield


@pytest.fixture(scope="module", autouse=True)
def _hub(tmp_path_factory) -> Iterator[None]:
    """A Hub that the processes that read find."""
    folder = tmp_path_factory.mktemp("hub")
    hub = Hub({}, datasets={"owner/rows": write_dataset(folder / "rows")})
    with pytest.MonkeyPatch.context() as patched, answering(hub):
        for name, value in way_to(hub, folder).items():
            patched.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def site(services) -> Iterator[Site]:
    """Without an engine, and none that a page waits for: what comes late would take away the sentence of a refusal."""
    with pytest.MonkeyPatch.context() as patched, serving(services) as found:
        patched.setattr(datasets, "_STARTS_WITHIN", 0.0)
        patched.setattr(runs_predictions, "PAGE", 2)  # so that there are more to show
        yield found


# What there is to fire, and how


class Wire:
    """What lies between a tab and its server; it can be cut. The page itself loses its requests: those that the browser's library holds
    back on their way may keep a tab from ever being closed.
    """

    def __init__(self, page: Page) -> None:
        self._page = page
        page.add_init_script(f"""
            const [send, wire] = [window.fetch, new RegExp({json.dumps(WIRE.pattern)})];
            window.fetch = (...asked) => (sessionStorage.getItem("cut") && wire.test(asked[0]?.url ?? asked[0]))
                ? Promise.reject(new TypeError("Failed to fetch")) : send(...asked);""")

    @contextmanager
    def cut(self) -> Iterator[None]:
        """Nothing that the page asks for reaches its server."""
        self._page.evaluate("sessionStorage.setItem('cut', 'yes')")
        try:
            yield
        finally:
            self._page.evaluate("sessionStorage.removeItem('cut')")


@contextmanager
def tab_beside(page: Page) -> Iterator[tuple[Page, Wire]]:
    """Another tab, and its wire."""
    with closing(page.context.new_page()) as tab:
        tab.set_default_timeout(MILLISECONDS)
        yield tab, Wire(tab)


@dataclass(frozen=True)
class Event:
    """A backend function of the page, and one thing that sets it off."""

    number: int
    path: str
    edge: Callable
    kind: str
    name: str
    target: str
    """A selector; empty for what has no element, such as a timer."""
    trigger: int | None
    """The component that a request names as what set it off; None for the page."""
    fold: str
    """A selector of the accordion or of the tab's button that is to be opened first; empty where nothing is."""
    before: tuple[Callable, ...] = ()
    """The functions that it follows once they have succeeded."""

    @property
    def note(self) -> str:
        return f"#{self.edge.note.elem_id}"

    def __str__(self) -> str:
        return f"/{self.path} {self.target or self.kind or 'page'}.{self.name} -> {self.edge.__name__}"


def events_of(site: Site, path: str) -> list[Event]:
    config = site.blocks.config
    components = {component["id"]: component for component in config["components"]}
    folded = folds(config["page"][path]["layout"], components)
    bound = {dependency["id"]: dependency for dependency in config["dependencies"]}
    found = []
    for number in config["page"][path]["dependencies"]:
        root = bound[number]
        if not root["backend_fn"]:
            continue
        before: tuple[Callable, ...] = ()
        while root["trigger_after"] is not None:
            root = bound[root["trigger_after"]]
            before += (site.blocks.fns[root["id"]].fn,) if root["backend_fn"] else ()
        for component, name in root["targets"]:
            shown = components.get(component)
            kind = shown["type"] if shown else ""
            element = "" if kind in ("", "timer") else f"#{shown['props'].get('elem_id')}"
            assert element != "#None", f"a {kind} that sets off {site.blocks.fns[number].name} has no elem_id to find it by"
            found.append(Event(number, path, site.blocks.fns[number].fn, kind, name, element, component, folded.get(component, ""), before))
    return found


def folds(part: dict[str, Any], components: dict[int, dict[str, Any]], within: str = "") -> dict[int, str]:
    """Each component below a part of the layout, and the accordion or the tab in which it is."""
    shown = components.get(part["id"])
    if shown and shown["type"] in ("accordion", "tabitem"):
        within = f"#{shown['props'].get('elem_id')}{'-button' if shown['type'] == 'tabitem' else ''}"
    below = [folds(child, components, within) for child in part.get("children") or []]
    return {part["id"]: within} | {number: found for each in below for number, found in each.items()}


def choose(control: Locator, count: int) -> None:
    control.locator("input").click()
    control.locator("[role=option]").first.wait_for()
    others = control.locator("[role=option][aria-selected=false]")
    if others.count():
        others.first.click()
    else:  # the only one, so another is typed
        control.locator("input").fill(f"owner/model-{count}")
        control.locator("input").press("Enter")


def bring_in(control: Locator, count: int) -> None:
    """Another file, where one has been taken already too."""
    if not control.locator("input[type=file]").count():
        control.get_by_label("Clear").first.click()
        control.locator("input[type=file]").wait_for(state="attached")
    rows = {"name": f"{count}.csv", "mimeType": "text/csv", "buffer": b"prompt,answer\na,b\n"}
    control.locator("input[type=file]").set_input_files(rows)


def give_role(control: Locator, count: int) -> None:
    """Another role for the first column in the table's head; in a table without roles, other rows."""
    if control.locator("[role=radio]").count():  # the cards of base models
        return control.locator("[role=radio][aria-checked=false]").nth(count % 3).click()
    if not control.locator("#dataset-roles").count():
        return search(control, count)
    menu = control.locator("#dataset-roles select").first
    menu.select_option("context" if menu.input_value() != "context" else "system")


def change_form(control: Locator, count: int) -> None:
    """What is shown as text is asked for by the page itself, once its form has been changed."""
    control.page.locator("#train-epochs input").fill(str(count + 1))


def search(control: Locator, count: int) -> None:
    """Other rows, or another word to find; of a card of a base model, its download."""
    if control.locator("[role=radio]").count():
        return control.locator("button[data-key^=fetch]").first.click()
    control.locator("input[type=search]").first.fill(f"b{count}")


def told_by_the_picker(control: Locator, count: int) -> None:
    """Another rule, of which the picker tells the fields, and then everybody who waits for that."""
    names = ("Last 1", "Last 7")
    pressed = control.get_by_role("button", name=names[0], exact=True).get_attribute("aria-pressed") == "true"
    control.get_by_role("button", name=names[pressed], exact=True).click()


def asked_by_the_picker(control: Locator, count: int) -> None:
    control.get_by_role("button", name="Try again").click()


def another_run(control: Locator, count: int) -> None:
    control.locator(".rs-run:not(.chosen) .rs-run-link").nth(count % 2).click()


def star(control: Locator, count: int) -> None:
    control.locator(".rs-star").nth(count % 2).click()


def changed_elsewhere(control: Locator, count: int) -> None:
    """What the server tells of the run has changed; it is asked at once."""
    control.page.evaluate("""() => {
        window.ask ??= window.fetch;
        window.fetch = async (...asked) => {
            const answer = await ask(...asked);
            if (!/^follow.runs.[0-9a-f]/.test(asked[0])) return answer;
            return new Response(JSON.stringify({...await answer.json(), key: String(performance.now())}));
        };
        studio.lookAtRun(new URL(location).searchParams.get("run"));
    }""")


def run_changed(control: Locator, count: int) -> None:
    """Of the run itself; or its predictions, which are followed, are under way no longer."""
    if control.get_attribute("id") == "run-predictions-told":
        control.page.evaluate("""() => {
            window.ask ??= window.fetch;
            const none = () => new Response(JSON.stringify({ going: false }));
            window.fetch = async (...asked) => (/\\/predictions$/.test(asked[0]) ? none() : window.ask(...asked));
            studio.followPredictions(new URL(location).searchParams.get("run"));
        }""")
    else:
        changed_elsewhere(control, count)


def open_again(control: Locator, count: int) -> None:
    head = control.locator("button.label-wrap")
    if control.locator("button.label-wrap.open").count():
        head.click()
    head.click()


def of_runs(runs: Callable[[Locator, int], object], others: Callable[[Locator, int], object]) -> Callable[[Locator, int], object]:
    return lambda control, count: (runs if str(control.get_attribute("id")).startswith("run") else others)(control, count)


def by(picker: Callable[[Locator, int], object], others: Callable[[Locator, int], object]) -> Callable[[Locator, int], object]:
    return lambda control, count: (picker if control.locator(".rs-picker").count() else others)(control, count)


def type_in(control: Locator, count: int) -> None:
    control.locator("input, textarea").first.fill(str(count))


def give_role_or_epochs(control: Locator, count: int) -> None:
    """What makes the rows others, or the run."""
    if control.get_attribute("id") == "train-asked":
        control.page.fill("#train-epochs input", str(count))
    else:
        give_role(control, count)


MEANS: dict[tuple[str, str], Callable[[Locator, int], object]] = {
    ("button", "click"): lambda control, _: control.click(),
    ("textbox", "submit"): lambda control, _: control.locator("input, textarea").first.press("Enter"),
    ("textbox", "input"): type_in, ("textbox", "change"): type_in, ("number", "input"): type_in,
    ("dropdown", "input"): choose, ("dropdown", "change"): choose,
    ("radio", "input"): lambda control, _: control.locator("label:not(.selected)").first.click(),
    ("checkbox", "input"): lambda control, _: control.locator("input").first.click(),
    ("file", "upload"): bring_in, ("html", "input"): of_runs(another_run, give_role),
    ("html", "submit"): told_by_the_picker, ("html", "expand"): change_form,
    ("html", "apply"): of_runs(run_changed, by(told_by_the_picker, give_role_or_epochs)),
    ("html", "select"): of_runs(star, by(asked_by_the_picker, search)), ("accordion", "expand"): open_again,
    ("", "load"): lambda control, _: control.page.reload(),
}  # fmt: skip


def fire(page: Page, event: Event, count: int) -> None:
    assert (event.kind, event.name) in MEANS, f"This test knows no means to fire {event}; add one."
    MEANS[event.kind, event.name](page.locator(event.target or "body"), count)


def open_page(page: Page, site: Site, path: str) -> None:
    with page.expect_response(WIRE):
        page.goto(f"{site.address}/{path}{QUERY[path]}")
    expect(page.locator(".rs-header nav a.active")).to_be_visible()


def unfold(page: Page, fold: str) -> None:
    if fold.endswith("-button"):
        return page.click(fold)
    button = page.locator(f"{fold} button.label-wrap")
    button.wait_for()
    if page.locator(f"{fold} button.label-wrap:not(.open)").count():
        button.click()


def turned_to(name: str) -> Callable[[Page, Site], None]:
    """One of the ways to bring rows in."""
    return lambda page, _: page.click(f"#dataset-entry-{name}-button")


def unfold_all(page: Page, _: Site) -> None:
    for closed in page.locator("button.label-wrap:not(.open)").all():
        if closed.is_visible():
            closed.click()


def put_in(rows: str | bytes, encoding: str = "utf-8", name: str = "t.csv") -> Callable[[Page, Site], None]:
    def put(page: Page, _: Site) -> None:
        page.click("#dataset-entry-file-button")
        clear = page.locator("#dataset-upload").get_by_label("Clear").filter(visible=True)
        if clear.count():
            clear.click()
            expect(page.locator("#dataset-found .rs-notice")).to_have_count(0)
        file = {"name": name, "mimeType": "text/csv", "buffer": rows.encode(encoding) if isinstance(rows, str) else rows}
        page.locator("#dataset-upload input[type=file]").set_input_files(file)
        expect(page.locator("#dataset-found .rs-notice").first).to_be_visible()
        expect(page.locator(".rs-guide")).to_be_hidden()
        if encoding == "utf-8":
            expect(page.locator("#dataset-preview .rs-row").first).to_be_visible()

    return put


def looked_up(page: Page, _: Site) -> None:
    """A dataset of the Hub of which is seen what there is."""
    page.click("#dataset-entry-hub-button")
    page.locator("#dataset-hub input").fill("owner/rows")
    page.click("#dataset-hub-look")
    expect(page.locator("#dataset-hub-config input")).to_have_value("reviews")


def unfolded(rows: str) -> Callable[[Page, Site], None]:
    """A table, with the fields of how it is read."""

    def show(page: Page, site: Site) -> None:
        put_in(rows)(page, site)
        unfold(page, "#dataset-reading")

    return show


SHEETS = {name: [("prompt", "answer"), ("a", "b"), ("c", "d")] for name in ("One", "Two")}
LISTS = '{"train": [{"prompt": "a", "answer": "b"}], "test": [{"prompt": "c", "answer": "d"}]}'


def picked(status: str, place: int = 0) -> Callable[[Page, Site], None]:
    def pick(page: Page, _: Site) -> None:
        run = page.locator(".rs-run", has=page.locator(".rs-pill", has_text=status)).nth(place)
        name = run.locator("b").inner_text()
        run.locator(".rs-run-link").click()
        expect(page.locator("#run-status h2")).to_have_text(name)
        expect(page.locator(".rs-run-link[aria-current=true] b")).to_have_text(name)

    return pick


def at_version_1(page: Page, site: Site) -> None:
    page.goto(f"{site.address}/dataset{QUERY['dataset']}&version=1&against=2")
    expect(page.locator("#kept-differences")).to_be_visible()


def changed(page: Page, site: Site) -> None:
    """The newest version, with a text and a row that are changed and not saved."""
    page.goto(f"{site.address}/dataset{QUERY['dataset']}")
    page.get_by_role("button", name="Edit: answer, 2", exact=True).click()
    page.get_by_label("answer, 2", exact=True).fill("Mine.")
    page.get_by_role("button", name="Drop: 3", exact=True).click()
    expect(page.locator(".rs-pending")).to_contain_text("Changed texts: 1. Dropped rows: 1.")


def sweep_chosen(page: Page, site: Site) -> None:
    """Two values, so that there is something to train."""
    unfold(page, "#train-sweep")
    for _ in range(2):
        page.locator("#train-sweep-rank input").click()
        page.locator("[role=option][aria-selected=false]").first.click()
    expect(page.locator("#train-sweep-start")).to_be_enabled()


def without_rows(page: Page, site: Site) -> None:
    """A studio without a dataset, as the Train page opens then."""
    edge = next(event.edge for event in events_of(site, "train") if event.edge.__name__ == "_opened")
    inner, edge.inner = edge.inner, lambda *_: {"sample": gr.update(visible=True)}
    page.reload()
    expect(page.locator("#train-sample")).to_be_visible()
    edge.inner = inner


def labels_offered(page: Page, site: Site) -> None:
    """Rows that can be learned in two ways, which those of this studio cannot."""
    edge = next(event.edge for event in events_of(site, "train") if event.edge.__name__ == "_said")
    inner, edge.inner = edge.inner, lambda *_: {"objective": gr.update(choices=["answers", "labels"], value="answers", visible=True)}
    for ends in ("framenavigated", "close"):  # what is said a second time would take it away again
        page.once(ends, lambda _: setattr(edge, "inner", inner))
    page.fill("#train-epochs input", "8")
    expect(page.locator("#train-objective")).to_be_visible()


def form_changed(page: Page, site: Site) -> None:
    unfold(page, "#train-advanced")
    page.fill("#train-epochs input", "9")
    expect(page.locator("#train-back")).to_be_visible()


def preset_deleted(page: Page, site: Site) -> None:
    unfold(page, "#train-presets")
    page.locator("#train-preset-name input, #train-preset-name textarea").first.fill("Mine")
    page.click("#train-preset-save")
    expect(page.locator("#train-preset-delete")).to_be_enabled()
    page.click("#train-preset-delete")
    expect(page.locator("#train-preset-undo")).to_be_visible()


def deleted(page: Page, site: Site) -> None:
    picked("Stopped")(page, site)
    page.click("#run-delete")
    expect(page.locator(".rs-runs-undo")).to_be_visible()


def ticked(page: Page, _: Site) -> None:
    """Two runs are chosen, so that something can be done with both."""
    for number in range(2):
        page.locator(".rs-run input").nth(number).check()
    expect(page.locator(".rs-runs-several")).to_be_visible()


def compared(page: Page, site: Site) -> None:
    """Two runs side by side, and nobody who answers."""
    ticked(page, site)
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("#compare-grid-ask")).to_be_visible()


def in_the_bin(page: Page, _: Site) -> None:
    page.get_by_role("combobox", name="Show", exact=True).first.select_option("binned")
    expect(page.get_by_role("button", name="Empty the bin")).to_be_visible()


@dataclass(frozen=True)
class State:
    """What a person does so that a page shows more than as it opens, and the controls that are there only then."""

    reach: Callable[[Page, Site], None]
    brings: tuple[str, ...] = ()


UNSEEN = "#train-asked"
"""A control that no person uses: what they do elsewhere on the page changes it."""
SETTLED = ("delimiter", "quote", "header", "skip")
"""Fields of how a table is read that most tables need none of."""
HUB = ("#dataset-hub-config", "#dataset-hub-read")
STATES: dict[str, list[State]] = {
    "": [*(State(turned_to(name)) for name in ("paste", "type", "file")), State(looked_up, HUB)],
    "data": [
        *(State(turned_to(name)) for name in ("paste", "type", "sample")), State(looked_up, HUB),
        State(put_in("frage,antwort,mehr\na,b,c\nc,d,e\n"), ("#dataset-table", "#dataset-preview", "#dataset-base", "#dataset-save")),
        State(unfolded("prompt,input,answer\na,x,b\na,x,b\nc,,\n"), tuple(f"#dataset-{field}" for field in SETTLED)),
        State(put_in("prompt,answer\ngrün,ja\nrot,nein\n", "cp1252"), ("#dataset-encoding",)),
        State(put_in(LISTS, name="t.json"), ("#dataset-list",)),
        State(put_in(workbook(SHEETS), name="t.ods"), ("#dataset-sheet",)),
    ],
    "dataset": [State(at_version_1, ("#kept-bring-back",)), State(changed)],
    "train": [
        State(preset_deleted, ("#train-preset-undo",)), State(sweep_chosen, ("#train-sweep-start",)),
        State(form_changed, ("#train-back",)), State(labels_offered, ("#train-objective",)), State(without_rows, ("#train-sample",)),
    ],
    "runs": [
        State(compared, ("#compare-grid-ask", "#compare-close")),
        State(picked("Waiting"), ("#run-stop", "#run-first", "#run-earlier", "#run-later", "#run-start-later")),
        State(picked("Training"), ("#run-discard",)),
        State(picked("Finished"), ("#run-longer", "#run-predictions-start", "#run-baselines-start")),
        State(picked("Finished", 1), tuple(f"#run-predictions-{part}" for part in ("told", "show", "search", "more"))),
        State(picked("Failed"), ("#run-remedy",)), State(picked("Stopped"), ("#run-resume", "#run-delete")), State(deleted), State(ticked),
        State(in_the_bin),
    ],
}  # fmt: skip


@contextmanager
def followed(event: Event) -> Iterator[None]:
    """What the event follows succeeds, and does nothing."""
    inners = [edge.inner for edge in event.before]
    for edge in event.before:
        edge.inner = lambda *_: {}
    try:
        yield
    finally:
        for edge, inner in zip(event.before, inners, strict=True):
            edge.inner = inner


def bring(page: Page, site: Site, event: Event) -> None:
    """Do on an open page what a person does until the event's control is there."""
    for state in STATES.get(event.path, []):
        if event.target in state.brings and not page.locator(event.target).is_visible():
            state.reach(page, site)
    if event.fold:
        unfold(page, event.fold)
    if event.target:
        page.locator(event.target).wait_for(state="attached" if event.target == UNSEEN else "visible")


def refusing(error: Exception) -> Callable:
    def refuse(*_: object) -> None:
        raise error

    return refuse


def leads_on(site: Site, event: Event) -> bool:
    """Whether another page is opened, or the same one anew, once the event has succeeded."""
    after = (each for each in site.blocks.fns.values() if each.trigger_after == event.number and each.trigger_only_on_success)
    return any("location.href" in str(each.js) for each in after)


def in_a_live_region(note: Locator) -> bool:
    return note.evaluate("e => !!e.querySelector('.rs-notice')?.closest('[aria-live=polite], [aria-live=assertive], [role=alert]')")


def path_of(page: Page) -> str:
    """Which page is open; what else the address says may change with what is shown."""
    return urlsplit(page.url).path


def walk(page: Page, wire: Wire, site: Site, event: Event, caplog: pytest.LogCaptureFixture) -> None:
    """The event refused, failing, not reached and done; each is seen in its note, which stays the same element throughout."""
    open_page(page, site, event.path)
    bring(page, site, event)
    note, inner, address = page.locator(event.note), event.edge.inner, path_of(page)
    sentence = note.locator(".rs-notice")
    if event.name != "load":
        note.locator("[aria-live]").evaluate("e => { window.region = e }")
    try:
        event.edge.inner = refusing(StudioError(HOSTILE))
        fire(page, event, 1)
        expect(sentence).to_have_text(HOSTILE)
        expect(sentence).to_be_visible()
        assert in_a_live_region(note)
        event.edge.inner = refusing(RuntimeError(SECRET))
        caplog.clear()
        fire(page, event, 2)
        expect(sentence).to_contain_text(say("errors.neutral"))
        assert SECRET not in page.content()
        assert any(record.exc_info and SECRET in str(record.exc_info[1]) for record in caplog.records), "the log does not say why"
        with wire.cut():
            fire(page, event, 3)
            expect(sentence).to_contain_text(AWAY)
            expect(sentence).to_be_visible()
        assert in_a_live_region(note)
        assert path_of(page) == address and page.title().endswith("ReFT Studio"), "what must only follow success has followed"
        assert event.name == "load" or page.evaluate("region.isConnected"), "the live region was replaced, so it is not read out"
        # What leads to a page may open the same address anew, where the note can lie in what is folded.
        left = "!window.region" if leads_on(site, event) else "false"
        event.edge.inner = (lambda *_: iter([{}])) if site.blocks.fns[event.number].types_generator else (lambda *_: {})
        fire(page, event, 4)
        page.wait_for_function(
            f"([note, url]) => {left} || location.pathname !== url || document.querySelector(`${{note}} [aria-live]`)?.textContent === ''",
            arg=[event.note, address],
        )
    finally:
        event.edge.inner = inner


def refuse_each(page: Page, wire: Wire, site: Site, path: str, events: list[Event], walked: set[Callable]) -> None:
    """Each is fired by its own means, in a page that stays open, and its own refusal is seen in its note.

    What is bound apart from the controls that were ``walked`` does not reach the server once either.
    """
    open_page(page, site, path)
    for count, event in enumerate(events, start=1):
        with told_of(event):
            bring(page, site, event)
            with followed(event):
                refuse_once(page, event, count)
                if event.edge not in walked:
                    lose_once(page, wire, event, count)


def refuse_once(page: Page, event: Event, count: int) -> None:
    inner, event.edge.inner = event.edge.inner, refusing(StudioError(f"Refused: {event}"))
    try:
        with page.expect_request(lambda sent: bool(WIRE.search(sent.url)) and sent.post_data_json["trigger_id"] == event.trigger):
            fire(page, event, count)
        expect(page.locator(f"{event.note} .rs-notice")).to_have_text(f"Refused: {event}")
    finally:
        event.edge.inner = inner


def lose_once(page: Page, wire: Wire, event: Event, count: int) -> None:
    with wire.cut():
        fire(page, event, count)
        expect(page.locator(f"{event.note} .rs-notice")).to_contain_text(AWAY)


@contextmanager
def told_of(event: Event) -> Iterator[None]:
    """What goes wrong within says at which event."""
    try:
        yield
    except BaseException as error:
        error.add_note(str(event))
        raise


LONG_WALKS = ("", "data", "train", "runs")
"""Pages with more events than all others together; that each of theirs is refused beside its control is seen below, too."""


@pytest.mark.parametrize("path", [pytest.param(path, marks=pytest.mark.long if path in LONG_WALKS else ()) for path in PAGES])
def test_every_event_of_a_page_tells_what_went_wrong_beside_its_control(page, site, services, path, caplog):
    """The first control of each kind that sets off a function goes through all that may go wrong, the others of that kind through less."""
    alike: dict[tuple[Callable, str, str], list[Event]] = defaultdict(list)
    for event in events_of(site, path):
        assert hasattr(event.edge, "note"), f"{event} has no note: bind it with app.components.wiring.Page"
        alike[event.edge.__wrapped__, event.kind, event.name].append(event)
    assert alike
    for first, *_ in alike.values():
        with told_of(first), taken_out_again(services), tab_beside(page) as (tab, wire), followed(first):
            walk(tab, wire, site, first, caplog)
    if others := [event for _, *rest in alike.values() for event in rest]:
        with tab_beside(page) as (tab, wire):
            refuse_each(tab, wire, site, path, others, {first.edge for first, *_ in alike.values()})


def test_no_event_is_left_out_of_the_pages_that_are_walked(site):
    assert set(PAGES) == set(site.blocks.config["page"])
    functions = {number for number, function in site.blocks.fns.items() if function.fn is not None}
    assert functions == {event.number for path in PAGES for event in events_of(site, path)}, "an event that nothing sets off, or on no page"


# What every reader of the page can use

STILL = "() => document.getAnimations().every(each => each.playState !== 'running' || each.effect.getTiming().iterations === Infinity)"
"""Nothing on the page is on its way any more."""


COLOURS = ["color-contrast", "link-in-text-block"]
"""The rules of axe whose outcome depends on a theme."""


def ready(control: Locator) -> bool:
    return control.is_visible() and control.is_enabled()


def violations(page: Page) -> list[str]:
    """What axe calls serious or critical: everything in the dark, and in the light what is about colours, which is all that differs."""
    found = []
    for theme, asked in (("dark", {}), ("light", {"runOnly": COLOURS})):
        page.evaluate("dark => document.body.classList.toggle('dark', dark)", theme == "dark")  # all that Gradio does
        page.wait_for_function(STILL)
        found += [
            f"{theme}: {entry['impact']} {entry['id']}: {node['target']} {node['html'][:200]}"
            for entry in Axe().run(page, options={"resultTypes": ["violations"], **asked}).response["violations"]
            if entry["impact"] in ("serious", "critical") for node in entry["nodes"]
        ]  # fmt: skip
    return found


def shown_in_turn(page: Page, site: Site, path: str) -> Iterator[str]:
    """The page as it opens, with everything unfolded, and in each of its states."""
    yield "opened"
    for number, reach in enumerate([unfold_all, *(state.reach for state in STATES.get(path, []))]):
        reach(page, site)
        yield f"state {number}"


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_no_serious_fault_of_accessibility_whatever_it_shows(page, site, path):
    open_page(page, site, path)
    found = {state: violations(page) for state in shown_in_turn(page, site, path)}
    refused = {event.edge: event.edge.inner for event in events_of(site, path)}
    try:
        for edge in refused:
            edge.inner = refusing(StudioError("This was refused."))
        fired = [event for event in events_of(site, path) if event.target and ready(page.locator(event.target))]
        assert fired
        for event in fired:
            if ready(page.locator(event.target)):  # what is fired may take another control away
                fire(page, event, 1)
                expect(page.locator(f"{event.note} .rs-notice").first).to_be_visible()
        found["refused"] = violations(page)
        page.route(WIRE, lambda route: route.fulfill(status=500))
        page.goto(f"{site.address}/{path}{QUERY[path] or '?'}&__theme=dark")
        expect(page.locator("body.dark .rs-live .rs-notice a").first).to_be_visible()
        found["opening refused"] = violations(page)
    finally:
        for edge, inner in refused.items():
            edge.inner = inner
    assert {state: faults for state, faults in found.items() if faults} == {}


def test_what_gradio_leaves_unsaid_is_said(page, site):
    open_page(page, site, "train")
    expect(page.get_by_role("group", name=say("train.goal.label"), exact=True)).to_be_visible()
    more = page.locator("#train-advanced button.label-wrap")
    expect(more).to_have_attribute("aria-expanded", "false")
    more.click()
    expect(more).to_have_attribute("aria-expanded", "true")


# Faults that were seen, and what lies between a page and its server


def said(page: Page, note: str, words: str) -> None:
    sentence = page.locator(f"{note} .rs-notice")
    expect(sentence).to_contain_text(words)
    expect(sentence).to_be_visible()


def test_an_answer_without_its_prompt_leaves_nothing_of_the_roles_before(page, site):
    open_page(page, site, "data")
    put_in("frage,antwort\nWas?,Das\nWer?,Der\n")(page, site)
    frage, antwort = page.get_by_label("Role of frage"), page.get_by_label("Role of antwort")
    antwort.select_option("ignore")
    antwort.select_option("answer")
    frage.select_option("prompt")
    expect(page.locator("#dataset-found .rs-notice.good")).to_be_visible()
    expect(page.locator("#dataset-preview .rs-row")).to_have_count(2)
    frage.select_option("ignore")
    said(page, "#dataset-table-note", "Say also which column is the prompt.")
    expect(page.locator("#dataset-save")).not_to_be_visible()
    expect(page.locator("#dataset-preview")).to_have_text("")
    assert page.locator(".rs-notice.good").count() == 0
    frage.select_option("prompt")
    expect(page.locator("#dataset-save")).to_be_visible()
    expect(page.locator("#dataset-table-note .rs-notice")).to_have_count(0)


def test_a_dataset_in_use_is_not_removed_and_the_page_says_why(page, site, services):
    open_page(page, site, "dataset")
    page.click("#kept-delete")
    said(page, "#kept-delete-note", "was made from this dataset; delete the run first.")
    assert "two" in [dataset.name for dataset in services.storage.datasets.all()]


def test_train_says_what_is_missing(page, site, services):
    before = len(services.storage.runs.all())
    open_page(page, site, "train")
    expect(page.locator("#train-estimate dl")).to_be_visible()
    page.fill("#train-epochs input", "")
    said(page, "#train-summary-note", "Epochs is empty; fill it in first.")
    expect(page.locator("#train-estimate dl")).to_have_count(0)
    page.click("#train-start")
    said(page, "#train-note", "Epochs is empty; fill it in first.")
    expect(page.locator("#train-summary-note .rs-notice")).to_have_count(0)  # it is said once
    assert page.url.endswith("/train") and len(services.storage.runs.all()) == before
    page.fill("#train-epochs input", "2")
    expect(page.locator("#train-note .rs-notice")).to_have_count(0)
    expect(page.locator("#train-estimate dl")).to_be_visible()


def test_what_asks_again_by_itself_gives_way_to_what_a_person_changes_meanwhile(page, site):
    """Of two events at once only the last is sent, and what asks again leaves refusals as they are."""
    open_page(page, site, "train")
    again = "studio.askAgain(JSON.stringify({ again: true, asked: 'x' }), 'x')"
    assert page.evaluate(f"async () => {{ const asks = {again}; studio.asks(); return await asks; }}") == {"__type__": "update"}
    assert page.evaluate(f"async () => await {again}").startswith("again ")


def test_train_shows_nothing_before_it_is_filled(page, site):
    openings = {event.number for event in events_of(site, "train") if event.name == "load"}
    late = []
    page.route(WIRE, lambda route: late.append(route) if route.request.post_data_json["fn_index"] in openings else route.continue_())
    with page.expect_request(WIRE):
        page.goto(f"{site.address}/train")
    expect(page.locator(".rs-title")).to_be_visible()
    expect(page.locator("#train-start")).to_have_count(0)
    for route in late:
        route.continue_()
    expect(page.locator("#train-estimate dl")).to_be_visible()


def test_a_page_tells_that_its_studio_is_gone_and_that_it_was_started_again(page, services):
    with serving(services) as site:
        port = site.port
        open_page(page, site, "train")
        page.fill("#train-epochs input", "7")
        expect(page.locator("#train-estimate dl")).to_be_visible()
    page.click("#train-start")
    said(page, "#train-note", AWAY)
    expect(page.locator("#studio-away[role=alert]")).to_be_visible()
    page.click("#train-start")
    said(page, "#train-note", AWAY)
    with serving(services, port):
        expect(page.locator("#studio-away")).to_have_count(0)
        expect(page.locator("#train-epochs input")).to_have_value("7")  # nothing that was typed is lost
        page.click("#train-start")  # Gradio knows no choices of this page any more, and refuses its dataset before any handler is asked
        said(page, "#train-note", STALE)
        page.locator("#train-note a").click()
        expect(page.locator("#train-estimate dl")).to_be_visible()
        expect(page.locator("#train-note .rs-notice")).to_have_count(0)


def test_a_run_is_watched_on_when_the_studio_is_back(page, services):
    runs = services.storage.runs
    with serving(services) as site:
        port = site.port
        open_page(page, site, "runs")
        picked("Waiting")(page, site)
        name = page.inner_text("#run-status h2")
    expect(page.locator("#studio-away[role=alert]")).to_be_visible()
    expect(page.locator("#run-status h2")).to_have_text(name)  # what was shown stays
    (run,) = (each for each in runs.all() if each.name == name)
    runs.request_stop(run.id)
    try:
        with serving(services, port):
            expect(page.locator("#studio-away")).to_have_count(0)
            expect(page.locator("#run-status .rs-pill")).to_have_text("Stopped")
            expect(page.locator(f".rs-run[data-id='{run.id}'] .rs-pill")).to_have_text("Stopped")
            expect(page.locator("#run-resume")).to_be_visible()
    finally:
        runs.resume(run.id)


def test_a_file_that_does_not_arrive_is_told_of_beside_its_field(page, tmp_path):
    small = make_services(Settings(data_dir=tmp_path / "data", max_upload_mb=1))
    rows = {"name": "rows.csv", "mimeType": "text/csv", "buffer": b"prompt,answer\na,b\n"}
    field = page.locator("#dataset-upload input[type=file]")
    with serving(small) as site:
        open_page(page, site, "data")
        field.set_input_files({**rows, "buffer": b"x" * 1_200_000})
        said(page, "#dataset-upload-note", "exceed the maximum allowed size")
        field.set_input_files(rows)
        expect(page.locator("#dataset-found .rs-notice.good")).to_be_visible()
        expect(page.locator("#dataset-upload-note .rs-notice")).to_have_count(0)
        open_page(page, site, "data")
    field.set_input_files(rows)
    said(page, "#dataset-upload-note", AWAY)
    small.storage.close()
