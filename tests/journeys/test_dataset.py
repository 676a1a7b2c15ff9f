"""A dataset that is kept: seen, changed, versioned, divided, named, taken away, deleted and taken back, on its page."""

import json
import re

import pytest
from playwright.sync_api import expect

from reft_engine.data import inspect_file
from storage import Storage
from tests.browser import WINDOW
from tests.journeys.test_data import HOSTILE, MANY, PHONE, opened, table


def numbers(page):
    return page.locator("#kept-table tbody th")


def kept(page, server, content, **file):
    """A file is kept, and its page opened; returns the dataset's id."""
    opened(page, server, content, **file)
    page.click("#dataset-save")
    page.wait_for_url("**/train*")
    page.goto(f"{server.address}/data")
    page.locator("#dataset-kept").get_by_role("link", name="Open").first.click()
    page.wait_for_url("**/dataset?id=*")
    expect(numbers(page).first).to_be_visible()
    return page.url.partition("id=")[2]


def saved(page, number):
    """The page of the version that is then the newest."""
    expect(page.locator("#kept-top")).to_contain_text(f"version {number} · ")
    expect(numbers(page).first).to_be_visible()


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def test_a_text_is_changed_a_row_dropped_and_both_are_a_version(page, server):
    kept(page, server, table([("prompt", "answer"), *MANY]), name="versions.csv")
    expect(numbers(page)).to_have_text([str(n) for n in range(1, 11)])
    expect(page.locator("#kept-learned .tok.learned").first).to_be_visible()
    press(page, "Edit: answer, 2")
    page.get_by_label("answer, 2", exact=True).fill("Another answer.")
    press(page, "Drop: 3")  # which ends the editing
    pending = page.locator(".rs-pending")
    expect(pending).to_contain_text("Changed texts: 1. Dropped rows: 1.")
    page.locator("#kept-table").get_by_role("button", name="Later").click()
    expect(numbers(page).first).to_have_text("11")
    page.reload()  # nothing that was done is lost
    expect(pending).to_contain_text("Changed texts: 1. Dropped rows: 1.")
    expect(page.locator("#kept-table tr.rs-gone")).to_have_count(1)
    expect(page.locator("#kept-table td").filter(has_text="Another answer.")).to_contain_text("changed")
    press(page, "Save as a new version")
    saved(page, 2)
    expect(numbers(page)).to_have_text(["1", "2", *(str(n) for n in range(4, 12))])
    expect(pending).to_be_hidden()
    versions = page.locator("#kept-versions")
    expect(versions).to_contain_text("1 text was changed. 1 row was dropped.")
    versions.get_by_role("link", name="What differs?").click()
    expect(page.locator("#kept-differences")).to_contain_text("1 row has another text. 1 row is gone.")
    expect(page.locator("#kept-differences ins")).to_have_text("Another answer.")
    versions.get_by_role("link", name="version 1").click()
    expect(page.locator("#kept-top")).to_contain_text("This is an earlier version, to read only.")
    expect(numbers(page)).to_have_text([str(n) for n in range(1, 11)])
    assert page.get_by_role("button", name=re.compile("^Edit")).count() == 0
    press(page, "Use this version again")
    saved(page, 3)
    expect(numbers(page)).to_have_text([str(n) for n in range(1, 11)])


def test_rows_are_changed_with_the_keyboard_alone(page, server):
    kept(page, server, table([("prompt", "answer"), *MANY[:12]]), name="keys.csv")
    page.locator("#kept-table").get_by_label("Search the rows").focus()
    page.keyboard.type("number 7")
    expect(numbers(page)).to_have_text(["8"])
    edit = page.get_by_role("button", name="Edit: answer, 8", exact=True)
    for _ in range(12):
        page.keyboard.press("Tab")
        if edit.evaluate("e => e === document.activeElement"):
            break
    page.keyboard.press("Enter")
    page.keyboard.press("Control+a")
    page.keyboard.type("Never mind.")
    page.keyboard.press("Escape")
    expect(page.locator(".rs-pending")).to_be_hidden()
    expect(edit).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Control+a")
    page.keyboard.type("By hand.")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".rs-pending")).to_contain_text("Changed texts: 1.")
    expect(edit).to_be_focused()
    page.locator("#kept-save").focus()
    page.keyboard.press("Enter")
    saved(page, 2)
    page.locator("#kept-table").get_by_label("Search the rows").fill("by hand")
    expect(numbers(page)).to_have_text(["8"])


