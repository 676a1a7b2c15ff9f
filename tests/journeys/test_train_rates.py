"""A learning rate is found on the Train page: told before, followed, stopped, and put into the field with its reason."""

import os

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from reft_engine.data import dump_examples, inspect_rows
from storage import Storage
from tests.browser import WINDOW
from tests.journeys.test_events import STILL


def open_train(page, server, questions):
    """The Train page on rows of its own, with its advanced settings open."""
    rows = [{"prompt": question, "answer": f"It is {number}."} for number, question in enumerate(questions)]
    content = dump_examples(inspect_rows(rows).examples)
    source = server.data_dir.parent / "rates.jsonl"
    source.write_bytes(content)
    storage = Storage(server.data_dir)
    dataset = storage.datasets.create(
        name="rates", label=source.name, shape="pairs", rows=len(rows), usable_rows=len(rows), source=source, examples=content
    )
    storage.close()
    page.goto(f"{server.address}/train?dataset={dataset.id}")
    expect(page.locator("#train-estimate")).to_contain_text("Rows to learn from")
    page.locator("#train-advanced button.label-wrap").click()


@pytest.mark.parametrize("width", [WINDOW["width"], 390], ids=["wide", "narrow"])
def test_a_rate_is_found_by_keyboard_and_put_into_the_field_with_its_reason(page, server, width):
    page.set_viewport_size({"width": width, "height": 800})
    open_train(page, server, [f"Say {number}." for number in range(12)])
    find = page.locator("#train-rates-find")
    expect(page.locator("#train-rates-about")).to_contain_text("eight learning rates for twenty steps")
    find.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#train-rates-result table")).to_be_visible()
    expect(page.locator("#train-rates-result tr")).to_have_count(9)
    rate = page.locator("#train-learning-rate input").input_value()
    expect(page.locator("#train-rates-result tr.best th")).to_have_text(rate)
    expect(page.locator("#train-rates-result")).to_contain_text(f"{rate} is in the field now")
    expect(page.locator("#train-rates-stop")).to_be_hidden()
    expect(find).to_be_enabled()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the table is no wider than the window"
    if folder := os.environ.get("RATES_SHOTS"):
        page.locator("#train-rates-result").scroll_into_view_if_needed()
        page.screenshot(path=f"{folder}/rates-{width}.png")
    for dark in (False, True):
        page.evaluate("dark => document.body.classList.toggle('dark', dark)", dark)
        page.wait_for_function(STILL)
        found = Axe().run(page, context="#train-advanced", options={"resultTypes": ["violations"]}).response["violations"]
        assert [entry["id"] for entry in found if entry["impact"] in ("serious", "critical")] == []


def test_a_search_can_be_stopped_and_leaves_the_field_as_it_was(page, server):
    open_train(page, server, [f"What is {number} times {'and why ' * 60}?" for number in range(40)])
    before = page.locator("#train-learning-rate input").input_value()
    page.click("#train-rates-find")
    expect(page.locator("#train-rates-result progress")).to_be_visible()
    page.click("#train-rates-stop")
    expect(page.locator("#train-rates-result")).to_contain_text("The search was stopped")
    expect(page.locator("#train-rates-stop")).to_be_hidden()
    expect(page.locator("#train-rates-find")).to_be_enabled()
    assert page.locator("#train-learning-rate input").input_value() == before
