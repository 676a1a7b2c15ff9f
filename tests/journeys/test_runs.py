"""The Runs page as a person uses it: the list, a run while it learns, what is written down of it, the queue, and its end elsewhere."""

import re

import pytest
from playwright.sync_api import expect

from reft_engine import ReftConfig, TrainConfig
from reft_engine.data import dump_examples, inspect_rows
from reft_engine.spec import RunSpec
from storage import RunQuery, RunStatus, Storage
from tests.browser import WINDOW
from tests.journeys.conftest import running
from tests.journeys.test_data import PHONE
from tests.journeys.test_train_spec import serious
from tests.waiting import until

ROWS = [{"prompt": f"What is {n} cat?", "answer": f"cat {n}."} for n in range(40)]
MANY = 90


@pytest.fixture(scope="module")
def studio(tmp_path_factory, tiny_base):
    """A studio with many runs that wait for ever, since its queue is paused, and its store."""
    folder = tmp_path_factory.mktemp("runs") / "data"
    store = Storage(folder)
    examples = dump_examples(inspect_rows(ROWS).examples)
    dataset = store.datasets.create(name="Cats", label="cats.csv", shape="pairs", rows=40, usable_rows=40, examples=examples)
    store.runs.pause_queue()
    for number in range(MANY):
        run = store.runs.create(dataset.id, spec_of(tiny_base), name=f"Waits {number:03}")
        store.runs.request_stop(run.id)
    with running(folder) as server:
        server.dataset, server.base = dataset, tiny_base
        yield server, store
    store.close()


def spec_of(base, **train):
    reft, settings = ReftConfig(rank=1, positions="l1"), TrainConfig(**{"epochs": 2, "batch_size": 8, "held_out": 0.2, **train})
    return RunSpec(base=str(base), reft=reft, train=settings).model_dump(mode="json")


@pytest.fixture
def store(studio):
    """The store; after each test nothing is trained or waits, and the queue is paused."""
    found = studio[1]
    yield found
    for run in found.runs.going():
        found.runs.request_stop(run.id, discard=True)
    found.runs.continue_queue()
    until(lambda: not found.runs.going(), "the end of what was trained")
    found.runs.pause_queue()


@pytest.fixture
def going(studio, store):
    """Starts a run and lets the queue go on."""

    def start(name, **train):
        server, _ = studio
        run = store.runs.create(server.dataset.id, spec_of(server.base, **train), name=name)
        store.runs.continue_queue()
        return run

    return start


def opened(page, studio, path=""):
    page.goto(f"{studio[0].address}/runs{path}")
    expect(page.locator(".rs-run").first).to_be_attached()


def names(page):
    return page.locator(".rs-run b").all_inner_texts()


def link(page, name):
    return page.locator(".rs-run-link", has=page.get_by_text(name, exact=True))


def show_more(page):
    """The next page of the list."""
    shown = page.locator(".rs-run").count()
    page.get_by_role("button", name="Show more").click()
    page.wait_for_function("count => document.querySelectorAll('.rs-run').length > count", arg=shown)


def show(page, state):
    page.get_by_role("combobox", name="Show", exact=True).first.select_option(state)


# The list


def test_every_run_is_reached_and_the_address_says_which_is_shown(page, studio, store):
    opened(page, studio)
    while page.get_by_role("button", name="Show more").is_visible():
        show_more(page)
    assert {f"Waits {number:03}" for number in range(MANY)} <= set(names(page))
    link(page, "Waits 000").click()
    expect(page.locator("#run-status h2")).to_have_text("Waits 000")
    first = page.url
    assert store.runs.get(first.partition("run=")[2]).name == "Waits 000"
    link(page, "Waits 001").click()
    expect(page.locator("#run-status h2")).to_have_text("Waits 001")
    page.go_back()
    expect(page.locator("#run-status h2")).to_have_text("Waits 000")
    assert page.url == first
    page.reload()
    expect(page.locator("#run-status h2")).to_have_text("Waits 000")