def test_what_stands_out_is_shown_and_remedied(page, server):
    again = [("Who?", "Me."), ("Who?", "Me."), ("Dear {{name}}", "Hello.")]
    kept(page, server, table([("prompt", "answer"), *MANY[:20], *again]), name="odd.csv")
    report = page.locator("#kept-report")
    report.get_by_role("button", name=re.compile("1 row repeats an earlier one")).click()
    expect(numbers(page)).to_have_text(["22"])
    page.get_by_role("button", name="Show all rows").click()
    page.locator("#kept-table").get_by_label("Order").select_option("suspicious")
    expect(numbers(page)).to_have_text(["22", "23"])
    expect(page.locator("#kept-learned .rs-row > .rs-line")).to_have_text(["22", "23"])
    drop = report.locator("li").filter(has_text="1 row repeats").locator("[data-remedy]")
    drop.click()
    expect(drop).to_have_text("Put back")
    press(page, "Save as a new version")
    saved(page, 2)
    expect(page.locator("#kept-versions")).to_contain_text("1 row was dropped.")
    expect(report).not_to_contain_text("repeats")


def test_rows_are_divided_for_all_runs_and_shown_so(page, server, tmp_path):
    rows = [(f"Is {n} even?", "yes" if n % 2 == 0 else "no") for n in range(20)]
    dataset = kept(page, server, table([("prompt", "answer"), *rows]), name="sides.csv")
    dividing = page.locator("#kept-dividing")
    dividing.locator("button.label-wrap").click()
    expect(dividing).to_contain_text("each run draws its own held-out rows")
    page.fill("#kept-split-share input", "0")
    press(page, "Divide, as a new version")
    expect(page.locator("#kept-divide-note")).to_contain_text("The percent must be from 1 to 90")
    page.fill("#kept-split-share input", "20")
    page.click("#kept-split-method input")
    page.get_by_role("option", name="at random, each answer in its share").click()
    press(page, "Divide, as a new version")
    saved(page, 2)
    dividing.locator("button.label-wrap").click()
    expect(dividing).to_contain_text("All runs of this version train on 16 and measure with 4.")
    expect(dividing).to_contain_text("No prompt stands on both sides.")
    expect(page.locator("#kept-table tbody tr").filter(has_text="measure").first).to_be_visible()
    expect(page.locator("#kept-check")).to_contain_text("16 rows to learn from, 4 to measure with")
    more = tmp_path / "more.csv"
    more.write_text(table([("prompt", "answer"), ("Is 100 even?", "yes"), ("Is 1 even?", "no")]))
    page.locator("#kept-held-out-file input[type=file]").set_input_files(more)
    saved(page, 3)
    dividing.locator("button.label-wrap").click()
    expect(dividing).to_contain_text("1 held-out row has a prompt that is trained as well")
    page.goto(f"{server.address}/train?dataset={dataset}")
    expect(page.locator("#train-estimate dd").nth(1)).to_have_text("2")


