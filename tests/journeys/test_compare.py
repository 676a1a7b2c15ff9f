"""Runs side by side, as a person compares them: from the list, by address, in curves, tables and answers, by keyboard, and on a phone."""

import re

import pytest
from playwright.sync_api import expect

from reft_engine import ReftConfig, TrainConfig
from reft_engine.data import dump_examples, inspect_rows
from reft_engine.spec import RunSpec
from storage import RunStatus, Storage
from tests.journeys.conftest import running
from tests.journeys.test_data import PHONE
from tests.journeys.test_train_spec import serious
from tests.waiting import until

ROWS = [{"prompt": f"What is {n} cat?", "answer": f"cat {n}."} for n in range(40)]
HOSTILE = "<b>bold</b> & ${1}"


@pytest.fixture(scope="module")
def studio(tmp_path_factory, tiny_base):
    """A studio with three runs on the same rows, the third with a hostile name, and one on others; its store; and their ids."""
    folder = tmp_path_factory.mktemp("compare") / "data"
    store = Storage(folder)
    cats, few = (
        store.datasets.create(name=name, label="rows.csv", shape="pairs", rows=len(rows), usable_rows=len(rows), examples=examples)
        for name, rows in (("Cats", ROWS), ("Few", ROWS[:20])) for examples in [dump_examples(inspect_rows(rows).examples)]
    )  # fmt: skip
    ids = {
        name: store.runs.create(dataset.id, spec_of(tiny_base, rank), name=name).id
        for name, dataset, rank in (("One", cats, 1), ("Two", cats, 2), (HOSTILE, cats, 4), ("Other", few, 1))
    }
    with running(folder) as server:
        until(lambda: not store.runs.going(), "the end of the runs")
        assert {store.runs.get(each).status for each in ids.values()} == {RunStatus.FINISHED}
        yield server, store, ids
    store.close()


def spec_of(base, rank):
    settings = TrainConfig(epochs=2, batch_size=8, held_out=0.3)
    return RunSpec(base=str(base), reft=ReftConfig(rank=rank, positions="l1"), train=settings).model_dump(mode="json")


def opened(page, studio, *names):
    server, _, ids = studio
    page.goto(f"{server.address}/runs?compare={','.join(ids[name] for name in names)}")
    expect(page.locator("#runs-compare h2")).to_have_text(f"{len(names)} runs, side by side")


def test_runs_are_ticked_and_compared_and_the_address_says_so(page, studio):
    server, _, ids = studio
    page.goto(f"{server.address}/runs")
    for name in ("One", "Two"):
        page.get_by_label(f"Choose {name}", exact=True).check()
    page.locator(".rs-runs-several").get_by_role("button", name="Compare").click()
    expect(page.locator("#runs-compare h2")).to_have_text("2 runs, side by side")
    assert page.url.endswith(f"?compare={ids['Two']},{ids['One']}") or page.url.endswith(f"?compare={ids['One']},{ids['Two']}")
    page.reload()
    expect(page.locator("#runs-compare h2")).to_have_text("2 runs, side by side")
    page.locator("#runs-compare thead a", has_text="Two").first.click()
    expect(page.locator("#run-status h2")).to_have_text("Two")
    expect(page.locator("#runs-compare")).to_be_hidden()
    page.go_back()
    expect(page.locator("#runs-compare h2")).to_have_text("2 runs, side by side")
    expect(page.locator("#run-status h2")).to_have_count(0)


def test_curves_differ_in_colour_and_dash_and_the_one_pointed_at_stands_out(page, studio):
    opened(page, studio, "One", "Two", HOSTILE)
    lines = page.locator("#runs-compare .rs-compare-curves g")
    expect(lines).to_have_count(3)
    looks = lines.evaluate_all(
        "all => all.map(g => [getComputedStyle(g.lastChild).stroke, g.lastChild.getAttribute('stroke-dasharray')].join('/'))"
    )
    assert len({look.partition("/")[0] for look in looks}) == len({look.partition("/")[2] for look in looks}) == 3
    second = page.locator(".rs-compare-legend button").nth(1)
    second.hover()
    expect(page.locator(".rs-compare-curves g.raised path").last).to_have_attribute("stroke-dasharray", "7 4")
    expect(page.locator("#runs-compare .rs-chart-readout")).to_contain_text("Two went from")
    page.locator(".rs-compare-legend button").nth(2).focus()
    expect(page.locator("#runs-compare .rs-chart-readout")).to_contain_text(f"{HOSTILE} went from")
    for figure in ("Training loss", "Right answers, %", "Held-out loss"):
        page.locator("#runs-compare").get_by_label("Show").select_option(label=figure)
        expect(lines).to_have_count(3)
    for axis in ("Epoch", "Time", "Step"):
        page.locator("#runs-compare").get_by_label("Over").select_option(label=axis)
        expect(lines).to_have_count(3)
    expect(page.locator(".rs-compare-curves")).to_have_attribute("aria-label", re.compile("One went from .* Two went from"))
    expect(page.locator(".rs-compare-scatter text", has_text="Two")).to_be_visible()
    expect(page.locator(".rs-compare-scatter")).to_have_attribute("aria-label", re.compile(r"One: [\d,]+ parameters, held-out loss"))


