"""A file that takes long to be read: how far it is, its end on request, and what a person can do meanwhile."""

import re
import threading
from types import SimpleNamespace

import pytest
from playwright.sync_api import expect

from app.handlers import datasets, uploads
from app.services import make_services
from app.settings import Settings
from tests.browser import WINDOW
from tests.journeys.test_data import PHONE, bring, opened, role, showing, table
from tests.reading import read_here
from tests.serving import serving
from tests.waiting import until

BAR = {"name": "Reading the file", "exact": True}


def test_a_large_file_is_followed_and_cancelled_and_another_is_read(page, server, tmp_path):
    large = tmp_path / "large.csv"
    large.write_text("prompt,answer\n" + "".join(f"What is the number {n}?,It is {n}.\n" for n in range(1_000_000)))
    page.goto(f"{server.address}/data")
    field = page.locator("#dataset-upload input[type=file]")
    field.wait_for(state="attached")
    field.set_input_files(large)
    bar = page.get_by_role("progressbar", **BAR)
    expect(bar).to_have_attribute("aria-valuenow", re.compile(r"^[1-9]"))
    page.get_by_role("button", name="Cancel", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.locator("#dataset-upload-note")).to_have_text("Reading was cancelled.")
    expect(bar).to_have_count(0)
    expect(page.get_by_role("tab", name="A file")).to_be_focused()
    bring(page, table([("prompt", "answer"), ("a", "b")]))
    showing(page, 2)
    expect(page.locator("#dataset-upload-note .rs-notice")).to_have_count(0)


@pytest.fixture
def held(tmp_path, monkeypatch):
    """A studio whose readings wait until they are let go, each by its choices; empty while files are read at once."""
    asked, holds = [], threading.Event()

    def read(path, folder, choices, note, should_stop):
        asked.append(choices)
        if holds.is_set():
            note(0.42)
            until(lambda: should_stop() or not holds.is_set(), "the end of a reading")
        return read_here(path, folder, choices, note, should_stop)

    monkeypatch.setattr(uploads, "read_in_process", read)
    monkeypatch.setattr(datasets, "_STARTS_WITHIN", 0.0)
    services = make_services(Settings(data_dir=tmp_path / "data"))
    with serving(services) as site:
        yield SimpleNamespace(address=site.address, asked=asked, holds=holds)
        holds.clear()
    services.storage.close()


ROWS = table([("eins", "zwei", "drei"), *((f"a{n}", f"b{n}", f"c{n}") for n in range(5))])


@pytest.mark.parametrize("size", [WINDOW, PHONE])
def test_a_change_of_a_role_is_cancelled_and_the_rows_stay_as_they_were(page, held, size):
    page.set_viewport_size(size)
    opened(page, held, ROWS)
    before = role(page, "eins").input_value()
    held.holds.set()
    role(page, "eins").select_option("system")
    bar = page.get_by_role("progressbar", **BAR)
    expect(bar).to_have_attribute("aria-valuenow", "42")
    expect(page.locator("#dataset-progress")).to_contain_text("42 %")
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.locator("#dataset-table-note")).to_have_text("Reading was cancelled.")
    expect(role(page, "eins")).to_have_value(before)
    expect(page.locator("#dataset-save")).to_be_visible()
    held.holds.clear()
    role(page, "eins").select_option("context")
    expect(page.locator("#dataset-table-note .rs-notice")).to_have_count(0)


def test_of_roles_that_are_changed_quickly_only_the_last_are_read_to_the_end(page, held):
    opened(page, held, ROWS)
    held.holds.set()
    role(page, "eins").select_option("system")
    expect(page.get_by_role("progressbar", **BAR)).to_be_visible()
    role(page, "eins").select_option("context")
    role(page, "zwei").select_option("answer")
    role(page, "drei").select_option("prompt")
    until(lambda: held.asked[-1].columns.roles.get("drei") == "prompt", "the reading by the last roles")
    held.holds.clear()
    expect(page.locator("#dataset-table pre")).to_have_text("a0\n\nc0")
    expect(page.locator("#dataset-save")).to_have_text("Keep 5 rows")
    expect(page.locator("#dataset-table-note .rs-notice")).to_have_count(0)
    ways = {choices.columns.model_dump_json() for choices in held.asked if choices.columns}
    assert len(ways) <= 4, "each way is asked for once, and those in between may be left out"