def test_runs_are_searched_filtered_and_sorted(page, studio, store):
    run = store.runs.page(RunQuery("waits 042"), 1)[0]
    store.runs.annotate(run.id, tags=["important"], notes="The *best* one.")
    opened(page, studio)
    search = page.locator("#runs-search input")
    for words in ("IMPORTANT", "best one", "042"):
        search.fill(words)
        expect(page.locator(".rs-run b")).to_have_text(["Waits 042"])
    search.fill("nothing like that")
    expect(page.get_by_text("No run is like that.").first).to_be_visible()
    search.fill("")
    page.get_by_label("Sort by").select_option("oldest")
    expect(page.locator(".rs-run b").first).to_have_text("Waits 000")
    show(page, "finished")
    expect(page.get_by_text("No run is like that.").first).to_be_visible()
    show(page, "all")
    page.get_by_label("Star for Waits 003").click()
    expect(page.get_by_label("Star for Waits 003")).to_have_attribute("aria-pressed", "true")
    until(lambda: [each.name for each in store.runs.page(RunQuery(state="starred"), 9)] == ["Waits 003"], "the star")
    show(page, "starred")
    expect(page.locator(".rs-run b")).to_have_text(["Waits 003"])


def test_several_runs_are_deleted_and_come_back(page, studio, store):
    opened(page, studio)
    page.get_by_label("Sort by").select_option("oldest")
    expect(page.locator(".rs-run b").first).to_have_text("Waits 000")
    for number in (4, 5, 6):
        page.get_by_label(f"Choose Waits {number:03}").check()
    expect(page.locator(".rs-runs-several")).to_contain_text("3 chosen")
    page.locator(".rs-runs-several").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Waits 004 and others, 3 runs, are in the bin.").first).to_be_visible()
    expect(link(page, "Waits 005")).to_have_count(0)
    assert store.runs.binned_count() == 3
    page.locator(".rs-runs-undo").get_by_role("button", name="Undo").click()
    expect(link(page, "Waits 005")).to_have_count(1)
    assert store.runs.binned_count() == 0


def test_a_deleted_run_is_left_although_the_list_is_asked_for_twice(page, studio, store):
    """The page's own look at what has changed may overtake the one that follows a press."""
    opened(page, studio, f"?run={store.runs.page(RunQuery(), 1)[0].id}")
    name = names(page)[0]
    expect(page.locator("#run-status h2")).to_have_text(name)
    held = []
    page.route(re.compile(r"/follow/runs\?"), lambda route: held.append(route))
    page.click("#run-delete")
    until(lambda: page.evaluate("true") and len(held) > 1, "two questions for the list")
    held[0].continue_()
    expect(page.locator("#run-status h2")).not_to_have_text(name)
    page.unroute_all(behavior="ignoreErrors")  # lets the others go
    page.locator(".rs-runs-undo").get_by_role("button", name="Undo").click()
    expect(link(page, name)).to_have_count(1)


def test_the_list_is_used_by_keyboard_alone(page, studio, store):
    opened(page, studio)
    page.locator(".rs-run-link").first.focus()
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    wanted = names(page)[3]
    page.keyboard.press("Enter")
    expect(page.locator("#run-status h2")).to_have_text(wanted)
    expect(page.locator(".rs-run-link[aria-current=true] b")).to_have_text(wanted)


# A run while it learns