def test_it_is_named_taken_away_deleted_and_taken_back(page, server):
    dataset = kept(page, server, table([("prompt", "answer"), ("Sum?", "=1+1"), ("Who?", "Ada, I"), *MANY[:5]]), name="take.csv")
    with page.expect_download() as got:
        page.get_by_role("link", name="CSV", exact=True).click()
    assert got.value.suggested_filename == "take v1.csv"
    content = got.value.path().read_text(encoding="utf-8-sig").splitlines()
    assert content[:3] == ["prompt,answer", "Sum?,'=1+1", 'Who?,"Ada, I"']
    for name, form in (("JSON Lines", "jsonl"), ("Parquet", "parquet")):
        with page.expect_download() as got:
            page.get_by_role("link", name=name, exact=True).click()
        found = inspect_file(got.value.path())
        assert (found.format, found.usable_rows, found.examples[0].answer) == (form, 7, "=1+1")
    page.locator("#kept-naming button.label-wrap").click()
    expect(page.locator("#kept-name input, #kept-name textarea")).to_have_value("take")
    page.locator("#kept-name input, #kept-name textarea").fill(HOSTILE)
    page.locator("#kept-tags input, #kept-tags textarea").fill("sums, people")
    press(page, "Save the name")
    expect(page.locator("#kept-top h1")).to_have_text(HOSTILE)
    page.goto(f"{server.address}/data")
    card = page.locator("#dataset-kept li").first
    expect(card).to_contain_text(HOSTILE)
    expect(card.locator(".rs-chip")).to_have_text(["sums", "people"])
    card.get_by_role("link", name="Open").click()
    expect(page.locator("#kept-top h1")).to_have_text(HOSTILE)
    press(page, "Delete this dataset")
    page.wait_for_url(f"**/data?binned={dataset}")
    expect(page.locator("#dataset-deleted")).to_contain_text("is in the bin.")
    expect(page.locator("#dataset-kept")).not_to_contain_text("onerror")
    press(page, "Undo")
    expect(page.locator("#dataset-kept li").first).to_contain_text(HOSTILE)
    expect(page.locator("#dataset-undo")).to_be_hidden()
    storage = Storage(server.data_dir)
    assert storage.datasets.get(dataset).binned_at is None
    storage.close()


def test_a_dataset_that_is_not_here_is_said_to_be_so(page, server):
    page.goto(f"{server.address}/dataset?id=0123456789ab")
    expect(page.locator("#kept-opened-note")).to_contain_text("There is no such dataset here")
    expect(page.locator("#kept-delete")).to_be_hidden()


@pytest.mark.parametrize("width", [WINDOW["width"], PHONE["width"]])
def test_a_chat_is_shown_turn_by_turn_as_it_is(page, server, width):
    page.set_viewport_size({"width": width, "height": 844})
    turns = [
        ("system", "Be brief."),
        ("user", HOSTILE),
        ("assistant", "Ahoy!\n  indented"),
        ("user", "again"),
        ("assistant", "word " * 200),
    ]
    rows = [{"messages": [{"role": role, "content": text} for role, text in turns]}] * 3
    kept(page, server, "\n".join(map(json.dumps, rows)), name=f"chats {width}.jsonl")
    first = page.locator("#kept-table tbody tr").first
    expect(first.locator(".rs-turn > b")).to_have_text(["system message", "prompt", "earlier answer", "prompt", "answer"])
    expect(first.locator(".rs-cell").nth(1)).to_have_text(HOSTILE)
    assert first.locator(".rs-cell").nth(2).evaluate("e => e.textContent") == "Ahoy!\n  indented"
    assert page.locator("#kept-table img").count() == 0 and page.title().endswith("ReFT Studio")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_rows_are_shown_with_the_positions_that_were_chosen_for_training(page, server):
    dataset = kept(page, server, table([("prompt", "answer"), *MANY[:12]]), name="positions.csv")
    expect(page.locator("#kept-learned")).to_contain_text("Edited at the positions f7+l7.")
    page.goto(f"{server.address}/train?dataset={dataset}")
    expect(page.locator("#train-estimate dl")).to_be_visible()
    positions = page.locator("#train-positions").locator("input, textarea").first
    positions.fill("l2")
    positions.press("Tab")
    page.goto(f"{server.address}/dataset?id={dataset}")
    expect(page.locator("#kept-learned")).to_contain_text("Edited at the positions l2.")
    expect(page.locator("#kept-learned .rs-row").first.locator(".tok.edited")).to_have_count(2)
    opened(page, server, table([("prompt", "answer"), *MANY[:12]]), name="positions.csv")
    expect(page.locator("#dataset-preview")).to_contain_text("Edited at the positions l2.")
