"""Sharing as people do it: a link is made, copied, opened by another person, and taken back; and what operators see and stop."""

import json
import re

import pytest
from playwright.sync_api import expect

from app.people.file import People
from reft_engine.data import dump_examples, inspect_rows
from reft_engine.spec import RunSpec
from storage import MetricPoint, RunStatus, SampleRecord, Storage
from tests.browser import WINDOW
from tests.journeys.conftest import running
from tests.journeys.test_playground_saved import panel
from tests.journeys.test_train_spec import PHONE, serious

HOSTILE = '<b>bold</b> ${document.title="owned"} <img src=x onerror="document.title=1">'
PHRASES = {"ada": "correct horse battery", "bob": "staple of another kind", "olga": "an operators pass phrase"}
ROWS = [{"prompt": f"Question {n} {HOSTILE}", "answer": f"Answer {n}. " * 20} for n in range(13)]


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    """A studio of three people, where Ada has a run, a dataset and a conversation."""
    folder = tmp_path_factory.mktemp("shares") / "data"
    store = Storage(folder)
    people = People(folder)
    for name, phrase in PHRASES.items():
        people.add(name, phrase, operator=name == "olga")
    hers = store.seen_by(people.named("ada").id)
    examples = dump_examples(inspect_rows(ROWS).examples)
    dataset = hers.datasets.create(name=f"Cats {HOSTILE}", label="a.csv", shape="pairs", rows=13, usable_rows=13, examples=examples)
    run, waiting = (hers.runs.create(dataset.id, RunSpec().model_dump(mode="json"), name=name) for name in (f"Cat run {HOSTILE}", "Next"))
    held = store.queue.claim("w")
    store.runs.pause_queue()  # nothing here is to be trained
    held.begin("Reading the rows.")
    points = [MetricPoint(step, name, 1 / step) for step in range(1, 30) for name in ("loss", "held_out", "held_out_base")]
    held.progress(step=29, total_steps=29, epoch=1.0, seconds_left=0, metrics=points, sparkline=[0.3])
    held.add_sample(*(SampleRecord(29, f"Prompt {place} {HOSTILE}", "expected", "of the base", HOSTILE, place) for place in range(2)))
    for status in (RunStatus.CHECKING, RunStatus.FINISHED):
        held.set_status(status, "Moved.")
    hers.files.adapter(run.id).mkdir(parents=True)
    (hers.files.adapter(run.id) / "config.json").write_text("{}")
    turn = {"id": "t", "parent": None, "prompt": HOSTILE, "answers": [{"column": 0, "text": f"Said {HOSTILE}\n\nand more"}]}
    chat = hers.chats.create("A talk", json.dumps({"format": 1, "columns": [{"kind": "base"}], "turns": [turn], "leaf": "t"}))
    with running(folder, REFT_STUDIO_PEOPLE="team") as server:
        yield server, store, {"run": run.id, "dataset": dataset.id, "chat": chat.id, "waiting": waiting.id}
    store.close()


@pytest.fixture
def enter(browser, studio):
    """Opens a page of the studio as somebody, in a browser of their own."""
    opened = []

    def go(name, path, window=WINDOW, scheme="light"):
        context = browser.new_context(viewport=window, color_scheme=scheme)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        opened.append(context)
        page = context.new_page()
        if name:
            answer = context.request.post(f"{studio[0].address}/login", form={"username": name, "password": PHRASES[name]}, max_redirects=0)
            assert answer.status == 303
        page.goto(f"{studio[0].address}/{path}")
        return page

    yield go
    for context in opened:
        context.close()