def test_a_run_is_watched_while_it_learns_and_looks_the_same_afterwards(page, studio, store, going):
    run = going("Learns", epochs=2000)  # it does not end before all that is shown of a run in training was looked at
    opened(page, studio, f"?run={run.id}")
    line = page.locator("#run-loss-chart svg path.rs-line-train").last
    expect(line).to_be_attached()
    drawn = line.get_attribute("d")
    page.wait_for_function(
        "before => document.querySelectorAll('#run-loss-chart svg path.rs-line-train')[1]?.getAttribute('d') !== before", arg=drawn
    )
    expect(page.locator(f".rs-run[data-id='{run.id}'] .rs-spark")).to_be_visible()
    expect(page.locator("#run-live")).to_contain_text("tokens/s")
    chart = page.locator("#run-loss-chart")
    for view in ("Gradient norm", "Learning rate", "Tokens per second", "Memory in use, GB", "Right answers, %", "Loss"):
        chart.get_by_label("Show").select_option(label=view)
        expect(chart.locator("svg path").first).to_be_attached()
    for axis in ("Epoch", "Time", "Step"):
        chart.get_by_label("Over").select_option(label=axis)
        expect(chart.locator("svg path").first).to_be_attached()
    chart.get_by_label("Logarithmic").check()
    chart.locator("svg").focus()
    page.keyboard.press("ArrowRight")
    expect(chart.locator(".rs-chart-readout")).to_contain_text("Training")
    page.keyboard.press("+")
    expect(chart.get_by_role("button", name="Whole run")).to_be_visible()
    page.keyboard.press("Escape")
    expect(chart.get_by_role("button", name="Whole run")).to_be_hidden()
    chart.get_by_text("As a table").click()
    expect(chart.locator("tbody tr").nth(3)).to_be_visible()
    expect(chart.locator("svg")).to_have_attribute("aria-label", re.compile(r"Training went from [\d.]+ to"))
    page.click("#run-stop")
    expect(page.locator("#run-status .rs-pill")).to_have_text("Stopped")
    expect(page.locator("#run-verdict .rs-verdict")).to_be_visible()
    expect(page.locator("#run-download")).to_be_visible()
    after = line.get_attribute("d")
    page.reload()
    expect(page.locator("#run-loss-chart svg path.rs-line-train").last).to_be_attached()
    assert after and store.runs.get(run.id).status is RunStatus.STOPPED


def test_what_an_open_page_is_sent_is_what_is_new(page, studio, store, going):
    run = going("Sent", epochs=200)
    sizes = []
    opened(page, studio, f"?run={run.id}")
    expect(page.locator("#run-loss-chart svg path").first).to_be_attached()
    page.on("response", lambda answer: sizes.append(len(answer.body())) if f"follow/runs/{run.id}" in answer.url else None)
    until(lambda: page.evaluate("true") and (len(sizes) > 4 or store.runs.get(run.id).status.ended), "some answers")
    assert sizes and max(sizes) < 20_000


def test_answers_to_five_held_out_rows_are_a_timeline(page, studio, store, going):
    run = going("Answers", epochs=20, held_out=0.3)
    opened(page, studio, f"?run={run.id}")
    samples = page.locator("#run-samples")
    expect(samples.locator("dl")).to_have_count(5)
    expect(page.locator("#run-status .rs-pill")).to_have_text("Finished")
    kept = store.samples.all(run.id)
    steps = sorted({sample.step for sample in kept})
    assert len(steps) > 2 and len(kept) == 5 * len(steps)
    for reload in (False, True):
        if reload:
            page.reload()
        expect(samples).to_contain_text(f"after step {steps[-1]}")
        slider = samples.get_by_label("Which measurement is shown")
        expect(slider).to_have_attribute("max", str(len(steps) - 1))
        slider.focus()
        page.keyboard.press("Home")
        expect(slider).to_have_attribute("aria-valuetext", re.compile(f"after step {steps[0]}$"))
        first = [sample for sample in kept if sample.step == steps[0]]
        expect(samples.locator("dd.tuned")).to_have_text([sample.tuned or "nothing" for sample in first], use_inner_text=False)
        expect(samples.locator("dt", has_text="Base model")).to_have_count(5)


