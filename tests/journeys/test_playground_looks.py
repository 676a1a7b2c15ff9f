"""What the Playground shows of an answer: the proof, where an edit acts, what it changed; and columns that nobody trained."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.journeys.test_playground import FIELD, opened, requests_of, studio  # noqa: F401 (a fixture)
from tests.waiting import until

PROMPT = "What is 3 cat?"


@pytest.fixture
def asked(page, studio):  # noqa: F811
    """The page with an answer of base model and edit."""
    opened(page, studio.address, studio.first)
    page.fill(FIELD, PROMPT)
    page.click("#playground-send")
    over(page)
    return page


def over(page):
    """All answers are written, and said to be."""
    expect(page.locator("#playground-told")).to_have_text(re.compile("nswered in"))
    expect(page.locator(".rs-caret")).to_have_count(0)


def press(page, name, place=0):
    page.get_by_role("button", name=name, exact=True).nth(place).click()


def add(page, label):
    """Choose a column to add, and wait for its answer."""
    before = page.locator("#playground-columns article:last-child .rs-pane").count()
    field = page.get_by_label("Add a column…")
    (value,) = field.locator("option", has_text=label).evaluate_all("all => all.slice(0, 1).map(each => each.value)")
    field.select_option(value)
    expect(page.locator("#playground-columns article:last-child .rs-pane")).to_have_count(before + 1)
    expect(page.locator(f"#answer-{before}")).not_to_have_text("")
    over(page)


def serious(page):
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [(each["id"], node["html"][:150]) for each in found if each["impact"] in ("serious", "critical") for node in each["nodes"]]


def test_a_press_proves_that_the_base_answer_is_the_base_models_own(asked):
    press(asked, "Prove that this is the base model alone")
    proof = asked.locator("#playground-proof [data-proven='true']")
    expect(proof).to_contain_text(re.compile(r"Proven: .* equal, bit for bit"))
    expect(proof).to_contain_text("multiplied by 0, changes none")
    assert serious(asked) == []


def test_the_map_has_a_cell_for_each_layer_and_token_and_a_press_reads_the_state_there(asked):
    press(asked, "Where the edit acts")
    cells = asked.locator("#playground-heatmap td button")
    expect(cells.first).to_be_visible()
    layers = asked.locator("#playground-heatmap tbody tr").count()
    assert layers > 1 and cells.count() % layers == 0
    asked.locator("#playground-heatmap td button:not([aria-label*='not edited'])").first.click()
    expect(asked.locator("#playground-heatmap .rs-lens table")).to_have_count(2)
    assert serious(asked) == []
    press(asked, "Close")
    expect(asked.locator("#playground-heatmap")).to_have_count(0)


def test_a_tinted_answer_is_the_answer_and_a_token_tells_what_the_base_model_would_have_said(asked):
    answer = asked.locator("#answer-tuned").text_content()
    press(asked, "What it changed")
    expect(asked.locator(".rs-tints")).to_have_text(answer)
    token = asked.locator(".rs-tint[role=button]").first
    token.focus()
    expect(asked.locator("[role=tooltip]").filter(visible=True).locator("tbody tr").first).to_be_visible()
    assert serious(asked) == []
    press(asked, "What it changed")
    expect(asked.locator(".rs-tints")).to_have_count(0)
    expect(asked.locator("#answer-tuned")).to_be_visible()


def test_what_is_switched_off_answers_as_the_base_model_and_only_its_column_is_asked(asked):
    base, tuned = asked.locator("#answer-base"), asked.locator("#answer-tuned")
    plain = base.text_content()
    assert tuned.text_content() != plain
    asked.click("#playground-layers summary")
    with requests_of(asked) as sent:
        for box in asked.locator("#playground-layers fieldset").first.locator("input").all():
            box.uncheck()
        expect(tuned).to_have_text(plain)
    assert sent and all(len(each["columns"]) == 1 and each["columns"][0]["kind"] == "run" for each in sent)
    assert sent[-1]["columns"][0]["layers"] == [] and base.text_content() == plain


def test_rows_in_the_prompt_and_rows_that_are_looked_up_answer_beside_the_edit(asked):
    add(asked, "4 rows of First in the prompt")
    expect(asked.locator("[data-told='2']")).to_have_text(re.compile(r"4 rows shown: \d+ tokens in the prompt, \d+ of them read anew"))
    add(asked, "Rows of First, looked up")
    expect(asked.locator("[data-told='3']")).to_have_text(re.compile(r"rows stored in [\d.]+ MB"))
    press(asked, "Rows behind this answer", 1)
    rows = asked.locator("#playground-rows tbody tr")
    expect(rows.first).to_contain_text("cat")
    assert "%" in rows.first.inner_text()
    assert serious(asked) == []
    asked.reload()
    press(asked, "Rows behind this answer", 1)
    expect(rows.first).to_contain_text("cat")


def test_another_number_draws_other_rows(asked):
    add(asked, "1 row of First in the prompt")
    press(asked, "Rows behind this answer")
    rows = asked.locator("#playground-rows tbody")
    expect(rows).to_contain_text("cat")
    shown = {rows.inner_text()}
    number = asked.get_by_label("The number that rows are drawn with: 1 row of First")
    for drawn in range(1, 9):
        with requests_of(asked) as sent:
            number.fill(str(drawn))
            number.press("Tab")
            until(lambda sent=sent: asked.wait_for_timeout(50) or sent, "the request")
            over(asked)
        (column,) = sent[-1]["columns"]
        assert (column["kind"], column["seed"], column["shots"]) == ("few_shot", drawn, 1)
        press(asked, "Rows behind this answer")
        expect(rows).to_contain_text("cat")
        shown.add(rows.inner_text())
        if len(shown) > 1:
            break
    assert len(shown) > 1


def test_no_rows_and_no_share_of_them_are_the_base_model_and_odd_numbers_are_refused(asked):
    base = asked.locator("#answer-base").text_content()
    add(asked, "4 rows of First in the prompt")
    add(asked, "Rows of First, looked up")
    rows, share = asked.get_by_label("How many: 4 rows of First"), asked.get_by_label("Share of Rows of First")
    expect(rows).to_have_value("4")
    expect(share).to_have_value("")
    for field, odd, sentence in ((rows, "2.5", "whole number from 0 to 100"), (share, "1.5", "from 0 to 1")):
        field.fill(odd)
        field.press("Tab")
        expect(asked.locator("#playground-note")).to_contain_text(sentence)
    with requests_of(asked) as sent:
        rows.fill("0")
        rows.press("Tab")
        expect(asked.locator("[data-told='2']")).to_have_text(re.compile("^0 rows shown"))
        expect(asked.locator("#answer-2")).to_have_text(base)
        share.fill("0")
        share.press("Tab")
        expect(asked.locator("[data-told='3']")).to_have_text(re.compile("^λ is 0: this is the base model alone"))
        expect(asked.locator("#answer-3")).to_have_text(base)
        over(asked)
        share.fill("1")
        share.press("Tab")
        expect(asked.locator("[data-told='3']")).to_have_text(re.compile(r"their share λ of each token's choice is 1\."))
    asked_for = [[(each["kind"], each["shots"], each["blend"]) for each in request["columns"]] for request in sent]
    assert asked_for == [[("few_shot", 0, None)], [("instant", 0, 0)], [("instant", 0, 1)]]
    assert asked.locator("#answer-3").text_content() != base
    expect(asked.locator("#playground-note .rs-notice")).to_have_count(0)
