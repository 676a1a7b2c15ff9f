"""The texts of the layout reach a browser in its language, and never as their keys."""

import json

import pytest
from playwright.sync_api import expect

from app.words import say
from tests.journeys.test_journey import ready
from tests.waiting import MILLISECONDS

SHOWN = """() => [document.title, document.body.innerText, ...[...document.querySelectorAll("svg text")].map((node) => node.textContent),
  ...[...document.body.querySelectorAll("*")].flatMap((node) => [...node.attributes].map((attribute) => attribute.value))]"""
LABELS = {
    "": ["home.use_sample", "home.upload"],
    "data": ["data.upload.label"],
    "train": ["pages.train"],
    "runs": ["runs.line"],
    "playground": ["playground.line"],
}
"""A text or two of each page that always stand there."""


@pytest.mark.parametrize("locale", ["en-US", "fr-FR"])
@pytest.mark.parametrize("path", LABELS)
def test_a_page_shows_words_and_no_keys(browser, server, locale, path):
    context = browser.new_context(locale=locale)
    page = context.new_page()
    page.set_default_timeout(MILLISECONDS)
    page.goto(f"{server.address}/{path}")
    ready(page)
    for key in LABELS[path]:
        expect(page.get_by_text(say(key)).first).to_be_visible()
    shown = json.dumps(page.evaluate(SHOWN), ensure_ascii=False)
    assert "__i18n__" not in shown and "translation_metadata" not in shown
    assert page.evaluate("words.away") == say("page.away") and page.evaluate("words.language") == "en"
    context.close()


def test_a_finished_run_shows_words_and_no_keys(page, server, finished):
    """Its chart is drawn from titles that Gradio does not translate."""
    page.goto(f"{server.address}/runs")
    page.get_by_label(finished).first.click()
    expect(page.locator("svg text", has_text=say("runs.chart.step")).first).to_be_visible()
    shown = json.dumps(page.evaluate(SHOWN), ensure_ascii=False)
    assert "__i18n__" not in shown and "translation_metadata" not in shown