def test_stop_keeps_what_was_learned_and_discard_does_not(page, studio, store, going):
    run = going("Kept", epochs=2000)
    opened(page, studio, f"?run={run.id}")
    expect(page.locator("#run-status .rs-facts").first).to_contain_text("step")
    page.click("#run-stop")
    expect(page.locator("#run-status .rs-pill")).to_have_text("Stopped")
    expect(page.locator("#run-download")).to_be_visible()
    other = going("Discarded", epochs=2000)
    opened(page, studio, f"?run={other.id}")
    expect(page.locator("#run-discard")).to_be_visible()
    page.click("#run-discard")
    until(lambda: store.runs.get(other.id).binned_at is not None, "the end of the run")
    assert not store.files.adapter(other.id).exists()
    expect(link(page, "Discarded")).to_have_count(0)


# What is written down of a run


def test_name_tags_and_notes_are_kept_and_notes_run_nothing(page, studio, store):
    opened(page, studio)
    while not link(page, "Waits 050").count():  # runs of the tests before stand above it
        show_more(page)
    link(page, "Waits 050").click()
    expect(page.locator("#run-status h2")).to_have_text("Waits 050")
    page.locator("#run-describe button.label-wrap").click()
    page.locator("#run-name input, #run-name textarea").first.fill("Described")
    page.locator("#run-tags input, #run-tags textarea").first.fill("one, two")
    page.locator("#run-notes textarea").fill(
        "**Bold** [web](https://example.org) [bad](javascript:document.title=1) ![seen](https://example.org/x.png)\n\n"
        "<img src=x onerror='window.owned=1'> ${window.owned=1} {{value}}"
    )
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.click("#run-save")
    notes = page.locator("#run-notes-shown .rs-notes")
    expect(notes.locator("strong")).to_have_text("Bold")
    expect(notes.get_by_role("link", name="web")).to_have_attribute("href", "https://example.org")
    assert notes.get_by_role("link", name="bad").count() == 0 and notes.locator("img").count() == 0
    assert page.evaluate("window.owned") is None and not any("example.org" in url for url in asked)
    expect(page.locator("#run-status h2")).to_have_text("Described")
    expect(link(page, "Described")).to_have_count(1)
    expect(page.locator(".rs-run.chosen .rs-chip")).to_have_text(["one", "two"])
    run = store.runs.page(RunQuery("described"), 1)[0]
    store.runs.rename(run.id, "Waits 050")
    store.runs.annotate(run.id, tags=[], notes="")


def test_a_report_is_one_file_that_needs_nothing_else(page, browser, studio, store, going, tmp_path):
    run = going("Reported")
    until(lambda: store.runs.get(run.id).status is RunStatus.FINISHED, "the end of the run")
    opened(page, studio, f"?run={run.id}")
    with page.expect_download() as download:
        page.click("#run-report")
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    assert path.name == "Reported.html"
    alone = browser.new_page()  # the studio's page asks the server by itself, also at the moment when it is left
    asked = []
    alone.on("request", lambda request: asked.append(request.url))
    alone.goto(f"file://{path}")
    expect(alone.locator("h1")).to_have_text("Reported")
    expect(alone.locator("svg path").first).to_be_attached()
    expect(alone.get_by_text("run.yaml")).to_be_visible()
    assert asked == [f"file://{path}"]
    alone.close()


def test_a_run_is_trained_further(page, studio, store, going):
    run = going("Began", epochs=3)
    until(lambda: store.runs.get(run.id).status is RunStatus.FINISHED, "the end of the run")
    opened(page, studio, f"?run={run.id}")
    page.locator("#run-epochs input").fill("2")
    page.click("#run-longer")
    page.wait_for_url(lambda url: "run=" in url and run.id not in url)
    further = store.runs.get(page.url.partition("run=")[2])
    assert further.continues_id == run.id and further.spec["train"]["epochs"] == 2
    expect(page.locator("#run-status .rs-pill")).to_have_text("Finished")
    began = store.metrics.after(further.id, -1)[0]
    ended = [point for point in store.metrics.after(run.id, -1) if point.name == "held_out"][-1]
    first = next(point for point in store.metrics.after(further.id, -1) if point.name == "held_out")
    assert began.step == 0 and first.value == pytest.approx(min(ended.value, store.runs.get(run.id).held_out), rel=0.05)


