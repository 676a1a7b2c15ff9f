"""The Train page's run as text, presets of one's own, clones and sweeps, as a person does them; wide, narrow, by keyboard."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from app.run_texts import RunFile
from storage import RunStatus, Storage
from tests.browser import WINDOW
from tests.journeys.test_data import PHONE, opened, table
from tests.journeys.test_events import STILL
from tests.waiting import until

ROWS = [(f"What is {n} cat?", f"cat {n}.") for n in range(16)]


@pytest.fixture
def form(page, server):
    """The Train page with a dataset of its own, and the store."""
    opened(page, server, table([("prompt", "answer"), *ROWS]), name="cats.csv")
    page.click("#dataset-save")
    page.wait_for_url("**/train*")
    expect(page.locator("#train-dataset input")).to_have_value("cats · 16 rows")
    fill(page, epochs=2, rank=1)
    store = Storage(server.data_dir)
    yield page, store
    store.close()


def fill(page, **values):
    for name, value in values.items():
        page.locator(f"#train-{name} input").fill(str(value))


def unfold(page, name):
    page.locator(f"#train-{name} button.label-wrap").click()


def serious(page):
    """What axe finds; at the end of the page, where the Train button floats over nothing."""
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.wait_for_function(STILL)
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa"]}).response["violations"]
    return [(each["id"], each["nodes"][0]["target"]) for each in found if each["impact"] in ("serious", "critical")]


@pytest.mark.parametrize("window", [WINDOW, PHONE], ids=["wide", "narrow"])
def test_the_run_of_the_form_is_shown_as_text_that_follows_it(form, window):
    page, store = form
    page.set_viewport_size(window)
    unfold(page, "spec")
    text = page.locator("#train-spec pre")
    expect(text).to_contain_text("--epochs 2")
    fill(page, epochs=7)
    expect(text).to_contain_text("--epochs 7")
    page.locator("#train-spec-command-tab").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#train-spec-code-tab")).to_be_focused()
    expect(text).to_contain_text("TrainConfig(epochs=7")
    page.keyboard.press("ArrowRight")
    expect(text).to_contain_text("epochs: 7")
    described = RunFile.from_yaml(text.inner_text())
    assert described.data.dataset == store.datasets.all()[0].id and described.spec.reft.rank == 1
    with page.expect_download() as downloaded:
        page.get_by_role("link", name="Download run.yaml").click()
    assert RunFile.from_yaml(downloaded.value.path().read_text()) == described and downloaded.value.suggested_filename == "run.yaml"
    fill(page, rank=0)
    expect(page.locator("#train-spec-note .rs-notice")).to_contain_text("Rank must be")
    expect(text).to_have_count(0)
    fill(page, rank=3)
    expect(text).to_contain_text("rank: 3")
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is wider than the window"


def test_settings_are_saved_under_a_name_applied_deleted_and_put_back(form):
    page, store = form
    unfold(page, "presets")
    page.locator("#train-preset-name input, #train-preset-name textarea").first.fill("Mine")
    page.click("#train-preset-save")
    expect(page.locator("#train-preset input")).to_have_value("Mine")
    fill(page, epochs=9)
    page.click("#train-preset-apply")
    expect(page.locator("#train-epochs input")).to_have_value("2")
    page.locator("#train-preset-name input, #train-preset-name textarea").first.fill("mine")
    page.click("#train-preset-save")
    expect(page.locator("#train-preset-save-note .rs-notice")).to_contain_text("There is a preset Mine already")
    page.click("#train-preset-delete")
    expect(page.locator("#train-preset-undo")).to_be_visible()
    until(lambda: not store.presets.all(), "the end of the preset")
    page.click("#train-preset-undo")
    expect(page.locator("#train-preset input")).to_have_value("Mine")
    assert serious(page) == []
    store.presets.delete(store.presets.all()[0].id)


@pytest.mark.parametrize("window", [WINDOW, pytest.param(PHONE, marks=pytest.mark.long)], ids=["wide", "narrow"])
def test_a_sweep_is_counted_trained_as_one_group_and_one_of_it_cloned(form, window):
    page, store = form
    page.set_viewport_size(window)
    unfold(page, "sweep")
    ranks = page.locator("#train-sweep-rank input")
    for value in ("1", "2"):
        ranks.fill(value)
        page.locator("[role=option]", has_text=value).first.click()
    rates = page.locator("#train-sweep-learning-rate input")
    for value in ("0.003", "0.01"):
        rates.fill(value)
        rates.press("Enter")
    rates.press("Escape")
    expect(page.locator("#train-sweep-start")).to_have_text("Train 4 runs")
    expect(page.locator("#train-sweep-count")).to_contain_text("4 runs, which differ in Rank, Learning rate.")
    assert serious(page) == []
    page.click("#train-sweep-start")
    page.wait_for_url("**/runs?group=*")
    group = page.url.partition("group=")[2]
    expect(page.locator(".rs-sweep tbody tr")).to_have_count(4)
    until(lambda: all(run.status.ended for run in store.runs.of_group(group)), "the end of the sweep", every=0.5)
    assert {run.status for run in store.runs.of_group(group)} == {RunStatus.FINISHED}
    expect(page.locator(".rs-sweep tbody .rs-pill", has_text="Finished")).to_have_count(4)
    expect(page.locator("#run-status")).not_to_contain_text("when all have ended")
    expect(page.locator(".rs-run-group", has_text="Runs: 4, ended: 4").first).to_be_attached()
    assert serious(page) == []
    page.locator(".rs-sweep tbody a").first.click()
    page.wait_for_url("**/runs?run=*")
    run = store.runs.get(page.url.partition("run=")[2])
    expect(page.locator(".rs-run.member")).to_have_count(4)
    page.click("#run-clone")
    page.wait_for_url("**/train?run=*")
    expect(page.locator(".rs-notice", has_text=f"The settings of the run {run.name}")).to_be_visible()
    expect(page.locator("#train-rank input")).to_have_value(str(run.spec["reft"]["rank"]))


def test_a_run_is_cloned_with_its_own_rows_and_the_newest_are_offered(form):
    page, store = form
    dataset = store.datasets.all()[0]
    run = store.runs.create(dataset.id, {"base": "starter", "reft": {"rank": 6}, "train": {}})
    store.runs.request_stop(run.id)
    rows = store.files.rows(dataset.version).read_bytes().splitlines(keepends=True)
    store.datasets.add_version(
        dataset.id, label="cats.csv", shape=dataset.shape, rows=15, usable_rows=15, examples=b"".join(rows[1:]), change="One row fewer.",
    )  # fmt: skip
    page.goto(page.url.partition("/train")[0] + f"/train?run={run.id}")
    expect(page.locator("#train-dataset input")).to_have_value("cats, version 1 · 16 rows")
    expect(page.locator("#train-rank input")).to_have_value("6")
    page.get_by_role("link", name="Take version 2").click()
    expect(page.locator("#train-dataset input")).to_have_value("cats · 15 rows")
    expect(page.locator("#train-rank input")).to_have_value("6")
    page.get_by_role("link", name="Take version 1").click()
    expect(page.locator("#train-dataset input")).to_have_value("cats, version 1 · 16 rows")
    page.click("#train-start")
    page.wait_for_url("**/runs?run=*")
    assert store.runs.get(page.url.partition("run=")[2]).version_number == 1
