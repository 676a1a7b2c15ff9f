"""What a person reads of a finished edit: whether it broke anything, and what it changes."""

import re

import pytest
from playwright.sync_api import expect

from app.handlers.looked import changes_of, regression_of
from app.words.phrases import percent
from reft_engine import ReftConfig, TrainConfig
from reft_engine.data import dump_examples, inspect_rows
from reft_engine.spec import RunSpec
from storage import RunStatus, Storage
from tests.browser import WINDOW
from tests.journeys.conftest import running
from tests.journeys.test_data import PHONE
from tests.journeys.test_train_spec import serious
from tests.waiting import until

ROWS = [{"prompt": f"What is {n} cat?", "answer": f"cat {n}."} for n in range(40)]


@pytest.fixture(scope="module")
def looked(tmp_path_factory, tiny_base):
    """A studio with a run that its worker has finished, and one that was stopped before it began."""
    folder = tmp_path_factory.mktemp("looked") / "data"
    store = Storage(folder)
    examples = dump_examples(inspect_rows(ROWS).examples)
    dataset = store.datasets.create(name="Cats", label="cats.csv", shape="pairs", rows=40, usable_rows=40, examples=examples)
    reft, train = ReftConfig(rank=2, positions="f2+l2"), TrainConfig(epochs=3, batch_size=8, held_out=0.2)
    spec = RunSpec(base=str(tiny_base), reft=reft, train=train).model_dump(mode="json")
    run, waits = (store.runs.create(dataset.id, spec, name=name) for name in ("Finished", "Stopped"))
    store.runs.request_stop(waits.id)
    with running(folder) as server:
        until(lambda: store.runs.get(run.id).status.ended, "the end of the run")
        finished = store.runs.get(run.id)
        assert finished.status is RunStatus.FINISHED, finished.sentence
        yield server, finished, waits
    store.close()


def fits(page):
    return page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_whether_it_broke_anything_is_read_beside_the_verdict(page, looked):
    server, run, waits = looked
    figures = regression_of(run)
    page.goto(f"{server.address}/runs?run={run.id}")
    card = page.locator("#run-regression .rs-card")
    expect(card).to_contain_text("60 general prompts")
    expect(page.locator("#run-verdict")).to_contain_text("On 60 general prompts that are not from the data")
    expect(card.locator("dl")).to_have_count(3)
    for shown, moved in zip(card.locator("dl").all(), figures.worst, strict=True):
        assert shown.locator("dd").first.inner_text() == moved.prompt
        assert shown.locator("dd.tuned").text_content().split() == moved.tuned.split()
    card.get_by_role("button", name="Moved away (KL)").click()
    expect(card.get_by_role("note").first).to_contain_text("KL divergence averaged over tokens")
    page.keyboard.press("Escape")
    assert serious(page) == []
    page.set_viewport_size(PHONE)
    assert fits(page)
    page.set_viewport_size(WINDOW)
    page.goto(f"{server.address}/runs?run={waits.id}")
    expect(page.locator("#run-status h2")).to_have_text("Stopped")
    expect(card).to_have_count(0)
    expect(page.locator("#run-edit .rs-card")).to_have_count(0)


def test_what_the_edit_changes_is_read_in_numbers_and_token_by_token(page, looked):
    server, run, _ = looked
    changes = changes_of(run)
    page.goto(f"{server.address}/runs?run={run.id}")
    card = page.locator("#run-edit .rs-card")
    expect(card.locator("table").first).to_be_hidden()
    card.locator(".rs-folded > summary").click()
    layers, places = card.locator("table").nth(0), card.locator("table").nth(1)
    expect(layers.locator("tbody tr")).to_have_count(3)
    assert layers.locator("tbody td:nth-child(3)").all_inner_texts() == [percent(layer.share) for layer in changes.layers]
    widths = layers.locator("tbody i").evaluate_all("bars => bars.map(bar => bar.getBoundingClientRect().width)")
    shares = [layer.share for layer in changes.layers]
    assert widths == pytest.approx([max(widths) * share / max(shares) for share in shares], abs=2)
    assert places.locator("tbody td:nth-child(3)").all_inner_texts() == [percent(place.share) for place in changes.places]
    edited = card.locator(".rs-shaded .tok.edited")
    expect(edited).to_have_count(4)
    details = card.locator("details.rs-problems")
    details.locator("summary").focus()
    page.keyboard.press("Enter")
    values = details.locator("tbody td").all_inner_texts()
    assert [value for value in values if value != "not edited"] == [each.get_attribute("title") for each in edited.all()]
    assert len(values) == len(changes.example) and values.count("not edited") == len(values) - 4
    borders = edited.evaluate_all("tokens => tokens.map(token => parseFloat(getComputedStyle(token).borderBottomWidth))")
    assert min(borders) >= 1 and max(borders) == pytest.approx(5, abs=0.5), "a line under each, which needs no colour"
    assert serious(page) == []
    page.set_viewport_size(PHONE)
    assert fits(page)
    report = page.request.get(f"{server.address}/files/runs/{run.id}/report.html").text()
    assert re.search(r'aria-label="What the edit changes".*rs-shaded', report, re.DOTALL)