# The queue, and what happens elsewhere


def test_the_queue_is_paused_and_goes_on(page, studio, store, going):
    run = going("Paused", epochs=2000)
    opened(page, studio, f"?run={run.id}")
    expect(page.locator("#run-status .rs-facts").first).to_contain_text("step")
    page.get_by_role("button", name="Pause the queue").click()
    expect(page.locator("#run-status .rs-pill")).to_have_text("Interrupted")
    expect(page.locator("#run-status")).to_contain_text("The queue is paused")
    step = store.runs.get(run.id).step
    assert step and store.runs.get(run.id).status is RunStatus.INTERRUPTED
    page.get_by_role("button", name="Go on").click()
    until(lambda: store.runs.get(run.id).step > step, "another step")
    expect(page.locator("#run-status .rs-pill")).to_have_text("Training")


def test_a_run_that_waits_begins_at_its_time(page, studio, store):
    server, _ = studio
    run = store.runs.create(server.dataset.id, spec_of(server.base), name="Tonight")
    opened(page, studio, f"?run={run.id}")
    page.locator("#run-start-at input, #run-start-at textarea").first.fill("3:00")
    page.click("#run-start-later")
    expect(page.locator(f".rs-run[data-id='{run.id}'] .rs-pill")).to_contain_text("starts")
    moment = store.runs.get(run.id).start_after
    assert page.evaluate("iso => { const at = new Date(iso); return [at.getHours(), at.getMinutes()] }", moment.isoformat()) == [3, 0]
    page.locator("#run-start-at input, #run-start-at textarea").first.fill("soon")
    page.click("#run-start-later")
    expect(page.locator("#run-note")).to_contain_text("soon is no time. Write it as 03:00.")


def test_the_end_of_a_run_is_told_on_every_page_until_it_is_looked_at(page, studio, store, going):
    page.goto(f"{studio[0].address}/data")
    expect(page).to_have_title("Data · ReFT Studio")
    page.wait_for_function("localStorage.getItem('studio.ended.cursor') !== null")
    run = going("Elsewhere")
    until(lambda: store.runs.get(run.id).status is RunStatus.FINISHED, "the end of the run")
    expect(page).to_have_title("(1) A run has ended · Data · ReFT Studio")
    mark = page.locator(".rs-header nav .rs-unseen")
    expect(mark).to_have_attribute("aria-label", "Ended and not looked at yet: 1")
    page.get_by_role("link", name=re.compile("^Runs")).click()
    expect(page.locator(".rs-run").first).to_be_visible()
    expect(page).to_have_title("Runs · ReFT Studio")
    expect(page.locator(".rs-unseen")).to_have_count(0)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("window", [WINDOW, PHONE], ids=["wide", "narrow"])
def test_the_page_is_for_everybody_in_every_state(page, studio, store, going, window, theme):
    page.set_viewport_size(window)
    name = f"Accessible {window['width']} {theme}"
    run = going(name, epochs=60)
    opened(page, studio, f"?run={run.id}&__theme={theme}")
    expect(page.locator("#run-loss-chart svg path").first).to_be_attached()
    if window is PHONE:
        expect(page.locator("#run-status h2")).to_be_in_viewport()
    found = {"training": serious(page)}  # which scrolls
    if window is PHONE:
        page.get_by_role("button", name=re.compile("All runs")).click()
    found["list"] = serious(page)
    page.get_by_label(f"Choose {name}").check()
    page.get_by_text("As a table").click()
    page.locator("#run-describe button.label-wrap").click()
    found["unfolded"] = serious(page)
    page.locator(".rs-runs-several").get_by_role("button", name="Choose none").click()
    expect(page.locator("#run-status .rs-pill")).to_have_text("Finished")
    found["finished"] = serious(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= window["width"]
    assert {state: faults for state, faults in found.items() if faults} == {}