def is_whole(page):
    """That nothing is wider than the window, and no text became a page."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.title() not in ("owned", "1") and page.locator("main img, main b b").count() == 0


def make(page):
    page.get_by_role("button", name="Make a link").click()
    page.wait_for_url(re.compile("made="))
    return page.get_by_role("textbox", name=re.compile("^Link")).first.input_value()


def test_a_link_is_made_copied_opened_by_another_person_and_taken_back(enter, studio):
    ada = enter("ada", f"runs?run={studio[2]['run']}")
    ada.locator("#run-share").click()
    ada.wait_for_url(re.compile("/share/run/"))
    expect(ada.get_by_text("There are none: nobody else sees this.")).to_be_visible()
    ada.get_by_label("It opens for").select_option("1")
    ada.get_by_label("Who opens it may download the adapter").check()
    address = make(ada)
    assert address.startswith(f"{studio[0].address}/shared/")
    ada.get_by_role("button", name="Copy").first.click()
    expect(ada.get_by_role("status")).to_have_text("The link is copied.")
    assert ada.evaluate("navigator.clipboard.readText()") == address
    bob = enter("bob", address.removeprefix(f"{studio[0].address}/"))
    expect(bob.get_by_role("heading", level=1)).to_contain_text("Cat run <b>bold</b>")
    expect(bob.locator("#report-part-chart svg").first).to_be_visible()
    expect(bob.locator("#report-part-samples")).to_contain_text("of the base")
    with bob.expect_download() as download:
        bob.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename.endswith(".zip")
    is_whole(bob)
    ada.get_by_role("button", name="Revoke").first.click()
    expect(ada.get_by_text("There are none: nobody else sees this.")).to_be_visible()
    bob.reload()
    expect(bob.get_by_role("heading", level=1)).to_have_text("Nothing is shown here")


def test_a_dataset_is_shared_from_its_page_and_read_by_pages(enter, studio):
    ada = enter("ada", f"dataset?id={studio[2]['dataset']}")
    ada.get_by_role("link", name="Share").click()
    ada.wait_for_url(re.compile("/share/dataset/"))
    address = make(ada)
    bob = enter("bob", address.removeprefix(f"{studio[0].address}/"))
    expect(bob.get_by_role("main")).to_contain_text("Question 9 <b>bold</b>")
    bob.get_by_role("link", name="Later").first.click()
    expect(bob.get_by_role("main")).to_contain_text("Question 12 <b>bold</b>")
    is_whole(bob)


def test_a_conversation_is_shared_from_the_list_of_the_playground(enter, studio):
    ada = enter("ada", "playground")
    panel(ada)
    ada.get_by_role("link", name=re.compile("Share.*A talk")).click()
    ada.wait_for_url(re.compile("/share/chat/"))
    address = make(ada)
    bob = enter("bob", address.removeprefix(f"{studio[0].address}/"))
    expect(bob.get_by_role("main")).to_contain_text("Said <b>bold</b>")
    is_whole(bob)
    stranger = enter("", address.removeprefix(f"{studio[0].address}/"))
    expect(stranger.get_by_role("heading", name="Log in to ReFT Studio")).to_be_visible()


def test_an_operator_stops_a_run_after_being_asked_once_more_and_sees_no_names(enter, studio):
    olga = enter("olga", "operator")
    text = olga.get_by_role("main").inner_text()
    assert "ada" in text and studio[2]["waiting"] in text and not re.search("Cat|Next|bold", text)
    is_whole(olga)
    olga.get_by_text("Take out of the queue").focus()
    olga.keyboard.press("Enter")
    olga.get_by_role("button", name="Yes").first.focus()
    olga.keyboard.press("Enter")
    expect(olga.get_by_role("status").filter(has_text="asked to stop")).to_be_visible()
    store = studio[1]
    assert store.runs.get(studio[2]["waiting"]).status is RunStatus.STOPPED
    assert "An operator stopped this run." in [event.text for event in store.events.all(studio[2]["waiting"])]


def test_one_person_alone_is_offered_no_sharing(page, server):
    page.goto(f"{server.address}/runs")
    page.wait_for_function("document.querySelector('.gradio-container .rs-title')")
    expect(page.locator("#run-share")).to_have_count(0)


@pytest.mark.parametrize("window", [WINDOW, PHONE], ids=["wide", "narrow"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_pages_of_links_and_operators(enter, studio, window, scheme):
    ada = enter("ada", f"share/run/{studio[2]['run']}", window, scheme)
    links = [make(ada)]
    assert serious(ada) == []
    is_whole(ada)
    for kind in ("dataset", "chat"):
        ada.goto(f"{studio[0].address}/share/{kind}/{studio[2][kind]}")
        links.append(make(ada))
    for address in (*links, f"{studio[0].address}/shared/x"):
        ada.goto(address)
        ada.wait_for_load_state("networkidle")
        assert serious(ada) == [], address
        is_whole(ada)
    olga = enter("olga", "operator", window, scheme)
    assert serious(olga) == []
    is_whole(olga)