def test_the_tables_show_only_what_differs_until_all_is_asked_for(page, studio):
    opened(page, studio, "One", HOSTILE)
    tables = page.locator("#runs-compare .rs-compare-tables")
    expect(tables.locator("tr", has_text="Rank").first).to_be_visible()
    expect(tables.locator("tr", has_text="Positions").first).to_be_hidden()
    expect(tables.locator("thead a").last).to_have_text(HOSTILE)
    page.get_by_label("Only what differs").uncheck()
    expect(tables.locator("tr", has_text="Positions").first).to_be_visible()
    expect(tables.locator("tr", has_text="Trainable parameters").locator(".rs-pill")).to_have_text("lowest")


def test_runs_on_other_rows_are_not_ranked(page, studio):
    opened(page, studio, "One", "Other")
    expect(page.locator(".rs-compare-said")).to_contain_text("must not be compared")
    page.click("#compare-grid-ask")
    expect(page.locator("#compare-grid-note")).to_contain_text("Write prompts of your own")


def test_every_run_answers_the_same_prompts(page, studio):
    opened(page, studio, "One", "Two")
    page.fill("#compare-grid-count input", "3")
    page.click("#compare-grid-ask")
    grid = page.locator("#compare-grid")
    expect(grid).to_contain_text("9 of 9 answers")
    expect(grid.locator("tbody tr")).to_have_count(3)
    expect(grid.locator("thead th")).to_have_count(5)
    expect(grid.locator("tbody .rs-mark")).to_have_count(9)
    page.locator("#compare-grid-source").get_by_label("my own").check()
    page.fill("#compare-grid-prompts textarea", "What is 3 cat?\nWhat is 4 dog?")
    page.click("#compare-grid-ask")
    expect(grid).to_contain_text("6 of 6 answers")
    expect(grid.locator("tbody th")).to_have_text(["What is 3 cat?", "What is 4 dog?"])
    expect(grid.locator(".rs-mark")).to_have_count(0)
    page.locator("#runs-compare thead a", has_text="One").first.click()
    expect(page.locator("#compare-answers")).to_be_hidden()


def test_it_is_seen_how_close_the_edits_are(page, studio):
    opened(page, studio, "One", "Two", HOSTILE)
    page.click("#compare-close button.label-wrap")
    rows = page.locator("#compare-angles tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.first.locator("th")).to_have_text("One and Two")
    expect(rows.first.locator("td").first).to_have_text(re.compile(r"^\d+°"))


def test_a_comparison_is_read_by_everybody(page, studio):
    for size in ({"width": 1280, "height": 800}, PHONE):
        page.set_viewport_size(size)
        opened(page, studio, "One", HOSTILE)
        page.fill("#compare-grid-count input", "2")
        page.click("#compare-grid-ask")
        expect(page.locator("#compare-grid")).to_contain_text("6 of 6 answers")
        assert serious(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.set_viewport_size({"width": 1280, "height": 800})


def test_a_run_that_is_deleted_leaves_the_comparison(page, studio):
    _, store, ids = studio
    opened(page, studio, "One", "Two", HOSTILE)
    page.get_by_label("Choose Two", exact=True).check()
    page.locator(".rs-runs-several").get_by_role("button", name="Delete").click()
    expect(page.locator("#runs-compare h2")).to_have_text("2 runs, side by side")
    expect(page.locator(".rs-compare-said")).to_contain_text("1 of these runs is not here any more.")
    page.locator(".rs-runs-undo").get_by_role("button", name="Undo").click()
    expect(page.locator("#runs-compare h2")).to_have_text("3 runs, side by side")
    assert store.runs.get(ids["Two"]).binned_at is None
